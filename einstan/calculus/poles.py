"""What has poles: is infinite somewhere although nothing in it is very large, ``1 / v``, and not ``1 / (v^2 + 1)``.

Bounds tell where a divisor lies, or that of which a logarithm or a root is taken; a sum of exponentials is not zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from einstan.calculus.bounds import ANY, Bounds, bounds, is_regular, leave_a_term
from einstan.calculus.finite import POLES, infinite_tensors, may_be_infinite
from einstan.language.node import Node, preorder
from einstan.language.term import Apply, Equation, Expr, Iverson, Name, Reduce, tensors


class Poles:
    """The tensors of a program that have some, and between which numbers the others lie."""

    def __init__(self, equations: Iterable[Equation]) -> None:
        equations = tuple(equations)
        self.tensors: set[Name] = set()
        self.between: dict[Name, Bounds] = {}
        for equation in equations if infinite_tensors(equations, POLES) else ():
            self.learn(equation.name, equation.rhs)
            self.between[equation.name] = bounds(equation.rhs, self.bounds_of)

    def bounds_of(self, tensor: Name) -> Bounds:
        return self.between.get(tensor, ANY)

    def learn(self, name: Name, value: Expr) -> None:
        """A tensor, by its definition, after those that this reads."""
        if self.has(value):
            self.tensors.add(name)

    def has(self, expr: Expr) -> bool:
        """Whether an expression has poles, or reads what has."""
        if not may_be_infinite(expr, self.tensors, POLES):
            return False
        return not self.tensors.isdisjoint(tensors(expr)) or any(
            not is_regular(node, self.bounds_of, nearest=False) for node in _functions(expr)
        )


def _functions(node: Node, weighs: bool = False) -> Iterator[Apply]:
    """The functions in an expression, but for logarithms of brackets that say what has a weight: ``exp(u + log(1[c]))``
    is zero elsewhere, and a logsumexp has a value where such brackets leave one of its terms."""
    if isinstance(node, Apply):
        if weighs and node.function == "log" and isinstance(node.arguments[0], Iverson) and not tensors(node):
            return
        yield node
        weighs = node.function == "exp"
    elif isinstance(node, Reduce) and node.operation == "logsumexp":
        brackets = [n.arguments[0] for n in preorder(node.body) if isinstance(n, Apply) and n.function == "log"]
        weighs = leave_a_term(node.indices, [b for b in brackets if isinstance(b, Iverson)])
    for child in node.children:
        yield from _functions(child, weighs)
