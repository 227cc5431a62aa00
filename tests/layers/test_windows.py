"""Sliding windows against `scipy.signal`: every stride, dilation and padding, odd and even kernels, lengths that do not
divide; forward, backward and gradient pass.

A stride takes every s-th entry of what SciPy gives, and its transpose lays zeros between the entries of the cotangent;
a dilation lays them between the entries of the kernel.
"""

import itertools

import numpy as np
import pytest
from scipy import signal

from einstan import layers
from einstan.language.errors import EinstanError
from einstan.library.network import Network
from tests.layers import windows_by_hand

CLOSE = {"rtol": 1e-11, "atol": 1e-12}
PADDINGS = ("valid", "same", "full", (1, 2))


def stretched(x, steps):
    """Zeros between the entries along the last axes."""
    wide = np.zeros(
        (
            *x.shape[: x.ndim - len(steps)],
            *(s * (n - 1) + 1 for n, s in zip(x.shape[-len(steps) :], steps, strict=True)),
        )
    )
    wide[(..., *(slice(None, None, s) for s in steps))] = x
    return wide


def zeros_around(padding, kernel, dilation):
    reach = dilation * (kernel - 1)
    return {"valid": (0, 0), "full": (reach, reach), "same": (reach // 2, reach - reach // 2)}.get(padding, padding)


def by_scipy(X, W, zeros, stride, dilation, counts, flip):
    """Each pair of channels on its own, of which every s-th entry counts."""
    method = signal.convolve if flip else signal.correlate
    wide, kernel = np.pad(X, [(0, 0), (0, 0), *zeros]), stretched(W, dilation)
    keep = tuple(slice(0, s * (n - 1) + 1, s) for s, n in zip(stride, counts, strict=True))
    return np.array(
        [
            [
                sum(method(wide[n, i], kernel[j, i], "valid", method="direct") for i in range(X.shape[1]))[keep]
                for j in range(len(W))
            ]
            for n in range(len(X))
        ]
    )


def gradients_by_scipy(C, X, W, zeros, stride, dilation, flip):
    """The full convolution of the stretched cotangent with the kernel, and its correlation with the input."""
    wide = np.pad(X, [(0, 0), (0, 0), *zeros])
    kernel, spread = stretched(W, dilation), stretched(C, stride)
    full = signal.correlate if flip else signal.convolve
    inner = tuple(slice(b, b + n) for (b, _), n in zip(zeros, X.shape[2:], strict=True))
    short = [w - s - k + 1 for w, s, k in zip(wide.shape[2:], spread.shape[2:], kernel.shape[2:], strict=True)]
    spread = np.pad(spread, [(0, 0), (0, 0), *((0, more) for more in short)])  # windows that the stride leaves out
    dX = np.array(
        [
            [
                sum(full(spread[n, j], kernel[j, i], "full", method="direct") for j in range(len(W)))[inner]
                for i in range(X.shape[1])
            ]
            for n in range(len(X))
        ]
    )
    taps = tuple(slice(None, None, d) for d in dilation)
    turn = (slice(None, None, -1),) * len(stride) if flip else (slice(None),) * len(stride)
    dW = np.array(
        [
            [
                sum(signal.correlate(wide[n, i], spread[n, j], "valid", method="direct") for n in range(len(X)))[taps][
                    turn
                ]
                for i in range(X.shape[1])
            ]
            for j in range(len(W))
        ]
    )
    return dX, dW


def compare_with_scipy(make, axes, shapes, stride, dilation, padding):
    generator = np.random.default_rng(0)
    X, W, b = (generator.standard_normal(shape) for shape in shapes)
    kernel = W.shape[2:]
    given = padding if isinstance(padding, str) else [padding] * axes
    layer = make(stride=stride, dilation=dilation, padding=given, kernel=kernel if padding == "same" else None)
    assert all(verdict.proved for verdict in layer.report)
    zeros = [zeros_around(padding, k, d) for k, d in zip(kernel, dilation, strict=True)]
    reach = [
        n + low + high - d * (k - 1) for n, (low, high), d, k in zip(X.shape[2:], zeros, dilation, kernel, strict=True)
    ]
    counts = [(r - 1) // s + 1 for r, s in zip(reach, stride, strict=True)]
    slots = "NJPQ"[: 2 + axes]
    network = Network(layer(), f"total = C[{','.join(slots)}] Y[{','.join(slots)}]")
    if min(reach) <= 0:  # the window is longer than what it slides over
        with pytest.raises(EinstanError):
            network.evaluate("Y", {}, X=X, W=W, b=b)
        return
    flip = "convolution" in make.__name__
    expected = by_scipy(X, W, zeros, stride, dilation, counts, flip) + b.reshape(-1, *[1] * axes)
    np.testing.assert_allclose(network.evaluate("Y", {}, X=X, W=W, b=b), expected, **CLOSE)
    C = generator.standard_normal(expected.shape)
    _, found = network.value_and_grad("total", wrt=("X", "W", "b")).compile()({}, X=X, W=W, b=b, C=C)
    dX, dW = gradients_by_scipy(C, X, W, zeros, stride, dilation, flip)
    np.testing.assert_allclose(found["X"], dX, **CLOSE)
    np.testing.assert_allclose(found["W"], dW, **CLOSE)
    np.testing.assert_allclose(found["b"], C.sum(axis=(0, *range(2, C.ndim))), **CLOSE)


@pytest.mark.in_turn(3)
@pytest.mark.parametrize("padding", PADDINGS, ids=str)
@pytest.mark.parametrize("dilation", [1, 2, 3])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_along_one_axis(stride, dilation, padding):
    for kernel, length in itertools.product((1, 2, 3), (7, 10)):
        for make in (layers.correlation_1d, layers.convolution_1d):
            shapes = (2, 3, length), (2, 3, kernel), (2,)
            compare_with_scipy(make, 1, shapes, (stride,), (dilation,), padding)


@pytest.mark.in_turn(3)
@pytest.mark.parametrize("padding", PADDINGS, ids=str)
@pytest.mark.parametrize("dilation", [(1, 1), (2, 1), (3, 2)])
@pytest.mark.parametrize("stride", [(1, 1), (2, 3), (3, 1)])
def test_along_two_axes(stride, dilation, padding):
    for make in (layers.correlation_2d, layers.convolution_2d):
        compare_with_scipy(make, 2, ((2, 2, 7, 8), (3, 2, 2, 3), (3,)), stride, dilation, padding)


def test_a_window_that_is_longer_than_the_input_is_refused():
    network = Network(layers.correlation_1d()())
    with pytest.raises(EinstanError, match="inside"):
        network.evaluate("Y", {}, X=np.ones((1, 1, 2)), W=np.ones((1, 1, 3)), b=np.ones(1))
    network = Network(layers.correlation_1d(padding=1, stride=2)())
    with pytest.raises(EinstanError):
        network.evaluate("Y", {}, X=np.ones((1, 1, 2)), W=np.ones((1, 1, 9)), b=np.ones(1))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"stride": 0}, "stride"),
        ({"stride": (1, 2)}, "stride"),
        ({"dilation": 1.5}, "dilation"),
        ({"padding": "around"}, "padding"),
        ({"padding": -1}, "padding"),
        ({"padding": "same"}, "kernel"),
    ],
    ids=str,
)
def test_options_that_mean_nothing_are_refused(options, told):
    with pytest.raises(EinstanError, match=told) as caught:
        layers.correlation_1d(**options)
    assert caught.value.repair


# ---- the code that comes out of it -----------------------------------------------------------------------------------


@pytest.mark.parametrize("stride", [1, 2])
def test_a_correlation_is_matrix_products_on_strided_views(stride):
    shapes = {"X": (4, 3, 16, 17), "W": (5, 3, 3, 3), "b": (5,)}
    network = Network(layers.correlation_2d(stride=stride)(), "total = C[N,J,P,Q] Y[N,J,P,Q]")
    step = network.value_and_grad("total", wrt=("X", "W", "b")).compile()
    generator = np.random.default_rng(0)
    arrays = {name: generator.standard_normal(shape) for name, shape in shapes.items()}
    step({}, **arrays, C=np.ones_like(network.evaluate("Y", {}, **arrays)))
    source = step.source().partition("def step")[2]
    products = [line for line in source.splitlines() if "np.matmul(" in line or ".dot(" in line]
    assert 3 <= len(products) <= 4  # forward, backward, gradient, and perhaps the total
    assert source.count("window(") == 1  # the same window for the forward pass and for the gradient of the kernel
    for slow in ("for ", "np.einsum", "np.add.at", "arange", "=="):
        assert slow not in source, slow


def test_a_cotangent_is_laid_out_without_loops_where_windows_are_long():
    by_hand = windows_by_hand.correlate_gradients
    generator = np.random.default_rng(0)
    X, W, b = (generator.standard_normal(shape) for shape in ((2, 3, 200), (2, 3, 60), (2,)))
    network = Network(layers.correlation_1d(stride=3)(), "total = C[N,J,P] Y[N,J,P]")
    C = generator.standard_normal((2, 2, 47))
    step = network.value_and_grad("total", wrt=("X", "W")).compile()
    _, found = step({}, X=X, W=W, b=b, C=C)
    expected = by_hand(C, X, W, b, axes=((3, 1, 0, 0),))
    for name in ("X", "W"):
        np.testing.assert_allclose(found[name], expected[name], **CLOSE)
    assert len(step.source().partition("def step")[2].splitlines()) < 40
