r"""Concentrations, as chemists write them: brackets around the name of a species would be slots, or a bracket.

r = k[A]^m[B]^n             r = k A^m B^n
K = [C]^c / ([A]^a [B]^b)   K = C^c / (A^a B^b)
"""

from __future__ import annotations

import re
from collections import Counter

from einstan.language.errors import NotationError
from einstan.language.index import names_in

SIGNS = (" [", "([", "/[", "][", "]^")  # behind no name, or behind a power
_ALONE = re.compile(r"[ (/\]]\[|\]\^")
_SPECIES = re.compile(
    r"\[([A-Z][A-Za-z]{0,2}[0-9₀-₉]?)(?:[+⁺]|\^[+-]|\^\{[^{}]*[+-]\})?\](?:_?\{?([0-9])\}?)?(?!\s*\()"
)
_POWER = re.compile(r"\s*\^\s*(?:\w+|\{[^{}]*\})")
_NAME = re.compile(r"[\w\])}]$")


def concentrations(text: str) -> NotationError | None:
    """The refusal of a rate law or of an equilibrium; nothing where a bracket may hold the slot of a tensor."""
    if _ALONE.search(text) is None or not (found := list(_SPECIES.finditer(text))):
        return None
    counts = Counter(names_in(text))
    if any(counts[one[1]] > sum(other[1] == one[1] for other in found) for one in found):
        return None
    if "sum[" in text or not any(_stands_alone(text, one, counts[one[1]]) for one in found):
        return None
    line = _SPECIES.sub(lambda one: _named(text, one), text)
    repairs = [line]
    slotted = _NAME.search(text[: found[0].start()]) and text.count("[") == len(found) == 2
    if slotted and "][" in text:
        repairs.append(text.replace("][", ","))
    return NotationError(
        "brackets hold slots, and a concentration is a number", text=text, span=found[0].span(), repair=tuple(repairs)
    )


def _named(text: str, one: re.Match[str]) -> str:
    before = " " if _NAME.search(text[: one.start()]) else ""
    return f"{before}{one[1]}{one[2] or ''}{' ' if text[one.end() :][:1].isalnum() else ''}"


def _stands_alone(text: str, one: re.Match[str], count: int) -> bool:
    """Whether a bracket stands behind no name: at the beginning, behind a sign, a blank, a bracket or a power."""
    before = text[: one.start()]
    if not before or before[-1] in " (+-*/=]":
        return True
    power = list(_POWER.finditer(before))
    return count == 1 and bool(power) and power[-1].end() == len(before) and "]" in before
