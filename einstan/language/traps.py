"""The traps: what a careful author may mean otherwise than the rule reads it, each with the formula that sets it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain, combinations

from einstan.language.factors import (
    flattened,
    grounds,
    index_names,
    is_square,
    letters_bound,
    powers,
    same,
    sized,
    spelling,
    unwrapped,
    variance,
)
from einstan.language.holds import Held, Placement, Total
from einstan.language.occurrences import names_in
from einstan.language.surface import (
    Bracket,
    Call,
    Expression,
    Kronecker,
    Number,
    Power,
    Ref,
    Size,
    Surface,
    Term,
    only_part,
    walk,
)

Found = Mapping[Surface, Held]  # what is held by the parts that have been looked at

MEAN = "a mean over {K}, or each entry"
QUOTIENT = "the quotient of sums, or a sum of quotients"
PARTS = (Ref, Bracket, Kronecker, Expression)

# ---- what has been found below ---------------------------------------------------------------------------------------


def all_pairs(held: Found, name: str, base: Surface) -> str:
    """``(x[N] - 1/|M| x[M])^2`` is a variance to its author, and all pairs to the rule."""
    if not isinstance(base, Expression):
        return ""
    terms = flattened(base)
    shares = [{other for other, holds in held[term].items() if holds.open} for term in terms]
    having = [names for names in shares if name in names]
    if any(other != name and not any(other in names for names in having) for other in set().union(*shares)):
        return "the square of a difference of two sums, or of all pairs"
    return MEAN if has_mean(held, name, base) else ""


def has_mean(held: Found, name: str, node: Surface) -> bool:
    """``(1/|N| x[N]) (1/|N| y[N])``: a term of a bracket in which nothing but |K| is beside K."""
    while isinstance(node, Power):
        node = node.base
    return isinstance(node, Expression) and any(
        name in held[term]
        and held[term][name].open
        and sum(name in held[part] for part, _ in term.parts) == 1
        and sized(name, term)
        for term in flattened(node)
    )


def trap_of(held: Found, name: str, node: Term, weight: int) -> str:
    """A quotient that could be one of sums: ``T[N] / (T[N] + F[N])`` is a precision, micro or macro.  ``1/|N| x[N]
    1/|N| y[N]`` could be the product of two means."""
    sizes = [k for k, (part, under) in enumerate(node.parts) if under and isinstance(part, Size) and part.name == name]
    places = [k for k, (part, _) in enumerate(node.parts) if name in held[part]]
    if len(sizes) > 1 and any(places[0] < k < places[-1] for k in sizes):
        return "the product of two means over {K}, or one sum"
    having = [(part, under) for part, under in node.parts if name in held[part]]
    above = [part for part, under in having if not under]
    below = ((part if held[part][name].open else variance(part)) for part, under in having if under)
    divisors = [part for part in below if part is not None]
    if not divisors and len(above) < 4:
        return ""
    spelled = {spelling(factor) for factor, _ in chain(*map(grounds, above)) if name in held[factor]}
    tensors = set(chain.from_iterable(map(tensors_of, above)))
    reads = [each for part, under in node.parts if not under for each in walk(part) if isinstance(each, Ref)]
    quadratic = any(map(is_square, chain(*map(powers, above))))
    for factor, raised in chain(*map(grounds, divisors)):
        if name not in held[factor]:
            continue
        if isinstance(factor, Bracket | Kronecker) and factor in divisors:  # no one divides by 0 or 1, or by ones
            return QUOTIENT
        others = [each for each in reads if isinstance(factor, Ref) and each.name == factor.name]
        if not raised and any(not same(each, factor) for each in others):  # a margin over the total: n[i,J] / n[I,J]
            return QUOTIENT
        terms = flattened(factor) if isinstance(factor, Expression) and not raised else []
        inside = walk(factor) if weight >= 2 and isinstance(factor, Expression | Call) and not raised else (factor,)
        several = sum(name in held[term] for term in terms) > 1
        if several or any(spelling(part) in spelled for part in inside if part is factor or isinstance(part, PARTS)):
            return QUOTIENT
    if divisors and any(on_diagonal(name, part) for part in (*above, *divisors)):
        return QUOTIENT  # of traces, or of the entries of diagonals
    for power in filter(is_square, chain(*map(powers, divisors))):
        shared, of_sum = not tensors.isdisjoint(tensors_of(power)), isinstance(unwrapped(power.base), Expression)
        plain = isinstance(unwrapped(power.base), Ref)  # abs(x[i] - x[J])^3 is a distance
        if (shared or of_sum) if quadratic else (shared and (of_sum or plain) and weight >= 2):
            return "the quotient of sums of squares, or a sum of quotients"
    accesses = [spelling(part) for part in above if isinstance(part, Ref)]
    factors = [part for part in above if not isinstance(unwrapped(part), Expression)]
    if len(factors) >= 4 and len(set(accesses)) < len(accesses):
        return "two inner products, or one"
    return ""


# ---- what the spelling sets ------------------------------------------------------------------------------------------

SQUARES_BESIDE = "squares over {K} stand in a function, beside a term that lacks it"


def all_inside(total: Total, placed: Placement) -> str:
    """``log(1 + exp(-y[N] f[N]))``: the logistic loss without its sum, or a function of one inner product; the letters
    of sums that are written out in it are not left either: ``-y[N] sum[K](w[K] X[N,K])``."""
    if total.argument is None:
        return ""
    names = set(index_names(total.term)) - letters_bound(total.term)
    everywhere = {name for each in placed.values() for name in each}
    summed = {name for node in walk(total.argument) if isinstance(node, Term) for name in placed.get(node, ())}
    if names <= everywhere and names <= summed and not is_quadratic(total.term):
        return "the function of a sum, or the sum of a function"
    return ""


def is_quadratic(term: Term) -> bool:
    """``x[I] P[I,J] x[J]``: one tensor on both sides of a matrix is a quadratic form, wherever it stands."""
    ends = [(tensors_of(part), frozenset(index_names(part))) for part, under in term.parts if not under]
    return any(
        left == right and left and first != second and any(first | second <= between for _, between in ends)
        for (left, first), (right, second) in combinations(ends, 2)
    )


def is_share(name: str, term: Term) -> bool:
    """``1/|N| 1[a[N] == b[N]]``: how often it holds; no one divides by |N| what is 0 or 1."""
    return any(under and sized(name, part) for part, under in term.parts) and all(
        isinstance(part, Bracket) and part.relations for part, _ in term.parts if name in index_names(part)
    )


def undone(node: Power) -> Term | None:
    """The product under a root that would undo the power of one of its factors: ``(w[K] x[K]^p)^(1/p)``."""
    root, base = unwrapped(node.exponent), node.base
    while isinstance(base, Expression) and isinstance(inside := only_part(base), Expression):
        base = inside
    if not isinstance(base, Expression) or not isinstance(root, Expression):
        return None
    match root.terms:
        case (Term(sign=1, parts=((Number(value=one), False), (power, True))),) if one == 1 and len(base.terms) == 1:
            powers = (part for part, under in base.terms[0].parts if isinstance(part, Power) and not under)
            return base.terms[0] if any(same(part.exponent, power) for part in powers) else None
    return None


def rooted(name: str, node: Term) -> bool:
    """``sqrt(P[C] Q[C])`` is Bhattacharyya's coefficient; of a square, of x A x and of ones people take the root."""
    if sum(is_square(part) and name in index_names(part) for part, _ in node.parts) > 1:
        return False
    tensors = [names for part, _ in node.parts if (names := tensors_of(part))]
    return len(set(tensors)) < len(tensors) or any(
        is_square(part) or (isinstance(part, Bracket) and not part.relations) for part, _ in node.parts
    )


def tensors_of(part: Surface) -> tuple[object, ...]:
    return tuple(node.name for node in walk(part) if isinstance(node, Ref) and node.slots)


def on_diagonal(name: str, base: Surface) -> bool:
    """``A[I,I]^2``, ``(A[I,I] - c)^2``: squares on the diagonal, or a trace squared as physicists write it."""
    return any(
        [slot for slot in node.slots if name in names_in((slot,))][1:] and not is_gather(node)
        for node in walk(base)
        if isinstance(node, Ref)
    )


def is_gather(node: Ref) -> bool:
    """``Q[N,a[N]]`` picks an entry of each row."""
    return any(isinstance(part, Ref) and part.slots for slot in node.slots for part in walk(slot))


def alike(name: str, base: Surface) -> bool:
    """``(m[N,J] (Y[N,J] - P[N,J]))^2`` is a masked error; of ``(V[I,f] x[n,I])^2`` the sum is squared."""
    if not isinstance(base, Expression):
        return False
    held = [
        [names for part, _ in term.parts if name in (names := frozenset(index_names(part)))] for term in flattened(base)
    ]
    return all(len(set(factors)) <= 1 for factors in held) and held not in ([[names]] for names in chain(*held))
