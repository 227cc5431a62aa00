"""The linearised graph of a program: an edge for each local partial, and vertices that can be removed from it.

Every equation ``Y[y] = ...`` that reads ``U`` is an edge, its local partial ``∂Y[y]/∂U[u]``, deltas as factors.
Removing a vertex ``U`` multiplies each edge into it with each edge out of it, deltas used up.  Where an edge that holds
a contraction is about to be multiplied again, its core gets a name and an equation of its own, ``dZdA[n,j,k]``, and the
edge becomes ``δ[n,m] dZdA[n,j,k]``.  So no equation grows with depth, and no core is computed twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from einstan.calculus.assume import assumed
from einstan.calculus.carried import (
    Brackets,
    beside_sums,
    brackets_of,
    entries_of,
    kinks_of,
    read_at_labels,
    written_brackets,
)
from einstan.calculus.collect import shortest
from einstan.calculus.finite import indices_moved, infinite_tensors, may_be_infinite
from einstan.calculus.hidden import behind_brackets
from einstan.calculus.named_cores import NamedCores, is_worth_naming, renamed, stem
from einstan.calculus.naming import ForwardNames, derived_equation
from einstan.calculus.partial import Differentiator, Kinks, denominator_indices, refuse_compared, scalars
from einstan.calculus.passes import reached, values_read
from einstan.calculus.poles import Poles
from einstan.calculus.program import InPart, Program, extents_behind, stated_extents
from einstan.calculus.ranges import Ranges
from einstan.calculus.scales import is_quotient
from einstan.calculus.simplify import simplify, simplify_product, simplify_sum
from einstan.calculus.stable import stabilised
from einstan.calculus.structure import structured
from einstan.language.errors import DifferentiationError, ProgramError, ScopeError, nearest
from einstan.language.index import Affine, Index, slot
from einstan.language.node import Node, holds, rewrite
from einstan.language.place import at
from einstan.language.term import ONE, ZERO, Equation, Expr, Indexed, Iverson, Name, Partial, tensors


class Linearised:
    """Edges by target and source: terms with the free indices of the target as it is read, and of the source.

    Where the numerator does not depend on the denominator, or no longer once it is simplified, ``live`` is empty and
    there are no edges.
    """

    def __init__(
        self,
        program: Program,
        of: Name,
        wrt: Name,
        kinks: Kinks | None,
        assume: bool,
        higher: bool,
    ) -> None:
        self.program, self.of, self.wrt = program, of, wrt
        self.forward = {e.name: e for e in stabilised(program, keep=(wrt,))}
        named = (e for e in self.forward.values() if e.name != of or is_quotient(e.rhs))
        self.names = ForwardNames(e for e in named if isinstance(e.name, str))
        self.assumptions = program.resolved_assumptions() if assume else ()
        self.stated = extents_behind(self.forward.values())
        self.extents = {(each.index.dim, each.extent) for each in self.stated if isinstance(each, InPart)}
        infinite = self.infinite = infinite_tensors(self.forward.values())
        self.poles = Poles(self.forward.values())
        forward = self.forward.values()
        self.brackets = written_brackets(forward, kinks_of(forward)) if infinite else set()
        self.said: dict[Name, tuple[tuple[Index, ...], Brackets]] = {}
        for equation in forward if self.brackets else ():
            if found := self._brackets(equation.rhs):
                self.said[equation.name] = equation.indices, found
        self.ranges = Ranges(self.forward.values())
        self.cores = NamedCores(program, self.stated, self.ranges, self.names.parts.known)
        self.live = self._live()
        self.widest = max(program.ranks.values(), default=0)
        self.inner: dict[Name, tuple[Index, ...]] = {}  # the indices of a tensor where it is read
        self.outer: dict[Name, tuple[Index, ...]] = {}  # the indices of a tensor where it is made
        self.edges: dict[Name, dict[Name, Expr]] = {}
        self.readers: dict[Name, set[Name]] = {}
        for number, each in enumerate((wrt, *self.live) if self.live else ()):
            self._number(each, number)
        for each in self.live:
            for source in (wrt, *self.live):
                if source in tensors(self.forward[each].rhs):
                    self._edge(each, source, self._local(self.forward[each], source, kinks))
        if not higher:
            refuse_compared(program.defined, [program[of]], wrt)

    def _brackets(self, value: Expr) -> Brackets:
        """What a value is zero without."""
        return tuple(dict.fromkeys(brackets_of((value,), self.brackets, self.said)))

    # ---- the graph ---------------------------------------------------------------------------------------------------

    def _live(self) -> list[Name]:
        """What depends on the denominator and what the numerator depends on, in order; the numerator is the last."""
        behind = _dependencies(self.forward, self.of)
        if self.wrt not in behind:
            return []
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
        self.outer[name] = tuple(Index(f"{stem(i)}{start + k}", i.dim) for k, i in enumerate(own))
        self.inner[name] = tuple(Index(f"{stem(i)}{start + self.widest + k}", i.dim) for k, i in enumerate(own))

    def _local(self, equation: Equation, source: Name, kinks: Kinks | None) -> Expr:
        """The local partial of one equation with respect to one tensor that it reads."""
        apart = tuple(Index(f"{i.name}'", i.dim) for i in self.inner[source])  # no letter of the equation's
        rule = Differentiator(source, apart, rename=self.names, kinks=kinks)
        total = simplify_sum(term.with_in_place(()) for term in rule.terms(equation.rhs))
        total = assumed(self.names(self._within(stated_extents(total, self.stated))), self.assumptions)
        old, new = (*equation.indices, *apart), (*self.outer[equation.name], *self.inner[source])
        return renamed(total, old, new)

    def _edge(self, target: Name, source: Name, value: Expr) -> None:
        if value is not ZERO:
            self.edges.setdefault(target, {})[source] = value
            self.readers.setdefault(source, set()).add(target)
        elif source in self.edges.get(target, ()):  # two ways that cancel
            del self.edges[target][source]
            self.readers[source].discard(target)

    # ---- a vertex removed --------------------------------------------------------------------------------------------

    def remove(self, vertex: Name) -> None:
        """Eliminate a vertex: the product of each edge into it with each edge out of it."""
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
        below = renamed(below, self.outer[vertex], self.inner[vertex])
        # What one of them is zero without guards the other one too.
        brackets = self._brackets(above) + self._brackets(below)
        product = simplify_product((above, below, *brackets), self.inner[vertex])
        known = self.edges.get(target, {}).get(source, ZERO)
        self._edge(target, source, self._tidy(simplify_sum((known, product)), target, source))

    def _tidy(self, value: Expr, target: Name, source: Name) -> Expr:
        """One term for each structure, forward values named, assumptions used."""
        value = assumed(self.names(value), self.assumptions)
        free = (*self.outer[target], *self.inner[source])
        terms = structured(value, free)
        if self.poles.has(value):
            terms = [replace(each, core=beside_sums(each.core, self.brackets)) for each in terms]
        whole = simplify_sum(each.whole(free) for each in terms)
        return self._within(stated_extents(whole, self.stated))  # of an index that a delta has used up, a range is left

    def _within(self, value: Expr) -> Expr:
        """An edge without the ranges that its indices have in any case."""

        def rule(node: Node) -> Node:
            match node:
                case Iverson(operands=(Affine(terms=(), constant=0), Affine(index=Index() as index), Affine() as end)):
                    return ONE if node.relations == ("<=", "<") and (index.dim, end) in self.extents else node
            return node

        return simplify(rewrite(value, rule)) if self.extents and holds(value, Iverson) else value

    def _named(self, value: Expr, target: Name, source: Name) -> Expr:
        """The edge with every core that must not be written twice as a tensor of its own."""
        free = (*self.outer[target], *self.inner[source])
        terms: list[Expr] = []
        for each in structured(value, free):
            core = each.core
            if is_worth_naming(core) and holds(core, Iverson):  # a bracket that was common to all terms is back in it
                core = self.names.parts(self.names(core))
                each = replace(each, core=core)
            if is_worth_naming(core):
                own = tuple(i for i in dict.fromkeys(each.axes) if i in core.free)
                access = self.cores.access(f"d{_plain(target)}d{_plain(source)}", own, core)
                if may_be_infinite(core, self.infinite):
                    self.infinite.add(access.tensor)
                self.poles.learn(access.tensor, core)
                # What it is multiplied with may be infinite, so brackets stay outside of its name too.
                outside = [*self._brackets(core)]
                moved = indices_moved(outside)  # what keeps such a bracket inside comes along
                outside += [entry for entry in entries_of(core) if self.poles.tensors or moved & set(entry.free)]
                outside += read_at_labels(core, self.brackets) if self.poles.tensors else ()
                each = replace(each, core=simplify_product((*outside, access)))
            terms.append(each.whole(free))
        return simplify_sum(terms)

    # ---- the result --------------------------------------------------------------------------------------------------

    def result(self, indices: Sequence[str] | None, name: Partial | None) -> Equation:
        """The equation of the edge that is left."""
        numerator = self.forward[self.of].indices
        slots = denominator(self.forward.values(), self.wrt, numerator, indices)
        total = self.edges.get(self.of, {}).get(self.wrt, ZERO)
        parts = self.names.parts
        total = shortest(assumed(self.names(total), self.assumptions), parts.behind, parts.known)
        total = self.names.orders(behind_brackets(total, self.infinite, parts.values))
        total = renamed(total, (*self.outer[self.of], *self.inner[self.wrt]), (*numerator, *slots))
        name = name or extended(self.of, len(numerator), self.wrt, len(slots))
        return derived_equation(name, (*numerator, *slots), total, self.stated, ranges=self.ranges)

    def needed(self, final: Equation) -> list[Equation]:
        """The equations of the program, and the cores that the result reads, directly or not."""
        known = {e.name: e for e in (*self.program.equations, *self.cores.equations)}
        keep: dict[Name, Equation] = {}
        stack = [final]
        while stack:
            equation = stack.pop()
            if equation.name not in keep:
                keep[equation.name] = equation
                reads = Program([equation]).reads[equation.name]
                stack.extend(known[name] for name in reads if name in known)
        order = [*self.program.equations, *self.cores.equations, final]
        return [e for e in order if e.name in keep]


# ---- pieces ----------------------------------------------------------------------------------------------------------


def denominator(
    equations: Iterable[Equation], wrt: Name, numerator: Sequence[Index], indices: Sequence[str] | None
) -> tuple[Index, ...]:
    """The slots of the denominator, by letters that are given or by the next ones that are free.

    The equations read or define it.
    """
    equations = tuple(equations)
    source = next((e for e in equations if wrt in tensors(e.rhs)), None)
    if source is None:
        own = next(e for e in equations if e.name == wrt)
        source = Equation(own.name, own.indices, Indexed(own.name, tuple(map(slot, own.indices))))
    found = denominator_indices(source, wrt, {i.name for i in numerator}, scalars(*equations))
    if indices is None:
        return found
    if len(indices) != len(found):
        raise ScopeError(f"{wrt} has {len(found)} slots, and {len(indices)} letters were given")
    return tuple(Index(new, old.dim) for new, old in zip(indices, found, strict=True))


def extended(of: Name, rank: int, wrt: Name, slots: int) -> Partial:
    """The name of the derivative of a tensor or of another derivative."""
    before = of if isinstance(of, Partial) else Partial(of, rank, ())
    return Partial(before.of, before.rank, (*before.wrt, (str(wrt), slots)))


def _plain(name: Name) -> str:
    """A tensor's name as part of another: that of a derivative has no strokes, and no label ends within a name."""
    return re.sub(r"\W", "", str(name))


def _dependencies(forward: Mapping[Name, Equation], name: Name) -> set[Name]:
    """The tensors whose values, and not only sizes, a tensor depends on."""
    return reached(values_read(forward.values()), name)


def refuse_independent(program: Program, of: Name, wrt: Name) -> None:
    """The error for a tensor whose values no equation behind the numerator reads."""
    if of not in program.defined:
        known = [str(name) for name in program.defined]
        raise ProgramError(
            f"no equation defines {of}",
            inferred="defined are " + ", ".join(known),
            repair=nearest(str(of), known) or "differentiate one of these",
        )
    behind = _dependencies(program.defined, of)
    if wrt not in behind:
        reached = [str(name) for name in program.ranks if name in behind]
        raise DifferentiationError(
            f"{of} does not depend on {wrt}",
            **at(program[of], of),
            inferred="it depends on " + (", ".join(reached) or "no tensor"),
            repair=nearest(str(wrt), reached) or "differentiate with respect to one of these",
        )
