"""Uses of tensors: of a long equation only what holds a tensor is looked at to differentiate by it.

So the gradients of a sum of a thousand tensors are a thousand short questions, and not a thousand walks over all of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import itemgetter

from einstan.language.effort import once, spend
from einstan.language.node import Node, preorder
from einstan.language.term import Expr, Indexed, Name, accesses

MANY = 8  # tensors that an expression reads, from which on it is worth it
Held = Mapping[Node, tuple[Node, ...]]  # what holds a tensor, each with those of its children that do


def held_by(expr: Expr, tensor: Name) -> Held | None:
    """What holds a tensor, in an expression that reads many."""
    return _uses(expr).of(tensor) if len(accesses(expr)) >= MANY else None


@once
def _uses(expr: Expr) -> Uses:
    return Uses(expr)


class Uses:
    """An expression with its nodes from below: which stand where."""

    def __init__(self, root: Expr) -> None:
        self.accesses: dict[Name, list[Indexed]] = {}
        self._above: dict[Node, list[tuple[int, Node]]] = {}
        for node in preorder(root):
            if isinstance(node, Indexed):
                self.accesses.setdefault(node.tensor, []).append(node)
            for place, child in enumerate(node.children):
                self._above.setdefault(child, []).append((place, node))

    def of(self, tensor: Name) -> Held:
        """The accesses of a tensor and all above them, each with those of its children, in reading order."""
        found: dict[Node, list[tuple[int, Node]]] = {access: [] for access in self.accesses.get(tensor, ())}
        stack = list(found)
        while stack:
            child = stack.pop()
            for place, node in self._above.get(child, ()):
                if node not in found:
                    found[node] = []
                    stack.append(node)
                found[node].append((place, child))
        spend(len(found))
        return {node: tuple(child for _, child in sorted(own, key=itemgetter(0))) for node, own in found.items()}
