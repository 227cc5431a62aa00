"""The identities of the elementwise functions: ``exp(log(x)) = x``, ``log(exp(u) a) = u + log(a)``, ``f(-u) = -f(u)``.

Each rule gets simplified arguments and returns the simpler value, or None where it has nothing to say.  `simplify` asks
for them by the name of the function.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import isqrt

from einstan.calculus.alpha import alpha
from einstan.calculus.coefficients import coefficient_of, is_negative, neg_simplified
from einstan.calculus.factors import powers
from einstan.calculus.simplify import RULES, as_power, simplify_apply, simplify_product, simplify_sum
from einstan.language.term import (
    MINUS_ONE,
    ONE,
    ZERO,
    Add,
    Apply,
    Const,
    Delta,
    Expr,
    Iverson,
    Mul,
    Sum,
    rational_power,
)  # fmt: skip


def _exp(u: Expr) -> Expr | None:
    if u is ZERO:
        return ONE  # exp(0) = 1
    if isinstance(u, Apply) and u.function == "log":
        return u.arguments[0]  # exp(log(x)) = x
    if isinstance(u, Apply) and u.function == "log1p":
        return simplify_sum((ONE, *u.arguments))  # exp(log1p(x)) = 1 + x
    number, rest = coefficient_of(u)
    if number == -1 and isinstance(rest, Apply) and rest.function == "softplus":
        # exp(-softplus(u)) = sigmoid(-u), and not 1 - sigmoid(u), which has no digits left where u is large
        return simplify_apply("sigmoid", (simplify_product((MINUS_ONE, rest.arguments[0])),))
    if isinstance(u, Add) and len(u.terms) == 2:
        for term, other in (u.terms, u.terms[::-1]):
            number, rest = coefficient_of(other)
            if (
                number == -1
                and isinstance(rest, Apply)
                and rest.function == "softplus"
                and alpha(rest.arguments[0]) is alpha(term)
            ):
                return simplify_apply("sigmoid", (term,))  # exp(u - softplus(u)) = sigmoid(u)
    return None


def _log(u: Expr) -> Expr | None:
    if u is ONE:
        return ZERO  # log(1) = 0
    if isinstance(u, Apply) and u.function == "exp":
        return u.arguments[0]  # log(exp(u)) = u
    if isinstance(u, Apply) and u.function == "sigmoid":
        # log(sigmoid(u)) = -softplus(-u)
        return neg_simplified(simplify_apply("softplus", (simplify_product((MINUS_ONE, u.arguments[0])),)))
    if isinstance(u, Add) and len(u.terms) == 2 and ONE in u.terms:
        other = u.terms[1] if u.terms[0] is ONE else u.terms[0]
        if isinstance(other, Apply) and other.function == "exp":
            return simplify_apply("softplus", other.arguments)  # log(1 + exp(u)) = softplus(u)
        number, rest = coefficient_of(other)
        if number == -1 and isinstance(rest, Apply) and rest.function == "sigmoid":
            return neg_simplified(simplify_apply("softplus", rest.arguments))  # log(1 - sigmoid(u)) = -softplus(u)
    if isinstance(u, Mul):
        bases = [part for factor in u.factors for part in powers(factor)]
        known = [(b, k) for b, k in bases if _has_logarithm(b)]
        if known:
            # log(exp(u) a) = u + log(a), log(sigmoid(u) a) = log(sigmoid(u)) + log(a)
            rest = simplify_product(as_power(b, k) for b, k in bases if (b, k) not in known)
            moved = [simplify_product((Const(k), simplify_apply("log", (b,)))) for b, k in known]
            return simplify_sum((*moved, simplify_apply("log", (rest,))))
    return None


def _has_logarithm(u: Expr) -> bool:
    """exp(u), sigmoid(u) and 1 - sigmoid(u): what is positive, with a logarithm that is taken."""
    if isinstance(u, Add) and len(u.terms) == 2 and ONE in u.terms:
        number, u = coefficient_of(u.terms[1] if u.terms[0] is ONE else u.terms[0])
        return number == -1 and isinstance(u, Apply) and u.function == "sigmoid"
    return isinstance(u, Apply) and u.function in ("exp", "sigmoid")


def _sqrt(u: Expr) -> Expr | None:
    if isinstance(u, Const) and u.value >= 0:
        top, bottom = isqrt(u.value.numerator), isqrt(u.value.denominator)
        if top * top == u.value.numerator and bottom * bottom == u.value.denominator:
            return Const(Fraction(top, bottom))  # sqrt(p^2 / q^2) = p / q
    if isinstance(u, Apply) and u.function == "exp":
        return simplify_apply("exp", (simplify_product((Const(Fraction(1, 2)), u.arguments[0])),))
    return None


def _pow(base: Expr, exponent: Expr) -> Expr | None:
    if exponent is ZERO:
        return ONE
    if exponent is ONE or base is ONE:
        return base
    if not isinstance(exponent, Const):
        return None
    k = exponent.value
    if k == Fraction(1, 2):
        return simplify_apply("sqrt", (base,))
    if isinstance(base, Const) and k.denominator == 1 and (base.value or k > 0):
        number = rational_power(base.value, k.numerator)
        return None if number is None else Const(number)
    if isinstance(base, Delta | Iverson) and k > 0:
        return base
    if isinstance(base, Mul) and k.denominator == 1:
        return simplify_product(simplify_apply("pow", (factor, exponent)) for factor in base.factors)
    if isinstance(base, Sum) and isinstance(base.body, Mul) and k.denominator == 1:
        bound = set(base.indices)
        outside = [factor for factor in base.body.factors if not bound & set(factor.free)]
        if outside:  # sum[K](c u[K])^k = c^k sum[K](u[K])^k
            inside = [factor for factor in base.body.factors if bound & set(factor.free)]
            parts = (*outside, simplify_product(inside, base.indices))
            return simplify_product(simplify_apply("pow", (factor, exponent)) for factor in parts)
    if isinstance(base, Apply) and base.function == "abs" and k.denominator == 1 and k % 2 == 0:
        return simplify_apply("pow", (base.arguments[0], exponent))  # abs(x)^2 = x^2
    if isinstance(base, Apply) and base.function == "exp":
        return simplify_apply("exp", (simplify_product((exponent, base.arguments[0])),))  # exp(u)^k = exp(k u)
    if isinstance(base, Apply) and base.function == "sqrt" and k.denominator == 1 and k != -1:
        return as_power(base.arguments[0], k / 2)
    if isinstance(base, Apply) and base.function == "cbrt" and k.denominator == 1 and k % 3 == 0:
        return as_power(base.arguments[0], k / 3)  # cbrt(x)^3 = x
    if isinstance(base, Apply) and base.function == "pow" and k.denominator == 1:
        inner, a = base.arguments
        return as_power(inner, a.value * k) if isinstance(a, Const) else None  # (x^a)^k = x^(a k)
    if k == -1 and isinstance(base, Add) and len(base.terms) == 2 and ONE in base.terms:
        other = base.terms[1] if base.terms[0] is ONE else base.terms[0]
        if isinstance(other, Apply) and other.function == "exp":
            # 1 / (1 + exp(-u)) = sigmoid(u)
            return simplify_apply("sigmoid", (simplify_product((MINUS_ONE, other.arguments[0])),))
    return None


def _odd(function: str) -> Callable[[Expr], Expr | None]:
    def rule(u: Expr) -> Expr | None:
        if u is ZERO:
            return ZERO
        if is_negative(u):  # f(-u) = -f(u)
            return neg_simplified(simplify_apply(function, (simplify_product((MINUS_ONE, u)),)))
        return None

    return rule


def _even(function: str) -> Callable[[Expr], Expr | None]:
    def rule(u: Expr) -> Expr | None:
        if is_negative(u):  # f(-u) = f(u)
            return simplify_apply(function, (simplify_product((MINUS_ONE, u)),))
        return None

    return rule


def _undone(inverse: str) -> Callable[[Expr], Expr | None]:
    def rule(u: Expr) -> Expr | None:
        return u.arguments[0] if isinstance(u, Apply) and u.function == inverse else None  # f(g(x)) = x

    return rule


def _at(number: Expr, value: Expr) -> Callable[[Expr], Expr | None]:
    return lambda u: value if u is number else None


def _log1p(u: Expr) -> Expr | None:
    # log1p(exp(u)) = softplus(u)
    return simplify_apply("softplus", u.arguments) if isinstance(u, Apply) and u.function == "exp" else None


def _clip(u: Expr, a: Expr, b: Expr) -> Expr | None:
    if isinstance(u, Const) and isinstance(a, Const) and isinstance(b, Const):
        return Const(min(max(u.value, a.value), b.value))
    return None


def _mod(u: Expr, by: Expr) -> Expr | None:
    return Const(u.value % by.value) if isinstance(u, Const) and isinstance(by, Const) and by.value else None


def _first(*rules: Callable[[Expr], Expr | None]) -> Callable[[Expr], Expr | None]:
    def rule(u: Expr) -> Expr | None:
        return next((found for own in rules if (found := own(u)) is not None), None)

    return rule


_ODD = ("sin", "tan", "arctan", "sinh", "tanh", "erf", "sign", "arcsin", "arcsinh", "arctanh", "cbrt", "softsign")

RULES.update(
    {
        "exp": _exp,
        "expm1": _first(_at(ZERO, ZERO), _undone("log1p")),
        "log": _log,
        "log1p": _first(_at(ZERO, ZERO), _undone("expm1"), _log1p),
        "sqrt": _sqrt,
        "pow": _pow,
        **{name: _odd(name) for name in _ODD},
        **{name: _even(name) for name in ("cos", "cosh", "abs")},
        "sin": _first(_odd("sin"), _undone("arcsin")),
        "cos": _first(_even("cos"), _undone("arccos")),
        "tan": _first(_odd("tan"), _undone("arctan")),
        "sinh": _first(_odd("sinh"), _undone("arcsinh")),
        "cosh": _first(_even("cosh"), _undone("arccosh")),
        "tanh": _first(_odd("tanh"), _undone("arctanh")),
        "arcsinh": _first(_odd("arcsinh"), _undone("sinh")),
        "arctanh": _first(_odd("arctanh"), _undone("tanh")),
        "arccos": _at(ONE, ZERO),
        "arccosh": _at(ONE, ZERO),
        "erfc": _at(ZERO, ONE),
        "silu": _at(ZERO, ZERO),
        "elu": _at(ZERO, ZERO),
        "clip": _clip,
        "mod": _mod,
        "relu": lambda u: Const(max(u.value, Fraction(0))) if isinstance(u, Const) else None,
        "maximum": lambda a, b: a if a is b else None,
        "minimum": lambda a, b: a if a is b else None,
    }
)
