"""The Gauss-Newton matrix ``Jᵀ H J`` of models whose outputs read their parameters' neighbours.

The Jacobians of the outputs and the Hessian of the loss in them keep their shifted deltas, and so does their product,
which is a band; products with unit vectors would make every column of it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from einstan.calculus.passes import dependencies
from einstan.language.index import ARITHMETIC
from einstan.language.node import preorder
from einstan.language.term import Indexed
from einstan.library.banded import LEAST
from einstan.library.factored import FactoredTensor, Part
from einstan.library.gauss_newton import head_of
from einstan.optimize.bands import band
from einstan.optimize.curvature import Curvature, Params, by_products, first_derivatives, second_derivatives, valued
from einstan.optimize.layout import Arrays
from einstan.optimize.objective import Objective, function_of
from einstan.optimize.structure import Block


def gauss_newton_matrix(objective: Objective, outputs: Sequence[str]) -> Curvature:
    """The matrix as a function of the parameters: by its bands where it has them, else by products."""

    def products(params: Params, directions: Params) -> Arrays:
        return objective.gauss_newton_products(outputs, params, directions)

    dense = by_products(objective, products)
    names = objective.names
    if objective.layout.size < LEAST or not _reads_neighbours(objective, outputs):
        return dense
    head = head_of(objective.program, objective.loss, outputs, names)
    moved = [name for name in outputs if name not in names]
    slopes = first_derivatives(objective.program, moved, names)
    curves = second_derivatives(head, objective.loss, outputs)
    if curves is None or not all(map(_ties, (*slopes, *curves))):
        return dense
    values = function_of(objective.program, moved, objective.data) if moved else None
    shapes = objective.layout.shapes
    above = (
        {**shapes, **dict(zip(moved, (a.shape for a in values(objective.start)), strict=True))} if values else shapes
    )
    known = {**objective.data, **objective.start}
    inputs = {name: np.shape(array) for name, array in known.items()}
    curves = second_derivatives(head, objective.loss, outputs, {**inputs, **above})
    if curves is None or not all(map(_ties, (*slopes, *curves))):
        return dense
    jacobians = valued(slopes, above, shapes, objective.data)
    hessians = valued(curves, above, above, {name: a for name, a in known.items() if name not in outputs})

    def made(params: Params) -> Sequence[object]:
        there = {**params, **(dict(zip(moved, values(params), strict=True)) if values else {})}
        found = jacobians(params)
        ways = {(b.row, b.column): b.of(found[b.apart.equation.name]) for b in slopes}
        ways |= {(name, name): _identity(params[name].shape) for name in outputs if name in names}
        bent = hessians(there)
        tensors: dict[tuple[int, int], FactoredTensor] = {}
        for curve in curves:
            middle = curve.of(bent[curve.apart.equation.name])
            for a, left in ((a, ways.get((curve.row, name))) for a, name in enumerate(names)):
                for b, right in ((b, ways.get((curve.column, name))) for b, name in enumerate(names)):
                    if left is not None and right is not None:
                        one = left.T @ middle @ right
                        tensors[a, b] = tensors[a, b] + one if (a, b) in tensors else one
        piece = band(tensors, names, names, objective.layout.size, True)
        return dense(params) if piece is None else [piece]

    return made  # type: ignore[return-value]


def _reads_neighbours(objective: Objective, outputs: Sequence[str]) -> bool:
    """Whether an equation of the outputs reads at a form of indices."""
    program = objective.program
    behind = {name for output in outputs if output in program.defined for name in dependencies(program, output)}
    equations = [program[name] for name in {*behind, *outputs} if name in program.defined]
    reads = (node for equation in equations for node in preorder(equation.rhs) if isinstance(node, Indexed))
    return any(slot.kinds & ARITHMETIC for node in reads for slot in node.slots)


def _ties(block: Block) -> bool:
    """Whether every term of a block has a delta or a link between its rows and columns."""
    rank = len(block.apart.equation.indices) - block.rank if block.turned else block.rank
    return all(term.ties or not set(term.axes[:rank]).isdisjoint(term.axes[rank:]) for term in block.apart.terms)


def _identity(shape: Sequence[int]) -> FactoredTensor:
    labels = tuple(range(len(shape)))
    return FactoredTensor([f"x{k}" for k in range(2 * len(shape))], (*shape, *shape), [Part(labels * 2, ())])
