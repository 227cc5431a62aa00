"""A disk that fails: what `einstan.library.files` calls of the system, the n-th call of which goes wrong.

``files.os = Disk(FULL, 3)`` lets two calls through; at the third, half of what is written is, and then there is no
room.  With ``lasting`` nothing that comes later works either.  A fault may kill the process as well.
"""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable
from typing import Any

Fault = Callable[[], object]
COUNTED = ("open", "write", "fsync", "replace", "unlink", "fchmod", "fchown", "fstat", "listdir", "stat")


def failure(number: int) -> Fault:
    def fail() -> object:
        raise OSError(number, os.strerror(number))

    return fail


FULL, BROKEN, READ_ONLY, DENIED = map(failure, (errno.ENOSPC, errno.EIO, errno.EROFS, errno.EACCES))


def killed() -> object:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("nobody lives on")


class Disk:
    """The module ``os``, whose calls are counted; ``calls`` says how many there were."""

    def __init__(self, fault: Fault, at: float = float("inf"), lasting: bool = False) -> None:
        self.fault, self.at, self.lasting, self.calls = fault, at, lasting, 0

    def counted(self, call: Callable[..., Any], half: Callable[[], object] = lambda: None) -> Callable[..., Any]:
        def called(*arguments: Any, **named: Any) -> Any:
            self.calls += 1
            if self.calls == self.at or (self.lasting and self.calls > self.at):
                half()
                self.fault()
            return call(*arguments, **named)

        return called

    def __getattr__(self, name: str) -> Any:
        found = getattr(os, name)
        if name == "fdopen":
            return lambda *arguments: _File(self, os.fdopen(*arguments))
        return self.counted(found) if name in COUNTED else found


class _File:
    """An open file, whose writes are counted."""

    def __init__(self, disk: Disk, file: Any) -> None:
        self.disk, self.file = disk, file

    def __enter__(self) -> _File:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def write(self, content: Any) -> Any:
        content = bytes(content)
        return self.disk.counted(self.file.write, lambda: self.file.write(content[: len(content) // 2]))(content)

    def flush(self) -> None:
        self.disk.counted(self.file.flush)()
