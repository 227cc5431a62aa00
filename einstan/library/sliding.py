"""How a window slides: stride, dilation and padding as the slots and extents of an equation.

Along one axis of length n, a window of k entries with stride s and dilation d reads ``x[s p + d r - low]`` at position
p and offset r, where ``low`` and ``high`` entries of zeros stand before and after x.  So there are

    floor((n + low + high - d (k - 1) - 1) / s) + 1          positions, and for the transpose
    s (n - 1) + d (k - 1) + 1 - low - high                   entries

(Dumoulin and Visin, A guide to convolution arithmetic for deep learning, 2016, sections 2 and 4, with dilation).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, wraps
from typing import Any, ParamSpec

from einstan.language.arguments import shown
from einstan.language.errors import ProgramError
from einstan.library.layer import Layer

Options = ParamSpec("Options")

Sizes = int | Sequence[int]
Padding = str | int | Sequence[int | tuple[int, int]]


@dataclass(frozen=True)
class Along:
    """One axis of a sliding window.  ``kernel`` is the number of its entries, None where an array will tell.

    ``low`` and ``high`` are ``(a, b)`` for ``a k + b`` zeros with a kernel of k entries.
    """

    stride: int
    dilation: int
    low: tuple[int, int]
    high: tuple[int, int]
    kernel: int | None = None
    same: bool = False

    @property
    def pads(self) -> bool:
        """Whether zeros are read, so that the read needs its guard and the extent is stated."""
        return self.same or (self.low, self.high) != ((0, 0), (0, 0))

    def slot(self, position: str, offset: str, entries: str) -> str:
        """Where a correlation reads: ``s p + d r - low``; ``entries`` is how the equation spells k."""
        a, b = self.low
        return self._form([(self.stride, position), (self.dilation, offset)], (-a, -b), entries)

    def flipped(self, position: str, offset: str, entries: str) -> str:
        """Where a convolution reads, whose kernel is turned round: ``s p + d (k - 1 - r) - low``."""
        (a, b), d = self.low, self.dilation
        return self._form([(self.stride, position), (-d, offset)], (d - a, -d - b), entries)

    def positions(self, length: str, entries: str) -> str:
        """How many positions the window has along an axis of a length."""
        if self.same:
            a, b = 0, self.stride - 1
        else:
            a = self.low[0] + self.high[0] - self.dilation
            b = self.low[1] + self.high[1] + self.dilation - 1 + self.stride
        form = self._form([(1, length)], (a, b), entries)
        return form if self.stride == 1 else f"floor(({form}) / {self.stride})"

    def entries_of_transpose(self, length: str, entries: str, more: int) -> str:
        """How many entries a transposed convolution has, with some more behind."""
        a = self.dilation - self.low[0] - self.high[0]
        b = 1 - self.stride - self.dilation - self.low[1] - self.high[1] + more
        return self._form([(self.stride, length)], (a, b), entries)

    def _form(self, terms: list[tuple[int, str]], rest: tuple[int, int], entries: str) -> str:
        """A form as text; a kernel of known size is a number in it."""
        a, b = rest if self.kernel is None else (0, rest[0] * self.kernel + rest[1])
        parts = [(k, atom) for k, atom in (*terms, (a, entries)) if k]
        text = "".join(f"{'+' if k > 0 else '-'}{abs(k) if abs(k) > 1 else ''}{atom}" for k, atom in parts)
        return text.removeprefix("+") + (f"{b:+d}" if b else "")


def once_for_each(make: Callable[Options, Layer]) -> Callable[Options, Layer]:
    """A function that makes a layer, which keeps what it made for every choice of options: a proof is made once."""
    kept = lru_cache(maxsize=256)(make)

    @wraps(make)
    def made(*options: Options.args, **named: Options.kwargs) -> Layer:
        given = [*map(_hashable, options), *map(_hashable, named.values())]
        try:
            hash(tuple(given))
        except TypeError:  # which is none of the options, as will be said
            return make(*options, **named)
        return kept(*given[: len(options)], **dict(zip(named, given[len(options) :], strict=True)))

    return made


def _hashable(option: object) -> object:
    return tuple(map(_hashable, option)) if isinstance(option, list | tuple) else option


def along(
    axes: int, stride: Sizes, dilation: Sizes, padding: Padding, kernel: Sizes | None = None
) -> tuple[Along, ...]:
    """The axes of a window.

    ``stride``, ``dilation`` and ``kernel`` are one number for all axes or one for each; ``padding`` is ``"valid"`` (no
    zeros), ``"same"`` (``ceil(n / s)`` positions, the window centred: ``d (k - 1) // 2`` zeros before), ``"full"``
    (every overlap: ``d (k - 1)`` zeros on both sides), or numbers of zeros, for each axis one or a pair (before,
    after).  Raises `ProgramError` for anything else.

    Examples:
        >>> (axis,) = along(1, stride=2, dilation=1, padding="same", kernel=3)
        >>> axis.slot("i", "R", "|R|"), axis.positions("|x.0|", "|R|")
        ('2i+R-1', 'floor((|x.0|+1) / 2)')
    """
    strides = each("stride", stride, axes)
    dilations = each("dilation", dilation, axes)
    kernels: Sequence[int | None] = [None] * axes if kernel is None else each("kernel", kernel, axes)
    found = []
    for k, (s, d, size) in enumerate(zip(strides, dilations, kernels, strict=True)):
        if isinstance(padding, str) and padding == "same" and size is None:
            raise ProgramError(
                'padding="same" depends on the size of the kernel',
                inferred="half of a kernel is rounded down",
                repair=f'padding="same", kernel={3 if axes == 1 else (3,) * axes}',
            )
        low, high = _zeros(padding, d, size, k, axes)
        found.append(Along(s, d, low, high, size, isinstance(padding, str) and padding == "same"))
    return tuple(found)


def each(name: str, value: Sizes, axes: int, least: int = 1) -> tuple[int, ...]:
    """One whole number for every axis, none of them smaller than the least."""
    numbers: tuple[Any, ...] = tuple(value) if isinstance(value, list | tuple) else (value,) * axes
    if len(numbers) != axes or not all(_is_whole(number) and number >= least for number in numbers):
        raise ProgramError(
            f"{name}={shown(value)}: {name} takes one whole number{f' or {axes}' * (axes > 1)}, {least} at least",
            repair=f"{name}=2" if axes == 1 else f"{name}=2 or {name}={(2,) * axes}",
        )
    return numbers


def _zeros(
    padding: Padding, dilation: int, kernel: int | None, axis: int, axes: int
) -> tuple[tuple[int, int], tuple[int, int]]:
    """The zeros before and after, each as ``a k + b``."""
    if not isinstance(padding, str | int | list | tuple):
        padding = ""
    if padding == "valid":
        return (0, 0), (0, 0)
    if padding == "same":
        assert kernel is not None
        before = dilation * (kernel - 1) // 2
        return (0, before), (0, dilation * (kernel - 1) - before)
    if padding == "full":
        return (dilation, -dilation), (dilation, -dilation)
    own: Any = padding[axis] if not isinstance(padding, int | str) and len(padding) == axes else padding
    before, after = own if isinstance(own, tuple) and len(own) == 2 else (own, own)
    if not (_is_whole(before) and _is_whole(after) and before >= 0 and after >= 0):
        raise ProgramError(
            f"padding={shown(padding)} says not how many zeros stand around",
            inferred=f"there {'is one axis' if axes == 1 else f'are {axes} axes'}",
            repair=('padding="valid", "same" or "full"', "padding=1" if axes == 1 else "padding=(1, 2)",
                    "padding=[(1, 2)]" if axes == 1 else "padding=[(1, 2), (0, 1)]"),
        )  # fmt: skip
    return (0, before), (0, after)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def guarded(access: str, axes: Sequence[Along]) -> str:
    """The access, which is zero outside where some axis pads."""
    return f"pad({access})" if any(axis.pads for axis in axes) else access


def stated(lengths: Sequence[tuple[str, str]]) -> str:
    """``where |p| = ..., |q| = ...``"""
    return " where " + ", ".join(f"|{index}| = {form}" for index, form in lengths) if lengths else ""
