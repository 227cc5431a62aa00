"""Optimisers as equations: a step that ends with the update of its parameters.

``W^(new)[k,j] = W[k,j] - rate dW[k,j]`` stands behind the backward pass like any other equation, so that it is planned,
its scalar factors are moved and its memory is laid out together with everything else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from einstan.calculus.program import Program
from einstan.language import parse
from einstan.language.arguments import ArgumentError
from einstan.language.errors import DataError
from einstan.language.rebuilt import Rebuilt
from einstan.language.term import Equation
from einstan.library.rename import renamed
from einstan.machine.run.handed import library

Arrays = dict[str, NDArray[Any]]
LETTERS = "ijklmnopqrstuvw"
NEW = "Afterwards"  # in the place of ^(new), which is a power where no slots follow: a parameter may be a scalar


@dataclass(frozen=True)
class Rule:
    """An update of one parameter: equations in which ``P`` is the parameter, ``G`` its gradient, and other capitals are
    parts of the optimiser's state; each of them but ``G`` has a ``^(new)`` one.  ``[i]`` stands for all their indices.

    ``states`` has the prefix under which the state holds each capital, ``scalars(t, scale)`` the numbers that change
    from update to update; ``t`` counts them from 1.

    Examples:
        >>> rule = es.SGD(0.1).rule
        >>> rule.equations, rule.states, rule.scalars(1, 0.5)
        (('P^(new)[i] = P[i] - rate G[i]',), {}, {'rate': 0.05})
    """

    equations: tuple[str, ...]
    states: Mapping[str, str]
    scalars: Callable[[int, float], dict[str, float]]


def rule_of(optimiser: Any) -> Rule:
    rule = getattr(optimiser, "rule", None)
    if not isinstance(rule, Rule):
        raise DataError(
            f"{type(optimiser).__name__} does not say its update as equations",
            inferred="a step can be compiled with an optimiser that has a rule, see einstan.library.updates.Rule",
            repair="give it one, or compile without update= and call its update() on the gradients",
        )
    return rule


class Update(Rebuilt):
    """The update of some parameters of a program: equations, and what a call needs besides parameters and data."""

    def __init__(self, program: Program, optimiser: Any, params: Iterable[str]) -> None:
        self.program, self.optimiser = program, optimiser
        self.rule, self.params = rule_of(optimiser), tuple(params)
        if not self.params:
            told = "an optimiser is given, and there is nothing to learn"
            raise ArgumentError(told, inferred="no gradient is taken", repair='wrt=["W"]: name what is learned')
        self.scalars = {name: _free(name, program) for name in self.rule.scalars(1, 1.0)}
        self.plain = _plain(self.params)
        prefixes = self.rule.states.values()
        self.states = {f"{prefix}.{p}": f"{prefix}^({self.plain[p]})" for p in self.params for prefix in prefixes}
        self.equations = {f"d{name}": self._equations(name, program.ranks[name]) for name in self.params}  # by gradient
        self.outputs = (
            *(f"{self.plain[p]}^(new)" for p in self.params),
            *(f"{prefix}New^({self.plain[p]})" for p in self.params for prefix in prefixes),
        )
        self.alike = tuple(  # what has the shape of which parameter
            pair
            for p in self.params
            for pair in (
                (f"{self.plain[p]}^(new)", p),
                *((f"{prefix}{new}^({self.plain[p]})", p) for prefix in prefixes for new in ("", "New")),
            )
        )
        self.first = self.params[0] if self.params else ""  # its precision is that of the numbers
        self._latest: tuple[dict[str, float], Any, tuple[NDArray[Any], ...]] = ({}, None, ())

    def _equations(self, name: str, rank: int) -> list[Equation]:
        slots = f"[{','.join(LETTERS[:rank])}]" if rank else ""
        plain = self.plain[name]
        names = {"P": name, "G": f"d{name}", f"P{NEW}": f"{plain}^(new)", **self.scalars}
        for letter, prefix in self.rule.states.items():
            names |= {letter: f"{prefix}^({plain})", f"{letter}{NEW}": f"{prefix}New^({plain})"}
        texts = [text.replace("^(new)", NEW).replace("[i]", slots) for text in self.rule.equations]
        return [renamed(_parsed(text), names) for text in texts]

    def behind(self, program: Program) -> Program:
        """The program as it is run, with every update, as its paper writes it, as soon as its gradient is there."""
        equations: list[Equation] = []
        for equation in program:
            equations.append(equation)
            equations += self.equations.get(str(equation.name), ())
        return Program(equations, program.assumptions)

    def numbers(self, params: Mapping[str, Any], state: Mapping[str, Any], scale: float) -> tuple[Any, ...]:
        """The numbers of a call, in the order of ``scalars`` and in the precision of the parameters.

        Those of most optimisers are the same in every update: then they are made once.
        """
        step = count(held(state, "step"))
        found: dict[str, Any] = self.rule.scalars(step + 1, scale)
        first = params.get(self.first)
        dtype = getattr(first, "dtype", None)
        if library(first):  # tensors are made of numbers where these are used
            return tuple([number.astype(dtype) if library(number) else number for number in found.values()])
        known, precision, arrays = self._latest
        if known != found or precision is not dtype:
            arrays = tuple([np.array(number, dtype or float) for number in found.values()])
            self._latest = found, dtype, arrays
        return arrays


def count(step: Any) -> Any:
    """How many updates there were: a whole number of Python's, or what JAX traces."""
    try:
        found = int(step)
    except TypeError:
        return step
    if found < 0:
        raise DataError(
            f"the optimiser's step is {found}", repair="it counts updates: 0 at first, as in optimiser.init"
        )
    return found


def held(state: Mapping[str, Any], key: str) -> Any:
    """A part of an optimiser's state."""
    if key not in state:
        raise DataError(
            f"the state of the optimiser has no {key}",
            inferred=f"it has {', '.join(state) or 'nothing'}",
            repair="state = optimiser.init(params), and the state that each step returns",
        )
    return state[key]


_parsed = cache(parse)  # parameters of as many axes have one rule


def _plain(names: Iterable[str]) -> dict[str, str]:
    """A word for each parameter, all different: a name has one label at most, and ``W^(2)`` has it already."""
    words: dict[str, str] = {}
    for name in names:
        word = "".join(filter(str.isalnum, name))
        while word in words.values():
            word += "x"
        words[name] = word
    return words


def _free(name: str, program: Program) -> str:
    while name in program.ranks:
        name += "_"
    return name
