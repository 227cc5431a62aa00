"""Derivations whose steps are looked at with numbers, too, where the rules of the calculus alone do not prove them."""

from __future__ import annotations

from dataclasses import replace

from einstan.calculus import derivation
from einstan.calculus.program import Program
from einstan.calculus.proof import Proof
from einstan.language.effort import EffortError, effort
from einstan.language.errors import EinstanError

STEPS = 400_000  # for one step


class Derivations(derivation.Derivations):
    """Those of all tensors on the way to a derivative.

    Examples:
        >>> steps = es.parse("y[i] = x[i]^2").derivation("x")
        >>> len(steps), all(proof.proved for proof in steps.check())
        (1, True)
    """

    __slots__ = ()

    def check(self) -> tuple[Proof, ...]:
        """For each line that follows from another the proof that its right side equals the one before, or the points
        at which the two agree; one that is neither proved nor seen to agree is false.

        Examples:
            >>> all(es.parse("y[i] = x[i]^2").derivation("x").check())
            True
        """
        return tuple(
            proof or _looked_at(part.question(before, after), proof)
            for part in self
            for (before, after), proof in zip(part.pairs(), part.check(), strict=True)
        )


def _looked_at(asked: derivation.Question, proof: Proof) -> Proof:
    from einstan.machine.evidence.verify import compare

    try:
        with effort(STEPS):
            program = Program(asked.definitions.values())
            found = compare(asked.left, asked.right, program, assumptions=asked.rules, quick=True)
    except (EinstanError, EffortError):
        return proof
    return replace(proof, evidence=str(found)) if found else proof
