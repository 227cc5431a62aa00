r"""Cases, norms, and matrices that are written out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from einstan.papers.problem import UnreadError
from einstan.papers.sums import Sums
from einstan.papers.tree import (
    Compared,
    Node,
)
from einstan.papers.value import (
    ATOM,
    ENTRIES,
    Place,
    Value,
    added,
    called,
    inner,
    joined,
    summed,
)

NEGATED = {"<": ">=", ">=": "<", ">": "<=", "<=": ">", "==": "!=", "!=": "=="}


@dataclass
class ByEntries(Sums):
    """Cases, norms, and matrices that are written out."""

    def cases(self, rows: Sequence[tuple[Node, Compared | None]]) -> Value:
        if len(rows) != 2:
            raise UnreadError("cases other than two, which may overlap", "", "brackets: 1[x > 0] a + 1[x <= 0] b")
        (first, when), (second, other) = rows
        if when is None or (other is not None and not self.complementary(when, other)):
            raise UnreadError(
                "two cases that overlap, or leave something out", "", "brackets: 1[x > 0] a + 1[x <= 0] b"
            )
        if other is None and len(when.signs) > 1:
            raise UnreadError(
                "what is not between two limits", "", "brackets: 1[0 < x] 1[x < 1] a + 1[x <= 0] b + 1[x >= 1] b"
            )
        opposite = other or Compared(when.sides, (NEGATED[when.signs[0]],))
        terms = []
        for body, condition in ((first, when), (second, opposite)):
            value = self.scalar(body, "a case")
            terms.append((1, joined(self.bracket(condition), value, ())))
        return added(terms)

    def complementary(self, one: Compared, other: Compared) -> bool:
        if len(one.signs) != 1 or len(other.signs) != 1:
            return False
        turned = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "==": "==", "!=": "!="}
        if one.sides == other.sides:
            return NEGATED[one.signs[0]] == other.signs[0]
        return one.sides == other.sides[::-1] and NEGATED[one.signs[0]] == turned[other.signs[0]]

    def squares(self, body: Node, kind: str) -> Value:
        found = self.value(body)
        if len(found.axes) == 1 and kind in ("", "2"):
            return inner(found, found)
        if len(found.axes) == 2 and kind == "F":
            return inner(found, found)
        if len(found.axes) == 2:
            raise UnreadError("the norm of a matrix: of its entries, or the largest stretch", "", r"\|A\|_F")
        if not found.axes:
            raise UnreadError("the norm of a number", "", "|x|, or x_i without its index, and `given x[i]`")
        raise UnreadError(f"the norm {kind} of {found.shape}", "", ENTRIES)

    def ones(self, body: Node) -> Value:
        found = self.value(body)
        if len(found.axes) != 1:
            raise UnreadError(f"the norm 1 of {found.shape}", "", ENTRIES)
        return summed(replace(called("abs", found), axes=()), found.axes, ())

    def written(self, rows: Sequence[Sequence[Node]]) -> Value:
        """A matrix by its entries: an entry is the only one where both deltas are 1."""
        if not rows:
            raise UnreadError("dots leave out entries of a matrix", "", ENTRIES)
        shape = len(rows), len(rows[0])
        places = tuple(Place(count=count) for count in shape if count > 1)
        terms: list[tuple[int, Value]] = []
        for i, row in enumerate(rows):
            for j, node in enumerate(row):
                entry = self.scalar(node, "an entry")
                at = [k for k, count in zip((i, j), shape, strict=True) if count > 1]
                for place, k in zip(places, at, strict=True):
                    entry = joined(entry, Value(("δ[", place, f",{k}]")), ())
                terms.append((1, replace(entry, axes=places)))
        row_ = shape[0] == 1 and len(places) == 1
        return replace(added(terms), row=row_, pieces=("(", *added(terms).pieces, ")"), level=ATOM)
