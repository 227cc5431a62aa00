"""Random terms that provoke the calculus: few letters, all of one dimension bound again and again.

Where `tests.strategies` makes equations as people write them, these are terms as derivations produce them: the same
index object is bound in siblings, below other binders of its own letter, and stands free elsewhere.  Everything is
drawn from a `random.Random`, which may be Hypothesis's, so that failures shrink.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from random import Random

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
)
from einstan.language.term import add, mul, neg, power, reciprocal

# Dimensions by name, and tensors by the dimensions of their axes; T holds integers that index b.
AX_A, AX_B, AX_W, AX_L = "u.0", "v.0", "w.0", "X.0"
SIZES = {AX_A: 3, AX_B: 2, AX_W: 2, AX_L: 9}
SHAPES: dict[str, tuple[str, ...]] = {
    "A": (AX_A, AX_B), "B": (AX_B, AX_A), "C": (AX_A, AX_A), "u": (AX_A,), "v": (AX_B,), "w": (AX_W,), "s": (),
    "X": (AX_L,), "T": (AX_A,),
}  # fmt: skip
VALUES = ("A", "B", "C", "u", "v", "w", "s", "X")  # what may be differentiated by
LETTERS = {AX_A: ("i", "j", "K"), AX_B: ("p", "M"), AX_W: ("R",)}
SMOOTH = ("exp", "sin", "tanh", "sigmoid", "softplus", "cos", "arctan", "erf")
ROUGH = ("relu", "abs", "sign")
NUMBERS = (Fraction(2), Fraction(-1), Fraction(3), Fraction(1, 2), Fraction(-1, 3), Fraction(0), Fraction(1))


def arrays(random: Random, sizes: dict[str, int] = SIZES) -> dict[str, object]:
    """An array for every tensor: distinct small numbers, none of them near zero, so that kinks and ties are far."""
    import numpy as np

    made: dict[str, object] = {}
    for name, dims in SHAPES.items():
        shape = tuple(sizes[dim] for dim in dims)
        count = int(np.prod(shape))
        if name == "T":
            entries = [random.randrange(max(sizes[AX_B], 1)) for _ in range(count)]
            made[name] = np.array(entries, dtype=int).reshape(shape)
        else:
            entries = [random.choice((-1, 1)) * (0.2 + random.randrange(10**6) / 10**6) for _ in range(count)]
            made[name] = np.array(entries, dtype=float).reshape(shape)
    return made


class Terms:
    """A maker of terms.  ``smooth`` leaves out what has kinks, ``rational`` all functions."""

    def __init__(self, random: Random, smooth: bool = False, rational: bool = False) -> None:
        self.random, self.smooth, self.rational = random, smooth, rational
        self.shapes = {name: SHAPES[name] for name in VALUES}  # what a term may read

    def pick(self, choices: Sequence[object]) -> object:
        return choices[self.random.randrange(len(choices))]

    def chance(self, one_in: int) -> bool:
        return self.random.randrange(one_in) == 0

    def index(self, scope: Sequence[Index], dim: str) -> Index | None:
        fitting = [index for index in scope if index.dim == dim]
        return self.pick(fitting) if fitting else None  # type: ignore[return-value]

    # ---- leaves --------------------------------------------------------------------------------------------------

    def access(self, scope: Sequence[Index]) -> Expr:
        name = str(self.pick(tuple(self.shapes)))
        slots = [self.index(scope, dim) for dim in self.shapes[name]]
        if name == "X":
            return self.window(scope)
        if any(index is None for index in slots):
            return Indexed("s")
        return Indexed(name, tuple(slot(index) for index in slots))  # type: ignore[arg-type]

    def window(self, scope: Sequence[Index]) -> Expr:
        """X at an affine slot: guarded, or so that it is inside."""
        if not scope:
            return Indexed("s")
        count = 1 + self.random.randrange(2)
        guarded = self.chance(2)
        steps = (1, 1, 2, -1) if guarded else (1, 2)
        parts = [(self.pick(scope), self.pick(steps)) for _ in range(count)]
        form = affine(*parts, constant=self.random.randrange(-1, 3) if guarded else 0)  # type: ignore[arg-type]
        if not guarded:
            form = affine((form, 2)) if form.index is not None else form
            return Indexed("X", (form,))
        if self.chance(4):
            parts.append((Indexed("T", (slot(self.index(scope, AX_A)),)), 1) if self.index(scope, AX_A) else parts[0])
            form = affine(*parts)  # type: ignore[arg-type]
        if form.index is not None:  # in a plain slot an index would run over all of X
            form = affine((form, 2))
        top = affine((Extent(Index("X.0", AX_L)), 1))
        return mul((Iverson((Affine(()), form, top), ("<=", "<")), Indexed("X", (form,))))

    def leaf(self, scope: Sequence[Index]) -> Expr:
        match self.random.randrange(12):
            case 0:
                return Const(self.pick(NUMBERS))  # type: ignore[arg-type]
            case 1 if scope:
                one: Index = self.pick(scope)  # type: ignore[assignment]
                other = self.index(scope, one.dim) if not self.chance(3) else self.pick(scope)
                # A delta of two plain indices says that they run over one dimension.
                shifts = (0, 0, 0, 1, -1) if other.dim == one.dim else (1, -1)  # type: ignore[union-attr]
                return Delta(slot(one), affine((other, 1), constant=self.pick(shifts)))  # type: ignore[arg-type]
            case 2 if scope:
                left, right = slot(self.pick(scope)), slot(self.pick(scope))  # type: ignore[arg-type]
                return Iverson((left, right), (self.pick(("<", "<=", "==", "!=")),))  # type: ignore[arg-type]
            case 3 if scope:
                return Extent(self.pick(scope))  # type: ignore[arg-type]
            case 4 if self.index(scope, AX_A) is not None:
                taken = Affine(((Indexed("T", (slot(self.index(scope, AX_A)),)), 1),))  # type: ignore[arg-type]
                if self.index(scope, AX_B) is not None and self.chance(2):
                    return Delta(taken, slot(self.index(scope, AX_B)))  # type: ignore[arg-type]
                return Indexed("v", (taken,))
            case 5 if not self.smooth and not self.rational:
                return Iverson((self.access(scope), Const(0)), (self.pick((">", "<=")),))  # type: ignore[arg-type]
            case 6 if scope:
                return Iverson((slot(self.pick(scope)),))  # type: ignore[arg-type]
            case _:
                return self.access(scope)

    # ---- terms ---------------------------------------------------------------------------------------------------

    def term(self, depth: int, scope: Sequence[Index]) -> Expr:
        if depth <= 0:
            return self.leaf(scope)
        match self.random.randrange(12):
            case 0 | 1 | 2:
                return mul(self.term(depth - 1, scope) for _ in range(2 + self.random.randrange(2)))
            case 3 | 4:
                return add(self.term(depth - 1, scope) for _ in range(2 + self.random.randrange(2)))
            case 5:
                return neg(self.term(depth - 1, scope))
            case 6 | 7:
                return self.binder(depth, scope)
            case 8 if not self.rational:
                return self.function(depth, scope)
            case 9:
                return power(self.term(depth - 1, scope), Fraction(self.pick((2, 3, 2, -1))))  # type: ignore[arg-type]
            case 10:
                below = add((Const(2), power(self.term(depth - 1, scope), 2)))
                return mul((self.term(depth - 1, scope), reciprocal(below)))
            case _:
                return self.leaf(scope)

    def positive(self, depth: int, scope: Sequence[Index]) -> Expr:
        return add((Const(Fraction(1, 2)), power(self.term(depth - 1, scope), 2)))

    def function(self, depth: int, scope: Sequence[Index]) -> Expr:
        match self.random.randrange(6):
            case 0:
                return Apply(str(self.pick(("log", "sqrt"))), (self.positive(depth, scope),))
            case 1:
                return power(self.positive(depth, scope), self.pick((Fraction(1, 2), Fraction(-3, 2), Fraction(2, 3))))  # type: ignore[arg-type]
            case 2:
                body, name = self.term(depth - 1, scope), str(self.pick(("exp", "exp", "log", "sqrt")))
                inner = Apply("exp", (body,))
                if name == "exp":
                    return mul((inner, Apply("exp", (self.term(depth - 1, scope),))))
                return Apply(name, (mul((inner, self.positive(depth, scope))),))
            case 3 if not self.smooth:
                names = ("maximum", "minimum")
                return Apply(str(self.pick(names)), (self.term(depth - 1, scope), self.term(depth - 1, scope)))
            case _:
                names = SMOOTH if self.smooth else (*SMOOTH, *ROUGH)
                return Apply(str(self.pick(names)), (self.term(depth - 1, scope),))

    def binder(self, depth: int, scope: Sequence[Index]) -> Expr:
        """A sum or reduction, often over a letter that is bound already or free around it."""
        bound: list[Index] = []
        for _ in range(1 + self.random.randrange(2)):
            dim = str(self.pick(tuple(LETTERS)))
            index = Index(str(self.pick(LETTERS[dim])), dim)
            if index not in bound:
                bound.append(index)
        inside = [*(index for index in scope if index not in bound), *bound, *bound]
        body = self.term(depth - 1, inside)
        body = anchored(body, [index for index in bound if index not in body.free])  # else it has no reading
        operations = ["sum", "sum", "sum", "sum", "mean", "prod"]
        if not self.rational:
            operations.append("logsumexp")
        if not self.smooth:
            operations += ["max", "min"]
        operation = str(self.pick(operations))
        return Sum(tuple(bound), body) if operation == "sum" else Reduce(operation, tuple(bound), body)


# ---- equations and graphs --------------------------------------------------------------------------------------------

FREE = (Index("i", AX_A), Index("j", AX_A), Index("p", AX_B))
ANCHORS = {AX_A: "u", AX_B: "v", AX_W: "w"}


def free_indices(random: Random) -> list[Index]:
    return [index for index in FREE if random.randrange(2)]


def anchored(term: Expr, indices: Sequence[Index]) -> Expr:
    """With a plain access for every index, so that its extent is known."""
    return add((term, *(Indexed(ANCHORS[index.dim], (slot(index),)) for index in indices)))


def graph(random: Random, length: int, depth: int, smooth: bool = True) -> list[Equation]:
    """Equations that read inputs and each other, some several times; the last one, L, is a scalar that reads most."""
    maker = Terms(random, smooth)
    inputs = dict(maker.shapes)
    made: list[Equation] = []
    for number in range(length):
        free = free_indices(random)
        term = maker.term(depth, free)
        for _ in range(random.randrange(3)):
            access = maker.access(free)
            term = add((term, access)) if random.randrange(2) else mul((term, access))
        equation = Equation(f"Z{number}", tuple(free), anchored(term, free))
        made.append(equation)
        defined = {str(e.name): tuple(index.dim for index in e.indices) for e in made}
        maker.shapes = {**inputs, **defined}
        if random.randrange(2):  # read what was made rather than the inputs
            maker.shapes = {"s": (), "u": (AX_A,), **defined}
    parts: list[Expr] = []
    for equation in made[-3:]:
        access = Indexed(equation.name, tuple(slot(index) for index in equation.indices))
        body = mul((Const(weight(random)), power(access, 2))) if random.randrange(2) else access
        parts.append(Sum(equation.indices, body) if equation.indices else body)
    return [*made, Equation("L", (), add(parts))]


def weight(random: Random) -> Fraction:
    return Fraction(1 + random.randrange(3), 2)
