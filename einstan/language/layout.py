# What a task waits for comes back as Any.
# mypy: disable-error-code="no-any-return"
"""Terms to surface trees: how a term is spelled so that parsing it gives the same object.

A sum is left out of the spelling exactly where the scope rule puts it back.  `Layout` first leaves every sum over
capitals out, asks `einstan.language.capitals` where the rule would put them, and writes those that would land
elsewhere as ``sum[K](..)``; it repeats until nothing moves, which it does because sums only ever become explicit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import TypeVar

from einstan.language.divisors import divides_by_index
from einstan.language.errors import NotationError
from einstan.language.glued import is_pair
from einstan.language.holds import Placement
from einstan.language.index import Affine, Arithmetic, Index, is_capital, lowered, swapped
from einstan.language.node import Node, holds, preorder
from einstan.language.occurrences import evidence, is_form
from einstan.language.placing import placements
from einstan.language.shifted import unlike
from einstan.language.sugar import as_softmax, guards_before
from einstan.language.surface import (
    NOWHERE,
    Binder,
    Bracket,
    Call,
    Expression,
    Kronecker,
    Letter,
    Minus,
    Number,
    Pad,
    Power,
    Ref,
    Relation,
    Size,
    Surface,
    Task,
    Term,
    alone,
    below,
    every,
    looks_turned,
    only_part,
    run,
    walk,
)  # fmt: skip
from einstan.language.term import (
    MINUS_ONE,
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
    Partial,
    Position,
    Reduce,
    Sum,
    is_reciprocal,
)  # fmt: skip

LARGEST = 50_000  # terms of what is written out
Part = tuple[Surface, bool]
Laid = TypeVar("Laid", bound=Surface)


def surface_of(node: Node, *, every_sum: bool = False) -> tuple[Surface, dict[Surface, Node]]:
    """The spelling of an equation, expression or form, and the node behind each of its parts."""
    layout = Layout(every_sum)
    if isinstance(node, Equation):
        left = layout.lay(layout.access(node.lhs))
        forms = {index.name: form for index, form in node.where}  # stated once for all indices of one letter
        layout.stated = {name: _axis_spelled(form) for name, form in forms.items()}
        where = [(Size(NOWHERE, name), layout.lay(layout.form(form))) for name, form in forms.items()]
        stated = (Letter(NOWHERE, index.name) for index, _ in node.where)
        right = layout.top(node.rhs, (left, *(form for _, form in where), *stated))
        spelled: Surface = Relation(NOWHERE, alone(left), right, tuple(where))
    elif isinstance(node, Affine):
        spelled = layout.lay(layout.form(node))
    elif isinstance(node, Index):
        spelled = Letter(NOWHERE, node.name)
    else:
        assert isinstance(node, Expr)
        spelled = layout.top(node, ())
    layout.origin[spelled] = node
    return spelled, layout.origin


def _axis_spelled(form: Affine) -> str:
    plain = form.constant == 0 and len(form.terms) == 1 and form.terms[0][1] == 1
    atom = form.terms[0][0] if plain else None
    return atom.index.name if isinstance(atom, Extent) else ""


def decimal(value: Fraction) -> bool:
    """Whether a number prints as digits rather than as a quotient: whole numbers, and finite decimals whose quotient
    would be long."""
    rest = value.denominator
    if rest == 1:
        return True
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    return rest == 1 and value.denominator > 16


def _too_long() -> NotationError:
    """What is shared inside is written as often as it stands there: a deep derivative is the square of its term."""
    return NotationError(
        f"this is too long to be written: it has more than {LARGEST:,} terms",
        inferred="a part that stands in several places is written in each of them",
        repair="name a part of it: an equation each",
    )


def _is(ref: Ref, name: str) -> bool:
    """Whether this is the number of a name that papers use otherwise: ``e^x`` and ``A^T`` are none."""
    return ref.name == name and not ref.slots


def _is_bracketed(base: Ref) -> bool:
    """Whether its power stands behind a bracket: ``(dL/dx)^2``, ``(e)^2``, and ``(ls)^2``, which is not ``l s^2``."""
    name = base.name
    return isinstance(name, Partial) or (not base.slots and (name == "e" or (isinstance(name, str) and is_pair(name))))


class Layout:
    def __init__(self, every_sum: bool) -> None:
        self.every_sum = every_sum
        self.explicit: set[Sum] = set()
        self.implicit: dict[Term, Sum] = {}
        self.origin: dict[Surface, Node] = {}
        self.below = 0  # how many lines this is below
        self.numbers = False  # whether an index stands as one
        self.capitals: set[str] = set()  # numbers there
        self.bracketed: set[str] = set()  # those that would be taken for something else
        self.stated: dict[str, str] = {}  # what ``where`` says of letters

    def lay(self, task: Task[Laid]) -> Laid:
        return run(task)

    def top(self, root: Expr, around: Iterable[Surface]) -> Expression:
        """A whole right side: lay every top-level term, and again those whose sums would land elsewhere."""
        nodes = root.terms if isinstance(root, Add) else (root,)
        terms: list[Term] = [run(self.term(node)) for node in nodes]
        stand: dict[Term, Placement] = {}  # the sums of the terms that need not be asked again
        asked: tuple[set[str], bool] | None = None
        while True:
            indices = evidence(*around, *terms)
            counted = {name for name in self.capitals - self.bracketed if lowered(name) in indices}
            if counted:
                self.bracketed |= counted
                terms = [run(self.term(node)) for node in nodes]
            if asked != (indices, self.numbers):
                stand, asked = {}, (indices, self.numbers)
            moved = False
            for position, term in enumerate(terms):
                if term not in stand:
                    placed = self.placed(term, indices)
                    if placed is None:
                        terms[position] = run(self.term(nodes[position]))
                        moved = True
                    else:
                        stand[term] = placed
            if not moved and (self.of_unlike_ranges(stand[term] for term in terms) or self.beside_sizes(root, terms)):
                terms = [run(self.term(node)) for node in nodes]
                moved = True
            if not moved:
                return Expression(NOWHERE, tuple(terms))

    def of_unlike_ranges(self, placed: Iterable[Placement]) -> bool:
        """Make sums explicit of which the ranges of one letter differ; whether there were any."""
        sums = {term: names for each in placed for term, names in each.items()}
        apart = {id(term): term for _, *both in unlike(sums, self.stated) for term in both}
        self.explicit.update(self.implicit[term] for term in apart.values())
        return bool(apart)

    def beside_sizes(self, root: Expr, terms: Sequence[Term]) -> bool:
        """Make a sum in a bracket explicit beside a size of its letter that other sums have too, ``sum[N](z[N]^2) /
        |N|``: that of a sum which nobody spells may be any of them; whether there was one."""
        if not holds(root, Extent) or not self.implicit:
            return False
        bound = Counter(
            index.name for node in preorder(root) if isinstance(node, Sum | Reduce) for index in node.indices
        )
        found = False
        for term in (node for top in terms for node in walk(top) if isinstance(node, Term) and len(node.parts) > 1):
            sizes = {node.name for part, _ in term.parts for node in walk(part) if isinstance(node, Size)}
            spoken = {name for size in sizes for name in (size, swapped(size)) if bound[name] > 1}
            for part, _ in term.parts if spoken else ():
                inside = part.terms if isinstance(part, Expression) else ()
                for total in (self.implicit[node] for node in inside if node in self.implicit):
                    if not spoken.isdisjoint(index.name for index in total.indices):
                        self.explicit.add(total)
                        found = True
        return found

    def placed(self, top: Term, indices: set[str]) -> Placement | None:
        """Where the scope rule puts the sums below; nothing where that is elsewhere than they stand, and some of them
        are explicit from now on."""
        if self.numbers and self.divides(top, indices):
            return None
        placed, ambiguous = placements(top, indices)
        wrong = {case.name for case in ambiguous}
        wanted: dict[Term, Sum] = {}
        stack: list[Surface] = [top]
        while stack:
            node = stack.pop()
            if isinstance(node, Term) and node in self.implicit:
                wanted[node] = self.implicit[node]
            stack.extend(below(node))
        for term, names in placed.items():
            have = [index.name for index in wanted[term].indices] if term in wanted else []
            if list(names) != have:
                wrong.update(set(names) ^ set(have) or names)
        for term, total in wanted.items():
            if term not in placed:
                wrong.update(index.name for index in total.indices)
        moved: dict[str, Sum] = {}  # one at a time, and inner ones first: the others may find their place then
        for total in wanted.values():
            for index in total.indices:
                if index.name in wrong:
                    moved.setdefault(index.name, total)
        inside = {part for total in moved.values() for part in preorder(total.body) if isinstance(part, Sum)}
        self.explicit.update([total for total in moved.values() if total in inside] or moved.values())
        return None if moved else placed

    def divides(self, top: Term, indices: set[str]) -> bool:
        """Make a sum explicit below a line whose index is a factor there, ``s / sum[K](K x[K])``, where the index would
        seem to divide; whether there was one."""
        for node in walk(top):
            for part, under in node.parts if isinstance(node, Term) else ():
                if (index := divides_by_index(part, under, indices)) is not None:
                    inside = (term for term in walk(part) if isinstance(term, Term) and term in self.implicit)
                    sums = [self.implicit[term] for term in inside]
                    found = [total for total in sums if any(each.name == index.name for each in total.indices)]
                    self.explicit.update(found)
                    if found:
                        return True
        return False

    # ---- sums and products ---------------------------------------------------------------------------------------

    def expression(self, node: Expr) -> Task[Expression]:
        terms = yield every(self.term(term) for term in (node.terms if isinstance(node, Add) else (node,)))
        return Expression(NOWHERE, tuple(terms))

    def term(self, node: Expr) -> Task[Term]:
        if len(self.origin) > LARGEST:
            raise _too_long()
        bare = node
        if isinstance(node, Sum) and self.is_implicit(node):
            bare = node.body
        sign, parts = yield self.parts(bare.factors if isinstance(bare, Mul) else (bare,))
        term = Term(NOWHERE, sign, tuple(parts))
        if bare is not node:
            assert isinstance(node, Sum)
            self.implicit[term] = node
        self.origin[term] = node
        return term

    def is_implicit(self, node: Sum) -> bool:
        return not self.every_sum and node not in self.explicit and all(index.is_capital for index in node.indices)

    def parts(self, factors: Sequence[Expr]) -> Task[tuple[int, list[Part]]]:
        sign = 1
        if isinstance(factors[0], Const) and factors[0].value < 0:
            minus_number = len(factors) > 1 and factors[0] is MINUS_ONE
            if not (minus_number and isinstance(factors[1], Const)):
                sign = -1
                rest = () if minus_number else (Const(-factors[0].value),)
                factors = (*rest, *factors[1:])
        parts: list[Part] = []
        for position, factor in enumerate(factors):
            if isinstance(factor, Indexed):
                count = guards_before(
                    list(factors[max(0, position - len(factor.slots)) : position]), factor, self.stated
                )
                if count:
                    del parts[-count:]
                    access = yield self.access(factor)
                    parts.append((Pad(NOWHERE, access), False))
                    continue
            if is_reciprocal(factor):
                assert isinstance(factor, Apply)
                parts.append((yield self.divisor(factor, parts)))
            elif isinstance(factor, Const) and factor.value >= 0:
                number = Number(NOWHERE, factor.value)
                self.origin[number] = factor
                parts.append((number, False))
            else:
                parts.append((self.leaf(factor) or (yield self.atom(factor)), False))
        return sign, parts

    def divisor(self, factor: Apply, before: list[Part]) -> Task[Part]:
        """A reciprocal as a part that divides; a number keeps its brackets where it would merge with one before."""
        base = factor.arguments[0]
        last = before[-1] if before else None
        behind_number = last is not None and isinstance(last[0], Number) and not last[1]
        self.below += 1
        under = yield self.atom(base)
        self.below -= 1
        merges = isinstance(under, Number) and (last is None or behind_number)
        divided = under.base if isinstance(under, Power) else under
        if merges or (isinstance(divided, Ref) and str(divided.name).startswith("d")):  # dX/dY would be a derivative
            under = alone(under)
        if behind_number and last is not None and isinstance(last[0], Number) and last[0].value == 1:
            return Expression(NOWHERE, (Term(NOWHERE, 1, ((under, True),)),)), False
        self.origin[under] = base
        return under, True

    # ---- atoms ---------------------------------------------------------------------------------------------------

    def leaf(self, node: Expr) -> Surface | None:
        """What nothing has to be spelled for before, as most factors are: an access without arithmetic."""
        if not isinstance(node, Indexed) or (self.below and not node.slots):
            return None
        indices = [slot.index for slot in node.slots]
        if None in indices:
            return None
        access = Ref(NOWHERE, node.tensor, tuple([self.letter(index) for index in indices if index is not None]))
        self.origin[access] = node
        return access

    def atom(self, node: Expr) -> Task[Surface]:
        """One part of a product; what is not one by itself comes in brackets."""
        made: Surface = yield self._atom(node)
        self.origin.setdefault(made, node)
        return made

    def _atom(self, node: Expr) -> Task[Surface]:
        match node:
            case Const():
                if node.value >= 0 and decimal(node.value):
                    return Number(NOWHERE, node.value)
                return (yield self.expression(node))
            case Indexed():
                access = yield self.access(node)
                if not self.below or node.slots or not is_capital(str(node.tensor)):
                    return access
                self.capitals.add(str(node.tensor))
                return alone(access) if node.tensor in self.bracketed else access
            case Delta():
                left = yield self.form(node.left)
                return Kronecker(NOWHERE, left, (yield self.form(node.right)))
            case Iverson():
                return (yield self.bracket(node))
            case Extent():
                return Size(NOWHERE, node.index.name)
            case Position():
                self.numbers = True
                return Ref(NOWHERE, node.index.name)
            case Apply():
                return (yield self.applied(node))
            case Sum() if self.is_implicit(node):
                return Expression(NOWHERE, ((yield self.term(node)),))
            case Sum():
                return (yield self.binder("sum", node.indices, node.body))
            case Reduce():
                return (yield self.binder(node.operation, node.indices, node.body))
            case Mul():
                sign, parts = yield self.parts(node.factors)
                if sign > 0 and len(parts) == 1 and isinstance(parts[0][0], Pad):
                    return parts[0][0]
                return Expression(NOWHERE, (Term(NOWHERE, sign, tuple(parts)),))
            case _:
                return (yield self.expression(node))

    def binder(self, operation: str, indices: tuple[Index, ...], body: Expr) -> Task[Surface]:
        letters = tuple(Letter(NOWHERE, index.name) for index in indices)
        return Binder(NOWHERE, operation, letters, (yield self.expression(body)))

    def bracket(self, node: Iverson) -> Task[Surface]:
        operands = []
        for operand in node.operands:
            if isinstance(operand, Affine):
                operands.append((yield self.form(operand)))
            else:
                assert isinstance(operand, Expr)
                value = yield self.expression(operand)
                is_read_as_form = is_form(value, {index.name for index in operand.free})
                operands.append(alone(value) if is_read_as_form else value)
        return Bracket(NOWHERE, tuple(operands), node.relations)

    def applied(self, node: Apply) -> Task[Surface]:
        softmax = as_softmax(node)
        if softmax is not None:
            return (yield self.binder("softmax", (softmax[1],), softmax[0]))
        if node.function != "pow":
            arguments = yield every(self.expression(argument) for argument in node.arguments)
            return Call(NOWHERE, node.function, tuple(arguments))
        if is_reciprocal(node):
            part = yield self.divisor(node, [])
            return Expression(NOWHERE, (Term(NOWHERE, 1, (part,)),))
        base = yield self.atom(node.arguments[0])
        if isinstance(base, Power) or (isinstance(base, Ref) and _is_bracketed(base)):
            base = alone(base)
        power = node.arguments[1]
        if isinstance(power, Const) and power.value < 0 and decimal(power.value):
            return Power(NOWHERE, base, Minus(NOWHERE, Number(NOWHERE, -power.value)))
        exponent = yield self.atom(power)
        wrapped = isinstance(exponent, Ref) and (
            isinstance(exponent.name, Partial)
            or (looks_turned(exponent.name) and not exponent.slots and isinstance(power, Indexed))
        )
        if wrapped or isinstance(exponent, Power):
            exponent = alone(exponent)
        return Power(NOWHERE, base, exponent)

    def access(self, node: Indexed) -> Task[Ref]:
        slots = []
        for slot in node.slots:
            index = slot.index
            slots.append((yield self.form(slot)) if index is None else self.letter(index))
        return Ref(NOWHERE, node.tensor, tuple(slots))

    def letter(self, index: Index) -> Expression:
        letter = Ref(NOWHERE, index.name)
        self.origin[letter] = index
        return Expression(NOWHERE, (Term(NOWHERE, 1, ((letter, False),)),))

    def form(self, node: Affine) -> Task[Expression]:
        terms = []
        for atom, k in node.terms:
            scale = ((Number(NOWHERE, Fraction(abs(k))), False),) if abs(k) != 1 else ()
            if isinstance(atom, Arithmetic) and atom.operation in ("times", "over"):
                left, right = (yield self.form(atom.left)), (yield self.operand(atom.right))
                product = len(left.terms) == 1 and left.terms[0].sign > 0 and not any(u for _, u in left.terms[0].parts)
                above = left.terms[0].parts if product else ((left, False),)
                parts: tuple[Part, ...] = (*above, (right, atom.operation == "over"))
                if scale and atom.operation == "over":
                    parts = ((Expression(NOWHERE, (Term(NOWHERE, 1, parts),)), False),)
                terms.append(Term(NOWHERE, 1 if k > 0 else -1, (*scale, *parts)))
                continue
            if isinstance(atom, Index):
                spelled: Surface = Ref(NOWHERE, atom.name)
            elif isinstance(atom, Extent):
                spelled = Size(NOWHERE, atom.index.name)
            elif isinstance(atom, Arithmetic):
                spelled = yield self.called(atom)
            else:
                assert isinstance(atom, Indexed)
                spelled = yield self.access(atom)
            self.origin[spelled] = atom
            terms.append(Term(NOWHERE, 1 if k > 0 else -1, (*scale, (spelled, False))))
        if node.constant or not terms:
            number = Number(NOWHERE, Fraction(abs(node.constant)))
            terms.append(Term(NOWHERE, -1 if node.constant < 0 else 1, ((number, False),)))
        return Expression(NOWHERE, tuple(terms))

    def operand(self, node: Affine) -> Task[Surface]:
        """A form as a part of a product."""
        form = yield self.form(node)
        only = only_part(form)
        return form if only is None else only

    def called(self, node: Arithmetic) -> Task[Surface]:
        """``floor(p/2)``, ``mod(p, 2)``."""
        if node.operation == "mod":
            left = yield self.form(node.left)
            return Call(NOWHERE, "mod", (left, (yield self.form(node.right))))
        form = yield self.form(node.left)
        above = form.terms[0].parts if len(form.terms) == 1 and form.terms[0].sign > 0 else ((form, False),)
        if any(divides for _, divides in above):
            above = ((form, False),)
        parts = (*above, ((yield self.operand(node.right)), True))
        return Call(NOWHERE, "floor", (Expression(NOWHERE, (Term(NOWHERE, 1, parts),)),))
