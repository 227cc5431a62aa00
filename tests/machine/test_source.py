"""Exported code, run by itself on arrays of sizes that it has not seen, gives what compiled code gives for them, and
refuses what that refuses; where no code is right for all sizes, `source` says so and asks for sizes."""

import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import einstan as es
from einstan import Program
from einstan.calculus import program as calculus
from einstan.language import parse
from einstan.language.errors import EinstanError
from einstan.library.network import Network
from einstan.machine.run.compiled import Compiled
from einstan.machine.sizes.guards import index_tensors
from einstan.machine.sizes.inference import infer
from einstan.machine.sizes.spelling import identifier
from tests.breadth.rows import ROWS as BREADTH
from tests.layers.rows import ROWS as LAYERS
from tests.machine.rows import ROWS, arrays
from tests.strategies import INTEGER_TENSORS, SIGNATURES, SIZES, equations

# How three other size tuples come of those of a row: the k-th dimension grows by so much.
CHANGES = (lambda k, n: n + 1, lambda k, n: n + 2 + k % 3, lambda k, n: max(n - 1 + k % 2, 1))


def function_of(text, name="step"):
    """What exported code defines; it sees nothing but itself."""
    space = {"__name__": "exported"}
    exec(compile(text, "<exported>", "exec"), space)
    return space[name]


def called(function, data):
    """The results of exported code for arrays by name."""
    names = {identifier(str(name), set()): array for name, array in data.items()}
    code = function.__code__
    return function(*[names[text] for text in code.co_varnames[: code.co_argcount]])


def grown(program, data, change, seed=0, follows=None):
    """Arrays of other sizes: every dimension of the program changes, and those of integers point inside.  The array
    called ``follows`` has the sizes that the others give."""
    generator = np.random.default_rng(seed)
    place = {}
    sizes = {}
    for name, array in data.items():
        for axis, size in enumerate(np.shape(array)):
            dim = program.dims.find(f"{name}.{axis}")
            if name != follows:
                sizes.setdefault(dim, change(place.setdefault(dim, len(place)), size))
    if follows in data:
        axes = {n: [program.dims.find(f"{n}.{k}") for k in range(np.ndim(a))] for n, a in data.items() if n != follows}
        shapes = {n: tuple(sizes[dim] for dim in dims) for n, dims in axes.items()}
        try:
            sizes = infer(program, shapes, only=()).known
        except EinstanError:
            return None
    integers = {str(name): axes for name, axes in index_tensors(program).items()}
    made = {}
    for name, array in data.items():
        shape = tuple(sizes[program.dims.find(f"{name}.{k}")] for k in range(np.ndim(array)))
        if name in integers:
            top = min((sizes.get(program.dims.find(axis), 2) for axis in integers[name]), default=2)
            made[name] = generator.integers(0, top, size=shape)
        else:
            made[name] = np.asarray(generator.uniform(0.2, 0.9, size=shape))
    return made


def compare(compiled, program, data, sizes=None, follows=None):
    """Exported code against compiled code at the sizes of the data and at three others; how many it computed."""
    function = function_of(Compiled.source(compiled, sizes))
    computed = 0
    for number, change in enumerate((lambda k, n: n, *CHANGES)):
        other = grown(program, data, change, number, follows)
        if other is None:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                expected = compiled(other)
            except EinstanError:
                with pytest.raises((ValueError, IndexError)):
                    called(function, other)
                continue
            found = called(function, other)
        computed += 1
        for text, one in zip(compiled.results, found, strict=True):
            want = expected[text]
            assert np.shape(one) == np.shape(want), text
            scale = max(1.0, float(np.abs(want[np.isfinite(want)]).max(initial=0)))
            np.testing.assert_allclose(one, want, rtol=1e-10, atol=1e-12 * scale, err_msg=text)
    return computed


# ---- the tables ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_rows(row):
    equation = parse(row.text)
    compiled = Compiled(equation, sizes=row.sizes)
    assert compare(compiled, calculus.Program((equation,)), arrays(row)) >= (2 if not row.sizes else 1)


@pytest.mark.parametrize("row", LAYERS, ids=str)
def test_layers_and_their_backward_passes(row):
    slots = row.slots
    total = f"total = C[{slots}] {row.output}[{slots}]" if slots else f"total = C {row.output}"
    network = Network(row.layer()(), total)
    data = {**row.arrays(), "C": row.cotangent()}
    made = network.value_and_grad("total", wrt=row.wrt)
    compiled = made.compile(check=False).compiled
    assert compare(compiled, compiled.program, data, follows="C") >= 2


@pytest.mark.parametrize("row", BREADTH, ids=str)
def test_breadth(row):
    program = Program(row.text)
    data = {**row.arrays(), **row.integers}
    compiled = program.compile(outputs=[row.of])
    assert compare(compiled, program, {k: v for k, v in data.items() if k in compiled.texts}) >= 2
    if not program[row.of].indices:
        gradient = program.backward(row.of)
        compiled = gradient.compile()
        assert compare(compiled, compiled.program, {k: v for k, v in data.items() if k in compiled.texts}) >= 2


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(equation=equations(), seed=st.integers(0, 2**16))
def test_random_equations(equation, seed):
    shapes = {name: tuple(SIZES[k] for k in kinds) for name, kinds in SIGNATURES.items()} | {"X1": (5,), "X2": (4, 3)}
    shapes |= {name: (SIZES[over],) for name, (over, _) in INTEGER_TENSORS.items()}
    program = calculus.Program((equation,))
    data = {name: np.zeros(shapes[name]) for name in program.inputs}
    compiled = Compiled(equation)
    try:
        infer(program, {name: array.shape for name, array in data.items()})
        Compiled.source(compiled)
    except EinstanError:
        return
    compare(compiled, program, data)


# ---- what is refused -------------------------------------------------------------------------------------------------

# program, and why no code is right for arrays of all sizes: nothing tells the extent of this letter
REFUSED = {
    "zeros in front": ("y[i] = pad(x[i-1])", "i"),
    "a delta of a form": ("y[p] = x[I] δ[2I,p]", "p"),
    "nothing but a number": ("y[i] = 1[i]", "i"),
}


@pytest.mark.parametrize(("text", "letter"), REFUSED.values(), ids=REFUSED)
def test_what_arrays_do_not_tell_is_asked_for(text, letter):
    with pytest.raises(EinstanError, match=rf"the extent of {letter} is not known") as refusal:
        Program(text).source()
    assert f"source(sizes={{'{letter}': ...}})" in str(refusal.value)
    function = function_of(Program(text).source(sizes={letter: 6}))
    data = {"x": np.arange(3.0)}
    expected = Program(text).compile(sizes={letter: 6})({k: v for k, v in data.items() if "x" in text})
    np.testing.assert_array_equal(called(function, data)[0], next(iter(expected.values())))


def test_code_for_sizes_that_were_given_refuses_others():
    text = Program("Z[n,j] = X[n,K] W[K,j]").source(sizes={"n": 2, "k": 3})
    function = function_of(text)
    assert function(np.ones((2, 3)), np.ones((3, 5)))[0].shape == (2, 5)
    for shapes, said in {
        ((4, 3), (3, 5)): "X has 4 entries along axis 0, and this code was made for 2",
        ((2, 3), (4, 5)): "W has 4 entries along axis 0, and this code was made for 3",
        ((2,), (3, 5)): "X has the shape",
        ((2, 3, 1), (3, 5)): "X has the shape",
    }.items():
        with pytest.raises(ValueError, match=said):
            function(*map(np.ones, shapes))


def test_the_code_of_a_call_refuses_other_shapes_and_dtypes():
    compiled = Program("y[i] = x[i+J] w[J]").compile()
    compiled(x=np.arange(6.0), w=np.ones(2))
    function = function_of(compiled.source())
    assert function(np.arange(6.0), np.ones(2))[0].tolist() == [1, 3, 5, 7, 9]
    with pytest.raises(ValueError, match="made for 6"):
        function(np.arange(7.0), np.ones(2))
    with pytest.raises(ValueError, match="dtype"):
        function(np.arange(6, dtype=np.float32), np.ones(2))


def test_names_of_other_scripts_are_those_of_the_arguments():
    text = Program("λ[n] = X[n,K] β[K]\nL = (λ[N] - é_2[N])^2 / σ").backward("L", ["β"]).source()
    assert "def step(X, β, é_2, σ):" in text
    found = function_of(text)(X=np.eye(2), β=np.array([1.0, 2]), é_2=np.zeros(2), σ=2.0)
    assert [array.tolist() for array in found] == [[1, 2], [1, 2]]


def test_arrays_that_disagree_are_refused():
    function = function_of(Program("Z[n,j] = X[n,K] W[K,j] + b[j]").source())
    with pytest.raises(ValueError, match=r"\|k\| is 3"):
        function(np.ones((2, 3)), np.ones((1, 5)), np.ones(5))
    with pytest.raises(ValueError, match=r"\|j\| is 5"):
        function(np.ones((2, 3)), np.ones((3, 5)), np.ones(1))
    with pytest.raises(ValueError, match="dtype"):
        function(np.ones((2, 3), int), np.ones((3, 5)), np.ones(5))


def test_what_has_no_value_is_refused():
    mean = function_of(Program("m = mean[I](x[I])").source())
    with pytest.raises(ValueError, match="no value"):
        mean(np.ones(0))
    window = function_of(Program("y[i] = x[i+J] w[J]").source())
    with pytest.raises(ValueError, match="keeps"):
        window(np.ones(2), np.ones(3))
    stated = function_of(Program("y[i] = x[i+1] z[i] where |i| = |x.0| - 1").source())
    assert stated(np.arange(3.0), np.ones(2))[0].tolist() == [1, 2]
    with pytest.raises(ValueError, match=r"outside of \(1,\)"):
        stated(np.arange(3.0), np.ones(1))
    weighted = function_of(Program("y[i] = (x[i+1] - x[i]) z[i]").source())
    assert weighted(np.arange(3.0), np.ones(2))[0].tolist() == [1, 1]
    with pytest.raises(ValueError, match=r"\|i\| is not what"):
        weighted(np.arange(3.0), np.ones(1))


# ---- everything that has a source ------------------------------------------------------------------------------------

TEXT = "h[i] = x[i+J] w[J]\nL = h[I]^2"
X, W = np.arange(7.0), np.array([1.0, -2.0, 0.5])
H = np.correlate(X, W)
DW = np.array([2 * H @ X[k : k + 5] for k in range(3)])
SOURCES = {
    "equation": lambda: (es.parse("h[i] = x[i+J] w[J]").source(), {}, 0, H),
    "outputs": lambda: (Program(TEXT).source(outputs=["L"]), {}, 0, H @ H),
    "backward": lambda: (Program(TEXT).backward("L", ["w"]).source(outputs=["dw"]), {}, 0, DW),
    "value_and_grad": lambda: (Network(TEXT, parameters={"w": "zeros"}).value_and_grad("L").source(), {}, 1, DW),
    "step": lambda: (Network(TEXT, parameters={"w": "zeros"}).value_and_grad("L").compile().source(), {}, 1, DW),
    "any size": lambda: (Program(TEXT).compile(any_size=True, outputs=["h"]).source(), {}, 0, H),
    "jvp": lambda: (Program(TEXT).jvp("L", ["w"]).source(outputs=["tL"]), {"tw": W}, 0, DW @ W),
    "partial": lambda: (
        Program(TEXT).derivative("L", "w").source(), {}, 0, DW,
    ),
}  # fmt: skip


@pytest.mark.parametrize("made", SOURCES.values(), ids=SOURCES)
def test_every_source_is_right_for_sizes_that_it_has_not_seen(made):
    text, more, position, expected = made()
    function = function_of(text, "cores" if "def cores" in text else "step")
    np.testing.assert_allclose(called(function, {"x": X, "w": W, **more})[position], expected, rtol=1e-12)


WINDOWS = [  # of several lengths on one tensor, whose range is the smallest over all
    "f[i] = y[I] a[i+I] + c[J] a[i+J]\nL = f[1]^2",
    "f[i] = max[I](y[I] a[i+I]) max[J](c[J] a[i+J])\nL = sin(f[1])",
    "f[i] = max[I](y[I] a[2i+I]) min[J](c[J] a[3i+J])\nL = f[0]",
    "f[i] = max[I](y[I] a[i+I]) + c[J] a[i+J]\nL = exp(f[1])",
    "f[i] = max[I](softmax[I](y[I] a[2i+I])) + c[0]\nL = f[0]",
    "f[i] = max[I](y[I] a[i+I])\ng[i] = f[i] max[J](c[J] a[i+J])\nL = g[2]",
]


@pytest.mark.parametrize("text", WINDOWS)
def test_windows_of_several_lengths(text):
    program = Program(text)
    for made in (program, program.backward("L", ["a", "y", "c"])):
        function, compiled = function_of(made.source()), made.compile()
        for lengths in ((9, 2, 3), (9, 3, 2), (12, 4, 4)):
            generator = np.random.default_rng(sum(lengths))
            data = {name: generator.normal(size=size) for name, size in zip("ayc", lengths, strict=True)}
            try:
                expected = compiled(data)
            except EinstanError:  # c is read where f has no entries
                with pytest.raises(ValueError):
                    called(function, data)
                continue
            for name, found in zip(compiled.results, called(function, data), strict=True):
                np.testing.assert_allclose(found, expected[name], atol=1e-12, err_msg=name)


def test_made_up_sizes_take_no_memory():
    program = Program("y[i,j,k,l,m] = a[i] b[j] c[k] d[l+M] e[m+N] w[M] v[N]")
    assert "def step" in program.source()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("y[i] = x[i] x[|x.0|-1-i]", lambda x: x * x[::-1]),
        ("y[i] = x[|x.0|-1-i] x[i+1]", lambda x: x[::-1][:-1] * x[1:]),
    ],
)
def test_an_axis_read_from_its_end_is_right_at_every_size(text, expected):
    space = {}
    exec(es.Program(text).source(), space)
    compiled = es.Program(text).compile(any_size=True)
    for size in (6, 3, 4):
        x = np.arange(1.0, size + 1)
        assert np.array_equal(space["step"](x)[0], expected(x))
        assert np.array_equal(compiled(x=x)["y"], expected(x))


@pytest.mark.parametrize("sizes", [None, {"x.0": 3}])
def test_numbers_of_python_are_taken(sizes):
    program = Program("q[i] = x[i] / t\nL = sum[I](1[x[I] > 0] log(q[I]) / t) + 1[s > 1] t").backward("L", ["t"])
    step = function_of(program.source(sizes, outputs=["L", "dt"]))
    x = np.array([-1.0, 0, 3])
    for t in (2, 2.0, np.float64(2), np.array(2.0)):
        np.testing.assert_allclose(step(x, t, 2), [np.log(1.5) / 2 + 2, -np.log(1.5) / 4 - 1 / 4 + 1])


def test_the_logarithm_of_a_sum_of_nothing_warns_of_nothing():
    program = Program("f[j] = sum[K](softmax[j](q[ids[j],K])) + b")
    function = function_of(program.source())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert function(q=np.ones((3, 0)), ids=np.array([0, 2, 1]), b=np.array(1.5))[0].tolist() == [1.5] * 3
        assert np.allclose(function(q=np.ones((3, 2)), ids=np.array([0, 2, 1]), b=np.array(1.5))[0], 1.5 + 2 / 3)
    logarithm = function_of(Program("y = log(sum[I](x[I]))").source())
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        logarithm(x=np.zeros(2))


def test_sizes_that_only_a_line_tells_which_is_not_asked_for():
    """``a`` has the axis of h, but nothing that L needs reads it."""
    program, x = es.Program("h[n] = x[n+1]\nZ[n] = a[n] + h[n]\nL = h[M]^2"), np.array([1.0, 2.0, 3.0])
    assert program.compile(outputs=["L"], any_size=True)(x=x)["L"] == 13
    space: dict = {}
    exec(program.compile(outputs=["L"]).source(), space)
    assert float(space["step"](x, np.zeros(2))[0]) == 13


@pytest.mark.parametrize("sizes", [None, {"E.0": 3, "n": 2}])
@pytest.mark.parametrize(
    ("text", "right", "wrong"),
    [
        ("L = sum[N]((E[T[N]] - y[N])^2)", [2, 0], ([3, 0], [0, -1])),
        ("L = sum[N](1[T[N] != -1] E[T[N]] y[N])", [-1, 2], ([-1, 3], [0, -2])),
    ],
)
def test_labels_that_the_program_reads_at_are_looked_at_in_the_code_of_its_gradient(text, right, wrong, sizes):
    program = es.Program(text).backward("L", ["E"])
    step = function_of(program.source(sizes))
    names = step.__code__.co_varnames[: step.__code__.co_argcount]
    arrays = {"E": np.ones(3), "y": np.array([1.0, 2.0]), "T": np.array(right)}
    np.testing.assert_allclose(step(**{n: arrays[n] for n in names})[0], program.compile()(arrays)["dE"])
    for labels in wrong:
        with pytest.raises(IndexError, match="but the size is 3"):
            step(**{n: {**arrays, "T": np.array(labels)}[n] for n in names})
