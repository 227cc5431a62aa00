"""What every part of the flattening needs: labels, numbers of sizes, and adding operations to the graph."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from einstan.calculus.program import Program, prefix
from einstan.language.dims import qualified, redimensioned
from einstan.language.index import Index
from einstan.language.node import Node, holds, postorder, replace
from einstan.language.term import ONE, Apply, Const, Equation, Expr, Extent, Indexed, Mul, Name, mul, rational_power
from einstan.machine.meaning.numbers import number_of
from einstan.machine.sizes.guards import index_tensors
from einstan.machine.sizes.operations import Form, Graph, Nonzero, Ref, Stored

Scope = dict[Index, int]
# What holds where something is read: forms that are not negative there, and brackets as values of bools.
Guards = tuple[Form | Ref, ...]


@dataclass(frozen=True)
class Term:
    """A number that sizes determine, times a value; without a value it is the number alone."""

    coefficient: Expr
    ref: Ref | None = None


class Builder:
    """The graph so far, and the equation that is being read."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.graph = Graph()
        self.tensors: dict[Name, Stored] = {}
        self.spaces: list[tuple[str, str]] = []  # of each label: its dimension and its letter
        self.index_tensors = index_tensors(program.equations)
        self.nonzero: list[Nonzero] = []
        self.memo: dict[tuple[Expr, tuple[int, ...], Guards], Term] = {}  # of one equation
        self.gathers: dict[tuple[Indexed, tuple[int, ...]], list[tuple[frozenset[Form | Ref], Ref]]] = {}  # too
        self.equation: Equation
        self.text = ""

    @abstractmethod
    def lower(self, node: Expr, scope: Scope, guards: Guards) -> Term:
        """The operations of an expression: one rule per kind of node, see `einstan.machine.graph.flatten`."""

    # ---- labels ------------------------------------------------------------------------------------------------------

    def label(self, dim: str, letter: str = "x") -> int:
        self.spaces.append((dim, letter))
        return len(self.spaces) - 1

    def space(self, label: int) -> tuple[str, str]:
        return self.spaces[label]

    def dim_of(self, index: Index) -> str:
        return self.program.dims.find(qualified(index.dim, prefix(self.equation)))

    def bound(self, indices: Sequence[Index], scope: Scope) -> tuple[Scope, list[int]]:
        labels = [self.label(self.dim_of(index), index.name) for index in indices]
        return {**scope, **dict(zip(indices, labels, strict=True))}, labels

    def number(self, node: Expr) -> Expr:
        """A number of sizes, with its dimensions named as the program names them."""
        dims = {n.index.dim: self.dim_of(n.index) for n in extents_in(node)}
        return anonymous(redimensioned(node, dims)) if dims else node  # type: ignore[return-value]

    def extent(self, label: int) -> Expr:
        return Extent(Index("n", self.spaces[label][0]))

    # ---- operations --------------------------------------------------------------------------------------------------

    def add(self, kind: str, detail: object, operands: Sequence[Ref], out: Sequence[int]) -> Ref:
        return self.graph.add(kind, detail, operands, out, self.space, self.text)

    def map(self, function: tuple[object, ...], operands: Sequence[Ref]) -> Ref:
        """An elementwise function; the result has the order of its largest operand, then what that lacks."""
        largest = max(operands, key=lambda ref: len(ref.labels), default=Ref(0, ()))
        out = dict.fromkeys((*largest.labels, *(label for ref in operands for label in ref.labels)))
        return self.add("map", function, operands, tuple(out))

    def scaled(self, term: Term) -> Ref:
        """The term as one value."""
        if term.ref is None:
            return self.add("number", term.coefficient, (), ())
        if term.coefficient is ONE:
            return term.ref
        return self.map(("scale", term.coefficient), (term.ref,))


def extents_in(node: Node) -> list[Extent]:
    return [part for part in postorder(node) if isinstance(part, Extent)] if holds(node, Extent) else []


def anonymous(node: Node) -> Node:
    """Extents by dimension alone: ``|n|`` and ``|N|`` of one dimension are one number."""
    if not holds(node, Extent):
        return node
    return replace(node, {e: Extent(Index("n", e.index.dim)) for e in extents_in(node)})


def product_of(factors: Iterable[Expr]) -> Expr:
    """A product of numbers of sizes, with the exact ones multiplied."""
    exact = ONE.value
    others: list[Expr] = []
    for factor in factors:
        for part in factor.factors if isinstance(factor, Mul) else (factor,):
            if isinstance(part, Const):
                exact *= part.value
            elif (power := _rational_power(part)) is not None:
                exact *= power
            else:
                others.append(part)
    return mul([*([Const(exact)] if exact != 1 or not others else []), *others])


def is_beyond(number: Expr) -> bool:
    """Whether a number that no size has a part in is larger than any float, or none."""
    return not holds(number, Extent) and not math.isfinite(number_of(number, {}))


def _rational_power(node: Expr) -> Fraction | None:
    """``2^-1`` as a number."""
    match node:
        case Apply(function="pow", arguments=(Const(value=base), Const(value=exponent))):
            if exponent.denominator == 1 and (base or exponent > 0):
                return rational_power(base, int(exponent))
    return None
