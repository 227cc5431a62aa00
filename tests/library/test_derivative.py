"""Jacobians, Hessians and third derivatives as values, against formulas written by hand in NumPy."""

import numpy as np
import pytest

import einstan as es
from einstan.language.errors import DataError, DifferentiationError, EinstanError
from einstan.layers import cross_entropy, dense, relu, softmax
from einstan.library.factored import FactoredTensor

RNG = np.random.default_rng(0)
X, W = RNG.normal(size=(7, 4)), RNG.normal(size=(4, 3))
Y = np.eye(3)[RNG.integers(3, size=7)]
I3 = np.eye(3)


def soft(Z):
    e = np.exp(Z - Z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def softmax_third(S):
    """Of logsumexp: s_i δ_ij δ_ik - (δ_ij s_i s_k + δ_ik s_i s_j + δ_jk s_i s_j) + 2 s_i s_j s_k."""
    three = np.einsum("i,ij,ik->ijk", S, I3, I3)
    two = np.einsum("ij,i,k->ijk", I3, S, S) + np.einsum("ik,i,j->ijk", I3, S, S) + np.einsum("jk,i,j->ijk", I3, S, S)
    return three - two + 2 * np.einsum("i,j,k->ijk", S, S, S)


def class_hessian(X, W, Y):
    S = soft(X @ W)
    block = np.einsum("nc,cp->ncp", S, I3) - S[:, :, None] * S[:, None, :]
    return np.einsum("nk,ncp,nl->kclp", X, block, X) / len(X)


CLASSIFIER = """
    Z[n,c] = X[n,K] W[K,c]
    S[n,c] = softmax[c](Z[n,c])
    L      = -1/|N| Y[N,C] log(S[N,C])
    assume sum[C](Y[n,C]) = 1
"""
M, T, U, V = (RNG.normal(size=shape) for shape in ((5, 6), (5, 6), (5, 2), (6, 2)))
P = RNG.normal(size=(4, 3))


def points_hessian(P):
    n, d = P.shape
    out = np.zeros((n, d, n, d))
    for i in range(n):
        for j in range(n):
            if i != j:
                apart = P[i] - P[j]
                block = np.exp(-apart @ apart) * (4 * np.outer(apart, apart) - 2 * np.eye(d))
                out[i, :, i, :] += block
                out[i, :, j, :] -= block
    return out


ROWS = [  # name, program, of, wrt, arrays, expected, structure
    ("quadratic form", "f = x[I] A[I,J] x[J]", "f", ("x", "x"), {"A": T[:, :5], "x": U[:, 0]},
     lambda A, x: A + A.T, ["ip->ip"]),
    ("masked factorisation", "L = 1/2 M[I,J] (X[I,J] - U[I,K] V[J,K])^2", "L", ("U", "U"),
     {"M": M, "X": T, "U": U, "V": V}, lambda M, X, U, V: np.einsum("ij,jk,jl,ip->ikpl", M, V, V, np.eye(5)),
     ["ikl->ikil"]),
    ("masked factorisation, mixed", "L = 1/2 M[I,J] (X[I,J] - U[I,K] V[J,K])^2", "L", ("U", "V"),
     {"M": M, "X": T, "U": U, "V": V},
     lambda M, X, U, V: np.einsum("ij,il,jk->ikjl", M, U, V) + np.einsum("ij,kl->ikjl", M * (U @ V.T - X), np.eye(2)),
     None),
    ("relu layer", "A[i,j] = relu(X[i,K] W[K,j])", "A", ("W",), {"X": X, "W": W},
     lambda X, W: np.einsum("ij,ip,jq->ijpq", X @ W > 0, X, I3), None),
    ("softmax", "S[n,c] = exp(Z[n,c]) / sum[K](exp(Z[n,K]))", "S", ("Z",), {"Z": X[:, :3]},
     lambda Z: np.einsum("nij,nm->nimj", [np.diag(s) - np.outer(s, s) for s in soft(Z)], np.eye(7)), None),
    ("logsumexp, third", "f = logsumexp[K](x[K])", "f", ("x", "x", "x"), {"x": W[0]},
     lambda x: softmax_third(soft(x)), None),
    ("classifier", CLASSIFIER, "L", ("W", "W"), {"X": X, "W": W, "Y": Y}, class_hessian, None),
    ("classifier, third", CLASSIFIER, "L", ("W", "W", "W"), {"X": X, "W": W, "Y": Y},
     lambda X, W, Y: np.einsum("nk,nl,nm,ncpq->kclpmq", X, X, X, [softmax_third(s) for s in soft(X @ W)]) / len(X),
     None),
    ("logistic regression", "z[n] = X[n,K] w[K]\nL = sum[N](log(1 + exp(z[N])) - y[N] z[N])", "L", ("w", "w"),
     {"X": X, "w": W[:, 0], "y": Y[:, 0]},
     lambda X, w, y: np.einsum("nk,n,nl->kl", X, np.exp(X @ w) / (1 + np.exp(X @ w)) ** 2, X), ["kl->kl"]),
    ("pairwise distances", "D[i,j] = (P[i,A] - P[j,A])^2\nE = 1/2 sum[I,J](exp(-D[I,J]))", "E", ("P", "P"), {"P": P},
     points_hessian, None),
    ("a gather", "G[n,d] = E[T[n],d]", "G", ("E",), {"E": U, "T": np.array([1, 4, 1])},
     lambda E, T: np.einsum("nv,df->ndvf", T[:, None] == np.arange(5), np.eye(2)), None),
    ("a correlation", "Y[i] = X[i+J] W[J]", "Y", ("X",), {"X": T[0], "W": V[:3, 0]},
     lambda X, W: np.array([np.convolve(np.eye(6)[p], W[::-1], "valid") for p in range(6)]).T, None),
    ("of a quadratic form, third", "f = x[I] A[I,J] x[J]", "f", ("x", "x", "x"), {"A": T[:, :5], "x": U[:, 0]},
     lambda A, x: np.zeros((5, 5, 5)), []),
    ("of a sum, second", "L = u[I] s", "L", ("u", "u"), {"u": U[:, 0], "s": np.array(2.0)},
     lambda u, s: np.zeros((5, 5)), []),
    ("of a window, second", "G[j] = X[j+R] w[R]\nL = G[J]", "L", ("w", "w"), {"X": T[0], "w": V[:2, 0]},
     lambda X, w: np.zeros((2, 2)), []),
    ("two that do not meet", "G[n,i] = X[n,i] + v[H]^2 softplus(u[i])\nL = G[N,I]", "L", ("v", "X"),
     {"X": X, "v": U[:, 0], "u": W[:, 0]}, lambda X, v, u: np.zeros((5, 7, 4)), []),
    ("a value that the loss does not read", "L = s^3\nF[j] = C[j,j]", "L", ("s", "F"),
     {"s": np.array(2.0), "C": T[:, :5]}, lambda s, C: np.zeros(5), []),
    ("a number with the name of an index", "F[p] = v[p] s\nL = F[P]^3 s", "L", ("v", "v", "s"),
     {"v": U[:, 0], "s": np.array(2.0)}, lambda v, s: np.diag(24 * v * s**3), ["p->pp"]),
    ("an empty batch", CLASSIFIER, "S", ("W",), {"X": np.zeros((0, 4)), "W": W},
     lambda X, W: np.zeros((0, 3, 4, 3)), None),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_against_formulas_by_hand(row):
    _, text, of, wrt, arrays, oracle, structure = row
    derivative = es.Program(text).derivative(of, *wrt)
    found = derivative(arrays)
    expected = oracle(**arrays)
    assert isinstance(found, FactoredTensor)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found.dense(), expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(derivative.dense(arrays), expected, rtol=1e-9, atol=1e-12)
    assert es.parse(str(derivative.equation)) is derivative.equation
    if structure is not None:
        assert [found.subscripts(part) for part in found.parts] == structure
    if wrt[0] == wrt[-1] and len(wrt) == 2:
        assert (found.dense() == found.T.dense()).all(), "symmetric to the last bit"
        n = int(np.prod(found.shape[: found.rows]))
        v = RNG.normal(size=found.shape[found.rows :])
        np.testing.assert_allclose(found @ v, (expected.reshape(n, n) @ v.ravel()).reshape(v.shape), atol=1e-10)


CANCELLED = [
    ("y[i] = x[i] - x[i]", ("y", "x"), "dy[i]/dx[p] = 0"),
    ("y[i] = x[i] - x[i]", ("y", "x", "x"), "dy[i]/dx[p]dx[q] = 0"),
    ("z[i] = x[i] - x[i]\ny[i] = exp(z[i])", ("y", "x"), "dy[i]/dx[p] = 0"),
    ("z[i] = x[i]^2\ny[i] = z[i] - z[i]", ("y", "x"), "dy[i]/dx[p] = 0"),
    ("G[i] = softmax[Q](W[i,Q] + u[i]) v[Q]", ("G", "u"), "dG[i]/du[p] = 0"),  # softmax does not see a constant
    ("G[i] = softmax[Q](W[i,Q] + u[i]) v[Q]", ("G", "v", "u"), "dG[i]/dv[q]du[p] = 0"),
]


@pytest.mark.parametrize(("text", "of", "expected"), CANCELLED)
def test_what_cancels_has_the_derivative_zero(text, of, expected):
    program = es.Program(text)
    derivative = program.derivative(*of)
    assert str(derivative.equation) == expected
    arrays = {"x": U[:, 0], "W": W, "u": U[:4, 0], "v": U[:3, 0]}
    found = derivative({name: arrays[name] for name in program.inputs})  # although nothing reads them any more
    assert (found.parts, found.shape[0]) == ((), 4 if "W" in text else 5)
    if len(of) == 2:
        assert str(program.partial(*of)).splitlines()[-1] == expected


def test_brackets_stay_beside_what_they_guard():
    hessian = es.Program("L = sum[N](sum[K](1[M[N,K] > 0] X[N,K])^2 / y[N])").hessian("L", "X")
    value = hessian(M=np.array([[0.0, 0.0], [1.0, 1.0]]), y=np.array([0.0, 2.0]), X=np.ones((2, 2)))
    expected = np.zeros((2, 2, 2, 2))
    expected[1, :, 1, :] = 1
    np.testing.assert_equal(value.dense(), expected)
    np.testing.assert_equal(value @ np.ones((2, 2)), [[0, 0], [2, 2]])
    program = es.Program("v[i,j] = 1 / (1 + ((x[i] - x[j])^2)^b)\nL = sum[I,J](1[I < J] v[I,J])")
    assert np.isfinite(program.hessian("L", "x")(x=np.array([1.0, 2.0, 4.0]), b=0.75).dense()).all()
    program = es.Program("Z[i] = 1 / W[i]\nL = sum[N](sin(Z[T[N]]))")  # W[0] is read by no label
    found = program.derivative("L", "W")(W=np.array([0.0, 2.0]), T=np.array([1, 1])).dense()
    np.testing.assert_allclose(found, [0, -np.cos(0.5) / 2])
    Z = np.array([[0.1, 0.4], [np.nan, np.nan]])
    for text in ("l[t] = logsumexp[V](Z[t,V])", "P[t,v] = softmax[v](Z[t,v])\nl[t] = sum[V](P[t,V]^2)"):
        hessian = es.Program(f"{text}\nL = sum[T](1[m[T] > 0] l[T])").hessian("L", "Z")
        found, alone = hessian(Z=Z, m=np.array([1.0, 0.0])).dense(), hessian(Z=Z[:1], m=np.ones(1)).dense()
        np.testing.assert_allclose(found[:1, :, :1], alone, rtol=1e-12)
        assert not found[1:].any()
        assert not found[:, :, 1:].any()


@pytest.mark.parametrize("text", ["y[i] = |X.0| u[i]", "y[i] = 1[X[i] > 0] u[i]", "y[i] = u[i]\nz[i] = X[i]"])
def test_what_is_not_read_is_an_error_and_no_zero(text):
    with pytest.raises(DifferentiationError, match=r"^y depends on X only through|^y does not depend on X"):
        _ = es.Program(text).jacobian("y", "X").equation


def test_a_value_that_only_the_gradient_names():
    """P is no part of the loss, but the gradient says P[n] where it means sigmoid(Z[n])."""
    text = "Z[n] = X[n,K] w[K] + b\nP[n] = sigmoid(Z[n])\nL = sum[N](softplus(Z[N]) - y[N] Z[N]) + 1/2 w[K]^2"
    program = es.Program(text)
    w, b, y = W[:, 0], np.array(0.3), Y[:, 0]
    p = 1 / (1 + np.exp(-(X @ w + b)))
    d, dd = p * (1 - p), p * (1 - p) * (1 - 2 * p)
    given = {"X": X, "w": w, "b": b, "y": y}
    V = RNG.normal(size=4)
    expected = X.T @ (d[:, None] * X) + np.eye(4)
    np.testing.assert_allclose(program.hessian("L", "w")(given).dense(), expected, rtol=1e-12)
    np.testing.assert_allclose(program.hessian("L", "w", "b")(given).dense(), X.T @ d, rtol=1e-12)
    third = program.derivative("L", "w", "w", "w")(given).dense()
    np.testing.assert_allclose(third, np.einsum("nk,nl,nm,n->klm", X, X, X, dd), rtol=1e-10, atol=1e-12)
    product = program.hvp("L", {"w": "V"})
    del given["y"]
    np.testing.assert_allclose(product.compile(outputs=["tdw"])(V=V, **given)["tdw"], expected @ V, rtol=1e-12)


def network():
    net = es.Network(
        dense("H", X="X", W="W1", b="b1", j=5),
        relu("A", Z="H"),
        dense("Z", X="A", W="W2", b="b2", j=3),
        softmax("S", Z="Z"),
        cross_entropy("L", S="S", Y="Y"),
    )
    return net, net.init(seed=0, X=X, Y=Y)


def test_a_network():
    net, params = network()
    H = net.hessian("L", wrt="W2")(params, X=X, Y=Y)
    A = np.maximum(X @ params["W1"] + params["b1"], 0)
    S = soft(A @ params["W2"] + params["b2"])
    block = np.einsum("nc,cp->ncp", S, I3) - S[:, :, None] * S[:, None, :]
    expected = np.einsum("nk,ncp,nl->kclp", A, block, A) / len(X)
    np.testing.assert_allclose(H.dense(), expected, rtol=1e-10, atol=1e-14)
    g = RNG.normal(size=(5, 3))
    damped = H + H.like([es_identity()])
    np.testing.assert_allclose(damped @ damped.solve(g), g, rtol=1e-9)
    J = net.jacobian("S", "X")(params, X=X)
    assert J.shape == (7, 3, 7, 4)
    assert J.blocks().over == ("n",)
    assert str(net.derivative("L", "W2", "b2").equation).startswith("dL/dW2[k,j]db2[")


def es_identity():
    from einstan.library.factored import Part

    return Part((0, 1, 0, 1), ())


def test_no_core_has_the_name_of_the_gradient_of_another():
    """In forward order d(dF)/dv and the gradient of dF/dv would both be ddFdv, of other axes."""
    text = "G[n] = v[Q] Y[n,Q]\nF[i,p] = v[p] sum[Q](B[i,Q]^2)\nH = exp(sum[I,P](F[I,P]))\nL = H G[N]^2"
    v, Y, B = U[:3, 0], X[:, :3], T[:2, :4]
    b = (B**2).sum()
    H, g, G = np.exp(b * v.sum()), 2 * Y.T @ (Y @ v), ((Y @ v) ** 2).sum()
    one = np.ones(3)
    expected = H * (b**2 * G * np.outer(one, one) + b * (np.outer(one, g) + np.outer(g, one)) + 2 * Y.T @ Y)
    for order in ("forward", "reverse", "cross-country", "auto"):
        found = es.Program(text).hessian("L", "v", order=order)(v=v, Y=Y, B=B)
        np.testing.assert_allclose(found.dense(), expected, rtol=1e-10)


def test_the_order_is_chosen_by_cost_and_shown():
    net, params = network()
    compiled = net.hessian("L", "W1").compile()
    compiled(params, X=X, Y=Y)
    last = str(compiled.plan).splitlines()[-1]
    assert last.startswith(f"order {compiled.order}: ")
    costs = compiled._latest.costs
    assert len(costs) > 1
    assert costs[compiled.order] == min(costs.values())
    assert all(order in last for order in costs)
    sizes = {"X.0": 7, "X.1": 4, "W1.1": 5, "W2.1": 3}
    assert str(net.hessian("L", "W1").plan(sizes)).splitlines()[-1] == last


def test_only_the_cores_are_computed():
    program = es.Program("A[i,j] = relu(X[i,K] W[K,j])")
    compiled = program.jacobian("A", "W").compile()
    found = compiled(X=np.ones((300, 200)), W=np.ones((200, 300)))
    assert found.dense_nbytes == 8 * (300 * 200 * 300 * 300)
    assert found.nbytes == 8 * (300 * 300 + 300 * 200)
    assert "np.zeros" not in compiled.source()
    with pytest.raises(DataError, match=r"the dense form needs 43.2 GB"):
        found.dense(limit=10**9)
    with pytest.raises(DataError, match=r"the dense form needs 43.2 GB"):
        compiled.dense(X=np.ones((300, 200)), W=np.ones((200, 300)), limit=10**9)
    out = np.full((7, 3, 4, 3), np.nan)
    assert compiled.dense(X=X, W=W, out=out) is out
    np.testing.assert_allclose(out, np.einsum("ij,ip,jq->ijpq", X @ W > 0, X, I3))


def test_what_is_given_is_not_written_to():
    program = es.Program("Z[n,j] = X[n,K] W[K,j]")
    J = program.jacobian("Z", "X")
    weights = W.copy()
    J.dense(X=X, W=weights)[...] = 5
    assert (weights == W).all()
    found = J(X=X, W=weights)
    found.dense()[...] = 5
    assert all(not np.may_share_memory(a, weights) for part in found.parts for a, _ in part.factors)


def test_einsum_source_and_latex():
    d = es.Program("L = 1/2 M[I,J] (X[I,J] - U[I,K] V[J,K])^2").hessian("L", "U")
    assert d.einsum.string == "iA,ip,Al,Ak->ikpl" or len(d.einsum.operands) == 4
    assert "\\delta" in d.latex()
    assert "def cores(" in d.source()
    assert repr(d).startswith("<Derivative dL/dUdU: dL/dU[i,k]dU[p,l] = ")


@pytest.mark.parametrize(
    ("act", "problem"),
    [
        (lambda net, params: net.hessian("L", "W1")(params, X=X, Q=Y), "the program has no input Q"),
        (lambda net, params: net.hessian("L", "W9").equation, "there is no tensor W9"),
        (lambda net, params: net.hessian("L", "W1")(params), "X"),
    ],
)
def test_what_is_refused(act, problem):
    with pytest.raises(EinstanError) as refused:
        act(*network())
    assert problem in str(refused.value)


# ---- per example -----------------------------------------------------------------------------------------------------


def by_hand_per_example(params):
    H = X @ params["W1"] + params["b1"]
    A = np.maximum(H, 0)
    dZ = soft(A @ params["W2"] + params["b2"]) - Y
    dH = (dZ @ params["W2"].T) * (H > 0)
    return {
        "W1": np.einsum("np,nq->npq", X, dH),
        "b1": dH,
        "W2": np.einsum("np,nq->npq", A, dZ),
        "b2": dZ,
    }


def test_per_example_gradients():
    net, params = network()
    each = net.per_example("L")
    expected = by_hand_per_example(params)
    for name, gradient in expected.items():
        found = each.gradient(name)(params, X=X, Y=Y)
        np.testing.assert_allclose(found.dense(), gradient, rtol=1e-10, atol=1e-14)
        np.testing.assert_allclose(each.gradient(name).dense(params, X=X, Y=Y), gradient, rtol=1e-10, atol=1e-14)
    together = each.gradients(net.params).compile()
    found = together(params, X=X, Y=Y)
    written = together.dense(params, X=X, Y=Y)
    total = net.value_and_grad("L").compile()(params, X=X, Y=Y)[1]
    for name, gradient in expected.items():
        np.testing.assert_allclose(found[name].dense(), gradient, rtol=1e-10, atol=1e-14)
        np.testing.assert_allclose(written[name], gradient, rtol=1e-10, atol=1e-14)
        np.testing.assert_allclose(written[name].mean(axis=0), total[name], rtol=1e-9, atol=1e-14)
    assert [len(part.factors) for part in found["W1"].parts] == [2], "the outer product is not multiplied out"


@pytest.mark.parametrize(
    ("text", "scale", "by_hand"),
    [
        ("r[n] = y[n] - X[n,K] w[K]\nL = mean[N](sqrt(1 + r[N]^2))", 1e6,
         lambda y, z: (z - y) / np.hypot(1, y - z)),
        ("z[n] = X[n,K] w[K]\nL = mean[N](log(1 + exp(-y[N] z[N])))", 1e2, lambda y, z: -y / (1 + np.exp(y * z))),
        ("p[n] = sigmoid(X[n,K] w[K])\nq[n] = 1 - p[n]\nL = -mean[N](log(q[N]))", 1e2,
         lambda y, z: 1 / (1 + np.exp(-z))),
    ],
    ids=["far away", "labels of two signs", "what is left"],
)  # fmt: skip
def test_per_example_gradients_far_from_zero(text, scale, by_hand):
    generator = np.random.default_rng(0)
    X, w = scale + generator.normal(size=(5, 2)), np.array([0.75, -0.5])
    y = np.sign(generator.normal(size=5)) if "exp" in text else X @ w + generator.normal(size=5)
    net = es.Network(text, parameters={"w": "zeros"})
    found = net.per_example("L").gradients("w")(
        {k: v for k, v in {"X": X, "y": y, "w": w}.items() if k != "y" or "y[" in text}
    )
    expected = by_hand(y, X @ w)[:, None] * X
    np.testing.assert_allclose(np.asarray(found["w"].dense()), expected, rtol=1e-12)


def test_a_range_that_only_the_forward_lines_have():
    program = es.Program(
        "H[i,m] = c[m,i]^-2\nz[l] = sum[M](H[l,M])\nS[l,m] = H[l,m] + z[l]\nU[l] = sum[P](S[l,P+1])\nL = sum[K](U[K])"
    )
    each, c = program.per_example("L", "k").gradient("c"), np.arange(1.0, 10).reshape(3, 3)
    total = program.backward("L", ["c"]).compile(outputs=["dc"])(c=c)["dc"]
    np.testing.assert_allclose(each(c=c).dense().mean(axis=0), total)


def test_per_example_norms_do_not_build_the_gradients():
    net, params = network()
    norms = net.per_example("L").norms(net.params)
    compiled = norms.compile()
    found = compiled(**params, X=X, Y=Y)
    squares = {name: (g.reshape(7, -1) ** 2).sum(axis=1) for name, g in by_hand_per_example(params).items()}
    for name, square in squares.items():
        np.testing.assert_allclose(found[f"square{name}"], square, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(found["norm"], np.sqrt(sum(squares.values())), rtol=1e-10)
    assert compiled.plan.largest_intermediate <= max(X.size, params["W1"].size, 7 * 5)


def test_the_loss_of_an_example():
    program = es.Program("Z[n,j] = X[n,K] W[K,j]\nL = mean[N,J]((Z[N,J] - Y[N,J])^2)")
    each = program.per_example("L")
    assert str(each) == "eachL[n] = (Z[n,J] - Y[n,J])^2 / |J|"
    found = each.gradient("W").dense(X=X, W=W, Y=Y)
    np.testing.assert_allclose(found, np.einsum("nk,nj->nkj", X, 2 / 3 * (X @ W - Y)), rtol=1e-12)


@pytest.mark.parametrize(
    ("text", "over", "problem"),
    [
        ("L = X[N,K] Y[N,K]", "m", "L is not a sum over M, so it has no loss for each of its values"),
        ("L = logsumexp[N](X[N])", "n", "L is not a sum over N, so it has no loss for each of its values"),
    ],
)
def test_a_loss_without_examples_is_refused(text, over, problem):
    with pytest.raises(EinstanError) as refused:
        es.Program(text).per_example("L", over)
    assert refused.value.problem == problem


def test_a_value_knows_the_equation_that_it_came_from():
    program = es.Program("L = 1/2 M[I,J] (X[I,J] - U[I,K] V[J,K])^2")
    H = program.hessian("L", "U")(M=M, X=T, U=U, V=V)
    assert str(H.equation) == "dL/dU[i,k]dU[p,l] = M[i,J] δ[i,p] V[J,l] V[J,k]"
    assert H.einsum.string == program.hessian("L", "U").einsum.string == "iJ,ip,Jl,Jk->ikpl"
    assert (2 * H).equation is None
    assert (2 * H).einsum is None


def test_a_dense_form_is_the_callers_own():
    """The array that a call gives is no input, and no later call writes to it."""
    quadratic = es.Program("f = x[I] A[I,J] x[J]").hessian("f", "x").compile()
    A, x = T[:, :5].copy(), U[:, 0]
    first = quadratic.dense(A=A, x=x)
    kept = first.copy()
    first[...] = 0
    np.testing.assert_array_equal(quadratic.dense(A=A, x=x), kept)
    np.testing.assert_array_equal(A, T[:, :5])
    jacobian = es.Program("Z[n,j] = X[n,K] W[K,j]").jacobian("Z", "X").compile()
    J = jacobian.dense(X=X, W=W)
    again = jacobian.dense(X=X, W=W)
    J[...] = 7
    np.testing.assert_array_equal(again, np.einsum("nm,kj->njmk", np.eye(7), W))
