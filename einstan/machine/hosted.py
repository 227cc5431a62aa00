"""Programs as functions of tensors of PyTorch or JAX, in and out, on their device and in their dtype.

The code is that library's own, so that whatever reads its functions reads this one: ``jit``, ``vmap`` and ``grad``,
autograd and ``torch.compile``.  Nothing is presumed to be finite, since a traced value cannot be looked at.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any, cast

import numpy as np

from einstan.language.arguments import ArgumentError, shown
from einstan.language.errors import DataError, ExtentError
from einstan.language.term import Name
from einstan.machine.compile import MADE_UP, NOMINAL_SIZES, Compiled
from einstan.machine.extents import NOMINAL
from einstan.machine.lower import refuse_outside
from einstan.machine.plan import Plan, refuse_empty
from einstan.machine.refusals import wrong_rank
from einstan.machine.targets.frameworks import traced
from einstan.machine.targets.source import Source
from einstan.machine.windows import know_ranges

LIBRARIES = {"torch": "PyTorch", "jax": "JAX"}
AS_LARGE = {"bfloat16": "float32"}  # floats of NumPy with the range of those that it lacks


class Hosted(Compiled):
    """A program as a function of tensors of ``backend``; otherwise as `Compiled`.

    Floats have one dtype, that of the tensors that are given; Python's numbers and NumPy's scalars become that.
    """

    slices = False

    def __init__(self, *arguments: Any, backend: str, **options: Any) -> None:
        if backend not in LIBRARIES:
            raise ArgumentError(f"backend = {shown(backend)} is not known", repair='backend="torch", or "jax"')
        for option in ("fast", "reuse_buffers"):
            if options.get(option):
                raise ArgumentError(f"{option} is for NumPy", repair=f"leave out {option}, or backend={backend!r}")
        if find_spec(backend) is None:
            raise DataError(
                f"backend={backend!r} needs {LIBRARIES[backend]}", repair=f"pip install 'einstan[{backend}]'"
            )
        options["fast"] = False
        super().__init__(*arguments, **options)
        self.backend = backend
        self.flat = self.careful_flat

    # ---- arrays ------------------------------------------------------------------------------------------------------

    def entered(self, given: Mapping[str, Any]) -> None:
        """There is no shorter way."""
        return

    def called(self, given: Sequence[Any]) -> tuple[Any, ...]:
        library = import_module(self.backend)
        tensors = [a for a in given if self._is_tensor(library, a)]
        given = [self._tensor(library, name, a, tensors) for name, a in zip(self.inputs, given, strict=True)]
        key = tuple((tuple(a.shape), _dtype(a)) for a in given)
        found = self._known.get(key)
        if found is None:
            found = self.specialise(key)
        self._latest = found
        try:
            return found.run(*given)
        except IndexError as error:
            raise self._misread(str(error)) from error

    def _is_tensor(self, library: Any, array: Any) -> bool:
        return isinstance(array, library.Tensor if self.backend == "torch" else library.Array)

    def _tensor(self, library: Any, name: Name, array: Any, tensors: Sequence[Any]) -> Any:
        """A tensor as it is; a number in the dtype and on the device of the others."""
        if not self._is_tensor(library, array):
            if isinstance(array, np.ndarray) and array.ndim:
                make = f"torch.as_tensor({name})" if self.backend == "torch" else f"jnp.asarray({name})"
                raise DataError(f"{name} is an array of NumPy, not of {LIBRARIES[self.backend]}", repair=f"give {make}")
            try:
                number = float(array)
            except (TypeError, ValueError):
                told = f"{name} is no tensor of {LIBRARIES[self.backend]}, but {type(array).__name__}"
                raise DataError(told, repair=f"compile for what is given, or convert {name}") from None
            array = self._number(library, name, number, tensors)
        if array.ndim != self.program.ranks.get(name, array.ndim):
            raise wrong_rank(self.program, name, tuple(array.shape))
        if name not in self.flat.sized:
            self._look_at_dtype(name, _dtype(array))
        return array

    def _number(self, library: Any, name: Name, number: float, tensors: Sequence[Any]) -> Any:
        whole = name in self.flat.index_tensors
        like = next((a for a in tensors if "float" in _dtype(a)), None)
        if self.backend == "torch":
            if whole:
                return library.tensor(int(number), device=tensors[0].device if tensors else None)
            kind, device = (library.float64, None) if like is None else (like.dtype, like.device)
            return library.tensor(number, dtype=kind, device=device)
        kind = int if whole else float if like is None else like.dtype
        return library.numpy.asarray(int(number) if whole else number, kind)

    def _look_at_dtype(self, name: Name, dtype: str) -> None:
        if name in self.flat.index_tensors:
            if not dtype.startswith(("int", "uint")):
                raise DataError(f"{name} has dtype {dtype}, and stands in a slot", repair=f"give {name} as integers")
        elif "float" not in dtype and not (name in self.labels and dtype.startswith(("int", "uint", "bool"))):
            raise DataError(f"{name} has dtype {dtype}, which is not a floating-point type", repair="give floats")

    # ---- code --------------------------------------------------------------------------------------------------------

    def specialise(self, key: Any) -> Any:
        with self._lock:
            found = self._known.get(key)
            if found is None:
                shapes = {name: shape for name, (shape, _) in zip(self.inputs, key, strict=True)}
                precisions = {
                    name: AS_LARGE.get(dtype, dtype)
                    for name, (_, dtype) in zip(self.inputs, key, strict=True)
                    if name not in self.flat.sized
                }
                found = cast(Any, Traced(self, self._traced(shapes, self.sizes, precisions, None)))
                self._known[key] = found
        return found

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
        if general and shapes:
            refuse_outside(made.graph, extents.known)
        return made

    def _nominal(self, sizes: Mapping[str, int], careful: bool = False) -> Any:
        refused: ExtentError | None = None
        for nominal in NOMINAL_SIZES:
            try:
                made = self._traced({}, sizes, {}, nominal)
                code = made.code
            except ExtentError as error:
                refused = refused or error
                continue
            made.notes = (MADE_UP,) if NOMINAL in made.extents.source.values() else ()
            return Shown(made, code)
        assert refused is not None
        raise refused

    def source(self, sizes: Mapping[str, int] | None = None) -> str:
        """The code as text; without sizes that of the latest call, else for tensors of all sizes but those given."""
        latest = self._shown._latest
        if sizes is None and latest is not None:
            return str(latest.source.text)
        return str(self._nominal({**self.sizes, **(sizes or {})}).source.text)


class Shown:
    """A plan and its code."""

    def __init__(self, plan: Plan, source: Source) -> None:
        self.plan, self.source = plan, source


class Traced(Shown):
    """The same, as a function."""

    def __init__(self, made: Hosted, plan: Plan) -> None:
        super().__init__(plan, plan.code)
        space: dict[str, Any] = {}
        exec(builtins.compile(self.source.text, "<einstan>", "exec"), space)
        function: Callable[..., tuple[Any, ...]] = space[self.source.function]
        places = [made.inputs.index(name) for name in self.source.arguments]
        self.run: Callable[..., tuple[Any, ...]] = lambda *given: function(*[given[k] for k in places])


def _code(
    backend: str, precisions: dict[Name, str], function: str, precision: str, any_size: bool, made: Plan
) -> Source:
    return traced(backend, made, precisions, function, precision, any_size)


def _dtype(tensor: Any) -> str:
    """The name of a dtype, as NumPy has it."""
    return str(tensor.dtype).rpartition(".")[2]
