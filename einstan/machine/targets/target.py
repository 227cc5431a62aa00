"""What a target is: the text of every verb and of every way to look at an array, in one language of arrays."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from einstan.machine.schedule.calls import View


class Written(NamedTuple):
    """A call, its operands and its memory spelled."""

    reads: list[str]
    detail: tuple[Any, ...]
    out: str = ""  # ", out=t1", or nothing
    place: str = ""  # the memory that it writes to, or nothing
    precision: str = ""  # of the result


Verb = str | Callable[[Written], str]


@dataclass(frozen=True)
class Target:
    """``verbs`` are templates with ``{0}``, ``{1}`` for operands, ``{d0}``, ``{d1}`` for details, ``{out}`` and
    ``{place}`` for memory, or functions; ``writes`` are those that can write to memory that they are given.

    ``helpers`` have the text of the functions that verbs call, and ``needs`` those that these call.
    """

    verbs: Mapping[str, Verb]
    look: Callable[[str, View], str]
    writes: Collection[str] = ()
    helpers: Mapping[str, Any] = field(default_factory=dict)
    needs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def text(self, verb: str, written: Written) -> str:
        row = self.verbs[verb]
        if not isinstance(row, str):
            return row(written)
        details = {f"d{k}": detail for k, detail in enumerate(written.detail)}
        return row.format(*written.reads, out=written.out, place=written.place, **details)
