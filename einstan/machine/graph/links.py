"""Index arithmetic in products as *links*: affine forms over labels that must be zero.

``δ[2H+3I, p]`` is the link ``2H + 3I - p``.  A range guard is a sum over a label of its own,
``1[0 <= p-2H < |W.0|] W[p-2H] = sum[R](1[R == p-2H] W[R])``, so it is the link ``p - 2H - R``, and W is read plainly.
In this form a correlation, its backward and its gradient pass, a transposed convolution and the transpose of a pooling
are one thing, and which label is solved for is left to the sizes (`einstan.machine.passes.windows`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from einstan.calculus.program import Program
from einstan.language.dims import axis, is_axis
from einstan.language.index import Affine, Arithmetic, Index, affine, slot
from einstan.language.node import Node, preorder
from einstan.language.term import Delta, Expr, Extent, Indexed, Iverson, substitute, tensors
from einstan.machine.graph.builder import Scope
from einstan.machine.graph.softmax import Softmaxes
from einstan.machine.sizes.guards import is_index_bracket
from einstan.machine.sizes.operations import Form, combined, plain, put


@dataclass
class Part:
    """A factor or a bracket of a product, with the labels of its indices."""

    node: Expr
    scope: Scope
    divides: bool = False
    is_bracket: bool = False


@dataclass
class Linking:
    """The links of a product, the labels that its range guards brought, the parts that are left, and what is known not
    to be negative where the links hold."""

    parts: list[Part]
    forms: list[Form] = field(default_factory=list)
    labels: set[int] = field(default_factory=set)
    known: tuple[Form, ...] = ()


class Links(Softmaxes):
    """Which brackets of a product are links, and the other parts once they are."""

    def __init__(self, program: Program) -> None:
        super().__init__(program)
        self.ranges: dict[str, Form] = {}  # of the dimensions that range guards made
        self.range_labels: set[int] = set()  # the labels that stand for guarded forms

    def links(self, parts: list[Part], summed: Sequence[int]) -> Linking:
        """Which parts of a product are links, and the others once they are."""
        made = Linking(parts)
        before = len(self.spaces)
        if any(_gathers(part.node) for part in parts if part.is_bracket):
            return made  # what a gather reads is not known before it is read
        for part in [part for part in parts if part.is_bracket]:
            others = [other for other in made.parts if other is not part]
            form = self.equality(part) if isinstance(part.node, Delta) else self.guard_as_link(part, others, summed)
            if form is not None:
                made.known += tuple(self.guard_forms(part.node, part.scope, ()))
                made.forms.append(form)
                made.parts = others
        if not made.forms:
            return made
        made.labels = {label for label in self.range_labels if label >= before}
        held = [
            part for part in made.parts if part.is_bracket and is_index_bracket(part.node) and not tensors(part.node)
        ]
        made.known += tuple(guard for part in held for guard in self.guard_forms(part.node, part.scope, ()))
        for form in made.forms:
            solved = self.solved(form, made.parts, summed)
            if solved is not None:
                label, solution = solved
                made.known += tuple(put(guard, label, solution) for guard in made.known)
                made.known += self.range_of(solution, self.spaces[label][0])
                for part in made.parts:
                    self.put(part, label, form, solution)
        made.known = tuple(dict.fromkeys(made.known))
        return made

    def equality(self, part: Part) -> Form | None:
        """``δ[f,g]`` as ``f - g``, if at least two labels stand in it."""
        assert isinstance(part.node, Delta)
        left, right = (self.guard_form(side, part.scope, ()) for side in (part.node.left, part.node.right))
        form = combined(((left, 1), (right, -1)))
        return form if len(form.labels) > 1 else None

    def guard_as_link(self, part: Part, others: list[Part], summed: Sequence[int]) -> Form | None:
        """``1[0 <= f < n]`` as ``f - r`` with a label r of extent n, which then stands for f in the slots.

        It is one where f is the slot of a factor, or where it ties a free label to summed ones: elsewhere a bracket is
        a mask like any other."""
        guard = range_guard(part.node)
        if guard is None:
            return None
        inner, extent = guard
        form = self.guard_form(inner, part.scope, ())
        size = self.guard_form(extent, part.scope, ())
        if len(form.labels) < 2 or size.labels:
            return None
        dim = self.dimension(size)
        fills = [other for other in others if self.is_slot(other, inner, form, dim)]
        ties = {label in summed for label, k in form.labels if abs(k) == 1 or label in summed} == {True, False}
        if not fills and not ties:
            return None
        letter = next((i.name for i in part.scope if self.spaces[part.scope[i]][0] == dim), "r")
        label = self.label(dim, letter)
        self.range_labels.add(label)
        for other in fills:
            self.refill(other, inner, dim, label)
        return combined(((form, 1), (plain(label), -1)))

    def dimension(self, size: Form) -> str:
        """The dimension of an extent; the range of a guard may have no axis, and is a dimension of its own then."""
        if len(size.extents) == 1 and size.extents[0][1] == 1 and not size.constant:
            return size.extents[0][0]
        name = f"range {size.extents}{size.constant}"
        self.ranges[name] = size
        return name

    def is_slot(self, part: Part, inner: Affine, form: Form, dim: str) -> bool:
        """Whether a guarded form is the slot of a factor, which the guard keeps inside."""
        node = part.node
        if part.is_bracket or part.divides or not isinstance(node, Indexed):
            return False
        return any(self.fits(node, k, inner, dim) for k in range(len(node.slots))) and (
            self.guard_form(inner, part.scope, ()) == form
        )

    def fits(self, node: Indexed, position: int, inner: Affine, dim: str) -> bool:
        return node.slots[position] is inner and self.program.dims.find(axis(node.tensor, position)) == dim

    def refill(self, part: Part, inner: Affine, dim: str, label: int) -> None:
        """The label in the place of the form."""
        node = part.node
        assert isinstance(node, Indexed)
        index = self.named(part, label)
        slots = (slot(index) if self.fits(node, k, inner, dim) else form for k, form in enumerate(node.slots))
        part.node = Indexed(node.tensor, tuple(slots))

    def named(self, part: Part, label: int) -> Index:
        """An index for a label, in the scope of a part."""
        for index, own in part.scope.items():
            if own == label:
                return index
        dim, letter = self.spaces[label]
        index = Index(f"{letter} {label}", dim)
        part.scope = {**part.scope, index: label}
        return index

    # ---- a free label that is tied to summed ones --------------------------------------------------------------------

    def solved(self, form: Form, parts: list[Part], summed: Sequence[int]) -> tuple[int, Form] | None:
        """A free label for which a link can be solved and that stands beside a summed one of the link in some part,
        as p does in ``1[X[p] == Y[H]]``: it is put in there, so that the part depends on the summed labels alone."""
        tied = {label for label, _ in form.labels if label in summed}
        for label, k in form.labels:
            if label in summed or label in self.range_labels or abs(k) != 1:
                continue
            if not all(is_axis(dim) for dim, _ in form.extents):
                continue
            for part in parts:
                have = {part.scope[index] for index in part.node.free}
                if label in have and have & tied:
                    return label, combined(((form, -k), (plain(label), 1)))
        return None

    def put(self, part: Part, label: int, form: Form, solution: Form) -> None:
        """The solution in the place of a free label, in a part that has summed labels of the link too."""
        others = {other for other, _ in form.labels if other != label}
        holders = [index for index in part.node.free if part.scope[index] == label]
        if not holders or not others & {part.scope[index] for index in part.node.free}:
            return
        atoms: list[tuple[Node, int]] = [(self.named(part, other), k) for other, k in solution.labels]
        atoms += [(Extent(Index(dim, dim)), k) for dim, k in solution.extents]
        value = affine(*atoms, constant=solution.constant)
        node = substitute(part.node, dict.fromkeys(holders, value))
        assert isinstance(node, Expr)
        part.node = node

    def range_of(self, form: Form, dim: str) -> tuple[Form, ...]:
        """That a form is a value which a label of the dimension takes."""
        size = Form((), (), ((dim, 1),), 0)
        return form, combined(((size, 1), (form, -1)), -1)


def range_guard(node: Node) -> tuple[Affine, Affine] | None:
    """The form and the extent of ``1[0 <= form < n]``, where n has no index."""
    if not (isinstance(node, Iverson) and node.relations == ("<=", "<")):
        return None
    low, form, high = node.operands
    if isinstance(high, Extent):
        high = affine((high, 1))
    if not (isinstance(low, Affine) and isinstance(form, Affine) and isinstance(high, Affine)):
        return None
    if low.terms or low.constant or high.free or _gathers(form) or _gathers(high):
        return None
    return form, high


def _gathers(node: Node) -> bool:
    """Whether an integer tensor stands in an affine form of a bracket."""
    return any(
        isinstance(atom, Arithmetic | Indexed)
        for inner in preorder(node)
        if isinstance(inner, Affine)
        for atom, _ in inner.terms
    )
