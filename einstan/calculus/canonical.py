"""Canonical form: equal mathematics becomes the same object; and the shortest form, which people read.

`expanded` multiplies products out, so that a polynomial in tensors, functions and reductions has one set of terms;
`canonical` then takes the representative under bound letters and order.  `shortest` goes the other way: it collects
what all terms share, ``-Y/|n| + S/|n| = (S - Y) / |n|``, and chooses between the collected form of an expression and
that of its expansion.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Literal
from weakref import WeakKeyDictionary

from einstan.calculus.alpha import alpha, signature
from einstan.calculus.delta import plain_pair
from einstan.calculus.simplify import (
    coefficient_of,
    flattened,
    is_negative,
    neg_simplified,
    scaled,
    simplify,
    simplify_apply,
    simplify_product,
    simplify_reduce,
    simplify_sum,
)
from einstan.language.index import Affine, Index, slot
from einstan.language.node import Node, fold, postorder
from einstan.language.term import (
    ONE,
    Add,
    Apply,
    Const,
    Delta,
    Expr,
    Extent,
    Indexed,
    Iverson,
    Mul,
    Reduce,
    Sum,
    add,
    is_reciprocal,
    mul,
    power,
    reciprocal,
    substitute,
    sum_over,
)

# Products with more terms than this stay factored: two such expressions are then compared by numbers.
TERMS = 4096
POWER = 6
# Nobody reads on beyond this: the shortest form is not looked for by multiplying out more.
READABLE = 64
# Longer sums are not searched for groups of terms that share a factor.
GROUPING = 12

# True where an expression is its own canonical form, so that the cache keeps no node alive.
_canonical: WeakKeyDictionary[Node, Node | Literal[True]] = WeakKeyDictionary()


def canonical(expr: Expr) -> Expr:
    """One representative for all expressions that the rules of the calculus make equal."""
    found = _canonical.get(expr)
    if found is None:
        result = alpha(expanded(simplify(expr)))
        found = _canonical[expr] = True if result is expr else result
    return expr if found is True else found  # type: ignore[return-value]


# ---- multiplying out -------------------------------------------------------------------------------------------------


def expanded(expr: Expr, merge: bool = True) -> Expr:
    """Products of sums multiplied out, everywhere; the order of terms is kept.

    With ``merge`` (the canonical form) all exponentials of a product become one; without it (for people) they stay
    apart where they are worth keeping, as S[n,c] S[n,k] is.
    """

    def rule(node: Node, children: tuple[Node, ...]) -> Node:
        match node:
            case Add():
                return simplify_sum(children)  # type: ignore[arg-type]
            case Mul():
                return _multiplied_out(children, merge)  # type: ignore[arg-type]
            case Sum(indices=indices):
                return _distributed(indices, children[0], merge)  # type: ignore[arg-type]
            case Apply(function=function):
                arguments: tuple[Expr, ...] = children  # type: ignore[assignment]
                if merge:
                    arguments = tuple(map(_led, arguments))
                if function == "pow":
                    return _power_multiplied_out(arguments[0], arguments[1], merge)
                if function == "softplus":
                    return _softplus(*arguments)
                return simplify_apply(function, arguments)
            case Reduce(operation="mean", indices=indices):
                # mean[K](u) = sum[K](u) / |K|
                counts = tuple(reciprocal(Extent(index)) for index in indices)
                return _multiplied_out((_distributed(indices, children[0], merge), *counts), merge)  # type: ignore[arg-type]
            case Reduce(operation=operation, indices=indices):
                return simplify_reduce(operation, indices, children[0])  # type: ignore[arg-type]
            case _:
                return node.rebuilt(children) if children != node.children else node

    before = expr
    for _ in range(4):
        after: Expr = fold(before, rule)  # type: ignore[assignment]
        if after is before:
            break
        before = after
    return before


def _led(argument: Expr) -> Expr:
    """The term whose sign decides in f(-u) = -f(u), put first: in the canonical form one that order cannot change."""
    if not isinstance(argument, Add):
        return argument
    rests = {term: coefficient_of(term)[1] for term in argument.terms}
    first = min(argument.terms, key=lambda term: (signature(rests[term]), alpha(rests[term]).digest))
    return add((first, *(term for term in argument.terms if term is not first)))


def _terms(expr: Expr) -> tuple[Expr, ...]:
    return expr.terms if isinstance(expr, Add) else (expr,)


def _multiplied_out(factors: Sequence[Expr], merge: bool) -> Expr:
    """(a + b) c = a c + b c; exp(a) exp(b) = exp(a + b)."""
    count = 1
    for factor in factors:
        count *= len(_terms(factor))
    if count > (TERMS if merge else READABLE):
        return simplify_product(factors)
    products: list[tuple[Expr, ...]] = [()]
    for factor in factors:
        products = [(*product, term) for product in products for term in _terms(factor)]
    return simplify_sum(_normal_term(simplify_product(product), merge) for product in products)


def _normal_term(term: Expr, merge: bool) -> Expr:
    """exp(a) exp(b) = exp(a + b); δ[n,m] a[m] = δ[n,m] a[n]."""
    if not merge:
        return term
    number, flat, summed = flattened((term,))
    pairs = [pair for factor in flat if (pair := plain_pair(factor)) is not None]
    if pairs:
        speaker = _speakers(pairs)
        deltas = [Delta(slot(one), slot(other)) for other, one in speaker.items()]
        moved = [substitute(factor, speaker) for factor in flat if plain_pair(factor) is None]
        term = mul((Const(number), *map(simplify, moved)))  # type: ignore[arg-type]
        number, flat, inner = flattened((term,))
        flat, summed = [*deltas, *flat], [*summed, *inner]
        term = sum_over(summed, mul((Const(number), *flat) if number != 1 else flat))
    exponentials = [f for f in flat if isinstance(f, Apply) and f.function == "exp"]
    if len(exponentials) < 2:
        return term
    merged = simplify_apply("exp", (simplify_sum(f.arguments[0] for f in exponentials),))
    others = [f for f in flat if f not in exponentials]
    return simplify_product((Const(number), *others, merged), summed)


def _speakers(pairs: Iterable[tuple[Index, Index]]) -> dict[Index, Index]:
    """The indices that deltas make equal, each with the first of its class: δ[i,p] δ[p,q] = δ[i,p] δ[i,q]."""
    first: dict[Index, Index] = {}
    for pair in pairs:
        one, other = sorted((first.get(index, index) for index in pair), key=lambda index: index.fields)
        for index in (*pair, *(index for index, speaker in first.items() if speaker in (one, other))):
            first[index] = one
        first[one] = first[other] = one
    return {index: one for index, one in sorted(first.items(), key=lambda item: item[0].fields) if index is not one}


def _distributed(indices: tuple[Index, ...], body: Expr, merge: bool) -> Expr:
    """sum[K](a + b) = sum[K](a) + sum[K](b)."""
    return simplify_sum(_normal_term(simplify_product((term,), indices), merge) for term in _terms(body))


def _power_multiplied_out(base: Expr, exponent: Expr, merge: bool) -> Expr:
    if isinstance(exponent, Const) and isinstance(base, Add):
        k = exponent.value
        if k.denominator == 1 and 2 <= k <= POWER and len(base.terms) ** int(k) <= (TERMS if merge else READABLE):
            return _multiplied_out((base,) * int(k), merge)
        number = coefficient_of(base.terms[0])[0]
        if number != 1 and k.denominator == 1:
            # (2 a + 2 b)^-1 = 1/2 (a + b)^-1: the first coefficient of a power's base is one
            monic = simplify_sum(scaled(c / number, rest) for c, rest in map(coefficient_of, base.terms))
            return simplify_product((Const(number**k.numerator), simplify_apply("pow", (monic, exponent))))
    if isinstance(base, Sum) and isinstance(exponent, Const):
        k = exponent.value
        if k.denominator == 1 and 2 <= k <= POWER:
            return _multiplied_out((base,) * int(k), merge)
    if isinstance(base, Sum | Mul) and isinstance(exponent, Const) and exponent.value.denominator == 1:
        number, rest = coefficient_of(base)
        if number not in (0, 1):
            k = exponent.value
            return simplify_product((Const(number**k.numerator), simplify_apply("pow", (rest, exponent))))
    return simplify_apply("pow", (base, exponent))


def _softplus(u: Expr) -> Expr:
    """softplus(-u) = softplus(u) - u: one sign for the argument."""
    if is_negative(u):
        positive = neg_all(u)
        return simplify_sum((Apply("softplus", (positive,)), neg_all(positive)))
    return simplify_apply("softplus", (u,))


def neg_all(u: Expr) -> Expr:
    return simplify_sum(neg_simplified(term) for term in _terms(u))


# ---- collecting ------------------------------------------------------------------------------------------------------


def shortest(expr: Expr) -> Expr:
    """The shortest of the forms that the calculus knows for a simplified expression, for people to read."""
    simple = simplify(expr)
    first = collected(simple)
    if not _may_shorten(simple):
        return first
    second = collected(expanded(simple, merge=False))
    return min((first, second), key=size)


def _may_shorten(expr: Expr) -> bool:
    """Whether multiplying out could bring terms together: there is a product of sums, and something occurs twice."""
    products = (node for node in postorder(expr) if isinstance(node, Mul | Sum))
    if not any(isinstance(child, Add) for product in products for child in product.children):
        return False
    read: set[object] = set()
    stack: list[Node] = [expr]
    while stack:
        node = stack.pop()
        if isinstance(node, Indexed | Extent | Delta):
            key = node.tensor if isinstance(node, Indexed) else node
            if key in read:
                return True
            read.add(key)
        else:
            stack.extend(node.children)
    return False


def collected(expr: Expr) -> Expr:
    """Common factors of all terms of a sum moved in front, a positive term first, reciprocals last."""

    def rule(node: Node, children: tuple[Node, ...]) -> Node:
        result = node.rebuilt(children) if children != node.children else node
        if isinstance(result, Add):
            return _collect(result)
        if isinstance(result, Mul):
            if len(set(map(_key, result.factors))) < len(result.factors):
                result = simplify_product(result.factors)
            return _reciprocals_last(result)
        return result

    return fold(expr, rule)  # type: ignore[return-value]


def _collect(total: Add) -> Expr:
    """What all terms share in front of the rest; where they share nothing, what some of them share, the shortest
    first step taken and then the next: the steps are as many as the terms."""
    while True:
        whole = _factored(total.terms)
        if whole is not None:
            return whole
        best: Expr = _positive_first(total)
        chosen: tuple[Expr, ...] = ()
        if 2 < len(total.terms) <= GROUPING:
            for group in _groups(total.terms):
                candidate = _grouped(total, group, deep=False)
                if candidate is not None and size(candidate) < size(best):
                    best, chosen = candidate, group
        best = (_grouped(total, chosen, deep=True) if chosen else None) or best
        if not isinstance(best, Add) or len(best.terms) == len(total.terms):
            return best
        total = best


def _grouped(total: Add, group: Sequence[Expr], deep: bool) -> Expr | None:
    """The sum with what the terms of a group share in front of them."""
    inner = _factored(group, deep)
    if inner is None:
        return None
    position = total.terms.index(group[0])
    others = [t for t in total.terms if t not in group]
    return _positive_first(add((*others[:position], inner, *others[position:])))


def _groups(terms: Sequence[Expr]) -> Iterable[tuple[Expr, ...]]:
    """For every factor that some but not all terms have, those terms."""
    having: dict[Node, list[Expr]] = {}
    for term in terms:
        for key in dict.fromkeys(map(_key, flattened((term,))[1])):
            having.setdefault(key, []).append(term)
    return dict.fromkeys(tuple(group) for group in having.values() if 1 < len(group) < len(terms))


def _factored(terms: Sequence[Expr], deep: bool = True) -> Expr | None:
    """``a b + a c`` as ``a (b + c)``; under the same sum, ``sum[K](a b) + sum[K](a c)`` as ``sum[K](a (b + c))``."""
    parts = [flattened((term,)) for term in terms]
    own = [summed for _, _, summed in parts]
    together = all(set(summed) == set(own[0]) for summed in own)
    hidden = set() if together else {index for summed in own for index in summed}
    common: list[Expr] = []
    rest = [_by_key(flat) for _, flat, _ in parts]
    brackets: list[set[object]] = [
        {key for key, factor in flat.items() if isinstance(factor, Delta | Iverson)} for flat in rest
    ]
    guarded = all(mine - set.intersection(*brackets) for mine in brackets)
    for key, factor in list(rest[0].items()):
        if guarded and not _has_value_everywhere(factor):
            continue  # it stays behind the bracket of its term: 1[a] log(x) b + 1[c] log(x) d
        if not hidden.intersection(factor.free) and all(key in flat for flat in rest):
            common.append(factor)
            for flat in rest:
                del flat[key]
    numbers = [abs(number) for number, _, _ in parts]
    shared = numbers[0] if all(number == numbers[0] for number in numbers) else Fraction(1)
    if not common and shared == 1:
        return None
    remaining = [
        mul((Const(number / shared), *flat.values()) if number != shared else flat.values())
        for (number, _, _), flat in zip(parts, rest, strict=True)
    ]
    front = (*((Const(shared),) if shared != 1 else ()), *common)
    outside = own[0] if together and any(set(own[0]) & set(factor.free) for factor in common) else []
    if not outside:
        remaining = [sum_over(summed, term) for summed, term in zip(own, remaining, strict=True)]
    elif not all(any(index in f.free for f in (*common, *remaining)) for index in outside):
        return None
    inner = simplify_sum(simplify(term) for term in remaining)
    inner = _collect(inner) if isinstance(inner, Add) and deep else inner
    return sum_over(outside, _reciprocals_last(mul((*front, inner))))


def _by_key(flat: Iterable[Expr]) -> dict[Node, Expr]:
    """Factors by what they are up to letters, equal ones as one power: what was collected below may have come twice."""
    found: dict[Node, Expr] = {}
    for factor in flat:
        key = _key(factor)
        while key in found:
            factor = simplify_product((found.pop(key), factor))
            key = _key(factor)
        found[key] = factor
    return found


def _has_value_everywhere(factor: Expr) -> bool:
    """Whether nothing below can be read outside or have no value, so that no bracket need guard it."""
    for node in postorder(factor):
        if isinstance(node, Indexed) and any(form.index is None for form in node.slots):
            return False
        if isinstance(node, Apply) and node.function in ("log", "sqrt", "tan"):
            return False
        if isinstance(node, Apply) and node.function == "pow":
            exponent = node.arguments[1]
            whole = isinstance(exponent, Const) and exponent.value.denominator == 1 and exponent.value >= 0
            if not whole and not _is_of_extents(node.arguments[0]):
                return False
    return True


def _is_of_extents(expr: Expr) -> bool:
    return all(isinstance(node, Extent | Const | Mul) for node in postorder(expr))


def _key(factor: Expr) -> Node:
    """One object for factors that differ in bound letters alone."""
    return alpha(factor) if factor.binds else factor


def _positive_first(total: Expr) -> Expr:
    if not isinstance(total, Add) or not is_negative(total):
        return total
    lead = next((term for term in total.terms if not is_negative(term)), None)
    if lead is None:
        return total
    return add((lead, *(term for term in total.terms if term is not lead)))


def _reciprocals_last(product: Expr) -> Expr:
    """``2 / |n| (a + b)`` as ``2 (a + b) / |n|``; several denominators as one."""
    if not isinstance(product, Mul):
        return product
    below = [factor for factor in product.factors if is_reciprocal(factor)]
    above = [factor for factor in product.factors if not is_reciprocal(factor)]
    if not below or not any(not isinstance(factor, Const) for factor in above):
        return product
    denominators = [factor.arguments[0] for factor in below]
    return mul((*above, reciprocal(mul(denominators))))


def size(expr: Node) -> int:
    """How much there is to read: every name, number, function and sign counts."""

    def rule(node: Node, children: tuple[int, ...]) -> int:
        if isinstance(node, Affine):
            return 0
        own = 2 if isinstance(node, Indexed) else 1
        return own + sum(children)

    return fold(expr, rule)


def common_denominator(terms: Iterable[Expr]) -> tuple[Expr, Expr]:
    """A sum as one quotient: numerator and denominator, so that a/(a+b) + b/(a+b) - 1 has numerator zero."""
    parts = [flattened((term,)) for term in terms]
    highest: Counter[Expr] = Counter()
    exponents: list[Counter[Expr]] = []
    for _, flat, summed in parts:
        own: Counter[Expr] = Counter()
        for factor in flat:
            if isinstance(factor, Apply) and factor.function == "pow" and isinstance(factor.arguments[1], Const):
                k = factor.arguments[1].value
                if k < 0 and k.denominator == 1 and not set(summed) & set(factor.free):
                    own[factor.arguments[0]] = -k.numerator
        exponents.append(own)
        highest |= own
    denominator = simplify_product(power(base, k) for base, k in highest.items()) if highest else ONE
    # Each term meets the denominator before anything is multiplied out, so that what cancels does.
    numerator = simplify_sum(
        expanded(simplify_product((Const(number), *flat, denominator), summed)) for number, flat, summed in parts
    )
    return expanded(numerator), denominator
