"""Which names the lines of a text tell: what may be a number, a tensor, or the differential of one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence

from einstan.language.glued import alphabets, is_raised
from einstan.language.index import names_in
from einstan.language.numbering import multiplied
from einstan.language.signs import OPERATIONS
from einstan.language.surface import APPLIED

_RAISED = re.compile(r"(?<!\w)([A-Za-z]{2})\s*(?:\^|\*\*|[²³])")
_DEFINED = re.compile(r"\s*(\w+)\s*=")
NAME = re.compile(r"(?<![/\w.])(?<!/ )(?<!\}\{)[^\W\d_][^\W²³]*")  # what divides may be part of a derivative
_UNDER = re.compile(  # v/dt: dt is a number
    r"(?<![\w/^])(?![d∂])[^\W_]\w*(?:\[[^\[\]]*\])?\s*/\s*(d[^\W\d_]\w*)(?!\s*[\w\[(])"
)
_D = r"(?<!\w)d\w+(?:\[[^\[\]]*\])?"
QUOTIENT = re.compile(  # which may be a derivative, and tells nothing of numbers: d[i]/dx dy, df/(dx dy), \frac{df}{dx}
    rf"{_D}\s*/\s*(?:\((?:\s*{_D})+\s*\)|{_D}(?:\s+{_D}(?!\w|\s*[/(]))*)"
    r"|\\[dt]?frac\s*\{\s*d\w+\s*\}\s*\{(?:\s*(?:\\,)?\s*d\w+)+\s*\}"
)


_HIGHER = re.compile(r"(?<![\w|])d\w+(?:\[[^\[\]]*\])?/(?:d\w+(?:\[[^\[\]]*\])?){2,}")  # dl/dx[n]dm
_DERIVED = re.compile(r"(?<![\w|])d([^\W\d_]\w*)/d([^\W\d_]\w*)(?![\w\[^.])")


def as_read(lines: Sequence[str]) -> list[str]:
    """Lines as they are printed, so that they are read as they were: a derivative ``dx/dt`` is ``∂x/∂t`` where a line
    has a number dt too, and factors that look like a unit have a sign in front of them."""
    codes = [line.partition("#")[0].rstrip() for line in lines]
    lines = [multiplied(code) + line[len(code) :] for line, code in zip(lines, codes, strict=True)]
    codes = [line.partition("#")[0] for line in lines]
    if not any(_DERIVED.search(code) for code in codes):
        return lines
    plain = (QUOTIENT.sub(" ", _HIGHER.sub(" ", code)) for code in codes)
    numbers = {name for code in plain for name in NAME.findall(code) if name[0] == "d"}

    def signed(found: re.Match[str]) -> str:
        above, below = found.groups()
        return f"∂{above}/∂{below}" if numbers & {f"d{above}", f"d{below}"} else found[0]

    return [_DERIVED.sub(signed, code) + line[len(code) :] for line, code in zip(lines, codes, strict=True)]


def undeclared(names: Collection[str], codes: Collection[str]) -> set[str]:
    """Single letters that no line defines or gives slots, ``e`` in ``e^{-x}`` and ``N`` in ``1/N``, words such as
    the ``choose`` in ``n choose k`` and the ``tr`` in ``tr A``, letters of two alphabets, ``ωt``, and two in a power,
    ``mc^2``."""
    odd = {name for name in names if not name.isascii() and alphabets(name)}
    odd |= {name for name in set(_RAISED.findall(" ".join(codes))).intersection(names) if is_raised(name, codes)}
    letters = odd | {name for name in names if len(name) == 1 or name in OPERATIONS or name in APPLIED}
    defined = {found.group(1) for code in codes if (found := _DEFINED.match(code))}
    given = {name for code in codes if code.startswith("given ") for name in NAME.findall(code)}
    slotted = {name for name in letters if any(f"{name}[" in code or f"{name}_" in code for code in codes)}
    return letters - defined - given - slotted


def names_told(codes: Sequence[str], known: Collection[str]) -> tuple[Counter[str], set[str]]:
    """How often each name stands in the lines of a text, and those that are tensors, with what is ``known``."""
    plain = [QUOTIENT.sub(" ", code) for code in codes]
    counts = Counter(name for code in plain for pattern in (NAME, _UNDER) for name in pattern.findall(code))
    names = {*known, *counts}
    names -= undeclared(names - set(known), codes)
    names -= {f"d{name}" for code in plain for name in names_in(code) if name not in names}  # differentials
    return counts, names
