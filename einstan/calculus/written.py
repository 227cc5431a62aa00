"""Lines as a person would write them: what an expression in its shortest form still needs for the page.

a (-1) b     is  -a b               x^-2               is  1 / x^2
a / b / c    is  a / (b c)          1/2 (4 a - 2 b)    is  2 a - b
"""

from __future__ import annotations

from fractions import Fraction
from math import gcd, lcm, prod

from einstan.calculus.coefficients import coefficient_of, scaled
from einstan.calculus.collect import exponent_of, reciprocals_last
from einstan.language.node import Node, fold
from einstan.language.term import Add, Apply, Const, Expr, Mul, Sum, mul, power, reciprocal

# What numbers and quotients are looked for in; brackets, slots and deltas stay as they are.
_INSIDE = (Add, Mul, Sum, Apply)


def as_written(expr: Expr) -> Expr:
    """The same value for people to read: nothing is multiplied out, and no term changes its place."""
    return fold(expr, _rule, known=_kept)  # type: ignore[return-value]


def _kept(node: Node) -> Node | None:
    return None if isinstance(node, _INSIDE) else node


def _rule(node: Node, children: tuple[Node, ...]) -> Node:
    made = node.rebuilt(children) if children != node.children else node
    if isinstance(made, Mul):
        return reciprocals_last(_number_in_front(made))
    if isinstance(made, Apply) and exponent_of(made) < 0 and exponent_of(made) != -1:
        return reciprocal(power(made.arguments[0], -exponent_of(made)))
    return made


def _number_in_front(product: Mul) -> Expr:
    """Numbers met in one, in front: ``1/2 (4 a - 2 b)`` is ``2 a - b``."""
    numbers = [factor.value for factor in product.factors if isinstance(factor, Const)]
    if not numbers:
        return product
    number, factors = prod(numbers), list[Expr]()
    for factor in product.factors:
        if isinstance(factor, Add) and abs(number) != 1:
            common, factor = _taken_out(factor)
            number *= common
        if not isinstance(factor, Const):
            factors.append(factor)
    return mul(factors if number == 1 else (Const(number), *factors))


def _taken_out(total: Add) -> tuple[Fraction, Add]:
    """The largest number that all terms have, and the rest: ``4 a - 2 b`` as 2 and ``2 a - b``."""
    numbers = [coefficient_of(term)[0] for term in total.terms]
    common = Fraction(gcd(*(n.numerator for n in numbers)), lcm(*(n.denominator for n in numbers)))
    if common in (0, 1):
        return Fraction(1), total
    terms = (
        scaled(number / common, coefficient_of(term)[1]) for number, term in zip(numbers, total.terms, strict=True)
    )
    return common, Add(tuple(terms))
