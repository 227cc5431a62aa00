"""Effort: how much may be worked out for one question before it is given up.

What is short to write may be long to work out: the derivative of eight nested softmax, twenty lines of which each
squares the one before.  The rules of the calculus and the loops count what they do; what goes beyond the allowance of a
question is refused with a reason instead of running for ever.  A question is one call of a public function (`answered`
asks it), or one claim of a document.  Counted are steps, so that an answer does not depend on the machine; every few
thousand of them the clock of this thread is asked too, where seconds are bounded.

A derivation comes back to the same parts again and again, on its way to the shortest form above all.  So until a
question is answered, what it made lives on, with all that has been noted about it, and what was worked out `once` is
not worked out again.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import wraps
from typing import Any, TypeVar, cast

from einstan.language.errors import EinstanError

QUESTION = 1_200_000  # steps for a call, three or four seconds
EQUATION, LETTER = 8_000, 300  # at least for each equation and each letter that is given: what a long text may take
KEPT = 100_000  # things that a question made last, and answers of functions, which are at hand until it is answered
LOOK = 5_000  # steps between two looks at the clock, some hundredths of a second
UNLIMITED = float("inf")
Value = TypeVar("Value")
Function = TypeVar("Function", bound=Callable[..., Any])


class EffortError(EinstanError):
    """Too much to work out."""


class Spent(BaseException):
    """An allowance is spent: no rule may take this for an answer to what it asked, so none of them catches it.

    Whoever has allowed so much raises it as an `EffortError`.
    """

    def __init__(self, error: EffortError) -> None:
        super().__init__()
        self.error = error


_clock = getattr(time, "thread_time", time.perf_counter)  # there is none of a thread where a browser runs Python
_NOTHING: deque[object] = deque(maxlen=0)  # holds nothing, whatever is put in


class _Left(threading.local):
    steps = UNLIMITED  # until the clock is looked at
    rest = UNLIMITED  # behind these
    until = UNLIMITED  # what the clock may show
    seconds = UNLIMITED  # that were allowed
    made = _NOTHING  # what lives until the question is answered
    known: dict[tuple[Any, ...], Any] | None = None  # what was worked out for it


_left = _Left()


def spend(steps: int) -> None:
    """Count so many steps; raises `Spent` when too many are spent, and at every further one."""
    _left.steps -= steps
    if _left.steps < 0:
        _look()


def live(made: object) -> None:
    """Something lives on until the question is answered."""
    _left.made.append(made)


def once(function: Function) -> Function:
    """A function of what can be compared, which is asked the same once for each question."""

    @wraps(function)
    def asked(*given: object) -> Any:
        known = _left.known
        if known is None:
            return function(*given)
        key = (function, *given)
        found = known.get(key, known)
        if found is known:
            if len(known) >= KEPT:
                known.clear()
            found = known[key] = function(*given)
        else:
            spend(1)
        return found

    return cast(Function, asked)


@contextmanager
def _remembering() -> Iterator[None]:
    before = _left.made, _left.known
    _left.made, _left.known = deque(maxlen=KEPT), {}
    try:
        yield
    finally:
        _left.made, _left.known = before


def _look() -> None:
    _left.rest += _left.steps
    _left.steps = 0
    if _is_late(_left.until):
        longer = EffortError(f"took longer than {_left.seconds:g} s", repair="allow more seconds, or name parts of it")
        raise Spent(longer)
    if _left.rest < 0:
        more = EffortError(
            "given up: it takes too many steps to work this out",
            repair="name a part of what is nested, or stands in it several times: an equation each",
        )
        raise Spent(more)
    _left.steps = min(_left.rest, LOOK)
    _left.rest -= _left.steps


def _is_late(until: float) -> bool:
    return until < UNLIMITED and _clock() > until


@contextmanager
def effort(steps: float, seconds: float = UNLIMITED, apart: bool = False) -> Iterator[None]:
    """At most so many steps and seconds inside, which count outside too, unless this is a question ``apart``.

    Raises `EffortError` where that was not enough, unless nothing is left outside either.
    """
    before = _left.steps, _left.rest, _left.until, _left.seconds
    outside = UNLIMITED if apart else before[0] + before[1]
    allowed = min(steps, outside)
    _left.steps, _left.rest = 0, allowed
    end = _clock() + seconds if seconds < UNLIMITED else UNLIMITED
    if apart or end < _left.until:
        _left.until, _left.seconds = end, seconds
    spent: Spent | None = None
    try:
        with _remembering() if _left.known is None else nullcontext():
            yield
    except Spent as found:
        spent = found
    finally:
        used = allowed - (_left.steps + _left.rest) if outside < UNLIMITED else 0
        _left.steps, _left.rest, _left.until, _left.seconds = before[0], before[1] - used, *before[2:]
    if spent is not None:
        is_left = apart or (outside >= used and not _is_late(_left.until))
        raise (spent.error if is_left else spent) from None


def answered(question: Callable[..., Value], /, *given: object, **named: object) -> Value:
    """A question with an allowance of its own, unless it is part of another."""
    if _left.rest != UNLIMITED or _left.until != UNLIMITED:
        return question(*given, **named)
    texts = sum([len(text) for text in given if isinstance(text, str)])
    equations = len(getattr(given[0], "equations", ())) if given else 0
    _left.steps, _left.rest = 0, max(QUESTION, EQUATION * equations, LETTER * texts)
    try:
        with _remembering():
            return question(*given, **named)
    except Spent as spent:
        raise spent.error from None
    finally:
        _left.steps = _left.rest = UNLIMITED


def question(function: Function) -> Function:
    """The function, each call of which is a question."""

    @wraps(function)
    def asked(*given: object, **named: object) -> Any:
        return answered(function, *given, **named)

    return cast(Function, asked)
