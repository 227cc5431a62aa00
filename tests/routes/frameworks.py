"""Routes by way of other libraries' tensors, where they are installed."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import numpy as np

from tests.routes.derivatives import gradients
from tests.routes.forward import values
from tests.routes.run import Compared, Run, route


def tensors(backend: str, arrays: dict[str, Any]) -> dict[str, Any]:
    """The arrays of a case as tensors of a library."""
    if backend == "torch":
        import torch

        return {name: torch.tensor(np.asarray(array)) for name, array in arrays.items()}
    import jax

    jax.config.update("jax_enable_x64", True)
    return {name: jax.numpy.asarray(array) for name, array in arrays.items()}


def of_backend(backend: str) -> None:
    installed = find_spec(backend) is not None

    def possible(case: Any) -> bool:
        return installed and case.dtype != "mixed"

    @route(f"compile(backend={backend!r})", share=0.002, when=possible)
    def forward(run: Run) -> Iterator[Compared]:
        found = run.program.compile(backend=backend)(tensors(backend, run.data))
        yield from values(run, {name: np.asarray(value) for name, value in found.items()})

    @route(f"backward.compile(backend={backend!r})", share=0.002, when=possible)
    def backward(run: Run) -> Iterator[Compared]:
        for any_size in (False, True):
            made = run.backward.compile(backend=backend, any_size=any_size)
            found = made(tensors(backend, run.data))
            yield from gradients(run, {name: np.asarray(value) for name, value in found.items()})


for _backend in ("torch", "jax"):
    of_backend(_backend)
