"""One equation of two sides of a formula, as a line of a document: a definition or a claim."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from einstan.papers.grammar import Parser, compared, parse
from einstan.papers.header import Header
from einstan.papers.known import Naming, names_in, names_in_line
from einstan.papers.problem import UnreadError
from einstan.papers.reading import Reader
from einstan.papers.sides import COMPARE, EQUAL, NEAR
from einstan.papers.signs import GREEK_NAMES, HEAD
from einstan.papers.tensors import is_numbered, run_of, said
from einstan.papers.tex import Token, Tokens, group, written
from einstan.papers.tree import Call, Group, Node, Number, Power, Symbol, letters_of
from einstan.papers.value import (
    ENTRIES,
    ExtentsError,
    Place,
    Value,
    aligned,
    counted,
    joined,
    lettered,
    same_extent,
    spelled,
)


@dataclass
class Step:
    """One equation of two sides, as a line of a document."""

    header: Header
    uppers: dict[str, str]
    left: Tokens
    right: Tokens
    first: bool
    conditions: list[Tokens]
    letters: set[str]  # that the sides before have: they are free in all sides
    update: bool = False  # whether the right side is put into the left one
    made: list[str] = field(default_factory=list)
    axes: tuple[str, ...] | None = None  # of both sides, where they are written without indices
    row: bool = False  # whether the one axis is that of a row
    known: set[str] = field(default_factory=set)  # tensors of which something is known before

    def code(self) -> str:
        header = self.header
        self.known = set(header.axes)
        reader = Reader(header, left=self.letters, uppers=self.uppers, known=self.known)
        header.uppers |= set(_uppers(self.left, self.right))
        for name in _uppers(self.left, self.right):
            reader.uppers.setdefault(name, "")
        left = parse(self.left, header, defining=self.first and not self.conditions)
        target = self.target(left) if self.first and not self.conditions else None
        if self.update and (target is None or f" {written(self.left)} " in f" {written(self.right)} "):
            raise UnreadError("an update: one name for the old value and the new", "", NEW)
        dummies = list(self.dummies(left)) if self.first and target is None else []
        header.namings += dummies
        try:
            if target is not None:
                self.refuse_recurrence(target)
            right = parse(self.right, header)
            code = self.defined(target, right, reader) if target is not None else self.claimed(left, right, reader)
        except ExtentsError as error:
            error.repair = (*error.repair, *self.of_one_extent(error.places))
            raise
        finally:
            for dummy in dummies:
                header.namings.remove(dummy)
        self.made = [line for _, text in reader.made for line in text.splitlines()]
        self.axes = None if self.made else self.axes
        for name, _ in reader.made:
            header.defined[name] = 0
        return code

    def of_one_extent(self, places: Sequence[Place]) -> Iterator[str]:
        """What a comment says where two axes are one: the letter of one of them for the other."""
        for one, other in (places, places[::-1]):
            name, k = other.at or ("", 0)
            axes = self.header.axes.get(name, ())
            if name not in self.header.defined and k < len(axes) and other.at != one.at:
                letters = ",".join([*axes[:k], one.dim, *axes[k + 1 :]])
                yield f"given {name}[{letters}], in the comment that gives {name}, where both have one length"

    def target(self, node: Node) -> Symbol | None:
        """The name that a left side defines, if it does: one that no line before defines."""
        if isinstance(node, Power) and node.exponent == Number("2") and isinstance(node.base, Symbol):
            return self.square(node.base)
        header = self.header
        if isinstance(node, Power) and isinstance(node.base, Symbol) and not header.knows_symbol(node.base):
            letters = letters_of(node.exponent)
            if letters:
                said_ = [f"{HEAD}labels {', '.join(letters)}", f"{HEAD}given {node.base.typed}"]
                raise UnreadError(f"{node.base} is raised to a letter, or has a label", str(node.base), said_)
        found = header.naming(node) if isinstance(node, Symbol) else None
        if not isinstance(node, Symbol) or (node.primes and not found):  # m' is a name where a comment says so
            return None
        name = found[0] if found else f"{node.base}{f'^({node.label})' * bool(node.label)}"
        if (
            name in header.defined
            or header.is_gradient(name)
            or name in header.extents
            or (node.base == "δ" and not found and name not in header.axes and node.below and not is_numbered(node))
        ):
            return None
        return node

    def square(self, symbol: Symbol) -> Symbol | None:
        r"""``\sigma^2 = ...`` defines a name of its own where nobody says what σ is."""
        header = self.header
        known = symbol.name in header.axes or header.naming(symbol) is not None
        if known or symbol.name in header.lost:
            return None
        header.squares.setdefault(symbol.name, f"{symbol.base}_sq")
        return replace(symbol, base=header.squares[symbol.name])

    def dummies(self, node: Node) -> Iterator[Naming]:
        """The variable of ``f(z) = ...``, which is a number of its own where the text has no z."""
        header = self.header
        if not isinstance(node, Call):
            return
        right = {str(token) for token in self.right} | {GREEK_NAMES.get(t.text, "") for t in self.right}
        for argument in node.arguments:
            unknown = isinstance(argument, Symbol) and not argument.below and not header.knows_symbol(argument)
            if isinstance(argument, Symbol) and unknown and argument.base in right:  # cos(θ) = a says what θ is
                name = next(n for k in range(100) if (n := f"{argument.base}{k}") not in header.axes)
                header.axes[name] = ()
                yield Naming(argument, name, None)

    def defined(self, target: Symbol, node: Node, reader: Reader) -> str:
        header = self.header
        self.tell_axes(target, node, reader)
        access = reader.access(target, defining=True)
        reader.left |= set(reader.free)
        name, letters = access.name, [slot[0] for slot in access.slots]
        plain = all(len(slot) == 1 and isinstance(slot[0], Place) for slot in access.slots)
        if not plain or len({id(place) for place in letters}) < len(letters):
            told = [*_steps(target), HEAD + f"name {target} = {name}1"]
            raise UnreadError("what is defined has plain indices, each once", name, told)
        known = header.axes.get(name) if name in self.known else None
        given = self.given(access.name, list(access.slots), access.axes, node, reader)
        if given is not None:
            header.defined[name] = reader.header.defined.get(name, 1)
            return given
        right = reader.side(node)
        if right.row and len(right.axes) == 1 and name not in header.rows:
            raise UnreadError(
                f"{name} would be a row", name, (HEAD + f"row {name}", "a product with what is transposed")
            )
        if not access.slots and known is None:
            if reader.dots and not right.axes:
                self.refuse_number(target)
            header.axes[name] = tuple(axis.dim or "i" for axis in right.axes)
            if right.row and len(right.axes) == 1:
                header.rows.add(name)
            left = Value((name,), axes=right.axes, row=right.row)
            slots = list(right.axes)
        else:
            left = replace(access.value, row=name in header.rows if len(access.axes) == 1 else False)
            if known is None and right.axes and not left.axes:
                vectors = ",".join([written(part) for part in target.below] + [axis.dim or "i" for axis in right.axes])
                said_ = (HEAD + f"name {target} = {name}[{vectors}]", ENTRIES)
                raise UnreadError(f"an equation of {left.shape} and {right.shape}", str(target), said_)
            right = aligned(left, right, "an equation of") if not right.is_zero else right
            slots = [place for place in letters if isinstance(place, Place)]
        if known is None and access.slots:
            header.axes[name] = tuple(place.dim or place.letter for place in slots)
        shown = said(name, len(slots))
        if known is not None and right.pieces == left.pieces:  # x = (x_1, ..., x_n) of an x that is given
            return self.claimed(target, node, Reader(header, uppers=self.uppers, made=reader.made))
        bare = re.sub(r"∂\w+(\^\([^()]*\))?", "", "".join(p for p in right.pieces if isinstance(p, str)))
        if shown in names_in(bare):
            raise UnreadError(
                f"{name} stands on both sides of what defines it",
                name,
                [NEW, *_steps(target), f"an assumption, where it says of {name} what holds: assume {shown} = ..."],
            )
        self.refuse_letters(target, slots, reader, right)
        spelling = self.lettered(left, right)
        text = spelled(right.pieces, spelling, header.extents)
        if header.rests_on({*names_in_line(text)}, shown):  # it says something of what is known already
            return self.claimed(target, node, Reader(header, uppers=self.uppers, made=reader.made))
        header.defined[name] = 1
        inside = ",".join(spelling[place] for place in slots)
        return f"{shown}{f'[{inside}]' * bool(inside)} = {text}{counted(spelling)}"

    def refuse_number(self, target: Symbol) -> None:
        r"""Refuse ``\mathbf{y} = f \cdot x``, and ``c_t = f_t \cdot c_{t-1}`` where c_{t-1} is a vector: the dot of two
        vectors is a number, and many write it for the product entry by entry."""
        family = f"{target.base}^("
        shaped = any(axes for name, axes in self.header.axes.items() if target.label and name.startswith(family))
        if target.font == "bold" or shaped:
            entrywise = (r"x \odot y", HEAD + r"operator \cdot = a[i] b[i]", HEAD + f"given {target.typed}")
            raise UnreadError(rf"{target} is a vector by its looks, and x \cdot y is a number", str(target), entrywise)

    def refuse_letters(self, target: Symbol, slots: Sequence[Place], reader: Reader, right: Value) -> None:
        """Refuse a definition of which one side has an index more."""
        own = {letter: place for letter, place in reader.named.items() if place in slots}
        open_ = [letter for letter in reader.free if letter.islower() and letter not in reader.left]
        if open_:
            said_ = [rf"\sum_{{{letter}}} in front of each term that has {letter}" for letter in open_]
            entries = zip(right.pieces, right.pieces[1:], right.pieces[2:], strict=False)
            labels = [n for n, mark, p in entries if isinstance(p, Place) and p.letter == open_[0] and mark == "["]
            new = [n for n in dict.fromkeys(labels) if isinstance(n, str) and n.isalpha() and n not in self.known]
            said_ += [HEAD + "given " + ", ".join(f"{n}_{open_[0]}" for n in new)] if new else []
            raise UnreadError(f"{open_[0]} stands free on the right side, and not on the left", "", said_)
        if len(own) == len(target.below) == 1 and not any(place in right.pieces for place in own.values()):
            letter = next(iter(own))
            said_ = [HEAD + f"given {target.typed}", r"x = c \mathbf{1}, where all entries are c"]
            raise UnreadError(f"{letter} is an index of the left side alone, or a part of the name", str(target), said_)

    def refuse_alone(self, node: Node, alone: set[str]) -> None:
        r"""Refuse ``\sigma_p^2 = \sum_i w_i \sigma_i`` of a σ that is given: p is no index of the right side."""
        while isinstance(node, Power | Call):
            node = node.base if isinstance(node, Power) else node.arguments[0]
        if not isinstance(node, Symbol) or len(node.below) != 1 or written(node.below[0]) not in alone:
            return
        if node.name in self.header.axes and node.name not in self.header.defined:
            problem = f"{written(node.below[0])} is an index of the left side alone, or a part of the name"
            new = rf"{replace(node, below=()).typed}_{{\mathrm{{new}}}}, a name of its own"
            said_ = (new, HEAD + f"given {node.typed}", r"x = c \mathbf{1}, where all entries are c")
            raise UnreadError(problem, str(node), said_)

    def tell_axes(self, target: Symbol, node: Node, reader: Reader) -> None:
        """``Z_{nj} = ...``, whose right side has n and j free, has two axes; alone nj may be one index."""
        run = run_of(target.below[0]) if len(target.below) == 1 else None
        name = target.name
        if run is None or len(run) < 2 or name in self.header.axes or self.header.naming(target) is not None:
            return
        letters = ["".join(token.text for token in part).replace("'", "1") for part in run]
        trial = Reader(self.header, left={*reader.left, *letters}, uppers=dict(reader.uppers))
        saved = self.header.kept()
        trial.side(node)
        self.header.back(saved)
        if len({*letters}) == len(letters) and {*letters} == {*trial.free}:
            self.header.axes[name] = tuple(trial.named[letter].dim or letter for letter in letters)

    def given(
        self, name: str, slots: list[tuple[object, ...]], axes: tuple[Place, ...], node: Node, reader: Reader
    ) -> str | None:
        """``a = g(z)`` for a function without a formula: a is given of z, entry by entry."""
        header = self.header
        if not isinstance(node, Call) or header.function(node.function) != "" or node.function.primes:
            return None
        (argument, *others) = node.arguments
        while isinstance(argument, Group) and len(argument.items) == 1:
            argument = argument.items[0]
        if others and (of_all := self.given_of_all(name, slots, axes, node, reader)):
            return of_all
        if others or not isinstance(argument, Symbol):
            raise UnreadError(f"{node.function} of what has no name", "", "a name for its argument: z = W x + b")
        inner = reader.access(argument)
        if slots or name in header.axes:
            left = Value((), axes=axes, row=False)
            aligned(left, Value((), axes=inner.axes, row=False), "an equation of")
            spelling = {one: other for one, other in zip(axes, inner.axes, strict=True)}
            own = [spelling.get(s[0], s[0]) for s in slots]  # type: ignore[call-overload]
            if own != [s[0] for s in inner.slots]:
                raise UnreadError(
                    "a function applied entry by entry has the indices of its argument", name, "a_i = g(z_i)"
                )
        letters = lettered([inner.value], _numbers(header))
        inside = ",".join(letters[s[0]] if isinstance(s[0], Place) else str(s[0]) for s in inner.slots)
        inside = f"[{inside}]" if inside else ""
        header.axes.setdefault(name, header.axes.get(inner.name, ()))
        shown = f"{node.function.base}_{node.function.below[0][0]}" if node.function.below else node.function.base
        header.applied[shown, inner.name] = name
        rank = len(inner.slots)
        return f"given {said(name, rank)}{inside}({said(inner.name, rank)}{inside})"

    def given_of_all(
        self, name: str, slots: list[tuple[object, ...]], axes: tuple[Place, ...], node: Call, reader: Reader
    ) -> str:
        """``h_t = f(h_{t-1}, x_t)`` for a function of several without a formula: each entry is of all of theirs."""
        header = self.header
        if name not in header.axes or len(slots) != len(axes) or not all(isinstance(a, Symbol) for a in node.arguments):
            return ""
        read = [reader.access(argument) for argument in node.arguments if isinstance(argument, Symbol)]
        if any(len(each.slots) != len(each.axes) for each in read):
            return ""
        spelling = lettered([Value((), axes=axes)], _numbers(header))
        own = f"{said(name, len(axes))}{f'[{chr(44).join(spelling[a] for a in axes)}]' * bool(axes)}"
        inside = []
        for each in read:
            letters = ",".join(f"{'IJKLMN'[k]}" for k in range(len(each.axes)))
            inside.append(f"{said(each.name, len(each.axes))}{f'[{letters}]' * bool(letters)}")
        return f"given {own}({', '.join(inside)})"

    def refuse_recurrence(self, target: Symbol) -> None:
        """Refuse ``h_t = f(h_{t-1}, x_t)`` with what says that it is a step: labels, a function, and what it reads."""
        header, right = self.header, self.right
        if len(right) < 3 or right[0].kind != "letter" or not right[1].is_mark("(") or not right[-1].is_mark(")"):
            return
        if (
            header.is_function(Symbol(right[0].text))
            or header.is_value(Symbol(right[0].text))
            or header.knows(right[0].text)
        ):
            return
        names = Parser(right[2:-1], header)
        try:
            found = [names.name_only()]
            while names.take(","):
                found.append(names.name_only())
        except UnreadError:
            return
        labels = _steps(target)
        if names.token.kind != "end" or not any(each.base == target.base for each in found) or not labels:
            return
        given = ", ".join(
            f"{each.typed}[{'kdmn'[k % 4]}]" for k, each in enumerate([target, *found]) if each.base != target.base
        )
        own = ", ".join(f"{each.typed}[k]" for each in (target, *found) if each.base == target.base)
        told = f"{labels[0]} | function {right[0].text} | given {', '.join(filter(None, (own, given)))}"
        raise UnreadError(f"a recurrence: {target} is made of what was before", str(target), told)

    def claimed(self, node: Node, other: Node, reader: Reader) -> str:
        header = self.header
        left = reader.side(node)
        alone = set(reader.free)
        reader.left |= alone
        right = reader.side(other)
        if not right.is_zero and not self.conditions:
            self.refuse_alone(node, alone - set(reader.free))
        left, right = self.matched(left, right, reader)
        for condition in self.conditions:
            compared_ = compared(condition, header)
            reader.indices = {side.base for side in compared_.sides if isinstance(side, Symbol)}
            guard = reader.bracket(compared_)
            left, right = (side if side.is_zero else joined(guard, side, side.axes, side.row) for side in (left, right))
        spelling = self.lettered(left, right)
        sides = [spelled(side.pieces, spelling, header.extents) for side in (left, right)]
        return f"claim {sides[0]} = {sides[1]}{counted(spelling)}"

    def lettered(self, left: Value, right: Value) -> dict[Place, str]:
        """A letter for each index of both sides; kept are those of the axes, where no index is written."""
        spelling = lettered([left, right], _numbers(self.header))
        places = [p for side in (left, right) for p in (*side.pieces, *side.axes) if isinstance(p, Place)]
        if places and not any(place.letter or place.count for place in places):
            self.axes = tuple(spelling[axis] for axis in left.axes)
            self.row = len(self.axes) == 1 and bool(left.row)
        return spelling

    def matched(self, left: Value, right: Value, reader: Reader) -> tuple[Value, Value]:
        """Both sides with the same axes.  A vector beside an expression with one free index has that index."""
        if right.is_zero or left.is_zero:
            return left, right
        small = [letter for letter in reader.named if letter in reader.free and letter[:1].islower()]
        for one, other, turned in ((left, right, False), (right, left, True)):
            place = reader.named[small[0]] if len(small) == 1 else None
            if place is None or len(one.axes) != 1 or other.axes or place not in other.pieces or place in one.pieces:
                continue
            same_extent(one.axes[0], place, "an equation over")
            one = replace(one.with_places({one.axes[0]: place}), axes=())
            return (other, one) if turned else (one, other)
        return left, aligned(left, right, "an equation of")


def _steps(symbol: Symbol) -> list[str]:
    """What a comment says where x_t and x_{t-1} are two names."""
    letters = [token.text for part in symbol.below for token in part if token.kind == "letter"]
    return [f"{HEAD}labels {letters[0]}"] if len(set(letters)) == 1 else []


def _numbers(header: Header) -> set[str]:
    """Names that no index may have."""
    return set(header.axes)


def readable(tokens: Tokens, header: Header) -> bool:
    """Whether a side can be read by itself, so that a chain goes on from it."""
    saved = header.kept()
    try:
        Reader(header, uppers=dict.fromkeys(_uppers(tokens), "")).side(parse(tokens, header))
    except UnreadError:
        return False
    finally:
        header.back(saved)
    return True


def _uppers(*sides: Tokens) -> list[str]:
    r"""What sums run up to: the N of ``\sum_{k=1}^{N}``, which is how many there are."""
    found = []
    for side in sides:
        for k, token in enumerate(side):
            behind = k + 1
            while token.is_command("sum", "prod") and behind + 1 < len(side) and side[behind].is_mark("_", "^"):
                inside, end = group(side, behind + 1)
                if side[behind].is_mark("^") and len(inside) == 1 and inside[0].kind == "letter":
                    found.append(inside[0].text)
                behind = end
    return found


NEW = r"V = W - \alpha ..., another name for the new value"


def puts(relation: Token) -> bool:
    """Whether it says what the left side becomes."""
    return relation.is_mark("←") or relation.is_command("leftarrow", "gets", "coloneqq", "coloneq")


def refuse_relation(relation: Token) -> None:
    if puts(relation) or relation.is_mark("=", "≡") or relation.is_command(*EQUAL):
        return
    if relation.is_command("sim"):
        drawn = "a number or a tensor with its axes, which may be anything: % einstan: given x[i]"
        raise UnreadError("it says how something is drawn, and is no equation", str(relation), drawn)
    if relation.is_mark("≈") or relation.is_command("approx", "simeq", "cong"):
        raise UnreadError("an approximation, and no equation", str(relation), "the terms that are left out")
    if relation.is_command(*COMPARE) or relation.is_mark("<", ">", "≤", "≥", "≠"):
        raise UnreadError(
            "a comparison, and no equation",
            str(relation),
            "as a comment, where it is assumed: % einstan: assume x[i] > 0",
        )
    if relation.is_command("propto"):
        raise UnreadError(
            "up to a factor that nobody tells", str(relation), r"p_i = q_i / \sum_j q_j, with that factor"
        )
    if relation.is_command(*NEAR) or relation.is_mark("→"):
        raise UnreadError("a map or a limit, and no equation", str(relation), "f(x) = ...")
    raise UnreadError(f"{relation} is no equality", str(relation), "a = b")
