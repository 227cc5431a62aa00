"""Quotients, logarithms and roots of exponentials as people spell them: a row is a program with the scalar L of z, and
the same in mpmath, of a list of three numbers."""

# ruff: noqa: B905, E501
import numpy as np
from mpmath import mp, mpf

ARRAYS = {
    "V": np.array([0.3, -1.2, 0.5]), "w": np.array([0.25, 1.0, 2.0]), "y": np.array([1.0, -1.0, 1.0]),
    "m": np.array([1.0, 0.0, 1.0]), "x": np.array(0.5), "b": np.array(1.5),
    "A": np.array([[0.5, -0.2, 0.1], [0.3, 0.4, -0.6], [-0.7, 0.2, 0.9]]),
}  # fmt: skip
v, w, y, m = ([mpf(float(entry)) for entry in ARRAYS[name]] for name in "Vwym")
a = [[mpf(float(entry)) for entry in row] for row in ARRAYS["A"]]
RANGE = range(3)
exp, log = mp.exp, mp.log


def softmax(z):
    powers = [exp(t) for t in z]
    total = sum(powers)
    return [t / total for t in powers]


def lse(z):
    return log(sum(exp(t) for t in z))


def scaled_in_turn(z):
    rows = [[p * share for share in softmax([t * entry for entry in row])] for p, t, row in zip(w, z, a)]
    totals = [sum(row[j] for row in rows) for j in RANGE]
    return [[share / total for share, total in zip(row, totals)] for row in rows]


def weighed(exponents, values):
    return sum(p * q for p, q in zip(values, softmax(exponents)))


ROWS = {
    "kernels far from all centres": (  # no exponential in which it is near any of them is more than nothing
        "d[n,i] = (z[n] - V[i])^2\nK[n,i] = exp(-d[n,i] / 2)\nm[n] = K[n,I] y[I] / sum[J](K[n,J])\nL = w[N] m[N]",
        lambda z: sum(r * weighed([-((t - c) ** 2) / 2 for c in v], y) for r, t in zip(w, z)),
    ),
    "a geometric mean over the mean": (
        "L = prod[K](exp(z[K]))^(1/|K|) / mean[K](exp(z[K]))",
        lambda z: exp(sum(z) / 3 - lse(z)) * 3,
    ),
    "the logarithm of a product": (
        "g = prod[K](w[K] exp(z[K]))\nL = log(g)^2",
        lambda z: (sum(z) + log(w[0] * w[1] * w[2])) ** 2,
    ),
    "a kernel divided by a norm": (
        "K[n,i] = exp(-(z[n] - V[i])^2)\nL = sum[N](w[N] K[N,I] y[I] / sqrt(sum[J](K[N,J]^2)))",
        lambda z: sum(
            r
            * weighed([-((t - c) ** 2) for c in v], y)
            / mp.sqrt(sum(p**2 for p in softmax([-((t - c) ** 2) for c in v])))
            for r, t in zip(w, z)
        ),
    ),
    "rows and columns scaled in turn": (
        "K[i,j] = exp(z[i] A[i,j])\nu[i] = w[i] / sum[J](K[i,J])\nv[j] = 1 / (K[I,j] u[I])\n"
        "P[i,j] = u[i] K[i,j] v[j]\nL = P[I,J] A[I,J]",
        lambda z: sum(entry * weight for row, by in zip(a, scaled_in_turn(z)) for entry, weight in zip(row, by)),
    ),
    "logarithms and roots of a softplus": (
        "L = w[K] log(softplus(z[K])) + V[K] sqrt(softplus(z[K])) + z[K] / softplus(z[K])^(1/4)",
        lambda z: sum(
            p * log(mp.log1p(exp(t))) + q * mp.sqrt(mp.log1p(exp(t))) + t / mp.log1p(exp(t)) ** mpf(0.25)
            for p, q, t in zip(w, v, z)
        ),
    ),
    "a norm of its exponent": (
        "s = sum[I](abs(V[I])^z[0])\nL = s^(1 / z[0]) + V[K] z[K]",
        lambda z: sum(abs(p) ** z[0] for p in v) ** (1 / z[0]) + sum(p * q for p, q in zip(v, z)),
    ),
    "powers of two": (
        "S[k] = 2^z[k] / sum[J](2^z[J])\nL = V[K] S[K]",
        lambda z: sum(p * q for p, q in zip(v, softmax([t * log(2) for t in z]))),
    ),
    "powers of ten": (
        "S[k] = 10^z[k] / sum[J](10^z[J])\nL = V[K] S[K]",
        lambda z: sum(p * q for p, q in zip(v, softmax([t * log(10) for t in z]))),
    ),
    "powers of two, named": (
        "E[k] = 2^z[k]\ns = sum[K](E[K])\nS[k] = E[k]/s\nL = V[K] S[K]",
        lambda z: sum(p * q for p, q in zip(v, softmax([t * log(2) for t in z]))),
    ),
    "powers of a parameter": (
        "S[k] = b^z[k] / sum[J](b^z[J])\nL = V[K] S[K]",
        lambda z: sum(p * q for p, q in zip(v, softmax([t * log(mpf(1.5)) for t in z]))),
    ),
    "binary logarithm of a sum of powers of two": (
        "L = log(sum[K](2^z[K])) / log(2)",
        lambda z: lse([t * log(2) for t in z]) / log(2),
    ),
    "a weighted logarithm, named": (
        "E[k] = w[k] exp(z[k])\ns = sum[K](E[K])\nL = log(s)",
        lambda z: log(sum(p * exp(t) for p, t in zip(w, z))),
    ),
    "a weighted softmax in four lines": (
        "E[k] = exp(z[k])\nU[k] = w[k] E[k]\ns = sum[K](U[K])\nP[k] = U[k]/s\nL = V[K] P[K]",
        lambda z: sum(q * (p * exp(t) / sum(r * exp(s) for r, s in zip(w, z))) for p, t, q in zip(w, z, v)),
    ),
    "a weighted mean in three lines": (
        "E[k] = exp(z[k])\nn = w[K] V[K] E[K]\ns = w[K] E[K]\nL = n / s",
        lambda z: sum(q * (p * exp(t) / sum(r * exp(s) for r, s in zip(w, z))) for p, t, q in zip(w, z, v)),
    ),
    "one and a sum": (
        "L = V[K] exp(z[K]) / (1 + sum[J](exp(z[J])))",
        lambda z: sum(p * exp(t) for p, t in zip(v, z)) / (1 + sum(exp(t) for t in z)),
    ),
    "one and a sum, named": (
        "E[k] = exp(z[k])\ns = 1 + sum[K](E[K])\nS[k] = E[k]/s\nL = V[K] S[K]",
        lambda z: sum(p * exp(t) for p, t in zip(v, z)) / (1 + sum(exp(t) for t in z)),
    ),
    "logarithm of one and a sum": (
        "L = log(1 + sum[K](exp(z[K])))",
        lambda z: log(1 + sum(exp(t) for t in z)),
    ),
    "the same, named": (
        "E[k] = exp(z[k])\ns = sum[K](E[K])\nL = log(1 + s)",
        lambda z: log(1 + sum(exp(t) for t in z)),
    ),
    "tanh written out": (
        "t[k] = (exp(z[k]) - exp(-z[k])) / (exp(z[k]) + exp(-z[k]))\nL = V[K] t[K]",
        lambda z: sum(p * mp.tanh(t) for p, t in zip(v, z)),
    ),
    "tanh of the double": (
        "t[k] = (exp(2 z[k]) - 1) / (exp(2 z[k]) + 1)\nL = V[K] t[K]",
        lambda z: sum(p * mp.tanh(t) for p, t in zip(v, z)),
    ),
    "tanh, negative exponents": (
        "t[k] = (1 - exp(-2 z[k])) / (1 + exp(-2 z[k]))\nL = V[K] t[K]",
        lambda z: sum(p * mp.tanh(t) for p, t in zip(v, z)),
    ),
    "tanh as a quotient of sinh and cosh": (
        "t[k] = sinh(z[k]) / cosh(z[k])\nL = V[K] t[K]",
        lambda z: sum(p * mp.tanh(t) for p, t in zip(v, z)),
    ),
    "tanh of named exponentials": (
        "a[k] = exp(z[k])\nb[k] = exp(-z[k])\nt[k] = (a[k] - b[k]) / (a[k] + b[k])\nL = V[K] t[K]",
        lambda z: sum(p * mp.tanh(t) for p, t in zip(v, z)),
    ),
    "mixture": (
        "L = log(sum[K](w[K] (2 pi)^-0.5 exp(-(x - z[K])^2 / 2)))",
        lambda z: log(sum(p / mp.sqrt(2 * mp.pi) * exp(-((mpf(0.5) - t) ** 2) / 2) for p, t in zip(w, z))),
    ),
    "a mixture with weights from a softmax": (
        "p[k] = exp(V[k]) / sum[J](exp(V[J]))\nN[n,k] = exp(-(V[n] - z[k])^2 / 2) / sqrt(2 pi)\nL = sum[I](log(p[K] N[I,K]))",
        lambda z: sum(
            log(sum(softmax(v)[k] * exp(-((v[i] - z[k]) ** 2) / 2) / mp.sqrt(2 * mp.pi) for k in RANGE)) for i in RANGE
        ),
    ),
    "causal attention in lines": (
        "s[q,k] = z[q] V[k] / sqrt(2)\nE[q,k] = 1[k <= q] exp(s[q,k])\nP[q,k] = E[q,k] / sum[J](E[q,J])\nO[q] = P[q,K] w[K]\nL = sum[Q](O[Q]^2)",
        lambda z: sum(
            (
                sum(exp(z[q] * v[k] / mp.sqrt(2)) * w[k] for k in range(q + 1))
                / sum(exp(z[q] * v[k] / mp.sqrt(2)) for k in range(q + 1))
            )
            ** 2
            for q in RANGE
        ),
    ),
    "a sigmoid in three lines": (
        "e[k] = exp(-z[k])\nd[k] = 1 + e[k]\np[k] = 1 / d[k]\nL = V[K] p[K]",
        lambda z: sum(p / (1 + exp(-t)) for p, t in zip(v, z)),
    ),
    "softplus": (
        "L = V[K] log(1 + exp(z[K]))",
        lambda z: sum(p * log(1 + exp(t)) for p, t in zip(v, z)),
    ),
    "softplus, sharper": (
        "L = V[K] log(1 + exp(2 z[K])) / 2",
        lambda z: sum(p * log(1 + exp(2 * t)) / 2 for p, t in zip(v, z)),
    ),
    "mish": (
        "L = sum[K](z[K] tanh(log(1 + exp(z[K]))))",
        lambda z: sum(t * mp.tanh(log(1 + exp(t))) for t in z),
    ),
    "log-cosh": (
        "L = sum[K](log(cosh(z[K] - V[K])))",
        lambda z: sum(log(mp.cosh(t - p)) for p, t in zip(v, z)),
    ),
    "log-cosh written out": (
        "L = sum[K](log((exp(z[K]) + exp(-z[K])) / 2))",
        lambda z: sum(log(mp.cosh(t)) for t in z),
    ),
    "log-cosh, named": (
        "c[k] = cosh(z[k])\nL = sum[K](log(c[K]))",
        lambda z: sum(log(mp.cosh(t)) for t in z),
    ),
    "sech": (
        "L = sum[K](V[K] / cosh(z[K]))",
        lambda z: sum(p / mp.cosh(t) for p, t in zip(v, z)),
    ),
    "sech squared": (
        "L = sum[K](V[K] / cosh(z[K])^2)",
        lambda z: sum(p / mp.cosh(t) ** 2 for p, t in zip(v, z)),
    ),
    "logistic loss of a model": (
        "f[n] = A[n,K] z[K]\nL = mean[I](log(1 + exp(-y[I] f[I])))",
        lambda z: sum(log(1 + exp(-y[i] * sum(a[i][k] * z[k] for k in RANGE))) for i in RANGE) / 3,
    ),
    "binary cross-entropy": (
        "p[k] = 1 / (1 + exp(-z[k]))\nL = -sum[K](m[K] log(p[K]) + (1 - m[K]) log(1 - p[K]))",
        lambda z: -sum(q * log(1 / (1 + exp(-t))) + (1 - q) * log(1 / (1 + exp(t))) for q, t in zip(m, z)),
    ),
    "binary cross-entropy of a sigmoid": (
        "p[k] = sigmoid(z[k])\nL = -sum[K](m[K] log(p[K]) + (1 - m[K]) log(1 - p[K]))",
        lambda z: -sum(q * log(1 / (1 + exp(-t))) + (1 - q) * log(1 / (1 + exp(t))) for q, t in zip(m, z)),
    ),
    "focal loss": (
        "p[k] = sigmoid(z[k])\nL = -sum[K]((1 - p[K])^2 log(p[K]))",
        lambda z: -sum((1 / (1 + exp(t))) ** 2 * log(1 / (1 + exp(-t))) for t in z),
    ),
    "Bradley-Terry, named": (
        "s[i] = exp(z[i])\nP[i,j] = s[i] / (s[i] + s[j])\nL = A[I,J] P[I,J]",
        lambda z: sum(a[i][j] / (1 + exp(z[j] - z[i])) for i in RANGE for j in RANGE),
    ),
    "Bradley-Terry with ties": (
        "s[i] = exp(z[i])\nT[i,j] = s[i] / (s[i] + s[j] + 0.5 sqrt(s[i] s[j]))\nL = A[I,J] T[I,J]",
        lambda z: sum(
            a[i][j] / (1 + exp(z[j] - z[i]) + mpf(0.5) * exp((z[j] - z[i]) / 2)) for i in RANGE for j in RANGE
        ),
    ),
    "product of softmaxes": (
        "P[k] = softmax[k](z[k]) softmax[k](2 z[k])\nL = V[K] P[K]",
        lambda z: sum(p * q * r for p, q, r in zip(v, softmax(z), softmax([2 * t for t in z]))),
    ),
    "normalised product": (
        "P[k] = softmax[k](z[k])\nQ[k] = softmax[k](V[k] - z[k] / 2)\nR[k] = P[k] Q[k] / (P[J] Q[J])\nL = R[K] w[K]",
        lambda z: sum(p * q for p, q in zip(w, softmax([t + s - t / 2 for s, t in zip(v, z)]))),
    ),
    "divergence of two softmaxes": (
        "P[k] = softmax[k](z[k])\nQ[k] = softmax[k](V[k])\nL = P[K] log(P[K] / Q[K])",
        lambda z: sum(p * ((t - lse(z)) - (s - lse(v))) for p, t, s in zip(softmax(z), z, v)),
    ),
    "entropy": (
        "P[k] = exp(z[k]) / sum[J](exp(z[J]))\nL = -P[K] log(P[K])",
        lambda z: -sum(p * (t - lse(z)) for p, t in zip(softmax(z), z)),
    ),
    "entropy from a partition function": (
        "E[k] = exp(z[k])\nZ = sum[K](E[K])\nL = log(Z) - sum[K](E[K] z[K]) / Z",
        lambda z: -sum(p * (t - lse(z)) for p, t in zip(softmax(z), z)),
    ),
    "log-softmax in four lines": (
        "E[k] = exp(z[k])\ns = sum[K](E[K])\nP[k] = E[k] / s\nl[k] = log(P[k])\nL = w[K] l[K]",
        lambda z: sum(q * (t - lse(z)) for q, t in zip(w, z)),
    ),
    "log-softmax by a named logarithm": (
        "E[k] = exp(z[k])\ns = sum[K](E[K])\nl = log(s)\nL = w[K] (z[K] - l)",
        lambda z: sum(q * (t - lse(z)) for q, t in zip(w, z)),
    ),
    "logarithm of a variance of exponentials": (
        "E[k] = exp(z[k])\nm = mean[K](E[K])\nv = mean[K]((E[K] - m)^2)\nL = log(v)",
        lambda z: (lambda e: (lambda mu: log(sum((t - mu) ** 2 for t in e) / 3))(sum(e) / 3))([exp(t) for t in z]),
    ),
    "relative variance of exponentials": (
        "E[k] = exp(z[k])\nm = mean[K](E[K])\nL = mean[K]((E[K] - m)^2) / m^2",
        lambda z: (lambda e: (lambda mu: sum((t - mu) ** 2 for t in e) / 3 / mu**2)(sum(e) / 3))([exp(t) for t in z]),
    ),
    "cosine of exponentials": (
        "E[k] = exp(z[k])\nL = E[K] w[K] / sqrt(sum[J](E[J]^2))",
        lambda z: sum(exp(t) * q for t, q in zip(z, w)) / mp.sqrt(sum(exp(2 * t) for t in z)),
    ),
    "exponentials over their norm": (
        "E[k] = exp(z[k])\nn = sqrt(sum[K](E[K]^2))\nU[k] = E[k] / n\nL = V[K] U[K]",
        lambda z: sum(exp(t) * q for t, q in zip(z, v)) / mp.sqrt(sum(exp(2 * t) for t in z)),
    ),
    "a chain of sums over paths": (
        "a0[i] = exp(z[i])\na1[j] = a0[I] exp(A[I,j] + z[j])\na2[j] = a1[I] exp(A[I,j] + z[j])\nL = log(sum[J](a2[J]))",
        lambda z: log(sum(exp(z[i] + a[i][j] + z[j] + a[j][k] + z[k]) for i in RANGE for j in RANGE for k in RANGE)),
    ),
    "the same chain in logarithms": (
        "a0[i] = z[i]\na1[j] = log(sum[I](exp(a0[I] + A[I,j]))) + z[j]\na2[j] = log(sum[I](exp(a1[I] + A[I,j]))) + z[j]\nL = log(sum[J](exp(a2[J])))",
        lambda z: log(sum(exp(z[i] + a[i][j] + z[j] + a[j][k] + z[k]) for i in RANGE for j in RANGE for k in RANGE)),
    ),
    "a normalised forward recursion": (
        "a0[i] = exp(z[i]) / sum[J](exp(z[J]))\nb1[j] = a0[I] exp(A[I,j] z[j])\ns1 = sum[J](b1[J])\na1[j] = b1[j] / s1\nL = log(s1) + V[J] a1[J]",
        lambda z: (lambda b: log(sum(b)) + sum(q * t for q, t in zip(v, b)) / sum(b))(
            [sum(softmax(z)[i] * exp(a[i][j] * z[j]) for i in RANGE) for j in RANGE]
        ),
    ),
    "softmax with noise at a temperature": (
        "S[k] = exp((z[k] + V[k]) / 0.5) / sum[J](exp((z[J] + V[J]) / 0.5))\nL = w[K] S[K]",
        lambda z: sum(q * p for q, p in zip(w, softmax([(t + s) / mpf(0.5) for t, s in zip(z, v)]))),
    ),
    "one against weighted others": (
        "L = -sum[I](log(exp(z[I]) / (exp(z[I]) + sum[J](1[J != I] w[J] exp(z[J])))))",
        lambda z: -sum(z[i] - log(exp(z[i]) + sum(w[j] * exp(z[j]) for j in RANGE if j != i)) for i in RANGE),
    ),
    "differences to the first": (
        "L = log(1 + sum[J](exp(z[J] - z[0])))",
        lambda z: log(1 + sum(exp(t - z[0]) for t in z)),
    ),
    "smooth max": (
        "L = sum[K](z[K] exp(z[K])) / sum[K](exp(z[K]))",
        lambda z: sum(t * p for t, p in zip(z, softmax(z))),
    ),
    "risk sets": (
        "r[i] = sum[J](1[V[J] >= V[i]] exp(z[J]))\nL = -sum[I](m[I] (z[I] - log(r[I])))",
        lambda z: -sum(m[i] * (z[i] - log(sum(exp(z[j]) for j in RANGE if v[j] >= v[i]))) for i in RANGE),
    ),
    "kernel regression": (
        "k[i] = exp(-(z[i] - x)^2 / 0.02)\nL = k[I] w[I] / sum[J](k[J])",
        lambda z: sum(q * p for q, p in zip(w, softmax([-((t - mpf(0.5)) ** 2) / mpf(0.02) for t in z]))),
    ),
    "Fermi occupation": (
        "L = sum[K](w[K] / (exp((z[K] - 0.3) / 0.1) + 1))",
        lambda z: sum(q / (exp((t - mpf(0.3)) / mpf(0.1)) + 1) for q, t in zip(w, z)),
    ),
    "exponential over itself and a weight": (
        "L = sum[K](V[K] exp(z[K]) / (exp(z[K]) + w[K]))",
        lambda z: sum(p * exp(t) / (exp(t) + q) for p, q, t in zip(v, w, z)),
    ),
    "logistic curve with a weight": (
        "L = sum[K](V[K] / (1 + w[K] exp(-z[K])))",
        lambda z: sum(p / (1 + q * exp(-t)) for p, q, t in zip(v, w, z)),
    ),
    "logistic growth": (
        "L = sum[K](V[K] w[K] exp(z[K]) / (w[K] + V[K]^2 (exp(z[K]) - 1)))",
        lambda z: sum(p * q * exp(t) / (q + p * p * (exp(t) - 1)) for p, q, t in zip(v, w, z)),
    ),
    "logarithm of a weighted mean": (
        "L = log(sum[K](w[K] exp(z[K])) / sum[K](exp(z[K])))",
        lambda z: log(sum(q * exp(t) for q, t in zip(w, z))) - lse(z),
    ),
    "effective sample size": (
        "L = sum[K](exp(z[K]))^2 / sum[K](exp(2 z[K]))",
        lambda z: sum(exp(t) for t in z) ** 2 / sum(exp(2 * t) for t in z),
    ),
    "experts mixed by a softmax": (
        "g[k] = exp(z[k]) / sum[J](exp(z[J]))\no[n] = g[K] A[n,K]\nL = mean[I]((o[I] - y[I])^2)",
        lambda z: sum((sum(p * a[i][k] for k, p in enumerate(softmax(z))) - y[i]) ** 2 for i in RANGE) / 3,
    ),
    "a scaled kernel": (
        "K[i,j] = exp(-z[i] A[i,j])\nu[i] = 1 / sum[J](K[i,J])\nP[i,j] = u[i] K[i,j]\nL = P[I,J] A[I,J]",
        lambda z: sum(a[i][j] * softmax([-z[i] * a[i][l] for l in RANGE])[j] for i in RANGE for j in RANGE),
    ),
    "softmax with an epsilon below": (
        "E[k] = exp(z[k])\nS[k] = E[k] / (sum[J](E[J]) + 1e-8)\nL = V[K] S[K]",
        lambda z: sum(p * exp(t) for p, t in zip(v, z)) / (sum(exp(t) for t in z) + mpf(10) ** -8),
    ),
    "logarithm of a softmax and an epsilon": (
        "S[k] = softmax[k](z[k])\nL = -sum[K](w[K] log(S[K] + 1e-8))",
        lambda z: -sum(q * log(p + mpf(10) ** -8) for q, p in zip(w, softmax(z))),
    ),
    "a root over its square": (
        "L = sum[K](sqrt(1 + exp(z[K])) / (1 + exp(z[K])))",
        lambda z: sum(1 / mp.sqrt(1 + exp(t)) for t in z),
    ),
    "odds": (
        "o[k] = exp(z[k])\np[k] = o[k] / (1 + o[k])\nL = sum[K](V[K] log(p[K]) + w[K] log(1 - p[K]))",
        lambda z: sum(q * -log(1 + exp(-t)) + r * -log(1 + exp(t)) for q, r, t in zip(v, w, z)),
    ),
    "difference of two sigmoids": (
        "p[k] = 1 / (1 + exp(z[0] - V[k])) - 1 / (1 + exp(z[1] - V[k] + 1))\nL = w[K] p[K]",
        lambda z: sum(q * (1 / (1 + exp(z[0] - s)) - 1 / (1 + exp(z[1] - s + 1))) for q, s in zip(w, v)),
    ),
    "softmax cubed": (
        "S[k] = (exp(z[k]) / sum[J](exp(z[J])))^3\nL = V[K] S[K]",
        lambda z: sum(q * p**3 for q, p in zip(v, softmax(z))),
    ),
    "softmax squared and normalised again": (
        "P[k] = softmax[k](z[k])\nQ[k] = P[k]^2 / sum[J](P[J]^2)\nL = V[K] Q[K]",
        lambda z: sum(q * p for q, p in zip(v, softmax([2 * t for t in z]))),
    ),
    "a product of exponentials": (
        "E[k] = w[k] exp(z[k])\nL = prod[K](E[K])",
        lambda z: w[0] * w[1] * w[2] * exp(sum(z)),
    ),
}
