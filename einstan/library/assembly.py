"""From the arrays of cores to a factored tensor: what the equation says about them, worked out once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from einstan.library.derivative import Cores
from einstan.library.factored import FactoredTensor
from einstan.library.factored_dense import Place, placed, recipe
from einstan.library.factored_parts import Part
from einstan.library.labelled import Labels
from einstan.library.symmetric import Average, Order, averages, exchanges, numbered, overlapping, same_factors
from einstan.machine.plan import Plan
from einstan.machine.symmetric import is_symmetric


class Assembly:
    """How the arrays of the cores become a `FactoredTensor`; made once for the shapes of a call.

    With ``symmetric``, the tensors of the denominator that are equal may change places, exactly.
    """

    def __init__(self, apart: Cores, outputs: Sequence[str], shape: tuple[int, ...], symmetric: bool) -> None:
        name: Any = apart.equation.name
        self.rows = name.rank + sum(rank for _, rank in name.wrt[:-1])
        self.names = tuple(index.name for index in apart.equation.indices)
        self.shape = shape
        self.group: tuple[Order, ...] = exchanges(name.rank, name.wrt) if symmetric else ()
        at = {core: k for k, core in enumerate(outputs)}
        self.parts = [(term.axes, [(at[core], labels) for core, labels in term.factors]) for term in apart.terms]
        self.places = [_places(axes, factors) for axes, factors in self.parts]
        self.kept = list(range(len(self.parts)))
        self.averages: list[Average] = []
        self.free: list[dict[int, np.ndarray]] = []
        self.mirrors: tuple[Order, ...] = ()
        if len(self.group) > 1:
            self._average(frozenset())

    def _average(self, exact: frozenset[int]) -> None:
        alike = {k for k, (a, f) in enumerate(self.parts) if all(same_factors(a, f, g) for g in self.group)}
        self.kept = sorted(exact | alike)
        self.averages = averages([axes for axes, _ in self.parts], self.kept, self.group)
        self.averaged = [k for k in range(len(self.parts)) if k not in self.kept]
        self.mirrors = self.group if overlapping(len(self.kept) + len(self.averages), self.averages) else ()

    def know(self, apart: Cores, made: Plan) -> None:
        """Leave alone what the code computes symmetric to the last bit."""
        exact: set[int] = set()
        for number, term in enumerate(apart.terms if len(self.group) == 2 else ()):
            turned, order = numbered(term.axes, self.group[1])
            if turned != term.axes or len(term.factors) != 1:
                continue
            ((core, labels),) = term.factors
            stored = made.tensors[core]
            if stored.value is not None and None not in stored.slots:
                axes = [k for k in stored.slots if k is not None]
                back = [axes.index(k) for k in range(len(axes))]  # of each axis of the value, its slot
                moved = tuple(axes[labels.index(order[labels[slot]])] for slot in back)
                exact |= {number} if is_symmetric(made.graph, stored.value, moved) else set()
        if len(self.group) > 1:
            self._average(frozenset(exact))

    def __call__(self, arrays: Sequence[Any]) -> FactoredTensor:
        parts: list[Part] = []
        if self.averages:
            try:
                memory = self.free.pop()  # that no other call is using: taking it from the list is atomic
            except IndexError:
                memory = {}
            cores = {k: self._core(k, arrays, memory) for k in self.averaged}
            for average in self.averages:
                core = average.of(cores)
                labels = average.labels
                parts.append(Part(average.axes, ((core, labels),)))
                for axes, order in average.images:
                    parts.append(Part(axes, ((core.transpose(order), labels),)))
            self.free.append(memory)
        parts += [self._part(k, arrays) for k in self.kept]
        return FactoredTensor.of_cores(self.names, self.shape, tuple(parts), self.rows, self.mirrors)

    def _part(self, number: int, arrays: Sequence[Any]) -> Part:
        axes, factors = self.parts[number]
        return Part(axes, tuple([(np.asarray(arrays[k]), labels) for k, labels in factors]))

    def _core(self, number: int, arrays: Sequence[Any], memory: dict[int, np.ndarray]) -> np.ndarray:
        """The core of a part that is averaged; a product lies in memory that the next call writes again."""
        places = self.places[number]
        if places is None:
            return self._part(number, arrays).core(self.shape)
        axes, factors = self.parts[number]
        *lined_up, last = [placed(arrays[k], *place) for (k, _), place in zip(factors, places, strict=True)]
        if not lined_up:
            return last
        core = lined_up[0]
        for other in lined_up[1:]:
            core = core * other
        out, dtype = memory.get(number), np.result_type(core, last)
        if out is None or out.dtype != dtype:
            sizes = dict(zip(axes, self.shape, strict=True))
            out = memory[number] = np.empty([sizes[label] for label in range(len(sizes))], dtype)
        return np.multiply(core, last, out=out)


def _places(axes: Labels, factors: Sequence[tuple[int, Labels]]) -> Sequence[Place] | None:
    """How factors line up with their core; None where that is not all, because an axis is in no factor."""
    whole = set(axes) == {label for _, labels in factors for label in labels}
    return recipe(axes, tuple(labels for _, labels in factors))[1] if whole else None
