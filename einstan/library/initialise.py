"""First values of parameters: He, Glorot, zeros, ones and their like.

An initialiser is any function ``(shape, generator) -> array``.  The last axis of a weight is taken as its output and
the others as its input, as in ``Z[n,j] = X[n,K] W[K,j]``.  Every parameter draws from a generator of its own, made of
the seed and its name, so its values do not depend on which other parameters there are or in which order they come.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from einstan.language.arguments import shown
from einstan.language.errors import DataError, nearest

Shape = tuple[int, ...]
Initialiser = Callable[[Shape, "np.random.Generator"], NDArray[Any]]


def fans(shape: Shape) -> tuple[int, int]:
    """The numbers of inputs and outputs of a weight: all axes but the last, and the last."""
    if not shape:
        return 1, 1
    return max(math.prod(shape[:-1]), 1), max(shape[-1], 1)


def zeros(shape: Shape, generator: np.random.Generator) -> NDArray[Any]:
    return np.zeros(shape)


def ones(shape: Shape, generator: np.random.Generator) -> NDArray[Any]:
    return np.ones(shape)


def he(shape: Shape, generator: np.random.Generator) -> NDArray[Any]:
    """Normal with variance 2 / inputs, for relu (He, Zhang, Ren and Sun, 2015)."""
    return generator.standard_normal(shape) * math.sqrt(2 / fans(shape)[0])


def he_first(shape: Shape, generator: np.random.Generator) -> NDArray[Any]:
    """`he` for a weight whose first axis is its output, as in ``Y[n,j,p] = X[n,I,p+R] W[j,I,R]``."""
    return np.moveaxis(he((*shape[1:], shape[0]), generator), -1, 0)


def he_second(shape: Shape, generator: np.random.Generator) -> NDArray[Any]:
    """`he` for a weight whose second axis is its output, as in a transposed convolution."""
    return np.moveaxis(he((shape[0], *shape[2:], shape[1]), generator), -1, 1)


def lecun(shape: Shape, generator: np.random.Generator) -> NDArray[Any]:
    """Normal with variance 1 / inputs (LeCun, Bottou, Orr and Müller, 1998)."""
    return generator.standard_normal(shape) * math.sqrt(1 / fans(shape)[0])


def glorot(shape: Shape, generator: np.random.Generator) -> NDArray[Any]:
    """Uniform with variance 2 / (inputs + outputs), for tanh and sigmoid (Glorot and Bengio, 2010)."""
    bound = math.sqrt(6 / sum(fans(shape)))
    return generator.uniform(-bound, bound, shape)


def constant(value: float) -> Initialiser:
    return lambda shape, generator: np.full(shape, float(value))


def normal(deviation: float = 1.0) -> Initialiser:
    return lambda shape, generator: generator.standard_normal(shape) * deviation


def uniform(low: float = 0.0, high: float = 1.0) -> Initialiser:
    return lambda shape, generator: generator.uniform(low, high, shape)


NAMED: dict[str, Initialiser] = {
    "zeros": zeros, "ones": ones, "normal": normal(), "he": he, "lecun": lecun, "glorot": glorot,
}  # fmt: skip


def initialiser(choice: str | Initialiser) -> Initialiser:
    """An initialiser by its name, or as it is."""
    if callable(choice):
        return choice
    if not isinstance(choice, str) or choice not in NAMED:
        raise DataError(
            f"there is no initialiser {shown(choice)}",
            inferred=f"the initialisers are {', '.join(NAMED)}",
            repair=nearest(str(choice), NAMED) or "give one of these, or a function (shape, generator) -> array",
        )
    return NAMED[choice]


def draw(name: str, shape: Shape, choice: str | Initialiser, seed: int, dtype: DTypeLike) -> NDArray[Any]:
    """The first value of the parameter ``name``: drawn in float64 and then rounded, so that dtypes agree."""
    generator = np.random.default_rng([seed, *name.encode()])
    value = np.asarray(initialiser(choice)(shape, generator))
    if value.shape != shape:
        raise DataError(
            f"the initialiser of {name} gave shape {value.shape}, where {shape} is needed",
            repair="return an array of the shape that it is called with",
        )
    return value.astype(dtype)
