"""Jacobians, Hessians and higher derivatives as one object: an equation that can be read, and evaluated factored.

``program.hessian("L", "W")`` is a program whose last equation has its deltas as factors.  What is compiled are the
cores of that equation alone (`einstan.calculus.structure`); a call gives them with their structure, as a
`einstan.library.factored.FactoredTensor`.  The order in which the chain rule is multiplied out, forward, reverse or
cross-country, is chosen for the sizes of the arrays, by the cost of the whole plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, overload

from einstan.calculus import program as calculus
from einstan.calculus.backward import backward, joined
from einstan.calculus.complements import complemented
from einstan.calculus.elimination import ORDERS, Jacobian, jacobian
from einstan.calculus.finite import POLES, infinite_tensors
from einstan.calculus.linked import Link, linked
from einstan.calculus.partial import Kinks
from einstan.calculus.passes import dependencies
from einstan.calculus.ranges import Ranges
from einstan.calculus.stable import runnable
from einstan.calculus.structure import outer_products, structured
from einstan.language import latex
from einstan.language.arguments import checked_methods
from einstan.language.dims import axis
from einstan.language.errors import ProgramError
from einstan.language.guesses import Guessed
from einstan.language.index import Affine, Index, fresh_name
from einstan.language.rebuilt import Rebuilt
from einstan.language.term import Equation, Expr, Indexed, Name, Partial, bound_indices, substitute
from einstan.language.threads import cached_property

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from einstan.library import api
    from einstan.library.einsum import Einsum
    from einstan.library.evaluated import CompiledDerivative
    from einstan.library.factored import FactoredTensor
    from einstan.library.hosted import HostedDerivative
    from einstan.library.plan import Plan


@checked_methods()
class Derivative(Rebuilt, Guessed):
    """``d of / d wrt1 d wrt2 ...`` of a program, through every equation between them.

    - ``equation``: the derivative, one line, deltas as factors; it parses again;
    - ``program``: that equation after all that it reads: forward values, cotangents, named cores;
    - ``einsum``: the contraction of each term, surviving deltas among the operands;
    - call it with arrays, or ``compile()`` it once, for a `FactoredTensor`.

    ``order`` is ``"auto"``, or ``"forward"``, ``"reverse"`` or ``"cross-country"``.

    Examples:
        >>> H = es.Program("Z[n] = X[n,K] w[K]\\nL = 1/3 Z[N]^3").hessian("L", "w")
        >>> print(H.program)
        Z[n] = X[n,K] w[K]
        dL/dw[k]dw[l] = 2 X[N,k] Z[N] X[N,l]
        >>> print(H.equation, H.einsum.string, H.latex(), sep="\\n")
        dL/dw[k]dw[l] = 2 X[N,k] Z[N] X[N,l]
        Nk,N,Nl->kl
        \\frac{\\partial^2 L}{\\partial w_{k} \\partial w_{l}} = 2 X_{N,k} Z_{N} X_{N,l}
        >>> H.plan({"n": 100, "k": 10}).flops
        23100
        >>> H.dense(X=np.eye(2), w=np.ones(2))
        array([[2., 0.],
               [0., 2.]])
    """

    def __init__(
        self,
        base: calculus.Program,
        of: str,
        wrt: Sequence[str],
        indices: Sequence[Sequence[str] | None] | None = None,
        *,
        order: str = "auto",
        kinks: Kinks | None = None,
        assume: bool = True,
        context: calculus.Program | None = None,
    ) -> None:
        if not wrt:
            raise ProgramError(f"a derivative of {of} with respect to nothing", repair="name at least one tensor")
        if order != "auto" and order not in ORDERS:
            raise ProgramError(f"there is no order {order!r}", repair=f"choose one of auto, {', '.join(ORDERS)}")
        self.base, self.of, self.wrt, self.order = base, of, tuple(wrt), order
        self.indices = tuple(indices) if indices is not None else (None,) * len(self.wrt)
        self.kinks, self.assume = kinks, assume
        self.context = base if context is None else context  # whose arrays may be given
        self._made: dict[Any, Jacobian] = {}
        self._compiled: CompiledDerivative | None = None

    # ---- the equations -----------------------------------------------------------------------------------------------

    def jacobian(self, order: str, sizes: Mapping[str, int] | None = None) -> Jacobian:
        """The last step as the calculus gives it: earlier derivatives first, the innermost of a scalar in reverse.

        Examples:
            >>> J = es.Program("a[i] = x[i]^2\\ny[i] = sin(a[i])").jacobian("y", "x")
            >>> print(J.jacobian("reverse").equation)
            dy[i]/dx[p] = 2 δ[i,p] cos(a[i]) x[i]
        """
        key = order, tuple(sorted((sizes or {}).items()))
        if key not in self._made:
            self._made[key] = self._derived(order, sizes)
        return self._made[key]

    def _derived(self, order: str, sizes: Mapping[str, int] | None) -> Jacobian:
        program, of, name, mirror = self._start
        options: dict[str, Any] = {"order": order, "sizes": sizes, "kinks": self.kinks, "assume": self.assume}
        wrt = list(zip(self.wrt, self.indices, strict=True))[1 if name is not None else 0 :]
        for tensor, letters in wrt:
            if tensor not in program.ranks and tensor in self.base.ranks:
                program = self._speaking_of(program, tensor)
            if name is not None and tensor in program.ranks:
                rank = program.ranks[tensor]
                name = Partial(name.of, name.rank, (*name.wrt, (tensor, rank)))
            found = jacobian(program, of, tensor, letters, name=name, mirror=mirror, **options)
            equations = dict.fromkeys((*program.equations, *found.program))
            program, of, name = calculus.Program(equations, self.base.assumptions), found.name, found.name
            mirror = {}
        return found

    def _speaking_of(self, program: calculus.Program, tensor: str) -> calculus.Program:
        """The program, with an equation that reads (or defines) a tensor which it does not depend on any more."""
        reader: Name = next((e.name for e in self.base if tensor in self.base.reads[e.name]), tensor)
        needed = {reader, *dependencies(self.base, reader)}
        equations = dict.fromkeys((*(e for e in self.base if e.name in needed), *program.equations))
        return calculus.Program(equations, program.assumptions)

    @cached_property
    def _start(self) -> tuple[calculus.Program, Name, Partial | None, Mapping[Name, Name]]:
        """What is differentiated by elimination: the program and its tensor, or the gradient of a scalar.

        The gradient of a scalar has named cotangents: nothing is cheaper.  They are the mirror image of the program.
        """
        program, of = self.base, _named(self.base, self.of)
        if len(self.wrt) == 1 or of not in program.defined or program[of].indices:
            return program, of, None, {}
        first = self.wrt[0]
        gradient = backward(program, of, [first], assume=self.assume, kinks=self.kinks)
        program = with_gradient(program, of, gradient)
        name = Partial(str(of), 0, ((first, len(program[f"d{first}"].indices)),))
        return program, f"d{first}", name, {x: f"d{x}" for x in program.ranks if f"d{x}" in gradient.defined}

    @property
    def _shown(self) -> Jacobian:
        order = self.order
        if order == "auto":  # for sizes that are not known; one number is best differentiated backwards
            of = self.base.defined.get(_named(self.base, self.of))
            order = "reverse" if len(self.wrt) == 1 and of is not None and not of.indices else ORDERS[0]
        return self.jacobian(order)

    @property
    def program(self) -> api.Program:
        """All equations that the derivative needs, the derivative last.

        Examples:
            >>> J = es.Program("y[i] = A[i,J] x[J]^2").jacobian("y", "x")
            >>> print(J.program)
            dy[i]/dx[j] = 2 A[i,j] x[j]
        """
        from einstan.library.api import Program

        return Program(self._shown.program, self.base.assumptions)

    @property
    def equation(self) -> api.Equation:
        """The derivative as one equation; it may read cores that `program` defines.  What is pasted below a program is
        the text of the derivative, ``print(hessian)``, which has them.

        Examples:
            >>> J = es.Program("y[i] = A[i,J] x[J]^2").jacobian("y", "x")
            >>> print(J.equation)
            dy[i]/dx[j] = 2 A[i,j] x[j]
        """
        from einstan.library.api import Equation as UserEquation

        return UserEquation.of(self._shown.equation)

    @property
    def einsum(self) -> Einsum:
        """The einsum string of every term of the equation, with its operands.

        Examples:
            >>> J = es.Program("y[i] = A[i,J] x[J]^2").jacobian("y", "x")
            >>> print(J.einsum)
            'ij,j->ij'  A[i,j], x[j]  times 2
        """
        return self.equation.einsum

    def latex(self, sums: bool = False) -> str:
        """The equation in LaTeX.

        Examples:
            >>> J = es.Program("y[i] = A[i,J] x[J]^2").jacobian("y", "x")
            >>> print(J.latex())
            \\frac{\\partial y_{i}}{\\partial x_{j}} = 2 A_{i,j} x_{j}
        """
        return latex(self._shown.equation, sums=sums)

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex(sums=True)}$"

    def __str__(self) -> str:
        return "\n".join(str(e) for e in self._shown.program if e.name not in self.base.defined)

    def __repr__(self) -> str:
        return f"<Derivative {self._shown.name}: {self._shown.equation}>"

    # ---- evaluating --------------------------------------------------------------------------------------------------

    def plan(self, sizes: Mapping[str, int], **options: Any) -> Plan:
        """The contractions of the cheapest order for these sizes; the other orders and their costs stand below it.

        Examples:
            >>> J = es.Program("y[i] = A[i,J] x[J]^2").jacobian("y", "x")
            >>> J.plan({"i": 10, "j": 20}).flops
            400
        """
        return self.compile(sizes=sizes, **options).planned(sizes)

    @overload
    def compile(self, *, backend: Literal["numpy"] = "numpy", **options: Any) -> CompiledDerivative: ...
    @overload
    def compile(self, *, backend: Literal["torch", "jax"], **options: Any) -> HostedDerivative: ...
    @overload
    def compile(self, *, backend: str, **options: Any) -> CompiledDerivative | HostedDerivative: ...
    def compile(self, *, backend: str = "numpy", **options: Any) -> CompiledDerivative | HostedDerivative:
        """A function of arrays that gives a `FactoredTensor`; see `einstan.library.evaluated.CompiledDerivative`.  With
        ``backend="torch"`` or ``"jax"`` it gives tensors of these, dense or factored: `einstan.library.hosted`.

        Examples:
            >>> f = es.Program("y[i] = x[i]^2").jacobian("y", "x").compile()
            >>> f(x=[1.0, 2.0]).diagonal()
            array([2., 4.])
        """
        from einstan.library.evaluated import CompiledDerivative

        if backend != "numpy":
            from einstan.library.hosted import HostedDerivative

            return HostedDerivative(self.program.whole, self._shown.name, self.context, backend, self, **options)
        return CompiledDerivative(self, **options)

    def source(self, *, target: str = "numpy", **options: Any) -> str:
        """The code that computes the cores with NumPy, or the whole with ``"torch"`` or ``"jax"``.

        Examples:
            >>> code = es.Program("y[i] = x[i]^2").jacobian("y", "x").source(target="torch")
            >>> print(code[code.index("    # dy") :])
                # dy[i]/dx[p] = 2 x[i] δ[i,p]
                t1 = embed(x, (n_i, n_i), "aa->a")
                dy_by_dx = t1 * 2
                return dy_by_dx,
        """
        source: str = self.compile(**{**options, "backend": options.get("backend", target)}).source()
        return source

    def __call__(self, arrays: Mapping[str, Any] | None = None, /, **named: Any) -> FactoredTensor:
        """The derivative for these arrays; it is compiled at the first call.

        Examples:
            >>> J = es.Program("y[i] = A[i,J] x[J]^2").jacobian("y", "x")
            >>> J(A=np.ones((2, 2)), x=[1.0, 2.0])
            <FactoredTensor [i,j] 2 x 2: ij->ij; 32 bytes, dense 32 bytes>
        """
        if self._compiled is None:
            self._compiled = self.compile()
        return self._compiled(arrays, **named)

    def dense(self, arrays: Mapping[str, Any] | None = None, /, **named: Any) -> NDArray[Any]:
        """The derivative for these arrays with its zeros written out.

        Examples:
            >>> J = es.Program("y[i] = A[i,J] x[J]^2").jacobian("y", "x")
            >>> J.dense(A=np.ones((2, 2)), x=[1.0, 2.0])
            array([[2., 4.],
                   [2., 4.]])
        """
        if self._compiled is None:
            self._compiled = self.compile()
        return self._compiled.dense(arrays, **named)


def with_gradient(program: calculus.Program, of: Name, gradient: calculus.Program) -> calculus.Program:
    """The equations that a scalar and its gradient need; the gradient may name values that the scalar does not read."""
    whole = joined(program, gradient)
    needed = {of, *gradient.defined}
    for name in tuple(needed):
        needed |= set(dependencies(whole, name))
    return calculus.Program((e for e in whole if e.name in needed), program.assumptions)


# ---- cores -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tie:
    """``0 <= sum of coefficient × label + constant < extent``, the last two as forms of extents."""

    terms: tuple[tuple[int, int], ...]
    constant: Affine
    extent: Affine
    access: tuple[Indexed, int] | None = None  # what is read, in which slot, where that has to be inside


@dataclass(frozen=True)
class Term:
    """One structure of a derivative: a label for each axis, and the factors of its core with theirs.

    ``ties`` hold between the labels; ``scale`` multiplies the factors.
    """

    axes: tuple[int, ...]
    factors: tuple[tuple[str, tuple[int, ...]], ...]
    ties: tuple[Tie, ...] = ()
    scale: float = 1.0


@dataclass(frozen=True)
class Cores:
    """What computes the cores of an equation: ``program``, which several equations may share."""

    program: calculus.Program
    equation: Equation
    terms: tuple[Term, ...]

    @property
    def outputs(self) -> tuple[str, ...]:
        """Each core once."""
        return tuple(dict.fromkeys(name for term in self.terms for name, _ in term.factors))

    def sizes(self, shape: Sequence[int]) -> dict[str, int]:
        """The extents of the cores' axes, where the derivative has this shape."""
        found: dict[str, int] = {}
        for term in self.terms:
            size = dict(zip(term.axes, shape, strict=True))
            for name, labels in term.factors:
                found.update((axis(name, k), size[label]) for k, label in enumerate(labels) if label in size)
        return found

    def dims(self) -> tuple[str, ...]:
        """The dimensions of the derivative's axes."""
        return tuple(self.program.dims.find(axis(self.equation.name, k)) for k in range(len(self.equation.indices)))


def cores(program: calculus.Program, *names: Name, sizes: Mapping[str, int] | None = None) -> list[Cores]:
    """Equations of a program taken apart: an equation for each factor of each of their cores.

    ``sizes`` of dimensions say whether what is tied through a sum is smaller in factors.
    """
    program = runnable(program)
    ranges = Ranges(program.resolved_all())
    taken = {str(tensor) for tensor in program.ranks}
    known_sizes = {program.dims.find(dim): size for dim, size in (sizes or {}).items()}
    poles = infinite_tensors(program.equations, POLES)
    known: dict[Expr, tuple[str, tuple[int, ...]]] = {}  # factors that differ in letters alone are one array
    made: list[Equation] = []
    found: list[tuple[Equation, tuple[Term, ...]]] = []
    for name in names:
        equation = program.resolved(program[name])
        terms: list[Term] = []
        rhs = calculus.stated_extents(equation.rhs, equation.where)  # a core may have no index that has such an extent
        for each in (part for whole in structured(rhs, equation.indices) for part in outer_products(whole, poles)):
            for part in linked(each.core, tuple(dict.fromkeys(each.axes)), program.dims.find, known_sizes, poles):
                label = {index: k for k, index in enumerate(dict.fromkeys((*each.axes, *part.indices)))}
                factors: list[tuple[str, tuple[int, ...]]] = []
                for factor in part.factors:
                    free = tuple(index for index in factor.free if index in label)  # as they come in it
                    letters = tuple(Index(f"x{k}", index.dim) for k, index in enumerate(free))
                    key: Expr = substitute(factor, dict(zip(free, letters, strict=True)))
                    if key not in known:
                        own = tuple(index for index in label if index in free)
                        known[key] = fresh_name("core", taken), tuple(free.index(index) for index in own)
                        taken.add(known[key][0])
                        plain = Equation(known[key][0], own, factor, _stated(equation, own, factor))
                        made.append(ranges.stated(plain))
                    core, order = known[key]
                    factors.append((core, tuple(label[free[k]] for k in order)))
                ties = tuple(_tie(link, label) for link in part.links)
                axes = tuple(label[index] for index in each.axes)
                terms.append(Term(axes, tuple(factors), ties, float(part.scale)))
        found.append((equation, tuple(terms)))
    whole = calculus.remade(program, [*program.equations, *complemented(made)])
    return [Cores(whole, equation, terms) for equation, terms in found]


def _tie(link: Link, label: Mapping[Index, int]) -> Tie:
    terms = tuple((label[atom], k) for atom, k in link.form.terms if isinstance(atom, Index))
    rest = tuple((atom, k) for atom, k in link.form.terms if not isinstance(atom, Index))
    return Tie(terms, Affine(rest, link.form.constant), link.extent, link.access)


def _stated(equation: Equation, own: Iterable[Any], factor: Expr) -> tuple[Any, ...]:
    used = {index.dim for index in (*own, *bound_indices(factor))}
    return tuple((index, form) for index, form in equation.where if index.dim in used)


def _named(program: calculus.Program, of: str) -> Name:
    return next((name for name in program.defined if str(name) == of), of)
