"""What cancels across brackets: ``a (b + c) - a b`` is ``a c``, and ``sum[K](x[K] - mean[J](x[J]))`` is 0.

A sum keeps its bracket.  Multiplied out, ``(x - m)^2`` subtracts large numbers where x is near m, and so does
``x / |i| - m / |i|``: what is rounded first and subtracted then has lost its digits.  So a bracket is opened as far as
a term in it meets its opposite, and both go; whatever else is in it stays together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Literal, NamedTuple, TypeGuard

from einstan.calculus.coefficients import coefficient_of, is_negative
from einstan.calculus.factors import powers
from einstan.calculus.simplify import like_term_keys, simplify, simplify_product, simplify_sum
from einstan.language.effort import once
from einstan.language.index import Index
from einstan.language.node import Below, Node, fold, holds, note, preorder, rewrite
from einstan.language.term import (
    MINUS_ONE,
    ONE,
    ZERO,
    Add,
    Apply,
    Expr,
    Extent,
    Iverson,
    Mul,
    Reduce,
    Sum,
    add,
    applies,
    kept,
    mul,
    neg,
    power,
    reciprocal,
    sum_over,
)

LIMIT = 64  # terms that are compared with each other; beyond, nobody reads on

Path = tuple[int, ...]  # which child, from the top


class Part(NamedTuple):
    """One term of a sum in brackets, with all that stands around the brackets: where it is, and the whole product."""

    path: Path
    sums: frozenset[Path]  # the sums on the way, of each of which it is in one term
    product: Expr


def cancelled(expr: Expr, value: Callable[[Expr], Expr] | None = None) -> Expr:
    """A simplified expression without what cancels across the brackets of a sum.

    ``value`` may know more about a term: that ``sum[C](P[n,C])`` is 1, where P is a softmax.
    """
    if not holds(expr, Add):
        return expr

    def rule(node: Node, children: Below) -> Node:
        result = simplify(node.rebuilt(children)) if children != node.children else node  # type: ignore[arg-type]
        while isinstance(result, Add | Sum | Reduce):
            shorter = _without_opposites(result, value)
            if shorter is None:
                break
            result = shorter
        if value is None:
            note(node, cancelled, True if result is node else result)
        return result

    def known(node: Node) -> Node | None:
        if not holds(node, Add) or isinstance(node, Iverson):
            return node
        found: Node | Literal[True] | None = node.notes.get(cancelled) if value is None else None
        return node if found is True else found

    return fold(expr, rule, known=known)


def opened(expr: Expr) -> Expr:
    """sigmoid(-u) as 1 - sigmoid(u), which has fewer digits: worth it only where what comes out then cancels."""
    if not applies(expr, "sigmoid") or not any(map(_is_turned, preorder(expr))):
        return expr

    def rule(node: Node, children: Below) -> Node:
        return _difference(node) if _is_turned(node) else node.over(children)

    return simplify(fold(expr, rule, known=kept))


def turned(expr: Expr) -> Expr:
    """sigmoid(u)^2 - sigmoid(u) = -sigmoid(u) sigmoid(-u) and 1 - sigmoid(-u) = sigmoid(u), which keep their digits
    where what is subtracted is near one; exp(u) sigmoid(-u) = sigmoid(u); softplus(u) - softplus(-u) = u."""
    if not applies(expr, "sigmoid", "softplus"):
        return expr

    def rule(node: Node, children: Below) -> Node:
        result = node.over(children)
        if isinstance(result, Add) and applies(result, "softplus"):
            result = _softplus_less_another(result)
        if isinstance(result, Add) and len(result.terms) == 2:
            return _share_left(*result.terms) or _share_left(*result.terms[::-1]) or result
        return _share_taken(result) if isinstance(result, Mul) else result

    def known(node: Node) -> Node | None:
        return None if applies(node, "sigmoid", "softplus") else node

    return fold(expr, rule, known=known)


def _softplus_less_another(total: Add) -> Expr:
    """a softplus(u) - a softplus(-u) = a u"""
    for term in total.terms:
        for share in (base for base in _bases(term) if isinstance(base, Apply) and base.function == "softplus"):
            (u,) = share.arguments
            positive = simplify_product((MINUS_ONE, u))
            around = simplify_product((term, power(share, -1)))
            opposite = simplify_product((MINUS_ONE, around, Apply("softplus", (positive,))))
            if opposite in total.terms:
                others = (other for other in total.terms if other not in (term, opposite))
                return simplify_sum((*others, simplify_product((around, u))))
    return total


def _share_left(whole: Expr, taken: Expr) -> Expr | None:
    """a - a sigmoid(u) = a sigmoid(-u), where a is a share as well, or u is negative."""
    around = _bases(whole)
    for share in filter(_is_sigmoid, _bases(taken)):
        known = share in around or _is_turned(share)
        if known and simplify_product((MINUS_ONE, whole, share)) is taken:
            (u,) = share.arguments
            return simplify_product((whole, Apply("sigmoid", (simplify_product((MINUS_ONE, u)),))))
    return None


def _share_taken(product: Mul) -> Expr:
    """exp(u) sigmoid(-u) = sigmoid(u)"""
    bases = _bases(product)
    for factor in product.factors:
        if isinstance(factor, Apply) and factor.function == "exp":
            (u,) = factor.arguments
            below = Apply("sigmoid", (simplify_product((MINUS_ONE, u)),))
            if below in bases:
                others = (f for f in product.factors if f is not factor)
                return simplify_product((*others, power(below, -1), Apply("sigmoid", (u,))))
    return product


def _bases(product: Expr) -> list[Expr]:
    """The bases of the factors of a product with positive exponents."""
    factors = product.factors if isinstance(product, Mul) else (product,)
    return [base for factor in factors for base, k in powers(factor) if k > 0]


def _is_sigmoid(node: Node) -> TypeGuard[Apply]:
    return isinstance(node, Apply) and node.function == "sigmoid"


def _is_turned(node: Node) -> bool:
    return _is_sigmoid(node) and is_negative(node.arguments[0])


def _difference(node: Node) -> Expr:
    positive = simplify(mul((MINUS_ONE, node.children[0])))  # type: ignore[arg-type]
    return add((ONE, neg(Apply("sigmoid", (positive,)))))


@once
def _without_opposites(expr: Expr, value: Callable[[Expr], Expr] | None) -> Expr | None:
    """The expression without one pair of terms that are opposites; None where there is none."""
    if isinstance(expr, Reduce) and expr.operation != "mean":
        return None
    parts: list[Part] = []
    for part in _parts(expr):
        parts.append(part)
        if len(parts) > LIMIT:
            return None
    if len(parts) < 2 or all(len(part.path) < 2 for part in parts):
        return None
    products = [_as_sums(part.product) for part in parts]
    split = [coefficient_of(product if value is None else value(product)) for product in products]
    seen: dict[Node, list[tuple[Fraction, Part]]] = {}
    for (number, _), key, part in zip(split, like_term_keys([rest for _, rest in split]), parts, strict=True):
        for other, before in seen.get(key, ()):
            if number == -other and _apart(part, before):
                return simplify(_removed(_removed(expr, part.path), before.path))
        seen.setdefault(key, []).append((number, part))
    return None


def _apart(one: Part, other: Part) -> bool:
    """Whether two parts are in different terms of one sum, so that one can go and leave the other."""
    common = 0
    while common < min(len(one.path), len(other.path)) and one.path[common] == other.path[common]:
        common += 1
    return one.path[:common] in one.sums & other.sums


def _parts(expr: Expr) -> Iterator[Part]:
    """Every term of every sum, with what stands around its brackets; one factor of a product is opened at a time."""
    stack: list[tuple[Path, frozenset[Path], Expr, tuple[Expr, ...], tuple[Index, ...]]] = [
        ((), frozenset(), expr, (), ())
    ]
    while stack:
        path, sums, node, around, bound = stack.pop()
        if sums and path[:-1] in sums:
            yield Part(path, sums, simplify_product((*around, node), bound))
        if not holds(node, Add):
            continue
        if isinstance(node, Add):
            own = sums | {path}
            stack.extend(((*path, k), own, term, around, bound) for k, term in reversed([*enumerate(node.terms)]))
        elif isinstance(node, Mul):
            for k, factor in enumerate(node.factors):
                if isinstance(factor, Add | Sum) or _is_mean(factor):
                    others = (*node.factors[:k], *node.factors[k + 1 :])
                    stack.append(((*path, k), sums, factor, (*around, *others), bound))
        elif isinstance(node, Sum | Reduce) and _is_summed(node) and _is_fresh(node.indices, around, bound):
            counts = () if isinstance(node, Sum) else tuple(reciprocal(Extent(index)) for index in node.indices)
            stack.append(((*path, 0), sums, node.body, (*around, *counts), (*bound, *node.indices)))


def _is_mean(node: Node) -> bool:
    return isinstance(node, Reduce) and node.operation == "mean"


def _is_summed(node: Sum | Reduce) -> bool:
    return isinstance(node, Sum) or _is_mean(node)


def _is_fresh(indices: Sequence[Index], around: Sequence[Expr], bound: Sequence[Index]) -> bool:
    """Whether the indices of a sum mean nothing around it."""
    names = {index.name for index in (*bound, *(index for factor in around for index in factor.free))}
    return not any(index.name in names for index in indices)


@once
def _as_sums(expr: Expr) -> Expr:
    """mean[K](u) = sum[K](u) / |K|, so that the two can meet."""
    if not applies(expr, "mean"):
        return expr

    def rule(node: Node) -> Node:
        if isinstance(node, Reduce) and node.operation == "mean":
            return mul((sum_over(node.indices, node.body), *(reciprocal(Extent(index)) for index in node.indices)))
        return node

    return simplify(rewrite(expr, rule))


def _removed(expr: Expr, path: Path) -> Expr:
    """The expression with zero where a path leads."""
    nodes: list[Node] = [expr]
    for k in path:
        nodes.append(nodes[-1].children[k])
    result: Node = ZERO
    for node, k in zip(reversed(nodes[:-1]), reversed(path), strict=True):
        result = node.rebuilt((*node.children[:k], result, *node.children[k + 1 :]))
    return result  # type: ignore[return-value]
