r"""What of a subscript or of an exponent belongs to a name: its words and labels, and the name with them here."""

from __future__ import annotations

import re

from einstan.papers.signs import FONTS, TRANSPOSES
from einstan.papers.tex import Tokens


def text_of(tokens: Tokens) -> str:
    kept = [t for t in tokens if not t.is_mark("{", "}", "|") and not t.is_command("mid", "vert", "langle", "rangle")]
    text = "".join("l" if token.text == "ell" else token.text for token in kept)
    barred = any(t.is_mark("|") or t.is_command("mid", "vert") for t in tokens)  # k|k-1 is kkm1
    return text.replace("-", "m").replace("+", "p") if barred else text


def worded(part: Tokens) -> str:
    r"""A word in upright letters, ``\text{max}``, ``\max``, or a set's script letter, ``\mathcal{B}``; "" for an index,
    and for one small upright letter, which may be one."""
    tokens = [token for token in part if not token.is_mark("{", "}")]
    if len(tokens) == 1 and tokens[0].is_command("max", "min"):
        return tokens[0].text
    if not tokens or not tokens[0].is_command(*FONTS) or FONTS[tokens[0].text] not in ("upright", "script"):
        return ""
    letters = tokens[1:]
    word = "".join(token.text for token in letters)
    plain = all(token.kind in ("letter", "number") for token in letters)
    return word if plain and letters and not (len(word) == 1 and word.islower()) else ""


def named(base: str, label: str, word: str) -> tuple[str, str]:
    """A name and its label with a word that belongs to it: L_KL, W1, h^(t-1)."""
    if word.isdigit():
        return f"{base}{word}", label
    if word.isalpha() and len(word) > 1:
        return f"{base}_{word}", label
    return base, label + word


def sanitised(base: str, label: str, word: str) -> tuple[str, str]:
    """A name with its subscript as a part of it, in letters that names here may have."""
    if re.fullmatch(r"[\w+-]+", word):
        return named(base, label, word)
    return named(base, label, re.sub(r"\W", "", word) or "s")


def is_transpose(exponent: Tokens) -> bool:
    r"""``^T``, ``^\top``, ``^{\mathsf{T}}``, ``^{\rm T}``."""
    inside = [token for token in exponent if not token.is_mark("{", "}") and token.text not in FONTS]
    return len(inside) == 1 and (inside[0].is_command(*TRANSPOSES) or inside[0].text in ("T", "⊤"))
