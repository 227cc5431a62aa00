"""Extents that a text speaks of: those that nothing has are refused, with the ones that there are.

``where |i| = |q.0|`` needs a q that some line of the text reads.  Only lines of a pass without those before it, a
gradient dq beside no q, may speak of tensors that are elsewhere.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from einstan.language.errors import ScopeError
from einstan.language.index import lowered
from einstan.language.node import holds, preorder
from einstan.language.term import Equation, Extent, Partial, accesses, bound_indices

MOST = 3  # axes that are proposed


def unknown_extents(
    lines: Iterable[tuple[str, Equation]], known: Collection[str] = ()
) -> Iterator[tuple[str, ScopeError]]:
    """Of the lines of a text those, with an error each, that state an extent by that of a tensor or an index which no
    line has."""
    lines = tuple(lines)
    spoken = [(text, equation, name) for text, equation in lines for name in _sizes(equation)]
    if not spoken:
        return
    pairs = {pair for _, e in lines for pair in ((e.name, len(e.indices)), *accesses(e.rhs))}
    if any(isinstance(name, Partial) for name, _ in pairs):
        return
    ranks = {str(name): rank for name, rank in pairs}
    names = {*ranks, *known}
    if any(name[0] in "dt" and name[1:] not in names for name in names if len(name) > 1):
        return
    letters = {lowered(index.name) for _, e in lines for index in (*e.indices, *e.rhs.free, *bound_indices(e.rhs))}
    for text, _, name in spoken:
        tensor, _, _ = name.rpartition(".")
        if tensor in names or (not tensor and lowered(name) in letters):
            continue
        yield text, _unknown(text, name, ranks)


def _sizes(equation: Equation) -> list[str]:
    """The extents that an equation speaks of: of its ``where`` all, else those of axes."""
    stated = [node.index.name for _, form in equation.where for node in preorder(form) if isinstance(node, Extent)]
    if not holds(equation.rhs, Extent):
        return stated
    inside = (node.index.name for node in preorder(equation.rhs) if isinstance(node, Extent))
    return [*stated, *(name for name in inside if "." in name)]


def _unknown(text: str, name: str, ranks: dict[str, int]) -> ScopeError:
    start = max(text.find(f"|{name}|"), 0)
    span = (start, start + len(name) + 2)
    tensor, _, place = name.rpartition(".")
    axes = [(other, f"{other}.{k}") for other, rank in ranks.items() for k in range(rank)]
    near = [axis for other, axis in axes if other.lower() == tensor.lower() and axis.endswith(f".{place}")]
    left = text.partition("[")[0].strip()
    found = near or sorted(axis for other, axis in axes if other != left)
    what = f"an axis of {tensor}, a tensor" if tensor else f"the index {name}"
    return ScopeError(
        f"|{name}| is the extent of {what} that nothing here has", text=text, span=span,
        repair=[f"{text[: span[0]]}|{axis}|{text[span[1] :]}" for axis in found[:MOST]],
    )  # fmt: skip
