r"""``es.check_paper(text)``: a paper as it is typed, LaTeX or Markdown, judged formula by formula."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from os import PathLike
from pathlib import PurePath

from einstan.language.arguments import ArgumentError, checked, shown
from einstan.language.errors import EinstanError, NotationError
from einstan.language.statement import Statement
from einstan.library.check import NOT_EXPRESSIBLE, Line, Report, judged_lines
from einstan.library.judgements import Outcome
from einstan.papers import Item, read_paper
from einstan.papers.signs import HEAD
from einstan.papers.source import SUFFIXES


def kind_of(name: str) -> str:
    """What a file holds, by its name: ``tex``, ``md``, or nothing for a document of this notation."""
    return SUFFIXES.get(PurePath(name).suffix.lower(), "")


@checked
def check_paper(
    text: str,
    kind: str = "tex",
    name: str = "",
    seconds: float | None = None,
    remember: str | PathLike[str] | None = None,
    progress: bool | None = None,
) -> Report:
    """Judge the displayed formulas of a paper, in their order.

    ``kind`` is ``tex`` or ``md``.  What is defined for the first time is a definition, later formulas are claims, and
    comments ``% einstan: ...`` or ``<!-- einstan: ... -->`` say what the text cannot.  What is not understood is a line
    of its own, with the reason and what to write.  ``seconds``, ``remember`` and ``progress`` as in `check`.

    Examples:
        >>> paper = r"$$ y_i = x_i^2 $$ $$ \\frac{\\partial y_i}{\\partial x_j} = 2 x_i \\delta_{ij} $$"
        >>> print(es.check_paper(paper, "md"))
           1    defined   y[i] = x[i]^2
           1  ✓ proved    dy[i]/dx[j] = 2 x[i] δ[i,j]
        1 claim: 1 proved; 2 displays: 2 read, 0 in part, 0 not
    """
    if kind not in ("tex", "md"):
        raise ArgumentError(f"kind is tex or md, not {shown(kind)}", repair='kind="tex"')
    if seconds is not None and not seconds > 0:
        raise ArgumentError(f"seconds are a positive number, not {shown(seconds)}", repair="seconds=10")
    paper = read_paper(text, kind)
    items: dict[tuple[int, str], list[Item]] = {}
    for item in paper.items:
        if item.code:
            items.setdefault((item.line, item.code), []).append(item)
    lines = [each for line in judged_lines(paper.lines, seconds, remember, progress) for each in _typed(line, items)]
    lines += [_unread(item, kind) for item in paper.items if item.problem is not None]
    lines += [_left_out(item) for item in paper.items if item.skipped]
    return Report(tuple(sorted(lines, key=lambda line: line.number)), name)


def _typed(line: Line, items: dict[tuple[int, str], list[Item]]) -> Iterator[Line]:
    """A line with its formula as it is typed, and its code as it is printed; nothing where it only tells the reader of
    documents that a name is lost."""
    statement = line.statement
    same = items.get((statement.line, statement.text), [])
    item = same.pop(0) if len(same) > 1 else same[0] if same else Item(statement.line)
    if item.hidden:
        return
    line = replace(line, formula=item.formula, display=item.display, axes=item.axes, row=item.row)
    defines = bool(item.formula) and not item.code.startswith(("claim ", "refute ", "given "))
    if isinstance(statement.error, NotationError) and defines:
        line = _defined(line, statement.error)
    if statement.content is None or statement.error is not None:
        yield line
        return
    try:
        code = str(replace(statement, comment=""))
    except EinstanError:  # what was read has no shorter text
        code = statement.text
    yield replace(line, statement=replace(statement, text=code))


def _defined(line: Line, error: NotationError) -> Line:
    """A definition that the notation refuses, with its repairs as comments that say what is meant."""
    repairs = [f"{HEAD}define {repair}" if "=" in repair else repair for repair in error.repair]
    new = NotationError(error.problem, text=error.text, span=error.span, inferred=error.inferred, repair=repairs)
    return replace(line, statement=replace(line.statement, error=new), outcome=Outcome("unreadable", str(new)))


def _unread(item: Item, kind: str) -> Line:
    problem = item.problem
    assert problem is not None
    start = item.formula.find(problem.part) if problem.part else -1
    span = (start, start + len(problem.part)) if start >= 0 else None
    repairs = [_comment(repair, kind) for repair in problem.repair]
    error = NotationError(problem.reason, text=item.formula, span=span, repair=repairs)
    statement = Statement("unreadable", None, item.line, item.formula, item.comment, error)
    return Line(statement, Outcome("unreadable", str(error)), formula=item.formula, display=item.display)


def _comment(repair: str, kind: str) -> str:
    """A comment to the reader as such a text has it."""
    said = repair.removeprefix(HEAD)
    return repair if said == repair or kind == "tex" else f"<!-- einstan: {said} -->"


def _left_out(item: Item) -> Line:
    return Line(Statement("note", None, item.line, "", f"{NOT_EXPRESSIBLE}{item.formula} | {item.comment}"))
