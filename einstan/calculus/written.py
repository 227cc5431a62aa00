"""Lines as a person would write them: what an expression in its shortest form still needs for the page.

a (-1) b     is  -a b               x^-2               is  1 / x^2
a / b / c    is  a / (b c)          1/2 (4 a - 2 b)    is  2 a - b
sum[N](-1/2 s x[N])                 is  -1/2 s sum[N](x[N])
exp(a + logsumexp[N](u[N]))         is  sum[N](exp(a + u[N]))
sqrt(2) sqrt(pi)                    is  sqrt(2 pi)
"""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from math import gcd, lcm, prod

from einstan.calculus.alpha import signature
from einstan.calculus.coefficients import coefficient_of, is_negative, scaled
from einstan.calculus.collect import exponent_of, reciprocals_last
from einstan.calculus.tidied import tidied
from einstan.language.layout import surface_of
from einstan.language.node import Node, fold, holds, preorder
from einstan.language.show import well_named
from einstan.language.surface import Binder, walk
from einstan.language.term import (
    Add,
    Apply,
    Const,
    Equation,
    Expr,
    Extent,
    Indexed,
    Iverson,
    Mul,
    Reduce,
    Sum,
    add,
    is_reciprocal,
    mul,
    power,
    reciprocal,
    tensors,
)

# What numbers and quotients are looked for in; brackets, slots and deltas stay as they are.
_INSIDE = (Add, Mul, Sum, Apply)


def as_written(expr: Expr) -> Expr:
    """The same value for people to read: nothing is multiplied out, and no term changes its place."""
    return fold(expr, _rule, known=_kept)


def _kept(node: Node) -> Node | None:
    return None if isinstance(node, _INSIDE) else node


def _rule(node: Node, children: tuple[Node, ...]) -> Node:
    made = node.over(children)
    if isinstance(made, Mul):
        return _product(made)
    if isinstance(made, Apply) and made.function == "exp":
        return _summed(made)
    if isinstance(made, Apply) and exponent_of(made) < 0 and exponent_of(made) != -1:
        return reciprocal(power(made.arguments[0], -exponent_of(made)))
    return made


def _product(product: Mul) -> Expr:
    """Without brackets that say nothing, the number in front, roots of numbers as one, and what divides behind."""
    if any(isinstance(factor, Iverson) for factor in product.factors):
        left = tidied(product)
        if not isinstance(left, Mul):
            return left
        product = left
    return reciprocals_last(_one_root(_number_in_front(product)))


def _summed(applied: Apply) -> Expr:
    """The exponential of a logsumexp as the sum that it is, what stands beside it in the order of a softmax."""
    argument = applied.arguments[0]
    terms = argument.terms if isinstance(argument, Add) else (argument,)
    total = next((term for term in terms if isinstance(term, Reduce) and term.operation == "logsumexp"), None)
    beside = [term for term in terms if term is not total]
    if total is None or any(index in term.free for term in beside for index in total.indices):
        return applied
    whole = [*beside, *(total.body.terms if isinstance(total.body, Add) else (total.body,))]
    norms = [term for term in whole if is_negative(term) and holds(term, Reduce)]
    if len(norms) == 1:
        shares = [term for term in whole if term is not norms[0]]
        below = (node.body for node in preorder(norms[0]) if isinstance(node, Reduce))
        whole = [*next((found for body in below if (found := _ordered(shares, body))), shares), *norms]
    return Sum(total.indices, Apply("exp", (add(whole),)))


def _ordered(terms: list[Expr], like: Expr) -> list[Expr]:
    """The terms in the order of a sum that has such terms too; nothing if it has others."""
    known = {signature(term): term for term in terms}
    order = [signature(term) for term in (like.terms if isinstance(like, Add) else (like,))]
    told_apart = len(known) == len(order) == len(terms) and set(order) == set(known)
    return [known[each] for each in order] if told_apart else []


def _one_root(product: Expr) -> Expr:
    """Roots of numbers as one, above the line and below it."""
    factors = list(product.factors) if isinstance(product, Mul) else []
    for inverse in (False, True):
        roots = [factor for factor in factors if (_root_of_number(factor, inverse)) is not None]
        if len(roots) > 1:
            under = [under for root in roots if (under := _root_of_number(root, inverse)) is not None]
            made = Apply("sqrt", (mul(sorted(under, key=lambda number: not isinstance(number, Const))),))
            place = factors.index(roots[0])
            factors = [factor for factor in factors if factor not in roots]
            factors.insert(place, reciprocal(made) if inverse else made)
    return mul(factors) if factors else product


def _root_of_number(factor: Expr, inverse: bool) -> Expr | None:
    """Of what a factor is the root, or one over the root, if that is a number."""
    if inverse:
        if not is_reciprocal(factor):
            return None
        factor = factor.arguments[0]
    root = factor.arguments[0] if isinstance(factor, Apply) and factor.function == "sqrt" else None
    numbers = root is not None and not root.free and not any(isinstance(n, Indexed | Extent) for n in preorder(root))
    return root if numbers else None


def before_signs(equation: Equation) -> Equation:
    """The equation with what a sum does not run over in front of it, where it needs its sign; without one, a number
    stands in front anyway: ``-1/2 a[K] b[K]``."""
    if not any(isinstance(node, Sum) and not _shows(node) and _outside(node) for node in preorder(equation.rhs)):
        return equation
    surface, origin = surface_of(equation)
    signed = {origin.get(part) for part in walk(surface) if isinstance(part, Binder) and part.operation == "sum"}

    def rule(node: Node, children: tuple[Node, ...]) -> Node:
        made = node.over(children)
        if isinstance(made, Sum) and node in signed and (outside := _outside(made)):
            assert isinstance(made.body, Mul)
            inside = [factor for factor in made.body.factors if factor not in outside]
            return reciprocals_last(mul((*outside, Sum(made.indices, mul(inside)))))
        return _number_in_front(made) if isinstance(made, Mul) and made is not node else made

    rhs = fold(equation.rhs, rule, known=_kept)
    assert isinstance(rhs, Expr)
    return well_named(Equation(equation.name, equation.indices, rhs, equation.where)) if signed else equation


def _shows(total: Sum) -> bool:
    """Whether every index of a sum stands in two tensors of its product and in nothing else, which nearly always shows
    the sum without a sign."""
    bound = set(total.indices)
    held = [f for f in (total.body.factors if isinstance(total.body, Mul) else ()) if not bound.isdisjoint(f.free)]
    counted = Counter(index for factor in held for index in set(factor.free))
    return all(isinstance(factor, Indexed) for factor in held) and all(counted[index] > 1 for index in bound)


def _outside(total: Sum) -> list[Expr]:
    """The factors below a sum that have none of its indices; nothing where all are so.  What a bracket in it may hide,
    1 / r where it has no term that counts, stays behind that."""
    factors = total.body.factors if isinstance(total.body, Mul) else ()
    bound = set(total.indices)
    found = [factor for factor in factors if bound.isdisjoint(factor.free)]
    if any(isinstance(factor, Iverson) and factor not in found for factor in factors):
        found = [factor for factor in found if not tensors(factor)]
    return found if len(found) < len(factors) else []


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
