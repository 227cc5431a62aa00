"""Memory: what the machine has, what a plan takes, and what is refused."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from einstan.language.errors import DataError
from einstan.language.term import Equation, Name
from einstan.machine.refusals import reader_of, too_large, too_much

try:
    import resource
except ImportError:  # Windows has no such limits
    resource = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from einstan.machine.plan import Plan


FEW = 2**24  # bytes that are never refused, so that nothing need be asked
SPARE = 2**25  # bytes of a control group that no array is given
ENDLESS = 2**63
MOUNTED = "/sys/fs/cgroup"  # control groups: those of version 1 have a folder of their own for memory
LIMITS = {
    "": ("memory.max", "memory.current", "inactive_file"),
    "/memory": ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}


def available_memory() -> int:
    """Bytes of memory that this process may still take: of the machine, of its control group, and of its own limits."""
    return max(0, min(machine_memory(), group_memory(), process_memory()))


def machine_memory() -> int:
    """What the machine has free, files that are kept in memory included, or all that it has where that is not known."""
    with suppress(OSError, ValueError, KeyError):
        lines = dict(line.split(":") for line in _content("/proc/meminfo").splitlines())
        return int(lines["MemAvailable"].split()[0]) * 1024
    for name in ("SC_AVPHYS_PAGES", "SC_PHYS_PAGES"):
        try:
            return os.sysconf(name) * os.sysconf("SC_PAGE_SIZE")
        except (AttributeError, ValueError, OSError):
            continue
    return ENDLESS


def group_memory() -> int:
    """What the control groups of this process leave: its own, and those that it stands in.

    A container sees its group as the root, a job of a cluster or a service stands further down.
    """
    with suppress(OSError):
        return min((_left(folder, *LIMITS[version]) for version, folder in _groups()), default=ENDLESS)
    return ENDLESS


def _groups() -> Iterator[tuple[str, str]]:
    """The version and the folder of each group, from the lines ``number:controllers:path`` that the system tells."""
    for line in _content("/proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers or "memory" in controllers.split(","):
            version = "/memory" if controllers else ""
            parts = path.strip("/").split("/")
            yield from ((version, "/".join([MOUNTED + version, *parts[:k]])) for k in range(len(parts) + 1))


def _left(folder: str, limit: str, used: str, kept: str) -> int:
    """Bytes below the limit of one group, where files that are kept in memory would make room.  A group that is full
    kills, so some are left for what a process touches beside its arrays."""
    try:
        most, held = int(_content(f"{folder}/{limit}")), int(_content(f"{folder}/{used}"))
    except (OSError, ValueError):  # no such group, or "max"
        return ENDLESS
    with suppress(OSError, ValueError, KeyError):
        held -= int(dict(line.split() for line in _content(f"{folder}/memory.stat").splitlines())[kept])
    return most - held - min(SPARE, most // 16)


def process_memory() -> int:
    """What ``ulimit -v`` and ``ulimit -d`` leave to this process."""
    if resource is None:
        return ENDLESS
    left = ENDLESS
    for limit, position in ((resource.RLIMIT_AS, 0), (resource.RLIMIT_DATA, 5)):
        most = resource.getrlimit(limit)[0]
        if most != resource.RLIM_INFINITY:
            try:
                held = int(_content("/proc/self/statm").split()[position]) * resource.getpagesize()
            except (OSError, ValueError):
                held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            left = min(left, most - held)
    return left


def _content(name: str) -> str:
    with open(name, encoding="utf-8", errors="replace") as file:
        return file.read()


def fits(needed: int) -> bool:
    """Whether so many bytes may still be taken."""
    return needed <= FEW or needed <= available_memory()


def refuse_more(what: str, needed: int, repair: str) -> None:
    """Refuse what would not fit into memory, before any of it is allocated."""
    if not fits(needed):
        limit = available_memory()
        raise DataError(
            f"{what} would take {human_bytes(needed)}, and {human_bytes(limit)} are available", repair=repair
        )


def converted(name: object, data: np.ndarray, dtype: Any) -> np.ndarray:
    """The entries in another dtype, which are refused before they are allocated where they do not fit."""
    if data.dtype != dtype:
        needed = data.size * np.dtype(dtype).itemsize
        refuse_more(f"{name} as {np.dtype(dtype)}", needed, f"compile for {data.dtype}, or give a smaller array")
    return data.astype(dtype, copy=False)


def peak_of(made: Plan) -> int:
    """The bytes that the plan's code holds at the peak of a call: the code is run on arrays without entries.

    Where the code calls what has no rehearsal, the bytes that are needed if every buffer is used again.
    """
    from einstan.machine.rehearsal import peak_bytes

    try:
        return peak_bytes(made.code, made)
    except NotImplementedError:
        return made.buffers.peak


def measured(made: Plan, arrays: Mapping[Any, Any] | None = None) -> int:
    """The same, as Python's own accounting of memory tells it: the plan's code is made anew and called once.

    Memory depends on shapes and dtypes alone, so that arrays of ones will do where none are given.
    """
    import tracemalloc

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
    import tracemalloc

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


def human_bytes(count: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB", "TB", "PB"):
        if count < 1000 or unit == "PB":
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.3g} {unit}"
        count /= 1000
    raise AssertionError
