"""What cancels across brackets goes, every other bracket stays, and derivatives far from zero keep their digits."""

from itertools import pairwise

import numpy as np
import pytest
from mpmath import mp, mpf

import einstan as es
from einstan.calculus.cancelling import cancelled
from einstan.calculus.elimination import ORDERS
from einstan.calculus.simplify import simplify
from einstan.language import parse

ROWS = [
    ("y = a (b + c) - a b", "y = a c"),
    ("y = a (b + c (d + e)) - a b - a c e", "y = a c d"),
    ("y = sum[K](x[K] - mean[J](x[J]))", "y = 0"),
    ("y = x - (x - m) c / c", "y = m"),
    ("y = (x - m)^2 - x^2", "y = (x - m)^2 - x^2"),  # a square is not multiplied out
    ("y = (a + b) (c + d) - a c", "y = (a + b) (c + d) - a c"),  # nor is a product of two sums
    ("y = a (x - m)", "y = a (x - m)"),
    ("y = sum[K](x[K] - c)", "y = sum[K](x[K] - c)"),
    ("y = a (b + c) + a b", "y = a (b + c) + a b"),  # alike is no opposite
    ("y = sum[K](a[K] (b + c[K])) - sum[J](a[J]) b", "y = a[K] c[K]"),
    ("y = (sum[K](a[K] - b) + c)^2 - c", "y = (sum[K](a[K] - b) + c)^2 - c"),
    ("y = (b + c - c (1 + d)) / (c + d)", "y = (b - c d) / (c + d)"),
]


@pytest.mark.parametrize(("text", "expected"), ROWS)
def test_cancelled(text, expected):
    equation = parse(text)
    assert str(type(equation)(equation.name, (), cancelled(simplify(equation.rhs)))) == expected


# ---- derivatives keep their digits -----------------------------------------------------------------------------------

N = 4
RNG = np.random.default_rng(0)
BASE = RNG.normal(size=N)


def by_digits(function, x, order):
    """The gradient or the Hessian, by differences of the function in 120 digits."""
    mp.dps = 120
    h, at = mpf(10) ** -30, [mpf(float(v)) for v in x]

    def moved(*steps):
        point = list(at)
        for i, sign in steps:
            point[i] += sign * h
        return function(point)

    if order == 1:
        found = [(moved((i, 1)) - moved((i, -1))) / (2 * h) for i in range(len(x))]
        return np.array([float(v) for v in found])
    corners = [(1, 1), (1, -1), (-1, 1), (-1, -1)]
    found = [
        [sum(a * b * moved((i, a), (j, b)) for a, b in corners) / (4 * h * h) for j in range(len(x))]
        for i in range(len(x))
    ]
    return np.array([[float(v) for v in row] for row in found])


def variance(x):
    m = sum(x) / len(x)
    return sum((v - m) ** 2 for v in x) / len(x)


TARGETS = [float(t) for t in RNG.uniform(0.5, 1.5, size=N)]


def slope(x):
    m = sum(x) / len(x)
    return sum((v - m) * mpf(t) for t, v in zip(TARGETS, x, strict=True)) / (variance(x) * N)


def weighted(x):
    """The mean and the variance."""
    whole = sum(map(mpf, TARGETS))
    m = sum(mpf(t) * v for t, v in zip(TARGETS, x, strict=True)) / whole
    return m, sum(mpf(t) * (v - m) ** 2 for t, v in zip(TARGETS, x, strict=True)) / whole


def residuals(x, weights=None, penalty=0):
    """What a straight line leaves of the targets, in 120 digits."""
    weights, t = weights or [mpf(1)] * N, [mpf(v) for v in TARGETS]
    whole = sum(weights)
    m = sum(w * v for w, v in zip(weights, x, strict=True)) / whole
    q = sum(w * v for w, v in zip(weights, t, strict=True)) / whole
    above = sum(w * (v - m) * (u - q) for w, v, u in zip(weights, x, t, strict=True)) / whole
    b = above / (penalty + sum(w * (v - m) ** 2 for w, v in zip(weights, x, strict=True)) / whole)
    return [u - q - b * (v - m) for v, u in zip(x, t, strict=True)], b


def squares(x, **options):
    return sum(e**2 for e in residuals(x, **options)[0])


def one_ahead(x):
    u = [v - sum(x) / N for v in x]
    f = sum(v * w for v, w in pairwise(u)) / sum(v**2 for v in u)
    return sum((w - f * v) ** 2 for v, w in pairwise(u))


def through_the_first(x):
    t = [mpf(v) for v in TARGETS]
    pairs = [(v - x[0], u - t[0]) for v, u in zip(x, t, strict=True)]
    b = sum(v * u for v, u in pairs) / sum(v**2 for v, _ in pairs)
    return sum((u - b * v) ** 2 for v, u in pairs) / N


LINE = """\
m = mean[I](x[I])
q = mean[I](t[I])
b = mean[I]((x[I] - m) (t[I] - q)) / mean[I]((x[I] - m)^2)
a = q - b m
"""
AHEAD = """\
m = mean[I](x[I])
f = sum[I]((x[I+1] - m) (x[I] - m)) / sum[I]((x[I] - m)^2)
c = m - f m
"""
HEAVY = [mpf(t) ** 2 for t in TARGETS]

FUNCTIONS = {
    "variance": ("L = mean[I]((x[I] - mean[J](x[J]))^2)", variance),
    "log of a variance": ("L = log(mean[I]((x[I] - mean[J](x[J]))^2))", lambda x: mp.log(variance(x))),
    "its square": ("L = sum[I]((x[I] - mean[J](x[J]))^2)^2", lambda x: (variance(x) * len(x)) ** 2),
    "through names": (
        "m = mean[I](x[I])\nv = mean[I]((x[I] - m)^2)\nz[i] = (x[i] - m) / sqrt(v)\nL = sum[I](z[I]^3)",
        lambda x: sum(((v - sum(x) / len(x)) / mp.sqrt(variance(x))) ** 3 for v in x),
    ),
    "an explained share": (
        """
        m = mean[I](x[I])
        b = sum[I]((x[I] - m) t[I]) / sum[I]((x[I] - m)^2)
        r[i] = t[i] - b (x[i] - m)
        L = sum[I](r[I]^2)
        """,
        lambda x: sum((t - slope(x) * (v - sum(x) / len(x))) ** 2 for t, v in zip(TARGETS, x, strict=True)),
    ),
    "weighted, standardised": (
        """
        W = sum[I](t[I])
        m = sum[I](t[I] x[I]) / W
        v = sum[I](t[I] (x[I] - m)^2) / W
        z[i] = (x[i] - m) / sqrt(v)
        L = sum[I](t[I]^2 z[I]^3)
        """,
        lambda x: sum(
            mpf(t) ** 2 * ((v - weighted(x)[0]) / mp.sqrt(weighted(x)[1])) ** 3 for t, v in zip(TARGETS, x, strict=True)
        ),
    ),
    "neighbours of what is centred": (
        "m = mean[I](x[I])\nc[i] = x[i] - m\nL = sum[I](c[I] c[I+1]) / sum[I](c[I]^2)",
        lambda x: sum((v - sum(x) / N) * (w - sum(x) / N) for v, w in pairwise(x)) / (variance(x) * N),
    ),
    "a product of differences": (
        "L = sum[I,J]((x[I] - x[J])^2) (x[0] - x[1])",
        lambda x: sum((v - w) ** 2 for v in x for w in x) * (x[0] - x[1]),
    ),
    "charges": (
        "L = sum[I,J](1[I != J] / sqrt((x[I] - x[J])^2 + 1[I == J]))",
        lambda x: sum(1 / abs(v - w) for i, v in enumerate(x) for j, w in enumerate(x) if i != j),
    ),
    "a temperature": (
        "L = -log(sum[I](exp(-(x[I] - mean[J](x[J]))^2 / 2)))",
        lambda x: -mp.log(sum(mp.exp(-((v - sum(x) / len(x)) ** 2) / 2) for v in x)),
    ),
}
FITTED = {
    "a line, mean of squares": (LINE + "L = mean[N]((t[N] - a - b x[N])^2)", lambda x: squares(x) / N),
    "a line in brackets": (LINE + "L = mean[N]((t[N] - (a + b x[N]))^2)", lambda x: squares(x) / N),
    "a line through all that is known": (
        LINE.replace("a = q - b m", "") + "L = mean[N]((t[N] - q + b m - b x[N])^2)",
        lambda x: squares(x) / N,
    ),
    "a penalised line": (
        LINE.replace("/ mean", "/ (2 + mean").replace("m)^2)", "m)^2))") + "L = mean[N]((t[N] - a - b x[N])^2) + b^2",
        lambda x: squares(x, penalty=2) / N + residuals(x, penalty=2)[1] ** 2,
    ),
    "a weighted line": (
        """
        w[i] = t[i]^2
        W = sum[I](w[I])
        m = sum[I](w[I] x[I]) / W
        q = sum[I](w[I] t[I]) / W
        b = sum[I](w[I] (x[I] - m) (t[I] - q)) / sum[I](w[I] (x[I] - m)^2)
        a = q - b m
        L = mean[N]((t[N] - a - b x[N])^2)
        """,
        lambda x: squares(x, weights=HEAVY) / N,
    ),
    "the likelihood of a line": (
        LINE + "v = mean[N]((t[N] - a - b x[N])^2)\nL = -log(v) / 2 - sum[N]((t[N] - a - b x[N])^2) / (v + 1)",
        lambda x: -mp.log(squares(x) / N) / 2 - squares(x) / (squares(x) / N + 1),
    ),
    "a line through a point": (
        """
        b = sum[I]((x[I] - x[0]) (t[I] - t[0])) / sum[I]((x[I] - x[0])^2)
        a = t[0] - b x[0]
        L = mean[N]((t[N] - a - b x[N])^2)
        """,
        through_the_first,
    ),
    "what the one before does not tell": (AHEAD + "L = sum[N]((x[N+1] - c - f x[N])^2)", one_ahead),
}


@pytest.mark.in_turn(2)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives_far_from_zero(name):
    """Rounding the mean costs ``eps shift``; multiplied out, squares would cost ``eps shift^2``."""
    compare_far_from_zero(*FUNCTIONS[name], shifts=(0, 1e6, 1e8))


@pytest.mark.in_turn(3)
@pytest.mark.parametrize(("name", "order"), [(name, ORDERS[i % len(ORDERS)]) for i, name in enumerate(FITTED)])
def test_what_a_fit_leaves_far_from_zero(name, order):
    """The terms of a residual are as large as the data, what is left of them is not."""
    compare_far_from_zero(*FITTED[name], shifts=(1e6,), order=order, twice=name == "a line, mean of squares")


def compare_far_from_zero(text, function, shifts, order="auto", twice=True):
    """``twice``: also as one equation of the inputs alone, which is long where many lines are put in."""
    program = es.Program(text)
    partial, at = program.partial("L", "x"), {"t": np.array(TARGETS), "tx": np.eye(N)[0]}

    def run(derived, name):
        made = derived.compile(outputs=[name])
        names = {"x", *map(str, made.inputs)}  # x tells how long it is
        return lambda x: made({n: a for n, a in {**at, "x": x}.items() if n in names})[name]

    def given(x):
        return {n: a for n, a in {**at, "x": x}.items() if n in program.inputs}

    slope, hessian = program.derivative("L", "x"), program.hessian("L", "x", order=order)
    found = {
        "backward": (run(program.backward("L", ["x"]), "dx"), 1, ...),
        "partial": (run(partial, "dL/dx"), 1, ...),
        "derivative": (lambda x: np.asarray(slope(given(x))), 1, ...),
        "jvp": (run(program.jvp("L", ["x"]), "tL"), 1, 0),
        f"hessian, {order}": (lambda x: hessian(given(x)).dense(), 2, ...),
        "hvp": (run(program.hvp("L", ["x"]), "tdx"), 2, 0),
    }
    if twice:
        found["partial of a partial"] = (run(partial.partial("dL/dx", "x"), "dL/dxdx"), 2, ...)
    for shift in shifts:
        x = BASE + shift
        allowed = 1e-13 + 100 * np.finfo(float).eps * shift
        meant = {rank: by_digits(function, x, rank) for rank in (1, 2)}
        for route, (value, rank, entry) in found.items():
            expected = meant[rank][entry]
            error = np.abs(value(x) - expected).max() / np.abs(expected).max()
            assert error < allowed * (20 if expected.ndim > 1 else 1), (route, shift, error)


RESIDUALS = {
    "a mean of squares": (
        LINE + "L = mean[N]((t[N] - a - b x[N])^2)",
        ["e[n] = t[n] - a - b x[n]", "de[n] = 2 e[n] / |n|", "da = -de[N]"],
    ),
    "read twice": (
        LINE + "v = mean[N]((t[N] - a - b x[N])^2)\nL = log(v) + sum[N]((t[N] - a - b x[N])^4)",
        ["e[n] = t[n] - a - b x[n]", "dv = 1 / v", "de[n] = 2 e[n] dv / |n| + 4 e[n]^3", "da = -de[N]"],
    ),
    "the name is taken": (
        LINE + "te = mean[N]((t[N] - a - b x[N])^2)\nL = te^2",
        ["e2[n] = t[n] - a - b x[n]", "dte = 2 te", "de2[n] = 2 e2[n] dte / |n|", "da = -de2[N]"],
    ),
    "it has a name": (
        LINE + "r[n] = t[n] - a - b x[n]\nL = mean[N]((t[N] - a - b x[N])^2)",
        ["dr[n] = 2 r[n] / |n|", "da = -dr[N]"],
    ),
    "a read ahead": (
        AHEAD + "L = sum[N]((x[N+1] - c - f x[N])^2)",
        ["e[n] = x[n+1] - c - f x[n]", "de[n] = 2 e[n]", "dc = -de[N]"],
    ),
}


@pytest.mark.parametrize("name", RESIDUALS)
def test_a_difference_that_stays_while_its_terms_move_has_a_name(name):
    """``a`` moves by -b m and b x moves along as x does, so that ``t[n] - a - b x[n]`` stays."""
    text, expected = RESIDUALS[name]
    derived = es.Program(text).backward("L", ["x"])
    assert set(expected) <= set(map(str, derived.equations))
    again = es.Program(text + "\n" + str(derived))  # what is printed is a program
    assert str(again["dx"]) == str(derived["dx"])


PLAIN = {
    "the mean taken away": "m = mean[I](x[I])\nL = sum[N](x[N] (x[N] - m)^2)",
    "a line that is given": "L = mean[N]((t[N] - a - b x[N])^2)",
    "only one of them moves": "b = mean[I](t[I])\na = b^2\nL = mean[N]((t[N] - a - b x[N])^2)",
    "what is centred": "m = mean[I](x[I])\nb = sum[I]((x[I] - m)^3)\nL = sum[N]((t[N] - b (x[N] - m))^2)",
    "a read that a bracket guards": (
        "b = sum[I]((x[I] - x[0])^3)\nL = sum[N](1[N > 0] (x[N] - x[N-1] - b x[N] + b x[N-1])^2)"
    ),
    "a layer with a shortcut": "h[n] = x[n] w\nL = sum[N]((t[N] - h[N] v - x[N])^2)",
}


@pytest.mark.parametrize("name", PLAIN)
def test_other_differences_stay_where_they_are_written(name):
    program = es.Program(PLAIN[name])
    derived = program.backward("L", ["x"])
    assert all(str(e.name).startswith("d") for e in derived.equations)


PRODUCTS = {
    "one factor for each": "L = prod[I](x[I])",
    "over two axes": "X[i,j] = x[i] t[j]\nL = prod[I,J](X[I,J])",
    "named": "z[i] = x[i] - t[i]\nL = prod[I](z[I])",
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_what_is_left_out_of_a_product_is_not_taken_away_from_it(name):
    """All others are multiplied: with ``x + (1 - x)`` in the place of 1, or all of a sum less a term of it, the digits
    of x that are left of its own would be those of the result."""
    program, x, t = es.Program(PRODUCTS[name]), np.array([1e6 + 0.1, 2e7 + 0.3, 7e5 + 0.7]), np.array([0.3, 0.7, 1.1])
    factors = [mpf(float(u)) - mpf(float(v)) if name == "named" else mpf(float(u)) for u, v in zip(x, t, strict=True)]
    power, scale = (3, mp.fprod(mpf(float(v)) for v in t) ** 3) if name == "over two axes" else (1, mpf(1))
    whole = scale * mp.fprod(factors) ** power
    hessian = np.array([
        [float(whole * (power**2 - power * (i == j)) / (factors[i] * factors[j])) for j in range(3)] for i in range(3)
    ])  # fmt: skip
    given = {"x": x, "t": t} if "t" in program.inputs else {"x": x}
    v = np.array([1.0, 2.0, -1.0])
    gradient = np.array([float(whole * power / u) for u in factors])
    for found, expected in (
        (program.backward("L", ["x"]).compile(outputs=["dx"])(given)["dx"], gradient),
        (program.hessian("L", "x")(given).dense(), hessian),
        (program.hvp("L", {"x": "V"}).compile(outputs=["tdx"])({**given, "V": v})["tdx"], hessian @ v),
    ):
        assert np.abs(found - expected).max() <= 1e-14 * np.abs(expected).max()
