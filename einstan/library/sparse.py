"""Factored tensors for SciPy: linear operators, and sparse arrays of the entries that the deltas leave.

SciPy is imported when it is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from einstan.language.errors import DataError
from einstan.library.factored import FactoredTensor
from einstan.library.factored_links import Box, count
from einstan.library.labelled import lined_up

SPARSE = ("coo", "csr", "csc")


def to_scipy(tensor: FactoredTensor, form: str = "operator") -> Any:
    """The matrix of rows by columns, each flattened in C order.

    ``"operator"`` is a ``scipy.sparse.linalg.LinearOperator`` whose products are those of the factors; ``"coo"``,
    ``"csr"`` and ``"csc"`` are sparse arrays.
    """
    rows, columns = tensor.shape[: tensor.rows], tensor.shape[tensor.rows :]
    shape = math.prod(rows), math.prod(columns)
    if form == "operator":
        from scipy.sparse.linalg import LinearOperator

        def product(of: FactoredTensor, heads: tuple[int, ...], vector: np.ndarray) -> np.ndarray:
            found = of @ vector.reshape((*heads, *vector.shape[1:]))
            return found.reshape((shape[0] if of is tensor else shape[1], *vector.shape[1:]))

        back = tensor.T
        return LinearOperator(
            shape,
            matvec=lambda v: product(tensor, columns, np.ravel(v)),
            rmatvec=lambda v: product(back, rows, np.ravel(v)),
            matmat=lambda v: product(tensor, columns, v),
            rmatmat=lambda v: product(back, rows, v),
            dtype=tensor.dtype,
        )
    if form not in SPARSE:
        raise DataError(f"there is no form {form!r}", repair=f"ask for 'operator', {', '.join(map(repr, SPARSE))}")
    from scipy.sparse import coo_array

    data, row, column = entries(tensor)
    return coo_array((data, (row, column)), shape=shape).asformat(form)


def entries(tensor: FactoredTensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The values that the cores hold, and the row and column of each; parts that overlap give one place twice."""
    data: list[np.ndarray] = [np.zeros(0, tensor.dtype)]
    places: tuple[list[np.ndarray], list[np.ndarray]] = ([np.zeros(0, np.intp)], [np.zeros(0, np.intp)])
    for part in tensor.parts:
        for box in part.boxes(tensor.shape):
            plain = part.within(box)
            size = box.sizes
            core = np.ascontiguousarray(plain.core([size[x] for x in plain.axes]))
            data.append(core.ravel())
            for found, axes in zip(places, (range(tensor.rows), range(tensor.rows, tensor.ndim)), strict=True):
                found.append(np.broadcast_to(positions(tensor.shape, box, axes), core.shape).ravel())
    return np.concatenate(data), np.concatenate(places[0]), np.concatenate(places[1])


def positions(shape: tuple[int, ...], box: Box, axes: Sequence[int]) -> np.ndarray:
    """Where the entries of a box lie along some axes, flattened in C order."""
    labels = iter(box.axes)
    own = [None if isinstance(key, int) else next(labels) for key in box.place]
    every = tuple(dict.fromkeys(box.axes))
    at = np.zeros((1,) * len(every), np.intp)
    step = 1
    for k in reversed(axes):
        key, label = box.place[k], own[k]
        if isinstance(key, int):
            at = at + step * key
        else:
            assert label is not None
            values = key.start + key.step * np.arange(count(key))
            at = at + step * lined_up((values, (label,)), every, None)
        step *= shape[k]
    return at
