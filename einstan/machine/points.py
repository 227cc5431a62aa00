"""Small random points for a claim: arrays of small extents at which every function has a value and every assumption
holds.

Points avoid zeros and equal entries, so what is compared is the mathematics away from kinks and ties; what a function
does there is a convention of its table.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction

from einstan.calculus.program import Assumption, Program, prefix
from einstan.language.dims import axis, qualified
from einstan.language.errors import EinstanError, ExtentError
from einstan.language.index import Index, slot
from einstan.language.node import preorder, remembered
from einstan.language.term import Add, Const, Equation, Expr, Extent, Indexed, Mul, Name, Reduce, Sum, add, neg
from einstan.machine.extents import NOMINAL, Extents, infer
from einstan.machine.guards import bounds_above, index_tensors, reads
from einstan.machine.loops import Evaluation, Tensor
from einstan.machine.numbers import EXACT, FLOATS, DomainError, Numbers

LEFT, RIGHT, BOTH = "left side", "right side", "difference"  # no tensor of the language has a blank in its name
ABSOLUTE, QUICK = Decimal("1e-45"), 1e-9  # what counts as nothing, in exact numbers and in floats
TRIES = 40  # for a point at which every function has a value and every assumption holds
LARGEST_LOOP = 200_000
LONG = 8  # an extent for which every window fits

Point = dict[Name, Tensor]
Values = Mapping[Name, Tensor]


# ---- the question as a program ---------------------------------------------------------------------------------------


def question(
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


def small_sizes(program: Program, largest: int, points: int, generator: random.Random) -> Iterator[dict[str, int]]:
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


def largest_loop(extents: Extents) -> int:
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


class Sampler:
    """Draws points at which every function has a value and every assumption holds.

    ``exact`` numbers decide.  In ``floats`` a point is looked at quickly: what overflows or has no value there is none.
    """

    def __init__(
        self, program: Program, checks: tuple[str, ...], generator: random.Random, kinks: bool = False
    ) -> None:
        self.program, self.checks, self.generator, self.kinks = program, checks, generator, kinks
        self.index_axes = index_tensors(program.equations)
        self.ready: dict[Numbers, tuple[Extents, Evaluation]] = {}
        self.reason = ""
        self.outside = ""  # the problem, where something has been read outside

    def point(self, extents: Extents, numbers: Numbers = EXACT) -> tuple[Point, Values] | None:
        for number in range(TRIES):
            point = self.draw(extents, positive=number % 2 == 1, one_hot=number % 4 > 1)
            values = self.values(point, extents, numbers)
            if values is not None:
                return point, values
            if self.outside:
                break
        return None

    def values(self, point: Point, extents: Extents, numbers: Numbers = EXACT) -> Values | None:
        """All tensors at a point, unless a function has no value or an assumption fails there."""
        try:
            if numbers not in self.ready or self.ready[numbers][0] is not extents:
                self.ready[numbers] = extents, Evaluation(self.program, extents, numbers)
            values = self.ready[numbers][1](point)
        except (DomainError, EinstanError) as error:
            self.reason = str(error).splitlines()[0]
            if isinstance(error, ExtentError):
                self.outside = self.reason
            return None
        if numbers is FLOATS and not all(math.isfinite(entry) for tensor in values.values() for entry in tensor.flat):
            return None
        for check in self.checks:
            if any(abs(entry) > (QUICK if numbers is FLOATS else ABSOLUTE) for entry in values[check].flat):
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
            at = unravel(offset, tensor.shape)
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


def unravel(offset: int, shape: Sequence[int]) -> tuple[int, ...]:
    at: list[int] = []
    for size in reversed(shape):
        offset, k = divmod(offset, size)
        at.append(k)
    return tuple(reversed(at))
