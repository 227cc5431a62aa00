"""Kernels as calls: operands with their axes in the order in which the call has them; one of several results."""

from __future__ import annotations

from einstan.language.term import Expr
from einstan.machine.schedule.calls import Array, Seen
from einstan.machine.schedule.scheduler import Scheduler
from einstan.machine.sizes.operations import Operation


def kernel(s: Scheduler, operation: Operation) -> Array:
    name, options, orders = operation.detail
    reads = []
    for ref, order in zip(operation.operands, orders, strict=True):
        read = s.read(ref) if s.type_of(ref) == "bool" else s.floating(ref)
        reads.append(s.ordered(read, ref.labels, order) if isinstance(read, Seen) else read)
    numbers = [s.sizes.number(each, s.precision) if isinstance(each, Expr) else each for each in options]
    return s.result_of(name, reads, *numbers)


def part(s: Scheduler, operation: Operation) -> Array:
    (ref,), (number, order) = operation.operands, operation.detail
    if number is None:
        seen = s.read(ref)
        assert isinstance(seen, Seen)
        return s.view(s.ordered(seen, order, operation.out))
    made = s.array("float", len(order), named=order == operation.out)
    s.add("part", [s.read(ref)], number, result=made)
    return made if order == operation.out else s.view(s.ordered(Seen(made), order, operation.out))
