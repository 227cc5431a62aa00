"""Numbers in brackets above a name without slots, which may count layers or be powers: ``l^(1) + l^(2)`` is refused.

With slots, ``a^(1)[i]``, they are labels, and so they are in braces, ``l^{(1)}``.  A power is left where the name
stands alone somewhere, ``x + x^(2)``, or has one such number, ``x^(2)``; nobody writes the powers 0 and 1.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from einstan.language.errors import NotationError

_RAISED = re.compile(r"(?<![\w\\])(\\?[^\W\d_]\w*)\^\((\d\d?)\)(?!\s*[\[_])")
_LABELLED = re.compile(r"\^\(\w+\)[\[_]|\^\{\s*[(\[]")


def layered(codes: Iterable[str], known: Collection[str] = ()) -> set[str]:
    """The names of a text whose numbers may be labels; a tensor that is ``known`` stands for itself."""
    text = "\n".join(codes)
    if "^(" not in text:
        return set()
    numbers: dict[str, set[str]] = {}
    for name, number in _RAISED.findall(text):
        numbers.setdefault(name, set()).add(number)
    labels = _LABELLED.search(text) is not None

    def is_layered(name: str, above: set[str]) -> bool:
        alone = name in known or re.search(rf"(?<![\w\\]){re.escape(name)}(?!\w|\^\(\d\d?\)|\^\{{\s*[(\[])", text)
        return not above.isdisjoint("01") or (not alone and (len(above) > 1 or labels))

    return {name for name, above in numbers.items() if is_layered(name, above)}


def refused_layers(text: str, names: Collection[str]) -> NotationError | None:
    """The refusal of the first of such names in a text, with both readings of all of them."""
    found = next((found for found in _RAISED.finditer(text) if found[1] in names), None)
    if found is None:
        return None

    def spelled(above: str) -> str:
        return _RAISED.sub(lambda one: f"{one[1]}^{above.format(one[2])}" if one[1] in names else one[0], text)

    defined = not text[: found.start()].strip() and text[found.end() :].lstrip()[:1] == "="
    return NotationError(
        f"{found[0]} is a number with a label, or a power", text=text, span=found.span(),
        inferred="with slots behind it, ^(1) is a label",
        repair=(spelled("{{({})}}"), *([] if defined else [spelled("{}")])),
    )  # fmt: skip
