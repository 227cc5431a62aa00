"""Values that have two names: ``1[i == j]`` is ``δ[i,j]``, and ``max(0, x)`` is ``relu(x)``.

They are the same numbers, so that a claim about values may use either; what is *derived* at a kink depends on the name
(relu'(0) = 0, and the two arguments of max share), so these rules come after differentiation, never before.
"""

from __future__ import annotations

from collections.abc import Collection

from einstan.language.index import Affine, affine
from einstan.language.node import Node, holds, preorder, rewrite
from einstan.language.term import ONE, ZERO, Apply, Delta, Expr, Indexed, Iverson, Name, add, neg

OPPOSITE = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}


def opposite(bracket: Iverson) -> Expr:
    """What holds where one comparison does not."""
    (relation,) = bracket.relations
    return one_name(Iverson(bracket.operands, (OPPOSITE[relation],)))


def are_opposite(brackets: Collection[Expr]) -> bool:
    """Whether one of some brackets always holds, as two of them are opposite."""
    held = {_comparison(bracket) for bracket in brackets}
    return any(isinstance(b, Iverson) and len(b.relations) == 1 and _comparison(opposite(b)) in held for b in brackets)


def _comparison(bracket: Expr) -> tuple[str, Collection[Node]]:
    """A bracket whichever way round it is written, a delta as the comparison that it is."""
    if isinstance(bracket, Delta):
        return "==", frozenset((bracket.left, bracket.right))
    if not isinstance(bracket, Iverson) or len(bracket.relations) != 1:
        return "", (bracket,)
    (relation,), (left, right) = bracket.relations, bracket.operands
    if relation in ("==", "!="):
        return relation, frozenset((left, right))
    return (relation, (left, right)) if "<" in relation else (relation.replace(">", "<"), (right, left))


def one_name(expr: Expr) -> Expr:
    """The expression with one name for each such value; ``1[i != j]`` stays, for it guards."""
    return rewrite(expr, _rule)


def complemented(expr: Expr, integers: Collection[Name] = ()) -> Expr:
    """The expression with ``1 - δ[i,j]`` for ``1[i != j]``, which a proof can take apart and which guards nothing, and
    ``δ[T[n],p]`` for ``1[T[n] == p]``, where the entries of T are known to be integers."""

    def form(operand: Node) -> Node:
        is_integer = isinstance(operand, Indexed) and operand.tensor in integers
        return affine((operand, 1)) if is_integer else operand

    def rule(node: Node) -> Node:
        forms = tuple(map(form, node.operands)) if isinstance(node, Iverson) and len(node.relations) == 1 else ()
        if not forms or not all(isinstance(each, Affine) for each in forms):
            return node
        return _complement(_rule(Iverson(forms, node.relations))) if node.relations[0] in ("==", "!=") else node

    return rewrite(expr, rule)


def in_slots(*exprs: Expr) -> set[Name]:
    """The tensors that are read as integers."""
    slots = (node for node in preorder(*exprs) if isinstance(node, Affine) and holds(node, Indexed))
    return {inner.tensor for node in slots for inner in preorder(node) if isinstance(inner, Indexed)}


def _complement(node: Node) -> Node:
    match node:
        case Iverson(operands=(Affine() as left, Affine() as right), relations=("!=",)):
            return add((ONE, neg(Delta(left, right))))
    return node


def _are_alike(left: Affine, right: Affine) -> bool:
    """Whether a delta may be said of two forms: one of two indices says that these run equally far."""
    return left.index is None or right.index is None or left.index.dim == right.index.dim


def _rule(node: Node) -> Node:
    match node:
        case Iverson(operands=(Affine() as left, Affine() as right), relations=("==",)) if _are_alike(left, right):
            return Delta(left, right)
        case Apply(function="maximum", arguments=(first, second)) if ZERO in (first, second):
            return Apply("relu", (second if first is ZERO else first,))
        case _:
            return node
