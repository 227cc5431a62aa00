"""Reads that do not tell a range, as ``sum[I](x[mod(I+1,|x.0|)])``: a claim is wrong only if it is for each range.

A sum over such a range has no value, and whoever runs it is asked for the extent.  What differs at some ranges and
agrees at others says that the claim has to state one, as that of an axis where that makes both sides equal.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product

from einstan.calculus.program import Program, extents_told
from einstan.language.dims import axis, is_axis
from einstan.language.errors import EinstanError
from einstan.language.index import Affine, Index, affine, lowered
from einstan.language.node import preorder
from einstan.language.term import Extent, Indexed, Name, bound_indices
from einstan.machine.evidence.counterexamples import Found, difference
from einstan.machine.points.points import BOTH, LEFT, RIGHT, largest_loop, small_sizes, undetermined
from einstan.machine.points.sampling import Sampler
from einstan.machine.sizes.inference import infer

BEYOND = 2  # how much longer than all axes a range is tried
SAME = (1, 2, 3)  # ranges that indices have together of which no tensor is read
RANGES, LARGEST_LOOP = 200, 20_000  # that are tried, and steps of each
POINTS = 3  # at which a range as long as an axis has to do


@dataclass(frozen=True)
class Untold:
    """An index of a definition, or of the claim where it is of ``None``, whose range nothing tells, and a length for
    which the sides are equal whatever the axes are; dots where none is found."""

    of: Name | None
    index: Index
    length: str


def ranges_that_do(program: Program, sampler: Sampler, found: Found) -> tuple[Untold, ...]:
    """The ranges that nothing tells, if a difference that was found is none at some of them."""
    owners, counted = _untold(program)
    dims = [dim for dim in owners if dim in found.sizes]
    if not dims:
        return ()
    if counted:  # what is equal at one range may be so by chance
        same = [dict.fromkeys(dims, size) for size in SAME]
        looks = [_agree(program, sampler, {**found.sizes, **own}, found) for own in same]
        lengths = same[-1] if looks[-1] and False not in looks else None
    else:
        alike = (own for own in _others(owners, found, dims) if _agree(program, sampler, {**found.sizes, **own}, found))
        lengths = next(alike, None)
    if lengths is None:
        return ()
    known = [form for form in _lengths(program, found) if not any(index.dim in dims for index in _sized(form))]
    choices = product(known, repeat=len(dims)) if len(known) ** len(dims) <= RANGES else ()
    named = (dict(zip(dims, chosen, strict=True)) for chosen in choices)
    numbers = {dim: Affine((), size) for dim, size in lengths.items()}
    do = next((own for own in (*named, numbers) if _always_agree(program, sampler, own)), {})
    return tuple(Untold(*owners[dim], str(do[dim]) if dim in do else "...") for dim in dims)


def _untold(program: Program) -> tuple[dict[str, tuple[Name | None, Index]], bool]:
    """The dimensions of bound indices and of what is defined that nothing tells, not even what is read along them, each
    with an equation and its index.  Of what no tensor is read by, as in ``sum[I](1) = |I|``, every range is meant,
    unless a definition has such an index too, ``L = sum[B](sum[J](1[J <= B] h[J])^2)``, or what is derived of it;
    whether it has comes second."""
    given = dict.fromkeys(program.dims.find(axis(n, k)) for n, rank in program.inputs.items() for k in range(rank))
    open_dims = set(undetermined(program, given))
    free = {program.dim(program[LEFT], index) for index in program[LEFT].indices}
    definitions = {e.name for e in program if e.name not in (LEFT, RIGHT, BOTH) and " " not in str(e.name)}
    read = {e.name: {i for n in preorder(e.rhs) if isinstance(n, Indexed) for i in n.free} for e in program}
    only = {e.name: {i.name: program.dim(e, i) for i in {*bound_indices(e.rhs)} - read[e.name]} for e in program}
    left, right = only[LEFT], only[RIGHT]
    derived = any(left[letter] != right[letter] and left[letter] in open_dims for letter in left.keys() & right.keys())
    counted = derived or any(open_dims.intersection(only[name].values()) for name in definitions)
    found: dict[str, tuple[Name | None, Index]] = {}
    for equation in program if open_dims else ():
        own = equation.name in definitions
        every = dict.fromkeys((*(equation.indices if own else ()), *bound_indices(equation.rhs)))
        for index in every if counted else read[equation.name].intersection(every):
            dim = program.dim(equation, index)
            if dim in open_dims and (own or (dim not in free and (":" in dim or not is_axis(dim)))):
                found.setdefault(dim, (equation.name if own else None, index))
    return found, counted


def _lengths(program: Program, found: Found) -> list[Affine]:
    """What a person can write as a length: the axes, first those that the sides speak of, and what is stated."""
    named = [dim for dim in found.extents.known if is_axis(dim) and dim.rpartition(".")[0] in map(str, program.ranks)]
    sides = (program[LEFT], program[RIGHT])
    spoken = {program.dim(e, n.index) for e in sides for n in preorder(e.rhs) if isinstance(n, Extent)}
    axes = sorted((dim for dim in named if " " not in dim and ":" not in dim), key=lambda dim: dim not in spoken)
    told = (form for e in program.resolved_all() for _, form in (*e.where, *extents_told(e)))
    stated = dict.fromkeys(form for form in told if all(isinstance(atom, Extent) for atom, _ in form.terms))
    return [*(affine((Extent(Index(dim)), 1)) for dim in axes), *stated]


def _sized(form: Affine) -> list[Index]:
    return [atom.index for atom, _ in form.terms if isinstance(atom, Extent)]


def _others(
    owners: Mapping[str, tuple[Name | None, Index]], found: Found, dims: Sequence[str]
) -> Iterator[dict[str, int]]:
    """Other ranges, all that are not far longer than the axes; 1 is none for what may be a matrix."""
    longest = max(found.sizes.values()) + BEYOND
    lengths = [range(2 if owners[dim][1].name == lowered(owners[dim][1].name) else 1, longest + 1) for dim in dims]
    yield from (dict(zip(dims, chosen, strict=True)) for chosen in islice(product(*lengths), RANGES))


def _agree(program: Program, sampler: Sampler, sizes: Mapping[str, int], found: Found | None = None) -> bool | None:
    """Whether the sides are equal where the sizes are so, at a point that was found and at others; None where they have
    no value."""
    try:
        extents = infer(program, {}, sizes)
    except EinstanError:
        return None
    if largest_loop(extents) > LARGEST_LOOP:
        return None
    if found is not None:
        shapes = [tensor.shape == extents.shape(name) for name, tensor in found.point.items()]
        values = sampler.values(found.point, extents) if all(shapes) else None
        if values is None or difference(values) is not None:
            return False
    points = [drawn for _ in range(POINTS) if (drawn := sampler.point(extents)) is not None]
    return all(difference(values) is None for _, values in points) if points else None


def _always_agree(program: Program, sampler: Sampler, lengths: Mapping[str, Affine]) -> bool:
    """Whether the sides are equal where ranges have some lengths."""
    agreed = []
    for sizes in islice(small_sizes(program, 5, POINTS, random.Random(0)), 1, 1 + 2 * POINTS):
        try:
            extents = infer(program, {}, {dim: size for dim, size in sizes.items() if dim not in lengths}, nominal=2)
        except EinstanError:
            continue
        own = {dim: extents.worth(form) for dim, form in lengths.items()}
        agreed.append(_agree(program, sampler, {**sizes, **own}) if min(own.values()) > 0 else None)
    return True in agreed and False not in agreed
