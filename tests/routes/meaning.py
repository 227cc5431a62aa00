"""What a tree means, and its derivatives: NumPy over all indices at once, in complex numbers.

Every index of an equation has an axis, every tensor one more axis in front, for directions.  An imaginary part of 1e-30
carries the derivative along a direction, exactly to rounding, because nothing is subtracted; kinks and brackets look at
the real part alone.  Without directions all is real.  Nothing is shared with the package.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from tests.routes.tree import (
    Add,
    Delta,
    Ext,
    Fun,
    Line,
    Num,
    Ones,
    Pos,
    Pow,
    Prod,
    Quot,
    Red,
    Ref,
    Slot,
    Soft,
    Test,
    Whole,
)

Array = Any
STEP = 1e-30
AXES = 14  # for indices
RELATIONS = {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal, "==": np.equal,
             "!=": np.not_equal}  # fmt: skip
ERF = np.vectorize(math.erf, otypes=[float])


def _along(value: Callable[[Array], Array], slope: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """A real function and its slope, as a function of numbers with an infinitesimal imaginary part."""
    return lambda z: value(z.real) + 1j * z.imag * slope(z.real) if np.iscomplexobj(z) else value(z)


def _sigmoid(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))


FUNCTIONS: dict[str, Callable[..., Array]] = {
    "exp": np.exp, "log": np.log, "sqrt": np.sqrt, "sin": np.sin, "cos": np.cos, "tan": np.tan, "sinh": np.sinh,
    "cosh": np.cosh, "tanh": np.tanh, "arctan": np.arctan, "sigmoid": _sigmoid,
    "softplus": _along(lambda x: np.logaddexp(0, x), _sigmoid),
    "erf": _along(lambda x: ERF(x) if x.size else x, lambda x: 2 / math.sqrt(math.pi) * np.exp(-x * x)),
    "erfc": _along(lambda x: 1 - ERF(x) if x.size else x, lambda x: -2 / math.sqrt(math.pi) * np.exp(-x * x)),
    "expm1": np.expm1, "arcsinh": np.arcsinh, "silu": lambda z: z * _sigmoid(z),
    "elu": lambda z: np.where(z.real > 0, z, np.exp(z) - 1), "softsign": lambda z: z / (1 + z * np.sign(z.real)),
    "relu": lambda z: np.where(z.real > 0, z, 0), "abs": lambda z: z * np.sign(z.real),
    "sign": lambda z: np.sign(z.real), "floor": lambda z: np.floor(z.real),
    "maximum": lambda z, w: np.where(z.real > w.real, z, np.where(z.real < w.real, w, (z + w) / 2)),
    "minimum": lambda z, w: np.where(z.real < w.real, z, np.where(z.real > w.real, w, (z + w) / 2)),
}  # fmt: skip
KINKS = {"relu", "abs", "sign", "elu", "softsign"}  # at zero, in the first derivative or in the second


class OutsideError(Exception):
    """A read outside a tensor: no program that is made here may have one."""


class Meaning:
    """The values of all tensors of a program along some directions; ``closest`` is how near a kink it came, ``tied``
    whether it was at one, and ``shared`` whether several entries were the extreme of a reduction."""

    def __init__(self, lines: tuple[Line, ...], sizes: Mapping[str, int]) -> None:
        self.lines, self.sizes = lines, sizes
        self.closest, self.tied, self.shared = math.inf, False, False
        self.tensors: dict[str, Array] = {}
        self.largest = 0.0
        self.heights: dict[str, float] = {}  # the largest number on the way to each tensor, from those that it reads

    def __call__(self, arrays: Mapping[str, Array]) -> dict[str, Array]:
        """``{name: array}``, each with the axis of directions in front."""
        self.tensors = dict(arrays)
        with np.errstate(all="ignore"):
            for line in self.lines:
                env, before, self.largest = {}, self.largest, 0.0
                for place, (name, dim) in enumerate(line.free):
                    env[name] = self.counted(place, dim)
                dims = {name: (dim, place) for place, (name, dim) in enumerate(line.free)}
                value = self.of(line.body, env, dims, len(line.free))
                lead = max(value.shape[0], 1)
                shape = tuple(self.sizes[dim] for _, dim in line.free)
                value = np.broadcast_to(value, (lead, *shape, *(1,) * (AXES - len(shape))))
                self.tensors[line.name] = value.reshape(lead, *shape)
                self.heights[line.name] = self.largest
                self.largest = max(self.largest, before)
        return {line.name: self.tensors[line.name] for line in self.lines}

    def counted(self, place: int, dim: str) -> Array:
        shape = [1] * AXES
        shape[place] = self.sizes[dim]
        return np.arange(self.sizes[dim]).reshape(shape)

    def slot(self, slot: Slot, env: Mapping[str, Array]) -> Array:
        total: Array = np.full((1,) * AXES, slot.constant)
        for atom, coefficient in slot.atoms:
            total = total + coefficient * (env[atom] if isinstance(atom, str) else self.whole(atom, env))
        return total

    def whole(self, ref: Ref | Whole | Ext, env: Mapping[str, Array]) -> Array:
        if isinstance(ref, Whole):
            return env[ref.index] // ref.divisor if ref.operation == "floor" else env[ref.index] % ref.divisor
        if isinstance(ref, Ext):
            name, _, axis = ref.of.partition(".")
            return np.full((1,) * AXES, self.tensors[name].shape[1 + int(axis)])
        return self.tensors[ref.tensor][(0, *np.broadcast_arrays(*(self.slot(s, env) for s in ref.slots)))]

    def read(self, ref: Ref, env: Mapping[str, Array]) -> Array:
        tensor = self.tensors[ref.tensor]
        if not ref.slots:
            return tensor.reshape(-1, *(1,) * AXES)
        places = np.broadcast_arrays(*(self.slot(slot, env) for slot in ref.slots))
        inside: Array = np.ones((1,) * AXES, bool)
        for place, size in zip(places, tensor.shape[1:], strict=True):
            inside = inside & (place >= 0) & (place < size)
        if ref.padded:
            if 0 in tensor.shape[1:]:
                return np.zeros((tensor.shape[0], *inside.shape))
            places = [np.clip(p, 0, size - 1) for p, size in zip(places, tensor.shape[1:], strict=True)]
            return np.where(inside, tensor[(slice(None), *places)], 0)
        if not inside.all():
            raise OutsideError(ref)
        return tensor[(slice(None), *places)]

    def near(self, left: Array, right: Array | float = 0.0) -> None:
        """Remember how near two real values come that are compared."""
        gap = np.abs(left - right)
        if not np.isfinite(gap).all():
            self.closest = 0.0  # a complex number that is infinite has no order
        gap = gap[np.isfinite(gap)]
        if gap.size:
            self.tied |= bool((gap == 0).any())
            gap = gap[gap > 0]
            self.closest = min(self.closest, float(gap.min())) if gap.size else self.closest

    def of(self, node: Any, env: Mapping[str, Array], dims: Mapping[str, tuple[str, int]], depth: int) -> Array:
        value = self._of(node, env, dims, depth)
        finite = np.abs(value[np.isfinite(value)])
        if finite.size:
            self.largest = max(self.largest, float(finite.max()))
        return value

    def _of(self, node: Any, env: Mapping[str, Array], dims: Mapping[str, tuple[str, int]], depth: int) -> Array:
        def below(each: Any) -> Array:
            return self.of(each, env, dims, depth)

        match node:
            case Num(value):
                return np.full((1,) * (AXES + 1), float(value))
            case Ext(of):
                name, _, axis = of.partition(".")
                size = self.tensors[name].shape[1 + int(axis)] if axis else self.sizes[dims[of][0]]
                return np.full((1,) * (AXES + 1), float(size))
            case Ref():
                return self.read(node, env)
            case Pos(index):
                return env[index].astype(float)[None]
            case Ones(index):
                return (env[index] * 0 + 1.0)[None]
            case Delta(left, right):
                return (self.slot(left, env) == self.slot(right, env)).astype(float)[None]
            case Test(left, relation, right):
                if isinstance(left, Slot):
                    return RELATIONS[relation](self.slot(left, env), self.slot(right, env)).astype(float)[None]
                one, other = below(left).real, below(right).real
                self.near(one, other)
                return RELATIONS[relation](one, other).astype(float)
            case Fun(name, arguments):
                values = [below(a) for a in arguments]
                if name in KINKS:
                    self.near(values[0].real)
                elif name == "floor":
                    self.near(values[0].real, np.round(values[0].real))
                elif len(values) == 2:
                    self.near(values[0].real, values[1].real)
                return FUNCTIONS[name](*values)
            case Pow(base, exponent):
                return self.power(below(base), exponent)
            case Add(terms):
                total: Array = np.zeros((1,) * (AXES + 1))
                for sign, term in terms:
                    total = total + sign * below(term)
                return total
            case Prod() | Quot():
                return self.product(node, below)
            case Red(operation, indices, body):
                env, dims = dict(env), dict(dims)
                axes = tuple(1 + depth + k for k in range(len(indices)))
                for k, (name, dim) in enumerate(indices):
                    env[name], dims[name] = self.counted(depth + k, dim), (dim, depth + k)
                value = self.of(body, env, dims, depth + len(indices))
                shape = list(value.shape)
                for axis, (_, dim) in zip(axes, indices, strict=True):
                    shape[axis] = self.sizes[dim]
                return self.reduced(operation, np.broadcast_to(value, shape), axes)
            case Soft((name, dim), body):
                axis = 1 + dims[name][1]
                value = below(body)
                shape = list(value.shape)
                shape[axis] = self.sizes[dim]
                value = np.broadcast_to(value, shape)
                power = np.exp(value - value.real.max(axis=axis, keepdims=True))
                return power / power.sum(axis=axis, keepdims=True)
            case _:
                raise AssertionError(node)

    def power(self, base: Array, exponent: Fraction) -> Array:
        if exponent.denominator != 1:
            return np.exp(float(exponent) * np.log(base))
        result: Array = np.ones_like(base)
        for _ in range(abs(int(exponent))):
            result = result * base
        return 1 / result if exponent < 0 else result

    def product(self, node: Prod | Quot, below: Callable[[Any], Array]) -> Array:
        """A product is zero where a bracket is, whatever the other factors are there."""
        factors = _factors(node)
        brackets = [below(f) for f in factors if isinstance(f, Test | Delta)]
        others: Array = np.ones((1,) * (AXES + 1))
        for factor in factors:
            if not isinstance(factor, Test | Delta):
                others = others * below(factor)
        if not brackets:
            return others
        holds: Array = brackets[0].real != 0
        for bracket in brackets[1:]:
            holds = holds & (bracket.real != 0)
        return np.where(holds, others, 0)

    def reduced(self, operation: str, value: Array, axes: tuple[int, ...]) -> Array:
        match operation:
            case "sum":
                return value.sum(axis=axes, keepdims=True)
            case "mean":
                return value.mean(axis=axes, keepdims=True)
            case "prod":
                return value.prod(axis=axes, keepdims=True)
            case "logsumexp":
                top = value.real.max(axis=axes, keepdims=True)
                return top + np.log(np.exp(value - top).sum(axis=axes, keepdims=True))
            case "max" | "min":
                sign = 1 if operation == "max" else -1
                top = (sign * value.real).max(axis=axes, keepdims=True)
                gaps = top - sign * value.real
                ties = (gaps == 0).sum(axis=axes, keepdims=True)
                self.shared |= bool((ties > 1).any())
                self.tied |= self.shared
                if (gaps > 0).any():
                    self.closest = min(self.closest, float(gaps[gaps > 0].min()))
                shared = np.where(gaps == 0, value, 0).sum(axis=axes, keepdims=True) / ties
                return np.where(
                    np.isfinite(shared), sign * top + 1j * shared.imag, shared
                )  # not a mean that is rounded
            case _:
                raise AssertionError(operation)


def _factors(node: Any) -> list[Any]:
    match node:
        case Prod(factors):
            return [inner for factor in factors for inner in _factors(factor)]
        case Quot(top, bottom):
            return [*_factors(top), Pow(bottom, Fraction(-1))]
        case _:
            return [node]
