"""Every pass over graphs keeps the numbers, on programs and graphs that no one has seen (`tests.machine.validation`).

Every day has new ones; ``EINSTAN_SEED`` gives others.
"""

import ast
import os
from pathlib import Path
from random import Random

import numpy as np
import pytest

import einstan as es
import einstan.machine
from einstan.language.errors import EinstanError
from einstan.language.functions import FUNCTIONS
from einstan.layers import cross_entropy, dense, softmax
from einstan.machine.backends.numpy import GUARDS
from einstan.machine.plan.plan import plan
from einstan.machine.run.compile import compile
from einstan.machine.sizes.operations import COMPARISONS, KINDS
from tests.machine import graphs, reference
from tests.machine.programs import case
from tests.machine.validation import Walk, of_graph, of_program, validated

SEED = int(os.environ["EINSTAN_SEED"])
PASSES = {"flatten", "seeds", "windows", "scans", "pairs", "layouts", "planned", "kernels", "recompute"}


@pytest.mark.parametrize("part", range(6))
def test_graphs(part):
    seen = validated(of_graph, SEED, range(part, 900, 6))
    assert seen.keys() >= PASSES
    assert min(seen[name] for name in PASSES) > 20, seen  # of 150; recompute has something to do in 60 or so


@pytest.mark.parametrize("part", range(6))
def test_programs(part):
    seen = validated(of_program, SEED, range(part, 240, 6))
    assert seen.keys() >= PASSES
    assert seen["flatten"] > 20, seen


# ---- the reference knows everything that there is --------------------------------------------------------------------


def test_every_kind_of_operation_has_a_meaning():
    """An input has none, since it is given; what is sliced is a graph of its own, see `test_slicing`; devices exchange
    what they hold, see `test_parted`."""
    assert {*reference.MEANINGS, "input", "sliced", "exchange"} == set(KINDS)
    assert set(reference.FUNCTIONS) == {*FUNCTIONS, *COMPARISONS, *GUARDS}


def test_every_kind_that_is_made_is_one():
    """Whatever the machine adds to a graph, or gives to an operation, is a kind."""
    made = set()
    rooms = ("graph", "passes", "paths", "plan")
    for path in (path for room in rooms for path in (Path(einstan.machine.__file__).parent / room).glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
                texts = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
                if name == "Operation" or (name == "add" and len(node.args) > 3):
                    made.update(texts[:1])
    assert made >= set(KINDS) - {"gram", "grams"}  # of which one or the other is added
    assert made <= set(KINDS)


def test_random_graphs_have_every_kind():
    kinds = set()
    for number in range(300):
        random = Random(number)
        flat, extents, _ = (graphs.chain if number % 10 else graphs.blocks)(random)
        for stage in Walk(None, flat, extents, random).stages():
            kinds.update(operation.kind for operation in stage.graph.operations)
    assert kinds >= set(KINDS) - {"join", "split", "gram", "grams", "sliced", "kernel", "part", "exchange"}


# ---- what is shown is what runs --------------------------------------------------------------------------------------


def test_a_plan_is_that_of_what_is_compiled():
    told = 0
    for number in range(60):
        random = Random(f"{SEED} {number}")
        try:
            given = case(random)
            shapes = {name: given.arrays[str(name)].shape for name in given.program.inputs}
            run = compile(given.program, given.outputs, fast=False)
            with np.errstate(all="ignore"):
                run(given.arrays)
            shown = plan(given.program, None, given.outputs, shapes=shapes)
        except EinstanError:
            continue
        assert shown.steps == run.plan.steps, given
        assert (shown.flops, shown.peak_memory) == (run.plan.flops, run.plan.peak_memory), given
        assert shown.code.text == run.plan.code.text, given
        told += 1
    assert told > 30


STEPS = [None, es.SGD(0.1), es.Momentum(0.1), es.Adam(0.1)]


@pytest.mark.parametrize("update", STEPS, ids=[type(update).__name__ for update in STEPS])
@pytest.mark.parametrize("check", [True, False])
def test_the_plan_of_a_step_is_that_of_the_compiled_step(update, check):
    net = es.Network(dense("Z", X="X", W="W", b="b"), softmax("S", Z="Z"), cross_entropy("L", S="S", Y="Y"))
    rng = np.random.default_rng(0)
    data = {"X": rng.normal(size=(5, 4)), "Y": np.eye(3)[rng.integers(3, size=5)]}
    params = net.init(0, **data)
    step = net.value_and_grad("L").compile(check=check, update=update, fast=False)
    step(params, *(() if update is None else (update.init(params),)), **data)
    shown = net.value_and_grad("L").plan({"X.0": 5, "X.1": 4, "Y.1": 3}, check=check, update=update)
    assert shown.steps == step.plan.steps
    assert shown.code.text == step.plan.code.text
