"""From a plan to straight-line NumPy source: one function, a comment per equation, nothing decided at the call.

What depends on sizes alone (masks of indices, positions) stands above the function as a constant.  A temporary that is
read for the last time lends its memory to the result.
"""

from __future__ import annotations

import keyword
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from einstan.language.term import Add, Apply, Const, Expr, Extent, Mul, Name
from einstan.machine.backends.numpy import HELPERS, UFUNCS, helper_source
from einstan.machine.lower import classified, window
from einstan.machine.numbers import FLOATS
from einstan.machine.operations import COMPARISONS, Form, Labels, Operation, Ref
from einstan.machine.plan import Plan

DELETE_FROM = 1 << 17  # entries from which a dead temporary is deleted before the function returns
RESERVED = {"np", "step", *HELPERS}


@dataclass
class Variable:
    """A Python name that holds a value: its type, and whether its memory is ours to write into."""

    text: str
    type: str  # float, bool, int, number
    precision: str = ""  # float32, ...
    owned: bool = False
    constant: bool = False


@dataclass
class Source:
    """Generated code, and what its function takes and returns."""

    text: str
    function: str
    arguments: tuple[Name, ...]
    results: tuple[Name, ...]


@dataclass
class Section:
    lines: list[str] = field(default_factory=list)
    equation: str = ""

    def say(self, equation: str, line: str, indent: str) -> None:
        if equation and equation != self.equation:
            self.lines.append(f"{indent}# {comment(equation)}")
            self.equation = equation
        self.lines.append(indent + line)


def emit(
    made: Plan, precisions: dict[Name, str] | None = None, function: str = "step", precision: str = "float64"
) -> Source:
    """The source of a plan.  ``precisions`` has the dtype of each input; ``precision`` is that of everything else where
    no input is of floats."""
    return _Emitter(made, precisions or {}, function, precision).run()


def comment(text: str) -> str:
    """Text that stays inside its comment, whatever a tensor is called."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text.replace("\\\n", " "))


def identifier(name: str, taken: set[str]) -> str:
    """A Python name for a tensor: letters, digits and underscores of ours alone."""
    plain = re.sub(r"[^A-Za-z0-9_]+", "_", name.replace("/", "_by_")).strip("_")
    if not plain or not plain[0].isalpha():
        plain = f"v_{plain}" if plain else "v"
    if keyword.iskeyword(plain) or keyword.issoftkeyword(plain) or re.fullmatch(r"[tc]\d+", plain):
        plain += "_"
    chosen, number = plain, 2
    while chosen in taken:
        chosen, number = f"{plain}_{number}", number + 1
    taken.add(chosen)
    return chosen


class _Emitter:
    def __init__(self, made: Plan, precisions: dict[Name, str], function: str, precision: str) -> None:
        self.plan, self.graph, self.extents = made, made.graph, made.extents.known
        self.function = function
        self.precisions = precisions
        self.taken = set(RESERVED) | {function}
        self.names: dict[int, str] = {}
        self.variables: dict[int, Variable] = {}
        self.constants, self.body = Section(), Section()
        self.helpers: dict[str, None] = {}
        self.sizes: dict[str, str] = {}  # dimension: its variable in the function
        self.size_lines: list[str] = []
        self.count = 0
        self.uses: dict[int, int] = {}
        floats = {p for n, p in precisions.items() if p.startswith("float")} or {precision}
        self.precision = max(floats, key=lambda p: int(p[5:]))
        self.arguments = tuple(n for n in made.program.inputs if self._input(n) is not None)

    def _input(self, name: Name) -> int | None:
        stored = self.plan.tensors.get(name)
        return stored.value if stored is not None and stored.value in self.plan.order else None

    # ---- the whole ---------------------------------------------------------------------------------------------------

    def run(self) -> Source:
        self.count_uses()
        own: dict[int, str] = {}
        for name in self.arguments:
            value = self._input(name)
            assert value is not None
            own[value] = identifier(str(name), self.taken)
        for name, stored in self.plan.tensors.items():
            if stored.value is not None and stored.value not in own and stored.value in self.plan.order:
                own[stored.value] = identifier(str(name), self.taken)
        self.names = own
        for dim in self.extents:
            self.name_size(dim)
        for value in self.plan.order:
            self.operation(value)
        results = [self.result(name) for name in self.plan.outputs]
        parameters = ", ".join(own[self._input(name)] for name in self.arguments)  # type: ignore[index]
        returned = ", ".join(results) + ("," if len(results) == 1 else "")
        body = [*self.used_sizes(results), *self.body.lines, f"    return {returned}"]
        parts = ["import numpy as np"]
        parts += ["\n\n" + helper_source(name) for name in self.helpers]
        if self.constants.lines:
            parts.append("\n\n# what does not depend on the arrays\n" + "\n".join(self.constants.lines))
        shown = ", ".join(str(name) for name in self.plan.outputs)
        doc = comment(f"Returns ({shown}).").replace('"', "'").replace("\\", "/")
        parts.append(f'\n\ndef {self.function}({parameters}):\n    """{doc}"""\n' + "\n".join(body))
        return Source("\n".join(parts) + "\n", self.function, self.arguments, self.plan.outputs)

    def count_uses(self) -> None:
        for value in self.plan.order:
            for operand in self.graph.operations[value].operands:
                self.uses[operand.value] = self.uses.get(operand.value, 0) + 1
        for name in self.plan.outputs:
            stored = self.plan.tensors[name].value
            if stored is not None:
                self.uses[stored] = self.uses.get(stored, 0) + 1

    def name_size(self, dim: str) -> None:
        """Where a dimension's extent can be read from: the first input that has it."""
        for name in self.arguments:
            stored = self.plan.tensors[name]
            if dim in stored.dims:
                value = self._input(name)
                assert value is not None
                self.sizes[dim] = f"{self.names[value]}.shape[{stored.dims.index(dim)}]"
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

    def used_sizes(self, results: Sequence[str]) -> list[str]:
        return self.size_lines

    def shape(self, dims: Sequence[str], constant: bool = False) -> str:
        sizes = [self.size(dim, constant) for dim in dims]
        return "(" + ", ".join(sizes) + ("," if len(sizes) == 1 else "") + ")"

    # ---- values as text ----------------------------------------------------------------------------------------------

    def fresh(self, value: int, constant: bool) -> str:
        if constant:
            self.count += 1
            return f"c{self.count}"
        if value in self.names:
            return self.names[value]
        self.count += 1
        return f"t{self.count}"

    def aligned(self, ref: Ref, out: Labels, text: str | None = None) -> str:
        """A value as an array whose axes line up with ``out`` under broadcasting."""
        text = self.variables[ref.value].text if text is None else text
        order = [label for label in out if label in ref.labels]
        if order != list(ref.labels):
            axes = [ref.labels.index(label) for label in order]
            text += ".T" if axes == list(reversed(range(len(axes)))) else f".transpose({', '.join(map(str, axes))})"
        if not order:
            return text
        first = out.index(order[0])
        marks = [":" if label in order else "None" for label in out[first:]]
        if "None" not in marks:
            return text
        while marks[-1] == ":" and "None" in marks:
            marks.pop()
        if marks.count("None") and marks[0] == ":" and all(m == ":" for m in marks[: -marks.count("None")]):
            whole = out[first:][: len(marks)] == out[first:]
            if whole:
                return f"{text}[{', '.join(marks)}]" if len(marks) <= 2 else f"{text}[..., {', '.join(['None'] * marks.count('None'))}]"
        return f"{text}[{', '.join(marks)}]"

    def floating(self, ref: Ref) -> str:
        """A value as floats, for what does not take bools or integers."""
        variable = self.variables[ref.value]
        if variable.type in ("bool", "int"):
            return f"{variable.text}.astype(np.{self.precision})"
        return variable.text

    def number(self, node: Expr, constant: bool = False) -> str:
        """A number of sizes as Python text; sizes are read at the call, and odd functions are evaluated now."""
        value = self.evaluate(node)
        if not math.isfinite(value):
            return f'float("{value}")'
        text = self.number_text(node, constant)
        return repr(value) if text is None else text

    def number_text(self, node: Expr, constant: bool) -> str | None:
        match node:
            case Const(value=value):
                return exact_text(value)
            case Extent(index=index):
                return self.size(index.dim, constant)
            case Mul(factors=factors):
                top = [f for f in factors if not _is_reciprocal(f)]
                bottom = [f.arguments[0] for f in factors if _is_reciprocal(f)]  # type: ignore[attr-defined]
                above = [self.number_text(f, constant) for f in top]
                below = [self.number_text(f, constant) for f in bottom]
                if None in above or None in below:
                    return None
                texts = " * ".join(_bracketed(t) for t in above if t) or "1"
                return texts + "".join(f" / {_bracketed(t)}" for t in below if t)
            case Add(terms=terms):
                texts_ = [self.number_text(t, constant) for t in terms]
                return None if None in texts_ else " + ".join(_bracketed(t) for t in texts_ if t)
            case Apply(function="pow", arguments=(base, Const(value=exponent))):
                inner = self.number_text(base, constant)
                if inner is None:
                    return None
                if exponent == -1:
                    return f"1 / {_bracketed(inner)}"
                return f"{_bracketed(inner)} ** {_bracketed(exact_text(exponent))}"
            case Apply(function="sqrt", arguments=(base,)):
                inner = self.number_text(base, constant)
                return None if inner is None else f"{_bracketed(inner)} ** 0.5"
            case _:
                return None

    def evaluate(self, node: Expr) -> float:
        match node:
            case Const(value=value):
                return float(value)
            case Extent(index=index):
                return float(self.extents[index.dim])
            case Mul(factors=factors):
                return math.prod(self.evaluate(f) for f in factors)
            case Add(terms=terms):
                return math.fsum(self.evaluate(t) for t in terms)
            case Apply(function=function, arguments=arguments):
                return FLOATS.apply(function, *(self.evaluate(a) for a in arguments))
            case _:
                raise AssertionError(f"{type(node).__name__} is not a number of sizes")

    # ---- one operation -----------------------------------------------------------------------------------------------

    def operation(self, value: int) -> None:
        operation = self.graph.operations[value]
        kind = operation.kind
        if kind == "input":
            self.input(value, operation.detail)
            return
        constant = all(self.variables[o.value].constant for o in operation.operands) and kind != "number"
        if kind == "number":
            self.variables[value] = Variable("", "number", constant=True)
            return
        for ref in operation.operands:
            self.spell_number(ref.value, constant)
        made = getattr(self, f"do_{kind}")(value, operation, constant)
        self.variables[value] = made
        made.constant = constant
        self.release(value, operation)

    def spell_number(self, value: int, constant: bool) -> None:
        """A number is written where it is used: above the function, sizes are digits."""
        if self.variables[value].type == "number":
            self.variables[value].text = self.number(self.graph.operations[value].detail, constant)

    def input(self, value: int, name: Name) -> None:
        precision = self.precisions.get(name, "")
        integer = name in self.plan.index_tensors and not precision.startswith("float")
        self.variables[value] = Variable(
            self.names[value], "int" if integer else "float", precision or ("int64" if integer else self.precision)
        )

    def assign(self, value: int, operation: Operation, expression: str, constant: bool, owned: bool = True) -> Variable:
        """A line of code, and the variable that it makes."""
        text = self.fresh(value, constant)
        if constant:
            self.constants.say(operation.equation, f"{text} = {expression}", "")
        else:
            self.body.say(operation.equation, f"{text} = {expression}", "    ")
        kind = self.graph.type(value)
        precision = self.precision_of(operation) if kind == "float" else ""
        return Variable(text, kind, precision, owned and not constant and bool(operation.out))

    def precision_of(self, operation: Operation) -> str:
        held = {self.variables[o.value].precision for o in operation.operands
                if self.variables[o.value].type == "float"}
        return max(held, key=lambda p: int(p[5:])) if held else self.precision

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

    def release(self, value: int, operation: Operation) -> None:
        for ref in operation.operands:
            self.uses[ref.value] -= 1
        made = self.variables[value]
        if not made.owned:  # a view: what it looks at must not be overwritten
            for ref in operation.operands[:1]:
                self.variables[ref.value].owned = False
        for ref in dict.fromkeys(operation.operands):
            old = self.variables[ref.value]
            large = math.prod(self.plan.shape(ref.value)) >= DELETE_FROM
            if self.uses[ref.value] == 0 and large and old.owned and old.text != made.text:
                self.body.lines.append(f"    del {old.text}")

    # ---- elementwise -------------------------------------------------------------------------------------------------

    def do_map(self, value: int, operation: Operation, constant: bool) -> Variable:
        function, *details = operation.detail
        if function == "add":
            return self.addition(value, operation, details[0], constant)
        if function == "scale":
            return self.assign(value, operation, self.scaling(operation, details[0], constant), constant)
        texts = [self.aligned(ref, operation.out, self.floating(ref)) for ref in operation.operands]
        if function in COMPARISONS:
            plain = [self.aligned(ref, operation.out) for ref in operation.operands]
            return self.assign(value, operation, f"np.{COMPARISONS[function]}({plain[0]}, {plain[1]})", constant)
        out = "" if constant else self.target(operation)
        if function == "pow" and details:
            return self.assign(value, operation, self.power(texts[0], details[0], out, constant), constant)
        template = UFUNCS[function]
        if template.split("(")[0] in HELPERS:
            self.helpers[template.split("(")[0]] = None
        return self.assign(value, operation, template.format(*texts, out=out), constant)

    def power(self, base: str, exponent: Expr, out: str, constant: bool) -> str:
        number = exponent.value if isinstance(exponent, Const) else None
        if number == -1:
            return f"np.divide(1, {base}{out})"
        if number == 2:
            return f"np.square({base}{out})"
        if number == Fraction(1, 2):
            return f"np.sqrt({base}{out})"
        if number == Fraction(-1, 2):
            return f"np.divide(1, np.sqrt({base}){out})"
        if number == 3 and base.isidentifier():
            return f"{base} * {base} * {base}"
        text = self.number(exponent, constant)
        return f"np.power({base}, {text if number is not None and number.denominator == 1 and number > 0 else f'float({text})'}{out})"

    def scaling(self, operation: Operation, coefficient: Expr, constant: bool) -> str:
        ref = operation.operands[0]
        out = "" if constant else self.target(operation)
        text = self.floating(ref)
        if coefficient is _MINUS_ONE:
            return f"np.negative({text}{out})"
        if _is_reciprocal(coefficient):
            below = coefficient.arguments[0]  # type: ignore[attr-defined]
            if self.evaluate(below) != 0:
                return f"np.divide({text}, {self.number(below, constant)}{out})"
        return f"np.multiply({text}, {self.number(coefficient, constant)}{out})"

    def addition(self, value: int, operation: Operation, coefficients: Sequence[Expr], constant: bool) -> Variable:
        """A sum of terms with coefficients, the first of full size in front, into memory of our own where there is any."""
        terms = list(zip(coefficients, operation.operands, strict=True))
        full = [t for t in terms if set(t[1].labels) == set(operation.out) and self.variables[t[1].value].type == "float"]
        # First what can be overwritten, then what needs no change of sign, then what is there.
        first = min(full or terms, key=lambda t: (not self.dying(operation, t[1]) or t[0] is not _ONE, t[0] is not _ONE))
        terms.remove(first)
        terms.insert(0, first)
        (scale, ref), rest = first, terms[1:]
        text = self.aligned(ref, operation.out, self.floating(ref))
        ours = not constant and self.dying(operation, ref)
        if scale is not _ONE:
            out = f", out={self.variables[ref.value].text}" if ours else ""
            if scale is _MINUS_ONE:
                expression = f"np.negative({text}{out})"
            else:
                expression = f"np.multiply({text}, {self.number(scale, constant)}{out})"
            held = self.assign(value, operation, expression, constant, bool(full))
            text, ours = held.text, bool(full) and bool(operation.out)
        else:
            held = None  # type: ignore[assignment]
        into = text if ours and text.isidentifier() else ""
        for scale, ref in rest:
            other = self.aligned(ref, operation.out, self.floating(ref))
            verb = "np.subtract" if scale is _MINUS_ONE else "np.add"
            if scale is not _ONE and scale is not _MINUS_ONE:
                other = f"{_bracketed(self.number(scale, constant))} * {other}"
            if not into and not constant and self.dying(operation, ref) and scale in (_ONE, _MINUS_ONE):
                into = self.variables[ref.value].text
            out = f", out={into}" if into else ""
            held = self.assign(value, operation, f"{verb}({text}, {other}{out})", constant)
            if constant and held.text != text:
                pass
            text = held.text
            into = text if bool(operation.out) and bool(full) and not constant else ""
        assert held is not None
        return held

    # ---- products and sums -------------------------------------------------------------------------------------------

    def do_contract(self, value: int, operation: Operation, constant: bool) -> Variable:
        if len(operation.operands) == 1:
            return self.assign(value, operation, self.total(operation), constant)
        if not operation.summed:
            return self.assign(value, operation, self.multiplied(operation, constant), constant)
        return self.assign(value, operation, self.matrix_product(operation, constant), constant)

    def total(self, operation: Operation) -> str:
        (ref,) = operation.operands
        variable = self.variables[ref.value]
        axes = [k for k, label in enumerate(ref.labels) if label not in operation.out]
        axis = "None" if len(axes) == len(ref.labels) else axes[0] if len(axes) == 1 else tuple(axes)
        dtype = f", dtype=np.{self.precision}" if variable.type != "float" else ""
        return self.reordered(f"np.add.reduce({variable.text}, axis={axis}{dtype})",
                              [x for x in ref.labels if x in operation.out], operation.out)

    def multiplied(self, operation: Operation, constant: bool) -> str:
        left, right = operation.operands
        kinds = [self.variables[ref.value].type for ref in (left, right)]
        verb = "np.multiply" if operation.detail == 2 else "np.divide"
        mixed = "float" in kinds and "int" not in kinds and (verb == "np.multiply" or kinds[1] == "float")
        texts = [self.aligned(ref, operation.out, None if mixed else self.floating(ref)) for ref in (left, right)]
        if left == right and verb == "np.multiply":
            return f"np.square({texts[0]}{'' if constant else self.target(operation)})"
        return f"{verb}({texts[0]}, {texts[1]}{'' if constant else self.target(operation)})"

    def matrix_product(self, operation: Operation, constant: bool) -> str:
        groups = classified(operation)
        left, right = operation.operands
        a, b = self.floating(left), self.floating(right)
        if not groups.left and not groups.right and groups.batch:
            letters = {label: chr(97 + k) for k, label in enumerate(range(len(operation.dims)))}
            spec = ",".join("".join(letters[x] for x in ref.labels) for ref in (left, right))
            return f'np.einsum("{spec}->{"".join(letters[x] for x in operation.out)}", {a}, {b})'
        if not groups.batch and not groups.left and not groups.right:
            other = self.aligned(right, left.labels, b)
            return f"np.dot({a}, {other})" if len(left.labels) == 1 else f"np.vdot({a}, {other})"
        a = self.matrix(left, a, (groups.batch, groups.left, groups.contracted), operation, constant)
        b = self.matrix(right, b, (groups.batch, groups.contracted, groups.right), operation, constant)
        if not groups.batch:
            text = f"np.dot({a}, {b})"
        else:
            if not groups.left:
                a += "[..., None, :]"
            if not groups.right:
                b += "[..., None]"
            text = f"np.matmul({a}, {b})"
            text += "" if groups.left else "[..., 0, :]"
            text += "" if groups.right else "[..., 0]"
        natural = [*groups.batch, *groups.left, *groups.right]
        if len(groups.left) > 1 or len(groups.right) > 1:
            text += f".reshape({', '.join(self.size(operation.dims[x], constant) for x in natural)})"
        return self.reordered(text, natural, operation.out)

    def matrix(
        self, ref: Ref, text: str, groups: tuple[Labels, Labels, Labels], operation: Operation, constant: bool
    ) -> str:
        """A value with its axes in three groups, the last two as one axis each (or none)."""
        order = tuple(x for group in groups for x in group)
        text = self.aligned(ref, order, text)
        if len(groups[1]) < 2 and len(groups[2]) < 2:
            return text
        sizes = [self.size(operation.dims[x], constant) for x in groups[0]]
        for group in groups[1:]:
            if group:
                sizes.append(" * ".join(self.size(operation.dims[x], constant) for x in group))
        return f"{text}.reshape({', '.join(sizes)})"

    def reordered(self, text: str, have: Sequence[int], want: Labels) -> str:
        if list(have) == list(want):
            return text
        axes = [list(have).index(label) for label in want]
        return text + (".T" if axes == list(reversed(range(len(axes)))) else f".transpose({', '.join(map(str, axes))})")

    # ---- the rest ----------------------------------------------------------------------------------------------------

    def do_reduce(self, value: int, operation: Operation, constant: bool) -> Variable:
        (ref,) = operation.operands
        axes = [k for k, label in enumerate(ref.labels) if label not in operation.out]
        axis = "None" if len(axes) == len(ref.labels) else axes[0] if len(axes) == 1 else tuple(axes)
        verb = {"min": "minimum", "prod": "multiply"}.get(operation.detail, "maximum")
        lowest = f", initial={self.lowest(self.precision_of(operation))}" if operation.detail == "max of all" else ""
        text = f"np.{verb}.reduce({self.floating(ref)}, axis={axis}{lowest})"
        have = [x for x in ref.labels if x in operation.out]
        return self.assign(value, operation, self.reordered(text, have, operation.out), constant)

    def lowest(self, precision: str) -> str:
        """The smallest finite number: below every logit, so that the largest of nothing, or of -inf, is finite."""
        line = f"LOWEST_{precision[5:]} = np.finfo(np.{precision}).min"
        if line not in self.constants.lines:
            self.constants.lines.insert(0, line)
        return line.split()[0]

    def do_iota(self, value: int, operation: Operation, constant: bool) -> Variable:
        return self.assign(value, operation, f"np.arange({self.size(operation.dims[0], constant)})", constant)

    def do_form(self, value: int, operation: Operation, constant: bool) -> Variable:
        text = self.form(operation.detail, operation, operation.out, operation.operands, constant)
        return self.assign(value, operation, text, constant)

    def form(
        self, form: Form, operation: Operation, out: Labels, values: Sequence[Ref], constant: bool
    ) -> str:
        """A form as text: an array of integers whose axes line up with ``out``."""
        parts: list[str] = []
        for label, k in form.labels:
            place = self.aligned(Ref(-1, (label,)), out, f"np.arange({self.size(operation.dims[label], constant)})")
            parts.append(place if k == 1 else f"{k} * {place}")
        for number, k in form.values:
            place = self.aligned(values[number], out, self.whole(values[number], operation))
            parts.append(place if k == 1 else f"{k} * {place}")
        parts += [f"{k} * {self.size(dim, constant)}" for dim, k in form.extents]
        if form.constant or not parts:
            parts.append(str(form.constant))
        return " + ".join(parts).replace("+ -", "- ")

    def whole(self, ref: Ref, operation: Operation) -> str:
        variable = self.variables[ref.value]
        if variable.type == "int":
            return variable.text
        self.helpers["positions"] = None
        return f"positions({variable.text}, {plain_text(operation.equation)})"

    def do_read(self, value: int, operation: Operation, constant: bool) -> Variable:
        if any(form.values for form in operation.detail.slots):
            return self.gather(value, operation, constant)
        view = window(operation, self.extents)
        ref = operation.operands[0]
        text = self.variables[ref.value].text
        if view.pads:
            self.helpers["padded"] = None
            text = f"padded({text}, {view.before}, {view.after}, {operation.detail.fill})"
        if self.variables[ref.value].type == "number":
            raise AssertionError("a number has no axes to read")
        self.helpers["window"] = None
        text = f"window({text}, {view.start}, {view.shape}, {view.steps})"
        return self.assign(value, operation, text, constant, owned=False)

    def gather(self, value: int, operation: Operation, constant: bool) -> Variable:
        reading, whole, out = operation.detail, operation.operands[0], operation.out
        text = self.variables[whole.value].text
        where = plain_text(f"{reading.access} in {operation.equation}")
        if not reading.guards:
            simple = self.take(operation, text, where)
            if simple is not None:
                return self.assign(value, operation, simple, constant)
        at = [self.form(form, operation, out, operation.operands, constant) for form in reading.slots]
        if not reading.guards:
            self.helpers["inside"] = None
            sizes = [self.size(operation.dims[x], constant) for x in whole.labels]
            index = ", ".join(f"inside({a}, {n}, {where})" for a, n in zip(at, sizes, strict=True))
            return self.assign(value, operation, f"{text}[{index}]", constant)
        self.helpers["guarded"] = None
        known = [f for f in reading.guards if all(x in out for x, _ in f.labels)]
        allowed = " & ".join(f"({self.form(f, operation, out, operation.operands, constant)} >= 0)" for f in known)
        index = ", ".join(at) + ("," if len(at) == 1 else "")
        return self.assign(
            value, operation, f"guarded({text}, ({index}), {allowed or 'True'}, {reading.fill}, {where})", constant
        )

    def take(self, operation: Operation, text: str, where: str) -> str | None:
        """``E[T[n],d]``: one slot is an integer tensor and nothing else, the others are plain and distinct."""
        slots = operation.detail.slots
        gathers = [k for k, form in enumerate(slots) if form.values]
        plain = [form.label for form in slots if not form.values]
        if len(gathers) != 1 or None in plain or len(set(plain)) < len(plain):
            return None
        form = slots[gathers[0]]
        ref = operation.operands[form.values[0][0]]
        if form != Form((), ((form.values[0][0], 1),), (), 0) or set(ref.labels) & set(plain):
            return None
        self.helpers["inside"] = None
        axis = gathers[0]
        natural = [x for k, f in enumerate(slots) for x in (ref.labels if k == axis else (f.label,))]
        index = f"inside({self.whole(ref, operation)}, {text}.shape[{axis}], {where})"
        taken = f"{text}[{index}]" if axis == 0 else f"np.take({text}, {index}, axis={axis})"
        return self.reordered(taken, natural, operation.out)

    def do_diagonal(self, value: int, operation: Operation, constant: bool) -> Variable:
        (ref,) = operation.operands
        text = f'np.einsum("{letters(ref.labels)}->{letters(operation.out)}", {self.variables[ref.value].text})'
        return self.assign(value, operation, text, constant, owned=False)

    def do_embed(self, value: int, operation: Operation, constant: bool) -> Variable:
        """Zeros, and the result on their diagonal, which is a view that can be written."""
        (ref,) = operation.operands
        extra = len(operation.detail)
        names = list(operation.out)
        for position, same in enumerate(operation.detail, len(names) - extra):
            names[position] = names[same]
        kept = tuple(operation.out[: len(names) - extra])
        shape = self.shape([operation.dims[x] for x in operation.out], constant)
        made = self.assign(value, operation, f"np.zeros({shape}, np.{self.precision_of(operation)})", constant)
        core = self.aligned(ref, kept, self.floating(ref))
        line = f'np.einsum("{letters(tuple(names))}->{letters(kept)}", {made.text})[...] = {core}'
        if constant:
            self.constants.say(operation.equation, line, "")
        else:
            self.body.say(operation.equation, line, "    ")
        return made

    def do_scatter(self, value: int, operation: Operation, constant: bool) -> Variable:
        at, core = operation.operands
        self.helpers["scatter_add"] = None
        rest = tuple(label for label in core.labels if label not in at.labels)
        full = (*at.labels, *rest)
        text = self.aligned(core, full, self.floating(core))
        if set(core.labels) != set(full):
            kind = f"np.{self.precision}({text})" if self.variables[core.value].type == "number" else text
            text = f"np.broadcast_to({kind}, {self.shape([operation.dims[x] for x in full], constant)})"
        target = self.size(operation.dims[operation.out[0]], constant)
        text = f"scatter_add({self.whole(at, operation)}, {text}, {target})"
        return self.assign(value, operation, self.reordered(text, (operation.out[0], *rest), operation.out), constant)

    def do_expand(self, value: int, operation: Operation, constant: bool) -> Variable:
        (ref,) = operation.operands
        shape = self.shape(operation.out_dims, constant)
        text = f"np.broadcast_to({self.aligned(ref, operation.out, self.floating(ref))}, {shape})"
        return self.assign(value, operation, text, constant, owned=False)

    # ---- results -----------------------------------------------------------------------------------------------------

    def result(self, name: Name) -> str:
        """An output: an array of its own, with all its axes; a scalar is a NumPy scalar."""
        stored = self.plan.tensors[name]
        kind = f"np.{self.precision}"
        if stored.value is None:
            text = self.number(stored.coefficient) if stored.coefficient is not None else "1"
            return f"np.full({self.shape(stored.dims)}, {text}, {kind})" if stored.dims else f"{kind}({text})"
        self.spell_number(stored.value, False)
        variable = self.variables[stored.value]
        present = [axis for axis in stored.slots if axis is not None]
        ref = Ref(stored.value, tuple(stored.slots.index(axis) for axis in range(len(present))))
        if variable.type == "number":
            return f"np.full({self.shape(stored.dims)}, {variable.text}, {kind})" if stored.dims else f"{kind}({variable.text})"
        if not stored.dims:
            return f"{variable.text}[()]" if variable.type == "float" else f"{kind}({variable.text})"
        self.uses[stored.value] -= 1
        shared = variable.owned is False or self.uses[stored.value] > 0
        text = self.aligned(ref, tuple(range(len(stored.dims))), self.floating(ref))
        if len(present) < len(stored.dims):
            return f"np.broadcast_to({text}, {self.shape(stored.dims)}).copy()"
        return f"{text}.copy()" if shared and variable.type == "float" else text


_ONE, _MINUS_ONE = Const(1), Const(-1)


def letters(labels: Sequence[int]) -> str:
    return "".join(chr(97 + label) for label in labels)


def plain_text(text: str) -> str:
    """A string literal that says no more than the text, whatever a tensor is called."""
    return ascii(text)


def exact_text(value: Fraction) -> str:
    if value.denominator == 1 and abs(value.numerator) < 2**53:
        return str(value.numerator)
    if abs(value.numerator) < 1000 and value.denominator < 1000:
        return f"{value.numerator} / {value.denominator}"
    return repr(float(value))


def _bracketed(text: str) -> str:
    return text if re.fullmatch(r"[\w.]+", text) else f"({text})"


def _is_reciprocal(node: Expr) -> bool:
    return isinstance(node, Apply) and node.function == "pow" and node.arguments[1] is _MINUS_ONE
