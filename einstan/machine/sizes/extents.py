"""The extent of every dimension of a program, and where each was learned; and what forms of extents are worth."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from einstan.calculus.program import Program
from einstan.language.dims import axis, is_axis, is_whole, loose
from einstan.language.errors import ExtentError
from einstan.language.index import Affine, Arithmetic, Index, affine, lowered, whole
from einstan.language.node import preorder, remembered
from einstan.language.place import at
from einstan.language.term import Equation, Extent, Indexed, Name, Reduce, Sum
from einstan.machine.sizes.guards import Read, bounds_above, reads
from einstan.machine.sizes.refusals import reader_of

Shape = tuple[int, ...]
Spell = Callable[[str], str]
Told = dict[tuple[str, str], tuple[Index, Indexed, list[Affine]]]
Inside = tuple[Equation, str, Affine]  # what is read of an axis in an equation
NOMINAL = "a nominal size"
GIVEN = "sizes["  # what begins the source of a size that the caller names


def as_program(what: Equation | Program | Iterable[Equation]) -> Program:
    """A program from an equation, from several, or from itself."""
    if isinstance(what, Program):
        return what
    return Program((what,) if isinstance(what, Equation) else what)


@dataclass(frozen=True)
class Formula:
    """How an extent follows from others, as Python text: ``text(size)`` is the extent, where ``size`` gives the text of
    a dimension, and ``bad(own, size)`` is true where it makes no sense, which ``problem`` says."""

    text: Callable[[Spell], str]
    bad: Callable[[str, Spell], str]
    problem: str


class Extents:
    """The extent of every dimension of a program, and where each was learned.

    ``extents.of(equation, index)`` is a number; ``extents.shape(name)`` the shape of a tensor.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.known: dict[str, int] = {}
        self.source: dict[str, str] = {}
        self.formulas: dict[str, Formula] = {}
        self.arithmetic = {
            equation: forms for equation in program.equations if (forms := _arithmetic(equation)) or equation.where
        }
        self.parts = _parts(program)

    def dim(self, equation: Equation, index: Index) -> str:
        """The program's name for the dimension of an index of an equation."""
        return self.program.dim(equation, index)

    def of(self, equation: Equation, index: Index) -> int:
        return self.known[self.dim(equation, index)]

    def axis(self, name: Name, position: int) -> int:
        """Raises `ExtentError` where an axis is read at values alone, ``x[T[i]]``, so that no size tells it."""
        place = axis(name, position)
        found = self.known.get(self.program.dims.find(place))
        if found is None:
            raise ExtentError(
                f"the extent of axis {position} of {name} is not known",
                **at(reader_of(self.program, name), name),
                inferred="no array or size gives it",
                repair=f"give sizes={{{place!r}: ...}}",
            )
        return found

    def shape(self, name: Name) -> Shape:
        return tuple(self.axis(name, k) for k in range(self.program.ranks[name]))

    def worth(self, form: Affine) -> int:
        """The value of a form of extents whose dimensions have the names that they have in the program."""
        total = form.constant
        for atom, k in form.terms:
            assert isinstance(atom, Extent)
            total += k * self.known[self.program.dims.find(atom.index.dim)]
        return total

    def key(self) -> tuple[tuple[str, int], ...]:
        return tuple(sorted(self.known.items()))

    def told(self, letter: str, dim: str) -> str:
        """``|n| = 3 from X.0``"""
        return f"|{letter}| = {self.known[dim]} from {self.source[dim]}"


def _parts(program: Program) -> dict[Equation, tuple[Equation, ...]]:
    """By the equation of a tensor, the parts of it that stand before it under names of their own: ``g[i] = a[i+1] where
    |i| = |f.0|`` says there that i runs as far as all that is read for f lets it."""
    order = {str(equation.name): k for k, equation in enumerate(program.equations)}
    found: dict[Equation, dict[Equation, None]] = {}
    for k, equation in enumerate(program.equations):
        for index, form in equation.where:
            if of_axis(program, equation, index, form):
                whole = order.get(form.terms[0][0].index.dim.rpartition(".")[0], -1)
                if whole > k:
                    found.setdefault(program.equations[whole], {})[equation] = None
    return {whole: tuple(parts) for whole, parts in found.items()}


def of_axis(program: Program, equation: Equation, index: Index, form: Affine) -> bool:
    """Whether ``where |p| = |x.0|`` says what the program knows."""
    return is_whole(form) and program.dim(equation, form.terms[0][0].index) == program.dim(equation, index)


@remembered
def _arithmetic(equation: Equation) -> tuple[tuple[Read, int, Affine], ...]:
    """The slots with arithmetic that no guard bounds above: what can determine an extent."""
    short = loose(equation)
    return tuple(
        (read, position, form)
        for read in reads(equation)
        for position, form in enumerate(read.access.slots)
        if (form.index is None or (short and (form.index, axis(read.access.tensor, position)) in short))
        and not bounds_above(read.guards, form)
    )


@remembered
def indices_of(equation: Equation) -> tuple[Index, ...]:
    found: dict[Index, None] = dict.fromkeys(equation.indices)
    for node in preorder(equation.rhs):
        if isinstance(node, Index):
            found[node] = None
        elif isinstance(node, Extent):
            found[node.index] = None
        elif isinstance(node, Sum | Reduce):
            found.update(dict.fromkeys(node.indices))
    return tuple(found)


def letters_of(program: Program) -> set[str]:
    """The letters that stand for the sizes of a program."""
    return {lowered(index.name) for equation in program.equations for index in indices_of(equation)}


def speaks_of(program: Program, place: str) -> bool:
    """Whether an axis is one of the program, if only its size is read."""
    name = place.rpartition(".")[0]
    unread = name in map(str, program.inputs) and name not in map(str, program.ranks)
    return place in program.dims or (is_axis(place) and unread)


def value_of(extents: Extents, equation: Equation, form: Affine) -> int | None:
    """The value of a form of extents, if all of them are known."""
    total = form.constant
    for atom, coefficient in form.terms:
        size: int | None = None
        if isinstance(atom, Arithmetic):
            left, right = (value_of(extents, equation, part) for part in (atom.left, atom.right))
            size = None if left is None or right is None else _whole(equation, atom, left, right)
        elif isinstance(atom, Extent):
            size = extents.known.get(extents.dim(equation, atom.index))
        if size is None:
            return None
        total += coefficient * size
    return total


def _whole(equation: Equation, atom: Arithmetic, left: int, right: int) -> int:
    try:
        return whole(atom.operation, left, right)
    except ExtentError as error:
        raise ExtentError(
            f"{affine((atom, 1))} has no value: {error.problem}", **at(equation, None), repair=error.repair
        ) from None


def highest(extents: Extents, equation: Equation, form: Affine, unknown: str = "") -> tuple[int, int] | None:
    """The largest value of a form is ``slope |unknown| + rest``; None where something else in it is not known."""
    slope, rest = 0, form.constant
    for atom, k in form.terms:
        if isinstance(atom, Arithmetic) and not atom.free:
            size = value_of(extents, equation, affine((atom, 1)))
            if size is None:
                return None
            rest += k * size
            continue
        if not isinstance(atom, Index | Extent):
            return None
        dim = extents.dim(equation, atom if isinstance(atom, Index) else atom.index)
        if isinstance(atom, Index):  # from 0 to the extent less one
            if k < 0:
                continue
            rest -= k
        if dim == unknown:
            slope += k
        elif dim in extents.known:
            rest += k * extents.known[dim]
        else:
            return None
    return slope, rest


def sized(form: Affine) -> list[Index]:
    """The indices whose extents bound a form."""
    return [a if isinstance(a, Index) else a.index for a, _ in form.terms if isinstance(a, Index | Extent)]


def ranges_told(extents: Extents, equation: Equation) -> Told:
    """By the dimension of an index, and an axis: the reads of that axis, plain and shifted, that tell its range."""
    stated = {index.dim for index, _ in equation.where}
    places = {place: index for index, place in loose(equation) if index.dim not in stated}
    found: Told = {}
    for read, position, form in extents.arithmetic.get(equation, ()):
        index = places.get(axis(read.access.tensor, position))
        if index is not None and index in form.free:
            key = extents.dim(equation, index), extents.program.dims.find(axis(read.access.tensor, position))
            found.setdefault(key, (index, read.access, []))[2].append(form)
    return found
