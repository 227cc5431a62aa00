"""What every part of the emission needs: variables, sizes as text, values lined up for broadcasting, lines of code."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from einstan.language.errors import DataError
from einstan.language.term import Add, Apply, Const, Expr, Extent, Mul, Name, is_reciprocal
from einstan.machine.arena import Buffer
from einstan.machine.backends.numpy import HELPERS
from einstan.machine.guards import compared_alone
from einstan.machine.numbers import number_of
from einstan.machine.operations import Labels, Operation, Ref
from einstan.machine.plan import Plan
from einstan.machine.spelling import bracketed, comment, exact_text, identifier

RESERVED = {"np", "careful"}


@dataclass
class Variable:
    """A Python name that holds a value: its type, and whether its memory is ours to write into."""

    text: str
    type: str  # float, bool, int, number
    precision: str = ""  # float32, ...
    owned: bool = False
    constant: bool = False
    scalar: bool = False  # a NumPy scalar, rather than an array without axes
    home: Buffer | None = None  # the memory that it fills from one end to the other
    buffers: tuple[Buffer, ...] = ()  # all that must stay as it is while the variable is read


@dataclass
class Section:
    lines: list[str] = field(default_factory=list)
    equation: str = ""

    def say(self, equation: str, line: str, indent: str) -> None:
        if equation and equation != self.equation:
            self.lines.append(f"{indent}# {comment(equation)}")
            self.equation = equation
        self.lines.append(indent + line)


class Writer:
    """The code so far."""

    def __init__(self, made: Plan, precisions: dict[Name, str], function: str, precision: str) -> None:
        self.plan, self.graph, self.extents = made, made.graph, made.extents.known
        self.function = function
        self.precisions = precisions
        self.taken = RESERVED | {*HELPERS, function}
        self.names: dict[int, str] = {}
        self.variables: dict[int, Variable] = {}
        self.constants, self.body = Section(), Section()
        self.helpers: dict[str, None] = {}
        self.sizes: dict[str, str] = {}  # dimension: its variable in the function
        self.size_lines: list[str] = []
        self.argument_names: dict[Name, str] = {}
        self.count = 0
        self.uses: dict[int, int] = {}
        floats = {name: p for name, p in precisions.items() if p.startswith("float")}
        apart = compared_alone(made.program.equations)  # labels, which nothing is computed of
        counted = {p for name, p in floats.items() if name not in apart} or set(floats.values()) or {precision}
        self.precision = max(counted, key=lambda p: int(p[5:]))
        self.written: Operation | None = None  # the operation that is being written
        self.arguments = tuple(n for n in made.program.inputs if self._input(n) is not None)

    def _input(self, name: Name) -> int | None:
        stored = self.plan.tensors.get(name)
        return stored.value if stored is not None and stored.value in self.plan.order else None

    def argument(self, name: Name) -> str:
        """The variable that holds an argument."""
        return self.argument_names[name]

    def dims_of(self, name: Name) -> tuple[str, ...]:
        """The dimensions of the axes of an argument."""
        return self.plan.tensors[name].dims

    # ---- sizes and numbers -------------------------------------------------------------------------------------------

    def name_size(self, dim: str) -> None:
        """Where a dimension's extent can be read from: the first input that has it."""
        for name in self.arguments:
            dims = self.dims_of(name)
            if dim in dims:
                self.sizes[dim] = f"{self.argument(name)}.shape[{dims.index(dim)}]"
                return

    def size(self, dim: str, constant: bool = False) -> str:
        """An extent as text: a variable of the function, or the number."""
        if constant or dim not in self.sizes:
            return str(self.extents[dim])
        if not self.sizes[dim].isidentifier():
            expression = self.sizes[dim]
            letter = self.letter(dim)
            self.sizes[dim] = identifier("n_" + letter.lower(), self.taken)
            self.size_lines.append(f"    {self.sizes[dim]} = {expression}")
        return self.sizes[dim]

    def letter(self, dim: str) -> str:
        """A letter that some equation has for a dimension."""
        for operation in self.graph.operations:
            if operation.kind != "input" and dim in operation.dims:
                return operation.letters[operation.dims.index(dim)]
        return "x"

    def shape(self, dims: Sequence[str], constant: bool = False) -> str:
        sizes = [self.size(dim, constant) for dim in dims]
        return "(" + ", ".join(sizes) + ("," if len(sizes) == 1 else "") + ")"

    def number(self, node: Expr, constant: bool = False) -> str:
        """A number of sizes as Python text; sizes are read at the call, and odd functions are evaluated now."""
        value = self.evaluate(node)
        refuse_beyond(value, self.precision)
        text = self.number_text(node, constant) if math.isfinite(value) else None
        if text is None:
            return repr(value) if math.isfinite(value) else f'float("{value}")'
        return text

    def number_text(self, node: Expr, constant: bool) -> str | None:
        match node:
            case Const(value=value):
                return exact_text(value)
            case Extent(index=index):
                return self.size(index.dim, constant)
            case Mul(factors=factors):
                top = [f for f in factors if not is_reciprocal(f)]
                bottom = [f.arguments[0] for f in factors if is_reciprocal(f)]
                above = [self.number_text(f, constant) for f in top]
                below = [self.number_text(f, constant) for f in bottom]
                if None in above or None in below:
                    return None
                texts = " * ".join(bracketed(t) for t in above if t) or "1"
                return texts + "".join(f" / {bracketed(t)}" for t in below if t)
            case Add(terms=terms):
                texts_ = [self.number_text(t, constant) for t in terms]
                return None if None in texts_ else " + ".join(bracketed(t) for t in texts_ if t)
            case Apply(function="pow", arguments=(base, Const(value=exponent))):
                inner = self.number_text(base, constant)
                if inner is None:
                    return None
                if exponent == -1:
                    return f"1 / {bracketed(inner)}"
                return f"{bracketed(inner)} ** {bracketed(exact_text(exponent))}"
            case Apply(function="sqrt", arguments=(base,)):
                inner = self.number_text(base, constant)
                return None if inner is None else f"{bracketed(inner)} ** 0.5"
            case _:
                return None

    def evaluate(self, node: Expr) -> float:
        return number_of(node, self.extents)

    def spell_number(self, value: int, constant: bool) -> None:
        """A number is written where it is used: above the function, sizes are digits."""
        if self.variables[value].type == "number":
            self.variables[value].text = self.number(self.graph.operations[value].detail, constant)

    # ---- values ------------------------------------------------------------------------------------------------------

    def aligned(self, ref: Ref, out: Labels, text: str | None = None) -> str:
        """A value as an array whose axes line up with ``out`` under broadcasting."""
        text = self.variables[ref.value].text if text is None else text
        order = [label for label in out if label in ref.labels]
        if order != list(ref.labels):
            axes = [ref.labels.index(label) for label in order]
            text += ".T" if axes == list(reversed(range(len(axes)))) else f".transpose({', '.join(map(str, axes))})"
        if not order:
            return text
        first = out.index(order[0])  # axes in front are added by broadcasting
        marks = [":" if label in order else "None" for label in out[first:]]
        if "None" not in marks:
            return text
        behind = marks[len(order) :]
        if marks[: len(order)] == [":"] * len(order) and len(marks) > 2:
            return f"{text}[..., {', '.join(behind)}]"
        while marks[-1] == ":":
            marks.pop()
        return f"{text}[{', '.join(marks)}]"

    def reordered(self, text: str, have: Sequence[int], want: Labels) -> str:
        if list(have) == list(want):
            return text
        axes = [list(have).index(label) for label in want]
        return text + (".T" if axes == list(reversed(range(len(axes)))) else f".transpose({', '.join(map(str, axes))})")

    def floating(self, ref: Ref) -> str:
        """A value as floats, for what does not take bools or integers."""
        variable = self.variables[ref.value]
        if variable.type in ("bool", "int"):
            precision = self.precision if self.written is None else self.precision_of(self.written)
            return f"{variable.text}.astype(np.{precision})"
        return variable.text

    def precision_of(self, operation: Operation) -> str:
        held = {
            self.variables[o.value].precision for o in operation.operands if self.variables[o.value].type == "float"
        }
        return max(held, key=lambda p: int(p[5:])) if held else self.precision

    # ---- lines -------------------------------------------------------------------------------------------------------

    def fresh(self, value: int, constant: bool) -> str:
        if constant:
            self.count += 1
            return f"c{self.count}"
        if value in self.names:
            return self.names[value]
        self.count += 1
        return f"t{self.count}"

    def assign(
        self,
        value: int,
        operation: Operation,
        expression: str,
        constant: bool,
        owned: bool = True,
        view: bool = False,
    ) -> Variable:
        """A line of code, and the variable that it makes: ours to write into if it is ``owned``.  A ``view`` looks at
        its first operand whenever that is written, and never copies it."""
        text = self.fresh(value, constant)
        if constant:
            self.constants.say(operation.equation, f"{text} = {expression}", "")
        else:
            self.body.say(operation.equation, f"{text} = {expression}", "    ")
        kind = self.graph.type(value)
        precision = self.precision_of(operation) if kind == "float" else ""
        return Variable(text, kind, precision, owned and not constant and bool(operation.out))

    def dying(self, operation: Operation, ref: Ref) -> bool:
        """Whether this operation reads a value of ours for the last time, and its memory can take the result."""
        variable = self.variables[ref.value]
        times = sum(o.value == ref.value for o in operation.operands)
        return (
            variable.owned
            and variable.type == "float"
            and variable.precision == self.precision_of(operation)
            and ref.labels == operation.out
            and self.uses.get(ref.value) == times
        )

    def target(self, operation: Operation) -> str:
        for ref in operation.operands:
            if self.dying(operation, ref):
                return f", out={self.variables[ref.value].text}"
        return ""


def refuse_beyond(value: float, precision: str) -> None:
    """A number that the arrays' floats do not hold: it would be infinite without a word."""
    if not precision or not math.isfinite(value):
        return
    largest = float(np.finfo(precision).max)
    if abs(value) > largest:
        raise DataError(
            f"the number {value:g} is beyond {precision}",
            inferred=f"{precision} ends at {largest:.4g}",
            repair="give the arrays in float64, or measure in another unit",
        )
