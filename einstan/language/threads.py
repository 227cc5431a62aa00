"""Threads and forks: locks that a forked child finds open, and attributes that are worked out without a lock.

A child of ``os.fork`` has one thread, that which forked, and a copy of everything else as it was in the middle of what
other threads did: a lock that one of them held would stay shut for ever.  What the locks of this package guard are
tables that are right after every single operation on them, so the child may open them.  What is not ours and cannot be
opened, an import or numba's compiler at work, the fork waits for.
"""

from __future__ import annotations

import importlib
import logging  # noqa: F401  whose lock, which imports need, is then taken after ours when a process forks
import os
import threading
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload
from weakref import WeakSet

Value = TypeVar("Value")

_locks: WeakSet[Any] = WeakSet()
_forked: list[Callable[[], None]] = []
LONGEST = {"compiling": 60.0, "importing": 10.0}  # seconds that a fork waits, should somebody else's lock be in its way
LAZY = ("einstan", "numpy", "opt_einsum", "rich", "scipy", "sklearn", "matplotlib", "numba", "llvmlite")


def lock() -> Any:
    """A lock that its thread may take again, and that is open in a forked child."""
    made = threading.RLock()
    _locks.add(made)
    return made


compiling = lock()  # while numba compiles, whose locks, and LLVM's, a child could not open


def after_fork(mend: Callable[[], None]) -> Callable[[], None]:
    """Let the child of a fork call this before anything else."""
    _forked.append(mend)
    return mend


def _imported_elsewhere() -> list[str]:
    """The modules, of those that are imported in the middle of calls, that other threads are importing now."""
    held = [(name, made()) for name, made in list(getattr(importlib, "_bootstrap")._module_locks.items())]  # noqa: B009
    owners = [(name, module.owner) for name, module in held if name.partition(".")[0] in LAZY and module is not None]
    return [name for name, owner in owners if owner not in (None, threading.get_ident())]


def _wait() -> None:
    compiling.acquire(timeout=LONGEST["compiling"])
    until = time.monotonic() + LONGEST["importing"]
    while _imported_elsewhere() and time.monotonic() < until:
        time.sleep(0.001)


def _release() -> None:
    if compiling._is_owned():
        compiling.release()


def _go_on() -> None:
    for each in list(_locks):
        if not each._is_owned():  # as the modules of Python do with theirs
            each._at_fork_reinit()
    _release()
    for mend in _forked:
        mend()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_wait, after_in_parent=_release, after_in_child=_go_on)


class cached_property(Generic[Value]):  # noqa: N801  in the place of that of functools
    """An attribute that is worked out when it is first asked for.

    That of `functools` holds one lock for all objects of a class meanwhile, up to Python 3.11.  Here two threads that
    ask at one time may both work it out, and get one object.
    """

    def __init__(self, function: Callable[[Any], Value]) -> None:
        self.function, self.__doc__ = function, function.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> cached_property[Value]: ...
    @overload
    def __get__(self, instance: object, owner: type) -> Value: ...
    def __get__(self, instance: object, owner: type) -> Any:
        if instance is None:
            return self
        return instance.__dict__.setdefault(self.name, self.function(instance))
