"""Jacobians through a program: the linearised graph, and its vertices eliminated one by one.

Every equation ``Y[y] = ...`` that reads ``U`` is an edge, its local partial ``∂Y[y]/∂U[u]``, deltas as factors.
Eliminating a vertex ``U`` multiplies each edge into it with each edge out of it, deltas used up; when only the edge
from the denominator to the numerator is left, it is the Jacobian.  From the denominator on that is forward mode, from
the numerator back reverse mode.  Cross-country leaves the two ends, which are wide, to the last (vectors first, deltas
last) and takes the cheapest vertex between them; greedy takes the cheapest wherever it is.

Where an edge that holds a contraction is about to be multiplied again, its core gets a name and an equation of its
own, ``dZdA[n,j,k]``, and the edge becomes ``δ[n,m] dZdA[n,j,k]``.  So no equation grows with depth, and no core is
computed twice.  Nothing here knows a layer, or whether an equation is a forward value or a cotangent.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from einstan.calculus.assume import assumed
from einstan.calculus.canonical import canonical
from einstan.calculus.collect import shortest, size
from einstan.calculus.naming import ForwardNames, derived_equation
from einstan.calculus.partial import Differentiator, Kinks, denominator_indices, only_compared
from einstan.calculus.passes import dependencies
from einstan.calculus.program import Program, stated_extents
from einstan.calculus.simplify import simplify_product, simplify_sum
from einstan.calculus.stable import stabilised
from einstan.calculus.structure import structured
from einstan.language.dims import is_axis
from einstan.language.errors import DifferentiationError, ProgramError, ScopeError, nearest
from einstan.language.index import Index, fresh_name, lowered, slot
from einstan.language.node import postorder
from einstan.language.place import at
from einstan.language.term import (
    ZERO,
    Equation,
    Expr,
    Indexed,
    Name,
    Partial,
    Reduce,
    Sum,
    substitute,
    tensors,
)

ORDERS = ("cross-country", "greedy", "reverse", "forward")
LONG = 40  # an edge that is longer to read than this gets a name, contraction or not
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
    if isinstance(name or of, Partial) and wrt in program.ranks and wrt not in dependencies(program, of):
        return _zero(program, of, wrt, indices, name, order)  # as of a quadratic form, the third time
    graph = _Graph(program, of, wrt, kinks, assume, sizes or {}, higher=isinstance(name or of, Partial))
    eliminated = graph.eliminate(order, mirror or {})
    final = graph.result(indices, name)
    return Jacobian(Program(graph.needed(final), ()), final.name, order, tuple(eliminated))  # type: ignore[arg-type]


class _Graph:
    """Edges by target and source: terms with the free indices of the target as it is read, and of the source."""

    def __init__(
        self,
        program: Program,
        of: Name,
        wrt: Name,
        kinks: Kinks | None,
        assume: bool,
        sizes: Mapping[str, int],
        higher: bool,
    ) -> None:
        self.program, self.of, self.wrt, self.sizes = program, of, wrt, sizes
        self.forward = {e.name: e for e in stabilised(program, keep=(wrt,))}
        _check(program, of, wrt)
        self.names = ForwardNames(e for e in self.forward.values() if isinstance(e.name, str) and e.name != of)
        self.assumptions = program.resolved_assumptions() if assume else ()
        self.stated = [pair for e in self.forward.values() for pair in e.where if not is_axis(pair[0].dim)]
        self.taken = {str(n) for n in program.ranks}
        self.cores: list[Equation] = []
        self.made: dict[Expr, tuple[str, tuple[int, ...]]] = {}  # cores by what they are, and the order of their axes
        self.live = self._live()
        self.widest = max(program.ranks.values(), default=0)
        self.inner: dict[Name, tuple[Index, ...]] = {}  # the indices of a tensor where it is read
        self.outer: dict[Name, tuple[Index, ...]] = {}  # the indices of a tensor where it is made
        self.edges: dict[Name, dict[Name, Expr]] = {}
        self.readers: dict[Name, set[Name]] = {}
        for number, each in enumerate((wrt, *self.live)):
            self._number(each, number)
        for each in self.live:
            for source in (wrt, *self.live):
                if source in tensors(self.forward[each].rhs):
                    self._edge(each, source, self._local(self.forward[each], source, kinks))
        if not any(wrt in sources for sources in self.edges.values()) and not higher:
            raise only_compared(program[next(e.name for e in program if wrt in program.reads[e.name])], wrt)

    # ---- the graph ---------------------------------------------------------------------------------------------------

    def _live(self) -> list[Name]:
        """What depends on the denominator and what the numerator depends on, in order; the numerator is the last."""
        behind = _dependencies(self.forward, self.of)
        depends: dict[Name, None] = {self.wrt: None}
        for equation in self.forward.values():
            if equation.name != self.wrt and any(read in depends for read in tensors(equation.rhs)):
                depends[equation.name] = None
        return [n for n in depends if n != self.wrt and (n in behind or n == self.of)]

    def _number(self, name: Name, number: int) -> None:
        """Indices of a tensor that no other tensor has, once as the one that is made and once as one that is read."""
        if name in self.forward:
            own = self.forward[name].indices
        else:
            reader = next(e for e in self.forward.values() if name in tensors(e.rhs))
            own = denominator_indices(reader, name, set())
        start = 2 + 2 * number * self.widest
        self.outer[name] = tuple(Index(f"{_stem(i)}{start + k}", i.dim) for k, i in enumerate(own))
        self.inner[name] = tuple(Index(f"{_stem(i)}{start + self.widest + k}", i.dim) for k, i in enumerate(own))

    def _local(self, equation: Equation, source: Name, kinks: Kinks | None) -> Expr:
        """The local partial of one equation with respect to one tensor that it reads."""
        apart = tuple(Index(f"{i.name}'", i.dim) for i in self.inner[source])  # no letter of the equation's
        rule = Differentiator(source, apart, rename=self.names, kinks=kinks)
        total = simplify_sum(term.with_in_place(()) for term in rule.terms(equation.rhs))
        total = assumed(self.names(stated_extents(total, self.stated)), self.assumptions)
        old, new = (*equation.indices, *apart), (*self.outer[equation.name], *self.inner[source])
        return _renamed(total, old, new)

    def _edge(self, target: Name, source: Name, value: Expr) -> None:
        if value is not ZERO:
            self.edges.setdefault(target, {})[source] = value
            self.readers.setdefault(source, set()).add(target)
        elif source in self.edges.get(target, ()):  # two ways that cancel
            del self.edges[target][source]
            self.readers[source].discard(target)

    # ---- elimination -------------------------------------------------------------------------------------------------

    def eliminate(self, order: str, mirror: Mapping[Name, Name]) -> list[Name]:
        """Every vertex but the last, in the order that is asked for."""
        partner = {**mirror, **{cotangent: name for name, cotangent in mirror.items()}}
        waiting = [name for name in self.live if name != self.of]
        if order == "reverse":
            waiting.reverse()
        done: list[Name] = []
        costs: dict[Name, int] = {}
        while waiting:
            chosen = waiting[0]
            if order in ORDERS[:2]:
                costs.update((v, self._cost(v)) for v in waiting if v not in costs)
                chosen = min(waiting, key=lambda v: (self._at_an_end(v), costs[v]))
            elif order == "greedy":
                chosen = min(waiting, key=lambda v: (costs[v], self._at_an_end(v)))
            other = partner.get(chosen)
            both = other in waiting and order in ORDERS[:2]
            for vertex in (chosen, other) if both else (chosen,):
                waiting.remove(vertex)
                for neighbour in (*self.edges.get(vertex, ()), *self.readers.get(vertex, ())):
                    costs.pop(neighbour, None)
                self._remove(vertex)
                done.append(vertex)
        return done

    def _remove(self, vertex: Name) -> None:
        sources = self.edges.pop(vertex, {})
        targets = self.readers.pop(vertex, set())
        for source in sources:
            self.readers[source].discard(vertex)
        for target in sorted(targets, key=self.live.index):
            above = self._named(self.edges[target].pop(vertex), target, vertex) if sources else ZERO
            self.edges[target].pop(vertex, None)
            for source in sources:
                below = sources[source] = self._named(sources[source], vertex, source)
                self._join(target, vertex, source, above, below)

    def _join(self, target: Name, vertex: Name, source: Name, above: Expr, below: Expr) -> None:
        """The product of two edges, added to the edge that is there."""
        below = _renamed(below, self.outer[vertex], self.inner[vertex])
        product = simplify_product((above, below), self.inner[vertex])
        known = self.edges.get(target, {}).get(source, ZERO)
        self._edge(target, source, self._tidy(simplify_sum((known, product)), target, source))

    def _tidy(self, value: Expr, target: Name, source: Name) -> Expr:
        """One term for each structure, forward values named, assumptions used."""
        value = assumed(self.names(value), self.assumptions)
        free = (*self.outer[target], *self.inner[source])
        return simplify_sum(each.whole(free) for each in structured(value, free))

    def _named(self, value: Expr, target: Name, source: Name) -> Expr:
        """The edge with every core that must not be written twice as a tensor of its own."""
        free = (*self.outer[target], *self.inner[source])
        terms: list[Expr] = []
        for each in structured(value, free):
            core = each.core
            if _is_worth_naming(core):
                own = tuple(i for i in dict.fromkeys(each.axes) if i in core.free)
                core = self._core(f"d{_plain(target)}d{_plain(source)}", own, core)
                each = type(each)(each.axes, core)
            terms.append(each.whole(free))
        return simplify_sum(terms)

    def _core(self, wanted: str, own: tuple[Index, ...], core: Expr) -> Indexed:
        letters = _letters(own)
        rhs = shortest(_renamed(core, own, letters))
        access = tuple(map(slot, own))
        for known in (*self.program.equations, *self.cores):  # perhaps an earlier derivative has it
            alike = str(known.name).rstrip("0123456789") == wanted.rstrip("0123456789")
            if alike and derived_equation(known.name, letters, rhs, self.stated) is known:
                return Indexed(known.name, access)
        for arranged in _arrangements(own):
            if (known_as := self.made.get(_plainly(core, arranged))) is not None:  # perhaps with its axes turned
                name, positions = known_as
                slots = dict(zip(positions, arranged, strict=True))
                return Indexed(name, tuple(slot(slots[k]) for k in range(len(own))))
        name = fresh_name(wanted, self.taken)
        self.taken.add(name)
        arranged = _arrangements(own)[0]
        self.made[_plainly(core, arranged)] = name, tuple(own.index(i) for i in arranged)
        self.cores.append(derived_equation(name, letters, rhs, self.stated))
        return Indexed(name, access)

    def _at_an_end(self, vertex: Name) -> bool:
        """Whether a vertex lies next to the denominator or the numerator, which tend to be wide."""
        return self.wrt in self.edges.get(vertex, ()) or self.of in self.readers.get(vertex, ())

    def _cost(self, vertex: Name) -> int:
        """Multiplications that eliminating a vertex takes, by the indices that are left when deltas are used up."""
        above = [
            term
            for target in self.readers.get(vertex, ())
            for term in structured(self.edges[target][vertex], (*self.outer[target], *self.inner[vertex]))
        ]
        below = [
            (source, term)
            for source, value in self.edges.get(vertex, {}).items()
            for term in structured(value, (*self.outer[vertex], *self.inner[source]))
        ]
        total = 0
        middle = dict(zip(self.outer[vertex], self.inner[vertex], strict=True))
        for one in above:
            for _, two in below:
                total += self._size_of_product(one.axes, one.core, two.axes, two.core, middle)
        return total

    def _size_of_product(
        self,
        one: Sequence[Index],
        core: Expr,
        two: Sequence[Index],
        other: Expr,
        middle: Mapping[Index, Index],
    ) -> int:
        moved = tuple(middle.get(i, i) for i in two)
        count = len(middle)
        same: dict[Index, Index] = {}

        def find(i: Index) -> Index:
            while same.get(i, i) is not i:
                i = same[i]
            return i

        ends = one[len(one) - count :] if count else ()
        for a, b in zip(ends, moved[:count], strict=True):
            left, right = find(a), find(b)
            if left is not right:
                same[right] = left
        indices = {find(i) for i in core.free} | {find(middle.get(i, i)) for i in other.free}
        found = 1
        for index in indices:
            found *= self.sizes.get(index.dim, NOMINAL)
        return found

    # ---- the result --------------------------------------------------------------------------------------------------

    def result(self, indices: Sequence[str] | None, name: Partial | None) -> Equation:
        numerator = self.forward[self.of].indices
        denominator = _denominator(self.forward.values(), self.wrt, numerator, indices)
        total = self.edges.get(self.of, {}).get(self.wrt, ZERO)
        total = shortest(assumed(self.names(total), self.assumptions))
        total = _renamed(total, (*self.outer[self.of], *self.inner[self.wrt]), (*numerator, *denominator))
        name = name or _extended(self.of, len(numerator), self.wrt, len(denominator))
        return derived_equation(name, (*numerator, *denominator), total, self.stated)

    def needed(self, final: Equation) -> list[Equation]:
        """The equations of the program, and the cores that the result reads, directly or not."""
        known = {e.name: e for e in (*self.program.equations, *self.cores)}
        keep: dict[Name, Equation] = {}
        stack = [final]
        while stack:
            equation = stack.pop()
            if equation.name not in keep:
                keep[equation.name] = equation
                reads = Program([equation]).reads[equation.name]
                stack.extend(known[name] for name in reads if name in known)
        order = [*self.program.equations, *self.cores, final]
        return [e for e in order if e.name in keep]


# ---- pieces ----------------------------------------------------------------------------------------------------------


def _zero(
    program: Program, of: Name, wrt: Name, indices: Sequence[str] | None, name: Partial | None, order: str
) -> Jacobian:
    """The derivative of a derivative that does not depend on the tensor any more."""
    equations = {e.name: e for e in program.resolved_all()}
    numerator = equations[of].indices
    denominator = _denominator(equations.values(), wrt, numerator, indices)
    name = name or _extended(of, len(numerator), wrt, len(denominator))
    final = derived_equation(name, (*numerator, *denominator), ZERO)
    return Jacobian(Program((*program.equations, final)), name, order, ())


def _denominator(
    equations: Iterable[Equation], wrt: Name, numerator: Sequence[Index], indices: Sequence[str] | None
) -> tuple[Index, ...]:
    """The slots of the denominator, by letters that are given or by the next ones that are free."""
    source = next(e for e in equations if wrt in tensors(e.rhs))
    found = denominator_indices(source, wrt, {i.name for i in numerator})
    if indices is None:
        return found
    if len(indices) != len(found):
        raise ScopeError(f"{wrt} has {len(found)} slots, and {len(indices)} letters were given")
    return tuple(Index(new, old.dim) for new, old in zip(indices, found, strict=True))


def _extended(of: Name, rank: int, wrt: Name, slots: int) -> Partial:
    """The name of the derivative of a tensor or of another derivative."""
    before = of if isinstance(of, Partial) else Partial(of, rank, ())
    return Partial(before.of, before.rank, (*before.wrt, (str(wrt), slots)))


def _is_worth_naming(core: Expr) -> bool:
    """Whether a core holds a contraction, which another product around it would repeat, or is long to read."""
    return any(isinstance(node, Sum | Reduce) for node in postorder(core)) or size(core) > LONG


def _renamed(expr: Expr, old: Sequence[Index], new: Sequence[Index]) -> Expr:
    return substitute(expr, dict(zip(old, new, strict=True)))  # type: ignore[return-value]


def _stem(index: Index) -> str:
    return index.name.rstrip("0123456789'") or index.name


def _plain(name: Name) -> str:
    """A tensor's name as part of another: that of a derivative has no strokes."""
    return str(name).replace("/", "")


def _arrangements(own: Sequence[Index]) -> list[tuple[Index, ...]]:
    """Orders of indices in which two cores may be the same: by dimension, those of one dimension in every order."""
    by_dimension: dict[str, list[Index]] = {}
    for index in sorted(own, key=lambda i: i.dim):
        by_dimension.setdefault(index.dim, []).append(index)
    if any(len(alike) > 3 for alike in by_dimension.values()):
        return [tuple(i for alike in by_dimension.values() for i in alike)]
    orders = itertools.product(*(itertools.permutations(alike) for alike in by_dimension.values()))
    return [tuple(i for alike in order for i in alike) for order in orders]


def _plainly(core: Expr, own: Sequence[Index]) -> Expr:
    """A core without letters of its own."""
    return canonical(_renamed(core, own, [Index(f"x{k}", i.dim) for k, i in enumerate(own)]))


def _letters(own: Sequence[Index]) -> tuple[Index, ...]:
    """Readable letters for the indices of a core: their own, or the next ones that are free."""
    taken: set[str] = set()
    found: list[Index] = []
    for index in own:
        letter = lowered(_stem(index))
        following = (chr(c) for c in (*range(ord(letter[0]), ord("z") + 1), *range(ord("a"), ord(letter[0]))))
        name = letter if letter not in taken else next((c for c in following if c not in taken), "")
        name = name or fresh_name(letter, taken)
        taken.add(name)
        found.append(Index(name, index.dim))
    return tuple(found)


def _dependencies(forward: Mapping[Name, Equation], name: Name) -> set[Name]:
    found: set[Name] = set()
    queue = [name]
    while queue:
        equation = forward.get(queue.pop())
        for read in tensors(equation.rhs) if equation is not None else ():
            if read not in found:
                found.add(read)
                queue.append(read)
    return found


def _check(program: Program, of: Name, wrt: Name) -> None:
    if of not in program.defined:
        known = [str(name) for name in program.defined]
        raise ProgramError(
            f"no equation defines {of}",
            inferred="defined are " + ", ".join(known),
            repair=nearest(str(of), known) or "differentiate one of these",
        )
    behind = dependencies(program, of)
    if wrt not in behind:
        reached = [str(name) for name in program.ranks if name in behind]
        raise DifferentiationError(
            f"{of} does not depend on {wrt}",
            **at(program[of], of),
            inferred="it depends on " + (", ".join(reached) or "no tensor"),
            repair=nearest(str(wrt), reached) or "differentiate with respect to one of these",
        )
