"""Assumptions used: ``assume sum[J](Y[n,J]) = 1`` turns ``S[n,c] Y[n,J]`` into ``S[n,c]``.

The left side of an assumption is a product under a sum; wherever its factors occur in a product, with a consistent
choice of indices and its summed indices summed there and used nowhere else, they are replaced by the right side.
Tensors that the assumptions make symmetric match in every order of their slots.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from functools import lru_cache

from einstan.calculus.alpha import alpha
from einstan.calculus.collect import exponent_of
from einstan.calculus.delta import plain_pair
from einstan.calculus.factors import flattened
from einstan.calculus.program import Assumption
from einstan.calculus.simplify import simplify, simplify_product, simplify_sum
from einstan.calculus.symmetries import exchange, spelled_alike, symmetries
from einstan.language.index import Affine, Index, affine
from einstan.language.node import Node, fold, preorder
from einstan.language.term import Add, Apply, Const, Expr, Extent, Indexed, Mul, Reduce, Sum, power, substitute

Mapping = dict[Index, Index]


Rule = tuple[Fraction, "list[Expr]", "list[Index]", Expr]  # number × sum[indices](factors) = value

PASSES = 6  # what one use makes may be of use to another


def assumed(expr: Expr, assumptions: Iterable[Assumption]) -> Expr:
    """The expression with the assumptions used wherever they apply."""
    rules = _rules(tuple(assumptions))
    for _ in range(PASSES if rules else 0):
        before, length = expr, len(list(preorder(expr)))
        expr = _once(before, rules)
        if expr is before or len(list(preorder(expr))) > length:
            break
    return expr


@lru_cache(maxsize=256)
def _rules(assumptions: tuple[Assumption, ...]) -> tuple[Rule, ...]:
    """The assumptions as rules, one that only exchanges slots left to `einstan.calculus.symmetries`."""
    groups = symmetries(assumptions)
    found: list[Rule] = []
    for assumption in assumptions:
        if exchange(assumption) is not None:
            continue
        number, factors, bound = flattened((simplify(assumption.lhs),))
        value = simplify(assumption.rhs)
        if number == 0 or not factors:
            continue
        for own in (factors, *_turned(factors, bound, value)):
            found += [(number * sign, list(spelled), bound, value) for sign, spelled in spelled_alike(own, groups)]
    return tuple(found)


def _turned(factors: Sequence[Expr], bound: Sequence[Index], value: Expr) -> Iterator[list[Expr]]:
    """A square matrix with an inverse has it on both sides: of ``A[i,K] B[K,j] = δ[i,j]`` the factors of
    ``B[i,K] A[K,j]``."""
    pair = plain_pair(value)
    if pair is None or len(bound) != 1 or len(factors) != 2 or len({index.dim for index in (*pair, *bound)}) > 1:
        return
    (summed,) = bound
    for first, second in (pair, pair[::-1]):
        one, other = factors
        apart = first in one.free and second in other.free and first not in other.free and second not in one.free
        if apart and all(isinstance(factor, Indexed) and summed in factor.free for factor in factors):
            yield [
                substitute(one, {first: summed, summed: first}),
                substitute(other, {second: summed, summed: second}),
            ]
            return


def _formed(node: Affine, children: tuple[Node, ...]) -> Affine:
    """A form of positions whose extents have become others: as it was where these are no whole numbers or extents."""
    parts = [
        Affine((), int(child.value)) if isinstance(child, Const) and child.value.denominator == 1 else child
        for child in children
    ]
    if any(isinstance(part, Expr) and not isinstance(part, Extent | Indexed) for part in parts):
        return node
    return affine(*((part, k) for part, (_, k) in zip(parts, node.terms, strict=True)), constant=node.constant)


def _once(expr: Expr, rules: Sequence[Rule]) -> Expr:
    def rule(node: Node, children: tuple[Node, ...]) -> Node:
        if isinstance(node, Affine) and children != node.children:
            return _formed(node, children)
        result = node.over(children)
        if isinstance(result, Add):
            return simplify_sum(result.terms)
        if isinstance(result, Apply) and (lower := _lowered(result, rules)) is not None:
            return simplify(lower)
        if isinstance(result, Expr) and not isinstance(result, Const):
            for number, factors, bound, value in rules:
                used = _used(result, number, factors, bound, value)
                if used is not None:
                    return simplify(used)
        return result

    used: Expr = fold(expr, rule)
    return expr if used is expr else simplify(used)


def _lowered(node: Apply, rules: Sequence[Rule]) -> Expr | None:
    """One use of ``number × base^k = value`` in a higher power, or None: ``r^5`` is ``2 r^3`` where ``r^2 = 2``."""
    n = exponent_of(node)
    for number, factors, bound, value in rules if n > 1 and n.denominator == 1 else ():
        k = exponent_of(factors[0]) if len(factors) == 1 and not bound else n
        if 1 < k < n and k.denominator == 1:
            (base, _), (own, _) = factors[0].children, node.children
            mapping = unified(base, own, {})
            if mapping is not None and set(value.free) <= set(mapping):
                here = substitute(value, mapping)
                return simplify_product((power(own, n - k), here, Const(1 / number)))  # type: ignore[arg-type]
    return None


def _used(node: Expr, number: Fraction, factors: Sequence[Expr], bound: Sequence[Index], value: Expr) -> Expr | None:
    """One use of ``number × sum[bound](factors) = value`` in a product, or None."""
    if bound and not isinstance(node, Sum):
        return None
    if not bound and not (isinstance(node, Mul | Sum | Reduce) or len(factors) == 1):
        return None
    coefficient, flat, summed = flattened((node,))
    for chosen, mapping in matches(factors, flat, {}):
        images = [mapping.get(index) for index in bound]
        others = [factor for position, factor in enumerate(flat) if position not in chosen]
        if any(image not in summed for image in images) or len(set(images)) != len(images):
            continue
        if any(image in other.free for image in images for other in others):
            continue
        free = {index: mapping[index] for factor in factors for index in factor.free if index not in bound}
        if any(image in images for image in free.values()):
            continue  # sum[J](Y[n,J]) does not occur in Y[K,K]
        whole = {**free, **dict(zip(bound, images, strict=True))}
        if any(
            alpha(substitute(factor, whole)) is not alpha(flat[position])  # type: ignore[arg-type]
            for factor, position in zip(factors, chosen, strict=True)
        ):
            continue
        rest = [index for index in summed if index not in images]
        here: Expr = substitute(value, free)
        if any(index in rest for index in value.free if index not in free):
            continue
        return simplify_product((Const(coefficient), *others, here, Const(1 / number)), rest)
    return None


def matches(
    factors: Sequence[Expr], targets: Sequence[Expr], mapping: Mapping, taken: tuple[int, ...] = ()
) -> Iterator[tuple[tuple[int, ...], Mapping]]:
    """Every way to lay the factors on different targets."""
    if not factors:
        yield taken, mapping
        return
    for position, target in enumerate(targets):
        if position not in taken:
            extended = unified(factors[0], target, mapping)
            if extended is not None:
                yield from matches(factors[1:], targets, extended, (*taken, position))


def unified(pattern: Node, target: Node, mapping: Mapping) -> Mapping | None:
    """The mapping from the pattern's indices that makes it the target, extending the given one; None without one."""
    mapping = dict(mapping)
    stack: list[tuple[object, object]] = [(pattern, target)]
    while stack:
        left, right = stack.pop()
        if isinstance(left, Index):
            if not isinstance(right, Index) or left.dim != right.dim or mapping.setdefault(left, right) is not right:
                return None
        elif isinstance(left, Extent):
            if not isinstance(right, Extent) or left.index.dim != right.index.dim:
                return None  # |n| is a number: its letter does not matter, its dimension does
        elif isinstance(left, tuple):
            if not isinstance(right, tuple) or len(left) != len(right):
                return None
            stack.extend(zip(left, right, strict=True))
        elif isinstance(left, Node):
            if type(left) is not type(right):
                return None
            stack.extend(zip(left.fields, right.fields, strict=True))
        elif left != right:
            return None
    return mapping
