"""First, second and third derivatives of every layer, and of what people differentiate, against PyTorch in float64."""

import itertools

import numpy as np
import pytest

import einstan as es
from einstan.library.network import Network
from tests.layers.rows import ROWS
from tests.oracles.test_torch import BY_TORCH, by_torch

torch = pytest.importorskip("torch", exc_type=ImportError)


def close(found, expected):
    expected = expected.numpy()
    scale = np.abs(expected).max(initial=1e-6)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9 * scale)


def derivatives(function, w, orders):
    """Jacobian, Jacobian of the Jacobian, and so on; reverse mode each time."""
    found = []
    for _ in range(orders):
        function = torch.func.jacrev(function)
        found.append(function(w))
    return found


def compare(program, of, wrt, arrays, function, orders):
    given = {name: torch.tensor(a) for name, a in arrays.items()}
    expected = derivatives(lambda w: function(**{**given, wrt: w}), given[wrt], orders)
    for order, wanted in enumerate(expected, 1):
        derivative = program.derivative(of, *[wrt] * order)
        value = derivative(arrays)
        close(value.dense(), wanted)
        close(derivative.dense(arrays), wanted)
        dense = value.dense()
        for axes in exchanged(order, given[wrt].ndim, dense.ndim):
            assert (dense == dense.transpose(axes)).all(), "symmetric to the last bit"


def exchanged(order, rank, ndim):
    """The orders of axes in which the denominators, which are one tensor, change places."""
    first = ndim - order * rank
    for places in itertools.permutations(range(order)):
        yield (*range(first), *(first + place * rank + k for place in places for k in range(rank)))


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_every_layer(row):
    """A weighted sum of the layer's outputs, by every input that it is smooth in, three times."""
    arrays = {name: a[:3, :3] if a.ndim == 2 else a[:3] for name, a in row.arrays().items()}
    if row.options is not None or row.domains:
        arrays = row.arrays()
    expected = by_torch(row, {name: torch.tensor(a) for name, a in arrays.items()})
    orders = 1 if is_linear(row) or (expected.ndim and len(arrays) > 2) else 2
    network = Network(row.layer()())
    for name in row.wrt:
        if name == "Y" and row.name == "binary_cross_entropy":
            continue  # PyTorch has no second derivative by the target
        compare(network.program, row.output, name, arrays, lambda **given: by_torch(row, given), orders)


def is_linear(row):
    """Whether second derivatives by one input are refused: the first do not depend on it."""
    return row.axes or row.name in ("dense", "embedding")


@pytest.mark.in_turn(3)
@pytest.mark.parametrize("row", [row for row in ROWS if not is_linear(row)], ids=str)
def test_third_derivatives_of_layers(row):
    arrays = row.arrays()
    cotangent = row.cotangent()
    access = f"[{row.slots}]" if row.slots else ""
    network = Network(row.layer()(), f"total = C{access} {row.output}{access}")

    def function(C, **given):
        return (C * by_torch(row, given)).sum()

    for wrt in row.wrt:
        compare(network.program, "total", wrt, {**arrays, "C": cotangent}, function, 3)


RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.normal(size=shape)


def attention(Q, M, V, C):
    return (C * (torch.softmax(Q @ M.T / Q.shape[1] ** 0.5, 1) @ V)).sum()


def layer_norm(X, C):
    """Written out: the third derivative of torch.nn.functional.layer_norm is not that of its second (torch 2.13)."""
    apart = X - X.mean(1, keepdim=True)
    return (C * apart / torch.sqrt((apart**2).mean(1, keepdim=True))).sum()


def network(X, W1, W2, Y):
    return torch.nn.functional.cross_entropy(torch.relu(X @ W1) @ W2, Y)


BREADTH = [  # name, text, of, arrays, wrt, function, orders
    ("quadratic form", "f = x[I] A[I,J] x[J]", "f", {"A": normal(4, 4), "x": normal(4)}, ["x", "A"],
     lambda A, x: x @ A @ x, 3),
    ("softmax", "S[n,c] = exp(Z[n,c]) / sum[K](exp(Z[n,K]))", "S", {"Z": normal(3, 4)}, ["Z"],
     lambda Z: torch.softmax(Z, 1), 3),
    ("logsumexp", "f[n] = logsumexp[K](Z[n,K])", "f", {"Z": normal(3, 4)}, ["Z"],
     lambda Z: torch.logsumexp(Z, 1), 3),
    ("layer norm",
     "m[n] = mean[K](X[n,K])\nv[n] = mean[K]((X[n,K] - m[n])^2)\nO[n,k] = (X[n,k] - m[n]) / sqrt(v[n])\n"
     "L = C[N,K] O[N,K]", "L", {"X": normal(3, 4), "C": normal(3, 4)}, ["X"], layer_norm, 3),
    ("attention",
     "A[q,k] = Q[q,E] M[k,E] / sqrt(|E|)\nP[q,k] = softmax[k](A[q,k])\nO[q,d] = P[q,K] V[K,d]\nL = C[Q,D] O[Q,D]",
     "L", {"Q": normal(3, 2), "M": normal(4, 2), "V": normal(4, 2), "C": normal(3, 2)}, ["Q", "M", "V"], attention, 3),
    ("pairwise distances", "D[i,j] = (P[i,A] - P[j,A])^2\nE = sum[I,J](1[I < J] exp(-D[I,J]))", "E",
     {"P": normal(4, 2)}, ["P"],
     lambda P: torch.triu(torch.exp(-((P[:, None] - P[None]) ** 2).sum(2)), 1).sum(), 3),
    ("masked factorisation", "L = 1/2 M[I,J] (X[I,J] - U[I,K] V[J,K])^2", "L",
     {"M": normal(4, 5), "X": normal(4, 5), "U": normal(4, 2), "V": normal(5, 2)}, ["U", "V", "M"],
     lambda M, X, U, V: 0.5 * (M * (X - U @ V.T) ** 2).sum(), 3),
    ("relu network",
     "H[n,j] = X[n,K] W1[K,j]\nA[n,j] = relu(H[n,j])\nZ[n,c] = A[n,K] W2[K,c]\nS[n,c] = softmax[c](Z[n,c])\n"
     "L = -1/|N| Y[N,C] log(S[N,C])\nassume sum[C](Y[n,C]) = 1", "L",
     {"X": normal(5, 3), "W1": normal(3, 4), "W2": normal(4, 3), "Y": np.eye(3)[[0, 1, 2, 1, 0]]}, ["W1", "W2", "X"],
     network, 3),
    ("a gather", "L = sum[N,D](tanh(E[T[N],D]))", "L", {"E": normal(4, 2), "T": np.array([1, 3, 1])}, ["E"],
     lambda E, T: torch.tanh(E[T]).sum(), 3),
    ("a correlation", "Y[i] = X[i+J] W[J]\nL = sum[I](tanh(Y[I]))", "L", {"X": normal(6), "W": normal(3)}, ["X", "W"],
     lambda X, W: torch.tanh(torch.nn.functional.conv1d(X[None, None], W[None, None])).sum(), 3),
]  # fmt: skip


@pytest.mark.in_turn(3)
@pytest.mark.parametrize("row", BREADTH, ids=lambda row: row[0])
def test_breadth(row):
    _, text, of, arrays, wrt, function, orders = row
    program = es.Program(text)
    for name in wrt:
        compare(program, of, name, arrays, function, orders)


def test_every_layer_is_here():
    assert {row.name for row in ROWS if not row.axes} == set(BY_TORCH)
