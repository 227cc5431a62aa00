"""Where a factored tensor has entries: as a matrix of blocks, every axis cut down to a few places."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING

from einstan.language.display import pattern
from einstan.library.factored_parts import Part

if TYPE_CHECKING:
    from einstan.library.factored import FactoredTensor

PLACES = (6, 4, 3, 2)  # of an axis, as many as there is room for
WIDEST = 36  # squares


def picture(tensor: FactoredTensor) -> str:
    """Dark where a part has entries, light where one may have some, by labels that it sums, and else empty."""
    above, below = tensor.shape[: tensor.rows], tensor.shape[tensor.rows :]
    most = next((n for n in PLACES if max(n ** len(above), n ** len(below)) <= WIDEST), 0)
    if not most or 0 in tensor.shape or tensor.ndim < 2:
        return ""
    rows, columns = places(above, most), places(below, most)
    cells = [[max((held(part, (*r, *c)) for part in tensor.parts), default=0.0) for c in columns] for r in rows]
    if all(value == 1 for row in cells for value in row):
        return ""  # it has entries everywhere
    sides = " x ".join(",".join(names) or "1" for names in (tensor.names[: tensor.rows], tensor.names[tensor.rows :]))
    return pattern(cells, f"where {sides} has entries")


def places(shape: Sequence[int], most: int) -> list[tuple[int, ...]]:
    return list(product(*(range(min(size, most)) for size in shape)))


def held(part: Part, place: Sequence[int]) -> float:
    """Whether a part has an entry at a place: where axes of one label agree, and where its links hold."""
    known: dict[int, int] = {}
    if any(known.setdefault(label, at) != at for label, at in zip(part.axes, place, strict=True)):
        return 0.0
    told = [link for link in part.links if all(label in known for label, _ in link.terms)]
    if any(not 0 <= sum(k * known[x] for x, k in link.terms) + link.constant < link.extent for link in told):
        return 0.0
    return 1.0 if len(told) == len(part.links) else 0.4
