"""The order in which a product of several operands is contracted: opt_einsum's, or one that a person wrote.

opt_einsum is given labels as integers, never letters: there are more than 52 of them, and NumPy sorts capitals first.
"""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from einstan.language.errors import ProgramError

Path = list[tuple[int, ...]]
Optimizer = Any  # a name or a PathOptimizer of opt_einsum, a path, or a mapping from equation names to these

PATHS_KEPT = 4096
_paths: OrderedDict[Any, Path] = OrderedDict()


def contraction_path(
    labels: tuple[tuple[int, ...], ...], shapes: tuple[tuple[int, ...], ...], out: tuple[int, ...], optimize: Optimizer
) -> Path:
    """A path from opt_einsum, remembered where the optimizer is a name."""
    key = (labels, shapes, out, optimize) if isinstance(optimize, str) else None
    if key in _paths:
        _paths.move_to_end(key)
        return _paths[key]
    from opt_einsum import contract_path  # a search library: not needed until three factors meet

    arguments: list[Any] = []
    for shape, inputs in zip(shapes, labels, strict=True):
        arguments += [_Shaped(shape), list(inputs)]
    arguments.append(list(out))

    def search(name: Optimizer) -> tuple[Path, float]:
        # An optimizer object remembers the contraction that it was called with: each gets a copy of its own.
        # The random optimizers draw from Python's generator: one path for one contraction, in every process, because
        # another order of sums is another last digit, and a run that is resumed would differ.
        state = random.getstate()
        random.seed(0)
        try:
            path, info = contract_path(*arguments, optimize=deepcopy(name))
        finally:
            random.setstate(state)
        return [tuple(step) for step in path], float(info.opt_cost)

    count = len(labels)
    names: tuple[Optimizer, ...] = (optimize,)
    if optimize == "auto":
        names = ("optimal",) if count <= 4 else ("dp",) if count <= 16 else ("greedy", "random-greedy-128")
        if count <= 4 and len(set(map(frozenset, labels))) < count:
            names = ("optimal", "dp")  # opt_einsum's "optimal" takes two operands with the same indices for one
    best = min((search(name) for name in names), key=lambda found: found[1])[0]
    if key is not None:
        _paths[key] = best
        while len(_paths) > PATHS_KEPT:
            _paths.popitem(last=False)
    return best


@dataclass(frozen=True)
class _Shaped:
    """An array for a path search, which looks at shapes alone."""

    shape: tuple[int, ...]


def by_hand(path: Sequence[Sequence[int]], count: int, equation: str) -> Path:
    """A path that the user wrote, checked."""
    left, wrong = count, ""
    for step in path:
        if not step or len(set(step)) != len(step) or not all(0 <= k < left for k in step):
            wrong = f"the step {step} does not name different positions below {left}"
            break
        left -= len(step) - 1
    else:
        if left == 1:
            return [tuple(step) for step in path]
    raise ProgramError(
        f"the path {list(path)} does not contract {count} operands",
        text=equation,
        span=(equation.find(" = ") + 3, len(equation)),
        inferred=wrong or f"{left} operands are left where it ends",
        repair="give pairs of positions; each step removes its operands and appends its result",
    )
