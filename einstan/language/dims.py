"""Dimensions: which axes are equal.

Every axis of every tensor is named ``X.0``, ``X.1``, ...; an index that fills a slot alone runs over that axis, so all
axes that one index fills are equal, and all slots of one axis are.  The classes of that relation (a union-find) are the
dimensions; a class is named by its first axis in reading order, left side first, or by its index where it has no axis.

The algebra knows dimensions only by these names, never sizes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from itertools import count

from einstan.language.index import ARITHMETIC, Affine, Arithmetic, Index, slot
from einstan.language.node import Below, Node, Term, fold, holds, preorder, remembered, replace
from einstan.language.term import (
    Delta,
    Equation,
    Extent,
    Indexed,
    Iverson,
    Mul,
    Name,
    Partial,
    Reduce,
    Sum,
    bound_indices,
    rebound,
)


class UnionFind:
    """Disjoint sets of strings; the first member to arrive speaks for its set."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}
        self._rank: dict[str, int] = {}

    def find(self, member: str) -> str:
        parent = self._parent
        root = parent.get(member)
        if root is None:
            parent[member] = member
            self._rank[member] = len(self._rank)
            return member
        while parent[root] != root:
            root = parent[root]
        while parent[member] != root:
            parent[member], member = root, parent[member]
        return root

    def union(self, left: str, right: str) -> str:
        a, b = self.find(left), self.find(right)
        if self._rank[b] < self._rank[a]:
            a, b = b, a
        self._parent[b] = a
        return a

    def __contains__(self, member: str) -> bool:
        return member in self._parent

    def members(self) -> Iterable[str]:
        return tuple(self._parent)


def axis(tensor: Name, position: int) -> str:
    """The name of an axis: ``X.0``."""
    return f"{tensor}.{position}"


def is_axis(dim: str) -> bool:
    """Whether a dimension is named by an axis (``X.0``) rather than by an index that has none."""
    return dim.rpartition(".")[2].isdigit() and "." in dim


def along(form: Affine, place: str) -> Index | None:
    """The index that runs along all of an axis in this slot: forwards, ``x[i]``, or backwards, ``x[|x.0|-1-i]``."""
    if form.index is not None or form.constant != -1 or len(form.terms) != 2:
        return form.index
    (one, k), (other, m) = form.terms
    (end, k), (index, m) = ((one, k), (other, m)) if isinstance(one, Extent) else ((other, m), (one, k))
    backwards = isinstance(end, Extent) and isinstance(index, Index) and (k, m) == (1, -1) and end.index.name == place
    return index if backwards and isinstance(index, Index) else None


def relate(equation: Equation, classes: UnionFind | None = None, prefix: str = "", written: bool = True) -> UnionFind:
    """Join what the equation says is equal.  A dimension without an axis gets ``prefix`` so that equations that are
    related together do not share it by accident.

    In an equation that is ``written`` by somebody, tensors that one index reads alike are of one length also where its
    extent is stated; one that was made of others may read a tensor of its own beside a longer one."""
    classes = UnionFind() if classes is None else classes
    for left, right in (*_related(equation), *(agreed(equation) if written else ())):
        if right is None:
            classes.find(qualified(left, prefix))
        else:
            classes.union(qualified(left, prefix), qualified(right, prefix))
    return classes


@remembered
def _related(equation: Equation) -> tuple[tuple[str, str | None], ...]:
    """The pairs of dimensions that are equal, and those that only occur, in reading order."""
    found: dict[tuple[str, str | None], None] = {}
    stated = {index.dim: form for index, form in equation.where}  # whatever letters a bound index has got since
    for position, index in enumerate(equation.indices):
        found[axis(equation.name, position), index.dim] = None
    free = loose(equation)
    for node in preorder(equation.rhs):
        if isinstance(node, Indexed):
            for position, form in enumerate(node.slots):
                place = axis(node.tensor, position)
                own = along(form, place)
                found[place, own.dim if own is not None and (own, place) not in free else None] = None
        elif isinstance(node, Delta):
            left, right = node.left.index, node.right.index
            if left is not None and right is not None and not _differ(left, right, stated):
                found[left.dim, right.dim] = None
        elif isinstance(node, Index):
            found[node.dim, None] = None
    return tuple(found)


@remembered
def agreed(equation: Equation) -> tuple[tuple[str, str], ...]:
    """The pairs of axes that are of one length because one index of a stated extent fills them."""
    places = [agreeing(equation, index) for index in {index: None for index, _ in loose(equation)}]
    return tuple(dict.fromkeys((found[0], other) for found in places for other in found[1:]))


def _differ(left: Index, right: Index, stated: Mapping[str, Affine]) -> bool:
    """Whether a delta compares indices that may be of two lengths: ``δ[i,p] where |i| = 3``, or that of two axes."""
    forms = [stated[index.dim] for index in (left, right) if index.dim in stated]
    return stated.get(left.dim) is not stated.get(right.dim) and (len(forms) == 2 or not all(map(is_whole, forms)))


def is_whole(form: Affine) -> bool:
    """Whether a stated extent is that of some axis."""
    return (
        form.constant == 0 and len(form.terms) == 1 and form.terms[0][1] == 1 and isinstance(form.terms[0][0], Extent)
    )


def agreeing(equation: Equation, index: Index) -> list[str]:
    """The axes that an index fills, where its extent is stated, and that are of one length all the same."""
    stated = dict(equation.where).get(index)
    if stated is None:
        return []
    reads = [(place, form, kept) for other, place, form, kept in unguarded(equation) if other is index]
    whole = {place for place, form, kept in reads if form.index is not None and not kept} - _moved_along(
        equation, index
    )
    found = [place for other, place in loose(equation) if other is index and place in whole]
    if any(isinstance(atom, Extent) and atom.index.name in found for atom, _ in stated.terms):
        return []  # |t| = |x.0| - 2 says that it is a part of what it reads
    return found


def _moved_along(equation: Equation, index: Index) -> set[str]:
    """The axes that an index is moved along, and so need not fill, but where a bracket of indices keeps it inside: one
    of values does not, ``1[f[I] == h] (x[I] + x[I+2])``."""
    found: set[str] = set()
    seen: set[Node] = set()
    stack: list[Node] = [equation.rhs]
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        if isinstance(node, Indexed):
            slots = enumerate(node.slots)
            found |= {axis(node.tensor, k) for k, form in slots if form.index is None and index in form.free}
        brackets = node.factors if isinstance(node, Mul) else ()
        kept = any(isinstance(b, Delta | Iverson) and index in b.free and not holds(b, Indexed) for b in brackets)
        stack.extend(() if kept else node.children)
    return found


@remembered
def only_plain(equation: Equation) -> bool:
    """Whether every slot is an index alone, no bracket keeps one in a range and no extent is stated: nearly always."""
    if equation.where:
        return False
    if not equation.rhs.kinds & (ARITHMETIC | Iverson.kind):
        return True
    for node in preorder(equation.rhs):  # extents in comparisons and forms that are alone are no slots
        if isinstance(node, Indexed) and any(form.index is None for form in node.slots):
            return False
        if _ranged(node) is not None:
            return False
    return True


Held = tuple[Index, str, Affine, bool]


def unguarded(equation: Equation) -> tuple[Held, ...]:
    """Every slot that holds an index alone, and the others that no bracket around them guards: with each index in it,
    the axis, and whether a bracket keeps the index in a range of its own."""
    return _held(equation)[0]


def unguarded_quotients(equation: Equation) -> tuple[Held, ...]:
    """The same of the indices in the quotients of slots, ``floor(i/2)``."""
    return _held(equation)[1]


@remembered
def _held(equation: Equation) -> tuple[tuple[Held, ...], tuple[Held, ...]]:
    found: dict[Held, None] = {}
    quotients: dict[Held, None] = {}
    stack: list[tuple[Node, frozenset[Node], frozenset[Node]]] = [(equation.rhs, frozenset(), frozenset())]
    stated = {index.dim: form for index, form in equation.where}
    seen: set[tuple[Node, frozenset[Node], frozenset[Node]]] = set()
    while stack:
        node, guarded, ranged = entry = stack.pop()
        if entry in seen:
            continue
        seen.add(entry)
        if isinstance(node, Indexed):
            for position, form in enumerate(node.slots):
                held = [i for i, _ in form.terms if isinstance(i, Index) and (form.index is i or i not in guarded)]
                place = axis(node.tensor, position)
                found.update(dict.fromkeys((i, place, form, i in ranged) for i in held))
                parts = [atom for atom, _ in form.terms if isinstance(atom, Arithmetic)]  # a label tells no range
                inside = [i for part in parts for i in part.free if i not in held and i not in guarded]
                quotients.update(dict.fromkeys((i, place, form, i in ranged) for i in inside))
        own = guarded
        brackets: list[Node] = []
        if isinstance(node, Mul):
            brackets = [factor for factor in node.factors if isinstance(factor, Delta | Iverson)]
            guarded |= {index for bracket in brackets for index in bracket.free}
            ranged |= {index for bracket in brackets if (index := _ranged(bracket)) is not None}
            pairs = ((b.left.index, b.right.index) for b in brackets if isinstance(b, Delta)) if stated else ()
            for left, right in pairs:  # δ[i,j] keeps each within how far the other runs
                if left is not None and right is not None and _differ(left, right, stated):
                    ranged |= {left, right}
        for child in reversed(node.children):
            others = [bracket for bracket in brackets if bracket is not child]
            if len(others) < len(brackets):  # a bracket is not guarded by itself
                stack.append((child, own.union(*(bracket.free for bracket in others)), ranged))
            else:
                stack.append((child, guarded, ranged))
    return tuple(found), tuple(quotients)


def _ranged(bracket: Node) -> Index | None:
    """The index that ``1[0 <= i < |n|]`` keeps in the range of another dimension, or in a part of its own."""
    if not (isinstance(bracket, Iverson) and bracket.relations == ("<=", "<")):
        return None
    form, high = bracket.operands[1:]
    extents = high.terms if isinstance(high, Affine) else ((high, 1),)
    index = form.index if isinstance(form, Affine) else None
    if index is None or not all(isinstance(e, Extent) for e, _ in extents):
        return None
    whole = len(extents) == 1 and extents[0][1] == 1 and not (isinstance(high, Affine) and high.constant)
    own = [e for e, _ in extents if isinstance(e, Extent) and e.index.dim == index.dim]
    return None if own and whole else index


@remembered
def loose(equation: Equation) -> tuple[tuple[Index, str], ...]:
    """The indices, with axes, that stand alone in a slot and yet need not run over all of the axis: ``x[i]`` beside
    ``x[i+1]``, which one range keeps inside, and ``x[i]`` where the extent of i is stated.

    A read that a bracket around it guards tells nothing of a range.
    """
    if only_plain(equation):
        return ()
    forms = unguarded(equation)
    letters = dict(equation.where)
    named = {*equation.indices, *bound_indices(equation.rhs)} if letters else set()
    # Whatever letter a dimension has: that of the index which a softmax hides is no other.  ``|i| = |f.0|`` of an index
    # of f says nothing of the others.
    ranges = {index.dim: form for index, form in letters.items() if index not in named or not says_nothing(index, form)}
    stated = {index: form for index, *_ in forms if (form := letters.get(index) or ranges.get(index.dim))}
    plain = {(index, place): None for index, place, form, _ in forms if along(form, place) is index}
    shifted = {(index, place) for index, place, form, _ in forms if along(form, place) is not index}
    ranged = {(index, place) for index, place, form, kept in forms if along(form, place) is index and kept}
    ranged -= {(index, place) for index, place, form, kept in forms if along(form, place) is index and not kept}
    own = {axis(equation.name, k) for k in range(len(equation.indices))}

    def told(index: Index) -> bool:
        """Whether something else says how far an index runs."""
        others = any(other is index and (other, place) not in ranged | shifted for other, place in plain)
        apart = is_axis(index.dim) and index.dim not in own and (index, index.dim) not in plain
        return others or apart or index in stated or isinstance(equation.name, Partial)

    return tuple(
        (index, place)
        for index, place in plain
        if (index, place) in shifted
        or ((index, place) in ranged and told(index))
        or (index in stated and not _is_extent(stated[index], index, plain))
    )


def says_nothing(index: Index, form: Affine) -> bool:
    """Whether ``where |n| = |Z.0|`` speaks of an axis that is known to be equal to that of n."""
    return is_whole(form) and form.terms[0][0].index.dim == index.dim


def _is_extent(form: Node, index: Index, plain: Collection[tuple[Index, str]]) -> bool:
    """Whether a stated extent is that of an axis which the index fills: then nothing is left over."""
    atoms = form.terms if isinstance(form, Affine) and form.constant == 0 else ()
    if len(atoms) != 1 or atoms[0][1] != 1 or not isinstance(atoms[0][0], Extent):
        return False
    return (index, atoms[0][0].index.name) in plain


def qualified(dim: str, prefix: str) -> str:
    return dim if not prefix or is_axis(dim) else prefix + dim


def redimensioned(root: Term, new_dim: dict[str, str]) -> Term:
    """Rename dimensions everywhere, in binders, extents and left sides too."""
    new_dim = {old: new for old, new in new_dim.items() if old != new}
    if not new_dim:
        return root

    made: dict[Index, Index] = {}

    def index(old: Index) -> Index:
        if old not in made:
            made[old] = Index(old.name, new_dim.get(old.dim, old.dim))
        return made[old]

    def known(node: Node) -> Node | None:
        """An access whose slots are plain indices, at once: nearly all are."""
        if not isinstance(node, Indexed):
            return None
        own = [form.index for form in node.slots]
        return None if None in own else Indexed(node.tensor, tuple([slot(index(i)) for i in own if i is not None]))

    def rule(node: Node, children: Below) -> Node:
        if isinstance(node, Index):
            return index(node)
        if isinstance(node, Extent):
            return Extent(index(node.index))
        if isinstance(node, Sum | Reduce):
            return rebound(node, tuple(index(i) for i in node.indices), children[0])
        if isinstance(node, Equation):
            where = tuple((index(i), fold(form, rule, known=known)) for i, form in node.where)
            return Equation(node.name, tuple(index(i) for i in node.indices), children[0], where)
        return node.over(children)

    return fold(root, rule, known=known)


def localised(equation: Equation, written: bool = True) -> Equation:
    """The equation with its dimensions named by its own first axes: a function of what is written, so that an equation
    that is printed and parsed again is the same object.

    A dimension without an axis is named by its letter.  One letter of several sums is one such dimension where all of
    them read the same, and several where they do not: ``sum[I](x[I+1]) + sum[I](x[I+2])``."""
    classes = relate(equation, written=written)
    join_alike(equation, classes)
    order = dict.fromkeys(axis(equation.name, k) for k in range(len(equation.indices)))
    for node in preorder(equation.rhs):
        if isinstance(node, Indexed):
            order.update(dict.fromkeys([axis(node.tensor, k) for k in range(len(node.slots))]))
    name_of: dict[str, str] = {}
    for name in order:
        name_of.setdefault(classes.find(name), name)
    new_dim: dict[str, str] = {}
    used = _dims_used(equation)
    taken = set(used.values())
    letters: set[str] = set()
    for dim, letter in used.items():
        root = classes.find(dim)
        if root not in name_of:
            again = is_axis(dim) or letter in letters
            name_of[root] = dim if is_axis(dim) else _another(letter, taken) if again else letter
            letters.add(letter)
            taken.add(name_of[root])
        new_dim[dim] = name_of[root]
    if all(old == new for old, new in new_dim.items()):
        return equation
    return redimensioned(equation, new_dim)


def _another(letter: str, taken: Collection[str]) -> str:
    return next(name for k in count(2) if (name := f"{letter}_{k}") not in taken)


def join_alike(equation: Equation, classes: UnionFind) -> None:
    """Join the dimensions without an axis that one letter has in several sums, if their extents are told by the same
    reads, or are stated: ``sum[I](x[I+1]^2) / sum[I](x[I+1])``."""
    letters: dict[str, list[str]] = {}
    axes = {classes.find(name) for name in classes.members() if is_axis(name)}
    used = _dims_used(equation)
    for dim, letter in used.items():
        if (root := classes.find(dim)) not in axes and root not in letters.setdefault(letter, []):
            letters[letter].append(root)
    if all(len(roots) < 2 for roots in letters.values()):
        return
    named = {dim: root if (root := classes.find(dim)) in axes else letter for dim, letter in used.items()}
    reads: dict[str, set[tuple[str, Node]]] = {}
    for index, place, form, _ in (*unguarded(equation), *unguarded_quotients(equation)):
        own = redimensioned(replace(form, {index: Index("", "")}), named)
        reads.setdefault(classes.find(index.dim), set()).add((place, own))
    stated = {classes.find(index.dim) for index, _ in equation.where}
    for roots in letters.values():
        first: dict[object, str] = {}
        for root in roots:
            told = "stated" if root in stated else frozenset(reads.get(root, ()))
            classes.union(first.setdefault(told, root), root)


def _dims_used(equation: Equation) -> dict[str, str]:
    """Every dimension that occurs, with the letter of its first index, in reading order."""
    used: dict[str, str] = {}
    for index in equation.indices:
        used.setdefault(index.dim, index.name)
    for node in preorder(equation.rhs, *(form for _, form in equation.where)):
        if isinstance(node, Index):
            used.setdefault(node.dim, node.name)
        elif isinstance(node, Extent):
            used.setdefault(node.index.dim, node.index.name)
        elif isinstance(node, Sum | Reduce):
            for index in node.indices:
                used.setdefault(index.dim, index.name)
    return used
