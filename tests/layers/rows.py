"""A row per layer: what it computes and its gradients, written by hand in NumPy.

Nothing here uses the library: a finite-difference check of one's own program proves only that it agrees with itself.
``gradients`` takes the cotangent of the output (1 for a loss) and gives the gradient for every input.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

N, K, J = 5, 4, 3


@dataclass(frozen=True)
class Row:
    name: str
    output: str
    shapes: dict
    forward: Callable
    gradients: Callable
    domains: dict = field(default_factory=dict)  # where inputs live: real, share, rows that sum to one

    def arrays(self, seed=0, dtype=np.float64):
        generator = np.random.default_rng(seed)
        return {
            name: draw(self.domains.get(name, "real"), shape, generator).astype(dtype)
            for name, shape in self.shapes.items()
        }

    def cotangent(self, seed=1, dtype=np.float64):
        shape = np.shape(self.forward(**self.arrays()))
        return np.random.default_rng(seed).standard_normal(shape).astype(dtype) if shape else np.ones((), dtype)

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
