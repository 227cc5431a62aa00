"""Which operations numba's loops compute, and each of them as an expression of entries."""

from __future__ import annotations

import math

from einstan.language.term import ONE, Add, Apply, Const, Expr, Extent, Mul
from einstan.machine.arena import Buffer
from einstan.machine.loop_nest import Part, Rows
from einstan.machine.lower import as_matrices
from einstan.machine.operations import COMPARISONS, Operation, Ref
from einstan.machine.specialised import Specialised
from einstan.machine.spelling import comment
from einstan.machine.writer import Variable

SLOW = 4096  # entries from which NumPy's exp is faster than that of numba
SLOWER = {"exp": "exp({0})", "log": "log({0})", "tanh": "tanh({0})", "sqrt": "sqrt({0})"}
PLAIN = {
    "relu": "({0} if {0} > F(0) or {0} != {0} else F(0))",
    "abs": "abs({0})",
    "maximum": "({0} if {0} >= {1} or {0} != {0} else {1})",
    "minimum": "({0} if {0} <= {1} or {0} != {0} else {1})",
}
POWERS = {2: "({0} * {0})", 3: "({0} * {0} * {0})", -1: "(F(1) / {0})"}


class FusedRules(Specialised):
    """The rules for single entries; `Fused` puts them into loops."""

    def number(self, node: Expr, constant: bool = False) -> str:
        """Integers of compiled code wrap around where Python's grow: what could is written as the number that it is."""
        text = super().number(node, constant)
        return text if self._bits(node) < 62 else self._float(node)

    def _float(self, node: Expr) -> str:
        value = self.evaluate(node)
        return repr(float(value)) if math.isfinite(value) else f'float("{value}")'

    def _bits(self, node: Expr) -> float:
        """How many bits the largest integer can have that is met on the way to a number of sizes."""
        match node:
            case Const(value=value):
                return math.log2(max(abs(value.numerator), value.denominator)) if value else 0.0
            case Extent():
                return math.log2(max(1.0, abs(self.evaluate(node))))
            case Mul(factors=factors):
                return sum(map(self._bits, factors))
            case Add(terms=terms):
                return max(map(self._bits, terms)) + math.log2(len(terms))
            case Apply(function="pow", arguments=(base, Const(value=exponent))):
                return self._bits(base) * max(1.0, abs(float(exponent)))
            case _:
                return max(map(self._bits, node.children), default=0.0)  # type: ignore[arg-type]

    def start(self, gemm: bool) -> None:
        self.gemm = gemm
        self.latest = -1  # the value that was written last
        self.filled: set[int] = set()  # results that lie in an array of their own, from end to end
        self.blocks: list[Rows | str] = []  # of the function that is being written
        self.masks: set[int] = set()  # comparisons, which are computed where they are read
        self.inside: set[int] = set()  # values that this function makes
        self.loaded: set[int] = set()
        self.unseen: set[int] = set()  # values of this function in which NaN is to be looked for after it
        self.passed: dict[str, str | None] = {}  # and as what, if not as it is
        self.readers: dict[int, list[int]] = {}
        for value in self.plan.order:
            for ref in self.graph.operations[value].operands:
                self.readers.setdefault(ref.value, []).append(value)

    # ---- which -------------------------------------------------------------------------------------------------------

    def has_rule(self, value: int, operation: Operation) -> bool:
        if any(self.extents[dim] == 0 for dim in operation.dims):
            return False
        for ref in operation.operands:
            variable = self.variables[ref.value]
            if ref.value in self.masks:
                continue
            if variable.type == "number":
                if not math.isfinite(self.evaluate(self.graph.operations[ref.value].detail)):
                    return False
                continue
            whole = (
                variable.home is not None or ref.value in self.filled or self.plan_input(ref.value) or not ref.labels
            )
            if variable.type != "float" or variable.precision != self.precision or not whole:
                return False
        size = math.prod(self.plan.shape(value))
        if operation.kind == "map":
            function, *details = operation.detail
            if function in COMPARISONS:
                readers = [self.graph.operations[r] for r in self.readers.get(value, ())]
                simple = function != "and" and value not in self.kept and bool(readers)
                return simple and all(
                    (r.kind == "contract" and not r.summed and len(r.operands) == 2 and r.detail == 2)
                    or (r.kind == "map" and r.detail[0] == "select")
                    for r in readers
                )
            if function == "pow":
                exponent = details[0].value if details and isinstance(details[0], Const) else None
                return exponent in POWERS or exponent in (0.5, -0.5)
            if function in SLOWER:
                return size <= SLOW or function == "sqrt"
            return function in PLAIN or function in ("add", "scale", "select")
        if operation.kind == "reduce":
            (ref,) = operation.operands
            return operation.detail == "max of all" and operation.out == ref.labels[: len(operation.out)] != ()
        if operation.kind != "contract" or (
            operation.summed and any(ref.value in self.masks for ref in operation.operands)
        ):
            return False
        if len(operation.operands) == 1:
            (ref,) = operation.operands
            return operation.out in (
                ref.labels[: len(operation.out)],
                ref.labels[len(ref.labels) - len(operation.out) :],
            )
        if not operation.summed:
            return True
        left, right = operation.operands
        if not operation.out and left.labels == right.labels:
            return True
        return self.gemm and as_matrices(operation, self.extents) is not None

    def plan_input(self, value: int) -> bool:
        return self.graph.operations[value].kind == "input"

    # ---- entries -----------------------------------------------------------------------------------------------------

    def entry(self, ref: Ref, at: dict[int, str]) -> str:
        """An entry of a value, where each label has an index."""
        value, variable = ref.value, self.variables[ref.value]
        if value in self.masks:
            operation = self.graph.operations[value]
            inner = {own: at[label] for own, label in zip(operation.out, ref.labels, strict=True)}
            texts = [self.entry(operand, inner) for operand in operation.operands]
            return f"(F(1) if {texts[0]} {operation.detail[0]} {texts[1]} else F(0))"
        if variable.type == "number":
            return f"F({variable.text})"
        part = self.part
        if part is not None and value in part.local:
            return f"v{value}"
        if not ref.labels:
            memory = bool(self.fixed.get(variable.text))  # a view of it, which this function may be what writes there
            if value not in self.inside:
                known = memory or variable.scalar or self.plan_input(value)
                self.passed[variable.text] = None if known else self.alone(variable)
            return f"{variable.text}[()]" if memory else variable.text
        self.loaded.add(value)
        return self.place(value, [at[label] for label in ref.labels])

    def alone(self, variable: Variable) -> str:
        """A number as such: numba tells an array without axes from one, and lets no branch give either."""
        return f"F({variable.text})" if variable.type == "float" else f"{variable.text}[()]"

    @property
    def part(self) -> Part | None:
        last = self.blocks[-1] if self.blocks else None
        return last.parts[-1] if isinstance(last, Rows) and last.parts else None

    def place(self, value: int, index: list[str]) -> str:
        variable, shape = self.variables[value], self.plan.shape(value)
        if variable.home is None or self.is_kept(variable.home):
            self.passed[variable.text] = None
            return f"{variable.text}[{', '.join(index)}]"
        terms = [
            f"{text} * {stride}" if stride != 1 else text
            for k, text in enumerate(index)
            if (stride := math.prod(shape[k + 1 :])) and text != "0"
        ]
        if index[:1] == ["i0"]:
            terms[0] = f"@row:{variable.home.names[0]}:{math.prod(shape[1:])}@"
        return f"m[{' + '.join([f'@{variable.home.names[0]}@', *terms])}]"

    def is_kept(self, home: Buffer) -> bool:
        return any(home is other for other in self.kept_arena.buffers)

    def expression(self, operation: Operation, at: dict[int, str]) -> str:
        texts = [self.entry(ref, at) for ref in operation.operands]
        if operation.kind == "contract":
            if len(texts) == 1:
                return texts[0]
            return f"{texts[0]} {'*' if operation.detail == 2 else '/'} {texts[1]}"
        function, *details = operation.detail
        if function == "add":
            terms = [
                text if scale is ONE else f"F({self.number(scale)}) * {text}"
                for scale, text in zip(details[0], texts, strict=True)
            ]
            return " + ".join(terms)
        if function == "scale":
            return f"F({self.number(details[0])}) * {texts[0]}"
        if function == "select":
            return f"({texts[1]} if {texts[0]} != F(0) else F(0))"
        if function == "pow":
            exponent = details[0].value
            if exponent in POWERS:
                return POWERS[int(exponent)].format(*texts)
            return f"sqrt({texts[0]})" if exponent == 0.5 else f"F(1) / sqrt({texts[0]})"
        return {**SLOWER, **PLAIN}[function].format(*texts)

    def comment_of(self, operation: Operation) -> str:
        return comment(operation.equation)

    def storage(self, value: int) -> Variable:
        """Memory of its own for a value: an array of the result, or a part of the block."""
        if not self.plan.shape(value):
            name = self.fresh(value, False)
            return Variable(name, "float", self.precision, False)
        kept = value in self.kept
        name = self.fresh(value, False)
        self.filled.add(value)
        if kept and not self.reuse:
            self.say(self.graph.operations[value], f"{name} = np.empty({self.plan.shape(value)}, np.{self.precision})")
            return Variable(name, "float", self.precision, True)
        home = self.buffer(name, self.plan.shape(value), self.precision, kept)
        return Variable(name, "float", self.precision, True, home=home, buffers=(home,))
