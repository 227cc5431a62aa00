"""What may be infinite or NaN although the inputs are finite: quotients, logarithms, roots, large exponentials"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet

from einstan.language.functions import GROWING, TOTAL
from einstan.language.index import Index
from einstan.language.node import holds, preorder, remembered
from einstan.language.term import Add, Apply, Const, Equation, Expr, Extent, Indexed, Iverson, Mul, Name, accesses

NONE: frozenset[str] = frozenset()
POLES = TOTAL | GROWING  # all but what has no value somewhere, however small its argument


def infinite_tensors(equations: Iterable[Equation], finite: AbstractSet[str] = TOTAL) -> set[Name]:
    """The tensors that may be infinite or NaN although what is given is finite and not very large."""
    found: set[Name] = set()
    for equation in equations:
        if may_be_infinite(equation.rhs, found, finite):
            found.add(equation.name)
    return found


def may_be_infinite(expr: Expr, infinite: AbstractSet[Name], finite: AbstractSet[str] = TOTAL) -> bool:
    """Whether an expression may be so: all but sums, products, whole powers, ``finite`` functions of what may not."""
    return not _applied(expr) <= finite or (bool(infinite) and any(name in infinite for name, _ in accesses(expr)))


def may_have_no_value(expr: Expr, finite: AbstractSet[str] = TOTAL, infinite: AbstractSet[Name] = NONE) -> bool:
    """Whether an expression may be infinite at some entry although what is given is finite.  What sizes alone determine
    is one number, and refused where that does not exist."""
    sizes_alone = all(isinstance(node, Const | Extent | Apply | Add | Mul) for node in preorder(expr))
    return not sizes_alone and may_be_infinite(expr, infinite, finite)


@remembered
def _applied(expr: Expr) -> frozenset[str]:
    """The functions in an expression, but for whole powers."""
    if not holds(expr, Apply):
        return NONE
    return frozenset(n.function for n in preorder(expr) if isinstance(n, Apply) and not _is_whole_power(n))


def indices_read(factors: Iterable[Expr]) -> set[Index]:
    """The indices along which factors read tensors; brackets are 0 or 1 whatever they compare."""
    found: set[Index] = set()
    for node in preorder(*(factor for factor in factors if not isinstance(factor, Iverson))):
        if isinstance(node, Indexed):
            found.update(node.free)
    return found


def indices_moved(factors: Iterable[Expr]) -> set[Index]:
    """The indices along which factors read tensors by arithmetic, so that a bracket may keep them inside."""
    reads = (node for node in preorder(*factors) if isinstance(node, Indexed))
    return {index for read in reads for form in read.slots if form.index is None for index in form.free}


def _is_whole_power(node: Apply) -> bool:
    exponent = node.arguments[1] if node.function == "pow" else None
    return isinstance(exponent, Const) and exponent.value >= 0 and exponent.value.denominator == 1
