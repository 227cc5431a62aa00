"""Windows and overlaps as parts of a loop over rows that numba compiles.

    K[n,k,p] = X[n,p+k]          a copy of one row of the window
    D[n,p+k] += K[n,k,p]         what overlaps in one row

What is made and read in one loop alone has memory for one row, which is still in the cache when it is read.
"""

from __future__ import annotations

import math
from abc import abstractmethod

from einstan.machine.fused_windows import FusedWindows
from einstan.machine.loop_nest import Part, Rows
from einstan.machine.lower import bounds, constant_of
from einstan.machine.operations import Form, Labels, Operation


class FusedRows(FusedWindows):
    """The rules for ``copy`` of a window and for ``overlap``, one row after the other."""

    def start(self, gemm: bool) -> None:
        super().start(gemm)
        self.views_read: set[int] = set()  # windows and repetitions that are read where they are used
        self.single_rows: set[str] = set()  # buffers with memory for one row

    @abstractmethod
    def rows_for(self, operation: Operation, labels: Labels, size: int) -> Rows:
        """The loop over rows that is open, if all that this operation reads of it is in the same row; or a new one."""

    # ---- rows --------------------------------------------------------------------------------------------------------

    def rows_of(self, value: int, operation: Operation, labels: Labels) -> Rows:
        rows = self.rows_for(operation, labels, self.plan.shape(value)[0])
        said = [f"# {self.comment_of(operation)}"]
        rows.parts.append(Part((), first=said if said != rows.before else []))
        rows.made.add(value)
        self.loaded.add(value)
        return rows

    def last_part(self) -> Part:
        part = self.part
        assert part is not None
        return part

    def lies_whole(self, value: int) -> bool:
        """Whether floats of the precision of the loops lie in order, in an array or in the block."""
        variable = self.variables[value]
        if variable.type != "float" or variable.precision != self.precision or not self.plan.shape(value):
            return False
        return variable.home is not None or value in self.filled or self.plan_input(value)

    def row_start(self, value: int) -> str:
        """Where a row of a value begins in the block, which may have memory for one row alone."""
        home, shape = self.variables[value].home, self.plan.shape(value)
        assert home is not None
        return f"@{home.names[0]}@ + @row:{home.names[0]}:{math.prod(shape[1:])}@"

    def row_array(self, value: int) -> str:
        """One row of a value as an array."""
        variable, shape = self.variables[value], self.plan.shape(value)
        self.loaded.add(value)
        if variable.home is None or self.is_kept(variable.home):
            self.passed[variable.text] = None
            return f"{variable.text}[i0]"
        start = self.row_start(value)
        return f"m[{start} : {start} + {math.prod(shape[1:])}].reshape({shape[1:]})"

    def read_within(self, rows: Rows, value: int) -> bool:
        """Whether a loop has all operations that read a value, or what is computed from it where it is read."""
        return all(
            reader in rows.values
            or (reader in self.masks | self.views_read and reader not in self.kept and self.read_within(rows, reader))
            for reader in self.readers.get(value, ())
        )

    def shrink(self, rows: Rows) -> None:
        """What is read in the loop alone that makes it needs memory for one row."""
        for value in rows.made - rows.closed - self.kept - self.unseen:
            home, shape = self.variables[value].home, self.plan.shape(value)
            if home is None or len(shape) < 2 or self.is_kept(home) or len(home.names) > 1:
                continue
            if self.read_within(rows, value):
                self.single_rows.add(home.names[0])
                home.resize((1, *shape[1:]))

    # ---- windows -----------------------------------------------------------------------------------------------------

    def window_of(self, operation: Operation) -> Operation | None:
        """The window that a copy reads, if it goes along the rows of what it looks at."""
        (ref,) = operation.operands
        window = self.graph.operations[ref.value]
        if window.kind != "read" or len(window.operands) != 1 or len(operation.out) < 2:
            return None
        names = dict(zip(window.out, ref.labels, strict=True))
        first, *others = window.detail.slots
        if first.values or any(form.values for form in others) or first.label is None:
            return None
        alone = all(first.label not in dict(form.labels) for form in others)
        return window if alone and names[first.label] == operation.out[0] else None

    def copy_rows(self, value: int, operation: Operation) -> None:
        """A window, row by row: zero outside, or what else stands there."""
        window = self.window_of(operation)
        assert window is not None
        (ref,), (base,) = operation.operands, window.operands
        self.variables[value] = self.storage(value)
        self.rows_of(value, operation, operation.out)
        names = dict(zip(window.out, ref.labels, strict=True))
        forms = [form.renamed(names) for form in window.detail.slots]
        sizes = tuple(self.extents[dim] for dim in operation.dims)
        extents = self.plan.shape(base.value)
        reach = [bounds(form, sizes, self.extents) for form in forms]
        outside = [low < 0 or high >= n for (low, high), n in zip(reach, extents, strict=True)]
        name = f"window_{value}"
        lines = ["@compiled", f"def {name}(row, window):", f"    # {self.comment_of(operation)}"]
        if any(outside):
            lines.append(f"    window[...] = F({window.detail.fill})")
        *loops, run = operation.out[1:]
        at = {label: f"i{k}" for k, label in enumerate(operation.out)}
        indent, index = "    ", []
        for label in loops:
            lines.append(f"{indent}for {at[label]} in range({sizes[label]}):")
            indent += "    "
        low, high = "0", str(sizes[run])
        limits = []
        for k, form in enumerate(forms[1:], 1):
            step = dict(form.labels).get(run, 0)
            index.append(self.form_text(form, at))
            if not outside[k]:
                continue
            if not step:
                lines.append(f"{indent}if 0 <= {index[-1]} < {extents[k]}:")
                indent += "    "
                continue
            rest = form._replace(labels=tuple((x, c) for x, c in form.labels if x != run))
            lines.append(f"{indent}first{k} = {self.form_text(rest, at)}")
            limits.append(self.range_of_run(form, sizes, k, step, sizes[run], extents[k]))
        if limits:
            low = limits[0][0] if len(limits) == 1 else f"max({', '.join(low for low, _ in limits)})"
            high = limits[0][1] if len(limits) == 1 else f"min({', '.join(high for _, high in limits)})"
        lines.append(f"{indent}for {at[run]} in range({low}, {high}):")
        place = ", ".join(at[label] for label in operation.out[1:])
        lines.append(f"{indent}    window[{place}] = row[{', '.join(index)}]")
        self.kernel(name, "\n".join(lines))
        self.last_part().first.append(f"{name}({self.row_array(base.value)}, {self.row_array(value)})")

    def form_text(self, form: Form, at: dict[int, str]) -> str:
        terms = [at[x] if c == 1 else f"{c} * {at[x]}" for x, c in form.labels]
        constant = constant_of(form, self.extents)
        return " + ".join([*terms, *([str(constant)] if constant or not terms else [])])

    def overlap_rows(self, operation: Operation) -> tuple[list[int], Labels, list[int | None]] | None:
        """The labels that the core has as they are, the shifts, and the runs, if the core lies in this order."""
        if not self.taken_over(operation):
            return None
        sizes = tuple(self.extents[dim] for dim in operation.dims)
        found = self.overlap_order(operation, sizes)
        if found is None:
            return None
        kept, taps, runs = found
        order = (*kept, *taps, *(run for run in runs if run is not None))
        return found if kept and operation.operands[0].labels == order else None

    def add_rows(self, value: int, operation: Operation) -> None:
        found = self.overlap_rows(operation)
        assert found is not None
        kept, taps, runs = found
        (core,) = operation.operands
        self.variables[value] = self.storage(value)
        self.rows_of(value, operation, core.labels)
        name = f"overlap_{value}"
        sizes = tuple(self.extents[dim] for dim in operation.dims)
        lines = self.overlap_lines(operation, kept, taps, runs, sizes, one_row=True)
        self.kernel(name, "\n".join([f"@compiled\ndef {name}(core, out):", *lines]))
        self.last_part().first.append(f"{name}({self.row_array(core.value)}, {self.row_array(value)})")
