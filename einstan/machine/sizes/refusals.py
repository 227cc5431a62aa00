"""What the machine refuses: arrays that do not fit an equation, reads outside, values that do not exist.

Each error has its place in the equation, what was inferred, and the repair.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from einstan.calculus.program import Program, room_inside, sizes_read
from einstan.language.dims import axis, unguarded, unguarded_quotients
from einstan.language.errors import DataError, EinstanError, ExtentError, ProgramError, listed, nearest
from einstan.language.functions import SPELLINGS
from einstan.language.index import Affine, Index, affine, fresh_name, lowered, names_in
from einstan.language.node import Node, fold, preorder, replace
from einstan.language.place import Place, at
from einstan.language.term import (
    Apply,
    Delta,
    Equation,
    Expr,
    Extent,
    Indexed,
    Iverson,
    Name,
    Position,
    Reduce,
    mul,
    substitute,
    tensors,
)
from einstan.language.tokens import respelled

NO_VALUE = {"mean": "the mean", "max": "the largest", "min": "the smallest"}


def reader_of(program: Program, name: Name) -> Equation | None:
    """The first equation that reads a tensor, else the one that defines it; as it was before the program was put into
    the form in which it is run."""
    for each in (program.origin, program):
        if each is not None:
            readers = (e for e in each.equations if name in each.reads[e.name])
            if (found := next(readers, each.defined.get(name))) is not None:
                return found
    return None


def counted(number: int, what: str, many: str) -> str:
    return f"{number} {what if number == 1 else many}"


# ---- what is given ---------------------------------------------------------------------------------------------------


def missing(program: Program, name: Name, given: Iterable[str]) -> DataError:
    """A tensor that the program reads and nobody gave."""
    given = list(given)
    close = nearest(str(name), [g for g in given if g not in {str(n) for n in program.inputs}])
    spoken = dict.fromkeys(extent.index.name for equation in program for extent in sizes_read(equation))
    sizes = ", ".join(f"{place!r}: ..." for place in spoken if place.rpartition(".")[0] == str(name))
    return DataError(
        f"{name} is not given",
        **at(reader_of(program, name), name),
        inferred="given: " + listed(given) if given else "nothing is given",
        repair=f"give {name}=..."
        + (f" or sizes={{{sizes}}}" if name not in program.ranks else "")
        + (f"; {close}" if close else ""),
    )


def unknown_tensor(program: Program, name: str) -> DataError:
    """A tensor that was given and that the program does not read."""
    inputs = [str(n) for n in program.inputs]
    sizes = "give them to compile, compile(sizes=...)" if name == "sizes" else ""
    function = SPELLINGS.get(name, "")
    nodes = [node for equation in program for node in preorder(equation.rhs)]
    if any(isinstance(node, Apply) and node.function == function for node in nodes):
        return DataError(
            f"{name} is the function {function} here, and no tensor",
            inferred=f"a bracket directly behind it is what it is of: {name}(x)",
            repair=f"{name} * (x) for a product",
        )
    if name in {lowered(node.index.name) for node in nodes if isinstance(node, Extent)}:
        return DataError(
            f"|{name}| is how many values the index {name} takes", repair=f"abs({name}) for an absolute value"
        )
    return DataError(
        f"{name} is not a tensor that the program reads",
        inferred="it reads " + listed(inputs) if inputs else "it reads nothing",
        repair=sizes or nearest(name, inputs) or f"leave {name} out",
    )


def wrong_rank(program: Program, name: Name, shape: tuple[int, ...]) -> DataError:
    """An array with more or fewer axes than its tensor has slots."""
    rank = program.ranks[name]
    has = f"has {counted(len(shape), 'axis', 'axes')} {shape}" if shape else "is a scalar"
    axes = counted(rank, "axis", "axes")
    return DataError(
        f"{name} {has}, but the equation reads {axes if rank else 'a scalar'}",
        **at(reader_of(program, name), name),
        inferred=f"{name} has {counted(rank, 'slot', 'slots')} here" if rank else f"{name} has no slots here",
        repair=f"give {name} with {axes}" if rank else f"give {name} as a number",
    )


def not_an_array(program: Program, name: Name, reason: str, repair: str = "") -> DataError:
    """Nested lists with rows of different lengths, what else has no shape, and what an array would not hold."""
    rank = program.ranks.get(name, -1)
    axes = f"{name} has {counted(rank, 'axis', 'axes')}" if rank > 0 else f"{name} is a scalar"
    return DataError(
        f"{name} {reason}",
        **at(reader_of(program, name), name),
        inferred=axes if rank >= 0 else f"only the size of {name} is read",
        repair=repair or ("give nested lists with rows of one length" if rank else f"give {name} as a number"),
    )


def no_numbers(name: object, dtype: Any) -> str:
    """What to give in the place of an array of this dtype, so that it holds real numbers."""
    if dtype.kind == "c":
        return f"give {name}.real, or its real and imaginary parts as two tensors"
    if dtype.names:
        return f'give one of its fields, {name}["{dtype.names[0]}"]'
    if dtype.kind in "mM":
        begin = f"({name} - {name}.min())" if dtype.kind == "M" else name
        return f"give them as numbers: {begin} / np.timedelta64(1, 'D')"
    return f"give {name}.astype(float)"


def wrong_dtype(program: Program, name: Name, dtype: Any, index: bool) -> EinstanError:
    """Integers where real numbers are computed with, or numbers that are not whole in a slot."""
    equation = reader_of(program, name)
    want = "integers, because it stands in a slot" if index else "floating-point numbers"
    repair: str | list[str] = f"give {name}.astype(int)" if index and dtype.kind == "f" else no_numbers(name, dtype)
    inferred = f"{name} stands in no slot: it is a tensor of real numbers"
    if index:
        holder = next((h for e in program.equations for h, atom in positions_in(e) if atom.tensor == name), None)
        inferred = (
            f"its entries are positions in {holder.tensor}" if holder else "its entries are compared with indices"
        )
        if holder is None and dtype.kind == "f" and equation is not None:
            forms = [node for node in preorder(equation.rhs) if isinstance(node, Affine) and name in tensors(node)]
            forms = [form for form in forms if len(form.terms) > 1]  # in brackets of its own such a sum is a value
            spelled = (str(form).replace(" ", "") for form in forms)
            values = (str(equation).replace(text, f"({text})", 1) for text in spelled)
            repair = [str(repair), *(f"where they are no integers: {value}" for value in values)][:2]
    return DataError(
        f"{name} has dtype {dtype}, but it must hold {want}", **at(equation, name), inferred=inferred, repair=repair
    )


def no_label(
    program: Program, name: Name, place: tuple[Any, ...], value: int, nearest_one: int, dtype: Any
) -> DataError:
    """A whole number that would be compared as another one."""
    entry = f"{name}[{','.join(map(str, place))}]" if place else str(name)
    return DataError(
        f"{entry} = {value} is no {dtype}, and would be compared as {nearest_one}",
        **at(reader_of(program, name), name),
        inferred=f"{name} is compared and has no slot: its numbers are taken as {dtype}",
        repair=[f"{name} - {name}.min(), if differences alone matter",
                f"np.unique({name}, return_inverse=True)[1], if the order alone matters"],
    )  # fmt: skip


# ---- reads -----------------------------------------------------------------------------------------------------------


def outside(equation: Equation, access: Indexed, position: int, value: int, size: int) -> EinstanError:
    """A read outside a tensor that no bracket guards: of positions that the data holds, or of a range."""
    name, form = axis(access.tensor, position), access.slots[position]
    held = [atom for atom, _ in form.terms if isinstance(atom, Indexed)]
    has = f"the positions 0 to {size - 1}" if size else "no positions"
    where = f"{form} is {value}" + ("" if held else _where(form, value))
    guard = Iverson((Affine((), 0), form, Extent(Index(name, name))), ("<=", "<"))
    repair = [f"read it only where {guard} holds"]  # in a slot there are no zeros to pad with
    forms = (node for node in preorder(equation.rhs) if isinstance(node, Affine))
    if all(atom is not access for node in forms for atom, _ in node.terms):
        also = {read: guards for read in _reads_of(equation, access.tensor) if (guards := _guards(read))}
        padded = replace(equation, {read: mul((*g, read)) for read, g in {access: [guard], **also}.items()})
        repair = [f"say that {access.tensor} is zero outside: {_as_far(padded, access)}"]
        if not form.terms and value < 0:
            slots = list(access.slots)
            slots[position] = affine((Extent(Index(name, name)), 1), constant=value)
            repair = [f"count from the end: {replace(equation, {access: Indexed(access.tensor, tuple(slots))})}"]
        elif value < 0 and (later := _inside(equation, form)) is not None:
            repair.append(f"begin where every read is inside: {later}")
        elif value > 0 and (shorter := shortened(equation, form, name)) is not None:
            repair.insert(0, f"end where every read is inside: {shorter}")
    if held:
        repair.insert(0, f"give {held[0].tensor} with positions that {access.tensor} has")
    return (DataError if held else ExtentError)(
        f"{access} reads outside {access.tensor}: slot {position} is {value}, but {name} has size {size}",
        **at(equation, access),
        inferred=f"{where}, and {name} has {has}" if str(form) != str(value) else f"{name} has {has}",
        repair=repair,
    )


def shortened(equation: Equation, form: Affine, place: str) -> Equation | None:
    """``t = S[I,I+1] where |I| = |S.1| - 1``: the one index that a form grows with ends where it is inside of an axis;
    nothing where the extent of that index is stated."""
    own = [atom for atom, k in form.terms if isinstance(atom, Index) and k > 0]
    room = room_inside(own[0], place, [form]) if len(own) == 1 and own[0] not in dict(equation.where) else None
    if room is None:
        return None
    return Equation(equation.name, equation.indices, equation.rhs, (*equation.where, (own[0], room)))


def shortened_read(equation: Equation, access: Indexed, form: Affine, place: str) -> str:
    """The range of a read stated in its equation, or in a line of its own where its index fills another tensor too:
    ``S1[i] = S[i,i+1] where |i| = |S.1| - 1`` for ``S[i,i+1] b[i]``."""
    shorter = shortened(equation, form, place)
    if shorter is None:
        return ""
    index, room = shorter.where[-1]
    others = (node for node in preorder(equation.rhs) if isinstance(node, Indexed) and node is not access)
    if not any(slot.index is index for node in others for slot in node.slots):
        return f"state it: {shorter}"
    own = list(dict.fromkeys(atom for slot in access.slots for atom in slot.free))
    name = fresh_name(f"{access.tensor}1", set(names_in(str(equation))))
    named = Indexed(name, tuple(affine((each, 1)) for each in own))
    line = f"{named} = {access} where |{index.name}| = {room}"
    for each in own:
        line = respelled(line, each.name, lowered(each.name))
    return f"a line of its own: {line}\n{replace(equation, {access: named})}"


def _as_far(padded: Equation, access: Indexed) -> Equation:
    """With how far the left indices run that nothing tells any more, where every read of theirs is guarded: as far as
    the axis does."""
    told = {index for index, _, _, kept in (*unguarded(padded), *unguarded_quotients(padded)) if not kept}
    stated = [
        (index, affine((Extent(Index(place, place)), 1)))
        for k, form in enumerate(access.slots)
        for index, place in [(next((a for a, _ in form.terms if a in padded.indices), None), axis(access.tensor, k))]
        if isinstance(index, Index) and index not in told and index not in dict(padded.where)
    ]
    return Equation(padded.name, padded.indices, padded.rhs, (*padded.where, *stated))


def _reads_of(equation: Equation, tensor: Name) -> list[Indexed]:
    return [node for node in preorder(equation.rhs) if isinstance(node, Indexed) and node.tensor == tensor]


def _guards(access: Indexed) -> list[Iverson]:
    """What guards the slots that have negative values, ``x[i-1,j-2]``."""
    places = ((axis(access.tensor, k), form) for k, form in enumerate(access.slots) if _is_below(form))
    return [Iverson((Affine((), 0), form, Extent(Index(place, place))), ("<=", "<")) for place, form in places]


def _is_below(form: Affine) -> bool:
    return form.constant < 0 and all(isinstance(atom, Index) and k > 0 for atom, k in form.terms)


def _inside(equation: Equation, form: Affine) -> Equation | None:
    """The equation whose left indices begin where no form of a slot has negative values: one after the other."""
    later = _later(equation, form)
    for _ in equation.indices:
        slots = (s for node in preorder(later.rhs) if isinstance(node, Indexed) for s in node.slots) if later else ()
        below = next(
            (s for s in slots if s.constant < 0 and all(isinstance(a, Index) and k > 0 for a, k in s.terms)), None
        )
        if later is None or below is None:
            return later
        later = _later(later, below)
    return later


def _later(equation: Equation, form: Affine) -> Equation | None:
    """``d[t] = x[t+1] - x[t]`` for ``d[t] = x[t] - x[t-1]``: an index of the left side, which stands in slots alone,
    begins where a form has no negative values.  No plain slot of another axis may tell how far it runs."""
    own = next((atom for atom, k in form.terms if k == 1 and atom in equation.indices), None)
    rest = [(atom, k) for atom, k in form.terms if atom is not own]
    using = [node for node in preorder(equation.rhs) if own in node.free]
    if equation.where or any(isinstance(node, Position | Iverson | Delta) for node in using):
        return None
    if not isinstance(own, Index) or not all(isinstance(atom, Index) for atom, _ in rest):
        return None
    lowest = [(Extent(atom), k) for atom, k in rest if k < 0 and isinstance(atom, Index)]
    less = form.constant - sum(k for _, k in lowest)
    start = affine((own, 1), *((size, -k) for size, k in lowest), constant=-less)
    later = Equation(equation.name, equation.indices, substitute(equation.rhs, {own: start}))
    reads = [node for node in preorder(later.rhs) if isinstance(node, Indexed)]
    read = [(axis(node.tensor, k), slot) for node in reads for k, slot in enumerate(node.slots) if own in slot.free]
    plain = any(slot.index is own for _, slot in read)
    if not plain or len({place for place, _ in read}) == 1:
        return later
    shifted = [(slot, place) for place, slot in read if slot.index is not own]
    return shortened(later, *shifted[0]) if len(shifted) == 1 else None  # S[i+1,i], of S[i,i-1]


def _where(form: Affine, value: int) -> str:
    """The value of the one index of a form, where it has one and no other unknown."""
    match form.terms:
        case ((Index(name=letter), coefficient),) if (letter, coefficient, form.constant) != (str(form), 1, 0):
            return f" where {letter} = {(value - form.constant) // coefficient}"
    return ""


def not_whole(equation: Equation, atom: Node | None, value: object) -> DataError:
    """A position with digits after the point."""
    shown = str(atom) if atom is not None else "a slot"
    holder = next((holder for holder, inner in positions_in(equation) if inner is atom), None)
    return DataError(
        f"{shown} is {value}, which is not a whole number",
        **at(equation, atom),
        inferred=f"{shown} stands in a slot of {holder.tensor}" if holder is not None else (),
        repair="index with a tensor of integers",
    )


def positions_in(equation: Equation) -> Iterator[tuple[Indexed, Indexed]]:
    """The accesses that stand in slots, each after the access whose slot it is."""
    for node in preorder(equation.rhs):
        if isinstance(node, Indexed):
            for form in node.slots:
                for atom, _ in form.terms:
                    if isinstance(atom, Indexed):
                        yield node, atom


# ---- sizes -----------------------------------------------------------------------------------------------------------


def beyond_floats(equation: Equation, product: Expr) -> DataError:
    """``1[c] exp(800)``, where a bracket or a delta multiplies a number that no float is."""
    return DataError(
        "a number that a bracket or a delta multiplies is no float",
        **at(equation, product),
        inferred="floats end at about 1.8e308",
        repair=("scale what it multiplies, or use the logarithm", "log(1[...]) for a mask that adds minus infinity"),
    )


def empty(equation: Equation, node: Reduce, known: Iterable[str]) -> DataError:
    """The mean, largest or smallest of nothing."""
    letters = ", ".join(index.name for index in node.indices)
    return DataError(
        f"{NO_VALUE[node.operation]} over {letters} has no value: there is nothing to take it of",
        **at(equation, node),
        inferred=", ".join(known),
        repair=f"give arrays in which {letters} {'has' if len(node.indices) == 1 else 'have'} at least one value",
    )


def divides_by_zero(equation: Equation, divisor: Expr, known: Iterable[str], letters: Iterable[str]) -> DataError:
    """A division by a number of sizes that is zero; ``letters`` are those of extents that are."""
    place = at(equation, divisor)
    if place["span"] is None:  # a part that the text spells in another way
        place = at(equation, next((n for n in preorder(divisor) if isinstance(n, Extent)), None))
    short = ", ".join(letters)
    return DataError(
        f"{equation.name} divides by {divisor}, which is 0",
        **place,
        inferred=", ".join(known),
        repair=f"give arrays in which {short or divisor} "
        + ("is not 0" if not short else "has at least one value" if "," not in short else "have at least one value"),
    )


def too_large(
    equation: Equation | None, name: Name | None, what: str, known: Iterable[str], needed: str, available: str
) -> DataError:
    """An array that does not fit into memory."""
    deltas = equation is not None and any(isinstance(node, Delta) for node in preorder(equation.rhs))
    factored = "ask for the factored form (deltas kept as factors), a product with a vector, or smaller sizes"
    return DataError(
        f"{what} would take {needed}, and {available}",
        **_defining(equation, name),
        inferred=", ".join(known),
        repair=factored if deltas else "ask for a product with a vector, or for smaller sizes",
    )


def too_much(program: Program, needed: str, available: str, outputs: Iterable[Name]) -> DataError:
    """A call that holds more than it may, even with values computed twice."""
    names = ", ".join(map(str, outputs))
    equation = next((e for e in reversed(program.equations) if str(e.name) in names.split(", ")), None)
    return DataError(
        f"computing {names} would take {needed}, and {available}",
        **at(equation, None if equation is None else equation.name),
        inferred="values that are cheap to compute again are not kept already" if "allowed" in available else (),
        repair="allow more, ask for fewer results at once, or for smaller sizes",
    )


def _defining(equation: Equation | None, name: Name | None) -> Place:
    """The left side of the equation that defines a tensor, else where it is read."""
    place = at(equation, name)
    if equation is not None and equation.name == name:
        place["span"] = 0, place["text"].index(" = ")
    return place


# ---- depth -----------------------------------------------------------------------------------------------------------

DEEPEST = 6000  # levels of a term, for what goes down it by calls


def require_shallow(equation: Equation) -> None:
    """Refuse a term that is deeper than the stack of the interpreter allows."""
    if equation.rhs.below is not None:  # few nodes are there in all
        return
    levels = fold(equation.rhs, lambda node, below: 1 + max(below, default=0))
    if levels > DEEPEST:
        raise ProgramError(
            f"{equation.name} is nested deeper than {DEEPEST} levels",
            inferred=f"its right side has {levels:,} levels",
            repair="name a part of it: an equation each",
        )
