"""Matrices of second derivatives, and Jacobians, as numbers: one stack of small matrices per part of the system.

Where the second derivatives are short equations they are evaluated as such, block by block (`structure`); where a deep
network would make them long, products with unit vectors give the columns.  This is the one place that decides.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from einstan.calculus.passes import dependencies
from einstan.calculus.program import Program
from einstan.language.index import fresh_name
from einstan.language.node import preorder
from einstan.language.term import Equation
from einstan.library import api
from einstan.optimize.layout import Arrays
from einstan.optimize.objective import Objective, function_of
from einstan.optimize.structure import Block, Part, parts

FIRST = 60  # nodes of a first derivative, above which the second is not derived
SECOND = 45  # nodes of a second derivative without deltas, above which products with unit vectors take its place
TOGETHER = 64  # unit vectors in one product

Params = Mapping[str, np.ndarray]


@dataclass
class Piece:
    """One part of a linear system: ``matrix`` has the shape (blocks, rows, columns)."""

    matrix: np.ndarray
    gather: Callable[[Params], np.ndarray]  # named arrays of the rows → (blocks, rows)
    columns: Callable[[Params], np.ndarray]  # named arrays of the columns → (blocks, columns)
    scatter: Callable[[np.ndarray], Arrays]  # (blocks, columns) → named arrays of the columns


Curvature = Callable[[Params], list[Piece]]


# ---- Hessians --------------------------------------------------------------------------------------------------------


def hessian(objective: Objective) -> Curvature:
    """The Hessian of an objective as a function of the parameters."""
    blocks = second_derivatives(objective.program, objective.loss, objective.names)
    if blocks is None:
        return by_products(objective, objective.products)
    shapes = objective.layout.shapes
    return evaluated(blocks, objective.program, objective.names, objective.names, shapes, shapes, objective.data, True)


def second_derivatives(program: api.Program, loss: str, names: Sequence[str]) -> list[Block] | None:
    """The blocks of the Hessian as equations with their deltas; None where products with unit vectors cost less."""
    found: list[Block] = []
    for row in names:
        first = program.partial(loss, row)
        if _nodes(first) > FIRST:
            return None
        rank = program.ranks[row]
        for column in names:
            if column in dependencies(first.known, next(iter(first.defined))):
                (second,) = first.partial(f"d{loss}/d{row}", column)
                found.append(Block(row, column, second, rank))
    divided = any(axes for part in parts(found, names, names, symmetric=True) for axes in part.row_axes.values())
    if not divided and any(_nodes([block.equation]) > SECOND for block in found):
        return None
    return found


def _nodes(equations: Iterable[Equation]) -> int:
    return sum(1 for _ in preorder(*(equation.rhs for equation in equations)))


def by_products(objective: Objective, products: Callable[[Params, Params], Arrays]) -> Curvature:
    """A symmetric matrix from its products with unit vectors: one part, not divided."""
    layout = objective.layout

    def made(params: Params) -> list[Piece]:
        matrix = np.empty((layout.size, layout.size))
        for first in range(0, layout.size, TOGETHER):
            units = np.eye(layout.size)[first : first + TOGETHER]
            matrix[first : first + TOGETHER] = layout.pack_rows(products(params, layout.unpack_rows(units)))

        def gather(arrays: Params) -> np.ndarray:
            return layout.pack(arrays)[None]

        return [Piece(_symmetric(matrix[None]), gather, gather, lambda step: layout.unpack(step[0]))]

    return made


# ---- Jacobians -------------------------------------------------------------------------------------------------------


def first_derivatives(program: api.Program, rows: Sequence[str], columns: Sequence[str]) -> list[Block]:
    """The blocks of the Jacobian of several tensors as equations with their deltas."""
    return [
        Block(row, column, next(iter(program.partial(row, column))), program.ranks[row])
        for row in rows
        for column in columns
        if column in dependencies(program, row)
    ]


# ---- from equations to numbers ---------------------------------------------------------------------------------------


def evaluated(
    blocks: Sequence[Block],
    program: api.Program,
    rows: Sequence[str],
    columns: Sequence[str],
    row_shapes: Mapping[str, tuple[int, ...]],
    column_shapes: Mapping[str, tuple[int, ...]],
    data: Params,
    symmetric: bool,
) -> Curvature:
    """The blocks at given parameters, stacked along the axes that deltas join."""
    systems = [_System(part, row_shapes, column_shapes) for part in parts(blocks, rows, columns, symmetric)]
    cores: dict[Block, Equation] = {}
    taken = set(map(str, program.ranks))
    for part, block in [(system.part, block) for system in systems for block in system.part.blocks]:
        name = fresh_name("core", taken)
        taken.add(name)
        cores[block] = part.core(block, name)
    function: Callable[[Params], tuple[np.ndarray, ...]] = lambda params: ()  # noqa: E731
    if cores:
        whole = api.Program(Program(cores.values()), forward=program)
        function = function_of(whole, [core.name for core in cores.values()], data)

    def made(params: Params) -> list[Piece]:
        values = dict(zip(cores, function(params), strict=True))
        return [system.piece(values, symmetric) for system in systems]

    return made


class _System:
    """Where the entries of a part's tensors stand in its small systems."""

    def __init__(
        self, part: Part, row_shapes: Mapping[str, tuple[int, ...]], column_shapes: Mapping[str, tuple[int, ...]]
    ) -> None:
        self.part = part
        self.rows = _Side(part.rows, row_shapes, part.row_axes)
        self.columns = _Side(part.columns, column_shapes, part.column_axes)
        self.batch = self.rows.batch or self.columns.batch

    def piece(self, values: Mapping[Block, np.ndarray], symmetric: bool) -> Piece:
        count = math.prod(self.batch)
        matrix = np.zeros((count, self.rows.size, self.columns.size))
        for block in self.part.blocks:
            above, below = self.rows.places[block.row], self.columns.places[block.column]
            core = values[block].reshape(count, above.stop - above.start, below.stop - below.start)
            matrix[:, above, below] = core
        return Piece(
            _symmetric(matrix) if symmetric else matrix, self.rows.gather, self.columns.gather, self.columns.scatter
        )


class _Side:
    """The rows, or the columns, of a part: the joined axes of each tensor in front, its others laid out in turn."""

    def __init__(
        self, names: Sequence[str], shapes: Mapping[str, tuple[int, ...]], axes: Mapping[str, tuple[int, ...]]
    ) -> None:
        self.names, self.axes = names, axes
        self.batch: tuple[int, ...] = ()
        self.places: dict[str, slice] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.size = 0
        for name in names:
            shape = shapes[name]
            self.batch = tuple(shape[axis] for axis in axes[name])
            rest = tuple(size for position, size in enumerate(shape) if position not in axes[name])
            self.shapes[name] = (*self.batch, *rest)
            self.places[name] = slice(self.size, self.size + math.prod(rest))
            self.size += math.prod(rest)

    def gather(self, arrays: Params) -> np.ndarray:
        count = math.prod(self.batch)
        parts = [np.moveaxis(arrays[name], self.axes[name], range(len(self.axes[name]))) for name in self.names]
        flat = [part.reshape(count, math.prod(part.shape[len(self.batch) :])) for part in parts]
        return np.concatenate(flat or [np.zeros((count, 0))], axis=1)

    def scatter(self, vectors: np.ndarray) -> Arrays:
        found: Arrays = {}
        for name, place in self.places.items():
            array = vectors[:, place].reshape(self.shapes[name])
            found[name] = np.moveaxis(array, range(len(self.axes[name])), self.axes[name])
        return found


def _symmetric(matrix: np.ndarray) -> np.ndarray:
    return (matrix + matrix.swapaxes(1, 2)) / 2
