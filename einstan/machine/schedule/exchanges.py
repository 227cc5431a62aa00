"""Exchanges between devices as calls: a verb for each kind."""

from __future__ import annotations

from einstan.machine.schedule.calls import Array
from einstan.machine.schedule.scheduler import Scheduler
from einstan.machine.sizes.exchanges import spelled
from einstan.machine.sizes.operations import Operation


def exchanged(s: Scheduler, operation: Operation) -> Array:
    what = operation.detail
    read = s.read(operation.operands[0])
    return s.result_of(what.kind, [read], spelled(what.axes), what.axis, what.other, what.count)
