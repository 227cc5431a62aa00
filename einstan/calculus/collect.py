"""The shortest form, which people read: what all terms share collected, ``-Y/|n| + S/|n| = (S - Y) / |n|``.

`shortest` chooses between the collected form of an expression and that of its expansion.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

from einstan.calculus.alpha import alpha
from einstan.calculus.cancelling import cancelled, opened, turned
from einstan.calculus.canonical import expanded
from einstan.calculus.coefficients import coefficient_of, is_negative, neg_simplified, scaled
from einstan.calculus.digits import PLAIN, Known, keeps_digits, reads
from einstan.calculus.factors import flattened
from einstan.calculus.quotients import Behind, met, undefined
from einstan.calculus.simplify import simplify, simplify_product, simplify_sum
from einstan.language.effort import once
from einstan.language.index import Affine, Index
from einstan.language.node import Node, fold, folded, holds, postorder, preorder, remembered, rewrite
from einstan.language.term import (
    MINUS_ONE,
    Add,
    Apply,
    Const,
    Delta,
    Expr,
    Extent,
    Indexed,
    Iverson,
    Mul,
    Sum,
    add,
    kept,
    mul,
    power,
    reciprocal,
    substitute,
    sum_over,
)

# Longer sums are not searched for groups of terms that share a factor.
GROUPING = 12

Flat = tuple[Fraction, list[Expr], list[Index]]  # a product: its number, its factors, its summed indices


def shortest(expr: Expr, behind: Behind = undefined, known: Known = PLAIN) -> Expr:
    """The shortest of the forms that the calculus knows for a simplified expression, for people to read.

    What is ``known`` of its tensors says which of them move along with each other, so that it keeps its digits."""
    simple = simplify(expr)
    alone = behind is undefined and known is PLAIN
    return _shortest_alone(simple) if alone else with_shares(_shortest(simple, behind, known))


@remembered
def _shortest_alone(simple: Expr) -> Expr:
    return with_shares(_shortest(simple, undefined, PLAIN))


def with_shares(expr: Expr) -> Expr:
    """The form that was chosen, with its differences of a sigmoid from one as sigmoids."""
    found = turned(expr)
    return expr if found is expr else collected(found)


def _shortest(simple: Expr, behind: Behind, known: Known) -> Expr:
    first = collected(simple)
    if not _may_shorten(simple):
        over = met(simple, behind)
        return first if over is simple else min(first, collected(over), key=to_read)
    found = [first, collected(cancelled(simple))]
    if (over := met(simple, behind)) is not simple:
        found.append(collected(over))
    if (other := opened(simple)) is not simple:
        found.append(collected(cancelled(other)))
    else:
        whole = expanded(simple, merge=False)
        multiplied = collected(whole) if whole is not simple else first
        found += with_digits(multiplied, first, known) if multiplied is not first else []
    return min(found, key=to_read)


def with_digits(found: Expr, closed: Expr, known: Known) -> list[Expr]:
    """A form that was found beside another, where it keeps its digits: with its sums as one if need be."""
    forms = dict.fromkeys((found, one_sum(found)))
    return next(([form] for form in forms if keeps_digits(form, closed, known)), [])


def one_sum(expr: Expr) -> Expr:
    """``a |I| - sum[I](x[I])`` as ``sum[I](a - x[I])``, which subtracts before it adds."""

    def rule(node: Node) -> Node:
        if not (isinstance(node, Add) and holds(node, Extent)):
            return node
        terms = [flattened((term,)) for term in node.terms]
        for index in dict.fromkeys(index for _, _, summed in terms for index in summed):
            bodies, others = list[Expr](), list[Expr]()
            for term, (number, factors, summed) in zip(node.terms, terms, strict=True):
                count = next((f for f in factors if isinstance(f, Extent) and f.index.dim == index.dim), None)
                own = next((other for other in summed if other.dim == index.dim), None)
                if own is None and count is None:
                    others.append(term)
                    continue
                rest = [f for f in factors if own is not None or f is not count]
                body = simplify_product((Const(number), *rest), [other for other in summed if other is not own])
                bodies.append(body if own is None else substitute(body, {own: index}))
            if len(bodies) > 1:
                return collected(simplify_sum((*others, sum_over((index,), simplify_sum(bodies)))))
        return node

    return rewrite(expr, rule)


def _may_shorten(expr: Expr) -> bool:
    """Whether multiplying out could bring terms together: there is a product of sums, and something occurs twice."""
    if not holds(expr, Add):
        return False
    products = (node for node in preorder(expr) if isinstance(node, Mul | Sum))
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


@once
def collected(expr: Expr) -> Expr:
    """Common factors of all terms of a sum moved in front, a positive term first, reciprocals last."""

    def rule(node: Node, children: tuple[Node, ...]) -> Node:
        result = node.over(children)
        if isinstance(result, Add):
            return _collect(result)
        if isinstance(result, Mul):
            if any(isinstance(factor, Add) and all(map(is_negative, factor.terms)) for factor in result.factors):
                result = mul(factor for own in result.factors for factor in _sign_in_front(own))
            if isinstance(result, Mul) and sum(isinstance(factor, Const) for factor in result.factors) > 1:
                result = simplify_product(result.factors)  # 1/2 (2 a + 2 b) = a + b: the numbers met only now
                if not isinstance(result, Mul):
                    return collected(result)
            met = isinstance(result, Mul) and len(set(map(_key, result.factors))) < len(result.factors)
            if met or (isinstance(result, Mul) and _holds_sum(result)):
                result = simplify_product(result.factors)
            if isinstance(result, Sum):
                return sum_over(result.indices, reciprocals_last(result.body))
            return reciprocals_last(result)
        return result

    return fold(expr, rule, known=kept)


def _holds_sum(product: Mul) -> bool:
    """Whether a factor became a sum over indices only now, when what its terms share was collected."""
    return any(isinstance(factor, Sum) for factor in product.factors)


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
                if candidate is not None and to_read(candidate) < to_read(best):
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
        for key in dict.fromkeys(map(_key, _flat(term)[1])):
            having.setdefault(key, []).append(term)
    return dict.fromkeys(tuple(group) for group in having.values() if 1 < len(group) < len(terms))


def _factored(terms: Sequence[Expr], deep: bool = True) -> Expr | None:
    """``a b + a c`` as ``a (b + c)``; under the same sum, ``sum[K](a b) + sum[K](a c)`` as ``sum[K](a (b + c))``."""
    parts = _under_the_same_letters([_flat(term) for term in terms])
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
    numbers = [number / shared for number, _, _ in parts]
    remaining = [mul(flat.values()) for flat in rest]
    front = (*((Const(shared),) if shared != 1 else ()), *common)
    outside = own[0] if together and any(set(own[0]) & set(factor.free) for factor in common) else []
    if not outside:
        remaining = [sum_over(summed, term) for summed, term in zip(own, remaining, strict=True)]
    elif not all(any(index in f.free for f in (*common, *remaining)) for index in outside):
        return None
    inner = simplify_sum(_times(number, simplify(term)) for number, term in zip(numbers, remaining, strict=True))
    inner = _collect(inner) if isinstance(inner, Add) and deep else inner
    if isinstance(inner, Add) and all(map(is_negative, inner.terms)):
        front, inner = (Const(-shared), *common), _sign_in_front(inner)[1]
    elif isinstance(inner, Mul) and isinstance(inner.factors[0], Const):  # a number that the rest had in common
        whole = shared * inner.factors[0].value
        front, inner = (*((Const(whole),) if whole != 1 else ()), *common), mul(inner.factors[1:])
    return sum_over(outside, reciprocals_last(mul((*front, inner))))


def _times(number: Fraction, term: Expr) -> Expr:
    own, rest = coefficient_of(term)
    return scaled(number * own, rest)


def _flat(term: Expr) -> Flat:
    """A term as its factors, sizes as divisors by themselves: 1 / (s |j|) as 1/s and 1/|j|."""
    number, flat, summed = flattened((term,))
    divisors: list[Expr] = []
    for factor in flat:
        k = exponent_of(factor)
        below = factor.arguments[0] if k < 0 and k.denominator == 1 else None
        sizes = [base for base in below.factors if _is_of_extents(base)] if isinstance(below, Mul) else []
        rest = [base for base in below.factors if base not in sizes] if isinstance(below, Mul) else []
        divisors += [power(base, k) for base in (*sizes, *([mul(rest)] if rest else []))] if sizes else [factor]
    return number, divisors, summed


def _under_the_same_letters(parts: Sequence[Flat]) -> list[Flat]:
    """sum[K](a[K]) + sum[C](b[C]) as sums over K, where only the letters differ."""
    first = parts[0][2]
    result: list[Flat] = []
    for number, flat, summed in parts:
        own = [index for index in summed if index not in first]
        wanted = [index for index in first if index not in summed]
        if own and sorted(i.dim for i in own) == sorted(i.dim for i in wanted):
            own.sort(key=lambda index: index.dim)
            wanted.sort(key=lambda index: index.dim)
            if not any(index in factor.free for factor in flat for index in wanted):
                new = dict(zip(own, wanted, strict=True))
                flat, summed = [substitute(factor, new) for factor in flat], first
        result.append((number, flat, summed))
    return result


def _sign_in_front(factor: Expr) -> tuple[Expr, ...]:
    """-a - b as -1 and a + b."""
    if isinstance(factor, Add) and all(map(is_negative, factor.terms)):
        return MINUS_ONE, add(map(neg_simplified, factor.terms))
    return (factor,)


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


def reciprocals_last(product: Expr) -> Expr:
    """``2 / |n| (a + b)`` as ``2 (a + b) / |n|``, ``a s^-3 b`` as ``a b / s^3``; several denominators as one."""
    if not isinstance(product, Mul):
        return product
    above: list[Expr] = []
    below: list[Expr] = []
    for factor in product.factors:
        k = exponent_of(factor)
        if k < 0:
            assert isinstance(factor, Apply)
            below.append(factor.arguments[0] if k == -1 else power(factor.arguments[0], -k))
        else:
            above.append(factor)
    if not below or not any(not isinstance(factor, Const) for factor in above):
        return product
    return mul((*above, reciprocal(mul(below))))


def exponent_of(factor: Expr) -> Fraction:
    """The exponent of a power, where it is a number; one for everything else."""
    if isinstance(factor, Apply) and factor.function == "pow" and isinstance(factor.arguments[1], Const):
        return factor.arguments[1].value
    return Fraction(1)


@folded
def size(node: Node, below: tuple[int, ...]) -> int:
    """How much there is to read: every name, number, function and sign counts."""
    if isinstance(node, Affine):
        return 0
    own = 2 if isinstance(node, Indexed) else 1
    if isinstance(node, Apply) and exponent_of(node) < 0:  # a slash reads better than a negative exponent
        return own + below[0] + (3 if exponent_of(node) != -1 else 0)
    return own + sum(below)


def to_read(expr: Node) -> tuple[int, int]:
    """How much there is to read; of two forms that are equal in that, the one that reads less often is simpler."""
    return size(expr), reads(expr)
