"""The contenders of bench_step.py: one training step of a multilayer perceptron, in every way that one writes it.

Each maker takes a `Perceptron` and gives a function that makes one step, from the parameters that the step before left,
and returns the loss; and one that gives the parameters as arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import common
import numpy as np
from perceptron import Perceptron, network

RATE = 1e-3
Made = tuple[Callable[[], Any], Callable[[], dict[str, Any]]]


def rate_of(case: Perceptron) -> Any:
    """As a number of the data's own precision."""
    return np.dtype(case.dtype).type(RATE)


# ---- NumPy -----------------------------------------------------------------------------------------------------------


def plain(case: Perceptron) -> Made:
    """As one writes it in an afternoon."""
    params, X, Y, depth, rate = dict(case.params), case.X, case.Y, case.depth, rate_of(case)

    def step() -> Any:
        kept = [X]
        for layer in range(1, depth):
            kept.append(np.maximum(kept[-1] @ params[f"W{layer}"] + params[f"b{layer}"], 0))
        Z = kept[-1] @ params[f"W{depth}"] + params[f"b{depth}"]
        Z = Z - Z.max(axis=1, keepdims=True)
        exponential = np.exp(Z)
        total = exponential.sum(axis=1, keepdims=True)
        loss = -np.sum(Y * (Z - np.log(total))) / len(X)
        cotangent = (exponential / total - Y) / len(X)
        for layer in range(depth, 0, -1):
            W, b = params[f"W{layer}"], params[f"b{layer}"]
            params[f"W{layer}"] = W - rate * (kept[layer - 1].T @ cotangent)
            params[f"b{layer}"] = b - rate * cotangent.sum(axis=0)
            if layer > 1:
                cotangent = (cotangent @ W.T) * (kept[layer - 1] > 0)
        return loss

    return step, lambda: params


def expert(case: Perceptron) -> Made:
    """All arrays allocated beforehand, everything in place, the rate folded into the cotangent."""
    X, Y, depth, n, dtype = case.X, case.Y, case.depth, case.batch, case.dtype
    W = [case.params[f"W{k + 1}"].copy() for k in range(depth)]
    b = [case.params[f"b{k + 1}"].copy() for k in range(depth)]
    A = [X, *(np.empty((n, w.shape[1]), dtype) for w in W)]
    D = [np.empty_like(a) for a in A]
    masks = [np.empty(a.shape, bool) for a in A]
    gW, gb = [np.empty_like(w) for w in W], [np.empty_like(x) for x in b]
    top, total = np.empty((n, 1), dtype), np.empty((n, 1), dtype)
    seed = rate_of(case) / n

    def step() -> Any:
        for k in range(depth):
            np.dot(A[k], W[k], out=A[k + 1])
            np.add(A[k + 1], b[k], out=A[k + 1])
            if k < depth - 1:
                np.maximum(A[k + 1], 0, out=A[k + 1])
        Z, G = A[depth], D[depth]
        np.maximum.reduce(Z, axis=1, keepdims=True, out=top)
        np.subtract(Z, top, out=Z)
        np.exp(Z, out=G)
        np.add.reduce(G, axis=1, keepdims=True, out=total)
        np.divide(G, total, out=G)
        np.log(total, out=total)
        np.subtract(Z, total, out=Z)
        loss = -np.vdot(Y, Z) / n
        np.subtract(G, Y, out=G)
        np.multiply(G, seed, out=G)
        for k in range(depth - 1, -1, -1):
            np.dot(A[k].T, D[k + 1], out=gW[k])
            np.add.reduce(D[k + 1], axis=0, out=gb[k])
            if k:
                np.dot(D[k + 1], W[k].T, out=D[k])
                np.greater(A[k], 0, out=masks[k])
                np.multiply(D[k], masks[k], out=D[k])
            np.subtract(W[k], gW[k], out=W[k])
            np.subtract(b[k], gb[k], out=b[k])
        return loss

    return step, lambda: {f"{a}{k + 1}": v[k] for k in range(depth) for a, v in (("W", W), ("b", b))}


def contracted(case: Perceptron, contract: Callable[..., Callable[..., Any]]) -> Made:
    """Every product and sum by an einsum, the rest in NumPy; ``contract(equation, *shapes)`` prepares a call."""
    params, X, Y, depth, n = dict(case.params), case.X, case.Y, case.depth, case.batch
    seed = rate_of(case) / n
    sizes = list(pairwise(case.widths))
    forward = [contract("nk,kj->nj", (n, k), (k, j)) for k, j in sizes]
    weights = [contract("nk,nj->kj", (n, k), (n, j)) for k, j in sizes]
    biases = [contract("nj->j", (n, j)) for _, j in sizes]
    back = [contract("nj,kj->nk", (n, j), (k, j)) for k, j in sizes]
    total = contract("nj,nj->", (n, sizes[-1][1]), (n, sizes[-1][1]))
    rows = contract("nj->n", (n, sizes[-1][1]))

    def step() -> Any:
        kept = [X]
        for k in range(depth):
            Z = forward[k](kept[-1], params[f"W{k + 1}"]) + params[f"b{k + 1}"]
            kept.append(np.maximum(Z, 0) if k < depth - 1 else Z)
        Z = kept.pop()
        Z = Z - Z.max(axis=1, keepdims=True)
        exponential = np.exp(Z)
        sums = rows(exponential)[:, None]
        loss = -total(Y, Z - np.log(sums)) / n
        cotangent = (exponential / sums - Y) * seed
        for k in range(depth - 1, -1, -1):
            W, b = params[f"W{k + 1}"], params[f"b{k + 1}"]
            params[f"W{k + 1}"] = W - weights[k](kept[k], cotangent)
            params[f"b{k + 1}"] = b - biases[k](cotangent)
            if k:
                cotangent = back[k](cotangent, W) * (kept[k] > 0)
        return loss

    return step, lambda: params


def by_einsum(case: Perceptron) -> Made:
    return contracted(case, lambda text, *shapes: lambda *arrays: np.einsum(text, *arrays, optimize=len(arrays) > 1))


def by_opt_einsum(case: Perceptron) -> Made:
    import opt_einsum

    return contracted(case, opt_einsum.contract_expression)


def products(case: Perceptron) -> Made:
    """The matrix products of the step and nothing else: what no NumPy code can undercut."""
    depth, n = case.depth, case.batch
    W = [case.params[f"W{k + 1}"] for k in range(depth)]
    A = [case.X, *(np.ones((n, w.shape[1]), case.dtype) for w in W)]
    D = [np.empty_like(a) for a in A]
    D[depth][...] = 1
    Z = [np.empty_like(a) for a in A]
    gW = [np.empty_like(w) for w in W]

    def step() -> Any:
        for k in range(depth):
            np.dot(A[k], W[k], out=Z[k + 1])
        for k in range(depth - 1, -1, -1):
            np.dot(A[k].T, D[k + 1], out=gW[k])
            if k:
                np.dot(D[k + 1], W[k].T, out=D[k])
        return None

    return step, dict


def by_autograd(case: Perceptron) -> Made:
    import autograd.numpy as anp
    from autograd import value_and_grad

    params, X, Y, depth, n = dict(case.params), case.X, case.Y, case.depth, case.batch
    rate = rate_of(case)

    def loss_of(parameters: dict[str, Any]) -> Any:
        A = X
        for layer in range(1, depth):
            A = anp.maximum(anp.dot(A, parameters[f"W{layer}"]) + parameters[f"b{layer}"], 0)
        Z = anp.dot(A, parameters[f"W{depth}"]) + parameters[f"b{depth}"]
        Z = Z - anp.max(Z, axis=1, keepdims=True)
        return -anp.sum(Y * (Z - anp.log(anp.sum(anp.exp(Z), axis=1, keepdims=True)))) / n

    gradient = value_and_grad(loss_of)

    def step() -> Any:
        loss, grads = gradient(params)
        for name, array in grads.items():
            params[name] = params[name] - rate * array
        return loss

    return step, lambda: params


# ---- frameworks ------------------------------------------------------------------------------------------------------


def torch_parts(case: Perceptron) -> Any:
    torch = common.torch()
    params = {name: torch.tensor(array, requires_grad=True) for name, array in case.params.items()}
    return torch, params, torch.tensor(case.X), torch.tensor(case.Y)


def torch_loss(torch: Any, depth: int) -> Callable[..., Any]:
    def loss_of(params: list[Any], X: Any, Y: Any) -> Any:
        A = X
        for layer in range(depth - 1):
            A = torch.relu(torch.addmm(params[2 * layer + 1], A, params[2 * layer]))
        return torch.nn.functional.cross_entropy(torch.addmm(params[-1], A, params[-2]), Y)

    return loss_of


def torch_step(case: Perceptron, wrapped: bool) -> Made:
    torch, params, X, Y = torch_parts(case)
    loss_of, given = torch_loss(torch, case.depth), list(params.values())
    if wrapped:
        loss_of = torch.compile(loss_of)

    def step() -> Any:
        loss = loss_of(given, X, Y)
        grads = torch.autograd.grad(loss, given)
        with torch.no_grad():
            torch._foreach_add_(given, grads, alpha=-RATE)
        return loss.detach()

    return step, lambda: {name: tensor.detach().numpy() for name, tensor in params.items()}


def by_torch(case: Perceptron) -> Made:
    return torch_step(case, False)


def by_torch_compile(case: Perceptron) -> Made:
    return torch_step(case, True)


def by_torch_hand(case: Perceptron) -> Made:
    """The backward pass written by hand, without autograd, everything in place."""
    torch, params, X, Y = torch_parts(case)
    depth, n = case.depth, case.batch
    W = [params[f"W{k + 1}"].detach() for k in range(depth)]
    b = [params[f"b{k + 1}"].detach() for k in range(depth)]
    A = [X, *(torch.empty(n, w.shape[1], dtype=w.dtype) for w in W)]
    D = [torch.empty_like(a) for a in A]

    @torch.no_grad()
    def step() -> Any:
        for k in range(depth):
            torch.addmm(b[k], A[k], W[k], out=A[k + 1])
            if k < depth - 1:
                A[k + 1].relu_()
        logs = torch.log_softmax(A[depth], 1)
        loss = -torch.vdot(Y.view(-1), logs.view(-1)) / n
        torch.exp(logs, out=D[depth])
        D[depth].sub_(Y).mul_(-RATE / n)
        for k in range(depth - 1, -1, -1):
            if k:
                torch.mm(D[k + 1], W[k].t(), out=D[k])
                D[k].mul_(A[k] > 0)
            W[k].addmm_(A[k].t(), D[k + 1])
            b[k].add_(D[k + 1].sum(0))
        return loss

    return step, lambda: {f"{a}{k + 1}": v[k].numpy() for k in range(depth) for a, v in (("W", W), ("b", b))}


def by_jax(case: Perceptron) -> Made:
    jax = common.jax()
    jnp = jax.numpy
    depth, n = case.depth, case.batch

    def loss_of(params: dict[str, Any], X: Any, Y: Any) -> Any:
        A = X
        for layer in range(1, depth):
            A = jax.nn.relu(A @ params[f"W{layer}"] + params[f"b{layer}"])
        return -jnp.sum(Y * jax.nn.log_softmax(A @ params[f"W{depth}"] + params[f"b{depth}"])) / n

    def update(params: dict[str, Any], X: Any, Y: Any) -> Any:
        loss, grads = jax.value_and_grad(loss_of)(params, X, Y)
        return loss, {name: params[name] - RATE * grads[name] for name in params}

    jitted = jax.jit(update, donate_argnums=0)
    held = {name: jnp.array(array) for name, array in case.params.items()}
    X, Y = jnp.array(case.X), jnp.array(case.Y)

    def step() -> Any:
        nonlocal held
        loss, held = jitted(held, X, Y)
        return loss.block_until_ready()

    return step, lambda: {name: np.asarray(array) for name, array in held.items()}


# ---- einstan ---------------------------------------------------------------------------------------------------------


def einstan_step(case: Perceptron, **options: Any) -> Made:
    from einstan.library.optimisers import SGD

    optimiser = SGD(RATE)
    compiled = network(case).value_and_grad("L").compile(update=optimiser, **options)
    held, state, X, Y = case.params, optimiser.init(case.params), case.X, case.Y

    def step() -> Any:
        nonlocal held, state
        loss, held, state = compiled(held, state, X=X, Y=Y)
        return loss

    return step, lambda: held


def einstan_fresh(case: Perceptron) -> Made:
    return einstan_step(case, fast=False)


def einstan_numpy(case: Perceptron) -> Made:
    return einstan_step(case, fast=False, reuse_buffers=True)


def einstan_fast(case: Perceptron) -> Made:
    return einstan_step(case, fast=True, reuse_buffers=True)


EXPERT, PRODUCTS, NUMPY, FAST = "NumPy, expert", "matrix products alone", "einstan", "einstan [fast]"
FRESH = "einstan, fresh results"

CONTENDERS: dict[str, tuple[Callable[[Perceptron], Made], str]] = {  # with the package that it needs
    EXPERT: (expert, "numpy"),
    PRODUCTS: (products, "numpy"),
    "NumPy, plain": (plain, "numpy"),
    "np.einsum": (by_einsum, "numpy"),
    "opt_einsum": (by_opt_einsum, "opt_einsum"),
    "HIPS autograd": (by_autograd, "autograd"),
    "PyTorch eager": (by_torch, "torch"),
    "torch.compile": (by_torch_compile, "torch"),
    "PyTorch by hand": (by_torch_hand, "torch"),
    "JAX, jitted": (by_jax, "jax"),
    NUMPY: (einstan_numpy, "numpy"),
    FRESH: (einstan_fresh, "numpy"),
    FAST: (einstan_fast, "numba"),
}
