r"""Operators on random variables, which would be sums of tensors: what is drawn has an index of its own.

E[X^2] - E[X]^2                mean[N](X[N]^2) - mean[N](X[N])^2
"""

from __future__ import annotations

import re
from collections import Counter

from einstan.language.errors import NotationError
from einstan.language.index import is_capital, names_in
from einstan.language.occurrences import index_refs
from einstan.language.surface import (
    Power,
    Ref,
    Relation,
    Term,
    only_part,
    walk,
)  # fmt: skip
from einstan.language.term import Partial

OPERATORS = {
    **dict.fromkeys(("E", "P"), "mean[N](x[N]), over what is drawn"),
    **dict.fromkeys(("Pr", "Prob"), "mean[N](1[x[N] > 0]), over what is drawn"),
    "Var": "var[N](x[N])",
    "Cov": "mean[N]((x[N] - mean[M](x[M])) (y[N] - mean[M](y[M])))",
}
_EXPECTED = re.compile(r"(?<!\w)(E|Var)\s*(?:\[([^\[\]|;,∂]+)\]|\(((?:[^()|;,∂]|\([^()|;,∂]*\))+)\))")
_OPERATED = re.compile(r"(?<!\w)(?:E|P|Pr|Var|Cov)\s*[\[(]")
_PLAIN = re.compile(r"[^\W\d_²³½][^\W²³]*(?![\w(\[])")


def refuse_expectation(text: str, tree: Relation, names: Counter[str]) -> None:
    """``E[X] - E[Y]`` and ``Cov[X,Y]``, which would be sums over letters that nothing else has."""

    def is_drawn(node: Ref) -> bool:
        letters = [str(part.name) if isinstance(part := only_part(slot), Ref) else "" for slot in node.slots]
        return bool(letters) and all(is_capital(letter) and names[letter] == 1 for letter in letters)

    def is_value(node: Ref) -> bool:
        parts = (part for slot in node.slots for part in walk(slot))
        return any(
            isinstance(part, Power)
            or (isinstance(part, Ref) and isinstance(part.name, Partial))
            or (isinstance(part, Term) and sum(isinstance(factor, Ref) for factor, _ in part.parts) > 1)
            for part in parts
        )

    for name in OPERATORS:
        read = [node for node in walk(tree) if isinstance(node, Ref) and node.name == name]
        drawn = any(map(is_value, read)) or (
            all(map(is_drawn, read))
            and (  # the energies E[N] are summed
                len(read) > 1
                or len(name) > 1
                or any(str(part.name) in "XYZ" for ref in read for part in index_refs(ref.slots))
            )
        )
        if read and drawn:
            raise NotationError(
                f"{name} is an operator on random variables, or a tensor that is summed", text=text, span=read[0].span,
                repair=(expected(text) or OPERATORS[name], f"another name for a tensor, such as {name}0"),
            )  # fmt: skip


def expected(text: str) -> str:
    """The text with ``E[X^2]`` as ``mean[N](X[N]^2)``, over what is drawn; nothing where another of them stays."""
    if re.search(r"(?<!\w)N(?!\w)", text):
        return ""

    def meant(found: re.Match[str]) -> str:
        inside = found[2] or found[3]
        drawn = [name for name in names_in(inside) if name[0].isupper()] or names_in(inside)
        inside = _PLAIN.sub(lambda name: f"{name[0]}[N]" if name[0] in drawn else name[0], inside)
        return f"{'mean' if found[1] == 'E' else 'var'}[N]({inside})"

    line = _EXPECTED.sub(meant, text)
    return line if line != text and not _OPERATED.search(line) else ""
