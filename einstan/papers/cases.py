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

OVERLAP = (
    r"x > 0 in one row and x \leq 0 in another, or \text{otherwise} in the last",
    r"\mathbb{1}[x > 0] a + \mathbb{1}[x \leq 0] b",
)
TURNED = {">": "<", ">=": "<=", "==": "=="}
NEGATED = {"<": ">=", ">=": "<", ">": "<=", "<=": ">", "==": "!=", "!=": "=="}


@dataclass
class ByEntries(Sums):
    """Cases, norms, and matrices that are written out."""

    def cases(self, rows: Sequence[tuple[Node, Compared | None]]) -> Value:
        """The sum of the rows, each in its bracket; where the last is for all else, each outside of those before it."""
        conditions = [when for _, when in rows]
        *first, last = conditions
        if len(rows) < 2 or None in first:
            raise UnreadError("cases of which one does not say when it holds", "", OVERLAP)
        told = [when for when in conditions if when is not None]
        if last is not None and not covers(told):
            raise UnreadError("cases that overlap, or leave something out", "", OVERLAP)
        terms = []
        for k, (body, when) in enumerate(rows):
            value = self.scalar(body, "a case")
            before = told[:k] if last is None else []
            for brackets in outside(before):
                guarded = value
                for bracket in [*([when] if when is not None else []), *brackets][::-1]:
                    guarded = joined(self.bracket(bracket), guarded, ())
                terms.append((1, guarded))
        return added(terms)

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
        raise UnreadError(f"the norm {kind} of {found.shape}", "", self.instead_of_norm(kind))

    def instead_of_norm(self, kind: str) -> str:
        """A norm of a column by its entries."""
        if kind == r"\infty":
            return r"\max_i |x_i|"
        if len(self.header.axes.get(kind, ())) == 2:
            return rf"\sqrt{{x^\top {kind} x}}"
        if kind == "0":
            return r"\sum_i \mathbb{1}[x_i \neq 0]"
        return rf"(\sum_i |x_i|^{{{kind}}})^{{1/{kind}}}" if kind.isalnum() else ENTRIES

    def ones(self, body: Node) -> Value:
        found = self.value(body)
        if len(found.axes) != 1:
            raise UnreadError(f"the norm 1 of {found.shape}", "", ENTRIES)
        return summed(replace(called("abs", found), axes=()), found.axes, ())

    def written(self, rows: Sequence[Sequence[Node]]) -> Value:
        """A matrix by its entries: an entry is the only one where both deltas are 1."""
        if not rows:
            raise UnreadError("dots leave out entries of a matrix", "", (r"[W_{ij}], its entry in brackets", ENTRIES))
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


def outside(conditions: Sequence[Compared]) -> list[list[Compared]]:
    """Where none of some comparisons holds, as products of brackets of which one alone is 1."""
    found: list[list[Compared]] = [[]]
    for condition in conditions:
        parts = [Compared(condition.sides[k : k + 2], (sign,)) for k, sign in enumerate(condition.signs)]
        found = [
            [*brackets, *parts[:k], Compared(part.sides, (NEGATED[part.signs[0]],))]
            for brackets in found
            for k, part in enumerate(parts)
        ]
    return found


def covers(conditions: Sequence[Compared]) -> bool:
    """Whether of some comparisons with one value exactly one holds: ``x < a``, ``a <= x <= b``, ``b < x``."""
    if {*(c.signs for c in conditions)} == {("==",), ("!=",)} and len(conditions) == 2:
        return {*conditions[0].sides} == {*conditions[1].sides}
    return any(_joined([_interval(c, value) for c in conditions]) for value in conditions[0].sides)


def _interval(condition: Compared, value: Node) -> tuple[tuple[Node, bool] | None, tuple[Node, bool] | None] | None:
    """The ends between which a value lies, each with whether it belongs to it; nothing where that is not said."""
    sides, signs = condition.sides, condition.signs
    if any(sign in (">", ">=") for sign in signs):
        sides, signs = sides[::-1], tuple(TURNED.get(sign, "") for sign in signs[::-1])
    if value not in sides or any(sign not in ("<", "<=", "==") for sign in signs) or len(sides) > 3:
        return None
    k = sides.index(value)
    if signs == ("==",):
        return (sides[1 - k], True), (sides[1 - k], True)
    if "==" in signs or (len(sides) == 3 and k != 1):
        return None
    low = (sides[k - 1], signs[k - 1] == "<=") if k else None
    high = (sides[k + 1], signs[k] == "<=") if k + 1 < len(sides) else None
    return low, high


def _joined(intervals: Sequence[tuple[tuple[Node, bool] | None, tuple[Node, bool] | None] | None]) -> bool:
    """Whether intervals lie end to end, from one without a lower end to one without an upper one."""
    left = list(intervals)
    end: tuple[Node, bool] | None = None
    while left:
        found = next((each for each in left if each is not None and each[0] == end), None)
        if found is None:
            return False
        left.remove(found)
        if found[1] is None:
            return not left
        end = found[1][0], not found[1][1]
    return False
