"""The elementwise functions and their first two derivatives against PyTorch's own."""

from __future__ import annotations

import numpy as np
import pytest

import einstan as es
from einstan.language.functions import FUNCTIONS

torch = pytest.importorskip("torch", exc_type=ImportError)
F = torch.nn.functional

INSIDE = (-0.9, 0.9)
# name: the function of PyTorch, the interval of the points, and further points at which both have one convention
ROWS = {
    "expm1": (torch.expm1, (-3, 3), [0]),
    "log1p": (torch.log1p, (-0.9, 5), [0]),
    "cbrt": (lambda x: torch.sign(x) * torch.abs(x) ** (1 / 3), (-3, 3), []),
    "arcsin": (torch.arcsin, INSIDE, [0]),
    "arccos": (torch.arccos, INSIDE, [0]),
    "arcsinh": (torch.arcsinh, (-9, 9), [0]),
    "arccosh": (torch.arccosh, (1.1, 9), []),
    "arctanh": (torch.arctanh, INSIDE, [0]),
    "erfc": (torch.erfc, (-3, 6), [0]),
    "lgamma": (torch.lgamma, (0.1, 9), [1, 2]),
    "digamma": (torch.digamma, (0.1, 9), [1, 2]),
    "trigamma": (lambda x: torch.polygamma(1, x), (0.1, 9), [1, 2]),
    "silu": (F.silu, (-9, 9), [0]),
    "elu": (F.elu, (-9, 9), []),
    "softsign": (F.softsign, (-9, 9), []),
    "arctan2": (torch.arctan2, (-3, 3), []),
    "mod": (torch.remainder, (-3, 3), []),
    "clip": (torch.clip, (-3, 3), []),
}


def points(name: str) -> list[np.ndarray]:
    _, (low, high), more = ROWS[name]
    generator = np.random.default_rng(7)
    count = len(FUNCTIONS[name].parameters)
    drawn = [np.concatenate([generator.uniform(low, high, 40), more]) for _ in range(count)]
    if name == "clip":
        drawn[1:] = np.sort(drawn[1:], axis=0)
    return drawn


def values(equation: es.Equation, given: dict[str, np.ndarray]) -> list[float]:
    """An equation of scalars at one point after the other."""
    step = es.Program([equation]).compile()
    read = [name for name in given if name in map(str, es.Program([equation]).inputs)]
    count = len(next(iter(given.values())))
    return [float(step({k: given[k][i] for k in read})[str(equation.name)]) for i in range(count)]


@pytest.mark.parametrize("name", ROWS)
def test_value_and_derivatives(name: str) -> None:
    letters = FUNCTIONS[name].parameters
    given = dict(zip(letters, points(name), strict=True))
    theirs = {k: torch.tensor(v, requires_grad=True) for k, v in given.items()}
    equation = es.parse(f"f = {name}({', '.join(letters)})")
    value = ROWS[name][0](*theirs.values())
    digits = 1e-9 if name == "trigamma" else 1e-11  # torch.polygamma has no more of it
    np.testing.assert_allclose(values(equation, given), value.detach().numpy(), rtol=digits, atol=1e-13)
    for letter in letters if name not in ("mod", "trigamma") else letters[: name == "mod"]:
        (slope,) = torch.autograd.grad(value.sum(), theirs[letter], create_graph=True)
        first = equation.partial(letter)
        digits = 1e-9 if name == "digamma" else 1e-11
        np.testing.assert_allclose(values(first, given), slope.detach().numpy(), rtol=digits, atol=1e-13)
        if name == "digamma" or not slope.requires_grad:
            continue
        (curvature,) = torch.autograd.grad(slope.sum(), theirs[letter], retain_graph=True, allow_unused=True)
        if curvature is not None:
            second = first.partial(letter)
            digits = 1e-9 if name == "lgamma" else 1e-10
            np.testing.assert_allclose(values(second, given), curvature.numpy(), rtol=digits, atol=1e-12)


POLES = [-100000.5, -100.25, -3.5, -2.0, -1.0, -0.5, -0.001, 0.0, 0.001, 0.5, 1.0, 10.0, 1e5]


@pytest.mark.parametrize("name", ["lgamma", "digamma", "trigamma"])
def test_functions_with_poles_are_the_same_everywhere(name: str) -> None:
    jax = pytest.importorskip("jax", exc_type=ImportError)
    program, x = es.Program(f"f[i] = {name}(x[i])"), np.array(POLES)
    with np.errstate(all="ignore"):
        expected = program.compile()(x=x)["f"]
    with jax.enable_x64(True):
        for backend, array in (("torch", torch.tensor(x)), ("jax", jax.numpy.asarray(x))):
            found = np.asarray(program.compile(backend=backend)(x=array)["f"])
            np.testing.assert_allclose(found, expected, rtol=2e-14, atol=1e-14, err_msg=backend)


REDUCTIONS = {
    "var": lambda x: x.var(dim=1, unbiased=False),
    "std": lambda x: x.std(dim=1, unbiased=False),
    "norm": lambda x: x.norm(dim=1),
}


@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions(name: str) -> None:
    x = np.random.default_rng(1).normal(2, 3, (4, 5))
    theirs = torch.tensor(x, requires_grad=True)
    value = REDUCTIONS[name](theirs)
    (slope,) = torch.autograd.grad((value**2).sum(), theirs)
    program = es.Program(f"s[n] = {name}[K](x[n,K])\nL = s[N]^2")
    np.testing.assert_allclose(program.compile()(x=x)["s"], value.detach().numpy(), rtol=1e-12)
    both = es.Program([*program, *program.backward("L", ["x"])])
    np.testing.assert_allclose(both.compile(outputs=["dx"])(x=x)["dx"], slope.numpy(), rtol=1e-11, atol=1e-13)
