"""Names that newcomers guess: what an object has instead, said by the AttributeError."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING, Any

from einstan.language.errors import EinstanError, listed

# What is there, the first of these that the object has or else the line; and how others call it.
GUESSES = (
    ("value_and_grad backward", "", "value_and_gradient value_and_gradients loss_and_grad loss_and_gradients"),
    ("backward derived gradients partial", "", "grad grads gradient gradients backprop backpropagate backward adjoint"),
    ("partial derivative", "", "diff differentiate derive deriv derivatives partials pd"),
    ("hessian", "", "hess second_derivative second_derivatives"),
    ("jacobian partial", "", "jac"),
    ("compile", "", "jit lambdify build function to_function callable"),
    ("evaluate compile", "", "run eval evaluate forward apply call predict value execute"),
    ("source", "", "code to_code to_source to_python python codegen"),
    ("to_torch", "", "torch pytorch to_pytorch as_torch module"),
    ("to_jax", "", "jax as_jax"),
    ("latex", "", "tex to_latex to_tex as_latex"),
    ("draw plot", "", "graph visualize visualise show diagram render picture"),
    ("plan", "", "flops cost costs path paths memory contraction"),
    ("dense", "", "numpy to_numpy toarray to_array array todense to_dense asarray full matrix"),
    ("equations equation", "", "lines formulas expressions"),
    ("inputs", "", "variables arguments args free_symbols tensors symbols operands"),
    ("params init", "", "parameters weights x solution"),
    ("init", "", "initialize initialise init_params"),
    ("defined outputs output", "", "results names outputs"),
    ("loss", "", "fun minimum objective"),
    ("converged ok", "", "success passed valid proved"),
    ("reason", "", "message status"),
    ("rows", "", "log logs records history"),
    ("claims", "", "verdicts statements judgements"),
    ("string", "", "subscripts"),
    ("", "es.check(text)", "check verify prove claims"),
    ("", 'es.fit(network, "L", data, epochs=10)', "fit train"),
    ("", 'es.optimize.newton(program, "L", start, data)', "minimize minimise optimize optimise solve newton"),
    ("", "es.save(path, params)", "save"),
    ("", "es.load(path)", "load"),
    ("", 'program["Z"].einsum, of one equation', "einsum"),
    ("", 'program["Z"].loops(X=X), of one equation', "loops"),
    ("", 'es.Network(text).value_and_grad("L")', "step"),
)


class UnknownAttributeError(EinstanError, AttributeError):
    """An attribute that an object has not, with what it has instead.

    Examples:
        >>> es.Program("L = x[N]^2").grad
        Traceback (most recent call last):
            ...
        einstan.language.guesses.UnknownAttributeError: a Program has no attribute grad
          repair:   backward(loss, wrt)
    """


class Guessed:
    """An object that says what it has where something else was guessed."""

    __slots__ = ()

    if not TYPE_CHECKING:  # a type checker knows that there is nothing else

        def __getattr__(self, name: str) -> Any:
            return missing(self, name)


def missing(owner: object, name: str) -> Any:
    """Raise what is to be said of an attribute that was not found; of one that failed while it was worked out, that."""
    kind = type(owner)
    if any(name in vars(cls) for cls in kind.__mro__):
        return object.__getattribute__(owner, name)
    if name.startswith("_"):  # what libraries look for
        raise AttributeError(f"{kind.__name__!r} object has no attribute {name!r}")
    public = _public(kind)  # type: ignore[arg-type]  # mypy takes the class for an object of it
    repair = tuple(_instead(kind, name)) or tuple(f"did you mean {x}?" for x in get_close_matches(name, public, 1, 0.7))
    article = "an" if kind.__name__[0] in "AEIO" else "a"
    raise UnknownAttributeError(
        f"{article} {kind.__name__} has no attribute {name}", repair=repair,
        inferred=() if repair else f"it has {listed(public, 40)}",
    )  # fmt: skip


def _instead(kind: type, guess: str) -> Iterator[str]:
    for names, line, guesses in GUESSES:
        if guess not in guesses.split():
            continue
        there = [name for name in names.split() if name in _public(kind) and name != guess]
        if there or (line and not {"equations", "equation", "program"}.isdisjoint(_public(kind))):
            yield _called(kind, there[0]) if there else line
            return


def _called(kind: type, name: str) -> str:
    """A method with the names of its arguments, or an attribute."""
    method = inspect.getattr_static(kind, name, None)
    if not callable(method):
        return name
    plain = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    asked = [str(p).split(":")[0].split(" =")[0] for p in _parameters(method) if p.kind in plain]
    return f"{name}({', '.join(asked)})"


def _parameters(method: Any) -> list[inspect.Parameter]:
    return list(inspect.signature(method).parameters.values())[1:]


@cache
def _public(kind: type) -> tuple[str, ...]:
    """What is there for a user: what the class and the constructor of an object name."""
    own = [cls for cls in kind.__mro__ if not cls.__module__.startswith("einstan.language")] or [kind]
    names = {name for cls in own for name in (*vars(cls), *vars(cls).get("__annotations__", ()))}
    init = vars(kind).get("__init__")
    if inspect.isfunction(init):
        names |= {p.name for p in _parameters(init) if p.kind is p.POSITIONAL_OR_KEYWORD}
    return tuple(sorted(name for name in names if not name.startswith("_")))
