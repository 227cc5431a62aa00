"""Parts of a factored tensor: an einsum whose output may repeat a letter, which is a delta.

``δ[i,p] C[i,j,q]`` has the axes ``i, j, i, q`` and one factor over ``i, j, q``; labels are numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from einstan.library.labelled import Factor, Labels, product


class Part(NamedTuple):
    """``scale × einsum(factors)``: a label for each axis of the tensor, where one label on two axes is a delta."""

    axes: Labels
    factors: tuple[Factor, ...]
    scale: float = 1.0

    @property
    def labels(self) -> Labels:
        """The labels of the axes, each once: the axes of the core."""
        return tuple(dict.fromkeys(self.axes))

    @property
    def has_deltas(self) -> bool:
        return len(set(self.axes)) < len(self.axes)

    def sizes(self, shape: Sequence[int]) -> dict[int, int]:
        return dict(zip(self.axes, shape, strict=True))

    def core(self, shape: Sequence[int]) -> np.ndarray:
        """The product of the factors, one axis for each label; it may be a view of a factor."""
        labels = self.labels
        if len(self.factors) == 1 and self.factors[0][1] == labels:
            found = self.factors[0][0]
        else:
            found = product(self.factors, labels, self.sizes(shape))
        return found if self.scale == 1 else np.asarray(found * self.scale)

    def renamed(self, names: Mapping[int, int]) -> Part:
        def new(labels: Labels) -> Labels:
            return tuple(names.get(x, x) for x in labels)

        return Part(new(self.axes), tuple((array, new(labels)) for array, labels in self.factors), self.scale)

    def numbered(self, start: int = 0) -> Part:
        """The same with its labels counted from ``start``, those of the axes first."""
        every = dict.fromkeys((*self.axes, *(x for _, labels in self.factors for x in labels)))
        return self.renamed({x: start + k for k, x in enumerate(every)})


def merged(pairs: Iterable[tuple[int, int]]) -> dict[int, int]:
    """Labels that become equal, each with the label that speaks for its class."""
    names: dict[int, int] = {}

    def find(x: int) -> int:
        while names.get(x, x) != x:
            x = names[x]
        return x

    for a, b in pairs:
        first, second = sorted((find(a), find(b)))
        names[second] = first
    return {x: find(x) for x in names}


def contracted(
    left: Part, right: Part, meet: tuple[list[int], list[int]], kept: tuple[list[int], list[int]], shape: Sequence[int]
) -> Part:
    """The product of two parts: labels that meet are one, and what no axis has any more is summed."""
    left = left.numbered()
    count = 1 + max((x for labels in (left.axes, *(f[1] for f in left.factors)) for x in labels), default=-1)
    right = right.numbered(count)
    met = [(left.axes[a], right.axes[b]) for a, b in zip(*meet, strict=True)]
    same = merged(met)
    size = {same.get(left.axes[k], left.axes[k]): shape[k] for k in meet[0]}
    left, right = left.renamed(same), right.renamed(same)
    axes = tuple(left.axes[k] for k in kept[0]) + tuple(right.axes[k] for k in kept[1])
    factors = left.factors + right.factors
    held = {x for _, labels in factors for x in labels}.union(axes)
    free = math.prod(n for label, n in size.items() if label not in held)
    return Part(axes, factors, left.scale * right.scale * free)


def collected(parts: Iterable[Part], shape: Sequence[int]) -> list[Part]:
    """Parts whose core is one array over the same labels are added; products of smaller factors stay as they are."""
    cores: dict[Labels, Part] = {}
    rest: list[Part] = []
    for part in parts:
        part = part.numbered()
        is_core = len(part.factors) == 1 and set(part.factors[0][1]) == set(part.axes)
        if not is_core:
            rest.append(part)
        elif part.axes in cores:
            total = np.asarray(cores[part.axes].core(shape) + part.core(shape))
            cores[part.axes] = Part(part.axes, ((total, part.labels),))
        else:
            cores[part.axes] = part
    return [*cores.values(), *rest]


def subscripts(part: Part, names: Sequence[str]) -> str:
    """The einsum of a part, in the names of the axes: ``'ijq->ijiq'``."""
    letters: dict[int, str] = {}
    for label, name in zip(part.axes, names, strict=True):
        letters.setdefault(label, name)
    plain = all(len(name) == 1 for name in letters.values())
    for label in (x for _, labels in part.factors for x in labels):
        letters.setdefault(label, f"{'' if plain else 's'}{len(letters)}" if not plain else _unused(letters))
    sep = "" if plain else " "
    inputs = ",".join(sep.join(letters[x] for x in labels) for _, labels in part.factors)
    return f"{inputs}->{sep.join(letters[x] for x in part.axes)}"


def _unused(letters: Mapping[int, str]) -> str:
    taken = set(letters.values())
    every: Callable[[int], str] = lambda k: chr(ord("A") + k) if k < 26 else f"s{k}"  # noqa: E731
    return next(every(k) for k in range(len(taken) + 27) if every(k) not in taken)
