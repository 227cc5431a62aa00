"""Points at which what is compared is equal, ``1[x^2 > 2]`` at the root of 2: there ``>`` and ``>=`` are two things.

Between neighbours on a line that are on two sides of a comparison a root is enclosed in floats and worked out in many
digits; a short fraction that is one is taken instead.  At a root that is no fraction the comparison is decided as where
both are equal (`Tied`), whatever the last digits say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction

from einstan.language.node import Node
from einstan.machine.meaning.loops import Tensor
from einstan.machine.meaning.numbers import WARY, Exact, Number, digits_of, fine, magnitude
from einstan.machine.points.draws import entries as entries_of
from einstan.machine.points.sampling import Place, Point, Sampler
from einstan.machine.sizes.extents import Extents

STOPS = [sign * Fraction(n) for sign in (-1, 1) for n in ("1/10", "1/2", "1", "8/5", "27/10", "5", "12", "40")]
HALVINGS, SECANTS = 45, 14
DIGITS, SOLVED, EQUAL, UNEQUAL = 150, Decimal("1e-100"), Decimal("1e-85"), Decimal("1e-30")
SIMPLE = 1000  # the largest denominator of a fraction that is tried
LONG = 10**30  # the denominator of a fraction that is made of digits
ZERO = Fraction(0)


class Tied(Exact):
    """Exact numbers for which what is as good as equal is equal; ``doubtful`` where it is neither."""

    doubtful = False

    def equal(self, left: Number, right: Number) -> bool:
        if isinstance(left, float) or isinstance(right, float):
            return False
        gap = magnitude(self.carried.subtract(digits_of(left, self.carried), digits_of(right, self.carried)))
        self.doubtful |= EQUAL < gap < UNEQUAL
        return bool(gap <= EQUAL)

    def holds(self, left: Number, relation: str, right: Number) -> bool:
        if self.equal(left, right):
            return relation in ("<=", ">=", "==")
        return super().holds(left, relation, right)

    def apply(self, function: str, *arguments: Number) -> Number:
        if function == "sign" and self.equal(arguments[0], ZERO):
            return ZERO
        return super().apply(function, *arguments)


def coincidences(sampler: Sampler, extents: Extents) -> Iterator[Point]:
    """Points at which what is compared is equal, of each comparison one."""
    found: set[tuple[Node, int]] = set()
    for line in _lines(sampler.count_of(extents)):
        state = sampler.generator.getstate()

        def gaps(t: Fraction, numbers: Exact | None = None) -> dict[Place, Number]:
            sampler.generator.setstate(state)  # noqa: B023  # of one line all points are drawn alike in all else
            return sampler.gaps(extents, line(t), numbers or WARY)[1]  # noqa: B023

        last: dict[Place, Number] = {}
        for before, t in zip([ZERO, *STOPS], STOPS, strict=False):
            here = gaps(t)
            for place, gap in here.items():
                if place[:2] in found or place not in last or not last[place] * gap < 0:
                    continue
                root = _root(lambda at, numbers, place=place: gaps(at, numbers).get(place), before, t, last[place])  # type: ignore[misc]
                if root is not None:
                    found.add(place[:2])
                    sampler.generator.setstate(state)
                    yield sampler.gaps(extents, line(root), WARY)[0]
            last = here


def shown_in_digits(point: Point) -> Point:
    """The point, its long fractions as the digits that they are made of."""
    carried = fine(DIGITS).carried

    def shown(entry: Number) -> Number:
        return entry if not isinstance(entry, Fraction) or entry.denominator < LONG else digits_of(entry, carried)

    return {name: Tensor(tensor.shape, list(map(shown, tensor.flat))) for name, tensor in point.items()}


def _lines(count: int) -> Iterator[Callable[[Fraction], list[Fraction]]]:
    """All entries moved together, in turn with another sign, and the first alone."""
    yield lambda t: [t * (1 + Fraction(k, 1000)) for k in range(count)]
    if count > 1:
        yield lambda t: [t * (-1) ** k * (1 + Fraction(k, 7)) for k in range(count)]
        rest = entries_of(count, positive=True)[: count - 1]
        yield lambda t: [t, *rest]


def _root(
    gap: Callable[[Fraction, Exact | None], Number], low: Fraction, high: Fraction, at_low: Number
) -> Fraction | None:
    """Where a gap that has two signs is nothing; None where it jumps there."""
    for _ in range(HALVINGS):
        middle = Fraction(float(low + high) / 2)
        at_middle = gap(middle, None)
        if at_middle is None:
            return None
        low, high = (middle, high) if at_middle * at_low > 0 else (low, middle)
    simple = high.limit_denominator(SIMPLE)
    numbers = fine(DIGITS)
    if gap(simple, numbers) == 0:
        return simple
    (one, at_one), (two, at_two) = ((t, gap(t, numbers)) for t in (low - (high - low), high + (high - low)))
    for _ in range(SECANTS):
        if at_one is None or at_two is None or at_one == at_two:
            return None
        if magnitude(at_two) <= SOLVED:
            return two
        slope = (Fraction(at_two) - Fraction(at_one)) / (two - one)
        next_ = two - Fraction(at_two) / slope
        one, at_one, two = two, at_two, Fraction(round(next_ * 10**DIGITS), 10**DIGITS)
        at_two = gap(two, numbers)
    return None
