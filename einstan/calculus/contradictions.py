"""Comparisons of indices and extents that contradict each other, or how far the indices run.

Where ``d[i] = x[i+1] - x[i]``, the extent of d is ``|x.0| - 1``, so ``1[p-1 >= |d.0|]`` of an index p of x is never 1.
Such comparisons are linear: unknowns are put together until none is left (Fourier and Motzkin), and what is said then
of a number is true or not.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from fractions import Fraction
from itertools import pairwise, product

from einstan.calculus.program import Program, extents_in_part, extents_told, prefix
from einstan.calculus.tidied import worth
from einstan.language.dims import qualified
from einstan.language.effort import spend
from einstan.language.index import Index
from einstan.language.node import Node
from einstan.language.term import Delta, Equation, Expr, Iverson

MOST = 200  # forms at a time, above which no contradiction is looked for
Form = Mapping[Index | str | None, Fraction]  # a sum of indices, extents by their dimensions, and a number


class Lengths:
    """What the equations of a program say of the extents of each other."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.clash = ""  # why no extents are so
        self.known = list(self._told())

    def _told(self) -> Iterator[Form]:
        """Forms that are zero."""
        find = self.program.dims.find
        for given, equation in zip(self.program.equations, self.program.resolved_all(), strict=True):
            parts = [(part.index, part.extent) for part in extents_in_part(equation)]
            for index, extent in dict.fromkeys((*equation.where, *extents_told(equation), *parts)):
                if (form := worth(extent)) is None:
                    continue
                zero = _minus(self._named(form), {find(index.dim): Fraction(1)})
                if not self.clash and not any(k for atom, k in zero.items() if atom) and zero.get(None):
                    self.clash = f"|{index.name}| is {extent} in {given}, and one index runs over both axes"
                yield zero

    def completed(self, sizes: Mapping[str, int], dims: Collection[str]) -> dict[str, int]:
        """The sizes with those of other dimensions, as far as they follow from these."""
        found = dict(sizes)
        while (solved := next(self._solved(found), None)) is not None:
            found |= solved
        return {dim: size for dim, size in found.items() if dim in sizes or (dim in dims and size > 0)}

    def _solved(self, known: Mapping[str, int]) -> Iterator[dict[str, int]]:
        """One more dimension, of which a form says how long it is."""
        for form in self.known:
            unknown = [atom for atom, k in form.items() if isinstance(atom, str) and k and atom not in known]
            if len(unknown) == 1 and not any(isinstance(atom, Index) for atom in form):
                (dim,) = unknown
                rest = sum(k * known[atom] for atom, k in form.items() if isinstance(atom, str) and k and atom != dim)
                yield {dim: int(-(rest + form.get(None, 0)) / form[dim])}

    def never(self, equation: Equation, brackets: Iterable[Expr]) -> bool:
        """Whether no values of the indices of an equation make all these brackets 1, no axis being empty."""
        forms = [form for bracket in brackets for form in self._not_negative(equation, bracket)]
        for index in {atom for form in forms for atom in form if isinstance(atom, Index)}:
            extent = self.program.dim(equation, index)
            forms += [{index: Fraction(1)}, {extent: Fraction(1), index: Fraction(-1), None: Fraction(-1)}]
        about = {atom for form in forms for atom in form if isinstance(atom, str)}
        for form in self._about(about):
            forms += [form, _minus({}, form)]
        dims = {atom for form in forms for atom in form if isinstance(atom, str)}
        forms += [{dim: Fraction(1), None: Fraction(-1)} for dim in dims]
        return contradict(forms)

    def _about(self, dims: set[str]) -> list[Form]:
        """What is known of some extents, and of those that it ties them to."""
        found: list[Form] = []
        while more := [f for f in self.known if f not in found and not dims.isdisjoint(f)]:
            found += more
            dims = dims.union(atom for form in more for atom in form if isinstance(atom, str))
        return found

    def _not_negative(self, equation: Equation, bracket: Expr) -> Iterator[Form]:
        """What is not negative where a bracket of indices is 1."""
        match bracket:
            case Delta(left=left, right=right):
                yield from self._compared(equation, left, "==", right)
            case Iverson(operands=operands, relations=relations):
                for (one, other), relation in zip(pairwise(operands), relations, strict=False):
                    yield from self._compared(equation, one, relation, other)

    def _compared(self, equation: Equation, left: Node, relation: str, right: Node) -> Iterator[Form]:
        below, above = worth(left), worth(right)
        if relation in (">", ">="):
            below, above, relation = above, below, relation.replace(">", "<")
        if below is None or above is None or relation == "!=":
            return
        gap = _minus(self._named(above, equation), self._named(below, equation))
        if relation == "<" and all(k.denominator == 1 for k in gap.values()):
            gap[None] = gap.get(None, Fraction(0)) - 1
        yield gap
        if relation == "==":
            yield _minus({}, gap)

    def _named(self, form: Form, equation: Equation | None = None) -> Form:
        """The form with extents by the dimensions of the program."""
        found: dict[Index | str | None, Fraction] = {}
        for atom, k in form.items():
            own: Index | str | None = atom
            if isinstance(atom, str):
                own = self.program.dims.find(qualified(atom, prefix(equation)) if equation is not None else atom)
            found[own] = found.get(own, Fraction(0)) + k
        return found


def contradict(forms: Iterable[Form]) -> bool:
    """Whether no numbers make each of some forms not negative."""
    rest = set(map(_primitive, forms))
    while len(rest) <= MOST:
        if any(all(atom is None and k < 0 for atom, k in form) for form in rest if form):
            return True
        unknown = {atom for form in rest for atom, _ in form if atom is not None}
        sides = [
            (
                atom,
                [form for form in rest if dict(form).get(atom, 0) > 0],
                [form for form in rest if dict(form).get(atom, 0) < 0],
            )
            for atom in unknown
        ]
        if not sides:
            return False
        atom, above, below = min(sides, key=lambda own: (len(own[1]) * len(own[2]), str(own[0])))
        spend(len(above) * len(below))
        rest = rest.difference(above, below)
        rest |= {_without(atom, dict(one), dict(other)) for one, other in product(above, below)}
    return False


def _without(atom: Index | str | None, above: Form, below: Form) -> frozenset[tuple[Index | str | None, Fraction]]:
    """What two forms, in which an unknown has opposite signs, say of the others."""
    k, m = above[atom], -below[atom]
    total = {own: above.get(own, Fraction(0)) * m + below.get(own, Fraction(0)) * k for own in {**above, **below}}
    return _primitive(total)


def _primitive(form: Form) -> frozenset[tuple[Index | str | None, Fraction]]:
    """A form up to a positive factor."""
    size = max((abs(k) for k in form.values()), default=Fraction(1)) or Fraction(1)
    return frozenset((atom, k / size) for atom, k in form.items() if k)


def _minus(form: Form, other: Form) -> dict[Index | str | None, Fraction]:
    return {atom: form.get(atom, Fraction(0)) - other.get(atom, Fraction(0)) for atom in {**form, **other}}
