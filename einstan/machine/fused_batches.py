"""Products over a batch, windows and overlaps as parts of a loop over rows that numba compiles.

    Y[n,j,p] = W[j,K] X[n,K,p]        one call of the BLAS for each n
    G[j,k] = D[N,j,P] X[N,k,P]        one call for each N, each of which adds to what is there
    K[n,k,p] = X[n,p+k]               a copy of one row of the window
    D[n,p+k] += K[n,k,p]              what overlaps in one row

Neighbours that go over one batch share the loop.  What lives only in one row then has memory for one row, which is
still in the cache when it is read.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass, replace

from einstan.machine.fused_windows import FusedWindows
from einstan.machine.loop_nest import Part, Rows
from einstan.machine.lower import as_matrices, bounds, constant_of
from einstan.machine.operations import Form, Labels, Operation, Ref
from einstan.machine.writer import Variable


@dataclass(frozen=True)
class Batched:
    """A product as one of matrices for each entry of a batch: its labels, and the operation for one entry."""

    batch: Labels
    single: Operation  # of operands 0 and 1
    operands: tuple[Ref, ...]  # as they are read: without the labels along which they are only repeated


class FusedBatches(FusedWindows):
    """The rules for ``contract`` with a batch, ``copy`` of a window, and ``overlap``, one row after the other."""

    @abstractmethod
    def rows_for(self, operation: Operation, labels: Labels, size: int) -> Rows:
        """The loop over rows that is open, if all that this operation reads of it is in the same row; or a new one."""

    @abstractmethod
    def read_through(self, refs: tuple[Ref, ...]) -> list[Ref]:
        """The operands, and what stands behind those that are computed where they are read."""

    def start(self, gemm: bool) -> None:
        super().start(gemm)
        self.views_read: set[int] = set()  # windows and repetitions that are read where they are used
        self.parts_of: dict[int, Part] = {}  # of products over a batch
        self.single_rows: set[str] = set()  # buffers with memory for one row

    # ---- what is read where it is used -------------------------------------------------------------------------------

    def is_view_read(self, value: int, operation: Operation) -> bool:
        """Whether all that reads a window or a repetition reads its operand instead."""
        if operation.kind not in ("read", "expand") or len(operation.operands) != 1 or value in self.kept:
            return False
        (ref,) = operation.operands
        if not self.lies_whole(ref.value) or any(self.extents[dim] == 0 for dim in operation.dims):
            return False
        readers = [self.graph.operations[reader] for reader in self.readers.get(value, ())]
        if operation.kind == "read":
            return bool(readers) and all(r.kind == "copy" and self.window_of(r) is not None for r in readers)
        return bool(readers) and self.gemm and all(self.batched(r) is not None for r in readers)

    def view_read(self, value: int, operation: Operation) -> None:
        (ref,) = operation.operands
        base = self.variables[ref.value]
        base.owned = False
        self.views_read.add(value)
        self.uses[ref.value] += len(self.readers[value])
        self.variables[value] = Variable("", "float", self.precision, False, buffers=base.buffers)

    def behind(self, ref: Ref) -> Ref:
        """What is read for an operand that is a window or a repetition; -1 where an axis is no label."""
        if ref.value not in self.views_read:
            return ref
        operation = self.graph.operations[ref.value]
        names = dict(zip(operation.out, ref.labels, strict=True))
        (base,) = operation.operands
        if operation.kind == "expand":
            return self.behind(base.renamed(names))
        forms = operation.detail.slots
        return Ref(base.value, tuple(names.get(form.label, -1) if form.label is not None else -1 for form in forms))

    def lies_whole(self, value: int) -> bool:
        """Whether floats of the precision of the loops lie in order, in an array or in the block."""
        variable = self.variables[value]
        if variable.type != "float" or variable.precision != self.precision or not self.plan.shape(value):
            return False
        return variable.home is not None or value in self.filled or self.plan_input(value)

    # ---- which -------------------------------------------------------------------------------------------------------

    def has_rule(self, value: int, operation: Operation) -> bool:
        if super().has_rule(value, operation):
            return True
        if any(self.extents[dim] == 0 for dim in operation.dims):
            return False
        if operation.kind == "copy":
            return operation.operands[0].value in self.views_read
        if operation.kind == "overlap":
            return self.lies_whole(operation.operands[0].value) and self.overlap_rows(operation) is not None
        made = self.batched(operation) if operation.kind == "contract" and self.gemm else None
        return made is not None and all(self.lies_whole(ref.value) for ref in made.operands)

    def batched(self, operation: Operation) -> Batched | None:
        """The fewest labels in front that make of all other a product of matrices."""
        if operation.kind != "contract" or len(operation.operands) != 2 or operation.detail != 2:
            return None
        if not operation.summed:
            return None
        operands = tuple(self.without_repetition(ref) for ref in operation.operands)
        for count in range(1, len(operation.out)):
            batch = operation.out[:count]
            single = []
            for number, ref in enumerate(operands):
                has = ref.labels[:count] == batch
                if not has and set(batch) & set(ref.labels):
                    return None
                single.append(Ref(number, ref.labels[count:] if has else ref.labels))
            if set(batch) - {label for ref in operands for label in ref.labels}:
                return None
            left = replace(operation, operands=tuple(single), out=operation.out[count:])
            found = as_matrices(left, self.extents)
            if found is not None:
                *_, rows, columns, _ = found
                return Batched(batch, left, operands) if rows > 1 and columns > 1 else None
        return None

    def without_repetition(self, ref: Ref) -> Ref:
        """The operand of an ``expand``, whether it is made or not."""
        made = self.graph.operations[ref.value]
        if made.kind != "expand" or (ref.value in self.variables and ref.value not in self.views_read):
            return ref
        (base,) = made.operands
        return base.renamed(dict(zip(made.out, ref.labels, strict=True)))

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

    # ---- parts of a loop ---------------------------------------------------------------------------------------------

    def write_row(self, value: int, operation: Operation) -> bool:
        """A part for one of these operations; False where it is none of them."""
        if operation.kind == "copy":
            self.copy_rows(value, operation)
        elif operation.kind == "overlap":
            self.add_rows(value, operation)
        elif operation.kind == "contract" and len(operation.operands) == 1:
            return self.sums_batch(value, operation)
        else:
            made = self.batched(operation)
            if made is None or as_matrices(operation, self.extents) is not None:
                return False
            self.variables[value] = self.storage(value)
            self.rows_of(value, operation, made.batch)
            target = self.matrix_at(Ref(value, operation.out), made.batch)
            self.parts_of[value] = self.last_part()
            self.parts_of[value].first += self.product_lines(operation, made, target, "0")
        return True

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

    def product_lines(self, operation: Operation, made: Batched, target: str, beta: str) -> list[str]:
        """One call of the BLAS, in loops over what else is a batch."""
        found = as_matrices(made.single, self.extents)
        assert found is not None
        first, turned, second, turned_too, rows, columns, depth = found
        a, b = (self.matrix_at(made.operands[ref.value], made.batch) for ref in (first, second))
        lengths = rows if turned else depth, depth if turned_too else columns
        sides = f"{112 if turned else 111}, {112 if turned_too else 111}, {rows}, {columns}, {depth}"
        lines, indent = [], ""
        for k, label in enumerate(made.batch[1:], 1):
            lines.append(f"{indent}for i{k} in range({self.extents[operation.dims[label]]}):")
            indent += "    "
        call = f"gemm(101, {sides}, F(1), {a}, {lengths[0]}, {b}, {lengths[1]}, F({beta}), {target}, {columns})"
        return [*lines, indent + call]

    def matrix_at(self, ref: Ref, batch: Labels) -> str:
        """The address of a matrix: of the whole value, or of one entry of a batch."""
        value = ref.value
        if ref.labels[: len(batch)] != batch:
            return self.pointer(value)
        variable, shape = self.variables[value], self.plan.shape(value)
        self.loaded.add(value)
        index = [f"i{k}" for k in range(len(batch))]
        if variable.home is None or self.is_kept(variable.home):
            self.passed[variable.text] = None
            return f"{variable.text}[{', '.join(index)}].ctypes"
        terms = [self.row_start(value)]
        terms += [f"{at} * {math.prod(shape[k + 1 :])}" for k, at in enumerate(index) if k]
        return f"m[{' + '.join(terms)}:].ctypes"

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

    def sums_batch(self, value: int, operation: Operation) -> bool:
        """The sum over the batch of a product that nothing else reads: each entry of the batch is added to it."""
        (ref,) = operation.operands
        last = self.blocks[-1] if self.blocks else None
        part, made = self.parts_of.get(ref.value), self.graph.operations[ref.value]
        if part is None or not isinstance(last, Rows) or ref.value in self.kept or len(self.readers[ref.value]) > 1:
            return False
        found = self.batched(made)
        if found is None or not any(part is other for other in last.parts):
            return False
        if operation.out != ref.labels[len(found.batch) :] or not operation.out:
            return False
        self.variables[value] = self.storage(value)
        part.first = [
            f"# {self.comment_of(operation)}",
            *self.product_lines(made, found, self.pointer(value), "1"),
        ]
        last.before.append(self.zeros(value))
        last.made.discard(ref.value)
        last.made.add(value)
        last.closed.add(value)
        return True

    @abstractmethod
    def zeros(self, value: int) -> str:
        """The lines that fill a value with zeros."""

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

    # ---- memory for one row ------------------------------------------------------------------------------------------

    def shrink(self, rows: Rows) -> None:
        """What is read in the loop alone that makes it needs memory for one row."""
        for value in rows.made - rows.closed - self.kept:
            home, shape = self.variables[value].home, self.plan.shape(value)
            if home is None or len(shape) < 2 or self.is_kept(home) or len(home.names) > 1:
                continue
            if all(reader in rows.values for reader in self.readers.get(value, ())):
                self.single_rows.add(home.names[0])
                home.resize((1, *shape[1:]))
