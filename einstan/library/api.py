"""What a user holds: an equation and a program, with all that can be done to them as methods.

The floors below work on plain data; here the same data gets verbs.  ``es.parse`` gives an `Equation`, ``es.Program`` a
program of several, and a derivative of either is again one of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from textwrap import dedent
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, cast, overload

from einstan.calculus import program as calculus
from einstan.calculus.alone import told_alone
from einstan.calculus.backward import backward, vjp, with_extents
from einstan.calculus.canonical import undimensioned
from einstan.calculus.deriving import derivation
from einstan.calculus.forward import jvp
from einstan.calculus.naming import ForwardNames
from einstan.calculus.partial import Kinks, partial
from einstan.calculus.passes import needed, pass_name, reached, require_tensors
from einstan.calculus.program import Assumption
from einstan.calculus.stable import differentiable, runnable
from einstan.language import latex, parse_document, reading, term, written
from einstan.language.arguments import ArgumentError, blamed, checked, checked_methods, passing, require, shown
from einstan.language.document import at_line
from einstan.language.effort import UNLIMITED, EffortError, effort
from einstan.language.errors import DataError, EinstanError, MissingError, ProgramError, listed, nearest
from einstan.language.guesses import Guessed
from einstan.language.index import Affine, Index, fresh_name
from einstan.language.show import shown_alone
from einstan.language.statement import Claim, Document
from einstan.language.term import Expr, Name, Partial
from einstan.language.threads import cached_property
from einstan.language.together import collided, collisions, is_cotangent
from einstan.library.composable import Composable
from einstan.library.derivations import Derivations

STEPS = 100_000  # of the calculus, that telling a gradient from another tensor is worth

if TYPE_CHECKING:
    import jax
    import torch
    from numpy.typing import NDArray

    from einstan.library.derivative import Derivative
    from einstan.library.einsum import Einsum
    from einstan.library.per_example import PerExample
    from einstan.library.plan import Plan
    from einstan.library.to_jax import Function
    from einstan.library.to_torch import TorchFunction
    from einstan.machine.meaning.loops import Tensor
    from einstan.machine.run.compiled import Compiled
    from einstan.machine.run.hosted import Hosted


_TANGENT = re.compile(r"t[0-9]*(.+)")
Directions = str | Iterable[str] | Mapping[Any, Any]  # tensor names, or tensor name to that of its direction


@checked_methods()
class Equation(term.Equation, Composable):
    """One equation, ``Equation("Z[n,j] = X[n,K] W[K,j] + b[j]")`` as `parse` reads it, or of its parts.  Two equations
    with one text are one object.

    Examples:
        >>> dense = es.Equation("Z[n,j] = X[n,K] W[K,j] + b[j]")
        >>> dense is es.parse(str(dense)), dense is es.Equation(dense.name, dense.indices, dense.rhs)
        (True, True)
        >>> print(dense.lhs, "is", dense.rhs)
        Z[n,j] is X[n,K] W[K,j] + b[j]
        >>> es.Equation.of(dense.program["Z"]) is dense
        True
    """

    __slots__ = ()

    @blamed
    def __new__(
        cls,
        name: Name,
        indices: tuple[Index, ...] | None = None,
        rhs: Expr | None = None,
        where: tuple[tuple[Index, Affine], ...] = (),
    ) -> Equation:
        if indices is None and rhs is None and isinstance(name, str):
            return parse(name)
        if indices is None or rhs is None:
            raise ArgumentError("an equation has indices and a right side", repair='es.parse("y[i] = x[i]")')
        return super().__new__(cls, name, indices, rhs, where)  # type: ignore[return-value]

    @classmethod
    def of(cls, equation: term.Equation) -> Equation:
        """The same equation as one that has these methods.

        Examples:
            >>> line = es.Program("y[i] = x[i]^2").equations[0]
            >>> es.Equation.of(line) is es.parse("y[i] = x[i]^2")
            True
        """
        return cls(equation.name, equation.indices, equation.rhs, equation.where)

    @property
    def program(self) -> Program:
        """The program that consists of this equation.

        Examples:
            >>> print(es.parse("L = 1/2 x[N]^2").program.backward("L"))
            dx[n] = x[n]
        """
        return Program((self,))

    def __str__(self) -> str:
        return shown_alone(self)

    def partial(self, wrt: str, indices: Sequence[str] | None = None, kinks: Kinks | None = None) -> Equation:
        """The partial-derivative tensor ``d self / d wrt``, again an equation.

        Its slots are those of the numerator, then those of the denominator, which ``indices`` names.  ``kinks`` selects
        another convention where a function has no derivative: ``{"relu": ["1[x >= 0]"]}``.  Raises
        `DifferentiationError` where ``wrt`` does not enter by its values.

        Examples:
            >>> print(es.parse("Z[n,j] = X[n,K] W[K,j]").partial("W"))
            dZ[n,j]/dW[k,q] = X[n,k] δ[j,q]
            >>> print(es.parse("y[i] = x[i]^2").partial("x", indices=["k"]))
            dy[i]/dx[k] = 2 x[i] δ[i,k]
        """
        return Equation.of(partial(self, wrt, indices, kinks=kinks))

    def derivation(self, wrt: str) -> Derivations:
        """The steps to the partial with respect to ``wrt``, as on paper; ``check()`` proves every step.

        Examples:
            >>> print(es.parse("y[i] = x[i]^2").derivation("x"))
            y[i]        = x[i]^2              # definition
            dy[i]/dx[p] = 2 x[i] dx[i]/dx[p]  # power rule
                        = 2 x[i] δ[i,p]       # the partial of an entry is a delta
        """
        return self.program.derivation(str(self.name), wrt)

    @property
    def einsum(self) -> Einsum:
        """The einsum string of every term, with its operands (surviving deltas among them).

        Examples:
            >>> print(es.parse("Z[n,j] = X[n,K] W[K,j] + b[j]").einsum)
            'nK,Kj->nj'  X[n,K], W[K,j]
            'j,n->nj'  b[j], 1[n]
        """
        from einstan.library.einsum import einsum

        return einsum(self)

    def reading(self) -> str:
        """How the equation is read: the text with every sum written out.

        Examples:
            >>> print(parse("Y[i] = relu(X[i,K] W[K] + b[i])").reading())
            Y[i] = relu(sum[K](X[i,K] W[K]) + b[i])
        """
        return reading(self)

    def latex(self, sums: bool = False) -> str:
        """LaTeX in the notation of the text, or with ``sums`` with explicit summation signs.

        Examples:
            >>> print(es.parse("Z[n,j] = X[n,K] W[K,j]").latex(sums=True))
            Z_{n,j} = \\sum_{k} X_{n,k} W_{k,j}
        """
        return latex(self, sums=sums)

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex(sums=True)}$"

    def plan(self, sizes: Mapping[str, int], **options: Any) -> Plan:
        """The contraction path for sizes by index letter; see `einstan.machine.plan.plan.plan`.

        Examples:
            >>> plan = es.parse("y[i] = A[i,J] B[J,K] x[K]").plan({"i": 10, "j": 20, "k": 30})
            >>> plan.flops, [step.call for step in plan.steps]
            (1600, ['matvec', 'matvec'])
        """
        return self.program.plan(sizes, **options)

    @overload
    def compile(self, *, backend: Literal["numpy"] = "numpy", **options: Any) -> Compiled: ...
    @overload
    def compile(self, *, backend: Literal["torch", "jax"], **options: Any) -> Hosted: ...
    @overload
    def compile(self, *, backend: str, **options: Any) -> Compiled | Hosted: ...
    def compile(self, **options: Any) -> Compiled:
        """A function of arrays, or of tensors of a ``backend``, that returns ``{name: array}``; see
        `einstan.machine.run.compile.compile`.

        Examples:
            >>> f = es.parse("y[i] = A[i,J] x[J]").compile()
            >>> f(A=np.eye(2), x=[1.0, 2.0])
            {'y': array([1., 2.])}
        """
        return self.program.compile(**options)

    def source(
        self,
        sizes: Mapping[str, int] | None = None,
        *,
        target: str = "numpy",
        autograd: bool = False,
        **options: Any,
    ) -> str:
        """The code that `compile` makes for NumPy, ``"torch"`` or ``"jax"``, or with ``autograd`` that of `to_torch` or
        `to_jax`; it runs on its own.

        Examples:
            >>> code = es.parse("y[i] = A[i,J] x[J]").source(target="torch")
            >>> print(code[code.index("    # y") :])
                # y[i] = A[i,J] x[J]
                y = torch.matmul(x, A.permute(1, 0))
                return y,
        """
        own = {"outputs": str(self.name)} if autograd else {}
        return self.program.source(sizes, target=target, autograd=autograd, **own, **options)

    def to_jax(
        self, wrt: str | Iterable[str] | None = None, rule: str = "plain", **options: Any
    ) -> Function[jax.Array]:
        """The tensor that it defines as a function of JAX: see `Program.to_jax`.

        Examples:
            >>> import jax
            >>> f = es.parse("y[i] = x[i]^3").to_jax()
            >>> print(f(jax.numpy.array([1.0, 2.0])))
            [1. 8.]
        """
        return self.program.to_jax(str(self.name), wrt, rule, **options)

    def to_torch(
        self, wrt: str | Iterable[str] | None = None, double_backward: bool = True, **options: Any
    ) -> TorchFunction[torch.Tensor]:
        """The tensor that it defines as a function of PyTorch: see `Program.to_torch`.

        Examples:
            >>> import torch
            >>> f = es.parse("y[i] = x[i]^3").to_torch()
            >>> f(torch.tensor([1.0, 2.0]))
            tensor([1., 8.])
        """
        return self.program.to_torch(str(self.name), wrt, double_backward, **options)

    def __call__(self, *positional: Any, **arrays: Any) -> NDArray[Any]:
        """The tensor that the equation defines, for these arrays, and ``sizes`` that none of them tells.

        Compiled anew at every call: see `compile`.

        Examples:
            >>> es.parse("y[i] = A[i,J] x[J]")(A=np.eye(2), x=[1.0, 2.0])
            array([1., 2.])
        """
        if positional:
            names = ", ".join(f"{name}={name}" for name in self.program.inputs)
            raise ArgumentError("the arrays of an equation are given by name", text=str(self), repair=f"f({names})")
        sizes = arrays.pop("sizes", None) if "sizes" not in self.program.inputs else None
        return self.compile(sizes=sizes)(arrays)[str(self.name)]

    def loops(self, sizes: Mapping[str, int] | None = None, **arrays: Any) -> Tensor:
        """The same by the nested loops that the equation means, without NumPy: slow, and the reference.

        Raises `DataError` where exact numbers, lists of them, have no value: ``1/0``, the logarithm of 0.

        Examples:
            >>> from fractions import Fraction
            >>> es.parse("y[i] = x[i] / sum[J](x[J])").loops(x=[Fraction(1, 3), 1])
            Tensor(2,)[Fraction(1, 4), Fraction(3, 4)]
        """
        from einstan.machine.meaning.loops import evaluate
        from einstan.machine.meaning.numbers import DomainError

        for name, data in arrays.items():
            if hasattr(data, "__array__"):  # lists may hold exact numbers
                from einstan.library.data import plain_array

                arrays[name] = plain_array(name, data, self.program)
        try:
            with effort(UNLIMITED, apart=True):  # who asks for the loops of large tensors waits for them
                return evaluate(self, arrays, sizes)
        except DomainError as error:
            raise DataError(f"{self.name} has no exact value: {error}", text=str(self), repair="give floats") from error


@checked_methods()
class Program(calculus.Program, Guessed):
    """Several equations, from their text or one by one: ``Program("Z[n,j] = ...\\nL = ...")``, ``Program([..., ...])``.

    The text may hold ``assume`` lines and comments.  What it says of derivatives of its own tensors, ``df/dx = 2 x``,
    are claims, which `es.check` judges, and no part of the program.  A backward pass is a program too; it reads forward
    values, so it is planned and compiled together with the part of ``forward`` that it needs.  ``letters`` are those
    that its passes have put before the names of tensors, so that the next pass takes another, and ``given`` the
    directions and cotangents that they take, each with its tensor.  ``of`` are the tensors that it has derivatives of.

    Examples:
        >>> program = es.Program("Z[n] = X[n,K] w[K]\\nL = 1/2 (Z[N] - y[N])^2")
        >>> sorted(program.inputs), list(program.defined), len(program.equations)
        (['X', 'w', 'y'], ['Z', 'L'], 2)
        >>> print(program["Z"])
        Z[n] = X[n,K] w[K]
        >>> backward = program.backward("L", wrt=["w"])
        >>> print(backward)
        dZ[n] = Z[n] - y[n]
        dw[k] = X[N,k] dZ[N]
        >>> [str(e.name) for e in backward.whole], [str(e.name) for e in backward.known]
        (['Z', 'dZ', 'dw'], ['Z', 'L', 'dZ', 'dw'])
        >>> len(es.Program(["Z[n] = X[n,K] w[K]", es.parse("L = Z[N]^2")]).equations)
        2
    """

    def __init__(
        self,
        equations: str | Iterable[term.Equation | str],
        assumptions: Iterable[Assumption] = (),
        forward: calculus.Program | None = None,
        letters: Iterable[str] = (),
        given: Iterable[tuple[Name, Name]] = (),
        end: Name | None = None,
        of: Iterable[Name] = (),
    ) -> None:
        document = None
        equations = equations if isinstance(equations, str) else tuple(equations)
        if not isinstance(equations, str) and any(isinstance(each, str) for each in equations):
            equations = "\n".join(map(str, equations))
        if isinstance(equations, str):
            document = parse_document(dedent(equations).strip(), gradients=True)
            equations, assumptions = _defining(document), (*document.assumptions, *assumptions)
        require("equations", equations, tuple[term.Equation, ...])
        super().__init__(cast(tuple[term.Equation, ...], equations), assumptions)
        passes: dict[Name, dict[str, term.Equation]] = {}
        for statement in collisions(document) if document is not None else ():
            if not is_gradient(self, str(statement.content.name), passes):  # type: ignore[union-attr]
                raise at_line(collided(statement), statement.line)
        self.forward = forward
        self.letters = tuple(letters)
        self.given = tuple(given)
        self.end = end
        self.of = tuple(of)

    @property
    def whole(self) -> calculus.Program:
        """These equations and the forward equations that they read, among them the scalar of a backward pass where
        another could be taken for it.

        Examples:
            >>> p = es.Program("Z[n] = X[n,K] w[K]\\nL = 1/2 Z[N]^2")
            >>> print(p.backward("L", wrt=["w"]).whole)
            Z[n] = X[n,K] w[K]
            dZ[n] = Z[n]
            dw[k] = X[N,k] dZ[N]
        """
        whole = self._with(())
        if self.end is not None and not all(e.indices or e.name in self.defined for e in whole):
            whole = self._with((self.end,))
        return whole

    def _with(self, names: Iterable[Name]) -> calculus.Program:
        """These equations and the forward equations that they, or the tensors of these names, need."""
        if self.forward is None:
            return self
        read = {name for names in self.reads.values() for name in names}
        read |= {name for name in map(self._name, names) if name in self.forward.defined}
        needed = read | reached(self.forward.reads, *read)
        whole = self._made((*(e for e in self.forward if e.name in needed), *self.equations))
        return self._made(told_alone(whole, self.forward))

    def _made(self, equations: tuple[term.Equation, ...], assumptions: tuple[Assumption, ...] = ()) -> calculus.Program:
        """The program of these equations, one object whatever asks for it, which knows what was worked out of it."""
        found: calculus.Program | None = self.notes.get(equations)
        if found is None:
            found = self.notes[equations] = calculus.Program(equations, assumptions)
        return found

    def _for(self, outputs: Iterable[Name]) -> calculus.Program:
        """What these outputs need.  A gradient has the extents of its tensor, and says so where nothing else that is
        needed for the outputs tells them."""
        names = [self._name(name) for name in outputs]
        every = set(self.defined) <= set(names) or not set(names) <= {*self.ranks, *self.known.ranks}
        if self.forward is None or self.letters != ("d",) or every:
            return self._with(names)
        own: dict[Name, Name] = {
            f"d{name}": name for name, rank in self.forward.ranks.items() if self.ranks.get(f"d{name}") == rank
        }
        kept = with_extents(needed(self.equations, names), self.forward, own)
        return Program(kept, self.assumptions, self.forward, self.letters, self.given)._with(names)

    @property
    def known(self) -> calculus.Program:
        """These equations and all forward equations: what a derivative of a derivative passes through.

        Examples:
            >>> p = es.Program("Z[n] = X[n,K] w[K]\\nL = 1/2 Z[N]^2")
            >>> [str(e.name) for e in p.backward("L", wrt=["w"]).known]
            ['Z', 'L', 'dZ', 'dw']
        """
        if self.forward is None:
            return self
        own = (e for e in self.equations if e.name not in self.forward.defined)
        return self._made((*self.forward.equations, *own), self.forward.assumptions)

    def __getitem__(self, name: Name) -> Equation:
        known = {str(each): each for each in self.defined}  # "dL/dx" is the name of a derivative, too
        asked = str(name) if isinstance(name, str | Partial) else shown(name)
        if not isinstance(name, str | Partial) or asked not in known:
            raise MissingError(
                f"no equation defines {asked}",
                inferred="defined are " + listed(known),
                repair=nearest(asked, known) or "name one of these",
            )
        return Equation.of(self.defined[known[asked]])

    def partial(self, of: str, wrt: str, indices: Sequence[str] | None = None, kinks: Kinks | None = None) -> Program:
        """The total derivative ``d of / d wrt`` through every equation between them, naming forward values.

        Examples:
            >>> program = es.Program("a[i] = x[i]^2\\ny[i] = sin(a[i])")
            >>> print(program.partial("y", "x"))
            dy[i]/dx[p] = 2 cos(a[i]) x[i] δ[i,p]
        """
        known = self.known
        numerator = next((name for name in known.defined if str(name) == of), None)
        if numerator is None:
            names_known = [str(name) for name in known.defined]
            raise ProgramError(
                f"no equation defines {of}",
                inferred="defined are " + listed(names_known),
                repair=nearest(of, names_known) or "differentiate one of these",
            )
        definitions = {e.name: e for e in differentiable(known, numerator, wrt)}
        inner = {name: e for name, e in definitions.items() if name != numerator}
        names = ForwardNames(e for e in definitions.values() if isinstance(e.name, str))
        assumptions = known.resolved_assumptions()
        derived = partial(definitions[numerator], wrt, indices, inner, names, kinks, assumptions)
        of_all = (*self.of, numerator)
        return Program((derived,), known.assumptions, known, letters=self.letters, given=self.given, of=of_all)

    def derivative(self, of: str, *wrt: str, **options: Any) -> Derivative:
        """The derivative of a tensor with respect to one tensor after another, its deltas kept.

        It is an equation, and a function of arrays whose value keeps the deltas too: see
        `einstan.library.derivative.Derivative`.

        Examples:
            >>> cubes = es.Program("L = x[N]^3")
            >>> print(cubes.derivative("L", "x", "x", "x").equation)
            dL/dx[n]dx[m]dx[n2] = 6 δ[n,n2] δ[n,m]
        """
        from einstan.library.derivative import Derivative

        return Derivative(self.known, of, wrt, **options)

    def jacobian(self, of: str, wrt: str, **options: Any) -> Derivative:
        """``d of / d wrt`` through every equation between them; see `derivative`.

        Examples:
            >>> J = es.Program("y[i] = x[i]^2").jacobian("y", "x")
            >>> print(J.equation)
            dy[i]/dx[p] = 2 x[i] δ[i,p]
            >>> J(x=[1.0, 2.0]).dense()
            array([[2., 0.],
                   [0., 4.]])
        """
        return self.derivative(of, wrt, **options)

    def hessian(self, of: str, wrt: str, wrt2: str | None = None, **options: Any) -> Derivative:
        """``d of / d wrt d wrt2``, with respect to one tensor twice unless another is named; see `derivative`.

        Examples:
            >>> H = es.Program("L = x[N]^3").hessian("L", "x")
            >>> print(H.equation)
            dL/dx[n]dx[m] = 6 x[n] δ[n,m]
            >>> H(x=[1.0, 2.0])
            <FactoredTensor [n,m] 2 x 2: n->nn; 16 bytes, dense 32 bytes>
        """
        return self.derivative(of, wrt, wrt if wrt2 is None else wrt2, **options)

    def per_example(self, loss: str, over: str = "n") -> PerExample:
        """The loss of each example, its gradients and their norms; see `einstan.library.per_example.PerExample`.

        ``over`` is the index of the loss that counts the examples.

        Examples:
            >>> program = es.Program("Z[n] = X[n,K] w[K]\\nL = 1/|N| (Z[N] - y[N])^2")
            >>> print(program.per_example("L").gradient("w").equation)
            deachL[n]/dw[k] = 2 (Z[n] - y[n]) X[n,k]
        """
        from einstan.library.per_example import PerExample

        return PerExample(self.known, loss, over)

    def backward(self, loss: str, wrt: str | Iterable[str] | None = None, **options: Any) -> Program:
        """The backward pass of a scalar, one equation per tensor; see `einstan.calculus.backward.backward`.

        Examples:
            >>> print(es.Program("Z[n,j] = X[n,K] W[K,j]\\nL = sum[N,J](sin(Z[N,J]))").backward("L", wrt=["W"]))
            dZ[n,j] = cos(Z[n,j])
            dW[k,j] = X[N,k] dZ[N,j]
        """
        letter = self._letter_of(options, "d")
        wanted = None if wrt is None else _several(wrt)
        made = passing(backward, options, self.known, loss, wanted, zeros=self.forward is not None)
        return self._pass(letter, made, [self._name(loss)], end=self._name(loss))

    def jvp(self, of: str | Iterable[str], directions: Directions, batch: str | None = None, **options: Any) -> Program:
        """The Jacobian-vector product ``tZ = dZ/dW V`` for ``jvp("Z", {"W": "V"})``, as equations.

        ``directions`` names the direction of each tensor, of its shape; for names alone, ``["W"]``, they are ``tW``.
        With ``batch="r"`` every direction and tangent has one more index in front.  See
        `einstan.calculus.forward.jvp`.

        Examples:
            >>> print(es.Program("Z[n,j] = X[n,K] W[K,j]").jvp("Z", {"W": "V"}))
            tZ[n,j] = X[n,K] V[K,j]
        """
        letter = self._letter_of(options, "t")
        given, wanted = self._named(directions, letter), [self._name(name) for name in _several(of)]
        made = passing(jvp, options, self.known, wanted, given, batch=batch, zeros=self.forward is not None)
        return self._pass(letter, made, wanted, given, self.end)

    def vjp(
        self,
        of: Directions,
        wrt: str | Iterable[str] | None = None,
        batch: str | None = None,
        **options: Any,
    ) -> Program:
        """The vector-Jacobian product ``dW = C dZ/dW`` for ``vjp({"Z": "C"}, "W")``, as equations.

        ``of`` names the cotangent of each tensor, of its shape; for a name alone, ``"Z"``, it is ``dZ``.  With
        ``batch="r"`` every cotangent has one more index in front.  See `einstan.calculus.backward.vjp`.

        Examples:
            >>> print(es.Program("Z[n,j] = X[n,K] W[K,j]").vjp({"Z": "C"}, "W"))
            dW[k,j] = X[N,k] C[N,j]
        """
        letter = self._letter_of(options, "d")
        given, wanted = self._named(of, letter), None if wrt is None else _several(wrt)
        made = passing(vjp, options, self.known, given, wanted, batch=batch, zeros=self.forward is not None)
        return self._pass(letter, made, given, given)

    def hvp(
        self,
        loss: str,
        directions: Directions,
        batch: str | None = None,
        wrt: str | Iterable[str] | None = None,
        **options: Any,
    ) -> Program:
        """The Hessian-vector product of a scalar, ``tdW = d²L/dWdW V`` for ``hvp("L", {"W": "V"})``, as equations.

        It is the `jvp` of the backward pass: the tangents of the gradients with respect to ``wrt``, by default the
        tensors that have a direction.  The Hessian is never made; with ``batch="r"`` one more index runs over the
        directions.

        Examples:
            >>> print(es.Program("L = x[N]^3").hvp("L", {"x": "v"}))
            tdx[n] = 6 x[n] v[n]
        """
        rows = [str(name) for name in self._named(directions, "")] if wrt is None else _several(wrt)
        gradient = self.backward(loss, rows, **options)
        return gradient.jvp([f"{gradient.letters[-1]}{name}" for name in rows], directions, batch, **options)

    def gauss_newton(
        self,
        loss: str,
        outputs: str | Iterable[str],
        directions: Directions,
        batch: str | None = None,
        **options: Any,
    ) -> Program:
        """The Gauss-Newton product ``gW = Jᵀ H J V``, as equations: see `einstan.library.gauss_newton.gauss_newton`.

        Examples:
            >>> program = es.Program("Z[n] = X[n,K] w[K]\\nL = 1/2 (Z[N] - y[N])^2")
            >>> print(program.gauss_newton("L", "Z", {"w": "v"}))
            tZ[n] = X[n,K] v[K]
            tdZ[n] = tZ[n]
            gw[k] = X[N,k] tdZ[N]
        """
        from einstan.library.gauss_newton import gauss_newton

        return gauss_newton(self, loss, _several(outputs), directions, batch, **options)

    @cached_property
    def _spelled(self) -> dict[str, Name]:
        return {str(name): name for name in reversed(self.known.ranks)}

    def _name(self, text: Any) -> Name:
        """The name that is spelled so: ``dL/dW`` is that of a derivative."""
        return self._spelled.get(str(text), str(text))

    def _named(self, given: Directions, letter: str) -> dict[Name, Name]:
        """Tensor to direction or cotangent; a name alone gets the letter of the pass."""
        require_tensors(given.values() if isinstance(given, Mapping) else ())
        pairs = given if isinstance(given, Mapping) else {name: pass_name(letter, name) for name in _several(given)}
        return {self._name(name): str(other) for name, other in pairs.items()}

    def _letter(self, letter: str) -> str:
        """The letter, numbered where an earlier pass has it: t, then t2."""
        return fresh_name(letter, set(self.letters))

    def _letter_of(self, options: dict[str, Any], usual: str) -> str:
        """The letter that is asked for, or the usual one."""
        letter = options.setdefault("letter", self._letter(usual))
        require("letter", letter, str)
        return str(letter)

    def _pass(
        self,
        letter: str,
        derived: calculus.Program,
        of: Iterable[Name],
        given: Mapping[Name, Name] = MappingProxyType({}),
        end: Name | None = None,
    ) -> Program:
        letters = (*self.letters, letter)
        pairs = ((other, tensor) for tensor, other in given.items())
        every = (*self.of, *of)
        return Program(derived, forward=self.known, letters=letters, given=(*self.given, *pairs), end=end, of=every)

    def derivation(self, of: str, wrt: str) -> Derivations:
        """The steps to ``d of / d wrt``, as on paper, through every equation between them; ``check()`` proves each.

        The gradient of a scalar that depends on ``wrt`` through other tensors is derived from its end, one derivation
        per cotangent on the way; any other derivative from its start, one per tensor on the way.

        Examples:
            >>> steps = es.Program("a[i] = x[i]^2\\nL = sum[I](sin(a[I]))").derivation("L", "x")
            >>> print(steps)
            L     = sum[I](sin(a[I]))      # definition
            da[i] = dL/da[i]               # gradient of L
                  = cos(a[I]) da[I]/da[i]  # partial of sin
                  = cos(a[I]) δ[I,i]       # the partial of an entry is a delta
                  = cos(a[i])              # deltas used up
            <BLANKLINE>
            a[i]  = x[i]^2                    # definition
            dx[i] = da[I] da[I]/dx[i]         # chain rule
                  = 2 x[I] da[I] dx[I]/dx[i]  # power rule
                  = 2 x[I] da[I] δ[I,i]       # the partial of an entry is a delta
                  = 2 x[i] da[i]              # deltas used up
            >>> all(steps.check())
            True
        """
        numerator = self._name(of)
        if numerator not in self.known.defined:
            known = [str(name) for name in self.known.defined]
            raise ProgramError(
                f"no equation defines {of}",
                inferred="defined are " + listed(known),
                repair=nearest(of, known) or "differentiate one of these",
            )
        return Derivations(derivation(self.known, numerator, self._name(wrt)))

    def reading(self) -> str:
        """How the equations are read: every sum written out.

        Examples:
            >>> print(es.Program("Z[n] = X[n,K] w[K]\\nL = Z[N]^2").reading())
            Z[n] = sum[K](X[n,K] w[K])
            L = sum[N](Z[N]^2)
        """
        return "\n".join(map(reading, self.equations))

    def latex(self, sums: bool = False) -> str:
        """The equations as the rows of an ``aligned`` environment.

        Examples:
            >>> print(es.Program("Z[n] = X[n,K] w[K]\\nL = Z[N]^2").latex())
            \\begin{aligned}
            Z_{n} &= X_{n,K} w_{K} \\\\
            L &= Z_{N}^{2}
            \\end{aligned}
        """
        return aligned(self.equations, sums)

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex(sums=True)}$"

    def draw(
        self,
        path: str | Path,
        backward: str | None = None,
        extents: Mapping[str, Any] | None = None,
        scalars: bool = False,
    ) -> Path:
        """The computation graph in a file, by its ending; see `einstan.library.draw.draw`.

        Examples:
            >>> path = es.Program("Z[n] = X[n,K] w[K]\\nL = Z[N]^2").draw("program.mmd", backward="L")
            >>> print(path.read_text().splitlines()[4])
                n2["Z[n] = X[n,K] w[K]"]:::equation
        """
        from einstan.library.draw import draw

        return draw(self, path, backward, extents, scalars)

    def plan(self, sizes: Mapping[str, int], **options: Any) -> Plan:
        """Contraction paths, forward and backward together; see `einstan.machine.plan.plan.plan`.

        With ``mesh={"data": 8}``, ``shard`` and ``shard_params`` as `compile` has them it is the plan of one of these
        devices, with what they exchange.

        Examples:
            >>> program = es.Program("Z[n] = X[n,K] w[K]\\nL = 1/2 (Z[N] - y[N])^2")
            >>> plan = program.backward("L").plan({"n": 100, "k": 10})
            >>> plan.flops, [step.call for step in plan.steps]
            (5200, ['matvec', 'ufunc add', 'ufunc add', 'ufunc multiply', 'matvec'])
        """
        from einstan.library.mesh import on_mesh
        from einstan.library.plan import Plan
        from einstan.machine.plan.plan import plan
        from einstan.machine.sizes.written import as_written

        outputs = self._outputs(options)
        program = runnable(self._for(outputs))
        with as_written(program, lambda origin: plan(origin, sizes)):
            return Plan.of(plan(program, sizes, outputs, **on_mesh(program, options, **self._placing())))

    def specs(self, shard: Mapping[str, Any], shard_params: Any = None) -> dict[str, jax.sharding.PartitionSpec]:
        """Where every tensor lies on a mesh of devices, as a ``jax.sharding.PartitionSpec``, by the letters of the
        equation that defines it: ``{"n": "data", "h": "model"}`` puts ``A[n,h]`` on ``("data", "model")``.

        ``shard_params`` says in which smaller parts parameters are kept, and with them their gradients: a mesh axis for
        all, or ``{"W": {"k": "data"}, "b": None, "*": "data"}``.  See `einstan.machine.sizes.specs.specs_of`.

        Examples:
            >>> import jax
            >>> tuple(es.Program("Z[n,j] = X[n,K] W[K,j]").specs({"n": "data"})["Z"])
            ('data', None)
        """
        from einstan.library.mesh import partition_specs
        from einstan.machine.sizes.specs import specs_of

        return partition_specs(specs_of(self.whole, None, shard, shard_params, **self._placing()))

    def _placing(self) -> dict[str, Any]:
        """What a mesh has to know: which tensors are alike, and which inputs have a gradient."""
        from einstan.library.mesh import gradients_of

        known = self.known
        alike = (*self.given, *gradients_of(known, self.letters))
        params = [other for one, other in alike if other in known.inputs and one in self.ranks]
        return {"alike": alike, "params": params, "context": known}

    @overload
    def compile(self, *, backend: Literal["numpy"] = "numpy", **options: Any) -> Compiled: ...
    @overload
    def compile(self, *, backend: Literal["torch", "jax"], **options: Any) -> Hosted: ...
    @overload
    def compile(self, *, backend: str, **options: Any) -> Compiled | Hosted: ...
    def compile(self, **options: Any) -> Compiled:
        """A function of arrays, or of tensors of a ``backend``; see `einstan.machine.run.compile.compile`.

        Examples:
            >>> step = es.Program("L = 1/2 x[N]^2").backward("L").compile()
            >>> step(x=[1.0, 2.0])
            {'dx': array([1., 2.])}
        """
        from einstan.machine.run.compile import compile

        outputs = self._outputs(options)
        backend = options.get("backend")
        transposed = isinstance(backend, str) and backend == "jax"  # as reverse mode is of tangents there
        program = runnable(self._for(outputs), [name for name, _ in self.given] if transposed else ())
        own = {"context": self.known, "given": self.given, "behind": self.of}
        own |= self._placing() if "mesh" in options else {}
        return passing(compile, options, program, outputs, **own)

    def __call__(self, arrays: Mapping[str, Any] | None = None, /, **named: Any) -> dict[str, NDArray[Any]]:
        """The tensors that the equations define, for these arrays, and ``sizes`` that none of them tells.

        Compiled anew at every call: see `compile`.

        Examples:
            >>> es.Program("Z[n] = X[n,K] w[K]\\nL = 1/2 Z[N]^2")({"w": [1.0, 2.0]}, X=np.eye(2))
            {'Z': array([1., 2.]), 'L': np.float64(2.5)}
        """
        sizes = named.pop("sizes", None) if "sizes" not in self.whole.inputs else None
        return self.compile(sizes=sizes)(arrays, **named)

    def source(
        self,
        sizes: Mapping[str, int] | None = None,
        *,
        target: str = "numpy",
        autograd: bool = False,
        **options: Any,
    ) -> str:
        """The code that `compile` makes for NumPy, ``"torch"`` or ``"jax"``; it runs on its own, and allocates without
        asking what is free.

        With ``autograd`` it is the text of a function with its derived derivatives, for ``"torch"`` that of `to_torch`,
        for ``"jax"`` that of `to_jax` with ``rule="vjp"``; the options are theirs.

        Examples:
            >>> code = es.Program("y[i] = A[i,J] x[J]").source()
            >>> print(code[code.index("    # y") :])
                # y[i] = A[i,J] x[J]
                y = np.dot(x, A.T)
                return y,
        """
        require("autograd", autograd, bool)
        if not autograd:
            return self.compile(**{**options, "backend": options.get("backend", target)}).source(sizes)
        if target == "torch":
            return self.to_torch(**options, sizes=sizes).source()
        if target == "jax":
            return self.to_jax(**{"rule": "vjp", **options}, sizes=sizes).source()
        told = f"target = {shown(target)} has no derivatives of its own"
        raise ArgumentError(told, repair='target="torch" or "jax", or the source of program.backward(...)')

    @overload
    def to_jax(
        self, outputs: str, wrt: str | Iterable[str] | None = None, rule: str = "plain", **options: Any
    ) -> Function[jax.Array]: ...
    @overload
    def to_jax(
        self,
        outputs: Iterable[str] | None = None,
        wrt: str | Iterable[str] | None = None,
        rule: str = "plain",
        **options: Any,
    ) -> Function[tuple[jax.Array, ...]]: ...
    def to_jax(
        self,
        outputs: str | Iterable[str] | None = None,
        wrt: str | Iterable[str] | None = None,
        rule: str = "plain",
        **options: Any,
    ) -> Function[Any]:
        """A function of arrays of JAX, ``f(X, W, b)`` or ``f(params, X=X)``: one array for an output by its name, for
        several a tuple.

        ``rule`` says where its derivatives come from: from JAX, which differentiates the code (``"plain"``); from the
        tangents that are derived here (``"jvp"``, both modes); from the derived backward pass (``"vjp"``, reverse mode
        alone).  Derivatives of these are JAX's.  ``wrt`` are the inputs that derivatives may be asked by, else all.
        The other options are those of `compile`.  See `einstan.library.to_jax.Function`.

        Examples:
            >>> import jax
            >>> f = es.Program("Z[n] = X[n,K] w[K]\\nL = 1/2 Z[N]^2").to_jax("L", wrt="w", rule="vjp")
            >>> print(jax.grad(f, argnums=1)(jax.numpy.eye(2), jax.numpy.array([1.0, 2.0])))
            [1. 2.]
        """
        from einstan.library.to_jax import Function

        return Function(self, outputs, wrt, rule, **options)

    @overload
    def to_torch(
        self, outputs: str, wrt: str | Iterable[str] | None = None, double_backward: bool = True, **options: Any
    ) -> TorchFunction[torch.Tensor]: ...
    @overload
    def to_torch(
        self,
        outputs: Iterable[str] | None = None,
        wrt: str | Iterable[str] | None = None,
        double_backward: bool = True,
        **options: Any,
    ) -> TorchFunction[tuple[torch.Tensor, ...]]: ...
    def to_torch(
        self,
        outputs: str | Iterable[str] | None = None,
        wrt: str | Iterable[str] | None = None,
        double_backward: bool = True,
        **options: Any,
    ) -> TorchFunction[Any]:
        """A function of tensors of PyTorch, ``f(X, W, b)`` or ``f(params, X=X)``: one tensor for an output by its name,
        for several a tuple.

        Its derivatives are derived here, to any order, each when it is first needed; with ``double_backward=False`` the
        first alone, and a second is refused.  ``wrt`` are the inputs that derivatives may be asked by, else all.  The
        other options are those of `compile`.  See `einstan.library.to_torch.TorchFunction`.

        Examples:
            >>> import torch
            >>> f = es.Program("Z[n] = X[n,K] w[K]\\nL = 1/2 Z[N]^2").to_torch("L", wrt="w")
            >>> w = torch.tensor([1.0, 2.0], requires_grad=True)
            >>> f(torch.eye(2), w).backward()
            >>> w.grad
            tensor([1., 2.])
        """
        from einstan.library.to_torch import TorchFunction

        return TorchFunction(self, outputs, wrt, double_backward, **options)

    def _outputs(self, options: dict[str, Any]) -> Iterable[Name]:
        chosen: Iterable[Name] | None = options.pop("outputs", None)
        require("outputs", chosen, Iterable[Name] | None)
        return [equation.name for equation in self.equations] if chosen is None else _several(chosen)


def _defining(document: Document) -> tuple[term.Equation, ...]:
    """The equations of a text; a derivative of what the text does not define is one too, as it is printed alone."""
    defined = {equation.name for equation in document.equations}
    own: list[term.Equation] = []
    for statement in document.statements:
        claim, said = statement.content, statement.text.startswith("claim")
        left = claim.lhs if isinstance(claim, Claim) and statement.kind == "claim" and not said else None
        name = left.tensor if isinstance(left, term.Indexed) else None
        if isinstance(claim, Claim) and isinstance(name, Partial) and name.of not in defined:
            if claim.equation is None:
                raise at_line(_defines_nothing(statement.text, name), statement.line)
            own.append(claim.equation)
    return (*document.equations, *own)


def _defines_nothing(text: str, name: Partial) -> ProgramError:
    """``df/dx[0] = 2 x[0]``, where f is nothing that the text defines."""
    left = text.partition("=")[0].rstrip()
    return ProgramError(
        f"a line about some entries of {name} does not define it", text=text, span=(0, len(left)),
        inferred=f"no line defines {name.of}, so it is no claim either",
        repair="plain indices, each once: df/dx[i] = 2 x[i]",
    )  # fmt: skip


def is_gradient(program: calculus.Program, name: str, known: dict[Name, dict[str, term.Equation]]) -> bool:
    """Whether what is called ``dX`` is the gradient with respect to X: no scalar of the program rests on X, as in a
    backward pass by itself, which reads forward values; or the equation is what the calculus derives, of which
    ``known`` keeps the lines of the passes, in other words at most."""
    tensor = name[1:]
    gradients = [n for n in program.defined if str(n).startswith("d") and str(n)[1:] in program.ranks]
    losses = [n for n in _ends(program, gradients) if tensor in reached(program.reads, n)]
    if not losses:
        return True
    read = {other for n in gradients for other in program.reads[n]}
    leaves = [str(n)[1:] for n in gradients if n not in read]

    plain = [e for e in program if e.name not in gradients and reached(program.reads, e.name).isdisjoint(gradients)]

    def derived(loss: Name) -> bool:
        behind = reached(program.reads, loss) | {loss}
        if not behind.isdisjoint(gradients):
            return False
        if loss not in known:
            known[loss] = {}
            for own in (plain, [e for e in plain if e.name in behind]):  # a gradient may name what other lines define
                with suppress(EinstanError):
                    wanted = [leaf for leaf in leaves if leaf in behind]
                    found = backward(calculus.Program(own, program.assumptions), loss, wanted)
                    known[loss] |= {_without_extents(equation): equation for equation in found}
        if _without_extents(program[name]) in known[loss]:
            return True
        lines = [equation for equation in known[loss].values() if equation.name == name]
        with suppress(EffortError), effort(STEPS):
            return any(_says_the_same(program[name], line) for line in lines)
        return False

    return any(map(derived, losses))


def _says_the_same(line: term.Equation, derived: term.Equation) -> bool:
    """Whether two lines are one in other words, with the cotangents that they read as names: what of a tensor is read
    by other lines may say more of its sizes."""
    letters = dict(zip(derived.indices, line.indices, strict=True))
    there = term.substitute(derived.rhs, letters)
    return undimensioned(line.rhs) is undimensioned(there)


def _without_extents(equation: term.Equation) -> str:
    """A line without the extents that it states, which depend on the lines beside it."""
    return str(equation).partition(" where ")[0]


def _ends(program: calculus.Program, gradients: Sequence[Name]) -> Iterator[Name]:
    """The scalars that gradients may be of: none that has a cotangent, is one (``dv = dS[I]``, and ``dc`` where c is in
    another text), or is the tangent of a tensor of the program or of its cotangent (``tL``, ``t2L``, ``tdc``)."""
    for name, equation in program.defined.items():
        base = _still(name)
        is_tangent = base != str(name) and bool({base, base.removeprefix("d")} & program.ranks.keys())
        is_one = base.startswith("d") and not set(gradients).isdisjoint(map(_still, reached(program.reads, name)))
        is_one |= is_cotangent(str(name), program.ranks)
        if not (equation.indices or name in gradients or f"d{name}" in gradients or is_tangent or is_one):
            yield name


def _still(name: Name) -> str:
    """The tensor that a tangent is of, ``Z`` for ``tZ`` and ``t2Z``; any other name as it is."""
    matched = _TANGENT.fullmatch(str(name))
    return matched[1] if matched is not None else str(name)


def _several(names: str | Iterable[Name]) -> list[Any]:
    """One name is no row of letters."""
    return [names] if isinstance(names, str) else list(names)


def aligned(equations: Iterable[term.Equation], sums: bool = False) -> str:
    """Equations as the rows of an ``aligned`` environment."""
    rows = (latex(equation, sums=sums).replace(" = ", " &= ", 1) for equation in equations)
    return "\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}"


@checked
def parse(text: str, known: Iterable[str] = ()) -> Equation:
    """One equation from its text, in either spelling: ``parse(str(e)) is e``.

    ``known`` names tensors outside the equation, so that ``dA[i]/dB[j]`` is read as a derivative.

    Examples:
        >>> print(es.parse("Z_{n,j} = X_{n,K} W_{K,j} + b_j"))
        Z[n,j] = X[n,K] W[K,j] + b[j]
        >>> equation = es.parse("y[i] = softmax[K](A[i,K]) x[K]")
        >>> es.parse(str(equation)) is equation
        True
    """
    return Equation.of(written(text, known=list(known)))
