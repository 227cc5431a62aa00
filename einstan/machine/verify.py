"""Numeric evidence for a claim: two expressions are evaluated at small random points, exactly or to 50 digits.

Agreement is evidence, not proof, and the report says how much of it there is.  Disagreement is a proof: the
counterexample is made small (extents first, then entries) and printed so that it can be pasted.

Points avoid zeros and equal entries, so what is compared is the mathematics away from kinks and ties; what a function
does there is a convention of its table.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import combinations
from typing import Any

from einstan.calculus.program import Assumption, Program, prefix
from einstan.language.dims import axis, qualified
from einstan.language.errors import EinstanError, ExtentError
from einstan.language.index import Index, slot
from einstan.language.node import preorder, remembered
from einstan.language.term import Add, Const, Equation, Expr, Extent, Indexed, Mul, Name, Reduce, Sum, add, neg
from einstan.machine.extents import NOMINAL, Extents, infer
from einstan.machine.guards import bounds_above, index_tensors, reads
from einstan.machine.loops import Evaluation, Tensor
from einstan.machine.numbers import EXACT, DomainError, Number, context, decimal

LEFT, RIGHT, BOTH = "left side", "right side", "difference"  # no tensor of the language has a blank in its name
RELATIVE, ABSOLUTE = Decimal("1e-40"), Decimal("1e-45")
TRIES = 40  # for a point at which every function has a value and every assumption holds
LARGEST_LOOP = 200_000
LONG = 8  # an extent for which every window fits

Point = dict[Name, Tensor]


@dataclass(frozen=True)
class Comparison:
    """The outcome of `compare`.

    ``verdict`` is ``"agree"``, ``"differ"`` or ``"undecided"``.  After ``"differ"``, ``sizes`` and ``arrays`` are the
    counterexample, ``at`` the values of the free indices, ``left`` and ``right`` the two numbers there.
    """

    verdict: str
    points: int = 0
    arithmetic: str = ""
    reason: str = ""
    sizes: Mapping[str, int] = field(default_factory=dict)
    arrays: Mapping[str, Any] = field(default_factory=dict)
    at: Mapping[str, int] = field(default_factory=dict)
    left: Number = None
    right: Number = None

    def __bool__(self) -> bool:
        return self.verdict == "agree"

    def __str__(self) -> str:
        if self.verdict == "agree":
            return f"agrees at {self.points} random points ({self.arithmetic})"
        if self.verdict == "undecided":
            return f"undecided: {self.reason}"
        lines = [f"{name} = {pasted(value)}" for name, value in self.arrays.items()]
        where = ", ".join(f"{name} = {value}" for name, value in self.at.items())
        lines.append((f"at {where}: " if where else "") + f"left {short(self.left)}, right {short(self.right)}")
        return "\n".join(lines)


def compare(
    lhs: Expr | Equation,
    rhs: Expr | Equation,
    definitions: Program | None = None,
    sizes_up_to: int = 3,
    points: int = 20,
    seed: int = 0,
    assumptions: Iterable[Assumption] | None = None,
    kinks: bool = False,
    smallest: bool = True,
) -> Comparison:
    """Whether two expressions agree at random points.

    ``lhs`` and ``rhs`` are expressions in the same free indices (matched by name), or equations (by position).  Tensors
    that ``definitions`` defines are computed, all others are drawn at random.  ``assumptions`` (by default those of the
    definitions) hold at every point that is tried.  With ``kinks`` the entries are -1, 0 and 1, so that functions are
    met where they have no derivative and values are equal.  Without ``smallest`` the first counterexample is not made
    smaller.
    """
    if assumptions is None:
        assumptions = definitions.resolved_assumptions() if definitions is not None else ()
    rules = tuple(assumptions)
    program, indices, checks = _question(lhs, rhs, definitions, rules)
    generator = random.Random(seed)
    sampler = _Sampler(program, checks, generator, kinks)
    agreed, failures, exact, wide, reason = 0, 0, True, False, ""
    for sizes in _sizes(program, sizes_up_to, points, generator):
        try:
            extents = infer(program, {}, sizes, nominal=max(sizes.values(), default=1))
        except EinstanError as error:
            reason = reason or error.problem
            continue
        if _largest_loop(extents) > LARGEST_LOOP:
            reason = reason or "the loops are too long even for small extents"
            continue
        drawn = sampler.point(extents)
        if drawn is None:
            reason = reason or sampler.reason
            failures += 1
            if failures > 4 and agreed == 0:
                break
            continue
        point, values = drawn
        found = _difference(values)
        if found is not None:
            return _smallest(program, sampler, extents, point, indices, sizes, shrink=smallest)
        exact = exact and all(isinstance(entry, Fraction) for side in (LEFT, RIGHT) for entry in values[side].flat)
        agreed += bool(values[LEFT].flat)
        wide = wide or min(sizes.values(), default=2) > 1
        if agreed == points:
            break
    if sampler.outside and not wide:  # it has a value only where an axis of one entry hides what is read outside
        return Comparison("undecided", reason=sampler.outside)
    if agreed == 0:
        return Comparison("undecided", reason=reason or "no point was found at which both sides have a value")
    return Comparison("agree", agreed, "exact rationals" if exact else "50-digit decimals")


# ---- the question as a program ---------------------------------------------------------------------------------------


def _question(
    lhs: Expr | Equation, rhs: Expr | Equation, definitions: Program | None, rules: Sequence[Assumption]
) -> tuple[Program, tuple[str, ...], tuple[str, ...]]:
    """A program that defines both sides, their difference, and how far each assumption is from holding."""
    known = () if definitions is None else definitions.equations
    left_indices = lhs.indices if isinstance(lhs, Equation) else _free(lhs, rhs)
    names = tuple(index.name for index in left_indices)
    right_indices = (
        rhs.indices
        if isinstance(rhs, Equation)
        else tuple(next((own for own in rhs.free if own.name == index.name), index) for index in left_indices)
    )
    left = Equation(LEFT, left_indices, *((lhs.rhs, lhs.where) if isinstance(lhs, Equation) else (lhs,)))
    right = Equation(RIGHT, right_indices, *((rhs.rhs, rhs.where) if isinstance(rhs, Equation) else (rhs,)))
    common = tuple(Index(name, axis(BOTH, k)) for k, name in enumerate(names))
    slots = tuple(slot(index) for index in common)
    sides: list[Expr] = [Indexed(LEFT, slots), neg(Indexed(RIGHT, slots))]
    # The axes of the tensor that a claim is about are those of its sides, whatever the sides themselves read.
    for side in (lhs, rhs):
        if (
            isinstance(side, Equation)
            and side.name not in {e.name for e in known}
            and not any(isinstance(n, Indexed) and n.tensor == side.name for n in preorder(left.rhs, right.rhs))
        ):
            known = (*known, Equation(side.name, side.indices, Indexed(LEFT, tuple(slot(i) for i in side.indices))))
            break
    equations = [*known, left, right, Equation(BOTH, common, add(sides))]
    checks = []
    for number, rule in enumerate(rules):
        free = _free(rule.lhs, rule.rhs)
        checks.append(f"assumption {number}")
        equations.append(Equation(checks[-1], free, add((rule.lhs, neg(rule.rhs)))))
    return Program(equations), names, tuple(checks)


def _free(lhs: Expr | Equation, rhs: Expr | Equation) -> tuple[Index, ...]:
    named: dict[str, Index] = {}
    for side in (lhs, rhs):
        for index in side.indices if isinstance(side, Equation) else side.free:
            named.setdefault(index.name, index)
    return tuple(named.values())


def _sizes(program: Program, largest: int, points: int, generator: random.Random) -> Iterator[dict[str, int]]:
    """Extents of the axes that are given, small ones first; axes under a window are longer."""
    long = _windowed(program)
    dims = dict.fromkeys(program.dims.find(axis(name, k)) for name, rank in program.inputs.items() for k in range(rank))
    for dim in _stated(program):
        dims.pop(dim, None)
    dims |= dict.fromkeys(_undetermined(program, dims))
    everywhere = [dict.fromkeys(dims, size) for size in range(1, largest + 1)]
    for number in range(4 * points + TRIES):
        chosen = (
            everywhere[number] if number < len(everywhere) else {dim: generator.randint(1, largest) for dim in dims}
        )
        yield {dim: size + (largest + 1 if dim in long else 0) for dim, size in chosen.items()}


def _windowed(program: Program) -> set[str]:
    """The axes that are read through arithmetic without a guard: they have to be longer than the windows on them."""
    return {
        program.dims.find(axis(read.access.tensor, k))
        for equation in program.equations
        for read in reads(equation)
        for k, form in enumerate(read.access.slots)
        if form.index is None and not bounds_above(read.guards, form)
    }


def _stated(program: Program) -> list[str]:
    """The dimensions whose extent ``where`` states by others."""
    found = []
    for equation in program.equations:
        for index, form in equation.where:
            own = program.dims.find(qualified(index.dim, prefix(equation)))
            others = [node.index.dim for node in preorder(form) if isinstance(node, Extent)]
            if own not in [program.dims.find(qualified(dim, prefix(equation))) for dim in others]:
                found.append(own)
    return found


def _undetermined(program: Program, dims: Iterable[str]) -> list[str]:
    """The dimensions that no given axis and no arithmetic determines, such as those of ``δ[i,j]`` alone."""
    try:
        extents = infer(program, {}, dict.fromkeys(dims, LONG), nominal=LONG)
    except EinstanError:
        return []
    return [dim for dim, source in extents.source.items() if source == NOMINAL]


def _largest_loop(extents: Extents) -> int:
    """Steps of the longest nest of loops, counting every index of an equation: an upper bound."""
    return max(math.prod(extents.of(e, i) for i in _all_indices(e)) for e in extents.program.equations)


@remembered
def _all_indices(equation: Equation) -> tuple[Index, ...]:
    found = dict.fromkeys(equation.indices)
    for node in preorder(equation.rhs):
        if isinstance(node, Sum | Reduce):
            found.update(dict.fromkeys(node.indices))
    return tuple(found)


# ---- points ----------------------------------------------------------------------------------------------------------


class _Sampler:
    """Draws points at which every function has a value and every assumption holds."""

    def __init__(
        self, program: Program, checks: tuple[str, ...], generator: random.Random, kinks: bool = False
    ) -> None:
        self.program, self.checks, self.generator, self.kinks = program, checks, generator, kinks
        self.index_axes = index_tensors(program.equations)
        self.ready: tuple[Extents, Evaluation] | None = None
        self.reason = ""
        self.outside = ""  # the problem, where something has been read outside

    def point(self, extents: Extents) -> tuple[Point, dict[Name, Tensor]] | None:
        for number in range(TRIES):
            point = self.draw(extents, positive=number % 2 == 1, one_hot=number % 4 > 1)
            values = self.values(point, extents)
            if values is not None:
                return point, values
            if self.outside:
                break
        return None

    def values(self, point: Point, extents: Extents) -> dict[Name, Tensor] | None:
        """All tensors at a point, unless a function has no value or an assumption fails there."""
        try:
            if self.ready is None or self.ready[0] is not extents:
                self.ready = extents, Evaluation(self.program, extents, EXACT)
            values = self.ready[1](point)
        except (DomainError, EinstanError) as error:
            self.reason = str(error).splitlines()[0]
            if isinstance(error, ExtentError):
                self.outside = self.reason
            return None
        for check in self.checks:
            if any(abs(entry) > ABSOLUTE for entry in values[check].flat):
                self.reason = "no point was found at which the assumptions hold"
                return None
        return values

    def draw(self, extents: Extents, positive: bool, one_hot: bool) -> Point:
        shapes = {name: extents.shape(name) for name in self.program.inputs if name in self.program.ranks}
        count = sum(math.prod(shape) for shape in shapes.values())
        if self.kinks:
            pool = iter(self.generator.choices((Fraction(-1), Fraction(0), Fraction(1)), k=count))
        else:
            pool = iter(self.generator.sample(_entries(count, positive), count))
        point: Point = {}
        for name, shape in shapes.items():
            size = math.prod(shape)
            if name in self.index_axes:
                axes = self.index_axes[name]
                top = min((extents.known[self.program.dims.find(a)] for a in axes), default=2)
                point[name] = Tensor(shape, [Fraction(self.generator.randrange(max(top, 1))) for _ in range(size)])
            else:
                point[name] = Tensor(shape, [next(pool) for _ in range(size)])
        for check in self.checks:
            self.repair(self.program.defined[check].rhs, self.program.defined[check], point, extents, one_hot)
        return point

    def repair(self, rhs: Expr, equation: Equation, point: Point, extents: Extents, one_hot: bool) -> None:
        """Make ``sum[J](Y[n,J]) = c`` true by scaling Y along J, or by making it one-hot times c."""
        linear = _linear(rhs)
        if linear is None or linear[0].tensor not in point or linear[0].tensor in self.index_axes:
            return
        access, summed, constant = linear
        tensor = point[access.tensor]
        positions = [k for k, form in enumerate(access.slots) if form.index in summed]
        rows: dict[tuple[int, ...], list[int]] = {}
        for offset in range(len(tensor.flat)):
            at = _unravel(offset, tensor.shape)
            rows.setdefault(tuple(v for k, v in enumerate(at) if k not in positions), []).append(offset)
        for offsets in rows.values():
            total = sum(tensor.flat[o] for o in offsets)
            hot = self.generator.choice(offsets)
            for o in offsets:
                if one_hot or total == 0:
                    tensor.flat[o] = constant if o == hot else Fraction(0)
                else:
                    tensor.flat[o] = tensor.flat[o] * constant / total


def _linear(rhs: Expr) -> tuple[Indexed, tuple[Index, ...], Fraction] | None:
    """``sum[J](Y[n,J]) - c`` as its parts."""
    match rhs:
        case Add(terms=(Sum(indices=indices, body=Indexed() as access), Mul(factors=(Const(), Const(value=constant))))):
            if all(form.index is not None for form in access.slots):
                return access, indices, constant
    return None


def _entries(count: int, positive: bool) -> list[Fraction]:
    """Distinct small rationals, none of them 0: halves and thirds first, finer ones where more are needed."""
    found: dict[Fraction, None] = {}
    denominator = 1
    while len(found) < max(2 * count, 8):
        for numerator in range(1, 2 * denominator + 1):
            for sign in (1,) if positive else (1, -1):
                found[Fraction(sign * numerator, denominator)] = None
        denominator += 1
    return list(found)


def _unravel(offset: int, shape: Sequence[int]) -> tuple[int, ...]:
    at: list[int] = []
    for size in reversed(shape):
        offset, k = divmod(offset, size)
        at.append(k)
    return tuple(reversed(at))


# ---- counterexamples -------------------------------------------------------------------------------------------------


def _difference(values: Mapping[Name, Tensor]) -> int | None:
    """The first position at which the two sides differ."""
    for offset, (a, b) in enumerate(zip(values[LEFT].flat, values[RIGHT].flat, strict=True)):
        if isinstance(a, Fraction) and isinstance(b, Fraction):
            if a != b:
                return offset
        else:
            with localcontext(context()):
                a, b = decimal(a), decimal(b)
                if abs(a - b) > max(ABSOLUTE, RELATIVE * max(abs(a), abs(b))):
                    return offset
    return None


def _smallest(
    program: Program,
    sampler: _Sampler,
    extents: Extents,
    point: Point,
    indices: tuple[str, ...],
    sizes: dict[str, int],
    shrink: bool = True,
) -> Comparison:
    """A counterexample with the smallest extents found, and the simplest entries that still tell the sides apart."""
    # All at once, then two, since extents may be tied to each other, then one.
    groups = [tuple(sizes), *combinations(sizes, 2), *((dim,) for dim in sizes)] if shrink else []
    for group in groups:
        while any(sizes[dim] > 1 for dim in group):
            smaller = {dim: max(1, size - (dim in group)) for dim, size in sizes.items()}
            found = _differing(program, sampler, smaller)
            if found is None:
                break
            sizes, (extents, point) = smaller, found
    for name, tensor in point.items():
        if name in sampler.index_axes or not shrink:
            continue
        for offset, old in enumerate(tensor.flat):
            for simple in (Fraction(1), Fraction(2), Fraction(-1)):
                if old == simple:
                    break
                tensor.flat[offset] = simple
                values = sampler.values(point, extents)
                if values is not None and _difference(values) is not None:
                    break
                tensor.flat[offset] = old
    values = sampler.values(point, extents)
    where = None if values is None else _difference(values)
    assert values is not None
    assert where is not None, "a counterexample is only made smaller while it remains one"
    at = dict(zip(indices, _unravel(where, values[LEFT].shape), strict=True))
    arrays = {str(name): tensor.tolist() for name, tensor in point.items()}
    left, right = values[LEFT].flat[where], values[RIGHT].flat[where]
    return Comparison("differ", 1, sizes=sizes, arrays=arrays, at=at, left=left, right=right)


def _differing(program: Program, sampler: _Sampler, sizes: dict[str, int]) -> tuple[Extents, Point] | None:
    try:
        extents = infer(program, {}, sizes, nominal=max(sizes.values(), default=1))
    except EinstanError:
        return None
    for _ in range(3):
        drawn = sampler.point(extents)
        if drawn is not None and _difference(drawn[1]) is not None:
            return extents, drawn[0]
    return None


def pasted(value: Any) -> str:
    """Nested lists of numbers as Python text: whole numbers and short fractions stay exact."""
    if isinstance(value, list):
        return "[" + ", ".join(pasted(entry) for entry in value) + "]"
    if isinstance(value, Fraction):
        return str(value)
    return short(value)


def short(value: Number) -> str:
    """A number for a report: a fraction where it is short, else twelve digits; 0 where 50 digits cannot tell."""
    if isinstance(value, Fraction) and len(str(value)) <= 12:
        return str(value)
    with localcontext(context()) as digits:
        digits.prec = 12
        rounded = decimal(value).normalize()
    if abs(rounded) <= ABSOLUTE:
        return "0"
    return f"{rounded:f}" if -6 <= rounded.adjusted() <= 15 else f"{rounded:e}"
