"""``einstan train``: a classifier or a regression on real data, its layers and their backward pass as equations."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from einstan import layers
from einstan.language.arguments import shown
from einstan.language.errors import DataError
from einstan.library import optimisers
from einstan.library.callbacks import Callback, Saver
from einstan.library.data import Scaling, Table, digits, one_hot, stratified
from einstan.library.escape import visible
from einstan.library.figures import curves, save_figure
from einstan.library.files import refuse_unwritable
from einstan.library.metrics import accuracy, confusion, error
from einstan.library.network import Network
from einstan.library.progress import ProgressBar, reading_bar
from einstan.library.recipe import Recipe, recipe_of
from einstan.library.signals import signals_interrupt
from einstan.library.state import History, State
from einstan.library.tables import read_table
from einstan.library.training import Interrupted, TrainingError, fit
from einstan.machine.sizes.memory import refuse_more

CAREFUL = 0.01  # the learning rate of a regression, whose errors are no shares
LOSS, SCORES, LABELS = "L", "S", "Y"  # of a regression the scores are its outputs, in the unit of their spread
INTERRUPTED = 130


def run(options: argparse.Namespace, console: Console) -> int:
    with signals_interrupt() as interrupt:
        return _run(options, console, interrupt)


def _run(options: argparse.Namespace, console: Console, interrupt: Callable[[object], None]) -> int:
    _check_outputs(options)
    state = State.load(options.resume) if options.resume else None
    recipe = recipe_of(options, state)
    table = _table(recipe, console)
    if state is None and options.lr is None and not table.classes:
        recipe.lr = min(recipe.lr, CAREFUL)
    _check_same_data(recipe, table, state)
    network = classifier(table, recipe)
    parts = _parts(table, recipe)
    notes = {"recipe": asdict(recipe), "measures": _measures(table, recipe)}
    _print_network(console, table, network, recipe, parts)
    path = options.save or options.resume
    saver = Saver(path or "einstan-run.npz", every=None, notes=notes, report=_report)
    try:
        history = _train(console, table, network, recipe, parts, state, [*([saver] if path else []), interrupt])
    except Interrupted as problem:
        if not path:
            saver.on_end(problem.history.state, "interrupted")
        console.print(f"interrupted after epoch {problem.history.state.epoch} of {recipe.epochs}")
        if saver.saved:
            console.print(
                f"the run is in {saver.saved}\ncarry on with: einstan train --resume {saver.saved}", markup=False
            )
        return INTERRUPTED
    except TrainingError as problem:
        if saver.saved:
            problem.repair = (
                *problem.repair, f"the last good epoch, {problem.history.state.epoch}, is in {saver.saved}"
            )  # fmt: skip
        raise
    if history.stopped:
        console.print(f"stopped: {history.stopped}; parameters of epoch {history.best_epoch}")
    _print_scores(console, table, recipe, network, history, parts["test"])
    if saver.saved:
        console.print(f"saved to {saver.saved}", markup=False)
    if options.plot:
        smooth = recipe.smoothing and table.classes
        plot(history, options.plot, "training loss, smoothed labels" if smooth else "training loss")
        console.print(f"loss drawn in {options.plot}", markup=False)
    return 2 if path and saver.saved != path else 0


def _report(text: str) -> None:
    with suppress(OSError, AttributeError):  # nobody may be listening
        sys.stderr.write(f"einstan: {visible(text)}\n")


def _table(recipe: Recipe, console: Console) -> Table:
    if not recipe.data:
        if recipe.label:
            raise DataError("--label is a column of --data", repair="--data file.csv --label " + shown(recipe.label))
        return digits()
    with reading_bar(console, recipe.data) as told:
        return read_table(recipe.data, told, recipe.label)


# ---- what is run -----------------------------------------------------------------------------------------------------


def _check_outputs(options: argparse.Namespace) -> None:
    """Find out before training, not after, that its results could not be written."""
    if options.plot and importlib.util.find_spec("matplotlib") is None:
        raise DataError("--plot needs matplotlib, which is not installed", repair="pip install 'einstan[plot]'")
    refuse_unwritable("--plot", options.plot)
    refuse_unwritable("--save", options.save, regular=True)
    if options.resume and not options.save and os.path.isfile(options.resume):  # else it is refused when it is read
        refuse_unwritable("--resume", options.resume, regular=True)
    for name in ("plot", "save"):
        path = getattr(options, name)
        both = path and options.data and os.path.exists(path) and os.path.exists(options.data)
        if both and os.path.samefile(path, options.data):
            raise DataError(f"--{name} {path} would be written over the data", repair="give another file name")


def _check_same_data(recipe: Recipe, table: Table, state: State | None) -> None:
    labels = zlib.crc32(np.asarray(table.labels, "<i8").tobytes())
    if table.values is not None:
        labels = zlib.crc32(table.values.tobytes(), labels)
    found = zlib.crc32(np.ascontiguousarray(table.features).tobytes(), labels)
    if state is not None and found != recipe.fingerprint:
        raise DataError(
            f"{table.name} is not the data that the run was made with", repair="give the same file with --data"
        )
    recipe.fingerprint = found


def classifier(table: Table, recipe: Recipe) -> Network:
    """Dense layers with an activation between them, softmax, cross-entropy; or of a regression one output, and the mean
    of its squared errors."""
    activation = getattr(layers, recipe.activation)
    members, previous = [], "X"
    for number, units in enumerate((*recipe.hidden, len(table.classes) or 1), 1):
        names = {"X": previous, "W": f"W{number}", "b": f"b{number}"}
        last = number > len(recipe.hidden) and not table.classes
        members.append(layers.dense(SCORES if last else f"Z{number}", **names, j=units))
        if number <= len(recipe.hidden):
            members.append(activation(f"A{number}", Z=f"Z{number}"))
        previous = f"A{number}"
    if not table.classes:
        return Network(*members, layers.mean_squared_error(LOSS, O=SCORES, Y=LABELS))
    members.append(layers.softmax(SCORES, Z=f"Z{len(recipe.hidden) + 1}"))
    members.append(layers.cross_entropy(LOSS, S=SCORES, Y=LABELS))
    return Network(*members)


def _parts(table: Table, recipe: Recipe) -> dict[str, dict[str, np.ndarray]]:
    """The rows for training, validation and testing, scaled by what the training rows hold."""
    rows = _rows(table, recipe)
    # Pixels share one range, so that an image keeps its contrast; columns of a table have one each.
    kinds = len(table.classes) or 1
    needed = 8 * len(table.labels) * 2 * (table.features.shape[1] + kinds)  # once more while they are made
    refuse_more(f"the rows of {table.name}, with a column for each of {kinds} classes,", needed, "give fewer rows")
    scaling = Scaling.of(table.features[rows["train"]], per_feature=bool(recipe.data))
    targets = _targets(table, rows["train"], recipe.dtype)
    found = {
        part: {
            "X": scaling(table.features[numbers]).astype(recipe.dtype, copy=False),
            LABELS: targets(numbers),
        }
        for part, numbers in rows.items()
    }
    if recipe.smoothing and table.classes:  # rows still sum to one
        smooth = found["train"][LABELS]
        smooth *= 1 - recipe.smoothing
        smooth += recipe.smoothing / kinds
    return found


def _rows(table: Table, recipe: Recipe) -> dict[str, np.ndarray]:
    """The numbers of the rows of each part."""
    rest, test = table.split(0.2, recipe.seed)
    rows = {"train": rest, "test": test}
    if recipe.validation:
        kept, part = stratified(table.labels[rest], recipe.validation, recipe.seed + 1)
        rows |= {"train": rest[kept], "validation": rest[part]}
    if not all(len(numbers) for numbers in rows.values()):
        enough = recipe.validation and len(rest) and len(test)  # without a part for validation
        raise DataError(
            f"{table.name} is too small: {len(table.labels)} rows cannot be split into {', '.join(rows)}",
            repair="give more rows" + " of every class" * bool(table.classes) + ", or --validation 0" * bool(enough),
        )
    return rows


def _measures(table: Table, recipe: Recipe) -> dict[str, Any]:
    """What the training rows measure, for those that are to be predicted: `einstan.library.recipe.MEASURES`."""
    train = _rows(table, recipe)["train"]
    scaling = Scaling.of(table.features[train], per_feature=bool(recipe.data))
    mean, spread = (0.0, 1.0) if table.values is None else spread_of(table, train)
    low, high = (np.atleast_1d(ends).tolist() for ends in (scaling.low, scaling.high))
    names = {"columns": list(table.columns), "classes": list(table.classes)}
    return {**names, "low": low, "high": high, "mean": mean, "spread": spread}


def _targets(table: Table, train: np.ndarray, dtype: str) -> Callable[[np.ndarray], np.ndarray]:
    """What the rows of these numbers should give: a column for each class, or a value as so many deviations from the
    mean of the training rows."""
    if table.values is None:
        return lambda numbers: one_hot(table.labels[numbers], len(table.classes), dtype)
    mean, spread = spread_of(table, train)
    scaled = ((table.values - mean) / spread).astype(dtype)[:, None]
    return lambda numbers: scaled[numbers]


def spread_of(table: Table, train: np.ndarray) -> tuple[float, float]:
    """The mean and the standard deviation of the values of the training rows."""
    assert table.values is not None
    values = table.values[train]
    mean, spread = float(values.mean()), float(values.std())
    if not spread:
        raise DataError(f"{table.name}: all values are {mean:g}, so there is nothing to learn", repair="give others")
    return mean, spread


def _train(
    console: Console,
    table: Table,
    network: Network,
    recipe: Recipe,
    parts: Mapping[str, dict[str, np.ndarray]],
    state: State | None,
    callbacks: Sequence[Callback | Callable[[State], None]],
) -> History:
    return fit(
        network, LOSS, parts["train"],
        validation=parts.get("validation"), metrics=((accuracy if table.classes else error)(SCORES, LABELS),),
        monitor="val_loss" if "validation" in parts else "loss", epochs=recipe.epochs, batch=recipe.batch,
        optimiser=optimisers.optimiser(recipe.optimiser, recipe.lr), patience=recipe.patience,
        callbacks=[*callbacks, ProgressBar(console)], seed=recipe.seed, resume=state,
        progress=False,
    )  # fmt: skip


# ---- what is shown ---------------------------------------------------------------------------------------------------


def _print_network(
    console: Console, table: Table, network: Network, recipe: Recipe, parts: Mapping[str, Mapping[str, np.ndarray]]
) -> None:
    sizes = ", ".join(f"{len(part['X'])} for {name}" for name, part in parts.items())
    widths = "–".join(map(str, (table.features.shape[1], *recipe.hidden, len(table.classes) or 1)))
    console.print(Text(visible(table.name), "bold"), f": {sizes}; network {widths}", sep="")
    if not table.classes:
        console.print("a regression: values are counted in standard deviations from the mean of the training rows")
    elif recipe.smoothing:
        console.print(f"the labels trained on are smoothed: {recipe.smoothing:g} of each is spread over all classes")
    console.print("\n", Text("forward", "bold"), ", as declared", sep="")
    console.print(_indented(str(network)), markup=False)
    for assumption in network.program.assumptions:
        console.print(f"  assume {assumption}", markup=False)
    console.print("\n", Text("backward", "bold"), ", as derived", sep="")
    console.print(_indented(str(network.backward(LOSS))), markup=False)
    console.print()


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


def _print_scores(
    console: Console, table: Table, recipe: Recipe, network: Network, history: History, test: Mapping[str, np.ndarray]
) -> None:
    scores = network.evaluate(SCORES, history.params, X=test["X"])
    if not table.classes:
        _print_errors(console, table, recipe, scores, test[LABELS])
        return
    counts = confusion(scores, test[LABELS], len(table.classes))
    right, rows = int(np.trace(counts)), int(counts.sum())
    if len(table.classes) <= 12:
        grid = RichTable(title="rows: true class, columns: what it was taken for", title_justify="left")
        grid.add_column("")
        for name in table.classes:
            grid.add_column(name, justify="right")
        grid.add_column("right", justify="right")
        for number, name in enumerate(table.classes):
            cells = [_cell(int(count), at == number) for at, count in enumerate(counts[number])]
            total = int(counts[number].sum())
            grid.add_row(name, *cells, f"{100 * counts[number, number] / total:.1f} %" if total else "-")
        console.print(grid)
    console.print(Text(f"test accuracy {100 * right / rows:.2f} %", "bold"), f"({right} of {rows})")


def _print_errors(console: Console, table: Table, recipe: Recipe, found: np.ndarray, wanted: np.ndarray) -> None:
    _, spread = spread_of(table, _rows(table, recipe)["train"])
    squares = float(np.mean((found - wanted) ** 2))
    share = 1 - squares / variance if (variance := float(np.var(wanted))) else float("nan")
    typical = spread * squares**0.5
    console.print(
        Text(f"test error {typical:.4g}", "bold"), f"(root mean square, in the unit of the data; R² {share:.3f})"
    )


def _cell(count: int, diagonal: bool) -> Text:
    return Text(str(count), "green" if diagonal else "red") if diagonal or count else Text("·")


def plot(history: History, path: str, label: str) -> None:
    """Draw the loss per epoch."""
    columns = {label: history["loss"]}
    if any("val_loss" in row for row in history.rows):
        columns["validation loss"] = history["val_loss"]
    save_figure(curves(history["epoch"], columns, "epoch", "loss").figure, path)
