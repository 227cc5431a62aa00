"""A network: a graph of layers and equations, with parameters, ready to be differentiated and run.

    net = Network(dense("H", X="X", W="W1", b="b1", j=64), relu("A", Z="H"), ..., cross_entropy("L", S="S", Y="Y"))
    print(net.backward("L"))
    step = net.value_and_grad("L").compile()
    loss, grads = step(params, X=X, Y=Y)

A member is a use of a layer, an equation, or the text of one (``"L = L1 + 0.5 L2"``); the order is free.  Two members
that name one parameter share it.  Nothing here knows any layer.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

import numpy as np
from numpy.typing import DTypeLike, NDArray

from einstan.calculus.backward import joined
from einstan.calculus.program import Assumption, Program
from einstan.calculus.stable import runnable
from einstan.language import display, parse_document
from einstan.language.arguments import blamed_methods, bound, checked_methods, passing, require, shown, whole
from einstan.language.errors import DataError, ExtentError, ProgramError, listed, nearest
from einstan.language.guesses import Guessed
from einstan.language.place import at
from einstan.language.rebuilt import Rebuilt
from einstan.language.term import Equation, tensors
from einstan.library import api
from einstan.library.assumptions import check_assumption, excess
from einstan.library.composable import Composable
from einstan.library.data import plain_array, require_names, require_numbers
from einstan.library.derivations import Derivations
from einstan.library.initialise import Initialiser, draw, initialiser
from einstan.library.layer import Instance
from einstan.library.mesh import gradients_of, on_mesh, partition_specs
from einstan.library.optimisers import Optimiser
from einstan.library.step import NOTHING, HostedStep, Step
from einstan.library.updates import Update
from einstan.machine.run.compile import compile as compile_program
from einstan.machine.run.compiled import floating
from einstan.machine.run.handed import together
from einstan.machine.run.hosted import Hosted
from einstan.machine.sizes.inference import infer
from einstan.machine.sizes.memory import refuse_more
from einstan.machine.sizes.refusals import reader_of
from einstan.machine.sizes.specs import specs_of

if TYPE_CHECKING:
    import jax
    import torch

    from einstan.library.derivative import Derivative
    from einstan.library.per_example import PerExample
    from einstan.library.plan import Plan
    from einstan.library.to_jax import Function
    from einstan.library.to_torch import TorchFunction
    from einstan.library.torch_module import NetworkModule

Arrays = dict[str, NDArray[Any]]
Tensor = TypeVar("Tensor")
NOMINAL = "a nominal size"
LARGEST = 2**62  # entries of an axis


@checked_methods("__init__", "evaluate")
class Network(Composable):
    """``Network(*members, parameters={}, assumptions=())``

    A member may be a network too; equal names are one tensor.  ``parameters`` are the learned tensors that plain
    equations read, with their initialiser; those of layers are known.

    - ``params``: the names of the parameters, in reading order; ``inputs``: those of the other tensors that are read;
    - ``output``: the tensor that composition passes on;
    - ``program``: the forward pass; ``members``: the uses of layers and the equations that it consists of.

    Raises `ProgramError` for a tensor defined twice, a cycle, or a tensor used with two ranks.

    Examples:
        >>> from einstan.layers import dense, mean_squared_error
        >>> net = es.Network(dense("Z", X="X", W="W", b="b"), mean_squared_error("L", O="Z", Y="Y"))
        >>> net.params, net.inputs, net.output, net.has("Z")
        (('W', 'b'), ('X', 'Y'), 'L', True)
        >>> print(net.program)
        Z[n,j] = X[n,K] W[K,j] + b[j]
        L = 1/(|N| |J|) (Z[N,J] - Y[N,J])^2
    """

    @bound
    def __init__(
        self,
        *members: Instance | Equation | str | Network,
        parameters: Mapping[str, str | Initialiser] | None = None,
        assumptions: Iterable[Assumption] = (),
    ) -> None:
        require("parameters", parameters, Mapping[str, Any] | None)
        require("assumptions", assumptions, Iterable[Assumption])
        self.members: tuple[Instance | Equation, ...] = ()
        self.stated = tuple(assumptions)  # those that no layer states
        self.chain: tuple[Any, ...] = ()  # the parts that were composed, where `>>` made it
        self._output = ""
        self.initialisers: dict[str, Initialiser] = {}
        self.sizes: dict[str, int] = {}
        for member in members:
            if isinstance(member, Instance | Equation):
                self.members += (member,)
            elif isinstance(member, Network):
                self.members += member.members
                self.stated += member.stated
                self.initialisers = {**member.initialisers, **self.initialisers}
            elif isinstance(member, str):
                document = parse_document(dedent(member).strip())
                self.members += document.equations
                self.stated += document.assumptions
            else:
                raise ProgramError(
                    f"{shown(member)} is neither a use of a layer nor an equation",
                    repair='use a layer by calling it, dense("H", X="X"), or write "L = L1 + L2"',
                )
        instances = [member for member in self.members if isinstance(member, Instance)]
        for instance in instances:
            self.initialisers = {**instance.parameters, **self.initialisers}
            self._fix(instance)
        equations = (e for m in self.members for e in (m.equations if isinstance(m, Instance) else (m,)))
        self.program = api.Program(equations, (*(a for m in instances for a in m.assumptions), *self.stated))
        for name, choice in (parameters or {}).items():
            if name not in self.program.inputs:
                raise ProgramError(
                    f"no equation reads the parameter {name}",
                    inferred=f"they read {', '.join(map(str, self.program.inputs))}",
                    repair=nearest(name, map(str, self.program.inputs)) or "leave it out",
                )
            self.initialisers[name] = initialiser(choice)
        _refuse_accidents(instances, self.program)
        self.params = tuple(str(name) for name in self.program.inputs if name in self.initialisers)
        self.inputs = tuple(str(name) for name in self.program.inputs if name not in self.initialisers)

    def _fix(self, member: Instance) -> None:
        for axis, size in member.sizes.items():
            if self.sizes.setdefault(axis, size) != size:
                tensor = axis.rpartition(".")[0]
                raise ExtentError(
                    f"{axis} is fixed at {self.sizes[axis]} and at {size}",
                    **at(reader_of(Program(member.equations), tensor), tensor),
                    inferred=f"two layers share {tensor}",
                    repair="fix it once, or give the same size",
                )

    # ---- its parts ---------------------------------------------------------------------------------------------------

    @property
    def output(self) -> str:
        """The tensor that no other is computed from; after composing, the output of the last part.

        Examples:
            >>> es.Network("Z[n] = X[n,K] w[K]\\nA[n] = relu(Z[n])").output
            'A'
        """
        if self.chain:
            return str(self._output)
        read = {name for names in self.program.reads.values() for name in names}
        ends = [str(name) for name in self.program.defined if name not in read]
        if len(ends) != 1:
            raise ProgramError(
                f"the network has {len(ends)} outputs" if ends else "the network has no equation",
                inferred=f"nothing reads {' and '.join(ends)}" if ends else (),
                repair=f'take the part that leads to one of them: net.part(to="{ends[-1]}")' if ends else (),
            )
        return ends[0]

    def replace(self, name: str, member: Any, inputs: Iterable[str] = ()) -> Network:
        """The network with another member in the place of the one that defines ``name``: a layer, a use of one, an
        equation or its text; see `einstan.library.surgery.replace`.

        Examples:
            >>> from einstan.layers import dense, relu, tanh
            >>> print((dense >> relu).replace("A", tanh))
            Z[n,j] = X[n,K] W[K,j] + b[j]
            A[n,j] = tanh(Z[n,j])
        """
        return surgery().replace(self, name, member, inputs)

    def without(self, *names: str) -> Network:
        """The network without the members that define ``names``: what reads such a tensor reads what that member
        read; see `einstan.library.surgery.without`.

        Examples:
            >>> from einstan.layers import dense, relu
            >>> print((dense >> relu >> "L = A[N,J]^2").without("A"))
            Z[n,j] = X[n,K] W[K,j] + b[j]
            L = Z[N,J]^2
        """
        return surgery().without(self, *names)

    def part(self, start: str | Iterable[str] = (), to: str | Iterable[str] | None = None) -> Network:
        """The sub-network that computes ``to`` from the tensors ``start``; see `einstan.library.surgery.part`.

        Examples:
            >>> net = es.Network("Z[n] = X[n,K] w[K]", "A[n] = relu(Z[n])", "L = A[N]^2")
            >>> print(net.part("Z", "A"))
            A[n] = relu(Z[n])
        """
        return surgery().part(self, start, to)

    def renamed(self, names: Mapping[str, str]) -> Network:
        """The network with other names for tensors, all at once; see `einstan.library.surgery.renamed`.

        Examples:
            >>> print(es.Network("Z[n] = X[n,K] w[K]").renamed({"w": "v", "Z": "Y"}))
            Y[n] = X[n,K] v[K]
        """
        return surgery().renamed(self, names)

    # ---- what it says ------------------------------------------------------------------------------------------------

    def has(self, name: str) -> bool:
        """Whether an equation defines the tensor.

        Examples:
            >>> es.Network("Z[n] = X[n,K] w[K]").has("Z")
            True
        """
        return name in self.program.defined

    def backward(self, loss: str, wrt: str | Iterable[str] | None = None, **options: Any) -> api.Program:
        """The backward pass of a scalar, as equations; with respect to the parameters unless told otherwise.

        Examples:
            >>> net = es.Network("Z[n] = X[n,K] w[K]", "L = 1/2 (Z[N] - y[N])^2", parameters={"w": "zeros"})
            >>> print(net.backward("L"))
            dZ[n] = Z[n] - y[n]
            dw[k] = X[N,k] dZ[N]
        """
        return self.program.backward(loss, self.params if wrt is None else wrt, **options)

    def partial(self, of: str, wrt: str, **options: Any) -> api.Program:
        """The total derivative of a tensor with respect to another, through every layer between them.

        Examples:
            >>> print(es.Network("Z[n] = X[n,K] w[K]", "A[n] = relu(Z[n])").partial("A", "w"))
            dA[n]/dw[k] = 1[Z[n] > 0] X[n,k]
        """
        return self.program.partial(of, wrt, **options)

    def jvp(
        self,
        of: str | Iterable[str],
        directions: api.Directions | None = None,
        batch: str | None = None,
        **options: Any,
    ) -> api.Program:
        """A Jacobian-vector product, as equations; along all parameters unless told otherwise (`api.Program.jvp`).

        Examples:
            >>> print(es.Network("Z[n] = X[n,K] w[K]", parameters={"w": "zeros"}).jvp("Z"))
            tZ[n] = X[n,K] tw[K]
        """
        return self.program.jvp(of, self.params if directions is None else directions, batch, **options)

    def vjp(
        self, of: api.Directions, wrt: str | Iterable[str] | None = None, batch: str | None = None, **options: Any
    ) -> api.Program:
        """A vector-Jacobian product, as equations; with respect to the parameters unless told otherwise.

        Examples:
            >>> print(es.Network("Z[n] = X[n,K] w[K]", parameters={"w": "zeros"}).vjp("Z"))
            dw[k] = X[N,k] dZ[N]
        """
        return self.program.vjp(of, self.params if wrt is None else wrt, batch, **options)

    def hvp(
        self, loss: str, directions: api.Directions | None = None, batch: str | None = None, **options: Any
    ) -> api.Program:
        """A Hessian-vector product of a scalar, as equations; along all parameters unless told otherwise.

        Examples:
            >>> net = es.Network("Z[n] = X[n,K] w[K]", "L = 1/3 Z[N]^3", parameters={"w": "zeros"})
            >>> print(net.hvp("L"))
            tZ[n] = X[n,K] tw[K]
            tdZ[n] = 2 Z[n] tZ[n]
            tdw[k] = X[N,k] tdZ[N]
        """
        return self.program.hvp(loss, self.params if directions is None else directions, batch, **options)

    def gauss_newton(
        self,
        loss: str,
        outputs: str | Iterable[str],
        directions: api.Directions | None = None,
        batch: str | None = None,
        **options: Any,
    ) -> api.Program:
        """A Gauss-Newton product ``Jᵀ H J V``, as equations; along all parameters unless told otherwise.

        Examples:
            >>> net = es.Network("Z[n] = X[n,K] w[K]", "L = 1/3 Z[N]^3", parameters={"w": "zeros"})
            >>> print(net.gauss_newton("L", "Z"))
            tZ[n] = X[n,K] tw[K]
            tdZ[n] = 2 Z[n] tZ[n]
            gw[k] = X[N,k] tdZ[N]
        """
        return self.program.gauss_newton(
            loss, outputs, self.params if directions is None else directions, batch, **options
        )

    def derivative(self, of: str, *wrt: str, **options: Any) -> Derivative:
        """The derivative with respect to one tensor after another, its deltas kept: see
        `einstan.library.derivative.Derivative`.

        Examples:
            >>> print(es.Network("L = 1/3 x[N]^3").derivative("L", "x", "x").equation)
            dL/dx[n]dx[m] = 2 x[n] δ[n,m]
        """
        return self.program.derivative(of, *wrt, **options)

    def jacobian(self, of: str, wrt: str, **options: Any) -> Derivative:
        """``d of / d wrt`` through every layer between them: ``net.jacobian("S", "X")(params, X=X)``.

        Examples:
            >>> net = es.Network("Z[n] = X[n,K] w[K]", "A[n] = relu(Z[n])")
            >>> print(net.jacobian("A", "w").equation)
            dA[n]/dw[k] = 1[Z[n] > 0] X[n,k]
        """
        return self.program.jacobian(of, wrt, **options)

    def hessian(self, of: str, wrt: str, wrt2: str | None = None, **options: Any) -> Derivative:
        """``d of / d wrt d wrt2``: ``net.hessian("L", "W")(params, X=X, Y=Y)`` is a factored tensor.

        Examples:
            >>> net = es.Network("Z[n] = X[n,K] w[K]", "L = 1/2 Z[N]^2", parameters={"w": "zeros"})
            >>> net.hessian("L", "w")({"w": np.zeros(2)}, X=np.eye(2)).dense()
            array([[1., 0.],
                   [0., 1.]])
        """
        return self.program.hessian(of, wrt, wrt2, **options)

    def per_example(self, loss: str, over: str = "n") -> PerExample:
        """The loss of each example, its gradients and their norms; see `einstan.library.per_example.PerExample`.

        Examples:
            >>> net = es.Network("Z[n] = X[n,K] w[K]", "L = 1/|N| (Z[N] - y[N])^2", parameters={"w": "zeros"})
            >>> print(net.per_example("L").equation)
            eachL[n] = (Z[n] - y[n])^2
        """
        return self.program.per_example(loss, over)

    @overload
    def to_jax(
        self, outputs: str | None = None, wrt: str | Iterable[str] | None = None, rule: str = "plain", **options: Any
    ) -> Function[jax.Array]: ...
    @overload
    def to_jax(
        self, outputs: Iterable[str], wrt: str | Iterable[str] | None = None, rule: str = "plain", **options: Any
    ) -> Function[tuple[jax.Array, ...]]: ...
    def to_jax(
        self,
        outputs: str | Iterable[str] | None = None,
        wrt: str | Iterable[str] | None = None,
        rule: str = "plain",
        **options: Any,
    ) -> Function[Any]:
        """Tensors of the network, by default its output, as a function of JAX, ``f(params, X=X)``: see
        `api.Program.to_jax`.

        Examples:
            >>> import jax
            >>> f = es.Network("Z[n] = X[n,K] w[K]", parameters={"w": "zeros"}).to_jax()
            >>> print(f({"w": jax.numpy.array([1.0, 2.0])}, X=jax.numpy.eye(2)))
            [1. 2.]
        """
        return self.program.to_jax(self.output if outputs is None else outputs, wrt, rule, **options)

    @overload
    def to_torch(
        self,
        outputs: str | None = None,
        wrt: str | Iterable[str] | None = None,
        double_backward: bool = True,
        **options: Any,
    ) -> TorchFunction[torch.Tensor]: ...
    @overload
    def to_torch(
        self,
        outputs: Iterable[str],
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
        """Tensors of the network, by default its output, as a function of PyTorch, ``f(params, X=X)``: see
        `api.Program.to_torch`.

        Examples:
            >>> import torch
            >>> f = es.Network("Z[n] = X[n,K] w[K]", parameters={"w": "zeros"}).to_torch()
            >>> f({"w": torch.tensor([1.0, 2.0])}, X=torch.eye(2))
            tensor([1., 2.])
        """
        return self.program.to_torch(self.output if outputs is None else outputs, wrt, double_backward, **options)

    @overload
    def to_torch_module(
        self, params: Mapping[str, Any], outputs: str | None = None, double_backward: bool = True, **options: Any
    ) -> NetworkModule[torch.Tensor]: ...
    @overload
    def to_torch_module(
        self, params: Mapping[str, Any], outputs: Iterable[str], double_backward: bool = True, **options: Any
    ) -> NetworkModule[tuple[torch.Tensor, ...]]: ...
    def to_torch_module(
        self,
        params: Mapping[str, Any],
        outputs: str | Iterable[str] | None = None,
        double_backward: bool = True,
        **options: Any,
    ) -> NetworkModule[Any]:
        """The network as an ``nn.Module`` with these first values of its parameters, ``module(X, Y)``: see
        `einstan.library.torch_module.NetworkModule`, and `to_torch` for the rest.

        Examples:
            >>> import torch
            >>> net = es.Network("Z[n] = X[n,K] w[K]", parameters={"w": "zeros"})
            >>> module = net.to_torch_module({"w": torch.tensor([1.0, 2.0])})
            >>> [name for name, _ in module.named_parameters()]
            ['w']
        """
        function = self.to_torch(outputs, None, double_backward, **options)
        assert function.torch  # or it is said how to install PyTorch
        from einstan.library.torch_module import NetworkModule

        return NetworkModule(function, self, params)

    def derivation(self, of: str, wrt: str) -> Derivations:
        """The steps to a gradient or partial, as on paper; ``check()`` proves every one of them.

        Examples:
            >>> net = es.Network("Z[n] = X[n,K] w[K]", "L = 1/2 Z[N]^2")
            >>> all(net.derivation("L", "w").check())
            True
        """
        return self.program.derivation(of, wrt)

    def latex(self, sums: bool = False) -> str:
        """The equations of the forward pass in LaTeX.

        Examples:
            >>> print(es.Network("Z[n] = X[n,K] w[K]", "L = 1/2 Z[N]^2").latex())
            \\begin{aligned}
            Z_{n} &= X_{n,K} w_{K} \\\\
            L &= \\frac{1}{2} Z_{N}^{2}
            \\end{aligned}
        """
        return self.program.latex(sums)

    def draw(
        self,
        path: str | Path,
        backward: str | None = None,
        extents: Mapping[str, Any] | None = None,
        scalars: bool = False,
    ) -> Path:
        """The computation graph in a file: ``net.draw("net.svg", backward="L")``; see `einstan.library.draw.draw`.

        Examples:
            >>> es.Network("Z[n] = X[n,K] w[K]", "L = 1/2 Z[N]^2").draw("net.mmd", backward="L").name
            'net.mmd'
        """
        from einstan.library.draw import draw

        return draw(self, path, backward, extents, scalars)

    def plan(self, sizes: Mapping[str, int], **options: Any) -> Plan:
        """Contraction paths and costs of the forward pass; `ValueAndGrad.plan` has those of both passes together.

        Examples:
            >>> es.Network("Z[n] = X[n,K] w[K]", "L = 1/2 Z[N]^2").plan({"n": 100, "k": 10}).flops
            2201
        """
        return self.program.plan({**self.sizes, **sizes}, **options)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        from einstan.library.draw import mimebundle

        return mimebundle(self)

    def __str__(self) -> str:
        return str(self.program)

    def __repr__(self) -> str:
        count, learned = len(self.program), len(self.params)
        return f"<Network of {count} equation{'s' * (count != 1)}, {learned} parameter{'s' * (learned != 1)}>"

    # ---- parameters --------------------------------------------------------------------------------------------------

    def init(self, seed: int = 0, dtype: DTypeLike = np.float64, **given: Any) -> Arrays:
        """First values of all parameters, each drawn from a generator of its own.

        ``given``: for any tensor an array or a shape (with None for what is not known), from which extents are learned;
        for a parameter an array is taken as its value, and an initialiser, or its name, replaces its own.

        Examples:
            >>> net = es.Network("Z[n,j] = X[n,K] W[K,j]", "L = 1/2 (Z[N,J] - Y[N,J])^2", parameters={"W": "he"})
            >>> net.init(seed=0, X=(100, 3), Y=(100, 2))["W"].shape
            (3, 2)
        """
        dtype, seed = floating(dtype), whole("seed", seed)
        require_names(given, (*self.params, *self.inputs), "a parameter or an input of the network")
        choices = dict(self.initialisers)
        values: Arrays = {}
        shapes: dict[Any, tuple[int, ...]] = {}
        sizes = dict(self.sizes)
        for name, what in given.items():
            if callable(what) or isinstance(what, str):
                choices[name] = initialiser(what)
            elif isinstance(what, tuple) and any(size is None for size in what):
                for k, size in enumerate(what):
                    if size is not None:
                        size = whole(f"axis {k} of {name}", size, most=LARGEST)
                    if size is not None and sizes.setdefault(f"{name}.{k}", size) != size:
                        raise ExtentError(
                            f"axis {k} of {name} is fixed at {sizes[f'{name}.{k}']} and given as {size}",
                            **at(reader_of(self.program, name), name),
                            inferred=f"a layer fixes {name}.{k} = {sizes[f'{name}.{k}']}",
                            repair=f"give {name} a shape that has it, or None there",
                        )
            elif isinstance(what, tuple):
                shapes[name] = tuple(whole(f"axis {k} of {name}", n, most=LARGEST) for k, n in enumerate(what))
            else:
                array = plain_array(name, what, self.program)
                shapes[name] = array.shape
                if name in choices:
                    require_numbers(name, array)
                    values[name] = array.astype(dtype)
        extents = infer(self.program, shapes, sizes, nominal=1)
        shapes = {
            name: tuple(self._extent(extents, name, k) for k in range(self.program.ranks[name]))
            for name in self.params
            if name not in values
        }
        needed = [8 * math.prod(shape) for shape in shapes.values()]
        largest = max(zip(needed, shapes, strict=True), default=(0, ""))[1]
        told = f"the first values, of which {largest} alone has the shape {shapes.get(largest)},"
        refuse_more(told, sum(needed) + max(needed, default=0), "give smaller extents")
        for name, shape in shapes.items():
            if name not in values:
                values[name] = draw(name, shape, choices[name], seed, dtype)
        return {name: values[name] for name in self.params}

    def _extent(self, extents: Any, name: str, position: int) -> int:
        dim = self.program.dims.find(f"{name}.{position}")
        if extents.source[dim] == NOMINAL:
            raise ExtentError(
                f"the extent of axis {position} of {name} is not known",
                **at(reader_of(self.program, name), name),
                inferred=f"{name} is a parameter, and nothing given fixes this axis",
                repair=(
                    "fix it in the layer, dense(..., j=64)",
                    f"or give an array or a shape that has it: init({self.inputs[0] if self.inputs else name}=array)",
                ),
            )
        return int(extents.known[dim])

    # ---- running -----------------------------------------------------------------------------------------------------

    def value_and_grad(self, loss: str, wrt: str | Iterable[str] | None = None, **options: Any) -> ValueAndGrad:
        """The scalar and its gradients, as one program; `ValueAndGrad.compile` makes it a function.

        Examples:
            >>> net = es.Network("Z[n] = X[n,K] w[K]", "L = 1/2 (Z[N] - y[N])^2", parameters={"w": "zeros"})
            >>> step = net.value_and_grad("L").compile()
            >>> loss, gradients = step({"w": np.zeros(2)}, X=np.eye(2), y=np.ones(2))
            >>> float(loss), gradients
            (1.0, {'w': array([-1., -1.])})
        """
        wanted = (wrt,) if isinstance(wrt, str) else tuple(self.params if wrt is None else wrt)
        return ValueAndGrad(self, loss, wanted, options)

    @overload
    def evaluator(self, *names: str, backend: Literal["numpy"] = "numpy", **options: Any) -> Evaluator: ...
    @overload
    def evaluator(self, *names: str, backend: Literal["torch", "jax"], **options: Any) -> HostedEvaluator: ...
    def evaluator(self, *names: str, **options: Any) -> Evaluator:
        """``f(params, **data) -> {name: array}`` for tensors of the network, compiled.

        Examples:
            >>> f = es.Network("Z[n] = X[n,K] w[K]", "A[n] = relu(Z[n])").evaluator("Z", "A")
            >>> f({"w": np.array([1.0, -2.0])}, X=np.eye(2))
            {'Z': array([ 1., -2.]), 'A': array([1., 0.])}
        """
        for name in names:
            if name not in self.program.defined:
                known = list(map(str, self.program.defined))
                raise ProgramError(
                    f"no equation defines {name}",
                    inferred=f"defined are {listed(known)}",
                    repair=nearest(name, known) or "name one of these",
                )
        made = Evaluator if options.get("backend", "numpy") == "numpy" else HostedEvaluator
        return made(self, names, **options)

    @bound
    def evaluate(self, name: str, params: Mapping[str, NDArray[Any]], **data: NDArray[Any]) -> NDArray[Any]:
        """One tensor of the network: ``net.evaluate("S", params, X=X)``.  Compiled once per tensor.

        Examples:
            >>> es.Network("Z[n] = X[n,K] w[K]").evaluate("Z", {"w": np.array([1.0, 2.0])}, X=np.eye(2))
            array([1., 2.])
        """
        if type(name) is not str or type(params) is not dict:
            require("name", name, str)
            require("params", params, Mapping[str, Any])
        return self._evaluators(name)(params, **data)[name]

    def _evaluators(self, name: str) -> Evaluator:
        cache = self.program.notes
        if (Evaluator, name) not in cache:
            cache[Evaluator, name] = self.evaluator(name)
        found: Evaluator = cache[Evaluator, name]
        return found

    def _needed(self, names: Iterable[str]) -> Program:
        """The part of the program that the tensors depend on."""
        keep: set[Any] = set()
        queue: list[Any] = list(names)
        while queue:
            name = queue.pop()
            if name not in keep:
                keep.add(name)
                queue.extend(self.program.reads.get(name, ()))
        return Program(e for e in self.program if e.name in keep)

    def _refuse_unknown(self, data: Mapping[str, object]) -> None:
        for name in data:
            known = [*self.inputs, *self.params]  # also those that tell a size alone
            if name not in self.program.ranks and name not in known:
                raise DataError(
                    f"the network has no input {name}",
                    inferred=f"its inputs are {listed(known)}",
                    repair=nearest(name, known) or "leave it out",
                )

    def check_assumptions(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Refuse data for which an assumption of the network is not true, as far as the data alone can tell.

        Examples:
            >>> from einstan.layers import cross_entropy, softmax
            >>> (softmax >> cross_entropy).check_assumptions({"Y": np.ones((1, 3))})
            Traceback (most recent call last):
                ...
            einstan.language.errors.DataError: the data breaks an assumption
              assume sum[C](Y[n,C]) = 1
                     ^^^^^^^^^^^^^^
              inferred: at n = 0 the left side is 3 and the right side 1
                        1 of 1 places are wrong
              repair:   correct Y, or leave the assumption out: the gradients then hold for any values
        """
        for assumption in self.program.assumptions:
            check_assumption(assumption, arrays)


@blamed_methods()
class Evaluator(Rebuilt, Guessed):
    """``f(params, **data) -> {name: array}`` for tensors of a network, compiled.

    Examples:
        >>> f = es.Network("Z[n] = X[n,K] w[K]").evaluator("Z")
        >>> f({"w": np.ones(2)}, X=np.eye(2))
        {'Z': array([1., 1.])}
    """

    def __init__(self, network: Network, names: Iterable[str], **options: Any) -> None:
        self.network, self.names, self.options = network, tuple(names), options
        program = network._needed(self.names)
        self.compiled = passing(compile_program, options, runnable(program), self.names, context=program)
        self.needed = {str(name) for name in program.inputs}

    def __call__(self, params: Mapping[str, NDArray[Any]] = NOTHING, /, **data: NDArray[Any]) -> Arrays:
        self.network._refuse_unknown(data)
        given = {name: array for name, array in together(params, data).items() if name in self.needed}
        return self.compiled(given)

    def __repr__(self) -> str:
        return f"<Evaluator of {', '.join(self.names)}>"

    def _repr_html_(self) -> str:
        told = f"{', '.join(self.names)} as a function of {', '.join(self.compiled.texts)}"
        return display.shown(display.note(told), display.equations(self.compiled.program))


class HostedEvaluator(Evaluator):
    """Tensors of a network as tensors of PyTorch or JAX; otherwise as `Evaluator`."""

    if TYPE_CHECKING:

        def __call__(self, params: Mapping[str, Tensor] = NOTHING, /, **data: Tensor | float) -> dict[str, Tensor]: ...


@checked_methods("compile")
class ValueAndGrad(Guessed):
    """A scalar and its gradients: ``program`` is the forward and the backward pass together.

    Examples:
        >>> net = es.Network("Z[n] = X[n,K] w[K]", "L = 1/2 (Z[N] - y[N])^2", parameters={"w": "zeros"})
        >>> made = net.value_and_grad("L")
        >>> print(made.program)
        Z[n] = X[n,K] w[K]
        L = 1/2 (Z[N] - y[N])^2
        dZ[n] = Z[n] - y[n]
        dw[k] = X[N,k] dZ[N]
        >>> made.outputs
        ('L', 'dw')
    """

    def __init__(self, network: Network, loss: str, wrt: tuple[str, ...], options: Mapping[str, Any]) -> None:
        self.network, self.loss, self.wrt = network, loss, wrt
        self.backward = network.backward(loss, wrt, **options)
        read = {name for names in self.backward.reads.values() for name in names}
        behind = [str(name) for name in read if name in network.program.defined]
        self.program = joined(network._needed((loss, *behind)), self.backward)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the scalar and of the gradients, ``dW`` that of W.

        Examples:
            >>> net = es.Network("L = 1/2 (x[N] - y[N])^2", parameters={"x": "zeros"})
            >>> net.value_and_grad("L").outputs
            ('L', 'dx')
        """
        return (self.loss, *(f"d{name}" for name in self.wrt))

    def __repr__(self) -> str:
        return f"<ValueAndGrad: {self.loss} and its gradients with respect to {', '.join(self.wrt)}>"

    def _repr_html_(self) -> str:
        told = f"{self.loss} and its gradients with respect to {', '.join(self.wrt)}"
        return display.shown(display.note(told), display.equations(self.program))

    @overload
    def compile(
        self,
        check: bool = True,
        update: Optimiser | None = None,
        *,
        backend: Literal["numpy"] = "numpy",
        **options: Any,
    ) -> Step: ...
    @overload
    def compile(
        self, check: bool = True, update: Optimiser | None = None, *, backend: Literal["torch", "jax"], **options: Any
    ) -> HostedStep: ...
    def compile(self, check: bool = True, update: Optimiser | None = None, **options: Any) -> Step:
        """``step(params, **data) -> loss, {name: gradient}``.

        With an optimiser, ``update=SGD(0.1)``, the step ends with the update of the parameters:
        ``step(params, state, **data) -> loss, params, state``, as ``state = optimiser.init(params)`` begins it; a third
        argument is a factor on the optimiser's rate.  No array that is given is written to.

        The network's assumptions are checked on the data of every call; with ``check=False`` never.  The other options
        are those of `einstan.machine.run.compile.compile`.

        Examples:
            >>> net = es.Network("L = 1/2 (x[N] - y[N])^2", parameters={"x": "zeros"})
            >>> sgd, params = es.SGD(0.5), {"x": np.zeros(2)}
            >>> step = net.value_and_grad("L").compile(update=sgd)
            >>> loss, params, state = step(params, sgd.init(params), y=np.ones(2))
            >>> params
            {'x': array([0.5, 0.5])}
        """
        require("check", check, bool)
        made = None if update is None else Update(self.program, update, self.wrt)
        program, outputs, checked = self._run(check, made)
        own = {"context": self.network.program, **(self._placing(made) if "mesh" in options else {})}
        compiled = passing(compile_program, options, program, outputs, **own)
        return (HostedStep if isinstance(compiled, Hosted) else Step)(self, compiled, checked, made)

    def _placing(self, update: Update | None) -> dict[str, Any]:
        """What a mesh has to know of a step: which tensors are alike, and which are learned."""
        alike = (*gradients_of(self.program, ("d",)), *(() if update is None else update.alike))
        return {"alike": alike, "params": self.wrt, "context": self.network.program}

    def specs(
        self, shard: Mapping[str, Any], shard_params: Any = None, update: Optimiser | None = None
    ) -> dict[str, jax.sharding.PartitionSpec]:
        """Where every tensor of a step lies on a mesh of devices, gradients and the optimiser's state among them: see
        `einstan.library.api.Program.specs`.

        Examples:
            >>> import jax
            >>> net = es.Network("Z[n] = X[n,K] w[K]", "L = Z[N]^2", parameters={"w": "zeros"})
            >>> tuple(net.value_and_grad("L").specs({"n": "data"})["Z"])
            ('data',)
        """
        made = None if update is None else Update(self.program, update, self.wrt)
        program = self._run(False, made)[0]
        found = partition_specs(specs_of(program, None, shard, shard_params, **self._placing(made)))
        return {**found, **{key: found[name] for key, name in (made.states if made else {}).items()}}

    def _run(self, check: bool, update: Update | None) -> tuple[Program, tuple[str, ...], tuple[Assumption, ...]]:
        """What a step runs, and what of it is asked for, and the assumptions that it checks."""
        outputs = self.outputs if update is None else (self.loss, *update.outputs)
        inputs = {str(name) for name in self.program.inputs}
        checked: dict[str, Assumption] = {}
        for number, assumption in enumerate(self.network.program.assumptions if check else ()):
            if {str(name) for name in tensors(assumption.lhs, assumption.rhs)} <= inputs:
                checked[f"excess^({number + 1})"] = assumption
        excesses = Program(excess(assumption, name) for name, assumption in checked.items())
        program = runnable(joined(self.program, excesses))
        return program if update is None else update.behind(program), (*outputs, *checked), tuple(checked.values())

    def plan(
        self, sizes: Mapping[str, int], check: bool = True, update: Optimiser | None = None, **options: Any
    ) -> Plan:
        """Contraction paths and costs of a step as `compile` makes it, both passes together, as in
        ``net.value_and_grad("L").plan({"n": 256})``; see `einstan.machine.plan.plan.plan`.

        Examples:
            >>> net = es.Network("Z[n] = X[n,K] w[K]", "L = Z[N]^2", parameters={"w": "zeros"})
            >>> net.value_and_grad("L").plan({"n": 100, "k": 10}).flops
            4300
        """
        from einstan.library.plan import Plan
        from einstan.machine.plan.plan import plan

        made = None if update is None else Update(self.program, update, self.wrt)
        program, outputs, _ = self._run(check, made)
        sizes = {**self.network.sizes, **sizes}
        return Plan.of(plan(program, sizes, outputs, **on_mesh(program, options, **self._placing(made))))

    def source(self, *, target: str = "numpy", **options: Any) -> str:
        """The code that `compile` makes for NumPy, ``"torch"`` or ``"jax"``, for nominal sizes; it runs on its own.

        Examples:
            >>> net = es.Network("L = 1/2 x[N]^2", parameters={"x": "zeros"})
            >>> code = net.value_and_grad("L").source(target="torch")
            >>> print(code[code.index("    # L") :])
                # L = 1/2 x[N]^2
                t1 = torch.matmul(x, x)
                L = t1 * (1 / 2)
                return L, x.clone()
        """
        program, context = runnable(self.program), self.network.program
        return passing(compile_program, options, program, self.outputs, backend=target, context=context).source()

    def __str__(self) -> str:
        return str(self.program)


def surgery() -> Any:
    """What changes the graph; it stands above this module, which it makes anew."""
    from einstan.library import surgery

    return surgery


def _refuse_accidents(instances: list[Instance], program: Program) -> None:
    """Names that one use made up must not be what another means."""
    users: dict[str, list[Equation]] = {}
    for equation in program:
        for name in (equation.name, *program.reads[equation.name]):
            users.setdefault(str(name), []).append(equation)
    for instance in instances:
        for name in sorted(instance.private):
            for other in users[name]:
                if other not in instance.equations:
                    raise ProgramError(
                        f"{name} is made up by one layer and used by another",
                        **at(other, name),
                        inferred=f"made up by {instance.equations[-1]}",
                        repair="name this tensor in both layers, if they are to share it, or in neither",
                    )
