"""Brackets guard: ``1[c] u`` is zero where c is false, whatever u is there.  Values by NumPy, by hand."""

from fractions import Fraction

import numpy as np
import pytest

from einstan import Program
from einstan.machine.graph.flatten import flatten
from einstan.machine.meaning.loops import evaluate
from einstan.machine.meaning.numbers import EXACT, DomainError
from einstan.machine.plan.plan import plan

nan, inf = np.nan, np.inf
x = np.array([0.0, 1.0, 3.0])
B = np.array([[nan, inf, 1.0], [1.0, 2.0, 3.0], [1.0, 2.0, 3.0]])
A = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
C = np.array([[0.0, 1.0, 1.0], [0.0, 0.0, 1.0]])


def pairs(f):
    """The sum over all pairs of different points."""
    return sum(f(abs(a - b)) for a in x for b in x if a != b)


def softmax(Z, M):
    with np.errstate(all="ignore"):
        E = np.where(M > 0, np.exp(Z), 0)
        return np.where(M > 0, E / E.sum(1, keepdims=True), 0)


Z = np.array([[1.0, 2.0, 800.0], [nan, 1.0, 0.0], [1.0, inf, nan]])
M = np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0], [0.0, 0.0, 0.0]])

ROWS = [
    ("E = sum[I,J](1[I != J] / abs(x[I] - x[J]))", {"x": x}, pairs(lambda r: 1 / r)),
    ("V[i,j] = 1 / abs(x[i] - x[j])\nE = 1/2 sum[I,J](1[I != J] V[I,J])", {"x": x}, pairs(lambda r: 1 / r) / 2),
    ("E = sum[I,J](1[I < J] q[I] q[J] / abs(x[I] - x[J]))", {"x": x, "q": [2.0, 3, 5]}, 6 / 1 + 10 / 3 + 15 / 2),
    ("r[i,j] = abs(x[i] - x[j])\nE = sum[I,J](1[I != J] (1 / r[I,J]^12 - 1 / r[I,J]^6))", {"x": x},
     pairs(lambda r: r**-12 - r**-6)),
    ("E[i] = sum[J](1[i != J] / x[J]) where |i| = |x.0|", {"x": x}, [4 / 3, inf, inf]),
    ("y[i] = 1[x[i] > 0] log(x[i])", {"x": [-1.0, 0, 1, 2]}, [0, 0, 0, np.log(2)]),
    ("y = sum[I](1[x[I] > 0] x[I] log(x[I]))", {"x": [-1.0, 0, 1, 2]}, 2 * np.log(2)),
    ("y = sum[I](1[x[I] > 0] w[I] sqrt(x[I]))", {"x": [-1.0, 0, 4], "w": [1.0, 1, 3]}, 6),
    ("y[i] = 1[n[i] > 0] s[i] / n[i]", {"n": [0.0, 1, 2], "s": [0.0, 3, 4]}, [0, 3, 2]),
    ("m[i] = sum[J](1[C[i,J] > 0] A[i,J]) / sum[J](1[C[i,J] > 0])\ny[i] = 1[sum[J](C[i,J]) > 1] m[i]",
     {"A": A, "C": C}, [2.5, 0]),
    ("y[i] = sum[J](1[C[i,J] > 0] A[i,J] / c[i])", {"A": A, "C": 0 * C, "c": [1.0, 0]}, [0, 0]),
    ("y[i] = 1[x[i] < 700] exp(x[i]) + 1[x[i] >= 700] (x[i] - 700)", {"x": [0.0, 800]}, [1, 100]),
    ("y = sum[N](1[m[N] > 0] x[N])", {"x": [nan, 1.0, inf], "m": [0.0, 1, 0]}, 1),
    ("y = sum[N](1[m[N] > 0] (x[N] - z[N])^2)", {"x": [nan, 1.0, inf], "z": [0.0, 3, inf], "m": [0.0, 1, 0]}, 4),
    ("y[n] = sum[K](1[M[n,K] > 0] X[n,K] w[K])",
     {"X": [[nan, 1.0], [2, inf]], "M": [[0.0, 1], [1, 0]], "w": [3.0, 5]}, [5, 6]),
    ("y[i,k] = sum[J](1[C[i,J] > 0] A[i,J] B[J,k])", {"A": A, "B": B, "C": C}, (A * C)[:, 1:] @ B[1:]),
    ("y[i,k] = sum[J](1[C[i,J] > 0] A[i,J] B[J,k])",  # infinite where it counts
     {"A": np.ones((2, 3)), "B": [[nan, inf, inf], [1.0, 2, inf], [1, -inf, 3]], "C": [[0.0, 1, 1], [1, 1, 1]]},
     [[2, -inf, inf], [nan, nan, inf]]),
    ("y[i,k] = sum[J](1[J <= i] A[i,J] B[J,k])", {"A": A, "B": B[::-1].copy()},
     [[1, 2, 3], [4 + 5, 8 + 10, 12 + 15]]),
    ("y[i] = sum[J,K](1[i < J] 1[J != K] a[J] b[K]) where |i| = 2",
     {"a": [nan, 1.0, 2], "b": [1.0, 10, 100]}, [1 * 101 + 2 * 11, 2 * 11]),
    ("y[n] = 1[v[T[n]] > 0] / v[T[n]]", {"v": [0.0, 2], "T": np.array([0, 1, 0])}, [0, 0.5, 0]),
    ("y[v] = sum[N](δ[T[N],v] 1[m[N] > 0] x[N]) where |v| = 2",
     {"T": np.array([0, 1, 1]), "x": [1.0, nan, 3], "m": [1.0, 0, 1]}, [1, 3]),
    ("y[i] = 1[x[i] > 0] (1[x[i] < 2] log(x[i]) + 1[x[i] >= 2] / (x[i] - 1))", {"x": [0.0, 1, 3]}, [0, 0, 0.5]),
    ("y[i] = a[i] / (1 + 1[x[i] > 0] / x[i])", {"a": [1.0, 3], "x": [0.0, 0.5]}, [1, 1]),
    ("y[n,c] = 1[M[n,c] > 0] exp(Z[n,c]) / sum[K](1[M[n,K] > 0] exp(Z[n,K]))", {"Z": Z, "M": M}, softmax(Z, M)),
    ("y[i] = sum[J](pad(x[i+J-1]) w[J]) where |i| = |x.0|", {"x": [1.0, 2, 3], "w": [nan, 1, 0]}, [1, nan, nan]),
    # what stands beside a sum is not guarded by a bracket in it: infinity times nothing, by the loops
    ("y[n] = z[n] sum[K](1[c[K] > 0] x[K])", {"z": [inf, 1.0], "c": [-1.0, 0], "x": [1.0, 2]}, [nan, 0]),
    ("y[n] = z[n] sum[K](1[c[K] > 0] exp(x[K]))", {"z": [inf, 1.0], "c": [-1.0, 0], "x": [1.0, 2]}, [nan, 0]),
    ("y[n] = z[n] (1[c[n] > 0] x[n])", {"z": [inf, 1.0], "c": [-1.0, 1], "x": [1.0, 2]}, [0, 2]),
    ("y[i] = pad(x[i-1]) w[i]", {"x": [1.0, 2, 3], "w": [nan, 1, inf]}, [0, 1, inf]),
    ("y[i] = sum[J](pad(x[i+J-1]) w[i,J]) where |i| = |x.0|", {"x": [1.0, 2], "w": [[inf, 1, 1], [1, 1, nan]]}, [3, 3]),
]  # fmt: skip
OPTIONS = [{}, {"any_size": True}, {"reuse_buffers": True}, {"fast": False}, {"memory_limit": 10**6}]


def hides(program, last, data, expected, **options):
    made = program.compile(outputs=[last], **options)
    for _ in range(3):  # the second and third are called where it is known that something is hidden
        np.testing.assert_allclose(made(**data)[str(last)], expected, rtol=1e-12, err_msg=str(options))
    return made


@pytest.mark.numba
@pytest.mark.parametrize(("text", "data", "expected"), ROWS)
def test_a_false_bracket_hides_everything_from_compiled_loops(text, data, expected):
    program = Program(text)
    hides(program, list(program.defined)[-1], {name: np.asarray(a) for name, a in data.items()}, expected, fast=True)


@pytest.mark.parametrize(("text", "data", "expected"), ROWS)
def test_a_false_bracket_hides_everything(text, data, expected):
    program = Program(text)
    data = {name: np.asarray(array) for name, array in data.items()}
    last = list(program.defined)[-1]
    np.testing.assert_allclose(np.array(evaluate(program, data)[last].tolist(), float), expected, rtol=1e-12)
    for options in OPTIONS:
        made = hides(program, last, data, expected, **options)
        space = {}
        exec(made.source(), space)
        found = space["step"](*(data[str(name)] for name in made.inputs))
        np.testing.assert_allclose(found[0], expected, rtol=1e-12, err_msg=f"source, {options}")
    singles = {n: a.astype(np.float32) if a.dtype.kind == "f" else a for n, a in data.items()}
    made = program.compile(outputs=[last])(**singles)[str(last)]
    assert made.dtype == np.float32
    np.testing.assert_allclose(made, np.asarray(expected, np.float32), rtol=1e-5)


def test_a_bracket_that_is_the_same_for_all_of_a_sum_guards_nothing_beside_it():
    program = Program("y[n] = z[n] sum[K](1[m[n] > 0] x[n,K])")
    for options in OPTIONS:
        with np.errstate(invalid="ignore"):  # infinity times zero, and NumPy says so
            found = program.compile(**options)(z=np.array([inf, inf]), m=np.array([-1.0, 1]), x=A)["y"]
        np.testing.assert_array_equal(found, [nan, inf])


@pytest.mark.parametrize(
    ("text", "data", "expected"),
    [
        ("V[i,j] = 1 / (x[i] - x[j])^2\nE = sum[I,J](1[I != J] V[I,J])", {"x": [0, 1, 3]},
         2 * (1 + Fraction(1, 4) + Fraction(1, 9))),
        ("y[i] = 1[1 / x[i] > 2] 1[x[i] != 0] / x[i]", {"x": [0, Fraction(1, 3), 1]}, [0, 3, 0]),
        ("y = sum[N](1[m[N] > 0] x[N])", {"x": [nan, 1, inf], "m": [0, 1, 0]}, 1),
        ("y = sum[N](1[x[N] > 0] x[N])", {"x": [nan, 1]}, 1),
    ],
)  # fmt: skip
def test_exact_numbers_that_do_not_exist_are_hidden_too(text, data, expected):
    program = Program(text)
    assert evaluate(program, data, numbers=EXACT)[list(program.defined)[-1]].tolist() == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("y[i] = sum[J](1[C[i,J] > 2] A[i,J]) / sum[J](1[C[i,J] > 2])", [nan, nan]),
        ("y[i] = mean[J](1[C[i,J] > 0] A[i,J]) / c[i]", [5 / 3, inf]),
        ("L = sum[I](sum[J](1[C[I,J] > 0] A[I,J]) / c[I])", inf),
        ("n = sum[I,J](1[C[I,J] > 2])\nL = 1/n sum[I,J](1[C[I,J] > 2])", nan),
        ("r[i] = 1 / c[i]\nL = sum[I](r[I] sum[J](1[C[I,J] > 2] A[I,J]))", nan),
        ("m[i] = sum[J](1[J < i] A[i,J]) / sum[K](1[K < i]) where |K| = |A.1|", [nan, 4]),
        ("m[i] = sum[J](1[J < i] A[i,J]) / (i + 0)", [nan, 4]),
        ("L = sum[I](e[I]^2) / sum[I](e[I] e[I] e[I])", nan),  # a sum of nothing
        ("y[i] = sum[J](F[i,J] F[i,J]) / sum[J](F[i,J])", [nan, nan]),
    ],
)
def test_a_bracket_hides_nothing_beside_its_sum(text, expected):
    program = Program(text)
    data = {"A": A, "C": C, "c": np.array([1.0, 0]), "e": np.zeros(0), "F": np.zeros((2, 0))}
    data = {name: data[name] for name in map(str, program.inputs)}
    last = list(program.defined)[-1]
    for options in OPTIONS:
        with np.errstate(all="ignore"):
            np.testing.assert_equal(program.compile(outputs=[last], **options)(**data)[last], expected)


@pytest.mark.parametrize(
    ("text", "data", "by", "expected"),
    [
        ("D[i] = 1 / x[i]\nL = sum[I](1[x[I] > 0] w[I] y[I] D[I] + 1[x[I] < 0] u[I] y[I] D[I])",
         {"x": [0.0, 1, -2], "w": [1.0, 2, 3], "u": [4.0, 5, 6], "y": [1.0, 1, 1]}, "y", [0, 2, -3]),
        ("L = sum[N](1[t[N] == 0] a (y[N] - z[N])^2 + 1[t[N] == 1] b (y[N] - z[N])^2)",
         {"t": [0.0, 1, -1], "a": 2.0, "b": 3.0, "y": [1.0, 2, nan], "z": [0.5, 1, 1]}, "z", [-2, -6, 0]),
        ("z[i] = 1[x[i] > 0] y[i] v[i] w[i] + 1[x[i] < 0] y[i] v[i] u[i]\nL = sum[I](z[I])",
         {"x": [0.0, 1, -2], "w": [1.0, 2, 3], "u": [4.0, 5, 6], "v": [inf, 1, 1], "y": [1.0, 1, 1]}, "y", [0, 2, 6]),
        ("Z[l,k] = 1 / (W[l] - W[k])\nL = sum[I](Z[I,p[I]])", {"W": [1.0, 2, 4], "p": np.array([1, 2, 1])}, "W",
         [-1, 1, 0]),
        ("Z[i] = log(V[i])\nL = sum[N](1[m[N] > 0] Z[T[N]])",
         {"V": [0.0, 2, 4], "T": np.array([1, 0, 2]), "m": [1.0, 0, 1]}, "V", [0, 0.5, 0.25]),
        ("u[j] = 1 / r[j]\ny[n] = sum[J](1[C[n,J] > 0] u[J])\nL = sum[N](y[N]^2)", {"r": [0.0, 1, 2], "C": C}, "r",
         [0, -3, -1]),
        ("u[j] = log(r[j])\nh[j,k] = u[j] v[k]\ng[j,k] = h[j,k] - mean[K](h[j,K])\n"
         "y[n] = sum[J,K](1[C[n,J] > 0] g[J,K] K)\nL = sum[N](y[N])",
         {"r": [0.0, 1, np.e], "C": C, "v": [1.0, 2]}, "v", [-1, 1]),
    ],
)  # fmt: skip
def test_what_is_not_read_or_hidden_has_no_derivative(text, data, by, expected):
    """What all terms with brackets share stays in each of them, and labels say what is read."""
    program = Program(text)
    arrays = {name: np.asarray(array) for name, array in data.items()}
    np.testing.assert_equal(program.backward("L", [by]).compile()(arrays)[f"d{by}"], expected)
    np.testing.assert_equal(program.partial("L", by).compile()(arrays)[f"dL/d{by}"], expected)


def test_what_is_not_hidden_is_refused_in_exact_numbers():
    with pytest.raises(DomainError, match="reciprocal"):
        evaluate(Program("y[i] = 1 / x[i]"), {"x": [0, 1]})
    with pytest.raises(DomainError, match="reciprocal"):
        evaluate(Program("V[i] = 1 / x[i]\ny[i] = 2 V[i]"), {"x": [0, 1]})


def test_a_polynomial_of_what_is_read_pays_nothing():
    """No test for NaN, no other mode of NumPy's warnings, and no copy: the bracket is one multiplication."""
    program = Program("y[n,j] = 1[Z[n,j] > 0] dA[n,K] W[j,K]")
    source = plan(program, {"n": 4, "j": 3, "k": 2}).code.text
    assert not any(word in source for word in ("errstate", "careful", "has_nan", "where"))
    assert source.count("np.multiply") == 1


def test_what_is_added_to_a_positive_number_has_no_pole():
    """Nor has the root of a square: what nobody looks at while it runs adds up plainly under a mask."""
    lines = """
        s[n] = sqrt(mean[K](X[n,K]^2) + 1e-5)
        H[n,k] = X[n,k] / s[n]
        y[m,k] = sum[N](1[A[m,N] > 0] H[N,k] c[k])
    """

    def careful(text):
        graph = flatten(Program(text), traced=True).graph
        return [operation for operation in graph.operations if operation.detail == ("extended",)]

    assert not careful(lines)
    assert not careful(lines.replace(" + 1e-5", "").replace("/", "+"))
    assert careful(lines.replace(" + 1e-5", ""))
    assert careful(lines.replace("1e-5", "e[n]"))


@pytest.mark.parametrize("any_size", [False, True])
@pytest.mark.parametrize("weighed", ["", " c[N]"])
def test_what_indices_say_guards_what_a_gather_reads(weighed, any_size):
    program = Program(f"Z[i] = b[t[i]]\nf[n] = pad(Z[n-2]) where |n| = |Z.0|\nL = sum[N](f[N]{weighed})")
    arrays = {"t": np.array([0, 1, 1, 0]), "b": np.array([1.0, 2.0])} | ({"c": np.arange(4.0)} if weighed else {})
    wanted = [2.0, 3.0] if weighed else [1.0, 1.0]
    assert program.partial("L", "b").compile(any_size=any_size)(arrays)["dL/db"].tolist() == wanted
    assert program.backward("L", ["b"]).compile(any_size=any_size)(arrays)["db"].tolist() == wanted
