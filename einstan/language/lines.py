"""The lines of a text as they are read: what goes on in the next, comments, and what LaTeX sets around."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from einstan.language.errors import EinstanError, NotationError
from einstan.language.letters import harmless, normal, refuse_set_apart
from einstan.language.statement import WORD

_INDENTED = re.compile(rf"\s+{WORD.pattern}(?=\S)", re.IGNORECASE)
_BRACED = r"\{(?:[^{}=]|\{[^{}=]*\})*\}"
_TENSOR = (
    rf"(?:∂|\\partial(?![A-Za-z])\s*)?(?:[^\W\d]\w*|\\[A-Za-z]+(?:\s*{_BRACED})*)"
    rf"(?:\s*[_^]\s*(?:{_BRACED}|\\[A-Za-z]+|\([^()=]*\)|\w+)|\[[^\[\]=]*\])*"
)
_LEFT = rf"{_TENSOR}(?:\s*/\s*{_TENSOR})?\s*(?:&\s*)?=(?!=)"  # z =, z_{j} &=, dL/dz[j] =, \frac{dL}{dz_j} =
_ALONE = re.compile(rf"(?<=[\w\])}}|])\n\s+(?={_LEFT})")
_EQUATION = re.compile(r"[^\W\d][^=<>!]*\s=\s")
_ENVIRONMENT = re.compile(
    r"\\(begin|end)\{(?:(?:aligned|gathered|split|subequations|displaymath|math"
    r"|(?:align|gather|equation|multline|flalign|eqnarray|dmath)\*?)\}|(?:alignat\*?|alignedat)\}(?:\{\d+\})?)"
)
_SET_APART = re.compile(r"\s*(?:\$\$|\\\[|\\\]|`{3,}\w*)\s*")  # alone in a line, around formulas
_ROW = re.compile(r"\\\\(?:\[[^\]]*\])?[ \t]*")
_WITHIN = re.compile(r"\\begin\{(d?cases|\w*matrix|array)\}.*?\\end\{\1\}")
_SPACED = r"(?:[\s&]|\\(?:q?quad|hspace\{[^{}]*\}|[,;:! ]))*"
_JOINS = r"[-+−*/·×=<>≤≥≈,)\]}]|\\(?:cdot|times|div|pm|leq?|geq?|approx|equiv|right)(?![A-Za-z])"
_GOES_ON = re.compile(rf"{_SPACED}(?:{_JOINS})")  # a row of LaTeX that begins with what joins it to the one before
_OWN = re.compile(r"\s*[^&=\s][^&=]*&\s*=|\s*[-−][^&=]*=")  # or that has a left side: -z &= y
_WAITS = re.compile(r"(?:[-+−*/·×=(\[{]|\\(?:cdot|times|left\W))\s*$")  # and one that ends so
Line = tuple[int, str, str]


def in_normal_form(lines: Sequence[Line], refused: Callable[[EinstanError, int, str, str], None]) -> Iterator[Line]:
    """The lines as they are read; one with a letter that looks like another one's is refused."""
    before, calm = "", True
    for line, code, comment in lines:
        calm = calm and harmless(code)
        try:
            refuse_set_apart(code)
            if not calm:
                normal(f"{before}\n{code}")
        except EinstanError as error:
            refused(error, line, code, comment)
        else:
            before = f"{before}\n{code}" if not code.isascii() or not before else f"{before} {code}"
            yield line, normal(code), comment


def logical_lines(text: str) -> Iterator[tuple[int, str, str]]:
    """Line number, code and comment of every statement and of every line without one."""
    number, code = 0, ""
    comments: list[str] = []
    lines = list(rows(text))
    for place, (position, line) in enumerate(lines):
        body, _, comment = line.partition("#")
        open_bracket = _is_open(code) and not _EQUATION.match(body)
        goes_on = bool(code) and bool(body.strip()) and (body[0].isspace() or open_bracket)
        goes_on = goes_on and not _INDENTED.match(body)
        waits = not body.strip() and (_is_open(code) or _goes_on_behind(lines[place + 1 :]))
        if code and not goes_on and not waits:
            yield number, code, "; ".join(comments)
            code, comments = "", []
        if goes_on:
            code += "\n" + body.rstrip()
        elif body.strip():
            number, code = position, body.strip()
        if code:
            comments += [comment.strip()] if comment.strip() else []
        else:
            yield position, "", comment.strip()
    if code:
        yield number, code, "; ".join(comments)


def by_itself(code: str) -> NotationError | None:
    """An indented line ``z = x`` behind ``y = 2 x``, which would be a factor of it."""
    found = _ALONE.search(code)
    if found is None or _is_open(code[: found.start()]):
        return None
    before, behind = code[: found.start()], code[found.end() :]
    return NotationError(
        "an indented line goes on with the one before, and this is an equation by itself", text=code,
        span=(found.end(), len(code)), repair=(f"{before}\n{behind}", f"{before} * {behind}"),
    )  # fmt: skip


def _goes_on_behind(lines: Sequence[tuple[int, str]]) -> bool:
    """Whether the next line with a text is indented and begins with a sign: ``  + b`` behind a comment or nothing."""
    following = next((body for _, line in lines if (body := line.partition("#")[0]).strip()), "")
    return following[:1].isspace() and following.strip()[0] in "+-−*/"


def rows(text: str) -> Iterator[tuple[int, str]]:
    """The lines with their numbers; of LaTeX the rows, without what aligns them.

    Indentation says nothing there: behind ``\\\\`` and the beginning or the end of an environment a row goes on with
    the one before where a sign joins them, and is a statement of its own else.
    """
    ended, before = False, ""
    for position, line in enumerate(text.splitlines(), start=1):
        set_apart = _SET_APART.fullmatch(line) is not None
        bare = "" if set_apart else _ENVIRONMENT.sub("", line) if "\\" in line else line
        for place, row in enumerate(_split(bare) if "\\" in bare else (bare,)):
            ended = ended or place > 0
            if row.strip() or row == line:
                yield position, _row(row, before) if ended and row.strip() else row
            if code := row.partition("#")[0].strip():
                ended, before = False, code
        ended = ended or (bare != line and not bare.strip())


def _split(line: str) -> list[str]:
    r"""The rows of a line of LaTeX; those of its ``cases`` and matrices are within a formula."""
    kept = _WITHIN.sub(lambda found: found[0].replace("\\\\", "\0"), line)
    return [row.replace("\0", "\\\\") for row in _ROW.split(kept)]


def _row(row: str, before: str) -> str:
    """A row of LaTeX: indented where it goes on with the one before, and nowhere else."""
    goes_on = (_GOES_ON.match(row) and not _OWN.match(row)) or (
        _WAITS.search(before) and not re.match(rf"{_SPACED}{_LEFT}", row)
    )
    bare = row.lstrip(" \t&")
    return f" {bare}" if goes_on else bare


def _is_open(code: str) -> bool:
    return sum(code.count(mark) for mark in "([{") > sum(code.count(mark) for mark in ")]}")
