"""Links solved, once sizes are known: windows that are read, and overlaps that are added.

A link ``p = 2h + r`` of a product (`einstan.machine.graph.links`) can be used up in three ways:

    a window     a summed label is replaced in what reads it: dY[p - r], zero outside, a strided view
    an overlap   a label of the result that no operand has: what the other labels give is added up where the form says
    a mask       the comparison itself, one entry for each of its labels, where nothing else is possible

The cheapest combination for the sizes at hand is taken.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from einstan.language.index import Index
from einstan.language.term import ONE, Const, Equation, Expr, Extent
from einstan.machine.passes.arrange import Arrangement
from einstan.machine.sizes.extents import Extents
from einstan.machine.sizes.formulas import range_formula
from einstan.machine.sizes.operations import (
    Flat,
    Form,
    Labels,
    Linked,
    Operation,
    Overlap,
    Ref,
    Stored,
    combined,
    plain,
    put,
)

ENTRY = 32  # what moving an entry costs, in multiplications of a matrix product


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


def know_ranges(flat: Flat, extents: Extents) -> None:
    """The extents of the ranges of guarded forms, which are no axis, as far as theirs are known."""
    for dim, form in flat.ranges.items():
        if any(d not in extents.known for d, _ in form.extents):
            continue
        extents.known[dim] = form.constant + sum(k * extents.known[d] for d, k in form.extents)
        extents.formulas[dim] = range_formula(form)


def solved(flat: Flat, extents: Extents, general: bool = False) -> Flat:
    """The same operations without links, for these sizes; in a way that is right for all sizes, if that is asked."""
    know_ranges(flat, extents)
    kinds = {operation.kind for operation in flat.graph.operations}
    if not kinds & {"linked", "read"}:
        return flat
    return _Solver(flat, extents, general).run()


class _Solver(Arrangement):
    """The graph again, operation by operation."""

    def __init__(self, flat: Flat, extents: Extents, general: bool) -> None:
        super().__init__(extents, general)
        self.flat = flat
        self.whole_sums = flat.careful
        self.hides = False  # whether the product that was solved last multiplies zeros
        self.whole: set[int] = set()  # linked products that multiply none, so that nothing is hidden
        self.value: dict[int, int] = {}
        self.axes: dict[int, tuple[int, ...]] = {}  # which axis of the value that was each axis of what it is now
        self.elementwise = self.read_elementwise()

    def run(self) -> Flat:
        for number, operation in enumerate(self.flat.graph.operations):
            self.begin(operation)
            operands = [self.now(ref) for ref in operation.operands]
            match operation.kind:
                case "linked":
                    ref = self.linked(operation, operands)
                    if number in self.flat.presumed and not self.hides:
                        self.whole.add(number)
                case "contract":
                    ref = self.product(operands, operation.detail, operation.out)
                case "read":
                    out = self.offsets_first(operation) if number in self.elementwise else operation.out
                    ref = self.read(operation.detail.turned(self.axes[operation.operands[0].value]), operands, out)
                case "reduce" if (pooled := self.pooled(operands[0], operation)) is not None:
                    ref = pooled
                case _:
                    ref = self.add(operation.kind, operation.detail, operands, operation.out)
            self.value[number] = ref.value
            self.axes[number] = tuple(map(operation.out.index, ref.labels))
        moved = {
            name: stored if stored.value is None else self.moved(stored, stored.value)
            for name, stored in self.flat.tensors.items()
        }
        presumed = frozenset(self.value[value] for value in self.flat.presumed - self.whole) | self.in_pieces
        return replace(self.flat, graph=self.graph, tensors=moved, presumed=presumed)

    def read_elementwise(self) -> set[int]:
        """The values that are only read entry by entry, and not for a result."""
        graph = self.flat.graph
        outputs = {self.flat.tensors[name].value for name in self.flat.outputs}
        other = set(outputs)
        for number, operation in enumerate(graph.operations):
            if operation.kind != "map" or number in outputs:
                other |= {ref.value for ref in operation.operands}
        return set(range(len(graph.operations))) - other

    def offsets_first(self, operation: Operation) -> Labels:
        """The axes of a window with those of its offsets first: loops go along the positions, which are many."""
        slots = [[label for label, _ in slot.labels if label in operation.out] for slot in operation.detail.slots]
        positions = {max(own, key=self.size) for own in slots if own}
        offsets = [label for own in slots for label in own if label not in positions]
        return tuple(dict.fromkeys((*offsets, *operation.out)))

    def now(self, ref: Ref) -> Ref:
        """A value of the program as it is now."""
        return Ref(self.value[ref.value], tuple(ref.labels[axis] for axis in self.axes[ref.value]))

    def moved(self, stored: Stored, value: int) -> Stored:
        axes = self.axes[value]
        slots = tuple(None if slot is None else axes.index(slot) for slot in stored.slots)
        return replace(stored, value=self.value[value], slots=slots)

    # ---- links -------------------------------------------------------------------------------------------------------

    def linked(self, operation: Operation, operands: list[Ref]) -> Ref:
        detail: Linked = operation.detail
        best = min(self.solutions(operation, operands), key=lambda made: self.cost(made, operation))
        refs = [
            self.window(ref, slots, detail.equation, fill=int(number >= detail.numerators))
            for number, (ref, slots) in enumerate(zip(operands, best.slots, strict=True))
        ]
        factors, divisors = refs[: detail.numerators], refs[detail.numerators :]
        masked = best.masks or best.ranges or any(self.graph.type(ref.value) == "bool" for ref in factors)
        self.hides = bool(masked or any(self.pads(ref) for ref in refs))
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
                if label not in operation.out:
                    return None
                if any(label in dict(other.labels) for other in (*pending[number + 1 :], *made.placed.values())):
                    return None
                made.placed[label] = value
                continue
            if label in operation.out:
                return None
            # A factor that is read plainly is zero outside, which keeps the label in its range; nothing else does.
            if not any(plain(label) in slots for slots in made.slots[: operation.detail.numerators]):
                made.ranges.append((value, label))
            made.slots = [tuple(put(slot, label, value) for slot in slots) for slots in made.slots]
            pending = [put(other, label, value) for other in pending]
            made.masks = [put(other, label, value) for other in made.masks]
            made.ranges = [(put(other, label, value), own) for other, own in made.ranges]
            made.placed = {own: put(other, label, value) for own, other in made.placed.items()}
        if any(label in dict(form.labels) for form in made.placed.values() for label in made.placed):
            return None
        # What reads a placed label comes after the sum, so it can have no other labels than the result.
        parts = [*made.slots, *((form,) for form in made.masks), *((form,) for form, _ in made.ranges)]
        for own in ({label for form in forms for label, _ in form.labels} for forms in parts):
            if own & set(made.placed) and not own <= set(operation.out):
                return None
        return made

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
            if any(slot.label is None for slot in slots):  # beside an overlap, a window also comes in a wrong order
                total += ENTRY * self.entries(labels) * (2 if made.placed else 1)
        for form in (*made.masks, *(form for form, _ in made.ranges)):
            labels = {label for label, _ in form.labels}
            total += ENTRY * self.entries(labels)
            every |= labels
        if made.placed:
            core = {x for x in (every | set(operation.out)) - set(made.placed) if x in operation.out}
            core |= {label for form in made.placed.values() for label, _ in form.labels}
            total += ENTRY * self.entries(core) * 5 // 4  # it is made and then read again
        return total + 2 * self.entries(every)

    # ---- what is made ------------------------------------------------------------------------------------------------

    def window(self, ref: Ref, slots: tuple[Form, ...], equation: Equation, fill: int) -> Ref:
        """An operand read at forms: zero outside for a factor, one for a divisor."""
        whole = self.graph.dims(ref.value)
        if all(slot.label is not None and self.same(slot.label, dim) for slot, dim in zip(slots, whole, strict=True)):
            labels = tuple(slot.label for slot in slots if slot.label is not None)
            once = tuple(dict.fromkeys(labels))
            plainly = Ref(ref.value, labels)
            return plainly if once == labels else self.add("diagonal", None, (plainly,), once)
        out = tuple(dict.fromkeys(label for slot in slots for label, _ in slot.labels))
        return self.guarded_read(ref.value, slots, out, equation, fill)

    def pads(self, ref: Ref) -> bool:
        """Whether a value is a window that reaches outside of what it reads."""
        operation = self.graph.operations[ref.value]
        return operation.kind == "read" and bool(operation.detail.guards)

    def mask(self, form: Form) -> Ref:
        """1 where a form is zero."""
        return self.compared("==", form, Const(0))

    def in_range(self, form: Form, label: int) -> Ref:
        """1 where a form is a value of a label."""
        size = Extent(Index("n", self.dims[label])) if self.general else Const(self.size(label))
        low, high = self.compared(">=", form, Const(0)), self.compared("<", form, size)
        return self.add("map", ("and",), (low, high), low.labels)

    def compared(self, relation: str, form: Form, number: Expr) -> Ref:
        labels = tuple(label for label, _ in form.labels)
        value = self.add("form", form, (), labels)
        return self.add("map", (relation,), (value, self.add("number", number, (), ())), labels)
