"""Every pass over graphs keeps the numbers, on programs and graphs that no one has seen (`tests.machine.validation`).

Every run draws new ones; ``EINSTAN_SEED`` repeats it.
"""

import ast
import os
from pathlib import Path
from random import Random

import pytest

import einstan.machine
from einstan.language.functions import FUNCTIONS
from einstan.machine.operations import COMPARISONS, KINDS
from tests.machine import graphs, reference
from tests.machine.validation import Walk, of_graph, of_program, validated

SEED = int(os.environ["EINSTAN_SEED"])
PASSES = {"flatten", "seeds", "windows", "scans", "pairs", "layouts", "planned", "recompute"}


@pytest.mark.parametrize("part", range(6))
def test_graphs(part):
    seen = validated(of_graph, SEED, range(part, 900, 6))
    assert seen.keys() >= PASSES
    assert min(seen[name] for name in PASSES) > 50, seen


@pytest.mark.parametrize("part", range(6))
def test_programs(part):
    seen = validated(of_program, SEED, range(part, 240, 6))
    assert seen.keys() >= PASSES
    assert seen["flatten"] > 20, seen


# ---- the reference knows everything that there is --------------------------------------------------------------------


def test_every_kind_of_operation_has_a_meaning():
    """An input has none, since it is given."""
    assert {*reference.MEANINGS, "input"} == set(KINDS)
    assert set(reference.FUNCTIONS) == {*FUNCTIONS, *COMPARISONS}


def test_every_kind_that_is_made_is_one():
    """Whatever the machine adds to a graph, or gives to an operation, is a kind."""
    made = set()
    for path in Path(einstan.machine.__file__).parent.glob("*.py"):
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
    assert kinds >= set(KINDS) - {"join", "split", "gram", "grams"}
