"""Newton steps of chains and grids, whose Hessians are banded, beside dense linear algebra."""

from __future__ import annotations

import numpy as np
import pytest

import einstan as es
from einstan.optimize import flat, gauss_newton, levenberg_marquardt, newton, root
from einstan.optimize.bands import Band
from einstan.optimize.curvature import hessian
from einstan.optimize.objective import Objective

RNG = np.random.default_rng(0)
SMOOTH = "L = sum[I]((x[I]-y[I])^2) + a sum[I]((x[I+1]-x[I])^2)"
COUPLED = "L = sum[I]((x[I]-y[I])^2 + (z[I]-x[I])^4) + sum[I]((x[I+1]-x[I])^2) + sum[I]((z[I+1]-z[I])^2)"
GRID = "L = sum[I,J]((u[I+1,J]-u[I,J])^4) + sum[I,J]((u[I,J+1]-u[I,J])^2) + u[I,J]^2 - u[I,J]"


@pytest.mark.parametrize(
    ("text", "params", "width"),
    [(SMOOTH, {"x": (90,)}, 1), (COUPLED, {"x": (60,), "z": (60,)}, 2), (GRID, {"u": (4, 30)}, 4)],
    ids=["smooth", "coupled", "grid"],
)
def test_a_chain_is_one_banded_piece(text, params, width):
    start = {name: RNG.normal(size=shape) for name, shape in params.items()}
    known = {"y": RNG.normal(size=90 if text is SMOOTH else 60), "a": 3.0}
    data = {name: array for name, array in known.items() if f"{name}[" in text or f"{name} " in text}
    objective = Objective(es.Program(text), "L", start, data)
    (piece,) = hessian(objective)(objective.start)
    assert isinstance(piece, Band)
    assert piece.matrix.upper == width
    direction = {name: RNG.normal(size=shape) for name, shape in params.items()}
    expected = objective.product(objective.start, direction)
    found = piece.scatter((piece.matrix @ piece.gather(direction)[0])[None])
    for name in params:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-9, atol=1e-9)
    whole = flat(es.Program(text), "L", start, data)
    matrix = whole.hess(whole.x0)
    np.testing.assert_allclose(matrix @ whole.pack(direction), whole.pack(expected), rtol=1e-9, atol=1e-9)
    result = newton(es.Program(text), "L", start, data)
    assert result.converged
    assert not result.notes


def test_a_long_signal_is_smoothed_in_one_step():
    n = 50_000  # dense the Hessian would be 20 GB
    y = np.sin(np.arange(n) / 500) + 0.1 * RNG.normal(size=n)
    result = newton(es.Program(SMOOTH), "L", {"x": np.zeros(n)}, {"y": y, "a": 100.0})
    x = result.params["x"]
    bent = np.diff(x, prepend=x[0]) - np.diff(x, append=x[-1])
    assert result.converged
    assert result.iterations == 1
    np.testing.assert_allclose(x - y + 100 * bent, 0, atol=1e-9)


@pytest.mark.parametrize("n", [50, 500])
def test_an_indefinite_chain_is_led_down(n):
    program = es.Program("L = a sum[I]((x[I]^2-1)^2) + sum[I]((x[I+1]-x[I])^2)")
    result = newton(program, "L", {"x": 0.1 * RNG.normal(size=n)}, {"a": 2.0}, max_iterations=200)
    assert result.converged
    assert any("indefinite" in note for note in result.notes)
    stuck = newton(program, "L", {"x": np.zeros(n)}, {"a": 2.0})
    assert not stuck.converged
    assert "negative" in stuck.reason


@pytest.mark.parametrize("n", [50, 500])
def test_a_chain_without_an_end_is_singular(n):
    program = es.Program("L = sum[I]((x[I+1]-x[I] - d[I])^2)")
    d = RNG.normal(size=n - 1)
    result = newton(program, "L", {"x": np.zeros(n)}, {"d": d})
    assert any("singular" in note for note in result.notes)
    np.testing.assert_allclose(np.diff(result.params["x"]), d, atol=1e-5)


def test_a_discretised_equation_is_solved():
    n = 3000
    program = es.Program("r[i] = pad(u[i+1]) - 2 u[i] + pad(u[i-1]) - c u[i]^3 - f[i] where |i| = |u.0|")
    u = RNG.normal(size=n)
    f = np.r_[u[1:], 0] - 2 * u + np.r_[0, u[:-1]] - 0.1 * u**3
    result = root(program, "r", {"u": u + 0.01 * RNG.normal(size=n)}, {"c": 0.1, "f": f})
    assert result.converged
    np.testing.assert_allclose(result.params["u"], u, atol=1e-9)


@pytest.mark.parametrize("method", [gauss_newton, levenberg_marquardt])
def test_residuals_that_read_neighbours(method):
    n = 300
    program = es.Program("""
        r[i] = exp(x[i]) - y[i]
        s[i] = x[i+1] - x[i]
        L    = r[I]^2 + s[I]^2
    """)
    y = np.exp(np.sin(np.arange(n) / 20))
    result = method(program, "L", ["r", "s"], {"x": np.zeros(n)}, {"y": y}, tol=1e-10)
    exact = newton(program, "L", {"x": result.params["x"]}, {"y": y}, tol=1e-8)
    assert result.converged
    np.testing.assert_allclose(result.params["x"], exact.params["x"], atol=1e-7)
