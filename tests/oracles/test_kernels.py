"""Kernels of PyTorch stand where a program computes what they do: the same numbers, on shapes that no one has seen."""

import ast
import os
import warnings

import numpy as np
import pytest

import einstan as es
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


def test_rows_of_which_nothing_counts_warn_of_nothing_where_kernels_are_looked_for():
    program = es.Program("u[t] = s[r[t]]\nL = sum[T](log(sum[J](1[J >= T] exp(u[J]))) - u[T])")
    with warnings.catch_warnings(), np.errstate(all="warn"):
        warnings.simplefilter("error")
        L = program.to_torch("L")(s=torch.tensor([0.0, 1.0]), r=torch.tensor([1, 0]))
    torch.testing.assert_close(L, torch.tensor([0.0, 1.0]).logsumexp(0) - 1)


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


@pytest.mark.parametrize("name", ROWS)
def test_sources_for_any_size_run_alone(name):
    program, outputs = derived(ROWS[name][0])
    run = program.compile(outputs=outputs, backend="torch", any_size=True)
    text, space = run.source(), {}
    exec(compile(text, "source", "exec", dont_inherit=True), space)
    assert "einstan" not in text
    given = {n: torch.from_numpy(a) for n, a in arrays(program, np.random.default_rng([SEED, 3])).items()}
    names = {parameter: parameter if parameter in given else parameter.rstrip("_") for parameter in parameters(text)}
    found = space["step"](*(given[name] for name in names.values()))
    for name, value in zip(outputs, found, strict=True):
        torch.testing.assert_close(value, program.compile(outputs=outputs, backend="torch", kernels=False)(given)[name])


def parameters(text):
    (step,) = (node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef) and node.name == "step")
    return [argument.arg for argument in step.args.args]


@pytest.mark.parametrize("name", ["gelu", "layer norm, a divisor", "attention, causal by brackets"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_kernels_have_the_dtype_of_what_is_given(name, dtype):
    program, outputs = derived(ROWS[name][0])
    given = {n: torch.from_numpy(a) for n, a in arrays(program, np.random.default_rng([SEED, 4])).items()}
    expected = program.compile(outputs=outputs, backend="torch", kernels=False)(given)
    found = program.compile(outputs=outputs, backend="torch")(
        {n: a.to(getattr(torch, dtype)) for n, a in given.items()}
    )
    for output in outputs:
        assert found[output].dtype == getattr(torch, dtype)
        scale = float(expected[output].abs().max())
        worst = float((found[output].double() - expected[output]).abs().max())
        assert worst <= {"float32": 1e-4, "bfloat16": 0.2}[dtype] * scale


def test_a_value_is_held_as_long_as_it_is_read():
    """A chain of ten values of 160 kB each holds few of them at a time; one that is returned is kept."""
    lines = [f"A{k + 1}[n,j] = sin(A{k}[n,j]) + A{k}[n,j]^3 / 9" for k in range(10)]
    run = es.Program("\n".join(lines)).compile(outputs=["A2", "A10"], backend="torch")
    given = {"A0": torch.linspace(-1, 1, 40_000).reshape(200, 200)}
    found = run(given)  # which makes the code
    by_hand = [given["A0"]]
    for _ in lines:
        by_hand.append(torch.sin(by_hand[-1]) + by_hand[-1] ** 3 / 9)
    torch.testing.assert_close((found["A2"], found["A10"]), (by_hand[2], by_hand[10]))
    activities = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities, profile_memory=True) as profile:
        found = run(given)
    held = most = 0
    for event in sorted(profile.profiler.kineto_results.events(), key=lambda event: event.start_ns()):
        if event.name() == "[memory]":
            held += event.nbytes()
            most = max(most, held)
    assert 2 <= most / 160_000 <= 6


COMPARED = {  # what kernels take no comparisons for, which are numbers in the notation
    "softmax": "S[n,j] = softmax[j](1[A[n,j] > 0])",
    "log_softmax": "S[n,j] = log(softmax[j](1[A[n,j] > 0]))",
    "logsumexp": "S[n] = logsumexp[J](1[A[n,J] > 0])",
    "layer_norm": "Z[n,j] = 1[A[n,j] > 0]\nm[n] = mean[J](Z[n,J])\n"
    "S[n,j] = (Z[n,j] - m[n]) / sqrt(mean[J]((Z[n,J] - m[n])^2) + 1e-5)",
    "attention": "P[n,m] = softmax[m](1[A[n,E] > 0] B[m,E])\nS[n,j] = P[n,M] 1[B[M,j] > 0]",
}  # fmt: skip


@pytest.mark.parametrize("name", COMPARED)
def test_a_kernel_that_takes_no_comparisons_goes_alone(name):
    program = es.Program(COMPARED[name] + "\nY[n,j] = 1/2 A[n,j] (1 + erf(A[n,j] / sqrt(2)))")
    rng = np.random.default_rng(0)
    arrays = {each: rng.standard_normal((4, 3)) for each in program.inputs}
    run = program.compile(outputs=["S", "Y"], backend="torch")
    found, expected = run({each: torch.as_tensor(array) for each, array in arrays.items()}), program.compile()(arrays)
    for each in ("S", "Y"):
        np.testing.assert_allclose(found[each].numpy(), expected[each], rtol=1e-12, atol=1e-12)
    body = run.source().partition("def step")[2]
    assert f"{name}(" not in body
    assert "functional.gelu(" in body
