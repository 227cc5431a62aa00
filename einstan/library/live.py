"""How far something is that takes long: one line on a terminal, or in a notebook, and nothing anywhere else.

The line is on standard error, and gone at the end.  A notebook shows it without widgets, so that every frontend can.
"""

from __future__ import annotations

import sys
import time
from html import escape
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from einstan.library.escape import visible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

PATIENCE = 1.0  # seconds before the line appears
SELDOM = 0.1  # seconds between two looks of it
Own = TypeVar("Own", bound="Live")


class Live:
    """``with Live(progress, total) as live: live.tell("loss 0.5", 3)``.

    ``progress``: True shows the line at once, False never; None where it takes long.  With ``total`` there is a bar and
    the time that is left.  ``keep`` leaves the last line where it is.
    """

    def __init__(
        self,
        progress: bool | None = None,
        total: int | None = None,
        done: int = 0,
        console: Console | None = None,
        keep: bool = False,
    ) -> None:
        self.progress, self.total, self.console, self.keep = progress, total, console, keep
        self.done = done
        self.next = time.monotonic() + (0.0 if progress else PATIENCE)
        self.last = ""
        self.bar: Progress | None = None
        self.task: TaskID | None = None
        self.cell: Any = None

    def __enter__(self: Own) -> Own:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def tell(self, text: str, done: int | None = None) -> None:
        """What is to be shown, and how much of the total is done."""
        self.last, self.done = text, self.done if done is None else done
        now = time.monotonic()
        if self.progress is False or now < self.next:
            return
        self.next = now + SELDOM
        if self.bar is None and self.cell is None:
            self._begin()
        else:
            self._show()

    def end(self) -> None:
        if self.keep:
            self._show()
        if self.bar is not None:
            self.bar.stop()
        elif self.cell is not None and not self.keep:
            self.cell.update({"text/plain": "", "text/html": ""}, raw=True)
        self.progress = False

    def _begin(self) -> None:
        console = self.console or (_console() if somewhere() else None)
        if console is not None and console.is_jupyter:
            from IPython.display import display

            self.cell = display(self._page(), raw=True, display_id=True)
        elif console is not None and console.is_terminal:
            self.bar = _bar(console, self.total is not None, not self.keep)
            self.task = self.bar.add_task(visible(self.last), total=self.total, completed=self.done)
            self.bar.start()
        else:
            self.progress = False

    def _show(self) -> None:
        if self.bar is not None and self.task is not None:
            self.bar.update(self.task, completed=self.done, description=visible(self.last))
        elif self.cell is not None:
            self.cell.update(self._page(), raw=True)

    def _page(self) -> dict[str, str]:
        text = self.last if self.total is None else f"{self.done}/{self.total}  {self.last}"
        bar = "" if self.total is None else f'<progress value="{self.done}" max="{self.total}"></progress> '
        return {"text/plain": text, "text/html": f"{bar}<code>{escape(text)}</code>"}


def somewhere() -> bool:
    """Whether there is a terminal or a notebook: asked without loading what draws."""
    return "IPython" in sys.modules or (sys.stderr is not None and sys.stderr.isatty())


def _console() -> Console:
    from rich.console import Console

    return Console(stderr=True)


def _bar(console: Console, counted: bool, transient: bool) -> Progress:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        SpinnerColumn,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.table import Column

    def column() -> Column:
        return Column(no_wrap=True)

    told = TextColumn("{task.description}", table_column=column(), markup=False)
    columns: list[ProgressColumn] = [SpinnerColumn(), told]
    if counted:
        left = TimeRemainingColumn(compact=True, table_column=column())
        columns = [MofNCompleteColumn(table_column=column()), BarColumn(bar_width=16), told, left, TextColumn("left")]
    return Progress(*columns, console=console, transient=transient)
