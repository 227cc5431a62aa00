"""Sums whose brackets guard nothing beside them, by names of their own.

    y[n] = sum[K](1[M[n,K] > 0] X[n,K]) / c[n]      with    apart1[n] = sum[K](1[M[n,K] > 0] X[n,K])

A bracket guards the product that it stands in, and no other factor: where c is 0 and no entry of the row counts, this
is 0 / 0, and ``sum[K](1[M[n,K] > 0] X[n,K] / c[n])`` is 0.  Forms of products do not tell the two apart, names do.
What is given may be infinite too: where something turns out to be, ``z sum[K](1[M[n,K] > 0] X[n,K])`` is computed again
with names, and a bracket that does not change within its sum hides it, so that such sums have names from the start.
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


def sums_apart(program: Program, finite: bool = True) -> tuple[Equation, ...]:
    """The equations, with what stands apart before those that read it; all that is given is presumed to be ``finite``,
    or not."""
    equations = program.resolved_all()
    if not any(holds(equation.rhs, Iverson) and holds(equation.rhs, Mul) for equation in equations):
        return equations
    taken = {str(name) for e in equations for name in (e.name, *tensors(e.rhs))}
    infinite = infinite_tensors(equations, POLES)
    made = tuple(each for equation in equations for each in _named(equation, taken, infinite, finite))
    return equations if len(made) == len(equations) else made


def _named(equation: Equation, taken: set[str], infinite: Set[Name], finite: bool) -> Iterator[Equation]:
    rhs = equation.rhs
    for node in dict.fromkeys(_apart(rhs, infinite, finite)):
        name = fresh_name("apart1", taken)
        taken.add(name)
        letters: dict[Index, Index] = {}
        for index in node.free:
            used = {other.name for other in letters.values()}
            letters[index] = Index(fresh_name(lowered(index.name), used), index.dim)
        yield Equation(name, tuple(letters.values()), substitute(node, letters))
        rhs = replace(rhs, {node: Indexed(name, tuple(slot(index) for index in letters))})
    yield equation if rhs is equation.rhs else Equation(equation.name, equation.indices, rhs, equation.where)


def _apart(rhs: Expr, infinite: Set[Name], finite: bool) -> Iterator[Expr]:
    for product in postorder(rhs) if holds(rhs, Iverson) else ():
        for factor in product.factors if isinstance(product, Mul) else ():
            if isinstance(factor, Sum | Reduce) and _is_guarded_sum(factor):
                others = [other for other in product.factors if other is not factor]
                divided = any(may_have_no_value(other, TOTAL, infinite) for other in others)
                shown = (not finite or _hides(factor)) and any(map(tensors, others))
                exponential = any(isinstance(node, Apply) and node.function == "exp" for node in preorder(factor))
                if (shown and not divided) if exponential else (shown or divided):
                    yield factor


def _is_guarded_sum(factor: Sum | Reduce) -> bool:
    return holds(factor, Iverson) and (isinstance(factor, Sum) or factor.operation == "mean")


def _hides(total: Sum | Reduce) -> bool:
    """Whether a bracket is false for all terms of a sum or for none: it selects from the whole product."""
    factors = total.body.factors if isinstance(total.body, Mul) else (total.body,)
    return any(isinstance(f, Iverson) and set(total.indices).isdisjoint(f.free) for f in factors)
