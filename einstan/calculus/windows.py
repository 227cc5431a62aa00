"""Guarded reads opened: ``1[0 <= f < |B.0|] B[f]`` is ``sum[P](1[P == f] B[P])``.

Written so, a change of variables is nothing but another name for a bound index: both sides of

    A[I] pad(B[I-J]) C[J] = B[P] pad(A[P+J]) C[J]

are ``sum[I,J,P](1[P + J == I] A[I] B[P] C[J])``.  The new equality must not be used up again, so it is written as an
access of a tensor that no text can name, once for each sign of the form, since ``g == 0`` is ``-g == 0``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from functools import partial
from itertools import product
from math import prod

from einstan.calculus.canonical import expanded
from einstan.calculus.proof import with_definitions
from einstan.calculus.simplify import simplify
from einstan.language.index import Affine, Index, affine, fresh_name, slot
from einstan.language.node import Node, fold, rewrite
from einstan.language.term import (
    Apply,
    Const,
    Equation,
    Expr,
    Extent,
    Indexed,
    Iverson,
    Mul,
    Name,
    Reduce,
    Sum,
    add,
    bound_indices,
    mul,
    substitute,
    sum_over,
)

IS_ZERO = "= 0"
TERMS = 9  # a sum over stated extents of at most so many terms is written out


def opened(left: Expr, right: Expr, definitions: Mapping[Name, Equation]) -> tuple[Expr, Expr]:
    """Both sides with their definitions put in and every guarded read opened."""
    return _opened(left, definitions), _opened(right, definitions)


def _opened(expr: Expr, definitions: Mapping[Name, Equation]) -> Expr:
    whole = expanded(simplify(with_definitions(expr, definitions)))
    taken = {index.name for index in (*whole.free, *bound_indices(whole))}

    def rule(node: Node) -> Node:
        if not isinstance(node, Mul):
            return node
        for guard in node.factors:
            range_of = _range(guard)
            if range_of is None:
                continue
            form, extent = range_of
            others = [factor for factor in node.factors if factor is not guard]
            new = Index(fresh_name("P", taken), extent.index.dim)
            taken.add(new.name)
            difference = affine((form, 1), (new, -1))
            zero = (Indexed(IS_ZERO, (difference,)), Indexed(IS_ZERO, (affine((difference, -1)),)))
            read = [rewrite(factor, partial(_read_at, form, new)) for factor in others]
            solved = next((i for i, k in form.terms if i in whole.free and abs(k) == 1), None)
            if isinstance(solved, Index):  # what is summed over alone is left, ``b[p-N]`` is ``b[P+1]``
                k = form.coefficient(solved)
                other = affine((solved, 1), (form, -k), (new, k))
                read = [substitute(factor, {solved: other}) for factor in read]
            inner_sum = rule(mul((*zero, *read)))
            assert isinstance(inner_sum, Expr)
            return sum_over((new,), inner_sum)
        return node

    result = rewrite(whole, rule)
    assert isinstance(result, Expr)
    return result


def _range(guard: Expr) -> tuple[Affine, Extent] | None:
    """The form and the extent of ``1[0 <= form < |n|]``."""
    if not (isinstance(guard, Iverson) and guard.relations == ("<=", "<")):
        return None
    low, form, high = guard.operands
    if not (isinstance(low, Affine) and not low.terms and low.constant == 0 and isinstance(form, Affine)):
        return None
    if isinstance(high, Affine) and len(high.terms) == 1 and high.constant == 0 and high.terms[0][1] == 1:
        high = high.terms[0][0]
    return (form, high) if isinstance(high, Extent) and form.index is None else None


def _read_at(form: Affine, index: Index, node: Node) -> Node:
    """An access with the form replaced by the index where it fills a slot."""
    if isinstance(node, Indexed) and form in node.slots:
        return Indexed(node.tensor, tuple(slot(index) if own is form else own for own in node.slots))
    return node


# ---- extents that are stated as numbers ------------------------------------------------------------------------------


def stated_extents(equations: Iterable[Equation]) -> dict[str, int]:
    """The dimensions whose extent is a number: ``where |i| = 3``."""
    return {index.dim: form.constant for equation in equations for index, form in equation.where if not form.terms}


def sized(expr: Expr, definitions: Mapping[Name, Equation], sizes: Mapping[str, int]) -> Expr:
    """The expression with its definitions put in and the extents that are known as numbers, so that the guard of a used
    delta, ``1[0 <= 0 < |i|]``, is decided, and with short sums written out: ``sum[K](a[K]) = a[0] + a[1]``."""

    def rule(node: Node) -> Node:
        if isinstance(node, Sum | Reduce) and all(index.dim in sizes for index in node.indices):
            return _written_out(node, [sizes[index.dim] for index in node.indices])
        if isinstance(node, Extent) and node.index.dim in sizes:
            return Const(sizes[node.index.dim])
        if isinstance(node, Affine):
            known = [(a, k) for a, k in node.terms if isinstance(a, Extent) and a.index.dim in sizes]
            others = [pair for pair in node.terms if pair not in known]
            return affine(*others, constant=node.constant + sum(k * sizes[a.index.dim] for a, k in known))
        return node

    whole = expanded(simplify(with_definitions(expr, definitions)))
    result = fold(whole, lambda node, children: _rebuilt(node, children, rule))
    assert isinstance(result, Expr)
    return result


def _written_out(node: Sum | Reduce, lengths: Sequence[int]) -> Node:
    """The terms of a short sum side by side; a long one, and what has no sign between its terms, as it is."""
    if not 0 < prod(lengths) <= TERMS:
        return node
    places = product(*map(range, lengths))
    terms: list[Expr] = [
        substitute(node.body, {index: Affine((), k) for index, k in zip(node.indices, place, strict=True)})
        for place in places
    ]
    match node:
        case Sum():
            return add(terms)
        case Reduce(operation="mean"):
            return mul((Const(Fraction(1, len(terms))), add(terms)))
        case Reduce(operation="prod"):
            return mul(terms)
        case Reduce(operation="logsumexp"):
            return Apply("log", (add(Apply("exp", (term,)) for term in terms),))
        case _:
            return node


def _rebuilt(node: Node, children: tuple[Node, ...], rule: Callable[[Node], Node]) -> Node:
    """The node over its new children; what stands in a slot stays in the form of a slot."""
    if isinstance(node, Affine):
        return rule(node)
    return rule(node.over(children))
