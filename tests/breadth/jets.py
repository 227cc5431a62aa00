"""Jets: arrays that carry their first and second derivatives by every variable, in plain NumPy.

An oracle that shares nothing with the library: a formula is written by hand on jets, and the chain rule is Taylor's
formula to second order.  ``Jet(value, first, second)`` has the axes of the value, then one or two axes over all
variables.  `variables` makes the jets of the inputs.
"""

from __future__ import annotations

import math

import numpy as np


class Jet:
    __array_ufunc__ = None  # NumPy leaves the operators to this class

    def __init__(self, value, first, second):
        self.value, self.first, self.second = value, first, second

    @property
    def shape(self):
        return self.value.shape

    def __getitem__(self, key):
        """Indexing of the value's axes: no ellipsis."""
        return Jet(self.value[key], self.first[key], self.second[key])

    def __add__(self, other):
        a, b = _aligned(self, other)
        return Jet(a.value + b.value, a.first + b.first, a.second + b.second)

    def __mul__(self, other):
        a, b = _aligned(self, other)
        v, w = a.value[..., None], b.value[..., None]
        cross = a.first[..., :, None] * b.first[..., None, :]
        return Jet(
            a.value * b.value,
            a.first * w + v * b.first,
            a.second * w[..., None] + v[..., None] * b.second + cross + np.swapaxes(cross, -1, -2),
        )

    def __neg__(self):
        return self * -1.0

    def __sub__(self, other):
        return self + -1.0 * other

    def __rsub__(self, other):
        return other + -1.0 * self

    def __truediv__(self, other):
        return self * power(other, -1) if isinstance(other, Jet) else self * (1 / np.asarray(other, float))

    def __rtruediv__(self, other):
        return other * power(self, -1)

    __radd__, __rmul__ = __add__, __mul__

    def sum(self, *axes):
        axes = axes or tuple(range(self.value.ndim))
        return Jet(self.value.sum(axes), self.first.sum(axes), self.second.sum(axes))


def variables(arrays):
    """The inputs as jets: variable number k is the k-th entry of all of them together."""
    count = sum(array.size for array in arrays.values())
    jets, start = {}, 0
    for name, array in arrays.items():
        first = np.zeros((array.size, count))
        first[:, start : start + array.size] = np.eye(array.size)
        jets[name] = Jet(array, first.reshape((*array.shape, count)), np.zeros((*array.shape, count, count)))
        start += array.size
    return jets


def blocks(jet, arrays):
    """The first and second derivatives by name, with the axes of the inputs."""
    places, start = {}, 0
    for name, array in arrays.items():
        places[name] = slice(start, start + array.size), array.shape
        start += array.size
    first = {a: jet.first[..., at].reshape((*jet.shape, *shape)) for a, (at, shape) in places.items()}
    second = {
        (a, b): jet.second[..., at, on].reshape((*jet.shape, *shape, *other))
        for a, (at, shape) in places.items()
        for b, (on, other) in places.items()
    }
    return first, second


def _aligned(a, b):
    """Two jets of one rank; a plain array is constant."""
    if not isinstance(b, Jet):
        b = np.asarray(b, float)
        b = Jet(b, np.zeros((*b.shape, a.first.shape[-1])), np.zeros((*b.shape, *a.second.shape[-2:])))
    rank = max(a.value.ndim, b.value.ndim)
    return _raised(a, rank), _raised(b, rank)


def _raised(jet, rank):
    return jet[(None,) * (rank - jet.value.ndim)] if jet.value.ndim < rank else jet


def _by(x, value, slope, curvature):
    """f(x), from f, f' and f'' at its value."""
    slope = slope[..., None]
    outer = x.first[..., :, None] * x.first[..., None, :]
    return Jet(value, slope * x.first, slope[..., None] * x.second + curvature[..., None, None] * outer)


# ---- functions -------------------------------------------------------------------------------------------------------


def exp(x):
    e = np.exp(x.value)
    return _by(x, e, e, e)


def log(x):
    return _by(x, np.log(x.value), 1 / x.value, -1 / x.value**2)


def power(x, k):
    v = x.value
    return _by(x, v**k, k * v ** (k - 1), k * (k - 1) * v ** (k - 2))


def sqrt(x):
    return power(x, 0.5)


def tanh(x):
    t = np.tanh(x.value)
    return _by(x, t, 1 - t**2, -2 * t * (1 - t**2))


def erf(x):
    v = np.vectorize(math.erf)(x.value)
    slope = 2 / math.sqrt(math.pi) * np.exp(-(x.value**2))
    return _by(x, v, slope, -2 * x.value * slope)


def absolute(x):
    return _by(x, np.abs(x.value), np.sign(x.value), np.zeros(x.shape))


def where(condition, x, y):
    """A choice between two jets of one shape by an array of bools."""
    some = np.asarray(condition)
    return Jet(
        np.where(some, x.value, y.value),
        np.where(some[..., None], x.first, y.first),
        np.where(some[..., None, None], x.second, y.second),
    )


def contract(text, a, b):
    """``np.einsum`` of two operands, one or both of them jets."""
    inputs, out = text.split("->")
    left, right = inputs.split(",")
    if not isinstance(a, Jet):
        return contract(f"{right},{left}->{out}", b, a)
    if not isinstance(b, Jet):
        b = a[(0,) * a.value.ndim] * 0.0 + b
    cross = np.einsum(f"{left}Y,{right}Z->{out}YZ", a.first, b.first)
    return Jet(
        np.einsum(text, a.value, b.value),
        np.einsum(f"{left}Y,{right}->{out}Y", a.first, b.value)
        + np.einsum(f"{left},{right}Y->{out}Y", a.value, b.first),
        np.einsum(f"{left}YZ,{right}->{out}YZ", a.second, b.value)
        + np.einsum(f"{left},{right}YZ->{out}YZ", a.value, b.second)
        + cross
        + np.swapaxes(cross, -1, -2),
    )
