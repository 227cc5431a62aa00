"""Partial derivatives: one rule per kind of node.

The derivative of an expression with respect to one tensor ``U[u]`` is linear in the accesses of ``U``: a list of
terms ``sum over bound (left × δ's × right)``, one for every access, where left and right stand around the place that
the access had.  The partial of an access is a product of deltas; putting something else in its place (a cotangent) is
the chain rule, and so the contractor uses the same rules.

"Cannot differentiate" is an error, never a zero: a tensor that another tensor's slot reads as an integer has no
derivative.  An indicator of values is constant on both sides of its jump, so its derivative is zero; what happens at
the jump is the stated convention of the function that it came from.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from einstan.calculus.assume import assumed
from einstan.calculus.factors import parts_of
from einstan.calculus.naming import ForwardNames, derived_equation
from einstan.calculus.orders import Orders
from einstan.calculus.parts import shortest_named
from einstan.calculus.program import Assumption, extents_behind, stated_extents
from einstan.calculus.ranges import Ranges
from einstan.calculus.simplify import simplify, simplify_product, simplify_sum
from einstan.calculus.uses import Held, held_by
from einstan.language import parse_expression
from einstan.language.arguments import shown
from einstan.language.dims import axis, loose
from einstan.language.effort import spend
from einstan.language.errors import DifferentiationError, ScopeError, nearest
from einstan.language.functions import FUNCTIONS
from einstan.language.index import Affine, Index, fresh_name, is_capital, lowered, slot
from einstan.language.node import Node, holds, preorder, remembered, replace
from einstan.language.place import at
from einstan.language.sugar import as_form
from einstan.language.term import (
    ONE,
    ZERO,
    Add,
    Apply,
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
    Position,
    Reduce,
    Sum,
    accesses,
    add,
    bound_indices,
    mul,
    neg,
    reciprocal,
    substitute,
    sum_over,
    tensors,
    valued,
)
from einstan.language.tokens import is_name

Pair = tuple[Affine, Affine]
Kinks = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Term:
    """``sum over bound of left × (a delta for each pair) × right``: what one access of the tensor contributes."""

    bound: tuple[Index, ...]
    left: tuple[Expr, ...]
    pairs: tuple[Pair, ...]
    right: tuple[Expr, ...]

    def inside(self, left: tuple[Expr, ...] = (), right: tuple[Expr, ...] = ()) -> Term:
        apart = self.apart_from(index for factor in (*left, *right) for index in factor.free)
        return Term(apart.bound, left + apart.left, apart.pairs, apart.right + right)

    def summed(self, indices: tuple[Index, ...]) -> Term:
        apart = self.apart_from(indices)
        return Term(indices + apart.bound, apart.left, apart.pairs, apart.right)

    def with_in_place(self, seed: Sequence[Expr], indices: tuple[Index, ...] = ()) -> Expr:
        """The term with ``seed`` where the access stood, summed over ``indices`` too, its deltas used up."""
        apart = self.apart_from((*indices, *(index for factor in seed for index in factor.free)))
        deltas = (Delta(a, b) for a, b in apart.pairs)
        return simplify_product((*apart.left, *seed, *deltas, *apart.right), indices + apart.bound)

    def along(self, tensor: Name, tangent: Name, batch: tuple[Index, ...] = (), brackets: Sequence[Expr] = ()) -> Expr:
        """The term with the tangent of the access where the access stood: ``tX[n,K] W[K,j]``; no delta arises.
        ``brackets`` are those outside of which the tangent is zero.

        Range guards of the access guard its tangent, which is as large: ``pad(tX[i+J])``.
        """
        access = Indexed(tangent, (*map(slot, batch), *(read for read, _ in self.pairs)))
        own = {f"{tensor}.{k}": Extent(Index(f"{tangent}.{k + len(batch)}")) for k in range(len(self.pairs))}

        def guarded(factor: Expr) -> Expr:
            found = [n for n in preorder(factor) if isinstance(n, Extent) and n.index.name in own]
            return replace(factor, {n: own[n.index.name] for n in found}) if isinstance(factor, Iverson) else factor

        factors = (*map(guarded, self.left), *brackets, access, *map(guarded, self.right))
        return simplify_product(factors, self.bound)

    def apart_from(self, indices: Iterable[Index]) -> Term:
        """The same term, binding none of the given indices: what comes to stand inside its sum is not captured."""
        if not self.bound:
            return self
        around = set(indices)
        clashing = [index for index in self.bound if index in around]
        if not clashing:
            return self
        own = (*self.left, *self.right, *(form for pair in self.pairs for form in pair))
        taken = {index.name for index in (*around, *self.bound, *(index for part in own for index in part.free))}
        fresh: dict[Index, Index] = {}
        for index in clashing:
            name = fresh_name(index.name, taken)
            taken.add(name)
            fresh[index] = Index(name, index.dim)

        def renamed(part: Node) -> Any:
            return substitute(part, fresh)

        return Term(
            tuple(fresh.get(index, index) for index in self.bound),
            tuple(map(renamed, self.left)),
            tuple((renamed(a), renamed(b)) for a, b in self.pairs),
            tuple(map(renamed, self.right)),
        )


# ---- rules -----------------------------------------------------------------------------------------------------------


class Differentiator:
    """The derivative of expressions with respect to ``tensor[indices]``.

    ``definitions`` are equations that other tensors stand for: a derivative passes through them (that is how the
    derivative of a derivative that names forward values is taken).  ``rename`` is applied to every coefficient when it
    arises; the contractor passes what recognises forward values.  ``kinks`` replaces partials of functions, to select
    another convention: ``{"relu": ["1[x >= 0]"]}``.  With ``on_paper`` the terms of one rule stay apart, as people
    write them, where a program that runs them would lose digits.  ``held`` is what holds the tensor, where that is
    known and nothing is defined: the rest is not looked at.
    """

    def __init__(
        self,
        tensor: Name,
        indices: tuple[Index, ...],
        definitions: Mapping[Name, Equation] | None = None,
        rename: Callable[[Expr], Expr] = lambda expr: expr,
        kinks: Kinks | None = None,
        on_paper: bool = False,
        held: Held | None = None,
    ) -> None:
        self.held = held
        self.tensor = tensor
        self.indices = indices
        self.definitions = definitions or {}
        self.rename = rename
        self.kinks = kinks or {}
        self.on_paper = on_paper
        self._memo: dict[Node, tuple[Term, ...]] = {}

    def terms(self, expr: Expr) -> tuple[Term, ...]:
        """The derivative as terms, one for each access, accesses under the same deltas merged."""
        if self.held is not None and expr not in self.held:
            return ()
        stack: list[tuple[Node, bool]] = [(expr, False)]
        while stack:
            node, expanded = stack.pop()
            if node in self._memo:
                continue
            spend(1)
            below = self._below(node)
            if expanded or not below:
                self._memo[node] = _merged(self._rule(node), self.on_paper)
            else:
                stack.append((node, True))
                stack.extend((child, False) for child in below if child not in self._memo)
        return self._memo[expr]

    def _below(self, node: Node) -> tuple[Node, ...]:
        """What must be differentiated first: the children, and the definition that an access stands for."""
        if isinstance(node, Indexed):
            return (self._definition(node),) if self._is_defined(node) else ()
        return tuple(child for child in self._parts(node) if isinstance(child, Expr))

    def _parts(self, node: Node) -> tuple[Node, ...]:
        """The children, or those of them that hold the tensor."""
        return node.children if self.held is None else self.held.get(node, ())

    def _is_defined(self, node: Indexed) -> bool:
        return node.tensor != self.tensor and node.tensor in self.definitions

    def _definition(self, node: Indexed) -> Expr:
        return inlined(node, self.definitions[node.tensor])

    def _rule(self, node: Node) -> tuple[Term, ...]:
        assert isinstance(node, Expr)
        match node:
            case Const() | Extent() | Position():
                return ()
            case Iverson() | Delta():
                self._refuse_in_slots(node)
                return ()
            case Indexed():
                self._refuse_in_slots(node)
                if node.tensor == self.tensor:  # dU[s]/dU[u] = δ[s,u]
                    return (Term((), (), tuple(zip(node.slots, map(slot, self.indices), strict=True)), ()),)
                return self._memo[self._definition(node)] if self._is_defined(node) else ()
            case Add():  # d(a + b) = da + db
                return tuple(term for part in self._parts(node) for term in self._memo[part])
            case Mul(factors=factors):  # d(a b) = da b + a db
                return tuple(
                    term.inside(factors[:k], factors[k + 1 :])
                    for k, factor in enumerate(factors)
                    for term in self._memo.get(factor, ())
                )
            case Sum(indices=indices, body=body):  # d sum[K](a) = sum[K](da)
                return tuple(term.summed(indices) for term in self._memo[body])
            case Apply(function=function, arguments=arguments):  # d f(u) = f'(u) du
                return tuple(
                    term.inside((self._partial_of_function(function, k, arguments),))
                    for k, argument in enumerate(arguments)
                    for term in self._memo.get(argument, ())
                )
            case Reduce(operation=operation, indices=indices, body=body):
                if not self._memo[body]:
                    return ()
                weights = (self.rename(simplify(_weight(operation, indices, body))),)
                return tuple(term.inside(weights).summed(indices) for term in self._memo[body])
            case _:
                raise AssertionError(f"no derivative rule for {type(node).__name__}")

    def _partial_of_function(self, function: str, position: int, arguments: tuple[Expr, ...]) -> Expr:
        if function in ("maximum", "minimum") and ZERO in arguments:  # max(0, u) = relu(u), min(0, u) = -relu(-u)
            u = arguments[position]
            return self._partial_of_function("relu", 0, (u if function == "maximum" else simplify(neg(u)),))
        row = FUNCTIONS[function]
        texts = self.kinks.get(function, row.partials)
        if position >= len(texts):
            raise DifferentiationError(
                f"{function} has no partial derivative with respect to its argument {position + 1}",
                text=str(Apply(function, arguments)),
                repair="give the function's row a partial, or write the function by others",
            )
        partial: Expr = replace(
            parsed_partial(texts[position], row.parameters),
            {Indexed(name): value for name, value in zip(row.parameters, arguments, strict=True)},
        )
        if function == "pow" and position == 0:
            partial = mul((*where_it_counts(arguments[1]), partial))
        # What is simplified with a name in it is so with any access in its place.
        plain = all(isinstance(argument, Indexed) for argument in arguments) and len(set(arguments)) == len(arguments)
        return self.rename(partial if plain else simplify(partial))

    def _refuse_in_slots(self, node: Node) -> None:
        slots = [child for child in node.children if isinstance(child, Affine) and holds(child, Indexed)]
        for inner in preorder(*slots) if slots else ():
            if isinstance(inner, Indexed) and self.tensor in _behind(inner, self.definitions):
                raise DifferentiationError(
                    f"{self.tensor} is read as an integer in a slot and has no derivative there",
                    text=str(node),
                    inferred=f"{inner} chooses which entry is read",
                    repair="differentiate with respect to a tensor that enters by its values",
                )


def where_it_counts(exponent: Expr) -> tuple[Expr, ...]:
    """``1[t != 0]`` beside ``t x^(t - 1)`` and ``t log(x)``, which are no numbers at x = 0 where t is 0: x^0 is 1."""
    if not holds(exponent, Position) or holds(exponent, Indexed):
        return ()
    form = as_form(exponent)
    if form is None:
        return (Iverson((exponent, ZERO), ("!=",)),)
    positive = form.constant > 0 and all(k > 0 for _, k in form.terms)
    return () if positive else (Iverson((form, Affine(())), ("!=",)),)


def _behind(
    node: Node, definitions: Mapping[Name, Equation], read: Callable[[Node], Iterable[Name]] = tensors
) -> set[Name]:
    """All tensors that the value of an expression depends on, or those that each equation reads so."""
    found: set[Name] = set()
    queue: list[Node] = [node]
    while queue:
        for name in read(queue.pop()):
            if name not in found:
                found.add(name)
                if name in definitions:
                    queue.append(definitions[name].rhs)
    return found


def _merged(terms: tuple[Term, ...], by_letter: bool = False) -> tuple[Term, ...]:
    """Accesses under the same deltas become one term: x x gives (x + x) δ, and u - mean(u) one bracket to multiply.

    So a shared graph stays small, and a difference stays one: no factor is multiplied into its parts.  ``by_letter``
    merges only what has the same bound letters too.  Brackets that differ keep apart what they guard: a shifted read
    outside of ``1[0 <= i < |i|-2] u + 1[0 <= i-1 < |i|-2] v`` would have none that keeps it inside.
    """
    if len(terms) < 2:
        return terms
    groups: dict[tuple[object, ...], list[Term]] = {}
    for term in terms:
        spend(len(term.left) + len(term.right))
        key = (term.bound, term.pairs) if by_letter else _deltas(term)
        groups.setdefault((key, _guards(term)), []).append(term)
    if len(groups) == len(terms):
        return terms
    merged: list[Term] = []
    for group in groups.values():
        if len(group) == 1:
            merged += group
        else:
            own, *others = map(_closed, group)
            own = own.apart_from(index for t in others for index in t.left[0].free if index not in t.bound)
            coefficients = [substitute(t.left[0], dict(zip(t.bound, own.bound, strict=True))) for t in (own, *others)]
            merged.append(Term(own.bound, (simplify_sum(coefficients),), own.pairs, ()))
    return tuple(merged)


def _guards(term: Term) -> frozenset[Expr]:
    """The brackets of a term that may keep a shifted read of the tensor inside."""
    shifted = {index for read, _ in term.pairs if read.index is None for index in read.free}
    brackets = _brackets((*term.left, *term.right)) if shifted else frozenset()
    return frozenset(part for part in brackets if not shifted.isdisjoint(part.free))


def _brackets(factors: Sequence[Expr]) -> frozenset[Expr]:
    """The brackets of indices in a product, and those that all terms of a sum in it have."""
    found: set[Expr] = set()
    for part in (part for factor in factors for part in parts_of(factor)):
        if isinstance(part, Iverson) and not holds(part, Indexed):
            found.add(part)
        elif isinstance(part, Add) and holds(part, Iverson):
            found |= frozenset.intersection(*(_brackets((term,)) for term in part.terms))
    return frozenset(found)


def _deltas(term: Term) -> tuple[object, ...]:
    """The deltas of a term, whatever the letters of its bound indices are."""
    if not term.bound:
        return term.pairs
    inside = _in_order_of_deltas(term)
    letters = {index: Index(f"#{k}", index.dim) for k, index in enumerate(inside)}

    def lettered(form: Affine) -> Node:
        return substitute(form, letters) if form.index is None else letters.get(form.index, form.index)

    return tuple((lettered(a), lettered(b)) for a, b in term.pairs)


def _closed(term: Term) -> Term:
    """The term with a sum over what no delta holds: what is left is bound in the order of the deltas."""
    inside = _in_order_of_deltas(term)
    loose = [index for index in term.bound if index not in inside]
    return Term(inside, (simplify_product((*term.left, *term.right), loose),), term.pairs, ())


def _in_order_of_deltas(term: Term) -> tuple[Index, ...]:
    held = dict.fromkeys(index for pair in term.pairs for form in pair for index in form.free)
    return tuple(index for index in held if index in term.bound)


@lru_cache(maxsize=256)
def parsed_partial(text: str, parameters: tuple[str, ...]) -> Expr:
    """A partial from the table of functions, simplified."""
    return simplify(parse_expression(text))


# ---- reductions ------------------------------------------------------------------------------------------------------


def _weight(operation: str, indices: tuple[Index, ...], body: Expr) -> Expr:
    """``w`` in ``d reduce[K](u) = sum[K](w du)``."""
    names = {index.name for index in (*body.free, *bound_indices(body), *indices)}
    whole = Reduce(operation, *_copy(indices, body, names))
    match operation:
        case "mean":  # 1 / |K|
            return mul(reciprocal(Extent(index)) for index in indices)
        case "max" | "min":  # ties share the derivative equally
            here = Iverson((body, whole), ("==",))
            others, other_body = _copy(indices, body, names)
            count = sum_over(others, Iverson((other_body, Reduce(operation, *_copy(indices, body, names))), ("==",)))
            return mul((here, reciprocal(count)))
        case "logsumexp":  # exp(u - logsumexp[K](u))
            return Apply("exp", (add((body, neg(whole))),))
        case "prod":  # the product over all others, which needs no division by zero
            others, other_body = _copy(indices, body, names)
            pairs = [(slot(other), slot(own)) for other, own in zip(others, indices, strict=True)]
            return Reduce("prod", others, left_out(other_body, pairs))
        case _:
            raise AssertionError(f"no derivative rule for {operation}")


def left_out(value: Expr, pairs: Sequence[Pair]) -> Expr:
    """A value, and one where all pairs are equal: ``1[I != i] u + δ[I,i]``, of which nothing is taken away again."""
    (a, b), *others = pairs
    beside = left_out(value, others) if others else ONE
    return add((mul((Iverson((a, b), ("!=",)), value)), mul((Delta(a, b), beside))))


def _copy(indices: tuple[Index, ...], body: Expr, names: set[str]) -> tuple[tuple[Index, ...], Expr]:
    """The same body over fresh indices."""
    fresh: dict[Index, Index] = {}
    for index in indices:
        name = fresh_name(index.name, names)
        names.add(name)
        fresh[index] = Index(name, index.dim)
    return tuple(fresh.values()), substitute(body, fresh)


# ---- whole equations -------------------------------------------------------------------------------------------------


def inlined(access: Indexed, definition: Equation) -> Expr:
    """The right side of a definition at the slots of an access."""
    expr = definition.rhs
    return substitute(expr, dict(zip(definition.indices, access.slots, strict=True)))


def may_be_put_in(equation: Equation) -> bool:
    """Whether reading what a definition reads tells the same of extents as reading the definition."""
    slots = (form for node in preorder(equation.rhs) if isinstance(node, Indexed) for form in node.slots)
    plain = all(form.index is not None for form in slots)
    return plain and not equation.where and not loose(equation) and set(equation.rhs.free) == set(equation.indices)


def denominator_indices(
    equation: Equation, tensor: Name, taken: set[str], scalars: Collection[str] = ()
) -> tuple[Index, ...]:
    """Fresh lower-case indices for the slots of ``tensor``: its own letters where they are free, else the next ones.

    No letter is the name of a scalar: x^p and dx[p] cannot stand in one equation.
    """
    access = first_accesses(equation)[tensor]
    names = set(taken)
    found: list[Index] = []
    short = loose(equation)
    for position, form in enumerate(access.slots):
        letter = lowered(_unnumbered(form.index.name, names | set(scalars))) if form.index is not None else "p"
        name = _next_letter(letter, names, scalars)
        names.add(name)
        place = axis(tensor, position)
        dim = form.index.dim if form.index is not None and (form.index, place) not in short else place
        found.append(Index(name, dim))
    return tuple(found)


@remembered
def first_accesses(equation: Equation) -> dict[Name, Indexed]:
    """The first access of each tensor."""
    found: dict[Name, Indexed] = {}
    for node in preorder(equation.rhs):
        if isinstance(node, Indexed):
            found.setdefault(node.tensor, node)
    return found


def _unnumbered(name: str, taken: Collection[str]) -> str:
    """``K`` for ``K2``, which the calculus made, where that is free."""
    stem = name.rstrip("0123456789")
    return stem if stem and name[len(stem) :] not in ("", "0", "1") and lowered(stem) not in taken else name


def scalars(*equations: Equation) -> set[str]:
    """The names of the tensors without slots that equations define or read."""
    return set().union(*(_scalars(e.rhs) for e in equations), (str(e.name) for e in equations if not e.indices))


@remembered
def _scalars(rhs: Expr) -> frozenset[str]:
    return frozenset(str(name) for name, rank in accesses(rhs) if not rank)


def refuse_compared(definitions: Mapping[Name, Equation], of: Sequence[Equation], wrt: Name) -> None:
    """Refuse a tensor that enters through comparisons alone, as it is written: not even its zero derivative is meant.
    What is read by its values and cancels, ``x - x``, has the derivative zero."""
    if any(wrt == each.name or wrt in _behind(each.rhs, definitions, valued) for each in of):
        return
    behind = (*of, *(definitions[n] for each in of for n in _behind(each.rhs, definitions) if n in definitions))
    equation = next((e for e in behind if wrt in tensors(e.rhs) and wrt not in valued(e.rhs)), of[0])
    raise DifferentiationError(
        f"{equation.name} depends on {wrt} only through comparisons, which have no derivative",
        **at(equation, wrt),
        inferred="an indicator is constant on both sides of its jump",
        repair="multiply the indicator by what varies, or use a smooth function such as sigmoid",
    )


def _next_letter(letter: str, taken: set[str], scalars: Collection[str] = ()) -> str:
    """The letter itself, or for a single letter the next free one in the alphabet: n, then m; j, then p, q, ..."""
    if letter not in taken and letter not in scalars:
        return letter
    for other in {"n": "m", "m": "n", "i": "pqrs", "j": "qprs", "k": "lqrs"}.get(letter, "pqrst"):
        if other not in scalars and other not in taken and other.upper() not in taken:
            return other
    return fresh_name(letter, taken | set(scalars))


def partial(
    equation: Equation,
    wrt: Name,
    indices: Sequence[str] | None = None,
    definitions: Mapping[Name, Equation] | None = None,
    names: ForwardNames | None = None,
    kinks: Kinks | None = None,
    assumptions: Iterable[Assumption] = (),
) -> Equation:
    """The partial-derivative tensor of an equation, as an equation: ``dZ[n,j]/dX[m,p] = δ[n,m] W[p,j]``.

    Its slots are those of the numerator, then those of the denominator; ``indices`` names the latter, and ``names``
    are the forward values that it may name.  Raises
    `DifferentiationError` where ``wrt`` does not enter, or enters as an integer.
    """
    _require_functions(kinks or {})
    is_read = wrt in {name for name, _ in accesses(equation.rhs)}
    if not is_read and wrt not in (reached := _behind(equation.rhs, definitions or {})):
        raise DifferentiationError(
            f"{equation.name} does not depend on {wrt}",
            **at(equation, equation.name),
            inferred="it reads " + (", ".join(str(name) for name in reached) or "no tensor"),
            repair=nearest(str(wrt), [str(name) for name in reached]) or "differentiate with respect to one of these",
        )
    letters = {i.name for i in (*equation.indices, *equation.rhs.free, *bound_indices(equation.rhs))}
    source = equation
    if not is_read:
        source = next(e for e in (definitions or {}).values() if wrt in tensors(e.rhs))
    unbound = {i.name for i in equation.indices}
    denominators = denominator_indices(source, wrt, unbound, scalars(equation, *(definitions or {}).values()))
    if indices is not None:
        if len(indices) != len(denominators):
            raise ScopeError(f"{wrt} has {len(denominators)} slots, and {len(indices)} letters were given")
        _require_letters(equation, indices)
        denominators = tuple(Index(name, old.dim) for name, old in zip(indices, denominators, strict=True))
    # The letters of the answer must not meet the bound ones of the question while both are there.
    apart = tuple(Index(f"{i.name}'", i.dim) for i in denominators)
    assert not letters & {i.name for i in apart}
    rhs = simplify(equation.rhs)
    names = names or ForwardNames(())
    held = None if definitions else held_by(rhs, wrt)
    terms = Differentiator(wrt, apart, definitions, names, kinks, held=held).terms(rhs)
    if not terms and not isinstance(equation.name, Partial):
        refuse_compared(definitions or {}, [equation], wrt)
    behind = (equation, *(definitions or {}).values())
    stated = [*(pair for e in behind for pair in e.where), *extents_behind(behind)]
    sum_of_terms = stated_extents(simplify_sum(term.with_in_place(()) for term in terms), stated)
    total = Orders(behind)(shortest_named(assumed(sum_of_terms, assumptions), names.parts))
    named = substitute(total, dict(zip(apart, denominators, strict=True)))
    before = equation.name if isinstance(equation.name, Partial) else Partial(equation.name, len(equation.indices), ())
    name = Partial(before.of, before.rank, (*before.wrt, (str(wrt), len(denominators))))
    return derived_equation(name, (*equation.indices, *denominators), named, stated, ranges=Ranges(behind))


def _require_letters(equation: Equation, letters: Sequence[str]) -> None:
    """The slots of a denominator are indices of their own, none of which is summed."""
    taken = [index.name for index in equation.indices]
    for position, name in enumerate(letters):
        if not is_name(name) or is_capital(name) or name in taken or name in letters[:position]:
            why = "is an index of the numerator" if name in taken else "is no index of a derivative"
            raise ScopeError(
                f"{shown(name)} {'stands twice' if name in letters[:position] else why}",
                repair=f"another letter, such as {fresh_name('m', {*taken, *letters})}",
            )


def _require_functions(kinks: Kinks) -> None:
    for name, texts in kinks.items():
        if name not in FUNCTIONS:
            raise DifferentiationError(
                f"there is no function {name}", repair=nearest(name, list(FUNCTIONS)) or 'kinks={"relu": ["1[x >= 0]"]}'
            )
        if len(texts) != len(FUNCTIONS[name].parameters):
            raise DifferentiationError(f"{name} has {len(FUNCTIONS[name].parameters)} partials, not {len(texts)}")
