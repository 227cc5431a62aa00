"""Einstan: einsum-based tensor calculus.

Write a layer as index equations; get its partial derivatives, backward pass and Hessian as index equations that can be
read, parsed again, checked, typeset, and run.

Everything here is loaded when it is first asked for, so that the symbolic floors load no NumPy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Public name → the module that has it.
_HOMES = {
    "EinstanError": "einstan.language.errors",
    "Equation": "einstan.library.api",
    "Program": "einstan.library.api",
    "parse": "einstan.library.api",
    "check": "einstan.library.check",
    "check_paper": "einstan.library.papers",
    "compose": "einstan.library.compose",
    "einsum": "einstan.library.einsum_function",
    "function": "einstan.library.own_functions",
    "functions": "einstan.library.own_functions",
    "tensordot": "numpy",  # with transpose what opt_einsum asks of a backend besides einsum
    "transpose": "numpy",
    "Report": "einstan.library.check",
    "Layer": "einstan.library.layer",
    "Network": "einstan.library.network",
    "fit": "einstan.library.training",
    "TrainingError": "einstan.library.training",
    "History": "einstan.library.state",
    "State": "einstan.library.state",
    "save": "einstan.library.state",
    "load": "einstan.library.state",
    "Callback": "einstan.library.callbacks",
    "SGD": "einstan.library.optimisers",
    "Momentum": "einstan.library.optimisers",
    "Adam": "einstan.library.optimisers",
    "Metric": "einstan.library.metrics",
    "accuracy": "einstan.library.metrics",
}

if TYPE_CHECKING:  # a tool that checks types knows all names, and that there are no others
    from einstan import calculus as calculus
    from einstan import language as language
    from einstan import layers as layers
    from einstan import library as library
    from einstan import machine as machine
    from einstan import optimize as optimize
    from einstan.language.errors import EinstanError
    from einstan.library.api import Equation, Program, parse
    from einstan.library.callbacks import Callback
    from einstan.library.check import Report, check
    from einstan.library.compose import compose
    from einstan.library.einsum_function import einsum
    from einstan.library.layer import Layer
    from einstan.library.metrics import Metric, accuracy
    from einstan.library.network import Network
    from einstan.library.optimisers import SGD, Adam, Momentum
    from einstan.library.own_functions import function, functions
    from einstan.library.papers import check_paper
    from einstan.library.state import History, State, load, save
    from einstan.library.training import TrainingError, fit

__all__ = [
    "SGD",
    "Adam",
    "Callback",
    "EinstanError",
    "Equation",
    "History",
    "Layer",
    "Metric",
    "Momentum",
    "Network",
    "Program",
    "Report",
    "State",
    "TrainingError",
    "__version__",
    "accuracy",
    "check",
    "check_paper",
    "compose",
    "einsum",
    "fit",
    "function",
    "functions",
    "load",
    "parse",
    "save",
]


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name in _HOMES:
            value = getattr(import_module(_HOMES[name]), name)
        elif name in ("language", "calculus", "machine", "library", "optimize", "layers"):
            return import_module(f"{__name__}.{name}")
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted(__all__)
