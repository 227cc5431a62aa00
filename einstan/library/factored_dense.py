"""Factored tensors written out: zeros, on whose strided diagonals the cores are put."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from einstan.library.factored_parts import Part
from einstan.library.labelled import Labels

Place = tuple[tuple[int, ...] | None, tuple[Any, ...] | None]


def written(
    parts: Sequence[Part], shape: tuple[int, ...], dtype: np.dtype[Any], out: np.ndarray | None, owned: bool = False
) -> np.ndarray:
    """The dense form: the first part that has no deltas is the array that the others are added to.

    Where the factors are ``owned`` that array may be one of them.
    """
    recipes = [recipe(part.axes, tuple([labels for _, labels in part.factors])) for part in parts]
    plain = next((number for number, (view, _) in enumerate(recipes) if not view), None)
    filled = plain is not None
    if plain is not None:
        core = parts[plain].core(shape)
        if out is None and (owned or not any(np.may_share_memory(core, a) for a, _ in parts[plain].factors)):
            out = core if core.flags.writeable else core.copy()
        else:
            out = np.empty(shape, dtype) if out is None else out
            out[...] = core
        if out.dtype != dtype:
            out = out.astype(dtype)
    elif out is None:
        out = np.zeros(shape, dtype)
    else:
        out[...] = 0
    for number, (part, (view, places)) in enumerate(zip(parts, recipes, strict=True)):
        if number == plain:
            continue
        on_diagonal = np.einsum(view, out) if view else out
        if places is None:
            core = part.core(shape)
        elif len(places) == 2 and not filled and part.scale == 1:  # straight to where it belongs
            (a, _), (b, _) = part.factors
            np.multiply(placed(a, *places[0]), placed(b, *places[1]), out=on_diagonal, casting="same_kind")
            filled = True
            continue
        else:
            core = multiplied(part, places)
        if filled:
            np.add(on_diagonal, core, out=on_diagonal)
        else:
            on_diagonal[...] = core
        filled = True
    return out


@lru_cache(maxsize=4096)
def recipe(axes: Labels, factors: tuple[Labels, ...]) -> tuple[str, tuple[Place, ...] | None]:
    """Of a part: the einsum string of the view on its diagonal, and how each factor lines up with it; None for factors
    that have to be contracted first."""
    labels = tuple(dict.fromkeys(axes))
    letters = {x: chr(97 + k) for k, x in enumerate(labels)}
    view = "".join(letters[x] for x in axes) + "->" + "".join(letters.values()) if len(labels) < len(axes) else ""
    places: list[Place] = []
    for own in factors:
        if len(set(own)) < len(own) or not set(own) <= set(labels):
            return view, None
        order = [x for x in labels if x in own]
        moved = tuple(own.index(x) for x in order)
        marks = tuple(slice(None) if x in own else None for x in labels)
        places.append((
            moved if moved != tuple(range(len(own))) else None,
            marks if None in marks else None,
        ))  # fmt: skip
    return view, tuple(places) if places else None


def placed(array: np.ndarray, order: tuple[int, ...] | None, marks: tuple[Any, ...] | None) -> np.ndarray:
    """The array with its axes in an order, and new ones of extent 1."""
    array = array if order is None else array.transpose(order)
    return array if marks is None else array[marks]


def multiplied(part: Part, places: Sequence[Place]) -> np.ndarray:
    """The core of a part whose factors only need to be lined up; an axis that none of them has, has extent 1."""
    core = placed(part.factors[0][0], *places[0])
    for (array, _), place in zip(part.factors[1:], places[1:], strict=True):
        core = core * placed(array, *place)
    return core if part.scale == 1 else np.asarray(core * part.scale)
