"""The breadth of the calculus: every formula of the table derives, agrees with the oracle by hand in its value and its
first and second derivatives, and prints as one equation of a few readable lines that parses again."""

import numpy as np
import pytest

import einstan as es
from einstan.language import DifferentiationError, written
from tests.breadth import jets
from tests.breadth.rows import ROWS

CLOSE = 1e-9
LETTERS = "αβγη"


def close(found, expected, where):
    """Agreement to 1e-9, relative to the largest entry."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape, where
    assert found.dtype == np.float64
    scale = max(1.0, float(np.abs(expected).max(initial=0.0)))
    assert float(np.abs(found - expected).max(initial=0.0)) <= CLOSE * scale, where


def value_of(derived, row, arrays):
    """What one derived equation computes, next to the forward program: that has the axes of all inputs."""
    (equation,) = derived.equations
    whole = es.Program((*es.Program(row.text), equation))
    return whole.compile()(arrays)[str(equation.name)]


def derivatives(row):
    """The first derivatives by name and the second ones by pair; None where the first does not depend on the tensor."""
    program, first, second = es.Program(row.text), {}, {}
    for a in row.wrt:
        first[a] = program.partial(row.of, a)
        for b in row.wrt:
            try:
                second[a, b] = first[a].partial(str(first[a].equations[0].name), b)
            except DifferentiationError as error:
                if "does not depend on" not in str(error):
                    raise
                second[a, b] = None
    return first, second


@pytest.fixture(scope="module", params=ROWS, ids=str)
def case(request):
    row = request.param
    arrays = row.arrays()
    jet = row.by_hand(**jets.variables(arrays))
    return row, {**arrays, **row.integers}, jet.value, *jets.blocks(jet, arrays), *derivatives(row)


def test_value(case):
    row, arrays, value, *_ = case
    close(es.Program(row.text).compile()(arrays)[row.of], value, row.of)


def test_first_derivatives(case):
    row, arrays, _, expected, _, first, _ = case
    for name, program in first.items():
        close(value_of(program, row, arrays), expected[name], str(program))


def test_second_derivatives(case):
    """All of them, mixed ones too; what is said not to depend is zero."""
    row, arrays, _, _, expected, _, second = case
    for pair, program in second.items():
        if program is None:
            assert not expected[pair].any(), pair
        else:
            close(value_of(program, row, arrays), expected[pair], str(program))


def test_backward(case):
    """Gradients of a weighted sum are the cotangent times the first derivatives."""
    row, arrays, value, expected, *_ = case
    slots = ",".join("NJKL"[: value.ndim])
    access = f"[{slots}]" if slots else ""
    program = es.Program(f"{row.text}\ntotal = C0{access} {row.of}{access}")
    cotangent = np.asarray(np.random.default_rng(1).standard_normal(value.shape))
    backward = program.backward("total", row.wrt)
    found = es.Program((*program, *backward)).compile()({**arrays, "C0": cotangent})
    for name in row.wrt:
        close(found[f"d{name}"], np.tensordot(cotangent, expected[name], value.ndim), str(backward))
    for equation in backward:
        assert written(str(equation)) is equation


def test_derived_equations_are_one_readable_line_that_parses_again(case):
    row, *_, first, second = case
    programs = [*first.values(), *(program for program in second.values() if program is not None)]
    for program in programs:
        (equation,) = program.equations
        text = str(equation)
        assert written(text) is equation
        assert len(text) <= row.length, f"{len(text)}: {text}"
