"""JAX as an oracle: every layer and its gradients, Jacobians against declared partials, and Hessians."""

import numpy as np
import pytest

from einstan import layers
from einstan.calculus.partial import partial
from einstan.calculus.program import Program
from einstan.library.network import Network
from einstan.machine.loops import evaluate
from tests.layers.rows import ROWS

jax = pytest.importorskip("jax", exc_type=ImportError)
jnp = pytest.importorskip("jax.numpy", exc_type=ImportError)


@pytest.fixture(autouse=True)
def _double_precision():
    before = jax.config.read("jax_enable_x64")
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


BY_JAX = {
    "dense": lambda X, W, b: X @ W + b,
    "relu": lambda Z: jax.nn.relu(Z),
    "sigmoid": lambda Z: jax.nn.sigmoid(Z),
    "tanh": lambda Z: jnp.tanh(Z),
    "softmax": lambda Z: jax.nn.softmax(Z, axis=1),
    "cross_entropy": lambda S, Y: -(Y * jnp.log(S)).sum(axis=1).mean(),
    "mean_squared_error": lambda O, Y: ((O - Y) ** 2).mean(),
    "binary_cross_entropy": lambda P, Y: -(Y * jnp.log(P) + (1 - Y) * jnp.log1p(-P)).mean(),
}


def jacobian(row, name, arrays):
    others = {other: array for other, array in arrays.items() if other != name}
    return np.asarray(jax.jacobian(lambda value: BY_JAX[row.name](**others, **{name: value}))(arrays[name]))


def as_array(tensor):
    return np.array(tensor.flat, dtype=float).reshape(tensor.shape)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_forward_and_backward(row):
    arrays, cotangent = row.arrays(), row.cotangent()
    expected, pull = jax.vjp(lambda given: BY_JAX[row.name](**given), arrays)
    (gradients,) = pull(jnp.asarray(cotangent))
    slots = ",".join("NJ"[: cotangent.ndim])
    access = f"[{slots}]" if slots else ""
    network = Network(row.layer()(), f"total = C{access} {row.output}{access}")
    np.testing.assert_allclose(network.evaluate(row.output, {}, **arrays), expected, rtol=1e-12, atol=1e-14)
    _, grads = network.value_and_grad("total", wrt=tuple(arrays)).compile()({}, **arrays, C=cotangent)
    for name in arrays:
        np.testing.assert_allclose(grads[name], gradients[name], rtol=1e-11, atol=1e-13, err_msg=name)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_declared_partials_are_jacobians(row):
    layer, arrays = row.layer(), row.arrays()
    for name in layer.inputs:
        for equation in (layer.declared[name], layer.derived(name)):
            found = evaluate(Program((*layer.program.equations, equation)), arrays)[equation.name]
            np.testing.assert_allclose(
                as_array(found), jacobian(row, name, arrays), rtol=1e-11, atol=1e-13, err_msg=str(equation)
            )


@pytest.mark.parametrize("row", [row for row in ROWS if row.output == "L"], ids=str)
def test_hessians_of_losses(row):
    layer, arrays = row.layer(), row.arrays()
    name = layer.inputs[-1] if row.name == "cross_entropy" else layer.inputs[0]
    first = partial(layer.equation, name)
    if name not in {str(read) for read in Program((first,)).inputs}:
        name = next(other for other in layer.inputs if other != name)
        first = partial(layer.equation, name)
    second = partial(first, name)
    found = evaluate(Program((*layer.program.equations, second)), arrays)[second.name]
    others = {other: array for other, array in arrays.items() if other != name}
    expected = jax.hessian(lambda value: BY_JAX[row.name](**others, **{name: value}))(arrays[name])
    np.testing.assert_allclose(as_array(found), expected, rtol=1e-10, atol=1e-12)


def test_there_is_an_oracle_for_every_layer():
    assert sorted(BY_JAX) == sorted(layers.__all__)
