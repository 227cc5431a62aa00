"""Signals that end a process end it as Ctrl-C does: what was learned until then is saved."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def signals_interrupt() -> Iterator[Callable[[object], None]]:
    """SIGTERM and SIGHUP do what Ctrl-C does; what comes after the first does nothing, so that the run is saved.

    Gives a callback for `fit` that interrupts once more: Python drops what is raised while it tidies up."""
    names = ("SIGINT", "SIGTERM", "SIGHUP")
    found = {getattr(signal, name): signal.getsignal(getattr(signal, name)) for name in names if hasattr(signal, name)}
    old = {number: handler for number, handler in found.items() if handler not in (signal.SIG_IGN, None)}  # nohup

    came: list[int] = []

    def interrupt(number: int, frame: object) -> None:
        came.append(number)
        for each in old:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    def again(state: object) -> None:
        if came:
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():  # where signals are no matter of ours
        yield again
        return
    try:
        for number in old:
            signal.signal(number, interrupt)
        yield again
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
