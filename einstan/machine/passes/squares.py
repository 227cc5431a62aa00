"""Squares of products: ``sum[N](A[N,k] B[N,c] A[N,l] B[N,p])``, the Gram matrix of columns that are products of two.

It is that of A for each weight ``B[N,c] B[N,p]``, so every two columns of A are multiplied once: half of the work where
a library has no symmetric product.  Hessians of a layer have it, of the inputs and of what is behind the layer.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

from einstan.language.term import Name
from einstan.machine.passes.rewritten import Rewritten
from einstan.machine.sizes.operations import Graph, Ref, Stored

MOST = 2  # times as large as the result may be what it is the product of


def taken_apart(
    graph: Graph,
    tensors: Mapping[Name, Stored],
    outputs: Collection[Name],
    known: Mapping[str, int],
    general: bool = False,
) -> tuple[Graph, dict[Name, Stored]]:
    """The graph and where its tensors are, the same but for such squares; for all sizes (``general``) none, since how
    much memory they take is not known."""
    made = Rewritten(graph, tensors, outputs, known)
    for value in () if general else made.order:
        _take_apart(made, value)
    return made.rebuilt()


def _take_apart(made: Rewritten, value: int) -> None:
    operation = made.operation(value)
    if operation.kind != "gram" or len(operation.operands) != 2:
        return
    half, mirrored = operation.operands
    inner = made.operation(half.value)
    if inner.kind != "contract" or inner.summed or inner.detail != 2 or len(inner.operands) != 2:
        return
    own = dict(zip(inner.out, half.labels, strict=True))
    mirror = dict(zip(half.labels, mirrored.labels, strict=True))
    rows = tuple(x for x in half.labels if mirror[x] == x)

    def columns(ref: Ref) -> tuple[int, ...]:
        return tuple(x for x in ref.labels if x not in rows)

    def size(labels: Collection[int]) -> int:
        return math.prod(known[dims[x]] for x in labels)

    dims, known = dict(enumerate(operation.dims)), made.known
    few, many = sorted((ref.renamed(own) for ref in inner.operands), key=lambda ref: size(columns(ref)))
    if not set(rows) <= {*few.labels} & {*many.labels} or not columns(few) or {*columns(few)} & {*columns(many)}:
        return
    pairs = size(columns(many)) * (size(columns(many)) + 1) // 2
    if size(rows) * (pairs + size(columns(few)) ** 2) > MOST * size(operation.out):
        return
    batch = (*columns(few), *(mirror[x] for x in columns(few)))
    order = (*batch, *columns(many), *(mirror[x] for x in columns(many)))
    both = made.add("contract", 2, (few, few.renamed(mirror)), (*batch, *rows), dims, value)
    found = made.add("grams", None, (many, many.renamed(mirror), Ref(both, (*batch, *rows))), order, dims, value)
    made.put(value, found, order, operation.out, dims)
