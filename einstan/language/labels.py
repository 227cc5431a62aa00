r"""Labels below names, which are letters that stand below one name alone: ``ω_n`` is then one name, and no entry.

G = K ω_n^2 / (s^2 + 2 ζ ω_n s + ω_n^2)      G = K omegan^2 / (s^2 + 2 ζ omegan s + omegan^2)
N_e = 4 N_m N_f / (N_m + N_f)                Ne = 4 Nm Nf / (Nm + Nf)
"""

from __future__ import annotations

import re

from einstan.language.glued import as_one, one_name
from einstan.language.typeset import plain_name

_LETTER_BELOW = re.compile(
    r"(?<![\w\\])(?!\\?(?:sum|prod|mean|max|min)_)(\\?[^\W\d_]+)_(?:([A-Za-z])(?!\w)|\{([A-Za-z])\})"
)


def as_labels(text: str, several: bool = False) -> str:
    """The text with ``ω_n`` as one name, where its letter stands below this name alone, or below ``several``."""
    below: dict[str, list[str]] = {}
    for found in _LETTER_BELOW.finditer(text):
        below.setdefault(found[2] or found[3], []).append(found[1])
    own = {
        letter: bases[0]
        for letter, bases in below.items()
        if (several or len(set(bases)) == 1) and len(re.findall(rf"(?<![^\W_]){letter}(?![^\W_])", text)) == len(bases)
    }

    def one(found: re.Match[str]) -> str:
        letter = found[2] or found[3]
        behind = text[found.end() :]
        apart = " " if behind[:1].isalnum() else ""
        return f"{as_one(one_name(plain_name(found[1]) + letter), behind)}{apart}" if letter in own else found[0]

    return _LETTER_BELOW.sub(one, text)


def beside_others(text: str, letter: str) -> bool:
    """Whether a letter stands below one name alone, which has another below it elsewhere: ``s_T`` beside ``s_j``."""
    bases = {found[1] for found in _LETTER_BELOW.finditer(text) if letter in (found[2], found[3])}
    below = {found[2] or found[3] for found in _LETTER_BELOW.finditer(text) if found[1] in bases}
    alone = f"_{letter}" not in as_labels(text).replace("{", "")
    return len(bases) == 1 and len(below) > 1 and alone


def with_others(text: str) -> bool:
    """Whether a name has several letters below it, ``r_p - r_f``."""
    found = {(one[1], one[2] or one[3]) for one in _LETTER_BELOW.finditer(text)}
    return len({base for base, _ in found}) < len(found)
