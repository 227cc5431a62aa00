"""Products of all others: what ``prod[J]`` of a body with a delta means.

``prod[J](u[J] 1[J != j] + δ[J,j] v[J])`` is ``v[j]`` times the product of all ``u`` but the one at j, however it is
written: a delta is 0 or 1, so the body is ``u`` where it is put to 0 and ``v`` where it is put to 1.  This is what the
derivative of a product holds.  The products of all others are those of the entries before times those of the entries
behind, without a division, so that they are right where an entry is zero.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from einstan.calculus.simplify import simplify
from einstan.language.index import Affine, Index
from einstan.language.node import Node, postorder, replace
from einstan.language.term import ONE, ZERO, Delta, Expr, Iverson, Reduce, substitute


class LeftOut(NamedTuple):
    """``at`` times the product of ``others`` over all positions but that of the index ``of``."""

    others: Expr
    at: Expr
    of: Index


def left_out(node: Reduce) -> Iterator[LeftOut]:
    """How a product over one index is one from which an entry is left out."""
    if node.operation != "prod" or len(node.indices) != 1:
        return
    (index,) = node.indices
    deltas = {part: other for part in postorder(node.body) if (other := partner(part, index)) in node.free}
    for other in dict.fromkeys(deltas.values()):
        here = [part for part in deltas if deltas[part] == other]
        apart = {part: ONE if is_unequal(part) else ZERO for part in here}
        others = simplify(replace(node.body, apart))
        equal = {part: ZERO if is_unequal(part) else ONE for part in here}
        at = simplify(substitute(replace(node.body, equal), {index: other}))
        if index in others.free and other not in others.free:
            yield LeftOut(others, at, other)


def is_unequal(part: Node) -> bool:
    return isinstance(part, Iverson) and part.relations == ("!=",)


def partner(part: Node, index: Index) -> Index | None:
    """What a delta sets an index equal to, or ``1[J != j]`` unequal to, where that is another index."""
    if not (isinstance(part, Delta) or is_unequal(part)):
        return None
    left, right = (form.index if isinstance(form, Affine) else None for form in part.children)
    return right if left == index else left if right == index else None
