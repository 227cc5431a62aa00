"""Gauss-Newton and Levenberg-Marquardt, against SciPy's least squares."""

import numpy as np
import pytest

import einstan as es
from einstan.language.errors import EinstanError
from einstan.optimize import gauss_newton, levenberg_marquardt

optimize = pytest.importorskip("scipy.optimize", exc_type=ImportError)

RNG = np.random.default_rng(0)
x = np.linspace(0, 4, 40)
y = 2.5 * np.exp(-1.3 * x) + 0.5 + 0.01 * RNG.normal(size=40)
DECAY = es.Program("R[n] = a exp(-k x[n]) + c - y[n]\nL = 1/2 R[N]^2")
START = {"a": np.array(1.0), "k": np.array(0.3), "c": np.array(0.0)}
DATA = {"x": x, "y": y}

METHODS = [gauss_newton, levenberg_marquardt]


@pytest.mark.parametrize("method", METHODS)
def test_a_decay(method):
    found = method(DECAY, "L", "R", START, DATA)
    expected = optimize.least_squares(
        lambda p: p[0] * np.exp(-p[1] * x) + p[2] - y, [1, 0.3, 0], xtol=1e-14, ftol=1e-14
    )
    np.testing.assert_allclose([float(found.params[n]) for n in "akc"], expected.x, rtol=1e-7)
    assert found.converged
    assert found.iterations < 15


@pytest.mark.parametrize("method", METHODS)
def test_a_convex_loss_of_a_curved_model(method):
    """Cross-entropy of a small network: the Gauss-Newton matrix leads down from anywhere, with the penalty in it."""
    program = es.Program("""
        A[n,j] = tanh(X[n,K] U[K,j])
        Z[n,c] = A[n,K] W[K,c]
        L = mean[N](logsumexp[K](Z[N,K])) - 1/|N| Y[N,C] Z[N,C] + 1/2 0.1 U[I,J]^2 + 1/2 0.1 W[I,J]^2
    """)
    X, Y = RNG.normal(size=(30, 4)), np.eye(3)[RNG.integers(0, 3, 30)]
    start = {"U": RNG.normal(size=(4, 5)), "W": RNG.normal(size=(5, 3))}
    found = method(program, "L", ["Z", "U", "W"], start, {"X": X, "Y": Y}, tol=1e-5, max_iterations=500)
    assert found.converged
    assert found.gradient_norm < 1e-4
    again = es.optimize.newton(program, "L", found.params, {"X": X, "Y": Y})
    assert again.converged
    assert again.loss == pytest.approx(found.loss, rel=1e-5)


def test_refused_steps_are_counted_and_the_damping_grows():
    found = levenberg_marquardt(DECAY, "L", "R", START, DATA)
    assert found.rows[1]["backtracks"] > 0
    assert found.rows[1]["damping"] > found.rows[2]["damping"] > found.rows[3]["damping"]


def test_a_way_around_the_outputs_is_refused():
    program = es.Program("R[n] = X[n,K] w[K]\nL = R[N]^2 + w[K]^2")
    with pytest.raises(EinstanError, match="L depends on w not only through R"):
        gauss_newton(program, "L", "R", {"w": np.ones(2)}, {"X": np.ones((3, 2))})


@pytest.mark.parametrize("method", METHODS)
def test_iterations_may_not_be_enough(method):
    found = method(DECAY, "L", "R", START, DATA, max_iterations=2)
    assert (found.converged, found.iterations, found.reason) == (False, 2, "2 iterations were not enough")


def test_a_damping_that_begins_at_nothing_can_grow():
    program = es.Program("R[n] = exp(k x[n]) - y[n]\nL = R[N]^2")
    data = {"x": np.arange(4.0), "y": np.exp(np.arange(4.0))}
    found = levenberg_marquardt(program, "L", "R", {"k": np.array(-2.0)}, data, damping=0.0)
    assert found.converged
    assert float(found.params["k"]) == pytest.approx(1.0)
    assert max(row.get("backtracks", 0) for row in found.rows) > 0
    with pytest.raises(EinstanError, match="the damping is -1"):
        levenberg_marquardt(program, "L", "R", {"k": np.array(0.0)}, data, damping=-1)


def test_a_gradient_too_long_to_measure_is_no_convergence():
    program = es.Program("R[n] = exp(k x[n]) - y[n]\nL = R[N]^2")
    data = {"x": np.arange(4.0), "y": np.exp(np.arange(4.0))}
    with np.errstate(all="ignore"), pytest.raises(EinstanError, match="L or its gradient is not finite at the start"):
        levenberg_marquardt(program, "L", "R", {"k": np.array(100.0)}, data)
