"""Figures of matplotlib's, which ``einstan[plot]`` brings: made without a window, and put into files."""

from __future__ import annotations

import builtins
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from einstan.language.arguments import require
from einstan.language.errors import DataError
from einstan.library.files import named, write_out


def figure_of(width: float, height: float, shown: bool = False) -> Any:
    """An empty figure that no window shows; what is to be ``shown`` stands below the cell of a notebook."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        if shown and hasattr(builtins, "get_ipython"):  # which shows what pyplot has made, as it likes to
            from matplotlib import pyplot

            return pyplot.figure(figsize=(width, height), layout="constrained")
    except ImportError:
        raise DataError(
            "plotting needs matplotlib, which is not installed", repair="pip install 'einstan[plot]'"
        ) from None
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Any, path: str | Path) -> Path:
    """Draw it first, and then put it into the file, whose ending says how: ``.png`` where there is none."""
    require("path", path, str | Path)
    drawn = io.BytesIO()
    try:
        figure.savefig(drawn, format=Path(path).suffix[1:] or "png", dpi=150)
    except ValueError as problem:
        raise DataError(
            f"{named(path)} cannot be drawn: {problem}", repair="give a name ending in .png or .svg"
        ) from problem
    write_out(path, drawn.getvalue(), repair="give a name ending in .png or .svg")
    return Path(path)


def curves(
    across: Sequence[float], columns: Mapping[str, Sequence[float]], what: str, ylabel: str = "", shown: bool = False
) -> Any:
    """Axes with a curve for each column that has entries, whose scale is logarithmic where all are positive."""
    axes = figure_of(7, 4, shown).add_subplot()
    kept = {name: values for name, values in columns.items() if any(map(math.isfinite, values))}
    for name, values in kept.items():
        axes.plot(across, values, label=name)
    positive = all(value > 0 or math.isnan(value) for values in kept.values() for value in values)
    axes.set(xlabel=what, ylabel=ylabel, yscale="log" if kept and positive else "linear")
    axes.xaxis.get_major_locator().set_params(integer=True)
    if kept:
        axes.legend()
    axes.grid(alpha=0.3)
    return axes
