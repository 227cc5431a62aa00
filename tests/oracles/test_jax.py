"""JAX as an oracle: every layer and its gradients, Jacobians against declared partials, and Hessians."""

import numpy as np
import pytest

from einstan import layers
from einstan.calculus.partial import partial
from einstan.calculus.program import Program
from einstan.library.network import Network
from einstan.machine.meaning.loops import evaluate
from tests.layers.rows import ROWS

jax = pytest.importorskip("jax", exc_type=ImportError)
jnp = pytest.importorskip("jax.numpy", exc_type=ImportError)


@pytest.fixture(autouse=True)
def _double_precision():
    before = jax.config.read("jax_enable_x64")
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


def attend(Q, M, V, causal):
    products = Q @ M.T / jnp.sqrt(Q.shape[1])
    seen = jnp.tril(jnp.ones_like(products)) if causal else jnp.ones_like(products)
    return jax.nn.softmax(jnp.where(seen > 0, products, -jnp.inf), axis=1) @ V


BY_JAX = {
    "dense": lambda X, W, b: X @ W + b,
    "relu": lambda Z: jax.nn.relu(Z),
    "sigmoid": lambda Z: jax.nn.sigmoid(Z),
    "tanh": lambda Z: jnp.tanh(Z),
    "softmax": lambda Z: jax.nn.softmax(Z, axis=1),
    "cross_entropy": lambda S, Y: -(Y * jnp.log(S)).sum(axis=1).mean(),
    "mean_squared_error": lambda O, Y: ((O - Y) ** 2).mean(),
    "binary_cross_entropy": lambda P, Y: -(Y * jnp.log(P) + (1 - Y) * jnp.log1p(-P)).mean(),
    "softplus": lambda Z: jax.nn.softplus(Z),
    "gelu": lambda Z: jax.nn.gelu(Z, approximate=False),
    "gelu_tanh": lambda Z: jax.nn.gelu(Z, approximate=True),
    "log_softmax": lambda Z: jax.nn.log_softmax(Z, axis=1),
    "layer_norm": lambda X, g, b: jax.nn.standardize(X, axis=1, epsilon=1e-5) * g + b,
    "cosine_similarity": lambda X, Y: (X * Y).sum(1) / (jnp.linalg.norm(X, axis=1) * jnp.linalg.norm(Y, axis=1)),
    "attention": lambda Q, M, V: attend(Q, M, V, False),
    "causal_attention": lambda Q, M, V: attend(Q, M, V, True),
    "embedding": lambda E, T: jnp.take(E, T, axis=0),
    "huber": lambda O, Y: jnp.where(abs(O - Y) < 0.75, (O - Y) ** 2 / 2, 0.75 * (abs(O - Y) - 0.375)).mean(),
    "kl_divergence": lambda P, Q: (P * (jnp.log(P) - jnp.log(Q))).sum(axis=1).mean(),
}


def correlate(row, X, W, b):
    spatial = "HW"[: len(row.axes)]
    zeros = [axis[2:] for axis in row.axes]
    found = jax.lax.conv_general_dilated(
        X, W, [axis[0] for axis in row.axes], zeros, rhs_dilation=[axis[1] for axis in row.axes],
        dimension_numbers=(f"NC{spatial}", f"OI{spatial}", f"NC{spatial}"),
    )  # fmt: skip
    return found + b.reshape(-1, *[1] * len(row.axes))


def transpose(row, X, W, b):
    """A correlation of the stretched input with the kernel turned round."""
    spatial = "HW"[: len(row.axes)]
    more = row.options.get("more", 0)
    zeros = [
        (d * (k - 1) - before, d * (k - 1) - after + more)
        for k, (_, d, before, after) in zip(W.shape[2:], row.axes, strict=True)
    ]
    found = jax.lax.conv_general_dilated(
        X, jnp.flip(W, range(2, W.ndim)), [1] * len(row.axes), zeros, lhs_dilation=[axis[0] for axis in row.axes],
        rhs_dilation=[axis[1] for axis in row.axes], dimension_numbers=(f"NC{spatial}", f"IO{spatial}", f"NC{spatial}"),
    )  # fmt: skip
    return found + b.reshape(-1, *[1] * len(row.axes))


def pool(row, X, best):
    """Every window gathered, since JAX cannot differentiate its own when it is dilated."""
    window = row.options["window"]
    window = (window,) * len(row.axes) if isinstance(window, int) else window
    X = jnp.pad(X, [(0, 0), (0, 0), *(axis[2:] for axis in row.axes)])
    for k, (size, (stride, dilation, _, _)) in enumerate(zip(window, row.axes, strict=True)):
        count = (X.shape[2 + k] - dilation * (size - 1) - 1) // stride + 1
        at = stride * np.arange(count) + dilation * np.arange(size)[:, None]
        X = jnp.moveaxis(jnp.take(X, at, axis=2 + k), 2 + k, -1)
    offsets = tuple(range(-len(window), 0))
    return X.max(axis=offsets) if best else X.mean(axis=offsets)


WINDOWS_BY_JAX = {
    "correlation": correlate,
    "convolution": lambda row, X, W, b: correlate(row, X, jnp.flip(W, range(2, W.ndim)), b),
    "transposed_convolution": transpose,
    "max_pool": lambda row, X: pool(row, X, True),
    "average_pool": lambda row, X: pool(row, X, False),
}


def by_jax(row, arrays):
    if not row.axes:
        return BY_JAX[row.name](**arrays)
    return WINDOWS_BY_JAX[row.name[: -len("_1d")]](row, **arrays)


def jacobian(row, name, arrays):
    others = {other: array for other, array in arrays.items() if other != name}
    return np.asarray(jax.jacobian(lambda value: by_jax(row, {**others, name: value}))(arrays[name]))


def as_array(tensor):
    return np.array(tensor.flat, dtype=float).reshape(tensor.shape)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_forward_and_backward(row):
    arrays, cotangent = row.arrays(), row.cotangent()
    values = {name: arrays[name] for name in row.wrt}
    expected, pull = jax.vjp(lambda given: by_jax(row, {**arrays, **given}), values)
    (gradients,) = pull(jnp.asarray(cotangent))
    access = f"[{row.slots}]" if row.slots else ""
    network = Network(row.layer()(), f"total = C{access} {row.output}{access}")
    np.testing.assert_allclose(network.evaluate(row.output, {}, **arrays), expected, rtol=1e-12, atol=1e-14)
    _, grads = network.value_and_grad("total", wrt=row.wrt).compile()({}, **arrays, C=cotangent)
    for name in row.wrt:
        np.testing.assert_allclose(grads[name], gradients[name], rtol=1e-11, atol=1e-13, err_msg=name)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_declared_partials_are_jacobians(row):
    layer, arrays = row.layer(), row.arrays()
    for name in row.wrt:
        for equation in (layer.declared[name], layer.derived(name)):
            found = evaluate(Program((*layer.program.equations, equation)), arrays)[equation.name]
            np.testing.assert_allclose(
                as_array(found), jacobian(row, name, arrays), rtol=1e-11, atol=1e-13, err_msg=str(equation)
            )


@pytest.mark.parametrize("row", [row for row in ROWS if row.output == "L"], ids=str)
def test_hessians_of_losses(row):
    layer, arrays = row.layer(), row.arrays()
    name = layer.inputs[-1] if row.name == "cross_entropy" else layer.inputs[0]
    definitions = {e.name: e for e in layer.program if e.name != layer.output}
    first = partial(layer.equation, name, definitions=definitions)
    if name not in {str(read) for read in Program((first,)).inputs}:
        name = next(other for other in layer.inputs if other != name)
        first = partial(layer.equation, name, definitions=definitions)
    second = partial(first, name, definitions=definitions)
    found = evaluate(Program((*layer.program.equations, second)), arrays)[second.name]
    others = {other: array for other, array in arrays.items() if other != name}
    expected = jax.hessian(lambda value: by_jax(row, {**others, name: value}))(arrays[name])
    np.testing.assert_allclose(as_array(found), expected, rtol=1e-10, atol=1e-12)


def test_there_is_an_oracle_for_every_layer():
    windows = [f"{kind}_{axes}d" for kind in WINDOWS_BY_JAX for axes in (1, 2)]
    assert sorted([*BY_JAX, *windows]) == sorted(layers.__all__)
