"""What a part of a graph computes, at random points: every operation that works entry by entry or along axes.

Two parts that are made of analytic functions and agree at random points of several sizes are one function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from einstan.machine.meaning.numbers import FLOATS, number_of
from einstan.machine.sizes.operations import COMPARISONS, Graph, Labels, Operation, Ref

Array = Any
TOLERANCE = 1e-13  # of what is rounded a few times: formulas that are nearly another are not that one


QUICK: dict[str, Callable[[Array], Array]] = {
    "exp": np.exp, "expm1": np.expm1, "log": np.log, "log1p": np.log1p, "sqrt": np.sqrt, "tanh": np.tanh, "abs": np.abs,
}  # fmt: skip  # of the functions of numbers, those that NumPy has


class UnknownError(Exception):
    """An operation that this does not compute."""


def entries(graph: Graph, value: int, cut: Mapping[int, Array], known: Mapping[str, int]) -> Array:
    """The entries of a value, computed of the values at the cut; `UnknownError` if more is needed."""
    with np.errstate(all="ignore"):  # the logarithm of a mask
        return _entries(graph, value, cut, known)


def _entries(graph: Graph, value: int, cut: Mapping[int, Array], known: Mapping[str, int]) -> Array:
    found: dict[int, Array] = dict(cut)
    stack = [value]
    while stack:
        at = stack[-1]
        operation = graph.operations[at]
        missing = [ref.value for ref in operation.operands if ref.value not in found] if at not in found else []
        if missing:
            stack += missing
            continue
        if at not in found:
            try:
                found[at] = computed(operation, [found[ref.value] for ref in operation.operands], known)
            except KeyError as error:  # a size that no array told, in what a part alone counts by
                raise UnknownError("a size") from error
        stack.pop()
    return found[value]


def computed(operation: Operation, arrays: list[Array], known: Mapping[str, int]) -> Array:
    sizes = [known[dim] for dim in operation.dims]
    match operation.kind:
        case "number":
            return np.float64(number_of(operation.detail, known))
        case "iota" if operation.out:
            return np.arange(sizes[operation.out[0]])
        case "map":
            made = mapped(operation, wide(operation, arrays), known)
        case "contract":
            made = np.float64(1)
            for place, factor in enumerate(wide(operation, arrays)):
                made = made * factor if place < operation.detail else made / factor
        case "reduce" if operation.detail == "max of all":
            (made,) = wide(operation, arrays)
        case "kernel" if operation.detail.name in MEANINGS:
            (array,), (ref,) = arrays, operation.operands
            turned = np.transpose(array, [ref.labels.index(label) for label in operation.detail.orders[0]])
            return MEANINGS[operation.detail.name](turned, operation.detail.options[0])
        case _:
            raise UnknownError(operation.kind)
    full = np.broadcast_to(made, sizes)
    gone = tuple(label for label in range(len(sizes)) if label not in operation.out)
    kept = [label for label in range(len(sizes)) if label in operation.out]
    total = np.max if operation.kind == "reduce" else np.sum
    return total(full, axis=gone).transpose([kept.index(label) for label in operation.out])


def wide(operation: Operation, arrays: list[Array]) -> list[Array]:
    """Operands with an axis for each label."""
    count = len(operation.dims)
    return [laid(np.asarray(a), ref, count) for a, ref in zip(arrays, operation.operands, strict=True)]


def laid(array: Array, ref: Ref, count: int) -> Array:
    """An array with an axis for each of so many labels."""
    if len(set(ref.labels)) < len(ref.labels):
        raise UnknownError("a diagonal")
    order = sorted(range(len(ref.labels)), key=lambda axis: ref.labels[axis])
    turned = np.transpose(array, order)
    sizes = {ref.labels[axis]: np.shape(array)[axis] for axis in order}
    return turned.reshape([sizes.get(label, 1) for label in range(count)])


def mapped(operation: Operation, arrays: list[Array], known: Mapping[str, int]) -> Array:
    function, *details = operation.detail
    if function == "add":
        return sum(number_of(c, known) * a for c, a in zip(details[0], arrays, strict=True))
    if function == "scale":
        return number_of(details[0], known) * arrays[0]
    if function == "select":
        return np.where(arrays[0] != 0, arrays[1], 0.0)
    if function == "and":
        return np.logical_and(*arrays)
    if function in COMPARISONS:
        return getattr(np, COMPARISONS[function])(*arrays)
    if function == "pow" and details:
        return np.asarray(arrays[0], float) ** number_of(details[0], known)
    if function in QUICK:
        return QUICK[function](arrays[0])
    try:
        return np.frompyfunc(lambda *x: FLOATS.apply(function, *map(float, x)), len(arrays), 1)(*arrays).astype(float)
    except (KeyError, AttributeError, TypeError) as error:
        raise UnknownError(function) from error


def _softmax(x: Array, axis: int) -> Array:
    made = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return made / np.sum(made, axis=axis, keepdims=True)


MEANINGS: dict[str, Callable[[Array, int], Array]] = {
    "softmax": _softmax,
    "log_softmax": lambda x, axis: np.log(_softmax(x, axis)),
    "logsumexp": lambda x, axis: np.log(np.sum(np.exp(x), axis=axis)),
}


def same(one: Array, other: Array) -> bool:
    """Whether arrays are equal but for rounding."""
    if np.shape(one) != np.shape(other) or not (np.all(np.isfinite(one)) and np.all(np.isfinite(other))):
        return False
    return bool(np.max(np.abs(one - other), initial=0) <= TOLERANCE * np.max(np.abs(other), initial=1e-3))


def along(array: Array, labels: Labels, out: Labels) -> Array:
    """An array with these labels along axes with others, among which they are."""
    turned = np.transpose(array, sorted(range(len(labels)), key=lambda axis: out.index(labels[axis])))
    sizes = {label: array.shape[axis] for axis, label in enumerate(labels)}
    return turned.reshape([sizes.get(label, 1) for label in out])
