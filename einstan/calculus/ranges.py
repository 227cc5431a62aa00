"""How far the indices of a derived equation run, where what it reads would tell something else, or nothing.

A delta that is used up can leave an index alone in an axis that is longer than its own: with ``Z[i] = c[i+M] w[M]``
the derivative of ``Z[0]`` by w reads ``c[m]``, which by itself would say that c and w are of one length.  Then the
index says how far it runs, ``c[m] where |m| = |w.0|``, and where it fills other axes too, the longer one is bounded
besides, ``1[0 <= m < |c.0|] c[m] v[m] where |m| = |w.0|``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import cast

from einstan.calculus.delta import range_guard
from einstan.calculus.program import axes_of_derivative, extents_in_part, extents_told
from einstan.language.dims import UnionFind, agreeing, axis, is_axis, loose, only_plain, relate, unguarded
from einstan.language.index import Affine, Index, affine, slot
from einstan.language.node import Node, fold, holds, preorder, rewrite
from einstan.language.term import (
    Add,
    Const,
    Delta,
    Equation,
    Expr,
    Extent,
    Indexed,
    Iverson,
    Mul,
    Name,
    Partial,
    Reduce,
    Sum,
    accesses,
    add,
    bound_indices,
    mul,
    rebound,
)
from einstan.language.threads import cached_property

Where = dict[Index, Affine]


class Ranges:
    """The classes of equal axes of the equations behind a derived one, which are resolved: their indices have the
    dimensions of the program."""

    def __init__(self, behind: Iterable[Equation]) -> None:
        self.behind = tuple(behind)
        self.plain = all(map(only_plain, self.behind))  # whatever is derived reads each axis along its own dimension
        self.classes = UnionFind()
        for equation in () if self.plain else self.behind:
            relate(equation, self.classes)

    @cached_property
    def numbers(self) -> frozenset[str]:
        """The tensors without slots of the equations, whose names no index may have that stands for its value."""
        ranks = {name: rank for e in self.behind for name, rank in (*accesses(e.rhs), (e.name, len(e.indices)))}
        return frozenset(str(name) for name, rank in ranks.items() if not rank)

    def learn(self, name: Name, indices: Iterable[Index]) -> None:
        """A derived tensor that others may read."""
        for position, index in enumerate(indices) if not self.plain else ():
            self.classes.union(index.dim, axis(name, position))

    def _learn_derivatives(self, equation: Equation) -> None:
        """What stands by its name is as long as its tensors: ``dd[I]/dx[p]`` as d and x."""
        for node in preorder(equation.rhs) if not self.plain else ():
            if isinstance(node, Indexed) and isinstance(node.tensor, Partial):
                for position, place in enumerate(axes_of_derivative(node.tensor, len(node.slots), {})):
                    self.classes.union(place, axis(node.tensor, position))

    def padded(self, equation: Equation) -> Equation:
        """The equation with the guard of a read spoken of that tensor's own axis, so that it is a zero padding to read:
        ``1[0 <= p-1 < |d.0|] dd[p-1]`` is ``pad(dd[p-1])``.  An index alone would then run over that axis, so a free
        one states how far it runs, and a bound one keeps its guard."""
        if self.plain or not holds(equation.rhs, Iverson):
            return equation
        stated = {index for index, _ in equation.where}
        free = {index for index in equation.indices if is_axis(index.dim)} - stated
        alone: dict[Index, Affine] = {}

        def rule(node: Node) -> Node:
            if not isinstance(node, Mul):
                return node
            accesses = (inner for inner in preorder(node) if isinstance(inner, Indexed))
            reads = Counter(form for access in accesses for form in access.slots)  # of which one alone is padded
            own = {
                (form, self.classes.find(axis(factor.tensor, k))): Extent(Index(axis(factor.tensor, k)))
                for factor in node.factors if isinstance(factor, Indexed) and isinstance(factor.tensor, str)
                for k, form in enumerate(factor.slots)
                if (form.index is None or form.index in stated | free) and reads[form] == 1
            }  # fmt: skip
            spoken = [self._of_its_axis(factor, own) for factor in node.factors]
            for old, new in zip(node.factors, spoken, strict=True):
                index = new.operands[1].index if new is not old else None
                if index in free:
                    alone[index] = affine((Extent(Index(index.dim)), 1))
            return mul(spoken)

        rhs = rewrite(equation.rhs, rule)
        return Equation(equation.name, equation.indices, rhs, (*equation.where, *alone.items()))

    def _of_its_axis(self, guard: Expr, own: Mapping[tuple[Affine, str], Extent]) -> Expr:
        match guard:
            case Iverson(
                operands=(zero, Affine() as form, Affine(terms=((Extent() as extent, 1),), constant=0) as end)
            ):
                better = own.get((form, self.classes.find(extent.index.dim)))
                if better is not None and guard.relations == ("<=", "<"):
                    return Iverson((zero, form, Affine(((better, 1),), end.constant)), guard.relations)
        return guard

    def stated(self, equation: Equation, tied: bool = False) -> Equation:
        """The equation with what it has to say of its ranges.  Where its name says how far the indices of the left side
        run, as ``dL/dX[m,p]`` does, it is ``tied``."""
        if self.plain and (tied or isinstance(equation.name, Partial) or _tells_all(equation)):
            return equation
        self._learn_derivatives(equation)
        where, guards = dict(equation.where), dict[tuple[Index, str], Expr]()
        named = set(equation.indices) if tied or isinstance(equation.name, Partial) else set()
        equal = _set_equal(equation)
        named |= {index for pair in equal for index in pair} - set(equation.indices)
        apart = {i for pair in equal if len({self.classes.find(i.dim) for i in pair}) > 1 for i in pair}
        several = _bound_again(equation)
        for index in dict.fromkeys((*equation.indices, *bound_indices(equation.rhs))):
            own, longer = self._read(equation, index, index in several)
            for place in self._bare(equation, index, own, longer):
                guards[index, place] = range_guard(affine((index, 1)), Index(self._spoken(place)))
            told = own or (index in named and not _beside_strides(equation, index))
            told = told and not (tied and self._may_be_longer(equation, index))
            if index not in where and (longer or not told or index in apart):
                where |= self._extent(index)
        if not guards and len(where) == len(equation.where):
            return equation
        return Equation(equation.name, equation.indices, _guarded(equation.rhs, guards), tuple(where.items()))

    def _may_be_longer(self, equation: Equation, index: Index) -> bool:
        """Whether all that is read along an index is read elsewhere in axes that need not end with it: ``dc[j] =
        y[j+1]``, but not ``dW[r] = X[I+r] dY[I]``, where X told how long Y is."""
        reads = [(place, form) for other, place, form, _ in unguarded(equation) if other is index]
        find = self.classes.find
        told = any((find(o.dim), place) in self.used for place, form in reads for o in form.free if o is not index)
        return bool(reads) and all(form.index is None for _, form in reads) and not told

    @cached_property
    def used(self) -> set[tuple[str, str]]:
        """The dimensions that run as far as reads of an axis let them, each with that axis."""
        find, found = self.classes.find, set[tuple[str, str]]()
        for equation in self.behind:
            parts = extents_in_part(equation)
            found |= {(find(p.index.dim), place) for p in parts if p.by_shifts for place in p.longer}
            stated = dict(equation.where)
            found |= {
                (find(index.dim), atom.index.dim)
                for index, room in extents_told(equation)
                if index not in stated
                for atom, k in room.terms
                if isinstance(atom, Extent) and k == 1
            }
        return found

    def _read(self, equation: Equation, index: Index, several: bool) -> tuple[dict[str, bool], dict[str, bool]]:
        """The axes that an index fills and that would be of one length, those of its own dimension and others, each
        with whether brackets keep every read inside.  What ``several`` sums bind may be shifted in another of them."""
        free, places = set(loose(equation)), dict[str, bool]()
        agree, classes = set(agreeing(equation, index)), self.classes
        for other, place, form, kept in unguarded(equation):
            if other is form.index is index and (several or place in agree or (index, place) not in free):
                places[place] = kept and places.get(place, True)
        here = classes.find(index.dim)
        own = {place: kept for place, kept in places.items() if place not in classes or classes.find(place) == here}
        return own, {place: kept for place, kept in places.items() if place not in own}

    def _bare(
        self, equation: Equation, index: Index, own: Mapping[str, bool], longer: Mapping[str, bool]
    ) -> Iterator[str]:
        """The axes whose reads need a bracket: beside shorter ones all that have none, else those that have one
        elsewhere in the equation, which a factor was taken out of."""
        find = self.classes.find
        bare = [place for place, kept in longer.items() if not kept]
        if not bare or len({find(place) for place in (*own, *longer)}) > 1:
            yield from bare
            return
        held = {
            find(atom.index.dim)
            for node in preorder(equation.rhs)
            if isinstance(node, Iverson) and len(node.operands) == 3 and node.operands[1] is slot(index)
            for atom in preorder(node.operands[2])
            if isinstance(atom, Extent)
        }
        yield from (place for place in bare if find(place) in held)

    def _spoken(self, place: str) -> str:
        """The axis that speaks for an axis, so that equal ranges are one bracket: that of a tensor which a caller has,
        if there is one, and not of a derivative."""
        dim = self.classes.find(place)
        if not is_axis(dim) or "/" in dim:
            own = (other for other in self.classes.members() if is_axis(other) and "/" not in other)
            dim = next((other for other in own if self.classes.find(other) == dim), dim)
        return dim if is_axis(dim) else place

    def _extent(self, index: Index) -> Where:
        dim = self._spoken(index.dim)
        return {index: affine((Extent(Index(dim)), 1))} if is_axis(dim) else {}


def _tells_all(equation: Equation) -> bool:
    """Whether some axis that is read tells how far each index of the left side runs, or a ``where`` states it."""
    told: set[Index | None] = {index for index, _ in equation.where}
    told |= {form.index for node in preorder(equation.rhs) if isinstance(node, Indexed) for form in node.slots}
    return told.issuperset(equation.indices)


def _beside_strides(equation: Equation, index: Index) -> bool:
    """Whether an index is read beside one with a stride alone, ``X[2P+r]``: as many r as fit may be more than there
    are."""
    if only_plain(equation):
        return False
    forms = {form for other, _, form, _ in unguarded(equation) if other is index}
    return bool(forms) and all(any(abs(k) > 1 for atom, k in form.terms if atom is not index) for form in forms)


def _bound_again(equation: Equation) -> set[Index]:
    """The indices that several sums bind."""
    binders = [node.indices for node in preorder(equation.rhs) if isinstance(node, Sum | Reduce)]
    counts = Counter(index for indices in binders for index in indices)
    return {index for index, count in counts.items() if count > 1}


def _set_equal(equation: Equation) -> list[tuple[Index, Index]]:
    """The pairs of indices that deltas set equal: ``δ[J,j]``."""
    deltas = (node for node in preorder(equation.rhs) if isinstance(node, Delta)) if holds(equation.rhs, Delta) else ()
    pairs = ((node.left.index, node.right.index) for node in deltas)
    return [(left, right) for left, right in pairs if left is not None and right is not None]


def _guarded(expr: Expr, guards: Mapping[tuple[Index, str], Expr], around: Collection[Expr] = ()) -> Expr:
    """Every product that reads a longer axis in its bracket, ``1[0 <= m < |c.0|] v[m] / c[m]``, but where one is
    ``around`` it."""
    if not guards:
        return expr
    match expr:
        case Add():
            return add(_guarded(term, guards, around) for term in expr.terms)
        case Sum():
            outside = [guard for guard in around if set(guard.free).isdisjoint(expr.indices)]
            return rebound(expr, expr.indices, _guarded(expr.body, guards, outside))
        case Mul(factors=factors):
            needed = dict.fromkeys(g for f in factors if not isinstance(f, Add | Sum) for g in _needed(f, guards))
            own = [guard for guard in needed if guard not in around and guard not in factors]
            beside = {*around, *own, *(factor for factor in factors if isinstance(factor, Iverson))}
            inner = [_guarded(f, guards, beside) if isinstance(f, Add | Sum) else _bound(f, guards) for f in factors]
            numbers = [factor for factor in inner if isinstance(factor, Const)]  # which stand in front
            return mul((*numbers, *own, *(factor for factor in inner if factor not in numbers)) if own else inner)
        case _:
            needed = dict.fromkeys(_needed(expr, guards))
            return mul((*(guard for guard in needed if guard not in around), _bound(expr, guards)))


def _needed(expr: Expr, guards: Mapping[tuple[Index, str], Expr]) -> Iterator[Expr]:
    """The brackets of what an expression reads, of its free indices."""
    for node in preorder(expr):
        if isinstance(node, Indexed):
            yield from (guards[place] for place in _places(node) if place in guards and place[0] in expr.free)


def _places(read: Indexed) -> list[tuple[Index, str]]:
    return [(form.index, axis(read.tensor, k)) for k, form in enumerate(read.slots) if form.index is not None]


def _bound(expr: Expr, guards: Mapping[tuple[Index, str], Expr]) -> Expr:
    """The expression with those brackets in it whose index it binds, be that free around it too: around the reads,
    since their body is no product of a sum."""
    guarded = {index for index, _ in guards}

    def rule(node: Node) -> Node:
        if not isinstance(node, Sum | Reduce):
            return node
        body = node.body
        for index in guarded.intersection(node.indices):
            body = _around(body, index, guards)
        return rebound(node, node.indices, body)

    return rewrite(expr, rule)


def _around(body: Expr, index: Index, guards: Mapping[tuple[Index, str], Expr]) -> Expr:
    """What binds an index, with its brackets around what is read there by it, in slots and deltas too (``x[T[I]]``,
    ``δ[T[I],p]``), but where it is bound again."""

    def rule(node: Node, children: tuple[Node, ...]) -> Node:
        made = node.over(children)
        if not isinstance(node, Indexed | Delta | Iverson):
            return made
        forms = (child for child in node.children if isinstance(child, Affine))
        reads = [other for form in forms for other in preorder(form) if isinstance(other, Indexed)]
        reads = [node, *reads] if isinstance(node, Indexed) else reads
        needed = dict.fromkeys(guards[p] for read in reads for p in _places(read) if p in guards and p[0] is index)
        return mul((*needed, cast(Expr, made))) if needed else made

    def known(node: Node) -> Node | None:
        bound_again = isinstance(node, Sum | Reduce) and index in node.indices
        return node if bound_again or isinstance(node, Affine) else None

    return fold(body, rule, known=known)
