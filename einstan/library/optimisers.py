"""Optimisers as pure functions: ``update(params, grads, state) -> params, state``.

No array is changed in place, so an older set of parameters stays what it was, and the state is a plain dict of arrays
that a checkpoint can hold.  In the formulas ``g`` is the gradient and ``t`` counts updates from 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from einstan.language.arguments import (
    ArgumentError,
    blamed,
    blamed_methods,
    checked_methods,
    number,
    require,
    shown,
    whole,
)
from einstan.language.errors import DataError, nearest
from einstan.library.updates import Rule, count
from einstan.machine.run.handed import namespace
from einstan.machine.sizes.memory import refuse_more

Arrays = dict[str, NDArray[Any]]


def _as_float(made: Any, name: str, least: float, most: float, **limits: bool) -> None:
    """A field that holds a number within limits holds a float from now on, whatever number was given."""
    object.__setattr__(made, name, number(name, getattr(made, name), least, most, **limits))


INFINITE = float("inf")


class Optimiser(Protocol):
    """What `fit` asks of an optimiser; a class of one's own needs these three names.

    With a ``rule`` besides (`einstan.library.updates.Rule`), it can be compiled into a step.
    """

    @property
    def rate(self) -> float: ...

    def init(self, params: Mapping[str, NDArray[Any]]) -> Arrays: ...

    def update(
        self, params: Mapping[str, NDArray[Any]], grads: Mapping[str, NDArray[Any]], state: Mapping[str, NDArray[Any]],
        scale: float = 1.0,
    ) -> tuple[Arrays, Arrays]: ...  # fmt: skip


@blamed_methods("init", "update")
@checked_methods("__init__", "update")
@dataclass(frozen=True)
class SGD:
    """``p ← p - rate g``

    Examples:
        >>> sgd, params = es.SGD(0.5), {"w": np.ones(2)}
        >>> params, state = sgd.update(params, {"w": np.array([1.0, 2.0])}, sgd.init(params))
        >>> params, int(state["step"]), sgd.rule.equations
        ({'w': array([0.5, 0. ])}, 1, ('P^(new)[i] = P[i] - rate G[i]',))
    """

    rate: float = 0.1

    def __post_init__(self) -> None:
        _as_float(self, "rate", 0, INFINITE, open_above=True)

    @property
    def rule(self) -> Rule:
        """The update as equations.

        Examples:
            >>> print(*es.SGD(0.1).rule.equations, sep="\\n")
            P^(new)[i] = P[i] - rate G[i]
        """
        return Rule(("P^(new)[i] = P[i] - rate G[i]",), {}, lambda t, scale: {"rate": self.rate * scale})

    def init(self, params: Mapping[str, NDArray[Any]]) -> Arrays:
        """The state before the first update.

        Examples:
            >>> es.SGD(0.1).init({"w": np.ones(2)})
            {'step': array(0)}
        """
        return {"step": np.array(0)}

    @blamed
    def update(
        self, params: Mapping[str, NDArray[Any]], grads: Mapping[str, NDArray[Any]], state: Mapping[str, NDArray[Any]],
        scale: float = 1.0,
    ) -> tuple[Arrays, Arrays]:  # fmt: skip
        """New parameters and state, as new arrays; ``scale`` times the rate is the rate of this update.

        Examples:
            >>> sgd, params = es.SGD(0.1), {"w": np.ones(2)}
            >>> params, state = sgd.update(params, {"w": np.array([1.0, 2.0])}, sgd.init(params))
            >>> params["w"].round(3), state["step"]
            (array([0.9, 0.8]), np.int64(1))
        """
        rate = self.rate * scale
        return {name: p - rate * grads[name] for name, p in params.items()}, {"step": state["step"] + 1}


@blamed_methods("init", "update")
@checked_methods("__init__", "update")
@dataclass(frozen=True)
class Momentum:
    """``v ← β v + g``, then ``p ← p - rate v``, or with Nesterov's look ahead ``p ← p - rate (g + β v)``.

    Examples:
        >>> momentum, params = es.Momentum(0.5, beta=0.9), {"w": np.ones(2)}
        >>> params, state = momentum.update(params, {"w": np.array([1.0, 2.0])}, momentum.init(params))
        >>> params, state["v.w"], momentum.rule.equations[0]
        ({'w': array([0.5, 0. ])}, array([1., 2.]), 'V^(new)[i] = 0.9 V[i] + G[i]')
    """

    rate: float = 0.05
    beta: float = 0.9
    nesterov: bool = False

    def __post_init__(self) -> None:
        _as_float(self, "rate", 0, INFINITE, open_above=True)
        _as_float(self, "beta", 0, 1)
        require("nesterov", self.nesterov, bool)

    @property
    def rule(self) -> Rule:
        """The update as equations.

        Examples:
            >>> print(*es.Momentum(0.1).rule.equations, sep="\\n")
            V^(new)[i] = 0.9 V[i] + G[i]
            P^(new)[i] = P[i] - rate V^(new)[i]
        """
        beta = _decimal(self.beta)
        step = f"rate (G[i] + {beta} V^(new)[i])" if self.nesterov else "rate V^(new)[i]"
        equations = (f"V^(new)[i] = {beta} V[i] + G[i]", f"P^(new)[i] = P[i] - {step}")
        return Rule(equations, {"V": "v"}, lambda t, scale: {"rate": self.rate * scale})

    def init(self, params: Mapping[str, NDArray[Any]]) -> Arrays:
        """The state before the first update.

        Examples:
            >>> es.Momentum(0.1).init({"w": np.ones(2)})
            {'step': array(0), 'v.w': array([0., 0.])}
        """
        _refuse_large(params, 1)
        return {"step": np.array(0)} | {f"v.{name}": namespace(p).zeros_like(p) for name, p in params.items()}

    @blamed
    def update(
        self, params: Mapping[str, NDArray[Any]], grads: Mapping[str, NDArray[Any]], state: Mapping[str, NDArray[Any]],
        scale: float = 1.0,
    ) -> tuple[Arrays, Arrays]:  # fmt: skip
        """New parameters and state, as new arrays; ``scale`` times the rate is the rate of this update.

        Examples:
            >>> momentum, params = es.Momentum(0.1), {"w": np.ones(2)}
            >>> params, state = momentum.update(params, {"w": np.array([1.0, 2.0])}, momentum.init(params))
            >>> params["w"].round(3), state["step"]
            (array([0.9, 0.8]), np.int64(1))
        """
        rate = self.rate * scale
        new_params, new_state = {}, {"step": state["step"] + 1}
        for name, p in params.items():
            g = grads[name]
            v = self.beta * state[f"v.{name}"] + g
            new_params[name] = p - rate * (g + self.beta * v if self.nesterov else v)
            new_state[f"v.{name}"] = v
        return new_params, new_state


@blamed_methods("init", "update")
@checked_methods("__init__", "update")
@dataclass(frozen=True)
class Adam:
    """``m ← β₁ m + (1-β₁) g``, ``v ← β₂ v + (1-β₂) g²``, ``p ← p - rate m̂ / (√v̂ + ε)`` with ``m̂ = m / (1-β₁ᵗ)``,
    ``v̂ = v / (1-β₂ᵗ)`` (Kingma and Ba, 2015).

    Examples:
        >>> adam, params = es.Adam(0.5), {"w": np.ones(2)}
        >>> params, state = adam.update(params, {"w": np.array([1.0, 2.0])}, adam.init(params))
        >>> params["w"].round(6), sorted(state), sorted(adam.rule.states)
        (array([0.5, 0.5]), ['m.w', 'step', 'v.w'], ['M', 'V'])
    """

    rate: float = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        _as_float(self, "rate", 0, INFINITE, open_above=True)
        _as_float(self, "beta1", 0, 1, open_above=True)
        _as_float(self, "beta2", 0, 1, open_above=True)
        _as_float(self, "epsilon", 0, INFINITE, open_above=True)

    @property
    def rule(self) -> Rule:
        """The update as equations.

        Examples:
            >>> print(*es.Adam(0.1).rule.equations, sep="\\n")
            M^(new)[i] = 0.9 M[i] + 0.09999999999999998 G[i]
            V^(new)[i] = 0.999 V[i] + 0.0010000000000000009 G[i]^2
            P^(new)[i] = P[i] - rate M^(new)[i] / (sqrt(V^(new)[i] / second) + 0.00000001)
        """
        beta1, beta2, epsilon = _decimal(self.beta1), _decimal(self.beta2), _decimal(self.epsilon)
        equations = (
            f"M^(new)[i] = {beta1} M[i] + {_decimal(1 - self.beta1)} G[i]",
            f"V^(new)[i] = {beta2} V[i] + {_decimal(1 - self.beta2)} G[i]^2",
            f"P^(new)[i] = P[i] - rate M^(new)[i] / (sqrt(V^(new)[i] / second) + {epsilon})",
        )

        def scalars(t: int, scale: float) -> dict[str, float]:
            return {"rate": self.rate * scale / (1 - self.beta1**t), "second": 1 - self.beta2**t}

        return Rule(equations, {"M": "m", "V": "v"}, scalars)

    def init(self, params: Mapping[str, NDArray[Any]]) -> Arrays:
        """The state before the first update.

        Examples:
            >>> es.Adam(0.1).init({"w": np.ones(2)})
            {'step': array(0), 'm.w': array([0., 0.]), 'v.w': array([0., 0.])}
        """
        _refuse_large(params, 2)
        state = {"step": np.array(0)}
        for name, p in params.items():
            state[f"m.{name}"] = namespace(p).zeros_like(p)
            state[f"v.{name}"] = namespace(p).zeros_like(p)
        return state

    @blamed
    def update(
        self, params: Mapping[str, NDArray[Any]], grads: Mapping[str, NDArray[Any]], state: Mapping[str, NDArray[Any]],
        scale: float = 1.0,
    ) -> tuple[Arrays, Arrays]:  # fmt: skip
        """New parameters and state, as new arrays; ``scale`` times the rate is the rate of this update.

        Examples:
            >>> adam, params = es.Adam(0.1), {"w": np.ones(2)}
            >>> params, state = adam.update(params, {"w": np.array([1.0, 2.0])}, adam.init(params))
            >>> params["w"].round(3), state["step"]
            (array([0.9, 0.9]), np.int64(1))
        """
        step = state["step"] + 1
        t = count(state["step"]) + 1
        first, second = 1 - self.beta1**t, 1 - self.beta2**t
        rate = self.rate * scale / first
        new_params, new_state = {}, {"step": step}
        for name, p in params.items():
            g = grads[name]
            m = self.beta1 * state[f"m.{name}"] + (1 - self.beta1) * g
            v = self.beta2 * state[f"v.{name}"] + (1 - self.beta2) * (g * g)
            new_params[name] = p - rate * m / (namespace(v).sqrt(v / second) + self.epsilon)
            new_state[f"m.{name}"], new_state[f"v.{name}"] = m, v
        return new_params, new_state


def _refuse_large(params: Mapping[str, NDArray[Any]], moments: int) -> None:
    needed = moments * sum(_bytes(name, p) for name, p in params.items())
    refuse_more("what the optimiser keeps for each parameter", needed, "use es.SGD(...), which keeps nothing")


def _bytes(name: str, parameter: object) -> int:
    try:
        return int(parameter.nbytes if hasattr(parameter, "nbytes") else np.asarray(parameter).nbytes)
    except (TypeError, ValueError, RuntimeError) as error:  # rows of several lengths; a tensor that is sparse
        told = f"{name} is no array: it is {shown(parameter)}"
        raise ArgumentError(told, repair=f"give {name} as a dense array of numbers") from error


def _decimal(number: float) -> str:
    """A number as the notation spells it."""
    return format(Decimal(repr(float(number))), "f")


NAMED: dict[str, Callable[[float], Optimiser]] = {
    "sgd": SGD,
    "momentum": Momentum,
    "nesterov": lambda rate: Momentum(rate, nesterov=True),
    "adam": Adam,
}


def optimiser(name: str, rate: float) -> Optimiser:
    """An optimiser by its name and learning rate."""
    if name not in NAMED:
        raise DataError(
            f"there is no optimiser {name!r}",
            inferred=f"the optimisers are {', '.join(NAMED)}",
            repair=nearest(name, NAMED) or "give one of these names",
        )
    return NAMED[name](rate)


# ---- learning-rate schedules: epoch (from 0) to a factor on the optimiser's rate -------------------------------------


@dataclass(frozen=True)
class Cosine:
    """From 1 down to ``floor`` along half a cosine over ``epochs`` epochs.

    Examples:
        >>> from einstan.library.optimisers import Cosine
        >>> [round(Cosine(11)(epoch), 3) for epoch in (0, 5, 10)]
        [1.0, 0.5, 0.0]
    """

    epochs: int
    floor: float = 0.0

    def __post_init__(self) -> None:
        whole("epochs", self.epochs, 1)
        _as_float(self, "floor", 0, 1)

    def __call__(self, epoch: int) -> float:
        progress = min(whole("epoch", epoch) / max(self.epochs - 1, 1), 1.0)
        return self.floor + (1 - self.floor) * 0.5 * (1 + float(np.cos(np.pi * progress)))


@dataclass(frozen=True)
class Decay:
    """Times ``factor`` every ``every`` epochs.

    Examples:
        >>> from einstan.library.optimisers import Decay
        >>> [Decay(0.5, every=10)(epoch) for epoch in (0, 9, 10, 20)]
        [1.0, 1.0, 0.5, 0.25]
    """

    factor: float = 0.5
    every: int = 10

    def __post_init__(self) -> None:
        _as_float(self, "factor", 0, INFINITE, open_above=True)
        whole("every", self.every, 1)

    def __call__(self, epoch: int) -> float:
        return self.factor ** (whole("epoch", epoch) // self.every)
