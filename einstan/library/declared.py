"""Declared partials: each is proved, or at least agrees with the derived one at random points, or is refused."""

from __future__ import annotations

from dataclasses import dataclass

from einstan.calculus.collect import shortest
from einstan.calculus.partial import partial
from einstan.calculus.program import Program
from einstan.calculus.proof import prove_partial
from einstan.calculus.simplify import simplify_sum
from einstan.language.errors import ClaimError
from einstan.language.index import Index, fresh_name
from einstan.language.node import Node, fold
from einstan.language.place import Place
from einstan.language.term import Equation, Expr, Partial, Reduce, Sum, bound_indices, rebound, substitute


@dataclass(frozen=True)
class Verdict:
    """A declared partial and how it is known to be right: proved by the calculus, or by agreement at random points.

    Examples:
        >>> from einstan.layers import relu
        >>> (verdict,) = relu.report
        >>> print(verdict.claim, verdict.proved, verdict.how)
        dA[n,j]/dZ[m,q] = δ[n,m] δ[j,q] 1[Z[n,j] > 0] True proved
    """

    claim: Equation
    proved: bool
    how: str

    def __str__(self) -> str:
        return f"{self.claim}  ({self.how})"


def judge(claim: Equation, program: Program) -> Verdict:
    """Prove a declared partial of a program's tensor, or else compare it with the derived one at random points.

    Raises `ClaimError` with the terms that differ and a counterexample where the two differ.
    """
    proof = prove_partial(claim, program)
    if proof.proved:
        return Verdict(claim, True, "proved")
    from einstan.machine.evidence.verify import compare  # a layer whose partials are proved does not load it

    derived = derived_like(claim, program)
    found = compare(derived, claim, program)
    if found or found.isolated:
        return Verdict(claim, False, str(found) if found else "equal but at a kink")
    inferred = [f"derived:  {derived}"]
    if found.verdict == "undecided":
        raise ClaimError(
            "this could neither be proved nor compared with the derived partial",
            **_right_side(claim),
            inferred=[*inferred, str(found)],
            repair="declare it in the form in which it is derived, or leave it out",
        )
    *arrays, numbers = str(found).splitlines()
    difference = readable(shortest(simplify_sum(proof.difference)))
    raise ClaimError(
        "this is not the derivative",
        **_right_side(claim),
        inferred=[
            *inferred,
            f"derived minus declared:  {difference}",
            *(f"for example, with {line}" if k == 0 else f"{'':13}and  {line}" for k, line in enumerate(arrays)),
            numbers.replace("left", "derived").replace("right", "declared"),
        ],
        repair="declare the derived partial, or leave it out",
    )


def _right_side(claim: Equation) -> Place:
    text = str(claim)
    start = text.index(" = ") + len(" = ")
    return Place(text=text, span=(start, start + len(text[start:].partition(" where ")[0])))


def derived_like(claim: Equation, program: Program) -> Equation:
    """The derived partial, in the letters of the claim."""
    assert isinstance(claim.name, Partial)
    numerator = program[claim.name.of]
    others = {name: equation for name, equation in program.defined.items() if name != numerator.name}
    letters = [index.name for index in claim.indices[claim.name.rank :]]
    above = dict(zip((i.name for i in numerator.indices), (i.name for i in claim.indices), strict=False))
    if any(old != new for old, new in above.items()) or set(letters) & set(above):
        return partial(numerator, claim.name.wrt[0][0], definitions=others)
    return partial(numerator, claim.name.wrt[0][0], letters, others)


def readable(expr: Expr) -> Expr:
    """The expression with capitals for the bound indices that a canonical form has numbered."""
    taken = {index.name for index in (*expr.free, *bound_indices(expr))}
    letters: dict[Index, Index] = {}
    for index in bound_indices(expr):
        if not index.name.isalnum():
            letters[index] = Index(fresh_name("K", taken), index.dim)
            taken.add(letters[index].name)

    def rule(node: Node, children: tuple[Node, ...]) -> Node:
        if isinstance(node, Sum | Reduce):
            new = {index: letters.get(index, index) for index in node.indices}
            return rebound(node, tuple(new.values()), substitute(children[0], new))
        return node.over(children)

    result = fold(expr, rule)
    assert isinstance(result, Expr)
    return result
