"""A model as somebody writes it who has read a textbook and not this library; and in PyTorch, by hand."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from textwrap import dedent
from typing import Any

import numpy as np

Draw = Callable[[np.random.Generator], np.ndarray]


@dataclass(frozen=True, eq=False)
class Model:
    """Equations, a scalar of them, and what that scalar is in PyTorch.

    ``examples`` are the tensors whose first axis counts examples: what is cut into batches.  A model without any is a
    whole (a grid, a trajectory) and has no batches.
    """

    name: str
    text: str
    loss: str
    learn: Mapping[str, Draw]
    data: Mapping[str, Draw]
    torch: Callable[..., Any]
    rate: float
    examples: tuple[str, ...]

    def arrays(self) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """First values of the parameters, and the data; the same in every run."""
        generator = np.random.default_rng(zlib.crc32(self.name.encode()))
        made = [{name: draw(generator) for name, draw in draws.items()} for draws in (self.learn, self.data)]
        return made[0], made[1]

    def __str__(self) -> str:
        return self.name


MODELS: list[Model] = []


def model(loss: str, *, rate: float, learn: Mapping[str, Any], examples: str = "", **data: Any) -> Callable[..., Any]:
    """The function below is the model in PyTorch; its docstring is the same model as equations."""

    def enter(function: Callable[..., Any]) -> Callable[..., Any]:
        name, text = function.__name__.replace("_", " "), dedent(function.__doc__ or "").strip()
        draws = [{name: _drawn(what) for name, what in given.items()} for given in (learn, data)]
        MODELS.append(Model(name, text, loss, draws[0], draws[1], function, rate, tuple(examples.split())))
        return function

    return enter


# ---- arrays ----------------------------------------------------------------------------------------------------------


def _drawn(what: Any) -> Draw:
    return what if callable(what) else lambda generator: np.array(what)


def normal(*shape: int, scale: float = 1.0) -> Draw:
    return lambda generator: scale * generator.standard_normal(shape)


def uniform(*shape: int, low: float = 0.0, high: float = 1.0) -> Draw:
    return lambda generator: generator.uniform(low, high, shape)


def labels(classes: int, *shape: int) -> Draw:
    return lambda generator: generator.integers(0, classes, shape)


def yes_or_no(*shape: int) -> Draw:
    return lambda generator: generator.integers(0, 2, shape).astype(float)


def signs(*shape: int) -> Draw:
    return lambda generator: 2.0 * generator.integers(0, 2, shape) - 1


def counts(*shape: int) -> Draw:
    return lambda generator: generator.poisson(2.0, shape).astype(float)


def one_hot(classes: int, rows: int) -> Draw:
    return lambda generator: np.eye(classes)[generator.integers(0, classes, rows)]


def covariance(size: int) -> Draw:
    def draw(generator: np.random.Generator) -> np.ndarray:
        factor = generator.standard_normal((size, size))
        return factor @ factor.T / size + 0.5 * np.eye(size)

    return draw
