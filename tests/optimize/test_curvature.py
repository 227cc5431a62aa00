"""Hessians and Jacobians as numbers: by their equations, by products, and by hand."""

import numpy as np
import pytest

import einstan as es
from einstan.optimize import Objective, flat, flat_system
from einstan.optimize.curvature import by_products, evaluated, hessian, second_derivatives
from einstan.optimize.flat import dense

RNG = np.random.default_rng(0)
M, N, K = 6, 5, 2
U, V, A = RNG.normal(size=(M, K)), RNG.normal(size=(N, K)), RNG.normal(size=(M, N))
MASK = (RNG.random((M, N)) < 0.7).astype(float)
X, Y = RNG.normal(size=(9, 4)), RNG.normal(size=(9, 3))

CASES = {
    "masked factorisation": (
        "L = M[I,J] (A[I,J] - U[I,R] V[J,R])^2 + 0.1 U[I,R]^2", {"U": U}, {"V": V, "A": A, "M": MASK}, [(M, K, K)],
    ),
    "both factors": (
        "L = M[I,J] (A[I,J] - U[I,R] V[J,R])^2", {"U": U, "V": V}, {"A": A, "M": MASK}, [(1, 22, 22)],
    ),
    "several regressions and a parameter apart": (
        "Z[n,j] = X[n,K] W[K,j] + b[j]\nL = 1/2 (Z[N,J] - Y[N,J])^2 + 1/2 W[K,J]^2 + u[I]^4",
        {"W": RNG.normal(size=(4, 3)), "b": RNG.normal(size=3), "u": RNG.normal(size=2)}, {"X": X, "Y": Y},
        [(3, 5, 5), (2, 1, 1)],
    ),
    "softmax": (
        "Z[n,c] = X[n,K] W[K,c]\nL = sum[N](logsumexp[K](Z[N,K])) - Y[N,C] Z[N,C]",
        {"W": RNG.normal(size=(4, 3))}, {"X": X, "Y": Y}, [(1, 12, 12)],
    ),
    "a square array whose axes are joined crosswise": (
        "L = 1/2 S[I,J] S[J,I] + sum[I,J](S[I,J]^4)", {"S": RNG.normal(size=(3, 3))}, {}, [(1, 9, 9)],
    ),
    "an axis of one and one of none": (
        "L = M[I,J] (A[I,J] - U[I,R] V[J,R])^2", {"U": U[:, :1]}, {"V": V[:0, :1], "A": A[:, :0], "M": MASK[:, :0]},
        [(M, 1, 1)],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "params", "data", "shapes"), CASES.values(), ids=CASES)
def test_equations_and_products_agree(text, params, data, shapes):
    objective = Objective(es.Program(text), "L", params, data)
    pieces = hessian(objective)(objective.start)
    assert [piece.matrix.shape for piece in pieces] == shapes
    whole = dense(pieces, objective.layout, objective.layout)
    (columns,) = by_products(objective, objective.products)(objective.start)
    np.testing.assert_allclose(whole, columns.matrix[0], rtol=1e-11, atol=1e-12)
    np.testing.assert_array_equal(whole, whole.T)


@pytest.mark.parametrize(("text", "params", "data", "shapes"), list(CASES.values())[:5], ids=list(CASES)[:5])
def test_against_differences_of_the_value(text, params, data, shapes):
    f = flat(es.Program(text), "L", params, data)
    step = 1e-4
    units = np.eye(len(f.x0)) * step
    found = f.hess(f.x0)
    for i, a in enumerate(units):
        for j, b in enumerate(units[: i + 1]):
            corners = f.fun(f.x0 + a + b) - f.fun(f.x0 + a - b) - f.fun(f.x0 - a + b) + f.fun(f.x0 - a - b)
            assert abs(found[i, j] - corners / (4 * step**2)) < 1e-5 * max(1, abs(found).max())


def test_the_hessian_of_a_masked_factorisation_by_hand():
    objective = Objective(
        es.Program("L = M[I,J] (A[I,J] - U[I,R] V[J,R])^2"), "L", {"U": U}, {"V": V, "A": A, "M": MASK}
    )
    (piece,) = hessian(objective)(objective.start)
    for i in range(M):
        np.testing.assert_allclose(piece.matrix[i], 2 * V.T @ (MASK[i][:, None] * V), rtol=1e-12)


def test_a_deep_network_goes_by_products():
    lines, last = [], "X"
    for k in range(12):
        lines += [f"H{k}[n,j] = {last}[n,K] W{k}[K,j]", f"A{k}[n,j] = tanh(H{k}[n,j])"]
        last = f"A{k}"
    program = es.Program("\n".join([*lines, f"L = 1/2 {last}[N,J]^2"]))
    weights = {f"W{k}": RNG.normal(size=(3, 3)) / 2 for k in range(12)}
    assert second_derivatives(program, "L", ["W0", "W11"]) is None
    assert len(second_derivatives(program, "L", ["W0"])) == 1, "one block is no trouble, however deep"
    objective = Objective(program, "L", weights, {"X": RNG.normal(size=(4, 3))}, wrt=["W0", "W11"])
    (piece,) = hessian(objective)(objective.start)
    direction = {name: RNG.normal(size=(3, 3)) for name in ("W0", "W11")}
    product = objective.layout.pack(objective.product(objective.start, direction))
    np.testing.assert_allclose(piece.matrix[0] @ objective.layout.pack(direction), product, rtol=1e-9, atol=1e-12)


def test_a_jacobian_by_hand():
    x, y = np.array([0.5, -1.0, 2.0]), np.array(0.3)
    F = flat_system(es.Program("F[i] = x[i]^2 y - 1\nG = x[I] + sin(y)"), ["F", "G"], {"x": x, "y": y})
    expected = np.zeros((4, 4))
    expected[:3, :3] = np.diag(2 * x * y)
    expected[:3, 3] = x**2
    expected[3] = [1, 1, 1, np.cos(y)]
    np.testing.assert_allclose(F.jac(F.x0), expected, rtol=1e-12)
    np.testing.assert_allclose(F.fun(F.x0), [*(x**2 * y - 1), x.sum() + np.sin(y)], rtol=1e-12)


def test_a_tensor_of_the_program_may_be_called_core():
    program = es.Program("L = core[I] x[I]^2")
    blocks = second_derivatives(program, "L", ["x"])
    pieces = evaluated(blocks, ["x"], ["x"], {"x": (2,)}, {"x": (2,)}, {"core": np.array([1.0, 2.0])}, True)(
        {"x": np.ones(2)}
    )
    np.testing.assert_array_equal(pieces[0].matrix[:, 0, 0], [2, 4])
