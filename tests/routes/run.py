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
        self.rng = random.Random(f"routes {case.data_seed}")

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
        return self.rng.choice(self.case.wrt)

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
    says that it can be."""

    name: str
    compared: Callable[[Run], Iterator[Compared]]
    share: float = 1.0
    when: Callable[[Case], bool] = lambda case: True
    second: bool = False  # second derivatives


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
    name: str, share: float = 1.0, when: Callable[[Case], bool] = lambda case: True, second: bool = False
) -> Callable[[Callable[[Run], Iterator[Compared]]], Callable[[Run], Iterator[Compared]]]:
    def added(function: Callable[[Run], Iterator[Compared]]) -> Callable[[Run], Iterator[Compared]]:
        ROUTES[name] = Route(name, function, share, when, second)
        return function

    return added


# ---- what may be refused ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Refusal:
    """An error of ours that is right: its routes, words of its message, and which programs may meet it."""

    routes: tuple[str, ...]
    words: str
    reason: str
    when: Callable[[Case], bool] = lambda case: True


REFUSALS = [
    Refusal(("partial of a partial", "hessian"), "has two sizes", "second derivatives through guarded, shifted reads"),
    Refusal(("str(backward)",), "cannot be defined", "a gradient that a forward value of another loss equals"),
    Refusal(("partial of a partial",), "written so that it can be read again", "extents of equal axes in a slot"),
    Refusal(("hessian",), "the extent of G is not known", "a named core does not say how many groups there are"),
    Refusal(("source()",), "no value of", "code for any size is planned at sizes that stand for all"),
    Refusal(("Equation(...)",), "e to the power of a number", "of an equation alone nobody can tell what e is",
            lambda case: case.ranks.get("e") == 0),
]  # fmt: skip


def refused(case: Case, name: str, error: EinstanError) -> bool:
    text = str(error)
    return any(
        (not r.routes or any(name.startswith(each) for each in r.routes)) and r.words in text and r.when(case)
        for r in REFUSALS
    )


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
            if not refused(case, taken.name, error):
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
    rng = random.Random(f"shares {case.data_seed}")
    drawn = [(each, rng.random()) for each in routes]  # the same whatever can be taken
    return [each for each, luck in drawn if (everything or luck < more * each.share) and possible(case, each)]
