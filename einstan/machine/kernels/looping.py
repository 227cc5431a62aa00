"""A scheduler whose operations become loops where they can: what is open of the function that is being made."""

from __future__ import annotations

import math
from collections.abc import Sequence

from einstan.language.term import Add, Apply, Const, Expr, Extent, Mul
from einstan.machine.kernels.nest import Kernel, Line, Part, Rows
from einstan.machine.kernels.vectors import NAMES
from einstan.machine.meaning.numbers import number_of
from einstan.machine.schedule.arena import Buffer
from einstan.machine.schedule.calls import Array, Seen
from einstan.machine.schedule.scheduler import Scheduler
from einstan.machine.sizes.operations import Operation, Ref
from einstan.machine.sizes.spelling import comment


class Looping(Scheduler):
    """The blocks of the open function, the values that it makes, and those that it reads."""

    def begin(self, gemm: bool) -> None:
        self.gemm = gemm  # whether there is a BLAS to call
        self.taken |= {"F", "m", "gemm", "njit", "exp", "log", "sqrt", "floats", *NAMES}
        self.taken |= {f"{letter}{value}" for letter in "rsvw" for value in self.plan.order}  # variables of loops
        self.kernels: list[Kernel] = []
        self.latest = -1  # the value that was written last
        self.filled: set[int] = set()  # results that lie in an array of their own, from end to end
        self.blocks_open: list[Rows | Line] = []
        self.masks: set[int] = set()  # comparisons, which are computed where they are read
        self.views_read: set[int] = set()  # windows and repetitions that are read where they are used
        self.inside: set[int] = set()  # values that this function makes
        self.loaded: set[int] = set()  # values that are read from memory
        self.unseen: set[int] = set()  # values of this function in which NaN is to be looked for after it
        self.passed: dict[str, str | None] = {}  # names that it is given, and as what, if not as they are
        self.scalars: list[int] = []  # numbers that it returns
        self.single_rows: set[str] = set()  # buffers with memory for one row
        self.parts_of: dict[int, Part] = {}  # of products over a batch
        self.readers: dict[int, list[int]] = {}
        for value in self.plan.order:
            for ref in self.graph.operations[value].operands:
                self.readers.setdefault(ref.value, []).append(value)

    # ---- blocks ------------------------------------------------------------------------------------------------------

    @property
    def rows(self) -> Rows | None:
        """The loop over rows that is open."""
        last = self.blocks_open[-1] if self.blocks_open else None
        return last if isinstance(last, Rows) else None

    @property
    def part(self) -> Part | None:
        return self.rows.parts[-1] if self.rows and self.rows.parts else None

    def comment_of(self, operation: Operation) -> str:
        return comment(operation.equation)

    # ---- memory ------------------------------------------------------------------------------------------------------

    def storage(self, value: int) -> Array:
        """Memory of its own for a value: an array of the result, or a part of the block."""
        shape, name = self.plan.shape(value), self.fresh()
        if not shape:
            return Array(name, "float", self.precision)
        self.filled.add(value)
        kept = value in self.kept
        if kept and not self.reuse:
            made = Array(name, "float", self.precision, len(shape), True)
            self.add("empty", (), tuple(map(str, shape)), result=made)
            return made
        return self.laid_out(name, shape, self.precision, kept)

    def in_block(self, array: Array) -> Buffer | None:
        """The part of the block that an array fills; None for what is given, and for results."""
        home = array.home
        return None if home is None or any(home is other for other in self.made.kept.buffers) else home

    def is_input(self, value: int) -> bool:
        return self.graph.operations[value].kind == "input"

    def lies_whole(self, value: int) -> bool:
        """Whether floats of the precision of the loops lie in order, in an array or in the block."""
        array = self.values.get(value)
        if array is None or array.type != "float" or array.precision != self.precision or not self.plan.shape(value):
            return False
        return array.home is not None or value in self.filled or self.is_input(value)

    def touch_inside(self, value: int) -> None:
        if value in self.masks:
            for ref in self.graph.operations[value].operands:
                self.touch_inside(ref.value)
        if value in self.values:
            self.touch(self.values[value].buffers)

    def held_by(self, rows: Rows, value: int) -> None:
        """What a loop touches is needed from its first operation to its last: rows go through all of them in turn."""
        if value in self.masks:
            for ref in self.graph.operations[value].operands:
                self.held_by(rows, ref.value)
        if value in self.values:
            rows.buffers |= dict.fromkeys(self.values[value].buffers)
        for buffer in rows.buffers:
            buffer.first, buffer.last = min(buffer.first, rows.start), max(buffer.last, self.now)

    # ---- numbers -----------------------------------------------------------------------------------------------------

    def text_of(self, node: Expr) -> str:
        """Integers of compiled code wrap around where Python's grow: what could is written as the number that it is."""
        text = self.sizes.number(node, self.precision)
        if self.bits(node) < 62:
            return text
        value = number_of(node, self.extents)
        return repr(float(value)) if math.isfinite(value) else f'float("{value}")'

    def bits(self, node: Expr) -> float:
        """How many bits the largest integer can have that is met on the way to a number of sizes."""
        match node:
            case Const(value=value):
                return math.log2(max(abs(value.numerator), value.denominator)) if value else 0.0
            case Extent():
                return math.log2(max(1.0, abs(number_of(node, self.extents))))
            case Mul(factors=factors):
                return sum(map(self.bits, factors))
            case Add(terms=terms):
                return max(map(self.bits, terms)) + math.log2(len(terms))
            case Apply(function="pow", arguments=(base, Const(value=exponent))):
                return self.bits(base) * max(1.0, abs(float(exponent)))
            case _:
                return max(map(self.bits, node.children), default=0.0)  # type: ignore[arg-type]

    # ---- functions ---------------------------------------------------------------------------------------------------

    def kernel(self, name: str, lines: Sequence[str]) -> None:
        """A function beside the one that is open."""
        first, *rest = lines
        self.kernels.append(Kernel(name, [f"def {name}{first}", *rest]))
        self.taken.add(name)

    def stored(self, value: int) -> bool:
        """Whether anything reads a value from memory: a later loop, or a later call."""
        return value in self.loaded or value in self.kept or self.uses[value] > 0

    def read_within(self, rows: Rows, value: int) -> bool:
        """Whether a loop has all operations that read a value, or what is computed from it where it is read."""
        return all(
            reader in rows.values
            or (reader in self.masks | self.views_read and reader not in self.kept and self.read_within(rows, reader))
            for reader in self.readers.get(value, ())
        )

    def shrink(self, rows: Rows) -> None:
        """What is read in the loop alone that makes it needs memory for one row."""
        for value in rows.made - rows.closed - self.kept - self.unseen:
            array, shape = self.values[value], self.plan.shape(value)
            home = self.in_block(array)
            if home is None or len(shape) < 2 or len(home.names) > 1:
                continue
            if self.read_within(rows, value):
                self.single_rows.add(home.names[0])
                home.resize((1, *shape[1:]))

    def flush(self) -> None:
        """The function that is open, and its call."""
        blocks, self.blocks_open = self.blocks_open, []
        if not blocks:
            return
        name = f"kernel_{sum(kernel.name.startswith('kernel_') for kernel in self.kernels) + 1}"
        for block in blocks:
            if isinstance(block, Rows):
                self.shrink(block)
        lines = [line for block in blocks for line in block.text(self.stored)]
        numbers = [v for v in dict.fromkeys(self.scalars) if v in self.kept | self.unseen or self.uses[v] > 0]
        scalars = tuple(self.values[value].text for value in numbers)
        arguments = ", ".join(["m", *self.passed])
        returned = [f"    return {', '.join(scalars)}{',' if len(scalars) == 1 else ''}"] if scalars else []
        self.kernels.append(Kernel(name, [f"def {name}({arguments}):", *lines, *returned]))
        given = tuple(as_ or text for text, as_ in self.passed.items())
        operation, self.operation = self.operation, None
        self.add("kernel", (), name, given, scalars)
        for value in sorted(self.unseen):
            self.touch(self.values[value].buffers)
            self.made.presumed = True
            self.add("look", (Seen(self.values[value]),))
        self.operation = operation
        self.inside, self.loaded, self.passed, self.scalars, self.latest = set(), set(), {}, [], -1
        self.unseen = set()

    def finished(self) -> None:
        self.flush()

    def behind(self, ref: Ref) -> Ref:
        """What is read for an operand that is a window or a repetition; -1 where an axis is no label."""
        if ref.value not in self.views_read:
            return ref
        operation = self.graph.operations[ref.value]
        names = dict(zip(operation.out, ref.labels, strict=True))
        (base,) = operation.operands
        if operation.kind == "expand":
            return self.behind(base.renamed(names))
        forms = operation.detail.slots
        return Ref(base.value, tuple(names.get(form.label, -1) if form.label is not None else -1 for form in forms))

    def read_through(self, refs: Sequence[Ref]) -> list[Ref]:
        """The operands, and what masks among them read, with the labels of this operation."""
        found: list[Ref] = []
        for ref in refs:
            if ref.value in self.masks:
                mask = self.graph.operations[ref.value]
                names = dict(zip(mask.out, ref.labels, strict=True))
                found += self.read_through([operand.renamed(names) for operand in mask.operands])
            else:
                found.append(self.behind(ref))
        return found

    def rows_for(self, operation: Operation, labels: Sequence[int], size: int) -> Rows:
        """The loop over rows that is open, if all that this operation reads of it is in the same row; or a new one."""
        last = self.rows
        if last is not None and last.size == size and len(last.parts) < 40:
            held = [ref for ref in self.read_through(operation.operands) if ref.value in last.made]
            if all(ref.value not in last.closed and ref.labels[:1] == tuple(labels[:1]) for ref in held):
                return last
        made = Rows(size, [f"# {self.comment_of(operation)}"], start=self.now)
        self.blocks_open.append(made)
        return made

    def rows_of(self, value: int, operation: Operation, labels: Sequence[int]) -> Part:
        """A part of a loop over rows for one operation by itself."""
        rows = self.rows_for(operation, labels, self.plan.shape(value)[0])
        said = [f"# {self.comment_of(operation)}"]
        rows.parts.append(Part((), first=said if said != rows.before else []))
        rows.made.add(value)
        self.loaded.add(value)
        return rows.parts[-1]
