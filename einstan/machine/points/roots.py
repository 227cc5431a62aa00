"""Roots of what relations say of single entries: the real ones of polynomials, exactly where they are rational.

Newton's method finds a root that is near, and some roots are near no number that is drawn, as 0 is for ``r^3 = r``.  So
entries of which a relation speaks alone are begun at a root, each at one of its own that is drawn.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable, Mapping, Sequence
from fractions import Fraction

from einstan.machine.meaning.duals import slopes_of, value_of
from einstan.machine.meaning.numbers import EXACT, Number, Numbers

Entries = dict[Hashable, Number]
Residuals = Callable[[Entries, Numbers], "list[Number]"]
Inside = Callable[[Number], bool]

ASIDE = Fraction(17, 13)  # where no slope is by chance what it is at a number that is drawn
HIGHEST = 12  # degree of a polynomial
DENOMINATORS = (1, 12, 1000)  # of roots that are looked for exactly
REAL, EXACTLY = 1e-3, 1e-7  # parts of a float that may be imaginary, of a multiple root and of one that is not rational


def at_roots(start: Entries, residuals: Residuals, generator: random.Random, inside: Inside) -> Entries:
    """The entries, those of which a relation speaks alone each at a root that is drawn of those ``inside``."""
    found = residuals(start, EXACT)
    rows = {row: key for row, residual in enumerate(found) for key in _only(slopes_of(residual))}
    aside = residuals(dict.fromkeys(start, ASIDE), EXACT) if rows else []
    bent = {row: k for row, k in rows.items() if slopes_of(found[row]).get(k) != slopes_of(aside[row]).get(k)}
    if not bent:
        return start
    polynomials: dict[Hashable, list[tuple[Fraction, ...]]] = {}
    for row, coefficients in _polynomials(list(start), residuals, list(rows)).items():
        polynomials.setdefault(rows[row], []).append(coefficients)
    known: dict[tuple[Fraction, ...], list[Fraction]] = {}
    moved = dict(start)
    for key in dict.fromkeys(bent.values()):
        own = polynomials.get(key, [])
        for coefficients in own:
            if coefficients not in known:
                known[coefficients] = list(filter(inside, roots(coefficients)))
        every = [root for c in own for root in known[c]]
        common = [root for root in every if all(root in known[c] for c in own)]
        if every:
            moved[key] = generator.choice(common or every)
    return moved


def _only(slopes: Mapping[Hashable, Number]) -> Sequence[Hashable]:
    return tuple(slopes) if len(slopes) == 1 else ()


def _polynomials(
    keys: Sequence[Hashable], residuals: Residuals, rows: Sequence[int]
) -> dict[int, tuple[Fraction, ...]]:
    """The coefficients of the residuals that are polynomials, the constant first, by Newton's interpolation."""
    differences: dict[int, list[Fraction]] = {row: [] for row in rows}
    last: dict[int, list[Fraction]] = {row: [] for row in rows}
    for at in range(HIGHEST + 2):
        values = [value_of(residual) for residual in residuals(dict.fromkeys(keys, Fraction(at)), EXACT)]
        for row in list(last):
            if not isinstance(values[row], Fraction):
                del last[row]
                continue
            new = [values[row]]
            for k, before in enumerate(last[row]):
                new.append((new[k] - before) / (k + 1))
            last[row] = new
            differences[row].append(new[-1])
        if at > 1 and not any(differences[row][-1] or differences[row][-2] for row in last):
            break
    return {row: _expanded(differences[row]) for row in last if not any(differences[row][-2:])}


def _expanded(differences: Sequence[Fraction]) -> tuple[Fraction, ...]:
    """Of ``d0 + d1 t + d2 t (t - 1) + ...`` the coefficients of the powers of t."""
    found: list[Fraction] = []
    for k in reversed(range(len(differences))):
        higher = [Fraction(0), *found]
        found = [a - k * b for a, b in zip(higher, [*found, Fraction(0)], strict=True)]
        found[0] += differences[k]
        while found and not found[-1]:
            found.pop()
        found = found or [Fraction(0)]
    return tuple(found)


def roots(coefficients: Sequence[Fraction]) -> list[Fraction]:
    """The real roots of a polynomial, the constant first; those that are not rational nearly."""
    import numpy as np  # a document in which nothing is solved for does not load it

    found: dict[Fraction, None] = {}
    for root in np.roots([float(c) for c in reversed(coefficients)]).tolist():
        real, imaginary = Fraction(root.real), abs(root.imag) / max(1.0, abs(root))
        simple = (real.limit_denominator(most) for most in DENOMINATORS)
        exact = next((r for r in simple if imaginary < REAL and _value(coefficients, r) == 0), None)
        if exact is not None:
            found[exact] = None
        elif imaginary < EXACTLY:
            found[real] = None
    return list(found)


def _value(coefficients: Sequence[Fraction], at: Fraction) -> Fraction:
    total = Fraction(0)
    for coefficient in reversed(coefficients):
        total = total * at + coefficient
    return total
