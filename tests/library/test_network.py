"""Networks: graphs of layers, parameters, gradients of any graph, and what is refused."""

import numpy as np
import pytest

from einstan.language.errors import EinstanError
from einstan.layers import cross_entropy, dense, mean_squared_error, relu, softmax, tanh
from einstan.library.network import Network


def classifier(**units):
    return Network(
        dense("H", X="X", W="W1", b="b1", j=4),
        relu("A", Z="H"),
        dense("Z", X="A", W="W2", b="b2", **units),
        softmax("S", Z="Z"),
        cross_entropy("L", S="S", Y="Y"),
    )


def data(rows=5, seed=0):
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 3, rows)
    return {"X": generator.standard_normal((rows, 6)), "Y": np.eye(3)[labels]}


def numeric_gradient(function, params, name, step=1e-6):
    found = np.zeros_like(params[name])
    for position in np.ndindex(found.shape):
        ends = []
        for sign in (1, -1):
            moved = params[name].copy()
            moved[position] += sign * step
            ends.append(function({**params, name: moved}))
        found[position] = (ends[0] - ends[1]) / (2 * step)
    return found


def check_gradients(network, loss, params, **arrays):
    step = network.value_and_grad(loss).compile()
    value, grads = step(params, **arrays)
    assert value == pytest.approx(network.evaluate(loss, params, **arrays), rel=1e-13)
    assert set(grads) == set(network.params)
    for name in params:
        expected = numeric_gradient(lambda p: network.evaluate(loss, p, **arrays), params, name)
        np.testing.assert_allclose(grads[name], expected, rtol=1e-5, atol=1e-8, err_msg=name)


def test_what_a_network_says():
    network = classifier(j=3)
    assert network.params == ("W1", "b1", "W2", "b2")
    assert network.inputs == ("X", "Y")
    assert str(network).splitlines()[0] == "H[n,j] = X[n,K] W1[K,j] + b1[j]"
    lines = str(network.backward("L")).splitlines()
    assert lines[0] == "dZ[n,c] = (S[n,c] - Y[n,c]) / |n|"
    assert [line.split("[")[0] for line in lines] == ["dZ", "dW2", "db2", "dA", "dH", "dW1", "db1"]


def test_order_of_members_does_not_matter():
    members = [dense("H", X="X", W="W1", b="b1"), relu("A", Z="H"), mean_squared_error("L", O="A", Y="Y")]
    assert str(Network(*members)) == str(Network(*reversed(members)))


# ---- graphs ----------------------------------------------------------------------------------------------------------


def test_chain():
    network, arrays = classifier(), data()
    check_gradients(network, "L", network.init(0, **arrays), **arrays)


def test_residual_sum_and_a_tensor_used_twice():
    network = Network(
        dense("H", X="X", W="W1", b="b1", j=6),
        tanh("A", Z="H"),
        "R[n,j] = X[n,j] + A[n,j] A[n,j]",
        dense("O", X="R", W="W2", b="b2", j=3),
        mean_squared_error("L", O="O", Y="Y"),
    )
    arrays = data()
    check_gradients(network, "L", network.init(1, **arrays), **arrays)


def test_shared_weights():
    network = Network(
        dense("H", X="X", W="W", b="b", j=6),
        tanh("A", Z="H"),
        dense("O", X="A", W="W", b="b"),
        "L = 1/2 O[N,J]^2",
    )
    assert network.params == ("W", "b")
    arrays = {"X": data()["X"]}
    check_gradients(network, "L", network.init(2, **arrays), **arrays)


def test_several_losses_added():
    network = Network(
        dense("O", X="X", W="W", b="b"),
        mean_squared_error("L1", O="O", Y="Y"),
        softmax("S", Z="O"),
        cross_entropy("L2", S="S", Y="Y"),
        "L = L1 + 0.5 L2 + 0.01 W[K,J]^2",
    )
    arrays = data()
    check_gradients(network, "L", network.init(3, **arrays), **arrays)


def test_parameters_of_plain_equations():
    network = Network("Z[n,j] = X[n,K] V[K,j]", "L = Z[N,J]^2", parameters={"V": "glorot"})
    params = network.init(0, X=(5, 6), V=(6, 2))
    assert params["V"].shape == (6, 2)
    check_gradients(network, "L", params, X=data()["X"])


# ---- parameters ------------------------------------------------------------------------------------------------------


def test_init():
    network = classifier(j=3)
    params = network.init(0, X=(None, 6))
    assert {name: array.shape for name, array in params.items()} == {
        "W1": (6, 4), "b1": (4,), "W2": (4, 3), "b2": (3,),
    }  # fmt: skip
    assert not params["b1"].any()
    again = classifier().init(0, np.float32, **data())
    assert again["W2"].dtype == np.float32
    assert (again["W2"] == params["W2"].astype(np.float32)).all()
    given = network.init(0, X=(None, 6), b1=np.arange(4), W2="ones")
    assert given["b1"].tolist() == [0, 1, 2, 3]
    assert (given["W2"] == 1).all()
    assert (given["W1"] == params["W1"]).all()


def test_assumptions_are_checked_on_data():
    network, arrays = classifier(), data()
    params = network.init(0, **arrays)
    arrays["Y"][3, 1] += 0.5
    message = (
        "the data breaks an assumption\n"
        "  assume sum[C](Y[n,C]) = 1\n"
        "         ^^^^^^^^^^^^^^\n"
        "  inferred: at n = 3 the left side is 1.5 and the right side 1\n"
        "            1 of 5 places are wrong\n"
        "  repair:   correct Y, or leave the assumption out: the gradients then hold for any values"
    )
    if arrays["Y"][3].sum() != 1.5:
        pytest.fail("the test's own data")
    with pytest.raises(EinstanError) as caught:
        network.value_and_grad("L").compile()(params, **arrays)
    assert str(caught.value) == message
    network.value_and_grad("L").compile(check=False)(params, **arrays)
    step = network.value_and_grad("L").compile()
    step(params, **data())
    with pytest.raises(EinstanError):
        step(params, **arrays)
    rounded = {name: array.astype(np.float32) for name, array in data().items()}
    rounded["Y"] = np.full((5, 3), 1 / 3, dtype=np.float32)
    network.check_assumptions(rounded)


def test_an_empty_batch():
    network, arrays = classifier(), data()
    params = network.init(0, **arrays)
    none = {name: array[:0] for name, array in arrays.items()}
    with pytest.raises(EinstanError) as caught:
        network.value_and_grad("L").compile()(params, **none)
    error = caught.value  # it shows the loss as it is run, with logsumexp
    assert error.problem == "L divides by |N|, which is 0"
    assert error.text[slice(*error.span)] == "|N|"
    assert error.text.startswith("L = -1/|N| Y[N,C] ")
    assert error.inferred == ("|N| = 0 from X.0",)
    assert error.repair == ("give arrays in which N has at least one value",)
    assert network.evaluate("S", params, X=none["X"]).shape == (0, 3)  # nothing is divided here


def test_source():
    made = classifier().value_and_grad("L")
    step = made.compile()
    step(classifier().init(0, **data()), **data())
    for text in (made.source(), step.source()):
        assert "import numpy as np" in text
        assert "# dW1[k,j] = X[N,k] dH[N,j]" in text
        compile(text, "source", "exec")


def test_arrays_of_any_layout():
    network, arrays = classifier(), data()
    params = network.init(0, **arrays)
    step = network.value_and_grad("L").compile()
    loss, grads = step(params, **arrays)
    X = np.zeros((10, 12))[::-2, ::2]
    X[:] = arrays["X"]
    Y = np.asfortranarray(arrays["Y"])
    Y.flags.writeable = False
    again, others = step(params, X=X, Y=Y)
    assert again == pytest.approx(loss, rel=1e-13)
    np.testing.assert_allclose(others["W1"], grads["W1"], rtol=1e-12)


# ---- errors ----------------------------------------------------------------------------------------------------------

ERRORS = {
    "H is defined twice": lambda: Network(dense("H"), dense("H")),
    "the equations form a cycle: A reads B reads A": lambda: Network("A[i] = B[i]", "B[i] = A[i]"),
    "X has 3 slots here and 2 elsewhere": lambda: Network(dense("H", X="X"), "B[i] = X[i,J,K]"),
    "no equation defines LL": lambda: classifier().backward("LL"),
    "no equation defines Sx": lambda: classifier().evaluate("Sx", {}),
    "the extent of axis 1 of W2 is not known": lambda: classifier().init(0, X=(None, 6)),
    "no equation reads the parameter V": lambda: Network("A[i] = B[i]", parameters={"V": "he"}),
    "3 is neither a use of a layer nor an equation": lambda: Network(3),
    "Q is not a parameter or an input of the network": lambda: classifier().init(0, Q=(2, 3)),
    "WB is made up by one layer and used by another": lambda: Network(dense("B"), "C = WB[I,J]"),
    "the network has no input Xs": lambda: classifier().evaluate("S", {}, Xs=1),
}


@pytest.mark.parametrize("problem", ERRORS)
def test_errors(problem):
    with pytest.raises(EinstanError) as caught:
        ERRORS[problem]()
    assert caught.value.problem == problem


def test_missing_and_wrong_arrays_are_named():
    network, arrays = classifier(), data()
    params = network.init(0, **arrays)
    step = network.value_and_grad("L").compile()
    with pytest.raises(EinstanError) as caught:
        step(params, X=arrays["X"])
    assert "Y" in caught.value.problem
    with pytest.raises(EinstanError) as caught:
        step(params, X=arrays["X"][:4], Y=arrays["Y"])
    assert all(word in str(caught.value) for word in ("4", "5", "X", "Y"))
    with pytest.raises(EinstanError) as caught:
        step(params, X=arrays["X"].astype(complex), Y=arrays["Y"])
    assert "complex" in str(caught.value)


def test_the_plan_of_a_network_and_of_its_gradients():
    net = classifier(j=3)
    sizes = {"n": 32, "X.1": 6, "W1.1": 4, "Z.1": 3}
    forward, both = net.plan(sizes, optimize="best"), net.value_and_grad("L").plan(sizes, optimize="best")
    assert forward.optimizer.startswith("auto, the best of auto, greedy")
    names = [step.result for step in both.steps]
    assert {"L", "dW1", "dW2", "db1", "db2"} <= set(names)
    assert not any(step.result.startswith("dW") for step in forward.steps)
    assert 2 * forward.flops < both.flops < 3.1 * forward.flops
    assert both.to_dict()["measured_memory"] is None
    measured = both.measure()
    assert both.to_dict()["measured_memory"] == measured
    assert measured >= both.peak_memory > 0


def test_a_plan_knows_what_layers_fix():
    net = Network(dense("H", X="X", W="W1", b="b1", j=8), dense("Z", X="H", W="W2", b="b2", j=3))
    stated = {"n": 5, "X.1": 2, "H.1": 8, "Z.1": 3}
    assert net.plan({"n": 5, "X.1": 2}).flops == net.plan({"n": 5, "k": 2}).flops == net.program.plan(stated).flops
    step = Network(net, "L = Z[N,J]^2").value_and_grad("L")
    assert step.plan({"n": 5, "X.1": 2}).flops == step.plan(stated).flops
