"""Judgements of claims, and how they are put into words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from einstan.calculus.collect import size
from einstan.calculus.naming import derived_equation
from einstan.language.dims import redimensioned
from einstan.language.errors import EinstanError
from einstan.language.index import Index, lowered
from einstan.language.node import preorder
from einstan.language.term import Const, Expr, Extent, tensors
from einstan.library.declared import readable
from einstan.library.differences import Slip
from einstan.library.kinks import Kink
from einstan.machine.evidence.verify import Comparison, pasted, told_apart

LONGEST = 400  # characters of a side
UNREADABLE = 5000  # names and numbers, above which nothing is printed


@dataclass(frozen=True)
class Counterexample:
    """Values at which two sides differ: ``arrays`` and ``at`` are Python text that can be pasted.

    Examples:
        >>> example = es.check("y = x^2\\ndy/dx = x").claims[0].outcome.counterexample
        >>> example.arrays, example.at, example.left, example.right
        ({'x': '1'}, {}, '2', '1')
    """

    sizes: Mapping[str, int]
    arrays: Mapping[str, str]
    at: Mapping[str, int]
    left: str
    right: str
    matter: tuple[str, ...] | None = None  # the arrays that are shown, where they are not all

    def __str__(self) -> str:
        where = ", ".join(f"{name} = {value}" for name, value in self.at.items())
        shown = self.arrays if self.matter is None else self.matter
        lines = [f"{name} = {value}" for name, value in self.arrays.items() if name in shown]
        return "\n".join([*lines, (f"at {where}: " if where else "") + f"left {self.left}, right {self.right}"])


@dataclass(frozen=True)
class Outcome:
    """What became of a claim.  ``verdict`` is ``proved``, ``verified``, ``kink`` (equal but at a kink), ``refuted`` or
    ``undecided``; ``left`` and ``right`` are both sides worked out and short, unless it is proved, ``difference`` the
    terms of left minus right.

    Examples:
        >>> outcome = es.check("y = x^2\\ndy/dx = x").claims[0].outcome
        >>> outcome.verdict, outcome.left, outcome.right, outcome.difference
        ('refuted', '2 x', 'x', ('x',))
    """

    verdict: str
    reason: str = ""
    points: int = 0
    arithmetic: str = ""
    left: str = ""
    right: str = ""
    difference: tuple[str, ...] = ()
    counterexample: Counterexample | None = None
    slip: str = ""  # what is wrong with one side, where that is one term
    under: tuple[str, ...] = ()  # the lines of assumptions under which a wrong claim would hold


@dataclass(frozen=True)
class Judgement:
    """An outcome before it is put into words: ``difference`` are the first terms of left minus right and ``more`` how
    many others there are; all expressions are short, ``left`` and ``right`` unless the claim is proved."""

    verdict: str
    reason: str = ""
    numbers: Comparison | None = None
    difference: tuple[Expr, ...] = ()
    more: int = 0
    left: Expr | None = None
    right: Expr | None = None
    kink: Kink | None = None
    times: Expr | None = None  # that the ``larger`` side is the other
    larger: str = ""
    slip: Slip | None = None
    matter: tuple[str, ...] | None = None  # the inputs on which the difference rests


def worded(found: Judgement) -> Outcome:
    """A judgement as text."""
    more = (f"{found.more} more terms",) if found.more else ()
    left, right = ("" if side is None else _shown(side) for side in (found.left, found.right))
    difference = (*map(_shown, found.difference), *more)
    outcome = Outcome(found.verdict, found.reason, left=left, right=right, difference=difference)
    if found.times is not None:
        outcome = replace(outcome, reason=_multiple(found.times, found.larger))
    if found.slip is not None:
        outcome = replace(outcome, slip=_slip(found.slip))
    numbers = found.numbers
    if found.verdict == "verified" and numbers is not None:
        return replace(outcome, reason=str(numbers), points=numbers.points, arithmetic=numbers.arithmetic)
    if found.kink is not None:
        outcome = replace(outcome, reason=str(found.kink))
    elif found.verdict == "kink" and numbers is not None:
        side = "left" if numbers.left != numbers.left else "right"
        outcome = replace(outcome, reason=f"equal but where the {side} side has no value: {numbers.reason}")
    if found.verdict == "refuted" and numbers is not None and numbers.reason and not outcome.reason:
        outcome = replace(outcome, reason=numbers.reason)
    if found.verdict in ("refuted", "kink") and numbers is not None:
        arrays = {name: pasted(value) for name, value in numbers.arrays.items()}
        values, matter = told_apart(numbers.left, numbers.right), found.matter if found.verdict == "refuted" else None
        sizes = {_letter(dim): size for dim, size in numbers.sizes.items()}
        example = Counterexample(sizes, arrays, numbers.at, *values, matter)
        return replace(outcome, counterexample=example)
    return outcome


def _letter(dim: str) -> str:
    """The letter of a range that no tensor has, as it stands in the name of that."""
    return dim.rpartition(":")[2].partition(".")[0] if ":" in dim else dim


def _slip(slip: Slip) -> str:
    """``the term x[i] is missing on the right``"""
    written, meant, side = _shown(slip.written), _shown(slip.meant), slip.wrong
    match slip.kind:
        case "missing":
            return f"the {slip.what} {meant} is missing on the {side}"
        case "extra":
            return f"the {slip.what} {written} on the {side} is too much"
        case "sign":
            return f"the sign of the {slip.what} {written} on the {side} is wrong"
        case _ if written == meant:  # what differs is not in the text
            return f"the {slip.what} {written} on the {side} runs over another range"
        case _:
            return f"the {slip.what} {written} on the {side} has to be {meant}"


def _multiple(times: Expr, larger: str) -> str:
    """``right is |n| times left``"""
    text = str(times)
    for node in preorder(times):
        if isinstance(node, Extent):
            text = text.replace(f"|{node.index.name}|", f"|{lowered(node.index.name)}|")
    other = "left" if larger == "right" else "right"
    return f"{larger} is minus {other}" if times == Const(Fraction(-1)) else f"{larger} is {text} times {other}"


def _shown(short_form: Expr) -> str:
    """An expression in its shortest form, with letters to read."""
    if (parts := size(short_form)) > UNREADABLE:  # a shared graph is far longer as a text
        return f"an expression of {short_number(parts)} parts"
    own = {index.dim: index.name for index in _sized(short_form) if " " in index.dim}  # which is no tensor's axis
    expr = readable(redimensioned(short_form, own))
    if any(str(name).startswith("∂") or str(name).endswith("(0)") for name in tensors(expr)):
        text = str(expr)  # the name of a part of a stand-in, which cannot be read again
    else:
        try:
            text = str(derived_equation("side", tuple(expr.free), expr)).split(" = ", 1)[1]
        except EinstanError:  # an extent that no axis of this side has
            text = str(expr)
    return text if len(text) <= LONGEST else text[:LONGEST] + " ..."


def _sized(expr: Expr) -> list[Index]:
    """The indices whose extents an expression speaks of."""
    return [node.index for node in preorder(expr) if isinstance(node, Extent)]


def short_number(count: int) -> str:
    return f"{count:,}" if count < 10**12 else "more than 10^12"
