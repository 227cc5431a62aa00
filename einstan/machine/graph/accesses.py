"""Reads and brackets: what stands in slots and in comparisons, as forms over labels.

A plain read costs nothing, it only puts labels on a value.  Everything else is a read operation, which carries what is
known about the range of its slots.
"""

from __future__ import annotations

from einstan.language.index import Affine, Arithmetic, Index
from einstan.language.node import Node
from einstan.language.term import ONE, Const, Delta, Expr, Extent, Indexed, Iverson, add, as_number, mul
from einstan.machine.graph.builder import Builder, Guards, Scope, Term, extents_in
from einstan.machine.sizes.guards import as_affine, is_static, never_below, whole_sides
from einstan.machine.sizes.operations import Form, Nonzero, Reading, Ref, Stored, combined


class Accesses(Builder):
    """Rules for accesses and brackets."""

    def read(self, node: Indexed, scope: Scope, guards: Guards, fill: int) -> tuple[Expr, Ref | None]:
        stored = self.tensors[node.tensor]
        plain = [scope[form.index] if form.index is not None else None for form in node.slots]
        if stored.value is None:
            return stored.coefficient or ONE, None
        short = any(
            label is not None and self.spaces[label][0] != stored.dims[k] for k, label in enumerate(plain)
        )  # a range that is shorter than the axis
        if None not in plain and not short:
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
            elif isinstance(atom, Arithmetic):
                made = self.arithmetic(atom, scope, guards)
                if made not in operands[1:]:
                    operands.append(made)
                parts.append((Form((), ((operands.index(made, 1), 1),), (), 0), k))
            else:
                assert isinstance(atom, Indexed)
                ref = self.chosen_at(atom, scope, guards)
                if ref not in operands[1:]:
                    operands.append(ref)
                parts.append((Form((), ((operands.index(ref, 1), 1),), (), 0), k))
        return combined(parts, form.constant)

    def chosen_at(self, atom: Indexed, scope: Scope, guards: Guards) -> Ref:
        """An integer tensor in a form: one value wherever as much is known as where it was read first, so that what a
        bracket says of it is said of what is read there, ``1[0 <= T[i]+1 < |x.0|] (δ[i,j] x[T[i]+1] + ...)``."""
        known = self.gathers.setdefault((atom, tuple([scope[index] for index in atom.free])), [])
        for before, ref in known:
            if before.issubset(guards):
                return ref
        ref = self.scaled(Term(*self.read(atom, scope, guards, 1)))
        known.append((frozenset(guards), ref))
        return ref

    def arithmetic(self, atom: Arithmetic, scope: Scope, guards: Guards) -> Ref:
        """A quotient, a remainder or a product of forms as a value of integers."""
        sides: list[Ref] = []
        if atom.operation != "times" and (extents := extents_in(atom.right)):
            sizes = tuple((extent.index.name, self.dim_of(extent.index)) for extent in extents)
            divisor = as_number(atom.right)
            self.nonzero.append(Nonzero(self.number(divisor), divisor, self.equation, sizes))
        for side in (atom.left, atom.right):
            operands: list[Ref] = [Ref(-1, ())]
            form = self.form(side, scope, guards, operands)
            sides.append(self.positions(form, operands[1:]))
        labels = dict.fromkeys(label for side in sides for label in side.labels)
        return self.add("whole", atom.operation, sides, tuple(labels))

    def rebased(self, guards: Guards, operands: list[Ref], labels: set[int]) -> tuple[Form, ...]:
        """Guards hold values with their labels; here they are operands.  A guard of no concern is left out, which
        says nothing of the labels of the read, nor of those that other guards tie to them.  A bracket as a value is of
        concern to labels that stand in slots: ``1[T[n] != -1] Z[n,T[n]]``."""
        forms = [guard for guard in guards if isinstance(guard, Form)]
        at = set(labels)
        kept: list[Form] = []
        size = 0
        while labels and len(labels) > size:
            size = len(labels)
            for guard in forms:
                own = {label for label, _ in guard.labels}
                if not guard.values and not own.isdisjoint(labels):
                    labels = labels | own
        for guard in forms:
            parts = list(guard.values)
            if not all(v in operands[1:] for v, _ in parts):
                continue
            if labels and guard.labels and not parts and not any(label in labels for label, _ in guard.labels):
                continue
            numbered = ((operands.index(v, 1), k) for v, k in parts)
            kept.append(guard._replace(values=tuple(sorted(numbered))))
        for mask in [guard for guard in guards if isinstance(guard, Ref)] if len(operands) > 1 else ():
            if at.issuperset(mask.labels):
                operands.append(mask)
                kept.append(Form((), ((len(operands) - 1, 1),), (), -1))
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
        """The forms that a bracket of indices keeps from being negative; integer tensors with their labels."""
        found: list[Form] = []
        for left, relation, right in chain_of(node):
            sides = whole_sides(left, right, self.index_tensors)
            assert sides is not None
            found += (self.guard_form(form, scope, guards) for form in never_below(*sides, relation))
        return found

    def guard_form(self, node: Node, scope: Scope, guards: Guards) -> Form:
        form = as_affine(node, self.index_tensors)
        assert form is not None
        operands: list[Ref] = [Ref(-1, ())]
        lowered = self.form(form, scope, guards, operands)
        return lowered._replace(values=tuple(sorted((operands[n], k) for n, k in lowered.values)))


def chain_of(node: Expr) -> list[tuple[Node, str, Node]]:
    if isinstance(node, Delta):
        return [(node.left, "==", node.right)]
    assert isinstance(node, Iverson)
    return list(zip(node.operands, node.relations, node.operands[1:], strict=False))
