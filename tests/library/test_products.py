"""Products with Jacobians and Hessians as programs: against NumPy by hand, and in every order of composition."""

import numpy as np
import pytest

import einstan as es
from einstan.language.errors import EinstanError
from einstan.layers import cross_entropy, dense, mean_squared_error, softmax, tanh

N, K, J, C, R = 7, 5, 4, 3, 2
RNG = np.random.default_rng(0)
X, W1, b1 = RNG.normal(size=(N, K)), RNG.normal(size=(K, J)), RNG.normal(size=J)
W2, b2 = RNG.normal(size=(J, C)), RNG.normal(size=C)
Y = np.eye(C)[RNG.integers(0, C, N)]
V1, v1, V2, v2 = (RNG.normal(size=(R, *a.shape)) for a in (W1, b1, W2, b2))
PARAMS = {"W1": W1, "b1": b1, "W2": W2, "b2": b2}
DIRECTIONS = {"W1": V1, "b1": v1, "W2": V2, "b2": v2}


def network():
    return es.Network(
        dense("H", X="X", W="W1", b="b1", j=J),
        tanh("A", Z="H"),
        dense("Z", X="A", W="W2", b="b2", j=C),
        softmax("S", Z="Z"),
        cross_entropy("L", S="S", Y="Y"),
    )


# ---- by hand ---------------------------------------------------------------------------------------------------------


def forward(p=PARAMS):
    A = np.tanh(X @ p["W1"] + p["b1"])
    Z = A @ p["W2"] + p["b2"]
    e = np.exp(Z - Z.max(axis=1, keepdims=True))
    return A, Z, e / e.sum(axis=1, keepdims=True)


def gradient(p=PARAMS):
    A, _, S = forward(p)
    dZ = (S - Y) / N
    dH = dZ @ p["W2"].T * (1 - A**2)
    return {"W1": X.T @ dH, "b1": dH.sum(axis=0), "W2": A.T @ dZ, "b2": dZ.sum(axis=0)}


def pushed(r):
    A, _, _ = forward()
    tA = (X @ V1[r] + v1[r]) * (1 - A**2)
    return tA, tA @ W2 + A @ V2[r] + v2[r]


def hessian_product(r):
    A, _, S = forward()
    tA, tZ = pushed(r)
    dZ, tdZ = (S - Y) / N, S * (tZ - (S * tZ).sum(axis=1, keepdims=True)) / N
    dA, tdA = dZ @ W2.T, tdZ @ W2.T + dZ @ V2[r].T
    tdH = tdA * (1 - A**2) - dA * 2 * A * tA
    return {
        "W1": X.T @ tdH, "b1": tdH.sum(axis=0), "W2": tA.T @ dZ + A.T @ tdZ, "b2": tdZ.sum(axis=0),
    }  # fmt: skip


def gauss_newton_product(r):
    A, _, S = forward()
    _, tZ = pushed(r)
    c = S * (tZ - (S * tZ).sum(axis=1, keepdims=True)) / N
    cH = c @ W2.T * (1 - A**2)
    return {"W1": X.T @ cH, "b1": cH.sum(axis=0), "W2": A.T @ c, "b2": c.sum(axis=0)}


def values(program, names, arrays=None):
    arrays = arrays or {**PARAMS, "X": X, "Y": Y, **{f"t{name}": v for name, v in DIRECTIONS.items()}}
    compiled = program.compile(outputs=names)
    return compiled({name: arrays[name] for name in compiled.texts})


# ---- one pass or two -------------------------------------------------------------------------------------------------


def test_the_oracle_is_the_derivative_of_the_loss():
    step = 1e-6
    for r in range(R):
        up, down = (gradient({n: p + s * step * DIRECTIONS[n][r] for n, p in PARAMS.items()}) for s in (1, -1))
        for name, value in hessian_product(r).items():
            np.testing.assert_allclose(value, (up[name] - down[name]) / (2 * step), rtol=1e-6, atol=1e-8)


def test_jvp():
    found = values(network().jvp(["Z", "A"], batch="r"), ["tZ", "tA"])
    for r in range(R):
        tA, tZ = pushed(r)
        np.testing.assert_allclose(found["tA"][r], tA, rtol=1e-12)
        np.testing.assert_allclose(found["tZ"][r], tZ, rtol=1e-12)


def test_vjp_with_a_named_cotangent():
    cotangent = RNG.normal(size=(N, C))
    program = network().vjp({"Z": "M"}, ["W1", "b2"])
    found = values(program, ["dW1", "db2"], {**PARAMS, "X": X, "M": cotangent})
    A, _, _ = forward()
    np.testing.assert_allclose(found["dW1"], X.T @ (cotangent @ W2.T * (1 - A**2)), rtol=1e-12)
    np.testing.assert_allclose(found["db2"], cotangent.sum(axis=0), rtol=1e-12)


def test_hvp():
    found = values(network().hvp("L", batch="r"), [f"td{name}" for name in PARAMS])
    for r in range(R):
        for name, value in hessian_product(r).items():
            np.testing.assert_allclose(found[f"td{name}"][r], value, rtol=1e-11, atol=1e-14)


def test_gauss_newton():
    program = network().gauss_newton("L", "Z", batch="r")
    found = values(program, [f"g{name}" for name in PARAMS])
    for r in range(R):
        for name, value in gauss_newton_product(r).items():
            np.testing.assert_allclose(found[f"g{name}"][r], value, rtol=1e-11, atol=1e-14)


def test_gauss_newton_of_a_loss_with_a_penalty_has_the_curvature_of_both():
    program = es.Program("Z[n] = tanh(X[n,K] w[K])\nL = 1/2 (Z[N] - y[N])^2 + 1/2 a w[K]^2")
    arrays = {"X": X, "w": b1[:1].repeat(K), "y": X[:, 0], "a": np.array(0.3), "tw": np.arange(float(K))}
    found = values(program.gauss_newton("L", ["Z", "w"], "w"), ["gw"], arrays)["gw"]
    JX = (1 - np.tanh(X @ arrays["w"]) ** 2)[:, None] * X
    np.testing.assert_allclose(found, JX.T @ (JX @ arrays["tw"]) + 0.3 * arrays["tw"], rtol=1e-12)
    with pytest.raises(EinstanError, match=r"L depends on w not only through Z") as caught:
        program.gauss_newton("L", "Z", "w")
    assert "outputs=['Z', 'w'] counts it with its own Hessian" in str(caught.value)


# ---- orders of composition -------------------------------------------------------------------------------------------

ORDERS = {
    "forward over reverse": lambda p: (p.backward("L", ["W1"]).jvp("dW1", {"W1": "V"}), "tdW1"),
    "reverse over forward": lambda p: (p.jvp("L", {"W1": "V"}).backward("tL", ["W1"]), "dW1"),
    "reverse over reverse": lambda p: (p.backward("L", ["W1"]).vjp({"dW1": "V"}, ["W1"]), "d2W1"),
    "the partial of a partial": lambda p: (p.partial("L", "W1").jvp("dL/dW1", {"W1": "V"}), "tdLdW1"),
}


@pytest.mark.parametrize("order", ORDERS)
def test_every_order_gives_the_hessian_product(order):
    program, name = ORDERS[order](network().program)
    for equation in program:
        assert es.parse(str(equation), known=program.ranks) is es.Equation.of(equation)
    arrays = {**PARAMS, "X": X, "Y": Y, "V": V1[0]}
    direction = {n: np.zeros_like(p) for n, p in PARAMS.items()} | {"W1": V1[0]}
    A, _, S = forward()
    tA = X @ direction["W1"] * (1 - A**2)
    dZ, tZ = (S - Y) / N, tA @ W2
    tdZ = S * (tZ - (S * tZ).sum(axis=1, keepdims=True)) / N
    expected = X.T @ (tdZ @ W2.T * (1 - A**2) - dZ @ W2.T * 2 * A * tA)
    np.testing.assert_allclose(values(program, [name], arrays)[name], expected, rtol=1e-10, atol=1e-13)


def test_third_derivatives():
    """Three directions in sin(w x): the third derivative is -x³ cos(w x)."""
    program = es.Program("L = sum[N](sin(w x[N]))")
    third = program.jvp("L", {"w": "a"}).jvp("tL", {"w": "b"}).jvp("t2tL", {"w": "c"})
    x = RNG.normal(size=N)
    arrays = {"w": np.array(0.7), "x": x, "a": np.array(2.0), "b": np.array(3.0), "c": np.array(0.5)}
    expected = -3 * (x**3 * np.cos(0.7 * x)).sum()
    np.testing.assert_allclose(values(third, ["t3t2tL"], arrays)["t3t2tL"], expected, rtol=1e-12)


def test_names_of_passes_do_not_meet():
    program = network().hvp("L", ["W1"]).vjp({"tdW1": "U"}, ["W1"])
    assert program.letters == ("d", "t", "d2")
    assert {"d2W1", "d2tdW1"} & {str(e.name) for e in program} == {"d2W1"}


def test_a_hessian_that_is_zero_is_zero():
    program = es.Program("L = X[N,K] w[K]")
    found = values(program.hvp("L", {"w": "v"}), ["tdw"], {"X": X, "v": np.ones(K), "w": np.ones(K)})
    np.testing.assert_array_equal(found["tdw"], np.zeros(K))
    with pytest.raises(EinstanError, match="L does not depend on u"):
        es.Program("L = X[N,K] w[K]\nM = u").jvp("L", {"u": "v"})


def test_they_plan_and_show_their_source():
    program = network().hvp("L", {"W1": "V"}, batch="r")
    plan = program.plan({"n": 16, "K": 5, "j": 5, "c": 3, "r": 2}, outputs=["tdW1"])
    assert "tdW1" in str(plan)
    source = program.source(outputs=["tdW1"])
    assert "# tdW1[r,k,j] = X[N,k] tdH[r,N,j]" in source
    assert "\\\\" in program.latex()


def test_a_mean_squared_error():
    net = es.Network(dense("Z", X="X", W="W", b="b", j=C), mean_squared_error("L", O="Z", Y="Y"))
    found = values(
        net.hvp("L", ["W"]), ["tdW"], {"X": X, "W": RNG.normal(size=(K, C)), "b": b2, "Y": Y, "tW": X[:K, :C]}
    )
    np.testing.assert_allclose(found["tdW"], 2 / Y.size * X.T @ (X @ X[:K, :C]), rtol=1e-12)


RANGES = [  # sums of several lengths over one axis, and ranges that meet in one tangent
    ("L = x[I]^2 x[J] x[J+1]", lambda x: (x @ x) * (x[:-1] @ x[1:])),
    ("L = sum[I](exp(x[I])) x[J] x[J+1]", lambda x: np.exp(x).sum() * (x[:-1] @ x[1:])),
    ("L = x[I] x[I+1] x[J] x[J+2]", lambda x: (x[:-1] @ x[1:]) * (x[:-2] @ x[2:])),
    ("L = sum[I](exp(x[I] x[I+1] x[I+2]))", lambda x: np.exp(x[:-2] * x[1:-1] * x[2:]).sum()),
    ("L = (x[I+2] - 2 x[I+1] + x[I])^2", lambda x: np.sum(np.diff(x, 2) ** 2)),
    ("L = y[I+2] x[I] x[I+1]", lambda x: (x[:-1] * x[1:]) @ b1.repeat(2)[2:6]),
    ("L = sum[I](exp(y[I+1] x[I] x[I+1]))", lambda x: np.exp(b1.repeat(2)[1:5] * x[:-1] * x[1:]).sum()),
]


@pytest.mark.parametrize(("text", "by_hand"), RANGES, ids=[text for text, _ in RANGES])
def test_sums_and_brackets_of_several_ranges_stay_apart(text, by_hand):
    x, v, h, near = 0.3 * np.arange(1, 6), np.array([0.3, -0.2, 0.5, 0.7, -0.4]), 1e-4, 1e-30j * np.eye(5)

    def gradient(x):
        return np.array([by_hand(x + step).imag for step in near]) / 1e-30

    y = b1.repeat(2)[: 5 if "y[I+1]" in text else None]  # what is read alike is as long as each other
    program, data = es.Program(text), {"x": x, **({"y": y} if "y[" in text else {})}
    np.testing.assert_allclose(
        values(program.backward("L", ["x"]), ["dx"], data)["dx"], gradient(x), rtol=1e-12, atol=1e-12
    )
    found = values(program.hvp("L", {"x": "v"}), ["tdx"], {**data, "v": v})
    np.testing.assert_allclose(
        found["tdx"], (gradient(x + h * v) - gradient(x - h * v)) / (2 * h), rtol=1e-6, atol=1e-8
    )


SIZES = [  # a backward pass that reads no tensor of the shape of what it makes
    ("G[n,c] = X[n,K] W[K,c]\nL = s G[N,C]", "W", {"X": X, "W": W1, "s": 2.0},
     lambda X, W, s: s * np.outer(X.sum(axis=0), np.ones(J))),
    ("G[n,c] = X[n,K] W[K,c] + b[c]\nL = 1/|N| s G[N,C]", "b", {"X": X, "W": W1, "b": b1, "s": 3.0},
     lambda X, W, b, s: np.full(J, s)),
    ("Y[i] = X[i+J] w[J]\nL = s Y[I]", "w", {"X": X[:, 0], "w": b1[:3], "s": 2.0},
     lambda X, w, s: s * np.array([X[:5].sum(), X[1:6].sum(), X[2:].sum()])),
    ("Y[i] = X[i+J] w[J]\nL = s Y[I]", "X", {"X": X[:, 0], "w": b1[:3], "s": 2.0},
     lambda X, w, s: s * np.convolve(np.ones(5), w)),
    ("u[i] = x[i]^2\nL = s u[I]", "u", {"x": b1, "s": 2.0}, lambda x, s: np.full(J, s)),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wrt", "arrays", "expected"), SIZES)
def test_sizes_that_only_the_forward_pass_tells(text, wrt, arrays, expected):
    program = es.Program(text)
    found = values(program.backward("L", [wrt]), [f"d{wrt}"], arrays)
    np.testing.assert_allclose(found[f"d{wrt}"], expected(**arrays), rtol=1e-12)
    pulled = values(program.vjp({"L": "T"}, [wrt]), [f"d{wrt}"], {**arrays, "T": 3.0})
    np.testing.assert_allclose(pulled[f"d{wrt}"], 3 * expected(**arrays), rtol=1e-12)


def test_a_factor_that_is_known_after_the_cotangent():
    """The scalar s / F is computed after dF2, so it cannot be folded into it."""
    text = "F = sqrt(2 + s^2)\nE = softmax[Q](v[Q] F) v[Q]\nL = sum[K](C[K,K] + E) + s"
    v, s, T = np.array([1.0, 2.0, 4.0]), 0.4, np.array([1.0, 2.0])
    F = np.sqrt(2 + s**2)
    p = np.exp(v * F) / np.exp(v * F).sum()
    expected = T * (3 * (p @ v**2 - (p @ v) ** 2) * s / F + 1)
    found = values(es.Program(text).vjp({"L": "T"}, "s", batch="r"), ["ds"], {"v": v, "s": s, "T": T, "C": np.eye(3)})
    np.testing.assert_allclose(found["ds"], expected, rtol=1e-12)


WINDOW = "h[i] = x[i+J] w[J]\nL = sum[I](h[I]^3)"
MISSHAPEN = {  # each a program, the pass, and directions and cotangents of the wrong shape
    "a short direction": (WINDOW, lambda p: p.hvp("L", {"w": "V"}), (2,)),
    "a long direction": (WINDOW, lambda p: p.hvp("L", {"x": "V"}), (8,)),
    "a long tangent": (WINDOW, lambda p: p.jvp("h", {"x": "V"}), (8,)),
    "a batch": (WINDOW, lambda p: p.jvp("h", {"w": "V"}, batch="r"), (4, 2)),
    "a short cotangent": (WINDOW, lambda p: p.vjp({"h": "V"}, ["x", "w"]), (4,)),
    "of strides": (WINDOW.replace("x[i+J]", "x[2i+J]"), lambda p: p.vjp({"h": "V"}, ["w"]), (2,)),
    "of an extreme": (WINDOW.replace("x[i+J] w[J]", "max[J](x[i+J] w[J])"), lambda p: p.vjp({"h": "V"}, "w"), (4,)),
    "Gauss and Newton": (WINDOW, lambda p: p.gauss_newton("L", "h", {"w": "V"}), (2,)),
    "without effect": ("L = x[I] w[J] 1[I] 1[J]", lambda p: p.hvp("L", {"w": "V"}), (2,)),
    "more axes": (WINDOW, lambda p: p.hvp("L", {"w": "V"}), (3, 1)),
}


@pytest.mark.parametrize(("text", "made", "shape"), MISSHAPEN.values(), ids=MISSHAPEN)
@pytest.mark.parametrize("any_size", [False, True])
def test_directions_and_cotangents_have_the_shapes_of_their_tensors(text, made, shape, any_size):
    compiled = made(es.Program(text)).compile(any_size=any_size)
    with pytest.raises(es.EinstanError, match=r"two sizes|shape|axes"):
        compiled(x=np.ones(7), w=np.ones(3), V=np.ones(shape))


def test_a_direction_that_has_no_effect_has_a_shape():
    passed = es.Program("L = x[I] w[I]").hvp("L", {"w": "V"}).compile()
    assert (passed(x=np.ones(3), w=np.ones(3), V=np.ones(3))["tdw"] == 0).all()
    with pytest.raises(es.EinstanError) as caught:
        passed(x=np.ones(3), w=np.ones(3), V=np.ones(2))
    assert str(caught.value) == (
        "V has the shape (2,), and is a direction or a cotangent of w\n"
        "  L = x[I] w[I]\n"
        "           ^^^^\n"
        "  inferred: w has the shape (3,)\n"
        "  repair:   give an array of that shape as V"
    )
