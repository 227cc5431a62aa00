"""Layer norms recognised, with or without gain and bias, and their backward passes."""

from __future__ import annotations

import itertools
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from einstan.language.term import Const
from einstan.machine.passes.rewritten import Drawn, Formula, Part, Rewritten
from einstan.machine.passes.sampled import Array, UnknownError, along, entries
from einstan.machine.sizes.operations import Kernel, Labels, Ref


@dataclass
class Norm:
    """A layer norm: of what, along which axis, and what its backward pass needs."""

    x: int
    axis: int
    anchors: tuple[int, ...]  # the square root, and x without its mean
    epsilon: float
    gain: int | None
    made: int  # the kernel
    y: int


class Norms:
    """Those of a graph."""

    def __init__(self, graph: Rewritten) -> None:
        self.all = graph
        self.found: list[Norm] = []

    def forward(self) -> None:
        self.found = [norm for value in self.all.order if (norm := self.norm(value)) is not None]

    def backward(self) -> None:
        for norm in self.found:
            self.norm_backward(norm)

    def norm(self, root: int) -> Norm | None:
        """A layer norm, of a root of a mean of squares."""
        centred = self.centred(root)
        if centred is None:
            return None
        t, axis = centred
        operation = self.all.operation(t)
        if operation.kind != "map" or operation.detail[0] != "add":
            return None
        dim = operation.out_dims[axis]
        for ref in operation.operands:
            x = ref.value

            def formula(d: Drawn, x: int = x) -> Array:
                return less_mean(d[x], axis)

            epsilon = (
                self.at_zero(root, x) if ref.labels == operation.out and self.all.agrees(t, [x], formula) else None
            )
            if epsilon is None:
                continue
            rank = len(operation.out)
            through = [value for value in self.all.above([x], rank, dim) if value != x]
            for value in self.all.above([root, t], rank, dim):
                made = self.normed(value, through, x, axis, epsilon)
                if made is not None:
                    return Norm(x, axis, (root, t), epsilon, *made, value)
        return None

    def at_zero(self, root: int, x: int) -> float | None:
        """What stands under a root where x is zero: one number that is not negative, or none."""
        (under,) = self.all.operation(root).operands
        found: set[float] = set()
        for known in self.all.small:
            zeros = np.zeros([known[dim] for dim in self.all.operation(x).out_dims])
            try:
                found.update(np.ravel(entries(self.all.graph, under.value, {x: zeros}, known)).tolist())
            except UnknownError:
                return None
        return found.pop() if len(found) == 1 and min(found) >= 0 else None

    def centred(self, root: int) -> tuple[int, int] | None:
        """The value whose squares are summed under a root, and the axis along which they are."""
        operation = self.all.operation(root)
        half = operation.kind == "map" and operation.detail[0] == "pow" and len(operation.detail) > 1
        powers = operation.detail[1].value if half and isinstance(operation.detail[1], Const) else None
        if not (operation.kind == "map" and (operation.detail == ("sqrt",) or (powers and abs(powers) * 2 == 1))):
            return None
        value = operation.operands[0].value
        while self.all.operation(value).kind == "map" and self.all.operation(value).detail[0] in ("add", "scale"):
            values = [ref.value for ref in self.all.operation(value).operands if not self.all.is_plain(ref.value)]
            if len(values) != 1:
                return None
            (value,) = values
        total = self.all.operation(value)
        if total.kind != "contract" or len(total.summed) != 1 or total.detail != len(total.operands):
            return None
        refs = list(total.operands)
        if len(refs) == 1 and self.all.operation(refs[0].value).kind == "map":
            refs = [ref for ref in self.all.operation(refs[0].value).operands if refs[0].labels]
            return (refs[0].value, total.operands[0].labels.index(total.summed[0])) if len(refs) == 1 else None
        same_twice = len(refs) == 2 and refs[0] == refs[1]
        return (refs[0].value, refs[0].labels.index(total.summed[0])) if same_twice else None

    def normed(
        self, value: int, through: Collection[int], x: int, axis: int, epsilon: float
    ) -> tuple[int | None, int] | None:
        """The gain, if there is one, and the kernel, where a value is a layer norm of x; which it then is."""
        out = self.all.operation(value).out
        found = self.all.part(value, through, [x]) if len(out) == len(self.all.operation(x).out) else None
        if found is None or x not in found.leaves or len(found.leaves) > 3:
            return None
        labels = found.leaves.pop(x)
        if sorted(labels) != sorted(out) or any(held != (labels[axis],) for held in found.leaves.values()):
            return None
        for order in itertools.permutations(found.leaves):
            gain, bias = (*order, None, None)[:2]

            def formula(d: Drawn, gain: int | None = gain, bias: int | None = bias) -> Array:
                made = along(normed(d[x], axis, epsilon), labels, out)
                made = made if gain is None else made * along(d[gain], labels[axis : axis + 1], out)
                return made if bias is None else made + along(d[bias], labels[axis : axis + 1], out)

            if self.all.agrees(value, [x, *order], formula):
                break
        else:
            return None
        wide = (*(label for label in labels if label != labels[axis]), labels[axis])
        kernel = Kernel("layer_norm", (epsilon,), (wide, *[wide[-1:]] * len(order)))
        refs = [Ref(x, labels), *(Ref(each, wide[-1:]) for each in order)]
        made = self.all.add("kernel", kernel, refs, wide, found.dims, value)
        self.all.put(
            value, self.all.add("part", (0, wide), [Ref(made, wide)], wide, found.dims, value), wide, out, found.dims
        )
        return gain, made

    def norm_backward(self, norm: Norm) -> None:
        """The cotangents of a layer norm: what is among the terms of that of x, and those of gain and bias."""
        x, axis, gain = norm.x, norm.axis, norm.gain
        dim, rank = self.all.operation(x).out_dims[axis], len(self.all.operation(x).out)
        above = self.all.above(norm.anchors, rank, dim)
        local = {value for value in self.all.order if self.all.is_local(value, dim, rank)} - {x} | {norm.y}
        for value in above:
            if len(self.all.operation(value).out) != rank:
                continue
            group, rest = self.all.among(value, above)
            for dy in self.all.beside(group, above, local, x):
                found = self.all.part(group, {*local, group}, [x, dy])
                if found is None or set(found.leaves) != {x, dy, gain} - {None}:
                    continue
                made = self.norm_made(norm, value, group, found, dy)
                if made is not None:
                    kernel, wide, of_parameters = made
                    first = self.all.add("part", (0, wide), [Ref(kernel, wide)], wide, found.dims, value)
                    self.all.add_to(value, first, wide, rest, found.dims)
                    for place, end in of_parameters.items():
                        detail, refs = (place, wide[-1:]), [Ref(kernel, wide)]
                        self.all.instead[end] = self.all.add("part", detail, refs, wide[-1:], found.dims, end)
                    return

    def norm_made(
        self, norm: Norm, value: int, group: int, found: Part, dy: int
    ) -> tuple[int, Labels, dict[int, int]] | None:
        """The kernel of a backward pass, its labels, and the cotangents of gain and bias, if that is what there is."""
        x, axis, gain = norm.x, norm.axis, norm.gain
        out, labels, up = self.all.operation(group).out, found.leaves[x], found.leaves[dy]
        last = labels[axis : axis + 1]
        if not sorted(labels) == sorted(up) == sorted(out) or found.leaves.get(
            norm.x if gain is None else gain
        ) not in (last, labels):
            return None

        def weighted(d: Drawn) -> Array:
            return along(d[dy], up, labels) * (1 if gain is None else along(d[gain], last, labels))

        def of_x(d: Drawn) -> Array:
            return along(norm_backward(d[x], weighted(d), axis, norm.epsilon), labels, out)

        if not self.all.agrees(group, [each for each in (x, dy, gain) if each is not None], of_x):
            return None
        rows = tuple(k for k in range(len(labels)) if k != axis)
        sums: dict[int, Formula] = {
            1: lambda d: np.sum(along(d[dy], up, labels) * normed(d[x], axis, norm.epsilon), axis=rows),
            2: lambda d: np.sum(along(d[dy], up, labels), axis=rows),
        }
        ends = [
            end
            for end in self.all.order
            if gain is not None and end not in self.all.instead and self.all.operation(end).kind == "contract"
            and self.all.operation(end).out_dims == (found.dims[last[0]],)
        ]  # fmt: skip
        of_parameters = {
            place: end for place, total in sums.items() for end in ends if self.all.agrees(end, [x, dy], total)
        }
        wide = (*(label for label in labels if label not in last), *last)
        mask = (True, 1 in of_parameters, 2 in of_parameters)
        refs = [Ref(dy, up), Ref(x, labels), Ref(norm.made, wide), *([] if gain is None else [Ref(gain, last)])]
        kernel = Kernel("layer_norm_backward", (mask,), (wide, wide, wide, last)[: len(refs)])
        return self.all.add("kernel", kernel, refs, wide, found.dims, value), wide, of_parameters


def less_mean(x: Array, axis: int) -> Array:
    return x - x.mean(axis, keepdims=True)


def normed(x: Array, axis: int, epsilon: float) -> Array:
    return less_mean(x, axis) / np.sqrt(x.var(axis, keepdims=True) + epsilon)


def norm_backward(x: Array, up: Array, axis: int, epsilon: float) -> Array:
    unit = normed(x, axis, epsilon)
    less = less_mean(up, axis) - unit * (up * unit).mean(axis, keepdims=True)
    return less / np.sqrt(x.var(axis, keepdims=True) + epsilon)
