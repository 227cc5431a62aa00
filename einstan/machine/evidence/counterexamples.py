"""Counterexamples: where the two sides of a claim differ, and the smallest point at which they still do.

Whether a smaller point will do is asked of floats, which are quick; what they find is looked at once in exact numbers,
and where these disagree the search is made with them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, Overflow, localcontext
from fractions import Fraction
from itertools import combinations, count

from einstan.calculus.program import Program
from einstan.language.errors import EinstanError
from einstan.machine.meaning.decimals import DIGITS, GUARD
from einstan.machine.meaning.loops import Tensor
from einstan.machine.meaning.numbers import DIGITS_LOST, EXACT, FLOATS, Number, Numbers, context, digits_of, fine
from einstan.machine.points.points import LEFT, RIGHT
from einstan.machine.points.sampling import ABSOLUTE, Point, Sampler, Values
from einstan.machine.sizes.extents import Extents
from einstan.machine.sizes.inference import infer

RELATIVE = Decimal("1e-40")
FINE, FINEST = 300, 1500  # digits in which a difference is looked for
STILL = Decimal("1e-6")  # of a difference is what more digits may change
MOVED, CERTAIN, EQUAL = Decimal("1e-50"), 1000, Decimal("1e-20")  # of entries that were solved for
VAST = "the numbers are too large to be compared"
LOST = "what is small is lost beside what is large, so that no digits tell the sides apart"
DOUBTFUL = "a value lies so near a jump that its digits do not tell on which side"
LONG, MOST = (
    12,
    40,
)  # an extent that is halved before it is made less by one; how many entries of a tensor that are made simple
CLEAR = 1e-6  # by as much, relatively, floats must differ to be believed


@dataclass(frozen=True)
class Found:
    """A point at which two sides differ, and the position of the first entries that do."""

    sizes: Mapping[str, int]
    extents: Extents
    point: Point
    values: Values
    where: int


@dataclass(frozen=True)
class Weighed:
    """What a point says: where the sides differ, with the values there; else that they agree, unless ``unknown`` says
    why it is no evidence."""

    differ: tuple[Values, int] | None
    unknown: str = ""


def difference(values: Values, numbers: Numbers = EXACT) -> int | None:
    """The first position at which the two sides differ."""
    differ = _clearly_differ if numbers is FLOATS else apart_in_digits
    pairs = enumerate(zip(values[LEFT].flat, values[RIGHT].flat, strict=True))
    return next((offset for offset, (a, b) in pairs if differ(a, b)), None)


def apart(sampler: Sampler, point: Point, extents: Extents, values: Values) -> tuple[Values, int] | None:
    """The values that tell the two sides apart at a point, and the first position at which they do."""
    return weighed(sampler, point, extents, values).differ


def weighed(sampler: Sampler, point: Point, extents: Extents, values: Values) -> Weighed:
    """Whether the two sides differ, or agree, at a point where they have the given values.

    Rationals tell at once, where nothing else came up on the way.  Decimals are worked out in more digits until no
    rounding explains the difference, and in more again, which must leave it as it is: a logarithm makes a difference
    of what had lost its digits.  A point that was solved for is itself no more exact.  Where something was lost beside
    what is far larger, or a step was taken near its jump, digits that agree say nothing.
    """
    if is_solved(point):  # brackets of what has no more digits are fractions, too
        return _at_solved(sampler, point, extents)
    if sampler.rational and all(isinstance(entry, Fraction) for side in (LEFT, RIGHT) for entry in values[side].flat):
        return _at_once(values)
    digits, before = (FINE, None) if difference(values) is None else (2 * DIGITS, values)
    seen = False  # whether fewer digits lost nothing, so that what is as small as rounding now is of rounding
    while True:
        numbers = fine(digits)
        sampler.patience -= digits == FINEST
        tired = digits == FINEST and sampler.patience < 0
        found = None if tired else sampler.values_anew(point, extents, numbers)
        if found is None:
            return Weighed(None, LOST if tired else "the sides have no value in more digits")
        large = DIGITS_LOST * numbers.largest
        needed, vast = max(FINE + large, numbers.hidden + large + 2 * GUARD), FINE + large > FINEST
        sound = not (numbers.doubtful or numbers.lost)
        where = None if numbers.largest > FINEST else _beyond(found, numbers.rounding())
        stays = where is not None and before is not None and _stays(before, found, where)
        if where is not None and stays and not numbers.doubtful and not (numbers.absorbed and numbers.stepped):
            return Weighed((found, where))
        off = _off(found, max(digits // 2, numbers.hidden + GUARD)) if sound else None
        firm = off is not None and not (numbers.stepped or numbers.cancelled)
        if firm and before is not None and off is not None and _stays(before, found, off):
            return Weighed((found, off))
        if needed > FINEST:
            equal = off is None and numbers.hidden + 2 * GUARD <= digits
        else:
            equal = where is None and digits >= needed
        equal = equal and (not numbers.noisy or seen)
        seen = not numbers.lost
        if sound and equal and digits >= FINE and not (firm and before is None):
            return Weighed(None)
        if (
            digits == FINEST
            or numbers.hidden > FINEST + GUARD
            or (vast and digits > FINE)
            or (numbers.doubtful and digits >= FINE)
        ):
            return Weighed(None, VAST if vast else DOUBTFUL if numbers.doubtful else LOST)
        more = 2 * digits if vast or where is not None or digits >= needed else digits
        before, digits = found, min(FINEST, max(FINE if vast else needed, more))


def is_solved(point: Point) -> bool:
    """Whether some entries are what was found in decimals, and no more exact."""
    return any(isinstance(entry, Decimal) for tensor in point.values() for entry in tensor.flat)


def _at_once(values: Values) -> Weighed:
    where = difference(values)
    return Weighed(None if where is None else (values, where))


def _at_solved(sampler: Sampler, point: Point, extents: Extents) -> Weighed:
    """What a point says that was itself solved for in decimals: a difference counts that stays where its entries move
    by more than they can be wrong by, and agreement where nothing was lost."""
    numbers = fine(FINE, ABSOLUTE)
    found = sampler.values_anew(point, extents, numbers)
    sound = not (numbers.lost or numbers.doubtful or 2 * numbers.largest > FINE)
    near = None if found is None or not sound else sampler.values_anew(_beside(point), extents, numbers)
    if found is None or near is None:
        return Weighed(None, DOUBTFUL if numbers.doubtful else LOST)
    unknown = ""
    with localcontext(fine(FINEST).carried) as carried:
        sides = ([digits_of(entry, carried) for entry in v[side].flat] for v in (found, near) for side in (LEFT, RIGHT))
        for k, (a, b, other_a, other_b) in enumerate(zip(*sides, strict=True)):
            gap, moved = abs(a - b), abs((a - b) - (other_a - other_b))
            if gap > numbers.rounding() and gap > CERTAIN * moved:
                return Weighed((found, k))
            if gap > max(ABSOLUTE, EQUAL * max(abs(a), abs(b))):
                unknown = LOST
    return Weighed(None, unknown)


def _beside(point: Point) -> Point:
    """The point, what was solved for moved by more than its last digits."""
    with localcontext(fine(FINE).carried):
        return {name: Tensor(tensor.shape, list(map(_moved, tensor.flat, count()))) for name, tensor in point.items()}


def _moved(entry: Number, k: int) -> Number:
    # by as much where it is nearly 0, since what was solved was a sum
    return entry + (-1) ** k * (k + 1) * MOVED * (1 + abs(entry)) if isinstance(entry, Decimal) else entry


def _off(values: Values, digits: int) -> int | None:
    """The first position at which the sides differ in one of so many digits."""
    part = Decimal((0, (1,), -digits))
    with localcontext(fine(FINEST).carried) as carried:
        left, right = ([digits_of(entry, carried) for entry in values[side].flat] for side in (LEFT, RIGHT))
        pairs = enumerate(zip(left, right, strict=True))
        return next((k for k, (a, b) in pairs if abs(a - b) > part * max(abs(a), abs(b))), None)


def _stays(before: Values, after: Values, where: int) -> bool:
    """Whether both sides are what they were in fewer digits, as far as their difference goes."""
    with localcontext(fine(FINEST).carried) as carried:
        old, new = ([digits_of(v[side].flat[where], carried) for side in (LEFT, RIGHT)] for v in (before, after))
        moved = max(abs(a - b) for a, b in zip(old, new, strict=True))
        return moved <= STILL * abs(new[0] - new[1])


def _beyond(values: Values, rounding: Decimal) -> int | None:
    """The first position at which the sides are further apart than that."""
    with localcontext(fine(FINEST).carried) as carried:
        pairs = enumerate(zip(values[LEFT].flat, values[RIGHT].flat, strict=True))
        return next((k for k, (a, b) in pairs if abs(digits_of(a, carried) - digits_of(b, carried)) > rounding), None)


def nearly_equal(values: Values) -> bool:
    """Whether the two sides agree in as many digits as floats have."""
    pairs = zip(values[LEFT].flat, values[RIGHT].flat, strict=True)
    return all(math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12) for a, b in pairs)


def apart_in_digits(a: Number, b: Number) -> bool:
    """Whether two numbers differ in the digits that are carried."""
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        return a != b
    a, b = digits_of(a), digits_of(b)
    with localcontext(context()) as digits:
        digits.traps[Overflow] = False
        return bool(abs(a - b) > max(ABSOLUTE, RELATIVE * max(abs(a), abs(b))))


def _clearly_differ(a: float, b: float) -> bool:
    return abs(a - b) > CLEAR * max(abs(a), abs(b), CLEAR)


def smallest(program: Program, sampler: Sampler, sizes: dict[str, int], extents: Extents, point: Point) -> Found | None:
    """A counterexample with the smallest extents found, and the simplest entries that still tell the sides apart."""
    given = {name: Tensor(tensor.shape, list(tensor.flat)) for name, tensor in point.items()}
    quick = _shrunk(program, sampler, dict(sizes), extents, given, FLOATS)
    found = counterexample(sampler, *quick)
    if found is None:  # floats were wrong about it
        found = counterexample(sampler, *_shrunk(program, sampler, dict(sizes), extents, point, EXACT))
    return found


def counterexample(sampler: Sampler, sizes: Mapping[str, int], extents: Extents, point: Point) -> Found | None:
    """The point, if the sides have exact values there that differ."""
    values = sampler.values(point, extents)
    where = None if values is None else difference(values)
    return None if values is None or where is None else Found(sizes, extents, point, values, where)


def _shrunk(
    program: Program, sampler: Sampler, sizes: dict[str, int], extents: Extents, point: Point, numbers: Numbers
) -> tuple[dict[str, int], Extents, Point]:
    # All at once, then two, since extents may be tied to each other, then one.
    for group in (tuple(sizes), *combinations(sizes, 2), *((dim,) for dim in sizes)):
        most = max((sizes[dim] for dim in group), default=0)
        less = most // 2 if most > LONG else 1
        while less and any(sizes[dim] > 1 for dim in group):
            smaller = {dim: max(1, size - less * (dim in group)) for dim, size in sizes.items()}
            found = _differing(program, sampler, smaller, numbers)
            if found is not None:
                sizes, (extents, point) = smaller, found
            less = less if found is not None else less // 2
    for name, tensor in point.items():
        if name in sampler.labels.names or len(tensor.flat) > MOST:
            continue
        for offset, old in enumerate(tensor.flat):
            for simple in (Fraction(1), Fraction(2), Fraction(-1)):
                if old == simple:
                    break
                tensor.flat[offset] = simple
                values = sampler.values(point, extents, numbers)
                if values is not None and difference(values, numbers) is not None:
                    break
                tensor.flat[offset] = old
    return sizes, extents, point


def _differing(
    program: Program, sampler: Sampler, sizes: dict[str, int], numbers: Numbers
) -> tuple[Extents, Point] | None:
    try:
        extents = infer(program, {}, sizes, nominal=max(sizes.values(), default=1))
    except EinstanError:
        return None
    for _ in range(3):
        drawn = sampler.point(extents, numbers)
        if drawn is not None and difference(drawn[1], numbers) is not None:
            return extents, drawn[0]
    return None
