"""Naming: readable capitals for bound indices, after the calculus made fresh ones.

The result prints so that it parses to itself.  Free indices keep their names.  A bound index gets the capital of its
own letter, with a number where the letter is taken in its scope; an extent gets a letter that leads back to its axis.
"""

from __future__ import annotations

from einstan.language.dims import axis, is_axis, localised, relate
from einstan.language.index import Affine, Index, affine, capitalised, fresh_name, lowered
from einstan.language.node import Node, fold, postorder, preorder, rewrite
from einstan.language.sugar import as_softmax, chain, softmax
from einstan.language.term import (
    Apply, Delta, Equation, Expr, Extent, Indexed, Iverson, Reduce, Sum, bound_indices, substitute,
)  # fmt: skip


def well_named(equation: Equation) -> Equation:
    """The equation with names that can be printed and parsed again."""
    rhs = normalised(equation.rhs)
    rhs = named(rhs, avoid={index.name for index in equation.indices}, small=False)
    return extents_named(Equation(equation.name, equation.indices, rhs, equation.where))


def named(root: Expr, avoid: set[str], small: bool) -> Expr:
    """Rename bound indices, inner ones first, to capitals (or to small letters, for a printer of sum signs)."""
    letter = lowered if small else capitalised
    scalars = {
        str(node.tensor) for node in preorder(root) if isinstance(node, Indexed) and not node.slots
    }
    spelled = {index.name for index in bound_indices(root)} | avoid
    below: dict[Node, frozenset[str]] = {}  # names bound below a renamed node
    softmaxes: dict[Node, tuple[Expr, Index]] = {}
    for node in preorder(root):
        found = as_softmax(node, exactly=False)
        if found is not None:
            softmaxes[node] = found

    memo: dict[Node, Node] = {}
    stack: list[tuple[Node, bool]] = [(root, False)]
    while stack:
        node, ready = stack.pop()
        if node in memo:
            continue
        children = (softmaxes[node][0],) if node in softmaxes else node.children
        if not ready:
            stack.append((node, True))
            stack.extend((child, False) for child in children)
            continue
        done = tuple(memo[child] for child in children)
        names: frozenset[str] = frozenset().union(*(below.get(child, frozenset()) for child in done))
        made: Node
        if node in softmaxes:
            body = done[0]
            assert isinstance(body, Expr)
            made = softmax(body, softmaxes[node][1])
        elif isinstance(node, Sum | Reduce):
            body = done[0]
            taken = {index.name for index in body.free if index not in node.indices} | names | avoid | scalars
            new: dict[Index, Index] = {}
            for index in node.indices:
                name = fresh_name(letter(_stem(index.name, spelled)), taken)
                taken.add(name)
                new[index] = Index(name, index.dim)
            made = type(node)(*node.fields[:-2], tuple(new.values()), substitute(body, new))
            names |= {index.name for index in new.values()}
        else:
            made = node.rebuilt(done) if done != node.children else node
        memo[node] = made
        if names:
            below[made] = below.get(made, frozenset()) | names
    return hidden_renamed(memo[root])


def hidden_renamed(root: Node) -> Expr:
    """Give the hidden index of every softmax the name that its spelling has."""

    def rule(node: Node) -> Node:
        found = as_softmax(node, exactly=False)
        return softmax(*found) if found is not None else node

    result = rewrite(root, rule)
    assert isinstance(result, Expr)
    return result


def _stem(name: str, spelled: set[str]) -> str:
    """``K2`` as ``K`` where there is no ``K1``: the calculus numbers fresh names from 2, people from 1."""
    stem = name.rstrip("0123456789")
    if stem == name or not stem or int(name[len(stem) :]) < 2:
        return name
    others = {f"{lowered(stem)}1", f"{capitalised(stem)}1"}
    return name if others & spelled else stem


# ---- extents ---------------------------------------------------------------------------------------------------------


def extents_named(equation: Equation) -> Equation:
    """Spell every extent, and every dimension without an axis, by what leads back to it."""
    equation = split_dims(equation)
    classes = relate(equation)
    visible = visible_indices(equation)
    dims: dict[str, set[str]] = {}
    for index in visible:
        dims.setdefault(index.name, set()).add(classes.find(index.dim))
    slots_of_tensors = {name for name in classes.members() if is_axis(name)}

    def spelling(old: Index) -> Index:
        if is_axis(old.name) and old.name in classes and classes.find(old.name) == classes.find(old.dim):
            return old
        root = classes.find(old.dim)
        for index in visible:
            if classes.find(index.dim) == root and len(dims[index.name]) == 1:
                return Index(index.name, old.dim)
        if is_axis(old.dim):
            return Index(old.dim, old.dim)
        found = next((name for name in slots_of_tensors if classes.find(name) == root), None)
        return Index(found, found) if found else old

    memo: dict[Index, Index] = {}

    def rule(node: Node) -> Node:
        if isinstance(node, Extent):
            if node.index not in memo:
                memo[node.index] = spelling(node.index)
            return Extent(memo[node.index])
        return node

    rhs = _softmax_rewrite(equation.rhs, rule)
    where = tuple((_speaker(index, visible, classes), rewrite(form, rule)) for index, form in equation.where)
    return localised(Equation(equation.name, equation.indices, rhs, where))


def _softmax_rewrite(root: Expr, rule: object) -> Expr:
    result = rewrite(root, rule)  # type: ignore[arg-type]
    assert isinstance(result, Expr)
    return result


def _speaker(index: Index, visible: list[Index], classes: object) -> Index:
    find = classes.find  # type: ignore[attr-defined]
    return next((other for other in visible if find(other.dim) == find(index.dim)), index)


def visible_indices(equation: Equation) -> list[Index]:
    """The indices that the printed equation names, left side first; the hidden one of a softmax is not among them."""
    found: dict[Index, None] = dict.fromkeys(equation.indices)
    stack: list[Node] = [equation.rhs]
    seen: set[Node] = set()
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        pattern = as_softmax(node)
        if pattern is not None:
            stack.append(pattern[0])
            continue
        if isinstance(node, Sum | Reduce):
            found.update(dict.fromkeys(node.indices))
        stack.extend(reversed(node.children))
    return list(found)


def split_dims(equation: Equation) -> Equation:
    """Let a bound index whose axes are not in the equation run over a dimension of its own letter.

    The text cannot say more: where the dimension is an axis of a tensor that the equation does not name, it is stated
    as ``where |K| = |X.0|``.
    """
    tied = tied_axes(equation)
    loose: dict[Index, Index] = {}
    where = list(equation.where)
    stated = {index.name for index, _ in where}
    for index in bound_indices(equation.rhs):
        if index.dim in tied or index.dim == index.name:
            continue
        loose[index] = Index(index.name, index.name)
        if is_axis(index.dim) and index.name not in stated:
            stated.add(index.name)
            where.append((loose[index], Affine(((Extent(Index(index.dim)), 1),), 0)))
    if not loose:
        return equation

    def rule(node: Node, children: tuple[Node, ...]) -> Node:
        if isinstance(node, Sum | Reduce) and any(index in loose for index in node.indices):
            indices = tuple(loose.get(index, index) for index in node.indices)
            inside = {index: loose[index] for index in node.indices if index in loose}
            return type(node)(*node.fields[:-2], indices, _redirected(children[0], inside))
        return node.rebuilt(children) if children != node.children else node

    return Equation(equation.name, equation.indices, fold(equation.rhs, rule), tuple(where))


def _redirected(root: Node, mapping: dict[Index, Index]) -> Node:
    """A substitution between indices of one name, which cannot capture."""
    memo: dict[Node, Node] = dict(mapping)
    return rewrite(root, lambda node: node, memo)


def tied_axes(equation: Equation) -> set[str]:
    """The dimensions that the equation ties to an axis that it names."""
    classes = relate(equation)
    axes = {axis(equation.name, k) for k in range(len(equation.indices))}
    for node in preorder(equation.rhs):
        if isinstance(node, Indexed):
            axes |= {axis(node.tensor, k) for k in range(len(node.slots))}
    roots = {classes.find(name) for name in axes}
    dims = {index.dim for index in (*equation.indices, *bound_indices(equation.rhs))}
    return {dim for dim in dims if classes.find(dim) in roots}


# ---- spellings -------------------------------------------------------------------------------------------------------


def normalised(root: Expr) -> Expr:
    """Iverson operands in the form that their spelling has."""

    def rule(node: Node) -> Node:
        return chain(node.operands, node.relations) if isinstance(node, Iverson) and node.relations else node

    result = rewrite(root, rule)
    assert isinstance(result, Expr)
    return result


__all__ = ["Apply", "Delta", "affine", "named", "postorder", "visible_indices", "well_named"]
