"""The identities of the elementwise functions: ``exp(log(x)) = x``, ``log(exp(u) a) = u + log(a)``, ``f(-u) = -f(u)``.

Those of a function of a number, of another function, or of what has a minus are a line each of `IDENTITIES`.  Every
rule gets simplified arguments and returns the simpler value, or None where it has nothing to say.  `simplify` asks for
them by the name of the function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from itertools import groupby
from math import isqrt

from einstan.calculus.alpha import alpha
from einstan.calculus.coefficients import coefficient_of, is_negative, neg_simplified
from einstan.calculus.factors import powers
from einstan.calculus.simplify import RULES, as_power, simplify_apply, simplify_product, simplify_sum
from einstan.language import parse_expression
from einstan.language.term import (
    MINUS_ONE,
    ONE,
    ZERO,
    Add,
    Apply,
    Const,
    Delta,
    Expr,
    Indexed,
    Iverson,
    Mul,
    Sum,
    neg,
    rational_power,
)  # fmt: skip

Rule = Callable[..., Expr | None]


def _exp(u: Expr) -> Expr | None:
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


def _clip(u: Expr, a: Expr, b: Expr) -> Expr | None:
    if isinstance(u, Const) and isinstance(a, Const) and isinstance(b, Const):
        return Const(min(max(u.value, a.value), b.value))
    return None


def _mod(u: Expr, by: Expr) -> Expr | None:
    return Const(u.value % by.value) if isinstance(u, Const) and isinstance(by, Const) and by.value else None


# Used from the left to the right; x is anything.  Those of one function stand together.
IDENTITIES = (
    "exp(0) = 1", "exp(log(x)) = x", "exp(log1p(x)) = 1 + x",
    "expm1(0) = 0", "expm1(log1p(x)) = x",
    "log(1) = 0", "log(exp(x)) = x", "log(sigmoid(x)) = -softplus(-x)",
    "log1p(0) = 0", "log1p(expm1(x)) = x", "log1p(exp(x)) = softplus(x)",
    "sin(0) = 0", "sin(-x) = -sin(x)", "sin(arcsin(x)) = x", "arcsin(0) = 0", "arcsin(-x) = -arcsin(x)",
    "cos(-x) = cos(x)", "cos(arccos(x)) = x", "arccos(1) = 0",
    "tan(0) = 0", "tan(-x) = -tan(x)", "tan(arctan(x)) = x", "arctan(0) = 0", "arctan(-x) = -arctan(x)",
    "sinh(0) = 0", "sinh(-x) = -sinh(x)", "sinh(arcsinh(x)) = x",
    "arcsinh(0) = 0", "arcsinh(-x) = -arcsinh(x)", "arcsinh(sinh(x)) = x",
    "cosh(-x) = cosh(x)", "cosh(arccosh(x)) = x", "arccosh(1) = 0",
    "tanh(0) = 0", "tanh(-x) = -tanh(x)", "tanh(arctanh(x)) = x",
    "arctanh(0) = 0", "arctanh(-x) = -arctanh(x)", "arctanh(tanh(x)) = x",
    "erf(0) = 0", "erf(-x) = -erf(x)", "erfc(0) = 1",
    "sign(0) = 0", "sign(-x) = -sign(x)", "abs(-x) = abs(x)", "cbrt(0) = 0", "cbrt(-x) = -cbrt(x)",
    "softsign(0) = 0", "softsign(-x) = -softsign(x)", "silu(0) = 0", "elu(0) = 0",
)  # fmt: skip


_X = Indexed("x")


def _rule_of(texts: Iterable[str], otherwise: Rule | None) -> Rule:
    """The rule that uses these identities of one function, and asks another one behind them."""
    numbers: dict[Expr, Expr] = {}
    inner: dict[str, Expr] = {}
    negated: Expr | None = None
    for text in texts:
        left, right = map(parse_expression, text.split(" = "))
        (argument,) = left.children
        if isinstance(argument, Const):
            numbers[argument] = right
        elif argument is neg(_X):
            negated = right
        else:
            assert isinstance(argument, Apply), text
            assert argument.arguments == (_X,), text
            inner[argument.function] = right

    def rule(*arguments: Expr) -> Expr | None:
        u = arguments[0]
        if u in numbers:
            return numbers[u]
        if negated is not None and is_negative(u):
            return _at(negated, simplify_product((MINUS_ONE, u)))
        if isinstance(u, Apply) and u.function in inner:
            return _at(inner[u.function], u.arguments[0])
        return None if otherwise is None else otherwise(*arguments)

    return rule


def _at(side: Expr, value: Expr) -> Expr:
    """The right side of an identity for a value of x, simplified."""
    match side:
        case Apply(function=function, arguments=(inner,)):
            return simplify_apply(function, (_at(inner, value),))
        case Mul(factors=(number, rest)) if number is MINUS_ONE:
            return neg_simplified(_at(rest, value))
        case Add(terms=terms):
            return simplify_sum(_at(term, value) for term in terms)
        case _:
            assert side is _X or isinstance(side, Const), f"{side} is more than identities have on their right sides"
            return value if side is _X else side


RULES.update(
    {
        "exp": _exp,
        "log": _log,
        "sqrt": _sqrt,
        "pow": _pow,
        "clip": _clip,
        "mod": _mod,
        "relu": lambda u: Const(max(u.value, Fraction(0))) if isinstance(u, Const) else None,
        "maximum": lambda a, b: a if a is b else None,
        "minimum": lambda a, b: a if a is b else None,
    }
)
for _name, _texts in groupby(IDENTITIES, lambda text: text.partition("(")[0]):
    RULES[_name] = _rule_of(_texts, RULES.get(_name))
