"""Structure read off deltas: which axes make a matrix of derivatives block-diagonal, and the equations of its blocks.

A derivative ``∂F[i,j]/∂U[p,q] = 2 δ[i,p] V[K,j] V[K,q]`` is zero unless ``i = p``.  Where every block of a system has
such a delta, the system falls apart along those axes into one small system for each value of the index:
``core[i,j,q] = 2 V[K,j] V[K,q]``.
Nothing here knows any sizes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from einstan.calculus.naming import derived_equation
from einstan.calculus.passes import plainly_read
from einstan.calculus.simplify import simplify
from einstan.language.dims import UnionFind, axis
from einstan.language.index import Affine, Index
from einstan.language.term import ZERO, Add, Const, Delta, Equation, Expr, Extent, Mul, Sum, substitute

Pair = tuple[int, int]  # an axis of the row's tensor, and one of the column's


@dataclass(frozen=True)
class Block:
    """The derivative of one row tensor by one column tensor; ``rank`` is the number of the row's axes."""

    row: str
    column: str
    equation: Equation
    rank: int

    @property
    def pairs(self) -> set[Pair] | None:
        """The axes that a delta joins in every term; None where the whole block is zero."""
        found = _deltas(self.equation.rhs)
        if found is None:
            return None
        place = {index: position for position, index in enumerate(self.equation.indices)}
        pairs: set[Pair] = set()
        for delta in found:
            ends = sorted(place[i] for i in delta if i in place)
            if len(ends) == 2 and ends[0] < self.rank <= ends[1]:
                pairs.add((ends[0], ends[1] - self.rank))
        return pairs


@dataclass(frozen=True)
class Part:
    """Rows and columns that hang together, and their axes along which the part is block-diagonal, in one order."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    blocks: tuple[Block, ...]
    row_axes: Mapping[str, tuple[int, ...]]
    column_axes: Mapping[str, tuple[int, ...]]

    def core(self, block: Block, name: str) -> Equation:
        """The equation ``name[...]`` of the block: its joined axes once, then the row's others, then the column's."""
        indices = block.equation.indices
        above, below = indices[: block.rank], indices[block.rank :]
        joined = list(zip(self.row_axes[block.row], self.column_axes[block.column], strict=True))
        once = {below[q]: above[p] for p, q in joined}
        value: Expr = simplify(substitute(block.equation.rhs, once))  # type: ignore[arg-type]
        axes = {index: axis(block.row, k) for k, index in enumerate(above)}
        axes |= {index: axis(block.column, k) for k, index in enumerate(below) if index not in once}
        rest = [i for k, i in enumerate(above) if k not in self.row_axes[block.row]]
        rest += [i for k, i in enumerate(below) if k not in self.column_axes[block.column]]
        indices = (*(above[p] for p, _ in joined), *rest)
        plain = plainly_read(value)
        stated = [(once.get(index, index), form) for index, form in block.equation.where]
        sized = [(i, Affine(((Extent(Index(axes[i])), 1),))) for i in indices if i not in plain]
        return derived_equation(name, indices, value, stated, sized)


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


def _deltas(expr: Expr) -> set[frozenset[Index]] | None:
    """The deltas that are factors of the whole expression; None for zero, of which everything is a factor."""
    match expr:
        case Const():
            return None if expr is ZERO else set()
        case Delta(left=left, right=right):
            return {frozenset((left.index, right.index))} if left.index and right.index else set()
        case Mul(factors=factors):
            found = [_deltas(factor) for factor in factors]
            return None if None in found else {delta for each in found if each for delta in each}
        case Sum(indices=indices, body=body):
            inner = _deltas(body)
            return None if inner is None else {delta for delta in inner if not delta & set(indices)}
        case Add(terms=terms):
            known = [each for each in map(_deltas, terms) if each is not None]
            return set.intersection(*known) if known else None
        case _:
            return set()


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
