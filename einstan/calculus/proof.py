"""Claims: is one expression equal to another, by the rules of the calculus alone?

A proof puts definitions in place of names, uses the assumptions, and brings both sides into canonical form; where they
are not one object it brings their difference over a common denominator.  What it leaves open is for numbers to decide
(`einstan.machine.evidence.verify`): the rules are sound, not complete.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from einstan.calculus.alpha import alpha
from einstan.calculus.assume import assumed
from einstan.calculus.brackets import decided
from einstan.calculus.canonical import canonical, common_denominator, expanded
from einstan.calculus.cases import cases
from einstan.calculus.naming import ForwardNames
from einstan.calculus.partial import Differentiator, inlined
from einstan.calculus.program import (
    Assumption,
    Program,
    extents_in_part,
    extents_told,
    refuse_several_ranges,
    stated_extents,
)
from einstan.calculus.simplify import simplify, simplify_sum
from einstan.calculus.symmetries import averaged, symmetries
from einstan.language.dims import UnionFind, redimensioned
from einstan.language.effort import question
from einstan.language.errors import ClaimError
from einstan.language.index import Affine, Index, affine
from einstan.language.node import Node, holds, preorder, replace
from einstan.language.term import (
    ZERO,
    Add,
    Apply,
    Const,
    Equation,
    Expr,
    Extent,
    Indexed,
    Name,
    Partial,
    neg,
    substitute,
    tensors,
)

RANGE = "range"  # and a form: the dimension of indices of which equations state how many values they take


@dataclass(frozen=True)
class Proof:
    """The outcome: ``proved``, both sides with definitions put in, and the terms by which they differ.  What is not
    proved need not be wrong: ``evidence`` says where numbers agree, if they were looked at and do."""

    proved: bool
    left: Expr
    right: Expr
    difference: tuple[Expr, ...] = ()
    evidence: str = ""

    def __bool__(self) -> bool:
        return self.proved or bool(self.evidence)

    def __str__(self) -> str:
        return "proved" if self.proved else self.evidence or "not proved"


@question
def prove(
    left: Expr, right: Expr, definitions: Mapping[Name, Equation] | None = None, assumptions: Iterable[Assumption] = ()
) -> Proof:
    """Whether ``left = right`` follows from the definitions and assumptions, whose dimensions must agree already."""
    known = definitions or {}
    rules = tuple(assumptions)
    a, b, same = same_form(left, right, known)
    if same:
        return Proof(True, a, b)
    found = _multiplied_out(a, b, rules)
    difference = expanded(assumed(canonical(found), rules)) if found is not ZERO else found
    terms = _terms(difference)
    if not has_no_value(a, b, canonical(a), canonical(b), found, difference):
        if difference is ZERO or decided(difference) is ZERO:
            return Proof(True, a, b)
        numerator, denominator = common_denominator(terms)
        closed = denominator is not ZERO and expanded(assumed(expanded(numerator), rules)) is ZERO
        if closed or _zero_by_symmetry(difference, rules):
            return Proof(True, a, b)
        choice = cases(rules, (a, b))
        if choice and all(_closes(a, b, case) for case in choice):
            return Proof(True, a, b)
    if len(_terms(found)) == len(terms):
        terms = _terms(found)  # the same, in the order and the letters in which they were written
    named = ForwardNames(known.values())
    return Proof(False, a, b, tuple(named(term) for term in terms))


def _closes(a: Expr, b: Expr, rules: tuple[Assumption, ...]) -> bool:
    """Whether two sides are equal in a case of what is assumed, or another assumption says that it is none."""
    chosen, *others = rules
    for other in others:
        sides = [assumed(simplify(side), (chosen,)) for side in (other.lhs, other.rhs)]
        if all(isinstance(side, Const) for side in sides) and sides[0] is not sides[1]:
            return True
    return expanded(assumed(canonical(_multiplied_out(a, b, rules)), rules)) is ZERO


def _zero_by_symmetry(difference: Expr, rules: tuple[Assumption, ...]) -> bool:
    """Whether a difference vanishes once every symmetric tensor is written as the mean over its symmetry."""
    groups = symmetries(rules)
    if not any(isinstance(node, Indexed) and node.tensor in groups for node in preorder(difference)):
        return False
    free = expanded(simplify(averaged(difference, groups)))
    return free is ZERO or decided(free) is ZERO or expanded(common_denominator(_terms(free))[0]) is ZERO


def differing_terms(
    left: Expr, right: Expr, definitions: Mapping[Name, Equation] | None = None, assumptions: Iterable[Assumption] = ()
) -> tuple[Expr, ...]:
    """The terms of left minus right, multiplied out; none where nothing is left.  This is what is cheap of a proof, for
    sides that are known to differ."""
    a, b = (simplify(with_definitions(side, definitions or {})) for side in (left, right))
    found = _multiplied_out(a, b, tuple(assumptions))
    return () if found is ZERO else _terms(found)


def _multiplied_out(a: Expr, b: Expr, rules: tuple[Assumption, ...]) -> Expr:
    return expanded(assumed(expanded(simplify_sum((a, neg(b)))), rules))


def same_form(left: Expr, right: Expr, definitions: Mapping[Name, Equation] | None = None) -> tuple[Expr, Expr, bool]:
    """Both sides with the definitions put in, and whether their canonical forms are one: what is cheap of a proof."""
    a = _with_ranges(simplify(with_definitions(left, definitions or {})))
    b = _with_ranges(simplify(with_definitions(right, definitions or {})))
    # Most true claims are one but for letters and order, and need not be multiplied out.
    same = a is b or alpha(a) is alpha(b) or canonical(a) is canonical(b)
    return a, b, same and not has_no_value(a, b, canonical(a), canonical(b))


def has_no_value(*sides: Expr) -> bool:
    """Whether something is divided by zero, or the logarithm of zero taken: ``1[i != 0] x[i] / i`` has a value, and of
    ``(1 - δ[i,0]) x[i] / i`` the second term has none; with such anything can be proved."""
    for node in preorder(*sides):
        if isinstance(node, Apply) and node.arguments and node.arguments[0] is ZERO:
            exponent = node.arguments[-1]
            negative = node.function == "pow" and isinstance(exponent, Const) and exponent.value < 0
            if negative or node.function == "log":
                return True
    return False


def same_in_turn(left: Expr, right: Expr, definitions: Mapping[Name, Equation]) -> bool:
    """Whether both sides have one form at some stage of putting the definitions in one by one, each before those that
    it reads: sides that a few lines tell to be equal are not worked out down to the inputs."""
    a, b, same = same_form(left, right)
    for name in reversed(Program(definitions.values()).equations):
        read = tensors(a, b)
        if same or not any(other in definitions for other in read):
            break
        if name.name in read:
            only = {name.name: name}
            a, b, same = same_form(a, b, only)
    return same


def _terms(total: Expr) -> tuple[Expr, ...]:
    return total.terms if isinstance(total, Add) else (total,)


def prove_partial(claim: Equation, program: Program) -> Proof:
    """Whether a claimed partial, ``dZ[n,j]/dX[m,p] = ...``, is the one that the calculus derives from the program.

    The claim may name forward values of the program, its own numerator among them.
    """
    name = claim.name
    if not isinstance(name, Partial) or len(name.wrt) != 1:
        raise ClaimError("a claimed partial has a derivative on its left, such as dZ[n,j]/dX[m,p]", text=str(claim))
    if name.of not in program.defined:
        raise ClaimError(f"no equation defines {name.of}", text=str(claim), repair=f"define {name.of} first")
    whole = Program((*program.equations, claim), program.assumptions)
    definitions = {e.name: whole.resolved(e) for e in program.equations}
    resolved = whole.resolved(claim)
    wrt = name.wrt[0][0]
    derived = derived_partial(resolved, definitions, wrt)
    sides = (Equation(name, resolved.indices, side, resolved.where) for side in (derived, resolved.rhs))
    left, right, *known = on_stated_ranges(*sides, *definitions.values())
    return prove(left.rhs, right.rhs, {e.name: e for e in known}, whole.resolved_assumptions())


def on_stated_ranges(*equations: Equation) -> list[Equation]:
    """The equations with stated extents put in, and one dimension for all indices of which they state the same number
    of values, or the same form of the extents of axes."""
    stated = [pair for equation in equations for pair in extents_told(equation)]
    parts = [each for equation in equations for each in extents_in_part(equation)]
    if not (stated or parts):
        return list(equations)
    axes = [pair for equation in equations for pair in equation.where]
    classes = UnionFind()
    for index, form in (*((part.index, part.extent) for part in parts), *axes, *stated):
        classes.union(index.dim, _range(form))
    names: dict[str, str] = {}
    for dim in sorted(classes.members(), key=lambda dim: not dim.startswith(f"{RANGE} ")):  # what says a form
        names.setdefault(classes.find(dim), dim)
    dims = {dim: names[classes.find(dim)] for dim in classes.members()}
    told = (Equation(e.name, e.indices, stated_extents(simplify(e.rhs), stated), e.where) for e in equations)
    return [redimensioned(equation, dims) for equation in told]


def same_ranges(told: Iterable[tuple[Index, Affine]]) -> dict[str, str]:
    """The dimensions of indices that run equally far, to the first of them."""
    first: dict[str, str] = {}
    return {index.dim: first.setdefault(_range(form), index.dim) for index, form in told}


def _range(form: Affine) -> str:
    """The dimension of the indices that run so far: that of an axis, or ``range 1*x.0 2`` for ``|x.0| + 2``."""
    terms = sorted((atom.index.dim, k) for atom, k in form.terms if isinstance(atom, Extent))
    if len(terms) == 1 and not form.constant and terms[0][1] == 1:
        return terms[0][0]
    if len(terms) < len(form.terms):  # a quotient
        extents = (node for node in preorder(form) if isinstance(node, Extent))
        by_axis: dict[Node, Node] = {node: Extent(Index(node.index.dim)) for node in extents}
        return f"as long as {replace(form, by_axis)}"
    return " ".join((RANGE, *(f"{k}*{dim}" for dim, k in terms), str(form.constant)))


def _form(dim: str) -> Affine:
    """The form that the name of a range says."""
    _, *terms, constant = dim.split(" ")
    pairs = (term.split("*") for term in terms)
    return affine(*((Extent(Index(axis)), int(k)) for k, axis in pairs), constant=int(constant))


def derived_partial(claim: Equation, definitions: Mapping[Name, Equation], wrt: Name) -> Expr:
    """The partial that the claim is about, in the claim's letters; dimensions must agree already."""
    assert isinstance(claim.name, Partial)
    numerator = definitions[claim.name.of]
    above, below = claim.indices[: claim.name.rank], claim.indices[claim.name.rank :]
    apart = tuple(Index(f"{i.name}'", i.dim) for i in below)
    forward = substitute(numerator.rhs, dict(zip(numerator.indices, above, strict=True)))
    inner = {n: e for n, e in definitions.items() if n != numerator.name}
    refuse_several_ranges(definitions.values())
    terms = Differentiator(wrt, apart, inner).terms(simplify(forward))
    total = simplify_sum(term.with_in_place(()) for term in terms)
    total = stated_extents(total, [pair for equation in definitions.values() for pair in equation.where])
    return substitute(total, dict(zip(apart, below, strict=True)))


def _with_ranges(expr: Expr) -> Expr:
    """The expression with extents of stated ranges as what is stated; a used delta leaves them in its guard."""
    if not holds(expr, Extent):
        return expr
    found = [node.index for node in preorder(expr) if isinstance(node, Extent)]
    return stated_extents(expr, [(i, _form(i.dim)) for i in found if i.dim.startswith(f"{RANGE} ")])


def with_definitions(expr: Expr, definitions: Mapping[Name, Equation]) -> Expr:
    """Every defined tensor replaced by its right side, until only inputs are left."""
    while True:
        accesses = {
            node: inlined(node, definitions[node.tensor])
            for node in preorder(expr)
            if isinstance(node, Indexed) and node.tensor in definitions
        }
        if not accesses:
            return expr
        expr = simplify(replace(expr, accesses))  # so that what doubles is a number times one
