"""A sign that a relu shares is asked of the relu; any other is left."""

import pytest

import einstan as es
from einstan.calculus.program import Program
from einstan.calculus.signs import signs_of_values

ASKED = {  # a line beside ``A[n,j] = relu(Z[n,j])`` and ``B[j,n] = relu(V[n,j])``, and how it is asked
    "D[n,j] = 1[Z[n,j] > 0] dA[n,j]": "D[n,j] = 1[A[n,j] > 0] dA[n,j]",
    "D[k,j] = X[N,k] 1[Z[N,j] > 0]": "D[k,j] = X[N,k] 1[A[N,j] > 0]",
    "D[n,j] = 1[V[n,j] > 0] dA[n,j]": "D[n,j] = 1[B[j,n] > 0] dA[n,j]",
    "D[n,j] = 1[Z[n,j] >= 0] dA[n,j]": None,
    "D[n,j] = 1[Z[n,j] > 1] dA[n,j]": None,
    "D[n,j] = 1[0 > Z[n,j]] dA[n,j]": None,
    "D[n,j] = Z[n,j] dA[n,j]": None,
}


@pytest.mark.parametrize("line", ASKED)
def test_a_sign_is_that_of_the_relu(line):
    program = Program(es.Program(f"A[n,j] = relu(Z[n,j])\nB[j,n] = relu(V[n,j])\n{line}").equations)
    assert str(signs_of_values(program)["D"]) == (ASKED[line] or line)


def test_a_diagonal_tells_not_all_signs():
    program = Program(es.Program("A[n] = relu(Z[n,n])\nD[n,j] = 1[Z[n,j] > 0]").equations)
    assert signs_of_values(program) is program
