"""Parts of a factored tensor by index: integers and slices, as for arrays, without writing the zeros."""

from __future__ import annotations

from typing import Any

import numpy as np

from einstan.language.errors import DataError
from einstan.library.factored import FactoredTensor, Part
from einstan.library.factored_links import Link
from einstan.library.labelled import Factor


def indexed(tensor: FactoredTensor, key: Any) -> FactoredTensor:
    """``tensor[2, :, 1:5, ...]``: an integer takes its axis away, a slice keeps it.

    Where a label's axes are all taken alike, its factors are; otherwise what is left of the delta is a link.
    """
    keys = _completed(tensor, key)
    chosen = [np.arange(n)[k] for k, n in zip(keys, tensor.shape, strict=True)]
    keep = [k for k, at in enumerate(chosen) if at.ndim]
    names = [tensor.names[k] for k in keep]
    shape = [len(chosen[k]) for k in keep]
    parts = [_part(tensor, part.numbered(), keys, keep) for part in tensor.parts]
    rows = sum(k < tensor.rows for k in keep)
    return FactoredTensor(names, shape, parts, rows)


def _completed(tensor: FactoredTensor, key: Any) -> list[int | slice]:
    given = list(key) if isinstance(key, tuple) else [key]
    dots = [n for n, k in enumerate(given) if k is Ellipsis]  # `in` would ask arrays for their truth
    if len(dots) > 1:
        raise DataError("an index has at most one ...", repair="write : for the other axes")
    at = dots[0] if dots else len(given)
    given[at : at + len(dots)] = [slice(None)] * (tensor.ndim - len(given) + len(dots))
    if len(given) != tensor.ndim or not all(_is_plain(k) for k in given):
        raise DataError(
            f"a factored tensor of {tensor.ndim} axes is indexed by as many integers and slices",
            inferred=f"the axes are {', '.join(tensor.names)}",
            repair="index the dense form: H.dense()[...]",
        )
    return given


def _is_plain(key: Any) -> bool:
    return isinstance(key, int | np.integer | slice) and not isinstance(key, bool)


def _part(tensor: FactoredTensor, part: Part, keys: list[int | slice], keep: list[int]) -> Part:
    factors, links, axes = list(part.factors), list(part.links), list(part.axes)
    linked = part.linked
    fresh = 1 + max(part.held | linked, default=-1)
    loose: dict[int, int] = {}
    for label in part.labels:
        here = [k for k, x in enumerate(part.axes) if x == label]
        if all(keys[k] == slice(None) for k in here):
            continue
        if label not in linked and all(keys[k] == keys[here[0]] for k in here):
            factors = [_taken(factor, label, keys[here[0]]) for factor in factors]
            continue
        loose[label] = tensor.shape[here[0]]
        for k in here:  # each axis by itself: where the label has the value that this place stands for
            key = keys[k]
            if isinstance(key, slice):
                first, _, step = key.indices(tensor.shape[k])
                links.append(Link(((label, 1), (fresh, -step)), -first))
                axes[k] = fresh
                fresh += 1
            else:
                links.append(Link(((label, 1),), -range(tensor.shape[k])[key]))
    left = Part(tuple(axes[k] for k in keep), tuple(factors), part.scale, tuple(links))
    return left.without(loose)


def _taken(factor: Factor, label: int, key: int | slice) -> Factor:
    array, labels = factor
    if label not in labels:
        return factor
    where = tuple(key if x == label else slice(None) for x in labels)
    left = labels if isinstance(key, slice) else tuple(x for x in labels if x != label)
    return np.asarray(array[where]), left
