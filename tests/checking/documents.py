"""Documents with assumptions of every kind, true claims about them, and how NumPy makes what they assume.

``make(r, n)`` gives the arrays that the assumptions tie, from a generator of random numbers and the shapes of the
tensors; it is None where the shapes allow none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Made:
    name: str
    text: str
    claims: tuple[str, ...]
    make: Callable | None = None


def sym(r, shape, axes=(0, 1)):
    A = r.normal(size=shape)
    return A + np.swapaxes(A, *axes)


def rotation(r, n):
    q, t = np.linalg.qr(r.normal(size=(n, n)))
    return q * np.sign(np.diag(t))


def columns(r, shape):
    return None if shape[0] < shape[1] else rotation(r, shape[0])[:, : shape[1]]


def projection(r, n, symmetric=False):
    k = r.integers(1, n)
    v = r.normal(size=(n, k))
    w = v.T if symmetric else r.normal(size=(k, n))
    return v @ np.linalg.solve(w @ v, w)


def one_hot(r, rows, kinds):
    return np.eye(kinds)[r.integers(0, kinds, rows)]


def share(r, shape):
    p = r.uniform(0.1, 1, shape)
    return p / p.sum(-1, keepdims=True)


def cyc(r, shape):
    T = r.normal(size=shape)
    return T + T.transpose(1, 2, 0) + T.transpose(2, 0, 1)


def spd(r, n):
    L = r.normal(size=(n, n))
    return L @ L.T + np.eye(n)


def inverses(r, shape):
    if shape[0] != shape[1]:
        return None
    A = r.normal(size=shape) + 2 * np.eye(shape[0])
    return {"A": A, "B": np.linalg.inv(A)}


def maybe(name, array):
    return None if array is None else {name: array}


def document(name, text, *claims, make=None):
    lines = [line.strip() for line in text.strip().splitlines()]
    return Made(name, "\n".join(lines), claims, make)


SYM = "assume P[i,j] = P[j,i]"
ORTH = "assume R[K,i] R[K,j] = δ[i,j]"
DOCUMENTS = (
    document("quadratic form", f"f = x[I] P[I,J] x[J] + b[I] x[I]\n{SYM}",
             "dx[i] = 2 P[i,J] x[J] + b[i]", "df/dx[i]dx[j] = 2 P[i,j]", "df/db[i] = x[i]",
             "x[I] P[I,J] b[J] = b[I] P[I,J] x[J]", "P[i,J] P[J,k] = P[k,J] P[i,J]",
             make=lambda r, n: {"P": sym(r, n("P"))}),
    document("symmetric in a chain", f"y[i] = P[i,J] H[J,K] x[K]\n{SYM}", "y[i] = P[J,i] H[J,K] x[K]",
             "dy[i]/dx[j] = P[i,K] H[K,j]", "dy[i]/dH[p,q] = P[p,i] x[q]",
             make=lambda r, n: {"P": sym(r, n("P"))}),
    document("symmetric in functions", f"y[i] = P[i,J] exp(x[J])\n{SYM}", "dy[i]/dx[j] = P[j,i] exp(x[j])",
             "tanh(P[i,j] x[i]) = tanh(x[i] P[j,i])", "sum[I,J](P[I,J] sin(x[I])) = sum[I,J](P[J,I] sin(x[I]))",
             make=lambda r, n: {"P": sym(r, n("P"))}),
    document("antisymmetric", "f = x[I] W[I,J] y[J]\nassume W[i,j] = -W[j,i]", "dx[i] = -W[J,i] y[J]",
             "dy[j] = x[I] W[I,j]",
             "x[I] W[I,J] x[J] = 0", "f = -y[I] W[I,J] x[J]", "W[i,i] = 0 1[i]",
             make=lambda r, n: {"W": (lambda A: A - A.T)(r.normal(size=n("W")))}),
    document("symmetric in a batch", "f = x[N,I] S[N,I,J] x[N,J]\nassume S[n,i,j] = S[n,j,i]",
             "dx[n,i] = 2 S[n,i,J] x[n,J]",
             "x[N,I] S[N,I,J] y[N,J] = y[N,I] S[N,I,J] x[N,J]", "S[n,i,J] x[n,J] = x[n,J] S[n,J,i]",
             make=lambda r, n: {"S": sym(r, n("S"), (1, 2))}),
    document("outer slots", "f = T[I,J,K] x[I] y[J] x[K]\nassume T[i,j,k] = T[k,j,i]", "dx[i] = 2 T[i,J,K] y[J] x[K]",
             "T[I,J,K] x[I] y[J] z[K] = T[I,J,K] z[I] y[J] x[K]", "df/dy[j] = x[I] T[I,j,K] x[K]",
             make=lambda r, n: {"T": sym(r, n("T"), (0, 2))}),
    document("cyclic", "f = T[I,J,K] x[I] y[J] z[K]\nassume T[i,j,k] = T[j,k,i]", "dx[i] = T[J,K,i] y[J] z[K]",
             "f = T[J,K,I] x[I] y[J] z[K]", "T[i,j,k] = T[k,i,j]", make=lambda r, n: {"T": cyc(r, n("T"))}),
    document("orthonormal columns", f"y[k] = R[k,I] x[I]\n{ORTH}", "y[K]^2 = x[I]^2", "R[K,i] y[K] = x[i]",
             "R[K,i] R[K,J] x[J] = x[i]", "R[K,I] R[K,J] a[I] b[J] = a[I] b[I]", "dy[k]/dx[i] = R[k,i]",
             make=lambda r, n: maybe("R", columns(r, n("R")))),
    document("a rotation of two", "assume Q[i,K] Q[j,K] = δ[i,j]\nassume Q[K,i] Q[K,j] = δ[i,j]",
             "Q[i,K] Q[j,K] x[j] = x[i] δ[i,j]", "Q[I,k] Q[I,l] + Q[k,I] Q[l,I] = 2 δ[k,l]",
             make=lambda r, n: {"Q": rotation(r, n("Q")[0])} if n("Q")[0] == n("Q")[1] else None),
    document("a reflection", "assume Q[i,K] Q[j,K] = δ[i,j]\nassume Q[i,j] = Q[j,i]", "Q[i,K] Q[K,j] = δ[i,j]",
             "Q[i,K] Q[K,L] Q[L,j] = Q[j,i]", "Q[i,K] Q[K,J] x[J] = x[i]",
             make=lambda r, n: {"Q": np.eye(n("Q")[0]) - 2 * projection(r, n("Q")[0], True)}),
    document("rows that sum to one", "m[d] = 1/|N| Y[N,K] V[K,d]\nassume sum[K](Y[n,K]) = 1",
             "sum[N,K](Y[N,K] a[N]) = a[N]", "sum[K](Y[n,K] (c[n] + V[K,d])) = c[n] 1[d] + Y[n,K] V[K,d]",
             "sum[N,K](Y[N,K]) = |N|", "dm[d]/dV[k,e] = 1/|n| Y[N,k] δ[d,e]",
             make=lambda r, n: {"Y": (lambda Y: Y / Y.sum(1, keepdims=True))(r.uniform(0.2, 1, n("Y")))}),
    document("columns that sum to two", "assume sum[N](Y[N,j]) = 2", "sum[N,J](Y[N,J] b[J]) = 2 b[J]",
             "sum[N,J](Y[N,J]) = 2 |J|",
             make=lambda r, n: {"Y": (lambda Y: 2 * Y / Y.sum(0))(r.uniform(0.2, 1, n("Y")))}),
    document("rows of a batch", "assume sum[J](Y[b,n,J]) = 1", "sum[N,J](Y[b,N,J] a[N]) = sum[N](a[N]) 1[b]",
             make=lambda r, n: {"Y": share(r, n("Y"))}),
    document("cross entropy", "S[n,c] = exp(Z[n,c]) / sum[K](exp(Z[n,K]))\nL = -1/|N| Y[N,C] log(S[N,C])\n"
             "assume sum[C](Y[n,C]) = 1", "dL/dZ[n,c] = (S[n,c] - Y[n,c]) / |n|", "dL/dS[n,c] = -Y[n,c] / (|n| S[n,c])",
             "dS[n,c]/dZ[m,k] = δ[n,m] S[n,c] (δ[c,k] - S[n,k])",
             "L = 1/|N| 1[N] (logsumexp[C](Z[N,C]) - Y[N,C] Z[N,C])", make=lambda r, n: {"Y": share(r, n("Y"))}),
    document("labels", "p[n,c] = exp(z[n,c]) / sum[K](exp(z[n,K]))\nL = -sum[N,C](1[t[N] == C] log(p[N,C]))\n"
             "assume sum[C](1[t[n] == C]) = 1", "dz[n,c] = p[n,c] - 1[t[n] == c]", "dp[n,c] = -1[t[n] == c] / p[n,c]"),
    document("gathered labels", "S[n,c] = exp(Z[n,c]) / sum[K](exp(Z[n,K]))\nL = -1/|N| sum[N](log(S[N,t[N]]))",
             "dZ[n,c] = (S[n,c] - δ[t[n],c]) / |n|", "L = 1/|N| sum[N](logsumexp[K](Z[N,K]) - Z[N,t[N]])"),
    document("embedding", "y[n,d] = E[t[n],d]\nL = y[N,D] u[N,D]", "dL/dE[v,d] = sum[N](δ[t[N],v] u[N,d])",
             "dy[n,d]/dE[v,e] = δ[t[n],v] δ[d,e]"),
    document("one-hot", "assume Y[n,c]^2 = Y[n,c]\nassume sum[C](Y[n,C]) = 1", "Y[n,c] Y[n,d] = Y[n,c] δ[c,d]",
             "Y[n,C] exp(a[C]) = exp(Y[n,C] a[C])", "Y[n,c]^3 = Y[n,c]", "Y[n,C] Y[n,C] = 1 1[n]",
             make=lambda r, n: {"Y": one_hot(r, *n("Y"))}),
    document("zero or one", "assume z[i]^2 = z[i]", "z[i]^3 = z[i]", "(1 - z[i]) z[i] = 0", "(1 - z[i])^2 = 1 - z[i]",
             make=lambda r, n: {"z": r.integers(0, 2, n("z")).astype(float)}),
    document("a permutation", "assume P[i,j]^2 = P[i,j]\nassume sum[J](P[i,J]) = 1\nassume sum[I](P[I,j]) = 1",
             "P[K,i] P[K,j] = δ[i,j]", "sum[I,J](P[I,J] x[J]) = sum[J](x[J])", "sum[I](sum[J](P[I,J] x[J])^2) = x[J]^2",
             make=lambda r, n: {"P": np.eye(n("P")[0])[r.permutation(n("P")[0])]} if n("P")[0] == n("P")[1] else None),
    document("a stochastic matrix", "q[j] = p[I] P[I,j]\nassume 1[P[i,j] >= 0] = 1\nassume sum[J](P[i,J]) = 1\n"
             "assume sum[I](p[I]) = 1", "sum[J](q[J]) = 1", "abs(P[i,j]) = P[i,j]", "sum[J,K](P[i,J] P[J,K]) = 1 1[i]",
             make=lambda r, n: {"P": share(r, n("P")), "p": share(r, n("p"))}),
    document("positive", "y[i] = log(x[i]) + x[i]\nassume 1[x[i] > 0] = 1", "abs(x[i]) = x[i]", "sqrt(x[i]^2) = x[i]",
             "dy[i]/dx[j] = δ[i,j] (1 + 1/x[i])", "relu(x[i]) + relu(-x[i]) = x[i]", "exp(log(x[i])) = x[i]",
             make=lambda r, n: {"x": r.uniform(0.1, 3, n("x"))}),
    document("not negative", "assume 1[x[i] >= 0] = 1", "relu(x[i]) = x[i]", "max(x[i], -x[i]) = x[i]",
             make=lambda r, n: {"x": r.uniform(0, 3, n("x"))}),
    document("bounded", "H = -p[I] log(p[I])\nassume 1[0 < p[i] < 1] = 1", "dp[i] = -log(p[i]) - 1",
             "relu(p[i] - 1) = 0", "abs(1 - p[i]) = 1 - p[i]", make=lambda r, n: {"p": r.uniform(0.05, 0.95, n("p"))}),
    document("positive definite", "f = x[I] A[I,J] x[J]\nassume A[i,j] = U[i,K] U[j,K]", "A[i,j] = A[j,i]",
             "f = sum[K]((x[I] U[I,K])^2)", "f = abs(f)",
             make=lambda r, n: (lambda U: {"U": U, "A": U @ U.T})(r.normal(size=n("U")))),
    document("idempotent", "assume P[i,K] P[K,j] = P[i,j]", "P[i,K] P[K,L] P[L,j] = P[i,j]",
             "P[i,K] (δ[K,j] - P[K,j]) = 0", "P[i,K] P[K,J] x[J] = P[i,J] x[J]",
             make=lambda r, n: {"P": projection(r, n("P")[0])}),
    document("a projection", "r[i] = x[i] - P[i,J] x[J]\nassume P[i,K] P[K,j] = P[i,j]\nassume P[i,j] = P[j,i]",
             "P[K,i] P[K,j] = P[i,j]", "P[i,J] r[J] = 0", "r[I] P[I,J] y[J] = 0", "r[I]^2 = x[I]^2 - x[I] P[I,J] x[J]",
             make=lambda r, n: {"P": projection(r, n("P")[0], True)}),
    document("an involution", "assume A[i,K] A[K,j] = δ[i,j]", "A[i,K] A[K,L] A[L,j] = A[i,j]",
             "A[i,K] A[K,J] x[J] = x[i]",
             make=lambda r, n: {"A": np.eye(n("A")[0]) - 2 * projection(r, n("A")[0])}),
    document("an inverse", "y[i] = A[i,K] x[K]\nassume A[i,K] B[K,j] = δ[i,j]", "A[i,K] B[K,J] x[J] = x[i]",
             "a[I] A[I,K] B[K,J] b[J] = a[I] b[I]", make=lambda r, n: inverses(r, n("A"))),
    document("a square inverse", "assume A[i,K] B[K,j] + 0 A[K,i] A[j,K] = δ[i,j]\nassume B[i,K] A[K,j] = δ[i,j]",
             "B[i,K] A[K,L] B[L,j] = B[i,j]", "A[i,K] B[K,J] x[J] = x[i]", make=lambda r, n: inverses(r, n("A"))),
    document("the inverse of a symmetric matrix", "assume A[i,K] B[K,j] = δ[i,j]\nassume A[i,j] = A[j,i]",
             "B[i,j] = B[j,i]", "A[i,K] B[j,K] = δ[i,j]", "B[i,K] A[K,j] = δ[i,j]",
             "x[I] B[I,J] A[J,K] y[K] = x[I] y[I]",
             make=lambda r, n: (lambda A: {"A": A, "B": np.linalg.inv(A)})(spd(r, n("A")[0]))),
    document("a unit vector", "H[i,j] = δ[i,j] - 2 u[i] u[j]\nassume u[I]^2 = 1", "H[i,K] H[K,j] = δ[i,j]",
             "H[i,J] u[J] = -u[i]", "sum[I,J](u[I]^2 u[J]^2) = 1",
             make=lambda r, n: {"u": (lambda u: u / np.linalg.norm(u))(r.normal(size=n("u")))}),
    document("unit rows", "assume sum[I](x[n,I]^2) = 1", "sum[N,I](x[N,I]^2) = |N|", "sum[I](a[n] x[n,I]^2) = a[n]",
             make=lambda r, n: {"x": (lambda x: x / np.linalg.norm(x, axis=1)[:, None])(r.normal(size=n("x")))}),
    document("centred", "assume mean[I](x[I]) = 0", "sum[I](x[I]) = 0", "sum[I]((x[I] - c)^2) = x[I]^2 + |I| c^2",
             make=lambda r, n: {"x": (lambda x: x - x.mean())(r.normal(size=n("x")))}),
    document("normalised", "assume mean[I](x[I]) = 0\nassume mean[I](x[I]^2) = 1", "mean[I]((x[I] - 1)^2) = 2",
             "x[I]^2 = |I|", "sum[I](a x[I] + b) = |I| b",
             make=lambda r, n: {"x": (lambda x: (x - x.mean()) / x.std())(r.normal(size=n("x")))}),
    document("triangular", "assume 1[i < j] U[i,j] = 0", "1[i < j] U[i,j]^2 = 0", "U[i,j] = 1[i >= j] U[i,j]",
             make=lambda r, n: {"U": np.tril(r.normal(size=n("U")))}),
    document("diagonal", "y[i] = D[i,J] x[J]\nassume D[i,j] = δ[i,j] d[i]", "y[i] = d[i] x[i]", "D[i,j] = D[j,i]",
             "D[i,K] D[K,j] = δ[i,j] d[i]^2", make=lambda r, n: (lambda d: {"d": d,
             "D": np.diag(d)})(r.normal(size=n("d")))),
    document("commuting", "assume A[i,K] B[K,j] = B[i,K] A[K,j]", "A[i,K] B[K,L] B[L,j] = B[i,K] B[K,L] A[L,j]",
             make=lambda r, n: (lambda A: {"A": A, "B": A @ A - 2 * A + np.eye(len(A))})(r.normal(size=n("A")))),
    document("without a trace", "assume A[I,I] = 0", "(A[i,j] + c δ[i,j]) δ[i,j] 1[i,j] = δ[i,j] (A[i,i] + c)",
             "sum[I](A[I,I] + c) = |I| c",
             make=lambda r, n: {"A": (lambda A: A - np.eye(len(A)) * np.trace(A) / len(A))(r.normal(size=n("A")))}),
    document("signs", "assume s[i]^2 = 1", "s[i]^3 = s[i]", "abs(s[i]) = 1", "s[i] (s[i] + a[i]) = 1 + s[i] a[i]",
             make=lambda r, n: {"s": r.choice([-1.0, 1.0], n("s"))}),
    # without assumptions
    document("dense", "Z[n,j] = X[n,K] W[K,j] + b[j]\nL = 1/2 (Z[N,J] - Y[N,J])^2", "dZ[n,j]/dX[m,p] = δ[n,m] W[p,j]",
             "dZ[n,j]/dW[p,q] = X[n,p] δ[j,q]", "dZ[n,j]/db[q] = δ[j,q]", "dW[p,q] = X[N,p] (Z[N,q] - Y[N,q])",
             "db[q] = sum[N](Z[N,q] - Y[N,q])", "dL/db[p]db[q] = |Y.0| δ[p,q]"),
    document("activations", "A[n,j] = tanh(Z[n,j])\nB[n,j] = sigmoid(Z[n,j])\nC[n,j] = softplus(Z[n,j])",
             "dA[n,j]/dZ[m,k] = δ[n,m] δ[j,k] (1 - A[n,j]^2)", "dB[n,j]/dZ[m,k] = δ[n,m] δ[j,k] B[n,j] (1 - B[n,j])",
             "dC[n,j]/dZ[m,k] = δ[n,m] δ[j,k] B[n,j]", "B[n,j] = 1/2 (1 + tanh(Z[n,j]/2))",
             "C[n,j] = log(1 + exp(Z[n,j]))"),
    document("least squares", "e[n] = y[n] - X[n,K] w[K]\nf = e[N]^2 / |N| + l w[K]^2",
             "df/dw[k] = -2/|n| e[N] X[N,k] + 2 l w[k]", "df/dl = w[K]^2",
             "df/dw[j]dw[k] = 2/|n| X[N,j] X[N,k] + 2 l δ[j,k]"),
    document("attention", "a[q,k] = Q[q,D] M[k,D]\nS[q,k] = exp(a[q,k]) / sum[J](exp(a[q,J]))\nO[q,d] = S[q,K] V[K,d]",
             "dO[q,d]/dV[k,e] = S[q,k] δ[d,e]", "sum[K](S[q,K]) = 1 1[q]",
             "dO[q,d]/dM[k,e] = S[q,k] (V[k,d] - O[q,d]) Q[q,e]"),
    document("layer norm", "m[n] = mean[K](x[n,K])\nv[n] = mean[K]((x[n,K] - m[n])^2)\n"
             "h[n,k] = (x[n,k] - m[n]) / sqrt(v[n] + 1)", "mean[K](h[n,K]) = 0 1[n]",
             "v[n] = mean[K](x[n,K]^2) - m[n]^2",
             "dv[n]/dx[p,k] = 2/|k| δ[n,p] (x[n,k] - m[n])", "dm[n]/dx[p,k] = δ[n,p] / |k|"),
    document("windows", "y[i] = x[i+J] w[J]\nL = y[I] u[I]", "dy[i]/dw[j] = x[i+j]", "dL/dw[j] = u[I] x[I+j]"),
    document("guarded", "y[i] = sum[J](1[J <= i] x[J])\nL = y[I]^2", "dy[i]/dx[j] = 1[j <= i]",
             "dx[j] = sum[I](2 1[j <= I] y[I])",
             "y[i] = sum[J](x[J]) - sum[J](1[J > i] x[J])"),
    document("pairs", "E = sum[I,J](1[I < J] (x[I] - x[J])^2)", "E = 1/2 sum[I,J]((x[I] - x[J])^2)",
             "dx[i] = 2 |i| x[i] - 2 sum[J](x[J]) 1[i]", "E = |I| x[I]^2 - sum[I](x[I])^2"),
    document("products", "y = prod[I](1 + x[I])\nassume 1[x[i] > -1] = 1", "y = exp(sum[I](log(1 + x[I])))",
             make=lambda r, n: {"x": r.uniform(0, 2, n("x"))}),
    document("log sums", "f = logsumexp[K](a x[K] + b)", "f = b + logsumexp[K](a x[K])",
             "df/dx[k] = a exp(a x[k] + b - f)",
             "df/db = 1", "exp(f) = exp(b) sum[K](exp(a x[K]))"),
    document("hinge", "m[n,c] = max(0, s[n,c] - s[n,t[n]] + 1)\nL = 1/|N| sum[N,C](1[C != t[N]] m[N,C])",
             "dL/dm[n,c] = 1/|n| 1[c != t[n]]",
             "dL/ds[n,c] = 1/|n| (1[c != t[n]] 1[m[n,c] > 0] - 1[c == t[n]] sum[K](1[K != t[n]] 1[m[n,K] > 0]))"),
    document("relu", "a[n,j] = relu(z[n,j])", "da[n,j]/dz[m,k] = δ[n,m] δ[j,k] 1[z[n,j] > 0]",
             "a[n,j] = max(0, z[n,j])",
             "a[n,j] = 1/2 (z[n,j] + abs(z[n,j]))", "a[n,j] - relu(-z[n,j]) = z[n,j]"),
    document("traces", "T = A[I,J] B[J,K] C[K,I]", "T = C[K,I] A[I,J] B[J,K]", "dT/dB[j,k] = A[I,j] C[k,I]",
             "T = B[J,K] C[K,I] A[I,J]"),
    document("outer", "M[i,j] = a[i] b[j]", "M[I,I] = a[I] b[I]", "M[I,J] M[I,J] = (a[I]^2) (b[J]^2)",
             "M[i,J] c[J] = a[i] (b[J] c[J])",
             "dM[i,j]/da[k] = δ[i,k] b[j]"),
    document("gates", "h[j] = sigmoid(g[j]) tanh(c[j]) + (1 - sigmoid(g[j])) r[j]",
             "dh[j]/dg[k] = δ[j,k] sigmoid(g[j]) (1 - sigmoid(g[j])) (tanh(c[j]) - r[j])",
             "dh[j]/dc[k] = δ[j,k] sigmoid(g[j]) (1 - tanh(c[j])^2)",
             "h[j] = r[j] + sigmoid(g[j]) (tanh(c[j]) - r[j])"),
    document("gaussian", "p[n] = exp(-1/2 (x[n] - m)^2 / s^2) / (s sqrt(2 pi))\nl = sum[N](log(p[N]))",
             "dl/dm = sum[N]((x[N] - m) / s^2)", "dl/ds = sum[N]((x[N] - m)^2 / s^3 - 1/s)",
             make=lambda r, n: {"s": r.uniform(0.5, 2)}),
    document("gelu", "y[i] = 1/2 x[i] (1 + erf(x[i] / sqrt(2)))",
             "dy[i]/dx[j] = δ[i,j] (1/2 (1 + erf(x[i] / sqrt(2))) + x[i] exp(-x[i]^2 / 2) / sqrt(2 pi))"),
)  # fmt: skip
