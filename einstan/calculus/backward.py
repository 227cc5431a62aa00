"""The chain-rule contractor: from any graph of equations and a scalar to its backward pass, as equations.

Walking the program backwards, every tensor ``U`` that matters gets one named cotangent ``dU``: the sum, over every
equation ``T[t] = rhs`` that reads it, of ``sum[t](dT[t] × ∂rhs/∂U[u])``, deltas used up, forward values named.  An
equation holds the local partials of one step alone, so its length does not grow with depth, and their number grows
linearly.  Nothing here knows a layer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from einstan.calculus.assume import assumed
from einstan.calculus.carried import Brackets, Carried, brackets_of, carried_to, entries_of
from einstan.calculus.naming import ForwardNames
from einstan.calculus.partial import Differentiator, Kinks, denominator_indices, refuse_compared, scalars
from einstan.calculus.parts import shortest_named
from einstan.calculus.passes import (
    batch_index,
    between,
    cotangent_names,
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
from einstan.calculus.program import Program, extents_behind, stated_extents
from einstan.calculus.ranges import Ranges
from einstan.calculus.residuals import residuals_named, with_residuals
from einstan.calculus.simplify import simplify_sum
from einstan.calculus.stable import stabilised
from einstan.calculus.uses import held_by
from einstan.language import parse, show
from einstan.language.arguments import checked
from einstan.language.collecting import collecting_seldom
from einstan.language.dims import axis, only_plain
from einstan.language.errors import DifferentiationError, ProgramError
from einstan.language.index import Affine, Index, slot
from einstan.language.node import preorder
from einstan.language.place import at
from einstan.language.term import (
    ZERO,
    Const,
    Equation,
    Expr,
    Extent,
    Indexed,
    Iverson,
    Name,
    substitute,
    tensors,
)


@checked
def backward(
    program: Program,
    loss: Name,
    wrt: Iterable[Name] | None = None,
    *,
    assume: bool = True,
    kinks: Kinks | None = None,
    letter: str = "d",
    zeros: bool = False,
) -> Program:
    """The backward pass of a scalar: one equation ``dU[u] = ...`` for each tensor in ``wrt`` and all on the way.

    ``wrt`` defaults to the inputs that the loss depends on.  With ``assume=False`` the program's assumptions are not
    used.  The equations read forward values and each other; run them with the forward program (`joined`).  ``letter``
    stands before a tensor's name in that of its cotangent.  With ``zeros``, which is for the derivatives of
    derivatives, a tensor that the scalar does not depend on has the gradient zero.

    Raises `ProgramError` for an unknown or non-scalar loss, `DifferentiationError` where the loss does not depend on
    a tensor, or depends on it only as an integer or through comparisons.
    """
    require_letters(letter)
    _check_loss(program, loss)
    return _pulled_back(program, {loss: Const(1)}, wrt, (), assume, kinks, letter, zeros)


@checked
def vjp(
    program: Program,
    cotangents: Mapping[Name, Name],
    wrt: Iterable[Name] | None = None,
    *,
    batch: str | None = None,
    assume: bool = True,
    kinks: Kinks | None = None,
    letter: str = "d",
    zeros: bool = False,
) -> Program:
    """The vector-Jacobian product: ``dU[u] = sum[z](C[z] ∂Z[z]/∂U[u])`` for ``cotangents={"Z": "C"}``, by one pass.

    A cotangent is a new tensor of the shape of what it belongs to; with ``batch="r"`` it has one more index in front,
    ``C[r,n,j]``, and so has every result: one equation for all of them.  Several tensors may have cotangents, and their
    products are added.  The rest, and the errors, as for `backward`.
    """
    require_some(cotangents, "cotangents")
    require_letters(letter, batch)
    for name, cotangent in cotangents.items():
        require_tensor(program, name)
        refuse_given(program, name, cotangent, "cotangent of")
    index = batch_index(batch, cotangents, scalars(*program))
    seeds: dict[Name, Expr] = {name: Indexed(cotangent, ()) for name, cotangent in cotangents.items()}
    return _pulled_back(program, seeds, wrt, index, assume, kinks, letter, zeros)


def _pulled_back(
    program: Program,
    seeds: Mapping[Name, Expr],
    wrt: Iterable[Name] | None,
    batch: tuple[Index, ...],
    assume: bool,
    kinks: Kinks | None,
    letter: str,
    zeros: bool,
) -> Program:
    """One cotangent for every tensor between; ``seeds`` are the number, or the tensor, that each output begins with."""
    behind = reached(values_read(program), *seeds)
    ends = behind | {name for name, seed in seeds.items() if not isinstance(seed, Const)}
    if wrt is None:
        used = _read_by_value(e for e in program if e.name in behind or e.name in seeds)
        wanted = [name for name in program.inputs if name in ends and name in used]
    else:
        wanted = list(dict.fromkeys(wrt))
        for name in wanted:
            require_tensor(program, name)
            if name not in ends and not zeros:
                raise _independent(program, next(iter(seeds)), name, ends)
    with collecting_seldom():
        return _contracted(program, seeds, wanted, batch, assume, kinks, letter, zeros)


def _contracted(
    program: Program,
    seeds: Mapping[Name, Expr],
    wanted: Sequence[Name],
    batch: tuple[Index, ...],
    assume: bool,
    kinks: Kinks | None,
    letter: str,
    zeros: bool,
) -> Program:
    """The cotangents, from the outputs to the inputs."""
    program, residuals = residuals_named(program)
    forward = stabilised(program, keep=wanted)
    reads = values_read(forward)
    live = between(forward, reads, wanted, seeds)
    refuse_collisions(program, letter, "gradient with respect to", live)
    names = ForwardNames(equation for equation in forward if not isinstance(seeds.get(equation.name), Const))
    assumptions = program.resolved_assumptions() if assume else ()
    # The forward tensors that a backward pass reads have the extents of their axes; others must be stated again.
    stated, ranges = extents_behind(forward), Ranges(forward)
    tied = letter == "d" and not batch and not zeros  # dU has the axes of U, which the forward pass reads
    readers: dict[Name, list[Equation]] = {}
    taken = scalars(*forward)
    for equation in forward:
        for read in reads[equation.name]:
            readers.setdefault(read, []).append(equation)

    called = cotangent_names(program, forward, wanted, seeds, letter)
    carried = Carried(forward, names.parts)
    cotangents: dict[Name, Expr] = {name: seed for name, seed in seeds.items() if isinstance(seed, Const)}
    equations: list[Equation] = []
    for tensor in _reverse_order(forward, reads):
        if tensor not in live or tensor in cotangents:
            continue
        consumers = [e for e in readers.get(tensor, ()) if e.name in cotangents]
        seed = seeds.get(tensor)
        if seed is not None and not consumers and tensor not in wanted:
            cotangents[tensor] = seed
            continue
        if not consumers and seed is None:
            continue
        indices = _indices(program, tensor, consumers or readers.get(tensor, ()), taken)
        apart = tuple(Index(f"{i.name}'", i.dim) for i in indices)
        contributions: list[Expr] = [] if seed is None else [_access(seed, batch, map(slot, apart))]
        reached_by_value = seed is not None
        brackets: list[Brackets] = [] if seed is None else [()]
        entries = list(brackets)
        for equation in consumers:
            own = held_by(equation.rhs, tensor)
            terms = Differentiator(tensor, apart, rename=names, kinks=kinks, held=own).terms(equation.rhs)
            reached_by_value = reached_by_value or bool(terms)
            slots = equation.lhs.slots
            above = _access(cotangents[equation.name], batch, slots)
            held, written = carried.at(equation.name, slots), carried.written(equation)
            needed_entries = carried.entries_at(equation.name, slots)
            for term in terms:
                whole = carried.opened(term, written, above)
                beside = (*carried.needed(term, tensor, held, needed_entries), above)
                contributions.append(whole.with_in_place(beside, equation.indices))
                entries.append(
                    (*entries_of(contributions[-1], True, carried.shapes), *carried_to(term, needed_entries))
                )
                brackets.append(carried_to(term, (*brackets_of((*term.left, *term.right), written), *held)))
        if not reached_by_value:
            continue
        total = stated_extents(simplify_sum(contributions), stated)
        # Collecting may open a mean, and so bring a stated extent to light.
        total = assumed(names(total), assumptions)
        if assumptions:  # what they leave may be a definition again
            total = names(total)
        total = stated_extents(names.orders(shortest_named(total, names.parts)), stated)
        value: Expr = substitute(total, dict(zip(apart, indices, strict=True)))
        name = called[tensor]
        carried.learn(name, tensor, apart, total, brackets)
        carried.learn_entries(tensor, apart, entries)
        # A cotangent that is a number is used as the number.
        cotangents[tensor] = value if isinstance(value, Const) else Indexed(name)
        if not isinstance(value, Const) or tensor in wanted:
            equations.append(
                pass_equation(
                    name,
                    tensor,
                    batch,
                    indices,
                    value,
                    stated,
                    not (tied and name == pass_name(letter, tensor)),
                    ranges,
                )
            )
    made = {equation.name for equation in equations}
    given = {seed.tensor: name for name, seed in seeds.items() if isinstance(seed, Indexed)}
    for tensor in wanted:
        if pass_name(letter, tensor) not in made:  # it cancels, as in x - x
            if not zeros and tensor not in seeds:
                refuse_compared(program.defined, [program[name] for name in seeds if name in program.defined], tensor)
            reading = [e for e in program.resolved_all() if tensor in tensors(e.rhs)]
            indices = _indices(program, tensor, reading, taken)
            equations.append(pass_equation(pass_name(letter, tensor), tensor, batch, indices, ZERO, sized=not tied))
    kept = needed(equations, [pass_name(letter, name) for name in wanted])
    if tied:
        kept = with_extents(kept, program, {own: tensor for tensor, own in called.items()}, given)
    return Program(with_residuals(kept, residuals), ())


def with_extents(
    equations: Iterable[Equation],
    program: Program,
    tensors_of: Mapping[Name, Name],
    given: Mapping[Name, Name] = MappingProxyType({}),
) -> list[Equation]:
    """The backward pass with the extents that no tensor which it reads can tell: ``dZ[n] = s where |n| = |Z.0|``.

    A cotangent has the extents of its tensor, and needs no word of it where that, or another of its extents, is read.
    ``given`` are the cotangents that no equation makes, each with its tensor.
    """
    equations = list(equations)
    made = {e.name for e in equations}
    whole = Program(needed([*program.equations, *equations], made))
    known = {whole.dims.find(axis(n, k)) for n, rank in whole.ranks.items() if n not in made for k in range(rank)}
    found: list[Equation] = []
    for equation in equations:
        tensor = tensors_of.get(equation.name)
        where, plain = list(equation.where), only_plain(equation)
        for position, index in enumerate(equation.indices):
            dim = whole.dim(equation, index)
            if not isinstance(tensor, str) or index in dict(where):
                continue
            if not plain and _in_part(program, equation, index, axis(tensor, position), {**given, **tensors_of}):
                where.append((index, Affine(((Extent(Index(axis(tensor, position))), 1),))))
            elif dim not in known or equation.rhs is ZERO:  # what cancels is not read
                if not (_told(equation, index) and _invertible(program, axis(tensor, position))):
                    where.append((index, Affine(((Extent(Index(axis(tensor, position))), 1),))))
                known.add(dim)
        if len(where) > len(equation.where):
            equation = Equation(equation.name, equation.indices, equation.rhs, tuple(where))
            if not plain:  # what an index fills under a guard need not be as long as it any more: the text says so
                equation = parse(show(equation))
        found.append(equation)
    return found


def _told(equation: Equation, index: Index) -> bool:
    """Whether arithmetic tells how far an index runs: it stands in a slot with others, and no range guard bounds it."""
    nodes = list(preorder(equation.rhs))
    read = any(index in form.free for n in nodes if isinstance(n, Indexed) for form in n.slots if form.index is None)
    return read and not any(isinstance(n, Iverson) and index in n.free for n in nodes)


def _in_part(program: Program, equation: Equation, index: Index, place: str, tensors_of: Mapping[Name, Name]) -> bool:
    """Whether an index runs further than an axis that it fills alone: ``1[0 <= p < |d.0|] dd[p]``."""
    filled = {axis(tensors_of.get(n.tensor, n.tensor), k) for n in preorder(equation.rhs) if isinstance(n, Indexed)
              for k, f in enumerate(n.slots) if f.index is index}  # fmt: skip
    of_tensor = {each if each in program.dims else each.removeprefix("d") for each in filled}
    return any(each in program.dims and program.dims.find(each) != program.dims.find(place) for each in of_tensor)


def _invertible(program: Program, place: str) -> bool:
    """Whether what the forward pass infers from an axis gives the size of that axis again: ``|i| = |X.0| - |R| + 1``
    does, ``floor((|X.0| - |R|) / 2) + 1`` does not, and neither does an extent that something else tells too."""
    for equation in program.equations:
        resolved = program.resolved(equation)
        stated = {index for index, _ in resolved.where}
        forms = [form for n in preorder(resolved.rhs) if isinstance(n, Indexed) for form in n.slots]
        plain = {form.index for form in forms} - {None}
        for form in forms:
            if form.index is not None or not any(i.dim == program.dims.find(place) for i in form.free):
                continue
            inferred = [i for i in form.free if i not in plain and i not in stated]
            once = [i for i in inferred if sum(i in other.free for other in forms) == 1]
            if len(inferred) == len(once) == 1 and abs(form.coefficient(once[0])) == 1:
                return True
    return False


def joined(*programs: Program) -> Program:
    """One program of all equations: forward and backward, to be planned and run together."""
    equations = {e.name: e for program in programs for e in program}
    return Program(equations.values(), [a for program in programs for a in program.assumptions])


# ---- pieces ----------------------------------------------------------------------------------------------------------


def _access(cotangent: Expr, batch: tuple[Index, ...], slots: Iterable[Affine]) -> Expr:
    """What stands in the place of an access: the reader's cotangent, by name unless it is a number."""
    if isinstance(cotangent, Indexed):
        return Indexed(cotangent.tensor, (*map(slot, batch), *slots))
    return cotangent


def _indices(program: Program, tensor: Name, readers: Sequence[Equation], taken: set[str]) -> tuple[Index, ...]:
    """The letters of the first equation that reads a tensor; where none does, those of its own equation."""
    if readers:
        found = denominator_indices(readers[0], tensor, set(), taken)
        return tuple(Index(index.name, program.dims.find(index.dim)) for index in found)
    return program.resolved(program[tensor]).indices


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


def _check_loss(program: Program, loss: Name) -> None:
    require_defined(program, loss)
    equation = program[loss]
    if equation.indices:
        capitals = ",".join(i.name.capitalize() for i in equation.indices)
        raise ProgramError(
            f"{loss} is not a scalar, so it has no gradient; it has {len(equation.indices)} slots",
            **at(equation, loss),
            inferred="a gradient is that of one number",
            repair=f"add an equation that sums it, such as total = {loss}[{capitals}], or ask for a partial",
        )


def _independent(program: Program, of: Name, wrt: Name, behind: set[Name]) -> DifferentiationError:
    return DifferentiationError(
        f"{of} does not depend on {wrt}, so it has no gradient with respect to it",
        **at(program.defined.get(of), of),
        inferred=f"{of} depends on " + ", ".join(str(n) for n in program.ranks if n in behind),
        repair=f"leave {wrt} out of wrt",
    )


def _read_by_value(equations: Iterable[Equation]) -> set[Name]:
    """The tensors that are read as more than an integer."""
    stack: list[Expr] = [equation.rhs for equation in equations]
    seen: set[Expr] = set()
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            stack.extend(child for child in node.children if isinstance(child, Expr))
    return {node.tensor for node in seen if isinstance(node, Indexed)}
