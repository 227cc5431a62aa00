"""Extents that disagree or that nothing tells: where the axes meet, how equations lead from one to the other, and what
to state or to give instead."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from einstan.calculus.program import Program, extents_in_part
from einstan.language.dims import axis, is_axis, loose
from einstan.language.errors import ExtentError, listed, nearest
from einstan.language.index import Affine, Index, capitalised, lowered
from einstan.language.node import preorder
from einstan.language.place import Place, at
from einstan.language.term import Equation, Extent, Indexed, Iverson, Name, Partial, Reduce, Sum
from einstan.machine.sizes.extents import Extents, Inside, highest, indices_of, ranges_told
from einstan.machine.sizes.guards import reads
from einstan.machine.sizes.refusals import reader_of, shortened_read


def refuse_unlike(extents: Extents, index: Index, told: Iterable[Inside]) -> None:
    """Tensors that are read alike, ``x[I+1] y[I+1]``, are as long as each other, as those are that are read whole."""
    first: dict[Affine, str] = {}
    for equation, place, form in told:
        other = first.setdefault(form, place)
        one, two = extents.known[other], extents.known[place]
        if one != two:
            raise ExtentError(
                f"{index.name} has two ranges: at {form}, {other} has size {one} and {place} has size {two}",
                **at(equation, index),
                inferred="tensors that are read alike are as long as each other",
                repair=f"give arrays of one size, or state the range: where |{index.name}| = ...",
            )


def refuse_left_over(extents: Extents, equation: Equation) -> None:
    """``w[i] (x[i+1] - x[i])`` reads all of x: a shorter w is an error, and so is a longer one."""
    for (dim, place), (index, access, forms) in ranges_told(extents, equation).items() if loose(equation) else ():
        tops = [highest(extents, equation, form, dim) for form in forms]
        if dim not in extents.known or place not in extents.known or None in tops:
            continue
        if not any(form.index is index for form in forms):  # what is read alone is guarded
            continue
        sizes = [(extents.known[place] - 1 - top[1]) // top[0] for top in tops if top is not None and top[0] > 0]
        if sizes and min(sizes) != extents.known[dim]:
            raise _elsewhere(extents, equation, index, access, min(sizes)) or ExtentError(
                f"{index.name} has two sizes: {extents.known[dim]} from {extents.source[dim]} and {min(sizes)} from "
                f"{access.tensor}",
                **at(equation, access),
                inferred=f"{access.tensor} has size {extents.known[place]} there",
                repair=f"give arrays for which |{index.name}| is one size, or state it: where |{index.name}| = ...",
            )
    _refuse_too_long(extents, equation)


def _refuse_too_long(extents: Extents, equation: Equation) -> None:
    """``p[i] = q[i+1]`` tells how long p may be, where another equation tells how long it is: ``p[I] q[I]``."""
    stated = {index for index, _ in equation.where}
    if any(extents.known.get(extents.dim(equation, index)) == 0 for index in indices_of(equation)):
        return  # then nothing is read
    for read, position, form in extents.arithmetic.get(equation, ()):
        length = extents.known.get(extents.program.dims.find(axis(read.access.tensor, position)))
        if length is None or read.guards:
            continue
        for index in {*form.free}.intersection(equation.indices) - stated:
            dim = extents.dim(equation, index)
            top = highest(extents, equation, form, dim)
            room = (length - 1 - top[1]) // top[0] if top is not None and top[0] > 0 else 0
            if 0 < room < extents.known.get(dim, 0):
                error = _elsewhere(extents, equation, index, read.access, room)
                if error is not None:
                    raise error


def _elsewhere(extents: Extents, equation: Equation, index: Index, access: Indexed, size: int) -> ExtentError | None:
    """An index of a left side that the reads of its equation give another size than those of others do."""
    program, dim = extents.program, extents.dim(equation, index)
    own = next((axis(equation.name, k) for k, other in enumerate(equation.indices) if other is index), "")
    chain = _chain(extents, extents.source[dim], own)
    if not chain:
        return None
    _, _, shown, letter = chain[-1]
    room = next((part.extent for part in extents_in_part(equation) if part.index is index), None)
    repair = [f"give arrays for which |{letter.name}| is one size"]
    if shorter := _shorter(extents, equation, dim, size):
        repair = [shorter]
    elif room is not None and letter not in dict(shown.where):
        stated = Equation(shown.name, shown.indices, shown.rhs, (*shown.where, (letter, room)))
        read = {program.dims.find(axis(access.tensor, k)) for k in range(len(access.slots))}
        repair = [f"state it: {stated}", *(repair if dim not in read else [])]
    return ExtentError(
        f"{letter.name} has two sizes: {extents.known[dim]} from {extents.source[dim]} and {size} from {own}",
        **at(shown, _tensor(program, own)),
        inferred=[*(f"{one} and {other} are one: {by}" for one, other, by, _ in chain[:-1]),
                  f"{access} tells the {size}, in {equation}"],
        repair=repair,
    )  # fmt: skip


def no_index(key: str, letters: Collection[str]) -> ExtentError:
    return ExtentError(
        f"there is no index {key}",
        inferred="the indices are " + listed(letters) if letters else "there are no indices",
        repair=nearest(key, letters) or "name an index, or an axis such as X.0",
    )


def unknown_extent(extents: Extents, equation: Equation, index: Index) -> ExtentError:
    letter = lowered(index.name)
    in_slot = any(index in form.free and form.index is None for r in reads(equation) for form in r.access.slots)
    on_left = index in equation.indices
    repair = f"give sizes={{{letter!r}: ...}}"
    repairs = [repair]
    derived = isinstance(equation.name, Partial)  # whose axes are those of what is derived, and not of what it reads
    if on_left and not derived and (in_slot or _compared(equation, index)):
        stating = _stating(extents, equation)
        repairs = [stating, repair] if stating != str(equation) else repairs
    return ExtentError(
        f"the extent of {index.name} is not known",
        **_place(equation, index),
        inferred=sizes_known(extents, equation) or "no array, size or arithmetic gives it",
        repair=repairs,
    )


def _compared(equation: Equation, index: Index) -> list[str]:
    """The axes along which an index runs that a bracket compares with this one: J's of ``1[J <= n] x[J]``."""
    brackets = [node for node in preorder(equation.rhs) if isinstance(node, Iverson) and index in node.free]
    beside = {other for bracket in brackets for other in bracket.free} - {index}
    places = [(read.access.tensor, k, form) for read in reads(equation) for k, form in enumerate(read.access.slots)]
    return [axis(tensor, position) for tensor, position, form in places if form.index in beside]


def _stating(extents: Extents, equation: Equation) -> str:
    """The equation with the extents that are not known stated, as that of an axis that is read: those of sums first,
    which may tell the others."""
    where = list(equation.where)
    unknown = [
        i for i in indices_of(equation) if extents.dim(equation, i) not in extents.known and i not in dict(where)
    ]
    slots = [
        (form, axis(read.access.tensor, position))
        for read in reads(equation)
        for position, form in enumerate(read.access.slots)
    ]
    slots.sort(key=lambda slot: len(slot[0].free))  # by itself, in ``w[2-R]``, rather than in ``x[i+R]``
    summed = [i for i in unknown if i not in equation.indices and any(i in form.free for form, _ in slots)]
    for index in summed or [i for i in unknown if i in equation.indices]:
        held = ((form, place) for form, place in slots if index in form.free)
        found = [place for form, place in held if not _beside_own(extents, equation, form, index)]
        found = found or _compared(equation, index)
        where += [(index, Affine(((Extent(Index(place)), 1),), 0)) for place in found[:1]]
    return str(Equation(equation.name, equation.indices, equation.rhs, tuple(where)))


def _beside_own(extents: Extents, equation: Equation, form: Affine, index: Index) -> bool:
    """Whether an index stands beside its own extent, ``d - |d|/2``, so that a longer range may be outside as well."""
    beside = [node for atom, _ in form.terms if not atom.free for node in preorder(atom) if isinstance(node, Extent)]
    own = extents.dim(equation, index)
    return any(extents.dim(equation, extent.index) == own for extent in beside)


def _place(equation: Equation, index: Index) -> Place:
    """Where an index first stands; one that stands after a binder alone has the binder's place."""
    place = at(equation, index)
    if place["span"] is None:
        binders = (n for n in preorder(equation.rhs) if isinstance(n, Sum | Reduce) and index in n.indices)
        place = at(equation, next(binders, None))
    return place


def sizes_known(extents: Extents, equation: Equation, but: Index | None = None) -> str:
    """What is known of the extents of an equation."""
    sizes = [
        f"|{index.name}| = {extents.of(equation, index)}"
        for index in indices_of(equation)
        if index is not but and extents.dim(equation, index) in extents.known
    ]
    return "known: " + ", ".join(sizes) if sizes else ""


def no_size(program: Program, key: str, size: object) -> ExtentError:
    """What is given as a size and is no number of entries."""
    found = ((e, i) for e in program.equations for i in indices_of(e) if key in (lowered(i.name), i.name))
    equation, index = next(found, (None, None))
    tensor = key.rpartition(".")[0]
    place = _place(equation, index) if equation and index else at(reader_of(program, tensor), tensor)
    return ExtentError(
        f"the size of {key} is {size!r}",
        **place,
        inferred="a size is how many entries there are along an axis",
        repair="give a whole number that is not negative",
    )


def two_of_one_letter(letter: str, dims: Iterable[str]) -> ExtentError:
    """Sizes for ``k`` and for ``K``, which are one letter, and differ."""
    axes = [dim for dim in dims if is_axis(dim)]
    return ExtentError(
        f"there are two sizes for the letter {letter}, which is that of {capitalised(letter)}",
        inferred=f"{letter} runs over {listed(dims)}",
        repair="name axes: sizes={" + ", ".join(f"{dim!r}: ..." for dim in axes) + "}",
    )


def disagreement(extents: Extents, dim: str, size: int, source: str, equation: Equation | None) -> ExtentError:
    """Two sizes of one dimension: where the axes meet, or how equations lead from one to the other."""
    program, old, first = extents.program, extents.known[dim], extents.source[dim]
    chain = _chain(extents, first, source)
    if chain:
        _, last, shown, index = chain[-1]
        what = _tensor(program, last)
    else:  # one of the two is no axis: a size that is given by name, or one that is stated
        axes = [place for place in (first, source) if _tensor(program, place) is not None]
        meetings = [m for m in _meetings(extents, dim) if equation is None or m[0] is equation]
        if not meetings:  # axes that are equal because a range was stated that is shorter than both
            equations = [e for e in program.equations if any(axis_of == first for _, axis_of in loose(e))]
            shown = equations[0] if equations else program.equations[-1]
            return ExtentError(
                f"{first} and {source} have two sizes, {old} and {size}, and one index fills both",
                **at(shown, _tensor(program, source)),
                repair="give arrays of which these axes have one size",
            )
        shown, index, held = next((m for m in meetings if any(place in m[2] for place in axes)), meetings[0])
        what = next((_tensor(program, place) for place in axes if place in held), None)
    inferred = [f"{one} and {other} are one: {by}" for one, other, by, _ in chain]
    if len(chain) == 1:
        inferred = [f"{index.name} runs over {first} and {source}"]
    elif not chain:
        runs = [f"{index.name} runs over {', '.join(held)}"] if held else []
        inferred = [*runs, *([known] if (known := sizes_known(extents, shown, index)) else [])]
    repair = "give arrays of which these axes have one size"
    if source.startswith("sizes["):
        repair = f"leave out {source}, or say {old}"
    elif source.startswith("where"):
        repair = f"give arrays for which |{index.name}| is one size"
    repair = _shorter(extents, shown, dim, min(old, size)) or repair
    return ExtentError(
        f"{index.name} has two sizes: {old} from {first} and {size} from {source}",
        **(at(shown, what) if what is not None else _place(shown, index)),
        inferred=inferred,
        repair=repair,
    )


def _shorter(extents: Extents, equation: Equation, dim: str, size: int) -> str:
    """``state it: y[i] = S[i,i+1] where |i| = |S.1| - 1``, where a read tells the smaller of two sizes."""
    for read, position, form in extents.arithmetic.get(equation, ()):
        access, place = read.access, axis(read.access.tensor, position)
        length, top = extents.known.get(extents.program.dims.find(place)), highest(extents, equation, form, dim)
        if length is None or top is None or top[0] < 1 or (length - 1 - top[1]) // top[0] != size:
            continue
        if any(other is not form and other.index in form.free for other in access.slots if other.index is not None):
            return shortened_read(equation, access, form, place)
    return ""


def _tensor(program: Program, place: str) -> Name | None:
    """The tensor of an axis ``X.0``; None for another source of a size."""
    return next((name for name, rank in program.ranks.items() if place in [axis(name, k) for k in range(rank)]), None)


def _meetings(extents: Extents, dim: str) -> Iterable[tuple[Equation, Index, tuple[str, ...]]]:
    """Of every equation, the indices of a dimension, each with the axes that it runs over."""
    for equation in extents.program.equations:
        held: dict[Index, dict[str, None]] = {index: {} for index in indices_of(equation)}
        parts = set(loose(equation))  # which run over a part of an axis alone
        for node in (equation.lhs, *preorder(equation.rhs)):
            if isinstance(node, Indexed):
                for position, form in enumerate(node.slots):
                    place = axis(node.tensor, position)
                    if form.index is not None and (form.index, place) not in parts:
                        held[form.index][place] = None
        for index, axes in held.items():
            if extents.dim(equation, index) == dim:
                yield equation, index, tuple(axes)


def _chain(extents: Extents, first: str, last: str) -> list[tuple[str, str, Equation, Index]]:
    """The shortest way from one axis to another, each step through an index of an equation."""
    steps: dict[str, tuple[str, str, Equation, Index]] = {}
    queue, meetings = [first], list(_meetings(extents, extents.program.dims.find(first)))
    for place in queue:
        for equation, index, axes in meetings:
            if place in axes:
                for other in axes:
                    if other != first and other not in steps:
                        steps[other] = place, other, equation, index
                        queue.append(other)
    found: list[tuple[str, str, Equation, Index]] = []
    while last in steps:
        found.insert(0, steps[last])
        last = steps[last][0]
    return found
