"""Overlaps as calls: the transpose of a strided read, entries added up where a form says.

``out[2h + r] += core[r, h]`` is one addition of strided slices for each r, written out one after the other, or an
assignment where steps are wide enough that nothing overlaps.  Where there are many r, one strided view takes them all
if nothing overlaps; else the core is laid into zeros with every row shifted to its place, and one sum adds the rows up.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

from einstan.machine.schedule.calls import Array, Number, Operand, Seen
from einstan.machine.schedule.positions import broadcast
from einstan.machine.schedule.scheduler import Memory, Scheduler
from einstan.machine.schedule.sizes import origin
from einstan.machine.sizes.lower import bounds, constant_of
from einstan.machine.sizes.operations import Form, Labels, Operation

MOST_ROWS, SPARSE = 1 << 23, 16  # entries of rows of zeros, in all and for one of the core, that are too many
WRITTEN_OUT = 36  # additions of slices that are written one after the other, for as many entries of a window


@dataclass(frozen=True)
class Layout:
    """For every axis of the result the label that runs along it, and the labels that shift it."""

    runs: tuple[int | None, ...]
    taps: Labels


def overlapped(s: Scheduler, operation: Operation) -> Array:
    (core,) = operation.operands
    read = s.floating(core)
    if isinstance(read, Number):
        read = broadcast(s, read, ())._replace(views=())
    if not s.sizes.known or s.memory is Memory.VALUES:
        return one_by_one(s, operation, read)
    forms = operation.detail.forms
    sizes = tuple(s.extents[dim] for dim in operation.dims)
    shape, precision = s.shape(operation.out, operation), s.precision_of(operation)
    if 0 in sizes:
        return s.result_of("zeros", [], shape, precision)
    layout = layout_of(operation, sizes)
    order = (*layout.taps, *(run for run in layout.runs if run is not None))
    aligned = s.aligned(core, order, read)
    extents = tuple(sizes[label] for label in operation.out)
    inside = all(_is_inside(form, sizes, s.extents, extent) for form, extent in zip(forms, extents, strict=True))
    apart = inside and all(map(lambda form, run: _is_apart(form, run, sizes), forms, layout.runs))
    # every entry is written once
    filled = apart and math.prod(sizes[label] for label in order) == math.prod(extents)
    begin = "empty" if filled else "zeros"
    if math.prod(sizes[label] for label in layout.taps) > WRITTEN_OUT:
        if apart:
            return placed(s, operation, begin, aligned, order)
        rows = math.prod(sizes[label] for label in layout.taps) * math.prod(extents)
        if rows > MOST_ROWS and rows > SPARSE * math.prod(sizes[label] for label in core.labels):
            return one_by_one(s, operation, read)
        return shifted(s, operation, aligned, order, sizes)
    assert isinstance(aligned, Seen)
    if not aligned.looks:
        held = s.array("float", len(order), named=False)
        s.add("whole", [aligned], result=held)
        aligned = Seen(held)
    made = s.result_of(begin, [], shape, precision)
    for at in itertools.product(*(range(sizes[label]) for label in layout.taps)):
        known = dict(zip(layout.taps, at, strict=True))
        places = [
            _slices(form, run, known, sizes, s.extents, extent)
            for form, run, extent in zip(forms, layout.runs, extents, strict=True)
        ]
        if all(place is not None for place in places):
            target = ", ".join(place[0] for place in places if place is not None)
            part = [str(k) for k in at]
            part += [place[1] for place, run in zip(places, layout.runs, strict=True) if place and run is not None]
            while part and part[-1] == ":":
                part.pop()
            taken = aligned.by("part", ", ".join(part)) if part else aligned
            s.add("set" if apart else "increase", [taken], out=Seen(made).by("slices", target))
    return made


def one_by_one(s: Scheduler, operation: Operation, read: Operand) -> Array:
    """One addition for each shift, in a loop: right for all sizes, and little memory."""
    (core,), forms = operation.operands, operation.detail.forms
    start = tuple(origin(form, s.sizes) for form in forms)
    steps = tuple(tuple(dict(form.labels).get(label, 0) for form in forms) for label in core.labels)
    return s.result_of("overlap", [read], s.shape(operation.out, operation), start, steps)


def placed(s: Scheduler, operation: Operation, begin: str, aligned: Operand, order: Labels) -> Array:
    """Nothing overlaps: zeros, and the core in a strided view of them."""
    made = s.result_of(begin, [], s.shape(operation.out, operation), s.precision_of(operation))
    start = tuple(constant_of(form, s.extents) for form in operation.detail.forms)
    sizes = tuple(s.extents[operation.dims[label]] for label in order)
    steps = tuple(tuple(dict(form.labels).get(label, 0) for form in operation.detail.forms) for label in order)
    s.add("set", [aligned], out=Seen(made).by("window", start, sizes, steps, True))
    return made


def shifted(s: Scheduler, operation: Operation, aligned: Operand, order: Labels, sizes: tuple[int, ...]) -> Array:
    """Many offsets: one row of zeros for each, the core laid into them where it belongs, and the rows added up."""
    forms = operation.detail.forms
    low, high = zip(*(bounds(form, sizes, s.extents) for form in forms), strict=True)
    extents = [sizes[label] for label in operation.out]
    before = tuple(max(0, -each) for each in low)
    wide = tuple(b + max(extent, top + 1) for b, extent, top in zip(before, extents, high, strict=True))
    start = tuple(constant_of(form, s.extents) + b for form, b in zip(forms, before, strict=True))
    steps = tuple(tuple(dict(form.labels).get(label, 0) for form in forms) for label in order)
    count = len(order) - sum(run is not None for run in layout_of(operation, sizes).runs)
    keep = ", ".join(f"{b}:{b + extent}" for b, extent in zip(before, extents, strict=True))
    found = s.array("float", len(extents), named=False)
    s.add("overlap_add", [aligned], count, wide, start, steps, result=found)
    return s.owned_view(Seen(found).by("slices", keep))


# ---- copies and blocks -----------------------------------------------------------------------------------------------


def copied(s: Scheduler, operation: Operation) -> Array:
    read = s.aligned(operation.operands[0], operation.out)
    made = s.destination(operation, ()) if s.blocks and not s.above else None
    if made is None:
        return s.result_of("copy", [read])
    s.add("copyto", [read], out=Seen(made))
    return made


def split(s: Scheduler, operation: Operation) -> Array:
    (ref,) = operation.operands
    count, width, length = (s.extents[operation.dims[label]] for label in (*operation.out, *ref.labels))
    array = s.values[ref.value]
    seen = Seen(array)
    if count * width > length:
        wide = s.array("float", 1, named=False)
        s.add("padded", [seen], (0,), (count * width - length,), 0, result=wide)
        seen = Seen(wide)
    return _reshaped(s, seen.by("reshape", str(count), str(width)), seen.array is array)


def joined(s: Scheduler, operation: Operation) -> Array:
    (ref,) = operation.operands
    length = s.extents[operation.dims[operation.out[0]]]
    return _reshaped(s, Seen(s.values[ref.value]).by("reshape", "-1").by("slices", f":{length}"), True)


def _reshaped(s: Scheduler, seen: Seen, view: bool) -> Array:
    """A view of what lies in one piece; all else is copied by reshape, at every call."""
    if view and seen.array.home is not None:
        return s.view(seen)
    array = seen.array
    rank = len(s.operation.out) if s.operation is not None else 0
    made = Array(s.fresh(), "float", array.precision, rank, constant=s.above, buffers=array.buffers, fixed=s.above)
    s.add("view", [seen], result=made)
    return made


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
