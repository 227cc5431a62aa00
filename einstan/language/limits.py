r"""Sums with limits, as papers write them: each as what it means here, where an index begins at 0 and a sum runs over
the whole axis.

\sum_{i=1}^{n} x_i              \sum_{i} x_i
\sum_{k=1}^{n} x_k, with y_n    \sum_{k} 1[k <= n] x_k, a running sum
\sum_{j=1}^{i-1} A_{i,j}        \sum_{j} 1[j <= i-1] A_{i,j}
\sum_{t=1}^{T} C_t/(1+r)^t      \sum_{t} C_t/(1+r)^(t+1)
\sum_{i=2}^{n} x_i              \sum_{i} 1[i >= 1] x_i
\sum_{i=1}^{p} φ_i y_{t-i}      \sum_{i} φ_i y_{t-i-1}
\sum_{j=1, j \neq i}^{n} a_j    \sum_{j} 1[j \neq i] a_j
\sum_{i=1}^{m} h^{(i)}          \sum_{i} h_{i}
"""

from __future__ import annotations

import re
from collections.abc import Collection

from einstan.language.index import names_in
from einstan.language.labels import labels_as_slots
from einstan.language.signs import MOST

_BELOW = r"_(?:\{\s*(?P<name>\w+)\s*=(?P<low>[^{}]*)\}|(?P<name2>\w+)=(?P<low2>\w+))"
_ABOVE = r"\^\s*(?:\{(?P<high>[^{}]*)\}|(?P<high2>\\?\w+))"
_SIGN = r"(?P<sign>\\?(?<!\w)(?:sum|prod)|[∑∏ΣΠ])\s*"
_HEADS = (
    re.compile(rf"{_SIGN}{_BELOW}(?:\s*{_ABOVE})?"),
    re.compile(rf"{_SIGN}{_ABOVE}\s*_\s*\{{?\s*(?P<name>\w+?)\s*(?:=\s*(?P<low>\w+)\s*)?\}}"),
    re.compile(rf"{_SIGN}_(?:\{{\s*(?P<name>\w+)\s*\}}|(?P<name2>\w))\s*{_ABOVE}"),
    re.compile(r"(?P<sign>\\?(?<!\w)(?:sum|prod|mean))\[\s*(?P<name>\w+)\s*=\s*(?P<low>[^\[\],]*)(?:,(?P<high>[^\[\]]*))?\]"),
)  # fmt: skip
_SLOTS = re.compile(r"_(\w)\b|_\{([^{}=]*)\}|(?<=[\w\])}])\[([^\[\]=]*)\]")
_WORD = re.compile(r"\\?[^\W\d_]\w*|[\[\](){}_]")
_COUNT = re.compile(r"(\w+)\s*([+-]\s*\d+)?")
# Signs as they are written with a subscript.
_SIGNS = {"∑": "∑", "Σ": "∑", "∏": "\\prod", "Π": "\\prod", "sum": "\\sum", "prod": "\\prod"}


def without_limits(text: str) -> str:
    """The text with every sum as this notation has it, or what to write for a product that ends early."""
    if len(text) > MOST:
        return "\\sum_{k} 1[k <= n] x_{k}"
    for head in _HEADS:
        while heads := [*head.finditer(text)]:
            found = heads[-1]  # an inner one first
            name, low, high = (_group(found, part) for part in ("name", "low", "high"))
            low, _, further = (each.strip() for each in low.partition(","))  # j=1, j \\neq i
            text = labels_as_slots(text, name)
            found = [*head.finditer(text)][-1]
            body = text[found.end() :]
            slots = ("".join(each) for each in _SLOTS.findall(text[: found.start()] + body))
            indices = {letter for each in slots for letter in names_in(each)}
            condition = _condition(body, indices, name, low, high)
            whole = not condition
            if further:
                further = (
                    _counted_from_one(further, {name, *indices})
                    if low != "0" and re.search(r"\d", further)
                    else further
                )
                condition = "] 1[".join(filter(None, (condition, *map(str.strip, further.split(",")))))
            if condition and "\\" in condition and "prod" in found["sign"] + _SIGNS.get(found["sign"], ""):
                return f"prod[{name}](1[{condition}] x[{name}] + 1 - 1[{condition}])"
            if condition and "prod" in found["sign"] + _SIGNS.get(found["sign"], ""):
                other = condition.translate(str.maketrans("<>", "><"))
                other = other.replace("=", "") if "=" in other else other.replace(">", ">=").replace("<", "<=")
                return f"prod[{name}](1[{condition}] x[{name}] + 1[{other}])"
            if low.isdecimal() and low != "0":
                body = _counted_from_one(_lagged(body, name), {name, *indices})
            body = _guarded(body, condition, found[0].endswith("]")) if condition else body
            before = text[: found.start()]
            counted = _COUNT.fullmatch(high) if whole else None
            less = (counted[2] or "").replace(" ", "") if counted is not None else ""
            if counted is not None and counted[1] not in indices and (low, less) in (("1", ""), ("0", "-1")):
                before, body = (_sized(part, counted[1], name) for part in (before, body))
            text = before + _head(found, name) + body
    return text


def _sized(text: str, count: str, name: str) -> str:
    """``1/m`` and ``1/(2m)`` in front of a sum up to m with ``|i|`` for m: how many there are is the extent."""
    number = re.compile(rf"(?<![^\W\d]|[\\^|])(?<!\^\{{)(?<!_\{{)(\d?){count}(?![\w\[(_]|\s*=)")
    return number.sub(lambda found: f"{found[1]}{' ' if found[1] else ''}|{name}|", text)


def _group(found: re.Match[str], part: str) -> str:
    named = (found.groupdict().get(part), found.groupdict().get(f"{part}2"))
    return next((each.strip() for each in named if each is not None), "")


def _head(found: re.Match[str], name: str) -> str:
    sign = found["sign"]
    if found[0].endswith("]"):
        return f"{sign}[{name}]"
    return f"{_SIGNS.get(sign) or sign}_{{{name}}}"


def _condition(body: str, indices: Collection[str], name: str, low: str, high: str) -> str:
    """What holds of the index, counted from 0, apart from that it runs over its axis: ``k <= n``."""
    parts = []
    if low.isdecimal():
        parts += [f"{name} >= {int(low) - 1}"] if int(low) > 1 else []
    elif low:
        parts.append(f"{name} >= {low}")
    counted = _COUNT.fullmatch(high)
    if high.isdecimal():
        parts.append(f"{name} < {int(high) + (low == '0')}")
    elif high and counted and counted[1] not in indices:
        less = (counted[2] or "").replace(" ", "")
        if less and low != "0" and not re.search(rf"\b{name}\s*\+", body):  # else x_{i+1} ends it as early
            parts.append(f"{name} < |{name}|{less}")
    elif high and high != "\\infty":
        parts.append(f"{name} <= {high}")
    return "] 1[".join(parts)


def _guarded(body: str, condition: str, called: bool) -> str:
    """The body of a sum with its bracket: behind the sign, or inside of the brackets of ``sum[k](...)``."""
    if not called or not body.startswith("("):
        return f" 1[{condition}] {body.lstrip()}"
    depth = 0
    for place, letter in enumerate(body):
        depth += (letter == "(") - (letter == ")")
        if not depth:
            return f"(1[{condition}] {body[: place + 1]}){body[place + 1 :]}"
    return body


def _lagged(body: str, name: str) -> str:
    """The body with ``y_{t-i-1}`` for ``y_{t-i}``, whose first lag is 1."""
    return re.sub(rf"(?<=[\[_{{,])(\s*[a-z]\s*-\s*{name})(?=\s*[\]}},])", r"\1-1", body)


def _counted_from_one(body: str, names: Collection[str]) -> str:
    """The body with ``(k+1)`` for an index k where it stands as a number, and not in a slot."""
    pieces: list[str] = []
    open_: list[bool] = []
    position = 0
    inside = False  # whether this is part of a slot
    for word in _WORD.finditer(body):
        mark, before, after = word[0], body[word.start() - 1 : word.start()], body[word.end() : word.end() + 1]
        if mark in ("(", "[", "{"):
            open_.append(inside)
            inside = inside or (mark == "[" and (before.isalnum() or before == "_")) or (mark == "{" and before == "_")
        elif mark in (")", "]", "}"):
            if not open_:
                break
            inside = open_.pop()
        elif mark in names and not inside and before not in ("_", "|") and after not in ("[", "_", "("):
            braced = (before, after) == ("{", "}")
            pieces += [body[position : word.start()], f"{mark}+1" if braced else f"({mark}+1)"]
            position = word.end()
    return "".join(pieces) + body[position:]
