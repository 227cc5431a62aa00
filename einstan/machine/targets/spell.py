"""A schedule as the source of one function: a line for each call, its equation above it as a comment.

What a call makes for the next one alone stands in it.  Where memory is laid out, ``prepare()`` makes the block and all
views of it, and returns the function that works there; two calls at one time need two of them.  Results are arrays of
their own, unless they are asked for in memory that a later call writes again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from einstan.language.term import Name
from einstan.machine.backends.numpy import CALLS, HELPERS, OWN, helper_source
from einstan.machine.guards import compared_alone
from einstan.machine.plan import Plan
from einstan.machine.schedule.calls import Array, Call, Number, Operand, Result, Schedule, Seen
from einstan.machine.schedule.rules import RULES
from einstan.machine.schedule.scheduler import BLAS, Memory, Scheduler
from einstan.machine.schedule.sizes import Asked, Sizes, tuple_of
from einstan.machine.spelling import bracketed, comment, identifier, plain_text
from einstan.machine.targets.numpy import NUMPY, dtype
from einstan.machine.targets.target import Target, Written

CAREFUL = "careful(...)"  # the call, before it is known which arguments there are
NAMED = {"0": "zero", "1": "one"}  # numbers that read better as words
INFIX = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/"}


@dataclass
class Source:
    """Generated code, and what its function takes and returns."""

    text: str
    function: str
    arguments: tuple[Name, ...]
    results: tuple[Name, ...]
    memory: int = 0  # bytes that a call writes to beside its results; prepare() makes them
    prepares: bool = False
    any_size: bool = False  # whether the code is that of arrays of other sizes too
    presumes: bool = False  # whether it calls ``careful`` with its arguments, where a bracket hides what is not finite
    contiguous: bool = False  # whether it takes arrays that lie in one piece alone
    views: frozenset[str] = frozenset()  # names that prepare() binds to views of its memory
    measured: int | None = None  # bytes that a call of it was seen to hold at its peak
    signature: tuple[str, ...] = ()  # the lines that begin the function
    checks: tuple[str, ...] = ()  # lines that refuse arrays which the code was not made for

    def exported(self) -> str:
        """The code for somebody else to run: it refuses arrays that it was not made for."""
        lines = self.text.split("\n")
        at = next(k for k, line in enumerate(lines) if line.strip() == self.signature[0])
        indent = lines[at][: -len(self.signature[0])] + "    "
        behind = at + len(self.signature)
        lines[behind:behind] = [indent + check for check in self.checks]
        top = next(k for k, line in enumerate(lines) if line in ("def prepare():", self.signature[0]))
        lines[top:top] = [*helper_source("fits").split("\n"), "", ""] if self.checks else []
        return "\n".join(lines)


class Speller:
    """The lines of a function, and what stands above it."""

    def __init__(
        self, made: Plan, schedule: Schedule, sizes: Sizes, precisions: dict[Name, str], function: str, taken: set[str]
    ) -> None:
        self.plan, self.schedule, self.sizes = made, schedule, sizes
        self.precisions, self.function, self.taken = precisions, function, taken
        self.target: Target = NUMPY
        self.helpers: dict[str, None] = {}
        self.constants: list[str] = []
        self.body: list[str] = []
        self.commented = {id(self.constants): "", id(self.body): ""}  # the equation of the latest line
        self.inlined: dict[Array, str] = {}
        self.once = schedule.read_once()

    # ---- operands ----------------------------------------------------------------------------------------------------

    def operand(self, read: Operand, call: Call) -> str:
        if isinstance(read, Number):
            return read.text if read.whole else self.number(read.text, call)
        return self.seen(read, call.constant)

    def number(self, text: str, call: Call) -> str:
        return text

    def seen(self, read: Seen, above: bool = False) -> str:
        text = self.inlined.get(read.array, read.array.text)
        for k, view in enumerate(read.views):
            if k == 0 and not _is_atom(text):
                text = f"({text})"
            text = self.target.look(text, view)
            if view.kind == "window":
                self.helpers["window"] = None
        return text

    # ---- calls -------------------------------------------------------------------------------------------------------

    def call(self, call: Call) -> None:
        match call.verb:
            case "delete":
                self.say(call, f"del {self.operand(call.reads[0], call)}")
            case "look":
                self.look(call)
            case "view":
                self.view(call)
            case _ if call.result is None:
                self.say(call, self.text(call))
            case _:
                self.bind(call, self.text(call))

    def view(self, call: Call) -> None:
        self.bind(call, self.operand(call.reads[0], call))

    def bind(self, call: Call, text: str) -> None:
        assert call.result is not None
        if call.result in self.once:
            self.inlined[call.result] = text
        elif text != call.result.text:
            self.say(call, f"{call.result.text} = {text}")

    def text(self, call: Call) -> str:
        reads = [self.operand(read, call) for read in call.reads]
        place = self.seen(call.out) if call.out is not None else ""
        result = call.result if call.result is not None else call.out.array if call.out is not None else None
        if call.verb.startswith("whole") and len(reads) > 1:
            sums = call.verb == "whole plus"
            reads = [text if _is_atom(text) or (sums and k == 0) else f"({text})" for k, text in enumerate(reads)]
            return self.target.text(call.verb, Written(reads, call.detail)).replace("+ -", "- ")
        if self.is_infix(call) and result is not None:
            reads = [bracketed(text) if not _is_atom(text) else text for text in reads]
            return f"-{reads[0]}" if call.verb == "negative" else f"{reads[0]} {INFIX[call.verb]} {reads[1]}"
        out = f", out={place}" if place else ""
        written = Written(reads, call.detail, out, place, result.precision if result is not None else "")
        text = self.target.text(call.verb, written)
        self.need(re.match(r"\w*", text)[0])  # type: ignore[index]
        if "inside(" in text:
            self.need("inside")
        if "initial=LOWEST" in text:
            self.lowest(call.detail[2])
        return text

    def is_infix(self, call: Call) -> bool:
        """Whether a call is an operator: where there are no axes, arithmetic is faster than a ufunc."""
        if call.verb not in INFIX and call.verb != "negative":
            return False
        result = call.result
        numbers = all(isinstance(read, Number) for read in call.reads)
        return result is not None and call.out is None and not result.rank and not numbers and not call.constant

    def need(self, helper: str) -> None:
        if helper in self.target.helpers or helper in OWN:
            for other in self.target.needs.get(helper, ()):
                self.helpers[other] = None
            self.helpers[helper] = None

    def lowest(self, precision: str) -> None:
        """The smallest finite number: below every logit, so that the largest of nothing, or of -inf, is finite."""
        line = f"LOWEST_{precision[5:]} = np.finfo({dtype(precision)}).min"
        if line not in self.constants:
            self.constants.insert(0, line)

    def say(self, call: Call, line: str) -> None:
        lines, indent = (self.constants, "") if call.constant else (self.body, "    ")
        if call.equation and call.equation != self.commented[id(lines)]:
            lines.append(f"{indent}# {comment(call.equation)}")
            self.commented[id(lines)] = call.equation
        lines.append(indent + line)

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

    # ---- results -----------------------------------------------------------------------------------------------------

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
        for call in self.schedule.calls:
            self.call(call)
        results = [self.result(result) for result in self.schedule.results]
        return self.assembled(", ".join(results) + ("," if len(results) == 1 else ""))

    def assembled(self, results: str) -> Source:
        if isinstance(self.sizes, Asked):
            self.sizes.refuse_others(self.schedule.precision)
            for helper in self.sizes.helpers:
                self.need(helper)
        body = self.quietly([*self.body, f"    return {results}"])
        function = [*self.signature(), *self.sizes.lines, *self.caution(), *body]
        made = self.source([*self.head(), "\n\n" + "\n".join(function)])
        made.any_size = not self.sizes.known
        return made

    def source(self, parts: list[str], memory: int = 0, prepares: bool = False) -> Source:
        given = ", ".join(self.schedule.names.values())
        text = "\n".join(parts).replace(CAREFUL, f"careful({given})") + "\n"
        return Source(
            text, self.function, tuple(self.schedule.names), self.plan.outputs, memory, prepares,
            signature=tuple(self.signature()), checks=tuple(self.checks()), presumes=self.schedule.presumed,
        )  # fmt: skip

    def checks(self) -> list[str]:
        """Lines that refuse arrays of other shapes than those of the plan."""
        if isinstance(self.sizes, Asked):
            shapes = self.sizes.checked()
            return ["sizes = {}", *(self.check(name, shape, "sizes") for name, shape in shapes.items())] * bool(shapes)
        return [self.check(name, repr(self.plan.extents.shape(name)), "{}") for name in self.schedule.names]

    def check(self, name: Name, shape: str, sizes: str) -> str:
        labels = compared_alone(self.plan.program.equations)
        kind = "iu" if name in self.plan.index_tensors else "fiub" if name in labels else "f"
        kind = self.precisions.get(name, kind) if self.sizes.known else kind
        return f"fits({self.schedule.names[name]}, {plain_text(str(name))}, {shape}, {sizes}, {kind!r})"

    def head(self) -> list[str]:
        """What stands above the function."""
        parts = ["import numpy as np", *("\n\n" + helper_source(name) for name in self.helpers)]
        if self.constants:
            parts.append("\n\n# what does not depend on the arrays\n" + "\n".join(self.constants))
        return parts

    def signature(self) -> list[str]:
        shown = ", ".join(str(name) for name in self.plan.outputs)
        doc = quoted(f"Returns ({shown}).")
        return [f"def {self.function}({', '.join(self.schedule.names.values())}):", f'    """{doc}"""']

    def quietly(self, lines: list[str]) -> list[str]:
        """Lines of the function, without warnings of what a bracket hides; and the logarithm of a sum of nothing, minus
        infinity, warns of nothing."""
        lines = [line for part in lines for line in part.split("\n")]
        when = '"ignore"' if self.plan.quiet else self._empty() if not self.sizes.known else None
        if when is None:
            return lines
        return [f"    with np.errstate(all={when}):", *(f"    {line}" for line in lines)]

    def _empty(self) -> str | None:
        """When a sum whose logarithm is taken has no terms."""
        operations = self.plan.graph.operations
        logarithms = (op for op in map(operations.__getitem__, self.plan.order) if op.kind == "map" and op.detail[0] == "log")
        totals = (operations[ref.value] for op in logarithms for ref in op.operands)
        sizes = dict.fromkeys(self.sizes.size(total.dims[label]) for total in totals for label in total.summed)
        return f'"ignore" if {" or ".join(f"{size} == 0" for size in sizes)} else None' if sizes else None

    def caution(self) -> list[str]:
        """Where it has just been seen that a bracket hides what is not finite, nothing is presumed for a while."""
        return [f"    if careful.due:\n        return {CAREFUL}"] if self.schedule.presumed else []


class LaidOut(Speller):
    """The same with memory laid out: numbers are held in the precision of the arrays, and views are made once."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.literals: dict[str, str] = {}
        self.view_lines: list[str] = []
        self.looked: dict[str, str] = {}  # views of the block: their names
        self.bound: set[str] = set()  # names that prepare() binds to views of the block

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
        assert result is not None and isinstance(read, Seen)
        if not result.fixed or result.constant:
            super().view(call)
            return
        text = Speller.seen(self, read)
        self.hoist(result.text, self.looked.get(text, text), read.array)
        self.looked.setdefault(text, result.text)

    def text(self, call: Call) -> str:
        if call.verb == "dot" and not call.constant:  # the method is called with less ado than the function
            left, right = (self.operand(read, call) for read in call.reads)
            return f"{left}.dot({right}{f', {self.seen(call.out)}' if call.out else ''})"
        if call.verb == "select" and call.result is not None and not call.result.rank and not call.constant:
            seen, held = (self.operand(read, call) for read in call.reads)
            return f"({held} if {seen} else {dtype(call.detail[0])}(0))"
        return super().text(call)

    def assembled(self, results: str) -> Source:
        lines: list[str] = []
        total = 0
        kept = self.schedule.kept
        for arena in (self.schedule.arena, kept):
            if arena is kept:
                for buffer in arena.buffers:
                    buffer.first, buffer.last = 0, len(self.plan.order) + 1
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

    def head(self) -> list[str]:
        parts = super().head()
        before = [f"{call.result.text} = {self.text(call)}" for call in self.schedule.before if call.result]
        numbers = [f"{name} = {line}" for line, name in self.literals.items()]
        if before or numbers:
            parts.insert(len(parts) - bool(self.constants), "\n\n" + "\n".join([*numbers, *before]))
        return parts

    def signature(self) -> list[str]:
        lines = super().signature()
        given = [
            f"{text} {self.plan.extents.shape(name)} {self.precisions.get(name, self.schedule.precision)}"
            for name, text in self.schedule.names.items()
        ]
        shapes = quoted("; ".join(given))
        return [*lines[:-1], lines[-1].removesuffix('"""'), *([f"    Takes {shapes}."] if given else []), '    """']


def quoted(text: str) -> str:
    return comment(text).replace('"', "'").replace("\\", "/")


def _is_atom(text: str) -> bool:
    """Whether an expression can be followed by a bracket or stand beside an operator: a name or a number, or what is
    closed by its last bracket."""
    if re.fullmatch(r"[\w.]+", text):
        return True
    depth = 0
    for letter in re.sub(r"'(?:\\.|[^'\\])*'|\"[^\"]*\"", "", text):
        depth += (letter in "([") - (letter in ")]")
        if depth == 0 and letter in " +-*/%":
            return False
    return True


# ---- from a plan to source -------------------------------------------------------------------------------------------


def any_size(
    made: Plan, precisions: dict[Name, str] | None = None, function: str = "step", precision: str = "float64"
) -> Source:
    """The source of a plan for arrays of any sizes: every size is read from the arrays, or computed from those that
    are.  ``precisions`` has the dtype of each input; ``precision`` is that of everything else where no input is of
    floats.  Raises `ExtentError` where nothing tells a size."""
    precisions = precisions or {}
    sizes = Asked(made, CALLS)
    scheduler = Scheduler(made, sizes, precisions, precision, Memory.LENT, NUMPY.writes, taken=[*HELPERS, function])
    schedule = scheduler.run(RULES)
    return Speller(made, schedule, sizes, precisions, function, scheduler.taken).run()


def specialised(
    made: Plan,
    precisions: dict[Name, str],
    function: str = "step",
    precision: str = "float64",
    *,
    reuse_buffers: bool = False,
) -> Source:
    """The source of a plan for arrays of these shapes and dtypes, with its memory laid out."""
    sizes = Sizes(made)
    scheduler = Scheduler(
        made, sizes, precisions, precision, Memory.BLOCK, NUMPY.writes, reuse_buffers, [*HELPERS, function]
    )
    schedule = scheduler.run(RULES)
    return LaidOut(made, schedule, sizes, precisions, function, scheduler.taken).run()
