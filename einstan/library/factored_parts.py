"""Parts of a factored tensor: an einsum whose output may repeat a letter, which is a delta.

``δ[i,p] C[i,j,q]`` has the axes ``i, j, i, q`` and one factor over ``i, j, q``; labels are numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from einstan.library.factored_links import Box, Link, boxes, looped, span
from einstan.library.labelled import Factor, Labels, once_each, product
from einstan.machine.sizes.memory import refuse_more

MANY = 1 << 13  # boxes


class Part(NamedTuple):
    """``scale × einsum(factors)``: a label for each axis of the tensor, where one label on two axes is a delta.

    Where labels are linked it is that where all links hold, and zero elsewhere.

    Examples:
        >>> (part,) = es.Program("y[i] = x[i]^2").jacobian("y", "x")(x=[1.0, 2.0]).parts
        >>> part.axes, part.labels, part.held, part.linked, part.has_deltas, part.scale, part.dtype
        ((0, 0), (0,), {0}, set(), True, 1.0, dtype('float64'))
    """

    axes: Labels
    factors: tuple[Factor, ...]
    scale: float = 1.0
    links: tuple[Link, ...] = ()

    @property
    def labels(self) -> Labels:
        """The labels of the axes, each once: the axes of the core."""
        return tuple(dict.fromkeys(self.axes))

    @property
    def has_deltas(self) -> bool:
        """Whether a label stands on two axes."""
        return len(set(self.axes)) < len(self.axes)

    @property
    def held(self) -> set[int]:
        """The labels of axes and factors."""
        return {x for _, labels in self.factors for x in labels}.union(self.axes)

    @property
    def linked(self) -> set[int]:
        """The labels that links hold."""
        return {x for link in self.links for x, _ in link.terms}

    def sizes(self, shape: Sequence[int]) -> dict[int, int]:
        return dict(zip(self.axes, shape, strict=True))

    def every_size(self, shape: Sequence[int]) -> dict[int, int]:
        """The extents of all labels, in order."""
        found = self.sizes(shape)
        for array, labels in self.factors:
            found.update(zip(labels, array.shape, strict=True))
        return dict(sorted({**span(self.links), **found}.items()))

    def core(self, shape: Sequence[int]) -> np.ndarray:
        """The product of the factors, one axis for each label; it may be a view of a factor."""
        labels = self.labels
        if self.links:
            size = self.sizes(shape)
            found = np.zeros([size[x] for x in labels], self.dtype)
            self._replace(axes=labels).add_to(found)
            return found
        if len(self.factors) == 1 and self.factors[0][1] == labels:
            found = self.factors[0][0]
        else:
            found = product(self.factors, labels, self.sizes(shape))
        return found if self.scale == 1 else np.asarray(found * self.scale)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the product."""
        return np.result_type(*(array for array, _ in self.factors)) if self.factors else np.dtype(np.float64)

    def boxes(self, shape: Sequence[int]) -> tuple[Box, ...]:
        """Plain parts that it is made up of; their arrays are those of `within`."""
        factors = tuple(labels for _, labels in self.factors)
        return boxes(self.axes, factors, self.links, tuple(self.every_size(shape).items()))

    def within(self, box: Box) -> Part:
        """The part in a box."""
        reads = zip(self.factors, box.reads, strict=True)
        return Part(
            box.axes,
            tuple((array[(*keys, ...)], labels) for (array, _), (keys, labels) in reads),
            self.scale * box.times,
        )

    def reduced(self, shape: Sequence[int]) -> Part:
        """The same with links used up one after the other, where what each leaves is one array: a product with
        ``Jᵀ J`` is one with J and one with Jᵀ.  Where still too many boxes would be left, bands are written out."""
        part, size = self, self.every_size(shape)
        written = False
        while len(part.links) > 1:
            found = next((one for link in part.links if (one := part._behind(link, size, written)) is not None), None)
            if found is None:
                if written or part.steps(shape) <= MANY:
                    break
                written = True
                continue
            inner, inside, used = found
            sizes = [size[x] for x in inner.axes]
            refuse_more("a band that is written out", math.prod(sizes) * inner.dtype.itemsize, "use its products")
            made = inner.core(sizes), inner.axes
            factors = tuple(f for k, f in enumerate(part.factors) if k not in inside)
            part = part._replace(factors=(*factors, made), links=tuple(each for each in part.links if each not in used))
        return part

    def _behind(self, link: Link, size: Mapping[int, int], written: bool) -> tuple[Part, list[int], list[Link]] | None:
        """What a link and the factors behind it are: a part over the labels that others need."""
        labels = {x for x, _ in link.terms}
        used = [each for each in self.links if {x for x, _ in each.terms} <= labels]
        others = {x for each in self.links if each not in used for x, _ in each.terms}.union(self.axes)
        own = labels - others
        inside = [k for k, (_, held) in enumerate(self.factors) if own & set(held)]
        outside = others | {x for k, (_, held) in enumerate(self.factors) if k not in inside for x in held}
        seen = labels.union(*(self.factors[k][1] for k in inside))
        left = tuple(sorted(seen & outside))
        if len(labels) < 2 or not own or not inside or (not written and len(labels & set(left)) > 1):
            return None
        if len(inside) == len(self.factors) and len(used) == len(self.links):
            return None  # which is all of it
        spans = tuple(Link(((x, 1),), 0, size[x]) for x in sorted(labels & set(left)))
        inner = Part(left, tuple(self.factors[k] for k in inside), 1.0, (*used, *spans))
        return inner, inside, used

    def steps(self, shape: Sequence[int]) -> int:
        """How many boxes it takes at most."""
        size = self.every_size(shape)
        return math.prod(size[x] for x in looped(self.links, size))

    def add_to(self, out: np.ndarray) -> None:
        """Added to an array of the tensor's shape, box by box."""
        part = self.reduced(out.shape)
        for box in part.boxes(out.shape):
            there = out[(*box.place, ...)]
            plain = part.within(box)
            core = plain.core(there.shape)
            if plain.has_deltas:
                there = once_each((there, plain.axes))[0]
            there += core

    def renamed(self, names: Mapping[int, int]) -> Part:
        def new(labels: Labels) -> Labels:
            return tuple(names.get(x, x) for x in labels)

        factors = tuple((array, new(labels)) for array, labels in self.factors)
        return Part(new(self.axes), factors, self.scale, tuple(link.renamed(names) for link in self.links))

    def numbered(self, start: int = 0) -> Part:
        """The same with its labels counted from ``start``, those of the axes first."""
        every = dict.fromkeys((*self.axes, *(x for _, labels in self.factors for x in labels)))
        every |= dict.fromkeys(x for link in self.links for x, _ in link.terms)
        return self.renamed({x: start + k for k, x in enumerate(every)})

    def without(self, sizes: Mapping[int, int]) -> Part:
        """The part when labels of these sizes have left its axes: what nothing holds any more counts its values."""
        gone = {x: n for x, n in sizes.items() if x not in self.held}
        linked = self.linked
        spans = tuple(Link(((x, 1),), 0, n) for x, n in gone.items() if x in linked)
        free = math.prod(n for x, n in gone.items() if x not in linked)
        return self._replace(scale=self.scale * free, links=(*self.links, *spans))


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
    count = 1 + max(left.held | left.linked, default=-1)
    right = right.numbered(count)
    met = [(left.axes[a], right.axes[b]) for a, b in zip(*meet, strict=True)]
    same = merged(met)
    size = {same.get(left.axes[k], left.axes[k]): shape[k] for k in meet[0]}
    left, right = left.renamed(same), right.renamed(same)
    axes = tuple(left.axes[k] for k in kept[0]) + tuple(right.axes[k] for k in kept[1])
    links = left.links + right.links
    return Part(axes, left.factors + right.factors, left.scale * right.scale, links).without(size)


def collected(parts: Iterable[Part], shape: Sequence[int]) -> list[Part]:
    """Parts whose core is one array over the same labels are added; products of smaller factors stay as they are."""
    cores: dict[object, Part] = {}
    rest: list[Part] = []
    for part in parts:
        part = part.numbered()
        is_core = len(part.factors) == 1 and (part.links or set(part.factors[0][1]) == set(part.axes))
        key = (part.axes, part.links, part.factors[0][1]) if part.links and is_core else part.axes
        if not is_core:
            rest.append(part)
        elif key not in cores:
            cores[key] = part
        elif part.links:
            (one, labels), (two, _) = cores[key].factors[0], part.factors[0]
            total = np.asarray(one * cores[key].scale + two * part.scale)
            cores[key] = Part(part.axes, ((total, labels),), links=part.links)
        else:
            total = np.asarray(cores[key].core(shape) + part.core(shape))
            cores[key] = Part(part.axes, ((total, part.labels),))
    return [*cores.values(), *rest]


def subscripts(part: Part, names: Sequence[str]) -> str:
    """The einsum of a part, in the names of the axes: ``'ijq->ijiq'``."""
    letters: dict[int, str] = {}
    for label, name in zip(part.axes, names, strict=True):
        letters.setdefault(label, name)
    plain = all(len(name) == 1 for name in letters.values())
    inner = (x for _, labels in part.factors for x in labels)
    for label in (*inner, *(x for link in part.links for x, _ in link.terms)):
        letters.setdefault(label, f"{'' if plain else 's'}{len(letters)}" if not plain else _unused(letters))
    sep = "" if plain else " "
    inputs = ",".join(sep.join(letters[x] for x in labels) for _, labels in part.factors)
    links = ", ".join(link.shown(letters) for link in part.links)
    return f"{inputs}->{sep.join(letters[x] for x in part.axes)}" + (f" where {links}" if links else "")


def _unused(letters: Mapping[int, str]) -> str:
    taken = set(letters.values())
    every: Callable[[int], str] = lambda k: chr(ord("A") + k) if k < 26 else f"s{k}"  # noqa: E731
    return next(every(k) for k in range(len(taken) + 27) if every(k) not in taken)
