"""A compiled step: a scalar with its gradients, or with the update of its parameters, called on dicts of arrays.

The code that runs takes arrays in an order of its own and returns them in another.  Which dict holds which array is
found out at the first call and written down as a function without a loop, because a step of small layers takes no
longer than a few dozen calls of NumPy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, overload

from numpy.typing import NDArray

from einstan.calculus.program import Assumption
from einstan.language.arguments import RAW, misfit
from einstan.language.errors import DataError
from einstan.language.guesses import Guessed
from einstan.language.rebuilt import Rebuilt
from einstan.library.assumptions import check_assumption, holds
from einstan.library.updates import Update, held
from einstan.machine.run.compiled import Compiled
from einstan.machine.run.spread import Spread

if TYPE_CHECKING:
    import jax

    from einstan.library.network import ValueAndGrad
    from einstan.library.plan import Plan

Arrays = dict[str, NDArray[Any]]
NOTHING: Mapping[str, Any] = {}
Tensor = TypeVar("Tensor")


class Step(Rebuilt, Guessed):
    """A compiled scalar with its gradients, ``loss, grads = step(params, X=X, Y=Y)``, or with the update of its
    parameters, ``loss, params, state = step(params, state, X=X, Y=Y)``.

    Raises `DataError` for an array that is missing, unknown, or of a wrong rank or dtype, `ExtentError` for one of a
    wrong size, and `DataError` where the data breaks an assumption of the network.

    Examples:
        >>> net = es.Network("Z[n] = X[n,K] w[K]", "L = 1/2 Z[N]^2", parameters={"w": "zeros"})
        >>> step = net.value_and_grad("L").compile()
        >>> loss, gradients = step({"w": np.ones(2)}, X=np.eye(2))
        >>> float(loss), gradients, step.plan.flops, step.source().splitlines()[0]
        (1.0, {'w': array([1., 1.])}, 21, 'import numpy as np')
    """

    def __init__(
        self, made: ValueAndGrad, compiled: Compiled, checked: tuple[Assumption, ...], update: Update | None
    ) -> None:
        self.made, self.compiled, self.checked, self.update = made, compiled, checked, update
        self.wrt = made.wrt
        self._places: tuple[tuple[int, int] | None, Callable[..., Sequence[Any]]] = None, lambda *_: ()
        first = 1 + len(self.wrt)
        last = first + (0 if update is None else len(update.states))
        self._checks = tuple(enumerate(checked, last))  # with the place of each among the results
        self._gradients = _packing({name: 1 + k for k, name in enumerate(self.wrt)})
        if update is not None:
            self._new_state = _packing({name: first + k for k, name in enumerate(update.states)})

    @overload
    def __call__(self, params: Mapping[str, NDArray[Any]] = NOTHING, /, **data: Any) -> tuple[float, Arrays]: ...
    @overload
    def __call__(
        self, params: Mapping[str, NDArray[Any]], state: Mapping[str, Any], scale: float = 1.0, /, **data: Any
    ) -> tuple[float, Arrays, Arrays]: ...
    def __call__(
        self,
        params: Mapping[str, NDArray[Any]] = NOTHING,
        state: Mapping[str, Any] | None = None,
        scale: float = 1.0,
        /,
        **data: Any,
    ) -> tuple[Any, ...]:
        try:  # which costs nothing
            update = self.update
            if (update is None) != (state is None):
                raise _state_mismatch(update is not None)
            if update is None or state is None:
                numbers: Sequence[NDArray[Any]] = ()
                state = NOTHING
            else:
                numbers = update.numbers(params, state, scale)
            compiled = self.compiled
            counts, in_order = self._places  # at once: another thread may find out others
            if (len(params), len(data)) == counts:
                try:
                    given = in_order(params, state, numbers, data)
                except KeyError:
                    compiled, given = self._found_out(params, state, numbers, data)
            else:
                compiled, given = self._found_out(params, state, numbers, data)
            found = compiled.called(given)
            for k, assumption in self._checks:
                if not holds(found[k]):
                    check_assumption(assumption, {**params, **data})
            new = self._gradients(found)
            if update is None:
                return found[0], new
            if len(params) > len(new):
                new = {**params, **new}
            state_after = self._new_state(found)
            state_after["step"] = state["step"] + 1
            return found[0], new, state_after
        except RAW as error:
            raise misfit(error, self.__call__, {"params": params, "state": state, "scale": scale}) from error

    def _found_out(
        self, params: Mapping[str, Any], state: Mapping[str, Any], numbers: Sequence[Any], data: Mapping[str, Any]
    ) -> tuple[Compiled, Sequence[Any]]:
        """The arrays in the order in which the code takes them; where each is, is remembered for the next call.

        Arrays of which only the sizes matter tell them to the code, at every call.
        """
        update = self.update
        extra: dict[str, tuple[str, Any]] = {}
        if update is not None:
            extra = {name: (f"numbers[{k}]", numbers[k]) for k, name in enumerate(update.scalars.values())}
            extra |= {tensor: (f"state[{key!r}]", held(state, key)) for key, tensor in update.states.items()}
        given = {**params, **{name: array for name, (_, array) in extra.items()}}
        ordered = self.compiled.gather(given, data)
        places = []
        for name in self.compiled.texts:
            named = "data" if name in data else "" if name in extra else "params"
            places.append(f"{named}[{name!r}]" if named else extra[name][0])
        if len(params) + len(extra) + len(data) == len(places):  # no array is without a use, or given twice
            written = eval(f"lambda params, state, numbers, data: [{', '.join(places)}]")  # names as literals
            self._places = (len(params), len(data)), written
        return self.compiled.told(given, data), ordered

    @property
    def plan(self) -> Plan:
        """The contraction paths of the shapes that came last; see `einstan.library.plan.Plan`.

        Examples:
            >>> net = es.Network("L = 1/2 (x[N] - y[N])^2", parameters={"x": "zeros"})
            >>> step = net.value_and_grad("L").compile()
            >>> _ = step({"x": np.zeros(2)}, y=np.ones(2))
            >>> step.plan.flops
            7
        """
        from einstan.library.plan import Plan

        return Plan.of(self.compiled.plan)

    def sharding(self, name: str) -> jax.sharding.NamedSharding:
        """Where a tensor or a part of the optimiser's state lies on the mesh that the step is compiled for: a
        ``jax.sharding.NamedSharding``.

        Examples:
            >>> import jax
            >>> net = es.Network("Z[n] = X[n,K] w[K]", "L = Z[N]^2", parameters={"w": "zeros"})
            >>> mesh = jax.make_mesh((1,), ("data",))
            >>> step = net.value_and_grad("L").compile(backend="jax", mesh=mesh, shard={"n": "data"})
            >>> tuple(step.sharding("X").spec)
            ('data', None)
        """
        if not isinstance(self.compiled, Spread):
            raise DataError(
                "this step is compiled for no mesh of JAX", repair='compile(backend="jax", mesh=mesh, shard=...)'
            )
        states = {} if self.update is None else self.update.states
        found: jax.sharding.NamedSharding = self.compiled.sharding(states.get(name, name))
        return found

    def source(self) -> str:
        """The code of the shapes that came last.

        Examples:
            >>> net = es.Network("L = 1/2 (x[N] - y[N])^2", parameters={"x": "zeros"})
            >>> net.value_and_grad("L").compile().source().splitlines()[0]
            'import numpy as np'
        """
        return self.compiled.source()

    def _repr_html_(self) -> str:
        return self.made._repr_html_()

    def __repr__(self) -> str:
        return f"<Step: {self.made.loss} and its gradients with respect to {', '.join(self.wrt)}>"


class HostedStep(Step):
    """A step that takes and gives tensors of PyTorch or JAX; otherwise as `Step`."""

    if TYPE_CHECKING:

        @overload
        def __call__(
            self, params: Mapping[str, Tensor] = NOTHING, /, **data: Tensor | float
        ) -> tuple[Tensor, dict[str, Tensor]]: ...
        @overload
        def __call__(
            self, params: Mapping[str, Tensor], state: Mapping[str, Any], scale: float = 1.0, /, **data: Tensor | float
        ) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]: ...
        def __call__(self, params: Any = NOTHING, state: Any = None, scale: float = 1.0, /, **data: Any) -> Any: ...


def _packing(places: Mapping[str, int]) -> Callable[[Sequence[Any]], dict[str, Any]]:
    """A function that makes a dict of some of the results."""
    entries = ", ".join(f"{name!r}: found[{k}]" for name, k in places.items())
    made: Callable[[Sequence[Any]], dict[str, Any]] = eval(f"lambda found: {{{entries}}}")
    return made


def _state_mismatch(updates: bool) -> DataError:
    if updates:
        return DataError(
            "a step that updates its parameters takes the state of its optimiser",
            repair="state = optimiser.init(params); loss, params, state = step(params, state, ...)",
        )
    return DataError(
        "this step updates no parameters, so it takes no state",
        repair="compile it with an optimiser, compile(update=SGD(0.1)), or give the parameters alone",
    )
