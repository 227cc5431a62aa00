"""What may be infinite or NaN although the inputs are finite: quotients, logarithms, roots, large exponentials"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from einstan.language.functions import TOTAL
from einstan.language.index import Index
from einstan.language.node import preorder
from einstan.language.term import Apply, Const, Equation, Expr, Indexed, Iverson, Name


def infinite_tensors(equations: Iterable[Equation]) -> set[Name]:
    """The tensors that may be infinite or NaN although what is given is finite and not very large."""
    found: set[Name] = set()
    for equation in equations:
        if may_be_infinite(equation.rhs, found):
            found.add(equation.name)
    return found


def may_be_infinite(expr: Expr, infinite: Collection[Name]) -> bool:
    """Whether an expression may be so: all but sums, products, whole powers and total functions of what may not."""
    for node in preorder(expr):
        if isinstance(node, Indexed) and node.tensor in infinite:
            return True
        if isinstance(node, Apply) and node.function not in TOTAL and not _is_whole_power(node):
            return True
    return False


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
