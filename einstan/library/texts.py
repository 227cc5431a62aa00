"""Texts from files and to files: UTF-8, with or without a byte-order mark, and errors that name the file."""

from __future__ import annotations

from pathlib import Path

from einstan.language.arguments import shown
from einstan.language.errors import DataError

MOST = 1_000_000  # bytes of a text: more equations than anybody has written


def read(name: str, what: str, repair: str) -> str:
    """The text of a file; ``what`` says what the name of no file could have been, and ``repair`` what to give."""
    try:
        with Path(name).open("rb") as file:  # a device may have no end
            held = file.read(MOST + 1)
        text = held[:MOST].decode("utf-8-sig", "strict" if len(held) <= MOST else "ignore")
    except UnicodeDecodeError as problem:
        raise DataError(f"{short(name)} is not a text in UTF-8", repair=repair) from problem
    except (OSError, ValueError) as problem:  # a name that holds a zero byte is a ValueError
        reason = getattr(problem, "strerror", None) or str(problem)
        raise DataError(f"{short(name)} {what}: {reason}", repair=repair) from problem
    if len(held) > MOST:
        raise DataError(f"{short(name)} is longer than {MOST:,} bytes", repair=repair)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def write(name: str, text: str) -> None:
    try:
        Path(name).write_text(text, encoding="utf-8")
    except (OSError, ValueError) as problem:
        reason = getattr(problem, "strerror", None) or str(problem)
        raise DataError(f"{short(name)} cannot be written: {reason}", repair="give the name of a file") from problem


def is_file(name: str) -> bool:
    """Whether there is something of this name; a text that is no name of anything is none."""
    try:
        return Path(name).exists()
    except (OSError, ValueError):
        return False


def short(name: str) -> str:
    """A name in an error: as it is, unless it is long or holds what a terminal would obey."""
    return name if 0 < len(name) <= 100 and name.isprintable() else shown(name)
