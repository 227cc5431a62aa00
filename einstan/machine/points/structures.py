"""Structured tensors: what an assumption says about one tensor, recognised by its shape, and met by construction.

A row of `KINDS` is a relation as a person writes it, for a tensor A.  An assumption is of that kind where the canonical
forms of the two are one, whatever its letters, its order and its sides, with any of the tensor's axes in the place of
A's, and the others as a batch.  What is linear in a tensor needs no row: it is solved for (`points.solving`).
Every construction is in fractions, so that what rests on it stays exact.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache, partial
from itertools import permutations, product

from einstan.calculus.alpha import pattern
from einstan.calculus.bounds import ANY, NOT_NEGATIVE, UNIT, WITHIN_ONE, Bounds
from einstan.calculus.canonical import canonical, terms_of
from einstan.calculus.coefficients import coefficient_of
from einstan.calculus.simplify import simplify, simplify_sum
from einstan.language.dims import axis, redimensioned
from einstan.language.index import Affine, Index, slot
from einstan.language.node import preorder, replace
from einstan.language.scope import parse_sides
from einstan.language.term import Const, Delta, Expr, Indexed, Iverson, Name, Sum, neg
from einstan.machine.meaning.loops import Tensor

A = "A"  # the tensor of a row
KINDS = {
    "symmetric": ("A[i,j] = A[j,i]",),
    "orthonormal": ("A[K,i] A[K,j] = δ[i,j]",),  # the vectors along the first axis
    "idempotent": ("A[i,K] A[K,j] = A[i,j]",),
    "involutory": ("A[i,K] A[K,j] = δ[i,j]",),
    "unit": ("A[K]^2 = 1",),
    "zero or one": ("A^2 = A", "A (1 - A) = 0"),
    "sign": ("A^2 = 1", "abs(A) = 1"),
    "sign or zero": ("A^3 = A",),
    "sum": (),  # sum[J](A[n,J]) = a number
    "range": (),  # 1[0 < A[i] < 1] = 1
    "labels": (),  # sum[K](1[A[i] == K]) = 1
}
LIES = {
    "orthonormal": WITHIN_ONE,
    "unit": WITHIN_ONE,
    "sign": WITHIN_ONE,
    "zero or one": UNIT,
    "sign or zero": WITHIN_ONE,
    "labels": NOT_NEGATIVE,
}
ENTRYWISE = ("range", "sum", "zero or one", "sign", "sign or zero")  # what is about no two axes at once
Matrix = list[list[Fraction]]
Row = Sequence[Fraction]


@dataclass(frozen=True)
class Fact:
    """What is known of a tensor: a kind, the axes that it is about, and for a sum or a range its numbers."""

    kind: str
    axes: tuple[int, ...] = ()
    numbers: tuple[Fraction | None, ...] = ()
    dim: str = ""
    closed: tuple[bool, ...] = ()  # whether each of the numbers of a range belongs to it

    @property
    def bounds(self) -> Bounds:
        """Between which numbers every entry is."""
        if self.kind != "range":
            return LIES.get(self.kind, ANY)
        low, high = self.numbers
        ends = -math.inf if low is None else low, math.inf if high is None else high
        return Bounds(*ends, *(not inside for inside in self.closed))


# ---- recognising -----------------------------------------------------------------------------------------------------


@lru_cache(maxsize=512)
def fact(lhs: Expr, rhs: Expr) -> tuple[Name, Fact] | None:
    """What a relation says about one tensor, where it is of a kind that is known."""
    sides = (lhs, rhs), (rhs, lhs)
    found = next((f for one, other in sides if (f := _range(one, other) or _labels(one, other)) is not None), None)
    if found is not None:
        return found
    plain = simplify(simplify_sum((lhs, neg(rhs))))
    difference = canonical(plain)
    accesses = list({node for node in preorder(difference) if isinstance(node, Indexed)})
    if (
        not accesses
        or len({node.tensor for node in accesses}) > 1
        or any(f.index is None for a in accesses for f in a.slots)
    ):
        return None
    return _sum(plain) or _patterned(difference, accesses[0])


def _patterned(difference: Expr, access: Indexed) -> tuple[Name, Fact] | None:
    dims = [form.index.dim for form in access.slots if form.index is not None]
    for kind, texts in KINDS.items():
        for text in texts:
            size = max(
                len(node.slots) for side in parse_sides(text) for node in preorder(side) if isinstance(node, Indexed)
            )
            for axes in permutations(range(len(dims)), size) if size <= len(dims) else ():
                wanted = _laid_out(text, access.tensor, axes, dims)
                if wanted is not None and pattern(difference)[0] in [
                    pattern(canonical(w))[0] for w in (wanted, neg(wanted))
                ]:
                    return access.tensor, Fact(kind, axes)
    return None


def _laid_out(text: str, tensor: Name, axes: Sequence[int], dims: Sequence[str]) -> Expr | None:
    """The relation of a row as a difference, with A's axes those of the tensor and the others as a batch."""
    lhs, rhs = parse_sides(text)
    own = {axis(A, k): dims[position] for k, position in enumerate(axes)}
    batch = {k: slot(Index(f"b{k}", dim)) for k, dim in enumerate(dims) if k not in axes}
    total = simplify_sum((lhs, neg(rhs)))
    forms = [f for node in preorder(total) if isinstance(node, Indexed) for k, f in enumerate(node.slots)]
    classes: dict[str, set[str]] = {}
    for node in preorder(total):
        if isinstance(node, Indexed):
            for k, form in enumerate(node.slots):
                if form.index is not None:
                    classes.setdefault(form.index.dim, set()).add(own[axis(A, k)])
    if any(len(members) > 1 for members in classes.values()) or not all(form.index for form in forms):
        return None
    moved = redimensioned(total, {dim: next(iter(members)) for dim, members in classes.items()})
    laid: dict[Expr, Expr] = {}
    for node in preorder(moved):
        if isinstance(node, Indexed):
            places = {**batch, **dict(zip(axes, node.slots, strict=True))}
            laid[node] = Indexed(tensor, tuple(places[k] for k in range(len(dims))))
    return replace(moved, laid)


def _sum(difference: Expr) -> tuple[Name, Fact] | None:
    """``sum[J](A[n,J]) = c``, a multiple of it too."""
    constant, sums = Fraction(0), []
    for number, rest in map(coefficient_of, terms_of(difference)):
        if isinstance(rest, Const):
            constant += number * rest.value
        else:
            sums.append((number, rest))
    match sums:
        case [(number, Sum(indices=indices, body=Indexed(tensor=tensor, slots=slots)))]:
            if len({form.index for form in slots}) == len(slots):
                axes = tuple(k for k, form in enumerate(slots) if form.index in indices)
                return tensor, Fact("sum", axes, (-constant / number,))
    return None


def _range(bracket: Expr, one: Expr) -> tuple[Name, Fact] | None:
    """``1[0 < A[i] < 1] = 1``: between numbers, either of which may be missing."""
    if not (isinstance(bracket, Iverson) and isinstance(one, Const) and one.value == 1 and bracket.relations):
        return None
    down = bracket.relations[0] in (">", ">=")
    operands = tuple(reversed(bracket.operands)) if down else bracket.operands
    entries = [k for k, operand in enumerate(operands) if isinstance(operand, Indexed)]
    numbers = [_number(operand) for operand in operands]
    if (
        len(entries) != 1
        or any(r in ("==", "!=") for r in bracket.relations)
        or sum(n is not None for n in numbers) < len(operands) - 1
    ):
        return None
    at = entries[0]
    access = operands[at]
    assert isinstance(access, Indexed)
    low = numbers[at - 1] if at else None
    high = numbers[at + 1] if at + 1 < len(operands) else None
    relations = tuple(reversed(bracket.relations)) if down else bracket.relations
    closed = tuple(0 <= k < len(relations) and "=" in relations[k] for k in (at - 1, at))
    return access.tensor, Fact("range", (), (low, high), closed=closed)


def _number(operand: object) -> Fraction | None:
    if isinstance(operand, Affine) and not operand.terms:
        return Fraction(operand.constant)
    return operand.value if isinstance(operand, Const) else None


def _labels(total: Expr, one: Expr) -> tuple[Name, Fact] | None:
    """``sum[K](1[A[i] == K]) = 1``: whole numbers that K takes."""
    if not (isinstance(total, Sum) and len(total.indices) == 1 and isinstance(one, Const) and one.value == 1):
        return None
    (index,), body = total.indices, total.body
    pair = (body.left, body.right) if isinstance(body, Delta) else body.operands if isinstance(body, Iverson) else ()
    if len(pair) != 2 or (isinstance(body, Iverson) and body.relations != ("==",)):
        return None
    for entry, other in (pair, pair[::-1]):
        read = entry.terms[0][0] if isinstance(entry, Affine) and len(entry.terms) == 1 else entry
        if isinstance(read, Indexed) and isinstance(other, Affine) and other.index is index:
            return read.tensor, Fact("labels", dim=index.dim)
    return None


# ---- constructing ----------------------------------------------------------------------------------------------------


def builder(facts: Iterable[Fact]) -> Callable[[Tensor, random.Random], Tensor | None] | None:
    """What makes a tensor with all these properties of the shape of one that is drawn; None where no row does.  It
    gives None for a shape that has no such tensor."""
    known = list(dict.fromkeys(facts))
    build = BUILDERS.get(frozenset(f.kind for f in known))
    whole = {frozenset(f.axes) for f in known if f.kind not in ENTRYWISE}
    sums = [f for f in known if f.kind == "sum"]
    if build is None or len(whole) > 1 or (build is _summed and len(sums) > 1):
        return None
    return partial(build, known)


def _slices(shape: Sequence[int], axes: Sequence[int]) -> Iterator[list[int]]:
    """The offsets of the entries along the axes, in their order, for every place along the others."""
    others = [k for k in range(len(shape)) if k not in axes]
    strides = [_product(shape[k + 1 :]) for k in range(len(shape))]
    for place in product(*(range(shape[k]) for k in others)):
        start = sum(strides[k] * at for k, at in zip(others, place, strict=True))
        yield [
            start + sum(strides[k] * at for k, at in zip(axes, inside, strict=True))
            for inside in product(*(range(shape[k]) for k in axes))
        ]


def _product(sizes: Iterable[int]) -> int:
    total = 1
    for size in sizes:
        total *= size
    return total


Build = Callable[[list[Fact], Tensor, random.Random], "Tensor | None"]


def _matrices(make: Callable[[int, int, list[Fact], random.Random], Matrix | None]) -> Build:
    """A builder from one that makes a matrix, used at every place of the batch."""

    def build(facts: list[Fact], drawn: Tensor, generator: random.Random) -> Tensor | None:
        axes = next(f.axes for f in facts if len(f.axes) == 2)
        result = Tensor(drawn.shape, list(drawn.flat))
        for offsets in _slices(drawn.shape, axes):
            rows, columns = (drawn.shape[k] for k in axes)
            made = make(rows, columns, [_turned(f, axes) for f in facts], generator)
            if made is None:
                return None
            for offset, entry in zip(offsets, (entry for row in made for entry in row), strict=True):
                result.flat[offset] = entry
        return result

    return build


def _turned(own: Fact, axes: tuple[int, ...]) -> Fact:
    """The fact with axes counted within a matrix on the given axes."""
    return Fact(own.kind, tuple(axes.index(k) for k in own.axes if k in axes), own.numbers)


def _vectors(make: Callable[[list[Fraction], random.Random], Row]) -> Build:
    def build(facts: list[Fact], drawn: Tensor, generator: random.Random) -> Tensor:
        result = Tensor(drawn.shape, list(drawn.flat))
        for offsets in _slices(drawn.shape, facts[0].axes):
            for offset, entry in zip(offsets, make([drawn.flat[o] for o in offsets], generator), strict=True):
                result.flat[offset] = entry
        return result

    return build


def _entries(values: Sequence[int]) -> Build:
    def build(facts: list[Fact], drawn: Tensor, generator: random.Random) -> Tensor:
        return Tensor(drawn.shape, [Fraction(generator.choice(values)) for _ in drawn.flat])

    return build


def _orthonormal(rows: int, columns: int, facts: list[Fact], generator: random.Random) -> Matrix | None:
    """Vectors along the first axis of each fact; along both, the matrix is square."""
    if not _fits(rows, columns, facts):
        return None
    whole = _rotation(max(rows, columns), generator)
    return [row[:columns] for row in whole[:rows]]


def _fits(rows: int, columns: int, facts: list[Fact]) -> bool:
    wanted = {own.axes for own in facts if own.kind == "orthonormal"}
    return not (((0, 1) in wanted and columns > rows) or ((1, 0) in wanted and rows > columns))


def _permuted(values: Sequence[int]) -> Callable[[int, int, list[Fact], random.Random], Matrix | None]:
    """Orthonormal vectors of few values: one of these that is not 0 in each, no two at one place."""

    def make(rows: int, columns: int, facts: list[Fact], generator: random.Random) -> Matrix | None:
        if not _fits(rows, columns, facts):
            return None
        n = max(rows, columns)
        order = generator.sample(range(n), n)
        whole = [[Fraction(generator.choice(values) if j == own else 0) for j in range(n)] for own in order]
        return [row[:columns] for row in whole[:rows]]

    return make


def _rotation(n: int, generator: random.Random) -> Matrix:
    """Cayley: (1 - S) (1 + S)^-1 with S antisymmetric is orthogonal; columns in any order and sign reach the others."""
    skew = [[Fraction(0)] * n for _ in range(n)]
    for i in range(n):
        for j in range(i):
            skew[i][j] = Fraction(generator.randint(-2, 2), generator.choice((1, 1, 2)))
            skew[j][i] = -skew[i][j]
    inverse = _inverse([[skew[i][j] + (i == j) for j in range(n)] for i in range(n)])
    assert inverse is not None, "1 + S has an inverse: the eigenvalues of S are imaginary"
    turned = _times([[(i == j) - skew[i][j] for j in range(n)] for i in range(n)], inverse)
    order, signs = generator.sample(range(n), n), [generator.choice((1, -1)) for _ in range(n)]
    return [[sign * row[k] for k, sign in zip(order, signs, strict=True)] for row in turned]


def _idempotent(rows: int, _: int, facts: list[Fact], generator: random.Random) -> Matrix | None:
    """V (W V)^-1 W, which projects onto the columns of V; with W = Vᵀ it is symmetric."""
    symmetric = any(own.kind == "symmetric" for own in facts)
    rank = generator.randint(1, max(1, rows - 1))
    for _ in range(20):
        v = [[Fraction(generator.randint(-2, 2)) for _ in range(rank)] for _ in range(rows)]
        w = (
            [list(column) for column in zip(*v, strict=True)]
            if symmetric
            else [[Fraction(generator.randint(-2, 2)) for _ in range(rows)] for _ in range(rank)]
        )
        middle = _inverse(_times(w, v))
        if middle is not None:
            return _times(_times(v, middle), w)
    return None


def _involutory(rows: int, columns: int, facts: list[Fact], generator: random.Random) -> Matrix | None:
    """1 - 2 P with P idempotent."""
    made = _idempotent(rows, columns, facts, generator)
    return None if made is None else [[(i == j) - 2 * made[i][j] for j in range(rows)] for i in range(rows)]


def _reflection(rows: int, columns: int, facts: list[Fact], generator: random.Random) -> Matrix | None:
    """Symmetric and orthogonal: 1 - 2 P with P symmetric and idempotent."""
    return _involutory(rows, columns, [*facts, Fact("symmetric", (0, 1))], generator)


def _unit(row: list[Fraction], generator: random.Random) -> Row:
    """The sphere's rational points, by projection from a pole: (2 t, |t|² - 1) / (|t|² + 1)."""
    if len(row) == 1:
        return [Fraction(generator.choice((1, -1)))]
    t = [Fraction(generator.randint(-3, 3), generator.choice((1, 2))) for _ in row[1:]]
    norm = sum((x * x for x in t), Fraction(0))
    point = [*(2 * x / (norm + 1) for x in t), (norm - 1) / (norm + 1)]
    return generator.sample(point, len(point))


def _summed(facts: list[Fact], drawn: Tensor, generator: random.Random) -> Tensor | None:
    """Rows that sum to a number: scaled, so that their signs stay, all of it in one entry, or, where the number is 0,
    moved by their mean."""
    (own,), (total,) = facts, facts[0].numbers
    assert total is not None
    result = Tensor(drawn.shape, list(drawn.flat))
    one_hot = generator.random() < 0.25
    for offsets in _slices(drawn.shape, own.axes):
        known = sum(drawn.flat[o] for o in offsets)
        hot = generator.choice(offsets)
        for o in offsets:
            if total == 0:
                result.flat[o] = drawn.flat[o] - known / len(offsets)
            elif one_hot or known == 0:
                result.flat[o] = total if o == hot else Fraction(0)
            else:
                result.flat[o] = drawn.flat[o] * total / known
    return result


def _positive_sums(facts: list[Fact], drawn: Tensor, generator: random.Random) -> Tensor | None:
    """Positive entries along an axis that sum to a number; along each of two axes, a mean of permutations."""
    sums = [own for own in facts if own.kind == "sum"]
    if len(sums) == 1:
        (own,), (total,) = sums, sums[0].numbers
        assert total is not None
        result = Tensor(drawn.shape, [abs(entry) for entry in drawn.flat])
        for offsets in _slices(drawn.shape, own.axes):
            known = sum(result.flat[o] for o in offsets)
            for o in offsets:
                result.flat[o] = result.flat[o] * total / known if known else total / len(offsets)
        return result
    axes = tuple(k for own in sums for k in own.axes)
    if (
        len(axes) != 2
        or len(set(axes)) < 2
        or drawn.shape[axes[0]] != drawn.shape[axes[1]]
        or any(s.numbers != (1,) for s in sums)
    ):
        return None
    result = Tensor(drawn.shape, list(drawn.flat))
    n = drawn.shape[axes[0]]
    for offsets in _slices(drawn.shape, axes):
        weights = [Fraction(generator.randint(1, 4)) for _ in range(4)]
        mixed = [[weights[0] / (n * sum(weights))] * n for _ in range(n)]
        for weight in weights[1:]:
            for i, j in enumerate(generator.sample(range(n), n)):
                mixed[i][j] += weight / sum(weights)
        for offset, entry in zip(offsets, (entry for row in mixed for entry in row), strict=True):
            result.flat[offset] = entry
    return result


def _one_hot(facts: list[Fact], drawn: Tensor, generator: random.Random) -> Tensor | None:
    """0 or 1 with sums of one: a single 1 along the axes; along each of two, a permutation."""
    sums = [own for own in facts if own.kind == "sum"]
    if any(own.numbers != (1,) for own in sums) or len(sums) > 2:
        return None
    result = Tensor(drawn.shape, [Fraction(0)] * len(drawn.flat))
    if len(sums) == 1:
        for offsets in _slices(drawn.shape, sums[0].axes):
            result.flat[generator.choice(offsets)] = Fraction(1)
        return result
    axes = tuple(k for own in sums for k in own.axes)
    if len(axes) != 2 or len(set(axes)) < 2 or drawn.shape[axes[0]] != drawn.shape[axes[1]]:
        return None
    n = drawn.shape[axes[0]]
    for offsets in _slices(drawn.shape, axes):
        for i, j in enumerate(generator.sample(range(n), n)):
            result.flat[offsets[i * n + j]] = Fraction(1)
    return result


BUILDERS: dict[frozenset[str], Build] = {
    frozenset({"orthonormal"}): _matrices(_orthonormal),
    frozenset({"orthonormal", "symmetric"}): _matrices(_reflection),
    frozenset({"involutory", "symmetric"}): _matrices(_reflection),
    frozenset({"involutory", "orthonormal"}): _matrices(_reflection),
    frozenset({"involutory"}): _matrices(_involutory),
    frozenset({"idempotent"}): _matrices(_idempotent),
    frozenset({"idempotent", "symmetric"}): _matrices(_idempotent),
    frozenset({"unit"}): _vectors(_unit),
    frozenset({"zero or one"}): _entries((0, 1)),
    frozenset({"sign"}): _entries((1, -1)),
    frozenset({"sign or zero"}): _entries((-1, 0, 1)),
    frozenset({"orthonormal", "zero or one"}): _matrices(_permuted((1,))),
    frozenset({"orthonormal", "zero or one", "sum"}): _matrices(_permuted((1,))),
    frozenset({"orthonormal", "sign or zero"}): _matrices(_permuted((1, -1))),
    frozenset({"sum"}): _summed,
    frozenset({"sum", "range"}): _positive_sums,
    frozenset({"sum", "zero or one"}): _one_hot,
}


# ---- small matrices of fractions -------------------------------------------------------------------------------------


def _times(left: Matrix, right: Matrix) -> Matrix:
    columns = list(zip(*right, strict=True))
    return [[sum((a * b for a, b in zip(row, column, strict=True)), Fraction(0)) for column in columns] for row in left]


def _inverse(matrix: Matrix) -> Matrix | None:
    """By elimination; None where there is none."""
    n = len(matrix)
    rows = [[*row, *(Fraction(i == j) for j in range(n))] for i, row in enumerate(matrix)]
    for k in range(n):
        pivot = next((i for i in range(k, n) if rows[i][k] != 0), None)
        if pivot is None:
            return None
        rows[k], rows[pivot] = rows[pivot], rows[k]
        rows[k] = [entry / rows[k][k] for entry in rows[k]]
        for i in range(n):
            if i != k and rows[i][k] != 0:
                rows[i] = [a - rows[i][k] * b for a, b in zip(rows[i], rows[k], strict=True)]
    return [row[n:] for row in rows]
