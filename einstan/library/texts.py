"""Texts from files: UTF-8, with or without a byte-order mark, and errors that name the file.

``-`` is the standard input.
"""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import BinaryIO

from einstan.language.errors import DataError
from einstan.library.files import named, reason

STANDARD_INPUT = "-"
MOST = 1_000_000  # bytes of a text: more equations than anybody has written


def read(name: str, what: str, repair: str) -> str:
    """The text of a file; ``what`` says what the name of no file could have been, and ``repair`` what to give."""
    try:
        with opened(name) as file:  # a device may have no end
            held = file.read(MOST + 1)
        text = held[:MOST].decode("utf-8-sig", "strict" if len(held) <= MOST else "ignore")
    except UnicodeDecodeError as problem:
        raise DataError(f"{short(name)} is not a text in UTF-8", repair=repair) from problem
    except (OSError, ValueError) as problem:  # a name that holds a zero byte is a ValueError
        raise DataError(f"{short(name)} {what}: {reason(problem)}", repair=repair) from problem
    if len(held) > MOST:
        raise DataError(f"{short(name)} is longer than {MOST:,} bytes", repair=repair)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def opened(name: str) -> AbstractContextManager[BinaryIO]:
    """A file to be read; the standard input stays open, for whoever reads it after."""
    if name != STANDARD_INPUT:
        return Path(name).open("rb")
    if sys.stdin is None:  # it was closed with <&-
        raise OSError("the standard input is closed")
    return nullcontext(sys.stdin.buffer)


def is_file(name: str) -> bool:
    """Whether there is something of this name; a text that is no name of anything is none."""
    if name == STANDARD_INPUT:
        return True
    try:
        return Path(name).exists()
    except (OSError, ValueError):
        return False


def short(name: str) -> str:
    """What is read, in an error."""
    return "the standard input" if name == STANDARD_INPUT else named(name)
