"""Files, one layer for all: what is read is a regular file, and what is written is written all at once or not at all.

A file is written beside its destination, flushed to the disk, and renamed over it: whenever a crash comes, the
destination is the old file or the new one.  The file beside it is locked while it is written, so that one without a
lock is what a killed run has left, and the next that writes there removes it.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from einstan.language.arguments import shown
from einstan.language.errors import DataError, EinstanError

try:
    import fcntl
except ImportError:  # Windows, where a file that is open cannot be removed anyway
    fcntl = None  # type: ignore[assignment]

POSIX = os.name == "posix"
Path = str | os.PathLike[str]
Content = bytes | Callable[[BinaryIO], object]
KINDS = {
    stat.S_IFDIR: "a directory", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}  # fmt: skip


def named(path: Path) -> str:
    """A name in an error: as it is, unless it is long or holds what a terminal would obey."""
    name = os.fsdecode(path)
    return name if 0 < len(name) <= 100 and name.isprintable() else shown(name)


def reason(problem: Exception) -> str:
    """What the system says, without number and name."""
    return getattr(problem, "strerror", None) or str(problem)


# ---- reading ---------------------------------------------------------------------------------------------------------


def open_regular(path: Path) -> BinaryIO:
    """A regular file, to be read; an OSError for anything else, at once: a pipe or a device is not waited for."""
    _require_regular(os.stat(path))  # before it is opened, which some devices notice
    return open(path, "rb", opener=_at_once)


def _at_once(name: str, flags: int) -> int:
    handle = os.open(name, flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0))
    try:
        _require_regular(os.fstat(handle))  # it may be another by now
    except BaseException:
        os.close(handle)
        raise
    return handle


def _require_regular(found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        kind = KINDS.get(stat.S_IFMT(found.st_mode), "something else")
        raise OSError(errno.EINVAL, f"it is {kind}, and no regular file")


# ---- writing ---------------------------------------------------------------------------------------------------------


def write_file(path: Path, content: Content, repair: str = "name a file in a directory that can be written") -> None:
    """Put a file at ``path``, whole or not at all; ``content`` is bytes, or writes itself into a file opened for it.

    Permissions of a file that was there are kept, a link goes on pointing to its file.  Raises `DataError`.
    """
    try:
        _replace(path, content)
    except (OSError, ValueError, MemoryError) as problem:  # a name that holds a zero byte is a ValueError
        raise _unwritten(named(path), problem, repair) from problem


def write_out(path: Path, content: bytes, repair: str = "give the name of a file") -> None:
    """The same, or into a pipe or a device where that is what ``path`` names."""
    try:
        if os.path.exists(path) and not os.path.isfile(path):
            with open(path, "wb") as file:
                file.write(content)
        else:
            _replace(path, content)
    except (OSError, ValueError) as problem:
        raise _unwritten(named(path), problem, repair) from problem


def _unwritten(path: str, problem: Exception, repair: str) -> EinstanError:
    if isinstance(problem, EinstanError):
        return problem
    why = "there is not enough memory" if isinstance(problem, MemoryError) else reason(problem)
    return DataError(f"{path} cannot be written: {why}", repair=repair)


def _replace(path: Path, content: Content) -> None:
    destination = os.path.realpath(path)
    old = _old(destination)
    handle, temporary = _temporary(destination, 0o666 if old is None else stat.S_IMODE(old.st_mode))
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content) if isinstance(content, bytes) else content(file)
            file.flush()
            if old is not None and POSIX:
                _take_over(handle, old)
            os.fsync(handle)
            if POSIX:  # while it is locked
                os.replace(temporary, destination)
        if not POSIX:  # there, nothing that is open is renamed
            os.replace(temporary, destination)
    except BaseException:
        _remove(temporary)  # unless it has been renamed already
        raise
    _flush_directory(os.path.dirname(destination))


def _old(destination: str) -> os.stat_result | None:
    """What is there, if it is a file that may be replaced."""
    try:
        found = os.stat(destination)
    except FileNotFoundError:
        return None
    _require_regular(found)  # a device would be renamed over
    if not os.access(destination, os.W_OK):  # nor what is protected, which a rename does not ask
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    return found


def _temporary(destination: str, mode: int) -> tuple[int, str]:
    """A new file beside the destination, open and locked, and its name; what killed runs have left there is removed."""
    directory, name = os.path.split(destination)
    _remove_left(directory, name)
    while True:
        path = os.path.join(directory, f".{name}.{os.urandom(4).hex()}.tmp")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        handle = os.open(path, flags, mode)
        try:
            _lock(handle)
            if os.fstat(handle).st_nlink:  # nobody took it for one that was left, in the moment before it was locked
                return handle, path
        except BaseException:
            os.close(handle)
            _remove(path)
            raise
        os.close(handle)


def _remove(path: str) -> None:
    with suppress(OSError):
        os.unlink(path)


def _remove_left(directory: str, name: str) -> None:
    left = re.compile(rf"\.{re.escape(name)}\.[0-9a-f]{{8}}\.tmp")
    with suppress(OSError):
        for entry in filter(left.fullmatch, os.listdir(directory)):
            path = os.path.join(directory, entry)
            with suppress(OSError):
                handle = os.open(path, os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
                try:
                    if fcntl is not None:
                        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        os.unlink(path)
                finally:
                    os.close(handle)
                if fcntl is None:
                    os.unlink(path)


@contextmanager
def one_at_a_time(path: Path) -> Iterator[None]:
    """What is read here and written again, no other process or thread that asks so for that directory comes between."""
    handle = None
    if fcntl is not None:
        with suppress(OSError, ValueError):  # where nothing can be locked, nobody waits
            handle = os.open(os.path.dirname(os.path.realpath(path)), os.O_RDONLY)
            _lock(handle)
    try:
        yield
    finally:
        if handle is not None:
            os.close(handle)


def _lock(handle: int) -> None:
    if fcntl is not None:
        with suppress(OSError):  # where nothing can be locked, nothing is removed
            fcntl.flock(handle, fcntl.LOCK_EX)


def _take_over(handle: int, old: os.stat_result) -> None:
    """The owner and the permissions of the old file."""
    with suppress(OSError):  # only root gives files away
        os.fchown(handle, old.st_uid, old.st_gid)
    os.fchmod(handle, stat.S_IMODE(old.st_mode))


def _flush_directory(directory: str) -> None:
    """The new name must reach the disk too."""
    if not POSIX:
        return
    try:
        handle = os.open(directory, os.O_RDONLY)
    except PermissionError:  # one may write into it and not list it
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


# ---- before the work -------------------------------------------------------------------------------------------------


def refuse_unwritable(option: str, name: Path | None, regular: bool = False) -> None:
    """Find out before the work, not after, that its results could not be written: something is written there.

    With ``regular``, pipes and devices are refused as well.  Raises `DataError`.
    """
    if not name:
        return
    what = f"{option} {named(name)}".strip()
    try:
        destination = os.path.realpath(name)
        if os.path.isdir(destination):
            raise DataError(f"{what} is a directory", repair="give a file name in it")
        if not os.path.isdir(os.path.dirname(destination)):
            raise DataError(
                f"{what} cannot be written: there is no writable directory {named(os.path.dirname(name) or '.')}",
                repair="make the directory, or give another one",
            )
        if regular or not os.path.exists(destination) or os.path.isfile(destination):
            _try(destination)
        elif not os.access(destination, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except (OSError, ValueError) as problem:  # a name that holds a zero byte is a ValueError
        raise _unwritten(what, problem, "give the name of a file that can be") from problem


def _try(destination: str) -> None:
    _old(destination)
    handle, temporary = _temporary(destination, 0o600)
    try:
        os.write(handle, b"\0")
        os.fsync(handle)
    finally:
        os.close(handle)
        _remove(temporary)
