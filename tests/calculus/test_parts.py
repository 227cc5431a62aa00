"""Forward values named as parts of products and sums: what is found, and what is left as it is."""

import pytest

import einstan as es
from einstan.language import written

# program, of, wrt, the derived equation
NAMED = [
    ("R[n] = x[n] / s[n]\ny[n] = R[n]^2", "y", "s", "dy[n]/ds[m] = -2 δ[n,m] y[n] / s[n]"),
    (
        "s[n] = sum[J](X[n,J])\nR[n,j] = X[n,j] / s[n]", "R", "X",
        "dR[n,j]/dX[m,q] = δ[n,m] (δ[j,q] - R[n,j]) / s[n]",
    ),
    ("f = sum[I](abs(x[I])^3)^(1/3)", "f", "x", "df/dx[i] = x[i] abs(x[i]) / f^2"),
    (
        "P[c] = softmax[c](z[c])\nH = -P[C] log(P[C])", "H", "z",
        "dH/dz[c] = P[c] (P[C] z[C] - z[c])",
    ),
    (  # what the definition sums to
        "P[c] = softmax[c](z[c])\nL = t - P[C] w[C]", "L", "z",
        "dL/dz[c] = P[c] (P[C] w[C] - w[c])",
    ),
    (
        "m[n] = mean[J](X[n,J])\nM[n,j] = X[n,j] - m[n]\nv[n] = mean[J](M[n,J]^2)", "v", "X",
        "dv[n]/dX[m,j] = 2 M[n,j] δ[n,m] / |j|",
    ),
    ("c = x[I] y[I] / (a b)\nL = c^2", "L", "a", "dL/da = -2 L / a"),
    # the same sum under two letters
    ("q = x[I] A[I,J] x[J]", "q", "x", "dq/dx[i] = x[J] (A[i,J] + A[J,i])"),
    ("y = a sum[I](x[I])\nz = a (y + x[I] w[I] - a y)", "z", "a", "dz/da = y (2 - 3 a) + x[I] w[I]"),
    # letters of their own, where that saves an explicit sum
    (
        "S[c] = softmax[c](z[c] / t)", "S", "t",
        "dS[c]/dt = S[c] (S[C] z[C] - z[c]) / t^2",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("text", "of", "wrt", "expected"), NAMED, ids=[row[-1] for row in NAMED])
def test_named(text, of, wrt, expected):
    (equation,) = es.Program(text).partial(of, wrt).equations
    assert str(equation) == expected
    assert written(expected) is equation


LEFT = [
    # x^p / x has no value at zero, where x^(p - 1) has one
    ("y[i] = x[i]^p", "y", "x", "dy[i]/dx[q] = p x[i]^(p - 1) δ[i,q]"),
    # a root has no value where its radicand is negative
    (
        "r = sqrt(a b + c d + e)\ny = (a b + c d + e)^2", "y", "a",
        "dy/da = 2 (a b + c d + e) b",
    ),
    # nor has a reciprocal at zero
    ("r = 1 / (a b + c d + e)\ny = (a b + c d + e)^3", "y", "a", "dy/da = 3 (a b + c d + e)^2 b"),
    # an index that is summed elsewhere too does not make a whole
    ("s[n] = sum[J](X[n,J] W[J])\ny = X[N,J] W[J] V[J] U[N]", "y", "U", "dy/dU[n] = X[n,J] W[J] V[J]"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "of", "wrt", "expected"), LEFT, ids=[row[-1] for row in LEFT])
def test_left_as_it_is(text, of, wrt, expected):
    (equation,) = es.Program(text).partial(of, wrt).equations
    assert str(equation) == expected


def test_no_letter_of_an_index_is_the_name_of_a_scalar():
    program = es.Program("s = sum[I](abs(x[I])^p)\nf = s^(1/p)")
    first = program.partial("f", "x")
    (second,) = first.partial("df/dx", "x").equations
    assert [index.name for index in second.indices] == ["i", "q"]
    assert written(str(second)) is second
    (gradient,) = es.Program("y = i sum[I](x[I]^2)").backward("y", ["x"]).equations
    assert str(gradient) == "dx[p] = 2 i x[p]"


def test_the_mean_that_has_a_name_is_taken_away():
    program = es.Program("O[d] = softmax[K](q[E] M[K,E]) V[K,d]\nL = O[D] c[D]")
    *_, last = str(program.backward("L", ["q"])).splitlines()
    assert last == "dq[e] = sum[D,K](softmax[K](q[E] M[K,E]) M[K,e] dO[D] (V[K,D] - O[D]))"
