"""Newton's method: minima that are known, and what is told where there is none."""

from itertools import pairwise

import numpy as np
import pytest

import einstan as es
from einstan import optimize
from einstan.language.errors import EinstanError
from einstan.layers import dense, mean_squared_error, softmax
from einstan.optimize import Objective, newton

RNG = np.random.default_rng(0)


def test_a_quadratic_takes_one_step():
    Q = RNG.normal(size=(5, 5))
    Q, c = Q @ Q.T + np.eye(5), RNG.normal(size=5)
    found = newton(
        es.parse("L = 1/2 x[I] Q[I,J] x[J] - c[I] x[I]"), "L", {"x": np.zeros(5)}, {"Q": Q, "c": c}, tol=1e-12
    )
    np.testing.assert_allclose(found.params["x"], np.linalg.solve(Q, c), rtol=1e-10)
    assert found.converged
    assert found.iterations == 1
    assert set(found.rows[1]) == {"iteration", "loss", "gradient", "step", "backtracks", "damping"}


def test_convergence_is_quadratic():
    """sinh x = a: the number of right digits doubles."""
    found = newton(es.Program("L = cosh(x) - 2 x"), "L", {"x": np.array(1.0)}, tol=1e-14)
    assert found.converged
    assert float(found.params["x"]) == pytest.approx(np.arcsinh(2), abs=1e-15)
    errors = [row["gradient"] for row in found.rows]
    assert all(after < 2 * before**2 for before, after in pairwise(errors[1:-1]))


def test_rosenbrock():
    program = es.Program("L = sum[I](100 (y[I] - x[I]^2)^2 + (1 - x[I])^2)")
    found = newton(program, "L", {"x": np.full(3, -1.2), "y": np.ones(3)})
    np.testing.assert_allclose(found.params["x"], 1, rtol=1e-8)
    np.testing.assert_allclose(found.params["y"], 1, rtol=1e-8)
    assert found.iterations < 30


def test_a_network_by_name_and_a_regression_per_output():
    net = es.Network(dense("Z", X="X", W="W", b="b", j=3), mean_squared_error("L", O="Z", Y="Y"))
    X, Y = RNG.normal(size=(20, 4)), RNG.normal(size=(20, 3))
    found = newton(net, "L", net.init(X=X, Y=Y), {"X": X, "Y": Y})
    expected = np.linalg.lstsq(np.column_stack([X, np.ones(20)]), Y, rcond=None)[0]
    np.testing.assert_allclose(found.params["W"], expected[:4], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.params["b"], expected[4], rtol=1e-9, atol=1e-12)
    assert found.iterations == 1


def test_some_parameters_may_be_held():
    program = es.Program("L = (x - 1)^2 + (y - x)^2")
    found = newton(program, "L", {"x": np.array(5.0), "y": np.array(0.0)}, wrt=["y"])
    assert set(found.params) == {"y"}
    assert float(found.params["y"]) == pytest.approx(5.0)


# ---- where the Hessian is not positive definite ----------------------------------------------------------------------


def test_an_indefinite_hessian_is_told_and_overcome():
    found = newton(es.Program("L = x^4 - x^2 + y^2"), "L", {"x": np.array(0.1), "y": np.array(1.0)})
    assert found.converged
    assert float(found.params["x"]) == pytest.approx(np.sqrt(0.5))
    assert found.notes[0].startswith("iteration 1: indefinite: 1 of 1 eigenvalues are negative, the least -1.9")


def test_a_singular_hessian_is_told():
    """Two equal columns: only the sum of their weights is determined, and the shortest step keeps them equal."""
    x = RNG.normal(size=10)
    X = np.column_stack([x, x])
    found = newton(es.Program("L = 1/2 (X[N,K] w[K] - y[N])^2"), "L", {"w": np.zeros(2)}, {"X": X, "y": 3 * x})
    assert found.converged
    np.testing.assert_allclose(found.params["w"], [1.5, 1.5], rtol=1e-12)
    assert found.notes == ["iteration 1: singular: 1 of 2 directions have no curvature; no step was taken along them"]


def test_a_saddle_is_not_called_a_minimum():
    found = newton(es.Program("L = x^2 - y^2 + 1/4 y^4"), "L", {"x": np.array(1.0), "y": np.array(0.0)})
    assert not found.converged
    assert found.reason.endswith("but this is no minimum: 1 of 1 eigenvalues of its Hessian are negative")


def test_a_loss_without_a_minimum_does_not_converge():
    found = newton(es.Program("L = exp(-x) + exp(-2 x)"), "L", {"x": np.array(0.0)}, tol=1e-30, max_iterations=5)
    assert (found.converged, found.reason) == (False, "5 iterations were not enough")
    found = newton(es.Program("L = -x"), "L", {"x": np.array(0.0)}, max_iterations=4)
    assert not found.converged
    assert found.notes[0].startswith("iterations 1-4: singular: 1 of 1 directions have no curvature")


def test_a_gradient_below_rounding_is_not_waited_for():
    X, y = RNG.normal(size=(50, 4)), RNG.integers(0, 2, 50).astype(float)
    program = es.Program("Z[n] = X[n,K] w[K]\nL = sum[N](softplus(Z[N])) - y[N] Z[N]")
    found = newton(program, "L", {"w": np.zeros(4)}, {"X": X, "y": y}, tol=1e-300)
    assert not found.converged
    assert found.gradient_norm < 1e-12
    assert found.reason.startswith("the loss changes within its rounding alone, and the gradient stays at")
    assert found.iterations < 20


def test_damping_shortens_the_steps():
    program = es.Program("L = 1/2 x^2")
    found = newton(program, "L", {"x": np.array(1.0)}, damping=1.0, max_iterations=3)
    np.testing.assert_allclose([row["loss"] for row in found.rows], [0.5 / 4**k for k in range(4)])
    assert found.rows[1]["damping"] == 1.0


def test_steps_that_leave_the_domain_are_halved():
    found = newton(es.Program("L = x - log(x)"), "L", {"x": np.array(8.0)})
    assert float(found.params["x"]) == pytest.approx(1.0, rel=1e-8)
    assert max(row.get("backtracks", 0) for row in found.rows) > 0


def test_second_derivatives_that_are_not_finite_are_told():
    with np.errstate(all="ignore"):
        found = newton(es.Program("L = sum[I](abs(x[I])^1.5)"), "L", {"x": np.array([1.0, 0.0])})
    assert not found.converged
    assert found.reason == "the second derivatives are not finite here, so there is no step"


def test_one_iteration_is_singular():
    assert newton(es.Program("L = x^4"), "L", {"x": np.array(1.0)}, max_iterations=1).reason == (
        "1 iteration was not enough"
    )


# ---- what is refused -------------------------------------------------------------------------------------------------

L = "L = (X[N,K] w[K] - y[N])^2"
DATA = {"X": np.ones((3, 2)), "y": np.ones(3)}
REFUSED = [
    (L, {"w": np.array([1.0, np.nan])}, DATA, {}, "the first value of w is not finite"),
    (L, {"v": np.ones(2)}, DATA, {}, "there is no tensor v"),
    (L, {}, DATA, {}, "there is no parameter to vary"),
    (L, {"w": np.ones(2)}, DATA, {"wrt": ["X"]}, "X has no first value"),
    (L, {"w": np.ones(2)}, {**DATA, "Z": np.ones(2)}, {}, "there is no tensor Z"),
    (L, {"w": np.ones(2)}, {"X": DATA["X"]}, {}, "y is not given"),
    ("L = log(x)", {"x": np.array(-1.0)}, {}, {}, "L or its gradient is not finite at the start"),
    ("L = sum[I](exp(x[I])^2)", {"x": np.full(3, 350.0)}, {}, {}, "L or its gradient is not finite at the start"),
    (L, {"w": np.ones((2, 1))}, DATA, {}, "w has 2 axes (2, 1), but the equation reads 1 axis"),
    (L, {"w": np.ones(2)}, {**DATA, "y": np.ones((3, 1))}, {}, "y has 2 axes (3, 1), but the equation reads 1 axis"),
    (L, {"w": "ab"}, DATA, {}, "the first value of w is no array of real numbers"),
    (L, {"w": ["1", "2"]}, DATA, {}, "the first value of w is no array of real numbers"),
    (L, {"w": [10**400, 1]}, DATA, {}, "the first value of w is no array of real numbers"),
    (L, {"w": np.ones(2) * 1j}, DATA, {}, "the first value of w is no array of real numbers"),
    (L, {"w": np.ones(2)}, {**DATA, "w": np.zeros(2)}, {}, "w is among the parameters and among the data"),
    ("z = x^2\nL = z^2", {"z": np.array(1.0)}, {"x": np.array(2.0)}, {}, "z is what an equation defines, so it cannot"),
    ("L[i] = x[i]^2", {"x": np.ones(2)}, {}, {}, "L is not a scalar"),
]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(("text", "params", "data", "options", "problem"), REFUSED)
def test_what_is_refused(text, params, data, options, problem):
    with pytest.raises(EinstanError) as caught:
        newton(es.Program(text), "L", params, data, **options)
    assert caught.value.problem.startswith(problem)


def test_assumptions_are_checked_on_the_data():
    net = es.Network(dense("Z", X="X", W="W", b="b", j=3), softmax("S", Z="Z"), "L = -Y[N,C] log(S[N,C])")
    program = es.Program(net.program.equations, es.Program("assume sum[C](Y[n,C]) = 1\nL = Y[N,C]").assumptions)
    with pytest.raises(EinstanError, match="the data breaks an assumption"):
        Objective(program, "L", {"W": np.ones((2, 3))}, {"X": np.ones((4, 2)), "b": np.ones(3), "Y": np.ones((4, 3))})


@pytest.mark.parametrize("dtype", [np.longdouble, np.float16, np.float32])
def test_data_of_any_floating_dtype_are_taken(dtype):
    start, data = {"x": np.zeros(3, dtype)}, {"b": np.full(3, 4, dtype)}
    assert newton(es.parse("L = 1/2 (x[I] - b[I])^2"), "L", start, data).params["x"].tolist() == [4, 4, 4]
    assert optimize.root(es.parse("r[i] = 2x[i] - b[i]"), "r", start, data).params["x"].tolist() == [2, 2, 2]
