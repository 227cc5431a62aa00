"""What arrays tell of sizes that a derived program does not read: those of the program that it is derived from.

``dQ[k] = v[2J+k] df[J]`` reads no Q, but a caller has it, and ``|k|`` is its size.  Such an array is accepted, and what
it tells of the extents of the derived program, by way of the forward equations, is taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from einstan.calculus.program import Program, axes_of_derivative, prefix, remade
from einstan.language.arguments import require
from einstan.language.dims import axis, is_axis, is_whole, only_plain
from einstan.language.errors import ExtentError
from einstan.language.index import lowered
from einstan.language.place import at
from einstan.language.term import Equation, Name, Partial
from einstan.machine.graph.flatten import flatten
from einstan.machine.passes.windows import know_ranges
from einstan.machine.sizes.conflicts import no_index, refuse_left_over
from einstan.machine.sizes.extents import Extents, Shape, letters_of, speaks_of
from einstan.machine.sizes.inference import infer
from einstan.machine.sizes.lower import refuse_outside
from einstan.machine.sizes.operations import Flat
from einstan.machine.sizes.refusals import reader_of


def told(
    program: Program,
    context: Program,
    shapes: Mapping[str, Shape],
    sizes: Mapping[str, int],
    given: Iterable[tuple[Name, Name]] = (),
) -> dict[str, int]:
    """The sizes of axes of ``program`` that these shapes tell, by way of the forward program, ``context``.

    Raises `ExtentError` where the shapes disagree by way of the forward equations, or with sizes that were given, and
    where a direction or a cotangent that is ``given`` has not the shape of its tensor; `fitting` asks for more.
    """
    extents = _inferred(context, shapes, sizes)
    beside = {str(name): tensor for name, tensor in given if str(name) in shapes and tensor in context.ranks}
    if beside:
        others = {name: shape for name, shape in shapes.items() if name not in beside}
        alone = _inferred(with_shapes_beside(context, None, given), others, sizes)
        for direction, tensor in beside.items():
            refuse_direction(alone, direction, shapes[direction], tensor)
    found = {axis(name, k): size for name, shape in shapes.items() for k, size in enumerate(shape)}
    found |= {
        place: extents.known[dim]
        for place in context.dims.members()
        if (dim := context.dims.find(place)) in extents.known
    }
    ranks: dict[Name, int] = {name: len(shape) for name, shape in shapes.items()}
    ranks |= {**context.ranks, **program.ranks}
    for name, rank in program.ranks.items():  # dX has the axes of X, whether or not X is read
        pairs = zip((axis(name, k) for k in range(rank)), axes_of_derivative(name, rank, ranks), strict=False)
        found |= {own: found[known] for own, known in pairs if known in found}
    return {place: size for place, size in found.items() if _is_of(program, context, place)}


def _is_of(program: Program, context: Program, place: str) -> bool:
    """Whether a place of the forward program is one of this program: a letter of an equation, ``L:K``, only if that is
    the same equation in both."""
    if is_axis(place) or ":" not in place:
        return place in program.dims or speaks_of(program, place)
    one, other = ({prefix(e): e.digest for e in p}.get(place.rpartition(":")[0] + ":") for p in (program, context))
    return one is not None and one == other and place in program.dims


def refuse_direction(extents: Extents, name: Name, shape: Shape, tensor: Name) -> None:
    """A direction or a cotangent has the shape of its tensor, behind the directions of a batch."""
    rank, find = extents.program.ranks[tensor], extents.program.dims.find
    known = [extents.known.get(find(axis(tensor, k))) for k in range(rank)]
    own = shape[len(shape) - rank :]
    if len(shape) - rank in (0, 1) and all(size in (None, have) for size, have in zip(known, own, strict=True)):
        return
    wanted = ", ".join("any" if size is None else str(size) for size in known)
    raise ExtentError(
        f"{name} has the shape {shape}, and is a direction or a cotangent of {tensor}",
        **at(reader_of(extents.program, tensor), tensor),
        inferred=f"{tensor} has the shape ({wanted}{',' * (rank == 1)})",
        repair=f"give an array of that shape as {name}",
    )


def fitting(context: Program, shapes: Mapping[str, Shape], sizes: Mapping[str, int]) -> None:
    """Refuse shapes for which the forward program has no value, as far as they tell: what is derived from it has none
    there either, and may not read there any more.  Derivatives beside it are looked at where they are run."""
    derived = {name for name in context.ranks if isinstance(name, Partial) or name[1:] in context.ranks}
    own = [e for e in context if derived.isdisjoint((e.name, *context.reads[e.name]))]
    try:
        extents = _inferred(context, shapes, sizes)
    except ExtentError:
        if len(own) < len(context):
            fitting(Program(own), shapes, sizes)  # what is read forwards, if it is that
        raise
    if all(map(only_plain, own)):
        return
    forward, flat = _flat(context, tuple(own))
    inner = Extents(forward)
    dims = {dim: context.dims.find(dim) for dim in map(forward.dims.find, forward.dims.members())}
    inner.known.update({dim: extents.known[other] for dim, other in dims.items() if other in extents.known})
    for equation in own:
        refuse_left_over(extents, equation)
    know_ranges(flat, inner)
    refuse_outside(flat.graph, inner.known)


def _flat(context: Program, equations: tuple[Equation, ...]) -> tuple[Program, Flat]:
    """The operations of some equations of a program, which it remembers."""
    found: tuple[Program, Flat] | None = context.notes.get((_flat, equations))
    if found is None:
        forward = context if len(equations) == len(context) else Program(equations)
        found = context.notes[_flat, equations] = forward, flatten(forward)
    return found


def _inferred(context: Program, shapes: Mapping[str, Shape], sizes: Mapping[str, int]) -> Extents:
    read = {name: shapes[str(name)] for name in context.inputs if str(name) in shapes}
    given = {key: size for key, size in sizes.items() if key in context.dims}
    return infer(context, read, given, only=(), guess=False)


def _by_axis(program: Program, sizes: Mapping[str, int]) -> dict[str, int]:
    """The sizes of arrays that a program does not read, by the letters that run so far: of ``where |j| = |x.0|``."""
    stated = ((index, form) for equation in program for index, form in equation.where if is_whole(form))
    axes = ((lowered(index.name), form.terms[0][0].index.name) for index, form in stated)
    given = {lowered(key): size for key, size in sizes.items()}
    return {place: given[letter] for letter, place in axes if letter in given and speaks_of(program, place)}


def with_shapes_beside(
    program: Program, context: Program | None, given: Iterable[tuple[Name, Name]], rests: Program | None = None
) -> Program:
    """The program, in which a direction or a cotangent has the axes of its tensor, whatever is read of the two; axes
    are equal that are so in what it ``rests`` on."""
    ranks = program.ranks if context is None else {**program.ranks, **context.ranks}
    equal = [
        (axis(tensor, k), axis(name, k + program.ranks[name] - ranks[tensor]))  # behind those of a batch
        for name, tensor in given
        if name in program.inputs and name in program.ranks and tensor in ranks
        for k in range(ranks[tensor])
    ]
    equal += () if rests is None else _equal_there(program, rests)
    return remade(program, program.equations, equal) if equal else program


def _equal_there(program: Program, rests: Program) -> Iterator[tuple[str, str]]:
    """The axes of a program that another one says are equal."""
    ranks = {**rests.ranks, **program.ranks}
    known = {place: place for place in program.dims.members() if is_axis(place)}
    known |= {axis(name, k): axis(name, k) for name in program.inputs for k in range(rests.ranks.get(name, 0))}
    for name, rank in program.ranks.items():  # dX has the axes of X
        known |= zip((axis(name, k) for k in range(rank)), axes_of_derivative(name, rank, ranks), strict=False)
    first: dict[str, str] = {}
    for own, place in known.items():
        if place in rests.dims:
            other = first.setdefault(rests.dims.find(place), own)
            if program.dims.find(other) != program.dims.find(own):
                yield other, own


def unread(
    program: Program, context: Program | None, given: Iterable[Name] = (), taken: Iterable[Name] = ()
) -> frozenset[str]:
    """The arrays that may be given although they are not ``taken``: those of the program whose values cancel or are
    not asked for, those of the forward program, those whose axes it has, those of whose gradients it defines, and
    directions and cotangents (``given``) that had no effect."""
    inputs = () if context is None else context.inputs
    axes = [place.rpartition(".")[0] for place in program.dims.members() if is_axis(place)]
    own = [str(name)[1:] for name in program.defined if str(name).startswith("d")]  # dX has the axes of X
    every = frozenset(map(str, (*inputs, *program.inputs, *axes, *given, *own)))
    return every - {str(name) for name in (*program.defined, *taken)}


def understood(program: Program, context: Program | None, sizes: Mapping[str, int] | None) -> dict[str, int]:
    """The sizes without those that are of the forward program alone: of what has cancelled, say."""
    require("sizes", sizes, Mapping[str, int] | None)
    if not sizes:
        return {}
    own, others = letters_of(program), letters_of(context or program)
    for key in sizes:
        if lowered(key) not in own | others and not any(speaks_of(each, key) for each in (program, context or program)):
            raise no_index(key, sorted(own | others))
    sizes = {**_by_axis(program, sizes), **sizes}
    if context is None:
        return dict(sizes)

    def foreign(key: str) -> bool:
        if key in context.dims:
            return not (key in program.dims or speaks_of(program, key))
        return lowered(key) in others and lowered(key) not in own

    return {key: size for key, size in sizes.items() if not foreign(key)}
