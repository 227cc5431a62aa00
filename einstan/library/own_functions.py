"""A user's own elementwise functions.

es.function("squareplus(x) = 1/2 (x + sqrt(x^2 + 4))")                for every thread, from here on
with es.functions("gate(x, y) = sigmoid(x) y"): ...                    in a block of one thread
es.function("j0(x)", partials=["-j1(x)"], numpy="...")                 only its partials are known
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from einstan.calculus.canonical import canonical
from einstan.language import parse_expression
from einstan.language.arguments import ArgumentError, checked
from einstan.language.errors import ClaimError, NotationError, ProgramError
from einstan.language.functions import BUILTIN, FUNCTIONS, SPELLINGS, Function, called
from einstan.language.own import (
    OwnFunction,
    applied,
    check_elementwise,
    forget,
    keep,
    own_function,
    read_call,
    within,
)
from einstan.language.surface import DEFINED, RESERVED
from einstan.language.term import Equation, Expr, Indexed, tensors
from einstan.language.threads import lock
from einstan.language.tokens import tokens
from einstan.machine.backends import own as machine
from einstan.machine.meaning.loops import evaluate
from einstan.machine.meaning.numbers import FLOATS

TAKEN = {*RESERVED, *SPELLINGS, *DEFINED} - BUILTIN
POINTS = (-2.31, -1.13, -0.37, 0.29, 0.83, 1.71, 3.19)  # where a declared partial is compared with differences
STEP, NEAR = 1e-5, 1e-5
_lock = lock()


@checked
def function(
    text: str,
    partials: str | Sequence[str] | None = None,
    numpy: str | Callable[..., Any] | None = None,
) -> OwnFunction:
    """A function that can be called in every text from now on, in every thread of this process.

    ``"softsign(x) = x / (1 + abs(x))"`` defines it by others.  It is written out where it is called, so that equations
    hold what it meant when they were read; defining it anew changes those that are read later.

    ``"f(x, y)"`` with ``partials``, one in the notation for each parameter, and ``numpy``, an expression such as
    ``"np.arcsinh(x)"`` or a Python function that reads nothing but its parameters and ``np``, is a row of the table of
    functions for good.  Its partials are compared with differences of its values.  It is known in floats alone, so that
    claims about its values stay undecided.

    Raises `NotationError` for a text that defines no elementwise function, `ProgramError` where the name stands for
    another function already, `ClaimError` for a partial that is not true.

    Examples:
        >>> halfsine = es.function("halfsine(x) = sin(x / 2)")
        >>> print(es.parse("y[i] = halfsine(x[i])").partial("x"))
        dy[i]/dx[p] = 1/2 cos(1/2 x[i]) δ[i,p]
    """
    made = _declared(text, partials, numpy) if partials is not None or numpy is not None else _defined(text)
    if made.name not in BUILTIN:
        keep(made)
    return made


@checked
def functions(*texts: str) -> AbstractContextManager[None]:
    """A block in which functions can be called that are defined by others: in this thread (or task) alone.

    Examples:
        >>> with es.functions("cube(x) = x^3"):
        ...     print(es.parse("y[i] = cube(x[i])").partial("x"))
        dy[i]/dx[p] = 3 x[i]^2 δ[i,p]
    """
    found: list[OwnFunction] = []
    for text in texts:
        with within(found):  # one may call those before it
            found.append(_defined(text))
    return within([own for own in found if own.name not in BUILTIN])


# ---- defined by others -----------------------------------------------------------------------------------------------


def _defined(text: str) -> OwnFunction:
    """``f(x) = ...``; the name of a function of the notation is accepted where it means that."""
    name, parameters, right = read_call(text, TAKEN)
    if right is None:
        raise NotationError(
            f"{name} is declared without what it is", text=text,
            repair=(f"{name}({', '.join(parameters)}) = ...", 'or partials=["..."] and numpy="..."'),
        )  # fmt: skip
    if any(token.kind == "name" and token.text == name for token in tokens(text[slice(*right)])):
        raise NotationError(f"{name} is defined by itself", text=text, repair="give what it calls another name")
    body = parse_expression(text[slice(*right)])
    check_elementwise(body, text, parameters, every=True)
    made = OwnFunction(name, parameters, body)
    if name in BUILTIN:
        row = FUNCTIONS[name]
        same = len(parameters) == len(row.parameters)
        if not same or canonical(applied(name, tuple(map(Indexed, parameters)))) is not canonical(body):
            raise _taken(text, f"{name} is a function of the notation already")
    elif name in FUNCTIONS:
        raise _taken(text, f"{name} stands for a function with declared partials already")
    return made


def _taken(text: str, problem: str) -> ProgramError:
    name = text.split("(")[0].strip()
    return ProgramError(problem, text=text, span=(text.find(name), text.find(name) + len(name)),
                        repair=text.replace(name, f"{name}2", 1))  # fmt: skip


# ---- with declared partials ------------------------------------------------------------------------------------------


def _declared(text: str, partials: str | Sequence[str] | None, numpy: str | Callable[..., Any] | None) -> OwnFunction:
    name, parameters, right = read_call(text, TAKEN)
    if name in BUILTIN:
        raise _taken(text, f"{name} is a function of the notation already")
    if name in machine.INTERNAL:
        raise _taken(text, f"{name} is an operation of compiled code")
    if right is not None:
        raise ArgumentError(f"{name} is defined by its text; partials and numpy are for one that is not", text=text)
    if partials is None or numpy is None:
        raise ArgumentError(f"{name} needs its partials and its NumPy function", text=text, repair=machine.AS_TEXT)
    rules = (partials,) if isinstance(partials, str) else tuple(partials)
    if len(rules) != len(parameters):
        raise ArgumentError(f"{name} has {len(parameters)} parameters and {len(rules)} partials", text=text)
    code = machine.text_of(name, parameters, numpy)
    row = Function(name, parameters, rules, called(name, len(parameters)))
    made = OwnFunction(name, parameters)
    with _lock:
        if name in FUNCTIONS:
            if FUNCTIONS[name] != row or machine.OWN[f"own_{name}"] != code:
                raise _taken(text, f"{name} stands for another function with declared partials already")
            return made
        before = own_function(name)
        machine.enter(name, parameters, code)
        FUNCTIONS[name] = row  # last, so that whoever finds it finds all of it
        try:
            with within([made]):
                for position, rule in enumerate(rules):
                    expr = parse_expression(rule)
                    check_elementwise(expr, rule, parameters, every=False)
                    _compare(made, position, rule, expr)
        except BaseException:
            del FUNCTIONS[name]
            machine.leave(name)
            if before is None:
                forget(name)
            raise
    return made


def _compare(own: OwnFunction, position: int, rule: str, expr: Expr) -> None:
    """Refuse a partial that differs from the differences of the values."""
    count = len(own.parameters)
    for start in range(len(POINTS)):
        point = [POINTS[(start + 2 * k) % len(POINTS)] for k in range(count)]
        up, down = list(point), list(point)
        up[position] += STEP
        down[position] -= STEP
        try:
            above, below = FLOATS.apply(own.name, *up), FLOATS.apply(own.name, *down)
        except Exception as error:
            raise ArgumentError(f"the NumPy function of {own.name} fails at {tuple(point)}: {error}") from error
        read = set(map(str, tensors(expr)))
        given = {p: value for p, value in zip(own.parameters, point, strict=True) if p in read}
        said = float(evaluate(Equation("slope", (), expr), given, numbers=FLOATS).flat[0])
        found = (above - below) / (2 * STEP)
        if not (math.isfinite(found) and math.isfinite(said)):
            continue
        if abs(found - said) > NEAR * max(1.0, abs(found), abs(above)):
            at = ", ".join(f"{p} = {value}" for p, value in zip(own.parameters, point, strict=True))
            raise ClaimError(
                f"the partial of {own.name} by {own.parameters[position]} is not what its values say",
                text=rule,
                inferred=f"for example at {at} it is {said:.6g}, and differences of the values give {found:.6g}",
            )
