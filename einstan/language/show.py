"""Exact printing in the bracket spelling: ``parse(str(e)) is e``."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from einstan.language.dims import UnionFind, axis, is_axis, localised
from einstan.language.errors import ScopeError, Span
from einstan.language.index import Affine, Index, capitalised, lowered
from einstan.language.layout import decimal, surface_of
from einstan.language.naming import erased, extents_named, named, normalised, visible_indices
from einstan.language.node import Node, preorder
from einstan.language.scope import parse
from einstan.language.surface import (
    Binder,
    Bracket,
    Call,
    Expression,
    Kronecker,
    Letter,
    Minus,
    Number,
    Pad,
    Power,
    Ref,
    Relation,
    Size,
    Surface,
    Task,
    Term,
    is_numeric,
    looks_like_derivative,
    run,
)  # fmt: skip
from einstan.language.term import Delta, Equation, Extent, Indexed, Partial, Reduce, Sum


def show(node: Node) -> str:
    """The text of an equation, an expression, an index or a form."""
    return Writer().text_of(surface_of(node)[0])


def show_with_spans(node: Node) -> tuple[str, dict[Node, Span]]:
    """The text, and where each node first stands in it, so that an error can put a caret under it."""
    surface, origin = surface_of(node)
    writer = Writer(origin)
    return writer.text_of(surface), writer.spans


def well_named(equation: Equation) -> Equation:
    """The equation as its text reads: readable names, and the dimensions that the text implies.

    Bound indices get capitals that do not collide, extents a spelling that leads back to their axis; free indices keep
    their names, which are small letters.  Where a bound index runs over an axis that nothing in the text ties it to,
    the text says so: ``where |K| = |X.0|``.
    """
    try:
        return _named_and_read(equation, distinct=False)
    except ScopeError:  # one letter of several axes, one of which must be stated
        return _named_and_read(equation, distinct=True)


def _named_and_read(equation: Equation, distinct: bool) -> Equation:
    rhs = named(normalised(equation.rhs), {index.name for index in equation.indices}, small=False, distinct=distinct)
    plain = Equation(equation.name, equation.indices, rhs, equation.where)
    spelled = extents_named(plain, letters=True)
    if all_tied(spelled):  # then the text says all there is to say about axes, and need not be read to know
        return localised(spelled)
    try:
        read = parse(show(spelled))
    except ScopeError:  # a letter that stands for several axes in the text
        spelled = extents_named(plain, letters=False)
        read = parse(show(spelled))
    assert erased(read.rhs) is erased(spelled.rhs), f"{show(spelled)} does not parse to itself"
    stated = {index.name for index, _ in read.where}
    meant = {index.name: index.dim for index in visible_indices(spelled)}
    loose = {index.name: index for index in visible_indices(read) if not is_axis(index.dim)}
    said = {index.dim: form for index, form in equation.where}
    forms = {
        name: said[meant[name]] if meant[name] in said else Affine(((Extent(Index(meant[name])), 1),), 0)
        for name in loose
        if name not in stated and name in meant and (is_axis(meant[name]) or meant[name] in said)
    }
    if not forms:
        return read
    for name in forms:
        if len({index.dim for index in visible_indices(spelled) if index.name == name}) > 1:
            raise ScopeError(f"|{name}| is ambiguous", text=show(spelled))
    where = tuple((loose[name], form) for name, form in forms.items())
    return parse(show(Equation(read.name, read.indices, read.rhs, (*read.where, *where))))


def all_tied(equation: Equation) -> bool:
    """Whether the text alone ties every index to an axis and indices to each other just as their dimensions do, and
    every extent's letter stands for one axis."""
    if equation.where:
        return False
    ties = UnionFind()
    members: dict[str, dict[str, Index]] = {}
    bound: set[Index] = set()

    def tie(index: Index, place: str) -> None:
        ties.union(place, f"{index.name} {index.dim}")
        members.setdefault(index.dim, {})[f"{index.name} {index.dim}"] = index

    for position, index in enumerate(equation.indices):
        tie(index, axis(equation.name, position))
    extents: list[Index] = []
    for node in preorder(equation.rhs):
        if isinstance(node, Indexed):
            for position, form in enumerate(node.slots):
                if form.index is not None:
                    tie(form.index, axis(node.tensor, position))
        elif isinstance(node, Delta) and node.left.index is not None and node.right.index is not None:
            tie(node.left.index, f"{node.right.index.name} {node.right.index.dim}")
        elif isinstance(node, Sum | Reduce):
            if not bound.isdisjoint(node.indices):
                return False
            bound.update(node.indices)
        elif isinstance(node, Extent):
            extents.append(node.index)
    spelled = {index.name: index.dim for group in members.values() for index in group.values()}
    at_axes = {ties.find(name) for name in ties.members() if " " not in name}
    for dim, group in members.items():
        if not at_axes.issuperset(ties.find(key) for key in group):
            return False
        if dim in ties and any(ties.find(key) != ties.find(dim) for key in group):
            return False  # named by an axis that the text reads, and does not tie to it
        if len({ties.find(key) for key in group}) > 1 or any(spelled[index.name] != dim for index in group.values()):
            return False
    if any(f"{index.name} {index.dim}" not in members.get(index.dim, ()) for index in visible_indices(equation)):
        return False
    return all(
        index.dim in members and (is_axis(index.name) or spelled.get(_seen_as(index.name, spelled)) == index.dim)
        for index in extents
    )


def _seen_as(letter: str, meanings: Mapping[str, str]) -> str:
    """The index that ``|letter|`` speaks of: its own, else the one of the other case."""
    if letter in meanings:
        return letter
    return lowered(letter) if letter[:1].isupper() else capitalised(letter)


def number(value: Fraction) -> str:
    """A number that is not negative: ``1/2``, ``1.702``, ``1e-5``; exact."""
    if value.denominator == 1:
        return str(value.numerator)
    if not decimal(value):
        return f"{value.numerator}/{value.denominator}"
    places = 0
    while (value * 10**places).denominator != 1:
        places += 1
    digits = str(int(value * 10**places))
    if len(digits) + 3 < places:
        point = f"{digits[0]}.{digits[1:]}" if len(digits) > 1 else digits
        return f"{point}e-{places - len(digits) + 1}"
    digits = digits.rjust(places + 1, "0")
    return f"{digits[:-places]}.{digits[-places:]}"


class Writer:
    """Writes a surface tree piece by piece; every method is a task, so depth does not matter."""

    def __init__(self, origin: dict[Surface, Node] | None = None) -> None:
        self.pieces: list[str] = []
        self.length = 0
        self.origin = origin or {}
        self.spans: dict[Node, Span] = {}
        self.on_left = False

    def text_of(self, surface: Surface) -> str:
        run(self.write(surface))
        return "".join(self.pieces)

    def put(self, text: str) -> None:
        self.pieces.append(text)
        self.length += len(text)

    def write(self, node: Surface) -> Task[None]:
        start = self.length
        match node:
            case Relation():
                yield self.relation(node)
            case Expression():
                yield self.expression(node)
            case Term():
                yield self.term(node, first=True)
            case Ref():
                yield self.reference(node)
            case Number():
                self.put(number(node.value))
            case Letter():
                self.put(node.name)
            case Size():
                self.put(f"|{node.name}|")
            case Minus():
                self.put("-")
                yield self.part(node.operand)
            case Power():
                yield self.part(node.base)
                self.put("^")
                yield self.part(node.exponent)
            case Call():
                self.put(node.function)
                if node.arguments:
                    yield self.listed(node.arguments, "(", ", ", ")")
            case Binder():
                self.put(node.operation)
                yield self.listed(node.letters, "[", ",", "]")
                self.put("(")
                yield self.expression(node.body)
                self.put(")")
            case Bracket():
                yield self.bracket(node)
            case Kronecker():
                self.put("δ")
                yield self.slots((node.left, node.right))
            case Pad():
                self.put("pad(")
                yield self.reference(node.access)
                self.put(")")
        if node in self.origin:
            self.spans.setdefault(self.origin[node], (start, self.length))

    def part(self, node: Surface) -> Task[None]:
        """A part of a product: an expression comes in brackets."""
        if isinstance(node, Expression):
            self.put("(")
            yield self.write(node)
            self.put(")")
        else:
            yield self.write(node)

    def listed(self, nodes: tuple[Surface, ...], opening: str, comma: str, closing: str) -> Task[None]:
        self.put(opening)
        for position, node in enumerate(nodes):
            if position:
                self.put(comma)
            yield self.write(node)
        self.put(closing)

    def relation(self, node: Relation) -> Task[None]:
        self.on_left = True
        yield self.write(node.left)
        self.on_left = False
        self.put(" = ")
        yield self.write(node.right)
        for position, (size, expression) in enumerate(node.where):
            self.put(", " if position else " where ")
            yield self.write(size)
            self.put(" = ")
            yield self.write(expression)

    def expression(self, node: Expression) -> Task[None]:
        for position, term in enumerate(node.terms):
            if position:
                self.put(" - " if term.sign < 0 else " + ")
            start = self.length
            yield self.term(term, first=not position)
            if term in self.origin:
                self.spans.setdefault(self.origin[term], (start, self.length))

    def term(self, node: Term, first: bool) -> Task[None]:
        if first and node.sign < 0:
            self.put("-")
        coefficient = any(divides for _, divides in node.parts)  # whether all so far is numbers and extents
        for position, (part, divides) in enumerate(node.parts):
            numeric = coefficient and is_numeric(part)
            if divides:
                tight = coefficient and numeric
                self.put("1" if not position else "")
                self.put("/" if tight else " / ")
            elif position:
                before = node.parts[position - 1]
                self.put(" * " if self.separates(before, part) and not (before[1] and coefficient) else " ")
            yield self.part(part)
            coefficient = coefficient and numeric

    def separates(self, before: tuple[Surface, bool], part: Surface) -> bool:
        """Whether side by side would be read otherwise: behind a divisor, and for ``σ (x)``."""
        bracketed = isinstance(part, Expression) or (isinstance(part, Power) and isinstance(part.base, Expression))
        applied = isinstance(before[0], Ref) and before[0].name == "σ" and not before[0].slots and bracketed
        return before[1] or applied

    def bracket(self, node: Bracket) -> Task[None]:
        if not node.relations:
            self.put("1")
            yield self.slots(node.operands)
            return
        self.put("1[")
        for position, operand in enumerate(node.operands):
            if position:
                self.put(f" {node.relations[position - 1]} ")
            yield self.slot(operand) if _is_form(operand) else self.expression(operand)
        self.put("]")

    # ---- tensors -------------------------------------------------------------------------------------------------

    def slots(self, slots: tuple[Expression, ...]) -> Task[None]:
        self.put("[")
        for position, slot in enumerate(slots):
            if position:
                self.put(",")
            yield self.slot(slot)
        self.put("]")

    def slot(self, slot: Expression) -> Task[None]:
        """A form, without blanks: ``2i+R-1``."""
        for position, term in enumerate(slot.terms):
            self.put("-" if term.sign < 0 else "+" if position else "")
            for place, (part, _) in enumerate(term.parts):
                if place and isinstance(part, Ref) and str(part.name)[0] in "eE":
                    self.put(" ")  # 2e1 would be a number
                yield self.write(part)

    def reference(self, node: Ref) -> Task[None]:
        if isinstance(node.name, Partial):
            yield self.partial(node, node.name)
            return
        label = not node.slots and node.name.endswith(")")
        self.put(node.name.replace("^(", "^{(") + "}" if label else node.name)
        if node.slots:
            yield self.slots(node.slots)

    def partial(self, node: Ref, name: Partial) -> Task[None]:
        below = [tensor for tensor, _ in name.wrt]
        ranks = [rank for _, rank in name.wrt]
        plain = all(ranks[:-1]) and (self.on_left or looks_like_derivative(name.of, tuple(below)))
        d = "d" if plain else "∂"
        self.put(d)
        yield self.reference(Ref(node.span, name.of, node.slots[: name.rank]))
        self.put("/")
        start = name.rank
        for tensor, rank in name.wrt:
            self.put(d)
            yield self.reference(Ref(node.span, tensor, node.slots[start : start + rank]))
            start += rank


def _is_form(operand: Expression) -> bool:
    """Whether an operand of an Iverson bracket is written without blanks: it is a sum of bare names and extents."""
    return all(
        isinstance(part, Number | Size | Ref) and not divides and not (isinstance(part, Number) and len(term.parts) > 2)
        for term in operand.terms
        for part, divides in term.parts
    )


__all__ = ["show", "show_with_spans", "well_named"]
