"""From a plan to source for one set of sizes and precisions: memory laid out beforehand, each call with its ``out=``.

``prepare()`` makes the memory and all views of it, and returns the function that works in it; two calls at one time
need two of them.  Results are arrays of their own, unless they are asked for in memory that a later call writes again.
"""

from __future__ import annotations

from collections.abc import Sequence

from einstan.language.term import Name
from einstan.machine.arena import Arena, Buffer
from einstan.machine.emit import Emitter, Source, returned
from einstan.machine.inplace_windows import InPlaceWindows
from einstan.machine.plan import Plan
from einstan.machine.spelling import comment


def specialised(
    made: Plan,
    precisions: dict[Name, str],
    function: str = "step",
    precision: str = "float64",
    *,
    reuse_buffers: bool = False,
) -> Source:
    """The source of a plan for arrays of these dtypes; see `einstan.machine.emit.emit` for one that takes any sizes."""
    return Specialised(made, precisions, function, precision, reuse_buffers).run()


class Specialised(InPlaceWindows, Emitter):
    exact = True

    def __init__(
        self, made: Plan, precisions: dict[Name, str], function: str, precision: str, reuse_buffers: bool
    ) -> None:
        super().__init__(made, precisions, function, precision)
        self.reuse = reuse_buffers
        self.arena, self.kept_arena = Arena("memory"), Arena("results")
        floats = {p for p in precisions.values() if p.startswith("float")} or {self.precision}
        self.uniform = len(floats) == 1
        self.kept = {s.value for name in made.outputs if (s := made.tensors[name]).value is not None}
        self.taken |= {"memory", "results", "prepare"}

    def operation(self, value: int) -> None:
        self.value, self.now = value, self.now + 1
        operation = self.graph.operations[value]
        operands = [self.variables[ref.value] for ref in operation.operands]
        self.above = operation.kind not in ("input", "number") and all(v.constant for v in operands)
        for variable in operands:
            self.touch(variable.buffers)
        super().operation(value)
        made = self.variables[value]
        made.scalar = made.type == "float" and not self.above and not operation.out and (
            operation.kind in ("contract", "reduce")
            or (operation.kind == "map" and operation.detail[0] == "scale" and operands[0].scalar)
        )  # fmt: skip
        self.touch(made.buffers)

    def touch(self, buffers: Sequence[Buffer]) -> None:
        for buffer in buffers:
            buffer.last = self.now

    def result(self, name: Name) -> str:
        stored = self.plan.tensors[name].value
        self.above = False
        if stored is not None:
            self.touch(self.variables[stored].buffers)
        return super().result(name)

    def input(self, value: int, name: Name) -> None:
        super().input(value, name)
        if not self.graph.operations[value].out and self.variables[value].type == "float":
            self.body.lines.append(f"    {self.names[value]} = {self.names[value]}[()]")  # scalars are faster

    def buffer(self, name: str, shape: Sequence[int], dtype: str, kept: bool = False) -> Buffer:
        made = (self.kept_arena if kept else self.arena).new(name, shape, dtype, self.now)
        self.fixed[name] = (made,)
        return made

    def size(self, dim: str, constant: bool = False) -> str:
        return str(self.extents[dim])

    def assembled(self, results: list[str]) -> Source:
        lines: list[str] = []
        total = 0
        for arena in (self.arena, self.kept_arena):
            if arena is self.kept_arena:
                for buffer in arena.buffers:
                    buffer.first, buffer.last = 0, self.now
            if arena.buffers:
                lines += arena.lines()
                total += max(buffer.end for buffer in arena.buffers)
                self.helpers |= {"block": None, "part": None}
        lines += self.view_lines
        if self.kept_arena.buffers:
            lines.append(f"{self.function}.results = results.base")
        body = self.quietly([*self.body.lines, f"    return {returned(results)}"])
        function = [*self.signature(), *self.caution(), *body]
        function = [line for part in function for line in part.split("\n")]
        at = len(lines) - bool(self.kept_arena.buffers)
        text = [
            "def prepare():",
            f'    """The function, with {total:,} bytes of memory that it alone writes to."""',
            *("    " + line for line in lines[:at]),
            *([""] if at else []),
            *("    " + line for line in function),
            "",
            *("    " + line for line in lines[at:]),
            f"    return {self.function}",
        ]
        parts = [*self.head(), "\n\n" + "\n".join(text), f"\n\n{self.function} = prepare()"]
        made = self.source(parts, total, True)
        made.views = frozenset(name for name in self.views.values() if self.fixed[name])
        return made

    def head(self) -> list[str]:
        parts = super().head()
        if self.literal_lines:
            parts.insert(len(parts) - bool(self.constants.lines), "\n\n" + "\n".join(self.literal_lines))
        return parts

    def signature(self) -> list[str]:
        lines = super().signature()
        given = [
            f"{self.names[value]} {self.plan.shape(value)} {self.variables[value].precision}"
            for name in self.arguments
            if (value := self._input(name)) is not None
        ]
        shapes = comment("; ".join(given)).replace('"', "'").replace("\\", "/")
        return [*lines[:-1], lines[-1].removesuffix('"""'), *([f"    Takes {shapes}."] if given else []), '    """']
