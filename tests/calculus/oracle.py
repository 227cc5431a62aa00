"""Dual numbers: the value of a term and its derivative with respect to every entry of one tensor.

An oracle that shares nothing with the calculus and nothing with the loops: terms are read here once more, by plain
recursion, in floats, and a derivative is carried along by the rules of dual numbers.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy import special

from einstan.language import (
    Add,
    Affine,
    Apply,
    Const,
    Delta,
    Equation,
    Extent,
    Index,
    Indexed,
    Iverson,
    Mul,
    Node,
    Position,
    Reduce,
    Sum,
)

Dual = tuple[float, Any]  # the value, and the derivative: 0.0 or one number per entry


class NoValueError(ArithmeticError):
    """The term has no finite value here."""


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


# name: value, derivatives by each argument
FUNCTIONS: dict[str, tuple[Callable[..., float], tuple[Callable[..., float], ...]]] = {
    "exp": (math.exp, (math.exp,)),
    "log": (math.log, (lambda x: 1 / x,)),
    "sqrt": (math.sqrt, (lambda x: 0.5 / math.sqrt(x),)),
    "sin": (math.sin, (math.cos,)),
    "cos": (math.cos, (lambda x: -math.sin(x),)),
    "tan": (math.tan, (lambda x: 1 / math.cos(x) ** 2,)),
    "arctan": (math.atan, (lambda x: 1 / (1 + x * x),)),
    "sinh": (math.sinh, (math.cosh,)),
    "cosh": (math.cosh, (math.sinh,)),
    "tanh": (math.tanh, (lambda x: 1 / math.cosh(x) ** 2,)),
    "sigmoid": (sigmoid, (lambda x: sigmoid(x) * sigmoid(-x),)),
    "softplus": (lambda x: math.log1p(math.exp(-abs(x))) + max(x, 0), (sigmoid,)),
    "erf": (math.erf, (lambda x: 2 / math.sqrt(math.pi) * math.exp(-x * x),)),
    "relu": (lambda x: max(x, 0.0), (lambda x: float(x > 0),)),
    "abs": (abs, (lambda x: float((x > 0) - (x < 0)),)),
    "sign": (lambda x: float((x > 0) - (x < 0)), (lambda x: 0.0,)),
    "floor": (lambda x: float(math.floor(x)), (lambda x: 0.0,)),
    "expm1": (math.expm1, (math.exp,)),
    "log1p": (math.log1p, (lambda x: 1 / (1 + x),)),
    "cbrt": (math.cbrt, (lambda x: 1 / (3 * math.cbrt(x * x)),)),
    "arcsin": (math.asin, (lambda x: 1 / math.cos(math.asin(x)),)),
    "arccos": (math.acos, (lambda x: -1 / math.sin(math.acos(x)),)),
    "arctan2": (math.atan2, (lambda y, x: x / (x * x + y * y), lambda y, x: -y / (x * x + y * y))),
    "arcsinh": (math.asinh, (lambda x: 1 / math.cosh(math.asinh(x)),)),
    "arccosh": (math.acosh, (lambda x: 1 / math.sinh(math.acosh(x)),)),
    "arctanh": (math.atanh, (lambda x: 1 / (1 - x * x),)),
    "erfc": (math.erfc, (lambda x: -2 / math.sqrt(math.pi) * math.exp(-x * x),)),
    "lgamma": (math.lgamma, (special.digamma,)),
    "digamma": (special.digamma, (lambda x: special.polygamma(1, x),)),
    "trigamma": (lambda x: special.polygamma(1, x), ()),
    "silu": (lambda x: x * sigmoid(x), (lambda x: sigmoid(x) + x * sigmoid(x) * sigmoid(-x),)),
    "elu": (lambda x: x if x > 0 else math.expm1(x), (lambda x: 1.0 if x > 0 else math.exp(x),)),
    "softsign": (lambda x: x / (1 + abs(x)), (lambda x: (1 + abs(x)) ** -2,)),
    "clip": (
        lambda x, a, b: min(max(x, a), b),
        (lambda x, a, b: float(a < x < b), lambda x, a, b: float(x <= a < b), lambda x, a, b: float(x >= b or a >= b)),
    ),
    "mod": (lambda x, y: x % y, (lambda x, y: 1.0, lambda x, y: -float(math.floor(x / y)))),
    "maximum": (max, (lambda x, y: (x > y) + 0.5 * (x == y), lambda x, y: (y > x) + 0.5 * (x == y))),
    "minimum": (min, (lambda x, y: (x < y) + 0.5 * (x == y), lambda x, y: (y < x) + 0.5 * (x == y))),
}

RELATIONS = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}


class Oracle:
    """Values of terms whose dimensions have the extents ``sizes``; ``wrt`` names the tensor to differentiate by."""

    def __init__(self, sizes: Mapping[str, int], arrays: Mapping[str, Any], wrt: str | None = None) -> None:
        self.sizes = sizes
        self.arrays = {name: np.asarray(array) for name, array in arrays.items()}
        self.wrt = wrt
        self.slopes: dict[str, np.ndarray] = {}  # of tensors that an equation defines

    def define(self, equation: Equation) -> None:
        """Let what follows read the left side of an equation."""
        self.arrays[str(equation.name)], self.slopes[str(equation.name)] = self.tensor(equation)

    def tensor(self, equation: Equation) -> tuple[np.ndarray, np.ndarray]:
        """All entries of the left side, and their derivatives in the axes that follow."""
        shape = tuple(self.sizes[index.dim] for index in equation.indices)
        below = self.arrays[self.wrt].shape if self.wrt else ()
        values, slopes = np.zeros(shape), np.zeros(shape + below)
        for at in itertools.product(*map(range, shape)):
            value, slope = self(equation.rhs, dict(zip(equation.indices, at, strict=True)))
            if not math.isfinite(value) or not np.all(np.isfinite(slope)):
                raise NoValueError
            values[at] = value
            slopes[at] = np.reshape(slope, below) if isinstance(slope, np.ndarray) else slope
        return values, slopes

    def __call__(self, node: Node, env: Mapping[Index, int]) -> Dual:
        try:
            return self.dual(node, env)
        except (ValueError, OverflowError, ZeroDivisionError) as error:
            raise NoValueError from error

    def whole(self, form: Node, env: Mapping[Index, int]) -> int:
        assert isinstance(form, Affine)
        total = form.constant
        for atom, coefficient in form.terms:
            total += coefficient * (env[atom] if isinstance(atom, Index) else int(self.dual(atom, env)[0]))
        return total

    def operand(self, node: Node, env: Mapping[Index, int]) -> float:
        return self.whole(node, env) if isinstance(node, Affine) else self.dual(node, env)[0]

    def loop(self, indices: tuple[Index, ...], env: Mapping[Index, int]) -> list[dict[Index, int]]:
        ranges = [range(self.sizes[index.dim]) for index in indices]
        return [{**env, **dict(zip(indices, at, strict=True))} for at in itertools.product(*ranges)]

    def dual(self, node: Node, env: Mapping[Index, int]) -> Dual:
        match node:
            case Const(value=value):
                return float(value), 0.0
            case Extent(index=index):
                return float(self.sizes[index.dim]), 0.0
            case Position(index=index):
                return float(env[index]), 0.0
            case Delta(left=left, right=right):
                return float(self.whole(left, env) == self.whole(right, env)), 0.0
            case Iverson(operands=operands, relations=relations):
                numbers = [self.operand(operand, env) for operand in operands]
                pairs = zip(numbers, relations, numbers[1:], strict=False)
                return float(all(RELATIONS[relation](a, b) for a, relation, b in pairs)), 0.0
            case Indexed():
                return self.read(node, env)
            case Add(terms=terms):
                parts = [self.dual(term, env) for term in terms]
                return sum(v for v, _ in parts), sum(g for _, g in parts)
            case Mul(factors=factors):
                return self.product(factors, env)
            case Sum(indices=indices, body=body):
                parts = [self.dual(body, inner) for inner in self.loop(indices, env)]
                return math.fsum(v for v, _ in parts), sum((g for _, g in parts), 0.0)
            case Reduce(operation=operation, indices=indices, body=body):
                return reduced(operation, [self.dual(body, inner) for inner in self.loop(indices, env)])
            case Apply(function="pi"):
                return math.pi, 0.0
            case Apply(function="pow", arguments=(base, exponent)):
                return raised(self.dual(base, env), self.dual(exponent, env))
            case Apply(function=function, arguments=arguments):
                parts = [self.dual(argument, env) for argument in arguments]
                value, slopes = FUNCTIONS[function]
                at = [v for v, _ in parts]
                return value(*at), sum(slope(*at) * g for slope, (_, g) in zip(slopes, parts, strict=True))
            case _:
                raise AssertionError(type(node))

    def read(self, node: Indexed, env: Mapping[Index, int]) -> Dual:
        array = self.arrays[node.tensor]
        at = tuple(self.whole(slot, env) for slot in node.slots)
        if not all(0 <= k < size for k, size in zip(at, array.shape, strict=True)):
            raise IndexError(f"{node} reads outside")
        if node.tensor in self.slopes:
            return float(array[at]), self.slopes[node.tensor][at].ravel()
        if node.tensor != self.wrt:
            return float(array[at]), 0.0
        slope = np.zeros(array.shape)
        slope[at] = 1.0
        return float(array[at]), slope.ravel()

    def product(self, factors: tuple[Node, ...], env: Mapping[Index, int]) -> Dual:
        """Where a bracket is zero the product is, and nothing else is read; brackets of indices come first."""
        of_indices = [f for f in factors if isinstance(f, Delta) or (isinstance(f, Iverson) and _of_indices(f))]
        of_values = [f for f in factors if isinstance(f, Iverson) and f not in of_indices]
        if any(self.dual(bracket, env)[0] == 0 for bracket in (*of_indices, *of_values)):
            return 0.0, 0.0
        value, slope = 1.0, 0.0
        for factor in factors:
            v, g = self.dual(factor, env)
            value, slope = value * v, slope * v + value * g
        return value, slope


def _of_indices(bracket: Iverson) -> bool:
    return all(isinstance(operand, Affine | Const | Extent) for operand in bracket.operands)


def raised(base: Dual, exponent: Dual) -> Dual:
    (x, dx), (y, dy) = base, exponent
    value = x**y
    if isinstance(value, complex):
        raise ValueError("not real")
    slope = y * x ** (y - 1) * dx if isinstance(dx, np.ndarray) and y != 0 else 0.0
    return value, slope + (value * math.log(x) * dy if isinstance(dy, np.ndarray) else 0.0)


def reduced(operation: str, parts: list[Dual]) -> Dual:
    values = [v for v, _ in parts]
    if operation == "prod":
        total: Dual = (1.0, 0.0)
        for v, g in parts:
            total = total[0] * v, total[1] * v + total[0] * g
        return total
    if operation == "logsumexp" and not parts:
        return -math.inf, 0.0
    if operation == "logsumexp":
        top = max(values)
        whole = math.fsum(math.exp(v - top) for v in values)
        return top + math.log(whole), sum(math.exp(v - top) / whole * g for v, g in parts)
    if not parts:
        raise ValueError("nothing to reduce")
    if operation == "mean":
        return math.fsum(values) / len(parts), sum(g for _, g in parts) / len(parts)
    best = max(values) if operation == "max" else min(values)
    chosen = [g for v, g in parts if v == best]
    return best, sum(chosen) / len(chosen)
