"""What may be infinite or NaN although the inputs are finite: quotients, logarithms, roots, large exponentials"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from einstan.language.functions import TOTAL
from einstan.language.index import Index
from einstan.language.node import preorder, remembered
from einstan.language.term import Apply, Const, Equation, Expr, Indexed, Iverson, Name, accesses


def infinite_tensors(equations: Iterable[Equation]) -> set[Name]:
    """The tensors that may be infinite or NaN although what is given is finite and not very large."""
    found: set[Name] = set()
    for equation in equations:
        if may_be_infinite(equation.rhs, found):
            found.add(equation.name)
    return found


def may_be_infinite(expr: Expr, infinite: Collection[Name]) -> bool:
    """Whether an expression may be so: all but sums, products, whole powers and total functions of what may not."""
    return _makes_infinite(expr) or any(name in infinite for name, _ in accesses(expr))


@remembered
def _makes_infinite(expr: Expr) -> bool:
    applied = (node for node in preorder(expr) if isinstance(node, Apply))
    return any(node.function not in TOTAL and not _is_whole_power(node) for node in applied)


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
