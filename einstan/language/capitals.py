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
    which a term lacks K, and the traps of `einstan.language.traps`, each with the formula that sets it.

Brackets that are not needed never change a value.  `einstan.language.placing` asks this rule.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import chain
from typing import Any

from einstan.language.factors import flattened, in_brackets, index_names, literal, sized, unwrapped, variance
from einstan.language.holds import Held, Holds, Total
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
)  # fmt: skip
from einstan.language.traps import MEAN, alike, all_pairs, has_mean, is_share, on_diagonal, rooted, trap_of, undone

ROOTS = ("sqrt", "cbrt")
LOGARITHMS = ("log", "log1p")
ACCESSES = (Ref, Kronecker)

OCCURS, BELOW_IT = Holds(), Holds(0, 0)
BEHIND_WALL = "{K} stands once, inside a function or a power"
LACKS = "a term of the bracket lacks {K}"
NUMBER = "{K} stands alone, as a number"
ALWAYS_ONE = "the softmax over {K} stands alone, and its sum is 1"
IN_BRACKETS = "{K} stands alone in brackets, where a sum may be meant"
BELOW = "{K} stands only below the line"


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
        if any(self.is_deviation(name, part, under) for part, under in node.parts):
            factors = [(part, holds if holds.open or variance(part) is None else BELOW_IT) for part, holds in factors]
        for _, holds in factors:
            if holds.refused:
                return holds
        company = len(factors) > 1
        if sum(not under and in_brackets(part) and set(index_names(part)) == {name} for part, under in node.parts) > 1:
            return Holds(refused=IN_BRACKETS, place=node)
        held = [beside(part, holds) if company else holds for part, holds in factors]
        opened = [holds for holds in held if holds.open]
        closed = [holds for holds in held if not holds.open]
        brackets = [holds for holds in closed if not holds.firm]
        whole = [holds for holds in brackets if len(holds.totals) == 1 and not holds.lacking]
        if not opened:
            return self.closed(name, node, closed, brackets, whole)
        if company and any(
            isinstance(part, Expression | Power) and has_mean(self.held, name, part) for part, _ in node.parts
        ):
            return Holds(refused=MEAN, place=node)
        weight = sum(holds.weight for holds in opened)
        if len(brackets) < len(closed):
            return Holds(refused="{K} is contracted inside one factor and stands in another", place=node)
        if closed and (weight != 1 or len(whole) > 1) and not (weight and all(h.squares for h in closed) and not whole):
            return Holds(refused="{K} is contracted in a bracket, and so it is by the factors beside", place=node)
        if not company and is_share(name, node):
            return Holds(weight)
        alone = opened[0].alone if not company or (weight == 1 and all(holds.alone for holds in opened)) else ""
        weight += len(closed)
        if sum(holds.inner for holds in opened) + len(closed) < 2:
            lacking = [holds.lacking for holds in opened if holds.weight] == [True]
            return Holds(weight, weight, alone or ("" if weight else BELOW), lacking=lacking)
        squares = len(opened) == 1 or sum(holds.weight > 0 for holds in opened) == 1
        total = Total(name, node, rank, squares, trap=alone or trap_of(self.held, name, node, weight))
        return Holds(2, totals=(total,))

    def factor(self, name: str, part: Surface, under: bool) -> Holds:
        """What a factor holds.  A denominator weighs nothing and is a wall, and nothing is in doubt below the line."""
        holds = self.held[part][name]
        if not under or holds.refused:
            return holds
        if holds.open:
            return replace(holds, weight=0, inner=0)
        return replace(holds, firm=True, totals=tuple(replace(total, doubtful=False) for total in holds.totals))

    def is_deviation(self, name: str, part: Surface, under: bool) -> bool:
        """``(x[n] - m[K])^2`` above the line."""
        if under or not isinstance(part, Power) or not isinstance(part.base, Expression) or name not in self.held[part]:
            return False
        return len(part.base.terms) > 1 and self.held[part][name].open and self.held[part][name].weight > 1

    def closed(self, name: str, node: Term, closed: list[Holds], brackets: list[Holds], whole: list[Holds]) -> Holds:
        """Where no factor has K open, each keeps its sum."""
        if len(whole) > 1 or (whole and any(holds.squares and holds not in whole for holds in brackets)):
            return Holds(refused="{K} is contracted in each of two brackets, and so it is by their product", place=node)
        if whole and any(under and self.is_bare_power(name, part) for part, under in node.parts):
            return Holds(refused="{K} is contracted in a bracket, and so it is by the factors beside", place=node)
        lacking = any(holds.lacking for holds in closed)
        firm = len(brackets) < len(closed)
        others = [part for part, _ in node.parts if name not in self.held[part]]
        if (firm or lacking) and any(sized(name, part, within=lacking) for part in others):
            return Holds(refused="{K} is summed inside, and |{K}| stands in front", place=node)
        return Holds(2, totals=tuple(total for holds in closed for total in holds.totals), firm=firm, lacking=lacking)

    def is_bare_power(self, name: str, part: Surface) -> bool:
        """``(w[K]^2)``, which is one factor without its brackets, and does not contract K by itself."""
        power = unwrapped(part)
        return (
            power is not part and isinstance(power, Power) and name in self.held[power] and self.held[power][name].open
        )

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
                doubt = total.doubtful if total.walled else doubtful
                totals.append(replace(total, walled=True, argument=argument, doubtful=doubt))
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
        if exponent is None and (term := undone(node)) is not None:
            return {**self.held[node.exponent], **{name: self.norm(name, term) for name in self.held[term]}}
        root = exponent is not None and exponent.denominator > 1
        held = self.walled(node, (node.base, node.exponent), root)
        if exponent is not None and exponent < 0:
            self.held[node] = held
            return {name: self.factor(name, node, under=True) for name in held}
        return held

    def norm(self, name: str, term: Term) -> Holds:
        """``(w[K] x[K]^p)^(1/p)``: without a sum between them the powers would undo each other."""
        holds = self.held[term][name]
        if holds.refused:
            return holds
        totals = holds.totals or (Total(name, term, list(self.held[term]).index(name)),)
        return Holds(2, totals=tuple(replace(total, walled=True) for total in totals), firm=True)

    def raised(self, name: str, node: Power, exponent: Fraction) -> Holds:
        """A whole power: open where its base is, and then company for itself; else contracted for good."""
        holds = self.held[node.base][name]
        if holds.refused or exponent < 2:
            return holds
        if holds.open and in_brackets(node.base):
            return Holds(refused=IN_BRACKETS, place=node)
        if on_diagonal(name, node.base):
            return Holds(refused="the square of a trace, or the squares of a diagonal", place=node)
        if holds.open:
            weight = 2 if holds.weight else 0
            inner = 1 if holds.lacking or isinstance(unwrapped(node.base), Call | Binder | Bracket) else 2
            return Holds(weight, min(weight, inner), all_pairs(self.held, name, node.base))
        if not holds.firm and alike(name, node.base):
            return Holds(refused="the square of a sum, or a sum of squares", place=node)
        doubtful = holds.squares and holds.lacking and not sized(name, node.base)
        totals = []
        for total in holds.totals:
            doubt = total.doubtful or (doubtful and not total.walled)
            written = isinstance(unwrapped(node.base), Binder)
            several = holds.lacking and len(set(index_names(total.term))) > 1
            argument = total.argument or (node.base if doubtful or written or several else None)
            totals.append(replace(total, squares=False, rooted=True, argument=argument, doubtful=doubt))
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
            held.update(dict.fromkeys(filter(is_capital, own), Holds(alone=ALWAYS_ONE)))
        return held


def beside(part: Surface, holds: Holds) -> Holds:
    """A factor that is not the only one with K: ones weigh 2, and what a sum that is written out contracts stays."""
    if isinstance(part, Bracket) and not part.relations and holds.open and holds.weight:
        return Holds(2, 2)
    if isinstance(part, Binder) and holds.totals:
        return replace(holds, firm=True)
    return holds


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


__all__ = ["Rule"]
