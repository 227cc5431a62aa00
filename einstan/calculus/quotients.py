"""Quotients that meet over one denominator: ``1 / (1 + x) - x / (1 + x)^2`` is ``1 / (1 + x)^2``.

The rule for quotients brings in a subtraction of what is nearly equal where x is large.  The terms that are divided by
powers of one sum are put over the highest of them, and what divides less is multiplied by that sum, term by term; if
something cancels, the subtraction is gone.  Nothing else is multiplied out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from typing import NamedTuple, cast

from einstan.calculus.coefficients import neg_simplified
from einstan.calculus.factors import flattened, powers
from einstan.calculus.simplify import as_power, simplify_product, simplify_sum
from einstan.language.index import Index
from einstan.language.node import Node, fold, holds
from einstan.language.term import Add, Apply, Const, Expr, Indexed, Mul, applies, kept, substitute

Behind = Callable[[Expr], Expr]
HIGHEST = 2  # power of a sum that is multiplied out
MANY = 12  # terms of which every two are compared


class Quotient(NamedTuple):
    """One term of a sum, and what it is divided by: its bases and their exponents, all negative."""

    term: Expr
    number: Fraction
    others: tuple[Expr, ...]
    below: dict[Expr, Fraction]
    summed: tuple[Index, ...]


def undefined(access: Expr) -> Expr:
    """What is behind a name of which nothing is known."""
    return access


def may_meet(expr: Expr) -> bool:
    """Whether quotients of an expression can meet, multiplied out or not: over one denominator come powers of a sum
    that are whole ones apart, so that something is divided by a whole one, or by roots in two places."""
    if not holds(expr, Add) or not applies(expr, "pow"):
        return False

    def places(node: Node, children: tuple[int, ...]) -> int:
        own = 0
        if isinstance(node, Apply) and node.function == "pow":
            below = [k for base, k in powers(node) if k < 0 and isinstance(base, Add)]
            own = max((1 if k.denominator > 1 else 2 for k in below), default=0)
        return own + sum(children)

    return fold(expr, places, known=lambda node: 0 if kept(node) else None) > 1


def met(expr: Expr, behind: Behind = undefined) -> Expr:
    """The expression with quotients over one denominator wherever something cancels then; ``behind`` says what a name
    stands for."""
    if not holds(expr, Add) or not applies(expr, "pow"):
        return expr

    def rule(node: Node, children: tuple[Node, ...]) -> Node:
        result = node.over(children)
        while isinstance(result, Add):
            shorter = _met(result, behind)
            if shorter is None:
                break
            result = shorter
        return result

    return fold(expr, rule, known=kept)


def _met(total: Add, behind: Behind) -> Expr | None:
    quotients = _quotients(total)
    for base in dict.fromkeys(base for quotient in quotients for base in quotient.below):
        own = [quotient for quotient in quotients if base in quotient.below]
        pairs = ((one, other) for one in own for other in quotients if other is not one)
        for group in (own, *(pairs if 2 < len(quotients) <= MANY or len(own) < 2 else ())):
            whole = _over(base, group, behind)
            if whole is not None:
                others = [quotient.term for quotient in quotients if quotient not in group]
                first = min(map(quotients.index, group))
                return simplify_sum((*others[:first], whole, *others[first:]))
    return None


def _quotients(total: Add) -> list[Quotient]:
    """The terms of a sum, those that sum over the same dimensions under the same letters."""
    found: list[Quotient] = []
    letters: dict[tuple[str, ...], list[Index]] = {}
    for term in (part for each in total.terms for part in _opened(each)):
        number, flat, summed = flattened((term,))
        summed.sort(key=lambda index: index.dim)
        wanted = letters.setdefault(tuple(index.dim for index in summed), summed)
        if wanted != summed and not any(index in factor.free for index in wanted for factor in flat):
            flat = [substitute(factor, dict(zip(summed, wanted, strict=True))) for factor in flat]
            summed = wanted
        above, below = list[Expr](), dict[Expr, Fraction]()
        for factor in flat:
            for base, k in powers(factor):
                if k < 0 and isinstance(base, Add | Indexed):
                    below[base] = below.get(base, Fraction(0)) + k
                else:
                    above.append(as_power(base, k))
        found.append(Quotient(term, number, tuple(above), below, tuple(summed)))
    return found


def _opened(term: Expr) -> Iterator[Expr]:
    """sum[J](a + b) = sum[J](a) + sum[J](b), and a (b / s + c / s) = a b / s + a c / s."""
    number, flat, summed = flattened((term,))
    sums = [k for k, factor in enumerate(flat) if isinstance(factor, Add)]
    at = next((k for k in sums if _divides(flat[k])), 0 if sums and len(flat) == 1 else None)
    if at is None:
        yield term
        return
    before, after = (Const(number), *flat[:at]), flat[at + 1 :]
    for part in cast(Add, flat[at]).terms:
        yield from _opened(simplify_product((*before, part, *after), summed))


def _divides(total: Expr) -> bool:
    """Whether a term of a sum divides by data."""
    return any(k < 0 and isinstance(b, Add | Indexed) for term in cast(Add, total).terms for b, k in _powers(term))


def _powers(term: Expr) -> Iterator[tuple[Expr, Fraction]]:
    _, flat, _ = flattened((term,))
    return (part for factor in flat for part in powers(factor))


def _over(base: Expr, group: Sequence[Quotient], behind: Behind) -> Expr | None:
    """Terms over the highest power of one divisor, where something cancels in the numerator."""
    outside = group[0].summed if not set(group[0].summed).isdisjoint(base.free) else ()
    if any(q.summed != outside if outside else not set(q.summed).isdisjoint(base.free) for q in group):
        return None
    exponents = [quotient.below.get(base, Fraction(0)) for quotient in group]
    lowest = min(exponents)
    raised: list[list[tuple[Expr, ...]]] = []
    for exponent in exponents:
        more = _terms_of(base, exponent - lowest, behind)
        if more is None:
            return None
        raised.append(more)
    if all(len(more) == 1 for more in raised):
        return None
    signs: dict[frozenset[Expr], Expr] = {}
    terms: list[Expr] = []
    for quotient, more in zip(group, raised, strict=True):
        others = [as_power(b, k) for b, k in quotient.below.items() if b is not base]
        for each in more:
            whole = simplify_product((*_of_one_sign((*quotient.others, *each), signs), *others))
            terms.append(simplify_product((Const(quotient.number), whole), () if outside else quotient.summed))
    numerator = simplify_sum(terms)
    left = len(numerator.terms) if isinstance(numerator, Add) else 1
    if left >= len(group):
        return None
    return simplify_product((numerator, as_power(base, lowest)), outside)


def _terms_of(base: Expr, exponent: Fraction, behind: Behind) -> list[tuple[Expr, ...]] | None:
    """The terms of a power of a sum, by itself or behind a name, each as its factors."""
    if exponent == 0:
        return [()]
    (root, k), *rest = powers(base if isinstance(base, Add) else behind(base))
    whole = k * exponent
    if rest or not isinstance(root, Add) or whole.denominator != 1 or not 0 < whole <= HIGHEST:
        return None
    found: list[tuple[Expr, ...]] = [()]
    for _ in range(whole.numerator):
        found = [(*one, term) for one in found for term in root.terms]
    return found


def _of_one_sign(factors: Iterable[Expr], signs: dict[frozenset[Expr], Expr]) -> Iterator[Expr]:
    """Factors, a - b as -(b - a) where that was met first."""
    for factor in factors:
        for base, k in (
            part for each in (factor.factors if isinstance(factor, Mul) else (factor,)) for part in powers(each)
        ):
            if isinstance(base, Add) and k.denominator == 1:
                other = signs.get(frozenset(map(neg_simplified, base.terms)))
                if other is not None:
                    yield Const((-1) ** (k.numerator % 2))
                    base = other
                else:
                    signs.setdefault(frozenset(base.terms), base)
            yield as_power(base, k)
