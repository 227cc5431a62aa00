"""Which equations divide by exponentials, or take their logarithm or a root, and what has to be known for that.

Exponentials overflow long before their quotients do.  What is read in a divisor or in a logarithm, and what is made of
that as long as exponentials are left over, is evaluated as in `einstan.calculus.magnitudes`; everything else is left
alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

from einstan.calculus.coefficients import coefficient_of
from einstan.calculus.scales import is_scaled
from einstan.calculus.simplify import simplify_product
from einstan.language.node import Node, fold, preorder
from einstan.language.term import (
    MINUS_ONE,
    ONE,
    Add,
    Apply,
    Const,
    Delta,
    Equation,
    Expr,
    Indexed,
    Iverson,
    Mul,
    Name,
    Reduce,
    Sum,
    applies,
    neg,
    tensors,
)

Degree = Fraction | Literal[False]  # how often an exponential is multiplied; False where there is none

MANY = 1009  # for how many factors a product over an axis has, which is no number that others have
LARGE = Fraction(1, 997)  # what is divided by a sum of shares of different wholes, of which none need be large


@dataclass
class Overflows:
    """``hot`` are the tensors whose equations divide by exponentials or take their logarithm, or go on from such;
    ``kept`` those that are read as a scale and a rest; ``weights`` the tensors that weigh exponentials below."""

    degrees: dict[Name, Fraction] = field(default_factory=dict)
    hot: set[Name] = field(default_factory=set)
    kept: set[Name] = field(default_factory=set)
    below: dict[Name, None] = field(default_factory=dict)  # in divisors and logarithms
    small: Collection[Name] = ()  # sums of exponentials without the largest, which may be as small as a product of them
    weights: set[Name] = field(default_factory=set)

    def look_at(self, equation: Equation) -> None:
        names = tensors(equation.rhs)
        scaled = [name for name in names if name in self.degrees]
        plain = not scaled and not applies(equation.rhs, "exponential", "softplus")
        if equation.name in self.small and (plain or isinstance(equation.rhs, Iverson)):
            self.weights.add(equation.name)  # where it is zero, an exponential beside it does not count
            return
        if plain:
            return
        known: dict[Node, Degree] = {}
        whole = self.degree(equation.rhs, known)
        divisors = [base for node in known if (base := divisor_of(node)) is not None and self.is_scaled(base, known)]
        goes_on = any(name in self.hot and (self.degrees[name] or name in self.small) for name in scaled)
        if divisors or goes_on or any(isinstance(node, Mul) and _is_quotient(node, known) for node in known):
            self.hot.add(equation.name)
            self.kept.update(name for name in scaled if self.degrees[name] or name in self.small)
        for base in divisors:
            found = self.carriers(base)
            self.kept.update(found)
            self.below.update(dict.fromkeys(found))
            self._weighed(base, known)
        if whole is not False or (equation.name in self.small and scaled):
            self.degrees[equation.name] = Fraction(whole)

    def is_scaled(self, expr: Expr, known: Mapping[Node, Degree]) -> bool:
        return known[expr] is not False or is_scaled(expr) or bool(self.carriers(expr))

    def carriers(self, expr: Expr) -> list[Name]:
        """The tensors that make an expression a product or a sum of exponentials."""
        found: dict[Name, None] = {}
        stack: list[Node] = [expr]
        while stack:
            match node := stack.pop():
                case Indexed():
                    found[node.tensor] = None
                case Mul() | Add() | Sum() | Reduce(operation="mean" | "prod") | Apply(function="pow" | "sqrt" | "abs"):
                    stack.extend(node.children)
        return [name for name in found if name in self.degrees]

    def degree(self, expr: Expr, known: dict[Node, Degree]) -> Degree:
        return fold(expr, self._degree, known)

    def _degree(self, node: Node, parts: tuple[Degree, ...]) -> Degree:
        match node:
            case Indexed():
                return self.degrees.get(node.tensor, False)
            case Apply() if node.is_exponential:
                return _degree_of(node)
            case Apply(function="softplus"):
                return Fraction(1)  # where it is small
            case Apply(function="pow", arguments=(base, Const(value=k))):
                if not parts[0] and k < 0 and isinstance(base, Add | Sum) and (is_scaled(base) or self.carriers(base)):
                    return -k * LARGE
                return k * parts[0] if parts[0] is not False else False
            case Apply(function="pow" | "abs"):
                return parts[0]
            case Reduce(operation="prod"):
                return MANY * parts[0] if parts[0] is not False else False
            case Apply(function="sqrt"):
                return parts[0] / 2 if parts[0] is not False else False
            case Mul(factors=factors):
                found = [part for part in parts if part is not False]
                shares = sum(part is False and share(f) is not None for f, part in zip(factors, parts, strict=True))
                return sum(found, Fraction(-shares)) if found else False
            case Add() | Sum() | Reduce(operation="mean"):  # of shares, one is large
                return max(map(Fraction, parts)) or False
            case _:
                return False

    def _weighed(self, expr: Expr, known: dict[Node, Degree]) -> None:
        for node in preorder(expr):
            if isinstance(node, Mul):
                for factor in node.factors:
                    if known.get(factor) is False and may_be_zero(factor):
                        self.weights.update(tensors(factor))

    def close(self, definitions: Mapping[Name, Equation]) -> None:
        """What the equations of those that are kept read is kept as well."""
        for waiting, whatever in ((list(self.kept), self.kept), (list(self.below), self.below)):
            while waiting:
                equation = definitions[waiting.pop()]
                found = [name for name in tensors(equation.rhs) if name in self.degrees and name not in whatever]
                waiting += found
                whatever.update(dict.fromkeys(found))
        for name in self.below:
            known: dict[Node, Degree] = {}
            self.degree(definitions[name].rhs, known)
            self._weighed(definitions[name].rhs, known)


def divisor_of(node: Node) -> Expr | None:
    """What an expression divides by, takes the logarithm or a root of."""
    match node:
        case Apply(function="log" | "sqrt", arguments=(base,)):
            return base
        case Apply(function="pow", arguments=(base, Const(value=k))) if k > 0 and k.denominator == 1:
            return None
        case Apply(function="pow", arguments=(base, _)):
            return base
        case _:
            return None


def _degree_of(node: Apply) -> Fraction:
    """That of an exponential: ``exp(u - logsumexp[K](u))`` is at most one, and ``exp(-logsumexp[K](u))`` divides."""
    exponent = node.arguments[0]
    if node.function != "exp":
        return Fraction(1)
    terms = list(map(coefficient_of, exponent.terms if isinstance(exponent, Add) else (exponent,)))
    totals = [number for number, rest in terms if isinstance(rest, Reduce) and rest.operation == "logsumexp"]
    others = [abs(number) for number, rest in terms if not isinstance(rest, Reduce)]
    return sum(totals, max(others, default=Fraction(0))) if totals else Fraction(1)


def _is_quotient(product: Mul, known: Mapping[Node, Degree]) -> bool:
    """Whether exponentials meet those that divide, or a sigmoid, which is a quotient of exponentials."""
    degrees = [known[factor] for factor in product.factors]
    above, below = any(degree > 0 for degree in degrees), any(degree < 0 for degree in degrees)
    return above and (below or any(share(factor) for factor in product.factors))


def may_be_zero(factor: Expr) -> bool:
    if isinstance(factor, Delta) or (isinstance(factor, Apply) and divisor_of(factor) is not None):
        return False
    return isinstance(factor, Iverson) or bool(tensors(factor))


def share(expr: Expr) -> Expr | None:
    """The logarithm of ``sigmoid(v)``, of ``1 - sigmoid(v)`` or of powers of them."""
    match expr:
        case Apply(function="pow", arguments=(base, Const() as k)) if (inner := share(base)) is not None:
            return simplify_product((k, inner))
        case Apply(function="sigmoid", arguments=(u,)):
            return neg(Apply("softplus", (simplify_product((MINUS_ONE, u)),)))
        case Add(terms=(first, second)) if ONE in (first, second):
            number, other = coefficient_of(second if first is ONE else first)
            if number == -1 and isinstance(other, Apply) and other.function == "sigmoid":
                return neg(Apply("softplus", (other.arguments[0],)))
    return None
