"""Transcendental functions in as many digits as the current context of `decimal` has, by their series.

`einstan.machine.meaning.numbers` asks for them with guard digits.  What has no value raises an error of `decimal`, or
`ZeroDivisionError` at a pole.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, getcontext, localcontext
from fractions import Fraction
from functools import cache
from math import comb
from typing import Any

Number = Any  # Fraction | Decimal

DIGITS = 60  # carried, so that 50 are right after a few hundred operations
GUARD = 20  # more while a series is summed
LARGEST = 5000  # digits before the point beyond which an angle is not reduced


def context(digits: int = DIGITS) -> Context:
    return Context(prec=digits, Emax=MAX_EMAX, Emin=MIN_EMIN)


def decimal(value: Number) -> Decimal:
    """A rational, rounded to the current precision."""
    return Decimal(value.numerator) / Decimal(value.denominator) if isinstance(value, Fraction | int) else value


def pi() -> Decimal:
    return _pi(getcontext().prec)


@cache
def _pi(digits: int) -> Decimal:
    """Machin: π/4 = 4 arctan(1/5) - arctan(1/239)."""
    with localcontext(context(digits)):
        return 4 * (4 * _arctan_series(Decimal(1) / 5) - _arctan_series(Decimal(1) / 239))


def _series(first: Decimal, ratio: Callable[[int], Decimal]) -> Decimal:
    """The sum of terms, each the one before times ``ratio(n)``, until they no longer count."""
    total, term, n = first, first, 0
    while True:
        n += 1
        term *= ratio(n)
        new = total + term
        if new == total:
            return total
        total = new


def _arctan_series(x: Decimal) -> Decimal:
    square = -x * x
    return _series(x, lambda n: square * (2 * n - 1) / (2 * n + 1)) if x else x


def _arctan(x: Decimal) -> Decimal:
    halvings = 0
    while abs(x) > Decimal("0.1"):  # arctan(x) = 2 arctan(x / (1 + sqrt(1 + x²)))
        x = x / (1 + (1 + x * x).sqrt())
        halvings += 1
    return _arctan_series(x) * 2**halvings


def _turning(x: Decimal) -> Context:
    """The digits that an angle needs, from which full turns are taken."""
    if x.adjusted() > LARGEST:
        raise ZeroDivisionError
    return context(getcontext().prec + GUARD + max(0, x.adjusted()))


def _sin(x: Decimal) -> Decimal:
    with localcontext(_turning(x)):
        x = x % (2 * pi())
        square = -x * x
        return _series(x, lambda n: square / (2 * n * (2 * n + 1))) if x else x


def _cos(x: Decimal) -> Decimal:
    with localcontext(_turning(x)):
        x = x % (2 * pi())
        square = -x * x
        return _series(Decimal(1), lambda n: square / ((2 * n - 1) * 2 * n)) if x else Decimal(1)


def _sinh(x: Decimal) -> Decimal:
    if abs(x) < 1:  # no cancellation in the series
        square = x * x
        return _series(x, lambda n: square / (2 * n * (2 * n + 1))) if x else x
    return (x.exp() - (-x).exp()) / 2


def _cosh(x: Decimal) -> Decimal:
    return (x.exp() + (-x).exp()) / 2


def _tanh(x: Decimal) -> Decimal:
    if abs(x) > 2 * getcontext().prec:  # 1 - 2 exp(-2 x)
        return Decimal(1).copy_sign(x)
    return _sinh(x) / _cosh(x)


def _sigmoid(x: Decimal) -> Decimal:
    return 1 / (1 + (-x).exp()) if x >= 0 else x.exp() / (1 + x.exp())


def _softplus(x: Decimal) -> Decimal:
    return max(x, Decimal(0)) + _log1p((-abs(x)).exp())


def _log1p(x: Decimal) -> Decimal:
    if x.adjusted() < -getcontext().prec:
        return x - x * x / 2
    with localcontext(context(getcontext().prec + max(0, -x.adjusted()))):
        return (1 + x).ln()


def _erf(x: Decimal) -> Decimal:
    """erf(x) = 2/√π exp(-x²) Σ 2ⁿ x²ⁿ⁺¹ / (2n+1)!!, whose terms all have one sign (DLMF 7.6.2)."""
    if x * x > 3 * getcontext().prec:  # 1 - exp(-x²) and less
        return Decimal(1).copy_sign(x)
    square = 2 * x * x
    return 2 / pi().sqrt() * (-x * x).exp() * (_series(x, lambda n: square / (2 * n + 1)) if x else x)


def _erfc(x: Decimal) -> Decimal:
    """1 - erf(x), with as many digits more as cancel; far out erfc(x) ~ exp(-x²) / (x √π) Σ (-1)ⁿ (2n-1)!! / (2x²)ⁿ
    (DLMF 7.12.1), of which the smallest term is exp(-x²)."""
    if x < Decimal("0.5"):
        return 1 - _erf(x)
    if x * x > 3 * getcontext().prec:
        square = 2 * x * x
        return (-x * x).exp() / (x * pi().sqrt()) * _series(Decimal(1), lambda n: (1 - 2 * n) / square)
    digits = getcontext().prec + int(x * x)
    with localcontext(context(digits)):
        square = 2 * x * x
        return 1 - 2 / pi().sqrt() * (-x * x).exp() * _series(x, lambda n: square / (2 * n + 1))


def _expm1(x: Decimal) -> Decimal:
    return x.exp() - 1 if abs(x) > 1 else 2 * _sinh(x / 2) * (x / 2).exp()  # exp(x) - 1 = 2 sinh(x/2) exp(x/2)


def _arcsin(x: Decimal) -> Decimal:
    root = ((1 - x) * (1 + x)).sqrt()
    return _arctan(x / root) if root else (pi() / 2).copy_sign(x)


def _arccos(x: Decimal) -> Decimal:
    return 2 * _arctan(((1 - x) / (1 + x)).sqrt()) if x > -1 else pi() + (x + 1).sqrt()


def _arctan2(y: Decimal, x: Decimal) -> Decimal:
    """The angle of the point (x, y), between -π and π."""
    if abs(y) > abs(x):
        return (pi() / 2).copy_sign(y) - _arctan(x / y)
    if x > 0 or not x:
        return _arctan(y / x) if x else Decimal(0)
    return _arctan(y / x) + (pi() if y >= 0 else -pi())


def _arcsinh(x: Decimal) -> Decimal:
    y = abs(x)
    return _log1p(y + y * y / (1 + (1 + y * y).sqrt())).copy_sign(x)


def _arccosh(x: Decimal) -> Decimal:
    return _log1p(x - 1 + ((x - 1) * (x + 1)).sqrt())


def _arctanh(x: Decimal) -> Decimal:
    return _log1p(2 * x / (1 - x)) / 2


@cache
def _bernoulli(n: int) -> Fraction:
    """The Bernoulli number B_n: Σ_k binomial(n+1, k) B_k = 0."""
    if n == 0:
        return Fraction(1)
    return -sum((comb(n + 1, k) * _bernoulli(k) for k in range(n) if k < 2 or k % 2 == 0), Fraction(0)) / (n + 1)


def _stirling(x: Decimal, power: int, weight: Callable[[int], int]) -> Decimal:
    """Σ B_2n weight(n) / x^(2n+power), until the terms no longer count; x is large enough for all digits."""
    total, n = Decimal(0), 0
    while True:
        n += 1
        number = _bernoulli(2 * n)
        new = total + Decimal(number.numerator) / (number.denominator * weight(n)) / x ** (2 * n + power)
        if new == total:
            return total
        total = new


def _pole(x: Decimal) -> bool:
    return x <= 0 and x == x.to_integral_value()


def _turns(x: Decimal) -> Decimal:
    """π times how far x is from the nearest whole number."""
    return pi() * (x - x.to_integral_value())


def _lgamma(x: Decimal) -> Decimal:
    """log |Γ(x)|: log Γ(x) ~ (x - 1/2) log x - x + log(2π)/2 + Σ B_2n / (2n (2n-1) x^(2n-1)) (DLMF 5.11.1); where x is
    not large Γ(x+1) = x Γ(x), and where it is negative Γ(x) Γ(1-x) = π / sin(πx)."""
    if _pole(x):
        raise ZeroDivisionError
    if x < 0:
        return (pi() / abs(_sin(_turns(x)))).ln() - _lgamma(1 - x)
    below = Decimal(1)
    while x < getcontext().prec:  # from where Stirling's series has all digits
        below, x = below * x, x + 1
    series = _stirling(x, -1, lambda n: 2 * n * (2 * n - 1))
    return (x - Decimal("0.5")) * x.ln() - x + (2 * pi()).ln() / 2 + series - below.ln()


def _digamma(x: Decimal) -> Decimal:
    """The derivative of log Γ: ψ(x) ~ log x - 1/(2x) - Σ B_2n / (2n x^2n) (DLMF 5.11.2), ψ(x+1) = ψ(x) + 1/x,
    ψ(1-x) - ψ(x) = π cot(πx)."""
    if _pole(x):
        raise ZeroDivisionError
    if x < 0:
        angle = _turns(x)
        return _digamma(1 - x) - pi() * _cos(angle) / _sin(angle)
    below = Decimal(0)
    while x < getcontext().prec:  # from where Stirling's series has all digits
        below, x = below + 1 / x, x + 1
    return x.ln() - 1 / (2 * x) - _stirling(x, 0, lambda n: 2 * n) - below


def _trigamma(x: Decimal) -> Decimal:
    """The derivative of ψ: ψ'(x) ~ 1/x + 1/(2x²) + Σ B_2n / x^(2n+1), ψ'(x+1) = ψ'(x) - 1/x²,
    ψ'(1-x) + ψ'(x) = π² / sin(πx)²."""
    if _pole(x):
        raise ZeroDivisionError
    if x < 0:
        return (pi() / _sin(_turns(x))) ** 2 - _trigamma(1 - x)
    below = Decimal(0)
    while x < getcontext().prec:  # from where Stirling's series has all digits
        below, x = below + 1 / (x * x), x + 1
    return 1 / x + 1 / (2 * x * x) + _stirling(x, 1, lambda n: 1) + below


def _cbrt(x: Decimal) -> Decimal:
    return (abs(x).ln() / 3).exp().copy_sign(x) if x else x


TRANSCENDENTAL: dict[str, Callable[..., Decimal]] = {
    "exp": lambda x: x.exp(),
    "log": lambda x: x.ln(),
    "sin": _sin,
    "cos": _cos,
    "tan": lambda x: _sin(x) / _cos(x),
    "arctan": _arctan,
    "sinh": _sinh,
    "cosh": _cosh,
    "tanh": _tanh,
    "sigmoid": _sigmoid,
    "softplus": _softplus,
    "erf": _erf,
    "erfc": _erfc,
    "log1p": _log1p,
    "expm1": _expm1,
    "arcsin": _arcsin,
    "arccos": _arccos,
    "arctan2": _arctan2,
    "arcsinh": _arcsinh,
    "arccosh": _arccosh,
    "arctanh": _arctanh,
    "lgamma": _lgamma,
    "digamma": _digamma,
    "trigamma": _trigamma,
    "silu": lambda x: x * _sigmoid(x),
    "elu": lambda x: x if x > 0 else _expm1(x),
    "cbrt": _cbrt,
}

# Where a transcendental function has a rational value: exact results stay exact as long as they can.
RATIONAL_AT: dict[tuple[str, Number], int | Fraction] = {
    ("exp", 0): 1, ("log", 1): 0, ("sin", 0): 0, ("cos", 0): 1, ("tan", 0): 0, ("arctan", 0): 0, ("sinh", 0): 0,
    ("cosh", 0): 1, ("tanh", 0): 0, ("sigmoid", 0): Fraction(1, 2), ("erf", 0): 0,
    ("erfc", 0): 1, ("log1p", 0): 0, ("expm1", 0): 0, ("arcsin", 0): 0, ("arccos", 1): 0, ("arcsinh", 0): 0,
    ("arccosh", 1): 0, ("arctanh", 0): 0, ("lgamma", 1): 0, ("lgamma", 2): 0, ("silu", 0): 0, ("elu", 0): 0,
    **{("cbrt", k**3): k for k in range(-10, 11)},
}  # fmt: skip
