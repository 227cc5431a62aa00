"""Factored tensors written out: zeros, on whose strided diagonals the cores are put.

What the structures say about that, which views and in which order, is worked out once for all tensors that have them,
and written down as a function without a loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from einstan.language.threads import cached_property
from einstan.library.factored_parts import Part
from einstan.library.labelled import Labels

Place = tuple[tuple[int, ...] | None, tuple[Any, ...] | None]


class Structure(NamedTuple):
    """What does not change from call to call of a part: the labels of its axes and factors, whether its scale is 1."""

    axes: Labels
    factors: tuple[Labels, ...]
    unscaled: bool = True

    @property
    def is_product(self) -> bool:
        """Whether it can be multiplied straight to where it belongs: no sum, no number, two factors or more."""
        return self.unscaled and len(self.factors) > 1 and places(self.axes, self.factors) is not None


def dense(parts: Sequence[Part], shape: tuple[int, ...], out: np.ndarray | None = None, owned: bool = False) -> Any:
    """The sum of parts as an array, written to ``out`` if it is given; where factors are ``owned`` one of them may
    become it."""
    plain = [part for part in parts if not part.links]
    structures = tuple([
        Structure(axes, tuple([labels for _, labels in factors]), scale == 1) for axes, factors, scale, _ in plain
    ])  # fmt: skip
    found = writer(structures, shape, dtype_of(parts))(plain, out, owned)
    if len(plain) < len(parts):
        for part in parts:
            if part.links:
                part.add_to(found)
    return found


def dtype_of(parts: Sequence[Part]) -> np.dtype[Any]:
    held = [array.dtype for part in parts for array, _ in part.factors]
    if not held:
        return np.dtype(np.float64)
    return held[0] if held.count(held[0]) == len(held) else np.result_type(*held)


class Writer:
    """``writer(parts)`` is the dense form of parts that have these structures.

    The part with most axes is written first, and the others are added on fewer entries.  If it has no deltas, nothing
    need be zero before: its core is the array that the others are added to, or its product is written there.
    """

    def __init__(self, structures: Sequence[Structure], shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.structures, self.shape, self.dtype = structures, shape, dtype
        self.order = sorted(range(len(structures)), key=lambda k: -len(set(structures[k].axes)))
        first = structures[self.order[0]] if self.order else None
        everywhere = first is not None and not _has_deltas(first.axes)
        product = everywhere and first is not None and first.is_product
        self.whole = everywhere and not product
        self.blank = np.empty if product else np.zeros

    def __call__(self, parts: Sequence[Part], out: np.ndarray | None = None, owned: bool = False) -> np.ndarray:
        if self.whole:
            out = self._begun(parts[self.order[0]], out, owned)
        elif out is None:
            return self._fresh(parts, self.blank(self.shape, self.dtype))
        elif self.blank is np.zeros:
            out[...] = 0
        return self._into(parts, out)

    def _begun(self, part: Part, out: np.ndarray | None, owned: bool) -> np.ndarray:
        core = part.core(self.shape)
        if out is not None:
            out[...] = core
            return out
        if owned or not any(np.may_share_memory(core, array) for array, _ in part.factors):
            out = core if core.flags.writeable else core.copy()
            return out.astype(self.dtype, copy=False)
        return core.astype(self.dtype, order="C")

    @cached_property
    def _fresh(self) -> Callable[[Sequence[Part], np.ndarray], np.ndarray]:
        """For an array of our own, whose strides are known."""
        return self._written(0 not in self.shape)

    @cached_property
    def _into(self) -> Callable[[Sequence[Part], np.ndarray], np.ndarray]:
        return self._written(False)

    def _written(self, plain: bool) -> Callable[[Sequence[Part], np.ndarray], np.ndarray]:
        """The function that adds the parts to an array: zeros, or the core that it begins with, or whatever lies there
        if the first part is a product that is written everywhere."""
        constants: dict[str, Any] = {
            "shape": self.shape, "dtype": self.dtype, "ndarray": np.ndarray, "einsum": np.einsum,
            "multiply": np.multiply, "add": np.add,
        }  # fmt: skip
        lines = []
        filled = self.whole
        for number in self.order[1 if self.whole else 0 :]:
            structure = self.structures[number]
            there = "out"
            if _has_deltas(structure.axes):
                lines.append(f"there = {_diagonal(structure.axes, self.shape, self.dtype.itemsize, plain)}")
                there = "there"
            lined_up = places(structure.axes, structure.factors)
            factors = [f"f{k}" for k in range(len(structure.factors))]
            if lined_up is None:
                product = f"parts[{number}].core(shape)"
            else:
                lines.append(f"{', '.join(f'({f}, _)' for f in factors)}, = parts[{number}].factors")
                factors = [placed_text(f, place) for f, place in zip(factors, lined_up, strict=True)]
                product = " * ".join(factors)
                if not structure.unscaled:
                    product = f"parts[{number}].scale * ({product})"
            if filled:
                lines.append(f"add({there}, {product}, out={there})")
            elif not structure.is_product:
                lines.append(f"{there}[...] = {product}")
            else:  # straight to where it belongs, from the factor on with which every axis has come
                first = _covered(structure.axes, structure.factors)
                product = " * ".join(factors[:first])
                for factor in factors[first:]:
                    lines.append(f'multiply({product}, {factor}, out={there}, casting="same_kind")')
                    product = there
            filled = True
        space: dict[str, Any] = {}
        exec("\n    ".join(["def write(parts, out):", *lines, "return out"]), constants, space)  # labels are numbers
        made: Callable[[Sequence[Part], np.ndarray], np.ndarray] = space["write"]
        return made


@lru_cache(maxsize=4096)
def writer(structures: tuple[Structure, ...], shape: tuple[int, ...], dtype: np.dtype[Any]) -> Writer:
    return Writer(structures, shape, dtype)


def _has_deltas(axes: Labels) -> bool:
    return len(set(axes)) < len(axes)


def _diagonal(axes: Labels, shape: tuple[int, ...], itemsize: int, plain: bool) -> str:
    """The view on the entries whose joined axes are equal; ``plain`` if the array is in C order."""
    labels = tuple(dict.fromkeys(axes))
    if plain:
        steps = [itemsize]
        for n in shape[:0:-1]:
            steps.insert(0, steps[0] * n)
        sizes = dict(zip(axes, shape, strict=True))
        strides = tuple(sum(step for x, step in zip(axes, steps, strict=True) if x == label) for label in labels)
        return f"ndarray({tuple(sizes[label] for label in labels)}, dtype, out, 0, {strides})"
    letters = {x: chr(97 + k) for k, x in enumerate(labels)}
    return f"einsum('{''.join(letters[x] for x in axes)}->{''.join(letters.values())}', out)"


def _covered(axes: Labels, factors: tuple[Labels, ...]) -> int:
    """The first factor, but the first, with which all labels have come; the last where some never do."""
    left = set(axes)
    for number, own in enumerate(factors):
        left -= set(own)
        if not left:
            return max(number, 1)
    return len(factors) - 1


def places(axes: Labels, factors: Sequence[Labels]) -> tuple[Place, ...] | None:
    """How each factor of a part lines up with its core; None for factors that have to be contracted first."""
    labels = tuple(dict.fromkeys(axes))
    found: list[Place] = []
    for own in factors:
        if len(set(own)) < len(own) or not set(own) <= set(labels):
            return None
        order = [x for x in labels if x in own]
        moved = tuple(own.index(x) for x in order)
        marks = tuple(slice(None) if x in own else None for x in labels)
        found.append((
            moved if moved != tuple(range(len(own))) else None,
            marks if None in marks else None,
        ))  # fmt: skip
    return tuple(found) if found else None


def placed(array: np.ndarray, order: tuple[int, ...] | None, marks: tuple[Any, ...] | None) -> np.ndarray:
    """The array with its axes in an order, and new ones of extent 1."""
    array = array if order is None else array.transpose(order)
    return array if marks is None else array[marks]


def placed_text(name: str, place: Place) -> str:
    """The same as code."""
    order, marks = place
    turned = name if order is None else f"{name}.transpose({order})"
    return turned if marks is None else f"{turned}[{', '.join('None' if m is None else ':' for m in marks)}]"
