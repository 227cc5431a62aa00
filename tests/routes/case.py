"""A random program with its data, and everything about it that is computed from its tree."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import numpy as np

from tests.routes.meaning import Meaning
from tests.routes.meant import Meant
from tests.routes.tree import Delta, Ext, Line, Ref, Test, children, nodes

Array = Any


@dataclass(frozen=True, eq=False)
class Case(Meant):
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
                dtype = rng.choice(("float64", "float32")) if self.dtype == "mixed" else self.dtype
                made[name] = (np.array(numbers, dtype=np.float64) / 16).astype(dtype).reshape(shape)
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

    def evaluated(self, given: Mapping[str, Array]) -> Meaning:
        found = Meaning(self.lines, self.sizes)
        found(given)
        return found

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
