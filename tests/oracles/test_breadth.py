"""PyTorch as an oracle for the breadth of the calculus: values, Jacobians and Hessians of every formula."""

import numpy as np
import pytest

import einstan as es
from tests.breadth.rows import ROWS
from tests.breadth.test_breadth import close, derivatives, value_of

torch = pytest.importorskip("torch", exc_type=ImportError)
F = torch.nn.functional
distributions = torch.distributions


def p_norm(x, p):
    return x.abs().pow(p).sum().pow(1 / p)


def layer_norm(X, g, b):
    """By hand: the second derivatives of PyTorch's own layer_norm by the gain and by X differ from each other."""
    centred = X - X.mean(1, keepdim=True)
    return g * centred / torch.sqrt(centred.square().mean(1, keepdim=True) + 0.001) + b


def gaussian(x, m, s):
    return distributions.Normal(m, s).log_prob(x).sum()


def attention(Q, M, V):
    return F.scaled_dot_product_attention(Q[None], M[None], V[None], is_causal=True)[0]


def kl_of_logits(U, V):
    return F.kl_div(V.log_softmax(1), U.log_softmax(1), reduction="batchmean", log_target=True)


def huber(f, y, h):
    r = (y - f).abs()
    return torch.where(r <= h, r**2 / 2, h * (r - h / 2)).mean()


def embedded(E, T):
    return F.one_hot(T, E.shape[0]).to(E.dtype) @ E


BY_TORCH = {
    "trace": lambda A: torch.trace(A),
    "trace of a product": lambda A, B: torch.trace(A @ B),
    "trace of a cube": lambda A: torch.trace(torch.matrix_power(A, 3)),
    "quadratic form": lambda x, A: x @ A @ x,
    "cubic form": lambda x, T: ((T @ x) @ x) @ x,
    "Frobenius norm": lambda A: torch.linalg.matrix_norm(A),
    "3-norm": lambda x: torch.linalg.vector_norm(x, 3),
    "p-norm": p_norm,
    "Hadamard product": lambda A, B: A * B,
    "Kronecker product": lambda A, B: torch.kron(A, B).reshape(A.shape[0], B.shape[0], A.shape[1], B.shape[1]),
    "outer product": lambda x, y: torch.outer(x, y),
    "matrix cube": lambda A: torch.matrix_power(A, 3),
    "fourth power by squaring": lambda A: torch.matrix_power(A, 4),
    "row normalisation": lambda X: F.normalize(X, p=1, dim=1),  # of positive entries
    "column normalisation": lambda X: F.normalize(X, dim=0),
    "layer norm": layer_norm,
    "log-sum-exp": lambda Z: torch.logsumexp(Z, 1),
    "softmax at a temperature": lambda Z, t: F.softmax(Z / t, dim=1),
    "KL divergence": lambda P, Q: F.kl_div(Q.log(), P, reduction="sum"),
    "KL divergence of logits": kl_of_logits,
    "Huber": huber,
    "GELU (erf)": lambda x: F.gelu(x),
    "GELU (tanh)": lambda x: F.gelu(x, approximate="tanh"),
    "softplus": lambda x: F.softplus(x),
    "cosine similarity": lambda x, y: F.cosine_similarity(x, y, dim=0),
    "squared pairwise distances": lambda X, Y: (X[:, None] - Y).square().sum(2),
    "pairwise distances": lambda X, Y: torch.linalg.vector_norm(X[:, None] - Y, dim=2),
    "Gaussian log-likelihood": gaussian,
    "squared Mahalanobis distance": lambda x, m, P: torch.einsum("ni,ij,nj->n", x - m, P, x - m),
    "Mahalanobis distance": lambda x, m, P: torch.sqrt((x - m) @ P @ (x - m)),
    "attention with a causal mask": attention,
    "embedding": embedded,
    "squared error of an embedding": lambda E, Y, T: F.mse_loss(embedded(E, T), Y, reduction="sum") / 2,
}


def test_every_formula_has_a_row():
    assert list(BY_TORCH) == [row.name for row in ROWS]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_values_and_derivatives(row):
    arrays = row.arrays(seed=1)
    further = {name: torch.tensor(array) for name, array in row.integers.items()}
    inputs = tuple(torch.tensor(array) for array in arrays.values())

    def formula(*given):
        return BY_TORCH[row.name](**dict(zip(arrays, given, strict=True)), **further)

    places = tuple(range(len(inputs)))
    jacobians = torch.func.jacrev(formula, places)(*inputs)
    hessians = torch.func.jacrev(torch.func.jacrev(formula, places), places)(*inputs)
    given = {**arrays, **row.integers}
    close(es.Program(row.text).compile()(given)[row.of], formula(*inputs).numpy(), row.of)
    first, second = derivatives(row)
    for a, jacobian, blocks in zip(row.wrt, jacobians, hessians, strict=True):
        close(value_of(first[a], row, given), jacobian.numpy(), str(first[a]))
        for b, block in zip(row.wrt, blocks, strict=True):
            if second[a, b] is None:
                assert not np.any(block.numpy())
            else:
                close(value_of(second[a, b], row, given), block.numpy(), str(second[a, b]))
