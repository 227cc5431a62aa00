"""A layer: index equations, the partial derivatives that it declares, and how its parameters begin.

    dense = Layer(
        "Z[n,j] = X[n,K] W[K,j] + b[j]",
        partials=("dZ[n,j]/dX[m,p] = δ[n,m] W[p,j]", ...),
        parameters={"W": "he", "b": "zeros"},
    )
    dense("H", X="X", W="W1", b="b1", j=64)      one use of it, in a network

A declared partial is a claim: it is proved equal to the derived one when the layer is declared, and a wrong one is
refused.  Nothing here knows any layer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from textwrap import dedent
from typing import TYPE_CHECKING, Any

from einstan.calculus.naming import ForwardNames
from einstan.calculus.partial import partial
from einstan.calculus.program import Assumption
from einstan.language import parse, parse_document
from einstan.language.arguments import ArgumentError, checked_methods, shown
from einstan.language.errors import ClaimError, ProgramError, listed, nearest
from einstan.language.index import Index, lowered
from einstan.language.node import preorder
from einstan.language.place import Place, at
from einstan.language.term import Equation, Indexed, Partial
from einstan.library import api
from einstan.library.composable import Composable
from einstan.library.declared import Verdict, judge
from einstan.library.einsum import Einsum, einsum
from einstan.library.initialise import Initialiser, initialiser
from einstan.library.rename import renamed, renamed_assumption, renamed_axis, require_name
from einstan.machine.sizes.refusals import reader_of

if TYPE_CHECKING:
    import jax
    import torch

    from einstan.library.to_jax import Function
    from einstan.library.to_torch import TorchFunction


@checked_methods()
class Layer(Composable):
    """``Layer(text, partials, parameters, source, name)``

    - ``text``: one equation, or several of which the last is the output, and ``assume`` lines;
    - ``partials``: the declared partial-derivative tensors, each an equation such as
      ``dZ[n,j]/dX[m,p] = δ[n,m] W[p,j]``; they may name the output and what the layer computes on the way;
    - ``parameters``: which inputs are learned, with their initialiser by name or as a function;
    - ``source``: where the formula comes from.

    Raises `ClaimError` for a declared partial that is not the derivative, with the term that differs and numbers for
    which the two sides differ; `ProgramError` for names that do not fit together.

    Examples:
        >>> gate = es.Layer("G[n,j] = X[n,j] sigmoid(1.702 X[n,j])", source="Hendrycks and Gimpel (2016), section 2")
        >>> print(gate.partial("X"))
        dG[n,j]/dX[m,q] = (sigmoid(1.702 X[n,j]) + 1.702 (1 - sigmoid(1.702 X[n,j])) G[n,j]) δ[n,m] δ[j,q]
        >>> gate.inputs, gate.parameters, gate.einsum.string
        (('X',), {}, 'nj,nj->nj')
        >>> print(gate("G1", X="Z").equations[0])
        G1[n,j] = Z[n,j] sigmoid(1.702 Z[n,j])
    """

    def __init__(
        self,
        text: str,
        partials: tuple[str, ...] | list[str] = (),
        parameters: Mapping[str, str | Initialiser] | None = None,
        source: str = "",
        name: str | None = None,
    ) -> None:
        document = parse_document(dedent(text).strip())
        if not document.equations:
            raise ProgramError("a layer needs an equation", text=text.strip(), repair='Layer("A[n,j] = relu(Z[n,j])")')
        self.source = source
        self.program = api.Program(document.equations, document.assumptions)
        self.output = str(document.equations[-1].name)
        self.name = name or self.output
        self.parameters: dict[str, Initialiser] = {}
        for parameter, choice in (parameters or {}).items():
            if parameter not in self.program.inputs:
                raise ProgramError(
                    f"the layer reads no parameter {parameter}",
                    text=str(self.program),
                    inferred=f"it reads {', '.join(map(str, self.program.inputs))}",
                    repair=nearest(parameter, map(str, self.program.inputs)) or "name a tensor that the layer reads",
                )
            self.parameters[parameter] = initialiser(choice)
        self.declared: dict[str, Equation] = {}
        self.report: tuple[Verdict, ...] = tuple(self._declare(line) for line in partials)

    def _declare(self, line: str) -> Verdict:
        """Prove one declared partial and keep it."""
        claim = parse(line)
        name = claim.name
        if not isinstance(name, Partial) or len(name.wrt) != 1 or name.of != self.output:
            raise ClaimError(
                f"{claim.lhs} is not a partial derivative of {self.output}",
                **at(claim, name),
                inferred=f"the output of this layer is {self.output}, its last equation",
                repair=f"declare d{self.output}[...]/dX[...] = ..., with X a tensor that the layer reads",
            )
        wrt = name.wrt[0][0]
        if wrt in self.declared:
            raise ClaimError(
                f"the partial derivative with respect to {wrt} is declared twice",
                **at(claim, name),
                inferred=f"it was declared as {self.declared[wrt]}",
                repair="leave out one of the two",
            )
        verdict = judge(claim, self.program)
        self.declared[wrt] = claim
        return verdict

    # ---- what it says ------------------------------------------------------------------------------------------------

    @property
    def equation(self) -> api.Equation:
        """The equation of the output.

        Examples:
            >>> from einstan.layers import relu
            >>> print(relu.equation)
            A[n,j] = relu(Z[n,j])
        """
        return self.program[self.output]

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the tensors that it reads, parameters among them.

        Examples:
            >>> es.layers.dense.inputs
            ('X', 'W', 'b')
        """
        return tuple(str(name) for name in self.program.inputs)

    def partial(self, wrt: str) -> api.Equation:
        """The partial derivative of the output with respect to a tensor: as declared, else derived.

        Examples:
            >>> from einstan.layers import dense
            >>> print(dense.partial("W"))
            dZ[n,j]/dW[p,q] = δ[j,q] X[n,p]
        """
        return api.Equation.of(self.declared[wrt]) if wrt in self.declared else self.derived(wrt)

    def derived(self, wrt: str) -> api.Equation:
        """The derived partial, declared or not; it passes through what the layer computes on the way, and
        names it.

        Examples:
            >>> from einstan.layers import softmax
            >>> print(softmax.derived("Z"))
            dS[n,c]/dZ[m,p] = S[n,c] δ[n,m] (δ[c,p] - S[n,p])
        """
        resolved = {equation.name: equation for equation in self.program.resolved_all()}
        names = ForwardNames(resolved.values())
        output = resolved.pop(self.output)
        return api.Equation.of(partial(output, wrt, definitions=resolved, names=names))

    @property
    def einsum(self) -> Einsum:
        """The einsum string of the output, with its operands.

        Examples:
            >>> print(es.layers.dense.einsum)
            'nK,Kj->nj'  X[n,K], W[K,j]
            'j,n->nj'  b[j], 1[n]
        """
        return einsum(self.equation)

    def to_jax(
        self, wrt: str | Iterable[str] | None = None, rule: str = "plain", **options: Any
    ) -> Function[jax.Array]:
        """The layer as a function of JAX, ``dense.to_jax()(X, W, b)``: see `api.Program.to_jax`.

        Examples:
            >>> import jax
            >>> from einstan.layers import relu
            >>> print(relu.to_jax()(jax.numpy.array([[-1.0, 2.0]])))
            [[0. 2.]]
        """
        return self.program.to_jax(self.output, wrt, rule, **options)

    def to_torch(
        self, wrt: str | Iterable[str] | None = None, double_backward: bool = True, **options: Any
    ) -> TorchFunction[torch.Tensor]:
        """The layer as a function of PyTorch, ``dense.to_torch()(X, W, b)``: see `api.Program.to_torch`.

        Examples:
            >>> import torch
            >>> from einstan.layers import relu
            >>> relu.to_torch()(torch.tensor([[-1.0, 2.0]]))
            tensor([[0., 2.]])
        """
        return self.program.to_torch(self.output, wrt, double_backward, **options)

    def __str__(self) -> str:
        lines = [*map(str, self.program.equations), *(f"assume {a}" for a in self.program.assumptions)]
        return "\n".join(lines)

    def latex(self, sums: bool = False) -> str:
        """Its equations, and below them the partials that it declares, as the rows of an ``aligned`` environment.

        Examples:
            >>> from einstan.layers import relu
            >>> print(relu.latex())
            \\begin{aligned}
            A_{n,j} &= \\operatorname{relu}(Z_{n,j}) \\\\
            \\frac{\\partial A_{n,j}}{\\partial Z_{m,q}} &= \\delta_{n,m} \\delta_{j,q} \\mathbb{1}[Z_{n,j} > 0]
            \\end{aligned}
        """
        return api.aligned((*self.program.equations, *self.declared.values()), sums)

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex(sums=True)}$"

    def __repr__(self) -> str:
        return f"<Layer {self.equation}>"

    # ---- one use of it -----------------------------------------------------------------------------------------------

    def __call__(self, output: str | None = None, /, **keywords: str | int) -> Instance:
        """One use of the layer: ``dense("H", X="X", W="W1", b="b1", j=64)``.

        The first argument is the output's new name.  A keyword that names a tensor gives its name in the network; one
        that names an index fixes its extent.  An input that is not named keeps its name; a parameter that is not named
        gets the output's name after its own (``WH``), so that two layers share one only where both name it.

        Examples:
            >>> print(*es.layers.relu("A", Z="H").equations)
            A[n,j] = relu(H[n,j])
        """
        if output is not None and not isinstance(output, str):
            raise ArgumentError(
                f"the name of the output is {shown(output)}, and a name is a text",
                inferred="a number is the extent of an index",
                repair=f'{self.name}("H", j=64), with j an index of the layer',
            )
        if output is not None:
            require_name(output)
        names = {self.output: output or self.output}
        sizes: dict[str, int] = {}
        for keyword, value in keywords.items():
            if keyword in self.program.ranks and isinstance(value, str):
                names[keyword] = value
            elif isinstance(value, int) and not isinstance(value, bool) and keyword not in self.program.ranks:
                sizes[self._axis_of(keyword)] = value
            else:
                raise self._unknown(keyword, value)
        made_up = [
            name
            for name in map(str, self.program.ranks)
            if name not in names and (name in self.parameters or name in self.program.defined)
        ]
        names = {str(name): str(name) for name in self.program.ranks} | names
        if output is not None:
            names |= {name: f"{name}{output}" for name in made_up}
        for name in names.values():
            require_name(name)
        given = {*keywords, self.output} if output is not None else set(keywords)
        letters = {name for name in names if name not in given and (output is None or name not in made_up)}
        return Instance(
            self,
            tuple(renamed(equation, names) for equation in self.program.equations),
            tuple(renamed_assumption(a, names) for a in self.program.assumptions),
            names[self.output],
            {names[parameter]: first for parameter, first in self.parameters.items()},
            {renamed_axis(axis, names): size for axis, size in sizes.items()},
            frozenset(names[name] for name in made_up if output is not None),
            frozenset(names[name] for name in letters),
        )

    def _axis_of(self, keyword: str) -> str:
        """The axis that an index of the layer runs over: j of ``Z[n,j]`` is ``Z.1``."""
        for equation in reversed(self.program.equations):
            for node in preorder(equation.lhs, equation.rhs):
                if isinstance(node, Indexed):
                    for position, form in enumerate(node.slots):
                        if form.index is not None and lowered(form.index.name) == lowered(keyword):
                            return f"{node.tensor}.{position}"
        raise self._unknown(keyword)

    def _unknown(self, keyword: str, value: object = None) -> ProgramError:
        equations = self.program.equations
        found = preorder(*(node for equation in equations for node in (equation.lhs, equation.rhs)))
        indices = list(dict.fromkeys(lowered(node.name) for node in found if isinstance(node, Index)))
        known = [*map(str, self.program.ranks), *indices]
        if keyword in known:
            wanted = "a name, as a string" if keyword in self.program.ranks else "an extent, as a whole number"
            return ProgramError(
                f"{keyword}={shown(value)}: {keyword} takes {wanted}",
                **self._place(keyword),
                inferred=f"{keyword} is {'a tensor' if keyword in self.program.ranks else 'an index'} of this layer",
                repair=f'{keyword}="{keyword}1"' if keyword in self.program.ranks else f"{keyword}=64",
            )
        return ProgramError(
            f"the layer has no {keyword}",
            text=str(self),
            inferred=f"its tensors are {listed(self.program.ranks)}"
            + (f"; its indices are {', '.join(indices)}" if indices else ""),
            repair=nearest(keyword, known) or "name one of these",
        )

    def _place(self, keyword: str) -> Place:
        """Where a tensor or an index of the layer stands."""
        if keyword in self.program.ranks:
            return at(reader_of(self.program, keyword), keyword)
        found = ((e, node) for e in self.program.equations for node in preorder(e.lhs, e.rhs))
        indices = ((e, i) for e, i in found if isinstance(i, Index) and lowered(i.name) == keyword)
        return at(*next(indices, (None, None)))


@checked_methods("__init__")
@dataclass(frozen=True)
class Instance(Composable):
    """One use of a layer: its equations in the names of the network, first values, and the extents that it fixes.

    Examples:
        >>> from einstan.layers import dense
        >>> use = dense("H", X="X", W="W1", b="b1", j=8)
        >>> use.output, use.sizes, list(use.parameters)
        ('H', {'H.1': 8}, ['W1', 'b1'])
        >>> print(use.renamed({"H": "Z"}).equations[0])
        Z[n,j] = X[n,K] W1[K,j] + b1[j]
    """

    layer: Layer
    equations: tuple[Equation, ...]
    assumptions: tuple[Assumption, ...]
    output: str
    parameters: dict[str, Initialiser]
    sizes: dict[str, int]  # axis, such as W1.1, to its extent
    private: frozenset[str]  # names that this use made up, which no other may have
    letters: frozenset[str] = frozenset()  # names that nobody gave, which are the layer's own

    def renamed(self, names: Mapping[str, str]) -> Instance:
        """The same use with other names for tensors."""

        def new(name: str) -> str:
            return names.get(name, name)

        return replace(
            self,
            equations=tuple(renamed(equation, names) for equation in self.equations),
            assumptions=tuple(renamed_assumption(a, names) for a in self.assumptions),
            output=new(self.output),
            parameters={new(name): first for name, first in self.parameters.items()},
            sizes={renamed_axis(axis, names): size for axis, size in self.sizes.items()},
            private=frozenset(map(new, self.private)),
            letters=frozenset(map(new, self.letters)),
        )

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {api.aligned(self.equations, sums=True)}$"

    def __str__(self) -> str:
        return "\n".join(map(str, self.equations))
