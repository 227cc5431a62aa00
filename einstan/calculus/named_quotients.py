"""Quotients that meet only where names are put in: ``dd + 1 / d`` with ``dd = -z / d^2`` and ``d = 1 + z``.

A backward pass has one cotangent per tensor, and so it adds what a derivative by hand would have cancelled.  Like what
`einstan.calculus.magnitudes` does, this is how a program is run, and not how it is printed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil

from einstan.calculus.canonical import expanded
from einstan.calculus.collect import exponent_of, size
from einstan.calculus.factors import powers
from einstan.calculus.partial import inlined, may_be_put_in
from einstan.calculus.quotients import may_meet, met
from einstan.calculus.simplify import simplify
from einstan.language.node import Node, fold, holds, preorder, replace
from einstan.language.term import Add, Apply, Equation, Expr, Indexed, Name, Sum, applies, kept

LONG = 60  # what is longer to read is not put in the place of its name


def met_by_names(equations: Sequence[Equation]) -> list[Equation]:
    """The equations of a program with what is behind names put in, wherever something cancels over one denominator
    then."""
    if not any(map(_divides, equations)):
        return list(equations)
    known: dict[Name, Equation] = {}
    made: list[Equation] = []
    divisors = Divisors()

    def rule(node: Node, children: tuple[Node, ...]) -> Node:
        result = node.over(children)
        if not isinstance(result, Add) or divisors.of(result) < 2 or size(result) > LONG:
            return result
        whole = _put_in(result, known)  # or what was put in before
        if not may_meet(whole):
            return result
        for form in dict.fromkeys((whole, expanded(whole, merge=False))):
            shorter = met(form)
            if shorter is not form and _width(shorter) < len(result.terms):
                return shorter
        return result

    for equation in equations:
        if holds(equation.rhs, Add):
            rhs = fold(equation.rhs, rule, known=kept)
            if rhs is not equation.rhs:
                equation = Equation(equation.name, equation.indices, rhs, equation.where)
        made.append(equation)
        if size(equation.rhs) <= LONG and not isinstance(equation.rhs, Sum) and may_be_put_in(equation):
            known[equation.name] = equation
            divisors.behind[equation.name] = divisors.of(equation.rhs)
    return made


class Divisors:
    """How many divisors there may be with names put in, one under a root counting half of a whole one and so one, which
    is as many as have to meet: `einstan.calculus.quotients.may_meet` asks the same of what is put in."""

    def __init__(self) -> None:
        self.behind: dict[Name, int] = {}
        self._known: dict[Node, int] = {}

    def of(self, expr: Expr) -> int:
        return fold(expr, self._rule, self._known)

    def _rule(self, node: Node, children: tuple[int, ...]) -> int:
        if isinstance(node, Indexed):
            return self.behind.get(node.tensor, 0)
        if isinstance(node, Apply) and node.function == "log":  # exp(-log(u)) divides
            return 2
        if isinstance(node, Apply) and node.function == "pow":
            below = [k for base, k in powers(node) if k < 0 and isinstance(base, Add | Indexed)]
            own = max((1 if k.denominator > 1 else 2 for k in below), default=0)
            return own + ceil(abs(exponent_of(node))) * children[0]
        return sum(children)


def _divides(equation: Equation) -> bool:
    """Whether something is divided by data."""
    if not applies(equation.rhs, "pow"):
        return False
    divisors = (n for n in preorder(equation.rhs) if isinstance(n, Apply) and exponent_of(n) < 0)
    return any(holds(n, Indexed) for n in divisors)


def _put_in(expr: Expr, known: Mapping[Name, Equation]) -> Expr:
    """An expression with what is behind its names, and behind those, as long as it can be read."""
    while True:
        read = (n for n in preorder(expr) if isinstance(n, Indexed) and n.tensor in known)
        values = {n: inlined(n, known[n.tensor]) for n in read}
        whole: Expr = simplify(replace(expr, values))
        if not values or size(whole) > LONG:
            return expr
        expr = whole


def _width(expr: Expr) -> int:
    """How many terms are added in the numerator."""
    above = (base for base, k in powers(expr) if k > 0)
    return max((len(base.terms) for base in above if isinstance(base, Add)), default=1)
