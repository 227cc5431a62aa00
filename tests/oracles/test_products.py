"""torch.func as an oracle of products with Jacobians and Hessians: every layer, and programs of other shapes."""

import numpy as np
import pytest

import einstan as es
from tests.layers.rows import ROWS

torch = pytest.importorskip("torch", exc_type=ImportError)
func = pytest.importorskip("torch.func", exc_type=ImportError)

from tests.oracles.test_torch import by_torch  # noqa: E402

# PyTorch's forward mode warns of its own use of torch.jit.script.
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")

R = 3  # directions at once


def conv(X, W):
    return torch.nn.functional.conv1d(X, W)


def attention(Q, M, V):
    return torch.softmax(Q @ M.T / Q.shape[1] ** 0.5, dim=1) @ V


def huber(O, Y):
    """PyTorch's own has no derivative of its gradient in forward mode."""
    E = (O - Y).abs()
    return torch.where(E < 0.75, E**2 / 2, 0.75 * (E - 0.75 / 2)).mean()


def normalised(X, g):
    M = X - X.mean(dim=1, keepdim=True)
    return g * M / torch.sqrt((M**2).mean(dim=1, keepdim=True) + 1e-5)


# name: the program, its output, its inputs' shapes, and the same in PyTorch
PROGRAMS = {
    "attention": (
        "O[q,d] = softmax[K](Q[q,E] M[K,E] / sqrt(|E|)) V[K,d]", "O",
        {"Q": (4, 3), "M": (5, 3), "V": (5, 2)}, attention,
    ),
    "correlation": (
        "Y[n,o,i] = X[n,C,i+R] W[o,C,R]", "Y", {"X": (2, 3, 7), "W": (4, 3, 3)}, conv,
    ),
    "padded correlation": (
        "Y[n,o,i] = pad(X[n,C,i+R-1]) W[o,C,R] where |i| = |X.2|", "Y", {"X": (2, 3, 7), "W": (4, 3, 3)},
        lambda X, W: torch.nn.functional.conv1d(X, W, padding=1),
    ),
    "softmax regression": (
        "Z[n,c] = X[n,K] W[K,c] + b[c]\nS[n,c] = exp(Z[n,c]) / sum[K](exp(Z[n,K]))\nG[n] = S[n,C]^2", "G",
        {"X": (5, 4), "W": (4, 3), "b": (3,)}, lambda X, W, b: (torch.softmax(X @ W + b, dim=1) ** 2).sum(dim=1),
    ),
    "layer normalisation": (
        "M[n,c] = X[n,c] - mean[K](X[n,K])\nV[n] = mean[K](M[n,K]^2)\nF[n,c] = g[c] M[n,c] / sqrt(V[n] + 1e-5)", "F",
        {"X": (4, 5), "g": (5,)}, normalised,
    ),
    "two layers of relu and tanh": (
        "H[n,j] = X[n,K] U[K,j]\nA[n,j] = relu(H[n,j])\nB[n,c] = tanh(A[n,K] W[K,c])", "B",
        {"X": (5, 4), "U": (4, 6), "W": (6, 2)}, lambda X, U, W: torch.tanh(torch.relu(X @ U) @ W),
    ),
    "distances": (
        "D[i,j] = (P[i,K] - P[j,K])^2\nE[i,j] = exp(-D[i,j]) log(1 + D[i,j])", "E", {"P": (5, 3)},
        lambda P: (lambda D: torch.exp(-D) * torch.log(1 + D))(((P[:, None] - P[None]) ** 2).sum(-1)),
    ),
    "logsumexp and product": (
        "Y[n] = logsumexp[K](X[n,K]) prod[K](X[n,K])", "Y", {"X": (4, 3)},
        lambda X: torch.logsumexp(X, dim=1) * X.prod(dim=1),
    ),
}  # fmt: skip


def case(name):
    """The program, its output, arrays, and the function of a dictionary of tensors."""
    if name in PROGRAMS:
        text, output, shapes, function = PROGRAMS[name]
        generator = np.random.default_rng(0)
        program = es.Program(text)
        arrays = {other: generator.standard_normal(shape) for other, shape in shapes.items()}
    else:
        row = next(row for row in ROWS if row.name == name)
        program, output, arrays = row.layer().program, row.output, row.arrays()
        function = huber if name == "huber" else lambda **given: by_torch(row, given)
    return es.Program(program), output, arrays, lambda given: function(**given)


CASES = [*(row.name for row in ROWS), *PROGRAMS]


def as_torch(arrays):
    return {name: torch.tensor(array) for name, array in arrays.items()}


def run(program, names, arrays):
    compiled = program.compile(outputs=names)
    return compiled({name: arrays[name] for name in compiled.texts})


def close(found, expected, what):
    expected = expected.detach().numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9 * max(1.0, np.abs(expected).max()), err_msg=what)


def differentiable(name, arrays):
    """PyTorch does not differentiate its binary cross-entropy by the labels; ours is tested against JAX."""
    return [n for n, a in arrays.items() if a.dtype.kind == "f" and (name, n) != ("binary_cross_entropy", "Y")]


@pytest.mark.parametrize("name", CASES)
def test_jvp(name):
    program, output, arrays, function = case(name)
    generator = np.random.default_rng(1)
    wrt = differentiable(name, arrays)
    directions = {n: generator.standard_normal((R, *arrays[n].shape)) for n in wrt}
    found = run(
        program.jvp(output, wrt, batch="r"), [f"t{output}"], {**arrays, **{f"t{n}": v for n, v in directions.items()}}
    )
    tensors = as_torch(arrays)
    rest = {n: t for n, t in tensors.items() if n not in wrt}
    for r in range(R):
        _, expected = func.jvp(
            lambda given: function({**rest, **given}),
            ({n: tensors[n] for n in wrt},),
            ({n: torch.tensor(v[r]) for n, v in directions.items()},),
        )
        close(found[f"t{output}"][r], expected, name)


@pytest.mark.parametrize("name", CASES)
def test_vjp(name):
    program, output, arrays, function = case(name)
    wrt = differentiable(name, arrays)
    tensors = as_torch(arrays)
    rest = {n: t for n, t in tensors.items() if n not in wrt}
    value, pull = func.vjp(lambda given: function({**rest, **given}), {n: tensors[n] for n in wrt})
    cotangents = np.random.default_rng(2).standard_normal((R, *value.shape))
    found = run(program.vjp({output: "C0"}, wrt, batch="r"), [f"d{n}" for n in wrt], {**arrays, "C0": cotangents})
    for r in range(R):
        (expected,) = pull(torch.tensor(cotangents[r]))
        for n in wrt:
            close(found[f"d{n}"][r], expected[n], f"{name}, {n}")


@pytest.mark.parametrize("order", ["forward over reverse", "reverse over forward"])
@pytest.mark.parametrize("name", CASES)
def test_hvp(name, order):
    """Of the output, weighted and squared, so that every program has a scalar with curvature of its own."""
    program, output, arrays, function = case(name)
    wrt = differentiable(name, arrays)
    rank = program.ranks[output]
    slots = f"[{','.join('ABDF'[:rank])}]" if rank else ""
    scalar = es.parse(f"total = M0{slots} {output}{slots} + 1/2 {output}{slots}^2")
    program = es.Program([*program, scalar])
    generator = np.random.default_rng(3)
    directions = {n: generator.standard_normal(arrays[n].shape) for n in wrt}
    tensors = as_torch(arrays)
    rest = {n: t for n, t in tensors.items() if n not in wrt}
    weight = generator.standard_normal(tuple(function(tensors).shape))

    def loss(given):
        value = function({**rest, **given})
        return (torch.tensor(weight) * value).sum() + 0.5 * (value**2).sum()

    _, expected = func.jvp(
        func.grad(loss), ({n: tensors[n] for n in wrt},), ({n: torch.tensor(v) for n, v in directions.items()},)
    )
    given = {**arrays, "M0": weight, **{f"t{n}": v for n, v in directions.items()}}
    if order == "forward over reverse":
        made, names = program.hvp("total", wrt), [f"td{n}" for n in wrt]
    else:
        made, names = program.jvp("total", wrt).backward("ttotal", wrt), [f"d{n}" for n in wrt]
    found = run(made, names, given)
    for n, result in zip(wrt, names, strict=True):
        close(found[result], expected[n], f"{name}, {n}")


def test_gauss_newton():
    """``Jᵀ H J v`` with J and H as whole matrices."""
    program = es.Program("""
        H[n,j] = tanh(X[n,K] U[K,j])
        Z[n,c] = H[n,K] W[K,c]
        S[n,c] = softmax[c](Z[n,c])
        L = -1/|N| Y[N,C] log(S[N,C])
    """)
    generator = np.random.default_rng(4)
    shapes = {"X": (6, 4), "U": (4, 3), "W": (3, 3)}
    arrays = {n: generator.standard_normal(s) for n, s in shapes.items()}
    arrays["Y"] = np.eye(3)[generator.integers(0, 3, 6)]
    arrays["V"] = generator.standard_normal((R, 4, 3))
    found = run(program.gauss_newton("L", "Z", {"U": "V"}, batch="r"), ["gU"], arrays)["gU"]
    X, U, W, Y = (torch.tensor(arrays[n]) for n in "XUWY")

    def model(U):
        return torch.tanh(X @ U) @ W

    def loss(Z):
        return -(Y * torch.log_softmax(Z, dim=1)).sum(dim=1).mean()

    J = func.jacrev(model)(U).reshape(18, 12)
    H = func.hessian(loss)(model(U)).reshape(18, 18)
    for r in range(R):
        expected = (J.T @ (H @ (J @ torch.tensor(arrays["V"][r]).reshape(12)))).reshape(4, 3)
        close(found[r], expected, "gauss-newton")
