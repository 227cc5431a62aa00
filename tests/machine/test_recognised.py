"""Graphs in which kernels stand for what they compute mean what they meant, by the loops of the reference."""

import os

import numpy as np
import pytest

from einstan.calculus.stable import runnable
from einstan.machine.passes.recognised import recognised
from einstan.machine.plan.plan import plan
from tests.machine import reference
from tests.machine.kernels import OTHERS, ROWS, derived

SEED = int(os.environ["EINSTAN_SEED"])
FEW = ("attention", "layer_norm", "layer_norm_backward", "attention_backward")


def kernels(text):
    """The kernels that a program has, once its graph before and after has given the same numbers."""
    program, outputs = derived(text)
    program = runnable(program)
    rng = np.random.default_rng(SEED)
    sizes = {}
    shapes = {
        name: tuple(sizes.setdefault(program.dims.find(f"{name}.{k}"), int(rng.integers(2, 6)))
                    for k in range(program.ranks[name]))
        for name in program.inputs
    }  # fmt: skip
    made = plan(program, None, outputs, shapes=shapes)
    graph, tensors = recognised(made.graph, made.tensors, made.outputs, made.extents.known)
    arrays = {str(name): rng.standard_normal(shape) for name, shape in shapes.items()}
    if "labels" in arrays:
        arrays["labels"] = rng.integers(2, size=arrays["labels"].shape)
    known = made.extents.known
    before, _ = reference.evaluation(made.graph, made.tensors, made.outputs, known, arrays)
    after, _ = reference.evaluation(graph, tensors, made.outputs, known, arrays)
    for name, expected in before.items():
        np.testing.assert_allclose(after[name], expected, rtol=1e-9, atol=1e-9, err_msg=name)
    return [operation.detail.name for operation in graph.operations if operation.kind == "kernel"]


@pytest.mark.parametrize("name", ROWS)
def test_kernels_mean_what_they_stand_for(name):
    found = kernels(ROWS[name][0])
    assert found or not ROWS[name][1]


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_nearly_a_kernel_is_none(name):
    assert not {*kernels(OTHERS[name])} & {*FEW, "gelu_tanh"}
