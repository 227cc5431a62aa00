"""One block of memory for everything that a call computes on its way: which value lies where.

A buffer is needed from the operation that first writes it to the one that reads it last.  Two buffers share bytes if
they are never needed at once.
"""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, field

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

    @property
    def bytes(self) -> int:
        size = math.prod(self.shape) * (1 if self.dtype == "bool" else int(self.dtype.lstrip("float")) // 8)
        return -(-size // ALIGNMENT) * ALIGNMENT

    @property
    def end(self) -> int:
        return self.start + self.bytes


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
        live: list[Buffer] = []
        for buffer in sorted(self.buffers, key=lambda b: b.first):
            live = [other for other in live if other.last >= buffer.first]
            at, best, start = 0, math.inf, 0
            for other in live:
                gap = other.start - at
                if buffer.bytes <= gap < best:
                    best, start = gap, at
                at = max(at, other.end)
            buffer.start = start if best < math.inf else at
            insort(live, buffer, key=lambda b: (b.start, b.end))
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
