"""The meaning of an equation, as a program: nested loops over all its indices, one scalar at a time.

Everything else in this package is compared with this file, so it is slow and plain.  Two sentences matter:

- a product is zero, and its other factors are not read, where one of its brackets is zero;
- a read outside a tensor is an error, never a zero.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from fractions import Fraction
from numbers import Real
from typing import Any, overload

from einstan.calculus.program import Program
from einstan.language.arguments import shown
from einstan.language.effort import spend
from einstan.language.errors import DataError
from einstan.language.index import Affine, Arithmetic, Index, whole
from einstan.language.node import Node, fold, preorder
from einstan.language.term import (
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
)
from einstan.machine.meaning.numbers import EXACT, FLOATS, NO_LOG, DomainError, Missing, Number, Numbers, is_infinite
from einstan.machine.sizes.extents import Extents, as_program
from einstan.machine.sizes.guards import is_index_bracket
from einstan.machine.sizes.inference import infer
from einstan.machine.sizes.memory import refuse_more
from einstan.machine.sizes.refusals import (
    NO_VALUE,
    empty,
    missing,
    not_an_array,
    not_whole,
    outside,
    require_shallow,
    unknown_tensor,
)

ENTRY = 64  # bytes of a number in a list

Environment = dict[Index, int]
Closure = Callable[[Environment], Number]


class Tensor:
    """Numbers in row-major order, and a shape."""

    __slots__ = ("flat", "shape")

    def __init__(self, shape: tuple[int, ...], flat: list[Number]) -> None:
        self.shape = shape
        self.flat = flat

    @classmethod
    def of(cls, data: Any) -> Tensor:
        """From nested lists, a number, another tensor, or anything with ``shape`` and ``tolist``."""
        if isinstance(data, Tensor):
            return data
        has_shape = isinstance(getattr(data, "shape", None), tuple)
        shape = tuple(data.shape) if has_shape else None
        nested = data.tolist() if has_shape and hasattr(data, "tolist") else data
        if shape is None:
            shape, level = (), nested
            while isinstance(level, list | tuple):
                shape += (len(level),)
                level = level[0] if level else None
        flat = [nested]
        for size in shape:
            if any(not isinstance(row, list | tuple) or len(row) != size for row in flat):
                raise DataError("its rows have different lengths", repair="give rows of one length")
            flat = [entry for row in flat for entry in row]
        return cls(shape, flat)

    def __getitem__(self, position: tuple[int, ...] | int) -> Number:
        offset = 0
        for index, size in zip((position,) if isinstance(position, int) else position, self.shape, strict=True):
            offset = offset * size + index
        return self.flat[offset]

    def tolist(self) -> Any:
        def nested(offset: int, shape: tuple[int, ...]) -> Any:
            if not shape:
                return self.flat[offset]
            stride = _product(shape[1:])
            return [nested(offset + k * stride, shape[1:]) for k in range(shape[0])]

        return nested(0, self.shape)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tensor) and (self.shape, self.flat) == (other.shape, other.flat)

    def __hash__(self) -> int:
        return hash((self.shape, tuple(self.flat)))

    def __repr__(self) -> str:
        return f"Tensor{self.shape}{self.tolist()}"


def _product(sizes: Iterable[int]) -> int:
    total = 1
    for size in sizes:
        total *= size
    return total


@overload
def evaluate(
    what: Equation, arrays: Mapping[Any, Any], sizes: Mapping[str, int] | None = None, numbers: Numbers | None = None
) -> Tensor: ...
@overload
def evaluate(
    what: Program, arrays: Mapping[Any, Any], sizes: Mapping[str, int] | None = None, numbers: Numbers | None = None
) -> dict[Name, Tensor]: ...
def evaluate(
    what: Equation | Program,
    arrays: Mapping[Any, Any],
    sizes: Mapping[str, int] | None = None,
    numbers: Numbers | None = None,
) -> Tensor | dict[Name, Tensor]:
    """The tensor that an equation defines, or all tensors that a program defines.

    ``arrays`` maps tensor names to nested lists, numbers, `Tensor`s or arrays.  ``numbers`` is `EXACT` or `FLOATS`;
    without it, floats where any entry is a float and exact arithmetic otherwise.

    Exact numbers that do not exist, such as ``log(-1)``, are NaN in a tensor that other equations read, since a bracket
    may hide them there.

    Raises `ExtentError` for sizes that disagree or are not known and for a read outside, `DataError` for a missing
    tensor and for the mean, largest or smallest of nothing, `DomainError` (exact arithmetic only) for ``log(-1)``.
    """
    program = as_program(what)
    given = {(name := _name(program, key)): _tensor(program, name, data) for key, data in arrays.items()}
    for name in program.inputs:
        if name not in given and name in program.ranks:
            raise missing(program, name, map(str, given))
    if numbers is None:
        inexact = any(isinstance(entry, float) for tensor in given.values() for entry in tensor.flat)
        numbers = FLOATS if inexact else EXACT
    extents = infer(program, {name: tensor.shape for name, tensor in given.items()}, sizes)
    tensors = Evaluation(program, extents, numbers)(given)
    if isinstance(what, Equation):
        return tensors[what.name]
    return {name: tensors[name] for name in program.defined}


class Evaluation:
    """The loops of a program, ready for tensors of the shapes that its extents say: called again, it works out again
    only what rests on a tensor whose entries have changed.  With ``only``, of the tensors that it names alone; each
    equation is run by ``loops``."""

    def __init__(
        self,
        program: Program,
        extents: Extents,
        numbers: Numbers,
        only: Collection[Name] | None = None,
        loops: Callable[..., Loops] | None = None,
    ) -> None:
        loops = loops or Loops
        self.numbers = numbers
        self.tensors: dict[Name, Tensor] = {}
        self.given: dict[Name, list[Number]] = {}
        wanted = [e for e in program.equations if only is None or e.name in only]
        inner = {read for equation in program.equations for read in program.reads[equation.name]}
        self.loops = [loops(extents, equation, self.tensors, numbers, equation.name in inner) for equation in wanted]
        self.behind: dict[Name, set[Name]] = {}
        for name in (equation.name for equation in program.equations):
            read = program.reads[name]
            self.behind[name] = {*read, *(inner for other in read for inner in self.behind.get(other, ()))}

    def __call__(self, given: Mapping[Name, Tensor]) -> dict[Name, Tensor]:
        """All tensors, those that are given among them; raises as `evaluate` does."""
        spend(len(given) + len(self.loops))
        changed = {name for name, tensor in given.items() if self.given.get(name) != tensor.flat}
        for name in changed:
            tensor = given[name]
            spend(len(tensor.flat) // 4)
            self.given[name] = list(tensor.flat)
            self.tensors[name] = Tensor(tensor.shape, [self.numbers.of(entry) for entry in tensor.flat])
        names = [loops.equation.name for loops in self.loops]
        stale = [name not in self.tensors or not changed.isdisjoint(self.behind[name]) for name in names]
        for name, old in zip(names, stale, strict=True):
            if old:
                self.tensors.pop(name, None)  # and it stays away where a loop raises
        with deep():
            for loops, old in zip(self.loops, stale, strict=True):
                if old:
                    self.tensors[loops.equation.name] = loops.run()
        return dict(self.tensors)

    def anew(self, given: Mapping[Name, Tensor]) -> dict[Name, Tensor]:
        """All tensors, each of them worked out again, so that whoever looks at the loops sees all of it."""
        self.forget()
        return self(given)

    def forget(self) -> None:
        """Everything is worked out again at the next call."""
        self.given.clear()
        self.tensors.clear()


def _name(program: Program, key: Any) -> Name:
    for name in program.inputs:
        if name == key or str(name) == key:
            return name
    raise unknown_tensor(program, str(key))


def _tensor(program: Program, name: Name, data: Any) -> Tensor:
    try:
        tensor = Tensor.of(data)
    except DataError as error:
        raise not_an_array(program, name, f"is not an array: {error.problem}") from error
    strange = [entry for entry in tensor.flat if not _is_number(entry)]
    if strange:
        raise not_an_array(program, name, f"is not an array: it holds {shown(strange[0])}, which is no number")
    return tensor


def _is_number(entry: Any) -> bool:
    """Numbers, and texts of rational ones, "1/2"."""
    if not isinstance(entry, str):
        return isinstance(entry, Real | Decimal)
    try:
        Fraction(entry)
    except (ValueError, ZeroDivisionError):
        return False
    return True


@contextmanager
def deep(limit: int = 100_000) -> Iterator[None]:
    """Room for terms that are thousands of levels deep (Python code calling Python code does not use the C stack)."""
    old = sys.getrecursionlimit()
    sys.setrecursionlimit(max(old, limit))
    try:
        yield
    finally:
        sys.setrecursionlimit(old)


def shared(root: Node) -> set[Node]:
    """The nodes that stand in more than one place."""
    once: set[Node] = set()
    more: set[Node] = set()
    for node in preorder(root):
        for child in node.children:
            (more if child in once else once).add(child)
    return more


class Loops:
    """One equation as closures: each node becomes a function of the values of the indices."""

    def __init__(
        self, extents: Extents, equation: Equation, tensors: Mapping[Name, Tensor], numbers: Numbers, inner: bool
    ) -> None:
        self.extents, self.equation, self.tensors, self.numbers = extents, equation, tensors, numbers
        self.zero, self.one = numbers.of(0), numbers.of(1)
        self.inner = inner  # whether other equations read it, perhaps under a bracket: then an entry may have no value
        self.known: list[dict[tuple[int, ...], Number]] = []  # what the closures remember within one run
        require_shallow(equation)
        self.shared = shared(equation.rhs)
        self.value = fold(equation.rhs, self.kept)

    def kept(self, node: Node, below: tuple[Closure, ...]) -> Closure:
        """The closure of a node, which remembers its values where several nodes read it: a chain of twenty squares is
        then twenty products, and not a million."""
        value = self.closure(node, below)
        return self.remembered(node, value) if isinstance(node, Add | Mul) and node in self.shared else value

    def run(self) -> Tensor:
        for known in self.known:
            known.clear()
        value, indices = self.value, self.equation.indices
        shape = tuple(self.size(index) for index in indices)
        spend(1 + _product(shape) // 4)
        refuse_more(f"the loops of {self.equation.name}", _product(shape) * ENTRY, "give smaller arrays, or compile it")
        if self.inner:
            value = self.excused(value)
        entries = [value(dict(zip(indices, v, strict=True))) for v in itertools.product(*map(range, shape))]
        if not self.inner and any(map(is_infinite, entries)):
            raise DomainError(NO_LOG)
        return Tensor(shape, entries)

    def excused(self, value: Closure) -> Closure:
        """NaN in the place of an exact number that does not exist; whoever computes with it is told so."""

        def excused(env: Environment) -> Number:
            try:
                return value(env)
            except DomainError as error:
                return Missing(error)

        return excused

    def size(self, index: Index) -> int:
        return self.extents.of(self.equation, index)

    def closure(self, node: Node, below: tuple[Closure, ...]) -> Closure:
        numbers = self.numbers
        match node:
            case Index():
                return lambda env: env[node]
            case Affine() if node.index is not None:
                return below[0]
            case Affine(terms=terms, constant=constant):
                pairs = [(part, atom, k) for part, (atom, k) in zip(below, terms, strict=True)]
                return lambda env: sum((k * self.whole(part(env), atom) for part, atom, k in pairs), constant)
            case Arithmetic(operation=operation):
                return lambda env: whole(operation, below[0](env), below[1](env))
            case Const(value=value):
                number = numbers.of(value)
                return lambda env: number
            case Position():
                return lambda env: numbers.of(below[0](env))
            case Extent(index=index):
                extent = numbers.of(self.size(index))
                return lambda env: extent
            case Indexed():
                return self.read(node, below)
            case Delta():
                return lambda env: self.one if below[0](env) == below[1](env) else self.zero
            case Iverson():
                return self.bracket(node, below)
            case Apply(function=function):
                return self.remembered(node, lambda env: numbers.apply(function, *(part(env) for part in below)))
            case Add():
                return lambda env: self.total(part(env) for part in below)
            case Mul():
                return self.product(node, below)
            case Sum(indices=indices):
                return self.remembered(
                    node, lambda env: self.total(below[0](inner) for inner in self.loop(indices, env))
                )
            case Reduce(operation=operation, indices=indices):
                return self.remembered(
                    node,
                    lambda env: self.reduce(
                        node, operation, self.counted([below[0](e) for e in self.loop(indices, env)])
                    ),
                )
            case _:
                raise AssertionError(f"no meaning for {type(node).__name__}")

    def loop(self, indices: tuple[Index, ...], env: Environment) -> Iterator[Environment]:
        if len(indices) == 1:  # nearly always
            for value in range(self.size(indices[0])):
                yield {**env, indices[0]: value}
            return
        for values in itertools.product(*(range(self.size(index)) for index in indices)):
            yield {**env, **dict(zip(indices, values, strict=True))}

    def counted(self, values: list[Number]) -> list[Number]:
        spend(len(values))
        return values

    def total(self, values: Iterable[Number]) -> Number:
        total = self.zero
        for value in values:
            spend(1)  # the one count of loops over indices and of sums of terms
            total = self.numbers.add(total, value)
        return total

    def product(self, node: Mul, below: tuple[Closure, ...]) -> Closure:
        """Brackets of indices first, then brackets of values, then the rest in the user's order.

        Where a bracket is false nothing else matters, not even another bracket that has no value there.
        """

        def rank(factor: Expr) -> int:
            return 0 if is_index_bracket(factor) else 1 if isinstance(_bracket(factor), Iverson) else 2

        parts = sorted(zip(node.factors, below, strict=True), key=lambda part: rank(part[0]))
        brackets = [part for factor, part in parts if rank(factor) < 2]
        others = [part for factor, part in parts if rank(factor) == 2]
        numbers = self.numbers

        def value(env: Environment) -> Number:
            failed: DomainError | None = None
            for bracket in brackets:
                try:
                    if bracket(env) == 0:
                        return self.zero
                except DomainError as error:
                    failed = error
            if failed is not None:
                raise failed
            spend(1 + len(parts) // 4)
            product = self.one
            for part in others:
                product = numbers.mul(product, part(env))
            return product

        return value

    def bracket(self, node: Iverson, below: tuple[Closure, ...]) -> Closure:
        numbers = self.numbers
        pairs = list(zip(below, node.relations, below[1:], strict=False)) if node.relations else []

        def value(env: Environment) -> Number:
            held = all(numbers.holds(a(env), relation, b(env)) for a, relation, b in pairs)
            return self.one if held else self.zero

        return value

    def remembered(self, node: Expr, value: Closure) -> Closure:
        """A value for each value of its free indices, so that a loop around it does not work it out again."""
        known: dict[tuple[int, ...], Number] = {}
        self.known.append(known)
        free = node.free

        def remembered(env: Environment) -> Number:
            key = tuple([env[index] for index in free])
            if key not in known:
                known[key] = value(env)
            return known[key]

        return remembered

    def read(self, node: Indexed, below: tuple[Closure, ...]) -> Closure:
        tensors, name = self.tensors, node.tensor

        def value(env: Environment) -> Number:
            offset, tensor = 0, tensors[name]
            for position, (part, size) in enumerate(zip(below, tensor.shape, strict=True)):
                at = part(env)
                if not 0 <= at < size:
                    raise outside(self.equation, node, position, at, size)
                offset = offset * size + at
            return tensor.flat[offset]

        return value

    def whole(self, value: Number, atom: Node) -> int:
        """The value of an atom of a slot: an index, an extent or an entry of an integer tensor."""
        if isinstance(value, int):
            return value
        try:
            whole = int(value)
        except (ValueError, OverflowError):
            whole = None
        if whole is None or whole != value:
            raise not_whole(self.equation, atom, value)
        return whole

    def reduce(self, node: Reduce, operation: str, values: list[Number]) -> Number:
        numbers = self.numbers
        if operation in NO_VALUE and not values:
            sizes = [(index.name, self.extents.dim(self.equation, index)) for index in node.indices]
            raise empty(self.equation, node, [self.extents.told(letter, dim) for letter, dim in sizes])
        if operation == "prod":
            product = numbers.of(1)
            for value in values:
                product = numbers.mul(product, value)
            return product
        if operation == "mean":
            return numbers.mul(self.total(values), numbers.apply("pow", numbers.of(len(values)), numbers.of(-1)))
        if operation == "logsumexp":
            return self.logsumexp(values)
        nan = next((value for value in values if value != value), None)
        return nan if nan is not None else max(values) if operation == "max" else min(values)

    def logsumexp(self, values: list[Number]) -> Number:
        """m + log Σ exp(u - m) with the largest m; of nothing, and of -inf alone, -inf."""
        numbers = self.numbers
        nan = next((value for value in values if value != value), None)
        top = nan if nan is not None else max(values, default=-float("inf"))
        if nan is not None or top in (float("inf"), -float("inf")):
            return top
        below = numbers.mul(numbers.of(-1), top)
        total = self.total(numbers.apply("exp", numbers.add(value, below)) for value in values)
        return numbers.add(top, numbers.apply("log", total))


def _bracket(factor: Expr) -> Expr:
    """A bracket, also below a power: ``1[c]^2`` is ``1[c]``."""
    if isinstance(factor, Apply) and factor.function == "pow":
        base, exponent = factor.arguments
        return base if isinstance(exponent, Const) and exponent.value > 0 else factor
    return factor
