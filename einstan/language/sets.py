r"""Sets: a tensor that is 1 inside and 0 outside, to paste.

L = sum_{i in S} x[i]                  L = sum[i](S[i] x[i])
L_i = \sum_{j \in N(i)} x_j            L_i = \sum_{j} N_{i,j} x_j
S = {i : x[i] > 0}                     S[i] = 1[x[i] > 0]
J = |A ∩ B| / |A ∪ B|                  J = sum[K](A[K] B[K]) / sum[K](maximum(A[K], B[K]))
"""

from __future__ import annotations

import re

from einstan.language.errors import NotationError

MOST = 400  # characters of a text that is written out
INSIDE = "{0} is an input, 1 inside of the set and 0 outside"

_SET = r"\\?(?:mathcal\s*\{\s*)?([^\W\d_])\}?(?:\s*\(\s*([^\W\d_])\s*\)|_(?!\{)(\w)|_\{(\w)\})?"
_SUM = re.compile(
    rf"(\\sum|\\prod|[∑∏]|(?<!\w)(?:sum|prod|mean)(?=[_\[]))(?:\\limits)?\s*(?:_\s*\{{|\[)\s*(\w)\s*"
    rf"(?:\\in(?![A-Za-z])|∈|(?<= )in(?= ))\s*{_SET}\s*[\]}}]\s*"
)
_BUILT = re.compile(
    r"\s*(\w+)\s*=\s*\\?\{\s*(\\?\w)(?:\s*(?:∈|\\in(?![A-Za-z])|in\s)[^:|{}]*)?\s*(?::|\||\\mid|\\colon)\s*"
    r"([^{}]*?(?:\{[^{}]*\}[^{}]*)*?)\s*\\?\}\s*"
)
_COUNTED = re.compile(r"\|\s*(\w+)\s*(∩|∪|\\cap(?![A-Za-z])|\\cup(?![A-Za-z]))\s*(\w+)\s*\|")
_SIZE = re.compile(r"\|\s*([A-Z])\s*\|")


def of_set(text: str) -> NotationError | None:
    """The refusal of a sum over a set, and of a set by its condition."""
    if len(text) > MOST:
        return None
    if (counted := _COUNTED.search(text)) is not None:
        line = _COUNTED.sub(_count, text)
        line = _SIZE.sub(r"sum[K](\1[K])", line) if not re.search(r"(?<!\w)K(?!\w)", text) else ""
        problem = "a set is a tensor that is 1 inside and 0 outside, and how many are in it is a sum"
        return NotationError(problem, text=text, span=counted.span(), repair=line or INSIDE.format(counted[1]))
    built = _BUILT.fullmatch(text)
    if built is not None:
        name, letter, condition = built[1], built[2].lstrip("\\"), built[3]
        by_index = re.search(rf"(?<=[\[_{{,]){letter}(?!\w)", condition)
        holds = condition if by_index else re.sub(rf"(?<!\w){letter}(?!\w)", f"{letter}[i]", condition)
        line = f"{name}[{letter if by_index else 'i'}] = 1[{holds}]"
        words = f"{name} is then 1 where the condition holds and 0 elsewhere"
        return NotationError("a set is a tensor here", text=text, span=built.span(), repair=(line, words))
    found = _SUM.search(text)
    if found is None or found[1] in ("prod", "\\prod", "∏"):
        return None
    line = text
    while (each := _SUM.search(line)) is not None:
        line = _masked(line, each)
    name = found[3]
    return NotationError("a sum over a part of an axis has a factor", text=text, span=found.span(),
                         repair=(line, INSIDE.format(name)))  # fmt: skip


def _count(found: re.Match[str]) -> str:
    one, sign, other = found.groups()
    return f"sum[K]({one}[K] {other}[K])" if sign in ("∩", "\\cap") else f"sum[K](maximum({one}[K], {other}[K]))"


def _masked(text: str, found: re.Match[str]) -> str:
    sign, letter, name = found[1], found[2], found[3]
    of = found[4] or found[5] or found[6]
    before, behind = text[: found.start()], text[found.end() :]
    slots = ",".join(filter(None, (of, letter)))
    if sign[0] in "\\∑":
        return f"{before}{sign}_{{{letter}}} {name}_{{{slots}}} {behind}"
    end = _term(behind)
    body = behind[:end].strip()
    body = body[1:-1] if re.fullmatch(r"\([^()]*\)", body) and not re.search(r"[+-]", body[1:]) else body
    return f"{before}{sign}[{letter}]({name}[{slots}] {body}){behind[end:]}"


def _term(text: str) -> int:
    """Where a product ends."""
    depth = 0
    for place, mark in enumerate(text):
        depth += (mark in "([{") - (mark in ")]}")
        if depth < 0 or (not depth and mark in "+-" and text[:place].strip()):
            return len(text[:place].rstrip())
    return len(text)
