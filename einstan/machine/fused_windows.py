"""Entries added where a form or an index says, as loops that numba compiles: the transposes of windows and of gathers.

Each is a function of its own, called like one of NumPy's.  All that is added to one part of the result is added while
that part lies in the cache.
"""

from __future__ import annotations

import math

from einstan.machine.fused_products import FusedProducts
from einstan.machine.lower import bounds, constant_of
from einstan.machine.operations import Form, Labels, Operation
from einstan.machine.overlaps import layout_of
from einstan.machine.spelling import comment
from einstan.machine.writer import Variable

SCATTER = """@compiled
def {name}(index, values, out):
    # {comment}
    out[...] = F(0)
    for n in range({count}):
        row = index[n]
        if 0 <= row < {size}:
            for d in range({width}):
                out[row, d] += values[n, d]"""


class FusedWindows(FusedProducts):
    """The rules for ``overlap`` and ``scatter``."""

    kernels: list[str]

    def taken_over(self, operation: Operation) -> bool:
        """Whether all floats have the precision of the loops, and there is something to add."""
        core = self.variables[operation.operands[-1].value]
        alike = core.type == "float" and core.precision == self.precision and not core.constant
        return alike and all(self.extents[dim] for dim in operation.dims)

    def kernel(self, name: str, text: str) -> None:
        self.kernels.append(text)
        self.taken.add(name)

    def do_scatter(self, value: int, operation: Operation, constant: bool) -> Variable:
        at, core = operation.operands
        rest = tuple(label for label in core.labels if label not in at.labels)
        whole = set(core.labels) == {*at.labels, *rest} and operation.out == (operation.out[0], *rest)
        if constant or not whole or not self.taken_over(operation):
            return super().do_scatter(value, operation, constant)
        made = self.storage(value)
        size = self.extents[operation.dims[operation.out[0]]]
        count, width = (math.prod(self.extents[operation.dims[x]] for x in group) for group in (at.labels, rest))
        name = f"scatter_{value}"
        told = comment(operation.equation)
        self.kernel(name, SCATTER.format(name=name, comment=told, count=count, size=size, width=width))
        index = f"{self.whole(at, operation)}.reshape(-1)"
        entries = f"{self.aligned(core, (*at.labels, *rest))}.reshape({count}, {width})"
        self.say(operation, f"{name}({index}, {entries}, {made.text}.reshape({size}, {width}))")
        return made

    def do_overlap(self, value: int, operation: Operation, constant: bool) -> Variable:
        if constant or not self.taken_over(operation):
            return super().do_overlap(value, operation, constant)
        sizes = tuple(self.extents[dim] for dim in operation.dims)
        found = self.overlap_order(operation, sizes)
        if found is None:
            return super().do_overlap(value, operation, constant)
        kept, taps, runs = found
        (core,) = operation.operands
        order = (*kept, *taps, *(run for run in runs if run is not None))
        made = self.storage(value)
        name = f"overlap_{value}"
        lines = self.overlap_lines(operation, kept, taps, runs, sizes)
        self.kernel(name, "\n".join([f"@compiled\ndef {name}(core, out):", *lines]))
        self.say(operation, f"{name}({self.aligned(core, order)}, {made.text})")
        return made

    def overlap_order(
        self, operation: Operation, sizes: tuple[int, ...]
    ) -> tuple[list[int], Labels, list[int | None]] | None:
        """The labels that the result has as the core has them, those that shift, and what runs along the other axes."""
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
        return kept, layout.taps, runs

    def overlap_lines(
        self,
        operation: Operation,
        kept: list[int],
        taps: Labels,
        runs: list[int | None],
        sizes: tuple[int, ...],
        one_row: bool = False,
    ) -> list[str]:
        """Loops over what is kept, over the shifts, and along the axes of the result; or those for one row of it."""
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
            extent, last = self.extents[operation.dims[label]], number == len(forms) - 1
            terms = [f"{k} * {at[x]}" for x, k in form.labels if x != run]
            lines.append(f"{indent}first{number} = {' + '.join([str(constant_of(form, self.extents)), *terms])}")
            if run is None:
                lines.append(f"{indent}if 0 <= first{number} < {extent}:")
                indent += "    "
                places.append(f"first{number}")
                continue
            step, length = dict(form.labels)[run], sizes[run]
            low, high = self.range_of_run(form, sizes, number, step, length, extent)
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
        self, form: Form, sizes: tuple[int, ...], number: int, step: int, length: int, extent: int
    ) -> tuple[str, str]:
        """For which entries of a run the form is inside."""
        low, high = bounds(form, sizes, self.extents)
        if low >= 0 and high < extent:
            return "0", str(length)
        first, wide = f"first{number}", abs(step)
        if step > 0:
            return f"max(0, -({first} // {wide}))", f"min({length}, ({extent - 1} - {first}) // {wide} + 1)"
        return f"max(0, -(({extent - 1} - {first}) // {wide}))", f"min({length}, {first} // {wide} + 1)"
