"""A part of a document as a program: what is defined, what is only given, and the derivatives of both.

A tensor that is *given*, ``given S(z[K])``, is any differentiable function of what it names.  For first derivatives any
such function is, at any one point, ``S(0) + sum[K](∂S/∂z[K] z[K])`` with numbers ``S(0)`` and ``∂S/∂z`` that can be
anything; so that is the equation that stands for it.  The offset matters: without it, ``S = ∂S/∂z[K] z[K]`` would
follow.  A second derivative would see that the stand-in is straight, and is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product

from einstan.calculus.partial import Differentiator, inlined
from einstan.calculus.program import Assumption, Identity, Program, refuse_several_ranges
from einstan.calculus.proof import prove
from einstan.calculus.simplify import simplify, simplify_sum
from einstan.language.dims import axis, is_axis, redimensioned
from einstan.language.errors import DifferentiationError, ProgramError
from einstan.language.functions import FUNCTIONS
from einstan.language.index import Index, lowered, slot
from einstan.language.node import Node, preorder, replace
from einstan.language.statement import Claim, Convention, Document, Given
from einstan.language.term import (
    ZERO,
    Delta,
    Equation,
    Expr,
    Extent,
    Indexed,
    Iverson,
    Name,
    Partial,
    add,
    mul,
    substitute,
    sum_over,
    tensors,
)
from einstan.language.threads import cached_property
from einstan.library.kinks import Kink, compared_by_equality, extremes, stepped_over
from einstan.machine.sizes.guards import index_tensors


class Part:
    """The definitions, gifts, assumptions and conventions of one part, and the derivatives that its claims name.

    ``definitions`` have the dimensions of `program` and no derivative on their right sides: ``H[i,j] = dL/dw[i]dw[j]``
    has been differentiated.
    """

    def __init__(self, document: Document) -> None:
        given = [s.content for s in document.statements if isinstance(s.content, Given)]
        self.conventions = [s.content for s in document.statements if isinstance(s.content, Convention)]
        self._ties = [
            claim
            for claim in document.assumptions
            if not any(isinstance(side, Iverson) for side in (claim.lhs, claim.rhs))
        ]
        behind = _behind(document) if given else {}
        stand_ins = [stand_in(g, behind) for g in given]
        self.given = {str(equation.name) for equation in stand_ins}
        self.opaque = {name for e in stand_ins for name in tensors(e.rhs)} - {
            argument.tensor for g in given for argument in g.arguments
        }
        self.program = Program((*document.equations, *stand_ins), document.assumptions)
        self.kinks = {c.function: [chosen_partial(c)] for c in self.conventions}
        self.extremes = extremes(document.equations)
        self.special = compared_by_equality((e.rhs for e in document.equations), self.extremes)
        self.document = document
        self._order = {equation.name: k for k, equation in enumerate(self.program)}
        self._definitions: dict[Name, Equation] = {}
        self._derivatives: dict[Name, Equation] = {}
        self._open: set[Name] = set()
        self.jumps: dict[Name, list[Kink]] = {}  # derivatives that are zero but where brackets jump

    # ---- derivatives ---------------------------------------------------------------------------------------------

    def is_derivative(self, name: Name) -> bool:
        """Whether a name is a derivative: ``dZ/dX``, or ``dX`` where there is a tensor X."""
        if isinstance(name, Partial):
            return True
        return name.startswith("d") and name not in self.program.defined and name[1:] in self.program.ranks

    def definition(self, name: Name) -> Equation:
        if name not in self._definitions:
            if name in self._open:
                raise ProgramError(f"the definition of {name} reads a derivative of {name}")
            self._open.add(name)
            try:
                equation = self.program.resolved(self.program[name])
                rhs = equation.rhs if name in self.given else self.with_told(self.with_derivatives(equation.rhs))
            finally:
                self._open.discard(name)
            self._definitions[name] = Equation(name, equation.indices, rhs, equation.where)
        return self._definitions[name]

    @cached_property
    def gathers(self) -> dict[Name, list[Name]]:
        """For each tensor that stands in slots, the definitions where it does: whatever reads it, it holds labels."""
        found: dict[Name, list[Name]] = {}
        for equation in self.program.equations:
            for name in index_tensors([equation]):
                found.setdefault(name, []).append(equation.name)
        return found

    def behind(self, *roots: Expr) -> dict[Name, Equation]:
        """The definitions that expressions rest on."""
        found: dict[Name, Equation] = {}
        queue = list(roots)
        while queue:
            for name in tensors(queue.pop()):
                if name in self.program.defined and name not in found:
                    found[name] = self.definition(name)
                    queue.append(found[name].rhs)
        return found

    def with_derivatives(self, expr: Expr, dims: Mapping[str, str] | None = None) -> Expr:
        """The expression with every derivative in it worked out; ``dims`` renames the dimensions of the derivatives."""
        accesses: dict[Expr, Expr] = {}
        for node in preorder(expr):
            if isinstance(node, Indexed) and self.is_derivative(node.tensor):
                derivative = self.derivative(node.tensor)
                if len(node.slots) != len(derivative.indices):
                    raise DifferentiationError(
                        f"{node.tensor} has {len(derivative.indices)} slots, not {len(node.slots)}"
                    )
                if dims is not None:
                    derivative = redimensioned(derivative, dict(dims))
                accesses[node] = inlined(node, derivative)
        return replace(expr, accesses) if accesses else expr

    def derivative(self, name: Name) -> Equation:
        """A total derivative through every definition, as an equation; ``dX`` is that of the part's scalar."""
        if name not in self._derivatives:
            whole = name
            if isinstance(name, str):
                whole = Partial(self.loss(name[1:]), 0, ((name[1:], self.program.ranks[name[1:]]),))
            assert isinstance(whole, Partial)
            self._derivatives[name] = self._total(whole)
        return self._derivatives[name]

    def jumps_of(self, name: Name) -> list[Kink]:
        """Where a derivative that has been worked out does not exist, since brackets jump there."""
        found = self._derivatives.get(name)
        return self.jumps.get(found.name, []) if found is not None else []

    def loss(self, tensor: Name) -> str:
        """The scalar that ``d tensor`` is the gradient of: it rests on the tensor, and no other such scalar on it."""
        scalars = [name for name in self.program.defined if not self.program[name].indices]
        over = [s for s in scalars if s == tensor or tensor in self._reached(s)]
        top = [s for s in over if not any(s in self._reached(other) for other in over if other != s)]
        if len(top) != 1:
            which = f"several scalars depend on it: {', '.join(map(str, top))}" if top else "no scalar depends on it"
            raise DifferentiationError(
                f"d{tensor} is the gradient of a scalar with respect to {tensor}, and {which}",
                repair=f"name the scalar: dL/d{tensor}[...]",
            )
        return str(top[0])

    def _reached(self, name: Name) -> set[Name]:
        return {inner for root in self.behind(self.definition(name).rhs) for inner in self._reads(root)} | self._reads(
            name
        )

    def _reads(self, name: Name) -> set[Name]:
        return set(tensors(self.definition(name).rhs))

    def _total(self, name: Partial) -> Equation:
        for wrt, _ in name.wrt:
            self.refuse_tied(wrt)
        if name.of in self.program.defined:
            of = self.definition(name.of)
            refuse_several_ranges([of, *self.behind(of.rhs).values()])
        numerator, above = self._numerator(name)
        value, indices = numerator, above
        for number, (wrt, rank) in enumerate(name.wrt):
            value = self.with_told(value) if number else value
            below = tuple(
                Index(f"{wrt}.{k}'{number}", self.program.dims.find(axis(wrt, k))) for k in range(rank)
            )  # no name of the language has a dash, so nothing meets these
            value = self._differentiated(value, name, number, wrt, below)
            indices = (*indices, *below)
        return Equation(name, indices, value)

    def refuse_tied(self, wrt: Name) -> None:
        """What changes with a tensor that an assumption ties is not said: one entry of a symmetric matrix alone?  The
        matrix that is its inverse?"""
        for claim in self._ties:
            named, defined = tensors(claim.lhs, claim.rhs), self.behind(claim.lhs, claim.rhs)
            if wrt not in {*named, *defined, *tensors(*(e.rhs for e in defined.values()))}:
                continue
            if self._is_function(claim, wrt) or (defined and self._follows(claim)):
                continue
            others = [str(name) for name in named if name != wrt]
            how = f"{wrt} is tied to {', '.join(others)} by" if others else f"the entries of {wrt} are tied by"
            raise DifferentiationError(f"out of reach: {how} the assumption {claim}")

    @cached_property
    def told(self) -> set[str]:
        """What is given of one tensor, and whose derivative an assumption says: an inverse, V of A with
        ``dV[i,j]/dA[p,q] = -V[i,p] V[q,j]``."""
        stated = {claim.lhs.tensor for claim in self.document.assumptions if isinstance(claim.lhs, Indexed)}
        gifts = [s.content for s in self.document.statements if isinstance(s.content, Given)]
        return {
            str(g.lhs.tensor)
            for g in gifts
            if len(g.arguments) == 1
            and any(
                isinstance(name, Partial) and name.of == g.lhs.tensor and name.wrt[0][0] == g.arguments[0].tensor
                for name in stated
            )
        }

    def with_told(self, expr: Expr) -> Expr:
        """The expression with first derivatives as assumptions say them, which may be differentiated once more."""
        accesses: dict[Expr, Expr] = {
            node: inlined(node, self._partials[node.tensor])
            for node in preorder(expr)
            if isinstance(node, Indexed) and node.tensor in self._partials
        }
        return replace(expr, accesses) if accesses else expr

    @cached_property
    def _partials(self) -> dict[Name, Equation]:
        """The derivatives that assumptions say of functions of one tensor by such functions alone: that holds wherever
        these are, as for an inverse, and not at a point alone, as ``dL/dw[i] = 0`` may."""
        found: dict[Name, Equation] = {}
        for rule in self.program.resolved_assumptions() if self.told else ():
            if not isinstance(rule.lhs, Indexed) or rule.lhs.tensor not in self.opaque:
                continue
            letters = [form.index for form in rule.lhs.slots if form.index is not None]
            read = set(tensors(rule.rhs))
            if len({*letters}) == len(rule.lhs.slots) and read and read <= self.told:
                found[rule.lhs.tensor] = Equation(rule.lhs.tensor, tuple(letters), rule.rhs)
        return found

    def _is_function(self, claim: Claim, wrt: Name) -> bool:
        """Whether an assumption ties a tensor to functions of it alone, whose derivatives are told, as an inverse or as
        such a derivative: they change with it."""
        if not (
            isinstance(claim.rhs, Delta) or (isinstance(claim.lhs, Indexed) and isinstance(claim.lhs.tensor, Partial))
        ):
            return False
        named = tensors(claim.lhs, claim.rhs)
        others = {name.of if isinstance(name, Partial) else name for name in named} - {wrt}
        return bool(others & self.told) and all(n in self.told or n in self.program.defined for n in others)

    def _follows(self, claim: Claim) -> bool:
        """Whether an assumption about what is defined follows from the definitions, and so ties nothing."""
        (rule,) = (
            r for a, r in zip(self.program.assumptions, self.program.resolved_assumptions(), strict=True) if a is claim
        )
        definitions = self.behind(rule.lhs, rule.rhs)
        return bool(definitions) and prove(rule.lhs, rule.rhs, definitions).proved

    def _numerator(self, name: Partial) -> tuple[Expr, tuple[Index, ...]]:
        if name.of not in self.program.defined:
            if name.of not in self.program.ranks or name.of != name.wrt[0][0]:
                raise DifferentiationError(
                    f"nothing defines {name.of}", repair=f"define it, or write: given {name.of}(...)"
                )
            above = tuple(Index(f"{name.of}.{k}'", self.program.dims.find(axis(name.of, k))) for k in range(name.rank))
            return Indexed(name.of, tuple(map(slot, above))), above
        equation = self.definition(name.of)
        if len(equation.indices) != name.rank:
            raise DifferentiationError(f"{name.of} has {len(equation.indices)} slots, not {name.rank}")
        above = tuple(Index(f"{index.name}'", index.dim) for index in equation.indices)
        rhs = substitute(equation.rhs, dict(zip(equation.indices, above, strict=True)))
        if name.of == name.wrt[0][0]:
            rhs = Indexed(name.of, tuple(map(slot, above)))
        return rhs, above

    def _differentiated(self, expr: Expr, name: Partial, order: int, wrt: Name, below: tuple[Index, ...]) -> Expr:
        behind = self.behind(expr)
        definitions = {other: e for other, e in behind.items() if other != wrt}
        if self.program.ranks.get(wrt) != len(below):
            raise DifferentiationError(f"there is no tensor {wrt} with {len(below)} slots")
        read = set(tensors(expr, *(e.rhs for e in definitions.values())))
        curved = [e.rhs for other, e in definitions.items() if other not in self.given]
        if name.of not in self.given or order:
            curved.append(expr)
        if self.opaque & set(tensors(*curved)):
            raise DifferentiationError(f"{name} needs a second derivative of a function that has no formula")
        if wrt not in read:
            return ZERO  # a claim says so, and means it
        terms = Differentiator(wrt, below, definitions, kinks=self.kinks).terms(simplify(expr))
        if not terms and wrt not in tensors(simplify(expr), *(simplify(e.rhs) for e in definitions.values())):
            return ZERO  # what it multiplies is zero
        if not terms and (places := stepped_over(wrt, (expr, *(e.rhs for e in definitions.values())))):
            self.jumps[name] = places
            return ZERO
        if not terms:
            raise DifferentiationError(f"{name.of} depends on {wrt} only through comparisons, which have no derivative")
        return simplify_sum(term.with_in_place(()) for term in terms)

    # ---- the neighbourhood of a claim ----------------------------------------------------------------------------

    def near(self, claim: Claim) -> Part | None:
        """The part with no other definitions than those of the tensors that a claim names and of what lies between the
        ends of its derivatives; what these read can be anything there, so that what is proved of this part holds in the
        whole one.  None where it would be the larger half, or where something else is known of the tensors."""
        if self.given or self.program.assumptions or self.conventions or claim.where:
            return None
        named = tensors(claim.lhs, claim.rhs)
        if any(isinstance(name, str) and self.is_derivative(name) for name in named):  # of the scalar of the whole
            return None
        kept: set[Name] = set()
        for name in named:
            kept |= self._between(name) if isinstance(name, Partial) else {name}
        if 2 * len(kept & set(self._order)) >= len(self._order):
            return None
        chosen = (s for s in self.document.statements if isinstance(s.content, Equation) and s.content.name in kept)
        found = Part(Document(tuple(chosen)))
        ranks = self.program.ranks
        return found if all(ranks.get(name) == rank for name, rank in found.program.ranks.items()) else None

    def _between(self, name: Partial) -> set[Name]:
        """What lies between the ends of a derivative, the ends among it: nothing that stands before them all does."""
        first = min(self._order.get(wrt, -1) for wrt, _ in name.wrt)
        found: set[Name] = {name.of, *(wrt for wrt, _ in name.wrt)}
        queue: list[Name] = [name.of]
        while queue:
            for other in self.program.reads.get(queue.pop(), ()):
                if self._order.get(other, -1) > first and other not in found:
                    found.add(other)
                    queue.append(other)
        return found

    # ---- programs for a claim ------------------------------------------------------------------------------------

    def assumptions_on(self, program: Program, names: Iterable[Name]) -> list[Assumption]:
        """The assumptions that speak of one of the tensors, or of what is computed from it, or of a tensor that another
        of them ties to these; and those that speak of extents alone."""
        rules = [(rule, *self._ground(rule)) for rule in _lettered(program)]
        known, before = set(names), -1
        while len(known) > before:
            before = len(known)
            for _, read, inputs in rules:
                if (read | inputs) & known:
                    known |= read | inputs
        return [rule for rule, read, _ in rules if read & known or not read]

    def _ground(self, rule: Assumption) -> tuple[set[Name], set[Name]]:
        """The tensors that an assumption reads, and what these are computed from, unless it follows from that."""
        read = set(tensors(rule.lhs, rule.rhs))
        definitions = {name: self.definition(name) for name in self.behind(rule.lhs, rule.rhs)}
        if not definitions or prove(rule.lhs, rule.rhs, definitions).proved:
            return read, set()
        return read, {*definitions, *tensors(*(e.rhs for e in definitions.values()))}


def _lettered(program: Program) -> list[Assumption]:
    """The assumptions, an index that stands in no slot of a tensor on the axis that its letter has elsewhere: the K of
    ``sum[K](1[y[i] == K]) = 1`` is that of ``p[i,K]``, the i of ``|i| = 3`` that of ``x[i]``."""
    rules = program.resolved_assumptions()
    loose = {dim for rule in rules for index in _letters(rule.lhs, rule.rhs) if not is_axis(dim := index.dim)}
    loose -= {index.dim for rule in rules for index in _in_slots(rule.lhs, rule.rhs)}
    if not loose:
        return list(rules)
    found: dict[str, set[str]] = {}
    for equation in program:
        for index in _letters(equation.rhs, *equation.indices):
            if not is_axis(index.name):
                found.setdefault(lowered(index.name), set()).add(program.dim(equation, index))
    letters = {dim: sorted(found.get(lowered(dim.rpartition(":")[2]), ())) or [dim] for dim in sorted(loose)}
    lettered: dict[Assumption, None] = {}
    for rule in rules:
        own = {index.dim for index in _letters(rule.lhs, rule.rhs)}
        sizes = not tensors(rule.lhs, rule.rhs)  # which are those of every axis that has the letter
        choices = {d: dims if sizes or len(dims) == 1 else [d] for d, dims in letters.items() if d in own}
        for chosen in product(*choices.values()):
            moved = dict(zip(choices, chosen, strict=True))
            lettered[Identity(*(redimensioned(side, moved) for side in (rule.lhs, rule.rhs)))] = None
    return list(lettered)


def _in_slots(*roots: Node) -> Iterator[Index]:
    """The indices that reads tell of, ``x[i+1]`` beside ``x[i]``."""
    for node in preorder(*roots):
        if isinstance(node, Indexed):
            yield from (atom for form in node.slots for atom, _ in form.terms if isinstance(atom, Index))


def _letters(*roots: Node) -> Iterator[Index]:
    """The indices that stand in expressions, those whose extents do among them."""
    for node in preorder(*roots):
        if isinstance(node, Index):
            yield node
        elif isinstance(node, Extent):
            yield node.index


def stand_in(given: Given, behind: Mapping[str, set[str]]) -> Equation:
    """The equation for a tensor that has no formula; see the top of this page.

    ``behind`` says what a defined tensor rests on.  Of ``L(h, c)`` where h rests on c, the part of c in the derivative
    with h held has a name of its own, ``∂L/∂c|h``: ``dL/dc`` is the whole.
    """
    name, slots = str(given.lhs.tensor), given.lhs.slots
    terms: list[Expr] = [Indexed(f"{name}(0)", slots)]
    for argument in given.arguments:
        bound = [i for form in argument.slots if (i := form.index) in given.capitals and i is not None]
        own: Sequence[Index] = list(dict.fromkeys(bound))
        wrt = str(argument.tensor)
        held = [str(a.tensor) for a in given.arguments if wrt in behind.get(str(a.tensor), ())]
        weight: Name = f"∂{name}/∂{wrt}"
        if held:
            weight = f"∂{name}/∂{wrt}|{','.join(held)}"
        elif len(own) == len(argument.slots):  # no letter is shared, so this is the whole derivative and has its name
            weight = Partial(name, len(slots), ((wrt, len(own)),))
        terms.append(sum_over(own, mul((Indexed(weight, (*slots, *map(slot, own))), argument))))
    indices = tuple(form.index for form in slots if form.index is not None)
    return Equation(given.lhs.tensor, indices, add(terms))


def _behind(document: Document) -> dict[str, set[str]]:
    """What every defined tensor rests on, through the others."""
    reads = {str(e.name): set(map(str, tensors(e.rhs))) for e in document.equations}
    reads |= {
        str(g.lhs.tensor): {str(a.tensor) for a in g.arguments}
        for g in (s.content for s in document.statements)
        if isinstance(g, Given)
    }
    changed = True
    while changed:
        changed = False
        for own in reads.values():
            more = {inner for name in own for inner in reads.get(name, ())} - own
            own |= more
            changed |= bool(more)
    return reads


def chosen_partial(convention: Convention) -> str:
    """A convention in the letter of the function's row."""
    (parameter,) = FUNCTIONS[convention.function].parameters
    renamed = replace(convention.partial, {Indexed(convention.parameter): Indexed(parameter)})
    return str(renamed)
