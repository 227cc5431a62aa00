"""The independent references: contractions from their text, and layers written by hand.  Nothing here uses Einstan.

A wrong parser, a wrong derivative or a wrong lowering shows, because none of them takes part.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import erf, prod
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray]
ACCESS = re.compile(r"(\w+)(?:\[([^\]]*)\])?")


# ---- contractions ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Text:
    """``Z[b,k] = X[b,I] W[I,k]`` read without the library: names, and the indices of each access."""

    output: str
    indices: tuple[str, ...]
    operands: tuple[tuple[str, tuple[str, ...]], ...]

    @classmethod
    def read(cls, text: str) -> Text:
        left, right = text.split("=")
        (output, indices), *_ = _accesses(left)
        return cls(output, indices, tuple(_accesses(right)))

    def shapes(self, sizes: Mapping[str, int]) -> dict[str, tuple[int, ...]]:
        """The shape of each tensor, from sizes by lower-case index."""
        return {name: tuple(sizes[index.lower()] for index in indices) for name, indices in self.operands}

    def value(self, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        return product([(arrays[name], indices) for name, indices in self.operands], self.indices)

    def gradients(self, arrays: Mapping[str, np.ndarray], cotangent: np.ndarray) -> Arrays:
        """The gradient of ``sum(cotangent * value)`` with respect to each tensor, summed over its accesses: the
        product of everything else.  An access must not repeat an index."""
        found: Arrays = {}
        for skip, (name, wanted) in enumerate(self.operands):
            others = [(arrays[other], own) for k, (other, own) in enumerate(self.operands) if k != skip]
            part = product([*others[:skip], (cotangent, self.indices), *others[skip:]], wanted)
            found[name] = found[name] + part if name in found else part
        return found


def _accesses(text: str) -> list[tuple[str, tuple[str, ...]]]:
    return [(name, tuple(slots.split(",")) if slots else ()) for name, slots in ACCESS.findall(text)]


def product(operands: Sequence[tuple[np.ndarray, Sequence[str]]], output: Sequence[str]) -> np.ndarray:
    """The product of all operands summed over what the output lacks: always the next operand that gives the smallest
    result, each index summed when nothing later needs it."""
    extent = {index: size for array, own in operands for index, size in zip(own, array.shape, strict=True)}
    total, have = np.ones(()), ()  # type: tuple[np.ndarray, tuple[str, ...]]
    left = list(operands)

    def kept(position: int) -> tuple[str, ...]:
        later = {index for k, (_, own) in enumerate(left) if k != position for index in own} | set(output)
        return tuple(index for index in dict.fromkeys((*have, *left[position][1])) if index in later)

    while left:
        choice = min(range(len(left)), key=lambda k: prod(extent[index] for index in kept(k)))
        keep, (array, own) = kept(choice), left[choice]
        number = {index: k for k, index in enumerate(dict.fromkeys((*have, *own)))}
        sublists = [[number[index] for index in part] for part in (have, own, keep)]
        total, have = np.einsum(total, sublists[0], array, sublists[1], sublists[2], optimize=True), keep
        del left[choice]
    return total.transpose([have.index(index) for index in output])


def one_einsum_cost(text: Text, sizes: Mapping[str, int]) -> int:
    """Iterations of one loop over every index at once, times the factors: what one big einsum costs."""
    every = {index for _, indices in text.operands for index in indices}
    return prod(sizes[index.lower()] for index in every) * len(text.operands)


# ---- layers ----------------------------------------------------------------------------------------------------------


def dense_softmax_cross_entropy(params: Mapping[str, np.ndarray], X: np.ndarray, Y: np.ndarray) -> tuple[Any, Arrays]:
    """dense–relu–...–dense–softmax–cross-entropy with parameters W1, b1, W2, b2, ...: the loss, the gradients.

    Plain NumPy as one writes it in an afternoon: no preallocated arrays, no tricks.
    """
    depth = len(params) // 2
    kept = [X]
    for layer in range(1, depth):
        kept.append(np.maximum(kept[-1] @ params[f"W{layer}"] + params[f"b{layer}"], 0))
    Z = kept[-1] @ params[f"W{depth}"] + params[f"b{depth}"]
    Z = Z - Z.max(axis=1, keepdims=True)
    exponential = np.exp(Z)
    total = exponential.sum(axis=1, keepdims=True)
    loss = -np.sum(Y * (Z - np.log(total))) / len(X)
    cotangent = (exponential / total - Y) / len(X)
    gradients: Arrays = {}
    for layer in range(depth, 0, -1):
        gradients[f"W{layer}"] = kept[layer - 1].T @ cotangent
        gradients[f"b{layer}"] = cotangent.sum(axis=0)
        if layer > 1:
            cotangent = (cotangent @ params[f"W{layer}"].T) * (kept[layer - 1] > 0)
    return loss, gradients


def dense_softmax_hessian_product(
    params: Mapping[str, np.ndarray], X: np.ndarray, Y: np.ndarray, V: Mapping[str, np.ndarray]
) -> Arrays:
    """The Hessian of the loss of `dense_softmax_cross_entropy` times one direction, forward over reverse."""
    depth = len(params) // 2
    kept, moved = [X], [np.zeros_like(X)]
    for layer in range(1, depth):
        W, b = params[f"W{layer}"], params[f"b{layer}"]
        H = kept[-1] @ W + b
        tH = moved[-1] @ W + kept[-1] @ V[f"W{layer}"] + V[f"b{layer}"] if layer > 1 else X @ V["W1"] + V["b1"]
        kept.append(np.maximum(H, 0))
        moved.append(tH * (H > 0))
    W = params[f"W{depth}"]
    Z = kept[-1] @ W + params[f"b{depth}"]
    tZ = moved[-1] @ W + kept[-1] @ V[f"W{depth}"] + V[f"b{depth}"]
    S = np.exp(Z - Z.max(axis=1, keepdims=True))
    S /= S.sum(axis=1, keepdims=True)
    cotangent, tangent = (S - Y) / len(X), S * (tZ - (S * tZ).sum(axis=1, keepdims=True)) / len(X)
    product: Arrays = {}
    for layer in range(depth, 0, -1):
        product[f"W{layer}"] = kept[layer - 1].T @ tangent
        if layer > 1:
            product[f"W{layer}"] += moved[layer - 1].T @ cotangent
        product[f"b{layer}"] = tangent.sum(axis=0)
        if layer > 1:
            W, mask = params[f"W{layer}"], kept[layer - 1] > 0
            tangent = (tangent @ W.T + cotangent @ V[f"W{layer}"].T) * mask
            cotangent = (cotangent @ W.T) * mask
    return product


def tanh_chain(params: Mapping[str, np.ndarray], X: np.ndarray, Y: np.ndarray, depth: int) -> tuple[Any, Arrays]:
    """``depth`` layers dense–tanh and a mean squared error, parameters W0001, b0001, ...: the loss, the gradients."""
    kept = [X]
    for layer in range(1, depth + 1):
        kept.append(np.tanh(kept[-1] @ params[f"W{layer:04}"] + params[f"b{layer:04}"]))
    loss = np.mean((kept[-1] - Y) ** 2)
    cotangent = 2 * (kept[-1] - Y) / Y.size
    gradients: Arrays = {}
    for layer in range(depth, 0, -1):
        cotangent = cotangent * (1 - kept[layer] ** 2)
        gradients[f"W{layer:04}"] = kept[layer - 1].T @ cotangent
        gradients[f"b{layer:04}"] = cotangent.sum(axis=0)
        cotangent = cotangent @ params[f"W{layer:04}"].T
    return loss, gradients


def tanh_branches(arrays: Mapping[str, np.ndarray], width: int) -> tuple[Any, Arrays]:
    """The sum of ``width`` branches tanh(X W0001), ... and a mean squared error: the loss, the gradients."""
    X, Y = arrays["X0000"], arrays["Y"]
    branches = {f"W{k:04}": np.tanh(X @ arrays[f"W{k:04}"]) for k in range(1, width + 1)}
    far = sum(branches.values()) - Y
    cotangent = 2 * far / Y.size
    inner = {name: cotangent * (1 - branch**2) for name, branch in branches.items()}
    gradients = {name: X.T @ each for name, each in inner.items()}
    gradients["X0000"] = sum(each @ arrays[name].T for name, each in inner.items())
    return np.mean(far**2), gradients


def dense(arrays: Mapping[str, np.ndarray]) -> Arrays:
    X, W, b, G = (arrays[name] for name in ("X", "W", "b", "G"))
    return {"L": np.sum(G * (X @ W + b)), "dX": G @ W.T, "dW": X.T @ G, "db": G.sum(axis=0)}


def relu(arrays: Mapping[str, np.ndarray]) -> Arrays:
    Z, G = arrays["Z"], arrays["G"]
    return {"L": np.sum(G * np.maximum(Z, 0)), "dZ": G * (Z > 0)}


def sigmoid(arrays: Mapping[str, np.ndarray]) -> Arrays:
    Z, G = arrays["Z"], arrays["G"]
    A = 1 / (1 + np.exp(-Z))
    return {"L": np.sum(G * A), "dZ": G * A * (1 - A)}


def tanh(arrays: Mapping[str, np.ndarray]) -> Arrays:
    Z, G = arrays["Z"], arrays["G"]
    return {"L": np.sum(G * np.tanh(Z)), "dZ": G / np.cosh(Z) ** 2}


def _softmax(Z: np.ndarray) -> np.ndarray:
    exponential = np.exp(Z - Z.max(axis=-1, keepdims=True))
    shares: np.ndarray = exponential / exponential.sum(axis=-1, keepdims=True)
    return shares


def softmax(arrays: Mapping[str, np.ndarray]) -> Arrays:
    S, G = _softmax(arrays["Z"]), arrays["G"]
    return {"L": np.sum(G * S), "dZ": S * (G - np.sum(G * S, axis=1, keepdims=True))}


def softmax_cross_entropy(arrays: Mapping[str, np.ndarray]) -> Arrays:
    Y, S = arrays["Y"], _softmax(arrays["Z"])
    return {"L": -np.sum(Y * np.log(S)) / len(Y), "dZ": (S - Y) / len(Y)}


def mean_squared_error(arrays: Mapping[str, np.ndarray]) -> Arrays:
    error = arrays["O"] - arrays["Y"]
    return {"L": np.mean(error**2), "dO": 2 * error / error.size}


def binary_cross_entropy(arrays: Mapping[str, np.ndarray]) -> Arrays:
    P, Y = arrays["P"], arrays["Y"]
    loss = -np.mean(Y * np.log(P) + (1 - Y) * np.log(1 - P))
    return {"L": loss, "dP": (P - Y) / (P * (1 - P)) / P.size}


def attention(arrays: Mapping[str, np.ndarray]) -> Arrays:
    Q, M, V, G = (arrays[name] for name in ("Q", "M", "V", "G"))
    scale = np.sqrt(Q.shape[1])
    A = _softmax(Q @ M.T / scale)
    dA = G @ V.T
    dZ = A * (dA - np.sum(dA * A, axis=1, keepdims=True)) / scale
    return {"L": np.sum(G * (A @ V)), "dQ": dZ @ M, "dM": dZ.T @ Q, "dV": A.T @ G}


def causal_attention(arrays: Mapping[str, np.ndarray]) -> Arrays:
    Q, M, V, G = (arrays[name] for name in ("Q", "M", "V", "G"))
    scale = np.sqrt(Q.shape[1])
    A = _softmax(np.where(np.tri(len(Q), len(M)) > 0, Q @ M.T / scale, -np.inf))
    dA = G @ V.T
    dZ = A * (dA - np.sum(dA * A, axis=1, keepdims=True)) / scale
    return {"L": np.sum(G * (A @ V)), "dQ": dZ @ M, "dM": dZ.T @ Q, "dV": A.T @ G}


def softplus(arrays: Mapping[str, np.ndarray]) -> Arrays:
    Z, G = arrays["Z"], arrays["G"]
    return {"L": np.sum(G * np.logaddexp(0, Z)), "dZ": G / (1 + np.exp(-Z))}


def gelu(arrays: Mapping[str, np.ndarray]) -> Arrays:
    Z, G = arrays["Z"], arrays["G"]
    below = (1 + np.vectorize(erf)(Z / np.sqrt(2))) / 2
    return {"L": np.sum(G * Z * below), "dZ": G * (below + Z * np.exp(-(Z**2) / 2) / np.sqrt(2 * np.pi))}


def gelu_tanh(arrays: Mapping[str, np.ndarray]) -> Arrays:
    Z, G = arrays["Z"], arrays["G"]
    t = np.tanh(np.sqrt(2 / np.pi) * (Z + 0.044715 * Z**3))
    slope = (1 - t**2) * np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * Z**2)
    return {"L": np.sum(G * Z * (1 + t) / 2), "dZ": G * (1 + t + Z * slope) / 2}


def log_softmax(arrays: Mapping[str, np.ndarray]) -> Arrays:
    S, G = _softmax(arrays["Z"]), arrays["G"]
    return {"L": np.sum(G * np.log(S)), "dZ": G - S * np.sum(G, axis=1, keepdims=True)}


def layer_norm(arrays: Mapping[str, np.ndarray]) -> Arrays:
    X, g, b, G = (arrays[name] for name in ("X", "g", "b", "G"))
    s = np.sqrt(X.var(axis=1, keepdims=True) + 1e-5)
    H, D = (X - X.mean(axis=1, keepdims=True)) / s, G * g
    dX = (D - D.mean(axis=1, keepdims=True) - H * (D * H).mean(axis=1, keepdims=True)) / s
    return {"L": np.sum(G * (g * H + b)), "dX": dX, "dg": np.sum(G * H, axis=0), "db": np.sum(G, axis=0)}


def cosine_similarity(arrays: Mapping[str, np.ndarray]) -> Arrays:
    X, Y, G = arrays["X"], arrays["Y"], arrays["G"][:, None]
    a, b = (np.linalg.norm(Z, axis=1, keepdims=True) for Z in (X, Y))
    c = np.sum(X * Y, axis=1, keepdims=True) / (a * b)
    return {"L": np.sum(G * c), "dX": G * (Y / b - c * X / a) / a, "dY": G * (X / a - c * Y / b) / b}


def embedding(arrays: Mapping[str, np.ndarray]) -> Arrays:
    E, T, G = arrays["E"], arrays["T"], arrays["G"]
    return {"L": np.sum(G * E[T]), "dE": np.eye(len(E))[T].T @ G}


def huber(arrays: Mapping[str, np.ndarray]) -> Arrays:
    r = arrays["O"] - arrays["Y"]
    loss = np.mean(np.where(np.abs(r) <= 1, r**2 / 2, np.abs(r) - 1 / 2))
    return {"L": loss, "dO": np.clip(r, -1, 1) / r.size}


def kl_divergence(arrays: Mapping[str, np.ndarray]) -> Arrays:
    P, Q = arrays["P"], arrays["Q"]
    return {"L": np.sum(P * np.log(P / Q)) / len(P), "dQ": -P / Q / len(P)}


def digits(arrays: Mapping[str, np.ndarray]) -> Arrays:
    params = {name: array for name, array in arrays.items() if name[0] in "Wb"}
    loss, gradients = dense_softmax_cross_entropy(params, arrays["X"], arrays["Y"])
    return {"L": loss, **{f"d{name}": gradient for name, gradient in gradients.items()}}
