"""A plan as each device of a mesh computes it: its part of every tensor, and what the devices exchange between.

Every value is cut as its operands are, as far as its operation allows (`parts`): a sum over a cut label leaves a part
of the sum on each device.  Such a part is passed on through what is linear, so that ``dq Wq + dk Wk + dv Wv`` is added
up before it is exchanged, and is exchanged where it gets the name of a tensor or is read by something else.  A tensor
lies as its letters say (`einstan.machine.sizes.specs`).  Where operands disagree, letters that are laid out win, then
the larger array; what is cut otherwise is gathered, once for all that read it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from copy import copy
from typing import TYPE_CHECKING, NamedTuple

from einstan.language.index import lowered
from einstan.language.term import ONE, Name
from einstan.machine.plan.parts import LARGEST, located, parts
from einstan.machine.sizes.exchanges import Exchange
from einstan.machine.sizes.operations import Graph, Operation, Ref, Stored
from einstan.machine.sizes.specs import Axes, Spec, Specs, dim_of, refuse_uneven

if TYPE_CHECKING:
    from einstan.machine.plan.plan import Plan

DEEPEST = 20  # maps of maps of which own parts are computed
LINEAR = ("add", "scale")  # maps, in all their operands


class Held(NamedTuple):
    """A value as a device has it: how its axes are cut, ``firm`` as far as letters say, and the mesh axes along which
    each device has a part of a sum."""

    value: int
    layout: Spec
    firm: Spec
    partial: Axes = ()


class Vote(NamedTuple):
    """That a label is cut along mesh axes, as an operand of so many entries is."""

    label: int
    axes: Axes
    size: int


def parted(made: Plan, specs: Specs) -> Plan:
    """The plan of one device: ``made`` with local extents and exchanges."""
    specs = specs.without(axis for axis, count in specs.mesh.items() if count == 1)
    known = made.extents.known
    shapes = {n: tuple(known[dim] for dim in s.dims) for n, s in made.tensors.items() if n in specs.kept}
    refuse_uneven(made.program, specs, shapes)
    return _Parting(made, specs).run()


class _Parting:
    def __init__(self, made: Plan, specs: Specs) -> None:
        self.made, self.specs = made, specs
        self.old, self.graph = made.graph.operations, Graph()
        self.extents = copy(made.extents)
        self.extents.known = dict(made.extents.known)
        self.held: dict[int, Held] = {}  # by the value as it was
        self.known: dict[int, Held] = {}  # by the value of a device
        self.moved: dict[tuple[int, Exchange], int] = {}
        self.layouts: dict[int, str] = {}
        self.names: dict[int, str] = {}
        self.base: dict[str, str] = {}  # of the part of a dimension
        self.equation = ""
        self.named: dict[int, tuple[Spec, Spec]] = {}
        for name, stored in made.tensors.items():
            if stored.value is not None and name in specs.kept:
                self.named.setdefault(stored.value, (_of(stored, specs.kept[name]), _of(stored, specs.used[name])))

    def run(self) -> Plan:
        made = self.made
        for value in made.order:
            operation = self.old[value]
            self.equation = operation.equation
            held = self.computed(value, operation)
            if value in self.named:
                kept, used = self.named[value]
                held = self.laid(held, kept)._replace(firm=used)
            self.held[value] = held
            if made.names[value] != f"t{value}":  # numbers are given anew
                self.names[held.value] = made.names[value]
        tensors = {name: self.stored(name, stored) for name, stored in made.tensors.items()}
        for value in range(len(self.graph.operations)):
            self.names.setdefault(value, f"t{value}")
        found = dataclasses.replace(
            made, graph=self.graph, tensors=tensors, extents=self.extents, names=self.names, presumed=frozenset(),
            layouts=self.layouts, mesh=dict(self.specs.mesh),
        )  # fmt: skip
        found.order = tuple(sorted(self.graph.needed(found.kept)))
        return found

    def stored(self, name: Name, stored: Stored) -> Stored:
        """Where a device has its part of a tensor."""
        spec = self.specs.of(name, len(stored.dims))
        dims = tuple(self.dim(dim, axes) for dim, axes in zip(stored.dims, spec, strict=True))
        if stored.value is None or stored.value not in self.held:
            return dataclasses.replace(stored, dims=dims, value=None if stored.value is None else -1)
        self.equation = str(self.made.program.defined.get(name, ""))
        held = self.laid(self.held[stored.value], _of(stored, spec)) if name in self.made.outputs else None
        return dataclasses.replace(stored, value=(held or self.held[stored.value]).value, dims=dims)

    # ---- one operation -----------------------------------------------------------------------------------------------

    def computed(self, value: int, operation: Operation) -> Held:
        if operation.kind == "input":
            kept, used = self.named.get(value, (((),) * len(operation.out),) * 2)
            return self.append(operation, (), dict(zip(operation.out, kept, strict=True)), used)
        held = [self.held[ref.value] for ref in operation.operands]
        passed: Axes = ()
        if operation.kind == "map" and operation.detail[0] == "add":
            operation, held = self.summed_first(operation, held)
        allowed, same = parts(operation)

        def cut(at: Mapping[int, Axes], ref: Ref) -> Spec:
            return tuple(at.get(same.get(label, label), ()) for label in ref.labels)

        if self.linear(operation, held):
            passed = next(each.partial for each in held if each.partial)
            at, firm = self.assigned(value, operation, held, allowed, same, passed)
            if any(e.partial and cut(at, ref) != e.layout for ref, e in zip(operation.operands, held, strict=True)):
                passed = ()
        if not passed:
            held = [self.whole(each) for each in held]
            at, firm = self.assigned(value, operation, held, allowed, same, ())
        operands = []
        for ref, each in zip(operation.operands, held, strict=True):
            target = cut(at, ref)
            operands.append(Ref(each.value if target == each.layout else self.laid(each, target).value, ref.labels))
        at |= {label: at[other] for label, other in same.items() if other in at}
        used = tuple(firm.get(same.get(label, label), ()) for label in operation.out)
        made = self.append(located(operation, at, self.specs.devices), tuple(operands), at, used)
        cut_out = {each for axes in made.layout for each in axes}
        left = tuple(dict.fromkeys(each for axes in at.values() for each in axes if each not in cut_out))
        if left and operation.kind == "reduce":
            return self.exchange(made, self.along(f"all-reduce {LARGEST[operation.detail]}", left))
        return self.part(made, (*passed, *left))

    def part(self, held: Held, axes: Axes) -> Held:
        """A value of which each device along mesh axes has a part of the sum."""
        if axes:
            self.layouts[held.value] = f"{self.layouts[held.value]} Σ {'×'.join(axes)}".lstrip()
        return held._replace(partial=axes)

    def along(self, kind: str, axes: Axes, axis: int = 0, other: int = 0) -> Exchange:
        if kind.startswith("all-reduce"):  # whose order does not matter
            axes = tuple(each for each in self.specs.mesh if each in axes)
        return Exchange(kind, axes, self.specs.devices(axes), axis, other)

    def summed_first(self, operation: Operation, held: list[Held]) -> tuple[Operation, list[Held]]:
        """A sum of which some terms are parts of sums, all alike: these are added up and exchanged before the rest."""
        waiting = [k for k, each in enumerate(held) if each.partial]
        if len(waiting) < 2 or not self.alike(operation, held, waiting):
            return operation, held
        rest = [k for k in range(len(held)) if k not in waiting]
        if not rest:
            return operation, held
        scales, (first, *_) = operation.detail[1], waiting
        labels = operation.operands[first].labels
        refs = tuple(Ref(held[k].value, operation.operands[k].labels) for k in waiting)
        inner = dataclasses.replace(operation, out=labels, detail=("add", tuple(scales[k] for k in waiting)))
        part = self.append(inner, refs, dict(zip(labels, held[first].layout, strict=True)), held[first].firm)
        total = self.whole(self.part(part, held[first].partial))
        outer = dataclasses.replace(
            operation,
            operands=(Ref(-1, labels), *(operation.operands[k] for k in rest)),
            detail=("add", (ONE, *(scales[k] for k in rest))),
        )
        return outer, [total, *(held[k] for k in rest)]

    def alike(self, operation: Operation, held: Sequence[Held], which: Sequence[int]) -> bool:
        """Whether operands are parts of sums along the same mesh axes, cut in one way, and have the same labels."""
        cuts = [dict(zip(operation.operands[k].labels, held[k].layout, strict=True)) for k in which]
        partial = held[which[0]].partial
        return all(cut == cuts[0] for cut in cuts) and all(held[k].partial == partial for k in which)

    def linear(self, operation: Operation, held: Sequence[Held]) -> bool:
        """Whether a part of a sum can be passed on: the operation of parts is a part of its value."""
        waiting = [k for k, each in enumerate(held) if each.partial]
        if not waiting:
            return False
        first = held[waiting[0]]
        if any(set(first.partial) & set(axes) for each in held for axes in each.layout):
            return False
        kind = operation.detail[0] if operation.kind == "map" else operation.kind
        if kind in LINEAR:
            return len(waiting) == len(held) and self.alike(operation, held, waiting)
        if kind == "select":
            return waiting == [1]
        if kind == "contract":
            read = operation.operands[waiting[0]].labels
            sizes = [self.made.size(operation.dims[label] for label in labels) for labels in (read, operation.out)]
            return len(waiting) == 1 and waiting[0] < operation.detail and sizes[1] <= sizes[0]
        return False

    def assigned(
        self, value: int, operation: Operation, held: Sequence[Held], allowed: set[int], same: Mapping[int, int],
        passed: Axes,
    ) -> tuple[dict[int, Axes], dict[int, Axes]]:  # fmt: skip
        """Along which mesh axes each label is cut, and of those which letters ask for."""
        votes: dict[tuple[int, Axes, bool], int] = {}
        seen: dict[int, set[Axes]] = {}
        for ref, each in zip(operation.operands, held, strict=True):
            size = self.made.size(operation.dims[label] for label in ref.labels)
            for own, axes, firm in zip(ref.labels, each.layout, each.firm, strict=True):
                label = same.get(own, own)
                seen.setdefault(label, set()).add(axes)
                for key in ((label, axes, axes == firm), (label, firm, True)):
                    if key[1] and label in allowed:
                        votes[key] = max(votes.get(key, 0), size)
        firms = [Vote(label, axes, size) for (label, axes, is_firm), size in votes.items() if is_firm]
        firms.sort(key=lambda vote: (self.specs.letters.get(lowered(operation.letters[vote.label])) != vote.axes,
                                     -vote.size))  # fmt: skip
        smaller = [  # what all that have it keep in smaller parts, where nothing else is to be cut there
            Vote(label, axes, size)
            for (label, axes, is_firm), size in votes.items()
            if not is_firm and seen[label] == {axes}
            and not any(other.label != label and set(other.axes) & set(axes) for other in firms)
        ]  # fmt: skip
        at: dict[int, Axes] = {}
        taken = set(passed)

        def cut(label: int, axes: Axes) -> None:
            if label not in at and not taken & set(axes):
                at[label] = axes
                taken.update(axes)

        for vote in (*smaller, *firms):
            cut(vote.label, vote.axes)
        asked = {vote.label: vote.axes for vote in firms if at.get(vote.label, ())[: len(vote.axes)] == vote.axes}
        kept = self.named[value][0] if value in self.named else ((),) * len(operation.out)
        for own, axes in zip(operation.out, kept, strict=True):  # of what is whole everywhere a part will do
            label = same.get(own, own)
            if axes and label in allowed and seen.get(label, {()}) == {()}:
                cut(label, axes)
        return at, asked

    # ---- how values lie ----------------------------------------------------------------------------------------------

    def whole(self, held: Held) -> Held:
        """What is the sum of parts, on every device."""
        return self.laid(held, held.layout) if held.partial else held

    def laid(self, held: Held, target: Spec) -> Held:
        """A value as it is to lie: summed, its parts exchanged."""
        for k, axes in enumerate(target):
            more = axes[len(held.layout[k]) :] if axes[: len(held.layout[k])] == held.layout[k] else ()
            if more and set(more) <= set(held.partial):
                held = self.exchange(held, self.along("reduce-scatter", more, k))
        if held.partial:
            held = self.exchange(held, self.along("all-reduce", held.partial))
        for k, axes in enumerate(target):  # what is on a mesh axis that another axis is to be on goes there at once
            more = axes[len(held.layout[k]) :] if axes[: len(held.layout[k])] == held.layout[k] else ()
            for j, own in enumerate(held.layout) if more else ():
                if j != k and own == (*target[j], *more):
                    held = self.exchange(held, self.along("all-to-all", more, j, k))
                    break
        held = self.cut(held, target)
        for k, axes in enumerate(target):
            common = _common(held.layout[k], axes)
            more = held.layout[k][len(common) :]
            if more:
                held = self.exchange(held, self.along("all-gather", more, k))
        return self.cut(held, target)

    def cut(self, held: Held, target: Spec) -> Held:
        """The own parts of a device, along mesh axes along which all devices have the same."""
        for k, axes in enumerate(target):
            own = held.layout[k]
            more = axes[len(own) :] if axes[: len(own)] == own else ()
            if more and not any(set(more) & set(each) for each in held.layout):
                held = self.own(held, self.along("own part", more, k))
        return held

    def own(self, held: Held, what: Exchange, depth: int = 0) -> Held:
        """The own part of a device: what is computed entry by entry is computed of own parts, and not whole before."""
        operation, key = self.graph.operations[held.value], (held.value, what)
        if operation.kind != "map" or not operation.operands or depth == DEEPEST:
            return self.exchange(held, what)
        label = operation.out[what.axis]
        layout = tuple((*axes, *what.axes) if k == what.axis else axes for k, axes in enumerate(held.layout))
        if key not in self.moved:
            refs = []
            for ref in operation.operands:
                each = self.known[ref.value]
                if label in ref.labels:
                    each = self.own(each, dataclasses.replace(what, axis=ref.labels.index(label)), depth + 1)
                refs.append(Ref(each.value, ref.labels))
            dims = list(operation.dims)
            dims[label] = self.dim(self.base.get(dims[label], dims[label]), layout[what.axis])
            self.moved[key] = self.add(
                dataclasses.replace(operation, operands=tuple(refs), dims=tuple(dims)), layout, held.firm
            )
        return self.known[self.moved[key]]

    def exchange(self, held: Held, what: Exchange) -> Held:
        layout = list(held.layout)
        if what.kind in ("all-gather", "all-to-all"):
            layout[what.axis] = layout[what.axis][: -len(what.axes)]
        if what.kind in ("reduce-scatter", "own part", "all-to-all"):
            to = what.other if what.kind == "all-to-all" else what.axis
            layout[to] = (*layout[to], *what.axes)
        partial = held.partial
        if what.kind in ("all-reduce", "reduce-scatter"):
            partial = tuple(each for each in partial if each not in what.axes)
        found = self.moved.get((held.value, what))
        if found is None:
            made = self.exchanging(held, what, tuple(layout))
            found = self.moved[held.value, what] = self.add(made, tuple(layout), tuple(map(_common, held.firm, layout)))
        return self.known[found]._replace(partial=partial)

    def exchanging(self, held: Held, what: Exchange, layout: Spec) -> Operation:
        """The operation: an axis whose extent changes has a label before and another behind."""
        dims = list(self.graph.dims(held.value))
        read = tuple(range(len(dims)))
        out = list(read)
        for k, axes in enumerate(layout):
            if axes != held.layout[k]:
                out[k] = len(dims)
                dims.append(self.dim(self.base.get(dims[k], dims[k]), axes))
        letters = ("x",) * len(dims)
        return Operation("exchange", what, (Ref(held.value, read),), tuple(out), tuple(dims), self.equation, letters)

    # ---- the graph ---------------------------------------------------------------------------------------------------

    def append(self, operation: Operation, operands: tuple[Ref, ...], at: Mapping[int, Axes], firm: Spec) -> Held:
        dims = tuple(self.dim(dim, at.get(label, ())) for label, dim in enumerate(operation.dims))
        layout = tuple(at.get(label, ()) for label in operation.out)
        made = dataclasses.replace(operation, operands=operands, dims=dims)
        return self.known[self.add(made, layout, tuple(map(_common, firm, layout)))]

    def add(self, operation: Operation, layout: Spec, firm: Spec) -> int:
        value = len(self.graph.operations)
        self.graph.operations.append(operation)
        self.known[value] = Held(value, layout, firm)
        self.layouts[value] = ", ".join("×".join(axes) or "·" for axes in layout)
        return value

    def dim(self, dim: str, axes: Axes) -> str:
        """The dimension of the part of a device, whose extent is known from now on."""
        if not axes:
            return dim
        local = dim_of(dim, axes)
        self.base[local] = dim
        self.extents.known[local] = self.extents.known[dim] // self.specs.devices(axes)
        return local


def _of(stored: Stored, spec: Spec) -> Spec:
    """The layout of a value whose axes are some of the slots of a tensor."""
    found: dict[int, Axes] = {axis: spec[k] for k, axis in enumerate(stored.slots) if axis is not None}
    return tuple(found[k] for k in range(len(found)))


def _common(one: Axes, other: Axes) -> Axes:
    """The mesh axes that both begin with."""
    count = next((k for k, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return one[:count]
