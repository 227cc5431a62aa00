"""Between which numbers an expression lies, whatever it reads: a square is not negative, a sigmoid is below 1.

Bounds are sound and not the closest.  They say which side of a comparison is a side on which nothing can be.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from fractions import Fraction
from itertools import combinations, permutations
from typing import NamedTuple

from einstan.calculus.finite import POLES
from einstan.language.index import Affine, Index
from einstan.language.node import Node, fold
from einstan.language.term import (
    Add,
    Apply,
    Const,
    Delta,
    Extent,
    Indexed,
    Iverson,
    Mul,
    Name,
    Position,
    Reduce,
    Sum,
    substitute,
)

MOST_ALIKE = 6  # indices that are tried in the places of each other
End = Fraction | float  # infinite where there is no bound


class Bounds(NamedTuple):
    """From ``low`` to ``high``, each of which is reached unless its end is open."""

    low: End = -math.inf
    high: End = math.inf
    above: bool = False  # open below: larger than low
    below: bool = False  # open above: smaller than high


ANY = Bounds()
NOT_NEGATIVE, POSITIVE = Bounds(Fraction(0)), Bounds(Fraction(0), above=True)
UNIT = Bounds(Fraction(0), Fraction(1))
WITHIN_ONE, INSIDE_ONE = Bounds(Fraction(-1), Fraction(1)), Bounds(Fraction(-1), Fraction(1), True, True)
AT_LEAST_ONE = Bounds(Fraction(1))
VALUES = {
    "exp": POSITIVE, "expm1": Bounds(Fraction(-1), above=True), "sin": WITHIN_ONE, "cos": WITHIN_ONE,
    "arccos": NOT_NEGATIVE, "cosh": AT_LEAST_ONE, "arccosh": NOT_NEGATIVE, "tanh": INSIDE_ONE,
    "sigmoid": Bounds(Fraction(0), Fraction(1), True, True), "softplus": POSITIVE, "erf": INSIDE_ONE,
    "erfc": Bounds(Fraction(0), Fraction(2), True, True), "trigamma": ANY, "relu": NOT_NEGATIVE,
    "silu": Bounds(Fraction(-3, 10)), "elu": Bounds(Fraction(-1), above=True), "softsign": INSIDE_ONE,
    "abs": NOT_NEGATIVE, "sign": WITHIN_ONE, "pi": Bounds(Fraction(3), Fraction(4), True, True),
    "arctan": Bounds(Fraction(-2), Fraction(2), True, True), "arcsin": Bounds(Fraction(-2), Fraction(2), True, True),
    "arctan2": Bounds(Fraction(-4), Fraction(4), True, True),
}  # fmt: skip
AT = {"log": (Fraction(1), Fraction(0)), "exp": (Fraction(0), Fraction(1))}  # what grows, and is that there
KEEPING_SIGN = ("relu", "abs", "sign", "tanh", "erf", "arctan", "arcsin", "arcsinh", "sinh", "cbrt", "elu", "silu",
                "softsign", "expm1")  # fmt: skip


def bounds(expr: Node, of: Callable[[Name], Bounds] = lambda _: ANY) -> Bounds:
    """The bounds of an expression, where those of a tensor's entries are known."""
    return fold(expr, lambda node, below: _rule(node, below, of))


def is_regular(node: Apply, of: Callable[[Name], Bounds] = lambda _: ANY, nearest: bool = True) -> bool:
    """Whether a function is finite wherever its argument lies, unless that is very large; without ``nearest`` what is
    positive is not near zero either, as a sum of exponentials is not, whatever it underflows to."""
    match node:
        case Apply(function="log", arguments=(base,)):
            rooted = divides = True
        case Apply(function="sqrt", arguments=(base,)):
            rooted, divides = True, False
        case Apply(function="pow", arguments=(base, Const(value=exponent))):
            rooted, divides = exponent.denominator != 1, exponent < 0
        case _:
            return node.function in POLES
    own = bounds(base, of)
    positive = own.low > 0 or (own.low == 0 and (not divides or (own.above and not nearest)))
    return positive if rooted else positive or own.high < 0 or not divides


def both(parts: Iterable[Bounds]) -> Bounds:
    """The bounds of what is within each of some."""
    found = ANY
    for own in parts:
        low, above = max((own.low, own.above), (found.low, found.above))
        high, below = min((own.high, not own.below), (found.high, not found.below))
        found = Bounds(low, high, above, not below)
    return found


def _rule(node: Node, below: Sequence[Bounds], of: Callable[[Name], Bounds]) -> Bounds:
    match node:
        case Const(value=value):
            return Bounds(value, value)
        case Extent():
            return AT_LEAST_ONE
        case Index() | Position():
            return NOT_NEGATIVE
        case Affine(terms=terms, constant=constant):
            number = Bounds(Fraction(constant), Fraction(constant))
            return _sum((number, *(_times(part, k) for part, (_, k) in zip(below, terms, strict=True))))
        case Indexed(tensor=tensor):
            return of(tensor)
        case Delta() | Iverson():
            return UNIT
        case Add():
            return _sum(below)
        case Mul(factors=factors):
            known = dict(zip(factors, below, strict=True))
            powers = (_power(known[factor], count) for factor, count in Counter(factors).items())
            return _product(powers)
        case Sum(indices=indices, body=body):
            (own,) = below
            if own.low < 0 and _is_square(indices, body):
                return NOT_NEGATIVE
            if own.low == 0 and not own.above and _has_a_term(indices, body, of):
                return POSITIVE._replace(high=own.high if own.high <= 0 else math.inf)
            return Bounds(own.low if own.low >= 0 else -math.inf, own.high if own.high <= 0 else math.inf, own.above)
        case Reduce(operation=operation):
            (own,) = below
            if operation in ("max", "min", "mean"):
                return own
            if operation == "prod" and own.low >= 0:
                inside = own.high <= 1
                return Bounds(Fraction(own.low >= 1), Fraction(1) if inside else math.inf, own.above and own.low < 1)
            return Bounds(own.low, above=own.above) if operation == "logsumexp" else ANY
        case Apply():
            return _applied(node, below)
    return ANY


def _applied(node: Apply, below: Sequence[Bounds]) -> Bounds:
    function = node.function
    if function == "pow":
        exponent = node.arguments[1]
        if isinstance(exponent, Const):
            return _power(below[0], exponent.value)
        return POSITIVE if _is_positive(below[0]) else NOT_NEGATIVE if below[0].low >= 0 else ANY
    if function == "sqrt":
        return _power(below[0], Fraction(1, 2))
    if function == "maximum":
        first, second = sorted(below, key=lambda own: (own.low, own.above))
        return Bounds(second.low, max(first.high, second.high), second.above)
    if function == "minimum":
        first, second = sorted(below, key=lambda own: (own.high, not own.below))
        return Bounds(min(first.low, second.low), first.high, below=first.below)
    if function == "clip":
        return Bounds(below[1].low, below[2].high) if below[1].high <= below[2].low else ANY
    if function == "floor" and below[0].low >= 0:
        return Bounds(Fraction(math.floor(below[0].low)) if below[0].low < math.inf else below[0].low, below[0].high)
    if function in AT:
        at, value = AT[function]
        if below[0].low >= at or below[0].high <= at:
            return Bounds(value) if below[0].low >= at else Bounds(VALUES.get(function, ANY).low, value)
    values = VALUES.get(function, ANY)
    if function in KEEPING_SIGN and below[0].low >= 0:
        return Bounds(max(values.low, Fraction(0)), values.high, below[0].above or below[0].low > 0, values.below)
    if function in KEEPING_SIGN and below[0].high <= 0 and function not in ("relu", "abs"):
        return Bounds(values.low, Fraction(0), values.above)
    return values


def _is_positive(own: Bounds) -> bool:
    return own.low > 0 or (own.low == 0 and own.above)


def _sum(parts: Iterable[Bounds]) -> Bounds:
    whole = list(parts)
    low, high = sum(own.low for own in whole), sum(own.high for own in whole)
    return Bounds(low, high, any(own.above for own in whole), any(own.below for own in whole))


def _times(own: Bounds, number: Fraction | int) -> Bounds:
    if number == 0:
        return Bounds(Fraction(0), Fraction(0))
    if number > 0:
        return Bounds(own.low * number, own.high * number, own.above, own.below)
    return Bounds(own.high * number, own.low * number, own.below, own.above)


def _product(parts: Iterable[Bounds]) -> Bounds:
    """The sign is known where that of each factor is, the size of what is multiplied by a number."""
    total, number = Bounds(Fraction(1), Fraction(1)), Fraction(1)
    for own in parts:
        if own.low == own.high:
            number *= own.low  # type: ignore[assignment]
        else:
            total = _pair(total, own)
    return _times(total, number)


def _pair(a: Bounds, b: Bounds) -> Bounds:
    if a.high <= 0:
        return _times(_pair(_times(a, -1), b), -1)
    if b.high <= 0:
        return _times(_pair(a, _times(b, -1)), -1)
    if a.low >= 0 and b.low >= 0:
        positive = _is_positive(a) and _is_positive(b)
        low = a.low * b.low if a.low and b.low else Fraction(0)
        strict = positive if low == 0 else a.above or b.above
        return Bounds(low, a.high * b.high, strict, a.below and b.below)
    most = max(-a.low, a.high) * max(-b.low, b.high)
    return ANY if math.isinf(most) else Bounds(-most, most)


def _has_a_term(indices: Sequence[Index], body: Node, of: Callable[[Name], Bounds]) -> bool:
    """Whether brackets of a sum of what is positive leave some of it, ``sum[S](1[S <= t] exp(u[S]))`` that of t."""
    factors = list(body.factors) if isinstance(body, Mul) else []
    brackets = [factor for factor in factors if isinstance(factor, Iverson)]
    rest = [factor for factor in factors if factor not in brackets]
    positive = bool(rest) and all(_is_positive(bounds(factor, of)) for factor in rest)
    return positive and leave_a_term(indices, brackets)


def leave_a_term(indices: Sequence[Index], brackets: Collection[Iverson]) -> bool:
    """Whether comparisons of indices all hold where an index that is summed is one of the others."""
    if not all(isinstance(operand, Affine) for bracket in brackets for operand in bracket.operands):
        return False
    others = dict.fromkeys(i for bracket in brackets for i in bracket.free if i not in indices)
    pairs = [(index, other) for index in indices for other in others if other.dim == index.dim]
    return not brackets or any(all(_holds_at(bracket, *pair) for bracket in brackets) for pair in pairs)


def _holds_at(bracket: Iverson, index: Index, other: Index) -> bool:
    """Whether a comparison of indices holds where two of them are one."""
    put_in = [substitute(operand, {index: other}) for operand in bracket.operands]
    pairs = zip(put_in, bracket.relations, put_in[1:], strict=False)
    return all(left is right and relation in ("<=", ">=", "==") for left, relation, right in pairs)


def _is_square(indices: Sequence[Index], body: Node) -> bool:
    """Whether a sum is one of squares, ``x[I] R[K,I] R[K,J] x[J]``: some of its indices change places with others, and
    each factor that has one of the first with one that has one of the others in its place."""
    factors = list(body.factors) if isinstance(body, Mul) else [body]
    alike = [index for index, count in _counted_like(indices, factors) if count > 1]
    if len(alike) > MOST_ALIKE:
        return False
    for first in (chosen for n in range(1, len(alike) // 2 + 1) for chosen in combinations(alike, n)):
        for others in permutations([index for index in alike if index not in first], len(first)):
            if [i.dim for i in first] != [i.dim for i in others]:
                continue
            mine = [f for f in factors if not set(first).isdisjoint(f.free)]
            rest = Counter(f for f in factors if set(first).isdisjoint(f.free))
            rest.subtract(substitute(f, dict(zip(first, others, strict=True))) for f in mine)
            apart = all(set(others).isdisjoint(f.free) for f in mine)
            if apart and all(n >= 0 and n % 2 == 0 for n in rest.values()):
                return True
    return False


def _counted_like(indices: Sequence[Index], factors: Sequence[Node]) -> list[tuple[Index, int]]:
    """Each summed index, and how many of them stand in factors that are like its own but for their letters."""
    own, other = Index("i 0"), Index("i 1")
    looks: dict[Index, Hashable] = {}
    for index in indices:
        names = {each: own if each is index else other for each in indices}
        looks[index] = index.dim, frozenset(Counter(substitute(f, names) for f in factors if index in f.free).items())
    counts = Counter(looks.values())
    return [(index, counts[look]) for index, look in looks.items()]


def _power(own: Bounds, exponent: Fraction | int) -> Bounds:
    if exponent == 1:
        return own
    if exponent == 0:
        return Bounds(Fraction(1), Fraction(1))
    if Fraction(exponent).denominator > 1 or exponent % 2 == 0 or own.low >= 0:
        low = Fraction(0)
        if exponent > 0 and 0 < own.low < math.inf:  # of a root: below 1 it is larger than the power rounded up
            whole = Fraction(exponent).denominator == 1
            low = Fraction(own.low) ** math.ceil(exponent) if whole or own.low < 1 else Fraction(1)
        strict = exponent < 0 or _is_positive(own) or (own.high < 0 or (own.high == 0 and own.below))
        small = exponent > 0 and own.low >= -1 and own.high <= 1
        return Bounds(low, Fraction(1) if small else math.inf, strict if low == 0 else own.above)
    return WITHIN_ONE if exponent > 0 and own.low >= -1 and own.high <= 1 else ANY
