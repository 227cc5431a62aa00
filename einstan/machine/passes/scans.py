"""Sums, products and the largest of all entries up to each, once sizes are known: one pass instead of a table of pairs.

    sum[J](1[J <= i] x[J])               a running sum; its transpose, sum[I](1[j <= I] y[I]), is one from the end
    prod[J](1[J <= i] x[J] + 1[J > i])   a running product
    max[J](x[J] + log(1[J <= i]))        a running maximum, and with a minus a running minimum

A bracket that compares two indices makes them what they are, whatever the names: one index is summed, the other stands
in nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from einstan.calculus.indicators import OPPOSITE
from einstan.language.term import MINUS_ONE, ONE, Expr
from einstan.machine.sizes.extents import Extents
from einstan.machine.sizes.operations import Flat, Graph, Operation, Ref, Scan, Stored, is_select

PAIRS = 4096  # of positions, from which one pass is faster than a product with a table of them
MIRROR = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
UFUNCS = {"prod": "multiply", "max": "maximum", "min": "minimum"}
SIGNS = {"max": ONE, "min": MINUS_ONE}  # of the logarithm of a bracket that leaves nothing over
Scaled = tuple[Ref, Expr]


class Bracket(NamedTuple):
    """``1[left relation right]`` of two labels."""

    left: int
    relation: str
    right: int


def scanned(flat: Flat, extents: Extents) -> Flat:
    """The same operations, with scans where there are any that pay."""
    if not any(_bracket(flat.graph, operation) for operation in flat.graph.operations):
        return flat
    return _Scanner(flat, extents).run()


def _bracket(graph: Graph, operation: Operation) -> Bracket | None:
    """The comparison of two positions that an operation is, in its own labels."""
    if operation.kind != "map" or operation.detail[0] not in MIRROR:
        return None
    if any(graph.operations[ref.value].kind != "iota" for ref in operation.operands):
        return None
    left, right = (ref.labels[0] for ref in operation.operands)
    return Bracket(left, operation.detail[0], right) if left != right else None


class _Scanner:
    """The graph again; every value keeps the order of its axes."""

    def __init__(self, flat: Flat, extents: Extents) -> None:
        self.flat, self.known = flat, extents.known
        self.graph = Graph()
        self.value: dict[int, int] = {}

    def run(self) -> Flat:
        for number, operation in enumerate(self.flat.graph.operations):
            operands = [Ref(self.value[ref.value], ref.labels) for ref in operation.operands]
            made = self.scan(operation, operands)
            if made is None:
                made = self.add(operation, operation.kind, operation.detail, operands, operation.out)
            self.value[number] = made.value
        tensors = {
            name: stored
            if stored.value is None
            else Stored(stored.coefficient, self.value[stored.value], stored.slots, stored.dims)
            for name, stored in self.flat.tensors.items()
        }
        # A scan reads no entry that its bracket hides, so there is nothing to presume of it.
        presumed = {self.value[value] for value in self.flat.presumed}
        presumed = {value for value in presumed if self.graph.operations[value].kind != "scan"}
        return replace(self.flat, graph=self.graph, tensors=tensors, presumed=frozenset(presumed))

    def add(self, operation: Operation, kind: str, detail: object, operands: Sequence[Ref], out: Sequence[int]) -> Ref:
        def space(label: int) -> tuple[str, str]:
            return operation.dims[label], operation.letters[label]

        return self.graph.add(kind, detail, operands, out, space, operation.equation)

    def scan(self, operation: Operation, operands: list[Ref]) -> Ref | None:
        if operation.kind == "contract" and operation.detail == len(operands) > 1:
            return self.running_sum(operation, operands)
        if operation.kind == "reduce" and len(operation.summed) == 1:
            return self.reduced(operation, operands[0])
        return None

    # ---- sums --------------------------------------------------------------------------------------------------------

    def running_sum(self, operation: Operation, operands: list[Ref]) -> Ref | None:
        """``sum[J](1[J <= i] x[J,...])`` times what has no J."""
        for number, ref in enumerate(operands):
            others = [*operands[:number], *operands[number + 1 :]]
            for bracket in self.sides(ref):
                summed, free = bracket.left, bracket.right
                body = [other for other in others if summed in other.labels]
                rest = [other for other in others if summed not in other.labels]
                alone = summed in operation.summed and free in operation.out and body
                if not alone or any(free in other.labels for other in others) or not self.pays(operation, bracket):
                    continue
                held = {label for other in body for label in other.labels}
                if not any(held <= set(other.labels) for other in body):
                    continue  # their product would be larger than each of them
                elsewhere = {*operation.out, *(label for other in rest for label in other.labels)}
                kept = tuple(
                    x for x in dict.fromkeys(x for o in body for x in o.labels) if x == summed or x in elsewhere
                )
                inner = body[0]
                if len(body) > 1 or kept != inner.labels:
                    inner = self.add(operation, "contract", len(body), body, kept)
                return self.run_over(operation, inner, bracket, "add", rest)
        return None

    def run_over(self, operation: Operation, inner: Ref, bracket: Bracket, ufunc: str, rest: Sequence[Ref] = ()) -> Ref:
        """A scan of what is inside, and its product with what is not."""
        scan = Scan(ufunc, bracket.relation[0] == ">", "=" not in bracket.relation)
        if not rest:
            return self.add(operation, "scan", scan, [inner], operation.out)
        out = tuple(bracket.right if label == bracket.left else label for label in inner.labels)
        made = self.add(operation, "scan", scan, [inner], out)
        return self.add(operation, "contract", 1 + len(rest), [made, *rest], operation.out)

    # ---- products, and the largest -----------------------------------------------------------------------------------

    def reduced(self, operation: Operation, ref: Ref) -> Ref | None:
        """A reduction of what is something on one side of a bracket, and nothing to the reduction on the other."""
        inner = self.graph.operations[ref.value]
        if inner.kind != "map" or inner.detail[0] != "add" or len(inner.operands) != 2:
            return None
        names = dict(zip(inner.out, ref.labels, strict=True))
        terms = list(zip((part.renamed(names) for part in inner.operands), inner.detail[1], strict=True))
        for first, second in (terms, terms[::-1]):
            found = self.masked(first, second) if operation.detail == "prod" else self.shifted(first, second, operation)
            if found is None:
                continue
            body, bracket = found
            over = (bracket.left,) == operation.summed and bracket.right not in body.labels
            whole = {bracket.right if label == bracket.left else label for label in body.labels} == set(operation.out)
            if over and whole and self.pays(operation, bracket):
                return self.run_over(operation, body, bracket, UFUNCS[operation.detail])
        return None

    def masked(self, first: Scaled, second: Scaled) -> tuple[Ref, Bracket] | None:
        """``1[J <= i] x[J]`` beside ``1[J > i]``."""
        (product, one), (rest, other) = first, second
        inner = self.graph.operations[product.value]
        if not is_select(inner) or one is not ONE or other is not ONE:
            return None
        names = dict(zip(inner.out, product.labels, strict=True))
        mask, body = (part.renamed(names) for part in inner.operands)
        for bracket in self.sides(mask):
            opposite = Bracket(bracket.left, OPPOSITE[bracket.relation], bracket.right)
            if opposite in self.sides(rest) and bracket.left in body.labels:
                return body, bracket
        return None

    def shifted(self, first: Scaled, second: Scaled, operation: Operation) -> tuple[Ref, Bracket] | None:
        """``x[J] + log(1[J <= i])``, or with a minus for the smallest."""
        (body, one), (mask, sign) = first, second
        inner = self.graph.operations[mask.value]
        if inner.kind != "map" or inner.detail[0] != "log" or one is not ONE or sign is not SIGNS.get(operation.detail):
            return None
        names = dict(zip(inner.out, mask.labels, strict=True))
        sides = self.sides(inner.operands[0].renamed(names))
        return next(((body, bracket) for bracket in sides if bracket.left in body.labels), None)

    # ---- brackets ----------------------------------------------------------------------------------------------------

    def sides(self, ref: Ref) -> list[Bracket]:
        """A comparison of two positions, said of either of them."""
        operation = self.graph.operations[ref.value]
        found = _bracket(self.graph, operation)
        if found is None:
            return []
        names = dict(zip(operation.out, ref.labels, strict=True))
        left, right = names[found.left], names[found.right]
        return [Bracket(left, found.relation, right), Bracket(right, MIRROR[found.relation], left)]

    def pays(self, operation: Operation, bracket: Bracket) -> bool:
        return self.known[operation.dims[bracket.left]] * self.known[operation.dims[bracket.right]] >= PAIRS
