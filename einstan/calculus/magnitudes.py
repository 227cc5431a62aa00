"""Values kept as a number times an exponential, where exponentials are divided or stand in a logarithm.

    x = exp(scale) rest
    sum[K](w[K] exp(z[K])) = exp(c) sum[K](w[K] exp(z[K] - c))    c = max[K](z[K] + log(1[w[K] != 0]))

Whatever c is, that is true; with the largest exponent that counts nothing overflows.  Scales add up in products and
meet in quotients, a logarithm takes its own away, and a sum is measured from its largest term.  A weight that is zero
leaves its exponent out, as a bracket does.  A tensor that others read so has two equations more, its scale and its
rest, so that it does not matter how a program is split into equations.  This is how a program is run, not how it is
differentiated: no scale is ever printed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from einstan.calculus.collect import size
from einstan.calculus.compared import own_equation
from einstan.calculus.overflows import Overflows, may_be_zero, share
from einstan.calculus.partial import inlined, where_it_counts
from einstan.calculus.simplify import simplify_product, simplify_reduce, simplify_sum
from einstan.language.dims import axis, unguarded
from einstan.language.index import Affine, Index, fresh_name
from einstan.language.node import Node, fold, holds, preorder
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
    tensors,
)

LOWEST = Const(-(10**30))  # of nothing at all the largest exponent is still a number
SHORT = 12  # what is longer to read gets a name
MOST = 5000  # what is longer than this is not put together at all
LONG = 40  # and so does what others would write out again and again
HALF = Const(Fraction(1, 2))


def measured(
    equations: Sequence[Equation], small: Collection[Name] = (), linear: Collection[Name] = ()
) -> list[Equation]:
    """The same tensors, and scales and rests of some, with no exponential that overflows before it is divided by
    others or its logarithm is taken; ``small`` are sums of exponentials without the largest.  What rests on ``linear``
    tensors is no weight."""
    if not any(applies(equation.rhs, "exponential") for equation in equations):
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
    largest: dict[Expr, Indexed] = field(default_factory=dict)  # those that have names
    weighted: set[Name] = field(default_factory=set)  # the named ones that are minus infinity where a weight is zero
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
        parts = fold(equation.rhs, self.parts)
        if kept and size(parts.scale) + size(parts.rest) <= MOST:
            scale, rest = self.weighed(parts), parts.rest
            for kind, expr, known in (("scale", scale, self.scales), ("rest", rest, self.rests)):
                own = Equation(equation.name, equation.indices, expr)
                counts = kind == "rest" and equation.name in self.asked.small and bool(tensors(expr))
                if (
                    counts
                    or holds(expr, Sum)
                    or holds(expr, Reduce)
                    or (size(expr) > LONG and self.stands_anywhere(expr))
                ):
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
                return _Parts(inlined(node, self.scales[node.tensor]), inlined(node, self.rests[node.tensor]))
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
            case _:
                return _Parts(ZERO, self.rebuilt(node, parts))

    def rebuilt(self, node: Node, parts: Iterable[_Parts]) -> Expr:
        children = tuple(map(self.whole, parts))
        return node.rebuilt(children) if children != node.children else node  # type: ignore[return-value]

    def applied(self, node: Apply, parts: Sequence[_Parts]) -> _Parts:
        scale, rest = parts[0] if parts else (ZERO, node)
        match node:
            case Apply(function="exp"):
                return _Parts(self.whole(parts[0]), ONE)
            case Apply(function="cosh" | "sinh" as function):  # cosh(u) = exp(|u|) (1 + exp(-2 |u|)) / 2
                u = self.whole(parts[0])
                size = Apply("abs", (u,))
                even = simplify_product((HALF, add((ONE, Apply("exp", (simplify_product((Const(-2), size)),))))))
                return _Parts(size, even if function == "cosh" else mul((Apply("tanh", (u,)), even)))
            case Apply(function="pow", arguments=(base, _)) if node.is_exponential:
                exponent = self.whole(parts[1])
                if isinstance(base, Const) and base.value > 0:
                    return _Parts(simplify_product((exponent, Apply("log", (base,)))), ONE)
                sign = power(Apply("sign", (base,)), exponent)
                size = Apply("log", (Apply("abs", (base,)),))
                return _Parts(simplify_product((*where_it_counts(exponent), exponent, size)), sign)
            case _ if scale is ZERO:
                return _Parts(ZERO, self.rebuilt(node, parts))
            case Apply(function="log"):
                return _Parts(ZERO, simplify_sum((self.weighed(parts[0]), Apply("log", (rest,)))))
            case Apply(function="pow"):
                exponent = self.whole(parts[1])
                return _Parts(simplify_product((exponent, scale)), ONE if rest is ONE else power(rest, exponent))
            case Apply(function="sqrt"):
                return _Parts(simplify_product((HALF, scale)), Apply("sqrt", (rest,)))
            case Apply(function="abs"):
                return _Parts(scale, Apply("abs", (rest,)))
            case _:
                return _Parts(ZERO, self.rebuilt(node, parts))

    def added(self, parts: Sequence[_Parts]) -> _Parts:
        """exp(a) x + exp(b) y = exp(c) (exp(a - c) x + exp(b - c) y), where c is the larger of a and b."""
        scales = [self.weighed(part) for part in parts]
        if len(set(scales)) == 1:
            return _Parts(parts[0].scale, simplify_sum(part.rest for part in parts))
        scales = [
            self.weighed(part, beside=True) for part in parts
        ]  # m[c] beside an exponential counts where it is one
        different = list(dict.fromkeys(scales))
        largest = different[0]
        for other in different[1:]:
            largest = Apply("maximum", (largest, other))
        largest = self.finite(largest)
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

    def summed(self, node: Sum | Reduce, part: _Parts) -> _Parts:
        """Terms that do not depend on what is summed over leave the sum; the others are measured from the largest."""
        scale = self.weighed(part)
        terms = scale.terms if isinstance(scale, Add) else (scale,)
        inside = [term for term in terms if not set(node.indices).isdisjoint(term.free)]
        outside = [term for term in terms if term not in inside]
        if not inside:
            return _Parts(part.scale, rebound(node, node.indices, part.rest))
        factors, scales = list(_factors(part.rest)), outside
        for group in _groups(inside, node.indices):
            inner = simplify_sum(group)
            over = tuple(index for index in node.indices if index in inner.free)
            largest = self.finite(simplify_reduce("max", over, inner))
            factors.append(Apply("exp", (_less(inner, largest),)))
            scales.append(largest)
        return _Parts(simplify_sum(scales), rebound(node, node.indices, mul(factors)))

    def finite(self, largest: Expr) -> Expr:
        """The largest exponent, also where nothing counts or an axis has no entries; it has a name where it is long to
        read."""
        if isinstance(largest, Reduce) or self.counts(largest):
            largest = Apply("maximum", (largest, LOWEST))
        if size(largest) <= SHORT or not self.stands_anywhere(largest):
            return largest
        if largest not in self.largest:
            self.largest[largest] = self.named(largest, "largest1")
            self.weighted.discard(self.largest[largest].tensor)
        return self.largest[largest]

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
        rest = (factor for factor in _factors(part.rest) if factor is not ONE)
        return mul((*rest, Apply("exp", (self.weighed(part),))))


def _rests(parts: Iterable[_Parts]) -> list[Expr]:
    return [part.rest for part in parts if part.rest is not ONE]


def _shares(parts: Sequence[_Parts]) -> Sequence[_Parts]:
    """sigmoid(v) = exp(-softplus(-v)) beside exponentials; 1 - sigmoid(v) and divisors too."""
    if all(part.scale is ZERO for part in parts):
        return parts
    scales = (share(part.rest) if part.scale is ZERO else None for part in parts)
    return [part if scale is None else _Parts(scale, ONE) for part, scale in zip(parts, scales, strict=True)]


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
    return simplify_sum((scale, neg(largest)))
