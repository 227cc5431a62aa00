"""What is done to an expression at each stage of a derivation, and what that is called."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from math import prod

from einstan.calculus.collect import reciprocals_last
from einstan.calculus.derivation import is_own
from einstan.calculus.partial import inlined
from einstan.calculus.simplify import simplify
from einstan.language.node import Below, Node, fold, postorder
from einstan.language.sugar import as_softmax
from einstan.language.term import (
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
    mul,
    sum_over,
    tensors,
)

# ---- stages ----------------------------------------------------------------------------------------------------------


def as_deltas(expr: Expr) -> Expr:
    """``dX[n,k]/dX[m,p]`` as ``δ[n,m] δ[k,p]``."""

    def rule(node: Node, children: Below) -> Node:
        if isinstance(node, Indexed) and is_own(node.tensor):
            half = len(node.slots) // 2
            pairs = zip(node.slots[:half], node.slots[half:], strict=True)
            return mul(Delta(a, b) for a, b in pairs) if half else ONE
        return node.over(children)

    return fold(expr, rule)


def put_in(expr: Expr, found: Mapping[Name, Equation]) -> Expr:
    """Derivatives that are known already, in place of their names."""

    def rule(node: Node, children: Below) -> Node:
        if isinstance(node, Indexed) and node.tensor in found:
            return inlined(node, found[node.tensor])
        return node.over(children)

    return fold(expr, rule)


def used_up(expr: Expr) -> Expr:
    return simplify(as_deltas(expr))


def tidy(expr: Expr) -> Expr:
    """As a person writes it, denominators last: ``a s^-2 b`` as ``a b / s^2``."""

    def rule(node: Node, children: Below) -> Node:
        result = node.over(children)
        if isinstance(result, Sum):  # its indices in the order in which a text has them
            bound = set(result.indices)
            return sum_over((index for index in result.body.free if index in bound), result.body)
        if not isinstance(result, Mul):
            return result
        numbers = [factor.value for factor in result.factors if isinstance(factor, Const)]
        if len(numbers) > 1:  # 1/2 2 u
            rest = [factor for factor in result.factors if not isinstance(factor, Const)]
            result = mul((*((Const(prod(numbers)),) if prod(numbers) != 1 else ()), *rest))
        return reciprocals_last(result)

    return fold(expr, rule)


def rules_of(expr: Expr, differentiated: Collection[Name]) -> str:
    """What is done to an expression: the rules of the nodes above the places where it reads one of the tensors."""
    found: dict[str, None] = {}
    stack: list[Node] = [expr]
    while stack:
        node = stack.pop()
        if not isinstance(node, Expr) or not set(tensors(node)) & set(differentiated):
            continue
        below: Iterable[Node] = node.children
        pattern = as_softmax(node, exactly=False)
        if pattern is not None:
            found["partial of softmax"] = None
            below = (pattern[0],)
        elif isinstance(node, Apply):
            found["power rule" if node.function == "pow" else f"partial of {node.function}"] = None
        elif isinstance(node, Reduce) and node.operation != "mean":
            found[f"partial of {node.operation}"] = None
        elif isinstance(node, Mul) and sum(bool(set(tensors(f)) & set(differentiated)) for f in node.factors) > 1:
            found["product rule"] = None
        stack.extend(reversed(tuple(below)))
    read = [str(name) for name in tensors(expr) if name in differentiated]
    return ", ".join(found) or f"linear in {listed(read)}"


def what_happened(before: Expr, after: Expr) -> str:
    """What simplification did."""
    done = []
    if _count(before, Delta) > _count(after, Delta):
        done.append("deltas used up")
    if _count(before, Iverson) < _count(after, Iverson):
        done.append("zero outside the range")
    if _terms(after) < _terms(before):
        done.append("like terms collected" if done else "collected")
    return ", ".join(done) or "simplified"


def _count(expr: Expr, kind: type[Node]) -> int:
    """How often a kind of node is written, shared ones each time."""
    counts: dict[Node, int] = {}
    for node in postorder(expr):
        counts[node] = isinstance(node, kind) + sum(counts[child] for child in node.children)
    return counts[expr]


def reads_of(expr: Expr, name: Name) -> int:
    """How many different entries of a tensor are read."""
    return sum(isinstance(node, Indexed) and node.tensor == name for node in postorder(expr))


def _terms(expr: Expr) -> int:
    return len(expr.terms) if isinstance(expr, Add) else 1


def functions(expr: Expr) -> list[str]:
    """The functions and reductions that are written, for what is different to read."""
    found = [node.function for node in postorder(expr) if isinstance(node, Apply) and node.function != "pow"]
    return sorted(found + [node.operation for node in postorder(expr) if isinstance(node, Reduce)])


def listed(names: Iterable[str]) -> str:
    *most, last = [*names] or [""]
    return f"{', '.join(most)} and {last}" if most else last
