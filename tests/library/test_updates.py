"""A step that ends with the update of its parameters, against the gradients and `Optimiser.update`."""

import re

import numpy as np
import pytest

from einstan.language.errors import DataError
from einstan.layers import cross_entropy, dense, relu, softmax
from einstan.library.network import Network
from einstan.library.optimisers import SGD, Adam, Momentum

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
        pytest.param({"fast": True, "reuse_buffers": True}, marks=[pytest.mark.numba, pytest.mark.slow]),
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


# ---- against the update by hand --------------------------------------------------------------------------------------

RNG = np.random.default_rng(0)
y, x, X, U, C = (RNG.normal(size=shape) for shape in ((4,), (4,), (4, 3), (4, 2), (4, 2, 3)))
# Names that rules have for parts of their own, that derivatives have, that indices have, and some that nothing has.
NAMES = ["w", "P", "G", "V", "M", "rate", "second", "m", "v", "i", "dw", "θ", "step", "new"]
RANKS = {  # by rank: a program of one parameter p, its value, its gradient, and data
    0: ("z[k] = p y[k]\nL = 1/2 (z[K] - x[K])^2", RNG.normal(size=()), lambda p: ((p * y - x) * y).sum(), "xy"),
    1: ("z[k] = X[k,A] p[A]\nL = 1/2 (z[K] - y[K])^2", RNG.normal(size=3), lambda p: X.T @ (X @ p - y), "Xy"),
    2: ("Z[k,b] = X[k,A] p[A,b]\nL = 1/2 (Z[K,B] - U[K,B])^2", RNG.normal(size=(3, 2)),
        lambda p: X.T @ (X @ p - U), "XU"),
    3: ("L = 1/2 (p[K,B,A] - C[K,B,A])^2", RNG.normal(size=(4, 2, 3)), lambda p: p - C, "C"),
}  # fmt: skip
DATA = {"x": x, "y": y, "X": X, "U": U, "C": C}


def by_hand(optimiser, p, g, state, t):
    """One update of one parameter: it, and what the optimiser remembers of it."""
    if isinstance(optimiser, SGD):
        return p - 0.1 * g, ()
    if isinstance(optimiser, Momentum):
        v = 0.9 * state[0] + g
        return p - 0.1 * (g + 0.9 * v if optimiser.nesterov else v), (v,)
    m, v = 0.9 * state[0] + 0.1 * g, 0.999 * state[1] + 0.001 * g**2
    return p - 0.1 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8), (m, v)


def assert_updates(text, params, gradients, data, optimiser):
    """Three updates of some parameters; ``gradients`` takes all of them and gives theirs."""
    net = Network(text, parameters=dict.fromkeys(params, "zeros"))
    step = net.value_and_grad("L", wrt=list(params)).compile(update=optimiser, fast=False)
    found, state = dict(params), optimiser.init(params)
    wanted, remembered = dict(params), dict.fromkeys(params, (0.0, 0.0))
    for t in (1, 2, 3):
        _, found, state = step(found, state, **data)
        grads = gradients(wanted)
        for name in params:
            wanted[name], remembered[name] = by_hand(optimiser, wanted[name], grads[name], remembered[name], t)
            np.testing.assert_allclose(found[name], wanted[name], rtol=1e-10, atol=1e-12)
            for prefix, value in zip(optimiser.rule.states.values(), remembered[name], strict=True):
                np.testing.assert_allclose(state[f"{prefix}.{name}"], value, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("optimiser", OPTIMISERS, ids=str)
@pytest.mark.parametrize("rank", RANKS)
def test_the_update_is_that_by_hand_whatever_a_parameter_is_called(rank, optimiser):
    text, value, gradient, data = RANKS[rank]
    for name in NAMES:
        said = re.sub(r"\bp\b", name, text)
        given = {each: DATA[each] for each in data}
        assert_updates(said, {name: value}, lambda params, name=name: {name: gradient(params[name])}, given, optimiser)


@pytest.mark.parametrize("optimiser", OPTIMISERS, ids=str)
def test_several_parameters_of_all_ranks(optimiser):
    for one, other in (("P", "G"), ("G", "V"), ("V", "M"), ("rate", "second"), ("m", "v"), ("M", "rate"), ("i", "P")):

        def gradients(params, one=one, other=other):
            rest = X @ params[one] + params[other] - y
            return {one: X.T @ rest, other: rest.sum(), "W": U}

        text = f"z[k] = X[k,A] {one}[A] + {other}\nL = 1/2 (z[K] - y[K])^2 + U[K,B] W[K,B]"
        params = {one: RNG.normal(size=3), other: np.array(0.3), "W": RNG.normal(size=(4, 2))}
        assert_updates(text, params, gradients, {"X": X, "y": y, "U": U}, optimiser)


@pytest.mark.parametrize("optimiser", OPTIMISERS, ids=str)
def test_data_that_are_called_as_parts_of_a_rule(optimiser):
    text = "z[k] = rate[k] w\nL = 1/2 (z[K] - P[K])^2 second + 3 s G"
    data = {"rate": y, "P": x, "second": np.array(2.0), "G": np.array(0.5)}

    def gradients(params):
        return {"w": 2 * ((params["w"] * y - x) * y).sum(), "s": np.array(1.5)}

    assert_updates(text, {"w": np.array(0.3), "s": np.array(0.2)}, gradients, data, optimiser)
