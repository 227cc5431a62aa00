"""Quotients and logarithms of exponentials, however they are spelled and named: finite and right wherever the
mathematics is, against 120 digits; NumPy's warnings are errors."""

import warnings

import numpy as np
import pytest
from mpmath import mp, mpf

import einstan as es

N = 3
Z = np.array([1000.0, 1.0, 2.0])
LOW = np.array([-900.0, 1.0, -1200.0])
V = np.array([0.3, -1.2, 0.5])
W = np.array([0.0, 1.0, 2.0])


def exp(z):
    return [mp.exp(v) for v in z]


def mean_of(weights, values):
    return sum(w * v for w, v in zip(weights, values, strict=True)) / sum(weights)


def weighted(z):
    return [w * mp.exp(v) for w, v in zip(W, z, strict=True)]


def balanced(K):
    u = [1 / sum(row) for row in K]
    v = [1 / sum(row[j] * a for row, a in zip(K, u, strict=True)) for j in range(N)]
    return sum(V[i] * u[i] * K[i][j] * v[j] * W[j] for i in range(N) for j in range(N))


# text with the scalar L of z; the same in mpmath
ROWS = {
    "a softmax of weights": ("S[k] = w[k] exp(z[k]) / sum[J](w[J] exp(z[J]))\nL = V[K] S[K]",
                             lambda z: mean_of(weighted(z), V)),
    "its exponentials named": ("E[k] = exp(z[k])\nA[k] = E[k] / sum[J](E[J])\nL = V[K] A[K]",
                               lambda z: mean_of(exp(z), V)),
    "their sum too": ("E[k] = exp(z[k])\ns = sum[K](E[K])\nA[k] = E[k] / s\nL = V[K] A[K]",
                      lambda z: mean_of(exp(z), V)),
    "products named": ("E[k] = exp(z[k])\nU = E[K] V[K]\nt = sum[K](E[K])\nL = U / t", lambda z: mean_of(exp(z), V)),
    "a mask named": ("M[k] = 1[w[k] > 0]\nS[k] = M[k] exp(z[k]) / sum[J](M[J] exp(z[J]))\nL = V[K] S[K]",
                     lambda z: mean_of([0, *exp(z)[1:]], V)),
    "attention": ("L = sum[K](exp(z[K]) V[K]) / sum[K](exp(z[K]))", lambda z: mean_of(exp(z), V)),
    "a logarithm under a bracket": ("y[i] = log(sum[J](1[J <= i] exp(z[J]))) where |i| = |z.0|\nL = V[I] y[I]",
                                    lambda z: sum(V[i] * mp.log(sum(exp(z[: i + 1]))) for i in range(N))),
    "a logarithm of weights": ("L = log(sum[K](w[K] exp(z[K])))", lambda z: mp.log(sum(weighted(z)))),
    "a mixture": ("l[k] = -(z[k] - 3)^2 / 2\nN[k] = exp(l[k])\nL = log(sum[K](w[K] N[K]))",
                  lambda z: mp.log(sum(w * mp.exp(-((v - 3) ** 2) / 2) for w, v in zip(W, z, strict=True)))),
    "free energy": ("L = -0.01 log(sum[K](exp(-z[K] / 0.01)))",
                    lambda z: -mpf(0.01) * mp.log(sum(mp.exp(-v / mpf(0.01)) for v in z))),
    "cross-entropy in three lines": (
        "E[k] = exp(z[k])\ns = sum[K](E[K])\nS[k] = E[k] / s\nL = -sum[K](w[K] log(S[K]))",
        lambda z: -sum(w * (v - mp.log(sum(exp(z)))) for w, v in zip(W, z, strict=True))),
    "one against the others": ("L = -sum[I](log(exp(z[I]) / sum[J](1[J != I] exp(z[J]))))",
                               lambda z: -sum(z[i] - mp.log(sum(exp([*z[:i], *z[i + 1 :]]))) for i in range(N))),
    "two steps of a recursion": ("A[i] = exp(z[i])\nB[j] = A[I] exp(T[I,j])\nL = log(sum[J](B[J] exp(V[J])))",
                                 lambda z: mp.log(sum(mp.exp(z[i] + 100 * i * j + V[j])
                                                      for i in range(N) for j in range(N)))),
    "a sigmoid written out": ("L = sum[K](V[K] / (1 + exp(-z[K])))",
                              lambda z: sum(v / (1 + mp.exp(-u)) for v, u in zip(V, z, strict=True))),
    "the other way": ("L = sum[K](V[K] exp(z[K]) / (1 + exp(z[K])))",
                      lambda z: sum(v / (1 + mp.exp(-u)) for v, u in zip(V, z, strict=True))),
    "of two": ("L = sum[K](exp(z[K]) / (exp(z[K]) + exp(V[K])))",
               lambda z: sum(1 / (1 + mp.exp(v - u)) for v, u in zip(V, z, strict=True))),
    "a softplus of a name": ("e[k] = exp(z[k])\nL = sum[K](log(1 + e[K]))",
                             lambda z: sum(mp.log(1 + mp.exp(v)) for v in z)),
    "log-odds": ("p[k] = sigmoid(z[k])\nL = sum[K](V[K] log(p[K] / (1 - p[K])))",
                 lambda z: sum(v * u for v, u in zip(V, z, strict=True))),
    "one more than a sum": ("L = V[K] exp(z[K]) / (1 + sum[J](exp(z[J])))",
                            lambda z: sum(v * e for v, e in zip(V, exp(z), strict=True)) / (1 + sum(exp(z)))),
    "perplexity": ("P = -mean[K](log(exp(z[K] / 100) / sum[J](exp(z[J] / 100))))\nL = exp(P)",
                   lambda z: mp.exp(-sum(v / 100 - mp.log(sum(mp.exp(u / 100) for u in z)) for v in z) / N)),
    "a mask of pairs": (
        "e[i,j] = z[i] - z[j]^2 / 100\nP[i,j] = M[i,j] exp(e[i,j]) / sum[J](M[i,J] exp(e[i,J]))\n"
        "L = V[I] P[I,J] V[J] + V[I] z[I]",
        lambda z: sum(
            V[i] * (z[i] + mean_of([mp.exp(-v * v / 100) for v in z[: i + 1]], V[: i + 1])) for i in range(N)
        ),
    ),
    "a logarithm of some shares": (
        "p[k] = softmax[k](z[k])\nL = -log(sum[K](w[K] p[K]))", lambda z: -mp.log(sum(weighted(z)) / sum(exp(z)))),
    "rows and columns scaled": (
        "K[i,j] = exp(z[i] V[j])\nu[i] = 1 / sum[J](K[i,J])\nv[j] = 1 / (K[I,j] u[I])\n"
        "L = V[I] u[I] K[I,J] v[J] w[J] + V[I] z[I]",
        lambda z: sum(V[i] * z[i] for i in range(N)) + balanced([[mp.exp(a * mpf(float(b))) for b in V] for a in z])),
    "a mean of exponentials": ("L = log(mean[K](exp(z[K])))", lambda z: mp.log(sum(exp(z)) / N)),
}  # fmt: skip
NO_HESSIAN = {"log-odds", "one more than a sum"}  # the first is zero, and the second overflows where z is large


def gradient(function, z):
    mp.dps = 2000
    h, at = mpf(10) ** -900, [mpf(float(v)) for v in z]
    moved = [[[v + s * h * (i == k) for k, v in enumerate(at)] for s in (1, -1)] for i in range(len(at))]
    return function(at), np.array([float((function(up) - function(down)) / (2 * h)) for up, down in moved])


@pytest.mark.in_turn(3)
@pytest.mark.parametrize("z", [Z, LOW, Z / 1000], ids=["large", "small", "ordinary"])
@pytest.mark.parametrize("name", ROWS)
def test_finite_and_right(name, z):
    text, function = ROWS[name]
    arrays = {"z": z, "V": V, "w": W, "T": 100.0 * np.outer(np.arange(N), np.arange(N)),
              "M": np.tril(np.ones((N, N)))}  # fmt: skip
    program = es.Program(text)
    value, slopes = gradient(function, z)
    ways = {"value": (program, "L"), "backward": (program.backward("L", ["z"]), "dz"),
            "partial": (program.partial("L", "z"), "dL/dz")}  # fmt: skip
    with warnings.catch_warnings(), np.errstate(all="warn", under="ignore"):
        warnings.simplefilter("error")
        for way, (made, of) in ways.items():
            compiled = made.compile(outputs=[of])
            found = compiled({str(k): arrays[str(k)] for k in compiled.inputs})[of]
            expected = float(value) if of == "L" else slopes
            np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-12 * np.abs(expected).max(), err_msg=way)
        if name not in NO_HESSIAN:
            hessian = program.hessian("L", "z")
            found = hessian({str(k): arrays[str(k)] for k in program.inputs}).dense()
            assert np.isfinite(found).all()


def sigmoid(z):
    return 1 / (1 + mp.exp(-z))


# what the text itself subtracts
OWN = {(name, "value") for name in ("a probability", "a small exponent", "less its arctan", "less its arcsinh")}
# text with the scalar L of z; the same in mpmath; where z stands
SHARES = {
    "one less a sigmoid": ("L = 1 / (1 + exp(z))", lambda z: 1 / (1 + mp.exp(z)), (40, 5, -3)),
    "its divisor named": ("d = 1 + exp(z)\nL = 1 / d", lambda z: 1 / (1 + mp.exp(z)), (40, 5, -3)),
    "a hyperbolic tangent written out": (
        "t = (exp(2z) - 1) / (exp(2z) + 1)\nL = t", mp.tanh, (-30, -3, 0.5)),
    "in one line": ("L = (exp(2z) - 1) / (exp(2z) + 1)", mp.tanh, (-30, -3, 0.5)),
    "cross-entropy of two": (
        "p = exp(z) / (1 + exp(z))\nq = 1 - p\nL = -(y log(p) + (1 - y) log(q))",
        lambda z: mp.log(1 + mp.exp(z)), (20, 30, 40, 900, 0.5, -30)),
    "what is left of a share": ("p = exp(z) / (1 + exp(z))\nq = 1 - p\nL = -log(q)",
                                lambda z: mp.log(1 + mp.exp(z)), (34, 900, 0.5, -30)),
    "its exponential named": ("E = exp(z)\np = E / (1 + E)\nq = 1 - p\nL = -log(q)",
                              lambda z: mp.log(1 + mp.exp(z)), (34, 40, 0.5, -30)),
    "of a sigmoid": ("p = sigmoid(z)\nq = 1 - p\nL = log(q)", lambda z: -mp.log(1 + mp.exp(z)), (37, 40, 900, -30)),
    "of a sigmoid written out": ("p = 1 / (1 + exp(-z))\nq = 1 - p\nL = log(q)",
                                 lambda z: -mp.log(1 + mp.exp(z)), (37, 40, 900, -30)),
    "two names on": ("p = sigmoid(z)\nr = p\nq = -r + 1\nL = log(q)", lambda z: -mp.log(1 + mp.exp(z)), (40, -30)),
    "a sigmoid": ("L = sigmoid(z)", sigmoid, (40, -40, 1e-8)),
    "by its name": ("p = sigmoid(z)\nq = 1 - p\nL = p q", lambda z: sigmoid(z) * sigmoid(-z), (40, -40, 1e-8)),
    "with a long argument": ("p = sigmoid(2z - 1 - z + 1)\nL = (1 - p)^2", lambda z: sigmoid(-z) ** 2, (40, -40, 0.5)),
    "a focal loss": ("p = sigmoid(z)\nL = -(1 - p)^2 log(p)",
                     lambda z: sigmoid(-z) ** 2 * mp.log(1 + mp.exp(-z)), (40, -3, 0.5)),
    "an entropy": ("p = sigmoid(z)\nL = -p log(p) - (1 - p) log(1 - p)",
                   lambda z: sigmoid(z) * mp.log1p(mp.exp(-z)) + sigmoid(-z) * mp.log1p(mp.exp(z)), (40, -40, 1e-8)),
    "odds": ("p = sigmoid(z)\nL = p / (1 - p)", mp.exp, (40, 0.5)),
    "powers of two": ("L = 2^z / (1 + 2^z)", lambda z: sigmoid(z * mp.log(2)), (60, -60)),
    "a tanh": ("L = tanh(z)", mp.tanh, (40, -5, 0.5)),
    "of exponentials": ("a = exp(z)\nb = exp(-z)\nL = (a - b) / (a + b)", mp.tanh, (300, -40, 5)),
    "of hyperbolic functions": ("L = sinh(z) / cosh(z)", mp.tanh, (300, -5)),
    "what is left of its square": ("t = tanh(z)\nL = log(1 - t^2)", lambda z: -2 * mp.log(mp.cosh(z)), (40, -300, 5)),
    "both sides of it": ("t = tanh(z)\nL = log(1 - t) + log(1 + t)", lambda z: -2 * mp.log(mp.cosh(z)), (40, -5)),
    "a probability": ("p = (1 + erf(z / sqrt(2))) / 2\nL = log(p) + log(1 - p)",
                      lambda z: mp.log(mp.ncdf(z)) + mp.log(mp.ncdf(-z)), (-3, 6, 0.5)),
    "a small exponent": ("L = log(1 - exp(-z))", lambda z: mp.log(-mp.expm1(-z)), (1e-8, 1)),
    "a share": ("L = z / (1 + z)", lambda z: z / (1 + z), (1e8, 0.5)),
    "of a name": ("d = 1 + z\nL = z / d", lambda z: z / (1 + z), (1e8, 0.5)),
    "of a root": ("L = z / sqrt(1 + z^2)", lambda z: z / mp.sqrt(1 + z * z), (1e8, -1e4, 0.5)),
    "a root": ("L = sqrt(1 + z^2)", lambda z: mp.sqrt(1 + z * z), (1e8, 0.5)),
    "of squares": ("u = z^2\nL = u / (1 + u)", lambda z: z * z / (1 + z * z), (1e8, 0.5)),
    "less its arctan": ("L = z - arctan(z)", lambda z: z - mp.atan(z), (1e-4, -1e8, 0.5)),
    "less its arcsinh": ("L = z - arcsinh(2z) / 2", lambda z: z - mp.asinh(2 * z) / 2, (1e-4, -1e8, 0.5)),
    "of sizes": ("L = z / (1 + abs(z))", lambda z: z / (1 + abs(z)), (1e8, -1e8, 0.5)),
}  # fmt: skip


@pytest.mark.parametrize("name", SHARES)
def test_nothing_that_is_nearly_equal_is_subtracted(name):
    text, function, points = SHARES[name]
    program = es.Program(text)
    ways = {"value": (program, "L"), "backward": (program.backward("L", ["z"]), "dz"), "partial":
            (program.partial("L", "z"), "dL/dz"), "hvp": (program.hvp("L", {"z": "v"}), "tdz")}  # fmt: skip
    compiled = {way: made.compile(outputs=[of]) for way, (made, of) in ways.items()}
    hessian = program.hessian("L", "z") if name not in NO_HESSIAN else None
    for z in points:
        with mp.workdps(100 + min(3 * int(abs(z)), 900)):
            expected = [float(mp.diff(function, mpf(z), n)) for n in range(3)]
        arrays = {"z": np.float64(z), "y": np.float64(0), "v": np.float64(1)}
        with warnings.catch_warnings(), np.errstate(all="warn", under="ignore"):
            warnings.simplefilter("error")
            found = {way: run({str(k): arrays[str(k)] for k in run.inputs}) for way, run in compiled.items()}
            found = {way: float(*values.values()) for way, values in found.items()}
            if hessian is not None:
                found["hessian"] = hessian({str(k): arrays[str(k)] for k in program.inputs}).dense()
        for way, value in found.items():
            truth = expected[{"value": 0, "hvp": 2, "hessian": 2}.get(way, 1)]
            if (name, way) not in OWN and truth:
                assert value == pytest.approx(truth, rel=1e-12, abs=0), (way, z)


def test_of_nothing_the_logarithm_is_minus_infinity():
    program = es.Program("L = log(sum[K](w[K] exp(z[K])))")
    with np.errstate(divide="ignore"):
        assert program.compile()(w=np.zeros(3), z=Z)["L"] == -np.inf


def test_a_weight_that_is_zero_has_a_slope():
    program = es.Program("L = log(sum[K](w[K] exp(z[K])))")
    z = np.array([3.0, 1.0, 2.0])
    total = (W * np.exp(z)).sum()
    np.testing.assert_allclose(program.backward("L", ["w"]).compile()(w=W, z=z)["dw"], np.exp(z) / total)


def test_a_long_recursion_is_not_written_out():
    lines = ["A0[i] = exp(z[i])"] + [f"A{k}[j] = A{k - 1}[I] exp(T[I,j])" for k in range(1, 40)]
    program = es.Program("\n".join([*lines, "L = log(sum[J](A39[J]))"]))
    assert max(len(str(line)) for line in program.backward("L", ["z"])) < 400


def test_what_would_be_too_long_is_run_as_it_is_written():
    net = es.Network("L = x[0] x[1] + exp(x[1] x[2]) + sin(x[0] x[3])", parameters={"x": "zeros"})
    x, update = np.array([0.5, 0.3, 0.2, 0.7]), es.Adam(0.1)
    _, moved, _ = net.value_and_grad("L").compile(update=update)({"x": x}, update.init({"x": x}))
    np.testing.assert_allclose(moved["x"], x - 0.1, rtol=1e-6)  # Adam's first step has the length of its rate
