"""Passes and partials that are read alone: what no line of theirs tells of extents, they state.

``df[i,k] = w[i]`` has the axes of f.  Where the lines around it read no f, a reader of the text cannot know |k|; a
direction ``ta`` that they do read may have an axis of that length: ``df[i,k] = w[i] where |k| = |ta.1|``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from einstan.calculus.program import Program
from einstan.language.dims import axis, is_whole, unguarded, unguarded_quotients
from einstan.language.index import Affine, affine
from einstan.language.term import Equation, Extent, Index, Name

_DERIVED = re.compile(r"^(?:t\d*)?d?(?=.)")  # the gradient, the tangent, or the tangent of the gradient


def told_alone(whole: Program, forward: Program) -> tuple[Equation, ...]:
    """The equations of a pass and of what it needs, each saying how far an index of its left side runs that no input
    and no other line tells."""
    origin = {name: found for name in whole.ranks if (found := _origin(name, forward, whole.ranks[name])) is not None}
    stated = {
        whole.dim(e, index) for e in whole.equations for index, form in e.where if not _is_own(whole, e, index, form)
    }
    told = {whole.dims.find(axis(name, k)) for name, rank in whole.inputs.items() for k in range(rank)} | stated
    made: list[Equation] = []
    for equation in whole.equations:
        where = list(equation.where)
        for k, index in enumerate(equation.indices):
            dim = whole.dim(equation, index)
            derived = origin.get(equation.name, equation.name) != equation.name
            if dim not in told and (derived or _is_open(equation, index)):
                own = forward.dims.find(axis(origin[equation.name], k)) if equation.name in origin else None
                speaker = next(_speakers(whole, forward, origin, own), None)
                if speaker is not None:
                    where.append((index, affine((Extent(Index(speaker)), 1))))
                    told.add(dim)
        changed = len(where) > len(equation.where)
        made.append(Equation(equation.name, equation.indices, equation.rhs, tuple(where)) if changed else equation)
    return tuple(made)


def _is_own(whole: Program, equation: Equation, index: Index, form: Affine) -> bool:
    """Whether an extent is stated by that of an axis which is known to be as long, and so tells nothing."""
    return is_whole(form) and whole.dim(equation, form.terms[0][0].index) == whole.dim(equation, index)


def _is_open(equation: Equation, index: Index) -> bool:
    """Whether nothing that an equation reads bounds an index, ``y[i] = pad(x[i-1])``: a line that reads y may."""
    held = (*unguarded(equation), *unguarded_quotients(equation))
    return all(kept for other, _, _, kept in held if other is index)


def _origin(name: Name, forward: Program, rank: int) -> Name | None:
    """The tensor of the forward program that a derived one has the axes of; of any other the tensor itself."""
    known = name if name in forward.ranks else None
    if not isinstance(name, str) or name in forward.inputs:  # an input that is called tx is no tangent
        return known
    found = _DERIVED.sub("", name)
    return found if forward.ranks.get(found) == rank else known


def _speakers(whole: Program, forward: Program, origin: Mapping[Name, Name], dim: str | None) -> Iterator[str]:
    """The axes of inputs that are as long as a dimension of the forward program."""
    for name, rank in whole.inputs.items():
        for k in range(rank if name in origin else 0):
            if forward.dims.find(axis(origin[name], k)) == dim:
                yield axis(name, k)
