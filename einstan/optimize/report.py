"""What an iteration tells: a row for every step, one line while it runs, and the result."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from einstan.language import display
from einstan.language.guesses import Guessed
from einstan.library.live import Live
from einstan.optimize.layout import Arrays

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Row = dict[str, float]


@dataclass
class Result(Guessed):
    """Where an iteration ended.

    - ``params``: the arrays that it found; ``loss``: the value there (of a root, half the square of the residual);
    - ``gradient_norm``: the Euclidean norm of the gradient (of a root, of the residual);
    - ``iterations``, ``converged``, and the ``reason`` that it ended;
    - ``rows``: one dictionary per iteration, from 0, where it began; ``notes``: what was done about systems that were
      indefinite or singular, with the iteration.

    Printed, it is a table.

    Examples:
        >>> found = es.optimize.newton(es.parse("L = exp(x) - x"), "L", {"x": 1.0})
        >>> print(found)
        iteration     loss     gradient         step  backtracks  damping
                0  1.71828      1.71828
                1  1.07679     0.444668     0.632121           0        0
                2  1.00184    0.0619216     0.307799           0        0
                3        1   0.00177077    0.0583109           0        0
                4        1  1.56411e-06   0.00176764           0        0
                5        1  1.22322e-12  1.56411e-06           0        0
        converged: the gradient is 1.2e-12, at most 1.7e-09
        >>> found.converged, found.iterations, found.loss, [row["iteration"] for row in found.rows]
        (True, 5, 1.0, [0, 1, 2, 3, 4, 5])
    """

    params: Arrays
    loss: float
    gradient_norm: float
    iterations: int
    converged: bool
    reason: str
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        word = "converged" if self.converged else "not converged"
        return "\n".join([*table(self.rows), *self.notes, f"{word}: {self.reason}"])

    def __repr__(self) -> str:
        word = "converged" if self.converged else "not converged"
        return f"<Result of {', '.join(map(str, self.params))}, {word}: {self.reason}>"

    @property
    def _curves(self) -> dict[str, list[float]]:
        drawn = ("loss", "gradient", "residual")
        names = [name for name in dict.fromkeys(name for row in self.rows for name in row) if name in drawn]
        return {name: [row.get(name, math.nan) for row in self.rows] for name in names}

    @overload
    def plot(self) -> Axes: ...
    @overload
    def plot(self, path: str | Path) -> Path: ...
    def plot(self, path: str | Path | None = None) -> Any:
        """Loss and gradient over the iterations (needs matplotlib, ``einstan[plot]``): in a file, of which it returns
        the path, or without one as axes of matplotlib's.

        Examples:
            >>> found = es.optimize.newton(es.parse("L = exp(x) - x"), "L", {"x": 1.0})
            >>> found.plot("loss.svg").name
            'loss.svg'
        """
        from einstan.library.figures import curves, save_figure

        axes = curves(range(len(self.rows)), self._curves, "iteration", shown=path is None)
        return axes if path is None else save_figure(axes.figure, path)

    def _repr_html_(self) -> str:
        names = list(dict.fromkeys(name for row in self.rows for name in row))
        drawn = self._curves
        cells = [[_cell(row.get(name)) for name in names] for row in self.rows]
        word = "converged" if self.converged else "not converged"
        ended = display.note("\n".join([*self.notes, f"{word}: {self.reason}"]))
        return display.shown(display.curves(range(len(cells)), drawn), display.table(names, cells), ended)


def not_enough(iterations: int) -> str:
    """The reason for an end without convergence."""
    return "1 iteration was not enough" if iterations == 1 else f"{iterations} iterations were not enough"


def table(rows: list[Row]) -> list[str]:
    """The rows under their names, in columns."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [names, *([_cell(row.get(name)) for name in names] for row in rows)]
    widths = [max(len(line[k]) for line in cells) for k in range(len(names))]
    return ["  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]


def _cell(value: float | None) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else f"{value:.6g}"


class Report(Live):
    """The rows of one run, and its line on a terminal or in a notebook."""

    def __init__(self, progress: bool | None = None) -> None:
        super().__init__(progress)
        self.rows: list[Row] = []
        self.told: dict[str, list[int]] = {}

    def add(self, **values: float) -> None:
        """One iteration."""
        self.rows.append({name.replace("_", " "): value for name, value in values.items()})
        self.tell("  ".join(f"{name} {_cell(value)}" for name, value in self.rows[-1].items()))

    def note(self, texts: list[str]) -> None:
        """What was done in the iteration that is being made."""
        for text in texts:
            self.told.setdefault(text, []).append(len(self.rows))

    def result(self, params: Mapping[str, Any], loss: float, norm: float, converged: bool, reason: str) -> Result:
        iterations = max(len(self.rows) - 1, 0)
        notes = [f"{_spans(numbers)}: {text}" for text, numbers in self.told.items()]
        return Result(dict(params), loss, norm, iterations, converged, reason, self.rows, notes)


def _spans(numbers: list[int]) -> str:
    """``iteration 3``, ``iterations 1-6, 9``."""
    spans: list[list[int]] = []
    for number in dict.fromkeys(numbers):
        if spans and number == spans[-1][-1] + 1:
            spans[-1] = [spans[-1][0], number]
        else:
            spans.append([number])
    word = "iteration" if len(spans) == 1 == len(spans[0]) else "iterations"
    return f"{word} " + ", ".join("-".join(map(str, span)) for span in spans)
