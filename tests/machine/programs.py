"""Random programs for passes over graphs: what training steps consist of, and what derivations produce.

`chain` makes programs as people write them: residuals in both orders, named squares and products, scalars in front, a
value read twice, sums over what is or is not there.  `tests.calculus.terms.graph` makes terms that provoke the
calculus.  Both are drawn from a `random.Random`; sizes are 0 to 4, and all arrays are given.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from random import Random
from typing import Any

import numpy as np

from einstan.calculus.backward import backward, joined
from einstan.calculus.forward import jvp
from einstan.calculus.program import Program
from einstan.calculus.stable import runnable
from einstan.language import (
    Affine,
    Apply,
    Const,
    Delta,
    Equation,
    Expr,
    Extent,
    Index,
    Indexed,
    Iverson,
    Reduce,
    Sum,
    affine,
    slot,
    well_named,
)
from einstan.language.sugar import padded, softmax
from einstan.language.term import add, mul, neg, power, reciprocal
from einstan.library.api import Program as Text
from einstan.library.optimisers import SGD, Adam, Momentum
from einstan.library.updates import Update
from tests.calculus import terms
from tests.routes import generator

A, B, C, LONG = "u.0", "v.0", "w.0", "X.0"
INPUTS: dict[str, tuple[str, ...]] = {
    "Q": (A, B), "R": (B, A), "S": (A, A), "D": (B, C), "u": (A,), "v": (B,), "w": (C,), "s": (), "t": (),
}  # fmt: skip
LETTERS = {A: "ijkl", B: "pqmn", C: "rzo"}
FUNCTIONS = ("exp", "sin", "tanh", "sigmoid", "softplus", "relu", "abs")
OPTIMISERS = (SGD(0.1), Momentum(0.1), Momentum(0.1, nesterov=True), Adam(0.1))

Arrays = Mapping[str, np.ndarray]


@dataclass
class Case:
    """A program, the tensors that are asked for, and arrays for what it reads."""

    program: Program
    outputs: tuple[Any, ...]
    arrays: dict[str, np.ndarray]

    def __str__(self) -> str:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in self.arrays.items())
        return f"{self.program}\noutputs: {', '.join(map(str, self.outputs))}\narrays: {shapes}"


class Chain:
    """A maker of equations that read the ones before."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.known = dict(INPUTS)
        self.made: list[Equation] = []
        self.count = 0

    def pick(self, choices: Sequence[Any]) -> Any:
        return choices[self.random.randrange(len(choices))]

    def chance(self, one_in: int) -> bool:
        return self.random.randrange(one_in) == 0

    def fresh(self, dim: str) -> Index:
        self.count += 1
        letter = LETTERS[dim][self.count % len(LETTERS[dim])]
        return Index(letter, f"{letter}#{self.count}")

    # ---- factors -----------------------------------------------------------------------------------------------------

    def recent(self, fits: Any = lambda dims: True) -> str | None:
        """A tensor that fits, most often one that was made lately."""
        names = [name for name, dims in self.known.items() if fits(dims)]
        if not names:
            return None
        return str(self.pick(names[-4:] if self.random.randrange(3) else names))

    def read(self, name: str, scope: Sequence[tuple[Index, str]]) -> Expr:
        """A tensor at indices of the scope."""
        return Indexed(name, tuple(slot(self.pick([i for i, own in scope if own == dim])) for dim in self.known[name]))

    def some(self, scope: Sequence[tuple[Index, str]]) -> Expr:
        have = {dim for _, dim in scope}
        return self.read(self.recent(lambda dims: set(dims) <= have) or "s", scope)

    def number(self, scope: Sequence[tuple[Index, str]]) -> Expr:
        choices = [Const(-1), Const(2), Const(Fraction(-1, 2)), Const(3), Indexed("s"), Indexed("t"), neg(Indexed("s"))]
        choices += [mul((Indexed("s"), Indexed("t"))), Const(0) if self.chance(3) else Const(-2)]
        scalars = [name for name, dims in self.known.items() if not dims and name not in ("s", "t")]
        choices += [Indexed(name) for name in scalars]
        choices += [reciprocal(Extent(index)) for index, _ in scope[:1]]
        return self.pick(choices)  # type: ignore[no-any-return]

    # ---- equations ---------------------------------------------------------------------------------------------------

    def equation(self, name: str) -> Equation:
        base = self.recent(lambda dims: bool(dims)) or "Q"
        scope = [(self.fresh(dim), dim) for dim in self.known[base]]
        first = Indexed(base, tuple(slot(index) for index, _ in scope))
        rhs = self.rhs(first, scope)
        free = [pair for pair in scope if pair[0] in rhs.free]
        if self.chance(3):
            free.reverse()
        self.known[name] = tuple(dim for _, dim in free)
        self.made.append(well_named(Equation(name, tuple(index for index, _ in free), rhs)))
        return self.made[-1]

    def rhs(self, first: Expr, scope: list[tuple[Index, str]]) -> Expr:
        """What is made of an access whose slots are the scope, once each; the scope may grow."""
        other = lambda: self.some(scope)  # noqa: E731
        match self.random.randrange(20):
            case 0 | 1 | 2:
                return mul((self.number(scope), first))
            case 3 | 4:
                return self.pick((add((first, neg(other()))), add((other(), neg(first)))))
            case 5:
                return add((mul((self.number(scope), first)), mul((self.number(scope), other()))))
            case 6:
                return self.pick((power(first, 2), mul((first, first)), mul((first, other())), power(first, 3)))
            case 7:
                return Apply(
                    str(self.pick(FUNCTIONS)), (self.pick((first, neg(first), mul((self.number(scope), first)))),)
                )
            case 8 | 9:
                return self.product(first, scope)
            case 10:
                bound = [index for index, _ in scope if self.random.randrange(2)]
                return Sum(tuple(bound), mul((first, other()))) if bound else first
            case 11:
                return mul((first, reciprocal(add((Const(2), power(other(), 2))))))
            case 12:
                index = self.pick(scope)[0]
                return self.pick((softmax(first, index), Reduce("logsumexp", (index,), first)))  # type: ignore[no-any-return]
            case 13:
                operation = str(self.pick(("max", "min", "mean", "prod")))
                return Reduce(operation, (self.pick(scope)[0],), first)
            case 14:
                return mul((Iverson((other(), Const(0)), (self.pick((">", "<=")),)), first))
            case 15:
                one, two = self.fresh(A), self.fresh(A)
                scope[:] = [(one, A), (two, A)]
                bracket = self.pick(
                    (Delta(slot(one), slot(two)), Iverson((slot(one), slot(two)), (self.pick(("<=", "!=")),)))
                )
                return mul((bracket, self.read(self.recent(lambda dims: dims == (A,)) or "u", scope[:1])))
            case 16:
                return self.window(scope)
            case 17:
                index = self.fresh(A)
                scope[:] = [(index, A)]
                taken = Affine(((Indexed("T", (slot(index),)), 1),))
                if self.chance(2):
                    return Indexed(self.recent(lambda dims: dims == (B,)) or "v", (taken,))
                target = self.fresh(B)
                scope[:] = [(target, B)]
                return Sum((index,), mul((Delta(taken, slot(target)), self.read("u", [(index, A)]))))
            case 18:
                return add((first, self.number(())))
            case _:
                return Sum((self.pick(scope)[0],), first)

    def product(self, first: Expr, scope: list[tuple[Index, str]]) -> Expr:
        """A contraction of two or three tensors along an index of the first."""
        index, dim = self.pick(scope)
        name = self.recent(lambda dims: dim in dims) or "S"
        own = [(index, dim)]
        own += [(self.fresh(axis), axis) for axis in self.known[name] if axis != dim or self.chance(3)]
        second = self.read(name, own)
        while index not in second.free:
            second = self.read(name, own)
        scope += [pair for pair in own[1:] if pair[0] in second.free and len(scope) < 4]
        bound = tuple(i for i in second.free if i not in [pair[0] for pair in scope])
        factors = [first, second] if self.chance(3) else [first, second, self.some(scope)]
        return Sum((index, *bound), mul(factors))

    def window(self, scope: list[tuple[Index, str]]) -> Expr:
        """The long tensor read at a form, times another, summed or not."""
        one, two = self.fresh(A), self.fresh(C)
        scope[:] = [(one, A), (two, C)]
        step, shift = self.pick((1, 1, 2, -1)), self.random.randrange(-1, 2)
        form = affine((one, step), (two, self.pick((1, 1, -1, 2))), constant=shift)
        body = mul((padded(Indexed("X", (form,)), {}), self.read("w", [(two, C)]), self.read("u", [(one, A)])))
        return self.pick((body, Sum((two,), body), Sum((one,), body)))  # type: ignore[no-any-return]

    def loss(self) -> Equation:
        parts = []
        for equation in self.made[-2:] if self.chance(2) else self.made[-1:]:
            name = str(equation.name)
            scope = [(self.fresh(dim), dim) for dim in self.known[name]]
            access = Indexed(name, tuple(slot(index) for index, _ in scope))
            body = self.pick(
                (
                    power(access, 2),
                    access,
                    mul((self.number(()), access)),
                    mul((Const(Fraction(1, 2)), power(access, 2))),
                )
            )
            parts.append(Sum(tuple(index for index, _ in scope), body) if scope else body)
        return well_named(Equation("L", (), add(parts)))


def chain(random: Random) -> list[Equation]:
    maker = Chain(random)
    for number in range(2 + random.randrange(6)):
        maker.equation(f"Z{number}")
    return [*maker.made, maker.loss()]


# ---- cases -----------------------------------------------------------------------------------------------------------


def arrays_for(
    program: Program, random: Random, given: Mapping[str, np.ndarray] | None = None
) -> dict[str, np.ndarray]:
    """Arrays for all inputs: distinct small numbers, none near zero, of sizes that are seldom 0 and at most 4; those
    that are given, with whatever sizes they have."""
    given = given or {}
    made: dict[str, np.ndarray] = {}
    sizes = {program.dims.find(f"{name}.{k}"): n for name, x in given.items() for k, n in enumerate(x.shape)}
    for name in map(str, program.inputs):
        if name in given:
            made[name] = given[name]
            continue
        rank = program.ranks.get(name, len(INPUTS.get(name, terms.SHAPES.get(name, ()))))  # or only its sizes are read
        for dim in (program.dims.find(f"{name}.{k}") for k in range(rank)):
            sizes.setdefault(dim, 12 if name == "X" else random.choice((0, 1, 2, 2, 3, 3, 3, 4)))
        shape = tuple(sizes[program.dims.find(f"{name}.{k}")] for k in range(rank))
        positive = name == "second" or name.startswith("v^(")  # what Adam takes the root of
        signs = (1,) if positive else (-1, 1)
        entries = [random.choice(signs) * (0.2 + random.random()) for _ in range(math.prod(shape))]
        made[name] = np.array(entries, float).reshape(shape)
    if "T" in made and "T" not in given:  # whatever it indexes has one extent
        limit = max(1, sizes.get(program.dims.find(B), 1))
        made["T"] = np.array([random.randrange(limit) for _ in range(made["T"].size)], int).reshape(made["T"].shape)
    return made


def base(random: Random) -> tuple[Program, str, set[str], dict[str, np.ndarray] | None]:
    """A program, its scalar, what it is not differentiated by, and the arrays that it reads if they are chosen."""
    match random.randrange(4):
        case 0:
            return (
                Program([well_named(e) for e in terms.graph(random, 1 + random.randrange(3), 2, False)]),
                "L",
                {"T", "X"},
                None,
            )
        case 1:
            found = generator.attempt(random)
            read = {name: np.asarray(x, float if x.dtype.kind == "f" else int) for name, x in found.data.items()}
            return Text(found.text), found.loss, {*found.integers, *(set(read) - set(found.wrt))}, read
    return Program(chain(random)), "L", {"T", "X"}, None


def case(random: Random) -> Case:
    """A program alone, with its gradients, with an update behind them, or with a tangent pass before them.

    Raises `EinstanError` where that is refused: some programs are nonsense.
    """
    program, loss, left_out, given = base(random)
    kind = random.randrange(8)
    wrt = [name for name in program.inputs if name in program.ranks and str(name) not in left_out]
    if kind == 0 or not wrt:
        outputs: list[Any] = [name for name in program.defined if random.randrange(2)] or [loss]
    elif kind == 1:
        program = joined(program, jvp(program, [loss], {random.choice(wrt): "Dir"}, zeros=True))
        outputs = [loss, f"t{loss}"]
    else:
        wrt = [name for name in wrt if random.randrange(3)] or wrt[:1]
        program = joined(program, backward(program, loss, wrt, zeros=True))
        outputs = [loss, *(f"d{name}" for name in wrt)]
        if kind > 4:
            still = {str(name) for name in program.inputs}
            update = Update(program, random.choice(OPTIMISERS), [str(name) for name in wrt if str(name) in still])
            if update.params:
                program, outputs = update.behind(program), [loss, *update.outputs]
        if random.randrange(3) == 0:
            outputs = [name for name in outputs if random.randrange(2)] or outputs
    program = runnable(program)
    return Case(program, tuple(outputs), arrays_for(program, random, given))
