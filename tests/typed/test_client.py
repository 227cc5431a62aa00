"""The program that type checkers look at in strict mode does what it says, and uses every public name."""

import ast
import inspect
from pathlib import Path

import numpy as np
import pytest

import einstan as es
from tests.typed import client


def test_the_client_runs(tmp_path, own_functions_are_gone_afterwards):
    pytest.importorskip("matplotlib")
    generator = np.random.default_rng(0)
    X, Y = generator.normal(size=(8, 2)), np.eye(3)[generator.integers(0, 3, 8)]
    assert "import jax" in client.equations()
    assert client.checked("y = x^2\ndy/dx = 2 x") == ["2 ✓ True"]
    loss, gradients = client.trained(X, Y, tmp_path)
    assert (loss > 0, sorted(gradients)) == (True, ["W1", "W2", "b1", "b2"])
    assert client.composed().endswith("M = 2 L")
    assert client.minimum(X, Y[:, 0]).shape == (2,)
    assert client.refused("L = log(P[N])").startswith("the sum over N may stand in more than one place: L = sum[N]")
    assert "dw[k] = X[N,k] dZ[N]" in client.programs(tmp_path)
    assert '"flops"' in client.planned(tmp_path)
    assert client.derivatives() == pytest.approx(16.0)
    assert client.einsums().endswith("(4, 4) 2")
    assert client.own() == "y[i] = x[i]^3"
    assert client.diverged() == 1
    assert "Z_{n}" in client.networks(tmp_path)
    assert client.optimisers()["w"].shape == (4,)
    assert "G_{n,j}" in client.layer()
    assert len(client.LAYERS) + len(client.of_sizes()) == len(es.layers.__all__)


def test_the_client_uses_every_public_name():
    texts = (path.read_text(encoding="utf-8") for path in Path(client.__file__).parent.glob("*.py"))
    used = {node.attr for text in texts for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Attribute)}
    names = {*es.__all__, *es.optimize.__all__, *es.layers.__all__} - {"__version__"}
    for owner in (es, es.optimize):
        for kind in filter(inspect.isclass, (getattr(owner, name) for name in owner.__all__)):
            own = (name for cls in kind.__mro__ if cls.__module__.startswith("einstan.library") for name in vars(cls))
            names |= {name for name in own if not name.startswith("_") and callable(getattr(kind, name, None))}
    assert sorted(names - used) == []
