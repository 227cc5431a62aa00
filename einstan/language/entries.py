r"""Products of matrices that are written whole: what their entries are, to paste.

(A B)_{i,j}, (A x)[i]                                A_{i,K} B_{K,j}, A[i,K] x[K]
\mathbf{Z} = \mathbf{X} \mathbf{W} + \mathbf{b}     Z_{i,j} = X_{i,K} W_{K,j} + b_{j}
y = w^T x, b = X'y, Z = X @ W                       y = w[K] x[K], b[i] = X[K,i] y[K], Z[i,j] = X[i,K] W[K,j]
b = (X'X)^{-1} X'y                                  a line for X'X, an assumption of what its inverse is, and b
y_i = x_i'β + e_i                                   y_i = x_{i,K} β_{K} + e_i

A capital is a matrix and a small letter a column.  In bold text what is not bold is a number, elsewhere a Greek letter
in front of a product; a small letter by itself has the indices of what it is added to.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import NamedTuple

from einstan.language.commands import GREEK
from einstan.language.functions import FUNCTIONS, SPELLINGS

MOST = 400  # characters of a text that is written out
MOST_FACTORS = 6

_BOLD = re.compile(r"\\(?:mathbf|boldsymbol|bm)\s*\{\s*(\\?[A-Za-z]+)\s*\}")
_TURNED = r"(\s*(?:\^\s*\{?\s*(?:(?:T|\\top|\\intercal)(?![A-Za-z])|⊤)\s*\}?|ᵀ|['′’]))?"
_NAME = r"\\(?:hat|tilde|bar|dot|ddot|vec)\s*\{\s*\\?[A-Za-z]+\s*\}|\\[A-Za-z]+|[^\W\d_]\d*"
_LETTER = re.compile(rf"\s*(?:\*|·|⋅|\\cdot(?![A-Za-z])|\\,)?\s*({_NAME}){_TURNED}")
_DEFINED = re.compile(rf"\s*({_NAME})(?:(_[^\W\d_]{{2,}}|_\d)|_\w(?=\^|²))?(\^\{{?2\}}?|²)?")  # P_new, σ_p^2
_WORD = re.compile(rf"\s*@?\s*([^\W\d_]\w*){_TURNED}")  # of code
_SCALE = re.compile(r"\s*((?:\d+(?:\.\d+)?(?:/\d+)?|[½¼¾⅓]|\\[dt]?frac\s*\{[^{}]*\}\s*\{[^{}]*\})(?![\w.]))?\s*")
_SIGNS = re.compile(r"\s*([+-])\s*")
_APPLIED = re.compile(r"(\\?[^\W\d_]+)\s*((?:\\left)?\()([^()]*?)((?:\\right)?\))")
_SET = re.compile(r"\\(?:hat|tilde|bar|dot|ddot|vec)\s*\{\s*|[\\{}\s]")
_SUMMED = "KLMPQR"
_SLOTS = re.compile(r"\s*(?:_\{([^{}]*)\}|_(\w+)|\[([^\[\]]*)\])")
_FONT = r"\\(?:mathbf|boldsymbol|bm|hat|tilde|bar|dot|ddot|vec)\s*\{\s*(?:\\?[A-Za-z]+)\s*\}"
_PLAIN = re.compile(r"\\(?:mathbf|boldsymbol|bm)\s*\{\s*(\\?[A-Za-z]+)\s*\}")
_ROW = re.compile(
    rf"(?<![\w\\])({_FONT}|\\?[^\W\d_]+)(?:\[([^\[\]]*)\]|_\{{(\w+(?:,\w+)*)\}}|_(\w))"
    rf"(?:['′’]|\^\s*(?:\{{\s*(?:T|\\top|\\intercal|\\prime)\s*\}}|T|\\top(?![A-Za-z])|\\prime(?![A-Za-z]))|ᵀ|⊤)"
    rf"\s*({_FONT}|\\[A-Za-z]+|[^\W\d_]\d*)(?![\w\[(])"
)
_INVERSE = re.compile(
    r"\(([^()]*)\)\s*(?:\^\s*(?:\{\s*[-−]\s*1\s*\}|[-−]1)|⁻¹)\s*|"
    rf"(?<=[=+-])\s*({_BOLD.pattern}|[A-Z])\s*(?:\^\s*(?:\{{\s*[-−]\s*1\s*\}}|[-−]1)|⁻¹)\s*"
)


class Factor(NamedTuple):
    name: str
    rank: int
    is_turned: bool

    @property
    def left(self) -> bool:
        """Whether there is an index on its left."""
        return self.rank == 2 or (self.rank == 1 and not self.is_turned)

    @property
    def right(self) -> bool:
        return self.rank == 2 or (self.rank == 1 and self.is_turned)


class Term(NamedTuple):
    sign: str
    scale: str
    factors: list[Factor]

    @property
    def is_alone(self) -> bool:
        return len(self.factors) == 1 and self.factors[0].rank < 2 and not self.factors[0].is_turned


def of_matrices(text: str) -> str:
    """The equation of the entries; nothing where a side is more than a sum of products, or shapes do not fit."""
    if len(text) <= MOST and (inverse := _INVERSE.search(text)) is not None:
        return _with_inverse(text, inverse)
    left, _, right = text.strip(" .,;$").partition("=")
    applied = _APPLIED.fullmatch(right.strip())
    unknown = applied is not None and applied[1].strip("\\") not in (*FUNCTIONS, *SPELLINGS, "sigma")
    if unknown or len(text) > MOST or "=" in right:
        return ""
    bold = {_SET.sub("", name) for name in _BOLD.findall(text)}
    terms = (
        _terms(applied[3] if applied else right, bold, "@" in text) if len(text) <= MOST and "=" not in right else []
    )
    defined, ends = _DEFINED.fullmatch(_BOLD.sub(r"\1", left.strip())), _common_ends(terms)
    if ends is None or defined is None or (bold and _rank(defined[1], bold, False) != sum(ends)):
        return ""
    taken = _letters(text)
    free = [letter for letter in "ijmnpq" if letter not in taken][:2]
    if len(free) < 2:
        return ""
    slots = [free[k if ends[0] else 0] for k in range(2) if ends[k]]
    spelled = "{}_{{{}}}" if "\\" in text else "{}[{}]"
    body = _written(terms, slots, taken, spelled, bold)
    body = f"{applied[1]}{applied[2]}{body}{applied[4]}" if applied else body
    name = f"{defined[1]}{defined[2] or ''}{'2' if defined[3] else ''}"
    return f"{_entry(name, slots, spelled)} = {body}"


def _with_inverse(text: str, inverse: re.Match[str]) -> str:
    """``b = (X'X)^{-1} X'y``, whose inverse is an input of which is assumed that it is one."""
    if any(other[0].strip() != inverse[0].strip() for other in _INVERSE.finditer(text)):
        return ""
    free = [letter for letter in "BGCDFH" if letter not in _letters(text)]
    of, matrix, bold = inverse[1], inverse[3] or inverse[2], _BOLD.search(text) is not None
    if len(free) < 2 or (matrix or "A").startswith("\\"):
        return ""
    name, product = (rf"\mathbf{{{letter}}}" if bold else letter for letter in free[:2])
    defined = "" if of is None else of_matrices(f"{product} = {of}")
    if any(sign in defined for sign in ("+", "-")):  # X'X + λ I
        defined = re.sub(r"(?<!\w)I(?=_\{i,j\}|\[i,j\])", "δ", defined)
    entries = of_matrices(_INVERSE.sub(lambda _: f" {name} ", text))
    if not entries or (of is not None and not re.match(rf"{free[1]}(?:_\{{|\[)i,j", defined)):
        return ""
    return "\n".join(filter(None, (defined, f"assume {matrix or free[1]}[i,K] {free[0]}[K,j] = δ[i,j]", entries)))


def of_rows(text: str) -> str:
    """The text with ``x_i'β`` as ``x_{i,K} β_{K}``, the product of a row with a vector; nothing where there is none."""
    letters = iter(letter for letter in _SUMMED if not re.search(rf"(?<![^\W_]){letter}(?!\w)", text))

    def entries(found: re.Match[str]) -> str:
        letter = next(letters, "S")
        own = found[2] or found[3] or found[4]
        slots = own if found[2] is not None or "," in own else ",".join(own)
        spelled = "[{}]" if found[2] is not None else "_{{{}}}"
        other = _PLAIN.sub(r"\1", found[5])
        row = _PLAIN.sub(r"\1", found[1])
        return f"{row}{spelled.format(f'{slots},{letter}')} {other}{spelled.format(letter)}"

    line = _ROW.sub(entries, text) if len(text) <= MOST else text
    return line if line != text else ""


def of_vector(inside: str, text: str, index: str) -> str:
    """``A x - b``, a part of a text, as ``A[I,K] x[K] - b[I]`` with an ``index`` I; nothing where it is no vector."""
    bold = {_SET.sub("", name) for name in _BOLD.findall(inside)}
    terms = _terms(inside, bold, False) if len(inside) <= MOST else []
    alone = all(term.is_alone and term.factors[0].rank for term in terms)
    if not terms or (not alone and _common_ends(terms) != (True, False)):
        return ""
    spelled = "{}_{{{}}}" if "\\" in text.replace("\\|", "") else "{}[{}]"
    return _written(terms, [index], {index, *_letters(text)}, spelled, bold)


def of_trace(inside: str, text: str) -> str:
    """``A B`` as ``A[I,K] B[K,I]``, of which the trace is the sum; nothing where it is no matrix."""
    terms = _terms(inside, (), False) if len(inside) <= MOST else []
    shapes = {_ends(term.factors) for term in terms}
    index = next((letter for letter in "IJN" if letter not in _letters(text)), "")
    if shapes != {(True, True)} or not index:
        return ""
    return _written(terms, [index, index], {index, *_letters(text)}, "{}_{{{}}}" if "\\" in text else "{}[{}]")


def of_bracket(text: str, start: int, end: int) -> str:
    """The text with the bracket from ``start`` to ``end``, behind which slots stand, as its entries; nothing where it
    holds more than sums of products of names."""
    found = _SLOTS.match(text, end)
    if found is None:
        return ""
    inside = (found[1] or found[3] or found[2] or "").strip()
    letters = list(inside) if found[3] is None and "," not in inside else inside.split(",")  # _{ij}
    slots = [slot.strip() for slot in letters]
    terms = _terms(text[start + 1 : end - 1], (), False) if len(text) <= MOST else []
    ends = _common_ends(terms)
    if ends is None or sum(ends) != len(slots):
        return ""
    written = _written(terms, slots, _letters(text), "{}_{{{}}}" if found[3] is None else "{}[{}]")
    whole = text[:start].rstrip()[-1:] in ("", "=") and text[found.end() :].lstrip()[:1] in ("", "=")
    bare = whole or not re.search(r" [+-] |^-", written)
    bare = bare and text[found.end() :].lstrip()[:1] not in ("^", "²", "³")
    return f"{text[:start]}{written if bare else f'({written})'}{text[found.end() :]}"


def _letters(text: str) -> set[str]:
    return {_SET.sub("", name) for name in re.findall(_NAME, text)}


def _common_ends(terms: Sequence[Term]) -> tuple[bool, bool] | None:
    """Whether the products have an index on the left and on the right; nothing where that differs."""
    shapes = {_ends(term.factors) for term in terms if not term.is_alone}
    return shapes.pop() if len(shapes) == 1 else None


def _written(
    terms: Sequence[Term], slots: Sequence[str], taken: Collection[str], spelled: str, bold: Collection[str] = ()
) -> str:
    summed = [letter for letter in _SUMMED if letter not in taken]

    def product(term: Term) -> str:
        if term.is_alone:
            own = slots[-1:] if term.factors[0].rank or not bold else ()
            return " ".join(filter(None, (term.scale, _entry(term.factors[0].name, own, spelled))))
        named = [factor for factor in term.factors if factor.rank]
        between, last, parts = iter(summed), slots[0] if slots else "", [term.scale] if term.scale else []
        for factor in term.factors:
            right = "" if not factor.right else slots[-1] if factor is named[-1] else next(between, "S")
            own = [last] * factor.left + [right] * factor.right
            parts.append(_entry(factor.name, own[::-1] if factor.is_turned else own, spelled))
            last = right if factor.rank else last
        return " ".join(parts)

    return "".join(f"{term.sign}{product(term)}" for term in terms)


def _entry(name: str, slots: Sequence[str], spelled: str) -> str:
    return spelled.format(name, ",".join(slots)) if slots else name


def _terms(text: str, bold: Collection[str], is_code: bool) -> list[Term]:
    """The products of a sum; nothing where one is more than names and a number in front."""
    if not text.strip():
        return []
    pieces = _SIGNS.split(_BOLD.sub(r"\1", text.strip()))
    if len(pieces) == 1 and not pieces[0]:
        return []
    first = [] if pieces[0] else [pieces[1]]  # -A x
    pieces = pieces[2:] if first else pieces
    signs = [*first, *(f" {sign} " for sign in pieces[1::2])]
    found = []
    for sign, piece in zip(signs if first else ["", *signs], pieces[::2], strict=True):
        scale = _SCALE.match(piece)
        factors = _factors(piece[scale.end() :] if scale else piece, bold, is_code)
        if not factors:
            return []
        found.append(Term(sign, (scale[1] or "") if scale else "", factors))
    return found


def _factors(text: str, bold: Collection[str], is_code: bool) -> list[Factor]:
    found, place = list[Factor](), 0
    while place < len(text.rstrip()):
        name = (_WORD if is_code else _LETTER).match(text, place)
        if name is None or len(found) == MOST_FACTORS:
            return []
        found.append(Factor(name[1], _rank(name[1], bold, not found and not name[2]), bool(name[2])))
        place = name.end()
    return found


def _rank(name: str, bold: Collection[str], is_first: bool) -> int:
    letter = _SET.sub("", name)
    is_greek = letter in GREEK or not letter.isascii()
    if letter not in bold if bold else (is_first and is_greek and letter.islower()):
        return 0
    return 2 if letter[0].isupper() else 1


def _ends(factors: Sequence[Factor]) -> tuple[bool, bool] | None:
    """Whether a product has an index on its left and on its right; nothing where its shapes do not fit."""
    named = [factor for factor in factors if factor.rank]
    if not named or any(before.right != behind.left for before, behind in pairwise(named)):
        return None
    return named[0].left, named[-1].right
