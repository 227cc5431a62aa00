"""Products arranged for matrix products, once sizes are known.

A window is copied once, into an order that all its uses share; axes that would force another copy become a batch; and
a long sum over a window of one axis, a matrix times a vector, is cut into blocks, so that it is a product of matrices:

    Y[B i + j] = sum[V](X[B i + V] T[V,j]),  T[v,j] = W[v - j]        for Y[p] = sum[R](X[p+R] W[R])

does twice the multiplications, and moves an entry of X twice instead of once for each r.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from einstan.language.dims import is_axis
from einstan.language.term import Equation, Indexed
from einstan.machine.sizes.extents import Extents
from einstan.machine.sizes.lower import bounds
from einstan.machine.sizes.operations import Form, Graph, Labels, Operation, Reading, Ref, combined, plain, put

SMALLEST_BATCH = 2048  # multiplications of one matrix product of a batch, from which the batch is worth its calls
SMALLEST_BLOCK = 32  # entries of a block
MOST_SLICES = 16  # entries of a window of which the largest is found slice by slice
LONG = 1 << 16  # terms of a sum over a window, from which blocks are worth their copies


class Arrangement:
    """A graph that is built again, operation by operation."""

    def __init__(self, extents: Extents, general: bool = False) -> None:
        self.extents, self.general = extents, general
        self.graph = Graph()
        self.whole_sums = False  # whether no sum is cut into blocks, which multiplies zeros
        self.in_pieces: set[int] = set()  # the sums that were
        self.source: Operation
        self.dims: list[str] = []
        self.letters: list[str] = []

    def begin(self, operation: Operation) -> None:
        """What is added from now on comes from this operation; its labels are known, and more can be made."""
        self.source = operation
        self.dims, self.letters = list(operation.dims), list(operation.letters)

    def add(self, kind: str, detail: Any, operands: Sequence[Ref], out: Sequence[int]) -> Ref:
        return self.graph.add(kind, detail, operands, out, self.space, self.source.equation)

    def space(self, label: int) -> tuple[str, str]:
        """A dimension that no tensor has is told by its size alone, so that equal windows are one."""
        dim = self.dims[label]
        if not (self.general or is_axis(dim)) and dim in self.extents.known:
            dim = self.sized(self.size(label))
        return dim, self.letters[label]

    def same(self, label: int, dim: str) -> bool:
        """Whether a label runs over as many entries as a dimension has."""
        return self.dims[label] == dim or (not self.general and self.size(label) == self.extents.known[dim])

    def fresh(self, dim: str) -> int:
        """A label that the operation does not have."""
        self.dims.append(dim)
        self.letters.append("x")
        return len(self.dims) - 1

    def size(self, label: int) -> int:
        return self.extents.known[self.dims[label]]

    def entries(self, labels: Iterable[int]) -> int:
        return math.prod(self.size(label) for label in labels)

    def fresh_of(self, size: int) -> int:
        """A label that the operation does not have, of any size."""
        return self.fresh(self.sized(size))

    def sized(self, size: int) -> str:
        dim = f"{size} entries"
        self.extents.known[dim] = size
        return dim

    # ---- products ----------------------------------------------------------------------------------------------------

    def product(self, operands: list[Ref], numerators: int, out: Labels) -> Ref:
        """A contraction; windows are copied for it, and a product of two is arranged for matrices."""
        summed = {label for ref in operands for label in ref.labels} - set(out)
        if len(operands) == 1 and numerators == 1 and operands[0].labels == out:
            return operands[0]
        if not summed or len(operands) == 1:
            return self.add("contract", numerators, operands, out)
        two = len(operands) == 2 and numerators == 2
        if two and not self.general and (long := self.in_blocks(operands, out)) is not None:
            self.in_pieces.add(long.value)
            return long
        operands = [self.copied(ref) for ref in operands]
        if two:
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
        outer = self.outer(operation, ref)
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
        if not self.general and not any(slot.values for slot in detail.slots):
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

    def pooled(self, ref: Ref, operation: Operation) -> Ref | None:
        """The largest or smallest entry of every window, one entry of all windows after the other: strided slices, of
        which NumPy takes the larger faster than it goes through many short windows.  None where that is not it."""
        read = self.graph.operations[ref.value]
        choose = {"max": "maximum", "min": "minimum"}.get(operation.detail)
        if self.general or choose is None or read.kind != "read" or any(slot.values for slot in read.detail.slots):
            return None
        offsets = [label for label in ref.labels if label not in operation.out]
        if self.entries(offsets) > MOST_SLICES or self.entries(operation.out) < self.entries(offsets):
            return None
        detail = read.detail.renamed(self.outer(read, ref))
        found: Ref | None = None
        for values in itertools.product(*(range(self.size(label)) for label in offsets)):
            forms, guards = detail.slots, detail.guards
            for label, value in zip(offsets, values, strict=True):
                forms, guards = (
                    tuple(put(form, label, Form((), (), (), value)) for form in held) for held in (forms, guards)
                )
            whole = Ref(read.operands[0].value, tuple(map(self.fresh, self.graph.dims(read.operands[0].value))))
            slice_ = self.read(replace(detail, slots=forms, guards=guards), [whole], operation.out)
            found = slice_ if found is None else self.add("map", (choose,), (found, slice_), operation.out)
        return found

    def outer(self, operation: Operation, ref: Ref) -> dict[int, int]:
        """The labels of the source for those of an operation whose value it reads, fresh ones for all others."""
        names = dict(zip(operation.out, ref.labels, strict=True))
        for form in operation.detail.forms:
            for label, _ in form.labels:
                if label not in names:
                    names[label] = self.fresh(operation.dims[label])
        return names

    # ---- blocks ------------------------------------------------------------------------------------------------------

    def in_blocks(self, operands: list[Ref], out: Labels) -> Ref | None:
        """A window of one axis times a vector, as matrix products, where it is long enough; else None."""
        for mine, other in () if self.whole_sums else (operands, operands[::-1]):
            window = self.vector_window(mine)
            if window is None or len(other.labels) != 1 or other.labels[0] not in mine.labels or len(out) != 1:
                continue
            (kept,), (summed,) = out, other.labels
            long, short = sorted((self.size(kept), self.size(summed)), reverse=True)
            unit = kept if self.size(kept) < self.size(summed) else summed  # which must have the coefficient 1
            if kept == summed or long * short < LONG or short < 8 or long < 8 * short:
                continue
            if abs(dict(window.form.labels)[unit]) == 1:
                return self.sum_in_blocks(window, other, kept, summed)
        return None

    def vector_window(self, ref: Ref) -> VectorWindow | None:
        """A read of one axis at ``a i + b j + c``, in the labels of the product."""
        operation = self.graph.operations[ref.value]
        if operation.kind != "read" or len(operation.detail.slots) != 1 or operation.detail.slots[0].values:
            return None
        form = operation.detail.slots[0]
        outer = dict(zip(operation.out, ref.labels, strict=True))
        if len(form.labels) != 2 or set(outer) != {label for label, _ in form.labels}:
            return None
        return VectorWindow(operation.operands[0].value, form.renamed(outer), operation.detail.equation)

    def sum_in_blocks(self, window: VectorWindow, vector: Ref, kept: int, summed: int) -> Ref:
        """``x[a i + b j + c] y[j]`` summed over j, the longer of i and j in blocks of about the shorter's size."""
        steps = dict(window.form.labels)
        cut, short = (kept, summed) if self.size(kept) >= self.size(summed) else (summed, kept)
        width = max(self.size(short), SMALLEST_BLOCK)
        count = -(-self.size(cut) // width)
        a, b = steps[cut], steps[short]
        # Inside a block x is read at v + low, where v begins at zero.
        low = min(a, 0) * (width - 1) + min(b, 0) * (self.size(short) - 1)
        reach = abs(a) * (width - 1) + abs(b) * (self.size(short) - 1) + 1
        block, inner, v = self.fresh_of(count), self.fresh_of(width), self.fresh_of(reach)
        rest = combined(((window.form, 1), (plain(cut), -a), (plain(short), -b)))
        at = combined(((plain(block), a * width), (plain(v), 1), (rest, 1)), low)
        blocks = self.copy(self.guarded_read(window.value, (at,), (block, v), window.equation))
        if cut == kept:  # y as a matrix with a diagonal for each of its entries
            diagonal = combined(((plain(v), b), (plain(inner), -a * b)), b * low)
            matrix = self.copy(self.guarded_read(vector.value, (diagonal,), (v, inner), window.equation))
            found = self.add("contract", 2, (blocks, matrix), (block, inner))
            return self.add("join", None, (found,), (kept,))
        parts = self.add("split", None, (vector,), (block, inner))
        found = self.add("contract", 2, (blocks, parts), (v, inner))
        along = combined(((plain(inner), a), (plain(short), b)), -low)
        diagonals = self.guarded_read(found.value, (along, plain(inner)), (short, inner), window.equation)
        return self.add("contract", 1, (diagonals,), (kept,))

    def guarded_read(self, value: int, slots: tuple[Form, ...], out: Labels, equation: Equation, fill: int = 0) -> Ref:
        """A value read at forms, zero (or one) outside."""
        own = [self.fresh(dim) for dim in self.graph.dims(value)]
        guards: list[Form] = []
        for slot, label in zip(slots, own, strict=True):
            size = Form((), (), ((self.dims[label], 1),), 0)
            guards += [slot, combined(((size, 1), (slot, -1)), -1)]
        detail = Reading(slots, tuple(guards), fill, Indexed(""), equation, tuple(range(len(slots))))
        return self.read(detail, [Ref(value, tuple(own))], out)

    def copy(self, ref: Ref) -> Ref:
        return self.add("copy", None, (ref,), ref.labels)


@dataclass(frozen=True)
class VectorWindow:
    """A read of one axis: of which value, at which form of two labels, and in which equation."""

    value: int
    form: Form
    equation: Equation


def _adjacent(ref: Ref, group: Sequence[int]) -> bool:
    """Whether the labels stand side by side."""
    places = [position for position, label in enumerate(ref.labels) if label in group]
    return not places or places[-1] - places[0] == len(places) - 1
