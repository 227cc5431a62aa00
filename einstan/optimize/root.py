"""Newton-Raphson proper: a root of a system of equations, by solving its linearisation again and again.

    x ← x - t J⁻¹ F(x)

with J the Jacobian and t halved until ``‖F‖`` falls.  Where J is block-diagonal, which its deltas say (one scalar
equation for each of a thousand unknowns, say), every block is solved by itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from einstan.calculus.passes import dependencies, require_defined
from einstan.language.arguments import HUGE, checked, number, whole
from einstan.language.errors import DataError, DifferentiationError
from einstan.language.place import at
from einstan.optimize.curvature import evaluated, first_derivatives
from einstan.optimize.layout import Arrays, Layout
from einstan.optimize.newton import norm_of
from einstan.optimize.objective import Source, as_program, function_of, held, names_of, starting
from einstan.optimize.report import Report, Result, not_enough
from einstan.optimize.search import backtracked
from einstan.optimize.systems import solve


@checked
def root(
    source: Source,
    equations: str | Sequence[str],
    params: Mapping[str, NDArray[Any] | float],
    data: Mapping[str, NDArray[Any] | float] | None = None,
    *,
    wrt: Iterable[str] | None = None,
    tol: float = 1e-12,
    max_iterations: int = 50,
    progress: bool | None = None,
) -> Result:
    """Find parameters at which the tensors ``equations`` vanish: as many equations as unknowns.

    It has converged when ``‖F‖ ≤ tol max(1, ‖F₀‖)``.  Where the Jacobian is singular, the shortest step of least
    squares is taken and a note says so.  A point where ``‖F‖`` is least without being zero is told as not converged.
    In the result ``loss`` is ``1/2 ‖F‖²`` and ``gradient_norm`` is ``‖F‖``.

    Raises `DataError` for other numbers of equations than of unknowns, and where F is not finite at the start.

    Examples:
        >>> roots = es.parse("r[i] = x[i]^2 - a[i]")
        >>> found = es.optimize.root(roots, "r", {"x": np.ones(2)}, {"a": np.array([2.0, 9.0])})
        >>> found.converged, found.params["x"].round(6)
        (True, array([1.414214, 3.      ]))
    """
    tol = number("tol", tol, 0, HUGE)
    whole("max_iterations", max_iterations)
    program = as_program(source)
    rows = [equations] if isinstance(equations, str) else list(equations)
    names = names_of(program, params, wrt)
    for row in rows:
        require_defined(program, row)
        if not set(names) & dependencies(program, row):
            raise DifferentiationError(
                f"{row} does not depend on {', '.join(names)}, so no step changes it",
                **at(program[row], row),
                repair=f"leave {row} out of the equations, or vary what it reads",
            )
    for name in names:
        if not any(name in dependencies(program, row) for row in rows):
            raise DifferentiationError(
                f"no equation depends on {name}, so nothing determines it",
                inferred=f"the equations are {', '.join(rows)}",
                repair=f"leave {name} out of wrt",
            )
    here = starting(program, names, params)
    rest = held(program, here, params, data or {})
    residuals = function_of(program, rows, rest)

    def residual(at_params: Mapping[str, NDArray[Any]]) -> Arrays:
        return dict(zip(rows, residuals(at_params), strict=True))

    def merit(at_params: Mapping[str, NDArray[Any]]) -> float:
        return 0.5 * norm_of(residual(at_params)) ** 2

    values = residual(here)
    above, below = Layout.of(values), Layout.of(here)
    _require_square(program, rows, above, names, below)
    jacobian = evaluated(first_derivatives(program, rows, names), rows, names, above.shapes, below.shapes, rest, False)
    norm = norm_of(values)
    if not math.isfinite(norm):
        raise DataError(
            f"{', '.join(rows)} is not finite at the start",
            **at(program[rows[0]], rows[0]),
            repair="begin where it is finite, or look for nan and infinite numbers in the data",
        )
    goal = tol * max(1.0, norm)
    with Report(progress) as report:
        report.add(iteration=0, residual=norm)
        for iteration in range(1, max_iterations + 1):
            if norm <= goal:
                break
            step, reached, notes = solve(jacobian(here), {row: -value for row, value in values.items()})
            report.note(notes)
            # A singular Jacobian may reach nothing of the residual: then its size is stationary here.
            slope = -reached if reached > 1e-12 * norm**2 else 0.0
            found = backtracked(merit, here, step, 0.5 * norm**2, slope) if slope else None
            if found is None:
                reason = f"no step brings the residual, {norm:.2g}, nearer to zero"
                return report.result(here, 0.5 * norm**2, norm, False, reason)
            here, _, length, halvings = found
            values = residual(here)
            norm = norm_of(values)
            report.add(iteration=iteration, residual=norm, step=length * norm_of(step), backtracks=halvings)
        if norm <= goal:
            return report.result(here, 0.5 * norm**2, norm, True, f"the residual is {norm:.2g}, at most {goal:.2g}")
        return report.result(here, 0.5 * norm**2, norm, False, not_enough(max_iterations))


def _require_square(program: object, rows: Sequence[str], above: Layout, names: Sequence[str], below: Layout) -> None:
    if above.size != below.size:
        raise DataError(
            f"{above.size} equations for {below.size} unknowns",
            inferred=[
                *(f"{row} has shape {above.shapes[row]}" for row in rows),
                *(f"{name} has shape {below.shapes[name]}" for name in names),
            ],
            repair="give as many equations as unknowns, or minimise half the square of the residual by gauss_newton",
        )
