"""Tensors of PyTorch and arrays of JAX where arrays are wanted."""

import numpy as np
import pytest

import einstan as es
from einstan.language.errors import DataError

jax = pytest.importorskip("jax", exc_type=ImportError)
torch = pytest.importorskip("torch", exc_type=ImportError)

A, W = np.arange(6, dtype=np.float32).reshape(3, 2), np.array([1, 10], np.float32)
PRODUCT = es.parse("y[n] = X[n,K] w[K]").compile()
TENSOR = torch.tensor(A)
TAKEN = {
    "PyTorch": TENSOR,
    "PyTorch, turned": torch.tensor(A.T.copy()).T,
    "PyTorch, detached": torch.nn.Parameter(torch.tensor(A)).detach(),
    "JAX": jax.numpy.asarray(A),
    "rows": list(TENSOR),
}
REFUSED = {
    "a parameter": (torch.nn.Parameter(torch.tensor(A)), "X.detach()"),
    "what is computed of one": (2 * torch.nn.Parameter(torch.tensor(A)), "X.detach()"),
    "rows of one": (list(torch.nn.Parameter(torch.tensor(A))), "X.detach()"),
    "half precision": (TENSOR.bfloat16(), "X.float()"),
    "sparse": (TENSOR.to_sparse(), "X.to_dense()"),
    "without memory": (TENSOR.to("meta"), "X.cpu()"),
}


@pytest.mark.parametrize("given", TAKEN)
def test_values_are_those_of_the_entries(given: str) -> None:
    assert np.asarray(PRODUCT(X=TAKEN[given], w=W)["y"]).tolist() == (A @ W).tolist()
    assert np.asarray(es.einsum("ij,j->i", TAKEN[given], W)).tolist() == (A @ W).tolist()


@pytest.mark.parametrize("given", REFUSED)
def test_what_would_lose_something_is_refused(given: str) -> None:
    data, repair = REFUSED[given]
    with pytest.raises(DataError) as error:
        PRODUCT(X=data, w=W)
    assert repair in error.value.repair
    with pytest.raises(DataError):
        es.einsum("ij,j->i", data, W)
    if not isinstance(data, list):
        with pytest.raises(DataError):
            es.parse("y[n] = X[n,K] w[K]").loops(X=data, w=W)


def test_what_jax_traces_is_refused() -> None:
    for transformed in (jax.jit, jax.grad, jax.vmap):
        with pytest.raises(DataError, match="JAX traces it"):
            transformed(lambda x: PRODUCT(X=x, w=W)["y"].sum())(jax.numpy.asarray(A))
