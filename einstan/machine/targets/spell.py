"""A schedule as the lines of one function: a line for each call, its equation above it as a comment.

What a call makes for the next one alone stands in it.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING

from einstan.language.term import Name
from einstan.machine.schedule.calls import Array, Call, Number, Operand, Result, Schedule, Seen
from einstan.machine.schedule.sizes import Sizes
from einstan.machine.sizes.spelling import bracketed, comment
from einstan.machine.targets.target import Target, Written

if TYPE_CHECKING:
    from einstan.machine.plan.plan import Plan

INFIX = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/"}


class Speller(ABC):
    """The lines of a function, and what stands above it."""

    infix: Mapping[str, str] = INFIX  # verbs that are operators

    def __init__(
        self,
        target: Target,
        made: Plan,
        schedule: Schedule,
        sizes: Sizes,
        precisions: dict[Name, str],
        function: str,
        taken: set[str],
    ) -> None:
        self.target, self.plan, self.schedule, self.sizes = target, made, schedule, sizes
        self.precisions, self.function, self.taken = precisions, function, taken
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

    @abstractmethod
    def number(self, text: str, call: Call) -> str:
        """A number that a call reads."""

    def seen(self, read: Seen, above: bool = False) -> str:
        text = self.inlined.get(read.array, read.array.text)
        if read.views and not is_atom(text):
            text = f"({text})"
        for view in read.views:
            text = self.target.look(text, view)
            if view.kind in self.target.helpers:
                self.need(view.kind)
        return text

    # ---- calls -------------------------------------------------------------------------------------------------------

    def call(self, call: Call) -> None:
        match call.verb:
            case "delete":
                self.say(call, f"del {self.operand(call.reads[0], call)}")
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
        result = call.result if call.result is not None else call.out.array if call.out is not None else None
        if call.verb.startswith("whole") and len(reads) > 1:
            sums = call.verb == "whole plus"
            reads = [text if is_atom(text) or (sums and k == 0) else f"({text})" for k, text in enumerate(reads)]
            return self.target.text(call.verb, Written(reads, call.detail)).replace("+ -", "- ")
        if self.is_infix(call):
            reads = [text if is_atom(text) else bracketed(text) for text in reads]
            return f"-{reads[0]}" if call.verb == "negative" else f"{reads[0]} {self.infix[call.verb]} {reads[1]}"
        place = self.seen(call.out) if call.out is not None else ""
        precision = result.precision if result is not None else ""
        out = f", out={place}" if place else ""
        text = self.target.text(call.verb, Written(reads, call.detail, out, place, precision))
        for helper in re.findall(r"(?<![\w.])\w+(?=\()", text):
            self.need(helper)
        return text

    @abstractmethod
    def is_infix(self, call: Call) -> bool:
        """Whether a call is an operator."""

    def need(self, helper: str) -> None:
        if helper in self.target.helpers and helper not in self.helpers:
            for other in self.target.needs.get(helper, ()):
                self.need(other)
            self.helpers[helper] = None

    def say(self, call: Call, line: str) -> None:
        lines, indent = (self.constants, "") if call.constant else (self.body, "    ")
        if call.equation and call.equation != self.commented[id(lines)]:
            lines.append(f"{indent}# {comment(call.equation)}")
            self.commented[id(lines)] = call.equation
        lines.append(indent + line)

    # ---- the function ------------------------------------------------------------------------------------------------

    def spelled(self) -> str:
        """The calls, into ``body``; the results, as a tuple."""
        for call in self.schedule.calls:
            self.call(call)
        results = [self.result(result) for result in self.schedule.results]
        return ", ".join(results) + ("," if len(results) == 1 else "")

    @abstractmethod
    def result(self, result: Result) -> str:
        """An output."""

    def signature(self) -> list[str]:
        shown = ", ".join(str(name) for name in self.plan.outputs)
        mesh = ", ".join(f"{count} along {axis}" for axis, count in self.plan.mesh.items())
        parts = f": the parts of one device of a mesh, {mesh}, in a shard_map" if mesh else ""
        doc = quoted(f"Returns ({shown}){parts}.")
        return [f"def {self.function}({', '.join(self.schedule.names.values())}):", f'    """{doc}"""']


def quoted(text: str) -> str:
    return comment(text).replace('"', "'").replace("\\", "/")


def is_atom(text: str) -> bool:
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
