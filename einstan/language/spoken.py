"""Extents of letters: those that nothing has are refused, with the ones that there are.

``where |i| = |q.0|`` has an input q of which the sizes alone are read; ``where |i| = |q|`` needs an index q.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from einstan.language.errors import ScopeError
from einstan.language.index import lowered
from einstan.language.node import preorder
from einstan.language.term import Equation, Extent, accesses, bound_indices

MOST = 3  # axes that are proposed


def unknown_extents(
    lines: Iterable[tuple[str, Equation]], known: Collection[str] = ()
) -> Iterator[tuple[str, ScopeError]]:
    """Of the lines of a text those, with an error each, that state an extent by that of an index which no line has."""
    lines = tuple(lines)
    spoken = [(text, name) for text, equation in lines for name in _letters_of(equation)]
    if not spoken:
        return
    letters = {lowered(index.name) for _, e in lines for index in (*e.indices, *e.rhs.free, *bound_indices(e.rhs))}
    for text, name in spoken:
        if lowered(name) not in letters and name not in known:
            yield text, _unknown(text, name, [e for _, e in lines])


def _letters_of(equation: Equation) -> list[str]:
    nodes = (node for _, form in equation.where for node in preorder(form))
    return [node.index.name for node in nodes if isinstance(node, Extent) and "." not in node.index.name]


def _unknown(text: str, name: str, equations: Iterable[Equation]) -> ScopeError:
    start = max(text.find(f"|{name}|"), 0)
    span = (start, start + len(name) + 2)
    left = text.partition("[")[0].strip()
    ranks = dict(pair for e in equations for pair in ((str(e.name), len(e.indices)), *accesses(e.rhs)))
    axes = sorted(f"{other}.{k}" for other, rank in ranks.items() if str(other) != left for k in range(rank))
    return ScopeError(
        f"|{name}| is the extent of the index {name} that nothing here has", text=text, span=span,
        repair=[f"{text[: span[0]]}|{axis}|{text[span[1] :]}" for axis in axes[:MOST]],
    )  # fmt: skip
