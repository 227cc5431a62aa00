"""Assumptions checked on data: ``assume sum[C](Y[n,C]) = 1`` is a promise that arrays can break."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from einstan.calculus.program import Assumption, Program
from einstan.language.errors import DataError
from einstan.language.term import Equation, Expr, tensors
from einstan.machine.compile import compile as compile_program


def check_assumption(assumption: Assumption, arrays: Mapping[str, np.ndarray]) -> None:
    """Raise `DataError` at the first place where the arrays break the assumption; silent where they cannot tell."""
    needed = [str(name) for name in tensors(assumption.lhs, assumption.rhs)]
    if not needed or not all(name in arrays for name in needed):
        return
    given = {name: np.asarray(arrays[name]) for name in needed}
    given = {name: array if array.dtype.kind == "f" else array.astype(float) for name, array in given.items()}
    found = _sides(assumption.lhs, assumption.rhs)(**given)
    left, right = np.asarray(found["left"]), np.asarray(found["right"])
    # Sums in float32 of values that were one before rounding must pass.
    tolerance = 64 * max(float(np.finfo(array.dtype).eps) for array in given.values()) ** 0.75
    wrong = ~(np.abs(left - right) <= tolerance * np.maximum(1, np.abs(right)))
    if not wrong.any():
        return
    first = np.unravel_index(int(wrong.argmax()), wrong.shape)
    indices = _free(assumption)
    place = ", ".join(f"{index.name} = {int(k)}" for index, k in zip(indices, first, strict=True))
    place = f"at {place} " if place else ""
    raise DataError(
        "the data breaks an assumption",
        text=str(assumption),
        inferred=(
            f"{place}the left side is {left[first]:.6g} and the right side {right[first]:.6g}",
            f"{int(wrong.sum())} of {wrong.size} places are wrong",
        ),
        repair=f"correct {', '.join(needed)}, or leave the assumption out: the gradients then hold for any values",
    )


@lru_cache(maxsize=64)
def _sides(lhs: Expr, rhs: Expr) -> Callable[..., Any]:
    indices = tuple(dict.fromkeys((*lhs.free, *rhs.free)))
    sides = [Equation("left", indices, lhs), Equation("right", indices, rhs)]
    return compile_program(Program(sides), ("left", "right"))


def _free(assumption: Assumption) -> tuple[Any, ...]:
    return tuple(dict.fromkeys((*assumption.lhs.free, *assumption.rhs.free)))
