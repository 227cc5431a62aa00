"""A step that ends with the update of its parameters, against the gradients and `Optimiser.update`."""

import importlib.util

import numpy as np
import pytest

from einstan.language.errors import DataError
from einstan.layers import cross_entropy, dense, relu, softmax
from einstan.library.network import Network
from einstan.library.optimisers import SGD, Adam, Momentum

needs_numba = pytest.mark.skipif(importlib.util.find_spec("numba") is None, reason="numba is not installed")
OPTIMISERS = [SGD(0.1), Momentum(0.1), Momentum(0.1, nesterov=True), Adam(0.1)]


def network():
    return Network(
        dense("H", X="X", W="W1", b="b1", j=16),
        relu("A", Z="H"),
        dense("Z", X="A", W="W2", b="b2", j=4),
        softmax("S", Z="Z"),
        cross_entropy("L", S="S", Y="Y"),
    )


def data(dtype=float, rows=8):
    rng = np.random.default_rng(0)
    return {"X": rng.random((rows, 5)).astype(dtype), "Y": np.eye(4, dtype=dtype)[rng.integers(0, 4, rows)]}


@pytest.mark.parametrize(
    "options",
    [
        {"fast": False},
        {"fast": False, "reuse_buffers": True},
        {"any_size": True},
        pytest.param({"fast": True, "reuse_buffers": True}, marks=[needs_numba, pytest.mark.slow]),
    ],
    ids=str,
)
@pytest.mark.parametrize("optimiser", OPTIMISERS, ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_update_is_that_of_the_optimiser(optimiser, options, dtype):
    net, given = network(), data(dtype)
    params = net.init(0, dtype, **given)
    first = {name: array.copy() for name, array in params.items()}
    gradients = net.value_and_grad("L")
    step, plain = gradients.compile(update=optimiser, **options), gradients.compile(fast=False)
    state = optimiser.init(params)
    wanted, wanted_state = params, state
    for scale in (1.0, 0.5, 0.5, 1.0):
        loss, new, state = step(params, state, scale, **given)
        wanted_loss, grads = plain(wanted, **given)
        wanted, wanted_state = optimiser.update(wanted, grads, wanted_state, scale)
        tolerance = {"rtol": 1e-11, "atol": 1e-13} if dtype is np.float64 else {"rtol": 2e-4, "atol": 2e-6}
        np.testing.assert_allclose(loss, wanted_loss, **tolerance)
        assert list(new) == list(params)
        assert state.keys() == wanted_state.keys()
        for name in new:
            assert new[name].dtype == dtype
            np.testing.assert_allclose(new[name], wanted[name], **tolerance, err_msg=name)
        for name in state:
            np.testing.assert_allclose(state[name], wanted_state[name], **tolerance, err_msg=name)
        params = new
    again = net.init(0, dtype, **given)
    assert all((first[name] == again[name]).all() for name in first), "parameters that were given were written to"


def test_the_rate_is_folded_into_the_cotangent():
    net, given = network(), data()
    params = net.init(0, **given)
    step = net.value_and_grad("L").compile(update=SGD(0.1), fast=False)
    step(params, SGD(0.1).init(params), **given)
    body = step.source()[step.source().index("def step(") :]
    assert body.count("rate /") == 1
    assert "np.multiply(rate" not in body
    assert body.count("np.subtract(W") == 2


def test_a_step_says_what_it_takes():
    net, given = network(), data()
    params = net.init(0, **given)
    with pytest.raises(DataError, match="takes the state"):
        net.value_and_grad("L").compile(update=SGD())(params, **given)
    with pytest.raises(DataError, match="takes no state"):
        net.value_and_grad("L").compile()(params, {}, **given)
    with pytest.raises(DataError, match="does not say its update"):
        net.value_and_grad("L").compile(update=object())


def test_assumptions_are_checked_within_the_step():
    net, given = network(), data()
    params = net.init(0, **given)
    for step in (net.value_and_grad("L").compile(), net.value_and_grad("L").compile(update=SGD())):
        rest = (SGD().init(params),) if step.update else ()
        step(params, *rest, **given)
        with pytest.raises(DataError, match="breaks an assumption"):
            step(params, *rest, **{**given, "Y": 2 * given["Y"]})
        with pytest.raises(DataError, match="breaks an assumption"):
            step(params, *rest, **{**given, "Y": np.full_like(given["Y"], np.nan)})


def test_a_parameter_that_is_not_trained_stays():
    net, given = network(), data()
    params = net.init(0, **given)
    _, new, _ = net.value_and_grad("L", wrt=["W2"]).compile(update=SGD())(params, SGD().init(params), **given)
    assert new.keys() == params.keys()
    assert new["W1"] is params["W1"]
    assert (new["W2"] != params["W2"]).any()
