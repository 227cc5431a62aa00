"""Rules: how each kind of operation becomes calls."""

from __future__ import annotations

from einstan.machine.schedule.called import kernel, part
from einstan.machine.schedule.elementwise import mapped
from einstan.machine.schedule.exchanges import exchanged
from einstan.machine.schedule.overlaps import copied, joined, overlapped, split
from einstan.machine.schedule.positions import counted, diagonal, divided, embedded, expanded, formed, read, scattered
from einstan.machine.schedule.products import contracted, gram, grams, largest, scanned
from einstan.machine.schedule.scheduler import Rule
from einstan.machine.schedule.slices import sliced

RULES: dict[str, Rule] = {
    "map": mapped,
    "contract": contracted,
    "reduce": largest,
    "scan": scanned,
    "iota": counted,
    "form": formed,
    "whole": divided,
    "read": read,
    "diagonal": diagonal,
    "embed": embedded,
    "gram": gram,
    "grams": grams,
    "scatter": scattered,
    "expand": expanded,
    "overlap": overlapped,
    "copy": copied,
    "split": split,
    "join": joined,
    "sliced": sliced,
    "exchange": exchanged,
    "kernel": kernel,
    "part": part,
}
