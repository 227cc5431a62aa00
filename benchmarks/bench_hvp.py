"""How fast is a compiled Hessian-vector product beside jitted JAX, PyTorch, and NumPy written by hand?

The digits network, 64-64-32-10, dense and relu, softmax with cross-entropy: the Hessian of the loss in all six
parameters times one direction, and times sixteen at once, for batches of 32, 128 and 1024, in float64.  Contenders: the
product compiled from equations (the tangent pass over the backward pass), plain NumPy written by hand (a loop over the
directions), `jax.jit` of `jax.jvp` of `jax.grad` with `vmap` over the directions, and `torch.func.jvp` of `grad` with
`vmap`.  Every answer is checked before it is timed; contenders run interleaved, each library on one thread.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import common

TOLERANCE = 1e-9
BASE, OURS, JAX, TORCH = "NumPy by hand", "einstan", "JAX, jitted", "PyTorch"
Product = Callable[[], dict[str, Any]]


def directions(params: dict[str, Any], count: int) -> dict[str, Any]:
    """``count`` directions along the first axis."""
    import numpy as np

    rng = np.random.default_rng(1)
    return {name: rng.standard_normal((count, *array.shape)) for name, array in params.items()}


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


def contenders(batch: int, count: int, threads: int) -> dict[str, Product]:
    """Each gives the products by parameter, the directions along the first axis."""
    import numpy as np
    from by_hand import dense_softmax_hessian_product

    params, X, Y = data(batch, "float64")
    V = directions(params, count)

    def by_hand() -> dict[str, Any]:
        each = [dense_softmax_hessian_product(params, X, Y, {n: v[r] for n, v in V.items()}) for r in range(count)]
        return {name: np.stack([product[name] for product in each]) for name in params}

    found: dict[str, Product] = {BASE: by_hand, OURS: ours(params, X, Y, V)}
    if common.installed("jax"):
        found[JAX] = by_jax(params, X, Y, V)
    if common.installed("torch") and threads == 1:
        found[TORCH] = by_torch(params, X, Y, V)
    return found


def ours(params: dict[str, Any], X: Any, Y: Any, V: dict[str, Any]) -> Product:
    from networks import digits_members

    from einstan.library.network import Network

    batch = "r" if len(V["W1"]) > 1 else None
    product = Network(*digits_members()).hvp("L", list(params), batch)  # type: ignore[arg-type]
    compiled = product.compile(outputs=[f"td{name}" for name in params])
    along = {f"t{name}": array if batch else array[0] for name, array in V.items()}
    arrays = {**params, **along, "X": X, "Y": Y}
    given = {name: arrays[name] for name in compiled.texts}

    def run() -> dict[str, Any]:
        return dict(zip(params, compiled.call(given, {}), strict=True))

    return run if batch else lambda: {name: array[None] for name, array in run().items()}


def by_jax(params: dict[str, Any], X: Any, Y: Any, V: dict[str, Any]) -> Product:
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    flags = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flags}".strip()
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
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

    import torch

    warnings.filterwarnings("ignore", category=DeprecationWarning)
    torch.set_num_threads(1)
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


def verify(products: dict[str, Product], batch: int, count: int) -> dict[str, float]:
    """The largest error of each contender against the product by hand, itself checked by a difference of gradients."""
    import numpy as np
    from by_hand import dense_softmax_cross_entropy

    params, X, Y = data(batch, "float64")
    reference = products[BASE]()
    step = 1e-7
    V = {name: array[0] for name, array in directions(params, count).items()}
    up, down = (
        dense_softmax_cross_entropy({n: p + s * step * V[n] for n, p in params.items()}, X, Y)[1] for s in (1, -1)
    )
    for name in params:
        common.check("a difference of gradients", name, (up[name] - down[name]) / (2 * step), reference[name][0], 1e-4)
    errors = {}
    for contender, product in products.items():
        found = product()
        errors[contender] = max(
            common.check(contender, f"the product for {name}", np.asarray(found[name]), reference[name], TOLERANCE)
            for name in params
        )
    return errors


def run() -> int:
    parser = common.arguments(__doc__ or "", "python benchmarks/bench_hvp.py --json benchmarks/results/hvp.json")
    options = parser.parse_args()
    common.limit_threads(options.threads)
    record = common.machine()
    if version := common.installed("jax"):
        record["versions"]["jax"] = version
    print(common.one_line(record))
    cases = [(32, 1), (32, 4)] if options.quick else [(b, r) for r in (1, 16) for b in (32, 128, 1024)]
    results: list[dict[str, Any]] = []
    losses: list[tuple[str, str, str]] = []
    with common.progress(len(cases), "hvp") as done:
        for batch, count in cases:
            case = f"batch {batch}, {count} direction{'s' if count > 1 else ''}"
            products = contenders(batch, count, options.threads)
            errors = verify(products, batch, count)
            budget, rounds = (0.3, 10) if options.quick else (8.0, 1000)
            times = common.interleaved(products, budget=budget, rounds=rounds)
            own = times[OURS]
            rows = []
            for name, time in times.items():
                ratio = own.median / time.median
                quartiles = f"{common.seconds(time.low)} to {common.seconds(time.high)}"
                rows.append((name, common.seconds(time.median), quartiles, f"{ratio:.2f}", f"{errors[name]:.0e}"))
                results.append({"case": case, "contender": name, "time": time, "ratio": ratio, "error": errors[name]})
                if name != OURS and own.slower_than(time):
                    losses.append((case, OURS, f"{ratio:.2f} times as slow as {name}"))
            columns = ("contender", "median", "quartiles", "einstan's share", "error")
            common.table(f"Hessian-vector product, {case}", columns, rows)
            done(case)
    if losses:
        common.table("rows lost", ("case", "contender", "by"), losses)
    else:
        print("no row is lost")
    common.write_json(options.json, "hvp", record, {"rows": results, "lost": losses})
    return 0


if __name__ == "__main__":
    common.main_guard(run)
