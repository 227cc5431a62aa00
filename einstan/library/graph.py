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
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from einstan.calculus.backward import backward, joined
from einstan.calculus.program import Program
from einstan.language.dims import axis
from einstan.language.errors import ExtentError
from einstan.language.index import Affine, Index, lowered
from einstan.language.node import Node, preorder
from einstan.language.show import show, show_with_spans
from einstan.language.term import Delta, Equation, Extent, Indexed, Iverson, Mul, Name, Reduce, Sum
from einstan.machine.extents import Extents, infer
from einstan.machine.guards import as_affine, is_index_bracket

Kind = Literal["input", "parameter", "equation", "output", "cotangent"]
MOST_COMPONENTS = 200


@dataclass(frozen=True)
class Vertex:
    """A tensor or a component: its name, what it is, and what is written in it."""

    name: str
    kind: Kind
    text: str


@dataclass(frozen=True)
class Edge:
    """From what is read to what reads it; ``lines`` is what is written on it."""

    source: str
    target: str
    lines: tuple[str, ...] = ()
    backward: bool = False


@dataclass(frozen=True)
class Group:
    """The components of one tensor, and the equation that defines it."""

    text: str
    vertices: tuple[Vertex, ...]


@dataclass(frozen=True)
class Graph:
    """Vertices in groups of one, or on the scalar level of one tensor each, in the order of evaluation.

    ``pairs`` are tensors with their cotangents, which a drawing may put side by side.
    """

    groups: tuple[Group, ...]
    edges: tuple[Edge, ...]
    pairs: tuple[tuple[str, str], ...] = ()
    scalars: bool = False

    @property
    def vertices(self) -> tuple[Vertex, ...]:
        return tuple(vertex for group in self.groups for vertex in group.vertices)


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
    learned = [name for name in params if name in program.inputs]
    passed = Program(()) if loss is None else backward(program, loss, learned or None)
    whole = joined(program, passed)
    given = dict(extents or {})
    shapes: dict[Name, tuple[int, ...]] = {
        name: tuple(getattr(what, "shape", what)) for name, what in given.items() if not isinstance(what, int)
    }
    sizes = {name: what for name, what in given.items() if isinstance(what, int)}
    known = infer(whole, shapes, sizes, only=None if scalars else ())
    build = _Components if scalars else _Tensors
    return build(program, passed, set(learned), loss, known).graph()


class _Tensors:
    """The vertices and edges of whole tensors."""

    def __init__(
        self, program: Program, passed: Program, learned: set[str], loss: Name | None, known: Extents
    ) -> None:
        self.program, self.passed, self.learned, self.loss, self.known = program, passed, learned, loss, known
        read = {name for names in program.reads.values() for name in names}
        self.outputs = {name for name in program.defined if name not in read}

    def graph(self) -> Graph:
        named = {str(name): f"d{name}" for name in self.program.ranks if f"d{name}" in self.passed.defined}
        groups = [self.group(name) for name in self.order()]
        edges = [edge for equation in self.program for edge in self.edges_of(equation, self.program.reads[equation.name])]
        for equation in self.passed:
            edges += self.edges_of(equation, self.cotangents_read(equation), backward=True)
        return Graph(tuple(groups), tuple(edges), tuple(named.items()))

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

    def group(self, name: Name) -> Group:
        return Group("", (Vertex(str(name), self.kind(name), self.text(name)),))

    def cotangents_read(self, equation: Equation) -> tuple[Name, ...]:
        """The cotangents from which this one comes; where there is none, it comes from the scalar itself."""
        read = tuple(name for name in self.passed.reads[equation.name] if name in self.passed.defined)
        return read or (() if self.loss is None else (self.loss,))

    def edges_of(self, equation: Equation, read: Iterable[Name], backward: bool = False) -> Iterator[Edge]:
        _, shown = show_with_spans(equation)
        accesses = [node for node in preorder(equation.rhs) if isinstance(node, Indexed) and node in shown]
        for name in read:
            own = [access.slots for access in accesses if access.tensor == name]
            lines = dict.fromkeys(",".join(map(show, slots)) for slots in own if slots)
            yield Edge(str(name), str(equation.name), (*lines, *self.shape(name, own)), backward)

    def shape(self, name: Name, slots: list[tuple[Affine, ...]]) -> tuple[str, ...]:
        """``32×j``: the extents of a tensor where one is known, the letter of an axis where not."""
        if not slots or not slots[0]:
            return ()
        dims = [self.known.program.dims.find(axis(name, k)) for k in range(len(slots[0]))]
        if not any(dim in self.known.known for dim in dims):
            return ()
        letters = [lowered(form.index.name) if form.index is not None else "?" for form in slots[0]]
        return ("×".join(str(self.known.known.get(*pair)) for pair in zip(dims, letters, strict=True)),)


class _Components(_Tensors):
    """The vertices and edges of single components, for sizes that can be looked at."""

    def graph(self) -> Graph:
        count = sum(len(self.components(name)) for name in self.order())
        if count > MOST_COMPONENTS:
            raise ExtentError(
                f"the graph would have {count} components, more than {MOST_COMPONENTS}",
                inferred=[f"{name} has {'×'.join(map(str, self.known.shape(name)))}" for name in self.order() if self.known.shape(name)],
                repair=("give smaller extents", "or draw whole tensors, without scalars=True"),
            )
        groups = [self.group(name) for name in self.order() if self.components(name)]
        edges = [edge for e in self.program for edge in self.edges_of(e, self.program.reads[e.name])]
        for equation in self.passed:
            edges += self.edges_of(equation, self.cotangents_read(equation), backward=True)
        return Graph(tuple(groups), tuple(edges), scalars=True)

    def components(self, name: Name) -> list[tuple[int, ...]]:
        """The positions in a tensor; none in one of which sizes alone are read."""
        if self.known.program.ranks.get(name, -1) < 0:
            return []
        return list(itertools.product(*map(range, self.known.shape(name))))

    def group(self, name: Name) -> Group:
        kind = self.kind(name)
        return Group(self.text(name), tuple(Vertex(n, kind, n) for n in self.names(name, self.components(name))))

    def names(self, name: Name, positions: Iterable[tuple[int, ...]]) -> Iterator[str]:
        for position in positions:
            yield f"{name}[{','.join(map(str, position))}]" if position else str(name)

    def edges_of(self, equation: Equation, read: Iterable[Name], backward: bool = False) -> Iterator[Edge]:
        wanted = set(read)
        for position, target in zip(
            self.components(equation.name), self.names(equation.name, self.components(equation.name)), strict=True
        ):
            found = sources(equation, position, self.known)
            if backward and self.loss in wanted:
                found = {self.loss: {(): None}}
            for name in sorted(wanted & set(found), key=str):
                for source in self.names(name, sorted(found[name])):
                    yield Edge(source, target, backward=backward)


Environment = dict[Index, int]
RELATIONS = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip


def sources(equation: Equation, position: tuple[int, ...], extents: Extents) -> dict[Name, dict[tuple[int, ...], None]]:
    """The components from which one component is computed, by tensor.

    They are what the nested loop reads: a product with a bracket of indices that does not hold reads nothing.
    """

    def value(form: Affine, env: Environment) -> int | None:
        """The value of a slot; None where it holds an entry of a tensor."""
        total = form.constant
        for atom, k in form.terms:
            if isinstance(atom, Indexed):
                return None
            total += k * (env[atom] if isinstance(atom, Index) else extents.of(equation, atom.index))  # type: ignore[attr-defined]
        return total

    def holds(bracket: Node, env: Environment) -> bool:
        """Whether a bracket of indices holds, as far as no tensor is read in it."""
        operands = (bracket.left, bracket.right) if isinstance(bracket, Delta) else bracket.operands  # type: ignore[attr-defined]
        relations = ("==",) if isinstance(bracket, Delta) else bracket.relations  # type: ignore[attr-defined]
        forms = [as_affine(operand) for operand in operands]
        values = [None if form is None else value(form, env) for form in forms]
        chain = zip(values, relations, values[1:], strict=False)
        return all(a is None or b is None or RELATIONS[relation](a, b) for a, relation, b in chain)

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
            case Mul(factors=factors) if not all(holds(f, env) for f in factors if is_index_bracket(f)):
                continue
            case Delta() | Iverson() if is_index_bracket(node) and not holds(node, env):
                continue
            case Sum(indices=indices, body=body) | Reduce(indices=indices, body=body):
                ranges = [range(extents.of(equation, index)) for index in indices]
                stack += [(body, {**env, **dict(zip(indices, values, strict=True))}) for values in itertools.product(*ranges)]
                continue
            case Indexed(tensor=tensor, slots=slots):
                values = [value(form, env) for form in slots]
                whole = extents.shape(tensor)
                ranges = [range(n) if v is None else range(max(v, 0), min(v + 1, n)) for v, n in zip(values, whole, strict=True)]
                found.setdefault(tensor, {}).update(dict.fromkeys(itertools.product(*ranges)))
        stack += [(child, env) for child in node.children]
    return found
