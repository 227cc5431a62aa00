"""Alternating blocks: Newton's method on some parameters at a time, the others held.

Where the value is quadratic in each block, as in matrix factorisation, one step solves a block; where the Hessian of a
block is block-diagonal, as it is along the rows of each factor, that solve is one small system per row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from einstan.language.arguments import HUGE, checked, number
from einstan.language.arguments import whole as whole_number
from einstan.language.errors import DataError
from einstan.optimize.curvature import hessian
from einstan.optimize.newton import norm_of, started
from einstan.optimize.objective import Objective, Source
from einstan.optimize.report import Report, Result, not_enough
from einstan.optimize.search import backtracked
from einstan.optimize.systems import descent


@checked
def alternating(
    source: Source,
    loss: str,
    blocks: Sequence[str | Sequence[str]],
    params: Mapping[str, NDArray[Any] | float],
    data: Mapping[str, NDArray[Any] | float] | None = None,
    *,
    tol: float = 1e-6,
    max_iterations: int = 500,
    damping: float = 0.0,
    progress: bool | None = None,
) -> Result:
    """Minimise a scalar by one Newton step, with a line search, on each block of parameters in turn.

    ``blocks`` are names, or lists of names that move together: ``[["U"], ["V"]]``.  One iteration goes over all of
    them; ``step`` is the length of what it moved, and ``gradient`` that over all blocks.  It has converged when
    ``‖g‖ ≤ tol max(1, ‖g₀‖)``; whether that is a minimum of all blocks together is not looked at, since no Hessian of
    all of them is made.  The rest, and what is told and raised, as for `einstan.optimize.newton.newton`.

    Examples:
        >>> factorise = es.parse("L = (A[I,J] - u[I] v[J])^2")
        >>> start, data = {"u": np.ones(2), "v": np.ones(2)}, {"A": np.outer([1.0, 2.0], [3.0, 4.0])}
        >>> found = es.optimize.alternating(factorise, "L", ["u", "v"], start, data)
        >>> found.converged, np.outer(found.params["u"], found.params["v"]).round(4)
        (True, array([[3., 4.],
               [6., 8.]]))
    """
    damping = number("damping", damping, 0, HUGE)
    tol = number("tol", tol, 0, HUGE)
    whole_number("max_iterations", max_iterations)
    groups = [[block] if isinstance(block, str) else list(block) for block in blocks]
    names = [name for group in groups for name in group]
    if len(set(names)) != len(names):
        raise DataError(
            "a parameter stands in two blocks",
            inferred=f"the blocks are {groups}",
            repair="name every parameter once",
        )
    whole = Objective(source, loss, params, data, names)
    here = whole.start
    value, gradient = started(whole)
    norm = norm_of(gradient)
    goal = tol * max(1.0, norm)
    parts = [Objective(source, loss, params, data, group) for group in groups]
    curvatures = [hessian(part) for part in parts]
    with Report(progress) as report:
        report.add(iteration=0, loss=value, gradient=norm)
        for iteration in range(1, max_iterations + 1):
            if norm <= goal:
                break
            before, halved = here, 0
            for part, curvature in zip(parts, curvatures, strict=True):
                value, gradient = part.value_and_gradient(here)
                step, notes = descent(curvature(here), gradient, damping)
                report.note(notes)
                slope = sum(float(np.vdot(gradient[name], step[name])) for name in step)
                still = {name: np.zeros_like(array) for name, array in here.items()}
                found = backtracked(part.value, here, {**still, **step}, value, slope) if slope < 0 else None
                if found is not None:  # else this block is where it should be, given the others
                    here, value, _, halvings = found
                    halved += halvings
            moved = norm_of({name: here[name] - before[name] for name in here})
            value, gradient = whole.value_and_gradient(here)
            norm = norm_of(gradient)
            report.add(iteration=iteration, loss=value, gradient=norm, step=moved, backtracks=halved, damping=damping)
            if moved == 0.0:
                return report.result(here, value, norm, norm <= goal, "no block can lower the loss any more")
        if norm <= goal:
            return report.result(here, value, norm, True, f"the gradient is {norm:.2g}, at most {goal:.2g}")
        return report.result(here, value, norm, False, not_enough(max_iterations))
