"""``einstan paths``: an equation under every optimizer, forward and for its gradients, side by side."""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from einstan.language import parse
from einstan.language.arguments import one_of
from einstan.language.errors import DataError, NotationError
from einstan.language.term import Equation
from einstan.library.comparison import Comparison, Cost, compare, names_for, operands_of
from einstan.library.einsum_equation import equation_of, is_einsum
from einstan.library.einsum_function import lettered
from einstan.library.einsum_text import Subscripts, expanded
from einstan.library.einsum_text import read as labels_of
from einstan.library.figures import figure_of, save_figure
from einstan.library.files import refuse_unwritable
from einstan.library.live import Live
from einstan.library.plan import short
from einstan.library.stated_sizes import known, sizes_of
from einstan.library.texts import is_file, read
from einstan.machine.paths.paths import NAMES
from einstan.machine.sizes.extents import as_program
from einstan.machine.sizes.memory import human_bytes

Instance = tuple[Equation, dict[str, int]]

PATIENCE = 5.0  # seconds without a sign
LONG = 400  # characters of an equation that are shown


def run(options: argparse.Namespace, console: Console) -> int:
    refuse_unwritable("--plot", options.plot)
    for name in options.optimizers:
        one_of("optimizer", name, NAMES)
    instances = list(instances_of(options.text, sizes_of(options.sizes)))
    tables = []
    counts = [len(options.optimizers or names_for(operands_of(as_program(e)))) for e, _ in instances]
    with progress(sum(counts)) as turn:
        for number, (equation, sizes) in enumerate(instances, 1):
            where = f"{number} of {len(instances)}, " if len(instances) > 1 else ""

            def told(name: str, where: str = where) -> None:
                turn(where + name)

            tables.append(compare(equation, sizes, options.optimizers, not options.no_run, told))
    if options.json:
        console.out(json.dumps([table.data() for table in tables], ensure_ascii=False, indent=1), highlight=False)
    else:
        for table in tables:
            show(table, console)
    if options.plot:  # last, so that what cannot be drawn does not lose the table
        plot(tables, options.plot)
    return 0


# ---- what is asked for -----------------------------------------------------------------------------------------------


def instances_of(given: str, sizes: Mapping[str, int]) -> Iterator[Instance]:
    """The argument, or every line of the file that it names: an equation or an einsum string, and behind ``with`` its
    sizes.  Sizes of the command line hold for every line that does not say otherwise."""
    if not is_file(given) and ("=" in given or is_einsum(given, sizes)):
        yield instance(given, sizes)
        return
    what = "is neither an equation, nor an einsum string, nor a file that can be read"
    repair = "write an equation, \"Z[i,j] = X[i,K] W[K,j]\", or an einsum string, 'ik,kj->ij'; a trace is 'ii->'"
    lines = read(given, what, repair).splitlines()
    found = False
    for line in lines:
        text, _, own = line.partition("#")[0].partition(" with ")
        if text.strip():
            found = True
            yield instance(text.strip(), {**sizes, **sizes_of(own)})
    if not found:
        raise NotationError(f"{given} has no equation", repair='write one a line, "ik,kj->ij with i=64, j=512, k=64"')


def instance(text: str, sizes: Mapping[str, int]) -> Instance:
    if not is_einsum(text, sizes):
        equation = parse(text)
        return equation, known(sizes, {i.name.lower() for i in _letters(equation)}, text)
    subscripts, sizes = opened(text, sizes)
    written = equation_of(subscripts)
    chosen = known(sizes, written.names, text)
    return parse(written.equation), {written.names[letter]: size for letter, size in chosen.items()}


def opened(text: str, sizes: Mapping[str, int]) -> tuple[Subscripts, Mapping[str, int]]:
    """An einsum string with a letter for each axis of its ellipsis, whose sizes are given as ``...=8x9``."""
    subscripts = labels_of(text)
    axes = [key for key in sizes if key.startswith("...")]
    if not subscripts.has_ellipsis:
        return subscripts, {key: size for key, size in sizes.items() if key not in axes}
    if not axes:
        raise DataError(
            "there are no sizes for the axes of the ellipsis",
            text=text,
            span=(text.index("."), text.index(".") + 3),
            repair="give --sizes ...=8x9, for two axes of 8 and 9, beside those of the letters",
        )
    ranks = [len(labels) - 1 + len(axes) if ... in labels else len(labels) for labels in subscripts.operands]
    whole = lettered(subscripts)
    spelled = lettered(expanded(whole, ranks))
    letters = [x for x in dict.fromkeys(y for own in spelled.operands for y in own) if x not in _labels(whole)]
    named = {str(letter): sizes[key] for letter, key in zip(letters, axes, strict=True)}
    return spelled, {key: size for key, size in sizes.items() if key not in axes} | named


def _labels(subscripts: Subscripts) -> set[Any]:
    return {label for labels in subscripts.operands for label in labels}


def _letters(equation: Equation) -> list[Any]:
    from einstan.machine.sizes.extents import indices_of

    return list(indices_of(equation))


@contextmanager
def progress(total: int) -> Iterator[Callable[[str], None]]:
    """What is told each optimizer when its turn comes: a bar on standard error where that is a terminal, else a line
    each once it takes long."""
    console, begun, start = Console(stderr=True), count(0), time.monotonic()
    with Live(console.is_terminal, total, console=console) as live:

        def told(name: str) -> None:
            number, seconds = next(begun), time.monotonic() - start
            live.tell(name, number)
            if not console.is_terminal and seconds > PATIENCE:
                console.print(f"{name}: {number} of {total} done in {seconds:.0f} s", markup=False, highlight=False)

        yield told


# ---- what is shown ---------------------------------------------------------------------------------------------------


def show(comparison: Comparison, console: Console) -> None:
    """Two tables: the contraction, and the contraction with all its gradients."""
    console.print(shortened(comparison.equation), markup=False)
    sizes = ", ".join(f"{letter}={size}" for letter, size in comparison.sizes.items())
    console.print(shortened(sizes), markup=False)
    console.print()
    costs = [(row.optimizer, row.forward) for row in comparison.rows]
    table_of("forward", costs, comparison.naive, console)
    gradients = [(row.optimizer, row.gradients) for row in comparison.rows if row.gradients is not None]
    if gradients:
        separate = comparison.separate_gradients
        note = f"; a path for each gradient, {separate:,}" if separate is not None else ""
        best = min(cost.flops or 0 for _, cost in costs)
        table_of("forward and all gradients", gradients, comparison.naive_gradients, console, note, best)
    if comparison.note:
        console.print(comparison.note, markup=False)


def shortened(text: str) -> str:
    """Of an equation of thousands of factors, its beginning and its end."""
    return text if len(text) <= LONG else f"{text[: LONG // 2]} ... {text[-LONG // 2 :]}"


def table_of(
    title: str,
    costs: list[tuple[str, Cost]],
    naive: int | None,
    console: Console,
    note: str = "",
    forward: int | None = None,
) -> None:
    best = min((cost.flops for _, cost in costs if cost.flops), default=1)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=title, title_justify="left", title_style="bold")
    table.add_column("optimizer")
    last = "over the best forward" if forward else "over the best"
    for head in ("FLOPs", last, "largest", "peak memory", "planning", "run"):
        table.add_column(head, justify="right")
    for name, cost in costs:
        ratio = (cost.flops or 0) / max(forward or best, 1)
        table.add_row(
            name,
            f"{cost.flops:,}" if cost.flops is not None else "",
            f"{ratio:.3g}",
            f"{cost.largest:,}",
            human_bytes(cost.peak or 0),
            seconds(cost.planning),
            seconds(cost.running) if cost.running is not None else cost.skipped,
        )
    wide = (
        Console(file=console.file, width=max(console.width, 120), highlight=False)
        if not console.is_terminal
        else console
    )
    wide.print(table)
    if naive is not None:
        count = f"{naive:,}" if naive < 10**18 else f"10^{math.log10(naive):.0f}"
        wide.print(f"  all at once, without an order: {count} FLOPs{note}", markup=False)
    wide.print()


def seconds(value: float | None) -> str:
    if value is None:
        return ""
    for scale, unit in ((1e-6, "µs"), (1e-3, "ms"), (1.0, "s")):
        if value < 999.5 * scale or unit == "s":  # which three digits round to the next unit
            return f"{value / scale:.3g} {unit}"
    raise AssertionError


def plot(tables: list[Comparison], path: str) -> None:
    """Bars: FLOPs, peak memory, planning and run time of every optimizer, forward and with gradients."""
    wanted = (("flops", "FLOPs"), ("peak", "peak memory, bytes"), ("planning", "planning, s"), ("running", "run, s"))
    figure = figure_of(14, 1.2 + 2.8 * len(tables))
    grid = figure.subplots(len(tables), len(wanted), squeeze=False)
    for line, comparison in zip(grid, tables, strict=True):
        names = [row.optimizer for row in comparison.rows]
        for axes, (attribute, label) in zip(line, wanted, strict=True):
            for offset, which, colour in ((-0.2, "forward", "#3b6ea8"), (0.2, "gradients", "#c98a2b")):
                costs = [getattr(row, which) for row in comparison.rows]
                values = [getattr(cost, attribute) if cost else None for cost in costs]
                places = [k + offset for k, value in enumerate(values) if value]
                shown = [value for value in values if value]
                bars = axes.barh(places, shown, height=0.38, color=colour,
                                 label="forward" if which == "forward" else "with gradients")  # fmt: skip
                texts = [seconds(v) if attribute in ("planning", "running") else short(v) for v in shown]
                axes.bar_label(bars, texts, fontsize=6, padding=2)
            axes.set(xscale="log" if any(shown) else "linear", title=label)
            axes.xaxis.set_minor_formatter("")
            axes.title.set_fontsize(9)
            everything = [getattr(c, attribute) for row in comparison.rows for c in (row.forward, row.gradients) if c]
            everything = [value for value in everything if value]
            if everything:  # from a power of ten to where the labels have room
                low = 10 ** math.floor(math.log10(min(everything)))
                axes.set_xlim(low, max(everything) * (max(everything) / low) ** 0.25)
            axes.set_yticks(range(len(names)), names if axes is line[0] else [""] * len(names), fontsize=8)
            axes.invert_yaxis()
            axes.tick_params(axis="x", labelsize=7)
        text = comparison.equation if len(comparison.equation) < 90 else comparison.equation[:87] + "..."
        line[0].set_ylabel(text if len(text) < 40 else "", fontsize=7)
    grid[0][0].legend(fontsize=7, frameon=False)
    if len(tables) == 1:
        text = tables[0].equation
        figure.suptitle(text if len(text) < 120 else text[:117] + "...", fontsize=10)
    save_figure(figure, path)
    sys.stderr.flush()
