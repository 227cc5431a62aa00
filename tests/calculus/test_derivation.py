"""Derivations: the steps as on paper, each of which the checker accepts, and a corrupted one it does not."""

from dataclasses import replace

import pytest

from einstan.calculus.derivation import Step, derivation, derivation_of_partial
from einstan.calculus.program import Program
from einstan.language import parse, parse_document

CLASSIFIER = """
H[n,j] = X[n,K] W1[K,j] + b1[j]
A[n,j] = relu(H[n,j])
Z[n,j] = A[n,K] W2[K,j] + b2[j]
S[n,c] = exp(Z[n,c]) / sum[K](exp(Z[n,K]))
L = -1/|N| Y[N,C] log(S[N,C])
assume sum[C](Y[n,C]) = 1
"""


def program(text: str) -> Program:
    document = parse_document(text.strip())
    return Program(document.equations, document.assumptions)


def test_the_steps_of_a_partial() -> None:
    made = derivation_of_partial(program("Z[n,j] = X[n,K] W[K,j] + b[j]"), "Z", "X")
    assert str(made) == (
        "dZ[n,j]/dX[m,k] = dX[n,K]/dX[m,k] W[K,j]   product rule\n"
        "                = δ[n,m] δ[K,k] W[K,j]     the partial of an entry is a delta\n"
        "                = δ[n,m] W[k,j]            deltas used up"
    )


def test_the_steps_of_a_gradient() -> None:
    first = derivation(program(CLASSIFIER), "L", "W1")[0]
    assert [step.reason for step in first.steps] == [
        "chain rule",
        "product rule, partial of logsumexp",
        "the partial of an entry is a delta",
        "deltas used up",
        "forward values named",
        "the assumption used",
        "collected",
    ]
    assert str(first.result) == "dZ[n,c] = (S[n,c] - Y[n,c]) / |n|"


@pytest.mark.parametrize(
    ("text", "of", "wrt"),
    [
        ("Z[n,j] = X[n,K] W[K,j] + b[j]", "Z", "W"),
        ("S[n,c] = exp(Z[n,c]) / sum[K](exp(Z[n,K]))", "S", "Z"),
        ("A[n] = X[n] sigmoid(1.702 X[n])", "A", "X"),
        ("q = x[I] A[I,J] x[J]", "q", "x"),
        ("Y[i] = X[i+J] W[J]", "Y", "W"),
        ("m[i] = mean[K](X[i,K]^2)", "m", "X"),
    ],
)
def test_every_step_follows_and_a_corrupted_one_does_not(text: str, of: str, wrt: str) -> None:
    made = derivation_of_partial(program(text), of, wrt)
    assert made.result.rhs is not made.steps[0].equation.rhs
    assert all(made.check())
    last = made.steps[-1].equation
    corrupted = parse(f"{str(last).split(' = ')[0]} = 2 ({str(last).split(' = ', 1)[1]})")
    wrong = replace(made, steps=(*made.steps[:-1], Step(corrupted, "a slip")))
    assert not all(wrong.check())


def test_every_step_of_a_gradient_follows() -> None:
    for made in derivation(program(CLASSIFIER), "L", "W1"):
        assert all(made.check())
