"""Canonical form: equal mathematics becomes the same object.

`expanded` multiplies products out, so that a polynomial in tensors, functions and reductions has one set of terms;
`canonical` then takes the representative under bound letters and order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from fractions import Fraction
from functools import cache
from itertools import chain
from math import prod
from typing import Literal

from einstan.calculus.alpha import alpha, signature
from einstan.calculus.coefficients import coefficient_of, is_negative, neg_simplified, scaled
from einstan.calculus.delta import plain_pair
from einstan.calculus.factors import flattened, powers
from einstan.calculus.indicators import complemented
from einstan.calculus.simplify import (
    as_power,
    simplify,
    simplify_apply,
    simplify_product,
    simplify_reduce,
    simplify_sum,
)
from einstan.language import parse_expression
from einstan.language.dims import redimensioned
from einstan.language.effort import question
from einstan.language.functions import FUNCTIONS
from einstan.language.index import Affine, Index, affine, slot
from einstan.language.node import Below, Node, fold, holds, note, preorder, replace
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
    mul,
    power,
    rational_power,
    reciprocal,
    substitute,
    sum_over,
)

# Products with more terms than this stay factored: two such expressions are then compared by numbers.
TERMS = 4096
POWER = 6
# Nobody reads on beyond this: for people, less is multiplied out.
READABLE = 64


@question
def canonical(expr: Expr) -> Expr:
    """One representative for all expressions that the rules of the calculus make equal."""
    found: Expr | Literal[True] | None = expr.notes.get(canonical)
    if found is None:
        result = alpha(expanded(simplify(expr)))
        found = True if result is expr else result  # without a cycle
        note(expr, canonical, found)
    return expr if found is True else found


def undimensioned(expr: Expr) -> Expr:
    """The canonical form, whatever the dimensions of indices are called: an equation has some of its own."""
    nodes = (node.index if isinstance(node, Extent) else node for node in preorder(expr))
    dims = {node.dim for node in nodes if isinstance(node, Index)}
    return canonical(redimensioned(expr, dict.fromkeys(dims, "one")))


# ---- multiplying out -------------------------------------------------------------------------------------------------


def expanded(expr: Expr, merge: bool = True) -> Expr:
    """Products of sums multiplied out, everywhere; the order of terms is kept.

    With ``merge`` (the canonical form) powers of sums are opened too, and all exponentials of a product become one;
    without it (for people, and for floats) the square of a difference keeps its digits, and exponentials stay apart
    where they are worth keeping, as S[n,c] S[n,k] is.
    """

    key = expanded, merge

    def known(node: Node) -> Node | None:
        found: Node | Literal[True] | None = node.notes.get(key)
        return node if found is True else found

    def rule(node: Node, children: Below) -> Node:
        result = _expanded(node, children, merge)
        note(node, key, True if result is node else result)
        return result

    before = expr
    for _ in range(4):
        after: Expr = fold(before, rule, known=known)
        if after is before:
            break
        before = after
    return before


def _expanded(node: Node, children: Below, merge: bool) -> Node:
    match node:
        case Add():
            return simplify_sum(children)
        case Mul():
            return _multiplied_out(children, merge)
        case Sum(indices=indices):
            return _distributed(indices, children[0], merge)
        case Apply(function=function):
            arguments: tuple[Expr, ...] = tuple(map(_led, children)) if merge else children
            if function == "pow":
                return _power_multiplied_out(arguments[0], arguments[1], merge)
            if function == "sqrt" and merge:
                return _power_multiplied_out(arguments[0], Const(Fraction(1, 2)), merge)
            if function == "softplus":
                return _softplus(*arguments)
            if function == "sigmoid" and is_negative(arguments[0]):  # sigmoid(-u) = 1 - sigmoid(u)
                return simplify_sum((ONE, neg_simplified(simplify_apply("sigmoid", (neg_all(arguments[0]),)))))
            if merge and FUNCTIONS[function].closed:
                return expanded(simplify(closed_form(function, arguments)))
            return simplify_apply(function, arguments)
        case Reduce(operation="mean", indices=indices):
            # mean[K](u) = sum[K](u) / |K|
            counts = tuple(reciprocal(Extent(index)) for index in indices)
            return _multiplied_out((_distributed(indices, children[0], merge), *counts), merge)
        case Reduce(operation="prod", indices=indices) if merge and holds(children[0], Iverson):
            # 1[K != p] u + δ[K,p] v = u + δ[K,p] (v - u), as the derivative of a product may be written
            return simplify_reduce("prod", indices, expanded(simplify(complemented(children[0]))))
        case Reduce(operation=operation, indices=indices):
            return simplify_reduce(operation, indices, children[0])
        case Delta() if merge and plain_pair(node) is None:
            return _two_sides(Delta(*children))
        case _:
            return node.over(children)


def closed_form(function: str, arguments: tuple[Expr, ...]) -> Expr:
    """A function by the others that its row names: silu(x) = x sigmoid(x)."""
    row = FUNCTIONS[function]
    values: dict[Node, Node] = dict(zip(map(Indexed, row.parameters), arguments, strict=True))
    closed: Expr = replace(_parsed(row.closed), values)
    return closed


@cache
def _parsed(text: str) -> Expr:
    return parse_expression(text)


def _led(argument: Expr) -> Expr:
    """The term whose sign decides in f(-u) = -f(u), put first: in the canonical form one that order cannot change."""
    if not isinstance(argument, Add):
        return argument
    rests = {term: coefficient_of(term)[1] for term in argument.terms}
    first = min(argument.terms, key=lambda term: (signature(rests[term]), alpha(rests[term]).digest))
    return add((first, *(term for term in argument.terms if term is not first)))


def terms_of(expr: Expr) -> tuple[Expr, ...]:
    return expr.terms if isinstance(expr, Add) else (expr,)


def term_count(expr: Expr) -> int:
    """How many terms an expression would have multiplied out, before any of them merge."""

    def rule(node: Node, children: tuple[int, ...]) -> int:
        match node:
            case Add():
                return sum(children)
            case Mul():
                return prod(children)
            case Apply(function="pow", arguments=(_, Const(value=k))) if k.denominator == 1 and 2 <= k <= POWER:
                return int(children[0] ** k.numerator)
            case Sum() | Reduce(operation="mean"):
                return children[0]
            case _:
                return 1

    return fold(expr, rule)


def _multiplied_out(factors: Sequence[Expr], merge: bool) -> Expr:
    """(a + b) c = a c + b c; exp(a) exp(b) = exp(a + b)."""
    count = 1
    for factor in factors:
        count *= len(terms_of(factor))
    if count > (TERMS if merge else READABLE):
        return simplify_product(factors)
    products: list[tuple[Expr, ...]] = [()]
    for factor in factors:
        products = [(*product, term) for product in products for term in terms_of(factor)]
    return simplify_sum(_normal_term(simplify_product(product), merge) for product in products)


def _normal_term(term: Expr, merge: bool, done: frozenset[Index] = frozenset()) -> Expr:
    """exp(a) exp(b) = exp(a + b); δ[n,m] a[m] = δ[n,m] a[n]; δ[2p+R,u] a[u] = δ[2p+R,u] a[2p+R].

    Deltas are solved once for each index; ``done`` are those."""
    if not merge:
        return term
    number, flat, summed = flattened((term,))
    pairs = [pair for factor in flat if (pair := plain_pair(factor)) is not None]
    if pairs:
        speaker = _speakers(pairs)
        deltas = [Delta(slot(one), slot(other)) for other, one in speaker.items()]
        moved = [substitute(factor, speaker) for factor in flat if plain_pair(factor) is None]
        term = mul((Const(number), *map(simplify, moved)))
        number, flat, inner = flattened((term,))
        flat, summed = [*deltas, *flat], [*summed, *inner]
        term = sum_over(summed, mul((Const(number), *flat) if number != 1 else flat))
    for position, factor in enumerate(flat):
        solved = _free_solution(factor, summed)
        if solved is None or solved[0] in done:
            continue
        index, value = solved
        if any(index in other.free for k, other in enumerate(flat) if k != position):
            moved = [f if k == position else substitute(f, {index: value}) for k, f in enumerate(flat)]
            moved_term = simplify_product((Const(number), *map(simplify, moved)), summed)
            return _normal_term(moved_term, merge, done | {index})
    roots = [f for f in flat if any(isinstance(base, Const) for base, _ in powers(f))]
    settled = [part for f in roots for base, k in powers(f) for part in _root_of_number(base, k)]
    if any(isinstance(part, Const) for part in settled):
        return simplify_product((Const(number), *(f for f in flat if f not in roots), *settled), summed)
    exponentials = [f for f in flat if isinstance(f, Apply) and f.function == "exp"]
    if len(exponentials) < 2:
        return term
    merged = simplify_apply("exp", (simplify_sum(f.arguments[0] for f in exponentials),))
    others = [f for f in flat if f not in exponentials]
    return simplify_product((Const(number), *others, merged), summed)


def _free_solution(factor: Expr, summed: Sequence[Index]) -> tuple[Index, Affine] | None:
    """The first free index that a delta of forms can be solved for, with its value."""
    if not isinstance(factor, Delta) or plain_pair(factor) is not None:
        return None
    difference = affine((factor.left, 1), (factor.right, -1))
    held = [
        (atom, k)
        for atom, k in difference.terms
        if isinstance(atom, Index) and abs(k) == 1 and atom not in summed
        and not any(atom in other.free for other, _ in difference.terms if other is not atom)
    ]  # fmt: skip
    if len(difference.terms) < 2 or not held:
        return None
    index, k = min(held, key=lambda pair: pair[0].fields)
    return index, affine((affine((difference, 1), (index, -k)), -k))


def _two_sides(delta: Delta) -> Delta:
    """δ[a-b,c-1] = δ[a+1,b+c]: every term on the side where it is positive."""
    difference = affine((delta.left, 1), (delta.right, -1))
    sides = ([(a, k) for a, k in difference.terms if k > 0], [(a, -k) for a, k in difference.terms if k < 0])
    constant = difference.constant
    left, right = affine(*sides[0], constant=max(constant, 0)), affine(*sides[1], constant=max(-constant, 0))
    return delta if (left, right) == (delta.left, delta.right) else Delta(left, right)


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
    return simplify_sum(_normal_term(simplify_product((term,), indices), merge) for term in terms_of(body))


def _sizes_of(terms: Iterable[Expr]) -> dict[Expr, Fraction]:
    """The extents that all terms of a sum have, or that divide one, with the lowest of their exponents."""
    found = [dict(chain(*map(powers, flattened((term,))[1]))) for term in terms]  # of what is simplified, each once
    sizes = dict.fromkeys(base for each in found for base in each if isinstance(base, Extent))
    lowest = {size: min(each.get(size, Fraction(0)) for each in found) for size in sizes}
    return {size: k for size, k in lowest.items() if k}


def _power_multiplied_out(base: Expr, exponent: Expr, merge: bool) -> Expr:
    sizes = _sizes_of(terms_of(base)) if merge and isinstance(base, Add | Sum) and isinstance(exponent, Const) else {}
    if sizes and isinstance(exponent, Const):  # (a / |n| + b)^-1 = |n| (a + b |n|)^-1
        inside, taken = ([as_power(size, k * n) for size, k in sizes.items()] for n in (Fraction(-1), exponent.value))
        rest = simplify_sum(simplify_product((term, *inside)) for term in terms_of(base))
        return simplify_product((*taken, _power_multiplied_out(rest, exponent, merge)))
    if isinstance(exponent, Const) and isinstance(base, Add):
        k = exponent.value
        if merge and k.denominator == 1 and 2 <= k <= POWER and len(base.terms) ** int(k) <= TERMS:
            return _multiplied_out((base,) * int(k), merge)
        number = coefficient_of(base.terms[0])[0]
        if number not in (0, 1) and number > 0 and k.denominator != 1 and merge:
            # sqrt(2 a + 2 b) = sqrt(2) sqrt(a + b)
            monic = simplify_sum(scaled(c / number, rest) for c, rest in map(coefficient_of, base.terms))
            root = _root_of_number(number, k)
            return simplify_product((*root, simplify_apply("pow", (monic, exponent))))
        outside = rational_power(number, k.numerator) if k.denominator == 1 else None
        if number != 1 and outside is not None:
            # (2 a + 2 b)^-1 = 1/2 (a + b)^-1: the first coefficient of a power's base is one
            monic = simplify_sum(scaled(c / number, rest) for c, rest in map(coefficient_of, base.terms))
            return simplify_product((Const(outside), simplify_apply("pow", (monic, exponent))))
    if isinstance(base, Sum) and isinstance(exponent, Const):
        k = exponent.value
        if merge and k.denominator == 1 and 2 <= k <= POWER:
            return _multiplied_out((base,) * int(k), merge)
    if isinstance(base, Sum | Mul) and isinstance(exponent, Const) and exponent.value.denominator == 1:
        number, rest = coefficient_of(base)
        outside = rational_power(number, exponent.value.numerator)
        if number not in (0, 1) and outside is not None:
            return simplify_product((Const(outside), simplify_apply("pow", (rest, exponent))))
    return simplify_apply("pow", (base, exponent))


def _root_of_number(base: Expr | Fraction, k: Fraction) -> tuple[Expr, ...]:
    """2^(-3/2) = 1/4 sqrt(2), sqrt(1/2) = 1/2 sqrt(2): whole numbers with exponents below one."""
    number = base if isinstance(base, Fraction) else base.value if isinstance(base, Const) else Fraction(0)
    if number <= 0:
        return (as_power(base if isinstance(base, Expr) else Const(base), k),)
    rational, roots = Fraction(1), []
    for value, exponent in ((number.numerator, k), (number.denominator, -k)):
        whole = exponent.numerator // exponent.denominator
        power_of = rational_power(Fraction(value), whole)
        if power_of is None:
            return (as_power(Const(number), k),)
        rational *= power_of
        roots.append(as_power(Const(value), exponent - whole))
    return tuple(part for part in (Const(rational), *roots) if part is not ONE)


def _softplus(u: Expr) -> Expr:
    """softplus(-u) = softplus(u) - u: one sign for the argument."""
    if is_negative(u):
        positive = neg_all(u)
        return simplify_sum((Apply("softplus", (positive,)), neg_all(positive)))
    return simplify_apply("softplus", (u,))


def neg_all(u: Expr) -> Expr:
    return simplify_sum(neg_simplified(term) for term in terms_of(u))


# ---- one quotient ----------------------------------------------------------------------------------------------------


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
