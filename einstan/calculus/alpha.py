"""Equal up to the names of bound indices and the order of terms and factors.

`alpha` gives every class of such expressions one representative, so that "the same but for letters and order" is
``alpha(a) is alpha(b)``.  `pattern` does the same for free indices too: it is how a forward value is recognised in a
derivative, whatever its letters there.

The method is colour refinement, as graph isomorphism tests use it.  The colour of an index is a digest of the whole
body in which that index is marked; indices that keep one colour are told apart by trying each of them, and the
smallest result is taken.  The number of tries is bounded: beyond it two equal expressions may be told apart (never the
other way round), and whoever asks falls back on numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from math import prod
from typing import TypeVar

from einstan.calculus.coefficients import neg_simplified
from einstan.language.effort import once, spend
from einstan.language.index import Affine, Index
from einstan.language.node import Below, Node, fold, folded, note
from einstan.language.term import (
    MINUS_ONE,
    Add,
    Apply,
    Const,
    Delta,
    Expr,
    Extent,
    Indexed,
    Iverson,
    Mul,
    Position,
    Reduce,
    Sum,
    add,
    bound_indices,
    mul,
    rebound,
    substitute,
)

Item = TypeVar("Item")
TRIES = 120
EVEN = ("abs", "cos", "cosh")
STEPS = 5  # that telling an index from others is worth


def alpha(expr: Expr) -> Expr:
    """The representative of all expressions that differ from this one in bound letters and order alone."""
    return _arrange(expr, 0)  # type: ignore[return-value]


def pattern(expr: Expr) -> tuple[Node, tuple[Index, ...]]:
    """The representative with the free indices renamed too, and those indices in the order of their new names."""
    free = expr.free
    named, order = _labelled(free, expr, {}, "?")
    return _arrange(named, 0), order


@folded
def signature(node: Node, below: tuple[bytes, ...]) -> bytes:
    """A cheap digest that equal expressions share whatever their letters: what may be compared in full."""
    if isinstance(node, Index | Extent):
        return type(node).__name__.encode()
    return _mixed(node, below, signature)


# ---- arranging -------------------------------------------------------------------------------------------------------


def _arrange(root: Node, depth: int) -> Node:
    """Name bound indices by level and rank, from the outside in; sort terms and factors, from the inside out.

    Nested binders recurse (their number is small); everything between two binders is traversed iteratively.
    """
    memo: dict[Node, Node] = {}
    stack = [root]
    while stack:
        node = stack[-1]
        if node in memo:
            stack.pop()
            continue
        kept = depth == 0 or not node.binds  # what binds nothing is arranged alike at every level
        found = node.notes.get(alpha) if kept and node.children else None
        if found is None:
            if isinstance(node, Sum | Reduce):
                found = _renamed(node, depth)
            else:
                waiting = [child for child in node.children if child not in memo]
                if waiting:
                    stack.extend(waiting)
                    continue
                found = _sorted(node, tuple([memo[child] for child in node.children]))
            if kept and node.children:
                note(node, alpha, True if found is node else found)  # without a cycle
        stack.pop()
        memo[node] = node if found is True else found
    return memo[root]


def _renamed(node: Sum | Reduce, depth: int) -> Node:
    body, order = _labelled(node.indices, node.body, {}, f"_{depth}_")
    names = {old: Index(f"_{depth}_{rank}", old.dim) for rank, old in enumerate(order)}
    return rebound(node, tuple(names[old] for old in order), _arrange(body, depth + 1))


def _sorted(node: Node, children: Below) -> Node:
    if isinstance(node, Add):
        return add(sorted(children, key=_by_digest))
    if isinstance(node, Mul):
        return mul(sorted(children, key=_by_digest))
    if isinstance(node, Apply) and _is_even(node) and isinstance(children[0], Add):
        base, *others = children
        turned = add(sorted(map(_negative, base.terms), key=_by_digest))
        return node.rebuilt((min(base, turned, key=_from_positive), *others))
    if isinstance(node, Affine):
        parts = sorted(zip(children, (k for _, k in node.terms), strict=True), key=lambda part: part[0].digest)
        return Affine(tuple(parts), node.constant)
    if isinstance(node, Delta) or _is_symmetric(node):
        return node.rebuilt(tuple(sorted(children, key=_by_digest)))
    if isinstance(node, Iverson):
        return Iverson(*_directed(children, node.relations, _by_digest))
    if isinstance(node, Extent):
        return Extent(Index(node.index.dim, node.index.dim))
    return node.over(children)


def _is_symmetric(node: Node) -> bool:
    return isinstance(node, Apply) and node.function in ("maximum", "minimum")


def _is_even(node: Apply) -> bool:
    """Whether the sign of the first argument means nothing, so that ``(a - b)^2`` is ``(b - a)^2``."""
    if node.function == "pow":
        exponent = node.arguments[1]
        return isinstance(exponent, Const) and exponent.value.denominator == 1 and exponent.value % 2 == 0
    return node.function in EVEN


def _by_digest(node: Node) -> bytes:
    return node.digest


def _negative(term: Expr) -> Expr:
    """The negative of an arranged term, arranged: its number stands anywhere."""
    if isinstance(term, Sum):
        return rebound(term, term.indices, _negative(term.body))
    if isinstance(term, Const):
        return Const(-term.value)
    factors = term.factors if isinstance(term, Mul) else (term,)
    number = prod((factor.value for factor in factors if isinstance(factor, Const)), start=MINUS_ONE.value)
    rest = [factor for factor in factors if not isinstance(factor, Const)]
    return mul(sorted(rest if number == 1 else (Const(number), *rest), key=_by_digest))


def _from_positive(base: Node) -> tuple[int, bytes]:
    """Of a sum and its negative the one with fewer minus signs comes first."""
    return sum(map(_is_negative, base.terms if isinstance(base, Add) else (base,))), base.digest


def _is_negative(term: Node) -> bool:
    if isinstance(term, Sum):
        return _is_negative(term.body)
    return any(
        isinstance(part, Const) and part.value < 0 for part in (term, *(term.factors if isinstance(term, Mul) else ()))
    )


# ---- labelling -------------------------------------------------------------------------------------------------------


def _labelled(
    indices: tuple[Index, ...], body: Node, colours: dict[Index, bytes], stem: str
) -> tuple[Node, tuple[Index, ...]]:
    """Put the indices in an order that does not depend on their names, and rename them ``stem0``, ``stem1``, ..."""
    order = _ordered(indices, body, dict(colours), [TRIES])
    renamed = {old: Index(f"{stem}{rank}", old.dim) for rank, old in enumerate(order)}
    return substitute(body, renamed), order


def _ordered(
    indices: tuple[Index, ...], body: Node, colours: dict[Index, bytes], tries: list[int]
) -> tuple[Index, ...]:
    if len(indices) < 2:
        return indices
    colours.update((index, b"bound") for index in indices if index not in colours)
    classes = 0
    while True:
        colours = _refined(indices, body, colours)
        distinct = len({colours[index] for index in indices})
        if distinct == classes or distinct == len(indices):
            break
        classes = distinct
    ranked = sorted(indices, key=lambda index: colours[index])
    tied = next((c for c in ranked if sum(colours[o] == colours[c] for o in indices) > 1), None)
    if tied is None:
        return tuple(ranked)
    best: tuple[bytes, tuple[Index, ...]] | None = None
    for candidate in [index for index in ranked if colours[index] == colours[tied]]:
        if tries[0] <= 0 and best is not None:
            break
        tries[0] -= 1
        order = _ordered(indices, body, {**colours, candidate: colours[candidate] + b"!"}, tries)
        final = {index: b"rank%d" % rank for rank, index in enumerate(order)}
        digest = _colour(body, final)
        if best is None or digest < best[0]:
            best = digest, order
    assert best is not None
    return best[1]


def _refined(indices: tuple[Index, ...], body: Node, colours: dict[Index, bytes]) -> dict[Index, bytes]:
    """What the body says about each index, and what was known: an index that it lacks keeps its own colour.

    Of a product the factors that hold the index say all: what the others look like is the same for every index, but for
    what these factors take away from it.
    """
    spend(STEPS * len(indices))
    holders: dict[Node, list[Node]] = {index: [] for index in indices}
    for factor in body.factors if isinstance(body, Mul) else (body,):
        for index in factor.free:
            if index in holders:
                holders[index].append(factor)

    def colour(index: Index) -> bytes:
        said = sorted(_said(factor, index, colours) for factor in holders[index])
        return blake2b(b",".join((colours[index], *said)), digest_size=12).digest()

    return {index: colour(index) for index in indices}


def _said(factor: Node, index: Index, colours: Mapping[Index, bytes]) -> bytes:
    """A digest of a factor in which an index is marked; most are accesses, of which the slots say all."""
    marked = {i: (b"*" if i is index else b"") + colours[i] for i in factor.free if i in colours}
    if isinstance(factor, Indexed) and all(form.index is not None for form in factor.slots):
        slots = [marked.get(form.index) or form.index.digest for form in factor.slots]  # type: ignore[arg-type, union-attr]
        return str(factor.tensor).encode() + b"[" + b",".join(slots)
    return _marked(factor, tuple(marked.items()))


@once
def _marked(factor: Node, colours: tuple[tuple[Index, bytes], ...]) -> bytes:
    return _colour(factor, dict(colours))


def _colour(root: Node, colours: Mapping[Index, bytes]) -> bytes:
    """A digest of an expression under colours for some indices, blind to the order of terms and factors."""
    bound = bound_indices(root)
    marked = {index: b"inner" + index.dim.encode() for index in bound} | dict(colours)
    scoped = marked.keys() if colours.keys().isdisjoint(bound) else None

    def turned(base: Node) -> bytes:
        return _colour(base, colours)

    # What holds no marked index looks the same under all colours, and is remembered.
    def known(node: Node) -> bytes | None:
        return node.notes.get(_colour) if scoped is not None and scoped.isdisjoint(node.free) else None

    def rule(node: Node, below: tuple[bytes, ...]) -> bytes:
        if isinstance(node, Index):
            return marked.get(node) or node.digest
        if isinstance(node, Extent):
            return b"Extent " + node.index.dim.encode()
        found = _mixed(node, below, turned)
        if scoped is not None and scoped.isdisjoint(node.free):
            note(node, _colour, found)
        return found

    return fold(root, rule, known=known)


def _mixed(node: Node, below: Sequence[bytes], digest: Callable[[Expr], bytes]) -> bytes:
    """The digest of a node from those of its children, which are sorted where their order means nothing; where a sign
    means nothing, the smaller one, by the ``digest`` of the negative."""
    label = ""
    if isinstance(node, Apply) and _is_even(node) and isinstance(node.arguments[0], Add):
        negative = Add(tuple(map(neg_simplified, node.arguments[0].terms)))
        below = (min(below[0], digest(negative)), *below[1:])
    if isinstance(node, Affine):
        below = sorted(c + str(k).encode() for c, (_, k) in zip(below, node.terms, strict=True))
        label = str(node.constant)
    elif isinstance(node, Add | Mul | Delta) or _is_symmetric(node):
        below = sorted(below)
        label = node.function if isinstance(node, Apply) else ""
    elif isinstance(node, Sum | Reduce):
        label = f"{node.fields[:-2]}{len(node.indices)}"
    elif isinstance(node, Iverson):
        below, relations = _directed(below, node.relations, bytes)
        label = str(relations)
    elif isinstance(node, Position):
        pass  # all that it holds is below
    else:
        label = str(node.fields[0])
    return blake2b(f"{type(node).__name__} {label} ".encode() + b",".join(below), digest_size=12).digest()


_MIRROR = {">": "<", ">=": "<=", "<": ">", "<=": ">=", "==": "==", "!=": "!="}


def _directed(
    operands: Sequence[Item], relations: tuple[str, ...], key: Callable[[Item], bytes]
) -> tuple[tuple[Item, ...], tuple[str, ...]]:
    """A chain of comparisons in one of its two directions: ascending, or for a lone equality sorted."""
    if relations and relations[0] in (">", ">="):
        return tuple(reversed(operands)), tuple(_MIRROR[relation] for relation in reversed(relations))
    if len(relations) == 1 and relations[0] in ("==", "!="):
        return tuple(sorted(operands, key=key)), relations
    return tuple(operands), relations
