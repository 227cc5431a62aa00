"""Hessians are symmetric, and here they are so to the last digit: rounding is shared between the two halves."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache

import numpy as np

from einstan.library.factored import FactoredTensor, Part
from einstan.library.labelled import lined_up


def _turned(axes: tuple[int, ...], lead: int) -> tuple[int, ...]:
    """Axes with the two denominators changed; the first ``lead`` are those of the numerator and stay."""
    half = (len(axes) - lead) // 2
    return axes[:lead] + axes[lead + half :] + axes[lead : lead + half]


def symmetrised(tensor: FactoredTensor, exact: Collection[int] = (), lead: int = 0) -> FactoredTensor:
    """``(H + H') / 2``, a structure and its mirror image at a time.

    ``lead`` is the number of axes of the numerator.  What is symmetric already is left as it is: parts whose factors
    say so, and those whose numbers are in ``exact``.
    """
    if all(number in exact for number in range(len(tensor.parts))):
        return tensor
    if len(tensor.parts) == 1:  # the usual case, without the search
        part = tensor.parts[0]
        order = own_mirror(part.axes, lead)
        if order is not None and len(part.factors) == 1 and part.factors[0][1] == part.labels:
            core = part.factors[0][0]
            total = np.asarray(core + core.transpose(order))
            np.multiply(total, part.scale / 2, out=total)
            half = Part(part.axes, ((total, part.labels),))
            return FactoredTensor.of_cores(tensor.names, tensor.shape, (half,), tensor.rows)
    cores: dict[tuple[int, ...], Part] = {}
    rest: list[Part] = []
    for number, part in enumerate(tensor.parts):
        if number in exact or is_symmetric(part, lead):
            rest.append(part)
        else:
            part = _as_core(part.numbered(), tensor.shape)
            known = cores.get(part.axes)
            cores[part.axes] = part if known is None else _sum(known, part, 1.0)
    done: set[tuple[int, ...]] = set()
    made: list[Part] = []
    for axes, part in cores.items():
        if axes in done:
            continue
        other = mirrored(part, lead)
        done |= {axes, other.axes}
        twin = cores.get(other.axes)
        half = Part(part.axes, part.factors, 0.5) if twin is None else _sum(part, mirrored(twin, lead), 0.5)
        if other.axes == axes:
            made.append(half)
        else:
            made += [half, mirrored(half, lead)]
    return tensor.like([*made, *rest])


@lru_cache(maxsize=1024)
def own_mirror(axes: tuple[int, ...], lead: int) -> tuple[int, ...] | None:
    """Where the transpose has the same structure: how the axes of the core change places."""
    names = dict(zip(axes, _turned(axes, lead), strict=True))
    if tuple(names[x] for x in axes) != _turned(axes, lead):
        return None
    labels = tuple(dict.fromkeys(axes))
    return tuple(labels.index(names[x]) for x in labels)


def mirrored(part: Part, lead: int) -> Part:
    """The part of the transpose, its labels numbered again, and its core's axes in their order."""
    turned = Part(_turned(part.axes, lead), part.factors, part.scale).numbered()
    return Part(
        turned.axes,
        tuple((lined_up((a, x), tuple(sorted(x)), None), tuple(sorted(x))) for a, x in turned.factors),
        turned.scale,
    )


def is_symmetric(part: Part, lead: int) -> bool:
    """Whether changing rows and columns gives the same factors: then even its rounding is symmetric."""
    turned = Part(_turned(part.axes, lead), part.factors, part.scale)
    names = dict(zip(turned.axes, part.axes, strict=True))
    if len(set(names.values())) < len(names) or turned.renamed(names).axes != part.axes:
        return False
    ours = sorted((id(array), labels) for array, labels in part.factors)
    theirs = sorted((id(array), labels) for array, labels in turned.renamed(names).factors)
    return ours == theirs and len(ours) < 3  # a product of three depends on which two come first


def _as_core(part: Part, shape: tuple[int, ...]) -> Part:
    return Part(part.axes, ((part.core(shape), part.labels),))


def _sum(left: Part, right: Part, scale: float) -> Part:
    (a, labels), (b, other) = left.factors[0], right.factors[0]
    total = np.asarray(a + lined_up((b, other), labels, None))
    if scale != 1:
        total *= scale
    return Part(left.axes, ((total, labels),))
