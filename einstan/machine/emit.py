"""From a plan to straight-line NumPy source: one function, a comment per equation, nothing decided at the call.

What depends on sizes alone (masks of indices, positions) stands above the function as a constant.  A temporary that is
read for the last time lends its memory to the result.
"""

from __future__ import annotations

import math
from einstan.language.term import Name
from einstan.language.threads import cached_property
from einstan.machine.backends.numpy import helper_source
from einstan.machine.guards import compared_alone
from einstan.machine.operations import Operation, Ref
from einstan.machine.plan import Plan
from einstan.machine.positions import Positions
from einstan.machine.spelling import comment, identifier, plain_text
from einstan.machine.targets.spell import Source
from einstan.machine.writer import Variable

DELETE_FROM = 1 << 17  # entries from which a dead temporary is deleted before the function returns


CAREFUL = "careful(...)"  # the call, before it is known which arguments there are


def emit(
    made: Plan, precisions: dict[Name, str] | None = None, function: str = "step", precision: str = "float64"
) -> Source:
    """The source of a plan.  ``precisions`` has the dtype of each input; ``precision`` is that of everything else where
    no input is of floats.  The sizes of the plan stand in it as digits, where no array tells them."""
    return Emitter(made, precisions or {}, function, precision).run()


class Emitter(Positions):
    exact = False  # whether the code is for arrays of these dtypes alone

    def run(self) -> Source:
        self.count_uses()
        self.name_values()
        for value in self.plan.order:
            self.operation(value)
        return self.assembled([self.result(name) for name in self.plan.outputs])

    def name_values(self) -> None:
        own: dict[int, str] = {}
        for name in self.arguments:
            text = self.argument_names[name] = identifier(str(name), self.taken)
            value = self._input(name)
            if value is not None:
                own[value] = text
        for name, stored in self.plan.tensors.items():
            if stored.value is not None and stored.value not in own and stored.value in self.plan.order:
                own[stored.value] = identifier(str(name), self.taken)
        self.names = own
        for dim in self.extents:
            self.name_size(dim)

    def assembled(self, results: list[str]) -> Source:
        body = self.quietly([*self.body.lines, f"    return {returned(results)}"])
        function = [*self.signature(), *self.size_lines, *self.caution(), *body]
        return self.source([*self.head(), "\n\n" + "\n".join(function)])

    def source(self, parts: list[str], memory: int = 0, prepares: bool = False) -> Source:
        text = "\n".join(parts).replace(CAREFUL, f"careful({', '.join(map(self.argument, self.arguments))})") + "\n"
        return Source(
            text, self.function, self.arguments, self.plan.outputs, memory, prepares,
            signature=tuple(self.signature()), checks=tuple(self.checks()), presumes=bool(self.presumed),
        )  # fmt: skip

    def checks(self) -> list[str]:
        """Lines that refuse arrays of other shapes than those of the plan."""
        shapes = {name: repr(tuple(self.extents[dim] for dim in self.dims_of(name))) for name in self.arguments}
        return [self.check(name, shape, "{}") for name, shape in shapes.items()]

    def check(self, name: Name, shape: str, sizes: str) -> str:
        kind = "iu" if name in self.plan.index_tensors else "fiub" if name in self.labels else "f"
        kind = self.precisions.get(name, kind) if self.exact else kind
        return f"fits({self.argument(name)}, {plain_text(str(name))}, {shape}, {sizes}, {kind!r})"

    @cached_property
    def labels(self) -> set[Name]:
        return compared_alone(self.plan.program.equations)

    def head(self) -> list[str]:
        """What stands above the function."""
        parts = ["import numpy as np"]
        parts += ["\n\n" + helper_source(name) for name in self.helpers]
        if self.constants.lines:
            parts.append("\n\n# what does not depend on the arrays\n" + "\n".join(self.constants.lines))
        return parts

    def signature(self) -> list[str]:
        parameters = ", ".join(map(self.argument, self.arguments))
        shown = ", ".join(str(name) for name in self.plan.outputs)
        doc = comment(f"Returns ({shown}).").replace('"', "'").replace("\\", "/")
        return [f"def {self.function}({parameters}):", f'    """{doc}"""']

    # ---- products that are right as long as no entry of theirs is NaN ------------------------------------------------

    @property
    def presumed(self) -> set[int]:
        """Those that are computed at the call."""
        return {v for v in self.plan.presumed if v in self.variables and not self.variables[v].constant}

    def quietly(self, lines: list[str]) -> list[str]:
        """Lines of the function, without warnings of what a bracket hides."""
        lines = [line for part in lines for line in part.split("\n")]
        if not self.plan.quiet:
            return lines
        return ['    with np.errstate(all="ignore"):', *(f"    {line}" for line in lines)]

    def caution(self) -> list[str]:
        """Where it has just been seen that a bracket hides what is not finite, nothing is presumed for a while."""
        return [f"    if careful.due:\n        return {CAREFUL}"] if self.presumed else []

    def look(self, value: int) -> None:
        """Look for NaN in a value that was presumed to have none."""
        held = self.variables[value]
        if self.graph.operations[value].out:
            self.helpers["has_nan"] = None
            self.body.lines.append(f"    if has_nan({held.text}):\n        return {CAREFUL}")
        else:
            self.body.lines.append(f"    if {held.text} != {held.text}:\n        return {CAREFUL}")

    def count_uses(self) -> None:
        for value in self.plan.order:
            for operand in self.graph.operations[value].operands:
                self.uses[operand.value] = self.uses.get(operand.value, 0) + 1
        for name in self.plan.outputs:
            stored = self.plan.tensors[name].value
            if stored is not None:
                self.uses[stored] = self.uses.get(stored, 0) + 1

    def operation(self, value: int) -> None:
        operation = self.graph.operations[value]
        kind = operation.kind
        if kind == "input":
            self.input(value, operation.detail)
            return
        constant = kind != "number" and self.is_constant(operation)
        if kind == "number":
            self.variables[value] = Variable("", "number", constant=True)
            return
        for ref in operation.operands:
            self.spell_number(ref.value, constant)
        self.written = operation
        made = getattr(self, f"do_{kind}")(value, operation, constant)
        self.written = None
        self.variables[value] = made
        made.constant = constant
        if value in self.plan.presumed and not constant:
            self.look(value)
        self.release(value, operation)

    def is_constant(self, operation: Operation) -> bool:
        """What no array has a part in is computed once, above the function."""
        return all(self.variables[ref.value].constant for ref in operation.operands)

    def input(self, value: int, name: Name) -> None:
        precision = self.precisions.get(name, "")
        integer = name in self.plan.index_tensors and not precision.startswith("float")
        self.variables[value] = Variable(
            self.names[value], "int" if integer else "float", precision or ("int64" if integer else self.precision)
        )

    def release(self, value: int, operation: Operation) -> None:
        for ref in operation.operands:
            self.uses[ref.value] -= 1
        made = self.variables[value]
        if not made.owned:  # a view: what it looks at must not be overwritten
            for ref in operation.operands[:1]:
                self.variables[ref.value].owned = False
        for gone in dict.fromkeys(ref.value for ref in operation.operands):
            old = self.variables[gone]
            large = math.prod(self.plan.shape(gone)) >= DELETE_FROM
            if self.uses[gone] == 0 and large and old.owned and not old.buffers and old.text != made.text:
                self.body.lines.append(f"    del {old.text}")

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
            return (
                f"np.full({self.shape(stored.dims)}, {variable.text}, {kind})"
                if stored.dims
                else f"{kind}({variable.text})"
            )
        if not stored.dims and variable.scalar:
            return variable.text
        if not stored.dims:
            return f"{variable.text}[()]" if variable.type == "float" else f"{kind}({variable.text})"
        self.uses[stored.value] -= 1
        shared = variable.owned is False or self.uses[stored.value] > 0
        text = self.aligned(ref, tuple(range(len(stored.dims))), self.floating(ref))
        if len(present) < len(stored.dims):
            return f"np.broadcast_to({text}, {self.shape(stored.dims)}).copy()"
        return f"{text}.copy()" if shared and variable.type == "float" else text


def returned(results: list[str]) -> str:
    return ", ".join(results) + ("," if len(results) == 1 else "")
