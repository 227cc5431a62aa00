"""Contractions in pairs: every step reads at most two operands, and two steps that are the same are one.

So gradients share intermediates with each other and with the forward pass wherever their paths meet.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from einstan.language.term import MINUS_ONE, Name
from einstan.machine.passes.symmetric import halves
from einstan.machine.paths.families import families
from einstan.machine.paths.paths import Clock, Optimizer, by_hand, contraction_steps
from einstan.machine.paths.trees import Shape, Steps, turned
from einstan.machine.sizes.extents import Extents
from einstan.machine.sizes.operations import Flat, Graph, Operation, Ref, Stored, roots

GRAM_FROM = 16  # columns from which a symmetric product is worth its copy of the other half
GRAMS_FROM = 16, 128  # rows from which many symmetric products are, whose entries fit into a cache or do not
CACHED = 1 << 14  # entries
PART = -1  # in the place of the old value of a contraction that is only a part of one


@dataclass
class Operand:
    ref: Ref
    divides: bool = False


Holders = dict[int, int]  # of a label: how many operands that are left have it, the result included


class Expansion:
    """The graph again, with contractions in pairs; results may have their axes in another order.

    ``share`` says of a family of contractions (by its reference) whether all its members follow one tree.
    """

    def __init__(self, flat: Flat, extents: Extents, optimize: Optimizer, share: Callable[[int], bool]) -> None:
        self.flat, self.extents, self.optimize, self.share = flat, extents, optimize, share
        self.graph = Graph()
        self.where: dict[int, Ref] = {}  # old value: new value, and which old axis each new axis is
        self.tensors: dict[Name, Stored] = {}
        self.presumed: frozenset[int] = frozenset()
        self.naive = 0
        self.clock = Clock()
        self.families: list[tuple[int, int]] = []  # the reference of each, and how many belong to it
        self.shapes: list[Shape] = []  # the contractions, before they are taken apart
        self.contractions: set[int] = set()  # the values that contractions make on their way
        self.wanted_order: dict[int, tuple[int, ...]] = {}
        self.trees: dict[int, Steps] = {}  # of a contraction, by its old value
        self.pairs: dict[Any, tuple[int, tuple[int, ...]]] = {}  # products of two that exist, whatever their order

    def run(self) -> Expansion:
        old = self.flat.graph
        for stored in self.flat.tensors.values():
            if stored.value is not None and stored.value not in self.wanted_order:
                self.wanted_order[stored.value] = tuple(axis for axis in stored.slots if axis is not None)
        needed = sorted(old.needed(roots(self.flat.tensors, self.flat.outputs)))
        self.plant(needed)
        for value in needed:
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
        self.presumed = frozenset(self.where[value].value for value in self.flat.presumed if value in self.where)
        return self

    # ---- trees -------------------------------------------------------------------------------------------------------

    def plant(self, needed: Iterable[int]) -> None:
        """A tree for every contraction: its own, or that of its family turned round."""
        operations = self.flat.graph.operations
        contractions = {v: op for v in needed if (op := operations[v]).kind == "contract" and len(op.operands) > 1}
        for family in families(contractions):
            self.families.append((family.reference, len(family.members) + 1))
            if not self.share(family.reference):
                continue
            reference = contractions[family.reference]
            steps = self.trees[family.reference] = self.searched(reference)
            for value, match in family.members.items():
                member = contractions[value]
                if self.asked(member) is self.optimize:
                    self.trees[value] = turned(steps, match.places, match.extras, len(member.operands))
        for value, operation in contractions.items():
            if value not in self.trees:
                self.trees[value] = self.searched(operation)

    def asked(self, operation: Operation) -> Optimizer:
        """What is to find the path of an equation."""
        if isinstance(self.optimize, Mapping):
            name = operation.equation.split("=")[0].split("[")[0].strip()
            return self.optimize.get(name, self.optimize)
        return self.optimize

    def searched(self, operation: Operation) -> Steps:
        optimize, count = self.asked(operation), len(operation.operands)
        if isinstance(optimize, Mapping):
            optimize = "auto"
        if isinstance(optimize, list | tuple):
            return by_hand(optimize, count, operation.equation)
        if count == 2:
            return [(0, 1)]
        labels = tuple(ref.labels for ref in operation.operands)
        shapes = tuple(tuple(self.extents.known[operation.dims[x]] for x in own) for own in labels)
        with self.clock:
            return contraction_steps(labels, shapes, operation.out, optimize)

    def shape(self, operation: Operation) -> Shape:
        labels = tuple(frozenset(ref.labels) for ref in operation.operands)
        return Shape(labels, frozenset(operation.out), dict(enumerate(self.extents.known[d] for d in operation.dims)))

    # ---- operations --------------------------------------------------------------------------------------------------

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
        elif operation.kind == "scan":
            target = next(label for label in out if label not in operands[0].labels)
            out = tuple(label if label in out else target for label in operands[0].labels)
        elif operation.kind == "read":
            return self.read(operation, operands)
        return self.add(operation, operation.kind, operation.detail, operands, out)

    def read(self, operation: Operation, operands: list[Ref]) -> Ref:
        """The forms of a read stand in the order of the axes of its tensor, which may have changed."""
        detail = operation.detail.turned(self.where[operation.operands[0].value].labels)
        return self.add(operation, "read", detail, operands, operation.out)

    def add(self, source: Operation, kind: str, detail: Any, operands: Sequence[Ref], out: Sequence[int]) -> Ref:
        def space(label: int) -> tuple[str, str]:
            return source.dims[label], source.letters[label]

        ref = self.graph.add(kind, detail, operands, out, space, source.equation)
        if source.kind == "contract":
            self.contractions.add(ref.value)
        return ref

    # ---- contractions ------------------------------------------------------------------------------------------------

    def contract(self, operation: Operation, operands: list[Ref], value: int) -> Ref:
        self.shapes.append(self.shape(operation))
        every = dict.fromkeys(label for ref in operands for label in ref.labels)
        factors = len(operands) - 1 + bool(operation.summed)
        self.naive += math.prod(self.extents.known[operation.dims[x]] for x in every) * max(factors, 1)
        wanted = tuple(operation.out[axis] for axis in self.wanted_order.get(value, range(len(operation.out))))
        gram = self.gram(operation, operands)
        if gram is not None:
            return gram
        holders: Holders = dict.fromkeys(operation.out, 1)
        for ref in operands:
            for label in ref.labels:
                holders[label] = holders.get(label, 0) + 1
        live = {number: Operand(ref, number >= operation.detail) for number, ref in enumerate(operands)}
        left = len(operands)
        for number, step in enumerate(self.trees.get(value, ()), len(operands)):
            result = live.pop(step[0])
            for other in step[1:]:
                left -= 1
                result = self.pair(operation, result, live.pop(other), holders, wanted if left == 1 else None)
            live[number] = result
        last = next(iter(live.values()))
        if last.divides:
            last = Operand(self.reciprocal(operation, last.ref))
        return self.summed(operation, last, holders).ref

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
        entries = {x: self.extents.known[operation.dims[x]] for x in (*rows, *columns)}
        many, deep = (math.prod(entries[x] for x in labels) for labels in (columns, rows))
        if found.batch:  # the products of columns are made once; with few weights, weighted columns cost less
            count = math.prod(self.extents.known[operation.dims[x]] for x in found.batch)
            if deep < GRAMS_FROM[count * many**2 > CACHED] or not 2 < many <= 2 * count:
                return None
        elif many < GRAM_FROM or deep < 2:
            return None
        half = self.part(operation, found.half, (*rows, *columns))
        mirrored = half.renamed(found.mirror)
        parts = [half, mirrored]
        if found.shared:
            parts.append(self.part(operation, found.shared, (*found.batch, *rows)))
        out = (*found.batch, *columns, *(found.mirror[x] for x in columns))
        return self.add(operation, "grams" if found.batch else "gram", None, parts, out)

    def part(self, operation: Operation, operands: Sequence[Ref], out: tuple[int, ...]) -> Ref:
        """Some factors of a contraction by themselves."""
        if len(operands) == 1 and set(operands[0].labels) == set(out):
            return operands[0]
        inner = Operation(
            "contract", len(operands), tuple(operands), out, operation.dims, operation.equation, operation.letters
        )
        held, shapes = self.naive, list(self.shapes)
        self.trees[PART] = self.searched(inner) if len(operands) > 1 else []
        result = self.contract(inner, list(operands), PART)
        self.naive, self.shapes = held, shapes
        return result

    def summed(self, operation: Operation, operand: Operand, holders: Holders) -> Operand:
        """Sum over the labels that nothing else has."""
        out = tuple(label for label in operand.ref.labels if holders[label] > 1)
        if out == operand.ref.labels:
            return operand
        for label in operand.ref.labels:
            if holders[label] == 1:
                holders[label] = 0
        ref = self.reciprocal(operation, operand.ref) if operand.divides else operand.ref
        return Operand(self.add(operation, "contract", 1, (ref,), out))

    def pair(
        self, operation: Operation, left: Operand, right: Operand, holders: Holders, wanted: tuple[int, ...] | None
    ) -> Operand:
        left, right = self.summed(operation, left, holders), self.summed(operation, right, holders)
        for label in left.ref.labels:
            if label in right.ref.labels:
                holders[label] -= 1
        contracted = [x for x in left.ref.labels if x in right.ref.labels and holders[x] == 1]
        if left.divides and right.divides:
            if contracted:
                left = Operand(self.reciprocal(operation, left.ref))
                right = Operand(self.reciprocal(operation, right.ref))
        elif left.divides:
            left, right = right, left
        if contracted and right.divides:
            right = Operand(self.reciprocal(operation, right.ref))
        needed = {x for x in (*left.ref.labels, *right.ref.labels) if x not in contracted}
        out = pair_order(left.ref.labels, right.ref.labels, needed, wanted)
        numerators = 1 if right.divides and not left.divides else 2
        first, second = left.ref, right.ref
        if contracted and out and out[-1] in first.labels and out[-1] not in second.labels:
            first, second = second, first  # so that the result of the matrix product is in order
        ref = self.product(operation, numerators, first, second, out)
        return Operand(ref, left.divides and right.divides)

    def product(self, operation: Operation, numerators: int, first: Ref, second: Ref, out: tuple[int, ...]) -> Ref:
        """A product of two; one that exists is found, whatever the order of its factors and of its axes."""
        for one, other in ((first, second), (second, first))[:numerators]:
            names: dict[int, int] = {}
            for label in (*one.labels, *other.labels):
                names.setdefault(label, len(names))
            key = (
                numerators,
                one.value,
                other.value,
                tuple(names[x] for x in other.labels),
                frozenset(names[x] for x in out),
            )
            found = self.pairs.get(key)
            if found is not None:
                labels = tuple(names)
                self.contractions.add(found[0])
                return Ref(found[0], tuple(labels[k] for k in found[1]))
            if one is first:
                mine = key, tuple(names[x] for x in out)
        ref = self.add(operation, "contract", numerators, (first, second), out)
        self.pairs[mine[0]] = ref.value, mine[1]
        return ref

    def reciprocal(self, operation: Operation, ref: Ref) -> Ref:
        return self.add(operation, "map", ("pow", MINUS_ONE), (ref,), ref.labels)


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
