"""The program that type checkers look at with PyTorch and JAX there does what it says."""

import pytest

torch = pytest.importorskip("torch", exc_type=ImportError)
jax = pytest.importorskip("jax", exc_type=ImportError)


def test_the_client_runs() -> None:
    from tests.typed import elsewhere

    assert elsewhere.of_torch(torch.eye(2), torch.ones(2)).tolist() == [1.0, 1.0]
    assert elsewhere.of_jax(jax.numpy.eye(2), jax.numpy.ones(2)).tolist() == [1.0, 1.0]
