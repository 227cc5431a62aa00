# What a task waits for comes back as Any.
# mypy: disable-error-code="no-any-return"
"""Binding: a surface tree becomes a term in which every capital is bound.

**The rule.**  A capital is summed over the smallest product that holds every occurrence of it within its top-level
term.  A product is a term of a sum, so also a lone factor, what stands in brackets, the argument of a function; a sum
``a + b`` is none.  Occurrences below ``sum[K]`` are bound there.  Where the smallest product sits inside a function or
a power and the index occurs there once, as in ``log(P[N])``, both readings are plausible and the equation is refused.

`placements` is that rule; the printer asks it too, so there is no second copy.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from einstan.language.dims import localised, redimensioned, relate
from einstan.language.errors import NotationError, ScopeError, Span
from einstan.language.index import Affine, Index, affine, capitalised, fresh_name, is_capital, lowered
from einstan.language.sugar import chain, padded, softmax
from einstan.language.surface import (
    RESERVED,
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
    every,
    only_part,
    run,
    walk,
)  # fmt: skip
from einstan.language.syntax import read_expression, read_relation
from einstan.language.term import (
    MINUS_ONE,
    ONE,
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
    Reduce,
    add,
    mul,
    neg,
    power,
    reciprocal,
    sum_over,
)  # fmt: skip
from einstan.language.tokens import respelled

# ---- the rule --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, slots=True)
class Product:
    """A product of the tree, the product around it, and whether it sits inside a function or a power."""

    term: Term
    parent: Product | None
    depth: int
    inside: bool


@dataclass(frozen=True, slots=True)
class Ambiguity:
    name: str
    inner: Term
    outer: Term


Placement = dict[Term, tuple[str, ...]]


def placements(top: Term, indices: Collection[str]) -> tuple[Placement, list[Ambiguity]]:
    """Which capitals each product below a top-level term sums over, in the order in which they first occur."""
    found: dict[str, list[Product]] = {}
    for name, product in occurrences(top, indices):
        if is_capital(name):
            found.setdefault(name, []).append(product)
    placed: dict[Term, list[str]] = {}
    ambiguous: list[Ambiguity] = []
    for name, products in found.items():
        smallest = products[0]
        for product in products[1:]:
            smallest = _common(smallest, product)
        if smallest.inside and len(products) == 1:
            outer = smallest
            while outer.inside and outer.parent is not None:
                outer = outer.parent
            ambiguous.append(Ambiguity(name, smallest.term, outer.term))
        placed.setdefault(smallest.term, []).append(name)
    return {term: tuple(names) for term, names in placed.items()}, ambiguous


def _common(a: Product, b: Product) -> Product:
    while a is not b:
        if a.depth < b.depth:
            a, b = b, a
        assert a.parent is not None
        a = a.parent
    return a


def occurrences(top: Term, indices: Collection[str]) -> Iterator[tuple[str, Product]]:
    """Every occurrence of an index that no binder inside the term binds, with the smallest product around it."""
    root = Product(top, None, 0, False)
    none: frozenset[str] = frozenset()
    stack: list[tuple[Surface, Product, bool, frozenset[str]]] = []

    def push(pairs: Iterable[tuple[Surface, bool]], product: Product, bound: frozenset[str]) -> None:
        stack.extend((part, product, inside, bound) for part, inside in reversed(list(pairs)))

    push(top.parts, root, none)
    while stack:
        node, product, inside, bound = stack.pop()
        match node:
            case Expression():
                for term in reversed(node.terms):
                    below = Product(term, product, product.depth + 1, product.inside or inside)
                    push(term.parts, below, bound)
            case Ref() | Kronecker():
                slots = node.slots if isinstance(node, Ref) else (node.left, node.right)
                yield from ((name, product) for name in names_in(slots) if name not in bound)
            case Pad():
                push([(node.access, inside)], product, bound)
            case Letter():
                if node.name not in bound:
                    yield node.name, product
            case Bracket():
                ones = not node.relations
                for operand in reversed(node.operands):
                    if ones or is_form(operand, indices):
                        letters = [Letter(part.span, str(part.name)) for part in index_refs((operand,))]
                        push([(letter, True) for letter in letters], product, bound)
                    else:
                        push([(operand, True)], product, bound)
            case Power():
                push([(node.base, True), (node.exponent, True)], product, bound)
            case Minus():
                push([(node.operand, inside)], product, bound)
            case Call():
                push([(argument, True) for argument in node.arguments], product, bound)
            case Binder():
                own = frozenset(letter.name for letter in node.letters)
                linear = node.operation in ("sum", "mean")
                push([(node.body, inside or not linear)], product, bound | own)
                if node.operation == "softmax":
                    push([(letter, inside) for letter in node.letters], product, bound)
            case _:
                pass


def names_in(slots: Iterable[Expression]) -> Iterator[str]:
    return (str(ref.name) for ref in index_refs(slots))


def index_refs(slots: Iterable[Expression]) -> Iterator[Ref]:
    """The indices in slots: the bare names, also in the slots of a gather."""
    return (node for node in walk(*slots) if isinstance(node, Ref) and not node.slots and isinstance(node.name, str))


def is_form(operand: Expression, indices: Collection[str]) -> bool:
    """Whether an operand of an Iverson bracket is a form: a bare name in it is an index."""
    stack: list[Surface] = [operand]
    while stack:
        node = stack.pop()
        match node:
            case Expression():
                stack.extend(node.terms)
            case Term():
                stack.extend(part for part, _ in node.parts)
            case Minus():
                stack.append(node.operand)
            case Ref() if not node.slots and node.name in indices:
                return True
            case _:
                pass
    return False


def evidence(*roots: Surface) -> set[str]:
    """The names that are indices: they stand in a slot, or a binder binds them.  Other bare names are scalars."""
    found: set[str] = set()
    for node in walk(*roots):
        match node:
            case Ref():
                found.update(names_in(node.slots))
            case Kronecker():
                found.update(names_in((node.left, node.right)))
            case Bracket() if not node.relations:
                found.update(names_in(node.operands))
            case Letter():
                found.add(node.name)
            case _:
                pass
    return found


# ---- binding ---------------------------------------------------------------------------------------------------------

Environment = dict[str, Index]


class Scope:
    """The binding of one text.  Every binder gets a dimension of its own (``K#3``) until `localised` names it."""

    def __init__(self, text: str, roots: tuple[Surface, ...], *, any_free: bool) -> None:
        self.text = text
        self.roots = roots
        self.any_free = any_free
        self.indices = evidence(*roots)
        self.placed: Placement = {}
        self.spelled: dict[str, list[Index]] = {}
        self.free: Environment = {}
        self.left_names: tuple[str, ...] = ()
        self.ranks: dict[Name, int] = {}
        self._count = 0
        self.check_tensors()

    def fail(self, problem: str, span: Span, repair: str | tuple[str, ...] = (), inferred: str = "") -> ScopeError:
        return ScopeError(problem, text=self.text, span=span, repair=repair, inferred=inferred or ())

    def new_index(self, name: str) -> Index:
        self._count += 1
        index = Index(name, f"{name}#{self._count}")
        self.spelled.setdefault(name, []).append(index)
        return index

    def check_tensors(self) -> None:
        for node in walk(*self.roots):
            if isinstance(node, Ref) and (node.slots or node.name not in self.indices):
                rank = self.ranks.setdefault(node.name, len(node.slots))
                if rank != len(node.slots):
                    raise self.fail(
                        f"{node.name} has {_slots(len(node.slots))} here and {_slots(rank)} elsewhere in the equation",
                        node.span,
                    )

    # ---- expressions ---------------------------------------------------------------------------------------------

    def top(self, expression: Expression) -> Expr:
        """A whole side of a relation: the rule is applied to each of its terms."""
        for term in expression.terms:
            placed, ambiguous = placements(term, self.indices)
            for case in ambiguous:
                raise self.ambiguous(case)
            self.placed.update(placed)
        return run(self.expression(expression, dict(self.free)))

    def ambiguous(self, case: Ambiguity) -> ScopeError:
        def wrapped(term: Term) -> str:
            start, end = term.span
            if term.sign < 0:
                start = term.parts[0][0].span[0]
            return f"{self.text[:start]}sum[{case.name}]({self.text[start:end]}){self.text[end:]}"

        return self.fail(
            f"the sum over {case.name} may stand inside or outside",
            case.inner.span,
            (wrapped(case.outer), wrapped(case.inner)),
            f"{case.name} occurs once, inside a function or a power",
        )

    def expression(self, node: Expression, env: Environment) -> Task[Expr]:
        terms = yield every(self.term(term, env) for term in node.terms)
        return add(terms)

    def term(self, node: Term, env: Environment) -> Task[Expr]:
        names = self.placed.get(node, ())
        if names:
            env = {**env, **{name: self.new_index(name) for name in names}}
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
            factor = yield self.atom(part, env)
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

    def atom(self, node: Surface, env: Environment) -> Task[Expr]:
        match node:
            case Expression():
                return (yield self.expression(node, env))
            case Number():
                return Const(node.value)
            case Ref():
                return (yield self.access(node, env))
            case Pad():
                return padded((yield self.access(node.access, env)))
            case Size():
                return self.extent(node)
            case Call():
                arguments = yield every(self.expression(argument, env) for argument in node.arguments)
                return Apply(node.function, tuple(arguments))
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

    def access(self, node: Ref, env: Environment) -> Task[Indexed]:
        if not node.slots and node.name in self.indices:
            raise self.fail(f"the index {node.name} is used as a number", node.span, "1[i < j] compares indices")
        slots = yield every(self.form(slot, env) for slot in node.slots)
        return Indexed(node.name, tuple(slots))

    def bracket(self, node: Bracket, env: Environment) -> Task[Expr]:
        operands = []
        for operand in node.operands:
            if not node.relations or is_form(operand, self.indices):
                operands.append((yield self.form(operand, env)))
            else:
                operands.append((yield self.expression(operand, env)))
        if node.relations:
            return chain(operands, node.relations)
        return Iverson(tuple(operands))

    def binder(self, node: Binder, env: Environment) -> Task[Expr]:
        names = tuple(letter.name for letter in node.letters)
        if node.operation == "softmax":
            (letter,) = node.letters
            index = self.index(letter.name, letter.span, env)
            body = yield self.expression(node.body, env)
            if index not in body.free:
                raise self.fail(f"softmax[{index.name}] of what does not depend on {index.name}", node.span)
            return softmax(body, index)
        self.check_shadow(node, env)
        if len(set(names)) < len(names):
            raise self.fail(f"{node.operation} binds an index twice", node.letters[-1].span)
        indices = tuple(self.new_index(name) for name in names)
        body = yield self.expression(node.body, {**env, **dict(zip(names, indices, strict=True))})
        return sum_over(indices, body) if node.operation == "sum" else Reduce(node.operation, indices, body)

    def check_shadow(self, node: Binder, env: Environment) -> None:
        for letter in node.letters:
            if letter.name in env:
                other = fresh_name(letter.name, self.indices)
                start, end = node.span
                inner = respelled(self.text[start:end], letter.name, other)
                raise self.fail(
                    f"the index {letter.name} is bound again inside its own scope",
                    letter.span,
                    self.text[:start] + inner + self.text[end:],
                )

    # ---- slots ---------------------------------------------------------------------------------------------------

    def form(self, node: Expression, env: Environment) -> Task[Affine]:
        """An integer-affine form."""
        parts: list[tuple[Affine, int]] = []
        for term in node.terms:
            coefficient, atom = term.sign, None
            for part, divides in term.parts:
                factor = yield self.form_part(part, env)
                if divides or factor is None:
                    raise self.not_affine(node)
                if not factor.terms:
                    coefficient *= factor.constant
                elif atom is None:
                    atom = factor
                else:
                    raise self.not_affine(node)
            parts.append((Affine((), 1) if atom is None else atom, coefficient))
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
                return Affine(((self.extent(part), 1),))
            case Minus():
                inner = yield self.form_part(part.operand, env)
                return None if inner is None else affine((inner, -1))
            case Expression():
                return (yield self.form(part, env))
            case _:
                return None

    def not_affine(self, node: Expression) -> NotationError:
        return NotationError(
            f"{self.text[slice(*node.span)]} is not a sum of indices with whole-number coefficients",
            text=self.text, span=node.span, repair="X[2i+R-1]; an integer tensor may stand in a slot too: X[T[n]]",
        )  # fmt: skip

    def index(self, name: str, span: Span, env: Environment) -> Index:
        if name in env:
            return env[name]
        if name in RESERVED:
            raise self.fail(f"{name} is a word of the notation and cannot be an index", span)
        if self.any_free and not is_capital(name):
            env[name] = self.free.setdefault(name, self.free.get(name) or self.new_index(name))
            return env[name]
        capital = fresh_name(capitalised(name), self.indices - {name})
        left = ", ".join(self.left_names)
        inferred = f"the left side has {left}" if left else "the left side has no indices"
        if capital == name:
            raise self.fail(f"the index {name} is not bound here", span, inferred=inferred)
        repaired = respelled(self.text, name, capital)
        problem = f"the index {name} is free on the right but is not on the left"
        raise self.fail(problem, span, repaired, f"{inferred}; a capital is summed")

    # ---- extents -------------------------------------------------------------------------------------------------

    def extent(self, node: Size) -> Extent:
        name = node.name
        if "." in name:
            return Extent(Index(name))
        letters = {name, lowered(name), capitalised(name)}
        if not letters & self.indices and self.ranks.get(name) == 1:
            return Extent(Index(f"{name}.0"))
        return Extent(Index(name, f"|{name}"))

    def resolved(self, equation: Equation) -> Equation:
        """Give every ``|N|`` the dimension of the index N, or of n where there is no N."""
        classes = relate(equation)
        new_dim: dict[str, str] = {}
        for node in walk(*self.roots):
            if not isinstance(node, Size) or "." in node.name:
                continue
            swapped = lowered(node.name) if is_capital(node.name) else capitalised(node.name)
            found = self.spelled.get(node.name) or self.spelled.get(swapped) or []
            dims = {classes.find(index.dim): index.dim for index in found}
            if len(dims) > 1:
                axes = [axis for axis in classes.members() if classes.find(axis) in dims and "." in axis]
                if axes:
                    raise self.fail(
                        f"|{node.name}| is ambiguous: {node.name} stands for {len(dims)} different axes",
                        node.span,
                        " or ".join(f"|{axis}|" for axis in axes[:4]),
                    )
                new_dim.update((index.dim, node.name) for index in found)  # one letter without an axis is one dimension
                dims = {node.name: node.name}
            new_dim[f"|{node.name}"] = next(iter(dims.values()), node.name)
        resolved = redimensioned(equation, new_dim) if new_dim else equation
        assert isinstance(resolved, Equation)
        return resolved


def _value(expr: Expr) -> Fraction:
    assert isinstance(expr, Const)
    return expr.value


def _slots(count: int) -> str:
    return f"{count} slot{'s' * (count != 1)}"


# ---- whole texts -----------------------------------------------------------------------------------------------------


def parse(text: str, known: Collection[str] = ()) -> Equation:
    """The equation that a text spells.

    ``known`` are tensors of the program around it; they decide whether ``dA[..]/dB[..]`` is a derivative.

    >>> print(parse("Z_{n,j} = X_{n,K} W_{K,j} + b_j"))
    Z[n,j] = X[n,K] W[K,j] + b[j]
    """
    return bind_equation(*read_relation(text, known))


def bind_equation(text: str, relation: Relation) -> Equation:
    left = only_part(relation.left)
    if not isinstance(left, Ref):
        raise NotationError(
            "the left side of an equation is one tensor", text=text, span=relation.left.span,
            repair=f"claim {text}",
        )  # fmt: skip
    scope = Scope(text, (relation,), any_free=False)
    indices = tuple(left_indices(scope, left, relation))
    scope.left_names = tuple(index.name for index in indices)
    scope.free = {index.name: index for index in indices}
    rhs = scope.top(relation.right)
    where = []
    for size, expression in relation.where:
        found = scope.spelled.get(size.name, ())
        if not found:
            raise scope.fail(f"the equation has no index {size.name}", size.span)
        where.append((found[0], run(scope.form(expression, {}))))
    return localised(scope.resolved(Equation(left.name, indices, rhs, tuple(where))))


def left_indices(scope: Scope, left: Ref, relation: Relation) -> Iterator[Index]:
    """The indices of a left side: plain, lower-case, each once."""
    if isinstance(left.name, str) and left.name in RESERVED:
        raise scope.fail(f"{left.name} is a word of the notation and cannot be a tensor", left.span)
    seen: set[str] = set()
    text = scope.text
    for slot in left.slots:
        ref = only_part(slot)
        if not isinstance(ref, Ref) or ref.slots or not isinstance(ref.name, str):
            raise scope.fail(
                f"a slot on the left is a plain index, and {text[slice(*slot.span)]} is none", slot.span,
                f"name the slot j and put δ[j, {text[slice(*slot.span)]}] on the right",
            )  # fmt: skip
        name = ref.name
        if is_capital(name):
            small = fresh_name(lowered(name), scope.indices)
            repaired = respelled(text, name, small)
            raise scope.fail(f"the capital {name} is summed and cannot stand on the left", ref.span, repaired)
        if name in seen:
            letters = "jklmnpqrstuv"
            other = next((x for x in letters if x not in scope.indices), fresh_name(name, scope.indices))
            changed = text[: ref.span[0]] + other + text[ref.span[1] : relation.right.span[0]]
            right = text[relation.right.span[0] :]
            body = right if len(relation.right.terms) == 1 else f"({right})"
            repaired = f"{changed}δ[{name},{other}] {body}"
            raise scope.fail(f"the index {name} stands twice on the left", ref.span, repaired)
        seen.add(name)
        yield scope.new_index(name)


def parse_expression(text: str, indices: Collection[str] | None = None, known: Collection[str] = ()) -> Expr:
    """The expression that a text spells; lower-case indices are free: all, or those in ``indices``."""
    text, tree = read_expression(text, known)
    scope = Scope(text, (tree,), any_free=indices is None)
    for name in indices or ():
        scope.free[name] = scope.new_index(name)
    scope.left_names = tuple(indices or ())
    expr = scope.top(tree)
    return localised(scope.resolved(Equation("", (), expr))).rhs


PAIR = "="


def parse_sides(text: str, known: Collection[str] = ()) -> tuple[Expr, Expr]:
    """Both sides of a general relation, with one dimension for each index that both name."""
    text, tree = read_relation(text, known)
    scope = Scope(text, (tree,), any_free=True)
    left = scope.top(tree.left)
    right = scope.top(tree.right)
    pair = localised(scope.resolved(Equation("", (), Apply(PAIR, (left, right))))).rhs
    assert isinstance(pair, Apply)
    return pair.arguments[0], pair.arguments[1]


__all__ = ["ONE", "parse", "parse_expression", "parse_sides"]
