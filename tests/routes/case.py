"""A random program with its data, and everything about it that is computed from its tree."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import numpy as np

from tests.routes.meaning import STEP, Meaning
from tests.routes.tree import Delta, Ext, Line, Ref, Test, children, nodes

Array = Any


@dataclass(frozen=True, eq=False)
class Case:
    """``inputs`` has the dimensions of each tensor that is given, ``integers`` what the entries of some of them index.

    ``wrt`` are the inputs that ``loss`` is differentiated by.
    """

    lines: tuple[Line, ...]
    sizes: Mapping[str, int]
    inputs: Mapping[str, tuple[str, ...]]
    integers: Mapping[str, str]
    dtype: str
    loss: str
    data_seed: int = 0
    positive: frozenset[str] = frozenset()
    features: frozenset[str] = field(default=frozenset())
    after: Mapping[str, tuple[str, int]] = field(default_factory=dict)  # so much longer than another

    @property
    def text(self) -> str:
        return "\n".join(map(str, self.lines))

    def with_sizes(self, sizes: Mapping[str, int], seed: int) -> Case:
        sizes = dict(sizes)
        for dim, (other, more) in self.after.items():
            sizes[dim] = sizes[other] + more
        return replace(self, sizes=sizes, data_seed=seed)

    @cached_property
    def data(self) -> dict[str, Array]:
        """Sixteenths, all different in one tensor, so that both precisions hold them and nothing is tied."""
        rng = random.Random(f"data {self.data_seed}")
        made = {}
        for name, dims in self.inputs.items():
            shape = tuple(self.sizes[dim] for dim in dims)
            count = int(np.prod(shape))
            if name in self.integers:
                entries = [rng.randrange(self.sizes[self.integers[name]]) for _ in range(count)]
                made[name] = np.array(entries, dtype=np.int64).reshape(shape)
            else:
                low = 4 if name in self.positive else -28
                width = max(28 - low, 2 * count)
                numbers = rng.sample([k for k in range(low, low + width) if k], count)
                made[name] = (np.array(numbers, dtype=np.float64) / 16).astype(self.dtype).reshape(shape)
        return made

    @cached_property
    def floats(self) -> tuple[str, ...]:
        return tuple(name for name in self.inputs if name not in self.integers)

    @cached_property
    def ranks(self) -> dict[str, int]:
        return {**{n: len(d) for n, d in self.inputs.items()}, **{line.name: len(line.free) for line in self.lines}}

    @cached_property
    def by_name(self) -> dict[str, Line]:
        return {line.name: line for line in self.lines}

    @cached_property
    def smooth_reads(self) -> dict[str, set[str]]:
        """The tensors that the value of a line rests on; not those that are only compared or only stand in slots."""
        return {line.name: _entering(line.body) for line in self.lines}

    def behind(self, name: str) -> set[str]:
        """All tensors that this one rests on by values."""
        found: set[str] = set()
        queue = [name]
        while queue:
            for other in self.smooth_reads.get(queue.pop(), ()):
                if other not in found:
                    found.add(other)
                    queue.append(other)
        return found

    @cached_property
    def wrt(self) -> tuple[str, ...]:
        behind = self.behind(self.loss)
        return tuple(name for name in self.floats if name in behind)

    @cached_property
    def reads(self) -> set[str]:
        """Every tensor that some line reads, be it a size alone."""
        found = set()
        for line in self.lines:
            for node in nodes(line.body):
                found |= {node.tensor} if isinstance(node, Ref) else set()
                found |= {node.of.partition(".")[0]} if isinstance(node, Ext) and "." in node.of else set()
            found |= {size.strip("|").partition(".")[0] for _, size in line.where if "." in size}
        return found

    # ---- the meaning -------------------------------------------------------------------------------------------------

    def meaning(self) -> Meaning:
        return Meaning(self.lines, self.sizes, {})

    @cached_property
    def _entries(self) -> list[tuple[str, tuple[int, ...]]]:
        return [(name, place) for name in self.floats for place in np.ndindex(self.data[name].shape)]

    @cached_property
    def plain(self) -> Meaning:
        """The values by themselves; their imaginary parts are zero."""
        found = self.meaning()
        found({name: np.asarray(a)[None] + (0 if name in self.integers else 0j) for name, a in self.data.items()})
        return found

    @cached_property
    def values(self) -> dict[str, Array]:
        return {line.name: self.plain.tensors[line.name].real[0] for line in self.lines}

    def slopes(self, data: Mapping[str, Array]) -> tuple[dict[str, dict[str, Array]], Meaning]:
        """``{of: {wrt: array}}``: every tensor by every entry of every input that is a float."""
        entries, count = self._entries, max(len(self._entries), 1)
        given = {}
        for name, array in data.items():
            lead = 1 if name in self.integers else count
            given[name] = np.repeat(np.asarray(array)[None], lead, axis=0) + (0 if name in self.integers else 0j)
        for row, (name, place) in enumerate(entries):
            given[name][(row, *place)] += 1j * STEP
        found = self.meaning()
        found(given)
        result: dict[str, dict[str, Array]] = {}
        for line in self.lines:
            value = found.tensors[line.name]
            value = np.broadcast_to(value, (count, *value.shape[1:])).imag / STEP
            result[line.name], row = {}, 0
            for name in self.floats:
                shape = np.shape(data[name])
                size = int(np.prod(shape))
                block = np.moveaxis(value[row : row + size], 0, -1)
                result[line.name][name] = block.reshape((*value.shape[1:], *shape))
                row += size
        return result, found

    @cached_property
    def jacobians(self) -> dict[str, dict[str, Array]]:
        return self.slopes(self.data)[0]

    def gradient(self, wrt: str, loss: str | None = None) -> Array:
        return self.jacobians[loss or self.loss][wrt]

    def gradients_at(self, params: Mapping[str, Array]) -> dict[str, Array]:
        """The gradients of the loss where some inputs are others."""
        return self.slopes({**self.data, **params})[0][self.loss]

    def hessian_product(self, directions: Mapping[str, Array]) -> dict[str, Array]:
        """Central differences of exact gradients, four of them, so that the error is of the order h^4."""
        total: dict[str, Array] = dict.fromkeys(directions, 0.0)
        h = 2e-3
        for factor, weight in ((1, 8), (-1, -8), (2, -1), (-2, 1)):
            there = {n: np.asarray(self.data[n], float) + factor * h * v for n, v in directions.items()}
            found = self.gradients_at(there)
            for name in total:
                total[name] = total[name] + weight * found[name] / (12 * h)
        return total

    @cached_property
    def magnitude(self) -> float:
        """The largest number on the way to a value or to a derivative."""
        tops = [self.plain.largest]
        tops += [float(np.abs(a).max()) for of in self.jacobians.values() for a in of.values() if a.size]
        return max(tops)

    @cached_property
    def finite(self) -> bool:
        return all(np.isfinite(value).all() for value in self.values.values())

    @cached_property
    def derivable(self) -> bool:
        """Whether the loss and its gradient are finite."""
        return bool(np.isfinite(self.values[self.loss]).all()) and all(
            np.isfinite(self.gradient(name)).all() for name in self.wrt
        )

    def __repr__(self) -> str:
        return f"Case({', '.join(f'{each.name}={getattr(self, each.name)!r}' for each in fields(self))})"


def _entering(body: Any) -> set[str]:
    found, queue = set(), [body]
    while queue:
        node = queue.pop()
        if isinstance(node, Ref):
            found.add(node.tensor)
        elif not isinstance(node, Test | Delta):
            queue += children(node)
    return found
