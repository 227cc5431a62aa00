"""The loops against oracles written by hand, and the sentences that only the loops can be held to."""

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from einstan.calculus.program import Program
from einstan.language import parse
from einstan.language.errors import DataError, ExtentError
from einstan.language.functions import FUNCTIONS
from einstan.machine.meaning.loops import Tensor, evaluate
from einstan.machine.meaning.numbers import EXACT, FLOAT_FUNCTIONS, FLOATS, DomainError
from tests.machine.rows import ROWS, arrays


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_loops_give_what_numpy_gives(row):
    data = arrays(row)
    made = evaluate(parse(row.text), data, row.sizes, FLOATS)
    expected = np.asarray(row.oracle(*data.values()))
    assert made.shape == expected.shape
    np.testing.assert_allclose(np.array(made.tolist(), float).reshape(made.shape), expected, rtol=1e-12, atol=1e-13)


def test_rationals_stay_exact():
    made = evaluate(parse("Z[n,j] = X[n,K] W[K,j] / 3"), {"X": [[1, 2], [3, 4]], "W": [[1, "1/2"], [0, 1]]})
    assert made.tolist() == [[Fraction(1, 3), Fraction(5, 6)], [1, Fraction(11, 6)]]


def test_a_program_gives_all_its_tensors():
    program = Program([parse("Z[i] = 2 x[i]"), parse("L = Z[I]")])
    made = evaluate(program, {"x": [1, 2]})
    assert made["Z"].tolist() == [2, 4]
    assert made["L"].tolist() == 6


# ---- numbers ---------------------------------------------------------------------------------------------------------

ARGUMENTS = {1: [(0.3,), (2.5,), (0.9,), (7.0,)], 2: [(1.5, 0.5), (2.0, -3.0)]}
ARGUMENTS[3] = [(0.3, -0.5, 0.7), (2.5, 1.0, 2.0), (0.5, 3.0, 2.0)]
RANK = {name: len(row.parameters) for name, row in FUNCTIONS.items()}
POSITIVE = ("log", "sqrt", "pow", "arccosh")
INSIDE = {name: [(0.3,), (0.9,)] for name in ("arcsin", "arccos", "arctanh", "log1p")}
INSIDE |= {name: [(0.3,), (3.7,), (0.6,), (7.5,)] for name in ("lgamma", "digamma", "trigamma")}
INSIDE["arccosh"] = [(1.3,), (2.5,), (7.0,)]


@pytest.mark.parametrize("function", FLOAT_FUNCTIONS)
def test_50_digits_agree_with_floats(function):
    for arguments in INSIDE.get(function) or ARGUMENTS.get(RANK[function], [()]):
        for sign in (1, -1) if function not in POSITIVE else (1,):
            given = [sign * a for a in arguments]
            exact = EXACT.apply(function, *(Fraction(a) for a in given))
            assert float(exact) == pytest.approx(FLOATS.apply(function, *given), rel=2e-15, abs=1e-300)


@pytest.mark.parametrize(
    ("function", "argument", "digits"),
    [  # from tables: OEIS A001113, A002162, A000796, A049470
        ("exp", 1, "2.71828182845904523536028747135266249775724709369995"),
        ("log", 2, "0.693147180559945309417232121458176568075500134360255"),
        ("cos", 1, "0.540302305868139717400936607442976603732310420617922"),
        ("sin", 1, "0.841470984807896506652502321630298999622563060798371"),
        ("sqrt", 2, "1.41421356237309504880168872420969807856967187537694"),
        ("arctan", 1, "0.785398163397448309615660845819875721049292349843776"),
        ("erf", 1, "0.842700792949714869341220635082609259296066997966303"),
        ("tanh", 1, "0.761594155955764888119458282604793590412768597257937"),
    ],
)
def test_50_digits_are_right(function, argument, digits):
    value = EXACT.apply(function, Fraction(argument))
    assert abs(value - Decimal(digits)) < Decimal("1e-49")


def test_exact_values_stay_rational():
    assert EXACT.apply("exp", Fraction(0)) == 1
    assert EXACT.apply("sqrt", Fraction(9, 4)) == Fraction(3, 2)
    assert EXACT.apply("pow", Fraction(4, 9), Fraction(-3, 2)) == Fraction(27, 8)
    assert EXACT.apply("pow", Fraction(0), Fraction(0)) == 1


@pytest.mark.parametrize(
    ("function", "arguments"),
    [("log", (-1,)), ("sqrt", (-1,)), ("pow", (0, -1)), ("pow", (-1, Fraction(1, 3)))],
)
def test_what_has_no_value_is_an_error_in_exact_arithmetic(function, arguments):
    with pytest.raises(DomainError):
        EXACT.apply(function, *map(Fraction, arguments))


def test_the_logarithm_of_zero_is_there_for_exp_alone():
    assert evaluate(parse("y = exp(log(x) + 3)"), {"x": 0}, numbers=EXACT).flat == [0]
    assert evaluate(parse("y[i] = softmax[i](x[i] + log(1[i <= 0]))"), {"x": [2, 5]}, numbers=EXACT).flat == [1, 0]
    for text in ("y = log(x)", "y = x log(x)", "y = tanh(log(x))", "y = log(x) - log(2 x)", "y = exp(-log(x))"):
        with pytest.raises(DomainError):
            evaluate(parse(text), {"x": 0}, numbers=EXACT)


@pytest.mark.parametrize(
    ("function", "arguments", "value"),
    [
        ("exp", (1000.0,), math.inf),
        ("log", (0.0,), -math.inf),
        ("log", (-1.0,), math.nan),
        ("sqrt", (-1.0,), math.nan),
        ("pow", (0.0, -1.0), math.inf),
        ("pow", (-2.0, 0.5), math.nan),
        ("pow", (-10.0, 999.0), -math.inf),
        ("sinh", (-1000.0,), -math.inf),
        ("cosh", (1000.0,), math.inf),
        ("softplus", (1000.0,), 1000.0),
        ("sigmoid", (-1000.0,), 0.0),
        ("maximum", (math.nan, 1.0), math.nan),
        ("relu", (math.nan,), math.nan),
    ],
)
def test_floats_behave_as_ieee_says(function, arguments, value):
    assert FLOATS.apply(function, *arguments) == pytest.approx(value, nan_ok=True)


# ---- brackets and reads ----------------------------------------------------------------------------------------------


def test_a_bracket_that_is_zero_stops_the_read():
    equation = parse("y[i] = 1[1 <= i] X[i-1] + 0 X[i]")
    assert evaluate(equation, {"X": [5, 6, 7]}).tolist() == [0, 5, 6]


def test_a_bracket_of_indices_stops_a_bracket_of_values():
    equation = parse("y[i] = 1[X[i-1] > 5] 1[1 <= i] + 0 X[i]")
    assert evaluate(equation, {"X": [5, 6, 7]}).tolist() == [0, 0, 1]


def test_a_read_outside_is_an_error():
    with pytest.raises(ExtentError) as error:
        evaluate(parse("y[i] = X[i] + X[i-1]"), {"X": [1, 2, 3]})
    assert str(error.value) == (
        "X[i-1] reads outside X: slot 0 is -1, but X.0 has size 3\n"
        "  y[i] = X[i] + X[i-1]\n"
        "                ^^^^^^\n"
        "  inferred: i - 1 is -1 where i = 0, and X.0 has the positions 0 to 2\n"
        "  repair:   say that X is zero outside: y[i] = X[i] + 1[0 <= i-1 < |X.0|] X[i-1]\n"
        "            begin where every read is inside: y[i] = X[i+1] + X[i]"
    )


def test_a_slot_must_hold_whole_numbers():
    with pytest.raises(DataError) as error:
        evaluate(parse("y[n] = E[T[n]]"), {"E": [1, 2], "T": [0.5]})
    assert str(error.value) == (
        "T[n] is 0.5, which is not a whole number\n"
        "  y[n] = E[T[n]]\n"
        "           ^^^^\n"
        "  inferred: T[n] stands in a slot of E\n"
        "  repair:   index with a tensor of integers"
    )


# ---- nothing ---------------------------------------------------------------------------------------------------------


def test_sums_products_and_logsumexp_of_nothing():
    nothing = Tensor((2, 0), [])
    assert evaluate(parse("y[i] = A[i,J]"), {"A": nothing}).tolist() == [0, 0]
    assert evaluate(parse("y[i] = prod[J](A[i,J])"), {"A": nothing}).tolist() == [1, 1]
    assert evaluate(parse("y[i] = logsumexp[J](A[i,J])"), {"A": nothing}).tolist() == [-math.inf, -math.inf]


@pytest.mark.parametrize("operation", ["mean", "max", "min"])
def test_what_nothing_does_not_have(operation):
    with pytest.raises(DataError, match="there is nothing to take it of"):
        evaluate(parse(f"y[i] = {operation}[J](A[i,J])"), {"A": Tensor((2, 0), [])})


def test_rows_of_different_lengths_are_refused():
    with pytest.raises(DataError, match="different lengths"):
        Tensor.of([[1, 2], [3]])


def test_a_deep_term():
    text = "y = " + "relu(" * 1500 + "x" + ")" * 1500
    assert evaluate(parse(text), {"x": 2}).tolist() == 2


@pytest.mark.parametrize("shape", [(), (2,), (2, 3), (0, 3), (3, 0), (2, 2, 2)])
def test_nested_lists_and_back(shape):
    array = np.arange(math.prod(shape)).reshape(shape)
    assert Tensor.of(array).tolist() == array.tolist()
    assert Tensor.of(array).shape == shape


def test_floats_of_more_bits_are_taken_as_they_are():
    third = np.longdouble(1) / 3
    (found,) = evaluate(parse("y[i] = 3 x[i]"), {"x": np.array([third])}).flat
    assert found == 3 * Fraction(*third.as_integer_ratio())
