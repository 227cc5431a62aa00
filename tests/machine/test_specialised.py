"""Code for one set of sizes: memory that is laid out beforehand, threads, results, factors, and code for any size."""

import re
import subprocess
import sys
import threading

import numpy as np
import pytest

from einstan.calculus.backward import backward, joined
from einstan.calculus.program import Program
from einstan.language import parse
from einstan.language.errors import DataError, EinstanError, ExtentError
from einstan.machine.backends.numpy import blas_gemm, scatter_add
from einstan.machine.plan import plan as plan_module
from einstan.machine.run.compile import compile
from einstan.machine.run.compiled import BESIDE
from einstan.machine.schedule.arena import Arena
from tests.machine.rows import ROWS, arrays

STEP = [
    "H[n,j] = relu(X[n,K] W[K,j] + b[j])",
    "P[n,j] = sigmoid(H[n,J] V[J,j]) + softplus(H[n,j]) + tanh(H[n,j])^3",
    "S[n,j] = exp(P[n,j] - logsumexp[K](P[n,K]))",
    "L = -1/|N| Y[N,J] (P[N,J] - logsumexp[K](P[N,K]))",
    "G[j] = S[N,j] H[N,j]",
    "M[n,m] = S[n,J] H[m,J] / sqrt(1 + sum[K,K2](H[n,K]^2 V[K,K2]))",
]


def program():
    return Program([parse(text) for text in STEP])


def data(n=5, dtype=float):
    rng = np.random.default_rng(n)
    shapes = {"X": (n, 4), "W": (4, 6), "b": (6,), "V": (6, 6)}
    made = {name: rng.random(shape).astype(dtype) for name, shape in shapes.items()}
    return {**made, "Y": np.eye(6, dtype=dtype)[rng.integers(0, 6, n)]}


def by_hand(X, W, b, V, Y):
    H = np.maximum(X @ W + b, 0)
    P = 1 / (1 + np.exp(-H @ V)) + np.log(1 + np.exp(H)) + np.tanh(H) ** 3
    S = np.exp(P) / np.exp(P).sum(1, keepdims=True)
    L = -(Y * np.log(S)).sum() / len(X)
    M = (S @ H.T) / np.sqrt(1 + (H**2) @ V.sum(1))[:, None]
    return {"H": H, "P": P, "S": S, "L": L, "G": (S * H).sum(0), "M": M}


OPTIONS = [
    pytest.param({"any_size": True}, id="any size"),
    pytest.param({}, id="specialised"),
    pytest.param({"reuse_buffers": True}, id="buffers used again"),
    pytest.param({"fast": True}, id="fast", marks=[pytest.mark.numba, pytest.mark.slow]),
    pytest.param(
        {"fast": True, "reuse_buffers": True}, id="fast, used again", marks=[pytest.mark.numba, pytest.mark.slow]
    ),
]


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_kind_of_code_gives_what_is_written_by_hand(options, dtype):
    step = compile(program(), **options)
    for n in (5, 40, 5):
        given = data(n, dtype)
        before = {name: array.copy() for name, array in given.items()}
        found = step(given)
        for name, wanted in by_hand(**data(n)).items():
            assert found[name].dtype == dtype, name
            rtol = 1e-12 if dtype is np.float64 and "fast" not in options else 1e-11 if dtype is np.float64 else 2e-4
            np.testing.assert_allclose(found[name], wanted, rtol=rtol, err_msg=name)
        assert all((given[name] == before[name]).all() for name in given), "an input was written to"


@pytest.mark.numba
@pytest.mark.slow
@pytest.mark.parametrize("row", [row for k, row in enumerate(ROWS) if k % 9 == 0], ids=lambda row: row.name)
def test_rows_with_compiled_loops(row):
    given = arrays(row)
    found = compile(parse(row.text), sizes=row.sizes, fast=True)(given)["L" if row.text[0] == "L" else row.text[0]]
    np.testing.assert_allclose(found, np.asarray(row.oracle(*given.values())), rtol=1e-11, atol=1e-12)


@pytest.mark.numba
@pytest.mark.slow
def test_what_lives_in_variables_of_a_loop_takes_no_memory():
    chain = compile(Program([parse("H[n,j] = 2 X[n,j] + 1"), parse("A[n,j] = H[n,j]^2 + X[n,j]"),
                             parse("L = relu(A[N,J]) A[N,J]")]), ["L"], fast=True)  # fmt: skip
    X = np.linspace(-1, 1, 12).reshape(3, 4)
    H = 2 * X + 1
    A = H**2 + X
    assert np.isclose(chain(X=X)["L"], (np.maximum(A, 0) * A).sum())
    assert "with 0 bytes of memory" in chain.source()


@pytest.mark.numba
@pytest.mark.slow
def test_compiled_loops_take_every_layout():
    step = compile(Program([parse("H[n,j] = relu(X[n,K] W[K,j])")]), fast=True)
    X, W = np.random.default_rng(0).normal(size=(2, 8, 8))
    wanted = np.maximum(X @ W, 0)
    for given in ((X, W), (np.asfortranarray(X), W[:, ::-1].copy()[:, ::-1]), (X, np.asfortranarray(W))):
        np.testing.assert_allclose(step(X=given[0], W=given[1])["H"], wanted, rtol=1e-13)


@pytest.mark.numba
def test_loops_are_compiled_once_the_code_has_run_for_long(monkeypatch):
    monkeypatch.setattr("einstan.machine.run.specialisation.PATIENCE", 1e-9)
    monkeypatch.setattr("einstan.machine.run.specialisation.SAMPLED", 1)
    step = compile(parse("y[i] = relu(x[i]) + 2 x[i]"))
    x = np.arange(-3.0, 3)
    first = step(x=x)["y"]
    (beside,) = (thread for thread in threading.enumerate() if thread.name == BESIDE)
    assert (step(x=x)["y"] == first).all()  # which waits for nobody
    beside.join()
    second = step(x=x)["y"]
    assert "njit" in step.source()
    assert (first == second).all()
    never = compile(parse("y[i] = relu(x[i]) + 2 x[i]"), fast=False)
    assert (never(x=x)["y"] == first).all()
    assert "njit" not in never.source()


@pytest.mark.numba
@pytest.mark.parametrize("given", [1.5, np.float64(1.5), np.array(1.5)], ids=lambda given: type(given).__name__)
def test_what_may_be_one_of_two_numbers_in_a_loop(given):
    step = compile(parse("L = sum[N](log(r/(r + exp(z[N]))))"), fast=True)
    z = np.array([1.0, -2.0, 0.5])
    assert np.isclose(step(z=z, r=given)["L"], np.log(1.5 / (1.5 + np.exp(z))).sum(), rtol=1e-13)


@pytest.mark.numba
@pytest.mark.parametrize("fails", ["compile", "import"])
def test_what_numba_does_not_compile_is_said(monkeypatch, fails):
    import numba
    from numba.core.errors import TypingError

    def njit(*_, **__):
        raise TypingError("cannot unify") if fails == "compile" else ImportError("needs another NumPy")

    monkeypatch.setattr(numba, "njit", njit)
    with pytest.raises(DataError, match=r"numba did not compile this program: .*(unify|another NumPy)") as error:
        compile(parse("y[i] = relu(x[i]) + 2 x[i]"), fast=True)(x=np.arange(3.0))
    assert "leave out fast=True" in str(error.value)


@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_the_products_of_the_loaded_library(kind):
    gemm = blas_gemm(kind)
    if gemm is None:
        pytest.skip("NumPy's BLAS has no such symbol here: products stay with np.dot")
    rng = np.random.default_rng(0)
    a, b, c = (rng.random(shape).astype(kind) for shape in ((3, 4), (4, 5), (3, 5)))
    wanted = c + 2 * a @ b
    gemm(101, 111, 111, 3, 5, 4, 2, a.ctypes.data, 4, b.ctypes.data, 5, 1, c.ctypes.data, 5)
    np.testing.assert_allclose(c, wanted, rtol=1e-6)


# ---- memory ----------------------------------------------------------------------------------------------------------


def test_buffers_share_bytes_only_if_never_needed_at_once():
    arena = Arena("memory")
    rng = np.random.default_rng(0)
    for number in range(200):
        buffer = arena.new(f"t{number}", (int(rng.integers(0, 50)), 3), "float32", int(rng.integers(0, 100)))
        buffer.last = buffer.first + int(rng.integers(0, 20))
    whole = arena.place()
    for one in arena.buffers:
        assert one.end <= whole
        for other in arena.buffers:
            together = one is not other and one.first <= other.last and other.first <= one.last
            assert not (together and one.start < other.end and other.start < one.end and one.bytes and other.bytes)
    assert whole < sum(buffer.bytes for buffer in arena.buffers) / 3


def test_results_are_fresh():
    step = compile(program())
    first = step(data(5))
    kept = {name: np.copy(array) for name, array in first.items()}
    second = step({**data(5), "X": np.zeros((5, 4))})
    assert all((first[name] == kept[name]).all() for name in first)
    assert not any(np.shares_memory(first[name], second[name]) for name in first)


def test_results_in_buffers_are_never_those_of_the_inputs():
    step = compile(parse("y[i] = 2 x[i] + x[i]^2"), reuse_buffers=True)
    x = np.arange(4.0)
    first = step(x=x)["y"]
    for given in (first, first[:], first):
        wanted = 2 * given + given**2
        held = given.copy()
        assert (step(x=given)["y"] == wanted).all()
        assert (given == held).all(), "the input was written to"


def test_threads_have_memory_of_their_own():
    step = compile(program(), fast=False)
    wanted = by_hand(**data(40))["M"]
    errors = []
    barrier = threading.Barrier(6)

    def work():
        try:
            barrier.wait()
            for _ in range(50):
                np.testing.assert_allclose(step(data(40))["M"], wanted, rtol=1e-12)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_no_einsum_and_no_copy_in_the_hot_path():
    step = compile(program(), ["L", "M"], fast=False)
    step(data())
    body = step.source()[step.source().index("def step(") :]
    assert "einsum" not in body
    assert "reshape" not in body
    columns = compile(Program([parse("G[j] = A[N,j] B[N,j]"), parse("Z[j] = G[j] + 1")]), ["Z"], fast=False)
    A, B = np.random.default_rng(0).random((2, 7, 3))
    np.testing.assert_allclose(columns(A=A, B=B)["Z"], (A * B).sum(0) + 1, rtol=1e-14)
    assert "einsum" not in columns.source()
    assert re.search(r"np\.(dot|matmul|exp)\([^)]*out=", body)


@pytest.mark.parametrize("fast", [False, pytest.param(True, marks=[pytest.mark.numba, pytest.mark.slow])])
def test_the_source_of_a_specialisation_runs_on_its_own(tmp_path, fast):
    step = compile(program(), ["L", "M"], fast=fast)
    wanted = step(data())
    (tmp_path / "made.py").write_text(step.source(), encoding="utf-8")
    np.savez(tmp_path / "data.npz", **data())
    script = (
        "import sys, numpy as np, inspect\n"
        "import made\n"
        "given = np.load('data.npz')\n"
        "found = made.step(*[given[n] for n in inspect.signature(made.step).parameters])\n"
        "assert not any(name.startswith('einstan') for name in sys.modules)\n"
        "np.savez('found.npz', *found)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.stderr == ""
    found = np.load(tmp_path / "found.npz")
    assert (found["arr_0"] == wanted["L"]).all()
    assert (found["arr_1"] == wanted["M"]).all()


def test_what_does_not_go_together_is_refused():
    with pytest.raises(EinstanError, match="any size"):
        compile(program(), any_size=True, reuse_buffers=True)


# ---- sums at positions -----------------------------------------------------------------------------------------------


def test_code_for_any_size_is_planned_once(monkeypatch):
    searched = []
    honest = plan_module.planned
    monkeypatch.setattr(plan_module, "planned", lambda *given, **named: searched.append(1) or honest(*given, **named))
    lines = ["Z[n,j] = X[n,K] W[K,j] + b[j]", "S[n,c] = softmax[c](Z[n,c])", "L = -1/|N| Y[N,C] log(S[N,C])"]
    forward = Program([parse(line) for line in lines])
    whole, outputs = joined(forward, backward(forward, "L", ["W", "b"])), ["L", "dW", "db"]
    any_size, each = compile(whole, outputs, any_size=True), compile(whole, outputs, fast=False)
    generator = np.random.default_rng(0)
    functions = set()
    for n, k, j in ((4, 5, 3), (7, 2, 9), (1, 1, 1), (60, 3, 1), (4, 5, 3)):
        shapes = {"X": (n, k), "W": (k, j), "b": (j,), "Y": (n, j)}
        data = {name: generator.standard_normal(shape) for name, shape in shapes.items()}
        before = len(searched)
        found = any_size(data)
        assert len(searched) - before == (not functions)
        functions.add(any_size.source())
        expected = each(data)
        assert all(np.allclose(found[name], expected[name], rtol=1e-12) for name in outputs)
        assert any_size.plan.extents.shape("X") == (n, k)
        assert any_size.plan.peak_memory <= any_size.plan.measure()
    assert len(functions) == 1
    with pytest.raises(DataError, match=r"divides by \|N\|"):
        any_size({"X": np.ones((0, 5)), "W": np.ones((5, 3)), "b": np.ones(3), "Y": np.ones((0, 3))})
    with pytest.raises(ExtentError, match="K has two sizes"):
        any_size({"X": np.ones((4, 5)), "W": np.ones((6, 3)), "b": np.ones(3), "Y": np.ones((4, 3))})


def test_code_with_windows_is_planned_for_each_size():
    compiled = compile(parse("Y[i] = X[i+R] W[R]"), any_size=True)
    for size in (5, 9):
        X, W = np.arange(float(size)), np.array([1.0, 2.0])
        assert np.allclose(compiled(X=X, W=W)["Y"], X[:-1] + 2 * X[1:])


@pytest.mark.parametrize("rest", [(), (3,), (2, 3), (0,)])
def test_sums_at_positions(rest):
    rng = np.random.default_rng(0)
    index = rng.integers(-1, 6, (4, 5))
    values = rng.random((4, 5, *rest)).astype(np.float32)
    out = np.zeros((5, *rest))
    for place in np.ndindex(4, 5):
        if 0 <= index[place] < 5:
            out[index[place]] += values[place]
    found = scatter_add(index, values, 5)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, out, rtol=1e-6)


@pytest.mark.numba
def test_a_program_that_numba_refuses_goes_on_with_numpy(monkeypatch):
    def refuse(*arguments):
        raise TypeError("no such loop")

    monkeypatch.setattr("einstan.machine.run.specialisation.PATIENCE", 1e-9)
    monkeypatch.setattr("einstan.machine.run.specialisation.SAMPLED", 1)
    monkeypatch.setattr("einstan.machine.run.compiled.fused", refuse)
    step = compile(parse("y[i] = 2 x[i]"))
    with pytest.warns(RuntimeWarning, match="no such loop"):
        assert step(x=np.ones(3))["y"].tolist() == [2, 2, 2]
    assert step(x=np.ones(3))["y"].tolist() == [2, 2, 2]


@pytest.mark.parametrize("options", [{}, {"any_size": True}], ids=str)
def test_labels_have_no_part_in_the_precision(options):
    e, r = np.array([1, 0, 1], np.float32), np.array([0.1, 0.2, 0.3], np.float32)
    step = compile(parse("L = sum[N](e[N] log(sum[M](1[t[M] >= t[N]] exp(r[M]))))"), **options)
    found = step(e=e, r=r, t=np.array([3, 1, 2]))["L"]
    assert found.dtype == np.float32
    assert np.isclose(found, 0.1 + np.log(np.exp(0.1) + np.exp(0.3)))
