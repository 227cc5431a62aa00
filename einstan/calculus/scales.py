"""Exponentials measured from their largest, where they are divided by each other or stand in a logarithm.

    sum[K](w[K] exp(z[K])) = exp(c) sum[K](w[K] exp(z[K] - c))    c = max[K](z[K] + log(1[w[K] != 0]))

Whatever c is, that is true; with the largest exponent that counts nothing overflows.  In a quotient the scales of
numerator and denominator meet in one exponent, and a logarithm takes its own away.  A weight that is zero leaves its
exponent out, as a bracket does.  This is how a program is run, not how it is differentiated: no c is ever printed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from typing import NamedTuple

from einstan.calculus.coefficients import coefficient_of
from einstan.calculus.simplify import simplify_product, simplify_reduce, simplify_sum
from einstan.language.node import Node, fold, preorder, rewrite
from einstan.language.term import (
    ONE,
    ZERO,
    Add,
    Apply,
    Const,
    Delta,
    Expr,
    Extent,
    Indexed,
    Iverson,
    Mul,
    Name,
    Reduce,
    Sum,
    applies,
    mul,
    neg,
    power,
    rebound,
    tensors,
)

LOWEST = Const(-(10**30))  # of nothing at all the largest exponent is still a number


def measured(expr: Expr) -> Expr:
    """The same value, with no exponential that overflows before it is divided by others or its logarithm is taken."""
    if not applies(expr, "exp"):
        return expr

    def logarithm(node: Node) -> Node:
        if not (isinstance(node, Apply) and node.function == "log"):
            return node
        scale, rest = _parted(_factors(node.arguments[0]))
        return node if scale is ZERO else simplify_sum((scale, Apply("log", (rest,))))

    return at_products(rewrite(expr, logarithm), _measured_product, "exp")


def at_products(expr: Expr, rule: Callable[[Expr], Expr], *functions: str) -> Expr:
    """The expression with a rule applied to every product as a whole, and to divisors that stand alone; it changes
    nothing where none of the functions is applied."""

    def alone(node: Node) -> Node:
        return rule(node) if isinstance(node, Apply) and divides(node) else node

    def step(node: Node, children: tuple[Node, ...]) -> Node:
        if isinstance(node, Mul):
            return rule(node.rebuilt(children))
        changed = tuple(map(alone, children))
        return node.rebuilt(changed) if changed != node.children else node

    return alone(fold(expr, step, known=lambda node: None if applies(node, *functions) else node))  # type: ignore[return-value]


def _measured_product(product: Expr) -> Expr:
    factors: Sequence[Expr] = _factors(product)
    if any(divides(factor) and _is_total(base_of(factor)) for factor in factors):
        return _quotient(factors)
    factors = _with_shares(factors)
    at = next((k for k, f in enumerate(factors) if _is_measured(f) and not divides(f) and not _is_exponential(f)), None)
    if at is None:
        return mul(factors)
    # exp(u) w (a / D + b): the exponential and the weight meet the divisor
    exponents = [factor.arguments[0] for factor in factors if _is_exponential(factor)]
    brackets = [node for node in preorder(factors[at]) if isinstance(node, Iverson)]
    compared = {node.tensor for bracket in brackets for node in preorder(bracket) if isinstance(node, Indexed)}
    weights = [f for f in factors if isinstance(f, Iverson) or (isinstance(f, Indexed) and f.tensor in compared)]
    if not exponents and not weights:
        return mul(factors)
    inner = _lowered(factors[at], neg(simplify_sum(exponents)) if exponents else ZERO, weights)
    return mul(inner if k == at else f for k, f in enumerate(factors) if not _is_exponential(f))


def _with_shares(factors: Sequence[Expr]) -> Sequence[Expr]:
    """exp(u) sigmoid(v) = exp(u - softplus(-v)), where both are made of the same; in brackets of exponentials too."""
    found = list(factors)
    for factor in factors:
        share = _share(base_of(factor))
        if share is None:
            continue
        at = next((k for k, other in enumerate(found) if _meets(other, share)), None)
        if at is not None:
            smaller = Apply("softplus", (simplify_product((Const(-1), share)),))
            found[at] = _lowered(found[at], simplify_product((Const(exponent_of(factor)), smaller)))
            found.remove(factor)
    return found


def _meets(other: Expr, share: Expr) -> bool:
    return is_scaled(other) and not divides(other) and not set(tensors(share)).isdisjoint(tensors(other))


def _share(expr: Expr) -> Expr | None:
    """u of sigmoid(u), -u of 1 - sigmoid(u)."""
    if isinstance(expr, Apply) and expr.function == "sigmoid":
        return expr.arguments[0]
    if isinstance(expr, Add) and len(expr.terms) == 2 and ONE in expr.terms:
        number, other = coefficient_of(expr.terms[1] if expr.terms[0] is ONE else expr.terms[0])
        if number == -1 and isinstance(other, Apply) and other.function == "sigmoid":
            return simplify_product((Const(-1), other.arguments[0]))
    return None


def is_quotient(expr: Expr) -> bool:
    """Whether something is divided by a sum of exponentials, which is best named: it is finite where they are not."""
    if not applies(expr, "exp"):
        return False
    return any(isinstance(n, Expr) and divides(n) and _is_total(base_of(n)) for n in preorder(expr))


def _is_measured(expr: Expr) -> bool:
    """Whether there is an exponential that is measured from the largest already."""
    return applies(expr, "exp") and any(_is_exponential(n) and _holds_largest(n) for n in preorder(expr))


def _holds_largest(expr: Node) -> bool:
    return any(
        (isinstance(n, Reduce) and n.operation == "max") or (isinstance(n, Apply) and n.function == "maximum")
        for n in preorder(expr)
    )


def is_scaled(expr: Expr) -> bool:
    """Whether an expression is an exponential, or products, powers and sums of such and others."""
    return applies(expr, "exp") and fold(expr, lambda node, parts: any(parts), known=_scaled_alone)


def _scaled_alone(node: Node) -> bool | None:
    """Whether a node is scaled, where that does not depend on the parts of it."""
    if not applies(node, "exp"):
        return False
    match node:
        case Apply(function="exp"):
            return True
        case Apply(function="pow", arguments=(_, Const(value=k))) if k.denominator == 1:
            return None
        case Mul() | Add() | Sum() | Reduce(operation="mean"):
            return None
        case _:
            return False


def carriers(expr: Expr) -> tuple[Name, ...]:
    """The tensors that make an expression scaled if they are exponentials: factors and terms of it."""
    found: dict[Name, None] = {}
    stack: list[Expr] = [expr]
    while stack:
        match stack.pop():
            case Indexed(tensor=tensor):
                found[tensor] = None
            case Apply(function="pow", arguments=(base, Const(value=k))) if k.denominator == 1:
                stack.append(base)
            case Mul(factors=parts) | Add(terms=parts):
                stack.extend(parts)
            case Sum(body=body) | Reduce(operation="mean", body=body):
                stack.append(body)
    return tuple(found)


def gathered(expr: Expr) -> Expr:
    """exp(a) exp(b) = exp(a + b), in every product."""

    def rule(node: Node, children: tuple[Node, ...]) -> Node:
        result = node.rebuilt(children) if children != node.children else node
        if isinstance(result, Mul):
            exponents = [factor.arguments[0] for factor in result.factors if _is_exponential(factor)]
            if len(exponents) > 1:
                others = (factor for factor in result.factors if not _is_exponential(factor))
                return mul((*others, Apply("exp", (simplify_sum(exponents),))))
        return result

    return fold(expr, rule, known=lambda node: None if applies(node, "exp") else node)  # type: ignore[return-value]


# ---- scales ----------------------------------------------------------------------------------------------------------


class Scale(NamedTuple):
    """The largest exponent in an expression, and what weighs it: where a weight is zero, it does not count."""

    exponent: Expr
    weights: tuple[Expr, ...] = ()

    @property
    def counted(self) -> Expr:
        return _weighed(self.exponent, self.weights)


def _scale(expr: Expr) -> Scale:
    """That of an expression that is scaled."""
    match expr:
        case Apply(function="exp", arguments=(exponent,)):
            return Scale(exponent)
        case Apply(function="pow", arguments=(base, Const() as k)):
            return Scale(simplify_product((k, _scale(base).counted)))
        case Mul(factors=factors):
            scales = [_scale(factor) for factor in factors if is_scaled(factor)]
            weights = [factor for factor in factors if not is_scaled(factor) and _may_be_zero(factor)]
            inner = [weight for scale in scales for weight in scale.weights]
            return Scale(simplify_sum(scale.exponent for scale in scales), (*inner, *weights))
        case Sum(indices=indices, body=body) | Reduce(indices=indices, body=body):
            inside = _scale(body)
            largest = simplify_reduce("max", indices, inside.counted)
            return Scale(Apply("maximum", (largest, LOWEST)) if inside.weights else largest)
        case Add(terms=terms):
            found = [_scale(term).counted if is_scaled(term) else ZERO for term in terms]
            found = list(dict.fromkeys(found))
            largest = found[0]
            for other in found[1:]:
                largest = Apply("maximum", (largest, other))
            return Scale(largest)
        case _:
            raise AssertionError(f"{expr} has no scale")


def _weighed(exponent: Expr, weights: Iterable[Expr]) -> Expr:
    """An exponent, minus infinity where a weight is zero; brackets hide what it is there."""
    weights = tuple(weights)
    brackets = (weight for weight in weights if isinstance(weight, Iverson))
    return simplify_sum((simplify_product((*brackets, exponent)), *map(_where_it_counts, weights)))


def _where_it_counts(weight: Expr) -> Expr:
    """Zero where a weight counts, minus infinity where it is zero."""
    return Apply("log", (weight if isinstance(weight, Iverson) else Iverson((weight, ZERO), ("!=",)),))


def _may_be_zero(factor: Expr) -> bool:
    return (
        not divides(factor)
        and not isinstance(factor, Delta)
        and not all(isinstance(node, Const | Extent | Apply | Mul) for node in preorder(factor))
    )


def _lowered(expr: Expr, scale: Expr, weights: Iterable[Expr] = ()) -> Expr:
    """``expr exp(-scale)``, for an expression that is scaled, its exponent minus infinity where a weight is zero."""
    match expr:
        case Apply(function="exp", arguments=(exponent,)):
            return Apply("exp", (simplify_sum((_weighed(exponent, weights), neg(scale))),))
        case Mul(factors=factors) if any(is_scaled(factor) and not divides(factor) for factor in factors):
            found = [k for k, factor in enumerate(factors) if is_scaled(factor) and not divides(factor)]
            at = next((k for k in found if _is_exponential(factors[k])), found[0])
            own = [f for f in factors if not is_scaled(f) and _may_be_zero(f)] if _is_exponential(factors[at]) else []
            rest = [f for k, f in enumerate(factors) if k != at]
            if all(isinstance(f, Iverson) for f in rest):
                rest = []
            return mul((*rest, _lowered(factors[at], scale, (*weights, *own))))
        case Sum(indices=indices, body=body) | Reduce(operation="mean", indices=indices, body=body):
            return rebound(expr, indices, _lowered(body, scale, weights))
        case Add(terms=terms):
            return simplify_sum(
                _lowered(t, scale, weights) if is_scaled(t) or scale is ZERO else mul((t, _falling(scale, weights)))
                for t in terms
            )
        case _:
            return expr if scale is ZERO else mul((expr, _falling(scale, weights)))


def _falling(scale: Expr, weights: Iterable[Expr]) -> Expr:
    return Apply("exp", (simplify_sum((*map(_where_it_counts, weights), neg(scale))),))


# ---- products --------------------------------------------------------------------------------------------------------


def _quotient(factors: Sequence[Expr]) -> Expr:
    """A product some of whose divisors are sums of exponentials."""
    left, below, counted = _below(factors)
    above: list[Expr] = []
    exponents: list[Expr] = []
    for factor in factors:
        if divides(factor) and _is_total(base_of(factor)):
            continue
        if _is_exponential(factor):
            exponents.append(factor.arguments[0])
        elif left and is_scaled(factor):
            above.append(_lowered(factor, left.pop(0)))
        else:
            above.append(factor)
    weights = [f for f in above if isinstance(f, Iverson) or (isinstance(f, Indexed) and f.tensor in counted)]
    exponents += [neg(scale) for scale in left]
    if exponents:
        zero = map(_where_it_counts, weights) if len(exponents) > len(left) else ()
        above.append(Apply("exp", (simplify_sum((*exponents, *zero)),)))
    return mul((*above, *below))


def _parted(factors: Sequence[Expr]) -> tuple[Expr, Expr]:
    """The logarithm of a scale, and the product without it; no scale where there is no sum of exponentials."""
    if not any(_is_total(base_of(factor)) for factor in factors):
        return ZERO, mul(factors)
    left, below, _ = _below(factors)
    scales = [simplify_product((Const(-1), scale)) for scale in left]
    rest: list[Expr] = []
    for factor in factors:
        if divides(factor) and _is_total(base_of(factor)):
            continue
        if is_scaled(factor) and not divides(factor):
            scale = _scale(factor).counted
            scales.append(scale)
            rest.append(_lowered(factor, scale))
        else:
            rest.append(factor)
    return simplify_sum(scales), mul((*rest, *below))


def _below(factors: Sequence[Expr]) -> tuple[list[Expr], list[Expr], set[Name]]:
    """The scales of all divisors, each as often as it divides; the divisors without them; the tensors that weigh."""
    scales: list[Expr] = []
    below: list[Expr] = []
    names: set[Name] = set()
    for factor in factors:
        base = base_of(factor)
        if divides(factor) and _is_total(base):
            scale = _scale(base).counted
            count = int(-exponent_of(factor))
            scales += [scale] * count
            below.append(power(_lowered(base, scale), -count))
            names |= {node.tensor for node in preorder(base) if isinstance(node, Indexed)}
    return scales, below, names


def _factors(expr: Expr) -> tuple[Expr, ...]:
    return expr.factors if isinstance(expr, Mul) else (expr,)


def exponent_of(factor: Expr) -> Fraction:
    if isinstance(factor, Apply) and factor.function == "pow" and isinstance(factor.arguments[1], Const):
        return factor.arguments[1].value
    return ONE.value


def base_of(factor: Expr) -> Expr:
    return factor.arguments[0] if isinstance(factor, Apply) and exponent_of(factor) != 1 else factor


def divides(factor: Expr) -> bool:
    return exponent_of(factor) < 0 and exponent_of(factor).denominator == 1


def _is_total(expr: Expr) -> bool:
    """Whether an expression is a sum in which there are exponentials."""
    return isinstance(expr, Add | Sum | Reduce) and is_scaled(expr) and not _is_measured(expr)


def _is_exponential(node: Node) -> bool:
    return isinstance(node, Apply) and node.function == "exp"
