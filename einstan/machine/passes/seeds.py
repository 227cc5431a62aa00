"""Scalar factors moved to where they cost least: from all the ends of a linear chain to its beginning.

``W[k,j] - rate X[N,k] dH[N,j]`` multiplies an array as large as W.  Every gradient is linear in the cotangent that the
backward pass begins with; where all that is made of it is multiplied by the same scalar at last, the scalar is folded
into that seed, which divides by the number of rows anyway.

An end of one chain may be the beginning of another.  So what is built says of every value which fold's factor it
carries, and takes nothing that carries one for what it was: an end uses the factor up, a seed takes a new one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from einstan.language.term import ONE, Expr, Name
from einstan.machine.graph.builder import product_of
from einstan.machine.sizes.extents import Extents
from einstan.machine.sizes.operations import Flat, Graph, Operation, Ref, Stored, is_select, roots

LINEAR = ("contract", "scatter", "expand", "embed", "diagonal")


@dataclass(frozen=True)
class Factor:
    """A number of sizes times scalar values."""

    coefficient: Expr
    values: tuple[int, ...]


@dataclass(frozen=True)
class Fold:
    """A value that takes a factor, what is made of it on the way, and the operations at the ends that no longer apply
    the factor."""

    seed: int
    factor: Factor
    reached: frozenset[int]
    ends: frozenset[int]


def folded(flat: Flat, extents: Extents) -> Flat:
    """The same program with factors at the beginnings of linear chains, where fewer entries are multiplied there.

    It ends, since every fold leaves fewer entries to multiply by scalars.
    """
    while folds := _Search(flat, extents).run():
        flat = _rebuilt(flat, folds)
    return flat


class _Search:
    def __init__(self, flat: Flat, extents: Extents) -> None:
        self.operations, self.known = flat.graph.operations, extents.known
        self.graph = flat.graph
        self.kept = set(roots(flat.tensors, flat.outputs))
        self.needed = sorted(self.graph.needed(self.kept))
        self.readers: dict[int, list[int]] = {}
        for value in self.needed:
            for operand in dict.fromkeys(ref.value for ref in self.operations[value].operands):
                self.readers.setdefault(operand, []).append(value)
        self.folds: dict[int, Fold | None] = {}  # by seed

    def run(self) -> list[Fold]:
        """Folds that save multiplications, no two of which have an end in common: what a fold reaches leads to its ends
        alone, so none reaches what another does either."""
        found: list[Fold] = []
        taken: set[int] = set()
        for value in self.needed:
            if value in taken or value in self.kept or (end := self.end(value)) is None:
                continue
            for seed in self.chain(end[0]):
                if seed not in self.folds:
                    self.folds[seed] = self.fold(seed)
                fold = self.folds[seed]
                if fold is not None and value in fold.ends and not taken & fold.ends:
                    found.append(fold)
                    taken |= fold.ends
                    break
        return found

    def end(self, value: int) -> tuple[int, Factor] | None:
        """What a value is a multiple of, if it does no more than multiply by a scalar."""
        operation = self.operations[value]
        if operation.kind == "map" and operation.detail[0] == "scale" and operation.out:
            return operation.operands[0].value, Factor(operation.detail[1], ())
        if operation.kind == "contract" and operation.detail == len(operation.operands) > 1 and not operation.summed:
            arrays = [ref for ref in operation.operands if ref.labels]
            scalars = tuple(sorted(ref.value for ref in operation.operands if not ref.labels))
            # A bracket is no number to be moved about: what it multiplies is zero where it does not hold.
            if len(arrays) == 1 and scalars and all(self.graph.type(value) != "bool" for value in scalars):
                return arrays[0].value, Factor(ONE, scalars)
        return None

    def chain(self, value: int) -> list[int]:
        """The values that lead to this one by linear operations, the first of them first."""
        found = [value]
        while is_linear(operation := self.operations[found[-1]]):
            floats = [ref.value for ref in operation.operands if ref.labels and self.graph.type(ref.value) == "float"]
            made = [v for v in floats if self.operations[v].kind != "input"]
            if not made:
                break
            found.append(max(made))
        return found[::-1]

    def fold(self, seed: int) -> Fold | None:
        """The ends of all chains from a value, if they have one factor and nothing else is made of it."""
        if seed in self.kept or self.operations[seed].kind == "input" or self.graph.type(seed) != "float":
            return None
        reached, queue, ends = {seed}, [seed], set()
        factor: Factor | None = None
        while queue:
            value = queue.pop()
            for reader in self.readers.get(value, ()):
                end = self.end(reader)
                if end is not None and reader not in self.kept:
                    if factor is not None and end[1] != factor:
                        return None
                    factor = end[1]
                    ends.add(reader)
                elif reader in self.kept or not self.linear(reader, value, reached):
                    return None
                elif reader not in reached:
                    reached.add(reader)
                    queue.append(reader)
        # A scalar among what is made of the seed, or computed after it, comes too late to be folded into it.
        if factor is None or any(value in reached or value > seed for value in factor.values):
            return None
        before = any(self.graph.needed([scalar]) & reached for scalar in factor.values)
        operation = self.operations[seed]
        scales = operation.kind == "map" and operation.detail[0] == "scale"
        cost = 0 if scales else self.size(seed)
        if before or cost >= sum(map(self.size, ends)):
            return None
        return Fold(seed, factor, frozenset(reached - {seed}), frozenset(ends))

    def linear(self, reader: int, value: int, reached: Collection[int]) -> bool:
        operation = self.operations[reader]
        if not is_linear(operation):
            return False
        places = [n for n, ref in enumerate(operation.operands) if ref.value in reached]
        if len(places) != 1:
            return False
        numerators = operation.detail if operation.kind == "contract" else len(operation.operands)
        return places[0] < numerators and not (operation.kind == "scatter" and places[0] == 0)

    def size(self, value: int) -> int:
        return math.prod(self.known[dim] for dim in self.graph.dims(value))


def is_linear(operation: Operation) -> bool:
    """Whether a number can be taken through an operation; a bracket selects what it is."""
    return operation.kind in LINEAR or is_select(operation)


def _rebuilt(flat: Flat, folds: list[Fold]) -> Flat:
    old, new = flat.graph.operations, Graph()
    where: dict[int, Ref] = {}  # old value: the new one, and which old axis each of its axes is
    carries: dict[int, Fold] = {}  # old value: the fold whose factor the new one has and the old one had not
    needed = flat.graph.needed(kept := roots(flat.tensors, flat.outputs))
    seeds = {fold.seed: fold for fold in folds}
    ends = {value: fold for fold in folds for value in fold.ends}

    def moved(ref: Ref) -> Ref:
        there = where[ref.value]
        return Ref(there.value, tuple(ref.labels[axis] for axis in there.labels))

    for value in sorted(needed):
        operation = old[value]
        operands = [moved(ref) for ref in operation.operands]
        carried = [carries[ref.value] for ref in operation.operands if ref.value in carries]
        if value in ends:
            assert carried == [ends[value]], "an end without the factor of its fold"
            made = next(ref for ref in operands if ref.labels)
            if value in seeds:
                made = _times(new, operation, made, ONE, seeds[value].factor, where)
        else:
            assert all(value in fold.reached for fold in carried), "a factor where none belongs"
            assert len(carried) < 2, "a factor twice"
            if value in seeds:
                made = _seeded(new, operation, operands, seeds[value].factor, where)
            else:
                made = _added(new, operation, operands, where)
            if carried:
                carries[value] = carried[0]
        if value in seeds:
            carries[value] = seeds[value]
        where[value] = Ref(made.value, tuple(operation.out.index(label) for label in made.labels))
    used = {*kept, *(value for fold in folds for value in fold.factor.values)}
    assert not carries.keys() & used, "a result, or a factor, with the factor of a fold"
    tensors: dict[Name, Stored] = {}
    for name, stored in flat.tensors.items():
        if stored.value is None:
            tensors[name] = stored
        elif stored.value in where:
            there = where[stored.value]
            slots = tuple(there.labels.index(axis) if axis is not None else None for axis in stored.slots)
            tensors[name] = replace(stored, value=there.value, slots=slots)
    presumed = frozenset(where[value].value for value in flat.presumed if value in where)
    return replace(flat, graph=new, tensors=tensors, presumed=presumed)


def _space(operation: Operation) -> Callable[[int], tuple[str, str]]:
    return lambda label: (operation.dims[label], operation.letters[label])


def _added(new: Graph, operation: Operation, operands: list[Ref], where: dict[int, Ref]) -> Ref:
    detail = operation.detail
    if operation.kind == "read":
        detail = detail.turned(where[operation.operands[0].value].labels)
    return new.add(operation.kind, detail, operands, operation.out, _space(operation), operation.equation)


def _seeded(new: Graph, operation: Operation, operands: list[Ref], factor: Factor, where: dict[int, Ref]) -> Ref:
    """An operation, and its result times the factor; one number where it multiplies by one already."""
    if operation.kind == "map" and operation.detail[0] == "scale":
        return _times(new, operation, operands[0], operation.detail[1], factor, where)
    return _times(new, operation, _added(new, operation, operands, where), ONE, factor, where)


def _times(
    new: Graph, operation: Operation, array: Ref, coefficient: Expr, factor: Factor, where: dict[int, Ref]
) -> Ref:
    space, text = _space(operation), f"{operation.equation}, times what all that is made of it is multiplied by"
    coefficient = product_of([coefficient, factor.coefficient])
    scalars = [Ref(where[value].value, ()) for value in factor.values]
    if not scalars:
        return new.add("map", ("scale", coefficient), (array,), array.labels, space, text)
    scalar = scalars[0] if len(scalars) == 1 else new.add("contract", len(scalars), scalars, (), space, text)
    if coefficient is not ONE:
        scalar = new.add("map", ("scale", coefficient), (scalar,), (), space, text)
    return new.add("contract", 2, (array, scalar), array.labels, space, text)
