"""Kernels of PyTorch stand where a program computes what they do: the same numbers, on shapes that no one has seen."""

import os

import numpy as np
import pytest

from tests.machine.kernels import OTHERS, ROWS, derived

torch = pytest.importorskip("torch", exc_type=ImportError)
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning", "ignore:Dynamo:UserWarning")
SEED = int(os.environ["EINSTAN_SEED"])

NAMES = ("attention(", "layer_norm(", "functional.")


def arrays(program, rng, scale=1.0):
    sizes = {}

    def size(axis):
        return sizes.setdefault(program.dims.find(axis), int(rng.integers(2, 7)))

    shapes = {name: [size(f"{name}.{k}") for k in range(program.ranks[name])] for name in program.compile().inputs}
    return {
        str(name): rng.integers(2, size=shape) if str(name) == "labels" else scale * rng.standard_normal(shape)
        for name, shape in shapes.items()
    }


def compared(text, wanted, unwanted=()):
    program, outputs = derived(text)
    fused, plain = (program.compile(outputs=outputs, backend="torch", kernels=kernels) for kernels in (True, False))
    for number in range(3):
        rng = np.random.default_rng([SEED, number])
        given = {name: torch.from_numpy(a) for name, a in arrays(program, rng, 1 + number).items()}
        found, expected = fused(given), plain(given)
        for name in outputs:
            torch.testing.assert_close(found[name], expected[name], msg=lambda m, name=name: f"{name}: {m}")
        text = fused.source()
        assert all(each in text for each in wanted), text
        assert not any(each in text.partition("def step")[2] for each in unwanted), text
    assert "plain" not in plain.source()


@pytest.mark.parametrize("name", ROWS)
def test_a_kernel_is_what_is_written(name):
    compared(*ROWS[name])


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_nearly_a_kernel_is_none(name):
    compared(OTHERS[name], [], NAMES)


def made(name, kernels):
    """A loss and its gradient by X, as a function of X; and X."""
    program, outputs = derived(ROWS[name][0])
    run = program.compile(outputs=outputs, backend="torch", kernels=kernels)
    given = {n: torch.from_numpy(a) for n, a in arrays(program, np.random.default_rng([SEED, 9])).items()}
    return lambda X: run.call({**given, "X": X}, {})[:2], given["X"]


DIFFERENTIATED = (
    "softmax", "gelu", "silu", "layer norm, a divisor", "attention, causal by a logarithm",
)  # fmt: skip
WAYS = {
    "grad": lambda f: torch.func.grad(lambda x: f(x)[0]),
    "grad of the gradient": lambda f: torch.func.grad(lambda x: torch.sum(f(x)[1] ** 2)),
    "hessian": lambda f: torch.func.hessian(lambda x: f(x)[0]),
    "jvp": lambda f: lambda x: torch.func.jvp(f, (x,), (torch.cos(x),)),
    "vmap": lambda f: lambda x: torch.func.vmap(f)(torch.stack([x, 2 * x])),
    "vmap of grad": lambda f: lambda x: torch.func.vmap(torch.func.grad(lambda x: f(x)[0]))(torch.stack([x, 2 * x])),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", DIFFERENTIATED)
def test_what_differentiates_a_kernel_reads_what_it_stands_for(name, way):
    (fused, x), (plain, _) = made(name, True), made(name, False)
    torch.testing.assert_close(WAYS[way](fused)(x), WAYS[way](plain)(x))


@pytest.mark.parametrize("name", DIFFERENTIATED)
def test_derivatives_that_are_recorded(name):
    fused, x = made(name, True)
    x.requires_grad_()
    loss, gradient = fused(x)
    (by_torch,) = torch.autograd.grad(loss, x, create_graph=True)
    torch.testing.assert_close(by_torch, gradient)
    (twice,) = torch.autograd.grad(torch.sum(by_torch**2), x, retain_graph=True)
    (mixed,) = torch.autograd.grad(torch.sum(gradient**2), x)
    torch.testing.assert_close(twice, mixed)


def test_kernels_are_compiled():
    for name in ("layer norm, a divisor", "attention, causal by a logarithm"):
        fused, x = made(name, True)
        expected = fused(x)  # which makes the code
        torch.testing.assert_close(torch.compile(fused, fullgraph=True, backend="aot_eager")(x), expected)
