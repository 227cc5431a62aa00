"""The question whether two sides are equal as a program, and the small extents at which it is asked.

No extent is 1, where a matrix is its own transpose, and most differ from each other: what is true of a square, of two
or of three entries alone shows at one of the others.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from fractions import Fraction
from functools import partial

from einstan.calculus.contradictions import Lengths
from einstan.calculus.program import Assumption, Program, dims_in, prefix
from einstan.language.dims import axis, is_axis, loose, qualified, redimensioned
from einstan.language.errors import EinstanError
from einstan.language.index import Affine, Index, lowered, slot
from einstan.language.node import Node, fold, preorder, remembered
from einstan.language.term import (
    Add,
    Apply,
    Const,
    Delta,
    Equation,
    Expr,
    Extent,
    Indexed,
    Iverson,
    Mul,
    Name,
    Position,
    Reduce,
    Sum,
    add,
    neg,
    tensors,
)
from einstan.machine.meaning.numbers import number_of
from einstan.machine.points.switches import KINKED
from einstan.machine.sizes.extents import NOMINAL, Extents, highest
from einstan.machine.sizes.guards import bounds_above, index_tensors, reads
from einstan.machine.sizes.inference import infer, windowed

LEFT, RIGHT, BOTH, ASSUMED = "left side", "right side", "difference", "assumption "  # names of no tensor, for the blank
TRIES = 40  # for a point at which every function has a value and every assumption holds
LONG = 8  # an extent for which every window fits
LENGTHS = (8, 13, 22, 45, 90, 180)  # of axes, where comparisons of indices and extents are open
ROOM = (1, 2, 4, 8)  # times as long as usual are axes under windows
MOST_COUNTED = 1000  # numbers beyond which no extent is tried


# ---- the question as a program ---------------------------------------------------------------------------------------


def question(
    lhs: Expr | Equation, rhs: Expr | Equation, definitions: Program | None, rules: Sequence[Assumption]
) -> tuple[Program, tuple[str, ...], tuple[str, ...]]:
    """A program that defines both sides, their difference, and how far each assumption is from holding."""
    known = () if definitions is None else definitions.equations
    (lhs, rhs, *told), known = _as_one((lhs, rhs, *(side for rule in rules for side in (rule.lhs, rule.rhs))), known)
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
    for number, (left_told, right_told) in enumerate(zip(told[::2], told[1::2], strict=True)):
        checks.append(f"{ASSUMED}{number}")
        difference = add((left_told, neg(right_told)))  # type: ignore[arg-type]
        equations.append(Equation(checks[-1], _free(left_told, right_told), difference))
    return Program(equations), names, tuple(checks)


def _as_one(
    sides: Sequence[Expr | Equation], known: Sequence[Equation]
) -> tuple[list[Expr | Equation], tuple[Equation, ...]]:
    """The sides with every dimension of the claim that no axis names as one of all of them, as an axis is, and as that
    of the definition from which it comes, which may state its extent."""
    whole = [side if isinstance(side, Equation) else Equation(BOTH, side.free, side) for side in sides]
    common = {dim: one for side in whole for dim in dims_in(side) if (one := one_axis(dim)) != dim}
    moved = []
    for equation in known if common else ():
        own = {dim: dim if dim in common else qualified(dim, prefix(equation)) for dim in dims_in(equation)}
        moved.append(redimensioned(equation, {dim: common[full] for dim, full in own.items() if full in common}))
    return [redimensioned(side, common) for side in sides], tuple(moved or known)  # type: ignore[misc]


def one_axis(dim: str) -> str:
    """The name in all equations of a dimension of a claim that no axis names."""
    return axis(dim, 0) if ":" in dim and not is_axis(dim) else dim


def _free(lhs: Expr | Equation, rhs: Expr | Equation) -> tuple[Index, ...]:
    named: dict[str, Index] = {}
    for side in (lhs, rhs):
        for index in side.indices if isinstance(side, Equation) else side.free:
            named.setdefault(index.name, index)
    return tuple(named.values())


def small_sizes(program: Program, largest: int, points: int, generator: random.Random) -> Iterator[dict[str, int]]:
    """Extents of the axes that are given: all alike, two and three in turn, then drawn, different where they can be.

    Axes under a window are longer, so that every window fits.
    """
    long = _windowed(program)
    dims = dict.fromkeys(program.dims.find(axis(name, k)) for name, rank in program.inputs.items() for k in range(rank))
    stated = {dim for dim in _stated(program) if dim in dims}
    lengths = Lengths(program) if stated else None
    dims = {dim: None for dim in dims if dim not in stated}
    dims |= dict.fromkeys(undetermined(program, dims))
    names = list(dims)
    for number in range(4 * points + TRIES):
        if number == 1:
            chosen = {dim: min(2 + k % 2, largest) for k, dim in enumerate(names)}
        elif number < largest:
            chosen = dict.fromkeys(names, max(2, number + 1))
        elif number % 3 == 0:  # some assumptions hold of squares alone
            chosen = dict.fromkeys(names, generator.randint(2, largest))
        else:
            chosen = _different(names, largest, generator)
        told = _told(program, _long_enough(program, chosen, long, largest))
        yield told if lengths is None else lengths.completed(told, stated)


def _told(program: Program, sizes: dict[str, int]) -> dict[str, int]:
    """The sizes with those that an assumption about extents alone gives: ``|i| = 3``, ``|i| = |j| + 1``."""
    for equation in program.equations:
        if not str(equation.name).startswith(ASSUMED) or tensors(equation.rhs) or not isinstance(equation.rhs, Add):
            continue
        dims = {node.index.dim for node in preorder(equation.rhs) if isinstance(node, Extent)}
        roots = {dim: program.dims.find(qualified(dim, prefix(equation))) for dim in dims}
        for sign, dim in _alone(equation.rhs):
            if roots[dim] in sizes and all(root in sizes for root in roots.values()):
                excess = number_of(equation.rhs, {d: sizes[root] for d, root in roots.items()})
                wanted = sizes[roots[dim]] - sign * excess
                if wanted >= 1 and wanted == int(wanted):
                    sizes = {**sizes, roots[dim]: int(wanted)}
                    break
    return sizes


def _alone(total: Add) -> Iterator[tuple[int, str]]:
    """The extents that are terms of a sum, and their signs."""
    for term in total.terms:
        for sign, own in ((1, term), (-1, neg(term))):
            if isinstance(own, Extent):
                yield sign, own.index.dim


def edges(program: Program, largest: int) -> Iterator[dict[str, int]]:
    """Extents that tell nothing for a claim, but may tell against it: beyond the largest of the others and beyond each
    number with which an index or an extent is compared or counted, one axis at a time; and one, of all axes, and of
    each where something is assumed."""
    counts = {abs(int(number)) for number in _counts(program) if abs(number) <= MOST_COUNTED}
    usual = next(small_sizes(program, largest, 1, random.Random(0)), {})
    for count in sorted({largest, *(count for count in counts if count >= largest - 1)}):
        for dim in usual:
            yield from (
                {**usual, dim: max(usual[dim], size)} for size in (*([count] if count > largest else []), count + 2)
            )
    given = dict.fromkeys(program.dims.find(axis(n, k)) for n, rank in program.inputs.items() for k in range(rank))
    for dim in undetermined(program, given):  # what nothing tells may be longer than all else
        yield {**usual, dim: max(usual.values()) + 2}
    short = usual.keys() - _windowed(program, least=1)
    yield {dim: 1 if dim in short else size for dim, size in usual.items()}
    if any(str(equation.name).startswith(ASSUMED) for equation in program.equations):
        yield from ({**usual, dim: 1} for dim in usual if dim in short)


def longer(program: Program, largest: int) -> Iterator[dict[str, int]]:
    """Extents of which some are far longer, one axis at a time, and all."""
    usual = next(small_sizes(program, largest, 1, random.Random(0)), {})
    for length in LENGTHS:
        for dims in (*((dim,) for dim in usual), *([tuple(usual)] if len(usual) > 1 else [])):
            yield _told(program, {dim: length if dim in dims else size for dim, size in usual.items()})


def _counts(program: Program) -> Iterator[Fraction]:
    """The numbers that stand in a bracket beside an index or an extent, or in a sum with one that is a number, and how
    often such are multiplied: a polynomial has no more zeros than that."""
    labels = index_tensors(program.equations)
    for side in (program[LEFT].rhs, program[RIGHT].rhs):
        yield Fraction(fold(side, partial(_degree, labels)))
    for node in preorder(program[LEFT].rhs, program[RIGHT].rhs):
        if isinstance(node, Iverson | Delta):
            if any(isinstance(inner, Index | Extent) for inner in preorder(*node.children)):
                yield from (Fraction(form.constant) for form in preorder(*node.children) if isinstance(form, Affine))
                yield from (inner.value for inner in preorder(*node.children) if isinstance(inner, Const))
        elif isinstance(node, Add | Apply) and any(_is_counting(inner, labels) for inner in preorder(node)):
            yield from (inner.value for inner in preorder(node) if isinstance(inner, Const))
            yield Fraction(1)


def largest_count(program: Program) -> int:
    """The largest of these numbers."""
    return int(max((abs(n) for n in _counts(program) if abs(n) <= MOST_COUNTED), default=0))


def _is_counting(node: Node, labels: Container[Name]) -> bool:
    """Whether it is a whole number that the extents bound."""
    return isinstance(node, Extent | Position) or (isinstance(node, Indexed) and node.tensor in labels)


def _degree(labels: Container[Name], node: Node, below: Sequence[int]) -> int:
    """Of what degree a term is in whole numbers that the extents bound."""
    match node:
        case Mul():
            return sum(below)
        case Apply(function="pow", arguments=(_, Const(value=value))) if value > 1:
            return min(MOST_COUNTED, below[0] * int(value))
    return 1 if _is_counting(node, labels) else max(below, default=0)


class Asked:
    """Extents of the axes that are given, for which dimensions are as long as is asked for.  Axes under windows are as
    long as these need, and what is not asked for is as ``usual``."""

    def __init__(self, program: Program, largest: int) -> None:
        self.program, self.largest = program, largest
        self.long, self.lengths = _windowed(program), Lengths(program)
        self.usual = next(small_sizes(program, largest, 1, random.Random(0)), {})

    def sizes(self, exact: Mapping[str, int], least: Mapping[str, int]) -> dict[str, int] | None:
        """Extents for which some dimensions have a length each, and others a length at least, if they are found."""
        asked = {**{dim: max(self.usual.get(dim, 1), size) for dim, size in least.items()}, **exact}
        if not asked.keys() <= self.usual.keys():  # what follows from others
            short = {dim: size for dim, size in self.usual.items() if dim not in self.long}
            asked |= self.lengths.completed({**short, **asked}, self.long)
        own = {dim: size for dim, size in asked.items() if dim in self.usual}
        for times in ROOM:
            room = {dim: times * self.usual[dim] for dim in self.long & self.usual.keys()}
            roomy = _long_enough(self.program, {**self.usual, **room, **own}, self.long - own.keys(), self.largest)
            chosen = _told(self.program, {**roomy, **own})
            with suppress(EinstanError):
                known = infer(self.program, {}, chosen, nominal=max(chosen.values(), default=2)).known
                as_asked = all(known.get(dim) == size for dim, size in exact.items())
                if as_asked and all(known.get(dim, 0) >= size for dim, size in least.items()):
                    return chosen
        return None


def _different(names: Sequence[str], largest: int, generator: random.Random) -> dict[str, int]:
    pool: list[int] = []
    while len(pool) < len(names):
        pool += generator.sample(range(2, largest + 1), largest - 1)
    return dict(zip(names, pool, strict=False))


def smaller(program: Program, sizes: Mapping[str, int]) -> dict[str, int] | None:
    """The largest of the extents made less by one; None where all are two."""
    long = _windowed(program)
    open_to = [dim for dim, size in sizes.items() if size > 2 and dim not in long]
    if not open_to:
        return None
    most = max(sizes[dim] for dim in open_to)
    return {dim: size - (size == most and dim in open_to) for dim, size in sizes.items()}


def _long_enough(program: Program, chosen: Mapping[str, int], long: set[str], largest: int) -> dict[str, int]:
    """The sizes, with room on the axes under a window for every window that they fix."""
    known = Extents(program)
    known.known = {dim: size for dim, size in chosen.items() if dim not in long}
    needed = {dim: size + largest + 1 for dim, size in chosen.items() if dim in long}
    for equation in program.equations if needed else ():
        for read in reads(equation):
            for k, form in enumerate(read.access.slots):
                dim = program.dims.find(axis(read.access.tensor, k))
                top = highest(known, equation, form) if dim in needed and form.index is None else None
                if top is not None:
                    needed[dim] = max(needed[dim], top[1] + 1)
    return {dim: needed.get(dim, size) for dim, size in chosen.items()}


def _windowed(program: Program, least: int = 2) -> set[str]:
    """The axes that are read through arithmetic without a guard: they have to be longer than the windows on them.  What
    is read at whole numbers of a tensor, ``E[T[n]]``, is as long as these need, and ``x[1]`` is there in the ``least``
    of axes."""
    return {
        program.dims.find(axis(read.access.tensor, k))
        for equation in program.equations
        for read in reads(equation)
        for k, form in enumerate(read.access.slots)
        if form.index is None and not _is_inside(form, least) and not bounds_above(read.guards, form)
    }


def _is_inside(form: Affine, least: int) -> bool:
    if not form.terms:
        return 0 <= form.constant < least
    return (
        form.constant == 0 and len(form.terms) == 1 and form.terms[0][1] == 1 and isinstance(form.terms[0][0], Indexed)
    )


def _stated(program: Program) -> list[str]:
    """The dimensions whose extent ``where`` states by others, or what is read along them: that of w in ``w[i] (x[i+1] -
    x[i])``."""
    pairs = ((equation, index) for equation in program.equations for index, _ in loose(equation))
    found = [program.dim(equation, index) for equation, index in pairs if index not in dict(equation.where)]
    for equation in program.equations:
        for index, form in equation.where:
            own = program.dims.find(qualified(index.dim, prefix(equation)))
            others = [node.index.dim for node in preorder(form) if isinstance(node, Extent)]
            if own not in [program.dims.find(qualified(dim, prefix(equation))) for dim in others]:
                found.append(own)
    return found


def undetermined(program: Program, dims: Iterable[str]) -> list[str]:
    """The dimensions that no given axis and no arithmetic determines, such as those of ``δ[i,j]`` alone, and of all
    that arithmetic leaves open where it ties several to one axis, as ``X[2i+j]`` does."""
    levels = windowed(program)  # on windows, so that every range is known, none being empty
    try:
        extents = infer(program, {}, {dim: LONG * 16 ** levels.get(dim, 0) for dim in dims}, nominal=LONG)
    except EinstanError:
        found = (program.dim(e, index) for e in program.equations for index in _all_indices(e))
        return [dim for dim in dict.fromkeys(found) if dim not in dims and dim not in _stated(program)]
    return [dim for dim, source in extents.source.items() if source == NOMINAL]


def largest_loop(extents: Extents) -> int:
    """Steps of the longest nest of loops, counting every index of an equation, or entries of the largest tensor."""
    program = extents.program
    loops = [math.prod(extents.of(e, i) for i in _all_indices(e)) for e in program.equations]
    return max(*loops, *(math.prod(extents.shape(name)) for name in program.inputs if name in program.ranks), 0)


def has_kinks(*exprs: Expr) -> bool:
    return any(
        (isinstance(node, Apply) and node.function in KINKED)
        or (isinstance(node, Reduce) and node.operation in ("max", "min"))
        or (isinstance(node, Iverson) and any(isinstance(operand, Expr) for operand in node.operands))
        for node in preorder(*exprs)
    )


def letters_of(program: Program, dims: Iterable[str]) -> dict[str, str]:
    """The letter of each dimension; the dimension itself where it has none, or shares it with another."""
    found: dict[str, str] = {}
    for equation in (program[LEFT], program[RIGHT], *program.equations):
        spoken = (node.index for node in preorder(equation.rhs) if isinstance(node, Extent))
        for index in (*_all_indices(equation), *spoken):
            if index.name.isalnum():
                found.setdefault(program.dim(equation, index), lowered(index.name))
    shared = Counter(found.get(dim, dim) for dim in dims)
    return {dim: found[dim] if dim in found and shared[found[dim]] == 1 else dim for dim in dims}


@remembered
def _all_indices(equation: Equation) -> tuple[Index, ...]:
    found = dict.fromkeys(equation.indices)
    for node in preorder(equation.rhs):
        if isinstance(node, Sum | Reduce):
            found.update(dict.fromkeys(node.indices))
    return tuple(found)


def unravel(offset: int, shape: Sequence[int]) -> tuple[int, ...]:
    at: list[int] = []
    for size in reversed(shape):
        offset, k = divmod(offset, size)
        at.append(k)
    return tuple(reversed(at))
