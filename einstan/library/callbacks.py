"""Callbacks: what is told of every epoch, and may end the training.

A callback is a function of the run's `State`, called after every epoch, or an object with any of the three methods of
`Callback`.  Answering True ends the training after this epoch.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from einstan.language.arguments import checked_methods, whole
from einstan.library.state import Row, State


@checked_methods()
class Callback:
    """The protocol; derive from it and override what is needed."""

    def on_start(self, state: State, epochs: int) -> None:
        """Before the first epoch of this call of `fit`; ``epochs`` is the last epoch asked for."""

    def on_epoch_end(self, state: State) -> bool | None:
        """After every epoch; ``state.rows[-1]`` is its record."""

    def on_end(self, state: State, reason: str) -> None:
        """After the last epoch, and after an interruption or an error; ``reason`` says why, empty if all is done."""


class _Function(Callback):
    def __init__(self, function: Callable[[State], bool | None]) -> None:
        self.function = function

    def on_epoch_end(self, state: State) -> bool | None:
        return self.function(state)


def callback(given: Callback | Callable[[State], bool | None]) -> Callback:
    """A callback, or a function made one."""
    return given if isinstance(given, Callback) or not callable(given) else _Function(given)


@checked_methods()
class Saver(Callback):
    """Saves the run to ``path`` every ``every`` epochs and at the end."""

    def __init__(self, path: str | os.PathLike[str], every: int = 1) -> None:
        self.path, self.every = path, whole("every", every, 1)

    def on_epoch_end(self, state: State) -> bool | None:
        if state.epoch % self.every == 0:
            state.save(self.path)
        return None

    def on_end(self, state: State, reason: str) -> None:
        state.save(self.path)


def described(row: Row) -> str:
    """One epoch in one short line: ``loss 0.0132  val loss 0.02  val acc 97.2 %``."""
    parts = []
    for name, value in row.items():
        if name in ("epoch", "rate", "seconds"):
            continue
        text = f"{100 * value:.1f} %" if name.endswith("accuracy") else f"{value:.4g}"
        parts.append(f"{name.replace('_', ' ').replace('accuracy', 'acc')} {text}")
    return "  ".join(parts)
