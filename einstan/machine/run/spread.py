"""Programs over many devices of JAX: each holds its parts of all tensors, and computes its part of every step.

    mesh = jax.make_mesh((2, 4), ("data", "model"))
    step = program.compile(backend="jax", mesh=mesh, shard={"n": "data", "h": "model"}, shard_params="data")

What the devices exchange stands in the plan and in the code (`einstan.machine.plan.parted`); ``jax.shard_map`` runs
that code on every device, so that nothing is left for the partitioner of XLA to decide.  Arrays come and go as those of
one device do: whole arrays, which JAX keeps in parts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from einstan.calculus.program import Program
from einstan.language.arguments import ArgumentError, shown
from einstan.language.errors import DataError
from einstan.language.term import Equation, Name
from einstan.language.threads import cached_property
from einstan.machine.plan.plan import Optimizer, Plan
from einstan.machine.run.hosted import Hosted, Traced
from einstan.machine.sizes.specs import counted, partition, specs_of


class Spread(Hosted):
    """A program as a function of arrays of JAX that lie on a ``mesh``; otherwise as `Hosted`."""

    def __init__(
        self,
        program: Program | Equation,
        outputs: Iterable[Name] | None = None,
        optimize: Optimizer = "auto",
        dtype: Any = None,
        *,
        mesh: Any,
        shard: Mapping[str, Any] | None = None,
        shard_params: Any = None,
        alike: Iterable[tuple[Name, Name]] = (),
        params: Iterable[Name] = (),
        **options: Any,
    ) -> None:
        if not hasattr(mesh, "axis_names") or not hasattr(mesh, "devices"):
            raise ArgumentError(
                f"mesh = {shown(mesh)} is no mesh of devices",
                repair='mesh=jax.make_mesh((8,), ("data",))',
            )
        if options.get("any_size"):
            raise DataError("the parts of devices have sizes of their own", repair="leave out any_size, or mesh")
        super().__init__(program, outputs, optimize, dtype, backend="jax", **options)
        self.mesh, self.shard, self.shard_params = mesh, shard, shard_params
        self.alike, self.params = tuple(alike), tuple(params)
        self.specs = specs_of(self.program, counted(mesh), shard, shard_params, self.alike, self.params, self.context)

    @cached_property
    def partition_spec(self) -> Any:
        return self.library.sharding.PartitionSpec

    def sharding(self, name: Name) -> Any:
        """Where a tensor lies: ``jax.device_put(X, compiled.sharding("X"))``."""
        known = {str(each): each for each in self.program.ranks}
        if str(name) not in known:
            raise DataError(f"{name} is no tensor of the program", repair=f"one of {', '.join(known)}")
        return self.library.sharding.NamedSharding(self.mesh, self.spec(known[str(name)]))

    def spec(self, name: Name) -> Any:
        assert self.specs is not None
        return self.partition_spec(*partition(self.specs.of(name, self.program.ranks[name])))

    def function_of(self, plan: Plan) -> Traced:
        return Parts(self, plan)

    def _nominal(self, sizes: Mapping[str, int], careful: bool = False) -> Any:
        made = self._traced({}, sizes, {}, None)
        return Traced(self, made)


class Parts(Traced):
    """The function of the parts, run on all devices."""

    def __init__(self, made: Spread, plan: Plan) -> None:
        super().__init__(made, plan)
        jax = made.library
        names = self.source.arguments
        self.shardings = [made.sharding(name) for name in names]
        spread = jax.shard_map(
            self.function,
            mesh=made.mesh,
            in_specs=tuple(made.spec(name) for name in names),
            out_specs=tuple(made.spec(name) for name in plan.outputs),
            check_vma=False,
        )
        self.lowered = jax.jit(spread)
        self.put = jax.device_put

    def run(self, *given: Any) -> tuple[Any, ...]:
        placed = [self.put(given[k], where) for k, where in zip(self.places, self.shardings, strict=True)]
        return tuple(self.lowered(*placed))
