"""Claims: is one expression equal to another, by the rules of the calculus alone?

A proof puts definitions in place of names, uses the assumptions, and brings both sides into canonical form; where they
are not one object it brings their difference over a common denominator.  What it leaves open is for numbers to decide
(`einstan.machine.verify`): the rules are sound, not complete.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from einstan.calculus.assume import assumed
from einstan.calculus.canonical import canonical, common_denominator, expanded
from einstan.calculus.naming import ForwardNames
from einstan.calculus.partial import Differentiator, Kinks, inlined
from einstan.calculus.program import Assumption, Program, stated_extents
from einstan.calculus.simplify import simplify, simplify_sum
from einstan.language.dims import is_axis, redimensioned
from einstan.language.errors import ClaimError
from einstan.language.index import Index
from einstan.language.node import preorder, replace
from einstan.language.term import ZERO, Add, Equation, Expr, Indexed, Name, Partial, neg, substitute


@dataclass(frozen=True)
class Proof:
    """The outcome: ``proved``, both sides with definitions put in, and the terms by which they differ."""

    proved: bool
    left: Expr
    right: Expr
    difference: tuple[Expr, ...] = ()

    def __bool__(self) -> bool:
        return self.proved


def prove(
    left: Expr, right: Expr, definitions: Mapping[Name, Equation] | None = None, assumptions: Iterable[Assumption] = ()
) -> Proof:
    """Whether ``left = right`` follows from the definitions and assumptions, whose dimensions must agree already."""
    known = definitions or {}
    rules = tuple(assumptions)
    a = simplify(with_definitions(left, known))
    b = simplify(with_definitions(right, known))
    if canonical(a) is canonical(b):
        return Proof(True, a, b)
    difference = expanded(assumed(expanded(simplify_sum((a, neg(b)))), rules))
    if difference is not ZERO:
        difference = expanded(assumed(canonical(difference), rules))
    if difference is ZERO:
        return Proof(True, a, b)
    terms = difference.terms if isinstance(difference, Add) else (difference,)
    numerator, _ = common_denominator(terms)
    if expanded(assumed(expanded(numerator), rules)) is ZERO:
        return Proof(True, a, b)
    named = ForwardNames(known.values())
    return Proof(False, a, b, tuple(named(term) for term in terms))


def prove_partial(claim: Equation, program: Program, kinks: Kinks | None = None) -> Proof:
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
    derived = derived_partial(resolved, definitions, wrt, kinks)
    declared = stated_extents(simplify(resolved.rhs), resolved.where)
    known = _ranges(*definitions.values(), resolved)
    return prove(
        redimensioned(derived, known),  # type: ignore[arg-type]
        redimensioned(declared, known),  # type: ignore[arg-type]
        {n: redimensioned(e, known) for n, e in definitions.items()},  # type: ignore[misc]
        whole.resolved_assumptions(),
    )


def _ranges(*equations: Equation) -> dict[str, str]:
    """Indices of which two equations state the same number of values run over one dimension."""
    stated = [pair for equation in equations for pair in equation.where]
    return {i.dim: f"range {form.constant}" for i, form in stated if not form.terms and not is_axis(i.dim)}


def derived_partial(
    claim: Equation, definitions: Mapping[Name, Equation], wrt: Name, kinks: Kinks | None = None
) -> Expr:
    """The partial that the claim is about, in the claim's letters; dimensions must agree already."""
    assert isinstance(claim.name, Partial)
    numerator = definitions[claim.name.of]
    above, below = claim.indices[: claim.name.rank], claim.indices[claim.name.rank :]
    apart = tuple(Index(f"{i.name}'", i.dim) for i in below)
    forward = substitute(numerator.rhs, dict(zip(numerator.indices, above, strict=True)))
    inner = {n: e for n, e in definitions.items() if n != numerator.name}
    terms = Differentiator(wrt, apart, inner, kinks=kinks).terms(simplify(forward))  # type: ignore[arg-type]
    total = simplify_sum(term.with_in_place(()) for term in terms)
    total = stated_extents(total, [pair for equation in definitions.values() for pair in equation.where])
    return substitute(total, dict(zip(apart, below, strict=True)))  # type: ignore[return-value]


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
        expr = replace(expr, accesses)  # type: ignore[arg-type]
