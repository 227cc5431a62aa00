"""Loops over rows with inner loops: what generated code that numba compiles consists of, beside calls of the BLAS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from einstan.machine.arena import Buffer


@dataclass
class Rows:
    """A loop over rows, and what is done for each: inner loops of one shape, and lines between them."""

    size: int
    before: list[str] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    after: list[str] = field(default_factory=list)
    made: set[int] = field(default_factory=set)
    closed: set[int] = field(default_factory=set)  # known only after the loop
    values: set[int] = field(default_factory=set)  # all operations of the loop
    packed: dict[tuple[int, tuple[int, ...]], str] = field(default_factory=dict)  # copies with other orders of axes
    start: int = 0
    buffers: dict[Buffer, None] = field(default_factory=dict)  # what it reads and writes: all needed throughout


@dataclass
class Part:
    """An inner loop; ``first`` and ``last`` stand around it."""

    shape: tuple[int, ...]
    first: list[str] = field(default_factory=list)
    lines: list[tuple[str, int]] = field(default_factory=list)  # with the value that a line stores, or -1
    last: list[str] = field(default_factory=list)
    local: set[int] = field(default_factory=set)  # values held in variables of the loop
    totals: set[int] = field(default_factory=set)


def loop_lines(rows: Rows, stored: Callable[[int], bool]) -> list[str]:
    """The loops as lines of a function; ``stored(value)`` says whether a value is read from memory later."""
    lines = [f"    {line}" for line in rows.before]
    lines.append(f"    for i0 in range({rows.size}):")
    for part in rows.parts:
        body = [line for line, value in part.lines if value < 0 or stored(value)]
        lines += [f"        {line}" for line in part.first]
        indent = "        "
        for k, size in enumerate(part.shape, 1):
            lines.append(f"{indent}for i{k} in range({size}):")
            indent += "    "
        lines += [indent + line for line in body]
        lines += [f"        {line}" for line in part.last]
    return [line.replace("\n            ", "\n        ") for line in lines]
