"""A row per formula: its equations, what is derived, its arrays, and the same formula by hand on jets.

``by_hand`` shares nothing with the library (see `tests.breadth.jets`); `tests.oracles.test_breadth` has every row once
more, in PyTorch.  ``length`` is what a derived equation may have at most, in characters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import pi

import numpy as np

from tests.breadth.jets import absolute, contract, erf, exp, log, power, sqrt, tanh, where

LINE = 120  # one line of an editor; a row that needs more says how much


@dataclass(frozen=True)
class Row:
    name: str
    text: str
    of: str
    shapes: Mapping[str, tuple[int, ...]]  # the inputs that it is differentiated by
    by_hand: Callable
    length: int = LINE
    positive: frozenset[str] = frozenset()  # inputs with entries between 1/2 and 2
    integers: Mapping[str, np.ndarray] = field(default_factory=dict)  # further inputs, without derivatives

    @property
    def wrt(self):
        return tuple(self.shapes)

    def arrays(self, seed=0):
        """Entries away from the kinks of ``abs`` and from zero."""
        generator = np.random.default_rng([seed, *map(ord, self.name)])
        found = {}
        for name, shape in self.shapes.items():
            size = generator.uniform(0.5, 2.0, shape)
            sign = 1.0 if name in self.positive else generator.choice([-1.0, 1.0], shape)
            found[name] = np.asarray(size * sign)
        return found

    def __str__(self):
        return self.name


def row(name, text, of, shapes, by_hand, **options):
    text = "\n".join(line.strip() for line in text.strip().splitlines())
    if "positive" in options:
        options["positive"] = frozenset(options["positive"])
    return Row(name, text, of, shapes, by_hand, **options)


def softmax(Z):
    e = exp(Z)
    return e / e.sum(1)[:, None]


def layer_norm(X, g, b):
    centred = X - X.sum(1)[:, None] / X.shape[1]
    variance = (centred * centred).sum(1) / X.shape[1]
    return g * (centred / sqrt(variance + 0.001)[:, None]) + b


def kl_divergence(U, V):
    P, Q = softmax(U), softmax(V)
    return (P * (log(P) - log(Q))).sum() / U.shape[0]


def huber(f, y, h):
    r = y - f
    inside = np.abs(r.value) <= h.value
    return where(inside, r * r / 2, h * (absolute(r) - h / 2)).sum() / f.shape[0]


def attention(Q, M, V):
    weight = exp(contract("qe,ke->qk", Q, M) / np.sqrt(Q.shape[1])) * np.tri(Q.shape[0])
    return contract("qk,kd->qd", weight / weight.sum(1)[:, None], V)


def gaussian(x, m, s):
    r = x - m
    return -0.5 * (r * r / (s * s) + log(2 * pi * s * s)).sum()


def p_norm(x, p):
    return exp(log(exp(p * log(absolute(x))).sum()) / p)


TOKENS = np.array([2, 0, 2, 1])

ROWS = [
    row("trace", "T = A[I,I]", "T", {"A": (3, 3)}, lambda A: A[np.arange(3), np.arange(3)].sum()),
    row(
        "trace of a product", "T = A[I,J] B[J,I]", "T", {"A": (2, 3), "B": (3, 2)},
        lambda A, B: contract("ij,ji->", A, B),
    ),
    row(
        "trace of a cube", "T = A[I,J] A[J,K] A[K,I]", "T", {"A": (3, 3)},
        lambda A: contract("ij,ji->", contract("ij,jk->ik", A, A), A),
    ),
    row(
        "quadratic form", "q = x[I] A[I,J] x[J]", "q", {"x": (3,), "A": (3, 3)},
        lambda x, A: contract("i,i->", x, contract("ij,j->i", A, x)),
    ),
    row(
        "cubic form", "c = T[I,J,K] x[I] x[J] x[K]", "c", {"x": (3,), "T": (3, 3, 3)},
        lambda x, T: contract("i,i->", x, contract("ij,j->i", contract("ijk,k->ij", T, x), x)),
    ),
    row("Frobenius norm", "f = sqrt(sum[I,J](A[I,J]^2))", "f", {"A": (2, 3)}, lambda A: sqrt((A * A).sum())),
    row(
        "3-norm", "f = sum[I](abs(x[I])^3)^(1/3)", "f", {"x": (4,)},
        lambda x: power(power(absolute(x), 3).sum(), 1 / 3),
    ),
    row(
        "p-norm", "s = sum[I](abs(x[I])^p)\nf = s^(1/p)", "f", {"x": (3,), "p": ()}, p_norm, positive="p", length=306,
    ),
    row(
        "Hadamard product", "H[i,j] = A[i,j] B[i,j]", "H", {"A": (2, 3), "B": (2, 3)}, lambda A, B: A * B,
    ),
    row(
        "Kronecker product", "M[i,k,j,l] = A[i,j] B[k,l]", "M", {"A": (2, 3), "B": (3, 2)},
        lambda A, B: A[:, None, :, None] * B[None, :, None, :],
    ),
    row("outer product", "O[i,j] = x[i] y[j]", "O", {"x": (2,), "y": (3,)}, lambda x, y: x[:, None] * y[None, :]),
    row(
        "matrix cube", "P[i,l] = A[i,J] A[J,K] A[K,l]", "P", {"A": (3, 3)},
        lambda A: contract("ij,jk->ik", contract("ij,jk->ik", A, A), A), length=160,
    ),
    row(
        "fourth power by squaring", "S[i,k] = A[i,J] A[J,k]\nP[i,l] = S[i,J] S[J,l]", "P", {"A": (2, 2)},
        lambda A: contract("ij,jk->ik", *[contract("ij,jk->ik", A, A)] * 2), length=275,
    ),
    row(
        "row normalisation", "s[n] = sum[J](X[n,J])\nR[n,j] = X[n,j] / s[n]", "R", {"X": (2, 3)},
        lambda X: X / X.sum(1)[:, None], positive="X",
    ),
    row(
        "column normalisation", "s[j] = sqrt(sum[N](X[N,j]^2))\nR[n,j] = X[n,j] / s[j]", "R", {"X": (3, 2)},
        lambda X: X / sqrt((X * X).sum(0)),
    ),
    row(
        "layer norm",
        """
        m[n] = mean[J](X[n,J])
        v[n] = mean[J]((X[n,J] - m[n])^2)
        s[n] = sqrt(v[n] + 0.001)
        H[n,j] = (X[n,j] - m[n]) / s[n]
        Y[n,j] = g[j] H[n,j] + b[j]
        """,
        "Y", {"X": (2, 3), "g": (3,), "b": (3,)}, layer_norm, length=180,
    ),
    row(
        "log-sum-exp", "l[n] = logsumexp[K](Z[n,K])", "l", {"Z": (2, 3)}, lambda Z: log(exp(Z).sum(1)),
    ),
    row(
        "softmax at a temperature", "S[n,c] = softmax[c](Z[n,c] / t)", "S", {"Z": (2, 3), "t": ()},
        lambda Z, t: softmax(Z / t), positive="t", length=165,
    ),
    row(
        "KL divergence", "D = P[N] log(P[N] / Q[N])", "D", {"P": (4,), "Q": (4,)},
        lambda P, Q: (P * log(P / Q)).sum(), positive="PQ",
    ),
    row(
        "KL divergence of logits",
        """
        P[n,c] = softmax[c](U[n,c])
        Q[n,c] = softmax[c](V[n,c])
        D = 1/|N| P[N,C] (log(P[N,C]) - log(Q[N,C]))
        """,
        "D", {"U": (2, 3), "V": (2, 3)}, kl_divergence, length=180,
    ),
    row(
        "Huber",
        """
        r[n] = y[n] - f[n]
        L = 1/|N| sum[N](1[abs(r[N]) <= h] r[N]^2 / 2 + 1[abs(r[N]) > h] h (abs(r[N]) - h / 2))
        """,
        "L", {"f": (5,), "y": (5,), "h": ()}, huber, positive="h",
    ),
    row(
        "GELU (erf)", "A[n] = 1/2 x[n] (1 + erf(x[n] / sqrt(2)))", "A", {"x": (4,)},
        lambda x: 0.5 * x * (1 + erf(x / np.sqrt(2))),
    ),
    row(
        "GELU (tanh)", "t[n] = tanh(sqrt(2/pi) (x[n] + 0.044715 x[n]^3))\nA[n] = 1/2 x[n] (1 + t[n])", "A", {"x": (4,)},
        lambda x: 0.5 * x * (1 + tanh(np.sqrt(2 / pi) * (x + 0.044715 * x * x * x))), length=130,
    ),
    row("softplus", "A[n] = log(1 + exp(x[n]))", "A", {"x": (4,)}, lambda x: log(1 + exp(x))),
    row(
        "cosine similarity",
        """
        a = sqrt(x[I]^2)
        b = sqrt(sum[I](y[I]^2))
        c = x[I] y[I] / (a b)
        """,
        "c", {"x": (3,), "y": (3,)},
        lambda x, y: contract("i,i->", x, y) / (sqrt((x * x).sum()) * sqrt((y * y).sum())),
    ),
    row(
        "squared pairwise distances", "D[n,m] = (X[n,K] - Y[m,K])^2", "D", {"X": (2, 3), "Y": (3, 3)},
        lambda X, Y: power(X[:, None, :] - Y[None, :, :], 2).sum(2),
    ),
    row(
        "pairwise distances", "D[n,m] = sqrt(sum[K]((X[n,K] - Y[m,K])^2))", "D", {"X": (2, 3), "Y": (3, 3)},
        lambda X, Y: sqrt(power(X[:, None, :] - Y[None, :, :], 2).sum(2)),
    ),
    row(
        "Gaussian log-likelihood", "l = -1/2 sum[N]((x[N] - m)^2 / s^2 + log(2 pi s^2))", "l",
        {"x": (4,), "m": (), "s": ()}, gaussian, positive="s",
    ),
    row(
        "squared Mahalanobis distance", "q[n] = (x[n,I] - m[I]) P[I,J] (x[n,J] - m[J])", "q",
        {"x": (2, 3), "m": (3,), "P": (3, 3)},
        lambda x, m, P: ((x - m) * contract("ij,nj->ni", P, x - m)).sum(1),
    ),
    row(
        "Mahalanobis distance", "r[i] = x[i] - m[i]\ny = sqrt(r[I] P[I,J] r[J])", "y",
        {"x": (3,), "m": (3,), "P": (3, 3)},
        lambda x, m, P: sqrt(((x - m) * contract("ij,j->i", P, x - m)).sum()), positive="xP",
    ),
    row(
        "attention with a causal mask",
        """
        S[q,k] = Q[q,E] M[k,E] / sqrt(|E|)
        P[q,k] = softmax[k](S[q,k] + log(1[k <= q]))
        O[q,d] = P[q,K] V[K,d]
        """,
        "O", {"Q": (3, 2), "M": (3, 2), "V": (3, 2)}, attention, length=170,
    ),
    row(
        "embedding", "H[n,d] = E[T[n],d]", "H", {"E": (3, 2)}, lambda E: E[TOKENS], integers={"T": TOKENS},
    ),
    row(
        "squared error of an embedding", "L = 1/2 sum[N,D]((E[T[N],D] - Y[N,D])^2)", "L", {"E": (3, 2), "Y": (4, 2)},
        lambda E, Y: (power(E[TOKENS] - Y, 2) / 2).sum(), integers={"T": TOKENS},
    ),
]  # fmt: skip
