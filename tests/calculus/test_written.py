"""Derived lines as a person would write them, each with what the form before said and what it must not say."""

import re

import numpy as np
import pytest

import einstan as es
from einstan.calculus.written import as_written

FORMS = {
    "a number inside": ("y = a (-1) b", "y = -a b"),
    "numbers that meet": ("y[p] = 1/2 (4 u[p] - 2 v[p])", "y[p] = 2 u[p] - v[p]"),
    "numbers that meet in a product": ("y[p] = 1/2 w[p] (4 u[p] - 2 v[p])", "y[p] = w[p] (2 u[p] - v[p])"),
    "fractions": ("y = 6 (1/2 a + 1/3 b)", "y = 3 a + 2 b"),
    "nothing in common": ("y = 1/2 (4 a - 3 b)", "y = 1/2 (4 a - 3 b)"),
    "a negative power alone": ("y = s^-2", "y = 1 / s^2"),
    "a negative power in a term": ("y = a + 2 b s^-3", "y = a + 2 b / s^3"),
    "one denominator": ("y = a / b / sqrt(c)", "y = a / (b sqrt(c))"),
    "no number": ("y = a / b", "y = a / b"),
    "zero": ("y = 2 (a - a)", "y = 2 (a - a)"),
    "roots of numbers": ("y = a sqrt(pi) sqrt(2)", "y = a sqrt(2 pi)"),
    "roots of numbers below": ("y = a / (sqrt(pi) sqrt(2))", "y = a / sqrt(2 pi)"),
    "a bracket that says nothing": ("y = 1[I + |I|/2 >= 1/2 |I|] x[I]", "y = x[I]"),
    "a bracket that says something": ("y = 1[I + 1 < |I|] x[I]", "y = 1[I+1 < |I|] x[I]"),
    "two brackets": ("y = sum[I,J](1[J <= I] 1[I - J != 0] x[I] x[J])", "y = sum[I,J](1[J < I] x[I] x[J])"),
    "two brackets the other way": ("y = 1[J >= I] 1[J != I] x[I] x[J]", "y = 1[J > I] x[I] x[J]"),
    "an exponential of a logarithm": ("y[i] = exp(a x[i] + logsumexp[K](x[K]))", "y[i] = sum[K](exp(a x[i] + x[K]))"),
}


@pytest.mark.parametrize(("text", "written"), FORMS.values(), ids=FORMS)
def test_what_is_written(text, written):
    equation = es.parse(text)
    rhs = as_written(equation.rhs)
    made = es.Equation(equation.name, equation.indices, rhs)
    assert str(made) == written
    assert as_written(rhs) is rhs
    values = {name: np.array([1.25, 0.5]) if rank else 1.5 for name, rank in equation.program.inputs.items()}
    np.testing.assert_allclose(made(**values), equation(**values))


PASSES = {
    "a direction of what is read with a longer axis": "e[i] = b[J,i] y[J] + v[i]\nS[i] = sum[N](1[N >= i] e[N]) "
    "where |i| = |e.0|\nL = max[J](S[J])",
    "gather": "S[n,p] = softmax[p](Z[n,p])\nL = -1/|N| sum[N](log(S[N,T[N]]))",
    "powers of distances": "D[n,m] = sqrt((X[n,K] - Y[m,K])^2)\nL = sum[N,M](1 / D[N,M])",
    "a scalar": "l = sum[N]((x[N] - m)^2 / s^2 + log(s))\nL = l",
}
LINES = {  # what is derived, and the last line of it as a person has it
    "a sum that needs its sign": (
        "y[n] = (a x[n] + b) / (c x[n] + d)\nL = 1/2 (y[N] - z[N])^2", "c",
        "dc = -sum[N](dy[N] x[N] y[N] / (c x[N] + d))",
    ),
    "a factor of a sum that needs its sign": (
        "S[n,c] = softmax[c](Z[n,c])\nL = -1/|N| Y[N,C] log(S[N,C])", "Z",
        "dZ[n,c] = (S[n,c] sum[C](Y[n,C]) - Y[n,c]) / |n|",
    ),
    "the sign of a sum in a bracket": ("L = l (1 - sum[I](w[I]))^2", "l", "dl = (1 - sum[I](w[I]))^2"),
    "terms in the order of the program": (
        "v[n] = mean[K](x[n,K]^2)\ny[n,k] = x[n,k] / sqrt(v[n] + eps)\nL = y[N,K] R[N,K]", "v",
        "dv[n] = -1/2 dy[n,K] y[n,K] / (v[n] + eps)",
    ),
    "responsibilities": (
        "q[n,k] = -1/2 (x[n,D] - m[k,D])^2\nL = -sum[N](logsumexp[K](q[N,K] + a[K]))", "a",
        "da[k] = -sum[N](softmax[k](q[N,k] + a[k]))",
    ),
    "a geometric sum": (
        "y[i] = sum[J](1[J <= i] a^(i-J) x[J]) where |i| = |x.0|\nL = 1/2 (y[I] - t[I])^2", "a",
        "da = sum[I,J](1[J < I] (I - J) a^(I - J - 1) dy[I] x[J])",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "wrt", "line"), LINES.values(), ids=LINES)
def test_lines_of_a_backward_pass(text, wrt, line):
    program = es.Program(text)
    derived = program.backward("L", [wrt])
    assert str(derived).splitlines()[-1] == line
    again = es.Program(f"{text}\n{derived}")
    assert str(again[f"d{wrt}"]) == line


UNWRITTEN = re.compile(r"1\[0 <= \w+ < |\(-1\)|\^-\d|\+ -")


@pytest.mark.parametrize("text", PASSES.values(), ids=PASSES)
def test_what_nobody_would_write_is_not_there(text):
    program = es.Program(text)
    wrt = [name for name in program.inputs if name != "T"]
    for derived in (program.backward("L", wrt), program.hvp("L", wrt), program.jvp("L", wrt)):
        assert not UNWRITTEN.search(str(derived))


def test_the_hessian_of_ratings_is_blockwise():
    """What one gather chooses is one value: ``δ[u[N],p] δ[u[N],q]`` has its ``δ[p,q]``."""
    program = es.Program("e[n] = U[u[n],K] V[v[n],K] - r[n]\nL = 1/2 e[N]^2")
    hessian = program.hessian("L", "U")
    assert str(hessian) == "dL/dU[p,k]dU[q,l] = δ[p,q] δ[u[N],p] V[v[N],k] V[v[N],l]"
    rng = np.random.default_rng(5)
    u, v = np.array([0, 2, 2, 1, 0, 2]), np.array([1, 0, 1, 1, 0, 0])
    U, V, r = rng.normal(size=(4, 2)), rng.normal(size=(2, 2)), rng.normal(size=6)
    by_hand = np.zeros((4, 2, 4, 2))
    for row, column in zip(u, v, strict=True):
        by_hand[row, :, row, :] += np.outer(V[column], V[column])
    np.testing.assert_allclose(hessian.dense(U=U, V=V, r=r, u=u, v=v), by_hand, atol=1e-12)
