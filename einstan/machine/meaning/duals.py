"""Numbers that know their derivatives: the loops compute with them, and give a relation with its Jacobian.

A `Dual` is a value and its slopes in some variables; only those that are not zero are kept, since an entry of a
relation reads few entries of a tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from functools import cache
from typing import Any

from einstan.calculus.program import Program
from einstan.language.functions import FUNCTIONS
from einstan.language.scope import parse_expression
from einstan.language.term import Equation, tensors
from einstan.machine.meaning.loops import Evaluation, Tensor
from einstan.machine.meaning.numbers import Number, Numbers
from einstan.machine.sizes.inference import infer

Slopes = Mapping[Hashable, Number]


class Dual:
    """A value and its slopes; it compares as its value does."""

    __slots__ = ("slopes", "value")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, value: Number, slopes: Slopes) -> None:
        self.value, self.slopes = value, slopes

    def __eq__(self, other: object) -> bool:
        return bool(self.value == value_of(other))

    def __lt__(self, other: Any) -> bool:
        return bool(self.value < value_of(other))

    def __le__(self, other: Any) -> bool:
        return bool(self.value <= value_of(other))

    def __gt__(self, other: Any) -> bool:
        return bool(self.value > value_of(other))

    def __ge__(self, other: Any) -> bool:
        return bool(self.value >= value_of(other))


def value_of(number: Any) -> Number:
    return number.value if isinstance(number, Dual) else number


def slopes_of(number: Any) -> Slopes:
    return number.slopes if isinstance(number, Dual) else {}


class Duals(Numbers):
    """The arithmetic of duals over that of their values."""

    name = "duals"

    def __init__(self, numbers: Numbers) -> None:
        self.numbers = numbers

    def of(self, value: Any) -> Number:
        return value if isinstance(value, Dual) else self.numbers.of(value)

    def add(self, left: Number, right: Number) -> Number:
        return self._joined(self.numbers.add(value_of(left), value_of(right)), (left, None), (right, None))

    def mul(self, left: Number, right: Number) -> Number:
        a, b = value_of(left), value_of(right)
        return self._joined(self.numbers.mul(a, b), (left, b), (right, a))

    def apply(self, function: str, *arguments: Number) -> Number:
        values = [value_of(argument) for argument in arguments]
        moving = [(argument, k) for k, argument in enumerate(arguments) if slopes_of(argument)]
        parts = [(argument, _slope(function, k, self.numbers)(*values)) for argument, k in moving]
        return self._joined(self.numbers.apply(function, *values), *parts)

    def _joined(self, value: Number, *parts: tuple[Number, Number]) -> Number:
        """The value with the sum of the slopes of the parts, each times its factor; a factor of None is 1."""
        slopes: dict[Hashable, Number] = {}
        add, mul = self.numbers.add, self.numbers.mul
        for part, factor in parts:
            for variable, slope in slopes_of(part).items():
                own = slope if factor is None else mul(slope, factor)
                slopes[variable] = add(slopes[variable], own) if variable in slopes else own
        slopes = {variable: slope for variable, slope in slopes.items() if slope != 0}
        return Dual(value, slopes) if slopes else value


@cache
def _slope(function: str, position: int, numbers: Numbers) -> Callable[..., Number]:
    """A partial of a function, as its row in the table says it, as a function of numbers."""
    row = FUNCTIONS[function]
    rhs = parse_expression(row.partials[position])
    read = [(k, name) for k, name in enumerate(row.parameters) if name in tensors(rhs)]
    program = Program([Equation("slope", (), rhs)])
    evaluation = Evaluation(program, infer(program, {}), numbers)

    def slope(*values: Number) -> Number:
        return evaluation({name: Tensor((), [values[k]]) for k, name in read})["slope"].flat[0]

    return slope
