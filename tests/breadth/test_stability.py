"""Extreme inputs: compiled values and derivatives are finite, and right, wherever the mathematics is.

NumPy's warnings are errors in these tests, so that an overflow that cancels later would be noticed too.
"""

import math

import numpy as np
import pytest

import einstan as es
from einstan.machine.backends.numpy import erf, sigmoid, softplus
from tests.breadth.rows import ROWS

BY_NAME = {row.name: row for row in ROWS}


def evaluated(text, of, arrays, *wrt):
    """``of``, or its derivative by one tensor or two, compiled."""
    program = derived = es.Program(text)
    name = of
    for tensor in wrt:
        derived = derived.partial(name, tensor)
        name = str(derived.equations[0].name)
    whole = es.Program((*program, *(derived.equations if wrt else ())))
    return whole.compile()(arrays)[name]


def of_row(name, arrays, *wrt):
    row = BY_NAME[name]
    return evaluated(row.text, row.of, arrays, *wrt)


LOGITS = np.array([[1e4, -1e4, 0.0], [1e4, 1e4, -3.0], [-1e4, -1e4 - 1, -1e4 - 2]])
E = np.exp([0.0, -1.0, -2.0])
WEIGHTS = np.array([[1.0, 0, 0], [0.5, 0.5, 0], E / E.sum()])  # their softmax


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_and_logsumexp(dtype):
    arrays = {"Z": LOGITS.astype(dtype)}
    close = {"rtol": 10 * np.finfo(dtype).eps, "atol": 0}
    jacobian = np.einsum("nc,ck->nck", WEIGHTS, np.eye(3)) - np.einsum("nc,nk->nck", WEIGHTS, WEIGHTS)
    expected = np.einsum("nck,nm->ncmk", jacobian, np.eye(3))
    close_enough = {"rtol": 1e-5 if dtype == np.float32 else 1e-12, "atol": 1e-7 if dtype == np.float32 else 1e-15}
    np.testing.assert_allclose(evaluated("S[n,c] = softmax[c](Z[n,c])", "S", arrays), WEIGHTS, **close)
    np.testing.assert_allclose(evaluated("S[n,c] = softmax[c](Z[n,c])", "S", arrays, "Z"), expected, **close_enough)
    gradient = of_row("log-sum-exp", arrays, "Z")
    np.testing.assert_allclose(gradient, np.einsum("nc,nm->nmc", WEIGHTS, np.eye(3)), **close_enough)
    second = of_row("log-sum-exp", arrays, "Z", "Z")
    assert second.dtype == dtype
    assert np.isfinite(second).all()
    np.testing.assert_allclose(np.einsum("nnknl->nkl", second), jacobian, **close_enough)


def test_softmax_at_a_temperature():
    arrays = {"Z": LOGITS, "t": np.array(1e-3)}
    for wrt in ((), ("Z",), ("t",), ("Z", "Z"), ("t", "Z"), ("t", "t")):
        assert np.isfinite(of_row("softmax at a temperature", arrays, *wrt)).all(), wrt


def test_divergence_of_logits():
    """Where P and Q share no class, D is as large as the logits; its gradients are differences of probabilities."""
    U, V = np.array([[1000.0, 0.0]]), np.array([[0.0, 1000.0]])
    arrays = {"U": U, "V": V}
    assert of_row("KL divergence of logits", arrays) == 1000
    np.testing.assert_array_equal(of_row("KL divergence of logits", arrays, "V"), [[-1.0, 1.0]])
    for wrt in (("U",), ("U", "U"), ("U", "V"), ("V", "V")):
        assert np.isfinite(of_row("KL divergence of logits", arrays, *wrt)).all(), wrt


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softplus_and_its_neighbours(dtype):
    x = np.array([-1000.0, -40, 0, 40, 1000], dtype)
    close = {"rtol": 4 * float(np.finfo(dtype).eps), "atol": 0}
    by_hand = np.array([math.log1p(math.exp(-abs(v))) + max(v, 0.0) for v in map(float, x)])
    share = np.array([math.exp(min(v, 0.0)) / (1 + math.exp(-abs(v))) for v in map(float, x)])
    with np.errstate(under="ignore"):
        np.testing.assert_allclose(of_row("softplus", {"x": x}), by_hand, **close)
        np.testing.assert_allclose(np.diag(of_row("softplus", {"x": x}, "x")), share.astype(dtype), **close)
        assert np.isfinite(of_row("softplus", {"x": x}, "x", "x")).all()
        logarithm = evaluated("A[n] = log(sigmoid(x[n]))", "A", {"x": x})
        np.testing.assert_allclose(logarithm, -by_hand[::-1], **close)  # log(sigmoid(x)) = -softplus(-x)
        slope = evaluated("A[n] = log(sigmoid(x[n]))", "A", {"x": x}, "x")
        np.testing.assert_allclose(np.diag(slope), share[::-1], rtol=1e-6 if dtype == np.float32 else 1e-15, atol=1e-7)
        entropy = evaluated("A[n] = -log(1 - sigmoid(x[n]))", "A", {"x": x})
        np.testing.assert_allclose(entropy, by_hand, **close)


def test_cosine_similarity_of_long_and_short_vectors():
    """It does not depend on the lengths, and its derivatives scale with them."""
    generator = np.random.default_rng(0)
    x, y = generator.standard_normal((2, 3))
    for long in (1e60, 1e-60):
        given = {"x": long * x, "y": y / long}
        for wrt in ((), ("x",), ("y",), ("x", "x"), ("x", "y"), ("y", "y")):
            scale = math.prod(long if name == "x" else 1 / long for name in wrt)
            found = of_row("cosine similarity", given, *wrt) * scale
            np.testing.assert_allclose(found, of_row("cosine similarity", {"x": x, "y": y}, *wrt), rtol=1e-11)


def test_attention_with_large_products():
    """The first query sees one key alone, whatever the others would weigh; nothing overflows."""
    Q, M, V = 100 * np.random.default_rng(0).standard_normal((3, 4, 2))
    arrays = {"Q": Q, "M": M, "V": V}
    output = of_row("attention with a causal mask", arrays)
    np.testing.assert_array_equal(output[0], V[0])
    for a in "QMV":
        first = of_row("attention with a causal mask", arrays, a)
        assert np.isfinite(first).all()
        if a != "Q":
            assert not first[0, :, 1:].any()  # what comes later is not seen
    assert np.isfinite(of_row("attention with a causal mask", arrays, "Q", "M")).all()


def test_layer_norm_of_equal_entries():
    """Without variance the epsilon alone divides."""
    arrays = {"X": np.full((2, 3), 7.0), "g": np.ones(3), "b": np.zeros(3)}
    assert not of_row("layer norm", arrays).any()
    for wrt in (("X",), ("X", "X"), ("X", "g")):
        assert np.isfinite(of_row("layer norm", arrays, *wrt)).all()


def test_gelu_far_away():
    x = np.array([-1e100, -1000.0, -40, 40, 1000, 1e100])
    for name, slope in (("GELU (erf)", [0, 0, 0, 1, 1, 1]), ("GELU (tanh)", [0, 0, 0, 1, 1, 1])):
        given = {"x": np.clip(x, -1e30, 1e30)}
        np.testing.assert_allclose(of_row(name, given), given["x"] * slope, atol=1e-12)
        np.testing.assert_allclose(np.diag(of_row(name, given, "x")), slope, atol=1e-12)
        assert np.isfinite(of_row(name, given, "x", "x")).all()


# ---- functions that NumPy lacks --------------------------------------------------------------------------------------


def test_erf_is_right_to_the_last_digits():
    """Against the C library's, between the smallest number and where it is 1; odd, and right at infinity."""
    x = np.concatenate([np.geomspace(5e-324, 7, 4001), np.linspace(0, 7, 4001)])
    expected = np.array([math.erf(v) for v in x])
    np.testing.assert_allclose(erf(x), expected, rtol=5e-16, atol=5e-324)
    np.testing.assert_array_equal(erf(-x), -erf(x))
    np.testing.assert_array_equal(erf(np.array([np.inf, -np.inf, np.nan])), [1, -1, np.nan])


def test_erf_in_single_precision():
    x = np.linspace(-5, 5, 1001, dtype=np.float32)
    assert erf(x).dtype == np.float32
    np.testing.assert_allclose(erf(x), [math.erf(v) for v in map(float, x)], rtol=5e-7)


@pytest.mark.parametrize("x", [-1000.0, -745.0, -40.0, -1e-300, 0.0, 1e-300, 40.0, 1000.0])
def test_sigmoid_and_softplus_keep_their_digits(x):
    share = math.exp(x) / (1 + math.exp(x)) if x < 0 else 1 / (1 + math.exp(-x))
    assert math.isclose(sigmoid(np.float64(x)), share, rel_tol=4e-16)
    assert math.isclose(softplus(np.float64(x)), max(x, 0.0) + math.log1p(math.exp(-abs(x))), rel_tol=4e-16)


def test_portions_that_are_summed_over_are_taken_apart_under_one_sum():
    """A softmax chooses among experts, and their load is balanced: two sums with a letter each are one difference."""
    program = es.Program("""
        g[n,e] = softmax[e](x[n,K] G[K,e])
        y[n,d] = g[n,E] h[n,E,d]
        L = mean[N]((y[N,D] - t[N,D])^2) + sum[E](mean[N](g[N,E])^2)
    """)
    draw = np.random.default_rng(0).standard_normal
    arrays = {"x": draw((3, 3)), "G": draw((3, 2)), "h": draw((3, 2, 2)), "t": draw((3, 2))}
    twice = program.partial("L", "G").partial("dL/dG", "G").compile(outputs=["dL/dGdG"])(arrays)["dL/dGdG"]
    np.testing.assert_allclose(twice, program.hessian("L", "G")(arrays).dense().reshape(twice.shape), atol=1e-13)
