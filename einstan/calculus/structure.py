"""Structure read off deltas: an expression as a sum of ``deltas × core``, its cores free of deltas.

    X[N,k] S[N,c] X[N,l] (δ[c,p] - S[N,p])      over  k, c, l, p
        c = p:   X[N,k] S[N,c] X[N,l]           axes  k, c, l, c
        none:    -X[N,k] S[N,c] X[N,l] S[N,p]   axes  k, c, l, p

That is the whole difference between a Jacobian that is held and one that is written out: the deltas say which axes are
one, and only the cores are computed.  A delta of integer-affine forms says no such thing and stays in its core.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from einstan.calculus.delta import plain_pair
from einstan.calculus.factors import flattened
from einstan.calculus.finite import NONE, POLES, may_have_no_value
from einstan.calculus.simplify import simplify, simplify_product, simplify_sum, taken_out
from einstan.language.index import Index, slot
from einstan.language.term import ZERO, Add, Const, Delta, Expr, Iverson, Mul, Name, Sum, substitute, tensors


@dataclass(frozen=True)
class Structured:
    """``core`` where the axes that have one index are equal, zero elsewhere."""

    axes: tuple[Index, ...]  # for each of the free indices, the one that speaks for it
    core: Expr

    def whole(self, free: Sequence[Index]) -> Expr:
        """The expression again, its deltas as factors."""
        deltas = [Delta(slot(a), slot(i)) for a, i in zip(self.axes, free, strict=True) if a is not i]
        return simplify_product((*deltas, self.core))


def structured(expr: Expr, free: Sequence[Index]) -> list[Structured]:
    """The expression as one term for each structure; free indices that no delta joins speak for themselves."""
    groups: dict[tuple[Index, ...], list[Expr]] = {}
    for term in opened(expr):
        coefficient, flat, summed = flattened((term,))
        own = [factor for factor in flat if _joins(factor, free, summed)]
        names = _classes([pair for factor in own if (pair := plain_pair(factor)) is not None], free)
        rest = [simplify(substitute(f, names)) for f in flat if f not in own]
        core = simplify_product((Const(coefficient), *rest), summed)
        groups.setdefault(tuple(names.get(i, i) for i in free), []).append(core)
    found = [Structured(axes, simplify_sum(cores)) for axes, cores in groups.items()]
    return [each for each in found if each.core is not ZERO]


def opened(expr: Expr, waits: Callable[[Expr], bool] | None = None) -> list[Expr]:
    """The terms of an expression, with the sums multiplied out in which a delta waits, or whatever else ``waits``."""
    waits = waits or _is_plain
    found: list[Expr] = []
    stack = [expr]
    while stack:
        term = stack.pop()
        if isinstance(term, Add):
            stack.extend(reversed(term.terms))
            continue
        coefficient, flat, summed = flattened((term,))
        at = next((k for k, f in enumerate(flat) if isinstance(f, Add) and _holds(f, waits)), None)
        if at is None:
            found.append(term)
            continue
        waiting = flat[at]
        assert isinstance(waiting, Add)
        before, after = (Const(coefficient), *flat[:at]), flat[at + 1 :]
        parts = taken_out(waiting.terms, [part for part in waiting.terms if _holds(part, waits)])
        stack.extend(simplify_product((*before, part, *after), summed) for part in reversed(parts))
    return [term for term in found if term is not ZERO]


def outer_products(term: Structured, infinite: AbstractSet[Name] = NONE) -> list[Structured]:
    """A core that is a sum of outer products alone as these: together they would be written out."""
    terms = term.core.terms if isinstance(term.core, Add) else ()
    if not terms or any(len(outer_factors(each, infinite)) < 2 for each in terms):
        return [term]
    return [Structured(term.axes, each) for each in terms]


def outer_factors(core: Expr, infinite: AbstractSet[Name] = NONE) -> tuple[Expr, ...]:
    """A product as the smallest factors that share no summed index, each with indices that no other covers.

    ``X[n,p] dZ[n,q]`` is two: the outer product need not be multiplied out to be held.  What is one array at best,
    a sum of terms or a contraction, is one.  ``infinite`` are the tensors that may have a pole.
    """
    if not isinstance(core, Mul | Sum):
        return (core,)
    coefficient, flat, summed = flattened((core,))
    clusters: list[list[Expr]] = []
    for factor in flat:  # factors that share a summed index belong together
        shared = [c for c in clusters if any(i in summed and i in factor.free for f in c for i in f.free)]
        clusters = [c for c in clusters if c not in shared]
        clusters.append([f for c in shared for f in c] + [factor])
    parts = [simplify_product(c, [i for i in summed if any(i in f.free for f in c)]) for c in clusters]
    parts.sort(key=lambda part: (-len(part.free), isinstance(part, Iverson)))
    kept: list[list[Expr]] = []
    for part in parts:
        homes = [group for group in kept if set(part.free) <= set(group[0].free)]
        if homes and isinstance(part, Iverson) and not tensors(part):  # what it guards may stand in each of them
            for group in homes:
                group.append(part)
            continue
        # The last is the smallest.  What could go to either of two that are one array stands between them, so that
        # a product that is symmetric stays so.
        between = len(homes) > 1 and homes[-1][0].free and _alike(homes[-1][0], homes[-2][0])
        homes[-1].append(part) if homes and not between else kept.append([part])
    kept = _guarded(kept, infinite)
    if coefficient != 1 and kept:
        kept[-1].insert(0, Const(coefficient))
    return tuple(simplify_product(group) for group in kept) if len(kept) > 1 else (core,)


def _guarded(groups: list[list[Expr]], infinite: AbstractSet[Name]) -> list[list[Expr]]:
    """Factors that may be infinite beside the brackets that guard them, apart zero times infinity is no number, and
    brackets that may say which data there are in all that has their indices."""
    poles = [group for group in groups if any(may_have_no_value(part, POLES, infinite) for part in group)]
    brackets = [part for group in groups for part in group if isinstance(part, Iverson)]
    for group in groups if brackets else ():
        there = {index for part in group for index in part.free}
        hiding = (bracket for bracket in brackets if tensors(bracket) and there.issuperset(bracket.free))
        group.extend(bracket for bracket in (*(brackets if group in poles else ()), *hiding) if bracket not in group)
    return [group for group in groups if not (poles and all(isinstance(part, Iverson) for part in group))]


def _alike(left: Expr, right: Expr) -> bool:
    """Whether they differ in their letters alone."""
    if len(left.free) != len(right.free):
        return False
    return substitute(left, dict(zip(left.free, right.free, strict=True))) is right


def _joins(factor: Expr, free: Sequence[Index], summed: Sequence[Index]) -> bool:
    pair = plain_pair(factor)
    return pair is not None and all(index in free and index not in summed for index in pair)


def _classes(pairs: Sequence[tuple[Index, Index]], free: Sequence[Index]) -> dict[Index, Index]:
    """The index that speaks for each: the first of its class among the free ones."""
    speaker: dict[Index, Index] = {}

    def find(index: Index) -> Index:
        while speaker.get(index, index) is not index:
            index = speaker[index]
        return index

    position = {index: k for k, index in enumerate(free)}
    for left, right in pairs:
        first, second = sorted((find(left), find(right)), key=position.__getitem__)
        speaker[second] = first
    return {index: find(index) for index in speaker}


def _is_plain(factor: Expr) -> bool:
    return plain_pair(factor) is not None


def _holds(expr: Expr, waits: Callable[[Expr], bool]) -> bool:
    """Whether a factor that waits stands in a term of a sum, looking through sums and products."""
    stack: list[Expr] = [expr]
    while stack:
        node = stack.pop()
        if waits(node):
            return True
        if isinstance(node, Add | Mul | Sum):
            stack.extend(node.children)  # type: ignore[arg-type]
    return False
