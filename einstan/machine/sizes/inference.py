"""From the shapes of arrays, and sizes given by name, to one extent per dimension of a program.

Three things determine an extent: an array (every axis that an index fills alone has its size), a size that the caller
names, and arithmetic.  ``Y[i] = X[i+R] W[R]`` determines ``|i|`` as the largest range for which every unguarded read is
inside, ``|X.0| - |R| + 1``; a guarded read infers nothing, and ``where |i| = ...`` states the extent itself.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from einstan.calculus.program import Program, rounded_down, sizes_read
from einstan.language.dims import axis, loose
from einstan.language.errors import ExtentError
from einstan.language.index import Affine, Arithmetic, Index, affine, lowered
from einstan.language.node import holds, preorder
from einstan.language.place import at
from einstan.language.term import Equation, Extent, Indexed, Name
from einstan.machine.sizes.conflicts import (
    disagreement,
    no_index,
    no_size,
    refuse_left_over,
    refuse_unlike,
    sizes_known,
    two_of_one_letter,
    unknown_extent,
)
from einstan.machine.sizes.extents import (
    NOMINAL,
    Extents,
    Formula,
    Inside,
    Shape,
    highest,
    indices_of,
    of_axis,
    sized,
    speaks_of,
    value_of,
)
from einstan.machine.sizes.formulas import needed_formula, read_formula, stated_formula
from einstan.machine.sizes.guards import bounds_above, reads
from einstan.machine.sizes.refusals import wrong_rank

DEEPEST = 3  # windows on windows, for which nominal sizes are made


def infer(
    program: Program,
    shapes: Mapping[Name, Shape],
    sizes: Mapping[str, int] | None = None,
    nominal: int | None = None,
    only: Collection[Name] | None = None,
    guess: bool = True,
) -> Extents:
    """One extent per dimension, at least for the equations of the tensors in ``only``.

    ``shapes`` has the shape of each input that is known; ``sizes`` names extents by index letter (``n``) or by axis
    (``X.0``); a letter gives the extent of every dimension that has this letter and that nothing else determines.
    ``nominal`` fills what is still open, to show source code before any array is seen.  With ``guess`` an array that is
    read through arithmetic alone, and not given, is as long as its reads need.

    Raises `ExtentError` where sizes disagree or an extent stays unknown, `DataError` for a wrong number of axes.
    """
    extents = told(program, shapes, sizes, nominal)
    if nominal is not None:
        _fill(extents, nominal)
    _solve(extents, backwards=guess)
    for equation in program.equations:
        if only is not None and equation.name not in only:
            continue
        refuse_left_over(extents, equation)
        for node in preorder(equation.rhs) if holds(equation.rhs, Arithmetic) else ():
            if isinstance(node, Arithmetic) and not node.free:
                value_of(extents, equation, affine((node, 1)))  # |d| / 2 is whole, or is refused
        for index in indices_of(equation):
            if extents.dim(equation, index) not in extents.known:
                raise unknown_extent(extents, equation, index)
    return extents


def told(
    program: Program,
    shapes: Mapping[Name, Shape],
    sizes: Mapping[str, int] | None = None,
    nominal: int | None = None,
) -> Extents:
    """The extents that follow from those given.  `infer` makes a tensor that nobody gave as small as its reads allow,
    which serves to run it, but is not to be told in a picture: ``X[n,0,d]`` does not make ``X.1`` 1."""
    extents = Extents(program)
    for name, shape in shapes.items():
        if len(shape) != program.ranks.get(name, len(shape)):  # a tensor whose sizes alone are read has any rank
            raise wrong_rank(program, name, shape)
        for position, size in enumerate(shape):
            where = axis(name, position)
            learn(extents, program.dims.find(where), size, where)
    named = {} if all(speaks_of(program, key) for key in sizes or {}) else _letters(program, extents)
    by_letter = _take_sizes(extents, sizes or {}, named)
    _solve(extents)
    # A letter of several dimensions says nothing against an array, which may come when code is made without any.
    open_axes = {program.dims.find(axis(n, k)) for n, r in program.inputs.items() for k in range(r) if nominal}
    for letter, size in by_letter.items():
        for dim in named[letter]:
            if dim not in extents.known:
                learn(extents, dim, size, NOMINAL if dim in open_axes else f"sizes[{letter!r}]")
                _solve(extents)
        if all(extents.known[dim] != size for dim in named[letter]):
            raise disagreement(extents, named[letter][0], size, f"sizes[{letter!r}]", None)
    return extents


def learn(
    extents: Extents, dim: str, size: int, source: str, equation: Equation | None = None, formula: Formula | None = None
) -> None:
    """Record a size; refuse one that disagrees with what is known."""
    size = int(size)
    old = extents.known.setdefault(dim, size)
    if old == size:
        if extents.source.setdefault(dim, source) == source and formula is not None:
            extents.formulas.setdefault(dim, formula)
        return
    raise disagreement(extents, dim, size, source, equation)


def _take_sizes(extents: Extents, sizes: Mapping[str, int], letters: Mapping[str, list[str]]) -> dict[str, int]:
    """Learn the sizes that are named by axis, or by a letter of one dimension; return the other letters."""
    open_letters: dict[str, int] = {}
    for key, size in sizes.items():
        if not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise no_size(extents.program, key, size)
        if speaks_of(extents.program, key):
            learn(extents, extents.program.dims.find(key), size, f"sizes[{key!r}]")
            continue
        letter = lowered(key)
        if letter not in letters:
            raise no_index(key, letters)
        if len(letters[letter]) == 1:
            learn(extents, letters[letter][0], size, f"sizes[{key!r}]")
        elif open_letters.setdefault(letter, size) != size:
            raise two_of_one_letter(letter, letters[letter])
    return open_letters


def _letters(program: Program, extents: Extents) -> dict[str, list[str]]:
    """The dimensions that each letter runs over; ``k`` and ``K`` are one letter here, as in ``|k|``."""
    found: dict[str, list[str]] = {}
    for equation in program.equations:
        for index in indices_of(equation):
            dims = found.setdefault(lowered(index.name), [])
            dim = extents.dim(equation, index)
            if dim not in dims:
                dims.append(dim)
    return found


def _solve(extents: Extents, backwards: bool = False) -> None:
    """Learn what ``where`` and unguarded reads determine, until nothing more is learned."""
    learned = True
    while learned:
        learned = False
        for equation, parts in extents.parts.items():
            learned |= _solve_reads(extents, equation, parts)
        for equation in extents.arithmetic:
            learned |= _solve_where(extents, equation) or _solve_reads(extents, equation)
            learned |= backwards and not learned and _solve_tensors(extents, equation)


def _solve_where(extents: Extents, equation: Equation) -> bool:
    learned = False
    for index, form in equation.where:
        size = value_of(extents, equation, form)
        if size is None:
            learned |= _solve_backwards(extents, equation, index, form)
            continue
        if size < 0:
            raise ExtentError(
                f"|{index.name}| would be {size}",
                **at(equation, index),
                inferred=sizes_known(extents, equation, index),
                repair=f"give arrays for which {form} is not negative",
            )
        dim = extents.dim(equation, index)
        learned |= dim not in extents.known
        formula = stated_formula(extents, equation, index, form)
        learn(extents, dim, size, f"where |{index.name}| = {form}", equation, formula)
    return learned


def _solve_backwards(extents: Extents, equation: Equation, index: Index, form: Affine) -> bool:
    """``where |j| = |G.0|`` tells the size of G where that of j is given."""
    own = extents.dim(equation, index)
    if own not in extents.known or len(form.terms) != 1 or form.terms[0][1] != 1:
        return False
    atom = form.terms[0][0]
    if not isinstance(atom, Extent) or extents.known[own] < form.constant:
        return False
    formula = Formula(
        lambda size: f"{size(own)} - {form.constant}".replace("- -", "+ ").removesuffix(" - 0"),
        lambda told, _: f"{told} < 0",
        f"|{index.name}| is less than {form.constant} in {equation}",
    )
    size = extents.known[own] - form.constant
    learn(extents, extents.dim(equation, atom.index), size, f"|{index.name}| = {form}", equation, formula)
    return True


def _solve_reads(extents: Extents, equation: Equation, parts: Collection[Equation] = ()) -> bool:
    """The largest range for which every unguarded read is inside, those of its parts too: the smallest over the reads
    that determine it."""
    every = (*parts, equation)
    stated = {
        extents.dim(each, index)
        for each in every
        for index, form in each.where
        if each is equation or not of_axis(extents.program, each, index, form)
    }
    largest: dict[str, tuple[int, Equation, Index, Indexed, int]] = {}
    told: dict[str, list[Inside]] = {}
    for each in every:
        for read, position, form in extents.arithmetic.get(each, ()):
            place = extents.program.dims.find(axis(read.access.tensor, position))
            size = extents.known.get(place)
            opened = None if size is None else _opened(extents, each, form, size)
            if opened is None:
                continue
            inside, size = opened
            dims = {extents.dim(each, index): index for index in sized(inside)}
            unknown = [dim for dim in dims if dim not in extents.known]
            if len(unknown) != 1 or unknown[0] in stated:
                continue
            top = highest(extents, each, inside, unknown[0])
            if top is None or top[0] <= 0:
                continue  # the largest value does not grow with the extent: the read says nothing about it
            extent = (size - 1 - top[1]) // top[0]
            told.setdefault(unknown[0], []).append((each, place, form))
            if unknown[0] not in largest or extent < largest[unknown[0]][0]:
                largest[unknown[0]] = extent, each, dims[unknown[0]], read.access, position
    for dim, (extent, each, index, access, position) in largest.items():
        refuse_unlike(extents, index, told[dim])
        name = axis(access.tensor, position)
        length = extents.known[extents.program.dims.find(name)]
        if extent < 0 or (extent == 0 and length > 0):
            raise ExtentError(
                f"no value of {index.name} keeps {access} inside: {name} has size {length}",
                **at(each, access),
                inferred=f"|{index.name}| would be {extent}",
                repair=f"give a longer {access.tensor}, or say that it is zero outside with a guard 1[...]",
            )
        formula = read_formula(extents, dim, told[dim], f"no range keeps {access} inside in {each}")
        learn(extents, dim, extent, f"{access}", each, formula)
    return bool(largest)


def _opened(extents: Extents, equation: Equation, form: Affine, size: int) -> tuple[Affine, int] | None:
    """A read of ``floor(l / n) k + r`` as one of l, along an axis so long that the one is inside where the other is."""
    while (rounded := rounded_down(form)) is not None:
        atom, k, rest = rounded
        left, width = highest(extents, equation, rest), value_of(extents, equation, atom.right)
        if left is None or width is None:
            return None
        form, size = atom.left, max(width, 0) * ((size - 1 - left[1]) // k + 1)
    return form, size


def _solve_tensors(extents: Extents, equation: Equation) -> bool:
    """Without the array, the smallest axis for which every unguarded read is inside; where the equation states how far
    an index runs, any longer one has them inside too, and nothing is told.  Nor is it of a tensor that the program
    makes: one read at ``c[0]`` says nothing of how far ``c[j]`` goes on."""
    smallest: dict[str, tuple[int, Indexed]] = {}
    stated, inputs = {index for index, _ in equation.where}, extents.program.inputs
    for read, position, form in extents.arithmetic[equation]:
        if not stated.isdisjoint(form.free):
            continue
        dim = extents.program.dims.find(axis(read.access.tensor, position))
        top = highest(extents, equation, form)
        if top is not None and dim not in extents.known and read.access.tensor in inputs:
            smallest[dim] = max((top[1] + 1, read.access), smallest.get(dim, (0, read.access)), key=lambda e: e[0])
    for dim, (extent, access) in smallest.items():
        learn(extents, dim, max(extent, 0), f"{access}", equation, needed_formula(extents, equation, dim))
    return bool(smallest)


def _fill(extents: Extents, nominal: int) -> None:
    """Nominal sizes: an axis that is read through arithmetic is made long, so that windows fit, and what ``where``
    states comes of what it speaks of."""
    program = extents.program
    long = windowed(program)
    stated = {extents.dim(e, i) for e in program.equations for i, form in e.where if not of_axis(program, e, i, form)}
    stated |= {extents.dim(e, i) for e in program.equations for i, _ in loose(e) if i not in dict(e.where)}
    own = [program.dims.find(axis(name, k)) for name, rank in program.inputs.items() for k in range(rank)]
    inputs = set(map(str, program.inputs))
    read = ((e, n.index) for e in program.equations for n in sizes_read(e))
    spoken = [extents.dim(e, index) for e, index in read if index.name.rpartition(".")[0] in inputs]
    for by_itself in (True, False):  # those first that nothing states: a range is the smallest over all reads
        for dim in dict.fromkeys((*own, *spoken)):
            if dim not in extents.known and (dim not in stated) is by_itself:
                learn(extents, dim, nominal * 16 ** long.get(dim, 0), NOMINAL)
                if not by_itself:
                    _solve(extents)
        _solve(extents)
    for equation in program.equations:
        for index in indices_of(equation):
            if extents.dim(equation, index) not in extents.known:
                learn(extents, extents.dim(equation, index), nominal, NOMINAL)
                _solve(extents)


def windowed(program: Program) -> dict[str, int]:
    """The dimensions of axes that are read through arithmetic and no guard: they have to be longer than the windows on
    them, and a window on a window twice so."""
    forms = [
        (program.dims.find(axis(read.access.tensor, k)), {program.dim(equation, index) for index in sized(form)})
        for equation in program.equations
        for read in reads(equation)
        for k, form in enumerate(read.access.slots)
        if form.index is None and form.free and not bounds_above(read.guards, form)
    ]
    levels = dict.fromkeys((dim for dim, _ in forms), 1)
    for _ in range(DEEPEST):
        for dim, held in forms:
            levels[dim] = max(
                levels[dim], *(min(1 + levels.get(other, 0), DEEPEST) for other in held if other != dim), 1
            )
    return levels
