"""Where one portion is nearly the whole, gradients and Hessians keep what the others are, against many digits."""

import numpy as np
import pytest
from mpmath import mp, mpf

import einstan as es
from einstan.calculus.stable import runnable
from tests.calculus.test_overflow import derived

V, W, X = np.array([0.3, -1.2, 0.5]), np.array([0.25, 1.0, 2.0]), np.array([0.25, -1.5])
M = np.array([1.0, 1.0, 0.0])
v, w, xs = ([mpf(float(entry)) for entry in array] for array in (V, W, X))
R = range(3)
exp, log = mp.exp, mp.log
# a share of exp(-77), what is left of the largest where its logit is not, and far beyond what a float can tell from one
POINTS = ([30.0, -47.0, 17.0], [400.0, 1.0, -300.0], [-0.5, 1.0, 0.25])
FAR = {"a mixture": ([1000.25, 999.0, 1000.5],)}  # squares of distances are large beside what is left of them


def shares(z):
    powers = [exp(u) for u in z]
    return [p / mp.fsum(powers) for p in powers]


def left(z, k):
    """1 - S[k], as the sum of the others."""
    return mp.fsum(p for j, p in enumerate(shares(z)) if j != k)


def mean(z, values=v):
    return mp.fsum(p * q for p, q in zip(shares(z), values, strict=True))


def masked(z):
    return mp.fsum(p * q for p, q in zip(shares(z[:2]), v, strict=False))


# program with the scalar L of z, the same in mpmath, and whether its Hessian keeps its digits too
ROWS = {
    "a mean": ("S[k] = softmax[k](z[k])\nL = S[K] V[K]", mean, True),
    "a mean, in four lines": (
        "E[k] = exp(z[k])\ns = sum[K](E[K])\nS[k] = E[k] / s\nL = S[K] V[K]", mean, True),
    "a mean, in one": ("L = sum[K](V[K] exp(z[K])) / sum[K](exp(z[K]))", mean, True),
    "a mean of weighted ones": (
        "P[k] = w[k] exp(z[k]) / sum[K](w[K] exp(z[K]))\nL = P[K] V[K]",
        lambda z: mean([u + log(q) for u, q in zip(z, w, strict=True)]), True),
    "a mean of masked ones": (
        "S[k] = M[k] exp(z[k]) / sum[K](M[K] exp(z[K]))\nL = S[K] V[K]", masked, True),
    "a mean of those before": (
        "S[k] = 1[k <= 1] exp(z[k]) / sum[K](1[K <= 1] exp(z[K]))\nL = S[K] V[K]", masked, True),
    "a mean at a temperature": ("S[k] = softmax[k](z[k] / 2)\nL = S[K] V[K]", lambda z: mean([u / 2 for u in z]), True),
    "beside a class without a logit": (
        "S[k] = exp(z[k]) / (1 + sum[K](exp(z[K])))\nL = S[K] V[K]",
        lambda z: mean([*z, mpf(0)], [*v, mpf(0)]), True),
    "a logarithm of a sum": ("l = logsumexp[K](z[K])\nL = l^2", lambda z: log(mp.fsum(map(exp, z))) ** 2, True),
    "a logarithm of a mean": ("S[k] = softmax[k](z[k])\nL = log(sum[K](S[K] w[K]))", lambda z: log(mean(z, w)), False),
    "what one lacks": ("S[k] = softmax[k](z[k])\nL = sum[K](w[K] (1 - S[K])^2)",
                       lambda z: mp.fsum(w[k] * left(z, k) ** 2 for k in R), False),
    "the logarithm of what one lacks": (
        "S[k] = softmax[k](z[k])\nL = sum[K](w[K] log(1 - S[K]))",
        lambda z: mp.fsum(w[k] * log(left(z, k)) for k in R), False),
    "the odds of one": (
        "S[k] = softmax[k](z[k])\nL = log(S[0] / (1 - S[0]))", lambda z: z[0] - log(exp(z[1]) + exp(z[2])), False),
    "without one": ("S[k] = softmax[k](z[k])\nL = log(1 - S[2])", lambda z: log(left(z, 2)), False),
    "a label": ("S[k] = softmax[k](z[k])\nL = -log(S[T[0]])", lambda z: -log(shares(z)[0]), True),
    "a class without a logit": (
        "S[k] = exp(z[k]) / (1 + sum[K](exp(z[K])))\nL = log(1 - sum[K](S[K]))",
        lambda z: -log(1 + mp.fsum(map(exp, z))), True),
    "a sigmoid of one entry": (
        "p = sigmoid(z[0])\nq = p (1 - p)\nL = q", lambda z: 1 / (2 + exp(z[0]) + exp(-z[0])), True),
    "a mixture": ("L = log(sum[K](w[K] exp(-(1/4 - z[K])^2 / 8)))",
                  lambda z: log(mp.fsum(w[k] * exp(-((mpf(1) / 4 - z[k]) ** 2) / 8) for k in R)), True),
    "a mixture in lines": (
        "d[n,k] = x[n] - z[k]\nr[n,k] = w[k] exp(-d[n,k]^2 / 8)\np[n] = sum[K](r[n,K])\nL = -sum[N](log(p[N]))",
        lambda z: -mp.fsum(log(mp.fsum(w[k] * exp(-((x - z[k]) ** 2) / 8) for k in R)) for x in xs), True),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_digits(name):
    text, function, curved = ROWS[name]
    program = es.Program(text)
    arrays = {"V": V, "w": W, "x": X, "M": M, "T": np.array([0])}
    for z in (*POINTS, *FAR.get(name, ())):
        with mp.workdps(900):
            _, gradient, second = derived(function, z)
        given = {**arrays, "z": np.array(z)}
        given = {n: given[n] for n in map(str, program.inputs)}
        found = {
            "partial": (program.partial("L", "z").compile()(given)["dL/dz"], gradient),
            "backward": (program.backward("L", ["z"]).compile(outputs=["dz"])(given)["dz"], gradient),
        }
        if curved:
            found["Hessian"] = program.hessian("L", "z")(given).dense(), second
            product = program.hvp("L", {"z": "D"}).compile(outputs=["tdz"])
            found["hvp"] = product({**given, "D": np.ones(3)})["tdz"], second.sum(1)
        for way, (have, want) in found.items():
            size = max(np.abs(second if way == "hvp" else want).max(), 1e-290)
            assert np.abs(have - want).max() <= 1e-12 * size, (z, way, have, want)


def test_a_step_through_attention_makes_no_array_of_queries_keys_and_features():
    program = es.Program("S[q,k] = softmax[k](Q[q,D] M[k,D])\nO[q,d] = S[q,K] V[K,d]\nL = O[Q,D]^2")
    plan = program.backward("L").plan({"Q.0": 64, "M.0": 64, "Q.1": 32, "V.1": 32})
    assert plan.largest_intermediate <= 64 * 64


def test_what_is_no_number_stays_so():
    program = es.Program("S[k] = softmax[k](z[k])\nL = sum[K](V[K] (1 - S[K]))")
    z = np.array([np.inf, 0.0, 1.0])
    with np.errstate(all="ignore"):
        found = program.partial("L", "z").compile()(z=z, V=V)["dL/dz"]
    assert not np.isfinite(found).any()


def test_a_softmax_is_one_tensor_whatever_its_letters():
    """Logits with a name of their own, and what reads their cotangent in other letters: it is taken apart once."""
    program = es.Program("""
        Q[b,a,t,e] = X[b,t,D] W[D,a,e]
        M[b,a,t,e] = X[b,t,D] U[D,a,e]
        Z[b,a,t,u] = Q[b,a,t,E] M[b,a,u,E] / sqrt(|E|)
        P[b,a,t,u] = softmax[u](Z[b,a,t,u] + log(1[u <= t]))
        O[b,a,t,e] = P[b,a,t,U] M[b,a,U,e]
        G[b,a,t,e] = silu(O[b,a,t,e])
        L = G[B,A,T,E]^2
    """)
    gradient = program.backward("L", ["W", "U"])
    names = [str(line.name) for line in runnable(gradient._for(["dW", "dU"]))]
    assert [name for name in names if name.startswith(("share", "large", "off"))] == ["large1", "off1"]


def test_a_single_entry_of_a_softmax_beside_a_sum():
    program = es.Program("Z[i,j] = softmax[i](u[i,j] + x w[i]) sum[M](y[M])\nL = erfc(Z[0,0])")
    arrays = {"u": np.array([[1.0], [0.5]]), "x": 1.25, "w": np.array([-1.25, 0.5]), "y": np.array([0.5, 1.0])}
    found = program.backward("L", ["u"]).compile(outputs=["du"])(arrays)["du"][:, 0]
    z = np.exp(arrays["u"][:, 0] + 1.25 * arrays["w"])
    share = z / z.sum()
    slope = -2 / np.sqrt(np.pi) * np.exp(-((1.5 * share[0]) ** 2)) * 1.5
    np.testing.assert_allclose(found, slope * share[0] * (np.eye(2)[0] - share), rtol=1e-12)
