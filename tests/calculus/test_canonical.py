"""Canonical form: one object for equal mathematics; and the shortest form, for people."""

from __future__ import annotations

import pytest

from einstan.calculus.canonical import canonical, expanded
from einstan.calculus.collect import shortest
from einstan.calculus.program import Program
from einstan.calculus.simplify import simplify
from einstan.language import Equation, Expr, parse, well_named

SAME = [
    # letters and order
    ("y = A[I,J] B[J,I]", "y = B[K,L] A[L,K]"),
    ("y = x[I] A[I,J] x[J]", "y = A[M,N] x[M] x[N]"),
    ("y[i] = x[K] u[i] v[L]", "y[i] = v[K] u[i] x[L]"),
    # sizes out of a power
    ("y = 1 / (1/|N| sum[N](x[N]^2) + c)", "y = |N| / (sum[N](x[N]^2) + c |N|)"),
    ("y = sqrt(1/|N| sum[N](x[N]^2) + c) |N|^(1/2)", "y = sqrt(sum[N](x[N]^2) + c |N|)"),
    ("y = A[I,J] A[J,K] A[K,I]", "y = A[K,I] A[J,K] A[I,J]"),
    ("y = max[K](x[K] + u[K])", "y = max[M](u[M] + x[M])"),
    ("y = maximum(a, b) minimum(c, d)", "y = minimum(d, c) maximum(b, a)"),
    ("y[i,j] = δ[i,j] x[i]", "y[i,j] = x[j] δ[j,i]"),
    ("y[i,p,q] = δ[i,p] δ[i,q] x[i]", "y[i,p,q] = δ[i,p] δ[p,q] x[q]"),
    ("y[i] = 1[x[i] > 0]", "y[i] = 1[0 < x[i]]"),
    # signs and numbers, whichever term comes first
    ("y = tanh(a - b)", "y = -tanh(b - a)"),
    ("y = cos(a - b)", "y = cos(b - a)"),
    ("y = sigmoid(a - b)", "y = 1 - sigmoid(b - a)"),
    ("y = softplus(a - b)", "y = softplus(b - a) + a - b"),
    ("y = 1 / (a - b)", "y = -1 / (b - a)"),
    ("y = 1 / (2 a + 4 b)", "y = 1/2 / (2 b + a)"),
    ("y = (a - b)^-3", "y = -(b - a)^-3"),
    ("y = logsumexp[K](tanh(x[K] - u[K]))", "y = logsumexp[J](-tanh(u[J] - x[J]))"),
    # multiplied out
    ("y = (a + b) (c + d)", "y = a c + b c + d a + b d"),
    ("y = (a + b)^3", "y = a^3 + 3 a^2 b + 3 a b^2 + b^3"),
    ("y = mean[K](x[K])", "y = 1/|K| x[K]"),
    ("y = exp(a) exp(b)", "y = exp(a + b)"),
    ("y[i] = |X.0| |i| X[i]", "y[i] = |i|^2 X[i]"),
]

DIFFERENT = [
    ("y[i,j] = A[i,j]", "y[i,j] = A[j,i]"),
    ("y = A[I,J] B[J,I]", "y = A[I,J] B[I,J]"),
    ("y = sqrt(x^2)", "y = x"),
    ("y = A[I,J] A[J,K] A[K,I]", "y = A[I,J] A[J,K] A[I,K]"),
    ("y = x[I] u[I]", "y = x[I] u[J]"),
    ("y = tanh(a - b)", "y = tanh(b - a)"),
    ("y = max[K](x[K])", "y = min[K](x[K])"),
    ("y = 1[x > 0]", "y = 1[x >= 0]"),
]


def both(one: str, other: str) -> tuple[Expr, Expr]:
    """The canonical forms of two right sides, with the dimensions of one program."""
    name, indices = one.split(" = ")[0].partition("[")[0], one.split(" = ")[0].removeprefix("y")
    a, b = parse(one), parse(f"z{indices} = " + other.split(" = ", 1)[1])
    program = Program([a, b, parse(f"w{indices} = {name}{indices} + z{indices}")])
    return canonical(program.resolved(a).rhs), canonical(program.resolved(b).rhs)


@pytest.mark.parametrize(("one", "other"), SAME)
def test_one_object(one: str, other: str) -> None:
    left, right = both(one, other)
    assert left is right


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_two_objects(one: str, other: str) -> None:
    left, right = both(one, other)
    assert left is not right


@pytest.mark.parametrize("text", [row[0] for row in SAME])
def test_again_changes_nothing(text: str) -> None:
    once = canonical(parse(text).rhs)
    assert canonical(once) is once


SHORT = [
    ("y[i] = a[i] / n - b[i] / n", "y[i] = (a[i] - b[i]) / n"),
    ("y[i] = -b[i] / n + a[i] / n", "y[i] = (a[i] - b[i]) / n"),
    ("y = a b + a c + d", "y = a (b + c) + d"),
    ("y = a x[K] + b x[K]", "y = x[K] (a + b)"),
    ("y = x[K] a[K] + x[K] b[K]", "y = x[K] (a[K] + b[K])"),
    ("y = (a + b) c - a c", "y = c b"),
    ("y = 2 a + 2 b", "y = 2 (a + b)"),
    # the sign of what an even function or power is taken of; a square of a difference is not opened
    ("y[i] = 1 / ((x[i] - z[i])^2 + c) + 1 / ((z[i] - x[i])^2 + c)", "y[i] = 2 / ((x[i] - z[i])^2 + c)"),
    ("y[i] = cos(x[i] - z[i]) - cos(z[i] - x[i]) + c", "y[i] = c"),
    ("y[i] = sum[J](abs(x[J] - x[i])) + sum[J](abs(x[i] - x[J]))", "y[i] = sum[J](2 abs(x[J] - x[i]))"),
    ("y = (a - b)^2 + 2 a b", "y = (a - b)^2 + 2 a b"),
]


@pytest.mark.parametrize(("text", "expected"), SHORT)
def test_shortest(text: str, expected: str) -> None:
    equation = parse(text)
    assert str(well_named(Equation("y", equation.indices, shortest(equation.rhs)))) == expected


def test_a_product_of_very_many_sums_stays_a_product() -> None:
    factors = " ".join(f"(a{k} + b{k})" for k in range(30))
    expr = simplify(parse(f"y = {factors}").rhs)
    assert expanded(expr) is expr
