"""Random programs: one to eight equations, well scoped by construction, with shapes that are known.

``made(seed)`` is the program of a seed.  Equations are made one after another from a pool of tensors, by what people
write (`HABITS`), each with random expressions inside; the last ones are losses.  What would be ill conditioned, near a
kink, or infinite is thrown away, and the next attempt of the same seed taken.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from tests.routes.case import Case
from tests.routes.expressions import HALF, ONE, SMOOTH, TWO
from tests.routes.habits import Habits
from tests.routes.meaning import Meaning
from tests.routes.tree import Add, Ext, Fun, Index, Line, Pow, Prod, Quot, Red, Ref, Slot

LARGEST = {"float64": 1e5, "float32": 1e3, "mixed": 1e3}
NEAREST = {"float64": 1e-6, "float32": 1e-3, "mixed": 1e-3}
ATTEMPTS = 60


class Maker(Habits):
    """Equations, and a loss of what was computed last."""

    def loss(self, name: str) -> str:
        tensor = self.latest(0, 3)
        dims = self.tensors()[tensor]
        bound: list[Index] = []
        for dim in dims:
            bound.append(self.fresh(dim, bound))
        value = self.whole(tensor, bound)
        if not bound:
            body: Any = self.pick(
                Pow(value, Fraction(2)), Fun(self.pick(*SMOOTH), (value,)), Prod((self.constant(), value))
            )
            return self.define((), body, name=name)
        filled = all(self.sizes[dim] for dim in dims)
        match self.pick(
            "squares", "squares", "squares", "sum", "mean", "weights", "softplus", "function", "logsumexp", "entry"
        ):
            case "squares":
                body = Red("sum", tuple(bound), Pow(value, Fraction(2)), bare=True)
                scale = self.pick("no", "half", "extent", "front") if filled else "no"
                extent = Ext(bound[0][0])
                square = Pow(value, Fraction(2))
                if scale == "half":
                    body = Red("sum", tuple(bound), Prod((HALF, square)), bare=False)
                elif scale == "extent":
                    body = Red("sum", tuple(bound), Quot(square, extent))
                elif scale == "front":
                    body = Red("sum", tuple(bound), Prod((Quot(self.pick(ONE, TWO), extent), square)))
            case "mean" if filled:
                inner: Any = self.pick(
                    Pow(value, Fraction(2)), Fun("softplus", (value,)), Prod((value, self.ref(bound)))
                )
                body = Red("mean", tuple(bound), inner)
            case "weights":
                weights = self.whole(self.given(dims), bound)
                body = Red("sum", tuple(bound), Prod((value, weights)), bare=True)
            case "softplus":
                target = self.whole(self.given(dims), bound)
                body = Red("sum", tuple(bound), Add(((1, Fun("softplus", (value,))), (-1, Prod((target, value))))))
            case "function":
                body = Red("sum", tuple(bound), Fun(self.pick(*SMOOTH), (value,)))
            case "logsumexp" if filled:
                body = Red(self.pick("logsumexp", "max", "prod"), tuple(bound), value)
            case "entry" if filled:
                self.features.add("entry")
                body = Fun(
                    self.pick(*SMOOTH), (Ref(tensor, tuple(Slot((), self.rng.randrange(self.sizes[d])) for d in dims)),)
                )
            case _:
                body = Red("sum", tuple(bound), value)
        if self.chance(0.2):
            reads = [n for n, d in self.tensors().items() if len(d) == 1 and n in self.inputs]
            if reads:
                weight = self.rng.choice(reads)
                index = self.fresh(self.inputs[weight][0], bound)
                penalty = Prod((self.constant(), Red("sum", (index,), Pow(self.whole(weight, [index]), Fraction(2)))))
                body = Add(((1, body), (1, penalty)))
        return self.define((), body, name=name)

    def program(self) -> str:
        """All equations; the name of the scalar to differentiate."""
        for _ in range(self.pick(0, 1, 1, 2, 2, 3, 4, 5)):
            habit: Callable[[Maker], None] = self.rng.choice(HABITS)
            if len(self.lines) < 6:
                habit(self)
        if self.chance(0.15) and len(self.lines) < 6:
            first, second = self.loss("L1"), self.loss("L2")
            terms = ((1, Ref(first)), (self.pick(1, -1), Prod((self.constant(), Ref(second)))))
            return self.define((), Add(terms), name="L")
        return self.loss("L")


HABITS: list[Callable[[Maker], None]] = [
    Maker.general, Maker.general, Maker.general, Maker.dense, Maker.dense, Maker.regression, Maker.difference,
    Maker.difference, Maker.difference, Maker.apply, Maker.apply, Maker.residual, Maker.normalised, Maker.window,
    Maker.shifted, Maker.shifted, Maker.indicated, Maker.again, Maker.running, Maker.diagonal, Maker.sized,
    Maker.entries, Maker.guarded, Maker.joined, Maker.grouped, Maker.masked, Maker.roughness, Maker.lagged,
    Maker.centred, Maker.missing,
]  # fmt: skip


def attempt(rng: random.Random, guards: bool = True) -> Case:
    maker = Maker(rng, guards)
    loss = maker.program()
    dtype = rng.choices(("float64", "float32", "mixed"), (15, 4, 1))[0]
    features = set(maker.features) | ({"empty"} if 0 in maker.sizes.values() else set())
    used = {name for line in maker.lines for name in _read(line)}
    inputs = {name: dims for name, dims in maker.inputs.items() if name in used}
    return Case(
        tuple(maker.lines), dict(maker.sizes), inputs,
        {name: dim for name, dim in maker.integers.items() if name in used},
        dtype, loss, rng.randrange(1 << 30), frozenset(), frozenset(features), maker.after,
    )  # fmt: skip


def _read(line: Line) -> set[str]:
    return Case((line,), {}, {}, {}, "float64", "").reads


def usable(case: Case) -> bool:
    """Whether the meaning is well conditioned, and no value is near a kink."""
    if len(case.lines) > 8 or not case.wrt:
        return False
    guarded = "guard" in case.features
    plain = case.plain
    if not (case.finite or guarded) or not case.derivable:
        return False
    if not all(hidden(case, line) for line in case.lines):
        return False  # what is made of infinite numbers without a bracket is anybody's guess
    if plain.tied and not case.features & {"again", "guard"}:
        return False
    return case.magnitude < LARGEST[case.dtype] and plain.closest > NEAREST[case.dtype]


def hidden(case: Case, line: Line) -> bool:
    """Whether the infinite numbers that a line reads are hidden from it: behind brackets, or among entries that it
    leaves.  Where they are not, ``1 / (1 + exp(-h))`` may be finite and its derivative zero times infinity."""
    infinite = {name for name, value in case.values.items() if not np.isfinite(value).all()}
    if not _read(line) & infinite:
        return True
    known = case.plain.tensors
    given = {name: np.where(np.isfinite(known[name]), known[name], np.nan) for name in infinite}
    found = Meaning((line,), case.sizes)({**known, **given})[line.name]
    return line.name not in infinite and np.array_equal(found, known[line.name])


def made(seed: int | str, guards: bool = True) -> Case:
    """The program of a seed."""
    for number in range(ATTEMPTS):
        case = attempt(random.Random(f"{seed}/{number}"), guards)
        if usable(case):
            return case
    raise AssertionError(f"no usable program of seed {seed} in {ATTEMPTS} attempts")
