"""Programs in PyTorch and JAX: the values and gradients of every row of tests, of every layer and of the breadth, equal
to those of NumPy, in code of one size and of any."""

import os
import warnings

import numpy as np
import pytest

import einstan as es
from einstan.language import parse
from einstan.machine.run.compile import compile
from tests.breadth.rows import ROWS as BREADTH
from tests.layers.rows import ROWS as LAYERS
from tests.machine.rows import ROWS as MACHINE
from tests.machine.rows import arrays
from tests.routes.generator import made
from tests.routes.routes import ROUTES
from tests.routes.rows import ROWS as ROUTED
from tests.routes.run import Run, on, possible

torch = pytest.importorskip("torch", exc_type=ImportError)
jax = pytest.importorskip("jax", exc_type=ImportError)

TENSORS = {"torch": lambda array: torch.tensor(np.asarray(array)), "jax": lambda array: jax.numpy.asarray(array)}


@pytest.fixture(autouse=True)
def double():
    """JAX computes in float64 here."""
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


def agree(made, data):
    """The same in NumPy and in both libraries; ``made(**options)`` compiles."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        expected = made(fast=False)(data)
    for backend, tensor in TENSORS.items():
        for any_size in (False, True):
            found = made(backend=backend, any_size=any_size)({name: tensor(array) for name, array in data.items()})
            assert found.keys() == expected.keys()
            for name, value in found.items():
                assert isinstance(value, torch.Tensor if backend == "torch" else jax.Array)
                told = f"{name} by {backend}"
                np.testing.assert_allclose(np.asarray(value), expected[name], rtol=1e-9, atol=1e-11, err_msg=told)


@pytest.mark.in_turn(3)
@pytest.mark.parametrize("row", MACHINE, ids=lambda row: row.name)
def test_what_an_equation_can_say(row):
    agree(lambda **options: compile(parse(row.text), sizes=row.sizes, **options), arrays(row))


@pytest.mark.in_turn(3)
@pytest.mark.parametrize("row", LAYERS, ids=str)
def test_layers_and_their_gradients(row):
    slots = f"[{row.slots}]" if row.slots else ""
    equations = [*map(str, row.layer().program.equations), f"Loss = C{slots} {row.output}{slots}"]
    program, data = es.Program("\n".join(equations)), {**row.arrays(), "C": row.cotangent()}
    agree(program.compile, data)
    agree(program.backward("Loss", row.wrt).compile, data)


@pytest.mark.in_turn(3)
@pytest.mark.parametrize("row", BREADTH, ids=str)
def test_breadth_and_its_derivatives(row):
    program, data = es.Program(row.text), {**row.arrays(), **row.integers}
    agree(program.compile, data)
    for name in row.wrt:
        agree(program.partial(row.of, name).compile, data)


SEED = int(os.environ["EINSTAN_SEED"])


@pytest.mark.parametrize("seed", range(SEED, SEED + 24))
def test_random_programs(seed):
    case = made(seed)
    run = Run(case)
    for name, each in ROUTES.items():
        if "backend" in name and possible(case, each):
            finding, _ = on(run, each)
            assert finding is None, str(finding)


@pytest.mark.in_turn(2)
@pytest.mark.parametrize("row", ROUTED[::3], ids=lambda row: row.name)
def test_rows_of_routes(row):
    run = Run(row)
    for name, each in ROUTES.items():
        if "backend" in name and possible(row, each) and row.on(name):
            finding, _ = on(run, each)
            assert finding is None, str(finding)
