"""What is made anew from its settings, wherever it is copied, pickled or sent to another process.

What is worked out later (code, plans, memory, locks) stays behind: the copy works it out by itself, and the same.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import cache
from typing import Any


class Rebuilt:
    """An object of which every parameter of the constructor is an attribute of that name; ``**options`` is a dict."""

    def __reduce__(self) -> tuple[Any, ...]:
        plain, others = _parameters(type(self))  # type: ignore[arg-type]  # mypy takes the class for an object of it
        settings = {name: getattr(self, name) for name in plain}
        for name in others:
            settings |= getattr(self, name)
        return _rebuilt, (type(self), settings)


@cache
def _parameters(cls: type) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The parameters of the constructor, and that of all others by name."""
    parameters = list(inspect.signature(cls).parameters.values())
    others = tuple(p.name for p in parameters if p.kind is p.VAR_KEYWORD)
    return tuple(p.name for p in parameters if p.name not in others), others


def _rebuilt(cls: type, settings: Mapping[str, Any]) -> Any:
    return cls(**settings)
