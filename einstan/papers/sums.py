r"""Sums as papers write them: the letters they bind, their limits, and conditions below them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from einstan.papers.applied import Applied
from einstan.papers.grammar import compared, parse
from einstan.papers.names import parts_of
from einstan.papers.problem import UnreadError
from einstan.papers.signs import HEAD
from einstan.papers.tensors import COUNTS
from einstan.papers.tex import Token, written
from einstan.papers.tree import (
    Addition,
    Compared,
    Listed,
    Node,
    Number,
    Product,
    Reduction,
    Symbol,
    mentions,
)
from einstan.papers.value import (
    ATOM,
    ENTRIES,
    SUM,
    Piece,
    Place,
    Value,
    joined,
    summed,
)


@dataclass
class Sums(Applied):
    """Sums as papers write them: the letters they bind, their limits, and conditions below them."""

    def reduction(self, node: Reduction) -> Value:
        letters, condition, upper = self.limits(node)
        last = node.body.factors[-1][1] if isinstance(node.body, Product) else node.body
        if node.sign == "prod" and last is not node.body and not mentions(last, [letter[0] for letter in letters]):
            said = "the last factor is one of each factor of a product, or of the whole product"
            raise UnreadError(said, written(node.below), (r"\prod_i (x_i a)", r"a \prod_i x_i"))
        for letter in letters:
            if letter in self.within or letter in self.left:
                raise UnreadError(
                    f"{letter} is summed, and stands around the sum too", written(node.below), "another letter"
                )
            if letter in self.free:
                raise UnreadError(
                    f"{letter} is summed, and stands outside of its sum too", written(node.below), "another letter"
                )
        around, self.within = self.within, [*self.within, *letters]
        outside = {letter: self.named.pop(letter) for letter in letters if letter in self.named}
        body = self.value(node.body)
        guards = [self.bracket(each) for each in condition]
        places = [self.named.get(letter) for letter in letters]
        for letter in letters:
            self.named.pop(letter, None)
        self.named |= outside
        self.within = around
        self.summed |= set(letters)
        if lacking := [letter for letter, place in zip(letters, places, strict=True) if place not in body.pieces]:
            raise UnreadError(f"what is summed has no index {lacking[0]}", written(node.below), f"x_{lacking[0]}")
        assert all(place is not None for place in places)
        inside = [place for place in places if place is not None]
        for place in inside if upper else ():
            self.whole(place, upper)
        for guard in guards:
            if node.sign == "prod":  # what does not count is a factor of one
                chosen = guard.inside(ATOM)
                body = replace(body, pieces=(*chosen, " * ", *body.inside(ATOM), " + (1 - ", *chosen, ")"), level=SUM)
                continue
            if node.sign != "sum":
                bracket = rf"\{node.sign}_k (x_k \mathbb{{1}}[k \neq n]), where that is the same"
                raise UnreadError(f"a {node.sign} with a condition", written(node.below), bracket)
            body = joined(guard, body, body.axes, body.row)
        if node.sign == "sum":
            return summed(body, inside, body.axes, body.row)
        if body.axes:
            raise UnreadError(f"the {node.sign} of {body.shape}", "", ENTRIES)
        pieces: list[Piece] = [f"{node.sign}["]
        for k, place in enumerate(inside):
            place.summed = True
            pieces += [*([","] if k else []), place]
        return Value((*pieces, "](", *body.pieces, ")"), ATOM, bound=body.bound | set(letters))

    def listed(self, node: Listed) -> Value:
        """A vector or a matrix by its entry: the letters of the entry are its axes."""
        around, self.within = self.within, [*self.within, *node.letters]
        body = self.value(node.entry)
        self.within = around
        places = []
        for letter, upper in zip(node.letters, node.uppers, strict=True):
            place = self.named.pop(letter, None)
            if place is None or place not in body.pieces or len(body.axes) > (len(node.letters) == 1):
                raise UnreadError(
                    "dots leave out entries of a matrix", "", (r"[W_{ij}], its entry in brackets", ENTRIES)
                )
            self.whole(place, upper)
            place.letter = ""
            places.append(place)
        if body.axes and body.row is not (node.row is False):  # columns stand side by side, and rows one below another
            raise UnreadError(f"{body.shape} in a list of them", "", ENTRIES)
        axes = (*places, *body.axes) if node.row is False else (*body.axes, *places)
        return replace(body, axes=axes, row=node.row)

    def whole(self, place: Place, upper: str) -> None:
        """A sum up to N runs over a whole axis: N is its extent, here and elsewhere."""
        if self.header.axes.get(upper):
            said = HEAD + f"name {upper}_k = {upper}{upper.lower()}[k]"
            said = r"\sum_{n}, which runs over all of them" if upper in self.known else said
            raise UnreadError(f"{upper} is how many there are, and a tensor of the text", upper, said)
        if place.at is None:
            return
        known = self.header.extents.get(upper)
        here = f"|{place.at[0]}.{place.at[1]}|"
        key = f"{place.at[0]}.{place.at[1]}"
        other = next((name for name, at in self.uppers.items() if at == key and name != upper), None)
        if other is not None:
            raise UnreadError(f"one axis is summed up to {other} and up to {upper}", key, f"\\sum_{{k}} 1[k < {upper}]")
        self.uppers[upper] = key
        if known is None and not upper.isdigit():
            self.header.extents[upper] = here

    def limits(self, node: Reduction) -> tuple[list[str], list[Compared], str]:
        """The letters that a sum binds, the conditions on them, and up to where it runs."""
        below, above = list(node.below), list(node.above)
        text = written(below)
        if any(token.is_command("in", "subset") for token in below):
            raise UnreadError("a sum over a set", text, r"\sum_{k} 1[...] x_k")
        bar = next((k for k, t in enumerate(below) if t.is_mark(":", "|") or t.is_command("colon", "mid")), 0)
        if bar and not (below[bar].is_mark("|") and any(not _is_bound(token) for token in below[:bar])):
            return self.such_that(below[:bar], below[bar + 1 :], above)
        cuts = [
            k
            for k, token in enumerate(below)
            if token.text in ("<", ">", "=", "≤", "≥", "≠", "ne", "neq", "le", "leq", "ge", "geq", "lt", "gt")
        ]
        letters = _letters(below)
        if not cuts:
            if not letters or not all(map(_is_bound, below)):
                raise UnreadError("a sum over something that is no index", text, r"\sum_{k}")
            if above and len(letters) > 1:
                raise UnreadError("a sum over several with one limit", text, r"\sum_{i=1}^{n} \sum_{j=1}^{m}")
            return letters, [], written(above)
        if below[cuts[0]].is_mark("="):
            several = _letters(below[: cuts[0]])
            if len(several) > 1 and len(cuts) == 1:  # i,j=1
                return self.all_from_to(several, below[cuts[0] + 1 :], above)
            if len(cuts) > 1 or not letters or cuts[0] != len(letters[0]):
                said = (r"\sum_{k=1}^{K}", r"\sum_{k=1}^{K} \mathbb{1}[k \neq n] x_k, where there is a condition")
                raise UnreadError("a sum with a limit that is not read", text, said)
            return self.from_to(letters[0], below[cuts[0] + 1 :], above)
        if above:
            raise UnreadError("a sum with a condition and a limit", text, rf"\sum_{{{written(below)}}}")
        bound = [letter for letter in letters if letter not in self.left and letter not in self.within]
        if not bound:
            raise UnreadError(f"a sum that binds none of {', '.join(letters)}", text, r"\sum_{k}")
        if len(bound) > 1 and below[cuts[0]].text in ("ne", "neq", "≠"):
            one, other = (re.sub(r"\d", lambda primes: "'" * int(primes[0]), letter) for letter in bound[:2])
            apart = rf"\sum_{{{one}}} \sum_{{{other} \neq {one}}}"
            raise UnreadError(f"a sum over {one} or {other}, or over both", text, apart)
        return bound, [compared(below, self.header)], ""

    def such_that(
        self, bound: list[Token], condition: list[Token], above: list[Token]
    ) -> tuple[list[str], list[Compared], str]:
        r"""``\sum_{j : t_j \geq t_i}`` binds what stands in front of the colon alone."""
        letters, text = _letters(bound), written([*bound, *condition])
        if not letters or not all(map(_is_bound, bound)):
            raise UnreadError("a sum over something that is no index", text, r"\sum_{k : x_k > 0}")
        if above:
            raise UnreadError("a sum with a condition and a limit", text, r"\sum_{k : x_k > 0}")
        return letters, [compared(part, self.header) for part in parts_of(condition)], ""

    def from_to(
        self, letter: str, low: Sequence[Token], above: Sequence[Token]
    ) -> tuple[list[str], list[Compared], str]:
        start, end = written(low), written(above)
        if not end:
            raise UnreadError("a sum without an end", letter, r"\sum_{k=1}^{K}")
        if any(token.is_command("infty") for token in above):
            raise UnreadError("a sum without end", letter, r"\sum_{k=1}^{K}")
        indices, first = {*self.left, *self.within}, self.header.first
        node = self.index_node(letter)
        conditions = []
        of_indices = bool(_letters(low)) and {*_letters(low)} <= indices
        if of_indices:
            conditions.append(Compared((node, parse(low, self.header)), (">=",)))
        elif not start.isdigit():
            raise UnreadError(f"a sum from {start}", start, r"\sum_{k=1}^{K}")
        if {*_letters(above)} <= indices and _letters(above):
            if not of_indices and start not in ("0", "1"):
                raise self.unbegun(letter, start, end)
            conditions.append(Compared((node, parse(above, self.header)), ("<=",)))
            return [letter], conditions, ""
        name, less = _extent(above)
        counts = {"0": 0, "1": 1}.get(start) if not of_indices else first if first is not None else 1 - less
        if name and counts in (0, 1) and first in (None, counts) and less == 1 - counts:
            return [letter], conditions, name
        if start == "0" and not less and first is None:
            raise UnreadError(f"a sum from 0 to {end} has one entry more than the axis", letter, r"\sum_{k=1}^{K}")
        if first is None:
            raise self.unbegun(letter, start, end)
        if not of_indices and int(start) < first:
            said = (r"\sum_{k=1}^{n}", HEAD + "first 0")
            raise UnreadError(f"a sum from {start}, where entries count from 1", start, said)
        if name and less < 1 - first and start == "1":
            all_but_first = rf"\sum_{{{letter}}} \mathbb{{1}}[{letter} > 0] x_{letter}"
            raise UnreadError(f"a sum from 1 to {end}, where entries count from 0", end, all_but_first)
        if not of_indices and int(start) != first:
            conditions.append(Compared((node, Number(start)), (">=",)))
        if name and less == 1 - first:
            return [letter], conditions, name
        if name and name not in self.header.extents and not self.header.knows(name):
            says = self.header.counting(name) or self.header.counting(name, letter) or [f"extent {name} = |x.0|"]
            raise UnreadError(f"a sum up to {end}", end, [HEAD + each for each in says])
        conditions.append(Compared((node, parse(above, self.header)), ("<=",)))
        return [letter], conditions, ""

    def unbegun(self, letter: str, start: str, end: str) -> UnreadError:
        if start in ("0", "1"):
            return UnreadError(f"a sum up to {end}: whether the first entry is 0 or 1", end, COUNTS)
        return UnreadError(f"a sum from {start}: whether the first entry is 0 or 1", start, COUNTS)

    def all_from_to(
        self, letters: list[str], low: Sequence[Token], above: Sequence[Token]
    ) -> tuple[list[str], list[Compared], str]:
        r"""``\sum_{i,j=1}^{n}``, of which each letter runs over a whole axis."""
        _, conditions, upper = self.from_to(letters[0], low, above)
        if conditions:
            raise UnreadError("a sum over several with limits of their own", written(low), r"\sum_{i} \sum_{j}")
        return letters, [], upper

    def index_node(self, letter: str) -> Node:
        return Symbol(letter[0], primes=len(letter) - 1)

    def bracket(self, condition: Compared) -> Value:
        """A comparison.  Indices are compared with each other wherever one counts from; with a number they stand for
        theirs in the text, which counts from 0 or from 1."""
        counts = [self.counted(side) for side in condition.sides]
        apart = any(one != other for one, other in pairwise(counts))
        sides = [self.compared_side(side, apart) for side in condition.sides]
        pieces: list[Piece] = ["1["]
        for k, side in enumerate(sides):
            pieces += [*([f" {condition.signs[k - 1]} "] if k else []), *side.pieces]
        bound = frozenset(letter for side in sides for letter in side.bound)
        return Value((*pieces, "]"), ATOM, bound=bound)

    def counted(self, node: Node) -> int:
        """How many indices stand in a side of a comparison, those with a minus taken off."""
        match node:
            case Symbol():
                return int(bool(self.index_of(node)))
            case Addition(terms):
                return sum(sign * self.counted(term) for sign, term in terms)
            case _:
                return 0

    def compared_side(self, node: Node, apart: bool = False) -> Value:
        """A side of a comparison, where an index stands for its number."""
        match node:
            case Symbol() if letter := self.index_of(node):
                return self.number_of(letter) if apart else Value((self.index(letter, "δ", 0, ""),))
            case Addition(terms) if self.counted(node) or any(self.counted(term) for _, term in terms):
                pieces: list[Piece] = []
                for k, (sign, term) in enumerate(terms):
                    sign_ = ("+" if k else "") if sign > 0 else "-"
                    pieces += [sign_, *self.compared_side(term, apart).inside(ATOM)]
                return Value(tuple(pieces), SUM)
            case _:
                return self.scalar(node, "a comparison")


def _is_bound(token: Token) -> bool:
    """Whether a token is of a list of letters that a sum binds."""
    return token.kind == "letter" or token.is_mark(",", "'")


def _extent(above: Sequence[Token]) -> tuple[str, int]:
    """``N`` and ``N-1`` as a name and what is taken off, ``T_x`` with its subscript; no name for anything else."""
    tokens = [token for token in above if not token.is_mark("{", "}")]
    less = 0
    if len(tokens) > 2 and tokens[-2].is_mark("-", "−") and tokens[-1].text.isdigit():
        less, tokens = int(tokens[-1].text), tokens[:-2]
    plain = len(tokens) == 1 and tokens[0].kind in ("letter", "number", "command")
    below = len(tokens) == 3 and tokens[0].kind == "letter" and tokens[1].is_mark("_") and tokens[2].kind == "letter"
    return (written(tokens), less) if plain or below else ("", less)


def _letters(tokens: Sequence[Token]) -> list[str]:
    found: list[str] = []
    for token in tokens:
        if token.kind == "letter":
            found.append(token.text)
        elif token.is_mark("'") and found:
            found[-1] += "1"
    return list(dict.fromkeys(found))
