"""Products over a batch as parts of a loop over rows that numba compiles.

    Y[n,j,p] = W[j,K] X[n,K,p]        one call of the BLAS for each n
    G[j,k] = D[N,j,P] X[N,k,P]        one call for each N, each of which adds to what is there

Neighbours that go over one batch share the loop.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass, replace

from einstan.machine.fused_rows import FusedRows
from einstan.machine.loop_nest import Part, Rows
from einstan.machine.lower import as_matrices
from einstan.machine.operations import Labels, Operation, Ref
from einstan.machine.writer import Variable


@dataclass(frozen=True)
class Batched:
    """A product as one of matrices for each entry of a batch: its labels, and the operation for one entry."""

    batch: Labels
    single: Operation  # of operands 0 and 1
    operands: tuple[Ref, ...]  # as they are read: without the labels along which they are only repeated


class FusedBatches(FusedRows):
    """The rule for ``contract`` with a batch, and for windows and repetitions that are read where they are used."""

    @abstractmethod
    def read_through(self, refs: tuple[Ref, ...]) -> list[Ref]:
        """The operands, and what stands behind those that are computed where they are read."""

    def start(self, gemm: bool) -> None:
        super().start(gemm)
        self.parts_of: dict[int, Part] = {}  # of products over a batch

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
            if found is None:
                left = self.in_order(
                    left, [ref.labels == own.labels for ref, own in zip(operands, single, strict=True)]
                )
                found = as_matrices(left, self.extents)
            if found is not None:
                *_, rows, columns, _ = found
                return Batched(batch, left, operands) if rows > 1 and columns > 1 else None
        return None

    def in_order(self, single: Operation, shared: list[bool]) -> Operation:
        """The product with a factor that has no batch in the order of axes that the other one needs."""
        if sum(shared) != 1:
            return single
        at = shared.index(True)
        own, other = single.operands[at].labels, single.operands[1 - at].labels
        order = (*(x for x in single.out if x in own), *(x for x in other if x in own and x not in single.out))
        if sorted(order) != sorted(own):
            return single
        operands = [Ref(ref.value, order if k == at else ref.labels) for k, ref in enumerate(single.operands)]
        return replace(single, operands=tuple(operands))

    def without_repetition(self, ref: Ref) -> Ref:
        """The operand of an ``expand``, whether it is made or not."""
        made = self.graph.operations[ref.value]
        if made.kind != "expand" or (ref.value in self.variables and ref.value not in self.views_read):
            return ref
        (base,) = made.operands
        return base.renamed(dict(zip(made.out, ref.labels, strict=True)))

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

    def product_lines(self, operation: Operation, made: Batched, target: str, beta: str) -> list[str]:
        """One call of the BLAS, in loops over what else is a batch."""
        found = as_matrices(made.single, self.extents)
        assert found is not None
        first, turned, second, turned_too, rows, columns, depth = found
        a, b = (
            self.matrix_at(made.operands[ref.value], made.batch)
            if ref.labels == made.operands[ref.value].labels[-len(ref.labels) :]
            else self.pack(made.operands[ref.value], ref.labels)
            for ref in (first, second)
        )
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

    def pack(self, ref: Ref, order: Labels) -> str:
        """The address of a copy with another order of axes, made before the loop."""
        rows = self.blocks[-1]
        assert isinstance(rows, Rows)
        axes, shape = tuple(map(ref.labels.index, order)), self.plan.shape(ref.value)
        name = rows.packed.get((ref.value, axes))
        if name is None:
            lengths = [shape[axis] for axis in axes]
            name = rows.packed[ref.value, axes] = self.scratch(lengths, self.precision)
            rows.buffers |= dict.fromkeys(self.fixed[name])
            self.loaded.add(ref.value)
            index = {axis: f"k{number}" for number, axis in enumerate(axes)}
            loops = [f"{'    ' * number}for k{number} in range({n}):" for number, n in enumerate(lengths)]
            place = " + ".join(f"k{number} * {math.prod(lengths[number + 1 :])}" for number in range(len(lengths)))
            source = self.place(ref.value, [index[axis] for axis in range(len(axes))])
            rows.before += [*loops, f"{'    ' * len(lengths)}m[@{name}@ + {place}] = {source}"]
        return f"m[@{name}@:].ctypes"

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
