"""Differences from one, and their logarithms: value, gradient, Hessian and its products at small and large arguments,
against many digits.  What an error is compared with is half a unit in the last place of the value, or what the value
changes by where the argument does so by half a unit in its last place, if that is more."""

import numpy as np
import pytest
from mpmath import mp, mpf

import einstan as es
from einstan.machine.meaning.loops import evaluate
from einstan.machine.meaning.numbers import FLOATS

SMALL, LARGE = [1e-12, 1e-10, 1e-5, 0.3, 1.0], [5.0, 20.0, 37.0, 50.0, 300.0]
POSITIVE = SMALL + LARGE
ALL = [-x for x in POSITIVE] + POSITIVE
AWAY = [x for x in ALL if abs(x) > 1e-2]
MOST = 100
ROWS = {
    "log(1 - exp(-x[i]))": (lambda x: mp.log(-mp.expm1(-x)), POSITIVE),
    "log(1 - exp(x[i]))": (lambda x: mp.log(-mp.expm1(x)), [-x for x in POSITIVE]),
    "log(exp(x[i]) - 1)": (lambda x: mp.log(mp.expm1(x)), [*POSITIVE, 800.0]),
    "log(-expm1(-x[i]))": (lambda x: mp.log(-mp.expm1(-x)), POSITIVE),
    "log(1 - exp(-exp(x[i])))": (lambda x: mp.log(-mp.expm1(-mp.exp(x))), [-2.0, -0.5, 0.5, 3.0, 4.5]),
    "1 - exp(-x[i])": (lambda x: -mp.expm1(-x), ALL),
    "1 - 2^(-x[i])": (lambda x: -mp.expm1(-x * mp.log(2)), ALL),
    "exp(x[i]) - 1": (mp.expm1, ALL),
    "exp(x[i]) - exp(-x[i])": (lambda x: 2 * mp.sinh(x), ALL),
    "log(1 + exp(x[i]))": (lambda x: mp.log1p(mp.exp(x)), ALL),
    "log(1 + x[i])": (mp.log1p, [-x for x in SMALL[:-1]] + POSITIVE),
    "log(1 - x[i])": (lambda x: mp.log1p(-x), [*SMALL[:-1], 0.9]),
    "log(1 + x[i]^2)": (lambda x: mp.log1p(x**2), [x for x in ALL if x != 1]),
    "log(cosh(x[i]))": (lambda x: mp.log(mp.cosh(x)), AWAY),
    "1 - cos(x[i])": (lambda x: 1 - mp.cos(x), SMALL),
    "1 - tanh(x[i])^2": (lambda x: mp.cosh(x) ** -2, AWAY),
    "1 - sigmoid(x[i])": (lambda x: 1 / (1 + mp.exp(x)), AWAY),
    "log(1 - sigmoid(x[i]))": (lambda x: -mp.log1p(mp.exp(x)), ALL),
    "log(1 - erf(x[i]))": (lambda x: mp.log(mp.erfc(x)), [-4.0, -0.5, -1e-12, 1e-12, 0.5, 4.0]),
    "log(1/2 + 1/2 erf(x[i]))": (lambda x: mp.log(mp.erfc(-x) / 2), [-4.0, -0.5, -1e-12, 1e-12, 0.5, 4.0, 20.0]),
}
NAMED = {  # what a name stands for is known
    "p[i] = exp(-x[i])\ny[i] = log(1 - p[i])": (lambda x: mp.log(-mp.expm1(-x)), POSITIVE),
    "p[i] = -x[i]\ny[i] = log(1 + p[i])": (lambda x: mp.log1p(-x), SMALL[:-1]),
}


@pytest.mark.parametrize("text", [*ROWS, *NAMED])
def test_to_the_last_digits(text):
    function, points = ROWS.get(text) or NAMED[text]
    program = es.Program((text if text in NAMED else f"y[i] = {text}") + "\nL = sum[I](y[I])")
    x, along = np.array(points), np.ones(len(points))
    hvp = program.hvp("L", {"x": "v"}).compile(outputs=["tdx"])
    found = {
        "value": (0, program.compile(outputs=["y"])(x=x)["y"]),
        "value, any size": (0, program.compile(outputs=["y"], any_size=True)(x=x)["y"]),
        "gradient": (1, program.backward("L", ["x"]).compile(outputs=["dx"])(x=x)["dx"]),
        "Hessian": (2, np.diag(program.hessian("L", "x")(x=x).dense())),
        "product": (2, hvp(**{n: a for n, a in {"x": x, "v": along}.items() if n in hvp.texts})["tdx"]),
    }
    with mp.workdps(350):
        true = [[mp.diff(function, mpf(at), order) for order in range(4)] for at in points]
        for way, (order, got) in found.items():
            for at, exact, value in zip(points, true, got, strict=True):
                floor = max(abs(exact[order]), abs(exact[order + 1] * at)) * mpf(2) ** -53
                assert abs(mpf(float(value)) - exact[order]) <= MOST * floor + mpf(10) ** -300, (way, at, value)


def test_a_tail_over_its_density_is_finite_where_both_are_nothing():
    """The Hessian of a probit likelihood, far from zero: 2 / sqrt(pi) exp(-x^2) / erfc(x), squared."""
    program = es.Program("L = sum[I](log(1 - erf(x[I])))")
    assert program.hessian("L", "x")(x=np.array([22.0])).dense() == pytest.approx(-1.9979466, abs=1e-6)


@pytest.mark.filterwarnings("error")
def test_a_logarithm_of_what_has_none_is_that_of_numpy():
    program = es.Program("y[i] = log(1 - exp(-x[i]))")
    with np.errstate(all="ignore"):
        found = program.compile()(x=np.array([0.0, -1.0, np.nan, np.inf]))["y"]
    np.testing.assert_array_equal(found, [-np.inf, np.nan, np.nan, 0])


LENGTHS = {  # how a length and what is made of it grow with x
    "L = sqrt(x[K]^2)": 1,
    "L = norm[K](x[K])": 1,
    "s = x[K]^2\nL = sqrt(s)": 1,
    "n[i] = sqrt(X[i,K]^2)\nL = sum[I](n[I])": 1,
    "d[i,j] = sqrt(sum[K]((X[i,K] - X[j,K])^2))\nL = sum[I,J](1[I < J] d[I,J])": 1,
    "u[k] = x[k] / sqrt(sum[K](x[K]^2))\nL = sum[K](a[K] u[K])": 0,
    "L = x[K] a[K] / (sqrt(x[J]^2) sqrt(a[M]^2))": 0,
    "r = sqrt(x[I]^2)\nb = sqrt(a[I]^2)\nL = x[I] a[I] / (r b)": None,  # its cotangents divide by r on the way
}


@pytest.mark.parametrize("text", LENGTHS)
def test_derivatives_of_lengths_are_finite_where_their_cubes_are_not(text):
    program, degree = es.Program(text), LENGTHS[text]
    name = "x" if "x[" in text else "X"
    given = {"x": np.array([0.5, -1.25, 2.0]), "X": np.array([[0.5, -1.25], [2.0, 0.25]]), "a": np.array([1.0, 2, 3])}
    ways = {
        0: program.compile(outputs=["L"]), 1: program.backward("L", [name]).compile(outputs=[f"d{name}"]),
        2: program.hessian("L", name), 3: program.hvp("L", {name: "v"}).compile(outputs=[f"td{name}"]),
    }  # fmt: skip
    hvp = program.hvp("L", {name: "v"}).whole
    read = {n: a for n, a in {**given, "v": np.ones_like(given[name])}.items() if n in hvp.inputs}
    by_loops = evaluate(hvp, read, numbers=FLOATS)  # of the lines as they are printed
    found = {3: np.array(by_loops[f"td{name}"].tolist())}
    for scale in (1, 2.0**-400, 2.0**400) if degree is not None else (1,):  # 1e-120 and 1e120
        arrays = {**given, name: scale * given[name], "v": np.ones_like(given[name])}
        for way, run in ways.items():
            read = arrays if way != 2 else {n: a for n, a in arrays.items() if n in map(str, program.inputs)}
            got = run({n: a for n, a in read.items() if way == 2 or n in run.texts})
            value = got.dense() if way == 2 else next(iter(got.values()))
            np.testing.assert_allclose(
                value, found.setdefault(way, value) * scale ** ((degree or 0) - min(way, 2)), 1e-12
            )
        if scale == 1:
            axes = found[3].ndim
            np.testing.assert_allclose(found[2].reshape(*found[3].shape, -1).sum(axis=axes), found[3], 1e-12, 1e-14)
