"""Naming: readable capitals for bound indices, after the calculus made fresh ones.

The result prints so that it parses to itself.  Free indices keep their names.  A bound index gets the capital of its
own letter, with a number where the letter is taken in its scope; an extent gets a letter that leads back to its axis.
"""

from __future__ import annotations

from collections.abc import Collection

from einstan.language.dims import axis, is_axis, loose, relate, unguarded
from einstan.language.index import Index, capitalised, fresh_name, lowered
from einstan.language.node import Node, fold, holds, preorder, rewrite
from einstan.language.sugar import as_softmax, chain, softmax
from einstan.language.term import (
    Equation,
    Expr,
    Extent,
    Indexed,
    Iverson,
    Position,
    Reduce,
    Sum,
    bound_indices,
    rebound,
)


def named(root: Expr, avoid: set[str], small: bool, distinct: bool = False) -> Expr:
    """Rename bound indices, inner ones first, to capitals (or to small letters, for a printer of sum signs).

    With ``distinct``, side by side too no two binders share a letter, so that ``where`` can speak of each.
    """
    if not root.binds:
        return root
    letter = lowered if small else capitalised
    valued = holds(root, Position)  # whose letters alone are called as no tensor is, whatever slots it has
    scalars = {str(n.tensor) for n in preorder(root) if isinstance(n, Indexed) and (valued or not n.slots)}
    spelled = {index.name for index in bound_indices(root)} | avoid
    below: dict[Node, frozenset[str]] = {}  # names bound below a renamed node
    softmaxes: dict[Node, tuple[Expr, Index]] = {}
    for node in preorder(root) if holds(root, Reduce) else ():
        found = as_softmax(node, exactly=False)
        if found is not None:
            softmaxes[node] = found

    memo: dict[Node, Node] = {}
    given: set[str] = set()
    stack: list[tuple[Node, bool]] = [(root, False)]
    while stack:
        node, ready = stack.pop()
        if node in memo:
            continue
        if not node.binds:  # nothing is named here
            memo[node] = node
            continue
        children = (softmaxes[node][0],) if node in softmaxes else node.children
        if not ready:
            stack.append((node, True))
            stack.extend((child, False) for child in reversed(children))
            continue
        done = tuple(memo[child] for child in children)
        names: frozenset[str] = frozenset().union(*(below.get(child, frozenset()) for child in done))
        made: Node
        if node in softmaxes:
            body = done[0]
            assert isinstance(body, Expr)
            # No index around it may get the name of the hidden one, which is named last; no name has a blank.
            made = softmax(body, softmaxes[node][1], f"hidden {len(memo)}")
        elif isinstance(node, Sum | Reduce):
            body = done[0]
            taken = {index.name for index in body.free if index not in node.indices} | names | avoid | scalars
            if distinct:
                taken |= given
            new: dict[Index, Index] = {}
            for index in node.indices:
                name = fresh_name(letter(_stem(index.name, spelled)), taken)
                taken.add(name)
                new[index] = Index(name, index.dim)
            made = rebound(node, tuple(new.values()), renamed(body, new))
            given.update(index.name for index in new.values())
            names |= {index.name for index in new.values()}
        else:
            made = node.over(done)
        memo[node] = made
        if names:
            below[made] = below.get(made, frozenset()) | names
    made = memo[root]
    assert isinstance(made, Expr)
    return hidden_renamed(made) if softmaxes else made


def renamed(root: Node, names: dict[Index, Index]) -> Node:
    """Free indices under new names, which nothing below binds; other bound names stay (`substitute` would change them).

    One index after the other, by way of names that are nobody's, so that two may swap.
    """
    names = {old: new for old, new in names.items() if old is not new and old in root.free}
    steps = [names]
    if not names.keys().isdisjoint(names.values()):
        away = {old: Index(f"away {k}", old.dim) for k, old in enumerate(names)}
        steps = [away, {away[old]: new for old, new in names.items()}]
    result: Node = root
    for mapping in steps:
        for old, new in mapping.items():
            result = _with(result, old, new)
    return result


def _with(root: Node, old: Index, new: Index) -> Node:
    def rule(node: Node, children: tuple[Node, ...]) -> Node:
        return node.over(children)

    known: dict[Node, Node] = {old: new}
    return fold(root, rule, known, lambda node: None if old in node.free else node)


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


def extents_named(equation: Equation, letters: bool) -> Equation:
    """Spell every extent by what leads back to its axis: an index of the left side, with ``letters`` also one that is
    bound, else the axis itself."""
    if not holds(equation.rhs, Extent) and not equation.where:
        return equation
    visible = visible_indices(equation)
    equation = _stated_by_letters(equation, visible)
    classes = relate(equation)
    meanings: dict[str, set[str]] = {}
    for index in visible:
        meanings.setdefault(index.name, set()).add(classes.find(index.dim))
    axes = [name for name in classes.members() if is_axis(name)]
    candidates = [index for index in visible if letters or index in equation.indices]
    read = (node for node in preorder(equation.rhs) if isinstance(node, Indexed))
    places = {axis(node.tensor, k) for node in (equation.lhs, *read) for k in range(len(node.slots))}

    def spelled(old: Index) -> Index:
        root = classes.find(old.dim)
        if is_axis(old.name) and (old.name not in axes or classes.find(old.name) == root or old.dim not in places):
            return old  # its own axis, or one that nothing here runs over: the user's, or that of a stated extent
        fitting = [i for i in candidates if classes.find(i.dim) == root and len(meanings[i.name]) == 1]
        for index in sorted(fitting, key=lambda index: (index not in equation.indices, index.name != old.name)):
            return Index(old.name if _same_letter(old.name, index.name, meanings) else index.name, old.dim)
        if is_axis(old.dim):
            return Index(old.dim)
        return next((Index(name) for name in axes if classes.find(name) == root), old)

    def rule(node: Node) -> Node:
        return Extent(spelled(node.index)) if isinstance(node, Extent) else node

    def by_axis(node: Node) -> Node:
        if not isinstance(node, Extent):
            return node
        root, own = classes.find(node.index.dim), {axis(equation.name, k) for k in range(len(equation.indices))}
        return next((Extent(Index(name)) for name in axes if classes.find(name) == root and name not in own), node)

    where: dict[Index, Node] = {}
    for index, form in equation.where:
        others = [other for other in visible if classes.find(other.dim) == classes.find(index.dim)]
        speakers = [index if index in visible else next(iter(others), index)]
        if not is_axis(index.dim):  # every letter of that range, since nothing else ties them
            speakers += [other for other in visible if other.dim == index.dim]
        filled = {place for other, place, read, _ in unguarded(equation) if other is read.index is index}
        for speaker in speakers:  # |i| = |x.0| - 1 says that i is a part of what it reads: no letter says it
            part = any(isinstance(atom, Extent) and atom.index.name in filled for atom, _ in form.terms)
            spoken = form if part else rewrite(form, rule)
            itself = any(isinstance(node, Extent) and node.index.name == speaker.name for node in preorder(spoken))
            where.setdefault(speaker, rewrite(form, by_axis) if itself else spoken)  # |g| is not stated by |g|
    return Equation(equation.name, equation.indices, rewrite(equation.rhs, rule), tuple(where.items()))  # type: ignore[arg-type]


def _stated_by_letters(equation: Equation, visible: Collection[Index]) -> Equation:
    """The equation with the extents of capitals that have other letters by now, or others too where several sums bound
    them, stated by each that does not fill what it reads."""
    if not equation.where:
        return equation
    beside = {index for index, _, form, kept in unguarded(equation) if kept and form.index is index}
    beside |= {index for index, _ in loose(equation)}
    where = dict(equation.where)
    for index, form in equation.where:
        for other in visible:
            if other.dim == index.dim and other in beside:
                where.setdefault(other, form)
    return Equation(equation.name, equation.indices, equation.rhs, tuple(where.items()))


def _same_letter(spelled: str, name: str, taken: Collection[str]) -> bool:
    """Whether ``|N|`` leads to n: it does where nothing is called N."""
    return spelled == name or (lowered(spelled) == lowered(name) and spelled not in taken)


def visible_indices(equation: Equation) -> list[Index]:
    """The indices that the printed equation names, left side first; the hidden one of a softmax is not among them."""
    found: dict[Index, None] = dict.fromkeys(equation.indices)
    if not holds(equation.rhs, Reduce):  # nor a softmax
        sums = (node.indices for node in preorder(equation.rhs) if isinstance(node, Sum))
        found.update(dict.fromkeys(index for indices in sums for index in indices))
        return list(found)
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


def erased(root: Node) -> Node:
    """The term without its dimensions: what its text says before they are inferred."""

    def rule(node: Node, children: tuple[Node, ...]) -> Node:
        if isinstance(node, Index):
            return Index(node.name, "")
        if isinstance(node, Extent):
            return Extent(Index(node.index.name, ""))
        if isinstance(node, Sum | Reduce):
            return rebound(node, tuple(Index(index.name, "") for index in node.indices), children[0])
        return node.over(children)

    return fold(root, rule)


# ---- spellings -------------------------------------------------------------------------------------------------------


def normalised(root: Expr) -> Expr:
    """Iverson operands in the form that their spelling has."""
    if not holds(root, Iverson):
        return root

    def rule(node: Node) -> Node:
        return chain(node.operands, node.relations) if isinstance(node, Iverson) and node.relations else node

    result = rewrite(root, rule)
    assert isinstance(result, Expr)
    return result
