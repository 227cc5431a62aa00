"""Entries added where a form or an index says, as loops: the transposes of windows and of gathers.

Each is a function of its own, called like one of NumPy's.  All that is added to one part of the result is added while
that part lies in the cache.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from einstan.machine.kernels.looping import Looping
from einstan.machine.schedule.calls import Array, Seen
from einstan.machine.schedule.overlaps import layout_of, overlapped
from einstan.machine.schedule.positions import scattered, whole_numbers
from einstan.machine.schedule.scheduler import Scheduler
from einstan.machine.sizes.lower import bounds, constant_of
from einstan.machine.sizes.operations import Form, Labels, Operation
from einstan.machine.sizes.spelling import comment

SCATTER = """(index, values, out):
    # {comment}
    out[...] = F(0)
    for n in range({count}):
        row = index[n]
        if 0 <= row < {size}:
            for d in range({width}):
                out[row, d] += values[n, d]"""


class Order(NamedTuple):
    """The labels that the result has as the core has them, those that shift, and what runs along the other axes."""

    kept: list[int]
    taps: Labels
    runs: list[int | None]

    @property
    def labels(self) -> Labels:
        return (*self.kept, *self.taps, *(run for run in self.runs if run is not None))


def taken_over(s: Looping, operation: Operation) -> bool:
    """Whether all floats have the precision of the loops, and there is something to add."""
    core = s.values.get(operation.operands[-1].value)
    alike = core is not None and core.type == "float" and core.precision == s.precision and not core.constant
    return alike and not s.above and all(s.extents[dim] for dim in operation.dims)


def scattered_by_loop(s: Scheduler, operation: Operation) -> Array:
    assert isinstance(s, Looping)
    at, core = operation.operands
    rest = tuple(label for label in core.labels if label not in at.labels)
    whole = set(core.labels) == {*at.labels, *rest} and operation.out == (operation.out[0], *rest)
    if not whole or not taken_over(s, operation):
        return scattered(s, operation)
    index, values = whole_numbers(s, at, operation), s.aligned(core, (*at.labels, *rest))
    made = s.storage(s.value)
    size = s.extents[operation.dims[operation.out[0]]]
    count, width = (math.prod(s.extents[operation.dims[x]] for x in group) for group in (at.labels, rest))
    name = f"scatter_{s.value}"
    told = comment(operation.equation)
    s.kernel(name, SCATTER.format(comment=told, count=count, size=size, width=width).split("\n"))
    assert isinstance(index, Seen)
    assert isinstance(values, Seen)
    reads = [index.by("fold", "-1"), values.by("fold", str(count), str(width))]
    s.add("loop", reads, name, out=Seen(made).by("fold", str(size), str(width)))
    return made


def overlapped_by_loop(s: Scheduler, operation: Operation) -> Array:
    assert isinstance(s, Looping)
    sizes = tuple(s.extents[dim] for dim in operation.dims)
    found = overlap_order(operation, sizes) if taken_over(s, operation) else None
    if found is None:
        return overlapped(s, operation)
    (core,) = operation.operands
    read, made, name = s.aligned(core, found.labels), s.storage(s.value), f"overlap_{s.value}"
    s.kernel(name, ["(core, out):", *overlap_lines(s, operation, found, sizes)])
    s.add("loop", [read], name, out=Seen(made))
    return made


def overlap_order(operation: Operation, sizes: tuple[int, ...]) -> Order | None:
    layout, forms = layout_of(operation, sizes), operation.detail.forms
    # Axes that the core has as they are: each of their entries has a part of the result for itself.
    kept: list[int] = []
    for form, label in zip(forms, operation.out, strict=True):
        if form.label is None or form.label in layout.taps or sizes[form.label] != sizes[label]:
            break
        kept.append(form.label)
    rest = [label for form in forms[len(kept) :] for label, _ in form.labels]
    runs = list(layout.runs[len(kept) :])
    if set(kept) & set(rest) or not runs or runs[-1] is None:
        return None
    return Order(kept, layout.taps, runs)


def overlap_lines(
    s: Looping, operation: Operation, order: Order, sizes: tuple[int, ...], one_row: bool = False
) -> list[str]:
    """Loops over what is kept, over the shifts, and along the axes of the result; or those for one row of it."""
    kept, taps, runs = order
    forms, out = operation.detail.forms[len(kept) :], operation.out[len(kept) :]
    kept = kept[one_row:]
    at = {label: f"i{number}" for number, label in enumerate((*kept, *taps))}
    lines = [f"    # {comment(operation.equation)}"]
    indent = "    "
    for label in kept:
        lines.append(f"{indent}for {at[label]} in range({sizes[label]}):")
        indent += "    "
    names = ", ".join(at[label] for label in kept)
    lines.append(f"{indent}part, piece = {f'out[{names}], core[{names}]' if kept else 'out, core'}")
    lines.append(f"{indent}part[...] = F(0)")
    for label in taps:
        lines.append(f"{indent}for {at[label]} in range({sizes[label]}):")
        indent += "    "
    places, held = [], [at[label] for label in taps]
    for number, (form, label, run) in enumerate(zip(forms, out, runs, strict=True)):
        extent, last = s.extents[operation.dims[label]], number == len(forms) - 1
        terms = [f"{k} * {at[x]}" for x, k in form.labels if x != run]
        lines.append(f"{indent}first{number} = {' + '.join([str(constant_of(form, s.extents)), *terms])}")
        if run is None:
            lines.append(f"{indent}if 0 <= first{number} < {extent}:")
            indent += "    "
            places.append(f"first{number}")
            continue
        step, length = dict(form.labels)[run], sizes[run]
        low, high = range_of_run(s, form, sizes, number, step, length, extent)
        if not last:
            lines.append(f"{indent}for k{number} in range({low}, {high}):")
            indent += "    "
            places.append(f"first{number} + {step} * k{number}")
            held.append(f"k{number}")
            continue
        lines.append(f"{indent}low, high = {low}, {high}")
        lines.append(f"{indent}if low < high:")
        indent += "    "
        stride = f":{step}" if step != 1 else ""
        into = ", ".join([*places, f"first{number} + {step} * low:{stride}"])
        source = ", ".join([*held, "low:high"])
        lines.append(f"{indent}into, entries = part[{into}], piece[{source}]")
        lines.append(f"{indent}for k in range(high - low):")
        lines.append(f"{indent}    into[k] += entries[k]")
    return lines


def range_of_run(
    s: Looping, form: Form, sizes: tuple[int, ...], number: int, step: int, length: int, extent: int
) -> tuple[str, str]:
    """For which entries of a run the form is inside."""
    low, high = bounds(form, sizes, s.extents)
    if low >= 0 and high < extent:
        return "0", str(length)
    first, wide = f"first{number}", abs(step)
    if step > 0:
        return f"max(0, -({first} // {wide}))", f"min({length}, ({extent - 1} - {first}) // {wide} + 1)"
    return f"max(0, -(({extent - 1} - {first}) // {wide}))", f"min({length}, {first} // {wide} + 1)"
