"""NumPy for arrays of one size, with memory laid out beforehand.

``prepare()`` makes the block and all views of it, and returns the function that works there; two calls at one time need
two of them.  Results are arrays of their own, unless they are asked for in memory that a later call writes again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from einstan.language.term import Name
from einstan.machine.schedule.calls import Array, Call, Seen
from einstan.machine.schedule.rules import RULES
from einstan.machine.schedule.scheduler import BLAS, Memory, Scheduler
from einstan.machine.schedule.sizes import Sizes
from einstan.machine.sizes.spelling import bracketed, identifier
from einstan.machine.targets.any_size import NumPy
from einstan.machine.targets.numpy import NUMPY, dtype
from einstan.machine.targets.source import Source
from einstan.machine.targets.spell import Speller, quoted

if TYPE_CHECKING:
    from einstan.machine.plan.plan import Plan

NAMED = {"0": "zero", "1": "one"}  # numbers that read better as words


class LaidOut(NumPy):
    """Numbers are held in the precision of the arrays, and views of the block are made once."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.literals: dict[str, str] = {}
        self.view_lines: list[str] = []
        self.looked: dict[str, str] = {}  # views of the block: their names
        self.bound: set[str] = set()  # names that prepare() binds to views of the block
        self.parts: list[str] = []  # functions that compute a block of what is sliced
        self.held = 0  # bytes of their memory

    def number(self, text: str, call: Call) -> str:
        """A number in the precision of the arrays: a Python number is converted again at every call.

        A ufunc takes an array without axes faster than a scalar; arithmetic of scalars is the other way round.
        """
        precision = self.schedule.precision
        if not self.schedule.uniform or precision not in BLAS or call.constant:
            return bracketed(text) if self.is_infix(call) else text
        made = call.out.array if call.out is not None else call.result
        scalar = made is not None and not made.rank
        line = f"{dtype(precision)}({text})" if scalar else f"np.array({text}, {dtype(precision)})"
        if line not in self.literals:
            named = NAMED.get(text) if not scalar else None
            self.schedule.count += 1
            self.literals[line] = named or f"c{self.schedule.count}"
        return self.literals[line]

    def seen(self, read: Seen, above: bool = False) -> str:
        array = read.array
        text = super().seen(read)
        if not read.views or not array.fixed or above or array.constant or not read.looks:
            return text
        if text not in self.looked:
            suffix = "T" if text == f"{array.text}.T" else "view"
            self.looked[text] = identifier(f"{array.text}_{suffix}", self.taken)
            self.hoist(self.looked[text], text, array)
        return self.looked[text]

    def hoist(self, name: str, text: str, array: Array) -> None:
        self.view_lines.append(f"{name} = {text}")
        if array.buffers:
            self.bound.add(name)

    def view(self, call: Call) -> None:
        """A view of the block is made once; what it is called is another name for it, if it has one."""
        result, (read,) = call.result, call.reads
        assert result is not None
        assert isinstance(read, Seen)
        if not result.fixed or result.constant:
            super().view(call)
            return
        text = Speller.seen(self, read)
        self.hoist(result.text, self.looked.get(text, text), read.array)
        self.looked.setdefault(text, result.text)

    def call(self, call: Call) -> None:
        if call.verb == "sliced":
            self.slices(call)
        else:
            super().call(call)

    def slices(self, call: Call) -> None:
        """A loop over blocks, and after it a shorter one."""
        (detail,), out = call.detail, call.out
        assert out is not None
        reads, made = [self.operand(read, call) for read in call.reads], self.seen(out)
        arrays = [read.array for read in call.reads if isinstance(read, Seen)]

        def of(block: Plan, first: str, last: str, indent: str) -> list[str]:
            name = self.part_of(block, arrays)
            given = ", ".join(_part(text, axis, first, last) for text, axis in zip(reads, detail.cut, strict=True))
            target = _part(made, detail.axis, first, last)
            joined = (
                f"{target}[...] = part" if detail.axis is not None else f"np.{detail.ufunc}({made}, part, out={made})"
            )
            return [f"{indent}(part,) = {name}({given})", f"{indent}{joined}"]

        whole = detail.total - detail.total % detail.size
        self.say(call, f"for start in range(0, {whole}, {detail.size}):")
        self.body += of(detail.block, "start", f"start + {detail.size}", "        ")
        if detail.rest is not None:
            self.body += of(detail.rest, str(whole), "", "    ")

    def part_of(self, block: Plan, arrays: Sequence[Array]) -> str:
        """The function that computes a block, with memory of its own."""
        name = identifier(f"block_{len(self.parts) + 1}", self.taken)
        kinds = [array.precision or ("bool" if array.type == "bool" else "int64") for array in arrays]
        precisions = dict(zip(block.inputs, kinds, strict=True))
        source = specialised(block, precisions, name, self.schedule.precision)
        self.held += source.memory
        lines = [f"    {line}" if line else "" for line in source.text.rstrip().split("\n")]
        self.parts.append("\n".join([f"\n\ndef make_{name}():", *lines, "", f"    return {name}"]))
        self.view_lines.append(f"{name} = make_{name}()")
        return name

    def text(self, call: Call) -> str:
        if call.verb == "dot" and not call.constant:  # the method is called with less ado than the function
            left, right = (self.operand(read, call) for read in call.reads)
            return f"{left}.dot({right}{f', {self.seen(call.out)}' if call.out else ''})"
        if call.verb == "select" and call.result is not None and not call.result.rank and not call.constant:
            seen, held = (self.operand(read, call) for read in call.reads)
            array = call.reads[1].array if isinstance(call.reads[1], Seen) else None
            held += "[()]" * (
                array is not None and bool(array.buffers)
            )  # memory that is written again before it is read
            return f"({held} if {seen} else {dtype(call.detail[0])}(0))"
        return super().text(call)

    # ---- all of it ---------------------------------------------------------------------------------------------------

    def assembled(self, results: str) -> Source:
        lines: list[str] = []
        total = self.held
        kept = self.schedule.kept
        for buffer in kept.buffers:  # which is there at every time
            buffer.first, buffer.last = 0, len(self.plan.order) + 1
        for arena in (self.schedule.arena, kept):
            if arena.buffers:
                lines += arena.lines()
                total += max(buffer.end for buffer in arena.buffers)
                self.helpers |= {"block": None, "part": None}
        lines += self.view_lines
        if kept.buffers:
            lines.append(f"{self.function}.results = results.base")
        body = self.quietly([*self.body, f"    return {results}"])
        function = [*self.signature(), *self.caution(), *body]
        function = [line for part in function for line in part.split("\n")]
        at = len(lines) - bool(kept.buffers)
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
        made.views = frozenset(self.bound)
        return made

    def checks(self) -> list[str]:
        return [*(self.check(name, repr(self._shape(name)), "{}") for name in self.schedule.names), *self.numbers()]

    def _shape(self, name: Name) -> tuple[int, ...]:
        value = self.plan.tensors[name].value
        return () if value is None else self.plan.shape(value)

    def head(self) -> list[str]:
        before = [f"{call.result.text} = {self.text(call)}" for call in self.schedule.before if call.result]
        numbers = [f"{name} = {line}" for line, name in self.literals.items()]
        parts = super().head()
        parts += self.parts
        if before or numbers:
            parts.insert(len(parts) - len(self.parts) - bool(self.constants), "\n\n" + "\n".join([*numbers, *before]))
        return parts

    def signature(self) -> list[str]:
        lines = super().signature()
        given = [
            f"{text} {self._shape(name)} {self.precisions.get(name, self.schedule.precision)}"
            for name, text in self.schedule.names.items()
        ]
        shapes = quoted("; ".join(given))
        return [*lines[:-1], lines[-1].removesuffix('"""'), *([f"    Takes {shapes}."] if given else []), '    """']


def _part(text: str, axis: int | None, first: str, last: str) -> str:
    """An array from one entry of an axis to another."""
    return text if axis is None else f"{text}[{':, ' * axis}{first}:{last}]"


def specialised(
    made: Plan,
    precisions: dict[Name, str],
    function: str = "step",
    precision: str = "float64",
    *,
    reuse_buffers: bool = False,
) -> Source:
    """The source of a plan for arrays of these shapes and dtypes, with its memory laid out."""
    sizes, taken = Sizes(made), [*NUMPY.helpers, function]
    scheduler = Scheduler(made, sizes, precisions, precision, Memory.BLOCK, NUMPY.writes, reuse_buffers, taken)
    return LaidOut(NUMPY, made, scheduler.run(RULES), sizes, precisions, function, scheduler.taken).run()
