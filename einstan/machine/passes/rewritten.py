"""A graph in which values take the place of others, where a part of it is a function that is known.

A part is looked at as what it computes of some values: at random points, of more than one size.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from einstan.language.term import ONE, Expr, Name
from einstan.language.threads import cached_property
from einstan.machine.meaning.numbers import number_of
from einstan.machine.passes.sampled import Array, UnknownError, entries, same
from einstan.machine.sizes.operations import COMPARISONS, Graph, Kernel, Labels, Operation, Ref, Stored, roots

SMALLEST = 3  # of the sizes of axes, so that there are rows of three kinds
MOST = 60  # operations of a part
# Functions without a kink or a jump: what agrees at random points agrees everywhere.
SMOOTH = (
    *("add", "scale", "pow", "exp", "expm1", "log", "log1p", "sqrt", "sin", "cos", "tanh", "sinh", "cosh", "sigmoid"),
    *("softplus", "silu", "erf", "erfc"),
)
ANY = (*COMPARISONS, "select", "abs")
Drawn = Mapping[int, Array]
Formula = Callable[[Drawn], Array]
Sizes = Mapping[str, int]
Draw = Callable[[Sizes, np.random.Generator], Array]


@dataclass
class Part:
    """The operations between a value and what it is a function of, with its labels: those of the value, and others."""

    leaves: dict[int, Labels]
    dims: dict[int, str]
    inner: set[int]


class Rewritten:
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
        self.made: dict[Operation, int] = {}
        self.draws: dict[int, Draw] = {}  # of values whose entries are not any numbers
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
        if made not in self.made:
            self.graph.operations.append(made)
            self.made[made] = len(self.graph.operations) - 1
        return self.made[made]

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

    def is_local(self, value: int, dim: str | None, rank: int, anyway: bool = False) -> bool:
        """Whether an operation works entry by entry, or along one axis, that of a dimension, alone; by default none in
        whose place another value stands."""
        operation = self.operation(value)
        if operation.kind not in ("map", "contract", "reduce") or (value in self.instead and not anyway):
            return False
        one = not operation.summed or [operation.dims[label] for label in operation.summed] == [dim]
        return one and len(operation.dims) <= rank

    def above(self, anchors: Collection[int], rank: int, dim: str | None = None) -> list[int]:
        """What is computed of values entry by entry, and along an axis, with so many labels; the latest first."""
        found, stack = set(anchors), list(anchors)
        while stack:
            for reader in self.readers.get(stack.pop(), ()):
                if reader not in found and self.is_local(reader, dim, rank):
                    found.add(reader)
                    stack.append(reader)
        return sorted(found, reverse=True)

    def part(
        self, value: int, through: Collection[int], stops: Collection[int] = (), kinks: Collection[str] = ()
    ) -> Part | None:
        """A value as a function: its operations are followed as far as they are among ``through``.

        Of those that are not smooth there are only ``kinks``, on all sides of which the caller looks.
        """
        operation = self.operation(value)
        found, own = Part({}, dict(enumerate(operation.dims)), set()), set(operation.out)
        seen: set[tuple[int, Labels]] = set()
        stack = [Ref(value, operation.out)]
        while stack:
            ref = stack.pop()
            if ref.value in stops or not (ref.value in through or self.is_plain(ref.value)):
                if ref.value not in found.leaves or not own.issuperset(found.leaves[ref.value]):
                    found.leaves[ref.value] = ref.labels
                if self.graph.type(ref.value) != "float" and ref.value not in stops:
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
            if inner.kind == "map" and inner.detail[0] not in (*SMOOTH, *kinks):
                return None
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
        one size; none of them is a comparison, which a library's call does not take."""
        if any(self.graph.type(leaf) != "float" for leaf in leaves):
            return False
        for look, known in enumerate(self.small):
            rng = np.random.default_rng(look)
            try:
                with np.errstate(all="ignore"):  # a row may have no entry that counts
                    drawn = {leaf: self.drawn(leaf, known, rng) for leaf in leaves}
                    expected = number_of(scale, known) * formula(drawn)
                if not same(entries(self.graph, value, drawn, known), expected):
                    return False
            except (UnknownError, ValueError, ArithmeticError):
                return False
        return True

    def drawn(self, leaf: int, known: Sizes, rng: np.random.Generator) -> Array:
        """Entries of a value such as there may be."""
        if leaf in self.draws:
            return self.draws[leaf](known, rng)
        return rng.normal(size=[known[dim] for dim in self.operation(leaf).out_dims])

    @cached_property
    def small(self) -> list[dict[str, int]]:
        """Small sizes for two looks at what a part computes: no two axes have the same in both."""
        dims = sorted({dim for value in self.order for dim in self.operation(value).dims})
        base = max(4, math.ceil(math.sqrt(len(dims))))
        first = {dim: SMALLEST + k % base for k, dim in enumerate(dims)}
        return [first, {dim: SMALLEST + (k // base + k + 1) % base for k, dim in enumerate(dims)}]

    def beside(self, value: int, above: Collection[int], local: Collection[int], x: int) -> list[int]:
        """What is as large as a value that is computed of it: what is not above x, then everything else."""
        parts = [self.part(value, {*each, value}, [x], ANY) for each in (above, local)]
        found = [each for part in parts if part is not None for each in (*part.leaves, *sorted(part.inner))]
        rank = len(self.operation(value).out)
        return [v for v in dict.fromkeys(found) if v not in (x, value) and len(self.operation(v).out) == rank]

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
