"""Compiled code against oracles written by hand and against the loops, on every kind of array that NumPy has."""

import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import einstan as es
from einstan.calculus.program import Program
from einstan.language import parse
from einstan.language.errors import EinstanError
from einstan.language.functions import FUNCTIONS
from einstan.machine.backends.numpy import UFUNCS, erf, sigmoid
from einstan.machine.meaning.loops import evaluate
from einstan.machine.meaning.numbers import FLOATS
from einstan.machine.run.compile import compile
from tests.machine.rows import ERF, ROWS, arrays
from tests.strategies import INTEGER_TENSORS, SIGNATURES, SIZES, equations


def floats(data, convert):
    """The floating-point arrays converted, the integer ones as they are."""
    return {name: convert(array) if array.dtype.kind == "f" else array for name, array in data.items()}


def check(row, data, given, rtol=1e-12, atol=1e-13):
    result = compile(parse(row.text), sizes=row.sizes)(given)["L" if row.text[0] == "L" else row.text[0]]
    expected = np.asarray(row.oracle(*data.values()))
    assert np.shape(result) == expected.shape
    np.testing.assert_allclose(result, expected, rtol=rtol, atol=atol)
    return result


# ---- the table -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_compiled_code_gives_what_numpy_gives(row):
    data = arrays(row)
    before = {name: array.copy() for name, array in data.items()}
    result = check(row, data, data)
    assert all(np.array_equal(data[name], before[name]) for name in data), "an input was written to"
    if np.ndim(result):
        result[...] = 7  # fresh, writable, and no view of an input
        assert all(np.array_equal(data[name], before[name]) for name in data), "a result is a view of an input"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_float32_stays_float32(row):
    data = arrays(row)
    result = check(row, data, floats(data, np.float32), rtol=3e-4, atol=1e-5)
    if any(array.dtype.kind == "f" for array in data.values()):
        assert result.dtype == np.float32


@pytest.mark.parametrize(
    "layout",
    [
        pytest.param(np.asfortranarray, id="Fortran order"),
        pytest.param(lambda a: a[::-1].copy()[::-1] if a.ndim else a, id="negative strides"),
        pytest.param(lambda a: np.repeat(a, 2, axis=-1)[..., ::2] if a.ndim else a, id="gaps"),
        pytest.param(lambda a: a.astype(">f8"), id="other byte order"),
    ],
)
def test_every_layout(layout):
    for row in ROWS:
        data = arrays(row)
        check(row, data, floats(data, layout))


def test_read_only_arrays():
    for row in ROWS:
        data = arrays(row)
        for array in data.values():
            array.setflags(write=False)
        check(row, data, data)


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(equations(), st.integers(0, 2**16))
def test_compiled_code_is_the_loops(equation, seed):
    """Entries are small whole numbers, so sums of products are exact; functions bring in the last digits."""
    generator = np.random.default_rng(seed)
    shapes = {name: tuple(SIZES[k] for k in kinds) for name, kinds in SIGNATURES.items()} | {"X1": (5,), "X2": (4, 3)}
    data = {}
    for name in Program([equation]).inputs:
        if name in INTEGER_TENSORS:
            over, values = INTEGER_TENSORS[name]
            data[name] = generator.integers(0, SIZES[values], size=SIZES[over])
        else:
            data[name] = generator.integers(-2, 3, size=shapes[name]).astype(float)
    try:
        meaning = evaluate(equation, data, numbers=FLOATS)
    except EinstanError:
        with pytest.raises(EinstanError):
            compile(equation)(data)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # overflow and 0 * inf, which the loops do not warn of
        result = compile(equation)(data)["Out"]
    expected = np.array(meaning.tolist(), float).reshape(meaning.shape)
    assert np.shape(result) == expected.shape
    if np.isfinite(expected).all():
        scale = max(1.0, np.abs(expected).max(initial=0))
        np.testing.assert_allclose(result, expected, rtol=1e-9, atol=1e-9 * scale)


# ---- sizes of nothing ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shapes"),
    [
        ("y[n,j] = X[n,K] W[K,j] + b[j]", {"X": (3, 0), "W": (0, 2), "b": (2,)}),
        ("y[n,j] = X[n,K] W[K,j] + b[j]", {"X": (0, 3), "W": (3, 2), "b": (2,)}),
        ("y[i] = A[i,J]", {"A": (2, 0)}),
        ("y[i] = prod[J](A[i,J])", {"A": (2, 0)}),
        ("y[n,j] = exp(Z[n,j] - logsumexp[K](Z[n,K]))", {"Z": (0, 3)}),
        ("y[n,j] = exp(Z[n,j] - logsumexp[K](Z[n,K]))", {"Z": (3, 0)}),
        ("y[i] = X[i+J] W[J]", {"X": (3,), "W": (0,)}),
        ("y[i] = max[J](A[i,J])", {"A": (0, 2)}),
        ("y[i,p] = δ[i,p] x[i]", {"x": (0,)}),
        ("y[b,i,k] = A[b,i,J] B[b,J,k]", {"A": (2, 3, 0), "B": (2, 0, 5)}),
    ],
)
def test_axes_without_entries(text, shapes):
    data = {name: np.ones(shape) for name, shape in shapes.items()}
    meaning = evaluate(parse(text), data, numbers=FLOATS)
    result = compile(parse(text))(data)["y"]
    assert result.shape == meaning.shape
    np.testing.assert_array_equal(result, np.array(meaning.tolist()).reshape(meaning.shape))


# ---- numbers ---------------------------------------------------------------------------------------------------------


def test_every_function_has_a_row():
    assert set(UFUNCS) | {"pi"} == set(FUNCTIONS)


def test_erf_is_accurate():
    x = np.concatenate([np.linspace(-7, 7, 20001), 10.0 ** np.linspace(-300, 0, 100)])
    assert (np.abs(erf(x) - ERF(x)) <= 4 * np.spacing(np.abs(ERF(x)))).all()
    np.testing.assert_array_equal(erf(np.array([np.inf, -np.inf, np.nan, 0])), [1, -1, np.nan, 0])


def test_sigmoid_keeps_its_digits():
    x = np.array([-700.0, -40.0, 0.0, 40.0, 1e4])
    np.testing.assert_allclose(sigmoid(x), [np.exp(-700), np.exp(-40), 0.5, 1, 1], rtol=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1e4, -1e4, 88.0, 1e30])
def test_softmax_of_logits_of_any_size(dtype, size):
    program = Program(
        [
            parse("S[n,j] = exp(Z[n,j] - logsumexp[K](Z[n,K]))"),
            parse("L = -1/|N| Y[N,J] (Z[N,J] - logsumexp[K](Z[N,K]))"),
        ]
    )
    logits = np.array([[size, 0, -size], [size, size, size]], dtype)
    targets = np.eye(3, dtype=dtype)[[1, 2]]
    made = compile(program)(Z=logits, Y=targets)  # warnings are errors here
    assert made["S"].dtype == dtype
    np.testing.assert_allclose(made["S"].sum(1), 1, rtol=1e-6)
    np.testing.assert_allclose(made["S"][1], 1 / 3, rtol=1e-6)
    np.testing.assert_allclose(made["L"], (abs(size) + np.log(3)) / 2, rtol=1e-6)


def test_log_softmax_of_large_equal_logits_keeps_its_digits():
    logits = np.full((1, 3), 1e7, np.float32)
    made = compile(parse("y[n,j] = Z[n,j] - logsumexp[K](Z[n,K])"))(Z=logits)["y"]
    np.testing.assert_allclose(made, -np.log(3), rtol=1e-6)


@pytest.mark.parametrize("name", ["sigmoid", "softplus", "tanh", "erf", "relu"])
def test_no_warning_at_large_arguments(name):
    x = np.array([-1e30, -1e4, 0, 1e4, 1e30], np.float32)
    assert np.isfinite(compile(parse(f"y[i] = {name}(x[i])"))(x=x)["y"]).all()


def test_mixed_precisions_are_promoted():
    step = compile(parse("y[i] = A[i,K] x[K] + 1/3 b[i]"))
    made = step(A=np.ones((2, 3), np.float32), x=np.ones(3), b=np.ones(2, np.float32))["y"]
    assert made.dtype == np.float64
    assert compile(parse("y[i] = 2 x[i]"), dtype=np.float32)(x=np.ones(3))["y"].dtype == np.float32


@pytest.mark.parametrize("reuse_buffers", [False, True])
def test_a_bracket_takes_the_precision_of_its_factors(reuse_buffers):
    text = "e[i] = sum[K](1[K <= i] x[K])", "f[i] = y[i] + e[i]"
    step = compile(Program(map(parse, text)), reuse_buffers=reuse_buffers)
    found = step(x=np.ones(3, np.float32), y=np.ones(3))
    assert (found["e"].dtype, found["f"].dtype) == (np.float32, np.float64)
    np.testing.assert_array_equal(found["e"], [1, 2, 3])


def test_lists_and_numbers_become_float64():
    made = compile(parse("y[i] = a x[i]"))(a=2, x=[1, 2, 3])["y"]
    assert made.dtype == np.float64
    assert made.tolist() == [2, 4, 6]


# ---- programs --------------------------------------------------------------------------------------------------------

STEP = [
    "Z[n,j] = X[n,K] W[K,j] + b[j]",
    "A[n,j] = relu(Z[n,j])",
    "S[n,j] = exp(A[n,j]) / sum[K](exp(A[n,K]))",
    "L = -1/|N| Y[N,J] log(S[N,J])",
]


def program():
    return Program([parse(text) for text in STEP])


def step_data(n=3):
    generator = np.random.default_rng(1)
    return {
        "X": generator.normal(size=(n, 4)),
        "W": generator.normal(size=(4, 5)),
        "b": generator.normal(size=5),
        "Y": np.eye(5)[generator.integers(0, 5, n)],
    }


def test_a_program_returns_what_is_asked_for():
    data = step_data()
    made = compile(program(), ["L", "S"])(data)
    z = np.maximum(data["X"] @ data["W"] + data["b"], 0)
    s = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    assert list(made) == ["L", "S"]
    np.testing.assert_allclose(made["S"], s)
    np.testing.assert_allclose(made["L"], -(data["Y"] * np.log(s)).sum() / 3)


def test_operations_that_no_output_needs_are_dropped():
    source = compile(program(), ["Z"]).source()
    assert "relu" not in source
    assert "exp" not in source
    assert compile(program(), ["Z"])(X=np.ones((2, 3)), W=np.ones((3, 4)), b=np.ones(4))["Z"].shape == (2, 4)


def test_results_do_not_share_memory():
    made = compile(Program([parse("y[i] = x[i]"), parse("z[i] = x[i]"), parse("w[j,i] = A[i,j]")]))
    x = np.ones(3)
    result = made(x=x, A=np.ones((2, 3)))
    result["y"][:] = 5
    assert result["z"].tolist() == [1, 1, 1]
    assert x.tolist() == [1, 1, 1]
    assert not np.shares_memory(result["y"], result["z"])


def test_an_output_is_not_overwritten_by_what_reads_it():
    made = compile(Program([parse("y[i] = 2 x[i]"), parse("z[i] = exp(y[i])"), parse("w[i] = z[i] + 1")]))
    result = made(x=np.array([1.0, 2.0]))
    assert result["y"].tolist() == [2, 4]
    np.testing.assert_allclose(result["w"], result["z"] + 1)


def test_specialisations_are_remembered_and_bounded():
    step = compile(parse("y[i] = 2 x[i]"))
    for size in range(100):
        assert step(x=np.ones(size))["y"].shape == (size,)
    assert len(step._known) <= 64


def test_the_second_call_plans_nothing(monkeypatch):
    step = compile(program())
    first = step(step_data())
    monkeypatch.setattr("einstan.machine.run.compiled.plan", None)
    second = step(step_data())
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_many_threads():
    step = compile(program())
    wanted = {n: compile(program())(step_data(n))["L"] for n in range(1, 9)}
    errors = []

    def work(offset):
        try:
            for k in range(40):
                n = (k + offset) % 8 + 1
                assert step(step_data(n))["L"] == wanted[n]
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


# ---- source ----------------------------------------------------------------------------------------------------------


def test_the_source_before_the_first_call():
    source = compile(parse("Z[n,j] = X[n,K] W[K,j] + b[j]")).source()
    assert source.startswith("import numpy as np\n\n\ndef fits(")
    assert source[source.index("def step") :] == (
        "def step(X, W, b):\n"
        '    """Returns (Z)."""\n'
        "    sizes = {}\n"
        "    fits(X, 'X', ('n', 'k'), sizes, 'f')\n"
        "    fits(W, 'W', ('k', 'j'), sizes, 'f')\n"
        "    fits(b, 'b', ('j',), sizes, 'f')\n"
        "    # Z[n,j] = X[n,K] W[K,j] + b[j]\n"
        "    t1 = np.dot(X, W)\n"
        "    Z = np.add(t1, b, out=t1)\n"
        "    return Z,\n"
    )


def test_the_source_runs_on_its_own(tmp_path):
    texts = [*STEP, "H[n,d] = E[T[n],d] + sigmoid(A[n,d]) + erf(A[n,d])", "C[i] = q[i+J] r[J]"]
    made = compile(Program([parse(text) for text in texts]), ["L", "H", "C"])
    (tmp_path / "made.py").write_text(made.source(), encoding="utf-8")
    script = (
        "import sys, numpy as np\n"
        "class Refuse:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('einstan', 'opt_einsum', 'scipy'): raise ImportError(name)\n"
        "sys.meta_path.insert(0, Refuse())\n"
        "import made, inspect\n"
        "shapes = dict(X=(4,4), W=(4,4), b=(4,), Y=(4,4), E=(64,4), q=(64,), r=(4,))\n"
        "names = inspect.signature(made.step).parameters\n"
        "given = {n: np.zeros(4, int) if n == 'T' else np.ones(shapes[n]) for n in names}\n"
        "print([np.shape(a) for a in made.step(**given)])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, check=False,
        env={"PATH": "", "PYTHONPATH": ""},
    )  # fmt: skip
    assert done.stderr == ""
    assert done.stdout.strip() == "[(), (4, 4), (61,)]"


def test_names_become_identifiers():
    texts = ["Z^(2)[n] = len[n] + dL/dX[n]", "print[n] = relu(Z^(2)[n])", "np[n] = step[n] + print[n] α[n]"]
    step = compile(Program([parse(text) for text in texts]))
    made = step({"len": np.ones(2), "dL/dX": np.ones(2), "step": np.ones(2), "α": np.ones(2)})
    assert {name: array.tolist() for name, array in made.items()} == {
        "Z^(2)": [2, 2], "print": [2, 2], "np": [3, 3],
    }  # fmt: skip


def test_a_name_cannot_inject_code():
    from einstan.language.index import Index, slot
    from einstan.language.term import Equation, Indexed

    i = Index("i", "y.0")
    evil = 'x"""\n    raise SystemExit\n    """'
    step = compile(Equation("y", (i,), Indexed(evil, (slot(i),))))
    assert step({evil: np.ones(2)})["y"].tolist() == [1, 1]
    evil = "T\nraise SystemExit"
    from einstan.language.index import Affine

    access = Indexed("E", (Affine(((Indexed(evil, (slot(i),)), 1),)),))
    assert compile(Equation("y", (i,), access))({"E": np.ones(2), evil: np.array([0, 1])})["y"].tolist() == [1, 1]


def test_masks_of_indices_are_made_once():
    made = compile(parse("y[i,k] = 1[i >= J] A[i,J] B[J,k]"))
    made(A=np.ones((3, 4)), B=np.ones((4, 2)))
    source = made.source()
    assert "np.arange" not in source[source.index("def step") : source.index("def careful")]


def test_a_thousand_layers():
    texts = [f"h{k + 1}[i] = relu(W[i,J] h{k}[J])" for k in range(1000)]
    step = compile(Program([parse(text) for text in texts]), ["h1000"])
    assert step(W=np.eye(2), h0=np.ones(2))["h1000"].tolist() == [1, 1]


def test_memory_is_not_lent_while_another_term_reads_it():
    made = compile(Program([parse("t[i,j] = exp(A[i,j])"), parse("y[i,j] = t[i,j] + b[j] + t[j,i]")]), ["y"])
    a, b = np.arange(9.0).reshape(3, 3) / 9, np.ones(3)
    np.testing.assert_allclose(made(A=a, b=b)["y"], np.exp(a) + 1 + np.exp(a).T)
    made = compile(Program([parse("t[i,j] = exp(A[i,j])"), parse("y[i,j] = t[i,j] t[j,i]")]), ["y"])
    np.testing.assert_allclose(made(A=a)["y"], np.exp(a) * np.exp(a).T)


def test_memory_of_lower_precision_is_not_lent():
    third = np.full(3, 1 / 3)
    program = Program([parse("t[i] = exp(x[i])"), parse("y[i] = -t[i] + z[i]"), parse("q[i] = 2 t[i] z[i]")])
    for outputs in (["y"], ["q"]):
        made = compile(program, outputs)(x=third.astype(np.float32), z=third)[outputs[0]]
        assert made.dtype == np.float64
    made = compile(program, ["y"])(x=third.astype(np.float32), z=third)["y"]
    np.testing.assert_allclose(made, -np.exp(third.astype(np.float32)) + third, rtol=1e-15)


@pytest.mark.parametrize(
    "options", [{}, {"any_size": True}, pytest.param({"fast": True}, marks=pytest.mark.numba)], ids=str
)
@pytest.mark.parametrize(
    ("factor", "value"),
    [("|n|^30", 5.0**30), ("1/|n|^30", 5.0**-30), ("(|n| + 3)^25", 8.0**25), ("|n|^28 / |n|^27", 5.0),
     ("3000000000 3000000000 3000000000 |n|", 1.35e29), ("|n|^600", float("inf"))],
)  # fmt: skip
def test_large_numbers_of_sizes_do_not_wrap_around(options: dict[str, bool], factor: str, value: float) -> None:
    with np.errstate(over="ignore"):
        found = compile(parse(f"Z[n] = {factor} x[n]"), **options)(x=np.ones(5))["Z"]
    assert np.allclose(found, value, rtol=1e-14)


@pytest.mark.parametrize("optimize", ["auto", "greedy", "optimal", "dp"])
def test_gradients_where_an_axis_is_empty(optimize):
    program = es.Program("e[i,j] = u[j,i] Z[j,i] sum[J](c[J] c[J] v[J])\nL = sum[K,J](e[K,J])")
    arrays = {"u": np.ones((2, 0)), "Z": np.ones((2, 0)), "c": np.array([0.5, 1.5]), "v": np.array([1.0, -0.5])}
    found = program.backward("L", list(arrays)).compile(optimize=optimize)(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[f"d{name}"], np.zeros(array.shape))


def test_a_program_that_defines_nothing_has_no_results() -> None:
    assert es.Program("claim x = x").compile()() == {}
