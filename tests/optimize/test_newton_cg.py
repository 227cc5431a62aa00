"""Newton-CG: minima without a Hessian, and conjugate gradients by themselves."""

import numpy as np
import pytest

import einstan as es
from einstan.optimize import newton, newton_cg
from einstan.optimize.newton_cg import BENT, conjugate_gradients

RNG = np.random.default_rng(0)


def test_conjugate_gradients_solve_a_system():
    A = RNG.normal(size=(8, 8))
    A = A @ A.T + np.eye(8)
    g = 1e-16 * RNG.normal(size=8)  # so small that the system is solved all the way
    step, used, notes = conjugate_gradients(lambda v: A @ v, g, 100)
    np.testing.assert_allclose(step, -np.linalg.solve(A, g), rtol=1e-6, atol=1e-24)
    assert used <= 20
    assert notes == []


def test_negative_curvature_ends_them():
    step, used, notes = conjugate_gradients(lambda v: -v, np.array([1.0, 2.0]), 10)
    np.testing.assert_array_equal(step, [-1.0, -2.0])
    assert (used, notes) == (1, [BENT])


def test_it_agrees_with_newton():
    X, Y = RNG.normal(size=(60, 8)), np.eye(4)[RNG.integers(0, 4, 60)]
    program = es.Program("""
        Z[n,c] = X[n,K] W[K,c]
        L = sum[N](logsumexp[K](Z[N,K])) - Y[N,C] Z[N,C] + 1/2 W[K,C]^2
    """)
    start, data = {"W": np.zeros((8, 4))}, {"X": X, "Y": Y}
    found = newton_cg(program, "L", start, data, tol=1e-10)
    assert found.converged
    np.testing.assert_allclose(found.params["W"], newton(program, "L", start, data).params["W"], rtol=1e-7, atol=1e-9)
    assert all(row["products"] >= 1 for row in found.rows[1:])


def test_a_thousand_unknowns_of_rosenbrock():
    program = es.Program("L = sum[I](100 (y[I] - x[I]^2)^2 + (1 - x[I])^2)")
    found = newton_cg(program, "L", {"x": np.full(500, -1.2), "y": np.ones(500)}, tol=1e-9)
    assert found.converged
    np.testing.assert_allclose(found.params["x"], 1, rtol=1e-5)
    assert any(BENT in note for note in found.notes) or found.iterations < 60


def test_products_are_limited():
    program = es.Program("L = 1/2 x[I] Q[I,J] x[J] - x[I]")
    Q = np.diag(np.arange(1.0, 30.0))
    found = newton_cg(program, "L", {"x": np.zeros(29)}, {"Q": Q}, products=2)
    assert max(row.get("products", 0) for row in found.rows) == 2
    np.testing.assert_allclose(found.params["x"], 1 / np.arange(1.0, 30.0), rtol=1e-5)


def test_a_saddle_is_left_downwards():
    found = newton_cg(es.Program("L = x^4 - x^2 + y^2"), "L", {"x": np.array(0.1), "y": np.array(1.0)})
    assert found.converged
    assert float(found.params["x"]) == pytest.approx(np.sqrt(0.5), rel=1e-6)


SADDLES = [
    ("L = -x[I]^2", {"x": np.zeros(3)}, False),
    ("L = c[I] x[I]^2", {"x": np.zeros(40)}, False),
    ("L = x[I]^2", {"x": np.zeros(40)}, True),
    ("L = x[I]^4", {"x": np.zeros(3)}, True),
    ("L = sum[I](x[I] c[I])^2", {"x": np.zeros(40)}, True),  # singular, and a minimum
]


@pytest.mark.parametrize(("text", "start", "minimum"), SADDLES)
def test_a_stationary_point_that_is_no_minimum(text, start, minimum):
    data = {"c": np.array([1.0, -0.5] * 20)} if "c[" in text else {}
    found = newton_cg(es.Program(text), "L", start, data)
    assert found.converged == minimum
    assert ("this is no minimum: along a direction its curvature is negative" in found.reason) != minimum
