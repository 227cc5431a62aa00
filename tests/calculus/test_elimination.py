"""Jacobians by vertex elimination: what they look like, that every order agrees, and that no equation grows."""

import numpy as np
import pytest

import einstan as es
from einstan.calculus.backward import backward, joined
from einstan.calculus.elimination import ORDERS, jacobian
from einstan.calculus.structure import outer_factors, structured
from einstan.language.errors import DifferentiationError, EinstanError, ProgramError
from einstan.language.term import Add, Partial

CLASSIFIER = """
    Z[n,c] = X[n,K] W[K,c]
    S[n,c] = softmax[c](Z[n,c])
    L      = -1/|N| Y[N,C] log(S[N,C])
    assume sum[C](Y[n,C]) = 1
"""

ONE_LINE = [
    ("A[i,j] = relu(X[i,K] W[K,j])", "A", ["W"],
     "dA[i,j]/dW[k,q] = 1[X[i,K] W[K,j] > 0] X[i,k] δ[j,q]"),
    ("f = x[I] A[I,J] x[J]", "f", ["x", "x"], "df/dx[i]dx[p] = A[i,p] + A[p,i]"),
    ("L = 1/2 M[I,J] (X[I,J] - U[I,K] V[J,K])^2", "L", ["U", "U"],
     "dL/dU[i,k]dU[p,l] = M[i,J] δ[i,p] V[J,l] V[J,k]"),
    ("L = 1/2 M[I,J] (X[I,J] - U[I,K] V[J,K])^2", "L", ["U", "U", "U"],
     "dL/dU[i,k]dU[p,l]dU[q,r] = 0"),
    (CLASSIFIER, "L", ["W"], "dL/dW[k,c] = (S[N,c] - Y[N,c]) X[N,k] / |N|"),
    (CLASSIFIER, "L", ["W", "W"],
     "dL/dW[k,c]dW[l,p] = X[N,k] S[N,c] X[N,l] (δ[c,p] - S[N,p]) / |N|"),
    ("z[n] = X[n,K] w[K]\nL = sum[N](log(1 + exp(z[N])) - y[N] z[N])", "L", ["w", "w"],
     "dL/dw[k]dw[l] = X[N,k] sigmoid(z[N]) (1 - sigmoid(z[N])) X[N,l]"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "of", "wrt", "expected"), ONE_LINE)
def test_one_line_where_one_is_enough(text, of, wrt, expected):
    derivative = es.Program(text).derivative(of, *wrt)
    shown = str(derivative.equation)
    assert shown == expected or es.parse(shown) is es.parse(expected)
    assert es.parse(shown) is derivative.equation


def deep(layers):
    lines, read = [], "X"
    for k in range(1, layers + 1):
        lines += [f"H{k}[n,j] = {read}[n,K] W{k}[K,j]", f"A{k}[n,j] = tanh(H{k}[n,j])"]
        read = f"A{k}"
    return es.Program("\n".join([*lines, f"L = 1/2 ({read}[N,J] - Y[N,J])^2"]))


def test_vectors_first_deltas_last():
    """The Hessian of a deep network is a core between two copies of the inputs, whatever lies between."""
    for layers in (3, 6):
        found = deep(layers).hessian("L", "W1")
        assert str(found.equation).startswith("dL/dW1[k,j]dW1[l,q] = X[N,k] ")
        assert "X[N,l]" in str(found.equation)


def test_no_equation_grows_with_depth():
    lengths, counts = [], []
    for layers in (3, 6, 9):
        made = deep(layers).hessian("L", "W1").program
        lengths.append(max(len(str(equation)) for equation in made))
        counts.append(len(made))
    assert lengths[1] <= lengths[0] + 20
    assert lengths[2] <= lengths[1] + 4  # a digit more in a name
    assert counts[2] - counts[1] == counts[1] - counts[0]


@pytest.mark.parametrize("wrt", ["W1", "W2", "X"])
def test_every_order_gives_the_same(wrt):
    program = deep(3)
    rng = np.random.default_rng(0)
    arrays = {"X": rng.normal(size=(4, 3)), "Y": rng.normal(size=(4, 2)), "W1": rng.normal(size=(3, 5)),
              "W2": rng.normal(size=(5, 4)), "W3": rng.normal(size=(4, 2))}  # fmt: skip
    found = [program.hessian("L", wrt, order=order).dense(**arrays) for order in ORDERS]
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], rtol=1e-10, atol=1e-12)
    gradient = [program.jacobian("L", wrt, order=order).dense(**arrays) for order in ORDERS]
    for other in gradient[1:]:
        np.testing.assert_allclose(other, gradient[0], rtol=1e-10, atol=1e-12)


WINDOWS = ["v[m+1] v[m]", "v[m+2] v[m]", "v[m+1] v[m] + v[m]^2"]
SHARES = ["softmax[l](V[l])", "V[l] / sum[K](V[K]^2)", "V[l] - mean[K](V[K])"]


@pytest.mark.parametrize("shares", SHARES)
@pytest.mark.parametrize("window", WINDOWS)
def test_every_order_states_how_far_a_window_runs(window, shares):
    program = es.Program(f"V[m] = {window}\nz[l] = {shares}\nL1 = z[I] a[I]\nL2 = 1 L1\nL = L1 - 7/10 L2")
    rng = np.random.default_rng(0)
    arrays = {"v": rng.normal(size=5), "a": rng.normal(size=3 if "m+2" in window else 4)}
    rows = {"t": np.eye(5)}
    tangents = program.jvp("L1", {"v": "t"}, batch="r").compile(fast=False)(**arrays, **rows)
    twice = program.hvp("L1", {"v": "t"}, batch="r").compile(fast=False)(**arrays, **rows)
    for order in ORDERS:
        for of, factor in (("L1", 1), ("L2", 1), ("L", 0.3)):
            found = program.derivative(of, "v", order=order).dense(**arrays)
            np.testing.assert_allclose(found, factor * tangents["tL1"], rtol=1e-10, atol=1e-12)
        found = program.hessian("L1", "v", order=order).dense(**arrays)
        np.testing.assert_allclose(found, twice["tdv"], rtol=1e-10, atol=1e-12)


PARTS = {  # an index that runs over a part of one tensor and over the whole of another
    "spread over": ("f[i] = k[i] x0[i+1]\na[j] = pad(f[j-1]) where |j| = |x0.0|\nx1[j] = x0[j] + a[j]\n"
                    "L = sum[I](k[I] (x1[I+1] - x1[I])^2)", "k", {"x0": (5,), "k": (4,)}),
    "gathered from": ("d[i] = x[i+1] - x[i]\ng[i] = k[i] d[i]\nr[j] = x[j] + pad(g[j]) where |j| = |x.0|\n"
                      "L = sum[I](k[I] (r[I+1] r[I])^2)", "k", {"x": (5,), "k": (4,)}),
}  # fmt: skip


@pytest.mark.parametrize(("text", "wrt", "shapes"), PARTS.values(), ids=PARTS)
def test_every_order_says_what_is_a_part_of_what(text, wrt, shapes):
    program, rng = es.Program(text), np.random.default_rng(0)
    arrays = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    rows = np.eye(shapes[wrt][0])
    expected = program.hvp("L", {wrt: "t"}, batch="r").compile(fast=False)(**arrays, t=rows)[f"td{wrt}"]
    for order in ORDERS:
        hessian = program.hessian("L", wrt, order=order)
        np.testing.assert_allclose(hessian.dense(**arrays), expected, rtol=1e-10, atol=1e-12)
        again = es.Program(str(hessian.program)).compile(fast=False)(**arrays)[str(hessian.equation.name)]
        np.testing.assert_allclose(again, expected, rtol=1e-10, atol=1e-12)


def test_the_name_of_the_result_and_the_letters_of_the_denominator():
    program = es.Program(CLASSIFIER)
    whole = joined(program, backward(program, "L", ["W"]))
    made = jacobian(whole, "dW", "W", ["a", "b"], name=Partial("L", 0, (("W", 2), ("W", 2))))
    assert str(made.equation.lhs) == "dL/dW[k,c]dW[a,b]"
    assert made.eliminated
    assert made.order == "cross-country"


REFUSED = [
    (lambda: es.Program(CLASSIFIER).hessian("Q", "W").equation, ProgramError, "no equation defines Q"),
    (lambda: es.Program(CLASSIFIER).jacobian("Z", "Y").equation, DifferentiationError, "Z does not depend on Y"),
    (lambda: es.Program("E = sum[I](1[x[I] > 0])").jacobian("E", "x").equation, DifferentiationError,
     "E depends on x only"),
    (lambda: es.Program(CLASSIFIER).jacobian("S", "W", order="up"), ProgramError, "there is no order 'up'"),
    (lambda: es.Program(CLASSIFIER).derivative("S"), ProgramError, "a derivative of S with respect to nothing"),
    (lambda: es.Program(CLASSIFIER).jacobian("S", "W", indices=[["a"]]).equation, EinstanError, "W has 2 slots"),
    (lambda: es.Program("G[n,d] = E[T[n],d]").jacobian("G", "T").equation, DifferentiationError,
     "T is read as an integer"),
]  # fmt: skip


@pytest.mark.parametrize(("act", "kind", "problem"), REFUSED)
def test_what_is_refused(act, kind, problem):
    with pytest.raises(kind) as refused:
        act()
    assert refused.value.problem.startswith(problem)


# ---- structure -------------------------------------------------------------------------------------------------------


def test_structure_is_read_off_deltas():
    equation = es.parse("H[k,c,l,p] = X[N,k] S[N,c] X[N,l] (δ[c,p] - S[N,p])")
    found = structured(equation.rhs, equation.indices)
    assert [",".join(index.name for index in each.axes) for each in found] == ["k,c,l,c", "k,c,l,p"]
    assert [str(each.core) for each in found] == ["X[N,k] S[N,c] X[N,l]", "-X[N,k] S[N,c] X[N,l] S[N,p]"]
    again = [each.whole(equation.indices) for each in found]
    assert structured(Add(tuple(again)), equation.indices) == found


def test_a_delta_may_join_three_axes():
    equation = es.parse("T[i,j,k] = δ[i,j] δ[j,k] a[k] + δ[i,j] b[j,k]")
    found = structured(equation.rhs, equation.indices)
    assert [",".join(index.name for index in each.axes) for each in found] == ["i,i,i", "i,i,k"]
    assert [str(each.core) for each in found] == ["a[i]", "b[i,k]"]


@pytest.mark.parametrize(
    ("text", "factors"),
    [
        ("J[n,p,q] = X[n,p] dZ[n,q]", ["X[n,p]", "dZ[n,q]"]),
        ("J[n,p,q] = 2 X[n,p] dZ[n,q] w[q] / |n|", None),
        ("J[p,q] = X[N,p] Y[N,q]", ["X[N,p] Y[N,q]"]),
        ("J[p,q] = a[p] + b[q]", ["a[p] + b[q]"]),
        ("J[n,p,q] = X[n,p] A[n,K] B[K,q]", ["X[n,p]", "A[n,K] B[K,q]"]),
    ],
)
def test_outer_products_stay_factors(text, factors):
    equation = es.parse(text)
    found = outer_factors(equation.rhs)
    if factors is None:
        assert len(found) == 2
    else:
        assert sorted(map(str, found)) == sorted(factors)
