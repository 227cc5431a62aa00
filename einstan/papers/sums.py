r"""Sums as papers write them: the letters they bind, their limits, and conditions below them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from einstan.papers.applied import Applied
from einstan.papers.grammar import compared, parse
from einstan.papers.problem import UnreadError
from einstan.papers.tex import Token, written
from einstan.papers.tree import (
    Addition,
    Compared,
    Node,
    Number,
    Reduction,
    Symbol,
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
            if node.sign != "sum":
                raise UnreadError(f"a {node.sign} with a condition", written(node.below))
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

    def whole(self, place: Place, upper: str) -> None:
        """A sum up to N runs over a whole axis: N is its extent, here and elsewhere."""
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
        cuts = [
            k
            for k, token in enumerate(below)
            if token.text in ("<", ">", "=", "≤", "≥", "≠", "ne", "neq", "le", "leq", "ge", "geq", "lt", "gt")
        ]
        letters = _letters(below)
        if not cuts:
            if not letters or any(token.kind not in ("letter",) and not token.is_mark(",", "'") for token in below):
                raise UnreadError("a sum over something that is no index", text, r"\sum_{k}")
            if above and len(letters) > 1:
                raise UnreadError("a sum over several with one limit", text, r"\sum_{i=1}^{n} \sum_{j=1}^{m}")
            return letters, [], written(above)
        if below[cuts[0]].is_mark("="):
            several = _letters(below[: cuts[0]])
            if len(several) > 1 and len(cuts) == 1:  # i,j=1
                return self.all_from_to(several, below[cuts[0] + 1 :], above)
            if len(cuts) > 1 or not letters or cuts[0] != len(letters[0]):
                raise UnreadError("a sum with a limit that is not read", text, r"\sum_{k=1}^{K}")
            return self.from_to(letters[0], below[cuts[0] + 1 :], above)
        if above:
            raise UnreadError("a sum with a condition and a limit", text, r"\sum_{i<j}")
        bound = [letter for letter in letters if letter not in self.left and letter not in self.within]
        if not bound:
            raise UnreadError(f"a sum that binds none of {', '.join(letters)}", text, r"\sum_{k}")
        if len(bound) > 1 and below[cuts[0]].text in ("ne", "neq", "≠"):
            raise UnreadError(f"a sum over {' or '.join(bound)}, or over both", text, r"\sum_{i} \sum_{j \neq i}")
        return bound, [compared(below, self.header)], ""

    def from_to(
        self, letter: str, low: Sequence[Token], above: Sequence[Token]
    ) -> tuple[list[str], list[Compared], str]:
        start, end = written(low), written(above)
        conditions = []
        indices = {*self.left, *self.within}
        if start not in ("0", "1"):
            others = _letters(low)
            if not others or not {*others} <= indices:
                raise UnreadError(f"a sum from {start}", start, r"\sum_{k=1}^{K}")
            conditions.append(Compared((self.index_node(letter), parse(low, self.header)), (">=",)))
        if not end:
            raise UnreadError("a sum without an end", letter, r"\sum_{k=1}^{K}")
        plain = [token for token in above if token.kind != "number" or len(above) == 1]
        if len(above) == 1 and above[0].kind in ("letter", "number", "command") and end not in indices:
            if start == "0":
                raise UnreadError(f"a sum from 0 to {end} has one entry more than the axis", letter, r"\sum_{k=1}^{K}")
            if above[0].is_command("infty"):
                raise UnreadError("a sum without end", letter, r"\sum_{k=1}^{K}")
            return [letter], conditions, end
        minus = len(above) == 3 and above[1].is_mark("-", "−") and above[2].text == "1"
        if minus and start == "0" and above[0].text not in indices:
            return [letter], conditions, above[0].text
        if {*_letters(above)} <= indices and _letters(above):
            conditions.append(Compared((self.index_node(letter), parse(above, self.header)), ("<=",)))
            return [letter], conditions, ""
        del plain
        raise UnreadError(f"a sum up to {end}", end, r"\sum_{k=1}^{K}, and a condition in it: \mathbb{1}[k < K]")

    def all_from_to(
        self, letters: list[str], low: Sequence[Token], above: Sequence[Token]
    ) -> tuple[list[str], list[Compared], str]:
        r"""``\sum_{i,j=1}^{n}``, of which each letter runs over a whole axis."""
        _, conditions, upper = self.from_to(letters[0], low, above)
        if conditions:
            raise UnreadError("a sum over several with limits of their own", written(low), r"\sum_{i} \sum_{j}")
        return letters, [], upper

    def index_node(self, letter: str) -> Node:
        return Symbol(letter)

    def bracket(self, condition: Compared) -> Value:
        sides = [self.compared_side(side) for side in condition.sides]
        pieces: list[Piece] = ["1["]
        for k, side in enumerate(sides):
            pieces += [*([f" {condition.signs[k - 1]} "] if k else []), *side.pieces]
        bound = frozenset(letter for side in sides for letter in side.bound)
        return Value((*pieces, "]"), ATOM, bound=bound)

    def compared_side(self, node: Node) -> Value:
        """A side of a comparison, where an index stands for its number."""
        match node:
            case Symbol(base, below=()) if self.is_index(base):
                return Value((self.index(base, "δ", 0, ""),))
            case Addition(terms) if all(
                isinstance(t, Number) or (isinstance(t, Symbol) and self.is_index(t.base)) for _, t in terms
            ):
                pieces: list[Piece] = []
                for k, (sign, term) in enumerate(terms):
                    pieces += [("+" if k else "") if sign > 0 else "-", *self.compared_side(term).pieces]
                return Value(tuple(pieces), SUM)
            case _:
                return self.scalar(node, "a comparison")

    def is_index(self, letter: str) -> bool:
        return (
            len(letter) == 1
            and letter not in self.header.axes
            and (letter in self.left or letter in self.within or letter in self.named or letter in self.indices)
        )


def _letters(tokens: Sequence[Token]) -> list[str]:
    found: list[str] = []
    for token in tokens:
        if token.kind == "letter":
            found.append(token.text)
        elif token.is_mark("'") and found:
            found[-1] += "1"
    return list(dict.fromkeys(found))
