"""Contractions that are one network but for a tensor or two: a product and its derivatives, whatever made them.

``Z[i,l] = A[i,J] B[J,K] C[K,l]`` and ``dB[j,k] = A[I,j] dZ[I,L] C[k,L]`` hold the same operands, except that ``dZ`` and
the result have changed places with the result and ``B``.  Such contractions can follow one tree, turned round for each
(`trees.turned`): then the subtrees they share are computed once, and all of them together cost about three times the
first.  Nothing here depends on how they came about.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from einstan.machine.sizes.operations import Labels, Operation

MOST_DIFFERENT = 2  # operands that a member may lack, or have besides
MOST_ALIKE = 8  # operands of one value, of which nothing but a long search tells which is which

Kinds = dict[tuple[int, bool], list[int]]


@dataclass(frozen=True)
class Match:
    """Where each operand of the reference stands in a member, None where it does not, and what else the member has."""

    places: tuple[int | None, ...]
    extras: tuple[int, ...]


@dataclass
class Family:
    """A reference, and how every other member matches it, by value."""

    reference: int
    members: dict[int, Match]


def families(contractions: dict[int, Operation]) -> list[Family]:
    """Contractions in groups, the largest of each group as its reference.  A contraction that matches nothing, or of
    which nothing can be turned round because it has two operands, is in no group."""
    found: list[Family] = []
    holding: dict[tuple[int, bool], list[int]] = {}  # by value: the families whose reference has it as an operand
    by_size = sorted(contractions, key=lambda value: (-len(contractions[value].operands), value))
    for value in by_size:
        operation = contractions[value]
        kinds = kinds_of(operation)
        count = len(operation.operands)
        common: Counter[int] = Counter()
        for kind, positions in kinds.items():
            for number in holding.get(kind, ()):
                common[number] += len(positions)
        match = None
        for number, shared in sorted(common.items(), key=lambda entry: (-entry[1], entry[0])):
            if shared < max(count - MOST_DIFFERENT, 2):
                break
            reference = contractions[found[number].reference]
            match = matched(reference, operation)
            if match is not None:
                found[number].members[value] = match
                break
        if match is None and count > 2:
            for kind in kinds:
                holding.setdefault(kind, []).append(len(found))
            found.append(Family(value, {}))
    return [family for family in found if family.members]


def kinds_of(operation: Operation) -> Kinds:
    """The positions of each operand, by its value and whether it divides."""
    kinds: Kinds = {}
    for position, ref in enumerate(operation.operands):
        kinds.setdefault((ref.value, position >= operation.detail), []).append(position)
    return kinds


def matched(reference: Operation, member: Operation) -> Match | None:
    """The operands of the member in the reference, so that equal labels of one are equal in the other; None where more
    than a few have no place.  Where a value occurs several times, the labels decide which is which."""
    there, here = kinds_of(reference), kinds_of(member)
    names: dict[int, int] = {}
    places: list[int | None] = [None] * len(reference.operands)
    extras: list[int] = []
    several: list[tuple[int, list[int]]] = []
    for kind, positions in here.items():
        candidates = there.get(kind, [])
        if not candidates:
            extras += positions
        elif len(positions) == len(candidates) == 1:
            labels = member.operands[positions[0]].labels
            if not agree(names, labels, reference.operands[candidates[0]].labels):
                return None
            places[candidates[0]] = positions[0]
        elif len(positions) > MOST_ALIKE:
            return None
        else:
            several += [(position, candidates) for position in positions]
    while several:
        # The operand of which most is known goes first; of its places, the one where most agrees.
        several.sort(key=lambda entry: len(names.keys() & member.operands[entry[0]].labels))
        position, candidates = several.pop()
        labels = member.operands[position].labels
        best, most = None, -1
        for candidate in candidates:
            other = reference.operands[candidate].labels
            agreed = sum(names.get(a) == b for a, b in zip(labels, other, strict=True))
            fits = all(names.get(a, b) == b for a, b in zip(labels, other, strict=True))
            if fits and agreed > most and places[candidate] is None:
                best, most = candidate, agreed
        if best is None:
            extras.append(position)
        else:
            agree(names, labels, reference.operands[best].labels)
            places[best] = position
    missing = sum(place is None for place in places)
    if len(extras) > MOST_DIFFERENT or missing > MOST_DIFFERENT or missing == len(places):
        return None
    return Match(tuple(places), tuple(sorted(extras)))


def agree(names: dict[int, int], labels: Iterable[int], others: Labels) -> bool:
    """Note which label each label is; False where one would be two."""
    return all(names.setdefault(label, other) == other for label, other in zip(labels, others, strict=True))
