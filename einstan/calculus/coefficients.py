"""Terms as a number and the rest: ``-2 x`` is -2 and ``x``, inside a sum over indices too."""

from __future__ import annotations

from fractions import Fraction

from einstan.language.term import ONE, ZERO, Add, Const, Expr, Mul, Sum, mul, sum_over

ONCE = ONE.value  # made once, as fractions take long to make, and to multiply


def times(a: Fraction, b: Fraction) -> Fraction:
    """``a b``, without a multiplication where one of them is `ONCE`, as it nearly always is."""
    return b if a is ONCE else a if b is ONCE else a * b


def coefficient_of(term: Expr) -> tuple[Fraction, Expr]:
    """A term as its number and the rest: ``2 x`` as 2 and ``x``, inside a sum over indices too."""
    if isinstance(term, Const):
        return term.value, ONE
    if isinstance(term, Sum):
        number, rest = coefficient_of(term.body)
        return number, sum_over(term.indices, rest)
    if isinstance(term, Mul) and isinstance(term.factors[0], Const):
        return term.factors[0].value, mul(term.factors[1:])
    return ONCE, term


def scaled(number: Fraction, rest: Expr) -> Expr:
    """``number`` times a simplified term that has no number of its own."""
    if number is ONCE or number == 1:
        return rest
    if rest is ONE:
        return Const(number)
    if isinstance(rest, Sum):
        return sum_over(rest.indices, scaled(number, rest.body))
    return mul((Const(number), rest))


def neg_simplified(term: Expr) -> Expr:
    number, rest = coefficient_of(term)
    return scaled(-number, rest)


def is_negative(term: Expr) -> bool:
    """Whether a term (the first one of a sum) carries a minus sign."""
    return coefficient_of(term.terms[0] if isinstance(term, Add) else term)[0] < 0


def length(expr: Expr) -> int:
    """How many terms, 0 for zero."""
    return len(expr.terms) if isinstance(expr, Add) else 0 if expr is ZERO else 1
