"""Exponentials divided by their sum over what a bracket leaves: against a softmax of what is left, written by hand."""

import warnings

import numpy as np
import pytest

import einstan as es

RNG = np.random.default_rng(0)


def softmax_of(Z, allowed):
    """Along the last axis, over the entries that are allowed; zero elsewhere."""
    left = np.where(allowed, Z, -np.inf)
    e = np.exp(left - left.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


CAUSAL = np.tril(np.ones((6, 6), bool))
PADDING = np.array([1.0, 0, 1, 1, 0, 1])
SPELLINGS = [
    ("1[k <= q] exp(Z[q,k]) / sum[K](1[K <= q] exp(Z[q,K]))", CAUSAL),
    ("exp(Z[q,k]) 1[q >= k] / (1[q >= K] exp(Z[q,K]))", CAUSAL),
    ("1[m[k] > 0] exp(Z[q,k]) / sum[K](1[m[K] > 0] exp(Z[q,K]))", PADDING > 0),
    ("1[k <= q] 1[m[k] > 0] exp(Z[q,k]) / sum[K](1[K <= q] 1[m[K] > 0] exp(Z[q,K]))", CAUSAL & (PADDING > 0)),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("scale", [1.0, 1000.0])
@pytest.mark.parametrize(("text", "allowed"), SPELLINGS)
def test_a_masked_softmax_does_not_overflow(text, allowed, scale, dtype):
    program = es.Program(f"S[q,k] = {text}\nL = S[Q,K] V[Q,K]")
    Z, V = (scale * RNG.normal(size=(6, 6))).astype(dtype), RNG.normal(size=(6, 6)).astype(dtype)
    given = {"Z": Z, "V": V, "m": PADDING.astype(dtype)}
    given = {name: given[name] for name in map(str, program.inputs)}
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        found = program.compile()(given)
        gradient = program.backward("L", ["Z"]).compile()(given)["dZ"]
    S = softmax_of(Z.astype(float), allowed)
    rest = S * (V - (S * V).sum(axis=1, keepdims=True))
    tolerance = {"rtol": 2e-4, "atol": 2e-4} if dtype == "float32" else {"rtol": 1e-9, "atol": 1e-12}
    np.testing.assert_allclose(found["S"], S, **tolerance)
    np.testing.assert_allclose(gradient, rest, **tolerance)


def test_a_sum_over_nothing_is_zero_and_so_is_its_gradient():
    program = es.Program("s[q] = sum[K](1[K < q] exp(Z[q,K]))\nL = s[Q]^2")
    Z = RNG.normal(size=(4, 4))
    s = (np.tril(np.exp(Z), -1)).sum(axis=1)
    assert program.compile()(Z=Z)["s"][0] == 0
    np.testing.assert_allclose(program.compile()(Z=Z)["s"], s)
    found = program.backward("L", ["Z"]).compile()(Z=Z)["dZ"]
    np.testing.assert_allclose(found, 2 * s[:, None] * np.tril(np.exp(Z), -1))


def test_factors_beside_the_bracket_stay():
    program = es.Program("S[q,k] = a[k] 1[k <= q] exp(Z[q,k]) / sum[K](1[K <= q] exp(Z[q,K]))")
    Z, a = RNG.normal(size=(6, 6)), RNG.normal(size=6)
    np.testing.assert_allclose(program.compile()(Z=Z, a=a)["S"], a * softmax_of(Z, CAUSAL))
    weighted = es.Program("S[q,k] = exp(Z[q,k]) / sum[K](1[K <= q] a[K] exp(Z[q,K]))")
    expected = np.exp(Z) / (np.tril(np.ones((6, 6))) * a * np.exp(Z)).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(weighted.compile()(Z=Z, a=a)["S"], expected)
