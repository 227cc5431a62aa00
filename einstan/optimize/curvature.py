"""Matrices of second derivatives, and Jacobians, as numbers: one stack of small matrices per part of the system.

The second derivatives are those of `einstan.library.derivative`, factored, and evaluated block by block (`structure`);
where many parameters of a deep network would make too many of them, products with unit vectors give the columns.  This
is the one place that decides.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from einstan.calculus import program as calculus
from einstan.calculus.backward import backward
from einstan.calculus.elimination import jacobian
from einstan.calculus.passes import dependencies
from einstan.language.dims import axis
from einstan.language.index import Affine
from einstan.language.term import Name, Partial
from einstan.library import api
from einstan.library.assembly import Assembly
from einstan.library.banded import LEAST
from einstan.library.blocks import along
from einstan.library.derivative import cores, with_gradient
from einstan.library.factored import FactoredTensor
from einstan.machine.sizes.inference import infer
from einstan.machine.sizes.memory import refuse_more
from einstan.optimize.bands import Band, band
from einstan.optimize.layout import Arrays
from einstan.optimize.objective import Objective, function_of
from einstan.optimize.structure import Block, Part, parts

DERIVED = 120  # equations of the gradient times blocks, above which products with unit vectors take their place
TOGETHER = 64  # unit vectors in one product

Params = Mapping[str, np.ndarray]


@dataclass
class Piece:
    """One part of a linear system: ``matrix`` has the shape (blocks, rows, columns)."""

    matrix: np.ndarray
    gather: Callable[[Params], np.ndarray]  # named arrays of the rows → (blocks, rows)
    columns: Callable[[Params], np.ndarray]  # named arrays of the columns → (blocks, columns)
    scatter: Callable[[np.ndarray], Arrays]  # (blocks, columns) → named arrays of the columns


Curvature = Callable[[Params], Sequence[Piece | Band]]


# ---- Hessians --------------------------------------------------------------------------------------------------------


def hessian(objective: Objective) -> Curvature:
    """The Hessian of an objective as a function of the parameters."""
    shapes = objective.layout.shapes
    known = {**shapes, **{name: np.shape(array) for name, array in objective.data.items()}}
    blocks = second_derivatives(objective.program, objective.loss, objective.names, known)
    if blocks is None:
        return by_products(objective, objective.products)
    return evaluated(blocks, objective.names, objective.names, shapes, shapes, objective.data, True)


def second_derivatives(
    program: api.Program, loss: str, names: Sequence[str], shapes: Mapping[str, tuple[int, ...]] | None = None
) -> list[Block] | None:
    """The blocks of the Hessian; None where there is so much to derive that products with unit vectors take its place.

    Of two blocks that are each other's transpose one is derived.
    """
    whole = with_gradient(program.known, loss, backward(program.known, loss, names))
    pairs = len(names) * (len(names) + 1) // 2
    if pairs * len(whole.equations) > DERIVED:
        return None
    mirror: dict[Name, Name] = {x: f"d{x}" for x in whole.ranks if f"d{x}" in whole.defined}
    found: dict[tuple[str, str], Name] = {}
    for number, row in enumerate(names):
        for column in names[number:]:
            if column in dependencies(whole, f"d{row}"):
                name = Partial(loss, 0, ((row, program.ranks[row]), (column, program.ranks[column])))
                made = jacobian(whole, f"d{row}", column, name=name, mirror=mirror)
                whole = calculus.Program(dict.fromkeys((*whole.equations, *made.program)), program.known.assumptions)
                found[row, column] = name
    blocks = []
    read: dict[Name, tuple[int, ...]] = {n: shape for n, shape in (shapes or {}).items() if n in program.ranks}
    sizes = infer(program.known, read, {}, None, ()).known
    for (row, column), apart in zip(found, cores(whole, *found.values(), sizes=sizes), strict=True):
        blocks.append(Block(row, column, apart, program.ranks[row]))
        if row != column:
            blocks.append(Block(column, row, apart, program.ranks[column], turned=True))
    return blocks


def by_products(objective: Objective, products: Callable[[Params, Params], Arrays]) -> Curvature:
    """A symmetric matrix from its products with unit vectors: one part, not divided."""
    layout = objective.layout

    def made(params: Params) -> Sequence[Piece]:
        needed = 16 * layout.size * layout.size  # and once more while it is solved
        refuse_more("the matrix of second derivatives", needed, "use newton_cg, which makes no matrix")
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
    """The blocks of the Jacobian of several tensors."""
    whole = calculus.Program(program.known, program.known.assumptions)
    found: dict[tuple[str, str], Name] = {}
    for row in rows:
        for column in columns:
            if column in dependencies(whole, row):
                made = jacobian(whole, row, column)
                whole = calculus.Program(dict.fromkeys((*whole.equations, *made.program)), whole.assumptions)
                found[row, column] = made.name
    apart = cores(whole, *found.values())
    return [Block(*key, each, program.ranks[key[0]]) for key, each in zip(found, apart, strict=True)]


# ---- from equations to numbers ---------------------------------------------------------------------------------------


def evaluated(
    blocks: Sequence[Block],
    rows: Sequence[str],
    columns: Sequence[str],
    row_shapes: Mapping[str, tuple[int, ...]],
    column_shapes: Mapping[str, tuple[int, ...]],
    data: Params,
    symmetric: bool,
) -> Curvature:
    """The blocks at given parameters, stacked along the axes that deltas join."""
    systems = [_System(part, row_shapes, column_shapes) for part in parts(blocks, rows, columns, symmetric)]
    values = valued([b for system in systems for b in system.part.blocks], row_shapes, column_shapes, data)

    def made(params: Params) -> list[Piece | Band]:
        found = values(params)
        return [system.piece(found, symmetric) for system in systems]

    return made


def valued(
    blocks: Sequence[Block],
    row_shapes: Mapping[str, tuple[int, ...]],
    column_shapes: Mapping[str, tuple[int, ...]],
    data: Params,
) -> Callable[[Params], dict[Name, FactoredTensor]]:
    """The blocks at given parameters, by the names of their equations."""
    wanted = {block.apart.equation.name: block for block in blocks}
    outputs = tuple(dict.fromkeys(core for block in wanted.values() for core in block.apart.outputs))
    full = {name: (*row_shapes[block.above], *column_shapes[block.below]) for name, block in wanted.items()}
    function: Callable[[Params], tuple[np.ndarray, ...]] = lambda params: ()  # noqa: E731
    extent: Callable[[Affine], int] = lambda form: form.constant  # noqa: E731
    if wanted:
        shapes = {**row_shapes, **column_shapes, **{name: np.shape(array) for name, array in data.items()}}
        whole = api.Program(next(iter(wanted.values())).apart.program)
        known = {str(name) for name in whole.ranks}
        sizes = {axis(n, k): size for n, shape in shapes.items() if n in known for k, size in enumerate(shape)}
        for name, block in wanted.items():
            sizes.update(block.apart.sizes(full[name]))
        extent = infer(whole.known, {}, sizes, 1, ()).worth
        if outputs:
            function = function_of(whole, outputs, data, sizes=sizes)
    assemblies = {name: Assembly(block.apart, outputs, full[name], True, extent) for name, block in wanted.items()}

    def values(params: Params) -> dict[Name, FactoredTensor]:
        arrays = function(params)
        return {name: assemble(arrays) for name, assemble in assemblies.items()}

    return values


class _System:
    """Where the entries of a part's tensors stand in its small systems."""

    def __init__(
        self, part: Part, row_shapes: Mapping[str, tuple[int, ...]], column_shapes: Mapping[str, tuple[int, ...]]
    ) -> None:
        self.part = part
        self.rows = _Side(part.rows, row_shapes, part.row_axes)
        self.columns = _Side(part.columns, column_shapes, part.column_axes)
        self.batch = self.rows.batch or self.columns.batch

    def piece(self, values: Mapping[Name, FactoredTensor], symmetric: bool) -> Piece | Band:
        side = self.rows.size if self.rows.size == self.columns.size else 0
        if side >= LEAST and (found := self._band(values, symmetric)) is not None:
            return found
        count = math.prod(self.batch)
        needed = (
            32 * count * self.rows.size * self.columns.size
        )  # beside what it is made of, and twice while it is solved
        refuse_more("the matrix of second derivatives", needed, "use newton_cg, which makes no matrix")
        matrix = np.zeros((count, self.rows.size, self.columns.size))
        for block in self.part.blocks:
            above, below = self.rows.places[block.row], self.columns.places[block.column]
            tensor = block.of(values[block.apart.equation.name])
            core = along(tensor, self.part.joined(block))
            matrix[:, above, below] = core.reshape(count, above.stop - above.start, below.stop - below.start)
        return Piece(
            _symmetric(matrix) if symmetric else matrix, self.rows.gather, self.columns.gather, self.columns.scatter
        )

    def _band(self, values: Mapping[Name, FactoredTensor], symmetric: bool) -> Band | None:
        rows, columns = self.part.rows, self.part.columns
        tensors = {
            (rows.index(block.row), columns.index(block.column)): block.of(values[block.apart.equation.name])
            for block in self.part.blocks
        }
        return band(tensors, rows, columns, self.rows.size, symmetric)


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
        return np.concatenate(flat or [np.zeros((count, 0))], axis=1).astype(float, copy=False)  # as LAPACK has it

    def scatter(self, vectors: np.ndarray) -> Arrays:
        found: Arrays = {}
        for name, place in self.places.items():
            array = vectors[:, place].reshape(self.shapes[name])
            found[name] = np.moveaxis(array, range(len(self.axes[name])), self.axes[name])
        return found


def _symmetric(matrix: np.ndarray) -> np.ndarray:
    return (matrix + matrix.swapaxes(1, 2)) / 2
