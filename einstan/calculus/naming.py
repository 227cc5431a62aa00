"""Forward values named again: a derivative that contains ``exp(Z[n,c] - logsumexp[K](Z[n,K]))`` says ``S[n,c]``.

An expression is recognised by its pattern (`einstan.calculus.alpha`), so the letters and the order of factors do not
matter, and nothing here knows any particular layer.
"""

from __future__ import annotations

from collections.abc import Iterable

from einstan.calculus.alpha import pattern, signature
from einstan.calculus.simplify import simplify
from einstan.language.index import slot
from einstan.language.node import Node, preorder, replace
from einstan.language.term import Add, Apply, Equation, Expr, Indexed, Mul, Name, Reduce, Sum


class ForwardNames:
    """Recognises the right sides of equations: ``names(expr)`` is ``expr`` with each of them named.

    An equation whose left side has an index that the right side lacks is not used: its entry could not be chosen.
    """

    def __init__(self, equations: Iterable[Equation]) -> None:
        self._by_signature: dict[bytes, dict[Node, tuple[Name, tuple[int, ...]]]] = {}
        for equation in equations:
            value = simplify(equation.rhs)
            if not _is_worth_naming(value) or set(value.free) != set(equation.indices):
                continue
            key, order = pattern(value)
            places = tuple(order.index(index) for index in equation.indices)
            self._by_signature.setdefault(signature(value), {}).setdefault(key, (equation.name, places))

    def __call__(self, expr: Expr) -> Expr:
        found: dict[Node, Node] = {}
        for node in preorder(expr):
            if isinstance(node, Expr) and _is_worth_naming(node):
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



def _is_worth_naming(node: Node) -> bool:
    return isinstance(node, Apply | Reduce | Add | Mul | Sum)
