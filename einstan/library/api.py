"""What a user holds: an equation and a program, with all that can be done to them as methods.

The floors below work on plain data; here the same data gets verbs.  ``es.parse`` gives an `Equation`, ``es.Program`` a
program of several, and a derivative of either is again one of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

from einstan.calculus import program as calculus
from einstan.calculus.backward import backward, dependencies
from einstan.calculus.derivation import Derivations, derivation, derivation_of_partial
from einstan.calculus.naming import ForwardNames
from einstan.calculus.partial import Kinks, partial
from einstan.calculus.program import Assumption
from einstan.calculus.stable import runnable, stabilised
from einstan.language import latex, parse_document, term, written
from einstan.language.errors import ProgramError, nearest
from einstan.language.term import Name

if TYPE_CHECKING:
    from einstan.library.derivative import Derivative
    from einstan.library.einsum import Einsum
    from einstan.library.per_example import PerExample
    from einstan.machine.compile import Compiled
    from einstan.machine.plan import Plan


class Equation(term.Equation):
    """One equation: ``Z[n,j] = X[n,K] W[K,j] + b[j]``.  Two equations with one text are one object."""

    __slots__ = ()

    @classmethod
    def of(cls, equation: term.Equation) -> Equation:
        return cls(equation.name, equation.indices, equation.rhs, equation.where)

    @property
    def program(self) -> Program:
        """The program that consists of this equation."""
        return Program((self,))

    def partial(self, wrt: str, indices: Sequence[str] | None = None, kinks: Kinks | None = None) -> Equation:
        """The partial-derivative tensor ``d self / d wrt``, again an equation.

        Its slots are those of the numerator, then those of the denominator, which ``indices`` names.  ``kinks`` selects
        another convention where a function has no derivative: ``{"relu": ["1[x >= 0]"]}``.  Raises
        `DifferentiationError` where ``wrt`` does not enter by its values.
        """
        return Equation.of(partial(self, wrt, indices, kinks=kinks))

    def derivation(self, wrt: str) -> Derivations:
        """The steps to the partial with respect to ``wrt``, as on paper; ``check()`` proves every step."""
        return self.program.derivation(str(self.name), wrt)

    @property
    def einsum(self) -> Einsum:
        """The einsum string of every term, with its operands (surviving deltas among them)."""
        from einstan.library.einsum import einsum

        return einsum(self)

    def latex(self, sums: bool = False) -> str:
        """LaTeX in the notation of the text, or with ``sums`` with explicit summation signs."""
        return latex(self, sums=sums)

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex(sums=True)}$"

    def plan(self, sizes: Mapping[str, int], **options: Any) -> Plan:
        """The contraction path for sizes by index letter; see `einstan.machine.plan.plan`."""
        return self.program.plan(sizes, **options)

    def compile(self, **options: Any) -> Compiled:
        """A function of NumPy arrays that returns ``{name: array}``; see `einstan.machine.compile.compile`."""
        return self.program.compile(**options)

    def source(self, sizes: Mapping[str, int] | None = None, **options: Any) -> str:
        """The NumPy code that `compile` makes; it runs on its own."""
        return self.program.source(sizes, **options)

    def __call__(self, **arrays: Any) -> Any:
        """The tensor that the equation defines, for these arrays.  Compiled anew at every call: see `compile`."""
        return self.compile()(arrays)[str(self.name)]

    def loops(self, sizes: Mapping[str, int] | None = None, **arrays: Any) -> Any:
        """The same by the nested loops that the equation means, without NumPy: slow, and the reference."""
        from einstan.machine.loops import evaluate

        return evaluate(self, arrays, sizes)


class Program(calculus.Program):
    """Several equations, from their text or one by one: ``Program("Z[n,j] = ...\\nL = ...")``.

    The text may hold ``assume`` lines and comments.  A backward pass is a program too; it reads forward values, so it
    is planned and compiled together with the part of ``forward`` that it needs.
    """

    def __init__(
        self,
        equations: str | Iterable[term.Equation],
        assumptions: Iterable[Assumption] = (),
        forward: calculus.Program | None = None,
    ) -> None:
        if isinstance(equations, str):
            document = parse_document(dedent(equations).strip())
            equations, assumptions = document.equations, (*document.assumptions, *assumptions)
        super().__init__(equations, assumptions)
        self.forward = forward

    @property
    def whole(self) -> calculus.Program:
        """These equations and the forward equations that they read."""
        if self.forward is None:
            return self
        read = {name for names in self.reads.values() for name in names}
        needed = read | {other for name in read for other in dependencies(self.forward, name)}
        return calculus.Program((*(e for e in self.forward if e.name in needed), *self.equations))

    def __getitem__(self, name: Name) -> Equation:
        return Equation.of(self.defined[name])

    def partial(self, of: str, wrt: str, indices: Sequence[str] | None = None, kinks: Kinks | None = None) -> Program:
        """The total derivative ``d of / d wrt`` through every equation between them, naming forward values."""
        known = self._known()
        definitions = {e.name: e for e in stabilised(known)}
        numerator = next((name for name in definitions if str(name) == of), None)
        if numerator is None:
            names_known = [str(name) for name in definitions]
            raise ProgramError(
                f"no equation defines {of}",
                inferred="defined are " + ", ".join(names_known),
                repair=nearest(of, names_known) or "differentiate one of these",
            )
        inner = {name: e for name, e in definitions.items() if name != numerator}
        names = ForwardNames(e for e in definitions.values() if isinstance(e.name, str))
        assumptions = known.resolved_assumptions()
        derived = partial(definitions[numerator], wrt, indices, inner, names, kinks, assumptions)
        return Program((derived,), known.assumptions, forward=known)

    def derivative(self, of: str, *wrt: str, **options: Any) -> Derivative:
        """The derivative of a tensor with respect to one tensor after another, its deltas kept.

        It is an equation, and a function of arrays whose value keeps the deltas too: see
        `einstan.library.derivative.Derivative`.
        """
        from einstan.library.derivative import Derivative

        return Derivative(self._known(), of, wrt, **options)

    def jacobian(self, of: str, wrt: str, **options: Any) -> Derivative:
        """``d of / d wrt`` through every equation between them; see `derivative`."""
        return self.derivative(of, wrt, **options)

    def hessian(self, of: str, wrt: str, wrt2: str | None = None, **options: Any) -> Derivative:
        """``d of / d wrt d wrt2``, with respect to one tensor twice unless another is named; see `derivative`."""
        return self.derivative(of, wrt, wrt if wrt2 is None else wrt2, **options)

    def per_example(self, loss: str, over: str = "n") -> PerExample:
        """The loss of each example, its gradients and their norms; see `einstan.library.per_example.PerExample`.

        ``over`` is the index of the loss that counts the examples.
        """
        from einstan.library.per_example import PerExample

        return PerExample(self._known(), loss, over)

    def _known(self) -> calculus.Program:
        """The forward equations, and those of this program."""
        forward = self.forward or self
        return calculus.Program(
            (*forward.equations, *(e for e in self.equations if e.name not in forward.defined)),
            forward.assumptions,
        )

    def backward(self, loss: str, wrt: Iterable[str] | None = None, **options: Any) -> Program:
        """The backward pass of a scalar, one equation per tensor; see `einstan.calculus.backward.backward`."""
        return Program(backward(self, loss, wrt, **options), forward=self)

    def derivation(self, of: str, wrt: str) -> Derivations:
        """The steps to ``d of / d wrt``, as on paper.

        For a scalar that depends on ``wrt`` through other tensors there is one derivation per cotangent on the way; for
        an equation that reads ``wrt`` itself, one alone.  ``check()`` proves every step.
        """
        if of in self.defined and wrt in self.reads[of]:
            return Derivations((derivation_of_partial(self, of, wrt),))
        return derivation(self, of, wrt)

    def latex(self, sums: bool = False) -> str:
        """The equations as the rows of an ``aligned`` environment."""
        rows = (latex(equation, sums=sums).replace(" = ", " &= ", 1) for equation in self.equations)
        return "\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}"

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex(sums=True)}$"

    def draw(
        self,
        path: str | Path,
        backward: str | None = None,
        extents: Mapping[str, Any] | None = None,
        scalars: bool = False,
    ) -> Path:
        """The computation graph in a file, by its ending; see `einstan.library.draw.draw`."""
        from einstan.library.draw import draw

        return draw(self, path, backward, extents, scalars)

    def plan(self, sizes: Mapping[str, int], **options: Any) -> Plan:
        """Contraction paths, forward and backward together; see `einstan.machine.plan.plan`."""
        from einstan.machine.plan import plan

        return plan(runnable(self.whole), sizes, self._outputs(options), **options)

    def compile(self, **options: Any) -> Compiled:
        """A function of NumPy arrays; see `einstan.machine.compile.compile`."""
        from einstan.machine.compile import compile

        return compile(runnable(self.whole), self._outputs(options), **options)

    def source(self, sizes: Mapping[str, int] | None = None, **options: Any) -> str:
        """The NumPy code that `compile` makes; it runs on its own."""
        return self.compile(**options).source(sizes)

    def _outputs(self, options: dict[str, Any]) -> Iterable[Name]:
        chosen: Iterable[Name] | None = options.pop("outputs", None)
        return [equation.name for equation in self.equations] if chosen is None else chosen


def parse(text: str, known: Iterable[str] = ()) -> Equation:
    """One equation from its text, in either spelling: ``parse(str(e)) is e``.

    ``known`` names tensors outside the equation, so that ``dA[i]/dB[j]`` is read as a derivative.
    """
    return Equation.of(written(text, known=list(known)))
