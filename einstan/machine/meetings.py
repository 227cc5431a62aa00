"""Meetings: extents, indices and labels at which brackets of whole numbers hold, ``1[3 |k| == 7 |j|]`` at 7 and 3.

What random points never meet is looked for among all whole numbers up to twice those that the brackets name, the
smallest first: where none make the brackets hold together there is nothing to be seen.  An unknown that an equality
gives by others is worked out from these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
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
from einstan.machine.coincidences import DIGITS, Tied
from einstan.machine.draws import stays_rational
from einstan.machine.extents import Extents
from einstan.machine.labels import Labels
from einstan.machine.loops import Closure, Loops
from einstan.machine.numbers import EXACT, DomainError, Number
from einstan.machine.switches import whole_unknowns

SHORT = 12  # beside which the numbers of a bracket are small
MOST, FEW = 60_000, 600  # choices of the unknowns that nothing gives, and where numbers are worked out in many digits
FARTHEST = 2_000  # that an unknown is

Unknown = Index | str | Indexed  # an index, an extent by its dimension, an entry that is a label
Choice = Mapping[Unknown, int]


@dataclass(frozen=True)
class Meeting:
    """Extents that are so, the least of others, and labels by their tensors."""

    exact: Mapping[str, int]
    least: Mapping[str, int]
    labels: Mapping[Name, tuple[int, ...]]


class Meetings:
    """Where brackets of a program hold."""

    def __init__(self, program: Program, labels: Labels) -> None:
        self.program, self.labels = program, labels

    def of(self, equation: Equation, brackets: Sequence[Expr], least: int = 0) -> tuple[Meeting | None, bool]:
        """The smallest place at which those of some brackets hold that rest on whole numbers alone, indices and labels
        being so large at ``least``, if one is found; and whether there can be none where it is not."""
        own = [b for b in brackets if not (isinstance(b, Iverson) and b.is_ones)]
        own = [b for b in own if whole_unknowns(b, self.labels.names) is not None]
        if not own:
            return None, False
        search = _Search(self, equation, own, least)
        found = search.found(2)  # an axis of one tells least
        return search.found(1) if found[1] and not least else found

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

    def __init__(self, among: Meetings, equation: Equation, brackets: Sequence[Expr], least: int) -> None:
        self.among, self.least, self.shortest = among, least, 1
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
        far, exhaustive = self.far, True
        while (far + 1) ** len(free) > (MOST if self.rational else FEW):
            far, exhaustive = far * 3 // 4, False
        spans = [range(self.lowest(unknown), far + 1) for unknown in free]
        for values in sorted(product(*spans), key=lambda own: (max(own, default=0), own)):
            choice: dict[Unknown, int] = dict(zip(free, values, strict=True))
            spend(1)
            if self.completed(choice) and (meeting := self.meeting(choice)) is not None and self.holds(choice):
                return meeting, False
        return None, exhaustive

    def lowest(self, unknown: Unknown) -> int:
        return max(self.least, self.shortest) if isinstance(unknown, str) else self.least

    def completed(self, choice: dict[Unknown, int]) -> bool:
        """Put in what is given by others; whether that is so large as it has to be."""
        for unknown, solved in self.given.items():
            try:
                value = solved(choice)
            except (DomainError, EinstanError, OverflowError):
                return False
            if value != value or not self.lowest(unknown) <= value <= FARTHEST or value != int(value):
                return False
            choice[unknown] = int(value)
        return True

    def holds(self, choice: Choice) -> bool:
        with suppress(DomainError, EinstanError, OverflowError):
            return bool(self.value(choice) != 0)  # type: ignore[arg-type]
        return False

    def meeting(self, choice: Choice) -> Meeting | None:
        """The extents that a choice asks for; None where it is none, an index being beyond its extent."""
        least: dict[str, int] = {}
        labels: dict[Name, tuple[int, ...]] = {}
        for unknown, value in choice.items():
            if isinstance(unknown, str):
                continue
            axes = [self.among.program.dim(self.equation, unknown)] if isinstance(unknown, Index) else []
            if isinstance(unknown, Indexed):
                axes = list(self.among.axes(unknown.tensor))
                labels[unknown.tensor] = (*labels.get(unknown.tensor, ()), value)
            for dim in axes:
                if value >= choice.get(dim, FARTHEST + 1):
                    return None
                least[dim] = max(least.get(dim, 1), value + 1)
        exact = {unknown: value for unknown, value in choice.items() if isinstance(unknown, str)}
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
