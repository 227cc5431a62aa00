"""Loops over a batch that numba compiles: products, windows and overlaps, against loops written in Python."""

import numpy as np
import pytest

from einstan.calculus.backward import backward, joined
from einstan.calculus.program import Program
from einstan.language import parse
from einstan.machine.run.compile import compile

pytestmark = pytest.mark.numba

CORRELATION = Program(
    (parse("Y[n,c,i,j] = X[n,B,i+P,j+Q] W[c,B,P,Q]"), parse("total = C[N,D,I,J] Y[N,D,I,J]")),
)
PADDED = Program(
    (
        parse("Y[n,c,i,j] = pad(X[n,B,i+P-1,j+Q-2]) W[c,B,P,Q] where |i| = |X.2|, |j| = |X.3|"),
        parse("total = C[N,D,I,J] Y[N,D,I,J]"),
    )
)


def close(dtype):
    return {"rtol": 1e-12, "atol": 1e-12} if dtype == np.float64 else {"rtol": 2e-5, "atol": 2e-5}


def correlation(X, W, C, before=(0, 0)):
    """The value and both gradients, position by position."""
    X, W, C = (array.astype(float) for array in (X, W, C))
    Y, dX, dW = np.zeros(C.shape), np.zeros(X.shape), np.zeros(W.shape)
    for i, j in np.ndindex(C.shape[2:]):
        for p, q in np.ndindex(W.shape[2:]):
            at = i + p - before[0], j + q - before[1]
            if all(0 <= k < n for k, n in zip(at, X.shape[2:], strict=True)):
                for n in range(len(X)):
                    Y[n, :, i, j] += W[:, :, p, q] @ X[n, :, *at]
                    dX[n, :, *at] += C[n, :, i, j] @ W[:, :, p, q]
                    dW[:, :, p, q] += np.outer(C[n, :, i, j], X[n, :, *at])
    return Y, dX, dW


def gradients(program, **options):
    return compile(joined(program, backward(program, "total", ("X", "W"))), ("Y", "dX", "dW"), fast=True, **options)


# Each row compiles loops: precision and memory that is used again have nothing to do with how many images there are.
@pytest.mark.parametrize(
    ("images", "dtype", "reuse_buffers"),
    [(0, np.float64, True), (1, np.float64, False), (4, np.float64, True), (4, np.float32, False)],
)
@pytest.mark.parametrize(("program", "before"), [(CORRELATION, (0, 0)), (PADDED, (1, 2))], ids=["inside", "padded"])
def test_a_correlation_and_its_gradients_one_image_after_the_other(program, before, images, dtype, reuse_buffers):
    generator = np.random.default_rng(images)
    X, W = (
        generator.standard_normal((images, 3, 7, 9)).astype(dtype),
        generator.standard_normal((4, 3, 2, 3)).astype(dtype),
    )
    C = generator.standard_normal((images, 4, 7, 9) if any(before) else (images, 4, 6, 7)).astype(dtype)
    step = gradients(program, reuse_buffers=reuse_buffers)
    for _ in range(3):  # in memory that has been used
        found = step(X=X, W=W, C=C)
    for name, expected in zip(("Y", "dX", "dW"), correlation(X, W, C, before), strict=True):
        assert found[name].dtype == dtype
        np.testing.assert_allclose(found[name], expected, **close(dtype), err_msg=name)
    if images > 1 and program is CORRELATION:
        (loop,) = (part for part in step.source().split("@compiled") if part.count("gemm(") == 3)
        assert loop.count("for i0") == 1
        assert "np.matmul" not in step.source()


def test_arrays_with_gaps_and_arrays_that_follow_each_other_give_the_same():
    generator = np.random.default_rng(1)
    X, W, C = (generator.standard_normal(shape) for shape in ((4, 3, 7, 9), (5, 3, 2, 3), (4, 5, 6, 7)))
    wide = np.repeat(X, 2, axis=3)[..., ::2]
    turned = np.asfortranarray(C)
    step = gradients(CORRELATION)
    for arrays in ((X, W, C), (wide, W, C), (X, W, turned), (X, W, C)):
        found = step(**dict(zip("XWC", arrays, strict=True)))
        for name, expected in zip(("Y", "dX", "dW"), correlation(X, W, C), strict=True):
            np.testing.assert_allclose(found[name], expected, **close(np.float64), err_msg=name)


def test_nan_and_infinity_reach_what_they_reach_without_loops():
    generator = np.random.default_rng(2)
    X, W, C = (generator.standard_normal(shape) for shape in ((4, 3, 7, 9), (5, 3, 2, 3), (4, 5, 6, 7)))
    X[1, 2, 3, 4], C[2, 1, 0, 0], X[3, 0, 6, 8] = np.nan, np.inf, np.inf
    found = gradients(CORRELATION)(X=X, W=W, C=C)
    plain = compile(joined(CORRELATION, backward(CORRELATION, "total", ("X", "W"))), ("Y", "dX", "dW"), fast=False)
    for name, expected in plain(X=X, W=W, C=C).items():
        np.testing.assert_array_equal(np.isnan(found[name]), np.isnan(expected), err_msg=name)
        np.testing.assert_allclose(found[name], expected, **close(np.float64), err_msg=name)


def test_memory_for_one_image_is_enough_and_is_predicted():
    generator = np.random.default_rng(3)
    X, W, C = (generator.standard_normal(shape) for shape in ((16, 3, 16, 16), (5, 3, 3, 3), (16, 5, 14, 14)))
    step = gradients(CORRELATION)
    step(X=X, W=W, C=C)
    results = 8 * (C.size + X.size + W.size)
    windows = 8 * 27 * 14 * 14  # of one image
    assert step.plan.code.memory <= 2 * windows + 3 * 64
    assert step.plan.peak_memory == pytest.approx(step.plan.measure(), rel=0.02)
    assert step.plan.peak_memory < results + 3 * windows


# A product, its letters, and the shapes of what it takes: with one label in front and with two, each factor turned and
# not, both ways round, and with a factor that has no batch.
PRODUCTS = [
    ("Y[n,i,j] = A[n,i,K] B[n,K,j]", "nik,nkj->nij", (3, 4, 5), (3, 5, 2)),
    ("Y[n,i,j] = A[n,K,i] B[n,j,K]", "nki,njk->nij", (3, 5, 4), (3, 2, 5)),
    ("Y[n,j,i] = A[n,i,K] B[n,K,j]", "nik,nkj->nji", (3, 4, 5), (3, 5, 2)),
    ("Y[n,h,i,j] = A[n,h,i,K] B[n,h,j,K]", "nhik,nhjk->nhij", (3, 2, 4, 5), (3, 2, 3, 5)),
    ("Y[n,i,j,k] = A[n,i,K,L] B[n,K,L,j,k]", "nikl,nkljm->nijm", (3, 4, 5, 2), (3, 5, 2, 2, 3)),
    ("Y[n,i,j] = A[i,K] B[n,K,j]", "ik,nkj->nij", (4, 5), (3, 5, 2)),
    ("Y[n,i,j] = A[K,i,L] B[n,K,L,j]", "kil,nklj->nij", (5, 4, 2), (3, 5, 2, 6)),
    ("Y[n,i,j] = A[n,i,K] A[n,j,K]", "nik,njk->nij", (3, 4, 5), None),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("text", "letters", "left", "right"), PRODUCTS, ids=[text for text, *_ in PRODUCTS])
@pytest.mark.parametrize("batch", [0, 1, 3])
def test_products_over_a_batch(text, letters, left, right, batch, dtype):
    generator = np.random.default_rng(0)
    (first, second), out = letters.partition("->")[0].split(","), letters.partition("->")[2]
    shapes = {"A": left, "B": right} if right else {"A": left}
    shapes = {
        name: tuple(batch if letter == "n" else size for letter, size in zip(own, shape, strict=True))
        for (name, shape), own in zip(shapes.items(), (first, second), strict=False)
    }
    arrays = {name: generator.standard_normal(shape).astype(dtype) for name, shape in shapes.items()}
    a, b = arrays["A"].astype(float), arrays.get("B", arrays["A"]).astype(float)
    sizes = dict(zip(first + second, a.shape + b.shape, strict=True))
    expected = np.zeros([sizes[x] for x in out])
    every = sorted(sizes)
    for at in np.ndindex(*[sizes[x] for x in every]):
        of = dict(zip(every, at, strict=True))
        entry = tuple(tuple(of[x] for x in own) for own in (first, second, out))
        expected[entry[2]] += a[entry[0]] * b[entry[1]]
    step = compile(parse(text), fast=True)
    step(arrays)
    np.testing.assert_allclose(step(arrays)["Y"], expected, **close(dtype))


def test_what_is_elementwise_shares_the_loop_over_the_batch_and_its_row():
    program = Program(
        (
            parse("Z[n,i,j] = A[n,i,K] B[n,K,j] + b[j]"),
            parse("R[n,i,j] = relu(Z[n,i,j])"),
            parse("S[n,i,j] = R[n,i,K] V[n,K,j]"),
        )
    )
    generator = np.random.default_rng(4)
    A, B, b, V = (generator.standard_normal(s) for s in ((6, 4, 5), (6, 5, 3), (3,), (6, 3, 7)))
    step = compile(program, ("S",), fast=True)
    step(A=A, B=B, b=b, V=V)
    found = step(A=A, B=B, b=b, V=V)["S"]
    expected = np.array([np.maximum(A[n] @ B[n] + b, 0) @ V[n] for n in range(6)])
    np.testing.assert_allclose(found, expected, **close(np.float64))
    assert step.source().count("for i0") == 1
    assert step.plan.code.memory <= 3 * 8 * 16  # twelve entries for Z and R of one row, at a cache line


def test_a_product_with_the_sum_over_the_batch_of_another_waits_for_it():
    program = Program((parse("G[i,j] = A[N,i,K] B[N,K,j]"), parse("Y[n,i,j] = G[i,K] C[n,K,j]")))
    generator = np.random.default_rng(5)
    A, B, C = (generator.standard_normal(s) for s in ((4, 4, 5), (4, 5, 3), (4, 3, 7)))
    found = compile(program, ("Y",), fast=True)(A=A, B=B, C=C)["Y"]
    G = sum(A[n] @ B[n] for n in range(4))
    np.testing.assert_allclose(found, np.array([G @ C[n] for n in range(4)]), **close(np.float64))


def test_a_kernel_in_the_wrong_order_is_copied_once_before_the_loop():
    program = Program((parse("Y[n,j,p] = X[n,I,p+R] W[j,I,R]"), parse("total = C[N,J,P] Y[N,J,P]")))
    generator = np.random.default_rng(6)
    X, W, C = (generator.standard_normal(shape) for shape in ((4, 8, 300), (8, 8, 9), (4, 8, 292)))
    step = gradients(program)
    step(X=X, W=W, C=C)
    found = step(X=X, W=W, C=C)
    flat = correlation(X[:, :, None], W[:, :, None], C[:, :, None])
    for name, expected in zip(("Y", "dX", "dW"), flat, strict=True):
        np.testing.assert_allclose(found[name], expected.reshape(found[name].shape), **close(np.float64), err_msg=name)


def test_attention_without_softmax_and_its_gradients_are_one_loop_over_the_batch():
    program = Program(
        (
            parse("A[b,i,j] = Q[b,i,D] K[b,j,D]"),
            parse("O[b,i,d] = relu(A[b,i,T]) V[b,T,d]"),
            parse("total = C[B,I,D] O[B,I,D]"),
        )
    )
    generator = np.random.default_rng(7)
    Q, K, V, C = generator.standard_normal((4, 5, 9, 6))
    step = compile(joined(program, backward(program, "total", ("Q", "K", "V"))), ("O", "dQ", "dK", "dV"), fast=True)
    step(Q=Q, K=K, V=V, C=C)
    found = step(Q=Q, K=K, V=V, C=C)
    for b in range(5):
        scores = Q[b] @ K[b].T
        back = (C[b] @ V[b].T) * (scores > 0)
        weights = np.maximum(scores, 0)
        expected = {"O": weights @ V[b], "dQ": back @ K[b], "dK": back.T @ Q[b], "dV": weights.T @ C[b]}
        for name, entries in expected.items():
            np.testing.assert_allclose(found[name][b], entries, **close(np.float64), err_msg=name)
    assert step.source().count("for i0") == 1
    assert step.plan.code.memory <= 4 * 704  # of four matrices 9 x 9, each for one entry of the batch


ATTENTION = Program(
    (
        parse("Z[b,h,q,k] = Q[b,q,h,E] M[b,k,h,E]"),
        parse("S[b,h,q,k] = softmax[k](Z[b,h,q,k])"),
        parse("O[b,q,h,d] = S[b,h,q,K] V[b,K,h,D] A[D,d]"),
        parse("total = C[B,P,H,D] O[B,P,H,D]"),
    )
)
CAUSAL = Program((parse("Z[b,h,q,k] = Q[b,q,h,E] M[b,k,h,E] + log(1[k <= q])"), *ATTENTION.equations[1:]))


def attention(Q, M, V, A, C, causal):
    """The outputs and the gradients with respect to Q and V, head by head."""
    O, dQ, dV = np.zeros(C.shape), np.zeros(Q.shape), np.zeros(V.shape)
    for b, h in np.ndindex(len(Q), Q.shape[2]):
        Z = Q[b, :, h] @ M[b, :, h].T
        if causal:
            Z[np.triu_indices(len(Z), 1)] = -np.inf
        S = np.exp(Z - Z.max(axis=1, keepdims=True))
        S /= S.sum(axis=1, keepdims=True)
        O[b, :, h] = S @ V[b, :, h] @ A
        dS = C[b, :, h] @ A.T @ V[b, :, h].T
        dV[b, :, h] = S.T @ C[b, :, h] @ A.T
        dZ = S * (dS - (S * dS).sum(axis=1, keepdims=True))
        dQ[b, :, h] = dZ @ M[b, :, h]
    return {"O": O, "dQ": dQ, "dV": dV}


@pytest.mark.parametrize("scale", [1.0, 30.0, 1000.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("program", [ATTENTION, CAUSAL], ids=["plain", "causal"])
def test_attention_with_scores_of_any_size(program, dtype, scale):
    """The largest score of every row is taken away: their sum would overflow exp, in both directions."""
    generator = np.random.default_rng(0)
    whole = joined(program, backward(program, "total", ("Q", "V")))
    step = compile(whole, ("O", "dQ", "dV"), fast=True)
    Q, M = (np.round(generator.normal(size=(2, 9, 3, 4)) * scale).astype(dtype) for _ in range(2))
    V, C = (generator.normal(size=(2, 9, 3, 4)).astype(dtype) for _ in range(2))
    A = generator.normal(size=(4, 4)).astype(dtype)
    expected = attention(*(array.astype(float) for array in (Q, M, V, A, C)), program is CAUSAL)
    for _ in range(2):
        found = step(Q=Q, M=M, V=V, A=A, C=C)
        for name, value in expected.items():
            close = 1e-9 if dtype == np.float64 else 2e-4
            np.testing.assert_allclose(found[name], value, rtol=close, atol=close * max(1.0, abs(value).max()))


@pytest.mark.parametrize("s", [-1.0, 2.0])
def test_a_comparison_that_only_numpy_reads(s):
    """A loop computes a comparison where it reads it; what no loop computes needs it as a value."""
    program = Program(
        (
            parse("F[j] = 2 s + 1[s > 0] C[j,j]"),
            parse("G[i,j] = F[i] (F[M] F[M] - δ[j,i] / (1 + F[j]^2))"),
            parse("total = G[I,J]"),
        )
    )
    C = np.array([[0.5, 1.0], [2.0, -0.3]])
    step = compile(joined(program, backward(program, "total", ("s", "C"))), ("total", "ds", "dC"), fast=True)
    found = step(s=np.array(s), C=C)

    def total(s, C):
        F = 2 * s + (s > 0) * np.diagonal(C)
        return 2 * F.sum() * (F @ F) - (F / (1 + F**2)).sum()

    h = 1e-6
    np.testing.assert_allclose(found["total"], total(s, C), rtol=1e-12)
    np.testing.assert_allclose(found["ds"], (total(s + h, C) - total(s - h, C)) / (2 * h), rtol=1e-7)
    for at in np.ndindex(2, 2):
        step_at = np.zeros((2, 2))
        step_at[at] = h
        expected = (total(s, C + step_at) - total(s, C - step_at)) / (2 * h)
        np.testing.assert_allclose(found["dC"][at], expected, rtol=1e-7, atol=1e-8)
