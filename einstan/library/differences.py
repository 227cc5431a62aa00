"""By what the sides of a wrong claim differ: the terms of left minus right, the slip that these are, or a ratio.

The terms are worked out in the names of the definitions, with the definitions put in, and with stated extents as
numbers, and the fewest are taken.  Where each of them is a term of one side that the other lacks, or has with another
number in front, that is the slip: the algebra says that the claim holds without it.  A ratio is found by numbers and
has to hold at all of several points.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice, product
from math import isclose, isfinite
from typing import TypeVar

from einstan.calculus.canonical import READABLE, canonical, term_count, terms_of
from einstan.calculus.coefficients import coefficient_of, neg_simplified
from einstan.calculus.collect import collected, shortest, size
from einstan.calculus.factors import flattened
from einstan.calculus.naming import ForwardNames
from einstan.calculus.proof import differing_terms, with_definitions
from einstan.calculus.simplify import simplify, simplify_sum
from einstan.calculus.symmetries import Group, images, symmetries
from einstan.calculus.windows import sized
from einstan.language.index import Index
from einstan.language.node import Node, preorder
from einstan.language.node import replace as renewed
from einstan.language.term import (
    ZERO,
    Apply,
    Const,
    Equation,
    Expr,
    Extent,
    Indexed,
    Name,
    mul,
    neg,
    reciprocal,
    substitute,
    tensors,
)
from einstan.library.questions import Question, program_of
from einstan.machine.evidence.verify import Comparison, quotients
from einstan.machine.meaning.numbers import number_of

TRIED = 20  # ratios
RATIOS = 4  # points at which one side has to be a multiple of the other, in floats
MOST = 12  # terms of a side that is multiplied out
SMALL = 300  # names and numbers of a wrong claim with its definitions put in, above which they stay names
Sides = tuple[Expr, Expr]
Value = TypeVar("Value")


@dataclass(frozen=True)
class Slip:
    """What is wrong with the ``wrong`` side: a ``what``, term or factor, is ``missing``, is ``extra``, has the wrong
    ``sign``, or stands ``instead`` of another."""

    what: str
    kind: str
    wrong: str
    written: Expr = ZERO
    meant: Expr = ZERO


@dataclass(frozen=True)
class Difference:
    """The terms of left minus right, each side in as few names as these, and the slip that they are."""

    terms: tuple[Expr, ...] = ()
    left: Expr = ZERO
    right: Expr = ZERO
    slip: Slip | None = None


def difference(asked: Question) -> Difference:
    """By what the sides of a wrong claim differ, without what would take long to work out; no terms where the calculus
    finds no difference."""
    rules = asked.assumptions
    plain = simplify(asked.left), simplify(asked.right)
    named = shortest(asked.names(plain[0])), shortest(asked.names(plain[1]))
    if term_count(asked.left) + term_count(asked.right) > MOST:  # nobody reads it multiplied out
        return Difference(
            terms_of(simplify_sum((plain[0], neg_simplified(plain[1])))), *named, _product_slip(asked, named)
        )
    best: Sides = asked.left, asked.right
    terms = differing_terms(*best, {}, rules)
    for sides in _worked_out(asked, terms, named):
        other = differing_terms(*sides, {}, rules)
        if _length(asked, other) < _length(asked, terms):
            best, terms = sides, other
    if not terms:
        return Difference()
    own = [differing_terms(side, ZERO, {}, rules) for side in best]
    left, right = (min(side, _sum(asked, parts), key=size) for side, parts in zip(named, own, strict=True))
    return Difference(terms, left, right, _product_slip(asked, (left, right)) or _term_slip(asked, terms, *own))


def in_gradients(asked: Question, found: Difference) -> tuple[Expr, Expr, Sequence[Expr]]:
    """Both sides and what they differ by, in the gradients by which the claim says what another one is, ``X[N,k]
    dZ[N,j]``, where each side has one in it."""
    if asked.gradients:
        known = (_with_right_side(e, shortest(asked.names(simplify(e.rhs)))) for e in asked.gradients)
        parts, spoken = ForwardNames(known).parts, {equation.name for equation in asked.gradients}
        sides = (found.left, found.right)
        left, right = (min(side, collected(simplify(parts(simplify(side)))), key=size) for side in sides)
        if all(spoken.intersection(tensors(side)) for side in (left, right)):
            terms = terms_of(simplify_sum((left, neg_simplified(right))))
            return left, right, min(found.terms, terms, key=lambda each: sum(map(size, each)))
    return found.left, found.right, found.terms


def in_lines(lhs: Expr, rhs: Expr, lines: Mapping[Name, Equation]) -> tuple[Expr, Expr, Sequence[Expr]] | None:
    """A claim on a gradient, ``dQ[q,d] = dS[q,J] K[J,d]``, beside the line of the backward pass that has the gradients
    of the claim in it; nothing where that has others."""
    line = lines.get(lhs.tensor) if isinstance(lhs, Indexed) else None
    if line is None or not {*tensors(rhs)}.intersection(lines) & {*tensors(line.rhs)}:
        return None
    assert isinstance(lhs, Indexed)
    own = [slot.index for slot in lhs.slots if slot.index is not None]
    if len(set(own)) < len(lhs.slots):
        return None
    left = substitute(line.rhs, dict(zip(line.indices, own, strict=True)))
    return left, rhs, differing_terms(left, rhs)


def _with_right_side(equation: Equation, rhs: Expr) -> Equation:
    return Equation(equation.name, equation.indices, rhs, equation.where)


def _worked_out(asked: Question, terms: Sequence[Expr], named: Sides) -> Iterator[Sides]:
    """The sides in the names of the definitions, with these put in, where a difference speaks of them, and with stated
    extents as numbers; symmetric tensors in one order of their slots."""
    sides, groups = (asked.left, asked.right), symmetries(asked.assumptions)
    ways = [named] if asked.definitions else []
    if any(name in asked.definitions for name in tensors(*terms)):
        left, right = (with_definitions(side, asked.definitions) for side in sides)
        if size(left) + size(right) <= SMALL and term_count(left) + term_count(right) <= READABLE:
            ways.append((left, right))
    if terms and asked.sizes:
        left, right = (sized(side, asked.definitions, asked.sizes) for side in sides)
        ways.append((left, right))
    yield from ways
    for left, right in (sides, *ways) if groups else ():
        yield _in_order(left, groups), _in_order(right, groups)


def _in_order(side: Expr, groups: Mapping[Name, Group]) -> Expr:
    """An expression with every symmetric tensor in that order of its slots in which free indices come first."""
    free = set(side.free)
    chosen: dict[Node, Node] = {}
    for node in preorder(side):
        if isinstance(node, Indexed) and node.tensor in groups:
            same = images(node, groups[node.tensor])
            sign, image = min(same, key=lambda own: [(f.index not in free, str(f)) for f in own[1].slots])
            chosen[node] = mul((Const(Fraction(sign)), image))
    return simplify(renewed(side, chosen))


def _length(asked: Question, terms: Iterable[Expr]) -> int:
    return sum(size(asked.names(term)) for term in terms)


def _sum(asked: Question, terms: Iterable[Expr]) -> Expr:
    return shortest(asked.names(simplify_sum(map(asked.names, terms))))


# ---- slips -----------------------------------------------------------------------------------------------------------


def _term_slip(asked: Question, terms: Sequence[Expr], left: Sequence[Expr], right: Sequence[Expr]) -> Slip | None:
    """The slip by which the terms of one side become those of the other; the side that is derived is right."""
    wrong, meant, written = _sides(asked, _counted(left), _counted(right))
    kinds: dict[str, list[tuple[Expr, Expr]]] = {}
    for rest, (number, _) in _counted(terms).items():
        (m, m_term), (w, w_term) = meant.get(rest, (0, ZERO)), written.get(rest, (0, ZERO))
        if abs(m - w) != abs(number):
            return None
        kind = "missing" if not w else "extra" if not m else "sign" if m == -w else "instead"
        kinds.setdefault(kind, []).append((w_term, m_term))
    if not meant or not written or sum(map(len, kinds.values())) > 2:
        return None
    if kinds.keys() == {"missing", "extra"}:
        return (
            Slip("term", "instead", wrong, kinds["extra"][0][0], kinds["missing"][0][1]) if len(written) > 1 else None
        )
    if len(kinds) > 1:
        return None
    ((kind, pairs),) = kinds.items()
    if kind != "missing" and len(pairs) == len(written):
        return None  # all of it is wrong
    return Slip("term", kind, wrong, _sum(asked, (w for w, _ in pairs)), _sum(asked, (m for _, m in pairs)))


def _product_slip(asked: Question, sides: Sides) -> Slip | None:
    """The factor that one product has and the other lacks, or has another in its place; of two sums in one place the
    term by which they differ."""
    wrong, meant, written = _sides(asked, *sides)
    (m_number, ours, m_bound), (w_number, theirs, w_bound) = flattened((meant,)), flattened((written,))
    letters = {index.dim: index for index in m_bound}
    if (
        len(letters) < len(m_bound)
        or letters.keys() != {index.dim for index in w_bound}
        or len(w_bound) != len(letters)
    ):
        return None
    if m_number != w_number or len(ours) + len(theirs) < 3:
        return None
    moved = {index: letters[index.dim] for index in w_bound}
    theirs = [substitute(factor, moved) for factor in theirs]
    lacking, extra = _without(ours, theirs), _without(theirs, ours)
    match lacking, extra:
        case [[one], []]:
            return Slip("factor", "missing", wrong, meant=one)
        case [[], [other]]:
            return Slip("factor", "extra", wrong, other)
        case [[one], [other]]:
            terms = differing_terms(one, other)
            inner = _term_slip(replace(asked, derived_sides=(True, False)), terms, terms_of(one), terms_of(other))
            if inner is not None:
                return replace(inner, wrong=wrong)
            return Slip("factor", "instead", wrong, other, one) if len(ours) > 1 else None
    return None


def _sides(asked: Question, left: Value, right: Value) -> tuple[str, Value, Value]:
    """Which side is wrong, what is meant, and what is written: the side that is derived is right."""
    return ("left", right, left) if asked.derived_sides == (False, True) else ("right", left, right)


def _counted(terms: Iterable[Expr]) -> dict[Expr, tuple[Fraction, Expr]]:
    """The terms by what they are without their numbers: the number of each, and the term as it stands."""
    found: dict[Expr, tuple[Fraction, Expr]] = {}
    for term in terms:
        number, rest = coefficient_of(term)
        rest = canonical(rest)
        found[rest] = found.get(rest, (Fraction(0), ZERO))[0] + number, term
    return found


def _without(factors: Sequence[Expr], others: Sequence[Expr]) -> list[Expr]:
    """The factors that the others have not, as often as they have them not."""
    left = [canonical(other) for other in others]
    found = []
    for factor in factors:
        if (form := canonical(factor)) in left:
            left.remove(form)
        else:
            found.append(factor)
    return found


# ---- ratios ----------------------------------------------------------------------------------------------------------


def ratio(asked: Question, numbers: Comparison) -> tuple[Expr, str] | None:
    """The number, or the quotient of extents, by which one side is a multiple of the other, and the side that is."""
    try:
        left, right = float(numbers.left), float(numbers.right)
    except OverflowError:
        return None
    if (
        asked.where
        or isclose(left, right)
        or not (left and right and isfinite(left / right) and isfinite(right / left))
    ):
        return None
    open_factors = [
        (factor, larger)
        for larger, found in (("right", right / left), ("left", left / right))
        for factor in islice(_factors(asked, numbers, found), TRIED)
    ]
    agreed = 0
    points = quotients(asked.left, asked.right, program_of(asked), asked.assumptions, RATIOS) if open_factors else ()
    for extents, times in points:
        open_factors = [own for own in open_factors if times and _is_worth(*own, extents, times)]
        if not open_factors:
            return None
        agreed += 1
    return open_factors[0] if agreed > 1 else None


def _is_worth(factor: Expr, larger: str, extents: Mapping[str, int], times: float) -> bool:
    """Whether a factor is the quotient of the sides where extents are so."""
    known = all(node.dim in extents for node in preorder(factor) if isinstance(node, Index))
    return known and isclose(number_of(factor, extents), times if larger == "right" else 1 / times, rel_tol=1e-9)


def _factors(asked: Question, numbers: Comparison, value: float) -> Iterator[Expr]:
    """What may have a value: extents, their roots, products of two and quotients, with a small number in front; a
    number."""
    nodes = (node for node in preorder(asked.left, asked.right) if isinstance(node, Index))
    letters = {node.dim: (Extent(node), _extent(node.dim, numbers)) for node in nodes}
    extents: list[tuple[Expr, float]] = [(extent, known) for extent, known in letters.values() if known]
    pairs = [(a, b) for a, b in product(extents, repeat=2) if str(a[0]).lower() != str(b[0]).lower()]
    products = [(mul((a[0], b[0])), a[1] * b[1]) for k, (a, b) in enumerate(pairs) if pairs.index((b, a)) > k]
    quotients = [(mul((a[0], reciprocal(b[0]))), a[1] / b[1]) for a, b in pairs]
    whole = round(value)
    if whole and isclose(whole, value) and abs(whole) <= MOST:
        yield Const(Fraction(whole))
    roots = [(Apply("sqrt", (extent,)), known**0.5) for extent, known in extents]
    for factor, known in (*extents, *roots, *products, *quotients):
        for number in (Fraction(1), Fraction(2), Fraction(1, 2)):
            if isclose(abs(value), float(number) * known):
                yield _times(number if value > 0 else -number, factor)


def _extent(dim: str, numbers: Comparison) -> int:
    """How long an axis is at a counterexample; 0 where nothing tells."""
    tensor, _, position = dim.rpartition(".")
    if dim in numbers.sizes or tensor not in numbers.arrays:
        return numbers.sizes.get(dim, 0)
    array = numbers.arrays[tensor]
    for _ in range(int(position)):
        array = array[0] if array else ()
    return len(array)


def _times(number: Fraction, factor: Expr) -> Expr:
    if number == -1:
        return neg(factor)
    return factor if number == 1 else mul((Const(number), factor))
