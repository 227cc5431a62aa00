"""Surface trees to text, in the bracket spelling: blanks and brackets as people set them.

What is written, `layout` has decided; here only the marks between the parts are chosen, so that the parser finds the
same tree again.
"""

from __future__ import annotations

from fractions import Fraction

from einstan.language.errors import Span
from einstan.language.layout import decimal
from einstan.language.node import Node
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
    is_pi,
    looks_applied,
    looks_called,
    looks_like_derivative,
    run,
    runs_on,
)  # fmt: skip
from einstan.language.term import Partial


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

    divided = False  # whether this is below a line
    apart = False  # whether 2i in a slot is written 2 i

    def __init__(self, origin: dict[Surface, Node] | None = None) -> None:
        self.pieces: list[str] = []
        self.length = 0
        self.origin = origin or {}
        self.spans: dict[Node, Span] = {}
        self.on_left = False
        self.worded: set[Surface] = set()  # what is known to be more than numbers

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
            numeric = coefficient and is_numeric(part, self.worded)
            if divides:
                tight = coefficient and numeric
                self.put("1" if not position else "")
                self.put("/" if tight else " / ")
                self.divided = True
            elif position:
                before = node.parts[position - 1]
                self.put(" * " if self.separates(before, part, coefficient) else " ")
            yield self.part(part)
            self.divided = False
            coefficient = coefficient and numeric

    def separates(self, before: tuple[Surface, bool], part: Surface, coefficient: bool) -> bool:
        """Whether side by side would be read otherwise: behind a divisor that is no ``coefficient``, as ``1/2 pi``, as
        ``df/dx dx``, ``σ (x)`` and ``var[n] (x)``."""
        node, divides = before
        bracketed = isinstance(part, Expression) or (isinstance(part, Power) and isinstance(part.base, Expression))
        whole = isinstance(node, Number) and node.value.denominator == 1
        mixed = whole and not divides and isinstance(part, Number) and not decimal(part.value)
        halved = isinstance(node, Number) and (divides or node.value.denominator > 1)
        beside = divides and (not coefficient or runs_on(node, part))
        second = False
        base = part.base if isinstance(part, Power) else part
        if (
            isinstance(node, Ref)
            and isinstance(base, Ref)
            and not isinstance(base.name, Partial)
            and base.name[0] == "d"
        ):
            if isinstance(node.name, Partial):
                signed = base.name == f"d{node.name.wrt[-1][0]}"
                second = signed or (self.d_of(node.name) == "d" and base.name[1:] != node.name.of)
            else:
                second = self.divided and node.name[0] == "d"
        return (
            beside
            or mixed
            or second
            or (halved and is_pi(part))
            or (bracketed and looks_called(node))
            or looks_applied(node, part)
        )

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
            for place, (part, divides) in enumerate(term.parts):
                # 2e1 would be a number, and two names side by side a third
                glued = isinstance(term.parts[place - 1][0], Number) and not isinstance(part, Number)
                if divides:
                    self.put("/")
                elif place and (not glued or self.apart or (isinstance(part, Ref) and str(part.name)[0] in "eE")):
                    self.put(" ")
                yield self.part(part)

    def reference(self, node: Ref) -> Task[None]:
        if isinstance(node.name, Partial):
            yield self.partial(node, node.name)
            return
        label = not node.slots and node.name.endswith(")")
        self.put(node.name.replace("^(", "^{(") + "}" if label else node.name)
        if node.slots:
            yield self.slots(node.slots)

    def d_of(self, name: Partial) -> str:
        """The sign of a derivative: d where that leaves no doubt."""
        ranks = [rank for _, rank in name.wrt]
        plain = all(ranks[:-1]) and (self.on_left or looks_like_derivative(name.of, tuple(t for t, _ in name.wrt)))
        return "d" if plain else "∂"

    def partial(self, node: Ref, name: Partial) -> Task[None]:
        d = self.d_of(name)
        self.put(d)
        yield self.reference(Ref(node.span, name.of, node.slots[: name.rank]))
        self.put("/")
        start = name.rank
        for tensor, rank in name.wrt:
            self.put(d)
            yield self.reference(Ref(node.span, tensor, node.slots[start : start + rank]))
            start += rank


def _is_form(operand: Expression) -> bool:
    """Whether an operand of an Iverson bracket is written without blanks: a sum of bare names, extents and whole
    numbers, a number before a name."""

    def kinds(term: Term) -> list[type[Surface]]:
        return [type(part) for part, divides in term.parts if not divides and not _is_fraction(part)]

    forms: list[list[type[Surface]]] = [[Number], [Ref], [Size], [Number, Ref], [Number, Size]]
    return all(kinds(term) in forms and len(kinds(term)) == len(term.parts) for term in operand.terms)


def _is_fraction(part: Surface) -> bool:
    return isinstance(part, Number) and part.value.denominator != 1
