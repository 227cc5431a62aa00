"""Derivatives in PyTorch or JAX: dense, since what keeps its deltas is made of arrays of NumPy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from einstan.calculus.program import Program
from einstan.calculus.stable import runnable
from einstan.language.arguments import blamed_methods, passing
from einstan.language.errors import DataError
from einstan.language.rebuilt import Rebuilt
from einstan.language.term import Name
from einstan.library.evaluated import selected
from einstan.machine.plan.plan import Plan
from einstan.machine.run.compile import compile
from einstan.machine.run.handed import together


@blamed_methods()
class Hosted(Rebuilt):
    """``compiled.dense(params, X=X)`` is a derivative as a tensor of ``backend``; several, ``{name: tensor}``."""

    def __init__(
        self, program: Program, names: Name | Mapping[str, Name], context: Program, backend: str, **options: Any
    ) -> None:
        self.program, self.names, self.context, self.backend, self.options = program, names, context, backend, options
        outputs = tuple(names.values()) if isinstance(names, Mapping) else (names,)
        self.compiled = passing(
            compile, options, runnable(program), outputs, backend=backend, function="derivative", context=context
        )
        self.inputs = self.compiled.texts

    def dense(self, arrays: Mapping[str, Any] | None = None, /, **named: Any) -> Any:
        found = self.compiled(selected(together(arrays or {}, named), self.inputs, self.context))
        if isinstance(self.names, Mapping):
            return {tensor: found[str(name)] for tensor, name in self.names.items()}
        return found[str(self.names)]

    def __call__(self, arrays: Mapping[str, Any] | None = None, /, **named: Any) -> Any:
        raise DataError(
            "a derivative that keeps its deltas is made of arrays of NumPy",
            inferred=f"it is compiled for backend={self.backend!r}",
            repair=("compiled.dense(...), which writes its zeros", "or a product with a vector: jvp, vjp, hvp"),
        )

    @property
    def plan(self) -> Plan:
        return self.compiled.plan

    def source(self) -> str:
        """The code that computes it."""
        return self.compiled.source()
