"""Ties: which axis the text of an equation gives to each of its indices.

An index is tied to the axes at whose slots it stands, and a delta ties two indices to each other.  Where that is all
that the dimensions of a term say too, its text need not be parsed to know how it would be read.
"""

from __future__ import annotations

from collections.abc import Mapping

from einstan.language.dims import UnionFind, axis, is_axis
from einstan.language.index import Index, capitalised, lowered
from einstan.language.naming import visible_indices
from einstan.language.node import preorder
from einstan.language.term import Delta, Equation, Extent, Indexed, Reduce, Sum


def all_tied(equation: Equation) -> bool:
    """Whether the text alone ties every index to an axis and indices to each other just as their dimensions do, and
    every extent's letter stands for one axis."""
    if equation.where:
        return False
    ties = UnionFind()
    members: dict[str, dict[str, Index]] = {}
    bound: set[Index] = set()

    keys: dict[Index, str] = {}

    def tie(index: Index, place: str) -> None:
        if index not in keys:
            keys[index] = f"{index.name} {index.dim}"
            members.setdefault(index.dim, {})[keys[index]] = index
        ties.union(place, keys[index])

    for position, index in enumerate(equation.indices):
        tie(index, axis(equation.name, position))
    extents: list[Index] = []
    for node in preorder(equation.rhs):
        if isinstance(node, Indexed):
            for position, form in enumerate(node.slots):
                if form.index is not None:
                    tie(form.index, axis(node.tensor, position))
        elif isinstance(node, Delta) and node.left.index is not None and node.right.index is not None:
            tie(node.left.index, f"{node.right.index.name} {node.right.index.dim}")
        elif isinstance(node, Sum | Reduce):
            if not bound.isdisjoint(node.indices):
                return False
            bound.update(node.indices)
        elif isinstance(node, Extent):
            extents.append(node.index)
    spelled = {index.name: index.dim for group in members.values() for index in group.values()}
    read = {axis(n.tensor, k) for n in preorder(equation.rhs) if isinstance(n, Indexed) for k in range(len(n.slots))}
    at_axes = {ties.find(name) for name in ties.members() if " " not in name}
    for dim, group in members.items():
        if not at_axes.issuperset(ties.find(key) for key in group):
            return False
        if dim in read and any(ties.find(key) != ties.find(dim) for key in group):
            return False  # named by an axis that the text reads, and does not tie to it
        if len({ties.find(key) for key in group}) > 1 or any(spelled[index.name] != dim for index in group.values()):
            return False
    if any(f"{index.name} {index.dim}" not in members.get(index.dim, ()) for index in visible_indices(equation)):
        return False
    return all(
        index.dim in members and (is_axis(index.name) or spelled.get(_seen_as(index.name, spelled)) == index.dim)
        for index in extents
    )


def _seen_as(letter: str, meanings: Mapping[str, str]) -> str:
    """The index that ``|letter|`` speaks of: its own, else the one of the other case."""
    if letter in meanings:
        return letter
    return lowered(letter) if letter[:1].isupper() else capitalised(letter)
