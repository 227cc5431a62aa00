"""The terms of the language: a closed set of frozen, interned nodes.

    Const(value)                     an exact rational number
    Indexed(tensor, slots)           X[i,K], E[T[n],d], X[2i+R]; a scalar has no slots
    Delta(left, right)               δ[i,p], the Kronecker delta of two integer-affine forms
    Iverson(operands, relations)     1[0 <= i < j], 1[Z[i,j] > 0]; without relations 1[K], a tensor of ones
    Extent(index)                    |n|, the extent of the axis that n runs over, as a number
    Position(index)                  n, the value of an index, as a number: 0, 1, 2, ...
    Apply(function, arguments)       exp(u); a power, and so a quotient, is Apply("pow", (base, exponent))
    Add(terms)  Mul(factors)         in the user's order, flat, at least two
    Sum(indices, body)               a sum over bound indices
    Reduce(operation, indices, body) mean, max, min, logsumexp, prod over bound indices

An expression *means* the number that its nested loops give for each assignment of its free indices
(`einstan.machine.meaning.loops` is that sentence as a program).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from einstan.language.errors import NotationError
from einstan.language.functions import BUILTIN, FUNCTIONS, Function
from einstan.language.index import Affine, Arithmetic, Index, fresh_name, slot
from einstan.language.node import Below, Node, Term, field, fold, new_mark, preorder, remembered

# ---- names -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Partial:
    """The name of a partial-derivative tensor, ``dZ[n,j]/dX[m,p]``: its slots are Z's, then X's.

    ``wrt`` has one entry per denominator, so that second derivatives (``dL/dW[p,q]dW[r,s]``) have names too; each
    entry is a tensor and its number of slots.
    """

    of: str
    rank: int
    wrt: tuple[tuple[str, int], ...]

    def __str__(self) -> str:
        return f"d{self.of}/" + "".join(f"d{name}" for name, _ in self.wrt)


Name = str | Partial

RELATIONS = ("<", "<=", ">", ">=", "==", "!=")
REDUCTIONS = ("mean", "max", "min", "logsumexp", "prod")


# ---- expressions -----------------------------------------------------------------------------------------------------


class Expr(Node):
    """An expression: a number for each assignment of its free indices."""

    __slots__ = ()


BITS = 1023  # of a numerator or a denominator: what every float64 can hold, about 300 digits


class Const(Expr):
    """``Const(value)``: an exact rational number.  Floats are taken at their shortest decimal spelling.

    Raises `NotationError` for a number that no float holds: what it stands in could not be computed.
    """

    __slots__ = ()
    value: Final[Fraction] = field(0)

    def __new__(cls, value: Fraction | int | str | float) -> Const:
        if type(value) is Fraction:
            exact = value
        else:
            exact = Fraction(repr(value)) if isinstance(value, float) else Fraction(value)
        if exact.numerator.bit_length() > BITS or exact.denominator.bit_length() > BITS:
            raise NotationError(
                f"a number of {_digits(exact)} digits arises, and floats hold about 308",
                repair="write smaller numbers, or the logarithm",
            )
        return super().__new__(cls, exact)


class Indexed(Expr):
    """``Indexed(tensor, slots)``: an entry of a tensor.  Every slot is an `Affine`."""

    __slots__ = ()
    tensor: Final[Name] = field(0)
    slots: Final[tuple[Affine, ...]] = field(1)

    def __new__(cls, tensor: Name, slots: tuple[Affine, ...] = ()) -> Indexed:
        return super().__new__(cls, tensor, slots)

    def _children(self) -> tuple[Node, ...]:
        return self.slots

    def rebuilt(self, children: Below) -> Indexed:
        return Indexed(self.tensor, children)


class Delta(Expr):
    """``Delta(left, right)``: 1 where the two forms are equal, 0 elsewhere."""

    __slots__ = ()
    left: Final[Affine] = field(0)
    right: Final[Affine] = field(1)

    def __new__(cls, left: Affine, right: Affine) -> Delta:
        return super().__new__(cls, left, right)

    def _children(self) -> tuple[Node, ...]:
        return self.fields

    def rebuilt(self, children: Below) -> Delta:
        return Delta(*children)


class Iverson(Expr):
    """``Iverson(operands, relations)``: 1 where the chain of comparisons holds, 0 elsewhere.

    An operand is an `Affine` form of indices or an expression.  Without relations it is ``1[i,K]``, a tensor of ones.
    """

    __slots__ = ()
    operands: Final[tuple[Node, ...]] = field(0)
    relations: Final[tuple[str, ...]] = field(1)

    def __new__(cls, operands: tuple[Node, ...], relations: tuple[str, ...] = ()) -> Iverson:
        assert not relations or len(relations) == len(operands) - 1
        return super().__new__(cls, operands, relations)

    @property
    def is_ones(self) -> bool:
        return not self.relations

    def _children(self) -> tuple[Node, ...]:
        return self.operands

    def rebuilt(self, children: Below) -> Iverson:
        return Iverson(children, self.relations)


class Extent(Expr):
    """``Extent(index)``: how many values the index takes.  The index gives the dimension and a letter; it is not free
    here, because the number does not depend on its value."""

    __slots__ = ()
    index: Final[Index] = field(0)

    def __new__(cls, index: Index) -> Extent:
        return super().__new__(cls, index)


class Position(Expr):
    """``Position(index)``: the value of the index as a number, from 0 on, as in ``cos(2 pi k I / |I|)``."""

    __slots__ = ()
    index: Final[Index] = field(0)

    def __new__(cls, index: Index) -> Position:
        return super().__new__(cls, index)

    def _children(self) -> tuple[Node, ...]:
        return self.fields

    def rebuilt(self, children: Below) -> Expr:
        (child,) = children
        return Position(child) if isinstance(child, Index) else as_number(child)


MARKED = (
    "exp", "expm1", "log", "log1p", "pow", "sqrt", "sigmoid", "softplus", "tanh", "erf", "erfc", "cos", "exponential",
    "mean",
)  # fmt: skip
MARKS = {name: new_mark() for name in MARKED}  # see `applies`


class Apply(Expr):
    """``Apply(function, arguments)``: an elementwise function of `einstan.language.functions`."""

    __slots__ = ()
    function: Final[str] = field(0)
    arguments: Final[tuple[Expr, ...]] = field(1)
    is_marked = True

    def __new__(cls, function: str, arguments: tuple[Expr, ...]) -> Apply:
        return super().__new__(cls, function, arguments)

    def _children(self) -> tuple[Node, ...]:
        return self.arguments

    def mark(self) -> int:
        mark = MARKS.get(self.fields[0], 0)
        return mark | MARKS["exponential"] if self.is_exponential else mark

    @property
    def is_exponential(self) -> bool:
        """Whether this is ``exp(u)``, ``b^u`` whose exponent is no number, or a sum of such."""
        if self.function != "pow":
            return self.function in ("exp", "cosh", "sinh")
        return not isinstance(self.arguments[1], Const)

    def table_row(self) -> Function | None:
        return None if self.function in BUILTIN else FUNCTIONS.get(self.function)

    def rebuilt(self, children: Below) -> Apply:
        return Apply(self.function, children)


class Add(Expr):
    """``Add(terms)``: two or more terms, none of them an `Add`.  Build it with `add`."""

    __slots__ = ()
    terms: Final[tuple[Expr, ...]] = field(0)

    def __new__(cls, terms: tuple[Expr, ...]) -> Add:
        return super().__new__(cls, terms)

    def _children(self) -> tuple[Node, ...]:
        return self.terms

    def rebuilt(self, children: Below) -> Expr:
        return add(children)


class Mul(Expr):
    """``Mul(factors)``: two or more factors, none of them a `Mul`.  Build it with `mul`."""

    __slots__ = ()
    factors: Final[tuple[Expr, ...]] = field(0)

    def __new__(cls, factors: tuple[Expr, ...]) -> Mul:
        return super().__new__(cls, factors)

    def _children(self) -> tuple[Node, ...]:
        return self.factors

    def rebuilt(self, children: Below) -> Expr:
        return mul(children)


class _Binder(Expr):
    __slots__ = ()
    is_binder = True

    @property
    def indices(self) -> tuple[Index, ...]:
        raise AttributeError

    @property
    def body(self) -> Expr:
        raise AttributeError

    def _free(self) -> tuple[Index, ...]:
        bound = set(self.indices)
        return tuple(index for index in self.body.free if index not in bound)

    def _children(self) -> tuple[Node, ...]:
        return (self.body,)


class Sum(_Binder):
    """``Sum(indices, body)``: the sum over all values of the bound indices.  Build it with `sum_over`."""

    __slots__ = ()
    indices: Final[tuple[Index, ...]] = field(0)
    body: Final[Expr] = field(1)

    def __new__(cls, indices: tuple[Index, ...], body: Expr) -> Sum:
        return super().__new__(cls, indices, body)

    def rebuilt(self, children: Below) -> Sum:
        return Sum(self.indices, children[0])


EXTREMES = ("max", "min")


class Reduce(_Binder):
    """``Reduce(operation, indices, body)``: mean, max, min, logsumexp or prod over the bound indices."""

    __slots__ = ()
    operation: Final[str] = field(0)
    indices: Final[tuple[Index, ...]] = field(1)
    body: Final[Expr] = field(2)
    is_marked = True

    def __new__(cls, operation: str, indices: tuple[Index, ...], body: Expr) -> Reduce:
        return super().__new__(cls, operation, indices, body)

    def mark(self) -> int:
        return MARKS.get(self.fields[0], 0)

    def rebuilt(self, children: Below) -> Reduce:
        return Reduce(self.operation, self.indices, children[0])


# ---- equations -------------------------------------------------------------------------------------------------------


class Equation(Node):
    """``Equation(name, indices, rhs, where)``: ``name[indices] = rhs``.

    ``where`` holds the extents that the equation states itself, ``where |i| = |X.0| + |W.0| - 1``, as pairs of an
    index of the left side and an `Affine` form of extents.
    """

    __slots__ = ()
    name: Final[Name] = field(0)
    indices: Final[tuple[Index, ...]] = field(1)
    rhs: Final[Expr] = field(2)
    where: Final[tuple[tuple[Index, Affine], ...]] = field(3)

    def __new__(
        cls, name: Name, indices: tuple[Index, ...], rhs: Expr, where: tuple[tuple[Index, Affine], ...] = ()
    ) -> Equation:
        return super().__new__(cls, name, indices, rhs, where)

    @property
    def lhs(self) -> Indexed:
        return Indexed(self.name, tuple(slot(index) for index in self.indices))

    def _children(self) -> tuple[Node, ...]:
        return (self.rhs,)

    def rebuilt(self, children: Below) -> Equation:
        return Equation(self.name, self.indices, children[0], self.where)


# ---- building --------------------------------------------------------------------------------------------------------

ZERO = Const(0)
ONE = Const(1)
MINUS_ONE = Const(-1)


def add(terms: Iterable[Expr]) -> Expr:
    """A flat sum of terms; nothing is folded or reordered."""
    flat: list[Expr] = []
    for term in terms:
        flat.extend(term.terms if isinstance(term, Add) else (term,))
    return flat[0] if len(flat) == 1 else Add(tuple(flat)) if flat else ZERO


def mul(factors: Iterable[Expr]) -> Expr:
    """A flat product of factors; nothing is folded or reordered."""
    flat: list[Expr] = []
    for factor in factors:
        flat.extend(factor.factors if isinstance(factor, Mul) else (factor,))
    return flat[0] if len(flat) == 1 else Mul(tuple(flat)) if flat else ONE


def rebound(node: Sum | Reduce, indices: tuple[Index, ...], body: Node) -> Expr:
    """The same binder over other indices and another body."""
    assert isinstance(body, Expr)
    return Sum(indices, body) if isinstance(node, Sum) else Reduce(node.operation, indices, body)


def neg(term: Expr) -> Expr:
    return mul((MINUS_ONE, term))


def as_number(form: Node) -> Expr:
    """The value of an integer-affine form, as a sum."""
    assert isinstance(form, Affine)
    terms: list[Expr] = []
    for atom, k in form.terms:
        value = Position(atom) if isinstance(atom, Index) else _value_of(atom)
        terms.append(value if k == 1 else mul((Const(k), value)))
    if form.constant or not terms:
        terms.append(Const(form.constant))
    return add(terms)


def _value_of(atom: Node) -> Expr:
    if isinstance(atom, Arithmetic):
        left, right = as_number(atom.left), as_number(atom.right)
        if atom.operation == "times":
            return mul((left, right))
        quotient = mul((left, power(right, -1)))
        made = {"mod": Apply("mod", (left, right)), "floor": Apply("floor", (quotient,)), "over": quotient}
        return made[atom.operation]
    assert isinstance(atom, Expr)
    return atom


def power(base: Expr, exponent: Expr | int | Fraction) -> Expr:
    return Apply("pow", (base, exponent if isinstance(exponent, Expr) else Const(exponent)))


def reciprocal(term: Expr) -> Expr:
    return power(term, -1)


def sum_over(indices: Iterable[Index], body: Expr) -> Expr:
    bound = tuple(indices)
    return Sum(bound, body) if bound else body


def applies(node: Node, *functions: str) -> bool:
    """Whether one of these functions, which `MARKS` has, is applied here or somewhere below."""
    for function in functions:  # noqa: SIM110  asked too often for a generator
        if node.kinds & MARKS[function]:
            return True
    return False


def is_reciprocal(term: Node) -> bool:
    """Whether this is ``base ^ -1``, which prints as a quotient."""
    return isinstance(term, Apply) and term.function == "pow" and term.arguments[1] is MINUS_ONE


def rational_power(base: Fraction, exponent: int) -> Fraction | None:
    """``base ^ exponent`` as a number; None where no float would hold it."""
    if not base:
        return base**exponent if exponent >= 0 else None
    largest = max(base.numerator.bit_length(), base.denominator.bit_length())
    if (largest - 1) * abs(exponent) > BITS:
        return None
    value = base**exponent
    return value if max(value.numerator.bit_length(), value.denominator.bit_length()) <= BITS else None


def _digits(value: Fraction) -> int:
    return int(max(value.numerator.bit_length(), value.denominator.bit_length()) * 0.30103) + 1


# ---- looking and replacing -------------------------------------------------------------------------------------------


def tensors(*roots: Node) -> dict[Name, int]:
    """The tensors that occur below, with their rank, in reading order."""
    found: dict[Name, int] = {}
    for root in roots:
        for name, rank in accesses(root):
            found.setdefault(name, rank)
    return found


@remembered
def accesses(root: Node) -> tuple[tuple[Name, int], ...]:
    """Every tensor that occurs below, with each number of slots that it has, in reading order."""
    found = {(node.tensor, len(node.slots)): None for node in preorder(root) if isinstance(node, Indexed)}
    return tuple(found)


@remembered
def valued(root: Node) -> frozenset[Name]:
    """The tensors below whose values count: not those that are only compared, or only stand in slots."""
    found: set[Name] = set()
    seen, stack = {root}, [root]
    while stack:
        node = stack.pop()
        if isinstance(node, Indexed):
            found.add(node.tensor)
        elif not isinstance(node, Iverson | Delta):
            stack += (child for child in node.children if child not in seen)
            seen.update(node.children)
    return frozenset(found)


@remembered
def bound_indices(root: Node) -> tuple[Index, ...]:
    """Every index that is bound somewhere below."""
    found: dict[Index, None] = {}
    done: set[Node] = set()
    stack = [(root, False)] if root.binds else []
    while stack:
        node, below = stack.pop()
        if below:
            if isinstance(node, Sum | Reduce):
                found.update(dict.fromkeys(node.indices))
        elif node not in done:
            done.add(node)
            stack.append((node, True))
            stack.extend([(child, False) for child in reversed(node.children) if child.binds])
    return tuple(found)


def kept(node: Node) -> Node | None:
    """Accesses and brackets are leaves to what rewrites for people, ``fold(..., known=kept)``: what the bracket
    ``1[u[k] == max[K](u[K])]`` compares must be computed in one order, that of the program, or rounding decides."""
    return node if isinstance(node, Indexed | Iverson) else None


def substitute(root: Term, mapping: Mapping[Index, Index | Affine]) -> Term:
    """Replace free indices; bound indices are renamed where they would capture, so nothing ever is.

    Extents are left alone: a substitution goes from an index to one of the same extent, or comes with a range guard.
    """
    live = {old: new for old, new in mapping.items() if old is not new and old in root.free}
    if not live:
        return root
    names = {index.name for index in live}
    names.update(index.name for new in live.values() for index in new.free)
    root = rename_bound(root, names)
    return _substituted(root, live)


def _substituted(root: Term, mapping: Mapping[Index, Index | Affine]) -> Term:
    """Nothing is visited that does not hold one of the nodes."""
    indices = frozenset(mapping)

    def step(node: Node, children: Below) -> Node:
        return node.over(children)

    def known(node: Node) -> Node | None:
        if indices.isdisjoint(node.free):
            return node
        if not isinstance(node, Indexed):
            return None
        slots = []  # plain ones are replaced at once: nearly all are
        for form in node.slots:
            index = form.index
            if index is None:
                return None
            new = mapping.get(index, form)
            slots.append(slot(new) if isinstance(new, Index) else new)
        return Indexed(node.tensor, tuple(slots))

    return fold(root, step, dict(mapping.items()), known)


def rename_bound(root: Term, names: set[str]) -> Term:
    """Give every bound index whose name is in ``names`` a name that is not."""
    if not root.binds:
        return root
    clashing = [index for index in bound_indices(root) if index.name in names]
    if not clashing:
        return root
    taken = names | {index.name for index in bound_indices(root)} | {index.name for index in root.free}
    fresh: dict[Index, Index] = {}
    for index in clashing:
        name = fresh_name(index.name, taken)
        taken.add(name)
        fresh[index] = Index(name, index.dim)

    def step(node: Node, children: Below) -> Node:
        if isinstance(node, Sum | Reduce) and any(index in fresh for index in node.indices):
            inside = {index: fresh[index] for index in node.indices if index in fresh}
            body = _substituted(children[0], inside)
            indices = tuple(inside.get(index, index) for index in node.indices)
            return rebound(node, indices, body)
        return node.over(children)

    def known(node: Node) -> Node | None:
        return None if node.binds else node

    return fold(root, step, known=known)
