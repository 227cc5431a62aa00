"""An einsum as an equation: ``ij,jk->ik`` is ``T[i,k] = A[i,J] B[J,k]``.

A label that the result lacks is summed, so it becomes a capital; a label that the notation cannot have as an index, or
that would collide with another, becomes ``x1``, ``x2``, ...  A label that stands twice in the result is a delta,
``i->ii`` is ``T[i,x1] = A[i] δ[i,x1]``, and one that no operand has is an axis of ones.
"""

from __future__ import annotations

import string
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from einstan.language.errors import NotationError
from einstan.library.einsum_text import Label, Subscripts, read, tensor


@dataclass(frozen=True)
class EinsumText:
    """The equation as text, and what each label of the einsum is called in it."""

    equation: str
    names: dict[Label, str]


def is_einsum(text: str, sizes: Collection[str] = ()) -> bool:
    """Whether a text is an einsum string rather than an equation or the name of a file: it has a comma or an arrow, or
    every letter has one of the ``sizes``, and else what can stand for an axis."""
    plain = text.replace(" ", "").replace("...", "").replace("->", ",")
    sized = all(letter in sizes for letter in plain) and text != ""
    return ("," in plain or sized) and not any(x.isdigit() or x in "=[](){}/\\:" or x.isspace() for x in plain)


def equation_of(text: str | Subscripts, tensors: Sequence[str] = (), result: str = "T") -> EinsumText:
    """The equation of an einsum; ``tensors`` and ``result`` are what its operands and its result are called."""
    subscripts = read(text) if isinstance(text, str) else text
    if subscripts.has_ellipsis:
        number = next(k for k, x in enumerate((*subscripts.operands, subscripts.output)) if ... in x)
        raise NotationError(
            "an ellipsis does not say how many axes it stands for",
            text=subscripts.text,
            span=subscripts.span(number, ...),
            repair=("write a letter for each axis", "or say how many: es.einsum('...ij,...jk').with_axes(3, 3)"),
        )
    operands, output = subscripts.operands, subscripts.output
    names = _names([label for labels in (*operands, output) for label in labels], output, result)
    spelled = {x: name if x in output else name.capitalize() for x, name in names.items()}
    called = list(tensors) or [tensor(k, len(operands)) for k in range(len(operands))]
    # A scalar that is called as an index would be that index.
    taken = set(spelled.values())
    called = [name if own or name not in taken else f"{name}0" for name, own in zip(called, operands, strict=True)]
    factors = [_access(name, [spelled[x] for x in own]) for name, own in zip(called, operands, strict=True)]
    known = {x for own in operands for x in own}
    ones = [spelled[x] for x in dict.fromkeys(output) if x not in known]
    slots, deltas = _slots(output, spelled)
    factors += [_access("1", ones)] * bool(ones) + deltas
    return EinsumText(f"{_access(result, slots)} = {' '.join(factors) or '1'}", names)


def _slots(output: tuple[Label, ...], spelled: dict[Label, str]) -> tuple[list[str], list[str]]:
    """The slots of the result, all different, and the deltas between those that are one label."""
    slots: list[str] = []
    deltas: list[str] = []
    number = max((int(name[1:]) for name in spelled.values() if name[1:].isdigit()), default=0)
    for label in output:
        name = spelled[label]
        if name in slots:
            number += 1
            deltas.append(f"δ[{name},x{number}]")
            name = f"x{number}"
        slots.append(name)
    return slots, deltas


def _names(labels: Sequence[Label], output: Sequence[Label], result: str) -> dict[Label, str]:
    """An index name for every label: itself in lower case where that is free, and its capital no name of the result."""
    names: dict[Label, str] = {}
    number = 0
    small = string.ascii_lowercase
    for label in sorted(dict.fromkeys(labels), key=lambda x: (x not in tuple(small), str(x))):
        name = label.lower() if isinstance(label, str) else ""
        if name not in tuple(small) or name in names.values() or (label not in output and name.upper() == result):
            number += 1
            name = f"x{number}"
        names[label] = name
    return names


def _access(name: str, indices: Sequence[str]) -> str:
    return f"{name}[{','.join(indices)}]" if indices else name
