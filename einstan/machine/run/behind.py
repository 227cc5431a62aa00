"""Positions at which the forward program reads a tensor, and what is derived from it does not any more.

``L = E[T[N]]`` reads E at T, its gradient ``dE[p] = δ[T[N],p]`` only compares T with where it is: a label that E does
not have would drop its example without a word.  Such labels are looked at beside the call, those under brackets where
these hold: with ``1[T[N] != -1] E[T[N]]`` a label may be -1 and no other that E does not have.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from math import prod
from typing import Any, NamedTuple

import numpy as np

from einstan.calculus.program import Program
from einstan.language.dims import axis
from einstan.language.index import Affine, Index
from einstan.language.node import Node
from einstan.language.term import Add, Const, Delta, Equation, Expr, Extent, Indexed, Iverson, Mul, Name, Position
from einstan.machine.sizes.guards import index_tensors, is_index_bracket
from einstan.machine.sizes.refusals import outside

Place = tuple[str, Name, int, int]  # an axis, the labels that it is read at, their coefficient and what is added
Array = Any

RELATIONS: dict[str, Callable[[Array, Array], Array]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip


class Label(NamedTuple):
    """``E[T[n]+1]`` in an equation of the forward program, at one of its slots."""

    equation: Equation
    access: Indexed
    position: int
    labels: Indexed
    coefficient: int
    added: int
    brackets: tuple[Expr, ...]

    @property
    def place(self) -> str:
        """The axis that is read."""
        return axis(self.access.tensor, self.position)


def labels_behind(program: Program, forward: Program | None) -> tuple[Label, ...]:
    """The labels among the inputs of a program at which the forward program reads, and the program itself does not read
    without a bracket."""
    if forward is None:
        return ()
    read = {_place(label) for equation in program for label in _labels(equation) if not label.brackets}
    found = {(_place(label), label.brackets): label for equation in forward for label in _labels(equation)}
    inputs = program.ranks.keys() & forward.inputs.keys()
    return tuple(label for (place, _), label in found.items() if place not in read and label.labels.tensor in inputs)


def _place(label: Label) -> Place:
    return label.place, label.labels.tensor, label.coefficient, label.added


def _labels(equation: Equation) -> Iterator[Label]:
    """Every read at labels, with the brackets around it; one of indices is looked at before one of values."""
    stack: list[tuple[Node, tuple[Expr, ...]]] = [(equation.rhs, ())] if index_tensors([equation]) else []
    seen = set(stack)
    integers = index_tensors([equation])
    while stack:
        node, around = stack.pop()
        if isinstance(node, Indexed):
            for position, form in enumerate(node.slots):
                if (atom := _atom(form)) is not None:
                    yield Label(equation, node, position, atom, form.terms[0][1], form.constant, around)
        inside = dict.fromkeys(node.children, around)
        if isinstance(node, Mul):
            brackets = [factor for factor in node.factors if isinstance(factor, Delta | Iverson)]
            first = [bracket for bracket in brackets if is_index_bracket(bracket, integers)]
            for factor in node.factors:
                guards = () if factor in first else first if factor in brackets else brackets
                inside[factor] = (*around, *(guard for guard in guards if guard not in around))
        waiting = [entry for entry in inside.items() if entry not in seen]
        seen.update(waiting)
        stack.extend(reversed(waiting))


def _atom(form: Affine) -> Indexed | None:
    """The labels that are all of a form, apart from whole numbers."""
    if len(form.terms) != 1 or not isinstance(atom := form.terms[0][0], Indexed):
        return None
    letters = [slot.index for slot in atom.slots]
    return atom if None not in letters and len(set(letters)) == len(letters) else None


def refuse_labels(labels: Iterable[Label], given: Mapping[Any, Any], sizes: Mapping[str, int]) -> None:
    """Refuse labels outside of the axes that the forward program reads at them, of which ``sizes`` are known."""
    for label in labels:
        size, values = sizes.get(label.place), np.asarray(given[label.labels.tensor])
        if size is None or not values.size:
            continue
        read = label.coefficient * values.astype(np.int64, copy=False) + label.added
        wrong = (read < 0) | (read >= size)
        if label.brackets and wrong.any():
            wrong &= _hold(label, given, sizes)
        if wrong.any():
            raise outside(label.equation, label.access, label.position, int(read[wrong].flat[0]), size)


# ---- brackets on data ------------------------------------------------------------------------------------------------


def _hold(label: Label, given: Mapping[Any, Any], sizes: Mapping[str, int]) -> Array:
    """Where all brackets around a read hold, by the axes of its labels: nowhere, as far as is known, if one speaks of
    more than is given."""
    letters = {form.index: k for k, form in enumerate(label.labels.slots)}
    shape = np.shape(given[label.labels.tensor])
    known, found = {**sizes, **{index.dim: shape[k] for index, k in letters.items() if index}}, np.ones(shape, bool)

    def value(node: Node) -> Array:
        match node:
            case Const(value=number):
                return float(number) if number.denominator > 1 else int(number)
            case Index() if node in letters:
                place = letters[node]
                return np.arange(shape[place]).reshape([-1 if k == place else 1 for k in range(len(shape))])
            case Position(index=index):
                return value(index)
            case Extent(index=index) if index.dim in known:
                return known[index.dim]
            case Affine(terms=terms, constant=constant):
                return sum((k * value(atom) for atom, k in terms), constant)
            case Add(terms=terms):
                return sum(map(value, terms))
            case Mul(factors=factors):
                return prod(map(value, factors))
            case Indexed(tensor=tensor, slots=slots) if tensor in given and all(f.index in letters for f in slots):
                array, places = np.asarray(given[tensor]), [letters[form.index] for form in slots]
                if len(set(places)) == len(places) and array.shape == tuple(shape[k] for k in places):
                    order = sorted(range(len(places)), key=places.__getitem__)
                    return array.transpose(order).reshape([shape[k] if k in places else 1 for k in range(len(shape))])
        raise LookupError

    for bracket in label.brackets:
        operands = (bracket.left, bracket.right) if isinstance(bracket, Delta) else bracket.operands
        relations = ("==",) if isinstance(bracket, Delta) else bracket.relations
        try:
            sides = list(map(value, operands))
        except LookupError:
            return np.zeros(shape, bool)
        with np.errstate(invalid="ignore"):
            for relation, left, right in zip(relations, sides, sides[1:], strict=False):
                found &= RELATIONS[relation](left, right)
    return found
