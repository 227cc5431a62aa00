"""What PyTorch and JAX do with functions is done with compiled programs: derivatives, batches, compilers, training."""

import pickle
import warnings

import numpy as np
import pytest

import einstan as es
from einstan.language.errors import DataError, EinstanError
from einstan.layers import cross_entropy, dense, relu, softmax
from tests.layers.rows import ROWS

torch = pytest.importorskip("torch", exc_type=ImportError)
jax = pytest.importorskip("jax", exc_type=ImportError)
jnp = jax.numpy
check_grads = pytest.importorskip("jax.test_util").check_grads
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning", "ignore:Dynamo:UserWarning")

TENSORS = {
    "torch": lambda a, dtype="float32": torch.as_tensor(np.asarray(a)).to(getattr(torch, dtype)),
    "jax": lambda a, dtype="float32": jnp.asarray(np.asarray(a), dtype),
}
BACKENDS = pytest.mark.parametrize("backend", TENSORS)
LAYERS = [
    row for row in ROWS if row.name in ("softmax", "gelu", "layer_norm", "attention", "embedding", "correlation_1d")
]
NETWORK = es.Network(
    dense("H", X="X", W="W1", b="b1"), relu("A", Z="H"), dense("Z", X="A", W="W2", b="b2"),
    softmax("S", Z="Z"), cross_entropy("L", S="S", Y="Y"),
)  # fmt: skip
draw = np.random.default_rng(0).standard_normal
PARAMS = {"W1": draw((4, 5)), "b1": draw(5), "W2": draw((5, 3)), "b2": draw(3)}
DATA = {"X": draw((6, 4)), "Y": np.eye(3)[[0, 1, 2, 0, 1, 2]]}
REGRESSION = es.Program("y[n] = X[n,K] w[K]\nL = sum[N]((y[N] - z[N])^2)")
NUMBERS = {"X": draw((6, 4)), "w": draw(4), "z": draw(6)}
GATHER = es.parse("y[n,d] = E[T[n],d]")
LOSS = es.Program("A[n,j] = tanh(X[n,K] W[K,j])\nL = 1/|N| A[N,J]^2")


def tensors(backend, arrays, dtype="float32"):
    return {name: TENSORS[backend](array, dtype) for name, array in arrays.items()}


def equal(found, expected, tolerance=2e-5):
    """Trees of tensors, and the same of arrays; every tensor is one of a library."""
    if isinstance(expected, dict | tuple | list):
        pairs = (
            [(found[key], expected[key]) for key in expected]
            if isinstance(expected, dict)
            else zip(found, expected, strict=True)
        )
        for pair in pairs:
            equal(*pair, tolerance)
        return
    assert isinstance(found, torch.Tensor | jax.Array) or np.ndim(found) == 0
    np.testing.assert_allclose(np.asarray(found), expected, rtol=tolerance, atol=tolerance)


# ---- everything that compiles ----------------------------------------------------------------------------------------

MADE = {
    "value and gradients": lambda **o: NETWORK.value_and_grad("L").compile(**o),
    "evaluator": lambda **o: NETWORK.evaluator("S", "L", **o),
    **{f"update by {u}": lambda u=u, **o: NETWORK.value_and_grad("L").compile(update=u, **o)
       for u in (es.SGD(0.1), es.Momentum(0.1), es.Momentum(0.1, nesterov=True), es.Adam(0.01))},
}  # fmt: skip


@BACKENDS
@pytest.mark.parametrize("name", MADE)
def test_steps_of_a_network(name, backend):
    plain, hosted = MADE[name](), MADE[name](backend=backend)
    params, data = tensors(backend, PARAMS), tensors(backend, DATA)
    update = getattr(plain, "update", None)
    if update is None:
        equal(hosted(params, **data), plain(PARAMS, **DATA))
        return
    optimiser = update.optimiser
    there, here = (params, optimiser.init(params)), (PARAMS, optimiser.init(PARAMS))
    for _ in range(2):
        loss, *there = hosted(*there, **data)
        expected, *here = plain(*here, **DATA)
        equal(loss, expected)
        equal(there, here)
    grads = NETWORK.value_and_grad("L").compile(backend=backend)(params, **data)[1]
    by_hand = optimiser.update(params, grads, optimiser.init(params))
    equal(
        by_hand,
        optimiser.update(PARAMS, NETWORK.value_and_grad("L").compile()(PARAMS, **DATA)[1], optimiser.init(PARAMS)),
    )


PASSES = {
    "partial": lambda p: p.partial("L", "w"),
    "backward": lambda p: p.backward("L"),
    "jvp": lambda p: p.jvp("L", ["w"]),
    "vjp": lambda p: p.vjp("y", "w"),
    "hvp": lambda p: p.hvp("L", "w"),
    "norms": lambda p: p.per_example("L", "n").norms(["w"]),
}


@BACKENDS
@pytest.mark.parametrize("name", PASSES)
def test_passes_of_a_program(name, backend):
    made = PASSES[name](REGRESSION)
    given = {**NUMBERS, "y": NUMBERS["X"] @ NUMBERS["w"], "tw": NUMBERS["w"][::-1].copy(), "dy": NUMBERS["z"]}
    given = {name: given[name] for name in made.compile().texts}
    equal(made.compile(backend=backend)(tensors(backend, given)), made.compile()(given))


@BACKENDS
def test_derivatives_are_dense(backend):
    hessian = NETWORK.hessian("L", "W2")
    made = hessian.compile(backend=backend)
    given = tensors(backend, PARAMS), tensors(backend, DATA)
    equal(made.dense(given[0], **given[1]), hessian.dense(PARAMS, **DATA))
    gradients = REGRESSION.per_example("L", "n").gradients(["w", "X"])
    found = gradients.compile(backend=backend).dense(tensors(backend, NUMBERS))
    equal(found, gradients.compile().dense(NUMBERS))


EXTENTS = {"i": 4, "j": 3, "k": 2, "n": 5, "c": 3}
TOLD = {  # what is differentiated, by what, and the derivative by hand; axes are told by arrays that it does not read
    "squares": ("L = 1/2 x[I]^2", "L", ["x", "x"], {"x": "i"}, lambda a: np.eye(4)),
    "mean": ("L = mean[I](x[I]^2)", "L", ["x", "x"], {"x": "i"}, lambda a: np.eye(4) / 2),
    "ridge": (
        "L = 1/2 (Y[N,J] - X[N,K] W[K,J])^2 + 1/2 W[K,J]^2", "L", ["W", "W"], {"Y": "nj", "X": "nk", "W": "kj"},
        lambda a: np.einsum("kl,jq->kjlq", a["X"].T @ a["X"] + np.eye(2), np.eye(3)),
    ),
    "jacobian": (
        "Z[n,c] = X[n,K] W[K,c]", "Z", ["W"], {"X": "nk", "W": "kc"},
        lambda a: np.einsum("nk,cp->nckp", a["X"], np.eye(3)),
    ),
    "another size": ("L = |b.0| x[I]^2 + 0 b[J]", "L", ["x", "x"], {"x": "i", "b": "j"}, lambda a: 6 * np.eye(4)),
}  # fmt: skip


@BACKENDS
@pytest.mark.parametrize("name", TOLD)
def test_arrays_that_are_not_read_tell_sizes(name, backend):
    text, of, wrt, axes, by_hand = TOLD[name]
    arrays = {key: draw([EXTENTS[x] for x in letters]) for key, letters in axes.items()}
    compiled = es.Program(text).derivative(of, *wrt).compile(backend=backend)
    run = jax.jit(compiled.dense) if backend == "jax" else compiled.dense
    equal(run(tensors(backend, arrays)), by_hand(arrays))


@BACKENDS
def test_sizes_of_several_derivatives_are_told_so(backend):
    gradients = es.Program("Z[n,j] = X[n,K] W[K,j] + b[j]\nL = 1/|N| Z[N,J]").per_example("L").gradients(["W", "b"])
    arrays = {"X": draw((5, 2)), "W": draw((2, 3)), "b": draw(3)}
    found = gradients.compile(backend=backend).dense(tensors(backend, arrays))
    equal(found, {"W": np.repeat(arrays["X"][..., None], 3, axis=2), "b": np.ones((5, 3))})


FACTORED = {  # a program, what is differentiated, by what, and the axes of what is given
    "factorisation": (
        "L = 1/2 M[I,J] (X[I,J] - U[I,K] V[J,K])^2", "L", ["U", "U"], {"M": "ij", "X": "ij", "U": "ik", "V": "jk"},
    ),
    "two blocks": ("L = M[I,J] sin(U[I,K] V[J,K])", "L", ["U", "V"], {"M": "ij", "U": "ik", "V": "jk"}),
    "layer": ("A[n,j] = relu(X[n,K] W[K,j] + b[j])", "A", ["W"], {"X": "nk", "W": "kj", "b": "j"}),
    "softmax": ("S[n,c] = softmax[c](Z[n,c])", "S", ["Z"], {"Z": "nc"}),
    "cross-entropy": (
        "Z[n,c] = X[n,K] W[K,c]\nL = 1/|N| sum[N](logsumexp[C](Z[N,C]) - Z[N,T[N]])", "L", ["W", "W"],
        {"X": "nk", "W": "kc", "T": "n"},
    ),
}  # fmt: skip


@BACKENDS
@pytest.mark.parametrize("name", FACTORED)
def test_derivatives_keep_their_deltas(name, backend):
    text, of, wrt, axes = FACTORED[name]
    derivative = es.Program(text).derivative(of, *wrt)
    plain, compiled = derivative.compile(), derivative.compile(backend=backend)
    rng = np.random.default_rng(len(name))
    shapes = {key: [EXTENTS[x] for x in axes[key]] for key in plain.inputs}
    arrays = {key: rng.integers(3, size=s) if key == "T" else rng.normal(size=s) for key, s in shapes.items()}
    whole = {"torch": "int64", "jax": "int32"}[backend]
    given = {key: TENSORS[backend](a, whole if key == "T" else "float32") for key, a in arrays.items()}
    expected, found = plain(arrays), compiled(given)
    dense, rows = expected.dense(), expected.rows
    assert (found.names, found.shape, found.rows) == (expected.names, expected.shape, expected.rows)
    equal(found.dense(), dense)
    equal(compiled.dense(given), dense)
    assert sum(np.asarray(core).size for core in found.cores) < dense.size or len(set(expected.parts[0].axes)) > 2
    right, left = (rng.normal(size=shape) for shape in ((*dense.shape[rows:], 2), (2, *dense.shape[:rows])))
    equal(found @ TENSORS[backend](right), np.tensordot(dense, right, dense.ndim - rows))
    equal(TENSORS[backend](left) @ found, np.tensordot(left, dense, rows))
    np.testing.assert_allclose(found.numpy().dense(), dense, rtol=1e-5, atol=1e-5)
    if dense.shape[:rows] == dense.shape[rows:]:
        equal(found.diagonal(), expected.diagonal())
    else:
        with pytest.raises(DataError, match="one shape"):
            found.diagonal()
    with pytest.raises(DataError, match="meet a tensor of shape"):
        found @ TENSORS[backend](np.ones(7))


GRADS = {"torch": torch.func.grad, "jax": jax.grad}


@BACKENDS
def test_factored_derivatives_are_traced(backend):
    """A Hessian times a direction, under what the libraries do with functions."""
    text, of, wrt, axes = FACTORED["factorisation"]
    hessian = es.Program(text).derivative(of, *wrt)
    plain, compiled = hessian.compile(), hessian.compile(backend=backend)
    rng = np.random.default_rng(0)
    others = {key: rng.normal(size=[EXTENTS[x] for x in axes[key]]) for key in plain.inputs if key != "V"}
    V, direction = rng.normal(size=(3, 2)), rng.normal(size=(4, 2))
    own, along = tensors(backend, others), TENSORS[backend](direction)

    def product(V):
        return compiled(**own, V=V) @ along

    at = TENSORS[backend](V)
    equal(product(at), plain(**others, V=V) @ direction)
    if backend == "jax":
        equal(jax.jit(product)(at), plain(**others, V=V) @ direction)
    slope = GRADS[backend](lambda V: product(V).sum())(at)
    ends = [(plain(**others, V=V + step * np.eye(3, 2)) @ direction).sum() for step in (1e-3, -1e-3)]
    np.testing.assert_allclose(np.vdot(np.asarray(slope), np.eye(3, 2)), (ends[0] - ends[1]) / 2e-3, rtol=1e-3)


@BACKENDS
def test_bands_stay_with_numpy(backend):
    program = es.Program("d[i] = x[i+1]^2 - x[i]^2")
    compiled = program.derivative("d", "x").compile(backend=backend)
    with pytest.raises(DataError, match="bands are kept by NumPy alone") as refused:
        compiled(x=TENSORS[backend](np.ones(4)))
    assert "dense" in refused.value.repair[0]


@BACKENDS
def test_assumptions_are_checked_where_values_are_there(backend):
    step = NETWORK.value_and_grad("L").compile(backend=backend)
    with pytest.raises(DataError, match="assume"):
        step(tensors(backend, PARAMS), **tensors(backend, {**DATA, "Y": 2 * DATA["Y"]}))


@BACKENDS
def test_they_are_pickled(backend):
    made = pickle.loads(pickle.dumps(GATHER.compile(backend=backend, any_size=True)))
    assert made.backend == backend
    assert made.any_size


@BACKENDS
def test_sources_run_alone(backend):
    for program in (NETWORK.value_and_grad("L"), LOSS, GATHER, es.parse("y[i] = 3 i where |i| = 4")):
        text = program.source(target=backend)
        assert "einstan" not in text
        space = {}
        exec(text, space)
        assert (
            "dtype = " not in text.replace("dtype, device = ", "dtype = ") or "dtype)" in text or "dtype=dtype" in text
        )
    equal(space["step"](), [[0, 3, 6, 9]])


COUNTED = {
    "sums by label": "y[v,d] = sum[N](1[t[N] == v] x[N,d]) where |v| = 5",
    "means by label": "y[v] = sum[N](1[t[N] == v] z[N]) / (1 + sum[N](1[t[N] == v])) where |v| = 3",
    "logarithms of counts": "c[v] = 1 + sum[N](1[t[N] == v]) where |v| = 3\ny[v] = log(c[v])\ns[v] = y[v] w[v]",
    "counts alone": "c[v] = 1 + sum[N](1[t[N] == v]) where |v| = 3\ny[v] = log(c[v])",
}


@BACKENDS
@pytest.mark.parametrize("name", COUNTED)
def test_labels_do_not_make_integers_of_what_is_computed(name, backend):
    """The text for any size does not know which of its arrays hold labels."""
    program = es.Program(COUNTED[name])
    data = {"t": np.array([0, 1, 1, 2]), "x": draw((4, 2)), "z": draw(4), "w": draw(3)}
    space = {}
    exec(program.source(target=backend), space)
    names = [str(name) for name in program.compile(backend=backend).texts]
    given = {n: TENSORS[backend](data[n], "int32" if n == "t" else "float32") for n in names}
    found, expected = space["step"](**given), program.compile()({n: data[n] for n in names})
    for value, name in zip(found if isinstance(found, tuple) else (found,), expected, strict=True):
        assert "float" in str(value.dtype)
        equal(value, expected[name])


# ---- what is given ---------------------------------------------------------------------------------------------------

ODD = {
    "two dtypes": (LOSS, {"X": (2, 3), "W": ((3, 4), "float16")}, "W has dtype float16, and X has float32"),
    "two sizes": (LOSS, {"X": (2, 3), "W": (4, 3)}, "K has two sizes"),
    "a rank": (LOSS, {"X": (2, 3), "W": (3,)}, "has 1 axis"),
    "integers": (LOSS, {"X": ((2, 3), "int32"), "W": (3, 4)}, "X has dtype int32"),
    "labels that are no integers": (GATHER, {"E": (2, 3), "T": (4,)}, "T has dtype float32, and stands in a slot"),
}


@BACKENDS
@pytest.mark.parametrize("name", ODD)
def test_what_does_not_fit_is_refused(name, backend):
    program, shapes, told = ODD[name]
    given = {n: s if isinstance(s[-1], str) else (s, "float32") for n, s in shapes.items()}
    data = {n: TENSORS[backend](np.ones(shape), dtype) for n, (shape, dtype) in given.items()}
    with pytest.raises(EinstanError) as refused:
        program.compile(backend=backend)(data)
    assert told in str(refused.value)


@BACKENDS
def test_arrays_of_numpy_are_refused(backend):
    with pytest.raises(DataError, match="is an array of NumPy") as refused:
        GATHER.compile(backend=backend)(E=np.ones((2, 3)), T=TENSORS[backend]([0], "int32"))
    expected = {"torch": "torch.as_tensor(E)", "jax": "jnp.asarray(E, 'float32')"}[backend]
    assert expected in refused.value.repair[0]
    assert backend == "torch" or "keeps 32 of its 64 bits" in str(refused.value)


@BACKENDS
def test_numbers_take_the_dtype_of_the_tensors(backend):
    made = es.parse("y[i] = a x[i]").compile(backend=backend)
    for dtype in ("float16", "bfloat16", "float32"):
        for number in (2, 2.0, np.float64(2), np.array(2.0)):
            found = made(a=number, x=TENSORS[backend]([1, 2], dtype))["y"]
            assert str(found.dtype).endswith(dtype)
            equal(found.to(torch.float32) if backend == "torch" else found, [2, 4])
    assert made(a=2, x=TENSORS[backend]([1, 2], "float32"))
    wide = es.parse("y[i] = a[i] x[i]").compile(backend=backend, dtype="float32")
    found = wide(a=TENSORS[backend]([1, 2], "float16"), x=TENSORS[backend]([1, 2], "float32"))["y"]
    assert str(found.dtype).endswith("float32")


@BACKENDS
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision(backend, dtype):
    step = NETWORK.value_and_grad("L").compile(backend=backend)
    loss, grads = step(tensors(backend, PARAMS, dtype), **tensors(backend, DATA, dtype))
    expected = NETWORK.value_and_grad("L").compile()(PARAMS, **DATA)
    assert all(str(value.dtype).endswith(dtype) for value in (loss, *grads.values()))
    for found, wanted in ((loss, expected[0]), *((grads[name], expected[1][name]) for name in grads)):
        found = found.float() if backend == "torch" else found.astype("float32")
        np.testing.assert_allclose(np.asarray(found), wanted, atol=0.05)


@BACKENDS
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32"])
def test_labels_of_few_bits(backend, dtype):
    entries = np.arange(12.0).reshape(6, 2)
    found = GATHER.compile(backend=backend)(E=TENSORS[backend](entries), T=TENSORS[backend]([1, 0, 5], dtype))["y"]
    equal(found, entries[[1, 0, 5]])


@BACKENDS
@pytest.mark.parametrize("function", ["softplus", "lgamma", "erf", "silu"])
def test_functions_of_sizes(backend, function):
    program, a = es.Program(f"y[i] = a[i] {function}(|i|)"), np.array([2.0, -1.0, 0.5])
    found = program.compile(backend=backend, any_size=True)(a=TENSORS[backend](a))["y"]
    equal(found, program.compile()(a=a)["y"])


@BACKENDS
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("y[n] = E[1,T[n]]", lambda E, T: E[1, T]),
        ("y = E[0,T[0]] + E[1,T[1]]", lambda E, T: E[0, T[0]] + E[1, T[1]]),
        ("e[i,j] = 2 E[i,j]\ny = e[0,T[1]]", lambda E, T: 2 * E[0, T[1]]),
        ("y = 1[T[0] > 0] E[1,T[0]-1]", lambda E, T: E[1, T[0] - 1]),
    ],
)
def test_labels_beside_a_number(backend, text, expected):
    program = es.Program(text)
    entries, labels = np.arange(6.0).reshape(2, 3), [1, 2]
    arrays = {"E": TENSORS[backend](entries), "T": TENSORS[backend](labels, "int32")}
    equal(program.compile(outputs=["y"], backend=backend)(arrays)["y"], expected(entries, np.array(labels)))
    arrays["E"] = arrays["E"][:1, :1] if "1," in text else arrays["E"][:, :1]
    with pytest.raises(EinstanError, match="reads outside"):
        program.compile(outputs=["y"], backend=backend)(arrays)


@pytest.mark.parametrize("backend", list(TENSORS))
def test_what_is_no_number_is_not_positive(backend):
    """PyTorch's kernel for the slope of relu lets NaN through."""
    made = es.Program("y[n] = 1[x[n] > 0] c[n]").compile(backend=backend)
    arrays = {"x": np.array([np.nan, 1.0, -1.0, np.inf, -np.inf]), "c": np.array([1.0, 2.0, np.inf, 3.0, np.nan])}
    equal(made({name: TENSORS[backend](array) for name, array in arrays.items()})["y"], np.array([0.0, 2, 0, 3, 0]))


@pytest.mark.parametrize("backend", list(TENSORS))
@pytest.mark.parametrize(
    ("x", "z", "said"),
    [
        (np.array([200, 100], np.uint8), np.array([100.0, 200.0]), "x has dtype"),
        (np.array([1.0, 2.0]), np.array([1.0]), r"z has 1 entries along axis 0, and \|n\| is 2"),
        (np.array([1.0, 2.0]), np.array([[1.0], [2.0]]), r"z has the shape \(2, 1\), but 1 axes are read"),
    ],
)
def test_code_by_itself_refuses_what_it_was_not_made_for(backend, x, z, said):
    space = {}
    exec(es.Program("y[n] = x[n] - z[n]").source(target=backend), space)
    make = torch.as_tensor if backend == "torch" else jnp.asarray
    with pytest.raises(ValueError, match=said):
        space["step"](make(x), make(z))


def test_labels_of_8_bits_are_no_mask():
    space = {}
    exec(es.parse("y[n] = E[T[n]]").source(target="torch"), space)
    (found,) = space["step"](torch.tensor([1.0, 2.0, 3.0]), torch.tensor([2, 0, 1], dtype=torch.uint8))
    assert found.tolist() == [3.0, 1.0, 2.0]


def test_labels_outside():
    entries = np.arange(12.0).reshape(6, 2)
    made, traced = GATHER.compile(backend="torch"), jax.jit(GATHER.compile(backend="jax"))
    for label in (6, -1):
        labels = torch.tensor([0, label])
        with pytest.raises(EinstanError, match=r"E\[T\[n\],d\] reads outside E"):
            made(E=TENSORS["torch"](entries), T=labels)
        with pytest.raises(IndexError):
            torch.compile(lambda e, t: made(E=e, T=t)["y"], fullgraph=True, backend="aot_eager")(
                TENSORS["torch"](entries), labels
            )
        with pytest.raises(EinstanError, match=r"E\[T\[n\],d\] reads outside E"):
            GATHER.compile(backend="jax")(E=TENSORS["jax"](entries), T=jnp.asarray([0, label]))
        found = traced(E=TENSORS["jax"](entries), T=jnp.asarray([0, label]))["y"]
        np.testing.assert_array_equal(np.isnan(found), [[False, False], [True, True]])


def test_labels_of_more_bits_than_jax_counts_with():
    with jax.enable_x64(True):
        read = jax.jit(GATHER.compile(backend="jax"))
        found = read(E=jnp.arange(6.0).reshape(3, 2), T=jnp.asarray([2**32 + 1, 1, -(2**32)]))["y"]
        assert np.isnan(found).any(axis=1).tolist() == [True, False, True]


LABELLED = {  # what is read at labels t, and of which a derivative is taken
    "softmax": ("S[n,c] = softmax[c](x[n,c])\nL = -sum[N](log(S[N,t[N]]))", (2, 3), [0, 2], [[0, 3], [-1, 0]]),
    "compared": ("m[n,c] = relu(x[n,c] - x[n,t[n]] + 1)\nL = m[N,C]", (2, 3), [0, 2], [[0, 3], [-1, 0]]),
}


@BACKENDS
@pytest.mark.parametrize(("text", "shape", "right", "wrong"), LABELLED.values(), ids=LABELLED)
def test_derivatives_refuse_the_labels_that_the_program_refuses(backend, text, shape, right, wrong):
    program, made = es.Program(text), TENSORS[backend]
    given = {"x": made(np.arange(1.0, 1 + np.prod(shape)).reshape(shape))}
    gradient = program.backward("L", ["x"]).compile(outputs=["dx"], backend=backend)
    for derived in (gradient, program.derivative("L", "x").compile(backend=backend)):
        derived(**given, t=made(right, "int32"))
        for labels in wrong:
            with pytest.raises(EinstanError, match="reads outside"):
                derived(**given, t=made(labels, "int32"))


def test_labels_that_a_compiler_or_a_transform_hands_on_are_not_looked_at():
    made = es.Program("L = sum[N](x[t[N]])").backward("L", ["x"]).compile(outputs=["dx"], backend="torch")
    x, t = torch.ones(3), torch.tensor([[0, 2], [3, 1]])
    found = torch.func.vmap(lambda row: made(x=x, t=row)["dx"])(t)
    assert found.tolist() == [[1, 0, 1], [0, 1, 0]]
    compiled = torch.compile(lambda row: made(x=x, t=row)["dx"], fullgraph=True, backend="eager")
    assert compiled(t[1]).tolist() == [0, 1, 0]


def test_tensors_of_any_layout():
    made, gradient = LOSS.compile(backend="torch"), LOSS.backward("L").compile()
    x, w = torch.randn(3, 6)[:, ::2].T, torch.randn(3, 1).expand(3, 4)
    assert not x.is_contiguous()
    leaf = x.clone().requires_grad_()
    loss = made(X=leaf, W=w)["L"]
    loss.backward()
    expected = gradient(X=x.numpy(), W=np.ascontiguousarray(w.numpy()))
    equal(leaf.grad, expected["dX"])


@BACKENDS
def test_brackets_hide_what_becomes_infinite(backend):
    program = es.Program("L = sum[N](1[x[N] > 0] log(x[N]))")
    x = TENSORS[backend]([0.0, -1.0, 2.0])
    equal(program.compile(backend=backend)(x=x)["L"], np.log(2))
    equal(program.backward("L").compile(backend=backend)(x=x)["dx"], [0, 0, 0.5])


@BACKENDS
@pytest.mark.parametrize(
    ("text", "data", "expected"),
    [
        ("y[n] = pad(x[n-J]) / r[J] where |n| = |x.0|", {"x": [1.0, 1, 1], "r": [1.0, 1, 0]}, [1, 2, np.inf]),
        ("y[n] = pad(x[n-J]) log(r[J]) where |n| = |x.0|", {"x": [1.0, 1, 1], "r": [1.0, 1, 0]}, [0, 0, -np.inf]),
        ("y[n] = pad(x[n-J]) / r[J] - pad(x[n-J]) / r[J]^2 where |n| = |x.0|",
         {"x": [1.0, 1, 1], "r": [1.0, 1, 0]}, [0, 0, np.nan]),
        ("y[i,k] = sum[J](1[A[i,J] > 0] / r[J,k])", {"A": [[1.0, 0], [0, 1]], "r": [[1.0, 0], [0, 1]]},
         [[1, np.inf], [np.inf, 1]]),
        ("u[j,k] = v[k] / r[j]\ny[n,k] = sum[J](1[A[n,J] > 0] (2 u[J,k] + 1))",
         {"v": [1.0, 2], "r": [1.0, 0], "A": [[1.0, 0], [0, 1], [0, 0]]}, [[3, 5], [np.inf, np.inf], [0, 0]]),
        ("s[j] = sqrt(r[j]) + log(r[j])\ny[n] = sum[J](1[A[n,J] > 0] w[J] (s[J] + 1))",
         {"r": [1.0, 0], "w": [3.0, 1], "A": [[1.0, 0], [0, 1]]}, [6, -np.inf]),
        ("y = sum[N](1[t[N] >= 0] z[t[N]] / x[N])", {"t": [-1, 0], "z": [1.0, 2], "x": [0.0, 4]}, 0.25),
        ("y = sum[N](1[t[N] >= 0] z[t[N]] log(x[N]))", {"t": [-1, 0], "z": [1.0, 2], "x": [0.0, 1]}, 0),
    ],
)  # fmt: skip
def test_what_is_read_outside_hides_what_it_is_multiplied_with(backend, text, data, expected):
    program = es.Program(text)
    given = {name: TENSORS[backend](a, "int32" if name == "t" else "float32") for name, a in data.items()}
    np.testing.assert_equal(np.asarray(program.compile(backend=backend)(given)["y"]), expected)


# ---- PyTorch ---------------------------------------------------------------------------------------------------------


def function(row, backend):
    """A layer as a function of its real inputs, and these inputs."""
    made = es.Program(tuple(row.layer().program.equations)).compile(backend=backend)
    data = {name: TENSORS[backend](a, "float64" if name in row.wrt else "int64") for name, a in row.arrays().items()}
    fixed = {name: a for name, a in data.items() if name not in row.wrt}
    return lambda *given: made({**dict(zip(row.wrt, given, strict=True)), **fixed})[row.output], [
        data[n] for n in row.wrt
    ]


@pytest.mark.parametrize("row", LAYERS, ids=str)
def test_autograd_finds_what_is_derived(row):
    layer, inputs = function(row, "torch")
    for each in inputs:
        each.requires_grad_()
    assert torch.autograd.gradcheck(layer, inputs)
    assert torch.autograd.gradgradcheck(layer, inputs)
    slots = f"[{row.slots}]" if row.slots else ""
    program = es.Program("\n".join([*map(str, row.layer().program.equations), f"Loss = C{slots} {row.output}{slots}"]))
    cotangent = torch.tensor(row.cotangent())
    derived = program.backward("Loss", row.wrt).compile()({**row.arrays(), "C": row.cotangent()})
    found = torch.autograd.grad(layer(*inputs), inputs, cotangent)
    equal(found, [derived[f"d{name}"] for name in row.wrt], 1e-9)


def test_transforms_of_torch():
    x, w = torch.randn(5, 3), torch.randn(3, 4)
    loss = LOSS.compile(outputs=["L"], backend="torch")

    def function(w):
        return loss(X=x, W=w)["L"]

    given = {"X": x.numpy(), "W": w.numpy()}
    gradient = LOSS.backward("L", ["W"]).compile()(given)["dW"]
    equal(torch.func.grad(function)(w), gradient)
    equal(torch.func.jacrev(function)(w), gradient)
    equal(torch.func.jacfwd(function)(w), gradient)
    equal(torch.func.hessian(function)(w), LOSS.hessian("L", "W").dense(given))
    equal(torch.func.vmap(torch.func.grad(function))(torch.stack([w, w])), [gradient, gradient])
    equal(torch.utils.checkpoint.checkpoint(function, w, use_reentrant=False), loss(X=x, W=w)["L"].numpy())
    gather = GATHER.compile(backend="torch")
    labels = torch.tensor([[0, 1], [4, 2]])
    equal(torch.func.vmap(lambda t: gather(E=x, T=t)["y"])(labels), x.numpy()[labels.numpy()])


def test_the_compiler_of_torch():
    x, w = torch.randn(5, 3), torch.randn(3, 4)
    made = LOSS.backward("L").compile(backend="torch")
    expected = made(X=x, W=w)
    equal(torch.compile(lambda x, w: made(X=x, W=w), fullgraph=True)(x, w), {k: v.numpy() for k, v in expected.items()})
    step = NETWORK.value_and_grad("L").compile(backend="torch", check=False)
    params, data = tensors("torch", PARAMS), tensors("torch", DATA)
    loss = step(params, **data)[0]
    compiled = torch.compile(lambda params, x, y: step(params, X=x, Y=y), fullgraph=True, backend="aot_eager")
    equal(compiled(params, data["X"], data["Y"])[0], loss.numpy())


# ---- JAX -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", LAYERS, ids=str)
def test_transforms_of_jax(row):
    with jax.enable_x64(True):
        layer, inputs = function(row, "jax")
        cotangent = jnp.asarray(row.cotangent())

        def loss(*given):
            return jnp.sum(layer(*given) * cotangent)

        slots = f"[{row.slots}]" if row.slots else ""
        lines = [*map(str, row.layer().program.equations), f"Loss = C{slots} {row.output}{slots}"]
        derived = es.Program("\n".join(lines)).backward("Loss", row.wrt)
        derived = derived.compile()({**row.arrays(), "C": row.cotangent()})
        wanted = [derived[f"d{name}"] for name in row.wrt]
        value, places = np.asarray(loss(*inputs)), tuple(range(len(inputs)))
        equal(jax.jit(loss)(*inputs), value, 1e-9)
        equal(jax.grad(loss, places)(*inputs), wanted, 1e-9)
        equal(jax.jit(jax.grad(jax.checkpoint(loss), places))(*inputs), wanted, 1e-9)
        batch = [jnp.stack([each, each]) for each in inputs]
        equal(jax.vmap(jax.grad(loss, places))(*batch), [np.stack([each, each]) for each in wanted], 1e-9)
        equal(jax.lax.scan(lambda c, _: (c, loss(*c)), inputs, None, length=2)[1], np.stack([value, value]), 1e-9)
        check_grads(lambda *given: loss(*map(jnp.asarray, given)), inputs, order=2, atol=1e-3, rtol=1e-3)


def test_training_within_jit_and_scan():
    optimiser = es.Adam(0.01)
    step = NETWORK.value_and_grad("L").compile(backend="jax", update=optimiser)
    params, data = tensors("jax", PARAMS), tensors("jax", DATA)
    carry = params, optimiser.init(params)
    outside, losses = carry, []
    for _ in range(3):
        loss, *outside = step(*outside, **data)
        losses.append(float(loss))

    def body(carry, _):
        loss, *carry = step(*carry, **data)
        return tuple(carry), loss

    end, found = jax.jit(lambda carry: jax.lax.scan(body, carry, None, length=3))(carry)
    equal(found, losses)
    equal(end[0], {name: np.asarray(value) for name, value in outside[0].items()})
    halves = tensors("jax", PARAMS, "bfloat16")
    made = jax.jit(lambda params, state: step(params, state, **tensors("jax", DATA, "bfloat16")))
    assert made(halves, optimiser.init(halves))[1]["W1"].dtype == jnp.bfloat16


def test_more_bits_than_jax_keeps():
    with pytest.raises(DataError, match="JAX keeps 32 of the 64 bits"):
        LOSS.compile(backend="jax", dtype="float64")(X=jnp.ones((2, 3)), W=jnp.ones((3, 4)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert es.parse("y[i] = i where |i| = 3").compile(backend="jax")()["y"].dtype == jnp.float32
