"""Python's collector of cycles, asked less often while many nodes are made.

Nodes hold each other in no cycles, so looking for garbage among them finds next to none, and between a tenth and a
quarter of the time went into it.  It is only asked less often, never switched off, and is as it was afterwards.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from einstan.language.threads import after_fork, lock

SELDOM = 50_000  # objects made before the youngest are looked at

_lock = lock()
_inside: dict[int, int] = {}  # how many blocks each thread is in; the first of all saves what the last restores
_before: tuple[int, int, int] = (0, 0, 0)
_ours: tuple[int, int, int] = (0, 0, 0)  # what was set, which may be set otherwise by somebody else meanwhile


@contextmanager
def collecting_seldom() -> Iterator[None]:
    """A block in which the collector of cycles runs less often, unless nobody wants it to run at all."""
    global _before, _ours
    thread = threading.get_ident()
    with _lock:
        if not _inside:
            _before = _ours = gc.get_threshold()
            if _before[0]:  # zero switches it off
                _ours = (max(_before[0], SELDOM), *_before[1:])
                gc.set_threshold(*_ours)
        _inside[thread] = _inside.get(thread, 0) + 1
    try:
        yield
    finally:
        with _lock:
            _inside[thread] -= 1
            if not _inside[thread]:
                del _inside[thread]
            _restore()


def _restore() -> None:
    if not _inside and gc.get_threshold() == _ours:
        gc.set_threshold(*_before)


@after_fork
def _alone() -> None:
    """In a forked child the blocks of all other threads are left."""
    if others := _inside.keys() - {threading.get_ident()}:
        for thread in others:
            del _inside[thread]
        _restore()
