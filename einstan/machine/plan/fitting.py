"""Whether a plan fits: what its code holds at the peak of a call, predicted and measured, and what is refused."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Mapping
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from einstan.language.term import Equation, Name
from einstan.machine.backends.arrays import np
from einstan.machine.sizes.memory import FEW, available_memory, human_bytes
from einstan.machine.sizes.refusals import reader_of, too_large, too_much

if TYPE_CHECKING:
    from einstan.machine.plan.plan import Plan


def peak_of(made: Plan) -> int:
    """The bytes that the plan's code holds at the peak of a call: the code is run on arrays without entries.

    Where the code calls what has no rehearsal, and without NumPy, the bytes that are needed if every buffer is used
    again.
    """
    try:
        from einstan.machine.plan.rehearsal import peak_bytes

        return peak_bytes(made.code, made)
    except (NotImplementedError, ModuleNotFoundError):
        return made.buffers.peak


def measured(made: Plan, arrays: Mapping[Any, Any] | None = None) -> int:
    """The same, as Python's own accounting of memory tells it: the plan's code is made anew and called once.

    Memory depends on shapes and dtypes alone, so that arrays of ones will do where none are given.
    """
    if arrays is None:
        given = {str(n): np.ones(made.extents.shape(n), made.precisions[n]) for n in made.code.arguments}
        for name in made.index_tensors:
            if str(name) in given:
                given[str(name)][...] = 0
    else:
        given = {str(name): np.asarray(array) for name, array in arrays.items()}
    inputs = [given[str(name)] for name in made.code.arguments]
    code = compile(made.code.text, "<einstan>", "exec")
    space: dict[str, Any] = {"careful": SimpleNamespace(due=0)}  # what hides behind brackets is finite here
    running = tracemalloc.is_tracing()
    tracemalloc.start()
    try:
        old = _of_arrays()
        exec(code, space)
        laid_out = _of_arrays() - old
        with np.errstate(all="ignore"):
            space[made.code.function](*inputs)  # what a first call allocates for good is not the step's
            before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            results = space[made.code.function](*inputs)
        peak = tracemalloc.get_traced_memory()[1] - before
        del results
    finally:
        if not running:
            tracemalloc.stop()
    return laid_out + peak


def _of_arrays() -> int:
    """Bytes of arrays that are held now."""
    domain = tracemalloc.DomainFilter(True, np.lib.tracemalloc_domain)
    return sum(trace.size for trace in tracemalloc.take_snapshot().filter_traces([domain]).traces)


def refuse_large(made: Plan, allowed: int | None) -> None:
    """Refuse a single array that would not fit: into what a call may take, which the arrays given to it are no part of,
    or into this machine's memory."""
    every = sum(map(made.bytes, made.order))
    results = sum(made.size(made.tensors[name].dims) for name in made.outputs) * made.itemsize
    if allowed is None and every + results <= FEW:
        return
    limit = available_memory() if allowed is None else allowed
    for value in made.order:
        if allowed is not None and made.graph.operations[value].kind == "input":
            continue
        needed = math.prod(made.shape(value)) * made.itemsize
        if needed > limit:
            raise too_large(*_place(made, value), human_bytes(needed), _told(limit, allowed))
    for name in made.outputs:
        stored = made.tensors[name]
        needed = made.size(stored.dims) * made.itemsize
        if needed > limit:
            raise too_large(*_defined(made, name), human_bytes(needed), _told(limit, allowed))
    if allowed is None and every + results > limit:  # each fits, and all at once may not
        needed = peak_of(made)
        if needed > limit:
            raise too_much(made.program, human_bytes(needed), _told(limit, allowed), made.outputs)


def _told(limit: int, allowed: int | None) -> str:
    return f"{human_bytes(limit)} are {'available' if allowed is None else 'allowed'}"


def _place(made: Plan, value: int) -> tuple[Equation | None, Name | None, str, list[str]]:
    """Of a value: the equation that makes it, the tensor that it is, how it is shown, and its extents."""
    for name, stored in made.tensors.items():
        if stored.value == value and None not in stored.slots:
            return _defined(made, name)
    operation = made.graph.operations[value]
    letters = [operation.letters[label] for label in operation.out]
    equation = next((e for e in made.program.equations if str(e) == operation.equation), None)
    known = [f"|{letter}| = {size:,}" for letter, size in zip(letters, made.shape(value), strict=True)]
    return equation, None, f"an intermediate with the axes {', '.join(letters)}", known


def _defined(made: Plan, name: Name) -> tuple[Equation | None, Name | None, str, list[str]]:
    equation = reader_of(made.program, name) if name not in made.program.defined else made.program[name]
    shape = made.extents.shape(name)
    if equation is None or equation.name != name:
        return equation, name, str(name), [f"its shape is {' x '.join(f'{n:,}' for n in shape)}"]
    known = [f"|{index.name}| = {size:,}" for index, size in zip(equation.indices, shape, strict=True)]
    return equation, name, str(equation.lhs), known
