"""Links between the labels of a part: shifts and windows, which are never written out.

A `Link` says ``0 <= 2 i + r - p < 1``: of three labels two are free.  The shortest label of each link is run through;
for each of its values what is left are boxes, plain parts whose labels are slices of the arrays: with ``r`` a number,
``p = 2 i + r`` reads every second entry.  A product with a Toeplitz matrix so is one multiplication per diagonal.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

Key = int | slice


class Link(NamedTuple):
    """``0 <= sum of coefficient × label + constant < extent``; one value means an equation."""

    terms: tuple[tuple[int, int], ...]
    constant: int = 0
    extent: int = 1

    def renamed(self, names: Mapping[int, int]) -> Link:
        total: dict[int, int] = {}
        for label, k in self.terms:
            label = names.get(label, label)
            total[label] = total.get(label, 0) + k
        return self._replace(terms=tuple((label, k) for label, k in total.items() if k))

    def shown(self, letters: Mapping[int, str]) -> str:
        """``i+r = p``, or ``0 <= p-1 < 9``."""
        if self.extent == 1:
            left = [(letters[x], k) for x, k in self.terms if k > 0]
            right = [(letters[x], -k) for x, k in self.terms if k < 0]
            at = self.constant
            return f"{_form(left, max(at, 0))} = {_form(right, max(-at, 0))}"
        return f"0 <= {_form([(letters[x], k) for x, k in self.terms], self.constant)} < {self.extent}"


def _form(terms: Sequence[tuple[str, int]], constant: int) -> str:
    pieces = [f"{'-' if k < 0 else '+'}{abs(k) if abs(k) > 1 else ''}{letter}" for letter, k in terms]
    text = "".join(pieces).removeprefix("+") + (f"{constant:+d}" if constant else "")
    return text.removeprefix("+") or "0"


class Box(NamedTuple):
    """A plain part of a linked one: where it lies along the axes and in each factor, and the labels that are left."""

    place: tuple[Key, ...]
    axes: tuple[int, ...]
    reads: tuple[tuple[tuple[Key, ...], tuple[int, ...]], ...]
    times: int  # values of labels that only links hold

    @property
    def sizes(self) -> dict[int, int]:
        kept = [key for key in self.place if isinstance(key, slice)]
        return {x: count(key) for x, key in zip(self.axes, kept, strict=True)}


def count(key: slice) -> int:
    """The entries of a slice that lies inside."""
    return len(range(key.start, -1 if key.stop is None else key.stop, key.step))


def span(links: Sequence[Link]) -> dict[int, int]:
    """The extents of labels that a link says alone."""
    return {
        link.terms[0][0]: link.extent
        for link in links
        if len(link.terms) == 1 and link.terms[0][1] == 1 and not link.constant
    }


@lru_cache(maxsize=64)
def boxes(
    axes: tuple[int, ...],
    factors: tuple[tuple[int, ...], ...],
    links: tuple[Link, ...],
    sizes: tuple[tuple[int, int], ...],
) -> tuple[Box, ...]:
    """Plain parts that make up a linked one, whose labels have these sizes."""
    size = dict(sizes)
    chosen, order = _chosen(links, size)
    free = [x for x in size if x not in chosen]
    found = []
    for values in itertools.product(*(range(size[x]) for x in chosen)):
        lines = _Lines(free, size, dict(zip(chosen, values, strict=True)))
        if all(lines.hold(link) for link in order) and all(lines.length(x) > 0 for x in free):
            held = {lines.line(x) for labels in (axes, *factors) for x in labels if x in lines.place}
            loose = dict.fromkeys(line for x in free if (line := lines.line(x)) not in held)
            found.append(
                Box(
                    *lines.cut(axes),
                    tuple(lines.cut(labels) for labels in factors),
                    math.prod(lines.extent(line) for line in loose),
                )
            )
    return tuple(found)


def looped(links: Sequence[Link], size: Mapping[int, int]) -> list[int]:
    """The labels to run through."""
    return _chosen(links, size)[0]


def _chosen(links: Sequence[Link], size: Mapping[int, int]) -> tuple[list[int], list[Link]]:
    """The labels to run through, and the order in which the links then join the others.

    A link joins two labels if it is an equation, and narrows one; the shortest label of what is more is run through.
    """
    joined: dict[int, int] = {}

    def find(label: int) -> int:
        while label in joined:
            label = joined[label]
        return label

    chosen: list[int] = []
    order: list[Link] = []
    waiting = list(links)
    while waiting:
        ready = []
        for link in waiting:
            lines = {find(x) for x, _ in link.terms if x not in chosen}
            if len(lines) < 2 or (len(lines) == 2 and link.extent == 1):
                ready.append(link)
                if len(lines) == 2:
                    first, second = sorted(lines)
                    joined[second] = first
        order += ready
        waiting = [link for link in waiting if link not in ready]
        if waiting and not ready:
            chosen.append(min((x for link in waiting for x, _ in link.terms if x not in chosen), key=lambda x: size[x]))
    return chosen, order


class _Lines:
    """Labels on lines: each is ``a t + b`` for the ``t`` of its line, which runs from ``low`` to below ``high``."""

    def __init__(self, labels: Sequence[int], size: Mapping[int, int], at: Mapping[int, int]) -> None:
        self.at = at
        self.place = {x: (x, 1, 0) for x in labels}
        self.range = {x: (0, size[x]) for x in labels}

    def line(self, label: int) -> int:
        return self.place[label][0]

    def extent(self, line: int) -> int:
        low, high = self.range[line]
        return high - low

    def length(self, label: int) -> int:
        return self.extent(self.line(label))

    def hold(self, link: Link) -> bool:
        """Whether a link can hold; the lines are joined and narrowed by it."""
        constant = link.constant
        slope: dict[int, int] = {}
        for x, k in link.terms:
            if x in self.at:
                constant += k * self.at[x]
            else:
                line, a, b = self.place[x]
                constant += k * b
                slope[line] = slope.get(line, 0) + k * a
        slope = {line: k for line, k in slope.items() if k}
        if not slope:
            return 0 <= constant < link.extent
        if len(slope) == 1:
            ((line, k),) = slope.items()
            return self._narrow(line, k, constant, link.extent)
        (one, a), (two, b) = slope.items()
        return self._join(one, a, two, b, constant)

    def _narrow(self, line: int, k: int, constant: int, extent: int) -> bool:
        """``0 <= k t + constant < extent``."""
        first, last = (-constant, extent - 1 - constant) if k > 0 else (constant - extent + 1, constant)
        low, high = -(-first // abs(k)), last // abs(k) + 1
        own = self.range[line]
        self.range[line] = max(own[0], low), min(own[1], high)
        return self.extent(line) > 0

    def _join(self, one: int, a: int, two: int, b: int, constant: int) -> bool:
        """``a t + b u + constant = 0``: ``t = t0 + b s`` and ``u = u0 - a s``."""
        common = math.gcd(a, b)
        if constant % common:
            return False
        a, b, constant = a // common, b // common, constant // common
        start = -constant * pow(a, -1, abs(b)) % abs(b) if abs(b) > 1 else 0
        other = -(constant + a * start) // b
        ranges = self.range[one], self.range.pop(two)
        for x, (line, k, c) in self.place.items():
            if line == one:
                self.place[x] = one, k * b, k * start + c
            elif line == two:
                self.place[x] = one, -k * a, k * other + c
        self.range[one] = -(1 << 62), 1 << 62
        within = [
            self._narrow(one, k, c - low, high - low)
            for k, c, (low, high) in zip((b, -a), (start, other), ranges, strict=True)
        ]
        return all(within)

    def cut(self, labels: Sequence[int]) -> tuple[tuple[Key, ...], tuple[int, ...]]:
        """What to take along axes with these labels, and the lines that the axes then left have."""
        keys = tuple(self.at[x] if x in self.at else self._slice(x) for x in labels)
        return keys, tuple(self.line(x) for x in labels if x not in self.at)

    def _slice(self, label: int) -> slice:
        line, k, c = self.place[label]
        low, high = self.range[line]
        first, last = k * low + c, k * (high - 1) + c
        stop = last + (1 if k > 0 else -1)
        return slice(first, None if stop < 0 else stop, k)
