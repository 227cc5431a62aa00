"""Ties: which axis the text of an equation gives to each of its indices.

An index is tied to the axes at whose slots it stands, and a delta ties two indices to each other.  Where that is all
that the dimensions of a term say too, its text need not be parsed to know how it would be read; nor where every letter
is one that its text has, and is given to the axes anew.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from einstan.language.dims import UnionFind, axis, is_axis, localised, loose, relate
from einstan.language.index import Index, capitalised, lowered, swapped
from einstan.language.naming import hidden_renamed, visible_indices
from einstan.language.node import Node, fold, preorder, rewrite
from einstan.language.term import Delta, Equation, Expr, Extent, Indexed, Reduce, Sum, rebound, substitute


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
    axes = {axis(equation.name, position): None for position in range(len(equation.indices))}
    for node in preorder(equation.rhs):
        if isinstance(node, Indexed):
            for position, form in enumerate(node.slots):
                place = axis(node.tensor, position)
                axes[place] = None
                if form.index is not None:
                    tie(form.index, place)
        elif isinstance(node, Delta) and node.left.index is not None and node.right.index is not None:
            tie(node.left.index, f"{node.right.index.name} {node.right.index.dim}")
        elif isinstance(node, Sum | Reduce):
            if not bound.isdisjoint(node.indices):
                return None
            bound.update(node.indices)
        elif isinstance(node, Extent):
            extents.append(node.index)
    spelled = {index.name: index.dim for group in members.values() for index in group.values()}
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


def reread(equation: Equation) -> Equation | None:
    """The equation with the dimensions that its text gives: every index has one of its own until axes tie it to others.

    None where the text has to be asked: extents are stated, or spoken of by a letter that is several dimensions, or an
    index that a softmax may hide runs over no axis.
    """
    if equation.where:
        return None
    letters: dict[str, list[str]] = {index.name: [index.name] for index in equation.indices}
    hidden: dict[str, str] = {}  # dimensions, with their letters

    def rule(node: Node, children: tuple[Node, ...]) -> Node:
        if isinstance(node, Index):
            return Index(node.name, node.name)
        if isinstance(node, Extent):
            return Extent(Index(node.index.name))
        if isinstance(node, Sum | Reduce):
            own = {}
            for index in node.indices:
                dims = letters.setdefault(index.name, [])
                dims.append(f"{index.name} {len(dims)}")
                own[Index(index.name, index.name)] = Index(index.name, dims[-1])
                if isinstance(node, Reduce) and node.operation == "logsumexp":
                    hidden[dims[-1]] = index.name
            return rebound(node, tuple(own.values()), substitute(children[0], own))
        return node.over(children)

    rhs: Expr = fold(equation.rhs, rule)
    bare = Equation(equation.name, tuple(Index(index.name, index.name) for index in equation.indices), rhs)
    classes = relate(bare)
    if hidden:
        on_axes = {classes.find(name) for name in classes.members() if is_axis(name)}
        if not on_axes.issuperset(map(classes.find, hidden)):
            return None
    meant: dict[str, str] = {}
    for node in preorder(rhs):
        if isinstance(node, Extent) and "." not in node.index.name:
            letter = _seen_as(node.index.name, letters)
            dims = [*letters.get(letter, ())]
            if letter in hidden.values():  # which may not be seen at all
                dims += letters.get(swapped(letter), ())
            if len({classes.find(dim) for dim in dims}) != 1:
                return None
            meant[node.index.name] = letters[letter][0]
    found = localised(_speaking(bare, meant) if meant else bare)
    return Equation(found.name, found.indices, hidden_renamed(found.rhs)) if hidden else found


def _speaking(equation: Equation, meant: Mapping[str, str]) -> Equation:
    """The equation whose extents are those of the dimensions that their letters speak of."""

    def rule(node: Node) -> Node:
        spoken = isinstance(node, Extent) and node.index.name in meant
        return Extent(Index(node.index.name, meant[node.index.name])) if spoken else node

    return Equation(equation.name, equation.indices, rewrite(equation.rhs, rule))


def _seen_as(letter: str, meanings: Collection[str]) -> str:
    """The index that ``|letter|`` speaks of: its own, else the one of the other case."""
    if letter in meanings:
        return letter
    return lowered(letter) if letter[:1].isupper() else capitalised(letter)
