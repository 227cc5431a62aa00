"""Positions at which the forward program reads a tensor, and what is derived from it does not any more.

``L = E[T[N]]`` reads E at T, its gradient ``dE[p] = δ[T[N],p]`` only compares T with where it is: a label that E does
not have would drop its example without a word.  Such labels are looked at beside the call, and what is added to them
or taken from an extent, ``E[|E.0|-1-T[N]]``; those under brackets where these hold: with ``1[T[N] != -1] E[T[N]]`` a
label may be -1 and no other that E does not have.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

from einstan.calculus.program import Program
from einstan.language.dims import axis
from einstan.language.errors import ExtentError
from einstan.language.index import Affine, Arithmetic, Index
from einstan.language.node import Node, preorder
from einstan.language.term import Add, Const, Delta, Equation, Expr, Extent, Indexed, Iverson, Mul, Name, Position
from einstan.machine.backends.arrays import np
from einstan.machine.sizes.guards import index_tensors, is_index_bracket
from einstan.machine.sizes.inference import infer
from einstan.machine.sizes.refusals import outside

Place = tuple[Any, ...]  # an axis and what it is read at
Array = Any

RELATIONS: dict[str, Callable[[Array, Array], Array]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip
ARITHMETIC: dict[str, Callable[[Array, Array], Array]] = {"floor": operator.floordiv, "mod": operator.mod}


class Label(NamedTuple):
    """``E[T[n]+1]`` in an equation of the forward program, at one of its slots."""

    equation: Equation
    access: Indexed
    position: int
    brackets: tuple[Expr, ...]

    @property
    def place(self) -> str:
        """The axis that is read."""
        return axis(self.access.tensor, self.position)

    @property
    def form(self) -> Affine:
        """What it is read at."""
        return self.access.slots[self.position]

    @property
    def tensors(self) -> set[Name]:
        """The tensors that hold the labels."""
        return {node.tensor for node in preorder(self.form) if isinstance(node, Indexed)}

    @property
    def spoken(self) -> set[Name]:
        """The tensors that are looked at, those of brackets among them."""
        within = (node for bracket in self.brackets for node in preorder(bracket))
        return self.tensors | {node.tensor for node in within if isinstance(node, Indexed)}

    @property
    def extents(self) -> set[str]:
        """The dimensions of which the sizes have a part in it."""
        nodes = (node for part in (self.form, *self.brackets) for node in preorder(part))
        return {self.place, *(node.dim for node in nodes if isinstance(node, Index))}


def labels_behind(program: Program, forward: Program | None) -> tuple[Label, ...]:
    """The labels among the inputs of a program at which the forward program reads, and the program itself does not read
    without a bracket."""
    if forward is None:
        return ()
    read = {_place(label) for equation in program for label in _labels(equation) if not label.brackets}
    known = program.ranks.keys()
    return tuple(label for label in labels_in(forward) if _place(label) not in read and label.tensors <= known)


def labels_in(program: Program) -> tuple[Label, ...]:
    """The labels among the inputs of a program at which it reads."""
    found = {(_place(label), label.brackets): label for equation in program for label in _labels(equation)}
    return tuple(label for label in found.values() if label.tensors <= program.inputs.keys())


def _place(label: Label) -> Place:
    """What tells two reads apart; the letters of labels that stand alone do not."""
    match label.form.terms:
        case ((Indexed(tensor=tensor), coefficient),):
            return label.place, tensor, coefficient, label.form.constant
    return label.place, label.form


def _labels(equation: Equation) -> Iterator[Label]:
    """Every read at labels, with the brackets around it; one of indices is looked at before one of values."""
    stack: list[tuple[Node, tuple[Expr, ...]]] = [(equation.rhs, ())] if index_tensors([equation]) else []
    seen = set(stack)
    integers = index_tensors([equation])
    while stack:
        node, around = stack.pop()
        if isinstance(node, Indexed) and any(
            isinstance(part, Indexed) for form in node.slots for part in preorder(form)
        ):
            for position, form in enumerate(node.slots):
                if form.index is None:  # of E[1,T[n]] the number too, which nobody else looks at
                    yield Label(equation, node, position, around)
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


def refuse_labels(labels: Iterable[Label], given: Mapping[Any, Any], sizes: Mapping[str, int]) -> None:
    """Refuse labels outside of the axes that the forward program reads at them, of which ``sizes`` are known."""
    for label in labels:
        if (size := sizes.get(label.place)) is None:
            continue
        known = sizes if label.extents <= sizes.keys() else {**_told(label.equation, given), **sizes}
        try:
            read = _read(label, given, known)
        except LookupError:  # it speaks of what is not given
            continue
        wrong = (read < 0) | (read >= size)
        if label.brackets and wrong.any():
            held = Look(label.form, given, known, label.brackets).hold(label.brackets)
            wrong = wrong & held.any(axis=tuple(range(wrong.ndim, held.ndim)))  # for some value of other letters
        if wrong.any():
            raise outside(label.equation, label.access, label.position, int(read[wrong].flat[0]), size)


def look_text(label: Label, names: Mapping[Name, str], size: str) -> str | None:
    """A line of Python that refuses the labels outside of an axis, by the names that tensors have in the code; None
    where more than one array of labels has a part in it."""
    spoken = label.spoken
    if len(spoken) != 1 or not names.keys() >= spoken:
        return None
    (name,) = (names[tensor] for tensor in spoken)
    read, held = _text(label.form, name), [_text(bracket, name) for bracket in label.brackets]
    if read is None or None in held:
        return None
    at = f"({read})[{' & '.join(filter(None, held))}]" if held else read
    where = f"slot {label.position} of {label.access} in {label.equation}"
    return f"inside({at}, {size}, {where!r})"


def _text(node: Node, name: str) -> str | None:
    """A form or a bracket of one array of labels as Python text."""
    match node:
        case Const(value=number) if number.denominator == 1:
            return str(number)
        case Indexed(slots=slots) if len({form.index for form in slots} - {None}) == len(slots):
            return f"np.asarray({name}).astype(np.int64)"
        case Affine(terms=((Indexed() as atom, k),), constant=constant) if (array := _text(atom, name)) is not None:
            return f"{k} * {array} + {constant}" if (k, constant) != (1, 0) else array
        case Affine(terms=(), constant=constant):
            return str(constant)
        case Iverson(operands=operands, relations=relations):
            sides = [_text(operand, name) for operand in operands]
            pairs = zip(sides, relations, sides[1:], strict=False)
            return None if None in sides else " & ".join(f"(({a}) {relation} ({b}))" for a, relation, b in pairs)
    return None


def _told(equation: Equation, given: Mapping[Any, Any]) -> Mapping[str, int]:
    """The extents that an equation tells by itself, of ``E[T[N+1]]`` that of N, if all that it reads is given."""
    read = sorted({node.tensor for node in preorder(equation.rhs) if isinstance(node, Indexed)}, key=str)
    if not given.keys() >= {*read}:
        return {}
    return _extents(equation, tuple((name, np.shape(given[name])) for name in read))


@lru_cache(maxsize=256)
def _extents(equation: Equation, shapes: tuple[tuple[Name, tuple[int, ...]], ...]) -> Mapping[str, int]:
    program = Program((equation,))
    try:
        known = infer(program, dict(shapes), only=(), guess=False).known
    except ExtentError:
        return {}
    indices = {node for node in preorder(equation.rhs) if isinstance(node, Index)}
    return {index.dim: known[dim] for index in indices if (dim := program.dim(equation, index)) in known}


def _read(label: Label, given: Mapping[Any, Any], sizes: Mapping[str, int]) -> np.ndarray:
    """The positions that are read, by the letters of the form."""
    form = label.form
    match form.terms:
        case ((Indexed(tensor=tensor, slots=slots), k),) if len({s.index for s in slots} - {None}) == len(slots):
            return k * np.asarray(given[tensor]).astype(np.int64, copy=False) + form.constant
    return np.asarray(Look(form, given, sizes).value(form))


class Look:
    """Labels, and the brackets around them, on data: arrays by the letters of what is read, then of the brackets."""

    def __init__(
        self, form: Affine, given: Mapping[Any, Any], sizes: Mapping[str, int], brackets: Iterable[Expr] = ()
    ) -> None:
        self.given, self.known = given, dict(sizes)
        letters: dict[Index, None] = {}
        for node in preorder(form):
            if isinstance(node, Indexed) and node.tensor in given:
                shape = np.shape(given[node.tensor])
                own = [(slot.index, size) for slot, size in zip(node.slots, shape, strict=True) if slot.index]
                self.known.update({index.dim: size for index, size in own})
                letters.update(dict.fromkeys(index for index, _ in own))
            elif isinstance(node, Affine):
                letters.update(dict.fromkeys(atom for atom, _ in node.terms if isinstance(atom, Index)))
        within = [node for bracket in brackets for node in preorder(bracket)]
        letters.update(dict.fromkeys(node.index for node in within if isinstance(node, Position)))
        forms = (node for node in within if isinstance(node, Affine))
        letters.update(dict.fromkeys(atom for form in forms for atom, _ in form.terms if isinstance(atom, Index)))
        self.letters = {index: place for place, index in enumerate(letters)}

    def value(self, node: Node) -> Array:
        """What a form or an operand is, along the letters; a ``LookupError`` where it speaks of more than is known."""
        letters = self.letters
        match node:
            case Const(value=number):
                return float(number) if number.denominator > 1 else int(number)
            case Index() if node in letters:
                return self._along(np.arange(self.known[node.dim]), [letters[node]])
            case Position(index=index):
                return self.value(index)
            case Extent(index=index):
                return self.known[index.dim]
            case Affine(terms=terms, constant=constant):
                return sum((k * self.value(atom) for atom, k in terms), constant)
            case Arithmetic(operation=operation, left=left, right=right) if operation in ARITHMETIC:
                return ARITHMETIC[operation](self.value(left), self.value(right))
            case Add(terms=terms):
                return sum(map(self.value, terms))
            case Mul(factors=factors):
                return prod(map(self.value, factors))
            case Indexed(tensor=tensor, slots=slots) if tensor in self.given:
                array = np.asarray(self.given[tensor])
                array = array.astype(np.int64, copy=False) if array.dtype.kind in "iu" else array
                own = [form.index for form in slots if form.index in letters]  # which are letters alone
                places = [letters[index] for index in own if index]
                expected = tuple(self.known[index.dim] for index in own if index)
                if len(set(places)) == len(places) and array.shape == expected:
                    return self._along(array, places)
                at = [np.asarray(self.value(form)) for form in slots]
                if all((p >= 0).all() and (p < size).all() for p, size in zip(at, array.shape, strict=True)):
                    return array[tuple(at)]
        raise LookupError

    def _along(self, array: Array, places: list[int]) -> Array:
        """An array with its axes at their places, and axes of size 1 at the others."""
        order = sorted(range(len(places)), key=places.__getitem__)
        size = iter(array.transpose(order).shape)
        return array.transpose(order).reshape([next(size) if k in places else 1 for k in range(len(self.letters))])

    def hold(self, brackets: Iterable[Expr]) -> Array:
        """Where all brackets hold: nowhere, as far as is known, if one speaks of more than is given."""
        found = np.ones((), bool)
        for bracket in brackets:
            assert isinstance(bracket, Delta | Iverson)
            operands = (bracket.left, bracket.right) if isinstance(bracket, Delta) else bracket.operands
            relations = ("==",) if isinstance(bracket, Delta) else bracket.relations
            try:
                sides = list(map(self.value, operands))
            except LookupError:
                return np.zeros((), bool)
            with np.errstate(invalid="ignore"):
                for relation, left, right in zip(relations, sides, sides[1:], strict=False):
                    found = found & RELATIONS[relation](left, right)
        return found
