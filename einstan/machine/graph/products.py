"""A product, the sums around it and the sums inside it, as one contraction.

Equality is used up here: ``δ[i,p]`` makes i and p one label, whatever else they stand in; if both are free, the result
is computed on the diagonal alone and embedded in zeros.  A bracket that says no more than that a factor is read inside
is dropped: the read gives zeros outside.  ``δ[T[N],v]`` with N summed adds to positions, the transpose of a gather.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from einstan.language.dims import UnionFind, axis
from einstan.language.index import Arithmetic, Index
from einstan.language.node import preorder
from einstan.language.term import (
    MINUS_ONE,
    ONE,
    Apply,
    Const,
    Delta,
    Expr,
    Extent,
    Indexed,
    Iverson,
    Mul,
    Reduce,
    Sum,
    mul,
    power,
    tensors,
)
from einstan.machine.graph.builder import Guards, Scope, Term, is_beyond, product_of
from einstan.machine.graph.guarded import Guarded
from einstan.machine.graph.links import Linking, Part
from einstan.machine.sizes.guards import is_index_bracket, is_static
from einstan.machine.sizes.operations import Form, Linked, Nonzero, Ref, combined
from einstan.machine.sizes.refusals import beyond_floats


@dataclass
class Product:
    """The parts of a product while it is collected."""

    coefficients: list[Expr] = field(default_factory=list)
    factors: list[tuple[Expr, Scope, bool]] = field(default_factory=list)  # with: whether it divides
    brackets: list[tuple[Expr, Scope]] = field(default_factory=list)
    summed: list[int] = field(default_factory=list)


class Products(Guarded):
    """Rules for products, sums, deltas and brackets."""

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

        around = tuple(_renamed(g, names) for g in guards) if names else guards
        summed = [label for label in parts.summed if label not in names]
        everything = [Part(factor, renamed(inner), divides) for factor, inner, divides in parts.factors]
        everything += [Part(bracket, renamed(inner), is_bracket=True) for bracket, inner in others]
        links = self.links(everything, summed)
        factors = [part for part in links.parts if not part.is_bracket]
        brackets = [part for part in links.parts if part.is_bracket]
        of_indices = [part for part in brackets if is_index_bracket(part.node, self.index_tensors)]
        plain = around  # what indices alone say also guards what a gather reads, 1[0 <= n-2] δ[T[n-2],v]
        for part in of_indices:
            if not tensors(part.node):
                plain += tuple(self.guard_forms(part.node, part.scope, around))
        beside = inside = plain + links.known  # a gather in a bracket and in a slot is one value: guarded alike
        for part in of_indices:
            if tensors(part.node):
                inside += tuple(self.guard_forms(part.node, part.scope, beside))
        chosen = any(isinstance(n, Indexed) and _is_chosen(n) for part in links.parts for n in preorder(part.node))
        for part in of_indices if chosen else ():  # what no form says: T[n] is not -1
            if "!=" in getattr(part.node, "relations", ()):
                inside += (self.compare(part.node, part.scope, beside),)
        of_values = [part for part in brackets if part not in of_indices]
        within = inside + tuple(self.compare(p.node, p.scope, inside) for p in (of_values if chosen else ()))
        coefficients = list(parts.coefficients)
        operands: list[Ref] = []
        masks: list[Ref] = []
        divisors: list[Ref] = []
        dropped = set() if self.careful else self.redundant(brackets, factors, plain)
        for part in factors:
            if isinstance(part.node, Indexed) and not part.divides:
                coefficient, ref = self.read(part.node, part.scope, within, 0 if dropped else 1)
                term = Term(coefficient, ref)
            else:
                term = self.lower(part.node, part.scope, within)
            coefficients.append(power(term.coefficient, -1) if part.divides else term.coefficient)
            if term.ref is not None:
                (divisors if part.divides else operands).append(term.ref)
                if part.divides and self.is_regular(power(part.node, -1)):
                    self.away.add(term.ref.value)
        if self.with_poles(operands, divisors):
            dropped = set()  # the brackets select from what else may be infinite
        live = [part for number, part in enumerate(brackets) if number not in dropped]
        gathers = [part for part in live if _is_gather_delta(part.node)]
        for part in live:
            if len(gathers) != 1 or part is not gathers[0]:
                own = beside if tensors(part.node) else around + links.known
                held = own if part in of_indices else inside
                masks.append(self.compare(part.node, part.scope, held))
        scatter: tuple[Ref, int] | None = None
        if len(gathers) == 1:
            scatter = self.scatter_target(gathers[0], summed, masks + operands + divisors, plain)
            if scatter is None:
                masks.append(self.compare(gathers[0].node, gathers[0].scope, plain))
        coefficient = product_of(coefficients)
        tied = {label for form in links.forms for label, _ in form.labels}
        used = tied.union(*(ref.labels for ref in masks + operands + divisors))
        for label in summed:
            if label not in used and not (scatter is not None and label in scatter[0].labels):
                coefficient = product_of([coefficient, self.extent(label)])

        if (masks or names) and is_beyond(coefficient):  # 1[c] exp(800) is 0 where c is false, and 0 times infinity not
            raise beyond_floats(self.equation, node)

        def make(operands: list[Ref], divisors: list[Ref]) -> Ref | None:
            if links.forms:
                return self.linked(operands, divisors, summed, links)
            return self.contract(operands, divisors, [] if scatter is not None else summed, scatter, summed)

        out = {label for ref in masks + operands + divisors for label in ref.labels} | tied
        out -= {*summed, *links.labels}
        ref = self.guarded(masks, operands, divisors, out, bool(links.forms or dropped), make)
        return Term(coefficient, self.embed(ref, names, parts.summed))

    def linked(self, operands: list[Ref], divisors: list[Ref], summed: list[int], links: Linking) -> Ref:
        """A contraction under links; their own labels, which the range guards brought, are summed as well."""
        everything = operands + divisors
        labels = (*(x for ref in everything for x in ref.labels), *(x for form in links.forms for x, _ in form.labels))
        out = tuple(label for label in dict.fromkeys(labels) if label not in summed and label not in links.labels)
        return self.add("linked", Linked(len(operands), tuple(links.forms), self.equation), everything, out)

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

    def refuse_empty(self, node: Reduce) -> None:
        sizes = tuple((index.name, self.dim_of(index)) for index in node.indices)
        number = mul([Extent(Index("n", dim)) for _, dim in sizes])
        self.nonzero.append(Nonzero(number, node, self.equation, sizes))

    def equal_labels(self, bracket: Expr, scope: Scope) -> tuple[int | None, int | None]:
        if not isinstance(bracket, Delta) or bracket.left.index is None or bracket.right.index is None:
            return None, None
        left, right = scope[bracket.left.index], scope[bracket.right.index]
        return (left, right) if self.spaces[left][0] == self.spaces[right][0] else (None, None)

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

    def redundant(self, brackets: list[Part], factors: list[Part], guards: Guards) -> set[int]:
        """The brackets that only say that factors of this product are read inside."""
        zero_outside: set[Form] = set()
        for part in factors:
            # A number that sizes alone make is not read, so nothing makes it zero outside.
            if isinstance(part.node, Indexed) and not part.divides and self.tensors[part.node.tensor].value is not None:
                for k, form in enumerate(part.node.slots):
                    if form.index is None:
                        at = self.guard_form(form, part.scope, guards)
                        size = Form((), (), ((self.program.dims.find(axis(part.node.tensor, k)), 1),), 0)
                        zero_outside |= {at, combined(((size, 1), (at, -1)), -1)}
        found: set[int] = set()
        if zero_outside:
            for number, part in enumerate(brackets):
                if is_index_bracket(part.node, self.index_tensors) and "!=" not in getattr(part.node, "relations", ()):
                    forms = self.guard_forms(part.node, part.scope, guards)
                    if forms and all(form in zero_outside for form in forms):
                        found.add(number)
        return found

    def scatter_target(
        self, part: Part, summed: list[int], operands: list[Ref], guards: Guards
    ) -> tuple[Ref, int] | None:
        """``δ[T[N],v]`` with v free and every index of T summed: where to add, and v."""
        bracket, scope = part.node, part.scope
        if not isinstance(bracket, Delta):
            return None
        for gather, plain in ((bracket.left, bracket.right), (bracket.right, bracket.left)):
            if plain.index is None or not any(isinstance(atom, Arithmetic | Indexed) for atom, _ in gather.terms):
                continue
            target = scope[plain.index]
            if target in summed or any(target in ref.labels for ref in operands):
                continue
            at = self.operand(gather, scope, guards)
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

    def embed(self, ref: Ref | None, names: dict[int, int], summed: list[int]) -> Ref | None:
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


def _is_chosen(access: Indexed) -> bool:
    """``E[T[n]]``: labels stand in a slot."""
    return any(isinstance(atom, Indexed) for form in access.slots for atom, _ in form.terms)


def _is_gather_delta(node: Expr) -> bool:
    """``δ[T[N],v]``: an integer tensor on one side, a plain index on the other."""
    if not isinstance(node, Delta):
        return False
    return any(
        plain.index is not None and any(isinstance(atom, Arithmetic | Indexed) for atom, _ in gather.terms)
        for gather, plain in ((node.left, node.right), (node.right, node.left))
    )


def _renamed(guard: Form | Ref, names: dict[int, int]) -> Form | Ref:
    if isinstance(guard, Ref):
        return guard.renamed(names)
    values = tuple((ref.renamed(names), k) for ref, k in guard.values)
    return guard.renamed({label: names.get(label, label) for label, _ in guard.labels})._replace(values=values)
