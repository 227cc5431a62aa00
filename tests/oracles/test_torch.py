"""PyTorch as an oracle: every layer forward and backward, and 200 steps of training that stay together."""

import itertools

import numpy as np
import pytest

from einstan import layers
from einstan.library.data import batches
from einstan.library.network import Network
from einstan.library.optimisers import SGD, Adam, Momentum
from tests.layers.rows import ROWS, Row

torch = pytest.importorskip("torch", exc_type=ImportError)
F = torch.nn.functional

BY_TORCH = {
    "dense": lambda X, W, b: F.linear(X, W.T, b),
    "relu": lambda Z: F.relu(Z),
    "sigmoid": lambda Z: torch.sigmoid(Z),
    "tanh": lambda Z: torch.tanh(Z),
    "softmax": lambda Z: F.softmax(Z, dim=1),
    "cross_entropy": lambda S, Y: -(Y * S.log()).sum(dim=1).mean(),
    "mean_squared_error": lambda O, Y: F.mse_loss(O, Y),
    "binary_cross_entropy": lambda P, Y: F.binary_cross_entropy(P, Y),
    "softplus": lambda Z: F.softplus(Z),
    "gelu": lambda Z: F.gelu(Z),
    "gelu_tanh": lambda Z: F.gelu(Z, approximate="tanh"),
    "log_softmax": lambda Z: F.log_softmax(Z, dim=1),
    # written out: the second and third derivatives of PyTorch 2.13's own layer_norm are wrong
    "layer_norm": lambda X, g, b: (
        g
        * (X - X.mean(1, keepdim=True))
        / torch.sqrt(((X - X.mean(1, keepdim=True)) ** 2).mean(1, keepdim=True) + 1e-5)
        + b
    ),
    "cosine_similarity": lambda X, Y: F.cosine_similarity(X, Y, dim=1),
    "attention": lambda Q, M, V: F.scaled_dot_product_attention(Q[None], M[None], V[None])[0],
    "causal_attention": lambda Q, M, V: F.scaled_dot_product_attention(Q[None], M[None], V[None], is_causal=True)[0],
    "embedding": lambda E, T: F.embedding(T, E),
    "huber": lambda O, Y: F.huber_loss(O, Y, delta=0.75),
    "kl_divergence": lambda P, Q: F.kl_div(Q.log(), P, reduction="batchmean"),
}


def around(row, X):
    """X with the zeros of a row's window around it."""
    return F.pad(X, [zeros for _, _, before, after in reversed(row.axes) for zeros in (before, after)])


def steps(row):
    return {"stride": [axis[0] for axis in row.axes], "dilation": [axis[1] for axis in row.axes]}


def correlate(row, X, W, b):
    return (F.conv1d if len(row.axes) == 1 else F.conv2d)(around(row, X), W, b, **steps(row))


def transpose(row, X, W, b):
    call = F.conv_transpose1d if len(row.axes) == 1 else F.conv_transpose2d
    more = row.options.get("more", 0)
    return call(X, W, b, **steps(row), padding=[axis[2] for axis in row.axes], output_padding=more)


def average(row, X):
    call = F.avg_pool1d if len(row.axes) == 1 else F.avg_pool2d
    return call(around(row, X), row.options["window"], steps(row)["stride"])


WINDOWS_BY_TORCH = {
    "correlation": correlate,
    "convolution": lambda row, X, W, b: correlate(row, X, W.flip(*range(2, W.ndim)), b),
    "transposed_convolution": transpose,
    "max_pool": lambda row, X: (F.max_pool1d if len(row.axes) == 1 else F.max_pool2d)(
        X, row.options["window"], **steps(row)
    ),
    "average_pool": average,
}


def by_torch(row, tensors):
    """A row's output: PyTorch has a call for each elementwise layer, and one for each kind of window."""
    if not row.axes:
        return BY_TORCH[row.name](**tensors)
    return WINDOWS_BY_TORCH[row.name[: -len("_1d")]](row, **tensors)


def leaves(arrays):
    return {name: torch.tensor(array, requires_grad=array.dtype.kind == "f") for name, array in arrays.items()}


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_every_layer(row):
    arrays, cotangent = row.arrays(), row.cotangent()
    tensors = leaves(arrays)
    expected = by_torch(row, tensors)
    expected.backward(torch.tensor(cotangent))
    layer = row.layer()
    access = f"[{row.slots}]" if row.slots else ""
    network = Network(layer(), f"total = C{access} {row.output}{access}")
    found = network.evaluate(row.output, {}, **arrays)
    np.testing.assert_allclose(found, expected.detach().numpy(), rtol=1e-12, atol=1e-14)
    _, grads = network.value_and_grad("total", wrt=row.wrt).compile()({}, **arrays, C=cotangent)
    for name in row.wrt:
        tensor = tensors[name]
        if name == "Y" and row.name == "binary_cross_entropy" and tensor.grad is None:
            continue
        np.testing.assert_allclose(grads[name], tensor.grad.numpy(), rtol=1e-11, atol=1e-13, err_msg=name)


def test_there_is_an_oracle_for_every_layer():
    windows = [f"{kind}_{axes}d" for kind in WINDOWS_BY_TORCH for axes in (1, 2)]
    assert sorted([*BY_TORCH, *windows]) == sorted(layers.__all__)


# ---- sliding windows: every stride, dilation and kernel, lengths that do not divide ----------------------------------


@pytest.mark.in_turn(3)
@pytest.mark.parametrize("dilation", [1, 2, 3])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kind", WINDOWS_BY_TORCH)
def test_every_window(kind, stride, dilation):
    generator = np.random.default_rng(0)
    for axes, kernel in itertools.product((1, 2), (2, 3)):
        for zeros, length in ((0, 8), (1, 11)):
            options = {"stride": stride, "dilation": dilation, "padding": zeros}
            shapes = {"X": (2, 2, *(length, length + 2)[:axes])}
            if kind == "average_pool" and dilation > 1:
                continue  # PyTorch has none
            if kind == "max_pool":
                del options["padding"]
            if kind.endswith("pool"):
                options["window"] = kernel
            else:
                shapes |= {"W": (2, 2, *(kernel,) * axes), "b": (2,)}
            around = zeros if kind != "max_pool" else 0
            row = Row(f"{kind}_{axes}d", "Y", shapes, None, None, options=options,
                      axes=((stride, dilation, around, around),) * axes)  # fmt: skip
            compare(row, {name: generator.standard_normal(shape) for name, shape in shapes.items()}, generator)


def compare(row, arrays, generator):
    tensors = leaves(arrays)
    expected = by_torch(row, tensors)
    C = generator.standard_normal(tuple(expected.shape))
    expected.backward(torch.tensor(C))
    slots = ",".join("NJPQ"[: C.ndim])
    network = Network(row.layer()(), f"total = C[{slots}] Y[{slots}]")
    found = network.evaluate("Y", {}, **arrays)
    np.testing.assert_allclose(found, expected.detach().numpy(), rtol=1e-11, atol=1e-12)
    _, grads = network.value_and_grad("total", wrt=tuple(arrays)).compile()({}, **arrays, C=C)
    for name, tensor in tensors.items():
        np.testing.assert_allclose(grads[name], tensor.grad.numpy(), rtol=1e-11, atol=1e-12, err_msg=name)


# ---- training --------------------------------------------------------------------------------------------------------

SIZES = (64, 64, 32, 10)


def classifier():
    return Network(
        layers.dense("Z1", X="X", W="W1", b="b1", j=64),
        layers.relu("A1", Z="Z1"),
        layers.dense("Z2", X="A1", W="W2", b="b2", j=32),
        layers.relu("A2", Z="Z2"),
        layers.dense("Z3", X="A2", W="W3", b="b3", j=10),
        layers.softmax("S", Z="Z3"),
        layers.cross_entropy("L", S="S", Y="Y"),
    )


def torch_loss(p, X, labels):
    A = X
    for number in (1, 2):
        A = F.relu(A @ p[f"W{number}"] + p[f"b{number}"])
    return F.cross_entropy(A @ p["W3"] + p["b3"], labels)


OPTIMISERS = {
    "sgd": (SGD(0.1), lambda params: torch.optim.SGD(params, lr=0.1)),
    "momentum": (Momentum(0.05), lambda params: torch.optim.SGD(params, lr=0.05, momentum=0.9)),
    "nesterov": (
        Momentum(0.05, nesterov=True),
        lambda params: torch.optim.SGD(params, lr=0.05, momentum=0.9, nesterov=True),
    ),
    "adam": (Adam(0.001), lambda params: torch.optim.Adam(params, lr=0.001)),
}


@pytest.mark.parametrize("name", OPTIMISERS)
def test_two_hundred_steps_stay_together(name):
    """Same first weights, same batches, float64: the loss and every parameter within 1e-10 relative."""
    generator = np.random.default_rng(0)
    X = generator.uniform(0, 1, (1000, 64))
    labels = generator.integers(0, 10, 1000)
    Y = np.eye(10)[labels]
    network = classifier()
    params = network.init(0, X=X)
    ours, theirs = OPTIMISERS[name]
    step, state = network.value_and_grad("L").compile(), ours.init(params)
    tensors = leaves(params)
    optimiser = theirs(list(tensors.values()))
    tolerance = 1e-10 if name != "adam" else 1e-8  # Adam divides by its own rounding where a gradient is zero
    order = [rows for _ in range(7) for rows in batches(1000, 32, generator)][:200]
    assert len(order) == 200
    for rows in order:
        loss, grads = step(params, X=X[rows], Y=Y[rows])
        params, state = ours.update(params, grads, state)
        optimiser.zero_grad()
        expected = torch_loss(tensors, torch.tensor(X[rows]), torch.tensor(labels[rows]))
        expected.backward()
        optimiser.step()
        assert abs(loss - expected.item()) <= tolerance * abs(expected.item())
    for parameter, tensor in tensors.items():
        value = tensor.detach().numpy()
        distance = np.linalg.norm(params[parameter] - value) / np.linalg.norm(value)
        assert distance <= tolerance, f"{parameter}: {distance}"
        np.testing.assert_allclose(params[parameter], value, rtol=tolerance, atol=tolerance * np.abs(value).max())
