"""Assumptions are used where they apply, and nowhere else."""

from __future__ import annotations

import pytest

from einstan.calculus.assume import assumed
from einstan.calculus.program import Program
from einstan.calculus.simplify import simplify
from einstan.language import Equation, parse_document, well_named

ROWS = [
    # assumption, expression, what it becomes
    ("sum[J](Y[n,J]) = 1", "y[n,c] = S[n,c] Y[n,J]", "S[n,c]"),
    ("sum[J](Y[n,J]) = 1", "y = Y[M,K] x[M]", "x[M]"),
    ("sum[J](Y[n,J]) = 1", "y = 3 Y[M,K]", "3 |Y.0|"),
    ("sum[J](Y[n,J]) = 2 t[n]", "y[i] = S[i] Y[i,J]", "2 S[i] t[i]"),
    ("2 a[i] b[i] = c[i]", "y[k] = a[k] b[k]", "1/2 c[k]"),
    ("W[i,K] W[j,K] = δ[i,j]", "y[i,j] = W[i,K] W[j,K] x[j]", "x[j] δ[i,j]"),
    ("c |X.0| = 1", "y = X[N] c |X.0|", "X[N]"),
    ("sum[J](exp(Y[n,J])) = 1", "y[n] = sum[K](exp(Y[n,K])) x[n]", "x[n]"),
]

NOT = [
    ("sum[J](Y[n,J]) = 1", "y = Y[K,K]"),  # the index that chooses the row is the one that is summed
    ("sum[J](Y[n,J]) = 1", "y[n] = Y[n,J] x[J]"),  # summed, but used elsewhere
    ("sum[J](Y[n,J]) = 1", "y[j] = Y[N,j]"),  # the other index is summed
    ("sum[J](Y[n,J]) = 1", "y[n] = Y[n,J]^2"),
    ("sum[J](Y[n,J]) = 1", "y[n,j] = Y[n,j]"),
    ("c |X.0| = 1", "y = X[N] c |Z.0| Z[M]"),  # another extent
    ("c f(|X.0|) = 1", "y = X[N] c f(|Z.0|) Z[M]"),
    ("a[i] b[i] = 1", "y[i,j] = a[i] b[j]"),
    ("a[i] b[i+1] = 1", "y[i] = a[i] b[i-1]"),
    ("1[i < 2] x[i] = 0", "y[k] = 1[k < 3] x[k]"),
    ("x[i] logsumexp[K](Z[i,K]) = 1", "y = sum[M](x[M] logsumexp[K](Z[K,K]))"),
    ("0 = 1", "y = x"),
]


def used(assumption: str, text: str) -> tuple[str, str]:
    document = parse_document(f"{text}\nassume {assumption.replace('f(', 'sqrt(')}".replace("f(", "sqrt("))
    program = Program(document.equations, document.assumptions)
    (equation,) = program.resolved_all()
    before = Equation(equation.name, equation.indices, simplify(equation.rhs))
    after = Equation(equation.name, equation.indices, assumed(before.rhs, program.resolved_assumptions()))
    return tuple(str(well_named(e)).split(" = ", 1)[1].split(" where ")[0] for e in (before, after))  # type: ignore[return-value]


@pytest.mark.parametrize(("assumption", "text", "expected"), ROWS)
def test_used(assumption: str, text: str, expected: str) -> None:
    assert used(assumption, text)[1] == expected


@pytest.mark.parametrize(("assumption", "text"), NOT)
def test_not_used(assumption: str, text: str) -> None:
    before, after = used(assumption, text)
    assert before == after
