"""How a part of an equation holds a capital: open, summed, or refused."""

from __future__ import annotations

from dataclasses import dataclass

from einstan.language.surface import Surface, Term


@dataclass(slots=True)
class Total:
    """A sum over K at a whole product, and what may yet refuse it."""

    name: str
    term: Term
    rank: int  # which of the capitals of its product it is
    squares: bool = False  # the square of one factor is all that contracts K
    rooted: bool = False  # a square, of which people take the root
    walled: bool = False
    argument: Surface | None = None  # of the function around it
    doubtful: bool = False  # squares beside a term without K, in a function above the line
    trap: str = ""


@dataclass(slots=True)
class Holds:
    """How a node holds one capital: open, closed by its sums, or refused.

    ``weight`` is what it weighs, ``inner`` inside a bracket or a wall.  ``alone`` says why no sum may stand here if
    there is no other factor with K.  Sums are ``firm`` behind a wall; others the product around may take over.
    """

    weight: int = 1
    inner: int = 1
    alone: str = ""
    totals: tuple[Total, ...] = ()
    firm: bool = False
    lacking: bool = False  # a term without K stands beside
    refused: str = ""
    place: Surface | None = None

    @property
    def open(self) -> bool:
        return not self.totals and not self.refused

    @property
    def squares(self) -> bool:
        return all(total.squares for total in self.totals)


@dataclass(frozen=True, slots=True)
class Ambiguity:
    """A capital that has several readings in a top-level term: why, and where."""

    name: str
    why: str
    place: Surface
    top: Term


Held = dict[str, Holds]  # by capital, in the order in which they occur
Placement = dict[Term, tuple[str, ...]]  # which capitals each product sums over
