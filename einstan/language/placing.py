"""Where the sums of a top-level term stand: the rule is asked, its traps are looked at, and every reading is in doubt
that one of them refuses.

The binder asks where to put a sum, the printer where one may be left out, so there is no second copy of the rule.
"""

from __future__ import annotations

from collections.abc import Collection

from einstan.language.capitals import Rule
from einstan.language.factors import lone_terms
from einstan.language.holds import Ambiguity, Placement, Total
from einstan.language.index import is_capital
from einstan.language.occurrences import names_in
from einstan.language.surface import Kronecker, Number, Ref, Size, Surface, Term
from einstan.language.traps import SQUARES_BESIDE, all_inside, trap_of

PLAIN = (Ref, Kronecker, Number, Size)


def placements(top: Term, indices: Collection[str]) -> tuple[Placement, list[Ambiguity]]:
    """Which capitals each product below a top-level term sums over, and those that have several readings."""
    if not any(map(is_capital, indices)):
        return {}, []
    rule = Rule(indices)
    totals: list[Total] = []
    refused: list[Ambiguity] = []
    for term in lone_terms(top):
        if len(term.parts) < 4 and all(is_plain(part, indices) and not under for part, under in term.parts):
            totals += plain(term)  # as most products are
            continue
        for rank, (name, holds) in enumerate(rule.below(term).items()):
            if holds.refused:
                refused.append(Ambiguity(name, holds.refused.replace("{K}", name), holds.place or term, top))
            elif holds.totals:
                totals.extend(holds.totals)
            else:
                trap = holds.alone or trap_of(rule.held, name, term, holds.weight)
                totals.append(Total(name, term, rank, trap=trap))
    if not totals:
        return {}, refused
    placed: dict[Term, list[Total]] = {}
    for total in totals:
        placed.setdefault(total.term, []).append(total)
    found = {term: tuple(t.name for t in sorted(here, key=lambda t: t.rank)) for term, here in placed.items()}
    for total in totals:
        trap = total.trap or (SQUARES_BESIDE if total.doubtful else "") or all_inside(total, found)
        refused += [Ambiguity(total.name, trap.replace("{K}", total.name), total.term, top)] if trap else []
    return found, refused


def is_plain(part: Surface, indices: Collection[str]) -> bool:
    return type(part) in PLAIN and not (isinstance(part, Ref) and not part.slots and part.name in indices)


def plain(term: Term) -> list[Total]:
    """The sums over a product of accesses alone, which has one reading."""
    slots = [
        slot
        for part, _ in term.parts
        for slot in (
            part.slots if isinstance(part, Ref) else (part.left, part.right) if isinstance(part, Kronecker) else ()
        )
    ]
    return [Total(name, term, rank) for rank, name in enumerate(dict.fromkeys(filter(is_capital, names_in(slots))))]


__all__ = ["placements"]
