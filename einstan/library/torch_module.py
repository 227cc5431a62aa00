"""A network as a module of PyTorch, with its parameters under their names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic

import numpy as np
import torch

from einstan.language.arguments import ArgumentError, shown
from einstan.language.errors import DataError, listed
from einstan.library.data import require_names
from einstan.library.foreign_function import Result

if TYPE_CHECKING:
    from einstan.library.network import Network
    from einstan.library.to_torch import TorchFunction


class NetworkModule(torch.nn.Module, Generic[Result]):
    """``module(X, Y)``, in the order of ``module.inputs``, or by name, ``module(X=X, Y=Y)``: outputs of a network.

    Parameters have the names of the network in ``named_parameters`` and ``state_dict``.

    Examples:
        >>> import torch
        >>> net = es.Network("Z[n] = X[n,K] w[K]", parameters={"w": "zeros"})
        >>> module = net.to_torch_module({"w": torch.tensor([1.0, 2.0])})
        >>> module(torch.eye(2)).detach(), module.forward(X=torch.eye(2)).shape, module.extra_repr()
        (tensor([1., 2.]), torch.Size([2]), 'X -> Z')
    """

    def __init__(self, function: TorchFunction[Result], network: Network, params: Mapping[str, Any]) -> None:
        super().__init__()
        self.function = function
        self.inputs = tuple(name for name in function.inputs if name not in network.params)
        require_names(params, network.params, "a parameter of the network")
        for name in network.params:
            if name not in params:
                raise DataError(f"the parameter {name} is missing", repair=f"net.init(...) has {name}")
            if hasattr(self, name) or "." in name:
                raise ArgumentError(
                    f"a module of PyTorch cannot call a parameter {name}",
                    inferred="it has an attribute of that name" if hasattr(self, name) else "names have no dots there",
                    repair=f'net.renamed({{"{name}": "W{name}"}}), and give that one\'s parameters',
                )
            self.register_parameter(name, torch.nn.Parameter(_tensor(name, params[name])))

    if TYPE_CHECKING:  # which PyTorch says nothing of

        def __call__(self, *arrays: Any, **data: Any) -> Result: ...

    def forward(self, *arrays: Any, **data: Any) -> Result:
        if len(arrays) > len(self.inputs):
            told = f"{len(arrays)} tensors are given, and there are {len(self.inputs)} inputs"
            raise ArgumentError(told, inferred=f"they are {listed(self.inputs)}", repair="give them by name")
        read = {name: each for name, each in self._parameters.items() if name in self.function.inputs}
        return self.function(read, dict(zip(self.inputs, arrays, strict=False)), **data)

    def extra_repr(self) -> str:
        return f"{', '.join(self.inputs)} -> {self.function.outputs}"


def _tensor(name: str, array: Any) -> torch.Tensor:
    """A parameter of its own."""
    if isinstance(array, torch.Tensor):
        return array.detach().clone()
    try:
        return torch.tensor(np.asarray(array))
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{name} = {shown(array)} cannot be a tensor", inferred=str(error), repair=f"give numbers as {name}"
        ) from None
