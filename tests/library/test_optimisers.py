"""Optimisers against the formulas, one number at a time; initialisers and metrics beside them."""

import math

import numpy as np
import pytest

from einstan.language.errors import DataError
from einstan.library import initialise, metrics, optimisers
from einstan.library.optimisers import SGD, Adam, Cosine, Decay, Momentum

GRADIENTS = [0.5, -1.0, 0.25, 2.0]


def sgd(p):
    for g in GRADIENTS:
        p -= 0.1 * g
    return p


def momentum(p, nesterov=False):
    v = 0.0
    for g in GRADIENTS:
        v = 0.9 * v + g
        p -= 0.1 * (g + 0.9 * v if nesterov else v)
    return p


def adam(p):
    m = v = 0.0
    for t, g in enumerate(GRADIENTS, 1):
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        p -= 0.1 * (m / (1 - 0.9**t)) / (math.sqrt(v / (1 - 0.999**t)) + 1e-8)
    return p


@pytest.mark.parametrize(
    ("optimiser", "by_hand"),
    [
        (SGD(0.1), sgd),
        (Momentum(0.1), momentum),
        (Momentum(0.1, nesterov=True), lambda p: momentum(p, True)),
        (Adam(0.1), adam),
    ],
)
def test_against_the_formula(optimiser, by_hand):
    params = {"W": np.array([3.0]), "b": np.array(1.0)}
    state = optimiser.init(params)
    for g in GRADIENTS:
        before = {name: array.copy() for name, array in (params | state).items()}
        kept = params | state
        params, state = optimiser.update(params, {"W": np.array([g]), "b": np.array(g)}, state)
        assert all((kept[name] == before[name]).all() for name in kept), "an array was changed in place"
    assert params["W"][0] == pytest.approx(by_hand(3.0), rel=1e-14)
    assert params["b"] == pytest.approx(by_hand(1.0), rel=1e-14)
    assert state["step"] == len(GRADIENTS)


@pytest.mark.parametrize("optimiser", [SGD(), Momentum(), Adam()])
def test_dtype_is_kept(optimiser):
    params = {"W": np.ones(2, dtype=np.float32)}
    params, state = optimiser.update(params, {"W": np.ones(2, dtype=np.float32)}, optimiser.init(params))
    assert {a.dtype for name, a in (params | state).items() if name != "step"} == {np.dtype(np.float32)}


def test_by_name():
    assert optimisers.optimiser("nesterov", 0.2) == Momentum(0.2, nesterov=True)
    with pytest.raises(DataError) as caught:
        optimisers.optimiser("adm", 0.1)
    assert caught.value.repair == ("did you mean adam?",)


def test_schedules():
    assert [round(Cosine(5)(epoch), 6) for epoch in range(6)] == [1, 0.853553, 0.5, 0.146447, 0, 0]
    assert [Decay(0.5, 2)(epoch) for epoch in range(5)] == [1, 1, 0.5, 0.5, 0.25]


# ---- initialisers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("choice", "deviation"),
    [
        ("he", math.sqrt(2 / 400)),
        ("lecun", math.sqrt(1 / 400)),
        ("glorot", math.sqrt(2 / 700)),
        ("zeros", 0.0),
        (initialise.normal(0.3), 0.3),
        (initialise.uniform(-1, 1), math.sqrt(1 / 3)),
        (initialise.constant(2.0), 0.0),
    ],
)
def test_spread(choice, deviation):
    value = initialise.draw("W", (400, 300), choice, 0, float)
    assert value.std() == pytest.approx(deviation, rel=0.01)


def test_draws_depend_on_seed_and_name_alone():
    first = initialise.draw("W1", (3, 2), "he", 0, float)
    assert (first == initialise.draw("W1", (3, 2), "he", 0, float)).all()
    assert (first != initialise.draw("W2", (3, 2), "he", 0, float)).all()
    assert (first != initialise.draw("W1", (3, 2), "he", 1, float)).all()
    assert (first.astype(np.float32) == initialise.draw("W1", (3, 2), "he", 0, np.float32)).all()


def test_unknown_initialiser():
    with pytest.raises(DataError) as caught:
        initialise.initialiser("glorott")
    assert caught.value.repair == ("did you mean glorot?",)
    with pytest.raises(DataError) as caught:
        initialise.draw("W", (2,), lambda shape, generator: np.zeros(3), 0, float)
    assert caught.value.problem == "the initialiser of W gave shape (3,), where (2,) is needed"


# ---- metrics ---------------------------------------------------------------------------------------------------------


def test_metrics():
    scores, labels = np.array([[0.1, 0.9], [0.8, 0.2], [0.4, 0.6]]), np.array([1, 1, 1])
    assert metrics.accuracy().compute(scores, labels) == pytest.approx(2 / 3)
    assert metrics.accuracy().compute(scores, np.eye(2)[labels]) == pytest.approx(2 / 3)
    assert metrics.error().compute(np.array([1.0, 2.0]), np.array([0.0, 4.0])) == 1.5
    assert metrics.confusion(scores, labels, 2).tolist() == [[0, 0], [1, 2]]
