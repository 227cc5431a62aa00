r"""A paper as it stands to lines of a document, each with the line of its formula.

What is defined for the first time is a definition, what comes later a claim; the steps of a chain are claims of their
own.  What is not understood is kept with the reason.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from einstan.papers.grammar import parse
from einstan.papers.header import Header
from einstan.papers.problem import UnreadError
from einstan.papers.rows import formulas_of
from einstan.papers.sides import Formula
from einstan.papers.source import Display, displayed, inputs
from einstan.papers.step import Step, readable, refuse_relation
from einstan.papers.tex import Token, Tokens, written
from einstan.papers.tree import Symbol

NAMED = "named here"
DEEP, DEEPER, LONGEST = "it is nested too deep", "a name for a part of it", 200
LOST = "…"  # which no document has


@dataclass(frozen=True)
class Item:
    """A line of the document that a paper is: the line in the source, the code, and the formula as it is typed.
    Without code there is a ``problem``, or it was left out."""

    line: int
    formula: str = ""
    code: str = ""
    comment: str = ""
    problem: UnreadError | None = None
    skipped: bool = False
    hidden: bool = False  # says to the reader of documents that this line would have defined a name
    step: int = 0
    display: int = 0  # the number of the display where it stands; 0 for what a comment says
    axes: tuple[str, ...] | None = None  # the letters that its axes have in the code, where it has no indices
    row: bool = False  # whether its one axis is that of a row


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
        problem = UnreadError(f"the file {name} is not read", "", "check it by itself, or put its text in")
        reading.items.append(Item(line, rf"\input{{{name}}}", problem=problem))
    for each in displayed(text, kind):
        if isinstance(each, Display):
            reading.display(each)
        else:
            reading.said(each.line, each.text)
    return Paper(tuple(sorted(reading.items, key=lambda item: item.line)), reading.displays)


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
        except UnreadError as problem:
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
            case ("lines", codes):
                for code in codes.splitlines():
                    self.header.note(code)
                    self.items.append(Item(line, code=code))
            case (word, code):
                if word == "given":
                    name = (
                        code.removeprefix("given ").partition("[")[0].split("(")[0] if "[" in code.split("(")[0] else ""
                    )
                    name = name or re.match(r"given ([^\W\d]\w*(?:\^\([^()]*\))?)", code)[1]  # type: ignore[index]
                    self.header.defined[name] = line
                if word in ("given", "equation"):
                    self.header.note(code)
                self.items.append(Item(line, code=code))

    # ---- displays ----------------------------------------------------------------------------------------------------

    def display(self, display: Display) -> None:
        self.displays += 1
        skip, self.skip = self.skip, None
        refuted, self.refuted = self.refuted, None
        if skip is not None:
            shown = " ".join(display.text.split())
            self.items.append(Item(display.line, shown, comment=skip, skipped=True, display=self.displays))
            self.last = None
            return
        step, before = 0, len(self.items)
        try:
            for formula in formulas_of(display):
                step = self.formula(formula, step, refuted)
        except RecursionError:
            self.items.append(Item(display.line, display.text[:LONGEST], problem=UnreadError(DEEP, "", DEEPER)))
        if len(self.items) == before:
            problem = UnreadError("there is no formula in it", "", "L = ..., or % einstan: skip")
            self.items.append(Item(display.line, " ".join(display.text.split()), problem=problem))
        self.items[before:] = [replace(item, display=self.displays) for item in self.items[before:]]

    def formula(self, formula: Formula, step: int, refuted: tuple[frozenset[int] | None, str] | None) -> int:
        sides, relations = list(formula.sides), list(formula.relations)
        if formula.goes_on:
            if self.last is None:
                problem = UnreadError(
                    "it goes on from a formula that is not read", "", "the whole formula in one display"
                )
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
        if chain.defines and relations[0].is_mark("=") and (lost := self.lost(formula)):
            plain = lost.partition("^(")[0]  # what reads unread lines takes a label for a name
            self.items.append(Item(formula.line, code=f"{plain} = {LOST}", hidden=True))
            self.header.lost[lost] = formula.line, chain.repair
        return step

    def lost(self, formula: Formula) -> str:
        """The name that a formula would have defined, of which nothing is known then."""
        try:
            node = parse(formula.sides[0], self.header)
        except UnreadError:
            return ""
        found = self.header.naming(node) if isinstance(node, Symbol) else None
        name = found[0] if found else node.name if isinstance(node, Symbol) else ""
        return "" if name in self.header.axes or name in self.header.defined else name


@dataclass
class _Chain:
    """The steps of one formula."""

    paper: _Reading
    formula: Formula
    refuted: tuple[frozenset[int] | None, str] | None
    letters: set[str] = field(default_factory=set)  # that stand free in the sides so far
    defines: bool = True  # whether the next step may define something: none before was read
    repair: tuple[str, ...] = ("the formula before it",)  # what to write for the last step that is not read

    def step(
        self, step: int, known: Tokens | None, left: Tokens, relation: Token, right: Tokens, first: bool
    ) -> Tokens | None:
        """Read ``left = right``, where ``known`` is the last side that could be read.  The side that is known next."""
        line = right[0].line if right and not first else self.formula.line
        text = f"{written(known if known is not None else left)} {relation} {written(right)}"
        header = self.paper.header
        before = header.kept()
        try:
            if self.formula.problem is not None:
                raise self.formula.problem
            refuse_relation(relation)
            if known is None:
                raise UnreadError("it goes on from a side that is not read", "", self.repair)
            reading = Step(
                self.paper.header, self.paper.uppers, known, right, self.defines, self.formula.conditions, self.letters
            )
            reading.update = relation.is_mark("←") or relation.is_command("leftarrow", "gets")
            code = reading.code()
            self.defines = False
        except UnreadError as problem:
            header.back(before)
            self.repair = problem.repair
            self.paper.items.append(Item(line, text, problem=problem, step=step))
            if readable(right, header):
                return right
            return known if known is not None and readable(known, header) else None
        comment = self.formula.label and f"({self.formula.label})"
        if self.refuted is not None and (self.refuted[0] is None or step in self.refuted[0]):
            code = f"refute {code.removeprefix('claim ')}" if code.startswith("claim ") else code
            comment = "; ".join(filter(None, (comment, self.refuted[1])))
        for line_ in (*reading.made, code):
            if not line_.startswith(("claim ", "refute ")):
                header.note(line_)
        for made in reading.made:
            self.paper.items.append(Item(line, text, made, NAMED))
        self.paper.items.append(Item(line, text, code, comment, step=step, axes=reading.axes, row=reading.row))
        return right


def _no_equation(tokens: Tokens) -> UnreadError:
    if any(token.is_command("mapsto", "rightarrow", "to") for token in tokens):
        return UnreadError("a map, and no equation", "", "f(x) = ...")
    return UnreadError("no equation: nothing is said of it", "", "L = ... or a remark")
