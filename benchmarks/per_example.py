"""Contenders of bench_hessian.py for the gradients of every example: a classifier of dense layers, float32.

Three questions: all gradients as arrays; each as the two factors that it is a product of, where a contender keeps them;
and the lengths of the gradients alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import common
import numpy as np
from perceptron import Perceptron, network

TOLERANCE = 2e-4
GRADIENTS, FACTORED, NORMS = "gradients", "gradients, factored", "norms"
HAND, OURS, JAX, TORCH = "NumPy by hand", "einstan", "jax", "torch.func"
WANTED: dict[str, dict[str, float]] = {  # how many times as fast as a rival
    GRADIENTS: {JAX: 1.0, TORCH: 1.0},
    FACTORED: {JAX: 50.0, TORCH: 50.0},
    NORMS: {JAX: 50.0},
}

Call = Callable[[], Any]


def entries(question: str, batch: int, widths: tuple[int, ...]) -> int:
    """Of what is asked for: a length for each example, or its gradients as arrays."""
    each = sum((rows + 1) * columns for rows, columns in pairwise(widths))
    return batch if question == NORMS else batch * each


def takes_part(name: str, question: str) -> bool:
    return name != TORCH or question != NORMS


# ---- contenders ------------------------------------------------------------------------------------------------------


def by_hand(question: str, net: Perceptron) -> Call:
    if question == FACTORED:
        return lambda: by_hand_gradients(net)
    if question == GRADIENTS:
        return lambda: {name: written_out(found) for name, found in by_hand_gradients(net).items()}

    def norms() -> Any:
        total: Any = 0.0
        for found in by_hand_gradients(net).values():
            parts = found if isinstance(found, tuple) else (found,)
            total = total + np.prod([np.einsum("np,np->n", part, part) for part in parts], axis=0)
        return np.sqrt(total)

    return norms


def by_hand_gradients(net: Perceptron, dtype: str = "float32") -> dict[str, Any]:
    """Of every example: for a weight the two factors of its gradient, for a bias the gradient."""
    P, X, Y, layers = net.params, net.X, net.Y, net.depth
    if dtype != net.dtype:
        P, X, Y = {n: a.astype(dtype) for n, a in P.items()}, X.astype(dtype), Y.astype(dtype)
    read = [X]
    for k in range(1, layers):
        read.append(np.maximum(read[-1] @ P[f"W{k}"] + P[f"b{k}"], 0))
    Z = read[-1] @ P[f"W{layers}"] + P[f"b{layers}"]
    e = np.exp(Z - Z.max(axis=1, keepdims=True))
    d = e / e.sum(axis=1, keepdims=True) - Y
    found: dict[str, Any] = {}
    for k in range(layers, 0, -1):
        found[f"W{k}"], found[f"b{k}"] = (read[k - 1], d), d
        if k > 1:
            d = (d @ P[f"W{k}"].T) * (read[k - 1] > 0)
    return found


def written_out(gradient: Any) -> Any:
    """The factors of a gradient multiplied."""
    return np.einsum("np,nq->npq", *gradient) if isinstance(gradient, tuple) else gradient


def ours(question: str, net: Perceptron) -> Call:
    P, X, Y = net.params, net.X, net.Y
    each = network(net).per_example("L")
    if question == NORMS:
        norms = each.norms(list(P)).compile(outputs=["norm"])
        return lambda: norms(**P, X=X, Y=Y)["norm"]
    gradients = each.gradients(list(P)).compile()
    if question == FACTORED:
        return lambda: gradients(P, X=X, Y=Y)
    return lambda: gradients.dense(P, X=X, Y=Y)


def by_jax(question: str, net: Perceptron) -> Call:
    jax = common.jax()
    jnp = jax.numpy
    params, images, labels = jax.tree.map(jnp.asarray, (net.params, net.X, net.Y))
    layers = net.depth

    def loss(p: Any, x: Any, y: Any) -> Any:
        for k in range(1, layers):
            x = jnp.maximum(x @ p[f"W{k}"] + p[f"b{k}"], 0)
        return -(y * jax.nn.log_softmax(x @ p[f"W{layers}"] + p[f"b{layers}"])).sum()

    each = jax.vmap(jax.grad(loss), (None, 0, 0))
    gradients = jax.jit(each)

    @jax.jit
    def norms(p: Any, x: Any, y: Any) -> Any:
        squares = [(g.reshape(len(x), -1) ** 2).sum(axis=1) for g in each(p, x, y).values()]
        return jnp.sqrt(sum(squares))

    call = norms if question == NORMS else gradients
    return lambda: jax.block_until_ready(call(params, images, labels))


def by_torch(question: str, net: Perceptron) -> Call:
    torch = common.torch()
    params, images, labels = (
        {n: torch.tensor(a) for n, a in net.params.items()},
        torch.tensor(net.X),
        torch.tensor(net.Y),
    )
    layers = net.depth

    def loss(p: Any, x: Any, y: Any) -> Any:
        for k in range(1, layers):
            x = torch.relu(x @ p[f"W{k}"] + p[f"b{k}"])
        return -(y * torch.log_softmax(x @ p[f"W{layers}"] + p[f"b{layers}"], 0)).sum()

    each = torch.func.vmap(torch.func.grad(loss), (None, 0, 0))
    return lambda: each(params, images, labels)


MAKERS: dict[str, Callable[[str, Perceptron], Call]] = {HAND: by_hand, OURS: ours, JAX: by_jax, TORCH: by_torch}


def make(name: str, request: Mapping[str, Any]) -> tuple[Call, float]:
    """The call of a contender, once its answer is the closed form's in float64, and the error of that."""
    question, batch = request["question"], request["batch"]
    net = Perceptron(batch, tuple(request["widths"]), "float32")
    call = MAKERS[name](question, net)
    answer = call()
    exact = {each: written_out(found) for each, found in by_hand_gradients(net, "float64").items()}
    if question == NORMS:
        lengths = np.sqrt(sum((g.reshape(batch, -1) ** 2).sum(axis=1) for g in exact.values()))
        return call, common.check(name, "per-example norms", answer, lengths, TOLERANCE)
    return call, max(
        common.check(name, f"per-example {question}, {each}", written_out(answer[each]), expected, TOLERANCE)
        for each, expected in exact.items()
    )
