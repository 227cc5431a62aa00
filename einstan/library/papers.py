r"""``es.check_paper(text)``: a paper as it is typed, LaTeX or Markdown, judged formula by formula.

>>> print(check_paper(r"$$ L = \\frac12 \\sum_{i=1}^n x_i^2 $$ $$ \\frac{\\partial L}{\\partial x_j} = x_j $$", "md"))
   1    defined   L = 1/2 x[I]^2
   1  ✓ proved    ∂L/∂x[j] = x[j]
1 claim: 1 proved
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePath

from einstan.language.arguments import ArgumentError, checked, shown
from einstan.language.errors import EinstanError, NotationError
from einstan.language.statement import Statement
from einstan.library.check import NOT_EXPRESSIBLE, Line, Report, judged_lines
from einstan.library.judgements import Outcome
from einstan.papers import Item, read_paper
from einstan.papers.source import SUFFIXES


def kind_of(name: str) -> str:
    """What a file holds, by its name: ``tex``, ``md``, or nothing for a document of this notation."""
    return SUFFIXES.get(PurePath(name).suffix.lower(), "")


@checked
def check_paper(text: str, kind: str = "tex", name: str = "", seconds: float | None = None) -> Report:
    """Judge the displayed formulas of a paper, in their order.

    ``kind`` is ``tex`` or ``md``.  What is defined for the first time is a definition, later formulas are claims, and
    comments ``% einstan: ...`` or ``<!-- einstan: ... -->`` say what the text cannot.  What is not understood is a line
    of its own, with the reason and what to write.  ``seconds`` as in `check`.
    """
    if kind not in ("tex", "md"):
        raise ArgumentError(f"kind is tex or md, not {shown(kind)}", repair='kind="tex"')
    if seconds is not None and not seconds > 0:
        raise ArgumentError(f"seconds are a positive number, not {shown(seconds)}", repair="seconds=10")
    paper = read_paper(text, kind)
    items = {(item.line, item.code): item for item in paper.items if item.code}
    hidden = {(item.line, item.code) for item in paper.items if item.hidden}
    judged = judged_lines(paper.lines, seconds)
    lines = [_typed(line, items) for line in judged if (line.number, line.statement.text) not in hidden]
    lines += [_unread(item) for item in paper.items if item.problem is not None]
    lines += [_left_out(item) for item in paper.items if item.skipped]
    return Report(tuple(sorted(lines, key=lambda line: line.number)), name)


def _typed(line: Line, items: dict[tuple[int, str], Item]) -> Line:
    """A line with its formula as it is typed, and its code as it is printed."""
    statement = line.statement
    item = items.get((statement.line, statement.text))
    formula = item.formula if item is not None else ""
    if statement.content is None or statement.error is not None:
        return replace(line, formula=formula)
    try:
        code = str(replace(statement, comment=""))
    except EinstanError:  # what was read has no shorter text
        code = statement.text
    return replace(line, statement=replace(statement, text=code), formula=formula)


def _unread(item: Item) -> Line:
    problem = item.problem
    assert problem is not None
    start = item.formula.find(problem.part) if problem.part else -1
    span = (start, start + len(problem.part)) if start >= 0 else None
    error = NotationError(problem.reason, text=item.formula, span=span, repair=problem.repair)
    statement = Statement("unreadable", None, item.line, item.formula, item.comment, error)
    return Line(statement, Outcome("unreadable", str(error)), formula=item.formula)


def _left_out(item: Item) -> Line:
    return Line(Statement("note", None, item.line, "", f"{NOT_EXPRESSIBLE}{item.formula} | {item.comment}"))
