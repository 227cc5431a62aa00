"""A row per layer: what it computes and its gradients, written by hand in NumPy.

Nothing here uses the library: a finite-difference check of one's own program proves only that it agrees with itself.
``gradients`` takes the cotangent of the output (1 for a loss) and gives the gradient for every input.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from einstan import layers
from tests.layers import windows_by_hand as windows

N, K, J = 5, 4, 3


@dataclass(frozen=True)
class Row:
    name: str
    output: str
    shapes: dict
    forward: Callable
    gradients: Callable
    domains: dict = field(default_factory=dict)  # where inputs live: real, share, tokens, rows that sum to one
    options: dict | None = None  # of a layer that is made by a function
    axes: tuple = ()  # of a window: stride, dilation, zeros before and after

    def arrays(self, seed=0, dtype=np.float64):
        generator = np.random.default_rng(seed)
        arrays = {name: draw(self.domains.get(name, "real"), shape, generator) for name, shape in self.shapes.items()}
        return {name: array.astype(dtype) if name in self.wrt else array for name, array in arrays.items()}

    @property
    def wrt(self):
        """The inputs that have a derivative: those that are not whole numbers."""
        return [name for name in self.shapes if self.domains.get(name) != "tokens"]

    def cotangent(self, seed=1, dtype=np.float64):
        shape = np.shape(self.forward(**self.arrays()))
        return np.random.default_rng(seed).standard_normal(shape).astype(dtype) if shape else np.ones((), dtype)

    def layer(self):
        made = getattr(layers, self.name)
        return made if self.options is None else made(**self.options)

    @property
    def slots(self):
        """Summed letters for the axes of the output."""
        return ",".join("NJPQ"[: self.cotangent().ndim])

    def __str__(self):
        return self.name


def draw(domain, shape, generator):
    if domain == "share":  # between 0 and 1, away from both
        return generator.uniform(0.1, 0.9, shape)
    if domain == "tokens":  # places in a table of K rows, one of them twice
        return np.arange(*shape) * 2 % K
    if domain == "rows":
        values = generator.uniform(0.1, 1.0, shape)
        return values / values.sum(axis=-1, keepdims=True)
    return generator.standard_normal(shape)


# ---- by hand ---------------------------------------------------------------------------------------------------------


def dense(X, W, b):
    return X @ W + b


def dense_gradients(C, X, W, b):
    return {"X": C @ W.T, "W": X.T @ C, "b": C.sum(axis=0)}


def relu(Z):
    return np.maximum(Z, 0)


def relu_gradients(C, Z):
    return {"Z": C * (Z > 0)}


def sigmoid(Z):
    return 1 / (1 + np.exp(-Z))


def sigmoid_gradients(C, Z):
    return {"Z": C * sigmoid(Z) * (1 - sigmoid(Z))}


def tanh(Z):
    return np.tanh(Z)


def tanh_gradients(C, Z):
    return {"Z": C / np.cosh(Z) ** 2}


def softmax(Z):
    e = np.exp(Z - Z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def softmax_gradients(C, Z):
    S = softmax(Z)
    return {"Z": S * (C - (C * S).sum(axis=1, keepdims=True))}


def cross_entropy(S, Y):
    return -(Y * np.log(S)).sum() / len(S)


def cross_entropy_gradients(C, S, Y):
    return {"S": -C * Y / S / len(S), "Y": -C * np.log(S) / len(S)}


def mean_squared_error(O, Y):
    return ((O - Y) ** 2).mean()


def mean_squared_error_gradients(C, O, Y):
    return {"O": C * 2 * (O - Y) / O.size, "Y": C * 2 * (Y - O) / O.size}


def binary_cross_entropy(P, Y):
    return -(Y * np.log(P) + (1 - Y) * np.log(1 - P)).mean()


def binary_cross_entropy_gradients(C, P, Y):
    return {"P": C * (-Y / P + (1 - Y) / (1 - P)) / P.size, "Y": C * (np.log(1 - P) - np.log(P)) / P.size}


def sliding(name, shapes, options, axes, forward, gradients, **more):
    return Row(
        name, "Y", shapes, partial(forward, axes=axes, **more), partial(gradients, axes=axes, **more),
        options=options, axes=axes,
    )  # fmt: skip


IMAGE = {"X": (2, 2, 5, 4), "W": (2, 2, 2, 3), "b": (2,)}
SIGNAL = {"X": (2, 3, 7), "W": (2, 3, 3), "b": (2,)}
WINDOWS = [
    sliding("correlation_1d", SIGNAL, {"stride": 2, "padding": [(1, 2)]}, ((2, 1, 1, 2),),
            windows.correlate, windows.correlate_gradients),
    sliding("convolution_1d", SIGNAL, {"dilation": 2, "padding": "full"}, ((1, 2, 4, 4),),
            windows.convolve, windows.convolve_gradients),
    sliding("correlation_2d", IMAGE, {"stride": (1, 2)}, ((1, 1, 0, 0), (2, 1, 0, 0)),
            windows.correlate, windows.correlate_gradients),
    sliding("convolution_2d", IMAGE, {"padding": "same", "kernel": (2, 3)}, ((1, 1, 0, 1), (1, 1, 1, 1)),
            windows.convolve, windows.convolve_gradients),
    sliding("transposed_convolution_1d", {"X": (2, 3, 4), "W": (3, 2, 3), "b": (2,)},
            {"stride": 3, "dilation": 2, "padding": 1, "more": 1}, ((3, 2, 1, 1),),
            windows.transposed, windows.transposed_gradients, more=(1,)),
    sliding("transposed_convolution_2d", {"X": (2, 2, 3, 2), "W": (2, 2, 2, 3), "b": (2,)}, {"stride": (2, 1)},
            ((2, 1, 0, 0), (1, 1, 0, 0)), windows.transposed, windows.transposed_gradients, more=(0, 0)),
    sliding("max_pool_1d", {"X": (2, 3, 8)}, {"window": 3, "stride": 2, "dilation": 2}, ((2, 2, 0, 0),),
            windows.pool, windows.pool_gradients, window=(3,), best=True),
    sliding("max_pool_2d", {"X": (2, 2, 5, 6)}, {"window": (2, 3)}, ((2, 1, 0, 0), (3, 1, 0, 0)),
            windows.pool, windows.pool_gradients, window=(2, 3), best=True),
    sliding("average_pool_1d", {"X": (2, 3, 7)}, {"window": 3, "stride": 2, "padding": 1}, ((2, 1, 1, 1),),
            windows.pool, windows.pool_gradients, window=(3,), best=False),
    sliding("average_pool_2d", {"X": (2, 2, 5, 6)}, {"window": (3, 2), "stride": 1}, ((1, 1, 0, 0), (1, 1, 0, 0)),
            windows.pool, windows.pool_gradients, window=(3, 2), best=False),
]  # fmt: skip


def softplus(Z):
    return np.logaddexp(0, Z)


def softplus_gradients(C, Z):
    return {"Z": C * sigmoid(Z)}


def gelu(Z):
    return Z * (1 + np.vectorize(math.erf)(Z / math.sqrt(2))) / 2


def gelu_gradients(C, Z):
    below = (1 + np.vectorize(math.erf)(Z / math.sqrt(2))) / 2
    return {"Z": C * (below + Z * np.exp(-(Z**2) / 2) / math.sqrt(2 * math.pi))}


def gelu_tanh(Z):
    return Z * (1 + np.tanh(math.sqrt(2 / math.pi) * (Z + 0.044715 * Z**3))) / 2


def gelu_tanh_gradients(C, Z):
    slope = math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * Z**2)
    t = np.tanh(math.sqrt(2 / math.pi) * (Z + 0.044715 * Z**3))
    return {"Z": C * ((1 + t) / 2 + Z / 2 * (1 - t**2) * slope)}


def log_softmax(Z):
    return np.log(softmax(Z))


def log_softmax_gradients(C, Z):
    return {"Z": C - softmax(Z) * C.sum(axis=1, keepdims=True)}


def layer_norm(X, g, b):
    return g * normalised(X)[0] + b


def normalised(X):
    s = np.sqrt(X.var(axis=1, keepdims=True) + 1e-5)
    return (X - X.mean(axis=1, keepdims=True)) / s, s


def layer_norm_gradients(C, X, g, b):
    H, s = normalised(X)
    D = C * g
    inner = D - D.mean(axis=1, keepdims=True) - H * (D * H).mean(axis=1, keepdims=True)
    return {"X": inner / s, "g": (C * H).sum(axis=0), "b": C.sum(axis=0)}


def cosine_similarity(X, Y):
    return (X * Y).sum(axis=1) / np.linalg.norm(X, axis=1) / np.linalg.norm(Y, axis=1)


def cosine_similarity_gradients(C, X, Y):
    a, b = np.linalg.norm(X, axis=1)[:, None], np.linalg.norm(Y, axis=1)[:, None]
    c = cosine_similarity(X, Y)[:, None]
    return {"X": C[:, None] * (Y / b - c * X / a) / a, "Y": C[:, None] * (X / a - c * Y / b) / b}


def weights(Q, M, seen):
    e = np.exp(Q @ M.T / math.sqrt(Q.shape[1])) * seen
    return e / e.sum(axis=1, keepdims=True)


def attention(Q, M, V, seen=1.0):
    return weights(Q, M, seen) @ V


def attention_gradients(C, Q, M, V, seen=1.0):
    P, D = weights(Q, M, seen), C @ V.T
    S = P * (D - (D * P).sum(axis=1, keepdims=True)) / math.sqrt(Q.shape[1])
    return {"Q": S @ M, "M": S.T @ Q, "V": P.T @ C}


def embedding(E, T):
    return E[T]


def embedding_gradients(C, E, T):
    found = np.zeros_like(E)
    for row, token in zip(C, T, strict=True):
        found[token] += row
    return {"E": found}


def huber(O, Y, h=0.75):
    r = np.abs(O - Y)
    return np.where(r <= h, r**2 / 2, h * (r - h / 2)).mean()


def huber_gradients(C, O, Y, h=0.75):
    slope = C * np.clip(O - Y, -h, h) / O.size
    return {"O": slope, "Y": -slope}


def kl_divergence(P, Q):
    return (P * np.log(P / Q)).sum() / len(P)


def kl_divergence_gradients(C, P, Q):
    return {"P": C * (np.log(P / Q) + 1) / len(P), "Q": -C * P / Q / len(P)}


ROWS = [
    Row("dense", "Z", {"X": (N, K), "W": (K, J), "b": (J,)}, dense, dense_gradients),
    Row("relu", "A", {"Z": (N, J)}, relu, relu_gradients),
    Row("sigmoid", "A", {"Z": (N, J)}, sigmoid, sigmoid_gradients),
    Row("tanh", "A", {"Z": (N, J)}, tanh, tanh_gradients),
    Row("softplus", "A", {"Z": (N, J)}, softplus, softplus_gradients),
    Row("gelu", "A", {"Z": (N, J)}, gelu, gelu_gradients),
    Row("gelu_tanh", "A", {"Z": (N, J)}, gelu_tanh, gelu_tanh_gradients),
    Row("log_softmax", "A", {"Z": (N, J)}, log_softmax, log_softmax_gradients),
    Row("layer_norm", "Y", {"X": (N, J), "g": (J,), "b": (J,)}, layer_norm, layer_norm_gradients),
    Row("cosine_similarity", "c", {"X": (N, J), "Y": (N, J)}, cosine_similarity, cosine_similarity_gradients),
    Row("attention", "O", {"Q": (N, J), "M": (K, J), "V": (K, 2)}, attention, attention_gradients),
    Row(
        "causal_attention", "O", {"Q": (K, J), "M": (K, J), "V": (K, 2)},
        partial(attention, seen=np.tri(K)), partial(attention_gradients, seen=np.tri(K)),
    ),
    Row(
        "embedding", "H", {"E": (K, J), "T": (N,)}, embedding, embedding_gradients, domains={"T": "tokens"},
    ),
    Row("huber", "L", {"O": (N, J), "Y": (N, J)}, huber, huber_gradients, options={"threshold": 0.75}),
    Row(
        "kl_divergence", "D", {"P": (N, J), "Q": (N, J)}, kl_divergence, kl_divergence_gradients,
        domains={"P": "rows", "Q": "rows"},
    ),
    Row("softmax", "S", {"Z": (N, J)}, softmax, softmax_gradients),
    Row(
        "cross_entropy", "L", {"S": (N, J), "Y": (N, J)}, cross_entropy, cross_entropy_gradients,
        domains={"S": "rows", "Y": "rows"},
    ),
    Row("mean_squared_error", "L", {"O": (N, J), "Y": (N, J)}, mean_squared_error, mean_squared_error_gradients),
    Row(
        "binary_cross_entropy", "L", {"P": (N, J), "Y": (N, J)}, binary_cross_entropy, binary_cross_entropy_gradients,
        domains={"P": "share", "Y": "share"},
    ),
    *WINDOWS,
]  # fmt: skip


def central_differences(forward, arrays, name, step=1e-6):
    """``d forward / d arrays[name]`` for every entry: the output's axes, then those of the input."""
    base = arrays[name]
    shape = np.shape(forward(**arrays))
    found = np.empty(shape + base.shape)
    for position in np.ndindex(base.shape):
        up, down = base.copy(), base.copy()
        up[position] += step
        down[position] -= step
        difference = forward(**{**arrays, name: up}) - forward(**{**arrays, name: down})
        found[(..., *position)] = difference / (2 * step)
    return found
