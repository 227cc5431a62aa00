"""PyTorch and JAX: a schedule of values, none of which is written over, as one function of tensors.

What is not finite is looked for by no one: brackets guard by selection, so that every tracer can read the function.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from einstan.language.errors import DataError
from einstan.language.term import Name
from einstan.machine import backends
from einstan.machine.backends.numpy import CALLS, HELPERS, OWN, helper_source
from einstan.machine.schedule.calls import Array, Call, Number, Operand, Result, Seen, View
from einstan.machine.schedule.rules import RULES
from einstan.machine.schedule.scheduler import Memory, Scheduler
from einstan.machine.schedule.sizes import Asked, Sizes, tuple_of
from einstan.machine.sizes.spelling import bracketed, plain_text
from einstan.machine.targets import jax, torch
from einstan.machine.targets.numpy import NUMPY
from einstan.machine.targets.source import Source
from einstan.machine.targets.spell import INFIX, Speller
from einstan.machine.targets.target import Target, Written

if TYPE_CHECKING:
    from einstan.machine.plan.plan import Plan

FREE_FROM = 1 << 10  # entries from which a value is deleted before the function returns
LESS = {"less": "<", "less_equal": "<=", "greater": ">", "greater_equal": ">=", "equal": "==", "not_equal": "!="}


@dataclass(frozen=True)
class Framework:
    """A library of tensors: its table, and what stands at the head of a function and of the page."""

    name: str
    target: Target
    head: tuple[str, ...]
    begin: Mapping[str, tuple[str, ...]]  # where no tensor tells it, where one does, and where it may be of labels
    full: str
    copy: str
    frees: bool  # whether a name that is read for the last time is deleted: what it holds is memory


@cache
def helpers(name: str) -> dict[str, str]:
    """The text of each function of a module of the backends, without annotations; the module is not imported."""
    text = (Path(backends.__file__).parent / f"{name}.py").read_text(encoding="utf-8")
    lines, found = text.split("\n"), {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef):
            several = [] if node.args.vararg is None else [node.args.vararg]
            for argument in (*node.args.args, *several):
                argument.annotation = None
            first = node.body[0].lineno - 1
            body = lines[first : node.end_lineno]
            found[node.name] = "\n".join([f"def {node.name}({ast.unparse(node.args)}):", *body])
    return found


def framework(module: ModuleType) -> Framework:
    name = module.__name__.rpartition(".")[2]
    target = Target(module.VERBS, module.look, (), {**helpers("common"), **helpers(name)}, module.NEEDS)
    return Framework(name, target, module.HEAD, module.BEGIN, module.FULL, module.COPY, module.FREES)


FRAMEWORKS = {"torch": framework(torch), "jax": framework(jax)}


class Traced(Speller):
    """Lines of a framework: arithmetic by operators, numbers as they are beside a tensor and else as tensors."""

    infix: Mapping[str, str] = {**INFIX, **LESS, "logical_and": "&"}

    def __init__(self, library: Framework, *arguments: object) -> None:
        super().__init__(library.target, *arguments)  # type: ignore[arg-type]
        self.library = library
        self.holds: dict[Array, Set[Array]] = {}  # of what stands in another's text, the arrays that its own text names
        self.last: dict[str, int] = {}  # by name, how many lines there were behind the latest that says it
        self.large: dict[str, bool] = {}

    def call(self, call: Call) -> None:
        """A call, and which line is the last so far to say the names that it reads and makes."""
        read = {array for each in call.reads if isinstance(each, Seen) for array in self.said_by(each.array)}
        super().call(call)
        if call.result in self.inlined:
            self.holds[call.result] = read
        elif call.result is not None:
            read = {*read, call.result}
            self.large[call.result.text] = call.result.entries >= FREE_FROM
        for array in read:
            self.last[array.text] = len(self.body)

    def said_by(self, array: Array) -> Set[Array]:
        """The arrays whose names stand where this one is read: its own, or those in the text that it is."""
        return self.holds[array] if array in self.inlined else {array}

    def freed(self, held: Set[str] = frozenset()) -> list[str]:
        """The lines, with a line behind the last that says a large value which is not returned, nor ``held``."""
        read = [each.read for each in self.schedule.results]
        kept = held | {array.text for each in read if isinstance(each, Seen) for array in self.said_by(each.array)}
        gone: dict[int, list[str]] = {}
        for text, line in self.last.items():
            if self.large.get(text) and text not in kept and line < len(self.body):
                gone.setdefault(line, []).append(text)
        lines: list[str] = []
        for line, text in enumerate(self.body, 1):
            lines += [text, *([f"    del {', '.join(gone[line])}"] if line in gone else [])]
        return lines

    def is_infix(self, call: Call) -> bool:
        return call.verb in self.infix or call.verb == "negative"

    def number(self, text: str, call: Call) -> str:
        if call.verb == "number":
            return text
        if self.is_infix(call) and not all(isinstance(read, Number) for read in call.reads):
            return bracketed(text)
        return self.target.text("number", Written([text], ()))

    def operand(self, read: Operand, call: Call) -> str:
        if isinstance(read, Number) and read.whole and call.verb in LESS:
            return self.number(read.text, call)
        return super().operand(read, call)

    def result(self, result: Result) -> str:
        if isinstance(result.read, Number):
            number = result.read.text
            return self.library.full.format(sizes=tuple_of(result.sizes), number=number)
        text = self.seen(result.read)
        if result.read.array.type != "float":
            text = self.target.look(text, View("cast", (self.schedule.precision,)))
        if result.repeated:
            text = self.target.look(text, View("broadcast", result.sizes))
        return self.library.copy.format(text) if result.copied or result.repeated else text

    def run(self) -> Source:
        results = self.spelled()
        if "plain" in self.library.begin and is_used("plain", "\n".join(self.body)):
            self.need("differentiated")
        if isinstance(self.sizes, Asked):
            self.sizes.refuse_others(self.schedule.precision)
        lines = self.freed() if self.library.frees else self.body
        body = [*self.sizes.lines, *self.begin(results, self.schedule.names), *lines, f"    return {results}"]
        helpers = [f"{self.target.helpers[name]}\n\n" for name in self.helpers]
        if isinstance(self.sizes, Asked):  # sizes are numbers of Python, of which NumPy's functions are taken
            called = dict.fromkeys(each for own in self.sizes.helpers for each in (*NUMPY.needs.get(own, ()), own))
            helpers += [f"{helper_source(name)}\n\n" for name in called if name in HELPERS or name in OWN]
        text = "\n".join(["", "", *helpers, *self.signature(), *body]) + "\n"
        fits, checks = self.target.helpers["fits"], self.checks()
        used = f"{text}{fits}" if checks else text
        text = "\n".join([*(line for line in self.library.head if is_used(line.split()[-1], used)), text])
        return Source(
            text, self.function, tuple(self.schedule.names), self.plan.outputs,
            any_size=not self.sizes.known, signature=tuple(self.signature()), checks=tuple(checks), fits=fits,
        )  # fmt: skip

    def halves(self, later: Sequence[str]) -> tuple[str, tuple[Name, ...]]:
        """Two functions, and which arguments both have: ``forward`` returns as many results as there are ``later``
        arguments, and what the others need of the way there; ``backward``, of the later ones and of that, returns the
        others."""
        plan, count = self.schedule, len(later)
        results, halves = plan.results, plan.halves(count)
        first = {name: text for name, text in plan.names.items() if name not in later}
        names = {str(name): text for name, text in plan.names.items()}
        passed = [array.text for array in halves.passed]
        behind = [*(names.get(name, f"no_{k}") for k, name in enumerate(later)), *passed]
        lines: list[str] = []
        for name, calls, part, arguments in (
            ("forward", halves.first, results[:count], [*first.values()]),
            ("backward", halves.rest, results[count:], [*first.values(), *behind]),
        ):
            plan.calls, plan.results, self.body, self.last = calls, part, [], {}
            self.commented[id(self.body)] = ""
            found = self.spelled()
            body = [*self.begin(found, first), *self.freed({*passed} if name == "forward" else frozenset())]
            end = f"({found}), ({''.join(f'{text}, ' for text in passed)})" if name == "forward" else found
            lines += ["", "", f"def {name}({', '.join(arguments)}):", *body, f"    return {end}"]
        helpers = [f"{self.target.helpers[name]}\n\n" for name in self.helpers]
        return "\n".join([*self.library.head, "", "", *helpers, *lines, ""]), tuple(first)

    def checks(self) -> list[str]:
        """Lines that refuse tensors of other shapes than those of the code, and integers where reals are meant."""
        if isinstance(self.sizes, Asked):
            shapes = self.sizes.checked()
        else:
            values = {name: self.plan.tensors[name].value for name in self.schedule.names}
            shapes = {n: repr(() if v is None else self.plan.shape(v)) for n, v in values.items()}
        found = []
        for name, shape in shapes.items():
            kinds = "i" if name in self.plan.index_tensors else "fib" if name in self.plan.labels else "f"
            found.append(f"fits({self.schedule.names[name]}, {plain_text(str(name))}, {shape}, sizes, {kinds!r})")
        return ["sizes = {}", *found] if found else []

    def begin(self, results: str, names: Mapping[Name, str]) -> list[str]:
        """The dtype and the device of what is made, where something is: those of the floats that are given; what is
        compared alone may be labels."""
        labels = self.plan.labels
        floats = {
            name: text
            for name, text in names.items()
            if self.precisions.get(name, "float").startswith("float") and name not in self.plan.index_tensors
        }
        certain = [text for name, text in floats.items() if name in self.precisions or name not in labels]
        every = [*floats.values()]
        told = {"dtype": certain or every, "device": [*certain, *names.values()], "plain": every}
        used = {name: told[name] for name in self.library.begin if is_used(name, "\n".join([*self.body, results]))}
        found = [
            self.library.begin[name][0 if not texts else 1 if certain or name != "dtype" else 2].format(
                texts[0] if texts else "", self.schedule.precision, all=", ".join(every)
            )
            for name, texts in used.items()
        ]
        return [f"    {', '.join(used)} = {', '.join(found)}"] if used else []


def is_used(name: str, text: str) -> bool:
    """Whether a text has a name, other than as a keyword or an attribute."""
    return re.search(rf"(?<![\w.]){name}\b(?!=)", text) is not None


def traced(
    library: str,
    made: Plan,
    precisions: dict[Name, str] | None = None,
    function: str = "step",
    precision: str = "float64",
    any_size: bool = False,
) -> Source:
    """The source of a plan as a function of tensors of a framework, ``"torch"`` or ``"jax"``."""
    return speller(FRAMEWORKS[library], made, precisions or {}, function, precision, any_size).run()


def in_halves(
    made: Plan, precisions: dict[Name, str], precision: str, later: Sequence[str]
) -> tuple[str, tuple[Name, ...]]:
    """A plan as two functions for PyTorch, see `Traced.halves`, neither of which is differentiated: kernels are called
    without a question."""
    found = FRAMEWORKS["torch"]
    never = replace(found, begin={**found.begin, "plain": ("False", "False")})
    return speller(never, made, precisions, "step", precision, False).halves(later)


def speller(
    found: Framework, made: Plan, precisions: dict[Name, str], function: str, precision: str, any_size: bool
) -> Traced:
    for value in made.order:
        operation = made.graph.operations[value]
        if operation.kind == "map" and f"own_{operation.detail[0]}" in OWN:
            raise DataError(
                f"{operation.detail[0]} is known to NumPy alone",
                inferred="its partials are declared, and its value is a text of NumPy",
                repair="define it in the notation: es.function('f(x) = ...')",
            )
    sizes = Asked(made, CALLS) if any_size else Sizes(made)
    taken = [*found.target.helpers, function, "torch", "jax", "jnp", "dtype", "device"]
    scheduler = Scheduler(made, sizes, precisions, precision, Memory.VALUES, taken=taken)
    return Traced(found, made, scheduler.run(RULES), sizes, precisions, function, scheduler.taken)
