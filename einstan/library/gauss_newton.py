"""Gauss-Newton products: ``Jᵀ H J v``, where J is the Jacobian of a model's outputs and H the loss's Hessian in them.

Where the loss is convex in the outputs, the Gauss-Newton matrix has no negative eigenvalue, whatever the model; it is
the Hessian without the second derivatives of the model (Schraudolph, "Fast curvature matrix-vector products", 2002).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from einstan.calculus import program as calculus
from einstan.calculus.backward import joined
from einstan.calculus.passes import needed, reached, require_defined, require_tensor
from einstan.language.arguments import checked
from einstan.language.errors import DifferentiationError
from einstan.language.place import at
from einstan.library import api

LETTER = "g"


@checked
def gauss_newton(
    program: api.Program,
    loss: str,
    outputs: Sequence[str],
    directions: api.Directions,
    batch: str | None = None,
    letter: str = LETTER,
    **options: Any,
) -> api.Program:
    """``gW = Jᵀ H J V`` for ``directions={"W": "V"}``, by three passes: jvp to the outputs, hvp of the loss, vjp back.

    The outputs are tensors through which alone the loss depends on what has a direction.  A parameter may be one of
    them: with ``outputs=["Z", "W"]`` a penalty on W counts with its own Hessian.

    Raises `DifferentiationError` where the loss depends on a direction's tensor otherwise than through the outputs.
    """
    known = api.Program(program.known, program.known.assumptions, letters=program.letters)
    tangent, cotangent = known._letter("t"), known._letter("d")
    given = known._named(directions, tangent)
    head = head_of(program, loss, outputs, given)
    moved = [name for name in outputs if name not in given]
    along = {name: given.get(name, f"{tangent}{name}") for name in outputs}
    pushed = known.jvp(moved, given, batch, **options) if moved else ()
    bent = head.hvp(loss, along, batch, **options)
    curved = calculus.Program(needed([*bent.known], [f"{tangent}{cotangent}{name}" for name in outputs]))
    own = [e for e in curved if e.name not in known.defined]
    pulled = known.vjp(
        {name: f"{tangent}{cotangent}{name}" for name in outputs}, map(str, given), batch, letter=letter, **options
    )
    equations = joined(calculus.Program(pushed), calculus.Program(own), pulled)
    letters = (*program.letters, tangent, cotangent, letter)
    beside = (*program.given, *((direction, name) for name, direction in given.items()))
    return api.Program(equations, forward=known, letters=letters, given=beside, of=(known._name(loss),))


def head_of(program: api.Program, loss: str, outputs: Sequence[str], given: Iterable[Any]) -> api.Program:
    """The equations from the outputs to the loss; the error where something given gets there in another way."""
    known = calculus.Program(program.known, program.known.assumptions)
    require_defined(known, loss)
    for name in outputs:
        require_tensor(known, name)
    head = needed([e for e in known if e.name not in outputs], [loss])
    made = api.Program(head, known.assumptions, letters=program.letters)
    _refuse_other_ways(made, known, loss, outputs, given)
    return made


def _refuse_other_ways(
    head: calculus.Program, known: calculus.Program, loss: str, outputs: Sequence[str], given: Iterable[Any]
) -> None:
    """Every way from a direction's tensor to the loss leads through an output."""
    behind = reached(head.reads, loss)
    for name in outputs:
        if name not in behind:
            raise DifferentiationError(
                f"{loss} does not depend on {name}, so it is no output of the model",
                **at(known[loss], loss),
                repair=f"leave {name} out of the outputs",
            )
    for name in given:
        if name in behind and name not in outputs:
            reader = next(e for e in head if name in head.reads[e.name])
            raise DifferentiationError(
                f"{loss} depends on {name} not only through {', '.join(outputs)}",
                **at(reader, name),
                inferred=f"the Gauss-Newton product would leave out the curvature that {name} has here",
                repair=f"outputs={[*outputs, name]!r} counts it with its own Hessian",
            )
