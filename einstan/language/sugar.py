"""Spellings that stand for a pattern of terms: softmax, deviations and norms, zero padding, and the operands of an
Iverson bracket.

    softmax[k](u)       exp(u - logsumexp[K](u with K for k))
    var[K](u)           mean[K]((u - mean[K2](u with K2 for K))^2), over the whole population: 1/|K|
    std[K](u)           sqrt(var[K](u))
    norm[K](u)          sqrt(sum[K](u^2)), which has no derivative where it is 0: NaN
    pad(X[i+J-1])       1[0 <= i+J-1 < |X.0|] X[i+J-1]

The parser makes the pattern, the printer recognises exactly it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from einstan.language.index import Affine, Arithmetic, Index, affine, capitalised, fresh_name
from einstan.language.node import Node, fold, preorder
from einstan.language.term import (
    MINUS_ONE,
    Add,
    Apply,
    Const,
    Expr,
    Extent,
    Indexed,
    Iverson,
    Mul,
    Partial,
    Position,
    Reduce,
    Sum,
    add,
    as_number,
    bound_indices,
    mul,
    neg,
    power,
    rebound,
    substitute,
    sum_over,
)  # fmt: skip

# ---- softmax ---------------------------------------------------------------------------------------------------------


def softmax(body: Expr, index: Index, name: str = "") -> Expr:
    """``softmax[k](u)``.  The hidden index is named from ``u`` alone, so that it is found again; or as it is said."""
    if not name:
        taken = {other.name for other in (*body.free, *bound_indices(body))}
        name = fresh_name(capitalised(index.name), taken)
    hidden = Index(name, index.dim)
    inside = substitute(body, {index: hidden})
    assert isinstance(inside, Expr)
    return Apply("exp", (add((body, neg(Reduce("logsumexp", (hidden,), inside)))),))


def as_softmax(node: Node, exactly: bool = True) -> tuple[Expr, Index] | None:
    """The body and the index, if the node is a softmax; ``exactly`` down to the names of its bound indices."""
    if not (isinstance(node, Apply) and node.function == "exp" and isinstance(node.arguments[0], Add)):
        return None
    *terms, last = node.arguments[0].terms
    if not (isinstance(last, Mul) and len(last.factors) == 2 and last.factors[0] is MINUS_ONE):
        return None
    total = last.factors[1]
    if not (isinstance(total, Reduce) and total.operation == "logsumexp" and len(total.indices) == 1):
        return None
    body, (hidden,) = add(terms), total.indices
    for index in body.free:
        if index.dim != hidden.dim or (index is not hidden and index in total.body.free):
            continue
        if softmax(body, index) is node:
            return body, index
        if not exactly and anonymous(substitute(total.body, {hidden: index})) is anonymous(body):
            return body, index
    return None


def anonymous(root: Node) -> Node:
    """The term with bound indices named by their height: terms that differ only in these names become one object."""
    heights: dict[Node, int] = {}

    def rule(node: Node, pair: tuple[tuple[Node, int], ...]) -> tuple[Node, int]:
        children = tuple(child for child, _ in pair)
        height = max((height for _, height in pair), default=0)
        if not isinstance(node, Sum | Reduce):
            return node.over(children), height
        names = {old: Index(f"#{height + k}", old.dim) for k, old in enumerate(node.indices)}
        body = substitute(children[0], names)
        return rebound(node, tuple(names.values()), body), height + len(names)

    heights.clear()
    return fold(root, rule)[0]


# ---- deviations and norms --------------------------------------------------------------------------------------------


Again = Callable[[Index, str], Index]  # an index that runs over what another does, under a name of its own


def variance(indices: tuple[Index, ...], body: Expr, again: Again) -> Expr:
    """The mean square of what is left of the mean."""
    taken = {index.name for index in (*body.free, *bound_indices(body), *indices)}
    inner = {}
    for index in indices:
        inner[index] = again(index, fresh_name(index.name, taken))
        taken.add(inner[index].name)
    inside = substitute(body, inner)
    assert isinstance(inside, Expr)
    apart = add((body, neg(Reduce("mean", tuple(inner.values()), inside))))
    return Reduce("mean", indices, power(apart, 2))


def deviation(indices: tuple[Index, ...], body: Expr, again: Again) -> Expr:
    return Apply("sqrt", (variance(indices, body, again),))


def norm(indices: tuple[Index, ...], body: Expr, again: Again) -> Expr:
    return Apply("sqrt", (sum_over(indices, power(body, 2)),))


REDUCED = {"var": variance, "std": deviation, "norm": norm}


# ---- zero outside ----------------------------------------------------------------------------------------------------


Stated = Mapping[str, str]  # by letter, how a ``where`` spells an extent: that of an axis as X.0, any other as nothing


def padded(access: Indexed, stated: Stated) -> Expr:
    """The access times a range guard for each slot that may be outside."""
    return mul((*guards(access, stated), access))


def guards(access: Indexed, stated: Stated) -> tuple[Expr, ...]:
    """A guard for each slot with arithmetic, and for each index alone whose extent a ``where`` states: ``pad(a[i])``
    where ``|i| = |a.0| + |b.0|``.  Where nothing is stated and there is no arithmetic, every slot may be outside."""
    slots = [(form, f"{access.tensor}.{k}") for k, form in enumerate(access.slots)]
    shifted = [(form, place) for form, place in slots if form.index is None]
    said = [(form, place) for form, place in slots if form.index is not None and form.index.name in stated]
    own = [stated[form.index.name] for form, _ in said if form.index is not None]
    said = [pair for pair, where in zip(said, own, strict=True) if not where or not (shifted or where == pair[1])]
    chosen = [pair for pair in slots if pair in shifted or pair in said] or slots
    return tuple(guard(form, Extent(Index(place))) for form, place in chosen)


def guard(form: Affine, extent: Extent) -> Expr:
    """``1[0 <= form < extent]``."""
    return chain((Affine((), 0), form, Affine(((extent, 1),), 0)), ("<=", "<"))


def guards_before(factors: list[Expr], access: Indexed, stated: Stated = MappingProxyType({})) -> int:
    """How many of the factors at the end of the list are the guards of ``pad(access)``; 0 where they are not all."""
    if not factors or not isinstance(factors[-1], Iverson) or isinstance(access.tensor, Partial):
        return 0
    expected = guards(access, stated)
    if not expected or len(expected) > len(factors):
        return 0
    same = all(_unplaced(have) is want for have, want in zip(factors[-len(expected) :], expected, strict=True))
    return len(expected) if same else 0


def _unplaced(term: Expr) -> Expr:
    """The guard with its extent spelled by its axis alone, whatever class of axes that belongs to here."""
    if not (isinstance(term, Iverson) and len(term.operands) == 3):
        return term
    last = term.operands[2]
    extent = last.terms[0][0] if isinstance(last, Affine) and len(last.terms) == 1 else last
    if not isinstance(extent, Extent):
        return term
    plain = Extent(Index(extent.index.name))
    renamed = Affine(((plain, 1),), last.constant) if isinstance(last, Affine) else plain
    return Iverson((*term.operands[:2], renamed), term.relations)


# ---- operands of an Iverson bracket ----------------------------------------------------------------------------------


def chain(operands: Iterable[Node], relations: tuple[str, ...]) -> Iverson:
    """An Iverson bracket with its operands in the form that its spelling has.

    An operand with an index of its own is a form; one with a tensor is a value.  Numbers and extents are values where
    they are compared with one, and forms elsewhere.
    """
    mixed = [_operand(operand) for operand in operands]
    has_value = any(isinstance(operand, Expr) and as_form(operand) is None for operand in mixed)
    final: list[Node] = []
    for operand in mixed:
        if isinstance(operand, Affine):
            neutral = not any(isinstance(atom, Index) for atom, _ in operand.terms)
            final.append(as_number(operand) if neutral and has_value else operand)
        else:
            assert isinstance(operand, Expr)
            form = as_form(operand)
            runs = form is not None and any(isinstance(atom, Index) for atom, _ in form.terms)
            final.append(operand if form is None or (has_value and not runs) else form)
    return Iverson(tuple(final), relations)


def _operand(operand: Node) -> Node:
    if not isinstance(operand, Affine):
        return operand
    atoms = [atom for atom, _ in operand.terms]
    whole = any(isinstance(atom, Indexed) or (isinstance(atom, Arithmetic) and not atom.free) for atom in atoms)
    if whole and not any(isinstance(atom, Index) for atom in atoms):
        return as_number(operand)
    return operand if all(map(_is_of_indices, atoms)) else as_number(operand)


def _is_of_indices(atom: Node) -> bool:
    """Whether what a quotient or a remainder is taken of is a form to read: ``mod(T[i], 3)`` is that of a value."""
    sides = (atom.left, atom.right) if isinstance(atom, Arithmetic) else ()
    return all(
        (not side.free or _has_index(side)) and all(_is_of_indices(inner) for inner, _ in side.terms) for side in sides
    )


def _has_index(form: Affine) -> bool:
    """Whether an index stands in a form, but for the slots of tensors."""
    atoms = [atom for atom, _ in form.terms]
    sides = (side for atom in atoms if isinstance(atom, Arithmetic) for side in (atom.left, atom.right))
    return any(isinstance(atom, Index) for atom in atoms) or any(map(_has_index, sides))


def as_form(value: Expr) -> Affine | None:
    """An expression of integers, indices and extents as a form, if it is one."""
    parts: list[tuple[Node, int]] = []
    constant = 0
    for term in value.terms if isinstance(value, Add) else (value,):
        factors = term.factors if isinstance(term, Mul) else (term,)
        whole, atoms = 1, list[Node]()
        for factor in factors:
            if isinstance(factor, Const) and factor.value.denominator == 1:
                whole *= int(factor.value)
            elif isinstance(factor, Extent | Position):
                atoms.append(factor if isinstance(factor, Extent) else factor.index)
            else:
                return None
        if len(atoms) > 1:
            return None
        if atoms:
            parts.append((atoms[0], whole))
        else:
            constant += whole
    return affine(*parts, constant=constant)


def index_names(roots: Iterable[Node]) -> set[str]:
    """The names of all indices below, bound ones included."""
    found: set[str] = set()
    for node in preorder(*roots):
        if isinstance(node, Index):
            found.add(node.name)
        elif isinstance(node, Sum | Reduce):
            found.update(index.name for index in node.indices)
    return found
