"""Operations that write where the plan says: into memory laid out beforehand, or over an operand no longer needed.

Views of that memory are made once.  Numbers are held in the precision of the arrays, and scalars are computed as
scalars, without a ufunc.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from fractions import Fraction

from einstan.language.term import MINUS_ONE, ONE, Const, Expr, is_reciprocal
from einstan.machine.arena import Buffer
from einstan.machine.backends.numpy import CALLS
from einstan.machine.contraction import Contractions
from einstan.machine.operations import COMPARISONS, Labels, Operation, Ref
from einstan.machine.spelling import bracketed, identifier
from einstan.machine.writer import Variable

BLAS = ("float32", "float64")
BITS = {"float16": "int16", "float32": "int32", "float64": "int64"}  # integers as large
NAMED = {"0": "zero", "1": "one"}  # numbers that read better as words
POWERS = {
    Fraction(3): ("np.square({x}, out={out})", "np.multiply({out}, {x}, out={out})"),
    Fraction(-1, 2): ("np.sqrt({x}, out={out})", "np.divide({one}, {out}, out={out})"),
}


class InPlace(Contractions):
    """The rules of `Contractions` and `Elementwise` with memory of their own."""

    reuse: bool
    uniform: bool
    kept: set[int]

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.value, self.now = -1, 0
        self.above = False  # whether this operation depends on no array, and stands above the function
        self.fixed: dict[str, tuple[Buffer, ...]] = {}  # names that are bound before the function
        self.views: dict[str, str] = {}  # expression: name
        self.view_lines: list[str] = []
        self.literals: dict[str, str] = {}
        self.literal_lines: list[str] = []
        self.pending: Variable | None = None
        self.taken |= set(NAMED.values())

    @abstractmethod
    def buffer(self, name: str, shape: Sequence[int], dtype: str, kept: bool = False) -> Buffer:
        """Memory from now on, under a name."""

    # ---- where a result goes -----------------------------------------------------------------------------------------

    def destination(self, operation: Operation, over: Sequence[Ref] | None = None) -> Variable | None:
        """The array that the result of this operation is written to; None if the call is to make one.

        ``over`` are the operands that may be overwritten, by default all that are read for the last time.
        """
        kind = self.graph.type(self.value)
        kept = self.value in self.kept
        if not operation.out or kind not in ("float", "bool") or (kept and not self.reuse):
            return None
        precision = self.precision_of(operation) if kind == "float" else "bool"
        candidates = operation.operands if over is None else over
        for ref in () if kept or kind == "bool" else candidates:
            old = self.variables[ref.value]
            if self.dying(operation, ref) and (old.home or not old.buffers):
                return self.over(old)
        name = self.fresh(self.value, False)
        home = self.buffer(name, self.plan.shape(self.value), precision, kept)
        return Variable(name, kind, precision if kind == "float" else "", True, home=home, buffers=(home,))

    def over(self, old: Variable) -> Variable:
        """The memory of a variable under the name of the value that is being computed."""
        if old.home is None:
            return Variable(old.text, "float", old.precision, True)
        name = self.fresh(self.value, False)
        old.home.names.append(name)
        self.fixed[name] = old.buffers
        return Variable(name, "float", old.precision, True, home=old.home, buffers=old.buffers)

    def scratch(self, shape: Sequence[int], dtype: str) -> str:
        """Memory for this operation alone."""
        self.count += 1
        name = f"t{self.count}"
        self.buffer(name, shape, dtype)
        return name

    def target(self, operation: Operation) -> str:
        self.pending = self.destination(operation)
        return f", out={self.pending.text}" if self.pending else ""

    def assign(
        self,
        value: int,
        operation: Operation,
        expression: str,
        constant: bool,
        owned: bool = True,
        view: bool = False,
    ) -> Variable:
        made, self.pending = self.pending, None
        if made is not None:
            assert f"out={made.text}" in expression, f"{expression} does not write to {made.text}"
            self.say(operation, expression)
            return made
        operands = [self.variables[ref.value] for ref in operation.operands]
        if view and not constant and operands[0].text in self.fixed:
            name = self.hoisted(expression, operands[0].text, self.names.get(value))
            kind = self.graph.type(value)
            return Variable(name, kind, operands[0].precision, False, buffers=operands[0].buffers)
        made = super().assign(value, operation, expression, constant, owned)
        if constant:
            self.fixed[made.text] = ()
        elif not owned:
            made.buffers = tuple(dict.fromkeys(b for variable in operands for b in variable.buffers))
        return made

    def say(self, operation: Operation, line: str) -> None:
        self.body.say(operation.equation, line, "    ")

    # ---- views and numbers -------------------------------------------------------------------------------------------

    def hoisted(self, expression: str, base: str, name: str | None = None) -> str:
        """A view of memory that is always the same, made once."""
        if expression == base or base not in self.fixed or self.above:
            return expression
        if expression not in self.views:
            rest = expression.removeprefix(base)
            name = name or identifier(f"{base}_T" if rest == ".T" else f"{base}_view", self.taken)
            self.views[expression] = name
            self.fixed[name] = self.fixed[base]
            self.view_lines.append(f"{name} = {expression}")
        return self.views[expression]

    def aligned(self, ref: Ref, out: Labels, text: str | None = None) -> str:
        base = self.variables[ref.value].text if text is None and ref.value >= 0 else text or ""
        return self.hoisted(super().aligned(ref, out, text), base)

    def literal(self, text: str) -> str:
        """A number in the precision of the arrays: a Python number is converted again at every call.

        A ufunc takes an array without axes faster than a scalar; arithmetic of scalars is the other way round.
        """
        if not self.uniform or self.precision not in BLAS or self.above:
            return bracketed(text)
        scalar = not self.graph.operations[self.value].out
        kind = f"np.{self.precision}({text})" if scalar else f"np.array({text}, np.{self.precision})"
        if kind not in self.literals:
            self.count += 1
            named = NAMED.get(text) if not scalar else None
            self.literals[kind] = named or f"c{self.count}"
            self.literal_lines.append(f"{self.literals[kind]} = {kind}")
        return self.literals[kind]

    def floating(self, ref: Ref) -> str:
        if self.variables[ref.value].type == "number":
            return self.literal(self.variables[ref.value].text)
        return super().floating(ref)

    def ones(self, size: int, precision: str) -> str:
        """A vector of ones."""
        line = f"ones_{size}_{precision[5:]} = np.ones({size}, np.{precision})"
        if line not in self.literal_lines:
            self.literal_lines.append(line)
        name = line.split()[0]
        self.taken.add(name)
        self.fixed[name] = ()
        return name

    # ---- elementwise -------------------------------------------------------------------------------------------------

    def do_map(self, value: int, operation: Operation, constant: bool) -> Variable:
        function, *details = operation.detail
        if constant or not operation.operands or (function == "add" and not operation.out):
            return super().do_map(value, operation, constant)
        if function in COMPARISONS:
            return self.comparison(value, operation, COMPARISONS[function])
        if function == "select":
            return self.selected(value, operation)
        ref, full = operation.operands[0], operation.out
        plain = ref.labels == full and self.variables[ref.value].type == "float"
        if function == "relu":
            text, zero = self.aligned(ref, full, self.floating(ref)), self.literal("0")
            return self.assign(value, operation, f"np.maximum({text}, {zero}{self.target(operation)})", constant)
        if function in ("sigmoid", "softplus") and full and plain and self.precision_of(operation) in BLAS:
            made = self.destination(operation)
            if made is not None:
                z = self.scratch(self.plan.shape(value), made.precision)
                numbers = [self.literal(n) for n in ("0", "1")[: 2 if function == "sigmoid" else 1]]
                self.helpers[f"{function}_into"] = None
                arguments = (self.variables[ref.value].text, z, *numbers, made.text)
                self.say(operation, f"{function}_into({', '.join(arguments)})")
                return made
        if function == "pow" and details and isinstance(details[0], Const) and details[0].value in POWERS and full:
            return self.power_in_steps(value, operation, POWERS[details[0].value])
        if "{out}" not in CALLS.get(function, "{out}"):
            texts = [self.aligned(ref, full, self.floating(ref)) for ref in operation.operands]
            self.helpers[CALLS[function].split("(")[0]] = None
            return self.assign(value, operation, CALLS[function].format(*texts), constant)
        return super().do_map(value, operation, constant)

    def selected(self, value: int, operation: Operation) -> Variable:
        """A value where a mask holds: its bits times 1 or 0, so that nothing comes of infinities and NaN."""
        mask, ref = operation.operands
        seen, text = self.aligned(mask, operation.out), self.aligned(ref, operation.out, self.floating(ref))
        held, precision = self.variables[ref.value], self.precision_of(operation)
        if not operation.out:
            return self.assign(value, operation, f"({text} if {seen} else np.{precision}(0))", False)
        # Only of memory laid out here is it certain which bits there are.
        certain = held.type == "float" and held.precision == precision and not held.constant
        if not certain or precision not in BITS or not (held.home or held.buffers):
            self.helpers["select"] = None
            return self.assign(value, operation, f"select({seen}, {text})", False)
        bits = f".view(np.{BITS[precision]})"
        made = self.destination(operation, (ref,))
        call = f"np.multiply({self.hoisted(text + bits, text)}, {seen}"
        if made is None:
            return self.assign(value, operation, f"{call}).view(np.{precision})", False)
        self.say(operation, f"{call}, out={self.hoisted(made.text + bits, made.text)})")
        return made

    def power_in_steps(self, value: int, operation: Operation, steps: Sequence[str]) -> Variable:
        """A power that takes two calls, the second of which reads what the first wrote."""
        (ref,) = operation.operands
        base = self.aligned(ref, operation.out, self.floating(ref))
        made = self.destination(operation, ())
        if made is None:
            made = Variable(self.fresh(value, False), "float", self.precision_of(operation), True)
            self.say(operation, f"{made.text} = np.empty({self.plan.shape(value)}, np.{made.precision})")
        for step in steps:
            self.say(operation, step.format(x=base, one=self.literal("1"), out=made.text))
        return made

    def comparison(self, value: int, operation: Operation, verb: str) -> Variable:
        """A mask; numbers stand in the precision of the floats that they are compared with."""
        floats = any(self.variables[ref.value].type == "float" for ref in operation.operands)
        texts = [
            self.aligned(ref, operation.out, self.floating(ref))
            if floats and self.variables[ref.value].type == "number"
            else self.aligned(ref, operation.out)
            for ref in operation.operands
        ]
        call = f"np.{verb}({', '.join(texts)}"
        return self.assign(value, operation, f"{call}{self.target(operation)})", False)

    def scaling(self, operation: Operation, coefficient: Expr, constant: bool) -> str:
        if constant:
            return super().scaling(operation, coefficient, constant)
        text = self.floating(operation.operands[0])
        below = coefficient.arguments[0] if is_reciprocal(coefficient) else None
        divides = below is not None and self.evaluate(below) != 0
        number = self.literal(self.number(below if divides and below is not None else coefficient))
        if not operation.out:
            return f"-{text}" if coefficient is MINUS_ONE else f"{text} {'/' if divides else '*'} {number}"
        if coefficient is MINUS_ONE:
            return f"np.negative({text}{self.target(operation)})"
        return f"np.{'divide' if divides else 'multiply'}({text}, {number}{self.target(operation)})"

    def addition(self, value: int, operation: Operation, coefficients: Sequence[Expr], constant: bool) -> Variable:
        """A sum of terms with coefficients, each added to the same memory."""
        if constant or not operation.out:
            return super().addition(value, operation, coefficients, constant)
        terms = list(zip(coefficients, operation.operands, strict=True))

        def once(ref: Ref) -> bool:
            return sum(other.value == ref.value for other in operation.operands) == 1

        def lends(term: tuple[Expr, Ref]) -> bool:
            return once(term[1]) and self.dying(operation, term[1])

        def full(term: tuple[Expr, Ref]) -> bool:
            return set(term[1].labels) == set(operation.out) and self.variables[term[1].value].type == "float"

        terms.sort(key=lambda t: (not full(t), not lends(t) or t[0] is not ONE, t[0] is not ONE))
        scaled = terms[0][0] is not ONE or len(terms) == 1
        minuend = next((t for t in terms[1:] if t[0] is ONE), None) if terms[0][0] is MINUS_ONE else None
        if minuend is not None:
            terms.remove(minuend)
        over = [ref for _, ref in terms[: 1 if scaled else 2] if once(ref)]
        made = self.destination(operation, over)
        if made is None and len(terms) - 1 + scaled > 1:
            made = Variable(self.fresh(value, False), "float", self.precision_of(operation), True)
            self.say(operation, f"{made.text} = np.empty({self.plan.shape(value)}, np.{made.precision})")
        out = f", out={made.text}" if made else ""
        so_far = self.aligned(terms[0][1], operation.out, self.floating(terms[0][1]))
        call = ""
        if minuend is not None:  # 1 - x in one call
            call = f"np.subtract({self.aligned(minuend[1], operation.out, self.floating(minuend[1]))}, {so_far}{out})"
        elif scaled:
            call = self.scaled_text(so_far, terms[0][0], made.text if made else "", False)
        for scale, ref in terms[1:]:
            if call:
                assert made is not None
                self.say(operation, call)
                so_far = made.text
            verb, other = "np.subtract" if scale is MINUS_ONE else "np.add", self.floating(ref)
            if scale not in (ONE, MINUS_ONE):
                other = self.times(operation, ref, other, self.number(scale))
            call = f"{verb}({so_far}, {self.aligned(ref, operation.out, other)}{out})"
        if made is not None:
            self.say(operation, call)
            return made
        return self.assign(value, operation, call, False)

    def scaled_text(self, text: str, scale: Expr, into: str, constant: bool) -> str:
        if constant or scale is MINUS_ONE:
            return super().scaled_text(text, scale, into, constant)
        return f"np.multiply({text}, {self.literal(self.number(scale))}{f', out={into}' if into else ''})"

    def times(self, operation: Operation, ref: Ref, text: str, number: str) -> str:
        """A term times a number."""
        if not ref.labels:
            return f"{bracketed(number)} * {text}"
        own = self.scratch([self.extents[operation.dims[x]] for x in ref.labels], self.precision_of(operation))
        self.say(operation, f"np.multiply({text}, {self.literal(number)}, out={own})")
        return own
