"""Block structure read off deltas: solving and factorising block by block.

A row axis and a column axis that every part of a tensor joins by a delta count the blocks; what is left of rows and
columns is one small matrix per block.  ``δ[i,p] C[i,k,q]`` with m values of i and k of the others is solved in
m k^3 operations instead of (m k)^3.  A matrix whose links keep its rows and columns together is solved by its bands.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from einstan.language.errors import DataError
from einstan.library.banded import banded
from einstan.library.data import plain_array, require_numbers
from einstan.library.factored import FactoredTensor, Part, square


@dataclass(frozen=True)
class Blocks:
    """``array[block axes, rows within, columns within]``, with the names of all three.

    Examples:
        >>> H = es.Program("L = 1/2 (X[N,K] W[K,J])^2").hessian("L", "W")(X=np.eye(2), W=np.ones((2, 4)))
        >>> found = H.blocks()
        >>> found.names, found.over, found.array.shape
        (('j', 'k', 'l'), ('j',), (4, 2, 2))
    """

    array: NDArray[Any]
    over: tuple[str, ...]  # the axes that count the blocks, by their row names
    rows: tuple[str, ...]
    columns: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all axes."""
        return self.over + self.rows + self.columns

    def __repr__(self) -> str:
        shape = " x ".join(map(str, self.array.shape))
        return f"<Blocks [{','.join(self.names)}] {shape}: one for each {','.join(self.over) or 'tensor'}>"


def block_pairs(tensor: FactoredTensor) -> dict[int, int]:
    """Row axes that every part joins with a column axis, each with that axis."""
    pairs: dict[int, int] = {}
    for row in range(tensor.rows):
        for column in range(tensor.rows, tensor.ndim):
            joined = all(part.axes[row] == part.axes[column] for part in tensor.parts)
            if joined and tensor.shape[row] == tensor.shape[column] and column not in pairs.values():
                pairs[row] = column
                break
    return pairs


def blocks(tensor: FactoredTensor) -> Blocks:
    """The blocks as one array, those axes first that count the blocks."""
    pairs = block_pairs(tensor)
    names = tuple(tensor.names[k] for k in _order(tensor, pairs))
    cut = len(pairs), tensor.rows
    return Blocks(along(tensor, pairs), names[: cut[0]], names[cut[0] : cut[1]], names[cut[1] :])


def along(tensor: FactoredTensor, pairs: Mapping[int, int]) -> NDArray[Any]:
    """The blocks as one array: row axes that are joined with column axes first, then the other rows, the columns."""
    order = [tensor.names[k] for k in _order(tensor, pairs)]
    return tensor.joined(*pairs.items()).transpose(*order).dense()


def _order(tensor: FactoredTensor, pairs: Mapping[int, int]) -> list[int]:
    return [*pairs, *(k for k in range(tensor.ndim) if k not in pairs and k not in pairs.values())]


def solve(tensor: FactoredTensor, g: object) -> NDArray[Any]:
    """The x with ``tensor @ x = g``.

    ``g`` has the axes of the rows, and may have more behind them: as many right sides at once.  The result has the axes
    of the columns.  Raises `DataError` where a block is not square or is singular, and says which.
    """
    right = plain_array("g", g)
    require_numbers("g", right, "biufc")
    heads = tensor.shape[: tensor.rows]
    if right.shape[: tensor.rows] != heads:
        raise DataError(
            f"the right side has the shape {right.shape}",
            inferred=f"the rows are {','.join(tensor.names[: tensor.rows])} of extents {heads}",
            repair="give an array whose first axes are the rows",
        )
    pairs = block_pairs(tensor)
    band = banded(tensor, math.prod(tensor.shape[k] for k in range(tensor.rows) if k not in pairs))
    if band is not None:
        try:
            return band.back(band.matrix.solve(band.flat(right)))
        except np.linalg.LinAlgError:
            raise _singular("it has no inverse") from None
    pairs, matrices, sides = _as_matrices(tensor)
    extra = right.shape[tensor.rows :]
    order = [*pairs, *sides[0], *range(tensor.rows, right.ndim)]
    vectors = right.transpose(order).reshape((*matrices.shape[:2], math.prod(extra)))
    if matrices.shape[1] == 1:
        _refuse_singular(tensor, matrices[:, 0, 0] == 0)
        found = vectors / matrices
    else:
        try:
            found = np.linalg.solve(matrices, vectors)
        except np.linalg.LinAlgError:
            ranks = np.linalg.matrix_rank(matrices)
            _refuse_singular(tensor, ranks < matrices.shape[1])
            raise
    columns = [*pairs.values(), *sides[1]]
    shaped = found.reshape((*(tensor.shape[k] for k in columns), *extra))
    back = [columns.index(k) for k in range(tensor.rows, tensor.ndim)]
    return shaped.transpose((*back, *range(len(columns), shaped.ndim)))


def cholesky(tensor: FactoredTensor) -> FactoredTensor:
    """The lower triangular L with ``L L' = tensor``, with the same blocks.

    Raises `DataError` where the tensor is not symmetric or not positive definite, and says in which block.
    """
    square(tensor, "Cholesky factor")
    pairs, matrices, _ = _as_matrices(tensor)
    if any(column != row + tensor.rows for row, column in pairs.items()):
        raise DataError(
            "a Cholesky factor needs a symmetric matrix", inferred=f"its blocks are not on the diagonal: {tensor!r}"
        )
    finite = np.isfinite(matrices).all(axis=(1, 2))
    if not finite.all():
        raise DataError(
            "a Cholesky factor needs finite numbers",
            inferred=f"{_block(tensor, int(np.argmin(finite)))} has others",
            repair="look for NaN or infinity in the arrays that the tensor was made of",
        )
    scale = np.abs(matrices).max(axis=(1, 2), initial=0.0)
    apart = np.abs(matrices - matrices.transpose(0, 2, 1)).max(axis=(1, 2), initial=0.0)
    if np.any(apart > 1e-8 * scale):
        raise DataError(
            "a Cholesky factor needs a symmetric matrix",
            inferred=f"{_block(tensor, int(np.argmax(apart)))} differs from its transpose by {apart.max():.3g}",
            repair="use solve, which needs no symmetry",
        )
    try:
        lower = np.linalg.cholesky(matrices)
    except np.linalg.LinAlgError:
        smallest = np.linalg.eigvalsh(matrices)[:, 0]
        worst = int(np.argmin(smallest))
        raise DataError(
            "the matrix is not positive definite",
            inferred=f"the smallest eigenvalue of {_block(tensor, worst)} is {smallest[worst]:.3g}",
            repair="add to its diagonal, or use solve",
        ) from None
    rest = [k for k in range(tensor.rows) if k not in pairs]
    labels = tuple(range(tensor.rows))
    columns = tuple(k if k in pairs else k + tensor.rows for k in range(tensor.rows))
    core = lower.reshape([tensor.shape[k] for k in (*pairs, *rest, *rest)])
    within = (*pairs, *rest, *(k + tensor.rows for k in rest))
    return tensor.like([Part(labels + columns, ((core, within),))])


def _as_matrices(tensor: FactoredTensor) -> tuple[dict[int, int], NDArray[Any], tuple[list[int], list[int]]]:
    """The blocks as matrices, ``(blocks, n, n)``, and the axes that are within them."""
    pairs = block_pairs(tensor)
    rows = [k for k in range(tensor.rows) if k not in pairs]
    columns = [k for k in range(tensor.rows, tensor.ndim) if k not in pairs.values()]
    n, m = (math.prod(tensor.shape[k] for k in side) for side in (rows, columns))
    if n != m:
        raise DataError(
            f"its blocks have {n} rows and {m} columns, and only square ones can be solved",
            inferred=repr(tensor),
            repair="solve the normal equations, or ask numpy.linalg.lstsq for the dense form",
        )
    count = math.prod(tensor.shape[k] for k in pairs)
    return pairs, blocks(tensor).array.reshape(count, n, n), (rows, columns)


def _block(tensor: FactoredTensor, number: int) -> str:
    pairs = block_pairs(tensor)
    if not pairs:
        return "the matrix"
    at = np.unravel_index(number, [tensor.shape[k] for k in pairs])
    where = ", ".join(f"{tensor.names[k]} = {int(value)}" for k, value in zip(pairs, at, strict=True))
    return f"the block at {where}"


def _refuse_singular(tensor: FactoredTensor, singular: NDArray[Any]) -> None:
    if np.any(singular):
        count = int(np.count_nonzero(singular))
        others = f", nor have {count - 1} others" if count > 1 else ""
        raise _singular(f"{_block(tensor, int(np.argmax(singular)))} has no inverse{others}")


def _singular(inferred: str) -> DataError:
    repair = "add to its diagonal, or ask for the least-squares solution of the dense form"
    return DataError("the matrix is singular", inferred=inferred, repair=repair)
