"""Which names of a text are indices, and in which slots they stand."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from einstan.language.surface import (
    Bracket,
    Call,
    Expression,
    Kronecker,
    Letter,
    Minus,
    Number,
    Ref,
    Relation,
    Size,
    Surface,
    Term,
    below,
    is_numeric,
    only_part,
    walk,
)  # fmt: skip


def names_in(slots: Iterable[Expression]) -> Iterator[str]:
    return (str(ref.name) for ref in index_refs(slots))


def index_refs(slots: Iterable[Expression]) -> list[Ref]:
    """The indices in slots: the bare names, also in the slots of a gather."""
    found: list[Ref] = []
    for slot in slots:
        part = only_part(slot)
        if type(part) is Ref and not part.slots and type(part.name) is str:  # as nearly all are
            found.append(part)
        else:
            found += [n for n in walk(slot) if isinstance(n, Ref) and not n.slots and isinstance(n.name, str)]
    return found


def bare_names(node: Surface) -> set[str]:
    """The names without slots below a node: indices in slots, indices as numbers, and scalars."""
    return {str(part.name) for part in walk(node) if isinstance(part, Ref) and not part.slots}


def is_form(operand: Expression, indices: Collection[str]) -> bool:
    """Whether an operand of an Iverson bracket is a form: a bare name in it is an index, and each of its terms is one
    thing times whole numbers.  In brackets of its own it is a value, ``1[(n + c[n]) > z[n]]`` for real numbers c."""
    found = False
    if isinstance(only_part(operand), Expression):
        return False
    stack: list[Surface] = [operand]
    while stack:
        node = stack.pop()
        match node:
            case Expression():
                stack.extend(node.terms)
            case Term():
                if not _is_whole(node):
                    return False
                stack.extend(part for part, _ in node.parts)
            case Minus():
                stack.append(node.operand)
            case Ref() if not node.slots and node.name in indices:
                found = True
            case Number() | Size():
                pass
            case Ref() if node.slots:
                pass
            case Call(function="floor" | "mod"):
                inner = [_above(argument) for argument in node.arguments]
                found |= any(is_form(argument, indices) for argument in inner)
                if not all(is_form(argument, indices) or is_numeric(argument) for argument in inner):
                    return False
            case _:
                return False
    return found


def _above(argument: Expression) -> Expression:
    """What ``floor(k/4)`` divides."""
    (term, *others) = argument.terms
    if others or len(term.parts) < 2 or not term.parts[-1][1]:
        return argument
    return Expression(argument.span, (Term(term.span, term.sign, term.parts[:-1]),))


def _is_whole(term: Term) -> bool:
    """Whether numbers are whole, at most one factor is none, and nothing but extents is divided."""
    numbers = [part for part, _ in term.parts if isinstance(part, Number | Size) or _is_size(part)]
    whole = all(number.value.denominator == 1 for number in numbers if isinstance(number, Number))
    others = len(term.parts) - len(numbers)
    sizes = others == 0 and not all(isinstance(part, Number) for part in numbers)
    return sizes or (whole and others < 2 and not any(divides for _, divides in term.parts))


def _is_size(part: Surface) -> bool:
    """``(|d|/2)`` and ``(|a.0| + 1)``."""
    return isinstance(part, Expression) and is_numeric(part) and all(map(_is_whole, part.terms))


def evidence(*roots: Surface) -> set[str]:
    """The names that are indices: they stand in a slot, a binder binds them, or a ``where`` states how far they run.
    Other bare names are scalars."""
    found: set[str] = set()
    stack = list(roots)
    while stack:
        node = stack.pop()
        match node:
            case Ref():  # and there is nothing else in slots
                found.update(names_in(node.slots))
                continue
            case Kronecker():
                found.update(names_in((node.left, node.right)))
                continue
            case Bracket() if not node.relations:
                found.update(names_in(node.operands))
            case Letter():
                found.add(node.name)
            case Relation():
                found.update(size.name for size, _ in node.where)
            case _:
                pass
        stack.extend(below(node))
    return found
