"""Programs as functions of PyTorch, whose derivatives to any order are those that are derived here.

    f = program.to_torch("Z")
    f(X, W, b).sum().backward()

`einstan.library.levels` derives them, and `einstan.library.autograd` gives them to PyTorch.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

from einstan.calculus.program import Assumption, Program
from einstan.language.arguments import ArgumentError, blamed_methods, shown
from einstan.language.errors import DifferentiationError
from einstan.language.term import tensors
from einstan.language.threads import cached_property
from einstan.library import api
from einstan.library.assumptions import excess
from einstan.library.foreign_function import ForeignFunction, Result
from einstan.library.levels import Level
from einstan.library.torch_text import written
from einstan.machine.run.compile import compile
from einstan.machine.run.compiled import Compiled

if TYPE_CHECKING:
    from types import ModuleType


@blamed_methods()
class TorchFunction(ForeignFunction[Result]):
    """``f(X, W, b)``, in the order of ``f.inputs``, or by name, ``f(params, X=X)``: a tensor, or where several
    ``outputs`` were asked for a tuple of them.

    What PyTorch does with functions is done with it: ``backward``, ``torch.autograd.grad`` to any order,
    ``torch.func``, ``torch.compile``, ``checkpoint``.  Under ``torch.autocast`` the floats that are given are converted
    to its dtype, or to ``dtype`` where that is given.  With ``double_backward=False`` a second derivative is refused.

    Raises `DifferentiationError` where a derivative is asked by a tensor that is not in ``wrt``.

    Examples:
        >>> import torch
        >>> f = es.Program("L = 1/2 x[N]^2").to_torch("L")
        >>> torch.func.grad(f)(torch.tensor([1.0, 2.0]))
        tensor([1., 2.])
        >>> "einstan" in f.source()
        False
    """

    backend = "torch"

    def __init__(
        self,
        program: api.Program,
        outputs: str | Iterable[str] | None = None,
        wrt: str | Iterable[str] | None = None,
        double_backward: bool = True,
        **options: Any,
    ) -> None:
        if not isinstance(double_backward, bool):
            told = f"double_backward = {shown(double_backward)} is neither True nor False"
            raise ArgumentError(told, repair="double_backward=True")
        super().__init__(program, outputs, wrt, options)
        self.double_backward, self.any_size = double_backward, self.value.any_size
        self.twice_asked = False  # whether a second derivative was ever asked for
        self.known: set[Any] = set()  # dtypes and ranks of tensors that are taken as they are
        if "torch" in sys.modules:
            _ = self.torch  # which PyTorch's compiler could not import

    def __call__(self, *arrays: Any, **named: Any) -> Result:
        found = self.torch.called(self, self.arranged(arrays, named))
        return cast(Result, found[0] if isinstance(self.outputs, str) else found)

    def level(self, names: tuple[str, ...]) -> Level:
        """The function of tensors of these names, in their order."""
        return self.once(names, lambda: Level(self, self.base, self.names, names))

    @cached_property
    def torch(self) -> ModuleType:
        """What needs PyTorch."""
        assert self.library
        from einstan.library import autograd

        return autograd

    @cached_property
    def checks(self) -> tuple[tuple[Assumption, Compiled], ...]:
        """The assumptions about inputs, each with how far it is from true."""
        about = [a for a in self.program.known.assumptions if set(map(str, tensors(a.lhs, a.rhs))) <= set(self.inputs)]
        made = (Program((excess(assumption, "excess"),)) for assumption in about)
        return tuple(zip(about, (compile(each, backend=self.backend) for each in made), strict=True))

    def source(self) -> str:
        """The function as text for tensors of any sizes, with its first two derivatives, or with the first alone; it
        runs without einstan."""
        return written(self)

    def twice(self) -> DifferentiationError:
        """The error that a second derivative is asked for."""
        return DifferentiationError(
            "double_backward=False, and a second derivative is asked for",
            text=str(self.program),
            inferred="the first derivative was made as one that nothing differentiates",
            repair="to_torch(..., double_backward=True)",
        )
