"""Letters: names in the normal form that Python gives them, and letters that look like others.

A name is read in Unicode's form NFKC, as Python reads identifiers: the Kelvin sign is K, a bold 𝐱 is x.  Two spellings
that become one name, and letters of two scripts that look the same (a Greek Κ beside a Latin K), are refused where one
text has both: nobody who reads it could tell what is summed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from einstan.language.commands import EXPECTED
from einstan.language.entries import of_matrices
from einstan.language.errors import NotationError

# Latin, Greek and Cyrillic letters of one shape, a group each.
ALIKE = (
    "AΑА", "BΒВ", "CС", "EΕЕ", "HΗН", "IΙІӀ", "JЈ", "KΚК", "MΜМ", "NΝ", "OΟО", "PΡР", "QԚ", "SЅ", "TΤТ", "WԜ", "XΧХ",
    "YΥУҮ", "ZΖ", "ΓГ", "ΠП", "ΦФ", "aа", "cсϲ", "dԁ", "eе", "hһ", "iі", "jјϳ", "oοо", "pр", "qԛ", "sѕ", "wԝ", "xх",
    "yу", "κк", "φф",
)  # fmt: skip
SHAPE = {letter: group[0] for group in ALIKE for letter in group}

_RUN = re.compile(r"[^\W\d_]+")  # letters, and numerals such as ², which are none
# Letters that Unicode sets below or above the line.
_LOWERED = re.compile(
    r"(?<=[\w)\]}])([ᵢ-ᵪₐ-ₜⱼ](?:[ᵢ-ᵪₐ-ₜⱼ₀-₉]|[₊₋](?=[₀-₉]))*|[ʰʲʳʷʸˡˢˣᴬ-ᵡⁱⁿⱽ]+)"  # xᵢ₊₁ too
)
_AFFINE = re.compile(r"[^\W\d](?:[+-][0-9]+)?|[0-9]+")
_LIMITS = re.compile(r"[∑∏Σ]([ᵢ-ᵪₐ-ₜⱼ])₌([₀-₉])(?:([ᴬ-ᵡⁱⁿᵏᵐᵖᵗⱽ])(⁻¹)?|[¹²³⁴⁵⁶⁷⁸⁹])?\s*")  # ∑ᵢ₌₁ⁿ
_ROOT = re.compile(r"(?<![\w)\]}])([ᵏᵐⁿᵖ])√(\([^()]*\)|\w+)")
_SIGNED = re.compile(_LOWERED.pattern.replace("(?<=[", "(?<=[∑∏", 1))
_TRANSPOSE = "a transpose is another order of the indices: A[j,i] for A[i,j]"
_DOUBLE_STRUCK = re.compile(r"([𝔼ℙ𝕍])\s*[\[(]")
_MARKS = {"\u0302": "hat", "\u0303": "tilde", "\u0304": "bar", "\u0305": "bar", "\u0306": "breve", "\u0307": "dot",
          "\u0308": "ddot", "\u030c": "check", "\u20d7": "vec"}  # fmt: skip
_ACCENT = re.compile(f"[{''.join(_MARKS)}]")
_ACCENTED = re.compile(rf"([^\W\d_]\d*)([{''.join(_MARKS)}])(?![\u0300-\u036f])")
_COMPOSED = re.compile(r"\w[\u0300-\u036f]+")


def normal(text: str) -> str:
    """The text with every name in its normal form; refuses what would merge two spellings, or look like another."""
    if harmless(text):
        return text
    refuse_set_apart(text)
    text = _COMPOSED.sub(lambda found: unicodedata.normalize("NFC", found.group()), text)
    found = _RUN.sub(lambda run: "".join(map(_normal, run.group())), text)
    refuse_merged(text)
    refuse_alike(found)
    return found


def harmless(text: str) -> bool:
    """Whether no letter of a text can be merged with another or mixed up; so are two texts together if each is."""
    return text.isascii() or _harmless(frozenset(text))


@lru_cache(maxsize=256)
def _harmless(letters: frozenset[str]) -> bool:
    """Whether nothing can be merged or mixed up: all in normal form, and no letter that looks like a Latin one."""
    odd = [x for x in letters if not x.isascii()]
    stable = all(_normal(x) == x and not unicodedata.combining(x) for x in odd)
    return stable and not any(x in SHAPE for x in odd)


def _normal(letter: str) -> str:
    return unicodedata.normalize("NFKC", letter) if letter.isalpha() else letter


def refuse_lowered(text: str) -> None:
    """``xᵢ`` and ``xⁿ``, whose normal form is the one name xi."""
    root = _ROOT.search(text)
    if root is not None:
        line = f"{text[: root.start()]}{root[2]}^(1/{_normal(root[1])}){text[root.end() :]}"
        raise NotationError("a root of another order is a power", text=text, span=root.span(), repair=line)
    if (limits := _LIMITS.search(text)) is not None:
        line = _LIMITS.sub(_with_limits, text)
        start, sign = limits.start(), limits[0].strip()
        problem = f"the limits of {sign} are set below and above the line"
        raise NotationError(problem, text=text, span=(start, start + len(sign)), repair=_SIGNED.sub(_on_the_line, line))
    text = re.sub(r"Σ(?=[ᵢ-ᵪₐ-ₜⱼ])", "∑", text)
    found = _LOWERED.search(text)
    if found is not None:
        where = "below" if _is_below(found.group()) else "above"
        raise NotationError(
            f"{found.group()} is set {where} the line, and a name stands on it",
            text=text,
            span=found.span(),
            repair=of_matrices(text) or _TRANSPOSE if "ᵀ" in text else _SIGNED.sub(_on_the_line, text),
        )


def _with_limits(found: re.Match[str]) -> str:
    """``∑ᵢ₌₁ⁿ`` as ``∑_{i=1}^{n}``."""
    plain = unicodedata.normalize("NFKC", found[0].strip()).replace("Σ", "∑").replace("−", "-")
    sign, letter, _, low, *high = list(plain)
    above = f"^{{{''.join(high)}}}" if high else ""
    return f"{sign}_{{{letter}={low}}}{above} "


def refuse_set_apart(text: str) -> None:
    """What is set otherwise than a name is: below or above the line, in double strokes, with an accent."""
    refuse_lowered(text)
    refuse_double_struck(text)
    refuse_accents(text)


def refuse_accents(text: str) -> None:
    """``x̂`` of two characters, for which Unicode has no one letter, as ŷ is."""
    if not _ACCENT.search(text):
        return
    text = unicodedata.normalize("NFC", text)
    found = _ACCENTED.search(text)
    if found is not None:
        line = _ACCENTED.sub(lambda each: f"{each[1]}_{_MARKS[each[2]]}", text)
        raise NotationError("an accent is part of a name", text=text, span=found.span(), repair=line)


def refuse_double_struck(text: str) -> None:
    """``𝔼[X]``, whose normal form is the tensor E."""
    found = _DOUBLE_STRUCK.search(text)
    if found is not None:
        name = _normal(found[1])
        raise NotationError(
            f"{name} is an operator here, and no tensor", text=text, span=found.span(1),
            repair=f"{EXPECTED[name]}, over what is drawn",
        )  # fmt: skip


def _is_below(letters: str) -> bool:
    return unicodedata.decomposition(letters[0]).startswith("<sub>")


def _on_the_line(found: re.Match[str]) -> str:
    """``xᵢⱼ`` as x[i,j], ``xᵢ₊₁`` as x[i+1], ``∑ᵢ`` as ∑_i, ``xⁿ`` as x^n."""
    letters = unicodedata.normalize("NFKC", found.group()).replace("−", "-")
    if not _is_below(found.group()):
        return f"^{letters if len(letters) == 1 else f'({letters})'}"
    if not letters.isalpha():
        return f"[{','.join(_AFFINE.findall(letters))}]"
    if found.string[: found.start()].endswith(("∑", "∏")):
        return f"_{letters}" if len(letters) == 1 else f"_{{{','.join(letters)}}}"
    return f"[{','.join(letters)}]"


def refuse_merged(text: str) -> None:
    """Two spellings of which the normal form makes one name."""
    first: dict[str, str] = {}
    for run in _RUN.finditer(text):
        spelled = run.group()
        name = "".join(map(_normal, spelled))
        other = first.setdefault(name, spelled)
        if other != spelled:
            mine, theirs = _difference(spelled, other)
            raise NotationError(
                f"{spelled} and {other} are one name, spelled in two ways",
                text=text,
                span=run.span(),
                inferred=f"{points(mine)} here and {points(theirs)} before; names are read in their normal form (NFKC)",
                repair=f"write {name} throughout, or take two letters that differ in print",
            )


def refuse_alike(text: str) -> None:
    """Two letters of one shape from different scripts."""
    first: dict[str, str] = {}
    for run in _RUN.finditer(text):
        for position, letter in enumerate(run.group(), run.start()):
            shape = SHAPE.get(letter)
            if shape is None:
                continue
            other = first.setdefault(shape, letter)
            if other != letter:
                raise NotationError(
                    f"{letter} looks like another letter of this text and is a different one",
                    text=text,
                    span=(position, position + 1),
                    inferred=f"{points(letter)} beside {points(other)}",
                    repair="write one of them throughout, or take a letter that looks different",
                )


def _difference(one: str, other: str) -> tuple[str, str]:
    """The first letters at which two spellings differ."""
    pairs: Iterable[tuple[str, str]] = zip(one, other, strict=False)
    return next(((a, b) for a, b in pairs if a != b), (one, other))


def points(letters: str) -> str:
    """``U+039A GREEK CAPITAL LETTER KAPPA``"""
    return ", ".join(f"U+{ord(x):04X} {unicodedata.name(x, '')}".rstrip() for x in letters)
