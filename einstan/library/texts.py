"""Texts from files and to files: UTF-8, with or without a byte-order mark, and errors that name the file.

``-`` is the standard input where a text is read.
"""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import BinaryIO

from einstan.language.arguments import shown
from einstan.language.errors import DataError

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
        reason = getattr(problem, "strerror", None) or str(problem)
        raise DataError(f"{short(name)} {what}: {reason}", repair=repair) from problem
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


def refuse_unwritable(option: str, name: str | None) -> None:
    """Find out before the work, not after, that its results could not be written."""
    if not name:
        return
    path, what = Path(name), f"{option} {short(name)}"
    try:
        path.stat()
    except FileNotFoundError:
        where = Path(os.path.realpath(path)).parent
        if not (where.is_dir() and os.access(where, os.W_OK)):
            raise DataError(
                f"{what} cannot be written: there is no writable directory {short(str(path.parent))}",
                repair="make the directory, or give another one",
            ) from None
    except (OSError, ValueError) as problem:  # a name that holds a zero byte is a ValueError
        reason = getattr(problem, "strerror", None) or str(problem)
        raise DataError(f"{what} cannot be written: {reason}", repair="give the name of a file") from problem
    else:
        if path.is_dir():
            raise DataError(f"{what} is a directory", repair="give a file name in it")
        if not os.access(path, os.W_OK):
            raise DataError(f"{what} cannot be written", repair="give the name of a file that can be")


def write(name: str, text: str) -> None:
    path = Path(name)
    try:
        if path.exists() and not path.is_file():  # a pipe, a terminal
            path.write_text(text, encoding="utf-8")
        else:
            replace_file(path, text.encode())
    except (OSError, ValueError) as problem:
        reason = getattr(problem, "strerror", None) or str(problem)
        raise DataError(f"{short(name)} cannot be written: {reason}", repair="give the name of a file") from problem


def replace_file(path: str | os.PathLike[str], content: bytes | memoryview) -> None:
    """Write a file all at once: to a temporary file in the same directory, flushed, and renamed over the old one."""
    destination = os.path.realpath(path)
    if os.path.exists(destination) and not os.path.isfile(destination):  # a device would be renamed over
        raise DataError(
            f"{short(os.fsdecode(path))} cannot be written: it is no regular file",
            repair="name a file in a directory that can be written",
        )
    directory, name = os.path.split(destination)
    temporary = os.path.join(directory, f".{name}.{os.urandom(4).hex()}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, destination)
    except BaseException:
        with suppress(FileNotFoundError):  # it may not have been made, or have been renamed already
            os.unlink(temporary)
        raise
    if os.name == "posix":  # the new name itself must reach the disk too
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def is_file(name: str) -> bool:
    """Whether there is something of this name; a text that is no name of anything is none."""
    if name == STANDARD_INPUT:
        return True
    try:
        return Path(name).exists()
    except (OSError, ValueError):
        return False


def short(name: str) -> str:
    """A name in an error: as it is, unless it is long or holds what a terminal would obey."""
    if name == STANDARD_INPUT:
        return "the standard input"
    return name if 0 < len(name) <= 100 and name.isprintable() else shown(name)
