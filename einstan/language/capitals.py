"""Where a capital is summed.

**The rule.**  A capital is summed over the smallest product that holds every occurrence of it within its top-level
term.  A product is a term of a sum, so also a lone factor, what stands in brackets, the argument of a function; a sum
``a + b`` is none.  Occurrences below ``sum[K]`` are bound there.  Where the smallest product sits inside a function or
a power and the index occurs there once, as in ``log(P[N])``, both readings are plausible and the equation is refused.

`placements` is that rule.  The binder asks it where to put a sum, the printer where one may be left out, so there is no
second copy.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from einstan.language.index import is_capital
from einstan.language.surface import (
    Binder,
    Bracket,
    Call,
    Expression,
    Kronecker,
    Letter,
    Minus,
    Pad,
    Power,
    Ref,
    Relation,
    Surface,
    Term,
    below,
    only_part,
    walk,
)  # fmt: skip

# ---- the rule --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, slots=True)
class Product:
    """A product of the tree, the product around it, and whether it sits inside a function or a power."""

    term: Term
    parent: Product | None
    depth: int
    inside: bool


@dataclass(frozen=True, slots=True)
class Ambiguity:
    """A capital that occurs once, inside a function: the product around it, and the one around the function."""

    name: str
    inner: Term
    outer: Term


Placement = dict[Term, tuple[str, ...]]


def placements(top: Term, indices: Collection[str]) -> tuple[Placement, list[Ambiguity]]:
    """Which capitals each product below a top-level term sums over, in the order in which they first occur."""
    found: dict[str, list[Product]] = {}
    for name, product in occurrences(top, indices):
        if is_capital(name):
            found.setdefault(name, []).append(product)
    placed: dict[Term, list[str]] = {}
    ambiguous: list[Ambiguity] = []
    for name, products in found.items():
        smallest = products[0]
        for product in products[1:]:
            smallest = _common(smallest, product)
        if smallest.inside and len(products) == 1:
            outer = smallest
            while outer.inside and outer.parent is not None:
                outer = outer.parent
            ambiguous.append(Ambiguity(name, smallest.term, outer.term))
        placed.setdefault(smallest.term, []).append(name)
    return {term: tuple(names) for term, names in placed.items()}, ambiguous


def _common(a: Product, b: Product) -> Product:
    while a is not b:
        if a.depth < b.depth:
            a, b = b, a
        assert a.parent is not None
        a = a.parent
    return a


# ---- which names are indices, and where they stand -------------------------------------------------------------------


def occurrences(top: Term, indices: Collection[str]) -> Iterator[tuple[str, Product]]:
    """Every occurrence of an index that no binder inside the term binds, with the smallest product around it."""
    root = Product(top, None, 0, False)
    none: frozenset[str] = frozenset()
    stack: list[tuple[Surface, Product, bool, frozenset[str]]] = []

    def push(pairs: Iterable[tuple[Surface, bool]], product: Product, bound: frozenset[str]) -> None:
        stack.extend((part, product, inside, bound) for part, inside in reversed(list(pairs)))

    push(top.parts, root, none)
    while stack:
        node, product, inside, bound = stack.pop()
        match node:
            case Expression():
                for term in reversed(node.terms):
                    below = Product(term, product, product.depth + 1, product.inside or inside)
                    push(term.parts, below, bound)
            case Ref() | Kronecker():
                slots = node.slots if isinstance(node, Ref) else (node.left, node.right)
                yield from ((name, product) for name in names_in(slots) if name not in bound)
            case Pad():
                push([(node.access, inside)], product, bound)
            case Letter():
                if node.name not in bound:
                    yield node.name, product
            case Bracket():
                ones = not node.relations
                for operand in reversed(node.operands):
                    if ones or is_form(operand, indices):
                        letters = [Letter(part.span, str(part.name)) for part in index_refs((operand,))]
                        push([(letter, True) for letter in letters], product, bound)
                    else:
                        push([(operand, True)], product, bound)
            case Power():
                push([(node.base, True), (node.exponent, True)], product, bound)
            case Minus():
                push([(node.operand, inside)], product, bound)
            case Call():
                push([(argument, True) for argument in node.arguments], product, bound)
            case Binder():
                own = frozenset(letter.name for letter in node.letters)
                linear = node.operation in ("sum", "mean")
                push([(node.body, inside or not linear)], product, bound | own)
                if node.operation == "softmax":
                    push([(letter, inside) for letter in node.letters], product, bound)
            case _:
                pass


def names_in(slots: Iterable[Expression]) -> Iterator[str]:
    return (str(ref.name) for ref in index_refs(slots))


def index_refs(slots: Iterable[Expression]) -> list[Ref]:
    """The indices in slots: the bare names, also in the slots of a gather."""
    found: list[Ref] = []
    for slot in slots:
        part = only_part(slot)
        inside = (part,) if isinstance(part, Ref) and not part.slots else walk(slot)  # nearly always one index
        found += [node for node in inside if isinstance(node, Ref) and not node.slots and isinstance(node.name, str)]
    return found


def is_form(operand: Expression, indices: Collection[str]) -> bool:
    """Whether an operand of an Iverson bracket is a form: a bare name in it is an index."""
    stack: list[Surface] = [operand]
    while stack:
        node = stack.pop()
        match node:
            case Expression():
                stack.extend(node.terms)
            case Term():
                stack.extend(part for part, _ in node.parts)
            case Minus():
                stack.append(node.operand)
            case Ref() if not node.slots and node.name in indices:
                return True
            case _:
                pass
    return False


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
