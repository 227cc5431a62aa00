"""Comparisons and kinks, and on which of their sides the points of a claim have been.

What holds where ``x`` is less than a million shows nothing of the rest.  So points are evidence for a claim where each
of its brackets was true at one of them and false at another, where brackets that multiply each other held at once, and
where each function with a kink was asked on both sides of it.  A side on which nothing can be, as that of
``1[x^2 < 0]``, need not be seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise, product

from einstan.calculus.assume import assumed
from einstan.calculus.bounds import ANY, Bounds, bounds
from einstan.calculus.brackets import decided
from einstan.calculus.contradictions import Lengths
from einstan.calculus.indicators import OPPOSITE, opposite
from einstan.calculus.program import Assumption, Program
from einstan.calculus.simplify import simplify
from einstan.calculus.tidied import says_nothing
from einstan.language.index import Affine, Arithmetic, Index
from einstan.language.node import Node, preorder, replace
from einstan.language.term import (
    ONE,
    ZERO,
    Add,
    Apply,
    Const,
    Delta,
    Equation,
    Expr,
    Extent,
    Indexed,
    Iverson,
    Mul,
    Name,
    Position,
    Reduce,
    Sum,
    add,
    mul,
    neg,
    substitute,
)
from einstan.machine.meaning.numbers import DomainError, Number

SIGNED = ("relu", "abs", "sign", "elu", "softsign")  # whose sides are those of 0
STEPPED = ("floor", "mod")
KINKED = (*SIGNED, *STEPPED, "clip", "maximum", "minimum", "arctan2")
ORDER = ("<", "<=", ">", ">=")
TIED = 3  # the place in an outcome of what is equal there
TIES = 3  # different values that are equal before it is no coincidence that they are
CASES = 3  # of what is largest in a product of brackets that are told apart one within another
LONGEST = 100  # characters of a bracket in a reason

AWAY = 2  # added to whether it holds where no index or label of it is 0

# Which comparison of a node it is, whether it holds, on what side of equality; else any number.
Outcome = tuple[int, ...]
Watch = Callable[[Node, Outcome, tuple[int, ...]], None]  # told on what side a node is, its indices being so
Guards = tuple[Expr, ...]


def side_of(left: Number, right: Number) -> int:
    """On which side of a kink: -1, 0, and 1."""
    return int(known(left) > known(right)) - int(left < right)


def known(value: Number) -> Number:
    """The value; one that there is none of, or that is larger than any, is on no side."""
    if isinstance(value, Decimal | float) and not math.isfinite(value):
        raise DomainError("no number is on a side")
    return value


Seen = tuple[Node | None, Outcome, tuple[int, ...]]  # of no switch: whether both sides of the claim have a value
Cell = frozenset[Seen]  # the sides on which all switches are
VALUED: Seen = (None, (1,), ())


def changes(first: Cell, second: Cell) -> int:
    """In how many comparisons two cells differ; those of the same two values are one."""
    return len({(_compared_values(node, outcome), at) for node, outcome, at in first ^ second})


def _compared_values(node: Node | None, outcome: Outcome) -> Hashable:
    match node, outcome:
        case (Iverson(operands=operands), (k, *_)):
            return frozenset(operands[k : k + 2])
        case (Apply(function=function, arguments=(u, *_)), _) if function in SIGNED:
            return frozenset((u, ZERO))
        case (Apply(function="maximum" | "minimum", arguments=arguments), _):
            return frozenset(arguments)
        case (Apply(function="clip", arguments=(u, *ends)), (k, *_)):
            return frozenset((u, ends[k]))
    return node


@dataclass(frozen=True)
class Side:
    """A side of a switch: what is on it, as it is told to a `Watch`, and the bracket that is 1 there; none where a step
    is to be seen, which is two outcomes of any kind.  ``unknowns`` are indices and labels of which none is 0 there."""

    switch: Node
    outcome: Outcome = ()
    bracket: Expr | None = None
    unknowns: tuple[Node, ...] = ()

    def __str__(self) -> str:
        """What is to be said where no point has been on it."""
        match self.switch:
            case Iverson() | Delta() if self.unknowns:
                return f"{_short(as_factors(self.bracket)[0])} was never true away from 0"
            case Iverson(operands=operands, relations=relations) if not self.outcome[1]:
                k = self.outcome[0]
                return f"{_short(Iverson(operands[k : k + 2], relations[k : k + 1]))} was never false"
            case Reduce() if self.bracket is None:
                return f"{_short(self.switch)} was at one entry alone"
            case Reduce() | Apply() if len(self.outcome) == 1:
                return f"{_short(self.switch)} was never 1"
            case Mul():
                return f"{_short(self.bracket)} was never 1"
        return (
            f"{_short(self.switch)} took no step" if self.bracket is None else f"{_short(self.bracket)} was never true"
        )


def switches(roots: Iterable[Node], labels: Container[Name] = ()) -> dict[Node, tuple[Side, ...]]:
    """The comparisons and kinks with their sides; a square of which a root is taken has those of what is squared."""
    nodes = list(preorder(*roots))
    squares = {node.arguments[0] for node in nodes if _is_root(node) and _is_square(node.arguments[0])}
    powers = (node for node in nodes if isinstance(node, Apply) and node.function == "pow")
    plain = {node for node in powers if node not in squares}
    return {node: found for node in nodes if node not in plain and (found := (*_sides(node), *_away(node, labels)))}


def _is_root(node: Node) -> bool:
    match node:
        case Apply(function="sqrt"):
            return True
        case Apply(function="pow", arguments=(_, Const(value=value))):
            return value.denominator > 1
    return False


def _is_square(node: Node) -> bool:
    match node:
        case Apply(function="pow", arguments=(_, Const(value=value))):
            return value.denominator == 1 and value % 2 == 0
    return False


def of_values(side: Side) -> bool:
    """Whether it rests on what a tensor holds."""
    return any(isinstance(node, Indexed) for node in preorder(side.bracket or side.switch))


def _sides(node: Node) -> tuple[Side, ...]:
    """The sides of a comparison, a kink or a power; none of any other node."""
    match node:
        case Iverson(operands=operands, relations=relations) if relations:
            pairs = zip(pairwise(operands), relations, strict=True)
            return tuple(
                side for k, (pair, relation) in enumerate(pairs) for side in _compared(node, k, pair, relation)
            )
        case Delta(left=left, right=right):
            return _compared(node, 0, (left, right), "==")
        case Apply(function=function, arguments=(u, *_)) if function in SIGNED:
            return _about(node, 0, u, ZERO)
        case Apply(function="arctan2", arguments=(_, u)) | Apply(function="pow", arguments=(u, _)):
            return _about(node, 0, u, ZERO)
        case Reduce() | Apply(function="minimum") if brackets := truths(node):
            return (Side(node, (1,), mul(brackets)),)
        case Apply(function="maximum" | "minimum", arguments=(u, v)):
            return _about(node, 0, u, v)
        case Apply(function="clip", arguments=(u, *ends)):
            return tuple(side for k, end in enumerate(ends) for side in _about(node, k, u, end))
        case Apply(function=operation) | Arithmetic(operation=operation) if operation in STEPPED:
            return (Side(node),)
        case Reduce(operation="max" | "min", body=body) if any(isinstance(n, Indexed) for n in preorder(body)):
            return (Side(node),)
        case Mul(factors=factors):
            found = [brackets for factor in factors if (brackets := truths(factor))]
            return (Side(node, (1,), mul([own for brackets in found for own in brackets])),) if len(found) > 1 else ()
    return ()


def truths(node: Node) -> Guards:
    """The brackets that are 1 at one entry at least where a term of nothing else is 1; none where it is another one."""
    match node:
        case Delta() | Iverson():
            return (node,)
        case Reduce(operation="prod" | "min" | "max", body=body):
            return truths(body)
        case Mul(factors=parts) | Apply(function="minimum", arguments=parts):
            found = list(map(truths, parts))
            return tuple(own for brackets in found for own in brackets) if all(found) else ()
    return ()


def _away(node: Node, labels: Container[Name]) -> Iterator[Side]:
    """The sides of a comparison of whole numbers on which no index or label is 0, where it tells less."""
    unknowns = whole_unknowns(node, labels) if isinstance(node, Iverson | Delta) else None
    places = tuple(own for own in unknowns or () if not isinstance(own, Extent))
    for side in _sides(node) if places else ():
        k, held = side.outcome
        not_zero = (Iverson((Affine(((own, 1),)), Affine((), 1)), (">=",)) for own in places)
        yield Side(node, (k, held + AWAY), mul((side.bracket, *not_zero)), places)  # type: ignore[arg-type]


def whole_unknowns(node: Node, labels: Container[Name]) -> list[Node] | None:
    """The indices, extents and labels on which a term rests; None where it rests on anything else."""
    found: dict[Node, None] = {}
    waiting = [node]
    while waiting:
        here = waiting.pop()
        if isinstance(here, Sum | Reduce) or (isinstance(here, Indexed) and here.tensor not in labels):
            return None
        if isinstance(here, Index | Extent | Indexed):
            found[here] = None
        else:
            waiting += here.children
    return list(found)


def _compared(node: Node, k: int, pair: tuple[Node, Node], relation: str) -> tuple[Side, ...]:
    true, false = (Iverson(pair, (own,)) for own in (relation, OPPOSITE[relation]))
    return Side(node, (k, 1), true), Side(node, (k, 0), false)


def _about(node: Node, k: int, left: Expr, right: Expr) -> tuple[Side, ...]:
    return tuple(Side(node, (k, s), Iverson((left, right), (r,))) for s, r in ((1, ">"), (-1, "<")))


def as_factors(brackets: Expr | None) -> Guards:
    return brackets.factors if isinstance(brackets, Mul) else () if brackets is None else (brackets,)


def _one_by_one(bracket: Iverson) -> Iterator[Iverson]:
    """The comparisons of a chain."""
    for pair, relation in zip(pairwise(bracket.operands), bracket.relations, strict=False):
        yield Iverson(pair, (relation,))


def _fails(a: Bounds, relation: str, b: Bounds) -> bool:
    """Whether no number within some bounds is so to one within others."""
    if relation == "!=":
        return a.low == a.high == b.low == b.high
    over = a.low > b.high or (a.low == b.high and (relation == "<" or a.above or b.below))
    return over or (relation == "==" and (a.high < b.low or (a.high == b.low and (a.below or b.above))))


def as_expr(node: Node) -> Expr:
    """An operand of a bracket as a value."""
    if isinstance(node, Affine):
        parts = [mul((Const(Fraction(k)), Position(a) if isinstance(a, Index) else a)) for a, k in node.terms]  # type: ignore[arg-type]
        return add((*parts, Const(Fraction(node.constant))))
    assert isinstance(node, Expr)
    return node


def _spoken(expr: Expr) -> Expr:
    """Extents by their dimensions, whatever letters they have."""
    extents: dict[Node, Node] = {
        node: Extent(Index(node.index.dim)) for node in preorder(expr) if isinstance(node, Extent)
    }
    return replace(expr, extents)


def _extreme(node: Node, other: Node) -> tuple[bool, Sequence[Expr], bool]:
    """Whether a node is the largest of some values or the smallest, and these, or, of entries, those that the ``other``
    may be one of, so not all of them."""
    match node:
        case Apply(function="maximum" | "minimum" as function, arguments=parts):
            return function == "maximum", parts, True
        case Apply(function="relu", arguments=(u,)):
            return True, (ZERO, u), True
        case Apply(function="abs", arguments=(u,)):
            return True, (u, neg(u)), True
        case Apply(function="clip", arguments=(u, low, high)):
            return False, (high, Apply("maximum", (u, low))), True
        case Reduce(operation="max" | "min" as operation, indices=(index,), body=body):
            letters = [own for own in other.free if own.dim == index.dim]
            return operation == "max", [substitute(body, {index: own}) for own in letters], False
    return True, (), False


def _cases(brackets: Expr) -> Iterator[Expr]:
    """A product of brackets for each choice of what the largest or the smallest in it is: ``1[relu(x) > 3]`` is
    ``1[x > 3] 1[x >= 0]``, or ``1[0 > 3] 1[0 >= x]``; and of what is unequal either is the larger."""
    waiting = [(brackets, CASES)]
    while waiting:
        here, splits = waiting.pop()
        unequal = next((f for f in as_factors(here) if isinstance(f, Iverson) and f.relations == ("!=",)), None)
        if unequal is not None and splits:
            waiting += [(replace(here, {unequal: Iverson(unequal.operands, (own,))}), splits - 1) for own in "<>"]
            continue
        node = next((node for node in preorder(here) if isinstance(node, Apply) and _extreme(node, node)[1]), None)
        if node is None or not splits:
            yield here
            continue
        largest, parts, _ = _extreme(node, node)
        for part in parts:
            own = (Iverson((part, other), (">=" if largest else "<=",)) for other in parts if other is not part)
            waiting.append((mul((replace(here, {node: part}), *own)), splits - 1))


def _always(comparison: Expr) -> bool:
    return (isinstance(comparison, Iverson) and says_nothing(comparison)) or simplify(comparison) is ONE


def _short(node: Node | None) -> str:
    text = str(Iverson((Affine(((node, 1),)),)))[2:-1] if isinstance(node, Arithmetic) else str(node)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."


class Switches:
    """The comparisons and kinks of some equations, and what has been seen of them.

    ``entries`` are the bounds of a tensor's entries, where they are known, ``rules`` are assumptions, ``known`` the
    brackets that are 1 by them, ``lengths`` what is known of the extents, ``labels`` the tensors that hold labels, and
    ``tops`` the axes of which one of them holds these.
    """

    def __init__(
        self,
        equations: Iterable[Equation],
        entries: Callable[[Name], Bounds] = lambda _: ANY,
        rules: Sequence[Assumption] = (),
        known: Sequence[Iverson] = (),
        lengths: Callable[[], Lengths] = lambda: Lengths(Program(())),
        tops: Callable[[Name], Sequence[str]] = lambda _: (),
        labels: Container[Name] = (),
    ) -> None:
        self.equations = tuple(equations)
        self.entries, self.rules, self.known = entries, rules, known
        self.lengths, self.tops = lengths, tops
        self.wanted = switches((equation.rhs for equation in self.equations), labels)
        self.seen: dict[Node, set[Outcome]] = {node: set() for node in self.wanted}
        self.ties: dict[tuple[Node, Outcome], set[int]] = {}
        self.new: list[tuple[Node, Outcome]] = []
        self.out_of_reach: dict[Side, bool] = {}

    def __bool__(self) -> bool:
        return bool(self.wanted)

    def watch(self, node: Node, outcome: Outcome, _: tuple[int, ...]) -> None:
        """Something was on some side, at a point that has still to count; where two values are equal by chance it was
        on none of an order."""
        if len(outcome) > TIED:
            self.ties.setdefault((node, outcome[:2]), set()).add(outcome[TIED])
            if len(self.ties[node, outcome[:2]]) < TIES:
                return
        if (outcome := outcome[:2]) not in self.seen[node]:
            self.new.append((node, outcome))

    def count(self, counts: bool = True) -> None:
        """What was seen since the last time counts, or does not."""
        for node, outcome in self.new if counts else ():
            self.seen[node].add(outcome)
        self.new.clear()

    @property
    def settled(self) -> bool:
        """Whether all compare the same two numbers, and both have been the larger."""
        compared = {_compared_values(side.switch, side.outcome) for found in self.wanted.values() for side in found}
        return len(compared) == 1 and not any(node.free for node in self.wanted) and not self.lacking

    @property
    def lacking(self) -> list[Side]:
        """The sides on which something could be and nothing was."""
        open_sides = [side for found in self.wanted.values() for side in found if self._open(side)]
        return [side for side in open_sides if not self._is_out_of_reach(side)]

    @property
    def within_reach(self) -> list[Side]:
        return [side for found in self.wanted.values() for side in found if not self._is_out_of_reach(side)]

    def around(self, side: Side) -> list[tuple[Equation, Guards]]:
        """The brackets that hold together on a side, what is known among them, for each place where it stands."""
        places = ((equation, (*guards, *as_factors(side.bracket))) for equation, guards in self._around(side.switch))
        return [(equation, (*self._known_of(brackets), *brackets)) for equation, brackets in places]

    def _open(self, side: Side) -> bool:
        seen = self.seen[side.switch]
        if isinstance(side.bracket, Iverson) and (side.switch, side.outcome) in self.ties:
            strict = tuple(relation.rstrip("=") for relation in side.bracket.relations)
            if self._is_out_of_reach(Side(side.switch, side.outcome, Iverson(side.bracket.operands, strict))):
                return False  # there is nothing but what is equal
        return len(seen) < 2 if side.bracket is None else side.outcome not in seen

    def _is_out_of_reach(self, side: Side) -> bool:
        if side not in self.out_of_reach:
            self.out_of_reach[side] = self._is_still(side.switch) if side.bracket is None else self._never(side)
        return self.out_of_reach[side]

    def _is_still(self, node: Node) -> bool:
        """Whether a step is out of reach."""
        if not isinstance(node, Apply) or node.function != "floor":
            return False
        own = bounds(node.arguments[0], self.entries)
        return own.high - own.low <= 1 and own.low % 1 == 0 and (own.below or own.high < own.low + 1)

    def _never(self, side: Side) -> bool:
        """Whether the bracket is 0 wherever those hold under which the switch stands."""
        comparisons = [
            one for factor in as_factors(side.bracket) if isinstance(factor, Iverson) for one in _one_by_one(factor)
        ]
        if any(self._is_false(one) or _always(opposite(one)) for one in comparisons):
            return True
        return all(self._contradict(*around) for around in self.around(side))

    def _contradict(self, equation: Equation, brackets: Guards) -> bool:
        """Whether brackets cannot be 1 together in an equation."""
        return all(
            decided(simplify(case)) is ZERO or self.lengths().never(equation, as_factors(case))
            for case in _cases(mul(brackets))
        )

    def _known_of(self, brackets: Guards) -> Iterator[Iverson]:
        """What is known, of the entries that some brackets speak of."""
        letters = list(dict.fromkeys(index for bracket in brackets for index in bracket.free))
        for known in self.known:
            own = list(known.free)
            choices = ([index for index in letters if index.dim == mine.dim] or [mine] for mine in own)
            for chosen in product(*choices):
                yield substitute(known, dict(zip(own, chosen, strict=True)))  # type: ignore[misc]

    def _is_false(self, comparison: Iverson) -> bool:
        (left, right), (relation,) = comparison.operands, comparison.relations
        if relation in (">", ">="):
            left, right, relation = right, left, relation.replace(">", "<")
        return self._fails(left, relation, right)

    def _fails(self, left: Node, relation: str, right: Node) -> bool:
        """Whether no value of the left side is so to the right one; a < min(b, c) is a < b and a < c."""
        pairs: list[tuple[Node, Node]] = [(left, right)]
        nodes = list(preorder(left, right))
        labels = any(isinstance(node, Indexed) and self.tops(node.tensor) for node in nodes)
        if labels and not any(isinstance(node, Arithmetic) for node in nodes):
            pairs += [(gap, ZERO) for gap in self._gaps(left, right)]
        values = isinstance(left, Expr) and isinstance(right, Expr)
        if values:
            pairs += [(assumed(simplify(add((left, neg(right)))), self.rules), ZERO)]  # type: ignore[arg-type]
        if any(_fails(bounds(a, self.entries), relation, bounds(b, self.entries)) for a, b in pairs):
            return True
        if not values or relation not in ("<", "<="):
            return False
        largest, parts, all_of_them = _extreme(left, right)
        found = [self._fails(part, relation, right) for part in parts]
        if any(found) if largest else all_of_them and all(found):
            return True
        largest, parts, all_of_them = _extreme(right, left)
        found = [self._fails(left, relation, part) for part in parts]
        return (all_of_them and all(found)) if largest else any(found)

    def _gaps(self, left: Node, right: Node) -> Iterator[Expr]:
        """What the left side has more than the right one at least, labels being at most those of an axis each."""
        gap = simplify(add((as_expr(left), neg(as_expr(right)))))
        terms = gap.terms if isinstance(gap, Add) else (gap,)
        for term in terms:
            of = simplify(neg(term))
            for place in self.tops(of.tensor) if isinstance(of, Indexed) else ():
                top = add((Extent(Index(place)), neg(ONE)))
                yield simplify(_spoken(add((gap, neg(term), neg(top)))))

    def _around(self, node: Node) -> set[tuple[Equation, Guards]]:
        """The brackets that multiply a node, or what it stands in, for each place where it stands."""
        found: set[tuple[Equation, Guards]] = set()
        seen: set[tuple[Equation, Node, Guards]] = set()
        waiting: list[tuple[Equation, Node, Guards]] = [(equation, equation.rhs, ()) for equation in self.equations]
        while waiting:
            equation, here, guards = waiting.pop()
            if (equation, here, guards) in seen:
                continue
            seen.add((equation, here, guards))
            if here is node:
                found.add((equation, guards))
            for child in here.children:
                own = here.factors if isinstance(here, Mul) else ()
                more = [f for f in own if isinstance(f, Iverson | Delta) and f is not child and f not in guards]
                waiting.append((equation, child, (*guards, *more)))
        return found
