"""Memory that is predicted, against what Python's accounting of NumPy's memory measures; and limits that are kept."""

import tracemalloc

import numpy as np
import pytest

import einstan as es
from einstan.calculus.backward import backward, joined
from einstan.calculus.program import Program
from einstan.language import parse
from einstan.language.errors import DataError
from einstan.layers import cross_entropy, dense, relu, softmax
from einstan.machine.plan.plan import plan
from einstan.machine.plan.rehearsal import Ledger
from einstan.machine.run.compile import compile

WAYS = [{}, {"reuse_buffers": True}, {"any_size": True}]


def tanh_layers(layers=4, rows=1024, width=32):
    lines = [f"A{k + 1}[n,j] = tanh(A{k}[n,K] W{k}[K,j])" for k in range(layers)]
    program = Program([parse(line) for line in (*lines, f"L = A{layers}[N,J]^2")])
    wrt = [f"W{k}" for k in range(layers)]
    generator = np.random.default_rng(0)
    data = {"A0": generator.standard_normal((rows, width))}
    data |= {name: generator.standard_normal((width, width)) / 8 for name in wrt}
    return joined(program, backward(program, "L", wrt)), ["L", *(f"d{name}" for name in wrt)], data


def peak_of_call(function):
    """The peak of everything that Python accounts for, from before the memory is made."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        result = function()
        return tracemalloc.get_traced_memory()[1] - before, result
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("options", WAYS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_prediction_is_what_the_compiled_code_takes(options, dtype):
    program, outputs, data = tanh_layers()
    compiled = compile(program, outputs, fast=False, **options)
    compiled({name: array.astype(dtype) for name, array in data.items()})
    made = compiled.plan
    assert made.code.exported() == compiled.source()
    assert made.measured_memory is None
    assert made.peak_memory == pytest.approx(made.measure(), rel=0.02)
    assert made.precision == dtype


@pytest.mark.numba
def test_a_prediction_for_compiled_loops():
    program, outputs, data = tanh_layers(1)
    compiled = compile(program, outputs, fast=True)
    compiled(data)
    assert "njit" in compiled.source()
    assert compiled.plan.peak_memory == pytest.approx(compiled.plan.measure(), rel=0.02)


@pytest.mark.parametrize("options", WAYS)
def test_a_prediction_agrees_with_an_accounting_of_everything_from_the_start(options):
    program, outputs, data = tanh_layers()
    compiled = compile(program, outputs, fast=False, **options)
    compiled(data)
    space = {}
    exec(compiled.source(), space)  # what Python holds of the code is no array
    making = space.get("prepare", lambda: space["step"])
    arguments = [data[str(name)] for name in compiled.plan.code.arguments]
    peak, _ = peak_of_call(lambda: making()(*arguments))
    assert compiled.plan.peak_memory == pytest.approx(peak, rel=0.02)


def test_a_step_says_what_it_predicts_and_what_was_measured():
    net = es.Network(
        dense("Z1", X="X", W="W1", b="b1"), relu("A1", Z="Z1"), dense("Z2", X="A1", W="W2", b="b2"),
        softmax("S", Z="Z2"), cross_entropy("L", S="S", Y="Y"),
    )  # fmt: skip
    generator = np.random.default_rng(0)
    X = generator.standard_normal((256, 64), np.float32)
    Y = np.eye(10, dtype=np.float32)[generator.integers(10, size=256)]
    params = net.init(seed=0, dtype="float32", X=X, Y=Y, W1=(64, 128))
    for update in (None, es.SGD(0.1)):
        step = net.value_and_grad("L").compile(update=update, fast=False)
        step(params, *((update.init(params),) if update else ()), X=X, Y=Y)
        before = str(step.plan).splitlines()[-1]
        assert "predicted (" in before
        measured = step.plan.measure()
        assert step.plan.peak_memory == pytest.approx(measured, rel=0.05)
        assert step.plan.measured_memory == measured == step.plan.to_dict()["measured_memory"]
        assert " predicted, " in str(step.plan)
        assert " measured (" in str(step.plan)


@pytest.mark.parametrize("options", WAYS)
def test_a_limit_is_kept_or_refused(options):
    program, outputs, data = tanh_layers(rows=4096)  # large enough that dead arrays are given back before the end
    free = compile(program, outputs, fast=False, **options)
    expected = free(data)
    most = free.plan.peak_memory
    limit = int(0.9 * most)
    held = compile(program, outputs, fast=False, memory_limit=limit, **options)
    found = held(data)
    made = held.plan
    assert made.recomputed
    assert made.peak_memory <= limit
    assert made.measure(data) <= 1.02 * limit
    for name in outputs:
        assert np.allclose(found[name], expected[name], rtol=1e-12)
    refused = compile(program, outputs, fast=False, memory_limit=10_000, **options)  # less than the results

    def attempt():
        with pytest.raises(DataError, match="would take"):
            refused(data)

    attempt()
    peak, _ = peak_of_call(attempt)
    largest = max(array.nbytes for array in data.values())
    assert peak < largest  # nothing of it was attempted


def test_the_plan_of_sizes_is_that_of_the_compiled_program():
    program, outputs, data = tanh_layers()
    compiled = compile(program, outputs, fast=False)
    compiled(data)
    made = plan(program, outputs=outputs, shapes={name: array.shape for name, array in data.items()})
    assert made.peak_memory == pytest.approx(compiled.plan.peak_memory, rel=0.02)  # factors are moved, not memory


def test_a_rehearsed_operation_stretches_its_operands_to_what_it_writes_to():
    ledger = Ledger()
    narrow, wide = (ledger.allocate(shape, np.dtype(float)) for shape in ((3, 4, 1), (3, 4, 4)))
    assert np.add(narrow, narrow, out=wide) is wide
    assert np.add(narrow, wide).shape == (3, 4, 4)


def test_a_jacobian_of_a_window_needs_no_rows_of_zeros():
    partial = es.parse("Y[o,h,w] = X[C,h+R,w+S] F[o,C,R,S]").partial("X")
    sizes = {"Y.0": 8, "Y.1": 38, "Y.2": 38, "X.0": 3, "X.1": 40, "X.2": 40, "F.2": 3, "F.3": 3}
    text = compile(partial).source(sizes)
    assert "overlap_add(" not in text
    assert " overlap(" in text


def test_what_cannot_be_allocated_is_refused_with_its_size(monkeypatch):
    compiled = compile(es.parse("y[i] = exp(x[i])"))
    compiled(x=np.ones(3))

    def refused(*_):
        raise MemoryError

    monkeypatch.setattr(compiled._latest, "enter", refused)
    with pytest.raises(es.EinstanError, match="at its peak, which could not be had"):
        compiled(x=np.ones(3))
