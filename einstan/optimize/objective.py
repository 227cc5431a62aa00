"""A scalar as a function of its parameters: its value, its gradient, and products with its curvature.

Everything is an index equation first: the gradient a backward pass, a product with the Hessian the tangent pass over
it.  Each is compiled when it is first asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from einstan.calculus.passes import require_tensor
from einstan.language.arguments import checked_methods
from einstan.language.errors import DataError, EinstanError, listed, nearest
from einstan.language.place import at
from einstan.language.term import Equation
from einstan.library import api
from einstan.library.assumptions import check_assumption
from einstan.library.data import plain_array
from einstan.library.network import Network
from einstan.machine.sizes.refusals import wrong_rank
from einstan.optimize.layout import Arrays, Given, Layout

Source = Network | api.Program | Equation

DIRECTION = "t"  # a direction of W is called tW


@checked_methods()
class Objective:
    """``Objective(source, loss, params, data)``: a scalar of a network, a program or an equation.

    - ``params``: tensor name to array, where to begin; they are computed with in float64;
    - ``data``: the arrays of all other inputs;
    - ``wrt``: the names of those parameters that vary, all of them unless told otherwise; the others are data.

    Raises `DataError` for arrays that are not finite or have other axes than their tensors and names that there are
    not, and where the data break an assumption of the program; `ProgramError` for a loss that is not a scalar.

    Examples:
        >>> f = es.optimize.Objective(es.parse("L = 1/3 x[N]^3"), "L", {"x": np.array([1.0, 2.0])})
        >>> f.value({"x": np.ones(2)}), f.value_and_gradient({"x": np.ones(2)})
        (0.6666666666666666, (0.6666666666666666, {'x': array([1., 1.])}))
        >>> f.product({"x": np.ones(2)}, {"x": np.array([1.0, 2.0])})
        {'x': array([2., 4.])}
        >>> f.products({"x": np.ones(2)}, {"x": np.eye(2)})
        {'x': array([[2., 0.],
               [0., 2.]])}
    """

    def __init__(
        self,
        source: Source,
        loss: str,
        params: Mapping[str, NDArray[Any] | float],
        data: Mapping[str, NDArray[Any] | float] | None = None,
        wrt: Iterable[str] | None = None,
    ) -> None:
        self.program, self.loss = as_program(source), loss
        self.names = names_of(self.program, params, wrt)
        self.start = starting(self.program, self.names, params)
        self.data = held(self.program, self.start, params, data or {})
        for assumption in self.program.assumptions:
            check_assumption(assumption, self.data)
        self.layout = Layout.of(self.start)
        self._functions: dict[object, Callable[[Given], tuple[NDArray[Any], ...]]] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return Objective, (self.program, self.loss, self.start, self.data, self.names)

    def value(self, params: Mapping[str, NDArray[Any] | float]) -> float:
        """The scalar at these parameters.

        Examples:
            >>> one = es.optimize.Objective(es.parse("L = sum[N]((x[N] - 1)^2)"), "L", {"x": np.zeros(2)}, {})
            >>> one.value({"x": np.zeros(2)})
            2.0
        """
        (value,) = self.function("value", lambda: self.program, (self.loss,))(params)
        return float(value)

    def value_and_gradient(self, params: Mapping[str, NDArray[Any] | float]) -> tuple[float, Arrays]:
        """The scalar and its gradient, one array per parameter.

        Examples:
            >>> one = es.optimize.Objective(es.parse("L = sum[N]((x[N] - 1)^2)"), "L", {"x": np.zeros(2)}, {})
            >>> one.value_and_gradient({"x": np.zeros(2)})
            (2.0, {'x': array([-2., -2.])})
        """
        names = (self.loss, *(f"d{name}" for name in self.names))
        value, *gradients = self.function("gradient", self._with_gradient, names)(params)
        return float(value), dict(zip(self.names, gradients, strict=True))

    def product(self, params: Mapping[str, NDArray[Any] | float], directions: Mapping[str, NDArray[Any]]) -> Arrays:
        """The Hessian times a direction, given and returned as one array per parameter.

        Examples:
            >>> one = es.optimize.Objective(es.parse("L = sum[N]((x[N] - 1)^2)"), "L", {"x": np.zeros(2)}, {})
            >>> one.product({"x": np.zeros(2)}, {"x": np.ones(2)})
            {'x': array([2., 2.])}
        """
        names = [f"td{name}" for name in self.names]
        return self._along("product", lambda: self.program.hvp(self.loss, self.names), names, params, directions)

    def products(self, params: Mapping[str, NDArray[Any] | float], directions: Mapping[str, NDArray[Any]]) -> Arrays:
        """The Hessian times several directions, which stand along the first axis.

        Examples:
            >>> one = es.optimize.Objective(es.parse("L = sum[N]((x[N] - 1)^2)"), "L", {"x": np.zeros(2)}, {})
            >>> one.products({"x": np.zeros(2)}, {"x": np.eye(2)})
            {'x': array([[2., 0.],
                   [0., 2.]])}
        """
        names = [f"td{name}" for name in self.names]

        def made() -> api.Program:
            return self.program.hvp(self.loss, self.names, batch="r")

        return self._along("products", made, names, params, directions)

    def gauss_newton_products(
        self, outputs: Sequence[str], params: Mapping[str, NDArray[Any] | float], directions: Mapping[str, NDArray[Any]]
    ) -> Arrays:
        """The Gauss-Newton matrix times several directions, which stand along the first axis.

        Examples:
            >>> curve = es.Program("r[n] = a t[n]\\nL = 1/2 r[N]^2")
            >>> f = es.optimize.Objective(curve, "L", {"a": 1.0}, {"t": np.ones(3)})
            >>> f.gauss_newton_products(["r"], {"a": np.array(1.0)}, {"a": np.ones(1)})
            {'a': array([3.])}
        """
        names = [f"g{name}" for name in self.names]

        def made() -> api.Program:
            return self.program.gauss_newton(self.loss, outputs, self.names, batch="r")

        return self._along(("gauss-newton", *outputs), made, names, params, directions)

    def _along(
        self,
        key: object,
        made: Callable[[], api.Program],
        names: Sequence[str],
        params: Given,
        directions: Given,
    ) -> Arrays:
        function = self.function(key, made, names)
        found = function({**params, **{f"{DIRECTION}{name}": array for name, array in directions.items()}})
        return dict(zip(self.names, found, strict=True))

    def _with_gradient(self) -> api.Program:
        gradient = self.program.backward(self.loss, self.names)
        return api.Program(gradient.known)

    def function(
        self, key: object, made: Callable[[], api.Program], outputs: Sequence[str]
    ) -> Callable[[Given], tuple[NDArray[Any], ...]]:
        """The outputs of a program as a function of the parameters, compiled once per key."""
        if key not in self._functions:
            self._functions[key] = function_of(made(), outputs, self.data)
        return self._functions[key]


def function_of(
    program: api.Program, outputs: Sequence[object], data: Given, **options: Any
) -> Callable[[Given], tuple[NDArray[Any], ...]]:
    """``f(arrays) -> outputs``, compiled, with the data bound."""
    compiled = program.compile(outputs=outputs, **options)
    read = {*compiled.texts, *compiled.unread}
    bound = {name: array for name, array in data.items() if name in read}

    def function(arrays: Given) -> tuple[NDArray[Any], ...]:
        return compiled.call({**bound, **{name: array for name, array in arrays.items() if name in read}}, {})

    return function


def as_program(source: Source) -> api.Program:
    if isinstance(source, Network):
        return source.program
    return source if isinstance(source, api.Program) else api.Program((source,))


def names_of(program: api.Program, params: Given, wrt: Iterable[str] | None) -> tuple[str, ...]:
    """The parameters that vary, all of which have a first value."""
    names = tuple(params) if wrt is None else tuple(dict.fromkeys(wrt))
    for name in names:
        require_tensor(program, name)
        if name in program.defined:
            raise DataError(
                f"{name} is what an equation defines, so it cannot vary by itself",
                **at(program[name], name),
                repair="vary what it is made of, or leave its equation out of the program",
            )
        if name not in params:
            raise DataError(
                f"{name} has no first value",
                inferred=f"params has {', '.join(params) or 'nothing'}",
                repair=nearest(name, params) or f"params={{{name!r}: array}}",
            )
    if not names:
        raise DataError("there is no parameter to vary", repair="params={name: array}")
    return names


def starting(program: api.Program, names: Iterable[str], params: Given) -> Arrays:
    """The first values of the parameters that vary: finite floats, with as many axes as their tensors have slots."""
    return {name: _as_floats(program, name, params[name]) for name in names}


def held(program: api.Program, start: Arrays, params: Given, data: Given) -> dict[str, Any]:
    """The arrays and numbers of what does not vary: those parameters, and the data."""
    for name in data:
        _require_known(program, name)
        if name in params:
            raise DataError(
                f"{name} is among the parameters and among the data",
                inferred=f"the parameters are {listed(params)}",
                repair=f"give {name} once",
            )
    found = {**{name: array for name, array in params.items() if name not in start}, **data}
    for name, array in found.items():
        _require_known(program, name)
        _require_rank(program, name, plain_array(name, array, program).shape)
    return found


def _as_floats(program: api.Program, name: str, given: NDArray[Any] | float) -> NDArray[Any]:
    try:
        given = plain_array(name, given, program)
        if given.dtype.kind in "cmMVSU":  # of dates, records and texts NumPy would make floats
            raise TypeError("it has complex numbers" if given.dtype.kind == "c" else f"it has entries of {given.dtype}")
        array = np.array(given, dtype=float)
    except EinstanError:
        raise
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(
            f"the first value of {name} is no array of real numbers", inferred=str(error), repair="begin with floats"
        ) from None
    _require_rank(program, name, array.shape)
    if not np.isfinite(array).all():
        raise DataError(f"the first value of {name} is not finite", repair=f"begin with finite numbers in {name}")
    return array


def _require_known(program: api.Program, name: str) -> None:
    """A tensor of the program, or one that tells a size alone."""
    if name not in program.inputs:
        require_tensor(program, name)


def _require_rank(program: api.Program, name: str, shape: tuple[int, ...]) -> None:
    if len(shape) != program.ranks.get(name, len(shape)):
        raise wrong_rank(program, name, shape)
