"""What each kind of operation can do in parts, on devices that hold parts of its operands."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from einstan.machine.sizes.exchanges import Part
from einstan.machine.sizes.operations import Form, Operation

Parts = tuple[set[int], dict[int, int]]
LARGEST = {"max": "max", "max of all": "max", "min": "min"}  # of reductions: how devices go on with it


def parts(operation: Operation) -> Parts:
    """The labels along which an operation of parts is a part of the operation (a sum over one of them is then a sum of
    parts), and labels that run along others: a slot that is an index and nothing else."""
    rule = RULES.get(operation.kind)
    return rule(operation) if rule is not None else (set(), {})


def _every(operation: Operation) -> Parts:
    return set(range(len(operation.dims))), {}


def _reduced(operation: Operation) -> Parts:
    return set(range(len(operation.dims))) if operation.detail in LARGEST else set(operation.out), {}


def _kept(operation: Operation) -> Parts:
    """Labels of operands that the result has too, each once."""
    read = {label for ref in operation.operands for label in ref.labels if ref.labels.count(label) == 1}
    again = {label for ref in operation.operands for label in ref.labels if ref.labels.count(label) > 1}
    return (read & set(operation.out)) - again, {}


def _formed(operation: Operation) -> Parts:
    return set(operation.out) - {label for label, _ in operation.detail.labels}, {}


def _along(operation: Operation, slots: Mapping[int, Form], others: Sequence[Form]) -> dict[int, int]:
    """Which labels of an array, read or written at forms, run along a label and nothing else does so."""
    found = {}
    forms = [*slots.values(), *others]
    for own, form in slots.items():
        label = form.label
        alone = sum(label in dict(other.labels) for other in forms) == 1
        if label is not None and alone and operation.dims[own] == operation.dims[label]:
            found[own] = label
    return found


def _read(operation: Operation) -> Parts:
    whole, *values = operation.operands
    reading = operation.detail
    same = _along(operation, dict(zip(whole.labels, reading.slots, strict=True)), reading.guards)
    shifted = {label for form in reading.forms for label, _ in form.labels} - set(same.values())
    by_values = {label for ref in values for label in ref.labels} & set(operation.out)
    return ((set(same.values()) | by_values) - shifted) | set(_picked(operation)), same


def _picked(operation: Operation) -> tuple[int, ...]:
    """The label of an axis from which labels pick entries, ``E[T[n],d]``: each device picks what it has."""
    (whole, *_), reading = operation.operands, operation.detail
    places = [k for k, slot in enumerate(reading.slots) if slot.values]
    alone = len(places) == 1 and reading.slots[places[0]] == Form((), (reading.slots[places[0]].values[0],), (), 0)
    if not alone or reading.guards or reading.slots[places[0]].values[0][1] != 1:
        return ()
    return (whole.labels[places[0]],)


def _overlapping(operation: Operation) -> Parts:
    (core,), forms = operation.operands, operation.detail.forms
    same = _along(operation, dict(zip(operation.out, forms, strict=True)), ())
    return set(same.values()) & set(core.labels), same


def _embedded(operation: Operation) -> Parts:
    repeated = {operation.out[k] for k in operation.detail}
    return set(operation.operands[0].labels) - repeated, {}


def _scattered(operation: Operation) -> Parts:
    return set(range(len(operation.dims))), {}


def located(operation: Operation, at: Mapping[int, tuple[str, ...]], devices: Callable[[Any], int]) -> Operation:
    """An operation that has to know which part of an axis a device has: where labels pick entries of it, or are added
    up."""
    if operation.kind == "scatter" and at.get(operation.out[0]):
        axes = at[operation.out[0]]
        return replace(operation, detail=Part(axes, devices(axes)))
    for label in _picked(operation) if operation.kind == "read" else ():
        axes, axis = at.get(label, ()), operation.operands[0].labels.index(label)
        if axes:
            return replace(operation, detail=replace(operation.detail, part=Part(axes, devices(axes), axis)))
    return operation


def _squared(operation: Operation) -> Parts:
    """The labels that are summed, and those in front of a stack of products."""
    half, _, *weights = operation.operands
    batch = {label for ref in weights for label in ref.labels if label in operation.out}
    return {label for label in half.labels if label not in operation.out} | batch, {}


RULES: dict[str, Callable[[Operation], Parts]] = {
    "map": _every,
    "contract": _every,
    "copy": _every,
    "expand": _every,
    "reduce": _reduced,
    "scan": _kept,
    "whole": _kept,
    "diagonal": _kept,
    "form": _formed,
    "read": _read,
    "overlap": _overlapping,
    "embed": _embedded,
    "scatter": _scattered,
    "gram": _squared,
    "grams": _squared,
}
