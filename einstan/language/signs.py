r"""Signs and words between operands that other languages have: what is written here instead, with the line where it can
be made.

a % b, a mod b            mod(a, b)
x[i] ⊙ y[i], a times b    x[i] y[i], a b
n choose k                exp(lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1))
\|u[K]\|, ‖u‖             norm[K](u[K])
y', f'[i]                 y1, f1[i]
1,000                     1000
"""

from __future__ import annotations

import re

from einstan.language.cases import CHOOSE, chosen
from einstan.language.dots import without_dots
from einstan.language.einsums import EINSUM, contracted
from einstan.language.entries import of_matrices, of_rows
from einstan.language.gradients import with_gradients, with_primes
from einstan.language.norms import NAME, inner_products, norms
from einstan.language.slices import without_slices

INSTEAD = {  # of signs that are none here, in words
    "@": "X[i,K] W[K,j] for the product of X and W",
    "∥": "norm[K](x[K])",
    "%": "mod(x, y)",
    "⊙": "x[i] y[i]",
    "∘": "x[i] y[i]",
    "⊗": "x[i] y[j]",
    "∇": "dL/dx[i]",
    "∞": "1[c] u is 0 where c is false, whatever u is there; log(1[c]) masks a logit",
    ":": "an index for a whole axis: X[n,k]; 1[i < 3] X[n,i] for a part of it",
    "'": "another name, such as f1; a derivative is dy/dx[p], a transpose A[j,i] for A[i,j]",
    "!": "exp(lgamma(x + 1)), a factorial",
    "&": "1[x > 0] 1[y > 0], where both hold",
    "?": "1[x > 0] y + 1[x <= 0] z",
    ";": "equations stand in lines of their own; cases are 1[x > 0] y + 1[x <= 0] z",
    "°": "an angle in radians, x pi/180; another name, such as E0",
    "±": "two equations, one with + and one with -",
    "∓": "two equations, one with + and one with -",
    "≈": "y = x",
    "~": "y = x; what is drawn is an input: mean[N](x[N]) is its mean",
    "∝": "an equation with its constant",
    "⊤": "a transpose is another order of the indices: A[j,i] for A[i,j]",
    "†": "a transpose is another order of the indices: A[j,i] for A[i,j]",
    "∫": "a sum over a grid: h f[I]",
    "…": "sum[K](x[K]), or prod[K](x[K])",
    "⌈": "-floor(-x)",
    "⌉": "-floor(-x)",
    "⟨": "x[K] y[K]",
    "⟩": "x[K] y[K]",
    "→": "clip, 1[x > 0], or an equation y = ...",
    "∈": "1[x >= a] 1[x <= b]",
    "$": "a formula by itself, without dollar signs in it",
}
SET_BY_TEX = {  # commands of TeX for what is written otherwise here
    **dict.fromkeys(("binom", "tbinom", "dbinom"), "exp(lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1))"),
    **dict.fromkeys(("lceil", "rceil"), "-floor(-x)"),
    "pmod": "mod(x, y)",
    **dict.fromkeys(("begin", "end"), "lines of their own; cases are 1[x > 0] y + 1[x <= 0] z"),
    **dict.fromkeys(("ell", "hbar", "imath", "jmath", "wp"), "another letter, such as l"),
    **dict.fromkeys(("int", "iint", "oint"), INSTEAD["∫"]),
    **dict.fromkeys(("pm", "mp"), INSTEAD["±"]),
    "propto": INSTEAD["∝"],
    **dict.fromkeys(("vdots", "ddots"), INSTEAD["…"]),
    **dict.fromkeys(("in", "notin"), INSTEAD["∈"]),
    **dict.fromkeys(("to", "rightarrow", "mapsto", "gets", "leftarrow", "Rightarrow", "iff"), INSTEAD["→"]),
    **dict.fromkeys(("wedge", "land", "cap"), INSTEAD["&"]),
    **dict.fromkeys(("ast", "star"), "x y for a product; a convolution is sum[J](X[i+J] W[J])"),
    "det": "an input; of two by two, A[0,0] A[1,1] - A[0,1] A[1,0]",
    **dict.fromkeys(("arg", "argmax"), "1[x[k] == max[K](x[K])] is 1 at the largest entries"),
    **dict.fromkeys(("sup", "inf"), "max[K](x[K]), min[K](x[K])"),
    "lim": "what the formula is where it is evaluated",
    "%": "x / 100",
    "over": "\\frac{a}{b}",
}
REPLACED = {
    "—": "-", "‐": "-", "‑": "-", "•": "*", "⋆": "*", "∕": "/", "⁄": "/", "∛": "cbrt ", "＝": "=", "，": ", ",
    "“": "", "”": "", "`": "", "\u200b": "", "\u2060": "", "［": "[", "］": "]", "（": "(", "）": ")",
}  # fmt: skip
ALIKE = {"‖": "∥", "′": "'", "’": "'", "″": "'", "⋯": "…", "∼": "≈", "≅": "≈", "≃": "≈", "⨂": "⊗", "⨀": "⊙"}

BETWEEN = {  # a sign or word between operands, and the two as they are written here
    "%": "mod({a}, {b})",
    "mod": "mod({a}, {b})",
    "rem": "mod({a}, {b})",
    "div": "floor({a} / {b})",
    "choose": CHOOSE,
    "times": "{a} {b}",
    "over": "({a} / {b})",
    "per": "({a} / {b})",
    "plus": "{a} + {b}",
    "minus": "{a} - {b}",
    **dict.fromkeys("⊙∘⊗", "{a} {b}"),
}
LOOSE = ("mod", "rem", "div", "choose", "over", "per", "%")  # whose operands may reach further than one factor
BEHIND = {"squared": "{a}^2", "cubed": "{a}^3", "!": "exp(lgamma({a} + 1))"}
OPERATIONS = {  # which are no numbers where they stand without slots
    **dict.fromkeys(filter(str.isalpha, (*BETWEEN, *BEHIND)), ""),
    "dot": "x[K] y[K]",
    "cross": "an entry each: x[1] y[2] - x[2] y[1] is the first",
    "xor": "1[a != b]",
    "kron": "B[i,j] C[k,l]",
    "integral": INSTEAD["∫"],
    **dict.fromkeys(("NaN", "NAN", "null", "nil", "Inf", "INF", "Infinity"), INSTEAD["∞"]),
    **dict.fromkeys(("true", "TRUE"), "1"),
    **dict.fromkeys(("false", "FALSE"), "0"),
}

MOST = 1000  # characters of a text that is written out
# An operand: in brackets, a call, an extent, a number, a name with its slots.
_OPERAND = r"(?:[^\W\d_]\w*(?:\[[^\[\]]*\]|_\{[^{}]*\})?|\|[\w.]+\||[0-9.]+|(?:[^\W\d_]\w*)?\([^()]*\))(?:\^[0-9]+)?"
_OPENED, _CLOSED = re.compile(r"(?:^|[=(\[{,])\s*$"), re.compile(r"\s*(?:$|[)\]},+-])")
_LEFT = re.compile(rf"({_OPERAND})\s*$")
_RIGHT = re.compile(rf"\s*({_OPERAND})(?![\w\[({{^])")
_SUB = r"\[[^\[\]]*\]|_\{[^{}]*\}|_\w(?!\w)"
_SET = re.compile(r"(\\sum|\\prod|[∑∏])_\{\s*(\w+)\s*(?:\\in(?![A-Za-z])|∈)(?:[^{}]|\{[^{}]*\})*\}")  # j \in S
_TERNARY = re.compile(r"([^=?:]*)=(?!=)([^?:]*)\?([^?:]*):([^?:]*)")
_TRANSPOSED = re.compile(r"\w['′’](?=[^\W_]|\()|\)['′’]")  # X'X, (y - x)'V
_CEILING = re.compile(r"⌈([^⌈⌉]*)⌉")
_SIMPLE = re.compile(r"(?<== )\(-floor\(-\((\w+(?:\[[^\[\]]*\])?)\)\)\)(?=\s*$)")  # ⌈x⌉ alone
_RATIO = re.compile(r"(?<=[\w)\]])\s+:(?=\s)")
_SIGNED = re.compile(r"\s*([^\W\d_]\w*)\s*=")
_AT_INFINITY = re.compile(r"(?<=[^\W_])_(?:\{\s*)?(?:∞|\\infty(?![A-Za-z]))(?:\s*\})?")
_ANGLE = re.compile(r"([\d.]+)\s*\^\s*\{?\s*\\circ\s*\}?")  # 45^\circ
_OUTER = re.compile(r"\s*(\w+)\s*=\s*(\w+)\s*(?:⊗|\\otimes)\s*(\w+)\s*")
_NORMAL = re.compile(
    r"\s*([^\W\d_]\w*?)(_\w|_\{[^{}]*\}|\[[^\[\]]*\])?\s*~\s*N\(([^(),]+),\s*([^(),²^]+)(?:²|\^\{?2\}?)\)\s*"
)
_DEGREES = re.compile(r"([\d.]+|[^\W\d_])\s*°")
_PRIMED = re.compile(rf"(\\?[^\W\d_]+?\w*?)((?:{_SUB})?)(['′’]+)")


def instead(text: str, sign: str, start: int, end: int) -> tuple[str, ...]:
    """What to write for a ``sign`` of another language at a place in the text: the text, if that can be made."""
    known = "~" if sign == "∼" and _NORMAL.fullmatch(text.replace("∼", "~")) else ALIKE.get(sign, sign)
    words = OPERATIONS.get(known) or INSTEAD.get(known) or BETWEEN.get(known, "").format(a="a", b="b")
    line = ""
    if len(text) > MOST:  # a place is told, the text is not written out
        return (words,) if words else ()
    if known in REPLACED:
        line = re.sub(f"[{''.join(REPLACED)}]", lambda found: REPLACED[found[0]], text)
    elif known == '"' and (found := EINSUM.search(text)):
        line = contracted(found)
    elif known == "?" and (cases := _TERNARY.fullmatch(text)):
        line = chosen(cases[1], cases[2], cases[3], cases[4])
    elif known == "∘" and _ANGLE.search(text):
        line = _ANGLE.sub(r"\1 \\pi/180", text)
    elif known == "⊗" and (outer := _OUTER.fullmatch(text)):
        slots = iter("ijkl")
        left, right = ([next(slots) for _ in range(1 + outer[k][0].isupper())] for k in (2, 3))  # a capital is a matrix
        line = f"{outer[1]}[{','.join(left + right)}] = {outer[2]}[{','.join(left)}] {outer[3]}[{','.join(right)}]"
    elif known in BETWEEN:
        line = _joined(text, known, start, end)
        while known in "⊙∘⊗" and (again := line.find(text[start:end])) >= 0:  # the others of the text, too
            line = _joined(line, known, again, again + end - start)
        if known in "⊙∘" and not line and not re.search(r"[\[_\\(A-ZΑ-Ω]|(?<!\w)i(?!\w)", text):  # z = μ + σ ⊙ ε
            line = re.sub(rf"\s*[{known}]\s*", " ", NAME.sub(r"\g<0>[i]", text))
        if known == "%" and not text[end:].strip():
            line, words = f"{text[:start].rstrip()} / 100", ""
    elif known in BEHIND:
        line = _followed(text, known, start, end)
        while known == "!" and (again := line.find(known)) >= 0:  # n! / (k! (n - k)!)
            line = _followed(line, known, again, again + 1)
    elif known in "⌈⌉":
        line = _CEILING.sub(r"(-floor(-(\1)))", text)
        line = "" if line == text else _SIMPLE.sub(r"-floor(-\1)", line)
    elif known == "∈" and (whole := _SET.sub(r"\1_{\2}", text)) != text:
        return whole, "a part of an axis has a factor that is 1 inside and 0 outside: m_j"
    elif known == ";" and not text[end:].strip():
        line = text[:start].rstrip()
    elif known == ";" and all("=" in part for part in text.split(";")):
        line = "\n".join(part.strip() for part in text.split(";"))
    elif known == "∇":
        line = with_gradients(text)
    elif known == "∞" and _AT_INFINITY.search(text):  # T_∞
        line = _AT_INFINITY.sub("_inf", text)
    elif known == "∞":
        line = re.sub(r"\s*\^\s*\{?\s*(?:\+?∞|\\infty(?![A-Za-z]))\s*\}?", "", text)
        line = "" if line == text or "∞" in line or "\\infty" in line else line
    elif known == "…":
        line = without_slices(text) or without_dots(text)
    elif known == ":":
        line = without_slices(text) or (_RATIO.sub(" /", text) if "[" not in text and _RATIO.search(text) else "")
    elif known.lower() in ("true", "false"):
        line = f"{text[:start]}{words}{text[end:]}"
    elif known in "±∓":
        line = _both(text)
    elif known == "°" and re.search(r"°\s*[CFK](?!\w)", text):
        line = re.sub(r"\s*°\s*[CFK](?!\w)", "", text)
    elif known == "°":
        line = _DEGREES.sub(lambda found: f"{found[1]} pi/180" if found[1][0].isdigit() else f"{found[1]}0", text)
    elif known in "⟨⟩" and not re.search(r"(?<!\w)K(?!\w)", text):
        line = inner_products(text)
    elif known == "'" and (line := with_primes(text) or of_rows(text)):
        pass
    elif known in "@⊤" or (known == "'" and (_TRANSPOSED.search(text) or text[:start].endswith(")"))):
        line = of_matrices(text)
    elif known == "~" and (normal := _NORMAL.fullmatch(text.replace("∼", "~"))):  # y ~ N(m, s^2)
        noise = next(each for each in ("ε", "z", "u0") if each not in text) + (normal[2] or "")
        line = f"{normal[1]}{normal[2] or ''} = {normal[3].strip()} + {normal[4].strip()} * {noise}"
    elif known == "~" and "=" in text[:start]:  # a tie, of TeX
        line = re.sub(r"\s*~\s*", " ", text)
    elif known == "≈" and "=" not in text:
        line = f"{text[:start].rstrip()} = {text[end:].lstrip()}"
    elif known == "∥":
        line = norms(text)
    elif known == "'" and (found := EINSUM.search(text)) and (line := contracted(found)):
        return (line,)
    elif known == "'" and (primed := _PRIMED.search(text)) and primed.end() > start:
        line = _PRIMED.sub(lambda found: _unprimed(text, found), text)
        line = "" if any(each in line for each in "'′’″") else line
    return tuple(filter(None, (line, "" if line and known != "'" else words)))


def _both(text: str) -> str:
    """``x = a ± b`` as two equations, of x1 and x2."""
    name = _SIGNED.match(text)
    if name is None:
        return ""
    upper, lower = str.maketrans("±∓", "+-"), str.maketrans("±∓", "-+")
    body = re.sub(r"\\(pm|mp)(?![A-Za-z])", lambda sign: {"pm": "±", "mp": "∓"}[sign[1]], text[name.end() :])
    return f"{name[1]}1 ={body.translate(upper)}\n{name[1]}2 ={body.translate(lower)}"


def _followed(text: str, sign: str, start: int, end: int) -> str:
    """The text with ``k!`` as it is written here."""
    left = _LEFT.search(text, 0, start)
    if left is None:
        return ""
    operand = _unwrapped(left[1]) if sign == "!" else left[1]
    apart = " " if re.match(r"[\w(]", text[end:]) else ""
    return f"{text[: left.start(1)]}{BEHIND[sign].format(a=operand)}{apart}{text[end:]}"


def _joined(text: str, sign: str, start: int, end: int) -> str:
    left, right = _LEFT.search(text, 0, start), _RIGHT.match(text, end)
    if left is None or right is None:
        return ""
    a, b = left[1], right[1]
    if sign in "⊙∘⊗" and not all(each[-1] in ")]}" or "_" in each for each in (a, b)):
        return ""  # matrices without their indices
    if sign in LOOSE and not (_OPENED.search(text, 0, left.start(1)) and _CLOSED.match(text, right.end(1))):
        return ""  # of what beside it, is to be asked
    if BETWEEN[sign].startswith("mod("):  # whose brackets are enough
        a, b = _unwrapped(a), _unwrapped(b)
    return f"{text[: left.start(1)]}{BETWEEN[sign].format(a=a, b=b)}{text[right.end(1) :]}"


def _unwrapped(operand: str) -> str:
    return operand[1:-1].strip() if operand.startswith("(") and operand.endswith(")") else operand


def grouped_digits(text: str, sign: int) -> str:
    """``1,000``, ``1_000`` and ``1 000`` with their digits together; ``sign`` is the place of what parts the first."""
    if len(text) > MOST:  # a table, and no equation
        return ""
    groups = re.compile(r"\d{1,3}(?:(?:[,_ ~]|\\[,; ]|\{,\})\d{3})+(?![\d.])")
    for found in groups.finditer(text):
        if found.start() < sign < found.end():
            return f"{text[: found.start()]}{re.sub(r'[^0-9]', '', found[0])}{text[found.end() :]}"
    if re.match(r",\d+(?![\d.])", text[sign:]) and re.search(r"(?<![\d.])\d+$", text[:sign]):  # 0,5
        return f"{text[:sign]}.{text[sign + 1 :]}"
    return ""


def _unprimed(text: str, found: re.Match[str]) -> str:
    """``a_i'`` as ``a1_i``: the name is another one, whatever slots it has."""
    name, slots, count = found[1].lstrip("\\"), found[2], len(found[3])
    while re.search(rf"(?<!\w){name}{count}(?!\w)", text):
        count += 1
    other = f"\\mathrm{{{name}{count}}}" if found[1].startswith("\\") else f"{name}{count}"
    return f"{other}{slots}{' ' if text[found.end() :][:1].isalnum() else ''}"
