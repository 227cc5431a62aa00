"""Derivatives with respect to one tensor twice or more are symmetric, and here they are so to the last bit.

A tensor is averaged over all exchanges of the tensors that are equal: an exchange turns a structure of deltas into a
structure, so the average is taken core by core, ``(C + C') / 2`` for a Hessian.  The sum of two is the same in either
order; of six, as in a third derivative, it is not, and there the least of the values that are equal but for rounding is
taken.  Which cores meet is known from the structures alone, once for all calls.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations, product

import numpy as np

from einstan.language.threads import cached_property
from einstan.library.labelled import Labels

Order = tuple[int, ...]
LARGE = 1 << 12  # entries of each strip from which copying half of them in turn is faster than adding all
STRIP = 64  # rows of a strip, of a core as a matrix
NARROW = 8  # a last axis below which NumPy adds a transpose faster as a matrix than by axes


def exchanges(lead: int, tensors: Sequence[tuple[str, int]]) -> tuple[Order, ...]:
    """The orders of the axes that leave a derivative as it is, the plain one first.

    ``lead`` axes are those of the numerator; ``tensors`` are those of the denominator, each with its number of axes.
    """
    starts = [lead + sum(rank for _, rank in tensors[:k]) for k in range(len(tensors))]
    places: dict[str, list[int]] = {}
    for place, (name, _) in enumerate(tensors):
        places.setdefault(name, []).append(place)
    found = []
    for choice in product(*(permutations(own) for own in places.values())):
        goes = dict(zip((p for own in places.values() for p in own), (p for own in choice for p in own), strict=True))
        axes = list(range(lead))
        for place in range(len(tensors)):
            start = starts[goes[place]]
            axes += range(start, start + tensors[place][1])
        found.append(tuple(axes))
    return tuple(found)


@dataclass(frozen=True)
class Average:
    """One structure, whose core is the mean of cores with their axes in certain orders.

    ``closed`` are the orders that must not change the core; ``images`` the structures that it also stands for.
    """

    axes: Labels
    sources: tuple[tuple[int, Order], ...]
    scale: float
    closed: tuple[Order, ...]
    images: tuple[tuple[Labels, Order], ...]
    labels: Labels  # of the core

    @cached_property
    def is_matrix(self) -> bool:
        """Whether it is the mean of a core and the same with the first half of its axes behind the second."""
        half, odd = divmod(len(self.labels), 2)
        plain, turned = self.labels, self.labels[half:] + self.labels[:half]
        numbers = {number for number, _ in self.sources}
        return half > 0 and not odd and len(numbers) == 1 and [o for _, o in self.sources] == [plain, turned]

    def of(self, cores: Mapping[int, np.ndarray]) -> np.ndarray:
        """The core, from those of the parts."""
        first, *others = [cores[number].transpose(order) for number, order in self.sources]
        if self.is_matrix and first.ndim > 2 and first.shape[-1] < NARROW:
            matrix = np.ascontiguousarray(first).reshape((math.isqrt(first.size),) * 2)
            total = matrix + matrix.T
            return np.multiply(total, self.scale, out=total).reshape(first.shape)
        total = np.add(first, others[0]) if others else first
        for other in others[1:]:
            total += other
        total = total * self.scale if not others or total.ndim == 0 else np.multiply(total, self.scale, out=total)
        return settled(total, self.closed) if self.closed else total


def averages(structures: Sequence[Labels], skip: Collection[int], group: Sequence[Order]) -> list[Average]:
    """How the parts with these structures, but for those to skip, become the parts of a symmetric tensor."""
    meeting: dict[Labels, dict[tuple[int, Order], int]] = {}
    for number, axes in enumerate(structures):
        if number not in skip:
            for order in group:
                turned, moved = numbered(axes, order)
                sources = meeting.setdefault(turned, {})
                sources[number, moved] = sources.get((number, moved), 0) + 1
    found: list[Average] = []
    done: set[Labels] = set()
    for axes, sources in meeting.items():
        if axes in done:
            continue
        closed: set[Order] = set()
        images: dict[Labels, Order] = {}
        for order in group:
            turned, moved = numbered(axes, order)
            if turned == axes:
                closed.add(moved)
            else:
                images.setdefault(turned, moved)
        done |= {axes, *images}
        plain = tuple(range(len(set(axes))))
        times = max(sources.values())  # of all of them: parts of one orbit are left alone by as many exchanges
        exactly = len(closed) == len(sources) == 2 and len({number for number, _ in sources}) == 1
        needed = () if exactly else tuple(sorted(closed - {plain}))
        found.append(Average(axes, tuple(sources), times / len(group), needed, tuple(images.items()), plain))
    return found


def numbered(axes: Labels, order: Order) -> tuple[Labels, Order]:
    """The structure with its axes in an order, labels counted again, and the axes of its core in their order.

    ``axes`` are numbered in order of appearance.
    """
    names: dict[int, int] = {}
    turned = tuple(names.setdefault(axes[k], len(names)) for k in order)
    return turned, tuple(names)


def strips(shape: Sequence[int]) -> list[slice]:
    """The first axis in pieces, for `mirror`."""
    rows = max(1, STRIP // max(1, math.prod(shape[1 : len(shape) // 2])))
    return [slice(k, k + rows) for k in range(0, shape[0], rows)]


def mirror(array: np.ndarray) -> None:
    """Make an array symmetric in place that is so but for rounding, under exchange of the two halves of its axes.

    What is right of the diagonal is copied below it, strip by strip, and the squares on it are averaged.
    """
    half = array.ndim // 2
    every = (slice(None),) * (half - 1)
    order = (*range(half, 2 * half), *range(half))
    for strip in strips(array.shape):
        later = slice(strip.stop, None)
        array[(later, *every, strip)] = array[(strip, *every, later)].transpose(order)
        square = array[(strip, *every, strip)]
        square[...] = (square + square.transpose(order)) * 0.5


def settled(array: np.ndarray, closed: Sequence[Order]) -> np.ndarray:
    """The array with one value where the orders of axes say that values are equal but for rounding: the least.

    ``closed`` are all the orders but the plain one.
    """
    least = array.copy()
    for order in closed:
        np.minimum(least, array.transpose(order), out=least)
    return least


def same_factors(
    axes: Labels, factors: Sequence[tuple[int, Labels]], order: Order, exact: Callable[[int, Labels], bool]
) -> bool:
    """Whether a part whose arrays are numbered has the same factors after an exchange: then so has its rounding.

    ``exact`` says whether an array is equal, to the last bit, to itself with its axes in an order.
    """
    names = dict(zip((axes[k] for k in order), axes, strict=True))
    if tuple(names[axes[k]] for k in order) != axes or len(set(names.values())) < len(names):
        return False
    if all(old == new for old, new in names.items()):
        return True
    goes: list[int] = []  # where each factor goes
    for number, labels in factors:
        turned = tuple(names[x] for x in labels)
        places = (k for k in range(len(factors)) if k not in goes and factors[k][0] == number)
        place = next((k for k in places if _same_array(number, turned, factors[k][1], exact)), None)
        if place is None:
            return False
        goes.append(place)
    # A product of two may be taken in either order; what is multiplied to it afterwards has to stay where it is.
    return all(k == place or {k, place} == {0, 1} for k, place in enumerate(goes))


def _same_array(number: int, turned: Labels, labels: Labels, exact: Callable[[int, Labels], bool]) -> bool:
    if turned == labels:
        return True
    return sorted(turned) == sorted(labels) and exact(number, tuple(labels.index(x) for x in turned))


def overlapping(structures: int, found: Sequence[Average]) -> bool:
    """Whether sums of parts may be taken in another order on the other side of the diagonal."""
    images = sum(len(average.images) for average in found)
    return images > 0 and structures + images > 2


def mended(array: np.ndarray, group: Sequence[Order]) -> np.ndarray:
    """A whole array made symmetric in place, where its parts are and sums of them may differ in the last bit."""
    if len(group) == 2:
        total = array + array.transpose(group[1])
        return np.multiply(total, 0.5, out=array)
    array[...] = settled(array, group[1:])
    return array
