"""Spelling: Python text for names, numbers and comments, safe whatever a tensor is called."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Sequence
from fractions import Fraction


def comment(text: str) -> str:
    """Text that stays inside its comment, whatever a tensor is called."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text.replace("\\\n", " "))


def identifier(name: str, taken: set[str]) -> str:
    """A Python name for a tensor: letters of any script, digits and underscores alone, as Python reads them."""
    name = unicodedata.normalize("NFKC", name.replace("/", "_by_"))
    plain = re.sub("_+", "_", "".join(c if f"_{c}".isidentifier() else "_" for c in name)).strip("_")
    if not plain or not plain[0].isalpha():
        plain = f"v_{plain}" if plain else "v"
    if keyword.iskeyword(plain) or keyword.issoftkeyword(plain) or re.fullmatch(r"[tc]\d+", plain):
        plain += "_"
    chosen, number = plain, 2
    while chosen in taken:
        chosen, number = f"{plain}_{number}", number + 1
    taken.add(chosen)
    return chosen


def letters(labels: Sequence[int]) -> str:
    return "".join(chr(97 + label) for label in labels)


def plain_text(text: str) -> str:
    """A string literal that says no more than the text, whatever a tensor is called."""
    return repr(text)


def exact_text(value: Fraction) -> str:
    if value.denominator == 1 and abs(value.numerator) < 2**53:
        return str(value.numerator)
    if abs(value.numerator) < 1000 and value.denominator < 1000:
        return f"{value.numerator} / {value.denominator}"
    return repr(float(value))


def bracketed(text: str) -> str:
    return text if re.fullmatch(r"[\w.]+", text) else f"({text})"
