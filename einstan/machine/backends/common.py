"""What PyTorch and JAX lack alike, as functions that generated code holds as text, beside those of one library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # or those of JAX
    from einstan.machine.backends.torch import padded, running, window

Tensor = Any
Ints = tuple[int, ...]


def fits(x: Tensor, name: str, shape: tuple[str | int, ...], sizes: dict[str, int], kinds: str) -> None:
    """Refuses a tensor that this code was not made for; a letter is any size, but one size for all that have it."""
    have = tuple(getattr(x, "shape", ()))
    if len(have) != len(shape):
        raise ValueError(f"{name} has the shape {have}, but {len(shape)} axes are read: {shape}")
    for axis, (size, want) in enumerate(zip(have, shape, strict=True)):
        known = want if isinstance(want, int) else sizes.setdefault(want, size)
        if size != known:
            raise ValueError(f"{name} has {size} entries along axis {axis}, and |{want}| is {known}")
    if hasattr(x, "dtype"):
        dtype = str(x.dtype)
        kind = "f" if "float" in dtype else "b" if "bool" in dtype else "i"
        if kind not in kinds:
            raise ValueError(f"{name} has dtype {x.dtype}, and this code was made for {kinds}")


def reach(x: Tensor, start: Ints, shape: Ints, steps: tuple[Ints, ...], where: str = "", fill: float = 0) -> Tensor:
    """Entry (i, j, ...) is x[start + i steps[0] + j steps[1] + ...]; outside of x it is a value, or an error that says
    where."""
    if 0 in shape:
        return x.reshape(-1)[:0].reshape(shape)
    reaches = [[step * (n - 1) for step, n in zip(along, shape, strict=True)] for along in zip(*steps, strict=True)]
    reaches = reaches or [[]] * len(start)
    low = [s + sum(min(r, 0) for r in own) for s, own in zip(start, reaches, strict=True)]
    high = [s + sum(max(r, 0) for r in own) for s, own in zip(start, reaches, strict=True)]
    before = tuple(max(0, -a) for a in low)
    after = tuple(max(0, b - n + 1) for b, n in zip(high, x.shape, strict=True))
    if any(before) or any(after):
        if where:
            raise ValueError(f"{where} reads from {tuple(low)} to {tuple(high)}, outside of {tuple(x.shape)}")
        x = padded(x, before, after, fill)
    return window(x, tuple(s + b for s, b in zip(start, before, strict=True)), shape, steps)


def others(x: Tensor, axis: int) -> Tensor:
    """The product of all other entries along an axis, without a division: those before, times those behind."""
    size = x.shape[axis]
    before = running("multiply", x, axis, size, 1, True)
    return before * running("multiply", x, axis, size, 1, True, True)
