"""A program as single operations, shared over the whole program.

A product, the sums around it and the sums that are factors of it become one contraction.  Equality is used up here:
``δ[i,p]`` makes i and p one label, whatever else they stand in; if both are free, the result is computed on the diagonal
alone and embedded in zeros.  A bracket that says no more than that a read is inside is dropped: the read gives zeros
outside.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from einstan.calculus.program import Program, prefix
from einstan.language.dims import UnionFind, axis, qualified, redimensioned
from einstan.language.errors import ProgramError, nearest
from einstan.language.index import Affine, Index
from einstan.language.node import Node
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
    Extent,
    Indexed,
    Iverson,
    Mul,
    Name,
    Reduce,
    Sum,
    add,
    mul,
    power,
)
from einstan.machine.extents import as_program
from einstan.machine.guards import as_affine, index_tensors, is_index_bracket, is_static
from einstan.machine.loops import NO_VALUE, deep
from einstan.machine.operations import Flat, Form, Graph, Reading, Ref, Stored, combined

Scope = dict[Index, int]
Guards = tuple[Form, ...]


@dataclass(frozen=True)
class Term:
    """A number that sizes determine, times a value; without a value it is the number alone."""

    coefficient: Expr
    ref: Ref | None = None


@dataclass
class Product:
    """The parts of a product while it is collected."""

    coefficients: list[Expr] = field(default_factory=list)
    factors: list[tuple[Expr, Scope, bool]] = field(default_factory=list)  # with: whether it divides
    brackets: list[tuple[Expr, Scope]] = field(default_factory=list)
    summed: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Softmax:
    """What a logsumexp left behind: of which value and labels, with ``e = exp(u - m)``, its sum, ``u - m`` and the
    logarithm of the sum."""

    operand: Ref
    kept: tuple[int, ...]
    shifted: int
    exponential: int
    total: int
    log_total: int


def flatten(program: Program | Equation, outputs: Iterable[Name] | None = None) -> Flat:
    """The operations that compute the outputs (by default all tensors that the program defines)."""
    program = as_program(program)
    with deep():
        return _Flattener(program).run(tuple(program.defined) if outputs is None else tuple(outputs))


class _Flattener:
    def __init__(self, program: Program) -> None:
        self.program = program
        self.graph = Graph()
        self.tensors: dict[Name, Stored] = {}
        self.spaces: list[tuple[str, str]] = []  # of each label: its dimension and its letter
        self.index_tensors = index_tensors(program.equations)
        self.nonempty: list[tuple[str, str, str]] = []
        self.softmaxes: dict[int, Softmax] = {}  # by the value of the logsumexp
        self.log_softmaxes: dict[int, Ref] = {}  # by value: the softmax it is the logarithm of
        self.memo: dict[tuple[Expr, tuple[int, ...], Guards], Term] = {}  # of one equation
        self.equation: Equation
        self.text = ""

    def run(self, outputs: tuple[Name, ...]) -> Flat:
        program = self.program
        outputs = tuple(resolve(program, name) for name in outputs)
        wanted = _reachable(program, outputs)
        for name in dict.fromkeys((*program.inputs, *outputs)):
            if name in wanted and name in program.ranks and name not in program.defined:
                self.input(name)
        for equation in program.equations:
            if equation.name in wanted:
                self.define(equation)
        sized = tuple(name for name in program.inputs if name in wanted and name not in program.ranks)
        return Flat(self.graph, self.tensors, outputs, self.index_tensors, self.nonempty, sized, frozenset(wanted))

    def input(self, name: Name) -> None:
        dims = tuple(self.program.dims.find(axis(name, k)) for k in range(self.program.ranks[name]))
        labels = [self.label(dim) for dim in dims]
        ref = self.graph.add("input", name, (), labels, self.space)
        self.tensors[name] = Stored(None, ref.value, tuple(range(len(dims))), dims)

    def define(self, equation: Equation) -> None:
        self.equation, self.text = equation, str(equation)
        self.memo.clear()
        scope = {index: self.label(self.dim_of(index), index.name) for index in equation.indices}
        labels = [scope[index] for index in equation.indices]
        dims = tuple(self.spaces[label][0] for label in labels)
        term = self.lower(equation.rhs, scope, ())
        if term.ref is None:
            self.tensors[equation.name] = Stored(term.coefficient, None, (None,) * len(labels), dims)
            return
        ref = self.scaled(term)
        slots = tuple(ref.labels.index(label) if label in ref.labels else None for label in labels)
        self.tensors[equation.name] = Stored(None, ref.value, slots, dims)

    # ---- labels ------------------------------------------------------------------------------------------------------

    def label(self, dim: str, letter: str = "x") -> int:
        self.spaces.append((dim, letter))
        return len(self.spaces) - 1

    def space(self, label: int) -> tuple[str, str]:
        return self.spaces[label]

    def dim_of(self, index: Index) -> str:
        return self.program.dims.find(qualified(index.dim, prefix(self.equation)))

    def bound(self, indices: Sequence[Index], scope: Scope) -> tuple[Scope, list[int]]:
        labels = [self.label(self.dim_of(index), index.name) for index in indices]
        return {**scope, **dict(zip(indices, labels, strict=True))}, labels

    def number(self, node: Expr) -> Expr:
        """A number of sizes, with its dimensions named as the program names them."""
        dims = {n.index.dim: self.dim_of(n.index) for n in _extents(node)}
        return _anonymous(redimensioned(node, dims)) if dims else node  # type: ignore[arg-type,return-value]

    def extent(self, label: int) -> Expr:
        return Extent(Index("n", self.spaces[label][0]))

    # ---- building ----------------------------------------------------------------------------------------------------

    def add(self, kind: str, detail: object, operands: Sequence[Ref], out: Sequence[int]) -> Ref:
        return self.graph.add(kind, detail, operands, out, self.space, self.text)

    def map(self, function: tuple[object, ...], operands: Sequence[Ref]) -> Ref:
        """An elementwise function; the result has the order of its largest operand, then what that lacks."""
        largest = max(operands, key=lambda ref: len(ref.labels), default=Ref(0, ()))
        out = dict.fromkeys((*largest.labels, *(label for ref in operands for label in ref.labels)))
        return self.add("map", function, operands, tuple(out))

    def scaled(self, term: Term) -> Ref:
        """The term as one value."""
        if term.ref is None:
            return self.add("number", term.coefficient, (), ())
        if term.coefficient is ONE:
            return term.ref
        return self.map(("scale", term.coefficient), (term.ref,))

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
            return Term(ONE, self.map(("pow", self.number(arguments[1])), (base,)))
        operands = [self.scaled(self.lower(argument, scope, guards)) for argument in arguments]
        if function == "exp" and operands[0].value in self.log_softmaxes:
            return self.softmax(operands[0])
        return Term(ONE, self.map((function,), operands))

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

    # ---- reads -------------------------------------------------------------------------------------------------------

    def read(self, node: Indexed, scope: Scope, guards: Guards, fill: int) -> tuple[Expr, Ref | None]:
        stored = self.tensors[node.tensor]
        plain = [scope[form.index] if form.index is not None else None for form in node.slots]
        if stored.value is None:
            return stored.coefficient or ONE, None
        if None not in plain:
            labels: dict[int, int] = {a: plain[k] for k, a in enumerate(stored.slots) if a is not None}  # type: ignore[misc]
            ref = Ref(stored.value, tuple(labels[a] for a in range(len(labels))))
            once = tuple(dict.fromkeys(ref.labels))
            return ONE, ref if once == ref.labels else self.add("diagonal", None, (ref,), once)
        whole = self.whole(stored)
        operands = [whole]
        slots: list[Form] = [Form((), (), (), 0)] * len(node.slots)
        for k, form in enumerate(node.slots):
            slots[whole.labels.index(k)] = self.form(form, scope, guards, operands)
        inside: list[int] = []  # the labels of the result, slot by slot
        for slot_form in (slots[a] for a in sorted(range(len(slots)), key=lambda a: whole.labels[a])):
            inside.extend(label for label, _ in slot_form.labels)
            inside.extend(label for number, _ in slot_form.values for label in operands[number].labels)
        # The whole tensor's own axes are not labels of the result: they are given labels of their own.
        own = [self.label(self.graph.dims(whole.value)[k]) for k in range(len(slots))]
        operands[0] = Ref(whole.value, tuple(own))
        shared = self.rebased(guards, operands, set(inside))
        detail = Reading(tuple(slots), shared, fill if shared else 1, node, self.equation, whole.labels)
        return ONE, self.add("read", detail, operands, tuple(dict.fromkeys(inside)))

    def whole(self, stored: Stored) -> Ref:
        """A tensor with all its axes, its labels being slot numbers."""
        assert stored.value is not None
        have = {a: k for k, a in enumerate(stored.slots) if a is not None}
        labels = tuple(have[a] for a in range(len(have)))
        if len(have) == len(stored.slots):
            return Ref(stored.value, labels)
        fresh = [self.label(dim) for dim in stored.dims]
        ref = self.add("expand", None, (Ref(stored.value, tuple(fresh[k] for k in labels)),), fresh)
        return Ref(ref.value, tuple(range(len(fresh))))

    def form(self, form: Affine, scope: Scope, guards: Guards, operands: list[Ref]) -> Form:
        """A form over labels; the integer tensors in it are appended to the operands."""
        parts: list[tuple[Form, int]] = []
        for atom, k in form.terms:
            if isinstance(atom, Index):
                parts.append((Form(((scope[atom], 1),), (), (), 0), k))
            elif isinstance(atom, Extent):
                parts.append((Form((), (), ((self.dim_of(atom.index), 1),), 0), k))
            else:
                assert isinstance(atom, Indexed)
                coefficient, ref = self.read(atom, scope, guards, 1)
                ref = self.scaled(Term(coefficient, ref))
                if ref not in operands[1:]:
                    operands.append(ref)
                parts.append((Form((), ((operands.index(ref, 1), 1),), (), 0), k))
        return combined(parts, form.constant)

    def rebased(self, guards: Guards, operands: list[Ref], labels: set[int]) -> Guards:
        """Guards hold values by their graph number; here they are operands.  A guard of no concern is left out."""
        kept: list[Form] = []
        for guard in guards:
            parts = list(guard.values)
            if not all(any(o.value == v for o in operands[1:]) for v, _ in parts):
                continue
            if guard.labels and not parts and not any(label in labels for label, _ in guard.labels):
                continue
            numbered = ((next(n for n, o in enumerate(operands) if n and o.value == v), k) for v, k in parts)
            kept.append(guard._replace(values=tuple(sorted(numbered))))
        return tuple(dict.fromkeys(kept))

    # ---- brackets ----------------------------------------------------------------------------------------------------

    def compare(self, node: Expr, scope: Scope, guards: Guards) -> Ref:
        """A bracket as a value of bools."""
        if isinstance(node, Delta):
            chain: list[tuple[Node, str, Node]] = [(node.left, "==", node.right)]
        else:
            assert isinstance(node, Iverson)
            chain = list(zip(node.operands, node.relations, node.operands[1:], strict=False))
        held = [
            self.map((relation,), (self.operand(left, scope, guards), self.operand(right, scope, guards)))
            for left, relation, right in chain
        ]
        result = held[0]
        for other in held[1:]:
            result = self.map(("and",), (result, other))
        return result

    def operand(self, node: Node, scope: Scope, guards: Guards) -> Ref:
        affine = as_affine(node, self.index_tensors)
        if affine is not None and (isinstance(node, Affine) or not is_static(node)):
            operands: list[Ref] = [Ref(-1, ())]
            form = self.form(affine, scope, guards, operands)
            return self.positions(form, operands[1:])
        assert isinstance(node, Expr)
        return self.scaled(self.lower(node, scope, guards))

    def positions(self, form: Form, values: list[Ref]) -> Ref:
        """A form as a value of integers."""
        form = form._replace(values=tuple((n - 1, k) for n, k in form.values))
        if not form.labels and not values:
            parts: list[Expr] = [mul((Const(k), Extent(Index("n", dim)))) for dim, k in form.extents]
            return self.add("number", add([*parts, Const(form.constant)]) if parts else Const(form.constant), (), ())
        if len(values) == 1 and form == Form((), ((0, 1),), (), 0):
            return values[0]
        if form.label is not None:
            return self.add("iota", None, (), (form.label,))
        labels = dict.fromkeys((*(label for label, _ in form.labels), *(x for ref in values for x in ref.labels)))
        return self.add("form", form, values, tuple(labels))

    def guard_forms(self, node: Expr, scope: Scope, guards: Guards) -> list[Form]:
        """The forms that a bracket of indices keeps from being negative; integer tensors by graph number."""
        found: list[Form] = []
        for left, relation, right in _chain(node):
            a, b = self.guard_form(left, scope, guards), self.guard_form(right, scope, guards)
            strict = -1 if relation in ("<", ">") else 0
            if relation in ("<", "<=", "=="):
                found.append(combined(((b, 1), (a, -1)), strict))
            if relation in (">", ">=", "=="):
                found.append(combined(((a, 1), (b, -1)), strict))
        return found

    def guard_form(self, node: Node, scope: Scope, guards: Guards) -> Form:
        form = as_affine(node, self.index_tensors)
        assert form is not None
        operands: list[Ref] = [Ref(-1, ())]
        lowered = self.form(form, scope, guards, operands)
        return lowered._replace(values=tuple(sorted((operands[n].value, k) for n, k in lowered.values)))

    # ---- products ----------------------------------------------------------------------------------------------------

    def product(self, node: Expr, scope: Scope, guards: Guards) -> Term:
        parts = Product()
        self.collect(node, scope, parts)
        same = UnionFind()
        deltas, others = [], []
        for bracket, inner in parts.brackets:
            left, right = self.equal_labels(bracket, inner)
            if left is not None and right is not None:
                deltas.append((left, right))
            else:
                others.append((bracket, inner))
        names = self.joined(deltas, parts.summed, same)

        def renamed(inner: Scope) -> Scope:
            return {index: names.get(label, label) for index, label in inner.items()} if names else inner

        around = tuple(g.renamed(_with_default(names, g)) for g in guards) if names else guards
        others = [(bracket, renamed(inner)) for bracket, inner in others]
        inside = around
        for bracket, inner in others:
            if is_index_bracket(bracket, self.index_tensors):
                inside += tuple(self.guard_forms(bracket, inner, around))
        summed = [label for label in parts.summed if label not in names]
        coefficients = list(parts.coefficients)
        operands: list[Ref] = []
        divisors: list[Ref] = []
        dropped = self.redundant(others, parts, renamed, around)
        for factor, inner, divides in parts.factors:
            scope_here = renamed(inner)
            if isinstance(factor, Indexed) and not divides:
                coefficient, ref = self.read(factor, scope_here, inside, 0 if dropped else 1)
                term = Term(coefficient, ref)
            else:
                term = self.lower(factor, scope_here, inside)
            coefficients.append(power(term.coefficient, -1) if divides else term.coefficient)
            if term.ref is not None:
                (divisors if divides else operands).append(term.ref)
        live = [entry for number, entry in enumerate(others) if number not in dropped]
        gathers = [entry for entry in live if _is_gather_delta(entry[0])]
        for bracket, inner in live:
            if len(gathers) != 1 or bracket is not gathers[0][0]:
                operands.append(self.compare(bracket, inner, around if is_index_bracket(bracket, self.index_tensors) else inside))
        scatter: tuple[Ref, int] | None = None
        if len(gathers) == 1:
            scatter = self.scatter_target(*gathers[0], summed, operands + divisors)
            if scatter is None:
                operands.append(self.compare(*gathers[0], around))
        coefficient = _product(coefficients)
        for label in summed:
            used = any(label in ref.labels for ref in operands + divisors)
            if not used and not (scatter is not None and label in scatter[0].labels):
                coefficient = _product([coefficient, self.extent(label)])
        ref = self.contract(operands, divisors, [] if scatter is not None else summed, scatter, summed)
        return Term(coefficient, self.embed(ref, deltas, names, parts.summed))

    def collect(self, node: Expr, scope: Scope, parts: Product) -> None:
        """The factors of a product, of the sums around it and of the sums inside it."""
        if isinstance(node, Iverson) and node.is_ones:
            return
        if is_static(node):
            parts.coefficients.append(self.number(node))
        elif isinstance(node, Mul):
            for factor in node.factors:
                self.collect(factor, scope, parts)
        elif isinstance(node, Sum) or (isinstance(node, Reduce) and node.operation == "mean"):
            inner, labels = self.bound(node.indices, scope)
            parts.summed.extend(labels)
            if isinstance(node, Reduce):
                self.refuse_empty(node)
                parts.coefficients.extend(power(self.extent(label), -1) for label in labels)
            self.collect(node.body, inner, parts)
        elif isinstance(node, Delta | Iverson):
            parts.brackets.append((node, scope))
        elif isinstance(node, Apply) and node.function == "pow" and node.arguments[1] is MINUS_ONE:
            parts.factors.append((node.arguments[0], scope, True))
        elif isinstance(node, Apply) and node.function == "pow" and node.arguments[1] is Const(2):
            parts.factors.extend(((node.arguments[0], scope, False),) * 2)
        else:
            parts.factors.append((node, scope, False))

    def equal_labels(self, bracket: Expr, scope: Scope) -> tuple[int | None, int | None]:
        if not isinstance(bracket, Delta) or bracket.left.index is None or bracket.right.index is None:
            return None, None
        return scope[bracket.left.index], scope[bracket.right.index]

    def joined(self, deltas: list[tuple[int, int]], summed: list[int], same: UnionFind) -> dict[int, int]:
        """Which label each label becomes: a free one speaks for its class."""
        for left, right in deltas:
            same.union(str(left), str(right))
        classes: dict[str, list[int]] = {}
        for label in dict.fromkeys(label for pair in deltas for label in pair):
            classes.setdefault(same.find(str(label)), []).append(label)
        names: dict[int, int] = {}
        for members in classes.values():
            chosen = min(members, key=lambda label: (label in summed, label))
            names.update({label: chosen for label in members if label != chosen})
        return names

    def redundant(
        self, brackets: list[tuple[Expr, Scope]], parts: Product, renamed: object, guards: Guards
    ) -> set[int]:
        """The brackets that only say that factors of this product are read inside."""
        zero_outside: set[Form] = set()
        for factor, inner, divides in parts.factors:
            if isinstance(factor, Indexed) and not divides:
                for k, form in enumerate(factor.slots):
                    if form.index is None:
                        at = self.guard_form(form, renamed(inner), guards)  # type: ignore[operator]
                        size = Form((), (), ((self.program.dims.find(axis(factor.tensor, k)), 1),), 0)
                        zero_outside |= {at, combined(((size, 1), (at, -1)), -1)}
        found: set[int] = set()
        if zero_outside:
            for number, (bracket, inner) in enumerate(brackets):
                if is_index_bracket(bracket, self.index_tensors) and "!=" not in getattr(bracket, "relations", ()):
                    forms = self.guard_forms(bracket, inner, guards)
                    if forms and all(form in zero_outside for form in forms):
                        found.add(number)
        return found

    def scatter_target(
        self, bracket: Expr, scope: Scope, summed: list[int], operands: list[Ref]
    ) -> tuple[Ref, int] | None:
        """``δ[T[N],v]`` with v free and every index of T summed: where to add, and v."""
        if not isinstance(bracket, Delta):
            return None
        for gather, plain in ((bracket.left, bracket.right), (bracket.right, bracket.left)):
            if plain.index is None or not any(isinstance(atom, Indexed) for atom, _ in gather.terms):
                continue
            target = scope[plain.index]
            if target in summed or any(target in ref.labels for ref in operands):
                continue
            at = self.operand(gather, scope, ())
            if target not in at.labels and at.labels and all(label in summed for label in at.labels):
                return at, target
        return None

    def contract(
        self,
        operands: list[Ref],
        divisors: list[Ref],
        summed: list[int],
        scatter: tuple[Ref, int] | None,
        all_summed: list[int],
    ) -> Ref | None:
        if scatter is not None:
            at, target = scatter
            core = self.contract(operands, divisors, [x for x in all_summed if x not in at.labels], None, [])
            if core is None:
                core = self.add("number", ONE, (), ())
            rest = tuple(label for label in core.labels if label not in at.labels)
            return self.add("scatter", None, (at, core), (target, *rest))
        everything = operands + divisors
        if not everything:
            return None
        out = tuple(dict.fromkeys(x for ref in everything for x in ref.labels if x not in summed))
        if len(everything) == 1 and operands and out == operands[0].labels:
            return operands[0]
        return self.add("contract", len(operands), everything, out)

    def embed(self, ref: Ref | None, deltas: list[tuple[int, int]], names: dict[int, int], summed: list[int]) -> Ref | None:
        """A result of which some free labels are equal, with all of them: zeros off the diagonal."""
        extra = {label: chosen for label, chosen in names.items() if label not in summed}
        if not extra:
            return ref
        if ref is None:
            ref = self.add("number", ONE, (), ())
        kept = tuple(dict.fromkeys((*ref.labels, *(chosen for chosen in extra.values()))))
        out = kept + tuple(extra)
        equal = tuple(out.index(extra[label]) for label in extra)
        return self.add("embed", equal, (ref,), out)

    # ---- reductions --------------------------------------------------------------------------------------------------

    def refuse_empty(self, node: Reduce) -> None:
        letters = ", ".join(index.name for index in node.indices)
        message = f"{NO_VALUE[node.operation]} over {letters} has no value: there is nothing to take it of"
        for index in node.indices:
            self.nonempty.append((self.dim_of(index), f"{message}\0{letters}", self.text))

    def reduce(self, node: Reduce, scope: Scope, guards: Guards) -> Term:
        if node.operation == "mean":
            return self.product(node, scope, guards)
        inner, labels = self.bound(node.indices, scope)
        if node.operation in NO_VALUE:
            self.refuse_empty(node)
        ref = self.scaled(self.lower(node.body, inner, guards))
        present = [label for label in labels if label in ref.labels]
        absent: Expr = _product([self.extent(label) for label in labels if label not in ref.labels])
        out = tuple(label for label in ref.labels if label not in present)
        if node.operation == "logsumexp":
            result = self.logsumexp(ref, out) if present else ref
            count = Apply("log", (absent,))
            return Term(ONE, result if absent is ONE else self.sum_of([Term(ONE, result), Term(count)]))
        if present:
            ref = self.add("reduce", node.operation, (ref,), out)
        if node.operation == "prod" and absent is not ONE:
            ref = self.map(("pow", absent), (ref,))
        return Term(ONE, ref)

    def logsumexp(self, ref: Ref, out: tuple[int, ...]) -> Ref:
        """``m + log Σ exp(u - m)``; what ``exp(u - logsumexp(u))`` can use of it is remembered."""
        top = self.add("reduce", "max of all", (ref,), out)
        shifted = self.map(("add", (ONE, MINUS_ONE)), (ref, top))
        exponential = self.map(("exp",), (shifted,))
        total = self.add("contract", 1, (exponential,), out)
        log_total = self.map(("log",), (total,))
        result = self.map(("add", (ONE, ONE)), (top, log_total))
        kept = tuple(ref.labels.index(label) for label in result.labels)
        self.softmaxes[result.value] = Softmax(
            Ref(ref.value, ref.labels), kept, shifted.value, exponential.value, total.value, log_total.value
        )
        return result

    def log_softmax(self, parts: list[tuple[Expr, Ref]]) -> tuple[Ref, list[tuple[Expr, Ref]]] | None:
        """``u - logsumexp(u)`` is ``(u - m) - log Σ exp(u - m)``, which loses no digits where u is large."""
        for number, (coefficient, ref) in enumerate(parts):
            known = self.softmaxes.get(ref.value) if coefficient is MINUS_ONE else None
            if known is None:
                continue
            rest = parts[:number] + parts[number + 1 :]
            for taken, labels in self.occurrences(known, ref, rest):
                result = self.map(
                    ("add", (ONE, MINUS_ONE)), (Ref(known.shifted, labels), Ref(known.log_total, ref.labels))
                )
                exponential, total = Ref(known.exponential, labels), Ref(known.total, ref.labels)
                softmax = self.add("contract", 1, (exponential, total), labels)
                self.log_softmaxes[result.value] = Ref(softmax.value, tuple(result.labels.index(x) for x in labels))
                return result, [part for n, part in enumerate(rest) if n not in taken]
        return None

    def occurrences(
        self, known: Softmax, ref: Ref, rest: list[tuple[Expr, Ref]]
    ) -> Iterable[tuple[set[int], tuple[int, ...]]]:
        """The terms that make up u, as one term or as the terms of a sum, with labels that fit the logsumexp."""
        kept = dict(zip(known.kept, ref.labels, strict=True))

        def fits(labels: tuple[int, ...]) -> bool:
            return len(set(labels)) == len(labels) and all(labels[k] == label for k, label in kept.items())

        for number, (coefficient, part) in enumerate(rest):
            whole = self.scaled(Term(coefficient, part))
            if whole.value == known.operand.value and fits(whole.labels):
                yield {number}, whole.labels
        operation = self.graph.operations[known.operand.value]
        if operation.kind == "map" and operation.detail[0] == "add":
            wanted = list(zip(operation.detail[1], operation.operands, strict=True))
            for start, (coefficient, part) in enumerate(rest):
                if (coefficient, part.value) != (wanted[0][0], wanted[0][1].value) or not start + len(wanted) <= len(rest):
                    continue
                names: dict[int, int] = {}
                matches = all(
                    c == c2 and w.value == r.value and all(names.setdefault(a, b) == b for a, b in zip(w.labels, r.labels))
                    for (c, w), (c2, r) in zip(wanted, rest[start : start + len(wanted)], strict=True)
                )
                labels = tuple(names.get(label, -1) for label in operation.out)
                if matches and fits(labels):
                    yield set(range(start, start + len(wanted))), labels

    def softmax(self, logarithm: Ref) -> Term:
        found = self.log_softmaxes[logarithm.value]
        return Term(ONE, Ref(found.value, tuple(logarithm.labels[k] for k in found.labels)))


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
        repair=nearest(str(name), map(str, program.ranks)),
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


def _is_gather_delta(node: Expr) -> bool:
    """``δ[T[N],v]``: an integer tensor on one side, a plain index on the other."""
    if not isinstance(node, Delta):
        return False
    return any(
        plain.index is not None and any(isinstance(atom, Indexed) for atom, _ in gather.terms)
        for gather, plain in ((node.left, node.right), (node.right, node.left))
    )


def _chain(node: Expr) -> list[tuple[Node, str, Node]]:
    if isinstance(node, Delta):
        return [(node.left, "==", node.right)]
    assert isinstance(node, Iverson)
    return list(zip(node.operands, node.relations, node.operands[1:], strict=False))


def _with_default(names: dict[int, int], form: Form) -> dict[int, int]:
    return {label: names.get(label, label) for label, _ in form.labels}


def _extents(node: Node) -> list[Extent]:
    found, stack = [], [node]
    while stack:
        part = stack.pop()
        if isinstance(part, Extent):
            found.append(part)
        stack.extend(part.children)
    return found


def _anonymous(node: Node) -> Node:
    """Extents by dimension alone: ``|n|`` and ``|N|`` of one dimension are one number."""
    from einstan.language.node import replace

    return replace(node, {e: Extent(Index("n", e.index.dim)) for e in _extents(node)})  # type: ignore[no-any-return]


def _product(factors: Iterable[Expr]) -> Expr:
    """A product of numbers of sizes, with the exact ones multiplied."""
    exact, others = ONE.value, []
    for factor in factors:
        for part in factor.factors if isinstance(factor, Mul) else (factor,):
            if isinstance(part, Const):
                exact *= part.value
            elif isinstance(part, Apply) and part.function == "pow" and all(isinstance(a, Const) for a in part.arguments):
                base, exponent = part.arguments
                assert isinstance(base, Const) and isinstance(exponent, Const)
                if exponent.value.denominator == 1 and (base.value or exponent.value > 0):
                    exact *= base.value ** int(exponent.value)
                else:
                    others.append(part)
            else:
                others.append(part)
    return mul([*([Const(exact)] if exact != 1 or not others else []), *others])
