"""Arguments: what stands in a signature is asked of what is given.

    @checked                       a function: every argument fits its annotation, or the error says what is wanted
    @typed                         the same for what a program does while it runs, however long that takes
    @checked_methods               a class: the same for its constructor and its public methods
    @blamed, @blamed_methods       the same where a call must cost nothing: asked when something was raised
    @bound                         a function that asks by itself: only names and their number are asked, when it raised

An annotation that cannot be asked (an array, a type of another package) lets everything pass.
"""

from __future__ import annotations

import functools
import inspect
import math
import operator
import os
import sys
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, islice, repeat
from numbers import Real
from typing import Any, TypeVar

from einstan.language.effort import answered
from einstan.language.errors import EinstanError, nearest

HUGE = 1e300  # what a number may be that is computed with
Function = TypeVar("Function", bound=Callable[..., Any])
Value = TypeVar("Value")
Class = TypeVar("Class", bound=type)


class ArgumentError(EinstanError, TypeError):
    """An argument of the wrong type, or of a value that nobody can use."""


def checked(function: Function, question: bool = True) -> Function:
    """The function, which asks of its arguments what its annotations say: of a type once, if that settles it; a
    ``question`` has an allowance of effort."""
    code = function.__code__
    names, others = code.co_varnames[: code.co_argcount], iter(code.co_varnames[code.co_argcount :])
    by_name = {*names[code.co_posonlyargcount :], *islice(others, code.co_kwonlyargcount)}
    star = next(others) if code.co_flags & inspect.CO_VARARGS else ""
    stars = next(others) if code.co_flags & inspect.CO_VARKEYWORDS else ""
    settled: dict[str, set[type]] = {name: set() for name in (*names, *by_name, star, stars)}

    def ask(parameter: str, name: str, value: Any) -> None:
        hint = _hint(function, parameter)
        require(name, value, hint)
        if _is_settled(value, hint):
            settled[parameter].add(type(value))

    @functools.wraps(function)
    def asked(*positional: Any, **named: Any) -> Any:
        for name, value in zip(chain(names, repeat(star)) if star else names, positional, strict=False):
            if type(value) not in settled[name]:
                ask(name, name, value)
        for name, value in named.items():
            parameter = name if name in by_name else stars
            if type(value) not in settled[parameter]:
                ask(parameter, name, value)
        try:
            return answered(function, *positional, **named) if question else function(*positional, **named)
        except RecursionError:
            raise EinstanError(
                f"{function.__qualname__} goes down too many levels for the stack of the interpreter",
                repair="name a part of what is nested deep: an equation each",
            ) from None
        except TypeError as error:
            refuse_misnamed(error, function, positional, named)
            raise

    return asked  # type: ignore[return-value]


typed = functools.partial(checked, question=False)


def checked_methods(*but: str) -> Callable[[Class], Class]:
    """The class with its own public methods checked, ``but`` for those that are called in a loop."""

    return _decorated(checked, CHECKED, but)


CHECKED = ("__init__",)  # what is public though it begins with a dash
BLAMED = (
    *("__init__", "__call__", "__getitem__", "__array__", "__add__", "__radd__", "__sub__", "__rsub__"),
    *("__mul__", "__rmul__", "__truediv__", "__matmul__", "__rmatmul__"),
)


def _decorated(
    decorator: Callable[[Any], Any], special: tuple[str, ...], but: tuple[str, ...]
) -> Callable[[Class], Class]:
    def decorated(cls: Class) -> Class:
        for name, method in list(vars(cls).items()):
            if name in but or (name.startswith("_") and name not in special):
                continue
            if isinstance(method, types.FunctionType):
                setattr(cls, name, decorator(method))
            elif isinstance(method, classmethod | staticmethod):
                setattr(cls, name, type(method)(decorator(method.__func__)))
        return cls

    return decorated


# What Python and NumPy raise when they are given what they cannot use.
RAW = (TypeError, ValueError, AttributeError, LookupError, OverflowError, RuntimeError)


def misfit(error: Exception, function: Callable[..., Any], given: Mapping[str, Any]) -> EinstanError:
    """What is wrong with the arguments of a function that has raised: the first that does not fit its annotation, an
    array that is none of numbers among them; else what was raised is said to come from these arguments."""
    if isinstance(error, EinstanError):
        return error
    what = getattr(function, "__qualname__", "this")
    function = getattr(function, "__func__", function)
    for name, value in given.items():
        hint = _hint(function, name)
        if not fits(value, hint) or not _holds_numbers(value, hint):
            return _unfit(name, value, hint)
    if isinstance(error, KeyError):
        return ArgumentError(f"{what} needs {shown(error.args[0]) if error.args else 'more'}, which is not given")
    return ArgumentError(f"{what} cannot use these arguments", inferred=str(error))


def bound(function: Function) -> Function:
    """The function, which asks of its arguments itself what they are; only a call that does not fit is refused here."""

    @functools.wraps(function)
    def called(*positional: Any, **named: Any) -> Any:
        try:
            return function(*positional, **named)
        except TypeError as error:
            refuse_misnamed(error, function, positional, named)
            raise

    return called  # type: ignore[return-value]


def refuse_misnamed(
    error: Exception, function: Callable[..., Any], positional: Sequence[Any], named: Mapping[str, Any]
) -> None:
    """Refuse a call that does not fit the function, which is why it raised an error of Python's."""
    unlike = None if isinstance(error, EinstanError) else misnamed(function, positional, named)
    if unlike is not None:
        raise unlike from None


def passing(function: Callable[..., Value], options: Mapping[str, Any], /, *positional: Any, **own: Any) -> Value:
    """What a function makes of the options that somebody else gives, beside arguments of our ``own``, which nobody else
    gives."""
    unlike = misnamed(function, positional, options, own)
    if unlike is not None:
        raise unlike
    return function(*positional, **options, **own)


def misnamed(
    function: Callable[..., Any], positional: Sequence[Any], named: Mapping[str, Any], own: Iterable[str] = ()
) -> ArgumentError | None:
    """What is wrong with a call whose arguments are not those of the function, whatever their values; None where they
    are.  It has none of the names that are our ``own``."""
    signature = inspect.signature(function)
    signature = signature.replace(parameters=[p for name, p in signature.parameters.items() if name not in own])
    parameters = list(signature.parameters.values())
    try:
        signature.bind(*positional, **named)
        if not any(name in own for name in named):
            return None
    except TypeError:
        pass
    if parameters and parameters[0].name in ("self", "cls"):
        parameters, positional = parameters[1:], positional[1:]
    by_place = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    taken = by_place[: len(positional)]
    by_name = [
        p.name for p in parameters if p.name not in taken and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    ]
    what, takes = function.__qualname__.removesuffix(".__init__"), f"it takes {', '.join(by_name) or 'nothing'} by name"
    for name in named:
        if name in taken:
            return ArgumentError(f"{what} is given {name} twice", inferred=takes, repair=f"leave {name}=... out")
        if name in own or (name not in by_name and not any(p.kind is p.VAR_KEYWORD for p in parameters)):
            close = nearest(name, by_name)
            return ArgumentError(f"{what} takes no {name}", inferred=takes, repair=close or f"leave {name} out")
    needed = [p.name for p in parameters if p.default is p.empty and p.name in {*by_place, *by_name}]
    missing = [name for name in needed if name not in taken and name not in named]
    if missing:
        return ArgumentError(f"{what} needs {', '.join(missing)}", inferred=takes, repair=f"give {missing[0]}=...")
    return ArgumentError(
        f"{what} is given {len(positional)} arguments by place, and takes {len(by_place) or 'none'}",
        inferred=takes, repair="give the others by name, or leave them out",
    )  # fmt: skip


def blamed(function: Function) -> Function:
    """The function; what Python raises inside becomes an error of ours about the arguments, asked only then."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def called(*positional: Any, **named: Any) -> Any:
        try:
            return function(*positional, **named)
        except EinstanError:
            raise
        except RAW as error:
            refuse_misnamed(error, function, positional, named)
            raise misfit(error, function, signature.bind(*positional, **named).arguments) from error

    return called  # type: ignore[return-value]


def blamed_methods(*but: str) -> Callable[[Class], Class]:
    """The class with its own public methods and operators `blamed`."""
    return _decorated(blamed, BLAMED, but)


def require(name: str, value: Any, hint: Any) -> None:
    """Refuse a value that does not fit an annotation."""
    if not fits(value, hint):
        raise _unfit(name, value, hint)


def _unfit(name: str, value: Any, hint: Any) -> ArgumentError:
    keys = list(value) if isinstance(value, dict) and all(isinstance(key, str) for key in value) else []
    return ArgumentError(
        f"{name} = {shown(value)} is {_a(type(value).__name__)}",
        inferred=f"{name} takes {wanted(hint)}",
        repair=f"{name}={keys!r}, the names" if keys and fits(keys, hint) else f"give {name} {wanted(hint)}",
    )


def shown(value: Any) -> str:
    """A value in an error: its beginning."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # a stranger's repr may do anything
        text = f"<{type(value).__name__}>"
    return text if len(text) <= 60 else text[:57] + "..."


def whole(name: str, value: Any, least: int = 0, most: int | None = None) -> int:
    """A whole number from ``least`` to ``most``; numbers of NumPy are whole numbers too, and True is none."""
    number = None if isinstance(value, bool) else _index(value)
    if number is None or number < least or (most is not None and number > most):
        limits = f"a whole number from {least}" + (f" to {most}" if most is not None else " on")
        raise ArgumentError(f"{name} = {shown(value)} is not {limits}", repair=f"{name}={max(least, 1)}")
    return number


def number(name: str, value: Any, least: float, most: float, *, open_above: bool = False) -> float:
    """A finite number from ``least`` to ``most``, the latter not included with ``open_above``."""
    found = _float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan
    if not least <= found <= most or (open_above and found == most):
        limits = f"from {least:g}" + (f" to {most:g}" if most != float("inf") else " on")
        raise ArgumentError(f"{name} = {shown(value)} is not a number {limits}", repair=f"{name}={max(least, 0.5):g}")
    return found


def _float(value: Real) -> float:
    try:
        return float(value)
    except OverflowError:  # a whole number that no float can be
        return math.nan


def one_of(name: str, value: Any, known: Iterable[str]) -> None:
    """Refuse what is none of the words known."""
    known = list(known)
    if not (isinstance(value, str) and value in known):
        close = nearest(value, known) if isinstance(value, str) else ""
        raise ArgumentError(
            f"there is no {name} {shown(value)}",
            inferred=f"there is {', '.join(known)}",
            repair=close or known[0],
        )


# ---- annotations -----------------------------------------------------------------------------------------------------


@functools.cache
def _hint(function: Callable[..., Any], name: str) -> Any:
    """The annotation of a parameter; Any where it is imported for type checkers alone, and cannot be asked."""
    text = function.__annotations__.get(name, Any)
    if not isinstance(text, str):
        return text
    for space in (None, vars(typing)):
        try:
            return eval(text, function.__globals__, space)
        except (NameError, AttributeError, TypeError):
            continue
    return Any


def _is_settled(value: Any, hint: Any) -> bool:
    """Whether all that are of the type of a value which fits an annotation fit it too."""
    alike = isinstance(value, str) or not hasattr(value, "__len__")  # without a look at all subclasses of Collection
    return hint is Any or (alike and not _asks_of_values(hint))


def _asks_of_values(hint: Any) -> bool:
    literal = typing.get_origin(hint) is typing.Literal or getattr(hint, "_is_protocol", False)
    return literal or any(map(_asks_of_values, typing.get_args(hint)))


def fits(value: Any, hint: Any) -> bool:
    """Whether a value is what an annotation says, as far as can be told without using it up."""
    if type(value) is hint:
        return True
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return type(value) in parts or any(fits(value, part) for part in parts)
    if hint is Any or isinstance(hint, TypeVar) or _is_array(hint):
        return True
    if hint is None or hint is type(None):
        return value is None
    if origin is typing.Literal:
        return any(type(value) is type(part) and value == part for part in parts)
    if hint is float:
        return isinstance(value, Real) and not isinstance(value, bool)
    if hint is int:
        return not isinstance(value, bool) and _index(value) is not None
    if hint is bool:
        return isinstance(value, bool) or type(value).__name__ in ("bool_", "bool")
    if origin is tuple:
        return isinstance(value, tuple) and _entries_fit(value, parts)
    if isinstance(origin, type) and issubclass(origin, Iterable):
        if not isinstance(value, origin):
            return False
        if isinstance(value, Mapping) and hasattr(origin, "keys"):
            return _all_fit(value, parts[0]) and _all_fit(value.values(), parts[1])
        if isinstance(value, str):
            return fits("", parts[0])
        return not hasattr(value, "__len__") or _all_fit(value, parts[0])
    if origin is Callable or hint is Callable:
        return callable(value)
    if origin is not None:  # a generic of another package
        return not isinstance(origin, type) or isinstance(value, origin)
    if hint is os.PathLike:
        return isinstance(value, os.PathLike)
    if getattr(hint, "_is_protocol", False):
        methods = [name for name, what in vars(hint).items() if inspect.isfunction(what) and name[0] != "_"]
        return all(hasattr(value, name) for name in methods)
    if typing.is_typeddict(hint):
        return isinstance(value, dict)
    if isinstance(hint, type) and hint.__module__ != "numpy":
        return isinstance(value, hint)
    return True


def _all_fit(values: Iterable[Any], hint: Any) -> bool:
    """Whether all of them fit; of those of one type one is asked, if that settles it."""
    settled: set[type] = set()
    try:
        for value in values:
            if type(value) not in settled:
                if not fits(value, hint):
                    return False
                if _is_settled(value, hint):
                    settled.add(type(value))
    except (TypeError, NotImplementedError):  # an array without axes, a memoryview with two
        return False
    return True


def _holds_numbers(value: Any, hint: Any) -> bool:
    """Whether what should be an array, or several of them, can be one of real numbers.  This floor does not need NumPy,
    and asks it only where it is there anyway."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, part) and _holds_numbers(value, part) for part in parts)
    if _is_array(hint):
        try:
            return sys.modules["numpy"].asarray(value).dtype.kind in "biuf"
        except Exception:  # whatever a stranger's object raises
            return False
    if isinstance(value, Mapping) and len(parts) == 2:
        return all(_holds_numbers(each, parts[1]) for each in value.values())
    return True


def _is_array(hint: Any) -> bool:
    return getattr(typing.get_origin(hint) or hint, "__name__", "") == "ndarray"


def _entries_fit(value: tuple[Any, ...], parts: tuple[Any, ...]) -> bool:
    if len(parts) == 2 and parts[1] is Ellipsis:
        return _all_fit(value, parts[0])
    return len(value) == len(parts) and all(map(fits, value, parts))


def _index(value: Any) -> int | None:
    try:
        return operator.index(value)
    except TypeError:
        return None


_WORDS = {
    str: "a text", int: "a whole number", float: "a number", bool: "True or False", type(None): "None",
}  # fmt: skip


def wanted(hint: Any) -> str:
    """An annotation in words."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if hint is None or hint in _WORDS:
        return _WORDS[type(None) if hint is None else hint]
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(wanted(part) for part in parts))
    if origin is typing.Literal:
        return " or ".join(map(repr, parts))
    if _is_array(hint):
        return "an array of numbers"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"a mapping from {wanted(parts[0])} to {wanted(parts[1])}"
    if isinstance(origin, type) and issubclass(origin, Iterable):
        return f"several, each {wanted(parts[0])}"
    if origin is Callable or hint is Callable:
        return "a function"
    return "anything" if hint is Any else _a(getattr(hint, "__name__", str(hint)))


def _a(name: str) -> str:
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"
