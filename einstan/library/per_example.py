"""Per-example gradients without a loop: an index that a derivative keeps is a delta, so each is one einsum.

deachL[n]/dW[p,q] = X[n,p] deachLdZ[n,q]                          held as the two factors, never multiplied out
squareW[n] = sum[P](X[n,P]^2) sum[Q](deachLdZ[n,Q]^2)            its squared norm, without building the gradients
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal, overload

from einstan.calculus import program as calculus
from einstan.calculus.elimination import jacobian
from einstan.calculus.factors import flattened
from einstan.calculus.naming import derived_equation
from einstan.calculus.passes import dependencies
from einstan.calculus.simplify import simplify, simplify_product, simplify_sum
from einstan.calculus.stable import stabilised
from einstan.language.arguments import blamed_methods, checked_methods, passing
from einstan.language.errors import ProgramError, listed
from einstan.language.guesses import Guessed
from einstan.language.index import Index, capitalised, fresh_name, lowered, slot
from einstan.language.place import at
from einstan.language.term import (
    Add,
    Const,
    Equation,
    Expr,
    Extent,
    Indexed,
    Name,
    Reduce,
    bound_indices,
    power,
    substitute,
    sum_over,
)
from einstan.library.derivative import Derivative

if TYPE_CHECKING:
    from einstan.library import api
    from einstan.library.evaluated import CompiledGradients
    from einstan.library.factored import FactoredTensor
    from einstan.library.hosted import HostedGradients


@checked_methods()
class PerExample(Guessed):
    """The loss of every example, ``eachL[n]``, whose mean over the examples is the loss, and its derivatives.

    ``over`` is the index of the loss that counts the examples.

    Examples:
        >>> each = es.Program("Z[n] = X[n,K] w[K]\\nL = 1/|N| (Z[N] - y[N])^2").per_example("L")
        >>> print(each.equation, each.gradient("w").equation, sep="\\n")
        eachL[n] = (Z[n] - y[n])^2
        deachL[n]/dw[k] = 2 (Z[n] - y[n]) X[n,k]
        >>> print(each.norms("w"))
        squarew[n] = 4 (Z[n] - y[n])^2 X[n,K]^2
        norm[n] = sqrt(squarew[n])
    """

    def __init__(self, base: calculus.Program, loss: str, over: str) -> None:
        self.base, self.loss = base, loss
        if loss not in base.defined:
            raise ProgramError(f"no equation defines {loss}", inferred=f"defined are {listed(base.defined)}")
        self.name = fresh_name(f"each{loss}", {str(name) for name in base.ranks})
        self.equation = _each(base, loss, over, self.name)
        needed = dependencies(base, loss)
        kept = (e for e in base if e.name in needed)
        self.program = calculus.Program((*kept, self.equation), base.assumptions)

    def gradient(self, wrt: str, **options: Any) -> Derivative:
        """``d eachL[n] / d wrt[...]``, one gradient for each example: `Derivative` says how it is evaluated.

        Examples:
            >>> each = es.Program("Z[n] = X[n,K] w[K]\\nL = 1/|N| Z[N]^2").per_example("L")
            >>> print(each.gradient("w").equation)
            deachL[n]/dw[k] = 2 Z[n] X[n,k]
        """
        return passing(Derivative, options, self.program, self.name, (wrt,), context=self.base)

    def gradients(self, wrt: str | Iterable[str]) -> Gradients:
        """The gradients with respect to several tensors, computed together in reverse order.

        Examples:
            >>> each = es.Program("Z[n] = X[n,K] w[K]\\nL = 1/|N| Z[N]^2").per_example("L")
            >>> each.gradients("w").compile()(X=np.eye(2), w=np.ones(2))["w"].dense()
            array([[2., 0.],
                   [0., 2.]])
        """
        return Gradients(self, (wrt,) if isinstance(wrt, str) else tuple(wrt))

    def norms(self, wrt: str | Iterable[str]) -> api.Program:
        """A program of the norms of the gradients of every example: ``squareW[n]`` for each tensor, and of all of them
        together ``norm[n]``, its root.

        Examples:
            >>> each = es.Program("Z[n] = X[n,K] w[K]\\nL = 1/|N| Z[N]^2").per_example("L")
            >>> print(each.norms("w"))
            squarew[n] = 4 Z[n]^2 X[n,K]^2
            norm[n] = sqrt(squarew[n])
        """
        from einstan.library.api import Program

        found = self.gradients(wrt)
        squares: list[Equation] = []
        taken = {str(name) for name in found.program.ranks}
        for tensor, name in found.names.items():
            square = fresh_name(f"square{tensor}", taken)
            squares.append(_square(found.program, found.program[name], square))
        n = self.equation.indices[0]
        total = simplify_sum(Indexed(e.name, (slot(Index(n.name, f"{e.name}.0")),)) for e in squares)
        rhs = simplify(power(total, Fraction(1, 2)))
        norm = derived_equation(fresh_name("norm", taken), total.free[:1], rhs)
        return Program((*squares, norm), self.base.assumptions, forward=found.program, of=(self.name,))

    def __str__(self) -> str:
        return str(self.equation)

    def __repr__(self) -> str:
        return f"<PerExample {self.equation}>"


@blamed_methods()
class Gradients:
    """``{W: d eachL[n] / dW}``: the equations of all of them, sharing what they have in common.

    Examples:
        >>> each = es.Program("Z[n] = X[n,K] w[K]\\nL = 1/|N| Z[N]^2").per_example("L")
        >>> gradients = each.gradients(["w"])
        >>> print(gradients.program)
        Z[n] = X[n,K] w[K]
        eachL[n] = Z[n]^2
        deachL[n]/dw[k] = 2 Z[n] X[n,k]
        >>> gradients.compile()(X=np.eye(2), w=np.ones(2))
        {'w': <FactoredTensor [n,k] 2 x 2: nk->nk; 32 bytes, dense 32 bytes>}
    """

    def __init__(self, each: PerExample, wrt: tuple[str, ...]) -> None:
        program = each.program
        self.base = each.base
        self.names: dict[str, Name] = {}
        made: list[Equation] = []
        for tensor in wrt:
            found = jacobian(program, each.name, tensor, order="reverse")
            made += [e for e in found.program if e.name not in program.defined]
            cores = [e for e in made if isinstance(e.name, str)]
            program = calculus.Program(dict.fromkeys((*program.equations, *cores)), program.assumptions)
            self.names[tensor] = found.name
        self.program = calculus.Program(dict.fromkeys((*each.program.equations, *made)), program.assumptions)

    @overload
    def compile(self, *, backend: Literal["numpy"] = "numpy", **options: Any) -> CompiledGradients: ...
    @overload
    def compile(self, *, backend: Literal["torch", "jax"], **options: Any) -> HostedGradients: ...
    @overload
    def compile(self, *, backend: str, **options: Any) -> CompiledGradients | HostedGradients: ...
    def compile(self, *, backend: str = "numpy", **options: Any) -> CompiledGradients | HostedGradients:
        """``{name: FactoredTensor}`` for arrays; see `einstan.library.evaluated.CompiledGradients`.  With
        ``backend="torch"`` or ``"jax"`` dense tensors of these: `einstan.library.hosted`.

        Examples:
            >>> each = es.Program("Z[n] = X[n,K] w[K]\\nL = 1/|N| Z[N]^2").per_example("L")
            >>> each.gradients(["w"]).compile()(X=np.eye(2), w=np.ones(2))["w"].dense()
            array([[2., 0.],
                   [0., 2.]])
        """
        from einstan.library.evaluated import CompiledGradients

        if backend != "numpy":
            from einstan.library.hosted import HostedGradients

            return HostedGradients(self.program, self.names, self.base, backend, **options)
        return CompiledGradients(self.program, self.names, self.base, **options)

    def __call__(self, arrays: Mapping[str, Any] | None = None, /, **named: Any) -> dict[str, FactoredTensor]:
        return self.compile()(arrays, **named)

    def __str__(self) -> str:
        return "\n".join(str(e) for e in self.program if e.name not in self.base.defined)


def _square(program: calculus.Program, derivative: Equation, name: str) -> Equation:
    """The sum of the squares of a derivative's entries over the slots of its denominator."""
    equation = program.resolved(derivative)
    kept, summed = equation.indices[:1], equation.indices[1:]
    square = simplify_product((power(equation.rhs, 2),), summed)
    return derived_equation(name, kept, square, equation.where)


def _each(base: calculus.Program, loss: str, over: str, name: str) -> Equation:
    """The loss without its sum over the examples, times their number.

    It is read as it is evaluated, or else as it is written: a sum of exponentials is evaluated as one of a logsumexp.
    """
    equation = next(e for e in stabilised(base) if e.name == loss)
    own = base.resolved(base[loss])
    letter = capitalised(over)
    dims = {i.dim for term in (own.rhs, equation.rhs) for i in bound_indices(term) if i.name in (letter, over)}
    evaluated = _terms(equation.rhs)
    counted = all(len(_examples(term, dims)[2]) == 1 for term in evaluated)
    terms: list[Expr] = []
    number = None
    for term in evaluated if counted else _terms(own.rhs):
        factors, summed, mine = _examples(term, dims)
        if len(mine) != 1:
            raise ProgramError(
                f"{loss} is not a sum over {letter}, so it has no loss for each of its values",
                **at(base[loss], None),
                inferred=f"the term {term} has {len(mine)} such sums",
                repair=f"name the index of {loss} that counts the examples",
            )
        number = Index(lowered(letter), mine[0].dim)
        body = simplify_product((*factors, Extent(mine[0])), [i for i in summed if i is not mine[0]])
        terms.append(substitute(body, {mine[0]: number}))
    assert number is not None
    return derived_equation(name, (number,), simplify_sum(terms), equation.where)


def _terms(rhs: Expr) -> tuple[Expr, ...]:
    return rhs.terms if isinstance(rhs, Add) else (rhs,)


def _examples(term: Expr, dims: Collection[str]) -> tuple[list[Expr], list[Index], list[Index]]:
    """The factors of a term, the indices that it sums, and those among them that count examples."""
    coefficient, flat, summed = flattened((term,))
    if not any(i.dim in dims for i in summed):
        flat, summed = _means_opened(flat, summed)
    return [Const(coefficient), *flat], summed, [i for i in summed if i.dim in dims]


def _means_opened(flat: list[Expr], summed: list[Index]) -> tuple[list[Expr], list[Index]]:
    """Means as sums over their numbers."""
    opened: list[Expr] = []
    for factor in flat:
        if isinstance(factor, Reduce) and factor.operation == "mean":
            count = [power(Extent(index), -1) for index in factor.indices]
            opened.append(simplify_product((*count, sum_over(factor.indices, factor.body))))
        else:
            opened.append(factor)
    coefficient, again, more = flattened(opened, summed)
    return [Const(coefficient), *again], more
