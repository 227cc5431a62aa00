"""Points for a claim: arrays at which every function has a value and every assumption holds.

Points avoid zeros and equal entries, so what is compared is the mathematics away from kinks and ties; what a function
does there is a convention of its table.  Assumptions hold by construction: what they say about one tensor is built
(`einstan.machine.points.structures`), and all else is solved for, tensor by tensor (`einstan.machine.points.solving`).
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from functools import partial

from einstan.calculus.bounds import NOT_NEGATIVE, Bounds, both, bounds
from einstan.calculus.contradictions import Lengths
from einstan.calculus.program import Assumption, Program
from einstan.language.dims import qualified
from einstan.language.effort import spend
from einstan.language.errors import EinstanError, ExtentError
from einstan.language.node import Node, preorder
from einstan.language.term import ONE, Apply, Indexed, Iverson, Name
from einstan.language.threads import cached_property
from einstan.machine.meaning.duals import Dual, Duals
from einstan.machine.meaning.gaps import domains
from einstan.machine.meaning.loops import Evaluation, Loops, Tensor
from einstan.machine.meaning.numbers import (
    EXACT,
    FLOATS,
    NO_LOG,
    WARY,
    DomainError,
    Fine,
    Missing,
    Number,
    Numbers,
    is_infinite,
    magnitude,
)
from einstan.machine.points.draws import Draw, alone, between, draws, few, landmarks, on_marks, stays_rational
from einstan.machine.points.draws import entries as entries_of
from einstan.machine.points.labels import Labels
from einstan.machine.points.points import BOTH, LEFT, RIGHT, TRIES, has_kinks
from einstan.machine.points.roots import Entries
from einstan.machine.points.solving import solved
from einstan.machine.points.structures import Fact, builder, fact
from einstan.machine.points.switches import VALUED, Cell, Outcome, Seen, Switches
from einstan.machine.points.watched import GapLoops, TyingLoops, WatchedLoops
from einstan.machine.sizes.extents import Extents

ABSOLUTE, QUICK = Decimal("1e-45"), 1e-9  # what counts as nothing, in exact numbers and in floats
PART = Decimal("1e-20")  # of a difference that counts as nothing beside it, where that is tiny itself
NOWHERE = 100  # tries after which, where no point has been found at all, none is looked for
SOLVED_TRIES = 6  # where every try has to be solved for
STEPS = (Fraction(1, 10**9), Fraction(1, 10**18))  # times up to a million: by how much entries move to leave a kink
PATIENCE = 5  # evaluations in the most digits there are
EFFORT = 30_000  # entries of all steps of all tensors that are solved for, before it is given up
DRAWN = ("range", "labels")  # what is met as entries are drawn
CELL, GAPS, TIED = "cell", "gaps", "tied"  # whose loops tell on which sides they are, and by how much

Point = dict[Name, Tensor]
Place = tuple[Node, int, tuple[int, ...]]  # a comparison of a bracket or of sign, and the indices there
Values = Mapping[Name, Tensor]


@dataclass(frozen=True)
class Relation:
    """An assumption: the equation that says how far it is from holding, the inputs that it rests on, and what it says
    where it is about one of them; ``defines`` is a tensor that it gives by others, if it does."""

    check: Name
    inputs: frozenset[Name]
    known: Fact | None
    defines: Name | None


class Sampler:
    """Draws points at which every function has a value and every assumption holds.

    ``exact`` numbers decide.  In ``floats`` a point is looked at quickly: what overflows or has no value there is none.
    ``special`` are values that a tensor is compared with by ``==``, and so has to have at times.  ``watched`` are the
    sides of comparisons and kinks on which its points are.
    """

    def __init__(
        self,
        program: Program,
        checks: Sequence[Name],
        rules: Sequence[Assumption],
        generator: random.Random,
        kinks: bool = False,
        special: Mapping[Name, Sequence[Fraction]] | None = None,
        watched: bool = False,
    ) -> None:
        self.program, self.checks, self.generator, self.kinks = program, checks, generator, kinks
        self.special, self.rules = special or {}, rules
        self.behind = _behind(program)
        self.facts: dict[Name, list[Fact]] = {}
        self.labels = Labels(program, self.facts)
        # What else is defined tells extents alone, but for what labels have to fit.
        sides = (LEFT, RIGHT, BOTH, *checks, *self.labels.guarding)
        self.told = frozenset(name for check in checks for name in (check, *self.behind[check]))
        self.needed = frozenset(name for side in sides for name in (side, *self.behind[side]))
        self.relations = [self._relation(check, rule) for check, rule in zip(checks, rules, strict=True)]
        # Of 1[x > y] - 1, in the dimensions of the program.
        own = [self.program.defined[c].rhs.children[0] for c, r in zip(checks, rules, strict=True) if r.rhs is ONE]
        self.known = [bracket for bracket in own if isinstance(bracket, Iverson)]
        for relation in self.relations:
            if relation.known is not None:
                (name,) = relation.inputs
                self.facts.setdefault(name, []).append(relation.known)
        self.kinked = has_kinks(*(equation.rhs for equation in program.equations))
        self.open = [r for r in self.relations if r.known is None or r.known.kind not in DRAWN]
        self.rational = all(stays_rational(node) for e in program.equations for node in preorder(e.rhs))
        self.ready: dict[object, tuple[Extents, Evaluation]] = {}
        self.apart: dict[Place, Number] = {}  # by how much what is compared in the last `gaps` is apart
        self.seen: set[Seen] = set()  # the sides of the last `cell`
        self.effort, self.patience = EFFORT, PATIENCE
        self.tried, self.found = 0, False
        self.labelled: Mapping[Name, Sequence[int]] = {}  # labels that are asked for
        self.defining = True  # whether what an assumption gives by others is worked out from these
        self.watched = watched
        self.valueless = False  # whether some assumptions held where the sides have no value
        self.reason = ""
        self.outside = ""  # the problem, where something has been read outside

    def _relation(self, check: Name, rule: Assumption) -> Relation:
        drawn = self.program.inputs.keys() & self.program.ranks.keys()  # of others an extent alone is read
        inputs = frozenset(name for name in self.behind[check] if name in drawn)
        real = inputs - self.labels.names
        found = fact(rule.lhs, rule.rhs)
        known = found[1] if found is not None and inputs == {found[0]} else None
        if known is not None and known.dim:
            known = replace(known, dim=self.program.dims.find(qualified(known.dim, f"{check}:")))
        given = [
            side.tensor
            for side, other in ((rule.lhs, rule.rhs), (rule.rhs, rule.lhs))
            if isinstance(side, Indexed) and side.tensor in real and not _reads(other, side.tensor)
        ]
        return Relation(check, inputs if known else real, known, given[0] if given else None)

    @cached_property
    def marks(self) -> list[Fraction]:
        """The numbers that the text compares with."""
        return landmarks(equation.rhs for equation in self.program.equations)

    @cached_property
    def draws(self) -> list[Draw]:
        """The ways to draw entries off the beaten track."""
        return draws(self.marks)

    @cached_property
    def switches(self) -> Switches:
        """The comparisons and kinks of both sides and of the definitions that they rest on."""
        sides = {name for side in (LEFT, RIGHT) for name in (side, *self.behind[side])}
        known: dict[Name, Bounds] = {}

        def entries(name: Name) -> Bounds:
            if name not in known:
                known[name] = both(own.bounds for own in self.facts.get(name, ()))
                if self.labels.tops(name):
                    known[name] = both((known[name], NOT_NEGATIVE))
                if name in self.program.defined:
                    known[name] = bounds(self.program.defined[name].rhs, entries)
            return known[name]

        domain = (bracket for side in (LEFT, RIGHT) for bracket in domains(self.program.defined[side].rhs))
        return Switches(
            (e for e in self.program.equations if e.name in sides),
            entries,
            self.rules,
            (*self.known, *domain),
            lambda: self.lengths,
            self.labels.tops,
            self.labels.names,
        )

    @cached_property
    def lengths(self) -> Lengths:
        return Lengths(self.program)

    def lacking(self) -> str:
        """What is to be said of a side on which no point has been that counts; nothing where there is none."""
        return next(map(str, self.switches.lacking), "")

    def cell(self, extents: Extents, entries: Sequence[Fraction]) -> tuple[Point, Cell | None]:
        """A point that is drawn from some entries, and the sides on which all comparisons are there, in floats, among
        them whether both sides of the claim have a value; none where something raises."""
        point = self.draw(extents, positive=False, entries=entries)
        if point is None:
            return {}, None
        self.seen.clear()
        try:
            values = self._evaluation(CELL, extents, WARY, self.sides_and_behind).anew(point)
        except (DomainError, EinstanError, OverflowError):
            return point, None
        known = all(math.isfinite(entry) for side in (LEFT, RIGHT) for entry in values[side].flat)
        return point, frozenset((*self.seen, VALUED) if known else self.seen)

    @cached_property
    def compared_values(self) -> list[Node]:
        """The brackets of values, and signs, which may jump where what they compare is equal."""
        nodes = (node for node in self.switches.wanted if isinstance(node, Iverson) or _is_sign(node))
        return [node for node in nodes if any(isinstance(inner, Indexed) for inner in preorder(node))]

    def gaps(
        self, extents: Extents, entries: Sequence[Fraction], numbers: Numbers
    ) -> tuple[Point, dict[Place, Number]]:
        """A point that is drawn from some entries, and by how much values that are compared are apart there."""
        point = self.draw(extents, positive=False, entries=entries, special=False)
        self.apart = {}
        if point is not None:
            with suppress(DomainError, EinstanError, OverflowError):
                self._evaluation((GAPS, numbers), extents, numbers, self.sides_and_behind).anew(point)
        return point or {}, self.apart

    def _watch_gap(self, node: Node, outcome: Outcome, at: tuple[int, ...]) -> None:
        self.apart[node, outcome[0], at] = outcome[1]

    def tied(self, point: Point, extents: Extents, numbers: Numbers) -> Values | None:
        """Both sides at a point, with such numbers, which see what is equal there."""
        try:
            values = self._evaluation((TIED, numbers), extents, numbers, self.sides_and_behind).anew(point)
        except (DomainError, EinstanError):
            return None
        entries = (entry for side in (LEFT, RIGHT) for entry in values[side].flat)
        return None if any(entry != entry or is_infinite(entry) for entry in entries) else values

    @cached_property
    def sides_and_behind(self) -> frozenset[Name]:
        return frozenset(name for side in (LEFT, RIGHT) for name in (side, *self.behind[side]))

    def point(self, extents: Extents, numbers: Numbers = EXACT) -> tuple[Point, Values] | None:
        for number in range(SOLVED_TRIES if self.open else TRIES):
            if self.tried > NOWHERE and not self.found:
                break
            self.tried += 1
            self.defining = self.defining if self.found else self.tried % 2 == 1
            point = self.draw(extents, positive=number % 2 == 1)
            values = None if point is None else self.values(point, extents, numbers)
            if point is not None and values is not None:
                self.found = True
                return point, values
            self.valueless = self.valueless or (point is not None and self._lacks(point, extents))
            if self.outside or self.effort < 0:
                break
        if self.checks and not (self.found or self.valueless):  # sum[I](x[I]^2) = 0 is solved by nothing else
            shapes = ((name, extents.shape(name)) for name in self.program.inputs if name in self.program.ranks)
            zeros = {name: Tensor(shape, [Fraction(0)] * math.prod(shape)) for name, shape in shapes}
            self.valueless = self._lacks(zeros, extents)
        return None

    def values(self, point: Point, extents: Extents, numbers: Numbers = EXACT) -> Values | None:
        """All tensors at a point, unless a function has no value or an assumption fails there: what was seen on the way
        is then no evidence."""
        found = self._values(point, extents, numbers)
        if found is None and self.watched:
            self.switches.count(False)
            if numbers is EXACT:
                self.ready[EXACT][1].forget()
        return found

    def _values(self, point: Point, extents: Extents, numbers: Numbers) -> Values | None:
        try:
            # Numbers that look at what comes up are not to see the two sides beside each other.
            only = self.needed - {BOTH} if isinstance(numbers, Fine) else self.needed
            values = self._evaluation(numbers, extents, numbers, only)(point)
        except (DomainError, EinstanError) as error:
            self.reason = str(error).splitlines()[0]
            if isinstance(error, ExtentError):
                self.outside = self.reason
            return None
        if numbers is FLOATS and not all(math.isfinite(entry) for tensor in values.values() for entry in tensor.flat):
            return None
        for entry in (*values[LEFT].flat, *values[RIGHT].flat):
            if is_infinite(entry) or entry != entry:  # an error of finer numbers stays an entry, as no one reads it
                self.reason = str(getattr(entry, "error", NO_LOG))
                return None
        return values if self._hold(values, numbers) else None

    def _lacks(self, point: Point, extents: Extents) -> bool:
        """Whether the assumptions hold at a point, and a side has no value there."""
        if not self.checks:
            return False
        try:
            values = self._evaluation("checks", extents, EXACT, self.told)(point)
        except (DomainError, EinstanError):
            return False
        if not self._hold(values, EXACT):
            return False
        return self.sides(point, extents) is None or self.has_no_value(point, extents)

    def has_no_value(self, point: Point, extents: Extents) -> bool:
        """Whether a side has no value somewhere."""
        values = self.sides(point, extents)
        return values is not None and any(entry != entry for side in (LEFT, RIGHT) for entry in values[side].flat)

    def values_anew(self, point: Point, extents: Extents, numbers: Fine) -> Values | None:
        """All tensors at a point, none of them remembered, so that the numbers see all that comes up."""
        self.ready.pop(numbers, None)
        numbers.anew()
        return self.values(point, extents, numbers)

    def _hold(self, values: Values, numbers: Numbers) -> bool:
        nothing = QUICK if numbers is FLOATS else ABSOLUTE
        if any(magnitude(entry) > nothing for check in self.checks for entry in values[check].flat):
            self.reason = "no point was found at which the assumptions hold"
            return False
        return True

    def sides(self, point: Point, extents: Extents, numbers: Numbers = EXACT) -> Values | None:
        """All tensors at a point, an entry of a side being NaN where it has no value; None where what is defined has
        none, since a claim about it says nothing there."""
        only = frozenset(self.program.defined) - {BOTH}
        try:
            values = self._evaluation((BOTH, numbers), extents, numbers, only)(point)
            for side in (LEFT, RIGHT):
                entries = [Missing(DomainError(NO_LOG)) if is_infinite(e) else e for e in values[side].flat]
                values[side] = Tensor(values[side].shape, entries)
            known = all(entry == entry for n, t in values.items() if n not in (LEFT, RIGHT) for entry in t.flat)
            return values if known and self._hold(values, numbers) else None
        except (DomainError, EinstanError):
            return None

    def sides_anew(self, point: Point, extents: Extents, numbers: Fine) -> Values | None:
        """Those that `sides` finds, where no digits are lost that these numbers have not."""
        numbers.anew()
        self.ready.pop((BOTH, numbers), None)
        values = self.sides(point, extents, numbers)
        return None if numbers.absorbed else values

    def near(self, extents: Extents, number: int) -> tuple[Point, Values] | None:
        """A point for `sides`, of four one with signs alone, one of the numbers of the text, one that is negative, and
        one as usual."""
        count = self.count_of(extents)
        negative = [-entry for entry in entries_of(count, positive=True)]
        draws = (on_marks(()), on_marks(self.marks), lambda k, generator: generator.sample(negative, k))
        entries = draws[number % 4](count, self.generator) if number % 4 < len(draws) else ()
        point = self.draw(extents, False, entries)
        values = None if point is None else self.sides(point, extents)
        return None if point is None or values is None else (point, values)

    def count_of(self, extents: Extents) -> int:
        return sum(math.prod(extents.shape(name)) for name in self.program.inputs if name in self.program.ranks)

    def isolated(self, point: Point, extents: Extents, differ: tuple[Values, int]) -> bool:
        """Whether the two sides, which differ in an entry of these values, agree as soon as the entries of the point
        move by a little, and by less, there and back, those that no assumption ties."""
        if not self.kinked:
            return False
        tied = {name for relation in self.relations for name in relation.inputs}
        free = [name for name in point if name not in self.labels.names and name not in tied]
        nothing = min(ABSOLUTE, magnitude(EXACT.mul(PART, self._gap(*differ))))
        for step in STEPS:
            moves = {name: [self._move(entry) * step for entry in point[name].flat] for name in free}
            for way in (1, -1):
                moved = {
                    name: [e + way * m for e, m in zip(point[name].flat, moves[name], strict=True)] for name in free
                }
                moved_point = {**point, **{n: Tensor(point[n].shape, flat) for n, flat in moved.items()}}
                if not self._agree(moved_point, extents, nothing):
                    return False
        return True

    def _gap(self, values: Values, where: int) -> Number:
        left, right = (values[side].flat[where] for side in (LEFT, RIGHT))
        return EXACT.add(left, EXACT.mul(EXACT.of(-1), right))

    def _agree(self, point: Point, extents: Extents, nothing: Number) -> bool:
        values = self.values(point, extents)
        if values is None:
            return False
        try:
            return all(magnitude(self._gap(values, where)) <= nothing for where in range(len(values[LEFT].flat)))
        except DomainError:  # too far apart for any digits
            return False

    def _move(self, entry: Number) -> Number:
        return (abs(entry) or 1) * Fraction(self.generator.choice((1, -1)) * self.generator.randint(1, 10**6))

    def _evaluation(
        self, key: object, extents: Extents, numbers: Numbers, only: frozenset[Name] | None = None
    ) -> Evaluation:
        if key not in self.ready or self.ready[key][0] is not extents:
            loops: Callable[..., Loops] | None = None
            if key is CELL:
                loops = partial(WatchedLoops, self.switches.wanted, lambda *told: self.seen.add(told))
            elif isinstance(key, tuple) and key[0] is GAPS:
                loops = partial(GapLoops, dict.fromkeys(self.compared_values, ()), self._watch_gap)
            elif (key is EXACT or (isinstance(key, tuple) and key[0] is TIED)) and self.watched and self.switches:
                ordered = frozenset(self.compared_values)
                loops = partial(TyingLoops, self.switches.wanted, self.switches.watch, ordered)
            self.ready[key] = extents, Evaluation(self.program, extents, numbers, only, loops)
        return self.ready[key][1]

    # ---- drawing -------------------------------------------------------------------------------------------------

    def far(self, extents: Extents, number: int) -> tuple[Point, Values] | None:
        """A point off the beaten track; none where it would have to be solved for in decimals."""
        return self._drawn(extents, self.draws[number % len(self.draws)])

    def marked(self, extents: Extents) -> Iterator[tuple[Point, Values] | None]:
        """Points of which every entry is one of the numbers of the text."""
        return (self._drawn(extents, alone(number)) for number in self.marks)

    def coinciding(self, extents: Extents) -> tuple[Point, Values] | None:
        """A point where many entries are equal, or 0."""
        return self._drawn(extents, few)

    def _drawn(self, extents: Extents, draw: Draw) -> tuple[Point, Values] | None:
        entries = draw(self.count_of(extents), self.generator)
        point = self.draw(extents, positive=False, entries=entries)
        if point is None or any(isinstance(entry, Decimal) for tensor in point.values() for entry in tensor.flat):
            return None
        values = self.values(point, extents)
        return None if values is None else (point, values)

    def draw(
        self, extents: Extents, positive: bool, entries: Sequence[Fraction] = (), special: bool = True
    ) -> Point | None:
        """Random entries, then those that the assumptions ask for; None where they cannot be had from these."""
        shapes = {name: extents.shape(name) for name in self.program.inputs if name in self.program.ranks}
        count = sum(math.prod(shape) for shape in shapes.values())
        if entries:
            pool = iter(entries)
        elif self.kinks:
            pool = iter(self.generator.choices((Fraction(-1), Fraction(0), Fraction(1)), k=count))
        else:
            pool = iter(self.generator.sample(entries_of(count, positive), count))
        point: Point = {}
        for name, shape in shapes.items():
            drawn = [next(pool) for _ in range(math.prod(shape))]
            if name in self.labels.names:
                low, high = self.labels.between(name, extents)
                if low > high:
                    self.reason = f"no entries of {name} keep every read inside"
                    return None
                asked = [label for label in self.labelled.get(name, ()) if low <= label <= high]
                choices = ((*asked, self.generator.randint(low, high)) for _ in drawn)
                labels = [self.generator.choice(own) if asked else own[0] for own in choices]
                point[name] = Tensor(shape, list(map(Fraction, labels)))
                continue
            if name in self.labels.beside and not entries:
                drawn = [self.generator.choice((entry, self._beside(name, extents))) for entry in drawn]
            elif special and name in self.special:
                drawn = [self.generator.choice((*self.special[name], entry)) for entry in drawn]
            point[name] = Tensor(shape, self._within(name, drawn))
        return point if not self.open or self._met(point, extents) else None

    def _beside(self, name: Name, extents: Extents) -> Fraction:
        """A number among those of the indices that it is compared with."""
        sizes = [extents.known[dim] for dim in self.labels.beside[name] if dim in extents.known]
        return Fraction(self.generator.randint(-1, 2 * max(sizes, default=1)), 2)

    def _within(self, name: Name, drawn: list[Fraction]) -> list[Number]:
        """The entries, those outside of the ranges that are assumed drawn again."""
        found: list[Number] = list(drawn)
        for own in self.facts.get(name, ()):
            if own.kind == "range":
                low, high = own.numbers
                ends = [number for number, inside in zip(own.numbers, own.closed, strict=True) if inside]
                for k, entry in enumerate(found):
                    outside = (low is not None and entry <= low) or (high is not None and entry >= high)
                    if outside and entry not in ends:
                        found[k] = between(low, high, self.generator)
        return found

    def _met(self, point: Point, extents: Extents) -> bool:
        """Make the assumptions true, tensor by tensor in an order that is drawn: each is asked of the last that it
        rests on, and of that tensor alone."""
        fixed: set[Name] = set()
        for name in self._order():
            fixed.add(name)
            own = [relation for relation in self.open if name in relation.inputs and relation.inputs <= fixed]
            if own and not self._meets(name, own, point, extents):
                self.reason = "no point was found at which the assumptions hold"
                return False
        return True

    def _order(self) -> list[Name]:
        """The tensors that assumptions tie, in an order that is drawn; but what one of them defines comes behind what
        it is defined by, and before what else it is tied to."""
        waiting = sorted({name for relation in self.open for name in relation.inputs}, key=str)
        self.generator.shuffle(waiting)
        defined = {relation.defines: relation for relation in self.open if relation.defines is not None}
        defined = defined if self.defining else {}
        placed: list[Name] = []

        def rank(name: Name) -> int:
            if name in defined:
                return 0 if defined[name].inputs <= {*placed, name} else 3
            tied = (r for r in self.open if name in r.inputs and r.defines is None)
            return 2 if any(other in defined and other not in placed for r in tied for other in r.inputs) else 1

        while waiting:
            placed.append(min(waiting, key=rank))
            waiting.remove(placed[-1])
        return placed

    def _meets(self, name: Name, own: Sequence[Relation], point: Point, extents: Extents) -> bool:
        facts = [relation.known for relation in own if relation.known is not None]
        build = builder((*facts, *self._ranges(name))) if len(facts) == len(own) else None
        if build is not None:
            made = build(point[name], self.generator)
            if made is not None:
                point[name] = made
            return made is not None
        checks = tuple(relation.check for relation in own)
        only = frozenset(inner for check in checks for inner in (check, *self.behind[check]))

        def residuals(entries: Entries, numbers: Numbers) -> list[Number]:
            self.effort -= len(entries)
            spend(5 * len(entries))
            if self.effort < 0:
                raise DomainError("it takes too long to find a point at which the assumptions hold")
            evaluation = self._evaluation((name, checks, numbers), extents, Duals(numbers), only)
            moving = [Dual(value, {key: numbers.of(1)}) for key, value in entries.items()]
            found = evaluation({**point, name: Tensor(point[name].shape, moving)})
            return [entry for check in checks for entry in found[check].flat]

        def inside(entry: Number) -> bool:
            return not any(_fails(entry, own) for own in self._ranges(name))

        try:
            entries = solved(dict(enumerate(point[name].flat)), residuals, self.generator, inside)
        except (DomainError, EinstanError) as error:
            self.reason = str(error).splitlines()[0]
            return False
        if entries is None:
            return False
        point[name] = Tensor(point[name].shape, list(entries.values()))
        return True

    def _ranges(self, name: Name) -> list[Fact]:
        return [own for own in self.facts.get(name, ()) if own.kind == "range"]


def _fails(entry: Number, known: Fact) -> bool:
    """Whether an entry is outside of a range."""
    (low, high), (at_low, at_high) = known.numbers, known.closed
    below = low is not None and (entry < low or (entry == low and not at_low))
    return below or (high is not None and (entry > high or (entry == high and not at_high)))


def _behind(program: Program) -> dict[Name, dict[Name, None]]:
    """Every tensor that a definition rests on, through the others."""
    found: dict[Name, dict[Name, None]] = {}
    for equation in program.equations:
        read = program.reads[equation.name]
        found[equation.name] = dict.fromkeys((*read, *(inner for name in read for inner in found.get(name, ()))))
    return found


def _is_sign(node: Node) -> bool:
    return isinstance(node, Apply) and node.function == "sign"


def _reads(side: object, tensor: Name) -> bool:
    return any(isinstance(node, Indexed) and node.tensor == tensor for node in preorder(side))  # type: ignore[arg-type]
