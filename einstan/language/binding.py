# What a task waits for comes back as Any.
# mypy: disable-error-code="no-any-return"
"""Binding: a surface tree becomes a term in which every capital is bound, with a sum where `placements` puts it."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import reduce

from einstan.language.divisors import divided_by_index, divides_by_index
from einstan.language.environment import Environment, Names
from einstan.language.errors import NotationError
from einstan.language.factors import index_names
from einstan.language.holds import Ambiguity, Placement
from einstan.language.index import Affine, Arithmetic, Index, affine, arithmetic, fresh_name, is_capital
from einstan.language.lacking import lacking, run_in
from einstan.language.node import Node
from einstan.language.occurrences import is_form, names_in
from einstan.language.own import applied
from einstan.language.placing import placements
from einstan.language.readings import has
from einstan.language.refusals import (
    ambiguous,
    bound_again,
    not_affine,
    not_depending,
    ranges_apart,
    two_meanings,
    value_alone,
)
from einstan.language.shifted import unlike
from einstan.language.sugar import REDUCED, chain, padded, softmax
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
    Relation,
    Size,
    Surface,
    Task,
    Term,
    alone,
    every,
    is_numeric,
    only_part,
    run,
    walk,
)  # fmt: skip
from einstan.language.term import (
    MINUS_ONE,
    Const,
    Delta,
    Expr,
    Indexed,
    Iverson,
    Mul,
    Position,
    Reduce,
    add,
    bound_indices,
    mul,
    neg,
    power,
    reciprocal,
    sum_over,
)  # fmt: skip


class Scope(Names):
    """The binding of one text."""

    def __init__(self, text: str, roots: tuple[Surface, ...], *, any_free: bool) -> None:
        super().__init__(text, roots, any_free=any_free)
        self.placed: Placement = {}
        self.implied: set[Index] = set()  # which sums were not written
        self.ahead: dict[Binder, tuple[Index, ...]] = {}
        self.sizeless: set[Surface] = set()
        where = [pair for root in roots if isinstance(root, Relation) for pair in root.where]
        self.stated_by = {size.name: axis_spelled(only_part(form)) for size, form in where}

    # ---- sums and products ---------------------------------------------------------------------------------------

    def top(self, expression: Expression) -> Expr:
        """A whole side of a relation: the rule is applied to each of its terms."""
        cases: list[Ambiguity] = []
        everywhere: Placement = {}
        for term in expression.terms:
            placed, refused = placements(term, self.indices)
            cases += refused
            everywhere.update(placed)
        self.placed.update(everywhere)
        if cases:
            self.refuse_divisors(expression)
            self.refuse_lacking(expression)
            raise ambiguous(self.text, cases, self.indices, self.read, self.roots)
        if len(everywhere) > 1 and (apart := [*unlike(everywhere, self.stated_by)]):
            raise ranges_apart(self.text, apart, expression, self.read)
        return run(self.expression(expression, dict(self.free)))

    def refuse_divisors(self, root: Expression) -> None:
        """``1/N sum[N](x[N])``, where the sum over N that divides is no reading that anyone means."""
        for node in walk(root):
            if isinstance(node, Term) and not _is_guarded(node):
                for part, under in node.parts:
                    if (index := divides_by_index(part, under, self.indices)) is not None:
                        divisor = part.base if isinstance(part, Power) else part
                        raise divided_by_index(self.text, str(index.name), index.span, divisor.span)

    def refuse_lacking(self, root: Expression) -> None:
        """``max[i](u[I])``, where no reading of I is one that anyone means."""
        for node in walk(root):
            if isinstance(node, Binder) and any(index_names(node.body)):
                for name in lacking(node):
                    if name not in self.stated_by:
                        raise not_depending(self.text, node, name, self.roots, self.read)

    def expression(self, node: Expression, env: Environment) -> Task[Expr]:
        terms = yield every(self.term(term, env) for term in node.terms)
        return add(terms)

    def term(self, node: Term, env: Environment) -> Task[Expr]:
        names = self.placed.get(node, ())
        if names:
            summed = {name: self.new_index(name) for name in names}
            self.implied.update(summed.values())
            env = {**env, **summed}
        around = self.around_sizes(node, env)
        guarded = _is_guarded(node)
        factors: list[Expr] = []
        literal = bare_one = False  # whether the last factor is a number as it is written, and whether it is a lone 1
        for part, divides in node.parts:
            if isinstance(part, Number):
                if divides and part.value == 0:
                    raise NotationError("division by zero", text=self.text, span=part.span)
                if divides and literal:
                    factors[-1] = Const(_value(factors[-1]) / part.value)
                    bare_one = False
                elif divides:
                    factors.append(reciprocal(Const(part.value)))
                else:
                    factors.append(Const(part.value))
                    literal, bare_one = True, part.value == 1
                continue
            if not guarded and (index := divides_by_index(part, divides, self.indices)) is not None:
                divisor = part.base if isinstance(part, Power) else part
                raise divided_by_index(self.text, str(index.name), index.span, divisor.span)
            factor = yield self.atom(part, around if around is not env and is_numeric(part) else env)
            if divides:
                if bare_one:
                    factors.pop()
                factors.append(reciprocal(factor))
            else:
                factors.extend(factor.factors if isinstance(factor, Mul) else (factor,))
            literal = bare_one = False
        if node.sign < 0:
            if isinstance(node.parts[0][0], Number) and isinstance(factors[0], Const):
                factors[0] = Const(-factors[0].value)
            else:
                factors.insert(0, MINUS_ONE)
        return sum_over((env[name] for name in names), mul(factors))

    def around_sizes(self, node: Term, env: Environment) -> Environment:
        """What the sizes in a product speak of: those in front of a sum of its index, ``1/|N| sum[N](x[N])``, and of
        none where the product has another index of this letter, too."""
        # LaTeX sets a sum in brackets, since it would run on: (\sum_N x_N) a / |N|
        inside = ((isinstance(part, Expression) and only_part(part)) or part for part, _ in node.parts)
        binders = [part for part in inside if isinstance(part, Binder) and part.operation != "softmax"]
        if not binders or not any(self.has_size(part) for part, _ in node.parts):
            return env
        letters = [letter.name for part in binders for letter in part.letters]
        for part in binders:
            if part not in self.ahead:  # of a sum in a bracket the product around it has made them
                self.ahead[part] = tuple(self.bound(letter.name, env) for letter in part.letters)
        own = dict(zip(letters, (index for part in binders for index in self.ahead[part]), strict=True))
        unclear = {
            name
            for name in own
            if letters.count(name) > 1 or (name in env and any(has(part, name) for part, _ in node.parts))
        }
        return {name: index for name, index in {**env, **own}.items() if name not in unclear}

    def has_size(self, part: Surface) -> bool:
        """Whether a size is in this; what is nested is looked at once."""
        if part in self.sizeless:
            return False
        nodes = list(walk(part))
        if any(isinstance(node, Size) for node in nodes):
            return True
        self.sizeless.update(nodes)
        return False

    # ---- factors -------------------------------------------------------------------------------------------------

    def atom(self, node: Surface, env: Environment) -> Task[Expr]:
        match node:
            case Expression():
                return (yield self.expression(node, env))
            case Number():
                return Const(node.value)
            case Ref():
                return (yield self.access(node, env))
            case Pad():
                access = yield self.access(node.access, env)
                return padded(access, self.stated_by)
            case Size():
                return self.extent(node, env)
            case Call():
                arguments = yield every(self.expression(argument, env) for argument in node.arguments)
                return applied(node.function, tuple(arguments))
            case Power():
                base = yield self.atom(node.base, env)
                return power(base, (yield self.atom(node.exponent, env)))
            case Minus():
                if isinstance(node.operand, Number):
                    return Const(-node.operand.value)
                return neg((yield self.atom(node.operand, env)))
            case Kronecker():
                left = yield self.form(node.left, env)
                return Delta(left, (yield self.form(node.right, env)))
            case Bracket():
                return (yield self.bracket(node, env))
            case Binder():
                return (yield self.binder(node, env))
        raise AssertionError(node)

    def access(self, node: Ref, env: Environment) -> Task[Expr]:
        if not node.slots and node.name in self.indices:
            if node.name in self.ranks:
                raise two_meanings(self.text, str(node.name), node.span, self.ranks[node.name] == 0)
            return Position(self.index(str(node.name), node.span, env))
        slots = yield every(self.form(slot, env) for slot in node.slots)
        return Indexed(node.name, tuple(slots))

    def bracket(self, node: Bracket, env: Environment) -> Task[Expr]:
        operands = []
        for operand in node.operands:
            self.refuse_scalar(node, operand, env)
            if not node.relations or is_form(operand, self.indices):
                operands.append((yield self.form(operand, env)))
            else:
                operands.append((yield self.expression(operand, env)))
        if node.relations:
            return chain(operands, node.relations)
        for operand, form in zip(node.operands, operands, strict=True):
            if not self.derived and not any(isinstance(atom, Index | Arithmetic) for atom, _ in form.terms):
                raise value_alone(self.text, node, operand)
        return Iverson(tuple(operands))

    def refuse_scalar(self, node: Bracket, operand: Expression, env: Environment) -> None:
        """``1[b]`` of a number b, which nothing else calls an index."""
        only = only_part(operand)
        if node.relations or self.any_free or not isinstance(only, Ref) or only.slots:
            return
        slots = (slot for root in self.roots for part in walk(root) if isinstance(part, Ref) for slot in part.slots)
        if not is_capital(str(only.name)) and only.name not in env and str(only.name) not in names_in(slots):
            raise value_alone(self.text, node, operand)

    def binder(self, node: Binder, env: Environment) -> Task[Expr]:
        names = tuple(letter.name for letter in node.letters)
        if node.operation == "softmax":
            (letter,) = node.letters
            index = self.index(letter.name, letter.span, env, normed=True)
            body = yield self.expression(node.body, env)
            if index not in body.free:
                raise not_depending(self.text, node, letter.name, self.roots, self.read)
            return softmax(body, index)
        self.check_shadow(node, env)
        if len(set(names)) < len(names):
            raise self.fail(f"{node.operation} binds an index twice", node.letters[-1].span)
        indices = self.ahead.get(node) or tuple(self.bound(name, env) for name in names)
        body = yield self.expression(node.body, {**env, **dict(zip(names, indices, strict=True))})
        missing = [index for index in indices if index not in body.free]
        if missing and not self.counts(node, missing, body):
            raise not_depending(self.text, node, missing[0].name, self.roots, self.read)
        if node.operation in REDUCED:
            return REDUCED[node.operation](indices, body, self.copied)
        return sum_over(indices, body) if node.operation == "sum" else Reduce(node.operation, indices, body)

    def counts(self, node: Binder, missing: list[Index], body: Expr) -> bool:
        """Whether letters that the body does not have are meant to count: ``sum[K](1)`` of a number, and where a
        ``where`` says how far they run."""
        stated = self.derived or all(index.name in self.stated_by for index in missing)
        if not stated and run_in(node):
            return False
        return node.operation not in REDUCED and (stated or not (body.free or bound_indices(body)))

    def check_shadow(self, node: Binder, env: Environment) -> None:
        """A sum that is written may use the letter of one that is not, ``X[n,K] w[K] / sum[K](w[K])``, unless it may be
        meant to run over what follows."""
        for letter in node.letters:
            if letter.name not in env:
                continue
            around = [term for term, names in self.placed.items() if letter.name in names]
            beside = next((term for term in around if follows(term, node, letter.name)), None)
            if beside is not None or env[letter.name] not in self.implied:
                raise bound_again(self.text, node, letter, self.indices, beside)

    def bound(self, letter: str, env: Environment) -> Index:
        """What a sum runs over: under another name where the sum around it, which nobody wrote, has its letter."""
        return self.new_index(letter, fresh_name(letter, {*self.indices, *self.spelled}) if letter in env else letter)

    # ---- slots ---------------------------------------------------------------------------------------------------

    def stated(self, node: Expression) -> Affine:
        """An extent that a ``where`` states."""
        return run(self.form(node, {}))

    def form(self, node: Expression, env: Environment) -> Task[Affine]:
        """An integer-affine form: sums of indices and extents, and `Arithmetic` of them."""
        parts: list[tuple[Node, int]] = []
        for term in node.terms:
            coefficient, atoms, below = term.sign, list[Affine](), Affine((), 1)
            for part, divides in term.parts:
                factor = yield self.form_part(part, env)
                if factor is None or (factor.free and (divides or any(atom.free for atom in atoms))):
                    raise not_affine(self.text, node)
                if divides:
                    below = affine((arithmetic("times", below, factor), 1))
                elif factor.terms:
                    atoms.append(factor)
                else:
                    coefficient *= factor.constant
            if below != Affine((), 1):  # of g |d|/2 the extents are divided
                sizes, indices = [a for a in atoms if not a.free], [a for a in atoms if a.free]
                if not sizes:
                    raise not_affine(self.text, node)
                above = affine((product_of_forms(sizes), abs(coefficient)))
                quotient = affine((arithmetic("over", above, below), 1))
                atoms = [*indices, quotient] if atoms[0].free else [quotient, *indices]
                coefficient = 1 if coefficient > 0 else -1
            parts.append((product_of_forms(atoms), coefficient))
        return affine(*parts)

    def form_part(self, part: Surface, env: Environment) -> Task[Affine | None]:
        match part:
            case Number() if part.value.denominator == 1:
                return Affine((), int(part.value))
            case Ref() if not part.slots and isinstance(part.name, str):
                return Affine(((self.index(part.name, part.span, env), 1),))
            case Ref():
                return Affine((((yield self.access(part, env)), 1),))
            case Size():
                return Affine(((self.extent(part, env), 1),))
            case Call(function="floor", arguments=(argument,)):
                return (yield self.quotient(argument, env))
            case Call(function="mod", arguments=(left, right)):
                return (yield self.made("mod", left, right, env))
            case Minus():
                inner = yield self.form_part(part.operand, env)
                return None if inner is None else affine((inner, -1))
            case Expression():
                return (yield self.form(part, env))
            case _:
                return None

    def quotient(self, node: Surface, env: Environment) -> Task[Affine | None]:
        """``floor(form / divisor)``."""
        match node:
            case Expression(terms=(Term(sign=1, parts=(*above, (divisor, True))),)) if above:
                form = Expression(node.span, (Term(node.span, 1, tuple(above)),))
                return (yield self.made("floor", form, alone(divisor), env))
            case _:
                return None

    def made(self, operation: str, left: Expression, right: Expression, env: Environment) -> Task[Affine | None]:
        above = yield self.form(left, env)
        below = yield self.form(right, env)
        if below.free or not (below.terms or below.constant > 0):
            return None
        return affine((arithmetic(operation, above, below), 1))


def product_of_forms(forms: Sequence[Affine]) -> Affine:
    """A product of forms, of which one has indices at most."""
    return reduce(lambda left, right: affine((arithmetic("times", left, right), 1)), forms, Affine((), 1))


def follows(term: Term, node: Binder, name: str) -> bool:
    """Whether an index stands in the product behind a sum that is one of its factors."""
    place = next((k for k, (part, under) in enumerate(term.parts) if part is node and not under), len(term.parts))
    return any(name in index_names(part) for part, _ in term.parts[place + 1 :])


def axis_spelled(extent: Surface | None) -> str:
    return extent.name if isinstance(extent, Size) else ""


def _is_guarded(node: Term) -> bool:
    return any(isinstance(part, Bracket) and part.relations for part, _ in node.parts)


def _value(expr: Expr) -> Fraction:
    assert isinstance(expr, Const)
    return expr.value
