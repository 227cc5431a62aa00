"""Residuals: differences that stay where they are while what they are made of moves, each an equation of its own.

    L = mean[N]((y[N] - a - b x[N])^2)      with  b = ... and  a = q - b m  fitted to x and y

Each term is as large as the data, and what is left of them is not.  So is what is left of any change: where x moves, a
and b move so that the residual stays.  A derivative that takes a residual apart, one product for each of its terms,
multiplies what moves by data, twice for a Hessian, and adds up large numbers whose digits are lost.  One that has a
name has a cotangent and a tangent of its own, ``te[n] = -ta - tb x[n] - b tx[n]``, which are added up while they are
as large as the data, and are multiplied when they are small.

What is named is what a derivative would multiply by data: a difference with a term ``b x[n]`` that moves along with
others, where b is defined.  The mean taken away from ``x[n] - m`` leaves no such factor, and stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from einstan.calculus.alpha import pattern
from einstan.calculus.coefficients import coefficient_of
from einstan.calculus.digits import MOVING, Known, grown
from einstan.calculus.factors import parts_of
from einstan.calculus.naming import ForwardNames
from einstan.calculus.program import Program, extents_told, remade
from einstan.calculus.simplify import simplify
from einstan.language import well_named
from einstan.language.dims import is_axis, loose
from einstan.language.index import Index, fresh_name, lowered, slot
from einstan.language.node import Node, holds, preorder, replace
from einstan.language.term import ZERO, Add, Delta, Equation, Expr, Indexed, Iverson, Mul, Name, Reduce, Sum, tensors

NAME = "e"


def residuals_named(program: Program) -> tuple[Program, tuple[Equation, ...]]:
    """The program with an equation for each residual that has no name, and these equations; the program itself where
    there is none."""
    found: tuple[Program, tuple[Equation, ...]] | None = program.notes.get(residuals_named)
    if found is None:
        found = program.notes[residuals_named] = _named(program)
    return found


def with_residuals(equations: Sequence[Equation], residuals: Iterable[Equation]) -> list[Equation]:
    """The equations of a pass behind those of the residuals that they read."""
    read = frozenset().union(*(tensors(equation.rhs) for equation in equations))
    return [*(residual for residual in residuals if residual.name in read), *equations]


def _named(program: Program) -> tuple[Program, tuple[Equation, ...]]:
    likely = _likely(program)
    if not likely:
        return program, ()
    defined = ForwardNames(program.resolved_all())
    taken = {str(name)[k:] for name in program.ranks for k in range(4)}  # nor may its own derivatives be there
    names: dict[Node, Name] = {}
    made: list[Equation] = []
    equations: list[Equation] = []
    for equation in program.resolved_all():
        values: dict[Node, Node] = {}
        for total, shared in likely.get(equation.name, {}).items():
            if not any(_is_residual(total, name, defined.parts.known) for name in shared):
                continue
            access = defined(total)
            if isinstance(access, Indexed):
                values[total] = access
                continue
            key, order = pattern(total)
            if key not in names:
                names[key] = fresh_name(NAME, taken)
                taken.add(str(names[key]))
                own = tuple(Index(lowered(index.name), index.dim) for index in order)
                rhs = replace(total, dict(zip(order, own, strict=True)))
                made.append(well_named(Equation(names[key], own, rhs)))
            values[total] = Indexed(names[key], tuple(map(slot, order)))
        if values:
            rhs = replace(simplify(equation.rhs), values)
            equation = Equation(equation.name, equation.indices, rhs, equation.where)
        equations.append(equation)
    return remade(program, (*made, *equations)), tuple(made)


def _likely(program: Program) -> dict[Name, dict[Add, frozenset[Name]]]:
    """The sums that may be residuals, by the equation that holds them, with the tensors that several terms move with;
    it is asked of every program, and so nothing is worked out that is not needed."""
    held = {equation.name: sums for equation in program.resolved_all() if (sums := _sums(equation, program))}
    along: dict[Name, frozenset[Name]] = {}
    found: dict[Name, dict[Add, frozenset[Name]]] = {}
    for equation in program.resolved_all() if held else ():
        shared = {total: frozenset(_shared(total, program, along)) for total in held.get(equation.name, ())}
        if any(shared.values()):
            found[equation.name] = shared
        along[equation.name] = _along(equation.rhs, along)
    return found


def _sums(equation: Equation, program: Program) -> list[Add]:
    """The sums in an equation, but for itself, of which a term is a product with a tensor that is defined."""
    if not holds(equation.rhs, Add):
        return []
    rhs = simplify(equation.rhs)
    sums = (node for node in preorder(rhs) if isinstance(node, Add) and node is not rhs)
    likely = [total for total in sums if any(map(program.defined.__contains__, _beside(total)))]
    whole = Equation(equation.name, equation.indices, rhs, equation.where)
    return [total for total in likely if _may_stand_alone(total, whole)]


def _beside(total: Add) -> Iterator[Name]:
    """The tensors in the products that a sum adds."""
    return (name for term in total.terms if len(_factors(term)) > 1 for name in tensors(term))


def _may_stand_alone(total: Add, equation: Equation) -> bool:
    """Whether each index runs as far where a sum is an equation of its own as in the one that holds it."""
    if any(isinstance(node, Delta | Iverson) for node in preorder(total)):
        return False
    slots = [form for node in preorder(total) if isinstance(node, Indexed) for form in node.slots]
    plain = {form.index for form in slots} - {index for index, _ in loose(equation)}
    plain -= {index for form in slots if form.index is None for index in form.free}
    others = [index for index in total.free if index not in plain or not is_axis(index.dim)]
    if not others:
        return True
    alone, whole = (dict(extents_told(e)) for e in (Equation(NAME, tuple(total.free), total), equation))
    return all(index in alone and alone[index] == whole.get(index) for index in others)


def _shared(total: Add, program: Program, along: Mapping[Name, frozenset[Name]]) -> Iterator[Name]:
    """The tensors that a factor of a term may move with, beside one that is defined, and another term too."""
    moving = [_along(term, along) for term in total.terms]
    for k, term in enumerate(total.terms):
        factors = _factors(term)
        others = frozenset().union(*moving[:k], *moving[k + 1 :])
        for n, factor in enumerate(factors):
            beside = (*factors[:n], *factors[n + 1 :])
            if any(name in program.defined for other in beside for name in tensors(other)):
                yield from _along(factor, along) & others


def _factors(term: Expr) -> tuple[Expr, ...]:
    body = coefficient_of(term)[1]
    return tuple(parts_of(body.body if isinstance(body, Sum) else body))


def _along(expr: Expr, along: Mapping[Name, frozenset[Name]]) -> frozenset[Name]:
    """The tensors that an expression may move along with: those that it reads under no function."""
    stack: list[Node] = [expr]
    found: set[Name] = set()
    while stack:
        node = stack.pop()
        if isinstance(node, Indexed):
            found |= along.get(node.tensor, frozenset((node.tensor,)))
        elif isinstance(node, Add | Mul | Sum) or (isinstance(node, Reduce) and node.operation in MOVING):
            stack.extend(child for child in node.children if isinstance(child, Expr))
    return frozenset(found)


def _is_residual(total: Add, name: Name, known: Known) -> bool:
    """Whether a sum stays while a tensor moves, and a factor of one of its terms moves beside one that is defined."""

    def growth(expr: Expr) -> Expr | None:
        return grown(expr, lambda access: known.growth(access, name)).moved

    if growth(total) is not ZERO:
        return False
    return any(
        len(_factors(term)) > 1 and growth(factor) is not ZERO for term in total.terms for factor in _factors(term)
    )
