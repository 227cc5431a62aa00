"""Products as their parts: the number, the factors and the summed indices; a factor as bases with exponents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

from einstan.calculus.alpha import signature
from einstan.calculus.coefficients import ONCE, coefficient_of, is_negative, neg_simplified, times
from einstan.language.effort import spend
from einstan.language.index import Index
from einstan.language.term import Add, Apply, Const, Expr, Indexed, Iverson, Mul, Sum, add, rename_bound


def flattened(factors: Iterable[Expr], bound: Iterable[Index] = ()) -> tuple[Fraction, list[Expr], list[Index]]:
    """Coefficient, factors and bound indices of a product, with the sums inside it moved to the outside.

    (sum[K](a)) b = sum[K](a b), K renamed where b has it.
    """
    coefficient = ONCE
    flat: list[Expr] = []
    summed: list[Index] = list(bound)
    queue: list[Expr] = list(factors)
    names: set[str] | None = None
    position = 0
    while position < len(queue):
        factor = queue[position]
        if isinstance(factor, Indexed):  # nearly all are
            flat.append(factor)
        elif isinstance(factor, Const):
            coefficient = times(coefficient, factor.value)
        elif isinstance(factor, Mul):
            queue[position : position + 1] = factor.factors
            continue
        elif isinstance(factor, Sum):
            if names is None:
                names = {index.name for index in summed}
                names.update(index.name for other in queue for index in other.free)
            spend(len(names))
            inner: Expr = rename_bound(factor, names)
            assert isinstance(inner, Sum)
            summed.extend(inner.indices)
            names.update(index.name for index in inner.indices)
            queue[position] = inner.body
            continue
        elif isinstance(factor, Iverson) and factor.is_ones:
            pass
        else:
            flat.append(factor)
        position += 1
    return coefficient, flat, summed


def parts_of(term: Expr) -> tuple[Expr, ...]:
    """The factors of one term, looking through its own sum."""
    body = term.body if isinstance(term, Sum) else term
    return body.factors if isinstance(body, Mul) else (body,)


def powers(factor: Expr) -> Sequence[tuple[Expr, Fraction]]:
    """A factor as bases with rational exponents: (a b)^-1 = a^-1 b^-1, sqrt(x) = x^(1/2)."""
    if not isinstance(factor, Apply | Mul):
        return ((factor, ONCE),)
    found: list[tuple[Expr, Fraction]] = []
    stack: list[tuple[Expr, Fraction]] = [(factor, ONCE)]
    while stack:
        base, exponent = stack.pop()
        if isinstance(base, Apply) and base.function == "pow" and isinstance(base.arguments[1], Const):
            inner, k = base.arguments[0], base.arguments[1].value
            if exponent.denominator == 1 or k.numerator % 2:
                stack.append((inner, times(exponent, k)))
                continue
        if isinstance(base, Apply) and base.function == "sqrt":
            stack.append((base.arguments[0], exponent / 2))
        elif isinstance(base, Mul) and exponent.denominator == 1:
            stack.extend((part, exponent) for part in reversed(base.factors))
        else:
            found.append((base, exponent))
    return found


def arranged(total: Add) -> tuple[Expr, int]:
    """A sum in one order and with one sign, and that sign: ``m - x`` and ``x - m`` are one base."""
    ordered = in_order(total)
    if is_negative(ordered):
        return add(neg_simplified(term) for term in ordered.terms), -1
    return ordered, 1


def in_order(total: Add) -> Expr:
    """The terms in an order that does not depend on letters."""
    return add(sorted(total.terms, key=lambda term: signature(coefficient_of(term)[1])))
