"""Simplification that keeps the order of terms: what a person would do on the way, and nothing else.

Every rule carries its identity.  Products of sums are not multiplied out (see `einstan.calculus.canonical`), except
where a delta of a summed index waits inside one.  It ends: each rule removes a node, a delta, or a nested sum, or
moves a product into an exponent for good.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from typing import Literal

from einstan.calculus.alpha import alpha, signature
from einstan.calculus.coefficients import ONCE, coefficient_of, is_negative, length, neg_simplified, scaled, times
from einstan.calculus.comparisons import decided_bracket
from einstan.calculus.delta import eliminate
from einstan.calculus.factors import flattened, parts_of, powers
from einstan.calculus.shares import whole_of_shares
from einstan.language.effort import once, spend
from einstan.language.index import Affine, Index
from einstan.language.node import Below, Node, Term, fold, note
from einstan.language.term import (
    ZERO,
    Add,
    Apply,
    Const,
    Delta,
    Expr,
    Extent,
    Indexed,
    Iverson,
    Mul,
    Position,
    Reduce,
    Sum,
    add,
    mul,
    power,
    rational_power,
    sum_over,
)

# The identities of functions, by name; `einstan.calculus.identities` fills it in, and needs what is here.
RULES: dict[str, Callable[..., Expr | None]] = {}
HALF = Fraction(1, 2)
RULES_ASKED = 8  # steps that a product or a sum is worth, beside those of its parts
# Nodes that simplification only rebuilds.
_PLAIN = (Index, Affine, Indexed, Const, Extent, Position)


def simplify(expr: Expr) -> Expr:
    """The same value with fewer parts: constants folded, deltas used up, like terms and reciprocals merged."""
    found = _remembered(expr)
    return fold(expr, _rule, known=_remembered) if found is None else found


def _remembered(node: Term) -> Term | None:
    if isinstance(node, _PLAIN):  # nor is there anything below that it changes
        return node
    found: Term | Literal[True] | None = node.notes.get(simplify)  # True where it stayed itself, which makes no cycle
    return node if found is True else found


def _rule(node: Node, children: Below) -> Node:
    if isinstance(node, _PLAIN):
        return node.over(children)
    result: Node
    match node:
        case Add():
            result = simplify_sum(children)
        case Mul():
            result = simplify_product(children)
        case Sum(indices=indices):
            result = simplify_product(children, indices)
        case Apply(function=function):
            result = simplify_apply(function, children)
        case Reduce(operation=operation, indices=indices):
            result = simplify_reduce(operation, indices, children[0])
        case Iverson():
            result = decided_bracket(node, children)
        case Delta():
            result = simplify_product((node.rebuilt(children),))
        case _:
            result = node.over(children)
    note(node, simplify, True if result is node else result)
    return result


# ---- products and sums over indices ----------------------------------------------------------------------------------


def simplify_product(factors: Iterable[Expr], bound: Iterable[Index] = ()) -> Expr:
    """``sum[bound](product of the factors)``, whose factors are simplified already."""
    return _product(tuple(factors), tuple(bound))


@once
def _product(factors: tuple[Expr, ...], bound: tuple[Index, ...]) -> Expr:
    coefficient, flat, summed = flattened(factors, bound)
    spend(RULES_ASKED + len(flat))
    if not coefficient:
        return ZERO
    if any(isinstance(factor, Delta) for factor in flat):
        flat, summed, changed = eliminate(flat, summed)
        if changed:
            return simplify_product((Const(coefficient), *(simplify(factor) for factor in flat)), summed)
    waiting = _delta_waiting_in_a_sum(flat, summed)
    if waiting is not None:
        # a (b + c + δ d) = a (b + c) + a δ d, where δ holds a summed index
        before, terms, after = flat[:waiting], flat[waiting].terms, flat[waiting + 1 :]
        parts = taken_out(terms, [term for term in terms if _holds_delta_of(term, summed)])
        return simplify_sum(simplify_product((Const(coefficient), *before, part, *after), summed) for part in parts)
    flat, number = _merged(flat)
    coefficient = times(coefficient, number)
    if not coefficient:
        return ZERO
    unused = [index for index in summed if not any(index in factor.free for factor in flat)]
    if unused:
        # sum[K](a) = |K| a
        summed = [index for index in summed if index not in unused]
        flat, number = _merged([*flat, *(Extent(index) for index in unused)])
        coefficient = times(coefficient, number)
    if summed and (shared := whole_of_shares(flat, summed)) is not None:
        # sum[J](u[J]) / sum[K](u[K]) = 1
        return simplify_product((Const(coefficient), *shared[0]), shared[1])
    flat, summed, lifted = _exponentials_summed(flat, summed)
    if lifted:
        return simplify_product((Const(coefficient), *flat), summed)
    if not flat:
        return Const(coefficient)
    if len(flat) == 1 and isinstance(flat[0], Add) and coefficient == -1:
        # -(a + b) = -a - b
        return sum_over(summed, simplify_sum(neg_simplified(term) for term in flat[0].terms))
    alone = coefficient is ONCE or coefficient == 1
    return sum_over(summed, mul(flat if alone else (Const(coefficient), *flat)))


def _delta_waiting_in_a_sum(flat: Sequence[Expr], summed: Sequence[Index]) -> int | None:
    for position, factor in enumerate(flat if summed else ()):
        if isinstance(factor, Add) and any(_holds_delta_of(term, summed) for term in factor.terms):
            return position
    return None


def _holds_delta_of(term: Expr, summed: Sequence[Index]) -> bool:
    return any(isinstance(part, Delta) and not set(summed).isdisjoint(part.free) for part in parts_of(term))


def taken_out(terms: Sequence[Expr], chosen: Sequence[Expr]) -> list[Expr]:
    """The chosen terms of a sum each by itself, and the others, which stay one bracket, where the first of them was."""
    others = [term for term in terms if term not in chosen]
    kept = add(others)
    return [kept if others and term is others[0] else term for term in terms if term in chosen or term is others[0]]


def _number_of(base: Const, exponent: Fraction) -> Fraction | None:
    """``2^3`` as a number, where that is one and floats hold it."""
    return rational_power(base.value, exponent.numerator) if exponent.denominator == 1 else None


def _merged(flat: Sequence[Expr]) -> tuple[list[Expr], Fraction]:
    """Equal bases merged: x^a x^b = x^(a+b), exp(a) exp(b)^-1 = exp(a - b); with the number that comes loose."""
    number = ONCE
    order: list[tuple[Node, Expr]] = []
    exponents: dict[Node, Fraction] = {}
    exponentials: list[tuple[Expr, Fraction]] = []
    place = None
    for factor in flat:
        for base, exponent in powers(factor):
            whole = _number_of(base, exponent) if isinstance(base, Const) else None
            if whole is not None:
                number = times(number, whole)
            elif isinstance(base, Apply) and base.function == "exp":
                if place is None:
                    place = len(order)
                    order.append((base, base))
                exponentials.append((base.arguments[0], exponent))
            else:
                key = alpha(base) if base.binds or isinstance(base, Extent) else base
                if key in exponents:
                    exponents[key] += exponent
                    if isinstance(base, Delta | Iverson):
                        exponents[key] = Fraction(1)  # 1[..]^2 = 1[..]
                else:
                    exponents[key] = exponent
                    order.append((key, base))
    _signs_settled(order, exponents)
    result: list[Expr] = []
    for position, (kept, base) in enumerate(order):
        if position == place:
            for merged in _merged_exponentials(exponentials):
                if isinstance(merged, Const):
                    number *= merged.value
                else:
                    result.append(merged)
        elif exponents[kept]:
            rebuilt = as_power(base, exponents[kept])
            if isinstance(rebuilt, Const):
                number *= rebuilt.value
            else:
                result.append(rebuilt)
    return result, number


def _signs_settled(order: list[tuple[Node, Expr]], exponents: dict[Node, Fraction]) -> None:
    """abs(x)^2 = x^2, abs(x) sign(x) = x, x sign(x) = abs(x), for every real x: what has a size needs no sign."""
    for _, base in list(order):
        if not (isinstance(base, Apply) and base.function in ("abs", "sign")):
            continue
        x = base.arguments[0]
        absolute, sign = Apply("abs", (x,)), Apply("sign", (x,))
        counts = [exponents.get(key, Fraction(0)) for key in (x, absolute, sign)]
        size = counts[0] + counts[1]
        if any(k.denominator != 1 or k < 0 for k in counts) or size < 1 or (counts[1] < 2 and counts[2] < 1):
            continue
        plain = (counts[0] + counts[2] - size) % 2 == 0
        for key, k in ((sign, 0), (absolute, 0 if plain else 1), (x, size if plain else size - 1)):
            if key not in exponents and k:
                order.append((key, key))
            if key in exponents or k:
                exponents[key] = Fraction(k)


def as_power(base: Expr, exponent: Fraction) -> Expr:
    if exponent is ONCE or exponent == 1:
        return base
    if exponent == HALF:
        return simplify_apply("sqrt", (base,))
    if exponent == -HALF:
        return power(simplify_apply("sqrt", (base,)), -1)
    return simplify_apply("pow", (base, Const(exponent)))


def _merged_exponentials(parts: Sequence[tuple[Expr, Fraction]]) -> list[Expr]:
    """exp(a) exp(b)^-1 = exp(a - b) always (a quotient must not overflow); exp(a) exp(b) only where a + b is no longer
    than the longer of the two, because S[n,c] S[n,k] is worth keeping."""
    exponents = [simplify_product((Const(k), u)) for u, k in parts]
    divided = [k < 0 or is_negative(u) for u, (_, k) in zip(exponents, parts, strict=True)]
    while len(exponents) > 1:
        for i in range(len(exponents)):
            for j in range(i + 1, len(exponents)):
                total = simplify_sum((exponents[i], exponents[j]))
                short = length(total) <= max(length(exponents[i]), length(exponents[j]))
                if divided[i] != divided[j] or short:
                    exponents[i] = total
                    divided[i] = divided[i] and divided[j]
                    del exponents[j], divided[j]
                    break
            else:
                continue
            break
        else:
            break
    return [simplify_apply("exp", (u,)) for u in exponents]


def _exponentials_summed(flat: Sequence[Expr], summed: Sequence[Index]) -> tuple[list[Expr], list[Index], bool]:
    """sum[K](exp(u)) = exp(logsumexp[K](u)), where nothing else in the product holds K."""
    for position, factor in enumerate(flat):
        if not (isinstance(factor, Apply) and factor.function == "exp"):
            continue
        others = [other for k, other in enumerate(flat) if k != position]
        own = [i for i in summed if i in factor.free]
        if own and not any(index in other.free for index in own for other in others):
            lifted = simplify_reduce("logsumexp", tuple(own), factor.arguments[0])
            result = list(flat)
            result[position] = simplify_apply("exp", (lifted,))
            return result, [i for i in summed if i not in own], True
    return list(flat), list(summed), False


# ---- sums of terms ---------------------------------------------------------------------------------------------------


def simplify_sum(terms: Iterable[Expr]) -> Expr:
    """Like terms collected: 2 a b + b a = 3 a b, whatever the letters of their bound indices."""
    return _sum(tuple(terms))


@once
def _sum(terms: tuple[Expr, ...]) -> Expr:
    flat: list[Expr] = []
    scaled_sums: list[tuple[Expr, int, int]] = []  # c (a + b), and where its terms stand
    queue = list(terms[::-1])
    while queue:
        term = queue.pop()
        if isinstance(term, Add):
            queue.extend(reversed(term.terms))
        elif (
            isinstance(term, Mul)
            and len(term.factors) == 2
            and isinstance(term.factors[0], Const)
            and isinstance(term.factors[1], Add)
        ):
            # c (a + b) = c a + c b among other terms, so that they can meet
            own = [simplify_product((term.factors[0], t)) for t in term.factors[1].terms]
            scaled_sums.append((term, len(flat), len(flat) + len(own)))
            flat += own
        elif term is not ZERO:
            flat.append(term)
    spend(RULES_ASKED + len(flat))
    if len(flat) < 2:
        return add(flat)
    split = [coefficient_of(term) for term in flat]
    keys = like_term_keys([rest for _, rest in split])
    count = Counter(keys)
    for term, start, end in reversed(scaled_sums):  # where none met another it stays: 1e9 (a - 1) must not cancel later
        if all(count[key] == 1 for key in keys[start:end]):
            number, rest = coefficient_of(term)
            split[start:end], keys[start:end] = [(number, rest)], [rest]
    if len(split) == 1:
        return scaled(*split[0])
    totals: dict[Node, Fraction] = {}
    first: dict[Node, Expr] = {}
    for (coefficient, rest), key in zip(split, keys, strict=True):
        totals[key] = totals[key] + coefficient if key in totals else coefficient
        first.setdefault(key, rest)
    return add(scaled(totals[key], rest) for key, rest in first.items() if totals[key] != 0)


def like_term_keys(terms: Sequence[Expr]) -> list[Node]:
    """Keys that are one object for like terms.  Full comparison only where cheap signatures collide."""
    signatures = [signature(term) for term in terms]
    count = Counter(signatures)
    return [term if count[own] == 1 else alpha(term) for term, own in zip(terms, signatures, strict=True)]


# ---- functions -------------------------------------------------------------------------------------------------------


def simplify_apply(function: str, arguments: tuple[Expr, ...]) -> Expr:
    """An elementwise function of simplified arguments, by the identities of that function."""
    rule = RULES.get(function)
    result = rule(*arguments) if rule is not None else None
    return Apply(function, arguments) if result is None else result


# ---- reductions ------------------------------------------------------------------------------------------------------


def simplify_reduce(operation: str, indices: tuple[Index, ...], body: Expr) -> Expr:
    """A reduction of a simplified body: what does not depend on its indices moves out."""
    used = tuple(index for index in indices if index in body.free)
    if operation == "logsumexp":
        outside = [t for t in (body.terms if isinstance(body, Add) else ()) if not set(t.free) & set(indices)]
        counts = [simplify_apply("log", (Extent(index),)) for index in indices if index not in used]
        if not used:
            return simplify_sum((body, *counts))  # logsumexp[K](u) = u + log(|K|)
        if outside or counts:
            # logsumexp[K](c + u) = c + logsumexp[K](u)
            inside = simplify_sum(t for t in (body.terms if isinstance(body, Add) else (body,)) if t not in outside)
            return simplify_sum((*outside, *counts, Reduce(operation, used, inside)))
    if operation in ("mean", "max", "min"):
        return Reduce(operation, used, body) if used else body  # the mean of equal numbers is that number
    if operation == "prod" and not used:
        extents = simplify_product(Extent(index) for index in indices)
        return simplify_apply("pow", (body, extents))
    return Reduce(operation, indices, body)
