"""What an expression of a paper is here: a text in which letters of indices are still open, and its axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from einstan.papers.problem import UnreadError


@dataclass(eq=False)
class Place:
    """An index: with a ``letter`` of the text, or without one as the axis of what has no indices there.  ``dim`` is the
    letter of the axis where it stands, ``at`` the tensor and the axis themselves."""

    letter: str = ""
    dim: str = ""
    at: tuple[str, int] | None = None
    summed: bool = False
    count: int | None = None  # how many values it has, where a vector is written out by its entries

    def again(self) -> Place:
        """Another index of the same axis."""
        return Place("", self.dim, self.at, count=self.count)


@dataclass(frozen=True)
class HowMany:
    """An extent that has a name in the text, N; which axis that is may be known later."""

    name: str


Piece = str | Place | HowMany
SUM, PRODUCT, ATOM = 0, 1, 2


@dataclass(frozen=True)
class Value:
    """``pieces`` are the text; ``axes`` the indices that are not written in the formula, in the order of a matrix.
    ``row`` is whether one axis is a row, None where nobody can tell.  ``bound`` are letters that are summed inside."""

    pieces: tuple[Piece, ...]
    level: int = ATOM
    axes: tuple[Place, ...] = ()
    row: bool | None = False
    bound: frozenset[str] = frozenset()

    @property
    def is_zero(self) -> bool:
        return self.pieces == ("0",)

    @property
    def bracketed(self) -> bool:
        """Whether brackets are around all of it; ``(n + 1) - m`` begins with one too."""
        return self.level == ATOM and self.pieces[0] == "("

    def inside(self, level: int) -> tuple[Piece, ...]:
        """The pieces, in brackets where what is around binds tighter."""
        return self.pieces if self.level >= level else ("(", *self.pieces, ")")

    def with_places(self, change: Mapping[Place, Place]) -> Value:
        pieces = tuple(change.get(p, p) if isinstance(p, Place) else p for p in self.pieces)
        return replace(self, pieces=pieces, axes=tuple(change.get(axis, axis) for axis in self.axes))

    @property
    def shape(self) -> str:
        match len(self.axes):
            case 0:
                return "a number"
            case 1:
                return {True: "a row", False: "a column", None: "a vector"}[self.row]
            case 2:
                return "a matrix"
            case count:
                return f"a tensor with {count} axes"


def number(text: str) -> Value:
    return Value((text,))


def aligned(left: Value, right: Value, what: str) -> Value:
    """The right value with the axes of the left one; refused where they do not go together."""
    if len(left.axes) != len(right.axes):
        ones = [r"c \mathbf{1} for the number c, where it is added to each entry"]
        said = [*ones * (what == "a sum of" and {len(left.axes), len(right.axes)} == {0, 1}), ENTRIES]
        raise UnreadError(f"{what} {left.shape} and {right.shape}", "", said)
    rows = {left.row, right.row} if len(left.axes) == 1 else set()
    if rows == {True, False}:
        raise UnreadError(f"{what} {left.shape} and {right.shape}", "", "one of them transposed")
    for one, other in zip(left.axes, right.axes, strict=True):
        same_extent(one, other, what)
    return right.with_places(dict(zip(right.axes, left.axes, strict=True)))


class ExtentsError(UnreadError):
    """Axes of two letters, where one extent is meant: ``places`` are the two."""

    places: tuple[Place, ...] = ()


def same_extent(one: Place, other: Place, what: str) -> None:
    """Refuse axes of two letters of the declarations: they have different extents."""
    if one.dim and other.dim and one.dim != other.dim:
        where = [f"{p.at[0]} ({p.dim})" if p.at else p.dim for p in (one, other)]
        problem = f"{what} axes of two extents: {where[0]} and {where[1]}"
        error = ExtentsError(problem, "", "one letter for both in `given`, as in A[i,i], x[i]")
        error.places = one, other
        raise error
    one.dim = other.dim = one.dim or other.dim
    one.at = other.at = one.at or other.at
    if one.count is not None and other.count is not None and one.count != other.count:
        problem = f"{what} axes with {one.count} and {other.count} entries"
        raise UnreadError(problem, "", "as many entries in both")
    one.count = other.count = one.count or other.count


def added(terms: Sequence[tuple[int, Value]]) -> Value:
    shaped = next((term for _, term in terms if len(term.axes) == 1), None)
    if shaped is not None:  # 1 - z of a vector is 1 - z_i; of a matrix it may be I - A
        terms = [(sign, replace(t, axes=shaped.axes, row=shaped.row) if t.pieces == ("1",) else t) for sign, t in terms]
    (sign, first), *rest = terms
    pieces: list[Piece] = [*(["-"] if sign < 0 else []), *first.inside(PRODUCT)]
    bound, row = first.bound, first.row
    for sign, term in rest:
        term = aligned(first, term, "a sum of")
        pieces += [" - " if sign < 0 else " + ", *term.inside(PRODUCT)]
        bound |= term.bound
        row = term.row if row is None else row
    return Value(tuple(pieces), SUM, first.axes, row, bound)


def joined(left: Value, right: Value, axes: tuple[Place, ...], row: bool | None = False) -> Value:
    """The product of two, its summed indices already the same."""
    pieces = (*left.inside(ATOM), " * ", *right.inside(ATOM))
    return Value(pieces, PRODUCT, axes, row, left.bound | right.bound)


def summed(body: Value, places: Sequence[Place], axes: tuple[Place, ...], row: bool | None = False) -> Value:
    pieces: list[Piece] = ["sum["]
    for place in places:
        place.summed = True
        pieces += [*([","] if len(pieces) > 1 else []), place]
    letters = frozenset(place.letter for place in places if place.letter)
    return Value((*pieces, "](", *body.pieces, ")"), ATOM, axes, row, body.bound | letters)


def contracted(
    left: Value, one: Place, right: Value, other: Place, axes: tuple[Place, ...], row: bool | None = False
) -> Value:
    """The sum over an axis of the left value and one of the right."""
    same_extent(one, other, "a product over")
    middle = one.again()
    left, right = left.with_places({one: middle}), right.with_places({other: middle})
    return summed(joined(left, right, ()), [middle], axes, row)


def multiplied(left: Value, right: Value) -> Value:
    """What stands side by side: the product of matrices, columns and rows."""
    shapes = len(left.axes), len(right.axes)
    right = right.with_places({axis: axis.again() for axis in right.axes if axis in left.axes})
    if 0 in shapes:
        axes, row = (left.axes, left.row) if shapes[0] else (right.axes, right.row)
        return joined(left, right, axes, row)
    match shapes:
        case (2, 2):
            return contracted(left, left.axes[1], right, right.axes[0], (left.axes[0], right.axes[1]))
        case (2, 1) if right.row is not True:
            return contracted(left, left.axes[1], right, right.axes[0], left.axes[:1], False)
        case (1, 2) if left.row is not False:
            return contracted(left, left.axes[0], right, right.axes[0], right.axes[1:], True)
        case (1, 1):
            rows = left.row, right.row
            if rows == (True, False) or rows in ((True, None), (None, False)):
                return contracted(left, left.axes[0], right, right.axes[0], ())
            if rows == (False, True) or rows in ((False, None), (None, True)):
                return joined(left, right, (*left.axes, *right.axes))
    if None in (left.row, right.row) and shapes == (1, 1):
        raise UnreadError(
            "a product of two derivatives by vectors, which may be rows or columns", "", "% einstan: layout rows"
        )
    name = left.pieces[0] if isinstance(left.pieces[0], str) and left.pieces[0].isidentifier() else ""
    turned = [f"% einstan: row {name}"] if shapes == (1, 2) and left.row is False and name else []
    raise UnreadError(f"a product of {left.shape} and {right.shape}", "", [*turned, "x^\\top y, or " + ENTRIES])


def dotted(left: Value, right: Value) -> Value:
    r"""``x \cdot y``, which is a number for two vectors."""
    if len(left.axes) == len(right.axes) == 1 and not (left.row is False and right.row is True):
        return inner(left, right)
    return multiplied(left, right)


def inner(left: Value, right: Value) -> Value:
    """All entries of both multiplied and added up."""
    if len(left.axes) != len(right.axes):
        raise UnreadError(f"an inner product of {left.shape} and {right.shape}", "", ENTRIES)
    if not left.axes:
        return joined(left, right, ())
    for one, other in zip(left.axes, right.axes, strict=True):
        same_extent(one, other, "an inner product over")
    middle = [axis.again() for axis in left.axes]
    left = left.with_places(dict(zip(left.axes, middle, strict=True)))
    right = right.with_places(dict(zip(right.axes, middle, strict=True)))
    return summed(joined(left, right, ()), middle, ())


def entrywise(left: Value, right: Value) -> Value:
    right = aligned(left, right, "an entrywise product of")
    return joined(left, right, left.axes, right.row if left.row is None else left.row)


def divided(above: Value, below: Value) -> Value:
    if below.axes:
        raise UnreadError(f"a quotient by {below.shape}", "", ENTRIES)
    pieces = (*above.inside(ATOM), " / ", *below.inside(ATOM))
    return Value(("(", *pieces, ")"), ATOM, above.axes, above.row, above.bound | below.bound)


def called(name: str, *arguments: Value) -> Value:
    """An elementwise function."""
    first = next((a for a in arguments if a.axes), arguments[0])
    if first.row:
        raise UnreadError(f"{name} of a row: what is transposed lacks its product", "", ENTRIES)
    pieces: list[Piece] = [f"{name}("]
    bound = frozenset[str]()
    for k, argument in enumerate(arguments):
        argument = aligned(first, argument, f"{name} of") if argument.axes or not first.axes else argument
        pieces += [*([", "] if k else []), *argument.pieces]
        bound |= argument.bound
    return Value((*pieces, ")"), ATOM, first.axes, first.row, bound)


def transposed(value: Value) -> Value:
    if len(value.axes) == 1:
        return replace(value, row=None if value.row is None else not value.row)
    if len(value.axes) > 2:
        raise UnreadError(f"the transpose of {value.shape}", "", ENTRIES)
    return replace(value, axes=value.axes[::-1])


def spelled(pieces: Sequence[Piece], letters: Mapping[Place, str], extents: Mapping[str, str]) -> str:
    found = []
    for piece in pieces:
        if isinstance(piece, HowMany):
            if piece.name not in extents:
                raise UnreadError(
                    f"{piece.name} is a number, or how many something is", "", f"% einstan: given {piece.name}"
                )
            found.append(extents[piece.name])
        else:
            found.append(letters[piece] if isinstance(piece, Place) else piece)
    return "".join(found)


def lettered(values: Sequence[Value], taken: set[str]) -> dict[Place, str]:
    """A letter for each index: its own, or that of its axis with a number behind it where that is taken.  A summed
    index is a capital, as people write it here, and may be one again in another side."""
    found: dict[Place, str] = {}
    sides = [list(dict.fromkeys(p for p in (*v.pieces, *v.axes) if isinstance(p, Place))) for v in values]
    open_ = [place for side in sides for place in side if not place.summed]
    used = {place.letter for place in open_} | taken
    for place in open_:
        found.setdefault(place, place.letter or _free_letter(place, used))
    for side in sides:
        own = set(used)
        for place in side:
            if place.summed and place not in found:
                found[place] = _free_letter(place, own)
            own.add(found[place])
    return found


def counted(letters: Mapping[Place, str]) -> str:
    """``where |i| = 3``, for what is written out by its entries."""
    clauses = dict.fromkeys(
        f"|{letter}| = {place.count}" for place, letter in letters.items() if place.count is not None
    )
    return f" where {', '.join(clauses)}" if clauses else ""


def _free_letter(place: Place, used: set[str]) -> str:
    base = place.letter or (place.dim[:1].lower() if place.dim[:1].isalpha() else "i")
    base = base.capitalize() if place.summed else base
    letter = next(name for k in range(len(used) + 2) if (name := f"{base}{k or ''}") not in used)
    used.add(letter)
    return letter


ENTRIES = "the formula by its entries, y_i = \\sum_j W_{i,j} x_j"
