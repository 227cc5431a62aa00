"""Training: minibatches in an order that the seed fixes, early stopping, and an end that loses nothing.

`fit` is a loop over epochs on a `State`; whatever ends it, the state of the last finished epoch is at hand, and fitting
from it continues bit for bit as if nothing had happened.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from einstan.language.arguments import ArgumentError, checked, number, passing, require, shown, whole
from einstan.language.errors import DataError, EinstanError
from einstan.language.place import at
from einstan.library.callbacks import Callback, Told, callback
from einstan.library.data import batches, plain_array, require_finite, require_names, require_numbers
from einstan.library.metrics import Metric
from einstan.library.optimisers import Adam, Optimiser
from einstan.library.resuming import check_fits
from einstan.library.state import Arrays, History, Row, State
from einstan.machine.sizes.memory import refuse_more
from einstan.machine.sizes.refusals import reader_of

if TYPE_CHECKING:
    from einstan.library.network import Network


PAUSE = 1.0  # seconds within an epoch, until callbacks are asked whether they keep what there is


class TrainingError(EinstanError):
    """Training that cannot go on.  ``history`` holds the last good parameters.

    Examples:
        >>> net = es.Network("L = 1/|N| (X[N,K] w[K])^2", parameters={"w": "ones"})
        >>> try:
        ...     es.fit(net, "L", {"X": np.ones((4, 2))}, optimiser=es.SGD(1e200), epochs=3)
        ... except es.TrainingError as error:
        ...     print(error.problem, error.history.params)
        the loss is inf in epoch 2, batch 1 {'w': array([-4.e+200, -4.e+200])}
    """

    history: History


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during `fit`.  ``history`` is the run at the end of its last finished epoch, or what a callback has kept
    of a long one since."""

    def __init__(self, history: History) -> None:
        self.history = history
        super().__init__(f"interrupted after {history.state.epoch} epochs")

    def __reduce__(self) -> tuple[Any, ...]:
        return Interrupted, (self.history,)


@checked
def fit(
    network: Network,
    loss: str,
    data: Mapping[str, NDArray[Any]],
    *,
    params: Mapping[str, NDArray[Any]] | None = None,
    validation: Mapping[str, NDArray[Any]] | None = None,
    epochs: int = 20,
    batch: int = 32,
    optimiser: Optimiser | None = None,
    schedule: Callable[[int], float] | None = None,
    metrics: Iterable[Metric] = (),
    patience: int | None = None,
    monitor: str | None = None,
    callbacks: Iterable[Callback | Callable[[State], bool | None]] = (),
    seed: int = 0,
    resume: State | str | os.PathLike[str] | None = None,
    compile_options: Mapping[str, Any] | None = None,
    progress: bool | None = None,
) -> History:
    """Minimise ``loss`` over the parameters of the network.

    - ``data``, ``validation``: tensor name to array.  The batch axis is the first axis of the first tensor; every
      tensor is cut along each of its axes that the equations say is equal to it, and is passed whole if it has none.
    - ``params``: first values, else `Network.init` with this ``seed``, in the dtype of the first floating data array.
    - ``epochs`` counts from the beginning, so that resuming at epoch 5 with ``epochs=10`` runs five more.
    - ``schedule``: epoch (from 0) to a factor on the optimiser's rate.
    - ``patience``: stop when ``monitor`` (the first metric on the validation data, else its loss) has not improved for
      that many epochs, and settle on the parameters of the best one.
    - ``resume``: the `State` of an earlier run, or the file that holds it.
    - ``progress``: True shows one line on a terminal or in a notebook, False never; None when it takes long.

    Returns a `History`.  Raises `DataError` for arrays that cannot be trained on, `TrainingError` when the loss is no
    longer finite (with the last good parameters), `Interrupted` on Ctrl-C (likewise).

    Examples:
        >>> net = es.Network("Z[n] = X[n,K] w[K]", "L = 1/|N| (Z[N] - y[N])^2", parameters={"w": "zeros"})
        >>> data = {"X": np.eye(4), "y": np.ones(4)}
        >>> history = es.fit(net, "L", data, epochs=40, optimiser=es.SGD(1.0))
        >>> history["loss"][-1] < 1e-20, history.params["w"].round(3)
        (True, array([1., 1., 1., 1.]))
    """
    if not hasattr(network, "value_and_grad"):
        raise ArgumentError(f"{shown(network)} is not a network", repair="Network(dense(...), ...)")
    whole("seed", seed)
    metrics, optimiser, callbacks = tuple(metrics), optimiser or Adam(), tuple(callbacks)
    require("metrics", metrics, tuple[Metric, ...])
    require("callbacks", callbacks, tuple[Callback | Callable[..., Any], ...])
    if epochs < 0 or batch < 1:
        raise DataError(
            f"epochs = {epochs} and batch = {batch}: at least 0 epochs of at least 1 row are needed",
            repair=f"epochs={max(epochs, 0)}, batch={max(batch, 1)}",
        )
    if patience is not None and patience < 1:
        raise DataError(f"patience = {patience}: at least 1 epoch is needed", repair="patience=1, or leave it out")
    data = _checked(network, data)
    validation = None if validation is None else _checked(network, validation)
    cut = _Cutter(network, data)
    state = _first_state(network, data, params, optimiser, seed, resume)
    options = {"fast": False, **(compile_options or {})}  # numba would come in at a moment that nobody can repeat
    step = passing(network.value_and_grad(loss, wrt=tuple(state.params)).compile, options, check=False)
    cut.keep(map(str, step.compiled.program.inputs))  # what only other tensors of the network read has no use
    evaluate = network.evaluator(*dict.fromkeys((loss, *(t for m in metrics for t in m.tensors if network.has(t)))))
    goal = _Goal(monitor, metrics, validation is not None)
    told = [*map(callback, callbacks), Told(progress)]

    if state.begun > cut.rows:
        raise DataError(
            f"the run was interrupted after row {state.begun} of an epoch, and there are {cut.rows} rows",
            repair="resume with the data that the run began with",
        )
    good = finished = state.snapshot()
    reason = "interrupted"

    def pause(paused: State) -> None:
        nonlocal good
        kept, good = good, paused  # now, so that an interrupt while it is saved does not go back
        answers = [each.on_pause(paused) for each in told]
        if not any(answers):
            good = kept

    for each in told:
        each.on_start(state, epochs)
    try:
        try:
            while state.epoch < epochs:
                if patience is not None and state.waited >= patience:
                    reason = f"no better {goal.column} for {patience} epochs"
                    break
                row = _epoch(state, step, cut, batch, optimiser, _factor(schedule, state.epoch), pause)
                if validation is not None:
                    row |= _measured(evaluate, state.params, validation, loss, metrics)
                state.rows.append(row)
                goal.judge(state)
                good = finished = state.snapshot()
                answers = [each.on_epoch_end(good) for each in told]  # all are told, whatever one answers
                if any(answers):
                    reason = "ended by a callback"
                    break
            else:
                reason = ""
        except TrainingError as problem:
            good, reason = finished, problem.problem
            problem.history = History(good, patience is not None, reason)
            raise
        finally:
            _end(told, good, reason)
    except KeyboardInterrupt:
        raise Interrupted(History(good, patience is not None, "interrupted")) from None
    return History(good, patience is not None, reason)


def _end(told: list[Callback], state: State, reason: str) -> None:
    """Tell all of the end, whichever of them fails."""
    problem: BaseException | None = None
    for each in told:
        try:
            each.on_end(state, reason)
        except BaseException as found:
            problem = problem or found
    if problem is not None:
        raise problem


def _factor(schedule: Callable[[int], float] | None, epoch: int) -> float:
    return 1.0 if schedule is None else number(f"schedule({epoch})", schedule(epoch), 0, float("inf"), open_above=True)


# ---- an epoch --------------------------------------------------------------------------------------------------------


def _epoch(
    state: State,
    step: Callable[..., tuple[Any, Arrays]],
    cut: _Cutter,
    batch: int,
    optimiser: Optimiser,
    scale: float,
    pause: Callable[[State], None],
) -> Row:
    """One pass over the data, or the rest of one; changes the state and returns the row of its record."""
    start = told = time.perf_counter()
    params, optimiser_state, total, done = state.params, state.optimiser, state.total, 0
    before = state.snapshot()
    # A diverging run overflows before its loss is seen to be infinite: that is reported below, once.
    with np.errstate(all="ignore"):
        for number, rows in enumerate(batches(cut.rows, batch, state.generator), 1):
            rows, done = rows[max(state.begun - done, 0) :], done + len(rows)
            if not len(rows):
                continue
            loss, grads = step(params, **cut(rows))
            if not np.isfinite(loss):
                raise _diverged(float(loss), state.epoch + 1, number, optimiser.rate * scale)
            total += float(loss) * len(rows)
            params, optimiser_state = optimiser.update(params, grads, optimiser_state, scale)
            if time.perf_counter() >= told + PAUSE and not _broken(params):
                pause(replace(before.snapshot(), params=params, optimiser=optimiser_state, begun=done, total=total))
                told = time.perf_counter()
        broken = _broken(params)
    if broken:
        raise _diverged(float("nan"), state.epoch + 1, number, optimiser.rate * scale, broken[0])
    state.params, state.optimiser, state.begun, state.total = params, optimiser_state, 0, 0.0
    state.epoch += 1
    return {
        "epoch": state.epoch,
        "loss": total / cut.rows,
        "rate": optimiser.rate * scale,
        "seconds": time.perf_counter() - start,
    }


def _broken(params: Arrays) -> list[str]:
    return [name for name, value in params.items() if not np.isfinite(value).all()]


def _diverged(loss: float, epoch: int, batch: int, rate: float, name: str = "") -> TrainingError:
    what = f"{name} is no longer finite" if name else f"the loss is {loss}"
    return TrainingError(
        f"{what} in epoch {epoch}, batch {batch}",
        inferred=f"the learning rate was {rate:g}; the parameters of epoch {epoch - 1} are kept",
        repair="use a smaller learning rate, or scale the data",
    )


def _measured(
    evaluate: Callable[..., Arrays], params: Arrays, data: Arrays, loss: str, metrics: tuple[Metric, ...]
) -> Row:
    with np.errstate(all="ignore"):
        found = evaluate(params, **data)
    row = {"val_loss": float(found[loss])}
    for metric in metrics:
        value = metric.compute(*(found[t] if t in found else data[t] for t in metric.tensors))
        try:
            row[f"val_{metric.name}"] = float(value)
        except (TypeError, ValueError) as problem:
            raise DataError(
                f"the metric {metric.name} is {shown(value)}, and no number", repair="compute one number"
            ) from problem
    return row


class _Goal:
    """Which column early stopping goes by, and whether an epoch was the best so far."""

    def __init__(self, monitor: str | None, metrics: tuple[Metric, ...], validated: bool) -> None:
        larger = {f"val_{metric.name}": metric.larger_is_better for metric in metrics} if validated else {}
        columns = {**larger, **({"val_loss": False} if validated else {}), "loss": False}
        self.column = monitor or next(iter(columns))
        if self.column not in columns:
            raise DataError(
                f"there is no {self.column} to go by",
                inferred=f"there is {', '.join(columns)}",
                repair="give validation data" if "val" in self.column and not validated else "name one of these",
            )
        self.larger = columns[self.column]

    def judge(self, state: State) -> None:
        score = state.rows[-1][self.column]
        best = state.best_score
        if np.isfinite(score) and (best is None or (score > best if self.larger else score < best)):
            state.best, state.best_epoch, state.best_score, state.waited = state.params, state.epoch, score, 0
        else:
            state.waited += 1


# ---- before the first epoch ------------------------------------------------------------------------------------------


def _checked(network: Network, data: Mapping[str, NDArray[Any]]) -> Arrays:
    arrays = {name: plain_array(name, array, network.program) for name, array in data.items()}
    require_names(arrays, network.inputs, "an input of the network", network.program)
    for name, array in arrays.items():
        require_numbers(name, array)
        require_finite(name, array)
        if not array.size:
            raise DataError(f"{name} is empty: its shape is {array.shape}", repair="give at least one row")
    network.check_assumptions(arrays)
    return arrays


def _first_state(
    network: Network,
    data: Arrays,
    params: Mapping[str, NDArray[Any]] | None,
    optimiser: Optimiser,
    seed: int,
    resume: State | str | os.PathLike[str] | None,
) -> State:
    if resume is None:
        if params is None:
            dtype = next((array.dtype for array in data.values() if array.dtype.kind == "f"), np.dtype(float))
            params = network.init(seed, dtype, **data)
        for name, array in params.items():
            require_finite(name, plain_array(name, array))
        values = {name: plain_array(name, array) for name, array in params.items()}
        _refuse_heavy(values, optimiser)
        return State(values, optimiser.init(values), np.random.default_rng(seed))
    if params is not None:
        raise DataError(
            "the parameters are given twice, as params and by what is resumed", repair="leave params out, or resume"
        )
    if isinstance(resume, State):
        resume.page()  # which refuses what is no run
    state = resume.snapshot() if isinstance(resume, State) else State.load(resume)
    check_fits(network, data, optimiser, state)
    if not state.optimiser:  # a file of parameters alone
        state.optimiser = optimiser.init(state.params)
    return state


def _refuse_heavy(params: Arrays, optimiser: Optimiser) -> None:
    """Refuse what would not fit of what an epoch holds beside the first values: parameters and state of the last epoch,
    of the last batch and of the next, the gradients, the parameters of the best epoch, and room to work in."""
    sample = np.zeros(1000)
    kept = sum(np.asarray(array).nbytes for array in optimiser.init({"sample": sample}).values()) / sample.nbytes
    size = sum(array.nbytes for array in params.values())
    needed = round(size * (3 * kept + 5))
    less = ", or an optimiser that keeps less: SGD" if kept >= 1 else ""  # more than a count of steps
    refuse_more("what an epoch of training holds", needed, f"fewer parameters{less}")


class _Cutter:
    """Cuts the data along its batch axis."""

    def __init__(self, network: Network, data: Arrays) -> None:
        first = next((name for name, array in data.items() if array.ndim), None)
        if first is None:
            raise DataError("there is no data to cut into batches", repair="give at least one tensor with an axis")
        self.data = data
        self.rows = len(data[first])
        dims = network.program.dims
        batch_axis = dims.find(f"{first}.0")
        self.axes = {
            name: tuple(k for k in range(array.ndim) if dims.find(f"{name}.{k}") == batch_axis)
            for name, array in data.items()
        }
        for name, axes in self.axes.items():
            for k in axes:
                if data[name].shape[k] != self.rows:
                    raise DataError(
                        f"{first} has {self.rows} rows and {name} has {data[name].shape[k]}",
                        **at(reader_of(network.program, name), name),
                        inferred=f"the equations say that the first axis of {first} and axis {k} of {name} are equal",
                        repair=f"give {name} one row for each row of {first}",
                    )

    def keep(self, names: Iterable[str]) -> None:
        """Cut these tensors alone."""
        kept = set(names)
        self.data = {name: array for name, array in self.data.items() if name in kept}

    def __call__(self, rows: NDArray[Any]) -> Arrays:
        cut = {}
        for name, array in self.data.items():
            for k in self.axes[name]:
                array = array.take(rows, axis=k)
            cut[name] = array
        return cut
