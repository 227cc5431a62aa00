"""Delta elimination is index equality, not array contraction.

The plain deltas of a product form a union-find over its indices: in every class the summed indices become its
representative, and a delta survives only between two free indices.  A delta of integer-affine forms is solved for a
summed index, ``δ[i+R, p]`` gives ``R = p - i``, and leaves a range guard ``1[0 <= p-i < |R|]`` behind; it stays a
factor where no summed index has coefficient 1 or -1.

    sum[K](δ[K,p] W[K,j])        = W[p,j]
    sum[R](δ[i+R,p] W[R])        = 1[0 <= p-i < |R|] W[p-i]
    sum[V](δ[T[n],V] E[V,d])     = E[T[n],d]                 which is what the gather on the right means

It ends because every step removes a delta.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd
from typing import TypeGuard

from einstan.language.index import Affine, Arithmetic, Index, affine, slot
from einstan.language.node import Node, holds, preorder
from einstan.language.term import ONE, ZERO, Delta, Expr, Extent, Indexed, Iverson, substitute


def eliminate(factors: Sequence[Expr], bound: Sequence[Index]) -> tuple[list[Expr], list[Index], bool]:
    """Use up the deltas among the factors of ``sum over bound of the product``.

    Returns the factors, the indices that are still summed, and whether anything was substituted (then the factors may
    simplify further).
    """
    rest, summed, changed = list(factors), list(bound), False
    rest, summed, changed = _plain(_one_reading(rest), summed)
    while True:
        step = _solved(rest, summed)
        if step is None:
            kept = _without_implied_guards(rest)
            return kept, summed, changed or len(kept) < len(rest)
        rest, summed = step
        changed = True


# ---- plain deltas ----------------------------------------------------------------------------------------------------


def _plain(factors: list[Expr], bound: list[Index]) -> tuple[list[Expr], list[Index], bool]:
    pairs = [pair for factor in factors if (pair := plain_pair(factor)) is not None]
    if not pairs:
        return factors, bound, False
    parent: dict[Index, Index] = {}

    def find(index: Index) -> Index:
        parent.setdefault(index, index)
        while parent[index] is not index:
            index = parent[index]
        return index

    for left, right in pairs:
        a, b = find(left), find(right)
        if a is not b:
            parent[b] = a
    members: dict[Index, list[Index]] = {}
    for index in list(parent):
        members.setdefault(find(index), []).append(index)
    summed = set(bound)
    mapping: dict[Index, Index] = {}
    surviving: dict[Index, list[Expr]] = {}
    for root, group in members.items():
        free = [index for index in group if index not in summed]
        speaker = free[0] if free else group[0]
        surviving[root] = [Delta(slot(speaker), slot(other)) for other in free[1:]]
        mapping.update((index, speaker) for index in group if index in summed and index is not speaker)
    result: list[Expr] = []
    placed: set[Index] = set()
    for factor in factors:
        pair = plain_pair(factor)
        if pair is None:
            result.append(substitute(factor, mapping))
        elif (root := find(pair[0])) not in placed:
            placed.add(root)
            result.extend(surviving[root])
    changed = bool(mapping) or len(result) != len(factors)
    return result, [index for index in bound if index not in mapping], changed


def _one_reading(factors: list[Expr]) -> list[Expr]:
    """``δ[u[n],p] δ[u[n],q] = δ[u[n],p] δ[p,q]``: what one gather chooses is one value."""
    first: dict[tuple[Affine, str], Affine] = {}
    result: list[Expr] = []
    for factor in factors:
        if isinstance(factor, Delta):
            form, other = (factor.left, factor.right) if factor.left.index is None else (factor.right, factor.left)
            if other.index is not None and _is_gather(form):
                known = first.setdefault((form, other.index.dim), other)
                factor = factor if known is other else Delta(known, other)
        result.append(factor)
    return result


def plain_pair(factor: Expr) -> tuple[Index, Index] | None:
    """The two indices of a delta between plain indices that run over one dimension."""
    if isinstance(factor, Delta):
        left, right = factor.left.index, factor.right.index
        if left is not None and right is not None and left.dim == right.dim:
            return left, right
    return None


# ---- affine deltas ---------------------------------------------------------------------------------------------------


def _solved(factors: list[Expr], bound: list[Index]) -> tuple[list[Expr], list[Index]] | None:
    """One more delta solved for a summed index, the last that was bound first; None where none can be."""
    for position, factor in enumerate(factors):
        if not isinstance(factor, Delta) or plain_pair(factor) is not None:
            continue
        difference = affine((factor.left, 1), (factor.right, -1))
        if not difference.terms:
            return [*factors[:position], *([] if difference.constant == 0 else [ZERO]), *factors[position + 1 :]], bound
        if _is_never_zero(difference):  # δ[i,-1] = 0
            return [*factors[:position], ZERO, *factors[position + 1 :]], bound
        step = gcd(*(coefficient for _, coefficient in difference.terms))
        if step > 1:  # δ[2i,2p] = δ[i,p], δ[2i,2p+1] = 0
            return [*factors[:position], _divided(difference, step), *factors[position + 1 :]], bound
        for index in reversed(bound):
            coefficient = difference.coefficient(index)
            if abs(coefficient) != 1 or any(index in atom.free for atom, _ in difference.terms if atom is not index):
                continue
            if _chooses_in_a_bracket(index, (*factors[:position], *factors[position + 1 :])):
                continue
            solution = _value(index, difference)
            guard = ONE if _is_gather(solution) else range_guard(solution, index)
            others = [substitute(f, {index: solution}) for f in (*factors[:position], *factors[position + 1 :])]
            kept: list[Expr] = list(others)
            if guard is not ONE:
                readers = (k for k, f in enumerate(kept) if isinstance(f, Indexed) and solution in f.slots)
                kept.insert(next(readers, position), guard)
            return kept, [b for b in bound if b is not index]
    return None


def _is_never_zero(difference: Affine) -> bool:
    """Whether indices and extents, of which none is negative, are added to a number of their sign."""
    sign = (difference.constant > 0) - (difference.constant < 0)
    return sign != 0 and all(k * sign > 0 and isinstance(atom, Index | Extent) for atom, k in difference.terms)


def _divided(difference: Affine, step: int) -> Expr:
    """That a form with coefficients which have a common divisor is zero."""
    if difference.constant % step:
        return ZERO
    terms = [(atom, coefficient // step) for atom, coefficient in difference.terms]
    constant = difference.constant // step
    above = affine(*(term for term in terms if term[1] > 0), constant=max(constant, 0))
    below = affine(*((atom, -k) for atom, k in terms if k < 0), constant=max(-constant, 0))
    return Delta(above, below)


def _chooses_in_a_bracket(index: Index, factors: Sequence[Expr]) -> bool:
    """Whether some bracket compares ``T[index]`` with an index: the guard of a solution is a bracket of indices too,
    and those of one product do not guard each other."""
    holding = [factor for factor in factors if index in factor.free]
    return any(
        isinstance(atom, Indexed) and index in atom.free
        for bracket in preorder(*holding)
        if isinstance(bracket, Delta | Iverson)
        for form in bracket.children
        if isinstance(form, Affine)
        for atom, _ in form.terms
    )


def _value(index: Index, difference: Affine) -> Affine:
    """What an index is where a form that has it once is zero: ``p - i`` rather than ``-i + p``."""
    form = affine((difference, -difference.coefficient(index)), (index, 1))
    return Affine(tuple(sorted(form.terms, key=lambda term: term[1] < 0)), form.constant)


def ranges_implied(delta: Delta) -> list[Expr]:
    """``δ[i+1,p]`` says ``0 <= i+1 < |p|`` and ``0 <= p-1 < |i|`` to what is read beside it; of a gather ``δ[T[n],p]``
    nothing is said, as reading outside is refused there."""
    values = solutions(affine((delta.left, 1), (delta.right, -1)))
    return [range_guard(form, index) for index, form in values if form.free and not holds(form, Indexed)]


def solutions(difference: Affine) -> list[tuple[Index, Affine]]:
    """What each index is where a form is zero: of ``i+1-p`` that ``i`` is ``p-1`` and ``p`` is ``i+1``."""
    held = [atom for atom, k in difference.terms if isinstance(atom, Index) and abs(k) == 1]
    return [(index, _value(index, difference)) for index in held]


def _is_gather(form: Affine) -> bool:
    """``T[n]`` alone: reading outside is refused where it happens, as for any gather."""
    return form.constant == 0 and len(form.terms) == 1 and _is_read(*form.terms[0])


def _is_read(atom: Node, coefficient: int) -> bool:
    return coefficient == 1 and isinstance(atom, Arithmetic | Indexed)


def _without_implied_guards(factors: list[Expr]) -> list[Expr]:
    """``δ[f,p] 1[0 <= f < |p|] = δ[f,p]``: where a form is the value of an index, it is in its range.  A number, and
    what a tensor holds, stays guarded where it is read, ``1[0 <= 4 < |p|] a[4] δ[4,p]``: there may be no such entry,
    whatever p is."""
    deltas = [factor for factor in factors if isinstance(factor, Delta)]
    implied = [factor for factor in factors if any(_implies(delta, factor) for delta in deltas)]
    if not implied:
        return factors
    forms = [guard.operands[1] for guard in implied if isinstance(guard, Iverson)]
    given = {form for form in forms if not form.free or holds(form, Indexed)}
    reads = (node for factor in factors if given for node in preorder(factor) if isinstance(node, Indexed))
    read = given.intersection(form for node in reads for form in node.slots)
    return [f for f in factors if f not in implied or (isinstance(f, Iverson) and f.operands[1] in read)]


def _implies(delta: Delta, guard: Expr) -> bool:
    if not (isinstance(guard, Iverson) and guard.relations == ("<=", "<")):
        return False
    low, form, high = guard.operands
    if not (isinstance(low, Affine) and isinstance(form, Affine) and isinstance(high, Affine)):
        return False
    extent = high.terms[0] if len(high.terms) == 1 and high.constant == 0 else None
    if low.terms or low.constant or extent is None or extent[1] != 1 or not isinstance(extent[0], Extent):
        return False
    difference = affine((delta.left, 1), (delta.right, -1))
    for atom, k in difference.terms:
        ranges = isinstance(atom, Index) and abs(k) == 1 and atom.dim == extent[0].index.dim
        if ranges and affine((form, 1), (atom, -1), (difference, k)) == Affine(()):
            return True
    return False


def is_range(factor: Node) -> TypeGuard[Iverson]:
    """Whether this is ``1[0 <= form < ...]``."""
    return isinstance(factor, Iverson) and factor.relations == ("<=", "<") and factor.operands[0] == Affine(())


def range_guard(form: Affine, index: Index) -> Iverson:
    """``1[0 <= form < |index|]``: that the form is a value which the index takes."""
    return Iverson((Affine(()), form, affine((Extent(index), 1))), ("<=", "<"))
