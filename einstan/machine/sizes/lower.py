"""What sizes decide about single operations: whether a read stays inside, and the shape of a matrix product."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from einstan.machine.sizes.operations import Form, Graph, Labels, Operation, Reading, Ref, combined
from einstan.machine.sizes.refusals import outside

Sizes = tuple[int, ...]  # of each local label


# ---- reads -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Window:
    """An affine read as a strided view of an array that may have to be padded first."""

    before: tuple[int, ...]
    after: tuple[int, ...]
    start: tuple[int, ...]
    shape: tuple[int, ...]
    steps: tuple[tuple[int, ...], ...]

    @property
    def pads(self) -> bool:
        return any(self.before) or any(self.after)


def constant_of(form: Form, extents: Mapping[str, int]) -> int:
    return form.constant + sum(k * extents[dim] for dim, k in form.extents)


def bounds(form: Form, sizes: Sizes, extents: Mapping[str, int]) -> tuple[int, int]:
    """The smallest and the largest value of a form without operands over the ranges of its labels."""
    low = high = constant_of(form, extents)
    for label, k in form.labels:
        reach = k * (sizes[label] - 1)
        low, high = low + min(reach, 0), high + max(reach, 0)
    return low, high


def window(operation: Operation, extents: Mapping[str, int]) -> Window:
    """How an affine read is a view.  Raises `ExtentError` where it is outside and no bracket forbids the read."""
    reading: Reading = operation.detail
    sizes = tuple(extents[dim] for dim in operation.dims)
    before, after, start = [], [], []
    empty = any(sizes[label] == 0 for label in operation.out)
    for axis, form in enumerate(reading.slots):
        size = sizes[operation.operands[0].labels[axis]]
        low, high = bounds(form, sizes, extents)
        if not empty and (low < 0 or high >= size):
            refuse_unguarded(reading, axis, form, size, sizes, extents)
        before.append(0 if empty else max(0, -low))
        after.append(0 if empty else max(0, high - size + 1))
        start.append(constant_of(form, extents) + before[-1])
    steps = tuple(
        tuple(next((k for x, k in form.labels if x == label), 0) for form in reading.slots) for label in operation.out
    )
    return Window(tuple(before), tuple(after), tuple(start), tuple(sizes[x] for x in operation.out), steps)


def refuse_outside(graph: Graph, extents: Mapping[str, int]) -> None:
    """Raise where a read of a graph is outside for these sizes, as far as they are known, and no bracket forbids it."""
    for operation in graph.operations:
        if operation.kind == "read" and not any(form.values for form in operation.detail.slots):
            forms = (*operation.detail.slots, *operation.detail.guards)
            spoken = {dim for form in forms for dim, _ in form.extents}
            if extents.keys() >= {*operation.dims, *spoken}:
                window(operation, extents)


def sliced(view: Window) -> str | None:
    """A view as slices, where the labels of the result run along one axis each, in their order; else None."""
    runs = [[k for k, along in enumerate(view.steps) if along[axis]] for axis in range(len(view.start))]
    if [own[0] for own in runs if len(own) == 1] != list(range(len(view.shape))) or 0 in view.shape:
        return None
    parts: list[str] = []
    for axis, own in enumerate(runs):
        start = view.start[axis]
        if not own:
            parts.append(str(start))
            continue
        step, last = view.steps[own[0]][axis], view.start[axis] + view.steps[own[0]][axis] * (view.shape[own[0]] - 1)
        if step > 0:
            parts.append(f"{start}:{last + 1}" + (f":{step}" if step > 1 else ""))
        else:
            parts.append(f"{start}:{last - 1 if last else ''}:{step}")
    return ", ".join(parts)


def refuse_unguarded(
    reading: Reading, axis: int, form: Form, size: int, sizes: Sizes, extents: Mapping[str, int]
) -> None:
    """Raise unless every value of the form that is outside is one at which some guard is negative."""
    length = Form((), (), (), size)
    guards = [guard for guard in reading.guards if not guard.values]
    for bound in (form, combined(((length, 1), (form, -1)), -1)):
        if bounds(bound, sizes, extents)[0] >= 0:
            continue
        if any(_implies(guard, bound, sizes, extents) for guard in guards):
            continue
        labels = sorted({x for f in (form, *guards) for x, _ in f.labels})
        for values in itertools.product(*(range(sizes[label]) for label in labels)):
            at = dict(zip(labels, values, strict=True))
            if value_at(bound, at, extents) < 0 and all(value_at(guard, at, extents) >= 0 for guard in guards):
                slot = reading.order[axis]
                raise outside(reading.equation, reading.access, slot, value_at(form, at, extents), size)


def _implies(guard: Form, bound: Form, sizes: Sizes, extents: Mapping[str, int]) -> bool:
    """Whether guard >= 0 gives bound >= 0: their difference is never negative."""
    return bounds(combined(((bound, 1), (guard, -1))), sizes, extents)[0] >= 0


def never_negative(form: Form, dims: Sequence[str]) -> bool:
    """Whether a form without operands is at least 0 whatever the sizes: labels run from 0 to an extent less one, and an
    extent over which a label runs is at least 1."""
    least: dict[str, int] = dict(form.extents)
    constant = form.constant
    running = {dims[label] for label, _ in form.labels}
    for label, k in form.labels:
        if k < 0:
            least[dims[label]] = least.get(dims[label], 0) + k
            constant -= k
    constant += sum(k for dim, k in least.items() if dim in running)  # extents, each from its smallest value
    return constant >= 0 and all(k >= 0 for k in least.values())


def value_at(form: Form, at: Mapping[int, int], extents: Mapping[str, int]) -> int:
    return constant_of(form, extents) + sum(k * at[label] for label, k in form.labels)


# ---- products --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Product:
    """The labels of a product of two, by what they do."""

    batch: Labels
    left: Labels
    right: Labels
    contracted: Labels


def classified(operation: Operation) -> Product:
    left, right = (operand.labels for operand in operation.operands)
    out = set(operation.out)
    contracted = [x for x in left if x in right and x not in out]
    other = [x for x in right if x in contracted]
    if _adjacent(right, other) and not _adjacent(left, contracted):
        contracted = other  # the order in which at least one of the two can be read without a copy
    return Product(
        tuple(x for x in operation.out if x in left and x in right),
        tuple(x for x in operation.out if x in left and x not in right),
        tuple(x for x in operation.out if x in right and x not in left),
        tuple(contracted),
    )


def _adjacent(labels: Labels, group: list[int]) -> bool:
    if not group:
        return True
    first = labels.index(group[0])
    return labels[first : first + len(group)] == tuple(group)


def as_matrices(operation: Operation, extents: Mapping[str, int]) -> tuple[Ref, bool, Ref, bool, int, int, int] | None:
    """The two factors, whether each is transposed, and the sizes, so that the result is in the order wanted."""
    groups = classified(operation)
    if groups.batch or not groups.contracted:
        return None
    first, second = operation.operands
    sides = groups.left, groups.right
    if operation.out != (*sides[0], *sides[1]):
        if operation.out != (*sides[1], *sides[0]):
            return None
        first, second, sides = second, first, (sides[1], sides[0])
    inner = groups.contracted
    if first.labels not in ((*sides[0], *inner), (*inner, *sides[0])):
        return None
    if second.labels not in ((*inner, *sides[1]), (*sides[1], *inner)):
        return None
    rows, columns, depth = (
        math.prod(extents[operation.dims[x]] for x in group) for group in (sides[0], sides[1], inner)
    )
    turned = first.labels != (*sides[0], *inner), second.labels != (*inner, *sides[1])
    return first, turned[0], second, turned[1], rows, columns, depth
