"""Derivatives whose deltas are shifted, and which read windows: held by their links, solved by their bands.

What they should be is told by differences of the values, and by dense linear algebra.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

import einstan as es
from einstan.language.errors import DataError
from einstan.library import banded as bands
from einstan.library.banded import Banded, banded
from einstan.library.factored import FactoredTensor, Part
from einstan.library.factored_links import Link

RNG = np.random.default_rng(0)

# the equations, of which the last one is differentiated; with respect to; the shapes; bytes that are held
CASES = {
    "difference": ("d[i] = x[i+1] - x[i]", "x", {"x": 9}, 0),
    "smoothness": ("L = sum[I]((x[I]-y[I])^2) + a sum[I]((x[I+1]-x[I])^2)", "x", {"x": 9, "y": 9, "a": ()}, 88),
    "chain": ("L = sum[I]((x[I+1]-x[I])^4)", "x", {"x": 9}, 216),
    "second difference": ("L = sum[I]((x[I+2] - 2 x[I+1] + x[I])^2)", "x", {"x": 9}, 216),
    "named difference": ("d[i] = x[i+1] - x[i]\nL = d[I]^4", "x", {"x": 9}, 216),
    "correlation": ("y[i] = x[i+J] w[J]", "x", {"x": 9, "w": 3}, 24),
    "its window": ("y[i] = x[i+J] w[J]", "w", {"x": 9, "w": 3}, 72),
    "same": ("y[i] = pad(x[i+J-1]) w[J] where |i| = |x.0|", "x", {"x": 9, "w": 3}, 24),
    "longer than the signal": ("y[i] = pad(x[i+J-3]) w[J] where |i| = |x.0|", "x", {"x": 3, "w": 8}, 64),
    "one entry": ("y[i] = pad(x[i+J-1]) w[J] where |i| = |x.0|", "x", {"x": 1, "w": 3}, 24),
    "nothing": ("y[i] = pad(x[i+J-1]) w[J] where |i| = |x.0|", "x", {"x": 0, "w": 3}, 24),
    "strided": ("y[i] = x[2i+J] w[J]", "x", {"x": 9, "w": 4}, 32),
    "strided and dilated": ("y[i] = x[2i+3J] w[J]", "x", {"x": 11, "w": 3}, 24),
    "full": ("y[i] = pad(x[i-J]) w[J] where |i| = |x.0| + |w.0| - 1", "x", {"x": 5, "w": 3}, 24),
    "turned round": ("y[i] = x[i+|J|-1-J] w[J]", "x", {"x": 9, "w": 3}, 24),
    "Toeplitz": ("y[i] = pad(c[i-J]) x[J] where |i| = |x.0|", "x", {"x": 7, "c": 7}, 56),
    "squared": ("y[i] = sum[J](pad(c[i-J])^2 x[J]) where |i| = |x.0|", "x", {"x": 7, "c": 3}, 24),
    "residual": ("y[i] = x[i+J] w[J]\nL = 1/2 (y[I]-t[I])^2", "x", {"x": 9, "w": 3, "t": 7}, 24),
    "curved": ("y[i] = x[i+J] w[J]\na[i] = tanh(y[i])\nL = 1/2 (a[I]-t[I])^2", "x", {"x": 9, "w": 3, "t": 7}, 80),
    "strided, twice": ("y[i] = x[2i+J] w[J]\nL = y[I]^4", "x", {"x": 9, "w": 3}, 56),
    "channels": ("y[n,i,o] = x[n,i+J,C] w[J,C,o]", "x", {"x": (2, 6, 3), "w": (3, 3, 4)}, 288),
    "their windows": ("y[n,i,o] = x[n,i+J,C] w[J,C,o]", "w", {"x": (2, 6, 3), "w": (3, 3, 4)}, 288),
    "two axes": ("y[i,j] = x[i+R,j+S] w[R,S]", "x", {"x": (5, 6), "w": (2, 3)}, 48),
    "strides of two axes": ("y[i,j] = x[2i+R,3j+S] w[R,S]", "x", {"x": (6, 7), "w": (2, 2)}, 32),
    "Poisson": (
        "L = 1/2 sum[I,J]((u[I+1,J]-u[I,J])^2) + 1/2 sum[I,J]((u[I,J+1]-u[I,J])^2) - f[I,J] u[I,J]",
        "u", {"u": (4, 5), "f": (4, 5)}, 160,
    ),
    "boundary": ("r[i] = pad(u[i+1]) - 2 u[i] + pad(u[i-1]) - u[i]^3 where |i| = |u.0|", "u", {"u": 9}, 72),
    "pairs of a window": ("L = sum[I,J](k[J] (x[I+J] - x[I])^4)", "x", {"x": 6, "k": 3}, None),
}  # fmt: skip


def differences(value, x, h=1e-5):
    columns = []
    for at in np.ndindex(x.shape):
        step = np.zeros(x.shape)
        step[at] = h
        columns.append((value(x + step) - value(x - step)) / (2 * h))
    base = value(x)
    return np.stack(columns, -1).reshape(*base.shape, *x.shape) if columns else np.zeros((*base.shape, *x.shape))


@pytest.mark.parametrize(("text", "wrt", "shapes", "held"), CASES.values(), ids=CASES)
def test_a_derivative_is_what_differences_say_and_every_operation_is_that_of_its_dense_form(text, wrt, shapes, held):
    program = es.Program(text)
    name = str(program.equations[-1].name)
    arrays = {tensor: RNG.normal(size=shape) for tensor, shape in shapes.items()}
    if program[name].indices:
        tensor, value = program.jacobian(name, wrt)(arrays), program.compile(outputs=[name])
        expected = differences(lambda x: value({**arrays, wrt: x})[name], arrays[wrt])
    else:
        tensor = program.hessian(name, wrt)(arrays)
        gradient = program.backward(name, [wrt]).compile()
        expected = differences(lambda x: gradient({**arrays, wrt: x})[f"d{wrt}"], arrays[wrt])
    dense, rank, rows = tensor.dense(), arrays[wrt].ndim, tensor.rows
    np.testing.assert_allclose(dense, expected, rtol=1e-6, atol=1e-6)
    assert held is None or tensor.nbytes == held
    several = RNG.normal(size=(*arrays[wrt].shape, 2))
    left = RNG.normal(size=dense.shape[:rows])
    turned = dense.transpose(*range(rows, dense.ndim), *range(rows))
    np.testing.assert_allclose(tensor @ several, np.tensordot(dense, several, rank), atol=1e-12)
    np.testing.assert_allclose(left @ tensor, np.tensordot(left, dense, rows), atol=1e-12)
    np.testing.assert_array_equal(tensor.T.dense(), turned)
    np.testing.assert_allclose((tensor.T @ tensor).dense(), np.tensordot(turned, dense, rows), atol=1e-9)
    np.testing.assert_allclose(((tensor.T @ tensor) @ several), np.tensordot(turned, tensor @ several, rows), atol=1e-9)
    assert tensor.dtype == np.float64
    assert "where" in repr(tensor)
    if dense.shape[:rows] == dense.shape[rows:]:
        side = math.prod(dense.shape[:rows])
        np.testing.assert_allclose(tensor.diagonal().ravel(), np.diagonal(dense.reshape(side, side)), atol=1e-12)
        np.testing.assert_allclose((tensor + tensor.T).dense(), dense + turned, atol=1e-12)


# ---- bands -----------------------------------------------------------------------------------------------------------

SYSTEMS = {
    "tridiagonal": ("L = sum[I]((x[I]-1)^2) + sum[I]((x[I+1]-x[I])^2)", {"x": 60}, 1),
    "strided window": ("y[i] = x[2i+J] w[J]\nL = y[I]^2 + 1/2 x[K]^2", {"x": 60, "w": 3}, 2),
    "grid, its short axis within": (
        "L = 1/2 sum[I,J]((x[I+1,J]-x[I,J])^2) + 1/2 sum[I,J]((x[I,J+1]-x[I,J])^2) + x[I,J]^2", {"x": (3, 40)}, 3,
    ),
    "batch": ("L = sum[N,I]((x[N,I]-1)^4) + sum[N,I]((x[N,I+1]-x[N,I])^2)", {"x": (3, 50)}, 1),
    "kernel": ("y[i] = pad(x[i+J-2]) w[J] where |i| = |x.0|", {"x": 40, "w": 4}, 1),
}  # fmt: skip


@pytest.mark.parametrize("lapack", [True, False], ids=["lapack", "numpy"])
@pytest.mark.parametrize(("text", "shapes", "width"), SYSTEMS.values(), ids=SYSTEMS)
def test_a_banded_system_is_solved_as_the_dense_one(text, shapes, width, lapack, monkeypatch):
    if lapack:
        pytest.importorskip("scipy.linalg")
    else:
        monkeypatch.setattr(bands, "_lapack", lambda: None)
    program = es.Program(text)
    arrays = {name: RNG.normal(size=shape) for name, shape in shapes.items()}
    name = str(program.equations[-1].name)
    symmetric = not program[name].indices
    tensor = (program.hessian if symmetric else program.jacobian)(name, "x")(arrays)
    found = banded(tensor)
    side = math.prod(arrays["x"].shape)
    assert (found.matrix.upper, found.matrix.side) == (width, side)
    matrix = tensor.dense().reshape(side, side)
    for extra in ((), (2,)):
        right = RNG.normal(size=(*arrays["x"].shape, *extra))
        expected = np.linalg.solve(matrix, right.reshape(side, -1)).reshape(right.shape)
        np.testing.assert_allclose(tensor.solve(right), expected, rtol=1e-8, atol=1e-8)
        flat = found.flat(right)
        np.testing.assert_allclose(found.back(found.matrix @ flat), (tensor @ right), atol=1e-12)
        if symmetric:
            np.testing.assert_allclose(found.back(found.matrix.solve_definite(flat)), expected, rtol=1e-8, atol=1e-8)
            assert found.matrix.plus(-1e3).solve_definite(flat) is None


@pytest.mark.parametrize(("lower", "upper"), [(0, 0), (1, 1), (3, 2), (0, 2), (2, 0)])
def test_elimination_changes_rows_where_a_pivot_is_small(lower, upper, monkeypatch):
    matrix = Banded(RNG.normal(size=(lower + upper + 1, 50)), lower, upper)
    matrix.bands[upper] *= 1e-12 if lower and upper else 1
    right = RNG.normal(size=(50, 2))
    monkeypatch.setattr(bands, "_lapack", lambda: None)
    solved = matrix.solve(right)
    assert np.abs(matrix @ solved - right).max() <= 1e-12 * max(1, np.abs(solved).max())


def test_a_singular_band_is_refused():
    tensor = es.Program("L = sum[I]((x[I+1]-x[I])^2)").hessian("L", "x")(x=np.zeros(100))
    lower = FactoredTensor("ij", (100, 100), [Part((0, 1), (), 1.0, (Link(((0, 1), (1, -1)), -1),))])
    with pytest.raises(DataError, match="singular"):
        lower.solve(np.ones(100))
    assert banded(tensor) is not None


def test_what_is_enormous_stays_small():
    n = 200_000  # dense each would be 320 GB
    kernel, x = np.array([1.0, -4, 1]), RNG.normal(size=n)
    same = es.Program("y[i] = pad(x[i+J-1]) w[J] where |i| = |x.0|").jacobian("y", "x")(x=x, w=kernel)
    assert same.nbytes == 24
    np.testing.assert_allclose(same.solve(same @ x), x, atol=1e-12)
    np.testing.assert_array_equal(same.diagonal(), np.full(n, -4.0))
    assert same[5, 3:8].dense().tolist() == [0, 1, -4, 1, 0]
    with pytest.raises(DataError, match="320 GB"):
        same.dense()
    gram = same.T @ same
    np.testing.assert_allclose(gram @ x, same.T @ (same @ x))
    np.testing.assert_allclose(gram.solve(gram @ x), x, atol=1e-10)


def test_a_toeplitz_matrix_as_wide_as_it_is_long():
    n = 300
    c, x = RNG.normal(size=n), RNG.normal(size=n)
    T = es.Program("y[i] = pad(c[i-J]) x[J] where |i| = |x.0|").jacobian("y", "x")(c=c, x=x)
    matrix = sum(c[k] * np.eye(n, k=-k) for k in range(n))
    np.testing.assert_allclose(T @ x, matrix @ x, atol=1e-10)
    np.testing.assert_allclose((T.T @ T).dense(), matrix.T @ matrix, atol=1e-9)  # too many boxes: written out


def test_a_read_outside_is_refused_where_nothing_guards_it():
    program = es.Program("y[i] = x[i+J] w[J] where |i| = 8")
    with pytest.raises(es.EinstanError, match="reads outside"):
        program.jacobian("y", "w")(x=np.zeros(9), w=np.zeros(3))


@pytest.mark.parametrize(
    "text",
    [
        "n[i] = pad(x[i-1])\nv[i] = tanh(n[i] + x[i])\nL = sum[I](v[I]^2)",
        "a[i] = x[i+1]\nL = sum[I](sqrt(1 + a[I]^2 + x[I]^2)) where |I| = |x.0| - 1",
    ],
)
def test_a_link_beside_what_is_averaged_is_averaged_too(text: str) -> None:
    x, v = np.array([0.3, -0.2, 0.5]), np.array([1.0, -0.5, 2.0])
    held = es.Program(text).hessian("L", "x")(x=x)
    dense = held.dense()
    for found, expected in ((held @ v, dense @ v), (v @ held, v @ dense), (held.solve(v), np.linalg.solve(dense, v))):
        np.testing.assert_allclose(found, expected, rtol=1e-12)
