"""The state of a training run: all that is needed to carry on with it bit for bit, and the record of its epochs."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from einstan.language.arguments import checked, checked_methods, shown
from einstan.language.display import curves, note, table
from einstan.language.display import shown as display
from einstan.language.errors import DataError, MissingError, nearest
from einstan.language.guesses import Guessed
from einstan.library import bit_generators, checkpoint
from einstan.library.data import plain_array
from einstan.library.fields import COUNT, FINITE, PAGE, Field, each, measure, optional, record, several, whole
from einstan.library.files import named

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Arrays = dict[str, NDArray[Any]]
Row = dict[str, float]
FIELDS: dict[str, Field] = {  # what a run is, besides its arrays
    "generator": bit_generators.misfit,
    "epoch": COUNT,
    "rows": several(each(measure)),
    "best_epoch": COUNT,
    "best_score": optional(FINITE),
    "waited": COUNT,
    "notes": PAGE,
    "begun": COUNT,
    "total": FINITE,
}


@checked_methods()
@dataclass
class State:
    """A training run between two epochs, or within one: of the next, ``begun`` rows are done, with the summed loss
    ``total``, and the generator is as it was before.

    Arrays are replaced, never changed in place, so a copy of the fields is a copy of the run.  ``notes`` is for the
    caller: anything that JSON holds.

    Examples:
        >>> state = es.State({"w": np.ones(2)}, notes={"what": "begun"})
        >>> state.save("run.npz")
        >>> state = es.State.load("run.npz").snapshot()
        >>> state.params, state.epoch, state.notes, state.page()["notes"]
        ({'w': array([1., 1.])}, 0, {'what': 'begun'}, {'what': 'begun'})
    """

    params: Arrays
    optimiser: Arrays = field(default_factory=dict)
    generator: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))
    epoch: int = 0
    rows: list[Row] = field(default_factory=list)
    best: Arrays | None = None
    best_epoch: int = 0
    best_score: float | None = None
    waited: int = 0
    notes: dict[str, Any] = field(default_factory=dict)
    begun: int = 0
    total: float = 0.0

    def snapshot(self) -> State:
        """The same run, not affected by what happens to this one later.

        Examples:
            >>> net = es.Network("L = 1/2 (x[N] - y[N])^2", parameters={"x": "zeros"})
            >>> history = es.fit(net, "L", {"y": np.ones(2)}, epochs=3, optimiser=es.SGD(0.5), progress=False)
            >>> history.state.snapshot().epoch
            3
        """
        generator = np.random.Generator(type(self.generator.bit_generator)())
        generator.bit_generator.state = self.generator.bit_generator.state
        return State(
            dict(self.params), dict(self.optimiser), generator, self.epoch, list(self.rows),
            None if self.best is None else dict(self.best), self.best_epoch, self.best_score, self.waited,
            dict(self.notes), self.begun, self.total,
        )  # fmt: skip

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the run to an ``.npz`` file; a file that was there stays whole until the new one is complete.

        Raises `DataError` for what cannot be a run, and where it cannot be written.

        Examples:
            >>> net = es.Network("L = 1/2 (x[N] - y[N])^2", parameters={"x": "zeros"})
            >>> history = es.fit(net, "L", {"y": np.ones(2)}, epochs=3, optimiser=es.SGD(0.5), progress=False)
            >>> history.state.save("run.npz")
            >>> es.load("run.npz").epoch
            3
        """
        page = self.page()
        arrays = {f"params/{name}": array for name, array in self.params.items()}
        arrays |= {f"optimiser/{name}": array for name, array in self.optimiser.items()}
        arrays |= {f"best/{name}": array for name, array in (self.best or {}).items()}
        checkpoint.save_arrays(path, arrays, {"has_best": self.best is not None, **page})

    def page(self) -> dict[str, Any]:
        """All but the arrays, as JSON has it.  Raises `DataError` where a field or an array cannot be that of a run.

        Examples:
            >>> net = es.Network("L = 1/2 (x[N] - y[N])^2", parameters={"x": "zeros"})
            >>> history = es.fit(net, "L", {"y": np.ones(2)}, epochs=3, optimiser=es.SGD(0.5), progress=False)
            >>> history.state.page()["epoch"]
            3
        """
        page = {name: getattr(self, name) for name in FIELDS}
        page["generator"] = bit_generators.page_of(self.generator)
        wrong = record(FIELDS)("state", page) or _unlike(page) or _misfit(self.params, self.optimiser, self.best)
        if wrong:
            raise DataError(f"this is no training run: {wrong}", repair="save the state that fit gave")
        return page

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> State:
        """The run that `save` wrote.  Raises `DataError` for a file that is damaged or is something else.

        Examples:
            >>> net = es.Network("L = 1/2 (x[N] - y[N])^2", parameters={"x": "zeros"})
            >>> history = es.fit(net, "L", {"y": np.ones(2)}, epochs=3, optimiser=es.SGD(0.5), progress=False)
            >>> es.save("run.npz", history.state)
            >>> es.State.load("run.npz").epoch
            3
        """
        arrays, meta = checkpoint.load_arrays(path)
        page = {name: meta[name] for name in FIELDS if name in meta}
        if meta["version"] == 1:
            page |= {"begun": 0, "total": 0.0}
            if FINITE("", page.get("best_score")):
                page["best_score"] = None  # it was NaN where no epoch had a score
        parts = {part: _part(arrays, part) for part in ("params", "optimiser", "best")}
        has_best = meta.get("has_best")
        wrong = record(FIELDS)("state", page) or _unlike(page, complete=meta["version"] > 1)
        if not wrong and (
            type(has_best) is not bool
            or (parts["best"] and not has_best)
            or sum(map(len, parts.values())) != len(arrays)
        ):
            wrong = "its arrays are not those of a run"
        best = parts["best"] if has_best else None
        wrong = wrong or _misfit(parts["params"], parts["optimiser"], best)
        if wrong:
            raise DataError(
                f"{named(path)} is a checkpoint without a training run",
                inferred=wrong,
                repair="give one that fit or --save wrote",
            )
        page["generator"] = bit_generators.made(page["generator"])
        return cls(parts["params"], parts["optimiser"], best=best, **page)


def _unlike(page: Mapping[str, Any], complete: bool = True) -> str:
    """What no run has in its record, or nothing: a row for each epoch (``complete``) or for the last ones, and a best
    epoch among them.  Other columns than the loss may begin with a later epoch, and be NaN."""
    epoch, rows = page["epoch"], page["rows"]
    if len(rows) > epoch or (complete and len(rows) < epoch):
        return f"state.rows has {len(rows)} entries after epoch {epoch}"
    for k, row in enumerate(rows):
        at = epoch - len(rows) + k + 1
        for column, fits in (("epoch", whole(at, at)), *((name, FINITE) for name in ("loss", "rate", "seconds"))):
            if column in row or column in ("epoch", "loss"):
                wrong = fits(f"state.rows[{k}].{column}", row.get(column))
                if wrong:
                    return wrong
    late = next((name for name in ("best_epoch", "waited") if page[name] > epoch), None)
    return f"state.{late} = {page[late]} is beyond epoch {epoch}" if late else ""


def _misfit(params: Arrays, optimiser: Arrays, best: Arrays | None) -> str:
    """What is wrong with the arrays of a run, or nothing; the best parameters are like the last."""
    for name, array in [*params.items(), *optimiser.items(), *(best or {}).items()]:
        if not isinstance(array, np.ndarray | np.generic):
            return f"{name[:100]} = {shown(array)} is no array"
    if best is None:
        return ""
    if best.keys() != params.keys():
        return f"the best parameters are {', '.join(best)[:100]}, and the last are {', '.join(params)[:100]}"
    for name, array in params.items():
        if best[name].shape != array.shape:
            return f"{name[:100]} of the best epoch has shape {best[name].shape}, and that of the last {array.shape}"
    return ""


def _part(arrays: Mapping[str, NDArray[Any]], part: str) -> Arrays:
    start = f"{part}/"
    return {name.removeprefix(start): array for name, array in arrays.items() if name.startswith(start)}


@checked
def save(path: str | os.PathLike[str], params: Mapping[str, NDArray[Any]] | State) -> None:
    """Write parameters, or a whole training run, to one ``.npz`` file.

    Examples:
        >>> es.save("params.npz", {"w": np.ones(2)})
        >>> es.load("params.npz").params
        {'w': array([1., 1.])}
    """
    if not isinstance(params, State):
        params = State({name: plain_array(name, array) for name, array in params.items()})
    params.save(path)


@checked
def load(path: str | os.PathLike[str]) -> State:
    """Read what `save` wrote; ``load(path).params`` are the parameters.

    Examples:
        >>> es.save("params.npz", {"w": np.ones(2)})
        >>> es.load("params.npz").params["w"]
        array([1., 1.])
    """
    return State.load(path)


@checked_methods()
@dataclass
class History(Guessed):
    """What training did: a row per epoch, the parameters it settled on, and why it ended.

    ``history["loss"]`` is one column, NaN for the epochs that have no such entry.  ``params`` are those of the best
    epoch where early stopping was asked for, else the last.

    Examples:
        >>> net = es.Network("L = 1/|N| (x[N,K] - w[K])^2", parameters={"w": "zeros"})
        >>> history = es.fit(net, "L", {"x": np.ones((4, 1))}, epochs=2, optimiser=es.SGD(0.25))
        >>> history.epochs, history["loss"], history.params, history.best_epoch, len(history.rows)
        ([1, 2], [1.0, 0.25], {'w': array([0.75])}, 2, 2)
    """

    state: State
    restore_best: bool = False
    stopped: str = ""

    @property
    def rows(self) -> list[Row]:
        """One dictionary per epoch.

        Examples:
            >>> net = es.Network("L = 1/2 (x[N] - y[N])^2", parameters={"x": "zeros"})
            >>> history = es.fit(net, "L", {"y": np.ones(2)}, epochs=3, optimiser=es.SGD(0.5), progress=False)
            >>> [round(row["loss"], 3) for row in history.rows]
            [1.0, 0.25, 0.062]
        """
        return self.state.rows

    @property
    def params(self) -> Arrays:
        """Parameter name to array.

        Examples:
            >>> net = es.Network("L = 1/2 (x[N] - y[N])^2", parameters={"x": "zeros"})
            >>> history = es.fit(net, "L", {"y": np.ones(2)}, epochs=3, optimiser=es.SGD(0.5), progress=False)
            >>> list(history.params)
            ['x']
        """
        return self.state.best if self.restore_best and self.state.best is not None else self.state.params

    @property
    def best_epoch(self) -> int:
        """The epoch whose parameters these are, counted from 1.

        Examples:
            >>> net = es.Network("L = 1/2 (x[N] - y[N])^2", parameters={"x": "zeros"})
            >>> history = es.fit(net, "L", {"y": np.ones(2)}, epochs=3, optimiser=es.SGD(0.5), progress=False)
            >>> history.best_epoch
            3
        """
        return self.state.best_epoch

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, column: str) -> list[float]:
        known = list(dict.fromkeys(name for row in self.rows for name in row))
        if not isinstance(column, str) or (self.rows and column not in known):
            raise MissingError(
                f"there is no column {shown(column)}",
                inferred=f"the columns are {', '.join(known)}",
                repair=nearest(column, known) or "name one of these",
            )
        return [row.get(column, math.nan) for row in self.rows]

    @overload
    def plot(self) -> Axes: ...
    @overload
    def plot(self, path: str | os.PathLike[str]) -> Path: ...
    def plot(self, path: str | os.PathLike[str] | None = None) -> Any:
        """The losses over the epochs (needs matplotlib, ``einstan[plot]``): in a file, of which it returns the path, or
        without one as axes of matplotlib's.

        Examples:
            >>> net = es.Network("L = 1/|N| (x[N,K] - w[K])^2", parameters={"w": "zeros"})
            >>> es.fit(net, "L", {"x": np.ones((4, 1))}, epochs=2).plot("losses.svg").name
            'losses.svg'
        """
        from einstan.library.figures import curves, save_figure

        names = [name for name in dict.fromkeys(name for row in self.rows for name in row) if "loss" in name]
        columns = {name.replace("_", " "): self[name] for name in names}
        axes = curves(self.epochs, columns, "epoch", "loss", path is None)
        return axes if path is None else save_figure(axes.figure, Path(path))

    @property
    def epochs(self) -> list[int]:
        """The numbers of the epochs that have a row.

        Examples:
            >>> net = es.Network("L = 1/2 (x[N] - y[N])^2", parameters={"x": "zeros"})
            >>> history = es.fit(net, "L", {"y": np.ones(2)}, epochs=3, optimiser=es.SGD(0.5), progress=False)
            >>> history.epochs
            [1, 2, 3]
        """
        return [int(row.get("epoch", k + 1)) for k, row in enumerate(self.rows)]

    def _repr_html_(self) -> str:
        names = list(dict.fromkeys(name for row in self.rows for name in row))
        losses = {name: self[name] for name in names if "loss" in name}
        cells = [[f"{row[name]:.4g}" if name in row else "" for name in names] for row in self.rows]
        ended = self.stopped and note(f"stopped: {self.stopped}; parameters of epoch {self.best_epoch}")
        return display(curves(self.epochs, losses), table(names, cells) if cells else note(repr(self)), ended)

    def __repr__(self) -> str:
        last = ", ".join(f"{name} {value:.4g}" for name, value in self.rows[-1].items()) if self.rows else "nothing yet"
        return f"<History of {len(self.rows)} epochs: {last}>"
