"""Exact printing in the bracket spelling: ``parse(str(e)) is e``.

That holds for every equation whose names and dimensions are those that its text implies: one that was parsed, or that
`well_named` has given back.
"""

from __future__ import annotations

from collections.abc import Collection

from einstan.language.dims import UnionFind, is_axis, redimensioned, relate
from einstan.language.errors import ScopeError, Span
from einstan.language.index import Affine, Index
from einstan.language.latex import coefficient_in_front
from einstan.language.layout import surface_of
from einstan.language.naming import erased, extents_named, named, normalised, visible_indices
from einstan.language.node import Node, holds, note, preorder, remembered, rewrite
from einstan.language.scope import parse
from einstan.language.surface import Binder, Expression, Relation, Term, walk
from einstan.language.syntax import told_one
from einstan.language.term import Equation, Expr, Extent, Sum, bound_indices
from einstan.language.ties import reread, tied
from einstan.language.told import as_read
from einstan.language.writer import Writer


def show(node: Node) -> str:
    """The text of an equation, an expression, an index or a form."""
    text: str | None = node.notes.get(show)
    if text is None:
        text = Writer().text_of(surface_of(node)[0])
        (text,) = as_read((text,)) if "/d" in text else (text,)
        if isinstance(node, Equation | Affine):  # which are printed again and again
            note(node, show, text)
    return text


def shown_alone(equation: Equation) -> str:
    """The text of an equation without the lines around it, which tell that their names are names."""
    (text,) = as_read((show(equation),))
    return told_one(text, surface_of(equation)[0])


def reading(node: Node) -> str:
    """The text with every sum written out, and its coefficient in front of it.

    Examples:
        >>> print(reading(parse("L = -1/|N| (Y[N,J] - X[N,K] W[K,J])^2")))
        L = -1/|N| sum[N,J]((Y[N,J] - sum[K](X[N,K] W[K,J]))^2)
    """
    return Writer().text_of(surface_of(rewrite(node, coefficient_in_front), every_sum=True)[0])


@remembered
def read_as(equation: Equation) -> str:
    """The equation with every sum written out, where one may ask for the place of a sum; else nothing."""
    return reading(equation) if sums_inside(equation) else ""


def sums_inside(node: Node) -> bool:
    """Whether a sum is left out of the text where one may ask for its place: not over a whole term, or one letter in
    several places."""
    if not holds(node, Sum):
        return False
    surface, origin = surface_of(node)
    top = surface.right if isinstance(surface, Relation) else surface
    outermost = top.terms if isinstance(top, Expression) else ()
    left_out = [
        (part, total)
        for part in walk(surface)
        if isinstance(part, Term)
        and isinstance(total := origin.get(part), Sum)
        and not isinstance(part.parts[0][0], Binder)
    ]
    letters = [index.name for _, total in left_out for index in total.indices]
    return len(set(letters)) < len(letters) or any(term not in outermost for term, _ in left_out)


def show_with_spans(node: Node) -> tuple[str, dict[Node, Span]]:
    """The text, and where each node first stands in it, so that an error can put a caret under it."""
    surface, origin = surface_of(node)
    writer = Writer(origin)
    return writer.text_of(surface), writer.spans


def well_named(equation: Equation, written: bool = True) -> Equation:
    """The equation as its text reads: readable names, and the dimensions that the text implies.

    Bound indices get capitals that do not collide, extents a spelling that leads back to their axis; free indices keep
    their names, which are small letters.  Where a bound index runs over an axis that nothing in the text ties it to,
    the text says so: ``where |K| = |X.0|``.  What nobody has ``written`` may read a tensor of its own beside a longer
    one at one index; its text, read as somebody's, would say that the two are of one length.
    """
    try:
        result = _named_and_read(equation, distinct=False, written=written)
    except ScopeError:  # one letter of several axes, one of which must be stated
        return _named_and_read(equation, distinct=True, written=written)
    # Letters of their own may save a sum[K](...), which is hard to read.
    if written and _shares_letters(result.rhs) and "sum[" in show(result):
        try:
            other = _named_and_read(equation, distinct=True, written=written)
        except ScopeError:
            return result
        return min((result, other), key=lambda one: len(show(one)))
    return result


def _shares_letters(rhs: Expr) -> bool:
    if not holds(rhs, Sum):
        return False
    letters = [index.name for node in preorder(rhs) if isinstance(node, Sum) for index in node.indices]
    return len(set(letters)) < len(letters)


def _settled(rhs: Expr, avoid: set[str], distinct: bool) -> Expr:
    """Named, and where a letter got a number named again: inner indices are first, so they avoid outer letters that
    change only afterwards, and a number may turn out to be free."""
    for _ in range(4):  # one round is enough in nearly all cases; no case is known that takes three
        before, rhs = rhs, named(rhs, avoid, small=False, distinct=distinct)
        if rhs is before or not any(index.name[-1:].isdigit() for index in bound_indices(rhs)):
            break
    return rhs


def _named_and_read(equation: Equation, distinct: bool, written: bool) -> Equation:
    rhs = _settled(normalised(equation.rhs), {index.name for index in equation.indices}, distinct)
    plain = Equation(equation.name, equation.indices, rhs, equation.where)
    spelled = extents_named(plain, letters=True)
    _refuse_ambiguous(spelled, {index.name for index, _ in spelled.where}, told=distinct)
    dims = tied(spelled)
    if dims is not None:  # then the text says all there is to say about axes, and need not be read to know
        return redimensioned(spelled, dims)
    again = reread(spelled)
    try:
        read = again or _read(spelled, written)
    except ScopeError:  # a letter that stands for several axes in the text
        spelled = extents_named(plain, letters=False)
        read = _read(spelled, written)
    if again is None and erased(read.rhs) is not erased(spelled.rhs):
        raise _not_spelled(spelled)
    stated = {index.name for index, _ in read.where}
    meant = {index.name: index.dim for index in visible_indices(spelled)}
    several = [index.name for index in visible_indices(spelled) if meant[index.name] != index.dim]
    classes = relate(spelled)
    loose = {
        index.name: index
        for index in visible_indices(read)
        if not is_axis(index.dim)
        or (index.name not in several and _is_moved(index.dim, meant.get(index.name, index.dim), classes))
    }
    said = {index.dim: form for index, form in equation.where}
    forms = {
        name: said[meant[name]] if meant[name] in said else Affine(((Extent(Index(meant[name])), 1),), 0)
        for name in loose
        if name not in stated and name in meant and (is_axis(meant[name]) or meant[name] in said)
    }
    if not forms:
        return read
    _refuse_ambiguous(spelled, forms, told=distinct)
    where = tuple((loose[name], form) for name, form in forms.items())
    return _read(Equation(read.name, read.indices, read.rhs, (*read.where, *where)), written)


def _read(equation: Equation, written: bool) -> Equation:
    """The equation as its text is read, and printed."""
    text = show(equation)
    read = parse(text, written=written)
    if show not in read.notes:
        note(read, show, text)
    return read


def _is_moved(read: str, meant: str, classes: UnionFind) -> bool:
    """Whether the text alone ties an index to another axis than the one that it runs over: a read in a range of its
    own, ``1[0 <= I < |e.0|] s[I]``, tells how far I runs where no other read does."""
    return is_axis(meant) and classes.find(read) != classes.find(meant)


def _refuse_ambiguous(equation: Equation, letters: Collection[str], told: bool) -> None:
    """``where |J| = ...`` speaks of every J: those of several axes need letters of their own.  The equation is printed
    where somebody is ``told``, which takes longer than to name it anew."""
    if not letters:
        return
    classes = relate(equation)
    for letter in letters:
        if len({classes.find(index.dim) for index in visible_indices(equation) if index.name == letter}) > 1:
            raise ScopeError(f"|{letter}| is ambiguous", text=show(equation) if told else "")


def _not_spelled(equation: Equation) -> ScopeError:
    """An extent of which only a sum told, over an index that the equation has no more."""
    lost = [node for node in preorder(equation.rhs) if isinstance(node, Extent) and not is_axis(node.index.dim)]
    names = list(dict.fromkeys(node.index.name for node in lost))
    return ScopeError(
        "this equation cannot be written so that it can be read again",
        text=show(equation),
        inferred="no axis has the extent " + ", ".join(f"|{name}|" for name in names) if names else "",
        repair=[f"state it in the equation that sums over {name}: where |{name}| = 3" for name in names]
        or "state the extents of the indices that stand in no slot alone: where |r| = 3",
    )


__all__ = ["reading", "show", "show_with_spans", "shown_alone", "sums_inside", "well_named"]
