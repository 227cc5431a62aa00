"""Stacks of linear systems: solved as they stand, or made to lead down, and told."""

import numpy as np
import pytest

from einstan.optimize.curvature import Piece
from einstan.optimize.systems import bends_down, descent, solve


def piece(matrices):
    stack = np.array(matrices, dtype=float)

    def gather(arrays):
        return arrays["x"].reshape(len(stack), -1)

    return Piece(stack, gather, gather, lambda found: {"x": found.reshape(-1)})


GRADIENT = np.array([1.0, -2.0])

# the matrix, the damping, the step for the gradient (1, -2), what a note begins with
SYMMETRIC = {
    "positive definite": ([[2, 1], [1, 3]], 0.0, [-1.0, 1.0], ()),
    "damped": ([[1, 0], [0, 1]], 1.0, [-0.5, 1.0], ()),
    "indefinite": ([[2, 0], [0, -4]], 0.0, [-0.5, 0.5], ("indefinite: 1 of 2 eigenvalues are negative, the least -4",)),
    "singular, with a slope along it": (
        [[2, 0], [0, 0]], 0.0, [-0.5, 1.0],
        ("singular: 1 of 2 directions have no curvature; a gradient step was taken along the 1",),
    ),
    "singular, flat along it": (
        [[4, 2], [2, 1]], 0.0, [0.0, 0.0], ("singular: 1 of 2 directions have no curvature",),
    ),
    "nothing but zeros": ([[0, 0], [0, 0]], 0.0, [-1.0, 2.0], ("singular: 2 of 2 directions",)),
}  # fmt: skip


@pytest.mark.parametrize(("matrix", "damping", "expected", "told"), SYMMETRIC.values(), ids=SYMMETRIC)
def test_descent(matrix, damping, expected, told):
    gradient = GRADIENT if "flat" not in str(told) and matrix != [[4, 2], [2, 1]] else np.zeros(2)
    step, notes = descent([piece([matrix])], {"x": gradient}, damping)
    np.testing.assert_allclose(step["x"], expected, rtol=1e-12, atol=1e-15)
    assert len(notes) == len(told)
    for note, beginning in zip(notes, told, strict=True):
        assert note.startswith(beginning)
    if gradient.any():
        assert step["x"] @ gradient < 0


def test_a_stack_is_solved_block_by_block():
    rng = np.random.default_rng(0)
    blocks = rng.normal(size=(7, 3, 3))
    blocks = blocks @ blocks.swapaxes(1, 2) + np.eye(3)
    gradient = rng.normal(size=21)
    step, notes = descent([piece(blocks)], {"x": gradient})
    assert notes == []
    for k in range(7):
        np.testing.assert_allclose(blocks[k] @ step["x"][3 * k : 3 * k + 3], -gradient[3 * k : 3 * k + 3], atol=1e-12)


def test_a_singular_part_along_which_the_gradient_vanishes_is_left_alone():
    matrix = np.array([[1.0, -1.0], [-1.0, 1.0]])
    step, notes = descent([piece([matrix])], {"x": np.array([1.0, -1.0])})
    np.testing.assert_allclose(step["x"], [-0.5, 0.5])
    assert notes == ["singular: 1 of 2 directions have no curvature; no step was taken along them"]


def test_solve():
    matrix = np.array([[0.0, 2.0], [1.0, 1.0]])
    step, reached, notes = solve([piece([matrix])], {"x": np.array([2.0, 3.0])})
    np.testing.assert_allclose(step["x"], [2.0, 1.0])
    assert reached == pytest.approx(13.0)
    assert notes == []
    step, reached, notes = solve([piece([[[1.0, 1.0], [1.0, 1.0]]])], {"x": np.array([1.0, 3.0])})
    np.testing.assert_allclose(step["x"], [1.0, 1.0])  # the shortest of least squares
    assert reached == pytest.approx(8.0)
    assert notes == [
        "the Jacobian is singular: 1 of 2 singular values vanish; the shortest step of least squares was taken"
    ]


def test_bends_down():
    assert bends_down([piece([[[1, 0], [0, 0]]])]) is None
    assert bends_down([piece([[[1, 0], [0, 2]]]), piece([[[1, 0], [0, -2]]])]) == (
        "1 of 2 eigenvalues of its Hessian are negative"
    )
