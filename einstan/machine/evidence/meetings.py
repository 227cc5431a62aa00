"""Meetings: extents, indices and labels at which brackets of whole numbers hold, ``1[3 |k| == 7 |j|]`` at 7 and 3.

What random points never meet is looked for among all whole numbers up to twice those that the brackets name, the
smallest first: where none make the brackets hold together there is nothing to be seen.  An unknown that an equality
gives by others is worked out from these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise, product

from einstan.calculus.program import Program
from einstan.language.effort import spend
from einstan.language.errors import EinstanError
from einstan.language.index import Affine, Index
from einstan.language.node import Node, fold, preorder
from einstan.language.term import (
    Const,
    Delta,
    Equation,
    Expr,
    Extent,
    Indexed,
    Iverson,
    Name,
    Position,
    mul,
)
from einstan.language.threads import cached_property
from einstan.machine.evidence.coincidences import DIGITS, Tied
from einstan.machine.meaning.loops import Closure, Loops
from einstan.machine.meaning.numbers import EXACT, DomainError, Number
from einstan.machine.points.draws import stays_rational
from einstan.machine.points.labels import Labels
from einstan.machine.points.points import Asked
from einstan.machine.points.switches import whole_unknowns
from einstan.machine.sizes.extents import Extents

SHORT = 12  # beside which the numbers of a bracket are small
MOST, FEW = 60_000, 600  # choices of the unknowns that nothing gives, and where numbers are worked out in many digits
TRIED, SOME = 300, 5  # choices that hold for extents which the equations do not have; where more is sought than one
FARTHEST = 2_000  # that an unknown is

Unknown = Index | str | Indexed  # an index, an extent by its dimension, an entry that is a label
Choice = Mapping[Unknown, int]


@dataclass(frozen=True)
class Meeting:
    """Extents that are so, the least of others, labels by their tensors, and extents of the axes that are given for
    which all of this is so."""

    exact: Mapping[str, int] = field(default_factory=dict)
    least: Mapping[str, int] = field(default_factory=dict)
    labels: Mapping[Name, tuple[int, ...]] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)


class Meetings:
    """Where brackets of a program hold."""

    def __init__(self, program: Program, labels: Labels, extents: Asked) -> None:
        self.program, self.labels, self.extents = program, labels, extents

    def of(
        self, equation: Equation, brackets: Sequence[Expr], least: int = 0, beside: Meeting | None = None
    ) -> tuple[Meeting | None, bool]:
        """The smallest place at which those of some brackets hold that rest on whole numbers alone, indices and labels
        being so large at ``least``, if one is found ``beside`` another; and whether there can be none where it is
        not."""
        own = [b for b in brackets if not (isinstance(b, Iverson) and b.is_ones)]
        own = [b for b in own if whole_unknowns(b, self.labels.names) is not None]
        if not own:
            return None, False
        search = _Search(self, equation, own, least, beside)
        found = search.found(2)  # an axis of one tells least
        return search.found(1) if found[1] and not least else found

    def jointly(self, places: Iterable[tuple[Equation, Sequence[Expr]]]) -> Iterator[Meeting]:
        """Meetings at each of which brackets hold in several places, whatever stands between these: in as many of those
        that are left as one takes after another."""
        rest = list(places)
        while rest:
            together, left = Meeting(), []
            for place in rest:
                found, _ = self.of(*place, beside=together)
                if found is None:
                    left.append(place)
                together = found or together
            if len(left) == len(rest):
                return
            yield together
            rest = left

    def named(self, equation: Equation, node: Node) -> Unknown:
        """An unknown; extents of one dimension are one."""
        if isinstance(node, Extent):
            return self.program.dim(equation, node.index)
        assert isinstance(node, Index | Indexed)
        return node

    def axes(self, name: Name) -> Sequence[str]:
        """The axes that have to be so long that a label is inside."""
        places = [use.place for use in self.labels.uses.get(name, ())]
        return list(map(self.program.dims.find, places)) or self.labels.compared.get(name, ())


class _Search(Loops):
    """The brackets as a function of their unknowns, and those at which all of them hold."""

    def __init__(
        self, among: Meetings, equation: Equation, brackets: Sequence[Expr], least: int, beside: Meeting | None
    ) -> None:
        self.among, self.least, self.shortest, self.beside = among, least, 1, beside or Meeting()
        self.tries = SOME if least or beside else TRIED
        self.own = Equation(equation.name, equation.indices, mul(brackets), equation.where)
        self.rational = all(map(stays_rational, preorder(self.own.rhs)))
        numbers = EXACT if self.rational else Tied(DIGITS)
        super().__init__(Extents(among.program), self.own, {}, numbers, inner=False)
        nodes = whole_unknowns(self.own.rhs, among.labels.names) or []
        self.unknowns = list(dict.fromkeys(among.named(self.own, node) for node in nodes))
        self.far = least + 2 * int(max(map(abs, _numbers(self.own.rhs)), default=0)) + SHORT
        self.brackets = brackets

    def closure(self, node: Node, below: tuple[Closure, ...]) -> Closure:
        if isinstance(node, Extent | Indexed):
            unknown = self.among.named(self.equation, node)
            return lambda env: self.numbers.of(env[unknown])  # type: ignore[index]
        return super().closure(node, below)

    def remembered(self, node: Expr, value: Closure) -> Closure:
        return value

    @cached_property
    def given(self) -> dict[Unknown, Callable[[Choice], Number]]:
        """The unknowns that equalities give by others, those first that others of them rest on."""
        found: dict[Unknown, Callable[[Choice], Number]] = {}
        used: set[Unknown] = set()
        for left, right in _equalities(self.brackets):
            about = [self.rests_on(side) for side in (left, right)]
            for unknown in dict.fromkeys((*about[0], *about[1])):
                slope = self.slope(left, unknown), self.slope(right, unknown)
                if unknown in used or None in slope or abs(k := slope[0] - slope[1]) != 1:  # type: ignore[operator]
                    continue
                used.update(*about)
                found[unknown] = self.solving(left, right, unknown, k)
                break
        return found

    def solving(self, left: Node, right: Node, unknown: Unknown, k: int) -> Callable[[Choice], Number]:
        sides = [self.reckoned(left), self.reckoned(right)]

        def solved(env: Choice) -> Number:
            at_zero = [side({**env, unknown: 0}) for side in sides]  # type: ignore[dict-item]
            return -k * (at_zero[0] - at_zero[1])

        return solved

    def reckoned(self, node: Node) -> Closure:
        return fold(node, self.kept)

    def rests_on(self, node: Node) -> list[Unknown]:
        return [self.among.named(self.equation, own) for own in whole_unknowns(node, self.among.labels.names) or ()]

    def slope(self, operand: Node, unknown: Unknown) -> int | None:
        """How often an operand has an unknown as a term; None where it has it otherwise."""
        if unknown not in self.rests_on(operand):
            return 0
        if isinstance(operand, Position | Extent | Indexed):
            return 1
        if not isinstance(operand, Affine):
            return None
        holding = [(atom, k) for atom, k in operand.terms if unknown in self.rests_on(atom)]
        plain = all(isinstance(atom, Index | Extent | Indexed) for atom, _ in holding)
        return sum(k for _, k in holding) if plain else None

    def found(self, shortest: int) -> tuple[Meeting | None, bool]:
        """What `Meetings.of` tells, no axis being shorter."""
        given, self.shortest = self.given, shortest
        free = [unknown for unknown in self.unknowns if unknown not in given]
        far, self.exhaustive = self.far, True
        while (far + 1) ** len(free) > (MOST if self.rational else FEW):
            far, self.exhaustive = far * 3 // 4, False
        fixed: dict[Unknown, int] = {dim: size for dim, size in self.beside.exact.items()}
        spans = [(fixed[own],) if own in fixed else range(self.lowest(own), far + 1) for own in free]
        tried = 0
        for values in sorted(product(*spans), key=lambda own: (max(own, default=0), own)):
            choice: dict[Unknown, int] = dict(zip(free, values, strict=True))
            spend(1)
            if not (self.completed(choice) and self.holds(choice)):
                continue
            asked = self.asked(choice)
            if asked is None:
                continue
            sizes = self.among.extents.sizes(asked.exact, asked.least)
            if sizes is not None:
                return replace(asked, sizes=sizes), False
            tried += 1
            self.exhaustive = self.exhaustive and asked.exact.keys() <= self.among.extents.usual.keys()
            if tried > self.tries:
                return None, False
        return None, self.exhaustive

    def lowest(self, unknown: Unknown) -> int:
        if isinstance(unknown, str):
            return max(self.least, self.shortest, self.beside.least.get(unknown, 1))
        return self.least

    def completed(self, choice: dict[Unknown, int]) -> bool:
        """Put in what is given by others; whether that is so large as it has to be."""
        fixed: dict[Unknown, int] = {dim: size for dim, size in self.beside.exact.items()}
        for unknown, solved in self.given.items():
            try:
                value = solved(choice)
            except (DomainError, EinstanError, OverflowError):
                return False
            if value != value or value < self.lowest(unknown) or value != fixed.get(unknown, value):
                return False
            if value > FARTHEST or value != int(value):
                self.exhaustive = self.exhaustive and value <= FARTHEST
                return False
            choice[unknown] = int(value)
        return True

    def holds(self, choice: Choice) -> bool:
        with suppress(DomainError, EinstanError, OverflowError):
            return bool(self.value(choice) != 0)  # type: ignore[arg-type]
        return False

    def asked(self, choice: Choice) -> Meeting | None:
        """The extents that a choice asks for; None where it is none, an index being beyond its extent."""
        least, labels = dict(self.beside.least), dict(self.beside.labels)
        exact = {**self.beside.exact, **{unknown: n for unknown, n in choice.items() if isinstance(unknown, str)}}
        for unknown, value in choice.items():
            if isinstance(unknown, str):
                continue
            axes = [self.among.program.dim(self.equation, unknown)] if isinstance(unknown, Index) else []
            if isinstance(unknown, Indexed):
                axes = list(self.among.axes(unknown.tensor))
                labels[unknown.tensor] = (*labels.get(unknown.tensor, ()), value)
            for dim in axes:
                if value >= exact.get(dim, value + 1):
                    return None
                least[dim] = max(least.get(dim, 1), value + 1)
        return Meeting(exact, {dim: size for dim, size in least.items() if dim not in exact}, labels)


def _numbers(brackets: Expr) -> Iterator[Fraction]:
    for node in preorder(brackets):
        if isinstance(node, Affine):
            yield from map(Fraction, (node.constant, *(k for _, k in node.terms)))
        elif isinstance(node, Const):
            yield node.value


def _equalities(brackets: Sequence[Expr]) -> Iterator[tuple[Node, Node]]:
    for bracket in brackets:
        if isinstance(bracket, Delta):
            yield bracket.left, bracket.right
        elif isinstance(bracket, Iverson):
            pairs = zip(pairwise(bracket.operands), bracket.relations, strict=True)
            yield from (pair for pair, relation in pairs if relation == "==")
