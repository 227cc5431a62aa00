r"""What programming languages write, and TeX in short, which is written otherwise here: refused with the whole line.

y += x, y := x, y == x     y2 = y + x, y = x
a // b                     floor(a / b)
E[n][k]                    E[n,k]
4ac                        4 a c, or 4 times a number called ac
[x > 0], 1(x > 0), x > 0   1[x > 0]
\frac12, \sqrt2            \frac{1}{2}, \sqrt{2}
let y = x, claim y = x     prose, and lines of documents
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from einstan.language.commands import GREEK
from einstan.language.errors import NotationError, Span
from einstan.language.glued import as_one, is_power
from einstan.language.index import names_in
from einstan.language.surface import Expression, Ref
from einstan.language.term import RELATIONS
from einstan.language.tokens import Token

PROSE = {
    **dict.fromkeys(("prove", "show", "verify", "check", "test"), "claim "),
    **dict.fromkeys(("theorem", "lemma", "proposition", "corollary", "fact", "proof"), "claim "),
    "assumption": "assume ",
    **dict.fromkeys(("let", "define", "def", "set", "return", "const", "var", "compute", "then", "so", "hence"), ""),
    **dict.fromkeys(("thus", "therefore", "where", "with", "and", "that", "we", "note", "clearly", "finally"), ""),
}
STATEMENTS = ("claim", "refute", "assume", "given", "convention")

_BOUND = re.compile(r"(?:sum|prod|[∑∏])(?:_|\[)\{?(\w+(?:\s*,\s*\w+)*)")  # by a sum around
_UPPER = re.compile(r"\s*\^\s*(?:\{[^{}]*\}|\\?\w)")
_ARGUMENT = re.compile(r"\s*(\{(?:[^{}]|\{[^{}]*\})*\}|\\[A-Za-z]+|\w)")
_LEFT = re.compile(r"\s*([^\W\d_]\w*)\s*(\[[^\[\]]*\]|_\{[^{}]*\}|_\w)?\s*")
_COMPARED = re.compile(r"[<>≤≥≠]|[=!]?=|\\(?:leq?|geq?|neq?|lt|gt)\b")
_STRETCH = "\\left"
_LETTERS = re.compile(r"_\{?((?:\w,)*\w)(?![\w,])")  # of subscripts
_RUN_ON = re.compile(r"(?<!\w)(?!sum|prod)([^\W\d_]+)_([a-z])([A-Za-z])(?=_)")
_POSITIVE = re.compile(r"(?<!\w)(?:\\left)?[\[(]([^\[\]()]*(?:\([^()]*\)[^\[\]()]*)*)(?:\\right)?[\])]_(?:\+|\{\+\})")
_TEN = r"10(?=\s*\^|\*\*|[⁰¹²³⁴⁵⁶⁷⁸⁹⁻])|(?<= )\d+(?![\w.])"  # and a number behind a blank
_SCIENTIFIC = re.compile(rf"(?<![\w.])(\d+(?:\.\d+)?)\s*(?:(x)\s*({_TEN})|[×·*]\s*10(?P<power>[−–]\d+)(?![\w.]))")
_AND = re.compile(r",|(?<!\w)and(?!\w)")
_LONG = re.compile(r"<=|>=|==|!=")
_CLOSING = {"(": ")", "[": "]", "{": "}"}


def assigned(text: str, sign: Token, behind: int) -> NotationError:
    """``y[i] += x[i]``: an equation does not change what it reads."""
    left, right, operation = text[: sign.start].rstrip(), text[behind:].strip(), sign.text
    found = _LEFT.fullmatch(left)
    right = right if operation in "+-" else f"({right})"
    repair = f"{found[1]}2{found[2] or ''} = {left} {operation} {right}" if found else ()
    return NotationError(
        f"{operation}= changes a tensor, and an equation defines one", text=text, span=(sign.start, behind),
        repair=repair,
    )  # fmt: skip


def equals(text: str, span: Span) -> NotationError:
    """``y := x`` and ``y <- x``."""
    written = text[slice(*span)]
    repair = f"{text[: span[0]].rstrip()} = {text[span[1] :].lstrip()}"
    return NotationError(f"an equation is written with =, not with {written}", text=text, span=span, repair=repair)


def floor_division(text: str, start: int, sign: Span, end: int) -> NotationError:
    """``a // b``, of which the dividend begins at ``start`` and the divisor ends at ``end``."""
    above, below = text[start : sign[0]].strip(), text[sign[1] : end].strip()
    repair = f"{text[:start]}floor({above} / {below}){text[end:]}"
    return NotationError("// is no sign here", text=text, span=sign, repair=repair)


def slots_again(text: str, tokens: Sequence[Token], place: int) -> NotationError:
    """``E[n][k]``: the second bracket opens at a ``place`` among the tokens."""
    token = tokens[place]
    repair = f"{text[: token.start - 1]},{text[token.end :]}"
    return NotationError("the slots of a tensor stand in one bracket", text=text, span=(token.start, token.end),
                         repair=repair)  # fmt: skip


def around(tokens: Sequence[Token], place: int) -> int:
    """The place of the bracket around a place among the tokens, or that of the last token where there is none."""
    depth = 0
    for k in reversed(range(place)):
        depth += {"(": -1, "[": -1, "{": -1, ")": 1, "]": 1, "}": 1}.get(tokens[k].text, 0)
        if depth < 0:
            return k
    return len(tokens) - 1


def comparison(text: str, tokens: Sequence[Token], place: int) -> str:
    """The text with the bracket that opens at a ``place`` among the tokens as ``1[...]``, if it compares."""
    opening, depth, compares = tokens[place], 0, False
    for token in tokens[place:]:
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(token.text, 0) if token.kind == "mark" else 0
        equals = token.text == "=" and opening.text == "["  # [i = j]
        compares |= depth == 1 and token.kind == "mark" and (token.text in RELATIONS or equals)
        if not depth:
            if not compares:
                return ""
            before = tokens[place - 1] if place else opening
            if before.text == "_" or (before.kind == "name" and opening.glued):
                return conditioned(text, tokens, place)
            one = place and before.text == "1" and opening.glued
            start = before.start if one else opening.start
            inside = text[opening.end : token.start].strip().removesuffix("\\right").strip()
            return f"{text[:start].removesuffix(_STRETCH)}1[{inside}]{text[token.end :]}"
    return ""


def conditioned(text: str, tokens: Sequence[Token], place: int) -> str:
    r"""``\sum_{i<j} q_i q_j`` as ``sum[i,j](1[i < j] q_i q_j)``, and ``I[x > 0]`` as ``1[x > 0]``; the bracket opens at
    a ``place`` among the tokens."""
    sign = tokens[place - 1 - (tokens[place - 1].text == "_")]
    depth, end = 0, place
    while tokens[end].kind != "end":
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(tokens[end].text, 0)
        end += 1
        if not depth:
            break
    inside = text[tokens[place].end : tokens[end - 1].start].strip()
    if above := _UPPER.match(text, tokens[end - 1].end):  # \\sum_{i < j}^{N}
        end = next(k for k in range(end, len(tokens)) if tokens[k].start >= above.end())
    behind = end
    if sign.text in ("I", "ind", "Ind"):
        return f"{text[: sign.start]}1[{inside}]{text[tokens[end - 1].end :]}"
    if sign.text not in ("sum", "mean", "prod", "max", "min") or "=" in inside.replace("==", "").replace("<=", ""):
        return ""
    while tokens[behind].kind != "end":
        mark = tokens[behind].text
        if not depth and mark in ("+", "-", "=", ",", ")", "]", "}", "where") and behind > end:
            break
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(mark, 0)
        behind += 1
        if not depth and mark == ")" and sign.text != "sum":
            break
    body = text[tokens[end].start : tokens[behind - 1].end]
    inner = body[1:-1] if body.startswith("(") and body.find(")") == len(body) - 1 else body
    left = {token.text for token in tokens if token.kind == "name" and token.start < text.find("=")}
    left |= {letter for slots in _BOUND.findall(text[: sign.start]) for letter in names_in(slots)}
    compared = dict.fromkeys(token.text for token in tokens[place:end] if token.kind == "name")
    read = {token.text for token in tokens[end:behind]}
    letters = [name for name in compared if name not in left and name in read]
    if sign.text != "sum" or not letters:
        return ""
    return f"{text[: sign.start]}sum[{','.join(letters)}](1[{inside}] {inner}){text[tokens[behind - 1].end :]}"


def conjoined(text: str, start: int) -> str:
    """The text with ``1[x > 0 and y > 0]``, which begins at a place, as ``1[x > 0] 1[y > 0]``; else nothing."""
    opening = min((k for k in (text.find("[", start), text.find("{", start)) if k >= 0), default=-1)
    depth, pieces, begin = 0, [], opening + 1
    for place in range(max(opening, 0), len(text)):
        depth += (text[place] in "([{") - (text[place] in ")]}")
        word = depth == 1 and _AND.match(text, place)
        if word or not depth:
            pieces.append(text[begin:place].strip())
            begin = word.end() if word else begin
        if not depth:
            for k in reversed(range(len(pieces) - 1)):  # 1[i, j < 3]
                if not _COMPARED.search(pieces[k]) and (shared := _COMPARED.search(pieces[k + 1])):
                    pieces[k] = f"{pieces[k]} {pieces[k + 1][shared.start() :]}"
            brackets = " ".join(f"1[{piece}]" for piece in pieces)
            return f"{text[:start]}{brackets}{text[place + 1 :]}" if len(pieces) > 1 and all(pieces) else ""
    return ""


def run_together(text: str, number: Token, name: Token, tokens: Sequence[Token]) -> NotationError | None:
    """``4ac`` beside no other ``ac``: a number times letters, or times one name."""
    letters = text[name.start : name.end]
    plain = name.kind == "name" and letters.isascii() and letters.isalpha() and 1 < len(letters) < 4
    if not plain or letters in GREEK or sum(token.text == letters for token in tokens) > 1:
        return None
    before, behind = text[: number.end], text[name.end :]
    behind = f" {behind}" if behind[:1].isalnum() and not is_power(behind) else behind
    return NotationError(
        f"{number.text}{letters} is a product of letters, or of a number called {letters}", text=text,
        span=(number.start, name.end),
        repair=(f"{before} {' '.join(letters)}{behind}", f"{before} {as_one(letters, behind)}{behind}"),
    )  # fmt: skip


def braced(text: str, start: int, end: int, count: int) -> str | tuple[()]:
    r"""The text with each argument of ``\frac12`` or ``\sqrt2`` in braces, if so many are there."""
    found, place = [], end
    for _ in range(count):
        argument = _ARGUMENT.match(text, place)
        if argument is None:
            return ()
        found.append(argument[1].removeprefix("{").removesuffix("}"))
        place = argument.end()
        if text[place : place + 1] in ("_", "^", "["):
            return ()
    return f"{text[:end].rstrip()}{''.join(f'{{{each}}}' for each in found)}{text[place:]}"


def rooted(text: str, start: int, end: int) -> str | tuple[()]:
    r"""The text with ``\sqrt[3]{x}`` as a power, or with ``\sqrt2`` in braces."""
    order = re.compile(r"\s*\[([^\[\]]*)\]").match(text, end)
    if order is None:
        return braced(text, start, end, 1)
    argument = _ARGUMENT.match(text, order.end())
    if argument is None:
        return ()
    inside = argument[1].removeprefix("{").removesuffix("}")
    return f"{text[:start]}({inside})^(1/{order[1].strip()}){text[argument.end() :]}"


def prose(text: str, left: Expression, tokens: Sequence[Token]) -> None:
    """Refuse ``let y = x``, which would be a product with a number called let."""
    first = left.terms[0].parts[0][0]
    if len(left.terms) > 1 or len(left.terms[0].parts) < 2 or not isinstance(first, Ref) or first.slots:
        return
    word = str(first.name)
    if word.lower() in PROSE and sum(token.text == word for token in tokens) == 1:
        repair = f"{PROSE[word.lower()]}{text[first.span[1] :].lstrip()}"
        raise NotationError(f"{word} would be a number here", text=text, span=first.span, repair=repair)


def run_on(text: str) -> NotationError | None:
    """``w_ix_i``, where TeX's subscript is one letter, and the name would be w_ix."""
    letters: set[str] | None = None
    for found in _RUN_ON.finditer(text):
        letters = {letter for slots in _LETTERS.findall(text) for letter in slots} if letters is None else letters
        if found[2] in letters:
            repair = f"{text[: found.start(3)]} {text[found.start(3) :]}"
            problem = f"{found[0]} is one name, or the product of {found[1]}_{found[2]} and {found[3]}"
            return NotationError(problem, text=text, span=found.span(), repair=repair)
    return None


def scientific(text: str) -> NotationError | None:
    """``1.6 x 10^-19``, whose x is a times, and ``1.6 × 10−19``, whose power is no longer set above."""
    found = _SCIENTIFIC.search(text)
    if found is None or (found[2] == "x" and len(re.findall(r"(?<![^\W\d])x(?![^\W\d_])", text)) > 1):
        return None
    before, behind = text[: found.start()], text[found.end() :]
    if found[2] == "x":
        readings = f"{found[1]} * {found[3]}", f"{found[1]} * x * {found[3]}"
        problem = "x is a sign of multiplication, or a number"
    else:
        power = found["power"]
        readings = f"{found[1]} * 10^-{power[1:]}", f"{found[1]} * 10 - {power[1:]}"
        problem = f"10{power} is a power of ten, or a difference"
    lines = tuple(f"{before}{each}{behind}" for each in readings)
    return NotationError(problem, text=text, span=found.span(), repair=lines)


def positive_part(text: str) -> NotationError | None:
    """``[1 - y]_+``, which is ``relu(1 - y)``."""
    found = _POSITIVE.search(text)
    if found is None:
        return None
    repair = f"{text[: found.start()]}relu({found[1].strip()}){text[found.end() :]}"
    return NotationError("a positive part is relu", text=text, span=found.span(), repair=repair)


def statement(text: str, token: Token, relation: bool) -> NotationError:
    """``claim y = x`` and ``assume a > 0`` where one equation is read."""
    body = text[token.end :].strip()
    left, sign, _ = body.partition("=")
    plain = body if sign and not relation and _LEFT.fullmatch(left) else ()
    return NotationError(
        f"{token.text} begins a line of a document, and this is one equation", text=text, span=(token.start, token.end),
        inferred="es.check and es.Program read documents",
        repair=f"{token.text} 1[{body}] = 1" if relation and "=" not in _LONG.sub("", body) else plain,
    )  # fmt: skip
