"""logsumexp in a form that never overflows, and what softmax can use of it.

``logsumexp(u)`` is ``m + log Σ exp(u - m)`` with the largest m.  Two expressions next to it are recognised, whatever
program they come from: ``u - logsumexp(u)`` is ``(u - m) - log Σ exp(u - m)``, which keeps its digits where u is large,
and the exponential of that is ``exp(u - m) / Σ exp(u - m)``, which needs no second exponential.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from einstan.calculus.program import Program
from einstan.language.term import MINUS_ONE, ONE, Expr
from einstan.machine.graph.accesses import Accesses
from einstan.machine.graph.builder import Term
from einstan.machine.sizes.operations import Ref


@dataclass(frozen=True)
class Softmax:
    """What a logsumexp left behind: of which value and labels, with ``e = exp(u - m)``, its sum, ``u - m`` and the
    logarithm of the sum."""

    operand: Ref
    kept: tuple[int, ...]
    shifted: int
    exponential: int
    total: int
    log_total: int


class Softmaxes(Accesses):
    """Rules for logsumexp and its neighbours."""

    def __init__(self, program: Program) -> None:
        super().__init__(program)
        self.softmaxes: dict[int, Softmax] = {}  # by the value of the logsumexp
        self.bounded: set[int] = set()  # values that are finite, although exponentials and quotients are not
        self.log_softmaxes: dict[int, Ref] = {}  # by value: the softmax it is the logarithm of

    def logsumexp(self, ref: Ref, out: tuple[int, ...]) -> Ref:
        """``m + log Σ exp(u - m)``; what ``exp(u - logsumexp(u))`` can use of it is remembered."""
        top = self.add("reduce", "max of all", (ref,), out)
        shifted = self.map(("add", (ONE, MINUS_ONE)), (ref, top))
        exponential = self.map(("exp",), (shifted,))
        total = self.add("contract", 1, (exponential,), out)
        log_total = self.map(("log",), (total,))
        result = self.map(("add", (ONE, ONE)), (top, log_total))
        self.bounded |= {exponential.value, log_total.value}
        kept = tuple(ref.labels.index(label) for label in result.labels)
        self.softmaxes[result.value] = Softmax(
            Ref(ref.value, ref.labels), kept, shifted.value, exponential.value, total.value, log_total.value
        )
        return result

    def log_softmax(self, parts: list[tuple[Expr, Ref]]) -> tuple[Ref, list[tuple[Expr, Ref]]] | None:
        """``u - logsumexp(u)`` is ``(u - m) - log Σ exp(u - m)``, which loses no digits where u is large."""
        for number, (coefficient, ref) in enumerate(parts):
            known = self.softmaxes.get(ref.value) if coefficient is MINUS_ONE else None
            if known is None:
                continue
            rest = parts[:number] + parts[number + 1 :]
            for taken, labels in self.occurrences(known, ref, rest):
                result = self.map(
                    ("add", (ONE, MINUS_ONE)), (Ref(known.shifted, labels), Ref(known.log_total, ref.labels))
                )
                exponential, total = Ref(known.exponential, labels), Ref(known.total, ref.labels)
                softmax = self.add("contract", 1, (exponential, total), labels)
                self.bounded.add(softmax.value)
                self.log_softmaxes[result.value] = Ref(softmax.value, tuple(result.labels.index(x) for x in labels))
                return result, [part for n, part in enumerate(rest) if n not in taken]
        return None

    def occurrences(
        self, known: Softmax, ref: Ref, rest: list[tuple[Expr, Ref]]
    ) -> Iterable[tuple[set[int], tuple[int, ...]]]:
        """The terms that make up u, as one term or as the terms of a sum, with labels that fit the logsumexp."""
        kept = dict(zip(known.kept, ref.labels, strict=True))

        def fits(labels: tuple[int, ...]) -> bool:
            return len(set(labels)) == len(labels) and all(labels[k] == label for k, label in kept.items())

        for number, (coefficient, part) in enumerate(rest):
            whole = self.scaled(Term(coefficient, part))
            if whole.value == known.operand.value and fits(whole.labels):
                yield {number}, whole.labels
        operation = self.graph.operations[known.operand.value]
        if operation.kind == "map" and operation.detail[0] == "add":
            wanted = list(zip(operation.detail[1], operation.operands, strict=True))
            for start in range(len(rest)):
                part_of = rest[start : start + len(wanted)]
                if len(part_of) < len(wanted):
                    return
                names: dict[int, int] = {}
                matches = all(
                    c == d and w.value == r.value and all(map(_consistent(names), w.labels, r.labels))
                    for (c, w), (d, r) in zip(wanted, part_of, strict=True)
                )
                labels = tuple(names.get(label, -1) for label in operation.out)
                if matches and fits(labels):
                    yield set(range(start, start + len(wanted))), labels

    def softmax(self, logarithm: Ref) -> Term:
        found = self.log_softmaxes[logarithm.value]
        return Term(ONE, Ref(found.value, tuple(logarithm.labels[k] for k in found.labels)))


def _consistent(names: dict[int, int]) -> Callable[[int, int], bool]:
    """Whether a label of a pattern always stands for the same label."""
    return lambda old, new: names.setdefault(old, new) == new
