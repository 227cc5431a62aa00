"""Text from outside as each medium takes it: what is written there is what was read, and is obeyed by nothing.

Names of files and classes, comments and lines that cannot be read come from whoever wrote the file.  What writes them
somewhere escapes them, once.
"""

from __future__ import annotations

import html
import re
import unicodedata
from urllib.parse import quote

UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")  # controls, what turns the direction of text, half a letter, ends of lines
_MARKS = re.compile(r"([\\`*_\[\]<>|~&$])")
_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}",
}  # fmt: skip


def visible(text: str) -> str:
    """Text for a terminal: what is not seen but obeyed, ESC first of all, as its code; lines and tabs stay.

    Examples:
        >>> print(visible("\\x1b[31mred"))
        \\u001b[31mred
    """
    if text.isprintable() or text.replace("\n", "").isprintable():  # nearly always
        return text
    return "".join(letter if letter in "\n\t" or not _is_unseen(letter) else _code(letter) for letter in text)


def _is_unseen(letter: str) -> bool:
    return unicodedata.category(letter) in UNSEEN


def _code(letter: str) -> str:
    return f"\\u{ord(letter):04x}" if ord(letter) < 0x10000 else f"\\U{ord(letter):08x}"


def in_html(text: str) -> str:
    return html.escape(visible(text))


def in_markdown(text: str) -> str:
    """Text in one line of Markdown, or in a cell of a table."""
    return _MARKS.sub(r"\\\1", " ".join(visible(text).split("\n")))


def code_in_markdown(text: str) -> str:
    """Code in one line of Markdown, fenced by more backquotes than it holds in a row."""
    text = " ".join(visible(text).split("\n"))
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    blank = " " if text.startswith("`") or text.endswith("`") else ""
    fence = "`" * (longest + 1)
    return f"{fence}{blank}{text}{blank}{fence}"


def link_in_markdown(name: str, target: str) -> str:
    return f"[{in_markdown(name)}]({quote(target.encode(errors='surrogateescape'))})"


def in_latex(text: str) -> str:
    """Text of any letters: what fonts for text lack is set in the font for mathematics."""
    text = visible(unicodedata.normalize("NFC", text))
    return "".join(
        _LATEX.get(letter) or (letter if is_latin(letter) else rf"\ensuremath{{{letter}}}") for letter in text
    )


def is_latin(letter: str) -> bool:
    return letter.isascii() or unicodedata.name(letter, "").startswith("LATIN")
