"""Programs: their order, and what they refuse, in full."""

from __future__ import annotations

import pytest

from einstan.calculus.program import Program
from einstan.language import ProgramError, parse

REFUSED = [
    (
        ["A[i] = x[i]", "A[i] = 2 x[i]"],
        "A is defined twice\n  A[i] = 2 x[i]\n  inferred: first defined by A[i] = x[i]\n"
        "  repair:   give one of the two another name",
    ),
    (
        ["A[i] = B[i]", "B[i] = C[i]", "C[i] = A[i]"],
        "the equations form a cycle: A reads B reads C reads A\n  A[i] = B[i]\n         ^^^^\n"
        "  inferred: B[i] = C[i]\n            C[i] = A[i]\n"
        "  repair:   give the result another name than the tensor it is computed from",
    ),
    (
        ["W[i] = W[i] + x[i]"],
        "the equations form a cycle: W reads W\n  W[i] = W[i] + x[i]\n         ^^^^\n"
        "  repair:   give the result another name than the tensor it is computed from",
    ),
    (
        ["A[i] = x[i,K]", "B[i] = x[i] A[i]"],
        "x has 1 slots here and 2 elsewhere\n  B[i] = x[i] A[i]\n         ^^^^\n"
        "  inferred: elsewhere: A[i] = x[i,K]\n"
        "  repair:   write x with the same number of indices everywhere",
    ),
    (
        ["A[i] = x[i]", "L = A"],
        "A has 0 slots here and 1 elsewhere\n  L = A\n      ^\n  inferred: elsewhere: A[i] = x[i]\n"
        "  repair:   write A with the same number of indices everywhere",
    ),
]


@pytest.mark.parametrize(("lines", "message"), REFUSED)
def test_refused(lines: list[str], message: str) -> None:
    with pytest.raises(ProgramError) as caught:
        Program([parse(line) for line in lines])
    assert str(caught.value) == message


def test_order_is_that_of_reading_and_the_given_one_where_it_can_be() -> None:
    lines = ["L = B[I]", "C[i] = x[i]", "B[i] = A[i]", "A[i] = x[i]", "D[i] = C[i]"]
    assert [e.name for e in Program([parse(line) for line in lines])] == ["A", "B", "L", "C", "D"]


def test_inputs_in_the_order_of_reading() -> None:
    program = Program([parse("Z[n,j] = X[n,K] W[K,j] + b[j]"), parse("L = Z[N,J] |V.1|")])
    assert program.inputs == {"X": 2, "W": 2, "b": 1, "V": -1}


def test_axes_are_joined_over_the_whole_program() -> None:
    program = Program([parse("Z[n,j] = X[n,K] W[K,j]"), parse("A[m,p] = Z[m,p] b[p]")])
    assert program.dims.find("b.0") == program.dims.find("W.1")
    assert program.dims.find("X.0") != program.dims.find("W.1")


def test_a_thousand_equations_in_reverse() -> None:
    lines = [f"A{k + 1}[i] = A{k}[i]" for k in range(1000)]
    assert len(Program([parse(line) for line in reversed(lines)])) == 1000
