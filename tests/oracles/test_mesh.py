"""Programs over eight virtual devices: the results of one device, and the exchanges that the plan says.

The devices have to be asked for before JAX is loaded, so that all rows run in one process of their own.  Two processes
train the digits.
"""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.machine import spread

pytest.importorskip("jax", exc_type=ImportError)
ROOT = Path(__file__).parents[2]
GREEDY = "attention over parts of a sequence"  # where sums that could go together are seen too late by XLA


def wrong(row: str, found: dict[str, Any]) -> list[str]:
    """What a row says that is not so."""
    told, made = found["plan"], found["code"]
    said = []
    if found["off"] > 1e-13:
        said.append(f"{row}: results differ by {found['off']}")
    if {kind: size for kind, (_, _, size) in told.items()} != {kind: size for kind, (_, size) in made.items()}:
        said.append(f"{row}: the plan exchanges {told}, the code {made}")
    for kind, (messages, arrays, _) in told.items():
        count = made.get(kind, [0])[0]
        if not (count == messages or (row == GREEDY and messages <= count <= arrays)):
            said.append(f"{row}: {count} times {kind}, and the plan says {messages}")
    return said


def test_a_mesh_computes_what_one_device_does_and_exchanges_what_the_plan_says() -> None:
    command = [sys.executable, "-m", "tests.oracles.on_mesh"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = dict(map(json.loads, done.stdout.splitlines()))
    partitioner = rows.pop("partitioner")["code"]
    assert partitioner["all-reduce"][1] > rows["block: tensor"]["code"]["all-reduce"][1]  # else it adds up before, too
    own = [name for name in rows if not name.startswith("transform: ")]
    assert own == [*spread.PROGRAMS, *(f"block: {name}" for name in spread.LAYOUTS)]
    assert len(rows) == len(own) + 4
    assert [said for row, found in rows.items() for said in wrong(row, found)] == []


def test_examples_print_what_the_page_says() -> None:
    program = "from tests.test_docs import run_examples; run_examples('docs/scale.md')"
    space = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=8 --xla_backend_optimization_level=0"}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, env=space, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_two_processes_train_the_digits_to_the_parameters_of_one(tmp_path: Path) -> None:
    """Each has half of every batch, of the parameters and of the state of Adam; they talk by way of the loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tests.oracles.digits_on_mesh"]
    two, one = tmp_path / "two.npz", tmp_path / "one.npz"
    runs = [[str(two), str(port), "2", "0"], [str(two), str(port), "2", "1"], [str(one)]]
    open_runs = [
        subprocess.Popen([*command, *run], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) for run in runs
    ]
    try:
        said = [run.communicate(timeout=300)[0].decode() for run in open_runs]
    finally:
        for run in open_runs:
            run.kill()
    assert [run.returncode for run in open_runs] == [0, 0, 0], "\n".join(said)
    with np.load(two) as found, np.load(one) as expected:
        assert set(found) == set(expected) == {"loss", "W1", "b1", "W2", "b2"}
        for name in expected:
            np.testing.assert_allclose(found[name], expected[name], rtol=1e-12, atol=1e-12)
        assert expected["loss"] < 1.2 < np.log(10)  # it has learned something


def test_a_plan_that_says_something_else_is_found() -> None:
    """Test the tester."""
    row = {"off": 0, "plan": {"all-reduce": [1, 2, 8]}, "code": {"all-reduce": [1, 8]}}
    assert wrong("x", row) == []
    for change in ({"off": 1e-6}, {"code": {}}, {"code": {"all-reduce": [2, 8]}}, {"code": {"all-reduce": [1, 9]}}):
        assert wrong("x", {**row, **change})
