r"""What is read of a formula is what it means: both are numbers, the others by NumPy."""

from pathlib import Path

import numpy as np
import pytest

import einstan as es
from einstan.papers import read_paper

HEADER = (
    r"% einstan: given x[i], y[i], z[i], a, b, c, g[k], A[i,i], B[i,i], W[k,i] | identity I | function \sigma = sigmoid"
)
ROWS = [
    line.split("  ;;  ")
    for line in Path(__file__).with_name("meant.txt").read_text("utf-8").splitlines()
    if ";;" in line
]


def softmax(values):
    return np.exp(values) / np.exp(values).sum()


def sigmoid(values):
    return 1 / (1 + np.exp(-values))


def numbers():
    """One number for each name: no two alike, so that another reading is another number."""
    draw = np.random.default_rng(0).uniform
    arrays = {name: draw(0.3, 0.9, 4) for name in "xyz"} | {name: draw(0.3, 0.9, (4, 4)) for name in "AB"}
    return arrays | {"g": draw(0.3, 0.9, 3), "W": draw(0.3, 0.9, (3, 4)), "a": 1.3, "b": 0.7, "c": 0.4}


GIVEN = numbers()


@pytest.mark.parametrize(("formula", "meant"), ROWS, ids=[row[0] for row in ROWS])
def test_is_read_as_meant(formula, meant):
    paper = read_paper(f"{HEADER}\n{formula}")
    assert not paper.unread
    lines = [item.code for item in paper.items if item.formula and not item.code.startswith("claim ")]
    program = es.Program("\n".join(lines))
    found = program.compile()(**{name: GIVEN[name] for name in map(str, program.inputs) if name in GIVEN})["q"]
    wanted = eval(meant, {"np": np, "sm": softmax, "sg": sigmoid, **GIVEN})  # of our own table
    assert np.shape(found) == np.shape(wanted)
    np.testing.assert_allclose(found, wanted, rtol=1e-9)
