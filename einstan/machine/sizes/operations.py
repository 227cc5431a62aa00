"""Single operations, each built once: the small language between equations and source code.

An operation reads earlier values and makes one.  Its axes carry *labels*, small integers that are local to it, so that
``exp(X[n,k])`` in one equation and ``exp(X[i,j])`` in another are one operation.
What there are is the table `KINDS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from einstan.language.term import Equation, Expr, Indexed, Name
from einstan.language.threads import cached_property
from einstan.machine.sizes.exchanges import Part

Labels = tuple[int, ...]

KINDS = {
    "input": "a tensor that is given",
    "number": "a number that sizes determine",
    "map": "an elementwise function, operands aligned by label (`add` with a number for each; `select` by a mask)",
    "contract": "a product of operands summed over the labels that the result does not have; some may be divisors",
    "reduce": "max, min, prod along labels",
    "scan": "sums, products or the largest of all entries up to each, or products of all others: a label for another",
    "iota": "0, 1, 2, ... along a label, as positions or as a number",
    "form": "an integer-affine form of labels and values",
    "whole": "a quotient of integers rounded down, a remainder or a product",
    "read": "affine reads and gathers",
    "diagonal": "a repeated label",
    "embed": "zeros with a diagonal",
    "gram": "a symmetric product: a half, its mirror image, and perhaps weights",
    "grams": "a symmetric product for each leading index of the weights",
    "scatter": "the transpose of a gather",
    "expand": "broadcast along labels that the operand lacks",
    "linked": "a contraction whose labels are also tied by index arithmetic, `p = 2h + r`; sizes decide how it is done",
    "overlap": "the transpose of an affine read: entries added where a form says",
    "copy": "contiguous memory",
    "split": "an axis in blocks, zeros behind the last",
    "join": "blocks as one axis, cut at its end",
    "sliced": "a part of the graph, computed block by block along one label",
    "exchange": "what devices of a mesh send each other of their parts of a value, or their own part of a whole one",
    "kernel": "what a framework computes by one call, perhaps several values at once",
    "part": "one of the values of a kernel",
}


class Ref(NamedTuple):
    """A value, with a label on each of its axes."""

    value: int
    labels: Labels

    def renamed(self, names: dict[int, int]) -> Ref:
        return Ref(self.value, tuple(names.get(label, label) for label in self.labels))


class Form(NamedTuple):
    """An integer-affine form over labels, operands (by number; while a graph is made, what guards holds them with their
    labels), extents of dimensions, and a constant."""

    labels: tuple[tuple[int, int], ...]
    values: tuple[tuple[Any, int], ...]
    extents: tuple[tuple[str, int], ...]
    constant: int

    def renamed(self, names: dict[int, int]) -> Form:
        total: dict[int, int] = {}
        for label, k in self.labels:
            total[names[label]] = total.get(names[label], 0) + k
        return self._replace(labels=tuple(sorted((label, k) for label, k in total.items() if k)))

    @property
    def label(self) -> int | None:
        """The label, if the form is that label and nothing else."""
        plain = len(self.labels) == 1 and self.labels[0][1] == 1 and not (self.values or self.extents or self.constant)
        return self.labels[0][0] if plain else None


def combined(parts: Iterable[tuple[Form, int]], constant: int = 0) -> Form:
    """The sum of forms with coefficients."""
    totals: tuple[dict[Any, int], dict[Any, int], dict[Any, int]] = ({}, {}, {})
    for form, k in parts:
        constant += k * form.constant
        for total, terms in zip(totals, form[:3], strict=True):
            for atom, c in terms:
                total[atom] = total.get(atom, 0) + k * c
    groups = [tuple(sorted((atom, k) for atom, k in total.items() if k)) for total in totals]
    return Form(groups[0], groups[1], groups[2], constant)


def plain(label: int) -> Form:
    """The form that is a label and nothing else."""
    return Form(((label, 1),), (), (), 0)


def put(form: Form, label: int, value: Form) -> Form:
    """A form with another form in the place of a label."""
    k = dict(form.labels).get(label, 0)
    return combined(((form, 1), (plain(label), -k), (value, k))) if k else form


@dataclass(frozen=True)
class Reading:
    """What a read needs besides its operands: a form per axis, what is known not to be negative, and what stands
    outside: ``fill`` is 0 where a bracket was dropped because the zero does its work, else 1, which every function
    takes without a warning (a bracket multiplies it by zero afterwards)."""

    slots: tuple[Form, ...]
    guards: tuple[Form, ...]
    fill: int
    access: Indexed = field(compare=False)
    equation: Equation = field(compare=False)
    order: tuple[int, ...] = field(compare=False)  # the slot that each axis of the value is
    part: Part | None = None  # on a mesh: the axis of which a device has a part alone

    @property
    def forms(self) -> tuple[Form, ...]:
        return (*self.slots, *self.guards)

    def turned(self, axes: Sequence[int]) -> Reading:
        """The same read of a value whose axes have another order: each is what this one of them was."""
        return replace(self, slots=tuple(self.slots[a] for a in axes), order=tuple(self.order[a] for a in axes))

    def renamed(self, names: dict[int, int]) -> Reading:
        return Reading(
            tuple(f.renamed(names) for f in self.slots),
            tuple(f.renamed(names) for f in self.guards),
            self.fill,
            self.access,
            self.equation,
            self.order,
            self.part,
        )


@dataclass(frozen=True)
class Linked:
    """A product of which only the terms count where every form is zero; the first ``numerators`` operands multiply."""

    numerators: int
    forms: tuple[Form, ...]
    equation: Equation = field(compare=False)

    def renamed(self, names: dict[int, int]) -> Linked:
        return Linked(self.numerators, tuple(form.renamed(names) for form in self.forms), self.equation)


@dataclass(frozen=True)
class Overlap:
    """Where entries are added: a form over the labels of the operand for every axis of the result."""

    forms: tuple[Form, ...]

    def renamed(self, names: dict[int, int]) -> Overlap:
        return Overlap(tuple(form.renamed(names) for form in self.forms))


class Kernel(NamedTuple):
    """A call of a framework: its ``name``, numbers that it takes, and the labels of each operand in the order in which
    the call has its axes."""

    name: str
    options: tuple[Any, ...]
    orders: tuple[Labels, ...]


@dataclass(frozen=True)
class Operation:
    kind: str
    detail: Any
    operands: tuple[Ref, ...]
    out: Labels
    dims: tuple[str, ...]  # of each local label
    equation: str = field(default="", compare=False)
    letters: tuple[str, ...] = field(default=(), compare=False)  # how the equation spells each local label

    @property
    def out_dims(self) -> tuple[str, ...]:
        return tuple(self.dims[label] for label in self.out)

    @cached_property
    def summed(self) -> Labels:
        seen = dict.fromkeys(label for operand in self.operands for label in operand.labels)
        return tuple(label for label in seen if label not in self.out)


class Graph:
    """Operations in order; adding one that exists finds it."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self._number: dict[Operation, int] = {}

    def add(
        self,
        kind: str,
        detail: Any,
        operands: Sequence[Ref],
        out: Sequence[int],
        space: Callable[[int], tuple[str, str]],
        equation: str = "",
    ) -> Ref:
        """The value of an operation whose labels are the caller's; they are renamed in order of occurrence.

        ``space(label)`` is the dimension of a label, and the letter that the equation has for it.
        """
        names: dict[int, int] = {}
        for label in (*(label for operand in operands for label in operand.labels), *out):
            names.setdefault(label, len(names))
        if isinstance(detail, Form | Reading | Linked | Overlap):
            for form in (detail,) if isinstance(detail, Form) else detail.forms:
                for label, _ in form.labels:
                    names.setdefault(label, len(names))
            detail = detail.renamed(names)
        operation = Operation(
            kind,
            detail,
            tuple(operand.renamed(names) for operand in operands),
            tuple(names[label] for label in out),
            tuple(space(label)[0] for label in names),
            equation,
            tuple(space(label)[1] for label in names),
        )
        number = self._number.setdefault(operation, len(self.operations))
        if number == len(self.operations):
            self.operations.append(operation)
        return Ref(number, tuple(out))

    def each(self, rule: Callable[[Operation, list[Operation]], Operation]) -> Graph:
        """The graph with what a rule makes of each operation and of those that it reads; axes keep their order."""
        made = Graph()
        for operation in self.operations:
            made.operations.append(rule(operation, [made.operations[ref.value] for ref in operation.operands]))
        return made

    def dims(self, value: int) -> tuple[str, ...]:
        return self.operations[value].out_dims

    def type(self, value: int) -> str:
        """``bool`` for comparisons, ``int`` for positions, ``number`` for a scalar of sizes, else ``float``."""
        operation = self.operations[value]
        if operation.kind == "map":
            return "bool" if operation.detail[0] in COMPARISONS else "float"
        if operation.kind == "iota":
            return "float" if operation.detail == "number" else "int"
        if operation.kind in ("diagonal", "expand", "copy", "exchange"):
            held = self.type(operation.operands[0].value)
            return "float" if held == "number" else held
        return {"form": "int", "whole": "int", "number": "number"}.get(operation.kind, "float")

    def needed(self, roots: Iterable[int]) -> set[int]:
        """The values that the roots need, themselves included."""
        found: set[int] = set()
        stack = list(roots)
        while stack:
            value = stack.pop()
            if value not in found:
                found.add(value)
                stack.extend(operand.value for operand in self.operations[value].operands)
        return found


class Scan(NamedTuple):
    """What a scan makes at each position: a ufunc of all entries up to there, or from there on (``backwards``); with
    ``strict`` that one is left out."""

    ufunc: str
    backwards: bool = False
    strict: bool = False


OTHERS = Scan("others")  # the product of all entries but that one

COMPARISONS = {"<": "less", "<=": "less_equal", ">": "greater", ">=": "greater_equal", "==": "equal", "!=": "not_equal",
               "and": "logical_and"}  # fmt: skip


def is_select(operation: Operation) -> bool:
    """Whether an operation takes what a bracket selects, entry by entry."""
    return operation.kind == "map" and bool(operation.detail[0] == "select")


@dataclass(frozen=True)
class Stored:
    """Where a tensor's entries are: a number times a value whose axes are some of the tensor's slots.

    ``slots[k]`` is the axis of the value that slot k reads, or None where the tensor does not depend on slot k.
    """

    coefficient: Expr | None
    value: int | None
    slots: tuple[int | None, ...]
    dims: tuple[str, ...]


@dataclass(frozen=True)
class Nonzero:
    """A number of sizes that must not be zero, or a part of an equation has no value: the sizes that a mean is taken
    over, or a divisor.  Where the left side has no entries, nothing is divided."""

    number: Expr
    part: Expr
    equation: Equation
    sizes: tuple[tuple[str, str], ...]  # how the equation spells each extent, without bars, and its dimension
    unless: tuple[str, ...] = ()  # the dimensions of a left side


@dataclass
class Flat:
    """A program as single operations: the graph, and where each tensor and each output is."""

    graph: Graph
    tensors: dict[Name, Stored]
    outputs: tuple[Name, ...]
    index_tensors: dict[Name, set[str]]  # tensors of integers, and the axes (``E.0``) that they index
    nonzero: list[Nonzero]  # what sizes must satisfy
    sized: tuple[Name, ...] = ()  # tensors of which only the sizes are read
    wanted: frozenset[Name] = frozenset()  # what the outputs need
    presumed: frozenset[int] = frozenset()  # products that are right as long as no entry of theirs is NaN
    quiet: bool = False  # whether what a bracket hides, or the logarithm of a zero weight, may make NumPy warn
    careful: bool = False  # whether nothing is presumed to be finite
    ranges: dict[str, Form] = field(default_factory=dict)  # dimensions of our own: the range of a guarded form


def roots(tensors: Mapping[Name, Stored], outputs: Iterable[Name]) -> list[int]:
    return [value for name in outputs if (value := tensors[name].value) is not None]
