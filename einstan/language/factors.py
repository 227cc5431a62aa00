"""What a factor looks like: its indices, its power, its size, the bracket that it is."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import zip_longest

from einstan.language.occurrences import names_in
from einstan.language.surface import (
    Binder,
    Bracket,
    Call,
    Expression,
    Kronecker,
    Letter,
    Minus,
    Number,
    Power,
    Ref,
    Size,
    Surface,
    Term,
    below,
    only_part,
    walk,
)  # fmt: skip


def lone_terms(top: Term) -> Iterator[Term]:
    """The terms of a top-level term that is nothing but a bracket: ``(a + (b + c))``."""
    stack = [top]
    while stack:
        term = stack.pop()
        only = term.parts[0][0] if term.sign > 0 and len(term.parts) == 1 and not term.parts[0][1] else None
        if isinstance(only, Expression):
            stack.extend(reversed(only.terms))
        else:
            yield term


def flattened(node: Expression) -> list[Term]:
    """The terms of a bracket; a bracket that is a whole term of it is none."""
    terms: list[Term] = []
    stack = list(reversed(node.terms))
    while stack:
        term = stack.pop()
        only = term.parts[0][0] if len(term.parts) == 1 and not term.parts[0][1] else None
        if isinstance(only, Expression):
            stack.extend(reversed(only.terms))
        else:
            terms.append(term)
    return terms


def index_names(node: Surface) -> Iterator[str]:
    for part in walk(node):
        match part:
            case Ref():
                yield from names_in(part.slots)
            case Kronecker():
                yield from names_in((part.left, part.right))
            case Bracket():
                yield from names_in(part.operands)


def unwrapped(node: Surface) -> Surface:
    while isinstance(node, Expression) and (only := only_part(node)) is not None:
        node = only
    return node


def in_brackets(part: Surface) -> bool:
    """``(x[N])``, whose brackets are of no use unless a sum stands in them."""
    return isinstance(part, Expression) and isinstance(unwrapped(part), Ref)


def variance(part: Surface) -> Power | None:
    """The square in ``(2 s[K]^2)``, which is a number times it."""
    if not isinstance(part, Expression) or len(part.terms) > 1:
        return None
    factors = [factor for factor, under in part.terms[0].parts if under or not isinstance(factor, Number)]
    only = factors[0] if len(factors) == 1 < len(part.terms[0].parts) else None
    return only if isinstance(only, Power) and isinstance(only.base, Ref) else None


def literal(node: Surface) -> Fraction | None:
    """The number that an exponent is, if it is one."""
    product = Fraction(1)
    node = unwrapped(node)
    while isinstance(node, Minus):
        node, product = unwrapped(node.operand), -product
    match node:
        case Number(value=value):
            return product * value
        case Expression(terms=(Term(sign=sign, parts=parts),)):
            product *= sign
            for part, under in parts:
                if not isinstance(part, Number) or (under and not part.value):
                    return None
                product = product / part.value if under else product * part.value
            return product
    return None


def is_square(part: Surface) -> bool:
    exponent = literal(part.exponent) if isinstance(part, Power) else None
    return exponent is not None and exponent.denominator == 1 and exponent >= 2


def grounds(part: Surface) -> Iterator[tuple[Surface, bool]]:
    """What is multiplied in a factor, without brackets, signs and powers around it, and whether it is raised to one."""
    stack = [(part, False)]
    while stack:
        node, raised = stack.pop()
        match node:
            case Power(base=base):
                stack.append((base, True))
            case Minus(operand=operand):
                stack.append((operand, raised))
            case Expression(terms=(term,)):
                stack.extend((factor, raised) for factor, _ in term.parts)
            case _:
                yield node, raised


def powers(part: Surface) -> Iterator[Power]:
    """The powers in the terms of a factor."""
    stack = [part]
    while stack:
        node = stack.pop()
        if isinstance(node, Power):
            yield node
        elif isinstance(node, Expression | Term | Minus):
            stack.extend(below(node))


def sized(name: str, node: Surface, within: bool = False) -> bool:
    """Whether |K| stands in what is no function; ``within`` functions too."""
    stack = [node]
    while stack:
        part = stack.pop()
        if isinstance(part, Size) and part.name == name:
            return True
        if not isinstance(part, Binder) and (within or not isinstance(part, Call)):
            stack.extend(below(part))
    return False


def letters_bound(node: Surface) -> set[str]:
    """The letters of all sums and reductions that are written out; that of a softmax is the one in front of it."""
    return {
        letter.name
        for part in walk(node)
        if isinstance(part, Binder) and part.operation != "softmax"
        for letter in part.letters
    }


def spelling(node: Surface) -> tuple[object, ...]:
    """What a factor is, without the power that it is raised to; a sum in whatever order and of whatever sign."""
    while isinstance(node, Power) or node is not unwrapped(node):
        node = node.base if isinstance(node, Power) else unwrapped(node)
    if not isinstance(node, Expression):
        return marked(node)
    terms = [(term.sign, tuple((marked(part), under) for part, under in term.parts)) for term in flattened(node)]
    return (frozenset((frozenset(terms), frozenset((-sign, parts) for sign, parts in terms))),)


def marked(node: Surface) -> tuple[object, ...]:
    return tuple(mark for part in walk(node) for mark in (type(part), *marks(part)))


def same(one: Surface, other: Surface) -> bool:
    """Whether two parts are spelled alike, but for brackets around all of it."""
    pairs = zip_longest(walk(unwrapped(one)), walk(unwrapped(other)))
    return all(type(left) is type(right) and marks(left) == marks(right) for left, right in pairs)


def marks(node: Surface | None) -> tuple[object, ...]:
    """What tells a node from others of its kind, without what is below it."""
    match node:
        case Term():
            return (node.sign, *(under for _, under in node.parts))
        case Ref() | Size() | Letter():
            return (node.name, len(below(node)))
        case Number():
            return (node.value,)
        case Call():
            return (node.function,)
        case Binder():
            return (node.operation,)
        case Bracket():
            return node.relations
    return ()
