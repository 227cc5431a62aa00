"""Random expressions, index by index, so that every one is well scoped and all shapes are known."""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Any

from tests.routes.tree import (
    Add,
    Delta,
    Ext,
    Fun,
    Index,
    Line,
    Num,
    Ones,
    Pos,
    Pow,
    Prod,
    Quot,
    Red,
    Ref,
    Slot,
    Soft,
    Test,
    nodes,
)

SIZES = (1, 1, 1, 2, 2, 2, 3, 3, 4)
DIMS = "abcd"
FREE = ("i", "j", "k", "n", "m", "l")
BOUND = ("I", "J", "K", "N", "M", "P")
GIVEN = ("x", "y", "w", "a", "b", "c", "v", "u", "X", "W", "A", "B", "q", "r", "g", "s", "x1", "y1", "lam", "W2", "C")
COMPUTED = ("Z", "e", "h", "f", "S", "H", "U", "V", "z", "o", "G", "F", "E", "Z1", "Z2", "h2", "f2", "t2")
SMOOTH = (
    *("exp", "sin", "cos", "tanh", "sigmoid", "softplus", "arctan", "erf", "sinh"),
    *("erfc", "arcsinh", "silu", "elu", "softsign"),
)
KINKED = ("relu", "abs", "relu", "abs", "sign", "floor")


def number(value: Any) -> Num:
    return Num(Fraction(value))


ZERO, ONE, TWO, HALF = number(0), number(1), number(2), number("1/2")


class Expressions:
    """The tensors that there are so far, and expressions of them and of new inputs."""

    def __init__(self, rng: random.Random, guards: bool) -> None:
        self.rng, self.guards = rng, guards
        self.sizes = {dim: rng.choice(SIZES) for dim in DIMS}
        if rng.random() < 0.08:
            self.sizes[rng.choice(DIMS)] = 0
        self.inputs: dict[str, tuple[str, ...]] = {}
        self.integers: dict[str, str] = {}
        self.defined: dict[str, tuple[str, ...]] = {}
        self.lines: list[Line] = []
        self.bound = 0
        self.after: dict[str, tuple[str, int]] = {}
        self.features: set[str] = set()

    # ---- choices -----------------------------------------------------------------------------------------------------

    def pick(self, *choices: Any) -> Any:
        return self.rng.choice(choices)

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def filled(self) -> list[str]:
        return [dim for dim in DIMS if self.sizes[dim]]

    def dim(self) -> str:
        return self.rng.choice(DIMS)

    def new_dim(self, size: int) -> str:
        name = f"d{len(self.sizes)}"
        self.sizes[name] = size
        return name

    def name(self, names: tuple[str, ...]) -> str:
        taken = {*self.inputs, *self.defined}
        free = [name for name in names if name not in taken]
        return self.rng.choice(free[:6]) if free else f"{names[0]}{len(taken)}"

    def indices(self, dims: tuple[str, ...] | list[str]) -> tuple[Index, ...]:
        names = self.rng.sample(FREE, len(dims)) if self.chance(0.5) else list(FREE[: len(dims)])
        return tuple(zip(names, dims, strict=True))

    def fresh(self, dim: str, scope: list[Index]) -> Index:
        """A capital that is not in scope; disjoint sums may share one."""
        taken = {name for name, _ in scope}
        names = [name for name in BOUND if name not in taken]
        return (self.rng.choice(names), dim)

    def tensors(self) -> dict[str, tuple[str, ...]]:
        return {**{n: d for n, d in self.inputs.items() if n not in self.integers}, **self.defined}

    def given(self, dims: tuple[str, ...]) -> str:
        name = self.name(GIVEN)
        self.inputs[name] = tuple(dims)
        return name

    def latest(self, least: int = 0, most: int = 3) -> str:
        """A tensor that was computed not long ago, or an input."""
        fit = [name for name, dims in self.defined.items() if least <= len(dims) <= most]
        if fit and self.chance(0.85):
            return fit[-1] if self.chance(0.7) else self.rng.choice(fit)
        fit = [n for n, d in self.tensors().items() if least <= len(d) <= most]
        if fit and self.chance(0.6):
            return self.rng.choice(fit)
        rank = self.rng.randint(max(least, 1), max(least, min(most, 2)))
        return self.given(tuple(self.dim() for _ in range(rank)))

    def whole(self, tensor: str, scope: tuple[Index, ...] | list[Index]) -> Ref:
        """The tensor with these indices in its slots, in their order."""
        return Ref(tensor, tuple(Slot.of(name) for name, _ in scope))

    # ---- leaves ------------------------------------------------------------------------------------------------------

    def ref(self, scope: list[Index], must: Index | None = None) -> Ref:
        """A tensor that these indices can read; some slot may hold a number."""
        served = {dim for _, dim in scope}
        fitting = [
            (name, dims)
            for name, dims in self.tensors().items()
            if all(d in served or (self.sizes[d] and self.chance(0.15)) for d in dims)
            and (must is None or must[1] in dims)
        ]
        if not fitting or self.chance(0.3):
            dims = [dim for _, dim in scope]
            chosen = self.rng.sample(dims, min(len(dims), self.pick(0, 1, 1, 2))) if dims else []
            if must is not None and must[1] not in chosen:
                chosen = [must[1], *chosen[:1]]
            fitting = [(self.given(tuple(chosen)), tuple(chosen))]
        name, dims = self.rng.choice(fitting)
        slots: list[Slot] = []
        for dim in dims:
            able = [index for index, each in scope if each == dim]
            if able and not (self.sizes[dim] and self.chance(0.04)):
                slots.append(Slot.of(self.rng.choice(able)))
            else:
                self.features.add("entry")
                slots.append(Slot((), self.rng.randrange(self.sizes[dim])))
        if must is not None and all(slot.plain != must[0] for slot in slots):
            slots[dims.index(must[1])] = Slot.of(must[0])
        return Ref(name, tuple(slots))

    def constant(self) -> Num:
        return number(self.pick("1/2", 2, 3, "1/3", "3/2", 1, "1/4", "7/10"))

    def leaf(self, scope: list[Index]) -> Any:
        kinds = ["ref"] * 9 + ["number", "scalar"]
        filled = [index for index in scope if self.sizes[index[1]]]
        kinds += ["extent"] if filled else []
        kinds += ["bracket", "delta", "ones"] if scope else []
        numbers = [name for name, _ in scope if name != "l"]  # beside the loss L it has two meanings, and is refused
        kinds += ["position"] if numbers else []
        kinds += ["gather", "padded"] if filled else []
        match self.pick(*kinds):
            case "number":
                return self.constant()
            case "scalar":
                scalars = [name for name, dims in self.tensors().items() if not dims]
                return Ref(self.rng.choice(scalars) if scalars and self.chance(0.6) else self.given(()))
            case "extent":
                name, _ = self.rng.choice(filled)
                return Quot(self.constant(), Ext(name)) if self.chance(0.6) else Ext(name)
            case "bracket":
                return Prod((self.bracket(scope), self.ref(scope)))
            case "position":
                place = Pos(self.rng.choice(numbers))
                return self.pick(place, Prod((self.constant(), place)), Add(((1, place), (1, self.constant()))))
            case "ones":
                return Ones(self.rng.choice(scope)[0])
            case "delta":
                one = self.rng.choice(scope)
                others = [index for index in scope if index[1] == one[1] and index != one]
                if others:
                    return Prod((Delta(Slot.of(one[0]), Slot.of(self.rng.choice(others)[0])), self.ref(scope)))
                return self.ref(scope)
            case "gather":
                return self.gathered(self.rng.choice(filled), scope)
            case "padded":
                return self.padded(self.rng.choice(filled))
        return self.ref(scope)

    def bracket(self, scope: list[Index]) -> Test:
        relation = self.pick("<", "<=", ">", ">=", "!=", "==")
        if self.chance(0.35):
            self.features.add("compares")
            return Test(self.ref(scope), self.pick("<", ">", "<=", ">="), self.pick(number(0), self.ref(scope)))
        one, other = self.rng.choice(scope)[0], self.rng.choice(scope)[0]
        right = Slot((), self.pick(0, 1, 2)) if one == other or self.chance(0.3) else Slot.of(other)
        return Test(Slot.of(one, constant=self.pick(0, 0, 0, 1)), relation, right)

    def gathered(self, index: Index, scope: list[Index]) -> Any:
        """``E[T[n],j]``."""
        self.features.add("gather")
        dim = self.rng.choice(self.filled())
        known = [t for t, to in self.integers.items() if self.inputs[t] == (index[1],) and self.sizes[to]]
        if known and self.chance(0.6):
            table, dim = known[0], self.integers[known[0]]
        else:
            table = self.name(("T", "R", "ids", "pos", "ix", "lbl"))
            self.inputs[table], self.integers[table] = (index[1],), dim
        slot = Slot(((Ref(table, (Slot.of(index[0]),)), 1),))
        others = [each for each in scope if each[0] != index[0]]
        dims: tuple[str, ...] = (dim,)
        slots = [slot]
        if others and self.chance(0.5):
            other = self.rng.choice(others)
            dims, slots = (dim, other[1]), [slot, Slot.of(other[0])]
        fitting = [name for name, each in self.tensors().items() if each == dims]
        return Ref(self.rng.choice(fitting) if fitting and self.chance(0.6) else self.given(dims), tuple(slots))

    def padded(self, index: Index) -> Ref:
        """``pad(x[i-1])``, with any tensor of one axis."""
        self.features.add("pad")
        fitting = [name for name, dims in self.tensors().items() if len(dims) == 1 and self.sizes[dims[0]]]
        name = self.rng.choice(fitting) if fitting and self.chance(0.7) else self.given((index[1],))
        stride, offset = self.pick(
            (1, -1), (1, 1), (1, -2), (2, 0), (2, 1), (-1, 2), (-1, 0)
        )  # no plain slot, which ties
        return Ref(name, (Slot(((index[0], stride),), offset),), True)

    # ---- expressions -------------------------------------------------------------------------------------------------

    def positive(self, depth: int, scope: list[Index]) -> Any:
        match self.pick("square", "exp", "abs", "softplus"):
            case "square":
                return Add(((1, self.constant()), (1, Pow(self.expression(depth - 1, scope), Fraction(2)))))
            case "exp":
                return Fun("exp", (Fun("sin", (self.expression(depth - 1, scope),)),))
            case "abs":
                return Add(((1, HALF), (1, Fun("abs", (self.expression(depth - 1, scope),)))))
            case _:
                return Fun("softplus", (self.expression(depth - 1, scope),))

    def expression(self, depth: int, scope: list[Index]) -> Any:
        if depth <= 0:
            return self.leaf(scope)
        kinds = ["leaf", "product", "product", "add", "minus", "function", "function", "kink", "two", "power",
                 "negative", "fraction", "quotient", "sum", "sum", "reduce", "contraction"]  # fmt: skip
        kinds += ["softmax"] if any(self.sizes[dim] for _, dim in scope) else []
        match self.pick(*kinds):
            case "product":
                return Prod(tuple(self.expression(depth - 1, scope) for _ in range(self.pick(2, 2, 3))))
            case "add" | "minus":
                count = self.pick(2, 2, 3)
                return Add(tuple((self.pick(1, 1, -1), self.expression(depth - 1, scope)) for _ in range(count)))
            case "function":
                return Fun(self.pick(*SMOOTH), (self.expression(depth - 1, scope),))
            case "kink":
                return Fun(self.pick(*KINKED), (self.expression(depth - 1, scope),))
            case "two":
                two = self.pick("maximum", "minimum")
                return Fun(two, (self.expression(depth - 1, scope), self.expression(depth - 1, scope)))
            case "power":
                return Pow(self.expression(depth - 1, scope), Fraction(self.pick(2, 2, 2, 3)))
            case "negative":
                return Pow(self.positive(depth, scope), Fraction(self.pick(-1, -2, -1)))
            case "fraction":
                if self.chance(0.5):
                    return Fun(self.pick("sqrt", "log"), (self.positive(depth, scope),))
                return Pow(self.positive(depth, scope), Fraction(self.pick("1/2", "3/2", "-1/2", "1/3")))
            case "quotient":
                return Quot(self.expression(depth - 1, scope), self.positive(depth, scope))
            case "sum":
                return self.reduction("sum", depth, scope)
            case "reduce":
                return self.reduction(self.pick("mean", "max", "min", "prod", "logsumexp"), depth, scope)
            case "contraction":
                return self.contraction(scope)
            case "softmax":
                index = self.rng.choice([index for index in scope if self.sizes[index[1]]])
                return Soft(index, Add(((1, self.ref(scope, index)), (1, self.expression(depth - 1, scope)))))
        return self.leaf(scope)

    def reduction(self, operation: str, depth: int, scope: list[Index]) -> Red:
        dims = DIMS if operation in ("sum", "prod") else tuple(self.filled())
        bound: list[Index] = []
        for _ in range(self.pick(1, 1, 1, 2)):
            bound.append(self.fresh(self.rng.choice(dims), [*scope, *bound]))
        inner = [*scope, *bound]
        body = self.expression(depth - 1, inner)
        anchors = [self.ref(inner, index) for index in bound if index[0] not in anchored(body)]
        if anchors:
            if self.chance(0.3):
                body = Add(((1, body), *((self.pick(1, -1), a) for a in anchors)))
            else:
                body = Prod((*anchors, body))
        return Red(operation, tuple(bound), body)

    def contraction(self, scope: list[Index]) -> Red:
        """``X[n,K] W[K,j]``, without the sign of a sum."""
        bound = self.fresh(self.dim(), scope)
        left, right = self.ref([*scope, bound], bound), self.ref([*scope, bound], bound)
        factors: tuple[Any, ...] = (left, right)
        if self.chance(0.15):
            factors = (*factors, self.ref([*scope, bound]))
        return Red("sum", (bound,), Prod(factors), bare=True)


def anchored(body: Any) -> set[str]:
    """The indices that stand by themselves in a slot of a tensor that is not padded."""
    found = set()
    for node in nodes(body):
        if isinstance(node, Ref) and not node.padded:
            found |= {slot.plain for slot in node.slots if slot.plain}
            if any(slot.plain is None and slot.atoms for slot in node.slots):  # windows determine their own
                found |= {atom for slot in node.slots for atom, _ in slot.atoms if isinstance(atom, str)}
    return found
