r"""Einsum strings where an equation is read: ``C = einsum("ij,jk->ik", A, B)`` as ``C[i,k] = A[i,J] B[J,k]``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from string import ascii_lowercase

from einstan.language.errors import NotationError
from einstan.language.index import names_in

EINSUM = re.compile(
    r"^\s*(?P<name>\w+)\s*(?:\[(?P<slots>[\w, ]*)\])?\s*=\s*[\w.]*einsum\("
    r"\s*['\"](?P<string>[^'\"]*)['\"]\s*,(?P<operands>[^()]*)\)\s*$"
)
_SUBSCRIPTS = re.compile(r"\s*([A-Za-z. ]+(?:,[A-Za-z. ]*)*)->\s*([A-Za-z. ]*)")


def contracted(found: re.Match[str]) -> str:
    """``C = einsum("ij,jk->ik", A, B)`` as ``C[i,k] = A[i,J] B[J,k]``, with the letters that the left side has where it
    has slots; nothing where an operand is more than a name."""
    inputs, arrow, output = found["string"].replace(" ", "").partition("->")
    if not arrow:  # the letters that stand once, in their order
        output = "".join(sorted(letter for letter in {*inputs} - {","} if inputs.count(letter) == 1))
    slots = "".join(names_in(found["slots"])) if found["slots"] else output
    if slots != output:
        if len(slots) != len(output) or len({*slots}) < len(slots):
            return ""
        free = (x for x in "jklmnpqrstuvw" + ascii_lowercase if x not in slots and x.upper() not in found["operands"])
        others = iter(dict.fromkeys(free))
        letters = {letter: slots[k] for k, letter in enumerate(output)}
        letters |= {
            letter: next(others) for letter in dict.fromkeys(inputs) if letter.isalpha() and letter not in letters
        }
        inputs, output = inputs.translate(str.maketrans(letters)), slots
    operands = [each.strip() for each in found["operands"].split(",")]
    return _equation(found["name"], inputs, output, operands) if all(map(str.isidentifier, operands)) else ""


def _equation(left: str, inputs: str, output: str, operands: Sequence[str]) -> str:
    letters = inputs.split(",")
    if len(letters) != len(operands) or "." in inputs or len(set(output)) < len(output):
        return ""
    if not set(output) <= set(inputs) or not inputs.replace(",", "").islower():
        return ""
    slots = (",".join(x if x in output else x.upper() for x in each) for each in letters)
    entries = " ".join(f"{name}[{own}]" if own else name for name, own in zip(operands, slots, strict=True))
    return f"{left}[{','.join(output)}] = {entries}" if output else f"{left} = {entries}"


def of_einsum(text: str) -> NotationError | None:
    """``ij,jk->ik`` alone, which ``es.einsum`` takes."""
    found = _SUBSCRIPTS.fullmatch(text)
    if found is None:
        return None
    inputs, output = found[1].replace(" ", ""), found[2].replace(" ", "")
    names = [letter for letter in "ABCDEFGH" if letter not in inputs][: inputs.count(",") + 1]
    line = _equation("Z", inputs, output, names)
    problem = "this is an einsum string, and an equation is read here"
    return NotationError(
        problem, text=text, span=found.span(), repair=tuple(filter(None, (line, f"es.einsum({text.strip()!r})")))
    )
