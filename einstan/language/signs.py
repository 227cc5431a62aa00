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
from collections.abc import Sequence

from einstan.language.dots import without_dots
from einstan.language.entries import of_matrices, of_rows, of_vector
from einstan.language.errors import NotationError
from einstan.language.gradients import with_gradients, with_primes
from einstan.language.slices import without_slices
from einstan.language.typeset import bars

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
    "“": "", "”": "", "`": "",
}  # fmt: skip
ALIKE = {"‖": "∥", "′": "'", "’": "'", "″": "'", "⋯": "…", "∼": "≈", "≅": "≈", "≃": "≈", "⨂": "⊗", "⨀": "⊙"}

CHOOSE = "exp(lgamma({a} + 1) - lgamma({b} + 1) - lgamma({a} - {b} + 1))"
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
_NORM = re.compile(r"(?:\\\||‖|∥)((?:[^|‖∥\\]|\\[A-Za-z])+)(?:\\\||‖|∥)(?:_\{?([12F])\}?|([₁₂]))?(?!_)")
_CAPITALS = re.compile(r"(?<![\w.])([A-Z])(?!\w)")
_SLOTS = re.compile(r"\[([^\[\]]*)\]|_\{([^{}]*)\}|_([A-Z])(?!\w)")
_SUB = r"\[[^\[\]]*\]|_\{[^{}]*\}|_\w(?!\w)"
_SMALL = re.compile(r"_(?:[a-z](?!\w)|\{[a-z](?:,[a-z])*\})")
_VECTOR = r"(\\(?:hat|tilde|bar|dot|ddot|vec)\s*\{\s*\\?[A-Za-z]+\s*\}|\\[A-Za-z]+|[^\W\d_]\d*)"
_NUMBERED = re.compile(rf"{_VECTOR}(\[\w(?:,\w)*\]|_\{{\w(?:,\w)*\}}|_\w(?!\w))?")
_PLAIN_NAMES = re.compile(rf"\s*{_NUMBERED.pattern}(?:\s*[+−-]\s*{_NUMBERED.pattern})*\s*")
_SMALL_SLOTS = re.compile(r"\[([a-z](?:,[a-z])*)\]|_\{([a-z](?:,[a-z])*)\}|_([a-z])(?!\w)")
_SET = re.compile(r"(\\sum|\\prod|[∑∏])_\{\s*(\w+)\s*(?:\\in(?![A-Za-z])|∈)(?:[^{}]|\{[^{}]*\})*\}")  # j \in S
DENIED = {"=": "!=", "==": "!=", "!=": "==", "≠": "==", "<": ">=", ">=": "<", "≥": "<", ">": "<=", "<=": ">", "≤": ">"}
_COMPARED = re.compile(r"([^<>≤≥≠=!]+?)(<=|>=|==|!=|[<>≤≥≠])([^<>≤≥≠=!]+)")
_TERNARY = re.compile(r"([^=?:]*)=(?!=)([^?:]*)\?([^?:]*):([^?:]*)")
_EINSUM = re.compile(r"^\s*(\w+)\s*=\s*([\w.]*)einsum\(\s*['\"]([^'\"]*)['\"]\s*,([^()]*)\)\s*$")
_SUBSCRIPTS = re.compile(r"\s*([A-Za-z. ]+(?:,[A-Za-z. ]*)*)->\s*([A-Za-z. ]*)")
_TRANSPOSED = re.compile(r"\w['′’](?=[^\W_]|\()|\)['′’]")  # X'X, (y - x)'V
_CEILING = re.compile(r"⌈([^⌈⌉]*)⌉")
_SIMPLE = re.compile(r"(?<== )\(-floor\(-\((\w+(?:\[[^\[\]]*\])?)\)\)\)(?=\s*$)")  # ⌈x⌉ alone
_BINOMIAL = re.compile(r"\\[td]?binom\s*\{([^{}]*)\}\s*\{([^{}]*)\}")
_CASES = re.compile(r"([^=]*)=\s*(?:\\left\\\{)?\s*\\begin\{cases\}(.*?)\\end\{cases\}\s*[.,]?", re.DOTALL)
_OF_CASES = re.compile(
    r"\\(?:text|mathrm)\s*\{\s*(?:if|for|when|otherwise|else)\s*\}|(?<!\w)(?:if|for|otherwise|else)(?!\w)"
)
_RELATIONS = {"le": "<=", "ge": ">=", "ne": "!=", "lt": "<", "gt": ">"}
_LIST = re.compile(r"\s*([^\W\d_]\w*)\s*=\s*[\[(]([^\[\](),]+(?:,[^\[\](),]+)+)[\])]\s*")
_ALONE = re.compile(r"\s*(\\?[^\W\d_]+\d*(?:_\w|\[\w\])?)\s*")
_INNER = re.compile(r"(?:⟨|\\langle(?![A-Za-z]))([^,⟨⟩=]+),([^,⟨⟩=]+?)(?:⟩|\\rangle(?![A-Za-z]))")
_RATIO = re.compile(r"(?<=[\w)\]])\s+:(?=\s)")
_SIGNED = re.compile(r"\s*([^\W\d_]\w*)\s*=")
_ANGLE = re.compile(r"([\d.]+)\s*\^\s*\{?\s*\\circ\s*\}?")  # 45^\circ
_OUTER = re.compile(r"\s*(\w+)\s*=\s*(\w+)\s*(?:⊗|\\otimes)\s*(\w+)\s*")
_NORMAL = re.compile(
    r"\s*([^\W\d_]\w*?)(_\w|_\{[^{}]*\}|\[[^\[\]]*\])?\s*~\s*N\(([^(),]+),\s*([^(),²^]+)(?:²|\^\{?2\}?)\)\s*"
)
_DEGREES = re.compile(r"([\d.]+|[^\W\d_])\s*°")
_NAME = re.compile(r"\\?[^\W\d_]\w*")
_NAMES = re.compile(rf"{_NAME.pattern}(?:\s*[+−-]\s*{_NAME.pattern})*")  # a difference of vectors
_PRIMED = re.compile(rf"(\\?[^\W\d_]+?\w*?)((?:{_SUB})?)(['′’]+)")


def instead(text: str, sign: str, start: int, end: int) -> tuple[str, ...]:
    """What to write for a ``sign`` of another language at a place in the text: the text, if that can be made."""
    known = ALIKE.get(sign, sign)
    words = OPERATIONS.get(known) or INSTEAD.get(known) or BETWEEN.get(known, "").format(a="a", b="b")
    line = ""
    if len(text) > MOST:  # a place is told, the text is not written out
        return (words,) if words else ()
    if known in REPLACED:
        line = re.sub(f"[{''.join(REPLACED)}]", lambda found: REPLACED[found[0]], text)
    elif known == '"' and (found := _EINSUM.search(text)):
        line = _contracted(found)
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
            line = re.sub(rf"\s*[{known}]\s*", " ", _NAME.sub(r"\g<0>[i]", text))
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
    elif known == "~" and (normal := _NORMAL.fullmatch(text)):  # y ~ N(m, s^2)
        noise = next(each for each in ("ε", "z", "u0") if each not in text) + (normal[2] or "")
        line = f"{normal[1]}{normal[2] or ''} = {normal[3].strip()} + {normal[4].strip()} * {noise}"
    elif known == "~" and "=" in text[:start]:  # a tie, of TeX
        line = re.sub(r"\s*~\s*", " ", text)
    elif known == "≈" and "=" not in text:
        line = f"{text[:start].rstrip()} = {text[end:].lstrip()}"
    elif known == "∥":
        line = norms(text)
    elif known == "'" and (found := _EINSUM.search(text)):
        line = _contracted(found)
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


def times(factor: str, each: str) -> str:
    alone = re.fullmatch(r"\\?[\w.]+(?:\[[^\[\]]*\]|_\{[^{}]*\})?", each.strip()) is not None
    return f"{factor} * {each.strip()}" if alone else f"{factor} ({each.strip()})"


def chosen(left: str, holds: str, value: str, other: str) -> str:
    """``y = value if holds else other`` with the condition as a factor."""
    compared = _COMPARED.fullmatch(holds)
    if compared is None:
        return ""
    denied = f"1[{compared[1].strip()} {DENIED[compared[2]]} {compared[3].strip()}]"
    terms = {times(f"1[{holds.strip()}]", value): value, times(denied, other): other}  # a bracket guards its factor
    return f"{left.strip()} = {' + '.join(term for term, each in terms.items() if each.strip() != '0') or '0'}"


def _contracted(found: re.Match[str]) -> str:
    """``C = einsum("ij,jk->ik", A, B)`` as ``C[i,k] = A[i,J] B[J,k]``; nothing where an operand is more than a name."""
    inputs, arrow, output = found[3].replace(" ", "").partition("->")
    if not arrow:  # the letters that stand once, in their order
        output = "".join(sorted(letter for letter in {*inputs} - {","} if inputs.count(letter) == 1))
    operands = [each.strip() for each in found[4].split(",")]
    return _equation(found[1], inputs, output, operands) if all(map(str.isidentifier, operands)) else ""


def _equation(left: str, inputs: str, output: str, operands: Sequence[str]) -> str:
    letters = inputs.split(",")
    if len(letters) != len(operands) or "." in inputs or len(set(output)) < len(output):
        return ""
    if not set(output) <= set(inputs) or not inputs.replace(",", "").islower():
        return ""
    slots = (",".join(x if x in output else x.upper() for x in each) for each in letters)
    entries = " ".join(f"{name}[{own}]" if own else name for name, own in zip(operands, slots, strict=True))
    return f"{left}[{','.join(output)}] = {entries}" if output else f"{left} = {entries}"


def of_einsum(text: str) -> NotationError | None:
    """``ij,jk->ik`` alone, which ``es.einsum`` takes."""
    found = _SUBSCRIPTS.fullmatch(text)
    if found is None:
        return None
    inputs, output = found[1].replace(" ", ""), found[2].replace(" ", "")
    names = [letter for letter in "ABCDEFGH" if letter not in inputs][: inputs.count(",") + 1]
    line = _equation("Z", inputs, output, names)
    problem = "this is an einsum string, and an equation is read here"
    return NotationError(
        problem, text=text, span=found.span(), repair=tuple(filter(None, (line, f"es.einsum({text.strip()!r})")))
    )


def _followed(text: str, sign: str, start: int, end: int) -> str:
    """The text with ``k!`` as it is written here."""
    left = _LEFT.search(text, 0, start)
    if left is None:
        return ""
    operand = _unwrapped(left[1]) if sign == "!" else left[1]
    apart = " " if re.match(r"[\w(]", text[end:]) else ""
    return f"{text[: left.start(1)]}{BEHIND[sign].format(a=operand)}{apart}{text[end:]}"


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
        what = _NAME.sub(lambda name: f"{name[0]}[{alone}]", inside)
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


def over(text: str) -> str:
    r"""``{a \over b}`` as ``{\frac{a}{b}}``, and ``y = a \over b``."""
    line = re.sub(r"\{([^{}]*?)\s*\\over\s*([^{}]*?)\}", r"{\\frac{\1}{\2}}", text)
    whole = re.fullmatch(r"([^={}]*=)\s*([^={}]*?)\s*\\over\s+([^={}]*)", text)
    line = f"{whole[1]} \\frac{{{whole[2]}}}{{{whole[3].rstrip()}}}" if whole else line
    return line if line != text and "\\over" not in line else ""


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
