"""Ties: which axis the text of an equation gives to each of its indices.

An index is tied to the axes at whose slots it stands, and a delta ties two indices to each other.  Where that is all
that the dimensions of a term say too, its text need not be parsed to know how it would be read.
"""

from __future__ import annotations

from collections.abc import Mapping

from einstan.language.dims import UnionFind, axis, is_axis, loose
from einstan.language.index import Index, capitalised, lowered
from einstan.language.naming import visible_indices
from einstan.language.node import preorder
from einstan.language.term import Delta, Equation, Extent, Indexed, Reduce, Sum


def tied(equation: Equation) -> dict[str, str] | None:
    """The first axis of every dimension, where the text ties every index to an axis and indices to each other just
    as their dimensions do, and every extent's letter stands for one axis; None where it does not."""
    if equation.where or loose(equation):
        return None
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
                return None
            bound.update(node.indices)
        elif isinstance(node, Extent):
            extents.append(node.index)
    spelled = {index.name: index.dim for group in members.values() for index in group.values()}
    accesses = (node for node in preorder(equation.rhs) if isinstance(node, Indexed))
    axes = dict.fromkeys(axis(equation.name, k) for k in range(len(equation.indices)))
    axes.update(dict.fromkeys(axis(node.tensor, k) for node in accesses for k in range(len(node.slots))))
    at_axes = {ties.find(name) for name in ties.members() if " " not in name}
    for dim, group in members.items():
        if not at_axes.issuperset(ties.find(key) for key in group):
            return None
        if dim in axes and any(ties.find(key) != ties.find(dim) for key in group):
            return None  # named by an axis that the text has, and does not tie to it
        if len({ties.find(key) for key in group}) > 1 or any(spelled[index.name] != dim for index in group.values()):
            return None
    if any(index not in keys for index in visible_indices(equation)):
        return None
    for index in extents:
        if index.dim not in members:
            return None
        if not is_axis(index.name) and spelled.get(_seen_as(index.name, spelled)) != index.dim:
            return None
    first: dict[str, str] = {}
    for name in axes:
        first.setdefault(ties.find(name), name)
    return {dim: first[ties.find(next(iter(group)))] for dim, group in members.items()}


def _seen_as(letter: str, meanings: Mapping[str, str]) -> str:
    """The index that ``|letter|`` speaks of: its own, else the one of the other case."""
    if letter in meanings:
        return letter
    return lowered(letter) if letter[:1].isupper() else capitalised(letter)
