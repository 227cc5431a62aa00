r"""Einsum strings where an equation is read: ``C = einsum("ij,jk->ik", A, B)`` as ``C[i,k] = A[i,J] B[J,k]``."""

from __future__ import annotations

import re
from collections.abc import Sequence

from einstan.language.errors import NotationError

EINSUM = re.compile(r"^\s*(\w+)\s*=\s*([\w.]*)einsum\(\s*['\"]([^'\"]*)['\"]\s*,([^()]*)\)\s*$")
_SUBSCRIPTS = re.compile(r"\s*([A-Za-z. ]+(?:,[A-Za-z. ]*)*)->\s*([A-Za-z. ]*)")


def contracted(found: re.Match[str]) -> str:
    """``C = einsum("ij,jk->ik", A, B)`` as ``C[i,k] = A[i,J] B[J,k]``; nothing where an operand is more than a name."""
    inputs, arrow, output = found[3].replace(" ", "").partition("->")
    if not arrow:  # the letters that stand once, in their order
        output = "".join(sorted(letter for letter in {*inputs} - {","} if inputs.count(letter) == 1))
    operands = [each.strip() for each in found[4].split(",")]
    return _equation(found[1], inputs, output, operands) if all(map(str.isidentifier, operands)) else ""


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
