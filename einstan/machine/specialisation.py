"""Code that is called: functions with memory of their own that no call is using, and which arrays they are for."""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable, Sequence
from copy import copy
from time import perf_counter
from typing import Any

import numpy as np

from einstan.language.term import Name
from einstan.machine.emit import Source
from einstan.machine.extents import Extents
from einstan.machine.memory import available_memory
from einstan.machine.plan import Plan

Array = Any
Key = Sequence[tuple[tuple[int, ...], Any]]  # shapes and dtypes
PATIENCE = 2.0  # seconds, about what numba takes for a small step


class Specialisation:
    """The code for one tuple of shapes and dtypes, and functions with memory of their own that no call is using."""

    def __init__(
        self, made: Plan, source: Source, inputs: tuple[Name, ...], key: Any = None, contiguous: bool = False
    ) -> None:
        self._plan: Plan | Callable[[], Plan] = made
        self.source, self.key = source, key
        self.positions = tuple(inputs.index(name) for name in source.arguments)
        self.in_order = self.positions == tuple(range(len(inputs)))
        self.fits = _fits(key or (), contiguous)
        self.spent = 0.0
        space: dict[str, Any] = {}
        # The names and texts in the source are ours alone, see emit.identifier and emit.plain_text.
        exec(builtins.compile(source.text, "<einstan>", "exec"), space)
        self.prepare: Any = space.get("prepare")
        self.free = [space[source.function]]
        self.run: Callable[..., tuple[Array, ...]] = self.run_in_turn
        if not source.prepares:
            self.run = space[source.function]
        elif hasattr(self.free[0], "results"):
            self.run = self.run_apart
        self.contiguous = contiguous

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
        graph, most = self.plan.graph, available_memory() // self.plan.itemsize
        return all(math.prod(new[dim] for dim in graph.dims(value)) <= most for value in self.plan.order)

    def for_key(self, key: Key, made: Callable[[], Plan]) -> Specialisation:
        """The same function for arrays of other shapes."""
        other = copy(self)
        other.key, other._plan, other.fits = key, made, _fits(key, False)
        return other

    def watch(self, faster: Callable[[Sequence[Array]], None]) -> None:
        """Call this once the code has run for as long as compiling it would take."""
        self.faster, self.quiet_run = faster, self.run
        self.run = self.run_watched

    def run_in_turn(self, *arrays: Array) -> tuple[Array, ...]:
        """Call a function whose memory nobody uses: taking it from the list and putting it back are atomic."""
        try:
            function = self.free.pop()
        except IndexError:
            function = self.prepare()
        try:
            return function(*arrays)
        finally:
            self.free.append(function)

    def run_watched(self, *arrays: Array) -> tuple[Array, ...]:
        """The same, until it has run for as long as it takes to compile it."""
        start = perf_counter()
        results = self.quiet_run(*arrays)
        self.spent += perf_counter() - start
        if self.spent > PATIENCE:
            self.run = self.quiet_run
            self.faster(arrays)
        return results

    def run_apart(self, *arrays: Array) -> tuple[Array, ...]:
        """The same where results stay in memory that is used again: never in that which the inputs lie in."""
        aside = []
        function = None
        while function is None:
            try:
                function = self.free.pop()
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
            self.free.extend(aside)
            self.free.insert(0, function)  # the results that came last stay as they are for longest


def _fits(key: Sequence[tuple[tuple[int, ...], Any]], contiguous: bool) -> Callable[..., bool]:
    """A function that says whether arrays have these shapes and dtypes.

    Code without a loop, because it runs at every call; the dtypes of NumPy itself are one object each.
    """
    names = [f"a{n}" for n in range(len(key))]
    tests = [f"type({a}) is ndarray and {a}.dtype is d{n} and {a}.shape == {key[n][0]}" for n, a in enumerate(names)]
    if contiguous:
        tests += [f"{a}.flags.c_contiguous" for a, (shape, _) in zip(names, key, strict=True) if shape]
    space = {"ndarray": np.ndarray, **{f"d{n}": dtype for n, (_, dtype) in enumerate(key)}}
    made: Callable[..., bool] = eval(f"lambda {', '.join(names)}: {' and '.join(tests) or True}", space)
    return made
