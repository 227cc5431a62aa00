r"""Integrals and limits: no number here is made by either, so a sum over a grid and a value close by are to paste.

y = ∫ f(x) dx, y = \int_0^1 f(x)\,dx, y = integrate(f(x), x)        y = sum[I](Δx f[I])
y = \int_0^T e^{-r t} dt, E = ∫∫ u(x,y)^2 dx dy                    \int becomes sum[I](Δt ...), and each sign a sum
y = \lim_{x \to 0} sin(x) / x, y = lim_{n→∞} (1 + 1/n)^n          y = sin(x) / x  # x close to 0
v = \lim_{h \to 0} (f(x + h) - f(x)) / h                           v = ∂f/∂x
"""

from __future__ import annotations

import re

from einstan.language.commands import GREEK
from einstan.language.errors import NotationError
from einstan.language.functions import FUNCTIONS, SPELLINGS

SIGNS = ("∫", "∬", "∭", "∮", "\\int", "\\iint", "\\iiint", "\\oint", "integr", "Integr")
GRID = "x[i] are the points of a grid, and Δx is what lies between two of them"
MOST = 400  # characters of a text that is written out
LETTERS = "IJLMN"

_NAME = r"(?:\\[A-Za-z]+|[^\W\d_∞])"
_END = rf"\s*[_^]\s*(?:\{{(?:[^{{}}]|\{{[^{{}}]*\}})*\}}|[-+−]?(?:\d+|{_NAME}|∞))"
_SIGN = re.compile(
    rf"(?:[∫∮]|\\o?int(?![A-Za-z])|(?<!\w)integral(?:\s+of)?(?![\w\s]*[(=]))(?:\s*\\limits)?(?:{_END}|[₀-₉⁰¹²³⁴-⁹])*\s*"
)
_SEVERAL = re.compile(r"\\(i{2,3})nt(?![A-Za-z])(?:\s*\\limits)?|[∬∭]")
_BY = re.compile(rf"(?:\\[,;:! ]|\s)*(?:\\(?:mathrm|text)\s*\{{\s*d\s*\}}|(?<![A-Za-z\\])d)\s*({_NAME})(?![^\W\d])")
_BETWEEN = re.compile(r"(?:\\[,;:!]|\\ )\s*")
_GROUPED = re.compile(r"\([^()]*\)|\{[^{}]*\}|\[[^\[\]]*\]")
_CALLED = re.compile(r"(?<![\w\\])((?:\\[A-Za-z]+|[^\W\d_])\d*)\(\s*([^\W\d_](?:\s*,\s*[^\W\d_])*)\s*\)")
_FIELD = re.compile(r"(?<![\w\\])\\?[^\W\d_][^\W_]*(?![\w\[({_])")
_APPLIED = re.compile(r"(?<!\w)(?:[Ii]ntegral|[Ii]ntegrate|quad)\(\s*((?:[^(),]|\([^()]*\))+?)\s*,([^()]*)\)")
_VALUE = re.compile(r"\s*(\\?[^\W\d_]\w*)\(\s*([^\W\d_])\s*\)\s*=")
_LIMIT = re.compile(
    rf"\\?(?<![^\W_])lim(?![A-Za-z])\s*_?\s*[\{{(]?\s*({_NAME})\s*(?:\\to|\\rightarrow|→|->)\s*"
    rf"([-+−]?\s*(?:\\infty|∞|inf\w*|[\w.]+))\s*(?:[+-]|\^[+-]|\^\{{[+-]\}}|⁺|⁻)?\s*[\}})]?\s*"
)
_LIMIT_CALL = re.compile(r"(?<!\w)limit\(\s*((?:[^(),]|\([^()]*\))+?)\s*,\s*(\w)\s*,\s*([\w.∞]+)\s*\)")
_QUOTIENT = r"\(?\s*({f})\(\s*({x})\s*\+\s*{h}\s*\)\s*[-−]\s*\1\(\s*\2\s*\)\s*\)?"


def integral(text: str) -> NotationError | None:
    """The refusal of an integral, with the sum over a grid where that can be written."""
    found = _SIGN.search(text) or _SEVERAL.search(text) or _APPLIED.search(text)
    if found is None or len(text) > MOST:
        return None
    line = _up_to(text) or over_grid(text)
    if not line:
        return None
    return NotationError("an integral is a sum over a grid here", text=text, span=found.span(), repair=(line, GRID))


def _up_to(text: str) -> str:
    """``F(x) = ∫_a^x f(t) dt`` as ``F[i] = sum[J](1[J <= i] Δt f[J])``, an integral at each point of the grid."""
    left = _VALUE.match(text)
    found = _SIGN.search(text)
    upper = re.search(r"\^\s*\{?\s*(\w)\s*\}?\s*$", found[0]) if found is not None else None
    if left is None or found is None or upper is None or upper[1] != left[2]:
        return ""
    line = over_grid(f"{left[1]}[i] ={text[left.end() :]}")
    return re.sub(r"sum\[([IJLMN])\]\((?=Δ)", r"sum[\1](1[\1 <= i] ", line) if line.count("sum[") == 1 else ""


def over_grid(text: str) -> str:
    """The text with each integral as a sum; nothing where one has no differential, or an argument that is no name."""
    line = _SEVERAL.sub(lambda sign: "∫" * (len(sign[1]) if sign[1] else "∫∬∭".index(sign[0]) + 1), text)
    line = _APPLIED.sub(_as_sign, line)
    while signs := list(_SIGN.finditer(line)):
        made = _summed(line, signs[-1])
        if not made:
            return ""
        line = made
    return line


def _as_sign(found: re.Match[str]) -> str:
    """``integrate(f, 0, 1)`` and ``integral(x^2, x)`` as with a sign."""
    by = next((each.strip() for each in found[2].split(",") if re.fullmatch(r"\s*[^\W\d_]\s*", each)), "x")
    body = f"{found[1]}(x)" if re.fullmatch(r"[^\W\d_]", found[1]) and found[1] != by else found[1]
    return f"∫ ({body}) d{by}" if re.search(r"[+-]", body) else f"∫ {body} d{by}"


def _summed(text: str, sign: re.Match[str]) -> str:
    by = _BY.search(text, sign.end())
    letter = next((each for each in LETTERS if not re.search(rf"(?<![^\W_]){each}(?!\w)", text)), "")
    if by is None or not letter:
        return ""
    body, behind = text[sign.end() : by.start()], text[by.end() :]
    if not body.strip("{ "):  # ∫ dx f(x), ∫ dx/x
        behind = behind.lstrip(" \\,")
        end = re.compile(r"[^()+=-]*(?:\([^()]*\)[^()+=-]*)*").match(behind)
        body, behind = (end[0], behind[end.end() :]) if end else ("", behind)
        body = f"1{body}" if body.startswith("/") else body
    elif body.count("{") > body.count("}"):  # ∫ \frac{dx}{x}
        closing = re.compile(r"\s*\}\s*\{(?:[^{}]|\{[^{}]*\})*\}").match(behind)
        if closing is None or body.count("{") != body.count("}") + 1:
            return ""
        above = "" if body.rstrip().endswith("{") else " "
        body, behind = f"{body.rstrip()}{'' if above else '1'}{closing[0].lstrip()}", behind[closing.end() :]
    body = _at_points(_BETWEEN.sub(" ", body).strip(), by[1], letter)
    if not body:
        return ""
    name = GREEK.get(by[1][1:], "") if len(by[1]) > 1 else by[1]
    step = f"Δ{name}"
    if re.search(r"[+−-]", _GROUPED.sub("", body.lstrip("-−"))):
        body = f"({body})"
    times = " " if body[0].isalpha() or body[0] in "(\\" else " * "
    apart = " " if behind[:1].isalnum() else ""
    return f"{text[: sign.start()]}sum[{letter}]({step}{times}{body}){apart}{behind}" if name else ""


def _at_points(body: str, by: str, letter: str) -> str:
    """The integrand at the points of the grid: ``f(x)`` as ``f[I]``, and ``x^2`` as ``x[I]^2``."""
    known = {*FUNCTIONS, *SPELLINGS}

    def slotted(found: re.Match[str]) -> str:
        name = found[1].lstrip("\\")
        if name in known or by.lstrip("\\") not in (each.strip() for each in found[2].split(",")):
            return found[0]
        return f"{found[1]}[{found[2].replace(' ', '')}]"

    point, alone = re.escape(by), re.compile(r"\[[^\[\]]*\]")
    body = _CALLED.sub(slotted, body) if not by.startswith("\\") else body
    pieces, place = [], 0
    for slots in alone.finditer(body):
        pieces += [_read(body[place : slots.start()], point, by, letter)]
        pieces += [re.sub(rf"(?<!\w){point}(?!\w)", letter, slots[0])]
        place = slots.end()
    pieces.append(_read(body[place:], point, by, letter))
    made = "".join(pieces)
    if not re.search(rf"(?<!\w){letter}(?!\w)", made):  # ∫ ρ φ dV, of fields that are written without what they are of
        plain = (*known, "pi", "π")
        made = _FIELD.sub(lambda name: name[0] if name[0].lstrip("\\") in plain else f"{name[0]}[{letter}]", made)
    calls = re.findall(r"(?<![\w\\])\\?([^\W\d_]+)\(", made)
    return "" if any(name not in known for name in calls) else made


def _read(part: str, point: str, by: str, letter: str) -> str:
    return re.sub(rf"(?<![^\W\d])(?<!\\){point}(?![^\W\d]|_)", lambda _: f"{by}[{letter}]", part)


def limit(text: str) -> NotationError | None:
    """The refusal of a limit: the derivative that it is, or the formula where its letter is close to the limit."""
    called = _LIMIT_CALL.search(text)
    if called is not None:  # limit(f, x, 0)
        error = limit(f"{text[: called.start()]}lim_{{{called[2]} -> {called[3]}}} {called[1]}{text[called.end() :]}")
        return error and NotationError(error.problem, text=text, span=called.span(), repair=error.repair)
    found = _LIMIT.search(text)
    if found is None or len(text) > MOST or len(_LIMIT.findall(text)) > 1:
        return None
    before, rest = text[: found.start()], text[found.end() :].strip(" .,$")
    h = re.escape(found[1])
    parts = _QUOTIENT.format(f=r"[^\W\d_]\w*", x=r"[^\W\d_]\w*", h=h)
    quotient = re.fullmatch(rf"(?:\\[dt]?frac\s*\{{\s*)?{parts}\s*(?:/|\}}\s*\{{)\s*{h}\s*\}}?", rest)
    if quotient is not None:
        derivative = f"∂{quotient[1]}/∂{quotient[2]}"
        line = f"d{quotient[1]} = {derivative}" if "'" in before else f"{before}{derivative}"
        return NotationError("this limit is a derivative", text=text, span=found.span(), repair=line)
    name = found[1].lstrip("\\")
    far = re.search(r"inf|∞", found[2])
    where = f"{name} is large" if far else f"{name} is close to {found[2].strip()}"
    line = f"{before}{rest}  # where {where}"
    return NotationError("a limit is no number here", text=text, span=found.span(), repair=line)
