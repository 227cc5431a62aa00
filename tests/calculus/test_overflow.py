"""What is divided by exponentials, or is the logarithm or a root of them, is finite and right wherever the mathematics
is: value, gradient, Hessian and its products, against differences in many digits."""

import warnings

import numpy as np
import pytest
from mpmath import mp, mpf

import einstan as es
from tests.calculus.spellings import ARRAYS, RANGE, ROWS

STEP = mpf(10) ** -50
SIZES = {
    "tens": [30.0, -25.0, 17.0], "thousands": [1000.0, -700.0, 400.0], "low": [-900.0, -1000.0, -1200.0],
}  # fmt: skip
ALONG = np.array([1.0, -0.5, 2.0])


def derived(function, z):
    """The value, the gradient and the Hessian by central differences."""
    at = [mpf(v) for v in z]

    def moved(*steps):
        point = list(at)
        for k, sign in steps:
            point[k] += sign * STEP
        return function(point)

    middle = moved()
    up, down = ([moved((k, sign)) for k in RANGE] for sign in (1, -1))
    gradient = [(u - d) / (2 * STEP) for u, d in zip(up, down, strict=True)]
    hessian = np.empty((3, 3))
    for i in RANGE:
        hessian[i, i] = float((up[i] - 2 * middle + down[i]) / STEP**2)
        for j in range(i):
            corners = (s * t * moved((i, s), (j, t)) for s in (1, -1) for t in (1, -1))
            hessian[i, j] = hessian[j, i] = float(sum(corners) / (4 * STEP**2))
    return float(middle), np.array([float(g) for g in gradient]), hessian


@pytest.mark.in_turn(3)
@pytest.mark.slow
@pytest.mark.parametrize("name", ROWS)
def test_finite_and_right(name):
    text, function = ROWS[name]
    program = es.Program(text)
    hessian, ways = program.hessian("L", "z"), {
        "value": program.compile(outputs=["L"]),
        "gradient": program.backward("L", ["z"]).compile(outputs=["dz"]),
        "partial": program.partial("L", "z").compile(),
        "product": program.hvp("L", {"z": "along"}).compile(outputs=["tdz"]),
    }  # fmt: skip
    for size, z in SIZES.items():
        with mp.workdps(250 if max(map(abs, z)) < 100 else 1200):
            value, gradient, second = derived(function, z)
        arrays = {**ARRAYS, "z": np.array(z), "along": ALONG}
        expected = {"value": value, "gradient": gradient, "partial": gradient, "product": second @ ALONG}
        with warnings.catch_warnings(), np.errstate(all="warn", under="ignore"):
            warnings.simplefilter("error")
            found = {w: next(iter(f({n: arrays[n] for n in map(str, f.inputs)}).values())) for w, f in ways.items()}
            found["Hessian"] = hessian({n: arrays[n] for n in map(str, program.inputs)}).dense()
        for way, truth in {**expected, "Hessian": second}.items():
            error = np.abs(found[way] - truth).max()
            assert error <= 1e-9 * np.abs(truth).max() + 1e-13, (size, way, found[way], truth)  # and not NaN


def test_what_is_summed_apart_has_no_table_of_pairs():
    """exp(x[I]) A[I,J] exp(y[J]) is measured from two largest exponents: two products, and no exponential of pairs."""
    program = es.Program("L = log(sum[I,J](exp(x[I]) A[I,J] exp(y[J])))")
    compiled = program.compile()
    x, y = np.array([800.0, 2.0]), np.array([-900.0, 3.0, 1.0])
    A = np.arange(1.0, 7.0).reshape(2, 3)
    assert compiled(x=x, y=y, A=A)["L"] == pytest.approx(803 + np.log(2 + 3 * np.exp(-2.0)), rel=1e-14)


def test_a_program_without_such_quotients_is_run_as_it_is():
    program = es.Program("E[i] = exp(x[i])\nL = sum[I](E[I] w[I]) / sum[I](w[I])")
    assert "max" not in program.source()


def test_a_weight_that_is_read_under_a_guard_keeps_it():
    """Adam divides by the root of a square of exponentials, and the gradient in y reads x where a guard allows it."""
    text = """
        e[j] = sum[J](y[2j+J+1] x[J])
        H[i] = exp(e[I] u[I,i])
        U[n] = pad(H[n+1]) where |n| = |H.0|
        L = mean[P](U[P]^2)
    """
    params = {"y": np.array([1.0, -1.0, 0.5, 0.25]), "x": np.array([-0.2]), "u": np.array([[-1.0, 1.0], [-1.5, 1.0]])}
    net, adam = es.Network(text, parameters=dict.fromkeys(params, "zeros")), es.Adam(0.1)
    step = net.value_and_grad("L")
    loss, gradients = step.compile()(params)
    updated = step.compile(update=adam)(params, adam.init(params))
    assert updated[0] == pytest.approx(loss, rel=1e-14)
    for name, value in params.items():  # the first step of Adam is the rate, in the direction of the gradient
        expected = value - 0.1 * gradients[name] / (np.abs(gradients[name]) + 1e-8)
        np.testing.assert_allclose(updated[1][name], expected, rtol=1e-12)


def test_a_logit_of_minus_infinity_has_the_weight_zero():
    z, V = np.array([-np.inf, 1.0, 2.0]), np.array([0.3, -1.2, 0.5])
    share = 1 / (1 + np.exp(-1.0))
    slope = share * (1 - share) * 1.7
    for text in ("S[k] = softmax[k](z[k])", "E[k] = exp(z[k])\ns = sum[K](E[K])\nS[k] = E[k] / s"):
        program = es.Program(f"{text}\nL = V[K] S[K]")
        assert program.compile(outputs=["L"])(z=z, V=V)["L"] == pytest.approx(-1.2 * (1 - share) + 0.5 * share)
        gradient = program.backward("L", ["z"]).compile(outputs=["dz"])(z=z, V=V)["dz"]
        np.testing.assert_allclose(gradient, [0, -slope, slope], rtol=1e-14)


ZERO_WEIGHTS = (
    "L = logsumexp[K](z[K] + log(m[K]))", "w[k] = z[k] + log(m[k])\nL = logsumexp[K](w[K])",
    "l[k] = log(m[k])\nw[k] = z[k] + l[k]\nL = log(sum[K](exp(w[K])))",
)  # fmt: skip


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("text", ZERO_WEIGHTS)
def test_a_weight_of_zero_leaves_out_as_its_logarithm_and_nothing_warns(text):
    program, z, m = es.Program(text), np.array([1.0, 900.0, 3.0]), np.array([1.0, 0.0, 1.0])
    share = 1 / (1 + np.exp(-2.0))
    spread = share * (1 - share)
    assert program.compile(outputs=["L"])(z=z, m=m)["L"] == pytest.approx(3 + np.log1p(np.exp(-2.0)), rel=1e-14)
    slopes = program.partial("L", "z").compile()(z=z, m=m)["dL/dz"]
    np.testing.assert_allclose(slopes, [1 - share, 0, share], rtol=1e-14)
    found = program.hessian("L", "z")(z=z, m=m).dense()
    np.testing.assert_allclose(found, [[spread, 0, -spread], [0, 0, 0], [-spread, 0, spread]], rtol=1e-13)


@pytest.mark.parametrize(
    "options", [{}, {"any_size": True}, pytest.param({"fast": True}, marks=pytest.mark.numba)], ids=str
)
def test_the_scale_of_a_sum_over_nothing_is_a_number(options):
    program = es.Program("S[k] = sum[N](y[N]) / abs(x[k] exp(k))\nL = sum[J](S[J])")
    backward = program.backward("L").compile(**options)
    assert backward(x=np.zeros(0), y=np.ones(1))["dy"].tolist() == [0.0]
    assert backward(x=np.ones(2), y=np.ones(1))["dy"] == pytest.approx(1 + np.exp(-1.0), rel=1e-15)


def test_a_cotangent_of_neighbours_runs_over_all_that_they_read():
    program = es.Program(
        "f[i,j] = exp(w[i,j])\nZ[i] = sum[M](f[i,M])\nz[i] = Z[i+1] + Z[i]\n"
        "S[i] = b[i] sum[J](1[J <= i] softsign(z[J]))\nL = sum[I](S[I])"
    )
    w, b = np.array([[-0.9375, -0.5625], [0.25, 0.375]]), np.array([-1.6875])
    found = program.backward("L").compile()(w=w, b=b)
    total = np.exp(w).sum()
    np.testing.assert_allclose(found["dw"], b * np.exp(w) / (1 + total) ** 2, rtol=1e-12)
    np.testing.assert_allclose(found["db"], [total / (1 + total)], rtol=1e-12)


def test_what_brackets_keep_inside_is_not_read_without_them():
    """The largest exponent of what stands beside 1[0 <= n < |h.0|] is no equation of its own."""
    program = es.Program(
        "h[i] = a[i+1] a[i]\nU[l] = exp(h[l]^2)\nL = sum[J](softplus(U[J]) - c[J] U[J]) + 1/2 sum[N](a[N]^2)"
    )
    once = program.partial("L", "a")
    twice = once.partial(str(once.equations[0].name), "a").compile()
    given = {"a": np.array([0.5, 1.0, -0.5]), "c": np.array([1.0, 2.0])}
    found = twice(**given)["dL/dada"]
    for k, direction in enumerate(np.eye(3)):
        product = program.hvp("L", ["a"]).compile()(**given, ta=direction)["tda"]
        np.testing.assert_allclose(found[k], product, rtol=1e-12, atol=1e-12)


def test_portions_of_a_stated_extent():
    line = "o[i] = max[K](softmax[K](v[i,K] b[i])) where |i| = 5"
    v, b = np.sin(np.arange(15.0)).reshape(5, 3), np.linspace(0.5, 1.5, 5)
    share = np.exp(v * b[:, None])
    share /= share.sum(1, keepdims=True)
    at = share.argmax(1)
    wanted = share[range(5), at] * (v[range(5), at] - (share * v).sum(1))
    found = es.parse(line).partial("b").compile()(v=v, b=b)["do/db"]
    np.testing.assert_allclose(found, np.diag(wanted), atol=1e-14)
