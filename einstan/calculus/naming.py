"""Forward values named again: a derivative that contains ``exp(Z[n,c] - logsumexp[K](Z[n,K]))`` says ``S[n,c]``.

An expression is recognised by its pattern (`einstan.calculus.alpha`), so the letters and the order of factors do not
matter, and nothing here knows any particular layer.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import partial

from einstan.calculus.alpha import pattern, signature
from einstan.calculus.assume import unified
from einstan.calculus.orders import Orders
from einstan.calculus.parts import Parts
from einstan.calculus.program import InPart
from einstan.calculus.ranges import Ranges
from einstan.calculus.simplify import simplify
from einstan.calculus.written import as_written, before_signs
from einstan.language import well_named
from einstan.language.dims import UnionFind, is_axis
from einstan.language.index import Affine, Index, capitalised, fresh_name, slot
from einstan.language.naming import renamed
from einstan.language.node import Node, beginning, fold, holds, preorder, rewrite
from einstan.language.term import (
    EXTREMES,
    MINUS_ONE,
    Add,
    Apply,
    Const,
    Equation,
    Expr,
    Extent,
    Indexed,
    Iverson,
    Mul,
    Name,
    Position,
    Reduce,
    Sum,
    bound_indices,
    rebound,
    tensors,
)

_LETTERS = "IJKMNPQRUVABCDEFGH"  # for summed indices, those of papers first
Stated = tuple[Index, Affine]
Behind = Stated | InPart  # what the equations behind a derived one say of extents


class ForwardNames:
    """Recognises the right sides of equations: ``names(expr)`` is ``expr`` with each of them named.

    ``parts`` does the same where a right side is only a part of a product or a sum.

    An equation whose left side has an index that the right side lacks is not used: its entry could not be chosen.
    """

    def __init__(self, equations: Iterable[Equation]) -> None:
        # Grouped by what is cheap to compare; patterns are made only where a candidate turns up.
        self._by_head: dict[object, list[tuple[Equation, Expr]]] = {}
        self._by_signature: dict[object, dict[bytes, list[tuple[Equation, Expr]]]] = {}
        self._patterns: dict[Name, tuple[Node, tuple[Index, ...]]] = {}
        self._named: dict[Node, Node] = {}  # what is asked for next holds, in a deep term, what was asked for before
        self.parts = Parts(self)
        equations = tuple(equations)
        self.orders = Orders(equations)
        for equation in equations:
            value = simplify(equation.rhs)
            if _is_worth_naming(value) and set(value.free) == set(equation.indices):
                self._by_head.setdefault(_head(value), []).append((equation, value))
                self.parts.add(equation, value)

    def __call__(self, expr: Expr) -> Expr:
        return fold(expr, self._rule, self._named) if self._by_head else expr

    def _rule(self, node: Node, children: tuple[Node, ...]) -> Node:
        access = self._access(node) if isinstance(node, Expr) and _is_worth_naming(node) else None
        if access is not None:
            return access
        if isinstance(node, Iverson) and node.relations == ("==",):
            children = tuple(map(self._compared, node.children, children))
        return node.over(children)

    def _compared(self, node: Node, named: Node) -> Node:
        """An extreme that is compared with what it is the extreme of keeps no name where that takes more than
        one rounding: who reads a pass alone has the extreme from elsewhere, and it would not be met again."""
        if isinstance(node, Reduce) and node.operation in EXTREMES and isinstance(named, Indexed):
            body = fold(node.body, self._rule, self._named)
            return named if _is_rounded_once(body) else rebound(node, node.indices, body)
        return named

    def _access(self, node: Expr) -> Indexed | None:
        for equation, value in self._candidates(node):
            mapping = unified(value, node, {}) if not node.binds else None
            if mapping is not None:  # letter by letter, and as many of them: nearly always
                return Indexed(equation.name, tuple(slot(mapping[i]) for i in equation.indices))
            key, order = pattern(node)
            own_key, own_order = self._patterns.get(equation.name) or self._pattern(equation.name, value)
            if key is own_key:
                return Indexed(equation.name, tuple(slot(order[own_order.index(i)]) for i in equation.indices))
        return None

    def _pattern(self, name: Name, value: Expr) -> tuple[Node, tuple[Index, ...]]:
        found = self._patterns[name] = pattern(value)
        return found

    def _candidates(self, node: Expr) -> Sequence[tuple[Equation, Expr]]:
        head = _head(node)
        if head not in self._by_head:
            return ()
        if head not in self._by_signature:
            groups = self._by_signature[head] = {}
            for equation, value in self._by_head[head]:
                groups.setdefault(signature(value), []).append((equation, value))
        return self._by_signature[head].get(signature(node), ())


def _head(node: Expr) -> object:
    """What is cheap to compare first: the node, its function, and the first tensors below."""
    function = node.fields[0] if isinstance(node, Apply | Reduce) else None
    first: tuple[Name, ...] | None = None
    if not isinstance(node, Add | Mul):
        first = tuple([inner.tensor for inner in beginning(node, 12) if isinstance(inner, Indexed)])
    several = first is None or len(first) > 1
    return type(node), len(node.children), function, len(node.free), None if several else first


def _is_rounded_once(body: Node) -> bool:
    """Whether something is a read, or one operation on two reads: whoever computes it has the same digits."""
    body = _without_sign(body)
    parts = body.children if isinstance(body, Add | Mul | Apply) else (body,)
    return len(parts) <= 2 and all(isinstance(_without_sign(part), Indexed | Const | Position) for part in parts)


def _without_sign(node: Node) -> Node:
    return (
        node.factors[1] if isinstance(node, Mul) and node.factors[0] is MINUS_ONE and len(node.factors) == 2 else node
    )


def _is_worth_naming(node: Node) -> bool:
    return isinstance(node, Apply | Reduce | Add | Mul | Sum)


def derived_equation(
    name: Name,
    indices: tuple[Index, ...],
    rhs: Expr,
    where: Sequence[Behind] = (),
    sized: Sequence[Stated] = (),
    ranges: Ranges | None = None,
    tied: bool = False,
) -> Equation:
    """A derived equation with letters to read: its extents speak of its own indices, ``/ |n|`` where n is on the left.

    ``where`` are the extents that the equations behind it state; those that it needs are stated again.  ``sized`` are
    extents that it states itself, of its own indices; ``ranges`` says which others it has to, ``tied`` or not.
    """
    rhs = as_written(rhs)
    if ranges is not None and holds(rhs, Position):
        rhs = _beside(rhs, indices, ranges.numbers)
    if not where and not sized and (ranges is None or ranges.plain) and not holds(rhs, Extent):
        made = Equation(name, indices, rhs)
        return before_signs(well_named(made if ranges is None else ranges.stated(made, tied)))
    letters = {index.dim: index.name for index in reversed((*indices, *map(_capital, bound_indices(rhs))))}

    def rule(node: Node) -> Node:
        if isinstance(node, Extent) and node.index.dim in letters:
            return Extent(Index(letters[node.index.dim], node.index.dim))
        if isinstance(node, Extent) and is_axis(node.index.dim) and not is_axis(node.index.name):
            return Extent(Index(node.index.dim))  # no index here runs over that axis any more
        return node

    plain = Equation(name, indices, rewrite(rhs, rule))
    own = {index for index, _ in sized}
    forms = {pair[0].dim: pair[1] for pair in where if not isinstance(pair, InPart)}
    parts = {each.index.dim: each for each in where if isinstance(each, InPart)}
    used = dict.fromkeys((*indices, *bound_indices(plain.rhs)))
    stated = [(index, forms[index.dim]) for index in used if index.dim in forms and index not in own]
    for index in used:
        if index.dim in parts and index.dim not in forms and index not in own:
            part = parts[index.dim]
            classes = UnionFind() if ranges is None else ranges.classes
            stated += [(index, part.extent)] if part.is_needed(index, plain.rhs, classes) else []
    made = Equation(name, indices, plain.rhs, (*stated, *sized))
    return before_signs(well_named(made if ranges is None else ranges.padded(ranges.stated(made, tied))))


def _beside(rhs: Expr, indices: Sequence[Index], numbers: Collection[str]) -> Expr:
    """The expression with other letters for summed indices that are called as a number of the program is, and stand for
    their values: ``L`` alone would be the loss."""
    values = {node.index for node in preorder(rhs) if isinstance(node, Position)}
    bound = bound_indices(rhs)
    clashing = [index for index in bound if index in values and capitalised(index.name) in numbers]
    taken = {*numbers, *map(str, tensors(rhs)), *(capitalised(each.name) for each in (*indices, *rhs.free, *bound))}
    for index in clashing:
        name = next((letter for letter in _LETTERS if letter not in taken), fresh_name(index.name, taken))
        taken.add(name)
        rhs = rewrite(rhs, partial(_rebound, index, Index(name, index.dim)))
    return rhs


def _rebound(old: Index, new: Index, node: Node) -> Node:
    if not isinstance(node, Sum | Reduce) or old not in node.indices:
        return node
    body = renamed(node.body, {old: new})
    return rebound(node, tuple(new if index is old else index for index in node.indices), body)


def _capital(index: Index) -> Index:
    return Index(capitalised(index.name), index.dim)
