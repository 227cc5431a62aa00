"""Newton-CG: Newton's method where the Hessian is never made, only its products with directions.

The system ``H s = -g`` is solved by conjugate gradients, as far as the gradient's size makes it worth while, and left
where a direction of negative curvature turns up (Dembo and Steihaug, "Truncated-Newton algorithms", 1983).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from einstan.language.arguments import HUGE, checked, number, whole
from einstan.optimize.layout import Arrays
from einstan.optimize.newton import minimised
from einstan.optimize.objective import Objective, Source
from einstan.optimize.report import Result

PROBES = 20  # products that look for negative curvature at the end
BENT = "the curvature along a direction was not positive: the step ended before it"


@checked
def newton_cg(
    source: Source,
    loss: str,
    params: Mapping[str, NDArray[Any] | float],
    data: Mapping[str, NDArray[Any] | float] | None = None,
    *,
    wrt: Iterable[str] | None = None,
    tol: float = 1e-7,
    max_iterations: int = 200,
    products: int | None = None,
    damping: float = 0.0,
    progress: bool | None = None,
) -> Result:
    """Minimise a scalar over many parameters by conjugate gradients on Hessian-vector products, with a line search.

    ``products`` is the most that one iteration may use (by default twice the number of unknowns, at most 250); the
    report counts them.  Where the gradient vanishes, at most twenty more look for negative curvature, and find what is
    not small beside the largest.  The rest, and what is told and raised, as for `einstan.optimize.newton.newton`.

    Examples:
        >>> poisson = es.parse("L = sum[N](exp(x[N]) - a[N] x[N])")
        >>> found = es.optimize.newton_cg(poisson, "L", {"x": np.zeros(2)}, {"a": np.array([1.0, 2.0])})
        >>> found.converged, found.params["x"].round(6)
        (True, array([0.      , 0.693147]))
    """
    damping = number("damping", damping, 0, HUGE)
    tol = number("tol", tol, 0, HUGE)
    whole("max_iterations", max_iterations)
    objective = Objective(source, loss, params, data, wrt)
    layout = objective.layout
    most = min(2 * layout.size, 250) if products is None else products

    def step(here: Arrays, gradient: Arrays) -> tuple[Arrays, list[str], dict[str, float]]:
        def product(vector: NDArray[Any]) -> NDArray[Any]:
            return layout.pack(objective.product(here, layout.unpack(vector))) + damping * vector

        found, used, note = conjugate_gradients(product, layout.pack(gradient), most)
        return layout.unpack(found), note, {"products": used, "damping": damping}

    def at_end(here: Arrays) -> str | None:
        return bends_down(lambda vector: layout.pack(objective.product(here, layout.unpack(vector))), layout.size)

    return minimised(objective, step, tol, max_iterations, progress, at_end)


def conjugate_gradients(
    product: Callable[[NDArray[Any]], NDArray[Any]], gradient: NDArray[Any], most: int
) -> tuple[NDArray[Any], int, list[str]]:
    """A step that leads down, the number of products it took, and a note where the curvature was not positive."""
    norm = math.sqrt(gradient @ gradient)
    enough = min(0.5, math.sqrt(norm)) * norm
    step, residual = np.zeros_like(gradient), gradient.copy()
    direction = -residual
    square = residual @ residual
    for used in range(1, most + 1):
        bent = product(direction)
        curvature = direction @ bent
        if curvature <= np.finfo(float).eps * (direction @ direction):
            return (step if used > 1 else direction), used, [BENT]
        length = square / curvature
        step = step + length * direction
        residual = residual + length * bent
        next_square = residual @ residual
        if math.sqrt(next_square) <= enough:
            return step, used, []
        direction = -residual + next_square / square * direction
        square = next_square
    return step, most, []


def bends_down(product: Callable[[NDArray[Any]], NDArray[Any]], size: int) -> str | None:
    """What is wrong with a symmetric matrix as the Hessian at a minimum, as far as a few products with it show.

    Its least eigenvalue on a Krylov space of a direction chosen by chance, but always the same (Lanczos, 1950).
    """
    basis = np.zeros((min(size, PROBES), size))
    vector = np.random.default_rng(0).normal(size=size)
    bent = np.zeros_like(basis)
    for k in range(len(basis)):
        for _ in range(2):  # once leaves what rounding leaves
            vector = vector - basis[:k].T @ (basis[:k] @ vector)
        norm = math.sqrt(vector @ vector)
        if norm <= 1e-12 * (math.sqrt(bent[k - 1] @ bent[k - 1]) if k else 1.0):
            basis, bent = basis[:k], bent[:k]
            break
        basis[k] = vector / norm
        vector = bent[k] = product(basis[k])
    if not np.isfinite(bent).all():
        return "its second derivatives are not finite there"
    small = basis @ bent.T
    values = np.linalg.eigvalsh((small + small.T) / 2)
    if values.size and values[0] < -1e-8 * np.abs(values).max():
        return f"along a direction its curvature is negative, {values[0]:.2g}"
    return None
