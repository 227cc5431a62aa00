"""Products that are symmetric, ``sum[N](w[N] X[N,k] X[N,l])``: half of them computed, and both halves equal exactly.

A contraction whose factors change places in pairs when its free indices do is a Gram matrix of one half,
``F[N,k]`` with weights ``w[N]``.  NumPy sends ``F'F`` to the symmetric product of BLAS, half of a general one.
Where the weights have free indices, ``M[i,N] F[N,k] F[N,l]``, there is a Gram matrix for each of their values: all of
them are one product of matrices, of M with the products of every two columns of F.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from einstan.machine.sizes.operations import Graph, Operation, Ref


@dataclass(frozen=True)
class Halves:
    """The factors of one half, those that both halves share, which label each label becomes in the other half, and the
    free labels of what is shared."""

    half: tuple[Ref, ...]
    shared: tuple[Ref, ...]
    mirror: dict[int, int]
    batch: tuple[int, ...]


def halves(operands: Sequence[Ref], out: Sequence[int], summed: Sequence[int]) -> Halves | None:
    """How a product is symmetric, or None: free labels change places with one another, or only what is shared has
    them; summed ones stay where they are."""
    mirror: dict[int, int] = {}
    half: list[Ref] = []
    taken: set[int] = set()
    for number, ref in enumerate(operands):
        if number in taken:
            continue
        for other in range(number + 1, len(operands)):
            if other in taken or operands[other].value != ref.value or operands[other].labels == ref.labels:
                continue
            extended = _extended(mirror, ref.labels, operands[other].labels)
            if extended is not None:
                mirror = extended
                half.append(ref)
                taken |= {number, other}
                break
    shared = tuple(ref for number, ref in enumerate(operands) if number not in taken)
    moved = {label for label, image in mirror.items() if label != image}
    mine = {label for ref in half for label in ref.labels} & moved
    if not half or not summed or not moved <= set(out) or moved.intersection(summed) or 2 * len(mine) != len(moved):
        return None
    rows = {label for ref in half for label in ref.labels} - mine
    batch = tuple(label for label in out if label not in moved)
    of_shared = {label for ref in shared for label in ref.labels}
    if not rows or not rows <= set(summed) or not of_shared <= {*summed, *batch}:
        return None
    if shared and not rows <= of_shared:
        return None
    return Halves(tuple(half), shared, mirror, batch)


def _extended(mirror: dict[int, int], left: Sequence[int], right: Sequence[int]) -> dict[int, int] | None:
    """The exchange of labels, with one factor's labels going to another's; None where it contradicts itself."""
    found = dict(mirror)
    for a, b in zip(left, right, strict=True):
        if found.setdefault(a, b) != b or found.setdefault(b, a) != a:
            return None
    return found


# ---- what is symmetric exactly ---------------------------------------------------------------------------------------


def is_symmetric(graph: Graph, value: int, order: Sequence[int]) -> bool:
    """Whether a value equals its transpose to the last bit, by the operations that make it."""
    labels = tuple(range(len(order)))
    return _same(graph, Ref(value, labels), Ref(value, tuple(order)))


def _same(graph: Graph, left: Ref, right: Ref, depth: int = 12) -> bool:
    """Whether two values are equal bit by bit for all values of their labels."""
    if left == right:
        return True
    one, two = graph.operations[left.value], graph.operations[right.value]
    if depth == 0 or one.kind != two.kind or one.detail != two.detail or len(one.operands) != len(two.operands):
        return False
    if one.kind == "gram":
        half = len(one.out) // 2
        turned = right.labels[half:] + right.labels[:half]
        return left.value == right.value and left.labels == turned
    if one.kind == "grams":
        batch = sum(label in one.operands[2].labels for label in one.out)
        half = (len(one.out) + batch) // 2
        turned = right.labels[:batch] + right.labels[half:] + right.labels[batch:half]
        return left.value == right.value and left.labels == turned
    ours, theirs = _operands(one, left), _operands(two, right)
    if one.kind == "contract" and one.summed:
        return False  # the sum may be taken in another order
    if one.kind not in ("contract", "map", "number"):
        return False
    if _commutes(one):
        return any(all(_same(graph, a, b, depth - 1) for a, b in zip(ours, way, strict=True)) for way in _ways(theirs))
    return all(_same(graph, a, b, depth - 1) for a, b in zip(ours, theirs, strict=True))


def _operands(operation: Operation, ref: Ref) -> list[Ref]:
    names = dict(zip(operation.out, ref.labels, strict=True))
    return [Ref(o.value, tuple(names.get(x, -1 - x) for x in o.labels)) for o in operation.operands]


def _commutes(operation: Operation) -> bool:
    """Sums and products of two: a third would be added in another order."""
    if len(operation.operands) != 2:
        return False
    if operation.kind == "contract":
        return bool(operation.detail == 2)
    if operation.detail[0] == "add":
        first, second = operation.detail[1]
        return bool(first == second)
    return operation.detail[0] in ("maximum", "minimum", "==", "!=", "and")


def _ways(operands: list[Ref]) -> Iterator[list[Ref]]:
    yield operands
    yield operands[::-1]
