"""Forward values named again: a derivative that contains ``exp(Z[n,c] - logsumexp[K](Z[n,K]))`` says ``S[n,c]``.

An expression is recognised by its pattern (`einstan.calculus.alpha`), so the letters and the order of factors do not
matter, and nothing here knows any particular layer.
"""

from __future__ import annotations

from collections.abc import Iterable

from einstan.calculus.alpha import pattern, signature
from einstan.calculus.simplify import simplify
from einstan.language import well_named
from einstan.language.index import Index, capitalised, slot
from einstan.language.node import Node, preorder, replace, rewrite
from einstan.language.term import Add, Apply, Equation, Expr, Extent, Indexed, Mul, Name, Reduce, Sum, bound_indices


class ForwardNames:
    """Recognises the right sides of equations: ``names(expr)`` is ``expr`` with each of them named.

    An equation whose left side has an index that the right side lacks is not used: its entry could not be chosen.
    """

    def __init__(self, equations: Iterable[Equation]) -> None:
        self._heads: set[object] = set()
        self._by_signature: dict[bytes, dict[Node, tuple[Name, tuple[int, ...]]]] = {}
        for equation in equations:
            value = simplify(equation.rhs)
            if not _is_worth_naming(value) or set(value.free) != set(equation.indices):
                continue
            self._heads.add(_head(value))
            key, order = pattern(value)
            places = tuple(order.index(index) for index in equation.indices)
            self._by_signature.setdefault(signature(value), {}).setdefault(key, (equation.name, places))

    def __call__(self, expr: Expr) -> Expr:
        found: dict[Node, Node] = {}
        for node in preorder(expr):
            if isinstance(node, Expr) and _is_worth_naming(node) and _head(node) in self._heads:
                access = self._access(node)
                if access is not None:
                    found[node] = access
        return replace(expr, found) if found else expr  # type: ignore[no-any-return]

    def _access(self, node: Expr) -> Indexed | None:
        candidates = self._by_signature.get(signature(node))
        if candidates is None:
            return None
        key, order = pattern(node)
        match = candidates.get(key)
        return Indexed(match[0], tuple(slot(order[k]) for k in match[1])) if match else None



def _head(node: Expr) -> object:
    """What is cheap to compare first."""
    return type(node), len(node.children), node.fields[0] if isinstance(node, Apply | Reduce) else None, len(node.free)


def _is_worth_naming(node: Node) -> bool:
    return isinstance(node, Apply | Reduce | Add | Mul | Sum)


def derived_equation(name: Name, indices: tuple[Index, ...], rhs: Expr) -> Equation:
    """A derived equation with letters to read: its extents speak of its own indices, ``/ |n|`` where n is on the left."""
    letters = {index.dim: index.name for index in reversed((*indices, *map(_capital, bound_indices(rhs))))}

    def rule(node: Node) -> Node:
        if isinstance(node, Extent) and node.index.dim in letters:
            return Extent(Index(letters[node.index.dim], node.index.dim))
        return node

    return well_named(Equation(name, indices, rewrite(rhs, rule)))


def _capital(index: Index) -> Index:
    return Index(capitalised(index.name), index.dim)
