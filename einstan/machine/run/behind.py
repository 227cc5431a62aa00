"""Positions at which the forward program reads a tensor, and what is derived from it does not any more.

``L = E[T[N]]`` reads E at T, its gradient ``dE[p] = δ[T[N],p]`` only compares T with where it is: a label that E does
not have would drop its example without a word.  Such labels are looked at beside the call.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from einstan.calculus.program import Program
from einstan.language.dims import axis, unguarded_quotients
from einstan.language.index import Affine
from einstan.language.node import preorder
from einstan.language.term import Equation, Indexed, Name
from einstan.machine.sizes.refusals import outside

Place = tuple[str, Name, int, int]  # an axis, the labels that it is read at, their coefficient and what is added


class Label(NamedTuple):
    """``E[T[n]+1]`` in an equation of the forward program, at one of its slots."""

    equation: Equation
    access: Indexed
    position: int
    labels: Name
    coefficient: int
    added: int

    @property
    def place(self) -> str:
        """The axis that is read."""
        return axis(self.access.tensor, self.position)


def labels_behind(program: Program, forward: Program | None) -> tuple[Label, ...]:
    """The labels among the inputs of a program at which the forward program reads without a bracket that guards, and
    the program itself does not."""
    if forward is None:
        return ()
    read = {_place(label) for equation in program for label in _labels(equation)}
    found = {_place(label): label for equation in forward for label in _labels(equation)}
    inputs = program.ranks.keys() & forward.inputs.keys()
    return tuple(label for place, label in found.items() if place not in read and label.labels in inputs)


def _place(label: Label) -> Place:
    return label.place, label.labels, label.coefficient, label.added


def _labels(equation: Equation) -> Iterator[Label]:
    forms = {(place, form) for _, place, form, _ in unguarded_quotients(equation)}
    for node in preorder(equation.rhs) if forms else ():
        if not isinstance(node, Indexed):
            continue
        for position, form in enumerate(node.slots):
            if (axis(node.tensor, position), form) in forms and (atom := _atom(form)) is not None:
                yield Label(equation, node, position, atom.tensor, form.terms[0][1], form.constant)


def _atom(form: Affine) -> Indexed | None:
    """The labels that are all of a form, apart from whole numbers."""
    if len(form.terms) != 1 or not isinstance(atom := form.terms[0][0], Indexed):
        return None
    return atom if all(slot.index is not None for slot in atom.slots) else None


def refuse_labels(labels: Iterable[Label], given: Mapping[Any, Any], sizes: Mapping[str, int]) -> None:
    """Refuse labels outside of the axes that the forward program reads at them, of which ``sizes`` are known."""
    for label in labels:
        size, values = sizes.get(label.place), np.asarray(given[label.labels])
        if size is None or not values.size:
            continue
        read = label.coefficient * values.astype(np.int64, copy=False) + label.added
        wrong = read[(read < 0) | (read >= size)]
        if wrong.size:
            raise outside(label.equation, label.access, label.position, int(wrong.flat[0]), size)
