"""A derivation is a value: the steps by which a person would get from a definition to a derivative.

    dW[k,j] = dZ[N,J] dZ[N,J]/dW[k,j]             chain rule
            = X[N,K] dZ[N,J] dW[K,J]/dW[k,j]      product rule
            = X[N,K] dZ[N,J] δ[K,k] δ[J,j]        the partial of an entry is a delta
            = X[N,k] dZ[N,j]                      deltas used up

Every step is an equation that follows from the one before, so a derivation can be checked line by line
(`Derivation.check`).  A step that would change nothing is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from einstan.calculus.assume import assumed
from einstan.calculus.backward import backward
from einstan.calculus.collect import shortest
from einstan.calculus.naming import ForwardNames, derived_equation
from einstan.calculus.partial import Differentiator, Term, denominator_indices, partial, scalars
from einstan.calculus.passes import dependencies
from einstan.calculus.program import Assumption, Program, stated_extents
from einstan.calculus.proof import Proof, on_stated_ranges, prove
from einstan.calculus.simplify import simplify, simplify_sum
from einstan.calculus.stable import stabilised
from einstan.language.dims import is_axis
from einstan.language.index import Index, slot
from einstan.language.latex import latex
from einstan.language.mathml import row_of
from einstan.language.node import preorder
from einstan.language.term import (
    Add,
    Apply,
    Const,
    Delta,
    Equation,
    Expr,
    Indexed,
    Mul,
    Name,
    Partial,
    Reduce,
    Sum,
    add,
    mul,
    substitute,
    sum_over,
    tensors,
)


@dataclass(frozen=True)
class Step:
    """An equation, and why it follows from the one before."""

    equation: Equation
    reason: str


@dataclass(frozen=True)
class Derivation:
    """Steps to one derivative.  ``program`` defines what the steps name."""

    steps: tuple[Step, ...]
    program: Program
    assumptions: tuple[Assumption, ...] = ()

    @property
    def result(self) -> Equation:
        return self.steps[-1].equation

    def check(self) -> tuple[Proof, ...]:
        """One proof for each step after the first: that its right side equals the one before."""
        equations = [step.equation for step in self.steps]
        return tuple(self._follows(a, b) for a, b in pairwise(equations))

    def _follows(self, before: Equation, after: Equation) -> Proof:
        names = {name for equation in (before, after) for name in tensors(equation.rhs)}
        unfolded = [e for name in names if (e := _what_is(name, self.program)) is not None]
        known = [e for e in self.program if e.name not in {u.name for u in unfolded}]
        whole = Program([*known, *unfolded, _as_line(before, "before"), _as_line(after, "after")], self.assumptions)
        definitions = {e.name: whole.resolved(e) for e in (*known, *unfolded)}
        left, right = whole.resolved(whole["before"]), whole.resolved(whole["after"])
        moved = dict(zip(right.indices, (slot(index) for index in left.indices), strict=True))
        right = Equation(right.name, left.indices, substitute(right.rhs, moved), right.where)  # type: ignore[arg-type]
        left, right, *known = on_stated_ranges(left, right, *definitions.values())
        return prove(left.rhs, right.rhs, {e.name: e for e in known}, whole.resolved_assumptions())

    def __str__(self) -> str:
        left = str(self.steps[0].equation).split(" = ")[0]
        sides = [str(step.equation).split(" = ", 1)[1] for step in self.steps]
        width = max(map(len, sides))
        lines = [f"{left if k == 0 else ' ' * len(left)} = {side.ljust(width)}   {step.reason}"
                 for k, (side, step) in enumerate(zip(sides, self.steps, strict=True))]  # fmt: skip
        return "\n".join(lines)

    def latex(self) -> str:
        """The steps as the rows of an ``aligned`` environment, each with its reason."""
        left, _ = _latex_sides(self.steps[0].equation)
        sides = [_latex_sides(step.equation)[1] for step in self.steps]
        rows = [rf"{left if k == 0 else ''} &= {side} && \text{{{step.reason}}}"
                for k, (side, step) in enumerate(zip(sides, self.steps, strict=True))]  # fmt: skip
        return "\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}"

    def html(self) -> str:
        """The steps as a table of MathML."""
        left = row_of(self.steps[0].equation.lhs)
        rows = []
        for k, step in enumerate(self.steps):
            cells = (
                left if k == 0 else "",
                "<mo>=</mo>",
                row_of(step.equation.rhs),
                f"<mtext>{escape(step.reason)}</mtext>",
            )
            rows.append(f"<mtr>{''.join(f'<mtd>{cell}</mtd>' for cell in cells)}</mtr>")
        table = f'<mtable columnalign="right center left left" columnspacing="0.3em 0.3em 2em">{"".join(rows)}</mtable>'
        return f'<math displaystyle="true" display="block">{table}</math>'

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex()}$"


class Derivations(tuple[Derivation, ...]):
    """Several derivations, each of which the next may use: those of all cotangents on the way to a gradient."""

    __slots__ = ()

    def check(self) -> tuple[Proof, ...]:
        """The proofs of all steps, one derivation after the other."""
        return tuple(proof for part in self for proof in part.check())

    def __str__(self) -> str:
        return "\n\n".join(map(str, self))

    def latex(self) -> str:
        """One ``aligned`` environment after the other."""
        return "\n\n".join(part.latex() for part in self)

    def html(self) -> str:
        """One table after the other."""
        return "\n".join(part.html() for part in self)


# ---- deriving --------------------------------------------------------------------------------------------------------


def derivation_of_partial(program: Program, of: Name, wrt: Name) -> Derivation:
    """The steps to ``d of / d wrt`` for an equation that reads ``wrt`` itself."""
    resolved = {e.name: program.resolved(e) for e in program}
    equation = resolved[of]
    taken = {index.name for index in equation.indices}
    below = denominator_indices(equation, wrt, taken, scalars(*resolved.values()))
    rank = len(equation.indices)
    name = Partial(str(of), rank, ((str(wrt), len(below)),))
    terms = Differentiator(wrt, _apart(below)).terms(simplify(equation.rhs))
    stages = _stages(terms, (), (), wrt, _apart(below), _rule_names(equation.rhs, wrt))
    names = ForwardNames(resolved.values())
    result = partial(equation, wrt, [i.name for i in below], names=names)
    return _derivation(program, name, (*equation.indices, *below), _apart(below), below, stages, result.rhs)


def derivation(program: Program, loss: Name, wrt: Name) -> Derivations:
    """The steps to the gradient of a scalar: one derivation for each cotangent on the way to ``wrt``."""
    gradients = backward(program, loss, [wrt])
    forward = stabilised(program, keep=[wrt])
    names = ForwardNames(equation for equation in forward if equation.name != loss)
    behind = dependencies(program, loss)
    result: list[Derivation] = []
    whole = Program((*program.equations, *gradients.equations), program.assumptions)
    cotangents = {str(e.name)[1:] for e in gradients}
    for equation in gradients:
        tensor = str(equation.name)[1:]
        if tensor not in behind:
            continue
        readers = [e for e in forward if tensor in tensors(e.rhs) and (e.name == loss or str(e.name) in cotangents)]
        indices = denominator_indices(readers[0], tensor, set(), scalars(*forward))
        apart = _apart(indices)
        stages: list[tuple[str, Expr]] = [("chain rule", add(_chain(e, tensor, apart, loss) for e in readers))]
        parts: list[list[tuple[str, Expr]]] = []
        for reader in readers:
            terms = Differentiator(tensor, apart).terms(reader.rhs)
            seed = () if reader.name == loss else (Indexed(f"d{reader.name}", reader.lhs.slots),)
            parts.append(_stages(terms, seed, reader.indices, tensor, apart, _rule_names(reader.rhs, tensor)))
        stages += [(_joined(stage), add(expr for _, expr in stage)) for stage in zip(*parts, strict=True)]
        assumptions = program.resolved_assumptions()
        total = stages[-1][1]
        named = names(simplify_sum(_terms_of(total)))
        stages.append(("forward values named", named))
        stages.append(("the assumption used", assumed(named, assumptions)))
        last = shortest(stages[-1][1])
        result.append(_derivation(whole, equation.name, indices, apart, indices, stages, last, equation))
    return Derivations(result)


def _stages(
    terms: Iterable[Term],
    seed: Sequence[Expr],
    summed: tuple[Index, ...],
    tensor: Name,
    indices: tuple[Index, ...],
    rule: str,
) -> list[tuple[str, Expr]]:
    """The terms with the access's derivative written out, then as deltas, then with the deltas used up."""
    kept = list(terms)
    name = Partial(str(tensor), len(indices), ((str(tensor), len(indices)),))
    own = tuple(slot(index) for index in indices)

    def written(middle: Callable[[Term], Iterable[Expr]]) -> Expr:
        return add(_summed((*summed, *t.bound), mul((*t.left, *seed, *middle(t), *t.right))) for t in kept)

    return [
        (rule, written(lambda t: (Indexed(name, (*(left for left, _ in t.pairs), *own)),))),
        ("the partial of an entry is a delta", written(lambda t: [Delta(a, b) for a, b in t.pairs])),
        ("deltas used up", simplify_sum(t.with_in_place(tuple(seed), summed) for t in kept)),
    ]


def _summed(indices: Iterable[Index], body: Expr) -> Expr:
    """The sum with its indices in the order in which they occur, as a text would have them."""
    bound = set(indices)
    return sum_over((index for index in body.free if index in bound), body)


def _chain(reader: Equation, tensor: Name, indices: tuple[Index, ...], loss: Name) -> Expr:
    rank = len(reader.indices)
    name = Partial(str(reader.name), rank, ((str(tensor), len(indices)),))
    slots = (*reader.lhs.slots, *(slot(index) for index in indices))
    local = Indexed(name, slots)
    if reader.name == loss:
        return local
    return _summed(reader.indices, mul((Indexed(f"d{reader.name}", reader.lhs.slots), local)))


def _derivation(
    program: Program,
    name: Name,
    indices: tuple[Index, ...],
    apart: tuple[Index, ...],
    letters: tuple[Index, ...],
    stages: Sequence[tuple[str, Expr]],
    last: Expr,
    final: Equation | None = None,
) -> Derivation:
    moved = dict(zip(apart, letters, strict=True))
    stated = [(i, form) for e in program for i, form in program.resolved(e).where if not is_axis(i.dim)]
    steps: list[Step] = []
    for reason, expr in (*stages, ("collected", last)):
        side = stated_extents(substitute(expr, moved), stated)  # type: ignore[arg-type]
        equation = derived_equation(name, indices, side, stated)
        if not steps or equation is not steps[-1].equation:
            steps.append(Step(equation, reason))
    if final is not None and steps[-1].equation is not final:
        steps.append(Step(final, "written shortest"))
    return Derivation(tuple(steps), program, program.assumptions)


def _apart(indices: tuple[Index, ...]) -> tuple[Index, ...]:
    return tuple(Index(f"{index.name}'", index.dim) for index in indices)


def _terms_of(expr: Expr) -> tuple[Expr, ...]:
    return expr.terms if isinstance(expr, Add) else (expr,)


def _joined(stage: Iterable[tuple[str, Expr]]) -> str:
    return ", ".join(dict.fromkeys(reason for reason, _ in stage))


def _rule_names(expr: Expr, tensor: Name) -> str:
    """What is done at the tensor's place: the rules of the nodes above it."""
    found: dict[str, None] = {}
    for node in preorder(expr):
        if not isinstance(node, Expr) or tensor not in tensors(node) or isinstance(node, Indexed | Const):
            continue
        if isinstance(node, Apply):
            found["power rule" if node.function == "pow" else f"partial of {node.function}"] = None
        elif isinstance(node, Reduce):
            found[f"partial of {node.operation}"] = None
        elif isinstance(node, Mul):
            found["product rule"] = None
        elif isinstance(node, Add | Sum):
            found.setdefault("sum rule", None)
    if len(found) > 1:
        found.pop("sum rule", None)
    return ", ".join(found) or "the entry itself"


def _what_is(name: Name, program: Program) -> Equation | None:
    """The equation for a partial that a step names: ``dX/dX`` is a product of deltas, ``dZ/dX`` the derived partial."""
    if not isinstance(name, Partial):
        return None
    wrt = name.wrt[0][0]
    if name.of == wrt:
        above = tuple(Index(f"a{k}", f"{wrt}.{k}") for k in range(name.rank))
        below = tuple(Index(f"b{k}", f"{wrt}.{k}") for k in range(name.rank))
        deltas = mul(Delta(slot(a), slot(b)) for a, b in zip(above, below, strict=True))
        return Equation(name, (*above, *below), deltas)
    definitions: Mapping[Name, Equation] = {e.name: e for e in stabilised(program, keep=[wrt])}
    return partial(definitions[name.of], wrt)


def _as_line(equation: Equation, name: str) -> Equation:
    """The equation under another name, so that two lines for one tensor stand in one program."""
    return Equation(name, equation.indices, equation.rhs, equation.where)


def _latex_sides(equation: Equation) -> tuple[str, str]:
    return latex(equation.lhs), latex(equation.rhs)
