"""What the devices of a mesh send each other in one call of a plan: by kind and mesh axes, in arrays and bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from einstan.machine.sizes.memory import human_bytes

if TYPE_CHECKING:
    from einstan.machine.plan.plan import Plan

Key = tuple[str, tuple[str, ...]]  # a kind, and the mesh axes


@dataclass(frozen=True)
class Traffic:
    """Exchanges of one kind along the same mesh axes.

    ``bytes`` are those of the whole arrays, ``sent`` those that each device sends around a ring.  ``messages`` is how
    often something is sent where whatever waits for nothing goes together, as XLA does it with sums: other kinds send
    every array by itself.
    """

    kind: str
    axes: tuple[str, ...]
    arrays: int
    messages: int
    bytes: int
    sent: int

    def __str__(self) -> str:
        arrays = "1 array" if self.arrays == 1 else f"{self.arrays} arrays"
        messages = "1 message" if self.messages == 1 else f"{self.messages} messages"
        told = f"{arrays} in {messages}, {human_bytes(self.bytes)}; each device sends {human_bytes(self.sent)}"
        return f"{self.kind} along {'×'.join(self.axes)}: {told}"


def exchanged_bytes(made: Plan, value: int) -> tuple[int, int]:
    """The bytes of the whole array that a step exchanges, and those that each device sends for it."""
    operation = made.graph.operations[value]
    if operation.kind != "exchange":
        return 0, 0
    sizes = made.bytes(operation.operands[0].value), made.bytes(value)
    return operation.detail.message(*sizes), operation.detail.sent(*sizes)


def traffic_of(made: Plan) -> tuple[Traffic, ...]:
    """All exchanges of a plan, in the order in which they first occur; own parts are sent to nobody."""
    found: dict[Key, list[int]] = {}
    before: dict[int, dict[Key, int]] = {}  # how many of each kind a value waits for
    for value in made.order:
        operation = made.graph.operations[value]
        waits: dict[Key, int] = {}
        for ref in operation.operands:
            for key, count in before[ref.value].items():
                waits[key] = max(waits.get(key, 0), count)
        if operation.kind == "exchange" and not operation.detail.free:
            what = operation.detail
            message, sent = exchanged_bytes(made, value)
            key = what.kind, what.axes
            waits[key] = waits.get(key, 0) + 1
            row = found.setdefault(key, [0, 0, 0, 0])
            together = what.kind.startswith("all-reduce")
            row[:] = (
                row[0] + 1, max(row[1], waits[key]) if together else row[1] + 1,
                row[2] + message, row[3] + sent,
            )  # fmt: skip
        before[value] = waits
    return tuple(Traffic(*key, *row) for key, row in found.items())
