"""Models as strangers write them, trained for fifty steps by every route, against PyTorch in float64."""

import itertools
from functools import cache

import numpy as np
import pytest

import einstan as es
from einstan.library.data import batches
from einstan.library.optimisers import SGD, Adam, Momentum
from tests.oracles.models.rows import MODELS

torch = pytest.importorskip("torch", exc_type=ImportError)

from tests.oracles.models import classifiers, factors, networks, physics, regressions  # noqa: E402, F401

STEPS = 50
TOLERANCE = 1e-10

every_model = pytest.mark.parametrize("model", MODELS, ids=str)


def test_there_are_many_and_no_two_are_one():
    assert len(MODELS) >= 40
    assert len({model.name for model in MODELS}) == len({model.text for model in MODELS}) == len(MODELS)


# ---- PyTorch ---------------------------------------------------------------------------------------------------------


def optimisers(model):
    """Ours, and what makes PyTorch's.  Adam's ε keeps what is rounding of zero from being divided by itself."""
    rate = model.rate
    return {
        "sgd": (SGD(rate), lambda leaves: torch.optim.SGD(leaves, lr=rate)),
        "momentum": (Momentum(rate / 4), lambda leaves: torch.optim.SGD(leaves, lr=rate / 4, momentum=0.9)),
        "adam": (Adam(0.01, epsilon=1e-4), lambda leaves: torch.optim.Adam(leaves, lr=0.01, eps=1e-4)),
    }


class Trained:
    """What fifty steps end with: every loss before its step, and the parameters."""

    def __init__(self, params):
        self.losses, self.params = [], params

    def agrees(self, other):
        assert len(self.losses) == len(other.losses)
        np.testing.assert_allclose(
            self.losses, other.losses, rtol=TOLERANCE, atol=TOLERANCE * np.abs(other.losses).max()
        )
        for name, expected in other.params.items():
            scale = np.abs(expected).max(initial=0)
            np.testing.assert_allclose(self.params[name], expected, rtol=0, atol=TOLERANCE * scale, err_msg=name)


def torch_scalar(model, params, data):
    """The model by hand; its constants are float64 too."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        return model.torch(**params, **{name: torch.tensor(array) for name, array in data.items()})
    finally:
        torch.set_default_dtype(before)


def by_torch(model, optimiser, cuts):
    """The given cuts of the data, one step for each."""
    params = {name: torch.tensor(array, requires_grad=True) for name, array in model.arrays()[0].items()}
    steps, trained = optimisers(model)[optimiser][1](list(params.values())), Trained({})
    for data in cuts:
        steps.zero_grad()
        loss = torch_scalar(model, params, data)
        loss.backward()
        steps.step()
        trained.losses.append(loss.item())
    trained.params = {name: tensor.detach().numpy() for name, tensor in params.items()}
    return trained


@cache
def expected(model, optimiser):
    return by_torch(model, optimiser, [model.arrays()[1]] * STEPS)


# ---- routes ----------------------------------------------------------------------------------------------------------


@cache
def made(model):
    return es.Network(model.text, parameters=dict.fromkeys(model.learn, "zeros")).value_and_grad(model.loss)


def by_hand(model, optimiser, gradients):
    """Fifty times ``gradients(params, data) -> loss, {name: gradient}``, and the update by the optimiser's formula."""
    params, data = model.arrays()
    ours = optimisers(model)[optimiser][0]
    state, trained = ours.init(params), Trained(params)
    for _ in range(STEPS):
        loss, grads = gradients(params, data)
        params, state = ours.update(params, {name: np.array(g) for name, g in grads.items()}, state)
        trained.losses.append(float(loss))
    trained.params = params
    return trained


def step(**options):
    """A compiled scalar with its gradients."""

    def route(model):
        compiled = made(model).compile(**options)
        return by_hand(model, "sgd", lambda params, data: compiled(params, **data))

    return route


def backward(model):
    """The derived equations compiled as a program of their own, and the forward pass as another."""
    network = made(model).network
    scalar = network.program.compile(outputs=[model.loss], fast=False)
    pulled = network.backward(model.loss).compile(outputs=[f"d{name}" for name in model.learn], fast=False)

    def gradients(params, data):
        arrays = {name: array for name, array in {**params, **data}.items() if name in pulled.texts}
        found = pulled(arrays)
        return scalar({**params, **data})[model.loss], {name: found[f"d{name}"] for name in params}

    return by_hand(model, "sgd", gradients)


def text_of(first_call):
    """The code run as a text by itself: of the shapes of a call, or of any."""

    def route(model):
        compiled = made(model).compile(fast=False, any_size=not first_call)
        params, data = model.arrays()
        compiled(params, **data)
        namespace = {}
        exec(compiled.source(), namespace)

        def gradients(params, data):
            arrays = {**params, **data}
            loss, *grads = namespace["step"](*(np.asarray(arrays[name]) for name in compiled.compiled.texts))
            return loss, dict(zip(compiled.wrt, grads, strict=True))

        return by_hand(model, "sgd", gradients)

    return route


ROUTES = {
    "compiled": step(fast=False),
    "compiled for any size": step(fast=False, any_size=True),
    "buffers used again": step(fast=False, reuse_buffers=True),
    "the equations of the backward pass": backward,
    "the text of the code": text_of(True),
    "the text of the code for any size": text_of(False),
}


@every_model
@pytest.mark.parametrize("route", ROUTES)
def test_gradients_trained_by_hand(model, route):
    ROUTES[route](model).agrees(expected(model, "sgd"))


def updated(model, optimiser, **options):
    """A step that ends with the update of its parameters."""
    params, data = model.arrays()
    ours = optimisers(model)[optimiser][0]
    compiled, state, trained = made(model).compile(update=ours, **options), ours.init(params), Trained(params)
    for _ in range(STEPS):
        loss, params, state = compiled(params, state, **data)
        trained.losses.append(float(loss))
    trained.params = params
    return trained


@every_model
@pytest.mark.parametrize("optimiser", ["sgd", "momentum", "adam"])
@pytest.mark.parametrize("reuse_buffers", [False, True], ids=["fresh", "used again"])
def test_steps_that_update(model, optimiser, reuse_buffers):
    updated(model, optimiser, fast=False, reuse_buffers=reuse_buffers).agrees(expected(model, optimiser))


# ---- fit: the same batches in the same order -------------------------------------------------------------------------


def cuts(model, batch, epochs):
    data = model.arrays()[1]
    generator = np.random.default_rng(0)
    rows = len(data[model.examples[0]])
    order = itertools.chain.from_iterable(batches(rows, batch, generator) for _ in range(epochs))
    return [{name: a[chosen] if name in model.examples else a for name, a in data.items()} for chosen in order]


@pytest.mark.parametrize("model", [model for model in MODELS if model.examples], ids=str)
@pytest.mark.parametrize(
    ("optimiser", "share"), [("sgd", 1), ("sgd", 2), ("adam", 2)], ids=["sgd-whole", "sgd-halves", "adam-halves"]
)
def test_fit(model, optimiser, share):
    params, data = model.arrays()
    batch = -(-len(data[model.examples[0]]) // share)
    data = {name: data[name] for name in (*model.examples, *(name for name in data if name not in model.examples))}
    ours = optimisers(model)[optimiser][0]
    history = es.fit(
        made(model).network, model.loss, data, params=params, epochs=STEPS // share, batch=batch, optimiser=ours, seed=0
    )
    pieces = cuts(model, batch, STEPS // share)
    reference = by_torch(model, optimiser, pieces)
    trained = Trained(history.params)
    sizes = [len(piece[model.examples[0]]) for piece in pieces]
    weighted = np.multiply(reference.losses, sizes).reshape(-1, share).sum(1) / sum(sizes[:share])
    trained.losses, reference.losses = [row["loss"] for row in history.rows], list(weighted)
    trained.agrees(reference)


# ---- numba: a sample, since compiling takes its time -----------------------------------------------------------------


@pytest.mark.numba
@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS[::8], ids=str)
def test_loops_that_numba_compiles(model):
    step(fast=True)(model).agrees(expected(model, "sgd"))
    updated(model, "adam", fast=True, reuse_buffers=True).agrees(expected(model, "adam"))
