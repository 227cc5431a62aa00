"""What PyTorch lacks, as functions that generated code holds as text: windows, gathers, scatters, scans."""

from __future__ import annotations

from typing import Any

import torch

Tensor = Any
Ints = tuple[int, ...]


def cbrt(x: Tensor) -> Tensor:
    """The cube root, with one step of Newton's method for the last digits."""
    y = torch.sign(x) * torch.abs(x) ** (1 / 3)
    return torch.where((y == 0) | torch.isinf(x), y, y - (y * y * y - x) / (3 * y * y + (y == 0)))


def sign(x: Tensor) -> Tensor:
    """-1, 0 or 1, and NaN of NaN."""
    return torch.where(torch.isnan(x), x, torch.sign(x))


def trigamma(x: Tensor) -> Tensor:
    """The derivative of digamma, by Hurwitz's zeta function; below 1/2 by ψ'(1-x) + ψ'(x) = (π / sin(πx))²."""
    low = torch.isfinite(x) & (x < 0.5)
    made = torch.special.zeta(torch.full_like(x, 2), torch.where(low, 1 - x, x))
    turn = torch.where(low, x, torch.full_like(x, 0.5))
    sine = torch.sin(torch.pi * (turn - torch.round(turn)))
    return torch.where(low, (torch.pi / sine) ** 2 - made, torch.where(x < 0, float("nan"), made))


def log_of_mask(mask: Tensor, like: Tensor) -> Tensor:
    """0 where the mask holds, minus infinity elsewhere."""
    return torch.where(mask, torch.zeros_like(like), torch.full_like(like, -float("inf")))


def extended_part(x: Tensor, part: str) -> Tensor:
    """A part of a number that may be infinite or NaN: itself if finite, else 0; its sign, 0 for NaN; and so on."""
    finite = torch.isfinite(x)
    if part == "finite":
        return torch.where(finite, x, torch.zeros_like(x))
    if part == "one" or part == "is finite":
        return (finite | (part == "one")).to(x.dtype)
    sign = torch.nan_to_num(torch.sign(x), nan=0.0)
    sign = torch.abs(sign) if "has" in part else sign
    return sign * finite if "finite" in part else sign


def extended_sum(
    x: Tensor, terms: Tensor, finite: Tensor, sign: Tensor, signed: Tensor, s: Tensor, sd: Tensor
) -> Tensor:
    """A sum of terms of which x is the sum of the finite ones, from how many there are of which kind."""
    others, infinite, sign = terms - finite, signed - sd, sign - s
    one_sign = (infinite == others) & (torch.abs(sign) == infinite)
    unbounded = torch.where(sign < 0, -float("inf"), float("inf"))
    return torch.where(others == 0, x, torch.where(one_sign, unbounded, float("nan")).to(x.dtype))


def largest(x: Tensor, axes: Ints) -> Tensor:
    """The largest entry, and no less than the smallest finite number."""
    lowest = torch.finfo(x.dtype).min
    if any(x.shape[axis] == 0 for axis in axes):
        return torch.full([n for k, n in enumerate(x.shape) if k not in axes], lowest, dtype=x.dtype, device=x.device)
    return torch.clamp(torch.amax(x, dim=axes), min=lowest)


def product(x: Tensor, axes: Ints) -> Tensor:
    """The product along axes."""
    for axis in sorted(axes, reverse=True):
        x = torch.prod(x, dim=axis)
    return x


def grams(x: Tensor, weights: Tensor) -> Tensor:
    """Entry (b, k, l) is the sum over r of weights[b, r] x[r, k] x[r, l]."""
    pairs = (x[:, :, None] * x[:, None]).reshape(x.shape[0], -1)
    return torch.matmul(weights, pairs).reshape(weights.shape[0], x.shape[1], x.shape[1])


def places(start: Ints, shape: Ints, steps: tuple[Ints, ...], device: Any) -> tuple[Tensor, ...]:
    """For each axis that is read, the positions start + i steps[0] + j steps[1] + ... of all entries (i, j, ...)."""
    found = []
    for axis, first in enumerate(start):
        at = torch.full((1,) * len(shape), first, device=device)
        for k, (size, along) in enumerate(zip(shape, steps, strict=True)):
            if along[axis]:
                run = torch.arange(size, device=device) * along[axis]
                at = at + run.reshape((1,) * k + (size,) + (1,) * (len(shape) - k - 1))
        found.append(at.expand(shape))
    return tuple(found)


def window(x: Tensor, start: Ints, shape: Ints, steps: tuple[Ints, ...]) -> Tensor:
    """Entry (i, j, ...) is x[start + i steps[0] + j steps[1] + ...], which is inside."""
    return x[places(start, shape, steps, x.device)]


def padded(x: Tensor, before: Ints, after: Ints, value: float) -> Tensor:
    """x with entries of one value around it."""
    around = [n for pair in zip(reversed(before), reversed(after), strict=True) for n in pair]
    return torch.nn.functional.pad(x, around, value=value)


def overlap(core: Tensor, shape: Ints, start: Ints, steps: tuple[Ints, ...]) -> Tensor:
    """out[start + i steps[0] + j steps[1] + ...] += core[i, j, ...]; what falls outside adds nothing."""
    total = 1
    for size in shape:
        total *= size
    flat = torch.zeros((), dtype=torch.int64, device=core.device)
    inside = torch.ones((), dtype=torch.bool, device=core.device)
    for at, size in zip(places(start, tuple(core.shape), steps, core.device), shape, strict=True):
        flat, inside = flat * size + at, inside & (at >= 0) & (at < size)
    flat = torch.where(inside, flat, total).expand(core.shape)
    out = torch.zeros(total + 1, dtype=core.dtype, device=core.device)
    return out.index_add(0, flat.reshape(-1), core.reshape(-1))[:total].reshape(shape)


def found(mask: Tensor) -> bool:
    """Whether a mask holds anywhere; code that is compiled, or mapped over a batch, does not look."""
    try:
        return not torch.compiler.is_compiling() and bool(torch.any(mask))
    except RuntimeError:
        return False


def inside(index: Tensor | int, size: int, where: str) -> Tensor | int:
    """The positions, if none of them is outside; where that is not looked at, a negative one is beyond the end too."""
    if isinstance(index, int):  # V[0,T[n]]: a number among arrays
        if not 0 <= index < size:
            raise IndexError(f"{where} is {index}, but the size is {size}")
        return index
    index = index.to(torch.int64)  # of 8 bits they would be a mask
    wrong = (index < 0) | (index >= size)
    if found(wrong):
        first = index[wrong].flatten()[0]
        raise IndexError(f"{where} is {int(first)}, but the size is {size}")
    return torch.where(wrong, size, index)


def guarded(x: Tensor, index: tuple[Tensor, ...], allowed: Tensor, value: float, slots: Ints, where: str) -> Tensor:
    """x[index], and a value where some position is outside; that is an error where the read is allowed."""
    index = tuple(torch.as_tensor(at, device=x.device) for at in index)
    allowed = torch.as_tensor(allowed, device=x.device)
    ok = torch.ones((), dtype=torch.bool, device=x.device)
    for at, size, slot in zip(index, x.shape, slots, strict=True):
        here = (at >= 0) & (at < size)
        wrong = allowed & ~here
        if found(wrong):
            first = at.expand(wrong.shape)[wrong].flatten()[0]
            raise IndexError(f"slot {slot} of {where} is {int(first)}, but the size is {size}")
        ok = ok & here
    if 0 in x.shape:
        return torch.full(ok.shape, value, dtype=x.dtype, device=x.device)
    near = tuple(torch.clamp(at, 0, size - 1) for at, size in zip(index, x.shape, strict=True))
    held = x[near]
    return torch.where(ok, held, torch.full_like(held, value))


def positions(x: Tensor, where: str) -> Tensor:
    """Whole numbers that a slot can hold."""
    whole = x.to(torch.int64)
    if found(whole != x):
        raise IndexError(f"{where} is {float(x[whole != x].flatten()[0])}, which is not a whole number")
    return whole


def scatter_add(index: Tensor, values: Tensor, size: int) -> Tensor:
    """out[index[n], ...] += values[n, ...]; positions outside add nothing."""
    rest = tuple(values.shape[index.ndim :])
    index = index.reshape(-1).to(torch.int64)
    index = torch.where((index < 0) | (index >= size), size, index)
    out = torch.zeros((size + 1, *rest), dtype=values.dtype, device=values.device)
    return out.index_add(0, index, values.reshape(len(index), *rest))[:size]


def embed(core: Tensor, shape: Ints, axes: str) -> Tensor:
    """Zeros, with the entries on the diagonal that ``axes`` names, "ii->i"."""
    names, kept = axes.split("->")
    core = torch.broadcast_to(core, [shape[names.index(letter)] for letter in kept])
    runs = {
        letter: torch.arange(n, device=core.device).reshape((1,) * k + (n,) + (1,) * (core.ndim - k - 1))
        for k, (letter, n) in enumerate(zip(kept, core.shape, strict=True))
    }
    zeros = torch.zeros(shape, dtype=core.dtype, device=core.device)
    return zeros.index_put(tuple(runs[letter] for letter in names), core)


def running(kind: str, x: Tensor, axis: int, size: int, start: float, strict: bool, backwards: bool = False) -> Tensor:
    """All entries along an axis up to each of so many positions, or before it; backwards: from there on."""
    if kind in ("maximum", "minimum"):
        made = {"maximum": torch.cummax, "minimum": torch.cummin}[kind]
        scan = lambda y: made(y, dim=axis)[0]  # noqa: E731
    else:
        made = {"add": torch.cumsum, "multiply": torch.cumprod, "logaddexp": torch.logcumsumexp}[kind]
        scan = lambda y: made(y, dim=axis)  # noqa: E731
    count = x.shape[axis]
    edge = torch.full_like(x.narrow(axis, 0, 1), start) if count else None
    at = torch.arange(size, device=x.device)
    if edge is None:
        shape = [size if k == axis else n for k, n in enumerate(x.shape)]
        return torch.full(shape, start, dtype=x.dtype, device=x.device)
    if backwards:
        sums = torch.cat([torch.flip(scan(torch.flip(x, [axis])), [axis]), edge], dim=axis)
        return torch.index_select(sums, axis, torch.clamp(at + int(strict), max=count))
    sums = torch.cat([edge, scan(x)], dim=axis)
    return torch.index_select(sums, axis, torch.clamp(at + int(not strict), max=count))


def differentiated(*tensors: Tensor) -> bool:
    """Whether what is computed of tensors is differentiated: kernels are for values, and what PyTorch knows of their
    derivatives is no use for a second one."""
    if torch.is_grad_enabled() and any(t.requires_grad for t in tensors):
        return True
    dual = torch.autograd.forward_ad
    return dual._current_level >= 0 and any(dual.unpack_dual(t).tangent is not None for t in tensors)


def layer_norm(x: Tensor, gain: Tensor, bias: Tensor, epsilon: float, plain: bool) -> tuple[Tensor, ...]:
    """(x - m) r, times a gain, plus a bias, along the last axis; with m and r = 1 / sqrt(variance + epsilon)."""
    if not plain:
        return torch.native_layer_norm(x, x.shape[-1:], gain, bias, epsilon)
    m = torch.mean(x, dim=-1, keepdim=True)
    y = x - m
    r = 1 / torch.sqrt(torch.mean(y * y, dim=-1, keepdim=True) + epsilon)
    y = y * r
    y = y if gain is None else y * gain
    return y if bias is None else y + bias, m, r


def layer_norm_backward(
    dy: Tensor, x: Tensor, made: tuple[Tensor, ...], gain: Tensor, wanted: list[bool], plain: bool
) -> tuple[Tensor, ...]:
    """The cotangents of x, of the gain and of the bias."""
    _, m, r = made
    if not plain:
        return torch.ops.aten.native_layer_norm_backward(dy, x, x.shape[-1:], m, r, gain, gain, wanted)
    unit = (x - m) * r
    up = dy if gain is None else dy * gain
    less = up - torch.mean(up, dim=-1, keepdim=True) - unit * torch.mean(up * unit, dim=-1, keepdim=True)
    rows = tuple(range(x.ndim - 1))
    return less * r, torch.sum(dy * unit, dim=rows), torch.sum(dy, dim=rows)


def gelu_backward(dy: Tensor, x: Tensor, form: str, plain: bool) -> Tensor:
    """dy times the derivative of GELU."""
    if not plain:
        return torch.ops.aten.gelu_backward(dy, x, approximate=form)
    if form == "none":
        return dy * ((1 + torch.erf(x / 2**0.5)) / 2 + x * torch.exp(-x * x / 2) / (2 * torch.pi) ** 0.5)
    root = (2 / torch.pi) ** 0.5
    t = torch.tanh(root * (x + 0.044715 * x * x * x))
    return dy * ((1 + t) / 2 + x * (1 - t * t) * root * (1 + 3 * 0.044715 * x * x) / 2)


def relu_backward(dy: Tensor, x: Tensor, plain: bool) -> Tensor:
    """dy where x is positive, which NaN is not: PyTorch's kernel lets it through."""
    if not plain:
        return torch.ops.aten.threshold_backward(dy, torch.nan_to_num(x), 0)
    return torch.where(x > 0, dy, torch.zeros_like(dy))


def silu_backward(dy: Tensor, x: Tensor, plain: bool) -> Tensor:
    """dy times the derivative of x sigmoid(x)."""
    if not plain:
        return torch.ops.aten.silu_backward(dy, x)
    return dy * torch.sigmoid(x) * (1 + x * torch.sigmoid(-x))


def softmax_backward(dy: Tensor, y: Tensor, axis: int, plain: bool) -> Tensor:
    """y (dy - sum(y dy)) along an axis, for a softmax y."""
    if not plain:
        return torch._softmax_backward_data(dy, y, axis, dy.dtype)
    return y * (dy - torch.sum(y * dy, dim=axis, keepdim=True))


def labelled(y: Tensor, hot: Tensor, axis: int) -> Tensor:
    """1 at a label less a softmax y: what is left of the whole is the sum of the others, to the last digit."""
    others = torch.where(hot, torch.zeros_like(y), y)
    return torch.where(hot, torch.sum(others, dim=axis, keepdim=True), -others)


def attention(
    q: Tensor, k: Tensor, v: Tensor, causal: bool, scale: float, kept: bool, plain: bool
) -> tuple[Tensor, Tensor | None]:
    """softmax(scale q k) v, where a causal one sees no later place, and what its cotangents need."""
    if not (plain or kept):
        return torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=causal, scale=scale), None
    if not plain and is_flash(q, k, v):
        return torch._scaled_dot_product_flash_attention_for_cpu(q, k, v, 0.0, causal, scale=scale)
    logits = torch.matmul(q, k.transpose(-2, -1)) * scale
    if causal:
        at = [torch.arange(n, device=q.device) for n in logits.shape[-2:]]
        logits = torch.where(at[1] <= at[0][:, None], logits, -float("inf"))
    weights = torch.softmax(logits, -1)
    return torch.matmul(weights, v), weights


def is_flash(q: Tensor, k: Tensor, v: Tensor) -> bool:
    """Whether there is a kernel that does without a matrix of weights."""
    return (
        q.device.type == "cpu"
        and q.ndim == 4
        and q.shape[-1] == v.shape[-1]
        and q.dtype in (torch.float32, torch.float64)
    )


def attention_backward(
    do: Tensor, q: Tensor, k: Tensor, v: Tensor, made: tuple[Tensor, Tensor],
    causal: bool, scale: float, scaled: bool, plain: bool,
) -> tuple[Tensor, ...]:  # fmt: skip
    """The cotangents of q and k, with the scale or without it, and of v."""
    o, rest = made
    if rest.ndim < q.ndim:
        kernel = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward
        dq, dk, dv = kernel(do, q, k, v, o, rest, 0.0, causal, scale=scale)
        return (dq, dk, dv) if scaled or scale == 1 else (dq / scale, dk / scale, dv)
    slopes = softmax_backward(torch.matmul(do, v.transpose(-2, -1)), rest, -1, plain)
    slopes = slopes * scale if scaled else slopes
    dq, dk = torch.matmul(slopes, k), torch.matmul(slopes.transpose(-2, -1), q)
    return dq, dk, torch.matmul(rest.transpose(-2, -1), do)
