"""A claim on gradients among the lines of the backward pass, where each gradient is a tensor that a line defines.

``dW[d,k] = X[T,d] de[T,k]`` with both gradients worked out down to the inputs is long where the program is deep.  It is
short where ``dW`` and ``de`` are names: the chain-rule contractor gives a line for each, and the claim is compared with
these lines.  Nothing that a document defines or reads by such a name is taken for the contractor's.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import cast

from einstan.calculus.backward import backward
from einstan.calculus.passes import pass_name, reached
from einstan.calculus.program import Program
from einstan.calculus.proof import prove, same_in_turn
from einstan.language.errors import EinstanError
from einstan.language.node import preorder, replace
from einstan.language.statement import Claim, Document, Statement
from einstan.language.term import Expr, Indexed, Name, tensors
from einstan.library.part import Part
from einstan.library.questions import Question


def among_cotangents(claim: Claim, part: Part) -> tuple[Claim, Part] | None:
    """The claim, and the part with a line for each gradient that it names; None where it names none, or those of
    several scalars, or where a name of it is another's in these lines."""
    if part.given:  # whose derivatives have names of their own
        return None
    named = tensors(claim.lhs, claim.rhs)
    try:
        gradients = {name: found for name in named if (found := _gradient(name, part)) is not None}
    except EinstanError:  # which is told of the claim as it stands
        return None
    losses = {loss for loss, _ in gradients.values()}
    if len(losses) != 1:
        return None
    whole = _with_pass(part, losses.pop(), frozenset(wrt for _, wrt in gradients.values()))
    names = {name: pass_name("d", wrt) for name, (_, wrt) in gradients.items()}
    if whole is None or not whole.program.defined.keys() >= {*names.values()}:
        return None
    if any(n in whole.program.defined and n not in part.program.defined for n in {*named} - {*names}):
        return None
    return Claim(_renamed(claim.lhs, names), _renamed(claim.rhs, names), claim.where), whole


def equal_by_lines(asked: Question, lines: Collection[Name]) -> bool:
    """Whether both sides are equal by some of the lines: with forward values as names; with these put in too, and all
    gradients of the claim as names but that which rests on most; with everything put in, one by one."""
    left, right, known = asked.left, asked.right, asked.definitions
    named = [name for name in known if name in lines and name in tensors(left, right)]
    last = [equation.name for equation in Program(known.values()) if equation.name in named][-1:]
    stages = (
        {name: line for name, line in known.items() if name in lines},
        {name: line for name, line in known.items() if name not in named or name in last},
    )
    return (
        any(same_in_turn(left, right, stage) for stage in stages)
        or any(prove(left, right, stage, asked.assumptions).proved for stage in stages)
        or same_in_turn(left, right, known)
    )


def _gradient(name: Name, part: Part) -> tuple[Name, Name] | None:
    """The scalar and the tensor of a gradient; None of any other name."""
    if not part.is_derivative(name):
        return None
    if isinstance(name, str):
        return part.loss(name[1:]), name[1:]
    defined = part.program.defined.get(name.of)
    return (name.of, name.wrt[0][0]) if defined and not defined.indices and len(name.wrt) == 1 else None


def _with_pass(part: Part, loss: Name, wrt: frozenset[Name]) -> Part | None:
    """The part with the backward pass of a scalar as it is printed where that has all that is asked for, else with that
    of these tensors; None where there is none."""
    try:
        for name in wrt:
            part.refuse_tied(name)
    except EinstanError:
        return None
    whole = _joined(part, loss, frozenset())
    if whole is not None and all(pass_name("d", name) in whole.program.defined for name in wrt):
        return whole
    return _joined(part, loss, wrt)


def _joined(part: Part, loss: Name, wrt: frozenset[Name]) -> Part | None:
    """The part with a backward pass, of all that it can be of where nothing is named; None where there is none, or it
    ties more lengths than the part.  Claims on the gradients of one part share it."""
    known, key = part.program.notes, ("with its backward pass", loss, wrt)
    if key in known:
        return cast(Part | None, known[key])
    known[key] = None  # and if this takes too long, it is not tried again
    behind = reached(part.program.reads, loss)
    if any(map(part.is_derivative, behind)):  # which a pass takes for inputs
        return None
    try:
        passed = backward(part.program, loss, list(wrt) or None, kinks=part.kinks)
        lines = [Statement("equation", line, 0) for line in passed]
        whole = Part(Document((*part.document.statements, *lines)))
    except EinstanError:
        return None
    roots = {part.program.dims.find(dim): whole.program.dims.find(dim) for dim in part.program.dims.members()}
    if len(set(roots.values())) == len(roots):
        known[key] = whole
    return cast(Part | None, known[key])


def _renamed(side: Expr, names: Mapping[Name, str]) -> Expr:
    found = (node for node in preorder(side) if isinstance(node, Indexed) and node.tensor in names)
    return replace(side, {node: Indexed(names[node.tensor], node.slots) for node in found})
