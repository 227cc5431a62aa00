"""NumPy, as ``np``; where it is not, as in a browser, what says so once something of it is used.

Code can be written and contraction orders can be compared without it; only what has entries needs it.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any


class Absent:
    """Stands for NumPy until it is there: ``Absent().ones`` is a ModuleNotFoundError."""

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module("numpy"), name)


try:
    import numpy as np
except ModuleNotFoundError:
    np = Absent()  # type: ignore[assignment]

__all__ = ["np"]
