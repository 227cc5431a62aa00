"""What JAX's arrays lack, as functions that generated code holds as text: windows, gathers, scatters, scans.

Under ``jit`` no value can be looked at: what is read outside of its array is NaN.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Array = Any
Ints = tuple[int, ...]


def digamma(x: Array) -> Array:
    """The derivative of log Γ, minus infinity at zero."""
    return jnp.where(x == 0, -jnp.inf, jax.scipy.special.digamma(x))


def trigamma(x: Array) -> Array:
    """The derivative of digamma, by Hurwitz's zeta function; below 1/2 by ψ'(1-x) + ψ'(x) = (π / sin(πx))²."""
    low = jnp.isfinite(x) & (x < 0.5)
    made = jax.scipy.special.zeta(jnp.full_like(x, 2), jnp.where(low, 1 - x, x))
    turn = jnp.where(low, x, 0.5)
    sine = jnp.sin(jnp.pi * (turn - jnp.round(turn)))
    return jnp.where(low, (jnp.pi / sine) ** 2 - made, jnp.where(x < 0, jnp.nan, made))


def log_of_mask(mask: Array, like: Array) -> Array:
    """0 where the mask holds, minus infinity elsewhere."""
    return jnp.where(mask, jnp.zeros_like(like), jnp.full_like(like, -jnp.inf))


def extended_part(x: Array, part: str) -> Array:
    """A part of a number that may be infinite or NaN: itself if finite, else 0; its sign, 0 for NaN; and so on."""
    finite = jnp.isfinite(x)
    if part == "finite":
        return jnp.where(finite, x, jnp.zeros_like(x))
    if part == "one" or part == "is finite":
        return (finite | (part == "one")).astype(x.dtype)
    sign = jnp.where(jnp.isnan(x), jnp.zeros_like(x), jnp.sign(x))
    sign = jnp.abs(sign) if "has" in part else sign
    return sign * finite if "finite" in part else sign


def extended_sum(x: Array, terms: Array, finite: Array, sign: Array, signed: Array, s: Array, sd: Array) -> Array:
    """A sum of terms of which x is the sum of the finite ones, from how many there are of which kind."""
    others, infinite, sign = terms - finite, signed - sd, sign - s
    one_sign = (infinite == others) & (jnp.abs(sign) == infinite)
    unbounded = jnp.where(sign < 0, -jnp.inf, jnp.inf)
    return jnp.where(others == 0, x, jnp.where(one_sign, unbounded, jnp.nan).astype(x.dtype))


def grams(x: Array, weights: Array) -> Array:
    """Entry (b, k, l) is the sum over r of weights[b, r] x[r, k] x[r, l]; every two columns are multiplied once."""
    count = x.shape[1]
    first, second = np.triu_indices(count)
    numbers = np.zeros((count, count), int)
    numbers[first, second] = numbers[second, first] = np.arange(len(first))
    products = x.T[first] * x.T[second]
    return jnp.moveaxis(jnp.dot(products, weights.T)[numbers], 2, 0)  # whole rows are taken, and turned once


def largest(x: Array, axes: Ints) -> Array:
    """The largest entry, and no less than the smallest finite number."""
    return jnp.max(x, axis=axes, initial=jnp.finfo(x.dtype).min)


def product(x: Array, axes: Ints) -> Array:
    """The product along axes."""
    return jnp.prod(x, axis=axes)


def places(start: Ints, shape: Ints, steps: tuple[Ints, ...]) -> tuple[Array, ...]:
    """For each axis that is read, the positions start + i steps[0] + j steps[1] + ... of all entries (i, j, ...)."""
    found = []
    for axis, first in enumerate(start):
        at = jnp.full((1,) * len(shape), first)
        for k, (size, along) in enumerate(zip(shape, steps, strict=True)):
            if along[axis]:
                run = jnp.arange(size) * along[axis]
                at = at + run.reshape((1,) * k + (size,) + (1,) * (len(shape) - k - 1))
        found.append(jnp.broadcast_to(at, shape))
    return tuple(found)


def window(x: Array, start: Ints, shape: Ints, steps: tuple[Ints, ...]) -> Array:
    """Entry (i, j, ...) is x[start + i steps[0] + j steps[1] + ...], which is inside."""
    return x[places(start, shape, steps)]


def padded(x: Array, before: Ints, after: Ints, value: float) -> Array:
    """x with entries of one value around it."""
    return jnp.pad(x, tuple(zip(before, after, strict=True)), constant_values=value)


def overlap(core: Array, shape: Ints, start: Ints, steps: tuple[Ints, ...]) -> Array:
    """out[start + i steps[0] + j steps[1] + ...] += core[i, j, ...]; what falls outside adds nothing."""
    index = places(start, core.shape, steps)
    return jnp.zeros(shape, core.dtype).at[outside_last(index, shape)].add(core, mode="drop")


def outside_last(index: tuple[Array, ...], shape: Ints) -> tuple[Array, ...]:
    """The positions; one that is outside is just beyond the end: JAX counts a negative one from there, and of a large
    one it keeps 32 bits."""
    return tuple(jnp.where((at < 0) | (at >= size), size, at) for at, size in zip(index, shape, strict=False))


def taken(x: Array, index: tuple[Array, ...]) -> Array:
    """x[index], NaN where a position is outside."""
    return x.at[outside_last(index, x.shape)].get(mode="fill", fill_value=jnp.nan if x.dtype.kind == "f" else 0)


def along(x: Array, index: Array, axis: int) -> Array:
    """x[..., index, ...] along an axis, NaN where a position is outside."""
    return jnp.moveaxis(taken(jnp.moveaxis(x, axis, 0), (index,)), range(index.ndim), range(axis, axis + index.ndim))


def guarded(x: Array, index: tuple[Array, ...], allowed: Array, value: float, slots: Ints, where: str) -> Array:
    """x[index], and a value where some position is outside; NaN where the read is allowed."""
    ok = jnp.asarray(True)
    for at, size in zip(index, x.shape, strict=True):
        ok = ok & (jnp.asarray(at) >= 0) & (jnp.asarray(at) < size)
    fill = jnp.where(allowed, jnp.nan, value).astype(x.dtype)
    if 0 in x.shape:
        return jnp.broadcast_to(fill, ok.shape)
    near = tuple(jnp.clip(jnp.asarray(at), 0, size - 1) for at, size in zip(index, x.shape, strict=True))
    return jnp.where(ok, x[near], fill)


def positions(x: Array, where: str) -> Array:
    """Whole numbers that a slot can hold."""
    return x.astype(int)


def scatter_add(index: Array, values: Array, size: int) -> Array:
    """out[index[n], ...] += values[n, ...]; positions outside add nothing."""
    rest = values.shape[index.ndim :]
    index = jnp.where((index < 0) | (index >= size), size, index).reshape(-1)
    return jnp.zeros((size, *rest), values.dtype).at[index].add(values.reshape(len(index), *rest), mode="drop")


def embed(core: Array, shape: Ints, axes: str) -> Array:
    """Zeros, with the entries on the diagonal that ``axes`` names, "ii->i"."""
    names, kept = axes.split("->")
    core = jnp.broadcast_to(core, [shape[names.index(letter)] for letter in kept])
    runs = {
        letter: jnp.arange(n).reshape((1,) * k + (n,) + (1,) * (core.ndim - k - 1))
        for k, (letter, n) in enumerate(zip(kept, core.shape, strict=True))
    }
    return jnp.zeros(shape, core.dtype).at[tuple(runs[letter] for letter in names)].set(core)


def running(kind: str, x: Array, axis: int, size: int, start: float, strict: bool, backwards: bool = False) -> Array:
    """All entries along an axis up to each of so many positions, or before it; backwards: from there on."""
    scan = {
        "add": jnp.cumsum,
        "multiply": jnp.cumprod,
        "maximum": jax.lax.cummax,
        "minimum": jax.lax.cummin,
        "logaddexp": jax.lax.cumlogsumexp,
    }[kind]
    count = x.shape[axis]
    shape = [1 if k == axis else n for k, n in enumerate(x.shape)]
    edge, at = jnp.full(shape, start, x.dtype), jnp.arange(size)
    if backwards:
        sums = jnp.concatenate([jnp.flip(scan(jnp.flip(x, axis), axis), axis), edge], axis=axis)
        return jnp.take(sums, jnp.minimum(at + int(strict), count), axis=axis)
    sums = jnp.concatenate([edge, scan(x, axis)], axis=axis)
    return jnp.take(sums, jnp.minimum(at + int(not strict), count), axis=axis)


def own_part(x: Array, axes: Any, axis: int, count: int) -> Array:
    """Of equal parts along an axis the one of this device, by its place along axes of the mesh."""
    size = x.shape[axis] // count
    return jax.lax.dynamic_slice_in_dim(x, jax.lax.axis_index(axes) * size, size, axis)


def taken_part(x: Array, index: tuple[Array, ...], axes: Any, axis: int, count: int) -> Array:
    """x[index] where it lies in the part of an axis that this device has, else zero; NaN where a position is outside of
    all of them."""
    size, at = x.shape[axis], jnp.asarray(index[axis])
    own = at - jax.lax.axis_index(axes) * size
    near = (*index[:axis], jnp.clip(own, 0, size - 1), *index[axis + 1 :])
    missing = jnp.where((at < 0) | (at >= size * count), jnp.nan if x.dtype.kind == "f" else 0, 0).astype(x.dtype)
    return jnp.where((own >= 0) & (own < size), taken(x, near), missing)


def scatter_part(index: Array, values: Array, size: int, axes: Any) -> Array:
    """The part of a scatter that this device has, of so many entries."""
    return scatter_add(index - jax.lax.axis_index(axes) * size, values, size)
