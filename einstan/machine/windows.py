"""Links solved, once sizes are known: windows that are read, and overlaps that are added.

A link ``p = 2h + r`` of a product (`einstan.machine.links`) can be used up in three ways:

    a window     a summed label is replaced in what reads it: dY[p - r], zero outside, a strided view
    an overlap   a label of the result that no operand has: what the other labels give is added up where the form says
    a mask       the comparison itself, one entry for each of its labels, where nothing else is possible

The cheapest combination for the sizes at hand is taken.  What is then a product of two is arranged for matrix products:
a window is copied once, into an order that its uses share, and axes that would force another copy become a batch.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from einstan.language.term import ONE, Const, Equation, Indexed
from einstan.machine.extents import Extents
from einstan.machine.lower import bounds
from einstan.machine.operations import (
    Flat,
    Form,
    Graph,
    Labels,
    Linked,
    Operation,
    Overlap,
    Reading,
    Ref,
    combined,
)

ENTRY = 32  # what moving an entry costs, in multiplications of a matrix product
SMALLEST_BATCH = 2048  # multiplications of one matrix product of a batch, from which the batch is worth its calls


@dataclass(frozen=True)
class Choice:
    """How one link is used up: ``label`` is solved for, by a window or an overlap; without a label it is a mask."""

    kind: str
    label: int = -1


@dataclass
class Solution:
    """A product after its links are used up, and what it costs."""

    slots: list[tuple[Form, ...]]  # of each operand, what stands on each axis
    placed: dict[int, Form]  # labels of the result, and where their entries are added
    masks: list[Form] = field(default_factory=list)  # forms that must be zero
    ranges: list[tuple[Form, int]] = field(default_factory=list)  # forms that must be values of a label


def solved(flat: Flat, extents: Extents) -> Flat:
    """The same operations without links, for these sizes."""
    for dim, size in flat.ranges.items():
        extents.known[dim] = size.constant + sum(k * extents.known[d] for d, k in size.extents)
    kinds = {operation.kind for operation in flat.graph.operations}
    if not kinds & {"linked", "read"}:
        return flat
    return _Solver(flat, extents).run()


class _Solver:
    """The graph again, operation by operation; every value keeps the order of its axes."""

    def __init__(self, flat: Flat, extents: Extents) -> None:
        self.flat, self.extents = flat, extents
        self.graph = Graph()
        self.value: dict[int, int] = {}
        self.source: Operation
        self.dims: list[str] = []
        self.letters: list[str] = []

    def run(self) -> Flat:
        for number, operation in enumerate(self.flat.graph.operations):
            self.source = operation
            self.dims, self.letters = list(operation.dims), list(operation.letters)
            operands = [Ref(self.value[ref.value], ref.labels) for ref in operation.operands]
            match operation.kind:
                case "linked":
                    ref = self.linked(operation, operands)
                case "contract":
                    ref = self.product(operands, operation.detail, operation.out)
                case "read":
                    ref = self.read(operation.detail, operands, operation.out)
                case _:
                    ref = self.add(operation.kind, operation.detail, operands, operation.out)
            self.value[number] = ref.value
        moved = {
            name: stored if stored.value is None else replace(stored, value=self.value[stored.value])
            for name, stored in self.flat.tensors.items()
        }
        return replace(self.flat, graph=self.graph, tensors=moved)

    def add(self, kind: str, detail: Any, operands: Sequence[Ref], out: Sequence[int]) -> Ref:
        return self.graph.add(kind, detail, operands, out, self.space, self.source.equation)

    def space(self, label: int) -> tuple[str, str]:
        return self.dims[label], self.letters[label]

    def fresh(self, dim: str) -> int:
        """A label that the operation does not have."""
        self.dims.append(dim)
        self.letters.append("x")
        return len(self.dims) - 1

    def size(self, label: int) -> int:
        return self.extents.known[self.dims[label]]

    def entries(self, labels: Iterable[int]) -> int:
        return math.prod(self.size(label) for label in labels)

    # ---- links -------------------------------------------------------------------------------------------------------

    def linked(self, operation: Operation, operands: list[Ref]) -> Ref:
        detail: Linked = operation.detail
        best = min(self.solutions(operation, operands), key=lambda made: self.cost(made, operation))
        refs = [self.window(ref, slots, detail.equation) for ref, slots in zip(operands, best.slots, strict=True)]
        factors, divisors = refs[: detail.numerators], refs[detail.numerators :]
        factors += [self.mask(form) for form in best.masks]
        factors += [self.in_range(form, label) for form, label in best.ranges]
        if not best.placed:
            return self.product([*factors, *divisors], len(factors), operation.out)
        later = [ref for ref in factors if set(ref.labels) & set(best.placed)]
        after = [ref for ref in divisors if set(ref.labels) & set(best.placed)]
        factors, divisors = [r for r in factors if r not in later], [r for r in divisors if r not in after]
        core = self.product(
            [*factors, *divisors] or [self.add("number", ONE, (), ())],
            len(factors) if factors or divisors else 1,
            self.core_labels(best, [*factors, *divisors], operation.out),
        )
        core = self.spread(core, best)
        out = tuple(label for label in operation.out if label in best.placed or label in core.labels)
        forms = tuple(best.placed.get(label, plain(label)) for label in out)
        ref = self.add("overlap", Overlap(forms), (core,), out)
        return self.product([ref, *later, *after], 1 + len(later), operation.out)

    def solutions(self, operation: Operation, operands: list[Ref]) -> Iterator[Solution]:
        """Every combination of choices that uses up all links; a mask always does."""
        links = operation.detail.forms
        units = [[label for label, k in form.labels if abs(k) == 1] for form in links]
        options = [
            [*(Choice(kind, label) for label in labels for kind in ("window", "overlap")), Choice("mask")]
            for labels in units
        ]
        for choices in itertools.product(*options):
            found = self.solution(operation, operands, links, choices)
            if found is not None:
                yield found

    def solution(
        self, operation: Operation, operands: list[Ref], links: Sequence[Form], choices: Sequence[Choice]
    ) -> Solution | None:
        """The product under one choice for each link, or None where a choice is not possible."""
        made = Solution([tuple(plain(x) for x in ref.labels) for ref in operands], {})
        pending = list(links)
        for number, choice in enumerate(choices):
            form, label = pending[number], choice.label
            k = dict(form.labels).get(label, 0)
            if choice.kind == "mask":
                made.masks.append(form)
                continue
            if abs(k) != 1:
                return None
            value = combined(((form, -k), (plain(label), 1)))
            if choice.kind == "overlap":
                if label not in operation.out or not self.apart(operation, operands, label):
                    return None
                if any(label in dict(other.labels) for other in (*pending[number + 1 :], *made.placed.values())):
                    return None
                made.placed[label] = value
                continue
            if label in operation.out:
                return None
            if not any(label in dict(slot.labels) for slots in made.slots for slot in slots):
                made.ranges.append((value, label))
            made.slots = [tuple(put(slot, label, value) for slot in slots) for slots in made.slots]
            pending = [put(other, label, value) for other in pending]
            made.masks = [put(other, label, value) for other in made.masks]
            made.ranges = [(put(other, label, value), own) for other, own in made.ranges]
            made.placed = {own: put(other, label, value) for own, other in made.placed.items()}
        if any(label in dict(form.labels) for form in made.placed.values() for label in made.placed):
            return None
        return made

    def apart(self, operation: Operation, operands: list[Ref], label: int) -> bool:
        """Whether what reads a label of the result has no other labels than the result: it can come after the sum."""
        return all(label not in ref.labels or set(ref.labels) <= set(operation.out) for ref in operands)

    def core_labels(self, made: Solution, refs: Sequence[Ref], out: Labels) -> Labels:
        """The labels of what is added up: those of the result, and those that say where."""
        have = {label for ref in refs for label in ref.labels}
        where = [label for form in made.placed.values() for label, _ in form.labels]
        kept = [label for label in out if label not in made.placed]
        taps = sorted(dict.fromkeys(where), key=self.size)
        return tuple(label for label in dict.fromkeys((*(x for x in kept if x not in taps), *taps)) if label in have)

    def spread(self, core: Ref, made: Solution) -> Ref:
        """The core with every label that says where: one that no operand has repeats it."""
        where = [label for form in made.placed.values() for label, _ in form.labels]
        missing = [label for label in dict.fromkeys(where) if label not in core.labels]
        return self.add("expand", None, (core,), (*core.labels, *missing)) if missing else core

    def cost(self, made: Solution, operation: Operation) -> float:
        """Multiplications, and entries moved for windows, masks and overlaps."""
        total = 0
        every: set[int] = set()
        for slots in made.slots:
            labels = {label for slot in slots for label, _ in slot.labels}
            if labels & set(made.placed):
                continue
            every |= labels
            if any(slot.label is None for slot in slots):
                total += ENTRY * self.entries(labels)
        for form in (*made.masks, *(form for form, _ in made.ranges)):
            labels = {label for label, _ in form.labels}
            total += ENTRY * self.entries(labels)
            every |= labels
        if made.placed:
            core = {x for x in (every | set(operation.out)) - set(made.placed) if x in operation.out}
            core |= {label for form in made.placed.values() for label, _ in form.labels}
            total += ENTRY * self.entries(core)
        return total + 2 * self.entries(every)

    # ---- what is made ------------------------------------------------------------------------------------------------

    def window(self, ref: Ref, slots: tuple[Form, ...], equation: Equation) -> Ref:
        """An operand read at forms, zero outside."""
        if all(slot.label is not None for slot in slots):
            return Ref(ref.value, tuple(slot.label for slot in slots if slot.label is not None))
        own = [self.fresh(dim) for dim in self.graph.dims(ref.value)]
        guards: list[Form] = []
        for slot, label in zip(slots, own, strict=True):
            size = Form((), (), ((self.dims[label], 1),), 0)
            guards += [slot, combined(((size, 1), (slot, -1)), -1)]
        out = tuple(dict.fromkeys(label for slot in slots for label, _ in slot.labels))
        detail = Reading(slots, tuple(guards), 0, Indexed(""), equation, tuple(range(len(slots))))
        return self.read(detail, [Ref(ref.value, tuple(own))], out)

    def mask(self, form: Form) -> Ref:
        """1 where a form is zero."""
        return self.compared("==", form, 0)

    def in_range(self, form: Form, label: int) -> Ref:
        """1 where a form is a value of a label."""
        low, high = self.compared(">=", form, 0), self.compared("<", form, self.size(label))
        return self.add("map", ("and",), (low, high), low.labels)

    def compared(self, relation: str, form: Form, number: int) -> Ref:
        labels = tuple(label for label, _ in form.labels)
        value = self.add("form", form, (), labels)
        return self.add("map", (relation,), (value, self.add("number", Const(number), (), ())), labels)

    # ---- products ----------------------------------------------------------------------------------------------------

    def product(self, operands: list[Ref], numerators: int, out: Labels) -> Ref:
        """A contraction; windows are copied for it, and a product of two is arranged for matrices."""
        summed = {label for ref in operands for label in ref.labels} - set(out)
        if len(operands) == 1 and numerators == 1 and operands[0].labels == out:
            return operands[0]
        if not summed or len(operands) == 1:
            return self.add("contract", numerators, operands, out)
        operands = [self.copied(ref) for ref in operands]
        if len(operands) == 2 and numerators == 2:
            return self.pair(operands, summed, out)
        return self.add("contract", numerators, operands, out)

    def copied(self, ref: Ref) -> Ref:
        """A window in memory of its own: what is read at one place, the offsets, the positions, so that offsets and
        positions are one axis each of a matrix; or with the offsets last, where more is read at one place."""
        operation = self.graph.operations[ref.value]
        if operation.kind != "read" or any(slot.values for slot in operation.detail.slots):
            return ref
        slots = operation.detail.slots
        wide = [axis for axis, slot in enumerate(slots) if len(slot.labels) > 1]
        if not wide:
            return ref
        outer = dict(zip(operation.out, ref.labels, strict=True))
        names = [[outer[label] for label, _ in slot.labels] for slot in slots]
        positions = [max(names[axis], key=self.size) for axis in wide]
        offsets = [label for axis in wide for label in names[axis] if label not in positions]
        before = [label for axis, own in enumerate(names) if axis < wide[-1] and axis not in wide for label in own]
        behind = [label for axis, own in enumerate(names) if axis > wide[-1] for label in own]
        middle = [*positions, *offsets] if behind else [*offsets, *positions]
        order = tuple(dict.fromkeys((*before, *middle, *behind)))
        # The same window in this order from the start, so that all its uses are one.
        (whole,) = operation.operands
        own = Ref(whole.value, tuple(self.fresh(dim) for dim in self.graph.dims(whole.value)))
        view = self.read(operation.detail.renamed(outer), [own], order)
        return self.add("copy", None, (view,), order)

    def read(self, detail: Reading, operands: list[Ref], out: Labels) -> Ref:
        """A read; what is inside for these sizes needs no guard, so that reads which only differ in theirs are one."""
        whole = operands[0]
        sizes = tuple(map(self.size, range(len(self.dims))))
        if not any(slot.values for slot in detail.slots):
            reach = [bounds(slot, sizes, self.extents.known) for slot in detail.slots]
            if all(low >= 0 and high < self.size(x) for (low, high), x in zip(reach, whole.labels, strict=True)):
                detail = replace(detail, guards=(), fill=1)
        return self.add("read", detail, operands, out)

    def pair(self, operands: list[Ref], summed: set[int], out: Labels) -> Ref:
        left, right = operands
        shared = [label for label in left.labels if label in right.labels]
        contracted = [label for label in shared if label in summed]
        # Both begin with what is summed over, and the rest is in one piece: a batch of products, added up at the end.
        first = next(iter(contracted), None)
        if first is not None and left.labels[0] == right.labels[0] == first:
            rest = [label for label in contracted if label != first]
            whole = self.size(first) * self.entries(out) <= max(self.entries(left.labels), self.entries(right.labels))
            if rest and whole and not (_adjacent(left, contracted) and _adjacent(right, contracted)):
                batched = self.pair(operands, summed - {first}, (first, *out))
                return self.add("contract", 1, (batched,), out)
        for mine, other in ((left, right), (right, left)):
            kept = [label for label in mine.labels if label in out and label not in shared]
            if not contracted or _adjacent(mine, kept):
                continue
            leading = list(itertools.takewhile(lambda label, kept=kept: label in kept, mine.labels))  # type: ignore[misc]
            each = self.entries([*(x for x in mine.labels if x not in leading), *(x for x in other.labels if x in out)])
            if leading and each >= SMALLEST_BATCH and not any(label in other.labels for label in leading):
                wide = self.add("expand", None, (other,), (*leading, *other.labels))
                return self.add("contract", 2, (mine, wide), out)
        return self.add("contract", 2, (left, right), out)


def plain(label: int) -> Form:
    return Form(((label, 1),), (), (), 0)


def put(form: Form, label: int, value: Form) -> Form:
    """A form with another form in the place of a label."""
    k = dict(form.labels).get(label, 0)
    return combined(((form, 1), (plain(label), -k), (value, k))) if k else form


def _adjacent(ref: Ref, group: Sequence[int]) -> bool:
    """Whether the labels stand side by side."""
    places = [position for position, label in enumerate(ref.labels) if label in group]
    return not places or places[-1] - places[0] == len(places) - 1
