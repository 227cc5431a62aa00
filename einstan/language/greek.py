r"""The Greek letters Σ and Π, which name tensors, where the signs ∑ and ∏ are meant.

Σ_i x_i, Σ x_i                 ∑_i x_i
Σ p log p                      ∑_K p[K] log p[K]
"""

from __future__ import annotations

import re

from einstan.language.errors import NotationError, Span
from einstan.language.index import names_in
from einstan.language.surface import (
    CALLABLE,
)  # fmt: skip  # fmt: skip
from einstan.language.tokens import Token

SUMMED = re.compile(r"([ΣΠ])_\{?\s*([^\W\d_])(?!\w)")


_IN_SLOTS = re.compile(r"_([a-z])(?!\w)|(?<=[\[{,])\s*([a-z])(?=\s*[,\]}])")
_VECTOR = re.compile(rf"(?<![\w\\])(?!(?:{'|'.join(CALLABLE)})(?!\w))[^\W\d_ΣΠ²³½][^\W²³]*(?![\w(\[])")
_RUN_OF_INDICES = re.compile(r"_([a-z]{2})(?!\w)")


def sum_sign(text: str, token: Token, end: int, over: bool) -> NotationError:
    """``Σ_K X[n,K]`` and ``Σ[K] (X[n,K] + 1)``: the Greek letter, which names a tensor, for the sign, which is ``over``
    an index; ``Σ2 x`` is a number."""
    sign, word, name = {"Σ": ("∑", "sum", "Sigma"), "Π": ("∏", "prod", "Pi")}[token.text[0]]
    span = (token.start, token.end)
    before, behind = text[: span[0]], text[span[0] + 1 :]
    meant = f"{before}{sign}{behind}" if over else _over_letters(text, token.text, sign)
    number = [] if over else [f"{before}{name}{' ' * behind.startswith(('|', '('))}{behind}"]
    factor = f"{text[:end]} * {text[end:].lstrip()}" if text[end - 1] == "]" else f"{word}[K](...)"
    return NotationError(
        f"the letter {token.text[0]} names a tensor, and the sign is {sign}", text=text, span=span,
        repair=tuple(filter(None, (meant, *number, factor if over or not meant else ""))),
    )  # fmt: skip


def with_slot(text: str, letter: str) -> str:
    """A part of a text in which every name without slots has one."""
    return _VECTOR.sub(rf"\g<0>[{letter}]", text)


def _over_letters(text: str, letter: str, sign: str) -> str:
    """``Σ m_i r_i²`` with what it is over, the letters that the left side lacks, and ``Σ p log p`` with an index of its
    own; nothing where it stands alone, or has a number, Σ2."""
    left, equals, right = text.partition("=")
    if len(letter) > 1 or not equals or not re.search(rf"{letter}\s*[\w(|\\]", right):
        return ""
    right = _RUN_OF_INDICES.sub(lambda found: f"_{{{','.join(found[1])}}}", right)
    summed = dict.fromkeys(each for found in _IN_SLOTS.findall(right) for each in found if each)
    over = [each for each in summed if not re.search(rf"[_\[{{,]\s*{each}(?!\w)", left)]
    start = right.index(letter)
    if not over:
        free = next((each for each in "KNIJ" if not re.search(rf"(?<!\w){each}(?!\w)", text)), "")
        if not free or summed or re.search(r"[\w)\]]\s*$", right[:start]):
            return ""
        over, right = [free], right[:start] + with_slot(right[start:], free)
    below = over[0] if len(over) == 1 else f"{{{','.join(over)}}}"
    return f"{left}=" + re.sub(rf"{letter}(?!\w)\s*", f"{sign}_{below} ", right)


def greek_sums(text: str, span: Span) -> NotationError:
    """``Σ_i x_i`` with all of the signs that are meant."""
    return NotationError(
        "the letters Σ and Π name tensors, and the signs are ∑ and ∏", text=text, span=span,
        repair=re.sub(r"[ΣΠ](?=_)", lambda letter: "∑" if letter[0] == "Σ" else "∏", text),
    )  # fmt: skip


def refuse_letters_of_sums(text: str) -> None:
    """``claim S = Σ_i x_i``, whose Σ would be a tensor: its letter stands on that side alone."""
    for found in SUMMED.finditer(text):
        left, _, right = text.partition("=")
        other = right if found.start() < len(left) else left
        if found[2] not in names_in(other.replace("_", " ")):
            raise greek_sums(text, found.span(1))
