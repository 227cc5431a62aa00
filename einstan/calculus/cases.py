"""Assumptions that leave a choice: under ``r^3 = 2 r`` is r zero or ``r^2 = 2``, and what holds in each case holds.

A polynomial in one entry is taken apart by its rational roots; of what is left the highest power is put away.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

from einstan.calculus.canonical import expanded, terms_of
from einstan.calculus.collect import exponent_of
from einstan.calculus.factors import flattened
from einstan.calculus.program import Assumption, Identity
from einstan.calculus.simplify import simplify, simplify_sum
from einstan.language.node import preorder
from einstan.language.term import Apply, Const, Expr, Indexed, mul, neg, power, tensors

HIGHEST, LARGEST = 12, 1000  # degree of a polynomial, and numbers among whose divisors roots are looked for
Coefficients = Sequence[Fraction]  # the constant first


def cases(rules: Sequence[Assumption], sides: Sequence[Expr]) -> list[tuple[Assumption, ...]]:
    """The assumptions with one that leaves a choice in each of its cases, that first; nothing where none leaves any."""
    for rule in rules:
        if len(tensors(rule.lhs, rule.rhs)) != 1:
            continue
        found = _polynomial(expanded(simplify_sum((simplify(rule.lhs), neg(simplify(rule.rhs))))))
        entry = None if found is None else _entry(found[0], sides)
        factors = [] if found is None or entry is None else _factors(found[1])
        if entry is not None and len(factors) > 1:
            others = [other for other in rules if other is not rule and (not entry.slots or _is_apart(other, entry))]
            return [(_zero(entry, factor), *others) for factor in factors]
    return []


def _is_apart(rule: Assumption, entry: Indexed) -> bool:
    """Whether an assumption brings in no other entry of a tensor, which may be another case."""
    read = {node for node in preorder(rule.lhs, rule.rhs) if isinstance(node, Indexed)}
    return len(read) == 1 or all(node.tensor != entry.tensor for node in read)


def _polynomial(difference: Expr) -> tuple[Indexed, Coefficients] | None:
    """The entry of which an expression is a polynomial, and its coefficients."""
    powers: dict[int, Fraction] = {}
    entry: Indexed | None = None
    for term in terms_of(difference):
        number, factors, bound = flattened((term,))
        if bound or len(factors) > 1:
            return None
        degree = 0
        for factor in factors:
            base = factor.arguments[0] if isinstance(factor, Apply) and factor.function == "pow" else factor
            k = exponent_of(factor)
            if not isinstance(base, Indexed) or (entry or base) is not base or k not in range(1, HIGHEST + 1):
                return None
            entry, degree = base, int(k)
        powers[degree] = powers.get(degree, Fraction(0)) + number
    return None if entry is None else (entry, [powers.get(k, Fraction(0)) for k in range(max(powers) + 1)])


def _entry(assumed: Indexed, sides: Sequence[Expr]) -> Indexed | None:
    """The one entry of a tensor that sides speak of, where each is meant by what is assumed."""
    indices = [form.index for form in assumed.slots]
    if None in indices or len(set(indices)) < len(indices):
        return None
    nodes = (node for node in preorder(*sides) if isinstance(node, Indexed))
    read = {node for node in nodes if node.tensor == assumed.tensor}
    free = {index for side in sides for index in side.free}
    return next((one for one in read if len(read) == 1 and all(form.index in free for form in one.slots)), None)


def _factors(polynomial: Coefficients) -> list[Coefficients]:
    """Polynomials of which one is zero where the product is: those of the rational roots, each once, and the rest."""
    found: list[Coefficients] = []
    rest = list(polynomial)
    for root in _candidates(polynomial):
        while len(rest) > 1 and _value(rest, root) == 0:
            rest = _divided(rest, root)
            if [-root, Fraction(1)] not in found:
                found.append([-root, Fraction(1)])
    return [*found, rest] if len(rest) > 1 else found


def _candidates(polynomial: Coefficients) -> Iterator[Fraction]:
    """What a rational root can be: 0, or a divisor of the lowest coefficient over one of the highest."""
    yield Fraction(0)
    common = 1
    for k in polynomial:
        common *= k.denominator
    whole = [int(k * common) for k in polynomial if k]
    if max(map(abs, whole)) <= LARGEST:
        pairs = ((above, below) for above in _divisors(whole[0]) for below in _divisors(whole[-1]))
        yield from (Fraction(sign * above, below) for above, below in pairs for sign in (1, -1))


def _divisors(number: int) -> list[int]:
    return [k for k in range(1, abs(number) + 1) if number % k == 0]


def _value(polynomial: Coefficients, at: Fraction) -> Fraction:
    return sum((k * at**n for n, k in enumerate(polynomial)), Fraction(0))


def _divided(polynomial: Coefficients, root: Fraction) -> list[Fraction]:
    """The polynomial without one of its roots (Horner)."""
    found: list[Fraction] = []
    for k in reversed(polynomial):
        found.append(k + root * (found[-1] if found else 0))
    return found[-2::-1]


def _zero(entry: Indexed, polynomial: Coefficients) -> Assumption:
    """That a polynomial in an entry is zero, as what its highest power is."""
    *lower, highest = polynomial
    terms = (mul((Const(-k / highest), power(entry, n))) for n, k in enumerate(lower))
    return Identity(simplify(power(entry, len(lower))), simplify_sum(map(simplify, terms)))
