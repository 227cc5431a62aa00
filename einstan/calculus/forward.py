"""The tangent pass: from any graph of equations and a direction to directional derivatives, as equations.

Walking the program forwards, every tensor ``T`` that matters gets one named tangent ``tT``: the sum, over every access
``U[s]`` in its equation, of ``∂rhs/∂U[s] × tU[s]``, by the same rules as the backward pass, forward values named.  An
equation holds the partials of one step alone, so its length does not grow with depth.  The tangent of a tensor that is
differentiated by is its direction.  A backward pass is a program too: its tangents are Hessian-vector products.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from einstan.calculus.assume import assumed
from einstan.calculus.carried import Brackets, Carried, brackets_of
from einstan.calculus.factors import flattened
from einstan.calculus.naming import Behind, ForwardNames
from einstan.calculus.partial import Differentiator, Kinks, refuse_compared, scalars
from einstan.calculus.parts import shortest_named
from einstan.calculus.passes import (
    batch_index,
    between,
    needed,
    pass_equation,
    pass_name,
    reached,
    refuse_collisions,
    refuse_given,
    require_defined,
    require_letters,
    require_some,
    require_tensor,
    values_read,
)
from einstan.calculus.program import Assumption, InPart, Program, extents_behind, stated_extents
from einstan.calculus.ranges import Ranges
from einstan.calculus.residuals import residuals_named, with_residuals
from einstan.calculus.simplify import simplify_product, simplify_sum
from einstan.calculus.stable import stabilised
from einstan.calculus.uses import held_by
from einstan.language.arguments import checked
from einstan.language.dims import axis
from einstan.language.errors import DifferentiationError
from einstan.language.index import Index
from einstan.language.place import at
from einstan.language.term import ZERO, Add, Const, Equation, Expr, Indexed, Name, substitute


@checked
def jvp(
    program: Program,
    of: Iterable[Name],
    directions: Mapping[Name, Name],
    *,
    batch: str | None = None,
    assume: bool = True,
    kinks: Kinks | None = None,
    letter: str = "t",
    zeros: bool = False,
) -> Program:
    """The Jacobian-vector product: ``tZ[z] = sum[u](∂Z[z]/∂U[u] V[u])`` for ``directions={"U": "V"}``, by one pass.

    One equation ``tT[t] = ...`` for each tensor in ``of`` and all on the way.  A direction is a new tensor of the shape
    of what it belongs to; with ``batch="r"`` it has one more index in front, ``V[r,u]``, and so has every tangent: one
    equation for all directions.  With several directions the products are added.  A tensor that an equation defines may
    have a direction too; it is then varied by itself.  The equations read forward values and each other; run them with
    the forward program.  ``letter`` stands before a tensor's name in that of its tangent.

    Raises `ProgramError` for a tensor that there is not, or whose name is taken, and `DifferentiationError` where a
    tensor of ``of`` does not depend on any direction, or a direction enters as an integer or through comparisons alone.
    With ``zeros``, which is for the derivatives of derivatives, what does not depend has the tangent zero.
    """
    wanted = list(dict.fromkeys(of))
    require_some(wanted, "tensors to differentiate")
    require_letters(letter, batch)
    require_some(directions, "directions")
    entering = values_read(program)
    behind = {name: reached(entering, name) for name in wanted}
    for name in wanted:
        require_defined(program, name)
    for name, direction in directions.items():
        require_tensor(program, name)
        refuse_given(program, name, direction, "direction of")
        if not zeros and not any(name in below for below in behind.values()):
            raise _independent(program, wanted[0], name, behind[wanted[0]])
        _refuse_nested(program, directions, name, reached(entering, name))
    program, residuals = residuals_named(program)
    forward = stabilised(program, keep=list(directions))
    reads = values_read(forward)
    live = between(forward, reads, directions, wanted)
    refuse_collisions(program, letter, "tangent of", live - set(directions))
    names = ForwardNames(forward)
    assumptions = program.resolved_assumptions() if assume else ()
    stated, ranges = extents_behind(forward), Ranges(forward)
    index = batch_index(batch, directions, scalars(*program))
    for name, direction in directions.items():  # which has the axes of its tensor
        ranges.learn(direction, (*index, *_apart(program, name)))

    moved = {**{name: pass_name(letter, name) for name in live}, **directions}
    stated = [each.along(moved, len(index)) if isinstance(each, InPart) else each for each in stated]
    carried = Carried(forward, names.parts)
    tangents: dict[Name, Name] = dict(directions)
    equations: list[Equation] = []
    for equation in forward:
        if equation.name not in live or equation.name in directions:
            continue
        moving = [read for read in reads[equation.name] if read in tangents]
        parts: list[Expr] = []
        written, brackets = carried.written(equation), list[Brackets]()
        for read in moving:
            apart = _apart(program, read)
            own = held_by(equation.rhs, read)
            terms = Differentiator(read, apart, rename=names, kinks=kinks, held=own).terms(equation.rhs)
            for term in terms:
                held = carried.at(read, [form for form, _ in term.pairs])
                whole = carried.opened(term, written, Indexed(tangents[read]))
                parts.append(whole.along(read, tangents[read], index, carried.needed(term, read, held)))
                brackets.append((*brackets_of((*term.left, *term.right), written), *held))
        if parts:
            name = tangents[equation.name] = pass_name(letter, equation.name)
            value = _total(parts, set(tangents.values()), stated, names, assumptions)
            carried.learn(name, equation.name, equation.indices, value, brackets)
            equations.append(pass_equation(name, equation.name, index, equation.indices, value, stated, ranges=ranges))
    for name in () if zeros else directions:
        refuse_compared(program.defined, [program[each] for each in wanted], name)
    for name in wanted:
        if name not in directions and name not in tangents:
            if not zeros:
                _refuse_still(program, name, directions)
            indices = program.resolved(program[name]).indices
            equations.append(pass_equation(pass_name(letter, name), name, index, indices, ZERO))
    kept = needed(equations, [pass_name(letter, name) for name in wanted])
    return Program(with_residuals(kept, residuals), ())


# ---- pieces ----------------------------------------------------------------------------------------------------------


def _apart(program: Program, name: Name) -> tuple[Index, ...]:
    """Indices over the axes of a tensor that no text has."""
    return tuple(Index(f"{k}'", program.dims.find(axis(str(name), k))) for k in range(program.ranks[name]))


def _total(
    parts: Sequence[Expr],
    tangents: Collection[Name],
    stated: Sequence[Behind],
    names: ForwardNames,
    assumptions: Sequence[Assumption],
) -> Expr:
    total = assumed(names(stated_extents(simplify_sum(parts), stated)), assumptions)
    return stated_extents(names.orders(shortest_named(_aligned(total, tangents), names.parts)), stated)


def _aligned(total: Expr, tangents: Collection[Name]) -> Expr:
    """The terms with the same letters where they sum over a tangent's slots, so that they can be collected.

    ``S[N,K] tZ[N,K] - Y[N,C] tZ[N,C]`` is ``(S[N,C] - Y[N,C]) tZ[N,C]``.  A letter is that of one dimension: beside
    ``x[J] x[J+1]`` there is one tx[J] less than of ``x[I] tx[I]``.
    """
    if not isinstance(total, Add):
        return total
    letters: dict[tuple[Name, int, str], Index] = {}
    return simplify_sum(_with_letters(term, tangents, letters) for term in total.terms)


def _with_letters(term: Expr, tangents: Collection[Name], letters: dict[tuple[Name, int, str], Index]) -> Expr:
    coefficient, flat, summed = flattened((term,))
    new: dict[Index, Index] = {}
    for factor in flat:
        if isinstance(factor, Indexed) and factor.tensor in tangents:
            for position, form in enumerate(factor.slots):
                if form.index in summed and form.index not in new:
                    new[form.index] = letters.setdefault((factor.tensor, position, form.index.dim), form.index)
    kept = {index.name for factor in flat for index in factor.free if index not in new}
    kept |= {index.name for index in summed if index not in new}
    if len(set(new.values())) < len(new) or kept & {index.name for index in new.values()}:
        return term
    renamed: list[Expr] = [substitute(factor, new) for factor in flat]
    return simplify_product((Const(coefficient), *renamed), [new.get(index, index) for index in summed])


def _refuse_still(program: Program, name: Name, directions: Mapping[Name, Name]) -> None:
    """A wanted tensor that no direction moves: an error, unless what moved it has cancelled, as in ``x - x``."""
    below = reached(values_read(program), name)
    if not (moving := below & set(directions)):
        raise _independent(program, name, next(iter(directions)), below)
    for each in moving:
        refuse_compared(program.defined, [program[name]], each)


def _independent(program: Program, of: Name, wrt: Name, behind: set[Name]) -> DifferentiationError:
    return DifferentiationError(
        f"{of} does not depend on {wrt}, so nothing moves along a direction of {wrt}",
        **at(program[of], of),
        inferred=f"{of} depends on " + (", ".join(str(n) for n in program.ranks if n in behind) or "no tensor"),
        repair=f"leave {wrt} out of the directions",
    )


def _refuse_nested(program: Program, directions: Mapping[Name, Name], name: Name, behind: Collection[Name]) -> None:
    inner = [other for other in directions if other in behind]
    if inner:
        raise DifferentiationError(
            f"{name} depends on {inner[0]}, so it cannot be varied by itself together with {inner[0]}",
            **at(program[name], inner[0]),
            inferred=f"directions were given for {', '.join(map(str, directions))}",
            repair=f"give a direction to {inner[0]} alone: that of {name} follows",
        )
