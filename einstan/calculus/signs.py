"""Signs asked of what is kept: with ``A[n,j] = relu(Z[n,j])`` is ``1[Z[n,j] > 0]`` also ``1[A[n,j] > 0]``.

A backward pass reads A anyway, and Z for its sign alone.  This is how a pass is run, and not how it is printed.
"""

from __future__ import annotations

from einstan.calculus.program import Program, remade
from einstan.language.node import Node, holds, rewrite
from einstan.language.term import ZERO, Apply, Equation, Indexed, Iverson, Name


def signs_of_values(program: Program) -> Program:
    """The program, in which what is positive where a relu of it is has its sign from that."""
    known = {tensor: found for equation in program for tensor, found in _relu(equation)}
    if not known or not any(holds(equation.rhs, Iverson) for equation in program):
        return program

    def rule(node: Node) -> Node:
        if isinstance(node, Iverson) and node.relations == (">",) and node.operands[1] is ZERO:
            access = node.operands[0]
            if isinstance(access, Indexed) and access.tensor in known:
                name, order = known[access.tensor]
                return Iverson((Indexed(name, tuple(access.slots[k] for k in order)), ZERO), node.relations)
        return node

    lines = [Equation(e.name, e.indices, rewrite(e.rhs, rule), e.where) for e in program]
    same = (one is other for one, other in zip(lines, program, strict=True))
    return program if all(same) else remade(program, lines)


def _relu(equation: Equation) -> list[tuple[Name, tuple[Name, list[int]]]]:
    """The tensor of which an equation is the relu, its name, and for each of its axes that of the tensor."""
    of = equation.rhs.arguments[0] if isinstance(equation.rhs, Apply) and equation.rhs.function == "relu" else None
    if not isinstance(of, Indexed) or equation.where:
        return []
    read = [form.index for form in of.slots]
    if len(read) != len(set(read)) or set(read) != set(equation.indices):
        return []
    return [(of.tensor, (equation.name, [read.index(index) for index in equation.indices]))]
