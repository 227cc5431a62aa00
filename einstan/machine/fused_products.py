"""Matrix products among numba's loops: calls of the BLAS that NumPy has loaded, which add to what is there."""

from __future__ import annotations

import math

from einstan.language.term import ONE
from einstan.machine.fused_rules import FusedRules
from einstan.machine.loop_nest import Part, Rows
from einstan.machine.lower import as_matrices
from einstan.machine.operations import Operation

WORTH = 60_000  # multiplications from which accumulation in the BLAS pays


class FusedProducts(FusedRules):
    """The rule for a product of matrices, and for one that is only added to something."""

    def multiply(self, value: int, operation: Operation, beta: str, alpha: str = "1") -> str:
        found = as_matrices(operation, self.extents)
        assert found is not None
        first, turned, second, turned_too, rows, columns, depth = found
        a, b = self.pointer(first.value), self.pointer(second.value)
        lengths = rows if turned else depth, depth if turned_too else columns
        sides = f"{112 if turned else 111}, {112 if turned_too else 111}, {rows}, {columns}, {depth}"
        c = self.pointer(value)
        self.loaded.add(value)
        return f"    gemm(101, {sides}, F({alpha}), {a}, {lengths[0]}, {b}, {lengths[1]}, F({beta}), {c}, {columns})"

    def pointer(self, value: int) -> str:
        variable = self.variables[value]
        self.loaded.add(value)
        if variable.home is None or self.is_kept(variable.home):
            self.passed[variable.text] = None
            return f"{variable.text}.ctypes"
        return f"m[@{variable.home.names[0]}@:].ctypes"

    def accumulates(self, value: int, operation: Operation) -> bool:
        """``W + k A B``, where the product came just before and nothing else reads it: it is added to a copy of W."""
        if operation.detail[0] != "add" or len(operation.operands) != 2 or not self.blocks:
            return False
        for place in (0, 1):
            ref, other = operation.operands[place], operation.operands[1 - place]
            made = self.graph.operations[ref.value]
            product = made.kind == "contract" and made.summed and len(made.operands) == 2 and made.out
            if not product or ref.labels != operation.out or other.labels != operation.out:
                continue
            if self.uses[ref.value] != 1 or ref.value not in self.inside or self.variables[other.value].type != "float":
                continue
            last = self.blocks[-1]
            work = math.prod(self.extents[dim] for dim in made.dims)
            if not isinstance(last, str) or "gemm(" not in last or self.latest != ref.value or work < WORTH:
                continue
            scales = operation.detail[1]
            self.blocks.pop()
            self.variables[value] = self.storage(value)
            rank = len(operation.out)
            index = [f"i{k}" for k in range(rank)]
            said = [f"# {self.comment_of(made)}", f"# {self.comment_of(operation)}"]
            rows = Rows(self.plan.shape(value)[0], said, start=self.now)
            self.blocks.append(rows)
            rows.parts.append(Part(self.plan.shape(value)[1:]))
            entry = self.entry(other, dict(zip(other.labels, index, strict=True)))
            scaled = entry if scales[1 - place] is ONE else f"F({self.number(scales[1 - place])}) * {entry}"
            rows.parts[-1].lines.append((f"{self.place(value, index)} = {scaled}", -1))
            alpha = self.number(scales[place])
            self.blocks.append(self.multiply(value, made, "1", alpha))
            for operand in made.operands:
                self.touch(self.variables[operand.value].buffers)
            return True
        return False
