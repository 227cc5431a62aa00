"""The program that type checkers look at in strict mode does what it says."""

import numpy as np

from tests.typed import client


def test_the_client_runs():
    generator = np.random.default_rng(0)
    X, Y = generator.normal(size=(8, 2)), np.eye(3)[generator.integers(0, 3, 8)]
    assert "import jax" in client.equations()
    assert client.checked("y = x^2\ndy/dx = 2 x") == ["2 ✓ True"]
    loss, gradients = client.trained(X, Y)
    assert (loss > 0, sorted(gradients)) == (True, ["W1", "W2", "b1", "b2"])
    assert client.composed().endswith("M = 2 L")
    assert client.minimum(X, Y[:, 0]).shape == (2,)
    assert client.refused("L = log(P[N])").startswith("the sum over N may stand in more than one place: L = sum[N]")
