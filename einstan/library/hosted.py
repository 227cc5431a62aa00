"""Derivatives in PyTorch or JAX: dense, or with their deltas kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from einstan.calculus.program import Program
from einstan.calculus.stable import runnable
from einstan.language.arguments import blamed_methods, passing
from einstan.language.errors import DataError
from einstan.language.rebuilt import Rebuilt
from einstan.language.term import Name
from einstan.library.derivative import Derivative
from einstan.library.evaluated import CompiledDerivative
from einstan.machine.plan.plan import Plan
from einstan.machine.run.compile import compile


@blamed_methods()
class Hosted(Rebuilt):
    """``compiled.dense(params, X=X)`` is a derivative as a tensor of ``backend``; several, ``{name: tensor}``.

    ``compiled(params, X=X)`` is one that keeps its deltas, a `einstan.library.factored_tensors.HostedTensor`.
    """

    def __init__(
        self,
        program: Program,
        names: Name | Mapping[str, Name],
        context: Program,
        backend: str,
        derivative: Derivative | None = None,
        **options: Any,
    ) -> None:
        self.factored = None if derivative is None else CompiledDerivative(derivative, backend=backend, **options)
        self.derivative = derivative
        self.program, self.names, self.context, self.backend, self.options = program, names, context, backend, options
        outputs = tuple(names.values()) if isinstance(names, Mapping) else (names,)
        self.compiled = passing(
            compile, options, runnable(program), outputs, backend=backend, function="derivative", context=context
        )
        self.inputs = self.compiled.texts

    def dense(self, arrays: Mapping[str, Any] | None = None, /, **named: Any) -> Any:
        found = self.compiled(arrays, **named)
        if isinstance(self.names, Mapping):
            return {tensor: found[str(name)] for tensor, name in self.names.items()}
        return found[str(self.names)]

    def __call__(self, arrays: Mapping[str, Any] | None = None, /, **named: Any) -> Any:
        if self.factored is not None:
            return self.factored(arrays, **named)
        raise DataError(
            "several derivatives that keep their deltas are made of arrays of NumPy",
            inferred=f"they are compiled for backend={self.backend!r}",
            repair=("compiled.dense(...), which writes their zeros", "or one derivative at a time"),
        )

    @property
    def plan(self) -> Plan:
        return self.compiled.plan

    def source(self) -> str:
        """The code that computes it."""
        return self.compiled.source()
