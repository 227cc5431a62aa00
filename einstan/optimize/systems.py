"""Linear systems in stacks of small matrices, and what is done about one that is indefinite or singular.

A symmetric system is solved as it stands where Cholesky finds it positive definite.  Where it is not, its eigenvalues
say how: those below zero are taken by their absolute value, so that the step leads down (Gill and Murray, "Newton-type
methods for unconstrained and linearly constrained optimization", 1974); along those that vanish the step is zero where
the gradient is, else as long as the largest curvature allows.  What was done is told in a note, never passed over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from einstan.library.banded import Banded
from einstan.machine.sizes.memory import refuse_more
from einstan.optimize import bands
from einstan.optimize.bands import EXACT, Band, descending, regular
from einstan.optimize.curvature import Piece
from einstan.optimize.layout import Arrays

SMALL = 1e-13  # an eigenvalue below this share of the largest vanishes


def descent(
    pieces: Sequence[Piece | Band], gradient: Mapping[str, np.ndarray], damping: float = 0.0
) -> tuple[Arrays, list[str]]:
    """The step ``-(H + damping I)⁻¹ g``, made one that leads down, with notes on what had to be done for that.

    Where H has entries that are not finite there is no step: it is NaN.
    """
    step: Arrays = {}
    notes: list[str] = []
    for piece in pieces:
        matrix, right = piece.matrix, -piece.gather(gradient)
        if not np.isfinite(entries(matrix)).all():
            step.update(piece.scatter(np.full(right.shape, np.nan)))
            continue
        if isinstance(matrix, Banded):
            matrix = matrix.plus(damping)
            found = descending(matrix, right[0])
            if found is not None:
                step.update(piece.scatter(found[0][None]))
                notes += found[1]
                continue
            matrix = matrix.dense[None]
        elif damping:
            matrix = matrix + damping * np.eye(matrix.shape[-1])
        solved = _by_cholesky(matrix, right)
        if solved is None:
            solved, note = _by_eigenvalues(matrix, right)
            notes += note
        step.update(piece.scatter(solved))
    return step, notes


def bends_down(pieces: Sequence[Piece | Band]) -> str | None:
    """What is wrong with a symmetric matrix as the Hessian at a minimum: its negative eigenvalues; None for nothing."""
    for piece in pieces:
        matrix = piece.matrix
        if not np.isfinite(entries(matrix)).all():
            return "its second derivatives are not finite there"
        if isinstance(matrix, Banded):
            if matrix.side > EXACT:
                if bands.bends_down(matrix):
                    return "an eigenvalue of its Hessian is negative"
                continue
            matrix = matrix.dense[None]
        try:
            np.linalg.cholesky(matrix)
        except np.linalg.LinAlgError:
            values = np.linalg.eigvalsh(matrix)
            size = np.abs(values).max(axis=1, keepdims=True, initial=0.0)
            negative = values < -1e3 * SMALL * values.shape[1] * size
            if negative.any():
                return f"{int(negative.sum())} of {values.size} eigenvalues of its Hessian are negative"
    return None


def solve(pieces: Sequence[Piece | Band], right: Mapping[str, np.ndarray]) -> tuple[Arrays, float, list[str]]:
    """The step ``J⁻¹ b`` of square systems, ``b · J step``, and notes; of least squares where J is singular."""
    step: Arrays = {}
    notes: list[str] = []
    reached = 0.0
    for piece in pieces:
        matrix, wanted = piece.matrix, piece.gather(right)
        if isinstance(matrix, Banded):
            along = regular(matrix, wanted[0])
            if along is not None:
                reached += float(wanted[0] @ (matrix @ along))
                step.update(piece.scatter(along[None]))
                continue
            refuse_more("the least-squares solution of a singular system", 24 * matrix.side**2, "begin elsewhere")
            matrix = matrix.dense[None]
        solved = _regular(matrix, wanted)
        if solved is None:
            notes.append(f"{_deficiency(matrix)}; the shortest step of least squares was taken")
            solved = np.einsum("bij,bj->bi", np.linalg.pinv(matrix, rcond=SMALL * max(matrix.shape[1:])), wanted)
        reached += float(np.einsum("bi,bij,bj->", wanted, matrix, solved))
        step.update(piece.scatter(solved))
    return step, reached, notes


def entries(matrix: np.ndarray | Banded) -> np.ndarray:
    """All that a matrix holds, as an array."""
    return matrix.bands if isinstance(matrix, Banded) else matrix


def diagonal(matrix: np.ndarray | Banded) -> np.ndarray:
    return matrix.diagonal if isinstance(matrix, Banded) else np.diagonal(matrix, axis1=1, axis2=2)


def _by_cholesky(matrix: np.ndarray, right: np.ndarray) -> np.ndarray | None:
    """The solution where every matrix of the stack is safely positive definite, else None."""
    try:
        factor = np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        return None
    pivots = np.diagonal(factor, axis1=1, axis2=2) ** 2
    scale = np.diagonal(matrix, axis1=1, axis2=2).max(axis=1, initial=0.0)
    if pivots.size and (pivots.min(axis=1) <= SMALL * matrix.shape[-1] * scale).any():
        return None
    return np.linalg.solve(matrix, right[..., None])[..., 0]


def _by_eigenvalues(matrix: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, list[str]]:
    refuse_more("the eigenvectors of the matrix", 3 * matrix.nbytes, "use newton_cg, which makes no matrix")
    values, vectors = np.linalg.eigh(matrix)
    size = np.abs(values)
    largest = size.max(axis=1, keepdims=True, initial=0.0)
    vanishing = size <= SMALL * matrix.shape[-1] * np.maximum(largest, np.finfo(float).tiny)
    negative = (values < 0) & ~vanishing
    along = np.einsum("bji,bj->bi", vectors, right)
    pulled = vanishing & (np.abs(along) > 1e-6 * np.linalg.norm(right, axis=1, keepdims=True))
    curvature = np.where(vanishing, np.where(largest > 0, largest, 1.0), size)
    solved = np.einsum("bij,bj->bi", vectors, np.where(vanishing & ~pulled, 0.0, along / curvature))
    notes = []
    if negative.any():
        notes.append(
            f"indefinite: {int(negative.sum())} of {values.size} eigenvalues are negative, "
            f"the least {values.min():.2g}; their absolute values were used"
        )
    if vanishing.any():
        done = "no step was taken along them"
        if pulled.any():
            done = f"a gradient step was taken along the {int(pulled.sum())} on which the gradient does not vanish"
        notes.append(f"singular: {int(vanishing.sum())} of {values.size} directions have no curvature; {done}")
    return solved, notes


def _deficiency(matrix: np.ndarray) -> str:
    _, rows, columns = matrix.shape
    if rows != columns:
        return f"a part of the system has {rows} equations for {columns} unknowns"
    singular = np.linalg.svd(matrix, compute_uv=False)
    lost = singular <= SMALL * rows * singular.max(axis=1, keepdims=True)
    return f"the Jacobian is singular: {int(lost.sum())} of {lost.size} singular values vanish"


def _regular(matrix: np.ndarray, right: np.ndarray) -> np.ndarray | None:
    if matrix.shape[1] != matrix.shape[2]:
        return None
    with np.errstate(all="ignore"):
        well_posed = np.linalg.cond(matrix) < 1 / (SMALL * matrix.shape[-1])
    if not well_posed.all():
        return None
    return np.linalg.solve(matrix, right[..., None])[..., 0]
