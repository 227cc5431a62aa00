"""Matrix products among loops: calls of the BLAS that NumPy has loaded, which add to what is there."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from einstan.language.term import ONE
from einstan.machine.kernels.entries import entry, place, row_start, start
from einstan.machine.kernels.looping import Looping
from einstan.machine.kernels.nest import Line, Part, Rows
from einstan.machine.sizes.lower import as_matrices
from einstan.machine.sizes.operations import Labels, Operation, Ref

WORTH = 60_000  # multiplications from which accumulation in the BLAS pays
STRAIGHT, TURNED = 111, 112  # of a matrix, for the BLAS


def gemm(s: Looping, operation: Operation, pointers: tuple[str, str, str], beta: str, alpha: str = "1") -> str:
    """``C := alpha A B + beta C`` for the matrices that an operation multiplies."""
    found = as_matrices(operation, s.extents)
    assert found is not None
    _, turned, _, turned_too, rows, columns, depth = found
    a, b, c = pointers
    lengths = rows if turned else depth, depth if turned_too else columns
    sides = f"{TURNED if turned else STRAIGHT}, {TURNED if turned_too else STRAIGHT}, {rows}, {columns}, {depth}"
    return f"gemm(101, {sides}, F({alpha}), {a}, {lengths[0]}, {b}, {lengths[1]}, F({beta}), {c}, {columns})"


def multiply(s: Looping, value: int, operation: Operation, beta: str, alpha: str = "1") -> Line:
    found = as_matrices(operation, s.extents)
    assert found is not None
    pointers = pointer(s, found[0].value), pointer(s, found[2].value), pointer(s, value)
    return Line(gemm(s, operation, pointers, beta, alpha), product=True)


def pointer(s: Looping, value: int) -> str:
    array = s.values[value]
    s.loaded.add(value)
    home = s.in_block(array)
    if home is None:
        s.passed[array.text] = None
        return f"{array.text}.ctypes"
    return f"m[{start(home.names[0])}:].ctypes"


def accumulates(s: Looping, value: int, operation: Operation) -> bool:
    """``W + k A B``, where the product came just before and nothing else reads it: it is added to a copy of W."""
    if operation.detail[0] != "add" or len(operation.operands) != 2 or not s.blocks_open:
        return False
    for at in (0, 1):
        ref, other = operation.operands[at], operation.operands[1 - at]
        made = s.graph.operations[ref.value]
        product = made.kind == "contract" and made.summed and len(made.operands) == 2 and made.out
        if not product or ref.labels != operation.out or other.labels != operation.out:
            continue
        if s.uses[ref.value] != 1 or ref.value not in s.inside or s.type_of(other) != "float":
            continue
        last = s.blocks_open[-1]
        work = math.prod(s.extents[dim] for dim in made.dims)
        if not isinstance(last, Line) or not last.product or s.latest != ref.value or work < WORTH:
            continue
        scales = operation.detail[1]
        s.blocks_open.pop()
        s.values[value] = s.storage(value)
        index = [f"i{k}" for k in range(len(operation.out))]
        said = [f"# {s.comment_of(made)}", f"# {s.comment_of(operation)}"]
        rows = Rows(s.plan.shape(value)[0], said, [Part(s.plan.shape(value)[1:])], start=s.now)
        s.blocks_open.append(rows)
        held = entry(s, other, dict(zip(other.labels, index, strict=True)))
        scaled = held if scales[1 - at] is ONE else f"F({s.text_of(scales[1 - at])}) * {held}"
        rows.parts[-1].lines.append((f"{place(s, value, index)} = {scaled}", -1))
        s.blocks_open.append(multiply(s, value, made, "1", s.text_of(scales[at])))
        for operand in made.operands:
            s.touch(s.values[operand.value].buffers)
        return True
    return False


# ---- products over a batch -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Batched:
    """A product as one of matrices for each entry of a batch: its labels, and the operation for one entry."""

    batch: Labels
    single: Operation  # of operands 0 and 1
    operands: tuple[Ref, ...]  # as they are read: without the labels along which they are only repeated


def batched(s: Looping, operation: Operation) -> Batched | None:
    """The fewest labels in front that make of all other a product of matrices."""
    if operation.kind != "contract" or len(operation.operands) != 2 or operation.detail != 2 or not operation.summed:
        return None
    operands = tuple(without_repetition(s, ref) for ref in operation.operands)
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
        found = as_matrices(left, s.extents)
        if found is None:
            left = in_order(left, [ref.labels == own.labels for ref, own in zip(operands, single, strict=True)])
            found = as_matrices(left, s.extents)
        if found is not None:
            *_, rows, columns, _ = found
            return Batched(batch, left, operands) if rows > 1 and columns > 1 else None
    return None


def in_order(single: Operation, shared: list[bool]) -> Operation:
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


def without_repetition(s: Looping, ref: Ref) -> Ref:
    """The operand of an ``expand``, whether it is made or not."""
    made = s.graph.operations[ref.value]
    if made.kind != "expand" or (ref.value in s.values and ref.value not in s.views_read):
        return ref
    (base,) = made.operands
    return base.renamed(dict(zip(made.out, ref.labels, strict=True)))


def product_lines(s: Looping, operation: Operation, made: Batched, target: str, beta: str) -> list[str]:
    """One call of the BLAS, in loops over what else is a batch."""
    found = as_matrices(made.single, s.extents)
    assert found is not None
    a, b = (
        matrix_at(s, made.operands[ref.value], made.batch)
        if ref.labels == made.operands[ref.value].labels[-len(ref.labels) :]
        else pack(s, made.operands[ref.value], ref.labels)
        for ref in (found[0], found[2])
    )
    lines, indent = [], ""
    for k, label in enumerate(made.batch[1:], 1):
        lines.append(f"{indent}for i{k} in range({s.extents[operation.dims[label]]}):")
        indent += "    "
    return [*lines, indent + gemm(s, made.single, (a, b, target), beta)]


def matrix_at(s: Looping, ref: Ref, batch: Labels) -> str:
    """The address of a matrix: of the whole value, or of one entry of a batch."""
    value = ref.value
    if ref.labels[: len(batch)] != batch:
        return pointer(s, value)
    array, shape = s.values[value], s.plan.shape(value)
    s.loaded.add(value)
    index = [f"i{k}" for k in range(len(batch))]
    if s.in_block(array) is None:
        s.passed[array.text] = None
        return f"{array.text}[{', '.join(index)}].ctypes"
    terms = [row_start(s, value), *(f"{at} * {math.prod(shape[k + 1 :])}" for k, at in enumerate(index) if k)]
    return f"m[{' + '.join(terms)}:].ctypes"


def pack(s: Looping, ref: Ref, order: Labels) -> str:
    """The address of a copy with another order of axes, made before the loop."""
    rows = s.rows
    assert rows is not None
    axes, shape = tuple(map(ref.labels.index, order)), s.plan.shape(ref.value)
    copy = rows.packed.get((ref.value, axes))
    if copy is None:
        lengths = [shape[axis] for axis in axes]
        copy = rows.packed[ref.value, axes] = s.scratch(lengths, s.precision)
        rows.buffers |= dict.fromkeys(copy.buffers)
        s.loaded.add(ref.value)
        index = {axis: f"k{number}" for number, axis in enumerate(axes)}
        loops = [f"{'    ' * number}for k{number} in range({n}):" for number, n in enumerate(lengths)]
        offset = " + ".join(f"k{number} * {math.prod(lengths[number + 1 :])}" for number in range(len(lengths)))
        source = place(s, ref.value, [index[axis] for axis in range(len(axes))])
        rows.before += [*loops, f"{'    ' * len(lengths)}m[{start(copy.text)} + {offset}] = {source}"]
    return f"m[{start(copy.text)}:].ctypes"
