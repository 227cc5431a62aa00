"""From the shapes of arrays, and sizes given by name, to one extent per dimension of a program.

Three things determine an extent: an array (every axis that an index fills alone has its size), a size that the caller
names, and arithmetic.  ``Y[i] = X[i+R] W[R]`` determines ``|i|`` as the largest range for which every unguarded read is
inside, ``|X.0| - |R| + 1``; a guarded read infers nothing, and ``where |i| = ...`` states the extent itself.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from einstan.calculus.program import Program, extents_in_part, rounded_down, sizes_read
from einstan.language.dims import axis, is_axis, is_whole, loose
from einstan.language.errors import ExtentError, nearest
from einstan.language.index import Affine, Arithmetic, Index, affine, lowered, whole
from einstan.language.node import holds, preorder, remembered
from einstan.language.place import Place, at
from einstan.language.term import Equation, Extent, Indexed, Iverson, Name, Partial, Reduce, Sum
from einstan.machine.sizes.guards import Read, bounds_above, reads
from einstan.machine.sizes.operations import Form
from einstan.machine.sizes.refusals import reader_of, shortened_read, wrong_rank
from einstan.machine.sizes.spelling import bracketed

Shape = tuple[int, ...]
Spell = Callable[[str], str]
NOMINAL = "a nominal size"
DEEPEST = 3  # windows on windows, for which nominal sizes are made
GIVEN = "sizes["  # what begins the source of a size that the caller names


def as_program(what: Equation | Program | Iterable[Equation]) -> Program:
    """A program from an equation, from several, or from itself."""
    if isinstance(what, Program):
        return what
    return Program((what,) if isinstance(what, Equation) else what)


@dataclass(frozen=True)
class Formula:
    """How an extent follows from others, as Python text: ``text(size)`` is the extent, where ``size`` gives the text of
    a dimension, and ``bad(own, size)`` is true where it makes no sense, which ``problem`` says."""

    text: Callable[[Spell], str]
    bad: Callable[[str, Spell], str]
    problem: str


class Extents:
    """The extent of every dimension of a program, and where each was learned.

    ``extents.of(equation, index)`` is a number; ``extents.shape(name)`` the shape of a tensor.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.known: dict[str, int] = {}
        self.source: dict[str, str] = {}
        self.formulas: dict[str, Formula] = {}
        self.arithmetic = {
            equation: forms for equation in program.equations if (forms := _arithmetic(equation)) or equation.where
        }
        self.parts = _parts(program)

    def dim(self, equation: Equation, index: Index) -> str:
        """The program's name for the dimension of an index of an equation."""
        return self.program.dim(equation, index)

    def of(self, equation: Equation, index: Index) -> int:
        return self.known[self.dim(equation, index)]

    def axis(self, name: Name, position: int) -> int:
        """Raises `ExtentError` where an axis is read at values alone, ``x[T[i]]``, so that no size tells it."""
        place = axis(name, position)
        found = self.known.get(self.program.dims.find(place))
        if found is None:
            raise ExtentError(
                f"the extent of axis {position} of {name} is not known",
                **at(reader_of(self.program, name), name),
                inferred="no array or size gives it",
                repair=f"give sizes={{{place!r}: ...}}",
            )
        return found

    def shape(self, name: Name) -> Shape:
        return tuple(self.axis(name, k) for k in range(self.program.ranks[name]))

    def worth(self, form: Affine) -> int:
        """The value of a form of extents whose dimensions have the names that they have in the program."""
        total = form.constant
        for atom, k in form.terms:
            assert isinstance(atom, Extent)
            total += k * self.known[self.program.dims.find(atom.index.dim)]
        return total

    def key(self) -> tuple[tuple[str, int], ...]:
        return tuple(sorted(self.known.items()))

    def told(self, letter: str, dim: str) -> str:
        """``|n| = 3 from X.0``"""
        return f"|{letter}| = {self.known[dim]} from {self.source[dim]}"

    def learn(
        self, dim: str, size: int, source: str, equation: Equation | None = None, formula: Formula | None = None
    ) -> None:
        """Record a size; refuse one that disagrees with what is known."""
        size = int(size)
        old = self.known.setdefault(dim, size)
        if old == size:
            if self.source.setdefault(dim, source) == source and formula is not None:
                self.formulas.setdefault(dim, formula)
            return
        raise _disagreement(self, dim, size, source, equation)


def _parts(program: Program) -> dict[Equation, tuple[Equation, ...]]:
    """By the equation of a tensor, the parts of it that stand before it under names of their own: ``g[i] = a[i+1] where
    |i| = |f.0|`` says there that i runs as far as all that is read for f lets it."""
    order = {str(equation.name): k for k, equation in enumerate(program.equations)}
    found: dict[Equation, dict[Equation, None]] = {}
    for k, equation in enumerate(program.equations):
        for index, form in equation.where:
            if _of_axis(program, equation, index, form):
                whole = order.get(form.terms[0][0].index.dim.rpartition(".")[0], -1)
                if whole > k:
                    found.setdefault(program.equations[whole], {})[equation] = None
    return {whole: tuple(parts) for whole, parts in found.items()}


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
    extents = Extents(program)
    for name, shape in shapes.items():
        if len(shape) != program.ranks.get(name, len(shape)):  # a tensor whose sizes alone are read has any rank
            raise wrong_rank(program, name, shape)
        for position, size in enumerate(shape):
            where = axis(name, position)
            extents.learn(program.dims.find(where), size, where)
    named = {} if all(speaks_of(program, key) for key in sizes or {}) else _letters(program, extents)
    by_letter = _take_sizes(extents, sizes or {}, named)
    _solve(extents)
    # A letter of several dimensions says nothing against an array, which may come when code is made without any.
    open_axes = {program.dims.find(axis(n, k)) for n, r in program.inputs.items() for k in range(r) if nominal}
    for letter, size in by_letter.items():
        for dim in named[letter]:
            if dim not in extents.known:
                extents.learn(dim, size, NOMINAL if dim in open_axes else f"sizes[{letter!r}]")
                _solve(extents)
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
        for index in _indices(equation):
            if extents.dim(equation, index) not in extents.known:
                raise _unknown(extents, equation, index)
    return extents


def _take_sizes(extents: Extents, sizes: Mapping[str, int], letters: Mapping[str, list[str]]) -> dict[str, int]:
    """Learn the sizes that are named by axis, or by a letter of one dimension; return the other letters."""
    open_letters: dict[str, int] = {}
    for key, size in sizes.items():
        if not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise _no_size(extents.program, key, size)
        if speaks_of(extents.program, key):
            extents.learn(extents.program.dims.find(key), size, f"sizes[{key!r}]")
            continue
        letter = lowered(key)
        if letter not in letters:
            raise no_index(key, letters)
        if len(letters[letter]) == 1:
            extents.learn(letters[letter][0], size, f"sizes[{key!r}]")
        else:
            open_letters[letter] = size
    return open_letters


def no_index(key: str, letters: Collection[str]) -> ExtentError:
    return ExtentError(
        f"there is no index {key}",
        inferred="the indices are " + ", ".join(letters) if letters else "there are no indices",
        repair=nearest(key, letters) or "name an index, or an axis such as X.0",
    )


def speaks_of(program: Program, place: str) -> bool:
    """Whether an axis is one of the program, if only its size is read."""
    name = place.rpartition(".")[0]
    unread = name in map(str, program.inputs) and name not in map(str, program.ranks)
    return place in program.dims or (is_axis(place) and unread)


def letters_of(program: Program) -> set[str]:
    """The letters that stand for the sizes of a program."""
    return {lowered(index.name) for equation in program.equations for index in _indices(equation)}


def _letters(program: Program, extents: Extents) -> dict[str, list[str]]:
    """The dimensions that each letter runs over; ``k`` and ``K`` are one letter here, as in ``|k|``."""
    found: dict[str, list[str]] = {}
    for equation in program.equations:
        for index in _indices(equation):
            dims = found.setdefault(lowered(index.name), [])
            dim = extents.dim(equation, index)
            if dim not in dims:
                dims.append(dim)
    return found


@remembered
def _indices(equation: Equation) -> tuple[Index, ...]:
    found: dict[Index, None] = dict.fromkeys(equation.indices)
    for node in preorder(equation.rhs):
        if isinstance(node, Index):
            found[node] = None
        elif isinstance(node, Extent):
            found[node.index] = None
        elif isinstance(node, Sum | Reduce):
            found.update(dict.fromkeys(node.indices))
    return tuple(found)


# ---- arithmetic ------------------------------------------------------------------------------------------------------


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


@remembered
def _arithmetic(equation: Equation) -> tuple[tuple[Read, int, Affine], ...]:
    """The slots with arithmetic that no guard bounds above: what can determine an extent."""
    short = loose(equation)
    return tuple(
        (read, position, form)
        for read in reads(equation)
        for position, form in enumerate(read.access.slots)
        if (form.index is None or (short and (form.index, axis(read.access.tensor, position)) in short))
        and not bounds_above(read.guards, form)
    )


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
                inferred=_known(extents, equation, index),
                repair=f"give arrays for which {form} is not negative",
            )
        dim = extents.dim(equation, index)
        learned |= dim not in extents.known
        formula = stated_formula(extents, equation, index, form)
        extents.learn(dim, size, f"where |{index.name}| = {form}", equation, formula)
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
    extents.learn(extents.dim(equation, atom.index), size, f"|{index.name}| = {form}", equation, formula)
    return True


def value_of(extents: Extents, equation: Equation, form: Affine) -> int | None:
    """The value of a form of extents, if all of them are known."""
    total = form.constant
    for atom, coefficient in form.terms:
        size: int | None = None
        if isinstance(atom, Arithmetic):
            left, right = (value_of(extents, equation, part) for part in (atom.left, atom.right))
            size = None if left is None or right is None else _whole(equation, atom, left, right)
        elif isinstance(atom, Extent):
            size = extents.known.get(extents.dim(equation, atom.index))
        if size is None:
            return None
        total += coefficient * size
    return total


def _whole(equation: Equation, atom: Arithmetic, left: int, right: int) -> int:
    try:
        return whole(atom.operation, left, right)
    except ExtentError as error:
        raise ExtentError(
            f"{affine((atom, 1))} has no value: {error.problem}", **at(equation, None), repair=error.repair
        ) from None


def _solve_reads(extents: Extents, equation: Equation, parts: Collection[Equation] = ()) -> bool:
    """The largest range for which every unguarded read is inside, those of its parts too: the smallest over the reads
    that determine it."""
    every = (*parts, equation)
    stated = {
        extents.dim(each, index)
        for each in every
        for index, form in each.where
        if each is equation or not _of_axis(extents.program, each, index, form)
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
            dims = {extents.dim(each, index): index for index in _sized(inside)}
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
        _refuse_unlike(extents, index, told[dim])
        name = axis(access.tensor, position)
        length = extents.known[extents.program.dims.find(name)]
        if extent < 0 or (extent == 0 and length > 0):
            raise ExtentError(
                f"no value of {index.name} keeps {access} inside: {name} has size {length}",
                **at(each, access),
                inferred=f"|{index.name}| would be {extent}",
                repair=f"give a longer {access.tensor}, or say that it is zero outside with a guard 1[...]",
            )
        formula = _read_formula(extents, dim, told[dim], f"no range keeps {access} inside in {each}")
        extents.learn(dim, extent, f"{access}", each, formula)
    return bool(largest)


def _refuse_unlike(extents: Extents, index: Index, told: Iterable[Inside]) -> None:
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


def _opened(extents: Extents, equation: Equation, form: Affine, size: int) -> tuple[Affine, int] | None:
    """A read of ``floor(l / n) k + r`` as one of l, along an axis so long that the one is inside where the other is."""
    while (rounded := rounded_down(form)) is not None:
        atom, k, rest = rounded
        left, width = highest(extents, equation, rest), value_of(extents, equation, atom.right)
        if left is None or width is None:
            return None
        form, size = atom.left, max(width, 0) * ((size - 1 - left[1]) // k + 1)
    return form, size


Told = dict[tuple[str, str], tuple[Index, Indexed, list[Affine]]]
Inside = tuple[Equation, str, Affine]  # what is read of an axis in an equation


def ranges_told(extents: Extents, equation: Equation) -> Told:
    """By the dimension of an index, and an axis: the reads of that axis, plain and shifted, that tell its range."""
    stated = {index.dim for index, _ in equation.where}
    places = {place: index for index, place in loose(equation) if index.dim not in stated}
    found: Told = {}
    for read, position, form in extents.arithmetic.get(equation, ()):
        index = places.get(axis(read.access.tensor, position))
        if index is not None and index in form.free:
            key = extents.dim(equation, index), extents.program.dims.find(axis(read.access.tensor, position))
            found.setdefault(key, (index, read.access, []))[2].append(form)
    return found


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
    if any(extents.known.get(extents.dim(equation, index)) == 0 for index in _indices(equation)):
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


def read_text(
    extents: Extents, equation: Equation, dim: str, place: str, forms: list[Affine], size: Spell
) -> str | None:
    """The largest range of a dimension for which every form is inside an axis, as Python text: those tell that grow
    with it, and neither ``|x.0| - 1 - i`` nor ``mod(i + 1, |x.0|)`` and labels do."""
    tops = [(form, highest(extents, equation, form, dim)) for form in forms if _is_ranged(form)]
    growing = [form for form, top in tops if top is None or top[0] > 0] or [form for form, _ in tops]
    if not growing:
        return None
    return _read_formula(extents, dim, [(equation, place, form) for form in growing], "").text(size)


def _is_ranged(form: Affine) -> bool:
    """Whether a form is made of indices and extents alone, or is the floor of such a quotient."""
    return rounded_down(form) is not None or all(
        isinstance(atom, Index | Extent) or (isinstance(atom, Arithmetic) and not atom.free) for atom, _ in form.terms
    )


def stated_formula(extents: Extents, equation: Equation, index: Index, form: Affine) -> Formula:
    """The extent that ``where`` states."""
    falls = form.constant < 0 or any(k < 0 or isinstance(atom, Arithmetic) for atom, k in form.terms)
    quotients = [node for node in preorder(form) if isinstance(node, Arithmetic) and node.operation == "over"]

    def bad(own: str, size: Spell) -> str:
        sides = [[bracketed(form_text(extents, equation, side, size)) for side in (q.left, q.right)] for q in quotients]
        return " or ".join([*(f"{left} % {right}" for left, right in sides), *([f"{own} < 0"] if falls else [])])

    problem = "is not whole, or negative," if quotients else "is negative"
    return Formula(
        lambda size: form_text(extents, equation, form, size), bad, f"|{index.name}| = {form} {problem} in {equation}"
    )


def _read_formula(extents: Extents, dim: str, told: list[Inside], problem: str) -> Formula:
    """The smallest of the extents for which each read is inside."""

    def one(size: Spell, equation: Equation, length: str, form: Affine) -> str:
        slope, terms, constant = 0, [length], -1 - form.constant
        if (rounded := rounded_down(form)) is not None:
            quotient, k, rest = rounded
            width, left = form_text(extents, equation, quotient.right, size), one(size, equation, length, rest)
            steps = f"({left}) // {k} + 1" if k > 1 else f"{left} + 1"
            return one(size, equation, f"{bracketed(width)} * ({steps})", quotient.left)
        for atom, k in form.terms:
            if isinstance(atom, Arithmetic):
                terms.append(f"- {k} * {form_text(extents, equation, affine((atom, 1)), size)}")
                continue
            assert isinstance(atom, Index | Extent)
            own = extents.dim(equation, atom if isinstance(atom, Index) else atom.index)
            if isinstance(atom, Index):
                if k < 0:
                    continue
                constant += k
            if own == dim:
                slope += k
            else:
                terms.append(f"{'-' if k > 0 else '+'} {'' if abs(k) == 1 else f'{abs(k)} * '}{size(own)}")
        if constant:
            terms.append(f"{'-' if constant < 0 else '+'} {abs(constant)}")
        text = " ".join(terms)
        return f"({text}) // {slope}" if slope > 1 else text

    def text(size: Spell) -> str:
        parts = list(dict.fromkeys(one(size, equation, size(length), form) for equation, length, form in told))
        return parts[0] if len(parts) == 1 else f"min({', '.join(parts)})"

    def bad(own: str, size: Spell) -> str:
        lengths = list(dict.fromkeys(size(length) for _, length, _ in told))
        longest = lengths[0] if len(lengths) == 1 else f"max({', '.join(lengths)})"
        places = {form: list(dict.fromkeys(size(p) for _, p, other in told if other is form)) for _, _, form in told}
        unlike = [f"{one} != {other}" for one, *others in places.values() for other in others]
        return " or ".join([f"{own} < 0", f"{own} == 0 < {longest}", *unlike])

    return Formula(text, bad, problem)


def range_formula(form: Form) -> Formula:
    """The extent of the range of a guarded form, which is no axis."""

    def text(size: Spell) -> str:
        parts = [size(dim) if k == 1 else f"{k} * {size(dim)}" for dim, k in form.extents]
        parts += [str(form.constant)] if form.constant or not parts else []
        return f"max(0, {' + '.join(parts).replace('+ -', '- ')})"

    return Formula(text, lambda own, _: "", "")


def form_text(extents: Extents, equation: Equation, form: Affine, size: Spell) -> str:
    """A form of extents as Python text."""
    parts: list[str] = []
    for atom, k in form.terms:
        if isinstance(atom, Arithmetic):
            sign = {"times": "*", "mod": "%"}.get(atom.operation, "//")
            left, right = (form_text(extents, equation, part, size) for part in (atom.left, atom.right))
            text = f"({bracketed(left)} {sign} {bracketed(right)})"
        else:
            assert isinstance(atom, Extent)
            text = size(extents.dim(equation, atom.index))
        parts.append(text if k == 1 else f"{k} * {text}")
    if form.constant or not parts:
        parts.append(str(form.constant))
    return " + ".join(parts).replace("+ -", "- ")


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
        extents.learn(dim, max(extent, 0), f"{access}", equation, _needed_formula(extents, equation, dim))
    return bool(smallest)


def _needed_formula(extents: Extents, equation: Equation, dim: str) -> Formula:
    """The smallest axis for which every read is inside."""

    def one(size: Spell, form: Affine) -> str:
        terms, constant = [], form.constant + 1
        for atom, k in form.terms:
            if isinstance(atom, Arithmetic):
                terms.append(f"{k} * {form_text(extents, equation, affine((atom, 1)), size)}")
                continue
            assert isinstance(atom, Index | Extent)
            if isinstance(atom, Index):
                if k < 0:
                    continue
                constant -= k
            own = size(extents.dim(equation, atom if isinstance(atom, Index) else atom.index))
            terms.append(own if k == 1 else f"{k} * {own}")
        return " + ".join([*terms, str(constant)]).replace("+ -", "- ")

    def text(size: Spell) -> str:
        held = [
            form
            for read, position, form in extents.arithmetic[equation]
            if extents.program.dims.find(axis(read.access.tensor, position)) == dim
            and not any(isinstance(atom, Arithmetic | Indexed) and atom.free for atom, _ in form.terms)
        ]
        return f"max(0, {', '.join(dict.fromkeys(one(size, form) for form in held))})"

    return Formula(text, lambda own, _: f"{own} < 0", "")


def _sized(form: Affine) -> list[Index]:
    """The indices whose extents bound a form."""
    return [a if isinstance(a, Index) else a.index for a, _ in form.terms if isinstance(a, Index | Extent)]


def highest(extents: Extents, equation: Equation, form: Affine, unknown: str = "") -> tuple[int, int] | None:
    """The largest value of a form is ``slope |unknown| + rest``; None where something else in it is not known."""
    slope, rest = 0, form.constant
    for atom, k in form.terms:
        if isinstance(atom, Arithmetic) and not atom.free:
            size = value_of(extents, equation, affine((atom, 1)))
            if size is None:
                return None
            rest += k * size
            continue
        if not isinstance(atom, Index | Extent):
            return None
        dim = extents.dim(equation, atom if isinstance(atom, Index) else atom.index)
        if isinstance(atom, Index):  # from 0 to the extent less one
            if k < 0:
                continue
            rest -= k
        if dim == unknown:
            slope += k
        elif dim in extents.known:
            rest += k * extents.known[dim]
        else:
            return None
    return slope, rest


def _fill(extents: Extents, nominal: int) -> None:
    """Nominal sizes: an axis that is read through arithmetic is made long, so that windows fit, and what ``where``
    states comes of what it speaks of."""
    program = extents.program
    long = windowed(program)
    stated = {extents.dim(e, i) for e in program.equations for i, form in e.where if not _of_axis(program, e, i, form)}
    stated |= {extents.dim(e, i) for e in program.equations for i, _ in loose(e) if i not in dict(e.where)}
    own = [program.dims.find(axis(name, k)) for name, rank in program.inputs.items() for k in range(rank)]
    inputs = set(map(str, program.inputs))
    read = ((e, n.index) for e in program.equations for n in sizes_read(e))
    spoken = [extents.dim(e, index) for e, index in read if index.name.rpartition(".")[0] in inputs]
    for by_itself in (True, False):  # those first that nothing states: a range is the smallest over all reads
        for dim in dict.fromkeys((*own, *spoken)):
            if dim not in extents.known and (dim not in stated) is by_itself:
                extents.learn(dim, nominal * 16 ** long.get(dim, 0), NOMINAL)
                if not by_itself:
                    _solve(extents)
        _solve(extents)
    for equation in program.equations:
        for index in _indices(equation):
            if extents.dim(equation, index) not in extents.known:
                extents.learn(extents.dim(equation, index), nominal, NOMINAL)
                _solve(extents)


def _of_axis(program: Program, equation: Equation, index: Index, form: Affine) -> bool:
    """Whether ``where |p| = |x.0|`` says what the program knows."""
    return is_whole(form) and program.dim(equation, form.terms[0][0].index) == program.dim(equation, index)


def windowed(program: Program) -> dict[str, int]:
    """The dimensions of axes that are read through arithmetic and no guard: they have to be longer than the windows on
    them, and a window on a window twice so."""
    forms = [
        (program.dims.find(axis(read.access.tensor, k)), {program.dim(equation, index) for index in _sized(form)})
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


# ---- errors ----------------------------------------------------------------------------------------------------------


def _unknown(extents: Extents, equation: Equation, index: Index) -> ExtentError:
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
        inferred=_known(extents, equation) or "no array, size or arithmetic gives it",
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
    unknown = [i for i in _indices(equation) if extents.dim(equation, i) not in extents.known and i not in dict(where)]
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


def _known(extents: Extents, equation: Equation, but: Index | None = None) -> str:
    """What is known of the extents of an equation."""
    sizes = [
        f"|{index.name}| = {extents.of(equation, index)}"
        for index in _indices(equation)
        if index is not but and extents.dim(equation, index) in extents.known
    ]
    return "known: " + ", ".join(sizes) if sizes else ""


def _no_size(program: Program, key: str, size: object) -> ExtentError:
    """What is given as a size and is no number of entries."""
    found = ((e, i) for e in program.equations for i in _indices(e) if key in (lowered(i.name), i.name))
    equation, index = next(found, (None, None))
    tensor = key.rpartition(".")[0]
    place = _place(equation, index) if equation and index else at(reader_of(program, tensor), tensor)
    return ExtentError(
        f"the size of {key} is {size!r}",
        **place,
        inferred="a size is how many entries there are along an axis",
        repair="give a whole number that is not negative",
    )


def _disagreement(extents: Extents, dim: str, size: int, source: str, equation: Equation | None) -> ExtentError:
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
        inferred = [*runs, *([known] if (known := _known(extents, shown, index)) else [])]
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
        held: dict[Index, dict[str, None]] = {index: {} for index in _indices(equation)}
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
