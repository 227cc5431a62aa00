"""Portions: exponentials over their sum, however they are spelled, each as one tensor.

    exp(z[k] - logsumexp[K](z[K]))                                          softmax
    w[k] exp(u[k]) / sum[K](w[K] exp(u[K])),  r[n,k] / p[n]                  weighted, or by names
    exp(z[k] - softplus(logsumexp[K](z[K])))                                beside a class whose logit is 0

In a product they stand apart, their divisor squared and their exponents merged: ``w[k] w[l] exp(u[k] + u[l]) / s^2`` is
a product of two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple, TypeGuard, cast

from einstan.calculus.alpha import alpha, pattern
from einstan.calculus.coefficients import ONCE, coefficient_of, neg_simplified, scaled
from einstan.calculus.factors import flattened, powers
from einstan.calculus.partial import inlined, may_be_put_in
from einstan.calculus.simplify import as_power, simplify, simplify_product, simplify_sum
from einstan.language.index import Affine, Index, fresh_name, lowered, slot
from einstan.language.node import Node, preorder, replace
from einstan.language.term import (
    ONE,
    ZERO,
    Add,
    Apply,
    Const,
    Equation,
    Expr,
    Indexed,
    Iverson,
    Name,
    Reduce,
    Sum,
    applies,
    mul,
    neg,
    substitute,
    tensors,
)


class Portion(NamedTuple):
    """A tensor whose entries along one axis are portions of a whole."""

    name: Name
    order: tuple[int, ...]  # of each axis, its place among the letters of the whole, then that of the portion
    letters: tuple[Index, ...]  # of the whole
    over: Index
    beside: Expr  # the portion of what has no such index, in these letters: zero where there is none
    guards: tuple[Expr, ...]  # brackets without which it is zero
    positive: bool

    def at(self, letters: Sequence[Index], index: Index | Affine) -> Indexed:
        own = [*map(slot, letters), index if isinstance(index, Affine) else slot(index)]
        return Indexed(self.name, tuple(own[place] for place in self.order))

    def there(self, letters: Sequence[Index]) -> Expr:
        """The portion of what has no such index."""
        return _at(self.beside, dict(zip(self.letters, letters, strict=True)))

    def forms(self, access: Indexed) -> list[Affine]:
        """The slots with which it is read: those of the letters of the whole, then that of the portion."""
        found = dict(zip(self.order, access.slots, strict=True))
        return [found[place] for place in range(len(self.order))]

    def read(self, access: Indexed) -> tuple[list[Index], Index] | None:
        """The same as indices; None where one of them is no plain one."""
        *letters, index = (form.index for form in self.forms(access))
        return None if index is None or None in letters else (cast(list[Index], letters), index)

    def implied(self, access: Indexed) -> list[Expr]:
        """The brackets that hold wherever a portion is not zero."""
        here = dict(zip((*self.letters, self.over), self.forms(access), strict=True))
        return [substitute(guard, here) for guard in self.guards]


class _Whole(NamedTuple):
    """What is divided by: the exponents and the factors of its terms, summed over one index, and what is added."""

    over: Index
    parts: _Parts
    beside: Expr

    def letters(self) -> list[Index]:
        """Its free indices, in an order that is the same whatever they are called."""
        marked = mul((self.body(), Indexed("over", (slot(self.over),))))
        return [index for index in pattern(Add((marked, self.beside)))[1] if index is not self.over]

    def body(self) -> Expr:
        return self.parts.product()

    def total(self) -> Expr:
        return simplify_sum((self.beside, simplify_product((self.body(),), (self.over,))))


@dataclass
class _Parts:
    """A product as exponents, which are added, and other factors, which are multiplied."""

    exponents: dict[Expr, Fraction] = field(default_factory=dict)
    factors: dict[Expr, Fraction] = field(default_factory=dict)
    spelled: dict[Expr, Expr] = field(default_factory=dict)  # what is compared has one spelling, and keeps its own

    def product(self) -> Expr:
        exponent = simplify_sum(scaled(k, self.spelled.get(term, term)) for term, k in self.exponents.items() if k)
        rest = [as_power(self.spelled.get(base, base), k) for base, k in self.factors.items() if k]
        return simplify_product((*rest, *((Apply("exp", (exponent,)),) if exponent is not ZERO else ())))

    def at(self, letters: Mapping[Index, Index | Affine]) -> _Parts:
        made = _Parts()
        for term, k in self.exponents.items():
            made.add_exponent(_at(self.spelled.get(term, term), letters), k)
        for base, k in self.factors.items():
            made.add_factor(_at(self.spelled.get(base, base), letters), k)
        return made

    def add_factor(self, base: Expr, exponent: Fraction) -> None:
        key = alpha(base)
        self.spelled.setdefault(key, base)
        self.factors[key] = self.factors.get(key, Fraction(0)) + exponent

    def add_exponent(self, term: Expr, times: Fraction) -> None:
        """A term of an exponent, ``softplus(-l)`` as ``softplus(l) - l``."""
        number, rest = coefficient_of(term)
        sign, inner = coefficient_of(rest.arguments[0]) if _is_softplus(rest) else (ONCE, ZERO)
        pairs = ((Apply("softplus", (inner,)), ONCE), (inner, -ONCE)) if sign == -1 else ((rest, ONCE),)
        for part, k in pairs:
            key = alpha(part)
            self.spelled.setdefault(key, part)
            self.exponents[key] = self.exponents.get(key, Fraction(0)) + k * number * times

    def copy(self) -> _Parts:
        return _Parts(dict(self.exponents), dict(self.factors), self.spelled)

    def holds(self, other: _Parts) -> bool:
        pairs = ((self.exponents, other.exponents), (self.factors, other.factors))
        return all(_reaches(have.get(part), k) for have, wanted in pairs for part, k in wanted.items())

    def take(self, other: _Parts, sign: int = -1) -> None:
        for have, taken in ((self.exponents, other.exponents), (self.factors, other.factors)):
            for part, k in taken.items():
                have[part] = have.get(part, Fraction(0)) + sign * k

    def left(self) -> list[Expr]:
        return [part for parts in (self.exponents, self.factors) for part, k in parts.items() if k]


@dataclass
class Portions:
    """The portions that are met, with a name for each."""

    scaled: Callable[[Name], Equation | None]  # the definitions that are exponentials, or products and sums of such
    taken: set[str]
    found: dict[Node, Portion] = field(default_factory=dict)
    named: dict[Name, Portion] = field(default_factory=dict)
    logarithms: dict[Name, Equation] = field(default_factory=dict)
    settled: set[Name] = field(default_factory=set)  # whose equations are others by now
    made: list[Equation] = field(default_factory=list)
    wholes: dict[tuple[Expr, bool], _Whole | None] = field(default_factory=dict)

    def learn(self, equation: Equation) -> None:
        """The name of an equation that defines portions, or the logarithm of a whole, is known from now on."""
        if _is_logarithm(equation.rhs) and may_be_put_in(equation):
            self.logarithms[equation.name] = equation
        if equation.where or not applies(equation.rhs, "exp", "pow"):
            return
        number, flat, summed = flattened((self.put_in(equation.rhs),))
        left, whole, index = next(self._portions(_parts(flat)), (None, None, None))
        if left is None or whole is None or not isinstance(index, Index) or number != 1 or summed:
            return
        own = [*whole.letters(), index]
        guards = {_at(term, {whole.over: index}) for term in whole.parts.exponents}
        masks = [part for part in left.left() if Apply("log", (part,)) in guards]
        if left.left() == masks and len(own) == len(equation.indices) and set(own) == set(equation.indices):
            key, portion = self._described(whole, equation.name)
            if key not in self.found:
                portion = portion._replace(order=tuple(map(own.index, equation.indices)))
                self.found[key] = self.named[equation.name] = portion

    def put_in(self, expr: Expr) -> Expr:
        """An expression with the exponentials that it names written out, but for portions."""
        found = {
            node: inlined(node, definition)
            for node in preorder(expr)
            if isinstance(node, Indexed) and node.tensor not in self.named and node.tensor not in self.settled
            if (definition := self.logarithms.get(node.tensor) or self.scaled(node.tensor)) is not None
        }
        return simplify(replace(expr, found)) if found else expr

    def apart(self, product: Expr) -> Expr:
        """A product with its portions by their names."""
        if not applies(product, "exp", "sigmoid") and not (applies(product, "pow") and self._divides(product)):
            return product
        number, flat, summed = flattened((product,))
        accesses: list[Expr] = []
        left = _parts(flat)
        for parts, whole, index in self._portions(left):
            left = parts
            accesses.append(self._named(whole).at(whole.letters(), index))
        return simplify_product((Const(number), left.product(), *accesses), summed) if accesses else product

    def divided(self, total: Add) -> Expr:
        """A sum of which every term is divided by a whole, as a product with that; an index of it that the terms sum
        over is one for all of them then."""
        if not all(applies(term, "exp", "pow") for term in total.terms):
            return total
        terms = [flattened((term,)) for term in total.terms]
        parts = [_parts(flat) for _, flat, _ in terms]
        bound = {index for _, _, summed in terms for index in summed}
        shared = [index for index in terms[0][2] if all(index in summed for _, _, summed in terms)]
        common = _Parts(spelled=parts[0].spelled)
        for place in ("exponents", "factors"):
            first, *others = (getattr(part, place) for part in parts)
            for base, k in first.items():
                if k < 0 and all(other.get(base, 0) < 0 for other in others):
                    least = max(k, *(other[base] for other in others))
                    divisor = parts[0].spelled.get(base, base)
                    inside = not bound.intersection(divisor.free) <= set(shared)
                    if least.denominator == 1 and not inside and self._whole(divisor, place == "exponents") is not None:
                        getattr(common, place)[base] = least
        if not common.left():
            return total
        for part in parts:
            part.take(common)
        whole = common.product()
        outer = [index for index in shared if index in whole.free]
        made = (
            simplify_product((Const(number), part.product()), [index for index in summed if index not in outer])
            for (number, _, summed), part in zip(terms, parts, strict=True)
        )
        return simplify_product((simplify_sum(made), whole), outer)

    def _divides(self, product: Expr) -> bool:
        """Whether a product reads what exponentials are behind."""
        return any(self.scaled(name) is not None for name in tensors(product) if name not in self.named)

    def _portions(self, parts: _Parts) -> Iterator[tuple[_Parts, _Whole, Index | Affine]]:
        """The portions in a product, one after the other, and what is left of it without them."""
        for total, is_logarithm in _totals(parts):
            whole = self._whole(parts.spelled.get(total, total), is_logarithm)
            if whole is None or not all(map(_is_plain, preorder(total))):
                continue
            once = _Parts({total: -ONCE}, {}) if is_logarithm else _Parts({}, {total: -ONCE})
            for index in _places(parts.left(), whole.over):
                portion = whole.parts.at({whole.over: index})
                portion.take(once, 1)
                while parts.holds(portion):
                    parts = parts.copy()
                    parts.take(portion)
                    yield parts, whole, index

    def _whole(self, total: Expr, is_logarithm: bool) -> _Whole | None:
        """What is divided by, if it is a sum of exponentials over one index, and perhaps something beside it."""
        key = total, is_logarithm
        if key not in self.wholes:
            self.wholes[key] = _of_logarithm(total) if is_logarithm else _of_sum(self.put_in(total))
        return self.wholes[key]

    def _described(self, whole: _Whole, name: Name) -> tuple[Node, Portion]:
        """What tells portions from others, and how these are read."""
        letters = whole.letters()
        old = (*letters, whole.over)
        plain = {index: Index(f"x{k}", index.dim) for k, index in enumerate(old)}
        own = dict(zip(old, small(old), strict=True))
        guards = [log.arguments[0] for log in whole.parts.exponents if _is_mask(log)]
        portion = Portion(
            name,
            tuple(range(len(old))),
            tuple(own[letter] for letter in letters),
            own[whole.over],
            _at(simplify_product((whole.beside, as_power(whole.total(), -ONCE))), own),
            tuple(_at(guard, own) for guard in guards),
            _is_positive(whole),
        )
        return Add((alpha(_at(whole.body(), plain)), _at(whole.beside, plain))), portion

    def _named(self, whole: _Whole) -> Portion:
        """The portion of a whole, which gets a name where it has none."""
        key, portion = self._described(whole, fresh_name("share1", self.taken))
        if key not in self.found:
            self.found[key] = self.named[portion.name] = portion
            self.taken.add(str(portion.name))
            old = (*whole.letters(), whole.over)
            own = small(old)
            body = _at(whole.body(), dict(zip(old, own, strict=True)))
            total = _at(whole.total(), dict(zip(old, own, strict=True)))
            self.made.append(Equation(portion.name, own, simplify_product((body, as_power(total, -ONCE)))))
        return self.found[key]


def _parts(flat: Sequence[Expr]) -> _Parts:
    """The exponents of a product, term by term, and its other factors."""
    parts = _Parts()
    for factor in flat:
        for base, k in powers(factor):
            if isinstance(base, Apply) and base.function == "exp":
                (u,) = base.arguments
                for term in u.terms if isinstance(u, Add) else (u,):
                    parts.add_exponent(term, k)
            elif (
                isinstance(base, Apply)
                and base.function == "sigmoid"
                and _is_logarithm(coefficient_of(base.arguments[0])[1])
            ):
                parts.add_exponent(neg(Apply("softplus", (neg_simplified(base.arguments[0]),))), k)
            else:
                parts.add_factor(base, k)
    return parts


def _totals(parts: _Parts) -> Iterator[tuple[Expr, bool]]:
    """What a product is divided by, and whether that is the logarithm of it."""
    for term, k in list(parts.exponents.items()):
        if k < 0 and (_is_logarithm(term) or _is_softplus(term)):
            yield term, True
    for base, k in list(parts.factors.items()):
        if k < 0 and isinstance(base, Sum | Add | Indexed):
            yield base, False


def _is_logarithm(term: Expr) -> bool:
    return isinstance(term, Reduce) and term.operation == "logsumexp" and len(term.indices) == 1


def _is_softplus(term: Expr) -> TypeGuard[Apply]:
    """softplus(logsumexp[K](u)), or of minus that."""
    return (
        isinstance(term, Apply) and term.function == "softplus" and _is_logarithm(coefficient_of(term.arguments[0])[1])
    )


def _of_logarithm(term: Expr) -> _Whole | None:
    beside: Expr = ZERO
    if isinstance(term, Apply):
        term, beside = term.arguments[0], ONE
    if not isinstance(term, Reduce) or len(term.indices) != 1:
        return None
    return _Whole(term.indices[0], _parts((Apply("exp", (term.body,)),)), beside)


def _of_sum(total: Expr) -> _Whole | None:
    terms = total.terms if isinstance(total, Add) else (total,)
    for term in terms:
        beside = simplify_sum(t for t in terms if t is not term)
        if isinstance(term, Sum) and len(term.indices) == 1:
            number, flat, _ = flattened((term.body,))
            parts = _parts(flat)
            if number == 1 and parts.exponents:
                return _Whole(term.indices[0], parts, beside)
        if isinstance(term, Apply) and term.function == "exp" and _is_logarithm(term.arguments[0]):
            whole = _of_logarithm(term.arguments[0])
            return whole and whole._replace(beside=beside)
    return None


def _reaches(have: Fraction | None, wanted: Fraction) -> bool:
    """Whether a power can be taken out of another one."""
    return have is not None and have * wanted > 0 and abs(have) >= abs(wanted)


def _is_positive(whole: _Whole) -> bool:
    """Whether no term can be negative."""
    plain = whole.beside is ZERO or (isinstance(whole.beside, Const) and whole.beside.value > 0)
    return plain and all(_is_square(base, k) for base, k in whole.parts.factors.items())


def _is_square(base: Expr, exponent: Fraction) -> bool:
    even = exponent.denominator == 1 and not exponent.numerator % 2
    return even or isinstance(base, Iverson) or (isinstance(base, Apply) and base.function in ("sigmoid", "softplus"))


def small(indices: Iterable[Index]) -> tuple[Index, ...]:
    """Letters for a left side."""
    taken: set[str] = set()
    found = []
    for index in indices:
        letter = lowered(index.name) if index.name[0].isalpha() else "k"
        found.append(Index(fresh_name(letter, taken), index.dim))
        taken.add(found[-1].name)
    return tuple(found)


def _is_mask(term: Expr) -> TypeGuard[Apply]:
    return isinstance(term, Apply) and term.function == "log" and isinstance(term.arguments[0], Iverson)


def _is_plain(node: Node) -> bool:
    return not isinstance(node, Indexed) or all(form.index is not None for form in node.slots)


def _places(parts: Sequence[Expr], over: Index) -> list[Index | Affine]:
    """Where what a portion is made of may be read: at an index, at one entry, or where labels say, ``S[n,T[n]]``."""
    indices = dict.fromkeys(i for part in parts for i in part.free if i.dim == over.dim)
    reads = (node for node in preorder(*parts) if isinstance(node, Indexed))
    return [*indices, *dict.fromkeys(form for node in reads for form in node.slots if form.index is None)]


def _at(expr: Expr, letters: Mapping[Index, Index | Affine]) -> Expr:
    return substitute(expr, dict(letters))
