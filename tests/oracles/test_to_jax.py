"""Programs as functions of JAX: their derivatives by each rule, whatever JAX does with functions, and their text."""

import pickle

import numpy as np
import pytest

import einstan as es
from einstan.language.errors import DataError, DifferentiationError, EinstanError
from einstan.layers import cross_entropy, dense, relu, softmax
from tests.layers.rows import ROWS

jax = pytest.importorskip("jax", exc_type=ImportError)
from tests.oracles.test_jax import by_jax  # noqa: E402

jnp = jax.numpy
KINDS = ("plain", "jvp", "vjp")
RULES = pytest.mark.parametrize("rule", KINDS)
DERIVED = pytest.mark.parametrize("rule", ["jvp", "vjp"])
SEVERAL = es.Program("A[n,j] = tanh(X[n,K] W[K,j])\nL = 1/|N| A[N,J]^2\nq[k] = X[N,k]")
draw = np.random.default_rng(0).standard_normal
X, W = draw((4, 3)), draw((3, 2))


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def close(found, expected, tolerance=1e-9):
    found, expected = jax.tree.leaves(found), jax.tree.leaves(expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


@pytest.mark.in_turn(3)
@pytest.mark.parametrize(
    ("row", "rule"),
    [(row, rule) for row in ROWS for rule in KINDS if rule == "plain" or not row.name.endswith("_2d")],
    ids=str,
)
def test_layers_in_one_call(row, rule):
    """Value and gradients of every layer are those of what a user of JAX writes."""
    layer = row.layer().to_jax(rule=rule)
    arrays = {name: jnp.asarray(array) for name, array in row.arrays().items()}
    cotangent = jnp.asarray(row.cotangent())
    assert set(layer.inputs) == set(arrays)

    def loss(function):
        return lambda given: jnp.sum(function({**arrays, **given}) * cotangent)

    given = {name: arrays[name] for name in row.wrt}
    close(layer(*[arrays[name] for name in layer.inputs]), by_jax(row, arrays))
    expected = jax.jit(jax.grad(loss(lambda every: by_jax(row, every))))(given)
    close(jax.jit(jax.grad(loss(layer)))(given), expected)


@RULES
def test_whatever_jax_does_with_functions(rule):
    function, plain = SEVERAL.to_jax(["A", "L", "q"], rule=rule), SEVERAL.to_jax(["A", "L", "q"])
    x, w = jnp.asarray(X), jnp.asarray(W)

    def loss(f):
        def total(x, w):
            a, scalar, q = f(x, W=w)
            return jnp.sum(a**2) * scalar + q.sum()

        return total

    def descend(f):
        def body(w, _):
            value, slope = jax.value_and_grad(f, 1)(x, w)
            return w - 0.1 * slope, value

        return jax.lax.scan(body, w, None, length=3)

    transforms = {
        "grad": lambda f: jax.grad(f, (0, 1))(x, w),
        "jit": lambda f: jax.jit(jax.grad(f, 1))(x, w),
        "vmap": lambda f: jax.vmap(jax.grad(f, 1), (None, 0))(x, jnp.stack([w, 2 * w])),
        "scan": descend,
        "remat": lambda f: jax.grad(jax.checkpoint(f), 1)(x, w),
        "twice": lambda f: jax.jacrev(jax.grad(f, 1), (0, 1))(x, w),
        "hessian": lambda f: jax.hessian(f, 1)(x, w),
    }
    forwards = {
        "jvp": lambda f: jax.jvp(f, (x, w), (x, w)),
        "jacfwd": lambda f: jax.jacfwd(f)(x, w),
    }
    for transform in (*transforms.values(), *(forwards.values() if rule != "vjp" else ())):
        close(transform(loss(function)), transform(loss(plain)), 1e-8)
    if rule == "vjp":
        for transform in forwards.values():
            with pytest.raises(DifferentiationError, match="reverse mode alone"):
                transform(loss(function))


@DERIVED
@pytest.mark.parametrize("row", [row for row in ROWS if not row.axes or row.name == "correlation_1d"], ids=str)
def test_sources_run_alone(row, rule):
    layer = row.layer().to_jax(rule=rule)
    text = layer.source()
    assert "einstan" not in text
    assert text == pickle.loads(pickle.dumps(layer)).source()
    space = {}
    exec(text, space)
    arrays = [jnp.asarray(row.arrays()[name]) for name in layer.inputs]
    places = [layer.inputs.index(name) for name in row.wrt]
    cotangent = jnp.asarray(row.cotangent())
    gradients = jax.jit(jax.grad(lambda *given: jnp.sum(space["step"](*given) * cotangent), places))(*arrays)
    expected = row.gradients(row.cotangent(), **row.arrays())
    for name, found in zip(row.wrt, gradients, strict=True):
        close(found, expected[name])


def test_sources_of_several():
    x, w = jnp.asarray(X), jnp.asarray(W)

    def slope(step):
        return jax.grad(lambda w: jnp.sum(step(x, w)[0] * step(x, w)[1]))(w)

    for rule in ("jvp", "vjp"):
        space = {}
        exec(SEVERAL.to_jax(["A", "L", "q"], wrt="W", rule=rule).source(), space)
        close(slope(space["step"]), slope(SEVERAL.to_jax(["A", "L"])))
        with pytest.raises(ValueError, match="has 1 entries along axis"):  # none is broadcast
            space["step"](x, w[:1])
        with pytest.raises(ValueError, match="has dtype int"):
            space["step"](x.astype(int), w)


@DERIVED
def test_where_the_derived_rule_matters(rule):
    """JAX differentiates the branch that is not taken, and multiplies infinity by zero."""
    program = es.Program("L = sum[N](1[x[N] > 0] log(x[N]))")
    x = jnp.asarray([0.0, 1.0, -1.0, 2.0])
    assert np.isnan(jax.grad(program.to_jax("L"))(x)[0])
    close(jax.grad(program.to_jax("L", rule=rule))(x), jnp.asarray([0, 1, 0, 0.5]))


@RULES
def test_tangents_are_linear_where_exponentials_are_divided(rule):
    routing = es.Program("""
        c[i,j] = softmax[j](b[i,j])
        s[j,d] = c[I,j] U[I,j,d]
        n[j] = sum[D](s[j,D]^2)
        v[j,d] = (n[j] / (1 + n[j])) (s[j,d] / sqrt(n[j] + eps))
        L = sum[J,D](v[J,D]^3)
    """)

    def by_hand(b, U):
        s = jnp.einsum("ij,ijd->jd", jax.nn.softmax(b, 1), U)
        n = (s**2).sum(1)
        return ((n / (1 + n) / jnp.sqrt(n + 0.1))[:, None] * s) ** 3

    rng = np.random.default_rng(0)
    b, U = jnp.asarray(rng.normal(size=(3, 2))), jnp.asarray(rng.normal(size=(3, 2, 4)))
    found = jax.grad(lambda b, U: routing.to_jax("L", rule=rule)(b=b, U=U, eps=0.1), (0, 1))(b, U)
    close(found, jax.grad(lambda b, U: by_hand(b, U).sum(), (0, 1))(b, U))


@RULES
def test_derivatives_that_nobody_announced_are_refused(rule):
    function = SEVERAL.to_jax("L", wrt=["W"], rule=rule)
    x, w = jnp.asarray(X), jnp.asarray(W)
    assert jax.grad(function, 1)(x, w).shape == w.shape
    assert jax.jit(lambda w: function(x, w))(w).shape == ()
    with pytest.raises(DifferentiationError, match="a derivative by X is asked for") as refused:
        jax.grad(function)(x, w)
    assert refused.value.repair[0] == "wrt=['W', 'X']"
    jax.grad(lambda x: function(jax.lax.stop_gradient(x), w))(x)


@DERIVED
def test_of_a_network_and_its_assumptions(rule):
    net = es.Network(
        dense("H", X="X", W="W1", b="b1"), relu("A", Z="H"), dense("Z", X="A", W="W2", b="b2"),
        softmax("S", Z="Z"), cross_entropy("L", S="S", Y="Y"),
    )  # fmt: skip
    params = {"W1": draw((3, 5)), "b1": draw(5), "W2": draw((5, 2)), "b2": draw(2)}
    params = {name: jnp.asarray(array) for name, array in params.items()}
    labels = jnp.eye(2)[jnp.asarray([0, 1, 1, 0])]
    loss = net.to_jax("L", rule=rule)
    value, gradients = jax.value_and_grad(loss)(params, X=jnp.asarray(X), Y=labels)
    close((value, gradients), net.value_and_grad("L").compile(backend="jax")(params, X=jnp.asarray(X), Y=labels))
    with pytest.raises(DataError, match="assume"):
        loss(params, X=jnp.asarray(X), Y=2 * labels)


ODD = {
    "a rule that there is not": (lambda: SEVERAL.to_jax(rule="both"), "rule = 'both' is not known"),
    "an output that there is not": (lambda: SEVERAL.to_jax("Q"), "Q"),
    "no input": (lambda: SEVERAL.to_jax("L", wrt=["V"]), "V is no input of L"),
    "too many arrays": (lambda: SEVERAL.to_jax("L")(1, 2, 3), "3 arrays are given, and there are 2 inputs"),
    "too few": (lambda: SEVERAL.to_jax("L")(jnp.asarray(X)), "W"),
    "one twice": (lambda: SEVERAL.to_jax("L")(jnp.asarray(X), X=jnp.asarray(X) + 1), "X is given twice"),
    "an option that there is not": (lambda: SEVERAL.to_jax("L", speed=1), "speed"),
    "two sizes, by a rule": (
        lambda: jax.grad(lambda x: SEVERAL.to_jax("L", rule="vjp")(x, jnp.ones((5, 2))))(jnp.ones((4, 3))),
        "  A[n,j] = tanh(X[n,K] W[K,j])",  # the line that was written, whatever is kept of it
    ),
    "text for any sizes over devices": (
        lambda: SEVERAL.to_jax("L", mesh=jax.make_mesh((1,), ("data",)), shard={"n": "data"}).source(),
        "or leave out mesh",
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_what_does_not_fit_is_refused(name):
    make, told = ODD[name]
    with pytest.raises(EinstanError) as refused:
        make()
    assert told in str(refused.value)
