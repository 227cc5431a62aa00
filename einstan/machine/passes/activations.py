"""Functions of single entries recognised: GELU and SiLU, and cotangents times their derivatives."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from einstan.language.term import ZERO
from einstan.machine.passes.rewritten import Drawn, Part, Rewritten
from einstan.machine.passes.sampled import Array, along, entries
from einstan.machine.sizes.operations import Kernel, Labels, Ref

TRANSCENDENTAL = ("erf", "erfc", "tanh", "sigmoid", "exp")


class Activations:
    """Those of a graph."""

    def __init__(self, graph: Rewritten) -> None:
        self.all = graph

    def forward(self) -> None:
        for value in self.all.order:
            self.activation(value, ACTIVATIONS)

    def backward(self) -> None:
        for value in self.all.order:
            self.activation(value, DERIVATIVES)

    def activation(self, anchor: int, kernels: Mapping[str, Callable[[Array], Array]]) -> None:
        """GELU and SiLU of a value, or a cotangent times their derivatives."""
        operation = self.all.operation(anchor)
        steps = self.is_step(anchor)
        if operation.kind != "map" or not (steps or operation.detail[0] in TRANSCENDENTAL):
            return
        u = operation.operands[0].value if steps else self.base(operation.operands[0].value)
        rank = len(self.all.operation(u).out)
        if rank == 0 or self.all.graph.type(u) != "float":
            return
        through = {value for value in self.all.above([u], rank) if value != u} | {
            value for value in self.all.instead
            if any(self.all.is_kernel(value, name) for name in ACTIVATIONS)
            and [ref.value for ref in self.all.operation(self.all.held(value)).operands] == [u]
        }  # fmt: skip
        for value in self.all.above([anchor], rank):
            out = self.all.operation(value).out
            found = (
                self.all.part(value, through, [u], (">", "select") if steps else ("abs",))
                if value not in self.all.instead
                else None
            )
            if found is None or u not in found.leaves or len(found.leaves) != (1 if kernels is ACTIVATIONS else 2):
                continue
            if any(sorted(labels) != sorted(out) for labels in found.leaves.values()):
                continue
            compared = {each for each in found.inner if self.all.graph.type(each) == "bool"}
            if compared != ({anchor} if steps else set()):
                continue
            leaves = sorted(found.leaves, key=lambda leaf: leaf == u)
            for name, function in kernels.items():

                def formula(d: Drawn, function: Any = function, found: Part = found, out: Labels = out) -> Array:
                    *up, x = (along(d[leaf], found.leaves[leaf], out) for leaf in leaves)  # noqa: B023
                    return math.prod(up, start=function(x))

                if self.all.agrees(value, leaves, formula) and self.sides(found, u):
                    refs = [Ref(leaf, found.leaves[leaf]) for leaf in leaves]
                    kernel = Kernel(name, (), (out,) * len(leaves))
                    self.all.instead[value] = self.all.add("kernel", kernel, refs, out, found.dims, value)
                    break

    def sides(self, found: Part, u: int) -> bool:
        """Whether whatever a part takes the size of has been positive and negative."""
        for value in found.inner:
            operation = self.all.operation(value)
            if operation.kind == "map" and operation.detail == ("abs",):
                signs = set()
                for look, known in enumerate(self.all.small):
                    drawn = {u: self.all.drawn(u, known, np.random.default_rng(look))}
                    signs |= set(np.sign(entries(self.all.graph, operation.operands[0].value, drawn, known)).ravel())
                if not signs >= {1.0, -1.0}:
                    return False
        return True

    def is_step(self, value: int) -> bool:
        """Whether a value is where another is positive."""
        operation = self.all.operation(value)
        if operation.kind != "map" or operation.detail != (">",):
            return False
        bound = self.all.operation(operation.operands[1].value)
        return bound.kind == "number" and bound.detail is ZERO

    def base(self, value: int) -> int:
        """What a value is a function of, entry by entry, where that is one value."""
        while True:
            operation = self.all.operation(value)
            values = {ref.value for ref in operation.operands if not self.all.is_plain(ref.value)}
            local = operation.kind in ("map", "contract") and not operation.summed and value not in self.all.instead
            bases = {self.base(each) for each in values} if local and len(values) > 1 else values
            if not local or len(bases) != 1:
                return value
            (value,) = bases


def _tanh_gelu(x: Array, slope: bool = False) -> Array:
    root, cubic = math.sqrt(2 / math.pi), 0.044715
    t = np.tanh(root * (x + cubic * x**3))
    return (1 + t) / 2 + x * (1 - t**2) * root * (1 + 3 * cubic * x**2) / 2 if slope else x * (1 + t) / 2


_ERF = np.vectorize(math.erf, otypes=[float])
_SIGMOID = lambda x: 1 / (1 + np.exp(-x))  # noqa: E731
ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "gelu": lambda x: x * (1 + _ERF(x / math.sqrt(2))) / 2,
    "gelu_tanh": _tanh_gelu,
    "silu_kernel": lambda x: x * _SIGMOID(x),
}
DERIVATIVES: dict[str, Callable[[Array], Array]] = {
    "gelu_backward": lambda x: (1 + _ERF(x / math.sqrt(2))) / 2 + x * np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi),
    "gelu_tanh_backward": lambda x: _tanh_gelu(x, True),
    "relu_backward": lambda x: 1.0 * (x > 0),
    "silu_backward": lambda x: _SIGMOID(x) * (1 + x * _SIGMOID(-x)),
}
