"""A progress bar over epochs on a terminal; plain lines, at most about twenty of them, where there is none."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column

from einstan.library.callbacks import Callback, described
from einstan.library.escape import visible

if TYPE_CHECKING:
    from rich.progress import TaskID

    from einstan.library.state import State


class ProgressBar(Callback):
    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console()
        self.bar: Progress | None = None
        self.task: TaskID | None = None
        self.first = 0
        self.every = 1
        self.epochs = 0

    def on_start(self, state: State, epochs: int) -> None:
        self.first, self.epochs = state.epoch, epochs
        self.every = max(1, math.ceil((epochs - state.epoch) / 20))
        if not self.console.is_terminal:
            return
        self.bar = Progress(
            MofNCompleteColumn(table_column=Column(no_wrap=True)), BarColumn(bar_width=16),
            TextColumn("{task.description}", table_column=Column(no_wrap=True), markup=False),
            TimeRemainingColumn(compact=True, table_column=Column(no_wrap=True)), TextColumn("left"),
            console=self.console,
        )  # fmt: skip
        self.task = self.bar.add_task("", total=epochs, completed=state.epoch)
        self.bar.start()

    def on_epoch_end(self, state: State) -> bool | None:
        line = described(state.rows[-1])
        if self.bar is not None and self.task is not None:
            self.bar.update(self.task, completed=state.epoch, description=line)
        elif state.epoch == self.first + 1 or state.epoch % self.every == 0 or state.epoch == self.epochs:
            seconds = sum(row["seconds"] for row in state.rows[self.first :])
            left = seconds / (state.epoch - self.first) * (self.epochs - state.epoch)
            self.console.print(
                f"epoch {state.epoch:>4}/{self.epochs}  {line}  {seconds:.1f} s, {left:.1f} s left",
                highlight=False, soft_wrap=True,
            )  # fmt: skip
        return None

    def on_end(self, state: State, reason: str) -> None:
        if self.bar is not None:
            self.bar.stop()


@contextmanager
def reading_bar(console: Console, name: str) -> Iterator[Callable[[int, int], object] | None]:
    """A bar over the bytes of a file that is read, on a terminal, and gone when it is read; what it is told is how many
    there have been, and of how many."""
    if not console.is_terminal:
        yield None
        return
    told = TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True))
    with Progress(told, BarColumn(), DownloadColumn(), console=console, transient=True) as bar:
        task = bar.add_task(f"reading {visible(os.path.basename(name))}", total=None)
        yield lambda done, whole: bar.update(task, completed=done, total=whole)
