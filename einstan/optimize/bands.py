"""Banded systems: what `systems` does to small matrices, done to the diagonals of a large one.

Several tensors of one shape are one with one more axis, which numbers them: two smooth signals that are coupled entry
by entry are a band twice as wide.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from einstan.library.banded import Banded, banded
from einstan.library.factored import FactoredTensor
from einstan.library.factored_links import Link
from einstan.optimize.layout import Arrays

SMALL = 1e-13  # a pivot below this share of the largest diagonal entry, times the side, vanishes
EXACT = 400  # the side up to which an indefinite matrix is taken apart by its eigenvalues

Tensors = Mapping[tuple[int, int], FactoredTensor]  # by the numbers of the row tensor and of the column tensor


@dataclass
class Band:
    """A part of a linear system that is one banded matrix; the rest as for `einstan.optimize.curvature.Piece`."""

    matrix: Banded
    gather: Callable[[Mapping[str, np.ndarray]], np.ndarray]
    columns: Callable[[Mapping[str, np.ndarray]], np.ndarray]
    scatter: Callable[[np.ndarray], Arrays]


def band(blocks: Tensors, rows: Sequence[str], columns: Sequence[str], block: int, symmetric: bool) -> Band | None:
    """The blocks of a system as one banded matrix; None where that is not worth it, or their shapes differ."""
    shapes = {tensor.shape[: tensor.rows] for tensor in blocks.values()}
    shapes |= {tensor.shape[tensor.rows :] for tensor in blocks.values()}
    if len(rows) != len(columns) or len(shapes) != 1:
        return None
    found = banded(_numbered(blocks, len(rows)), block)
    if found is None:
        return None
    ordered = found

    def flat(names: Sequence[str]) -> Callable[[Mapping[str, np.ndarray]], np.ndarray]:
        return lambda arrays: ordered.flat(np.stack([arrays[name] for name in names], -1))[None]

    def scatter(vectors: np.ndarray) -> Arrays:
        return dict(zip(columns, np.moveaxis(ordered.back(vectors[0]), -1, 0), strict=True))

    matrix = ordered.matrix.symmetric() if symmetric else ordered.matrix
    return Band(matrix, flat(rows), flat(columns), scatter)


def _numbered(blocks: Tensors, many: int) -> FactoredTensor:
    """Tensors of one shape as one, in which another axis of the rows and one of the columns say which it is."""
    parts = []
    for (above, below), tensor in blocks.items():
        for part in tensor.parts:
            row = 1 + max(part.held | part.linked, default=-1)
            axes = (*part.axes[: tensor.rows], row, *part.axes[tensor.rows :], row + 1)
            which = Link(((row, 1),), -above), Link(((row + 1, 1),), -below)
            parts.append(part._replace(axes=axes, links=(*part.links, *which)))
    first = next(iter(blocks.values()))
    heads, tails = first.shape[: first.rows], first.shape[first.rows :]
    shape = (*heads, many, *tails, many)
    return FactoredTensor([f"x{k}" for k in range(len(shape))], shape, parts, first.rows + 1)


# ---- solving ---------------------------------------------------------------------------------------------------------


def descending(matrix: Banded, right: np.ndarray) -> tuple[np.ndarray, list[str]] | None:
    """The solution of a symmetric system, made one that leads down where it is not definite; with notes.

    None where it is small enough for its eigenvalues, which say more.
    """
    scale = matrix.diagonal.max(initial=0.0)
    solved = matrix.solve_definite(right, SMALL * matrix.side * scale)
    if solved is not None:
        return solved, []
    if matrix.side <= EXACT:
        return None
    size = _norm(matrix)
    shift = 1e-10 * (size or 1.0)
    while solved is None:
        solved, used = matrix.plus(shift).solve_definite(right), shift
        shift *= 10
    return solved, [f"indefinite or singular: {used:.2g} was added to the diagonal"]


def bends_down(matrix: Banded) -> bool:
    """Whether a symmetric matrix has a negative eigenvalue."""
    shift = 1e3 * SMALL * matrix.side * _norm(matrix)
    return matrix.plus(shift or 1.0).solve_definite(np.zeros(matrix.side)) is None


def regular(matrix: Banded, right: np.ndarray) -> np.ndarray | None:
    """The solution; None where the matrix is singular or nearly so."""
    probe = np.where(np.arange(matrix.side) * 0.6180339887 % 1 < 0.5, 1.0, -1.0)
    try:
        with np.errstate(all="ignore"):
            solved, probed = matrix.solve(np.stack([right, probe], 1)).T
    except np.linalg.LinAlgError:
        return None
    grown = np.abs(probed).max() * _norm(matrix)  # at most the condition number
    return solved if np.isfinite(solved).all() and grown < 1 / (SMALL * matrix.side) else None


def _norm(matrix: Banded) -> float:
    """The largest sum of a column, which no eigenvalue exceeds."""
    return float(np.abs(matrix.bands).sum(axis=0).max(initial=0.0))
