"""Sums that share a letter and are not written out, over ranges of one axis that differ, are refused.

``-J s[I] s[I+1] - h s[I]`` is an Ising chain, whose field stands on every site, and Rosenbrock's function
``100 (x[I+1] - x[I]^2)^2 + (1 - x[I])^2`` one sum, and the two are of one form.  Differences along two axes, of which
either ends before the other, are a sum each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from itertools import chain, combinations

from einstan.language.holds import Placement
from einstan.language.index import lowered
from einstan.language.surface import Binder, Bracket, Expression, Number, Pad, Ref, Surface, Term, below, walk

Reads = Mapping[tuple[object, int], int]  # by axis, how far beyond its index it is read


def unlike(placed: Placement, stated: Collection[str]) -> Iterator[tuple[str, Term, Term]]:
    """The letters, each with the product of which the range ends first, and with the other."""
    counts = Counter(chain.from_iterable(placed.values()))
    shared = [name for name, count in counts.items() if count > 1 and not {name, lowered(name)} & {*stated}]
    reads = {
        name: [(term, found) for term, names in placed.items() if name in names and (found := reads_of(term, name))]
        for name in shared
    }
    apart = [
        found for name in shared if any(any(of.values()) for _, of in reads[name]) for found in pairs(name, reads[name])
    ]
    yield from (found for found in apart if not any(each[1:] == found[:0:-1] for each in apart))


def pairs(name: str, sums: Collection[tuple[Term, Reads]]) -> Iterator[tuple[str, Term, Term]]:
    """Two sums over one letter, of which the one reads its axes further."""
    for (one, first), (other, second) in combinations(sums, 2):
        less = [first[axis] - second[axis] for axis in first.keys() & second.keys()]
        if any(beyond > 0 for beyond in less) and second.keys() <= first.keys():
            yield name, one, other
        elif any(beyond < 0 for beyond in less) and first.keys() <= second.keys():
            yield name, other, one


def reads_of(term: Term, name: str) -> Reads:
    """What a product reads along an index; nothing where a bracket guards it, or where arithmetic does more."""
    found: dict[tuple[object, int], int] = {}
    stack: list[Surface] = [term]
    while stack:
        node = stack.pop()
        if isinstance(node, Binder) and any(letter.name == name for letter in node.letters):
            continue
        if isinstance(node, Pad) or (isinstance(node, Bracket) and node.relations):
            return {}
        if not isinstance(node, Ref):
            stack.extend(below(node))
            continue
        for position, slot in enumerate(node.slots):
            if any(isinstance(part, Ref) and part.name == name for part in walk(slot)):
                beyond = _beyond(slot, name)
                if beyond is None:
                    return {}
                axis = node.name, position
                found[axis] = max(found.get(axis, 0), beyond)
    return found


def _beyond(slot: Expression, name: str) -> int | None:
    """The 1 of ``I+1``, 0 of I; nothing of other forms."""
    total = 0
    for term in slot.terms:
        part = term.parts[0][0]
        if len(term.parts) > 1 or term.sign < 0:
            return None
        if isinstance(part, Number):
            total += int(part.value)
        elif not (isinstance(part, Ref) and part.name == name):
            return None
    return total


__all__ = ["unlike"]
