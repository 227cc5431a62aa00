"""Source with loops: runs of elementwise operations, reductions and matrix products as functions that numba compiles.

A run becomes one function.  In it, operations that go over the same rows share a loop over rows, and neighbours of one
shape share an inner loop, so that what is only read there is never stored.  Matrix products are calls of the BLAS that
NumPy has loaded; a product that is only added to something is accumulated there.  What has no rule here stays a call of
NumPy between two such functions.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

from einstan.language.term import ONE, Const, Name
from einstan.machine.arena import Buffer
from einstan.machine.backends.numpy import blas_gemm
from einstan.machine.emit import Source
from einstan.machine.inplace import BLAS
from einstan.machine.lower import classified
from einstan.machine.operations import COMPARISONS, Labels, Operation, Ref
from einstan.machine.plan import Plan
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
WORTH = 60_000  # multiplications from which accumulation in the BLAS pays


@dataclass
class Rows:
    """A loop over rows, and what is done for each: inner loops of one shape, and lines between them."""

    size: int
    before: list[str] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    after: list[str] = field(default_factory=list)
    made: set[int] = field(default_factory=set)
    closed: set[int] = field(default_factory=set)  # known only after the loop
    start: int = 0
    buffers: dict[Buffer, None] = field(default_factory=dict)  # what it reads and writes: all needed throughout


@dataclass
class Part:
    """An inner loop; ``first`` and ``last`` stand around it."""

    shape: tuple[int, ...]
    first: list[str] = field(default_factory=list)
    lines: list[tuple[str, int]] = field(default_factory=list)  # with the value that a line stores, or -1
    last: list[str] = field(default_factory=list)
    local: set[int] = field(default_factory=set)  # values held in variables of the loop
    totals: set[int] = field(default_factory=set)


class Fused(Specialised):
    """The rules for operations in loops; all others are those of `Specialised`."""

    def start(self, gemm: bool) -> None:
        self.gemm = gemm
        self.latest = -1  # the value that was written last
        self.filled: set[int] = set()  # results that lie in an array of their own, from end to end
        self.kernels: list[str] = []
        self.blocks: list[Rows | str] = []  # of the function that is being written
        self.taken |= {"F", "m", "gemm", "njit", "exp", "log", "tanh", "sqrt"}
        self.masks: set[int] = set()  # comparisons, which are computed where they are read
        self.inside: set[int] = set()  # values that this function makes
        self.loaded: set[int] = set()
        self.passed: dict[str, None] = {}
        self.scalars: list[int] = []
        self.waiting: Operation | None = None
        self.readers: dict[int, list[int]] = {}
        for value in self.plan.order:
            for ref in self.graph.operations[value].operands:
                self.readers.setdefault(ref.value, []).append(value)

    # ---- which -------------------------------------------------------------------------------------------------------

    def operation(self, value: int) -> None:
        operation = self.graph.operations[value]
        if operation.kind in ("input", "number") or all(self.variables[o.value].constant for o in operation.operands):
            super().operation(value)
            return
        if not self.has_rule(value, operation):
            self.flush()
            super().operation(value)
            return
        self.value, self.now, self.above = value, self.now + 1, False
        for ref in operation.operands:
            self.spell_number(ref.value, False)
            self.touch_inside(ref.value)
        self.write(value, operation)
        self.inside.add(value)
        self.touch_inside(value)
        block = self.blocks[-1] if self.blocks else None
        if isinstance(block, Rows) and value not in self.masks:
            for ref in (*operation.operands, Ref(value, ())):
                self.held_by(block, ref.value)
        self.latest = value
        self.release(value, operation)

    def held_by(self, rows: Rows, value: int) -> None:
        """What a loop touches is needed from its first operation to its last: rows go through all of them in turn."""
        if value in self.masks:
            for ref in self.graph.operations[value].operands:
                self.held_by(rows, ref.value)
        rows.buffers |= dict.fromkeys(self.variables[value].buffers)
        for buffer in rows.buffers:
            buffer.first, buffer.last = min(buffer.first, rows.start), max(buffer.last, self.now)

    def touch_inside(self, value: int) -> None:
        if value in self.masks:
            for ref in self.graph.operations[value].operands:
                self.touch_inside(ref.value)
        self.touch(self.variables[value].buffers)

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
                    r.kind == "contract" and not r.summed and len(r.operands) == 2 and r.detail == 2 for r in readers
                )
            if function == "pow":
                exponent = details[0].value if details and isinstance(details[0], Const) else None
                return exponent in POWERS or exponent in (0.5, -0.5)
            if function in SLOWER:
                return size <= SLOW or function == "sqrt"
            return function in PLAIN or function in ("add", "scale")
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
        return self.gemm and self.as_matrices(operation) is not None

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
            if value not in self.inside:
                self.passed[variable.text] = None
            return variable.text
        self.loaded.add(value)
        return self.place(value, [at[label] for label in ref.labels])

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
        return f"m[{' + '.join([f'@{variable.home.names[0]}@', *terms])}]"

    def is_kept(self, home: Buffer) -> bool:
        return any(home is other for other in self.kept_arena.buffers)

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

    # ---- operations --------------------------------------------------------------------------------------------------

    def write(self, value: int, operation: Operation) -> None:
        if operation.kind == "map" and operation.detail[0] in COMPARISONS:
            self.masks.add(value)
            inner = [self.variables[ref.value] for ref in operation.operands]
            buffers = tuple(dict.fromkeys(b for variable in inner for b in variable.buffers))
            self.variables[value] = Variable("", "bool", "", False, buffers=buffers)
            for ref in operation.operands:
                self.variables[ref.value].owned = False
                self.uses[ref.value] += len(self.readers.get(value, ()))
            return
        if operation.kind == "contract" and operation.summed and len(operation.operands) == 2 and operation.out:
            self.variables[value] = self.storage(value)
            self.blocks.append(self.multiply(value, operation, "0"))
            self.comment_last(operation)
            return
        if not operation.out and all(not ref.labels for ref in operation.operands):
            self.variables[value] = self.storage(value)
            expression = self.expression(operation, {})
            self.blocks.append(f"    {self.variables[value].text} = {expression}")
            self.scalars.append(value)
            return
        if operation.kind == "map" and self.accumulates(value, operation):
            return
        self.variables[value] = self.storage(value)
        self.looped(value, operation)

    def comment_last(self, operation: Operation) -> None:
        if isinstance(self.blocks[-1], str):
            self.blocks[-1] = f"    # {self.comment_of(operation)}\n{self.blocks[-1]}"

    def comment_of(self, operation: Operation) -> str:
        return comment(operation.equation)

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
        if function == "pow":
            exponent = details[0].value
            if exponent in POWERS:
                return POWERS[int(exponent)].format(*texts)
            return f"sqrt({texts[0]})" if exponent == 0.5 else f"F(1) / sqrt({texts[0]})"
        return {**SLOWER, **PLAIN}[function].format(*texts)

    def looped(self, value: int, operation: Operation) -> None:
        """An operation in a loop over rows."""
        labels = operation.out if operation.kind == "map" else self.loop_labels(operation)
        shape = tuple(self.extents[operation.dims[x]] for x in labels)
        rows = self.rows_for(operation, labels, shape[0])
        part = self.part_for(rows, operation, labels, shape[1:])
        at = {label: f"i{k}" for k, label in enumerate(labels)}
        expression = self.expression_in(operation, at)
        rows.made.add(value)
        own = operation.kind == "map" or (not operation.summed and operation.kind == "contract")
        if own:
            part.lines.append((f"v{value} = {expression}", -1))
            part.lines.append((f"{self.place(value, [at[x] for x in operation.out])} = v{value}", value))
            part.local.add(value)
            return
        biggest = operation.kind == "reduce"
        if not operation.out:
            name = self.variables[value].text
            rows.before.append(f"{name} = F(0)")
            part.first.append(f"s{value} = F(0)")
            part.lines.append((f"s{value} += {expression}", -1))
            part.last.append(f"{name} += s{value}")
            rows.closed.add(value)
            self.scalars.append(value)
        elif operation.out[0] == labels[0] and len(operation.out) == 1:
            start = f"F({'-' if biggest else ''}{'LARGEST' if biggest else '0'})"
            part.first.append(f"s{value} = {start}")
            if biggest:
                part.lines.append((f"w{value} = {expression}", -1))
                part.lines.append(
                    (f"s{value} = w{value} if w{value} > s{value} or w{value} != w{value} else s{value}", -1)
                )
            else:
                part.lines.append((f"s{value} += {expression}", -1))
            part.last.append(f"{self.place(value, ['i0'])} = s{value}")
            part.totals.add(value)
            self.loaded.add(value)
        else:
            target = self.place(value, [at[x] for x in operation.out])
            count = math.prod(self.plan.shape(value))
            held = self.variables[value]
            flat = f"m[@{held.home.names[0]}@ + k]" if held.home and not self.is_kept(held.home) else ""
            zero = f"for k in range({count}):\n            {flat} = F(0)" if flat else f"{held.text}[...] = F(0)"
            rows.before.append(zero)
            part.lines.append((f"{target} += {expression}", -1))
            rows.closed.add(value)
            self.loaded.add(value)

    def expression_in(self, operation: Operation, at: dict[int, str]) -> str:
        return self.entry(operation.operands[0], at) if operation.kind == "reduce" else self.expression(operation, at)

    def loop_labels(self, operation: Operation) -> Labels:
        """The order of the loops: that of the largest operand."""
        if not operation.summed and operation.kind == "contract":
            return operation.out
        return max((ref.labels for ref in operation.operands), key=len)

    def rows_for(self, operation: Operation, labels: Labels, size: int) -> Rows:
        """The loop over rows that is open, if all that this operation reads of it is in the same row."""
        last = self.blocks[-1] if self.blocks else None
        if isinstance(last, Rows) and last.size == size and len(last.parts) < 40:
            reads = list(self.read_through(operation.operands))
            held = [ref for ref in reads if ref.value in last.made]
            if all(ref.value not in last.closed and ref.labels[:1] == labels[:1] for ref in held):
                return last
        self.blocks.append(Rows(size, [f"# {self.comment_of(operation)}"], start=self.now))
        made = self.blocks[-1]
        assert isinstance(made, Rows)
        return made

    def read_through(self, refs: tuple[Ref, ...]) -> list[Ref]:
        """The operands, and what masks among them read, with the labels of this operation."""
        found: list[Ref] = []
        for ref in refs:
            if ref.value in self.masks:
                mask = self.graph.operations[ref.value]
                names = dict(zip(mask.out, ref.labels, strict=True))
                found += self.read_through(tuple(operand.renamed(names) for operand in mask.operands))
            else:
                found.append(ref)
        return found

    def part_for(self, rows: Rows, operation: Operation, labels: Labels, shape: tuple[int, ...]) -> Part:
        """The inner loop that is open, if what this operation reads of it is the same entry."""
        last = rows.parts[-1] if rows.parts else None
        if last is not None and last.shape == shape:
            reads = self.read_through(operation.operands)
            held = [ref for ref in reads if ref.value in last.local | last.totals]
            if all(ref.value in last.local and ref.labels == labels for ref in held):
                return last
        rows.parts.append(Part(shape))
        return rows.parts[-1]

    # ---- matrix products ---------------------------------------------------------------------------------------------

    def as_matrices(self, operation: Operation) -> tuple[Ref, bool, Ref, bool, int, int, int] | None:
        """The two factors, whether each is transposed, and the sizes, so that the result is in the order wanted."""
        groups = classified(operation)
        if groups.batch or not groups.contracted:
            return None
        first, second = operation.operands
        sides = groups.left, groups.right
        if operation.out != (*sides[0], *sides[1]):
            if operation.out != (*sides[1], *sides[0]):
                return None
            first, second, sides = second, first, (sides[1], sides[0])
        inner = groups.contracted
        if first.labels not in ((*sides[0], *inner), (*inner, *sides[0])):
            return None
        if second.labels not in ((*inner, *sides[1]), (*sides[1], *inner)):
            return None
        rows, columns, depth = (
            math.prod(self.extents[operation.dims[x]] for x in group) for group in (sides[0], sides[1], inner)
        )
        turned = first.labels != (*sides[0], *inner), second.labels != (*inner, *sides[1])
        return first, turned[0], second, turned[1], rows, columns, depth

    def multiply(self, value: int, operation: Operation, beta: str, alpha: str = "1") -> str:
        found = self.as_matrices(operation)
        assert found is not None
        first, turned, second, turned_too, rows, columns, depth = found
        a, b = self.pointer(first.value), self.pointer(second.value)
        lengths = rows if turned else depth, depth if turned_too else columns
        sides = f"{112 if turned else 111}, {112 if turned_too else 111}, {rows}, {columns}, {depth}"
        c = self.pointer(value)
        self.loaded.add(value)
        return f"    gemm(101, {sides}, F({alpha}), {a}, {lengths[0]}, {b}, {lengths[1]}, F({beta}), {c}, {columns})"

    def pointer(self, value: int) -> str:
        variable = self.variables[value]
        self.loaded.add(value)
        if variable.home is None or self.is_kept(variable.home):
            self.passed[variable.text] = None
            return f"{variable.text}.ctypes"
        return f"m[@{variable.home.names[0]}@:].ctypes"

    def accumulates(self, value: int, operation: Operation) -> bool:
        """``W + k A B``, where the product came just before and nothing else reads it: it is added to a copy of W."""
        if operation.detail[0] != "add" or len(operation.operands) != 2 or not self.blocks:
            return False
        for place in (0, 1):
            ref, other = operation.operands[place], operation.operands[1 - place]
            made = self.graph.operations[ref.value]
            product = made.kind == "contract" and made.summed and len(made.operands) == 2 and made.out
            if not product or ref.labels != operation.out or other.labels != operation.out:
                continue
            if self.uses[ref.value] != 1 or ref.value not in self.inside or self.variables[other.value].type != "float":
                continue
            last = self.blocks[-1]
            work = math.prod(self.extents[dim] for dim in made.dims)
            if not isinstance(last, str) or "gemm(" not in last or self.latest != ref.value or work < WORTH:
                continue
            scales = operation.detail[1]
            self.blocks.pop()
            self.variables[value] = self.storage(value)
            rank = len(operation.out)
            index = [f"i{k}" for k in range(rank)]
            said = [f"# {self.comment_of(made)}", f"# {self.comment_of(operation)}"]
            rows = Rows(self.plan.shape(value)[0], said, start=self.now)
            self.blocks.append(rows)
            rows.parts.append(Part(self.plan.shape(value)[1:]))
            entry = self.entry(other, dict(zip(other.labels, index, strict=True)))
            scaled = entry if scales[1 - place] is ONE else f"F({self.number(scales[1 - place])}) * {entry}"
            rows.parts[-1].lines.append((f"{self.place(value, index)} = {scaled}", -1))
            alpha = self.number(scales[place])
            self.blocks.append(self.multiply(value, made, "1", alpha))
            for operand in made.operands:
                self.touch(self.variables[operand.value].buffers)
            return True
        return False

    # ---- functions ---------------------------------------------------------------------------------------------------

    def result(self, name: object) -> str:
        self.flush()
        return super().result(name)  # type: ignore[arg-type]

    def flush(self) -> None:
        """The function that is open, and its call."""
        blocks, self.blocks = self.blocks, []
        if not blocks:
            return
        name = f"kernel_{len(self.kernels) + 1}"
        lines: list[str] = []
        for block in blocks:
            lines += [block] if isinstance(block, str) else self.loops(block)
        scalars = [self.variables[v].text for v in dict.fromkeys(self.scalars) if v in self.kept or self.uses[v] > 0]
        arguments = ", ".join(["m", *self.passed])
        returned = [f"    return {', '.join(scalars)}{',' if len(scalars) == 1 else ''}"] if scalars else []
        self.kernels.append("\n".join(["@compiled", f"def {name}({arguments}):", *lines, *returned]))
        call = f"{name}({', '.join(['floats', *self.passed])})"
        left = f"{', '.join(scalars)}{',' if len(scalars) == 1 else ''} = " if scalars else ""
        self.body.lines.append(f"    {left}{call}")
        self.body.lines += [f"    {scalar} = F({scalar})" for scalar in scalars]
        self.inside, self.loaded, self.passed, self.scalars, self.latest = set(), set(), {}, [], -1
        self.body.equation = ""

    def loops(self, rows: Rows) -> list[str]:
        lines = [f"    {line}" for line in rows.before]
        lines.append(f"    for i0 in range({rows.size}):")
        for part in rows.parts:
            body = [line for line, value in part.lines if value < 0 or self.stored(value)]
            lines += [f"        {line}" for line in part.first]
            indent = "        "
            for k, size in enumerate(part.shape, 1):
                lines.append(f"{indent}for i{k} in range({size}):")
                indent += "    "
            lines += [indent + line for line in body]
            lines += [f"        {line}" for line in part.last]
        return [line.replace("\n            ", "\n        ") for line in lines]

    def stored(self, value: int) -> bool:
        """Whether anything reads a value from memory: a later loop, or a later call."""
        return value in self.loaded or value in self.kept or self.uses[value] > 0

    def assembled(self, results: list[str]) -> Source:
        source = super().assembled(results)
        if not self.kernels:
            return source
        size = {"float32": 4, "float64": 8}[self.precision]
        starts = {name: b.start // size for b in self.arena.buffers for name in b.names}
        text = "\n\n\n".join(self.kernels)
        text = re.sub(r"@(\w+)@", lambda found: str(starts[found[1]]), text)
        head = (
            "from math import exp, log, sqrt, tanh\n\n"
            "from numba import njit\n\n\n"
            f"F = np.{self.precision}\nLARGEST = np.finfo(F).max\n"
            'compiled = njit(nogil=True, error_model="numpy", fastmath={"reassoc", "nsz", "contract"})\n'
            + (f'gemm = blas_gemm("{self.precision}")\n' if "gemm(" in text else "")
        )
        whole = source.text.replace("\n\ndef prepare():", f"\n\n{head}\n\n{text}\n\n\ndef prepare():", 1)
        floats = f"np.empty(0, np.{self.precision})"
        if self.arena.buffers:
            at = whole.index("\n", whole.index("    memory = block(")) + 1
            source.text = f"{whole[:at]}    floats = memory.view(np.{self.precision})\n{whole[at:]}"
        else:
            source.text = whole.replace("def prepare():\n", f"def prepare():\n    floats = {floats}\n", 1)
        return source


def fused(made: Plan, precisions: dict[Name, str], function: str, precision: str, reuse_buffers: bool) -> Source | None:
    """The source with loops, where all floats have one precision that the BLAS has."""
    writer = Fused(made, precisions, function, precision, reuse_buffers)
    if not writer.uniform or writer.precision not in BLAS:
        return None
    writer.start(blas_gemm(writer.precision) is not None)
    if writer.gemm:
        writer.helpers["blas_gemm"] = None
    return writer.run()
