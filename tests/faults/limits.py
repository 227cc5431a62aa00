"""A function in a process of its own, which may take so much of the processor and of memory and no more."""

from __future__ import annotations

import os
import resource
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from einstan.language.errors import EinstanError


@dataclass(frozen=True)
class Ended:
    """How it ended: ``ours`` for an answer or an error of ours, after so many seconds of the processor."""

    ours: bool
    said: str
    seconds: float


def limited(run: Callable[[], object], seconds: float, memory: int) -> Ended:
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        status = 1
        try:
            resource.setrlimit(resource.RLIMIT_CPU, (round(seconds), round(seconds) + 1))
            resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
            status, said = _answer(run)
            os.write(writer, said.encode(errors="replace")[:4000])
        finally:
            os._exit(status)
    os.close(writer)
    with open(reader, "rb") as told:
        said = told.read().decode()
    _, status, used = os.wait4(child, 0)
    return Ended(status == 0, said or f"killed by signal {status & 127}", used.ru_utime + used.ru_stime)


def _answer(run: Callable[[], object]) -> tuple[int, str]:
    try:
        return 0, f"answered: {str(run())[-300:]!r}"
    except EinstanError as error:
        return 0, f"refused: {error.problem}"
    except BaseException:
        return 1, traceback.format_exc()[-3000:]
