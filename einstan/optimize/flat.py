"""Functions of one flat vector, as `scipy.optimize` and its like want them; all from the same equations.

f = flat(network, "L", params, data)
found = scipy.optimize.minimize(f.fun, f.x0, jac=f.jac, hessp=f.hessp, method="trust-krylov")
params = f.unpack(found.x)

F = flat_system(program, "F", params, data)
found = scipy.optimize.root(F.fun, F.x0, jac=F.jac)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from einstan.calculus.passes import require_defined
from einstan.language.arguments import checked, checked_methods
from einstan.language.errors import DataError
from einstan.language.rebuilt import Rebuilt
from einstan.machine.sizes.memory import refuse_more
from einstan.optimize.bands import Band
from einstan.optimize.curvature import Curvature, Piece, evaluated, first_derivatives, hessian
from einstan.optimize.layout import Arrays, Layout
from einstan.optimize.objective import Objective, Source, as_program, function_of, held, names_of, starting


@checked_methods("fun", "jac", "fun_and_jac", "hess", "hessp")
class Flat(Rebuilt):
    """A scalar of one vector: ``fun(x)``, ``jac(x)``, ``fun_and_jac(x)``, ``hess(x)``, ``hessp(x, v)``.

    ``x0`` is where the parameters begin; ``unpack(x)`` gives them by name, ``pack(params)`` the vector again.

    Examples:
        >>> f = es.optimize.flat(es.parse("L = 1/3 x[N]^3 + y"), "L", {"x": np.ones(2), "y": 5.0})
        >>> f.x0, f.fun(f.x0), f.jac(f.x0), f.fun_and_jac(f.x0)[0]
        (array([1., 1., 5.]), 5.666666666666667, array([1., 1., 1.]), 5.666666666666667)
        >>> f.hess(f.x0)
        array([[2., 0., 0.],
               [0., 2., 0.],
               [0., 0., 0.]])
        >>> f.hessp(f.x0, np.array([1.0, 2.0, 3.0])), f.unpack(f.x0)
        (array([2., 4., 0.]), {'x': array([1., 1.]), 'y': array(5.)})
    """

    def __init__(self, objective: Objective) -> None:
        self.objective, self.layout = objective, objective.layout
        self.x0 = self.layout.pack(objective.start)
        self.pack, self.unpack = self.layout.pack, self.layout.unpack
        self._hessian: Curvature | None = None

    def fun(self, x: NDArray[Any]) -> float:
        """The value.

        Examples:
            >>> flat = es.optimize.flat(es.parse("L = sum[N]((x[N] - 1)^2)"), "L", {"x": np.zeros(2)})
            >>> float(flat.fun(flat.x0))
            2.0
        """
        return self.objective.value(self.unpack(x))

    def jac(self, x: NDArray[Any]) -> NDArray[Any]:
        """The gradient, as long as ``x``.

        Examples:
            >>> flat = es.optimize.flat(es.parse("L = sum[N]((x[N] - 1)^2)"), "L", {"x": np.zeros(2)})
            >>> flat.jac(flat.x0)
            array([-2., -2.])
        """
        return self.fun_and_jac(x)[1]

    def fun_and_jac(self, x: NDArray[Any]) -> tuple[float, NDArray[Any]]:
        """Both at once, for ``jac=True``.

        Examples:
            >>> flat = es.optimize.flat(es.parse("L = sum[N]((x[N] - 1)^2)"), "L", {"x": np.zeros(2)})
            >>> flat.fun_and_jac(flat.x0)[1]
            array([-2., -2.])
        """
        value, gradient = self.objective.value_and_gradient(self.unpack(x))
        return value, self.pack(gradient)

    def hess(self, x: NDArray[Any]) -> NDArray[Any]:
        """The Hessian, dense.

        Examples:
            >>> flat = es.optimize.flat(es.parse("L = sum[N]((x[N] - 1)^2)"), "L", {"x": np.zeros(2)})
            >>> flat.hess(flat.x0)
            array([[2., 0.],
                   [0., 2.]])
        """
        if self._hessian is None:
            self._hessian = hessian(self.objective)
        return dense(self._hessian(self.unpack(x)), self.layout, self.layout)

    def hessp(self, x: NDArray[Any], v: NDArray[Any]) -> NDArray[Any]:
        """The Hessian times a vector; the Hessian is not made.

        Examples:
            >>> flat = es.optimize.flat(es.parse("L = sum[N]((x[N] - 1)^2)"), "L", {"x": np.zeros(2)})
            >>> flat.hessp(flat.x0, np.array([1.0, 0.0]))
            array([2., 0.])
        """
        return self.pack(self.objective.product(self.unpack(x), self.unpack(v)))


@checked_methods("fun", "jac")
class FlatSystem:
    """Several tensors as one vector of another: ``fun(x)`` and its Jacobian ``jac(x)``; the rest as for `Flat`.

    Examples:
        >>> f = es.optimize.flat_system(es.parse("r[i] = x[i]^2"), "r", {"x": np.array([1.0, 2.0])})
        >>> f.fun(f.x0), f.jac(f.x0)
        (array([1., 4.]), array([[2., 0.],
               [0., 4.]]))
    """

    def __init__(
        self,
        source: Source,
        equations: Sequence[str],
        params: Mapping[str, NDArray[Any] | float],
        data: Mapping[str, NDArray[Any] | float],
        wrt: Iterable[str] | None,
    ) -> None:
        program = as_program(source)
        names = names_of(program, params, wrt)
        if not equations:
            raise DataError("there is no tensor to be a vector of", repair='name one or several: ["F"]')
        for name in equations:
            require_defined(program, name)
        start = starting(program, names, params)
        rest = held(program, start, params, data)
        self.layout = Layout.of(start)
        self.x0 = self.layout.pack(start)
        self.pack, self.unpack = self.layout.pack, self.layout.unpack
        self._made_of = program, equations, start, rest, names
        self._values = function_of(program, equations, rest)
        self._names = tuple(equations)
        self._rows = Layout.of(self._residual(self.x0))
        shapes = self._rows.shapes, self.layout.shapes
        blocks = first_derivatives(program, equations, names)
        self._jacobian = evaluated(blocks, equations, names, *shapes, rest, False)

    def __reduce__(self) -> tuple[Any, ...]:
        return FlatSystem, self._made_of

    def _residual(self, x: NDArray[Any]) -> Arrays:
        return dict(zip(self._names, self._values(self.unpack(x)), strict=True))

    def fun(self, x: NDArray[Any]) -> NDArray[Any]:
        """The values, in one vector.

        Examples:
            >>> system = es.optimize.flat_system(es.parse("r[k] = x[k]^2 - 2"), "r", {"x": np.ones(2)})
            >>> system.fun(system.x0)
            array([-1., -1.])
        """
        return self._rows.pack(self._residual(x))

    def jac(self, x: NDArray[Any]) -> NDArray[Any]:
        """The Jacobian, dense: a row per value, a column per unknown.

        Examples:
            >>> system = es.optimize.flat_system(es.parse("r[k] = x[k]^2 - 2"), "r", {"x": np.ones(2)})
            >>> system.jac(system.x0)
            array([[2., 0.],
                   [0., 2.]])
        """
        return dense(self._jacobian(self.unpack(x)), self._rows, self.layout)


@checked
def flat(
    source: Source,
    loss: str,
    params: Mapping[str, NDArray[Any] | float],
    data: Mapping[str, NDArray[Any] | float] | None = None,
    *,
    wrt: Iterable[str] | None = None,
) -> Flat:
    """A scalar of a network, a program or an equation as functions of one vector; see `Flat`.

    Examples:
        >>> f = es.optimize.flat(es.parse("L = 1/2 (x[N] - a[N])^2"), "L", {"x": np.zeros(2)}, {"a": np.ones(2)})
        >>> f.fun(f.x0), f.jac(f.x0)
        (1.0, array([-1., -1.]))
    """
    return Flat(Objective(source, loss, params, data, wrt))


@checked
def flat_system(
    source: Source,
    equations: str | Sequence[str],
    params: Mapping[str, NDArray[Any] | float],
    data: Mapping[str, NDArray[Any] | float] | None = None,
    *,
    wrt: Iterable[str] | None = None,
) -> FlatSystem:
    """Tensors of a network, a program or an equation as one vector of another; see `FlatSystem`.

    Examples:
        >>> f = es.optimize.flat_system(es.parse("r[i] = x[i]^2 - a[i]"), "r", {"x": np.ones(2)}, {"a": np.ones(2)})
        >>> f.fun(f.x0), f.jac(f.x0)
        (array([0., 0.]), array([[2., 0.],
               [0., 2.]]))
    """
    return FlatSystem(source, [equations] if isinstance(equations, str) else list(equations), params, data or {}, wrt)


def dense(pieces: Sequence[Piece | Band], rows: Layout, columns: Layout) -> NDArray[Any]:
    """The whole matrix of a system, its zeros written out."""
    needed = 16 * rows.size * columns.size  # and once more while it is solved
    refuse_more("the matrix of second derivatives", needed, "use newton_cg, which makes no matrix")
    matrix = np.zeros((rows.size, columns.size))
    numbers = rows.unpack(np.arange(rows.size)), columns.unpack(np.arange(columns.size))
    for piece in pieces:
        above = piece.gather(numbers[0]).astype(int)
        below = piece.columns(numbers[1]).astype(int)
        stack = piece.matrix.dense[None] if isinstance(piece, Band) else piece.matrix
        matrix[above[:, :, None], below[:, None, :]] = stack
    return matrix
