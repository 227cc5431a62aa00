"""Kernels recognised: what a framework computes by one call, wherever a graph of pairs computes the same.

What a part of a graph is, is asked of the part itself: softmax by the steps in which the flattening writes it, and
everything else by what it computes at random points (`einstan.machine.passes.sampled`), so that no name decides, nor
how somebody wrote it.  A part is replaced where it is one function of values that the graph has.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from einstan.language.term import ONE, Const, Expr, Name
from einstan.machine.meaning.numbers import number_of
from einstan.machine.passes.sampled import MEANINGS, Array, UnknownError, entries, same
from einstan.machine.sizes.operations import Graph, Kernel, Labels, Operation, Ref, Stored, roots

SIZES = ((2, 3, 5, 4, 6, 7), (3, 5, 4, 2, 7, 6))  # of axes, for two looks at what a part computes
MOST = 60  # operations of a part
Drawn = Mapping[int, Array]
Formula = Callable[[Drawn], Array]


@dataclass
class Part:
    """The operations between a value and what it is a function of, with its labels: those of the value, and others."""

    leaves: dict[int, Labels]
    dims: dict[int, str]
    inner: set[int]


@dataclass
class Share:
    """A softmax: the axis that it sums to one along, what it is of, and where that counts; with its own labels."""

    axis: int
    logits: Ref
    scale: Expr
    mask: Ref | None


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


class Recognised:
    """A graph, more and more of which is computed by kernels.  Axes keep their order."""

    def __init__(
        self,
        graph: Graph,
        tensors: Mapping[Name, Stored],
        outputs: Collection[Name],
        known: Mapping[str, int],
        general: bool = False,
    ) -> None:
        self.general = general
        self.graph, self.tensors, self.outputs, self.known = Graph(), tensors, outputs, known
        self.graph.operations = list(graph.operations)
        self.count = len(graph.operations)
        self.order = sorted(graph.needed(roots(tensors, outputs)))
        self.kept = set(roots(tensors, outputs))
        self.instead: dict[int, int] = {}
        self.shares: dict[int, Share] = {}
        self.readers: dict[int, list[int]] = {value: [] for value in self.order}
        for value in self.order:
            for each in dict.fromkeys(ref.value for ref in self.operation(value).operands):
                self.readers[each].append(value)

    def operation(self, value: int) -> Operation:
        return self.graph.operations[value]

    # ---- what is put in the place of a value -------------------------------------------------------------------------

    def add(
        self, kind: str, detail: Any, operands: Sequence[Ref], out: Labels, dims: Mapping[int, str], of: int
    ) -> int:
        """A new operation with labels of the caller's, said to be of the equation of another value."""
        names: dict[int, int] = {}
        for label in (*(x for ref in operands for x in ref.labels), *out):
            names.setdefault(label, len(names))
        if isinstance(detail, Kernel):
            orders = tuple(tuple(names[x] for x in order) for order in detail.orders)
            detail = detail._replace(orders=orders)
        elif kind == "part":
            detail = detail[0], tuple(names[x] for x in detail[1])
        made = Operation(
            kind, detail, tuple(ref.renamed(names) for ref in operands), tuple(names[x] for x in out),
            tuple(dims[x] for x in names), self.operation(of).equation, tuple(f"x{x}" for x in names.values()),
        )  # fmt: skip
        self.graph.operations.append(made)
        return len(self.graph.operations) - 1

    def put(self, old: int, new: int, labels: Labels, want: Labels, dims: Mapping[int, str]) -> None:
        """Put a value with these labels in the place of an old one, whose axes have the order that is wanted."""
        if labels != want:
            new = self.add("part", (None, labels), (Ref(new, labels),), want, dims, old)
        self.instead[old] = new

    def held(self, value: int) -> int:
        """What stands in the place of a value."""
        while value in self.instead:
            value = self.instead[value]
        return value

    def run(self) -> tuple[Graph, dict[Name, Stored]]:
        for value in self.order:
            self.softmax(value)
        norms = [norm for value in self.order if (norm := self.norm(value)) is not None]
        for kernels in (ACTIVATIONS, DERIVATIVES):
            for value in self.order:
                self.activation(value, kernels)
        for norm in norms:
            self.norm_backward(norm)
        for share in self.shares:
            self.masked(share)
            self.softmax_backward(share)
        for share in self.shares:
            Attention(self, share).put()
        return self.rebuilt()

    def rebuilt(self) -> tuple[Graph, dict[Name, Stored]]:
        """The graph with what stands in the place of values, every operation behind those that it reads."""
        made = Graph()
        number: dict[int, int] = {}
        wanted = [self.held(value) for value in roots(self.tensors, self.outputs)]
        stack = [*reversed(wanted), *(self.held(value) for value in reversed(self.order))]
        needed = self.reached(wanted)
        while stack:
            value = stack[-1]
            operands = [self.held(ref.value) for ref in self.operation(value).operands]
            missing = [v for v in operands if v not in number]
            if value in number or value not in needed:
                stack.pop()
            elif missing:
                stack += missing
            else:
                operation = self.operation(value)
                refs = (Ref(number[v], ref.labels) for v, ref in zip(operands, operation.operands, strict=True))
                made.operations.append(replace(operation, operands=tuple(refs)))
                number[value] = len(made.operations) - 1
                stack.pop()
        tensors = {}
        for name, stored in self.tensors.items():
            place = None if stored.value is None else number.get(self.held(stored.value))
            if stored.value is None or place is not None:
                tensors[name] = replace(stored, value=place)
        return made, tensors

    def reached(self, wanted: Collection[int]) -> set[int]:
        found: set[int] = set()
        stack = list(wanted)
        while stack:
            value = stack.pop()
            if value not in found:
                found.add(value)
                stack.extend(self.held(ref.value) for ref in self.operation(value).operands)
        return found

    def live_readers(self) -> dict[int, list[int]]:
        """What reads each value, as things stand in each other's place by now."""
        found: dict[int, list[int]] = {}
        for value in sorted(self.reached([self.held(value) for value in roots(self.tensors, self.outputs)])):
            for each in dict.fromkeys(self.held(ref.value) for ref in self.operation(value).operands):
                found.setdefault(each, []).append(value)
        return found

    def is_kernel(self, value: int, name: str) -> bool:
        found = self.operation(self.held(value))
        return found.kind == "kernel" and bool(found.detail.name == name)

    # ---- parts -------------------------------------------------------------------------------------------------------

    def is_local(self, value: int, dim: str | None, rank: int) -> bool:
        """Whether an operation works entry by entry, or along one axis, that of a dimension, alone."""
        operation = self.operation(value)
        if value in self.instead or operation.kind not in ("map", "contract", "reduce") or len(operation.dims) > rank:
            return False
        return not operation.summed or [operation.dims[label] for label in operation.summed] == [dim]

    def above(self, anchors: Collection[int], rank: int, dim: str | None = None) -> list[int]:
        """What is computed of values entry by entry, and along an axis, with so many labels; the latest first."""
        found, stack = set(anchors), list(anchors)
        while stack:
            for reader in self.readers.get(stack.pop(), ()):
                if reader not in found and self.is_local(reader, dim, rank):
                    found.add(reader)
                    stack.append(reader)
        return sorted(found, reverse=True)

    def part(self, value: int, through: Collection[int], stops: Collection[int] = ()) -> Part | None:
        """A value as a function: its operations are followed as far as they are among ``through``."""
        operation = self.operation(value)
        found, own = Part({}, dict(enumerate(operation.dims)), set()), set(operation.out)
        seen: set[tuple[int, Labels]] = set()
        stack = [Ref(value, operation.out)]
        while stack:
            ref = stack.pop()
            if ref.value in stops or not (ref.value in through or self.is_plain(ref.value)):
                if ref.value not in found.leaves or not own.issuperset(found.leaves[ref.value]):
                    found.leaves[ref.value] = ref.labels
                if self.graph.type(ref.value) != "float":
                    return None
                continue
            walked = ref.value, tuple(label if label in own else -1 for label in ref.labels)
            if walked in seen:
                continue
            seen.add(walked)
            found.inner.add(ref.value)
            if len(seen) > MOST:
                return None
            inner = self.operation(ref.value)
            names = dict(zip(inner.out, ref.labels, strict=True))
            for label, dim in enumerate(inner.dims):
                if label not in names:
                    names[label] = len(found.dims)
                    found.dims[len(found.dims)] = dim
            stack.extend(each.renamed(names) for each in inner.operands)
        return found

    def is_plain(self, value: int) -> bool:
        """Whether sizes and positions alone determine a value."""
        operation = self.operation(value)
        return operation.kind in ("number", "iota") or (
            operation.kind == "map" and all(self.is_plain(ref.value) for ref in operation.operands)
        )

    def agrees(self, value: int, leaves: Collection[int], formula: Formula, scale: Expr = ONE) -> bool:
        """Whether a value is what a formula makes of others, times a number of sizes, at random points of more than
        one size."""
        for look, known in enumerate(self.small):
            rng = np.random.default_rng(look)
            try:
                drawn = {leaf: self.drawn(leaf, known, rng) for leaf in leaves}
                expected = number_of(scale, known) * formula(drawn)
                if not same(entries(self.graph, value, drawn, known), expected):
                    return False
            except (UnknownError, ValueError, ArithmeticError):
                return False
        return True

    def drawn(self, leaf: int, known: Mapping[str, int], rng: np.random.Generator) -> Array:
        """Entries of a value: of a softmax such as there are, some of which are nearly one."""
        entries_ = rng.normal(size=[known[dim] for dim in self.operation(leaf).out_dims])
        if leaf not in self.shares:
            return entries_
        share = self.shares[leaf]
        if share.mask is not None:
            mask = entries(self.graph, share.mask.value, {}, known)
            entries_ = np.where(along(mask, share.mask.labels, self.operation(leaf).out), entries_, -np.inf)
        return MEANINGS["softmax"](4 * entries_, share.axis)

    @cached_property
    def small(self) -> list[dict[str, int]]:
        """Small sizes: another one for each axis, as far as there are."""
        dims = sorted({dim for value in self.order for dim in self.operation(value).dims})
        return [dict(zip(dims, itertools.cycle(sizes))) for sizes in SIZES]

    # ---- softmax and its logarithm -----------------------------------------------------------------------------------

    def softmax(self, top: int) -> None:
        """Softmax, its logarithm and logsumexp of what the largest entries are taken of along one axis."""
        reduction = self.operation(top)
        if reduction.kind != "reduce" or reduction.detail != "max of all" or len(reduction.summed) != 1:
            return
        (ref,) = reduction.operands
        axis, u, rank = ref.labels.index(reduction.summed[0]), ref.value, len(ref.labels)
        through = self.above([top], rank, reduction.dims[reduction.summed[0]])
        for value in through:
            out = self.operation(value).out
            names = SOFTMAXES if len(out) == rank else ("logsumexp",) if len(out) == rank - 1 else ()
            found = self.part(value, through, [u]) if names else None
            if found is None or set(found.leaves) != {u}:
                continue
            labels = found.leaves[u]
            kept = labels if len(out) == rank else tuple(x for k, x in enumerate(labels) if k != axis)
            if sorted(kept) != sorted(out):
                continue
            for name in names:

                def formula(d: Drawn, name: str = name, kept: Labels = kept, out: Labels = out) -> Array:
                    return along(MEANINGS[name](d[u], axis), kept, out)

                if self.agrees(value, [u], formula):
                    kernel = Kernel(name, (axis,), (labels,))
                    made = self.add("kernel", kernel, [Ref(u, labels)], kept, found.dims, value)
                    self.put(value, made, kept, out, found.dims)
                    if name == "softmax":
                        self.shares[value] = self.share(u, labels, labels[axis], out)
                    break

    def share(self, u: int, labels: Labels, last: int, out: Labels) -> Share:
        """What is known of a softmax of u, which has these labels in those of the result."""
        own = dict(zip(self.operation(u).out, labels, strict=True))
        operation = self.operation(u)
        logits, scale, mask = Ref(u, labels), ONE, None
        if operation.kind == "map" and operation.detail[0] == "add" and len(operation.operands) == 2:
            terms = list(zip(operation.detail[1], operation.operands, strict=True))
            for (factor, one), (times, other) in (terms, terms[::-1]):
                log = self.operation(other.value)
                if (
                    times is ONE
                    and log.kind == "map"
                    and log.detail == ("log",)
                    and self.is_mask(log.operands[0].value)
                ):
                    inner = dict(zip(log.out, other.renamed(own).labels, strict=True))
                    logits, scale, mask = one.renamed(own), factor, log.operands[0].renamed(inner)
        selected = self.operation(logits.value)
        if mask is not None and selected.kind == "map" and selected.detail == ("select",):
            names = dict(zip(selected.out, logits.labels, strict=True))
            if selected.operands[0].renamed(names) == mask:
                logits = selected.operands[1].renamed(names)
        return Share(out.index(last), logits, scale, mask)

    def is_mask(self, value: int) -> bool:
        return self.graph.type(value) == "bool" and self.is_plain(value)

    def masked(self, value: int) -> None:
        """What a mask leaves of a softmax which has it already is the softmax, where some entry of every row counts."""
        share = self.shares[value]
        if share.mask is None or not self.is_full(value, share):
            return
        operation = self.operation(value)
        rank, dim = len(operation.out), operation.out_dims[share.axis]
        local = {each for each in self.order if self.is_local(each, dim, rank)}
        for other in sorted(self.above([value], rank, dim)):
            found = self.part(other, local, [value]) if other != value else None
            if found is None or set(found.leaves) != {value} or not self.compares(found, value):
                continue
            labels, out = found.leaves[value], self.operation(other).out
            if sorted(labels) == sorted(out) and self.agrees(other, [value], lambda d: along(d[value], labels, out)):  # noqa: B023
                self.put(other, value, labels, out, found.dims)

    def is_full(self, value: int, share: Share) -> bool:
        """Whether a mask leaves an entry of every row; of sizes that are not known, whether it is causal."""
        assert share.mask is not None
        if self.general:
            return self.is_causal(value, share)
        last = self.operation(value).out[share.axis]
        try:
            mask = entries(self.graph, share.mask.value, {}, self.known)
        except UnknownError:
            return False
        return last in share.mask.labels and bool(np.all(np.any(mask, axis=share.mask.labels.index(last))))

    def is_causal(self, value: int, share: Share) -> bool:
        """Whether a mask is that the place along the axis of a softmax is no later than one along another axis."""
        assert share.mask is not None
        operation = self.operation(share.mask.value)
        names = dict(zip(operation.out, share.mask.labels, strict=True))
        if operation.kind != "map" or operation.detail not in (("<=",), (">=",)):
            return False
        early, late = operation.operands if operation.detail == ("<=",) else operation.operands[::-1]
        counted = all(self.operation(ref.value).kind == "iota" and len(ref.labels) == 1 for ref in (early, late))
        return counted and early.renamed(names).labels == (self.operation(value).out[share.axis],) != late.labels

    def compares(self, found: Part, value: int) -> bool:
        """Whether a part compares nothing but a softmax with more than one half, and has no mask but its own."""
        mask = self.shares[value].mask
        for each in found.inner:
            operation = self.operation(each)
            if self.graph.type(each) != "bool" or (mask is not None and each == mask.value):
                continue
            numbers = [self.operation(ref.value) for ref in operation.operands if ref.value != value]
            dominant = operation.detail == (">",) and operation.operands[0].value in (value, *self.same_as(value))
            large = [n.detail.value for n in numbers if n.kind == "number" and isinstance(n.detail, Const)]
            if not (dominant and len(large) == 1 and 1 / 2 < large[0] < 1):
                return False
        return True

    def same_as(self, value: int) -> list[int]:
        return [other for other, new in self.instead.items() if new == value]

    def softmax_backward(self, value: int) -> None:
        """A softmax P times what a cotangent is more than its mean, ``P (d - sum(P d))``."""
        share, operation = self.shares[value], self.operation(value)
        rank, axis, dim = len(operation.out), share.axis, operation.out_dims[share.axis]
        local = {each for each in self.order if self.is_local(each, dim, rank)} | set(self.same_as(value))
        above = [each for each in self.above([value, *self.same_as(value)], rank, dim) if each != value]
        made: dict[tuple[int, Labels, Expr], int] = {}
        scales = dict.fromkeys((ONE, share.scale))
        for other in above:
            out = self.operation(other).out
            for d in self.beside(other, above, local, value) if len(out) == rank and other not in self.instead else ():
                found = self.part(other, local, [value, d])
                if found is None or set(found.leaves) != {value, d} or not self.compares(found, value):
                    continue
                labels, up = found.leaves[value], found.leaves[d]
                if not sorted(labels) == sorted(up) == sorted(out):
                    continue

                def formula(
                    drawn: Drawn, d: int = d, up: Labels = up, labels: Labels = labels, out: Labels = out
                ) -> Array:
                    p, slope = drawn[value], along(drawn[d], up, labels)
                    return along(p * (slope - (p * slope).sum(axis, keepdims=True)), labels, out)

                scale = next((c for c in scales if self.agrees(other, [value, d], formula, c)), None)
                if scale is not None:
                    key = d, tuple(labels.index(label) for label in up), scale
                    if key not in made:
                        kernel = Kernel("softmax_backward", (axis, scale), (labels, labels))
                        refs = [Ref(d, up), Ref(value, labels)]
                        made[key] = self.add("kernel", kernel, refs, labels, found.dims, other)
                    self.put(other, made[key], labels, out, found.dims)
                    break

    # ---- layer norm --------------------------------------------------------------------------------------------------

    def norm(self, root: int) -> Norm | None:
        """A layer norm, of a root of a mean of squares."""
        centred = self.centred(root)
        if centred is None:
            return None
        t, axis = centred
        operation = self.operation(t)
        if operation.kind != "map" or operation.detail[0] != "add":
            return None
        dim = operation.out_dims[axis]
        for ref in operation.operands:
            x = ref.value

            def formula(d: Drawn, x: int = x) -> Array:
                return less_mean(d[x], axis)

            epsilon = self.at_zero(root, x) if ref.labels == operation.out and self.agrees(t, [x], formula) else None
            if epsilon is None:
                continue
            rank = len(operation.out)
            through = [value for value in self.above([x], rank, dim) if value != x]
            for value in self.above([root, t], rank, dim):
                made = self.normed(value, through, x, axis, epsilon)
                if made is not None:
                    return Norm(x, axis, (root, t), epsilon, *made, value)
        return None

    def at_zero(self, root: int, x: int) -> float | None:
        """What stands under a root where x is zero: one number that is not negative, or none."""
        (under,) = self.operation(root).operands
        found: set[float] = set()
        for known in self.small:
            zeros = np.zeros([known[dim] for dim in self.operation(x).out_dims])
            try:
                found.update(np.ravel(entries(self.graph, under.value, {x: zeros}, known)).tolist())
            except UnknownError:
                return None
        return found.pop() if len(found) == 1 and min(found) >= 0 else None

    def centred(self, root: int) -> tuple[int, int] | None:
        """The value whose squares are summed under a root, and the axis along which they are."""
        operation = self.operation(root)
        half = operation.kind == "map" and operation.detail[0] == "pow" and len(operation.detail) > 1
        powers = operation.detail[1].value if half and isinstance(operation.detail[1], Const) else None
        if not (operation.kind == "map" and (operation.detail == ("sqrt",) or (powers and abs(powers) * 2 == 1))):
            return None
        value = operation.operands[0].value
        while self.operation(value).kind == "map" and self.operation(value).detail[0] in ("add", "scale"):
            values = [ref.value for ref in self.operation(value).operands if not self.is_plain(ref.value)]
            if len(values) != 1:
                return None
            (value,) = values
        total = self.operation(value)
        if total.kind != "contract" or len(total.summed) != 1 or total.detail != len(total.operands):
            return None
        refs = list(total.operands)
        if len(refs) == 1 and self.operation(refs[0].value).kind == "map":
            refs = [ref for ref in self.operation(refs[0].value).operands if refs[0].labels]
            return (refs[0].value, total.operands[0].labels.index(total.summed[0])) if len(refs) == 1 else None
        same_twice = len(refs) == 2 and refs[0] == refs[1]
        return (refs[0].value, refs[0].labels.index(total.summed[0])) if same_twice else None

    def normed(
        self, value: int, through: Collection[int], x: int, axis: int, epsilon: float
    ) -> tuple[int | None, int] | None:
        """The gain, if there is one, and the kernel, where a value is a layer norm of x; which it then is."""
        out = self.operation(value).out
        found = self.part(value, through, [x]) if len(out) == len(self.operation(x).out) else None
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

            if self.agrees(value, [x, *order], formula):
                break
        else:
            return None
        wide = (*(label for label in labels if label != labels[axis]), labels[axis])
        kernel = Kernel("layer_norm", (epsilon,), (wide, *[wide[-1:]] * len(order)))
        refs = [Ref(x, labels), *(Ref(each, wide[-1:]) for each in order)]
        made = self.add("kernel", kernel, refs, wide, found.dims, value)
        self.put(value, self.add("part", (0, wide), [Ref(made, wide)], wide, found.dims, value), wide, out, found.dims)
        return gain, made

    def norm_backward(self, norm: Norm) -> None:
        """The cotangents of a layer norm: what is among the terms of that of x, and those of gain and bias."""
        x, axis, gain = norm.x, norm.axis, norm.gain
        dim, rank = self.operation(x).out_dims[axis], len(self.operation(x).out)
        above = self.above(norm.anchors, rank, dim)
        local = {value for value in self.order if self.is_local(value, dim, rank)} - {x} | {norm.y}
        for value in above:
            if len(self.operation(value).out) != rank:
                continue
            group, rest = self.among(value, above)
            for dy in self.beside(group, above, local, x):
                found = self.part(group, {*local, group}, [x, dy])
                if found is None or set(found.leaves) != {x, dy, gain} - {None}:
                    continue
                made = self.norm_made(norm, value, group, found, dy)
                if made is not None:
                    kernel, wide, of_parameters = made
                    first = self.add("part", (0, wide), [Ref(kernel, wide)], wide, found.dims, value)
                    self.add_to(value, first, wide, rest, found.dims)
                    for place, end in of_parameters.items():
                        detail, refs = (place, wide[-1:]), [Ref(kernel, wide)]
                        self.instead[end] = self.add("part", detail, refs, wide[-1:], found.dims, end)
                    return

    def beside(self, value: int, above: Collection[int], local: Collection[int], x: int) -> list[int]:
        """What is as large as a value that is computed of it: what is not above x, then everything else."""
        parts = [self.part(value, {*each, value}, [x]) for each in (above, local)]
        found = [each for part in parts if part is not None for each in (*part.leaves, *sorted(part.inner))]
        rank = len(self.operation(value).out)
        return [v for v in dict.fromkeys(found) if v not in (x, value) and len(self.operation(v).out) == rank]

    def norm_made(
        self, norm: Norm, value: int, group: int, found: Part, dy: int
    ) -> tuple[int, Labels, dict[int, int]] | None:
        """The kernel of a backward pass, its labels, and the cotangents of gain and bias, if that is what there is."""
        x, axis, gain = norm.x, norm.axis, norm.gain
        out, labels, up = self.operation(group).out, found.leaves[x], found.leaves[dy]
        last = labels[axis : axis + 1]
        if not sorted(labels) == sorted(up) == sorted(out) or found.leaves.get(
            norm.x if gain is None else gain
        ) not in (last, labels):
            return None

        def weighted(d: Drawn) -> Array:
            return along(d[dy], up, labels) * (1 if gain is None else along(d[gain], last, labels))

        def of_x(d: Drawn) -> Array:
            return along(norm_backward(d[x], weighted(d), axis, norm.epsilon), labels, out)

        if not self.agrees(group, [each for each in (x, dy, gain) if each is not None], of_x):
            return None
        rows = tuple(k for k in range(len(labels)) if k != axis)
        sums: dict[int, Formula] = {
            1: lambda d: np.sum(along(d[dy], up, labels) * normed(d[x], axis, norm.epsilon), axis=rows),
            2: lambda d: np.sum(along(d[dy], up, labels), axis=rows),
        }
        ends = [
            end
            for end in self.order
            if gain is not None and end not in self.instead and self.operation(end).kind == "contract"
            and self.operation(end).out_dims == (found.dims[last[0]],)
        ]  # fmt: skip
        of_parameters = {
            place: end for place, total in sums.items() for end in ends if self.agrees(end, [x, dy], total)
        }
        wide = (*(label for label in labels if label not in last), *last)
        mask = (True, 1 in of_parameters, 2 in of_parameters)
        refs = [Ref(dy, up), Ref(x, labels), Ref(norm.made, wide), *([] if gain is None else [Ref(gain, last)])]
        kernel = Kernel("layer_norm_backward", (mask,), (wide, wide, wide, last)[: len(refs)])
        return self.add("kernel", kernel, refs, wide, found.dims, value), wide, of_parameters

    def add_to(
        self, value: int, first: int, labels: Labels, rest: Sequence[tuple[Any, Ref]], dims: Mapping[int, str]
    ) -> None:
        """Put a value, and the other terms of a sum, in the place of the sum."""
        out = self.operation(value).out
        if not rest:
            self.put(value, first, labels, out, dims)
            return
        coefficients, operands = zip(*rest, strict=True)
        detail = ("add", (ONE, *coefficients))
        self.instead[value] = self.add("map", detail, [Ref(first, labels), *operands], out, dims, value)

    def among(self, value: int, through: Collection[int]) -> tuple[int, list[tuple[Any, Ref]]]:
        """The terms of a sum that are among values, as one value, and the others with their coefficients."""
        operation = self.operation(value)
        if operation.kind != "map" or operation.detail[0] != "add":
            return value, []
        terms = list(zip(operation.detail[1], operation.operands, strict=True))
        own = [term for term in terms if term[1].value in through]
        rest = [term for term in terms if term[1].value not in through]
        if not rest or set().union(*(ref.labels for _, ref in own)) != set(operation.out):
            return value, []
        coefficients, operands = zip(*own, strict=True)
        dims = dict(enumerate(operation.dims))
        return self.add("map", ("add", coefficients), operands, operation.out, dims, value), rest

    # ---- functions of single entries ---------------------------------------------------------------------------------

    def activation(self, anchor: int, kernels: Mapping[str, Callable[[Array], Array]]) -> None:
        """GELU and SiLU of a value, or a cotangent times their derivatives."""
        operation = self.operation(anchor)
        if operation.kind != "map" or operation.detail[0] not in TRANSCENDENTAL:
            return
        u = self.base(operation.operands[0].value)
        rank = len(self.operation(u).out)
        if rank == 0 or self.graph.type(u) != "float":
            return
        through = {value for value in self.above([u], rank) if value != u} | {
            value for value in self.instead
            if any(self.is_kernel(value, name) for name in ACTIVATIONS)
            and [ref.value for ref in self.operation(self.held(value)).operands] == [u]
        }  # fmt: skip
        for value in self.above([anchor], rank):
            out = self.operation(value).out
            found = self.part(value, through, [u]) if value not in self.instead else None
            if found is None or u not in found.leaves or len(found.leaves) != (1 if kernels is ACTIVATIONS else 2):
                continue
            if any(sorted(labels) != sorted(out) for labels in found.leaves.values()):
                continue
            leaves = sorted(found.leaves, key=lambda leaf: leaf == u)
            for name, function in kernels.items():

                def formula(d: Drawn, function: Any = function, found: Part = found, out: Labels = out) -> Array:
                    *up, x = (along(d[leaf], found.leaves[leaf], out) for leaf in leaves)  # noqa: B023
                    return math.prod(up, start=function(x))

                if self.agrees(value, leaves, formula):
                    refs = [Ref(leaf, found.leaves[leaf]) for leaf in leaves]
                    kernel = Kernel(name, (), (out,) * len(leaves))
                    self.instead[value] = self.add("kernel", kernel, refs, out, found.dims, value)
                    break

    def base(self, value: int) -> int:
        """What a value is a function of, entry by entry, where that is one value."""
        while True:
            operation = self.operation(value)
            values = {ref.value for ref in operation.operands if not self.is_plain(ref.value)}
            local = operation.kind in ("map", "contract") and not operation.summed and value not in self.instead
            bases = {self.base(each) for each in values} if local and len(values) > 1 else values
            if not local or len(bases) != 1:
                return value
            (value,) = bases


class Attention:
    """A softmax of products of queries and keys, by which values are weighted, and its cotangents.

    Labels are those of the softmax; behind them come that of queries and keys, and that of values.
    """

    def __init__(self, graph: Recognised, value: int) -> None:
        self.all, self.share, self.operation = graph, graph.shares[value], graph.operation(value)
        self.held, self.readers = graph.held(value), graph.live_readers()
        self.dims = dict(enumerate(self.operation.out_dims))
        self.names = dict(zip(self.operation.out, range(len(self.operation.out)), strict=True))
        self.e, self.d = len(self.names), len(self.names) + 1
        self.value = value

    def put(self) -> None:
        """Put kernels in the place of the products, where nothing else reads the softmax."""
        if not self.found() or self.held in map(self.all.held, self.all.kept):
            return
        wholes, slopes, ends = [], [], []
        for reader, labels in self.reads(self.held, self.own):
            operation = self.all.operation(reader)
            if operation.kind == "kernel" and operation.detail.name == "softmax_backward":
                slopes.append(reader)
                continue
            product = self.product(reader, self.held, labels, self.d)
            if product is None:
                return
            other, out, summed = product
            if summed == (self.s,) and set(other.labels) == {*self.batch, self.s, self.d}:
                wholes.append((reader, other, out))
            elif summed == (self.t,) and set(other.labels) == {*self.batch, self.t, self.d}:
                ends.append((reader, other, out))
            else:
                return
        if len(wholes) != 1 or len(slopes) > 1 or bool(ends) > bool(slopes):
            return
        ((whole, self.values, out),) = wholes
        self.dims[self.d] = self.dim_of(self.values, self.d)
        cotangents = self.cotangents(slopes[0], ends) if slopes else None
        if slopes and cotangents is None:
            return
        refs = [self.query, self.key, self.values]
        q, k, v, o = self.orders
        kernel = Kernel("attention", (self.causal, self.scale, bool(slopes)), (q, k, v))
        made = self.all.add("kernel", kernel, refs, o, self.dims, whole)
        self.part(made, 0, o, o, whole, out)
        if cotangents is not None:
            up, parts = cotangents
            scaled = self.all.operation(slopes[0]).detail.options[1] is not ONE
            kernel = Kernel("attention_backward", (self.causal, self.scale, scaled), (o, q, k, v, o))
            back = self.all.add("kernel", kernel, [up, *refs, Ref(made, o)], q, self.dims, parts[0][0])
            for value, place, out in parts:
                self.part(back, place, q, (q, k, v)[place], value, out)

    def part(self, kernel: int, place: int, labels: Labels, order: Labels, value: int, out: Labels) -> None:
        made = self.all.add("part", (place, order), [Ref(kernel, labels)], order, self.dims, value)
        self.all.put(value, made, order, out, self.dims)

    @property
    def orders(self) -> tuple[Labels, Labels, Labels, Labels]:
        """The labels of queries, keys, values and what is made of them."""
        pairs = ((self.t, self.e), (self.s, self.e), (self.s, self.d), (self.t, self.d))
        q, k, v, o = ((*self.batch, *pair) for pair in pairs)
        return q, k, v, o

    @property
    def own(self) -> Labels:
        return tuple(range(len(self.names)))

    def dim_of(self, ref: Ref, label: int) -> str:
        return self.all.operation(ref.value).out_dims[ref.labels.index(label)]

    def found(self) -> bool:
        """Whether the softmax is of scaled products of queries and keys, with no mask or a causal one."""
        graph, self.scale = self.all, self.share.scale
        ref = self.share.logits.renamed(self.names)
        operation = graph.operation(ref.value)
        if operation.kind == "map" and operation.detail[0] == "scale" and self.scale is ONE:
            self.scale = operation.detail[1]
            ref = operation.operands[0].renamed(dict(zip(operation.out, ref.labels, strict=True)))
            operation = graph.operation(ref.value)
        if operation.kind != "contract" or operation.detail != 2 or len(operation.summed) != 1:
            return False
        names = {**dict(zip(operation.out, ref.labels, strict=True)), operation.summed[0]: self.e}
        one, other = (each.renamed(names) for each in operation.operands)
        self.s = self.share.axis
        self.query, self.key = (one, other) if self.s in other.labels else (other, one)
        late = [label for label in self.query.labels if label not in self.key.labels]
        if len(late) != 1:
            return False
        (self.t,) = late
        self.batch = tuple(label for label in self.own if label not in (self.s, self.t))
        self.dims[self.e] = operation.dims[operation.summed[0]]
        of_keys = len(set(self.key.labels)) == len(self.key.labels) == len(self.batch) + 2
        if set(self.query.labels) != {*self.batch, self.t, self.e} or set(self.key.labels) != {
            *self.batch,
            self.s,
            self.e,
        }:
            return False
        self.causal = self.share.mask is not None
        return of_keys and (not self.causal or (
            graph.is_causal(self.value, self.share)
            and {self.names[label] for label in self.share.mask.labels} == {self.s, self.t}  # type: ignore[union-attr]
        ))  # fmt: skip

    def reads(self, value: int, labels: Labels) -> list[tuple[int, Labels]]:
        """What reads a value with these labels, also in another order of its axes."""
        found = []
        for reader in self.readers.get(value, ()):
            operation = self.all.operation(reader)
            if operation.kind == "part" and operation.detail[0] is None:
                names = dict(zip(operation.operands[0].labels, labels, strict=True))
                found += self.reads(reader, tuple(names[label] for label in operation.out))
            else:
                found.append((reader, labels))
        return found

    def product(self, reader: int, value: int, labels: Labels, other: int) -> tuple[Ref, Labels, Labels] | None:
        """Of a product of a value and one more: that one, the labels of the result, and what is summed; the label that
        the value lacks is the one that is given."""
        operation = self.all.operation(reader)
        if operation.kind != "contract" or operation.detail != 2 or len(operation.operands) != 2:
            return None
        own = [self.base(ref.value) == self.base(value) for ref in operation.operands]
        if own.count(True) != 1:
            return None
        mine, beside = operation.operands[own.index(True)], operation.operands[own.index(False)]
        names = dict(zip(mine.labels, labels, strict=True))
        lacking = [label for label in beside.labels if label not in names]
        if len(lacking) > 1 or self.all.graph.type(beside.value) != "float":
            return None
        names.update(dict.fromkeys(lacking, other))
        out, summed = (tuple(names[x] for x in each) for each in (operation.out, operation.summed))
        return beside.renamed(names), out, summed

    def base(self, value: int) -> int:
        """What a value is but for the order of its axes."""
        value = self.all.held(value)
        operation = self.all.operation(value)
        if operation.kind == "part" and operation.detail[0] is None:
            return self.base(operation.operands[0].value)
        return value

    def cotangents(
        self, slope: int, ends: Sequence[tuple[int, Ref, Labels]]
    ) -> tuple[Ref, list[tuple[int, int, Labels]]] | None:
        """The cotangent of what is made, and which values are those of queries, keys and values."""
        graph = self.all
        d, _ = graph.operation(slope).operands
        names = dict(zip(graph.operation(slope).operands[1].labels, self.own, strict=True))
        d = d.renamed(names)
        weights = graph.operation(d.value)
        if weights.kind != "contract" or weights.detail != 2 or len(weights.summed) != 1:
            return None
        inner = {**dict(zip(weights.out, d.labels, strict=True)), weights.summed[0]: self.d}
        pair = [ref.renamed(inner) for ref in weights.operands]
        ups = [ref for ref in pair if self.t in ref.labels]
        if len(ups) != 1 or self.values not in pair or set(ups[0].labels) != {*self.batch, self.t, self.d}:
            return None
        if any(ref != ups[0] for _, ref, _ in ends):
            return None
        parts = [(end, 2, out) for end, _, out in ends]
        for reader, labels in self.reads(slope, self.own):
            product = self.product(reader, slope, labels, self.e)
            if product is None:
                return None
            other, out, summed = product
            if (other, summed) == (self.key, (self.s,)):
                parts.append((reader, 0, out))
            elif (other, summed) == (self.query, (self.t,)):
                parts.append((reader, 1, out))
            else:
                return None
        return ups[0], parts


def along(array: Array, labels: Labels, out: Labels) -> Array:
    """An array with these labels along axes with others, among which they are."""
    turned = np.transpose(array, sorted(range(len(labels)), key=lambda axis: out.index(labels[axis])))
    sizes = {label: array.shape[axis] for axis, label in enumerate(labels)}
    return turned.reshape([sizes.get(label, 1) for label in out])


def less_mean(x: Array, axis: int) -> Array:
    return x - x.mean(axis, keepdims=True)


def normed(x: Array, axis: int, epsilon: float) -> Array:
    return less_mean(x, axis) / np.sqrt(x.var(axis, keepdims=True) + epsilon)


def norm_backward(x: Array, up: Array, axis: int, epsilon: float) -> Array:
    unit = normed(x, axis, epsilon)
    less = less_mean(up, axis) - unit * (up * unit).mean(axis, keepdims=True)
    return less / np.sqrt(x.var(axis, keepdims=True) + epsilon)


def _tanh_gelu(x: Array, slope: bool = False) -> Array:
    root, cubic = math.sqrt(2 / math.pi), 0.044715
    t = np.tanh(root * (x + cubic * x**3))
    return (1 + t) / 2 + x * (1 - t**2) * root * (1 + 3 * cubic * x**2) / 2 if slope else x * (1 + t) / 2


_ERF = np.vectorize(math.erf, otypes=[float])
_SIGMOID = lambda x: 1 / (1 + np.exp(-x))  # noqa: E731
ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "gelu": lambda x: x * (1 + _ERF(x / math.sqrt(2))) / 2,
    "gelu_tanh": _tanh_gelu,
    "silu_kernel": lambda x: x * _SIGMOID(x),
}
DERIVATIVES: dict[str, Callable[[Array], Array]] = {
    "gelu_backward": lambda x: (1 + _ERF(x / math.sqrt(2))) / 2 + x * np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi),
    "gelu_tanh_backward": lambda x: _tanh_gelu(x, True),
    "silu_backward": lambda x: _SIGMOID(x) * (1 + x * _SIGMOID(-x)),
}
SOFTMAXES = ("softmax", "log_softmax")
TRANSCENDENTAL = ("erf", "erfc", "tanh", "sigmoid", "exp")
