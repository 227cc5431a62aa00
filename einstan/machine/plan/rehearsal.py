"""What a call of generated code allocates, found by running it on arrays without entries.

A `Ghost` has the shape, dtype and strides of an array and the memory that it would hold, but no entries: its view is a
NumPy array over one element, which nothing reads.  Operations that look at an array in another way are NumPy's own, on
that view; whatever makes a new array goes through `Ledger.allocate`, the one place that says what takes memory.  Python
itself counts who still holds what, so lifetimes are exactly those of the call.
"""

from __future__ import annotations

import builtins
import itertools
import math
import sys
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from einstan.machine.plan.plan import Plan
    from einstan.machine.targets.source import Source

BUFFERED = 8192  # entries of the buffers in which NumPy's loops cast their operands
ELIDED = 256 * 1024  # bytes from which NumPy writes a temporary operand of an operator over
_IMPORT = builtins.__import__


class Ledger:
    """Bytes that are held now, and the most that were."""

    def __init__(self) -> None:
        self.held = self.peak = 0

    def allocate(self, shape: Sequence[int], dtype: Any, order: Sequence[int] | None = None) -> Ghost:
        """A new array; ``order`` has the axes from the slowest to the fastest."""
        dtype = np.dtype(dtype)
        return Ghost(contiguous(shape, dtype, order), Block(self, math.prod(shape) * dtype.itemsize), self)


class Block:
    """Memory of an array; it is given back when nothing refers to it."""

    __slots__ = ("ledger", "size")

    def __init__(self, ledger: Ledger, size: int) -> None:
        self.ledger, self.size = ledger, size
        ledger.held += size
        ledger.peak = max(ledger.peak, ledger.held)

    def __del__(self) -> None:
        self.ledger.held -= self.size


def seen(shape: Sequence[int], dtype: Any, strides: Sequence[int]) -> np.ndarray:
    """An array that must not be read."""
    return np.lib.stride_tricks.as_strided(np.zeros(1, dtype), tuple(shape), tuple(strides), writeable=True)


def contiguous(shape: Sequence[int], dtype: np.dtype[Any], order: Sequence[int] | None = None) -> np.ndarray:
    """The same, of entries side by side; ``order`` has the axes from the slowest to the fastest."""
    strides, step = [0] * len(shape), dtype.itemsize
    for axis in reversed(range(len(shape)) if order is None else order):
        strides[axis] = step
        step *= max(shape[axis], 1)
    return seen(shape, dtype, strides)


def _reread(shown: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    """Contiguous entries as those of another type."""
    return contiguous((*shown.shape[:-1], shown.shape[-1] * shown.itemsize // dtype.itemsize), dtype)


class Within:
    """The smallest or the largest entry, of positions that are inside and of weights that are not negative."""

    def __init__(self, smallest: bool) -> None:
        self.smallest = smallest

    def __ge__(self, other: Any) -> bool:
        return self.smallest

    def __lt__(self, other: Any) -> bool:
        return not self.smallest


class Ghost:
    """An array without entries."""

    __array_priority__ = 1000
    __slots__ = ("block", "ledger", "shown")

    def __init__(self, shown: np.ndarray, block: Block | None, ledger: Ledger) -> None:
        self.shown, self.block, self.ledger = shown, block, ledger

    def look(self, view: Any) -> Ghost:
        return Ghost(view, self.block, self.ledger)

    shape = property(lambda self: self.shown.shape)
    ndim = property(lambda self: self.shown.ndim)
    size = property(lambda self: self.shown.size)
    dtype = property(lambda self: self.shown.dtype)
    strides = property(lambda self: self.shown.strides)
    itemsize = property(lambda self: self.shown.itemsize)
    flags = property(lambda self: self.shown.flags)
    T = property(lambda self: self.look(self.shown.T))
    base = property(lambda self: self)
    ctypes = SimpleNamespace(data=0)

    def __len__(self) -> int:
        return len(self.shown)

    def view(self, dtype: Any) -> Ghost:
        same = self.ndim == 0 or np.dtype(dtype).itemsize == self.itemsize
        return self.look(self.shown.view(dtype) if same else _reread(self.shown, np.dtype(dtype)))

    def transpose(self, *axes: Any) -> Ghost:
        return self.look(self.shown.transpose(*axes))

    def swapaxes(self, one: int, other: int) -> Ghost:
        return self.look(self.shown.swapaxes(one, other))

    def diagonal(self, *axes: int) -> Ghost:
        return self.look(self.shown.diagonal(*axes))

    def reshape(self, *shape: Any) -> Ghost:
        shape = tuple(shape[0]) if len(shape) == 1 and not isinstance(shape[0], int) else shape
        if -1 in shape:
            rest = math.prod(n for n in shape if n != -1)
            shape = tuple(self.size // max(rest, 1) if n == -1 else n for n in shape)
        strides = strides_of(self.shown, shape)
        if strides is None:
            return self.ledger.allocate(shape, self.dtype)
        return self.look(seen(shape, self.dtype, strides))

    def ravel(self) -> Ghost:
        return self.reshape(self.size)

    def astype(self, dtype: Any, copy: bool = True, **_: Any) -> Ghost:
        return self if not copy and np.dtype(dtype) == self.dtype else self.ledger.allocate(self.shape, dtype)

    def copy(self, order: str = "C") -> Ghost:
        return self.ledger.allocate(self.shape, self.dtype)

    def __getitem__(self, key: Any) -> Ghost:
        parts = key if isinstance(key, tuple) else (key,)
        arrays = [part for part in parts if isinstance(part, Ghost)]
        if not arrays:
            whole = () if any(part is ... for part in parts) else (...,)  # so that no entry is read
            return self.look(self.shown[(*parts, *whole)])
        if len(arrays) == 1 and arrays[0].dtype == bool:
            return self.ledger.allocate(self.shape, self.dtype)  # at most everything
        near = np.broadcast_shapes(*(part.shape for part in arrays))
        if len(parts) == len(arrays) + sum(isinstance(p, int) for p in parts):
            return self.ledger.allocate((*near, *self.shape[len(parts) :]), self.dtype)
        raise NotImplementedError("an index that mixes arrays and slices")

    def __setitem__(self, key: Any, value: Any) -> None:
        """What is written needs no memory."""

    def fill(self, value: Any) -> None:
        """Neither does this."""

    def __bool__(self) -> bool:
        return False  # nothing is found that is looked for

    def min(self, *_: Any, **__: Any) -> Within:
        return Within(True)

    def max(self, *_: Any, **__: Any) -> Within:
        return Within(False)

    def all(self) -> bool:
        return True

    def any(self) -> bool:
        return False

    def sum(self, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Ghost:
        return reduced(self, axis, dtype, out, keepdims)

    def dot(self, other: Any, out: Any = None) -> Ghost:
        return dot(self, other, out)

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError("a ghost has no entries")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        out = options.get("out", (None,))[0]
        if method == "__call__":
            if ufunc is np.matmul:
                left, right = inputs
                return matmul(left, right, out)
            if ufunc.signature is not None:
                return rowwise(ufunc, inputs, out)
            return elementwise(ufunc, inputs, out, options.get("dtype"))
        if method == "reduce":
            keep = options.get("keepdims", False)
            return reduced(inputs[0], options.get("axis", 0), options.get("dtype"), out, keep, ufunc)
        if method == "at":
            return None
        if method == "accumulate":
            return out if out is not None else like(inputs[0])
        raise NotImplementedError(f"{ufunc.__name__}.{method}")

    def __array_function__(self, function: Any, types: Any, arguments: Any, options: Any) -> Any:
        found = FUNCTIONS.get(function.__name__)
        if found is None:
            raise NotImplementedError(function.__name__)
        return found(*arguments, **options)


def _operator(ufunc: Any, swap: bool = False, unary: bool = False) -> Callable[..., Any]:
    if unary:
        return lambda self: elementwise(ufunc, (self,), self if _temporary(self, self.dtype) else None)

    def operate(self: Ghost, other: Any) -> Any:
        into = next((g for g in (self, other) if isinstance(g, Ghost) and _temporary(g, g.dtype)), None)
        inputs = (other, self) if swap else (self, other)
        if into is not None:
            shape = np.broadcast_shapes(*(np.shape(x.shown if isinstance(x, Ghost) else x) for x in inputs))
            into = into if into.shape == shape and result_type(ufunc, inputs) == into.dtype else None
        return elementwise(ufunc, inputs, into)

    return operate


def _temporary(ghost: Ghost, dtype: Any) -> bool:
    """Whether an operator may write over an operand: nothing but the running expression refers to it."""
    owned = ghost.block is not None and sys.getrefcount(ghost.block) <= 2 + 0
    return owned and ghost.size * ghost.itemsize >= ELIDED and sys.getrefcount(ghost) <= TEMPORARY


TEMPORARY = 0  # references to a temporary operand, as counted in `_temporary`; found by trial below

for _name, _ufunc in {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.divide, "pow": np.power,
    "floordiv": np.floor_divide, "mod": np.remainder, "and": np.bitwise_and, "or": np.bitwise_or,
}.items():  # fmt: skip
    setattr(Ghost, f"__{_name}__", _operator(_ufunc))
    setattr(Ghost, f"__r{_name}__", _operator(_ufunc, swap=True))
    setattr(Ghost, f"__i{_name}__", lambda self, other, _ufunc=_ufunc: elementwise(_ufunc, (self, other), self))
for _name, _single in {"neg": np.negative, "abs": np.absolute, "invert": np.invert}.items():
    setattr(Ghost, f"__{_name}__", _operator(_single, unary=True))
for _name, _ufunc in {
    "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal, "eq": np.equal, "ne": np.not_equal,
}.items():  # fmt: skip
    setattr(Ghost, f"__{_name}__", _operator(_ufunc))


# ---- what makes arrays -----------------------------------------------------------------------------------------------


def result_type(ufunc: Any, inputs: Sequence[Any]) -> Any:
    return ufunc.resolve_dtypes((*kinds_of(inputs), *(None,) * ufunc.nout))[-1]


def kinds_of(inputs: Sequence[Any]) -> list[Any]:
    """The dtypes of operands, where a Python number is a type."""
    kinds = [x.dtype if isinstance(x, Ghost | np.ndarray | np.generic) else type(x) for x in inputs]
    return [int if kind is bool else kind for kind in kinds]


def elementwise(ufunc: Any, inputs: Sequence[Any], out: Any = None, dtype: Any = None) -> Any:
    ghosts = list({id(x): x for x in (*inputs, out) if isinstance(x, Ghost)}.values())
    given = inputs if out is None else (*inputs, out)  # operands are stretched to what is written to
    shape = np.broadcast_shapes(*(x.shape if isinstance(x, Ghost) else np.shape(x) for x in given))
    kind = dtype or result_type(ufunc, inputs)
    ledger, order = ghosts[0].ledger, axis_order(ghosts, shape)
    made = out if out is not None else ledger.allocate(shape, kind, order)
    read = ufunc.resolve_dtypes((*(kinds_of(inputs)), *(None,) * ufunc.nout))[0]
    held = [
        ledger.allocate((min(math.prod(shape), BUFFERED),), max(read, x.dtype, key=lambda d: d.itemsize))
        for x in ghosts
        if x.ndim and (not evenly(np.broadcast_to(x.shown, shape), order) or (x.dtype != read and x is not out))
    ]
    del held  # NumPy's buffers, for operands that it must cast or that have no single stride
    return made


def evenly(view: np.ndarray, order: Sequence[int]) -> bool:
    """Whether the entries, taken in an order of the axes, lie at equal distances."""
    axes = [k for k in order if view.shape[k] != 1]
    return all(view.strides[a] == view.shape[b] * view.strides[b] for a, b in itertools.pairwise(axes))


def axis_order(ghosts: Sequence[Ghost], shape: tuple[int, ...]) -> list[int]:
    """The axes of an elementwise result from the slowest to the fastest: NumPy sorts them by the strides of the
    operands, and keeps their order where the operands say nothing or contradict each other."""
    strides = [np.broadcast_to(ghost.shown, shape).strides for ghost in ghosts]
    order = list(reversed(range(len(shape))))  # the fastest first
    for number in range(1, len(order)):
        place = number
        for other in reversed(range(number)):
            decided = swap = False
            for own in strides:
                outer, inner = abs(own[order[number]]), abs(own[order[other]])
                if outer and inner:
                    if inner <= outer:
                        swap = False
                    elif not decided:
                        swap = True
                    decided = True
            if decided and not swap:
                break
            if decided:
                place = other
        order.insert(place, order.pop(number))
    return order[::-1]


def reduced(x: Ghost, axis: Any, dtype: Any, out: Any, keepdims: bool = False, ufunc: Any = np.add) -> Ghost:
    if out is not None:
        return out
    axes = (
        range(x.ndim) if axis is None else [a % max(x.ndim, 1) for a in (axis if isinstance(axis, tuple) else (axis,))]
    )
    shape = [1 if k in axes else n for k, n in enumerate(x.shape) if keepdims or k not in axes]
    kind = dtype or (np.intp if ufunc is np.add and x.dtype == bool else x.dtype)
    return x.ledger.allocate(shape, kind)


def dot(a: Any, b: Any, out: Any = None) -> Any:
    """A product of at most two axes each; BLAS reads rows or columns that lie densely, so others are copied first."""
    kind = np.result_type(a.dtype, b.dtype)
    held = [x.ledger.allocate(x.shape, kind) for x in (a, b) if x.ndim and (x.dtype != kind or _copied(x))]
    shape = (*a.shape[:-1], *b.shape[:-2], *b.shape[-1:]) if b.ndim > 1 else a.shape[:-1]
    if not a.ndim or not b.ndim:
        shape = a.shape or b.shape
    made = out if out is not None else a.ledger.allocate(shape, kind)
    del held
    return made


def _copied(x: Ghost) -> bool:
    if any(stride < 0 or (stride == 0 and n > 1) for stride, n in zip(x.strides, x.shape, strict=True)):
        return True
    return x.ndim == 2 and not (x.flags.c_contiguous or x.flags.f_contiguous)


def matmul(a: Any, b: Any, out: Any = None) -> Any:
    if out is not None:
        return out
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    shape = (*batch, *(a.shape[-2:-1] if a.ndim > 1 else ()), *(b.shape[-1:] if b.ndim > 1 else ()))
    kind = np.result_type(a.dtype, b.dtype)
    held = [x.ledger.allocate(x.shape, kind) for x in (a, b) if x.dtype != kind]
    made = a.ledger.allocate(shape, kind)
    del held
    return made


def rowwise(ufunc: Any, inputs: Sequence[Ghost], out: Any = None) -> Any:
    """A function of whole rows, `np.vecdot`: their axis is used up."""
    if ufunc is not np.vecdot:
        raise NotImplementedError(ufunc.__name__)
    shape = np.broadcast_shapes(*(x.shape for x in inputs))[:-1]
    return out if out is not None else inputs[0].ledger.allocate(shape, np.result_type(*(x.dtype for x in inputs)))


def einsum(spec: str, *operands: Any, out: Any = None, **_: Any) -> Any:
    inputs, _arrow, result = spec.partition("->")
    if len(operands) == 1 and set(result) == set(inputs):
        return operands[0].look(np.einsum(spec, operands[0].shown))  # a view: nothing is read
    if out is not None:
        return out
    size = {
        x: n for own, op in zip(inputs.split(","), operands, strict=True) for x, n in zip(own, op.shape, strict=True)
    }
    kind = np.result_type(*(op.dtype for op in operands))
    return operands[0].ledger.allocate([size[x] for x in result], kind)


def take(x: Ghost, index: Ghost, axis: int | None = None, out: Any = None, **_: Any) -> Any:
    axis = (axis or 0) % x.ndim
    return out if out is not None else x.ledger.allocate((*x.shape[:axis], *index.shape, *x.shape[axis + 1 :]), x.dtype)


def where(condition: Any, one: Any, other: Any) -> Any:
    ghost = next(g for g in (condition, one, other) if isinstance(g, Ghost))
    shape = np.broadcast_shapes(*(x.shape if hasattr(x, "shape") else () for x in (condition, one, other)))
    return ghost.ledger.allocate(shape, np.result_type(*(getattr(x, "dtype", x) for x in (one, other))))


def like(x: Ghost, *_: Any, dtype: Any = None, **__: Any) -> Ghost:
    return x.ledger.allocate(x.shape, dtype or x.dtype)


def concatenate(parts: Sequence[Ghost], axis: int = 0, out: Any = None, **_: Any) -> Any:
    shape = list(parts[0].shape)
    shape[axis] = sum(part.shape[axis] for part in parts)
    return out if out is not None else parts[0].ledger.allocate(shape, parts[0].dtype)


def broadcast_to(x: Any, shape: Any, **_: Any) -> Ghost:
    return x.look(np.broadcast_to(x.shown, shape))


def as_strided(x: Ghost, shape: Any = None, strides: Any = None, **_: Any) -> Ghost:
    return x.look(seen(x.shape if shape is None else shape, x.dtype, x.strides if strides is None else strides))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "dot": dot, "vdot": lambda a, b: a.ledger.allocate((), a.dtype), "einsum": einsum, "take": take, "where": where,
    "broadcast_to": broadcast_to, "as_strided": as_strided, "concatenate": concatenate,
    "zeros_like": like, "empty_like": like, "ones_like": like, "full_like": like, "clip": like, "copy": like,
    "any": lambda x, **_: False, "all": lambda x, **_: True, "array_equal": lambda a, b, **_: True,
    "transpose": lambda x, axes=None: x.transpose(*(() if axes is None else (axes,))), "copyto": lambda *_, **__: None,
    "reshape": lambda x, shape, **_: x.reshape(shape),
    "sum": lambda x, axis=None, **k: reduced(x, axis, None, None, **k),
    "swapaxes": lambda x, i, j: x.swapaxes(i, j),
    "ascontiguousarray": lambda x, **_: x if x.flags.c_contiguous else like(x),
    "outer": lambda a, b, out=None: out if out is not None else a.ledger.allocate((a.size, b.size), a.dtype),
    "tensordot": lambda a, b, axes: a.ledger.allocate(
        (*a.shape[: a.ndim - axes], *b.shape[axes:]), np.result_type(a.dtype, b.dtype)),
}  # fmt: skip


class Numpy:
    """What generated code knows as ``np``: what makes arrays from nothing makes ghosts, all else is NumPy's."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.lib = SimpleNamespace(stride_tricks=SimpleNamespace(as_strided=as_strided))

    def __getattr__(self, name: str) -> Any:
        ours = FUNCTIONS.get(name)
        if ours is None:
            return getattr(np, name)  # a ufunc finds the ghosts by itself

        def either(*arguments: Any, **options: Any) -> Any:
            held = any(
                isinstance(x, Ghost) for part in arguments for x in (part if isinstance(part, list) else (part,))
            )
            return (ours if held else getattr(np, name))(*arguments, **options)

        return either

    def zeros(self, shape: Any, dtype: Any = float, **_: Any) -> Ghost:
        return self.ledger.allocate((shape,) if isinstance(shape, int) else tuple(shape), dtype)

    empty = ones = zeros

    def ndarray(self, shape: Any, dtype: Any, memory: Ghost, start: int = 0) -> Ghost:
        return memory.look(np.zeros((), dtype) if shape == () else contiguous(tuple(shape), np.dtype(dtype)))

    def full(self, shape: Any, value: Any, dtype: Any = None, **_: Any) -> Ghost:
        return self.zeros(shape, dtype or np.result_type(type(value)))

    def arange(self, *limits: int, dtype: Any = np.intp, **_: Any) -> Ghost:
        return self.ledger.allocate((len(range(*limits)),), dtype)

    def asarray(self, x: Any, dtype: Any = None, **_: Any) -> Any:
        return x if isinstance(x, Ghost) else np.asarray(x, dtype)


# ---- running ---------------------------------------------------------------------------------------------------------


def peak_bytes(source: Source, made: Plan) -> int:
    """The bytes that the code holds at the peak of a call: what stands above the function and what is laid out
    beforehand, and what the call makes, its results included; the arrays that it is given not."""
    ledger = Ledger()
    modules = {"numpy": Numpy(ledger), "numba": SimpleNamespace(njit=lambda **_: _Kernels(source.text))}

    def imported(name: str, *arguments: Any, **options: Any) -> Any:
        if name.partition(".")[0] in ("torch", "jax"):
            raise NotImplementedError(f"what {name} holds is its own")
        return modules.get(name) or _IMPORT(name, *arguments, **options)

    arguments = []
    for name in source.arguments:
        ghost = ledger.allocate(made.extents.shape(name), made.precisions[name])
        ghost.block = None
        arguments.append(ghost)
    ledger.peak = ledger.held
    space: dict[str, Any] = {"__builtins__": {**vars(builtins), "__import__": imported}}
    space["careful"] = SimpleNamespace(due=0)  # nothing is NaN here
    exec(compile(source.text, "<rehearsal>", "exec"), space)
    results = space[source.function](*arguments)
    peak = ledger.peak
    del results
    return peak


class _Kernels:
    """What decorates compiled loops: they make no arrays, and return as many numbers as their last line says."""

    def __init__(self, text: str) -> None:
        self.lines = text.splitlines()

    def __call__(self, kernel: Any) -> Callable[..., Any]:
        body = itertools.takewhile(lambda line: line[:1] in ("", " "), self.lines[kernel.__code__.co_firstlineno + 1 :])
        last = next((line for line in body if line.startswith("    return ")), "")
        numbers = (0.0,) * sum(bool(name.strip("() ")) for name in last.removeprefix("    return").split(","))
        return lambda *_: numbers if "," in last else 0.0


def strides_of(view: np.ndarray, shape: Sequence[int]) -> tuple[int, ...] | None:
    """The strides of a reshaped view, None where NumPy would have to copy."""
    if view.size == 0 or view.size == 1:
        return (view.itemsize,) * len(shape)
    old = [(n, s) for n, s in zip(view.shape, view.strides, strict=True) if n != 1]
    strides: list[int] = []
    at, rest = 0, [n for n in shape if n != 1]
    done = 0
    while done < len(rest):
        new, have, start, first = rest[done], old[at][0], at, done
        while new != have:
            if new < have:
                done += 1
                new *= rest[done]
            else:
                at += 1
                have *= old[at][0]
        for k in range(start, at):
            if old[k][1] != old[k + 1][0] * old[k + 1][1]:
                return None
        step, own = old[at][1], []
        for k in range(done, first - 1, -1):
            own.append(step)
            step *= rest[k]
        strides += own[::-1]
        at, done = at + 1, done + 1
    left = iter(strides)
    return tuple(view.itemsize if n == 1 else next(left) for n in shape)


def _calibrate() -> int:
    """How many references a temporary operand of an operator has where they are counted; 0 where it cannot be told."""
    counts: list[int] = []

    class Probe:
        def __add__(self, other: Any) -> int:
            return counted(self)

    def counted(probe: Any) -> int:
        return sys.getrefcount(probe)

    kept = Probe()
    counts = [Probe() + 1, kept + 1]
    return counts[0] if counts[0] < counts[1] else 0


TEMPORARY = _calibrate()
