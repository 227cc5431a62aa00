"""Products and reductions as calls: elementwise, matrix products through views, or einsum.

Where sizes are known, sums along the first or the last axis are products with a vector of ones, which the BLAS does two
to four times faster than a reduction; row-by-row inner products are ``vecdot``; a matrix product is written in the
order that is wanted.
"""

from __future__ import annotations

from einstan.machine.schedule.calls import Array, Number, Operand, Seen
from einstan.machine.schedule.scheduler import BLAS, Scheduler
from einstan.machine.sizes.lower import Product, classified
from einstan.machine.sizes.operations import OTHERS, Labels, Operation, Ref
from einstan.machine.sizes.spelling import letters

LONGEST_DOT = 4096  # entries up to which a sum is a product with ones: beyond, pairwise summation is more exact
SHORTEST_ROW = 32  # up to which a maximum along rows is slower than copying and one along columns
# What a scan has where there is no entry.
STARTS = {"add": "0", "multiply": "1", "maximum": "-inf", "minimum": "inf", "logaddexp": "-inf"}
REDUCTIONS = {"min": "minimum", "prod": "multiply"}
Groups = tuple[Labels, Labels, Labels]


def contracted(s: Scheduler, operation: Operation) -> Array:
    if len(operation.operands) == 1:
        return summed(s, operation)
    if not operation.summed:
        return multiplied(s, operation)
    return product(s, operation)


def multiplied(s: Scheduler, operation: Operation) -> Array:
    left, right = operation.operands
    verb = "multiply" if operation.detail == 2 else "divide"
    types = [s.type_of(ref) for ref in (left, right)]
    mixed = "float" in types and "int" not in types and (verb == "multiply" or types[1] == "float")
    reads = [s.aligned(ref, operation.out, None if mixed else s.floating(ref)) for ref in (left, right)]
    if left == right and verb == "multiply":
        return s.result_of("square", reads[:1])
    return s.result_of(verb, reads)


# ---- sums and other reductions ---------------------------------------------------------------------------------------


def summed(s: Scheduler, operation: Operation) -> Array:
    """A sum over axes: where they are the first or the last, a product with ones."""
    (ref,) = operation.operands
    array = s.values[ref.value]
    kept = tuple(x for x in ref.labels if x in operation.out)
    if s.blocks and not s.above and array.type == "float" and array.precision in BLAS and ref.labels:
        size = s.entries_of(operation.summed, operation)
        if size <= LONGEST_DOT and (made := with_ones(s, operation, kept, size)) is not None:
            return made
    return reduced(s, operation, "add")


def with_ones(s: Scheduler, operation: Operation, kept: Labels, size: int) -> Array | None:
    (ref,) = operation.operands
    array = s.values[ref.value]
    ones = Seen(s.ones(size, array.precision))
    if not kept:
        flat = Seen(array) if len(ref.labels) == 1 else s.folded(Seen(array), "-1")
        return s.result_of("dot", [flat, ones])
    at_end, at_start = ref.labels[: len(kept)] == kept, ref.labels[len(operation.summed) :] == kept
    matrix = len(ref.labels) == 2 or array.home is not None
    if kept != operation.out or not matrix or not (at_end or at_start):
        return None
    count = s.entries_of(kept, operation)
    text = Seen(array)
    if len(ref.labels) > 2:
        text = text.by("reshape", *map(str, (count, size) if at_end else (size, count)))
    factors = [text, ones] if at_end else [ones, text]
    made = s.destination(operation, ())
    if made is not None:
        s.add("dot", factors, out=Seen(made) if len(kept) == 1 else Seen(made).by("reshape", str(count)))
        return made
    if len(kept) == 1:
        return s.result_of("dot", factors)
    found = s.array("float", 1, named=False)
    s.add("dot", factors, result=found)
    return s.owned_view(Seen(found).by("reshape", *s.shape(operation.out, operation)))


def reduced(s: Scheduler, operation: Operation, verb: str, lowest: str = "") -> Array:
    """A reduction by a ufunc; ``lowest`` is the precision of what the largest entry is compared with."""
    (ref,) = operation.operands
    kept = tuple(x for x in ref.labels if x in operation.out)
    axes = tuple(k for k, label in enumerate(ref.labels) if label not in kept)
    read = s.read(ref) if verb == "add" else s.floating(ref)
    assert isinstance(read, Seen)
    cast = s.precision if verb == "add" and read.array.type != "float" else ""
    whole = s.blocks and not s.above
    shape = [s.extents[operation.dims[x]] for x in ref.labels]
    if whole and verb != "add" and len(shape) == 2 and axes == (1,) and 1 < shape[1] <= SHORTEST_ROW and shape[0] > 4:
        columns = s.scratch(shape[::-1], s.precision_of(operation))
        s.add("set", [read.by("permute", 1, 0)], out=Seen(columns))
        read, axes = Seen(columns), (0,)
    detail = (axes, cast, lowest, len(ref.labels))
    if kept == operation.out:
        return s.result_of(f"{verb} along", [read], *detail, over=())
    found = s.array("float", len(kept), named=False)
    s.add(f"{verb} along", [read], *detail, result=found)
    return s.owned_view(s.ordered(Seen(found), kept, operation.out))


def largest(s: Scheduler, operation: Operation) -> Array:
    verb = REDUCTIONS.get(operation.detail, "maximum")
    # what the largest value is compared with that there may be none of
    return reduced(s, operation, verb, s.precision_of(operation) if operation.detail == "max of all" else "")


def scanned(s: Scheduler, operation: Operation) -> Array:
    (ref,) = operation.operands
    target = next(label for label in operation.out if label not in ref.labels)
    along = Ref(ref.value, tuple(label if label in operation.out else target for label in ref.labels))
    read, axis = s.aligned(along, operation.out, s.floating(ref)), operation.out.index(target)
    scan = operation.detail
    if scan == OTHERS:
        return s.result_of("others", [read], axis)
    size = s.sizes.size(operation.dims[target])
    return s.result_of("running", [read], scan.ufunc, axis, size, STARTS[scan.ufunc], scan.strict, scan.backwards)


# ---- matrix products -------------------------------------------------------------------------------------------------


def product(s: Scheduler, operation: Operation) -> Array:
    """A product of matrices, or of many pairs of them, written in the order of axes in which it is wanted."""
    groups, (left, right) = classified(operation), operation.operands
    whole = s.blocks and not s.above
    if not groups.left and not groups.right:
        if not groups.batch:
            return inner(s, operation)
        return rows(s, operation, groups) if whole else by_letters(s, operation)
    natural = (*groups.batch, *groups.left, *groups.right)
    if whole and operation.out == (*groups.batch, *groups.right, *groups.left) != natural:  # that of the transposed
        left, right, natural = right, left, operation.out
        groups = Product(groups.batch, groups.right, groups.left, groups.contracted)
    kept = s.value in s.kept
    plain = not whole or (operation.out != natural and kept)
    if not plain and not groups.batch and reads_across(groups, left, right):  # a vector on the side that needs no .T
        left, right = right, left
        groups = Product((), groups.right, groups.left, groups.contracted)
    a = matrix(s, left, (groups.batch, groups.left, groups.contracted), operation, plain)
    b = matrix(s, right, (groups.batch, groups.contracted, groups.right), operation, plain)
    if groups.batch and not groups.left:
        a = a.by("expand", "..., None, :") if isinstance(a, Seen) else a
    if groups.batch and not groups.right:
        b = b.by("expand", "..., None") if isinstance(b, Seen) else b
    verb = "matmul" if groups.batch else "dot"
    sides = (groups.left, groups.right)
    if not plain and not (kept and not s.reuse):
        sizes = [*s.shape(groups.batch, operation)]
        sizes += [s.total(side, operation) for side in sides if side or groups.batch]
        return written(s, operation, verb, [a, b], natural, sizes)
    lacking = groups.batch and not all(sides)
    merged = any(len(side) > 1 for side in sides)
    if not (lacking or merged) and natural == operation.out:
        return s.result_of(verb, [a, b], over=())
    found = s.array("float", len(groups.batch) + 2, named=False)
    s.add(verb, [a, b], result=found)
    seen = Seen(found)
    if lacking:
        seen = seen.by("slices", "..." + ("" if groups.left else ", 0, :") + ("" if groups.right else ", 0"))
    if merged:
        seen = seen.by("reshape", *s.shape(natural, operation))
    return s.owned_view(s.ordered(seen, natural, operation.out))


def written(
    s: Scheduler, operation: Operation, verb: str, reads: list[Operand], natural: Labels, sizes: list[str]
) -> Array:
    """A product in memory of the block: computed in its natural order, and looked at in the order that is wanted."""
    shape = [s.extents[operation.dims[x]] for x in natural]
    whole = s.destination(operation, ()) if natural == operation.out else None
    if whole is None:
        whole = s.scratch(shape, s.precision_of(operation))
    s.add(verb, reads, out=Seen(whole) if list(map(str, shape)) == sizes else Seen(whole).by("reshape", *sizes))
    if natural == operation.out:
        return whole
    made = s.view(s.ordered(Seen(whole), natural, operation.out))
    made.owned = True
    return made


def reads_across(groups: Product, left: Ref, right: Ref) -> bool:
    """Whether one operand is a vector, and the other has the axis of the sum on the far side."""
    if not groups.left:
        return right.labels[len(groups.right) :] == groups.contracted
    return not groups.right and left.labels[: len(groups.contracted)] == groups.contracted


def inner(s: Scheduler, operation: Operation) -> Array:
    """A product of which nothing is left over."""
    left, right = operation.operands
    other = s.aligned(right, left.labels, s.floating(right))
    return s.result_of("dot" if len(left.labels) == 1 else "vdot", [s.floating(left), other])


def by_letters(s: Scheduler, operation: Operation) -> Array:
    spec = ",".join(letters(ref.labels) for ref in operation.operands)
    reads = [s.floating(ref) for ref in operation.operands]
    return s.result_of("einsum", reads, f"{spec}->{letters(operation.out)}", over=())


def rows(s: Scheduler, operation: Operation, groups: Product) -> Array:
    """Row-by-row inner products."""
    left, right = operation.operands
    batch, along = groups.batch, groups.contracted
    reads = [s.floating(ref) for ref in (left, right)]
    precision, size = s.precision_of(operation), s.entries_of(along, operation)
    columns = left.labels == right.labels == (*along, *batch) and batch == operation.out
    if columns and precision in BLAS and size <= LONGEST_DOT and (made := s.destination(operation, ())):
        own = s.scratch([s.extents[operation.dims[x]] for x in left.labels], precision)
        s.add("multiply", reads, out=Seen(own))
        count = s.total(batch, operation)
        flat = Seen(own) if len(left.labels) == 2 else Seen(own).by("reshape", str(size), count)
        out = Seen(made) if len(batch) == 1 else Seen(made).by("reshape", count)
        s.add("dot", [Seen(s.ones(size, precision)), flat], out=out)
        return made
    if "vecdot" in s.writes and len(along) == 1 and left.labels[-1:] == right.labels[-1:] == along:
        order = (*batch, *along)
        reads = [s.aligned(ref, order, read) for ref, read in zip((left, right), reads, strict=True)]
        if batch == operation.out:
            return s.result_of("vecdot", reads, over=())
        found = s.array("float", len(batch), named=False)
        s.add("vecdot", reads, result=found)
        return s.owned_view(s.ordered(Seen(found), batch, operation.out))
    return by_letters(s, operation)


def matrix(s: Scheduler, ref: Ref, groups: Groups, operation: Operation, plain: bool) -> Operand:
    """A value with its axes in three groups, the last two as one axis each (or none); copied into order where no view
    of it is, unless it is read as it comes (``plain``)."""
    order = tuple(x for group in groups for x in group)
    read = s.floating(ref)
    looked = s.aligned(ref, order, read)
    merged = [group for group in groups[1:] if len(group) > 1]
    if not merged or isinstance(looked, Number):
        return looked
    sizes = [*s.shape(groups[0], operation), *(s.total(group, operation) for group in groups[1:] if group)]
    if not plain:
        array = looked.array
        adjacent = all(_adjacent(ref.labels, group) for group in merged)
        if not (adjacent and (array.home is not None or not array.fixed or array.constant)):
            copy = s.packed.get(looked)
            if copy is None:
                copy = s.scratch([s.extents[operation.dims[x]] for x in order], array.precision or s.precision)
                s.packed[looked] = copy
                s.add("set", [looked], out=Seen(copy))
            looked = Seen(copy)
            return looked.by("reshape", *sizes)
        if array.home is not None:
            return looked.by("reshape", *sizes)
    return looked.by("fold", *sizes)


def _adjacent(labels: Labels, group: Labels) -> bool:
    start = labels.index(group[0])
    return labels[start : start + len(group)] == group


# ---- symmetric products ----------------------------------------------------------------------------------------------


def gram(s: Scheduler, operation: Operation) -> Array:
    """``F' diag(w) F``: the second operand is the first under other labels."""
    half, _, *weights = operation.operands
    columns = operation.out[: len(operation.out) // 2]
    along = tuple(x for x in half.labels if x not in columns)
    read = s.aligned(half, (*along, *columns), s.floating(half))
    assert isinstance(read, Seen)
    if len(along) > 1 or len(columns) > 1:
        read = read.by("fold", s.total(along, operation), s.total(columns, operation))
    reads: list[Operand] = [read]
    if weights:
        weight = s.aligned(weights[0], along, s.floating(weights[0]))
        reads.append(weight.by("fold", "-1") if len(along) > 1 and isinstance(weight, Seen) else weight)
    if len(columns) == 1:
        return s.result_of("weighted gram" if weights else "gram", reads)
    found = s.array("float", 2, named=False)
    s.add("weighted gram" if weights else "gram", reads, result=found)
    return s.owned_view(Seen(found).by("reshape", *s.shape(operation.out, operation)))


def grams(s: Scheduler, operation: Operation) -> Array:
    """``w F ⊗ F``: a symmetric product for each of the leading axes of the weights."""
    half, _, weights = operation.operands
    batch = tuple(x for x in operation.out if x in weights.labels)
    columns = operation.out[len(batch) : (len(operation.out) + len(batch)) // 2]
    along = tuple(x for x in half.labels if x not in columns)
    a = matrix(s, half, ((), along, columns), operation, True)
    b = matrix(s, weights, ((), batch, along), operation, True)
    count = s.total(columns, operation)
    pairs = s.pairs(count)
    reads = [a, b, *([Seen(pairs)] if pairs else [])]
    if len(operation.out) <= 3:
        return s.result_of("grams", reads, count)
    found = s.array("float", 3, named=False)
    s.add("grams", reads, count, result=found)
    return s.owned_view(Seen(found).by("reshape", *s.shape(operation.out, operation)))
