"""A derivation is a value: the steps by which a person would get from a definition to a derivative.

    Z[n,j] = X[n,K] W[K,j] + b[j]                # definition
    dW[k,j] = dZ[N,J] dZ[N,J]/dW[k,j]            # chain rule
            = X[N,K] dZ[N,J] dW[K,J]/dW[k,j]     # linear in W
            = X[N,K] dZ[N,J] δ[K,k] δ[J,j]       # the partial of an entry is a delta
            = X[N,k] dZ[N,j]                     # deltas used up

Every step is an equation that follows from the one before, so a derivation can be checked line by line
(`Derivation.check`).  How the steps are made stands in `einstan.calculus.deriving`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from einstan.calculus.partial import partial
from einstan.calculus.program import Assumption, Program, axes_of_derivative
from einstan.calculus.proof import Proof, on_stated_ranges, prove, with_definitions
from einstan.calculus.stable import differentiable
from einstan.calculus.windows import opened
from einstan.language.dims import axis
from einstan.language.effort import EffortError
from einstan.language.index import Index, slot
from einstan.language.latex import latex
from einstan.language.mathml import FONTS, row_of, wrapped
from einstan.language.term import Delta, Equation, Name, Partial, mul, substitute, tensors


@dataclass(frozen=True)
class Step:
    """An equation, and why it follows from the one before."""

    equation: Equation
    reason: str


EQUALS = "<mo>=</mo>"
Chain = tuple[Step, ...]  # equations for one tensor, each of which follows from the one before


@dataclass(frozen=True)
class Question:
    """Whether two lines are equal: as equations with the same left indices, in the dimensions of one program, with the
    definitions of what they name, some of which are ``derivatives``, and with what is assumed."""

    left: Equation
    right: Equation
    definitions: dict[Name, Equation]
    derivatives: list[Name]
    rules: tuple[Assumption, ...]


@dataclass(frozen=True)
class Derivation:
    """Steps to one derivative, and before them the definitions that they start from.

    A definition of several steps is written anew before it is differentiated: ``log(S[n,c])`` as
    ``Z[n,c] - logsumexp[K](Z[n,K])``.  ``program`` defines what the steps name.
    """

    steps: Chain
    program: Program
    assumptions: tuple[Assumption, ...] = ()
    definitions: tuple[Chain, ...] = ()

    @property
    def result(self) -> Equation:
        return self.steps[-1].equation

    @property
    def chains(self) -> tuple[Chain, ...]:
        """All that is printed: the definitions, then the steps."""
        return (*self.definitions, self.steps)

    def check(self) -> tuple[Proof, ...]:
        """One proof for each line that follows from another: that its right side equals the one before.  What takes too
        many steps to prove is not proved."""
        return tuple(self._follows(before, after) for before, after in self.pairs())

    def pairs(self) -> list[tuple[Equation, Equation]]:
        """Each line that follows from another, behind that one."""
        return [pair for chain in self.chains for pair in pairwise(step.equation for step in chain)]

    def named(self, *equations: Equation) -> tuple[Equation, ...]:
        """The derivatives that equations name, as equations: ``dX[n,k]/dX[m,p] = δ[n,m] δ[k,p]``."""
        names = dict.fromkeys(name for equation in equations for name in tensors(equation.rhs))
        return tuple(e for name in names if (e := what_is(name, self.program)) is not None)

    def question(self, before: Equation, after: Equation) -> Question:
        """What is to be asked about two lines."""
        unfolded = self.named(before, after)
        known = [e for e in self.program if e.name not in {u.name for u in unfolded}]
        whole = Program([*known, *unfolded, _as_line(before, "before"), _as_line(after, "after")], self.assumptions)
        for line, equation in (("before", before), ("after", after)):  # a derivative has the axes of its tensors
            for position, place in enumerate(axes_of_derivative(equation.name, len(equation.indices), whole.ranks)):
                whole.dims.union(place, axis(line, position))
        definitions = {e.name: whole.resolved(e) for e in (*known, *unfolded)}
        left, right = whole.resolved(whole["before"]), whole.resolved(whole["after"])
        moved = dict(zip(right.indices, (slot(index) for index in left.indices), strict=True))
        right = Equation(right.name, left.indices, substitute(right.rhs, moved), right.where)
        return Question(left, right, definitions, [u.name for u in unfolded], whole.resolved_assumptions())

    def _follows(self, before: Equation, after: Equation) -> Proof:
        asked = self.question(before, after)
        left, right, *known = on_stated_ranges(asked.left, asked.right, *asked.definitions.values())
        meanings = {e.name: e for e in known}
        short = {name: meanings[name] for name in asked.derivatives}  # most steps need no definition, which is quicker
        rules = asked.rules
        try:
            proof = prove(left.rhs, right.rhs, short) or prove(left.rhs, right.rhs, meanings, rules)
            return proof or prove(*opened(left.rhs, right.rhs, meanings), {}, rules) or proof
        except EffortError:  # then it is not proved, and numbers may tell
            return Proof(False, with_definitions(left.rhs, meanings), with_definitions(right.rhs, meanings))

    # ---- printing ----------------------------------------------------------------------------------------------------

    def __str__(self) -> str:
        return self.text()

    def text(self, above: Collection[Chain] = ()) -> str:
        """The lines with their reasons as comments: a program, in which a chain defines its tensor.  A definition that
        stands ``above`` already is a comment."""
        rows = []
        for chain in self.chains:
            stated = {index.name: (index, form) for step in chain for index, form in step.equation.where}
            for step in chain:
                own = step.equation
                if step is chain[-1]:  # the extents are those of the whole chain
                    own = Equation(own.name, own.indices, own.rhs, tuple(stated.values()))
                name, side = str(own).split(" = ", 1)
                if step is not chain[-1]:
                    side = side.partition(" where ")[0]
                rows.append(("# " if chain in above else "", name if step is chain[0] else "", side, step.reason))
        left = max(len(mark + name) for mark, name, _, _ in rows)
        right = max(len(side) for _, _, side, _ in rows)
        return "\n".join(
            f"{mark}{name.ljust(left - len(mark))} = {side.ljust(right)}  # {reason}"
            for mark, name, side, reason in rows
        )

    def latex(self) -> str:
        """The lines as the rows of an ``aligned`` environment, each with its reason."""
        rows = [
            rf"{latex(step.equation.lhs) if k == 0 else ''} &= {_right_side(step.equation)} && \text{{{step.reason}}}"
            for chain in self.chains
            for k, step in enumerate(chain)
        ]
        return "\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}"

    def html(self) -> str:
        """The lines as a table, its formulas in MathML, which browsers typeset by themselves."""
        rows = []
        for chain in self.chains:
            for k, step in enumerate(chain):
                left = wrapped(row_of(step.equation.lhs)) if k == 0 else ""
                right = wrapped(row_of(step.equation).split(EQUALS, 1)[1])
                cells = (("right", left), ("center", wrapped(EQUALS)), ("left", right), ("left", escape(step.reason)))
                shown = (f'<td style="text-align: {side}">{cell}</td>' for side, cell in cells)
                rows.append(f"<tr>{''.join(shown)}</tr>")
        return "\n".join(['<table class="derivation">', *rows, "</table>"])

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.result}>"

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex()}$"


class Derivations(tuple[Derivation, ...]):
    """Several derivations, each of which the next may use: those of all tensors on the way to a derivative."""

    __slots__ = ()

    @property
    def result(self) -> Equation:
        """The derivative that was asked for."""
        return self[-1].result

    def check(self) -> tuple[Proof, ...]:
        """The proofs of all steps, one derivation after the other."""
        return tuple(proof for part in self for proof in part.check())

    def __str__(self) -> str:
        above: list[Chain] = []
        texts = []
        for part in self:
            texts.append(part.text(above))
            above += part.definitions
        return "\n\n".join(texts)

    def latex(self) -> str:
        """One ``aligned`` environment after the other."""
        return "\n\n".join(part.latex() for part in self)

    def html(self, page: bool = False) -> str:
        """One table after the other; with ``page`` as a page of its own, which opens without a network."""
        tables = "\n".join(part.html() for part in self)
        return PAGE.format(title=escape(str(self.result.name)), fonts=FONTS, body=tables) if page else tables

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.result}>"

    def _repr_latex_(self) -> str:
        rows = " \\\\[1.5ex]\n".join(part.latex() for part in self)
        return f"$\\displaystyle \\begin{{array}}{{l}}\n{rows}\n\\end{{array}}$"


PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ margin: 2rem; font: 1rem/1.5 system-ui, sans-serif; }}
table {{ margin-bottom: 2rem; border-spacing: 0.3em 0.5em; }}
td:last-child {{ padding-left: 2em; opacity: 0.7; font-size: 0.9em; }}
math {{ font-family: {fonts}; font-size: 1.1em; }}
</style>
</head>
<body>
{body}
</body>
</html>
"""


# ---- what the steps name ---------------------------------------------------------------------------------------------


def derivative_name(name: Name, rank: int, wrt: str, wrt_rank: int) -> Partial:
    """The name of the derivative of a tensor, which may be a derivative itself."""
    before = name if isinstance(name, Partial) else Partial(name, rank, ())
    return Partial(before.of, before.rank, (*before.wrt, (wrt, wrt_rank)))


def is_own(name: Name) -> bool:
    """Whether it is ``dX/dX``, which is a product of deltas."""
    return isinstance(name, Partial) and len(name.wrt) == 1 and name.of == name.wrt[0][0]


def what_is(name: Name, program: Program) -> Equation | None:
    """The equation for a derivative that a step names: ``dX/dX`` is a product of deltas, ``dZ/dX`` the one through all
    that stands between the two."""
    if not isinstance(name, Partial) or name in program.defined:
        return None
    wrt = name.wrt[-1][0]
    if is_own(name):
        above = tuple(Index(f"a{k}", f"{wrt}.{k}") for k in range(name.rank))
        below = tuple(Index(f"b{k}", f"{wrt}.{k}") for k in range(name.rank))
        deltas = mul(Delta(slot(a), slot(b)) for a, b in zip(above, below, strict=True))
        return Equation(name, (*above, *below), deltas)
    before = name.of if len(name.wrt) == 1 else Partial(name.of, name.rank, name.wrt[:-1])
    if before not in program.defined:
        return None
    definitions: Mapping[Name, Equation] = {e.name: e for e in differentiable(program, before, wrt, keep=[wrt])}
    others = {other: e for other, e in definitions.items() if other != before}
    return partial(definitions[before], wrt, definitions=others)


def _as_line(equation: Equation, name: str) -> Equation:
    """The equation under another name, so that two lines for one tensor stand in one program."""
    return Equation(name, equation.indices, equation.rhs, equation.where)


def _right_side(equation: Equation) -> str:
    return latex(equation).split(" = ", 1)[1]
