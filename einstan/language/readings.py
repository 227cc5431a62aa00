"""The readings of a refused capital, each as a text to paste.

A reading is the user's own text with ``sum[K](..)`` around the products that it sums.  For one capital they go from the
whole term inwards, through the walls, to a sum over each of the smallest products; where one of these stands inside
another, its capital gets a letter of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, product

from einstan.language.errors import Span
from einstan.language.factors import index_names, is_square, sized, spelling
from einstan.language.holds import Ambiguity
from einstan.language.index import fresh_name
from einstan.language.surface import (
    Binder,
    Bracket,
    Call,
    Expression,
    Minus,
    Power,
    Ref,
    Size,
    Surface,
    Term,
    below,
    is_numeric,
    walk,
)  # fmt: skip
from einstan.language.tokens import respelled

SIGNS = "+-− \t\n"  # what may stand in front of a term, and stays in front of the sum over it
TRIED = 36  # texts, some of which will have several readings again


@dataclass(frozen=True)
class Wrap:
    """A sum written around a part of the text; ``letter`` where it needs another one.  One that is there already
    gets only the letter."""

    span: Span
    name: str
    letter: str
    written: bool = False

    def holds(self, other: Wrap) -> bool:
        return self.span != other.span and self.span[0] <= other.span[0] and other.span[1] <= self.span[1]


def readings(text: str, cases: Sequence[Ambiguity], indices: Collection[str]) -> Iterator[str]:
    """The text with every refused capital summed in one of its places, for every choice of them."""
    first = {(case.name, case.top): case for case in reversed(cases)}
    choices = [levels(text, case.name, case.top, indices) for case in reversed(first.values())]
    if len(choices) > 2:  # all outside, or all inside
        choices = [[[wrap for choice in choices for wrap in choice[place]] for place in (0, -1)]]
    places = sorted(product(*(range(len(choice)) for choice in choices)), key=lambda each: len(set(each)))
    chosen = ([w for choice, k in zip(choices, each, strict=True) for w in choice[k]] for each in places[:TRIED])
    yield from dict.fromkeys(written(text, (0, len(text)), wraps) for wraps in chosen)


def caret(case: Ambiguity) -> Surface:
    """Where the capital stands, if all of the term is in question."""
    return next(spots(case.top, case.name, brackets=False), case.top) if case.place is case.top else case.place


def levels(text: str, name: str, top: Term, indices: Collection[str]) -> list[list[Wrap]]:
    """Where the sum over a capital may stand: lists of parts, from the outermost inwards."""
    found: list[list[Surface]] = [[top]]
    node: Surface = top
    while True:
        having = [part for part in below(node) if has(part, name)]
        if len(having) != 1 or stands_in(having[0], name):
            break
        node = having[0]
        if isinstance(node, Expression):
            inside = [term for term in node.terms if has(term, name)]
            found += [[*inside]] if len(inside) == 1 else []
    smallest = [list(spots(top, name, brackets)) for brackets in (False, True)]
    walls = [node.span for node in walk(top) if isinstance(node, Call | Power) or lacks(node, name)]
    unsplit = list(spots(top, name, brackets=False, powers=True))
    if not any(within(node.span, wall) and node.span != wall for node in unsplit for wall in walls):
        unsplit = []  # the sum of a difference is the difference of sums
    means = [node for node in walk(top) if isinstance(node, Term) and node is not top and is_mean(node, name)]
    if all(any(within(node.span, mean.span) for mean in means) for node in smallest[-1]):
        means = []  # there is nothing beside it
    fractions = list(quotients(found, name))
    nested: list[Surface] = [top, *means] if means else []
    for level in (*fractions, unsplit, *smallest, nested):
        again = any(fractions and is_fraction_of(node, level) for node in level)
        found += [level] if level and level not in found and not again else []
    terms = [level[0] for level in found if len(level) == 1 and isinstance(level[0], Term)]
    powers: list[Surface] = [part for part, _ in top.parts if has(part, name) and isinstance(part, Power)]
    if any(under and has(part, name) for part, under in top.parts):
        found += [powers] if len(powers) == sum(has(part, name) for part, _ in top.parts) else []
    for term in terms:
        divided = [part for part, under in term.parts if under and has(part, name)]
        level = [*chain(*(around(part, name) for part in divided))]
        if level and level not in found and not any(has(part, name) for part, under in term.parts if not under):
            found.append(level)
    bases = [node.base for node in walk(top) if isinstance(node, Power) and has(node.base, name)]
    if len(bases) > 1 and all(isinstance(base, Expression) for base in bases):
        found.append([term for base in bases for term in around(base, name)])
    if len(found) == 1:
        found.append(apart(top, name))
    found += [apart_means] if len(apart_means := parted(top, name)) > 1 else []
    places = [wrapped(text, name, [above_sums(node, name) for node in level], indices) for level in found]
    return [*places, *tensor_beside(top, name, indices)]


def tensor_beside(top: Term, name: str, indices: Collection[str]) -> list[list[Wrap]]:
    """``J sum[J](x[J])``: where the capital stands as a number alone, it may be a tensor of that name, and the letter
    of the sum another one."""
    binders = list(dict.fromkeys(binders_of(top, name)))
    stack: list[Surface] = [top]
    free: list[Ref] = []
    while stack and binders:
        node = stack.pop()
        free += [node] if isinstance(node, Ref) and has(node, name) else []
        stack.extend(() if binds(node, name) else below(node))
    if not free or any(node.slots for node in free):
        return []
    letter = fresh_name(name, set(indices))
    return [[Wrap(binder.span, name, letter, written=True) for binder in binders]]


def is_fraction_of(node: Surface, level: Sequence[Surface]) -> bool:
    """Whether a sum over a quotient holds the others, in its divisors: ``sum[J](a[J] / sum[K](b[K]))`` is a quotient of
    sums."""
    inner = [other for other in level if other is not node and within(other.span, node.span)]
    divisors = [part.span for part, under in node.parts if under] if isinstance(node, Term) else []
    return bool(inner) and all(any(within(each.span, d) for d in divisors) for each in inner)


def within(span: Span, other: Span) -> bool:
    return other[0] <= span[0] and span[1] <= other[1]


def wrapped(text: str, name: str, level: list[Surface], indices: Collection[str]) -> list[Wrap]:
    """Sums around the parts; one that stands inside another needs a letter of its own."""
    taken = set(indices)
    wraps = [Wrap(stripped(text, node.span), name, name) for node in level]
    made = []
    for wrap in wraps:
        nested = any(other.holds(wrap) for other in wraps)
        letter = fresh_name(name, taken) if nested else name
        taken.add(letter)
        made.append(Wrap(wrap.span, name, letter))
    within_them = [binder.span for node in level for binder in binders_of(node, name)]
    other = fresh_name(name, taken)
    return [*made, *(Wrap(span, name, other, written=True) for span in dict.fromkeys(within_them))]


def written(text: str, span: Span, wraps: list[Wrap]) -> str:
    """A part of the text with its sums; those at one place are one."""
    start, end = span
    outer = sorted({wrap.span for wrap in wraps if not any(other.holds(wrap) for other in wraps)})
    pieces = []
    for place in outer:
        here = [wrap for wrap in wraps if wrap.span == place]
        inside = written(text, place, [wrap for wrap in wraps if here[0].holds(wrap)])
        for wrap in here:
            inside = respelled(inside, wrap.name, wrap.letter) if wrap.letter != wrap.name else inside
        letters = ",".join(wrap.letter for wrap in here if not wrap.written)
        pieces += [text[start : place[0]], f"sum[{letters}]({inside})" if letters else inside]
        start = place[1]
    return "".join([*pieces, text[start:end]])


# ---- places ----------------------------------------------------------------------------------------------------------


def has(node: Surface, name: str) -> bool:
    """Whether the letter stands in a part as an index that nothing in it binds."""
    stack = [node]
    while stack:
        part = stack.pop()
        if softmax_of(part, name) or (isinstance(part, Ref) and part.name == name):
            return True
        stack.extend(() if binds(part, name) else below(part))
    return False


def softmax_of(part: Surface, name: str) -> bool:
    return isinstance(part, Binder) and part.operation == "softmax" and any(name == x.name for x in part.letters)


def binders_of(node: Surface, name: str) -> list[Binder]:
    """What binds the letter itself: ``norm[I](x[I])``."""
    return [part for part in walk(node) if isinstance(part, Binder) and binds(part, name)]


def binds(node: Surface, name: str) -> bool:
    named = isinstance(node, Binder) and any(letter.name == name for letter in node.letters)
    return named and not softmax_of(node, name)


def above_sums(node: Surface, name: str) -> Surface:
    """Of ``x[I] y[I] / norm[I](x[I])`` what stands above the line, where the letter is bound again below it alone."""
    if not isinstance(node, Term) or not binders_of(node, name):
        return node
    above = [part for part, under in node.parts if not under and not is_numeric(part)]
    if not above:
        return node
    numerator = product_of(above)
    below_it = [part.span for part, under in node.parts if under]
    alone = not any(has(part, name) for part, under in node.parts if under) and not binders_of(numerator, name)
    return numerator if alone and not any(within(span, numerator.span) for span in below_it) else node


def product_of(parts: Sequence[Surface]) -> Term:
    return Term((parts[0].span[0], parts[-1].span[1]), 1, tuple((part, False) for part in parts))


def stands_in(part: Surface, name: str) -> bool:
    """Whether a factor has the capital itself, not in something written inside it."""
    while isinstance(part, Power | Minus):
        part = part.base if isinstance(part, Power) else part.operand
    match part:
        case Expression() | Call():
            return False
        case Binder():
            return softmax_of(part, name)
        case Bracket():
            factors = (factor for operand in part.operands for term in operand.terms for factor, _ in term.parts)
            return any(isinstance(factor, Ref) and factor.name == name for factor in factors)
        case Ref() if not part.slots:
            return part.name == name
        case _:
            return has(part, name)


def quotients(levels: list[list[Surface]], name: str) -> Iterator[list[Surface]]:
    """A sum above the line, and one in each divisor: around it, in it, and around each of its factors."""
    for term in [level[0] for level in levels if len(level) == 1]:
        if not isinstance(term, Term):
            continue
        parts = [(part, under) for part, under in term.parts if has(part, name)]
        divisors = [part for part, under in parts if under]
        if not divisors or len(divisors) == len(parts):
            continue
        above = [part for part, under in term.parts if not under and not is_numeric(part)]
        numerator = product_of(above)
        yield [numerator, *chain(*(around(part, name) for part in divisors))]
        yield [numerator, *chain(*(squared(part, name) for part in divisors))]
        yield [numerator, *chain(*(leaves(part, name) for part in divisors))]


def around(part: Surface, name: str) -> list[Surface]:
    """The terms of a bracket that have the capital, without numbers in front; of what is none, all of it."""
    terms = [term for term in part.terms if has(term, name)] if isinstance(part, Expression) else []
    return [narrowed(term, name) for term in terms] or [part]


def narrowed(term: Term, name: str) -> Surface:
    """The one factor of a product that has indices, the capital: ``x[N]^2`` of ``s x[N]^2``."""
    having = [(part, under) for part, under in term.parts if has(part, name) or any(index_names(part))]
    return having[0][0] if len(having) == 1 and not having[0][1] else term


def squared(part: Surface, name: str) -> list[Surface]:
    """The smallest products in a divisor, whose whole powers count for products."""
    found = spots(part, name, brackets=False, powers=True)
    return [narrowed(node, name) if isinstance(node, Term) else node for node in found]


def leaves(part: Surface, name: str) -> list[Surface]:
    """The factors in a divisor: ``sqrt(x[N]^2 y[N]^2)`` of two sums."""
    found: list[Surface] = []
    stack = [part]
    while stack:
        node = stack.pop()
        if isinstance(node, Power) or (not isinstance(node, Term) and stands_in(node, name)):
            found.append(node)
        else:
            stack.extend(part for part in reversed(list(below(node))) if has(part, name))
    return found


def is_power_with(part: Surface, name: str) -> bool:
    """A whole power with the capital, and no other such power in it."""
    return (
        is_square(part)
        and has(part, name)
        and not any(node is not part and is_square(node) and has(node, name) for node in walk(part))
    )


def lacks(node: Surface, name: str) -> bool:
    return isinstance(node, Expression) and not all(has(term, name) for term in node.terms)


def is_mean(term: Term, name: str) -> bool:
    return sized(name, term) and sum(has(part, name) for part, _ in term.parts) == 1


def spots(top: Surface, name: str, brackets: bool, powers: bool = False) -> Iterator[Surface]:
    """The smallest products with the capital, and below the line the factors; those in brackets too, or not.

    With ``powers`` a whole power of a bracket counts as a product.
    """
    stack: list[tuple[Surface, bool]] = [(top, False)]
    while stack:
        node, inside = stack.pop()
        parts = node.parts if isinstance(node, Term) else [(part, False) for part in below(node)]
        direct = [
            (part, under)
            for part, under in parts
            if isinstance(node, Term) and (stands_in(part, name) or (powers and is_power_with(part, name)))
        ]
        found = any(not under for _, under in direct)
        if found:
            yield node
        yield from (part for part, under in direct if under)
        for part, under in reversed(parts):
            if not has(part, name) or (part, under) in direct:
                continue
            if found and isinstance(part, Binder) and part.operation in ("sum", "mean"):
                continue  # it is a factor: sums change places
            bracket = isinstance(part, Expression) and not under
            if not bracket or not found or (brackets and not inside):
                stack.append((part, found or (inside and not isinstance(node, Call | Power | Bracket | Binder))))


def apart(top: Term, name: str) -> list[Surface]:
    """Where one product could be two: the base of a square; the factors from the second time on that one stands."""
    seen: set[tuple[object, ...]] = set()
    for position, (part, _) in enumerate(top.parts):
        if isinstance(part, Power) and stands_in(part.base, name):
            return [part.base]
        if isinstance(part, Ref) and stands_in(part, name) and spelling(part) in seen:
            rest = top.parts[position:]
            return [top, Term((part.span[0], rest[-1][0].span[1]), 1, rest)]
        seen.add(spelling(part))
    return []


def parted(top: Term, name: str) -> list[Surface]:
    """The means that may be meant by ``1/|N| x[N] 1/|N| y[N]``: the factors that have a capital, each part of them with
    the extent in front."""
    runs: list[list[tuple[Surface, bool]]] = [[]]
    for part, under in top.parts:
        if under and isinstance(part, Size) and part.name == name:
            one = runs[-1].pop() if runs[-1] else (part, under)
            runs.append([one, (part, under)])
        else:
            runs[-1].append((part, under))
    while any(run and not has(run[-1][0], name) for run in runs):
        runs = [run if not run or has(run[-1][0], name) else run[:-1] for run in runs]
    terms = [Term((run[0][0].span[0], run[-1][0].span[1]), 1, tuple(run)) for run in runs if run]
    return [*terms] if len(runs) > 2 else []


def stripped(text: str, span: Span) -> Span:
    start, end = span
    inside = text[start:end]
    return start + len(inside) - len(inside.lstrip(SIGNS)), start + len(inside.rstrip())
