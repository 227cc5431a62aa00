"""Newton's method: the step that a quadratic model of the value asks for, with a line search.

    x ← x - t (H + λ I)⁻¹ g

with g the gradient, H the Hessian, λ the damping, and t halved until the value falls.  Where H is block-diagonal, which
its deltas say, every block is solved by itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from einstan.language.arguments import HUGE, checked, number, whole
from einstan.language.errors import DataError
from einstan.language.place import at
from einstan.optimize.curvature import Curvature, hessian
from einstan.optimize.layout import Arrays
from einstan.optimize.objective import Objective, Source
from einstan.optimize.report import Report, Result, not_enough
from einstan.optimize.search import backtracked
from einstan.optimize.systems import bends_down, descent

BROKEN = "the second derivatives are not finite here, so there is no step"
ROUNDING = 8 * float(np.finfo(float).eps)

Step = Callable[[Arrays, Arrays], tuple[Arrays, list[str], dict[str, float]]]


@checked
def newton(
    source: Source,
    loss: str,
    params: Mapping[str, NDArray[Any] | float],
    data: Mapping[str, NDArray[Any] | float] | None = None,
    *,
    wrt: Iterable[str] | None = None,
    tol: float = 1e-9,
    max_iterations: int = 50,
    damping: float = 0.0,
    progress: bool | None = None,
) -> Result:
    """Minimise a scalar over its parameters by Newton's method.

    - ``source``: a network, a program or an equation; ``loss``: the scalar; ``params``: where to begin;
    - ``data``: the arrays of all other inputs; ``wrt``: the parameters that vary, by default all of ``params``;
    - ``tol``: it has converged when ``‖g‖ ≤ tol max(1, ‖g₀‖)``;
    - ``damping``: λ, added to every diagonal entry of the Hessian;
    - ``progress``: True shows one line on a terminal or in a notebook, False never; None when the run takes long.

    Where the Hessian is indefinite or singular, a step that leads down is taken and a note says so.  What has not
    converged says why; a point where the gradient vanishes and the Hessian has negative eigenvalues, a saddle or a
    maximum, has not.  Raises `DataError` where the value at the start is not finite.

    Examples:
        >>> poisson = es.parse("L = sum[N](exp(x[N]) - a[N] x[N])")
        >>> found = es.optimize.newton(poisson, "L", {"x": np.zeros(2)}, {"a": np.array([1.0, 2.0])})
        >>> found.converged, found.params["x"].round(6)
        (True, array([0.      , 0.693147]))
    """
    damping = number("damping", damping, 0, HUGE)
    tol = number("tol", tol, 0, HUGE)
    whole("max_iterations", max_iterations)
    objective = Objective(source, loss, params, data, wrt)
    curvature = hessian(objective)
    return minimised(
        objective, newton_step(curvature, damping), tol, max_iterations, progress,
        at_end=lambda here: bends_down(curvature(here)),
    )  # fmt: skip


def newton_step(curvature: Curvature, damping: float) -> Step:
    def step(params: Arrays, gradient: Arrays) -> tuple[Arrays, list[str], dict[str, float]]:
        made, notes = descent(curvature(params), gradient, damping)
        return made, notes, {"damping": damping}

    return step


def minimised(
    objective: Objective,
    step: Step,
    tol: float,
    max_iterations: int,
    progress: bool | None,
    at_end: Callable[[Arrays], str | None] = lambda here: None,
) -> Result:
    """Steps, each with a line search, until the gradient vanishes; ``at_end`` says what is wrong with a point then."""
    params = objective.start
    loss, gradient = started(objective)
    norm = norm_of(gradient)
    goal, best, idle = tol * max(1.0, norm), norm, 0
    with Report(progress) as report:
        report.add(iteration=0, loss=loss, gradient=norm)
        for iteration in range(1, max_iterations + 1):
            if norm <= goal:
                break
            towards, notes, columns = step(params, gradient)
            report.note(notes)
            slope = sum(float(np.vdot(gradient[name], towards[name])) for name in towards)
            if math.isnan(slope):
                return report.result(params, loss, norm, False, BROKEN)
            found = backtracked(objective.value, params, towards, loss, slope) if slope < 0 else None
            if found is None:
                return report.result(params, loss, norm, False, "no shorter step lowers the loss any more")
            params, _, length, halvings = found
            before, moved = loss, length * norm_of(towards)
            loss, gradient = objective.value_and_gradient(params)
            norm = norm_of(gradient)
            report.add(iteration=iteration, loss=loss, gradient=norm, step=moved, backtracks=halvings, **columns)
            seen = before - loss > ROUNDING * abs(before) or norm < best
            best, idle = min(best, norm), 0 if seen else idle + 1
            if idle == 3 and norm > goal:
                reason = f"the loss changes within its rounding alone, and the gradient stays at {norm:.2g}"
                return report.result(params, loss, norm, False, reason)
        if norm <= goal:
            wrong = at_end(params)
            if wrong is not None:
                reason = f"the gradient is {norm:.2g}, but this is no minimum: {wrong}"
                return report.result(params, loss, norm, False, reason)
            return report.result(params, loss, norm, True, f"the gradient is {norm:.2g}, at most {goal:.2g}")
        return report.result(params, loss, norm, False, not_enough(max_iterations))


def started(objective: Objective) -> tuple[float, Arrays]:
    """The value and gradient at the start, which must be finite, and so must the gradient's length."""
    loss, gradient = objective.value_and_gradient(objective.start)
    if not (math.isfinite(loss) and math.isfinite(norm_of(gradient))):
        raise DataError(
            f"{objective.loss} or its gradient is not finite at the start",
            **at(objective.program[objective.loss], objective.loss),
            inferred=f"{objective.loss} = {loss}",
            repair="begin where it is finite, or look for nan and infinite numbers in the data",
        )
    return loss, gradient


def norm_of(arrays: Mapping[str, NDArray[Any]]) -> float:
    """The Euclidean norm of all entries together."""
    return math.sqrt(sum(float(np.vdot(array, array)) for array in arrays.values()))
