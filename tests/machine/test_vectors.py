"""What compiled loops have for exp, log, tanh, sigmoid and softplus: all exponents against mpmath at 50 digits, the
edges, whether LLVM makes vectors, and programs against what NumPy computes."""

import re
from functools import cache

import mpmath
import numpy as np
import pytest

from einstan.calculus.backward import backward, joined
from einstan.calculus.program import Program
from einstan.language import parse
from einstan.machine.kernels.vectors import functions_called
from einstan.machine.run.compile import compile

pytestmark = pytest.mark.numba

mp = mpmath.mp.clone()
mp.dps = 50
inf, nan = np.inf, np.nan
EXACT = {
    "exp": mp.exp,
    "log": mp.log,
    "tanh": mp.tanh,
    "sigmoid": lambda x: 1 / (1 + mp.exp(-x)),
    "softplus": lambda x: x + mp.log1p(mp.exp(-x)) if x > 0 else mp.log1p(mp.exp(x)),
}
NARROWEST = {"float32": (23, 127), "float64": (52, 1023)}
precisions = pytest.mark.parametrize("precision", ["float32", "float64"])
functions = pytest.mark.parametrize("name", EXACT)


@cache
def loop(name, precision):
    """The function over an array, in a loop with the flags of compiled loops."""
    from numba import njit

    space = {"np": np, "njit": njit, "F": getattr(np, precision)}
    exec(functions_called(f"fast_{name}(x)", precision), space)
    text = f"def loop(x, out):\n    for i in range({16 * 1024}):\n        out[i] = F(1) * fast_{name}(x[i])\n"
    exec(text, space)
    return njit(error_model="numpy", fastmath={"reassoc", "nsz", "contract"})(space["loop"])


def computed(name, x):
    """In vectors; what is left over is filled with ones."""
    whole, out = np.ones((2, 16 * 1024), x.dtype)
    whole[: len(x)] = x
    loop(name, x.dtype.name)(whole, out)
    return out[: len(x)]


def points(name, precision):
    """Numbers of all exponents, those that are no whole powers of two and those that are, and many of middle size."""
    mantissa, bias = NARROWEST[precision]
    rng = np.random.default_rng(0)
    powers = np.arange(1 - bias - mantissa, bias + 1)
    every = np.concatenate([np.ldexp(1.0, powers), np.ldexp(rng.uniform(1, 2, len(powers)), powers)]).astype(precision)
    reach = 1.1 * bias * np.log(2)
    middle = np.concatenate([rng.uniform(-reach, reach, 800), rng.standard_normal(800) * 2, rng.uniform(0.4, 2.2, 400)])
    made = np.concatenate([every, -every, middle.astype(precision)])
    made = np.concatenate([made, np.nextafter(made[:200], np.inf, dtype=precision)])
    made = made[np.isfinite(made)]
    return np.abs(made[made != 0]) if name == "log" else made


@precisions
@functions
def test_all_exponents_against_fifty_digits(name, precision):
    x = points(name, precision)
    found = computed(name, x)
    mantissa, bias = NARROWEST[precision]
    largest = mp.mpf(float(np.finfo(precision).max))
    beyond = mp.mpf(2) ** (bias + 1)  # what infinity stands for
    far = 0.0
    for given, made in zip(x.tolist(), found, strict=True):
        exact = min(EXACT[name](mp.mpf(given)), beyond)
        unit = mp.mpf(2) ** (max(mp.frexp(min(abs(exact), largest))[1] - 1, 1 - bias) - mantissa)
        number = beyond if made == inf else mp.mpf(float(made))
        assert mp.isfinite(number), (given, made)
        far = max(far, float(abs(number - exact) / unit))
    assert far <= 2


EDGES = {
    "exp": [(-inf, 0), (inf, inf), (0.0, 1), (-0.0, 1), (1e30, inf), (-1e30, 0)],
    "log": [(0.0, -inf), (-0.0, -inf), (inf, inf), (-inf, nan), (-1.0, nan), (-1e-30, nan), (1.0, 0)],
    "tanh": [(-inf, -1), (inf, 1), (0.0, 0.0), (-0.0, -0.0), (1e30, 1), (-1e30, -1)],
    "sigmoid": [(-inf, 0), (inf, 1), (0.0, 0.5), (-0.0, 0.5), (1e30, 1), (-1e30, 0)],
    "softplus": [(-inf, 0), (inf, inf), (-1e30, 0), (1e30, 1e30)],
}


@precisions
@functions
def test_edges(name, precision):
    given, wanted = np.array([*EDGES[name], (nan, nan), (-nan, nan)], precision).T
    found = computed(name, given)
    np.testing.assert_array_equal(found, wanted)
    real = ~np.isnan(wanted)
    np.testing.assert_array_equal(np.signbit(found[real]), np.signbit(wanted[real]))


@precisions
@functions
def test_loops_of_them_become_vectors(name, precision):
    computed(name, np.ones(1, precision))
    (text,) = loop(name, precision).inspect_llvm().values()
    kind = {"float32": "float", "float64": "double"}[precision]
    assert re.search(rf"fdiv[a-z ]* <\d+ x {kind}>|fmul[a-z ]* <\d+ x {kind}>", text)


SOFTMAX = Program((parse("Y[n,k] = softmax[k](X[n,k])"), parse("l = -C[N,K] log(Y[N,K])")))
GELU = Program(
    (
        parse("Y[n,k] = X[n,k] / 2 * (1 + tanh(0.7978845608028654 * (X[n,k] + 0.044715 * X[n,k]^3)))"),
        parse("l = C[N,K] Y[N,K]"),
    )
)
LOGISTIC = Program((parse("Y[n] = sigmoid(sum[K](X[n,K] C[n,K]))"), parse("l = sum[N,K](softplus(-X[N,K] C[N,K]))")))


@precisions
@pytest.mark.parametrize("shape", [(2, 3), (7, 40), (2000, 3), (120, 64)], ids=str)
@pytest.mark.parametrize("program", [SOFTMAX, GELU, LOGISTIC], ids=["softmax", "gelu", "logistic"])
def test_programs_give_what_numpy_gives(program, shape, precision):
    rng = np.random.default_rng(0)
    X, C = (rng.standard_normal((2, *shape)) * 2).astype(precision)
    C = abs(C)  # nothing cancels in the sums
    whole, names = joined(program, backward(program, "l", ("X",))), ("Y", "l", "dX")
    step, plain = (compile(whole, names, fast=fast) for fast in (True, False))
    tolerance = 100 * np.finfo(precision).eps
    made, numpys = step(X=X, C=C), plain(X=X, C=C)
    for found, wanted in ((made[key], numpys[key]) for key in names):
        assert found.dtype == wanted.dtype
        np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance * np.abs(wanted).max())


def test_names_of_the_loops_are_no_names_of_tensors():
    """What a loop holds in variables of its own is told from what it is given."""
    program = Program(
        (parse("y[i,j] = exp(v2[i,j] + r1[i]) * fast_exp[i]"), parse("t[i] = sum[J](U[i] * log(y[i,J]))"))
    )
    rng = np.random.default_rng(0)
    v2, r1, factor, U = rng.random((50, 40)), *rng.random((3, 50))
    made = compile(program, ("y", "t"), fast=True)(v2=v2, r1=r1, fast_exp=factor, U=U)
    y = np.exp(v2 + r1[:, None]) * factor[:, None]
    np.testing.assert_allclose(made["y"], y, rtol=1e-14)
    np.testing.assert_allclose(made["t"], U * np.log(y).sum(1), rtol=1e-12)
