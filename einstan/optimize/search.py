"""A line search: the step is halved until the value falls by enough (Armijo, 1966)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from einstan.optimize.layout import Arrays

ENOUGH = 1e-4  # the share of what the slope promises
HALVINGS = 50


def backtracked(
    value: Callable[[Mapping[str, np.ndarray]], float],
    params: Mapping[str, np.ndarray],
    step: Mapping[str, np.ndarray],
    here: float,
    slope: float,
) -> tuple[Arrays, float, float, int] | None:
    """The point ``params + length × step`` with its value, the length, and the number of halvings; None without one.

    A value that changes by no more than its own rounding is accepted: nothing smaller can be seen there.
    """
    rounding = 4 * np.finfo(float).eps * abs(here)
    length = 1.0
    for halvings in range(HALVINGS + 1):
        there = {name: array + length * step[name] for name, array in params.items()}
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # a step may be too long for exp or log
            found = value(there)
        if math.isfinite(found) and found <= here + ENOUGH * length * slope + rounding:
            return there, found, length, halvings
        length /= 2
    return None
