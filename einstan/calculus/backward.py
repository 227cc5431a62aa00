"""The chain-rule contractor: from any graph of equations and a scalar to its backward pass, as equations.

Walking the program backwards, every tensor ``U`` that matters gets one named cotangent ``dU``: the sum, over every
equation ``T[t] = rhs`` that reads it, of ``sum[t](dT[t] × ∂rhs/∂U[u])``, deltas used up, forward values named.  An
equation holds the local partials of one step alone, so its length does not grow with depth, and their number grows
linearly.  Nothing here knows a layer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from einstan.calculus.assume import assumed
from einstan.calculus.naming import ForwardNames, derived_equation
from einstan.calculus.partial import Differentiator, Kinks, Term, denominator_indices, only_compared, scalars
from einstan.calculus.parts import shortest_named
from einstan.calculus.program import Program, stated_extents
from einstan.calculus.simplify import simplify_sum
from einstan.calculus.stable import stabilised
from einstan.language.dims import is_axis
from einstan.language.errors import DifferentiationError, ProgramError, nearest
from einstan.language.index import Index
from einstan.language.place import at
from einstan.language.term import ZERO, Const, Equation, Expr, Indexed, Name, substitute, tensors


def backward(
    program: Program,
    loss: Name,
    wrt: Iterable[Name] | None = None,
    *,
    assume: bool = True,
    kinks: Kinks | None = None,
) -> Program:
    """The backward pass of a scalar: one equation ``dU[u] = ...`` for each tensor in ``wrt`` and all on the way.

    ``wrt`` defaults to the inputs that the loss depends on.  With ``assume=False`` the program's assumptions are not
    used.  The equations read forward values and each other; run them with the forward program (`joined`).

    Raises `ProgramError` for an unknown or non-scalar loss, `DifferentiationError` where the loss does not depend on
    a tensor, or depends on it only as an integer or through comparisons.
    """
    _check_loss(program, loss)
    behind = dependencies(program, loss)
    if wrt is None:
        wanted = [name for name in program.inputs if name in behind and not _only_in_slots(program, name)]
    else:
        wanted = list(dict.fromkeys(wrt))
        for name in wanted:
            _check_wrt(program, loss, name, behind)
    forward = stabilised(program, keep=wanted)
    reads = {equation.name: tuple(tensors(equation.rhs)) for equation in forward}
    live = _between(forward, reads, wanted, loss)
    _check_names(program, live)
    names = ForwardNames(equation for equation in forward if equation.name != loss)
    assumptions = program.resolved_assumptions() if assume else ()
    # The forward tensors that a backward pass reads have the extents of their axes; others must be stated again.
    stated = [(index, form) for equation in forward for index, form in equation.where if not is_axis(index.dim)]
    readers: dict[Name, list[Equation]] = {}
    taken = scalars(*forward)
    for equation in forward:
        for read in reads[equation.name]:
            readers.setdefault(read, []).append(equation)

    cotangents: dict[Name, Expr] = {loss: Const(1)}
    equations: list[Equation] = []
    for tensor in _reverse_order(forward, reads):
        if tensor not in live or tensor == loss:
            continue
        consumers = [e for e in readers.get(tensor, ()) if e.name in cotangents]
        if not consumers:
            continue
        indices = denominator_indices(consumers[0], tensor, set(), taken)
        apart = tuple(Index(f"{i.name}'", i.dim) for i in indices)
        contributions: list[Expr] = []
        reached = False
        for equation in consumers:
            terms = _terms(tensor, apart, equation.rhs, names, kinks)
            reached = reached or bool(terms)
            seed = _seed(equation, cotangents[equation.name])
            contributions += [term.with_in_place(seed, equation.indices) for term in terms]
        if not reached:
            if tensor in wanted:
                raise only_compared(program[consumers[0].name], tensor)
            continue
        total = stated_extents(simplify_sum(contributions), stated)
        total = shortest_named(assumed(names(total), assumptions), names.parts)
        value: Expr = substitute(total, dict(zip(apart, indices, strict=True)))  # type: ignore[assignment]
        # A cotangent that is a number is used as the number.
        cotangents[tensor] = value
        if not isinstance(value, Const) or tensor in wanted:
            equations.append(derived_equation(f"d{tensor}", indices, value, stated))
    made = {equation.name for equation in equations}
    for tensor in wanted:
        if f"d{tensor}" not in made:  # it cancels, as in x - x
            reader = next(e for e in program.resolved_all() if tensor in tensors(e.rhs))
            equations.append(derived_equation(f"d{tensor}", denominator_indices(reader, tensor, set(), taken), ZERO))
    return Program(_needed(equations, wanted), ())


def joined(*programs: Program) -> Program:
    """One program of all equations: forward and backward, to be planned and run together."""
    equations = {e.name: e for program in programs for e in program}
    return Program(equations.values(), [a for program in programs for a in program.assumptions])


# ---- pieces ----------------------------------------------------------------------------------------------------------


def _terms(
    tensor: Name, indices: tuple[Index, ...], rhs: Expr, names: Callable[[Expr], Expr], kinks: Kinks | None
) -> tuple[Term, ...]:
    return Differentiator(tensor, indices, rename=names, kinks=kinks).terms(rhs)


def _seed(equation: Equation, cotangent: Expr) -> tuple[Expr, ...]:
    """What stands in the place of the access: the reader's cotangent, by name unless it is a number."""
    if isinstance(cotangent, Const):
        return (cotangent,)
    return (Indexed(f"d{equation.name}", equation.lhs.slots),)


def dependencies(program: Program, name: Name) -> set[Name]:
    """Every tensor that a tensor depends on."""
    return _reached(program.reads, name)


def _reached(reads: Mapping[Name, Sequence[Name]], name: Name) -> set[Name]:
    found: set[Name] = set()
    queue = [name]
    while queue:
        for read in reads.get(queue.pop(), ()):
            if read not in found:
                found.add(read)
                queue.append(read)
    return found


def _between(
    forward: Sequence[Equation], reads: Mapping[Name, Sequence[Name]], wanted: Sequence[Name], loss: Name
) -> set[Name]:
    """The tensors that depend on a wanted one and that the loss depends on, wanted ones included."""
    depends = set(wanted)
    for equation in forward:
        if any(read in depends for read in reads[equation.name]):
            depends.add(equation.name)
    return depends & (_reached(reads, loss) | {loss})


def _reverse_order(forward: Sequence[Equation], reads: Mapping[Name, Sequence[Name]]) -> list[Name]:
    """Every tensor after all that read it: an input comes just after the first equation that reads it."""
    defined = {equation.name for equation in forward}
    seen: set[Name] = set()
    order: list[Name] = []
    for equation in forward:
        fresh = [name for name in reads[equation.name] if name not in defined and name not in seen]
        seen.update(fresh)
        order += [*reversed(fresh), equation.name]
    return order[::-1]


def _needed(equations: Sequence[Equation], wanted: Sequence[Name]) -> list[Equation]:
    """The equations that the wanted cotangents read."""
    by_name = {e.name: e for e in equations}
    keep: set[Name] = set()
    queue: list[Name] = [f"d{name}" for name in wanted]
    reads = Program(equations).reads
    while queue:
        name = queue.pop()
        if name in by_name and name not in keep:
            keep.add(name)
            queue.extend(reads[name])
    return [e for e in equations if e.name in keep]


def _check_loss(program: Program, loss: Name) -> None:
    if loss not in program.defined:
        known = [str(name) for name in program.defined]
        raise ProgramError(
            f"no equation defines {loss}",
            inferred="defined are " + ", ".join(known),
            repair=nearest(str(loss), known) or "differentiate one of these",
        )
    equation = program[loss]
    if equation.indices:
        capitals = ",".join(i.name.capitalize() for i in equation.indices)
        raise ProgramError(
            f"{loss} is not a scalar, so it has no gradient; it has {len(equation.indices)} slots",
            **at(equation, loss),
            inferred="a gradient is that of one number",
            repair=f"add an equation that sums it, such as total = {loss}[{capitals}], or ask for a partial",
        )


def _check_names(program: Program, live: Iterable[Name]) -> None:
    for name in live:
        if f"d{name}" in program.ranks:
            raise ProgramError(
                f"d{name} is the gradient with respect to {name}, and a tensor of the program has that name",
                **at(program.defined.get(f"d{name}"), f"d{name}"),
                inferred=f"{name} is a tensor of the program too",
                repair=f"give the tensor d{name} another name",
            )


def _check_wrt(program: Program, loss: Name, name: Name, behind: set[Name]) -> None:
    if name not in program.ranks:
        known = [str(n) for n in program.ranks]
        raise ProgramError(
            f"there is no tensor {name}",
            inferred="the tensors are " + ", ".join(known),
            repair=nearest(str(name), known) or "differentiate with respect to one of these",
        )
    if name not in behind:
        raise DifferentiationError(
            f"{loss} does not depend on {name}, so it has no gradient with respect to it",
            **at(program[loss], loss),
            inferred=f"{loss} depends on " + ", ".join(str(n) for n in program.ranks if n in behind),
            repair=f"leave {name} out of wrt",
        )


def _only_in_slots(program: Program, name: Name) -> bool:
    """Whether a tensor is read as an integer alone."""
    return all(not _by_value(equation, name) for equation in program.equations)


def _by_value(equation: Equation, name: Name) -> bool:
    stack: list[Expr] = [equation.rhs]
    seen: set[Expr] = set()
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        if isinstance(node, Indexed) and node.tensor == name:
            return True
        stack.extend(child for child in node.children if isinstance(child, Expr))
    return False
