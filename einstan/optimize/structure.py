"""Structure read off deltas: which axes make a matrix of derivatives block-diagonal.

A derivative ``∂F[i,j]/∂U[p,q] = 2 δ[i,p] V[K,j] V[K,q]`` is zero unless ``i = p``.  Where every block of a system has
such a delta, the system falls apart along those axes into one small system for each value of the index.
Nothing here knows any sizes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from einstan.language.dims import UnionFind
from einstan.language.threads import cached_property
from einstan.library.derivative import Cores
from einstan.library.factored import FactoredTensor

Pair = tuple[int, int]  # an axis of the row's tensor, and one of the column's


@dataclass(frozen=True, eq=False)
class Block:
    """The derivative of one row tensor by one column tensor, by its cores; ``rank`` is the number of the row's axes.

    ``turned`` is the same with rows and columns changed: half of a symmetric matrix is enough.
    """

    row: str
    column: str
    apart: Cores
    rank: int
    turned: bool = False

    @cached_property
    def pairs(self) -> set[Pair] | None:
        """The axes that a delta joins in every term; None where the whole block is zero."""
        terms = [term.axes for term in self.apart.terms]
        if not terms:
            return None
        rank = len(terms[0]) - self.rank if self.turned else self.rank
        found = {
            (p, q)
            for p in range(rank)
            for q in range(len(terms[0]) - rank)
            if all(axes[p] == axes[rank + q] for axes in terms)
        }
        return {(q, p) for p, q in found} if self.turned else found

    @property
    def above(self) -> str:
        """The tensor of the derivative's rows."""
        return self.column if self.turned else self.row

    @property
    def below(self) -> str:
        """The tensor of the derivative's columns."""
        return self.row if self.turned else self.column

    def of(self, tensor: FactoredTensor) -> FactoredTensor:
        """The value of the block, from that of the derivative."""
        return tensor.T if self.turned else tensor


@dataclass(frozen=True)
class Part:
    """Rows and columns that hang together, and their axes along which the part is block-diagonal, in one order."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    blocks: tuple[Block, ...]
    row_axes: Mapping[str, tuple[int, ...]]
    column_axes: Mapping[str, tuple[int, ...]]

    def joined(self, block: Block) -> dict[int, int]:
        """The axes of the block that count the small systems: each row's with the column's, as axes of its tensor."""
        columns = (block.rank + q for q in self.column_axes[block.column])
        return dict(zip(self.row_axes[block.row], columns, strict=True))


def parts(blocks: Iterable[Block], rows: Sequence[str], columns: Sequence[str], symmetric: bool) -> list[Part]:
    """The system's parts, each with the axes along which it is block-diagonal.

    With ``symmetric``, where rows and columns are the same tensors, the same axes are taken of both.
    """
    present = [block for block in blocks if block.pairs is not None]
    return [
        Part(part_rows, part_columns, tuple(own), *_axes(own, part_rows, part_columns, symmetric))
        for part_rows, part_columns, own in _components(present, rows, columns, symmetric)
    ]


# ---- pieces ----------------------------------------------------------------------------------------------------------


def _components(
    blocks: Sequence[Block], rows: Sequence[str], columns: Sequence[str], symmetric: bool
) -> Iterator[tuple[tuple[str, ...], tuple[str, ...], list[Block]]]:
    """Rows and columns that a block that is not zero joins, directly or through others."""
    classes = UnionFind()
    for block in blocks:
        classes.union(f"row {block.row}", f"column {block.column}")
    for name in rows if symmetric else ():
        classes.union(f"row {name}", f"column {name}")
    found = [*(classes.find(f"row {name}") for name in rows), *(classes.find(f"column {name}") for name in columns)]
    for group in dict.fromkeys(found):
        own = tuple(name for name in rows if classes.find(f"row {name}") == group)
        across = tuple(name for name in columns if classes.find(f"column {name}") == group)
        yield own, across, [block for block in blocks if block.row in own]


def _axes(
    blocks: Sequence[Block], rows: Sequence[str], columns: Sequence[str], symmetric: bool
) -> tuple[dict[str, tuple[int, ...]], dict[str, tuple[int, ...]]]:
    """One axis of every tensor, chosen so that each block has a delta between its two; as often as that is possible."""
    row_axes: dict[str, tuple[int, ...]] = dict.fromkeys(rows, ())
    column_axes: dict[str, tuple[int, ...]] = dict.fromkeys(columns, ())
    if not blocks or {b.row for b in blocks} != set(rows) or {b.column for b in blocks} != set(columns):
        return row_axes, column_axes
    free = {block: set(block.pairs or ()) for block in blocks}
    for start in sorted(free[blocks[0]]):
        choice = _chosen(blocks, free, start, symmetric)
        if choice is None:
            continue
        for (kind, name), position in choice.items():
            axes = row_axes if kind == "row" else column_axes
            axes[name] = (*axes[name], position)
        for block, pairs in free.items():
            p, q = choice["row", block.row], choice["column", block.column]
            free[block] = {pair for pair in pairs if pair[0] != p and pair[1] != q}
    return row_axes, column_axes


def _chosen(
    blocks: Sequence[Block], free: Mapping[Block, set[Pair]], start: Pair, symmetric: bool
) -> dict[tuple[str, str], int] | None:
    """The axes that follow from joining ``start`` in the first block; None where a block does not allow them."""
    if start not in free[blocks[0]]:
        return None
    chosen: dict[tuple[str, str], int] = {}

    def take(kind: str, name: str, position: int) -> bool:
        kinds = ("row", "column") if symmetric else (kind,)
        return all(chosen.setdefault((each, name), position) == position for each in kinds)

    if not (take("row", blocks[0].row, start[0]) and take("column", blocks[0].column, start[1])):
        return None
    waiting = list(blocks)
    while waiting:
        ready = [b for b in waiting if ("row", b.row) in chosen or ("column", b.column) in chosen]
        for block in ready:
            p, q = chosen.get(("row", block.row)), chosen.get(("column", block.column))
            fitting = sorted(pair for pair in free[block] if p in (None, pair[0]) and q in (None, pair[1]))
            if not fitting:
                return None
            if not (take("row", block.row, fitting[0][0]) and take("column", block.column, fitting[0][1])):
                return None
        waiting = [block for block in waiting if block not in ready]
    return chosen
