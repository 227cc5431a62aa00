"""Products with brackets: ``1[c] u`` is zero where c is false, whatever u is there, infinite and NaN included.

Multiplied, zero times infinity would be NaN.  So what a bracket guards is *selected* by it: a map of a mask and a value
that keeps the value's bits or none of them, which costs what a multiplication costs.

- A bracket of the result's own labels selects from the result.
- A bracket under the sum selects from the factors that may be infinite where what is read is finite (a quotient, a
  logarithm, an exponential); finite factors it multiplies as before.  A product whose factors are finite only as long
  as the inputs are is *presumed*: the code looks for NaN in it, and where there is one, the whole is computed again by
  a *careful* program.
- In code that nobody may look at while it runs (PyTorch, JAX: it is *traced*) a product in which there is a pole of a
  quotient, a root or a logarithm, or what reads one, from which no bracket selects, is added up carefully from the
  start.  Where a positive number is added, as in a layer norm, there is none (`einstan.calculus.bounds`).
- In a careful program such a product is a sum over extended numbers, made of sums of finite ones (`careful_sum`).
"""

from __future__ import annotations

from collections.abc import Callable

from einstan.calculus.bounds import ANY, Bounds, bounds, is_regular
from einstan.calculus.program import Program
from einstan.language.functions import GROWING, TOTAL
from einstan.language.term import MINUS_ONE, Apply, Const, Equation, Expr, Name
from einstan.machine.graph.links import Links
from einstan.machine.sizes.operations import COMPARISONS, Graph, Operation, Ref, is_select

Make = Callable[[list[Ref], list[Ref]], Ref | None]  # a product of factors and divisors, summed
PASSING = {"add", "scale", "select", *TOTAL, *COMPARISONS}
SILENT = {"scale", "select", "abs", "relu", "maximum", "minimum", "sign", "tanh", "arctan", *COMPARISONS}
READING = ("reduce", "read", "diagonal", "embed", "scatter", "expand", "linked", "contract")


class Guarded(Links):
    """Rules for brackets in products."""

    def __init__(self, program: Program, careful: bool = False, traced: bool = False) -> None:
        super().__init__(program)
        self.careful, self.traced = careful, traced
        self.presumed: set[int] = set()  # products that are right as long as no entry of theirs is NaN
        self.selects_infinite = False  # whether a bracket selects from what may be infinite
        self.infinite: dict[int, bool] = {}  # of values, whether they may be infinite though what they read is finite
        self.poles: dict[int, bool] = {}  # the same of what is not very large
        self.between: dict[Name, Bounds] = {}  # of tensors, if the code is traced
        self.regular: set[int] = set()  # values of functions that have no pole where their arguments lie
        self.away: set[int] = set()  # values that are never near zero

    def guarded(
        self, masks: list[Ref], factors: list[Ref], divisors: list[Ref], out: set[int], windows: bool, make: Make
    ) -> Ref | None:
        """The product, with these labels, where all masks hold, and zero where one does not.

        ``windows``: whether factors are also zero outside of what they read, which guards the others.
        """
        every = factors + divisors
        if not every or not (masks or windows):
            return make(factors + masks, divisors)
        outer = [mask for mask in masks if self.selects(mask, factors, every, out)]
        inner = [mask for mask in masks if mask not in outer]
        added = self.careful_sum if self.careful and (inner or windows) else self.presumed_sum
        result = added(inner, factors, divisors, windows, make)
        for mask in outer:
            result = result and self.select(mask, result)
        return result

    def selects(self, mask: Ref, factors: list[Ref], every: list[Ref], out: set[int]) -> bool:
        """Whether a mask is put on the result: it has no label that is summed, and no smaller factor to go with.  In a
        square it goes with the factor, ``(1[c] r) (1[c] r)``, as what else reads ``1[c] r`` then has it too."""
        own = set(mask.labels)
        square = len(every) > 1 and len(every) == len(factors) and len(set(factors)) == 1
        if not own <= out or (square and not self.careful and own <= set(factors[0].labels) <= out):
            return False
        whole = own == out or any(set(ref.labels) >= out for ref in every)
        return self.careful or whole or not any(set(ref.labels) >= own for ref in factors)

    def select(self, mask: Ref, value: Ref) -> Ref:
        self.selects_infinite = self.selects_infinite or self.may_be_infinite(value.value)
        return self.map(("select",), (mask, value))

    # ---- as long as the inputs are finite ----------------------------------------------------------------------------

    def presumed_sum(
        self, masks: list[Ref], factors: list[Ref], divisors: list[Ref], windows: bool, make: Make
    ) -> Ref | None:
        """The product where the masks multiply, or select from the factors that are not presumed to be finite."""
        poles = self.with_poles(factors, divisors)
        if poles and (windows or not all(_beside(mask, ref) for mask in masks for ref in poles)):
            return self.careful_sum(masks, factors, divisors, windows, make)
        factors, divisors = list(factors), list(divisors)
        left: list[Ref] = []  # masks that multiply
        presumed = windows and len([ref for ref in (*factors, *divisors) if self.is_given(ref)]) > 1
        for mask in masks:
            chosen = {n for n, ref in enumerate(factors) if self.may_be_infinite(ref.value) and _beside(mask, ref)}
            if not divisors and len(set(factors)) == 1 and set(factors[0].labels) >= set(mask.labels):
                chosen = set(range(len(factors)))
            below = [ref for ref in divisors if _beside(mask, ref)]
            open_ = [ref for n, ref in enumerate(factors) if n not in chosen] + [
                ref for ref in divisors if ref not in below
            ]
            presumed = presumed or any(map(self.is_given, open_))
            factors = [self.select(mask, ref) if n in chosen else ref for n, ref in enumerate(factors)]
            factors += [self.select(mask, self.map(("pow", MINUS_ONE), (ref,))) for ref in below]
            divisors = [ref for ref in divisors if ref not in below]
            if not chosen and not below:
                left.append(mask)
        result = make(factors + left, divisors)
        if presumed and result is not None:
            self.presumed.add(result.value)
        return result

    def is_given(self, ref: Ref) -> bool:
        """Whether a value depends on what is given, so that it may be anything."""
        return self.graph.type(ref.value) == "float"

    def may_be_infinite(self, value: int) -> bool:
        """Whether a value may be infinite or NaN though all that is given is finite and not very large."""
        return self.inherited(value, self.infinite, self.is_partial)

    def has_poles(self, value: int) -> bool:
        """Whether a value may be so though nothing in it is very large."""
        return self.inherited(value, self.poles, self.is_pole)

    def with_poles(self, factors: list[Ref], divisors: list[Ref]) -> list[Ref]:
        """The factors and divisors of a product that have poles where nobody may look for them."""
        if not self.traced:
            return []
        zero = [ref for ref in divisors if ref.value not in self.away]
        return zero + [ref for ref in (*factors, *divisors) if ref not in zero and self.has_poles(ref.value)]

    def inherited(self, value: int, known: dict[int, bool], own: Callable[[int], bool]) -> bool:
        """Whether an operation is of a kind, or reads one that is; none that is bounded is."""
        stack = [value]
        while stack:
            at = stack[-1]
            below = [ref.value for ref in self.graph.operations[at].operands]
            missing = [v for v in below if v not in known]
            if at in known or not missing:
                stack.pop()
                known.setdefault(at, at not in self.bounded and (own(at) or any(known[v] for v in below)))
            else:
                stack.extend(missing)
        return known[value]

    def is_pole(self, value: int) -> bool:
        """Whether an operation makes infinities of finite operands that are not very large."""
        operation = self.graph.operations[value]
        if (operation.kind == "map" and operation.detail[0] in GROWING) or not self.is_partial(value):
            return False
        if operation.kind == "contract":
            return not self.away.issuperset(ref.value for ref in operation.operands[operation.detail :])
        return value not in self.regular

    def learn_bounds(self, equation: Equation) -> None:
        """Between which numbers the entries of a tensor lie."""
        if self.traced:
            self.between[equation.name] = bounds(equation.rhs, self.bounds_of)

    def bounds_of(self, tensor: Name) -> Bounds:
        return self.between.get(tensor, ANY)

    def is_regular(self, node: Expr) -> bool:
        """Whether a function in code that nobody looks at is finite wherever its argument lies."""
        return self.traced and isinstance(node, Apply) and is_regular(node, self.bounds_of)

    def is_partial(self, value: int) -> bool:
        """Whether an operation makes infinities or NaN of finite operands."""
        operation = self.graph.operations[value]
        if operation.kind == "map":
            function, *details = operation.detail
            if function == "pow" and details and isinstance(details[0], Const):
                exponent = details[0].value
                return exponent.denominator != 1 or exponent < 0
            return function not in PASSING
        if operation.kind == "contract":
            return bool(operation.detail < len(operation.operands))
        if operation.kind == "linked":
            return bool(operation.detail.numerators < len(operation.operands))
        return operation.kind not in (*READING, "input", "iota", "form", "whole", "number")

    # ---- whatever the inputs are -------------------------------------------------------------------------------------

    def careful_sum(
        self, masks: list[Ref], factors: list[Ref], divisors: list[Ref], windows: bool, make: Make
    ) -> Ref | None:
        """The sum of products that count, of factors that may be infinite or NaN, by sums of finite numbers.

        Each factor x is replaced by one of its parts: x itself where it is finite, else 0; whether it is finite; its
        sign, 0 for NaN; whether it has one; and 1.  With ``Σ f`` for the sum of products of a part,

            Σ 1 - Σ finite                      counts the terms that are not finite,
            Σ |sign| - Σ |sign| finite          those of them that are infinite, and
            Σ sign - Σ sign finite              adds up their signs,

        from which the sum follows (`extended`).
        """
        given = factors + [self.map(("pow", MINUS_ONE), (ref,)) for ref in divisors]

        def total(part: str) -> Ref | None:
            return make([self.map((part,), (ref,)) for ref in given] + masks, [])

        parts = [total(part) for part in PARTS]
        found = [part for part in parts if part is not None]
        return self.map(("extended",), found) if len(found) == len(PARTS) else make(given + masks, [])


def hides_warnings(graph: Graph, values: set[int], kept: set[int]) -> bool:
    """Whether NumPy may warn of entries that only brackets read, or rather do not read."""
    hidden = values - kept
    for value in sorted(values, reverse=True):
        for place, ref in enumerate(graph.operations[value].operands):
            if value not in hidden and not (place and is_select(graph.operations[value])):
                hidden.discard(ref.value)
    return any(_may_warn(graph.operations[value]) for value in hidden)


def masks_by_logarithms(graph: Graph, values: set[int], bounded: set[int]) -> bool:
    """Whether an exponential is taken of what adds a logarithm, ``exp(z + log(m))``, where m may be zero."""
    logarithms: set[int] = set()
    for value in sorted(values):
        operation = graph.operations[value]
        function = operation.detail[0] if operation.kind == "map" else operation.kind
        read = any(ref.value in logarithms for ref in operation.operands)
        if read and (function == "exp" or operation.detail == "max of all"):
            return True
        weighs = function == "log" and value not in bounded and not _is_indicator(graph, operation.operands[0].value)
        if weighs or (read and function in ("add", "scale", "select", *READING)):
            logarithms.add(value)
    return False


def _is_indicator(graph: Graph, value: int) -> bool:
    """Whether a value is a bracket, whose logarithm nobody warns of."""
    operation = graph.operations[value]
    return operation.kind == "map" and operation.detail[0] in COMPARISONS


def _may_warn(operation: Operation) -> bool:
    """Whether an operation is a ufunc that warns of infinity minus infinity, zero by zero, and so on."""
    if operation.kind == "map":
        return len(operation.operands) > 1 if operation.detail[0] == "add" else operation.detail[0] not in SILENT
    if operation.kind != "contract" or operation.detail < len(operation.operands):
        return operation.kind in ("contract", "linked")
    return len(operation.operands) > 1 and not operation.summed  # the BLAS does not warn


# Parts of an extended number, each a finite one; see `Guarded.careful_sum`, and `einstan.machine.backends.numpy`.
PARTS = ("finite_part", "one", "is_finite", "sign_part", "has_sign", "finite_sign", "has_finite_sign")


def _beside(mask: Ref, ref: Ref) -> bool:
    """Whether a selection is no larger than the larger of the two."""
    own, other = set(mask.labels), set(ref.labels)
    return own <= other or other <= own
