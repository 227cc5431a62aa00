"""Slices: what would not fit into memory at once, computed block by block along one axis.

    D[i,j] = sum[K]((X[i,K] - X[j,K])^2)      for blocks of i: X[i,k] - X[j,k] of the block alone
    L = A[I,J] B[J,K] C[K,I]                  for blocks of I: the products of some rows, and their sum

A *region* is what a value needs of arrays that are too large.  All of it runs along one label, which is cut; where the
value has that label its blocks are written side by side, and else they are added up (or the larger is taken).  What two
regions need is computed in both.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

from einstan.language.term import ONE, Name
from einstan.machine.sizes.operations import Graph, Operation, Ref, Stored

if TYPE_CHECKING:
    from einstan.machine.plan.plan import Plan

BLOCK = "entries of a block"  # the dimension of what is cut
MADE = "made"  # what the plan of a block makes
# How the blocks of a value without the label become one.
UFUNCS = {"contract": "add", "max": "maximum", "max of all": "maximum", "min": "minimum", "prod": "multiply"}
CACHED = 2**23  # bytes of a block that are enough: more would not lie in the cache
CUT = ("map", "contract", "reduce", "expand", "copy")  # kinds of which each entry of the label is by itself


@dataclass(frozen=True, eq=False)
class Slices:
    """How an operation is computed block by block: the plan of a block and that of a shorter last one, the axis of each
    operand that is cut, and the axis of the result, or what joins the blocks where it has none."""

    block: Plan
    rest: Plan | None
    size: int  # entries of a block
    total: int
    cut: tuple[int | None, ...]
    axis: int | None
    ufunc: str
    flops: int
    equation: str


@dataclass
class Region:
    """The label that is cut of each operation, in its own labels, and what these read from elsewhere."""

    value: int
    labels: dict[int, int]
    inputs: list[tuple[int, int | None]]  # values, and which axis of each is cut


def regions(made: Plan, value: int, large: set[int]) -> Iterator[Region]:
    """What a value needs of large ones, cut along one label or another: the longest first."""
    operation = made.graph.operations[value]
    labels = dict.fromkeys(label for ref in operation.operands for label in ref.labels)
    for label in sorted(labels, key=lambda x: -made.extents.known[operation.dims[x]]):
        found = _region(made, value, label, large)
        if found is not None:
            yield found


def _region(made: Plan, value: int, label: int, large: set[int]) -> Region | None:
    cut: dict[int, int] = {}
    inputs: dict[tuple[int, int | None], None] = {}
    stack = [(value, label)]
    while stack:
        current, x = stack.pop()
        operation = made.graph.operations[current]
        if operation.kind not in CUT or (current != value and x not in operation.out):
            return None
        if cut.setdefault(current, x) != x:
            return None
        for ref in operation.operands:
            at = [axis for axis, own in enumerate(ref.labels) if own == x]
            if len(at) > 1 or (ref.value in large and not at):
                return None
            if ref.value in large:
                stack.append((ref.value, made.graph.operations[ref.value].out[at[0]]))
            elif made.graph.operations[ref.value].kind != "number":
                inputs[ref.value, at[0] if at else None] = None
    order = {current: position for position, current in enumerate(made.order)}
    return Region(value, {v: cut[v] for v in sorted(cut, key=order.__getitem__)}, list(inputs))


def of_block(made: Plan, region: Region, size: int) -> Plan:
    """The plan of one block of so many entries."""
    graph, operations = Graph(), made.graph.operations
    numbers: dict[int, int] = {}
    places: dict[tuple[int, int | None], int] = {}
    tensors: dict[Name, Stored] = {}

    def append(operation: Operation) -> int:
        graph.operations.append(operation)
        return len(graph.operations) - 1

    for k, (value, axis) in enumerate(region.inputs):
        dims = [BLOCK if position == axis else dim for position, dim in enumerate(made.graph.dims(value))]
        labels = tuple(range(len(dims)))
        name = f"a{k}"
        places[value, axis] = append(Operation("input", name, (), labels, tuple(dims), letters=("x",) * len(dims)))
        tensors[name] = Stored(ONE, places[value, axis], labels, tuple(dims))
    for value, x in region.labels.items():
        operation = operations[value]
        refs = []
        for ref in operation.operands:
            if operations[ref.value].kind == "number" and ref.value not in numbers:
                numbers[ref.value] = append(operations[ref.value])
            axis = ref.labels.index(x) if x in ref.labels else None
            found = numbers[ref.value] if ref.value in numbers else places[ref.value, axis]
            refs.append(Ref(found, ref.labels))
        dims = [BLOCK if label == x else dim for label, dim in enumerate(operation.dims)]
        numbers[value] = append(dataclasses.replace(operation, operands=tuple(refs), dims=tuple(dims)))
    out = graph.dims(numbers[region.value])
    tensors[MADE] = Stored(ONE, numbers[region.value], tuple(range(len(out))), out)
    extents = copy(made.extents)
    extents.known = {**extents.known, BLOCK: size}
    names = {new: made.names[old] for old, new in numbers.items() if old in made.names}
    names |= {new: f"a{k}" for k, new in enumerate(places.values())}
    return dataclasses.replace(
        made, graph=graph, order=tuple(range(len(graph.operations))), tensors=tensors, outputs=(MADE,), names=names,
        extents=extents, presumed=frozenset(), given=tuple(f"a{k}" for k in range(len(region.inputs))), notes=(),
        recomputed=(), coder=None,
        index_tensors={f"a{k}": set() for k, (value, _) in enumerate(region.inputs) if made.graph.type(value) == "int"},
    )  # fmt: skip


def sliced(made: Plan, limit: int) -> Plan | None:
    """The plan in which what is too large is computed block by block, so that a call holds at most so many bytes; None
    where nothing does that."""
    kept = made.kept
    sizes = {value: made.bytes(value) for value in made.order if value not in kept}
    sizes = {value: size for value, size in sizes.items() if made.graph.operations[value].kind in CUT}
    for least in sorted({size for size in sizes.values() if 16 * size > limit}, reverse=True):
        large = {value for value, size in sizes.items() if size >= least}
        for share in (2, 8, 32, 128, 512):
            found = _with_slices(made, large, min(CACHED, limit // share), limit // share)
            if found is None:
                break
            if found.peak_memory <= limit:
                return found
    return None


def _with_slices(made: Plan, large: set[int], wanted: int, most: int) -> Plan | None:
    """Every value that reads a large one, by slices of about so many bytes each, and at most so many."""
    graph, operations = Graph(), made.graph.operations
    numbers: dict[int, int] = {}
    names: dict[int, str] = {}
    for value in made.order:
        operation = operations[value]
        if value in large:
            continue
        if any(ref.value in large for ref in operation.operands):
            cut = next((c for region in regions(made, value, large) if (c := _cut(made, region, wanted, most))), None)
            if cut is None:
                return None
            operation = cut
        operation = dataclasses.replace(
            operation, operands=tuple(Ref(numbers[ref.value], ref.labels) for ref in operation.operands)
        )
        graph.operations.append(operation)
        numbers[value] = len(graph.operations) - 1
        names[numbers[value]] = made.names.get(value, f"t{numbers[value]}")
    tensors = {
        name: dataclasses.replace(stored, value=None if stored.value is None else numbers[stored.value])
        for name, stored in made.tensors.items()
        if stored.value is None or stored.value in numbers
    }
    seen = {value for value in made.presumed if value in numbers}
    seen |= {v for v in numbers if graph.operations[numbers[v]].kind == "sliced" and made.presumed}
    found = dataclasses.replace(
        made, graph=graph, order=(), tensors=tensors, names=names, presumed=frozenset(numbers[v] for v in seen)
    )
    found.order = tuple(sorted(graph.needed(found.kept)))
    return found


def _cut(made: Plan, region: Region, wanted: int, most: int) -> Operation | None:
    """The operation that computes a region in blocks."""
    operation = made.graph.operations[region.value]
    label = region.labels[region.value]
    total = made.extents.known[operation.dims[label]]
    size = total
    while size > 1 and of_block(made, region, size).buffers.peak > wanted:
        size = -(-size // 2)
    if size == total or of_block(made, region, size).buffers.peak > most:
        return None
    kind = operation.detail if operation.kind == "reduce" else operation.kind
    ufunc = UFUNCS.get(kind) if isinstance(kind, str) else None
    axis = operation.out.index(label) if label in operation.out else None
    if axis is None and ufunc is None:
        return None
    block = of_block(made, region, size)
    rest = of_block(made, region, total % size) if total % size else None
    cut = tuple(axis for _, axis in region.inputs)
    detail = Slices(
        block, rest, size, total, cut, axis, ufunc if axis is None and ufunc else "",
        block.flops * (total // size) + (rest.flops if rest else 0), operation.equation,
    )  # fmt: skip
    refs, count = [], 0
    dims: list[str] = []
    for value, _ in region.inputs:
        own = made.graph.dims(value)
        refs.append(Ref(value, tuple(range(count, count + len(own)))))
        dims += own
        count += len(own)
    out = tuple(range(count, count + len(operation.out)))
    return Operation(
        "sliced", detail, tuple(refs), out, (*dims, *operation.out_dims), operation.equation,
        (*("x",) * count, *(operation.letters[label] for label in operation.out)),
    )  # fmt: skip
