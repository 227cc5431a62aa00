"""Code that is called: functions with memory of their own that no call is using, and which arrays they are for."""

from __future__ import annotations

import builtins
import itertools
import math
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from time import perf_counter
from typing import Any

from einstan.language.errors import DataError
from einstan.language.term import Name
from einstan.language.threads import compiling
from einstan.machine.backends.arrays import np
from einstan.machine.plan.plan import Plan
from einstan.machine.run.kept import is_of_cache, kernels
from einstan.machine.sizes.extents import Extents
from einstan.machine.sizes.memory import fits
from einstan.machine.targets.numba import IMPORTED
from einstan.machine.targets.source import Source

Array = Any
Key = Sequence[tuple[tuple[int, ...], Any]]  # shapes and dtypes
PATIENCE = 2.0  # seconds, about what numba takes for a small step
SAMPLED = 8  # calls of which one is timed
WARY = 15  # calls for which nothing is presumed, once a bracket has hidden what is not finite


class Careful:
    """What generated code calls where it has found NaN in a product with brackets, which may have come of what they
    hide: the same program, of which nothing is presumed.  It is then called at once for a while (``due``)."""

    def __init__(self, run: Callable[..., tuple[Array, ...]]) -> None:
        self.run, self.due = run, 0

    def __call__(self, *arrays: Array) -> tuple[Array, ...]:
        self.due = self.due - 1 if self.due > 0 else WARY
        return self.run(*arrays)


class Specialisation:
    """The code for one tuple of shapes and dtypes, and functions with memory of their own that no call is using.

    ``run(*arrays)`` takes arrays in the order of ``inputs`` and returns the results in theirs.  ``enter(arrays)`` takes
    a dictionary and returns one, or None where the arrays are not those that this code is for.
    """

    def __init__(
        self,
        made: Plan,
        source: Source,
        inputs: tuple[Name, ...],
        key: Any = None,
        contiguous: bool = False,
        careful: Callable[..., tuple[Array, ...]] | None = None,
    ) -> None:
        self._plan: Plan | Callable[[], Plan] = made
        self.source, self.inputs = source, inputs
        self.contiguous = contiguous
        self.spent = 0.0
        self.careful = careful
        self.load(key)
        if contiguous:
            self.compile_alone()

    def load(self, key: Any, kept: bool = True) -> None:
        """Make the functions of the source, with what is ``kept`` on disk of its loops."""
        source = self.source
        space: dict[str, Any] = {"careful": Careful(self.careful)} if self.careful is not None else {}
        # The names and texts in the source are ours alone, see emit.identifier and emit.plain_text.
        text = source.text
        if source.kernels:  # numba is imported, and its functions are made or found
            with compiling, compiled_by_numba():
                space.update(kernels(source.kernels, kept))
            text = text.replace(source.kernels, "").replace(IMPORTED, "")
        exec(builtins.compile(text, "<einstan>", "exec"), space)
        assert_views(space[source.function], source.views)
        self.prepare: Any = space.get("prepare")
        self.free = [space[source.function]]
        self.apart = hasattr(self.free[0], "results")
        self.mine = threading.local()  # where results stay in memory that is used again: functions of one thread alone
        self.ready(key)

    def ready(self, key: Any) -> None:
        """Make what is called, for arrays of these shapes and dtypes."""
        self.key, source = key, self.source
        calls = _calls(source, self.inputs, key, self.contiguous, self.apart)
        self.space = {
            "ndarray": np.ndarray,
            "function": self.free[0],
            "take": self.free.pop,
            "put": self.free.append,
            "prepare": self.prepare,
            "tick": int,  # whether this call goes by ``run``, which is timed: 0, never
            **{f"d{n}": dtype for n, (_, dtype) in enumerate(key or ())},
        }
        exec(builtins.compile(calls, "<einstan call>", "exec"), self.space)
        self.fits: Callable[..., bool] = self.space["fits"]
        self.run: Callable[..., tuple[Array, ...]] = self.space["run"]
        self.enter: Callable[[Mapping[str, Array]], dict[str, Array] | None] = self.space["enter"]
        if self.apart:
            positions = tuple(self.inputs.index(name) for name in source.arguments)
            self.run = self.space["run"] = lambda *arrays: self.run_apart(*[arrays[k] for k in positions])

    @property
    def plan(self) -> Plan:
        """The plan for these shapes; of code that takes any, it is made when somebody asks."""
        if not isinstance(self._plan, Plan):
            self._plan = self._plan()
        return self._plan

    def takes(self, key: Key, extents: Extents) -> bool:
        """Whether the code, which takes any sizes, is that of arrays of these dtypes, and what it makes would fit."""
        old, new = self.plan.extents.known, extents.known
        if [dtype for _, dtype in key] != [dtype for _, dtype in self.key]:
            return False
        if old.keys() - new.keys() or any((old[dim] == 0) != (new[dim] == 0) for dim in old):
            return False
        graph, order = self.plan.graph, self.plan.order
        largest = max((math.prod(new[dim] for dim in graph.dims(value)) for value in order), default=0)
        return fits(largest * self.plan.itemsize)

    def for_key(self, key: Key, made: Callable[[], Plan]) -> Specialisation:
        """The same function for arrays of other shapes."""
        other = copy(self)
        other._plan = made
        other.ready(key)
        return other

    def forget(self) -> None:
        """Let go of the memory."""
        self.free.clear()
        self.mine = threading.local()

    def compile_alone(self) -> None:
        """Let the process not fork during the first call, in which numba compiles."""
        self.quiet = self.run

        def first(*arrays: Array) -> tuple[Array, ...]:
            with compiling:
                return self.begin(arrays)

        self.run, self.space["run"], self.space["tick"] = first, first, lambda: True

    def compile_beside(self, arrays: Sequence[Array]) -> None:
        """The same in a thread that nobody waits for, one function after the other: a fork waits for no more than one,
        and the end of the program, which is heard between them (`Leaving`), too."""
        if not self.contiguous:
            return
        space = self.free[0].__globals__
        loops = {name: value for name, value in space.items() if hasattr(value, "py_func")}
        space.update({name: _in_turn(function) for name, function in loops.items()})
        try:
            self.begin(arrays)
        finally:
            space.update(loops)

    def begin(self, arrays: Sequence[Array]) -> tuple[Array, ...]:
        """The first call; calls are quick from then on."""
        with compiled_by_numba():
            try:
                results = self.quiet(*arrays)
            except Exception as error:
                if not is_of_cache(error):
                    raise
                self.load(self.key, kept=False)  # a full disk, a damaged file
                self.quiet = self.run
                results = self.quiet(*arrays)
        self.run, self.space["run"], self.space["tick"] = self.quiet, self.quiet, int
        return results

    def watch(self, faster: Callable[[Sequence[Array]], None]) -> None:
        """Call this once the code has run for as long as compiling it would take.  One call in a few is timed, for
        all of them."""
        quiet = self.run

        def finished(seconds: float, arrays: Sequence[Array]) -> None:
            self.spent += seconds
            if self.spent > PATIENCE:
                self.run, self.space["run"], self.space["tick"] = quiet, quiet, int
                faster(arrays)

        def timed(*arrays: Array) -> tuple[Array, ...]:
            start = perf_counter()
            results = quiet(*arrays)
            finished((perf_counter() - start) * SAMPLED, arrays)
            return results

        def watched(*arrays: Array) -> tuple[Array, ...]:
            return timed(*arrays) if tick() else quiet(*arrays)

        tick = self.space["tick"] = itertools.cycle((False,) * (SAMPLED - 1) + (True,)).__next__
        self.run, self.space["run"] = watched, watched if self.apart else timed

    def run_apart(self, *arrays: Array) -> tuple[Array, ...]:
        """The same where results stay in memory that this thread uses again: never in that which the inputs lie in."""
        free = vars(self.mine).setdefault("free", [])
        aside = []
        function = None
        while function is None:
            try:
                function = (free or self.free).pop()
            except IndexError:
                function = self.prepare()
            results = function.results
            for array in arrays:
                if array.base is results:
                    aside.append(function)
                    function = None
                    break
        try:
            return function(*arrays)
        finally:
            free.extend(aside)
            free.insert(0, function)  # the results that came last stay as they are for longest


class Leaving(Exception):  # noqa: N818  no error
    """The program ends, and what was compiled beside it is wanted by nobody."""


def _in_turn(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any) -> Any:
        if not threading.main_thread().is_alive():
            raise Leaving
        with compiling:
            return function(*arguments)

    return call


@contextmanager
def compiled_by_numba() -> Iterator[None]:
    """What numba cannot compile, or cannot be imported for, is an error of ours, with what goes on without it."""
    try:
        yield
    except Exception as error:
        if not (isinstance(error, ImportError) or type(error).__module__.partition(".")[0] in ("numba", "llvmlite")):
            raise
        raise DataError(
            f"numba did not compile this program: {str(error).partition(chr(10))[0]}",
            inferred=f"it raised {type(error).__name__}",
            repair="leave out fast=True, and NumPy alone runs it",
        ) from error


def assert_views(function: Callable[..., Any], names: Collection[str]) -> None:
    """That what is made once and read at every call looks at the block of memory: a copy of it would hold what nobody
    has written."""
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        if name in names:
            array = root = cell.cell_contents
            while getattr(root, "base", None) is not None:
                root = root.base
            assert array.size == 0 or root.dtype == np.uint8, f"{name} is no view"


def _calls(source: Source, inputs: Sequence[Name], key: Any, contiguous: bool, apart: bool) -> str:
    """Three functions without a loop, because they run at every call: ``fits``, ``run`` and ``enter``.

    The dtypes of NumPy itself are one object each.  Taking a function from the list of those that nobody uses, and
    putting it back, are atomic.
    """
    names = [f"a{n}" for n in range(len(inputs))]
    given = ", ".join(names)
    tests = [
        f"type({a}) is ndarray and {a}.dtype is d{n} and {a}.shape == {shape}"
        for n, (a, (shape, _)) in enumerate(zip(names, key or (), strict=False))
    ]
    if contiguous:
        tests += [f"{a}.flags.c_contiguous" for a, (shape, _) in zip(names, key, strict=True) if shape]
    fits = " and ".join(tests) or "True"
    texts = [str(name) for name in inputs]
    taken = ", ".join(names[inputs.index(name)] for name in source.arguments)
    found = [f"r{n}" for n in range(len(source.results))]
    results = ", ".join(f"{str(name)!r}: {r}" for name, r in zip(source.results, found, strict=True))
    call = [f"return function({taken})"]
    if source.prepares and source.memory:
        call = ["try:", "    function = take()", "except IndexError:", "    function = prepare()"]
        call += ["try:", f"    return function({taken})", "finally:", "    put(function)"]
    lines = [f"def fits({given}):", f"    return {fits}", "", f"def run({given}):", *(f"    {line}" for line in call)]
    lines += ["", "def enter(given):"]
    if names:
        lines += ["    try:", *(f"        {a} = given[{text!r}]" for a, text in zip(names, texts, strict=True))]
        lines += ["    except KeyError:", "        return None"]
    received = f"{', '.join(found)}{',' * (len(found) == 1)} =" if found else "_ ="
    lines += [f"    if not (len(given) == {len(names)} and {fits}):", "        return None"]
    if apart:
        lines.append(f"    {received} run({given})")
    else:
        lines += ["    if tick():", f"        {received} run({given})", "    else:"]
        lines += [f"        {line.replace('return', received)}" for line in call]
    return "\n".join([*lines, f"    return {{{results}}}", ""])
