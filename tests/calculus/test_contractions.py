"""Contractions inside of functions and beside other factors get equations of their own."""

import pytest

import einstan as es
from einstan.calculus.contractions import contractions_named
from einstan.calculus.program import Program

NAMED = {  # a program, and its lines with what they contract on the way named
    "tanh(X[n,K] W[K,j] + b[j])": ["inner[n,j] = X[n,K] W[K,j] + b[j]", "Y[n,j] = tanh(inner[n,j])"],
    "silu(V[n,j]) (X[n,D] W[D,j])": ["inner[n,j] = X[n,D] W[D,j]", "Y[n,j] = silu(V[n,j]) inner[n,j]"],
    "g[j] (X[n,D] W[D,j])": ["inner[n,j] = X[n,D] W[D,j]", "Y[n,j] = g[j] inner[n,j]"],
    "1[X[n,D] W[D,j] > 0] V[n,j]": ["inner[n,j] = X[n,D] W[D,j]", "Y[n,j] = 1[inner[n,j] > 0] V[n,j]"],
    "softmax[j](X[n,D] W[D,j] / sqrt(|D|))": [
        "inner[n,j] = X[n,D] W[D,j] / sqrt(|D|)",
        "Y[n,j] = softmax[j](inner[n,j])",  # one name for the logits of the numerator and of the sum
    ],
    "(X[n,D] a[D]) (X[n,E] W[E,j])": [
        "inner[n] = X[n,D] a[D]",
        "inner2[n,j] = X[n,E] W[E,j]",
        "Y[n,j] = inner[n] inner2[n,j]",
    ],
    "tanh(U[j,K] tanh(X[n,D] W[D,K]))": [
        "inner[n,k] = X[n,D] W[D,k]",
        "Y[n,j] = tanh(U[j,K] tanh(inner[n,K]))",
    ],
}
PLAIN = [  # one contraction, products without another factor, sums of one factor, and what no slot tells the size of
    "X[n,K] W[K,j] + b[j]", "X[n,K] W[K,D] V[D,j]", "2 X[n,K] W[K,j]", "exp(sum[K](X[n,K])) b[j]",
    "relu(X[n,K] w[j+K])", "tanh(E[T[n],K] W[K,j])",
]  # fmt: skip


@pytest.mark.parametrize("rhs", NAMED)
def test_they_are_named_once(rhs):
    program = es.Program(f"Y[n,j] = {rhs}")
    lines = contractions_named(Program(program.equations))
    assert [str(line) for line in lines] == NAMED[rhs]


@pytest.mark.parametrize("rhs", PLAIN)
def test_others_stay(rhs):
    equations = es.Program(f"Y[n,j] = {rhs}").equations
    assert contractions_named(Program(equations)) == list(equations)


def test_no_name_is_taken_twice():
    program = es.Program("dinner[n] = x[n]\ny[n] = tanh(A[n,K] dinner[K])\nz[n] = sin(A[n,K] y[K])")
    assert [str(line.name) for line in contractions_named(Program(program.equations))] == [
        "dinner", "inner2", "y", "inner3", "z",
    ]  # fmt: skip
