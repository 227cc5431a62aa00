"""What the rules of a schedule need: values as arrays, calls so far, and where the result of a call lies.

There are three kinds of memory.  Where sizes are known, everything that a call computes on its way lies in one block;
where they are not, a temporary that is read for the last time lends its memory to the result; and what differentiates
or traces the code itself is given values that nothing is written over.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING

from einstan.language.term import Name
from einstan.machine.schedule.arena import Buffer
from einstan.machine.schedule.calls import Array, Call, Number, Operand, Result, Schedule, Seen
from einstan.machine.schedule.sizes import Sizes
from einstan.machine.sizes.operations import Labels, Operation, Ref
from einstan.machine.sizes.spelling import identifier

if TYPE_CHECKING:
    from einstan.machine.plan.plan import Plan

DELETE_FROM = 1 << 17  # entries from which a dead temporary is deleted before the function returns
BLAS = ("float32", "float64")


class Memory(Enum):
    BLOCK = "laid out beforehand"
    LENT = "temporaries written over"
    VALUES = "nothing is written over"


class Scheduler:
    """The calls so far.  ``writes`` are the verbs that can write to memory that they are given."""

    def __init__(
        self,
        made: Plan,
        sizes: Sizes,
        precisions: dict[Name, str],
        precision: str,
        memory: Memory,
        writes: Collection[str] = (),
        reuse: bool = False,
        taken: Collection[str] = (),
    ) -> None:
        self.plan, self.graph, self.extents, self.sizes = made, made.graph, made.extents.known, sizes
        self.precisions, self.memory, self.writes, self.reuse = precisions, memory, writes, reuse
        self.blocks = memory is Memory.BLOCK
        self.taken = {"np", "careful", "memory", "results", "prepare", "zero", "one", *taken}
        floats = {name: p for name, p in precisions.items() if p.startswith("float")}
        counted = {p for name, p in floats.items() if name not in made.labels} or set(floats.values()) or {precision}
        self.precision = max(counted, key=bits)
        self.made = Schedule(precision=self.precision, uniform=len(set(floats.values()) or {precision}) == 1)
        self.kept = {s.value for name in made.outputs if (s := made.tensors[name]).value is not None}
        self.values: dict[int, Array] = {}
        self.names: dict[int, str] = {}
        self.uses: dict[int, int] = {}
        self.count = 0
        self.value, self.now = -1, 0
        self.operation: Operation | None = None  # that which is being scheduled
        self.above = False  # whether it depends on no array, and is computed before the function is called
        self.packed: dict[Seen, Array] = {}  # copies in another order of axes
        self.looked: dict[Seen, Array] = {}  # views of the block
        self.before: dict[str, Array] = {}

    # ---- values ------------------------------------------------------------------------------------------------------

    def name_values(self) -> None:
        arguments = {name: identifier(str(name), self.taken) for name in self.plan.inputs if self._reads(name)}
        own = {self.plan.tensors[name].value: text for name, text in arguments.items()}
        for name, stored in self.plan.tensors.items():
            if stored.value is not None and stored.value not in own and stored.value in self.plan.order:
                own[stored.value] = identifier(str(name), self.taken)
        self.names = {value: text for value, text in own.items() if value is not None}
        self.made.names = arguments
        self.sizes.begin(arguments, self.taken)

    def _reads(self, name: Name) -> bool:
        stored = self.plan.tensors.get(name)
        return stored is not None and stored.value in self.plan.order

    def count_uses(self) -> None:
        for value in self.plan.order:
            for operand in self.graph.operations[value].operands:
                self.uses[operand.value] = self.uses.get(operand.value, 0) + 1
        for name in self.plan.outputs:
            stored = self.plan.tensors[name].value
            if stored is not None:
                self.uses[stored] = self.uses.get(stored, 0) + 1

    def is_number(self, ref: Ref) -> bool:
        return self.graph.operations[ref.value].kind == "number"

    def number(self, ref: Ref) -> Number:
        return Number(self.sizes.number(self.graph.operations[ref.value].detail, self.precision))

    def type_of(self, ref: Ref) -> str:
        return "number" if self.is_number(ref) else self.values[ref.value].type

    def read(self, ref: Ref) -> Operand:
        """A value as it is."""
        return self.number(ref) if self.is_number(ref) else Seen(self.values[ref.value])

    def floating(self, ref: Ref) -> Operand:
        """A value as floats, for what does not take bools or integers."""
        return self.as_floats(self.read(ref))

    def as_floats(self, seen: Operand) -> Operand:
        if isinstance(seen, Seen) and seen.array.type in ("bool", "int"):
            return seen.by("cast", self.precision_now())
        return seen

    def entries(self, ref: Ref) -> Seen:
        """What is read at other positions: an indicator as floats, since the graph takes what is read for numbers."""
        seen = self.floating(ref) if self.values[ref.value].type == "bool" else self.read(ref)
        assert isinstance(seen, Seen)
        return seen

    def precision_now(self) -> str:
        return self.precision if self.operation is None else self.precision_of(self.operation)

    def precision_of(self, operation: Operation) -> str:
        arrays = [self.values[o.value] for o in operation.operands if o.value in self.values]
        held = {array.precision for array in arrays if array.type == "float"}
        return max(held, key=bits) if held else self.precision

    def aligned(self, ref: Ref, out: Labels, seen: Operand | None = None) -> Operand:
        """A value as an array whose axes line up with ``out`` under broadcasting."""
        seen = self.read(ref) if seen is None else seen
        if isinstance(seen, Number):
            return seen
        order = [label for label in out if label in ref.labels]
        seen = self.ordered(seen, ref.labels, tuple(order))
        if not order:
            return seen
        first = out.index(order[0])  # axes in front are added by broadcasting
        marks = [":" if label in order else "None" for label in out[first:]]
        if "None" not in marks:
            return seen
        behind = marks[len(order) :]
        if marks[: len(order)] == [":"] * len(order) and len(marks) > 2:
            return seen.by("expand", f"..., {', '.join(behind)}")
        while marks[-1] == ":":
            marks.pop()
        return seen.by("expand", ", ".join(marks))

    def ordered(self, seen: Seen, have: Sequence[int], want: Sequence[int]) -> Seen:
        if list(have) == list(want):
            return seen
        return seen.by("permute", *(list(have).index(label) for label in want))

    def shape(self, labels: Sequence[int], operation: Operation) -> tuple[str, ...]:
        return self.sizes.shape([operation.dims[label] for label in labels])

    def total(self, labels: Sequence[int], operation: Operation) -> str:
        return self.sizes.total([operation.dims[label] for label in labels])

    def entries_of(self, labels: Sequence[int], operation: Operation) -> int:
        """How many entries axes have, for the sizes of the plan."""
        return math.prod(self.extents[operation.dims[label]] for label in labels)

    # ---- calls -------------------------------------------------------------------------------------------------------

    def fresh(self, named: bool = True) -> str:
        if self.above:
            self.count += 1
            return f"c{self.count}"
        if named and self.value in self.names:
            return self.names[self.value]
        self.count += 1
        return f"t{self.count}"

    def add(
        self, verb: str, reads: Sequence[Operand], *detail: object, result: Array | None = None, out: Seen | None = None
    ) -> Call:
        for buffers in [s.array.buffers for s in (*reads, *([out] if out else [])) if isinstance(s, Seen)]:
            self.touch(buffers)
        equation = self.operation.equation if self.operation is not None else ""
        call = Call(verb, tuple(reads), detail, result, out, equation)
        self.made.calls.append(call)
        return call

    def touch(self, buffers: Sequence[Buffer]) -> None:
        for buffer in buffers:
            buffer.last = self.now

    def result_of(
        self,
        verb: str,
        reads: Sequence[Operand],
        *detail: object,
        over: Sequence[Ref] | None = None,
        lent: Array | None = None,
    ) -> Array:
        """The value of the operation by one call.  ``over`` are operands that it may be written over, by default all
        that are read for the last time; or ``lent``, a temporary of this operation."""
        operation = self.operation
        assert operation is not None
        type_ = self.graph.type(self.value)
        if verb in self.writes and not self.above:
            made = self.destination(operation, over) if lent is None else lent
            if made is not None and self.blocks:
                self.add(verb, reads, *detail, out=Seen(made))
                return made
            if made is not None:
                result = Array(self.fresh(), type_, made.precision, len(operation.out), True)
                self.add(verb, reads, *detail, result=result, out=Seen(made))
                return result
        result = self.array(type_, len(operation.out))
        self.add(verb, reads, *detail, result=result)
        return result

    def array(self, type_: str, rank: int, named: bool = True) -> Array:
        """What a call makes anew."""
        precision = self.precision_now() if type_ == "float" else ""
        return Array(
            self.fresh(named), type_, precision, rank, rank > 0 and not self.above, self.above, fixed=self.above,
            passing=not named,
        )  # fmt: skip

    def view(self, seen: Operand) -> Array:
        """The value of the operation as a view: what it looks at must not be written over."""
        operation = self.operation
        assert operation is not None
        assert isinstance(seen, Seen)
        base = seen.array
        type_ = self.graph.type(self.value)
        precision = base.precision if base.type == "float" else self.precision_now()
        made = Array(
            "", type_, precision if type_ == "float" else "",
            len(operation.out), constant=self.above, buffers=base.buffers, fixed=self.above,
        )  # fmt: skip
        if self.blocks and base.fixed and seen.looks and not self.above:  # made once, before the function is called
            if not seen.views:
                made.text, made.fixed = base.text, True
                return made
            known = self.looked.get(seen)
            if known is not None:
                return known
            made.fixed, self.looked[seen] = True, made
            made.text = self.names.get(self.value) or identifier(f"{base.text}_view", self.taken)
        else:
            made.text = self.fresh()
        self.add("view", (seen,), result=made)
        return made

    def owned_view(self, seen: Seen) -> Array:
        """The value of the operation as a view of what it has just made, and nothing else reads."""
        operation = self.operation
        assert operation is not None
        base = seen.array
        made = replace(
            base, text=self.fresh(), rank=len(operation.out), passing=False,
            owned=bool(operation.out) and not self.above,
        )  # fmt: skip
        self.add("view", (seen,), result=made)
        return made

    def folded(self, seen: Seen, *sizes: str) -> Seen:
        """An array with other axes: a view where it fills its memory, else perhaps a copy."""
        return seen.by("reshape" if seen.array.home is not None and not seen.views else "fold", *sizes)

    def ones(self, size: int, precision: str) -> Array:
        """A vector of ones, which is there before the function is called."""
        return self._before(f"ones_{size}_{precision[5:]}", "ones", str(size), precision)

    def pairs(self, count: str) -> Array | None:
        """The pairs of columns, numbered once; None where their number is not known."""
        return self._before(f"pairs_{count}", "column pairs", count) if self.blocks else None

    def _before(self, text: str, verb: str, *detail: str) -> Array:
        known = self.before.get(text)
        if known is None:
            self.taken.add(text)
            precision = detail[1] if len(detail) > 1 else ""
            known = self.before[text] = Array(text, "float", precision, 1, constant=True, fixed=True)
            self.made.before.append(Call(verb, (), detail, known))
        return known

    # ---- memory ------------------------------------------------------------------------------------------------------

    def dying(self, operation: Operation, ref: Ref) -> bool:
        """Whether this operation reads a value of ours for the last time, and its memory can take the result."""
        array = self.values.get(ref.value)
        times = sum(o.value == ref.value for o in operation.operands)
        return (
            array is not None
            and array.owned
            and array.type == "float"
            and array.precision == self.precision_of(operation)
            and ref.labels == operation.out
            and self.uses.get(ref.value) == times
        )

    def destination(self, operation: Operation, over: Sequence[Ref] | None = None) -> Array | None:
        """The array that the result of this operation is written to; None if the call is to make one."""
        if self.memory is Memory.VALUES or not operation.out:
            return None
        candidates = operation.operands if over is None else over
        if not self.blocks:
            if self.graph.type(self.value) != "float":
                return None
            dying = (ref for ref in candidates if self.dying(operation, ref))
            return next((self.values[ref.value] for ref in dying), None)
        type_, kept = self.graph.type(self.value), self.value in self.kept
        if type_ not in ("float", "bool") or (kept and not self.reuse):
            return None
        for ref in () if kept or type_ == "bool" else candidates:
            if self.dying(operation, ref):
                old = self.values[ref.value]
                if old.home is not None or not old.buffers:
                    return self.over(old)
        precision = self.precision_of(operation) if type_ == "float" else "bool"
        return self.laid_out(self.fresh(), self.plan.shape(self.value), precision, kept)

    def over(self, old: Array) -> Array:
        """The memory of an array under the name of the value that is being computed."""
        if old.home is None:
            return Array(old.text, "float", old.precision, old.rank, True)
        name = self.fresh()
        old.home.names.append(name)
        return Array(name, "float", old.precision, old.rank, True, home=old.home, buffers=old.buffers, fixed=True)

    def laid_out(self, name: str, shape: Sequence[int], dtype: str, kept: bool = False) -> Array:
        """Memory of the block from now on."""
        home = (self.made.kept if kept else self.made.arena).new(name, shape, dtype, self.now)
        type_, precision = ("bool", "") if dtype == "bool" else ("float", dtype)
        return Array(name, type_, precision, len(shape), True, home=home, buffers=(home,), fixed=True)

    def scratch(self, shape: Sequence[int], dtype: str) -> Array:
        """Memory of the block for this operation alone."""
        self.count += 1
        made = self.laid_out(f"t{self.count}", shape, dtype)
        made.owned = False
        return made

    def own(self, operation: Operation, over: Sequence[Ref] = ()) -> Array:
        """An array for the result, in the block or else made now, to which several calls write."""
        made = self.destination(operation, over)
        if made is None:
            made = self.array("float", len(operation.out))
            self.add("empty", (), self.shape(operation.out, operation), result=made)
        return made

    # ---- all of it ---------------------------------------------------------------------------------------------------

    def run(self, rules: Mapping[str, Rule]) -> Schedule:
        self.count_uses()
        self.name_values()
        for value in self.plan.order:
            self.schedule(value, rules)
        self.operation = None
        self.finished()
        for name in self.plan.outputs:
            self.made.results.append(self.result(name))
        self.made.count = self.count
        return self.made

    def schedule(self, value: int, rules: Mapping[str, Rule]) -> None:
        operation = self.graph.operations[value]
        self.value, self.now, self.operation = value, self.now + 1, operation
        if operation.kind == "number":
            return
        if operation.kind == "input":
            self.values[value] = self.input(value, operation)
            return
        held = [self.values[ref.value] for ref in operation.operands if not self.is_number(ref)]
        self.above = self.blocks and all(array.constant for array in held)
        for array in held:
            self.touch(array.buffers)
        begun = len(self.made.calls)
        made = rules[operation.kind](self, operation)
        if self.memory is Memory.VALUES and self.sizes.known:
            for call in self.made.calls[begun:]:
                if call.result is not None:
                    call.result.entries = math.prod(self.plan.shape(value))
        made.constant = self.above
        self.values[value] = made
        if self.blocks:
            made.scalar = made.type == "float" and not self.above and not operation.out and (
                operation.kind in ("contract", "reduce")
                or (operation.kind == "map" and operation.detail[0] == "scale" and bool(held) and held[0].scalar)
            )  # fmt: skip
        if value in self.plan.presumed and not self.above and self.memory is not Memory.VALUES:
            self.made.presumed = True
            self.add("look", (Seen(made),))
        self.release(value, operation)
        self.touch(made.buffers)

    def finished(self) -> None:
        """All operations are scheduled."""

    def input(self, value: int, operation: Operation) -> Array:
        name = operation.detail
        precision = self.precisions.get(name, "")
        whole = name in self.plan.index_tensors and not precision.startswith("float")
        precision = precision or ("int64" if whole else self.precision)
        type_ = "int" if whole else "bool" if precision == "bool" else "float"
        made = Array(self.names[value], type_, "" if type_ == "bool" else precision, len(operation.out))
        if self.blocks and not operation.out and not whole:
            self.add("scalar", (Seen(made),), result=made)  # scalars are faster
        return made

    def release(self, value: int, operation: Operation) -> None:
        for ref in operation.operands:
            self.uses[ref.value] -= 1
        made = self.values[value]
        if not made.owned:  # a view: what it looks at must not be overwritten
            for ref in operation.operands[:1]:
                if ref.value in self.values:
                    self.values[ref.value].owned = False
        if self.memory is Memory.VALUES:
            return
        for gone in dict.fromkeys(ref.value for ref in operation.operands if ref.value in self.values):
            old = self.values[gone]
            large = math.prod(self.plan.shape(gone)) >= DELETE_FROM
            if self.uses[gone] == 0 and large and old.owned and not old.buffers and old.text != made.text:
                self.add("delete", (Seen(old),))

    def result(self, name: Name) -> Result:
        """An output: an array of its own, with all its axes; a number where it has none."""
        stored = self.plan.tensors[name]
        if stored.value is None:
            text = self.sizes.number(stored.coefficient, self.precision) if stored.coefficient is not None else "1"
            return Result(name, Number(text), self.sizes.shape(stored.dims))
        present = [axis for axis in stored.slots if axis is not None]
        ref = Ref(stored.value, tuple(stored.slots.index(axis) for axis in range(len(present))))
        if self.is_number(ref):
            return Result(name, self.number(ref), self.sizes.shape(stored.dims))
        array = self.values[stored.value]
        self.touch(array.buffers)
        if not stored.dims:
            return Result(name, Seen(array))
        self.uses[stored.value] -= 1
        shared = array.owned is False or self.uses[stored.value] > 0
        read = self.aligned(ref, tuple(range(len(stored.dims))), self.floating(ref))
        if len(present) < len(stored.dims):
            return Result(name, read, self.sizes.shape(stored.dims), repeated=True)
        return Result(name, read, copied=shared and array.type == "float")


Rule = Callable[[Scheduler, Operation], Array]


def bits(precision: str) -> int:
    return int(precision[5:] or 0)
