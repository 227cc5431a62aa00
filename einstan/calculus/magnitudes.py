"""Values kept as a number times an exponential, where exponentials are divided or stand in a logarithm.

    x = exp(scale) rest
    sum[K](w[K] exp(z[K])) = exp(c) sum[K](w[K] exp(z[K] - c))    c = max[K](z[K] + log(1[w[K] != 0]))

Whatever c is, that is true; with the largest exponent that counts nothing overflows.  Scales add up in products and
meet in quotients, a logarithm takes its own away, and a sum is measured from its largest term.  A weight that is zero
leaves its exponent out, as a bracket does.  A tensor that others read so has two equations more, its scale and its
rest, so that it does not matter how a program is split into equations.  An exponent that is measured from the largest
of its kind is so wherever it is read: far from all centres the exponents of kernels differ in digits that the sum of
two of them does not have.  This is how a program is run, not how it is differentiated: no scale is ever printed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from einstan.calculus.alpha import alpha, pattern
from einstan.calculus.coefficients import ONCE, coefficient_of, scaled
from einstan.calculus.collect import size
from einstan.calculus.compared import own_equation
from einstan.calculus.overflows import Overflows, may_be_zero, share
from einstan.calculus.partial import inlined, where_it_counts
from einstan.calculus.simplify import as_power, simplify_product, simplify_reduce, simplify_sum
from einstan.language.dims import axis, unguarded
from einstan.language.index import Affine, Index, fresh_name
from einstan.language.node import Node, fold, holds, preorder
from einstan.language.sugar import as_softmax
from einstan.language.term import (
    MINUS_ONE,
    ONE,
    ZERO,
    Add,
    Apply,
    Const,
    Delta,
    Equation,
    Expr,
    Indexed,
    Iverson,
    Mul,
    Name,
    Reduce,
    Sum,
    add,
    applies,
    mul,
    neg,
    power,
    rebound,
    substitute,
    tensors,
)

LOWEST = Const(-(10**30))  # of nothing at all the largest exponent is still a number
SHORT = 12  # what is longer to read gets a name
MOST = 5000  # what is longer than this is not put together at all
LONG = 40  # and so does what others would write out again and again
HALF = Fraction(1, 2)


def measured(
    equations: Sequence[Equation], small: Collection[Name] = (), linear: Collection[Name] = ()
) -> list[Equation]:
    """The same tensors, and scales and rests of some, with no exponential that overflows before it is divided by
    others or its logarithm is taken; ``small`` are sums of exponentials without the largest.  What rests on ``linear``
    tensors is no weight."""
    if not any(applies(equation.rhs, "exponential", "softplus") for equation in equations):
        return list(equations)
    asked = Overflows(small=small)
    for equation in equations:
        asked.look_at(equation)
    if not asked.hot:
        return list(equations)
    asked.close({equation.name: equation for equation in equations})
    measure = _Measure(asked, {str(name) for e in equations for name in (e.name, *tensors(e.rhs))}, set(linear))
    return [made for equation in equations for made in measure.equations(equation)]


class _Parts(NamedTuple):
    """``exp(scale) rest``"""

    scale: Expr
    rest: Expr


@dataclass
class _Measure:
    asked: Overflows
    taken: set[str]
    linear: set[Name] = field(
        default_factory=set
    )  # the tensors that are asked for their numbers alone, whatever they are
    scales: dict[Name, Equation] = field(default_factory=dict)
    rests: dict[Name, Equation] = field(default_factory=dict)
    largest: dict[Node, Indexed] = field(default_factory=dict)  # those that have names
    weighted: set[Name] = field(default_factory=set)  # the named ones that are minus infinity where a weight is zero
    depths: dict[Node, tuple[Fraction, Equation]] = field(default_factory=dict)  # what is below a largest, and how far
    deep: dict[Name, set[int]] = field(default_factory=dict)  # of these the axes along which the largest is zero
    softmaxes: dict[_Parts, Apply] = field(default_factory=dict)
    made: list[Equation] = field(default_factory=list)
    where: tuple[tuple[Index, Affine], ...] = ()  # of the equation that is measured
    ranged: Set[tuple[Index, str]] = frozenset()  # what it reads where brackets keep an index in an axis

    def equations(self, equation: Equation) -> list[Equation]:
        """An equation, after its scale and its rest where others read them."""
        hot, kept = equation.name in self.asked.hot, equation.name in self.asked.kept
        if not self.linear.isdisjoint(tensors(equation.rhs)):
            self.linear.add(equation.name)
        if not hot and not kept:
            return [equation]
        self.where = equation.where
        self.ranged = {(index, place) for index, place, _, ranged in unguarded(equation) if ranged}
        for node in preorder(equation.rhs):
            if isinstance(node, Apply) and node.function == "exp" and holds(node, Reduce):
                self.exponential(node, node.arguments[0])
        parts = fold(equation.rhs, self.parts)
        if kept and size(parts.scale) + size(parts.rest) <= MOST:
            scale, rest = self.weighed(parts), parts.rest
            for kind, expr, known in (("scale", scale, self.scales), ("rest", rest, self.rests)):
                own = Equation(equation.name, equation.indices, expr)
                counts = (
                    kind == "rest" and equation.name in self.asked.small and bool(tensors(expr)) and may_be_zero(expr)
                )
                long = size(expr) > LONG and self.stands_anywhere(expr)
                if counts or holds(expr, Sum) or holds(expr, Reduce) or long:
                    access = self.named(expr, f"{kind}1")
                    own = Equation(equation.name, equation.indices, access)
                    if counts:  # what is nothing has no exponent beside others
                        self.asked.weights.add(access.tensor)
                known[equation.name] = own
        whole = self.whole(parts) if hot else equation.rhs
        if size(whole) > MOST:  # nobody can compute this: it is run as it is written
            whole = equation.rhs
        made, self.made = self.made, []
        return [*made, Equation(equation.name, equation.indices, whole, equation.where)]

    def named(self, expr: Expr, name: str) -> Indexed:
        """A part of an equation as an equation of its own, over those indices that it has."""
        name = fresh_name(name, self.taken)
        self.taken.add(name)
        if self.counts(expr):
            self.weighted.add(name)
        made, access = own_equation(name, expr, self.where)
        if not self.linear.isdisjoint(tensors(expr)):
            self.linear.add(made.name)
        self.made.append(made)
        return access

    def parts(self, node: Node, parts: tuple[_Parts, ...]) -> _Parts:
        match node:
            case Indexed() if node.tensor in self.scales:
                scale, rest = (inlined(node, known[node.tensor]) for known in (self.scales, self.rests))
                return _Parts(self.lowered(scale), rest)
            case Iverson():  # what is compared again, f[i,j] == h[i], is the value that was computed, to the last digit
                return _Parts(ZERO, node)
            case Reduce(operation="max" | "min", body=Indexed()):  # and so is the largest of what has a name
                return _Parts(ZERO, node)
            case Apply():
                return self.applied(node, parts)
            case Mul():
                return _Parts(simplify_sum(part.scale for part in _shares(parts)), mul(_rests(_shares(parts))))
            case Add():
                return self.added(parts)
            case Sum() | Reduce(operation="mean"):
                return self.summed(node, parts[0])
            case Reduce(operation="prod") if parts[0].scale is not ZERO:
                scale, rest = parts[0]
                return _Parts(simplify_product((scale,), node.indices), simplify_reduce("prod", node.indices, rest))
            case _:
                return _Parts(ZERO, self.rebuilt(node, parts))

    def rebuilt(self, node: Node, parts: Iterable[_Parts]) -> Expr:
        children = tuple(map(self.whole, parts))
        return node.over(children)  # type: ignore[return-value]

    def applied(self, node: Apply, parts: Sequence[_Parts]) -> _Parts:
        scale, rest = parts[0] if parts else (ZERO, node)
        match node:
            case Apply(function="exp"):
                return self.exponential(node, self.whole(parts[0]))
            case Apply(function="softplus"):  # exp(u) where u is small, to the last digit at -40 and below
                u = self.whole(parts[0])
                v = Apply("maximum", (u, Const(-40)))
                rest = mul((Apply("softplus", (v,)), Apply("exp", (neg(Apply("minimum", (v, ZERO))),))))
                return _Parts(Apply("minimum", (u, ZERO)), rest)
            case Apply(function="cosh" | "sinh" as function):  # cosh(u) = exp(|u|) (1 + exp(-2 |u|)) / 2
                u = self.whole(parts[0])
                size = Apply("abs", (u,))
                even = simplify_product((Const(HALF), add((ONE, Apply("exp", (simplify_product((Const(-2), size)),))))))
                return _Parts(size, even if function == "cosh" else mul((Apply("tanh", (u,)), even)))
            case Apply(function="pow", arguments=(base, _)) if node.is_exponential:
                exponent = self.whole(parts[1])
                if isinstance(base, Const) and base.value > 0:
                    return _Parts(simplify_product((exponent, Apply("log", (base,)))), ONE)
                logarithm = simplify_sum((self.weighed(parts[0]), Apply("log", (Apply("abs", (rest,)),))))
                sign = power(Apply("sign", (rest,)), exponent)
                return _Parts(simplify_product((*where_it_counts(exponent), exponent, logarithm)), sign)
            case _ if scale is ZERO:
                return _Parts(ZERO, self.rebuilt(node, parts))
            case Apply(function="log"):
                return _Parts(ZERO, simplify_sum((self.weighed(parts[0]), Apply("log", (_of_no_sign(rest),)))))
            case Apply(function="pow"):
                exponent = self.whole(parts[1])
                whole = isinstance(exponent, Const)
                times = _times(exponent.value, scale) if whole else simplify_product((exponent, scale))
                return _Parts(times, ONE if rest is ONE else power(rest, exponent))
            case Apply(function="sqrt"):
                return _Parts(_times(HALF, scale), Apply("sqrt", (rest,)))
            case Apply(function="abs"):
                return _Parts(scale, Apply("abs", (rest,)))
            case _:
                return _Parts(ZERO, self.rebuilt(node, parts))

    def exponential(self, node: Apply, exponent: Expr) -> _Parts:
        """exp(a - logsumexp[K](u)) = exp(a - c) / sum[K](exp(u - c)), c the largest u: what is divided by the sum adds
        up to one, to the last digit, where a logarithm as large as u has lost as many as u has before its point."""
        numbers = {term: number for number, term in map(coefficient_of, _terms(exponent))}
        totals = [term for term in numbers if isinstance(term, Reduce) and term.operation == "logsumexp"]
        scales, rests = list[Expr](), list[Expr]()
        for total in totals:
            number = numbers.pop(total)
            scale, rest = self.summed(Sum(total.indices, ONE), _Parts(self.lowered(total.body), ONE))
            scales.append(_times(number, scale))
            rests.append(as_power(rest, number))
        for total in totals:
            for index in _of_dims(numbers, total.indices):
                part = substitute(total.body, {total.indices[0]: index})
                if times := _taken(numbers, part):
                    scales.append(_times(times, self.lowered(part)))
        left = simplify_sum(scaled(number, term) for term, number in numbers.items())
        made = _Parts(simplify_sum((*scales, self.lowered(left))), mul(rests))
        if totals and as_softmax(node, exactly=False):
            self.softmaxes[made] = node
        return made

    def lowered(self, scale: Expr) -> Expr:
        """An exponent by how far it is below the largest of its kind, where that is known: differences of exponents are
        taken before any are added."""
        if not self.depths or scale is ZERO:
            return scale
        whole = self._lowered(scale)
        if whole is not None or not isinstance(scale, Add):
            return scale if whole is None else whole
        return simplify_sum(self._lowered(term) or term for term in scale.terms)

    def _lowered(self, term: Expr) -> Expr | None:
        number, rest = coefficient_of(term)
        key, letters = pattern(rest)
        if key not in self.depths:
            return None
        of, known = self.depths[key]
        found = substitute(known.rhs, dict(zip(known.indices, letters, strict=True)))
        return _times(number / of, found)

    def below(self, exponent: Expr, indices: Sequence[Index], largest: Expr) -> Expr:
        """An exponent less the largest; it has a name from now on."""
        less = _less(exponent, largest)
        if not isinstance(less, Add) or self.counts(exponent) or not self.stands_anywhere(exponent):
            return less
        number, rest = coefficient_of(exponent)
        key, letters = pattern(rest)
        if key in self.depths:
            return less
        access = self.named(less, "scale1")
        over = {k for k, form in enumerate(access.slots) if form.index in indices}
        self.deep[access.tensor] = over
        self.depths[key] = number, Equation(access.tensor, letters, simplify_sum((access, largest)))
        return access

    def is_lowest(self, exponent: Expr, indices: Sequence[Index]) -> bool:
        """Whether the largest of an exponent is zero: it has been taken away."""
        number, exponent = coefficient_of(exponent)
        if number < 0 or not isinstance(exponent, Indexed) or exponent.tensor not in self.deep:
            return False
        over = {form.index for k, form in enumerate(exponent.slots) if k in self.deep[exponent.tensor]}
        return over == set(indices) and len(over) == len(self.deep[exponent.tensor])

    def added(self, parts: Sequence[_Parts]) -> _Parts:
        """exp(a) x + exp(b) y = exp(c) (exp(a - c) x + exp(b - c) y), where c is the larger of a and b."""
        scales = [self.weighed(part) for part in parts]
        if len(set(scales)) == 1:
            return _Parts(parts[0].scale, simplify_sum(part.rest for part in parts))
        scales = [
            self.weighed(part, beside=True) for part in parts
        ]  # m[c] beside an exponential counts where it is one
        shared = self.shared(scales)
        different = list(dict.fromkeys(_less(scale, shared) for scale in scales))
        largest = different[0]
        for other in different[1:]:
            largest = Apply("maximum", (largest, other))
        largest = simplify_sum((shared, self.finite(largest)))
        if len(parts) == 2 and scales == [part.scale for part in parts]:
            (a, rest), (b, other) = parts
            if simplify_product((MINUS_ONE, rest)) is other:  # exp(a) - exp(b) = exp(c) sign(a - b) (1 - exp(-|a - b|))
                apart = _less(a, b)
                left = Apply("expm1", (simplify_product((MINUS_ONE, Apply("abs", (apart,)))),))
                return _Parts(largest, mul((MINUS_ONE, *_factors(rest), Apply("sign", (apart,)), left)))
        terms = (
            mul((*_factors(part.rest), Apply("exp", (_less(scale, largest),))))
            for part, scale in zip(parts, scales, strict=True)
        )
        return _Parts(largest, add(terms))

    def shared(self, scales: Sequence[Expr]) -> Expr:
        """What all scales have in common: it is no part of their differences."""
        first, *others = ({term: k for k, term in map(coefficient_of, _terms(scale))} for scale in scales)
        common = list[Expr]()
        for term, k in first.items():
            least = min((k, *(other.get(term, Fraction(0)) for other in others)), key=abs)
            if least * k > 0 and not self.counts(term):
                common.append(scaled(least, term))
        return simplify_sum(common)

    def summed(self, node: Sum | Reduce, part: _Parts) -> _Parts:
        """Terms that do not depend on what is summed over leave the sum; the others are measured from the largest."""
        scale = self.weighed(part)
        terms = _terms(scale)
        inside = [term for term in terms if not set(node.indices).isdisjoint(term.free)]
        outside = [term for term in terms if term not in inside]
        if not inside:
            return _Parts(part.scale, rebound(node, node.indices, part.rest))
        factors, scales = list(_factors(part.rest)), outside
        for group in _groups(inside, node.indices):
            inner = simplify_sum(group)
            over = tuple(index for index in node.indices if index in inner.free)
            if self.is_lowest(inner, over):
                factors.append(Apply("exp", (inner,)))
                continue
            largest = self.finite(simplify_reduce("max", over, inner))
            factors.append(Apply("exp", (self.below(inner, over, largest),)))
            scales.append(largest)
        return _Parts(simplify_sum(scales), rebound(node, node.indices, mul(factors)))

    def finite(self, largest: Expr) -> Expr:
        """The largest exponent, also where nothing counts or an axis has no entries; it has a name where it is long to
        read."""
        if isinstance(largest, Reduce) or self.counts(largest):
            largest = Apply("maximum", (largest, LOWEST))
        if size(largest) <= SHORT or not self.stands_anywhere(largest):
            return largest
        key = alpha(largest)
        if key not in self.largest:
            self.largest[key] = self.named(largest, "largest1")
            self.weighted.discard(self.largest[key].tensor)
        return self.largest[key]

    def stands_anywhere(self, expr: Expr) -> bool:
        """Whether an expression may be an equation of its own, without the brackets around it."""
        reads = (node for node in preorder(expr) if isinstance(node, Indexed))
        return all(self.is_inside(node, form, k) for node in reads for k, form in enumerate(node.slots))

    def is_inside(self, node: Indexed, form: Affine, position: int) -> bool:
        """Whether a slot is inside of its axis wherever it is read: one with arithmetic may need the brackets around
        it, and an index that some bracket keeps in a range of this axis does."""
        return form.index is not None and (form.index, axis(node.tensor, position)) not in self.ranged

    def counts(self, scale: Expr) -> bool:
        """Whether a scale says where weights count, in itself or through names."""
        return applies(scale, "log") or not self.weighted.isdisjoint(tensors(scale))

    def weighed(self, part: _Parts, beside: bool = False) -> Expr:
        """A scale, minus infinity where a weight is zero; brackets hide what it is there.  Of what is no exponential it
        is zero, where there is none ``beside`` it."""
        if part.scale is ZERO and not beside:
            return ZERO
        weights = [factor for factor in _factors(part.rest) if self.weighs(factor)]
        if beside:  # a delta is the bracket that compares its sides
            deltas = (factor for factor in _factors(part.rest) if isinstance(factor, Delta))
            weights += (Iverson((delta.left, delta.right), ("==",)) for delta in deltas)
        if not self.stands_anywhere(part.scale):  # what reads x[i+1] beside δ[i+1,p] may read it only there
            weights = list(dict.fromkeys((*_guards(part.rest), *weights)))
        brackets = [weight for weight in weights if isinstance(weight, Iverson)]
        guards = [bracket for bracket in brackets if not tensors(bracket)]  # which a read beside them may need
        counts = (self.where_it_counts(weight, brackets, guards) for weight in weights)
        return simplify_sum((simplify_product((*brackets, part.scale)), *counts))

    def where_it_counts(self, weight: Expr, brackets: Sequence[Expr], guards: Sequence[Expr]) -> Expr:
        """Zero where a weight counts, minus infinity where it is zero; it is not read where a guard is false."""
        if not isinstance(weight, Iverson):
            return Apply("log", (Iverson((mul((*brackets, weight)), ZERO), ("!=",)),))
        counts = Apply("log", (weight,))
        return counts if self.stands_anywhere(weight) else simplify_product((*guards, counts))

    def weighs(self, factor: Expr) -> bool:
        if isinstance(factor, Iverson):
            return True
        names = tensors(factor)
        asked = bool(names) and self.asked.weights.issuperset(names) and self.linear.isdisjoint(names)
        return asked and may_be_zero(factor)

    def whole(self, part: _Parts) -> Expr:
        if part.scale is ZERO:
            return part.rest
        if part in self.softmaxes:
            return self.softmaxes[part]
        rest = (factor for factor in _factors(part.rest) if factor is not ONE)
        return mul((*rest, Apply("exp", (self.weighed(part),))))


def _of_dims(terms: Iterable[Expr], indices: Sequence[Index]) -> list[Index]:
    """The indices at which what is summed over one index may be read."""
    free = dict.fromkeys(index for term in terms for index in term.free)
    return [index for index in free if len(indices) == 1 and index.dim == indices[0].dim]


def _taken(numbers: dict[Expr, Fraction], part: Expr) -> Fraction:
    """How often a sum is in a sum of numbered terms, from which it is taken."""
    wanted = [coefficient_of(term) for term in (_terms(part))]
    keys = {alpha(term): term for term in numbers}
    found = [(keys.get(alpha(rest)), number) for number, rest in wanted]
    ratios = [numbers[term] / number if term is not None else Fraction(0) for term, number in found]
    times = min(ratios, key=abs)
    if any(ratio * times <= 0 for ratio in ratios):
        return Fraction(0)
    for term, number in found:
        if term is not None:
            numbers[term] -= times * number
            if not numbers[term]:
                del numbers[term]
    return times


def _rests(parts: Iterable[_Parts]) -> list[Expr]:
    return [part.rest for part in parts if part.rest is not ONE]


def _shares(parts: Sequence[_Parts]) -> Sequence[_Parts]:
    """sigmoid(v) = exp(-softplus(-v)) beside exponentials; 1 - sigmoid(v) and divisors too."""
    if all(part.scale is ZERO for part in parts):
        return parts
    scales = (share(part.rest) if part.scale is ZERO else None for part in parts)
    return [part if scale is None else _Parts(scale, ONE) for part, scale in zip(parts, scales, strict=True)]


def _of_no_sign(rest: Expr) -> Expr:
    """sign(u) (1 - exp(-|u|)) as 1 - exp(-u): the logarithm of both is NaN where u is negative."""
    factors = _factors(rest)
    for sign in (f for f in factors if isinstance(f, Apply) and f.function == "sign"):
        (u,) = sign.arguments
        apart = Apply("expm1", (simplify_product((MINUS_ONE, Apply("abs", (u,)))),))
        if apart in factors:
            whole = Apply("expm1", (simplify_product((MINUS_ONE, u)),))
            return mul((*(f for f in factors if f not in (sign, apart)), whole))
    return rest


def _factors(expr: Expr) -> tuple[Expr, ...]:
    return expr.factors if isinstance(expr, Mul) else () if expr is ONE else (expr,)


def _guards(expr: Expr) -> Iterator[Iverson]:
    """The brackets of a product and of the sums in it, if they do not run over what a bracket compares; and the deltas
    that say where an index is inside of another axis."""
    for factor in _factors(expr):
        if isinstance(factor, Sum):
            yield from (guard for guard in _guards(factor.body) if set(factor.indices).isdisjoint(guard.free))
        elif isinstance(factor, Iverson):
            yield factor
        elif isinstance(factor, Delta) and not _is_of_one_axis(factor):
            yield Iverson((factor.left, factor.right), ("==",))


def _is_of_one_axis(delta: Delta) -> bool:
    """Whether a delta compares indices of one range, so that neither keeps the other in a shorter one."""
    left, right = delta.left.index, delta.right.index
    return left is not None and right is not None and left.dim == right.dim


def _groups(terms: Iterable[Expr], indices: Iterable[Index]) -> list[list[Expr]]:
    """Terms that depend on the same indices, if only through others: each group has a largest of its own."""
    bound = set(indices)
    groups: list[tuple[set[Index], list[Expr]]] = []
    for term in terms:
        own, members = bound.intersection(term.free), [term]
        for other in [group for group in groups if not own.isdisjoint(group[0])]:
            own, members = own | other[0], other[1] + members
            groups.remove(other)
        groups.append((own, members))
    return [members for _, members in groups]


def _less(scale: Expr, largest: Expr) -> Expr:
    return simplify_sum((scale, _times(-ONCE, largest)))


def _times(number: Fraction, scale: Expr) -> Expr:
    """A multiple of a sum, term by term, so that others meet its terms."""
    return simplify_sum(scaled(number * own, term) for own, term in map(coefficient_of, _terms(scale)))


def _terms(scale: Expr) -> tuple[Expr, ...]:
    return scale.terms if isinstance(scale, Add) else (scale,)
