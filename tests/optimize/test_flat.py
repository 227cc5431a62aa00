"""Flat functions in SciPy's hands."""

import numpy as np
import pytest

import einstan as es
from einstan.language.errors import EinstanError
from einstan.layers import cross_entropy, dense, softmax, tanh
from einstan.optimize import flat, flat_system, newton

optimize = pytest.importorskip("scipy.optimize", exc_type=ImportError)

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(40, 5)), np.eye(3)[RNG.integers(0, 3, 40)]
PROGRAM = es.Program("""
    Z[n,c] = X[n,K] W[K,c] + b[c]
    L = mean[N](logsumexp[K](Z[N,K])) - 1/|N| Y[N,C] Z[N,C] + 1/2 0.1 W[K,C]^2 + 1/2 0.1 b[C]^2
""")
START = {"W": np.zeros((5, 3)), "b": np.zeros(3)}

METHODS = {
    "BFGS": (), "L-BFGS-B": (), "Newton-CG": ("hessp",), "trust-krylov": ("hessp",),
    "trust-exact": ("hess",), "dogleg": ("hess",),
}  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
def test_every_method_of_minimize_finds_the_same(method):
    f = flat(PROGRAM, "L", START, {"X": X, "Y": Y})
    extra = {name: getattr(f, name) for name in METHODS[method]}
    found = optimize.minimize(f.fun, f.x0, jac=f.jac, method=method, **extra)
    expected = newton(PROGRAM, "L", START, {"X": X, "Y": Y}).params
    for name, array in f.unpack(found.x).items():
        np.testing.assert_allclose(array, expected[name], atol=2e-4)


def test_value_and_gradient_together():
    f = flat(PROGRAM, "L", START, {"X": X, "Y": Y})
    found = optimize.minimize(f.fun_and_jac, f.x0, jac=True)
    assert found.fun == pytest.approx(newton(PROGRAM, "L", START, {"X": X, "Y": Y}).loss, rel=1e-8)
    assert optimize.check_grad(f.fun, f.jac, f.x0 + 0.1) < 1e-6


def test_a_network():
    net = es.Network(
        dense("H", X="X", W="W1", b="b1", j=4), tanh("A", Z="H"), dense("Z", X="A", W="W2", b="b2", j=3),
        softmax("S", Z="Z"), cross_entropy("L", S="S", Y="Y"),
    )  # fmt: skip
    f = flat(net, "L", net.init(X=X, Y=Y), {"X": X, "Y": Y})
    v = RNG.normal(size=f.x0.shape)
    step = 1e-6
    expected = (f.jac(f.x0 + step * v) - f.jac(f.x0 - step * v)) / (2 * step)
    np.testing.assert_allclose(f.hessp(f.x0, v), expected, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(f.hess(f.x0) @ v, f.hessp(f.x0, v), rtol=1e-9, atol=1e-12)


def test_least_squares():
    x = np.linspace(0, 3, 20)
    program = es.Program("R[n] = a exp(-k x[n]) - y[n]")
    R = flat_system(program, "R", {"a": np.array(1.0), "k": np.array(1.0)}, {"x": x, "y": 2 * np.exp(-0.5 * x)})
    found = optimize.least_squares(R.fun, R.x0, jac=R.jac)
    np.testing.assert_allclose(found.x, [2, 0.5], rtol=1e-8)
    assert R.jac(R.x0).shape == (20, 2)


def test_vectors_of_whole_numbers_and_of_other_lengths():
    f = flat(es.Program("L = (1 - x)^2 + 100 (y - x^2)^2"), "L", {"x": np.array(-1.2), "y": np.array(1.0)})
    assert f.fun(np.array([2, 3])) == 101.0
    np.testing.assert_allclose(f.jac(np.array([2, 3])), [802, -200])
    with pytest.raises(EinstanError, match=r"the vector has the shape \(3,\)"):
        f.fun(np.zeros(3))
