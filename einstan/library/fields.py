"""What a page from a file may say: each field is a kind of value, in words and as a question.

A field is a function of a name and a value that answers what is wrong with it, or nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Mapping
from numbers import Integral, Real
from typing import Any

from einstan.language.arguments import shown

Field = Callable[[str, Any], str]


def field(words: str, fits: Callable[[Any], bool]) -> Field:
    """A value that fits, which in words is ``words``."""
    return lambda name, value: "" if fits(value) else f"{name} = {shown(value)} is not {words}"


def whole(least: int = 0, most: int | None = None) -> Field:
    """A whole number from ``least`` to ``most``."""
    limits = f"a whole number from {least}" + (" on" if most is None else f" to {most}")
    return field(limits, lambda value: _is(value, Integral) and least <= value and (most is None or value <= most))


def number(fits: Callable[[float], bool] = lambda value: True, words: str = "a number") -> Field:
    def right(value: Any) -> bool:
        try:
            return (type(value) is float or _is(value, Real)) and fits(float(value))
        except OverflowError:  # a whole number that is none of floating-point
            return False

    return field(words, right)


COUNT = whole(0, 10**18)
FINITE = number(math.isfinite, "a finite number")
EXACT = whole(-(2**53), 2**53)  # whole numbers that floating-point holds
TEXT = field("a text", lambda value: isinstance(value, str))
PAGE = field("a page of names and values", lambda value: isinstance(value, dict))


def measure(name: str, value: Any) -> str:
    """A number of a record: floating-point, or a whole number that is one."""
    return EXACT(name, value) if _is(value, Integral) else number()(name, value)


def one_of(known: Container[str]) -> Field:
    return field(f"one of {known}", lambda value: isinstance(value, str) and value in known)


def optional(inner: Field) -> Field:
    return lambda name, value: "" if value is None else inner(name, value)


def several(inner: Field, count: int | None = None) -> Field:
    """A list, of so many entries where that is said."""

    def misfit(name: str, value: Any) -> str:
        if not isinstance(value, list | tuple):
            return f"{name} = {shown(value)} is not a list"
        if count is not None and len(value) != count:
            return f"{name} has {len(value)} entries, and not {count}"
        return next((wrong for k, each in enumerate(value) if (wrong := inner(f"{name}[{k}]", each))), "")

    return misfit


def each(inner: Field) -> Field:
    """A page of any names, each with such a value."""

    def misfit(name: str, value: Any) -> str:
        if not isinstance(value, dict) or not all(isinstance(key, str) and key.isprintable() for key in value):
            return f"{name} = {shown(value)} is not a page of names and values"
        return next((wrong for key, one in value.items() if (wrong := inner(f"{name}.{key[:40]}", one))), "")

    return misfit


def record(fields: Mapping[str, Field]) -> Field:
    """A page of just these names."""

    def misfit(name: str, value: Any) -> str:
        if not isinstance(value, dict):
            return f"{name} = {shown(value)} is not a page of names and values"
        if value.keys() != fields.keys():
            odd = sorted(map(str, value.keys() ^ fields.keys()))[0]
            return f"{name} lacks {odd}" if odd in fields else f"{name} has a field {shown(odd)}"
        return next((wrong for key, inner in fields.items() if (wrong := inner(f"{name}.{key}", value[key]))), "")

    return misfit


def _is(value: Any, kind: type) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)
