"""Exchanges between devices as calls: a verb for each kind."""

from __future__ import annotations

from einstan.machine.schedule.calls import Array
from einstan.machine.schedule.scheduler import Scheduler
from einstan.machine.sizes.operations import Operation


def exchanged(s: Scheduler, operation: Operation) -> Array:
    what = operation.detail
    axes = what.axes[0] if len(what.axes) == 1 else what.axes
    return s.result_of(what.kind, [s.read(operation.operands[0])], repr(axes), what.axis, what.other, what.count)
