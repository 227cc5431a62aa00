"""Processes that fork while other threads are in the middle of something: no child may hang or be wrong.

``forked(work)`` runs work in a child and says how it ended; ``BUSY`` is what other threads do meanwhile.
"""

from __future__ import annotations

import os
import signal
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from typing import Any

import numpy as np

import einstan as es
from einstan.language import threads
from einstan.language.collecting import collecting_seldom
from tests.faults.modes import COMPILED, MODES

PATIENCE = 60  # seconds, after which a child hangs
_numbers = count(1)


def forked(work: Callable[[], Any]) -> str:
    """What became of a child that does some work: "done", "hangs", or what it raised."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*fork")  # Python and JAX warn of forks beside threads, which this is about
        child = os.fork()
    if not child:
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(PATIENCE)
            work()
            os.write(writing, b"done")
        except BaseException:
            os.write(writing, traceback.format_exc().encode()[-2000:])
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as told:
        said = told.read().decode()
    os.waitpid(child, 0)
    return said or "hangs"


def everything() -> None:
    """Something that takes each lock of the package, and its results."""
    for name in ("plain", "compiled hessian", "sgd", "evaluate", "einsum", "derived", "own functions", "told"):
        mode = MODES[name]
        shared, again = mode.make(), mode.make()
        for one, other in zip(mode.call(shared, 40), mode.call(again, 40), strict=True):
            assert np.array_equal(one, other), name
    assert "✓" in str(es.check("y[i] = x[i]^2\nclaim dy[i]/dx[j] = 2 δ[i,j] x[i]"))


def compiled() -> None:
    mode = COMPILED["fast"]
    mode.call(mode.make(), 3)


def _specialise(shared: dict[str, Any]) -> None:
    n = next(_numbers)
    shared["f"](A=np.ones((n % 50 + 1, 3)), x=np.ones(3))
    shared["h"](A=np.ones((n % 50 + 1, 3)), x=np.ones(3))


def _define(shared: dict[str, Any]) -> None:
    n = next(_numbers)
    es.function(f"fork{n}x(x) = x + {n}")
    if n % 10 == 0:
        es.function(f"fork{n}y(x)", partials=["cos(x)"], numpy="np.sin(x)")


def _derive(shared: dict[str, Any]) -> None:
    n = next(_numbers)
    es.Program(f"y[i] = tanh({n} A[i,J] x[J])\nL = y[I]^2").backward("L", ["x"])


def _check(shared: dict[str, Any]) -> None:
    es.check(f"y[i] = {next(_numbers)} x[i]^2\nclaim dy[i]/dx[j] = 2 δ[i,j] x[i]")


BUSY: dict[str, Callable[[dict[str, Any]], None]] = {
    "specialise": _specialise,
    "parse": lambda shared: str(es.parse(f"y[i] = {next(_numbers)} A[i,J] x[J]")) and None,  # type: ignore[func-returns-value]
    "derive": _derive,
    "define": _define,
    "check": _check,
}


def shared() -> dict[str, Any]:
    program = es.Program("y[i] = tanh(A[i,J] x[J])\nL = y[I]^2")
    return {"f": program.compile(fast=False), "h": program.hessian("L", "x").compile(fast=False)}


@contextmanager
def busy(*names: str) -> Iterator[dict[str, Any]]:
    """Threads that do these things all the time."""
    mine, stop = shared(), threading.Event()

    def work(name: str) -> None:
        while not stop.is_set():
            BUSY[name](mine)

    workers = [threading.Thread(target=work, args=(name,)) for name in names]
    for worker in workers:
        worker.start()
    try:
        yield mine
    finally:
        stop.set()
        for worker in workers:
            worker.join()


@contextmanager
def all_locks_held() -> Iterator[int]:
    """A thread that holds every lock that there is, but that for which forks wait, and counts as one that collects
    seldom; how many they are."""
    held, stop = threading.Event(), threading.Event()
    locks = [each for each in threads._locks if each is not threads.compiling]

    def hold() -> None:
        with collecting_seldom(), ExitStack() as stack:
            for each in locks:
                stack.enter_context(each)
            held.set()
            stop.wait()

    worker = threading.Thread(target=hold)
    worker.start()
    held.wait()
    try:
        yield len(locks)
    finally:
        stop.set()
        worker.join()


def forks(number: int, seconds: float = 0.05) -> list[str]:
    """What became of so many children, forked at any time beside threads that do everything."""
    found = []
    with busy(*BUSY) as mine:
        for _ in range(number):
            time.sleep(seconds)
            found.append(forked(lambda: (everything(), [_specialise(mine) for _ in range(3)])))
    return found
