"""In which order the axes of every product lie in memory, so that as few products as can be need a copy.

A matrix product reads an operand without a copy where each of its groups (batch, kept, summed) stands side by side, and
a batched one where its innermost axis is none of the batch.  Only products that nothing but products read are free; the
search goes through them forwards and backwards, one at a time, as long as entries copied become fewer; the first time
it looks one product ahead.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from einstan.language.term import Name
from einstan.machine.sizes.lower import classified
from einstan.machine.sizes.operations import Graph, Labels, Operation, Ref, Stored, is_select

MOST_ORDERS = 48  # of one product, up to which all are tried
MOST_SWEEPS = 4
COPY = 2.0  # an entry read and written
UNTIDY = 0.25  # an entry of a result or of a sum whose order is not the best one
Order = tuple[int, ...]  # which axis of the value as it was stands at each place


class Layouts:
    """A search over a graph of products in pairs."""

    def __init__(
        self, graph: Graph, tensors: Mapping[Name, Stored], outputs: Collection[Name], known: Mapping[str, int]
    ) -> None:
        self.graph, self.tensors, self.known = graph, tensors, known
        wanted = [tensors[name] for name in outputs if tensors[name].value is not None]
        self.needed = sorted(graph.needed(s.value for s in wanted if s.value is not None))
        self.readers: dict[int, list[int]] = {value: [] for value in self.needed}
        for value in self.needed:
            for ref in {ref.value for ref in graph.operations[value].operands}:
                self.readers[ref].append(value)
        self.results = {s.value: tuple(axis for axis in s.slots if axis is not None) for s in wanted}
        self.orders: dict[int, Order] = {}
        self.costs: dict[tuple[object, ...], float] = {}
        self.free = [value for value in self.needed if self.is_free(value)]
        self.movable = set(self.free)

    def is_free(self, value: int) -> bool:
        operation = self.graph.operations[value]
        read_by = [self.graph.operations[reader] for reader in self.readers[value]]
        # What a bracket selects is read entry by entry, as by a product that sums nothing.
        product = operation.kind == "contract" and len(operation.operands) == 2 and len(operation.out) > 1
        return (product or is_spread(operation)) and all(
            other.kind in ("contract", "gram") or is_select(other) for other in read_by
        )

    def run(self) -> tuple[Graph, dict[Name, Stored]]:
        """The graph and where its tensors are, the same but for the order of axes."""
        concerned = {value: None for v in self.free for value in (v, *self.readers[v])}
        best, orders = sum(map(self.cost, concerned)), dict(self.orders)
        for sweep in range(MOST_SWEEPS if best else 0):
            for value in self.free if sweep % 2 == 0 else reversed(self.free):
                self.improve(value, ahead=sweep == 0)
            found = sum(map(self.cost, concerned))
            if found < best:
                best, orders = found, dict(self.orders)
            elif sweep:
                break
        self.orders = orders
        graph = Graph()
        graph.operations = [
            self.seen(value) if value in self.readers else operation
            for value, operation in enumerate(self.graph.operations)
        ]
        tensors = dict(self.tensors)
        for name, stored in tensors.items():
            order = self.orders.get(-1 if stored.value is None else stored.value)
            if order is not None:
                slots = tuple(None if axis is None else order.index(axis) for axis in stored.slots)
                tensors[name] = Stored(stored.coefficient, stored.value, slots, stored.dims)
        return graph, tensors

    def improve(self, value: int, ahead: bool) -> None:
        """Give a product the best of its orders; its readers stay as they are, or may follow it (``ahead``)."""

        def total() -> float:
            return self.cost(value) + sum(self.cost(reader, ahead and reader in self.movable) for reader in readers)

        readers = self.readers[value]
        chosen = self.orders.get(value)
        best = total()
        for order in self.candidates(value) if best else ():
            self.orders[value] = order
            found = total()
            if found < best:
                best, chosen = found, order
        if chosen is None:
            self.orders.pop(value, None)
        else:
            self.orders[value] = chosen

    # ---- which orders there are --------------------------------------------------------------------------------------

    def seen(self, value: int) -> Operation:
        """An operation in the orders chosen so far."""
        operation = self.graph.operations[value]
        orders = self.orders
        if value not in orders and not any(ref.value in orders for ref in operation.operands):
            return operation
        operands = tuple(
            Ref(ref.value, tuple(ref.labels[axis] for axis in orders[ref.value])) if ref.value in orders else ref
            for ref in operation.operands
        )
        out = operation.out
        return replace(operation, operands=operands, out=tuple(out[k] for k in orders.get(value, range(len(out)))))

    def candidates(self, value: int) -> Iterator[Order]:
        operation = self.graph.operations[value]
        axis = {label: k for k, label in enumerate(operation.out)}
        for labels in self.label_orders(value, self.seen(value)):
            yield tuple(axis[label] for label in labels)

    def label_orders(self, value: int, operation: Operation) -> Iterator[Labels]:
        if not operation.summed:
            if math.factorial(len(operation.out)) <= MOST_ORDERS:
                yield from itertools.permutations(operation.out)
            else:
                yield from self.suggested(value, operation, operation.out)
            return
        groups = classified(operation)
        parts = (groups.batch, groups.left, groups.right)
        every = math.prod(math.factorial(len(part)) for part in parts) <= MOST_ORDERS
        ways = [list(itertools.permutations(p)) if every else self.suggested(value, operation, p) for p in parts]
        for batch, left, right in itertools.product(*ways):
            yield (*batch, *left, *right)
            if left and right:
                yield (*batch, *right, *left)

    def suggested(self, value: int, operation: Operation, group: Labels) -> list[Labels]:
        """The orders that a group has in what this product reads, and in what its readers read and make."""
        found = {group}
        for ref in operation.operands:
            found.add(arranged(group, ref.labels))
        names = self.seen(value).out
        for reader in self.readers[value]:
            other = self.seen(reader)
            for mine in (ref for ref in other.operands if ref.value == value):
                there = dict(zip(mine.labels, names, strict=True))
                for labels in (other.out, *(ref.labels for ref in other.operands)):
                    found.add(arranged(group, [there[label] for label in labels if label in there]))
        return list(found)

    # ---- what they cost ----------------------------------------------------------------------------------------------

    def cost(self, value: int, anyhow: bool = False) -> float:
        """`counted`, remembered: the search comes back to the same orders."""
        orders = self.orders
        key = (
            value,
            anyhow,
            orders.get(value),
            *[orders.get(ref.value) for ref in self.graph.operations[value].operands],
        )
        found = self.costs.get(key)
        if found is None:
            found = self.costs[key] = self.counted(value, anyhow)
        return found

    def counted(self, value: int, anyhow: bool) -> float:
        """Entries that are copied to compute a value, and a little for what is read or returned out of order;
        ``anyhow``: if its own order could be any."""
        operation = self.seen(value)
        cost = 0.0
        if value in self.results and value in self.orders:
            order = self.orders[value]
            cost += UNTIDY * self.size(operation, operation.out) * (not anyhow and order != self.results[value])
        if is_spread(operation):
            beside_last = any(ref.labels[-1:] == operation.out[-1:] for ref in operation.operands)
            return cost + (0 if anyhow or beside_last else UNTIDY * self.size(operation, operation.out))
        if not is_select(operation) and (operation.kind != "contract" or len(operation.operands) != 2):
            return cost + self.scattered(operation)
        if not operation.summed:
            last = sum(ref.labels[-1:] == operation.out[-1:] for ref in operation.operands)
            return cost + (0 if anyhow else 2 - last) * UNTIDY * self.size(operation, operation.out)
        groups = classified(operation)
        batch, left, right = groups.batch, groups.left, groups.right
        if not anyhow and operation.out not in ((*batch, *left, *right), (*batch, *right, *left)):
            cost += COPY * self.size(operation, operation.out)
        for ref, kept in zip(operation.operands, (left, right), strict=True):
            kept = arranged(kept, ref.labels) if anyhow else kept
            if not (beside(ref.labels, kept) and beside(ref.labels, groups.contracted)):
                cost += COPY * self.size(operation, ref.labels)
            elif batch and ref.labels[-1] in batch and (left or right) and len(ref.labels) > len(batch):
                cost += self.size(operation, range(len(operation.dims)))  # no BLAS reads that
            elif batch and not (left or right) and ref.labels[-1] in batch and ref.labels[0] in batch:
                cost += self.size(operation, range(len(operation.dims)))  # rows that lie across
        return cost

    def scattered(self, operation: Operation) -> float:
        """Sums and symmetric products read axes side by side."""
        if operation.kind not in ("contract", "gram"):
            return 0.0
        cost = 0.0
        for ref in operation.operands:
            kept = tuple(label for label in ref.labels if label in operation.out)
            summed = tuple(label for label in ref.labels if label not in operation.out)
            if not (beside(ref.labels, kept) and beside(ref.labels, summed)):
                cost += COPY * self.size(operation, ref.labels)
        return cost

    def size(self, operation: Operation, labels: Iterable[int]) -> int:
        return math.prod(self.known[operation.dims[label]] for label in labels)


def is_spread(operation: Operation) -> bool:
    """Whether a sum is larger than each of its terms, whose axes it spreads out: `X[i,k] - X[j,k]`."""
    terms = operation.kind == "map" and operation.detail[0] == "add"
    return terms and len(operation.out) > 1 and all(len(ref.labels) < len(operation.out) for ref in operation.operands)


def arranged(group: Labels, order: Iterable[int]) -> Labels:
    """A group in the order in which its labels occur; those that do not occur stay behind."""
    first = [label for label in dict.fromkeys(order) if label in group]
    return (*first, *(label for label in group if label not in first))


def beside(labels: Labels, group: Labels) -> bool:
    """Whether a group of labels stands side by side, in its order."""
    if len(group) < 2:
        return True
    start = labels.index(group[0])
    return labels[start : start + len(group)] == group
