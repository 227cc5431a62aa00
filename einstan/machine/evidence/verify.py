"""Numeric evidence for a claim: two expressions are evaluated at small random points, exactly or to 50 digits.

Agreement is evidence, not proof, and the report says how much of it there is.  Disagreement is a proof: the
counterexample is made small (extents first, then entries) and printed so that it can be pasted.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import localcontext
from fractions import Fraction
from itertools import chain, islice
from typing import Any

from einstan.calculus.contradictions import Lengths
from einstan.calculus.program import Assumption, Program, prefix
from einstan.language.dims import axis, qualified
from einstan.language.errors import DataError, EinstanError
from einstan.language.index import Index
from einstan.language.node import preorder
from einstan.language.term import Equation, Expr, Name
from einstan.machine.evidence.coincidences import DIGITS as ROOT
from einstan.machine.evidence.coincidences import Tied, coincidences, shown_in_digits
from einstan.machine.evidence.counterexamples import (
    FINE,
    Found,
    Weighed,
    apart,
    apart_in_digits,
    difference,
    is_solved,
    nearly_equal,
    smallest,
    weighed,
)
from einstan.machine.evidence.crossings import crossings
from einstan.machine.evidence.meetings import Meeting, Meetings
from einstan.machine.evidence.untold import Untold, ranges_that_do
from einstan.machine.meaning.loops import Tensor
from einstan.machine.meaning.numbers import FLOATS, Number, context, decimal, fine
from einstan.machine.points.points import (
    LEFT,
    RIGHT,
    Asked,
    edges,
    largest_count,
    largest_loop,
    letters_of,
    longer,
    one_axis,
    question,
    small_sizes,
    smaller,
    unravel,
)
from einstan.machine.points.sampling import ABSOLUTE, Point, Sampler, Values
from einstan.machine.points.switches import of_values
from einstan.machine.sizes.extents import Extents
from einstan.machine.sizes.inference import infer

LARGEST_LOOP, LONG_LOOP = 200_000, 20_000  # steps: beyond the second, smaller extents are preferred
SHOWN = 12  # digits of a number, unless more of them tell two apart
FINE_POINTS = 3  # at which agreement in 50 digits is looked at in 300
ONE_SIDED = 12  # points at which a side may have no value
LOOKS, SHORT_LOOKS, STEPS = 1500, 100, 40_000  # for what lies on other sides of comparisons, in floats
LABELLED = 6  # points where some labels are asked for
FAR_POINTS = 15  # off the beaten track
COINCIDING = 15  # where many entries are equal, of tensors of which something is assumed
UNKNOWN = 4  # points at which no digits tell, before any at which they do, after which nothing more is tried
LITTLE = 1500  # effort to solve for a point, where there is no need for one
NO_POINT, NOWHERE = "no point was found at which both sides have a value", "no value where the assumptions hold"
AT_ROOT = "at a root that is no fraction, shown in its first digits, where what a bracket compares is equal"
SOME = 1e-6  # of an entry in floats, below which it may be none
Labels = Mapping[Name, Sequence[int]]
_DRAWN = re.compile(r"sizes\['([^']*)'\]")  # of which nobody knows who reads a report
FAILURES = 8  # sizes without a point, before any with one, after which nothing more is tried


@dataclass(frozen=True)
class Comparison:
    """The outcome of `compare`.

    ``verdict`` is ``"agree"``, ``"differ"`` or ``"undecided"``.  After ``"agree"``, ``extents`` are the smallest and
    the largest that each index has had, by its letter or its axis.  After ``"differ"``, ``sizes`` and ``arrays`` are
    the counterexample, ``at`` the values of the free indices, ``left`` and ``right`` the two numbers there.
    """

    verdict: str
    points: int = 0
    arithmetic: str = ""
    reason: str = ""
    extents: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    arrays: Mapping[str, Any] = field(default_factory=dict)
    at: Mapping[str, int] = field(default_factory=dict)
    left: Number = None
    right: Number = None
    isolated: bool = False
    untold: tuple[Untold, ...] = ()  # ranges that nothing tells, at some of which the sides agree

    def __bool__(self) -> bool:
        return self.verdict == "agree"

    def __str__(self) -> str:
        if self.verdict == "agree":
            return f"agrees at {self.points} random points{_ranges(self.extents)} ({self.arithmetic})"
        if self.verdict == "undecided":
            return f"undecided: {self.reason}"
        lines = [f"{name} = {pasted(value)}" for name, value in self.arrays.items()]
        where = ", ".join(f"{name} = {value}" for name, value in self.at.items())
        left, right = told_apart(self.left, self.right)
        lines.append((f"at {where}: " if where else "") + f"left {left}, right {right}")
        return "\n".join(lines)


def _ranges(extents: Mapping[str, tuple[int, int]]) -> str:
    """`` with |i|, |j| = 2..5 and |k| = 2``"""
    groups: dict[tuple[int, int], list[str]] = {}
    for letter, pair in extents.items():
        groups.setdefault(pair, []).append(f"|{letter}|")
    said = [f"{', '.join(names)} = {low}..{top}" if low < top else f"{', '.join(names)} = {low}"
            for (low, top), names in groups.items()]  # fmt: skip
    return f" with {' and '.join(said)}" if said else ""


def compare(
    lhs: Expr | Equation,
    rhs: Expr | Equation,
    definitions: Program | None = None,
    sizes_up_to: int = 5,
    points: int = 20,
    seed: int = 0,
    assumptions: Iterable[Assumption] | None = None,
    kinks: bool = False,
    shrink: bool = True,
    quick: bool = False,
    special: Mapping[Name, Sequence[Fraction]] | None = None,
) -> Comparison:
    """Whether two expressions agree at random points.

    ``lhs`` and ``rhs`` are expressions in the same free indices (matched by name), or equations (by position).  Tensors
    that ``definitions`` defines are computed, all others are drawn at random.  ``assumptions`` (by default those of the
    definitions) hold at every point that is tried.  With ``kinks`` the entries are -1, 0 and 1, so that functions are
    met where they have no derivative and values are equal.  Without ``shrink`` the first counterexample is not made
    smaller.  With ``quick`` floats that agree are believed, and exact numbers are asked only where they do not.
    ``special`` are values that entries of a tensor have at times, since ``1[t[n] == 1]`` is about them.

    No extent of an axis is 1 at a point that counts: there the mathematics of matrices is that of numbers.
    """
    if assumptions is None:
        assumptions = definitions.resolved_assumptions() if definitions is not None else ()
    rules = tuple(assumptions)
    program, indices, checks = question(lhs, rhs, definitions, rules)
    generator = random.Random(seed)
    watched = not (quick or kinks)
    sampler = Sampler(program, checks, rules, generator, kinks, special, watched)
    agreed, alone, failures, unknown, exact, reason, fine = 0, 0, 0, 0, True, "", FINE_POINTS
    kink: Found | None = None
    seen: dict[str, tuple[int, int]] = {}
    alive: set[Name] = set()
    for drawn_sizes in small_sizes(program, sizes_up_to, points, generator):
        try:
            sizes, extents = _sized(program, drawn_sizes)
        except EinstanError as error:
            reason = reason or _unsuited(program, error)
            continue
        if watched:
            sampler.switches.count(False)
        drawn = _looked_at(sampler, extents, quick)
        if drawn is None:
            reason = reason or sampler.reason
            failures += 1
            if failures > FAILURES and agreed == 0:
                break
            continue
        point, values, where = drawn
        rational = all(isinstance(entry, Fraction) for side in (LEFT, RIGHT) for entry in values[side].flat)
        if where is not None and kink is not None and sampler.isolated(point, extents, (values, where)):
            alone += 1
            if kinks and agreed and agreed + alone >= points:
                break
            continue
        exactly = rational and sampler.rational and not is_solved(point)
        trusted = fine == 0 and not sampler.switches.new  # what no point has shown yet is looked at in all digits
        if where is not None or not (exactly or quick or trusted):
            told = weighed(sampler, point, extents, values)
            if told.unknown:
                reason, unknown = reason or told.unknown, unknown + 1
                if unknown == UNKNOWN and agreed == 0:
                    break
                continue
            fine -= fine > 0 and not exactly and where is None
            if told.differ is not None:
                found = Found(sizes, extents, point, *told.differ)
                if sampler.isolated(point, extents, told.differ):
                    kink = kink or found
                    continue
                return _differ(program, sampler, found, indices, shrink)
        exact = exact and rational
        if watched:
            sampler.switches.count()
        agreed += bool(values[LEFT].flat)
        alive.update(name for name, tensor in point.items() if any(entry != 0 for entry in tensor.flat))
        for dim in sizes:
            low, top = seen.get(dim, (sizes[dim], sizes[dim]))
            seen[dim] = min(low, sizes[dim]), max(top, sizes[dim])
        if agreed == points:
            break
    if kink is not None and agreed:
        return _at_kink(program, sampler, kink, indices, shrink)
    if agreed == 0 and not (quick or kinks):
        far = _far_off(program, sampler, sizes_up_to, generator, [])
        if far is not None:
            return _differ(program, sampler, far, indices, shrink)
    if agreed == 0:
        nothing = NOWHERE if sampler.valueless and not sampler.outside else NO_POINT
        reason = reason if nothing is NO_POINT else ""
        return Comparison("undecided", reason=sampler.outside or reason or nothing)
    dead = [name for name in program.inputs if name not in alive and name not in sampler.labels.names and checks]
    if dead and not quick and not kinks:
        only = f"the assumptions leave {dead[0]} nothing but zeros"
        return Comparison("undecided", reason=reason if unknown else only)
    if watched:
        sampler.switches.count(False)
        kinks_there: list[Found] = []
        edge = _at_edges(program, sampler, sizes_up_to, kinks_there)
        edge = edge or _far_off(program, sampler, sizes_up_to, generator, kinks_there)
        if edge is None and sampler.switches and not sampler.switches.settled:
            edge = _on_other_sides(program, sampler, sizes_up_to, kinks_there)
        if edge is None and not kinks_there:
            tied = _where_equal(program, sampler, sizes_up_to)
            if tied is not None:
                return replace(_refuted(tied, indices), isolated=True, reason=AT_ROOT if is_solved(tied.point) else "")
            if sampler.switches and not sampler.switches.settled and (lacking := sampler.lacking()):
                return Comparison("undecided", reason=f"{lacking} at a point that was tried")
        if edge is not None:
            return _differ(program, sampler, edge, indices, shrink)
        if kinks_there:
            return _at_kink(program, sampler, kinks_there[0], indices, shrink)
    arithmetic = "floats" if quick else "exact rationals" if exact else "50-digit decimals"
    letters = {} if quick else letters_of(program, seen)
    return Comparison(
        "agree", agreed, arithmetic, extents={letters[dim]: pair for dim, pair in seen.items() if letters}
    )


def _unsuited(program: Program, error: EinstanError) -> str:
    """Why some lengths of the axes are none."""
    clash = Lengths(program).clash
    return f"no lengths of the axes go together: {clash}" if clash else _DRAWN.sub(r"|\1|", error.problem)


def plausible(
    lhs: Expr | Equation,
    rhs: Expr | Equation,
    definitions: Program,
    assumptions: Iterable[Assumption],
    zero: bool = False,
    points: int = 6,
    seed: int = 0,
) -> bool:
    """Whether it is worth to ask more: two sides are nearly equal at a few points, in floats, at which the assumptions
    hold, and these leave no tensor nothing but zeros, nor the sides unless one of them is ``zero``."""
    sampler, agreed = _little_sampler(lhs, rhs, definitions, assumptions, seed), 0
    dead = {*sampler.program.inputs, *(() if zero else (LEFT,))} - sampler.labels.names
    for _, point, values in _in_floats(sampler, points):
        if not nearly_equal(values):
            return False
        agreed += bool(values[LEFT].flat)
        dead -= {
            name
            for name, tensor in (*point.items(), (LEFT, values[LEFT]))
            if any(abs(entry) > SOME for entry in tensor.flat)
        }
        if agreed == points:
            break
    return agreed > 1 and not dead and (agreed == points or sampler.effort >= 0)


def quotients(
    lhs: Expr | Equation, rhs: Expr | Equation, definitions: Program, assumptions: Iterable[Assumption], points: int
) -> Iterator[tuple[dict[str, int], float | None]]:
    """At a few points, in floats, how many times the left side the right one is, None where their entries have no one
    quotient, with the extents of the dimensions that stand in the left one."""
    sampler = _little_sampler(lhs, rhs, definitions, assumptions, seed=0)
    program = sampler.program
    indices = [node for node in preorder(lhs, rhs) if isinstance(node, Index)]
    dims = {index.dim: program.dims.find(qualified(one_axis(index.dim), prefix(program[LEFT]))) for index in indices}
    for extents, _, values in _in_floats(sampler, points):
        entries = list(zip(values[LEFT].flat, values[RIGHT].flat, strict=True))
        if any(a and b for a, b in entries):
            top, bottom = max(entries, key=lambda pair: abs(pair[0] * pair[1]))
            one = all(math.isclose(a * bottom, b * top, rel_tol=1e-9, abs_tol=1e-12) for a, b in entries)
            known = {dim: extents.known[own] for dim, own in dims.items() if own in extents.known}
            yield known, bottom / top if one else None


def _little_sampler(
    lhs: Expr | Equation, rhs: Expr | Equation, definitions: Program, assumptions: Iterable[Assumption], seed: int
) -> Sampler:
    """Points with little effort."""
    rules = tuple(assumptions)
    program, _, checks = question(lhs, rhs, definitions, rules)
    sampler = Sampler(program, checks, rules, random.Random(seed))
    sampler.effort = LITTLE
    return sampler


def _in_floats(sampler: Sampler, points: int) -> Iterator[tuple[Extents, Point, Values]]:
    """About as many points of small extents, the values in floats; none any more when the effort is spent."""
    for drawn_sizes in islice(small_sizes(sampler.program, 3, points, sampler.generator), points + 2):
        try:
            _, extents = _sized(sampler.program, drawn_sizes)
        except EinstanError:
            continue
        drawn = sampler.point(extents, FLOATS) if largest_loop(extents) <= LONG_LOOP else None
        if drawn is not None:
            yield extents, *drawn
        elif sampler.effort < 0:
            return


def _at_edges(program: Program, sampler: Sampler, largest: int, alone: list[Found]) -> Found | None:
    """A point at which the sides differ, among extents that are no evidence where they agree; one beside which they
    agree is added to ``alone``."""
    for chosen in edges(program, largest):
        try:
            sizes, extents = _sized(program, chosen)
        except EinstanError:
            continue
        drawn = _looked_at(sampler, extents, quick=False)
        if drawn is None:
            continue
        point, values, where = drawn
        differ = None if where is None else apart(sampler, point, extents, values)
        sampler.switches.count(where is None)
        if differ is not None:
            found = Found(sizes, extents, point, *differ)
            if not sampler.isolated(point, extents, differ):
                return found
            alone.append(found)
    return None


def _far_off(
    program: Program, sampler: Sampler, largest: int, generator: random.Random, alone: list[Found]
) -> Found | None:
    """A point at which the sides differ, among entries that are large, small, near numbers of the text, or equal."""
    if not program.inputs:
        return None
    try:
        sizes, extents = _sized(program, next(small_sizes(program, largest, 1, generator)))
    except EinstanError:
        return None
    drawings = chain((sampler.far(extents, number) for number in range(FAR_POINTS)), sampler.marked(extents))
    if sampler.checks:
        drawings = chain(drawings, (sampler.coinciding(extents) for _ in range(COINCIDING)))
    for drawn in drawings:
        told = None if drawn is None else weighed(sampler, drawn[0], extents, drawn[1])
        sampler.switches.count(_agrees(told))
        differ = None if told is None else told.differ
        if drawn is not None and differ is not None:
            found = Found(sizes, extents, drawn[0], *differ)
            if not sampler.isolated(drawn[0], extents, differ):
                return found
            alone.append(found)
    return None


def _on_other_sides(program: Program, sampler: Sampler, largest: int, alone: list[Found]) -> Found | None:
    """A point at which the sides differ, among those in other cells of the comparisons and kinks; one at which they
    differ at a kink alone is added to ``alone``.  There are extents, indices and labels at which comparisons of whole
    numbers meet, and longer axes where some comparison has been on one side alone."""
    switches, steps, left, unknown = sampler.switches, STEPS, STEPS, 0
    usual = next(small_sizes(program, largest, 1, random.Random(0)))
    for number, (chosen, labels) in enumerate(chain([(usual, {})], _other_sizes(program, sampler, largest))):
        try:
            sizes, extents = _sized(program, chosen)
        except EinstanError:
            continue
        length = largest_loop(extents)
        if length > LONG_LOOP:
            continue
        of_entries = any(map(of_values, switches.lacking if number else switches.within_reach))
        looks = min(SHORT_LOOKS if number else LOOKS, left // length) if of_entries else 0
        for point in chain(_labelled(sampler, extents, labels) if number else (), crossings(sampler, extents, looks)):
            told = _told(sampler, point, extents)
            if told is not None and told.differ is not None:
                found = Found(sizes, extents, point, *told.differ)
                if not sampler.isolated(point, extents, told.differ):
                    return found
                alone.append(found)
            switches.count(_agrees(told))
            unknown += told is not None and bool(told.unknown)
        left, steps = left - looks * length, steps - length
        if steps < 0 or unknown == UNKNOWN:
            return None
    return None


def _labelled(sampler: Sampler, extents: Extents, labels: Labels) -> Iterator[Point]:
    """A point of such extents, or several where labels are asked for."""
    for _ in range(LABELLED if labels else 1):
        sampler.labelled = labels
        drawn = sampler.point(extents)
        sampler.labelled = {}
        if drawn is not None:
            yield drawn[0]


def _other_sizes(program: Program, sampler: Sampler, largest: int) -> Iterator[tuple[dict[str, int], Labels]]:
    """Extents and labels at which comparisons of whole numbers that nothing has met do so, at which several do at once,
    and at which each is met by numbers that are larger than those of the claim; then longer axes, while there is a side
    on which nothing has been.  What can be nowhere is out of reach."""
    switches, meetings = sampler.switches, Meetings(program, sampler.labels, Asked(program, largest))
    beyond = largest_count(program) + 1
    made: list[tuple[dict[str, int], Labels]] = []

    def found() -> Iterator[Meeting | None]:
        for side in switches.lacking:
            if side in switches.lacking:
                places = [meetings.of(*around) for around in switches.around(side)]
                switches.out_of_reach[side] = all(nowhere for _, nowhere in places)
                yield from (meeting for meeting, _ in places)
        around = [(side, place) for side in switches.within_reach for place in switches.around(side)]
        yield from meetings.jointly(place for side, place in around if not side.unknowns)
        yield from (meetings.of(*place, beyond)[0] for _, place in around)

    for meeting in found():
        if meeting is not None and (own := (meeting.sizes, meeting.labels)) not in made:
            made.append(own)
            yield own
    for chosen in chain(edges(program, largest), longer(program, largest)):
        if not switches.lacking:
            return
        yield chosen, {}


def _where_equal(program: Program, sampler: Sampler, largest: int) -> Found | None:
    """A point at which the sides differ, among those at which what a comparison compares is equal."""
    if sampler.open or not sampler.compared_values:  # a point that is solved for does not move along a line
        return None
    try:
        sizes, extents = _sized(program, next(small_sizes(program, largest, 1, random.Random(0))))
    except EinstanError:
        return None
    for point in coincidences(sampler, extents):
        numbers = Tied(ROOT)
        values = sampler.tied(point, extents, numbers)
        if values is None:
            sampler.switches.count(False)
            continue
        pairs = enumerate(zip(values[LEFT].flat, values[RIGHT].flat, strict=True))
        where = next((k for k, (a, b) in pairs if not numbers.equal(a, b)), None)
        if where is not None and not numbers.doubtful and sampler.isolated(point, extents, (values, where)):
            return Found(sizes, extents, shown_in_digits(point), values, where)
        sampler.switches.count(where is None and not numbers.doubtful)
    return None


def _agrees(told: Weighed | None) -> bool:
    """Whether a point is evidence that the sides agree."""
    return told is not None and told.differ is None and not told.unknown


def _told(sampler: Sampler, point: Point, extents: Extents) -> Weighed | None:
    values = sampler.values(point, extents)
    return None if values is None else weighed(sampler, point, extents, values)


def one_sided(
    lhs: Expr | Equation,
    rhs: Expr | Equation,
    definitions: Program,
    assumptions: Iterable[Assumption],
    sizes_up_to: int = 5,
    seed: int = 0,
) -> Comparison | None:
    """A point at which one side has a value and the other has none, its ``reason`` that of the lack; or one at which
    both have and differ; None where none is found.  Both sides agree elsewhere."""
    rules = tuple(assumptions)
    program, indices, checks = question(lhs, rhs, definitions, rules)
    generator = random.Random(seed)
    sampler = Sampler(program, checks, rules, generator)
    for number, drawn_sizes in zip(range(ONE_SIDED), small_sizes(program, 2, ONE_SIDED, generator), strict=False):
        try:
            sizes, extents = _sized(program, drawn_sizes)
        except EinstanError:
            continue
        drawn = sampler.near(extents, number) if largest_loop(extents) <= LONG_LOOP else None
        if drawn is None:
            continue
        point, values = drawn
        pairs, alone = _lonely(values)
        if alone is not None and not sampler.rational:  # more digits may find a value where these have lost it
            finer = sampler.sides_anew(point, extents, fine(FINE))
            if finer is None or _lonely(finer)[1] != alone or not _as_before(pairs[alone], _lonely(finer)[0][alone]):
                continue
        if alone is not None:
            found = _refuted(Found(sizes, extents, point, values, alone), indices)
            nothing = next(side for side in pairs[alone] if side != side)
            return replace(found, reason=str(getattr(nothing, "error", "")), isolated=True)
        lacking = any(a != a for a, _ in pairs) or difference(values) is None
        differ = None if lacking else apart(sampler, point, extents, values)
        if differ is not None and not sampler.isolated(point, extents, differ):
            return _refuted(Found(sizes, extents, point, *differ), indices)
    return None


def _as_before(pair: tuple[Number, Number], finer: tuple[Number, Number]) -> bool:
    """Whether the one value of two sides is no logarithm or quotient of rounding, which is another in more digits."""
    (one,), (other,) = ([side for side in sides if side == side] for sides in (pair, finer))
    return not apart_in_digits(one, other)


def _lonely(values: Values) -> tuple[list[tuple[Number, Number]], int | None]:
    """The entries of both sides, and the first position at which one alone has a value."""
    pairs = list(zip(values[LEFT].flat, values[RIGHT].flat, strict=True))
    return pairs, next((k for k, (a, b) in enumerate(pairs) if (a == a) != (b == b)), None)


def _shrunk(program: Program, sampler: Sampler, found: Found) -> Found:
    """A smaller counterexample, where one tells the sides apart as surely."""
    if difference(found.values) is None:
        return found
    given = {name: Tensor(tensor.shape, list(tensor.flat)) for name, tensor in found.point.items()}
    small = smallest(program, sampler, dict(found.sizes), found.extents, given)
    differ = None if small is None else apart(sampler, small.point, small.extents, small.values)
    return found if small is None or differ is None else replace(small, values=differ[0], where=differ[1])


def _sized(program: Program, sizes: dict[str, int]) -> tuple[dict[str, int], Extents]:
    """The extents that sizes lead to, and these; smaller ones where the loops would be long, none where they are."""
    while True:
        extents = infer(program, {}, sizes, nominal=max(sizes.values(), default=2))
        less = smaller(program, sizes) if largest_loop(extents) > LONG_LOOP else None
        if less is None:
            break
        sizes = less
    if largest_loop(extents) > LARGEST_LOOP:
        raise DataError("the loops are too long even for small extents", repair="name smaller parts of the claim")
    return sizes, extents


def _looked_at(sampler: Sampler, extents: Extents, quick: bool) -> tuple[Point, Values, int | None] | None:
    """A point with the values there, and the first position at which the sides differ."""
    drawn = sampler.point(extents, FLOATS) if quick else None
    if drawn is not None:
        point, values = drawn
        if nearly_equal(values):
            return point, values, None
        exact = sampler.values(point, extents)
        if exact is not None:
            return point, exact, difference(exact)
    drawn = sampler.point(extents)
    return None if drawn is None else (*drawn, difference(drawn[1]))


def _differ(program: Program, sampler: Sampler, found: Found, indices: tuple[str, ...], shrink: bool) -> Comparison:
    """What a difference says that is not at a kink alone: nothing, if it hangs on a range that nobody told."""
    untold = ranges_that_do(program, sampler, found)
    if untold:
        return Comparison("undecided", reason=f"nothing tells how far {untold[0].index.name} runs", untold=untold)
    return _refuted(_shrunk(program, sampler, found) if shrink else found, indices)


def _at_kink(program: Program, sampler: Sampler, found: Found, indices: tuple[str, ...], shrink: bool) -> Comparison:
    """What a difference says beside which the sides agree."""
    return replace(_refuted(_shrunk(program, sampler, found) if shrink else found, indices), isolated=True)


def _refuted(found: Found, indices: tuple[str, ...]) -> Comparison:
    at = dict(zip(indices, unravel(found.where, found.values[LEFT].shape), strict=True))
    arrays = {str(name): tensor.tolist() for name, tensor in found.point.items()}
    left, right = (found.values[side].flat[found.where] for side in (LEFT, RIGHT))
    letters = {axis(LEFT, k): name for k, name in enumerate(indices)}  # of what runs over no axis of a tensor
    sizes = {letters.get(dim, dim): size for dim, size in found.sizes.items()}
    return Comparison("differ", 1, sizes=sizes, arrays=arrays, at=at, left=left, right=right)


def pasted(value: Any) -> str:
    """Nested lists of numbers as Python text: whole numbers and short fractions stay exact."""
    if isinstance(value, list):
        return "[" + ", ".join(pasted(entry) for entry in value) + "]"
    if isinstance(value, Fraction):
        return str(value)
    return short(value)


def short(value: Number, digits: int = SHOWN) -> str:
    """A number for a report: a fraction where it is short, else twelve digits; 0 where 50 digits cannot tell."""
    if value != value:
        return "no value"
    if isinstance(value, Fraction) and len(str(value)) <= 12:
        return str(value)
    return _rounded(value, digits)


def _rounded(value: Number, digits: int) -> str:
    with localcontext(context()) as carried:
        carried.prec = digits
        rounded = decimal(value).normalize()
    if digits == SHOWN and rounded.copy_abs() <= ABSOLUTE:
        return "0"
    return f"{rounded:f}" if -6 <= rounded.adjusted() <= 15 else f"{rounded:e}"


def told_apart(left: Number, right: Number) -> tuple[str, str]:
    """Two numbers for a report, in as many digits as tell them apart."""
    if left != left or right != right:
        return short(left), short(right)
    enough = (d for d in (SHOWN, 30, 60, 120) if _rounded(left, d) != _rounded(right, d))
    digits = next(enough, 300)
    return short(left, digits), short(right, digits)
