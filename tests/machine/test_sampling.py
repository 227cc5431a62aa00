"""Points for claims under assumptions: NumPy, by hand, says that each holds, at extents of which none is 1."""

import random
from fractions import Fraction

import numpy as np
import pytest

from einstan.calculus.program import Program
from einstan.language import parse_document
from einstan.machine.points.points import question, small_sizes
from einstan.machine.points.sampling import Sampler
from einstan.machine.points.structures import fact
from einstan.machine.sizes.inference import infer

EYE = np.eye


def ein(text, *operands):
    return np.einsum(text, *operands)


def one_hot(Y, axis):
    return np.isin(Y, (0, 1)).all() and (Y.sum(axis) == 1).all()


# Assumptions, a NumPy sentence that is true where they hold, and whether the points are fractions.
ROWS = {
    "symmetric": ("A[i,j] = A[j,i]", lambda A: A - A.T, True),
    "antisymmetric": ("A[i,j] = -A[j,i]", lambda A: A + A.T, True),
    "symmetric in a batch": ("S[n,i,j] = S[n,j,i]", lambda S: S - S.transpose(0, 2, 1), True),
    "symmetric in the outer slots": ("T[i,j,k] = T[k,j,i]", lambda T: T - T.transpose(2, 1, 0), True),
    "cyclic": ("T[i,j,k] = T[j,k,i]", lambda T: T - T.transpose(2, 0, 1), True),
    "in all slots": ("T[i,j,k] = T[j,i,k]; T[i,j,k] = T[i,k,j]", lambda T: T - T.transpose(2, 1, 0), True),
    "orthonormal columns": ("A[K,i] A[K,j] = δ[i,j]", lambda A: A.T @ A - EYE(A.shape[1]), True),
    "orthonormal rows": ("δ[j,i] = A[i,K] A[j,K]", lambda A: A @ A.T - EYE(A.shape[0]), True),
    "orthonormal columns in a batch": (
        "A[K,n,i] A[K,n,j] = δ[i,j] 1[n]", lambda A: ein("kni,knj->nij", A, A) - EYE(A.shape[2]), True,
    ),
    "a reflection": ("Q[i,K] Q[j,K] = δ[i,j]; Q[i,j] = Q[j,i]", lambda Q: Q @ Q - EYE(len(Q)), True),
    "rows that sum to one": ("sum[J](Y[n,J]) = 1", lambda Y: Y.sum(1) - 1, True),
    "columns that sum to three halves": ("3/2 = sum[N](Y[N,j])", lambda Y: Y.sum(0) - 1.5, True),
    "rows of a batch": ("sum[J](Y[b,n,J]) = 1", lambda Y: Y.sum(2) - 1, True),
    "the sum of all": ("sum[I,J](Y[I,J]) = 1", lambda Y: Y.sum() - 1, True),
    "rows and columns": ("sum[J](Y[i,J]) = 1; sum[I](Y[I,j]) = 1", lambda Y: [*(Y.sum(1) - 1), *(Y.sum(0) - 1)], True),
    "doubly stochastic": (
        "sum[J](Y[i,J]) = 1; sum[I](Y[I,j]) = 1; 1[Y[i,j] > 0] = 1",
        lambda Y: [*(Y.sum(1) - 1), *(Y.sum(0) - 1), np.min(Y) <= 0], True,
    ),
    "positive": ("1[p[i] > 0] = 1", lambda p: p <= 0, True),
    "not negative": ("1 = 1[p[i] >= 0]", lambda p: p < 0, True),
    "bounded": ("1[0 < p[i] < 1] = 1", lambda p: (p <= 0) | (p >= 1), True),
    "a distribution": ("1[p[i] > 0] = 1; sum[I](p[I]) = 1", lambda p: [*(p <= 0), p.sum() - 1], True),
    "positive definite": (
        "A[i,j] = L[i,K] L[j,K] + δ[i,j]", lambda A, L: [A - A.T, np.linalg.eigvalsh(A).min() < 1 - 1e-9], True,
    ),
    "idempotent": ("P[i,K] P[K,j] = P[i,j]", lambda P: P @ P - P, True),
    "a projection": ("P[i,j] = P[j,i]; P[i,K] P[K,j] = P[i,j]", lambda P: [P @ P - P, P - P.T], True),
    "an involution": ("A[i,K] A[K,j] = δ[i,j]", lambda A: A @ A - EYE(len(A)), True),
    "zero or one": ("Y[n,c]^2 = Y[n,c]", lambda Y: ~np.isin(Y, (0, 1)), True),
    "zero or one, as a product": ("z[i] (1 - z[i]) = 0", lambda z: ~np.isin(z, (0, 1)), True),
    "one-hot rows": ("Y[n,c]^2 = Y[n,c]; sum[C](Y[n,C]) = 1", lambda Y: not one_hot(Y, 1), True),
    "one-hot columns": ("Y[c,n] Y[c,n] = Y[c,n]; sum[C](Y[C,n]) = 1", lambda Y: not one_hot(Y, 0), True),
    "a permutation": (
        "P[i,j]^2 = P[i,j]; sum[J](P[i,J]) = 1; sum[I](P[I,j]) = 1",
        lambda P: not (one_hot(P, 0) and one_hot(P, 1)), True,
    ),
    "signs": ("s[i]^2 = 1", lambda s: np.abs(s) - 1, True),
    "an inverse": ("A[i,K] B[K,j] = δ[i,j]", lambda A, B: A @ B - EYE(len(A)), True),
    "the inverse of a symmetric matrix": (
        "A[i,K] B[K,j] = δ[i,j]; A[i,j] = A[j,i]", lambda A, B: [A @ B - EYE(len(A)), B - B.T], True,
    ),
    "matrices that commute": ("A[i,K] B[K,j] = B[i,K] A[K,j]", lambda A, B: A @ B - B @ A, True),
    "a unit vector": ("x[I]^2 = 1", lambda x: x @ x - 1, True),
    "unit rows": ("sum[I](x[n,I]^2) = 1", lambda x: (x * x).sum(1) - 1, True),
    "another norm": ("x[I]^2 = 2", lambda x: x @ x - 2, False),
    "centred": ("mean[I](x[I]) = 0", lambda x: x.mean(), True),
    "normalised": ("mean[I](x[I]) = 0; mean[I](x[I]^2) = 1", lambda x: [x.mean(), (x * x).mean() - 1], False),
    "normalised in a batch": (
        "mean[N](x[N,j]) = 0; mean[N](x[N,j]^2) = 1", lambda x: [*x.mean(0), *((x * x).mean(0) - 1)], False,
    ),
    "triangular": ("1[i < j] R[i,j] = 0", lambda R: np.triu(R, 1), True),
    "diagonal": ("D[i,j] = δ[i,j] d[i]", lambda D, d: D - np.diag(d), True),
    "without a trace": ("A[I,I] = 0", lambda A: np.trace(A), True),
    "a rotation of sixty degrees": (
        "R[K,i] R[K,j] = δ[i,j]; R[I,I] = 1", lambda R: [R.T @ R - EYE(len(R)), np.trace(R) - 1], False,
    ),
    "Lyapunov's equation": ("A[i,K] X[K,j] + X[i,K] A[j,K] = Q[i,j]", lambda A, X, Q: A @ X + X @ A.T - Q, True),
    "an exponential": ("x[i] = exp(u[i])", lambda x, u: x - np.exp(u), False),
    "a reflection along a unit vector": (
        "H[i,j] = δ[i,j] - 2 n[i] n[j]; n[I]^2 = 1", lambda H, n: [H @ H - EYE(len(H)), H @ n + n], True,
    ),
    "labels inside": ("sum[K](1[y[i] == K]) = 1", lambda y: (y < 0) | (y >= 4) | (y % 1 != 0), True),
}  # fmt: skip


def flat(found):
    parts = found if isinstance(found, list) else [found]
    return np.concatenate([np.ravel(np.asarray(part, dtype=float)) for part in parts])


@pytest.mark.parametrize(("texts", "sentence", "exact"), ROWS.values(), ids=ROWS)
def test_the_assumptions_hold_at_the_points(texts, sentence, exact):
    rules = [text.strip() for text in texts.split(";")]
    document = parse_document("".join(f"assume {rule}\n" for rule in rules))
    names = sentence.__code__.co_varnames[: sentence.__code__.co_argcount]
    program = Program([], document.assumptions)
    resolved = program.resolved_assumptions()
    asked, _, checks = question(resolved[0].lhs, resolved[0].lhs, program, resolved)
    generator = random.Random(1)
    sampler = Sampler(asked, checks, resolved, generator)
    met = 0
    for sizes in small_sizes(asked, 4, 12, generator):
        drawn = sampler.point(infer(asked, {}, sizes))
        if drawn is None:  # columns cannot be orthonormal where they are longer than the rows
            continue
        point, _ = drawn
        arrays = [np.array(point[name].tolist(), dtype=float) for name in names]
        assert all(size >= 2 for array in arrays for size in array.shape)
        assert np.abs(flat(sentence(*arrays))).max() < 1e-9
        assert any(array.any() for array in arrays)
        assert not exact or all(isinstance(entry, Fraction) for name in names for entry in point[name].flat)
        met += 1
        if met == 8:
            break
    assert met == 8


SHAPES = [
    # a relation, and what it is recognised as: the kind, and the axes in the order of its row
    ("A[i,j] = A[j,i]", "symmetric", {0, 1}),
    ("0 = W[q,p,n] - W[p,q,n]", "symmetric", {0, 1}),
    ("A[K,i] A[K,j] = δ[i,j]", "orthonormal", (0, 1)),
    ("δ[u,v] = A[v,N] A[u,N]", "orthonormal", (1, 0)),
    ("B[n,K,i] B[n,K,j] = δ[j,i] 1[n]", "orthonormal", (1, 2)),
    ("P[a,C] P[C,b] - P[a,b] = 0", "idempotent", (0, 1)),
    ("A[i,K] A[K,j] = δ[i,j]", "involutory", (0, 1)),
    ("sum[K](x[K]^2) = 1", "unit", (0,)),
    ("sum[K](x[n,K]^2) = 1", "unit", (1,)),
    ("z[i]^2 = z[i]", "zero or one", ()),
    ("z[i]^3 - z[i] = 0", "sign or zero", ()),
    ("2 sum[J](Y[n,J]) = 3", "sum", (1,)),
]


@pytest.mark.parametrize(("text", "kind", "axes"), SHAPES)
def test_kinds_are_recognised_by_their_shape(text, kind, axes):
    (rule,) = Program([], parse_document(f"assume {text}").assumptions).resolved_assumptions()
    _, found = fact(rule.lhs, rule.rhs)
    assert found.kind == kind
    assert (set(found.axes) if isinstance(axes, set) else found.axes) == axes


@pytest.mark.parametrize(
    "text",
    ["A[i,j] = 2 A[j,i]", "A[K,i] B[K,j] = δ[i,j]", "A[i,K] A[K,j] = 2 δ[i,j]", "z[i]^3 = 2 z[i]", "A[i,j] = B[j,i]",
     "A[i,i] = 1", "x[i]^2 = 2 x[i]"],
)  # fmt: skip
def test_what_has_another_shape_is_of_no_kind(text):
    (rule,) = Program([], parse_document(f"assume {text}").assumptions).resolved_assumptions()
    assert fact(rule.lhs, rule.rhs) is None
