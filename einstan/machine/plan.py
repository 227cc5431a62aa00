"""From single operations and sizes to steps of at most two operands, with what they cost.

The order of every contraction comes from opt_einsum, which is given labels as integers, never letters.  Two steps that
are the same are one step, so gradients share intermediates with each other and with the forward pass.
"""

from __future__ import annotations

import math
import os
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from einstan.calculus.program import Program
from einstan.language.errors import DataError, ProgramError
from einstan.language.term import MINUS_ONE, Equation, Name
from einstan.machine.extents import Extents, as_program, infer
from einstan.machine.flatten import flatten
from einstan.machine.operations import COMPARISONS, Flat, Graph, Operation, Ref, Stored

Path = list[tuple[int, ...]]
Optimizer = Any  # a name or a PathOptimizer of opt_einsum, a path, or a mapping from equation names to these

_paths: OrderedDict[Any, Path] = OrderedDict()
PATHS_KEPT = 4096


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
    expanded = _Expansion(flat, extents, optimize).run()
    made = Plan(
        program,
        extents,
        expanded.graph,
        tuple(sorted(expanded.graph.needed(_roots(expanded.tensors, flat.outputs)))),
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


def _roots(tensors: Mapping[Name, Stored], outputs: Iterable[Name]) -> list[int]:
    return [value for name in outputs if (value := tensors[name].value) is not None]


def refuse_empty(flat: Flat, extents: Extents) -> None:
    for dim, message, equation in flat.nonempty:
        if extents.known[dim] == 0:
            problem, letters = message.split("\0")
            raise DataError(
                problem,
                text=equation,
                inferred=f"an extent of {letters} is 0",
                repair=f"give arrays in which {letters} has at least one value",
            )


# ---- contractions in pairs -------------------------------------------------------------------------------------------


@dataclass
class Operand:
    ref: Ref
    divides: bool = False


class _Expansion:
    """The graph again, with contractions in pairs; results may have their axes in another order."""

    def __init__(self, flat: Flat, extents: Extents, optimize: Optimizer) -> None:
        self.flat, self.extents, self.optimize = flat, extents, optimize
        self.graph = Graph()
        self.where: dict[int, Ref] = {}  # old value: new value, and which old axis each new axis is
        self.tensors: dict[Name, Stored] = {}
        self.naive = 0
        self.contractions: set[int] = set()  # the values that contractions make on their way
        self.wanted_order: dict[int, tuple[int, ...]] = {}

    def run(self) -> _Expansion:
        old = self.flat.graph
        for stored in self.flat.tensors.values():
            if stored.value is not None and stored.value not in self.wanted_order:
                self.wanted_order[stored.value] = tuple(axis for axis in stored.slots if axis is not None)
        for value in sorted(old.needed(_roots(self.flat.tensors, self.flat.outputs))):
            operation = old.operations[value]
            operands = [self.moved(ref) for ref in operation.operands]
            if operation.kind == "contract":
                result = self.contract(operation, operands, value)
            else:
                result = self.keep(operation, operands)
            self.where[value] = Ref(result.value, tuple(operation.out.index(label) for label in result.labels))
        for name, stored in self.flat.tensors.items():
            if stored.value is None:
                self.tensors[name] = stored
            elif stored.value in self.where:
                new = self.where[stored.value]
                slots = tuple(new.labels.index(axis) if axis is not None else None for axis in stored.slots)
                self.tensors[name] = Stored(None, new.value, slots, stored.dims)
        return self

    def moved(self, ref: Ref) -> Ref:
        new = self.where[ref.value]
        return Ref(new.value, tuple(ref.labels[axis] for axis in new.labels))

    def keep(self, operation: Operation, operands: list[Ref]) -> Ref:
        out = operation.out
        if operation.kind == "map" and operands:
            largest = max(operands, key=lambda ref: len(ref.labels))
            out = tuple(dict.fromkeys((*largest.labels, *out)))
        elif operation.kind == "reduce":
            out = tuple(label for label in operands[0].labels if label in out)
        elif operation.kind == "read":
            return self.read(operation, operands)
        return self.add(operation, operation.kind, operation.detail, operands, out)

    def read(self, operation: Operation, operands: list[Ref]) -> Ref:
        """The forms of a read stand in the order of the axes of its tensor, which may have changed."""
        axes = self.where[operation.operands[0].value].labels
        detail = operation.detail
        detail = type(detail)(
            tuple(detail.slots[a] for a in axes),
            detail.guards,
            detail.fill,
            detail.access,
            detail.equation,
            tuple(detail.order[a] for a in axes),
        )
        return self.add(operation, "read", detail, operands, operation.out)

    def add(self, source: Operation, kind: str, detail: Any, operands: Sequence[Ref], out: Sequence[int]) -> Ref:
        def space(label: int) -> tuple[str, str]:
            return source.dims[label], source.letters[label]

        ref = self.graph.add(kind, detail, operands, out, space, source.equation)
        if source.kind == "contract":
            self.contractions.add(ref.value)
        return ref

    def size(self, operation: Operation, labels: Iterable[int]) -> int:
        return math.prod(self.extents.known[operation.dims[label]] for label in labels)

    def contract(self, operation: Operation, operands: list[Ref], value: int) -> Ref:
        live = [Operand(ref, number >= operation.detail) for number, ref in enumerate(operands)]
        every = dict.fromkeys(label for ref in operands for label in ref.labels)
        factors = len(live) - 1 + bool(operation.summed)
        self.naive += self.size(operation, every) * max(factors, 1)
        wanted = tuple(operation.out[axis] for axis in self.wanted_order.get(value, range(len(operation.out))))
        for step in self.path(operation, operands) if len(live) > 1 else [(0,)]:
            chosen = [live[k] for k in sorted(step)]
            for k in sorted(step, reverse=True):
                del live[k]
            result = chosen[0]
            for number, other in enumerate(chosen[1:], 2):
                later = chosen[number:] + live
                result = self.pair(operation, result, other, later, wanted)
            live.append(result)
        last = live[0]
        if last.divides:
            last = Operand(self.reciprocal(operation, last.ref))
        return self.summed(operation, last, [], wanted).ref

    def needed_later(self, operation: Operation, later: Iterable[Operand]) -> set[int]:
        return set(operation.out).union(*(operand.ref.labels for operand in later))

    def summed(self, operation: Operation, operand: Operand, later: list[Operand], wanted: tuple[int, ...]) -> Operand:
        """Sum over the labels that nothing else has."""
        needed = self.needed_later(operation, later)
        out = tuple(label for label in operand.ref.labels if label in needed)
        if out == operand.ref.labels:
            return operand
        ref = self.reciprocal(operation, operand.ref) if operand.divides else operand.ref
        return Operand(self.add(operation, "contract", 1, (ref,), out))

    def pair(
        self, operation: Operation, left: Operand, right: Operand, later: list[Operand], wanted: tuple[int, ...]
    ) -> Operand:
        left = self.summed(operation, left, [right, *later], wanted)
        right = self.summed(operation, right, [left, *later], wanted)
        needed = self.needed_later(operation, later)
        contracted = [x for x in left.ref.labels if x in right.ref.labels and x not in needed]
        if left.divides and right.divides:
            if contracted:
                left = Operand(self.reciprocal(operation, left.ref))
                right = Operand(self.reciprocal(operation, right.ref))
        elif left.divides:
            left, right = right, left
        if contracted and right.divides:
            right = Operand(self.reciprocal(operation, right.ref))
        final = not later
        out = pair_order(left.ref.labels, right.ref.labels, needed, wanted if final else None)
        numerators = 1 if right.divides and not left.divides else 2
        first, second = left.ref, right.ref
        if contracted and out and out[-1] in first.labels and out[-1] not in second.labels:
            first, second = second, first  # so that the result of the matrix product is in order
        ref = self.add(operation, "contract", numerators, (first, second), out)
        return Operand(ref, left.divides and right.divides)

    def reciprocal(self, operation: Operation, ref: Ref) -> Ref:
        return self.add(operation, "map", ("pow", MINUS_ONE), (ref,), ref.labels)

    def path(self, operation: Operation, operands: list[Ref]) -> Path:
        if len(operands) == 2 and not isinstance(self.optimize, Mapping):
            return [(0, 1)]
        labels = tuple(ref.labels for ref in operands)
        shapes = tuple(tuple(self.extents.known[operation.dims[x]] for x in ref.labels) for ref in operands)
        optimize = self.optimize
        if isinstance(optimize, Mapping):
            optimize = optimize.get(operation.equation.split("=")[0].split("[")[0].strip(), "auto")
        if isinstance(optimize, list | tuple):
            return by_hand(optimize, len(operands), operation.equation)
        if len(operands) == 2:
            return [(0, 1)]
        return contraction_path(labels, shapes, operation.out, optimize)


def pair_order(
    left: tuple[int, ...], right: tuple[int, ...], needed: set[int], wanted: tuple[int, ...] | None
) -> tuple[int, ...]:
    """The order of the axes in which a product comes out without a copy.

    A broadcast multiplication can have any order; a matrix product has its batch axes first, then those of one
    operand, then those of the other.
    """
    kept = [x for x in dict.fromkeys((*left, *right)) if x in needed]
    contracted = [x for x in left if x in right and x not in needed]
    if not contracted:
        larger, smaller = (left, right) if len(left) >= len(right) else (right, left)
        natural = tuple(x for x in dict.fromkeys((*larger, *smaller)) if x in needed)
        return wanted if wanted is not None and set(wanted) == set(kept) else natural
    batch = [x for x in kept if x in left and x in right]
    mine = [x for x in kept if x in left and x not in right]
    yours = [x for x in kept if x in right and x not in left]
    swap = wanted is not None and bool(mine) and bool(yours) and wanted.index(mine[-1]) > wanted.index(yours[-1])
    return tuple(batch + (yours + mine if swap else mine + yours))


def contraction_path(
    labels: tuple[tuple[int, ...], ...], shapes: tuple[tuple[int, ...], ...], out: tuple[int, ...], optimize: Optimizer
) -> Path:
    """A path from opt_einsum, remembered where the optimizer is a name."""
    key = (labels, shapes, out, optimize) if isinstance(optimize, str) else None
    if key in _paths:
        _paths.move_to_end(key)
        return _paths[key]
    from opt_einsum import contract_path  # a search library: not needed until three factors meet

    arguments: list[Any] = []
    for shape, inputs in zip(shapes, labels, strict=True):
        arguments += [_Shaped(shape), list(inputs)]
    arguments.append(list(out))

    def search(name: Optimizer) -> tuple[Path, float]:
        path, info = contract_path(*arguments, optimize=name)
        return [tuple(step) for step in path], float(info.opt_cost)

    count = len(labels)
    names = (optimize,)
    if optimize == "auto":
        names = ("optimal",) if count <= 4 else ("dp",) if count <= 16 else ("greedy", "random-greedy-128")
    best = min((search(name) for name in names), key=lambda found: found[1])[0]
    if key is not None:
        _paths[key] = best
        while len(_paths) > PATHS_KEPT:
            _paths.popitem(last=False)
    return best


@dataclass(frozen=True)
class _Shaped:
    """An array for a path search, which looks at shapes alone."""

    shape: tuple[int, ...]


def by_hand(path: Sequence[Sequence[int]], count: int, equation: str) -> Path:
    """A path that the user wrote, checked."""
    left = count
    for step in path:
        if not step or len(set(step)) != len(step) or not all(0 <= k < left for k in step):
            break
        left -= len(step) - 1
    else:
        if left == 1:
            return [tuple(step) for step in path]
    raise ProgramError(
        f"the path {list(path)} does not contract {count} operands",
        text=equation,
        repair="give pairs of positions; each step removes its operands and appends its result",
    )


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
        operation = made.graph.operations[value]
        needed = math.prod(made.shape(value)) * made.itemsize
        if needed > limit:
            axes = ",".join(operation.letters[label] for label in operation.out)
            raise DataError(
                f"{made.names.get(value, 'an intermediate')}[{axes}] would take {human_bytes(needed)}, "
                f"and {human_bytes(limit)} are available",
                text=operation.equation,
                inferred="its shape is " + " x ".join(f"{n:,}" for n in made.shape(value)),
                repair="ask for the factored form (deltas kept as factors), for a product with a vector, or smaller sizes",
            )
    for name in made.outputs:
        stored = made.tensors[name]
        needed = made.size(stored.dims) * made.itemsize
        if needed > limit:
            raise DataError(
                f"{name} would take {human_bytes(needed)}, and {human_bytes(limit)} are available",
                repair="ask for smaller sizes",
            )


def peak_bytes(made: Plan) -> int:
    last: dict[int, int] = {}
    for position, value in enumerate(made.order):
        for operand in made.graph.operations[value].operands:
            last[operand.value] = position
    kept = set(_roots(made.tensors, made.outputs))
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
    rows = [head] + [
        (s.result, s.einsum, s.call, f"{s.flops:,}", str(s.scaling), " x ".join(map(str, s.shape)) or "1", s.equation)
        for s in made.steps
    ]
    widths = [max(len(row[k]) for row in rows) for k in range(len(head) - 1)]
    numeric = {3, 4}
    lines = [
        "  ".join(
            [*(c.rjust(w) if k in numeric else c.ljust(w) for k, (c, w) in enumerate(zip(row, widths, strict=False)))]
            + [row[-1]]
        ).rstrip()
        for row in rows
    ]
    lines.insert(1, "-" * max(map(len, lines)))
    totals = (
        f"FLOPs {made.flops:,} (naive {made.naive_flops:,})   largest intermediate {made.largest_intermediate:,}   "
        f"peak memory {human_bytes(made.peak_memory)}"
    )
    return "\n".join([*lines, lines[1], totals])
