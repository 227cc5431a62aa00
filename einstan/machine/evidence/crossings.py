"""Points on the other side: where comparisons and kinks that have been on one side alone are on the other.

The entries of a point are moved along lines, all together, a tensor at a time, and one by one, through numbers of every
size and those of the text.  On which sides all comparisons are is looked at in floats.  Where neighbours on a line are
in different cells, what lies between them is found by halving: so ``1[x > 3] 1[x < 3.5]`` holds somewhere though no
number of the text makes it, and no function has to be inverted for ``1[exp(x) > 10^6]``.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import pairwise

from einstan.machine.points.draws import entries as entries_of
from einstan.machine.points.draws import on_marks
from einstan.machine.points.sampling import Point, Sampler
from einstan.machine.points.switches import VALUED, Cell, changes
from einstan.machine.sizes.extents import Extents

SIZES = ("1e-12", "1e-6", "1e-3", "1/10", "1/2", "1", "11/7", "2", "22/7", "5", "10", "30", "100", "300", "1e3", "1e4",
         "1e6", "1e9", "1e12", "1e30")  # fmt: skip
HALVINGS = 45
ALONE = 3  # tensors, and entries, that are moved alone
CELLS = 60  # that one search tells of
ON_MARKS = 10  # points of numbers of the text alone, where values are equal by chance

Line = Callable[[Fraction], list[Fraction]]
Stop = tuple[Fraction, Cell]


def crossings(sampler: Sampler, extents: Extents, looks: int) -> Iterator[Point]:
    """Points in cells where no point of this search has been, which may look at so many in floats.  Where both sides
    of the claim have a value is a part of a cell, and there alone are its points.  While a side is open on which
    something could be, single comparisons are approached too."""
    if looks <= 0:
        return
    search = _Search(sampler, extents, looks)
    yield from search.points(at_least=2)
    if sampler.lacking():
        yield from search.on_marks()
        yield from search.points(at_least=1)


class _Search:
    def __init__(self, sampler: Sampler, extents: Extents, looks: int) -> None:
        self.sampler, self.extents, self.looks = sampler, extents, looks
        self.generator = random.Random(0)
        self.known: set[Cell] = set()
        shapes = [extents.shape(name) for name in sampler.program.inputs if name in sampler.program.ranks]
        self.counts = [math.prod(shape) for shape in shapes]
        marks = sorted({abs(number) for number in sampler.marks})
        near = {own for n in marks for own in (n - 1, n, n + 1, n / 2, 2 * n, n * n, 1 / n) if n}
        near |= {(a + b) / 2 for a, b in pairwise(marks)}
        stops = sorted({abs(n) for n in (*map(Fraction, SIZES), *near)} | {Fraction(0)})
        beside = {(a + b) / 2 for a, b in pairwise(stops) if not {a, b}.isdisjoint(marks)}
        self.stops = sorted({sign * n for n in (*stops, *beside) for sign in (1, -1)})

    def points(self, at_least: int) -> Iterator[Point]:
        """The points in new cells on all lines, and between two that differ in so many comparisons."""
        for line in self.lines():
            self.state = self.sampler.generator.getstate()
            last: Stop | None = None
            for t in self.stops:
                point, cell = self.at(line(t))
                if cell is not None:
                    yield from self.new(point, cell)
                    if last is not None:
                        yield from self.between(line, last, (t, cell), at_least)
                last = None if cell is None else (t, cell)
                if self.looks < 0 or len(self.known) > CELLS:
                    return

    def between(self, line: Line, low: Stop, high: Stop, at_least: int) -> Iterator[Point]:
        waiting = [(low, high, HALVINGS)]
        while waiting and self.looks >= 0:
            low, high, steps = waiting.pop()
            if steps and changes(low[1], high[1]) >= at_least:
                t = (low[0] + high[0]) / 2
                point, cell = self.at(line(t))
                if cell is not None:
                    yield from self.new(point, cell)
                    waiting += [(low, (t, cell), steps - 1), ((t, cell), high, steps - 1)]

    def on_marks(self) -> Iterator[Point]:
        draw = on_marks(self.sampler.marks)
        for _ in range(ON_MARKS):
            self.state = self.sampler.generator.getstate()
            point, cell = self.at(draw(sum(self.counts), self.generator))
            if cell is not None:
                yield from self.new(point, cell)

    def new(self, point: Point, cell: Cell) -> Iterator[Point]:
        if cell not in self.known:
            self.known.add(cell)
            if VALUED in cell:
                yield point

    def at(self, entries: list[Fraction]) -> tuple[Point, Cell | None]:
        """A point with such entries, and the cell that it is in; none where it has no value.  Of one line all points
        are drawn alike in all else."""
        self.looks -= 1
        self.sampler.generator.setstate(self.state)
        return self.sampler.cell(self.extents, entries)

    def lines(self) -> Iterator[Line]:
        """All entries moved together, or in drawn proportions; then those of one tensor; then one, the others small."""
        count = sum(self.counts)
        spread = [1 + Fraction(k, 10**4) for k in range(count)]
        yield lambda t: [t * k for k in spread]
        mixed = [self.generator.choice((1, -1)) * k for k in entries_of(count, positive=True)[:count]]
        yield lambda t: [t * k for k in mixed]
        base = self.generator.sample(entries_of(count, positive=False), count)

        def moving(start: int, stop: int) -> Line:
            return lambda t: [t * spread[k] if start <= k < stop else entry for k, entry in enumerate(base)]

        ends = [sum(self.counts[: k + 1]) for k in range(len(self.counts))]
        if len(ends) > 1:
            yield from (moving(end - n, end) for end, n in zip(ends[:ALONE], self.counts, strict=False))
        for k in range(min(count, ALONE)) if count > len(ends) else ():
            yield moving(k, k + 1)
