r"""Cases, lists of entries, binomials and quotients, as they are set or listed: a line in which each is written out.

\begin{cases} x & x > 0 \\ 0 & x <= 0 \end{cases}      1[x > 0] * x
x = [a, b]                                             x[i] = δ[i,0] * a + δ[i,1] * b where |i| = 2
{a \over b}, \binom{n}{k}                              \frac{a}{b}, by lgamma
"""

from __future__ import annotations

import re

MOST = 1000  # characters of a text that is written out
CHOOSE = "exp(lgamma({a} + 1) - lgamma({b} + 1) - lgamma({a} - {b} + 1))"


DENIED = {"=": "!=", "==": "!=", "!=": "==", "≠": "==", "<": ">=", ">=": "<", "≥": "<", ">": "<=", "<=": ">", "≤": ">"}
_COMPARED = re.compile(r"([^<>≤≥≠=!]+?)(<=|>=|==|!=|[<>≤≥≠])([^<>≤≥≠=!]+)")
_BINOMIAL = re.compile(r"\\[td]?binom\s*\{([^{}]*)\}\s*\{([^{}]*)\}")
_CASES = re.compile(r"([^=]*)=\s*(?:\\left\\\{)?\s*\\begin\{cases\}(.*?)\\end\{cases\}\s*[.,]?", re.DOTALL)
_OF_CASES = re.compile(
    r"\\(?:text|mathrm)\s*\{\s*(?:if|for|when|otherwise|else)\s*\}|(?<!\w)(?:if|for|otherwise|else)(?!\w)"
)
_RELATIONS = {"le": "<=", "ge": ">=", "ne": "!=", "lt": "<", "gt": ">"}
_LIST = re.compile(r"\s*([^\W\d_]\w*)\s*=\s*(?:[\[(]|\\?\{)([^\[\](){},]+(?:,[^\[\](){},\\]+)+)(?:[\])]|\\?\})\s*")


def chosen(left: str, holds: str, value: str, other: str) -> str:
    """``y = value if holds else other`` with the condition as a factor."""
    compared = _COMPARED.fullmatch(holds)
    if compared is None:
        return ""
    denied = f"1[{compared[1].strip()} {DENIED[compared[2]]} {compared[3].strip()}]"
    terms = {times(f"1[{holds.strip()}]", value): value, times(denied, other): other}  # a bracket guards its factor
    return f"{left.strip()} = {' + '.join(term for term, each in terms.items() if each.strip() != '0') or '0'}"


def _compared_here(condition: str) -> str:
    return re.sub(r"\\(leq?|geq?|neq?|lt|gt)(?![A-Za-z])", lambda sign: _RELATIONS[sign[1][:2]], condition)


def listed(text: str) -> str:
    """``x = [a, b]`` as ``x[i] = δ[i,0] * a + δ[i,1] * b where |i| = 2``; nothing where it is more."""
    found = _LIST.fullmatch(text)
    if found is None or len(text) > MOST:
        return ""
    entries = [entry.strip() for entry in found[2].split(",")]
    terms = [times(f"δ[i,{place}]", entry) for place, entry in enumerate(entries) if entry != "0"]
    return f"{found[1]}[i] = {' + '.join(terms)} where |i| = {len(entries)}" if terms and all(entries) else ""


def set_by_tex(text: str, command: str) -> str:
    r"""The text with ``\binom{n}{k}``, or the cases of ``\begin{cases} x & x > 0 \\ ... \end{cases}``, as factors."""
    if command == "propto":
        left, _, right = text.partition("\\propto")
        return f"{left.rstrip()} = c * {right.strip()}" if not re.search(r"(?<!\w)c(?!\w)", text) else ""
    if command == "%":
        return re.sub(r"\s*\\%", "/100", text)
    if command in ("lceil", "rceil"):
        line = re.sub(r"\\lceil(.*?)\\rceil", lambda found: f"(-floor(-({found[1].strip()})))", text)
        return line if "ceil" not in line else ""
    if command.endswith("binom"):
        line = _BINOMIAL.sub(lambda found: CHOOSE.format(a=found[1].strip(), b=found[2].strip()), text)
        return line if line != text and "binom" not in line else ""
    found = _CASES.fullmatch(text) if command == "begin" else None
    rows = [row.partition("&") for row in found[2].split("\\\\") if row.strip()] if found is not None else []
    if found is None or not all(row[1] for row in rows):
        return ""
    cases = [
        (value.strip(" ,"), _compared_here(_OF_CASES.sub("", condition)).strip(" ,.")) for value, _, condition in rows
    ]
    if len(cases) == 2 and not cases[1][1]:  # otherwise
        return chosen(found[1], cases[0][1], cases[0][0], cases[1][0])
    if not all(condition for _, condition in cases):
        return ""
    terms = [times(f"1[{condition}]", value) for value, condition in cases if value != "0"]
    return f"{found[1].strip()} = {' + '.join(terms)}" if terms else ""


def over(text: str) -> str:
    r"""``{a \over b}`` as ``{\frac{a}{b}}``, and ``y = a \over b``."""
    line = re.sub(r"\{([^{}]*?)\s*\\over\s*([^{}]*?)\}", r"{\\frac{\1}{\2}}", text)
    whole = re.fullmatch(r"([^={}]*=)\s*([^={}]*?)\s*\\over\s+([^={}]*)", text)
    line = f"{whole[1]} \\frac{{{whole[2]}}}{{{whole[3].rstrip()}}}" if whole else line
    return line if line != text and "\\over" not in line else ""


def times(factor: str, each: str) -> str:
    alone = re.fullmatch(r"\\?[\w.]+(?:\[[^\[\]]*\]|_\{[^{}]*\})?", each.strip()) is not None
    return f"{factor} * {each.strip()}" if alone else f"{factor} ({each.strip()})"
