"""Differences that are functions themselves: ``1 - p`` with ``p = sigmoid(u)`` is ``sigmoid(-u)``, to the last digit.

    1 - tanh(u)^2      is  4 e / (1 + e)^2 with e = exp(-2 |u|)        1 - exp(u)  is  -expm1(u)
    p - 3 p^2 + 2 p^3  is  -p sigmoid(-u) tanh(u/2)                    1 - erf(u)  is  erfc(u)

What an arctan and an arcsinh leave as derivatives, ``1 / (1 + u^2)`` and its root, are powers of ``cos(arctan(u))``.
A logarithm is taken of how far its argument is from one, where that is known, and of both where both are:

    log(1 + x)         is  log1p(x)
    log(1 - exp(u))    is  log1p(max(-exp(u), -1/2)) + log(min(-2 expm1(u), 1)), where one of the two is zero

A value near one has no digits left of what it lacks.  A sum that is a polynomial in such a function, by itself or by a
name, is zero where the polynomial is: for each root that is in the table it has a factor that is known.  This is how a
program is run, not how it is printed: people write ``s (1 - s)``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import TypeGuard

from einstan.calculus.coefficients import coefficient_of, is_negative, scaled
from einstan.calculus.collect import size
from einstan.calculus.factors import flattened, powers
from einstan.calculus.partial import inlined, may_be_put_in
from einstan.calculus.simplify import as_power, simplify_apply, simplify_product, simplify_sum
from einstan.calculus.written import as_written
from einstan.language.dims import loose
from einstan.language.index import fresh_name
from einstan.language.node import Node, fold, holds, preorder
from einstan.language.term import (
    MINUS_ONE,
    Add,
    Apply,
    Const,
    Equation,
    Expr,
    Extent,
    Indexed,
    Mul,
    Name,
    add,
    applies,
    mul,
    power,
    reciprocal,
    tensors,
)

Polynomial = list[Fraction]  # coefficients, that of the constant first

ONE, HALF = Fraction(1), Fraction(1, 2)
# root - f(u) as n g(k u)^m, by function and root
COMPLEMENTS: dict[str, dict[Fraction, tuple[Fraction, str, Fraction, int]]] = {
    "sigmoid": {ONE: (ONE, "sigmoid", -ONE, 1), HALF: (-HALF, "tanh", HALF, 1)},
    "tanh": {ONE: (2 * ONE, "sigmoid", -2 * ONE, 1), -ONE: (-2 * ONE, "sigmoid", 2 * ONE, 1)},
    "exp": {ONE: (-ONE, "expm1", ONE, 1)},
    "expm1": {-ONE: (-ONE, "exp", ONE, 1)},
    "erf": {ONE: (ONE, "erfc", ONE, 1)},
    "erfc": {ONE: (ONE, "erf", ONE, 1), 2 * ONE: (ONE, "erfc", -ONE, 1)},
    "cos": {ONE: (2 * ONE, "sin", HALF, 2), -ONE: (-2 * ONE, "cos", HALF, 2)},
}
# what takes twice as long is worth it where the logarithm is taken of what is left
IN_LOGARITHMS = {"erf": {-ONE: (-ONE, "erfc", -ONE, 1)}}
POSITIVE = ("sigmoid", "erfc")
LOGARITHMS = ("log", "log1p")
LOOKED_AT = (*COMPLEMENTS, *LOGARITHMS, "pow")
SHORT = 8  # what is longer to read gets a name
HIGHEST = 8  # degree of a polynomial that is looked at


def complemented(equations: Sequence[Equation]) -> list[Equation]:
    """The same tensors, without differences that have fewer digits than they could have."""
    if not any(applies(equation.rhs, *LOOKED_AT) for equation in equations):
        return list(equations)
    known: dict[Name, Equation] = {}
    made: list[Equation] = []
    apart: dict[Name, tuple[Equation, Equation]] = {}  # a long argument by a name of its own, and what reads that
    taken = {str(name) for e in equations for name in (e.name, *tensors(e.rhs))}
    for equation in equations:
        rhs = _with_factors(equation.rhs, known)
        if rhs is not equation.rhs:
            equation = Equation(equation.name, equation.indices, as_written(rhs), equation.where)
        made.append(equation)
        number, value = coefficient_of(rhs)
        if isinstance(value, Indexed) and may_be_put_in(equation):
            known[equation.name] = equation
        elif _is_known(value) and _may_have_a_name(equation):
            (u,) = value.arguments
            if size(u) > SHORT or u.binds or holds(u, Extent) or not may_be_put_in(equation):
                argument = Equation(fresh_name("u1", taken), equation.indices, u)
                short = Apply(value.function, (argument.lhs,))
                apart[equation.name] = (
                    argument,
                    Equation(equation.name, equation.indices, simplify_product((Const(number), short))),
                )
                taken.add(str(argument.name))
                known[equation.name] = apart[equation.name][1]
            else:
                known[equation.name] = equation
    read = {name for equation in made for name in tensors(equation.rhs)}
    return [
        part
        for equation in made
        for part in (
            apart[equation.name] if equation.name in apart and apart[equation.name][0].name in read else (equation,)
        )
    ]


def _may_have_a_name(equation: Equation) -> bool:
    """Whether the argument of a function is an equation by itself, as long as this one is: ``u = w[0,0]``."""
    return not equation.where and not loose(equation) and set(equation.rhs.free) == set(equation.indices)


def as_product(total: Expr, known: Mapping[Name, Equation]) -> Expr | None:
    """A sum in a logarithm as a product, whose logarithm is taken: ``1 - p^2`` is ``sigmoid(-u) (1 + p)``."""
    return _factored(total, known, in_logarithm=True) if isinstance(total, Add) else None


def _with_factors(expr: Expr, known: Mapping[Name, Equation]) -> Expr:
    if not applies(expr, *LOOKED_AT) and not any(isinstance(n, Indexed) and n.tensor in known for n in preorder(expr)):
        return expr

    def rule(node: Node, children: tuple[Node, ...]) -> Node:
        result = node.over(children)
        if isinstance(node, Apply) and node.function in LOGARITHMS:
            return _logarithm(node, result.children[0], known) or result  # type: ignore[arg-type]
        if isinstance(result, Mul):
            return _tails(result) or result
        return _factored(result, known) or _hyperbolic(result) or result if isinstance(result, Add) else result

    return fold(expr, rule)


def _tails(product: Mul) -> Expr | None:
    """exp(n a) / erfc(u)^n = (exp(a) / erfc(u))^n: both are zero far out, and what they make is not."""
    below = [part for f in product.factors for part in powers(f) if isinstance(part[0], Apply) and part[1] <= -2]
    for erfc, k in below:
        for exponential in filter(_is_exponential, product.factors):
            if erfc.function == "erfc" and k.denominator == 1:
                once = Apply("exp", (simplify_product((Const(-1 / k), exponential.arguments[0])),))
                left = [f for f in product.factors if f not in (exponential, as_power(erfc, k))]
                return mul((*left, power(mul((once, reciprocal(erfc))), Const(-k))))
    return None


def _hyperbolic(total: Add) -> Expr | None:
    """exp(u) - exp(-u) = 2 sinh(u)"""
    if len(total.terms) == 2:
        (number, one), (less, other) = map(coefficient_of, total.terms)
        if number == -less and _is_exponential(one) and _is_exponential(other):
            u = other.arguments[0] if is_negative(one.arguments[0]) else one.arguments[0]
            if {simplify_product((Const(k), u)) for k in (ONE, -ONE)} == {one.arguments[0], other.arguments[0]}:
                sign = number if u is one.arguments[0] else less
                return simplify_product((Const(2 * sign), Apply("sinh", (u,))))
    return None


def _is_exponential(value: Expr) -> TypeGuard[Apply]:
    return isinstance(value, Apply) and value.function == "exp"


def _logarithm(logarithm: Apply, value: Expr, known: Mapping[Name, Equation]) -> Expr | None:
    """A logarithm by how far its argument is from one, where that is known; ``value`` is the argument as a product."""
    (own,) = logarithm.arguments
    if not tensors(own):
        return None
    near: Expr | None
    wide = None if isinstance(coefficient_of(value)[1], Add) else value
    if logarithm.function == "log1p":
        near, whole = value, simplify_sum((Const(1), own))
        wide = _factored(whole, known) if isinstance(whole, Add) else None
    elif isinstance(own, Add) and Const(1) in own.terms:
        near = _with_factors(simplify_sum(term for term in own.terms if term != Const(1)), known)
    else:
        less = simplify_sum((own, MINUS_ONE))
        near = _factored(less, known) if isinstance(less, Add) else None
    if near is None or wide is None:
        return None if near is None else Apply("log1p", (near,))
    near = Apply("maximum", (near, Const(-HALF)))
    wide = Apply("minimum", (simplify_product((Const(2), wide)), Const(1)))
    return add((Apply("log1p", (near,)), Apply("log", (wide,))))


def _factored(total: Add, known: Mapping[Name, Equation], in_logarithm: bool = False) -> Expr | None:
    """A polynomial in a function of the table times whatever all its terms share, as its factors."""
    parts = [flattened((term,)) for term in total.terms]
    if any(summed for _, _, summed in parts):
        return None
    if len({_in_no_table(factors, known) for _, factors, _ in parts}) > 1:
        return None
    for atom in dict.fromkeys(_atoms(parts[-1][1], known) if parts[-1][1] else _atoms(parts[0][1], known)):
        polynomial: Polynomial = []
        shared: set[frozenset[Expr]] = set()
        for number, factors, _ in parts:
            own, rest = _in_powers_of(atom, number, factors, known)
            polynomial = _added(polynomial, own)
            shared.add(rest)
        if len(shared) == 1 and len(polynomial) <= HIGHEST + 1:
            found = _roots_taken(atom, polynomial, in_logarithm)
            if found is not None:
                return simplify_product((*shared.pop(), *found))
    return None


def _in_no_table(factors: Sequence[Expr], known: Mapping[Name, Equation]) -> frozenset[tuple[Expr, Fraction]]:
    """The bases of a product that are no function of the table, which a polynomial in one has in all its terms."""
    bases = (part for factor in factors for part in _powers(factor))
    return frozenset((base, k) for base, k in bases if not _may_be_known(coefficient_of(base)[1], known))


def _atoms(factors: Sequence[Expr], known: Mapping[Name, Equation]) -> Iterator[Apply]:
    """The functions of the table among the bases of a product, one sign for the argument of a sigmoid."""
    for factor in factors:
        for base, k in _powers(factor):
            if k.denominator == 1 and k > 0:
                value = coefficient_of(_put_in(base, known))[1]
                if _is_known(value):
                    yield _turned(value) if _is_opposite(value) else value


def _in_powers_of(
    atom: Apply, number: Fraction, factors: Sequence[Expr], known: Mapping[Name, Equation]
) -> tuple[Polynomial, frozenset[Expr]]:
    """A product as a polynomial in a function, and the rest."""
    polynomial, rest = [number], list[Expr]()
    opposite = _turned(atom) if atom.function == "sigmoid" else None
    for factor in factors:
        for base, k in _powers(factor):
            n, value = coefficient_of(_put_in(base, known))
            if k.denominator == 1 and 0 < k <= HIGHEST and value in (atom, opposite):
                own = [Fraction(0), n] if value is atom else [n, -n]
                for _ in range(k.numerator):
                    polynomial = _times(polynomial, own)
            else:
                rest.append(as_power(base, k))
    return polynomial, frozenset(rest)


def _roots_taken(atom: Apply, polynomial: Polynomial, in_logarithm: bool) -> list[Expr] | None:
    """A polynomial as a product of what is known at its roots, and of what is left; None where none is in the table."""
    factors: list[Expr] = []
    roots: list[Fraction] = []
    table = COMPLEMENTS[atom.function] | (IN_LOGARITHMS.get(atom.function, {}) if in_logarithm else {})
    if in_logarithm:
        table = {root: row for root, row in table.items() if row[1] in POSITIVE}
    for root in (Fraction(0), *table):
        while len(polynomial) > 1 and not _value(polynomial, root):
            polynomial = [-c for c in _divided(polynomial, root)] if root else polynomial[1:]
            roots.append(root)
    if len(polynomial) > 1 and not any(roots):
        return None
    if atom.function in LESS_SQUARES and not in_logarithm:
        for _ in range(min(roots.count(ONE), roots.count(-ONE))):  # 1 - tanh(u)^2, where two factors are one
            roots.remove(ONE)
            roots.remove(-ONE)
            polynomial = [-c for c in polynomial]  # (1 - t) (-1 - t) = -(1 - t^2)
            factors += LESS_SQUARES[atom.function](atom.arguments[0])
    for root in roots:
        if root:
            n, function, k, m = table[root]
            inner = simplify_product((Const(k), atom.arguments[0]))
            factors += (Const(n), as_power(simplify_apply(function, (inner,)), Fraction(m)))
        else:
            factors.append(atom)
    terms = [simplify_product((Const(c), as_power(atom, Fraction(k)))) if k else Const(c)
             for k, c in enumerate(polynomial) if c]  # fmt: skip
    return [*factors, add(terms)]


def _of_tanh(u: Expr) -> tuple[Expr, ...]:
    """1 - tanh(u)^2 = 4 e / (1 + e)^2, with e = exp(-2 |u|)"""
    e = Apply("exp", (simplify_product((Const(-2), Apply("abs", (u,)))),))
    return Const(4), e, as_power(add((Const(1), e)), Fraction(-2))


def _of_cosine(u: Expr) -> tuple[Expr, ...]:
    """1 - cos(u)^2 = sin(u)^2"""
    return (as_power(Apply("sin", (u,)), Fraction(2)),)


LESS_SQUARES = {"tanh": _of_tanh, "cos": _of_cosine}


# ---- pieces ----------------------------------------------------------------------------------------------------------


def _powers(factor: Expr) -> Iterator[tuple[Expr, Fraction]]:
    """The bases of a factor with their exponents, where ``1 / (1 + u^2)`` is ``cos(arctan(u))^2``."""
    for base, k in powers(factor):
        if isinstance(base, Apply) and base.function == "pow" and isinstance(base.arguments[0], Const):
            number, exponent = base.arguments
            if number.value > 0:  # 2^u is exp(log(2) u)
                base = Apply("exp", (simplify_product((Apply("log", (number,)), exponent)),))
        u = _beside_one(base) if k < 0 and (2 * k).denominator == 1 else None
        yield (base, k) if u is None else (Apply("cos", (Apply("arctan", (u,)),)), -2 * k)


def _beside_one(base: Expr) -> Expr | None:
    """u, where a sum is ``1 + u^2``."""
    if not (isinstance(base, Add) and len(base.terms) == 2 and Const(1) in base.terms):
        return None
    number, factors, summed = flattened((next(term for term in base.terms if term != Const(1)),))
    parts = [part for factor in factors for part in powers(factor)]
    if number <= 0 or summed or not parts or not all(k.denominator == 1 and k.numerator % 2 == 0 for _, k in parts):
        return None
    return simplify_product((simplify_apply("sqrt", (Const(number),)), *(as_power(own, k / 2) for own, k in parts)))


def _is_known(value: Expr) -> TypeGuard[Apply]:
    return isinstance(value, Apply) and value.function in COMPLEMENTS


def _may_be_known(value: Expr, known: Mapping[Name, Equation]) -> bool:
    return value.tensor in known if isinstance(value, Indexed) else _is_known(value)


def _is_opposite(value: Apply) -> bool:
    return value.function == "sigmoid" and is_negative(value.arguments[0])


def _turned(share: Apply) -> Apply:
    return Apply("sigmoid", (simplify_product((MINUS_ONE, share.arguments[0])),))


def _put_in(base: Expr, known: Mapping[Name, Equation]) -> Expr:
    """What a name stands for, where that is a function of the table or another name."""
    number, value = coefficient_of(base)
    while isinstance(value, Indexed) and value.tensor in known:
        times, value = coefficient_of(inlined(value, known[value.tensor]))
        number *= times
    return scaled(number, value) if _is_known(value) else base


def _added(one: Polynomial, other: Polynomial) -> Polynomial:
    longer = max(len(one), len(other))
    total = [sum((p[k] for p in (one, other) if k < len(p)), Fraction(0)) for k in range(longer)]
    while len(total) > 1 and not total[-1]:
        total.pop()
    return total


def _times(one: Polynomial, other: Polynomial) -> Polynomial:
    product = [Fraction(0)] * (len(one) + len(other) - 1)
    for i, a in enumerate(one):
        for j, b in enumerate(other):
            product[i + j] += a * b
    return product


def _value(polynomial: Polynomial, at: Fraction) -> Fraction:
    total = Fraction(0)
    for c in reversed(polynomial):
        total = total * at + c
    return total


def _divided(polynomial: Polynomial, root: Fraction) -> Polynomial:
    """By ``x - root``, which divides it."""
    quotient: Polynomial = []
    carry = Fraction(0)
    for c in reversed(polynomial[1:]):
        carry = carry * root + c
        quotient.append(carry)
    return quotient[::-1]
