"""Slices as calls: a loop over blocks, each of which a function of its own computes."""

from __future__ import annotations

from einstan.machine.schedule.calls import Array, Seen
from einstan.machine.schedule.scheduler import Scheduler
from einstan.machine.sizes.operations import Operation

BEGIN = {"": "0", "add": "0", "multiply": "1", "maximum": "-np.inf", "minimum": "np.inf"}  # what blocks are joined with


def sliced(s: Scheduler, operation: Operation) -> Array:
    """Blocks written side by side, or joined one after the other."""
    reads = [s.read(ref) for ref in operation.operands]
    detail = operation.detail
    made = s.destination(operation, ())
    if made is None:
        made = s.array("float", len(operation.out))
        made.owned = True
        s.add("filled", (), s.shape(operation.out, operation), BEGIN[detail.ufunc], result=made)
    elif detail.ufunc:
        s.add("fill", (), BEGIN[detail.ufunc], out=Seen(made))
    s.add("sliced", reads, detail, out=Seen(made))
    return made
