"""From single operations and sizes to steps of at most two operands, with what they cost.

A plan is made for the forward and the backward pass together.  What would not fit into memory is refused here, before
anything is allocated.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from einstan.calculus.program import Program
from einstan.language.arguments import typed
from einstan.language.errors import DataError
from einstan.language.term import Equation, Name, Reduce
from einstan.language.threads import cached_property
from einstan.machine.graph.flatten import flatten
from einstan.machine.meaning.numbers import number_of
from einstan.machine.passes.scans import scanned
from einstan.machine.passes.seeds import folded
from einstan.machine.passes.windows import solved
from einstan.machine.paths.layouts import Layouts
from einstan.machine.paths.pairs import Expansion
from einstan.machine.paths.paths import Optimizer, cheap, require_optimizer, separate
from einstan.machine.paths.trees import Shape
from einstan.machine.plan.buffers import Buffers, buffers, bytes_of
from einstan.machine.plan.costs import FREE, Step, call_of, einsum_of, flops_of, total_flops
from einstan.machine.plan.fitting import measured, peak_of, refuse_large
from einstan.machine.plan.parted import parted
from einstan.machine.plan.recompute import fitted
from einstan.machine.plan.slicing import sliced
from einstan.machine.plan.table import as_data, as_json, as_text
from einstan.machine.plan.traffic import Traffic, exchanged_bytes, traffic_of
from einstan.machine.sizes.extents import NOMINAL, Extents, as_program
from einstan.machine.sizes.guards import compared_alone
from einstan.machine.sizes.inference import infer
from einstan.machine.sizes.memory import available_memory
from einstan.machine.sizes.operations import Flat, Graph, Nonzero, Stored, roots
from einstan.machine.sizes.refusals import divides_by_zero, empty
from einstan.machine.sizes.specs import Specs
from einstan.machine.targets.frameworks import traced
from einstan.machine.targets.laid_out import specialised
from einstan.machine.targets.source import Source

Coder = Callable[["Plan"], "Source"]

SMALL_FAMILY = 6  # members above which separate paths cannot win over one tree: each costs as much as the whole
BEST_SECONDS = 2.0  # after so long, optimize="best" starts no further search


@dataclass
class Plan:
    """Steps in order, and their cost.  ``print(plan)`` is a table."""

    program: Program
    extents: Extents
    graph: Graph
    order: tuple[int, ...]  # the values to compute, in order
    tensors: dict[Name, Stored]
    outputs: tuple[Name, ...]
    index_tensors: dict[Name, set[str]]
    itemsize: int = 8
    naive_flops: int = 0
    names: dict[int, str] = field(default_factory=dict)
    optimizer: str = ""  # what found the paths; of "best", what won
    search_seconds: float = 0.0  # spent in searches for paths
    recomputed: tuple[str, ...] = ()  # the values that are made twice rather than kept, to fit a memory limit
    products: tuple[Shape, ...] = field(default=(), repr=False)  # the contractions, before they were taken apart
    elementwise_flops: int = 0  # of everything that is no contraction
    presumed: frozenset[int] = frozenset()  # products that are right as long as no entry of theirs is NaN
    quiet: bool = False  # whether what a bracket hides, or an axis without entries, may make NumPy warn
    notes: tuple[str, ...] = ()  # lines below the table: what was chosen before it was planned
    coder: Coder | None = field(default=None, repr=False)  # what makes its code; that of these sizes, if nothing else
    dtypes: Mapping[Name, str] = field(default_factory=dict, repr=False)  # of inputs, where they are known
    nonzero: tuple[Nonzero, ...] = field(default=(), repr=False)  # what sizes must satisfy
    given: tuple[Name, ...] | None = field(default=None, repr=False)  # what it reads, if not the program's inputs
    mesh: Mapping[str, int] = field(default_factory=dict)  # devices along each axis; this is the plan of one of them
    layouts: Mapping[int, str] = field(default_factory=dict, repr=False)  # by value, how it lies there

    @property
    def inputs(self) -> tuple[Name, ...]:
        """The names of the tensors that a call is given.

        Examples:
            >>> plan = es.parse("y[i] = A[i,J] x[J]").plan({"i": 2, "j": 3})
            >>> [str(name) for name in plan.inputs]
            ['A', 'x']
        """
        return tuple(self.program.inputs) if self.given is None else self.given

    @property
    def precisions(self) -> dict[Name, str]:
        """The dtype of every input."""
        inputs = {name: "int64" if name in self.index_tensors else self.precision for name in self.inputs}
        return {**inputs, **self.dtypes}

    @property
    def precision(self) -> str:
        """The dtype in which it is computed."""
        return f"float{8 * self.itemsize}"

    @cached_property
    def labels(self) -> set[Name]:
        """The tensors that are compared and not computed with, which may hold whole numbers."""
        return compared_alone(self.program.equations)

    @cached_property
    def code(self) -> Source:
        """The source that this is the plan of: what a compiled program runs, or would run at these sizes."""
        return self.coder(self) if self.coder else specialised(self, self.precisions, precision=self.precision)

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """The rows of the table: what is called, in order.

        Examples:
            >>> plan = es.parse("y[i] = A[i,J] x[J]").plan({"i": 2, "j": 3})
            >>> [step.call for step in plan.steps]
            ['matvec']
        """
        return tuple(self._step(value) for value in self.order if self.graph.operations[value].kind not in FREE)

    @cached_property
    def traffic(self) -> tuple[Traffic, ...]:
        """What the devices of a mesh send each other in a call."""
        return traffic_of(self)

    @property
    def flops(self) -> int:
        """Floating-point operations of a call, a product that is added up counted as two.

        Examples:
            >>> plan = es.parse("y[i] = A[i,J] x[J]").plan({"i": 2, "j": 3})
            >>> plan.flops
            12
        """
        return total_flops(self.graph, self.order, self.extents.known)

    @cached_property
    def separate_flops(self) -> int:
        """FLOPs if every contraction followed a path of its own, found by opt_einsum's ``auto``, and shared nothing.

        Examples:
            >>> plan = es.parse("y[i] = A[i,J] x[J]").plan({"i": 2, "j": 3})
            >>> plan.separate_flops
            12
        """
        return self.elementwise_flops + sum(separate(shape) for shape in self.products)

    @property
    def largest_intermediate(self) -> int:
        """Entries of the largest array that a step makes.

        Examples:
            >>> plan = es.parse("y[i] = A[i,J] x[J]").plan({"i": 2, "j": 3})
            >>> plan.largest_intermediate
            2
        """
        return max(
            (math.prod(self.shape(v)) for v in self.order if self.graph.operations[v].kind not in FREE), default=0
        )

    @cached_property
    def buffers(self) -> Buffers:
        """Which memory every value lives in, if memory is used again as soon as it is free."""
        return buffers(self.graph, self.order, self.extents.known, self.kept, self.itemsize)

    @cached_property
    def peak_memory(self) -> int:
        """Bytes that the code holds at the peak of a call: memory laid out beforehand and what the call makes, results
        included, the arrays given to it not.

        Examples:
            >>> plan = es.parse("y[i] = A[i,J] x[J]").plan({"i": 2, "j": 3})
            >>> plan.peak_memory
            16
        """
        return peak_of(self)

    @property
    def input_memory(self) -> int:
        """Bytes of the arrays that a call is given.

        Examples:
            >>> plan = es.parse("y[i] = A[i,J] x[J]").plan({"i": 2, "j": 3})
            >>> plan.input_memory
            72
        """
        inputs = (v for v in self.order if self.graph.operations[v].kind == "input")
        return sum(map(self.bytes, inputs))

    @property
    def kept(self) -> set[int]:
        """The values that are returned."""
        return set(roots(self.tensors, self.outputs))

    def size(self, dims: Iterable[str]) -> int:
        """Entries of an array with these dimensions."""
        return math.prod(self.extents.known[dim] for dim in dims)

    def shape(self, value: int) -> tuple[int, ...]:
        """The shape of a value."""
        return tuple(self.extents.known[dim] for dim in self.graph.dims(value))

    def bytes(self, value: int) -> int:
        """Bytes of a value."""
        return bytes_of(self.graph, value, self.extents.known, self.itemsize)

    def to_dict(self) -> dict[str, Any]:
        """The table and the totals as plain data.

        Examples:
            >>> plan = es.parse("y[i] = A[i,J] x[J]").plan({"i": 10, "j": 20})
            >>> plan.to_dict()["flops"], plan.to_dict()["steps"][0]["call"]
            (400, 'matvec')
        """
        return as_data(self)

    def to_json(self, indent: int | None = 1) -> str:
        """The same as JSON.

        Examples:
            >>> import json
            >>> json.loads(es.parse("y[i] = A[i,J] x[J]").plan({"i": 10, "j": 20}).to_json())["flops"]
            400
        """
        return as_json(self, indent)

    def __str__(self) -> str:
        return as_text(self)

    @property
    def measured_memory(self) -> int | None:
        """Bytes that were held at the peak of a call, see `measure`; None before."""
        return self.code.measured

    def measure(self, arrays: Mapping[Any, Any] | None = None) -> int:
        """Call the plan's code on arrays, or on arrays of ones, and return the bytes that it held at its peak; the
        table shows them beside those that were predicted.

        Examples:
            >>> plan = es.parse("y[i] = A[i,J] B[J,K] x[K]").plan({"i": 10, "j": 20, "k": 30})
            >>> plan.measured_memory is None, plan.measure() == plan.measured_memory
            (True, True)
        """
        self.code.measured = measured(self, arrays)
        return self.code.measured

    def _step(self, value: int) -> Step:
        operation = self.graph.operations[value]
        read = sum(self.bytes(v) for v in dict.fromkeys(o.value for o in operation.operands))
        return Step(
            self.names[value],
            operation.equation,
            einsum_of(operation),
            call_of(operation),
            flops_of(self.graph, operation, self.extents.known),
            read,
            0 if value in self.buffers.views else self.bytes(value),
            len(operation.dims) if operation.kind != "read" else len(operation.out),
            self.shape(value),
            self.buffers.told(value),
            self.layouts.get(value, ""),
            *exchanged_bytes(self, value),
        )


@typed
def plan(
    program: Program | Equation,
    sizes: Mapping[str, int] | Extents | None = None,
    outputs: Iterable[Name] | None = None,
    optimize: Optimizer = "auto",
    *,
    shapes: Mapping[Name, tuple[int, ...]] | None = None,
    itemsize: int = 8,
    memory_limit: int | None = None,
    flat: Flat | None = None,
    share: bool = True,
    coder: Coder | None = None,
    dtypes: Mapping[Name, str] | None = None,
    general: bool = False,
    slices: bool = True,
    specs: Specs | None = None,
) -> Plan:
    """The steps that compute the outputs.

    ``sizes`` names extents by index letter or axis; ``shapes`` gives whole shapes.  ``optimize`` is

    - ``"auto"``: exact for few operands, else greedy trees improved, and dynamic programming as far as a fixed amount
      of work goes: one contraction has one path, in every process;
    - the name of an opt_einsum optimizer (``"dp"``, ``"greedy"``, ...; its own ``auto`` is ``"opt_einsum-auto"``), or
      ``"cotengra"``; or an optimizer object of either;
    - ``"best"``: the cheap ones of these over the whole program, as many as start within two seconds; the one with the
      fewest FLOPs wins, and ``plan.optimizer`` names it;
    - a path written by hand, ``[(0, 1), (0, 1)]``, or a mapping from equation names to any of these.

    Contractions of almost the same operands, as the gradients of one product are, follow one tree turned round for
    each, where that takes fewer FLOPs than a path for each (``share=False``: never).

    With ``general`` the steps are right for arrays of all sizes, and the given sizes only say what is cheap.

    ``coder`` makes the code that the plan speaks of, from the plan, and ``dtypes`` are those of the inputs; by default
    what `einstan.machine.run.compile.compile` makes for floats of ``itemsize`` bytes.

    With ``specs`` it is the plan of one device of a mesh: its parts of all tensors, and what the devices exchange.

    Raises `DataError` where the call would hold more than ``memory_limit`` bytes at its peak, even with cheap values
    computed twice rather than kept, and with large ones computed block by block (``slices``); without a limit, where
    a single array would not fit into this machine's memory.
    """
    program = as_program(program)
    require_optimizer(optimize)
    flat = flatten(program, outputs) if flat is None else flat
    extents = sizes if isinstance(sizes, Extents) else infer(program, shapes or {}, sizes, only=flat.wanted)
    for name in program.inputs:
        if name in flat.tensors:
            extents.shape(name)  # which is known, or is asked for
    refuse_empty(flat, extents)
    flat = passed(flat, extents, general)
    if isinstance(optimize, str) and optimize == "best":
        made = best(program, flat, extents, itemsize, share)
    else:
        made = planned(program, flat, extents, optimize, itemsize, share)
    made.coder, made.dtypes = coder, dtypes or {}
    if specs is not None:
        made = parted(made, specs)
        made.coder = coder or partial(traced, "jax")
        if memory_limit is None:  # that of the devices is not this machine's
            return made
    if memory_limit is None and NOMINAL in extents.source.values():  # sizes that are made up take no memory
        return made
    try:
        memory_limit = None if memory_limit is None else min(memory_limit, available_memory())
        refuse_large(made, memory_limit)
        return made if memory_limit is None else fitted(made, memory_limit)
    except DataError:
        cut = None if general or not slices else sliced(made, memory_limit or available_memory() // 2)
        if cut is None:
            raise
        return cut


# What is done to the operations of a program before its products are taken apart, in this order, whoever plans it.
PASSES: dict[str, Callable[[Flat, Extents, bool], Flat]] = {
    "seeds": lambda flat, extents, general: folded(flat, extents),
    "windows": solved,
    "scans": lambda flat, extents, general: scanned(flat, extents),
}


def passed(flat: Flat, extents: Extents, general: bool = False) -> Flat:
    for each in PASSES.values():
        flat = each(flat, extents, general)
    return flat


def best(program: Program, flat: Flat, extents: Extents, itemsize: int, share: bool) -> Plan:
    """The plan with the fewest FLOPs of those that the cheap optimizers give."""
    operations = flat.graph.operations
    most = max((len(op.operands) for op in operations if op.kind == "contract"), default=0)
    begin = time.perf_counter()
    found: list[Plan] = []
    for name in cheap(most):
        if found and time.perf_counter() - begin > BEST_SECONDS:
            break
        found.append(planned(program, flat, extents, name, itemsize, share))
    won = min(found, key=lambda made: made.flops)
    won.search_seconds = sum(made.search_seconds for made in found)
    won.optimizer = f"{won.optimizer}, the best of {', '.join(made.optimizer for made in found)}"
    return won


def planned(
    program: Program, flat: Flat, extents: Extents, optimize: Optimizer, itemsize: int, share: bool = True
) -> Plan:
    """A plan by one optimizer: every family of contractions by one tree, or the small ones by paths of their own."""

    def expand(alone: set[int]) -> tuple[int, Expansion]:
        expansion = Expansion(flat, extents, optimize, lambda reference: share and reference not in alone).run()
        values = expansion.graph.needed(roots(expansion.tensors, flat.outputs))
        return total_flops(expansion.graph, values, extents.known), expansion

    alone: set[int] = set()
    flops, expansion = expand(alone)
    seconds = expansion.clock.seconds
    for reference, members in expansion.families:
        if members <= SMALL_FAMILY and share:
            fewer, other = expand(alone | {reference})
            seconds += other.clock.seconds
            if fewer < flops:
                flops, expansion = fewer, other
                alone.add(reference)
    graph, tensors = Layouts(expansion.graph, expansion.tensors, flat.outputs, extents.known).run()
    made = Plan(
        program,
        extents,
        graph,
        tuple(sorted(graph.needed(roots(tensors, flat.outputs)))),
        tensors,
        flat.outputs,
        flat.index_tensors,
        itemsize,
        expansion.naive,
        optimizer=described(optimize),
        search_seconds=seconds,
        products=tuple(expansion.shapes),
        nonzero=tuple(flat.nonzero),
        presumed=expansion.presumed,
        quiet=flat.quiet or 0 in extents.known.values(),  # the logarithm of a sum of nothing is minus infinity
    )
    made.names = names_of(made)
    others = [value for value in made.order if value not in expansion.contractions]
    made.elementwise_flops = total_flops(made.graph, others, extents.known)
    made.naive_flops += made.elementwise_flops
    return made


def for_framework(made: Plan, backend: str, general: bool = False) -> Plan:
    """The same plan, with parts of it computed by kernels of PyTorch, or by fewer products where XLA would compute
    both halves of a square; nothing changes without NumPy, by which parts are told."""
    try:
        from einstan.machine.passes.recognised import recognised
        from einstan.machine.passes.squares import taken_apart
    except ModuleNotFoundError:
        return made
    apply = recognised if backend == "torch" else taken_apart
    graph, tensors = apply(made.graph, made.tensors, made.outputs, made.extents.known, general)
    order = tuple(sorted(graph.needed(roots(tensors, made.outputs))))
    found = replace(made, graph=graph, tensors=tensors, order=order)
    found.names = names_of(found)
    return found


def described(optimize: Optimizer) -> str:
    """An optimizer in a word."""
    if isinstance(optimize, str):
        return optimize
    return "hand" if isinstance(optimize, list | tuple | Mapping) else type(optimize).__name__


def names_of(made: Plan) -> dict[int, str]:
    """A tensor's name for its value; a value that several tensors share has the first name."""
    names: dict[int, str] = {}
    for name, stored in made.tensors.items():
        if stored.value is not None:
            names.setdefault(stored.value, str(name))
    for value in made.order:
        names.setdefault(value, f"t{value}")
    return names


def refuse_empty(flat: Flat, extents: Extents) -> None:
    """Refuse sizes for which a mean, a largest value or a quotient does not exist."""
    for each in flat.nonzero:
        if number_of(each.number, extents.known) == 0 and all(extents.known[dim] for dim in each.unless):
            known = [extents.told(letter, dim) for letter, dim in each.sizes]
            if isinstance(each.part, Reduce):
                raise empty(each.equation, each.part, known)
            letters = [letter for letter, dim in each.sizes if extents.known[dim] == 0]
            raise divides_by_zero(each.equation, each.part, known, letters)
