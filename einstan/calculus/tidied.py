"""Brackets as a person writes them: ``1[j <= i] 1[i-j != 0]`` is ``1[j < i]``, and ``1[d + |d|/2 >= |d|/2]`` nothing.

Bounds of what is read, ``1[0 <= p-1 < |x.0|]``, stay whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction

from einstan.language.index import Affine, Arithmetic, Index, affine
from einstan.language.node import Node
from einstan.language.term import Const, Expr, Extent, Iverson, Mul, mul

_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "!=": "!=", "==": "=="}
_STRICT = {"<=": "<", ">=": ">"}
Sides = tuple[Node, str, Node]


def tidied(product: Mul) -> Expr:
    """The product without brackets that say nothing, or say what another one says as well."""
    factors = [_apart(factor) for factor in product.factors]
    kept: list[Expr] = []
    for place, factor in enumerate(factors):
        if says_nothing(factor):
            continue
        stricter = next((s for k, other in enumerate(factors) if k != place and (s := _stricter(factor, other))), None)
        if stricter is not None:
            kept.append(stricter)
        elif not any(_stricter(other, factor) for k, other in enumerate(factors) if k != place):
            kept.append(factor)
    return mul(kept) if tuple(kept) != product.factors else product


def says_nothing(factor: Expr) -> bool:
    """Whether a bracket of indices that compares once holds of every value of them."""
    sides = _sides(factor)
    return sides is not None and holds_always(*sides)


def _sides(factor: Expr) -> Sides | None:
    """The two sides of a bracket of indices that compares once."""
    if not (isinstance(factor, Iverson) and len(factor.operands) == 2):
        return None
    left, right = factor.operands
    return left, factor.relations[0], right


def _apart(factor: Expr) -> Expr:
    """``1[i-j != 0]`` as ``1[i != j]``."""
    sides = _sides(factor)
    if sides is None:
        return factor
    left, relation, right = sides
    if not (isinstance(left, Affine) and right == Affine((), 0) and len(left.terms) == 2 and not left.constant):
        return factor
    (one, k), (other, m) = left.terms
    if not (isinstance(one, Index) and isinstance(other, Index) and k == -m and abs(k) == 1):
        return factor
    first, second = (one, other) if k > 0 else (other, one)
    return Iverson((affine((first, 1)), affine((second, 1))), (relation,))


def _stricter(factor: Expr, other: Expr) -> Expr | None:
    """``1[j < i]``, of ``1[j <= i]`` beside ``1[i != j]``."""
    own, beside = _sides(factor), _sides(other)
    if own is None or beside is None or own[1] not in _STRICT or beside[1] != "!=":
        return None
    same = {own[0], own[2]} == {beside[0], beside[2]}
    return Iverson((own[0], own[2]), (_STRICT[own[1]],)) if same else None


def holds_always(left: Node, relation: str, right: Node) -> bool:
    """Whether a comparison of indices and extents holds of every value of the indices."""
    if relation in (">", ">="):
        left, relation, right = right, _TURNED[relation], left
    above, below = worth(right), worth(left)
    if relation not in ("<", "<=") or above is None or below is None:
        return False
    gap = Counter(above)
    gap.subtract(below)
    least, extents = gap.pop(None, Fraction(0)), Counter[str]()
    for atom, k in gap.items():
        if isinstance(atom, Index):
            if k < 0:  # at most one less than its extent
                least -= k
                extents[atom.dim] += k
        elif isinstance(atom, str):
            extents[atom] += k
    return all(k >= 0 for k in extents.values()) and (least > 0 if relation == "<" else least >= 0)


Worth = dict[Index | str | None, Fraction]


def worth(operand: Node) -> Worth | None:
    """A sum of indices, extents by their dimensions, and a number, each with its coefficient."""
    if isinstance(operand, Const):
        return {None: operand.value}
    if isinstance(operand, Extent):
        return {operand.index.dim: Fraction(1)}
    if isinstance(operand, Mul):
        number, *rest = operand.factors
        found = worth(rest[0]) if len(rest) == 1 and isinstance(number, Const) else None
        return None if found is None or not isinstance(number, Const) else _times(found, number.value)
    if not isinstance(operand, Affine):
        return None
    return _total([(_atom(atom), k) for atom, k in operand.terms], operand.constant)


def _atom(atom: Node) -> Worth | None:
    if isinstance(atom, Index):
        return {atom: Fraction(1)}
    if isinstance(atom, Arithmetic) and atom.operation == "over" and not atom.right.terms:
        left = worth(atom.left)
        return None if left is None else _times(left, Fraction(1, atom.right.constant))
    return worth(atom) if isinstance(atom, Extent) else None


def _times(worth: Worth, number: Fraction) -> Worth:
    return {atom: k * number for atom, k in worth.items()}


def _total(parts: Sequence[tuple[Worth | None, int]], constant: int) -> Worth | None:
    total: Worth = {None: Fraction(constant)}
    for worth, k in parts:
        if worth is None:
            return None
        for atom, number in worth.items():
            total[atom] = total.get(atom, Fraction(0)) + k * number
    return total
