"""Factors kept behind the brackets of a sum where they may have no value: ``1[a] u D + 1[b] v D``, not in front of it.

Where neither bracket holds this is 0, and ``D (1[a] u + 1[b] v)`` is 0 times whatever D is there: infinite, if D is
``1 / x``, or missing, if a and b say which data there are.  Of two opposite brackets one holds.
"""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Set as AbstractSet

from einstan.calculus.factors import flattened
from einstan.calculus.finite import indices_read, may_be_infinite
from einstan.calculus.indicators import are_opposite
from einstan.calculus.simplify import simplify_product, simplify_sum
from einstan.language.node import Node, holds, rewrite
from einstan.language.term import Add, Const, Delta, Expr, Iverson, Mul, Name, mul, tensors

Brackets = list[set[Expr]]


def behind_brackets(expr: Expr, infinite: AbstractSet[Name], defined: Collection[Name]) -> Expr:
    """The expression with such factors in every term.  ``infinite`` are the tensors that may be infinite, and a bracket
    of tensors that no equation has ``defined`` says which data there are."""

    def rule(node: Node) -> Node:
        if not isinstance(node, Mul):
            return node
        for total in node.factors:
            if isinstance(total, Add) and (brackets := _brackets(total)):
                others = [factor for factor in node.factors if factor is not total]
                within = [factor for factor in others if _may_be_hidden(factor, brackets, infinite, defined)]
                if within:
                    terms = simplify_sum(simplify_product((term, *within)) for term in total.terms)
                    return rule(mul((*(factor for factor in others if factor not in within), terms)))
        return node

    return rewrite(expr, rule) if holds(expr, Add) and holds(expr, Iverson) else expr


def _brackets(total: Add) -> Brackets:
    """The brackets of each term, if each has one, and none of them is the opposite of another one; those of data under
    a sum too, which nothing may meet."""
    found: Brackets = []
    for term in total.terms:
        _, flat, summed = flattened((term,))
        brackets = [f for f in flat if isinstance(f, Iverson | Delta)]
        own: set[Expr] = {f for f in brackets if tensors(f) or not set(f.free) & set(summed)}
        if not own:
            return []
        found.append(own)
    alone = [bracket for own in found if len(own) == 1 for bracket in own]
    return [] if are_opposite(alone) else found


def _may_be_hidden(factor: Expr, brackets: Brackets, infinite: AbstractSet[Name], defined: Collection[Name]) -> bool:
    if isinstance(factor, Const | Iverson | Delta):
        return False
    if may_be_infinite(factor, infinite):
        return True
    along = indices_read((factor,))
    return any(
        along & set(bracket.free) and (read := set(tensors(bracket))) and read.isdisjoint(defined)
        for own in brackets
        for bracket in own
    )
