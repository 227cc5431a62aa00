r"""What a LaTeX or Markdown text displays, in its order, and what its comments say to the reader.

    % einstan: given W[k,j] | skip          in LaTeX
    <!-- einstan: given W[k,j] | skip -->   in Markdown, and in LaTeX that a Markdown text holds
    \newcommand{\norm}[1]{\lVert #1 \rVert}   macros

Displayed are ``equation``, ``align``, ``gather``, ``multline`` and their like, ``$$...$$``, ``\[...\]``, in Markdown
blocks of ```` ```math ```` and lines that are one ``$...$``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from einstan.papers.tex import Macro, Token, tokens_of

DISPLAYS = (
    "equation", "align", "gather", "multline", "eqnarray", "displaymath", "flalign", "alignat", "dmath", "math",
)  # fmt: skip
SUFFIXES = {".tex": "tex", ".ltx": "tex", ".latex": "tex", ".md": "md", ".markdown": "md"}

_COMMENT = re.compile(r"(?<!\\)((?:\\\\)*)%(.*)")
_SAID = re.compile(r"\s*einstan:\s*(.*)", re.DOTALL)
_NOTE = re.compile(r"<!--(.*?)-->", re.DOTALL)
_VERBATIM = re.compile(r"\\begin\{(verbatim\*?|lstlisting|minted|comment|Verbatim|alltt)\}.*?\\end\{\1\}", re.DOTALL)
_INPUT = re.compile(r"\\(?:input|include)\s*\{([^{}]*)\}")
_MACRO = re.compile(
    r"\\(?:newcommand|renewcommand|providecommand|DeclareRobustCommand)\*?\s*\{?\s*\\([A-Za-z]+)\s*\}?\s*(\[\d+\])?"
    r"(?:\[([^\]]*)\])?\s*|\\def\s*\\([A-Za-z]+)\s*((?:#\d)*)\s*|\\DeclareMathOperator(\*?)\s*\{\s*\\([A-Za-z]+)\s*\}\s*"
)
_FENCE = re.compile(r"^( {0,3})(```+|~~~+)[ \t]*(\w*)[^\n]*\n(.*?)(?:^ {0,3}\2[ \t]*$|\Z)", re.DOTALL | re.MULTILINE)
_CODE = re.compile(r"(?<!`)(`+)(?!`)(?:(?!\n\s*\n).)+?(?<!`)\1(?!`)", re.DOTALL)
_NAMES = "|".join(DISPLAYS)
_DISPLAY = re.compile(
    rf"\\begin\{{(?P<name>(?:{_NAMES})\*?)\}}(?:\{{\d+\}})?(?P<inside>.*?)\\end\{{(?P=name)\}}"
    r"|(?<!\\)\$\$(?P<dollars>.*?)\$\$|(?<!\\)\\\[(?P<bracket>.*?)\\\]",
    re.DOTALL,
)
_ALONE = re.compile(r"^[ \t]*\$(?!\$)([^$\n]+)(?<!\\)\$[ \t]*[.,;]?[ \t]*$", re.MULTILINE)


@dataclass(frozen=True)
class Display:
    """A displayed formula or several: its tokens, each with its line."""

    line: int
    text: str
    tokens: tuple[Token, ...]


@dataclass(frozen=True)
class Said:
    """One statement of a comment to the reader."""

    line: int
    text: str


def displayed(text: str, kind: str) -> list[Display | Said]:
    """All of a text of a kind, ``tex`` or ``md``, in the order of its lines."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    found: list[tuple[int, int, Display | Said]] = []
    text, notes = _without_comments(text, kind)
    for place, (start, said) in enumerate(notes):
        line = text.count("\n", 0, start) + 1
        found += [(start, place, Said(line, each.strip())) for each in _parted(said) if each.strip()]
    macros = dict(_macros(text))
    for start, inside in _displays(text, kind):
        skipped = len(inside) - len(inside.lstrip())
        line = text.count("\n", 0, start + skipped) + 1
        body = inside.strip()
        found.append((start, 0, Display(line, body, tuple(tokens_of(body, line, macros)))))
    return [each for *_, each in sorted(found, key=lambda item: item[:2])]


def _without_comments(text: str, kind: str) -> tuple[str, list[tuple[int, str]]]:
    """The text with its comments and its program listings blank, and what the comments say."""
    notes: list[tuple[int, str]] = []

    def note(found: re.Match[str], body: int) -> str:
        said = _SAID.fullmatch(found[body].strip())
        if said is not None:
            notes.append((found.start(), said[1]))
        return _blank(found[0])

    text = _VERBATIM.sub(lambda found: _blank(found[0]), text)
    if kind == "md":
        text = _FENCE.sub(_fence, text)
        text = _CODE.sub(lambda found: _blank(found[0]), text)
        text = _NOTE.sub(lambda found: note(found, 1), text)
    else:
        text = _COMMENT.sub(lambda found: found[1] + note(found, 2)[len(found[1]) :], text)
    return text, sorted(notes)


def _fence(found: re.Match[str]) -> str:
    """A block of ``math`` as a display; another one blank."""
    if found[3] != "math":
        return _blank(found[0])
    first = found[0].index("\n")
    inside = _blank(found[4]) if "$$" in found[4] else found[4]
    last = found[0][first + 1 + len(found[4]) :]
    return f"{' ' * (first - 2)}$$\n{inside}{f'$${_blank(last)[2:]}' if len(last) > 1 else '$$'}"


def _blank(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)


def _parted(said: str) -> list[str]:
    """Statements of one comment, parted by bars with blanks around them: ``given x[i] | skip``."""
    return re.split(r"\s\|\s", said)


def _displays(text: str, kind: str) -> Iterator[tuple[int, str]]:
    for found in _DISPLAY.finditer(text):
        part = next(name for name in ("inside", "dollars", "bracket") if found[name] is not None)
        if found[part].strip():
            yield found.start(part), found[part]
    if kind == "md":
        outside = _DISPLAY.sub(lambda found: _blank(found[0]), text)
        yield from ((found.start(1), found[1]) for found in _ALONE.finditer(outside))


def _macros(text: str) -> Iterator[tuple[str, Macro]]:
    """Macros, with their arguments."""
    for found in _MACRO.finditer(text):
        name = found[1] or found[4] or found[7]
        body, depth, start = "", 0, found.end()
        for k in range(start, len(text)):
            depth += (text[k] == "{") - (text[k] == "}")
            if not depth:
                body = text[start + 1 : k]
                break
        if text[start : start + 1] != "{":
            continue
        count = int(found[2][1:-1]) if found[2] else len(found[5] or "") // 2
        first = tokens_of(found[3]) if found[3] is not None else None
        yield name, Macro(tokens_of(f"\\operatorname{{{body}}}" if found[7] else body), count, first)


def inputs(text: str) -> list[tuple[int, str]]:
    r"""The files that a text puts in with ``\input``, which are not read, each with its line."""
    return [(text.count("\n", 0, found.start()) + 1, found[1]) for found in _INPUT.finditer(text)]
