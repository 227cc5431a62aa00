"""Sums over what they are divided by: ``sum[J](m[J] exp(z[J])) / sum[K](m[K] exp(z[K]))^2`` has one of them too many.

The shares of a whole sum to one, and a product of sums hides that: all its indices are summed outside.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

from einstan.calculus.factors import parts_of, powers
from einstan.language.index import Index
from einstan.language.term import Add, Apply, Expr, Sum, add, power, substitute

SEVERAL = 2  # indices of a sum whose orders are tried


def whole_of_shares(factors: Sequence[Expr], summed: Sequence[Index]) -> tuple[list[Expr], list[Index]] | None:
    """The factors and the summed indices without those of a sum by which the product is then divided once less."""
    for factor in factors:
        for base, exponent in powers(factor):
            if exponent < 0 and isinstance(base, Sum) and len(base.indices) <= min(SEVERAL, len(summed)):
                for chosen in permutations(summed, len(base.indices)):
                    left = _without(base, chosen, [other for other in factors if other is not factor])
                    if left is not None:
                        parts = [power(own, k + 1 if own is base else k) for own, k in powers(factor)]
                        return [*left, *parts], [index for index in summed if index not in chosen]
    return None


def _without(base: Sum, chosen: tuple[Index, ...], factors: Sequence[Expr]) -> list[Expr] | None:
    """The factors without the body of a sum in these letters; None where that is not all that holds them."""
    if any(own.dim != index.dim for own, index in zip(base.indices, chosen, strict=True)):
        return None
    body: Expr = substitute(base.body, dict(zip(base.indices, chosen, strict=True)))
    wanted = list(parts_of(body))
    left: list[Expr] = []
    for factor in factors:
        if factor in wanted:
            wanted.remove(factor)
        elif any(index in factor.free for index in chosen):
            apart = _apart(factor, chosen)
            if apart is None or apart[0] not in wanted:
                return None
            wanted.remove(apart[0])
            left.append(apart[1])
        else:
            left.append(factor)
    return left if not wanted else None


def _apart(factor: Expr, chosen: tuple[Index, ...]) -> tuple[Expr, Expr] | None:
    """``exp(u[j] + v)`` as ``exp(u[j])`` and ``exp(v)``."""
    if not (isinstance(factor, Apply) and factor.function == "exp" and isinstance(factor.arguments[0], Add)):
        return None
    terms = factor.arguments[0].terms
    own = [term for term in terms if any(index in term.free for index in chosen)]
    others = [term for term in terms if term not in own]
    return (Apply("exp", (add(own),)), Apply("exp", (add(others),))) if others else None
