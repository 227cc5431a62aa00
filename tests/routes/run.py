"""One program on many routes: what a route is, what it may refuse, and when two numbers agree."""

from __future__ import annotations

import random
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

import einstan as es
from einstan.language.errors import EinstanError
from tests.routes.case import Case

Array = Any
Compared = tuple[str, Any, Any]  # what it is, what the route says, what it means
RTOL = {"float64": 1e-9, "float32": 2e-5, "mixed": 2e-5}
LOOSER = {"second": 1e3}  # where the meaning itself comes from differences


class Run:
    """A program with everything that several routes need, made once."""

    def __init__(self, case: Case) -> None:
        self.case, self.data = case, case.data
        self.rng = self.drawn("")

    def drawn(self, route: str) -> random.Random:
        """The luck of a route, whatever other routes were taken before it."""
        return random.Random(f"routes {self.case.data_seed} {route}")

    @cached_property
    def program(self) -> es.Program:
        return es.Program(self.case.text)

    @cached_property
    def backward(self) -> es.Program:
        return self.program.backward(self.case.loss, self.case.wrt)

    @cached_property
    def network(self) -> es.Network:
        return es.Network(self.case.text, parameters=dict.fromkeys(self.case.wrt, "zeros"))

    @cached_property
    def stepping(self) -> Any:
        """The loss and its gradients as users of a network get them, derived once."""
        return self.network.value_and_grad(self.case.loss)

    @cached_property
    def one(self) -> str:
        """One of the inputs to differentiate by."""
        return self.drawn("one").choice(self.case.wrt)

    @cached_property
    def inner(self) -> tuple[str, str]:
        """A tensor of the program and an input that it rests on."""
        pairs = [(line.name, name) for line in self.case.lines for name in sorted(self.case.behind(line.name))
                 if name in self.case.floats and np.isfinite(self.case.jacobians[line.name][name]).all()]  # fmt: skip
        return self.drawn("inner").choice(pairs)

    @cached_property
    def partial(self) -> es.Program:
        return self.program.partial(self.case.loss, self.one)

    @cached_property
    def jvp(self) -> es.Program:
        return self.program.jvp(self.case.loss, self.case.wrt)

    @cached_property
    def hvp(self) -> es.Program:
        return self.program.hvp(self.case.loss, self.case.wrt)

    @cached_property
    def moved(self) -> dict[str, Array]:
        """A direction for every input."""
        return {name: self.direction(name) for name in self.case.wrt}

    @cached_property
    def bent(self) -> dict[str, Array]:
        """The Hessian times `moved`."""
        return self.case.hessian_product(self.moved)

    @cached_property
    def params(self) -> dict[str, Array]:
        return {name: self.data[name] for name in self.case.wrt}

    @cached_property
    def others(self) -> dict[str, Array]:
        return {name: a for name, a in self.data.items() if name not in self.case.wrt}

    @cached_property
    def gradients(self) -> dict[str, Array]:
        return {name: self.case.gradient(name) for name in self.case.wrt}

    @cached_property
    def dtype(self) -> str:
        return "float64" if self.case.dtype == "mixed" else self.case.dtype

    def direction(self, name: str, salt: str = "") -> Array:
        return self.like(self.data[name], f"{name}{salt}")

    def like(self, array: Array, salt: str) -> Array:
        rng = np.random.default_rng([self.case.data_seed, len(salt), *map(ord, salt)])
        return (rng.integers(-16, 17, np.shape(array)) / 8).astype(np.asarray(array).dtype)

    @cached_property
    def data_for_network(self) -> dict[str, Array]:
        """What a step takes besides the parameters: the arrays that the loss and its gradients read."""
        known = {str(name) for name in self.stepping.program.inputs}
        return {name: array for name, array in self.others.items() if name in known}


@dataclass(frozen=True)
class Route:
    """``compared(run)`` yields what is to be equal.  It is taken for a ``share`` of the programs, and where ``when``
    says that it can be.  Routes that begin with the same derivation share the luck of a ``group``: the dearer ones are
    taken for some of the programs that the cheaper ones are taken for, so that this is derived once for all of them."""

    name: str
    compared: Callable[[Run], Iterator[Compared]]
    share: float = 1.0
    when: Callable[[Case], bool] = lambda case: True
    second: bool = False  # second derivatives
    group: str = ""


@dataclass(frozen=True)
class Finding:
    """Where a route disagrees with the meaning."""

    case: Case
    route: str
    what: str
    got: Any
    want: Any
    kind: str  # "value", or the name of the exception

    def same(self, other: Finding | None) -> bool:
        return other is not None and (self.route, self.kind) == (other.route, other.kind)

    def __str__(self) -> str:
        case = self.case
        arrays = "\n".join(f"    {name} = {array.tolist()!r}" for name, array in case.data.items())
        return (
            f"route {self.route}: {self.what}\n{case.text}\n"
            f"  {case.loss} by {', '.join(case.wrt)} in {case.dtype}, with\n{arrays}\n"
            f"  got  {_shown(self.got)}\n  want {_shown(self.want)}\n  {case!r}"
        )


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else repr(np.asarray(value).tolist())


ROUTES: dict[str, Route] = {}


def route(
    name: str,
    share: float = 1.0,
    when: Callable[[Case], bool] = lambda case: True,
    second: bool = False,
    group: str = "",
) -> Callable[[Callable[[Run], Iterator[Compared]]], Callable[[Run], Iterator[Compared]]]:
    def added(function: Callable[[Run], Iterator[Compared]]) -> Callable[[Run], Iterator[Compared]]:
        ROUTES[name] = Route(name, function, share, when, second, group or name)
        return function

    return added


# ---- comparing -------------------------------------------------------------------------------------------------------


def agree(got: Any, want: Any, rtol: float, magnitude: float) -> bool:
    got, want = np.asarray(got), np.asarray(want)
    if got.shape != want.shape or got.dtype.kind not in "fiu":
        return False
    with np.errstate(all="ignore"):
        known = np.isfinite(want)
        if not (known == np.isfinite(got)).all():
            return False
        gap = np.abs(np.where(known, got, 0) - np.where(known, want, 0))
    return not gap.size or bool((gap <= rtol * (magnitude + np.abs(np.where(known, want, 0)))).all())


def on(run: Run, taken: Route) -> tuple[Finding | None, int]:
    """The first disagreement of a route, and how many numbers were compared."""
    case, count = run.case, 0
    run.rng = run.drawn(taken.name)
    rtol = RTOL[case.dtype] * (LOOSER["second"] if taken.second else 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if not case.finite:
            warnings.simplefilter("ignore", RuntimeWarning)
        try:
            for what, got, want in taken.compared(run):
                count += 1
                good = got == want if isinstance(want, str | bool) else agree(got, want, rtol, case.scale(what))
                if not good:
                    return Finding(case, taken.name, what, got, want, "value"), count
        except EinstanError as error:
            return Finding(case, taken.name, "refused", str(error), "a number", type(error).__name__), count
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            told = f"{type(error).__name__}: {error} ({place.filename.rpartition('/')[2]}:{place.lineno})"
            return Finding(case, taken.name, "raised", told, "a number", type(error).__name__), count
    return None, count


def possible(case: Case, route: Route) -> bool:
    return route.when(case) and (case.curvable or not route.second)


def chosen(case: Case, routes: Iterable[Route], everything: bool = False, more: float = 1.0) -> list[Route]:
    """The routes of a program: those that can be taken, expensive ones for a share of the programs, or more of it."""

    def luck(group: str) -> float:  # the same whatever can be taken
        return random.Random(f"shares {case.data_seed} {group}").random()

    return [r for r in routes if (everything or luck(r.group) < more * r.share) and possible(case, r)]
