"""From single operations and sizes to steps of at most two operands, with what they cost.

A plan is made for the forward and the backward pass together.  What would not fit into memory is refused here, before
anything is allocated.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from einstan.calculus.program import Program
from einstan.language.term import Equation, Name, Reduce
from einstan.machine.extents import Extents, as_program, infer
from einstan.machine.flatten import flatten
from einstan.machine.numbers import number_of
from einstan.machine.operations import COMPARISONS, Flat, Graph, Operation, Stored
from einstan.machine.pairs import Expansion, roots
from einstan.machine.paths import Optimizer
from einstan.machine.refusals import divides_by_zero, empty, reader_of, too_large


@dataclass(frozen=True)
class Step:
    """One row of the table."""

    result: str
    equation: str
    einsum: str
    call: str
    flops: int
    scaling: int  # how many indices the loops of this step run over
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        return math.prod(self.shape)


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
    steps: tuple[Step, ...] = ()
    names: dict[int, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()  # lines below the table: what was chosen before it was planned

    @property
    def flops(self) -> int:
        return sum(step.flops for step in self.steps)

    @property
    def largest_intermediate(self) -> int:
        """Entries of the largest array that a step makes."""
        return max((step.size for step in self.steps), default=0)

    @property
    def peak_memory(self) -> int:
        """An estimate in bytes: inputs, and results from where they are made to where they are last read."""
        return peak_bytes(self)

    def size(self, dims: Iterable[str]) -> int:
        return math.prod(self.extents.known[dim] for dim in dims)

    def shape(self, value: int) -> tuple[int, ...]:
        return tuple(self.extents.known[dim] for dim in self.graph.dims(value))

    def to_dict(self) -> dict[str, Any]:
        """The table and the totals as plain data."""
        steps = [
            {**{name: getattr(step, name) for name in Step.__dataclass_fields__}, "shape": list(step.shape)}
            for step in self.steps
        ]
        return {"steps": steps, **{name: getattr(self, name) for name in TOTALS}}

    def __str__(self) -> str:
        return table(self)


TOTALS = ("flops", "naive_flops", "largest_intermediate", "peak_memory")


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
) -> Plan:
    """The steps that compute the outputs.

    ``sizes`` names extents by index letter or axis; ``shapes`` gives whole shapes.  ``optimize`` is ``"auto"`` (optimal
    up to 4 operands, dynamic programming up to 16, above that the better of greedy and 128 random greedy trials), the
    name of an opt_einsum optimizer or an instance of one, or a mapping from equation names to an optimizer or to a path
    written by hand, ``{"Z": [(0, 1), (0, 1)]}``.

    Raises `DataError` where a single array would not fit into ``memory_limit`` bytes (by default, the memory of this
    machine).
    """
    program = as_program(program)
    flat = flatten(program, outputs) if flat is None else flat
    extents = sizes if isinstance(sizes, Extents) else infer(program, shapes or {}, sizes, only=flat.wanted)
    refuse_empty(flat, extents)
    expanded = Expansion(flat, extents, optimize).run()
    made = Plan(
        program,
        extents,
        expanded.graph,
        tuple(sorted(expanded.graph.needed(roots(expanded.tensors, flat.outputs)))),
        expanded.tensors,
        flat.outputs,
        flat.index_tensors,
        itemsize,
        expanded.naive,
    )
    made.names = _names(made)
    refuse_large(made, available_memory() if memory_limit is None else memory_limit)
    made.steps = tuple(_step(made, value) for value in made.order if _is_step(made.graph.operations[value]))
    others = (value for value in made.order if value not in expanded.contractions)
    made.naive_flops += sum(flops_of(made, made.graph.operations[value]) for value in others)
    return made


def refuse_empty(flat: Flat, extents: Extents) -> None:
    """Refuse sizes for which a mean, a largest value or a quotient does not exist."""
    for each in flat.nonzero:
        if number_of(each.number, extents.known) == 0 and all(extents.known[dim] for dim in each.unless):
            known = [extents.told(letter, dim) for letter, dim in each.sizes]
            if isinstance(each.part, Reduce):
                raise empty(each.equation, each.part, known)
            letters = [letter for letter, dim in each.sizes if extents.known[dim] == 0]
            raise divides_by_zero(each.equation, each.part, known, letters)


# ---- memory ----------------------------------------------------------------------------------------------------------


def available_memory() -> int:
    """Bytes of memory that the machine has free, or all that it has where that is not known."""
    for name in ("SC_AVPHYS_PAGES", "SC_PHYS_PAGES"):
        try:
            return os.sysconf(name) * os.sysconf("SC_PAGE_SIZE")
        except (AttributeError, ValueError, OSError):
            continue
    return 2**63


def refuse_large(made: Plan, limit: int) -> None:
    for value in made.order:
        needed = math.prod(made.shape(value)) * made.itemsize
        if needed > limit:
            raise too_large(*_place(made, value), human_bytes(needed), human_bytes(limit))
    for name in made.outputs:
        stored = made.tensors[name]
        needed = made.size(stored.dims) * made.itemsize
        if needed > limit:
            raise too_large(*_defined(made, name), human_bytes(needed), human_bytes(limit))


def _place(made: Plan, value: int) -> tuple[Equation | None, Name | None, str, list[str]]:
    """Of a value: the equation that makes it, the tensor that it is, how it is shown, and its extents."""
    for name, stored in made.tensors.items():
        if stored.value == value and None not in stored.slots:
            return _defined(made, name)
    operation = made.graph.operations[value]
    letters = [operation.letters[label] for label in operation.out]
    equation = next((e for e in made.program.equations if str(e) == operation.equation), None)
    known = [f"|{letter}| = {size:,}" for letter, size in zip(letters, made.shape(value), strict=True)]
    return equation, None, f"an intermediate with the axes {', '.join(letters)}", known


def _defined(made: Plan, name: Name) -> tuple[Equation | None, Name | None, str, list[str]]:
    equation = reader_of(made.program, name) if name not in made.program.defined else made.program[name]
    shape = made.extents.shape(name)
    if equation is None or equation.name != name:
        return equation, name, str(name), [f"its shape is {' x '.join(f'{n:,}' for n in shape)}"]
    known = [f"|{index.name}| = {size:,}" for index, size in zip(equation.indices, shape, strict=True)]
    return equation, name, str(equation.lhs), known


def peak_bytes(made: Plan) -> int:
    last: dict[int, int] = {}
    for position, value in enumerate(made.order):
        for operand in made.graph.operations[value].operands:
            last[operand.value] = position
    kept = set(roots(made.tensors, made.outputs))
    size = {value: math.prod(made.shape(value)) * made.itemsize for value in made.order}
    held = peak = 0
    dying: dict[int, list[int]] = {}
    for value, position in last.items():
        dying.setdefault(position, []).append(value)
    for position, value in enumerate(made.order):
        held += size[value]
        peak = max(peak, held)
        for gone in dying.get(position, ()):
            if gone not in kept and made.graph.operations[gone].kind != "input":
                held -= size[gone]
    return peak


def human_bytes(count: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB", "TB", "PB"):
        if count < 1000 or unit == "PB":
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.3g} {unit}"
        count /= 1000
    raise AssertionError


# ---- the table -------------------------------------------------------------------------------------------------------


def _names(made: Plan) -> dict[int, str]:
    """A tensor's name for its value; a value that several tensors share has the first name."""
    names: dict[int, str] = {}
    for name, stored in made.tensors.items():
        if stored.value is not None:
            names.setdefault(stored.value, str(name))
    for value in made.order:
        names.setdefault(value, f"t{value}")
    return names


def _is_step(operation: Operation) -> bool:
    return operation.kind not in ("input", "number", "iota")


def flops_of(made: Plan, operation: Operation) -> int:
    """Multiplications and additions, as opt_einsum counts them: two per term of a sum of products."""
    every = made.size(operation.dims)
    if operation.kind == "contract":
        return every * (2 if operation.summed and len(operation.operands) > 1 else 1)
    if operation.kind == "gram":  # half of the products, and both halves of each
        return every + made.size(operation.out_dims) // 2
    if operation.kind == "map":
        return made.size(operation.out_dims) * max(len(operation.operands) - 1, 1)
    if operation.kind == "reduce":
        return every
    if operation.kind == "scatter":
        return made.size(made.graph.dims(operation.operands[1].value))
    return 0


def einsum_of(operation: Operation) -> str:
    """``nk,kj->nj``, in the user's letters where they are single and tell the labels apart."""
    letters = list(operation.letters)
    if len(set(letters)) < len(letters) or any(len(letter) != 1 for letter in letters):
        letters = [symbol(label) for label in range(len(letters))]
    inputs = ",".join("".join(letters[x] for x in operand.labels) for operand in operation.operands)
    return inputs + "->" + "".join(letters[x] for x in operation.out)


def symbol(label: int) -> str:
    return chr(ord("a") + label) if label < 26 else chr(ord("A") + label - 26) if label < 52 else chr(140 + label)


def call_of(operation: Operation) -> str:
    """What computes it, in a word."""
    if operation.kind == "map":
        return COMPARISONS.get(operation.detail[0], operation.detail[0])
    if operation.kind == "gram":
        return "syrk"
    if operation.kind == "reduce":
        return "max" if operation.detail == "max of all" else str(operation.detail)
    if operation.kind != "contract":
        return operation.kind
    if len(operation.operands) == 1:
        return "sum"
    if not operation.summed:
        return "multiply" if operation.detail == 2 else "divide"
    left, right = (set(operand.labels) for operand in operation.operands)
    batch = left & right & set(operation.out)
    if batch:
        return "matmul" if (left | right) - (left & right) else "einsum"
    return "dot"


def _step(made: Plan, value: int) -> Step:
    operation = made.graph.operations[value]
    return Step(
        made.names[value],
        operation.equation,
        einsum_of(operation),
        call_of(operation),
        flops_of(made, operation),
        len(operation.dims) if operation.kind != "read" else len(operation.out),
        made.shape(value),
    )


def table(made: Plan) -> str:
    head = ("result", "einsum", "call", "FLOPs", "scaling", "shape", "equation")
    rows = [
        head,
        *(
            (
                s.result,
                s.einsum,
                s.call,
                f"{s.flops:,}",
                str(s.scaling),
                " x ".join(map(str, s.shape)) or "1",
                s.equation,
            )
            for s in made.steps
        ),
    ]
    widths = [max(len(row[k]) for row in rows) for k in range(len(head) - 1)]
    numeric = {3, 4}
    lines = [
        "  ".join(
            [
                *(
                    c.rjust(w) if k in numeric else c.ljust(w)
                    for k, (c, w) in enumerate(zip(row, widths, strict=False))
                ),
                row[-1],
            ]
        ).rstrip()
        for row in rows
    ]
    lines.insert(1, "-" * max(map(len, lines)))
    totals = (
        f"FLOPs {made.flops:,} (naive {made.naive_flops:,})   largest intermediate {made.largest_intermediate:,}   "
        f"peak memory {human_bytes(made.peak_memory)}"
    )
    return "\n".join([*lines, lines[1], totals, *made.notes])
