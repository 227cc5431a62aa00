"""Brackets guard in every derivative, also through names: against differences of NumPy functions written by hand."""

import numpy as np
import pytest

import einstan as es
from einstan.machine.meaning.loops import evaluate

nan, inf = np.nan, np.inf
pairs = ~np.eye(3, dtype=bool)
T = np.array([0, 2, 1, 2])
M = np.array([1.0, 0, 1, 1])
A = np.array([[1.0, nan, 2], [inf, 3, 4], [5, 6, nan], [1, 1, 1]])
F = np.isfinite(A).astype(float)
C = np.array([[1.0, 1, 0], [0, 0, 0], [0, 1, 1]])


def quiet(f):
    def called(x):
        with np.errstate(all="ignore"):
            return f(x)

    return called


def distances(x):
    return np.abs(x[:, None] - x)


def masked_softmax(x):
    E = np.where(C > 0, np.exp(x), 0)
    S = np.where(C > 0, E / E.sum(1, keepdims=True), 0)
    return (S**2).sum()


def lennard_jones(x):
    r = distances(x)
    return np.where(pairs, r**-12.0 - r**-6.0, 0).sum()


def upper(x):
    r = distances(x)
    i, j = np.indices((3, 3))
    return np.where(i < j, 1 / r, 0).sum() + np.where(i > j, 1 / r**2, 0).sum()


def factorised(x):
    """Ratings that are NaN where nobody rated; the features of the second user, who rated nothing, are NaN too."""
    shown, known = C > 0, np.array([[1.0, 2], [0, 0], [-1, 0.5]])
    return (np.where(shown, RATINGS - known @ x, 0) ** 2).sum()


POINTS = np.array([0.0, 1.1, 3.0])
Q = np.array([[1.0, 2, -1], [nan, inf, 1], [0.5, -1, 1], [2, 1, 0]])  # the second row is missing
LABELS = np.array([1.0, nan, -1, 0.5])
RATINGS = np.where(C > 0, [[1.0, 2, 0], [0, 0, 0], [0, 4, 5]], nan)
SHOWN = np.array([0, 2, 3])
TABLE = np.array([0.5, -1.0, 2.0])
LOGITS = np.array([[0.3, 1, 5], [0.1, 0.2, 0.3], [2, 0.5, 0.7]])
ROWS = [
    # text with the scalar E of x, other data, x, E by hand
    ("E = sum[I,J](1[I != J] / abs(x[I] - x[J]))", {}, POINTS,
     lambda x: np.where(pairs, 1 / distances(x), 0).sum()),
    ("V[i,j] = 1 / abs(x[i] - x[j])\nE = 1/2 sum[I,J](1[I != J] V[I,J])", {}, POINTS,
     lambda x: np.where(pairs, 1 / distances(x), 0).sum() / 2),
    ("V[i,j] = 1 / abs(x[i] - x[j])\nW[i,j] = q[i] q[j] V[i,j]^2\nE = sum[I,J](1[I != J] W[I,J])",
     {"q": np.array([1.0, 2, -3])}, POINTS,
     lambda x: np.where(pairs, np.outer([1, 2, -3], [1, 2, -3]) / distances(x) ** 2, 0).sum()),
    ("r[i,j] = sqrt((x[i] - x[j])^2)\nu[i,j] = r[i,j]^-12 - r[i,j]^-6\nE = sum[I,J](1[I != J] u[I,J])", {}, POINTS,
     lennard_jones),
    ("V[i,j] = 1 / abs(x[i] - x[j])\nU[i] = sum[J](1[i != J] V[i,J])\nE = U[I]^2", {}, POINTS,
     lambda x: (np.where(pairs, 1 / distances(x), 0).sum(1) ** 2).sum()),
    ("V[i,j] = 1 / abs(x[i] - x[j])\nE = sum[I,J](1[I < J] V[I,J]) + sum[I,J](1[J < I] V[I,J]^2)", {}, POINTS, upper),
    ("V[i,j] = 1 / abs(x[i] - x[j])\nE = sum[I,J](1[I != J] V[I,J]) / sum[I,J](1[I != J] x[I] V[I,J]^2)", {}, POINTS,
     lambda x: np.where(pairs, 1 / distances(x), 0).sum()
     / np.where(pairs, x[:, None] / distances(x) ** 2, 0).sum()),
    ("l[i] = log(x[i] - x[0])\nE = sum[I](1[I > 0] l[I] x[I])", {}, POINTS,
     lambda x: (np.log(x[1:] - x[0]) * x[1:]).sum()),
    ("P[i] = 1[x[i] > 0] x[i]\nY[i] = sqrt(P[i])\nE = sum[I](1[x[I] > 0] Y[I] x[I]^2)", {}, np.array([-1.0, 2, 3]),
     lambda x: (np.sqrt(np.where(x > 0, x, 0)) * x**2).sum()),
    ("E = sum[N](1[M[N] > 0] (b[N] - x[0] a[N] - x[1])^2)",
     {"M": M, "a": np.array([1.0, nan, 2, 3]), "b": np.array([1.0, 2, 3, 5])}, np.array([0.5, 0.2]),
     lambda x: ((np.array([1.0, 3, 5]) - x[0] * np.array([1.0, 2, 3]) - x[1]) ** 2).sum()),
    ("e[n] = b[n] - sum[K](1[F[n,K] > 0] A[n,K] x[K])\nE = sum[N](1[M[N] > 0] e[N]^2)",
     {"M": M, "A": A, "F": F, "b": np.array([1.0, nan, 3, 5])}, np.array([0.5, 0.2, 0.1]),
     lambda x: ((np.array([1.0, 3, 5]) - np.where(F > 0, A, 0)[[0, 2, 3]] @ x) ** 2).sum()),
    ("y[n] = sum[K](1[F[n,K] > 0] A[n,K] x[K])\nE = sum[N](exp(y[N]))", {"A": A / 9, "F": F}, np.array([0.5, 0.2, 0.1]),
     lambda x: np.exp(np.where(F > 0, A / 9, 0) @ x).sum()),
    ("v[n] = log(x[T[n]])\nE = sum[N](1[x[T[N]] > 0] v[N]^2)", {"T": T}, TABLE,
     lambda x: sum(np.log(x[t]) ** 2 for t in T if x[t] > 0)),
    ("E = sum[N,C](S[N,C]^2)\nS[n,c] = 1[B[n,c] > 0] exp(x[n,c]) / sum[K](1[B[n,K] > 0] exp(x[n,K]))",
     {"B": C}, LOGITS, masked_softmax),
    ("w[i] = exp(1000 x[i])\nE = sum[I](1[x[I] < 0.5] w[I] x[I])", {}, np.array([0.001, 0.002, 3.0]),
     lambda x: (np.exp(1000 * x[:2]) * x[:2]).sum()),
    ("P[n] = Q[n,K] x[K]\nE = sum[N](1[M[N] > 0] P[N]^2)", {"M": M, "Q": Q}, TABLE,
     lambda x: ((Q[SHOWN] @ x) ** 2).sum()),
    ("P[n] = Q[n,K] x[K]\nU[n] = y[n] - P[n]\nE = mean[N](1[M[N] > 0] U[N]^2)", {"M": M, "Q": Q, "y": LABELS}, TABLE,
     lambda x: ((LABELS[SHOWN] - Q[SHOWN] @ x) ** 2).sum() / 4),
    ("P[n] = Q[n,K] x[K]\nU[n] = 1[M[n] > 0] (y[n] - P[n])\nE = U[N]^2", {"M": M, "Q": Q, "y": LABELS}, TABLE,
     lambda x: ((LABELS[SHOWN] - Q[SHOWN] @ x) ** 2).sum()),
    ("H[n,j] = tanh(Q[n,K] x[K,j])\nP[n] = H[n,J] x[0,J]\nE = sum[N](1[M[N] > 0] P[N]^2)", {"M": M, "Q": Q},
     np.array([[0.5, 1], [0.3, -1], [0.2, 0.1]]), lambda x: ((np.tanh(Q[SHOWN] @ x) @ x[0]) ** 2).sum()),
    ("c[n] = sum[K](C[n,K])\nP[n] = G[T[n]] x[n]\nE = sum[N](1[c[N] > 0] P[N]^3)",
     {"C": C, "T": np.array([0, 2, 1]), "G": np.array([2, 3, nan])}, TABLE,
     lambda x: (2 * x[0]) ** 3 + (3 * x[2]) ** 3),
    ("P[i,j] = U[i,K] x[K,j]\nE = sum[I,J](1[C[I,J] > 0] (R[I,J] - P[I,J])^2)",
     {"C": C, "R": RATINGS, "U": np.array([[1.0, 2], [nan, nan], [-1, 0.5]])}, LOGITS[:2], factorised),
    ("P[i,j] = U[i,K] x[K,j]\nE = sum[I,J](1[R[I,J] == R[I,J]] (R[I,J] - P[I,J])^2)",
     {"R": RATINGS, "U": np.array([[1.0, 2], [0, 0], [-1, 0.5]])}, LOGITS[:2], factorised),
    ("s[i] = 1[F[i,0] > 0] exp(x[i] + a[i])\nE = log(sum[I](s[I]))", {"F": F, "a": A[:, 0]}, np.array([1.0, 2, 3, 4]),
     lambda x: np.log(np.exp((x + A[:, 0])[[0, 2, 3]]).sum())),
    ("r[n] = 1 / (x[0,n] - x[0,0])\nE = sum[N](1[N > 0] r[N] x[1,N])", {}, np.array([[0.5, 1, 2], [1, 2, 3]]),
     lambda x: (x[1, 1:] / (x[0, 1:] - x[0, 0])).sum()),
    ("r[n] = 1 / y[n]\ns[n] = sum[K](1[C[n,K] > 0] x[n,K])\nE = sum[N](1[y[N] > 0] r[N] s[N]^2)",
     {"C": C, "y": np.array([2.0, 0, 1])}, LOGITS,
     lambda x: (x[0, 0] + x[0, 1]) ** 2 / 2 + (x[2, 1] + x[2, 2]) ** 2),
    ("r[i] = 1 / y[i]\nd[i] = 1[m[i] > 0] (pad(x[i+1]) - x[i])\nE = sum[I](1[y[I] > 0] r[I] d[I]^2)",
     {"m": np.array([0.0, 1, 1]), "y": np.array([0.0, 2, 1])}, POINTS,
     lambda x: (x[2] - x[1]) ** 2 / 2 + x[2] ** 2),
    ("l[i] = log(x[i])\nd[i] = 1[m[i] > 0] (pad(l[i+1]) - l[i])\nq[i] = pad(d[i+1]) - d[i]\nE = q[I]^2",
     {"m": np.array([0.0, 1, 1])}, np.array([0.0, 1.5, 3]),
     lambda x: np.log(x[2] / x[1]) ** 2 + np.log(x[2] ** 2 / x[1]) ** 2 + np.log(x[2]) ** 2),
    ("E = sum[I](pad(x[I-1]) c[I] x[I]^2)", {"c": np.array([inf, 1, 2])}, POINTS,
     lambda x: x[0] * x[1] ** 2 + 2 * x[1] * x[2] ** 2),
]  # fmt: skip


def difference(f, x, order, h):
    """The derivatives of a function by central differences of the fourth order."""
    if order == 0:
        return f(x)
    found = []
    for place in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[place] = h
        near, far = (
            difference(f, x + k * step, order - 1, h) - difference(f, x - k * step, order - 1, h) for k in (1, 2)
        )
        found.append((8 * near - far) / (12 * h))
    return np.array(found).reshape(*x.shape, *np.shape(found[0]))


def numbers(tensor):
    return np.array(tensor.tolist(), float)


@pytest.mark.in_turn(3)
@pytest.mark.parametrize(("text", "data", "x", "by_hand"), ROWS)
def test_derivatives(text, data, x, by_hand):
    ordered = "\n".join(sorted(text.split("\n"), key=lambda line: line.startswith("E")))
    program = es.Program(ordered)
    f, full = quiet(by_hand), {**data, "x": x}
    small = 1e-3 * min(1, np.abs(x[x != 0]).min())
    gradient, hessian = difference(f, x, 1, small), difference(f, x, 2, small)
    close = {"rtol": 1e-5, "atol": 1e-6 * (1 + np.abs(hessian).max())}
    v = np.linspace(1, 2, x.size).reshape(x.shape)

    backward = program.backward("E", ["x"])
    for options in ({}, {"any_size": True}, {"reuse_buffers": True}, {"fast": False}, {"memory_limit": 10**6}):
        np.testing.assert_allclose(backward.compile(outputs=["dx"], **options)(**full)["dx"], gradient, **close)
    np.testing.assert_allclose(numbers(evaluate(backward.whole, full)["dx"]), gradient, **close)
    for equation in backward.whole:
        assert str(es.parse(str(equation))) == str(equation)
    step = es.Network(ordered, parameters={"x": "zeros"}).value_and_grad("E").compile()
    value, gradients = step({"x": x}, **data)
    np.testing.assert_allclose(value, f(x), rtol=1e-12)
    np.testing.assert_allclose(gradients["x"], gradient, **close)

    jvp = program.jvp("E", {"x": "D"})
    np.testing.assert_allclose(jvp.compile(outputs=["tE"])(**full, D=v)["tE"], (gradient * v).sum(), **close)
    np.testing.assert_allclose(numbers(evaluate(jvp.whole, {**full, "D": v})["tE"]), (gradient * v).sum(), **close)
    hvp = program.hvp("E", {"x": "D"})
    (name,) = hvp._outputs({}) if len(list(hvp._outputs({}))) == 1 else [list(hvp._outputs({}))[-1]]
    along = np.tensordot(hessian, v, x.ndim)
    np.testing.assert_allclose(hvp.compile(outputs=[name])(**full, D=v)[str(name)], along, **close)

    np.testing.assert_allclose(program.jacobian("E", "x")(**full).dense(), gradient, **close)
    np.testing.assert_allclose(program.hessian("E", "x")(**full).dense(), hessian, **close)
    partial = program.partial("E", "x")
    found = partial.compile(outputs=[list(partial.defined)[-1]])(**full)
    np.testing.assert_allclose(next(iter(found.values())), gradient, **close)


DISC = np.array([[0.3, -0.2], [-0.1, 0.4], [0.25, 0.1]])


def neighbours(d):
    """The shares of all others, by how near they are."""
    E = np.where(pairs, np.exp(-d), 0)
    return E / E.sum(1, keepdims=True)


def hyperbolic(x):
    room = 1 - (x**2).sum(1)
    away = ((x[:, None] - x) ** 2).sum(2)
    return np.arccosh(1 + 2 * away / (room[:, None] * room))


SHARES = "p[i,j] = 1[i != j] exp(-d[i,j]) / sum[J](1[i != J] exp(-d[i,J]))"


@pytest.mark.parametrize(
    ("text", "x", "by_hand"),
    [
        ("d[i,j] = sqrt((x[i] - x[j])^2)\nE[i,j] = 1[i != j] exp(-d[i,j])\np[i,j] = E[i,j] / sum[J](E[i,J])", POINTS,
         distances),
        ("r[i] = 1 - x[i,K]^2\nd[i,j] = arccosh(1 + 2 sum[K]((x[i,K] - x[j,K])^2) / (r[i] r[j]))\n" + SHARES, DISC,
         hyperbolic),
    ],
)  # fmt: skip
def test_jacobians_of_shares_that_leave_out_what_is_infinite(text, x, by_hand):
    expected = np.moveaxis(difference(lambda x: neighbours(by_hand(x)), x, 1, 1e-3), (-2, -1), (0, 1))
    np.testing.assert_allclose(es.Program(text).derivative("p", "x")(x=x).dense(), expected, rtol=1e-8, atol=1e-8)
