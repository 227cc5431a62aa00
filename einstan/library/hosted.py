"""Derivatives in PyTorch or JAX: dense, or with their deltas kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from einstan.calculus.program import Program
from einstan.calculus.stable import runnable
from einstan.language.arguments import blamed_methods, passing
from einstan.language.errors import DataError
from einstan.language.rebuilt import Rebuilt
from einstan.language.term import Name
from einstan.library.derivative import Derivative
from einstan.library.evaluated import CompiledDerivative
from einstan.library.factored_tensors import HostedTensor
from einstan.machine.plan.plan import Plan
from einstan.machine.run.compile import compile
from einstan.machine.run.compiled import Compiled

Tensor = TypeVar("Tensor")  # what comes back is of the class of what is given


class Hosted(Rebuilt):
    """What both share: dense tensors of ``backend`` for several names of a program."""

    compiled: Compiled

    @property
    def inputs(self) -> tuple[str, ...]:
        """The tensors that it takes."""
        return self.compiled.texts

    @property
    def plan(self) -> Plan:
        """The plan of the latest call."""
        return self.compiled.plan

    def source(self) -> str:
        """The code that computes it."""
        return self.compiled.source()


def _dense(program: Program, outputs: tuple[Name, ...], context: Program, backend: str, options: Any) -> Compiled:
    made: Compiled = passing(
        compile, options, runnable(program), outputs, backend=backend, function="derivative", context=context
    )
    return made


@blamed_methods()
class HostedDerivative(Hosted):
    """``compiled(params, X=X)`` is a derivative that keeps its deltas, a
    `einstan.library.factored_tensors.HostedTensor`; ``compiled.dense(params, X=X)`` a tensor of ``backend``."""

    def __init__(
        self, program: Program, name: Name, context: Program, backend: str, derivative: Derivative, **options: Any
    ) -> None:
        self.factored = CompiledDerivative(derivative, backend=backend, **options)
        self.derivative = derivative
        self.program, self.name, self.context, self.backend, self.options = program, name, context, backend, options
        self.compiled = _dense(program, (name,), context, backend, options)

    def __call__(
        self, arrays: Mapping[str, Tensor | float] | None = None, /, **named: Tensor | float
    ) -> HostedTensor[Tensor]:
        return cast(HostedTensor[Tensor], self.factored(arrays, **named))

    def dense(self, arrays: Mapping[str, Tensor | float] | None = None, /, **named: Tensor | float) -> Tensor:
        """The derivative with its zeros written out."""
        return cast(Tensor, self.compiled(arrays, **named)[str(self.name)])


@blamed_methods()
class HostedGradients(Hosted):
    """``compiled.dense(params, X=X)`` gives several derivatives, ``{name: tensor}``."""

    def __init__(
        self, program: Program, names: Mapping[str, Name], context: Program, backend: str, **options: Any
    ) -> None:
        self.program, self.names, self.context, self.backend, self.options = program, names, context, backend, options
        self.compiled = _dense(program, tuple(names.values()), context, backend, options)

    def dense(
        self, arrays: Mapping[str, Tensor | float] | None = None, /, **named: Tensor | float
    ) -> dict[str, Tensor]:
        """The derivatives with their zeros written out."""
        found = self.compiled(arrays, **named)
        return {tensor: cast(Tensor, found[str(name)]) for tensor, name in self.names.items()}

    def __call__(self, arrays: Mapping[str, Any] | None = None, /, **named: Any) -> None:
        raise DataError(
            "several derivatives that keep their deltas are made of arrays of NumPy",
            inferred=f"they are compiled for backend={self.backend!r}",
            repair=("compiled.dense(...), which writes their zeros", "or one derivative at a time"),
        )
