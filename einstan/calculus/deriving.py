"""How the steps of a derivation are made, as a person would make them on paper.

The gradient of a scalar is derived from the end: one derivation for every cotangent on the way.  The derivative of a
tensor is derived from the start: one for every tensor between the two, each of which the next puts in.  In both, an
expression is differentiated, the derivative of an entry is a product of deltas, the deltas are used up, forward values
get their names again, assumptions are used, and what all terms share is collected.  A step that would change nothing,
or only the order of terms, is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from einstan.calculus.alpha import alpha
from einstan.calculus.assume import assumed
from einstan.calculus.backward import backward
from einstan.calculus.canonical import canonical
from einstan.calculus.derivation import Chain, Derivation, Derivations, Step, derivative_name, is_own
from einstan.calculus.naming import ForwardNames, derived_equation
from einstan.calculus.partial import Differentiator, Term, denominator_indices, partial, scalars
from einstan.calculus.passes import between, cotangent_names, values_read
from einstan.calculus.program import Program, extents_behind, stated_extents
from einstan.calculus.proof import prove
from einstan.calculus.ranges import Ranges
from einstan.calculus.simplify import simplify, simplify_product
from einstan.calculus.stable import differentiable
from einstan.calculus.stages import (
    as_deltas,
    functions,
    listed,
    put_in,
    reads_of,
    rules_of,
    tidy,
    used_up,
    what_happened,
)
from einstan.language.dims import axis
from einstan.language.index import Index, slot
from einstan.language.term import (
    ZERO,
    Equation,
    Expr,
    Indexed,
    Name,
    Partial,
    add,
    mul,
    substitute,
    sum_over,
    tensors,
)


@dataclass(frozen=True)
class Reading:
    """A place where an equation reads a tensor that matters: the derivative of its right side there.

    ``seed`` are factors that stand before it, summed over ``bound``; ``name`` is that of the derivative of what is
    read, the last ``below`` slots of which are the letters of the denominator.
    """

    terms: tuple[Term, ...]
    seed: tuple[Expr, ...]
    bound: tuple[Index, ...]
    name: Partial
    below: tuple[Index, ...]

    def written(self) -> Iterable[Expr]:
        """The terms with the derivative of the entry by name."""
        for term in self.terms:
            apart = term.apart_from((*self.bound, *(index for factor in self.seed for index in factor.free)))
            entry = Indexed(self.name, (*(left for left, _ in apart.pairs), *map(slot, self.below)))
            yield simplify_product((*apart.left, *self.seed, entry, *apart.right), (*self.bound, *apart.bound))


def derivation(program: Program, of: Name, wrt: Name) -> Derivations:
    """The steps to ``d of / d wrt``, one derivation after the other.

    Raises `ProgramError` and `DifferentiationError` as `backward` and `partial` do.
    """
    made = _Deriving(program, of, wrt)
    return Derivations(made.cotangents() if made.gradient else made.partials())


class _Deriving:
    """What the derivations for one program, numerator and denominator share."""

    def __init__(self, program: Program, of: Name, wrt: Name) -> None:
        self.program, self.of, self.wrt = program, of, wrt
        forward = differentiable(program, of, wrt, keep=[wrt])
        self.forward = {e.name: e for e in forward}
        self.reads = reads = values_read(forward)
        live = between(forward, reads, [wrt], [of])
        self.called = cotangent_names(program, forward, [wrt], [of])
        self.inner = [name for name in self.forward if name in live and name not in (of, wrt)]
        self.gradient = not program[of].indices and bool(self.inner)
        hidden = (of,) if self.gradient else ()  # a gradient does not name the scalar itself
        self.names = ForwardNames(e for e in self.forward.values() if isinstance(e.name, str) and e.name not in hidden)
        self.assumptions = program.resolved_assumptions()
        self.stated, self.ranges = extents_behind(program.resolved_all()), Ranges(forward)
        self.scalars = scalars(*self.forward.values())

    # ---- from the start ----------------------------------------------------------------------------------------------

    def partials(self) -> Iterable[Derivation]:
        """Tensor after tensor, the derivatives of those before put in."""
        found: dict[Name, Equation] = {}
        for name in (*self.inner, self.of):
            equation = self.forward[name]
            others = {other: e for other, e in self.forward.items() if other != name}
            final = partial(equation, self.wrt, None, others, self.names, None, self.assumptions)
            whole = Program((*self.program.equations, final), self.program.assumptions)
            resolved = whole.resolved(final)
            below = resolved.indices[len(equation.indices) :]
            apart = _apart(below)
            readings = []
            for read in self.reads[name]:
                if read in (*self.inner, self.wrt):
                    rank = self._rank(read)
                    own = tuple(Index(f"{k}'", self.program.dims.find(axis(str(read), k))) for k in range(rank))
                    below_own = apart if read == self.wrt else own
                    terms = Differentiator(read, below_own, on_paper=True).terms(equation.rhs)
                    entry = derivative_name(read, rank, str(self.wrt), len(below))
                    readings.append(Reading(terms, (), (), entry, apart))
            steps = [(rules_of(equation.rhs, {*self.inner, self.wrt}), _sum(readings))]
            yield self._derivation(self.program, final, resolved, apart, steps, [equation], found)
            found[final.name] = resolved

    # ---- from the end ------------------------------------------------------------------------------------------------

    def cotangents(self) -> Iterable[Derivation]:
        """Cotangent after cotangent, each from those of the equations that read its tensor."""
        gradients = backward(self.program, self.of, [self.wrt])
        made: list[Equation] = list(gradients)
        whole = Program((*self.program.equations, *made), self.program.assumptions)
        known = {str(e.name) for e in made}
        for tensor in (*reversed(self.inner), self.wrt):
            readers = [e for e in self.forward.values() if tensor in self.reads[e.name]]
            readers = [e for e in readers if e.name == self.of or self.called.get(e.name) in known]
            if not readers:
                continue
            final = next((e for e in made if e.name == self.called[tensor]), None)
            below = denominator_indices(readers[0], tensor, set(), self.scalars)
            apart = _apart(below)
            self.ranges.learn(self.called[tensor], below)
            own = derivative_name(tensor, len(below), str(tensor), len(below))
            readings = []
            for reader in readers:
                seed = () if reader.name == self.of else (Indexed(self.called[reader.name], reader.lhs.slots),)
                terms = Differentiator(tensor, apart, on_paper=True).terms(reader.rhs)
                readings.append(Reading(terms, seed, reader.indices if seed else (), own, apart))
            if not any(reading.terms for reading in readings):
                continue  # it is read in comparisons alone
            rules = ", ".join(dict.fromkeys(rules_of(reader.rhs, {tensor}) for reader in readers))
            steps = [(rules, _sum(readings))]
            if any(set(self._depending(tensor)) & set(self.reads[reader.name]) for reader in readers):
                steps = [(f"chain rule, {rules}", steps[0][1])]
            elif self.called[tensor] == f"d{tensor}":  # the gradient through some of its readers has no other name
                reason = "chain rule" if any(reading.seed for reading in readings) else f"gradient of {self.of}"
                steps.insert(0, (reason, add(self._chain(reader, tensor, apart) for reader in readers)))
            if final is None:  # a cotangent that the backward pass has no need to name
                side = substitute(simplify(used_up(steps[-1][1])), dict(zip(apart, below, strict=True)))
                final = derived_equation(self.called[tensor], below, side, self.stated)
                made.append(final)
                known.add(str(final.name))
                whole = Program((*self.program.equations, *made), self.program.assumptions)
            yield self._derivation(whole, final, whole.resolved(final), apart, steps, readers, {})

    def _depending(self, tensor: Name) -> list[Name]:
        """The tensors through which others come to depend on a tensor."""
        found: set[Name] = {tensor}
        for name, read in self.reads.items():
            if found & set(read):
                found.add(name)
        return [name for name in found if name != tensor]

    def _chain(self, reader: Equation, tensor: Name, below: tuple[Index, ...]) -> Expr:
        """``dZ[N,J] dZ[N,J]/dX[m,k]``; for the scalar itself its derivative alone."""
        name = derivative_name(reader.name, len(reader.indices), str(tensor), len(below))
        local = Indexed(name, (*reader.lhs.slots, *map(slot, below)))
        if reader.name == self.of:
            return local
        bound = set(reader.indices)
        product = mul((Indexed(self.called[reader.name], reader.lhs.slots), local))
        return sum_over((index for index in product.free if index in bound), product)

    # ---- one derivation ----------------------------------------------------------------------------------------------

    def _derivation(
        self,
        program: Program,
        final: Equation,
        resolved: Equation,
        apart: tuple[Index, ...],
        started: Sequence[tuple[str, Expr]],
        readers: Sequence[Equation],
        found: Mapping[Name, Equation],
    ) -> Derivation:
        """The steps from the derivative as it was first written to the final equation, which is ``resolved`` in the
        dimensions of the program."""
        letters = dict(zip(apart, resolved.indices[len(resolved.indices) - len(apart) :], strict=True))
        stages = list(started)

        def then(reason: str, expr: Expr) -> None:
            if alpha(expr) is not alpha(stages[-1][1]):
                stages.append((reason, expr))

        own = next((n for n in tensors(stages[-1][1]) if is_own(n)), None)
        if isinstance(own, Partial) and not own.rank:
            then(f"the derivative of {own.of} by itself is 1", tidy(simplify(as_deltas(stages[-1][1]))))
        else:
            then("the partial of an entry is a delta", as_deltas(stages[-1][1]))
        inner = [name for name in tensors(stages[-1][1]) if name in found]
        if inner:
            then(f"{listed(map(str, inner))} put in", tidy(put_in(stages[-1][1], found)))
        before = stages[-1][1]
        used = tidy(simplify(stated_extents(before, self.stated)))
        then(what_happened(before, used), used)
        named = tidy(simplify(self.names(stages[-1][1])))
        new = [str(name) for name in tensors(named) if name not in tensors(stages[-1][1])]
        then(f"{listed(new) or 'forward values'} named again", named)
        then("the assumption used", tidy(simplify(assumed(stages[-1][1], self.assumptions))))
        last, extra = self._last(stages[-1][1], substitute(resolved.rhs, {b: a for a, b in letters.items()}))

        steps: list[Step] = []
        for reason, expr in stages:
            side = stated_extents(substitute(expr, letters), self.stated)
            equation = derived_equation(final.name, resolved.indices, side, self.stated, ranges=self.ranges, tied=True)
            if not steps or equation is not steps[-1].equation:
                steps.append(Step(equation, reason))
        if last is None:
            steps[-1] = Step(final, steps[-1].reason)
        else:
            steps.append(Step(final, last))
        shown = dict.fromkeys([*(reader.name for reader in readers), *extra])
        definitions = tuple(self._definition(name) for name in shown)
        return Derivation(tuple(steps), program, program.assumptions, definitions)

    def _last(self, expr: Expr, final: Expr) -> tuple[str | None, list[Name]]:
        """Why the final form follows from the last stage, and the definitions that this needs; None where it is the
        same but for letters and order."""
        if alpha(expr) is alpha(final):
            return None, []
        if canonical(expr) is canonical(final) or prove(expr, final):
            return "collected", []
        single: list[list[Name]] = [[name] for name in self.forward if isinstance(name, str)]
        for names in (*single, list(self.forward)):
            if prove(expr, final, {name: self.forward[name] for name in names}):
                new = [name for name in names if reads_of(final, name) > reads_of(expr, name)]
                if new:
                    return f"{listed(map(str, new))} named again, collected", []
                return f"{listed(map(str, names))} put in, cancelled", list(names)
        return "the assumption used" if self.assumptions else "simplified", []

    def _definition(self, name: Name) -> Chain:
        """The equation as it was written, and as it is differentiated where that is different to read."""
        written = self.program.resolved(self.program.defined[name])
        as_given = self.program.defined[name]
        stable = self.forward[name]
        if functions(written.rhs) == functions(stable.rhs):
            return (Step(as_given, "definition"),)
        read = [str(n) for n in tensors(written.rhs) if n in self.forward and n not in tensors(stable.rhs)]
        done = [f"{listed(read)} put in"] if read else []
        logs = [functions(rhs).count("log") for rhs in (written.rhs, stable.rhs)]
        done += ["logarithm taken"] if logs[1] < logs[0] else [] if read else ["exponentials merged"]
        reason = ", ".join(done)
        rewritten = derived_equation(name, stable.indices, tidy(stable.rhs), self.stated)
        return (Step(as_given, "definition"), Step(rewritten, reason))

    def _rank(self, name: Name) -> int:
        return self.program.ranks[name]


def _sum(readings: Iterable[Reading]) -> Expr:
    terms = (term for reading in readings for term in reading.written())
    return tidy(add(term for term in terms if term is not ZERO))


def _apart(indices: tuple[Index, ...]) -> tuple[Index, ...]:
    return tuple(Index(f"{index.name}'", index.dim) for index in indices)


# ---- reasons ---------------------------------------------------------------------------------------------------------
