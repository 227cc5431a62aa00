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
REFUSED = {
    "PyTorch": (TENSOR, 'compile(backend="torch"), or give X.numpy()'),
    "JAX": (jax.numpy.asarray(A), 'compile(backend="jax"), or give np.asarray(X)'),
    "a parameter": (torch.nn.Parameter(torch.tensor(A)), "X.detach().numpy()"),
    "what is computed of one": (2 * torch.nn.Parameter(torch.tensor(A)), "X.detach().numpy()"),
    "rows of one": (list(torch.nn.Parameter(torch.tensor(A))), "X[0].detach().numpy()"),
    "half precision": (TENSOR.bfloat16(), "X.float().numpy()"),
    "sparse": (TENSOR.to_sparse(), "X.to_dense().numpy()"),
    "without memory": (TENSOR.to("meta"), "X.cpu().numpy()"),
}


@pytest.mark.parametrize("given", REFUSED)
def test_tensors_are_refused_with_what_to_do(given: str) -> None:
    data, repair = REFUSED[given]
    with pytest.raises(DataError) as error:
        PRODUCT(X=data, w=W)
    assert repair in "; ".join(error.value.repair)
    with pytest.raises(DataError):
        es.einsum("ij,j->i", data, W)
    if not isinstance(data, list):
        with pytest.raises(DataError):
            es.parse("y[n] = X[n,K] w[K]").loops(X=data, w=W)


def test_what_jax_traces_is_refused() -> None:
    for transformed in (jax.jit, jax.grad, jax.vmap):
        with pytest.raises(DataError, match="JAX traces it"):
            transformed(lambda x: PRODUCT(X=x, w=W)["y"].sum())(jax.numpy.asarray(A))
