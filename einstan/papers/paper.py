r"""A paper as it stands to lines of a document, each with the line of its formula.

What is defined for the first time is a definition, what comes later a claim; the steps of a chain are claims of their
own.  What is not understood is kept with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from einstan.papers.grammar import HEAD, compared, parse
from einstan.papers.header import Header, Naming
from einstan.papers.problem import Unread
from einstan.papers.reading import Reader
from einstan.papers.rows import COMPARE, EQUAL, NEAR, Formula, formulas_of
from einstan.papers.source import Display, displayed, inputs
from einstan.papers.tex import Token, Tokens, written
from einstan.papers.tree import Call, Derivative, Gradient, Group, Node, Symbol
from einstan.papers.value import Place, Value, aligned, joined, lettered, same_extent, spelled

NAMED = "named here"
LOST = "…"  # which no document has


@dataclass(frozen=True)
class Item:
    """A line of the document that a paper is: the line in the source, the code, and the formula as it is typed.
    Without code there is a ``problem``, or it was left out."""

    line: int
    formula: str = ""
    code: str = ""
    comment: str = ""
    problem: Unread | None = None
    skipped: bool = False
    hidden: bool = False  # says to the reader of documents that this line would have defined a name
    step: int = 0


@dataclass(frozen=True)
class Paper:
    """What was read of a paper, in the order of its lines."""

    items: tuple[Item, ...] = ()
    displays: int = 0

    @property
    def lines(self) -> list[tuple[int, str, str]]:
        """Line, code and comment of what was read, as a document is read."""
        return [(item.line, item.code, item.comment) for item in self.items if item.code]

    @property
    def unread(self) -> list[Item]:
        return [item for item in self.items if item.problem is not None]

    def __str__(self) -> str:
        """The document."""
        shown = [item for item in self.items if item.code and not item.hidden]
        return "\n".join(f"{item.code}  # {item.comment}" if item.comment else item.code for item in shown)


def read_paper(text: str, kind: str = "tex") -> Paper:
    """The displayed formulas of a LaTeX text (``tex``) or of Markdown (``md``) as lines of a document."""
    reading = _Reading()
    for line, name in inputs(text) if kind == "tex" else ():
        problem = Unread(f"the file {name} is not read", "", "check it by itself, or put its text in")
        reading.items.append(Item(line, rf"\input{{{name}}}", problem=problem))
    for each in displayed(text, kind):
        if isinstance(each, Display):
            reading.display(each)
        else:
            reading.said(each.line, each.text)
    ordered = sorted(reading.items, key=lambda item: item.line)
    return Paper(tuple(ordered), reading.displays)


@dataclass
class _Reading:
    header: Header = field(default_factory=Header)
    items: list[Item] = field(default_factory=list)
    displays: int = 0
    skip: str | None = None
    refuted: tuple[frozenset[int] | None, str] | None = None
    last: tuple[Tokens, bool] | None = None  # the last side of the formula before, and whether it was read
    uppers: dict[str, str] = field(default_factory=dict)

    # ---- comments ----------------------------------------------------------------------------------------------------

    def said(self, line: int, text: str) -> None:
        try:
            found = self.header.say(text)
        except Unread as problem:
            self.items.append(Item(line, f"einstan: {text}", problem=problem))
            return
        match found:
            case ("skip", reason):
                self.skip = reason or "left out"
            case ("refute", rest):
                numbers, reason = re.match(r"((?:\d+[\s,]*)*)(.*)", rest, re.DOTALL).groups()  # type: ignore[union-attr]
                steps = frozenset(map(int, re.findall(r"\d+", numbers)))
                self.refuted = steps or None, reason.strip()
            case ("part", _):
                self.items.append(Item(line, code="---"))
                self.uppers, self.last = {}, None
            case (word, code):
                if word == "given":
                    name = code.removeprefix("given ").partition("[")[0].split("(")[0] if "[" in code.split("(")[0] else ""
                    name = name or re.match(r"given ([^\W\d]\w*(?:\^\([^()]*\))?)", code)[1]  # type: ignore[index]
                    self.header.defined[name] = line
                self.items.append(Item(line, code=code))

    # ---- displays ----------------------------------------------------------------------------------------------------

    def display(self, display: Display) -> None:
        self.displays += 1
        skip, self.skip = self.skip, None
        refuted, self.refuted = self.refuted, None
        if skip is not None:
            self.items.append(Item(display.line, " ".join(display.text.split()), comment=skip, skipped=True))
            self.last = None
            return
        step = 0
        for formula in formulas_of(display):
            step = self.formula(formula, step, refuted)

    def formula(self, formula: Formula, step: int, refuted: tuple[frozenset[int] | None, str] | None) -> int:
        sides, relations = list(formula.sides), list(formula.relations)
        if formula.goes_on:
            if self.last is None:
                problem = Unread("it goes on from a formula that is not read", "", "the whole formula in one display")
                self.items.append(Item(formula.line, formula.text, problem=problem))
                return step + 1
            sides[0] = self.last[0]
        if not relations:
            problem = formula.problem or _no_equation(sides[0] if sides else ())
            self.items.append(Item(formula.line, formula.text, problem=problem))
            self.last = None
            return step + 1
        chain = _Chain(self, formula, refuted, defines=not formula.goes_on)
        known: Tokens | None = sides[0]
        for k, relation in enumerate(relations):
            step += 1
            known = chain.step(step, known, sides[k], relation, sides[k + 1], first=k == 0 and not formula.goes_on)
        self.last = (known, True) if known is not None else None
        if chain.defines and (lost := self.lost(formula)):
            self.items.append(Item(formula.line, code=f"{lost} = {LOST}", hidden=True))
        return step

    def lost(self, formula: Formula) -> str:
        """The name that a formula would have defined, of which nothing is known then."""
        try:
            node = parse(formula.sides[0], self.header)
        except Unread:
            return ""
        found = self.header.naming(node) if isinstance(node, Symbol) else None
        name = found[0] if found else node.base if isinstance(node, Symbol) else ""
        return "" if name in self.header.axes or name in self.header.defined else name


@dataclass
class _Chain:
    """The steps of one formula."""

    paper: _Reading
    formula: Formula
    refuted: tuple[frozenset[int] | None, str] | None
    defines: bool = True  # whether the next step may define something: none before was read

    def step(self, step: int, known: Tokens | None, left: Tokens, relation: Token, right: Tokens, first: bool) -> Tokens | None:
        """Read ``left = right``, where ``known`` is the last side that could be read.  The side that is known next."""
        line = right[0].line if right and not first else self.formula.line
        text = f"{written(left)} {relation} {written(right)}"
        header = self.paper.header
        before = dict(header.axes), dict(header.defined), dict(header.applied), dict(header.extents), set(header.rows)
        try:
            if self.formula.problem is not None:
                raise self.formula.problem
            _refuse_relation(relation)
            if known is None:
                raise Unread("it goes on from a side that is not read")
            reading = _Step(self.paper, known, right, self.defines, self.formula.conditions)
            code = reading.code()
            self.defines = False
        except Unread as problem:
            header.axes, header.defined, header.applied, header.extents, header.rows = before
            self.paper.items.append(Item(line, text, problem=problem, step=step))
            if _readable(right, header):
                return right
            return known if known is not None and _readable(known, header) else None
        comment = self.formula.label and f"({self.formula.label})"
        if self.refuted is not None and (self.refuted[0] is None or step in self.refuted[0]):
            code = f"refute {code.removeprefix('claim ')}" if code.startswith("claim ") else code
            comment = "; ".join(filter(None, (comment, self.refuted[1])))
        for made in reading.made:
            self.paper.items.append(Item(line, text, made, NAMED))
        self.paper.items.append(Item(line, text, code, comment, step=step))
        return right


@dataclass
class _Step:
    """One equation of two sides, as a line of a document."""

    paper: _Reading
    left: Tokens
    right: Tokens
    first: bool
    conditions: list[Tokens]
    made: list[str] = field(default_factory=list)

    def code(self) -> str:
        header = self.paper.header
        reader = Reader(header, uppers=self.paper.uppers)
        for name in _uppers(self.left, self.right):
            reader.uppers.setdefault(name, "")
        left = self.without_arguments(parse(self.left, header))
        target = self.target(left) if self.first and not self.conditions else None
        dummies = list(self.dummies(left)) if self.first and target is None else []
        header.namings += dummies
        try:
            right = self.without_arguments(parse(self.right, header))
            code = self.defined(target, right, reader) if target is not None else self.claimed(left, right, reader)
        finally:
            for dummy in dummies:
                header.namings.remove(dummy)
        self.made = [text for _, text in reader.made]
        for name, _ in reader.made:
            header.defined[name] = 0
        return code

    def without_arguments(self, node: Node) -> Node:
        return node

    def target(self, node: Node) -> Symbol | None:
        """The name that a left side defines, if it does: one that no line before defines."""
        if not isinstance(node, Symbol) or node.primes:
            return None
        header = self.paper.header
        found = header.naming(node)
        name = found[0] if found else f"{node.base}{f'^({node.label})' * bool(node.label)}"
        gradient = header.gradients and name.startswith("d") and len(name) > 1
        if name in header.defined or gradient or name in header.extents or (node.base == "δ" and not found and name not in header.axes and len(node.below) > 0):
            return None
        return node

    def dummies(self, node: Node) -> Iterator[Naming]:
        """The variable of ``f(z) = ...``, which is a number of its own where the text has no z."""
        header = self.paper.header
        if not isinstance(node, Call):
            return
        for argument in node.arguments:
            if isinstance(argument, Symbol) and not argument.below and not header.knows_symbol(argument):
                name = next(n for k in range(100) if (n := f"{argument.base}{k}") not in header.axes)
                header.axes[name] = ()
                yield Naming(argument, name, None)

    def defined(self, target: Symbol, node: Node, reader: Reader) -> str:
        header = self.paper.header
        access = reader.access(target, defining=True)
        reader.left = set(reader.free)
        name, letters = access.name, [slot[0] for slot in access.slots]
        plain = all(len(slot) == 1 and isinstance(slot[0], Place) for slot in access.slots)
        if not plain or len({id(place) for place in letters}) < len(letters):
            raise Unread("what is defined has plain indices, each once", name, HEAD + f"name {target} = {name}1")
        known = header.axes.get(name)
        given = self.given(access.name, list(access.slots), access.axes, node, reader)
        if given is not None:
            header.defined[name] = reader.header.defined.get(name, 1)
            return given
        right = reader.side(node)
        if not access.slots and known is None:
            header.axes[name] = tuple(axis.dim or "i" for axis in right.axes)
            if right.row and len(right.axes) == 1:
                header.rows.add(name)
            left = Value((name,), axes=right.axes, row=right.row)
            slots = list(right.axes)
        else:
            left = replace(access.value, row=name in header.rows if len(access.axes) == 1 else False)
            right = aligned(left, right, "an equation of") if not right.is_zero else right
            slots = [place for place in letters if isinstance(place, Place)]
        if known is None and access.slots:
            header.axes[name] = tuple(place.dim or place.letter for place in slots)
        if re.search(rf"(?<![\w∂]){re.escape(name)}(?![\w(^])", "".join(p for p in right.pieces if isinstance(p, str))):
            raise Unread(f"{name} stands on both sides of what defines it", name, "another name, or a label, for the new value")
        spelling = lettered([left, right], _numbers(header))
        header.defined[name] = 1
        inside = ",".join(spelling[place] for place in slots)
        return f"{name}{f'[{inside}]' * bool(inside)} = {spelled(right.pieces, spelling, header.extents)}"

    def given(self, name: str, slots: list[tuple[object, ...]], axes: tuple[Place, ...], node: Node, reader: Reader) -> str | None:
        """``a = g(z)`` for a function without a formula: a is given of z, entry by entry."""
        header = self.paper.header
        if not isinstance(node, Call) or header.function(node.function) != "" or node.function.primes:
            return None
        (argument, *others) = node.arguments
        while isinstance(argument, Group) and len(argument.items) == 1:
            argument = argument.items[0]
        if others or not isinstance(argument, Symbol):
            raise Unread(f"{node.function} of what has no name", "", "a name for its argument: z = W x + b")
        inner = reader.access(argument)
        if slots or name in header.axes:
            left = Value((), axes=axes, row=False)
            aligned(left, Value((), axes=inner.axes, row=False), "an equation of")
            spelling = {one: other for one, other in zip(axes, inner.axes, strict=True)}
            own = [spelling.get(s[0], s[0]) for s in slots]  # type: ignore[call-overload]
            if own != [s[0] for s in inner.slots]:
                raise Unread("a function applied entry by entry has the indices of its argument", name)
        letters = lettered([inner.value], _numbers(header))
        inside = ",".join(letters[s[0]] if isinstance(s[0], Place) else str(s[0]) for s in inner.slots)
        inside = f"[{inside}]" if inside else ""
        header.axes.setdefault(name, header.axes.get(inner.name, ()))
        shown = f"{node.function.base}_{node.function.below[0][0]}" if node.function.below else node.function.base
        header.applied[shown, inner.name] = name
        return f"given {name}{inside}({inner.name}{inside})"

    def claimed(self, node: Node, other: Node, reader: Reader) -> str:
        header = self.paper.header
        left = reader.side(node)
        reader.left = set(reader.free)
        right = reader.side(other)
        left, right = self.matched(left, right, reader)
        for condition in self.conditions:
            guard = reader.bracket(compared(condition, header))
            left, right = (side if side.is_zero else joined(guard, side, side.axes, side.row) for side in (left, right))
        spelling = lettered([left, right], _numbers(header))
        return f"claim {spelled(left.pieces, spelling, header.extents)} = {spelled(right.pieces, spelling, header.extents)}"


    def matched(self, left: Value, right: Value, reader: Reader) -> tuple[Value, Value]:
        """Both sides with the same axes.  A vector beside an expression with one free index has that index."""
        if right.is_zero or left.is_zero:
            return left, right
        small = [letter for letter in reader.named if letter in reader.free and letter[:1].islower()]
        for one, other, turned in ((left, right, False), (right, left, True)):
            if len(one.axes) == 1 and not other.axes and len(small) == 1 and reader.named[small[0]] in other.pieces:
                if reader.named[small[0]] not in one.pieces:
                    place = reader.named[small[0]]
                    same_extent(one.axes[0], place, "an equation over")
                    one = replace(one.with_places({one.axes[0]: place}), axes=())
                    return (other, one) if turned else (one, other)
        return left, aligned(left, right, "an equation of")


def _numbers(header: Header) -> set[str]:
    """Names that no index may have."""
    return set(header.axes)


def _readable(tokens: Tokens, header: Header) -> bool:
    """Whether a side can be read by itself, so that a chain goes on from it."""
    saved = dict(header.axes), dict(header.applied), dict(header.extents)
    try:
        Reader(header, uppers=dict.fromkeys(_uppers(tokens), "")).side(parse(tokens, header))
    except Unread:
        return False
    finally:
        header.axes, header.applied, header.extents = saved
    return True


def _uppers(*sides: Tokens) -> list[str]:
    """What sums run up to: the N of ``\\sum_{k=1}^{N}``, which is how many there are."""
    found = []
    for side in sides:
        for k, token in enumerate(side):
            if token.is_command("sum", "prod"):
                for j in range(k + 1, min(k + 14, len(side) - 1)):
                    if side[j].is_mark("^"):
                        behind = side[j + 2] if side[j + 1].is_mark("{") and j + 2 < len(side) else side[j + 1]
                        found += [behind.text] if behind.kind == "letter" else []
                        break
    return found


def _refuse_relation(relation: Token) -> None:
    if relation.is_mark("=", "≡") or relation.is_command(*EQUAL):
        return
    if relation.is_mark("≈") or relation.is_command("approx", "simeq", "sim", "cong"):
        raise Unread("an approximation, and no equation", str(relation), "the terms that are left out")
    if relation.is_mark("←") or relation.is_command("leftarrow", "gets"):
        raise Unread("an update: one name for the old value and the new", str(relation), r"V = W - \alpha ..., another name for the new value")
    if relation.is_command(*COMPARE) or relation.is_mark("<", ">", "≤", "≥", "≠"):
        raise Unread("a comparison, and no equation", str(relation), HEAD + "assume x[i] > 0, where it is one")
    if relation.is_command(*NEAR) or relation.is_mark("→"):
        raise Unread("a map or a limit, and no equation", str(relation), "f(x) = ...")
    raise Unread(f"{relation} is no equality", str(relation))


def _no_equation(tokens: Tokens) -> Unread:
    if any(token.is_command("mapsto", "rightarrow", "to") for token in tokens):
        return Unread("a map, and no equation", "", "f(x) = ...")
    return Unread("no equation: nothing is said of it", "", "L = ... or a remark")


__all__ = ["Derivative", "Gradient", "Item", "Paper", "read_paper"]
