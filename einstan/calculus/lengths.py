"""Powers of lengths that divide: ``x[k] x[l] / r^3`` with ``r = sqrt(x[K]^2)`` is ``u[k] u[l] / r`` with ``u = x / r``.

A part of a length is at most as long as the whole, so that u is no larger than one, and neither overflows nor vanishes
where the cube of the length does.  This is how a program is run, and not how it is printed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple, cast

from einstan.calculus.alpha import pattern
from einstan.calculus.coefficients import ONCE, coefficient_of, neg_simplified
from einstan.calculus.factors import flattened, powers
from einstan.calculus.partial import inlined, may_be_put_in
from einstan.calculus.simplify import as_power, simplify_product, simplify_sum
from einstan.language.index import Index, fresh_name, lowered, slot
from einstan.language.node import Node, fold, preorder
from einstan.language.term import (
    Add,
    Apply,
    Const,
    Equation,
    Expr,
    Indexed,
    Mul,
    Name,
    Sum,
    applies,
    kept,
    substitute,
    tensors,
)

HALF = Fraction(1, 2)
MANY = 2  # lengths that divide at once: of two, each is taken apart where there is a part of it for each


class _Part(NamedTuple):
    """What is squared in a sum of squares, and over which indices it is summed."""

    value: Expr
    over: tuple[Index, ...]


def over_lengths(equations: Sequence[Equation]) -> list[Equation]:
    """The same tensors, with parts of lengths over these, by names, where their powers divide."""
    if not any(applies(equation.rhs, "pow", "sqrt") for equation in equations):
        return list(equations)
    lengths = _Lengths({str(name) for e in equations for name in (e.name, *tensors(e.rhs))})
    return [each for equation in equations for each in lengths.equations(equation)]


class _Lengths:
    def __init__(self, taken: set[str]) -> None:
        self.taken = taken
        self.squares: dict[Name, Equation] = {}  # names of sums of squares, or of roots of such
        self.found: dict[Node, Name] = {}
        self.made: list[Equation] = []

    def equations(self, equation: Equation) -> list[Equation]:
        rhs = equation.rhs
        if applies(rhs, "pow"):
            rhs = fold(rhs, self.rule, known=kept)
        if may_be_put_in(equation) and any(_squares(base) for base, _ in powers(coefficient_of(rhs)[1])):
            self.squares[equation.name] = equation
        made, self.made = self.made, []
        if rhs is not equation.rhs:
            equation = Equation(equation.name, equation.indices, rhs, equation.where)
        return [*made, equation]

    def rule(self, node: Node, children: tuple[Node, ...]) -> Node:
        result = node.rebuilt(children) if children != node.children else node
        return self.shared(result) or result if isinstance(result, Mul | Sum) else result

    def shared(self, product: Expr) -> Expr | None:
        """A product in which lengths divide the parts of them."""
        number, flat, summed = flattened((product,))
        bases = [part for factor in flat for part in powers(factor)]
        counts: dict[Expr, Fraction] = {}  # of sums of squares, by how many of their roots is divided
        own: dict[Expr, list[tuple[Expr, Fraction]]] = {}  # and by which factors
        numbers: dict[Expr, Fraction] = {}
        for base, k in bases:
            times, square, power = self.length(base)
            if square is not None and power * k < 0 and (k.denominator == 1 or times == 1):
                counts[square] = counts.get(square, Fraction(0)) - 2 * power * k
                own.setdefault(square, []).append((base, k))
                numbers[square] = (
                    numbers.get(square, ONCE) * times ** int(k) if times != 1 else numbers.get(square, ONCE)
                )
        for square, count in counts.items():
            if count < MANY or count.denominator != 1:
                continue
            left, units = list[Expr](), list[Expr]()
            for base, k in (part for part in bases if part not in own[square]):
                unit = self.unit(base, square) if k > 0 and k.denominator == 1 else None
                most = min(int(k), int(count) - len(units)) if unit is not None else 0
                units += [cast(Expr, unit)] * most
                if k == 1 and isinstance(base, Add) and len(units) + 1 < count and (over := self.terms(base, square)):
                    units, k = [*units, over], k - 1
                left += [as_power(base, k - most)] if k != most else []
            if units and (count > MANY or len(units) == MANY):
                lengths = as_power(square, -HALF * (count - len(units)))
                return simplify_product((Const(number * numbers[square]), *left, *units, lengths), summed)
        return None

    def terms(self, total: Add, square: Expr) -> Expr | None:
        """A sum over a length, if each of its terms has a part of that."""
        made: list[Expr] = []
        for term in total.terms:
            number, flat, summed = flattened((term,))
            at = next((k for k, factor in enumerate(flat) if self.unit(factor, square) is not None), None)
            if at is None:
                return None
            unit = cast(Expr, self.unit(flat[at], square))
            made.append(simplify_product((Const(number), *flat[:at], unit, *flat[at + 1 :]), summed))
        return simplify_sum(made)

    def length(self, base: Expr) -> tuple[Fraction, Expr | None, Fraction]:
        """The sum of squares of which something is a multiple of a power, by whatever name; how much of which."""
        number, rest = coefficient_of(base)
        while isinstance(rest, Indexed) and rest.tensor in self.squares:
            times, rest = coefficient_of(inlined(rest, self.squares[rest.tensor]))
            number *= times
        (root, k), *others = powers(rest)
        return (number, root, k) if not others and _squares(root) else (ONCE, None, k)

    def unit(self, value: Expr, square: Expr) -> Expr | None:
        """A part of a length over it, by its name."""
        if not any(_is_part(value, part) for part in _squares(square)) or not _is_plain(value, square):
            return None
        whole = simplify_product((value, as_power(square, -HALF)))
        key, letters = pattern(whole)
        if key not in self.found:
            name = self.found[key] = fresh_name("unit1", self.taken)
            self.taken.add(name)
            own: dict[Index, Index] = {}
            for index in letters:
                used = {other.name for other in own.values()}
                own[index] = Index(fresh_name(lowered(index.name), used), index.dim)
            self.made.append(Equation(name, tuple(own.values()), substitute(whole, dict(own))))
        return Indexed(self.found[key], tuple(map(slot, letters)))


def _squares(total: Expr) -> list[_Part]:
    """The parts of a sum of squares; none where something else is added."""
    found: list[_Part] = []
    for term in total.terms if isinstance(total, Add) else (total,):
        body, over = (term.body, term.indices) if isinstance(term, Sum) else (term, ())
        if not (isinstance(body, Apply) and body.function == "pow" and body.arguments[1] == Const(2)):
            return []
        found.append(_Part(body.arguments[0], over))
    return found if isinstance(total, Add | Sum) else []


def _is_part(value: Expr, part: _Part) -> bool:
    """Whether a value is what is squared at some place, or its opposite."""
    for letters in _choices(part.over, value.free):
        there = substitute(part.value, letters)
        if there is value:
            return True
        if isinstance(there, Add) and isinstance(value, Add):
            terms, wanted = set(there.terms), set(value.terms)
            if wanted in (terms, set(map(neg_simplified, terms))):
                return True
    return False


def _choices(over: Sequence[Index], free: Sequence[Index]) -> Iterator[Mapping[Index, Index]]:
    """The ways to read what is summed at free indices."""
    if not over:
        yield {}
        return
    for index in free:
        if index.dim == over[0].dim:
            for more in _choices(over[1:], free):
                yield {over[0]: index, **more}


def _is_plain(*values: Expr) -> bool:
    """Whether all of this is read wherever it stands, without the brackets around it."""
    reads = (node for node in preorder(*values) if isinstance(node, Indexed))
    return all(form.index is not None for read in reads for form in read.slots)
