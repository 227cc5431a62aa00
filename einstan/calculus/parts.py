"""Forward values named where they are a part of a product or of a sum.

    X[n,j] / s[n]^3                       with  R[n,j] = X[n,j] / s[n]        is  R[n,j] / s[n]^2
    U[n,c] - logsumexp[C](U[n,C]) + 1     with  P[n,c] = exp(U - logsumexp U)  is  log(P[n,c]) + 1

A product is its bases with their exponents, a sum its terms with their coefficients; a definition is found in it where
its own are, with one choice of indices for all of them.  Nothing here knows any particular layer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from einstan.calculus.alpha import alpha, signature
from einstan.calculus.assume import matches
from einstan.calculus.cancelling import cancelled, opened
from einstan.calculus.canonical import expanded
from einstan.calculus.coefficients import coefficient_of, scaled
from einstan.calculus.collect import collected, shortest, size, with_digits, with_shares
from einstan.calculus.digits import DATA, STILL, Growth, Known, degree, grown, stays_exact
from einstan.calculus.factors import arranged, flattened, in_order, parts_of, powers
from einstan.calculus.finite import indices_moved, indices_read, may_be_infinite
from einstan.calculus.hidden import behind_brackets
from einstan.calculus.quotients import met
from einstan.calculus.simplify import as_power, simplify, simplify_apply, simplify_product, simplify_sum
from einstan.language.index import Index, slot
from einstan.language.node import Node, fold, holds, postorder
from einstan.language.term import (
    ONE,
    Add,
    Apply,
    Const,
    Delta,
    Equation,
    Expr,
    Extent,
    Indexed,
    Iverson,
    Mul,
    Name,
    Reduce,
    Sum,
    kept,
    reciprocal,
    substitute,
    tensors,
)
from einstan.language.threads import cached_property

Weights = list[tuple[Expr, Fraction]]  # bases and exponents, or terms and coefficients


@dataclass(frozen=True)
class Definition:
    """``value = number × sum[bound](product of the parts)``, or the sum of the parts; indices are those of the value.

    ``number`` may hold extents: like all numbers they are divided by where the definition is found.
    """

    value: Expr
    indices: tuple[Index, ...]
    number: Expr
    parts: Weights
    bound: tuple[Index, ...] = ()

    @cached_property
    def signatures(self) -> frozenset[bytes]:
        """Those of all parts, which a product or sum must have before anything is laid on it."""
        return frozenset(signature(part) for part, _ in self.parts)


class Parts:
    """What definitions are made of: ``parts(expr)`` is the expression with each of them named where it shortens it."""

    def __init__(self, names: Callable[[Expr], Expr] = lambda expr: expr) -> None:
        self.names = names  # what names whole definitions
        # By the signature of the longest part, which a product or sum must have before anything else is compared.
        self.products: dict[bytes, list[Definition]] = {}
        self.sums: dict[bytes, list[Definition]] = {}
        self.values: dict[Name, tuple[Equation, Expr]] = {}
        self.infinite: set[Name] = set()  # the tensors that may be infinite, see `einstan.calculus.finite`
        self._degrees: dict[Name, Fraction] = {}
        self._along: dict[Name, frozenset[Name]] = {}
        self._growths: dict[Name, dict[Name, Growth]] = {}
        self._totals: dict[tuple[Name, int], Expr | None] = {}

    def add(self, equation: Equation, value: Expr) -> None:
        """A definition with its simplified right side."""
        self.values[equation.name] = equation, value
        if may_be_infinite(value, self.infinite):
            self.infinite.add(equation.name)
        access = Indexed(equation.name, tuple(slot(index) for index in equation.indices))
        if isinstance(value, Reduce) and value.operation == "mean":  # mean[K](u) = sum[K](u) / |K|
            value = simplify_product((value.body, *(reciprocal(Extent(i)) for i in value.indices)), value.indices)
        if isinstance(value, Add):
            self._add_sum(access, equation.indices, value)
        elif isinstance(value, Apply) and value.function == "exp" and isinstance(value.arguments[0], Add):
            self._add_sum(Apply("log", (access,)), equation.indices, value.arguments[0])
        elif isinstance(value, Mul | Sum | Apply):
            number, factors, bound = _factors(value)
            sizes = [as_power(base, k) for base, k in factors if isinstance(base, Extent)]
            parts = [(base, k) for base, k in factors if not isinstance(base, Extent)]
            if number != 0 and parts and not (len(parts) == 1 and parts[0][1] == 1 and not bound):
                whole = simplify_product((Const(number), *sizes))
                found = Definition(access, equation.indices, whole, parts, tuple(bound))
                self.products.setdefault(_longest(parts), []).append(found)

    @cached_property
    def known(self) -> Known:
        """How definitions grow as what they are made of does, see `einstan.calculus.digits`; seldom asked for."""
        return Known(self._degree, self._growth, self._moving_with)

    def _degree(self, name: Name) -> Fraction:
        for each, (_, value) in self.values.items():  # in their order, so that nothing recurses
            if each not in self._degrees:
                self._degrees[each] = degree(value, lambda name: self._degrees.get(name, Fraction(1)))
        return self._degrees.get(name, Fraction(1))

    def _moving_with(self, name: Name) -> frozenset[Name]:
        for each, (_, value) in self.values.items():
            if each not in self._along:
                behind = [self._along.get(t, frozenset((t,))) for t in tensors(value)]
                self._along[each] = frozenset().union(*behind)
        return self._along.get(name, frozenset((name,)))

    def _growth(self, access: Indexed, moving: Name) -> Growth:
        known = self._growths.setdefault(moving, {moving: DATA})

        def of(access: Indexed) -> Growth:
            found = known.get(access.tensor, STILL)
            if access.tensor not in self.values or not (found.moved and found.moved.free):
                return found
            letters = dict(zip(self.values[access.tensor][0].indices, access.slots, strict=True))
            return found._replace(moved=substitute(found.moved, letters))

        for each, (_, value) in self.values.items():
            if each not in known and moving in self._moving_with(each):
                found = grown(value, of)
                # w[N] x[N] / W moves along with x, since w[N] / W is one
                known[each] = found._replace(moved=found.moved and simplify(self(found.moved)))
        return of(access)

    def _add_sum(self, value: Expr, indices: tuple[Index, ...], total: Add) -> None:
        parts = [(rest, number) for number, rest in map(coefficient_of, total.terms)]
        self.sums.setdefault(_longest(parts), []).append(Definition(value, indices, ONE, parts))

    def total(self, name: Name, axis: int) -> Expr | None:
        """What a definition sums to along one of its axes, where that is a number: one for a softmax, zero for what has
        had its mean taken away."""
        if (name, axis) not in self._totals:
            self._totals[name, axis] = None  # while it is not known, nothing may use it
            equation, value = self.values[name]
            value = _unmasked(value)
            whole = self(expanded(simplify_product((value,), (equation.indices[axis],)), merge=False))
            number = expanded(whole, merge=False)
            self._totals[name, axis] = number if isinstance(number, Const) else None
        return self._totals[name, axis]

    def behind(self, access: Expr) -> Expr:
        """What a name stands for, where it is defined."""
        if not isinstance(access, Indexed) or access.tensor not in self.values:
            return access
        equation, value = self.values[access.tensor]
        return substitute(value, dict(zip(equation.indices, access.slots, strict=True)))

    def __bool__(self) -> bool:
        return bool(self.values)

    def occur_in(self, expr: Expr) -> bool:
        """Whether the longest part of some definition is there."""
        if not self:
            return False
        for node in postorder(expr):
            if isinstance(node, Add) and self.sums:
                if any(signature(term) in self.sums for term, _ in _terms(node)):
                    return True
            elif isinstance(node, Mul | Sum | Apply):
                if not self.products and (isinstance(node, Apply) or not holds(node, Sum)):
                    continue  # neither a product to be found nor a sum over an axis
                _, factors, summed = _factors(node)
                if any(signature(base) in self.products for base, _ in factors):
                    return True
                if next(self._alone(factors, summed), None) is not None:
                    return True
        return False

    def __call__(self, expr: Expr) -> Expr:
        def rule(node: Node, children: tuple[Node, ...]) -> Node:
            result = node.over(children)
            for _ in range(8):  # each round takes one definition out, and what is left is shorter
                shorter = None
                if isinstance(result, Add):
                    shorter = self._in_sum(simplify_sum(result.terms))
                elif isinstance(result, Mul | Sum | Apply):
                    shorter = self._in_product(result)
                if shorter is None:
                    break
                result = shorter
            return result

        return fold(expr, rule, known=kept)

    def _in_product(self, node: Expr) -> Expr | None:
        """a^2 b c = v a c, where v = a b is defined."""
        number, parts, summed = _factors(node)
        best = self._summed_up(number, parts, summed)
        for definition in _candidates(self.products, parts):
            bases = [base for base, _ in definition.parts]
            for chosen, mapping in matches(bases, [base for base, _ in parts], {}):
                times = _times([k for _, k in definition.parts], [parts[position][1] for position in chosen])
                left = list(parts)
                for position, (_, k) in zip(chosen, definition.parts, strict=True):
                    left[position] = parts[position][0], parts[position][1] - k * times
                others = [as_power(base, k) for base, k in left if k != 0]
                value = _at(definition, mapping, summed, others, bases, [parts[position][0] for position in chosen])
                if times == 0 or value is None or (definition.bound and times != 1):
                    continue
                images = [mapping[index] for index in definition.bound]
                named = [parts[position][0] for position in chosen]
                others += [bracket for bracket in self._guarding(named, others) if not set(bracket.free) & set(images)]
                divisor = simplify_apply("pow", (definition.number, Const(Fraction(-times))))
                rest = [index for index in summed if index not in images]
                whole = simplify_product((Const(number), *others, divisor, as_power(value, Fraction(times))), rest)
                if _cost(whole, definition.bound) < _cost(best or node):
                    best = whole
        return best

    def _guarding(self, named: Sequence[Expr], others: Sequence[Expr]) -> list[Expr]:
        """The brackets of a part that gets a name which go on guarding what else may be infinite, missing data, or read
        outside: ``1[M[n] > 0] e[n] X[n,k]`` is ``1[M[n] > 0] E[n] X[n,k]``, ``pad(x[i+1]) y[i+1]`` is
        ``1[0 <= i+1 < |x.0|] P[i] y[i+1]``."""
        brackets: list[Expr] = [factor for factor in named if isinstance(factor, Delta | Iverson)]
        if not brackets:
            return []
        infinite = any(may_be_infinite(other, self.infinite) for other in others)
        along, moved = indices_read(others), indices_moved(others)
        values = {t for f in named if not isinstance(f, Iverson) for t in tensors(f)}

        def guards(bracket: Expr) -> bool:
            if moved & set(bracket.free):
                return True
            hides = along & set(bracket.free) and tensors(bracket) and values.isdisjoint(tensors(bracket))
            return isinstance(bracket, Iverson) and (infinite or bool(hides))

        return list(filter(guards, brackets))

    def summed_up(self, node: Expr) -> Expr:
        """A product without the definitions in it that sum up to a number."""
        number, parts, summed = _factors(node)
        return self._summed_up(number, parts, summed) or node

    def _summed_up(self, number: Fraction, parts: Weights, summed: Sequence[Index]) -> Expr | None:
        """sum[C](P[n,C]) = 1, where P is a softmax over c."""
        for base, axis in self._alone(parts, summed):
            total = self.total(base.tensor, axis)
            if total is not None:
                others = [as_power(other, k) for other, k in parts if other is not base]
                rest = [index for index in summed if index is not base.slots[axis].index]
                return simplify_product((Const(number), *others, total), rest)
        return None

    def _alone(self, parts: Weights, summed: Sequence[Index]) -> Iterator[tuple[Indexed, int]]:
        """Defined tensors with an axis that is summed, all of it, and that nothing else in the product has."""
        for base, k in parts if summed else ():
            if isinstance(base, Indexed) and k == 1 and base.tensor in self.values:
                own = self.values[base.tensor][0].indices
                for axis, form in enumerate(base.slots):
                    if form.index is None or form.index.dim != own[axis].dim:
                        continue  # it runs over a part of the axis: ``sum[I](c[I] + c[I+1])``
                    readers = (*(b for b, _ in parts), *base.slots)
                    if form.index in summed and sum(form.index in reader.free for reader in readers) == 2:
                        yield base, axis

    def _in_sum(self, node: Expr) -> Expr | None:
        """2 a - 2 b + c = 2 v + c, where v = a - b is defined."""
        if not isinstance(node, Add):
            return node
        parts = _terms(node)
        best: Expr | None = None
        for definition in _candidates(self.sums, parts):
            terms = [term for term, _ in definition.parts]
            for chosen, mapping in matches(terms, [term for term, _ in parts], {}):
                ratios = {parts[p][1] / k for p, (_, k) in zip(chosen, definition.parts, strict=True)}
                value = _at(definition, mapping, (), (), terms, [parts[position][0] for position in chosen])
                if len(ratios) != 1 or value is None:
                    continue
                named = scaled(ratios.pop(), value)
                first = min(chosen)
                others = {k: scaled(c, term) for k, (term, c) in enumerate(parts) if k not in chosen}
                whole = simplify_sum([*(t for k, t in others.items() if k < first), named,
                                      *(t for k, t in others.items() if k > first)])  # fmt: skip
                if _cost(whole) < _cost(best or node):
                    best = whole
        return best


def shortest_named(expr: Expr, parts: Parts) -> Expr:
    """The shortest form of a simplified expression, with forward values named where they are parts of it too."""
    return behind_brackets(_shortest_named(expr, parts), parts.infinite, parts.values)


def _shortest_named(expr: Expr, parts: Parts) -> Expr:
    plain = shortest(expr, parts.behind, parts.known)
    if not parts.occur_in(expr):
        other = opened(expr)
        if other is expr:
            return plain
        return min((plain, shortest(parts.names(other), parts.behind, parts.known)), key=size)
    found = [plain]
    simple = simplify(expr)
    other = opened(simple)
    for form in dict.fromkeys((simple, cancelled(simple, parts.summed_up), plain, parts.names(other))):
        for _ in range(3):  # what is named and has cancelled may show the next one
            named = simplify(parts(form))
            found.append(collected(named))
            again = simplify(parts(found[-1]))
            if again is not found[-1]:
                found.append(collected(again))
            before, form = form, cancelled(named, parts.summed_up)
            if form is before:
                break
    best = min((form for form in found if form is plain or stays_exact(form, simple, parts.known)), key=_cost)
    if other is simple:
        for form, closed in ((simple, plain), (best, best)):
            whole = expanded(form, merge=False)
            if whole is not form:
                named = collected(simplify(parts(whole)))
                if _cost(named) < _cost(best):
                    best = min((best, *with_digits(named, closed, parts.known)), key=_cost)
    over = met(best, parts.behind)
    return with_shares(best if over is best else collected(over))


# ---- pieces ----------------------------------------------------------------------------------------------------------


def _cost(expr: Expr, saved: Sequence[Index] = ()) -> tuple[int, Fraction]:
    """How much there is to read, and how high the exponents are; a sum that was saved is worth a little more."""
    exponents = (node.arguments[1] for node in postorder(expr) if isinstance(node, Apply) and node.function == "pow")
    return size(expr) - 2 * bool(saved), sum((abs(k.value) for k in exponents if isinstance(k, Const)), Fraction(0))


def _terms(total: Add) -> Weights:
    return [(rest, number) for number, rest in map(coefficient_of, total.terms)]


def _factors(node: Expr) -> tuple[Fraction, Weights, list[Index]]:
    """A product as its number, its bases with exponents and its summed indices; bases that are sums have one order
    and sign."""
    number, flat, summed = flattened((node,))
    found: dict[Node, tuple[Expr, Fraction]] = {}
    for factor in flat:
        for base, exponent in powers(factor):
            if isinstance(base, Add):
                base, sign = arranged(base) if exponent.denominator == 1 else (in_order(base), 1)
                number *= sign**exponent.numerator
            key = alpha(base) if base.binds or isinstance(base, Extent) else base
            before = found.get(key, (base, Fraction(0)))
            found[key] = before[0], before[1] + exponent
    return number, [(base, k) for base, k in found.values() if k != 0], summed


def _longest(parts: Weights) -> bytes:
    return signature(max(parts, key=lambda part: size(part[0]))[0])


def _unmasked(value: Expr) -> Expr:
    """``1[c] exp(u + log(1[c]))`` without the bracket that the exponent has: it is zero where c is false."""
    exponents = [f.arguments[0] for f in parts_of(value) if isinstance(f, Apply) and f.function == "exp"]
    inside = {term for u in exponents if isinstance(u, Add) for term in u.terms}
    kept = [f for f in parts_of(value) if not (isinstance(f, Iverson) and Apply("log", (f,)) in inside)]
    return value if len(kept) == len(parts_of(value)) else simplify_product(kept)


def _candidates(known: dict[bytes, list[Definition]], parts: Weights) -> Iterable[Definition]:
    if not known:
        return ()
    there = dict.fromkeys(signature(part) for part, _ in parts)
    return [
        definition
        for key in there
        for definition in known.get(key, ())
        if len(definition.parts) <= len(parts) and definition.signatures <= there.keys()
    ]


def _times(own: Sequence[Fraction], there: Sequence[Fraction]) -> int:
    """How often a definition is in a product: once of several parts, any whole power of a single one.

    Its name must have a value where the product has: no root of what has none there, no reciprocal of a factor.
    """
    if any((a.denominator != 1 and b.denominator == 1) or a < 0 < b for a, b in zip(own, there, strict=True)):
        return 0
    ratios = [b / a for a, b in zip(own, there, strict=True)]
    if len(ratios) == 1:
        return int(ratios[0]) if ratios[0].denominator == 1 else 0
    return 1 if all(ratio >= 1 for ratio in ratios) else 0


def _at(
    definition: Definition,
    mapping: dict[Index, Index],
    summed: Sequence[Index],
    others: Iterable[Expr],
    pattern: Sequence[Expr],
    target: Sequence[Expr],
) -> Expr | None:
    """The definition's name at the place where it was found, if its bound indices are summed there and nowhere else."""
    images = [mapping.get(index) for index in definition.bound]
    if any(image not in summed for image in images) or len(set(images)) != len(images):
        return None
    if any(image in other.free for image in images for other in others):
        return None
    if any(index not in mapping for index in definition.indices):
        return None
    free = {index: mapping[index] for index in definition.indices}
    if any(image in images for image in free.values()):
        return None
    whole = {**free, **{index: mapping[index] for index in definition.bound}}
    if any(alpha(substitute(a, whole)) is not alpha(b) for a, b in zip(pattern, target, strict=True)):
        return None
    return substitute(definition.value, free)


__all__ = ["Parts", "shortest_named"]
