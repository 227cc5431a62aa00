"""How fast is a compiled Hessian-vector product beside jitted JAX, PyTorch, and NumPy written by hand?

The digits network, 64-64-32-10, dense and relu, softmax with cross-entropy: the Hessian of the loss in all six
parameters times one direction, and times sixteen at once, for batches of 32, 128 and 1024, in float64.  Contenders: the
product compiled from equations (the tangent pass over the backward pass), plain NumPy written by hand (a loop over the
directions), `jax.jit` of `jax.jvp` of `jax.grad` with `vmap` over the directions, and `torch.func.jvp` of `grad` with
`vmap`.  Every answer is checked before it is timed; contenders run in processes of their own, interleaved.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import common
import workers
from contest import Case, Contest, Lost, Row, error, medians
from perceptron import Perceptron, network

TOLERANCE = 1e-9
BASE, OURS, JAX, TORCH = "NumPy by hand", "einstan", "JAX, jitted", "PyTorch"
Product = Callable[[], dict[str, Any]]
WIDTHS = (64, 64, 32, 10)


def directions(params: dict[str, Any], count: int) -> dict[str, Any]:
    """``count`` directions along the first axis."""
    import numpy as np

    rng = np.random.default_rng(1)
    return {name: rng.standard_normal((count, *array.shape)) for name, array in params.items()}


# ---- contenders: the products by parameter, the directions along the first axis --------------------------------------


def by_hand(net: Perceptron, V: dict[str, Any]) -> Product:
    import numpy as np
    from by_hand import dense_softmax_hessian_product

    params, X, Y, count = net.params, net.X, net.Y, len(V["W1"])

    def run() -> dict[str, Any]:
        each = [dense_softmax_hessian_product(params, X, Y, {n: v[r] for n, v in V.items()}) for r in range(count)]
        return {name: np.stack([product[name] for product in each]) for name in params}

    return run


def ours(net: Perceptron, V: dict[str, Any]) -> Product:
    params, batch = net.params, "r" if len(V["W1"]) > 1 else None
    product = network(net).hvp("L", list(params), batch)
    compiled = product.compile(outputs=[f"td{name}" for name in params])
    along = {f"t{name}": array if batch else array[0] for name, array in V.items()}
    arrays = {**params, **along, "X": net.X, "Y": net.Y}
    given = {name: arrays[name] for name in compiled.texts}

    def run() -> dict[str, Any]:
        return dict(zip(params, compiled.call(given, {}), strict=True))

    return run if batch else lambda: {name: array[None] for name, array in run().items()}


def by_jax(net: Perceptron, V: dict[str, Any]) -> Product:
    jax = common.jax()
    jnp = jax.numpy
    given, images, labels, along = jax.tree.map(jnp.asarray, (net.params, net.X, net.Y, V))

    def loss(p: Any) -> Any:
        hidden = images
        for layer in (1, 2):
            hidden = jax.nn.relu(hidden @ p[f"W{layer}"] + p[f"b{layer}"])
        logits = hidden @ p["W3"] + p["b3"]
        return -(labels * jax.nn.log_softmax(logits)).sum() / len(images)

    def product(p: Any, v: Any) -> Any:
        return jax.jvp(jax.grad(loss), (p,), (v,))[1]

    single = jax.jit(product)
    several = jax.jit(jax.vmap(product, in_axes=(None, 0)))
    if len(V["W1"]) == 1:
        first = jax.tree.map(lambda v: v[0], along)
        return lambda: {n: a[None] for n, a in jax.block_until_ready(single(given, first)).items()}
    return lambda: jax.block_until_ready(several(given, along))


def by_torch(net: Perceptron, V: dict[str, Any]) -> Product:
    import warnings

    torch = common.torch()
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    given = {name: torch.tensor(array) for name, array in net.params.items()}
    along = {name: torch.tensor(array) for name, array in V.items()}
    images, labels = torch.tensor(net.X), torch.tensor(net.Y)

    def loss(p: Any) -> Any:
        hidden = images
        for layer in (1, 2):
            hidden = torch.relu(hidden @ p[f"W{layer}"] + p[f"b{layer}"])
        return -(labels * torch.log_softmax(hidden @ p["W3"] + p["b3"], dim=1)).sum() / len(images)

    def product(v: Any) -> Any:
        return torch.func.jvp(torch.func.grad(loss), (given,), (v,))[1]

    if len(V["W1"]) == 1:
        first = {name: array[0] for name, array in along.items()}
        return lambda: {name: array[None].numpy() for name, array in product(first).items()}
    several = torch.func.vmap(product)
    return lambda: {name: array.numpy() for name, array in several(along).items()}


MAKERS: dict[str, Callable[[Perceptron, dict[str, Any]], Product]] = {
    BASE: by_hand,
    OURS: ours,
    JAX: by_jax,
    TORCH: by_torch,
}
NEEDS = {JAX: "jax", TORCH: "torch"}


# ---- the script ------------------------------------------------------------------------------------------------------


def reference(net: Perceptron, V: dict[str, Any]) -> dict[str, Any]:
    """The product by hand, the first direction of it checked by a difference of gradients."""
    from by_hand import dense_softmax_cross_entropy

    params, found = net.params, by_hand(net, V)()
    step = 1e-7
    up, down = (
        dense_softmax_cross_entropy({n: p + s * step * V[n][0] for n, p in params.items()}, net.X, net.Y)[1]
        for s in (1, -1)
    )
    for name in params:
        common.check("a difference of gradients", name, (up[name] - down[name]) / (2 * step), found[name][0], 1e-4)
    return found


class Products(Contest):
    columns = ("einstan's share", "error")
    needs = NEEDS
    ours = (OURS,)
    turn, rounds, budget = 0.02, 300, 8.0

    def cases(self) -> Sequence[Case]:
        sizes = [(32, 1), (32, 4)] if self.options.quick else [(b, r) for r in (1, 16) for b in (32, 128, 1024)]
        return [
            Case(
                f"batch {batch}, {count} direction{'s' if count > 1 else ''}",
                {"batch": batch, "count": count},
                self.available(MAKERS),
                f"Hessian-vector product, batch {batch}, directions: {count}",
            )
            for batch, count in sizes
        ]

    def make(self, name: str, request: Mapping[str, Any]) -> workers.Made:
        import numpy as np

        net = Perceptron(request["batch"], WIDTHS, "float64")
        V = directions(net.params, request["count"])
        product = MAKERS[name](net, V)
        found, exact = product(), reference(net, V)
        return product, max(
            common.check(name, f"the product for {each}", np.asarray(found[each]), exact[each], TOLERANCE)
            for each in net.params
        )

    def judge(self, case: Case, rows: Sequence[Row]) -> list[Lost]:
        times = medians(rows)
        for row in rows:
            row["ratio"] = times[OURS] / times[row["contender"]]
        return super().judge(case, rows)

    def cells(self, row: Row) -> Sequence[str]:
        return f"{row['ratio']:.2f}", error(row)


if __name__ == "__main__":
    common.main_guard(Products(__file__, __doc__).run)
