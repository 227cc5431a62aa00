"""Bands read off shifted deltas and reads: a core as a sum of ``links × factors``.

    δ[i+1,p] c[i]                      c[i]           0 <= i + 1 - p < 1
    pad(w[p-2i])                       w[r]           0 <= r - p + 2i < 1
    pad(w[p-I]) D[I] pad(w[q-I])       w[r] D[I] w[s] 0 <= r - p + I < 1,  0 <= s - q + I < 1

A *link* says that a form of indices lies in a range; one of length 1 is an equation.  So a Toeplitz matrix is one
vector, and a banded one its diagonals.  Only what ties two indices of the tensor is linked: a vector ``x[p-1]``, or a
contraction ``x[i+J] w[J]``, is an array like any other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from fractions import Fraction

from einstan.calculus.delta import plain_pair, ranges_implied
from einstan.calculus.factors import flattened
from einstan.calculus.finite import NONE
from einstan.calculus.simplify import simplify, simplify_product, simplify_sum
from einstan.calculus.structure import opened, outer_factors
from einstan.language.dims import axis
from einstan.language.index import Affine, Index, affine, fresh_name, slot
from einstan.language.node import Node, preorder, rewrite
from einstan.language.term import Delta, Expr, Extent, Indexed, Iverson, Name, Reduce, Sum

ONE_VALUE = Affine((), 1)


@dataclass(frozen=True)
class Link:
    """``0 <= form < extent``: a form of indices and extents, and a form of extents.

    ``access`` is what is read there, in which slot, where nothing but the range of the indices keeps it inside.
    """

    form: Affine
    extent: Affine
    access: tuple[Indexed, int] | None = None


@dataclass(frozen=True)
class Linked:
    """``scale`` times the factors where every link holds, zero elsewhere; summed over what is not free."""

    factors: tuple[Expr, ...]
    links: tuple[Link, ...] = ()
    scale: Fraction = Fraction(1)

    @property
    def indices(self) -> tuple[Index, ...]:
        """All that its links hold, and all that its factors vary with."""
        held = (index for link in self.links for index in _indices(link.form))
        return tuple(dict.fromkeys((*held, *(index for factor in self.factors for index in factor.free))))


def linked(
    core: Expr,
    free: Sequence[Index],
    dim: Callable[[str], str] = str,
    sizes: Mapping[str, int] | None = None,
    infinite: AbstractSet[Name] = NONE,
) -> list[Linked]:
    """A core, free of plain deltas, as one term for each way in which shifts tie its free indices.

    ``dim`` gives the dimension of an axis, for the indices that stand for what is read.  What is tied through a summed
    index alone stays apart where, for these ``sizes``, the factors are smaller than their product.
    """
    plain: list[Expr] = []
    found: list[Linked] = []
    for term in opened(core, lambda factor: _ties(factor, free)):
        made = _linked(term, free, dim, sizes or {})
        plain.append(term) if made is None else found.append(made)
    if plain:
        rest = core if not found else simplify_sum(plain)
        found.insert(0, Linked(outer_factors(rest, infinite)))
    return found


def _linked(term: Expr, free: Sequence[Index], dim: Callable[[str], str], sizes: Mapping[str, int]) -> Linked | None:
    coefficient, flat, summed = flattened((term,))
    forms = dict.fromkeys(form for factor in flat for form in _forms(factor))
    for chosen in (forms, [form for form in forms if set(summed).isdisjoint(_indices(form))]):
        tying = _tying(chosen, free)
        found = _apart(coefficient, flat, summed, tying, free, dim) if tying else None
        through = {index for form in tying for index in _indices(form)}
        if found is not None and (through.isdisjoint(summed) or _is_smaller(found, through, free, sizes)):
            return found
    return None


def _is_smaller(term: Linked, through: set[Index], free: Sequence[Index], sizes: Mapping[str, int]) -> bool:
    """Whether the factors have fewer entries along what is tied than a product over the free indices would have."""
    read = {index for index in term.indices if index not in free} | through
    held = [[index.dim for index in factor.free if index in read] for factor in term.factors]
    dense = [index.dim for index in through if index in free]
    if any(dim not in sizes for dims in (dense, *held) for dim in dims):
        return False
    return sum(math.prod(map(sizes.__getitem__, dims)) for dims in held) <= math.prod(map(sizes.__getitem__, dense))


def _apart(
    coefficient: Fraction,
    flat: Sequence[Expr],
    summed: Sequence[Index],
    tying: set[Affine],
    free: Sequence[Index],
    dim: Callable[[str], str],
) -> Linked:
    links: list[Link] = []
    guards: list[tuple[Link, Expr]] = []
    factors: list[Expr] = []
    taken = {i.name for i in (*free, *summed)}
    reads: dict[tuple[Affine, str], Index] = {}  # equal reads of one axis are one index

    bare = not any(isinstance(factor, Delta | Iverson) for factor in flat)

    def read(node: Node) -> Node:
        if not isinstance(node, Indexed):
            return node
        slots = list(node.slots)
        for k, form in enumerate(slots):
            if form in tying:
                key = form, dim(axis(node.tensor, k))
                if key not in reads:
                    reads[key] = Index(fresh_name("x", taken), key[1])
                    taken.add(reads[key].name)
                    links.append(Link(affine((form, 1), (reads[key], -1)), ONE_VALUE, (node, k) if bare else None))
                slots[k] = slot(reads[key])
        return Indexed(node.tensor, tuple(slots))

    for factor in flat:
        if isinstance(factor, Delta) and _difference(factor) in tying:
            links.append(Link(_difference(factor), ONE_VALUE))
        elif (guard := _guard(factor)) is not None:
            guards.append((guard, factor))
        else:
            factors.append(rewrite(factor, read) if _is_open(factor) else factor)
    kept = [bracket for _, bracket in guards] + [bracket for factor in flat for bracket in _implied(factor)]
    kept += [bracket for guard, _ in guards for factor in flat for bracket in _carried(guard, factor)]
    for k, factor in enumerate(factors):  # what may not exist elsewhere keeps its bracket
        if not _is_entry(factor, dim):
            factors[k] = simplify_product((*(b for b in kept if set(b.free) <= set(factor.free)), factor))
    for guard, _ in guards:
        if not any(form is guard.form and _is_extent(guard.extent, own) for form, own in reads):
            links.append(guard)
    held = {i for link in links for i in _indices(link.form)}
    inner = [i for i in summed if i not in held]  # contracted beforehand, where nothing that a link holds is summed
    made = _clusters(factors, inner)
    present = {i for factor in made for i in factor.free}
    links += [Link(slot(i), affine((Extent(i), 1))) for i in summed if i in held and i not in present]
    return Linked(tuple(made), tuple(links), coefficient)


def _tying(forms: Iterable[Affine], free: Sequence[Index]) -> set[Affine]:
    """The forms that tie two of the free indices, by themselves or through an index that is summed."""
    groups: list[tuple[set[Index], set[Affine]]] = []
    for form in forms:
        indices, own = set(_indices(form)), {form}
        for group in [group for group in groups if not group[0].isdisjoint(indices)]:
            groups.remove(group)
            indices, own = indices | group[0], own | group[1]
        groups.append((indices, own))
    return {form for indices, own in groups if len(indices.intersection(free)) > 1 for form in own}


def _forms(factor: Expr) -> Iterable[Affine]:
    """The forms of two indices or more that could be links: of a delta, or in the slots of what is read."""
    if isinstance(factor, Delta):
        found = [] if plain_pair(factor) is not None else [_difference(factor)]
    elif not _is_open(factor):
        found = []
    else:
        bound = {i for node in preorder(factor) if isinstance(node, Sum | Reduce) for i in node.indices}
        read = (form for node in preorder(factor) if isinstance(node, Indexed) for form in node.slots)
        found = [form for form in read if bound.isdisjoint(_indices(form))]
    return [form for form in found if len(_indices(form)) > 1]


def _implied(delta: Expr) -> list[Expr]:
    """The ranges in which a delta keeps what reads there: of two indices alone each has its own."""
    return ranges_implied(delta) if isinstance(delta, Delta) and plain_pair(delta) is None else []


def _carried(guard: Link, delta: Expr) -> Iterator[Expr]:
    """``δ[p-1,q-1]`` says of p what a bracket says of q."""
    if not isinstance(delta, Delta) or plain_pair(delta) is not None:
        return
    equal, own = dict(_difference(delta).terms), dict(guard.form.terms)
    for index in _indices(_difference(delta)):
        times = Fraction(own.get(index, 0)) / equal[index]
        if times and times.denominator == 1:
            form = affine((guard.form, 1), (_difference(delta), -int(times)))
            yield Iverson((Affine((), 0), form, guard.extent), ("<=", "<"))


def _is_open(factor: Expr) -> bool:
    """Whether everything that a factor reads exists wherever the factor does: no bracket stands in it."""
    return not any(isinstance(node, Delta | Iverson) for node in preorder(factor))


def _is_entry(factor: Expr, dim: Callable[[str], str]) -> bool:
    """Whether a factor reads one entry, for each value of indices that run over the axes of what is read."""
    return isinstance(factor, Indexed) and all(
        form.index is not None and dim(form.index.dim) == dim(axis(factor.tensor, k))
        for k, form in enumerate(factor.slots)
    )


def _ties(factor: Expr, free: Sequence[Index]) -> bool:
    """Whether a factor by itself ties two free indices."""
    return any(sum(i in free for i in _indices(form)) > 1 for form in _forms(factor))


def _difference(delta: Delta) -> Affine:
    return affine((delta.left, 1), (delta.right, -1))


def _indices(form: Affine) -> list[Index]:
    """The indices of a form of indices and extents; none where it holds anything else."""
    own = [atom for atom, _ in form.terms if isinstance(atom, Index)]
    others = [atom for atom, _ in form.terms if not isinstance(atom, Index | Extent)]
    return [] if others else own


def _guard(factor: Expr) -> Link | None:
    """``1[0 <= form < extent]`` of indices and extents."""
    if not (isinstance(factor, Iverson) and factor.relations == ("<=", "<")):
        return None
    low, form, high = factor.operands
    if not (isinstance(low, Affine) and isinstance(form, Affine) and isinstance(high, Affine)):
        return None
    if low.terms or low.constant or not _indices(form) or any(not isinstance(atom, Extent) for atom, _ in high.terms):
        return None
    return Link(form, high)


def _is_extent(form: Affine, dim: str) -> bool:
    """Whether a form is the extent of a dimension."""
    if form.constant or len(form.terms) != 1 or form.terms[0][1] != 1:
        return False
    atom = form.terms[0][0]
    return isinstance(atom, Extent) and atom.index.dim == dim


def _clusters(factors: Sequence[Expr], inner: Sequence[Index]) -> list[Expr]:
    """Factors that share an index which is summed are one array; others stay apart."""
    clusters: list[list[Expr]] = []
    for factor in factors:
        shared = [c for c in clusters if any(i in factor.free and i in f.free for f in c for i in inner)]
        clusters = [c for c in clusters if c not in shared]
        clusters.append([f for c in shared for f in c] + [factor])
    made = [simplify_product(c, [i for i in inner if any(i in f.free for f in c)]) for c in clusters]
    made.sort(key=lambda part: -len(part.free))
    found: list[list[Expr]] = []
    for part in made:
        home = next((group for group in reversed(found) if set(part.free) <= set(group[0].free)), None)
        home.append(part) if home is not None else found.append([part])
    return [simplify_product(group) if len(group) > 1 else simplify(group[0]) for group in found]
