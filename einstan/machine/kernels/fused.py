"""A plan as loops: runs of elementwise operations, reductions and matrix products as functions that numba compiles.

In one function, operations that go over the same rows share a loop over rows, and neighbours of one shape share an
inner loop, so that what is only read there is never stored.  Matrix products are calls of the BLAS that NumPy has
loaded; a product that is only added to something is accumulated there.  What has no rule here stays a call between two
such functions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from einstan.machine.kernels.adding import overlapped_by_loop, scattered_by_loop
from einstan.machine.kernels.blas import accumulates, multiply
from einstan.machine.kernels.entries import expression, one_number, place
from einstan.machine.kernels.looping import Looping
from einstan.machine.kernels.nest import Line, Part, Rows
from einstan.machine.kernels.rowwise import by_rows, has_rule_by_rows, is_view_read, set_to, view_read
from einstan.machine.schedule.calls import Array
from einstan.machine.schedule.rules import RULES
from einstan.machine.schedule.scheduler import Rule
from einstan.machine.sizes.operations import COMPARISONS, Labels, Operation, Ref

BETWEEN = {**RULES, "scatter": scattered_by_loop, "overlap": overlapped_by_loop}  # calls between two functions


class Fused(Looping):
    """Each operation in a loop, where it has a rule; else a call, before which the open function ends."""

    def schedule(self, value: int, rules: Mapping[str, Rule]) -> None:
        operation = self.graph.operations[value]
        held = [self.values[ref.value] for ref in operation.operands if not self.is_number(ref)]
        if operation.kind in ("input", "number") or all(array.constant for array in held):
            super().schedule(value, rules)
            return
        self.operation, self.above = operation, False
        if is_view_read(self, value, operation):
            view_read(self, value, operation)
            self.touch_inside(value)
            self.release(value, operation)
            return
        if not has_rule_by_rows(self, value, operation):
            self.flush()
            for ref in operation.operands:
                for unmade in (self.views_read, self.masks):  # what loops compute where they read it
                    if ref.value in unmade:
                        unmade.remove(ref.value)
                        super().schedule(ref.value, rules)
            super().schedule(value, rules)
            return
        self.value, self.now = value, self.now + 1
        for ref in operation.operands:
            self.touch_inside(ref.value)
        self.write(value, operation)
        self.inside.add(value)
        self.touch_inside(value)
        if self.rows is not None and value not in self.masks:
            self.rows.values.add(value)
            for ref in (*operation.operands, Ref(value, ())):
                self.held_by(self.rows, ref.value)
        self.latest = value
        if value in self.plan.presumed:
            self.unseen.add(value)
            self.loaded.add(value)
            self.values[value].owned = False
        self.release(value, operation)

    def write(self, value: int, operation: Operation) -> None:
        if operation.kind == "map" and operation.detail[0] in COMPARISONS:
            self.mask(value, operation)
        elif by_rows(self, value, operation):
            pass
        elif operation.kind == "contract" and operation.summed and len(operation.operands) == 2 and operation.out:
            self.values[value] = self.storage(value)
            product = multiply(self, value, operation, "0")
            product.comment = self.comment_of(operation)
            self.blocks_open.append(product)
        elif not operation.out and all(not ref.labels for ref in operation.operands):
            self.values[value] = self.storage(value)
            self.blocks_open.append(Line(f"{self.values[value].text} = {expression(self, operation, {})}"))
            self.scalars.append(value)
        elif not (operation.kind == "map" and accumulates(self, value, operation)):
            self.values[value] = self.storage(value)
            self.looped(value, operation)

    def mask(self, value: int, operation: Operation) -> None:
        self.masks.add(value)
        inner = [self.values[ref.value] for ref in operation.operands if ref.value in self.values]
        buffers = tuple(dict.fromkeys(b for array in inner for b in array.buffers))
        self.values[value] = Array("", "bool", "", len(operation.out), buffers=buffers)
        for ref in operation.operands:
            if ref.value in self.values:
                self.values[ref.value].owned = False
            self.uses[ref.value] += len(self.readers.get(value, ()))

    def looped(self, value: int, operation: Operation) -> None:
        """An operation in a loop over rows."""
        labels = operation.out if operation.kind == "map" else loop_labels(operation)
        shape = tuple(self.extents[operation.dims[x]] for x in labels)
        rows = self.rows_for(operation, labels, shape[0])
        part = self.part_for(rows, operation, labels, shape[1:])
        at = {label: f"i{k}" for k, label in enumerate(labels)}
        text = expression(self, operation, at)
        rows.made.add(value)
        if operation.kind == "map" or (not operation.summed and operation.kind == "contract"):
            part.lines.append((f"v{value} = {text}", -1))
            part.lines.append((f"{place(self, value, [at[x] for x in operation.out])} = v{value}", value))
            part.local.add(value)
            return
        biggest = operation.kind == "reduce"
        begin = "F(-LARGEST)" if biggest else "F(0)"
        if not operation.out:
            name = self.values[value].text
            rows.before.append(f"{name} = F(0)")
            part.first.append(f"s{value} = F(0)")
            part.lines.append((f"s{value} += {text}", -1))
            part.last.append(f"{name} += s{value}")
            rows.closed.add(value)
            self.scalars.append(value)
            return
        by_row = operation.out[0] == labels[0] and len(operation.out) == 1
        index = [at[x] for x in operation.out]
        target = f"s{value}" if by_row or one_number(part, index) else place(self, value, index)
        part.lines += larger(value, target, text) if biggest else [(f"{target} += {text}", -1)]
        if by_row:
            part.first.append(f"{target} = {begin}")
            part.last.append(f"{place(self, value, ['i0'])} = {target}")
            part.totals.add(value)
        else:
            if one_number(part, index):
                part.write.append(f"{place(self, value, index)} = {part.read_as(target, place(self, value, index))}")
            rows.before.append(set_to(self, value, begin))
            rows.closed.add(value)
        self.loaded.add(value)

    def part_for(self, rows: Rows, operation: Operation, labels: Labels, shape: tuple[int, ...]) -> Part:
        """The inner loop that is open, if what this operation reads of it is the same entry."""
        last = rows.parts[-1] if rows.parts else None
        if last is not None and last.shape == shape:
            held = [ref for ref in self.read_through(operation.operands) if ref.value in last.local | last.totals]
            if all(ref.value in last.local and ref.labels == labels for ref in held):
                return last
        rows.parts.append(Part(shape))
        return rows.parts[-1]


def larger(value: int, target: str, text: str) -> Sequence[tuple[str, int]]:
    """The lines that take an entry into a maximum; NaN is kept."""
    new = f"w{value}"
    chosen = f"{new} if {new} > {target} or {new} != {new} else {target}"
    return [(f"{new} = {text}", -1), (f"{target} = {chosen}", -1)]


def loop_labels(operation: Operation) -> Labels:
    """The order of the loops: that of the largest operand."""
    if not operation.summed and operation.kind == "contract":
        return operation.out
    return max((ref.labels for ref in operation.operands), key=len)
