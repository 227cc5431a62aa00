"""Which memory every value lives in, if memory is used again as soon as nothing reads it any more.

A view lives where its operand lives.  An elementwise result takes the place of an operand of its shape that is read for
the last time; any other result takes the smallest free buffer that holds it, or a new one.  What is returned has memory
of its own.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from einstan.machine.sizes.lower import window
from einstan.machine.sizes.operations import COMPARISONS, Graph, Operation

INPUT, CONSTANT = -1, -2  # where a value lives that has no buffer


@dataclass(frozen=True)
class Buffers:
    """The buffer of every value, the bytes of every buffer, and the values that are views."""

    place: dict[int, int]
    sizes: tuple[int, ...]
    views: frozenset[int]
    reused: frozenset[int]  # values that are written over an operand
    live: tuple[int, ...]  # bytes of the buffers in use at each position of the order

    @property
    def peak(self) -> int:
        """The most bytes that are in use at once."""
        return max(self.live, default=0)

    def told(self, value: int) -> str:
        """How a table names the memory of a value."""
        place = self.place[value]
        if place < 0:
            return "input" if place == INPUT else "constant"
        mark = "view of " if value in self.views else "in place " if value in self.reused else ""
        return f"{mark}m{place}"


def buffers(
    graph: Graph, order: Sequence[int], known: Mapping[str, int], kept: Collection[int], itemsize: int
) -> Buffers:
    last: dict[int, int] = {}
    for position, value in enumerate(order):
        for operand in graph.operations[value].operands:
            last[operand.value] = position
    place: dict[int, int] = {}
    sizes: list[int] = []
    free: set[int] = set()
    holders: dict[int, set[int]] = {}  # of a buffer: the values that still need it
    views, reused, live = set(), set(), []
    for position, value in enumerate(order):
        operation = graph.operations[value]
        dying = [o.value for o in operation.operands if last[o.value] == position and o.value not in kept]
        if operation.kind == "input":
            place[value] = INPUT
        elif all(place[o.value] == CONSTANT for o in operation.operands) or operation.kind == "number":
            place[value] = CONSTANT
        elif is_view(operation, known):
            place[value] = place[operation.operands[0].value]
            views.add(value)
        else:
            target = next((v for v in dying if _lends(graph, operation, v, place, holders)), None)
            if target is not None:
                place[value] = place[target]
                reused.add(value)
            else:
                needed = bytes_of(graph, value, known, itemsize)
                fits = min((b for b in free if sizes[b] >= needed), key=lambda b: (sizes[b], b), default=None)
                if fits is None or value in kept:
                    fits = len(sizes)
                    sizes.append(needed)
                free.discard(fits)
                place[value] = fits
        if place[value] >= 0:
            holders.setdefault(place[value], set()).add(value)
        live.append(sum(sizes) - sum(sizes[b] for b in free))
        for gone in dict.fromkeys((*dying, *(() if value in last or value in kept else (value,)))):
            where = place[gone]
            if where >= 0:
                holders[where].discard(gone)
                if not holders[where]:
                    free.add(where)
    return Buffers(place, tuple(sizes), frozenset(views), frozenset(reused), tuple(live))


def bytes_of(graph: Graph, value: int, known: Mapping[str, int], itemsize: int) -> int:
    size = {"bool": 1}.get(graph.type(value), itemsize)
    return math.prod(known[dim] for dim in graph.dims(value)) * size


def is_view(operation: Operation, known: Mapping[str, int]) -> bool:
    """Whether an operation only looks at its operand in another way."""
    if operation.kind in ("diagonal", "expand"):
        return True
    if operation.kind != "read" or any(form.values for form in operation.detail.slots):
        return False
    return not window(operation, known).pads


def _lends(
    graph: Graph, operation: Operation, value: int, place: Mapping[int, int], holders: Mapping[int, set[int]]
) -> bool:
    """Whether a result can be written over an operand: entry by entry, floats, and nobody else looks at that memory."""
    elementwise = operation.kind == "map" or (
        operation.kind == "contract" and not operation.summed and len(operation.operands) == 2
    )
    if operation.kind == "map" and operation.detail[0] in COMPARISONS:
        return False
    if not elementwise or graph.type(value) != "float" or place[value] < 0 or holders[place[value]] != {value}:
        return False
    return all(ref.labels == operation.out for ref in operation.operands if ref.value == value)
