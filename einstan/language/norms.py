r"""Norms and inner products by signs, which have an index here.

\|u_K\|, ‖u‖, \|A x - b\|      norm[K](u_K), norm[K](u[K]), norm[I](A_{I,K} x_{K} - b_{I})
\|x_i - y_j\|                  norm[D](x_{i,D} - y_{j,D}), of vectors that have numbers
⟨x, A y⟩                       x[K] A[K,L] y[L]
"""

from __future__ import annotations

import re

from einstan.language.entries import of_vector
from einstan.language.typeset import bars

NAME = re.compile(r"\\?[^\W\d_]\w*")


_NORM = re.compile(r"(?:\\\||‖|∥)((?:[^|‖∥\\]|\\[A-Za-z])+)(?:\\\||‖|∥)(?:_\{?([12F])\}?|([₁₂]))?(?!_)")
_CAPITALS = re.compile(r"(?<![\w.])([A-Z])(?!\w)")
_SLOTS = re.compile(r"\[([^\[\]]*)\]|_\{([^{}]*)\}|_([A-Z])(?!\w)")
_SMALL = re.compile(r"_(?:[a-z](?!\w)|\{[a-z](?:,[a-z])*\})")
_VECTOR = r"(\\(?:hat|tilde|bar|dot|ddot|vec)\s*\{\s*\\?[A-Za-z]+\s*\}|\\[A-Za-z]+|[^\W\d_]\d*)"
_NUMBERED = re.compile(rf"{_VECTOR}(\[\w(?:,\w)*\]|_\{{\w(?:,\w)*\}}|_\w(?!\w))?")
_PLAIN_NAMES = re.compile(rf"\s*{_NUMBERED.pattern}(?:\s*[+−-]\s*{_NUMBERED.pattern})*\s*")
_SMALL_SLOTS = re.compile(r"\[([a-z](?:,[a-z])*)\]|_\{([a-z](?:,[a-z])*)\}|_([a-z])(?!\w)")
_ALONE = re.compile(r"\s*(\\?[^\W\d_]+\d*(?:_\w|\[\w\])?)\s*")
_INNER = re.compile(r"(?:⟨|\\langle(?![A-Za-z]))([^,⟨⟩=]+),([^,⟨⟩=]+?)(?:⟩|\\rangle(?![A-Za-z]))")
_NAMES = re.compile(rf"{NAME.pattern}(?:\s*[+−-]\s*{NAME.pattern})*")  # a difference of vectors


def inner_products(text: str) -> str:
    """The text with ``⟨x, A y⟩`` as ``x[K] A[K,L] y[L]``; nothing where one of them stays."""

    def written(found: re.Match[str]) -> str:
        parts = [
            _with_letter(each.strip(), "K") if _ALONE.fullmatch(each) else of_vector(each, text, "K")
            for each in found.groups()
        ]
        if not all(parts):
            return found[0]
        return " ".join(f"({each})" if re.search(r" [+-] ", each) else each for each in parts)

    line = _INNER.sub(written, text)
    return "" if line == text or re.search(r"[⟨⟩]|\\[lr]angle", line) else line


def norms(text: str) -> str:
    """The text with ``‖x‖`` and its like as ``norm[K](x[K])``; nothing where one of them stays."""
    plain = bars(text)
    line = _NORM.sub(lambda found: _normed(found, text.partition("=")[0]), plain)
    return "" if line == plain or any(each in line for each in ("\\|", "‖", "∥")) else line


def _normed(found: re.Match[str], left: str) -> str:
    """``\\|x_k\\|`` as ``norm[K](x_K)``; of vectors that have numbers, ``\\|x_i - y_j\\|`` or where the ``left`` side
    has the i too, as ``norm[D](x_{i,D} - y_{j,D})``."""
    inside = found[1].strip()
    small = [letter for slots in _SMALL_SLOTS.findall(inside) for letter in re.findall(r"[a-z]", "".join(slots))]
    around = f"{found.string[: found.start()]} {found.string[found.end() :]}"
    large = [letter for letter in re.findall(r"[\[_,{]([A-Z])(?=[\],}]|(?!\w))", inside) if f"|{letter}|" in around]
    before = found.string[: found.start()]
    numbered = any(re.search(rf"[\[_,{{\s]{letter}(?!\w)", left) or _sums(before, letter) for letter in small)
    if large or (small and (len(set(small)) > 1 or numbered)):
        letter = next(each for each in "DKLM" if not re.search(rf"(?<![^\W_]){each}(?!\w)", found.string))
        entries = _numbered_entries(inside, found.string, letter)
        if not entries:
            return found[0]
        return f"sum[{letter}](abs({entries}))" if _order(found) == "1" else f"norm[{letter}]({entries})"
    inside = _SMALL.sub(lambda slots: slots[0].upper(), inside)
    letters = [each for slots in _SLOTS.findall(inside) for each in _CAPITALS.findall("".join(slots))]
    alone = "I,J" if found[2] == "F" else "K"  # Frobenius' is that of a matrix
    over, what = (",".join(dict.fromkeys(letters)), inside) if letters else (alone, f"{inside}[{alone}]")
    vector = "" if letters else of_vector(inside, found.string, "I")
    names = _NAMES.fullmatch(inside)
    if vector and (not names or "K" in vector):  # A x - b
        over, what = "I", vector
    elif not letters and not names:
        return found[0]
    elif not letters:
        what = NAME.sub(lambda name: f"{name[0]}[{alone}]", inside)
    return f"sum[{over}](abs({what}))" if _order(found) == "1" else f"norm[{over}]({what})"


def _sums(text: str, letter: str) -> bool:
    """Whether a sign of a sum over a letter stands in a text."""
    return re.search(rf"(?:\\sum|∑)\s*_\s*(?:{letter}(?!\w)|\{{[^{{}}]*(?<!\w){letter}(?!\w))", text) is not None


def _numbered_entries(inside: str, text: str, letter: str) -> str:
    """``p_i - R q_i - t``, of vectors that have numbers, as ``p_{i,D} - R_{D,K} q_{i,K} - t_{D}``; nothing where this
    is no sum of products."""
    if _PLAIN_NAMES.fullmatch(inside):
        return _NUMBERED.sub(lambda found: found[1] + _with_slot_behind(found[2] or "", letter), inside)
    slots = {(found[1], found[2]) for found in _NUMBERED.finditer(inside) if found[2]}
    if len(dict(slots)) < len(slots):
        return ""
    entries = of_vector(_NUMBERED.sub(r"\1", inside), text, letter)
    for name, own in slots:
        number = own.strip("_[]{}")
        entries = re.sub(rf"(?<![\w\\]){re.escape(name)}(\[|_\{{)", rf"{_escaped(name)}\g<1>{number},", entries)
    return entries


def _escaped(name: str) -> str:
    return name.replace("\\", r"\\")


def _with_slot_behind(slots: str, letter: str) -> str:
    inside = ",".join(filter(None, (slots.strip("_{}[]"), letter)))
    return f"[{inside}]" if slots[:1] == "[" else f"_{{{inside}}}"


def _order(found: re.Match[str]) -> str:
    return {"₁": "1"}.get(found[3] or "", found[2] or "")


def _with_letter(vector: str, letter: str) -> str:
    """``x_n`` as ``x_{n,K}``, and ``x`` as ``x[K]``."""
    numbered = re.sub(r"_(\w)$", rf"_{{\1,{letter}}}", re.sub(r"\]$", f",{letter}]", vector))
    return numbered if numbered != vector else f"{vector}[{letter}]"


def _with_slot(slots: re.Match[str], letter: str) -> str:
    brackets, braces, single = slots.groups()
    return f"[{brackets},{letter}]" if brackets else f"_{{{braces or single},{letter}}}"
