"""The breadth of the calculus: every formula of the table derives, agrees with the oracle by hand in its value and its
first and second derivatives, and prints as one equation of a few readable lines that parses again."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import einstan as es
from einstan.language import DifferentiationError, written
from tests.breadth import jets
from tests.breadth.rows import ROWS

CLOSE = 1e-9


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


def test_the_page_is_up_to_date():
    root = Path(__file__).resolve().parents[2]
    spec = importlib.util.spec_from_file_location("breadth_page", root / "docs" / "breadth.py")
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    assert (root / "docs" / "breadth.md").read_text(encoding="utf-8") == generate.page(), "run python docs/breadth.py"


def test_jets_are_derivatives():
    """Test the tester: the first derivative of every function by complex steps, the second by those of the first."""
    x = np.array([0.3, 0.7, 1.9])
    smooth = {
        jets.exp: np.exp, jets.log: np.log, jets.sqrt: np.sqrt, jets.tanh: np.tanh,
        (lambda j: jets.power(j, 3)): lambda z: z**3,
        (lambda j: j / (1 + j * j)): lambda z: z / (1 + z * z),
        (lambda j: 2 - jets.contract("i,i->i", j, j)): lambda z: 2 - z * z,
    }  # fmt: skip
    step = 1e-30
    for on_jets, on_numbers in smooth.items():
        jet = on_jets(jets.variables({"x": x})["x"])
        np.testing.assert_allclose(jet.value, on_numbers(x), rtol=1e-15)
        np.testing.assert_allclose(np.diag(jet.first), on_numbers(x + 1j * step).imag / step, rtol=1e-13)
        # f(x + d) - 2 f(x) + f(x - d) with d = i h has no second order in its real part but f''
        h = 1e-4
        second = 2 * (on_numbers(x) - on_numbers(x + 1j * h).real) / h**2
        np.testing.assert_allclose(np.einsum("iii->i", jet.second), second, rtol=1e-6)
        assert np.count_nonzero(jet.second) == len(x)


def test_a_wrong_second_derivative_is_noticed():
    """Test the tester: another partial of tanh' is far from the oracle."""
    row = next(row for row in ROWS if row.name == "GELU (tanh)")
    arrays = row.arrays()
    _, second = jets.blocks(row.by_hand(**jets.variables(arrays)), arrays)
    program = es.Program(row.text).partial("A", "x")
    (right,) = program.partial("dA/dx", "x").equations
    wrong = written(str(right).replace("t[n]^2", "t[n]", 1))
    with pytest.raises(AssertionError):
        close(value_of(es.Program((wrong,)), row, arrays), second["x", "x"], "")
