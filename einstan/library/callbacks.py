"""Callbacks: what is told of every epoch, and may end the training.

A callback is a function of the run's `State`, called after every epoch, or an object with any of the methods of
`Callback`.  Answering True ends the training after this epoch.
"""

from __future__ import annotations

import itertools
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from einstan.language.arguments import checked_methods, require, whole
from einstan.language.errors import DataError
from einstan.library.files import named, refuse_unwritable
from einstan.library.live import Live
from einstan.library.state import Row, State

MINUTE = 60.0  # seconds: so much of a run may be lost
SOON = 0.9  # of them are over when it is saved, which takes time itself


@checked_methods()
class Callback:
    """The protocol; derive from it and override what is needed.

    Examples:
        >>> class Told(es.Callback):
        ...     def on_end(self, state, reason):
        ...         print("ended after", state.epoch, reason or "all is done")
        >>> net = es.Network("L = 1/|N| (x[N,K] - w[K])^2", parameters={"w": "zeros"})
        >>> history = es.fit(net, "L", {"x": np.ones((4, 1))}, epochs=2, callbacks=[Told()])
        ended after 2 all is done
    """

    def on_start(self, state: State, epochs: int) -> None:
        """Before the first epoch of this call of `fit`; ``epochs`` is the last epoch asked for.

        Examples:
            >>> class Told(es.Callback):
            ...     def on_start(self, state, epochs):
            ...         print("from", state.epoch, "to", epochs)
            >>> net = es.Network("L = 1/|N| (x[N,K] - w[K])^2", parameters={"w": "zeros"})
            >>> history = es.fit(net, "L", {"x": np.ones((4, 1))}, epochs=2, callbacks=[Told()])
            from 0 to 2
        """

    def on_epoch_end(self, state: State) -> bool | None:
        """After every epoch; ``state.rows[-1]`` is its record.

        Examples:
            >>> def early(state):  # a function is a callback that has this method alone
            ...     return state.epoch == 2
            >>> net = es.Network("L = 1/|N| (x[N,K] - w[K])^2", parameters={"w": "zeros"})
            >>> es.fit(net, "L", {"x": np.ones((4, 1))}, epochs=9, callbacks=[early]).epochs
            [1, 2]
        """

    def on_pause(self, state: State) -> bool:
        """Within an epoch, about every second: whether ``state``, from which the run can be carried on, is kept.

        Examples:
            >>> es.Callback().on_pause(es.State({"w": np.ones(2)}))  # keeps nothing by itself
            False
        """
        return False

    def on_end(self, state: State, reason: str) -> None:
        """After the last epoch, and after an interruption or an error; ``reason`` says why, empty if all is done.

        Examples:
            >>> es.Callback().on_end(es.State({"w": np.ones(2)}), "interrupted")  # does nothing by itself
        """


class _Function(Callback):
    def __init__(self, function: Callable[[State], bool | None]) -> None:
        self.function = function

    def on_epoch_end(self, state: State) -> bool | None:
        answer = self.function(state)
        require("the answer of a callback", answer, bool | None)
        return answer


def callback(given: Callback | Callable[[State], bool | None]) -> Callback:
    """A callback, or a function made one."""
    return given if isinstance(given, Callback) or not callable(given) else _Function(given)


@checked_methods()
class Saver(Callback):
    """Saves the run to ``path``: every ``every`` epochs (None for never), when an epoch is the best so far, when a
    minute has passed (within an epoch too), and at the end.  ``notes`` are added to those of the run.

    That ``path`` can be written is tried before the first epoch, which raises `DataError`.  A save that fails later
    ends nothing: it is told to ``report`` (a warning, if none is given), made elsewhere at once, with ``.rescue``
    behind the name (``run-2.npz.rescue`` and so on where another run has one), and tried again after the next
    epoch.  ``saved`` is the file that holds the run now, or None.

    Examples:
        >>> from einstan.library.callbacks import Saver
        >>> net = es.Network("L = 1/|N| (x[N,K] - w[K])^2", parameters={"w": "zeros"})
        >>> history = es.fit(net, "L", {"x": np.ones((4, 1))}, epochs=2, callbacks=[Saver("run.npz")])
        >>> es.load("run.npz").epoch
        2
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        every: int | None = 1,
        notes: Mapping[str, Any] | None = None,
        report: Callable[[str], object] | None = None,
    ) -> None:
        self.path, self.every = os.fsdecode(path), None if every is None else whole("every", every, 1)
        self.notes, self.report = dict(notes or {}), report or _warn
        self.saved: str | None = None
        self.due = 0.0
        self._rescued: list[str] = []
        self._folder = ""
        self._told = ""

    def on_start(self, state: State, epochs: int) -> None:
        refuse_unwritable("", self.path, regular=True)
        self.due = time.monotonic() + SOON * MINUTE

    def on_pause(self, state: State) -> bool:
        if due := time.monotonic() >= self.due:
            self._save(state)
        return due

    def on_epoch_end(self, state: State) -> bool | None:
        by_count = self.every is not None and state.epoch % self.every == 0
        if by_count or state.best_epoch == state.epoch or time.monotonic() >= self.due:
            self._save(state)
        return None

    def on_end(self, state: State, reason: str) -> None:
        try:
            self._save(state)
        except KeyboardInterrupt:  # in the middle of it: once more, and then the interrupt
            self._save(state)
            raise

    def _save(self, state: State) -> None:
        if self.notes:
            state = replace(state, notes={**state.notes, **self.notes})
        why = self._try(state, self.path)
        if not why:
            self.saved, self.due, self._told = self.path, time.monotonic() + SOON * MINUTE, ""
            self._forget_rescued()
            return
        self.due = 0.0
        self.saved = next((place for place in self._elsewhere() if self._rescue(state, place)), None)
        text = f"{why}; the run {f'is in {named(self.saved)}' if self.saved else 'cannot be saved elsewhere either'}"
        if text != self._told:  # once, and not after every epoch
            self._told = text
            self.report(text)

    def _rescue(self, state: State, place: str) -> bool:
        """Save the run there: over what it has rescued itself, and over nothing else."""
        if place in self._rescued:
            return not self._try(state, place)
        try:
            os.close(os.open(place, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))  # its own from now on
        except (OSError, ValueError):
            return False
        if why := self._try(state, place):
            with suppress(OSError):
                os.unlink(place)
        else:
            self._rescued.append(place)
        return not why

    def _forget_rescued(self) -> None:
        for place in self._rescued:
            with suppress(OSError):
                os.unlink(place)
        self._rescued = []
        if self._folder:
            with suppress(OSError):
                os.rmdir(self._folder)
            self._folder = ""

    def _try(self, state: State, place: str) -> str:
        """Why the run could not be saved there, or nothing."""
        try:
            state.save(place)
        except DataError as problem:
            return problem.problem
        except MemoryError:
            return f"{named(place)} cannot be written: there is not enough memory"
        return ""

    def _elsewhere(self) -> Iterator[str]:
        """Where the last run was rescued, beside the file, in the working directory, in a directory of its own."""
        yield from self._rescued[-1:]
        yield _fresh(self.path)
        name = os.path.basename(self.path)
        with suppress(OSError):  # the working directory may be gone
            yield _fresh(os.path.join(os.getcwd(), name))
        with suppress(OSError):
            self._folder = self._folder or tempfile.mkdtemp(prefix="einstan-")
            yield _fresh(os.path.join(self._folder, name))


def _fresh(path: str) -> str:
    """The first name of a rescue beside a file that nothing has."""
    stem, ending = os.path.splitext(path)
    names = (f"{stem}{'' if k == 1 else f'-{k}'}{ending}.rescue" for k in itertools.count(1))
    return next(name for name in names if not os.path.lexists(name))


def _warn(text: str) -> None:
    warnings.warn(text, RuntimeWarning, stacklevel=2)


class Told(Callback):
    """Tells on a terminal or in a notebook how far a run is: see `Live`."""

    def __init__(self, progress: bool | None = None) -> None:
        self.live = Live(progress)

    def on_start(self, state: State, epochs: int) -> None:
        self.live = Live(self.live.progress, epochs, state.epoch)

    def on_epoch_end(self, state: State) -> bool | None:
        self.live.tell(described(state.rows[-1]), state.epoch)
        return None

    def on_pause(self, state: State) -> bool:
        self.live.tell(f"epoch {state.epoch + 1}: {state.begun} rows", state.epoch)
        return False

    def on_end(self, state: State, reason: str) -> None:
        self.live.end()


def described(row: Row) -> str:
    """One epoch in one short line: ``loss 0.0132  val loss 0.02  val acc 97.2 %``."""
    parts = []
    for name, value in row.items():
        if name in ("epoch", "rate", "seconds"):
            continue
        text = f"{100 * value:.1f} %" if name.endswith("accuracy") else f"{value:.4g}"
        parts.append(f"{name.replace('_', ' ').replace('accuracy', 'acc')} {text}")
    return "  ".join(parts)
