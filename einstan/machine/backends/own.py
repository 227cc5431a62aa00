"""Functions of a user's own whose partials are declared: their NumPy text, which compiled code and its source hold.

"np.arcsinh(x)"                an expression of the parameters and ``np``
def f(x): ...                  a function that reads nothing but its parameters and ``np``
"""

from __future__ import annotations

import ast
import builtins
import inspect
import textwrap
from collections.abc import Callable
from typing import Any

import numpy as np

from einstan.language.arguments import ArgumentError
from einstan.machine.backends.numpy import CALLS, GUARDS, HELPERS, OWN, UFUNCS
from einstan.machine.meaning.numbers import FLOAT_FUNCTIONS, RATIONAL, DomainError

INTERNAL = {"add", "scale", "and", *GUARDS}  # what the machine calls operations of its own
AS_TEXT = 'numpy="np.arcsinh(x)", an expression of the parameters and np'


def text_of(name: str, parameters: tuple[str, ...], numpy: str | Callable[..., Any]) -> str:
    """The text of a Python function ``own_NAME`` that computes the function of arrays."""
    if isinstance(numpy, str):
        try:
            body = ast.parse(numpy.strip(), mode="eval").body
        except (SyntaxError, ValueError) as error:
            raise ArgumentError(f"numpy={numpy!r} is no expression of Python: {error}", repair=AS_TEXT) from None
        read = {node.id for node in ast.walk(body) if isinstance(node, ast.Name)}
        _refuse_others(name, read - set(parameters))
        return f"def own_{name}({', '.join(parameters)}):\n    return {ast.unparse(body)}"
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(numpy))).body[0]
    except (OSError, TypeError, SyntaxError, IndexError):
        tree = None
    if not isinstance(tree, ast.FunctionDef) or tree.decorator_list or not hasattr(numpy, "__code__"):
        raise ArgumentError(f"the text of the function for {name} cannot be had from {numpy!r}", repair=AS_TEXT)
    if len(tree.args.args) != len(parameters) or tree.args.vararg or tree.args.kwonlyargs or tree.args.kwarg:
        raise ArgumentError(f"{name} takes {len(parameters)} arguments, and its NumPy function others", repair=AS_TEXT)
    closed = inspect.getclosurevars(numpy)
    _refuse_others(name, {*closed.nonlocals, *closed.globals})
    tree.name, tree.returns = f"own_{name}", None
    for argument in tree.args.args:
        argument.annotation = None
    return ast.unparse(tree)


def _refuse_others(name: str, read: set[str]) -> None:
    for other in sorted(read - {"np"} - set(dir(builtins))):
        raise ArgumentError(
            f"the NumPy text of {name} reads {other}, which generated code does not have", repair=AS_TEXT
        )


def enter(name: str, parameters: tuple[str, ...], text: str) -> None:
    """A row for the function in every table of the machine."""
    space: dict[str, Any] = {"np": np}
    exec(text, space)
    function = space[f"own_{name}"]
    places = ", ".join(f"{{{k}}}" for k in range(len(parameters)))

    def of_floats(*values: float) -> float:
        with np.errstate(all="ignore"):
            return float(function(*map(np.float64, values)))

    def exactly(*values: Any) -> Any:
        raise DomainError(f"{name} is known in floats alone")

    OWN[f"own_{name}"], HELPERS[f"own_{name}"] = text, function
    UFUNCS[name] = CALLS[name] = f"own_{name}({places})"
    FLOAT_FUNCTIONS[name], RATIONAL[name] = of_floats, exactly


def leave(name: str) -> None:
    for table in (OWN, HELPERS):
        table.pop(f"own_{name}", None)
    for table in (UFUNCS, CALLS, FLOAT_FUNCTIONS, RATIONAL):
        table.pop(name, None)
