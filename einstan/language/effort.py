"""Effort: how much may be worked out for one question before it is given up.

What is short to write may be long to work out: the derivative of eight nested softmax, twenty lines of which each
squares the one before.  The rules of the calculus count what they do; what goes beyond the allowance of a question is
refused with a reason instead of running for ever.  A question is one call of a public function (`checked` asks it), or
one claim of a document.  Counted are steps and not seconds, so that an answer does not depend on the machine.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from einstan.language.errors import EinstanError

QUESTION = 1_500_000  # steps for a call, some seconds: nearly twenty times a backward pass of a thousand layers
UNLIMITED = float("inf")
Value = TypeVar("Value")


class EffortError(EinstanError):
    """Too much to work out."""


class _Left(threading.local):
    steps = UNLIMITED


_left = _Left()


def spend(steps: int) -> None:
    """Count so many steps."""
    _left.steps -= steps
    if _left.steps < 0:
        raise EffortError(
            "given up: it takes too many steps to work this out",
            repair="name a part of what is nested, or stands in it several times: an equation each",
        )


@contextmanager
def effort(steps: float) -> Iterator[None]:
    """So many steps inside, which are not counted outside."""
    before = _left.steps
    _left.steps = steps
    try:
        yield
    finally:
        _left.steps = before


def answered(question: Callable[..., Value], *given: object, **named: object) -> Value:
    """A question with an allowance of its own, unless it is part of another."""
    if _left.steps != UNLIMITED:
        return question(*given, **named)
    _left.steps = QUESTION
    try:
        return question(*given, **named)
    finally:
        _left.steps = UNLIMITED
