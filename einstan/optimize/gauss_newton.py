"""Gauss-Newton and Levenberg-Marquardt: Newton's method with ``Jᵀ H J`` in the Hessian's place.

J is the Jacobian of the model's outputs and H the Hessian of the loss in them, so the matrix has no negative eigenvalue
where the loss is convex in the outputs, and no second derivative of the model is needed.  Levenberg-Marquardt adds a
damping that follows how well the quadratic model foretold the last step (Nielsen, "Damping parameter in Marquardt's
method", 1999).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from einstan.language.arguments import HUGE, checked, number, whole
from einstan.language.errors import DataError
from einstan.optimize.curvature import Curvature
from einstan.optimize.newton import BROKEN, minimised, newton_step, norm_of, started
from einstan.optimize.objective import Objective, Source
from einstan.optimize.outputs import gauss_newton_matrix
from einstan.optimize.report import Report, Result, not_enough
from einstan.optimize.systems import descent, diagonal

HIGHEST = 1e20  # of the damping: no step is left
LOWEST = 1e-12  # of a damping that has to grow, as a share of the largest diagonal entry: none cannot grow


@checked
def gauss_newton(
    source: Source,
    loss: str,
    outputs: str | Sequence[str],
    params: Mapping[str, NDArray[Any] | float],
    data: Mapping[str, NDArray[Any] | float] | None = None,
    *,
    wrt: Iterable[str] | None = None,
    tol: float = 1e-9,
    max_iterations: int = 100,
    damping: float = 0.0,
    progress: bool | None = None,
) -> Result:
    """Minimise a scalar of a model's ``outputs`` by Gauss-Newton steps with a line search.

    The loss depends on the parameters through the outputs alone; a parameter with a penalty of its own is one of them
    (``outputs=["Z", "w"]``).  Second derivatives of the model are never looked at, so a point where the gradient
    vanishes counts as converged, be it a minimum or not.  The rest, and what is told and raised, as for
    `einstan.optimize.newton.newton`.

    Examples:
        >>> curve = es.Program("r[n] = exp(a t[n]) - y[n]\\nL = 1/2 r[N]^2")
        >>> t = np.linspace(0, 1, 5)
        >>> found = es.optimize.gauss_newton(curve, "L", "r", {"a": 0.0}, {"t": t, "y": np.exp(2 * t)})
        >>> found.converged, round(float(found.params["a"]), 6)
        (True, 2.0)
    """
    damping = number("damping", damping, 0, HUGE)
    tol = number("tol", tol, 0, HUGE)
    whole("max_iterations", max_iterations)
    objective = Objective(source, loss, params, data, wrt)
    return minimised(objective, newton_step(_matrix(objective, outputs), damping), tol, max_iterations, progress)


@checked
def levenberg_marquardt(
    source: Source,
    loss: str,
    outputs: str | Sequence[str],
    params: Mapping[str, NDArray[Any] | float],
    data: Mapping[str, NDArray[Any] | float] | None = None,
    *,
    wrt: Iterable[str] | None = None,
    tol: float = 1e-9,
    max_iterations: int = 200,
    damping: float = 1e-3,
    progress: bool | None = None,
) -> Result:
    """Minimise a scalar of a model's ``outputs`` by damped Gauss-Newton steps.

    A step that does not lower the loss is not taken, and the damping grows; ``damping`` is where it begins, as a share
    of the largest diagonal entry.  ``backtracks`` counts the refused steps.  The rest as for `gauss_newton`.

    Examples:
        >>> curve = es.Program("r[n] = exp(a t[n]) - y[n]\\nL = 1/2 r[N]^2")
        >>> t = np.linspace(0, 1, 5)
        >>> found = es.optimize.levenberg_marquardt(curve, "L", "r", {"a": 0.0}, {"t": t, "y": np.exp(2 * t)})
        >>> found.converged, round(float(found.params["a"]), 6)
        (True, 2.0)
    """
    tol = number("tol", tol, 0, HUGE)
    whole("max_iterations", max_iterations)
    if not 0 <= damping < HIGHEST:
        raise DataError(f"the damping is {damping}", repair="begin with a number from 0 on, such as 1e-3")
    damping = float(damping)
    objective = Objective(source, loss, params, data, wrt)
    matrix = _matrix(objective, outputs)
    here = objective.start
    value, gradient = started(objective)
    norm = norm_of(gradient)
    goal = tol * max(1.0, norm)
    factor = 2.0
    with Report(progress) as report:
        report.add(iteration=0, loss=value, gradient=norm)
        pieces = matrix(here)
        diagonals = [diagonal(piece.matrix).max(initial=0.0) for piece in pieces]
        scale = max(diagonals, default=0.0) or 1.0
        weight = damping * scale
        for iteration in range(1, max_iterations + 1):
            if norm <= goal:
                break
            refused = 0
            while True:
                step, notes = descent(pieces, gradient, weight)
                slope = sum(float(np.vdot(gradient[name], step[name])) for name in step)
                if math.isnan(slope):
                    return report.result(here, value, norm, False, BROKEN)
                there = {name: array + step[name] for name, array in here.items()}
                with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                    found = objective.value(there)
                promised = -slope / 2 + weight * norm_of(step) ** 2 / 2  # what the quadratic model foretells
                rounding = 4 * np.finfo(float).eps * abs(value)
                if math.isfinite(found) and value - found + rounding >= 1e-4 * promised:
                    break
                refused += 1
                weight, factor = max(weight * factor, LOWEST * scale), 2 * factor
                if weight > HIGHEST:
                    return report.result(here, value, norm, False, "no shorter step lowers the loss any more")
            report.note(notes)
            gain = (value - found) / promised if promised > 0 else 1.0
            here = there
            value, gradient = objective.value_and_gradient(here)
            norm = norm_of(gradient)
            report.add(
                iteration=iteration, loss=value, gradient=norm, step=norm_of(step), backtracks=refused, damping=weight
            )
            weight, factor = weight * max(1 / 3, 1 - (2 * gain - 1) ** 3), 2.0
            pieces = matrix(here)
        if norm <= goal:
            return report.result(here, value, norm, True, f"the gradient is {norm:.2g}, at most {goal:.2g}")
        return report.result(here, value, norm, False, not_enough(max_iterations))


def _matrix(objective: Objective, outputs: str | Sequence[str]) -> Curvature:
    return gauss_newton_matrix(objective, [outputs] if isinstance(outputs, str) else list(outputs))
