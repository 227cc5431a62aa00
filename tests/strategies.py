"""Random well-scoped equations, for every test that compares two readings of one equation.

An equation is made as a term, index by index, so that it is well scoped by construction; `equations` then gives it its
readable names.  Every tensor has a fixed signature of kinds of axes, and every index a kind, so that extents agree:

    kind a, b         two ordinary extents
    kind w            a short axis, for the offsets of index arithmetic
    X1, X2            tensors read at affine slots; their extents may be chosen as large as `reach` says
    TI                an integer tensor over a, whose values index b
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import strategies as st

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
)  # fmt: skip
from einstan.language.sugar import padded, softmax
from einstan.language.term import add, mul, neg, power, reciprocal

SIZES = {"a": 3, "b": 2, "w": 2}
SIGNATURES = {
    "A": ("a", "b"), "B": ("b", "a"), "C": ("a", "a"), "D": ("b", "b"), "F": ("w", "a"), "u": ("a",), "v": ("b",),
    "w": ("w",), "s": (), "t": (),
}  # fmt: skip
INTEGER_TENSORS = {"TI": ("a", "b")}  # over a, with values that index b
LONG_TENSORS = {"X1": 1, "X2": 2}
FREE = {"i": "a", "j": "a", "p": "b", "q": "b", "r": "w"}
BOUND = {"K": "a", "M": "a", "N": "b", "J": "b", "R": "w"}
# Functions that are smooth and finite everywhere, so that oracles may differentiate and compare.
SMOOTH = ("exp", "sin", "tanh", "sigmoid", "softplus")


@dataclass
class Maker:
    """What is in scope while one equation is made."""

    draw: Callable[..., object]
    scope: list[Index]
    kinds: dict[Index, str]
    smooth: bool
    affine_slots: bool
    count: int = 0
    used: dict[str, int] = field(default_factory=dict)

    def pick(self, *choices: object) -> object:
        return self.draw(st.sampled_from(choices))

    def number(self, low: int, high: int) -> int:
        return self.draw(st.integers(low, high))  # type: ignore[return-value]

    def of_kind(self, kind: str) -> list[Index]:
        return [index for index in self.scope if self.kinds[index] == kind]

    def bound(self) -> Index:
        name = str(self.pick(*BOUND))
        self.count += 1
        index = Index(name, f"{name}#{self.count}")
        self.kinds[index] = BOUND[name]
        return index

    # ---- leaves --------------------------------------------------------------------------------------------------

    def access(self, must: Index | None = None) -> Expr:
        """A tensor with plain slots, all of whose kinds are in scope; with ``must`` in one of them."""
        fitting = [
            (name, kinds)
            for name, kinds in SIGNATURES.items()
            if all(self.of_kind(kind) for kind in kinds) and (must is None or self.kinds[must] in kinds)
        ]
        name, kinds = self.pick(*fitting)  # type: ignore[misc]
        slots = [self.pick(*self.of_kind(kind)) for kind in kinds]
        if must is not None and must not in slots:
            slots[kinds.index(self.kinds[must])] = must
        return Indexed(name, tuple(slot(index) for index in slots))  # type: ignore[arg-type]

    def form(self) -> Affine:
        """An affine slot of ordinary and short indices."""
        atoms = [self.pick(*self.scope) for _ in range(self.number(1, 2))]
        parts = [(atom, self.pick(1, 1, 1, 2, -1)) for atom in atoms]
        return affine(*parts, constant=self.number(-1, 2))  # type: ignore[arg-type]

    def leaf(self) -> Expr:
        choices = ["access", "access", "access", "const"]
        if self.scope:
            choices += ["delta", "iverson", "extent", "ones"]
            choices += ["affine"] if self.affine_slots else []
            choices += ["gather"] if self.of_kind("a") and self.of_kind("a") else []
        match self.pick(*choices):
            case "const":
                return Const(str(self.pick("2", "1", "-1", "3", "1/2", "-1/3", "1.702", "1e-5", "0")))
            case "delta":
                one: Index = self.pick(*self.scope)  # type: ignore[assignment]
                return Delta(slot(one), slot(self.pick(*self.of_kind(self.kinds[one]))))  # type: ignore[arg-type]
            case "iverson":
                if self.smooth or self.number(0, 1):
                    left, right = slot(self.pick(*self.scope)), slot(self.pick(*self.scope))  # type: ignore[arg-type]
                    return Iverson((left, right), (self.pick("<", "<=", "==", "!="),))  # type: ignore[arg-type]
                return Iverson((self.access(), Const(0)), (self.pick(">", "<="),))  # type: ignore[arg-type]
            case "extent":
                return Extent(self.pick(*self.scope))  # type: ignore[arg-type]
            case "ones":
                return Iverson((slot(self.pick(*self.scope)),))  # type: ignore[arg-type]
            case "gather":
                over: Index = self.pick(*self.of_kind("a"))  # type: ignore[assignment]
                taken = Affine(((Indexed("TI", (slot(over),)), 1),))
                return Indexed("v", (taken,))
            case "affine":
                name = str(self.pick(*LONG_TENSORS))
                access = Indexed(name, tuple(self.form() for _ in range(LONG_TENSORS[name])))
                return padded(access, {})
            case _:
                return self.access()

    # ---- expressions ---------------------------------------------------------------------------------------------

    def expression(self, depth: int) -> Expr:
        if depth <= 0:
            return self.leaf()
        kinds = ["leaf", "product", "product", "sum", "add", "apply", "power", "quotient", "reduce", "minus", "softmax"]
        match self.pick(*kinds):
            case "product":
                return mul(self.expression(depth - 1) for _ in range(self.number(2, 3)))
            case "add":
                return add(self.expression(depth - 1) for _ in range(self.number(2, 3)))
            case "minus":
                return neg(self.expression(depth - 1))
            case "apply":
                names = SMOOTH if self.smooth else (*SMOOTH, "relu", "abs")
                return Apply(str(self.pick(*names)), (self.expression(depth - 1),))
            case "power":
                return power(self.expression(depth - 1), self.number(2, 3))
            case "quotient":
                below = add((Const(2), power(self.expression(depth - 1), 2)))
                return mul((self.expression(depth - 1), reciprocal(below)))
            case "sum":
                return self.binder(depth, None)
            case "reduce":
                rough = () if self.smooth else ("max", "min")
                return self.binder(depth, str(self.pick("mean", "logsumexp", "prod", *rough)))
            case "softmax" if self.scope:
                index: Index = self.pick(*self.scope)  # type: ignore[assignment]
                body = add((self.expression(depth - 1), self.access(index)))
                return softmax(body, index)
            case _:
                return self.leaf()

    def binder(self, depth: int, operation: str | None) -> Expr:
        """A sum or a reduction; a tensor in its body has the bound index in a plain slot, so its extent is known."""
        indices = tuple(self.bound() for _ in range(self.number(1, 2)))
        self.scope += indices
        anchors = [self.access(index) for index in indices]
        body = self.expression(depth - 1)
        joined = add((*anchors, body)) if self.number(0, 3) == 0 else mul((*anchors, body))
        del self.scope[-len(indices) :]
        return Sum(indices, joined) if operation is None else Reduce(operation, indices, joined)


@st.composite
def raw_equations(
    draw: Callable[..., object], depth: int = 3, smooth: bool = False, affine_slots: bool = True
) -> Equation:
    """A well-scoped equation with arbitrary names and dimensions.  Every free index of the left side stands in a plain
    slot on the right as well, so that extents can be inferred."""
    names = draw(st.lists(st.sampled_from(list(FREE)), unique=True, max_size=2))
    free = [Index(name, f"{name}#0") for name in names]  # type: ignore[attr-defined]
    maker = Maker(draw, list(free), {i: FREE[i.name] for i in free}, smooth, affine_slots)
    anchors = [maker.access(index) for index in free]
    body = maker.expression(depth)
    rhs = add((*anchors, body)) if maker.number(0, 1) else mul((*anchors, body))
    return Equation("Out", tuple(free), rhs)


def equations(depth: int = 3, smooth: bool = False, affine_slots: bool = True) -> st.SearchStrategy[Equation]:
    """Readable equations: ``smooth`` ones have no kinks; without ``affine_slots`` every slot is plain or a gather."""
    return raw_equations(depth, smooth, affine_slots).map(well_named)
