"""How many data are multiplied in what is added: ``x^2 - 2 x m + m^2`` adds squares, ``(x - m)^2`` adds data.

Numbers are rounded before they are subtracted, and the higher their degree in data far from zero, the larger they are
beside what is left.  So a bracket may be opened, and what is alike in it meet, where no term of any sum gets a higher
degree than it had: ``sum[K](P[K] (M[K] - m) V[K])`` is ``sum[K](P[K] M[K] (V[K] - v))``, and nothing is lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from itertools import zip_longest

from einstan.calculus.coefficients import neg_simplified
from einstan.language.index import Affine
from einstan.language.node import Node, fold, folded
from einstan.language.term import Add, Apply, Const, Delta, Expr, Indexed, Mul, Name, Reduce, Sum

BOUNDED = frozenset(("sigmoid", "tanh", "sin", "cos", "erf", "sign", "exp"))  # no data come out of these


def degree(expr: Expr, known: Mapping[Name, Fraction]) -> Fraction:
    """How many data an expression multiplies at most; ``known`` says it of the tensors that have definitions."""
    return _degrees(expr, known)[0]


def keeps_digits(found: Expr, closed: Expr, known: Mapping[Name, Fraction]) -> bool:
    """Whether one form of an expression reads and adds no more, of whatever degree or a higher one, than another."""
    mine, before = _degrees(found, known)[1], _degrees(closed, known)[1]
    return reads(found) <= reads(closed) and all(a <= b for a, b in zip_longest(mine, before, fillvalue=Fraction(0)))


def _degrees(expr: Expr, known: Mapping[Name, Fraction]) -> tuple[Fraction, list[Fraction]]:
    """The degree of an expression, and those of all terms of its sums, the highest first."""
    added: list[Fraction] = []
    seen: set[frozenset[Expr]] = set()  # a - b and b - a are computed once

    def rule(node: Node, children: tuple[Fraction, ...]) -> Fraction:
        match node:
            case Add():
                if frozenset(map(neg_simplified, node.terms)) not in seen:
                    added.extend(children)
                seen.add(frozenset(node.terms))
                return max(children)
            case Mul():
                return sum(children, Fraction(0))
            case Apply(function="pow", arguments=(_, Const(value=k))):
                return abs(k) * children[0]
            case Apply(function="sqrt"):
                return children[0] / 2
            case Apply(function=function):
                return Fraction(0) if function in BOUNDED else sum(children, Fraction(0))
            case Indexed():
                return known.get(node.tensor, Fraction(1))
            case Sum() | Reduce():
                return children[0]
            case _:
                return Fraction(0)

    whole = fold(expr, rule)
    return whole, sorted(added, reverse=True)


@folded
def reads(node: Node, below: tuple[int, ...]) -> int:
    """How many tensors and deltas an expression reads."""
    return 1 if isinstance(node, Indexed | Delta) else 0 if isinstance(node, Affine) else sum(below)
