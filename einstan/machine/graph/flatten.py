"""A program as single operations, shared over the whole program.

Here are the rules for expressions, one per kind of node, and the walk over the equations; the rules for products are in
`einstan.machine.graph.products`, those for slots and brackets in `einstan.machine.graph.accesses`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from einstan.calculus.magnitudes import LOWEST
from einstan.calculus.program import Program
from einstan.language.dims import axis
from einstan.language.errors import ProgramError, nearest
from einstan.language.node import postorder
from einstan.language.term import (
    MINUS_ONE,
    ONE,
    ZERO,
    Add,
    Apply,
    Const,
    Delta,
    Equation,
    Expr,
    Indexed,
    Iverson,
    Mul,
    Name,
    Position,
    Reduce,
    Sum,
    add,
    power,
)
from einstan.machine.graph.builder import Guards, Scope, Term, extents_in, product_of
from einstan.machine.graph.guarded import hides_warnings, masks_by_logarithms
from einstan.machine.graph.others import LeftOut, left_out
from einstan.machine.graph.products import Products
from einstan.machine.meaning.loops import deep
from einstan.machine.sizes.extents import as_program
from einstan.machine.sizes.guards import is_static
from einstan.machine.sizes.operations import OTHERS, Flat, Nonzero, Ref, Stored, roots
from einstan.machine.sizes.refusals import NO_VALUE, require_shallow


def flatten(
    program: Program | Equation,
    outputs: Iterable[Name] | None = None,
    careful: bool = False,
    infinite: Collection[Name] = (),
    traced: bool = False,
) -> Flat:
    """The operations that compute the outputs (by default all tensors that the program defines); with ``careful``
    they are right whatever the inputs hold, and else whatever those hold that may be ``infinite``; ``traced`` is what
    no careful program stands behind (`einstan.machine.graph.guarded`)."""
    program = as_program(program)
    wanted = tuple(program.defined) if outputs is None else tuple(outputs)
    with deep():
        return _Flattener(program, careful, traced).run(wanted, infinite)


class _Flattener(Products):
    def run(self, outputs: tuple[Name, ...], infinite: Collection[Name] = ()) -> Flat:
        program = self.program
        outputs = tuple(resolve(program, name) for name in outputs)
        wanted = _reachable(program, outputs)
        for name in dict.fromkeys((*program.inputs, *outputs)):
            if name in wanted and name in program.ranks and name not in program.defined:
                self.input(name)
                self.infinite[self.tensors[name].value] = name in infinite  # type: ignore[index]
        for equation in program.equations:
            if equation.name in wanted:
                self.define(equation)
        sized = tuple(name for name in program.inputs if name in wanted and name not in program.ranks)
        kept = set(roots(self.tensors, outputs))
        quiet = self.careful or bool(self.presumed) or self.selects_infinite
        needed = self.graph.needed(kept)
        quiet = quiet or hides_warnings(self.graph, needed, kept)
        quiet = quiet or masks_by_logarithms(self.graph, needed, self.bounded)
        return Flat(
            self.graph, self.tensors, outputs, self.index_tensors, self.nonzero, sized, frozenset(wanted),
            frozenset(self.presumed), quiet, self.careful, self.ranges,
        )  # fmt: skip

    def input(self, name: Name) -> None:
        dims = tuple(self.program.dims.find(axis(name, k)) for k in range(self.program.ranks[name]))
        labels = [self.label(dim) for dim in dims]
        ref = self.graph.add("input", name, (), labels, self.space)
        self.tensors[name] = Stored(None, ref.value, tuple(range(len(dims))), dims)

    def define(self, equation: Equation) -> None:
        require_shallow(equation)
        self.equation, self.text = equation, str(equation)
        self.memo.clear()
        self.gathers.clear()
        scope = {index: self.label(self.dim_of(index), index.name) for index in equation.indices}
        labels = [scope[index] for index in equation.indices]
        dims = tuple(self.spaces[label][0] for label in labels)
        self.refuse_division_by_zero(equation, dims)
        term = self.lower(equation.rhs, scope, ())
        self.learn_bounds(equation)
        if term.ref is None:
            self.tensors[equation.name] = Stored(term.coefficient, None, (None,) * len(labels), dims)
            return
        ref = self.scaled(term)
        slots = tuple(ref.labels.index(label) if label in ref.labels else None for label in labels)
        self.tensors[equation.name] = Stored(None, ref.value, slots, dims)

    def refuse_division_by_zero(self, equation: Equation, own: tuple[str, ...]) -> None:
        """``1/|N|`` of an empty axis has no value, unless the result has no entries."""
        for node in postorder(equation.rhs):
            if isinstance(node, Apply) and node.function == "pow" and _is_negative(node.arguments[1]):
                divisor = node.arguments[0]
                extents = dict.fromkeys(extents_in(divisor))
                if extents and is_static(divisor):
                    sizes = tuple((extent.index.name, self.dim_of(extent.index)) for extent in extents)
                    self.nonzero.append(Nonzero(self.number(divisor), divisor, equation, sizes, own))

    # ---- rules, one per kind of node ---------------------------------------------------------------------------------

    def lower(self, node: Expr, scope: Scope, guards: Guards) -> Term:
        key = node, tuple(scope[index] for index in node.free), guards
        found = self.memo.get(key)
        if found is None:
            found = self.memo[key] = self.lowered(node, scope, guards)
        return found

    def lowered(self, node: Expr, scope: Scope, guards: Guards) -> Term:
        if is_static(node) or (isinstance(node, Iverson) and node.is_ones):
            return Term(ONE if isinstance(node, Iverson) else self.number(node))
        match node:
            case Indexed():
                return Term(*self.read(node, scope, guards, 1))
            case Position(index=index):
                return Term(ONE, self.add("iota", "number", (), (scope[index],)))
            case Apply(function=function, arguments=arguments):
                return self.apply(function, arguments, scope, guards)
            case Add(terms=terms):
                return Term(ONE, self.sum_of([self.lower(term, scope, guards) for term in terms]))
            case Reduce():
                return self.reduce(node, scope, guards)
            case Mul() | Sum() | Delta() | Iverson():
                return self.product(node, scope, guards)
            case _:
                raise AssertionError(f"no operation for {type(node).__name__}")

    def apply(self, function: str, arguments: tuple[Expr, ...], scope: Scope, guards: Guards) -> Term:
        if function == "pow" and arguments[1] is MINUS_ONE:
            return self.product(power(arguments[0], -1), scope, guards)
        if function == "pow" and is_static(arguments[1]):
            base = self.scaled(self.lower(arguments[0], scope, guards))
            return self.function(Apply(function, arguments), ("pow", self.number(arguments[1])), [base])
        floored = function == "maximum" and arguments[1] is LOWEST  # what the calculus made of a scale
        operands = [
            self.scaled(
                self.reduce(argument, scope, guards, floored=True)
                if floored and isinstance(argument, Reduce)
                else self.lower(argument, scope, guards)
            )
            for argument in arguments
        ]
        if function == "exp" and operands[0].value in self.log_softmaxes:
            return self.softmax(operands[0])
        return self.function(Apply(function, arguments), (function,), operands)

    def function(self, node: Apply, detail: tuple[object, ...], operands: list[Ref]) -> Term:
        ref = self.map(detail, operands)
        if self.is_regular(node):
            self.regular.add(ref.value)
        return Term(ONE, ref)

    def sum_of(self, terms: list[Term]) -> Ref:
        numbers = [term.coefficient for term in terms if term.ref is None]
        parts = [(term.coefficient, term.ref) for term in terms if term.ref is not None]
        found = self.log_softmax(parts)
        if found is not None and not numbers and not found[1]:
            return found[0]
        if found is not None:
            parts = [(ONE, found[0]), *found[1]]
        if numbers:
            parts.append((ONE, self.add("number", add(numbers), (), ())))
        if len(parts) == 1:
            return self.scaled(Term(*parts[0]))
        coefficients = tuple(coefficient for coefficient, _ in parts)
        return self.map(("add", coefficients), [ref for _, ref in parts])

    def reduce(self, node: Reduce, scope: Scope, guards: Guards, floored: bool = False) -> Term:
        if node.operation == "mean":
            return self.product(node, scope, guards)
        for found in left_out(node):
            beside = {scope[index] for index in found.others.free if index in scope}  # two letters may be one label
            if self.dim_of(found.of) == self.dim_of(node.indices[0]) and scope[found.of] not in beside:
                return self.all_others(node, found, scope, guards)
        inner, labels = self.bound(node.indices, scope)
        if node.operation in NO_VALUE and not floored:
            self.refuse_empty(node)
        ref = self.scaled(self.lower(node.body, inner, guards))
        present = [label for label in labels if label in ref.labels]
        absent: Expr = product_of([self.extent(label) for label in labels if label not in ref.labels])
        out = tuple(label for label in ref.labels if label not in present)
        if node.operation == "logsumexp":
            result = self.logsumexp(ref, out) if present else ref
            count = Apply("log", (absent,))
            return Term(ONE, result if absent is ONE else self.sum_of([Term(ONE, result), Term(count)]))
        if present:
            ref = self.add("reduce", "max of all" if floored else node.operation, (ref,), out)
        if node.operation == "prod" and absent is not ONE:
            ref = self.map(("pow", absent), (ref,))
        return Term(ONE, ref)

    def all_others(self, node: Reduce, found: LeftOut, scope: Scope, guards: Guards) -> Term:
        """A product from which one entry is left out, times what stands in its place."""
        inner, (label,) = self.bound(node.indices, scope)
        ref = self.scaled(self.lower(found.others, inner, guards))
        target = scope[found.of]
        if label in ref.labels:
            out = tuple(target if own == label else own for own in ref.labels)
            ref = self.add("scan", OTHERS, (ref,), out)
        else:  # all are alike
            count = Apply("maximum", (add((self.extent(label), MINUS_ONE)), ZERO))
            ref = self.map(("pow", count), (ref,))
        at = self.lower(found.at, scope, guards)
        return Term(at.coefficient, ref if at.ref is None else self.contract([ref, at.ref], [], [], None, []))


def resolve(program: Program, name: Name) -> Name:
    """The program's own name for a tensor that is asked for, by itself or by its spelling."""
    if name in program.ranks:
        return name
    for known in program.ranks:
        if str(known) == str(name):
            return known
    raise ProgramError(
        f"the program has no tensor {name}",
        inferred="it defines " + ", ".join(map(str, program.defined)),
        repair=nearest(str(name), map(str, program.ranks)) or "ask for one of these",
    )


def _reachable(program: Program, outputs: Iterable[Name]) -> set[Name]:
    found: set[Name] = set()
    stack = list(outputs)
    while stack:
        name = stack.pop()
        if name not in found:
            found.add(name)
            stack.extend(program.reads.get(name, ()))
    return found


def _is_negative(exponent: Expr) -> bool:
    return isinstance(exponent, Const) and exponent.value < 0
