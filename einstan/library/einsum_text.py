"""An einsum string as an equation: ``ij,jk->ik`` is ``T[i,k] = A[i,J] B[J,k]``.

A letter that the result lacks is summed, so it becomes a capital; a letter that the notation cannot have as an index,
or that would collide with another, becomes ``x1``, ``x2``, ...  Any letters will do, so there may be more than 52.
Blanks do not count, and without an arrow the result has the letters that occur once, in the order of NumPy (``ii`` is a
trace, so it is written ``ii->``).  What NumPy and opt_einsum take besides is refused: an ellipsis (write a letter for
each axis), axes as integers (write letters), and axes of size 1 that are stretched (leave such an axis out).
"""

from __future__ import annotations

import string
from collections import Counter
from dataclasses import dataclass

from einstan.language.errors import NotationError
from einstan.language.letters import normal


@dataclass(frozen=True)
class EinsumText:
    """The equation as text, and what each letter of the einsum string is called in it."""

    equation: str
    names: dict[str, str]


def is_einsum(text: str) -> bool:
    """Whether a text is an einsum string rather than an equation or the name of a file: it has a comma or an arrow,
    and else what can stand for an axis."""
    plain = text.replace(" ", "").replace("...", "").replace("->", ",")
    return "," in plain and not any(x.isdigit() or x in "=[](){}/\\:" or x.isspace() for x in plain)


def equation_of(text: str) -> EinsumText:
    """The equation of an einsum string; without an arrow, the result has the letters that occur once, sorted."""
    plain = text.replace(" ", "")
    if "." in plain:
        at = text.index(".")
        raise NotationError(
            "an ellipsis does not say how many axes it stands for",
            text=text,
            span=(at, text.rindex(".") + 1 if "..." in text else at + 1),
            repair="write a letter for each axis",
        )
    left, arrow, right = plain.partition("->")
    _refuse_marks(text, left.replace(",", "") + right)
    operands = left.split(",")
    count = Counter(left.replace(",", ""))
    if not arrow:
        right = "".join(sorted(letter for letter, times in count.items() if times == 1))
    for letter in right:
        if letter not in count or right.count(letter) > 1:
            at = len(text) - 1 - text[::-1].index(letter)
            why = "no operand has it" if letter not in count else "the result has it twice"
            raise NotationError(
                f"{letter} cannot stand behind the arrow: {why}",
                text=text,
                span=(at, at + 1),
                repair="name each axis of the result once, by a letter of an operand",
            )
    names = _names(count, right)
    spelled = {x: name if x in right else name.capitalize() for x, name in names.items()}
    summed = set(spelled.values())
    tensors = [_tensor(k, len(operands)) for k in range(len(operands))]
    # A scalar that is called as an index would be that index.
    tensors = [name if own or name not in summed else f"{name}0" for name, own in zip(tensors, operands, strict=True)]
    factors = [_access(name, [spelled[x] for x in own]) for name, own in zip(tensors, operands, strict=True)]
    return EinsumText(f"{_access('T', [spelled[x] for x in right])} = {' '.join(factors)}", names)


def _refuse_marks(text: str, letters: str) -> None:
    """Only letters stand for axes; and two that Python reads as one letter are one axis to nobody."""
    normal(text)
    for letter in letters:
        if not letter.isalpha():
            raise NotationError(
                f"{letter!r} cannot stand for an axis",
                text=text,
                span=(text.index(letter), text.index(letter) + 1),
                repair="a letter for each axis, a comma between operands, -> before the result: 'ik,kj->ij'",
            )


def _names(letters: Counter[str], result: str) -> dict[str, str]:
    """An index name for every letter: itself in lower case where that is free."""
    names: dict[str, str] = {}
    number = 0
    for letter in sorted(letters, key=lambda x: (x not in string.ascii_lowercase, x)):
        name = letter.lower()
        if name not in string.ascii_lowercase or name in names.values():
            number += 1
            name = f"x{number}"
        names[letter] = name
    return names


def _tensor(number: int, count: int) -> str:
    letters = [x for x in string.ascii_uppercase if x != "T"]
    return letters[number] if count <= len(letters) else f"A{number + 1}"


def _access(name: str, indices: list[str]) -> str:
    return f"{name}[{','.join(indices)}]" if indices else name
