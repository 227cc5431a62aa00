"""Loops over rows with inner loops, and calls of the BLAS between them: what a compiled function consists of.

Where memory lies is known only when all of it is laid out: ``@t3@`` stands for where ``t3`` begins in the block, and
``@row:t3:20@`` for its row of 20 entries, of which there may be one alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from einstan.machine.schedule.arena import Buffer
from einstan.machine.schedule.calls import Array


@dataclass
class Part:
    """Inner loops; ``first`` and ``last`` stand around them, ``read`` and ``write`` around the innermost."""

    shape: tuple[int, ...]
    first: list[str] = field(default_factory=list)
    lines: list[tuple[str, int]] = field(default_factory=list)  # with the value that a line stores, or -1
    last: list[str] = field(default_factory=list)
    read: dict[str, str] = field(default_factory=dict)  # variables that are one number there: what they are
    write: list[str] = field(default_factory=list)
    local: set[int] = field(default_factory=set)  # values held in variables of the loop
    totals: set[int] = field(default_factory=set)

    def read_as(self, name: str, text: str) -> str:
        """What is one number in the innermost loop is read before it, and before what is written there."""
        return name if self.read.setdefault(name, text) == text else text


@dataclass
class Rows:
    """A loop over rows, and what is done for each: inner loops of one shape, and lines between them."""

    size: int
    before: list[str] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    made: set[int] = field(default_factory=set)
    closed: set[int] = field(default_factory=set)  # known only after the loop
    values: set[int] = field(default_factory=set)  # all operations of the loop
    packed: dict[tuple[int, tuple[int, ...]], Array] = field(default_factory=dict)  # copies with other orders of axes
    start: int = 0
    buffers: dict[Buffer, None] = field(default_factory=dict)  # what it reads and writes: all needed throughout

    def text(self, stored: Callable[[int], bool]) -> list[str]:
        """The loops as lines of a function; ``stored(value)`` says whether a value is read from memory later."""
        lines = [f"    {line}" for line in self.before]
        lines.append(f"    for i0 in range({self.size}):")
        for part in self.parts:
            body = [line for line, value in part.lines if value < 0 or stored(value)]
            lines += [f"        {line}" for line in part.first]
            indent = "        "
            for k, size in enumerate(part.shape, 1):
                if k == len(part.shape):
                    lines += [f"{indent}{name} = {text}" for name, text in part.read.items()]
                lines.append(f"{indent}for i{k} in range({size}):")
                indent += "    "
            lines += [indent + line for line in body]
            lines += [indent[4:] + line for line in part.write]
            lines += [f"        {line}" for line in part.last]
        return [line.replace("\n            ", "\n        ") for line in lines]


@dataclass
class Line:
    """A line between loops: a number, or a product of matrices, to whose result another may be added."""

    body: str
    comment: str = ""
    product: bool = False

    def text(self, stored: Callable[[int], bool]) -> list[str]:
        return [*([f"    # {self.comment}"] if self.comment else []), f"    {self.body}"]


@dataclass
class Kernel:
    """A function that numba compiles."""

    name: str
    lines: list[str]

    @property
    def text(self) -> str:
        return "\n".join(["@compiled", *self.lines])
