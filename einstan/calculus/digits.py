"""How many digits one form of an expression keeps beside another, where data are far from zero.

    x[n]^2 - 2 x[n] m + m^2         adds squares, where  (x[n] - m)^2  adds data
    r[N] x[N],  with r[N] = 0       adds data,    where  r[N] (x[N] - m)  adds what is left of them

Numbers are rounded before they are subtracted, so that a sum has an error as large as its largest term, whatever is
left of it.  Two estimates tell this of a form.  One counts how many data are multiplied in each term that is added: no
term of any sum may get a higher degree than it had.  The other moves one tensor by a large number S, and asks by which
powers of S the value and its rounding error grow (`Growth`): a mean moves along with its data, and what has had its
mean taken away stays where it is.  The error may not get a higher power either.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import zip_longest
from typing import NamedTuple

from einstan.calculus.alpha import signature
from einstan.calculus.coefficients import neg_simplified
from einstan.calculus.simplify import simplify, simplify_product, simplify_sum
from einstan.language.index import Affine
from einstan.language.node import Node, fold, folded, preorder
from einstan.language.term import (
    ONE,
    ZERO,
    Add,
    Apply,
    Const,
    Delta,
    Expr,
    Indexed,
    Mul,
    Name,
    Reduce,
    Sum,
    sum_over,
    tensors,
)

BOUNDED = frozenset(("sigmoid", "tanh", "sin", "cos", "erf", "sign", "exp"))  # no data come out of these
MOVING = frozenset(("mean", "max", "min", "logsumexp"))  # reductions that move by what their terms move by

Degree = Callable[[Name], Fraction]


class Growth(NamedTuple):
    """How an expression changes as all entries of a tensor move by S: by what times S, where it is as much wherever
    they are and that is known, and as which powers of S its value and its rounding error grow, which is `EXACT` where
    nothing was rounded."""

    moved: Expr | None
    size: float
    error: float


EXACT = float("-inf")
STILL = Growth(ZERO, 0, EXACT)
DATA = Growth(ONE, 1, EXACT)
UNAVOIDABLE = 1.0  # data that are large are rounded as S is, before anything is computed


class Known(NamedTuple):
    """What is known of a tensor: its degree, how it grows as an input moves, and the inputs that it moves with."""

    degree: Degree
    growth: Callable[[Indexed, Name], Growth]
    along: Callable[[Name], frozenset[Name]]


PLAIN = Known(
    lambda name: Fraction(1),
    lambda access, moving: DATA if access.tensor == moving else STILL,
    lambda name: frozenset((name,)),
)


def keeps_digits(found: Expr, closed: Expr, known: Known = PLAIN) -> bool:
    """Whether one form of an expression reads and adds no more, of whatever degree or a higher one, than another, and
    has no error that grows faster."""
    if reads(found) > reads(closed):
        return False
    mine, before = _degrees(found, known.degree)[1], _degrees(closed, known.degree)[1]
    return all(a <= b for a, b in zip_longest(mine, before, fillvalue=Fraction(0))) and stays_exact(
        found, closed, known
    )


def stays_exact(found: Expr, closed: Expr, known: Known = PLAIN) -> bool:
    """Whether no error of one form grows faster than that of another, whichever tensor moves, and no sum of differences
    became a difference of sums: ``sum[N](y[N] - a)`` is no ``|N| (q - a)``, nor ``sum[N](w[N] (y[N] - a))`` another."""
    moving = frozenset().union(*(known.along(name) for name in tensors(found, closed)))
    for name in moving:
        (mine, new, kept), (before, old, added_up) = (
            _looked_at(expr, lambda access, name=name: known.growth(access, name))  # type: ignore[misc]
            for expr in (found, closed)
        )
        if mine.error > max(before.error, UNAVOIDABLE) or (new - old and added_up - kept):
            return False
    return True


def _looked_at(expr: Expr, known: Callable[[Indexed], Growth]) -> tuple[Growth, set[bytes], set[bytes]]:
    """How an expression grows, the differences in it that stay while their terms move, and those that are added up."""
    apart, added_up = set[bytes](), set[bytes]()

    def look(node: Node, growth: Growth, below: tuple[Growth, ...]) -> None:
        if isinstance(node, Add) and growth.moved is ZERO and any(each.moved is not ZERO for each in below):
            apart.add(signature(node))
        if isinstance(node, Sum):
            inner = (part for part in preorder(node.body) if isinstance(part, Add))
            added_up.update(apart.intersection(signature(part) for part in inner if set(part.free) & set(node.indices)))

    return grown(expr, known, look), apart, added_up


def degree(expr: Expr, known: Degree) -> Fraction:
    """How many data an expression multiplies at most; ``known`` says it of the tensors that have definitions."""
    return _degrees(expr, known)[0]


def _degrees(expr: Expr, known: Degree) -> tuple[Fraction, list[Fraction]]:
    """The degree of an expression, and those of all terms of its sums, the highest first."""
    added: list[Fraction] = []
    seen: set[frozenset[Expr]] = set()  # a - b and b - a are computed once

    def rule(node: Node, children: tuple[Fraction, ...]) -> Fraction:
        match node:
            case Add():
                if frozenset(map(neg_simplified, node.terms)) not in seen:
                    added.extend(children)
                seen.add(frozenset(node.terms))
                return max(children)
            case Mul():
                return sum(children, Fraction(0))
            case Apply(function="pow", arguments=(_, Const(value=k))):
                return abs(k) * children[0]
            case Apply(function="sqrt"):
                return children[0] / 2
            case Apply(function=function):
                return Fraction(0) if function in BOUNDED else sum(children, Fraction(0))
            case Indexed():
                return known(node.tensor)
            case Sum() | Reduce():
                return children[0]
            case _:
                return Fraction(0)

    whole = fold(expr, rule)
    return whole, sorted(added, reverse=True)


def grown(
    expr: Expr,
    known: Callable[[Indexed], Growth],
    look: Callable[[Node, Growth, tuple[Growth, ...]], None] = lambda node, growth, below: None,
) -> Growth:
    """How an expression grows; ``known`` says it of the tensors, and every part is shown to ``look``."""

    def rule(node: Node, below: tuple[Growth, ...]) -> Growth:
        growth = of(node, below)
        look(node, growth, below)
        return growth

    def of(node: Node, below: tuple[Growth, ...]) -> Growth:
        match node:
            case Indexed():
                return known(node)
            case Add():
                return _added(below)
            case Mul():
                return _multiplied(node, below)
            case Apply(function="pow", arguments=(_, Const(value=k))):
                return _powered(below[0], k)
            case Apply(function="sqrt"):
                return _powered(below[0], Fraction(1, 2))
            case Apply(function="log"):  # the error of a logarithm is that of its argument beside the argument
                return Growth(_still(below), 0, max(0.0, below[0].error - below[0].size))
            case Apply(function=function):
                size = 0 if function in BOUNDED else max((each.size for each in below), default=0)
                return Growth(_still(below), size, max((each.error for each in below), default=0))
            case Reduce(operation="mean", indices=indices):
                moved = below[0].moved and simplify(Reduce("mean", indices, below[0].moved))
                return below[0]._replace(moved=moved, error=max(below[0].error, below[0].size))
            case Reduce(operation=operation, indices=indices) if operation in MOVING:
                alike = below[0].moved is not None and set(indices).isdisjoint(below[0].moved.free)
                return below[0] if alike else below[0]._replace(moved=None)
            case Sum(indices=indices):
                moved = below[0].moved and simplify(sum_over(indices, below[0].moved))
                return Growth(moved, below[0].size, max(below[0].error, below[0].size))
            case Reduce():
                return Growth(_still(below), below[0].size, max(below[0].error, below[0].size))
            case _:
                return STILL

    return fold(expr, rule)


def _still(below: tuple[Growth, ...]) -> Expr | None:
    return ZERO if all(each.moved is ZERO for each in below) else None


def _added(below: tuple[Growth, ...]) -> Growth:
    steps = [each.moved for each in below if each.moved is not None]
    moved = simplify_sum(steps) if len(steps) == len(below) else None
    rounded = max(each.size for each in below)
    size = max((each.size for each in below if each.moved is ZERO), default=0) if moved is ZERO else rounded
    error = max(each.error for each in below)
    exact = len(below) == 2 and error == EXACT  # what is near each other is subtracted without an error
    return Growth(moved, size, size if exact else max(rounded, error))


def _multiplied(node: Mul, below: tuple[Growth, ...]) -> Growth:
    moving = [k for k, each in enumerate(below) if each.moved is not ZERO]
    moved: Expr | None = ZERO if not moving else None
    if len(moving) == 1 and (step := below[moving[0]].moved) is not None:  # b x moves by b, where b stays
        moved = simplify_product((*node.factors[: moving[0]], step, *node.factors[moving[0] + 1 :]))
    others = [each for factor, each in zip(node.factors, below, strict=True) if not isinstance(factor, Const)]
    if len(others) == 1:
        return others[0]._replace(moved=moved)
    size = sum(each.size for each in below)
    return Growth(moved, size, max(size, *(size - each.size + each.error for each in below)))


def _powered(base: Growth, k: Fraction) -> Growth:
    size = float(k) * base.size
    return Growth(_still((base,)), size, max(size, size - base.size + base.error))


@folded
def reads(node: Node, below: tuple[int, ...]) -> int:
    """How many tensors and deltas an expression reads."""
    return 1 if isinstance(node, Indexed | Delta) else 0 if isinstance(node, Affine) else sum(below)
