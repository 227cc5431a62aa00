"""The problems of bench_hessian.py: each as an Einstan program, as a function for the automatic differentiators, and as
the closed form that a person would write in NumPy, dense and with its structure kept.

``function(xp, w, given)`` is the loss or the tensor as a function of the one array that is differentiated; ``xp`` is
``jax.numpy`` or ``autograd.numpy``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Arrays = Mapping[str, Any]


@dataclass(frozen=True)
class Problem:
    name: str
    order: int  # 1 a Jacobian, 2 a Hessian
    of: str
    wrt: str
    text: str
    sizes: tuple[tuple[int, ...], ...]  # the last are those of the targets
    data: Callable[..., Arrays]
    function: Callable[[Any, Any, Arrays], Any]
    torch: Callable[[Any, Any, Arrays], Any]
    dense: Callable[[Arrays], Any]
    cores: Callable[[Arrays], tuple[Any, ...]] | None = None
    expanded: Callable[[tuple[Any, ...]], Any] | None = None
    batched: Callable[[Any, Any, Arrays], Any] | None = None  # what a person who batches by hand would write in JAX
    batched_expanded: Callable[[Any], Any] | None = None
    target_dense: float = 1.0  # times faster than JAX
    target_factored: float | None = None
    factored_against: str = "jax"

    def entries(self, given: Arrays) -> int:
        """Of the dense derivative."""
        w = given[self.wrt]
        return int(np.size(self.function(np, w, given)) * w.size**self.order)


# ---- masked matrix factorisation -------------------------------------------------------------------------------------


def factorisation_data(m: int, k: int) -> Arrays:
    rng = np.random.default_rng(0)
    mask = (rng.random((m, m)) < 0.3).astype(float)
    U, V, X = rng.normal(size=(m, k)), rng.normal(size=(m, k)), rng.normal(size=(m, m))
    return {"M": mask, "X": X, "U": U, "V": V}


def factorisation_cores(a: Arrays) -> tuple[Any, ...]:
    V = a["V"]
    n, k = V.shape
    pairs = (V[:, :, None] * V[:, None, :]).reshape(n, k * k)
    return ((a["M"] @ pairs).reshape(len(a["U"]), k, k),)


def block_diagonal(cores: tuple[Any, ...]) -> Any:
    (core,) = cores
    m, k, _ = core.shape
    out = np.zeros((m, k, m, k))
    np.einsum("ikil->ikl", out)[...] = core
    return out


def row_hessians(jax: Any, U: Any, a: Arrays) -> Any:
    def row(u: Any, mask: Any, x: Any) -> Any:
        return 0.5 * (mask * (x - a["V"] @ u) ** 2).sum()

    return jax.vmap(jax.hessian(row))(U, a["M"], a["X"])


# ---- one layer -------------------------------------------------------------------------------------------------------


def layer_data(n: int) -> Arrays:
    rng = np.random.default_rng(0)
    return {"X": rng.normal(size=(n, n)), "W": rng.normal(size=(n, n))}


def layer_expanded(cores: tuple[Any, ...]) -> Any:
    mask, X = cores
    out = np.zeros((*mask.shape, X.shape[1], mask.shape[1]))
    np.multiply(mask[:, :, None], X[:, None, :], out=np.einsum("ijpj->ijp", out))
    return out


def layer_cores(a: Arrays) -> tuple[Any, ...]:
    return (a["X"] @ a["W"] > 0).astype(float), a["X"]


# ---- softmax ---------------------------------------------------------------------------------------------------------


def softmax(Z: Any) -> Any:
    e = np.exp(Z - Z.max(axis=1, keepdims=True))
    e /= e.sum(axis=1, keepdims=True)
    return e


def softmax_blocks(S: Any) -> Any:
    core = S[:, :, None] * -S[:, None, :]
    np.einsum("nii->ni", core)[...] += S
    return core


def softmax_expanded(core: Any) -> Any:
    n, c, _ = core.shape
    out = np.zeros((n, c, n, c))
    np.einsum("ninj->nij", out)[...] = core
    return out


def jax_softmax(xp: Any, Z: Any, _a: Arrays) -> Any:
    e = xp.exp(Z - xp.max(Z, axis=-1, keepdims=True))
    return e / xp.sum(e, axis=-1, keepdims=True)


# ---- points ----------------------------------------------------------------------------------------------------------


def points_dense(a: Arrays) -> Any:
    P = a["P"]
    apart = P[:, None, :] - P[None, :, :]
    w = np.exp(-np.einsum("ija,ija->ij", apart, apart))
    pair = np.einsum("ij,ija,ijb->iajb", -4 * w, apart, apart)
    np.einsum("iaja->ija", pair)[...] += 2 * w[:, :, None]
    np.einsum("iaib->iab", pair)[...] -= pair.sum(axis=2)
    return pair


# ---- a deep network --------------------------------------------------------------------------------------------------


def network_text(layers: int) -> str:
    lines, read = [], "X"
    for k in range(1, layers):
        lines += [f"H{k}[n,j] = {read}[n,K] W{k}[K,j]", f"A{k}[n,j] = relu(H{k}[n,j])"]
        read = f"A{k}"
    lines += [f"H{layers}[n,j] = {read}[n,K] W{layers}[K,j]", f"S[n,c] = softmax[c](H{layers}[n,c])"]
    return "\n".join([*lines, "L = -1/|N| Y[N,C] log(S[N,C])", "assume sum[C](Y[n,C]) = 1"])


def network_data(width: int) -> Arrays:
    rng = np.random.default_rng(0)
    weights = {f"W{k}": rng.normal(size=(width, width)) * np.sqrt(2 / width) for k in range(1, 11)}
    return {"X": rng.normal(size=(width, width)), "Y": np.eye(width)[rng.integers(width, size=width)], **weights}


def network_loss(xp: Any, W1: Any, a: Arrays) -> Any:
    A = a["X"] @ W1
    for k in range(2, 11):
        A = xp.maximum(A, 0) @ a[f"W{k}"]
    top = xp.max(A, axis=1, keepdims=True)
    return -((a["Y"] * (A - top - xp.log(xp.sum(xp.exp(A - top), axis=1, keepdims=True)))).sum()) / len(a["X"])


def network_torch(torch: Any, W1: Any, a: Arrays) -> Any:
    A = a["X"] @ W1
    for k in range(2, 11):
        A = torch.relu(A) @ a[f"W{k}"]
    return torch.nn.functional.cross_entropy(A, a["Y"])


def network_cores(a: Arrays) -> tuple[Any, ...]:
    X = a["X"]
    Z = X @ a["W1"]
    J: Any = None  # dH/dH1, one matrix for each example
    for k in range(2, 11):
        mask = Z > 0
        Z = np.maximum(Z, 0) @ a[f"W{k}"]
        J = mask[:, :, None] * a[f"W{k}"][None] if J is None else J @ (mask[:, :, None] * a[f"W{k}"][None])
    S = softmax(Z)
    JS = J * S[:, None, :]
    mean = JS.sum(axis=2)
    G = (JS @ J.transpose(0, 2, 1) - mean[:, :, None] * mean[:, None, :]) / len(X)
    return X, G


def network_dense(a: Arrays) -> Any:
    X, G = network_cores(a)
    n, p = X.shape
    q = G.shape[1]
    pairs = (X[:, :, None] * X[:, None, :]).reshape(n, p * p)
    return (pairs.T @ G.reshape(n, q * q)).reshape(p, p, q, q).transpose(0, 2, 1, 3)


# ---- logistic regression, softmax with cross-entropy -----------------------------------------------------------------


def logistic_data(n: int, m: int) -> Arrays:
    rng = np.random.default_rng(0)
    return {
        "X": rng.normal(size=(m, n)) / np.sqrt(n),
        "w": rng.normal(size=n),
        "y": (rng.random(m) < 0.5).astype(float),
    }


def logistic_dense(a: Arrays) -> Any:
    p = 1 / (1 + np.exp(-(a["X"] @ a["w"])))
    scaled = np.sqrt(p * (1 - p))[:, None] * a["X"]
    return scaled.T @ scaled  # which NumPy sends to syrk


def classes_data(m: int, n: int, c: int) -> Arrays:
    rng = np.random.default_rng(0)
    return {"X": rng.normal(size=(m, n)), "W": rng.normal(size=(n, c)) / np.sqrt(n),
            "Y": np.eye(c)[rng.integers(c, size=m)]}  # fmt: skip


def classes_dense(a: Arrays) -> Any:
    X, W = a["X"], a["W"]
    m, n = X.shape
    c = W.shape[1]
    S = softmax(X @ W)
    XS = (X[:, :, None] * S[:, None, :]).reshape(m, n * c)
    out = (XS.T @ (XS * (-1 / m))).reshape(n, c, n, c)
    np.einsum("kclc->ckl", out)[...] += (XS.reshape(m, n, c).transpose(2, 1, 0) / m) @ X
    return out


def classes_loss(xp: Any, W: Any, a: Arrays) -> Any:
    Z = a["X"] @ W
    top = xp.max(Z, axis=1, keepdims=True)
    return -(a["Y"] * (Z - top - xp.log(xp.sum(xp.exp(Z - top), axis=1, keepdims=True)))).sum() / len(Z)


PROBLEMS = [
    Problem(
        "masked factorisation", 2, "L", "U", "L = 1/2 M[I,J] (X[I,J] - U[I,K] V[J,K])^2",
        ((30, 5), (75, 5), (150, 5), (300, 5)), factorisation_data,
        lambda xp, U, a: 0.5 * (a["M"] * (a["X"] - U @ a["V"].T) ** 2).sum(),
        lambda torch, U, a: 0.5 * (a["M"] * (a["X"] - U @ a["V"].T) ** 2).sum(),
        lambda a: block_diagonal(factorisation_cores(a)), factorisation_cores, block_diagonal,
        row_hessians, lambda core: block_diagonal((core,)), 200, 1500,
    ),
    Problem(
        "relu(X W) wrt W", 1, "A", "W", "A[i,j] = relu(X[i,K] W[K,j])",
        ((10,), (20,), (40,), (60,)), layer_data,
        lambda xp, W, a: xp.maximum(a["X"] @ W, 0), lambda torch, W, a: torch.relu(a["X"] @ W),
        lambda a: layer_expanded(layer_cores(a)), layer_cores, layer_expanded,
        None, None, 8, 80,
    ),
    Problem(
        "batched softmax", 1, "S", "Z", "S[n,c] = exp(Z[n,c]) / sum[K](exp(Z[n,K]))",
        ((16, 8), (32, 16), (64, 32), (128, 64)),
        lambda n, c: {"Z": np.random.default_rng(0).normal(size=(n, c))},
        jax_softmax, lambda torch, Z, a: torch.softmax(Z, 1),
        lambda a: softmax_expanded(softmax_blocks(softmax(a["Z"]))),
        lambda a: (softmax_blocks(softmax(a["Z"])),), lambda cores: softmax_expanded(cores[0]),
        lambda jax, Z, a: jax.vmap(jax.jacrev(lambda z: jax_softmax(jax.numpy, z, a)))(Z), softmax_expanded,
        10, 2, "jax, batched by hand",
    ),
    Problem(
        "pairwise distances", 2, "E", "P", "D[i,j] = (P[i,A] - P[j,A])^2\nE = 1/2 sum[I,J](exp(-D[I,J]))",
        ((15, 3), (30, 3), (60, 3), (120, 3)),
        lambda n, d: {"P": np.random.default_rng(0).normal(size=(n, d))},
        lambda xp, P, a: 0.5 * xp.exp(-((P[:, None] - P[None]) ** 2).sum(axis=2)).sum(),
        lambda torch, P, a: 0.5 * torch.exp(-((P[:, None] - P[None]) ** 2).sum(dim=2)).sum(),
        points_dense, target_dense=20,
    ),
    Problem(
        "10-layer ReLU network", 2, "L", "W1", network_text(10), ((4,), (8,), (16,), (32,)), network_data,
        network_loss, network_torch, network_dense, None, None, target_dense=4,
    ),
    Problem(
        "x'Ax", 2, "f", "x", "f = x[I] A[I,J] x[J]", ((64,), (256,), (1024,), (2048,)),
        lambda n: {"A": np.random.default_rng(0).normal(size=(n, n)), "x": np.random.default_rng(1).normal(size=n)},
        lambda xp, x, a: x @ a["A"] @ x, lambda torch, x, a: x @ a["A"] @ x,
        lambda a: a["A"] + a["A"].T, target_dense=3,
    ),
    Problem(
        "logistic regression", 2, "L", "w",
        "z[n] = X[n,K] w[K]\nL = sum[N](log(1 + exp(z[N])) - y[N] z[N])",
        ((50, 100), (100, 200), (400, 800), (800, 1600)), logistic_data,
        lambda xp, w, a: (xp.logaddexp(0.0, a["X"] @ w) - a["y"] * (a["X"] @ w)).sum(),
        lambda torch, w, a: (torch.nn.functional.softplus(a["X"] @ w) - a["y"] * (a["X"] @ w)).sum(),
        logistic_dense, target_dense=1.2,
    ),
    Problem(
        "softmax cross-entropy wrt W", 2, "L", "W",
        "Z[n,c] = X[n,K] W[K,c]\nS[n,c] = softmax[c](Z[n,c])\nL = -1/|N| Y[N,C] log(S[N,C])\n"
        "assume sum[C](Y[n,C]) = 1",
        ((64, 8, 10), (128, 16, 10), (256, 32, 10), (512, 64, 10)), classes_data,
        classes_loss, lambda torch, W, a: torch.nn.functional.cross_entropy(a["X"] @ W, a["Y"]),
        classes_dense, target_dense=1,
    ),
]  # fmt: skip
