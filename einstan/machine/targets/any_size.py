"""NumPy for arrays of any sizes: every size is read from the arrays, or computed from those that are."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from einstan.language.term import Name
from einstan.machine.backends.numpy import CALLS, helper_source
from einstan.machine.schedule.calls import Call, Number, Result, Seen
from einstan.machine.schedule.rules import RULES
from einstan.machine.schedule.scheduler import Memory, Scheduler
from einstan.machine.schedule.sizes import Asked, tuple_of
from einstan.machine.sizes.spelling import plain_text
from einstan.machine.targets.numpy import NUMPY, dtype
from einstan.machine.targets.source import Source
from einstan.machine.targets.spell import Speller

if TYPE_CHECKING:
    from einstan.machine.plan.plan import Plan

CAREFUL = "careful(...)"  # the call, before it is known which arguments there are


class NumPy(Speller):
    """Lines of NumPy, which look for what brackets hide, and refuse arrays that they were not made for."""

    def number(self, text: str, call: Call) -> str:
        return text

    def is_infix(self, call: Call) -> bool:
        """Where there are no axes, arithmetic is faster than a ufunc."""
        if call.result is None or call.out is not None or call.result.rank or call.constant:
            return False
        numbers = all(isinstance(read, Number) for read in call.reads)
        return (call.verb in self.infix or call.verb == "negative") and not numbers

    def call(self, call: Call) -> None:
        if call.verb == "look":
            self.look(call)
            return
        if call.verb.endswith(" along") and call.detail[2]:
            self.lowest(call.detail[2])
        super().call(call)

    def look(self, call: Call) -> None:
        """Look for NaN in a value that was presumed to have none."""
        (read,) = call.reads
        text = self.operand(read, call)
        assert isinstance(read, Seen)
        if read.array.rank:
            self.need("has_nan")
            self.body.append(f"    if has_nan({text}):\n        return {CAREFUL}")
        else:
            self.body.append(f"    if {text} != {text}:\n        return {CAREFUL}")

    def lowest(self, precision: str) -> None:
        """The smallest finite number: below every logit, so that the largest of nothing, or of -inf, is finite."""
        line = f"LOWEST_{precision[5:]} = np.finfo({dtype(precision)}).min"
        if line not in self.constants:
            self.constants.insert(0, line)

    def result(self, result: Result) -> str:
        """An output: an array of its own, with all its axes; a scalar is a NumPy scalar."""
        kind, read = dtype(self.schedule.precision), result.read
        if isinstance(read, Number):
            return f"np.full({tuple_of(result.sizes)}, {read.text}, {kind})" if result.sizes else f"{kind}({read.text})"
        text, array = self.seen(read), read.array
        if not array.rank and not result.repeated:
            return text if array.scalar else f"{text}[()]" if array.type == "float" else f"{kind}({text})"
        if result.repeated:
            return f"np.broadcast_to({text}, {tuple_of(result.sizes)}).copy()"
        return f"{text}.copy()" if result.copied else text

    # ---- all of it ---------------------------------------------------------------------------------------------------

    def run(self) -> Source:
        return self.assembled(self.spelled())

    def assembled(self, results: str) -> Source:
        assert isinstance(self.sizes, Asked)
        self.sizes.refuse_others(self.schedule.precision)
        for helper in self.sizes.helpers:
            self.need(helper)
        body = self.quietly([*self.body, f"    return {results}"])
        function = [*self.signature(), *self.sizes.lines, *self.caution(), *body]
        made = self.source([*self.head(), "\n\n" + "\n".join(function)])
        made.any_size = True
        return made

    def source(self, parts: list[str], memory: int = 0, prepares: bool = False) -> Source:
        given = ", ".join(self.schedule.names.values())
        text = "\n".join(parts).replace(CAREFUL, f"careful({given})") + "\n"
        return Source(
            text, self.function, tuple(self.schedule.names), self.plan.outputs, memory, prepares,
            signature=tuple(self.signature()), checks=tuple(self.checks()), presumes=self.schedule.presumed,
        )  # fmt: skip

    def checks(self) -> list[str]:
        """Lines that refuse arrays of other shapes than those of the code."""
        assert isinstance(self.sizes, Asked)
        shapes = self.sizes.checked()
        found = [self.check(name, shape, "sizes") for name, shape in shapes.items()]
        return ["sizes = {}", *found, *self.numbers()] if shapes else []

    def numbers(self) -> list[str]:
        """Lines that make numbers of Python such of NumPy, which have what the code asks of arrays."""
        names, kind = self.schedule.names, dtype(self.schedule.precision)
        scalars = {
            name for name, rank in self.plan.program.ranks.items() if not rank and name not in self.plan.index_tensors
        }
        real = [names[name] for name in names if name in scalars]
        return [f"{name} = {name} if hasattr({name}, 'dtype') else {kind}({name})" for name in real]

    def check(self, name: Name, shape: str, sizes: str) -> str:
        kind = "iu" if name in self.plan.index_tensors else "fiub" if name in self.plan.labels else "f"
        if self.sizes.known and name not in self.plan.labels:
            kind = self.precisions.get(name, kind)
        return f"fits({self.schedule.names[name]}, {plain_text(str(name))}, {shape}, {sizes}, {kind!r})"

    def head(self) -> list[str]:
        """What stands above the function."""
        parts = ["import numpy as np", *("\n\n" + helper_source(name) for name in self.helpers)]
        if self.constants:
            parts.append("\n\n# what does not depend on the arrays\n" + "\n".join(self.constants))
        return parts

    def quietly(self, lines: list[str]) -> list[str]:
        """Lines of the function, without warnings of what a bracket hides; and the logarithm of a sum of nothing, minus
        infinity, warns of nothing."""
        lines = [line for part in lines for line in part.split("\n")]
        when = '"ignore"' if self.plan.quiet else None if self.sizes.known else self._without_terms()
        return lines if when is None else [f"    with np.errstate(all={when}):", *(f"    {line}" for line in lines)]

    def _without_terms(self) -> str | None:
        """Where a sum whose logarithm is taken may have no terms, when that is so."""
        every = [self.plan.graph.operations[value] for value in self.plan.order]
        read = (ref.value for op in every if op.kind == "map" and op.detail[0] == "log" for ref in op.operands)
        totals = map(self.plan.graph.operations.__getitem__, read)
        sizes = dict.fromkeys(self.sizes.size(total.dims[label]) for total in totals for label in total.summed)
        return f'"ignore" if {" or ".join(f"{size} == 0" for size in sizes)} else None' if sizes else None

    def caution(self) -> list[str]:
        """Where it has just been seen that a bracket hides what is not finite, nothing is presumed for a while."""
        return [f"    if careful.due:\n        return {CAREFUL}"] if self.schedule.presumed else []


def any_size(
    made: Plan,
    precisions: dict[Name, str] | None = None,
    function: str = "step",
    precision: str = "float64",
    given: Collection[Name] | None = None,
) -> Source:
    """The source of a plan for arrays of any sizes.

    ``precisions`` has the dtype of each input; ``precision`` is that of everything else where no input is of floats.
    ``given`` are the inputs that a call has, if not all.  Raises `ExtentError` where nothing tells a size.
    """
    precisions = precisions or {}
    sizes = Asked(made, CALLS, given)
    taken = [*NUMPY.helpers, function]
    scheduler = Scheduler(made, sizes, precisions, precision, Memory.LENT, NUMPY.writes, taken=taken)
    return NumPy(NUMPY, made, scheduler.run(RULES), sizes, precisions, function, scheduler.taken).run()
