"""Programs over eight virtual devices: the results of one device, and the exchanges that the plan says.

The devices have to be asked for before JAX is loaded, so that all rows run in one process of their own.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

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
    assert list(rows) == [*spread.PROGRAMS, *(f"block: {name}" for name in spread.LAYOUTS)]
    assert [said for row, found in rows.items() for said in wrong(row, found)] == []


def test_a_plan_that_says_something_else_is_found() -> None:
    """Test the tester."""
    row = {"off": 0, "plan": {"all-reduce": [1, 2, 8]}, "code": {"all-reduce": [1, 8]}}
    assert wrong("x", row) == []
    for change in ({"off": 1e-6}, {"code": {}}, {"code": {"all-reduce": [2, 8]}}, {"code": {"all-reduce": [1, 9]}}):
        assert wrong("x", {**row, **change})
