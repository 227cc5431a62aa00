"""Relations between entries of tensors, solved: exactly where they are linear in what may move, else to 50 digits.

Newton's method, begun in exact numbers at a random point: what is linear holds after one step, with every entry a
fraction and every free entry as it was drawn.  What is not linear is approached in floats, by the smallest step that
solves the linearised relations, and then in decimals until no more digits are carried.
"""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from contextlib import suppress
from decimal import Decimal
from fractions import Fraction

from einstan.language.effort import spend
from einstan.machine.meaning.duals import slopes_of, value_of
from einstan.machine.meaning.numbers import EXACT, FLOATS, DomainError, Number, magnitude
from einstan.machine.points.roots import Entries, Inside, Residuals, at_roots

STEPS, POLISH = 25, 6  # of Newton's method, in floats and in decimals
NEAR, THERE = 1e-11, Decimal("1e-55")
SMALL = Decimal("1e-8")  # a slope that is left where relations say the same twice, before they hold
FAR = 1e3  # entries beyond this are no point to look at
ELSEWHERE = 0.5  # how often a solution is looked for from roots
SCALES = (*[Fraction(1)] * 5, Fraction(1, 50), Fraction(20), Fraction(0))  # of entries from which one is looked for
SIMPLE = 12  # the largest denominator of a fraction that an entry is taken for
ROUGHLY, CLOSELY = Fraction(1, 10**4), Fraction(1, 10**20)  # how near, where floats and where decimals have solved


def solved(start: Entries, residuals: Residuals, generator: random.Random, inside: Inside) -> Entries | None:
    """Entries at which all residuals vanish, near the given ones or elsewhere; None where they were not found.

    ``residuals(entries, numbers)`` gives duals whose slopes are in the entries.  Of several solutions each is to be
    found at times, so some are looked for from roots that are ``inside``, from what is small or large, and from 0.
    """
    found = residuals(start, EXACT)
    if not any(slopes_of(r) for r in found):
        return start if _vanish(found) else None
    begun = start
    if generator.random() < ELSEWHERE:
        with suppress(DomainError, OverflowError, ValueError):
            begun = at_roots(start, residuals, generator, inside)
    if begun is start:
        exact = start if _vanish(found) else _at_once(start, found, residuals)
        if exact is not None:
            return exact
        scale = generator.choice(SCALES)
        begun = start if scale == 1 else {key: value * scale for key, value in start.items()}
    for entries in (start,) if begun is start else (begun, start):
        with suppress(DomainError, OverflowError, ValueError):
            solution = _near(entries, residuals)
            if solution is not None:
                return solution
    return None


def _near(start: Entries, residuals: Residuals) -> Entries | None:
    """A solution from some entries: exactly if it can be had, else to 50 digits."""
    found = residuals(start, EXACT)
    exact = start if _vanish(found) else _at_once(start, found, residuals)
    if exact is not None:
        return exact
    near = _approached({key: float(value) for key, value in start.items()}, residuals)
    if near is None:
        return None
    simple = _simplified(near, ROUGHLY)
    if all_fractions(simple) and _vanish(residuals(simple, EXACT)):
        return simple
    polished = _polished({key: Decimal(value) for key, value in near.items()}, residuals)
    if polished is None:
        return None
    simple = _simplified(polished, CLOSELY)
    return simple if all(magnitude(value_of(r)) <= THERE for r in residuals(simple, EXACT)) else polished


def _vanish(residuals: Iterable[Number]) -> bool:
    return all(value_of(r) == 0 for r in residuals)


def _at_once(start: Entries, found: list[Number], residuals: Residuals) -> Entries | None:
    """The entries after one step in fractions, where that solves all."""
    exact = _moved(start, moves(found))
    return exact if exact is not None and all_fractions(exact) and _vanish(residuals(exact, EXACT)) else None


def _simplified(entries: Mapping[Hashable, Number], within: Fraction) -> Entries:
    """The entries, those that are nearly a simple fraction as that: what is to be 0 or 1 has no digits of noise."""
    simple = {key: Fraction(value).limit_denominator(SIMPLE) for key, value in entries.items()}
    return {
        key: simple[key] if abs(simple[key] - Fraction(value)) <= within else value for key, value in entries.items()
    }


def all_fractions(entries: Mapping[Hashable, Number]) -> bool:
    return all(isinstance(value, Fraction) for value in entries.values())


def _approached(entries: dict[Hashable, float], residuals: Residuals) -> dict[Hashable, float] | None:
    import numpy as np  # a document in which nothing is solved for does not load it

    keys = list(entries)
    place = {key: k for k, key in enumerate(keys)}
    for _ in range(STEPS):
        found = residuals(entries, FLOATS)
        values = np.array([value_of(r) for r in found])
        largest = np.abs(values).max(initial=0.0)
        if largest <= NEAR:
            return entries
        if not math.isfinite(largest) or max(map(abs, entries.values())) > FAR:
            return None
        slopes = np.zeros((len(found), len(keys)))
        for row, residual in enumerate(found):
            for key, slope in slopes_of(residual).items():
                slopes[row, place[key]] = slope
        if not np.isfinite(slopes).all():  # LAPACK would say so itself, and go on
            return None
        step = np.linalg.lstsq(slopes, -values, rcond=1e-8)[0].tolist()
        entries = {key: entries[key] + own for key, own in zip(keys, step, strict=True)}
    return None


def _polished(entries: Entries, residuals: Residuals) -> Entries | None:
    for _ in range(POLISH):
        found = residuals(entries, EXACT)
        if all(magnitude(value_of(r)) <= THERE for r in found):
            return entries
        moved = _moved(entries, moves(found, consistent=False))
        assert moved is not None
        entries = moved
    return None


def _moved(entries: Entries, step: Entries | None) -> Entries | None:
    if step is None:
        return None
    return {key: EXACT.add(value, step[key]) if key in step else value for key, value in entries.items()}


def moves(residuals: Iterable[Number], consistent: bool = True) -> Entries | None:
    """A step that makes the linearised residuals vanish; None where, to be ``consistent``, there is none."""
    pivots: dict[Hashable, tuple[dict[Hashable, Number], Number]] = {}
    holders: defaultdict[Hashable, set[Hashable]] = defaultdict(set)  # the pivots whose rows have held a key
    for residual in residuals:
        row, value = dict(slopes_of(residual)), EXACT.mul(EXACT.of(-1), value_of(residual))
        for key in [key for key in row if key in pivots]:
            factor = row.pop(key)
            other, known = pivots[key]
            value = EXACT.add(value, EXACT.mul(-factor, known))
            _subtract(row, other, factor)
        row = {key: slope for key, slope in row.items() if not _is_nothing(slope)}
        if not row:
            if consistent and not _is_nothing(value):
                return None
            continue
        pivot = max(row, key=lambda key: abs(row[key]))
        scale = EXACT.apply("pow", row.pop(pivot), EXACT.of(-1))
        row = {key: EXACT.mul(scale, slope) for key, slope in row.items()}
        value = EXACT.mul(scale, value)
        holding = [key for key in holders.pop(pivot, ()) if pivot in pivots[key][0]]
        for key in holding:
            other, known = pivots[key]
            factor = other.pop(pivot)
            _subtract(other, row, factor)
            pivots[key] = other, EXACT.add(known, EXACT.mul(-factor, value))
        pivots[pivot] = row, value
        for key in row:
            holders[key].update((pivot, *holding))
    return {key: value for key, (_, value) in pivots.items()}


def _subtract(row: dict[Hashable, Number], other: Mapping[Hashable, Number], factor: Number) -> None:
    spend(1 + len(other) // 2)
    for key, slope in other.items():
        change = EXACT.mul(-factor, slope)
        total = EXACT.add(row[key], change) if key in row else change
        if total == 0:
            row.pop(key, None)
        else:
            row[key] = total


def _is_nothing(number: Number) -> bool:
    """Zero, or what rounding has left of it."""
    return bool(number == 0) if isinstance(number, Fraction) else magnitude(number) <= SMALL
