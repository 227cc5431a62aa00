"""Whole texts: an equation, an expression or the two sides of a relation, bound and with dimensions named by axes."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from einstan.language.binding import Scope
from einstan.language.dims import localised
from einstan.language.errors import NotationError
from einstan.language.index import Affine, Index, is_capital, lowered, swapped
from einstan.language.labels import marked
from einstan.language.node import Node, rewrite
from einstan.language.numbering import LONGEST, numbered
from einstan.language.refusals import (
    capital_on_left,
    check_stated,
    left_not_plain,
    left_not_read,
    refuse_negative,
    twice_on_left,
)
from einstan.language.remarks import quantified
from einstan.language.spoken import refuse_open, unknown_extents
from einstan.language.surface import RESERVED, Call, Number, Power, Ref, Relation, instead_of, only_part
from einstan.language.syntax import read_expression, read_relation
from einstan.language.term import Add, Apply, Equation, Expr, Extent, Mul, Partial
from einstan.language.tokens import respelled
from einstan.language.typeset import lowered_indices

PAIR = "="  # holds the two sides of a relation together while dimensions are found


def parse(text: str, known: Collection[str] = (), asked: bool = False, written: bool = True) -> Equation:
    """The equation that a text spells.

    ``known`` are tensors of the program around it; they decide whether ``dA[..]/dB[..]`` is a derivative.  What nobody
    has ``written`` may read tensors of several lengths at one index, see `einstan.language.dims.relate`.

    Examples:
        >>> print(parse("Z_{n,j} = X_{n,K} W_{K,j} + b_j"))
        Z[n,j] = X[n,K] W[K,j] + b[j]
    """
    return bind_equation(*read_relation(text, known, asked=asked), asked=asked, written=written)


def bind_equation(
    text: str,
    relation: Relation,
    spelled: bool = True,
    asked: bool = False,
    by_hand: bool = False,
    written: bool = True,
) -> Equation:
    """The equation of a relation; where it has several readings, they are ``spelled`` out in the error.  A person is
    ``asked`` how far indices run of which the text says nothing; what is derived has its own ways to say it, and may
    sum over a letter that its body lacks, which is a slip in what is written ``by_hand``."""
    left = only_part(relation.left)
    if not isinstance(left, Ref):
        span, repairs = relation.left.span, [f"claim {text}"]
        if (
            isinstance(left, Power)
            and isinstance(left.base, Ref)
            and isinstance(left.base.name, str)
            and isinstance(left.exponent, Number)
        ):  # \\sigma^2 = ...
            repairs.insert(0, text.replace(text[slice(*span)].rstrip(), f"{left.base.name}2"))
        if text.startswith("- "):  # an item of a list
            repairs.insert(0, text[2:].lstrip())
        if isinstance(left, Call) and not left.arguments:  # pi = p q - c q, a profit
            repairs.insert(0, respelled(text, text[slice(*span)].strip(), f"{left.function}1"))
        above = text[slice(*left.exponent.span)].strip("{} ") if isinstance(left, Power) else ""
        if re.fullmatch(r"[A-Za-z]+([+-]\d+)?", above):  # \\theta^{new} = ..., x^{k+1} = ...
            repairs.insert(0, marked(text, above))
        if 1 < len(above) < 4 and above.isupper() and (line := lowered_indices(text)):  # g^{KL} = ...
            repairs.insert(0, line)
        raise NotationError("the left side of an equation is one tensor", text=text, span=span, repair=repairs)
    scope = Scope(text, (relation,), any_free=False)
    scope.derived = not (asked or by_hand)
    asked = asked and isinstance(left.name, str) and not left.name.startswith("d")
    if asked:
        refuse_open(text, relation)
    if spelled:

        def again(other: str) -> Equation:
            equation = bind_equation(*read_relation(other), spelled=False, asked=asked, by_hand=by_hand)
            return with_left_read(other, equation) if asked else equation

        scope.read = again
    indices = tuple(left_indices(scope, left, relation))
    scope.left_names = tuple(index.name for index in indices)
    scope.free = {index.name: index for index in indices}
    rhs = scope.top(relation.right)
    own = {index.name: f"{left.name}.{k}" for k, index in enumerate(indices)} if asked else None
    where = tuple(_stated(scope, text, relation, [index.name for index in indices], own))
    equation = localised(scope.resolved(Equation(left.name, indices, rhs, where)), written)
    return sized_by_axes(equation) if scope.shared else equation


def _stated(
    scope: Scope, text: str, relation: Relation, indices: Sequence[str], own: Mapping[str, str] | None
) -> Iterator[tuple[Index, Affine]]:
    """The extents that a relation states, of every index that has the letter.  A person is asked whether one is stated
    by itself, be it by its ``own`` axis."""
    for size, expression in relation.where:
        found = scope.spelled.get(size.name, ())
        if not found:
            start, end = size.span
            other = swapped(size.name)
            names = [other] if other in scope.spelled else indices
            meant = tuple(f"{text[:start]}|{name}|{text[end:]}" for name in names)
            raise scope.fail(f"the equation has no index {size.name}", size.span, meant)
        if own is not None:
            check_stated(text, {size.name, own.get(size.name, size.name)}, size.name, expression, scope.indices)
        form = scope.stated(expression)
        refuse_negative(text, size.name, expression, form)
        spoken = [*found, *(copy for index in found for copy in scope.copies.get(index, ()))]
        names = [index.name for index in spoken]  # by letter, as they are printed
        yield from ((index, form) for index in sorted(spoken, key=lambda index: names.index(index.name)))


def sized_by_axes(equation: Equation) -> Equation:
    """The equation in which a product has sizes told by their axes, ``|x.0|``, where one letter is that of several: the
    brackets that told which N each |N| is of are not kept, ``(sum[N](x[N])/|N|) (sum[N](y[N])/|N|)``."""

    def rule(node: Node) -> Node:
        if not isinstance(node, Mul):
            return node
        sizes = {part for part in sizes_beside(node) if "." not in part.index.name}
        letters = [letter for letter, _ in {(lowered(size.index.name), size.index.dim) for size in sizes}]
        axes: dict[Node, Node] = {
            size: Extent(Index(size.index.dim, size.index.dim))
            for size in sizes
            if letters.count(lowered(size.index.name)) > 1 and "." in size.index.dim
        }
        return rewrite(node, lambda part: axes.get(part, part)) if axes else node

    rewritten = rewrite(equation.rhs, rule)
    assert isinstance(rewritten, Expr)
    return Equation(equation.name, equation.indices, rewritten, equation.where)


def sizes_beside(node: Node) -> Iterator[Extent]:
    """The sizes in a product and in its brackets, without those in sums and functions."""
    stack = [node]
    while stack:
        part = stack.pop()
        if isinstance(part, Extent):
            yield part
        if isinstance(part, Add | Mul) or applies_power(part):
            stack.extend(part.children)


def applies_power(node: Node) -> bool:
    return isinstance(node, Apply) and node.function == "pow"


def written(text: str, known: Collection[str] = ()) -> Equation:
    """`parse` for an equation that a person wrote: what stands on its left must stand on its right.

    The calculus may well derive ``dX[n,c] = 1``; but where a person leaves an index out on the right, a slip is more
    likely than a constant, which ``1[j]`` says openly.
    """
    if len(text) <= LONGEST and (behind := numbered(text) or quantified(text, False)) is not None:
        raise behind
    equation = with_left_read(text, parse(text, known, asked=True))
    for _, error in unknown_extents([(text, equation)], known):
        raise error
    return equation


def with_left_read(text: str, equation: Equation) -> Equation:
    """The equation, unless one of its left indices is neither on the right nor given an extent.

    A term may lack an index, not all terms.  A derivative has the shape of its tensors and is not looked at.
    """
    name = equation.name
    if isinstance(name, Partial) or (len(name) > 1 and name[0] in "d∂"):
        return equation
    read = {*equation.rhs.free, *(index for index, _ in equation.where)}
    for index in equation.indices:
        if index not in read:
            raise left_not_read(text, index.name, [i.name for i in equation.rhs.free])
    return equation


def left_indices(scope: Scope, left: Ref, relation: Relation) -> Iterator[Index]:
    """The indices of a left side: plain, lower-case, each once."""
    if isinstance(left.name, str) and left.name in RESERVED:
        problem = f"{left.name} is a word of the notation and cannot be a tensor"
        raise scope.fail(problem, left.span, instead_of(left.name, scope.text) or ())
    seen: set[str] = set()
    for slot in left.slots:
        ref = only_part(slot)
        if not isinstance(ref, Ref) or ref.slots or not isinstance(ref.name, str):
            raise left_not_plain(scope.text, slot)
        name = ref.name
        if is_capital(name):
            raise capital_on_left(scope.text, name, ref.span, scope.indices)
        if name in seen:
            raise twice_on_left(scope.text, name, ref.span, relation, scope.indices)
        seen.add(name)
        yield scope.new_index(name)


def parse_expression(
    text: str, indices: Collection[str] | None = None, known: Collection[str] = (), *, spelled: bool = True
) -> Expr:
    """The expression that a text spells; lower-case indices are free: all, or those in ``indices``."""
    text, tree = read_expression(text, known)
    scope = Scope(text, (tree,), any_free=indices is None)
    if spelled:
        scope.read = lambda other: parse_expression(other, indices, known, spelled=False)
    for name in indices or ():
        scope.free[name] = scope.new_index(name)
    scope.left_names = tuple(indices or ())
    expr = scope.top(tree)
    return localised(scope.resolved(Equation("", (), expr))).rhs


def parse_sides(text: str, known: Collection[str] = (), *, spelled: bool = True) -> tuple[Expr, Expr]:
    """Both sides of a general relation, with one dimension for each index that both name."""
    left, right, _ = parse_relation(text, known, spelled=spelled)
    return left, right


def parse_relation(
    text: str, known: Collection[str] = (), *, spelled: bool = True
) -> tuple[Expr, Expr, tuple[tuple[Index, Affine], ...]]:
    """Both sides of a general relation, and the extents that it states."""
    text, tree = read_relation(text, known)
    scope = Scope(text, (tree,), any_free=True)
    if spelled:
        scope.read = lambda other: parse_sides(other, known, spelled=False)
    left = scope.top(tree.left)
    right = scope.top(tree.right)
    where = tuple(_stated(scope, text, tree, list(scope.spelled), {}))
    pair = localised(scope.resolved(Equation("", (), Apply(PAIR, (left, right)), where)))
    assert isinstance(pair, Equation)
    assert isinstance(pair.rhs, Apply)
    return pair.rhs.arguments[0], pair.rhs.arguments[1], pair.where


__all__ = ["bind_equation", "parse", "parse_expression", "parse_relation", "parse_sides", "with_left_read", "written"]
