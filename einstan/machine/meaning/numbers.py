"""The numbers that loops compute with: exact rationals with 50-digit decimals, or floats that behave as IEEE says.

``Exact`` keeps a `Fraction` as long as the value is rational and goes over to `Decimal` where a function is
transcendental; the series are summed with guard digits, so that of 60 digits about 50 are right.  With more digits, it
tells a small difference from rounding: the one stays, the other goes.  ``Floats`` is the
arithmetic of the compiled code, in pure Python: what overflows is infinite, what has no value is nan.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from decimal import Context, Decimal, DecimalException, InvalidOperation, Overflow, getcontext, localcontext
from fractions import Fraction
from functools import lru_cache
from numbers import Rational, Real
from typing import Any

from einstan.language.term import Add, Apply, Const, Expr, Extent, Mul
from einstan.machine.meaning.decimals import DIGITS, GUARD, RATIONAL_AT, TRANSCENDENTAL, context, decimal, pi

Number = Any  # Fraction | Decimal | float: one tower for each system below

DIGITS_LOST = 2  # for each digit before the point of the largest number
NO_LOG = "log has no finite value at 0"
STEPS = ("sign", "floor", "mod")
SATURATING = ("tanh", "sigmoid", "erf", "erfc")  # whose whole values, but at 0, are those of digits that were lost
OWN_VALUE = ("elu",)  # which may be its argument without a digit lost
NEVER_ZERO = ("exp", "sigmoid", "softplus", "erfc")  # a zero of which is a number beyond all exponents
SCALE_FREE = ("log", "cbrt", "elu")  # which lose nothing where an argument is tiny
EXPONENTIAL = {"cosh": 2, "sinh": 2, "tanh": 2, "sigmoid": 1, "softplus": 1, "silu": 1, "expm1": 1, "elu": 1, "erf": 1,
               "erfc": 1}  # fmt: skip  # which have so many exponentials of an argument between their parts
GAUSSIAN = ("erf", "erfc")  # of the square of it
ALGEBRAIC = ("arctan", "arcsinh", "arccosh", "log1p", "digamma", "trigamma", "lgamma")  # powers of it
FAR = 1e9  # an argument beside which no digits are enough
LONG = 20_000  # bits of a rational that is still kept exactly


class DomainError(ArithmeticError):
    """A function has no real value here: ``log(-1)``, ``1/0``."""


class Missing(float):
    """NaN in the place of an exact number that does not exist, with the reason."""

    def __new__(cls, error: DomainError) -> Missing:
        found = super().__new__(cls, "nan")
        found.error = error
        return found

    error: DomainError


def unreal(value: float) -> DomainError:
    """The error for an infinity or NaN among exact numbers."""
    return value.error if isinstance(value, Missing) else DomainError(f"{value} is no number")


class Numbers:
    """What an arithmetic has to offer."""

    name: str

    def of(self, value: Any) -> Number:
        raise NotImplementedError

    def add(self, left: Number, right: Number) -> Number:
        raise NotImplementedError

    def mul(self, left: Number, right: Number) -> Number:
        raise NotImplementedError

    def apply(self, function: str, *arguments: Number) -> Number:
        raise NotImplementedError

    def holds(self, left: Number, relation: str, right: Number) -> bool:
        if (isinstance(left, float) or isinstance(right, float)) and (left != left or right != right):
            return relation == "!="
        match relation:
            case "<":
                return bool(left < right)
            case "<=":
                return bool(left <= right)
            case ">":
                return bool(left > right)
            case ">=":
                return bool(left >= right)
            case "==":
                return bool(left == right)
            case "!=":
                return bool(left != right)
            case _:
                raise AssertionError(relation)


# ---- floats ----------------------------------------------------------------------------------------------------------


def _quiet(function: Callable[..., float], *limits: tuple[Callable[[float], bool], float]) -> Callable[..., float]:
    """A function of `math` whose exceptions are the values of IEEE: limits where they are stated, else nan or inf."""

    def quiet(*arguments: float) -> float:
        for holds, value in limits:
            if holds(arguments[0]):
                return value
        if any(math.isnan(a) for a in arguments):
            return math.nan
        try:
            return function(*arguments)
        except ValueError:
            return math.nan
        except OverflowError:
            return math.inf

    return quiet


def _float_pow(x: float, y: float) -> float:
    try:
        return math.pow(x, y)
    except ValueError:
        odd = y == math.floor(y) and y % 2 == 1
        return (math.copysign(math.inf, x) if odd else math.inf) if x == 0 and y < 0 else math.nan
    except OverflowError:
        return -math.inf if x < 0 and y % 2 == 1 else math.inf


def _float_sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def _sign(x: Number) -> int:
    return (x > 0) - (x < 0)


def _keeping_nan(choose: Callable[[float, float], float]) -> Callable[[float, float], float]:
    return lambda x, y: math.nan if math.isnan(x) or math.isnan(y) else choose(x, y)


def _rounded(function: str) -> Callable[[float], float]:
    """A function of 50 digits as one of floats."""

    def rounded(x: float) -> float:
        try:
            return float(EXACT.apply(function, Fraction(x))) if math.isfinite(x) else LIMITS[function, x > 0]
        except DomainError:
            return LIMITS[function, None]

    return rounded


# Of functions that floats have by way of 50 digits: at infinity, at minus infinity, and at a pole.
LIMITS = {
    ("digamma", True): math.inf, ("digamma", False): math.nan, ("digamma", None): math.nan,
    ("trigamma", True): 0.0, ("trigamma", False): math.nan, ("trigamma", None): math.inf,
}  # fmt: skip

FLOAT_FUNCTIONS: dict[str, Callable[..., float]] = {
    "exp": _quiet(math.exp),
    "log": _quiet(math.log, (lambda x: x == 0, -math.inf)),
    "sqrt": _quiet(math.sqrt),
    "sin": _quiet(math.sin),
    "cos": _quiet(math.cos),
    "tan": _quiet(math.tan),
    "arctan": math.atan,
    "sinh": _quiet(math.sinh, (lambda x: x < -710.5, -math.inf)),
    "cosh": _quiet(math.cosh),
    "tanh": math.tanh,
    "sigmoid": _float_sigmoid,
    "softplus": lambda x: max(x, 0.0) + math.log1p(math.exp(-abs(x))) if x == x else x,
    "erf": math.erf,
    "erfc": math.erfc,
    "log1p": _quiet(math.log1p, (lambda x: x == -1, -math.inf)),
    "expm1": _quiet(math.expm1),
    "arcsin": _quiet(math.asin),
    "arccos": _quiet(math.acos),
    "arctan2": math.atan2,
    "arcsinh": math.asinh,
    "arccosh": _quiet(math.acosh),
    "arctanh": _quiet(math.atanh, (lambda x: x == 1, math.inf), (lambda x: x == -1, -math.inf)),
    "lgamma": _quiet(math.lgamma, (lambda x: x <= 0 and x % 1 == 0, math.inf)),
    "digamma": _quiet(_rounded("digamma"), (lambda x: x == 0, -math.inf)),
    "trigamma": _rounded("trigamma"),
    "silu": lambda x: x * _float_sigmoid(x),
    "elu": lambda x: x if x > 0 else math.expm1(x),
    "softsign": lambda x: x / (1 + abs(x)),
    "clip": lambda x, low, high: _keeping_nan(min)(_keeping_nan(max)(x, low), high),
    "cbrt": math.cbrt,
    "mod": lambda x, y: x % y if y and math.isfinite(x) else math.nan,
    "relu": lambda x: x if x > 0 or x != x else 0.0,
    "abs": abs,
    "sign": lambda x: x if x != x else float(_sign(x)),
    "floor": lambda x: float(math.floor(x)) if math.isfinite(x) else x,
    "maximum": _keeping_nan(max),
    "minimum": _keeping_nan(min),
    "pow": _float_pow,
    "pi": lambda: math.pi,
}


class Floats(Numbers):
    name = "floats"

    def of(self, value: Any) -> float:
        return float(value)

    def add(self, left: float, right: float) -> float:
        return left + right

    def mul(self, left: float, right: float) -> float:
        return left * right

    def apply(self, function: str, *arguments: float) -> float:
        return float(FLOAT_FUNCTIONS[function](*arguments))


class Wary(Floats):
    """Floats that compare nothing with what has no value, or a larger one than they know."""

    def holds(self, left: float, relation: str, right: float) -> bool:
        if not (math.isfinite(left) and math.isfinite(right)):
            raise DomainError("no number is compared")
        return super().holds(left, relation, right)


# ---- exact -----------------------------------------------------------------------------------------------------------


_CARRIED = context()  # its methods leave the current context alone, and need not make one


def is_infinite(value: Number) -> bool:
    """Whether it is the logarithm of 0, which exact numbers have on the way, for exp to make 0 of it again."""
    return isinstance(value, Decimal) and value.is_infinite()


def digits_of(value: Number, carried: Context = _CARRIED) -> Decimal:
    """A number in as many digits as are carried."""
    if isinstance(value, Decimal):
        return value
    if isinstance(value, float):
        raise unreal(value)
    return carried.divide(Decimal(value.numerator), Decimal(value.denominator))


def magnitude(value: Number) -> Number:
    """The absolute value, which of decimals keeps all digits and any exponent."""
    return value.copy_abs() if isinstance(value, Decimal) else abs(value)


def _softsign(x: Number) -> Number:
    return x / (1 + abs(x))


def _mod(x: Number, y: Number) -> Number:
    """x - y floor(x / y)."""
    if y == 0:
        raise DomainError("there is no remainder of a division by 0")
    if isinstance(x, Decimal) or isinstance(y, Decimal):
        x, y = digits_of(x, getcontext()), digits_of(y, getcontext())
        try:
            x = x % y  # of the sign of x
        except DecimalException:
            raise DomainError("a remainder has no digit left") from None
        return x + y if x and (x < 0) != (y < 0) else x
    return x % y


RATIONAL: dict[str, Callable[..., Number]] = {
    "relu": lambda x: max(x, type(x)(0)),
    "abs": magnitude,
    "sign": lambda x: Fraction(_sign(x)),
    "maximum": max,
    "minimum": min,
    "softsign": _softsign,
    "clip": lambda x, low, high: min(max(x, low), high),
    "mod": _mod,
}


class Exact(Numbers):
    name = "exact rationals and 50-digit decimals"

    def __init__(self, digits: int = DIGITS) -> None:
        self.digits, self.carried, self.guarded = digits, context(digits), context(digits + GUARD)

    def of(self, value: Any) -> Number:
        """The number; infinities and NaN stay what they are, since a bracket may hide them, and are refused where they
        are computed with."""
        if type(value) is Fraction:
            return value
        if isinstance(value, Real) and not isinstance(value, Rational | float):  # of more bits than a float has
            ratio: Any = value  # every float has one
            return Fraction(*ratio.as_integer_ratio()) if ratio - ratio == 0 else float(value)
        no_number = isinstance(value, float) and not math.isfinite(value)
        return value if no_number or isinstance(value, Fraction | Decimal) else Fraction(value)

    def add(self, left: Number, right: Number) -> Number:
        if isinstance(left, Fraction) and isinstance(right, Fraction):
            return self._short(left + right)
        try:
            return self.carried.add(digits_of(left, self.carried), digits_of(right, self.carried))
        except DecimalException:
            raise DomainError("a sum is too large for its digits") from None

    def mul(self, left: Number, right: Number) -> Number:
        if isinstance(left, Fraction) and isinstance(right, Fraction):
            return self._short(left * right)
        if (left == 0 or right == 0) and not (isinstance(left, float) or isinstance(right, float)):
            if is_infinite(left) or is_infinite(right):
                raise DomainError(NO_LOG)
            return Fraction(0)
        try:
            product = self.carried.multiply(digits_of(left, self.carried), digits_of(right, self.carried))
        except DecimalException:
            raise DomainError("a product is too large for its digits") from None
        if not product:
            raise DomainError("a product is too small for its digits")
        return product

    def apply(self, function: str, *arguments: Number) -> Number:
        for argument in arguments:
            if isinstance(argument, float):
                raise unreal(argument)
        if any(map(is_infinite, arguments)):
            if function != "exp" or arguments[0] > 0:
                raise DomainError(NO_LOG)
            return Fraction(0)
        if function == "log" and arguments[0] == 0:
            return Decimal("-Infinity")
        if function in RATIONAL:
            with localcontext(self.guarded):
                value = RATIONAL[function](*arguments)
            return self.carried.plus(value) if isinstance(value, Decimal) else value
        if function == "floor":
            return self._floor(*arguments)
        if function == "pow":
            return self._pow(*arguments)
        if function == "sqrt":
            return self._sqrt(*arguments)
        if len(arguments) == 1 and (function, arguments[0]) in RATIONAL_AT:
            return Fraction(RATIONAL_AT[function, arguments[0]])
        try:
            value = _worked_out(function, self.digits, *arguments)
        except (InvalidOperation, Overflow, ZeroDivisionError) as error:
            raise DomainError(f"{function} has no value at {arguments[0]}") from error
        if not value.is_finite():
            raise DomainError(f"{function} has no finite value at {arguments[0]}")
        if not value and function in NEVER_ZERO:
            raise DomainError(f"{function} is too small for its digits at {arguments[0]}")
        return self.carried.plus(value)

    def holds(self, left: Number, relation: str, right: Number) -> bool:
        """Whether it is so; what does not exist is neither larger nor smaller than anything."""
        for side in (left, right):
            if isinstance(side, Missing):
                raise side.error
        return super().holds(left, relation, right)

    def _short(self, value: Fraction) -> Number:
        """A rational as it is, or in digits where it has become so long that every operation on it takes longer."""
        long = value.numerator.bit_length() + value.denominator.bit_length() > LONG
        return digits_of(value, self.carried) if long else value

    def _floor(self, x: Number) -> Number:
        return Fraction(math.floor(x)) if magnitude(x) < 10**self.digits else x  # whose last digit is no unit

    def _sqrt(self, x: Number) -> Number:
        if x < 0:
            raise DomainError(f"sqrt has no value at {x}")
        if isinstance(x, Fraction):
            top, bottom = math.isqrt(x.numerator), math.isqrt(x.denominator)
            if top * top == x.numerator and bottom * bottom == x.denominator:
                return Fraction(top, bottom)
        return self.carried.sqrt(digits_of(x, self.guarded))

    def _pow(self, x: Number, y: Number) -> Number:
        if isinstance(y, Decimal) and y == y.to_integral_value() and magnitude(y) < 10**6:
            y = Fraction(int(y))
        if isinstance(y, Fraction) and y.denominator == 1 and abs(y) < 10**6:
            if x == 0 and y < 0:
                raise DomainError("0 has no reciprocal")
            if isinstance(x, Fraction) and max(x.numerator.bit_length(), x.denominator.bit_length()) * abs(y) <= LONG:
                return Fraction(x ** int(y))
            try:
                return self.carried.plus(self.guarded.power(digits_of(x, self.guarded), int(y)))
            except DecimalException:
                raise DomainError(f"a number to the power {y} is too large for its digits") from None
        if isinstance(y, Fraction) and y.denominator == 2:
            return self._pow(self._sqrt(x), Fraction(y.numerator))
        if x < 0 or (x == 0 and y < 0):
            raise DomainError(f"{x} has no power {y}")
        if x == 0:
            return Fraction(0)
        with localcontext(self.guarded):
            try:
                value = (decimal(y) * decimal(x).ln()).exp()
            except Overflow as error:
                raise DomainError(f"{x} ^ {y} is too large") from error
        if not value:
            raise DomainError(f"{x} ^ {y} is too small for its digits")
        return self.carried.plus(value)


class Fine(Exact):
    """Exact numbers that know how large the numbers were that came up, and so what rounding may have done.

    ``absorbed`` says that a term, or all digits but those that rounding made, has been lost on the way: 1 + exp(-9999),
    tanh(9999).  What is ``stepped``, whether one is larger than another, is then no matter of a tolerance.  ``lost``
    says it of what no rounding explains, so that digits that agree are no evidence, ``cancelled`` that hardly a digit
    was left of a sum, and ``doubtful`` that a step was taken so near its jump that rounding may have put the value on
    the wrong side, or the ``error`` of entries that have no more digits.  What is ``hidden`` lies so many digits below
    what it is added to, in a sum or inside a function, as exp(-x) does in cosh(x): with fewer digits nothing is seen of
    it.  ``noisy`` says that a term is either hidden as deep as the digits go or what rounding made of zero.
    """

    def __init__(self, digits: int, error: Decimal = Decimal(0)) -> None:
        super().__init__(digits)
        self.error = error
        self.anew()

    def anew(self) -> None:
        self.largest, self.absorbed, self.stepped = 0, False, False  # the first in digits before the point
        self.lost, self.cancelled, self.doubtful = False, False, False
        self.hidden, self.noisy = 0, False

    def rounding(self) -> Decimal:
        """More than rounding can have changed a result by, where one large number has made another's error larger."""
        return Decimal((0, (1,), DIGITS_LOST * self.largest + GUARD - self.digits))

    def add(self, left: Number, right: Number) -> Number:
        total = super().add(self._seen(left), self._seen(right))
        if isinstance(total, Decimal) and left and right and total.is_finite():
            below = max(digits_of(left).adjusted(), digits_of(right).adjusted()) + GUARD - self.digits
            self.absorbed |= total in (left, right) or bool(total and total.adjusted() < below)
            self.cancelled |= not total or total.adjusted() < below
            apart = abs(digits_of(left).adjusted() - digits_of(right).adjusted())
            self.lost |= apart > self.digits + GUARD
            self._hide(apart, apart)
        return self._seen(total)

    def _hide(self, depth: int, apart: int) -> None:
        """Something lies that deep below another thing, unless as far below what has all digits as rounding does."""
        if abs(apart - self.digits) <= GUARD:
            self.noisy = True
        else:
            self.hidden = max(self.hidden, depth)

    def mul(self, left: Number, right: Number) -> Number:
        return self._seen(super().mul(left, right))

    def apply(self, function: str, *arguments: Number) -> Number:
        value = super().apply(function, *map(self._seen, arguments))
        if any(isinstance(argument, Decimal) for argument in arguments):
            self.stepped |= function in STEPS
            self._doubt(function, arguments)
        if isinstance(value, Decimal) and function in TRANSCENDENTAL and value.is_finite():
            whole = value == value.to_integral_value()
            self.absorbed |= whole or value == arguments[0] or 2 * value.adjusted() > self.digits
            self.lost |= (
                (function in SATURATING and whole)
                or (function not in OWN_VALUE and value == arguments[0])
                or (function != "exp" and 2 * (value.adjusted() + 1) >= self.digits)
            )
        if function in TRANSCENDENTAL.keys() - SCALE_FREE or function == "pow":
            self.lost |= any(self._tiny(argument) for argument in arguments[-1:])
        if function in TRANSCENDENTAL and isinstance(value, Decimal) and not (function in OWN_VALUE and value > 0):
            self._look_inside(function, digits_of(arguments[0], self.carried))
        return self._seen(value)

    def _look_inside(self, function: str, x: Decimal) -> None:
        """How deep the smaller part of a function's value lies: of x - x³/6, of exp(x) + exp(-x)."""
        if not x.is_finite() or not x:
            return
        size = x.adjusted()
        if size < 0:
            if function not in SCALE_FREE:
                self._hide(-2 * size, -size)
        elif function in EXPONENTIAL:
            exponent = EXPONENTIAL[function] * min(abs(float(x)), FAR) ** (2 if function in GAUSSIAN else 1)
            self._hide(int(exponent / math.log(10)), 0)
        elif function in ALGEBRAIC:
            self._hide(2 * size, 0)

    def holds(self, left: Number, relation: str, right: Number) -> bool:
        if isinstance(left, Decimal) or isinstance(right, Decimal):
            self.stepped = True
            self._near(left, right)
        return super().holds(left, relation, right)

    def _tiny(self, value: Number) -> bool:
        return bool(value) and digits_of(value).is_finite() and digits_of(value).adjusted() < -self.digits - GUARD

    def _doubt(self, function: str, arguments: tuple[Number, ...]) -> None:
        """Whether a step of these arguments lies near its jump."""
        first = digits_of(arguments[0], self.carried)
        if not first.is_finite() or function not in STEPS:
            return
        if function == "sign":
            self._near(first, Fraction(0))
        else:
            ratio = self.carried.divide(first, digits_of(arguments[1], self.carried)) if function == "mod" else first
            self.doubtful |= ratio.adjusted() >= self.digits - GUARD
            self._near(ratio, self.guarded.to_integral_value(ratio))

    def _near(self, left: Number, right: Number) -> None:
        """Two numbers that rounding alone may tell apart; those that are one have been worked out as one."""
        if left != left or right != right or left == right or is_infinite(left) or is_infinite(right):
            return
        a, b = digits_of(left, self.carried), digits_of(right, self.carried)
        self.doubtful |= magnitude(self.carried.subtract(a, b)) <= max(self.error, self.rounding())

    def _seen(self, value: Number) -> Number:
        if isinstance(value, Decimal):
            self.largest = max(self.largest, value.adjusted())
        elif isinstance(value, Fraction):
            self.largest = max(self.largest, (value.numerator.bit_length() - value.denominator.bit_length()) // 3)
        return value


@lru_cache(maxsize=4096)
def _worked_out(function: str, digits: int, *arguments: Number) -> Decimal:
    """A function at one place, which loops come back to: an exponential of a thousand digits takes milliseconds."""
    with localcontext(context(digits + GUARD)):
        return pi() if function == "pi" else TRANSCENDENTAL[function](*map(decimal, arguments))


@lru_cache(maxsize=64)
def fine(digits: int, error: Decimal = Decimal(0)) -> Fine:
    return Fine(digits, error)


EXACT, FLOATS, WARY = Exact(), Floats(), Wary()


# ---- numbers of sizes ------------------------------------------------------------------------------------------------


def number_of(node: Expr, extents: Mapping[str, int]) -> float:
    """The value of an expression that sizes alone determine; ``extents`` by dimension."""
    match node:
        case Const(value=value):
            try:
                return float(value)
            except OverflowError:
                return math.copysign(math.inf, value)
        case Extent(index=index):
            return float(extents[index.dim])
        case Mul(factors=factors):
            return math.prod(number_of(f, extents) for f in factors)
        case Add(terms=terms):
            return math.fsum(number_of(t, extents) for t in terms)
        case Apply(function=function, arguments=arguments):
            return FLOATS.apply(function, *(number_of(a, extents) for a in arguments))
        case _:
            raise AssertionError(f"{type(node).__name__} is not a number of sizes")
