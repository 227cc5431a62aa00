"""Gradients of einsum strings beside those of PyTorch and JAX, for the strings of their tests and of NumPy's."""

import json
from pathlib import Path

import numpy as np
import pytest

import einstan as es

jax = pytest.importorskip("jax", exc_type=ImportError)
torch = pytest.importorskip("torch", exc_type=ImportError)


@pytest.fixture(autouse=True)
def _double_precision():
    before = jax.config.read("jax_enable_x64")
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


ROWS = json.loads((Path(__file__).parents[1] / "library" / "einsum_strings.json").read_text(encoding="utf-8"))


def rows(library, every=1):
    found = [row for row in ROWS if library in row["accepted_by"] and isinstance(row["einsum"], str)]
    return found[::every]


def name_of(row):
    return f"{row['einsum']} {row['shapes']}"


def numbers(row, kind):
    """Arrays and a cotangent for one row."""
    rng = np.random.default_rng(len(row["einsum"]))

    def one(shape):
        real = rng.standard_normal(shape)
        return np.asarray(real + 1j * rng.standard_normal(shape) if kind == "complex" else real)

    arrays = [one(shape) for shape in row["shapes"]]
    return arrays, one(np.shape(es.einsum(row["einsum"], *arrays)))


def close(found, expected, shape):
    assert found.shape == expected.shape == tuple(shape)
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-9 * max(1, np.abs(expected).max(initial=0)))


@pytest.mark.parametrize("kind", ["real", "complex"])
@pytest.mark.parametrize("row", rows("PyTorch"), ids=name_of)
def test_gradients_are_those_of_pytorch(row, kind):
    """PyTorch's gradient is the conjugate: that of the conjugated cotangent, conjugated again."""
    arrays, cotangent = numbers(row, kind)
    tensors = [torch.tensor(x, requires_grad=True) for x in arrays]
    result = torch.einsum(row["einsum"], *tensors)
    expected = torch.autograd.grad(result, tensors, torch.tensor(cotangent))
    found = es.einsum(row["einsum"]).gradients(*arrays, cotangent=cotangent.conj())
    for mine, theirs, shape in zip(found, expected, row["shapes"], strict=True):
        close(mine.conj(), theirs.numpy(), shape)


@pytest.mark.parametrize("kind", ["real", "complex"])
@pytest.mark.parametrize("row", rows("JAX", every=30), ids=name_of)
def test_gradients_are_those_of_jax(row, kind):
    arrays, cotangent = numbers(row, kind)
    _, pull = jax.vjp(lambda *x: jax.numpy.einsum(row["einsum"], *x), *map(jax.numpy.asarray, arrays))
    expected = [np.asarray(x) for x in pull(jax.numpy.asarray(cotangent))]
    found = es.einsum(row["einsum"]).gradients(*arrays, cotangent=cotangent)
    for mine, theirs, shape in zip(found, expected, row["shapes"], strict=True):
        close(mine, theirs, shape)


MIXED = [("ij,jk->ik", "f8", "c16"), ("ij,jk->ik", "f4", "c8"), ("ij,jk->ik", "f4", "f8"), ("ij,jk->", "c16", "f8")]


@pytest.mark.parametrize(("string", "left", "right"), MIXED)
def test_dtypes_of_gradients_are_those_of_jax(string, left, right):
    rng = np.random.default_rng(0)
    arrays = [(rng.standard_normal((3, 3)) + 1j * rng.standard_normal((3, 3))) for _ in range(2)]
    arrays = [x.astype(d) if d[0] == "c" else x.real.astype(d) for x, d in zip(arrays, (left, right), strict=True)]
    result = es.einsum(string, *arrays)
    cotangent = np.asarray(rng.standard_normal(np.shape(result)) * (1 + 2j if result.dtype.kind == "c" else 1))
    cotangent = cotangent.astype(result.dtype)
    _, pull = jax.vjp(lambda *x: jax.numpy.einsum(string, *x), *map(jax.numpy.asarray, arrays))
    expected = [np.asarray(x) for x in pull(jax.numpy.asarray(cotangent))]
    for mine, theirs in zip(es.einsum(string).gradients(*arrays, cotangent=cotangent), expected, strict=True):
        assert mine.dtype == theirs.dtype
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-5)
