"""Effort: how much may be worked out for one question before it is given up.

What is short to write may be long to work out: the derivative of eight nested softmax, twenty lines of which each
squares the one before.  Where a limit is set, the rules of the calculus count what they do, and what goes beyond is
refused with a reason instead of running for ever.  Counted are steps and not seconds, so that an answer does not depend
on the machine.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from einstan.language.errors import EinstanError


class EffortError(EinstanError):
    """Too much to work out."""


class _Left(threading.local):
    steps = float("inf")


_left = _Left()


def spend(steps: int) -> None:
    """Count so many steps."""
    _left.steps -= steps
    if _left.steps < 0:
        raise EffortError(
            "given up: it takes too many steps to work this out",
            repair="name what stands in it several times in an equation of its own, or claim a part of it",
        )


@contextmanager
def effort(steps: float) -> Iterator[None]:
    """At most so many steps inside, and not more than are left outside."""
    before = _left.steps
    _left.steps = min(steps, before)
    try:
        yield
    finally:
        _left.steps = before
