"""Where a tensor is read, and what is known to hold there.

A product is zero, and its other factors are not read, wherever one of its Iverson brackets or deltas is zero.  So the
brackets of the products around a read *guard* it: ``1[0 <= p-I < |W.0|] W[p-I]`` never reads outside.  A guard is kept
as a form that is known to be non-negative: ``0 <= f`` is ``f``, and ``f < |W.0|`` is ``|W.0| - 1 - f``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from einstan.language.dims import axis
from einstan.language.index import Affine, Arithmetic, affine, arithmetic
from einstan.language.node import Node, preorder, remembered
from einstan.language.term import (
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
    Position,
    Reduce,
    Sum,
    is_reciprocal,
)

Guards = tuple[Affine, ...]


@dataclass(frozen=True)
class Read:
    """One access, with the forms that are non-negative wherever it is made."""

    access: Indexed
    guards: Guards


@remembered
def reads(equation: Equation) -> tuple[Read, ...]:
    """Every access of the right side, also those inside slots, with what guards it."""
    found: list[Read] = []
    stack: list[tuple[Node, Guards]] = [(equation.rhs, ())]
    seen: set[tuple[Node, Guards]] = set()
    while stack:
        node, guards = entry = stack.pop()
        if entry in seen:
            continue
        seen.add(entry)
        if isinstance(node, Indexed):
            found.append(Read(node, guards))
        if isinstance(node, Mul):
            stack.extend((part, around) for part, around in reversed(guarded_factors(node.factors, guards)))
        else:
            stack.extend((child, guards) for child in reversed(node.children))
    return tuple(found)


def guarded_factors(factors: tuple[Expr, ...], guards: Guards) -> list[tuple[Expr, Guards]]:
    """Each factor with what guards it.  A bracket of indices alone is evaluated first, so nothing in its own product
    guards it; a bracket of values is guarded by the brackets of indices; everything else by both."""
    first = [factor for factor in factors if is_index_bracket(factor)]
    inside = guards + tuple(form for factor in first for form in inequalities(factor))
    return [(factor, guards if is_index_bracket(factor) else inside) for factor in factors]


def is_index_bracket(node: Node, integers: Collection[Name] = ()) -> bool:
    """A delta, or an Iverson bracket that compares affine forms only: it can be known before any tensor of numbers is
    read.  ``integers`` are the tensors of which it is known that they hold integers."""
    return isinstance(node, Delta) or (
        isinstance(node, Iverson) and all(as_multiple(operand, integers) is not None for operand in node.operands)
    )


def inequalities(node: Node) -> tuple[Affine, ...]:
    """The forms that are non-negative where a bracket of indices is 1."""
    if isinstance(node, Delta):
        chain: list[tuple[Node, str, Node]] = [(node.left, "==", node.right)]
    elif isinstance(node, Iverson) and node.relations:
        chain = list(zip(node.operands, node.relations, node.operands[1:], strict=False))
    else:
        return ()
    found: list[Affine] = []
    for left, relation, right in chain:
        sides = whole_sides(left, right)
        if sides is None:
            continue
        found += never_below(*sides, relation)
    return tuple(found)


def never_below(left: Affine, right: Affine, relation: str) -> Iterator[Affine]:
    """The forms that a comparison of whole numbers keeps from being negative."""
    if relation in ("<", "<=", "=="):
        yield _without_floor(affine((right, 1), (left, -1), constant=-1 if relation == "<" else 0))
    if relation in (">", ">=", "=="):
        yield _without_floor(affine((left, 1), (right, -1), constant=-1 if relation == ">" else 0))


def _without_floor(form: Affine) -> Affine:
    """One that is negative where this one is: ``floor(n/3) - p`` is where ``n - 3 p`` is."""
    for atom, k in form.terms:
        if isinstance(atom, Arithmetic) and atom.operation == "floor" and abs(k) == 1 and not atom.right.terms:
            width, rest = atom.right.constant, affine((form, 1), (atom, -k))
            if width > 0:
                return affine((atom.left, k), (rest, width), constant=0 if k > 0 else width - 1)
    return form


def as_affine(node: Node, integers: Collection[Name] = ()) -> Affine | None:
    """The operand of a bracket as a form, where it is one: ``T[i] - 1`` is, if T is known to hold integers."""
    match node:
        case Affine():
            return node
        case Extent():
            return affine((node, 1))
        case Const(value=value) if value.denominator == 1:
            return Affine((), int(value))
        case Indexed(tensor=tensor) if tensor in integers:
            return affine((node, 1))
        case Mul(factors=(Const(value=value), factor)) if value.denominator == 1:
            inner = as_affine(factor, integers)
            return None if inner is None else affine((inner, int(value)))
        case Add(terms=terms):
            forms = [as_affine(term, integers) for term in terms]
            return None if None in forms else affine(*((form, 1) for form in forms if form is not None))
        case Position(index=index):
            return affine((index, 1))
        case Apply(function="mod", arguments=(left, right)) if is_static(right):
            return _quotient("mod", as_affine(left, integers), as_affine(right, integers))
        case Apply(function="floor", arguments=(Mul(factors=(left, right)),)) if is_reciprocal(right) and is_static(
            right
        ):
            return _quotient("floor", as_affine(left, integers), as_affine(right.arguments[0], integers))
        case Apply(function="floor", arguments=(Mul(factors=(Const(), _)) as argument,)):  # floor(1/3 |p|)
            found = as_multiple(argument, integers)
            return None if found is None else _quotient("floor", found[0], Affine((), found[1]))
        case _:
            return None


def _quotient(operation: str, left: Affine | None, right: Affine | None) -> Affine | None:
    return None if left is None or right is None else affine((arithmetic(operation, left, right), 1))


def as_multiple(node: Node, integers: Collection[Name] = ()) -> tuple[Affine, int] | None:
    """An operand of a bracket as a form over a whole number: ``1/2 |d|`` and ``|d|/2`` are |d| over 2."""
    match node:
        case Mul(factors=(factor, Apply(function="pow", arguments=(Const(value=value), Const(value=-1))))) if (
            value.denominator == 1 < value and is_static(factor)
        ):
            inner = as_affine(factor, integers)
            return None if inner is None else (inner, int(value))
        case Mul(factors=(Const(value=value), factor)) if value.denominator > 1 and is_static(factor):
            inner = as_affine(factor, integers)
            return None if inner is None else (affine((inner, value.numerator)), value.denominator)
    form = as_affine(node, integers)
    return None if form is None else (form, 1)


def whole_sides(left: Node, right: Node, integers: Collection[Name] = ()) -> tuple[Affine, Affine] | None:
    """Two operands of a bracket as forms of whole numbers, both times the same where one of them is a fraction."""
    one, other = as_multiple(left, integers), as_multiple(right, integers)
    if one is None or other is None:
        return None
    return affine((one[0], other[1])), affine((other[0], one[1]))


def index_tensors(equations: Iterable[Equation]) -> dict[Name, set[str]]:
    """The tensors that stand in slots, so that they must hold integers, with the axes (``E.0``) that they index."""
    found: dict[Name, set[str]] = {}
    for equation in equations:
        for node in preorder(equation.rhs):
            if isinstance(node, Affine):
                for atom, _ in node.terms:
                    if isinstance(atom, Indexed):
                        found.setdefault(atom.tensor, set())
            elif isinstance(node, Indexed):
                for position, form in enumerate(node.slots):
                    for atom, _ in form.terms:
                        if isinstance(atom, Indexed):
                            found.setdefault(atom.tensor, set()).add(axis(node.tensor, position))
    return found


def compared_alone(equations: Iterable[Equation]) -> set[Name]:
    """The tensors of which nothing but comparisons is asked, so that whole numbers serve as well: ``1[y[n] == c]``."""
    compared: set[Name] = set()
    others: set[Name] = set()
    for equation in equations:
        stack: list[tuple[Node, bool]] = [(equation.rhs, False)]
        while stack:
            node, inside = stack.pop()
            if isinstance(node, Indexed):
                (compared if inside else others).add(node.tensor)
            inside = inside or isinstance(node, Iverson)
            stack.extend((child, inside) for child in node.children)
    return compared - others


def bounds_above(guards: Guards, form: Affine) -> bool:
    """Whether some guard says that the form is at most a number."""
    return any(_is_fixed(affine((guard, 1), (form, 1))) for guard in guards)


def _is_fixed(form: Affine) -> bool:
    return all(isinstance(atom, Extent) for atom, _ in form.terms)


def is_static(node: Node) -> bool:
    """A number that sizes alone determine: it reads no tensor and has no index."""
    if node.free:
        return False
    stack = [node]
    while stack:
        part = stack.pop()
        if isinstance(part, Indexed | Sum | Iverson | Delta | Reduce):
            return False
        stack.extend(part.children)
    return True
