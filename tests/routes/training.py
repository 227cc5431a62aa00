"""Every way to a step: gradients as users of a network get them, updates, epochs, and steps of Newton's method."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import permutations
from typing import Any

import numpy as np

import einstan as es
from einstan.optimize import newton
from tests.routes.case import Case
from tests.routes.forward import executed
from tests.routes.meaning import OutsideError
from tests.routes.run import Compared, Run, route

Array = Any
RATE = 0.125
OPTIMISERS = {
    "SGD": lambda: es.SGD(RATE),
    "Momentum": lambda: es.Momentum(RATE, beta=0.5),
    "Nesterov": lambda: es.Momentum(RATE, beta=0.5, nesterov=True),
    "Adam": lambda: es.Adam(RATE, beta1=0.5, beta2=0.75, epsilon=0.5),
}


def by_hand(name: str, p: Array, g: Array, state: dict[str, Array], t: int) -> Array:
    """The update as its paper writes it; ``state`` is changed."""
    match name:
        case "SGD":
            return p - RATE * g
        case "Momentum" | "Nesterov":
            state["v"] = v = 0.5 * state.get("v", 0) + g
            return p - RATE * (g + 0.5 * v if name == "Nesterov" else v)
        case _:
            state["m"] = m = 0.5 * state.get("m", 0) + 0.5 * g
            state["v"] = v = 0.75 * state.get("v", 0) + 0.25 * g * g
            return p - RATE * (m / (1 - 0.5**t)) / (np.sqrt(v / (1 - 0.75**t)) + 0.5)


@route("value_and_grad", share=0.15, group="step")
def value_and_grad(run: Run) -> Iterator[Compared]:
    step = run.stepping.compile()
    for _ in range(2):
        loss, found = step(run.params, **run.data_for_network)
        yield run.case.loss, loss, run.case.values[run.case.loss]
        for name in run.case.wrt:
            yield f"d{name}", found[name], run.gradients[name]


def updated(run: Run, kind: str) -> Iterator[Compared]:
    optimiser = OPTIMISERS[kind]()
    step = run.stepping.compile(update=optimiser)
    loss, params, _ = step(run.params, optimiser.init(run.params), **run.data_for_network)
    yield run.case.loss, loss, run.case.values[run.case.loss]
    for name in run.case.wrt:
        yield name, params[name], by_hand(kind, run.params[name], run.gradients[name], {}, 1)


for _kind, _share in (("SGD", 0.08), ("Momentum", 0.03), ("Nesterov", 0.02), ("Adam", 0.03)):
    route(f"compile(update={_kind})", share=_share, group="step")(lambda run, kind=_kind: updated(run, kind))


@route("value_and_grad with some parameters", share=0.05, when=lambda case: len(case.wrt) > 1)
def some_parameters(run: Run) -> Iterator[Compared]:
    wrt = run.rng.sample(run.case.wrt, run.rng.randint(1, len(run.case.wrt) - 1))
    network = es.Network(run.case.text, parameters=dict.fromkeys(wrt, "zeros"))
    step = network.value_and_grad(run.case.loss).compile(fast=False)
    known = {str(name) for name in network.value_and_grad(run.case.loss).program.inputs}
    rest = {name: a for name, a in run.data.items() if name not in wrt and name in known}
    _, found = step({name: run.data[name] for name in wrt}, **rest)
    for name in wrt:
        yield f"d{name}", found[name], run.gradients[name]


@route("value_and_grad.source()", share=0.05, when=lambda case: case.dtype != "mixed", group="step")
def value_and_grad_source(run: Run) -> Iterator[Compared]:
    made = run.stepping
    found = executed(made.source(dtype=run.dtype), run.data)
    yield run.case.loss, found[run.case.loss], run.case.values[run.case.loss]
    for name in run.case.wrt:
        yield f"d{name}", found[f"d{name}"], run.gradients[name]


def trainable(case: Case) -> bool:
    return "empty" not in case.features and case.finite and case.dtype == "float64"


@route("fit", share=0.03, when=trainable)
def fit(run: Run) -> Iterator[Compared]:
    """Two epochs of one batch each, which holds all rows in another order."""
    case, data = run.case, {name: a for name, a in run.others.items() if name in run.network.inputs}
    if not any(array.ndim for array in data.values()):
        return
    axes = batch_axes(run, data)
    if not invariant(case, data, axes):
        return
    params = dict(run.params)
    for _ in range(2):
        gradients = case.gradients_at(params)
        if not all(np.isfinite(g).all() for g in gradients.values()):
            return  # it diverges, and is refused
        params = {name: p - RATE / 8 * gradients[name] for name, p in params.items()}
    found = es.fit(
        run.network, case.loss, data, params=run.params, epochs=2, batch=1 << 20, optimiser=es.SGD(RATE / 8)
    )  # fmt: skip
    for name in case.wrt:
        yield name, found.params[name], params[name]


@route("fit in minibatches", share=0.03, when=lambda case: isinstance(case, Case) and trainable(case))
def fit_in_minibatches(run: Run) -> Iterator[Compared]:
    """One epoch of batches of equal size, in an order that is not told: it is one of all orders."""
    case, data = run.case, {name: a for name, a in run.others.items() if name in run.network.inputs}
    if not any(array.ndim for array in data.values()):
        return
    axes = batch_axes(run, data)
    count = len(next(array for array in data.values() if array.ndim))
    size = count // 2 if count % 2 == 0 else 1
    dims = {case.inputs[name][k] for name, places in axes.items() for k in places}
    if count < 2 or not divisible(case, axes, dims):
        return
    small = replace(case, sizes={**case.sizes, **dict.fromkeys(dims, size)})
    wanted = []
    for order in {tuple(tuple(sorted(rows[k : k + size])) for k in range(0, count, size))
                  for rows in permutations(range(count))}:  # fmt: skip
        params = dict(run.params)
        for rows in order:
            part = replace(small)
            part.__dict__["data"] = {name: taken(a, rows, axes.get(name, ())) for name, a in case.data.items()}
            try:
                if not part.derivable or not invariant(part, part.data, axes):
                    return
                gradients = part.gradients_at(params)
            except (OutsideError, IndexError, ValueError):  # it is not one program for all sizes
                return
            params = {name: p - RATE / 8 * gradients[name] for name, p in params.items()}
        wanted.append(params)
    found = es.fit(run.network, case.loss, data, params=run.params, epochs=1, batch=size, optimiser=es.SGD(RATE / 8))
    near = min(wanted, key=lambda each: sum(np.abs(found.params[n] - each[n]).sum() for n in case.wrt))
    for name in case.wrt:
        yield name, found.params[name], near[name]


def divisible(case: Case, axes: dict[str, list[int]], dims: set[str]) -> bool:
    """Whether rows can be left out: whatever runs over them is data that is cut, and no row is read by its number."""
    cut = {(name, k) for name, places in axes.items() for k in places}
    whole = {(name, k) for name, own in case.inputs.items() for k, dim in enumerate(own) if dim in dims}
    tied = dims & ({*case.integers.values(), *case.after} | {other for other, _ in case.after.values()})
    # A length that a line states stays what it is where rows are left out of data that happen to be as long.
    tied |= dims & {dim for line in case.lines for letter, dim in line.free if letter in dict(line.where)}
    return cut == whole and not tied and "entry" not in case.features


def taken(array: Array, rows: tuple[int, ...], places: Iterable[int]) -> Array:
    for k in places:
        array = array.take(rows, axis=k)
    return array


def batch_axes(run: Run, data: dict[str, Array]) -> dict[str, list[int]]:
    """The axes that the equations make equal to the first one of the data."""
    dims = run.network.program.dims
    first = next(name for name, array in data.items() if array.ndim)
    batch = dims.find(f"{first}.0")
    return {name: [k for k in range(a.ndim) if dims.find(f"{name}.{k}") == batch] for name, a in data.items()}


def invariant(case: Case, data: dict[str, Array], axes: dict[str, list[int]]) -> bool:
    """Whether the order of the rows does not matter, by the meaning alone."""
    first = next(name for name, array in data.items() if array.ndim)
    count = len(data[first])
    swaps = [np.arange(count) for _ in range(count - 1)]
    for k, order in enumerate(swaps):
        order[k], order[k + 1] = k + 1, k  # neighbours, which make every order
    for order in swaps:
        turned = dict(data)
        for name, places in axes.items():
            for k in places:
                turned[name] = turned[name].take(order, axis=k)
        found = case.gradients_at(turned)
        if not all(np.allclose(found[name], case.gradient(name), rtol=1e-9, atol=1e-9) for name in case.wrt):
            return False
    return True


def curved(case: Case) -> bool:
    return trainable(case) and all(case.data[name].size <= 12 for name in case.wrt) and case.magnitude < 100


@route("newton", share=0.02, when=curved, second=True)
def a_newton_step(run: Run) -> Iterator[Compared]:
    """One damped step of Newton's method, of the length that the line search took."""
    case, name = run.case, run.one
    start, gradient = run.data[name], run.gradients[name]
    columns = []
    for k in range(start.size):
        unit = np.zeros(start.size)
        unit[k] = 1
        columns.append(case.hessian_product({name: unit.reshape(start.shape)})[name].ravel())
    hessian = np.array(columns)
    damping = 2 * float(np.abs(hessian).sum()) + 1
    found = newton(
        run.program, case.loss, {name: start}, {n: a for n, a in run.data.items() if n != name},
        max_iterations=1, damping=damping, tol=1e-12, progress=False,
    )  # fmt: skip
    if len(found.rows) > 1:
        towards = -np.linalg.solve(hessian + damping * np.eye(start.size), gradient.ravel())
        length = 0.5 ** found.rows[1]["backtracks"]
        yield name, found.params[name], start + length * towards.reshape(start.shape)


def summed_over(case: Case) -> str | None:
    """The index of the last line's outermost reduction over one index."""
    body = getattr(case.by_name[case.loss], "body", None)
    operation, indices = getattr(body, "operation", ""), getattr(body, "indices", ())
    return indices[0][0] if operation in ("sum", "mean") and len(indices) == 1 else None


@route("per example", share=0.05, when=lambda case: summed_over(case) is not None)
def per_example(run: Run) -> Iterator[Compared]:
    """Their mean is the gradient."""
    letter = summed_over(run.case)
    size = run.case.sizes[run.case.by_name[run.case.loss].body.indices[0][1]]
    if not size:
        return
    each = run.program.per_example(run.case.loss, letter.lower())
    known = run.case.behind(run.case.loss) | {str(name) for name in each.program.inputs}
    found = each.gradient(run.one)({n: a for n, a in run.data.items() if n in known}).dense()
    yield "rows", len(found) == size, True
    yield f"d{run.one}", found.mean(axis=0), run.gradients[run.one]
