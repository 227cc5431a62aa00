r"""What TeX sets otherwise than this notation has it: lines in which it is spelled as it is here, for repairs.

E_{\text{kin}}, V_{max}       E_kin, V_max: a label is part of a name
\hat{x_i}, \hat y             \hat{x}_i, \hat{y}
{\bf x}_i, \mathbf x          \mathbf{x}_i
x^*, x^{\star}_i, x_i^\prime  x_star, x_star_i, x1_i
T_{1/2}                       T_half
\left\| x \right\|            \| x \|
"""

from __future__ import annotations

import re

from einstan.language.commands import ACCENTS, GREEK, WIDE
from einstan.language.errors import NotationError

_BASE = r"(?:\\[A-Za-z]+\s*\{\s*\\?[A-Za-z]+\s*\}|\\[A-Za-z]+|(?<![\w\\])[^\W\d_][^\W_]*(?:_[^\W_]{2,})*)"
_FONT = r"\\(?:text|mathrm|textrm|textit|mathit|operatorname|mathsf|textsf|textbf|mathbf)"
_LABEL = rf"(?:{_FONT}\s*\{{\s*([A-Za-z]+\d*)\s*\}}|\\(max|min|log|exp|sum)|([A-Za-z]{{3,}}|[A-Z]{{2,}}))"
_LABELLED = re.compile(rf"({_BASE})_(?:\{{\s*{_LABEL}\s*(?:,([^{{}}]*))?\}}|{_FONT}\s*\{{\s*([A-Za-z]+\d*)\s*\}})")
_NAMED = re.compile(r"\\([A-Za-z]+)\s*(?:\{\s*(\\?)([A-Za-z]+)\s*\})?")
_SUB = r"_\{[^{}]*\}|_\w(?!\w)"
_ACCENTED = re.compile(r"\s*\{\s*(\\?[A-Za-z]+)(_\{[^{}]*\}|_[^\W\d_](?!\w))\s*\}")
_SWITCH = re.compile(r"\{\s*\\(bf|rm|it|sf|cal|mathbf|boldsymbol|bm|mathrm|mathcal)\s+([^\W_]+|\\[A-Za-z]+)\s*\}")
_BARE_FONT = re.compile(
    r"\\(mathbf|boldsymbol|bm|mathrm|mathcal|mathsf|mathit)\s*(?:\s([^\W\d_])(?!\w)|(?<!\s)(\\[A-Za-z]+))"
)
_STAR = r"\^\s*(?:\{\s*(?:\*|\\ast|\\star)\s*\}|\*|\\ast(?![A-Za-z])|\\star(?![A-Za-z]))"
_PRIME = r"\^\s*(?:\{\s*\\prime\s*\}|\\prime(?![A-Za-z]))"
_MARKED = re.compile(rf"({_BASE})({_SUB})?({_STAR}|{_PRIME})({_SUB})?")
_LETTER = r"(?:\\[A-Za-z]+|[^\W\d_])"
_LETTERS = rf"\s*({_LETTER}(?:\s*,\s*{_LETTER})*|(?:[A-Z]|(?![a-z])[^\W\d_]|\\[A-Za-z]+){{2,3}})\s*"
_UPPER = re.compile(
    rf"({_BASE})\^(?:\{{{_LETTERS}\}}|({_LETTER})(?![^\W_]))(?:_(?:\{{{_LETTERS}\}}|({_LETTER})(?![^\W_])))?"
)
_CONDITIONED = re.compile(rf"({_BASE})_\{{\s*(\w[\w+\- ]*\|[\w+\- ]*\w)\s*\}}")
_BARS = re.compile(
    r"(?:\\(?:left|right|[bB]igg?[lrm]?)\s*)?(?:\\\||\\[lr]?Vert(?![A-Za-z])|‖|∥)|\\(?:left|right)\s*(?=‖|∥)"
)
_HALF = re.compile(rf"({_LETTER})_(?:\{{\s*(?:1/2|\\[dt]?frac\s*\{{?1\}}?\s*\{{?2\}}?)\s*\}}|½)(?![\w^])")
_HALF_LEFT = re.compile(rf"\s*({_LETTER})_1/2\s*=")
SWITCHES = {"bf": "mathbf", "rm": "mathrm", "it": "mathit", "sf": "mathsf", "cal": "mathcal"}


def labels_in_names(text: str) -> str:
    r"""``E_{\text{kin}}`` as ``E_kin`` and ``x_{\text{out},i}`` as ``x_out[i]``."""

    def spelled(found: re.Match[str]) -> str:
        label = next(filter(None, (found[2], found[3], found[4], found[6])))
        behind = " " if text[found.end() : found.end() + 1].isalnum() else ""
        return f"{plain_name(found[1])}_{label}{f'[{found[5].strip()}]' if found[5] else behind}"

    return _LABELLED.sub(spelled, text)


def plain_name(base: str) -> str:
    r"""``\mathcal{L}`` as ``L``, ``\hat{y}`` as ``y_hat``, ``\sigma`` as ``σ``."""

    found = _NAMED.fullmatch(base)
    if found is None:
        return base
    command, greek, letters = found[1], found[2], found[3]
    if letters is None:
        return GREEK.get(command, base)
    letter = GREEK.get(letters, letters) if greek else letters
    accent = WIDE.get(command, command)
    return f"{letter}_{accent}" if accent in ACCENTS else letter


def accented(text: str, end: int) -> str:
    r"""``\hat{x_i}`` with the subscript behind its brace, here and elsewhere; nothing where it has none."""
    if not _ACCENTED.match(text, end):
        return ""
    return re.sub(rf"(\\[A-Za-z]+){_ACCENTED.pattern}", r"\1{\2}\3", text)


def fonts(text: str) -> str:
    r"""``{\bf x}_i`` and ``\mathbf x_i`` as ``\mathbf{x}_i``."""
    line = _SWITCH.sub(lambda found: f"\\{SWITCHES.get(found[1], found[1])}{{{found[2]}}}", text)
    return _BARE_FONT.sub(lambda found: f"\\{found[1]}{{{found[2] or found[3]}}}", line)


def marks_in_names(text: str) -> str:
    r"""``x^*`` as ``x_star``, ``x_i^\prime`` as ``x1_i``."""

    def spelled(found: re.Match[str]) -> str:
        name = plain_name(found[1])
        mark = f"{name}1" if "prime" in found[3] else f"{name}_star"
        behind = " " if text[found.end() : found.end() + 1].isalnum() else ""
        return f"{mark}{found[2] or found[4] or behind}"

    return _MARKED.sub(spelled, text)


def conditions_in_names(text: str) -> str:
    r"""``P_{k|k-1}`` as ``P_kk1``, and ``\\hat{x}_{k|k}`` as ``x_hat_kk``."""

    def spelled(found: re.Match[str]) -> str:
        behind = " " if text[found.end() : found.end() + 1].isalnum() else ""
        return f"{plain_name(found[1])}_{re.sub(r'[^0-9A-Za-z]', '', found[2])}{behind}"

    return _CONDITIONED.sub(spelled, text)


def lowered_indices(text: str) -> str:
    r"""The text with the indices that stand above as slots, ``g^{k,l} w_l`` as g_{k,l} w_l, if there are any."""
    each = re.compile(_LETTER)
    lowered = _UPPER.sub(lambda m: f"{m[1]}_{{{','.join(each.findall(' '.join(filter(None, m.groups()[1:]))))}}}", text)
    return "" if lowered == text else lowered


def bars(text: str) -> str:
    r"""``\left\lVert x \right\rVert`` as ``\| x \|``."""
    return _BARS.sub(r"\\|", text)


def half(text: str) -> NotationError | None:
    r"""The refusal of ``T_{1/2}``, whose label is no slot, and of ``T_1/2`` on the left side, which is half of T_1."""
    found = _HALF_LEFT.match(text) or _HALF.search(text)
    if found is None:
        return None
    name = plain_name(found[1])
    line = re.sub(rf"{re.escape(found[1])}_(?:1/2|\{{[^{{}}]*\}}|\{{[^=]*?\}}\}}|½)", f"{name}_half", text)
    return NotationError(
        f"{found[0].strip(' =')} is no entry of {name}", text=text, span=(found.start(1), found.end(1)), repair=line
    )
