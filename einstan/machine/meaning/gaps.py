"""Where functions have no value: at a pole, at what no root or logarithm is of.

Two sides that agree wherever both have a value can differ in where they have one; but not where both have the same
gaps, nor in gaps that what a claim is about has as well, nor at what is positive whatever is read.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from fractions import Fraction

from einstan.language.functions import FUNCTIONS
from einstan.language.index import Affine, Index
from einstan.language.node import Node, preorder
from einstan.language.term import (
    ZERO,
    Add,
    Apply,
    Const,
    Delta,
    Equation,
    Expr,
    Extent,
    Indexed,
    Iverson,
    Mul,
    Name,
    Reduce,
    Sum,
)

POSITIVE = ("exp", "sigmoid", "softplus", "cosh", "pi")
KEEPING = ("max", "min", "mean", "prod")  # positive numbers positive
COVERED = {"log": ("log", "pole", "root"), "pole": ("pole",), "root": ("root",)}

WITHIN = {
    "log1p": ((-1, ">="),), "arccosh": ((1, ">="),), "arctanh": ((-1, ">"), (1, "<")),
    "arcsin": ((-1, ">="), (1, "<=")), "arccos": ((-1, ">="), (1, "<=")),
}  # fmt: skip

Gap = tuple[Hashable, Hashable]  # its kind, and what has no such value


def is_partial(node: object) -> bool:
    """Whether it has no value somewhere."""
    if not isinstance(node, Apply):
        return False
    if node.function == "pow":
        exponent = node.arguments[1]
        whole = isinstance(exponent, Const) and exponent.value >= 0 and exponent.value.denominator == 1
        return not whole and any(isinstance(inner, Indexed) for inner in preorder(node))
    return bool(FUNCTIONS[node.function].domain)


def domains(expr: Expr) -> Iterator[Iverson]:
    """What holds wherever an expression has a value, of what no bracket guards."""
    waiting: list[Node] = [expr]
    seen: set[Node] = set()
    while waiting:
        node = waiting.pop()
        guarded = isinstance(node, Mul) and any(isinstance(inner, Iverson | Delta) for inner in preorder(node))
        if node in seen or guarded or (isinstance(node, Iverson) and len(node.relations) > 1):
            continue
        seen.add(node)
        if isinstance(node, Apply) and is_partial(node):
            of = node.arguments[0]
            match _kind(node):
                case "pole":
                    yield Iverson((of, ZERO), ("!=",))
                case "log" | "root":  # exp makes 0 of the logarithm of 0
                    yield Iverson((of, ZERO), (">=",))
                case None if node.function in WITHIN:
                    yield from (
                        Iverson((of, Const(Fraction(end))), (relation,)) for end, relation in WITHIN[node.function]
                    )
        waiting += node.children


def gaps_differ(left: Expr, right: Expr, free: Iterable[str], definitions: Mapping[Name, Equation]) -> bool:
    """Whether one side may have a value where the other has none, of all places at which the definitions have one."""
    mine, yours = (_gaps(side, frozenset(free), definitions) for side in (left, right))
    guarded = _guards(left) != _guards(right)
    open_gaps = {gap: own for gap, own in (mine | yours).items() if guarded or (gap in mine) != (gap in yours)}
    if not open_gaps:
        return False
    plain = [e.rhs for e in definitions.values() if not _guards(e.rhs)]
    known = {gap for expr in plain for gap in _gaps(expr, frozenset(), definitions)}
    covered = known | {(kind, of) for base, of in known for kind in COVERED.get(base, ())}  # type: ignore[call-overload]
    return any(own not in covered for own in open_gaps.values())


def _guards(expr: Expr) -> set[Node]:
    """The brackets, which hide what has no value."""
    return {node for node in preorder(expr) if isinstance(node, Iverson | Delta)}


def _gaps(expr: Expr, free: frozenset[str], definitions: Mapping[Name, Equation]) -> dict[Gap, Gap]:
    """The gaps of an expression, with the places where they are, and without."""
    found: dict[Gap, Gap] = {}
    for node in preorder(expr):
        if isinstance(node, Apply) and is_partial(node):
            kind = _kind(node)
            of = node if kind is None else node.arguments[0]
            if kind is None or not _is_positive(of, definitions):
                found[kind, _key(of, free)] = kind, _key(of, frozenset())
    return found


def _kind(node: Apply) -> str | None:
    if node.function == "log":
        return "log"
    if node.function == "sqrt":
        return "root"
    exponent = node.arguments[1] if node.function == "pow" else None
    if not isinstance(exponent, Const):
        return None
    return "pole" if exponent.value.denominator == 1 else "root" if exponent.value > 0 else "log"


def _key(node: Node, free: frozenset[str]) -> Hashable:
    """What an expression is, its letters as those of their dimensions."""
    if isinstance(node, Index):
        return (node.name if node.name in free else "", node.dim)
    if isinstance(node, Extent):
        return ("extent", node.index.dim)
    if isinstance(node, Sum | Reduce):
        dims = tuple(index.dim for index in node.indices)
        return (
            type(node).__name__,
            getattr(node, "operation", ""),
            dims,
            *(_key(child, free) for child in node.children),
        )
    if isinstance(node, Add | Mul):
        return (type(node).__name__, frozenset(_key(child, free) for child in node.children), len(node.children))
    own = str(node) if not node.children else node.tensor if isinstance(node, Indexed) else _head(node)
    return (type(node).__name__, own, *(_key(child, free) for child in node.children))


def _head(node: Node) -> Hashable:
    """What tells nodes of one type apart beside their children."""
    if isinstance(node, Affine):
        return node.constant, tuple(coefficient for _, coefficient in node.terms)
    return getattr(node, "function", getattr(node, "relations", ""))


def _is_positive(expr: Expr, definitions: Mapping[Name, Equation]) -> bool:
    match expr:
        case Const(value=value):
            return value > 0
        case Extent():
            return True
        case Add(terms=parts) | Mul(factors=parts):
            return all(_is_positive(part, definitions) for part in parts)
        case Sum():
            return _is_positive(expr.body, definitions)
        case Reduce():
            return expr.operation in KEEPING and _is_positive(expr.body, definitions)
        case Apply(function="pow", arguments=(base, _)):
            return _is_positive(base, definitions)
        case Apply():
            return expr.function in POSITIVE
        case Indexed():
            own = definitions.get(expr.tensor)
            return own is not None and _is_positive(own.rhs, definitions)
    return False
