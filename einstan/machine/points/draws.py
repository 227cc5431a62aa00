"""Entries of points: small distinct rationals, and those off the beaten track.

What is true of small fractions alone, of halves and thirds, of what is less than some number that the text names, shows
at the others.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from functools import lru_cache

from einstan.language.effort import spend
from einstan.language.index import Affine
from einstan.language.node import preorder
from einstan.language.term import Apply, Const, Expr, Iverson, Reduce
from einstan.machine.meaning.gaps import is_partial
from einstan.machine.meaning.numbers import RATIONAL
from einstan.machine.points.switches import KINKED

MOST = 12  # numbers of a text that entries are drawn about
LARGEST = 300  # power of a number that entries are drawn about
PRIMES = (1009, 1013, 1019, 1021, 1031, 1033)

Draw = Callable[[int, random.Random], "list[Fraction]"]


def entries(count: int, positive: bool) -> tuple[Fraction, ...]:
    """Distinct small rationals, none of them 0: halves and thirds first, finer ones where more are needed."""
    spend(count)
    return _entries(count, positive)


@lru_cache(16)
def _entries(count: int, positive: bool) -> tuple[Fraction, ...]:
    found: dict[Fraction, None] = {}
    denominator = 1
    while len(found) < max(2 * count, 8):
        for numerator in range(1, 2 * denominator + 1):
            for sign in (1,) if positive else (1, -1):
                found[Fraction(sign * numerator, denominator)] = None
        denominator += 1
    return tuple(found)


def between(low: Fraction | None, high: Fraction | None, generator: random.Random) -> Fraction:
    """A fraction within a range that may be open to one side."""
    if low is None and high is None:
        return Fraction(generator.randint(1, 9), 4)
    bottom = low if low is not None else high - 2  # type: ignore[operator]
    top = high if high is not None else bottom + 2
    return bottom + (top - bottom) * Fraction(generator.randint(1, 60), 61)


# ---- off the beaten track --------------------------------------------------------------------------------------------


def _rough(count: int, generator: random.Random) -> list[Fraction]:
    """With denominators that no number of a text cancels."""
    prime = generator.choice(PRIMES)
    return [Fraction(generator.choice((1, -1)) * generator.randint(1, 3 * prime), prime) for _ in range(count)]


def _scaled(low: int, high: int) -> Draw:
    def draw(count: int, generator: random.Random) -> list[Fraction]:
        scale, signs = Fraction(10) ** generator.randint(low, high), generator.choice(((1,), (-1,), (1, -1)))
        return [scale * Fraction(generator.choice(signs) * generator.randint(10, 99), 10) for _ in range(count)]

    return draw


def _mixed(count: int, generator: random.Random) -> list[Fraction]:
    return [_scaled(-2, 3)(1, generator)[0] for _ in range(count)]


def few(count: int, generator: random.Random) -> list[Fraction]:
    """Of few values, one of them 0, so that what nobody said to be different is equal at times."""
    return generator.choices((Fraction(0), *generator.sample(entries(4, positive=False), 2)), k=count)


def _about(numbers: Sequence[Fraction]) -> Draw:
    """Near the numbers of a text, on either side and at a distance, and among them small ones."""

    def draw(count: int, generator: random.Random) -> list[Fraction]:
        small = entries(count, positive=False)
        found = []
        for _ in range(count):
            number = generator.choice(numbers)
            step = Fraction(generator.randint(1, 9), generator.choice((4, 10, 1000)))
            beside = number + generator.choice((step, -step, abs(number) * step))
            found.append(generator.choice((beside, beside, number, generator.choice(small))))
        return found

    return draw


def draws(numbers: Sequence[Fraction]) -> list[Draw]:
    """Ways to draw entries off the beaten track, for a text that speaks of some numbers."""
    return [_rough, _scaled(1, 4), _scaled(-6, -3), _mixed, *([_about(numbers)] if numbers else [])]


def alone(number: Fraction) -> Draw:
    """Nothing but one number."""
    return lambda count, _: [number] * count


def on_marks(numbers: Sequence[Fraction]) -> Draw:
    """What functions without a value everywhere are asked about: nothing, one, and the numbers of a text."""

    def draw(count: int, generator: random.Random) -> list[Fraction]:
        return generator.choices([Fraction(-1), Fraction(0), Fraction(0), Fraction(1), *numbers], k=count)

    return draw


def stays_rational(node: object) -> bool:
    """Whether rationals go in and come out."""
    if isinstance(node, Reduce):
        return node.operation != "logsumexp"
    if not isinstance(node, Apply):
        return True
    if node.function == "pow":
        exponent = node.arguments[1]
        return isinstance(exponent, Const) and exponent.value.denominator == 1
    return node.function in (*RATIONAL, "floor")


def landmarks(exprs: Iterable[Expr]) -> list[Fraction]:
    """The numbers that a text compares with, and their roots: what is beyond them may be another case."""
    found: dict[Fraction, None] = {}
    for node in preorder(*exprs):
        kinked = isinstance(node, Iverson) or (isinstance(node, Apply) and node.function in KINKED)
        if kinked or is_partial(node):
            power = isinstance(node, Apply) and node.function == "pow"
            for value in map(_number, preorder(node.children[0] if power else node)):
                if value is not None and abs(value) not in (0, 1):
                    root = 1 / value if abs(value) < 1 else Fraction(math.isqrt(int(abs(value))))
                    found |= dict.fromkeys((value, -value, root, -root))
    return list(found)[:MOST]


def _number(node: object) -> Fraction | None:
    if isinstance(node, Affine):
        return Fraction(node.constant)
    match node:
        case Const(value=value):
            return value
        case Apply(function="pow", arguments=(Const(value=base), Const(value=exponent))):
            whole = exponent.denominator == 1 and abs(exponent) <= LARGEST
            return base ** int(exponent) if base and whole else None
    return None
