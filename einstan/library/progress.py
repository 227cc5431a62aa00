"""The bar over epochs of the command line: on a terminal one line, elsewhere plain lines, at most about twenty."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn
from rich.table import Column

from einstan.library.callbacks import Told, described
from einstan.library.escape import visible
from einstan.library.live import Live

if TYPE_CHECKING:
    from einstan.library.state import State


class ProgressBar(Told):
    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console()
        super().__init__(self.console.is_terminal)
        self.first = 0
        self.every = 1
        self.epochs = 0

    def on_start(self, state: State, epochs: int) -> None:
        self.first, self.epochs = state.epoch, epochs
        self.every = max(1, math.ceil((epochs - state.epoch) / 20))
        self.live = Live(self.console.is_terminal, epochs, state.epoch, self.console, keep=True)
        self.live.tell("")

    def on_epoch_end(self, state: State) -> bool | None:
        super().on_epoch_end(state)
        told = state.epoch == self.first + 1 or state.epoch % self.every == 0 or state.epoch == self.epochs
        if told and not self.console.is_terminal:
            seconds = sum(row["seconds"] for row in state.rows[self.first :])
            left = seconds / (state.epoch - self.first) * (self.epochs - state.epoch)
            self.console.print(
                f"epoch {state.epoch:>4}/{self.epochs}  {described(state.rows[-1])}"
                f"  {seconds:.1f} s, {left:.1f} s left",
                highlight=False, soft_wrap=True,
            )  # fmt: skip
        return None


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
