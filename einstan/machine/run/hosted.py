"""Programs as functions of tensors of PyTorch or JAX, in and out, on their device and in their dtype.

The code is that library's own, so that whatever reads its functions reads this one: ``jit``, ``vmap`` and ``grad``,
autograd and ``torch.compile``.  What is given is presumed to be finite, since a traced value cannot be looked at.  What
becomes infinite on the way is hidden by brackets where it is a quotient, a root or a logarithm in their product, or
varies with no more than they do; of a sum with such a part, ``1[A[n,J] > 0] (u[J,k] + 1)``, entries are not looked at.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from einstan.calculus.program import Program
from einstan.language.arguments import ArgumentError, shown
from einstan.language.errors import DataError, EinstanError
from einstan.language.term import Equation, Name
from einstan.language.threads import cached_property
from einstan.machine.backends.arrays import np
from einstan.machine.passes.windows import know_ranges
from einstan.machine.plan.plan import Plan, for_framework, refuse_empty
from einstan.machine.run.behind import labels_in, refuse_labels
from einstan.machine.run.compiled import MADE_UP, SPECIALISATIONS, Compiled, Shown, nominally
from einstan.machine.sizes.extents import NOMINAL, Extents
from einstan.machine.sizes.lower import refuse_outside
from einstan.machine.sizes.refusals import wrong_rank
from einstan.machine.targets.frameworks import in_halves, traced
from einstan.machine.targets.source import Source

Tensor = TypeVar("Tensor")  # what comes back is of the class of what is given
LIBRARIES = {"torch": "PyTorch", "jax": "JAX"}
AS_LARGE = {"bfloat16": "float32"}  # floats of NumPy with the range of those that it lacks
X64 = 'jax.config.update("jax_enable_x64", True)'


class Hosted(Compiled):
    """A program as a function of tensors of ``backend``; otherwise as `Compiled`, whose options it takes.

    Floats have one dtype, that of the tensors that are given, or ``dtype``; Python's numbers and NumPy's scalars become
    that.
    """

    slices = False
    traced = True

    if TYPE_CHECKING:

        def __call__(
            self, arrays: Mapping[Any, Tensor | float] | None = None, /, **named: Tensor | float
        ) -> dict[str, Tensor]: ...

    def __init__(self, program: Program | Equation, backend: str, kernels: bool = True, **options: Any) -> None:
        if backend not in LIBRARIES:
            raise ArgumentError(f"backend = {shown(backend)} is not known", repair='backend="torch", or "jax"')
        for option in ("fast", "reuse_buffers"):
            if options.get(option):
                raise ArgumentError(f"{option} is for NumPy", repair=f"leave out {option}, or backend={backend!r}")
        super().__init__(program, **{**options, "fast": False})
        self.backend, self.kernels, self.options = backend, kernels, options
        if backend == "jax":  # whose code reads NaN outside, which a comparison hides
            self.read_behind += labels_in(self.program)

    @cached_property
    def library(self) -> Any:
        try:
            return import_module(self.backend)
        except ImportError as error:
            told = f"backend={self.backend!r} needs {LIBRARIES[self.backend]}"
            raise DataError(told, repair=f"pip install 'einstan[{self.backend}]'") from error

    @cached_property
    def tensor(self) -> Any:
        """The class of the library's tensors."""
        return self.library.Tensor if self.backend == "torch" else self.library.Array

    # ---- arrays ------------------------------------------------------------------------------------------------------

    def entered(self, given: Mapping[str, Any]) -> None:
        """There is no shorter way."""
        return

    def called(self, given: Sequence[Any]) -> tuple[Any, ...]:
        found = None
        if self.classes.issuperset(map(type, given)) or self._are_tensors(given):
            found = self._known.get(tuple([(a.shape, a.dtype) for a in given]))
        if found is None:
            given = self.taken(given)
            found = self.specialise(tuple([(tuple(a.shape), a.dtype) for a in given]))
        self._latest = found
        if self.read_behind:
            self._look_behind(given, found.plan.extents)
        try:
            return found.run(*given)
        except IndexError as error:
            raise self.misread(str(error)) from error

    def _look_behind(self, given: Sequence[Any], extents: Extents) -> None:
        """Refuse labels at which the forward program reads outside, or JAX does, where they can be looked at."""
        if self.backend == "torch" and self.library.compiler.is_compiling():
            return
        entries = {}
        for name, array in zip(self.inputs, given, strict=True):
            held = self._entries(array) if name in self._spoken_behind else None
            if held is not None:
                entries[name] = held
        refuse_labels(self.read_behind, entries, self._sizes_behind(extents))

    @cached_property
    def _spoken_behind(self) -> set[Name]:
        return {name for label in self.read_behind for name in label.spoken}

    def _entries(self, array: Any) -> np.ndarray | None:
        """What a tensor holds; nothing where a transform hands it on."""
        if self.backend == "jax":
            is_here = not isinstance(array, self.library.core.Tracer) and array.is_fully_addressable
            return np.asarray(array) if is_here else None
        try:
            array = array.detach().cpu()
            return cast(np.ndarray, (array.double() if array.is_floating_point() else array).numpy())
        except RuntimeError:  # it is mapped over a batch, or has no entries
            return None

    @cached_property
    def _halves(self) -> dict[Any, Halves | None]:
        return {}

    @cached_property
    def classes(self) -> set[type]:
        """The classes of tensors that have been given, which are asked at every call."""
        return set()

    def _are_tensors(self, given: Sequence[Any]) -> bool:
        found = all(isinstance(a, self.tensor) for a in given)
        self.classes.update(map(type, given) if found else ())
        return found

    def taken(self, given: Sequence[Any]) -> list[Any]:
        """Tensors of one dtype and on one device, of the tensors and numbers that are given."""
        found = {name: self._looked_at(name, a) for name, a in zip(self.inputs, given, strict=True)}
        floats: dict[Any, Any] = {
            name: a for name, a in found.items() if self._is_computed(name, a) and not _is_number(a)
        }
        first, *others = floats or [None]
        for name in others if self.dtype is None else ():
            if floats[name].dtype != floats[first].dtype:
                raise DataError(
                    f"{name} has dtype {_dtype(floats[name])}, and {first} has {_dtype(floats[first])}",
                    inferred="what is computed has one dtype",
                    repair=f"convert one of them, or compile(dtype={_dtype(floats[name])!r})",
                )
        kind = self._kind() if first is None or self.dtype is not None else floats[first].dtype
        device = next((getattr(a, "device", None) for a in found.values() if isinstance(a, self.tensor)), None)
        return [self._cast(name, a, kind, device) for name, a in found.items()]

    def _looked_at(self, name: Name, array: Any) -> Any:
        """A tensor of the right rank and dtype, or a number; or an error that says what to give."""
        if not isinstance(array, self.tensor):
            array = self._number(name, array)
        if np.ndim(array) != self.program.ranks.get(name, np.ndim(array)):
            raise wrong_rank(self.program, name, tuple(np.shape(array)))
        if name in self.flat.sized or isinstance(array, float):
            return array
        dtype = _dtype(array)
        if name in self.flat.index_tensors:
            if not dtype.startswith(("int", "uint")):
                raise DataError(f"{name} has dtype {dtype}, and stands in a slot", repair=f"give {name} as integers")
        elif "float" not in dtype and not (name in self.labels and dtype.startswith(("int", "uint", "bool"))):
            raise DataError(f"{name} has dtype {dtype}, which is not a floating-point type", repair="give floats")
        return array

    def _number(self, name: Name, array: Any) -> float:
        """A number that is given for a tensor."""
        title = LIBRARIES[self.backend]
        if isinstance(array, np.ndarray) and array.ndim:
            told = f"{name} is an array of NumPy, not of {title}"
            if self.backend == "torch":
                raise DataError(told, repair=f"give torch.as_tensor({name})")
            if array.dtype.itemsize == 8 and not self.library.config.jax_enable_x64:
                short = f"{array.dtype.name[:-2]}32"
                told = f"{told}, and JAX keeps 32 of its 64 bits"
                raise DataError(told, repair=(f"give jnp.asarray({name}, {short!r})", f"or {X64} first"))
            raise DataError(told, repair=f"give jnp.asarray({name})")
        try:
            number = float(array)
        except (TypeError, ValueError):
            told = f"{name} is no tensor of {title}, but {type(array).__name__}"
            raise DataError(told, repair=f"compile for what is given, or convert {name}") from None
        if name in self.flat.index_tensors and not number.is_integer():
            raise DataError(f"{name} is {number}, and stands in a slot", repair=f"give {name} as an integer")
        return number

    def _is_computed(self, name: Name, array: Any) -> bool:
        """Whether an input is a real number that is computed with: no position, and no label in whole numbers."""
        if name in self.flat.index_tensors or name in self.flat.sized:
            return False
        return isinstance(array, float) or "float" in _dtype(array)

    def _kind(self) -> Any:
        """The dtype that was asked for, or float64, which is NumPy's."""
        kind = self.dtype or np.dtype(float)
        if self.backend == "torch":
            return getattr(self.library, kind.name)
        known = self.library.dtypes.canonicalize_dtype(kind)
        if self.dtype is not None and known != kind:
            raise DataError(
                f"JAX keeps 32 of the 64 bits of dtype {kind}", repair=(f'dtype="{known}"', f"or {X64} first")
            )
        return known

    def _cast(self, name: Name, array: Any, kind: Any, device: Any) -> Any:
        if name in self.flat.index_tensors:
            kind = self.library.int64 if self.backend == "torch" else int  # in fewer bits 3T[n] may overflow
        elif not self._is_computed(name, array) and not isinstance(array, float):
            return array
        if self.backend == "jax":
            return self.library.numpy.asarray(array, kind)
        if isinstance(array, self.tensor):
            return array.to(kind)
        return self.library.tensor(array, dtype=kind, device=device)

    # ---- code --------------------------------------------------------------------------------------------------------

    def specialise(self, key: Any) -> Any:
        with self._lock:
            found = self._known.get(key)
            if found is None:
                shapes = {name: shape for name, (shape, _) in zip(self.inputs, key, strict=True)}
                dtypes = {
                    name: str(dtype).rpartition(".")[2] for name, (_, dtype) in zip(self.inputs, key, strict=True)
                }
                precisions = {name: AS_LARGE.get(d, d) for name, d in dtypes.items() if name not in self.flat.sized}
                with self.as_written(shapes, self.sizes, precisions):
                    found = cast(Any, self.function_of(self._traced(shapes, self.sizes, precisions, None)))
                self._known[key] = found
                while len(self._known) > SPECIALISATIONS:
                    self._known.popitem(last=False)
        return found

    def function_of(self, plan: Plan) -> Traced:
        return Traced(self, plan)

    def _traced(
        self, shapes: Mapping[Name, tuple[int, ...]], sizes: Mapping[str, int], precisions: dict[Name, str],
        nominal: int | None,
    ) -> Plan:  # fmt: skip
        extents = self._extents(shapes, sizes, nominal)
        general = self.any_size or nominal is not None
        know_ranges(self.flat, extents)
        refuse_empty(self.flat, extents)
        code = partial(_code, self.backend, precisions, self.function, str(self.dtype or "float64"), general)
        made = self._planned(extents, precisions, code, general)
        if self.kernels:
            made = for_framework(made, self.backend, general)
        if general and shapes:
            refuse_outside(made.graph, extents.known)
        return made

    def halves(
        self, names: Sequence[str], tensors: Sequence[Any], later: Mapping[Name, str], of: Hosted
    ) -> Halves | None:
        """Two functions for tensors of these names, for PyTorch: of these, with the outputs of another program; and of
        these, of the ``later`` inputs, which are shaped like these outputs, and of what the first keeps.  None where
        these tensors do not tell all sizes, or tell wrong ones."""
        key = tuple([(a.shape, a.dtype) for a in tensors])
        if key not in self._halves:
            if len(self._halves) >= SPECIALISATIONS:
                self._halves.clear()
            try:
                self._halves[key] = self._in_halves(names, tensors, later, of)
            except EinstanError:
                self._halves[key] = None
        return self._halves[key]

    def _in_halves(self, names: Sequence[str], tensors: Sequence[Any], later: Mapping[Name, str], of: Hosted) -> Halves:
        own = {name: a for name, a in zip(names, tensors, strict=True) if name in self.texts}
        shapes = {name: tuple(own[str(name)].shape) for name in self.inputs if str(name) in own}
        dtypes = {name: _dtype(own[str(name)]) for name in shapes}
        precisions = {name: AS_LARGE.get(dtype, dtype) for name, dtype in dtypes.items()}
        extents = of._extents({name: shapes[name] for name in of.inputs if name in shapes}, of.sizes, None)
        shapes |= {like: extents.shape(name) for name, like in later.items()}
        plan = self._traced(shapes, self.sizes, precisions, None)
        text, arguments = in_halves(plan, precisions, str(self.dtype or "float64"), [*later.values()])
        space: dict[str, Any] = {}
        exec(builtins.compile(text, "<einstan>", "exec"), space)
        return Halves(space["forward"], space["backward"], [names.index(str(name)) for name in arguments])

    def _nominal(self, sizes: Mapping[str, int], careful: bool = False) -> Any:
        def traced(nominal: int) -> tuple[Any, Any]:
            made = self._traced({}, sizes, {}, nominal)
            return made, made.code

        made, code = nominally(self.program, traced)
        made.notes = (MADE_UP,) if NOMINAL in made.extents.source.values() else ()
        return Shown(made, code)

    def general(self, function: str) -> Source:
        """The code of a function of this name, for tensors of all sizes but those given."""
        made: Any = type(self)(self.program, self.backend, self.kernels, **{**self.options, "function": function})
        return made._nominal(self.sizes).source

    def source(self, sizes: Mapping[str, int] | None = None) -> str:
        """The code as text; without sizes that of the latest call, else for tensors of all sizes but those given.

        It runs on its own, and refuses tensors that it was not made for."""
        latest = self._shown._latest
        if sizes is None and latest is not None:
            return str(latest.source.exported())
        return str(self._nominal({**self.sizes, **(sizes or {})}).source.exported())


class Halves(NamedTuple):
    """A function that has results and what it keeps, one that has the others, and which tensors both are given."""

    forward: Callable[..., tuple[tuple[Any, ...], tuple[Any, ...]]]
    backward: Callable[..., tuple[Any, ...]]
    places: list[int]


class Traced(Shown):
    """The same, as a function."""

    def __init__(self, made: Hosted, plan: Plan) -> None:
        super().__init__(plan, plan.code)
        self.space: dict[str, Any] = {}  # the globals of the code
        exec(builtins.compile(self.source.text, "<einstan>", "exec"), self.space)
        self.function: Callable[..., tuple[Any, ...]] = self.space[self.source.function]
        self.places = [made.inputs.index(name) for name in self.source.arguments]

    def run(self, *given: Any) -> tuple[Any, ...]:
        return self.function(*[given[k] for k in self.places])


def _code(
    backend: str, precisions: dict[Name, str], function: str, precision: str, any_size: bool, made: Plan
) -> Source:
    return traced(backend, made, precisions, function, precision, any_size)


def _is_number(array: Any) -> bool:
    """Whether something has no dtype of its own: a number of Python's, also where JAX traces it."""
    return isinstance(array, float) or bool(getattr(array, "weak_type", False))


def _dtype(tensor: Any) -> str:
    """The name of a dtype, as NumPy has it."""
    return str(tensor.dtype).rpartition(".")[2]
