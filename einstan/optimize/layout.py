"""Named arrays as one vector and back: what linear algebra and SciPy work on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from einstan.language.arguments import blamed_methods
from einstan.language.errors import DataError
from einstan.library.data import plain_array, require_numbers

Arrays = dict[str, NDArray[Any]]
Given = Mapping[str, NDArray[Any] | float]


def _floats(name: str, data: object) -> NDArray[Any]:
    array = plain_array(name, data)
    require_numbers(name, array)
    return array.astype(float, copy=False)


@blamed_methods()
class Layout:
    """Where every entry of every array stands in the vector: in the order of the names, each array row by row.

    Examples:
        >>> layout = es.optimize.flat(es.parse("L = x[N]^2 + y"), "L", {"x": np.ones(2), "y": 5.0}).layout
        >>> layout.pack({"x": np.ones(2), "y": 5.0}), layout.unpack(np.arange(3.0))
        (array([1., 1., 5.]), {'x': array([0., 1.]), 'y': array(2.)})
        >>> layout.unpack_rows(np.eye(3))["x"].shape, layout.pack_rows(layout.unpack_rows(np.eye(3))).shape
        ((3, 2), (3, 3))
        >>> type(layout).of({"x": np.ones(2)}).shapes
        {'x': (2,)}
    """

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self.shapes = dict(shapes)
        self.size = sum(math.prod(shape) for shape in self.shapes.values())

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]]) -> Layout:
        """The layout of arrays like these."""
        return cls({name: np.shape(array) for name, array in arrays.items()})

    def pack(self, arrays: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """The arrays as one vector."""
        parts = [np.asarray(arrays[name], dtype=float).reshape(-1) for name in self.shapes]
        return np.concatenate(parts) if parts else np.zeros(0)

    def pack_rows(self, arrays: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """Arrays with one more axis in front as the rows of a matrix."""
        parts = [np.reshape(arrays[name], (len(arrays[name]), math.prod(shape))) for name, shape in self.shapes.items()]
        return np.concatenate(parts, axis=1)

    def unpack(self, vector: NDArray[Any]) -> Arrays:
        """The vector as arrays of floats; those are views where they can be."""
        given = _floats("the vector", vector)
        if given.shape != (self.size,):
            shapes = ", ".join(f"{name} {shape}" for name, shape in self.shapes.items())
            raise DataError(
                f"the vector has the shape {given.shape}",
                inferred=f"it stands for {shapes}",
                repair=f"give a vector of {self.size} numbers",
            )
        return {name: part.reshape(self.shapes[name]) for name, part in self._cut(given, 0)}

    def unpack_rows(self, matrix: NDArray[Any]) -> Arrays:
        """The rows of a matrix as arrays with one more axis in front."""
        return {name: part.reshape(len(matrix), *self.shapes[name]) for name, part in self._cut(matrix, 1)}

    def _cut(self, array: NDArray[Any], axis: int) -> list[tuple[str, NDArray[Any]]]:
        ends = np.cumsum([math.prod(shape) for shape in self.shapes.values()])[:-1]
        return list(zip(self.shapes, np.split(array, ends, axis=axis), strict=True))
