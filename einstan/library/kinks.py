"""Kinks: where two sides that are equal everywhere else may differ, since what is derived there is a convention.

A claim is excused where a function that has no derivative there, or in a derivative a bracket that jumps, stands
exactly at that place, and the sides agree again as soon as the entries move by a little.  Nothing that a document
compares by ``==`` is excused: a label that is 1 is no set of measure zero.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

from einstan.calculus.program import Program
from einstan.language.errors import EinstanError
from einstan.language.functions import FUNCTIONS
from einstan.language.index import Affine, Index, slot
from einstan.language.node import Node, preorder
from einstan.language.scope import parse_expression
from einstan.language.term import (
    ONE,
    ZERO,
    Apply,
    Const,
    Delta,
    Equation,
    Expr,
    Indexed,
    Iverson,
    Name,
    Reduce,
    add,
    mul,
    neg,
    substitute,
    tensors,
)
from einstan.machine.meaning.loops import Tensor, evaluate
from einstan.machine.meaning.numbers import EXACT, DomainError, magnitude
from einstan.machine.points.sampling import ABSOLUTE

TIES = FUNCTIONS["maximum"].kink
JUMP = "a bracket jumps and has no derivative"
HERE = "here"  # the name of what is evaluated


@dataclass(frozen=True)
class Kink:
    """A place, ``left = right``, and the convention there; none where it is a bracket that jumps."""

    left: Expr
    right: Expr
    convention: str = ""
    apart: Expr = ZERO  # is not zero where the two are one entry

    def __str__(self) -> str:
        place = f"{self.left} = {self.right}"
        if not self.convention:
            return f"equal but where {place}"
        said = self.convention if self.convention in (TIES, JUMP) else f"the convention is {self.convention}"
        return f"equal but at the kink {place}, where {said}"


def kinks_of(exprs: Iterable[Expr], conventions: Mapping[str, str]) -> Iterator[Kink]:
    """The kinks of functions first, then the places where brackets jump.""" ""
    places: list[Kink] = []
    for node in preorder(*exprs):
        match node:
            case Apply(function="relu" | "abs" | "sign" as function, arguments=(u,)):
                yield Kink(u, ZERO, conventions.get(function) or FUNCTIONS[function].kink)
            case Apply(function="maximum" | "minimum", arguments=(u, v)) if ZERO in (u, v):
                relu = conventions.get("relu") or FUNCTIONS["relu"].kink
                yield Kink(v if u is ZERO else u, ZERO, relu)
            case Apply(function="maximum" | "minimum", arguments=(u, v)):
                yield Kink(u, v, TIES)
            case Apply(function="clip", arguments=(u, *ends)):
                yield from (Kink(u, end, FUNCTIONS["clip"].kink) for end in ends)
            case Reduce(operation="max" | "min", indices=(index,), body=body):
                other = Index(f"{index.name}2", index.dim)
                yield Kink(body, substitute(body, {index: other}), TIES, Delta(slot(index), slot(other)))
            case Iverson(operands=operands, relations=relations) if relations:
                for left, right in pairwise(operands):
                    if any(isinstance(side, Expr) for side in (left, right)):
                        first, second = sorted((_expr(left), _expr(right)), key=lambda side: isinstance(side, Const))
                        places.append(Kink(first, second))
    yield from places


def jumps_by_convention(exprs: Iterable[Expr]) -> Iterator[Kink]:
    """Where sign and arctan2 jump, at which their values are conventions."""
    for node in preorder(*exprs):
        match node:
            case Apply(function="sign", arguments=(u,)):
                yield Kink(u, ZERO, "sign(0) = 0")
            case Apply(function="arctan2", arguments=(y, x)):
                behind = mul((Iverson((x, ZERO), (">=",)), add((ONE, neg(y)))))  # y is 1 there, wherever it is 0
                yield Kink(y, ZERO, "arctan2(0, -1) = pi", behind)


def stepped_over(name: Name, exprs: Iterable[Expr]) -> list[Kink]:
    """The places at which brackets of a tensor's values jump, where it stands nowhere but in brackets that compare it
    with other values by less and more: there alone what it changes has no derivative, and elsewhere that is zero."""
    found: list[Kink] = []
    waiting: list[Node] = list(exprs)
    while waiting:
        node = waiting.pop()
        if isinstance(node, Iverson) and set(node.relations) <= {"<", "<=", ">", ">="}:
            if name in tensors(node):
                if any(isinstance(operand, Affine) and operand.terms for operand in node.operands):
                    return []
                found += (replace(kink, convention=JUMP) for kink in kinks_of((node,), {}))
        elif isinstance(node, Indexed) and node.tensor == name:
            return []
        else:
            waiting += node.children
    return found


def _expr(operand: Any) -> Expr:
    if isinstance(operand, Expr):
        return operand
    constant = operand.constant if isinstance(operand, Affine) and not operand.terms else None
    return Const(constant) if constant is not None else Iverson((operand,), ())


def convention_at_zero(function: str, partial: str) -> str:
    """``relu'(0) = 1`` for a chosen partial."""
    (parameter,) = FUNCTIONS[function].parameters
    value = evaluate(Equation(HERE, (), parse_expression(f"{partial} + 0 {parameter}")), {parameter: 0}, numbers=EXACT)
    return f"{function}'(0) = {value.flat[0]}"


def extremes(equations: Iterable[Equation]) -> set[Name]:
    """The tensors that are a largest or a smallest entry: to be equal to one is no coincidence."""
    return {equation.name for equation in equations if _is_extreme(equation.rhs)}


def _is_extreme(expr: Any) -> bool:
    if isinstance(expr, Apply):
        return expr.function in ("maximum", "minimum")
    return isinstance(expr, Reduce) and expr.operation in ("max", "min")


def compared_by_equality(exprs: Iterable[Expr], but: Collection[Name] = ()) -> dict[Name, tuple[Fraction, ...]]:
    """The tensors that a text compares with something by ``==`` or ``!=``, with the numbers among it; not those that it
    compares with an index, or with a largest entry, one of ``but``."""
    found: dict[Name, tuple[Fraction, ...]] = {}
    for node in preorder(*exprs):
        if isinstance(node, Iverson) and {"==", "!="} & set(node.relations):
            if any(isinstance(o, Affine) and o.terms for o in node.operands):
                continue  # labels, which are drawn as such
            if any(_is_extreme(o) or (isinstance(o, Indexed) and o.tensor in but) for o in node.operands):
                continue
            values = tuple(n.value for o in node.operands if isinstance(n := _expr(o), Const))
            for operand in node.operands:
                if isinstance(operand, Expr):
                    for name in tensors(operand):
                        found[name] = tuple(dict.fromkeys((*found.get(name, ()), *values)))
    return found


def met(kinks: Iterable[Kink], definitions: Program, arrays: Mapping[str, Any]) -> Kink | None:
    """The first of the kinks that some entries are at."""
    for kink in kinks:
        try:
            values = _values(add((kink.left, neg(kink.right), kink.apart)), definitions, arrays)
        except (EinstanError, DomainError):
            continue  # it speaks of what the claim does not
        if any(magnitude(value) <= ABSOLUTE for value in values.flat):
            return kink
    return None


def _values(expr: Expr, definitions: Program, arrays: Mapping[str, Any]) -> Tensor:
    known = [e for e in definitions.equations if e.name in _behind(expr, definitions)]
    program = Program([*known, Equation(HERE, tuple(expr.free), expr)])
    read = {name: arrays[str(name)] for name in program.inputs if str(name) in arrays}
    return evaluate(program, read, numbers=EXACT)[HERE]


def _behind(expr: Expr, definitions: Program) -> set[Name]:
    found: set[Name] = set()
    queue = list(tensors(expr))
    while queue:
        name = queue.pop()
        if name not in found:
            found.add(name)
            queue += tensors(definitions[name].rhs) if name in definitions.defined else ()
    return found
