"""Brackets carried on: what is zero where a bracket is false says so to whatever it is multiplied with next.

``1[i != J] V[i,J]`` is zero for i = J, whatever V is there, and so is the cotangent ``dV[i,j] = 1[i != j] dE``.  The
equation that reads dV multiplies it with a local partial, which may be infinite in just these places; so it repeats the
bracket, ``dx[i] = 1[i != J] dV[i,J] ...``.  It does so for brackets that the user wrote, and where the partial

- may be infinite although the inputs are not, or
- reads a tensor along an index of a bracket that hides missing data, ``dw[k] = 1[M[N] > 0] X[N,k] dP[N]``: what is
  given may be NaN there.  Such a bracket reads tensors, and none that rests on what is differentiated (``1[Z > 0]``).

Elsewhere zero times the partial is zero, and lines stay short.

What is not read has no cotangent either, whatever it is: with ``L = Z[1,3]`` the cotangent of Z is ``δ[1,p] δ[3,q]``,
and with ``G[i] = Z[i,i+1]`` it has ``δ[p+1,q]``.  These are carried where a partial has poles.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from einstan.calculus.delta import is_range, range_guard, ranges_implied, solutions
from einstan.calculus.factors import flattened
from einstan.calculus.finite import indices_read, infinite_tensors, may_be_infinite
from einstan.calculus.indicators import are_opposite
from einstan.calculus.partial import Term, parsed_partial
from einstan.calculus.parts import Parts
from einstan.calculus.passes import reached
from einstan.calculus.poles import Poles
from einstan.calculus.simplify import simplify, simplify_product, simplify_sum
from einstan.language.dims import axis
from einstan.language.functions import FUNCTIONS
from einstan.language.index import Affine, Index, affine, slot
from einstan.language.node import Node, holds, preorder, rewrite
from einstan.language.node import replace as replace_nodes
from einstan.language.term import (
    ZERO,
    Add,
    Apply,
    Const,
    Delta,
    Equation,
    Expr,
    Indexed,
    Iverson,
    Name,
    add,
    mul,
    substitute,
    sum_over,
    tensors,
)

Brackets = tuple[Expr, ...]  # a product of them is 1 wherever something may not be zero


Said = Mapping[Name, tuple[tuple[Index, ...], Brackets]]  # what tensors are zero without, in their indices
NOTHING: Said = {}


def written_brackets(equations: Iterable[Equation], kinks: Collection[Expr]) -> set[Expr]:
    """The shapes of the brackets that stand in equations of a program, but for those that come of differentiating the
    functions in it (`kinks_of`): relu' is zero for other reasons than that something is hidden there."""
    held = (equation.rhs for equation in equations if holds(equation, Iverson))
    found = (node for rhs in held for node in preorder(rhs) if isinstance(node, Iverson))
    shapes = {shape(node) for node in found if not node.is_ones}
    return shapes.difference(kinks)


def kinks_of(program: Iterable[Equation]) -> set[Expr]:
    """The shapes of the brackets in the partials of all functions of a program."""
    found: set[Expr] = set()
    for node in dict.fromkeys(node for equation in program for node in preorder(equation.rhs)):
        row = FUNCTIONS.get(node.function) if isinstance(node, Apply) else None
        if row is None or not any("1[" in text for text in row.partials):
            continue
        values = {Indexed(name): value for name, value in zip(row.parameters, node.children, strict=True)}
        for text in row.partials:
            partial = simplify(replace_nodes(parsed_partial(text, row.parameters), values))
            found.update(shape(part) for part in preorder(partial) if isinstance(part, Iverson))
    return found


def shape(bracket: Expr) -> Expr:
    """A bracket whatever its indices are called, and wherever it has been moved to: ``1[m[p-1] > 0]`` is
    ``1[m[i] > 0]``."""
    forms = dict.fromkeys(form for node in preorder(bracket) if isinstance(node, Indexed) for form in node.slots)
    places = {form: slot(Index(f"i {k}")) for k, form in enumerate(form for form in forms if form.free)}

    def rule(node: Node) -> Node:
        return Indexed(node.tensor, tuple(places.get(s, s) for s in node.slots)) if isinstance(node, Indexed) else node

    moved = rewrite(bracket, rule) if places else bracket
    return substitute(moved, {index: Index(f"i {k}") for k, index in enumerate(moved.free)})


def either(each: Sequence[Sequence[Expr]]) -> Brackets:
    """The brackets of a sum of terms, from those of each: what they share, or that one of them holds."""
    if not each or not all(each):
        return ()
    shared = tuple(bracket for bracket in each[0] if all(bracket in other for other in each))
    if shared:
        return *shared, *either([[bracket for bracket in own if bracket not in shared] for own in each])
    sets = dict.fromkeys(frozenset(brackets) for brackets in each)
    least = [own for own in sets if not any(other < own for other in sets)]  # 1[a] or 1[a] 1[b] is 1[a]
    if are_opposite([bracket for own in least if len(own) == 1 for bracket in own]):
        return ()
    products = [simplify_product(b for brackets in each for b in brackets if set(brackets) == own) for own in least]
    some = add(dict.fromkeys(product for product in products if product is not ZERO))
    if not isinstance(some, Add):
        return () if some is ZERO else (some,)
    return (Iverson((some, ZERO), (">",)),)


def brackets_of(factors: Sequence[Expr], written: Collection[Expr], said: Said = NOTHING) -> list[Expr]:
    """The brackets of a product that the user wrote, of the sums in it, and what is ``said`` of its tensors; with what
    keeps inside what they read, ``1[m[p-1] > 0] 1[0 <= p-1]``."""
    if not written:
        return []
    _, flat, summed = flattened(factors)
    found: list[Expr] = [f for f in flat if isinstance(f, Iverson) and shape(f) in written]
    found += [b for factor in flat if isinstance(factor, Indexed) for b in _at(said, factor.tensor, factor.slots)]
    if moved := _moved(found):
        implied = [guard for factor in flat if isinstance(factor, Delta) for guard in ranges_implied(factor)]
        known = {guard.operands[1]: guard for guard in (*implied, *flat) if is_range(guard)}
        found += [known.get(form, guard) for form, guard in moved.items()]
    for factor in flat:
        if isinstance(factor, Add):
            found += either([brackets_of((term,), written, said) for term in factor.terms])
    return [bracket for bracket in dict.fromkeys(found) if not set(bracket.free) & set(summed)]


def _moved(brackets: Iterable[Expr]) -> dict[Affine, Expr]:
    """The forms in which brackets read tensors elsewhere than at an index, and what says that they are inside, but for
    those that say it themselves, ``1[pad(m[i-1]) + m[i] > 0]``."""
    found: dict[Affine, Expr] = {}
    for bracket in brackets:
        inner = list(preorder(bracket))
        padded = {node.operands[1] for node in inner if is_range(node)}
        places = ((form, axis(n.tensor, k)) for n in inner if isinstance(n, Indexed) for k, form in enumerate(n.slots))
        for form, place in places:
            here = form.free and set(form.free).issubset(bracket.free)
            if here and form.index is None and form not in padded and not holds(form, Indexed):
                found.setdefault(form, range_guard(form, Index(place, place)))
    return found


def hides_data(bracket: Expr, read: Name, reads: Mapping[Name, Sequence[Name]]) -> bool:
    """Whether a bracket says which data there are, and nothing of the tensor that is differentiated."""
    named = tensors(bracket)
    return bool(named) and read not in named and read not in reached(reads, *named)


class Carried:
    """The brackets of cotangents or tangents, each with the indices of its tensor."""

    def __init__(self, forward: Sequence[Equation], parts: Parts) -> None:
        self.forward, self.infinite = forward, parts.infinite
        self.infinite.update(infinite_tensors(forward))
        self.reads = {equation.name: tuple(tensors(equation.rhs)) for equation in forward}
        self.poles = Poles(forward)
        held = [equation for equation in forward if holds(equation, Iverson)]
        kinks = kinks_of(forward) if held else ()
        self._written = {equation.name: written_brackets((equation,), kinks) for equation in held}
        self.shapes = set().union(*self._written.values())  # of all that the user wrote
        self.of: dict[Name, tuple[tuple[Index, ...], Brackets]] = {}
        self.entries: dict[Name, tuple[tuple[Index, ...], Brackets]] = {}  # of those that are read

    def written(self, equation: Equation) -> set[Expr]:
        """The shapes of the brackets that the user wrote in an equation."""
        return self._written.get(equation.name, set())

    def at(self, tensor: Name, slots: Sequence[Affine]) -> Brackets:
        """The brackets of the derivative of a tensor where it is read."""
        return _at(self.of, tensor, slots)

    def entries_at(self, tensor: Name, slots: Sequence[Affine]) -> Brackets:
        """The brackets that say which entries of a tensor are read, where it is read itself."""
        return _at(self.entries, tensor, slots)

    def needed(self, term: Term, read: Name, brackets: Brackets, entries: Brackets = ()) -> Brackets:
        """Those that a term of the derivative by what is read has to repeat."""
        partial = (*term.left, *term.right) if brackets or entries else ()
        if entries and any(map(self.poles.has, partial)):
            return (*brackets, *entries)
        if any(may_be_infinite(factor, self.infinite) for factor in partial):
            return brackets
        along = indices_read(partial)
        found = [b for b in brackets if along & set(b.free) and hides_data(b, read, self.reads)]
        inside = _moved(found) if found else {}
        return (*found, *(b for b in brackets if is_range(b) and b.operands[1] in inside and b not in found))

    def opened(self, term: Term, written: Collection[Expr], derivative: Expr) -> Term:
        """The term with what the brackets of a sum in it say said beside what stands in its place, if that may be
        infinite: ``1[1[i < j] + 1[j < i] > 0] (1[i < j] a + 1[j < i] b) tV[i,j]``."""
        if not written or not may_be_infinite(derivative, self.infinite):
            return term
        sums = [factor for factor in (*term.left, *term.right) if isinstance(factor, Add)]
        found = [bracket for factor in sums for bracket in brackets_of((factor,), written)]
        return replace(term, left=(*term.left, *found)) if found else term

    def learn(
        self, name: Name, tensor: Name, indices: tuple[Index, ...], value: Expr, each: Sequence[Brackets]
    ) -> None:
        """The derivative of a tensor: what its terms are zero without, and whether it may be infinite."""
        free = set(indices)
        own = [[bracket for bracket in brackets if free.issuperset(bracket.free)] for brackets in each]
        if found := either(own):
            self.of[tensor] = indices, found
        if may_be_infinite(value, self.infinite):
            self.infinite.add(name)
        self.poles.learn(name, value)

    def learn_entries(self, tensor: Name, indices: tuple[Index, ...], each: Sequence[Brackets]) -> None:
        """Which entries of a tensor are read, from what says so of each term of its cotangent."""
        free = set(indices)
        if found := either([[bracket for bracket in brackets if free.issuperset(bracket.free)] for brackets in each]):
            self.entries[tensor] = indices, found


def _at(of: Said, tensor: Name, slots: Sequence[Affine]) -> Brackets:
    indices, brackets = of.get(tensor, ((), ()))
    names = dict(zip(indices, slots, strict=True)) if brackets else {}
    found: list[Expr] = [substitute(bracket, names) for bracket in brackets]
    if any(slot.index is None for slot in names.values()):
        inside = {guard.operands[1] for guard in found if is_range(guard)}
        found += [guard for form, guard in _moved(found).items() if form not in inside]
    return tuple(found)


def entries_of(expr: Expr, labels: bool = False, written: Collection[Expr] = ()) -> Brackets:
    """The deltas and brackets of indices in a product, those of the sums in it too, and of a stride ``δ[2I,p]`` that
    there is such an I; with ``labels`` of ``δ[T[I],p]`` too, and of ``1[A[I,p] > 0]`` where that was ``written``."""
    if not holds(expr, Delta, Iverson):
        return ()
    _, flat, summed = flattened((expr,))
    brackets = [f for f in flat if isinstance(f, Delta | Iverson) and (labels or not tensors(f))]
    data = [f for f in flat if isinstance(f, Iverson) and tensors(f) and shape(f) in written]
    brackets = list(dict.fromkeys((*brackets, *data)))
    found: list[Expr] = [f for f in brackets if isinstance(f, Delta) or not tensors(f)]
    found += [f for f in flat if says_some(f) and f not in found]
    for factor in flat:
        if isinstance(factor, Add):
            found += [
                b
                for b in either([entries_of(term, labels, written) for term in factor.terms])
                if not set(b.free) & set(summed)
            ]
    inner = [factor for factor in dict.fromkeys((*found, *brackets)) if set(factor.free) & set(summed)]
    if any(isinstance(factor, Delta) or factor in data for factor in inner):
        over = [index for index in summed if any(index in factor.free for factor in inner)]
        found.append(Iverson((sum_over(over, mul(inner)), Const(0)), (">",)))
    return tuple(factor for factor in found if factor not in inner)


def says_some(factor: Expr) -> bool:
    """Whether a bracket says that one of others holds, ``1[1[A[N,j] > 0] > 0]``, as those do that are carried."""
    if not isinstance(factor, Iverson) or factor.relations != (">",) or factor.operands[1] is not ZERO:
        return False
    return holds(factor.operands[0], Iverson, Delta) and not _reads(factor.operands[0])


def _reads(expr: Node) -> bool:
    """Whether an expression reads tensors outside of brackets and deltas."""
    if isinstance(expr, Iverson | Delta):
        return False
    return isinstance(expr, Indexed) or any(map(_reads, expr.children))


def read_at_labels(expr: Expr, written: Collection[Expr]) -> Brackets:
    """Of a sum over labels ``δ[T[I],p]``, or over data that brackets choose, that there is such an I."""
    terms = expr.terms if isinstance(expr, Add) else (expr,)
    known = [entries_of(term) for term in terms]
    found = [entries_of(term, True, written) for term in terms]
    return either(
        [[b for b in own if isinstance(b, Iverson) and b not in plain] for own, plain in zip(found, known, strict=True)]
    )


def beside_sums(expr: Expr, written: Collection[Expr]) -> Expr:
    """What the sums in a product are zero without, said beside them: what they are multiplied with may be infinite."""
    if isinstance(expr, Add):
        return simplify_sum(beside_sums(term, written) for term in expr.terms)
    coefficient, flat, summed = flattened((expr,))
    sums = [factor for factor in flat if isinstance(factor, Add)]
    found = [
        bracket for factor in sums for bracket in either([entries_of(term, written=written) for term in factor.terms])
    ]
    return simplify_product((Const(coefficient), *flat, *found), summed) if found and len(flat) > 1 else expr


def carried_to(term: Term, brackets: Collection[Expr]) -> Brackets:
    """Brackets in the indices that the deltas of a term tie theirs to: of ``x[i+1]`` i is ``p-1``, if that is one."""
    if not brackets:
        return ()
    names = {read.index: own for read, own in term.pairs if read.index is not None}
    guards: list[Expr] = []
    held = {index for bracket in brackets for index in bracket.free}
    for read, own in term.pairs:
        for index, value in solutions(affine((read, 1), (own, -1))) if read.index is None else ():
            if index in held and index not in names and index in read.free and not holds(value, Indexed):
                names[index] = value
                guards.append(range_guard(value, index))
    return tuple(dict.fromkeys((*(substitute(bracket, names) for bracket in brackets), *guards)))
