"""A program as a graph: what a picture of it shows, before anything says how it is drawn.

A vertex is an input, a parameter, or an equation, which stands for the tensor that it defines; an edge goes from a
tensor to an equation that reads it and bears the slots of the access.  A backward pass adds a vertex per cotangent and
an edge wherever one cotangent reads another; what it reads of the forward pass stands in its text alone.  On the scalar
level a vertex is a component, and an edge says that one component is computed from another: composing functions joins
their graphs (Zhao 2019, Figures 1 to 5).
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from numbers import Integral
from typing import Any, Literal

from einstan.calculus.backward import backward, joined
from einstan.calculus.passes import dependencies
from einstan.calculus.program import Program
from einstan.language.arguments import require
from einstan.language.dims import axis
from einstan.language.errors import ExtentError
from einstan.language.index import Affine, Index, lowered
from einstan.language.node import Node, preorder
from einstan.language.show import show, show_with_spans
from einstan.language.term import Delta, Equation, Extent, Indexed, Iverson, Mul, Name, Reduce, Sum
from einstan.machine.sizes.extents import Extents
from einstan.machine.sizes.guards import as_affine
from einstan.machine.sizes.inference import infer, told
from einstan.machine.sizes.refusals import unknown_tensor

Kind = Literal["input", "parameter", "equation", "output", "cotangent"]
MOST_COMPONENTS = 200


@dataclass(frozen=True)
class Vertex:
    """A tensor or a component: its name, what it is, and what is written in it.

    Examples:
        >>> from einstan.library.draw import graph_of
        >>> graph_of(es.Program("y[i] = A[i,J] x[J]")).vertices[-1]
        Vertex(name='y', kind='output', text='y[i] = A[i,J] x[J]')
    """

    name: str
    kind: Kind
    text: str


@dataclass(frozen=True)
class Edge:
    """From what is read to what reads it; ``lines`` is what is written on it.

    Examples:
        >>> from einstan.library.draw import graph_of
        >>> graph_of(es.Program("y[i] = A[i,J] x[J]")).edges[0]
        Edge(source='A', target='y', lines=('i,J',), backward=False)
    """

    source: str
    target: str
    lines: tuple[str, ...] = ()
    backward: bool = False


@dataclass(frozen=True)
class Graph:
    """Vertices in the order of evaluation, and edges.

    ``rows`` are vertices that a drawing should put side by side, in this order; ``caption`` is what is written below,
    the equations of a graph of which the vertices have no room for them.

    Examples:
        >>> from einstan.library.draw import graph_of
        >>> graph = graph_of(es.Program("y[i] = A[i,J] x[J]"))
        >>> len(graph.vertices), len(graph.edges)
        (3, 2)
    """

    vertices: tuple[Vertex, ...]
    edges: tuple[Edge, ...]
    rows: tuple[tuple[str, ...], ...] = ()
    caption: tuple[str, ...] = ()
    scalars: bool = False


def graph(
    program: Program,
    params: Iterable[str] = (),
    loss: Name | None = None,
    extents: Mapping[str, Any] | None = None,
    scalars: bool = False,
) -> Graph:
    """The graph of a program, with the backward pass of ``loss`` where one is named.

    ``params`` are the inputs that are learned; the backward pass goes to them, or to all inputs where there are none.
    ``extents`` has sizes by index letter (``n``) or by axis (``X.0``), and arrays or shapes by tensor.
    """
    behind = set() if loss is None else dependencies(program, loss)
    learned = [name for name in params if name in program.inputs]
    passed = Program(()) if loss is None else backward(program, loss, [n for n in learned if n in behind] or None)
    whole = joined(program, passed)
    sizes: dict[str, int] = {}
    shapes: dict[Name, tuple[int, ...]] = {}
    for name, what in (extents or {}).items():
        if isinstance(what, Integral):
            sizes[name] = int(what)
        elif name in whole.ranks:
            shape = getattr(what, "shape", what)
            require(name, shape, Sequence[int])
            shapes[name] = tuple(shape)
        else:
            raise unknown_tensor(whole, name)
    known = infer(whole, shapes, sizes) if scalars else told(whole, shapes, sizes)
    build = _Components if scalars else _Tensors
    return build(program, passed, set(learned), loss, known).graph()


class _Tensors:
    """The vertices and edges of whole tensors."""

    def __init__(self, program: Program, passed: Program, learned: set[str], loss: Name | None, known: Extents) -> None:
        self.program, self.passed, self.learned, self.loss, self.known = program, passed, learned, loss, known
        read = {name for names in program.reads.values() for name in names}
        self.outputs = {name for name in program.defined if name not in read}

    def graph(self) -> Graph:
        vertices = (Vertex(str(name), self.kind(name), self.text(name)) for name in self.order())
        pairs = ((str(name), f"d{name}") for name in self.order() if f"d{name}" in self.passed.defined)
        return Graph(tuple(vertices), tuple(self.edges()), tuple(pairs))

    def edges(self) -> Iterator[Edge]:
        for equation in self.program:
            yield from self.edges_of(equation, self.program.reads[equation.name])
        for equation in self.passed:
            yield from self.edges_of(equation, self.cotangents_read(equation), backward=True)

    def order(self) -> Iterator[Name]:
        """Every tensor, an input just before the first equation that reads it; then the cotangents."""
        seen: set[Name] = set()
        for equation in self.program:
            for name in (*self.program.reads[equation.name], equation.name):
                if name not in seen:
                    seen.add(name)
                    yield name
        yield from (equation.name for equation in self.passed)

    def kind(self, name: Name) -> Kind:
        if name in self.passed.defined:
            return "cotangent"
        if name in self.program.defined:
            return "output" if name in self.outputs else "equation"
        return "parameter" if name in self.learned else "input"

    def text(self, name: Name) -> str:
        defined = self.passed.defined.get(name) or self.program.defined.get(name)
        return str(name) if defined is None else show(defined)

    def cotangents_read(self, equation: Equation) -> tuple[Name, ...]:
        """The cotangents from which this one comes; where there is none, it comes from the scalar itself."""
        read = tuple(name for name in self.passed.reads[equation.name] if name in self.passed.defined)
        return read or (() if self.loss is None else (self.loss,))

    def edges_of(self, equation: Equation, read: Iterable[Name], backward: bool = False) -> Iterator[Edge]:
        _, shown = show_with_spans(equation)
        accesses = [node for node in preorder(equation.rhs) if isinstance(node, Indexed) and node in shown]
        for name in read:
            own = [access for access in accesses if access.tensor == name]
            lines = dict.fromkeys(_slots(access) for access in own if access.slots)
            shape = self.shape(name, own[0].slots) if own else ()
            yield Edge(str(name), str(equation.name), (*lines, *shape), backward)

    def shape(self, name: Name, slots: tuple[Affine, ...]) -> tuple[str, ...]:
        """``32×j``: the extents of a tensor where one is known, the letter of an axis where not."""
        known, dims = self.known.known, self.known.program.dims
        found = [known.get(dims.find(axis(name, position))) for position in range(len(slots))]
        if all(extent is None for extent in found):
            return ()
        letters = [lowered(form.index.name) if form.index is not None else "?" for form in slots]
        return ("×".join(letter if n is None else str(n) for n, letter in zip(found, letters, strict=True)),)


def _slots(access: Indexed) -> str:
    """What stands in the brackets; all of it for a partial derivative, ``dZ[n,j]/dX[m,p]``."""
    text = show(access)
    return text[len(access.tensor) + 1 : -1] if isinstance(access.tensor, str) else text


class _Components(_Tensors):
    """The vertices and edges of single components, for sizes that can be looked at."""

    def graph(self) -> Graph:
        shapes = {name: self.known.shape(name) for name in self.order() if self.known.program.ranks.get(name, -1) >= 0}
        count = sum(map(prod, shapes.values()))
        if count > MOST_COMPONENTS:
            raise ExtentError(
                f"the graph would have {count} components; more than {MOST_COMPONENTS} cannot be read",
                inferred=", ".join(
                    f"{name} has {'×'.join(map(str, shape))}" for name, shape in shapes.items() if shape
                ),
                repair=("give smaller extents", "or draw whole tensors, without scalars=True"),
            )
        vertices = [Vertex(entry, self.kind(name), entry) for name in self.order() for entry in self.names(name)]
        caption = tuple(map(show, (*self.program, *self.passed)))
        return Graph(tuple(vertices), tuple(self.edges()), self.rows(), caption, scalars=True)

    def rows(self) -> tuple[tuple[str, ...], ...]:
        """The components of the tensors that are as many steps from the inputs, and of their cotangents.

        An input stands one step before the first equation that reads it.
        """
        level: dict[Name, int] = {}
        for equation in self.program:
            read = self.program.reads[equation.name]
            level[equation.name] = 1 + max((level.get(name, 0) for name in read), default=0)
            for name in read:
                if name in self.program.inputs:
                    level[name] = min(level.get(name, level[equation.name] - 1), level[equation.name] - 1)
        rows: dict[int, list[str]] = {}
        for name in self.order():
            rows.setdefault(level[name if name in level else str(name)[1:]], []).extend(self.names(name))
        return tuple(tuple(row) for row in rows.values() if len(row) > 1)

    def components(self, name: Name) -> list[tuple[int, ...]]:
        """The positions in a tensor; none in one of which sizes alone are read."""
        if self.known.program.ranks.get(name, -1) < 0:
            return []
        return list(itertools.product(*map(range, self.known.shape(name))))

    def names(self, name: Name, positions: Iterable[tuple[int, ...]] | None = None) -> list[str]:
        """The names of components, ``X[0,1]``; of all where no positions are given."""
        positions = self.components(name) if positions is None else positions
        return [f"{name}[{','.join(map(str, position))}]" if position else str(name) for position in positions]

    def edges_of(self, equation: Equation, read: Iterable[Name], backward: bool = False) -> Iterator[Edge]:
        read = tuple(read)
        for position, target in zip(self.components(equation.name), self.names(equation.name), strict=True):
            found = sources(equation, position, self.known)
            for name in read:
                entries = [()] if backward and name == self.loss else sorted(found.get(name, ()))
                for source in self.names(name, entries):
                    yield Edge(source, target, backward=backward)


Environment = dict[Index, int]
RELATIONS = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip


def sources(equation: Equation, position: tuple[int, ...], extents: Extents) -> dict[Name, dict[tuple[int, ...], None]]:
    """The components from which one component is computed, by tensor.

    They are what the nested loop reads: a product with a bracket of indices that does not hold reads nothing.
    """

    def value(form: Affine | None, env: Environment) -> int | None:
        """The value of a form; None where it holds an entry of a tensor."""
        if form is None:
            return None
        total = form.constant
        for atom, k in form.terms:
            match atom:
                case Index():
                    total += k * env[atom]
                case Extent(index=index):
                    total += k * extents.of(equation, index)
                case _:
                    return None
        return total

    def holds(bracket: Node, env: Environment) -> bool:
        """Whether a bracket holds, as far as that depends on indices."""
        match bracket:
            case Delta(left=left, right=right):
                chain: tuple[tuple[Node, ...], tuple[str, ...]] = (left, right), ("==",)
            case Iverson(operands=operands, relations=relations):
                chain = operands, relations
            case _:
                return True
        values = [value(as_affine(operand), env) for operand in chain[0]]
        compared = zip(values, chain[1], values[1:], strict=False)
        return all(a is None or b is None or RELATIONS[relation](a, b) for a, relation, b in compared)

    found: dict[Name, dict[tuple[int, ...], None]] = {}
    stack: list[tuple[Node, Environment]] = [(equation.rhs, dict(zip(equation.indices, position, strict=True)))]
    seen: set[tuple[Node, tuple[int, ...]]] = set()
    while stack:
        node, env = stack.pop()
        key = node, tuple(env[index] for index in node.free)
        if key in seen:
            continue
        seen.add(key)
        match node:
            case Index() | Extent():
                continue
            case Mul(factors=factors) if not all(holds(factor, env) for factor in factors):
                continue
            case Sum(indices=indices, body=body) | Reduce(indices=indices, body=body):
                ranges = [range(extents.of(equation, index)) for index in indices]
                bound = (dict(zip(indices, values, strict=True)) for values in itertools.product(*ranges))
                stack += [(body, {**env, **values}) for values in bound]
                continue
            case Indexed(tensor=tensor, slots=slots):
                ranges = []
                for form, size in zip(slots, extents.shape(tensor), strict=True):
                    at = value(form, env)  # an entry of a tensor may be any position
                    ranges.append(range(size) if at is None else range(max(at, 0), min(at + 1, size)))
                found.setdefault(tensor, {}).update(dict.fromkeys(itertools.product(*ranges)))
        stack += [(child, env) for child in node.children]
    return found
