"""Derivatives as functions of arrays: the order chosen for the sizes, the cores computed, their structure kept."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from einstan.calculus.elimination import ORDERS
from einstan.calculus.program import Program, remade
from einstan.language.arguments import RAW, blamed_methods, checked_methods, misfit, passing
from einstan.language.dims import axis, is_axis
from einstan.language.errors import DataError, listed, nearest
from einstan.language.guesses import Guessed
from einstan.language.rebuilt import Rebuilt
from einstan.language.term import Name
from einstan.language.threads import cached_property, lock
from einstan.library.assembly import Assembly
from einstan.library.derivative import Cores, Derivative, cores
from einstan.library.factored import FactoredTensor
from einstan.library.factored_tensors import HostedAssembly
from einstan.library.plan import Plan
from einstan.machine.plan import plan as machine
from einstan.machine.run.behind import labels_behind, refuse_labels
from einstan.machine.run.compile import compile
from einstan.machine.run.compiled import SPECIALISATIONS, Compiled
from einstan.machine.run.handed import together
from einstan.machine.run.told import fitting, told
from einstan.machine.sizes.extents import Extents, speaks_of
from einstan.machine.sizes.inference import infer
from einstan.machine.sizes.refusals import missing


@dataclass(frozen=True)
class Specialised:
    """The code for one tuple of shapes, and how its results are put together."""

    order: str
    costs: Mapping[str, int]
    cores: Cores
    compiled: Compiled
    assemble: Assembly | HostedAssembly
    unread: tuple[tuple[str, tuple[int, ...]], ...]  # arrays that only told sizes, with their shapes

    def again(self, given: Mapping[str, Any]) -> Sequence[Any] | None:
        """The results for arrays of the shapes and dtypes of the latest call, and no others; else None."""
        try:
            read = self._read(given) if self.unread else given
        except (KeyError, AttributeError):
            return None
        results = None if read is None else self.compiled.entered(read)
        return None if results is None else list(results.values())

    @cached_property
    def _read(self) -> Callable[[Mapping[str, Any]], dict[str, Any] | None]:
        """The arrays that the code reads, where the others have their shapes: a function without a loop, since it runs
        at every call."""
        texts = self.compiled.texts
        tests = [f"len(given) == {len(texts) + len(self.unread)}"]
        tests += [f"given[{name!r}].shape == {shape}" for name, shape in self.unread]
        entries = ", ".join(f"{text!r}: given[{text!r}]" for text in texts)
        made: Callable[[Mapping[str, Any]], dict[str, Any] | None]
        made = eval(f"lambda given: {{{entries}}} if {' and '.join(tests)} else None")  # names as literals
        return made


@blamed_methods()
class CompiledGradients(Rebuilt, Guessed):
    """Several derivatives of one program, computed together: ``compiled(params, X=X)`` gives ``{name: FactoredTensor}``
    by the tensors that they are with respect to.

    Examples:
        >>> each = es.Program("Z[n] = X[n,K] w[K]\\nL = 1/|N| Z[N]^2").per_example("L")
        >>> f = each.gradients(["w"]).compile()
        >>> f(X=np.eye(2), w=np.ones(2))
        {'w': <FactoredTensor [n,k] 2 x 2: nk->nk; 32 bytes, dense 32 bytes>}
        >>> f.dense(X=np.eye(2), w=np.ones(2))
        {'w': array([[2., 0.],
               [0., 2.]])}
        >>> f.plan.flops, f.source().splitlines()[0]
        (16, 'import numpy as np')
    """

    def __init__(self, program: Program, names: Mapping[str, Name], context: Program, **options: Any) -> None:
        self.apart = dict(zip(names, cores(program, *names.values()), strict=True))
        self.program, self.names, self.context, self.options = program, dict(names), context, options
        self.outputs = tuple(dict.fromkeys(core for each in self.apart.values() for core in each.outputs))
        first = next(iter(self.apart.values()))
        self.compiled = passing(Compiled, options, first.program, self.outputs, function="cores", context=context)
        self.inputs = tuple(dict.fromkeys((*self.compiled.texts, *map(str, context.inputs))))
        self._known: dict[Any, dict[str, Assembly]] = {}

    def __call__(self, arrays: Mapping[str, Any] | None = None, /, **named: Any) -> dict[str, FactoredTensor]:
        given = selected(together(arrays or {}, named), self.inputs, self.context)
        results = self.compiled.call(given, {})
        key = shapes_of(given, self.inputs)
        found = self._known.get(key)
        if found is None:
            shapes = {name: shape for name, shape in zip(self.inputs, key, strict=True) if shape is not None}
            extents = extents_of(self.apart.values(), self.compiled, shapes, {})
            found = self._known[key] = {
                name: Assembly(each, self.outputs, tuple(extents.known[d] for d in each.dims()), False, extents.worth)
                for name, each in self.apart.items()
            }
        return {name: assemble(results) for name, assemble in found.items()}

    def dense(self, arrays: Mapping[str, Any] | None = None, /, **named: Any) -> dict[str, NDArray[Any]]:
        """The same as arrays; one that does not fit is refused before it is allocated.

        Examples:
            >>> each = es.Program("Z[n] = X[n,K] w[K]\\nL = 1/|N| Z[N]^2").per_example("L")
            >>> each.gradients(["w"]).compile().dense(X=np.eye(2), w=np.ones(2))["w"]
            array([[2., 0.],
                   [0., 2.]])
        """
        found = self(arrays, **named)
        for tensor in found.values():
            tensor.refuse_large()
        return {name: tensor.dense() for name, tensor in found.items()}

    @property
    def plan(self) -> Plan:
        """The plan of the latest call."""
        return Plan.of(self.compiled.plan)

    def source(self) -> str:
        """The code that computes the cores.

        Examples:
            >>> each = es.Program("Z[n] = X[n,K] w[K]\\nL = 1/|N| Z[N]^2").per_example("L")
            >>> each.gradients(["w"]).compile().source().splitlines()[0]
            'import numpy as np'
        """
        return self.compiled.source()


def extents_of(
    apart: Iterable[Cores],
    compiled: Compiled,
    shapes: Mapping[Any, tuple[int, ...]],
    sizes: Mapping[str, int],
    nominal: int | None = None,
) -> Extents:
    """The extents of the cores and of the axes of what they are the cores of."""
    program = compiled.program
    only = {*compiled.flat.wanted, *(each.equation.name for each in apart)}
    return infer(program, spoken_of(program, shapes), sizes, nominal, only)


def spoken_of(program: Program, shapes: Mapping[Any, tuple[int, ...]]) -> dict[Any, tuple[int, ...]]:
    """The shapes of the tensors that a program reads, be it a size alone, or of which it at least knows an axis."""
    known = {*program.ranks, *program.inputs}
    return {n: s for n, s in shapes.items() if n in known or any(axis(n, k) in program.dims for k in range(len(s)))}


def selected(given: Mapping[str, Any], inputs: Sequence[str], program: Program) -> dict[str, Any]:
    """The arrays among those that are given which are used; a name that the program does not know is an error."""
    found = {name: given[name] for name in inputs if name in given}
    if len(found) < len(given):
        known = [str(name) for name in program.inputs]
        for name in given:
            if name not in known and name not in inputs:
                raise DataError(
                    f"the program has no input {name}",
                    inferred=f"its inputs are {listed(known)}",
                    repair=nearest(name, known) or "leave it out",
                )
    return found


def shapes_of(given: Mapping[str, Any], inputs: Sequence[str]) -> tuple[Any, ...]:
    """The shape of each input, None where it is not given: an array of which only the shape matters need not be."""
    return tuple(
        [(a.shape if type(a := given[n]) is np.ndarray else tuple(np.shape(a))) if n in given else None for n in inputs]
    )


@checked_methods("__call__", "dense")
class CompiledDerivative(Rebuilt, Guessed):
    """``compiled(X=X, W=W)`` or ``compiled(params, X=X)`` gives a `FactoredTensor`; ``compiled.dense(...)`` an array.
    With ``backend="torch"`` or ``"jax"`` it gives a `HostedTensor`.

    The first call with new shapes derives the candidates, plans them and keeps the cheapest; later calls run its code.
    ``plan`` is the plan of the latest shapes, ``source()`` its code, ``order`` the order that was chosen.

    Examples:
        >>> f = es.Program("y[i] = A[i,J] x[J]^2").jacobian("y", "x").compile()
        >>> f(A=np.ones((2, 2)), x=[1.0, 2.0])
        <FactoredTensor [i,j] 2 x 2: ij->ij; 32 bytes, dense 32 bytes>
        >>> f.dense(A=np.ones((2, 2)), x=[1.0, 2.0])
        array([[2., 4.],
               [2., 4.]])
        >>> f.order, f.plan.flops, f.planned({"i": 10, "j": 20}).flops, f.source().splitlines()[0]
        ('cross-country', 8, 400, 'import numpy as np')
    """

    def __init__(
        self,
        derivative: Derivative,
        sizes: Mapping[str, int] | None = None,
        backend: str = "numpy",
        **options: Any,
    ) -> None:
        self.derivative, self.backend, self.options = derivative, backend, options
        self.sizes = dict(sizes or {})
        self.program = derivative.jacobian(_first(derivative.order)).program
        self.needed = tuple(str(name) for name in self.program.inputs)
        context = derivative.context
        self.inputs = tuple(dict.fromkeys((*self.needed, *map(str, derivative.base.inputs), *map(str, context.inputs))))
        self.read_behind = labels_behind(Program([derivative.jacobian(_first(derivative.order)).equation]), context)
        self._known: OrderedDict[Any, Specialised] = OrderedDict()
        self._lock = lock()
        self._latest: Specialised | None = None

    def __call__(self, arrays: Mapping[str, Any] | None = None, /, **named: Any) -> FactoredTensor:
        special, results = self._results(arrays, named)
        found: Any = special.assemble(results)
        return found

    def dense(
        self, arrays: Mapping[str, Any] | None = None, /, *, limit: int | None = None, out: Any = None, **named: Any
    ) -> NDArray[Any]:
        """The same with its zeros written out; see `FactoredTensor.dense`.

        Examples:
            >>> f = es.Program("y[i] = A[i,J] x[J]^2").jacobian("y", "x").compile()
            >>> f.dense(A=np.ones((2, 2)), x=[1.0, 2.0])
            array([[2., 4.],
                   [2., 4.]])
        """
        special, results = self._results(arrays, named)
        assert isinstance(special.assemble, Assembly)
        if out is not None or limit is not None:
            return special.assemble(results).dense(limit, out)
        return special.assemble.dense(results)

    def _results(self, arrays: Mapping[str, Any] | None, named: Mapping[str, Any]) -> tuple[Specialised, Sequence[Any]]:
        """The code for these arrays, and what it gives."""
        try:
            if self.read_behind:
                self._look_behind(together(arrays or {}, named))
            latest = self._latest
            if latest is not None and not (arrays and named):
                results = latest.again(arrays or named)
                if results is not None:
                    return latest, results
            given = selected(together(arrays or {}, named), self.inputs, self.derivative.base)
            special = self._specialised(given)
            return special, special.compiled.called([given[name] for name in special.compiled.texts])
        except RAW as error:
            raise misfit(error, self.__call__, {"arrays": arrays}) from error

    def _look_behind(self, given: Mapping[str, Any]) -> None:
        """Refuse labels at which the forward program reads outside."""
        find = self.derivative.context.dims.find
        known = {find(axis(name, k)): size for name, array in given.items() for k, size in enumerate(np.shape(array))}
        spoken = {dim for label in self.read_behind for dim in label.extents}
        refuse_labels(self.read_behind, given, {dim: known[find(dim)] for dim in spoken if find(dim) in known})

    def _specialised(self, given: Mapping[str, Any]) -> Specialised:
        key = shapes_of(given, self.inputs)
        found = self._known.get(key)
        if found is None:
            for name in self.needed:
                if name not in given:
                    raise missing(self.program, name, given)
            with self._lock:
                found = self._known.get(key)
                if found is None:
                    shapes = {name: shape for name, shape in zip(self.inputs, key, strict=True) if shape is not None}
                    found = self._known[key] = self._chosen(shapes, self.sizes, None)
                    while len(self._known) > SPECIALISATIONS:
                        self._known.popitem(last=False)
        self._latest = found
        return found

    def _chosen(
        self, shapes: Mapping[Any, tuple[int, ...]], sizes: Mapping[str, int], nominal: int | None
    ) -> Specialised:
        """The order whose plan has the fewest operations, each order derived for these sizes."""
        base = self.derivative.base
        context = self.derivative.context
        if nominal is None:
            fitting(context, {str(name): shape for name, shape in shapes.items()}, sizes)
        if context is not base:
            sizes = {**told(base, context, {str(name): shape for name, shape in shapes.items()}, sizes), **sizes}
        shapes = spoken_of(base, shapes)
        known = infer(base, shapes, sizes, nominal if nominal is not None else 1).known
        asked = self.derivative.order
        candidates = (asked,) if asked != "auto" else ORDERS
        found: list[Specialised] = []
        seen: set[Any] = set()
        for order in candidates:
            made = self.derivative.jacobian(order, known if order in ORDERS[:2] else None)
            if made.program.equations in seen:
                continue
            seen.add(made.program.equations)
            whole = remade(base, dict.fromkeys((*base.equations, *made.program)))
            (apart,) = cores(whole, made.name, sizes=known)
            places = {place for place in sizes if is_axis(place) or ":" in place}  # the others are letters
            own = {place: k for place, k in sizes.items() if place not in places or speaks_of(apart.program, place)}
            own_options = {"sizes": own, "function": "cores", "backend": self.backend}
            compiled = passing(compile, self.options, apart.program, apart.outputs, **own_options)
            special = self._planned(order, apart, compiled, shapes, own, nominal)
            found.append(special)
        best = min(found, key=lambda each: each.costs[each.order])
        return replace(best, costs={each.order: each.costs[each.order] for each in found})

    def _planned(
        self,
        order: str,
        apart: Cores,
        compiled: Compiled,
        shapes: Mapping[Any, tuple[int, ...]],
        sizes: Mapping[str, int],
        nominal: int | None,
    ) -> Specialised:
        extents = extents_of([apart], compiled, shapes, sizes, nominal)
        # What only the shape of an array told, an array that the cores do not read.
        known = {**shapes, **{name: extents.shape(name) for name in apart.outputs}}
        sized = ((axis(name, k), size) for name, shape in known.items() for k, size in enumerate(shape))
        if nominal is None:
            compiled.sizes.update((each, size) for each, size in sized if speaks_of(compiled.program, each))
        optimize = self.options.get("optimize", "auto")
        with compiled.as_written(shapes, sizes, {}):
            made = machine.plan(apart.program, extents, optimize=optimize, flat=compiled.flat, memory_limit=1 << 62)
        shape = tuple(extents.known[dim] for dim in apart.dims())
        assembly: Assembly | HostedAssembly
        if self.backend == "numpy":
            assembly = Assembly(apart, apart.outputs, shape, True, extents.worth)
            assembly.know(apart, made)
        else:
            assembly = HostedAssembly(self.backend, apart, apart.outputs, shape)
        unread = tuple((str(name), shape) for name, shape in shapes.items() if str(name) not in compiled.texts)
        return Specialised(order, {order: made.flops}, apart, compiled, assembly, unread)

    # ---- what it is --------------------------------------------------------------------------------------------------

    @property
    def order(self) -> str:
        """The order of the latest call.

        Examples:
            >>> f = es.Program("y[i] = A[i,J] x[J]^2").jacobian("y", "x").compile()
            >>> f.order
            'cross-country'
        """
        return self._current().order

    @property
    def plan(self) -> Plan:
        """The plan of the latest call, with the orders that were compared; before the first call, of nominal sizes.

        Examples:
            >>> f = es.Program("y[i] = A[i,J] x[J]^2").jacobian("y", "x").compile()
            >>> _ = f(A=np.ones((2, 2)), x=[1.0, 2.0])
            >>> f.plan.flops
            8
        """
        special = self._current()
        return noted(special.compiled.plan, special)

    def planned(self, sizes: Mapping[str, int]) -> Plan:
        """The plan for these sizes.

        Examples:
            >>> f = es.Program("y[i] = A[i,J] x[J]^2").jacobian("y", "x").compile()
            >>> f.planned({"i": 10, "j": 20}).flops
            400
        """
        special = self._chosen({}, {**self.sizes, **sizes}, None)
        options = {k: v for k, v in self.options.items() if k in ("optimize", "memory_limit")}
        made = machine.plan(special.cores.program, {**self.sizes, **sizes}, outputs=special.cores.outputs, **options)
        return noted(made, special)

    def source(self) -> str:
        """The code of the cores for the latest call.

        Examples:
            >>> f = es.Program("y[i] = A[i,J] x[J]^2").jacobian("y", "x").compile()
            >>> f.source().splitlines()[0]
            'import numpy as np'
        """
        return self._current().compiled.source()

    def _current(self) -> Specialised:
        return self._latest if self._latest is not None else self._chosen({}, self.sizes, 4)

    def __repr__(self) -> str:
        return f"<CompiledDerivative {self.derivative!r}>"

    def _repr_latex_(self) -> str:
        return self.derivative._repr_latex_()


def noted(made: machine.Plan, special: Specialised) -> Plan:
    """The plan with a line that says which order was chosen, and what the others would have cost."""
    others = ", ".join(f"{order} {cost:,}" for order, cost in special.costs.items() if order != special.order)
    line = f"order {special.order}: {special.costs[special.order]:,} FLOPs" + (f" ({others})" if others else "")
    return Plan.of(replace(made, notes=(line,)))


def _first(order: str) -> str:
    return ORDERS[0] if order == "auto" else order
