"""Python's collector of cycles, asked less often while many nodes are made.

Nodes hold each other in no cycles, so looking for garbage among them finds next to none, and between a tenth and a
quarter of the time went into it.  It is only asked less often, never switched off, and is as it was afterwards.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SELDOM = 50_000  # objects made before the youngest are looked at

_lock = threading.Lock()
_inside = 0  # how many blocks are running, in all threads; the first saves what the last restores
_before: tuple[int, int, int] = (0, 0, 0)


@contextmanager
def collecting_seldom() -> Iterator[None]:
    """A block in which the collector of cycles runs less often, unless nobody wants it to run at all."""
    global _inside, _before
    with _lock:
        _inside += 1
        if _inside == 1:
            _before = gc.get_threshold()
            if _before[0]:  # zero switches it off
                gc.set_threshold(max(_before[0], SELDOM), *_before[1:])
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside:
                gc.set_threshold(*_before)
