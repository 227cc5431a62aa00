"""Scalar factors moved along linear chains: steps and gradients against the same written by hand in NumPy."""

import numpy as np
import pytest

import einstan as es

RNG = np.random.default_rng(0)
X, y, w, b = RNG.normal(size=(5, 3)), RNG.normal(size=5), RNG.normal(size=3), RNG.normal(size=5)
S, V = RNG.normal(size=(4, 4)), RNG.normal(size=(5, 4))


def residual():
    """The gradient of the mean of squares of ``y - X w``, or of ``X w - y``, which is the same."""
    return 2 * X.T @ (X @ w - y) / 5


def bell():
    Z = np.exp(-(b**2))
    return 4 * (y - Z) * Z * b


def twice():
    """Of ``1/2 |e|² / n + 3 e·c`` with ``e = y - X w``: the end of one chain is the beginning of two."""
    return -X.T @ ((y - X @ w) / 5 + 3 * b)


STEPS = [  # text, the parameter, its gradient by hand, the other arrays
    ("Z[n] = X[n,K] w[K]\ne[n] = y[n] - Z[n]\nL = e[N]^2 / |N|", "w", residual(), {"X": X, "y": y}),
    ("Z[n] = X[n,K] w[K]\ne[n] = Z[n] - y[n]\nL = e[N]^2 / |N|", "w", residual(), {"X": X, "y": y}),
    ("U[i] = b[i]^2\nZ[i] = exp(-U[i])\ne[i] = y[i] - Z[i]\nL = e[I]^2", "b", bell(), {"y": y}),
    ("Z[n] = X[n,K] w[K]\ne[n] = y[n] - Z[n]\nL = 1/2 e[N]^2 / |N| + 3 e[N] c[N]", "w", twice(),
     {"X": X, "y": y, "c": b}),
    ("U[n] = -w[K] X[n,K]\nZ[n] = -3 U[n]\ne[n] = -2 Z[n]\nL = s e[N] y[N]", "w", -12 * X.T @ y,
     {"X": X, "y": y, "s": 2.0}),
    ("H[n] = X[n,K] w[K]\nA[n] = s H[n]\nB[n] = t A[n]\nL = (y[N] - B[N])^2", "w",
     -1.5 * X.T @ (2 * (y - 1.5 * X @ w)), {"X": X, "y": y, "s": 3.0, "t": 0.5}),
    ("H[n] = 0 X[n,K] w[K]\ne[n] = y[n] - H[n]\nL = e[N]^2 + w[K] w[K]", "w", 2 * w, {"X": X, "y": y}),
    ("R[i] = y[i] - S[i,J] w[J]\nP[i] = -R[i]\nL = P[I] R[I]", "w", 2 * S.T @ (b[:4] - S @ V[0]),
     {"S": S, "y": b[:4], "w": V[0]}),
]  # fmt: skip


@pytest.mark.parametrize("update", [None, es.SGD(0.1), es.Momentum(0.1)], ids=["gradient", "step", "momentum"])
@pytest.mark.parametrize(("text", "name", "gradient", "given"), STEPS, ids=[row[0].split("\n")[-1] for row in STEPS])
def test_a_factor_at_the_end_of_one_chain_and_the_beginning_of_another(text, name, gradient, given, update):
    given = dict(given)
    value = given.pop(name, {"w": w, "b": b}[name])
    step = es.Network(text, parameters={name: "zeros"}).value_and_grad("L", wrt=[name])
    if update is None:
        _, found = step.compile(fast=False)({name: value}, **given)
        np.testing.assert_allclose(found[name], gradient, rtol=1e-12, atol=1e-13)
    else:
        params = {name: value}
        _, new, _ = step.compile(update=update, fast=False)(params, update.init(params), **given)
        np.testing.assert_allclose(new[name], value - 0.1 * gradient, rtol=1e-12, atol=1e-13)
