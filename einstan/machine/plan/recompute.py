"""Fewer bytes for more FLOPs: values that are computed again where they are needed, rather than kept until then."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from einstan.machine.plan.buffers import bytes_of
from einstan.machine.plan.costs import FREE, flops_of
from einstan.machine.sizes.memory import human_bytes
from einstan.machine.sizes.operations import Graph, Operation, Ref
from einstan.machine.sizes.refusals import too_much

if TYPE_CHECKING:
    from einstan.machine.plan.plan import Plan

ROUNDS = 200  # values that are computed again at most
NEVER = (*FREE, "exchange")  # what devices exchange is exchanged once: XLA sees that a second time would be the same
CHAIN = 6  # operations that are repeated at most for one value


def fitted(made: Plan, limit: int) -> Plan:
    """The plan, or one that computes values twice, so that a call holds at most ``limit`` bytes; else `DataError`."""
    least, live = made, max(made.buffers.live, default=0)
    for _ in range(ROUNDS):
        now = max(made.buffers.live, default=0)
        if now < live:
            least, live = made, now
        if now <= limit and made.peak_memory <= limit:
            return made
        chosen = candidate(made)
        if chosen is None:
            break
        made = again(made, *chosen)
    raise too_much(made.program, human_bytes(least.peak_memory), f"{human_bytes(limit)} are allowed", made.outputs)


def candidate(made: Plan) -> tuple[int, int, list[int]] | None:
    """A value that waits while the most memory is in use: with the position before which it is to be made again, and
    the values that have to be made again for it.  The one that frees most bytes for a FLOP is taken."""
    plan_of = made.buffers
    peak = max(range(len(made.order)), key=lambda k: plan_of.live[k], default=0)
    uses: dict[int, list[int]] = {}
    for position, value in enumerate(made.order):
        for operand in made.graph.operations[value].operands:
            uses.setdefault(operand.value, []).append(position)
    at = {value: position for position, value in enumerate(made.order)}
    kept = made.kept
    best, most = None, 0.0
    for value, places in uses.items():
        later = next((p for p in places if p > peak), None)
        waits = later is not None and at[value] < peak and peak not in places
        if not waits or later is None or value in kept or plan_of.place[value] < 0 or value in plan_of.views:
            continue
        chain = recipe(made, value, later, at, uses, kept)
        if chain is None:
            continue
        flops = sum(flops_of(made.graph, made.graph.operations[v], made.extents.known) for v in chain)
        gain = bytes_of(made.graph, value, made.extents.known, made.itemsize) / (flops + 1)
        if gain > most:
            best, most = (value, later, chain), gain
    return best


def recipe(
    made: Plan, value: int, later: int, at: dict[int, int], uses: dict[int, list[int]], kept: set[int]
) -> list[int] | None:
    """The operations, in order, that make a value again from what is there at a position."""
    chain: dict[int, None] = {}
    stack = [value]
    while stack:
        current = stack.pop()
        operation = made.graph.operations[current]
        if len(chain) == CHAIN or operation.kind in NEVER or made.graph.type(current) == "int":
            return None
        chain[current] = None
        for operand in operation.operands:
            other = operand.value
            there = made.buffers.place[other] < 0 or other in kept or max(uses[other]) >= later
            if not there and other not in chain:
                stack.append(other)
    return sorted(chain, key=lambda v: at[v])


def again(made: Plan, value: int, later: int, chain: list[int]) -> Plan:
    """The plan with a value made twice: its readers from a position on read the second."""
    graph = Graph()
    number: dict[int, int] = {}
    order: list[int] = []

    layouts: dict[int, str] = {}

    def append(operation: Operation, old: int) -> int:
        graph.operations.append(operation)
        order.append(len(graph.operations) - 1)
        if old in made.layouts:
            layouts[order[-1]] = made.layouts[old]
        return order[-1]

    def renamed(operation: Operation, names: dict[int, int]) -> Operation:
        refs = tuple(Ref(names[ref.value], ref.labels) for ref in operation.operands)
        return dataclasses.replace(operation, operands=refs)

    names = dict(number)
    for position, old in enumerate(made.order):
        if position == later:
            second = dict(names)
            for link in chain:
                second[link] = append(renamed(made.graph.operations[link], second), link)
            names[value] = second[value]
        made_here = append(renamed(made.graph.operations[old], names), old)
        names[old] = number[old] = made_here
    tensors = {
        name: dataclasses.replace(stored, value=None if stored.value is None else number[stored.value])
        for name, stored in made.tensors.items()
        if stored.value is None or stored.value in number
    }
    spelled = {number[old]: name for old, name in made.names.items() if old in number}
    for new in order:
        spelled.setdefault(new, f"t{new}")
    return dataclasses.replace(
        made,
        graph=graph,
        order=tuple(order),
        tensors=tensors,
        names=spelled,
        presumed=frozenset(number[v] for v in made.presumed if v in number),
        recomputed=(*made.recomputed, made.names[value]),
        layouts=layouts,
    )
