"""Overlaps as NumPy: the transpose of a strided read, entries added up where a form says.

``out[2h + r] += core[r, h]`` is one addition of strided slices for each r, written out one after the other, or an
assignment where steps are wide enough that nothing overlaps.  Where there are many r, one strided view takes them all
if nothing overlaps; else the core is laid into zeros with every row shifted to its place, and one sum adds the rows up.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from einstan.machine.contraction import Contractions
from einstan.machine.lower import bounds, constant_of
from einstan.machine.operations import Form, Labels, Operation
from einstan.machine.writer import Variable

MOST_ROWS, SPARSE = (
    1 << 23,
    16,
)  # entries of rows of zeros, in all and for one of the core, that are too many
WRITTEN_OUT = 36  # additions of slices that are written one after the other, for as many entries of a window


@dataclass(frozen=True)
class Layout:
    """For every axis of the result the label that runs along it, and the labels that shift it."""

    runs: tuple[int | None, ...]
    taps: Labels


class Overlaps(Contractions):
    """Rules for ``overlap``, ``copy``, ``split`` and ``join``."""

    def do_copy(self, value: int, operation: Operation, constant: bool) -> Variable:
        text = f"{self.aligned(operation.operands[0], operation.out)}.copy()"
        return self.assign(value, operation, text, constant)

    def do_split(self, value: int, operation: Operation, constant: bool) -> Variable:
        (ref,) = operation.operands
        count, width, length = (self.extents[operation.dims[label]] for label in (*operation.out, *ref.labels))
        variable = self.variables[ref.value]
        text, pads = variable.text, count * width > length
        if pads:
            self.helpers["padded"] = None
            text = f"padded({text}, (0,), ({count * width - length},), 0)"
        view = not pads and variable.home is not None  # what does not lie in one piece is copied by reshape
        return self.assign(value, operation, f"{text}.reshape({count}, {width})", constant, owned=False, view=view)

    def do_join(self, value: int, operation: Operation, constant: bool) -> Variable:
        (ref,) = operation.operands
        length = self.extents[operation.dims[operation.out[0]]]
        text = f"{self.aligned(ref, ref.labels)}.reshape(-1)[:{length}]"
        view = self.variables[ref.value].home is not None
        return self.assign(value, operation, text, constant, owned=False, view=view)

    def do_overlap(self, value: int, operation: Operation, constant: bool) -> Variable:
        (core,) = operation.operands
        forms = operation.detail.forms
        sizes = tuple(self.extents[dim] for dim in operation.dims)
        layout = layout_of(operation, sizes)
        shape = self.shape(operation.out_dims, constant)
        text = self.floating(core)
        if self.variables[core.value].type == "number":
            text = f"np.{self.precision}({text})"
        order = (*layout.taps, *(run for run in layout.runs if run is not None))
        aligned = self.aligned(core, order, text)
        zeros = f"np.zeros({shape}, np.{self.precision_of(operation)})"
        extents = tuple(sizes[label] for label in operation.out)
        inside = all(_is_inside(form, sizes, self.extents, extent) for form, extent in zip(forms, extents, strict=True))
        if 0 in sizes:
            return self.assign(value, operation, zeros, constant)
        apart = inside and all(map(lambda form, run: _is_apart(form, run, sizes), forms, layout.runs))
        if apart and math.prod(sizes[label] for label in order) == math.prod(extents):  # every entry is written once
            zeros = zeros.replace("zeros", "empty")
        if math.prod(sizes[label] for label in layout.taps) > WRITTEN_OUT:
            if apart:
                return self.placed(value, operation, zeros, aligned, order, constant)
            rows = math.prod(sizes[label] for label in layout.taps) * math.prod(extents)
            if rows > MOST_ROWS and rows > SPARSE * math.prod(sizes[label] for label in core.labels):
                return self.one_by_one(value, operation, text, constant)
            return self.shifted(value, operation, aligned, order, sizes, constant)
        if not aligned.isidentifier():
            name = self.fresh(-1, constant)
            self.line(operation, f"{name} = {aligned}", constant)
            aligned = name
        made = self.assign(value, operation, zeros, constant)
        for at in itertools.product(*(range(sizes[label]) for label in layout.taps)):
            known = dict(zip(layout.taps, at, strict=True))
            places = [
                _slices(form, run, known, sizes, self.extents, extent)
                for form, run, extent in zip(forms, layout.runs, extents, strict=True)
            ]
            if all(place is not None for place in places):
                target = ", ".join(place[0] for place in places if place is not None)
                read = [str(k) for k in at]
                read += [place[1] for place, run in zip(places, layout.runs, strict=True) if place and run is not None]
                while read and read[-1] == ":":
                    read.pop()
                index = f"[{', '.join(read)}]" if read else ""
                self.line(operation, f"{made.text}[{target}] {'' if apart else '+'}= {aligned}{index}", constant)
        return made

    def one_by_one(self, value: int, operation: Operation, text: str, constant: bool) -> Variable:
        """One addition for each shift, in a loop: right for all sizes, and little memory."""
        (core,), forms = operation.operands, operation.detail.forms
        self.helpers["overlap"] = None
        start = [self.origin(form, constant) for form in forms]
        steps = tuple(tuple(dict(form.labels).get(label, 0) for form in forms) for label in core.labels)
        made = f"overlap({text}, {self.shape(operation.out_dims, constant)}, {tuple_of(start)}, {steps})"
        return self.assign(value, operation, made, constant)

    def origin(self, form: Form, constant: bool = False) -> str:
        """Where a form begins: its value at zero."""
        parts = [f"{k} * {self.size(dim, constant)}" for dim, k in form.extents]
        if form.constant or not parts:
            parts.append(str(form.constant))
        return " + ".join(parts).replace("+ -", "- ")

    def line(self, operation: Operation, text: str, constant: bool) -> None:
        section, indent = (self.constants, "") if constant else (self.body, "    ")
        section.say(operation.equation, text, indent)

    def placed(
        self, value: int, operation: Operation, zeros: str, aligned: str, order: Labels, constant: bool
    ) -> Variable:
        """Nothing overlaps: zeros, and the core in a strided view of them."""
        made = self.assign(value, operation, zeros, constant)
        self.helpers["window"] = None
        start = tuple(constant_of(form, self.extents) for form in operation.detail.forms)
        sizes = tuple(self.extents[operation.dims[label]] for label in order)
        steps = tuple(tuple(dict(form.labels).get(label, 0) for form in operation.detail.forms) for label in order)
        self.line(operation, f"window({made.text}, {start}, {sizes}, {steps}, True)[...] = {aligned}", constant)
        return made

    def shifted(
        self, value: int, operation: Operation, aligned: str, order: Labels, sizes: tuple[int, ...], constant: bool
    ) -> Variable:
        """Many offsets: one row of zeros for each, the core laid into them where it belongs, and the rows added up."""
        self.helpers["window"] = self.helpers["overlap_add"] = None
        forms = operation.detail.forms
        low, high = zip(*(bounds(form, sizes, self.extents) for form in forms), strict=True)
        extents = [sizes[label] for label in operation.out]
        before = tuple(max(0, -each) for each in low)
        wide = tuple(b + max(extent, top + 1) for b, extent, top in zip(before, extents, high, strict=True))
        start = tuple(constant_of(form, self.extents) + b for form, b in zip(forms, before, strict=True))
        steps = tuple(tuple(dict(form.labels).get(label, 0) for form in forms) for label in order)
        count = len(order) - sum(run is not None for run in layout_of(operation, sizes).runs)
        keep = ", ".join(f"{b}:{b + extent}" for b, extent in zip(before, extents, strict=True))
        text = f"overlap_add({aligned}, {count}, {wide}, {start}, {steps})[{keep}]"
        return self.assign(value, operation, text, constant)


def tuple_of(texts: Sequence[str]) -> str:
    return "(" + ", ".join(texts) + ("," if len(texts) == 1 else "") + ")"


def layout_of(operation: Operation, sizes: tuple[int, ...]) -> Layout:
    """Along every axis of the result runs its longest label, unless another axis has it too; the others are shifts."""
    count: dict[int, int] = {}
    for form in operation.detail.forms:
        for label, _ in form.labels:
            count[label] = count.get(label, 0) + 1
    runs = tuple(
        max((label for label, _ in form.labels if count[label] == 1), key=lambda label: sizes[label], default=None)
        for form in operation.detail.forms
    )
    (core,) = operation.operands
    return Layout(runs, tuple(label for label in core.labels if label not in runs))


def _is_inside(form: Form, sizes: tuple[int, ...], extents: dict[str, int], extent: int) -> bool:
    low, high = bounds(form, sizes, extents)
    return low >= 0 and high < extent


def _is_apart(form: Form, run: int | None, sizes: tuple[int, ...]) -> bool:
    """Whether no two entries of the core meet along an axis: the step of what runs is longer than all shifts."""
    if run is None:
        return False
    step = abs(dict(form.labels)[run])
    reach = 1
    for label, k in sorted(form.labels, key=lambda term: abs(term[1])):
        if label != run:
            if abs(k) < reach:
                return False
            reach += abs(k) * (sizes[label] - 1)
    return step >= reach


def _slices(
    form: Form,
    run: int | None,
    known: dict[int, int],
    sizes: tuple[int, ...],
    extents: dict[str, int],
    extent: int,
) -> tuple[str, str] | None:
    """Where one slice of the core goes, and which part of it stays inside; None where nothing does."""
    first = constant_of(form, extents) + sum(k * known[label] for label, k in form.labels if label != run)
    if run is None:
        return (str(first), "") if 0 <= first < extent else None
    step, length = dict(form.labels)[run], sizes[run]
    held = [h for h in (0, length - 1) if 0 <= first + step * h < extent]
    low, high = 0, length - 1
    if len(held) < 2 or length == 1:
        # first + step h is inside for an interval of h
        a, b = (-first, extent - 1 - first) if step > 0 else (first - extent + 1, first)
        low, high = max(0, -(-a // abs(step))), min(length - 1, b // abs(step))
    if low > high:
        return None
    begin, end = first + step * low, first + step * high
    whole = low == 0 and high == length - 1
    if step > 0:
        target = f"{begin}:{end + 1}" + (f":{step}" if step > 1 else "")
        return ":" if (begin, end, step) == (0, extent - 1, 1) else target, ":" if whole else f"{low}:{high + 1}"
    target = f"{end}:{begin + 1}" + (f":{-step}" if step < -1 else "")
    return target, f"{high}:{low - 1 if low else ''}:-1"
