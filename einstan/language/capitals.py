"""Where a capital is summed.

**The rule**, for one capital K and one top-level term.

1.  Arguments of functions and reductions, operands of ``1[u > v]``, exponents, the base of a root or of a negative or
    symbolic power, and the bracket of a denominator are *walls*: what is contracted inside stays inside.
2.  A factor with K, or that is K as a number, weighs 1, its whole power 2, ``1[K]`` beside another factor 2, below the
    line it weighs 0.  A product that weighs 2 is *whole*: it is summed, unless the product around it has K open and
    takes the sum over.
3.  A bracket of which one term leaves K open is open: all its K are one index.  If every term with K is whole, each
    has its own sum.  (In there the power of a function, or of a bracket of which a term lacks K, weighs 1.)
4.  What stays open belongs to the product around it, up to the top-level product, where it is summed.
5.  Whatever a careful author may mean otherwise is refused: K on both sides of a wall, K alone behind one, a bracket of
    which a term lacks K, and the traps at the end of this file, each with the formula that sets it.

Brackets that are not needed never change a value.  `placements` is that rule.  The binder asks it where to put a sum,
the printer where one may be left out, so there is no second copy.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain
from typing import Any

from einstan.language.index import is_capital
from einstan.language.occurrences import is_form, names_in
from einstan.language.surface import (
    Binder,
    Bracket,
    Call,
    Expression,
    Kronecker,
    Minus,
    Number,
    Pad,
    Power,
    Ref,
    Size,
    Surface,
    Term,
    below,
    is_numeric,
    only_part,
    walk,
)  # fmt: skip

ROOTS = ("sqrt", "cbrt")
LOGARITHMS = ("log", "log1p")
ACCESSES = (Ref, Kronecker)
PLAIN = (*ACCESSES, Number, Size)


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
Placement = dict[Term, tuple[str, ...]]

OCCURS = Holds()
BEHIND_WALL = "{K} stands once, inside a function or a power"
LACKS = "a term of the bracket lacks {K}"
NUMBER = "{K} stands alone, as a number"
BELOW = "{K} stands only below the line"
MEAN = "a mean over {K}, or each entry"


def placements(top: Term, indices: Collection[str]) -> tuple[Placement, list[Ambiguity]]:
    """Which capitals each product below a top-level term sums over, and those that have several readings."""
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
                trap = holds.alone or rule.trap(name, term, holds.weight)
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


def lone_terms(top: Term) -> Iterator[Term]:
    """The terms of a top-level term that is nothing but a bracket: ``(a + (b + c))``."""
    stack = [top]
    while stack:
        term = stack.pop()
        only = term.parts[0][0] if term.sign > 0 and len(term.parts) == 1 and not term.parts[0][1] else None
        if isinstance(only, Expression):
            stack.extend(reversed(only.terms))
        else:
            yield term


def flattened(node: Expression) -> list[Term]:
    """The terms of a bracket; a bracket that is a whole term of it is none."""
    terms: list[Term] = []
    stack = list(reversed(node.terms))
    while stack:
        term = stack.pop()
        only = term.parts[0][0] if len(term.parts) == 1 and not term.parts[0][1] else None
        if isinstance(only, Expression):
            stack.extend(reversed(only.terms))
        else:
            terms.append(term)
    return terms


# ---- the rule, a node at a time --------------------------------------------------------------------------------------


class Rule:
    """The rule for all capitals at once; a node is judged after those below it, so depth does not matter."""

    def __init__(self, indices: Collection[str]) -> None:
        self.indices = indices
        self.held: dict[Surface, Held] = {}

    def below(self, root: Surface) -> Held:
        order, stack = [], [root]
        while stack:
            node = stack.pop()
            order.append(node)
            if type(node) not in ACCESSES:  # and there is nothing else in slots
                stack.extend(below(node))
        for node in reversed(order):
            judge = JUDGES.get(type(node))
            if judge is not None:
                self.held[node] = judge(self, node)
        return self.held[root]

    def access(self, node: Ref | Kronecker) -> Held:
        slots = node.slots if isinstance(node, Ref) else (node.left, node.right)
        if not slots and isinstance(node, Ref) and node.name in self.indices:
            name = str(node.name)
            return {name: Holds(alone=NUMBER)} if is_capital(name) else {}
        return dict.fromkeys(filter(is_capital, names_in(slots)), OCCURS)

    def number(self, node: Surface) -> Held:
        return {}

    def inner(self, node: Minus | Pad) -> Held:
        return self.held[node.operand if isinstance(node, Minus) else node.access]

    # ---- products ------------------------------------------------------------------------------------------------

    def term(self, node: Term) -> Held:
        names = dict.fromkeys(chain.from_iterable(self.held[part] for part, _ in node.parts))
        return {name: self.product(name, rank, node) for rank, name in enumerate(names)}

    def product(self, name: str, rank: int, node: Term) -> Holds:
        factors = [(part, self.factor(name, part, under)) for part, under in node.parts if name in self.held[part]]
        for _, holds in factors:
            if holds.refused:
                return holds
        company = len(factors) > 1
        held = [beside(part, holds) if company else holds for part, holds in factors]
        opened = [holds for holds in held if holds.open]
        closed = [holds for holds in held if not holds.open]
        brackets = [holds for holds in closed if not holds.firm]
        whole = [holds for holds in brackets if len(holds.totals) == 1 and not holds.lacking]
        if not opened:
            return self.closed(name, node, closed, brackets, whole)
        if company and any(isinstance(part, Expression | Power) and self.mean(name, part) for part, _ in node.parts):
            return Holds(refused=MEAN, place=node)
        weight = sum(holds.weight for holds in opened)
        if len(brackets) < len(closed):
            return Holds(refused="{K} is contracted inside one factor and stands in another", place=node)
        if closed and (weight != 1 or len(whole) > 1) and not (weight and all(h.squares for h in closed) and not whole):
            return Holds(refused="{K} is contracted in a bracket, and so it is by the factors beside", place=node)
        alone = opened[0].alone if not company or (weight == 1 and all(holds.alone for holds in opened)) else ""
        weight += len(closed)
        if sum(holds.inner for holds in opened) + len(closed) < 2:
            return Holds(weight, weight, alone or ("" if weight else BELOW))
        squares = len(opened) == 1 or sum(holds.weight > 0 for holds in opened) == 1
        total = Total(name, node, rank, squares, trap=alone or self.trap(name, node, weight))
        return Holds(2, totals=(total,))

    def factor(self, name: str, part: Surface, under: bool) -> Holds:
        """What a factor holds.  A denominator weighs nothing and is a wall, and nothing is in doubt below the line."""
        holds = self.held[part][name]
        if not under or holds.refused:
            return holds
        if holds.open:
            return replace(holds, weight=0, inner=0)
        return replace(holds, firm=True, totals=tuple(replace(total, doubtful=False) for total in holds.totals))

    def closed(self, name: str, node: Term, closed: list[Holds], brackets: list[Holds], whole: list[Holds]) -> Holds:
        """Where no factor has K open, each keeps its sum."""
        if len(whole) > 1 or (whole and any(holds.squares and holds not in whole for holds in brackets)):
            return Holds(refused="{K} is contracted in each of two brackets, and so it is by their product", place=node)
        lacking = any(holds.lacking for holds in closed)
        firm = len(brackets) < len(closed)
        if (firm or lacking) and any(sized(name, part) for part, _ in node.parts if is_numeric(part)):
            return Holds(refused="{K} is summed inside, and |{K}| stands in front", place=node)
        return Holds(2, totals=tuple(total for holds in closed for total in holds.totals), firm=firm, lacking=lacking)

    # ---- sums ----------------------------------------------------------------------------------------------------

    def expression(self, node: Expression) -> Held:
        terms = [self.held[term] for term in flattened(node)]
        names = dict.fromkeys(chain.from_iterable(terms))
        return {name: self.bracket([held.get(name) for held in terms], node) for name in names}

    def bracket(self, terms: list[Holds | None], node: Expression) -> Holds:
        """A sum is open if one of its terms is; else every term with K has its own."""
        having = [holds for holds in terms if holds is not None]
        if len(terms) == 1:
            return having[0]
        for holds in having:
            if holds.refused:
                return holds
        opened = [holds for holds in having if holds.open]
        lacking = len(having) < len(terms)
        firm = any(holds.firm for holds in having)
        if not opened:
            totals = tuple(total for holds in having for total in holds.totals)
            return Holds(2, totals=totals, firm=firm, lacking=lacking or any(holds.lacking for holds in having))
        if firm:
            return Holds(refused="{K} is contracted inside one term and left open in another", place=node)
        weight = min(1, max(holds.weight for holds in having))
        alone = LACKS if lacking else next((holds.alone for holds in opened if holds.alone), "")
        return Holds(weight, weight, alone, lacking=lacking)

    # ---- walls ---------------------------------------------------------------------------------------------------

    def walled(self, node: Surface, walls: Sequence[Surface], root: bool = False) -> Held:
        """What stands behind walls: open, and then one factor, or contracted there for good."""
        names = dict.fromkeys(chain.from_iterable(self.held[wall] for wall in walls))
        return {name: self.behind(name, node, walls, root) for name in names}

    def behind(self, name: str, node: Surface, walls: Sequence[Surface], root: bool) -> Holds:
        having = [(wall, self.held[wall][name]) for wall in walls if name in self.held[wall]]
        totals: list[Total] = []
        for wall, holds in having:
            if holds.refused:
                return holds
            if root and len(holds.totals) > 1 and holds.squares and not holds.firm:
                return Holds(refused="the root of two sums of squares, or a sum of roots", place=node)
            logarithm = isinstance(node, Call) and node.function in LOGARITHMS
            doubtful = holds.squares and (holds.lacking or logarithm) and not sized(name, wall)
            for total in holds.totals:
                if root and not total.walled and not (total.rooted or rooted(name, total.term)):
                    return Holds(refused="the root of a sum, or a sum of roots", place=node)
                argument = total.argument or (None if root else wall)
                totals.append(
                    replace(
                        total, walled=True, argument=argument, doubtful=doubtful if not total.walled else total.doubtful
                    )
                )
        if not totals:
            return Holds(alone=BEHIND_WALL)
        if any(holds.open for _, holds in having):
            return Holds(refused="{K} is contracted in one argument and left open in another", place=node)
        return Holds(2, totals=tuple(totals), firm=True)

    def call(self, node: Call) -> Held:
        return self.walled(node, node.arguments, root=node.function in ROOTS)

    def comparison(self, node: Bracket) -> Held:
        forms = [operand for operand in node.operands if not node.relations or is_form(operand, self.indices)]
        held = self.walled(node, [operand for operand in node.operands if operand not in forms])
        for name in filter(is_capital, names_in(forms)):
            if held.setdefault(name, OCCURS).totals:
                held[name] = Holds(refused="{K} is contracted and compared in one bracket", place=node)
        return held

    def power(self, node: Power) -> Held:
        exponent = literal(node.exponent)
        if exponent is not None and exponent.denominator == 1 and exponent >= 0:
            return {name: self.raised(name, node, exponent) for name in self.held[node.base]}
        root = exponent is not None and exponent.denominator > 1
        held = self.walled(node, (node.base, node.exponent), root)
        if exponent is not None and exponent < 0:
            self.held[node] = held
            return {name: self.factor(name, node, under=True) for name in held}
        return held

    def raised(self, name: str, node: Power, exponent: Fraction) -> Holds:
        """A whole power: open where its base is, and then company for itself; else contracted for good."""
        holds = self.held[node.base][name]
        if holds.refused or exponent < 2:
            return holds
        if on_diagonal(name, node.base):
            return Holds(refused="the square of a trace, or the squares of a diagonal", place=node)
        if holds.open:
            weight = 2 if holds.weight else 0
            inner = 1 if holds.lacking or isinstance(unwrapped(node.base), Call | Binder | Bracket) else 2
            return Holds(weight, min(weight, inner), self.all_pairs(name, node.base))
        if not holds.firm and alike(name, node.base):
            return Holds(refused="the square of a sum, or a sum of squares", place=node)
        doubtful = holds.squares and holds.lacking and not sized(name, node.base)
        totals = (
            replace(
                t,
                squares=False,
                rooted=True,
                argument=t.argument or (node.base if doubtful else None),
                doubtful=t.doubtful or (doubtful and not t.walled),
            )
            for t in holds.totals
        )
        return replace(holds, totals=tuple(totals), firm=True)

    def binder(self, node: Binder) -> Held:
        """Below ``sum[K]`` K is another index; the letter of ``softmax[K]`` is the one in front of it."""
        own = {letter.name for letter in node.letters}
        if node.operation in ("sum", "mean"):
            held = self.held[node.body]
        else:
            held = self.walled(node, (node.body,))
        held = {name: holds for name, holds in held.items() if name not in own}
        if node.operation == "softmax":
            held.update(
                dict.fromkeys(
                    filter(is_capital, own), Holds(alone="the softmax over {K} stands alone, and its sum is 1")
                )
            )
        return held

    # ---- traps that need what has been found below ---------------------------------------------------------------

    def all_pairs(self, name: str, base: Surface) -> str:
        """``(x[N] - 1/|M| x[M])^2`` is a variance to its author, and all pairs to the rule."""
        if not isinstance(base, Expression):
            return ""
        terms = flattened(base)
        shares = [{other for other, holds in self.held[term].items() if holds.open} for term in terms]
        having = [names for names in shares if name in names]
        if any(other != name and not any(other in names for names in having) for other in set().union(*shares)):
            return "the square of a difference of two sums, or of all pairs"
        return MEAN if self.mean(name, base) else ""

    def mean(self, name: str, node: Surface) -> bool:
        """``(1/|N| x[N]) (1/|N| y[N])``: a term of a bracket in which nothing but |K| is beside K."""
        while isinstance(node, Power):
            node = node.base
        return isinstance(node, Expression) and any(
            name in self.held[term]
            and self.held[term][name].open
            and sum(name in self.held[part] for part, _ in term.parts) == 1
            and sized(name, term)
            for term in flattened(node)
        )

    def trap(self, name: str, node: Term, weight: int) -> str:
        """A quotient that could be one of sums: ``T[N] / (T[N] + F[N])`` is a precision, micro or macro."""
        held = [(part, under) for part, under in node.parts if name in self.held[part]]
        above = [part for part, under in held if not under]
        divisors = [part for part, under in held if under and self.held[part][name].open]
        if not divisors and len(above) < 4:
            return ""
        spelled = [spelling(part) for part in above if isinstance(part, Ref | Power)]
        for part in divisors:
            if isinstance(part, Bracket) and not part.relations:
                return "the quotient of sums, or a sum of quotients"
            terms = flattened(part) if isinstance(part, Expression) else []
            again = weight >= 2 and isinstance(part, Expression | Call)
            if (
                sum(name in self.held[term] for term in terms) > 1
                or spelling(part) in spelled
                or (again and any(spelling(node) in spelled for node in walk(part) if isinstance(node, Ref)))
            ):
                return "the quotient of sums, or a sum of quotients"
            if isinstance(part, Power) and squares(part, *above):
                shared = set(tensors_of(part)).intersection(chain.from_iterable(map(tensors_of, above)))
                if shared or isinstance(unwrapped(part.base), Expression):
                    return "the quotient of sums of squares, or a sum of quotients"
        accesses = [spelling(part) for part in above if isinstance(part, Ref)]
        factors = [part for part in above if not isinstance(unwrapped(part), Expression)]
        if len(factors) >= 4 and len(set(accesses)) < len(accesses):
            return "two inner products, or one"
        return ""


JUDGES: dict[type, Callable[[Any, Any], Held]] = {
    **dict.fromkeys((Ref, Kronecker), Rule.access),
    **dict.fromkeys((Number, Size), Rule.number),
    **dict.fromkeys((Minus, Pad), Rule.inner),
    Term: Rule.term,
    Expression: Rule.expression,
    Call: Rule.call,
    Bracket: Rule.comparison,
    Power: Rule.power,
    Binder: Rule.binder,
}


# ---- traps that the spelling sets ------------------------------------------------------------------------------------

SQUARES_BESIDE = "squares over {K} stand in a function, beside a term that lacks it"


def all_inside(total: Total, placed: Placement) -> str:
    """``log(1 + exp(-y[N] f[N]))``: the logistic loss without its sum, or a function of one inner product."""
    if total.argument is None:
        return ""
    summed = {name for node in walk(total.argument) if isinstance(node, Term) for name in placed.get(node, ())}
    if set(index_names(total.term)) <= summed:
        return "the function of a sum, or the sum of a function"
    return ""


def beside(part: Surface, holds: Holds) -> Holds:
    """A factor that is not the only one with K: ones weigh 2, and what a sum that is written out contracts stays."""
    if isinstance(part, Bracket) and not part.relations and holds.open and holds.weight:
        return Holds(2, 2)
    if isinstance(part, Binder) and holds.totals:
        return replace(holds, firm=True)
    return holds


def rooted(name: str, node: Term) -> bool:
    """``sqrt(P[C] Q[C])`` is Bhattacharyya's coefficient; of a square, of x A x and of ones people take the root."""
    if sum(is_square(part) and name in index_names(part) for part, _ in node.parts) > 1:
        return False
    tensors = [names for part, _ in node.parts if (names := tensors_of(part))]
    return len(set(tensors)) < len(tensors) or any(
        is_square(part) or (isinstance(part, Bracket) and not part.relations) for part, _ in node.parts
    )


def tensors_of(part: Surface) -> tuple[object, ...]:
    return tuple(node.name for node in walk(part) if isinstance(node, Ref) and node.slots)


def on_diagonal(name: str, base: Surface) -> bool:
    """``A[I,I]^2``, ``(A[I,I] - c)^2``: squares on the diagonal, or a trace squared as physicists write it."""
    return any(
        [slot for slot in node.slots if name in names_in((slot,))][1:] and not is_gather(node)
        for node in walk(base)
        if isinstance(node, Ref)
    )


def is_gather(node: Ref) -> bool:
    """``Q[N,a[N]]`` picks an entry of each row."""
    return any(isinstance(part, Ref) and part.slots for slot in node.slots for part in walk(slot))


def alike(name: str, base: Surface) -> bool:
    """``(m[N,J] (Y[N,J] - P[N,J]))^2`` is a masked error; of ``(V[I,f] x[n,I])^2`` the sum is squared."""
    if not isinstance(base, Expression):
        return False
    held = [
        [names for part, _ in term.parts if name in (names := frozenset(index_names(part)))] for term in flattened(base)
    ]
    return all(len(set(factors)) <= 1 for factors in held) and held not in ([[names]] for names in chain(*held))


# ---- reading the tree ------------------------------------------------------------------------------------------------


def index_names(node: Surface) -> Iterator[str]:
    for part in walk(node):
        match part:
            case Ref():
                yield from names_in(part.slots)
            case Kronecker():
                yield from names_in((part.left, part.right))
            case Bracket():
                yield from names_in(part.operands)


def unwrapped(node: Surface) -> Surface:
    while isinstance(node, Expression) and (only := only_part(node)) is not None:
        node = only
    return node


def literal(node: Surface) -> Fraction | None:
    """The number that an exponent is, if it is one."""
    product = Fraction(1)
    node = unwrapped(node)
    while isinstance(node, Minus):
        node, product = unwrapped(node.operand), -product
    match node:
        case Number(value=value):
            return product * value
        case Expression(terms=(Term(sign=sign, parts=parts),)):
            product *= sign
            for part, under in parts:
                if not isinstance(part, Number) or (under and not part.value):
                    return None
                product = product / part.value if under else product * part.value
            return product
    return None


def is_square(part: Surface) -> bool:
    exponent = literal(part.exponent) if isinstance(part, Power) else None
    return exponent is not None and exponent.denominator == 1 and exponent >= 2


def squares(divisor: Surface, *above: Surface) -> bool:
    return is_square(divisor) and any(map(is_square, above))


def sized(name: str, node: Surface) -> bool:
    """Whether |K| stands in what is no function."""
    stack = [node]
    while stack:
        part = stack.pop()
        if isinstance(part, Size) and part.name == name:
            return True
        if not isinstance(part, Call | Binder):
            stack.extend(below(part))
    return False


def spelling(node: Surface) -> tuple[object, ...]:
    """What a factor is, without the power that it is raised to."""
    while isinstance(node, Power):
        node = node.base
    return tuple(
        part.value if isinstance(part, Number) else getattr(part, "name", type(part)) for part in walk(node)
    )  # fmt: skip


__all__ = ["Ambiguity", "Placement", "placements"]
