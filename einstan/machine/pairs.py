"""Contractions in pairs: every step reads at most two operands, and two steps that are the same are one.

So gradients share intermediates with each other and with the forward pass wherever their paths meet.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from einstan.language.term import MINUS_ONE, Name
from einstan.machine.extents import Extents
from einstan.machine.operations import Flat, Graph, Operation, Ref, Stored
from einstan.machine.paths import Optimizer, Path, by_hand, contraction_path
from einstan.machine.symmetric import halves

GRAM_FROM = 16  # columns from which a symmetric product is worth its copy of the other half


@dataclass
class Operand:
    ref: Ref
    divides: bool = False


class Expansion:
    """The graph again, with contractions in pairs; results may have their axes in another order."""

    def __init__(self, flat: Flat, extents: Extents, optimize: Optimizer) -> None:
        self.flat, self.extents, self.optimize = flat, extents, optimize
        self.graph = Graph()
        self.where: dict[int, Ref] = {}  # old value: new value, and which old axis each new axis is
        self.tensors: dict[Name, Stored] = {}
        self.naive = 0
        self.contractions: set[int] = set()  # the values that contractions make on their way
        self.wanted_order: dict[int, tuple[int, ...]] = {}

    def run(self) -> Expansion:
        old = self.flat.graph
        for stored in self.flat.tensors.values():
            if stored.value is not None and stored.value not in self.wanted_order:
                self.wanted_order[stored.value] = tuple(axis for axis in stored.slots if axis is not None)
        for value in sorted(old.needed(roots(self.flat.tensors, self.flat.outputs))):
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
        gram = self.gram(operation, operands)
        if gram is not None:
            return gram
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

    def gram(self, operation: Operation, operands: list[Ref]) -> Ref | None:
        """A symmetric product as one of its half with itself, where that is large enough to pay."""
        if len(operands) < 2 or operation.detail < len(operands) or isinstance(self.optimize, Mapping | list | tuple):
            return None
        found = halves(operands, operation.out, operation.summed)
        if found is None:
            return None
        rows = tuple(dict.fromkeys(x for ref in found.half for x in ref.labels if x in operation.summed))
        moved = [x for ref in found.half for x in ref.labels if x in operation.out]
        columns = tuple(x for x in operation.out if x in moved)
        if self.size(operation, columns) < GRAM_FROM or self.size(operation, rows) < 2:
            return None
        half = self.part(operation, found.half, (*rows, *columns))
        mirrored = half.renamed(found.mirror)
        parts = [half, mirrored]
        if found.shared:
            parts.append(self.part(operation, found.shared, rows))
        out = columns + tuple(found.mirror[x] for x in columns)
        return self.add(operation, "gram", None, parts, out)

    def part(self, operation: Operation, operands: Sequence[Ref], out: tuple[int, ...]) -> Ref:
        """Some factors of a contraction by themselves."""
        held = self.naive
        inner = Operation(
            "contract", len(operands), tuple(operands), out, operation.dims, operation.equation, operation.letters
        )
        result = operands[0] if len(operands) == 1 and set(operands[0].labels) == set(out) else None
        result = self.contract(inner, list(operands), -1) if result is None else result
        self.naive = held
        return result

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


def roots(tensors: Mapping[Name, Stored], outputs: Iterable[Name]) -> list[int]:
    return [value for name in outputs if (value := tensors[name].value) is not None]
