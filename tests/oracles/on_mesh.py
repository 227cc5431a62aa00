"""What `test_mesh` asks, in a process of its own with eight virtual devices: a line of JSON for each row.

Results over a mesh are compared with those of one device, in float64; the exchanges of the plan with those of the code
that XLA has compiled.
"""

import json
import math
import os
import re
import sys
from collections.abc import Iterator
from typing import Any

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8 --xla_backend_optimization_level=0"

import jax
import jax.numpy as jnp
import numpy as np

import einstan as es
from tests.machine import spread

jax.config.update("jax_enable_x64", True)
BYTES = {"f32": 4, "f64": 8, "s64": 8, "s32": 4, "pred": 1}
KINDS = "all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute|collective-broadcast"


class Kept:
    """``jax.jit``, which keeps what it has compiled, for one tuple of shapes."""

    def __init__(self, function: Any) -> None:
        self.function, self.code = plain_jit(function), None

    def __call__(self, *arrays: Any) -> Any:
        self.code = self.code or self.function.lower(*arrays).compile()
        return self.code(*arrays)


plain_jit, jax.jit = jax.jit, Kept


def drawn(program: Any, outputs: list[str], sizes: dict[str, int], labels: dict[str, int]) -> dict[str, Any]:
    rng, compiled = np.random.default_rng(0), program.compile(outputs=outputs)
    extents = compiled._extents({}, sizes, None)
    arrays = {}
    for name in compiled.inputs:
        shape = extents.shape(name)
        known = name in labels
        arrays[str(name)] = jnp.asarray(rng.integers(0, labels[name], shape) if known else rng.normal(size=shape))
    return arrays


def compared(program: Any, outputs: list[str], arrays: Any, mesh: Any, **options: Any) -> dict[str, Any]:
    one = plain_jit(program.compile(outputs=outputs, backend="jax"))(arrays)
    over = program.compile(outputs=outputs, backend="jax", mesh=mesh, **options)
    found = over(arrays)
    for name in outputs:
        assert found[name].sharding.is_equivalent_to(over.sharding(name), found[name].ndim), name
    off = max(float(jnp.abs(found[n] - one[n]).max() / (jnp.abs(one[n]).max() + 1e-300)) for n in outputs)
    return {"off": off, **exchanged(over)}


def exchanged(compiled: Any) -> dict[str, Any]:
    plan = compiled.plan
    ((_, function),) = compiled._latest.known.values()
    told: dict[str, list[int]] = {}
    for each in plan.traffic:
        row = told.setdefault(each.kind.removesuffix(" max").removesuffix(" min"), [0, 0, 0])
        row[:] = row[0] + each.messages, row[1] + each.arrays, row[2] + each.bytes
    return {"plan": told, "code": of_code(function.code)}


def of_code(code: Any) -> dict[str, list[int]]:
    """The exchanges of compiled code: how many, and the bytes of the whole arrays."""
    found: dict[str, list[int]] = {}
    for line in code.as_text().split("\n"):
        matched = re.search(rf" = (.*?) ({KINDS})\(", line)
        if matched is not None:
            made, kind = matched.groups()
            size = sum(BYTES[t] * math.prod(map(int, filter(None, shape.split(",")))) for t, shape in
                       re.findall(r"(\w+)\[([\d,]*)\]", re.sub(r"/\*.*?\*/", "", made)))  # fmt: skip
            if kind == "reduce-scatter":
                group = re.search(r"replica_groups=\{\{([\d,]+)\}", line)
                assert group is not None
                size *= len(group[1].split(","))
            count, total = found.get(kind, [0, 0])
            found[kind] = [count + 1, total + size]
    return found


def blocks() -> Iterator[tuple[str, Any]]:
    made = spread.network().value_and_grad("L")
    rng, adam = np.random.default_rng(1), es.Adam(0.1)
    params = {
        name: jnp.asarray(rng.normal(size=[spread.SIZES[axis] for axis in axes]) * 0.3)
        for name, axes in spread.SHAPES.items()
    }
    data = {"x": jnp.asarray(rng.normal(size=(8, 16, 32))), "Y": jnp.asarray(rng.integers(0, 48, (8, 16)))}
    one = plain_jit(made.compile(backend="jax", update=adam, check=False))

    def trained(step: Any) -> list[Any]:
        state = (params, adam.init(params))
        for _ in range(2):
            loss, *state = step(*state, **data)
        return jax.tree.leaves((loss, state))

    expected = trained(one)
    for name, (axes, shard, kept, _) in spread.LAYOUTS.items():
        mesh = jax.make_mesh(tuple(axes.values()), tuple(axes))
        step = made.compile(backend="jax", update=adam, mesh=mesh, shard=shard, shard_params=kept)
        off = apart(trained(step), expected)
        yield f"block: {name}", {"off": off, **exchanged(step.compiled)}


def programs() -> Iterator[tuple[str, Any]]:
    mesh = jax.make_mesh((2, 4), ("data", "model"))
    for name, (text, wrt, sizes, shard, _) in spread.PROGRAMS.items():
        program, outputs = spread.asked(text, wrt)
        arrays = drawn(program, outputs, sizes, {"T": 5})
        yield name, compared(program, outputs, arrays, mesh, shard=shard)


def transforms() -> Iterator[tuple[str, Any]]:
    """What JAX does with functions."""
    net = es.Network(
        "U[n,h] = X[n,K] W[K,h]\nL = 1/|N| (tanh(U[N,H]) V[H] - Y[N])^2", parameters={"W": "he", "V": "he"}
    )
    rng, sgd = np.random.default_rng(2), es.SGD(0.1)
    X, Y, params = jnp.asarray(rng.normal(size=(8, 4))), jnp.ones(8), {"W": jnp.ones((4, 8)), "V": jnp.ones(8)}
    mesh, shard = jax.make_mesh((2, 4), ("data", "model")), {"n": "data", "h": "model"}

    def results(**options: Any) -> dict[str, Any]:
        loss, step = net.to_jax("L", **options), net.value_and_grad("L").compile(backend="jax", update=sgd, **options)

        def body(carry: Any, _: Any) -> Any:
            value, *carry = step(*carry, X=X, Y=Y)
            return tuple(carry), value

        slope = jax.grad(lambda params: loss(params, X=X, Y=Y))
        return {
            "grad": lambda: slope(params),
            "vmap": lambda: jax.vmap(lambda x: loss(params, X=x, Y=Y))(jnp.stack([X, 2 * X])),
            "scan": lambda: plain_jit(lambda c: jax.lax.scan(body, c, None, length=2))((params, sgd.init(params))),
        }

    jax.jit = plain_jit
    for (name, one), over in zip(results().items(), results(mesh=mesh, shard=shard).values(), strict=True):
        yield f"transform: {name}", {"off": apart(one(), over()), "plan": {}, "code": {}}
    with jax.set_mesh(mesh):
        off = apart(results()["grad"](), results(mesh=mesh, shard=shard)["grad"]())
    yield "transform: grad where the mesh is set", {"off": off, "plan": {}, "code": {}}


def apart(one: Any, other: Any) -> float:
    leaves = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return max(float(abs(np.asarray(a) - np.asarray(b)).max()) for a, b in leaves)


def partitioned() -> Iterator[tuple[str, Any]]:
    """The block with heads and hidden units cut, as the partitioner of XLA exchanges it: told layouts alone."""
    made, (axes, shard, *_) = spread.network().value_and_grad("L"), spread.LAYOUTS["tensor"]
    mesh, specs = jax.make_mesh(tuple(axes.values()), tuple(axes)), made.specs(shard)
    mesh = jax.sharding.Mesh(mesh.devices, mesh.axis_names)
    shapes = {**spread.SHAPES, "x": "bte", "Y": "bt"}
    given = {
        name: jax.ShapeDtypeStruct(
            [spread.SIZES[axis] for axis in letters], int if name == "Y" else float,
            sharding=jax.sharding.NamedSharding(mesh, specs[name]),
        )
        for name, letters in shapes.items()
    }  # fmt: skip
    data = {name: given.pop(name) for name in ("x", "Y")}
    step = made.compile(backend="jax", check=False)
    out = (jax.sharding.NamedSharding(mesh, jax.P()), {n: array.sharding for n, array in given.items()})
    code = plain_jit(lambda params, data: step(params, **data), out_shardings=out).lower(given, data).compile()
    yield "partitioner", {"off": 0, "plan": {}, "code": of_code(code)}


if __name__ == "__main__":
    for rows in (programs(), blocks(), transforms(), partitioned()):
        for row, found in rows:
            sys.stdout.write(json.dumps([row, found]) + "\n")
            sys.stdout.flush()
