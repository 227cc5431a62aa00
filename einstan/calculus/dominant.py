"""Differences that are lost where one portion is nearly the whole: the dominant one is taken apart.

    1 - S[k]                        is the sum of the other portions
    a[k] - S[K] a[K]                is measured from the entry of a that dominates
    d[k,l] d[k,k] - S[k] d[k,l]     has on its diagonal what the portion lacks

With ``large[k] = 1[S[k] > 3/5]``, of which at most one is true, and ``rest = sum[K]((1 - large[K]) S[K])``,

    1 - S[k]         =  (1 - large[k]) (1 - S[k]) + large[k] rest
    a[k] - S[K] a[K] =  a[k] - large[K] a[K] - ((1 - large[K]) S[K] - large[K] rest) a[K]
    δ[k,p] - S[p]    =  δ[k,p] (1 - large[p] + large[p] rest) - (1 - large[p]) S[p] - (1 - large[k]) large[p] S[p]

which is true whatever is called large.  Portions are seen wherever they stand, whatever program they come from; this is
how a program is run, and not how it is printed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, KeysView, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import permutations
from typing import cast

from einstan.calculus.alpha import alpha
from einstan.calculus.collect import size
from einstan.calculus.delta import plain_pair
from einstan.calculus.deviations import Deviations
from einstan.calculus.factors import arranged, flattened, powers
from einstan.calculus.finite import indices_read
from einstan.calculus.partial import inlined, may_be_put_in
from einstan.calculus.poles import Poles
from einstan.calculus.portions import Portion, Portions
from einstan.calculus.simplify import as_power, simplify, simplify_product, simplify_sum
from einstan.language.index import Affine, Index, slot
from einstan.language.node import Node, fold, holds, preorder
from einstan.language.term import (
    Add,
    Apply,
    Const,
    Delta,
    Equation,
    Expr,
    Indexed,
    Mul,
    Name,
    Sum,
    applies,
    bound_indices,
    kept,
    rename_bound,
    substitute,
    sum_over,
    tensors,
)

MANY = 16  # terms that are compared
FEW = 4  # letters that are tried in every order
LONG = 40  # what is longer to read is not put in the place of its name


def dominant_apart(equations: Sequence[Equation], scaled: Callable[[Name], Equation | None]) -> list[Equation]:
    """The same tensors, with what a portion lacks of the whole, and deviations from means, to the last digit."""
    if not any(applies(e.rhs, "exp") for e in equations) or not any(holds(e.rhs, Add) for e in equations):
        return list(equations)
    taken = {str(name) for e in equations for name in (e.name, *tensors(e.rhs))}
    portions = Portions(scaled, taken)
    apart = _Apart(portions, Deviations(portions, Poles(equations)))
    made = [each for equation in equations for each in apart.equations(equation)]
    read, needed = list[Equation](), {equation.name for equation in equations}
    for equation in reversed(made):  # what was named on the way, and is not read
        if equation.name in needed:
            read.append(equation)
            needed.update(tensors(equation.rhs))
    return read[::-1]


def _is_plain(expr: Expr) -> bool:
    """Whether all of this is read wherever it stands: a slot with arithmetic of indices may need the guards around it,
    and a part of a difference that gets a name leaves them."""
    forms = (form for node in preorder(expr) if isinstance(node, Indexed) for form in node.slots)
    return not any(isinstance(atom, Index) for form in forms if form.index is None for atom, _ in form.terms)


class _Term:
    """One term of a sum: its number, its factors, a square as two of them, and what it sums over."""

    def __init__(self, term: Expr) -> None:
        self.number, flat, self.summed = flattened((term,))
        self.factors: list[Expr] = []
        for factor in flat:
            for base, k in powers(factor):
                if isinstance(base, Add) and k.denominator == 1:  # x - m and m - x are one base
                    base, sign = arranged(base)
                    self.number *= sign**k.numerator
                    factor = as_power(base, k)
                whole = isinstance(base, Indexed) and k.denominator == 1 and 0 < k <= 4
                self.factors += [base] * int(k) if whole else [factor if base is factor else _power(base, k)]

    def key(self, letters: Mapping[Index, Index | Affine] | None = None, without: Expr | None = None) -> Node:
        """The term but for its number, and for one factor."""
        factors = list(self.factors)
        if without is not None:
            factors.remove(without)
        left = [substitute(factor, dict(letters)) if letters else factor for factor in factors]
        return alpha(simplify_product(left, [i for i in self.summed if i not in (letters or ())]))


def _power(base: Expr, exponent: Fraction) -> Expr:
    return Apply("pow", (base, Const(exponent))) if exponent != 1 else base


@dataclass
class _Apart:
    portions: Portions
    deviations: Deviations
    forms: dict[Name, Equation] = field(default_factory=dict)  # products of portions, and means under them
    indices: tuple[Index, ...] = ()  # of the equation that is looked at
    matches: int = 0

    def equations(self, equation: Equation) -> list[Equation]:
        """An equation, after those of what was named in it."""
        self.portions.learn(equation)
        if equation.name not in self.portions.named and (self.portions.named or applies(equation.rhs, "exp")):
            equation = self._looked_at(equation)
        made, self.portions.made = self.portions.made, []
        return [*made, equation]

    def _looked_at(self, equation: Equation) -> Equation:
        if not holds(equation.rhs, Add, Mul) or not _is_plain(equation.rhs):
            return equation
        self.indices, before = equation.indices, self.matches
        rhs = self._apart(equation.rhs)
        put_in = self.portions.put_in(rhs if self.matches > before else equation.rhs)
        if put_in not in (rhs, equation.rhs) and _is_plain(put_in):  # names may hide what meets others
            found = self.matches
            written_out = self._apart(put_in)
            rhs = written_out if self.matches > found or found == before else rhs
        reads = any(name in self.portions.named for name in tensors(rhs))
        if not isinstance(rhs, Add) and size(rhs) <= LONG and may_be_put_in(equation) and reads:
            self.forms[equation.name] = Equation(equation.name, equation.indices, rhs)
        if self.matches == before:
            return equation
        self.portions.settled.add(equation.name)
        rhs = simplify(rhs)
        used = {index.dim for index in (*equation.indices, *bound_indices(rhs))}
        where = tuple((index, form) for index, form in equation.where if index.dim in used)
        return Equation(equation.name, equation.indices, rhs, where)

    def _apart(self, expr: Expr) -> Expr:
        made = fold(expr, self.rule, known=kept)
        return self.portions.apart(made) if isinstance(made, Apply) else made

    def rule(self, node: Node, children: tuple[Node, ...]) -> Node:
        result = node.over(children)
        if isinstance(result, Mul):
            return self._outer(self._guarded(self.portions.apart(result)))
        alone = tuple(self.portions.apart(c) if isinstance(c, Apply) else c for c in result.children)
        result = result.over(alone)
        if isinstance(result, Add) and len(result.terms) <= MANY:
            return self._differences(self.portions.divided(result))
        return self._turned(result) if isinstance(result, Sum) else result

    def _guarded(self, product: Expr) -> Expr:
        """A product with portions, without the brackets in its sums that say where these are not zero."""
        number, flat, summed = flattened((product,))
        implied = self._implied(flat)
        if not implied or not any(isinstance(f, Add) and not implied.isdisjoint(preorder(f)) for f in flat):
            return product
        made = [
            self._differences(simplify_sum(_without(term, implied) for term in f.terms)) if isinstance(f, Add) else f
            for f in flat
        ]
        return simplify_product((Const(number), *made), summed)

    def _outer(self, product: Expr) -> Expr:
        """A product with outer products in one of its sums as a sum of them: they need not be multiplied out."""
        number, flat, summed = flattened((product,))
        mine, outer = (
            {name for (_, kind), name in self.deviations.pieces.items() if kind in kinds}
            for kinds in (("mine",), ("mine", "small"))
        )
        at = next((k for k, f in enumerate(flat) if isinstance(f, Add) and not mine.isdisjoint(tensors(f))), None)
        if at is None:
            return product
        groups: dict[object, list[Expr]] = {}
        for term in cast(Add, flat[at]).terms:
            own = not outer.isdisjoint(tensors(term))
            groups.setdefault(term if own else holds(term, Delta), []).append(term)
        rest = (Const(number), *flat[:at], *flat[at + 1 :])
        return simplify_sum(simplify_product((*rest, simplify_sum(group)), summed) for group in groups.values())

    def _turned(self, total: Sum) -> Expr:
        """``S[K] (a[K] - mean of a) b[K]`` is ``S[K] a[K] (b[K] - mean of b)``, where that has fewer axes."""
        number, flat, summed = flattened((total,))
        for off in flat:
            if not (isinstance(off, Indexed) and off.tensor in self.deviations.means):
                continue
            at = [form.index for form in off.slots if form.index is not None]
            if len(at) < len(off.slots):  # a single entry
                continue
            portion, letters, value = self.deviations.means[off.tensor]
            here = dict(zip(letters, at, strict=True))
            *of, index = list(here.values())[: len(portion.letters) + 1]
            share = portion.at(of, index)
            rest = [factor for factor in flat if factor not in (off, share)]
            beside = [factor for factor in rest if index in factor.free]
            varying = substitute(value, here)
            if share not in flat or index not in summed or not set(off.free) - {*of, index}:
                continue
            for own, others in (([varying], rest), (beside, [varying, *(f for f in rest if f not in beside)])):
                inner = _closed(own, others, {*of, index}, summed)
                if own and inner is not None:
                    short = simplify_product(own, inner)
                    made = self.deviations.off(portion, of, index, short, index)
                    return simplify_product(
                        (Const(number), share, made, *others), [i for i in summed if i not in inner]
                    )
        return total

    def _differences(self, total: Expr) -> Expr:
        """A sum, or a product with one, in which every difference that may be lost is taken apart."""
        if isinstance(total, Mul):
            return simplify_product(self._differences(f) if isinstance(f, Add) else f for f in total.factors)
        if isinstance(total, Sum):
            return sum_over(total.indices, self._differences(total.body))
        while isinstance(total, Add) and len(total.terms) <= MANY:
            shorter = self._met(total)
            if shorter is None:
                break
            self.matches += 1
            total = shorter
        return total

    def _met(self, total: Add) -> Expr | None:
        if self.portions.named.keys().isdisjoint(read := tensors(total)) and self.forms.keys().isdisjoint(read):
            return None
        spellings = dict.fromkeys((total.terms, tuple(map(self._put_in, total.terms))))
        return next((met for terms in spellings if (met := self._met_in(total, terms)) is not None), None)

    def _met_in(self, total: Add, spelled: Sequence[Expr]) -> Expr | None:
        """The same where two terms meet, as they are spelled here."""
        names = {index.name for index in total.free}
        terms = [_Term(rename_bound(term, names)) for term in map(self._without_implied, spelled)]
        for i, term in enumerate(terms):
            for access in dict.fromkeys(f for f in term.factors if isinstance(f, Indexed)):
                portion = self.portions.named.get(access.tensor)
                if portion is None:
                    continue
                others = [(j, other) for j, other in enumerate(terms) if j != i]
                found = (
                    self._lacking(term, access, portion, others)
                    or self._deviation(term, access, portion, others)
                    or self._of_deltas(term, access, portion, others)
                    or self._of_labels(term, access, portion, others)
                )
                if found is not None:
                    j, *made = found
                    left = [each for k, each in enumerate(total.terms) if k not in (i, j)]
                    return simplify_sum((*left, *made))
        return None

    def _put_in(self, term: Expr) -> Expr:
        """A term with the means and the products of portions that it names."""
        number, flat, summed = flattened((term,))
        named = [f for f in flat if isinstance(f, Indexed) and f.tensor in self.forms]
        if named:
            put = (inlined(f, self.forms[f.tensor]) if f in named else f for f in flat)
            term = simplify_product((Const(number), *put), summed)
        return term

    def _without_implied(self, term: Expr) -> Expr:
        implied = self._implied(flattened((term,))[1])
        return _without(term, implied) if implied else term

    def _implied(self, factors: Sequence[Expr]) -> KeysView[Expr]:
        """The brackets that hold where the portions among some factors are not zero, in their order."""
        read = [f for f in factors if isinstance(f, Indexed) and f.tensor in self.portions.named]
        guards = (guard for access in read for guard in self.portions.named[access.tensor].implied(access))
        return dict.fromkeys(guards).keys()

    def _needed(self, factors: Sequence[Expr]) -> list[Expr]:
        """The brackets that portions imply and other factors may need, which are infinite where those are zero."""
        implied = self._implied(factors)
        infinite = [f for f in factors if implied and self.deviations.poles.has(f)]
        read = indices_read(infinite)
        return [guard for guard in implied if not read.isdisjoint(guard.free)]

    # ---- X - X S[k], and X a[k] - X S[K] a[K] ------------------------------------------------------------------------

    def _lacking(
        self, term: _Term, access: Indexed, portion: Portion, others: Sequence[tuple[int, _Term]]
    ) -> tuple[int, Expr] | None:
        key = term.key(without=access)
        j = next((j for j, other in others if other.number == -term.number and other.key() is key), None)
        if j is None:
            return None
        rest = list(term.factors)
        rest[rest.index(access)] = self.deviations.read(portion, "lack", portion.forms(access))
        guards = self._needed([factor for factor in term.factors if factor is not access])
        return j, simplify_product((Const(-term.number), *guards, *rest), term.summed)

    def _deviation(
        self, term: _Term, access: Indexed, portion: Portion, others: Sequence[tuple[int, _Term]]
    ) -> tuple[int, Expr, Expr] | None:
        letters, over = portion.read(access) or ([], None)
        if over is None or over in letters or over not in term.summed:
            return None
        opposite = {
            part.key(): (j, part.number, beside)
            for j, other in others
            for part, beside in _opened(other)
            if part.number * term.number < 0
        }
        free = dict.fromkeys(i for other in (term, *(o for _, o in others)) for f in other.factors for i in f.free)
        for index in free:
            if index.dim == over.dim and index is not over and index not in letters:
                j, number, beside = opposite.get(term.key({over: index}, access), (-1, Fraction(0), []))
                if number and abs(number) <= abs(term.number):
                    rest = list(term.factors)
                    guards = self._needed(rest)
                    left = simplify_product((Const(number + term.number), *guards, *rest), term.summed)
                    rest.remove(access)
                    own = [factor for factor in rest if over in factor.free]
                    off = self.deviations.off(portion, letters, over, simplify_product(own), index)
                    outside = [factor for factor in rest if over not in factor.free]
                    summed = [i for i in term.summed if i is not over]
                    made = simplify_product((Const(number), *outside, off), summed)
                    return j, made, simplify_sum((left, *beside))
        return None

    # ---- X δ[k,p] - Z S[p], where Z is X at k = p --------------------------------------------------------------------

    def _of_deltas(
        self, term: _Term, access: Indexed, portion: Portion, others: Sequence[tuple[int, _Term]]
    ) -> tuple[int, Expr, Expr, Expr] | None:
        letters, index = portion.read(access) or ([], None)
        if index is None or index in letters or index not in self.indices:
            return None
        bound = set(term.summed).intersection
        varies = any(index in factor.free for factor in term.factors if factor is not access)
        if not varies and not set(letters) <= set(self.indices):
            return None  # summed over, it would be two contractions, and hides no more than the others add
        for j, other in others:
            for delta in (factor for factor in other.factors if isinstance(factor, Delta)):
                pair = plain_pair(delta)
                if pair is None or index not in pair:
                    continue
                at = pair[0] if pair[1] is index else pair[1]
                if at in letters or at not in self.indices:
                    continue
                for part, left in _opened(other):
                    if part.number == -term.number and part.key({at: index}, delta) is term.key({at: index}, access):
                        alike = _letters_alike(term, access, part, delta, {at: index}) if bound(letters) else {}
                        if alike is None:
                            continue
                        there = [alike.get(letter, letter) for letter in letters]
                        near = self.deviations.piece(portion, "near", there, index)
                        few, mine = (self.deviations.piece(portion, kind, letters, index) for kind in ("small", "mine"))
                        other_at = self.deviations.piece(portion, "other", letters, at)
                        rest = [Const(term.number), *self._needed(term.factors), *term.factors]
                        rest.remove(access)
                        made = simplify_product((Const(part.number), *part.factors, near), part.summed)
                        return (
                            j,
                            simplify_sum((*left, made)),
                            simplify_product((*rest, few), term.summed),
                            simplify_product((*rest, other_at, mine), term.summed),
                        )
        return None

    def _of_labels(
        self, term: _Term, access: Indexed, portion: Portion, others: Sequence[tuple[int, _Term]]
    ) -> tuple[int, Expr] | None:
        """The same with ``δ[T[n],p]``, or ``δ[0,p]``."""
        letters, index = portion.read(access) or ([], None)
        if index is None or index in letters or index in term.summed or self._needed(term.factors):
            return None
        for j, other in others:
            for delta in (factor for factor in other.factors if isinstance(factor, Delta)):
                sides = (delta.left, delta.right)
                place = next((form for form in sides if form.index is not index), None)
                if place is None or place.index is not None or len(sides) - sides.count(place) != 1:
                    continue
                here = {index: place}
                if (
                    set(place.free) <= set(letters)
                    and slot(index) in sides
                    and other.number == -term.number
                    and other.key(here, delta) is term.key(here, access)
                ):
                    rest = [Const(-term.number), *term.factors]
                    rest.remove(access)
                    made = self.deviations.labelled(portion, letters, index, place)
                    return j, simplify_product((*rest, made), term.summed)
        return None


def _letters_alike(
    term: _Term, access: Expr, other: _Term, delta: Expr, here: dict[Index, Index | Affine]
) -> dict[Index, Index] | None:
    """The letters that another term, which is the same, sums over, by those of this one."""
    body = other.key({**here, **{index: index for index in other.summed}}, delta)
    for order in permutations(other.summed) if len(other.summed) <= FEW else ():
        alike = dict(zip(term.summed, order, strict=True))
        if term.key({**alike}, access) is body:
            return alike
    return None


def _without(term: Expr, brackets: Collection[Expr]) -> Expr:
    """A product without some of its brackets."""
    number, flat, summed = flattened((term,))
    return simplify_product((Const(number), *(f for f in flat if f not in brackets)), summed)


def _closed(
    own: list[Expr], others: list[Expr], allowed: Collection[Index], summed: Collection[Index]
) -> list[Index] | None:
    """The indices over which factors are summed before they have none but those allowed, with what has to be moved from
    the others for that; None where one of them cannot be summed."""
    inner: list[Index] = []
    while more := [i for factor in own for i in factor.free if i not in allowed and i not in inner]:
        if more[0] not in summed:
            return None
        inner.append(more[0])
        moved = [factor for factor in others if more[0] in factor.free]
        own += moved
        others[:] = [factor for factor in others if factor not in moved]
    return inner


def _opened(term: _Term) -> Iterator[tuple[_Term, list[Expr]]]:
    """A term, or one of those of a bracket in it, and the others."""
    yield term, []
    for factor in term.factors:
        if isinstance(factor, Add):
            rest = [Const(term.number), *(f for f in term.factors if f is not factor)]
            parts = [simplify_product((*rest, part), term.summed) for part in factor.terms]
            for part in parts:
                yield _Term(part), [other for other in parts if other is not part]
