"""How fast is a compiled Hessian-vector product beside jitted JAX, PyTorch, and NumPy written by hand?

The digits network, 64-64-32-10, dense and relu, softmax with cross-entropy: the Hessian of the loss in all six
parameters times one direction, and times sixteen at once, for batches of 32, 128 and 1024, in float64.  Contenders: the
product compiled from equations (the tangent pass over the backward pass), plain NumPy written by hand (a loop over the
directions), `jax.jit` of `jax.jvp` of `jax.grad` with `vmap` over the directions, and `torch.func.jvp` of `grad` with
`vmap`.  Every answer is checked before it is timed; contenders run in processes of their own, interleaved.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import common
import workers
from contest import Case, Contest, Lost, Row, error, medians

TOLERANCE = 1e-9
BASE, OURS, JAX, TORCH = "NumPy by hand", "einstan", "JAX, jitted", "PyTorch"
Product = Callable[[], dict[str, Any]]
WIDTHS = (64, 64, 32, 10)


def data(batch: int, dtype: str) -> tuple[dict[str, Any], Any, Any]:
    """Parameters, images, one-hot labels."""
    import numpy as np

    rng = np.random.default_rng(0)
    params: dict[str, Any] = {}
    for layer, (rows, columns) in enumerate(pairwise(WIDTHS), 1):
        params[f"W{layer}"] = (rng.standard_normal((rows, columns)) * np.sqrt(2 / rows)).astype(dtype)
        params[f"b{layer}"] = (rng.standard_normal(columns) * 0.1).astype(dtype)
    images = rng.random((batch, WIDTHS[0])).astype(dtype)
    labels = np.eye(WIDTHS[-1], dtype=dtype)[rng.integers(WIDTHS[-1], size=batch)]
    return params, images, labels


def directions(params: dict[str, Any], count: int) -> dict[str, Any]:
    """``count`` directions along the first axis."""
    import numpy as np

    rng = np.random.default_rng(1)
    return {name: rng.standard_normal((count, *array.shape)) for name, array in params.items()}


# ---- contenders: the products by parameter, the directions along the first axis --------------------------------------


def by_hand(params: dict[str, Any], X: Any, Y: Any, V: dict[str, Any]) -> Product:
    import numpy as np
    from by_hand import dense_softmax_hessian_product

    count = len(V["W1"])

    def run() -> dict[str, Any]:
        each = [dense_softmax_hessian_product(params, X, Y, {n: v[r] for n, v in V.items()}) for r in range(count)]
        return {name: np.stack([product[name] for product in each]) for name in params}

    return run


def ours(params: dict[str, Any], X: Any, Y: Any, V: dict[str, Any]) -> Product:
    from networks import digits_members

    from einstan.library.network import Network

    batch = "r" if len(V["W1"]) > 1 else None
    product = Network(*digits_members()).hvp("L", list(params), batch)
    compiled = product.compile(outputs=[f"td{name}" for name in params])
    along = {f"t{name}": array if batch else array[0] for name, array in V.items()}
    arrays = {**params, **along, "X": X, "Y": Y}
    given = {name: arrays[name] for name in compiled.texts}

    def run() -> dict[str, Any]:
        return dict(zip(params, compiled.call(given, {}), strict=True))

    return run if batch else lambda: {name: array[None] for name, array in run().items()}


def by_jax(params: dict[str, Any], X: Any, Y: Any, V: dict[str, Any]) -> Product:
    jax = common.jax()
    jnp = jax.numpy
    given, images, labels, along = jax.tree.map(jnp.asarray, (params, X, Y, V))

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


def by_torch(params: dict[str, Any], X: Any, Y: Any, V: dict[str, Any]) -> Product:
    import warnings

    torch = common.torch()
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    given = {name: torch.tensor(array) for name, array in params.items()}
    along = {name: torch.tensor(array) for name, array in V.items()}
    images, labels = torch.tensor(X), torch.tensor(Y)

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


MAKERS: dict[str, Callable[[dict[str, Any], Any, Any, dict[str, Any]], Product]] = {
    BASE: by_hand,
    OURS: ours,
    JAX: by_jax,
    TORCH: by_torch,
}
NEEDS = {JAX: "jax", TORCH: "torch"}


# ---- the script ------------------------------------------------------------------------------------------------------


def reference(params: dict[str, Any], X: Any, Y: Any, V: dict[str, Any]) -> dict[str, Any]:
    """The product by hand, the first direction of it checked by a difference of gradients."""
    from by_hand import dense_softmax_cross_entropy

    found = by_hand(params, X, Y, V)()
    step = 1e-7
    up, down = (
        dense_softmax_cross_entropy({n: p + s * step * V[n][0] for n, p in params.items()}, X, Y)[1] for s in (1, -1)
    )
    for name in params:
        common.check("a difference of gradients", name, (up[name] - down[name]) / (2 * step), found[name][0], 1e-4)
    return found


class Products(Contest):
    columns = ("einstan's share", "error")
    needs = NEEDS
    ours = (OURS,)
    quick_needs = True
    rounds, budget = 300, 8.0

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

        params, X, Y = data(request["batch"], "float64")
        V = directions(params, request["count"])
        product = MAKERS[name](params, X, Y, V)
        found, exact = product(), reference(params, X, Y, V)
        return product, max(
            common.check(name, f"the product for {each}", np.asarray(found[each]), exact[each], TOLERANCE)
            for each in params
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
