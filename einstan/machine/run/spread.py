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
from einstan.machine.plan.plan import Plan
from einstan.machine.run.hosted import Hosted, Traced
from einstan.machine.sizes.specs import counted, partition, specs_of
from einstan.machine.targets.source import Source


class Spread(Hosted):
    """A program as a function of arrays of JAX that lie on a ``mesh``; otherwise as `Hosted`."""

    def __init__(
        self,
        program: Program | Equation,
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
        super().__init__(program, "jax", **options)
        self.mesh, self.shard, self.shard_params = mesh, shard, shard_params
        self.alike, self.params = tuple(alike), tuple(params)
        self.specs = specs_of(self.program, counted(mesh), shard, shard_params, self.alike, self.params, self.context)

    @property
    def devices(self) -> Any:
        """The mesh; where it is set for no block of code, one whose axes are none of the types of arrays, since
        derivatives and ``vmap`` would need such a block."""
        sharding = self.library.sharding
        if not sharding.get_abstract_mesh().empty:
            return self.mesh
        return sharding.Mesh(self.mesh.devices, self.mesh.axis_names)

    def sharding(self, name: Name) -> Any:
        """Where a tensor lies: ``jax.device_put(X, compiled.sharding("X"))``."""
        known = {str(each): each for each in self.program.ranks}
        if str(name) not in known:
            raise DataError(f"{name} is no tensor of the program", repair=f"one of {', '.join(known)}")
        return self.library.sharding.NamedSharding(self.devices, self.spec(known[str(name)]))

    def spec(self, name: Name) -> Any:
        assert self.specs is not None
        return self.library.sharding.PartitionSpec(*partition(self.specs.of(name, self.program.ranks[name])))

    def function_of(self, plan: Plan) -> Traced:
        return Parts(self, plan)

    def general(self, function: str) -> Source:
        raise DataError(
            "text for any sizes is asked for, and the parts of devices have sizes of their own",
            repair='program.compile(backend="jax", mesh=mesh, shard=...).source(sizes), or leave out mesh',
        )

    def _nominal(self, sizes: Mapping[str, int], careful: bool = False) -> Any:
        made = self._traced({}, sizes, {}, None)
        return Traced(self, made)


class Parts(Traced):
    """The function of the parts, run on all devices."""

    def __init__(self, made: Spread, plan: Plan) -> None:
        super().__init__(made, plan)
        self.made, self.outputs = made, plan.outputs
        self.known: dict[Any, Any] = {}  # by the mesh

    def run(self, *given: Any) -> tuple[Any, ...]:
        mesh = self.made.devices
        if mesh not in self.known:
            self.known[mesh] = self.over(mesh)
        shardings, spread = self.known[mesh]
        put = self.made.library.device_put
        return tuple(spread(*[put(given[k], where) for k, where in zip(self.places, shardings, strict=True)]))

    def over(self, mesh: Any) -> tuple[list[Any], Any]:
        """Where the arguments lie, and the function."""
        jax, made, names = self.made.library, self.made, self.source.arguments
        given, found = (tuple(made.spec(name) for name in each) for each in (names, self.outputs))
        spread = jax.shard_map(self.function, mesh=mesh, in_specs=given, out_specs=found, check_vma=False)
        return [jax.sharding.NamedSharding(mesh, spec) for spec in given], jax.jit(spread)
