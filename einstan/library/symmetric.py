"""Derivatives with respect to one tensor twice or more are symmetric, and here they are so to the last bit.

A tensor is averaged over all exchanges of the tensors that are equal: an exchange turns a structure of deltas into a
structure, so the average is taken core by core, ``(C + C') / 2`` for a Hessian.  The sum of two is the same in either
order; of six, as in a third derivative, it is not, and there the least of the values that are equal but for rounding is
taken.  Which cores meet is known from the structures alone, once for all calls.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations, product

import numpy as np

from einstan.library.labelled import Labels

Order = tuple[int, ...]


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

    def of(self, cores: Mapping[int, np.ndarray]) -> np.ndarray:
        """The core, from those of the parts."""
        first, *others = [cores[number].transpose(order) for number, order in self.sources]
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


def settled(array: np.ndarray, closed: Sequence[Order]) -> np.ndarray:
    """The array with one value where the orders of axes say that values are equal but for rounding: the least.

    ``closed`` are all the orders but the plain one.
    """
    least = array.copy()
    for order in closed:
        np.minimum(least, array.transpose(order), out=least)
    return least


def same_factors(axes: Labels, factors: Sequence[tuple[int, Labels]], order: Order) -> bool:
    """Whether a part whose arrays are numbered has the same factors after an exchange: then so has its rounding."""
    names = dict(zip((axes[k] for k in order), axes, strict=True))
    if tuple(names[axes[k]] for k in order) != axes or len(set(names.values())) < len(names):
        return False
    if all(old == new for old, new in names.items()):
        return True
    turned = sorted((number, tuple(names[x] for x in labels)) for number, labels in factors)
    return turned == sorted(factors) and len(factors) < 3  # a product of three depends on which two come first


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
