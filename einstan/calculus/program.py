"""A program: equations in the order in which they can be evaluated.

The checker stands next to the type: a tensor defined twice, a cycle, a tensor of two ranks are refused here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Protocol

from einstan.language.arguments import require
from einstan.language.dims import (
    UnionFind,
    agreed,
    axis,
    is_axis,
    loose,
    only_plain,
    qualified,
    redimensioned,
    relate,
    unguarded,
    unguarded_quotients,
)
from einstan.language.errors import DifferentiationError, ProgramError
from einstan.language.index import Affine, Arithmetic, Index, affine, arithmetic, slot
from einstan.language.node import Node, fold, holds, preorder, remembered
from einstan.language.place import at
from einstan.language.rebuilt import Rebuilt
from einstan.language.term import (
    Delta,
    Equation,
    Expr,
    Extent,
    Indexed,
    Name,
    Partial,
    Reduce,
    Sum,
    accesses,
    add,
    as_number,
    neg,
    tensors,
)
from einstan.language.together import shown_together


class Assumption(Protocol):
    """What may be used: ``lhs = rhs`` for every value of the free indices."""

    @property
    def lhs(self) -> Expr: ...

    @property
    def rhs(self) -> Expr: ...


@dataclass(frozen=True)
class Identity:
    """An assumption: ``lhs = rhs``."""

    lhs: Expr
    rhs: Expr


class Program(Rebuilt):
    """Equations that define tensors from inputs.

    ``Program(equations, assumptions)`` sorts the equations by what they read, keeping the given order where it can.

    - ``equations``: in evaluation order, each with its own local dimensions;
    - ``defined``: tensor name to equation;
    - ``inputs``: the tensors that are read and not defined, with their rank (-1 where only a size is read and nothing
      tells);
    - ``dims``: the classes of equal axes over the whole program, ``equal`` axes among them that no equation ties;
      equations that are not ``written`` by somebody tie less, see `einstan.language.dims.relate`;
    - ``origin``: the program of which this is another form, see `remade`; what is refused is shown in it.

    Raises `ProgramError` for a tensor defined twice, a cycle, and a tensor used with two ranks.
    """

    def __init__(
        self,
        equations: Iterable[Equation],
        assumptions: Iterable[Assumption] = (),
        equal: Iterable[tuple[str, str]] = (),
        written: bool = True,
        origin: Program | None = None,
    ) -> None:
        given = tuple(equations)
        self.written, self.origin = written, origin
        self.assumptions: tuple[Assumption, ...] = tuple(assumptions)
        self.equal = tuple(equal)
        self.defined: dict[Name, Equation] = {}
        for equation in given:
            if equation.name in self.defined:
                raise ProgramError(
                    f"{equation.name} is defined twice",
                    **at(equation, None),
                    inferred=f"first defined by {self.defined[equation.name]}",
                    repair="give one of the two another name",
                )
            self.defined[equation.name] = equation
        self.reads: dict[Name, tuple[Name, ...]] = {e.name: reads(e) for e in given}
        self.equations = _in_order(given, self.defined, self.reads)
        self.ranks = _ranks(given)
        self.inputs: dict[Name, int] = {
            name: self.ranks.get(name, -1)
            for equation in self.equations
            for name in self.reads[equation.name]
            if name not in self.defined
        }
        self._dims: UnionFind | None = None
        self._resolved: tuple[Equation, ...] | None = None
        self._dim_of: dict[tuple[Equation, Index], str] = {}
        self.notes: dict[Any, Any] = {}  # what was worked out of the whole program, by what was asked

    @property
    def dims(self) -> UnionFind:
        """The classes of equal axes.  A dimension without an axis is named ``equation:letter``."""
        if self._dims is None:
            classes = UnionFind()
            for equation in self.equations:
                relate(equation, classes, prefix(equation), self.written)
            for assumption in self._assumption_equations():
                relate(assumption, classes, prefix(assumption))
            spoken = self._spoken()
            for name, rank in self.ranks.items():
                # With one more index in front, for several at once, its last axis is none that is spoken of.
                ranks = {**self.ranks, str(name)[1:]: rank} if spoken.get(str(name)[1:]) == rank else self.ranks
                for position, known in enumerate(axes_of_derivative(name, rank, ranks)):
                    classes.union(known, axis(name, position))
            for left, right in self.equal:
                classes.union(left, right)
            self._dims = classes
        return self._dims

    def _spoken(self) -> dict[str, int]:
        """The tensors of which sizes alone are read, each with how many axes it has at least."""
        found: dict[str, int] = {}
        sized = {name for name, rank in self.inputs.items() if rank < 0}
        for extent in (extent for equation in self.equations if sized for extent in sizes_read(equation)):
            name, _, place = extent.index.name.rpartition(".")
            if name in sized:
                found[name] = max(found.get(name, 0), int(place) + 1)
        return found

    def dim(self, equation: Equation, index: Index) -> str:
        """The program's name for the dimension of an index of an equation."""
        try:
            found = self._dim_of.get((equation, index))
        except TypeError:  # what cannot be looked up is none
            found = None
        if found is None:
            require("equation", equation, Equation)
            require("index", index, Index)
            found = self._dim_of[equation, index] = self.dims.find(qualified(index.dim, prefix(equation)))
        return found

    def resolved(self, equation: Equation) -> Equation:
        """The equation with its dimensions named as the whole program names them."""
        require("equation", equation, Equation)
        start = prefix(equation)
        renamed = {dim: self.dims.find(qualified(dim, start)) for dim in dims_in(equation)}
        return redimensioned(equation, renamed)

    def resolved_all(self) -> tuple[Equation, ...]:
        if self._resolved is None:
            self._resolved = tuple(self.resolved(equation) for equation in self.equations)
        return self._resolved

    def _assumption_equations(self) -> tuple[Equation, ...]:
        # The difference of the two sides stands for an assumption wherever only its dimensions matter.
        return tuple(Equation(f"assumption {k}", (), add((a.lhs, neg(a.rhs)))) for k, a in enumerate(self.assumptions))

    def resolved_assumptions(self) -> tuple[Assumption, ...]:
        """The assumptions with their dimensions named as the whole program names them."""
        result = []
        for assumption, equation in zip(self.assumptions, self._assumption_equations(), strict=True):
            start = prefix(equation)
            renamed = {dim: self.dims.find(qualified(dim, start)) for dim in dims_in(equation)}
            lhs, rhs = (redimensioned(side, renamed) for side in (assumption.lhs, assumption.rhs))
            result.append(Identity(lhs, rhs))
        return tuple(result)

    def __iter__(self) -> Iterator[Equation]:
        return iter(self.equations)

    def __len__(self) -> int:
        return len(self.equations)

    def __getitem__(self, name: Name) -> Equation:
        return self.defined[name]

    def __str__(self) -> str:
        return "\n".join(shown_together(self.equations))

    def __repr__(self) -> str:
        return f"<Program of {len(self.equations)} equations>"


def remade(program: Program, equations: Iterable[Equation], equal: Iterable[tuple[str, str]] = ()) -> Program:
    """Equations that were made of those of a program, in their place: axes that it says to be of one length are, and
    further ``equal`` ones.  It is their origin, or what that was made of."""
    said = [pair for equation in program.equations for pair in agreed(equation)] if program.written else []
    origin = program.origin or program
    return Program(equations, program.assumptions, (*program.equal, *said, *equal), written=False, origin=origin)


def prefix(equation: Equation) -> str:
    """What qualifies the dimensions of an equation that no axis names."""
    return f"{equation.name}:"


@remembered
def reads(equation: Equation) -> tuple[Name, ...]:
    """The tensors whose values or sizes the right side reads; ``|X.0|`` reads a size, which is no value of its own."""
    found: dict[Name, None] = dict.fromkeys(tensors(equation.rhs))
    if not equation.where and not holds(equation.rhs, Extent):
        return tuple(found)
    for extent in sizes_read(equation):
        name = extent.index.name.rpartition(".")[0]
        if name != str(equation.name):
            found.setdefault(name)
    return tuple(found)


def sizes_read(equation: Equation) -> list[Extent]:
    """The extents that an equation speaks of by their axes, ``|X.0|``."""
    nodes = preorder(equation.rhs, *(form for _, form in equation.where))
    return [node for node in nodes if isinstance(node, Extent) and is_axis(node.index.name)]


@remembered
def dims_in(equation: Equation) -> frozenset[str]:
    """Every dimension that the equation mentions."""
    found = {index.dim for index in (*equation.indices, *(index for index, _ in equation.where))}
    for node in preorder(equation.rhs, *(form for _, form in equation.where)):
        if isinstance(node, Index):
            found.add(node.dim)
        elif isinstance(node, Extent):
            found.add(node.index.dim)
        elif isinstance(node, Sum | Reduce):
            found.update(index.dim for index in node.indices)
    return frozenset(found)


@dataclass(frozen=True)
class InPart:
    """How far an index runs that stands alone in a longer axis: derived equations that read that one say so again."""

    index: Index
    extent: Affine
    longer: frozenset[str]  # axes
    by_shifts: bool = (
        False  # what it reads tells how far it runs, and only where a delta takes the reads away is it lost
    )

    def along(self, tangents: Mapping[Name, Name], shift: int) -> InPart:
        """The same of the tangents of the tensors that are longer, which have so many indices more in front."""
        places = [(place, *place.rsplit(".", 1)) for place in self.longer]
        own = {axis(tangents[name], int(k) + shift) for _, name, k in places if name in tangents}
        return InPart(self.index, self.extent, self.longer | own, self.by_shifts)

    def is_needed(self, index: Index, expr: Expr, classes: UnionFind) -> bool:
        """Whether what an expression reads along an index would tell another extent."""
        longer = {classes.find(place) for place in self.longer}
        reads = [
            (axis(node.tensor, position), form)
            for node in preorder(expr)
            if isinstance(node, Indexed)
            for position, form in enumerate(node.slots)
            if any(atom is index for atom, _ in form.terms)
        ]
        deltas = [node for node in preorder(expr) if isinstance(node, Delta)] if holds(expr, Delta) else []
        pairs = [(node.left.index, node.right.index) for node in deltas]
        equal = [other for pair in pairs if index in pair for other in pair if other is not None]
        if any(classes.find(other.dim) in longer for other in equal if other is not index):
            return True
        if self.by_shifts:
            return False
        alone = [classes.find(place) for place, form in reads if form.index is not None]
        return not longer.isdisjoint(alone) or bool(reads and not alone)


def extents_told(equation: Equation) -> list[tuple[Index, Affine]]:
    """What ``where`` states of the extents that no axis has, and what reads tell: ``|I| = |x.0| - 1`` of
    ``x[I+1] - x[I]``."""
    if only_plain(equation):
        return []
    found = {index: form for index, form in equation.where if not is_axis(index.dim)}
    stated = {index.dim for index in found}  # two letters may run over one dimension
    reads: dict[Index, dict[str, list[Affine]]] = {}
    whole: set[tuple[Index, str]] = set()  # axes of which nothing is left over: ``x[I]`` beside ``x[I+1]``
    for index, place, form, kept in (*unguarded(equation), *unguarded_quotients(equation)):
        if not is_axis(index.dim) and index.dim not in stated:
            form = _forwards(form, index)
            reads.setdefault(index, {}).setdefault(place, []).append(form)
            if form.index is index and not kept:
                whole.add((index, place))
    for index, places in reads.items():
        rooms = {place: room_inside(index, place, forms) for place, forms in places.items()}
        left = {room and affine((room, 1), (Extent(Index(place)), -1)) for place, room in rooms.items()}
        # One that is read whole tells; of others those that are read alike are as long as each other.
        told = {place: room for place, room in rooms.items() if (index, place) in whole}
        told = told or (rooms if len(left) == 1 else {})
        room = next(iter(told.values()), None)
        if room is not None:
            found[index] = room
    return list(found.items())


def room_inside(index: Index, place: str, forms: Sequence[Affine]) -> Affine | None:
    """How far an index runs that keeps every form inside an axis: what the others in them leave, ``|b.0| - |m| + 1`` of
    ``b[m+N]``.  One that falls with it says nothing, ``b[|b.0|-1-N]`` beside ``b[N]``."""
    rising = [form for form in forms if form.coefficient(index) >= 0]
    top = next((form for form in rising if all(_exceeds(form, other) for other in rising)), None)
    room: Affine | None = affine((Extent(Index(place)), 1))
    while room is not None and top is not None and (rounded := rounded_down(top)) is not None:
        quotient, k, rest = rounded
        left = _left(room, rest)
        top, room = (
            quotient.left,
            None if left is None else affine((arithmetic("times", _steps(left, k), quotient.right), 1)),
        )
    step = 0 if top is None else top.coefficient(index)
    if top is None or room is None or step < 1:
        return None
    left = _left(room, affine((top, 1), (index, -step)))
    return None if left is None else _steps(left, step)


def _forwards(form: Affine, index: Index) -> Affine:
    """The form that reads the same places from the first to the last, ``J+1`` for ``|J|-J``."""
    step = -form.coefficient(index)
    own = sum(k for atom, k in form.terms if isinstance(atom, Extent) and atom.index.dim == index.dim)
    if step < 1 or own != step:
        return form
    rest = [(a, k) for a, k in form.terms if not (a is index or (isinstance(a, Extent) and a.index.dim == index.dim))]
    return affine(*rest, (index, step), constant=form.constant + step)


def _left(room: Affine, form: Affine) -> Affine | None:
    """The last place in a room, less all that a form may be."""
    room = affine((room, 1), constant=-1 - form.constant)
    for atom, k in form.terms:
        if not (isinstance(atom, Extent) or (isinstance(atom, Index) and is_axis(atom.dim))):
            return None
        if isinstance(atom, Extent):
            room = affine((room, 1), (atom, -k))
        elif k > 0:
            room = affine((room, 1), (Extent(Index(atom.dim)), -k), constant=k)
    return room


def _steps(last: Affine, step: int) -> Affine:
    """How many steps lead from 0 to the last place."""
    return affine((last if step == 1 else arithmetic("floor", last, Affine((), step)), 1), constant=1)


def rounded_down(form: Affine) -> tuple[Arithmetic, int, Affine] | None:
    """Of ``k floor(l / n) + r`` the quotient, k and r."""
    held = [(atom, k) for atom, k in form.terms if isinstance(atom, Arithmetic) and atom.free]
    if len(held) != 1 or held[0][0].operation != "floor" or held[0][1] < 0:
        return None
    ((atom, k),) = held
    return atom, k, affine((form, 1), (atom, -k))


def _exceeds(form: Affine, other: Affine) -> bool:
    """Whether a form is never less than another one: indices and extents are not negative."""
    gap = affine((form, 1), (other, -1))
    return gap.constant >= 0 and all(k > 0 and isinstance(atom, Index | Extent) for atom, k in gap.terms)


def extents_behind(equations: Iterable[Equation]) -> list[tuple[Index, Affine] | InPart]:
    """What equations tell of the extents in what is derived from them."""
    equations = tuple(equations)
    found: list[tuple[Index, Affine] | InPart] = []
    for equation in equations:
        found += [*extents_told(equation), *extents_in_part(equation)]
    speaker = refuse_several_ranges(equations)
    return [_spoken(each, speaker) if isinstance(each, InPart) else each for each in found]


def refuse_several_ranges(equations: Collection[Equation]) -> dict[str, str]:
    """Refuse to derive from a sum that runs as far as the shortest of several tensors goes, ``a y[I+1] + x[I+2]``: of
    its terms a derivative may keep one, which would tell another range.

    Returns of each axis that an index fills the dimension that the others know it by.
    """
    if all(map(only_plain, equations)):
        return {}
    speaker = {
        place: index.dim
        for equation in equations
        for index, place, form, _ in unguarded(equation)
        if form.index is index and (index, place) not in loose(equation)
    }
    for equation in equations:
        _refuse_several(equation, speaker)
        _refuse_two_sizes(equation, speaker, equations)
    return speaker


def _refuse_two_sizes(equation: Equation, speaker: Mapping[str, str], equations: Iterable[Equation]) -> None:
    """Refuse to derive from what has no value: ``p[i] = q[i+1]`` beside ``p[I] q[I]``, in which p and q are as long as
    each other."""
    stated = {index for index, _ in equation.where}
    for index, place, form, kept in unguarded(equation):
        if (
            kept
            or not _exceeds(affine((form, 1), constant=-1), slot(index))
            or index in stated
            or index not in equation.indices
            or speaker.get(place) != index.dim
        ):
            continue
        room = room_inside(index, place, [form])
        shown, letter = next(
            (each, other)
            for each in equations
            for other, where, met, _ in unguarded(each)
            if (where, met.index, other.dim) == (place, other, index.dim) and (other, where) not in loose(each)
        )
        more = ", " if shown.where else " where "
        raise DifferentiationError(
            f"{letter.name} has two sizes: |{place}|, and {room or 'less'}",
            **at(shown, letter),
            inferred=f"|{index.name}| is {room or 'less'} in {equation}, so that {form} stays inside of {place}",
            repair=f"state it: {shown}{more}|{letter.name}| = {room}" if room else "read each by a letter of its own",
        )


def _refuse_several(equation: Equation, speaker: Mapping[str, str]) -> None:
    stated = {index.dim for index, _ in equation.where}
    reads: dict[Index, dict[str, list[Affine]]] = {}
    for index, place, form, kept in (*unguarded(equation), *unguarded_quotients(equation)):
        if not (index in equation.indices or index.dim in stated or is_axis(index.dim)):
            alone = form.index is index and not kept  # then it is read whole
            reads.setdefault(index, {}).setdefault("" if alone else speaker.get(place, place), []).append(form)
    for index, places in reads.items():
        rooms = {place: room_inside(index, place, forms) for place, forms in places.items()}
        differ = len({room and affine((room, 1), (Extent(Index(p)), -1)) for p, room in rooms.items()}) > 1
        if len(places) == 1 and None in rooms.values():  # s[2T] s[T+1]: neither is ahead of the other everywhere
            apart = {str(form): room_inside(index, p, [form]) for p, alike in places.items() for form in alike}
            if len(apart) > 1 and None not in apart.values():
                differ, rooms = True, apart
        if "" in places or not differ:
            continue
        known = [str(room) for room in rooms.values() if room is not None]
        more = ", " if equation.where else " where "
        raise DifferentiationError(
            f"how far {index.name} runs is told by {' and '.join(rooms)}, of which a derivative may keep one",
            **at(equation, index),
            inferred=f"|{index.name}| is the least of {', '.join(known)}" if len(known) == len(rooms) else (),
            repair=[f"{equation}{more}|{index.name}| = {room}" for room in known]
            or f"state it: where |{index.name}| = 3",
        )


def _spoken(part: InPart, speaker: Mapping[str, str]) -> InPart:
    return replace(part, longer=part.longer | {speaker[place] for place in part.longer if place in speaker})


def extents_in_part(equation: Equation) -> list[InPart]:
    """How far the indices run that have an axis and yet stand alone in a longer one: ``|t| = |x.0| - 2`` of
    ``e[t] = x[t+2] - a x[t]``.  A sum over x[T] alone would run over all of it."""
    stated, free = dict(equation.where), loose(equation)
    found: list[InPart] = []
    for index in dict.fromkeys(index for index, _ in free):
        if not is_axis(index.dim):
            continue
        reads = [(place, form) for other, place, form, _ in unguarded(equation) if other is index]
        whole = [place for place, form in reads if form.index is not None and (index, place) not in free]
        longer = frozenset(place for other, place in free if other is index)
        kept = (ranged for other, place, _, ranged in unguarded(equation) if other is index and place in longer)
        if isinstance(equation.name, Partial) and all(kept):
            continue  # its name says how far it runs
        inside = [form for place, form in reads if place in longer]
        if index in stated:
            found.append(InPart(index, stated[index], longer))
        elif len(longer) == 1 and all(len(form.terms) == 1 and form.terms[0][1] == 1 for form in inside):
            room = affine((Extent(Index(*longer)), 1), constant=-max(form.constant for form in inside))
            found.append(InPart(index, room, longer))
        elif whole:
            found.append(InPart(index, affine((Extent(Index(whole[0])), 1)), longer))
    for index in equation.indices:
        forms: dict[str, list[Affine]] = {}
        for other, place, form, _ in unguarded(equation):
            if other is index:
                forms.setdefault(place, []).append(form)
        if index in stated or len(forms) != 1 or not is_axis(index.dim):
            continue
        ((place, shifts),) = forms.items()
        shifted = all(form.index is None for form in shifts)
        if shifted and (left := room_inside(index, place, shifts)) is not None:
            found.append(InPart(index, left, frozenset(forms), by_shifts=True))
    return found


def stated_extents(expr: Expr, where: Iterable[tuple[Index, Affine] | InPart]) -> Expr:
    """The expression with the extents that no axis has as what ``where |R| = 2`` states."""
    told = [each for each in where if not isinstance(each, InPart)]
    forms = {index.dim: form for index, form in told if not is_axis(index.dim)}
    if not forms:
        return expr

    def rule(node: Node, children: tuple[Node, ...]) -> Node:
        if isinstance(node, Extent) and node.index.dim in forms:
            return as_number(forms[node.index.dim])
        if isinstance(node, Affine):
            atoms = zip(node.terms, children, strict=True)
            parts = [
                (forms[old.index.dim] if isinstance(old, Extent) and old.index.dim in forms else new, k)
                for (old, k), new in atoms
            ]
            return affine(*parts, constant=node.constant)
        return node.over(children)

    return fold(expr, rule)


def axes_of_derivative(name: Name, rank: int, ranks: dict[Name, int]) -> tuple[str, ...]:
    """The axes that the axes of a derivative are equal to: those of ``X`` for ``dX``, of Z then X for ``dZ/dX``."""
    if isinstance(name, Partial):
        parts = ((name.of, name.rank), *name.wrt)
        return tuple(axis(tensor, k) for tensor, own in parts for k in range(own))
    if name.startswith("d") and ranks.get(name[1:]) == rank:
        return tuple(axis(name[1:], k) for k in range(rank))
    return ()


def _ranks(equations: tuple[Equation, ...]) -> dict[Name, int]:
    ranks: dict[Name, int] = {}
    for equation in equations:
        for name, rank in ((equation.name, len(equation.indices)), *accesses(equation.rhs)):
            if ranks.setdefault(name, rank) != rank:
                raise ProgramError(
                    f"{name} has {rank} slots here and {ranks[name]} elsewhere",
                    **at(equation, name),
                    inferred=f"elsewhere: {_other_reader(equations, name, ranks[name])}",
                    repair=f"write {name} with the same number of indices everywhere",
                )
    return ranks


def _other_reader(equations: tuple[Equation, ...], name: Name, rank: int) -> Equation:
    return next(e for e in equations if (name, rank) in ((e.name, len(e.indices)), *accesses(e.rhs)))


def _in_order(
    given: tuple[Equation, ...], defined: dict[Name, Equation], reads_of: dict[Name, tuple[Name, ...]]
) -> tuple[Equation, ...]:
    """Depth first over what is read, iteratively; an equation met again while it is still open closes a cycle."""
    done: dict[Name, Equation] = {}
    for root in given:
        if root.name in done:
            continue
        open_now: dict[Name, None] = {}
        stack: list[tuple[Name, bool]] = [(root.name, False)]
        while stack:
            name, finished = stack.pop()
            if finished:
                del open_now[name]
                done[name] = defined[name]
            elif name in open_now:
                around = [*list(open_now)[list(open_now).index(name) :], name]
                if any(read not in tensors(defined[by].rhs) for by, read in pairwise(around)):  # its size alone
                    return _in_order(given, defined, {e.name: tuple(tensors(e.rhs)) for e in given})
                raise ProgramError(
                    "the equations form a cycle: " + " reads ".join(str(n) for n in around),
                    **at(defined[name], around[1]),
                    inferred=[str(defined[n]) for n in around[:-1] if n != name],
                    repair="give the result another name than the tensor it is computed from",
                )
            elif name not in done:
                open_now[name] = None
                stack.append((name, True))
                stack.extend((n, False) for n in reversed(reads_of[name]) if n in defined and n not in done)
    return tuple(done.values())
