"""Training: resumed bit for bit, stopped early, stopped by what is not finite, interrupted; nothing is lost."""

import numpy as np
import pytest

from einstan.language.errors import DataError, EinstanError
from einstan.layers import cross_entropy, dense, mean_squared_error, softmax, tanh
from einstan.library.callbacks import Callback, Saver
from einstan.library.metrics import accuracy
from einstan.library.network import Network
from einstan.library.optimisers import SGD, Adam, Cosine, Momentum
from einstan.library.state import load
from einstan.library.training import Interrupted, TrainingError, fit


def network():
    return Network(
        dense("H", X="X", W="W1", b="b1", j=8),
        tanh("A", Z="H"),
        dense("Z", X="A", W="W2", b="b2"),
        softmax("S", Z="Z"),
        cross_entropy("L", S="S", Y="Y"),
    )


def data(rows=90, seed=0):
    generator = np.random.default_rng(seed)
    labels = np.arange(rows) % 3
    return {"X": generator.standard_normal((rows, 2)) + 2 * np.eye(3, 2)[labels], "Y": np.eye(3)[labels]}


def same(left, right):
    assert left.keys() == right.keys()
    for name in left:
        assert left[name].tobytes() == right[name].tobytes(), name


OPTIONS = {"validation": data(30, 1), "metrics": (accuracy(),), "batch": 16, "patience": 50}


@pytest.mark.parametrize("optimiser", [SGD(0.1), Momentum(0.05), Momentum(0.05, nesterov=True), Adam(0.01)], ids=str)
@pytest.mark.parametrize("by_file", [False, True])
def test_resumed_bit_for_bit(tmp_path, optimiser, by_file):
    options = {**OPTIONS, "optimiser": optimiser, "schedule": Cosine(10)}
    whole = fit(network(), "L", data(), epochs=10, **options)
    half = fit(network(), "L", data(), epochs=5, **options)
    if by_file:
        half.state.save(tmp_path / "half.npz")
    rest = fit(network(), "L", data(), epochs=10, resume=tmp_path / "half.npz" if by_file else half.state, **options)
    same(rest.state.params, whole.state.params)
    same(rest.state.optimiser, whole.state.optimiser)
    same(rest.state.best, whole.state.best)
    for column in ("loss", "val_loss", "val_accuracy", "rate"):
        assert rest[column] == whole[column]
    assert half.state.epoch == 5
    assert rest.state.generator.random() == whole.state.generator.random()


def test_it_learns():
    history = fit(network(), "L", data(), epochs=30, optimiser=Momentum(0.1), **{**OPTIONS, "patience": None})
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    assert history["val_accuracy"][-1] > 0.8
    assert len(history) == 30
    assert history.stopped == ""


def test_the_same_seed_is_the_same_run():
    first, second = (fit(network(), "L", data(), epochs=3, seed=4) for _ in range(2))
    same(first.params, second.params)
    assert fit(network(), "L", data(), epochs=3, seed=5)["loss"] != first["loss"]


def test_one_batch_of_all_rows_is_gradient_descent():
    arrays, net = data(), network()
    params = net.init(0, **arrays)
    history = fit(net, "L", arrays, params=params, epochs=3, batch=1000, optimiser=SGD(0.2))
    step = net.value_and_grad("L").compile()
    for epoch in range(3):
        loss, grads = step(params, **arrays)
        assert history["loss"][epoch] == pytest.approx(loss, rel=1e-12)
        params = {name: params[name] - 0.2 * grads[name] for name in params}
    for name in params:
        np.testing.assert_allclose(history.params[name], params[name], rtol=1e-10, atol=1e-12)


def test_early_stopping_keeps_the_best():
    scores = iter([0.5, 0.7, 0.6, 0.65, 0.7, 0.9])
    rigged = accuracy()
    rigged = type(rigged)("accuracy", rigged.tensors, lambda *_: next(scores))
    kept = {}
    history = fit(
        network(), "L", data(), epochs=9, validation=data(9, 1), metrics=(rigged,), patience=3,
        callbacks=[lambda state: kept.update({state.epoch: state.params})],
    )  # fmt: skip
    assert history.best_epoch == 2
    assert len(history) == 5
    assert history.stopped == "no better val_accuracy for 3 epochs"
    same(history.params, kept[2])
    with pytest.raises(DataError) as caught:
        fit(network(), "L", data(), monitor="val_loss")
    assert caught.value.problem == "there is no val_loss to go by"


def test_callbacks_are_told_and_may_end_it():
    told = []

    class Diary(Callback):
        def on_start(self, state, epochs):
            told.append(("start", state.epoch, epochs))

        def on_epoch_end(self, state):
            told.append((state.epoch, sorted(state.rows[-1])))
            return state.epoch == 2

        def on_end(self, state, reason):
            told.append(("end", reason))

    fit(network(), "L", data(), epochs=9, callbacks=[Diary()])
    columns = ["epoch", "loss", "rate", "seconds"]
    assert told == [("start", 0, 9), (1, columns), (2, columns), ("end", "ended by a callback")]


def test_interrupted(tmp_path):
    def interrupt(state):
        if state.epoch == 3:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted) as caught:
        fit(network(), "L", data(), epochs=9, callbacks=[interrupt, Saver(tmp_path / "run.npz")])
    assert caught.value.history.state.epoch == 3
    same(load(tmp_path / "run.npz").params, caught.value.history.params)
    same(caught.value.history.params, fit(network(), "L", data(), epochs=3).params)


def test_a_loss_that_is_not_finite_keeps_the_last_good_parameters():
    arrays = data()
    net = Network(dense("O", X="X", W="W", b="b"), mean_squared_error("L", O="O", Y="Y"))
    good = fit(net, "L", arrays, epochs=2, optimiser=SGD(0.01)).state
    with pytest.raises(TrainingError) as caught:
        fit(net, "L", arrays, epochs=9, optimiser=SGD(1e200), resume=good)
    assert str(caught.value) == (
        "the loss is inf in epoch 3, batch 2\n"
        "  inferred: the learning rate was 1e+200; the parameters of epoch 2 are kept\n"
        "  repair:   use a smaller learning rate, or scale the data"
    )
    same(caught.value.history.params, good.params)
    assert all(np.isfinite(array).all() for array in caught.value.history.params.values())


def spoiled(name, change):
    arrays = data()
    arrays[name] = change(arrays[name])
    return arrays


def with_nan(array):
    array[2, 1] = np.nan
    return array


REFUSED = {
    "X holds 1 value that is not finite": lambda: spoiled("X", with_nan),
    "X holds complex numbers, where real numbers are needed": lambda: spoiled("X", lambda a: a.astype(complex)),
    "X holds Python objects, where real numbers are needed": lambda: spoiled("X", lambda a: a.astype(object)),
    "X is empty: its shape is (0, 2)": lambda: {name: array[:0] for name, array in data().items()},
    "X has 90 rows and Y has 89": lambda: spoiled("Y", lambda a: a[:-1]),
    "the data breaks an assumption": lambda: spoiled("Y", lambda a: 2 * a),
    "Y is missing: an input of the network": lambda: {"X": data()["X"]},
    "Ys is not an input of the network": lambda: {"X": data()["X"], "Ys": data()["Y"]},
    "Y is a scalar, but the equation reads 2 axes": lambda: {"X": np.float64(1), "Y": np.float64(1)},
    "X has dtype int64, but it must hold floating-point numbers": lambda: spoiled("X", lambda a: a.astype(np.int64)),
}


@pytest.mark.parametrize("problem", REFUSED)
def test_data_that_is_refused(problem):
    with pytest.raises(EinstanError) as caught:
        fit(network(), "L", REFUSED[problem](), epochs=1)
    assert caught.value.problem == problem
    assert caught.value.repair


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda arrays: {"X": arrays["X"]},
            "Y is missing: an input of the network\n"
            "  L = -1/|N| Y[N,C] log(S[N,C])\n"
            "             ^^^^^^\n"
            "  inferred: given: X\n"
            "  repair:   give Y as well",
        ),
        (
            lambda arrays: {"X": arrays["X"], "Y": arrays["Y"][:-1]},
            "X has 90 rows and Y has 89\n"
            "  L = -1/|N| Y[N,C] log(S[N,C])\n"
            "             ^^^^^^\n"
            "  inferred: the equations say that the first axis of X and axis 0 of Y are equal\n"
            "  repair:   give Y one row for each row of X",
        ),
    ],
    ids=["missing", "rows"],
)
def test_a_refusal_shows_its_place(change, message):
    with pytest.raises(DataError) as caught:
        fit(network(), "L", change(data()), epochs=1)
    assert str(caught.value) == message


def test_resuming_what_does_not_fit():
    state = fit(network(), "L", data(), epochs=1, optimiser=SGD()).state
    with pytest.raises(DataError) as caught:
        fit(network(), "L", data(), optimiser=Adam(), resume=state)
    assert "was not made by Adam" in caught.value.problem
    other = Network(dense("O", X="X", W="W", b="b"), mean_squared_error("L", O="O", Y="Y"))
    with pytest.raises(DataError) as caught:
        fit(other, "L", data(), resume=state)
    assert caught.value.problem == "W1 is not a parameter of the network"


def test_tensors_without_the_batch_axis_are_passed_whole():
    net = Network("P[n] = X[n,K] w[K] m[K]", "L = 1/|N| (P[N] - Y[N])^2", parameters={"w": "ones"})
    X = np.random.default_rng(0).standard_normal((10, 3))
    arrays = {"X": X, "m": np.array([1.0, 0.0, 1.0]), "Y": X @ [1.0, 2.0, 3.0]}
    history = fit(net, "L", arrays, epochs=60, batch=4, optimiser=SGD(0.1))
    assert history.params["w"][1] == 1


def test_lines_that_the_loss_does_not_rest_on_do_not_matter():
    net = Network("Z[n] = X[n,K] w[K]\nL = mean[N]((y[N] - Z[N])^2)\nother[n] = u[n] Z[n]", parameters={"w": "zeros"})
    X, y = np.array([[1.0, 2], [0.5, -1], [2, 0.25]]), np.array([1.0, 2, -0.5])
    found = fit(net, "L", {"X": X, "y": y, "u": np.ones(3)}, epochs=1, optimiser=SGD(0.1))
    np.testing.assert_allclose(found.params["w"], 0.1 * 2 / 3 * X.T @ y, rtol=1e-12)
