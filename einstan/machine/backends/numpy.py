"""NumPy: a table of the elementwise functions, and the few helpers that generated code may call.

The helpers are copied into the generated source as text, so that it runs with ``import numpy as np`` alone.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

from einstan.machine.backends.arrays import np
from einstan.machine.backends.special import cody, digamma, elu, erf, erfc, lgamma, silu, softsign, trigamma

Array = Any
Ints = tuple[int, ...]

# Each row: the call, with {0}, {1} for arguments and {out} for ", out=t" or nothing.
UFUNCS: dict[str, str] = {
    "exp": "np.exp({0}{out})",
    "expm1": "np.expm1({0}{out})",
    "log": "np.log({0}{out})",
    "log1p": "np.log1p({0}{out})",
    "sqrt": "np.sqrt({0}{out})",
    "cbrt": "np.cbrt({0}{out})",
    "sin": "np.sin({0}{out})",
    "cos": "np.cos({0}{out})",
    "tan": "np.tan({0}{out})",
    "arctan": "np.arctan({0}{out})",
    "arcsin": "np.arcsin({0}{out})",
    "arccos": "np.arccos({0}{out})",
    "arctan2": "np.arctan2({0}, {1}{out})",
    "sinh": "np.sinh({0}{out})",
    "cosh": "np.cosh({0}{out})",
    "tanh": "np.tanh({0}{out})",
    "arcsinh": "np.arcsinh({0}{out})",
    "arccosh": "np.arccosh({0}{out})",
    "arctanh": "np.arctanh({0}{out})",
    "sigmoid": "sigmoid({0})",
    "softplus": "softplus({0})",
    "erf": "erf({0})",
    **{name: f"{name}({{0}})" for name in ("erfc", "lgamma", "digamma", "trigamma", "silu", "elu", "softsign")},
    "clip": "np.clip({0}, {1}, {2}{out})",
    "relu": "np.maximum({0}, 0{out})",
    "abs": "np.abs({0}{out})",
    "sign": "np.sign({0}{out})",
    "floor": "np.floor({0}{out})",
    "mod": "np.mod({0}, {1}{out})",
    "maximum": "np.maximum({0}, {1}{out})",
    "minimum": "np.minimum({0}, {1}{out})",
    "pow": "np.power({0}, {1}{out})",
}
# What the flattening adds to them, see `einstan.machine.graph.guarded`: parts of what may be infinite or NaN, and the
# sum that they make, in all libraries.
EXTENDED = {
    "finite_part": 'extended_part({0}, "finite")',
    "one": 'extended_part({0}, "one")',
    "is_finite": 'extended_part({0}, "is finite")',
    "sign_part": 'extended_part({0}, "sign")',
    "has_sign": 'extended_part({0}, "has sign")',
    "finite_sign": 'extended_part({0}, "finite sign")',
    "has_finite_sign": 'extended_part({0}, "has finite sign")',
    "extended": "extended_sum({0}, {1}, {2}, {3}, {4}, {5}, {6})",
}
GUARDS: dict[str, str] = {
    "select": "select({0}, {1})",
    **EXTENDED,
}
CALLS = {**UFUNCS, **GUARDS}


# ---- helpers ---------------------------------------------------------------------------------------------------------


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), without overflow and without losing digits where x is very negative."""
    z = np.exp(-np.abs(x))
    return np.maximum(z, np.greater_equal(x, 0)) / (1 + z)


def softplus(x: Array) -> Array:
    """log(1 + exp(x)), without overflow."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def sigmoid_into(x: Array, z: Array, zero: Array, one: Array, out: Array) -> None:
    """The same, written to out, which may be x; z is memory of the same shape, and the numbers are arrays."""
    np.abs(x, out=z)
    np.negative(z, out=z)
    np.exp(z, out=z)
    np.greater_equal(x, zero, out=out)
    np.maximum(z, out, out=out)
    np.add(z, one, out=z)
    np.divide(out, z, out=out)


def softplus_into(x: Array, z: Array, zero: Array, out: Array) -> None:
    """The same, written to out, which may be x; z is memory of the same shape, and zero an array."""
    np.abs(x, out=z)
    np.negative(z, out=z)
    np.exp(z, out=z)
    np.log1p(z, out=z)
    np.maximum(x, zero, out=out)
    np.add(out, z, out=out)


def select(mask: Array, x: Array) -> Array:
    """x where the mask holds and zero elsewhere, whatever x is there: bits times 1 or 0, at the price of numbers."""
    bits = {2: np.int16, 4: np.int32, 8: np.int64}.get(x.dtype.itemsize)
    if bits is None or not x.dtype.isnative:
        return np.where(mask, x, x.dtype.type(0))
    return np.multiply(x.view(bits), mask).view(x.dtype)


def has_nan(x: Array) -> bool:
    """Whether an entry is NaN: squares add up to infinity at most."""
    total = np.vdot(x, x)
    return total != total


def extended_part(x: Array, part: str) -> Array:
    """A part of a number that may be infinite or NaN: itself if finite, else 0; its sign, 0 for NaN; and so on."""
    finite = np.isfinite(x)
    if part == "finite":
        return np.where(finite, x, x.dtype.type(0))[()]
    if part == "one" or part == "is finite":
        return (finite | (part == "one")).astype(x.dtype)
    sign = np.where(np.isnan(x), x.dtype.type(0), np.sign(x))[()]
    sign = np.abs(sign) if "has" in part else sign
    return sign * finite if "finite" in part else sign


def extended_sum(x: Array, terms: Array, finite: Array, sign: Array, signed: Array, s: Array, sd: Array) -> Array:
    """A sum of terms of which x is the sum of the finite ones, from how many there are of which kind."""
    others, infinite, sign = terms - finite, signed - sd, sign - s
    one_sign = (infinite == others) & (np.abs(sign) == infinite)
    return np.where(others == 0, x, np.where(one_sign, sign * x.dtype.type(np.inf), x.dtype.type(np.nan)))[()]


def window(x: Array, start: Ints, shape: Ints, steps: tuple[Ints, ...], write: bool = False) -> Array:
    """A view: entry (i, j, ...) is x[start + i steps[0] + j steps[1] + ...], which the caller knows to be inside."""
    if 0 in shape:
        return np.zeros(shape, x.dtype)
    strides = [sum(step * stride for step, stride in zip(along, x.strides, strict=True)) for along in steps]
    return np.lib.stride_tricks.as_strided(x[tuple(slice(s, None) for s in start)], shape, strides, writeable=write)


def padded(x: Array, before: tuple[int, ...], after: tuple[int, ...], value: float) -> Array:
    """A copy of x with entries of one value around it."""
    wide = np.full([b + n + a for b, n, a in zip(before, x.shape, after, strict=True)], value, x.dtype)
    wide[tuple(slice(b, b + n) for b, n in zip(before, x.shape, strict=True))] = x
    return wide


def reach(x: Array, start: Ints, shape: Ints, steps: tuple[Ints, ...], where: str = "", fill: float = 0) -> Array:
    """Entry (i, j, ...) is x[start + i steps[0] + j steps[1] + ...]; outside of x it is a value, or an error that says
    where."""
    if 0 in shape:
        return np.zeros(shape, x.dtype)
    reaches = [[step * (n - 1) for step, n in zip(along, shape, strict=True)] for along in zip(*steps, strict=True)]
    reaches = reaches or [[]] * len(start)
    low = [s + sum(min(r, 0) for r in own) for s, own in zip(start, reaches, strict=True)]
    high = [s + sum(max(r, 0) for r in own) for s, own in zip(start, reaches, strict=True)]
    before = [max(0, -a) for a in low]
    after = [max(0, b - n + 1) for b, n in zip(high, x.shape, strict=True)]
    if any(before) or any(after):
        if where:
            raise ValueError(f"{where} reads from {tuple(low)} to {tuple(high)}, outside of {x.shape}")
        x = padded(x, tuple(before), tuple(after), fill)
    return window(x, tuple(s + b for s, b in zip(start, before, strict=True)), shape, steps)


def overlap(core: Array, shape: Ints, start: Ints, steps: tuple[Ints, ...]) -> Array:
    """out[start + i steps[0] + j steps[1] + ...] += core[i, j, ...]; what falls outside adds nothing.

    Along every axis of the result runs the longest axis of the core that moves along no other; the others shift it.
    """
    out = np.zeros(shape, core.dtype)
    runs: list[int | None] = []
    for axis in range(len(shape)):
        own = [k for k, along in enumerate(steps) if along[axis] and sum(map(bool, along)) == 1]
        runs.append(max(own, key=lambda k: core.shape[k]) if own else None)
    taps = [k for k in range(core.ndim) if k not in runs]
    core = core.transpose(taps + [k for k in runs if k is not None])
    lengths = core.shape[len(taps) :]
    for at in np.ndindex(*core.shape[: len(taps)]):
        target, source, left = [], list(at), list(lengths)
        for axis, size in enumerate(shape):
            first = start[axis] + sum(h * steps[k][axis] for h, k in zip(at, taps, strict=True))
            run = runs[axis]
            if run is None:
                low, high, step = 0, 1 if 0 <= first < size else 0, 1
            else:
                step, length = steps[run][axis], left.pop(0)
                a, b = (-first, size - 1 - first) if step > 0 else (first - size + 1, first)
                low, high = max(0, -(-a // abs(step))), min(length, b // abs(step) + 1)
                source.append(slice(low, max(low, high)))
            if low >= high:
                break
            begin, end = first + step * low, first + step * high
            target.append(begin if run is None else slice(begin, None if end < 0 else end, step))
        else:
            out[tuple(target)] += core[tuple(source)]
    return out


def fits(x: Array, name: str, shape: tuple[str | int, ...], sizes: dict[str, int], kind: str) -> None:
    """Refuses an array that this code was not made for; a letter is any size, but one size for all that have it."""
    have = np.shape(x)
    if len(have) != len(shape):
        raise ValueError(f"{name} has the shape {have}, but {len(shape)} axes are read: {shape}")
    for axis, (size, want) in enumerate(zip(have, shape, strict=True)):
        known = want if isinstance(want, int) else sizes.setdefault(want, size)
        if size != known:
            which = f"|{want}| is {known} in another array" if known is not want else f"this code was made for {known}"
            raise ValueError(
                f"{name} has {size} entries along axis {axis}, and {which}; call source(sizes=...) for others"
            )
    if isinstance(x, np.ndarray) and not (x.dtype.name == kind if kind[-1].isdigit() else x.dtype.kind in kind):
        raise ValueError(f"{name} has dtype {x.dtype}, and this code was made for {kind}")


def inside(index: Array, size: int, where: str) -> Array:
    """The positions, if none of them is outside."""
    index = np.asarray(index)  # V[0,T[n]]: a number among arrays
    if index.size and not (index.min() >= 0 and index.max() < size):
        first = index[(index < 0) | (index >= size)].flat[0]
        raise IndexError(f"{where} is {first}, but the size is {size}")
    return index


def guarded(x: Array, index: tuple[Array, ...], allowed: Array, value: float, slots: Ints, where: str) -> Array:
    """x[index], and a value where some position is outside; that is an error where the read is allowed."""
    ok = np.asarray(True)
    for at, size, slot in zip(index, x.shape, slots, strict=True):
        here = np.logical_and(at >= 0, at < size)  # of V[0,T[n]] a number too
        wrong = np.logical_and(allowed, ~here)
        if wrong.any():
            first = np.broadcast_to(at, wrong.shape)[wrong].flat[0]
            raise IndexError(f"slot {slot} of {where} is {first}, but the size is {size}")
        ok = ok & here
    if 0 in x.shape:
        return np.full(ok.shape, value, x.dtype)
    near = tuple(np.clip(at, 0, size - 1) for at, size in zip(index, x.shape, strict=True))
    return np.where(ok, x[near], x.dtype.type(value))


def positions(x: Array, where: str) -> Array:
    """Whole numbers that a slot can hold."""
    whole = np.asarray(x).astype(np.intp)
    if not np.array_equal(whole, x):
        raise IndexError(f"{where} is {np.asarray(x)[whole != x].flat[0]}, which is not a whole number")
    return whole


def embed(core: Array, shape: Ints, dtype: Any, axes: str) -> Array:
    """Zeros, with the entries on the diagonal that ``axes`` names, "ii->i"."""
    made = np.zeros(shape, dtype)
    np.einsum(axes, made)[...] = core
    return made


def scatter_add(index: Array, values: Array, size: int) -> Array:
    """out[index[n], ...] += values[n, ...]; positions outside add nothing."""
    rest = values.shape[index.ndim :]
    index, values = index.reshape(-1), values.reshape((index.size, *rest))
    if index.size and not (index.min() >= 0 and index.max() < size):
        ok = (index >= 0) & (index < size)
        index, values = index[ok], values[ok]
    width = 1
    for extent in rest:
        width *= extent
    values = values.reshape(index.size, width)
    if width <= 8:  # column by column, each an axis along which np.add.at is fastest
        columns = np.zeros((width, size), values.dtype)
        for column, entries in zip(columns, values.T, strict=True):
            np.add.at(column, index, entries)
        return np.ascontiguousarray(columns.T).reshape((size, *rest))
    # Entry by entry along one axis, or pair by pair: a complex number is two floats that are added at once.
    kind = values.dtype
    pairs = {"f4": "c8", "f8": "c16"}.get(kind.str[1:]) if width % 2 == 0 else None
    if pairs:
        values, width = np.ascontiguousarray(values).view(pairs), width // 2
    out = np.zeros(size * width, values.dtype)
    along, rows = np.arange(width), max(1, 65536 // width)
    for start in range(0, index.size, rows):
        places = index[start : start + rows, None] * width + along
        np.add.at(out, places.reshape(-1), values[start : start + rows].reshape(-1))
    return out.view(kind).reshape((size, *rest))


def block(size: int) -> Array:
    """Memory that begins at a cache line."""
    memory = np.empty(size + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + size]


def part(memory: Array, start: int, shape: tuple[int, ...], dtype: str) -> Array:
    """An array in a block of memory."""
    return np.ndarray(shape, dtype, memory, start)


def blas_gemm(kind: str) -> Any:
    """The matrix product of the OpenBLAS that NumPy has loaded, C := alpha A B + beta C; None where there is none."""
    import ctypes
    from pathlib import Path

    real = ctypes.c_float if kind == "float32" else ctypes.c_double
    number, size, pointer = ctypes.c_int, ctypes.c_int64, ctypes.c_void_p
    places = (number, number, number, size, size, size, real, pointer, size, pointer, size, real, pointer, size)
    root = Path(np.__file__).parent
    for folder in (root.parent / "numpy.libs", root / ".dylibs"):
        for library in sorted(folder.glob("libscipy_openblas64_*")):
            try:
                found = ctypes.CDLL(str(library))[f"scipy_cblas_{'s' if kind == 'float32' else 'd'}gemm64_"]
            except (OSError, AttributeError):
                continue
            found.argtypes, found.restype = places, None
            return found
    return None


def overlap_add(core: Array, taps: int, shape: Ints, start: Ints, steps: tuple[Ints, ...]) -> Array:
    """out[start + i steps[0] + j steps[1] + ...] += core[i, j, ...], of which the first axes shift the others.

    Every combination of shifts has zeros of its own, so that one strided view takes the core and one sum adds them up.
    """
    shifts = core.shape[:taps]
    rows = np.zeros((*shifts, *shape), core.dtype)
    own = tuple(tuple(int(axis == k) for axis in range(taps)) for k in range(core.ndim))
    window(rows, (0,) * taps + start, core.shape, tuple(o + s for o, s in zip(own, steps, strict=True)), True)[...] = (
        core
    )
    return np.add.reduce(rows.reshape(-1, *shape), axis=0)


def gram(rows: Array, weight: Array) -> Array:
    """rows' diag(weight) rows by the symmetric product of BLAS: half the work, and symmetric to the last bit."""
    if weight is None:
        return np.dot(rows.T, rows)
    if weight.min(initial=0) >= 0:
        scaled = rows * np.sqrt(weight)[:, None]
        return np.dot(scaled.T, scaled)
    root = np.sqrt(np.abs(weight))
    below = weight < 0
    above, under = (rows[chosen] * root[chosen, None] for chosen in (~below, below))
    return np.dot(above.T, above) - np.dot(under.T, under)


def column_pairs(count: int) -> tuple[Array, Array, Array]:
    """The first and the second of every two columns, each two once, and the number of every two."""
    first, second = np.triu_indices(count)
    numbers = np.empty((count, count), np.intp)
    numbers[first, second] = numbers[second, first] = np.arange(len(first))
    return first, second, numbers


def grams(rows: Array, weights: Array, first: Array, second: Array, numbers: Array) -> Array:
    """rows' diag(w) rows for every w in weights: half the work, and symmetric to the last bit."""
    products = np.take(rows, first, axis=1)
    np.multiply(products, np.take(rows, second, axis=1), out=products)
    return np.take(np.dot(weights, products), numbers, axis=1)


def running(ufunc: Any, x: Array, axis: int, size: int, start: float, strict: int, backwards: bool = False) -> Array:
    """ufunc of all entries along an axis up to each of so many positions, or before it; backwards: from there on."""
    x = x.swapaxes(0, axis)
    made = np.full((size, *x.shape[1:]), start, x.dtype)
    if backwards:
        tails = ufunc.accumulate(x[::-1], axis=0)[::-1][strict : strict + size]
        made[: len(tails)] = tails
    else:
        count = min(size - strict, len(x))
        if count > 0:
            ufunc.accumulate(x[:count], axis=0, out=made[strict : strict + count])
            made[strict + count :] = made[strict + count - 1]
    return made.swapaxes(0, axis)


def others(x: Array, axis: int) -> Array:
    """The product of all other entries along an axis, without a division: those before, times those behind."""
    x = x.swapaxes(0, axis)
    made = np.empty(x.shape, x.dtype)
    made[:1] = 1
    np.multiply.accumulate(x[:-1], axis=0, out=made[1:])
    made[:-1] *= np.multiply.accumulate(x[:0:-1], axis=0)[::-1]
    return made.swapaxes(0, axis)


HELPERS: dict[str, Callable[..., Any]] = {
    f.__name__: f
    for f in (
        *(sigmoid, softplus, sigmoid_into, softplus_into, column_pairs, grams),
        *(silu, elu, softsign, cody, erf, erfc, lgamma, digamma, trigamma),
        *(select, has_nan, extended_part, extended_sum),
        *(window, padded, reach, overlap, fits, inside, guarded, positions, embed, scatter_add, overlap_add, gram),
        *(block, part, blas_gemm, running, others),
    )
}


OWN: dict[str, str] = {}  # the text of functions of a user's own, which are helpers too


def helper_source(name: str) -> str:
    """The text of a helper, without annotations, for generated code."""
    if name in OWN:
        return OWN[name]
    first = HELPERS[name].__code__.co_firstlineno
    lines = _lines(HELPERS[name].__module__)[first:]
    lines = lines[: next((k for k, line in enumerate(lines) if line and line[0] != " "), len(lines))]
    while not lines[-1]:
        lines.pop()
    held = inspect.signature(HELPERS[name]).parameters.values()
    parameters = ", ".join(p.name if p.default is p.empty else f"{p.name}={p.default!r}" for p in held)
    return "\n".join([f"def {name}({parameters}):", *lines])


@cache
def _lines(module: str) -> list[str]:
    """The lines of a module: finding a function in them is cheaper than `inspect.getsource`, which reads tokens."""
    return inspect.getsource(sys.modules[module]).splitlines()
