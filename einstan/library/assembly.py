"""From the arrays of cores to a factored tensor: what the equation says about them, worked out once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from einstan.language.dims import axis
from einstan.language.index import Affine, Index, affine
from einstan.language.term import Extent, Indexed
from einstan.language.threads import cached_property
from einstan.library.derivative import Cores, Tie
from einstan.library.factored import SMALL, FactoredTensor
from einstan.library.factored_dense import Place, Structure, Writer, dtype_of, placed, places, writer
from einstan.library.factored_links import Link
from einstan.library.factored_parts import Part
from einstan.library.labelled import Labels
from einstan.library.symmetric import (
    LARGE,
    Average,
    Order,
    averages,
    exchanges,
    mended,
    mirror,
    overlapping,
    same_factors,
    strips,
)
from einstan.machine.passes.symmetric import is_symmetric
from einstan.machine.plan.plan import Plan
from einstan.machine.sizes.memory import refuse_more
from einstan.machine.sizes.refusals import outside


class Assembly:
    """How the arrays of the cores become a `FactoredTensor`; made once for the shapes of a call.

    With ``symmetric``, the tensors of the denominator that are equal may change places, exactly.
    """

    def __init__(
        self,
        apart: Cores,
        outputs: Sequence[str],
        shape: tuple[int, ...],
        symmetric: bool,
        extent: Callable[[Affine], int],
    ) -> None:
        name: Any = apart.equation.name
        self.rows = name.rank + sum(rank for _, rank in name.wrt[:-1])
        self.names = tuple(index.name for index in apart.equation.indices)
        self.shape, self.size = shape, math.prod(shape)
        self.group: tuple[Order, ...] = exchanges(name.rank, name.wrt) if symmetric else ()
        at = {core: k for k, core in enumerate(outputs)}
        self.parts = [
            (term.axes, [(at[core], labels) for core, labels in term.factors]) for term in apart.terms if not term.ties
        ]
        self.linked = [
            (Part(term.axes, (), term.scale, tuple(_link(tie, extent, apart) for tie in term.ties)),
             [(at[core], labels) for core, labels in term.factors])
            for term in apart.terms
            if term.ties
        ]  # fmt: skip
        self.places = [_places(axes, factors) for axes, factors in self.parts]
        self.kept = list(range(len(self.parts)))
        self.averages: list[tuple[Average, int | None]] = []
        self.mirrors: tuple[Order, ...] = ()
        self.equation = apart.equation
        self._writers: dict[Any, Writer] = {}
        self.kept_parts = _maker(self.parts, self.kept)
        if len(self.group) > 1:
            self._average(lambda *_: False)

    def _average(self, exact: Callable[[int, Labels], bool]) -> None:
        alike = [k for k, (a, f) in enumerate(self.parts) if all(same_factors(a, f, g, exact) for g in self.group)]
        self.kept = alike
        found = averages([axes for axes, _ in self.parts], self.kept, self.group)
        self.averages = [(average, self._mirrored(average)) for average in found]
        self.averaged = [k for k in range(len(self.parts)) if k not in self.kept]
        self.mirrors = self.group if self.linked or overlapping(len(self.kept) + len(found), found) else ()
        self.kept_parts = _maker(self.parts, self.kept)

    def know(self, apart: Cores, made: Plan) -> None:
        """Leave alone what the code computes symmetric to the last bit."""

        def exact(number: int, order: Labels) -> bool:
            stored = made.tensors[apart.outputs[number]]
            if stored.value is None or None in stored.slots:
                return False
            axes = [k for k in stored.slots if k is not None]
            back = [axes.index(k) for k in range(len(axes))]  # of each axis of the value, its slot
            return is_symmetric(made.graph, stored.value, tuple(axes[order[slot]] for slot in back))

        if len(self.group) == 2:  # an exchange that undoes itself
            self._average(exact)

    @cached_property
    def whole(self) -> int | None:
        """The core that is the whole tensor, if one is."""
        if self.averages or self.linked or len(self.kept) != 1:
            return None
        axes, factors = self.parts[self.kept[0]]
        plain = tuple(range(len(self.shape)))
        return factors[0][0] if len(factors) == 1 and axes == factors[0][1] == plain != () else None

    def __call__(self, arrays: Sequence[Any]) -> FactoredTensor:
        return self._tensor(self._parts(arrays))

    def _tensor(self, parts: tuple[Part, ...]) -> FactoredTensor:
        return FactoredTensor.of_cores(self.names, self.shape, parts, self.rows, self.mirrors, self.equation)

    def dense(self, arrays: Sequence[Any]) -> np.ndarray:
        """The dense form, refused where it does not fit; one of the arrays may become it."""
        if self.whole is not None and arrays[self.whole].flags.writeable:
            found: np.ndarray = arrays[self.whole]
            return found
        parts = self._parts(arrays)
        if self.size > SMALL:
            self._tensor(parts).refuse_large()
        if self.linked:
            return self._tensor(parts).dense()
        dtype = dtype_of(parts)
        write = self._writers.get(dtype)
        if write is None:
            structures = tuple(Structure(axes, tuple(labels for _, labels in factors)) for axes, factors, _, _ in parts)
            write = self._writers[dtype] = writer(structures, self.shape, dtype)
        written = write(parts, None, True)
        return mended(written, self.mirrors) if self.mirrors else written

    def _parts(self, arrays: Sequence[Any]) -> tuple[Part, ...]:
        if not self.linked:
            return self._plain(arrays)
        linked = [
            part._replace(factors=tuple([(np.asarray(arrays[k]), labels) for k, labels in factors]))
            for part, factors in self.linked
        ]
        if self.averages:  # symmetric is what is averaged and these together: they are averaged as well
            linked = [
                part._replace(axes=tuple(part.axes[k] for k in order), scale=part.scale / len(self.group)).numbered()
                for part in linked
                for order in self.group
            ]
        return (*self._plain(arrays), *linked)

    def _plain(self, arrays: Sequence[Any]) -> tuple[Part, ...]:
        if not self.averages:
            return self.kept_parts(arrays)
        cores = {k: self._core(k, arrays) for k in self.averaged}
        found: list[Part] = []
        for average, number in self.averages:
            if number is None:
                core = average.of(cores)
            else:
                core = cores[number] if cores[number].flags.writeable else cores[number].copy()
                mirror(core)
            labels = average.labels
            found.append(Part(average.axes, ((core, labels),)))
            for axes, order in average.images:
                found.append(Part(axes, ((core.transpose(order), labels),)))
        return (*found, *self.kept_parts(arrays))

    def _core(self, number: int, arrays: Sequence[Any]) -> np.ndarray:
        """The core of a part that is averaged."""
        axes, factors = self.parts[number]
        lined_up = self.places[number]
        if self.size > SMALL and len(factors) > 1:
            sizes = dict(zip(axes, self.shape, strict=True))
            bytes_held = math.prod(sizes.values()) * np.result_type(*(arrays[k] for k, _ in factors)).itemsize
            refuse_more(
                "the derivative's core", bytes_held, "take its products: hvp, or a part of the tensor at a time"
            )
        if lined_up is None:
            return Part(axes, tuple([(arrays[k], labels) for k, labels in factors])).core(self.shape)
        core = placed(arrays[factors[0][0]], *lined_up[0])
        for (k, _), place in zip(factors[1:], lined_up[1:], strict=True):
            core = core * placed(arrays[k], *place)
        return core

    def _mirrored(self, average: Average) -> int | None:
        """The part whose core is made symmetric where it lies: a large one, of its own."""
        number = average.sources[0][0]
        sizes = dict(zip(average.axes, self.shape, strict=True))
        shape = [sizes[label] for label in average.labels]
        _, factors = self.parts[number]
        if not average.is_matrix or 0 in shape or math.prod(shape) < LARGE * len(strips(shape)):
            return None
        if len(factors) == 1:
            uses = sum(core == factors[0][0] for _, others in self.parts for core, _ in others)
            return number if uses == 1 else None
        return number if self.places[number] is not None else None


def _maker(parts: Sequence[Any], chosen: Sequence[int]) -> Callable[[Sequence[Any]], tuple[Part, ...]]:
    """A function of the cores' arrays that makes these parts; it is written down, since it runs at every call."""
    written: list[str] = []
    constants: dict[str, Any] = {"Part": Part, "asarray": np.asarray}
    for number in chosen:
        axes, factors = parts[number]
        constants[f"axes{number}"] = axes
        pairs = []
        for place, (k, labels) in enumerate(factors):
            constants[f"labels{number}_{place}"] = labels
            array = f"arrays[{k}]" if labels else f"asarray(arrays[{k}])"  # which may be a scalar
            pairs.append(f"({array}, labels{number}_{place}), ")
        written.append(f"Part(axes{number}, ({''.join(pairs)})), ")
    made: Callable[[Sequence[Any]], tuple[Part, ...]] = eval(f"lambda arrays: ({''.join(written)})", constants)
    return made


def _link(tie: Tie, extent: Callable[[Affine], int], apart: Cores) -> Link:
    if tie.access is not None:
        _refuse_outside(*tie.access, extent, apart)
    return Link(tie.terms, extent(tie.constant), extent(tie.extent))


def _refuse_outside(access: Indexed, position: int, extent: Callable[[Affine], int], apart: Cores) -> None:
    """The error for a read that is not inside for every value of its indices, which it has to be."""
    form, size = access.slots[position], extent(_extent(apart.program.dims.find(axis(access.tensor, position))))
    low = high = extent(affine(*((a, k) for a, k in form.terms if not isinstance(a, Index)), constant=form.constant))
    for index, k in ((a, k) for a, k in form.terms if isinstance(a, Index)):
        length = extent(_extent(index.dim))
        if not length:
            return
        low, high = low + min(0, k * (length - 1)), high + max(0, k * (length - 1))
    if low < 0 or high >= size:
        raise outside(apart.equation, access, position, high if high >= size else low, size)


def _extent(dim: str) -> Affine:
    return affine((Extent(Index(dim)), 1))


def _places(axes: Labels, factors: Sequence[tuple[int, Labels]]) -> Sequence[Place] | None:
    """How factors line up with their core; None where that is not all, because an axis is in no factor."""
    whole = set(axes) == {label for _, labels in factors for label in labels}
    return places(axes, tuple(labels for _, labels in factors)) if whole else None
