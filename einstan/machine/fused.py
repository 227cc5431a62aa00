"""Source with loops: runs of elementwise operations, reductions and matrix products as functions that numba compiles.

A run becomes one function.  In it, operations that go over the same rows share a loop over rows, and neighbours of one
shape share an inner loop, so that what is only read there is never stored.  Matrix products are calls of the BLAS that
NumPy has loaded; a product that is only added to something is accumulated there.  What has no rule here stays a call of
NumPy between two such functions.
"""

from __future__ import annotations

import math
import re

from einstan.language.term import Name
from einstan.machine.backends.numpy import blas_gemm
from einstan.machine.emit import Source
from einstan.machine.fused_batches import FusedBatches
from einstan.machine.inplace import BLAS
from einstan.machine.loop_nest import Part, Rows, loop_lines
from einstan.machine.operations import COMPARISONS, Labels, Operation, Ref
from einstan.machine.plan import Plan
from einstan.machine.writer import Variable


class Fused(FusedBatches):
    """The rules for operations in loops; all others are those of `Specialised`."""

    def start(self, gemm: bool) -> None:
        super().start(gemm)
        self.kernels: list[str] = []
        self.taken |= {"F", "m", "gemm", "njit", "exp", "log", "tanh", "sqrt"}
        self.scalars: list[int] = []

    # ---- which -------------------------------------------------------------------------------------------------------

    def operation(self, value: int) -> None:
        operation = self.graph.operations[value]
        if operation.kind in ("input", "number") or all(self.variables[o.value].constant for o in operation.operands):
            super().operation(value)
            return
        if self.is_view_read(value, operation):
            self.view_read(value, operation)
            self.touch_inside(value)
            self.release(value, operation)
            return
        if not self.has_rule(value, operation):
            self.flush()
            for ref in operation.operands:
                for unmade in (self.views_read, self.masks):  # what loops compute where they read it
                    if ref.value in unmade:
                        unmade.remove(ref.value)
                        super().operation(ref.value)
            super().operation(value)
            return
        self.value, self.now, self.above = value, self.now + 1, False
        for ref in operation.operands:
            self.spell_number(ref.value, False)
            self.touch_inside(ref.value)
        self.write(value, operation)
        self.inside.add(value)
        self.touch_inside(value)
        block = self.blocks[-1] if self.blocks else None
        if isinstance(block, Rows) and value not in self.masks:
            block.values.add(value)
            for ref in (*operation.operands, Ref(value, ())):
                self.held_by(block, ref.value)
        self.latest = value
        if value in self.plan.presumed:
            self.unseen.add(value)
            self.loaded.add(value)
            self.variables[value].owned = False
        self.release(value, operation)

    def held_by(self, rows: Rows, value: int) -> None:
        """What a loop touches is needed from its first operation to its last: rows go through all of them in turn."""
        if value in self.masks:
            for ref in self.graph.operations[value].operands:
                self.held_by(rows, ref.value)
        rows.buffers |= dict.fromkeys(self.variables[value].buffers)
        for buffer in rows.buffers:
            buffer.first, buffer.last = min(buffer.first, rows.start), max(buffer.last, self.now)

    def touch_inside(self, value: int) -> None:
        if value in self.masks:
            for ref in self.graph.operations[value].operands:
                self.touch_inside(ref.value)
        self.touch(self.variables[value].buffers)

    # ---- operations --------------------------------------------------------------------------------------------------

    def write(self, value: int, operation: Operation) -> None:
        if operation.kind == "map" and operation.detail[0] in COMPARISONS:
            self.masks.add(value)
            inner = [self.variables[ref.value] for ref in operation.operands]
            buffers = tuple(dict.fromkeys(b for variable in inner for b in variable.buffers))
            self.variables[value] = Variable("", "bool", "", False, buffers=buffers)
            for ref in operation.operands:
                self.variables[ref.value].owned = False
                self.uses[ref.value] += len(self.readers.get(value, ()))
            return
        if self.write_row(value, operation):
            return
        if operation.kind == "contract" and operation.summed and len(operation.operands) == 2 and operation.out:
            self.variables[value] = self.storage(value)
            self.blocks.append(self.multiply(value, operation, "0"))
            self.comment_last(operation)
            return
        if not operation.out and all(not ref.labels for ref in operation.operands):
            self.variables[value] = self.storage(value)
            expression = self.expression(operation, {})
            self.blocks.append(f"    {self.variables[value].text} = {expression}")
            self.scalars.append(value)
            return
        if operation.kind == "map" and self.accumulates(value, operation):
            return
        self.variables[value] = self.storage(value)
        self.looped(value, operation)

    def comment_last(self, operation: Operation) -> None:
        if isinstance(self.blocks[-1], str):
            self.blocks[-1] = f"    # {self.comment_of(operation)}\n{self.blocks[-1]}"

    def looped(self, value: int, operation: Operation) -> None:
        """An operation in a loop over rows."""
        labels = operation.out if operation.kind == "map" else self.loop_labels(operation)
        shape = tuple(self.extents[operation.dims[x]] for x in labels)
        rows = self.rows_for(operation, labels, shape[0])
        part = self.part_for(rows, operation, labels, shape[1:])
        at = {label: f"i{k}" for k, label in enumerate(labels)}
        expression = self.expression_in(operation, at)
        rows.made.add(value)
        own = operation.kind == "map" or (not operation.summed and operation.kind == "contract")
        if own:
            part.lines.append((f"v{value} = {expression}", -1))
            part.lines.append((f"{self.place(value, [at[x] for x in operation.out])} = v{value}", value))
            part.local.add(value)
            return
        biggest = operation.kind == "reduce"
        start = "F(-LARGEST)" if biggest else "F(0)"
        if not operation.out:
            name = self.variables[value].text
            rows.before.append(f"{name} = F(0)")
            part.first.append(f"s{value} = F(0)")
            part.lines.append((f"s{value} += {expression}", -1))
            part.last.append(f"{name} += s{value}")
            rows.closed.add(value)
            self.scalars.append(value)
        elif operation.out[0] == labels[0] and len(operation.out) == 1:
            part.first.append(f"s{value} = {start}")
            if biggest:
                part.lines += self.larger(value, f"s{value}", expression)
            else:
                part.lines.append((f"s{value} += {expression}", -1))
            part.last.append(f"{self.place(value, ['i0'])} = s{value}")
            part.totals.add(value)
            self.loaded.add(value)
        else:
            target = self.place(value, [at[x] for x in operation.out])
            rows.before.append(self.set_to(value, start))
            if biggest:
                part.lines += self.larger(value, target, expression)
            else:
                part.lines.append((f"{target} += {expression}", -1))
            rows.closed.add(value)
            self.loaded.add(value)

    def larger(self, value: int, target: str, expression: str) -> list[tuple[str, int]]:
        """The lines that take an entry into a maximum; NaN is kept."""
        new = f"w{value}"
        chosen = f"{new} if {new} > {target} or {new} != {new} else {target}"
        return [(f"{new} = {expression}", -1), (f"{target} = {chosen}", -1)]

    def zeros(self, value: int) -> str:
        return self.set_to(value, "F(0)")

    def set_to(self, value: int, start: str) -> str:
        """The lines that fill a value with one number."""
        count, held = math.prod(self.plan.shape(value)), self.variables[value]
        flat = f"m[@{held.home.names[0]}@ + k]" if held.home and not self.is_kept(held.home) else ""
        return f"for k in range({count}):\n            {flat} = {start}" if flat else f"{held.text}[...] = {start}"

    def expression_in(self, operation: Operation, at: dict[int, str]) -> str:
        return self.entry(operation.operands[0], at) if operation.kind == "reduce" else self.expression(operation, at)

    def loop_labels(self, operation: Operation) -> Labels:
        """The order of the loops: that of the largest operand."""
        if not operation.summed and operation.kind == "contract":
            return operation.out
        return max((ref.labels for ref in operation.operands), key=len)

    def rows_for(self, operation: Operation, labels: Labels, size: int) -> Rows:
        """The loop over rows that is open, if all that this operation reads of it is in the same row."""
        last = self.blocks[-1] if self.blocks else None
        if isinstance(last, Rows) and last.size == size and len(last.parts) < 40:
            reads = list(self.read_through(operation.operands))
            held = [ref for ref in reads if ref.value in last.made]
            if all(ref.value not in last.closed and ref.labels[:1] == labels[:1] for ref in held):
                return last
        self.blocks.append(Rows(size, [f"# {self.comment_of(operation)}"], start=self.now))
        made = self.blocks[-1]
        assert isinstance(made, Rows)
        return made

    def read_through(self, refs: tuple[Ref, ...]) -> list[Ref]:
        """The operands, and what masks among them read, with the labels of this operation."""
        found: list[Ref] = []
        for ref in refs:
            if ref.value in self.masks:
                mask = self.graph.operations[ref.value]
                names = dict(zip(mask.out, ref.labels, strict=True))
                found += self.read_through(tuple(operand.renamed(names) for operand in mask.operands))
            else:
                found.append(self.behind(ref))
        return found

    def part_for(self, rows: Rows, operation: Operation, labels: Labels, shape: tuple[int, ...]) -> Part:
        """The inner loop that is open, if what this operation reads of it is the same entry."""
        last = rows.parts[-1] if rows.parts else None
        if last is not None and last.shape == shape:
            reads = self.read_through(operation.operands)
            held = [ref for ref in reads if ref.value in last.local | last.totals]
            if all(ref.value in last.local and ref.labels == labels for ref in held):
                return last
        rows.parts.append(Part(shape))
        return rows.parts[-1]

    # ---- functions ---------------------------------------------------------------------------------------------------

    def result(self, name: object) -> str:
        self.flush()
        return super().result(name)  # type: ignore[arg-type]

    def flush(self) -> None:
        """The function that is open, and its call."""
        blocks, self.blocks = self.blocks, []
        if not blocks:
            return
        name = f"kernel_{len(self.kernels) + 1}"
        lines: list[str] = []
        for block in blocks:
            if isinstance(block, Rows):
                self.shrink(block)
            lines += [block] if isinstance(block, str) else loop_lines(block, self.stored)
        scalars = [
            self.variables[v].text
            for v in dict.fromkeys(self.scalars)
            if v in self.kept | self.unseen or self.uses[v] > 0
        ]
        arguments = ", ".join(["m", *self.passed])
        returned = [f"    return {', '.join(scalars)}{',' if len(scalars) == 1 else ''}"] if scalars else []
        self.kernels.append("\n".join(["@compiled", f"def {name}({arguments}):", *lines, *returned]))
        call = f"{name}({', '.join(['floats', *(given or text for text, given in self.passed.items())])})"
        left = f"{', '.join(scalars)}{',' if len(scalars) == 1 else ''} = " if scalars else ""
        self.body.lines.append(f"    {left}{call}")
        self.body.lines += [f"    {scalar} = F({scalar})" for scalar in scalars]
        for value in sorted(self.unseen):
            self.touch(self.variables[value].buffers)
            self.look(value)
        self.inside, self.loaded, self.passed, self.scalars, self.latest = set(), set(), {}, [], -1
        self.unseen = set()
        self.body.equation = ""

    def stored(self, value: int) -> bool:
        """Whether anything reads a value from memory: a later loop, or a later call."""
        return value in self.loaded or value in self.kept or self.uses[value] > 0

    def drop_unused(self, results: list[str]) -> None:
        """What lives in variables of a loop alone needs no memory."""
        lines = [line for line in (*self.body.lines, *self.view_lines, *results) if not line.lstrip().startswith("#")]
        used = set(re.findall(r"@(\w+)@", "\n".join(self.kernels))) | set(re.findall(r"\w+", "\n".join(lines)))
        self.arena.buffers = [buffer for buffer in self.arena.buffers if used.intersection(buffer.names)]

    def row_offset(self, name: str, stride: int) -> str:
        return "0" if name in self.single_rows else f"i0 * {stride}" if stride != 1 else "i0"

    def assembled(self, results: list[str]) -> Source:
        self.drop_unused(results)
        source = super().assembled(results)
        if not self.kernels:
            return source
        size = {"float32": 4, "float64": 8}[self.precision]
        starts = {name: b.start // size for b in self.arena.buffers for name in b.names}
        text = "\n\n\n".join(self.kernels)
        text = re.sub(r"@row:(\w+):(\d+)@", lambda found: self.row_offset(found[1], int(found[2])), text)
        text = re.sub(r"@(\w+)@", lambda found: str(starts[found[1]]), text)
        head = (
            "from math import exp, log, sqrt, tanh\n\n"
            "from numba import njit\n\n\n"
            f"F = np.{self.precision}\nLARGEST = np.finfo(F).max\n"
            'compiled = njit(nogil=True, error_model="numpy", fastmath={"reassoc", "nsz", "contract"})\n'
            + (f'gemm = blas_gemm("{self.precision}")\n' if "gemm(" in text else "")
        )
        whole = source.text.replace("\n\ndef prepare():", f"\n\n{head}\n\n{text}\n\n\ndef prepare():", 1)
        floats = f"np.empty(0, np.{self.precision})"
        if self.arena.buffers:
            at = whole.index("\n", whole.index("    memory = block(")) + 1
            source.text = f"{whole[:at]}    floats = memory.view(np.{self.precision})\n{whole[at:]}"
        else:
            source.text = whole.replace("def prepare():\n", f"def prepare():\n    floats = {floats}\n", 1)
        return source


def fused(made: Plan, precisions: dict[Name, str], function: str, precision: str, reuse_buffers: bool) -> Source | None:
    """The source with loops, where all floats have one precision that the BLAS has."""
    writer = Fused(made, precisions, function, precision, reuse_buffers)
    if not writer.uniform or writer.precision not in BLAS:
        return None
    writer.start(blas_gemm(writer.precision) is not None)
    if writer.gemm:
        writer.helpers["blas_gemm"] = None
    return writer.run()
