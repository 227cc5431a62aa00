"""Indices, and the integer-affine forms that stand in a tensor's slots.

An index is a name together with the dimension it runs over.  The dimension is what tells two indices of one spelling
apart: in ``A[i,K] B[K] + C[i,K] D[K]`` the two ``K`` may have different extents, and they are two objects.

A dimension is named by one axis that has it, ``X.0`` for the first axis of ``X``; `einstan.language.dims` says which.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from einstan.language.errors import ExtentError
from einstan.language.node import Below, Node, field, new_mark

_NAME = re.compile(r"[^\W\d_][^\W²³]*")
ARITHMETIC = new_mark()  # below what holds a form that is not one index by itself


class Index(Node):
    """``Index(name, dim)``: the spelling, and the dimension that it runs over."""

    __slots__ = ()
    name: Final[str] = field(0)
    dim: Final[str] = field(1)

    def __new__(cls, name: str, dim: str | None = None) -> Index:
        return super().__new__(cls, name, dim if dim is not None else name)

    @property
    def is_capital(self) -> bool:
        return is_capital(self.name)

    def _free(self) -> tuple[Index, ...]:
        return (self,)


class Affine(Node):
    """An integer-affine form ``2 i + R - 1``: ``Affine(((atom, coefficient), ...), constant)``.

    An atom is an `Index`, an `Extent` (as in the range guard ``p - i < |W.0|``), an `Indexed` integer tensor (a gather,
    ``E[T[n],d]``), or an `Arithmetic` of two forms.  Coefficients are non-zero integers and every
    atom occurs once; the order is the user's.
    """

    __slots__ = ()
    terms: Final[tuple[tuple[Node, int], ...]] = field(0)
    constant: Final[int] = field(1)
    is_marked = True

    def __new__(cls, terms: tuple[tuple[Node, int], ...], constant: int = 0) -> Affine:
        return super().__new__(cls, terms, constant)

    def _children(self) -> tuple[Node, ...]:
        return tuple([atom for atom, _ in self.fields[0]])

    def mark(self) -> int:
        terms, constant = self.fields
        plain = constant == 0 and len(terms) == 1 and terms[0][1] == 1 and isinstance(terms[0][0], Index)
        return 0 if plain else ARITHMETIC

    def rebuilt(self, children: Below) -> Affine:
        if len(children) == 1 and not isinstance(children[0], Affine):
            return Affine(((children[0], self.terms[0][1]),), self.constant)
        parts = [(child, k) for child, (_, k) in zip(children, self.terms, strict=True)]
        return affine(*parts, constant=self.constant)

    @property
    def index(self) -> Index | None:
        """The index, if this slot is one plain index and nothing else."""
        return None if self.kinds & ARITHMETIC else self.fields[0][0][0]

    def coefficient(self, atom: Node) -> int:
        """The coefficient of an atom, 0 where it does not occur."""
        return next((k for a, k in self.terms if a is atom), 0)


class Arithmetic(Node):
    """``Arithmetic(operation, left, right)``: a whole number made of two forms, of which the right one has no index, or
    of a product the left one; an `Affine` atom.

    ``floor(k/4)`` in a slot, ``mod(p, |B.0|)``, ``|A.0| |B.0|`` in the extent that a ``where`` states, and ``|d| / 2``,
    which must be whole.
    """

    __slots__ = ()
    operation: Final[str] = field(0)
    left: Final[Affine] = field(1)
    right: Final[Affine] = field(2)

    def __new__(cls, operation: str, left: Affine, right: Affine) -> Arithmetic:
        return super().__new__(cls, operation, left, right)

    def _children(self) -> tuple[Node, ...]:
        return self.fields[1:]

    def rebuilt(self, children: Below) -> Node:
        return arithmetic(self.operation, *children)


def whole(operation: str, left: int, right: int) -> int:
    """What an `Arithmetic` atom is worth."""
    if operation == "times":
        return left * right
    if right <= 0:
        raise ExtentError(f"{left} is divided by {right}", repair="give arrays for which the divisor is positive")
    if operation == "over" and left % right:
        raise ExtentError(f"{left} / {right} is not whole", repair="round it down, floor(n/2), or give other sizes")
    return left % right if operation == "mod" else left // right


def arithmetic(operation: str, left: Affine, right: Affine) -> Node:
    """The atom, or the form that it is where that is known."""
    if not right.terms and operation != "times" and right.constant <= 0:
        return Arithmetic(operation, left, right)
    if not left.terms and not right.terms and not (operation == "over" and left.constant % right.constant):
        return Affine((), whole(operation, left.constant, right.constant))
    if operation == "times" and not (left.terms and right.terms):
        return affine((left, right.constant)) if left.terms else affine((right, left.constant))
    if right == Affine((), 1):
        return Affine((), 0) if operation == "mod" else left
    if operation == "over" and not right.terms:
        numbers = (left.constant, *(k for _, k in left.terms))
        if not any(number % right.constant for number in numbers):
            return Affine(tuple((atom, k // right.constant) for atom, k in left.terms), left.constant // right.constant)
    return Arithmetic(operation, left, right)


def slot(index: Index) -> Affine:
    """A plain slot."""
    return Affine(((index, 1),), 0)


def affine(*parts: tuple[Node, int], constant: int = 0) -> Affine:
    """Collect ``coefficient * part`` into one form; a part may itself be an `Affine`."""
    total: dict[Node, int] = {}
    for part, coefficient in parts:
        if isinstance(part, Affine):
            constant += coefficient * part.constant
            for atom, k in part.terms:
                total[atom] = total.get(atom, 0) + coefficient * k
        else:
            total[part] = total.get(part, 0) + coefficient
    for atom, k in total.items():
        if k * k > 1 and isinstance(atom, Arithmetic) and atom.operation == "over":  # 2 (|d|/2) is |d|
            whole_again = arithmetic("over", affine((atom.left, abs(k))), atom.right)
            return affine(*(total | {atom: 0}).items(), (whole_again, 1 if k > 0 else -1), constant=constant)
    return Affine(tuple((atom, k) for atom, k in total.items() if k), constant)


def is_capital(name: str) -> bool:
    """Whether an index of this name is summed: it begins with a capital (``K``, ``Row``, ``Ω``)."""
    return name[:1].isupper()


def lowered(name: str) -> str:
    """``K`` as ``k``, ``Row`` as ``row``."""
    return name[:1].lower() + name[1:]


def capitalised(name: str) -> str:
    """``k`` as ``K``, ``row`` as ``Row``."""
    return name[:1].upper() + name[1:]


def swapped(name: str) -> str:
    """``K`` as ``k`` and ``k`` as ``K``: the other letter that may stand for a range."""
    return lowered(name) if is_capital(name) else capitalised(name)


def fresh_name(name: str, taken: set[str] | Mapping[str, object]) -> str:
    """``name`` if it is free, else ``name`` with the smallest number that is: ``K``, ``K2``, ``K3``."""
    if name not in taken:
        return name
    stem = name.rstrip("0123456789") or name
    number = 2
    while f"{stem}{number}" in taken:
        number += 1
    return f"{stem}{number}"


def names_in(text: str) -> list[str]:
    """The names that a text writes: the ``K`` of ``2K + 1`` too, which is no word of its own there."""
    return _NAME.findall(text)
