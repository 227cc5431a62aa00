"""The classifier of several scripts: a multilayer perceptron with relu, softmax and cross-entropy, and its data."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np


@dataclass
class Perceptron:
    """A batch and the widths of the layers; the data are the same for all contenders."""

    batch: int
    widths: tuple[int, ...]
    dtype: str

    def __post_init__(self) -> None:
        rng = np.random.default_rng(0)
        self.params: dict[str, Any] = {}
        for layer, (rows, columns) in enumerate(pairwise(self.widths), 1):
            self.params[f"W{layer}"] = (rng.standard_normal((rows, columns)) * np.sqrt(2 / rows)).astype(self.dtype)
            self.params[f"b{layer}"] = (rng.standard_normal(columns) * 0.1).astype(self.dtype)
        self.X = rng.random((self.batch, self.widths[0])).astype(self.dtype)
        self.Y = np.eye(self.widths[-1], dtype=self.dtype)[rng.integers(self.widths[-1], size=self.batch)]
        self.depth = len(self.widths) - 1


def network(case: Perceptron) -> Any:
    """The perceptron, of Einstan's layers."""
    from einstan.layers import cross_entropy, dense, relu, softmax
    from einstan.library.network import Network

    members, source = [], "X"
    for layer in range(1, case.depth + 1):
        last = layer == case.depth
        members.append(dense("Z" if last else f"H{layer}", X=source, W=f"W{layer}", b=f"b{layer}"))
        if not last:
            members.append(relu(f"A{layer}", Z=f"H{layer}"))
            source = f"A{layer}"
    return Network(*members, softmax("S", Z="Z"), cross_entropy("L", S="S", Y="Y"))
