"""What a program means, as arrays: its values, and by imaginary parts its derivatives."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from tests.routes.meaning import STEP, Meaning

Array = Any


class Meant:
    """A program of which `evaluated` says what all tensors are, along several directions at once."""

    lines: tuple[Any, ...]
    loss: str
    wrt: tuple[str, ...]
    floats: tuple[str, ...]
    integers: Any
    data: dict[str, Array]

    def evaluated(self, given: Mapping[str, Array]) -> Meaning:
        """The meaning of tensors that have an axis of directions in front."""
        raise NotImplementedError

    @cached_property
    def _entries(self) -> list[tuple[str, tuple[int, ...]]]:
        return [(name, place) for name in self.floats for place in np.ndindex(self.data[name].shape)]

    @cached_property
    def plain(self) -> Meaning:
        """The values by themselves, in real numbers: infinite complex ones times others have parts that are NaN."""
        given = {n: np.asarray(a)[None].astype(int if n in self.integers else float) for n, a in self.data.items()}
        return self.evaluated(given)

    @cached_property
    def values(self) -> dict[str, Array]:
        return {line.name: self.plain.tensors[line.name].real[0] for line in self.lines}

    def slopes(self, data: Mapping[str, Array]) -> tuple[dict[str, dict[str, Array]], Meaning]:
        """``{of: {wrt: array}}``: every tensor by every entry of every input that is a float."""
        entries, count = self._entries, max(len(self._entries), 1)
        given = {}
        for name, array in data.items():
            lead = 1 if name in self.integers else count
            given[name] = np.repeat(np.asarray(array)[None], lead, axis=0).astype(
                int if name in self.integers else complex
            )
        for row, (name, place) in enumerate(entries):
            given[name][(row, *place)] += 1j * STEP
        found = self.evaluated(given)
        result: dict[str, dict[str, Array]] = {}
        for line in self.lines:
            value = found.tensors[line.name]
            value = np.broadcast_to(value, (count, *value.shape[1:])).imag / STEP
            result[line.name], row = {}, 0
            for name in self.floats:
                shape = np.shape(data[name])
                size = int(np.prod(shape))
                block = np.moveaxis(value[row : row + size], 0, -1)
                result[line.name][name] = block.reshape((*value.shape[1:], *shape))
                row += size
        return result, found

    @cached_property
    def jacobians(self) -> dict[str, dict[str, Array]]:
        return self.slopes(self.data)[0]

    def gradient(self, wrt: str, loss: str | None = None) -> Array:
        return self.jacobians[loss or self.loss][wrt]

    def gradients_at(self, params: Mapping[str, Array]) -> dict[str, Array]:
        """The gradients of the loss where some inputs are others."""
        return self.slopes({**self.data, **params})[0][self.loss]

    def hessian_product(self, directions: Mapping[str, Array]) -> dict[str, Array]:
        """Central differences of exact gradients, at the steps of which the next changes least: larger ones pass over
        what is curved, smaller ones lose digits of what is far from zero."""
        found = best = self.differences(directions, 3e-4)
        least = np.inf
        for h in (6e-5, 1.2e-5, 2.4e-6, 4.8e-7, 9.6e-8):
            before, found = found, self.differences(directions, h)
            gap = max((np.abs(found[name] - before[name]).max(initial=0) for name in found), default=0)
            if gap < least:
                best, least = before, gap
            if least <= 1e-9 * max((np.abs(array).max(initial=1) for array in found.values()), default=1):
                break
        return best

    def differences(self, directions: Mapping[str, Array], h: float) -> dict[str, Array]:
        """Four gradients, so that the error is of the order h^4."""
        total: dict[str, Array] = dict.fromkeys(self.wrt, 0.0)
        for factor, weight in ((1, 8), (-1, -8), (2, -1), (-2, 1)):
            there = {n: np.asarray(self.data[n], float) + factor * h * v for n, v in directions.items()}
            found = self.gradients_at(there)
            for name in total:
                total[name] = total[name] + weight * found[name] / (12 * h)
        return total

    @cached_property
    def magnitude(self) -> float:
        """The largest number on the way to a value or to a derivative."""
        tops = [1.0, self.plain.largest]
        tops += [float(np.abs(a).max()) for of in self.jacobians.values() for a in of.values() if a.size]
        return max(tops)

    def scale(self, what: str) -> float:
        """The largest number on the way to one tensor, or to its derivatives."""
        heights = self.plain.heights
        if what not in heights:
            return self.magnitude
        tops = [heights[name] for name in (what, *self.behind(what)) if name in heights]
        return max(*tops, 0.0, *(float(np.abs(a).max()) for a in self.jacobians[what].values() if a.size))

    @cached_property
    def curvable(self) -> bool:
        """Whether differences of gradients are second derivatives: no kink is near, and no extreme is that of several
        entries, of which the least step leaves one."""
        return self.plain.closest > 0.01 and not self.plain.shared

    @cached_property
    def finite(self) -> bool:
        return all(np.isfinite(value).all() for value in self.values.values())

    @cached_property
    def derivable(self) -> bool:
        """Whether the loss and its gradient are finite."""
        return bool(np.isfinite(self.values[self.loss]).all()) and all(
            np.isfinite(self.gradient(name)).all() for name in self.wrt
        )
