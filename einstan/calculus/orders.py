"""Terms in the order in which the program has them: where ``sqrt(v[n] + eps)`` is read, nothing derived says
``eps + v[n]``."""

from __future__ import annotations

from collections.abc import Iterable

from einstan.calculus.alpha import signature
from einstan.language.node import Node, fold, holds, preorder
from einstan.language.term import Add, Equation, Expr


class Orders:
    """The sums of some equations, each known by its terms, whatever their letters."""

    def __init__(self, equations: Iterable[Equation]) -> None:
        self.equations = tuple(equation for equation in equations if holds(equation.rhs, Add))
        self._orders: dict[frozenset[bytes], tuple[bytes, ...]] | None = None
        self._known: dict[Node, Node] = {}

    def __call__(self, expr: Expr) -> Expr:
        return fold(expr, self._rule, self._known) if self.equations and holds(expr, Add) else expr

    def _rule(self, node: Node, children: tuple[Node, ...]) -> Node:
        made = node.over(children)
        if not isinstance(made, Add):
            return made
        terms = {signature(term): term for term in made.terms}
        order = self.orders.get(frozenset(terms), ())
        told_apart = len(terms) == len(order) == len(made.terms)
        return Add(tuple(terms[each] for each in order)) if told_apart else made

    @property
    def orders(self) -> dict[frozenset[bytes], tuple[bytes, ...]]:
        """By what their terms look like, the sums as they are written first."""
        if self._orders is None:
            self._orders = {}
            for node in preorder(*(equation.rhs for equation in self.equations)):
                if isinstance(node, Add):
                    order = tuple(map(signature, node.terms))
                    self._orders.setdefault(frozenset(order), order)
        return self._orders
