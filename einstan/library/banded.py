"""Banded matrices: held by their diagonals, and solved in time that grows with the number of these.

A tensor whose links keep rows and columns near each other, as those of a smoothness penalty or a discretised equation
do, is banded in some order of its axes.  SciPy's LAPACK solves it where it is installed; else elimination with partial
pivoting does, one row of the band at a time.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from einstan.library.factored import FactoredTensor
from einstan.library.factored_links import Box, count
from einstan.library.sparse import positions

LEAST = 33  # sides up to this are as fast dense
SHARE = 4  # a band is at most this share of the side


@dataclass(frozen=True)
class Banded:
    """``bands[upper + i - j, j]`` is the entry at row i and column j, as LAPACK has it."""

    bands: np.ndarray
    lower: int
    upper: int

    @property
    def side(self) -> int:
        return self.bands.shape[1]

    @property
    def diagonal(self) -> np.ndarray:
        return self.bands[self.upper]

    def diagonals(self) -> Iterator[tuple[int, np.ndarray]]:
        """Each diagonal with its number ``j - i``, as a view."""
        for k in range(-self.lower, self.upper + 1):
            yield k, self.bands[self.upper - k, max(k, 0) : self.side + min(k, 0)]

    @property
    def dense(self) -> np.ndarray:
        found = np.zeros((self.side, self.side), self.bands.dtype)
        for k, entries in self.diagonals():
            at = np.arange(len(entries))
            found[at + max(-k, 0), at + max(k, 0)] = entries
        return found

    def __matmul__(self, vectors: np.ndarray) -> np.ndarray:
        found = np.zeros(vectors.shape, np.result_type(self.bands, vectors))
        for k, entries in self.diagonals():
            rows, columns = max(-k, 0), max(k, 0)
            entries = entries.reshape(-1, *(1,) * (vectors.ndim - 1))
            found[rows : rows + len(entries)] += entries * vectors[columns : columns + len(entries)]
        return found

    def plus(self, number: float) -> Banded:
        """A number added to every entry of the diagonal."""
        bands = self.bands.copy()
        bands[self.upper] += number
        return replace(self, bands=bands)

    def symmetric(self) -> Banded:
        """The mean with the transpose, of a matrix that is symmetric but for rounding."""
        width = max(self.lower, self.upper)
        bands = np.zeros((2 * width + 1, self.side), self.bands.dtype)
        found = Banded(bands, width, width)
        own = dict(self.diagonals())
        for k, entries in found.diagonals():
            for each in (own.get(k), own.get(-k)):
                if each is not None:
                    entries += 0.5 * each
        return found

    def solve(self, right: np.ndarray) -> np.ndarray:
        """The solution; raises `numpy.linalg.LinAlgError` where the matrix is singular."""
        lapack = _lapack()
        if lapack is None:
            return _eliminated(self, right, pivoting=True)[0]
        found: np.ndarray = lapack.solve_banded((self.lower, self.upper), self.bands, right, check_finite=False)
        return found

    def solve_definite(self, right: np.ndarray, least: float = 0.0) -> np.ndarray | None:
        """The solution where the matrix, which is symmetric, has pivots above ``least``; else None."""
        lapack = _lapack()
        try:
            if lapack is None:
                found, pivots = _eliminated(self, right, pivoting=False)
                return found if not pivots.size or pivots.min() > least else None
            factor = lapack.cholesky_banded(self.bands[: self.upper + 1], check_finite=False)
        except np.linalg.LinAlgError:
            return None
        if not (factor[-1] ** 2).min(initial=math.inf) > least:
            return None
        solved: np.ndarray = lapack.cho_solve_banded((factor, False), right, check_finite=False)
        return solved


def _lapack() -> Any:
    try:
        import scipy.linalg
    except ImportError:
        return None
    return scipy.linalg


def _eliminated(matrix: Banded, right: np.ndarray, pivoting: bool) -> tuple[np.ndarray, np.ndarray]:
    """The solution and the pivots, by Gaussian elimination within the band, which pivoting widens."""
    n, below = matrix.side, matrix.lower
    above = matrix.upper + (below if pivoting else 0)
    width = below + above + 1
    rows = np.zeros((n + below, width))  # rows[i, below + j - i] is the entry at i and j
    for k, entries in matrix.diagonals():
        rows[max(-k, 0) : max(-k, 0) + len(entries), below + k] = entries
    x = np.zeros((n + max(below, above), *right.shape[1:]))
    x[:n] = right
    size = rows.itemsize
    for j in range(n):
        window = np.ndarray(
            (below + 1, above + 1), rows.dtype, rows, (j * width + below) * size, ((width - 1) * size, size)
        )
        if pivoting:
            best = int(np.abs(window[:, 0]).argmax())
            if best:
                window[[0, best]] = window[[best, 0]]
                x[[j, j + best]] = x[[j + best, j]]
        if not window[0, 0] or (not pivoting and window[0, 0] < 0):
            raise np.linalg.LinAlgError("singular, or not definite")
        if below:
            factors = window[1:, 0] / window[0, 0]
            window[1:] -= factors[:, None] * window[0]
            x[j + 1 : j + 1 + below] -= np.multiply.outer(factors, x[j])
    for j in range(n - 1, -1, -1):
        x[j] = (x[j] - rows[j, below + 1 :] @ x[j + 1 : j + 1 + above]) / rows[j, below]
    return x[:n], rows[:n, below]


# ---- from factored tensors -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ordered:
    """A banded matrix whose rows, and whose columns, are a tensor's axes flattened in an order."""

    matrix: Banded
    order: tuple[int, ...]
    shape: tuple[int, ...]

    def flat(self, array: np.ndarray) -> np.ndarray:
        """An array of the rows as vectors; more axes stand behind."""
        extra = range(len(self.order), array.ndim)
        return array.transpose(*self.order, *extra).reshape(self.matrix.side, *array.shape[len(self.order) :])

    def back(self, vectors: np.ndarray) -> np.ndarray:
        """Vectors as arrays of the columns."""
        shape = [self.shape[k] for k in self.order]
        places = [self.order.index(k) for k in range(len(self.order))]
        extra = range(len(self.order), len(self.order) + vectors.ndim - 1)
        return vectors.reshape(*shape, *vectors.shape[1:]).transpose(*places, *extra)


def banded(tensor: FactoredTensor, block: int | None = None) -> Ordered | None:
    """A square tensor by its bands; None where it has too many of them to be worth it.

    ``block`` is the side of the blocks that it falls into anyway.
    """
    shape, columns = tensor.shape[: tensor.rows], tensor.shape[tensor.rows :]
    side = math.prod(shape)
    limit = (side if block is None else block) // SHARE
    if shape != columns or side < LEAST or not limit or not tensor.parts:
        return None
    if not all(_ties(tensor, part.axes) or part.links for part in tensor.parts):
        return None
    parts = [(part, part.boxes(tensor.shape)) for part in tensor.parts]
    every = [box for _, own in parts for box in own]
    widths = {order: _width(every, shape, order) for order in _orders(tensor)}
    order = min(widths, key=lambda each: sum(widths[each]))
    lower, upper = widths[order]
    if lower + upper + 1 > limit:
        return None
    bands = np.zeros((lower + upper + 1, side), tensor.dtype)
    moved = tuple(order), tuple(tensor.rows + k for k in order)
    for part, own in parts:
        for box in own:
            plain = part.within(box)
            size = box.sizes
            core = plain.core([size[x] for x in plain.axes])
            row, column = (positions(tensor.shape, box, axes) for axes in moved)
            bands[upper + row - column, column] += core
    matrix = Banded(bands, lower, upper)
    return Ordered(matrix.symmetric() if tensor.mirrors else matrix, order, shape)


def _ties(tensor: FactoredTensor, axes: Sequence[int]) -> bool:
    return not set(axes[: tensor.rows]).isdisjoint(axes[tensor.rows :])


def _orders(tensor: FactoredTensor) -> list[tuple[int, ...]]:
    """The orders of the axes to try: all of a few, else those first that every part ties to themselves."""
    plain = tuple(range(tensor.rows))
    if tensor.rows <= 3:
        return list(itertools.permutations(plain))
    tied = [k for k in plain if all(part.axes[k] == part.axes[tensor.rows + k] for part in tensor.parts)]
    return [plain, (*tied, *(k for k in plain if k not in tied))]


def _width(boxes: Sequence[Box], shape: tuple[int, ...], order: tuple[int, ...]) -> tuple[int, int]:
    """How far below and above the diagonal entries lie, with the axes flattened in an order."""
    steps = {k: math.prod(shape[x] for x in order[place + 1 :]) for place, k in enumerate(order)}
    lowest = highest = 0
    for box in boxes:
        slope: dict[int, int] = {}
        labels = iter(box.axes)
        constant = 0
        length: dict[int, int] = {}
        for axis, key in enumerate(box.place):
            step = steps[axis] if axis < len(shape) else -steps[axis - len(shape)]
            if isinstance(key, int):
                constant += step * key
            else:
                label = next(labels)
                constant += step * key.start
                slope[label] = slope.get(label, 0) + step * key.step
                length[label] = count(key) - 1
        ends = [sorted((0, k * length[x])) for x, k in slope.items()]
        lowest = min(lowest, constant + sum(low for low, _ in ends))
        highest = max(highest, constant + sum(high for _, high in ends))
    return highest, -lowest
