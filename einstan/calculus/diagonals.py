"""What cancels on a diagonal is left out there: ``δ[i,p] sum[J](w[i,J]) - w[i,p]`` has no ``w[i,i]``.

    δ[i,p] sum[J](1[J != i] w[i,J]) - 1[i != p] w[i,p]

The curvature of a sum over pairs has that form, and ``w[i,i]`` may be much larger than what is left.  An outer product
beside the delta stays as it is, since it need not be multiplied out.  This is how a program is run, and not how it is
printed.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple, cast

from einstan.calculus.coefficients import coefficient_of
from einstan.calculus.factors import flattened
from einstan.calculus.simplify import like_term_keys, simplify, simplify_product, simplify_sum
from einstan.calculus.structure import Structured, structured
from einstan.language.index import Index, slot
from einstan.language.node import holds
from einstan.language.term import (
    ZERO,
    Add,
    Const,
    Delta,
    Equation,
    Expr,
    Iverson,
    Sum,
    substitute,
)

MANY = 40  # terms that are compared


class Term(NamedTuple):
    """A term: its number, its factors, and what it sums over."""

    number: Fraction
    factors: tuple[Expr, ...]
    summed: tuple[Index, ...]

    def whole(self, *brackets: Expr) -> Expr:
        return simplify_product((Const(self.number), *brackets, *self.factors), self.summed)


def without_diagonals(equations: Sequence[Equation]) -> list[Equation]:
    """The same equations, without the entries of sums and of what stands beside deltas that cancel each other."""
    if not any(holds(equation.rhs, Delta) and holds(equation.rhs, Add) for equation in equations):
        return list(equations)
    return [_guarded(e) if holds(e.rhs, Delta) and holds(e.rhs, Add) else e for e in equations]


def _guarded(equation: Equation) -> Equation:
    found = structured(equation.rhs, equation.indices)
    cores = [_terms(each.core) for each in found]
    if sum(map(len, cores)) > MANY:
        return equation
    changed = False
    for joined, sums in zip(found, cores, strict=True):
        for apart, others in zip(found, cores, strict=True):
            pair = _one_more_delta(joined, apart)
            if pair is not None:
                changed |= _left_out(sums, others, *pair)
    if not changed:
        return equation
    whole = []
    for each, core in zip(found, cores, strict=True):
        pairs = zip(each.axes, equation.indices, strict=True)
        deltas = (Delta(slot(kept), slot(index)) for kept, index in pairs if kept is not index)
        whole.append(simplify_product((*deltas, simplify_sum(term.whole() for term in core))))
    return Equation(equation.name, equation.indices, simplify_sum(whole), equation.where)


def _terms(core: Expr) -> list[Term]:
    """The terms of a core, those of a bracket under a sum each under its own."""
    found: list[Term] = []
    for term in core.terms if isinstance(core, Add) else (core,):
        apart = isinstance(term, Sum) and isinstance(term.body, Add)
        for part in cast(Add, cast(Sum, term).body).terms if apart else (term,):
            number, factors, summed = flattened((part,), cast(Sum, term).indices if apart else ())
            found.append(Term(number, tuple(factors), tuple(summed)))
    return found


def _one_more_delta(joined: Structured, apart: Structured) -> tuple[Index, Index] | None:
    """The two indices that are one in the first and differ in the second, where all else is alike."""
    different = [(a, b) for a, b in zip(joined.axes, apart.axes, strict=True) if a is not b]
    if len(different) != 1 or different[0][1] in joined.axes or different[0][0] not in apart.axes:
        return None
    return different[0]


def _left_out(sums: list[Term], others: list[Term], i: Index, p: Index) -> bool:
    """Brackets for those terms of a sum over J where J is i, and those beside where p is i, which cancel."""
    found = False
    beside = [_at(other, p, i) if _is_of_pairs(other, i, p) else (Fraction(0), ZERO) for other in others]
    for k, term in enumerate(sums if any(number for number, _ in beside) else ()):
        for j in (index for index in term.summed if index.dim in (i.dim, p.dim)):
            number, rest = _at(term._replace(summed=tuple(s for s in term.summed if s is not j)), j, i)
            keys = like_term_keys([rest, *(r for _, r in beside)])
            at = next((m for m, (n, _) in enumerate(beside) if n == -number and keys[m + 1] is keys[0]), None)
            if at is not None and rest is not ZERO:
                sums[k] = term._replace(factors=(Iverson((slot(j), slot(i)), ("!=",)), *term.factors))
                others[at] = others[at]._replace(factors=(Iverson((slot(i), slot(p)), ("!=",)), *others[at].factors))
                beside[at] = (Fraction(0), ZERO)
                found = True
                break
    return found


def _is_of_pairs(term: Term, i: Index, p: Index) -> bool:
    """Whether a term is an array over both indices already, and no sum of products of others."""
    return not term.summed and any(i in factor.free and p in factor.free for factor in term.factors)


def _at(term: Term, old: Index, new: Index) -> tuple[Fraction, Expr]:
    """A term where one index is another, as its number and the rest."""
    return coefficient_of(simplify(substitute(term.whole(), {old: new})))
