"""Newton-Raphson: roots that are known, systems that are divided, and systems without a root."""

import numpy as np
import pytest

import einstan as es
from einstan.language.errors import EinstanError
from einstan.optimize import flat_system, root

RNG = np.random.default_rng(0)


def test_square_roots_as_newton_found_them():
    found = root(es.parse("F[i] = x[i]^2 - a[i]"), "F", {"x": np.ones(1000)}, {"a": np.linspace(1, 9, 1000)})
    np.testing.assert_allclose(found.params["x"], np.sqrt(np.linspace(1, 9, 1000)), rtol=1e-14)
    assert found.converged
    assert found.iterations < 8


def test_a_system():
    program = es.Program("F = x^2 + y^2 - 1\nG = x - 2 y")
    found = root(program, ["F", "G"], {"x": np.array(1.0), "y": np.array(0.2)})
    assert float(found.params["x"]) == pytest.approx(2 / np.sqrt(5), rel=1e-14)
    assert float(found.params["y"]) == pytest.approx(1 / np.sqrt(5), rel=1e-14)
    assert found.loss == pytest.approx(found.gradient_norm**2 / 2)


def test_a_system_per_row_is_solved_row_by_row():
    """exp(A[n] x[n]) = b[n] for each n, with a matrix A[n] of its own: the Jacobian has a delta in n."""
    A = RNG.normal(size=(50, 3, 3)) / 4 + np.eye(3)
    x = RNG.normal(size=(50, 3)) / 2
    b = np.exp(np.einsum("nij,nj->ni", A, x))
    program = es.Program("F[n,i] = exp(A[n,i,J] x[n,J]) - b[n,i]")
    found = root(program, "F", {"x": np.zeros((50, 3))}, {"A": A, "b": b})
    np.testing.assert_allclose(found.params["x"], x, rtol=1e-9, atol=1e-11)
    assert found.converged


def test_a_boundary_value_problem():
    """u'' = exp(u) on a grid, with u = 0 at both ends: index arithmetic, and a Jacobian that is banded."""
    n, h = 30, 1 / 31
    program = es.Program("F[i] = pad(u[i-1]) + pad(u[i+1]) - 2 u[i] - h^2 exp(u[i])")
    found = root(program, "F", {"u": np.zeros(n)}, {"h": np.array(h)})
    assert found.converged
    u = np.concatenate([[0], found.params["u"], [0]])
    np.testing.assert_allclose((u[:-2] - 2 * u[1:-1] + u[2:]) / h**2, np.exp(u[1:-1]), rtol=1e-8)


def test_a_residual_that_cannot_vanish_is_not_a_root():
    found = root(es.Program("F = x^2 + 1"), "F", {"x": np.array(1.0)})
    assert not found.converged
    assert found.reason == "no step brings the residual, 1, nearer to zero"
    assert found.notes[0].startswith("iteration 2: the Jacobian is singular: 1 of 1 singular values vanish")


def test_a_singular_jacobian_on_the_way():
    program = es.Program("F = x + y - 2\nG = 2 x + 2 y - 4 + z^2\nH = z - x + 1")
    start = {"x": np.array(3.0), "y": np.array(0.0), "z": np.array(0.0)}
    found = root(program, ["F", "G", "H"], start)
    assert any("singular" in note for note in found.notes)
    assert found.gradient_norm < 1e-5


REFUSED = [
    ("F[i] = x[i,J] - 1", ["F"], {"x": np.ones((2, 3))}, "2 equations for 6 unknowns"),
    ("F = x - 1\nG = a", ["F", "G"], {"x": np.array(1.0)}, "G does not depend on x, so no step changes it"),
    ("F[i] = x - a[i]", ["F"], {"x": np.array(1.0), "y": np.array(1.0)}, "there is no tensor y"),
    ("F = x - 1\nG = y", ["F"], {"x": np.array(1.0), "y": np.array(1.0)}, "no equation depends on y"),
    ("F = log(x)", ["F"], {"x": np.array(-1.0)}, "F is not finite at the start"),
    ("F = x", ["H"], {"x": np.array(-1.0)}, "no equation defines H"),
]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(("text", "equations", "params", "problem"), REFUSED)
def test_what_is_refused(text, equations, params, problem):
    with pytest.raises(EinstanError) as caught:
        root(es.Program(text), equations, params, {"a": np.array(1.0)} if " a" in text else {})
    assert caught.value.problem.startswith(problem)


def test_it_agrees_with_scipy():
    optimize = pytest.importorskip("scipy.optimize", exc_type=ImportError)
    program = es.Program("F[i] = A[i,J] sin(x[J]) + x[i] - 1")
    A = RNG.normal(size=(4, 4)) / 4
    F = flat_system(program, "F", {"x": np.zeros(4)}, {"A": A})
    expected = optimize.root(F.fun, F.x0, jac=F.jac, tol=1e-13)
    assert expected.success
    found = root(program, "F", {"x": np.zeros(4)}, {"A": A})
    np.testing.assert_allclose(found.params["x"], F.unpack(expected.x)["x"], rtol=1e-9)
