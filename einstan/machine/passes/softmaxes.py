"""Softmaxes recognised, their logarithms, and the cotangents of what they are of; a mask that a softmax has already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from einstan.language.term import ONE, Const, Expr
from einstan.machine.passes.rewritten import Drawn, Part, Rewritten, Sizes
from einstan.machine.passes.sampled import MEANINGS, Array, UnknownError, along, entries
from einstan.machine.sizes.operations import Kernel, Labels, Ref

SOFTMAXES = ("softmax", "log_softmax")
SIDES = (">", "==", "!=", "<=", ">=", "select")  # on both sides of which there are points, see `Softmaxes.compares`
DOMINANT = 0.55, 0.99  # what is compared with a softmax lies between these


@dataclass
class Share:
    """A softmax: the axis that it sums to one along, what it is of, and where that counts; with its own labels."""

    axis: int
    logits: Ref
    scale: Expr
    mask: Ref | None


class Softmaxes:
    """Those of a graph, by value."""

    def __init__(self, graph: Rewritten) -> None:
        self.all = graph
        self.shares: dict[int, Share] = {}

    def forward(self) -> None:
        for value in self.all.order:
            self.softmax(value)

    def backward(self) -> None:
        for value in self.shares:
            self.masked(value)
            self.softmax_backward(value)
            for label in self.all.order:
                self.labelled(value, label)

    def softmax(self, top: int) -> None:
        """Softmax, its logarithm and logsumexp of what the largest entries are taken of along one axis."""
        reduction = self.all.operation(top)
        if reduction.kind != "reduce" or reduction.detail != "max of all" or len(reduction.summed) != 1:
            return
        (ref,) = reduction.operands
        axis, u, rank = ref.labels.index(reduction.summed[0]), ref.value, len(ref.labels)
        through = self.all.above([top], rank, reduction.dims[reduction.summed[0]])
        for value in through:
            out = self.all.operation(value).out
            names = SOFTMAXES if len(out) == rank else ("logsumexp",) if len(out) == rank - 1 else ()
            found = self.all.part(value, through, [u]) if names else None
            if found is None or set(found.leaves) != {u}:
                continue
            labels = found.leaves[u]
            kept = labels if len(out) == rank else tuple(x for k, x in enumerate(labels) if k != axis)
            if sorted(kept) != sorted(out):
                continue
            for name in names:

                def formula(d: Drawn, name: str = name, kept: Labels = kept, out: Labels = out) -> Array:
                    return along(MEANINGS[name](d[u], axis), kept, out)

                if self.all.agrees(value, [u], formula):
                    kernel = Kernel(name, (axis,), (labels,))
                    made = self.all.add("kernel", kernel, [Ref(u, labels)], kept, found.dims, value)
                    self.all.put(value, made, kept, out, found.dims)
                    if name == "softmax":
                        share = self.shares[value] = self.share(u, labels, labels[axis], out)
                        self.all.draws[value] = partial(self.drawn, value, share)
                    break

    def share(self, u: int, labels: Labels, last: int, out: Labels) -> Share:
        """What is known of a softmax of u, which has these labels in those of the result."""
        own = dict(zip(self.all.operation(u).out, labels, strict=True))
        operation = self.all.operation(u)
        logits, scale, mask = Ref(u, labels), ONE, None
        if operation.kind == "map" and operation.detail[0] == "add" and len(operation.operands) == 2:
            terms = list(zip(operation.detail[1], operation.operands, strict=True))
            for (factor, one), (times, other) in (terms, terms[::-1]):
                log = self.all.operation(other.value)
                if (
                    times is ONE
                    and log.kind == "map"
                    and log.detail == ("log",)
                    and self.is_mask(log.operands[0].value)
                ):
                    inner = dict(zip(log.out, other.renamed(own).labels, strict=True))
                    logits, scale, mask = one.renamed(own), factor, log.operands[0].renamed(inner)
        selected = self.all.operation(logits.value)
        if mask is not None and selected.kind == "map" and selected.detail == ("select",):
            names = dict(zip(selected.out, logits.labels, strict=True))
            if selected.operands[0].renamed(names) == mask:
                logits = selected.operands[1].renamed(names)
        return Share(out.index(last), logits, scale, mask)

    def drawn(self, value: int, share: Share, known: Sizes, rng: np.random.Generator) -> Array:
        """A softmax such as there may be: in every other row one entry is nearly the whole, in the others none is."""
        operation = self.all.operation(value)
        logits = drawn_rows([known[dim] for dim in operation.out_dims], share.axis, rng)
        if share.mask is not None:
            mask = entries(self.all.graph, share.mask.value, {}, known)
            logits = np.where(along(mask, share.mask.labels, operation.out), logits, -np.inf)
        return MEANINGS["softmax"](logits, share.axis)

    def is_mask(self, value: int) -> bool:
        return self.all.graph.type(value) == "bool" and self.all.is_plain(value)

    def labelled(self, value: int, label: int) -> None:
        """1 at the labels less a softmax, where a comparison says where the labels are: what a cross-entropy leaves."""
        share, operation, equal = self.shares[value], self.all.operation(value), self.all.operation(label)
        rank, axis = len(operation.out), share.axis
        if equal.kind != "map" or equal.detail != ("==",) or len(equal.out) != rank or share.mask is not None:
            return
        place, at = sorted(equal.operands, key=lambda ref: len(ref.labels))
        if self.all.operation(place.value).kind != "iota":
            place, at = at, place
        dim, u = operation.out_dims[axis], share.logits.value
        kinds = [self.all.operation(ref.value).kind for ref in (place, at)]
        if kinds != ["iota", "input"] or self.all.operation(place.value).out_dims != (dim,):
            return
        labels_of = at.value

        def drawn_labels(known: Sizes, rng: np.random.Generator) -> Array:
            """Labels that are, and that are not, those of what is nearly the whole."""
            sizes = [known[each] for each in self.all.operation(labels_of).out_dims]
            row = np.arange(np.prod(sizes, dtype=int)).reshape(sizes)
            return (row + row // 2 % 2) % known[dim]

        def drawn_logits(known: Sizes, rng: np.random.Generator) -> Array:
            return drawn_rows([known[each] for each in self.all.operation(u).out_dims], axis, rng)

        self.all.draws |= {labels_of: drawn_labels, u: drawn_logits}
        local = {each for each in self.all.order if self.all.is_local(each, dim, rank, True)} - {u}
        for other in self.all.above([label], rank, dim):
            out = self.all.operation(other).out
            found = self.all.part(other, local, [u, labels_of], SIDES) if len(out) == rank and other != label else None
            if found is None or set(found.leaves) != {u, labels_of} or not self.compares(found, value, labels_of):
                continue
            where = self.all.part(other, local, [u, label], SIDES)
            if where is None or label not in where.leaves or sorted(found.leaves[u]) != sorted(out):
                continue
            own, mask = found.leaves[u], where.leaves[label]
            seen: set[tuple[bool, bool]] = set()  # of rows: whether an entry is nearly the whole, and is the label

            def formula(
                d: Drawn, own: Labels = own, mask: Labels = mask, out: Labels = out, seen: set[Any] = seen
            ) -> Array:
                positions = np.arange(np.shape(d[u])[axis])
                hot = along(positions, place.labels, equal.out) == along(d[labels_of], at.labels, equal.out)
                p, hot = along(MEANINGS["softmax"](d[u], axis), own, out), along(hot, mask, out)
                last = out.index(own[axis])
                large = np.max(p, last) > DOMINANT[0]
                seen.update(zip(large.ravel(), (large & np.any(hot & (p > DOMINANT[0]), last)).ravel(), strict=True))
                return hot - p

            agrees = sorted(mask) == sorted(out) and self.all.agrees(other, [u, labels_of], formula)
            if agrees and len(seen) == 3:
                kernel = Kernel("labelled", (axis,), (own, own))
                made = self.all.add("kernel", kernel, [Ref(value, own), Ref(label, mask)], own, found.dims, other)
                self.all.put(other, made, own, out, found.dims)
        self.all.draws.pop(u)

    def masked(self, value: int) -> None:
        """What a mask leaves of a softmax which has it already is the softmax, where some entry of every row counts."""
        share = self.shares[value]
        if share.mask is None or not self.is_full(value, share):
            return
        operation = self.all.operation(value)
        rank, dim = len(operation.out), operation.out_dims[share.axis]
        local = {each for each in self.all.order if self.all.is_local(each, dim, rank)}
        for other in sorted(self.all.above([value], rank, dim)):
            found = self.all.part(other, local, [value], SIDES) if other != value else None
            if found is None or set(found.leaves) != {value} or not self.compares(found, value):
                continue
            labels, out = found.leaves[value], self.all.operation(other).out

            def formula(d: Drawn, labels: Labels = labels, out: Labels = out) -> Array:
                return along(d[value], labels, out)

            if sorted(labels) == sorted(out) and self.all.agrees(other, [value], formula):
                self.all.put(other, value, labels, out, found.dims)

    def is_full(self, value: int, share: Share) -> bool:
        """Whether a mask leaves an entry of every row; of sizes that are not known, whether it is causal."""
        assert share.mask is not None
        if self.all.general:
            return self.is_causal(value, share)
        last = self.all.operation(value).out[share.axis]
        try:
            mask = entries(self.all.graph, share.mask.value, {}, self.all.known)
        except UnknownError:
            return False
        return last in share.mask.labels and bool(np.all(np.any(mask, axis=share.mask.labels.index(last))))

    def is_causal(self, value: int, share: Share) -> bool:
        """Whether a mask is that the place along the axis of a softmax is no later than one along another axis."""
        assert share.mask is not None
        operation = self.all.operation(share.mask.value)
        names = dict(zip(operation.out, share.mask.labels, strict=True))
        if operation.kind != "map" or operation.detail not in (("<=",), (">=",)):
            return False
        early, late = operation.operands if operation.detail == ("<=",) else operation.operands[::-1]
        counted = all(self.all.operation(ref.value).kind == "iota" and len(ref.labels) == 1 for ref in (early, late))
        place = (self.all.operation(value).out[share.axis],)
        return counted and early.renamed(names).labels == place != late.renamed(names).labels

    def compares(self, found: Part, value: int, labels: int | None = None) -> bool:
        """Whether a part compares nothing but a softmax with more than one half, and has no mask but its own; or where
        labels are."""
        mask = self.shares[value].mask
        for each in found.inner:
            operation = self.all.operation(each)
            if self.all.graph.type(each) != "bool" or (mask is not None and each == mask.value):
                continue
            if operation.detail in (("==",), ("!=",)) and labels in [ref.value for ref in operation.operands]:
                continue
            numbers = [self.all.operation(ref.value) for ref in operation.operands if ref.value != value]
            dominant = operation.detail == (">",) and operation.operands[0].value in (value, *self.same_as(value))
            large = [n.detail.value for n in numbers if n.kind == "number" and isinstance(n.detail, Const)]
            if not (dominant and len(large) == 1 and DOMINANT[0] < large[0] < DOMINANT[1] and self.both(value)):
                return False
        return True

    def both(self, value: int) -> bool:
        """Whether in some rows of what is drawn one of several entries is nearly the whole, and in others none."""
        found: set[bool] = set()
        for look, known in enumerate(self.all.small):
            drawn = self.all.drawn(value, known, np.random.default_rng(look))
            axis = self.shares[value].axis
            several = np.sum(drawn > 0, axis) > 1
            found |= set((np.max(drawn, axis) > DOMINANT[0])[several].tolist())
        return found == {True, False}

    def same_as(self, value: int) -> list[int]:
        return [other for other, new in self.all.instead.items() if new == value]

    def softmax_backward(self, value: int) -> None:
        """A softmax P times what a cotangent is more than its mean, ``P (d - sum(P d))``."""
        share, operation = self.shares[value], self.all.operation(value)
        rank, axis, dim = len(operation.out), share.axis, operation.out_dims[share.axis]
        local = {each for each in self.all.order if self.all.is_local(each, dim, rank)} | set(self.same_as(value))
        above = [each for each in self.all.above([value, *self.same_as(value)], rank, dim) if each != value]
        made: dict[tuple[int, Labels, Expr], int] = {}
        scales = dict.fromkeys((ONE, share.scale))
        for other in above:
            out = self.all.operation(other).out
            for d in (
                self.all.beside(other, above, local, value)
                if len(out) == rank and other not in self.all.instead
                else ()
            ):
                found = self.all.part(other, local, [value, d], SIDES)
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

                scale = next((c for c in scales if self.all.agrees(other, [value, d], formula, c)), None)
                if scale is not None:
                    key = d, tuple(labels.index(label) for label in up), scale
                    if key not in made:
                        kernel = Kernel("softmax_backward", (axis, scale), (labels, labels))
                        refs = [Ref(d, up), Ref(value, labels)]
                        made[key] = self.all.add("kernel", kernel, refs, labels, found.dims, other)
                    self.all.put(other, made[key], labels, out, found.dims)
                    break


def drawn_rows(sizes: Sequence[int], axis: int, rng: np.random.Generator) -> Array:
    """Logits: in row r, where that is even, the entry r is far above the others, as far as there are rows and entries;
    elsewhere all are nearly equal."""
    logits = 0.01 * rng.normal(size=sizes)
    rows = np.moveaxis(logits, axis, -1)
    for row, at in enumerate(np.ndindex(*rows.shape[:-1])):
        if row % 2 == 0:
            rows[(*at, row % rows.shape[-1])] += 8
    return logits
