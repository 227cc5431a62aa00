"""Attention recognised: a softmax that is read by nothing but products, and its cotangents."""

from __future__ import annotations

from collections.abc import Sequence

from einstan.language.term import ONE
from einstan.machine.passes.softmaxes import Softmaxes
from einstan.machine.sizes.operations import Kernel, Labels, Ref


class Attention:
    """A softmax of products of queries and keys, by which values are weighted, and its cotangents.

    Labels are those of the softmax; behind them come that of queries and keys, and that of values.
    """

    def __init__(self, softmaxes: Softmaxes, value: int) -> None:
        graph = self.all = softmaxes.all
        self.softmaxes, self.share, self.operation = softmaxes, softmaxes.shares[value], graph.operation(value)
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
            self.softmaxes.is_causal(self.value, self.share)
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
