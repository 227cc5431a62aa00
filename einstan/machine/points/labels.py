"""Labels: tensors that stand in slots or are compared with indices, and the whole numbers that they hold.

What stands in a slot is a label of that axis wherever the tensor is read: ``x[T[n]]`` says that T holds 0 to |x| - 1,
``x[T[n]+1]`` that it holds -1 to |x| - 2.  A read that brackets guard says so much less: beyond is 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from einstan.calculus.program import Program, prefix
from einstan.language.dims import axis, qualified
from einstan.language.index import Affine, affine
from einstan.language.node import Node, preorder
from einstan.language.term import Delta, Equation, Expr, Indexed, Iverson, Mul, Name, tensors
from einstan.machine.points.structures import Fact
from einstan.machine.sizes.extents import Extents, highest
from einstan.machine.sizes.guards import index_tensors

BEYOND = 2  # labels on either side of those of an axis, where reads are guarded
FEW = 2  # labels of which nothing is known


@dataclass(frozen=True)
class Use:
    """A tensor in a slot: ``times`` an entry of it, and the rest of the form; whether brackets keep the slot inside."""

    equation: Equation
    place: str
    times: int
    rest: Affine
    guarded: bool

    def ends(self, extents: Extents) -> tuple[int, int] | None:
        """Between which labels every read is inside; None where that rests on other labels."""
        size = extents.known[extents.program.dims.find(self.place)]
        high, low = (highest(extents, self.equation, affine((self.rest, k))) for k in (1, -1))
        if high is None or low is None:
            return None
        bottom, top = low[1], size - 1 - high[1]
        if self.times < 0:
            bottom, top = -top, -bottom
        k = abs(self.times)
        return -(-bottom // k), top // k


class Labels:
    """The tensors of a program that hold labels, and those that inequalities compare with indices."""

    def __init__(self, program: Program, facts: Mapping[Name, Sequence[Fact]]) -> None:
        self.facts = facts
        self.uses: dict[Name, list[Use]] = {name: [] for name in index_tensors(program.equations)}
        for equation in program.equations if self.uses else ():
            self._learn(equation)
        self.compared = compared_with_indices(program, equal=True)
        unequal = compared_with_indices(program, equal=False)
        self.names = self.uses.keys() | self.compared.keys()
        self.beside = {name: dims for name, dims in unequal.items() if name not in self.names}

    def _learn(self, equation: Equation) -> None:
        for access, compared in _reads(equation.rhs):
            for k, form in enumerate(access.slots):
                for atom, times in form.terms:
                    if isinstance(atom, Indexed):
                        rest = affine((form, 1), (atom, -times))
                        use = Use(equation, axis(access.tensor, k), times, rest, atom.tensor in compared)
                        self.uses[atom.tensor].append(use)

    @property
    def guarding(self) -> set[Name]:
        """What reads labels under brackets that say which of them: only its loops tell whether all is inside."""
        return {use.equation.name for uses in self.uses.values() for use in uses if use.guarded}

    def between(self, name: Name, extents: Extents) -> tuple[int, int]:
        """The smallest and the largest label of a tensor; the largest is less where there is none."""
        open_ends = [(use.guarded, ends) for use in self.uses.get(name, ()) if (ends := use.ends(extents)) is not None]
        inside = [ends for guarded, ends in open_ends if not guarded]
        if inside:
            low, high = max(low for low, _ in inside), min(high for _, high in inside)
        elif open_ends:
            low, high = min(e[0] for _, e in open_ends) - BEYOND, max(e[1] for _, e in open_ends) + BEYOND
        elif self.uses.get(name):
            low, high = 0, min(extents.known[extents.program.dims.find(use.place)] for use in self.uses[name]) - 1
        else:
            sizes = [extents.known[dim] for dim in self.compared.get(name, ()) if dim in extents.known]
            low, high = (-1, min(sizes)) if sizes else (0, FEW - 1)
        for own in self.facts.get(name, ()):
            if own.kind == "range":
                low, high = _within(own, low, high)
            elif own.dim in extents.known:
                low, high = max(low, 0), min(high, extents.known[own.dim] - 1)
        return low, high

    def tops(self, name: Name) -> list[str]:
        """The axes of which a tensor holds nothing but labels, from 0 on."""
        return [u.place for u in self.uses.get(name, ()) if not u.guarded and u.times == 1 and not u.rest.terms
                and u.rest.constant == 0]  # fmt: skip


def _reads(rhs: Expr) -> Iterator[tuple[Indexed, frozenset[Name]]]:
    """Every access, and the tensors that the brackets compare of the products in which it stands."""
    seen: set[tuple[Node, frozenset[Name]]] = set()
    waiting: list[tuple[Node, frozenset[Name]]] = [(rhs, frozenset())]
    while waiting:
        node, compared = entry = waiting.pop()
        if entry in seen:
            continue
        seen.add(entry)
        if isinstance(node, Indexed):
            yield node, compared
        brackets = [f for f in node.factors if isinstance(f, Iverson | Delta)] if isinstance(node, Mul) else []
        inner = compared.union(*map(tensors, brackets)) if brackets else compared
        waiting += [(child, compared if child in brackets else inner) for child in node.children]


def _within(own: Fact, low: int, high: int) -> tuple[int, int]:
    (bottom, top), (at_bottom, at_top) = own.numbers, own.closed
    if bottom is not None:
        low = max(low, math.ceil(bottom) if at_bottom else math.floor(bottom) + 1)
    if top is not None:
        high = min(high, math.floor(top) if at_top else math.ceil(top) - 1)
    return low, high


def compared_with_indices(program: Program, equal: bool) -> dict[Name, list[str]]:
    """For tensors in ``1[y[n] == K]``, or in ``1[y[n] < K]``, the dimensions of the indices that they are compared
    with."""
    found: dict[Name, list[str]] = {}
    for equation in program.equations:
        for node in preorder(equation.rhs):
            if not isinstance(node, Delta | Iverson) or (_tells_labels(node) != equal):
                continue
            forms = [form for form in node.children if isinstance(form, Affine)]
            for form in forms:
                if form.index is not None:
                    dim = program.dims.find(qualified(form.index.dim, prefix(equation)))
                    for name in _compared(node, forms):
                        found.setdefault(name, []).append(dim)
    return found


def _tells_labels(node: Delta | Iverson) -> bool:
    return isinstance(node, Delta) or not {"==", "!="}.isdisjoint(node.relations)


def _compared(node: Delta | Iverson, forms: Iterable[Affine]) -> list[Name]:
    parts = (*node.children, *(atom for form in forms for atom, _ in form.terms))
    return [part.tensor for part in parts if isinstance(part, Indexed)]
