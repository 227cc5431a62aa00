"""Metrics: a name, the tensors that they read, and a function of their arrays.

    accuracy(S="S", Y="Y")      the share of rows whose largest entries agree
    error(O="O", Y="Y")         the mean absolute difference

A metric of one's own is a `Metric` with any function.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from einstan.language.arguments import blamed_methods, checked


@blamed_methods()
@dataclass(frozen=True)
class Metric:
    """``compute(*arrays of the tensors) -> float``; ``larger_is_better`` is what early stopping goes by.

    Examples:
        >>> error = es.Metric("error", ("Z", "y"), lambda Z, y: np.abs(Z - y).mean(), larger_is_better=False)
        >>> net = es.Network("Z[n] = X[n,K] w[K]", "L = 1/|N| (Z[N] - y[N])^2", parameters={"w": "zeros"})
        >>> data = {"X": np.eye(4), "y": np.ones(4)}
        >>> es.fit(net, "L", data, validation=data, epochs=2, optimiser=es.SGD(1.0), metrics=[error])["val_error"]
        [0.5, 0.25]
    """

    name: str
    tensors: tuple[str, ...]
    compute: Callable[..., float]
    larger_is_better: bool = True


@checked
def accuracy(S: str = "S", Y: str = "Y") -> Metric:
    """The share of rows in which the largest of ``S[n,c]`` is the largest of ``Y[n,c]``.

    Examples:
        >>> metric = es.accuracy(S="S", Y="Y")
        >>> metric.compute(np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([[1, 0], [1, 0]]))
        0.5
    """
    return Metric("accuracy", (S, Y), share_of_matches)


def share_of_matches(scores: NDArray[Any], labels: NDArray[Any]) -> float:
    """The share of rows whose largest entry is in the same place; one-dimensional labels are class numbers."""
    truth = labels.argmax(axis=-1) if labels.ndim > 1 else labels
    return float(np.mean(scores.argmax(axis=-1) == truth)) if len(scores) else float("nan")


@checked
def error(O: str = "O", Y: str = "Y") -> Metric:
    """The mean absolute difference of ``O`` and ``Y``."""
    return Metric("error", (O, Y), lambda output, target: float(np.mean(np.abs(output - target))), False)


def confusion(scores: NDArray[Any], labels: NDArray[Any], classes: int) -> NDArray[Any]:
    """``table[t, p]``: how many rows of class ``t`` were taken for class ``p``."""
    truth = labels.argmax(axis=-1) if labels.ndim > 1 else labels
    table = np.zeros((classes, classes), dtype=int)
    np.add.at(table, (truth, scores.argmax(axis=-1)), 1)
    return table
