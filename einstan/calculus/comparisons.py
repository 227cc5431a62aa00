"""Brackets that what they compare decides: ``1[2 < 3] = 1``, ``1[x < x] = 0``, ``1[0 <= i < |i|] = 1``.

Brackets of brackets: ``1[2 1[c] > 0] = 1[c]``, ``1[1 + 1[c] > 0] = 1``.

``1[x == x]`` asks whether x is a number: of missing data, which are NaN, it is 0.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from einstan.language.index import Affine, Index, affine
from einstan.language.node import Node, holds
from einstan.language.term import ONE, ZERO, Add, Apply, Const, Delta, Expr, Extent, Indexed, Iverson, Mul, mul


def decided_bracket(node: Iverson, children: tuple[Node, ...]) -> Expr:
    if node.is_ones:
        return ONE
    numbers = [_number(child) for child in children]
    pairs = zip(numbers, node.relations, numbers[1:], strict=False)
    decided = [_COMPARE[r](a, b) for a, r, b in pairs if a is not None and b is not None]
    if not all(decided):
        return ZERO  # 1[0 <= -1 < |f.0|] = 0
    if len(decided) == len(node.relations):
        return ONE
    if all(map(_always, children, node.relations, children[1:])):
        return ONE  # 1[0 <= i < |i|] = 1
    if node.relations == (">",) and _number(children[1]) == 0 and (some := _some_hold(children[0])) is not None:
        return some
    if len(children) == 2:
        children = _rectified(children, node.relations[0])
    if len(children) == 2 and children[0] is children[1]:
        if node.relations[0] in ("<", ">"):
            return ZERO
        if not holds(node, Indexed):
            return ZERO if node.relations[0] == "!=" else ONE
    return Iverson(children, node.relations)


def _always(left: Node, relation: str, right: Node) -> bool:
    """Whether every value of an index fulfils it: ``0 <= i``, ``i < |i|``, ``0 <= |i|-1-i``.

    Where another extent is spoken of, ``i < |i| + |j|``, the bracket says that i may be short of what it reads.
    """
    a, b = (_form(side) for side in (left, right))
    if relation not in ("<=", "<") or a is None or b is None:
        return False
    dims = {
        n.dim if isinstance(n, Index) else n.index.dim for n, _ in (*a.terms, *b.terms) if isinstance(n, Index | Extent)
    }
    return len(dims) == 1 and _never_negative(affine((b, 1), (a, -1), constant=-(relation == "<")))


def _form(operand: Node) -> Affine | None:
    number = _number(operand)
    if number is not None:
        return Affine((), int(number)) if number.denominator == 1 else None
    return operand if isinstance(operand, Affine) else None


def _never_negative(form: Affine) -> bool:
    """Whether a form is at least 0 whatever the sizes: an index runs from 0 to its extent less one, which is then at
    least 1."""
    least: dict[str, int] = {}
    constant, running = form.constant, set()
    for atom, k in form.terms:
        if not isinstance(atom, Index | Extent):
            return False
        dim = atom.dim if isinstance(atom, Index) else atom.index.dim
        if isinstance(atom, Index):
            running.add(dim)
            constant -= min(k, 0)
        if isinstance(atom, Extent) or k < 0:
            least[dim] = least.get(dim, 0) + k
    constant += sum(k for dim, k in least.items() if dim in running)
    return constant >= 0 and all(k >= 0 for k in least.values())


def _rectified(operands: tuple[Node, ...], relation: str) -> tuple[Node, ...]:
    """``relu(u) > a`` is ``u > a`` where a is a number that is not negative, and ``relu(u) <= a`` is ``u <= a``."""
    (left, right), (a, b) = operands, map(_number, operands)
    if b is not None and b >= 0 and relation in (">", "<="):
        return _unrectified(left), right
    if a is not None and a >= 0 and relation in ("<", ">="):
        return left, _unrectified(right)
    return operands


def _unrectified(operand: Node) -> Node:
    return operand.arguments[0] if isinstance(operand, Apply) and operand.function == "relu" else operand


def _some_hold(total: Node) -> Expr | None:
    """``1[total > 0]`` where that is no sum of several products of brackets: one such product, or surely positive."""
    terms = total.terms if isinstance(total, Add) else (total,)
    products = [term.factors if isinstance(term, Mul) else (term,) for term in terms]
    numbers = [factor for factors in products for factor in factors if isinstance(factor, Const)]
    others = [[f for f in factors if isinstance(f, Delta | Iverson)] for factors in products]
    zero_or_one = len(numbers) + sum(map(len, others)) == sum(map(len, products))
    if not zero_or_one or any(number.value <= 0 for number in numbers):
        return None
    if not all(others):
        return ONE
    return mul(others[0]) if len(others) == 1 else None


def _number(operand: Node) -> Fraction | None:
    if isinstance(operand, Const):
        return operand.value
    if isinstance(operand, Affine) and not operand.terms:
        return Fraction(operand.constant)
    return None


_COMPARE: dict[str, Callable[..., bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}
