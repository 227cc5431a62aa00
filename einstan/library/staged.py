"""A product along its contraction tree: one equation of two factors for each step.

The gradients of a product of n tensors are n products of n - 1: written out, that is text of n² factors.  The gradients
of the steps are two short equations for each step, so what is derived from them grows as n.
"""

from __future__ import annotations

from collections.abc import Sequence

from einstan.calculus.program import Program
from einstan.language import parse
from einstan.language.term import ONE, Equation
from einstan.machine.plan.plan import Plan


def staged(made: Plan, equation: Equation) -> Program | None:
    """The steps of a plan for one equation as a program of equations; None where some step is no product.

    ``Z[i,l] = A[i,J] B[J,K] C[K,l]`` on a path from the left is ``step_3[i,k] = A[i,J] B[J,k]`` and
    ``Z[i,l] = step_3[i,K] C[K,l]``.
    """
    operations, stored = made.graph.operations, made.tensors[equation.name]
    if stored.value is None or stored.coefficient not in (None, ONE) or None in stored.slots:
        return None
    prefix = "step_"
    while any(str(name).startswith(prefix) for name in made.program.ranks):
        prefix += "_"
    names: dict[int, str] = {}
    equations: list[Equation] = []
    for value in made.order:
        operation = operations[value]
        if operation.kind == "input":
            names[value] = str(operation.detail)
            continue
        if operation.kind != "contract" or operation.detail != len(operation.operands):
            return None
        last = value == stored.value
        names[value] = str(equation.name) if last else f"{prefix}{value}"
        out = [operation.out[axis] for axis in stored.slots if axis is not None] if last else operation.out
        factors = (_access(names[ref.value], ref.labels, operation.out) for ref in operation.operands)
        equations.append(parse(f"{_access(names[value], out, operation.out)} = {' '.join(factors)}"))
    return Program(equations)


def _access(name: str, labels: Sequence[int], free: Sequence[int]) -> str:
    slots = ",".join(f"{'i' if label in free else 'I'}{label}" for label in labels)
    return f"{name}[{slots}]" if slots else name
