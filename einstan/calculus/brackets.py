"""Brackets that decide their product: ``1[z >= 0] 1[z < 0] = 0``, and ``1[z <= a] 1[z >= a] f(z)`` is ``f(a)`` there.

A product counts only where all its brackets hold.  Each of their comparisons says that a difference is positive or not
negative; where two or three of the differences add up to a number, that number must be so too.  If it is not, the
product is zero; if two that are not negative add up to zero, both are zero, and what is equal is put in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations

from einstan.calculus.canonical import expanded, terms_of
from einstan.calculus.coefficients import coefficient_of, neg_simplified, scaled
from einstan.calculus.factors import flattened
from einstan.calculus.simplify import simplify, simplify_product, simplify_sum
from einstan.calculus.tidied import says_nothing
from einstan.language.index import Affine, Index
from einstan.language.node import replace
from einstan.language.term import ZERO, Const, Delta, Expr, Extent, Indexed, Iverson, neg, tensors

Fact = tuple[Expr, bool]  # an expression that is not negative, and whether it is positive
FACTS = 8  # more comparisons than these in one product are not combined


def decided(total: Expr) -> Expr:
    """A sum with every term that its own brackets decide worked out."""
    terms = terms_of(total)
    if not any(isinstance(factor, Iverson) for term in terms for factor in flattened((term,))[1]):
        return total
    return expanded(simplify_sum(map(_decided, terms)))


def _decided(term: Expr) -> Expr:
    number, flat, summed = flattened((term,))
    if any(_one_holds(factor, flat) for factor in flat):
        return simplify_product((Const(number), *(f for f in flat if not _one_holds(f, flat))), summed)
    kept = _needed(flat)
    if kept != flat:
        return simplify_product((Const(number), *kept), summed)
    facts = [fact for factor in flat if isinstance(factor, Iverson) for fact in _facts(factor)]
    if len(facts) > FACTS:
        return term
    for count in (1, 2, 3):
        for chosen in combinations(facts, count):
            total = expanded(simplify_sum(form for form, _ in chosen))
            if not isinstance(total, Const):
                continue
            if total.value < 0 or (total.value == 0 and any(strict for _, strict in chosen)):
                return ZERO
            if total.value == 0 and count == 2 and (equal := _solved(chosen[0][0])) is not None:
                # Nothing is put in below a binder, whose index could be one of the entry's.
                put_in = [f if isinstance(f, Iverson) or f.binds else simplify(replace(f, dict([equal]))) for f in flat]
                if put_in != flat:
                    return simplify_product((Const(number), *put_in), summed)
    return term


def _needed(factors: list[Expr]) -> list[Expr]:
    """The factors without the brackets of indices that say nothing: what holds of every value of the indices, and what
    another bracket of the product says, ``1[0 <= p-k < |x.0|] 1[0 <= p-k < 4]``."""
    kept: list[Expr] = []
    factors = [factor for factor in factors if not says_nothing(factor)]
    said = [(f, _comparisons(f)) for f in factors if isinstance(f, Iverson)]
    for factor in factors:
        own = _comparisons(factor) if isinstance(factor, Iverson) else None
        if own is None:
            kept.append(factor)
            continue
        others = {edge for other, edges in said if other is not factor for edge in edges or ()}
        if all(_holds(*edge) or any(_follows(edge, other) for other in others) for edge in own):
            said = [(other, edges) for other, edges in said if other is not factor]
        elif any(_holds(*edge) for edge in own):  # 1[0 <= i-1 < |x.0|-1] is 1[0 <= i-1]
            kept += [Iverson((a, b), (relation,)) for a, relation, b in own if not _holds(a, relation, b)]
        else:
            kept.append(factor)
    return kept


def _comparisons(bracket: Iverson) -> list[tuple[Affine, str, Affine]] | None:
    """The comparisons of a bracket of indices, the smaller to the left."""
    forms = [operand for operand in bracket.operands if isinstance(operand, Affine)]
    if len(forms) < len(bracket.operands) or not set(bracket.relations) <= {"<", "<=", ">", ">="}:
        return None
    pairs = zip(forms, bracket.relations, forms[1:], strict=False)
    return [(a, r, b) if r[0] == "<" else (b, r.replace(">", "<"), a) for a, r, b in pairs]


def _holds(left: Affine, relation: str, right: Affine) -> bool:
    """Whether a comparison holds of every value of the indices."""
    return _always((right,), (left,), relation == "<")


def _follows(edge: tuple[Affine, str, Affine], known: tuple[Affine, str, Affine]) -> bool:
    """Whether a comparison holds wherever a known one does: ``p < |x.0|`` where ``p < |x.0|-1``."""
    (left, relation, right), (small, strictly, large) = edge, known
    return edge == known or _always((right, small), (left, large), (relation == "<") - (strictly == "<"))


def _always(above: Sequence[Affine], below: Sequence[Affine], by: int) -> bool:
    """Whether sums of whole numbers differ by so much for every value of the indices."""
    least, extents, indices = -by, Counter[str](), Counter[Index]()
    for form, sign in (*((form, 1) for form in above), *((form, -1) for form in below)):
        least += sign * form.constant
        for atom, k in form.terms:
            if isinstance(atom, Extent):
                extents[atom.index.dim] += sign * k
            elif isinstance(atom, Index):
                indices[atom] += sign * k
            else:
                return False
    for index, k in indices.items():
        if k < 0:  # at most one less than its extent
            least -= k
            extents[index.dim] += k
    return least >= 0 and all(k >= 0 for k in extents.values())


def _one_holds(bracket: Expr, factors: Sequence[Expr]) -> bool:
    """Whether a bracket says that one of several products of brackets is 1, ``1[δ[1,p] + δ[3,p] > 0]``, and one is."""
    if not (isinstance(bracket, Iverson) and len(bracket.operands) == 2):
        return False
    (left, right), relation = bracket.operands, bracket.relations[0]
    total = left if relation == ">" and right is ZERO else right if relation == "<" and left is ZERO else None
    if not isinstance(total, Expr):
        return False
    parts = [flattened((term,)) for term in terms_of(total)]
    zero_or_one = all(n > 0 and all(isinstance(f, Delta | Iverson) for f in flat) for n, flat, _ in parts)
    return zero_or_one and any(not summed and set(flat) <= set(factors) for _, flat, summed in parts)


def _facts(bracket: Iverson) -> Sequence[Fact]:
    """What holds where a bracket of values is 1."""
    found: list[Fact] = []
    pairs = zip(bracket.operands, bracket.relations, bracket.operands[1:], strict=False)
    for left, relation, right in pairs if bracket.relations else ():
        if not (isinstance(left, Expr) and isinstance(right, Expr)):
            continue
        if relation in ("<", "<=", "=="):
            found.append((expanded(simplify_sum(map(simplify, (right, neg(left))))), relation == "<"))
        if relation in (">", ">=", "=="):
            found.append((expanded(simplify_sum(map(simplify, (left, neg(right))))), relation == ">"))
    return found


def _solved(form: Expr) -> tuple[Expr, Expr] | None:
    """An entry and its value, from a sum that is zero and holds the entry once."""
    for term in terms_of(form):
        number, entry = coefficient_of(term)
        others = [other for other in terms_of(form) if other is not term]
        if isinstance(entry, Indexed) and entry.tensor not in tensors(*others):
            rest = simplify_sum(map(neg_simplified, others))
            return entry, simplify_sum(scaled(c / number, r) for c, r in map(coefficient_of, terms_of(rest)))
    return None
