"""Sums whose brackets guard nothing beside them, by names of their own.

    y[n] = sum[K](1[M[n,K] > 0] X[n,K]) / c[n]      with    apart1[n] = sum[K](1[M[n,K] > 0] X[n,K])

A bracket guards the product that it stands in, and no other factor: where c is 0 and no entry of the row counts, this
is 0 / 0, and ``sum[K](1[M[n,K] > 0] X[n,K] / c[n])`` is 0.  Forms of products do not tell the two apart, names do.
Sums of exponentials are left, whose quotients are taken otherwise.  This is how a program is run, and not printed.
"""

from __future__ import annotations

from collections.abc import Iterator, Set

from einstan.calculus.finite import POLES, infinite_tensors, may_have_no_value
from einstan.calculus.program import Program
from einstan.language.functions import TOTAL
from einstan.language.index import Index, fresh_name, lowered, slot
from einstan.language.node import holds, postorder, preorder, replace
from einstan.language.term import Apply, Equation, Expr, Indexed, Iverson, Mul, Name, Reduce, Sum, substitute, tensors


def sums_apart(program: Program) -> tuple[Equation, ...]:
    """The equations, with what stands apart before those that read it."""
    equations = program.resolved_all()
    if not any(holds(equation.rhs, Iverson) and holds(equation.rhs, Mul) for equation in equations):
        return equations
    taken = {str(name) for e in equations for name in (e.name, *tensors(e.rhs))}
    infinite = infinite_tensors(equations, POLES)
    made = tuple(each for equation in equations for each in _named(equation, taken, infinite))
    return equations if len(made) == len(equations) else made


def _named(equation: Equation, taken: set[str], infinite: Set[Name]) -> Iterator[Equation]:
    rhs = equation.rhs
    for node in dict.fromkeys(_apart(rhs, infinite)):
        name = fresh_name("apart1", taken)
        taken.add(name)
        letters: dict[Index, Index] = {}
        for index in node.free:
            used = {other.name for other in letters.values()}
            letters[index] = Index(fresh_name(lowered(index.name), used), index.dim)
        yield Equation(name, tuple(letters.values()), substitute(node, letters))
        rhs = replace(rhs, {node: Indexed(name, tuple(slot(index) for index in letters))})
    yield equation if rhs is equation.rhs else Equation(equation.name, equation.indices, rhs, equation.where)


def _apart(rhs: Expr, infinite: Set[Name]) -> Iterator[Expr]:
    for product in postorder(rhs) if holds(rhs, Iverson) else ():
        if not isinstance(product, Mul):
            continue
        for factor in product.factors:
            others = (other for other in product.factors if other is not factor)
            if _is_guarded_sum(factor) and any(may_have_no_value(other, TOTAL, infinite) for other in others):
                yield factor


def _is_guarded_sum(factor: Expr) -> bool:
    whole = isinstance(factor, Sum) or (isinstance(factor, Reduce) and factor.operation == "mean")
    exponential = any(isinstance(node, Apply) and node.function == "exp" for node in preorder(factor))
    return whole and holds(factor, Iverson) and not exponential
