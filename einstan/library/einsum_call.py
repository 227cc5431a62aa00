"""``es.einsum`` with arrays: what NumPy's einsum and opt_einsum's ``contract`` take, planned once for a string, shapes
and dtypes and called many times.

Values and dtypes are NumPy's: integers stay integers and overflow as they do there, a sum of Booleans is True where one
of them is, and an axis of extent 1 goes with any extent of its letter.  A result that needs no arithmetic is a view of
its operand, so that ``es.einsum("ii->i", A)[:] = 1`` writes on the diagonal.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from decimal import Decimal
from math import prod
from typing import Any

import numpy as np

from einstan.language.arguments import ArgumentError, one_of, shown
from einstan.language.errors import DataError, nearest
from einstan.language.threads import lock
from einstan.library.einsum_steps import compiled, source
from einstan.library.einsum_text import (
    SUBLISTS,
    Axis,
    Label,
    Labels,
    Subscripts,
    expanded,
    read,
    read_sublists,
    spelled,
    tensor,
)
from einstan.machine.paths.paths import NAMES, function_of, path_within
from einstan.machine.run.handed import LossError, as_array
from einstan.machine.sizes.memory import refuse_more

KINDS = "biufcO"  # of dtypes that can be multiplied and added
KEPT = 2048  # functions that are remembered
ORDERS = ("K", "A", "C", "F")

functions: dict[Hashable, Callable[..., Any]] = {}
_lock = lock()  # of its changes


def contract(
    arguments: Sequence[Any],
    /,
    out: np.ndarray | None = None,
    dtype: Any = None,
    order: str = "K",
    casting: Any = "safe",
    optimize: Any = "auto",
    memory_limit: Any = None,
    use_blas: Any = True,
    backend: Any = "auto",
    **others: Any,
) -> Any:
    """The value of an einsum: a string and its arrays, or arrays and a list of labels after each."""
    if others or use_blas is not True or backend != "auto":
        require_options(use_blas, backend, others)
    if isinstance(arguments[0], str):
        written: Any = arguments[0]
        given = arguments[1:]
    else:
        written, given = read_sublists(arguments)
    arrays = [x if type(x) is np.ndarray else array(x, k, letters(written, k)) for k, x in enumerate(given)]
    if memory_limit is not None:
        memory_limit = limit_of(memory_limit, arrays)
    if type(optimize) is not str:
        optimize = optimizer(optimize)
    key: Hashable = (written, optimize, memory_limit, dtype, casting, *[(x.shape, x.dtype) for x in arrays])
    try:
        function = functions.get(key)
    except (TypeError, ValueError):  # an optimizer, or whatever is no dtype, that cannot be remembered
        function, key = None, None
    if function is None:
        function = planned(written, arrays, dtype, casting, optimize, memory_limit)
        if key is not None:
            remember(key, function)
    result = called(function, arrays)
    if out is None and isinstance(order, str) and order == "K":
        return result
    return placed(result, out, order, casting, arrays)


def called(function: Callable[..., Any], arrays: Sequence[np.ndarray]) -> Any:
    """The value; objects are multiplied and added as they can, and may be none that can."""
    try:
        return function(*arrays)
    except Exception as error:
        number = next((k for k, x in enumerate(arrays) if x.dtype.hasobject), None)
        if number is None:
            raise
        raise DataError(
            f"operand {number + 1} holds objects that cannot be multiplied and added",
            inferred=str(error) or type(error).__name__,
            repair="give numbers: x.astype(float)",
        ) from error


def remember(key: Hashable, function: Callable[..., Any]) -> None:
    with _lock:
        while len(functions) >= KEPT:
            functions.pop(next(iter(functions)), None)
        functions[key] = function


def planned(written: str | Subscripts, arrays: Sequence[np.ndarray], dtype: Any, casting: Any,
            optimize: Any, memory_limit: int | None = None) -> Callable[..., Any]:  # fmt: skip
    """The function of one einsum for arrays of these shapes and dtypes."""
    subscripts = read(written) if isinstance(written, str) else written
    shapes = [x.shape for x in arrays]
    whole = expanded(subscripts, [x.ndim for x in arrays])
    sizes = sizes_of(whole, shapes)
    for k, x in enumerate(arrays):
        if x.dtype.kind not in KINDS:
            raise DataError(
                f"{tensor(k, len(arrays))} has entries of dtype {x.dtype}, which nobody can multiply and add",
                text=subscripts.text,
                span=subscripts.span(k),
                repair="give numbers, or Booleans",
            )
    target = dtype_of(subscripts, [x.dtype for x in arrays], dtype, casting)
    if isinstance(optimize, str) and optimize not in NAMES:
        function_of(optimize)  # or an error
    result = [sizes[x] for x in whole.output]
    refuse_more("the result", prod(result) * target.itemsize, "sum over more letters, or give smaller arrays")
    cast = max((x.size for x in arrays if x.dtype != target), default=0)
    refuse_more(f"an operand as {target}", cast * target.itemsize, "give operands of one dtype, or smaller ones")
    operands, output = numbered(whole)
    if memory_limit is not None and optimize is not False and not isinstance(optimize, tuple):
        extents = {number: sizes[x] for own, named in zip(operands, whole.operands, strict=True)
                   for number, x in zip(own, named, strict=True)}  # fmt: skip
        optimize = path_within(operands, output, extents, optimize, memory_limit)
    text = source(operands, output, shapes, [x.dtype for x in arrays], target, optimize)
    return compiled(text, target)


def numbered(subscripts: Subscripts) -> tuple[list[tuple[int, ...]], tuple[int, ...]]:
    """The labels as numbers."""
    labels = dict.fromkeys(x for own in (*subscripts.operands, subscripts.output) for x in own)
    number = {label: k for k, label in enumerate(labels)}
    return [tuple(number[x] for x in own) for own in subscripts.operands], tuple(number[x] for x in subscripts.output)


# ---- what is given ---------------------------------------------------------------------------------------------------


def letters(written: str | Subscripts, position: int) -> list[tuple[str, ...]]:
    """How the axes of an operand are spelled, where they are letters all."""
    subscripts = read(written) if isinstance(written, str) else written
    labels = subscripts.operands[position] if position < len(subscripts.operands) else ()
    return [tuple(map(str, labels))] if labels and all(isinstance(x, str) for x in labels) else []


def array(value: Any, position: int, names: Sequence[tuple[str, ...]] = ()) -> np.ndarray:
    """An operand as an array: numbers and lists of them are arrays too; names of its axes are those of the string."""
    try:
        found = as_array("x", value, names)
    except LossError as error:
        raise DataError(f"operand {position + 1} {error.reason}", repair=error.repair) from None
    if found.dtype.kind not in KINDS or (found.dtype == object and not isinstance(value, np.ndarray)):
        raise ArgumentError(
            f"operand {position + 1} = {shown(value)} is not an array of numbers",
            repair=("es.einsum('ij,jk->ik', A, B)", SUBLISTS[0]),
        )
    return found


def optimizer(given: Any) -> Any:
    """What ``optimize`` may be: True and None are "auto", False is from the left to the right; a name; a path, as
    NumPy's or opt_einsum's ``einsum_path`` gives it; an optimizer of opt_einsum or cotengra."""
    if given is True or given is None:
        return "auto"
    if given is False or isinstance(given, str):
        return given
    if not isinstance(given, list | tuple):
        if not callable(given):
            raise ArgumentError(f"optimize = {shown(given)} is no optimizer", repair="optimize='auto'")
        return given
    if given and isinstance(given[0], str) and given[0] != "einsum_path":
        return given[0]  # NumPy's ("greedy", memory limit)
    path = given[1:] if given and given[0] == "einsum_path" else given
    try:
        return tuple(tuple(int(k) for k in step) for step in path)
    except (TypeError, ValueError):
        raise ArgumentError(
            f"optimize = {shown(given)} is not a path", repair="optimize=[(0, 1), (0, 1)], or optimize='auto'"
        ) from None


def require_options(use_blas: Any, backend: Any, others: dict[str, Any]) -> None:
    """What opt_einsum has besides: BLAS is used wherever it fits, and the arrays are NumPy's."""
    if not isinstance(use_blas, bool | np.bool_ | int | None):
        raise ArgumentError(f"use_blas = {shown(use_blas)} is neither True nor False", repair="use_blas=True")
    one_of("backend", backend, ("auto", "numpy", "object"))
    for name in others:
        known = ("out", "dtype", "order", "casting", "optimize", "memory_limit", "use_blas", "backend")
        raise ArgumentError(
            f"an einsum has no argument {name}",
            inferred=f"it has {', '.join(known)}",
            repair=nearest(name, known) or "leave it out",
        )


def limit_of(given: Any, arrays: Sequence[np.ndarray]) -> int | None:
    """How many entries an intermediate result may have: a number, ``"max_input"`` for the largest operand, and none for
    -1, as in opt_einsum."""
    if isinstance(given, str) and given == "max_input":
        return max((x.size for x in arrays), default=1)
    if isinstance(given, int | np.integer | Decimal) and not isinstance(given, bool) and (given >= 1 or given == -1):
        return None if given == -1 else int(given)
    raise ArgumentError(
        f"memory_limit = {shown(given)} is no number of entries",
        repair=("memory_limit='max_input'", "memory_limit=10**6"),
    )


def sizes_of(subscripts: Subscripts, shapes: Sequence[tuple[int, ...]]) -> dict[Label, int]:
    """The extent of every label: the one that is not 1, where some are."""
    sizes: dict[Label, int] = {}
    for number, (labels, shape) in enumerate(zip(subscripts.operands, shapes, strict=True)):
        own: dict[Label, int] = {}
        for label, size in zip(labels, shape, strict=True):
            if own.setdefault(label, size) != size:
                _refuse_sizes(subscripts, shapes, label, number, (own[label], size), "twice")
        for label, size in own.items():
            if sizes.setdefault(label, size) == 1:
                sizes[label] = size
            elif size not in (1, sizes[label]):
                _refuse_sizes(subscripts, shapes, label, number, (sizes[label], size), "elsewhere")
    return sizes


def _refuse_sizes(subscripts: Subscripts, shapes: Sequence[tuple[int, ...]], label: Label, number: int,
                  sizes: tuple[int, int], where: str) -> None:  # fmt: skip
    count = len(shapes)
    name, called = tensor(number, count), label if isinstance(label, str | Axis) else f"the label {label!r}"
    if where == "twice":
        problem = f"{called} is {sizes[0]} and {sizes[1]} in {name}"
        repair = f"a letter that stands twice in an operand is its diagonal: give {name} equal extents there"
    else:
        first = next(k for k in range(count) if _extent(subscripts, shapes, k, label) == sizes[0])
        problem = f"{called} is {sizes[0]} in {tensor(first, count)} and {sizes[1]} in {name}"
        repair = _turned(subscripts, shapes, number) or "give one letter to axes of one extent, or of extent 1"
    parts = [f"{tensor(k, count)} has {_extents(labels, shapes[k])}" for k, labels in enumerate(subscripts.operands)]
    raise DataError(
        problem,
        text=subscripts.text,
        span=_place(subscripts, number, label),
        inferred=parts,
        repair=repair,
    )


def _place(subscripts: Subscripts, number: int, label: Label) -> tuple[int, int]:
    """Where a label stands in an operand of which the ellipsis is written out: its places are those before that."""
    labels = subscripts.operands[number]
    short = [... if isinstance(x, Axis) else x for x in labels]
    once = [x for k, x in enumerate(short) if x is not ... or ... not in short[:k]]
    if len(once) < len(subscripts.places[number]):
        once.append(...)  # an ellipsis of no axis
    return subscripts.places[number][once.index(... if isinstance(label, Axis) else label)]


def _extent(subscripts: Subscripts, shapes: Sequence[tuple[int, ...]], number: int, label: Label) -> int | None:
    labels = subscripts.operands[number]
    return shapes[number][labels.index(label)] if label in labels else None


def _extents(labels: Labels, shape: tuple[int, ...]) -> str:
    return ", ".join(f"{label}={size}" for label, size in zip(labels, shape, strict=True)) or "no axes"


def _turned(subscripts: Subscripts, shapes: Sequence[tuple[int, ...]], number: int) -> str:
    """The string with the letters of one operand the other way round, where the extents then fit."""
    labels = subscripts.operands[number]
    if not all(isinstance(x, str) for own in subscripts.operands for x in own) or len(set(labels)) < 2:
        return ""
    operands = list(subscripts.operands)
    operands[number] = labels[::-1]
    other = Subscripts(tuple(operands), subscripts.output)
    for label in {x for own in operands for x in own}:
        found = {_extent(other, shapes, k, label) for k in range(len(operands))} - {None, 1}
        if len(found) > 1:
            return ""
    return f"'{','.join(map(spelled, operands))}->{spelled(subscripts.output)}'"


def dtype_of(subscripts: Subscripts, dtypes: Sequence[np.dtype[Any]], wanted: Any, casting: Any) -> np.dtype[Any]:
    """In which dtype is computed: that of all operands together, or the one that is asked for."""
    one_of("casting", casting, ("safe", "no", "equiv", "same_kind", "unsafe"))
    if wanted is None:
        return np.result_type(*dtypes)
    try:
        target = np.dtype(wanted)
    except Exception:  # whatever a stranger's object raises
        raise ArgumentError(f"dtype = {shown(wanted)} is not a dtype", repair="dtype='float64'") from None
    for number, dtype in enumerate(dtypes):
        if not np.can_cast(dtype, target, casting):
            raise ArgumentError(
                f"{tensor(number, len(dtypes))} is {dtype}, which cannot become {target} by the rule {casting!r}",
                text=subscripts.text,
                span=subscripts.span(number),
                repair=f"dtype='{np.result_type(*dtypes)}', or casting='unsafe'",
            )
    return target


def placed(result: Any, out: Any, order: Any, casting: Any, arrays: Sequence[np.ndarray]) -> Any:
    """The result in the memory and in the order that are asked for."""
    one_of("order", order.upper() if isinstance(order, str) else order, ORDERS)
    if out is not None:
        if not isinstance(out, np.ndarray):
            raise ArgumentError(f"out = {shown(out)} is not an array", repair="out=np.empty(...), of NumPy")
        found = np.asarray(result)
        if out.shape != found.shape or not np.can_cast(found.dtype, out.dtype, casting) or not out.flags.writeable:
            raise DataError(
                f"out has shape {out.shape} and dtype {out.dtype}{'' if out.flags.writeable else ', read-only'}, "
                f"and the result {found.shape} and {found.dtype}",
                repair=f"out=np.empty({found.shape}, '{found.dtype}')",
            )
        out[...] = found
        return out
    if not isinstance(result, np.ndarray) or order.upper() == "K":
        return result
    columns = order.upper() == "F" or (order.upper() == "A" and all(x.flags.f_contiguous for x in arrays))
    return np.asarray(result, order="F" if columns else "C")
