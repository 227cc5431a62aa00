"""What a document is made of: equations, claims, what is given and what conventions choose, each with its line."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from einstan.language.cursor import Cursor
from einstan.language.dims import localised
from einstan.language.errors import EinstanError
from einstan.language.index import Affine, Index
from einstan.language.show import reading, show, sums_inside
from einstan.language.term import RELATIONS, Equation, Expr, Extent, Indexed, Partial
from einstan.language.threads import cached_property
from einstan.language.told import as_read

WORDS = ("claim", "refute", "assume", "given", "convention")
WORD = re.compile(rf"({'|'.join(WORDS)})(?:\s*:\s*|\.\s+|\s+)", re.IGNORECASE)
_COMPARE = ("<", ">", "!", "≤", "≥", "≠", "\\")


@dataclass(frozen=True)
class Claim:
    """``lhs = rhs`` for every value of the free indices of both sides, and the extents that the line states."""

    lhs: Expr
    rhs: Expr
    where: tuple[tuple[Index, Affine], ...] = ()

    @property
    def stated(self) -> list[tuple[Extent, Affine]]:
        """The extents that the line states, each letter once."""
        return [
            (Extent(index), form) for index, form in {index.name: (index, form) for index, form in self.where}.values()
        ]

    @property
    def equation(self) -> Equation | None:
        """The claim as a definition of its left side, where that is one tensor with plain slots, each index once."""
        if not isinstance(self.lhs, Indexed):
            return None
        indices = [slot.index for slot in self.lhs.slots]
        plain = tuple(index for index in indices if index is not None)
        if len(plain) < len(indices) or len({index.name for index in plain}) < len(plain):
            return None
        if any(index not in plain for index in self.rhs.free):
            return None
        return localised(Equation(self.lhs.tensor, plain, self.rhs, self.where))

    def __str__(self) -> str:
        return self.text

    @cached_property
    def text(self) -> str:
        """The claim as it is printed, which is asked for again and again."""
        if self.where and self.equation is not None:
            return str(self.equation)
        return self.written(show)

    @cached_property
    def read_as(self) -> str:
        """The claim with every sum written out, where one may ask for the place of a sum; else nothing."""
        return self.written(reading) if sums_inside(self.lhs) or sums_inside(self.rhs) else ""

    def written(self, side: Callable[[Expr], str]) -> str:
        """The claim, each side in the words of a printer."""
        stated = ", ".join(f"{show(extent)} = {show(form)}" for extent, form in self.stated)
        return f"{side(self.lhs)} = {side(self.rhs)}{' where ' * bool(stated)}{stated}"


@dataclass(frozen=True)
class Given:
    """``given Z[i,j](X[i,K], b[j])``: Z[i,j] is some differentiable function of the entries named, and of no others.

    ``arguments`` are accesses: a small index is one of the function's own, a capital runs over its axis.  ``capitals``
    are the indices that do.
    """

    lhs: Indexed
    arguments: tuple[Indexed, ...]
    capitals: tuple[Index, ...]

    def __str__(self) -> str:
        return f"{show(self.lhs)}({', '.join(map(show, self.arguments))})"


@dataclass(frozen=True)
class Convention:
    """``convention relu'(x) = 1[x >= 0]``: the partial of a function of one argument, chosen where it has none."""

    function: str
    parameter: str
    partial: Expr

    def __str__(self) -> str:
        return f"{self.function}'({self.parameter}) = {show(self.partial)}"


@dataclass(frozen=True)
class Statement:
    """One statement: ``kind`` is ``equation``, one of `WORDS`, ``rule`` for the line between two parts, ``note`` for a
    line that has only a comment, or ``unreadable``, with the ``error``.

    ``line`` counts from 1; ``text`` is the source without its comment.
    """

    kind: str
    content: Equation | Claim | Given | Convention | None
    line: int
    text: str = ""
    comment: str = ""
    error: EinstanError | None = None

    @property
    def code(self) -> str:
        """The source in one line, without the word in front of it."""
        return " ".join(WORD.sub("", self.text, count=1).split())

    def __str__(self) -> str:
        if self.error is not None:
            return self.text
        word = f"{self.kind} " if self.kind in WORDS else ""
        if self.kind == "claim" and isinstance(self.content, Claim) and _is_partial(self.content):
            word = ""
        if self.kind == "assume" and isinstance(self.content, Claim) and is_comparison(self.code):
            return _with_comment(f"assume {show(self.content.lhs)[2:-1]}", self.comment)
        code = f"{word}{self.content}" if self.content is not None else "---" if self.kind == "rule" else ""
        return _with_comment(code, self.comment)


def _with_comment(code: str, comment: str) -> str:
    comment = f"# {comment}" if comment else ""
    return f"{code}  {comment}" if code and comment else code or comment


@dataclass(frozen=True)
class Document:
    statements: tuple[Statement, ...]

    def __str__(self) -> str:
        return "\n".join(as_read([str(statement) for statement in self.statements]))

    @property
    def equations(self) -> tuple[Equation, ...]:
        return tuple(s.content for s in self.statements if isinstance(s.content, Equation))

    @property
    def claims(self) -> tuple[Claim, ...]:
        return self._of_kind("claim")

    @property
    def assumptions(self) -> tuple[Claim, ...]:
        return self._of_kind("assume")

    @property
    def parts(self) -> tuple[Document, ...]:
        """The stretches between the rules.  What a part defines, assumes or is given holds in it alone."""
        found: list[list[Statement]] = [[]]
        for statement in self.statements:
            if statement.kind == "rule":
                found.append([])
            found[-1].append(statement)
        return tuple(Document(tuple(part)) for part in found)

    def _of_kind(self, kind: str) -> tuple[Claim, ...]:
        return tuple(s.content for s in self.statements if s.kind == kind and isinstance(s.content, Claim))


def unreadable(statement: Statement, error: EinstanError) -> Statement:
    """The statement as one that cannot be read."""
    return Statement("unreadable", None, statement.line, statement.text, statement.comment, error)


def as_claim(statement: Statement) -> Statement:
    """An equation as the claim that it holds."""
    equation = statement.content
    assert isinstance(equation, Equation)
    return replace(statement, kind="claim", content=Claim(equation.lhs, equation.rhs, equation.where))


def is_comparison(text: str) -> bool:
    """Whether a text compares and is no equation: ``x[i] > 0``, of which an assumption says that it holds."""
    depth, marks = 0, list[str]()
    for token in Cursor(text).tokens if any(sign in text for sign in _COMPARE) else ():
        if token.kind == "mark":
            depth += {"[": 1, "(": 1, "{": 1, "]": -1, ")": -1, "}": -1}.get(token.text, 0)
            marks += [] if depth else [token.text]
    return "=" not in marks and "==" not in marks and "<-" not in text and any(mark in RELATIONS for mark in marks)


def sides_of(statement: Statement) -> tuple[Expr, ...]:
    content = statement.content
    return (content.lhs, content.rhs) if isinstance(content, Equation | Claim) else ()


def name_of(statement: Statement) -> str:
    """The tensor that an equation or a `given` defines."""
    content = statement.content
    assert isinstance(content, Equation | Given)
    return str(content.name if isinstance(content, Equation) else content.lhs.tensor)


def _is_partial(claim: Claim) -> bool:
    return isinstance(claim.lhs, Indexed) and isinstance(claim.lhs.tensor, Partial)
