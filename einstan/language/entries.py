r"""Products of matrices that are written whole: what their entries are, to paste.

(A B)_{i,j}, (A x)[i]                  A_{i,K} B_{K,j}, A[i,K] x[K]
\mathbf{Z} = \mathbf{X} \mathbf{W}     Z_{i,j} = X_{i,K} W_{K,j}
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_FONT = r"\\(?:mathbf|boldsymbol|bm|mathrm)\s*\{\s*(\\?[A-Za-z]+)\s*\}"
_TURNED = r"\s*(?:\^\s*\{?\s*(?:T|\\top|\\intercal)(?![A-Za-z])\s*\}?|ᵀ)"
_FACTOR = re.compile(rf"\s*(?:\*|·|⋅|\\cdot|\\,)?\s*(?:{_FONT}|(\\[A-Za-z]+|[^\W\d_]\w*))({_TURNED})?")
_TERMS = re.compile(r"\s*([+-])\s*")
_SLOTS = re.compile(r"\s*(?:_\{([^{}]*)\}|_(\w+)|\[([^\[\]]*)\])")
_NUMBER = re.compile(r"\s*(\d+(?:\.\d+)?(?:/\d+)?|\\[dt]?frac\{[^{}]*\}\{[^{}]*\})(?=\s)")
_SUMMED = "KLMPQR"


def of_bracket(text: str, start: int, end: int) -> str:
    """The text with the bracket from ``start`` to ``end``, behind which slots stand, as its entries; nothing where it
    holds more than sums of products of names."""
    found = _SLOTS.match(text, end)
    if found is None:
        return ""
    inside = (found[1] or found[3] or found[2]).strip()
    letters = list(inside) if found[3] is None and "," not in inside else inside.split(",")  # _{ij}
    slots = [slot.strip() for slot in letters]
    written = _sum(text, text[start + 1 : end - 1], slots, found[3] is None, bold=False)
    if not written:
        return ""
    whole = text[:start].rstrip()[-1:] in ("", "=") and text[found.end() :].lstrip()[:1] in ("", "=")
    bare = whole or not re.search(r" [+-] |^-", written)
    bare = bare and text[found.end() :].lstrip()[:1] not in ("^", "²", "³")
    return f"{text[:start]}{written if bare else f'({written})'}{text[found.end() :]}"


def of_bold(text: str) -> str:
    r"""``Z_{i,j} = X_{i,K} W_{K,j} + b_j`` for ``\mathbf{Z} = \mathbf{X} \mathbf{W} + \mathbf{b}``; nothing where a
    term is more than a product of letters."""
    left, _, right = text.partition("=")
    found = _FACTOR.fullmatch(left.strip())
    if found is None or not found[1] or "=" in right:
        return ""
    slots = ["i", "j"] if _is_matrix(found[1]) else ["i"]
    written = _sum(text, right.strip(" .,"), slots, True, bold=True)
    return f"{_entry(found[1], slots, True)} = {written}" if written else ""


def _is_matrix(name: str) -> bool:
    return name.lstrip("\\")[:1].isupper()


def _sum(text: str, body: str, slots: Sequence[str], subscripts: bool, bold: bool) -> str:
    """The entries of a sum of products."""
    pieces = _TERMS.split(body.strip())
    signs, terms = ["", *pieces[1::2]], pieces[::2]
    if not terms[0]:  # -A x
        signs, terms = signs[1:], terms[1:]
        signs[0] = "-" if signs[0] == "-" else ""
    written = [_product(text, term, slots, subscripts, bold) for term in terms]
    if not all(written):
        return ""
    first = f"{signs[0]}{written[0]}"
    return "".join([first, *(f" {sign} {each}" for sign, each in zip(signs[1:], written[1:], strict=True))])


def _product(text: str, term: str, slots: Sequence[str], subscripts: bool, bold: bool) -> str:
    scale = _NUMBER.match(term)
    place, factors, scalars = scale.end() if scale else 0, list[tuple[str, bool]](), [scale[1]] if scale else []
    while term[place:].strip():
        found = _FACTOR.match(term, place)
        if found is None or term[found.end() :][:1] in ("(", "[", "_", "{", "^"):
            return ""
        name = found[1] or found[2]
        if bold and not found[1]:
            scalars.append(name)
        elif not bold and name.isupper() and name.isascii() and 1 < len(name) < 4:  # (AB)_{i,j}
            factors += [(letter, False) for letter in name]
        else:
            factors.append((name, bool(found[3])))
        place = found.end()
    if not factors:
        return ""
    between = [each for each in _SUMMED if not re.search(rf"(?<!\w){each}(?!\w)", text)][: len(factors) - 1]
    if len(between) < len(factors) - 1 or len(slots) > 2:
        return ""
    if bold and len(factors) == 1 and not _is_matrix(factors[0][0]):
        slots = slots[-1:]
    if bold and any(
        _is_matrix(name) != (k < len(factors) - 1 or len(slots) == 2) for k, (name, _) in enumerate(factors)
    ):
        return ""
    ends = [slots[0], *between, *slots[1:]]
    entries = []
    for k, (name, turned) in enumerate(factors):
        own = ends[k : k + 2]
        entries.append(_entry(name, own[::-1] if turned else own, subscripts))
    return " ".join([*scalars, *entries])


def _entry(name: str, slots: Sequence[str], subscripts: bool) -> str:
    return f"{name}_{{{','.join(slots)}}}" if subscripts else f"{name}[{','.join(slots)}]"
