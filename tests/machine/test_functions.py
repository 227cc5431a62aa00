"""Every elementwise function against mpmath at 50 digits and, in floats, on every way to a number.

A row: the function of mpmath, and arguments inside of its domain.  Derivatives are those of mpmath, taken of its own
function by numbers, so that the partials of the table are compared with nothing of theirs.
"""

from __future__ import annotations

import math
import warnings
from decimal import Decimal
from fractions import Fraction

import mpmath
import numpy as np
import pytest

import einstan as es
from einstan.language import parse
from einstan.language.errors import DifferentiationError
from einstan.language.functions import FUNCTIONS
from einstan.machine.meaning.loops import evaluate
from einstan.machine.meaning.numbers import EXACT, FLOATS, DomainError

mp = mpmath.mp.clone()
mp.dps = 120
HALF = Fraction(1, 2)


def step(x):
    return mp.mpf(x > 0)


# name: the function of mpmath; arguments, an entry for each of its parameters.
ROWS = {
    "exp": (mp.exp, [HALF, -3, 20]),
    "expm1": (mp.expm1, [HALF, -3, Fraction(1, 10**12), 20]),
    "log": (mp.log, [HALF, 3, 10**6]),
    "log1p": (mp.log1p, [HALF, Fraction(-3, 4), Fraction(1, 10**12), 1000]),
    "sqrt": (mp.sqrt, [HALF, 3]),
    "cbrt": (lambda x: mp.sign(x) * abs(x) ** (mp.mpf(1) / 3), [HALF, -3, 1000]),
    "sin": (mp.sin, [HALF, -3, 20]),
    "cos": (mp.cos, [HALF, -3, 20]),
    "tan": (mp.tan, [HALF, -3]),
    "arcsin": (mp.asin, [HALF, Fraction(-9, 10), 1 - Fraction(1, 10**9)]),
    "arccos": (mp.acos, [HALF, Fraction(-9, 10), 1 - Fraction(1, 10**9)]),
    "arctan": (mp.atan, [HALF, -3, 1000]),
    "arctan2": (mp.atan2, [(HALF, 3), (-2, -3), (2, -1), (5, 1), (-1, Fraction(1, 9))]),
    "sinh": (mp.sinh, [HALF, -3]),
    "cosh": (mp.cosh, [HALF, -3]),
    "tanh": (mp.tanh, [HALF, -3]),
    "arcsinh": (mp.asinh, [HALF, -3, Fraction(1, 10**12), 10**6]),
    "arccosh": (mp.acosh, [Fraction(3, 2), 30, 1 + Fraction(1, 10**9)]),
    "arctanh": (mp.atanh, [HALF, Fraction(-9, 10), Fraction(1, 10**12)]),
    "sigmoid": (lambda x: 1 / (1 + mp.exp(-x)), [HALF, -3, 20]),
    "softplus": (lambda x: mp.log(1 + mp.exp(x)), [HALF, -3, 20]),
    "erf": (mp.erf, [HALF, -3]),
    "erfc": (mp.erfc, [HALF, -3, 3, 9, 20]),
    "lgamma": (lambda x: mp.log(abs(mp.gamma(x))), [HALF, 3, Fraction(-5, 2), 70, Fraction(9, 8), Fraction(17, 8)]),
    "digamma": (mp.digamma, [HALF, 3, Fraction(-5, 2), 70]),
    "trigamma": (lambda x: mp.psi(1, x), [HALF, 3, Fraction(-5, 2), 70]),
    "relu": (lambda x: max(x, mp.mpf(0)), [HALF, -3]),
    "silu": (lambda x: x / (1 + mp.exp(-x)), [HALF, -3, 20]),
    "elu": (lambda x: x if x > 0 else mp.expm1(x), [HALF, -3, 20]),
    "softsign": (lambda x: x / (1 + abs(x)), [HALF, -3, 20]),
    "clip": (lambda x, a, b: min(max(x, a), b), [(HALF, -1, 2), (-3, -1, 2), (5, -1, 2), (HALF, 2, 1)]),
    "abs": (abs, [HALF, -3]),
    "sign": (mp.sign, [HALF, -3]),
    "floor": (mp.floor, [HALF, Fraction(-7, 2)]),
    "mod": (lambda x, y: x - y * mp.floor(x / y), [(HALF, 3), (-4, 3), (20, Fraction(-7, 3))]),
    "maximum": (max, [(HALF, 3), (2, -1)]),
    "minimum": (min, [(HALF, 3), (2, -1)]),
    "pow": (lambda x, y: x**y, [(HALF, 3), (2, Fraction(-7, 3))]),
    "pi": (lambda: +mp.pi, [()]),
}
CASES = [
    pytest.param(name, tuple(map(Fraction, point if isinstance(point, tuple) else (point,))), id=f"{name} {point}")
    for name, (_, points) in ROWS.items()
    for point in points
]


def real(number):
    if isinstance(number, Fraction | int):
        return mp.mpf(Fraction(number).numerator) / Fraction(number).denominator
    return mp.mpf(str(number))


def close(found, wanted, digits):
    assert abs(real(found) - wanted) <= mp.mpf(10) ** -digits * max(1, abs(wanted)), (found, wanted)


def equation(name):
    letters = FUNCTIONS[name].parameters
    return es.parse(f"f = {name}({', '.join(letters)})" if letters else f"f = {name}")


def at(expr, name, point):
    given = dict(zip(FUNCTIONS[name].parameters, point, strict=True))
    read = {str(tensor) for tensor in es.Program([expr]).inputs}
    return evaluate(expr, {k: v for k, v in given.items() if k in read}, numbers=EXACT).flat[0]


def test_every_function_has_a_row():
    assert set(ROWS) == set(FUNCTIONS)


@pytest.mark.parametrize(("name", "point"), CASES)
def test_the_value_has_50_digits(name, point):
    close(at(equation(name), name, point), ROWS[name][0](*map(real, point)), 50)


@pytest.mark.parametrize(("name", "point"), [case for case in CASES if case.values[0] != "pi"])
def test_its_first_and_second_derivatives_have_digits(name, point):
    """By differences of mpmath's own function at 120 digits: of 120 about 40 are left."""
    function, numbers = ROWS[name][0], list(map(real, point))
    row = FUNCTIONS[name]
    for k, letter in enumerate(row.parameters[: len(row.partials)]):
        first = equation(name).partial(letter)
        close(at(first, name, point), _slope(function, numbers, (k,)), 30)
        for m, other in enumerate(row.parameters):
            if other not in {str(tensor) for tensor in es.Program([first]).inputs}:
                continue
            try:
                second = first.partial(other)
            except DifferentiationError:
                assert name == "digamma"
                continue
            close(at(second, name, point), _slope(function, numbers, (k, m)), 20)


def _slope(function, numbers, places):
    orders = tuple(places.count(k) for k in range(len(numbers)))
    return mp.diff(function, tuple(numbers), orders, h=mp.mpf(10) ** -30) if len(numbers) > 1 else mp.diff(
        function, numbers[0], len(places), h=mp.mpf(10) ** -30
    )  # fmt: skip


@pytest.mark.parametrize("any_size", [False, True])
@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize("name", [name for name in ROWS if name not in ("pi", "arctanh")])
def test_of_a_size_it_is_that_of_the_number(name, size, any_size):
    if (name, size) in (("arcsin", 2), ("arccos", 2)):
        return
    places = range(len(FUNCTIONS[name].parameters))
    sizes = [f"h{k}[i] = |x.{k}| where |i| = |x.0|" for k in places]
    program = es.Program("\n".join([*sizes, f"f[i] = {name}({', '.join(f'h{k}[i]' for k in places)})"]))
    found = program.compile(outputs=["f"], any_size=any_size)(x=np.ones([size + k for k in places]))["f"]
    wanted = float(ROWS[name][0](*(mp.mpf(size + k) for k in places)))
    np.testing.assert_allclose(found, np.full(size, wanted), rtol=2e-14, atol=1e-15)


@pytest.mark.parametrize("name", [name for name in ROWS if name != "pi"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("fast", [False, pytest.param(True, marks=pytest.mark.numba)])
def test_floats_agree_on_every_way(name, dtype, fast):
    """The loops in floats, compiled code of both kinds, and its source by itself, at all points of a row."""
    points = np.array([[*map(float, np.ravel(point))] for point in ROWS[name][1]], dtype)
    given = dict(zip(FUNCTIONS[name].parameters, points.T, strict=True))
    program = es.Program([parse(f"f[i] = {name}({', '.join(f'{k}[i]' for k in given)})")])
    wanted = [float(ROWS[name][0](*(real(Fraction(float(v))) for v in point))) for point in points]
    tolerance = 2e-14 if dtype is np.float64 else 2e-6
    if fast:
        made = {"fast": program.compile(fast=True)(given)["f"]}
    else:
        space: dict = {}
        exec(program.source(), space)
        made = {
            "loops": np.array(evaluate(program, given, numbers=FLOATS)["f"].tolist()),
            "plain": program.compile(fast=False)(given)["f"],
            "in place": program.compile(reuse_buffers=True)(given)["f"],
            "source": space["step"](**given)[0],
        }
    for way, found in made.items():
        np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance, err_msg=way)
        assert way == "loops" or found.dtype == dtype


def test_digamma_stops_at_its_second_derivative():
    first = es.parse("f = digamma(x)").partial("x")
    assert str(first) == "df/dx = trigamma(x)"
    with pytest.raises(DifferentiationError, match="trigamma has no partial derivative"):
        first.partial("x")


# ---- at the edges ----------------------------------------------------------------------------------------------------

inf, nan = math.inf, math.nan
EDGES = [
    ("expm1", -1e300, -1.0), ("expm1", 1e300, inf), ("expm1", -inf, -1.0), ("expm1", 1e-300, 1e-300),
    ("log1p", -1.0, -inf), ("log1p", -2.0, nan), ("log1p", inf, inf), ("log1p", 1e-300, 1e-300),
    ("cbrt", 0.0, 0.0), ("cbrt", -inf, -inf), ("cbrt", 1e300, 1e100), ("cbrt", -8.0, -2.0),
    ("arcsin", 1.0, math.pi / 2), ("arcsin", 1.5, nan), ("arcsin", -1.0, -math.pi / 2),
    ("arccos", 1.0, 0.0), ("arccos", -1.0, math.pi), ("arccos", -1.5, nan),
    ("arcsinh", 1e300, math.asinh(1e300)), ("arcsinh", -inf, -inf), ("arcsinh", 0.0, 0.0),
    ("arccosh", 1.0, 0.0), ("arccosh", 0.5, nan), ("arccosh", inf, inf),
    ("arctanh", 1.0, inf), ("arctanh", -1.0, -inf), ("arctanh", 2.0, nan), ("arctanh", 0.0, 0.0),
    ("erfc", 0.0, 1.0), ("erfc", inf, 0.0), ("erfc", -inf, 2.0), ("erfc", 26.0, 5.663192408856143e-296),
    ("lgamma", 1.0, 0.0), ("lgamma", 2.0, 0.0), ("lgamma", 0.0, inf), ("lgamma", -3.0, inf), ("lgamma", inf, inf),
    ("lgamma", 1e300, 6.897755278982137e302), ("lgamma", -inf, inf), ("lgamma", 1e-300, 690.7755278982137),
    ("digamma", 0.0, -inf), ("digamma", -2.0, nan), ("digamma", inf, inf), ("digamma", 1e300, 690.7755278982137),
    ("trigamma", 0.0, inf), ("trigamma", -2.0, inf), ("trigamma", inf, 0.0), ("trigamma", 1e300, 1e-300),
    ("silu", 0.0, 0.0), ("silu", 1e300, 1e300), ("silu", -1e300, 0.0), ("silu", inf, inf),
    ("elu", 0.0, 0.0), ("elu", 1e300, 1e300), ("elu", -1e300, -1.0), ("elu", -inf, -1.0), ("elu", inf, inf),
    ("softsign", 0.0, 0.0), ("softsign", 1e300, 1.0), ("softsign", -1e300, -1.0),
    *((name, nan, nan) for name in ("expm1", "log1p", "cbrt", "arcsin", "arccos", "arcsinh", "arccosh", "arctanh",
                                    "erfc", "lgamma", "digamma", "trigamma", "silu", "elu", "softsign")),
]  # fmt: skip
# Where NumPy's own functions warn: at a pole, outside of the domain, and where the value overflows.
WARNED = ("divide by zero encountered", "invalid value encountered", "overflow encountered")


@pytest.mark.parametrize(("name", "x", "value"), EDGES)
def test_edges(name, x, value):
    program = es.Program([parse(f"f[i] = {name}(x[i])")])
    given = np.array([x, 0.75, x])
    inside = program.compile(fast=False)(x=np.full(1, 0.75))["f"][0] if name != "arccosh" else nan
    for found in (
        np.array(evaluate(program, {"x": given}, numbers=FLOATS)["f"].tolist()),
        _quietly(program.compile(fast=False), given, warn=math.isnan(value) or math.isinf(value)),
    ):
        np.testing.assert_allclose(found, [value, inside, value], rtol=4e-15, equal_nan=True)


@pytest.mark.numba
@pytest.mark.parametrize("name", sorted({name for name, *_ in EDGES}))
def test_edges_in_compiled_loops(name):
    points = [(x, value) for edge, x, value in EDGES if edge == name]
    given, wanted = map(np.array, zip(*points, strict=True))
    found = _quietly(es.parse(f"f[i] = {name}(x[i])").compile(fast=True), given, warn=True)
    np.testing.assert_allclose(found, wanted, rtol=4e-15)


def _quietly(step, given, warn):
    """The result; what is finite and inside comes without a warning."""
    with warnings.catch_warnings():
        for text in WARNED if warn or given.min() < 1 else ():
            warnings.filterwarnings("ignore", text)
        return step(x=given)["f"]


@pytest.mark.parametrize("fast", [False, pytest.param(True, marks=pytest.mark.numba)])
@pytest.mark.parametrize(
    ("name", "arguments", "value"),
    [
        ("arctan2", (0.0, -1.0), math.pi), ("arctan2", (0.0, 0.0), 0.0), ("arctan2", (1e300, 1e-300), math.pi / 2),
        ("arctan2", (nan, 1.0), nan), ("mod", (-1.0, 5.0), 4.0), ("mod", (1.0, -5.0), -4.0), ("mod", (5.5, 2.0), 1.5),
        ("mod", (1.0, 0.0), nan), ("clip", (nan, 0.0, 1.0), nan), ("clip", (5.0, -inf, inf), 5.0),
        ("clip", (inf, -1.0, 1.0), 1.0), ("clip", (0.0, 2.0, 1.0), 1.0),
    ],
)  # fmt: skip
def test_edges_of_several_arguments(name, arguments, value, fast):
    letters = FUNCTIONS[name].parameters
    program = es.Program([parse(f"f[i] = {name}({', '.join(f'{k}[i]' for k in letters)})")])
    given = {k: np.array([v, v]) for k, v in zip(letters, arguments, strict=True)}
    made = [FLOATS.apply(name, *arguments)]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", WARNED[1])
        made += [program.compile(fast=fast)(given)["f"][1]]
    np.testing.assert_allclose(made, value, rtol=1e-15, equal_nan=True)


@pytest.mark.parametrize(
    ("name", "point"),
    [
        *((name, (2,)) for name in ("arcsin", "arccos", "arctanh")),
        *((name, (1,)) for name in ("arctanh",)), ("arccosh", (HALF,)), ("log1p", (-1,)), ("log1p", (-2,)),
        *((name, (k,)) for name in ("lgamma", "digamma", "trigamma") for k in (0, -3)), ("mod", (1, 0)),
    ],
)  # fmt: skip
def test_no_exact_value_outside(name, point):
    with pytest.raises(DomainError):
        EXACT.apply(name, *map(Fraction, point))


@pytest.mark.parametrize(
    ("name", "point", "value"),
    [("cbrt", 27, 3), ("softsign", Fraction(-1, 2), Fraction(-1, 3)), ("lgamma", 2, 0), ("arccosh", 1, 0)],
)
def test_rational_values_stay_rational(name, point, value):
    assert EXACT.apply(name, Fraction(point)) == value


@pytest.mark.parametrize(("x", "y"), [("-7.5", "2"), ("7.5", "-2"), ("-6", "2"), ("1e30", "7")])
def test_a_remainder_of_decimals_has_the_sign_of_the_divisor(x, y):
    found = EXACT.apply("mod", Decimal(x), Fraction(y))
    assert found == Fraction(x) % Fraction(y)


# ---- reductions that are written out ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "oracle"),
    [
        ("s[n] = std[K](x[n,K])", lambda x: x.std(axis=1)),
        ("s[n] = var[K](x[n,K])", lambda x: x.var(axis=1)),
        ("s[n] = norm[K](x[n,K])", lambda x: np.linalg.norm(x, axis=1)),
        ("s = std[N,K](x[N,K])", lambda x: x.std()),
        ("s = norm[N,K](x[N,K])", np.linalg.norm),
    ],
)
def test_deviations_and_norms(text, oracle):
    x = np.random.default_rng(3).normal(2, 3, (4, 5))
    equation = es.parse(text)
    np.testing.assert_allclose(equation(x=x), oracle(x), rtol=1e-14)
    slopes = es.Program([equation, es.parse("L = s^2" if text.startswith("s =") else "L = s[N]^2")])
    made = es.Program([*slopes, *slopes.backward("L", ["x"])]).compile(outputs=["dx"])(x=x)["dx"]
    step = 1e-6
    for at in [(0, 0), (3, 4)]:
        moved = [x.copy(), x.copy()]
        moved[0][at], moved[1][at] = x[at] + step, x[at] - step
        up, down = ((np.square(oracle(m))).sum() for m in moved)
        assert made[at] == pytest.approx((up - down) / (2 * step), rel=1e-7)


def test_a_norm_has_no_derivative_at_zero():
    slope = es.parse("r = norm[K](x[K])").partial("x")
    with np.errstate(invalid="ignore", divide="ignore"):
        assert np.isnan(slope(x=np.zeros(3))).all()
