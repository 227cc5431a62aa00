"""Jacobians through a program: the vertices of the linearised graph eliminated one by one, in a chosen order.

When only the edge from the denominator to the numerator is left, it is the Jacobian.  From the denominator on that is
forward mode, from the numerator back reverse mode.  Cross-country leaves the two ends, which are wide, to the last
(vectors first, deltas last) and takes the cheapest vertex between them; greedy takes the cheapest wherever it is.
Nothing here knows a layer, or whether an equation is a forward value or a cotangent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from einstan.calculus.linearised import Linearised, denominator, extended, refuse_independent
from einstan.calculus.naming import derived_equation
from einstan.calculus.partial import Kinks
from einstan.calculus.program import Program
from einstan.calculus.structure import Structured, structured
from einstan.language.errors import ProgramError
from einstan.language.index import Index
from einstan.language.term import ZERO, Equation, Name, Partial

ORDERS = ("cross-country", "greedy", "reverse", "forward")
NOMINAL = 16  # what an extent is taken for where no size is given


@dataclass(frozen=True)
class Jacobian:
    """The program that ends in a Jacobian, and the order in which its vertices were eliminated."""

    program: Program
    name: Partial
    order: str
    eliminated: tuple[Name, ...]

    @property
    def equation(self) -> Equation:
        return self.program[self.name]


def jacobian(
    program: Program,
    of: Name,
    wrt: Name,
    indices: Sequence[str] | None = None,
    *,
    order: str = "cross-country",
    sizes: Mapping[str, int] | None = None,
    name: Partial | None = None,
    mirror: Mapping[Name, Name] | None = None,
    kinks: Kinks | None = None,
    assume: bool = True,
) -> Jacobian:
    """The total derivative of a tensor as a program: what it reads, the cores on the way, and the Jacobian last.

    ``order`` is one of `ORDERS`; costs are those for ``sizes``, extents by dimension (16 where none is given).
    ``indices`` names the slots of the denominator, ``name`` the result.  ``mirror`` names the cotangent of each tensor,
    where the program is a gradient's: the graph is then its own mirror image, what is eliminated on one side is
    eliminated on the other (Gower and Mello, "A new framework for the computation of Hessians", 2012), and cores that
    are transposes of each other are one.  Raises `DifferentiationError` where ``of`` does not depend on ``wrt``, or
    only as an integer or through comparisons.
    """
    if order not in ORDERS:
        raise ProgramError(f"there is no order {order!r}", repair=f"choose one of {', '.join(ORDERS)}")
    higher = isinstance(name or of, Partial)
    if not higher or wrt not in program.ranks:
        refuse_independent(program, of, wrt)
    graph = Linearised(program, of, wrt, kinks, assume, higher)
    if not graph.live:  # as of a quadratic form, the third time, or of x - x
        return _zero(program, of, wrt, indices, name, order)
    eliminated = _eliminated(graph, order, sizes or {}, mirror or {})
    final = graph.result(indices, name)
    return Jacobian(Program(graph.needed(final), ()), final.name, order, tuple(eliminated))  # type: ignore[arg-type]


# ---- orders ----------------------------------------------------------------------------------------------------------


def _eliminated(graph: Linearised, order: str, sizes: Mapping[str, int], mirror: Mapping[Name, Name]) -> list[Name]:
    """Every vertex but the last, in the order that is asked for."""
    partner = {**mirror, **{cotangent: name for name, cotangent in mirror.items()}}
    waiting = [name for name in graph.live if name != graph.of]
    if order == "reverse":
        waiting.reverse()
    done: list[Name] = []
    costs: dict[Name, int] = {}
    while waiting:
        chosen = [waiting[0]]
        if order in ORDERS[:2]:
            costs.update((v, _cost(graph, v, sizes)) for v in waiting if v not in costs)
            if order == "greedy":
                chosen = [min(waiting, key=lambda v: (costs[v], _at_an_end(graph, v)))]
            else:
                chosen = [min(waiting, key=lambda v: (_at_an_end(graph, v), costs[v]))]
            chosen += [other for other in [partner.get(chosen[0])] if other in waiting and other != chosen[0]]
        for vertex in chosen:
            waiting.remove(vertex)
            for neighbour in (*graph.edges.get(vertex, ()), *graph.readers.get(vertex, ())):
                costs.pop(neighbour, None)
            graph.remove(vertex)
            done.append(vertex)
    return done


def _at_an_end(graph: Linearised, vertex: Name) -> bool:
    """Whether a vertex lies next to the denominator or the numerator, which tend to be wide."""
    return graph.wrt in graph.edges.get(vertex, ()) or graph.of in graph.readers.get(vertex, ())


def _cost(graph: Linearised, vertex: Name, sizes: Mapping[str, int]) -> int:
    """Multiplications that eliminating a vertex takes, by the indices that are left when deltas are used up."""
    above = [
        term
        for target in graph.readers.get(vertex, ())
        for term in structured(graph.edges[target][vertex], (*graph.outer[target], *graph.inner[vertex]))
    ]
    below = [
        (source, term)
        for source, value in graph.edges.get(vertex, {}).items()
        for term in structured(value, (*graph.outer[vertex], *graph.inner[source]))
    ]
    total = 0
    middle = dict(zip(graph.outer[vertex], graph.inner[vertex], strict=True))
    for one in above:
        for _, two in below:
            total += _size_of_product(one, two, middle, sizes)
    return total


def _size_of_product(one: Structured, two: Structured, middle: Mapping[Index, Index], sizes: Mapping[str, int]) -> int:
    moved = tuple(middle.get(i, i) for i in two.axes)
    count = len(middle)
    same: dict[Index, Index] = {}

    def find(i: Index) -> Index:
        while same.get(i, i) is not i:
            i = same[i]
        return i

    ends = one.axes[len(one.axes) - count :] if count else ()
    for a, b in zip(ends, moved[:count], strict=True):
        left, right = find(a), find(b)
        if left is not right:
            same[right] = left
    indices = {find(i) for i in one.core.free} | {find(middle.get(i, i)) for i in two.core.free}
    found = 1
    for index in indices:
        found *= sizes.get(index.dim, NOMINAL)
    return found


# ---- a derivative that vanishes --------------------------------------------------------------------------------------


def _zero(
    program: Program, of: Name, wrt: Name, indices: Sequence[str] | None, name: Partial | None, order: str
) -> Jacobian:
    """The derivative of a derivative that does not depend on the tensor any more."""
    equations = {e.name: e for e in program.resolved_all()}
    numerator = equations[of].indices
    slots = denominator(equations.values(), wrt, numerator, indices)
    name = name or extended(of, len(numerator), wrt, len(slots))
    final = derived_equation(name, (*numerator, *slots), ZERO)
    return Jacobian(Program((*program.equations, final)), name, order, ())
