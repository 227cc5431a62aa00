"""Calls: what a schedule consists of.  Each is a verb of a target's table, what it reads, and where its result lies.

    dot      (X, W)            → Z        Z[n,j] = X[n,K] W[K,j]
    add      (Z, b[None, :])   → Z        written over Z, which nothing reads any more

An operand is an array, looked at by way of views; a number stands where it is used.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from einstan.language.term import Name
from einstan.machine.schedule.arena import Arena, Buffer

LOOKING = {"permute", "expand", "reshape", "slices", "window", "diagonal", "paired", "broadcast", "bits"}


class View(NamedTuple):
    """One way to look at an array: its ``kind``, and what the kind needs.  Of sizes and positions, texts.

    ``permute`` axes, ``expand`` marks (where an axis is new), ``reshape`` sizes (``fold``, where that may be a copy),
    ``slices`` starts, ends and steps (``part``, where that may be a single entry),
    ``window`` start, sizes and steps, ``diagonal`` two axes, ``paired`` an einsum of one operand, ``broadcast`` sizes,
    ``bits`` an integer type; and ``cast`` a type, which is no view but makes entries of another type.
    """

    kind: str
    detail: tuple[Any, ...] = ()


@dataclass(eq=False)
class Array:
    """A value that has a name in the code: its type, and where its entries lie."""

    text: str
    type: str  # float, bool, int
    precision: str = ""  # of floats: float32, ...
    rank: int = 0
    owned: bool = False  # whether its memory is ours to write into
    constant: bool = False  # whether no array that is given has a part in it
    scalar: bool = False  # a number rather than an array without axes
    home: Buffer | None = None  # the memory that it fills from one end to the other
    buffers: tuple[Buffer, ...] = ()  # all that must stay as it is while it is read
    fixed: bool = False  # whether it is the same memory at every call
    passing: bool = False  # whether the calls of one operation alone read it
    entries: int = 0  # of the value that it is made for, where sizes are known


class Number(NamedTuple):
    """A number of sizes, as text; ``whole`` where it is not to become a float."""

    text: str
    whole: bool = False


class Seen(NamedTuple):
    """An array, looked at by way of views, one after the other."""

    array: Array
    views: tuple[View, ...] = ()

    def by(self, kind: str, *detail: Any) -> Seen:
        return Seen(self.array, (*self.views, View(kind, detail)))

    @property
    def looks(self) -> bool:
        """Whether it holds no entries of its own."""
        return all(view.kind in LOOKING for view in self.views)


Operand = Seen | Number


@dataclass(eq=False)
class Call:
    """One call.  ``out`` is the memory that it writes to, where that is laid out; else it makes ``result``."""

    verb: str
    reads: tuple[Operand, ...]
    detail: tuple[Any, ...]
    result: Array | None
    out: Seen | None = None
    equation: str = ""

    @property
    def constant(self) -> bool:
        """Whether it is made before the function is called."""
        made = self.result if self.result is not None else self.out.array if self.out is not None else None
        return made is not None and made.constant


@dataclass
class Result:
    """An output: an array with all its axes, or a number."""

    name: Name
    read: Operand
    sizes: tuple[str, ...] = ()  # where they are not those of what is read
    copied: bool = False  # where something else looks at that memory too
    repeated: bool = False  # along axes that it does not depend on


class Halves(NamedTuple):
    """Calls in two parts, and the arrays that the second reads of the first."""

    first: list[Call]
    rest: list[Call]
    passed: list[Array]


@dataclass
class Schedule:
    """The calls of a plan in order, and their memory."""

    names: dict[Name, str] = field(default_factory=dict)  # of arguments
    before: list[Call] = field(default_factory=list)  # what is there before the function is called
    calls: list[Call] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    arena: Arena = field(default_factory=lambda: Arena("memory"))
    kept: Arena = field(default_factory=lambda: Arena("results"))  # results that a later call writes again
    precision: str = "float64"  # of numbers, and of what is counted
    uniform: bool = True  # whether all floats have one precision
    count: int = 0  # of names that are numbered
    presumed: bool = False  # whether some product is right as long as no entry of it is NaN

    def halves(self, first: int) -> Halves:
        """The calls that the first so many results need, and all others."""
        needed = {each.read.array for each in self.results[:first] if isinstance(each.read, Seen)}
        parts: tuple[list[Call], list[Call]] = [], []
        for call in reversed(self.calls):
            is_needed = call.result in needed
            parts[not is_needed].append(call)
            if is_needed:
                needed.update(read.array for read in call.reads if isinstance(read, Seen))
        own, rest = (part[::-1] for part in parts)
        reads = (*(read for call in rest for read in call.reads), *(each.read for each in self.results[first:]))
        made = {call.result for call in own}
        passed = dict.fromkeys(read.array for read in reads if isinstance(read, Seen) and read.array in made)
        return Halves(own, rest, list(passed))

    def read_once(self) -> set[Array]:
        """What one call makes for another one alone, which it can stand in."""
        reads: Counter[Array] = Counter()
        for call in self.calls:
            reads.update(operand.array for operand in call.reads if isinstance(operand, Seen))
            if call.out is not None or call.verb in ("look", "delete"):
                written = call.out if call.out is not None else call.reads[0]
                reads[written.array] += 2  # type: ignore[union-attr]
        return {
            call.result
            for call in self.calls
            if call.result is not None and call.out is None and call.result.passing and reads[call.result] == 1
        }
