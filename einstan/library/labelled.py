"""Products of arrays whose axes carry labels, summed over the labels that the result does not have.

``product([(X, (0, 1)), (W, (1, 2))], (0, 2))`` is a matrix product.  Two operands at a time, each pair as one broadcast
multiplication or one ``matmul``; the order of more than two is opt_einsum's.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from einstan.machine.paths.paths import contraction_steps

Labels = tuple[int, ...]
Factor = tuple[np.ndarray, Labels]


def product(factors: Sequence[Factor], out: Labels, sizes: Mapping[int, int]) -> np.ndarray:
    """``out`` are distinct labels; one that no factor has is an axis along which nothing varies.

    The result may be a view of a factor, and is read-only where an axis is broadcast.
    """
    given = [once_each(factor) for factor in factors] or [(np.ones(()), ())]
    live = dict(enumerate(given))
    for made, step in enumerate(_steps(given, out), len(given)):
        chosen = [live.pop(k) for k in step]
        result = chosen[0]
        for number, other in enumerate(chosen[1:], 2):
            later = {x for _, labels in (*chosen[number:], *live.values()) for x in labels}
            result = pair(result, other, later.union(out))
        live[made] = result
    (last,) = live.values()
    array, labels = summed(last, set(out))
    return lined_up((array, labels), out, sizes)


def _steps(live: list[Factor], out: Labels) -> Iterable[tuple[int, ...]]:
    if len(live) < 3:
        return [tuple(range(len(live)))]
    every = {x for _, labels in live for x in labels}
    if every <= set(out):  # nothing is summed: first what is one array, so that both ways round are equal; small ones
        times = Counter(id(array) for array, _ in live)
        order = sorted(range(len(live)), key=lambda k: (-times[id(live[k][0])], live[k][0].size))
        return [tuple(order)]
    optimize = "auto" if len(live) < 5 else "greedy"
    present = tuple(x for x in out if x in every)
    return contraction_steps(tuple(f[1] for f in live), tuple(f[0].shape for f in live), present, optimize)


def once_each(factor: Factor) -> Factor:
    """A repeated label is a diagonal, which is a view."""
    array, labels = factor
    unique = tuple(dict.fromkeys(labels))
    if len(unique) == len(labels):
        return factor
    return np.einsum(array, list(labels), list(unique)), unique


def summed(factor: Factor, keep: set[int]) -> Factor:
    array, labels = factor
    axes = tuple(k for k, label in enumerate(labels) if label not in keep)
    if not axes:
        return factor
    return np.asarray(array.sum(axis=axes)), tuple(label for label in labels if label in keep)


def pair(left: Factor, right: Factor, keep: set[int]) -> Factor:
    """The product of two, summed over what they share and nothing else needs."""
    (a, la), (b, lb) = (
        summed(left, keep.union(right[1])),
        summed(right, keep.union(left[1])),
    )
    contracted = [x for x in la if x in lb and x not in keep]
    batch = [x for x in la if x in lb and x in keep]
    mine, yours = [x for x in la if x not in lb], [x for x in lb if x not in la]
    if not contracted:
        out = la + tuple(yours) if a.size >= b.size else lb + tuple(mine)
        shown = [lined_up(factor, out, None) for factor in ((a, la), (b, lb))]
        return np.asarray(np.multiply(*shown)), out
    size = dict(zip((*la, *lb), (*a.shape, *b.shape), strict=True))
    a = _matrix(a, la, (batch, mine, contracted), size)
    b = _matrix(b, lb, (batch, contracted, yours), size)
    out = (*batch, *mine, *yours)
    return np.matmul(a, b).reshape([size[x] for x in out]), out


def _matrix(array: np.ndarray, labels: Labels, groups: tuple[list[int], ...], size: Mapping[int, int]) -> np.ndarray:
    order = [x for group in groups for x in group]
    array = array.transpose([labels.index(x) for x in order])
    shape = [size[x] for x in groups[0]] + [math.prod(size[x] for x in group) for group in groups[1:]]
    return array.reshape(shape)


def lined_up(factor: Factor, out: Labels, sizes: Mapping[int, int] | None) -> np.ndarray:
    """The array with its axes in the order of ``out``; those that it lacks get extent 1, or the sizes given."""
    array, labels = factor
    have = [x for x in out if x in labels]
    if have != list(labels):
        array = array.transpose([labels.index(x) for x in have])
    if len(have) == len(out):
        return array
    array = array[tuple(slice(None) if x in labels else None for x in out)]
    return array if sizes is None else np.broadcast_to(array, [sizes[x] for x in out])
