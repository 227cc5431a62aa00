"""A row per layer: what it computes and its gradients, written by hand in NumPy.

Nothing here uses the library: a finite-difference check of one's own program proves only that it agrees with itself.
``gradients`` takes the cotangent of the output (1 for a loss) and gives the gradient for every input.
"""

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
    domains: dict = field(default_factory=dict)  # where inputs live: real, share, rows that sum to one
    options: dict | None = None  # of a layer that is made by a function
    axes: tuple = ()  # of a window: stride, dilation, zeros before and after

    def arrays(self, seed=0, dtype=np.float64):
        generator = np.random.default_rng(seed)
        return {
            name: draw(self.domains.get(name, "real"), shape, generator).astype(dtype)
            for name, shape in self.shapes.items()
        }

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

ROWS = [
    Row("dense", "Z", {"X": (N, K), "W": (K, J), "b": (J,)}, dense, dense_gradients),
    Row("relu", "A", {"Z": (N, J)}, relu, relu_gradients),
    Row("sigmoid", "A", {"Z": (N, J)}, sigmoid, sigmoid_gradients),
    Row("tanh", "A", {"Z": (N, J)}, tanh, tanh_gradients),
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
