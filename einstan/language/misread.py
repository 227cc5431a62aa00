r"""What papers and LaTeX write and this notation would read as something else: refused, with what to write.

e^{-x}                 the exponential, unless e is declared; of a number it is refused
x^T, x^\top            a transpose is an order of indices
\mathbf{Z}             a matrix without its indices
Z_nj = X_nk W_kj       names, and no tensors with slots
\frac{1}{N} x_n        N beside the index n: an extent, or a number of that name
\frac{1}{N} x_N        an index as a divisor is zero at first: its extent is meant
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from einstan.language.divisors import counted_by_index, divisors_in
from einstan.language.entries import of_matrices, of_rows
from einstan.language.errors import NotationError, Span
from einstan.language.greek import SUMMED
from einstan.language.index import is_capital, lowered
from einstan.language.occurrences import evidence
from einstan.language.surface import (
    Call,
    Expression,
    Letter,
    Minus,
    Number,
    Ref,
    Relation,
    Surface,
    alone,
    walk,
)  # fmt: skip
from einstan.language.tokens import Token, respelled

TRANSPOSED = ("A transpose is another order of the indices: A[j,i] for A[i,j], x[I] A[I,J] x[J] for x^T A x",)
_D = r"(?:\\mathrm\s*\{\s*d\s*\}|\\partial|∂|d)"
_TENSOR = r"\\?[^\W\d_](?:(?![²³⁴])\w)*(?:\[[^\[\]]*\]|_\{[^{}]*\})?"
_ORDER = r"(?:\s*\^\s*\{\s*\d\s*\}|\s*\^\s*\d|[²³⁴])?"
_FRACTION = re.compile(r"\\[dt]?frac\s*\{\s*(?:\\mathrm\s*\{\s*)?$")
_HIGHER = re.compile(rf"\s*({_TENSOR})\s*(?:/|\}}\s*\{{)\s*\(?")
_BELOW = re.compile(rf"\s*(?:\\,)?\s*{_D}\s*({_TENSOR})({_ORDER})")
_SUBSCRIPTED_SIGN = re.compile(rf"_(\{{[^{{}}]*\}}|\w)\s*({_TENSOR})")
_RUN_TOGETHER = re.compile(r"[^\W\d_](?:d[^\W\d_])+")  # the xdy of dxdy
_LOWERED = str.maketrans("²³⁴", "234", "^{} ")
_WAVE = re.compile(r"(?:exp\s*\(|\be\^)[^=]*(?:\bpi\b|π|\\pi)")
_SUBSCRIPTED = re.compile(r"([A-Za-z])_([a-z]{2})")


def exponential(text: str, tokens: Sequence[Token], exponent: Surface, span: Span) -> Surface | None:
    """``e^{-x[i]}`` as ``exp(-x[i])``; nothing where e stands for itself in the text too."""
    places = [k for k, token in enumerate(tokens) if token.text == "e" and token.kind == "name"]
    if any(not _raised(tokens, k) and not _is_slot(tokens, k) for k in places):
        return None
    inner = exponent.operand if isinstance(exponent, Minus) else exponent
    written = text[slice(*exponent.span)]
    written = written[1:-1] if written.startswith("{") else written
    if any(_is_slot(tokens, k) for k in places):
        above, below = text[: span[0]], text[span[1] :]
        raise NotationError(
            "e is an index here, and its power or the exponential is meant", text=text, span=span,
            repair=(f"{above}exp({written}){below}", f"{above}(e){text[span[0] + 1 :]}"),
        )  # fmt: skip
    if isinstance(inner, Number):
        above, below = text[: span[0]], text[span[1] :]
        raise NotationError(
            "e to the power of a number is the exponential of it, or the power of a parameter e", text=text, span=span,
            repair=(f"{above}exp({written}){below}", f"{respelled(above, 'e', 'eps')}eps^{written}{below}"),
        )  # fmt: skip
    return Call(span, "exp", (exponent if isinstance(exponent, Expression) else alone(exponent),))


def _raised(tokens: Sequence[Token], place: int) -> bool:
    return tokens[place + 1].text == "^"


def _is_slot(tokens: Sequence[Token], place: int) -> bool:
    before, behind = tokens[place - 1].text, tokens[place + 1].text
    opened = before == "{" and tokens[place - 2].text == "_"
    return place > 0 and (before in ("[", "_") or opened or (before == "," and behind in (",", "]", "}")))


def transposed(text: str, exponent: Surface, span: Span) -> None:
    if isinstance(exponent, Ref) and exponent.name == "T" and not exponent.slots:
        before, behind = text[: exponent.span[0]], text[exponent.span[1] :]
        if before.endswith("{"):  # its own braces, and none around
            before, behind = before[:-1], behind.removeprefix("}")
        raise NotationError(
            "the power T is a transpose, or the power of a number T", text=text, span=span,
            repair=(of_rows(text) or of_matrices(text) or TRANSPOSED[0], f"{before}(T){behind}"),
        )  # fmt: skip


def second_derivative(text: str, base: Surface, exponent: Surface, span: Span) -> None:
    r"""``d^2 g/dx^2``, ``d^2 g/(dx dy)``, ``\frac{d^2 g}{dx\,dy}``: a power of a number d, or a derivative."""
    if not (isinstance(base, Ref) and base.name == "d" and not base.slots and isinstance(exponent, Number)):
        return
    found = _HIGHER.match(text, span[1])
    below, end = denominators(text, found.end()) if found else ([], 0)
    if found is None or not below:
        return
    closing = re.compile(r"\s*[)}]").match(text, end) if found[0].rstrip()[-1] in "({" else None
    end = closing.end() if closing else end
    spelled = f"∂{found[1].strip()}/{''.join(f'∂{name}' for name in below)}"
    start = _FRACTION.search(text, 0, span[0])
    begin, order = start.start() if start else span[0], exponent.value
    what = "a second derivative" if order == 2 else f"a derivative of order {order}"
    raise NotationError(
        f"d^{order} is the power of a number d, and not {what}", text=text, span=span,
        repair=(f"{text[:begin]}{spelled}{text[end:]}", "another name for a number, such as d0"),
    )  # fmt: skip


def denominators(text: str, start: int) -> tuple[list[str], int]:
    """The names below the line of a derivative, ``dx dy^2`` as x, y, y, and where they end."""
    found: list[str] = []
    while below := _BELOW.match(text, start):
        name, order, start = below[1], below[2], below.end()
        names = name.split("d") if _RUN_TOGETHER.fullmatch(name) else [name]
        found += names[:-1] + names[-1:] * (int("0" + order.translate(_LOWERED)) or 1)
    return found, start


def subscripted(text: str, start: int, end: int) -> str:
    r"""The text with ``\partial_x f`` as ``∂f/∂x``, and ``∂_{xy} f`` as ``∂f/∂x∂y``."""
    found = _SUBSCRIPTED_SIGN.match(text, end)
    if found is None:
        return ""
    below = "".join(f"∂{name}" for name in re.findall(r"\\?[^\W\d_]+" if "\\" in found[1] else r"[^\W\d_]", found[1]))
    return f"{text[:start]}∂{found[2]}/{below}{text[found.end() :]}"


def bold(text: str, token: Token, name: str) -> NotationError:
    span = (token.start, token.end)
    written = text[slice(*span)]
    return NotationError(
        f"{name} in bold has no indices", text=text, span=span,
        inferred="without slots it would be a number",
        repair=(of_matrices(text) or f"{written}_{{i,j}}, {name}[i,j]", f"{name} if it is a number"),
    )  # fmt: skip


def without_slots(text: str, tree: Surface, scalars: Sequence[Ref], declared: Collection[str]) -> None:
    """Refuse scalars that a reader takes for tensors, or for the number of values of an index."""
    suspects = [ref for ref in scalars if ref.name not in declared]
    subscripted = {str(ref.name): ref for ref in scalars if _SUBSCRIPTED.fullmatch(str(ref.name))}
    if isinstance(tree, Relation) and len(subscripted) > 2:
        _run_together(text, tree, subscripted)
    for ref in suspects:
        if ref.name in ("i", "j") and _WAVE.search(text) and ref.name not in evidence(tree):
            raise _imaginary(text, str(ref.name), ref.span)
    capitals = {id(ref): ref for ref in suspects if len(str(ref.name)) == 1 and is_capital(str(ref.name))}
    if capitals:
        indices = evidence(tree)
        for ref in divisors_in(tree):
            if id(ref) in capitals and lowered(str(ref.name)) in indices and ref.name not in indices:
                raise counted_by_index(text, str(ref.name), ref.span)


def _run_together(text: str, tree: Relation, names: dict[str, Ref]) -> None:
    """``Z_nj = X_nk W_kj``: the letters of the left side come back on the right, in names of the same form."""
    left = {str(node.name) for node in walk(tree.left) if isinstance(node, Ref)} & names.keys()
    slots = {name: name.partition("_")[2] for name in names}
    right = {letter for name in names.keys() - left for letter in slots[name]}
    if left and all(set(slots[name]) <= right for name in left):
        free, repaired = {letter for name in left for letter in slots[name]}, text
        free.update(node.name for node in walk(tree) if isinstance(node, Letter))
        free.update(letter for _, letter in SUMMED.findall(text))
        for name, letters in slots.items():
            indices = ",".join(letter if letter in free else letter.upper() for letter in letters)
            repaired = respelled(repaired, name, f"{name.partition('_')[0]}[{indices}]")
        first = min(names.values(), key=lambda ref: ref.span)
        raise NotationError(
            f"{first.name} is one name here, a number without slots", text=text, span=first.span,
            inferred="its letters look like indices", repair=repaired,
        )  # fmt: skip


def _imaginary(text: str, name: str, span: Span) -> NotationError:
    """``exp(-2 pi i k N / |N|)``, of which no number here is the imaginary unit."""
    return NotationError(
        f"{name} is a number here, and not the imaginary unit", text=text, span=span,
        inferred="numbers are real: a real and an imaginary part are an equation each, with cos and with sin",
        repair=respelled(text, name, f"{name}0"),
    )  # fmt: skip
