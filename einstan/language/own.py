"""Functions of a user's own: for every thread from now on, or in a block of one thread.

A function that is defined by others, ``softsign(x) = x / (1 + abs(x))``, is written out where it is called: an equation
holds what it means, whatever the name comes to mean later.  One of which only the partials are known is a row of the
table of functions for good.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any

from einstan.language.errors import NotationError, Span
from einstan.language.functions import BUILTIN, FUNCTIONS, WRITTEN_OUT
from einstan.language.node import Node, fold, preorder
from einstan.language.sugar import chain
from einstan.language.term import MINUS_ONE, ONE, Add, Apply, Const, Expr, Indexed, Iverson, Mul, add, mul
from einstan.language.threads import lock
from einstan.language.tokens import is_name

EXAMPLE = "softsign(x) = x / (1 + abs(x))"
_CALL = re.compile(r"\s*([^\W\d]\w*)\s*\(([^()]*)\)\s*(?:=(.*))?", re.DOTALL)


@dataclass(frozen=True)
class OwnFunction:
    """A name, its parameters, and what it stands for; nothing where it is a row of the table of functions."""

    name: str
    parameters: tuple[str, ...]
    body: Expr | None = None

    def __str__(self) -> str:
        call = f"{self.name}({', '.join(self.parameters)})"
        return call if self.body is None else f"{call} = {self.body}"


_everywhere: Mapping[str, OwnFunction] = {}  # replaced as a whole, so that a thread that reads it needs no lock
_here: ContextVar[Mapping[str, OwnFunction]] = ContextVar("own functions", default={})  # noqa: B039  never changed
_lock = lock()


def visible() -> Mapping[str, OwnFunction]:
    """What can be called here, by name."""
    here = _here.get()
    return {**_everywhere, **here} if here else _everywhere


def own_function(name: str) -> OwnFunction | None:
    return _here.get().get(name) or _everywhere.get(name) or (_written_out(name) if name in WRITTEN_OUT else None)


@cache
def _written_out(name: str) -> OwnFunction:
    """A function that the notation itself defines by others."""
    from einstan.language.scope import parse_expression

    _, parameters, right = read_call(WRITTEN_OUT[name], ())
    assert right is not None
    return OwnFunction(name, parameters, parse_expression(WRITTEN_OUT[name][slice(*right)]))


def keep(*functions: OwnFunction) -> None:
    """For every thread from now on; a function of that name that was there is no more."""
    global _everywhere
    with _lock:
        _everywhere = {**_everywhere, **{own.name: own for own in functions}}


def forget(*names: str) -> None:
    global _everywhere
    with _lock:
        _everywhere = {name: own for name, own in _everywhere.items() if name not in names}


@contextmanager
def within(functions: Iterable[OwnFunction]) -> Iterator[None]:
    """In a block of this thread alone."""
    before = _here.set({**_here.get(), **{own.name: own for own in functions}})
    try:
        yield
    finally:
        _here.reset(before)


# ---- calls -----------------------------------------------------------------------------------------------------------


def parameters_of(name: str) -> tuple[str, ...] | None:
    """The parameters of what can be called by this name; None where nothing can."""
    if name in BUILTIN:
        return FUNCTIONS[name].parameters
    own = own_function(name)
    return None if own is None else own.parameters


def applied(name: str, arguments: tuple[Expr, ...]) -> Expr:
    """A function of arguments, written out if it is a user's own."""
    own = None if name in BUILTIN else own_function(name)
    if own is None or own.body is None:
        return Apply(name, arguments)
    memo: dict[Node, Node] = {Indexed(p): value for p, value in zip(own.parameters, arguments, strict=True)}
    made = fold(own.body, _flat, memo)
    assert isinstance(made, Expr)
    return made


def _flat(node: Node, children: tuple[Any, ...]) -> Node:
    """The node over other children, as the parser makes it: sums and products flat, signs at their numbers."""
    if isinstance(node, Add):
        return add(children)
    if isinstance(node, Mul):
        flat = mul(children)
        factors = flat.factors if isinstance(flat, Mul) else (flat,)
        while len(factors) > 1 and factors[0] is MINUS_ONE and isinstance(factors[1], Const):
            number = Const(-factors[1].value)
            factors = factors[2:] if number is ONE and len(factors) > 2 else (number, *factors[2:])
        return mul(factors)
    if isinstance(node, Iverson) and node.relations:
        return chain(children, node.relations)
    return node.over(children)


# ---- definitions -----------------------------------------------------------------------------------------------------


def read_call(text: str, reserved: Iterable[str]) -> tuple[str, tuple[str, ...], Span | None]:
    """The name, the parameters, and where the right side stands, of ``f(x, y) = ...`` or ``f(x, y)``."""
    matched = _CALL.fullmatch(text)
    if matched is None:
        raise NotationError("a function is defined by its name and its parameters", text=text, repair=EXAMPLE)
    reserved = set(reserved)
    parameters = tuple(part.strip() for part in matched.group(2).split(","))
    places = [(matched.group(1), matched.start(1)), *((p, text.find(p, matched.start(2))) for p in parameters)]
    for name, start in places:
        if not is_name(name) or name in reserved:
            problem = f"{name} is a word of the notation" if name in reserved else f"{name or 'nothing'} is no name"
            raise NotationError(problem, text=text, span=(start, start + len(name)), repair="another name, such as f")
    if len({*parameters, matched.group(1)}) <= len(parameters):
        raise NotationError("every parameter has a name of its own", text=text, span=matched.span(2), repair=EXAMPLE)
    if matched.group(3) is not None and not matched.group(3).strip():
        raise NotationError("nothing stands behind the =", text=text, span=matched.span(3), repair=EXAMPLE)
    return matched.group(1), parameters, None if matched.group(3) is None else matched.span(3)


def check_elementwise(expr: Expr, text: str, parameters: tuple[str, ...], every: bool) -> None:
    """Refuse what is no elementwise function of the parameters; with ``every``, what does not read all of them."""
    read = set()
    for node in preorder(expr):
        if isinstance(node, Indexed) and not node.slots:
            read.add(str(node.tensor))
        elif not isinstance(node, Const | Add | Mul | Apply | Iverson):
            raise NotationError(
                "a function has numbers, functions and its parameters, and no indices",
                text=text,
                inferred=f"{node} is none of these",
                repair="write an equation for what runs over indices",
            )
    for name in sorted(read - set(parameters)):
        raise NotationError(
            f"{name} is no parameter", text=text, inferred=f"the parameters are {', '.join(parameters)}",
            repair=f"add {name} to them",
        )  # fmt: skip
    for name in parameters if every else ():
        if name not in read:
            raise NotationError(f"the parameter {name} is not used", text=text, repair="leave it out")
