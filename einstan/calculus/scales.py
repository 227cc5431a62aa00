"""Exponentials in products, sums and powers: where they are, and where something is divided by a sum of them.

How they are evaluated without overflow is said in `einstan.calculus.magnitudes`.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from einstan.calculus.simplify import simplify_sum
from einstan.language.node import Below, Node, Term, fold, preorder, remembered
from einstan.language.term import ONE, Add, Apply, Const, Expr, Indexed, Mul, Name, Reduce, Sum, applies, mul


def at_products(expr: Expr, rule: Callable[[Expr], Expr], *functions: str) -> Expr:
    """The expression with a rule applied to every product as a whole, and to divisors that stand alone; it changes
    nothing where none of the functions is applied."""

    def alone(node: Term) -> Term:
        return rule(node) if isinstance(node, Apply) and divides(node) else node

    def step(node: Node, children: Below) -> Node:
        if isinstance(node, Mul):
            return rule(node.rebuilt(children))
        return node.over(tuple(map(alone, children)))

    def known(node: Node) -> Node | None:
        return None if applies(node, *functions) else node

    return alone(fold(expr, step, known=known))


def is_quotient(expr: Expr) -> bool:
    """Whether something is divided by a sum of exponentials, which is best named: it is finite where they are not."""
    if not applies(expr, "exp"):
        return False
    return any(isinstance(n, Expr) and divides(n) and _is_total(base_of(n)) for n in preorder(expr))


@remembered
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
        result = node.over(children)
        if isinstance(result, Mul):
            exponents = [factor.arguments[0] for factor in result.factors if _is_exponential(factor)]
            if len(exponents) > 1:
                others = (factor for factor in result.factors if not _is_exponential(factor))
                return mul((*others, Apply("exp", (simplify_sum(exponents),))))
        return result

    return fold(expr, rule, known=lambda node: None if applies(node, "exp") else node)


def exponent_of(factor: Expr) -> Fraction:
    if isinstance(factor, Apply) and factor.function == "pow" and isinstance(factor.arguments[1], Const):
        return factor.arguments[1].value
    return ONE.value


def base_of(factor: Expr) -> Expr:
    return factor.arguments[0] if isinstance(factor, Apply) and exponent_of(factor) != 1 else factor


def divides(factor: Expr) -> bool:
    exponent = exponent_of(factor)
    return exponent is not ONE.value and exponent < 0 and exponent.denominator == 1


def _is_total(expr: Expr) -> bool:
    """Whether an expression is a sum in which there are exponentials."""
    return isinstance(expr, Add | Sum | Reduce) and is_scaled(expr)


def _is_exponential(node: Node) -> bool:
    return isinstance(node, Apply) and node.function == "exp"
