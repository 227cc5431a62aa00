"""What may be infinite or NaN although the inputs are finite: quotients, logarithms, roots, large exponentials"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from einstan.language.functions import GROWING, TOTAL
from einstan.language.index import Index
from einstan.language.node import preorder, remembered
from einstan.language.term import Apply, Const, Equation, Expr, Indexed, Iverson, Name, accesses

POLES = TOTAL | GROWING  # all but what has no value somewhere, however small its argument


def infinite_tensors(equations: Iterable[Equation], finite: Collection[str] = TOTAL) -> set[Name]:
    """The tensors that may be infinite or NaN although what is given is finite and not very large."""
    found: set[Name] = set()
    for equation in equations:
        if may_be_infinite(equation.rhs, found, finite):
            found.add(equation.name)
    return found


def may_be_infinite(expr: Expr, infinite: Collection[Name], finite: Collection[str] = TOTAL) -> bool:
    """Whether an expression may be so: all but sums, products, whole powers, ``finite`` functions of what may not."""
    return any(name not in finite for name in _applied(expr)) or any(name in infinite for name, _ in accesses(expr))


@remembered
def _applied(expr: Expr) -> tuple[str, ...]:
    """The functions in an expression, but for whole powers."""
    applied = (node for node in preorder(expr) if isinstance(node, Apply) and not _is_whole_power(node))
    return tuple(dict.fromkeys(node.function for node in applied))


def indices_read(factors: Iterable[Expr]) -> set[Index]:
    """The indices along which factors read tensors; brackets are 0 or 1 whatever they compare."""
    found: set[Index] = set()
    for node in preorder(*(factor for factor in factors if not isinstance(factor, Iverson))):
        if isinstance(node, Indexed):
            found.update(node.free)
    return found


def _is_whole_power(node: Apply) -> bool:
    exponent = node.arguments[1] if node.function == "pow" else None
    return isinstance(exponent, Const) and exponent.value >= 0 and exponent.value.denominator == 1
