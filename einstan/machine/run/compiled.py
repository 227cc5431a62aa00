"""From a program to something that is called with arrays.

The first call with new shapes or dtypes plans, generates source and compiles it; every later call looks the function up
and runs it.  Nothing is written to the arrays that are given, and what is returned is fresh.
"""

from __future__ import annotations

import keyword
import re
import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import cache, partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar

from einstan.calculus.passes import reached
from einstan.calculus.program import Program, sizes_read
from einstan.calculus.stable import runnable
from einstan.language import display
from einstan.language.arguments import RAW, ArgumentError, checked_methods, misfit, shown
from einstan.language.errors import DataError, EinstanError, ExtentError
from einstan.language.guesses import Guessed
from einstan.language.node import preorder
from einstan.language.rebuilt import Rebuilt
from einstan.language.term import Equation, Indexed, Name
from einstan.language.threads import cached_property, lock
from einstan.machine.backends.arrays import np
from einstan.machine.graph.flatten import flatten
from einstan.machine.passes.windows import know_ranges
from einstan.machine.paths.paths import require_optimizer
from einstan.machine.plan.plan import Coder, Optimizer, Plan, plan, refuse_empty
from einstan.machine.run.behind import labels_behind, look_text, refuse_labels
from einstan.machine.run.handed import LossError, as_array, as_labels, converted, spellings, together
from einstan.machine.run.specialisation import Leaving, Specialisation
from einstan.machine.run.told import fitting, told, understood, unread, with_shapes_beside
from einstan.machine.sizes.extents import GIVEN, NOMINAL, Extents, as_program
from einstan.machine.sizes.guards import compared_alone
from einstan.machine.sizes.inference import infer
from einstan.machine.sizes.lower import refuse_outside
from einstan.machine.sizes.memory import FEW, available_memory, human_bytes, refuse_more
from einstan.machine.sizes.operations import Flat
from einstan.machine.sizes.refusals import (
    missing,
    not_an_array,
    not_whole,
    outside,
    positions_in,
    unknown_tensor,
    wrong_dtype,
    wrong_rank,
)
from einstan.machine.sizes.specs import Specs
from einstan.machine.sizes.written import as_written
from einstan.machine.targets.any_size import any_size
from einstan.machine.targets.laid_out import specialised
from einstan.machine.targets.numba import fused
from einstan.machine.targets.source import Source

if TYPE_CHECKING:
    from numpy.typing import NDArray

Array = Any
Made = TypeVar("Made")
SPECIALISATIONS = 64
BESIDE = "einstan compiles loops"  # the name of a thread
ONE_FUNCTION = "one function for arrays of any sizes, whose paths were found for those of the first call"
MADE_UP = "sizes are made up, since no array has been seen: give sizes, or call it first"
# Of axes that are not read through arithmetic.  Where windows do not fit, larger ones are tried, then those between.
NOMINAL_SIZES = (4, 64, 16, 32, 8, 6, 7, 5)
WARM = 4  # specialisations that keep their memory between calls


def nominally(program: Program, made: Callable[[int], Made]) -> Made:
    """What is made at the first of the nominal sizes that fits: of code without sizes they are no part.  Where none
    fits, sizes are asked for."""
    refused: ExtentError | None = None
    for nominal in NOMINAL_SIZES:
        try:
            return made(nominal)
        except ExtentError as error:  # a window that does not fit, two sizes that do not agree, or one that is negative
            refused = refused or error
    assert refused is not None
    stated = (extent.index.name for equation in program.equations for extent in sizes_read(equation))
    named = dict.fromkeys(name for name in stated if name.rpartition(".")[0] in map(str, program.inputs))
    if not named or "sizes=" in "".join(refused.repair):
        raise refused
    asked = ", ".join(f"{name!r}: ..." for name in named)
    raise ExtentError(
        refused.problem,
        text=refused.text,
        span=refused.span,
        inferred=(*filter(None, refused.inferred), "no array has been seen, and made-up sizes do not fit"),
        repair=f"source(sizes={{{asked}}})",
    ) from refused


@checked_methods("entered", "call", "called", "gather", "told", "prepared", "specialise")
class Compiled(Rebuilt, Guessed):
    """A program as a function of arrays.

    ``compiled(X=X, W=W)`` or ``compiled({"X": X, "W": W})`` returns a dictionary from output names to arrays.
    ``compiled.source()`` is the code as text, ``compiled.plan`` the plan of the latest shapes.

    Floats of any precision are taken; where precisions are mixed, results are promoted as NumPy promotes them.  Lists
    and Python numbers become float64 (int64 for a tensor that stands in a slot).

    Threads may call it at one time; with ``reuse_buffers`` each has memory of its own.  It can be copied, pickled and
    sent to other processes, as its program and its settings: what receives it makes the same code, at its first call.

    Examples:
        >>> f = es.parse("y[i] = A[i,J] x[J]").compile()
        >>> f(A=np.eye(2), x=[1.0, 2.0])
        {'y': array([1., 2.])}
        >>> f.plan.flops, f.labels
        (8, set())
    """

    slices = True  # whether what does not fit may be computed block by block
    traced = False  # whether nobody may look at what is computed
    specs: Specs | None = None  # how tensors lie on a mesh of devices

    def __init__(
        self,
        program: Program | Equation,
        outputs: Iterable[Name] | None = None,
        optimize: Optimizer = "auto",
        dtype: Any = None,
        *,
        sizes: Mapping[str, int] | None = None,
        memory_limit: int | None = None,
        function: str = "step",
        any_size: bool = False,
        reuse_buffers: bool = False,
        fast: bool | None = None,
        context: Program | None = None,
        given: Iterable[tuple[Name, Name]] = (),
        behind: Iterable[Name] = (),
        infinite: Iterable[Name] = (),
    ) -> None:
        program, self.behind, given = as_program(program), tuple(behind), tuple(given)
        self.infinite = frozenset(infinite)
        rests = None if context is None else _rests(context, self.behind)
        self.rests = rests and with_shapes_beside(rests, context, given)
        self.program = with_shapes_beside(program, context, given, self.rests)
        self.read_behind = labels_behind(self.program, self.rests)
        self.context = context
        self.flat = flatten(self.program, outputs, infinite=self.infinite, traced=self.traced)
        self.outputs = self.flat.outputs
        require_optimizer(optimize)
        if not function.isidentifier() or keyword.iskeyword(function):
            raise ArgumentError(f"function = {shown(function)} is no name in Python", repair="function='step'")
        self.optimize, self.memory_limit, self.function = optimize, memory_limit, function
        self.any_size, self.reuse_buffers = any_size, reuse_buffers
        installed = _has_numba()
        if fast and not installed:
            raise DataError("fast=True needs numba", repair="pip install 'einstan[fast]', or leave fast out")
        self.fast = fast
        self.patient = fast is None and installed and not any_size  # numba after a while
        if any_size and reuse_buffers:
            raise DataError(
                "code for any size has no memory laid out beforehand", repair="leave out any_size, or reuse_buffers"
            )
        self.sizes = understood(self.program, context, sizes)
        self.dtype = None if dtype is None else floating(dtype)
        self.inputs = tuple(
            name
            for name in self.program.inputs
            if name in self.flat.tensors or (name in self.flat.sized and not self._size_given(name))
        )
        self.texts = tuple(str(name) for name in self.inputs)
        self.given = given
        self.unread = unread(self.program, context, [name for name, _ in given], self.inputs)
        self.results = tuple(str(name) for name in self.outputs)
        self._begin()
        self._informed: OrderedDict[Any, Compiled] = OrderedDict()  # by shapes: the same, told sizes by arrays not read
        self._shown = self  # what was called last: this, or the same told sizes

    def _begin(self) -> None:
        """No code yet."""
        self._known: OrderedDict[Any, Specialisation] = OrderedDict()
        self._lock = lock()
        self._latest: Specialisation | None = None
        self._generic: Specialisation | None = None  # of ``any_size``, where one function is enough
        self._first: Any = None  # shapes and dtypes for which its paths are found before any others

    def __reduce__(self) -> tuple[Any, ...]:
        first = self._generic.key if self._generic is not None else self._first
        return (*super().__reduce__(), *([{"_first": first}] if first is not None else []))

    def _size_given(self, name: Name) -> bool:
        return any(key.rpartition(".")[0] == str(name) for key in self.sizes)

    def __call__(self, arrays: Mapping[Any, Array] | None = None, /, **named: Array) -> dict[str, NDArray[Any]]:
        if arrays is None or (type(arrays) is dict and not named):
            results = self.entered(named if arrays is None else arrays)
            if results is not None:
                return results
        try:
            return dict(zip(self.results, self.call(arrays, named) or (), strict=True))  # a program of claims has none
        except RAW as error:
            raise misfit(error, self.__call__, {"arrays": arrays}) from error

    def entered(self, given: Mapping[str, Array]) -> dict[str, Array] | None:
        """The results if these arrays, and no others, have the shapes and dtypes of the latest call, and no labels are
        to be looked at; else None."""
        found = self._latest
        if found is None or self.read_behind:
            return None
        try:
            return found.enter(given)
        except IndexError as error:
            raise self.misread(str(error)) from error
        except MemoryError as error:
            raise self._too_large(found) from error

    def call(self, arrays: Mapping[Any, Array] | None, named: Mapping[str, Array]) -> tuple[Array, ...]:
        """The results in the order of ``outputs``."""
        self._shown = self.told(arrays, named)
        return self._shown.called(self.gather(arrays, named))

    def told(self, arrays: Mapping[Any, Array] | None, named: Mapping[str, Array]) -> Compiled:
        """The same with the sizes that arrays tell which only the forward program reads."""
        if len(arrays or ()) + len(named) == len(self.texts):
            return self
        given = together({str(name): array for name, array in (arrays or {}).items()}, named)
        if self.unread.isdisjoint(given):
            return self
        shapes = {name: np.shape(given[name]) for name in (*self.unread, *self.texts) if name in given}
        key = tuple(shapes.items())
        found = self._informed.get(key)
        if found is None:
            context = self.program if self.context is None else self.context
            found = object.__new__(type(self))
            if self.rests is not None:
                fitting(self.rests, shapes, self.sizes)
            more = told(self.program, context, shapes, self.sizes, self.given)
            vars(found).update(vars(self), sizes={**more, **self.sizes})
            found._begin()
            with self._lock:  # which is seen by other threads from here on
                found = self._informed.setdefault(key, found)
                while len(self._informed) > SPECIALISATIONS:
                    self._informed.popitem(last=False)
        return found

    def called(self, given: Sequence[Array]) -> tuple[Array, ...]:
        """The results of arrays in the order of ``inputs``."""
        found = self._latest
        if found is None or not found.fits(*given):
            key = tuple([(a.shape, a.dtype) if type(a) is np.ndarray else None for a in given])
            found = self._known.get(key)
            if found is None:
                given = [self.prepared(name, a) for name, a in zip(self.inputs, given, strict=True)]
                key = tuple((a.shape, a.dtype) for a in given)
                found = self.specialise(key)
            self._latest = found
            if found.contiguous:
                given = self._contiguous(found, given)
        if self.read_behind:
            refuse_labels(
                self.read_behind, dict(zip(self.inputs, given, strict=True)), self._sizes_behind(found.plan.extents)
            )
        return self._run(found, given)

    def _sizes_behind(self, extents: Extents) -> dict[str, int]:
        """What the forward program's reads at labels speak of, as far as the arrays of a call tell it."""
        known, find = extents.known, self.program.dims.find
        found = {
            dim: [known[find(place)] for place in places if find(place) in known] for dim, places in self._places_behind
        }
        return {dim: sizes[0] for dim, sizes in found.items() if sizes}

    @cached_property
    def _places_behind(self) -> list[tuple[str, list[str]]]:
        """The dimensions that the forward program's reads at labels speak of, with axes here that are equal to each."""
        own, dims = self.program.dims, (self.rests or self.program).dims
        spoken = dict.fromkeys(dim for label in self.read_behind for dim in label.extents)
        members = [place for place in dims.members() if place in own]
        return [(dim, [dim, *(place for place in members if dims.find(place) == dims.find(dim))]) for dim in spoken]

    def _contiguous(self, found: Specialisation, given: Sequence[Array]) -> list[Array]:
        """The arrays as the code reads them, copied where they lie otherwise in memory."""
        copied = sum(a.nbytes for a in given if a.ndim and not a.flags.c_contiguous)
        if copied > FEW:
            needed = copied + found.plan.peak_memory
            refuse_more("a call, with copies of arrays that are not contiguous,", needed, "give contiguous arrays")
        return [np.ascontiguousarray(a) if a.ndim else a for a in given]

    def _run(self, found: Specialisation, given: Sequence[Array]) -> tuple[Array, ...]:
        try:
            return found.run(*given)
        except IndexError as error:
            raise self.misread(str(error)) from error
        except MemoryError as error:
            raise self._too_large(found) from error

    def gather(self, arrays: Mapping[Any, Array] | None, named: Mapping[str, Array]) -> list[Array]:
        """The arrays in the order of ``inputs``."""
        if arrays is None:
            given: Mapping[Any, Array] = named
        elif not named and len(arrays) == len(self.texts) and all(text in arrays for text in self.texts):
            given = arrays
        else:
            given = {str(key): value for key, value in arrays.items()}
            if named:
                given = together(given, named)
        try:
            ordered = [given[text] for text in self.texts]
        except KeyError as error:
            name = self.inputs[self.texts.index(error.args[0])]
            raise missing(self.program, name, given) from None
        if len(given) != len(self.texts):
            known = {*self.unread, *map(str, self.program.inputs)}
            for name in given:
                if name not in known:
                    raise unknown_tensor(self.program, name)
        return ordered

    @cached_property
    def labels(self) -> set[Name]:
        """The tensors that are compared and not computed with, which may hold whole numbers.

        Examples:
            >>> es.parse("y[n,c] = 1[t[n] == c] x[n,c]").compile().labels
            {'t'}
        """
        return compared_alone(self.program.equations)

    def prepared(self, name: Name, data: Array) -> Array:
        """An array of a dtype that can be used, or an error that says how to make one."""
        index = name in self.flat.index_tensors
        if name in self.flat.sized:
            return _array(self.program, name, data)
        if type(data) is not np.ndarray:
            python = not hasattr(data, "dtype")
            data = _array(self.program, name, data)
            if python and data.dtype.kind in "iub" and not index and name not in self.labels:
                data = converted(name, data, np.float64)
            if python and index and data.size == 0:
                data = data.astype(np.int64)
        if data.ndim != self.program.ranks[name]:
            raise wrong_rank(self.program, name, data.shape)
        allowed = "iu" if index else "f"
        if data.dtype.kind in "iub" and not index and name in self.labels:
            data = as_labels(self.program, name, data, self.dtype or np.float64)
        if data.dtype.kind not in allowed:
            raise wrong_dtype(self.program, name, data.dtype, index)
        if self.dtype is not None and not index:
            data = converted(name, data, self.dtype)
        return np.asarray(data)

    def specialise(self, key: Any) -> Specialisation:
        with self._lock:
            if self._first is not None:
                first, self._first = self._first, None
                self.specialise(first)
            found = self._known.get(key)
            if found is None:
                shapes = {name: shape for name, (shape, _) in zip(self.inputs, key, strict=True)}
                precisions = {
                    name: str(dtype.newbyteorder("="))
                    for name, (_, dtype) in zip(self.inputs, key, strict=True)
                    if name not in self.flat.sized
                }
                found = self._made(shapes, self.sizes, precisions, key, bool(self.fast))
                self._known[key] = found
                while len(self._known) > SPECIALISATIONS:
                    self._known.popitem(last=False)
            self._latest = found
            for older in list(self._known.values())[:-WARM]:
                if older is not found and older.source.prepares:
                    older.forget()  # memory is made again when it is needed
            return found

    def _made(
        self,
        shapes: Mapping[Name, tuple[int, ...]],
        sizes: Mapping[str, int],
        precisions: dict[Name, str],
        key: Any = None,
        fast: bool = False,
        careful: bool = False,
    ) -> Specialisation:
        with self.as_written(shapes, sizes, precisions):
            return self._specialised(shapes, sizes, precisions, key, fast, careful)

    def _specialised(
        self,
        shapes: Mapping[Name, tuple[int, ...]],
        sizes: Mapping[str, int],
        precisions: dict[Name, str],
        key: Any,
        fast: bool,
        careful: bool,
    ) -> Specialisation:
        extents = self._extents(shapes, sizes, None)
        know_ranges(self.flat, extents)
        if self._generic is not None and key is not None and not careful and self._generic.takes(key, extents):
            refuse_empty(self.flat, extents)
            refuse_outside(self._generic.plan.graph, extents.known)
            generic = replace(self._generic.source, measured=None)

            def again() -> Plan:
                made = self._planned(extents, precisions, partial(_known_already, generic), general=True)
                return replace(made, notes=(ONE_FUNCTION,))

            return self._generic.for_key(key, again)
        made = self._coded(extents, precisions, self.any_size, key, fast, careful)
        if careful:
            return Specialisation(made, made.code, made.code.arguments)
        found = Specialisation(
            made, made.code, self.inputs, key, made.code.contiguous, partial(self.carefully, made, {})
        )
        if made.code.contiguous:
            return found
        if made.code.any_size and self.memory_limit is None:
            self._generic = found
        if self.patient and not fast:
            found.watch(lambda given: self._faster(shapes, precisions, key, given))
        return found

    def as_written(
        self, shapes: Mapping[Name, tuple[int, ...]], sizes: Mapping[str, int], precisions: dict[Name, str]
    ) -> AbstractContextManager[None]:
        """Refusals of these arrays are said of the program as it was written."""

        def again(origin: Program) -> None:
            settings = {name: getattr(self, name) for name in ("dtype", "memory_limit", "context", "given")}
            Compiled(origin, fast=False, **settings)._made(shapes, sizes, precisions)

        return as_written(self.program, again)

    def _coded(
        self,
        extents: Extents,
        precisions: dict[Name, str],
        general: bool,
        key: Any = None,
        fast: bool = False,
        careful: bool = False,
    ) -> Plan:
        """The plan with its code, which a ``general`` one has for any sizes; ``key`` is of the arrays of a call."""
        precision = str(self.dtype or "float64")
        function = self.function if not careful else f"careful_{self.function}"
        native = all(dtype.isnative for _, dtype in key or ())
        code: Coder
        if general:
            given = None if key is None else self.inputs
            code = partial(_open_code, precisions, function, precision, given)
        else:
            code = partial(_laid_out, fast and native, self.reuse_buffers, precisions, function, precision)
        flat = self._careful_flat if careful else self.flat
        made = self._planned(extents, precisions, code, general, flat)
        if general and key is not None:  # code for one size finds out while it is written
            refuse_outside(made.graph, extents.known)
        return made

    def _extents(
        self, shapes: Mapping[Name, tuple[int, ...]], sizes: Mapping[str, int], nominal: int | None
    ) -> Extents:
        """What these shapes tell, by way of the forward program where the equations alone do not say enough."""
        given = {str(name): shape for name, shape in shapes.items()}
        computed = (str(name) for name, tensor in self.given if tensor not in self.inputs)
        if self.context is not None and not given.keys().isdisjoint(computed):  # nothing else may tell their shapes
            sizes = {**told(self.program, self.context, given, sizes, self.given), **sizes}
        if self.rests is not None and shapes:
            fitting(self.rests, given, sizes)
        try:
            return infer(self.program, shapes, sizes, nominal, self.flat.wanted)
        except ExtentError:
            if self.context is None or not shapes:
                raise
            more = {**told(self.program, self.context, given, sizes), **sizes}
            if more.keys() <= sizes.keys():
                raise
        return infer(self.program, shapes, more, nominal, self.flat.wanted)

    @cached_property
    def _careful_flat(self) -> Flat:
        """The operations, of which nothing is presumed to be finite."""
        return flatten(self.program, self.outputs, careful=True)

    @cached_property
    def _guarded(self) -> Compiled:
        """The same, where a bracket guards what stands beside it and nothing else, whatever is given."""
        origin = self.program.origin
        program = self.program if origin is None else runnable(origin, finite=False)
        if not program.inputs.keys() <= self.program.inputs.keys() or not program.defined.keys() >= set(self.outputs):
            return self
        found = object.__new__(type(self))
        vars(found).update(vars(self), program=with_shapes_beside(program, self.context, self.given, self.rests))
        vars(found).pop("_careful_flat", None)
        found.flat = flatten(found.program, self.outputs, infinite=self.infinite)
        return found

    def carefully(self, made: Plan, known: dict[Any, Specialisation], *arrays: Array) -> tuple[Array, ...]:
        """The results where a bracket hides infinities or NaN, for what presumed of the arrays that they are finite;
        ``known`` are the functions for it."""
        sizes, names = made.extents, made.code.arguments
        key = tuple((a.shape, a.dtype) for a in arrays)
        found = known.get(key)
        if found is None:
            shapes = {name: a.shape for name, a in zip(names, arrays, strict=True)}
            precisions = {name: str(a.dtype.newbyteorder("=")) for name, a in zip(names, arrays, strict=True)}
            fitting = all(sizes.shape(name) == shape for name, shape in shapes.items())
            told = {**self._sized(sizes), **self.sizes} if fitting else self.sizes
            found = known[key] = self._guarded._made(shapes, told, precisions, careful=True)
        given = dict(zip(names, arrays, strict=True))
        return found.run(*[given[name] for name in found.inputs])

    def _sized(self, extents: Extents) -> dict[str, int]:
        """The axes of arrays of which only sizes are read: nothing tells how many axes those have."""
        names, dims = set(map(str, self.flat.sized)), self.program.dims
        places = (place for place in dims.members() if place.rpartition(".")[0] in names)
        return {place: extents.known[dim] for place in places if (dim := dims.find(place)) in extents.known}

    def _planned(
        self,
        extents: Extents,
        precisions: Mapping[Name, str],
        code: Coder | None = None,
        general: bool = False,
        flat: Flat | None = None,
    ) -> Plan:
        itemsize = max((np.dtype(p).itemsize for p in precisions.values() if p.startswith("float")), default=8)
        return plan(
            self.program, extents, optimize=self.optimize, itemsize=itemsize, memory_limit=self.memory_limit,
            flat=self.flat if flat is None else flat, coder=code, dtypes=precisions, general=general,
            slices=self.slices, specs=self.specs,
        )  # fmt: skip

    def _faster(
        self,
        shapes: Mapping[Name, tuple[int, ...]],
        precisions: dict[Name, str],
        key: Any,
        given: Sequence[Array],
    ) -> None:
        """Put compiled loops in the place of a specialisation that has proved to be used, once they have run: another
        thread compiles them."""
        arrays = [np.ascontiguousarray(a) if a.ndim else a for a in given]

        def compile_beside() -> None:
            try:
                made = self._made(shapes, self.sizes, precisions, key, True)
                made.compile_beside(arrays)
            except Leaving:
                return
            except Exception as error:
                reason = error.__cause__ or error
                warnings.warn(
                    f"numba did not compile this program, NumPy goes on: {reason}", RuntimeWarning, stacklevel=1
                )
                return
            with self._lock:
                self._known[key] = self._latest = made

        threading.Thread(target=compile_beside, name=BESIDE).start()

    @property
    def plan(self) -> Plan:
        """The plan of the shapes that were specialised last; before the first call, of nominal sizes.

        Examples:
            >>> f = es.parse("y[i] = A[i,J] x[J]").compile()
            >>> _ = f(A=np.eye(2), x=np.ones(2))
            >>> f.plan.flops
            8
        """
        latest = self._shown._latest
        return latest.plan if latest is not None else self._nominal(self.sizes).plan

    @property
    def _told(self) -> str:
        return f"{', '.join(map(str, self.outputs))} as a function of {', '.join(map(str, self.inputs))}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self._told}>"

    def _repr_html_(self) -> str:
        return display.shown(display.note(self._told), display.equations(self.program))

    def source(self, sizes: Mapping[str, int] | None = None) -> str:
        """The code as text; it runs on its own, and refuses arrays that it was not made for.

        Without sizes it is that of the latest call, for arrays of its shapes and dtypes; before the first call it takes
        arrays of all sizes, but for those that were given.  It does not look at what memory is free, as a call does:
        what does not fit is NumPy's MemoryError.

        Examples:
            >>> code = es.parse("y[i] = A[i,J] x[J]").compile().source({"i": 2, "j": 3})
            >>> print(code[code.index("    # y") :])
                # y[i] = A[i,J] x[J]
                y = np.dot(x, A.T)
                return y,
        """
        shown = self._shown
        latest = shown._latest
        if sizes is None and latest is not None:
            held, precisions = latest.plan.extents, dict(latest.plan.precisions)
            shapes = {name: held.shape(name) for name in self.inputs if name not in self.flat.sized}
            told = {**self._sized(held), **shown.sizes}
            return exported(
                latest.source,
                lambda: self._guarded._made(shapes, told, precisions, careful=True).source,
                self._labels_looked_at(latest.plan, latest.source),
            )
        given = {**self.sizes, **understood(self.program, self.context, sizes)}
        found = self._nominal(given)
        looked_at = self._labels_looked_at(found.plan, found.source)
        return exported(found.source, lambda: self._guarded._nominal(given, careful=True).source, looked_at)

    def _labels_looked_at(self, made: Plan, source: Source) -> list[str]:
        """Lines that refuse positions which the forward program reads at and the code does not."""
        extents, names, found = made.extents, source.names, list[str]()
        arguments = {str(name): text for name, text in names.items()}
        for label in self.read_behind:
            for place in dict(self._places_behind)[label.place]:
                (tensor, _, k), dim = place.rpartition("."), self.program.dims.find(place)
                size = f"{arguments[tensor]}.shape[{k}]" if tensor in arguments else None
                if dim in extents.known and (not source.any_size or extents.source.get(dim, "").startswith(GIVEN)):
                    size = str(extents.known[dim])
                if size is not None and (line := look_text(label, names, size)) is not None:
                    found.append(line)
                    break
        return list(dict.fromkeys(found))

    def _nominal(self, sizes: Mapping[str, int], careful: bool = False) -> Shown:
        """The code before any array is seen, which is not run; its plan says which sizes are made up."""

        def written(nominal: int) -> Shown:
            with self.as_written({}, sizes, {}):
                extents = self._extents({}, sizes, nominal)
                know_ranges(self.flat, extents)
                made = self._coded(extents, {}, True, careful=careful)
            return Shown(made, made.code)

        found = nominally(self.program, written)
        found.plan.notes = (MADE_UP,) if NOMINAL in found.plan.extents.source.values() else ()
        return found

    def _too_large(self, found: Specialisation) -> DataError:
        """What the machine could not allocate, although no single array is too large for what was free."""
        return DataError(
            f"a call holds {human_bytes(found.plan.peak_memory)} at its peak, which could not be had",
            text=str(self.program.equations[-1]),
            inferred=f"{human_bytes(available_memory())} are free now",
            repair="ask for a product with a vector, for smaller sizes, or for memory_limit=...",
        )

    def misread(self, message: str) -> EinstanError:
        """What a helper of the generated code says, which knows no equations, as an error that shows its place."""
        for equation in self.program.equations:
            told, found, value = message.partition(f" in {equation} is ")
            if found and (slot := re.fullmatch(r"slot (\d+) of (.*)", told)):
                size = re.fullmatch(r"(-?\d+), but the size is (\d+)", value)
                written = () if self.program.origin is None else self.program.origin.equations
                reads = ((e, n) for e in (*written, equation) for n in preorder(e.rhs) if isinstance(n, Indexed))
                equation, access = next((each for each in reads if str(each[1]) == slot[2]), (equation, None))
                if size and access is not None:
                    return outside(equation, access, int(slot[1]), int(size[1]), int(size[2]))
            elif found:
                atom = next((atom for _, atom in positions_in(equation) if str(atom.tensor) == told), None)
                return not_whole(equation, atom, value.partition(",")[0])
        return DataError(message, repair="give positions from 0 to the size less one")


# ---- what makes the code of a plan, which holds it and goes with it to other processes -------------------------------


def _open_code(
    precisions: dict[Name, str], function: str, precision: str, given: Collection[Name] | None, made: Plan
) -> Source:
    return any_size(made, precisions, function, precision, given)


def _laid_out(
    fast: bool, reuse_buffers: bool, precisions: dict[Name, str], function: str, precision: str, made: Plan
) -> Source:
    quick = fused(made, precisions, function, precision, reuse_buffers) if fast else None
    if quick is not None:
        quick.contiguous = True
        return quick
    return specialised(made, precisions, function, precision, reuse_buffers=reuse_buffers)


def _known_already(source: Source, made: Plan) -> Source:
    return source


class Shown:
    """A plan and its code."""

    def __init__(self, plan: Plan, source: Source) -> None:
        self.plan, self.source = plan, source


def exported(source: Source, careful: Callable[[], Source], labels: Sequence[str] = ()) -> str:
    """Code as text, with what it calls where a bracket hides infinities or NaN."""
    if not source.presumes:
        return source.exported(labels)
    other = careful()
    names = [f"a{n}" for n in range(len(source.arguments))]
    given = ", ".join(names[source.arguments.index(name)] for name in other.arguments)
    doc = f'"""What {source.function} calls where a bracket hides infinities or NaN: nothing is presumed here."""'
    body = [doc, *other.text.rstrip().split("\n"), "", f"return {other.function}({given})"]
    lines = [f"    {line}" if line else "" for line in body]
    return "\n".join(
        [source.exported(labels), "", f"def careful({', '.join(names)}):", *lines, "", "", "careful.due = 0", ""]
    )


def _array(program: Program, name: Name, data: Array) -> Array:
    try:
        return as_array(name, data, spellings(program, name) if hasattr(data, "shape") else ())
    except LossError as error:
        raise not_an_array(program, name, error.reason, error.repair) from error


def _rests(context: Program, behind: Collection[Name]) -> Program | None:
    """The forward program that derivatives of some of its tensors rest on."""
    needed = {*behind, *reached(context.reads, *behind)}
    lines = [equation for equation in context if equation.name in needed]
    return context if len(lines) == len(context) else Program(lines) if lines else None


@cache
def _has_numba() -> bool:
    return find_spec("numba") is not None


def floating(dtype: Any) -> Any:
    """The floating-point type of NumPy that is meant."""
    try:
        found = np.dtype(dtype)
    except Exception:  # whatever a stranger's object raises
        found = None
    if found is None or found.kind != "f":
        what = shown(dtype) if found is None else str(found)
        raise DataError(f"dtype {what} is not a floating-point type", repair="use float32 or float64")
    return found
