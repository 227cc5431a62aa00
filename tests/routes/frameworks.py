"""Routes by way of other libraries' tensors, where they are installed."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import numpy as np

from tests.routes.derivatives import entries, gradients
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


def of_torch(function: Any, run: Run, text: bool) -> Iterator[Compared]:
    """The gradient of the loss by PyTorch, and what it is differentiated to along a direction."""
    import torch

    given = tensors("torch", run.data)
    given = {name: a.requires_grad_(name in run.case.wrt) for name, a in given.items()}
    made = function
    if text:
        space: dict[str, Any] = {}
        exec(function.source(), space)
        made = lambda arrays: space["step"](*[arrays[name] for name in function.inputs])  # noqa: E731
    wrt = [given[name] for name in run.case.wrt]
    options = {"allow_unused": True, "materialize_grads": True}
    once = torch.autograd.grad(made(given), wrt, **options)  # planned with the loss, where no second one is asked for
    yield from gradients(run, {f"d{name}": a.numpy() for name, a in zip(run.case.wrt, once, strict=True)})
    first = torch.autograd.grad(made(given), wrt, create_graph=True, **options)
    yield from gradients(run, {f"d{name}": a.detach().numpy() for name, a in zip(run.case.wrt, first, strict=True)})
    if run.case.curvable:
        along = sum((a * torch.tensor(run.moved[name])).sum() for name, a in zip(run.case.wrt, first, strict=True))
        second = torch.autograd.grad(along, wrt, **options) if along.requires_grad else map(torch.zeros_like, wrt)
        for name, a in zip(run.case.wrt, second, strict=True):
            yield f"td{name}", a.numpy(), run.bent[name]


def torch_possible(case: Any) -> bool:
    return find_spec("torch") is not None and case.dtype != "mixed" and entries(case)


@route("to_torch", share=0.002, when=torch_possible, second=True)
def to_torch(run: Run) -> Iterator[Compared]:
    yield from of_torch(run.program.to_torch(run.case.loss, wrt=run.case.wrt), run, text=False)


@route('source(target="torch", autograd=True)', share=0.002, when=torch_possible, second=True)
def torch_source(run: Run) -> Iterator[Compared]:
    yield from of_torch(run.program.to_torch(run.case.loss, wrt=run.case.wrt), run, text=True)


def jax_possible(case: Any) -> bool:
    return find_spec("jax") is not None and case.dtype != "mixed"


@route('source(target="jax", autograd=True)', share=0.002, when=jax_possible)
def jax_source(run: Run) -> Iterator[Compared]:
    import jax

    made, space = run.program.to_jax(run.case.loss, wrt=run.case.wrt, rule="vjp"), {}
    exec(run.program.source(target="jax", autograd=True, outputs=run.case.loss, wrt=run.case.wrt), space)
    given = tensors("jax", run.data)
    wrt = [name for name in run.case.wrt if name in made.inputs]  # others cancel
    found = jax.grad(space["step"], [made.inputs.index(name) for name in wrt])(*[given[name] for name in made.inputs])
    yield from gradients(run, {f"d{name}": np.asarray(a) for name, a in zip(wrt, found, strict=True)})
