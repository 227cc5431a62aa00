"""One block of memory for everything that a call computes on its way: which value lies where.

A buffer is needed from the operation that first writes it to the one that reads it last.  Two buffers share bytes if
they are never needed at once.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

ALIGNMENT = 64  # bytes: a cache line, and what vector instructions like


@dataclass(eq=False)
class Buffer:
    """Memory for an array, or for several of one shape, each written over the one before."""

    shape: tuple[int, ...]
    dtype: str
    names: list[str]
    first: int
    last: int
    start: int = 0
    bytes: int = field(init=False)

    def __post_init__(self) -> None:
        self.resize(self.shape)

    def resize(self, shape: tuple[int, ...]) -> None:
        self.shape = shape
        size = math.prod(self.shape) * (1 if self.dtype == "bool" else int(self.dtype.lstrip("float")) // 8)
        self.bytes = -(-size // ALIGNMENT) * ALIGNMENT

    @property
    def end(self) -> int:
        return self.start + self.bytes


class Gaps:
    """What is free of one block: spans between those that are taken, and everything from ``top`` on."""

    def __init__(self) -> None:
        self.spans: list[tuple[int, int]] = []  # in order, never side by side
        self.top = 0

    def take(self, size: int) -> int:
        """The start of the tightest span that has so many bytes."""
        fitting = [(end - start, start) for start, end in self.spans if end - start >= size]
        if not size or not fitting:
            start, self.top = (self.top, self.top + size) if size else (0, self.top)
            return start
        room, start = min(fitting)
        self.spans.remove((start, start + room))
        if room > size:
            insort(self.spans, (start + size, start + room))
        return start

    def free(self, start: int, end: int) -> None:
        if start == end:
            return
        at = bisect_left(self.spans, (start, end))
        if at < len(self.spans) and self.spans[at][0] == end:
            end = self.spans.pop(at)[1]
        if at and self.spans[at - 1][1] == start:
            at -= 1
            start = self.spans.pop(at)[0]
        if end == self.top:
            self.top = start
        else:
            self.spans.insert(at, (start, end))


@dataclass
class Arena:
    """The buffers of one function, and when they are needed: times are numbers of operations."""

    name: str
    buffers: list[Buffer] = field(default_factory=list)

    def new(self, name: str, shape: Sequence[int], dtype: str, now: int) -> Buffer:
        self.buffers.append(Buffer(tuple(shape), dtype, [name], now, now))
        return self.buffers[-1]

    def place(self) -> int:
        """Give every buffer its start: the tightest gap between those that are needed then.  The bytes of the whole."""
        live: list[tuple[int, int, int]] = []  # a heap: when it ends, and the bytes
        gaps = Gaps()
        for buffer in sorted(self.buffers, key=lambda b: b.first):
            while live and live[0][0] < buffer.first:
                gaps.free(*heappop(live)[1:])
            buffer.start = gaps.take(buffer.bytes)
            heappush(live, (buffer.last, buffer.start, buffer.end))
        return max((buffer.end for buffer in self.buffers), default=0)

    def lines(self) -> list[str]:
        """The code that makes the block and the arrays in it."""
        if not self.buffers:
            return []
        found = [f"{self.name} = block({self.place()})"]
        for buffer in self.buffers:
            names = " = ".join(buffer.names)
            found.append(f'{names} = part({self.name}, {buffer.start}, {buffer.shape}, "{buffer.dtype}")')
        return found
