"""Alternating blocks: masked matrix factorisation against the loop that a person writes."""

import numpy as np
import pytest

import einstan as es
from einstan.language.errors import EinstanError
from einstan.optimize import alternating

RNG = np.random.default_rng(0)
M, N, K = 12, 9, 2
A = RNG.normal(size=(M, K)) @ RNG.normal(size=(K, N)) + 0.01 * RNG.normal(size=(M, N))
MASK = (RNG.random((M, N)) < 0.8).astype(float)
PROGRAM = es.Program("""
    R[i,j] = M[i,j] (A[i,j] - U[i,K] V[j,K])
    L = 1/2 R[I,J]^2 + 1/2 a U[I,K]^2 + 1/2 a V[J,K]^2
""")
START = {"U": RNG.normal(size=(M, K)), "V": RNG.normal(size=(N, K))}
DATA = {"A": A, "M": MASK, "a": np.array(0.1)}


def by_hand(sweeps):
    U, V = START["U"].copy(), START["V"].copy()
    for _ in range(sweeps):
        for i in range(M):
            U[i] = np.linalg.solve(V.T @ (MASK[i][:, None] * V) + 0.1 * np.eye(K), V.T @ (MASK[i] * A[i]))
        for j in range(N):
            V[j] = np.linalg.solve(U.T @ (MASK[:, j][:, None] * U) + 0.1 * np.eye(K), U.T @ (MASK[:, j] * A[:, j]))
    return U, V


@pytest.mark.parametrize("sweeps", [1, 5])
def test_every_sweep_is_that_of_alternating_least_squares(sweeps):
    found = alternating(PROGRAM, "L", ["U", "V"], START, DATA, max_iterations=sweeps)
    U, V = by_hand(sweeps)
    np.testing.assert_allclose(found.params["U"], U, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.params["V"], V, rtol=1e-9, atol=1e-12)
    assert not found.converged


def test_it_converges_to_where_the_gradient_vanishes():
    found = alternating(PROGRAM, "L", [["U"], ["V"]], START, DATA, tol=1e-9)
    assert found.converged
    U, V = found.params["U"], found.params["V"]
    R = MASK * (U @ V.T - A)
    np.testing.assert_allclose(R @ V + 0.1 * U, 0, atol=1e-6)
    np.testing.assert_allclose(R.T @ U + 0.1 * V, 0, atol=1e-6)
    assert all(later["loss"] <= earlier["loss"] for earlier, later in zip(found.rows, found.rows[1:], strict=False))


def test_a_parameter_stands_in_one_block():
    with pytest.raises(EinstanError, match="a parameter stands in two blocks"):
        alternating(PROGRAM, "L", ["U", ["U", "V"]], START, DATA)
