"""Derived programs know how large their results are: from what they read, or from what their lines state."""

import numpy as np
import pytest

import einstan as es
from einstan.optimize import newton

V, C = np.arange(4.0), np.ones(2)
STRIDED = "f[j] = sum[K](v[2j+K] Q[K])\nL = sum[J](f[J] c[J])"
DILATED = "f[j] = sum[K](v[j+2K] Q[K])\nL = sum[J](f[J] c[J])"
PLAIN = "f[j] = v[j+K] Q[K]\nL = f[J] c[J]"
BIASED = "f[j] = c[j] + sum[K](v[j+K] Q[K])\nL = f[J]^2"  # v may be longer than the window on it needs

# program, what is differentiated, arrays, the gradient by hand
GRADIENTS = {
    "stride, a kernel of one": (STRIDED, "Q", {"v": V, "c": C, "Q": np.ones(1)}, [2.0]),
    "stride, a kernel of two": (STRIDED, "Q", {"v": V, "c": C, "Q": np.ones(2)}, [2.0, 4.0]),
    "stride, one place": (STRIDED, "Q", {"v": V, "c": C[:1], "Q": np.ones(3)}, [0.0, 1.0, 2.0]),
    "dilation": (DILATED, "Q", {"v": V, "c": C, "Q": np.ones(2)}, [1.0, 5.0]),
    "no stride": (PLAIN, "Q", {"v": V, "c": np.ones(3), "Q": np.ones(2)}, [3.0, 6.0]),
    "no entry of a kernel": (STRIDED, "Q", {"v": V[:0], "c": C[:0], "Q": np.ones(0)}, []),
    "a bias that tells": (BIASED, "Q", {"v": V, "c": np.zeros(2), "Q": np.ones(2)}, [2 * (0 * 1 + 1 * 3), 2 * (1 + 6)]),
}


@pytest.mark.parametrize(("text", "wrt", "arrays", "expected"), GRADIENTS.values(), ids=GRADIENTS)
def test_a_gradient_has_the_shape_of_its_tensor(text, wrt, arrays, expected):
    program = es.Program(text)
    found = program.backward("L", [wrt]).compile()(arrays)[f"d{wrt}"]
    assert found.tolist() == expected
    again = program.derivative("L", wrt).dense(arrays)
    assert again.tolist() == expected


def test_a_derived_program_takes_the_arrays_of_its_original():
    program = es.Program(STRIDED)
    arrays = {"v": V, "c": C, "Q": np.ones(1)}
    jacobian = [[0.0], [2.0]]
    assert program.partial("f", "Q").compile()(arrays)["df/dQ"].tolist() == jacobian
    assert es.parse(STRIDED.split("\n")[0]).partial("Q").compile()(v=V, Q=np.ones(1))["df/dQ"].tolist() == jacobian
    assert program.jvp("f", ["Q"]).compile()({**arrays, "tQ": np.ones(1)})["tf"].tolist() == [0, 2]
    assert program.vjp("f", ["Q"]).compile()({**arrays, "df": C})["dQ"].tolist() == [2]
    assert program.hvp("L", ["Q"]).compile()({**arrays, "tQ": np.ones(1)})["tdQ"].tolist() == [0]
    assert es.Program("S = sum[J,N](G[J,N] - G[J,N])").compile()(G=np.ones((2, 3)))["S"] == 0


def test_other_arrays_are_refused_as_before():
    derived = es.Program(STRIDED).backward("L", ["Q"]).compile()
    with pytest.raises(es.EinstanError, match="R is not a tensor that the program reads"):
        derived(v=V, c=C, Q=np.ones(1), R=np.ones(1))
    with pytest.raises(es.EinstanError, match="Q is not given"):
        derived(v=V, c=C)
    with pytest.raises(es.EinstanError, match="two sizes"):
        es.Program("f[j] = v[j] Q[j]").partial("f", "Q").compile()(v=np.ones(3), Q=np.ones(2))


def test_extents_that_a_derived_line_speaks_of_are_known():
    net = es.Network("h[i] = y[i]^2\nL = sum[I,N](y[I] - v[N])", parameters={"v": "zeros"})
    value, gradients = net.value_and_grad("L", ["v"]).compile()({"v": np.ones(3)}, y=np.arange(4.0))
    assert value == 3 * 6 - 4 * 3
    assert gradients["v"].tolist() == [-4, -4, -4]
    pooled = es.Program("h[i] = max[J](y[2i+J]) where |J| = 2\nL = h[I]")
    assert pooled.backward("L").compile()(y=np.arange(5.0))["dy"].tolist() == [0, 1, 0, 1, 0]
    for text in ("S[j,n] = G[j,n] - G[j,n]", "S = sum[J,N](G[J,N] - G[J,N])"):
        assert "def step" in es.Program(text).source({"G.0": 1, "G.1": 2})
        assert "def step" in es.Program(text).source({"j": 1, "n": 2})


def test_an_optimiser_steps_a_program_that_states_extents():
    text = "H[i] = pad(c[i-2]) where |i| = |c.0|\nS[i] = H[J] w[J,i]\nL = sum[I](S[I])"
    net, rule = es.Network(text, parameters={"w": "zeros", "c": "zeros"}), es.Momentum(0.1, 0.5)
    params = {"w": np.ones((3, 3)), "c": np.ones(3)}
    loss, after, _ = net.value_and_grad("L").compile(update=rule)(params, rule.init(params))
    assert loss == 3
    np.testing.assert_allclose(after["w"], [[1, 1, 1], [1, 1, 1], [0.9, 0.9, 0.9]])
    np.testing.assert_allclose(after["c"], [0.7, 1, 1])


def test_a_tangent_of_a_short_range_says_so():
    program = es.Program("d[i] = x[i+1] - x[i] where |i| = 2")
    assert str(program.jvp("d", {"x": "V"})) == "td[i] = V[i+1] - V[i] where |i| = |d.0|"


ONE_END = "e[i] = c[i] (x[1] y[2])\nV[i] = X[i] + e[i]\nL = sum[I](V[I])"
ALL = {"c": np.array([1.0, 2]), "x": np.ones(3), "y": np.arange(4.0), "X": np.zeros(2)}
CANCELLING = "S[i,m] = softmax[i](y[m] + x[i])\nL = S[P,I] c[P,I]"

# program, its arrays, one gradient that is asked for alone, and that gradient by hand
ALONE = {
    "an entry of a longer vector": (ONE_END, ALL, "y", [0, 0, 3, 0]),
    "another entry": (ONE_END, ALL, "x", [0, 6, 0]),
    "what no read tells": (ONE_END, ALL, "c", [2, 2]),
    "windows with a stride": (STRIDED, {"v": V, "c": C, "Q": np.ones(1)}, "Q", [2]),
    "what windows leave over": (STRIDED, {"v": V, "c": C, "Q": np.full(1, 0.5)}, "v", [0.5, 0, 0.5, 0]),
    "what cancels": (CANCELLING, {"x": np.ones(2), "y": np.ones(3), "c": np.ones((2, 3))}, "y", [0, 0, 0]),
    "a difference": ("S[i] = b[i] - b[i]\nL = S[I]^2", {"b": np.ones(3)}, "b", [0, 0, 0]),
}


@pytest.mark.parametrize(("text", "arrays", "wrt", "expected"), ALONE.values(), ids=ALONE)
def test_a_gradient_that_is_asked_for_alone_has_the_shape_of_its_tensor(text, arrays, wrt, expected):
    backward = es.Program(text).backward("L", list(arrays))
    assert backward.compile(outputs=[f"d{wrt}"])(arrays)[f"d{wrt}"].tolist() == expected
    assert backward.compile()(arrays)[f"d{wrt}"].tolist() == expected


def test_arrays_that_are_not_needed_are_taken_and_their_sizes_are_compared():
    step = es.Network("S[j] = softmax[j](u[j] + b)\nL = S[M] u[M]", parameters=dict.fromkeys("ub", "zeros"))
    gradients = step.value_and_grad("L").compile()({"u": np.ones(3), "b": 0.5})[1]
    assert gradients["b"] == 0
    assert gradients["u"].shape == (3,)
    with pytest.raises(es.EinstanError, match="b has 1 axis"):
        step.value_and_grad("L").compile()({"u": np.ones(3), "b": np.ones(3)})
    assert step.evaluate("S", {"u": np.zeros(2), "b": 0.5}).tolist() == [0.5, 0.5]
    losses = es.Program("other[n] = u[n] v[n]\nL = mean[N](y[N]^2)").per_example("L")
    y = np.array([1.0, 3])
    assert losses.gradient("y")(y=y, u=V, v=V).dense().tolist() == [[2, 0], [0, 6]]
    assert losses.gradients("y")(y=y, u=V, v=V)["y"].dense().tolist() == [[2, 0], [0, 6]]
    with pytest.raises(es.EinstanError, match="two sizes"):
        losses.gradient("y")(y=y, u=V, v=C)
    layer = es.Program("Z[n,j] = X[n,K] W[K,j] + b[j]\nL = 1/|N| Z[N,J]").per_example("L").gradients(["W", "b"])
    found = layer(X=np.ones((4, 2)), W=np.ones((2, 3)), b=np.ones(3))  # W and b tell the sizes of theirs alone
    assert {name: each.dense().tolist() for name, each in found.items()} == {
        "W": np.ones((4, 2, 3)).tolist(),
        "b": np.ones((4, 3)).tolist(),
    }


def test_a_size_that_one_array_alone_tells():
    program, arrays = es.Program("V[j] = a[j] |X.0|\nL = sum[I](V[I]^2)"), {"a": C, "X": np.ones(3)}
    assert program.derivative("V", "a")(arrays).dense().tolist() == [[3, 0], [0, 3]]
    assert program.hessian("L", "a")(arrays).dense().tolist() == [[18, 0], [0, 18]]
    found = newton(program, "L", {"a": C}, {"X": np.ones(3)}, max_iterations=1, progress=False)
    assert found.params["a"].tolist() == [0, 0]


def test_an_extent_is_that_of_the_sum_in_which_it_stands():
    program = es.Program("h[i] = sum[P,J](b[P,i] w[J]) + sum[J](|J| + X[J,i])\nL = |N| u[N] + |N| v[N]")
    found = program.compile()(b=np.ones((1, 2)), w=C, X=np.zeros((5, 2)), u=np.ones(3), v=np.ones(4))
    assert found["h"].tolist() == [27, 27]
    assert found["L"] == 25


STATED = {
    "of one letter in two sums": "h[i] = sum[K](a[K]) where |i| = |a.0|\nL1 = sum[P](h[P]^2) + 2 sum[J](a[J]^2)\n"
    "L = L1 + L1^2",
    "through names": "S[l,j] = a[l] where |j| = |a.0|\ne[n,i] = S[n,i]\nL = sum[K,J](softplus(e[K,I] a[I] a[J]))",
}


@pytest.mark.parametrize("text", STATED.values(), ids=STATED)
def test_stated_extents_are_read_again(text):
    program, arrays = es.Program(text), {"a": np.array([0.5, -0.25, 1])}
    once = program.partial("L", "a")
    assert es.parse(str(once.equations[0])) is es.Equation.of(once.equations[0])
    again = once.partial("dL/da", "a").compile()(arrays)["dL/dada"]
    assert np.allclose(again, program.hessian("L", "a")(arrays).dense(), atol=1e-12)


def test_arrays_tell_by_way_of_the_forward_equations_too():
    program = es.Program("H[k] = sum[P](v[P] sin(w[k+P]))")
    arrays = {"w": np.zeros(4), "v": np.array([2.0, 3])}
    found = program.partial("H", "w").compile()(arrays)["dH/dw"]
    assert found.tolist() == [[2, 3, 0, 0], [0, 2, 3, 0], [0, 0, 2, 3]]


def test_source_of_a_backward_pass_whose_kernel_is_read_under_a_guard():
    program = es.Program("H[i] = c[i+N+1] X[N]\nL = sum[I](H[I])")
    space = {}
    exec(program.backward("L", ["c", "X"]).source(), space)
    found = space["step"](c=np.arange(5.0), X=np.ones(3))
    assert [array.tolist() for array in found[-2:]] == [[0, 1, 2, 2, 1], [3, 5, 7]]


def test_a_partial_is_found_by_its_name():
    made = es.Program("d[s] = x[s+1] - x[s]\nL = sum[S](d[S]^2)").partial("L", "x")
    assert str(made["dL/dx"]).startswith("dL/dx[p] = ")


def test_jacobians_of_differences_of_differences_have_their_own_rows():
    program = es.Program("a[i] = x[i] x[i+1]\nc[s] = a[s+1] - a[s]")
    x = np.arange(1.0, 7.0)
    wanted = np.zeros((4, 6))
    for s in range(4):
        wanted[s, s : s + 3] = -x[s + 1], x[s + 2] - x[s], x[s + 1]
    np.testing.assert_array_equal(program.jacobian("c", "x")(x=x).dense(), wanted)
    np.testing.assert_array_equal(program.partial("c", "x").compile()(x=x)["dc/dx"], wanted)


def test_what_the_loss_alone_tells_is_stated_where_it_is_left_out():
    """Nothing but w says how long y is, and the partial is read without the loss."""
    text = "y[i] = pad(x[floor(i/2)]) + pad(z[i-2|x.0|])\nL = sum[I](y[I]^3 w[I])"
    x, z, w = np.array([1.0, 2.0]), np.array([0.5, 3.0, -1.0]), np.arange(7.0)
    partial = es.Program(text).partial("L", "z")
    assert str(partial.whole).splitlines()[0].endswith("where |i| = |w.0|")
    space: dict = {}
    exec(partial.source(), space)
    for found in (space["step"](x, z, w)[0], es.Program(str(partial.whole)).compile()(x=x, z=z, w=w)["dL/dz"]):
        np.testing.assert_allclose(found, 3 * z**2 * w[4:], rtol=1e-12)


GROUPED = {  # two groups of half the channels each
    "extents": "m[n,g] = mean[V](X[n,g |V|+V]) where |V| = |X.1|/2, |g| = 2\n"
    "H[n,g,v] = (X[n,g |v|+v] - m[n,g])^3 where |v| = |X.1|/2\nL = H[N,G,V] T[N,G,V]",
    "halves": "Y[n,g,v] = X[n,g |X.1|/2+v] where |v| = |X.1|/2, |g| = 2\n"
    "H[n,g,v] = (Y[n,g,v] - mean[V](Y[n,g,V]))^3\nL = H[N,G,V] T[N,G,V]",
}


@pytest.mark.parametrize("text", GROUPED.values(), ids=GROUPED)
def test_groups_of_an_axis(text):
    program = es.Program(text)
    for channels in (4, 6):
        generator = np.random.default_rng(channels)
        X, T = generator.normal(size=(2, channels)), generator.normal(size=(2, 2, channels // 2))

        def loss(X, T=T):
            Y = X.reshape(T.shape)
            return ((Y - Y.mean(2, keepdims=True)) ** 3 * T).sum()

        steps = np.eye(X.size).reshape(-1, *X.shape)
        slopes = np.reshape([loss(X + 1e-30j * e).imag / 1e-30 for e in steps], X.shape)
        moved = [[loss(X + h * d + 1e-30j * e).imag / 1e-30 for e in steps] for d in steps for h in (1e-5, -1e-5)]
        curved = (np.array(moved[::2]) - moved[1::2]) / 2e-5
        backward = program.backward("L", ["X"])
        passes = (backward.compile(), es.Program(str(backward.whole)).compile(outputs=["dX"]))
        for found in (*(each(X=X, T=T)["dX"] for each in passes), program.partial("L", "X").compile()(X=X, T=T)):
            found = found["dL/dX"] if isinstance(found, dict) else found
            np.testing.assert_allclose(found, slopes, atol=1e-12)
        hessian = program.hessian("L", "X")
        assert es.parse(str(hessian.equation)) is not None
        np.testing.assert_allclose(hessian(X=X, T=T).dense().reshape(curved.shape), curved, atol=1e-6)


# program, arrays at which it has no value, and what it is derived by
NO_VALUE = {
    "one tensor read in two ways": ("p[i] = q[i+1] - q[i]\nL = sum[I](p[I]^2 + cos(q[I]))", {"q": np.arange(6.0)}, "q"),
    "a shift beside what it is of": ("p[i] = q[i+1]^2\nL = sum[I](p[I] + q[I]^3)", {"q": np.arange(6.0)}, "q"),
    "through another line": (
        "y[i] = x[i+1] + x[i]\nz[i] = y[i] + x[i]\nL = sum[I](z[I])", {"x": np.arange(5.0)}, "x",
    ),
    "beside what is shorter": (
        "p[i] = q[i+1] - q[i]\nL = sum[I](p[I]^2 w[I])", {"q": np.arange(6.0), "w": np.ones(4)}, "q",
    ),
    "by what is shorter": (
        "p[i] = q[i+1] - q[i]\nL = sum[I](p[I]^2 w[I])", {"q": np.arange(6.0), "w": np.ones(4)}, "w",
    ),
    "windows beside what is longer": (
        "y[i] = x[i+R] w[R]\nL = sum[I](y[I] c[I])", {"x": np.arange(6.0), "w": np.ones(3), "c": np.ones(5)}, "c",
    ),
    "a stated extent": ("y[i] = x[i+1] where |i| = 5\nL = sum[I](y[I])", {"x": np.arange(5.0)}, "x"),
    "an entry": ("y = x[2]\nL = y + z^2", {"x": np.arange(2.0), "z": np.ones(())}, "z"),
    "a diagonal": ("y[n] = X[n,n+1]\nL = sum[N](y[N])", {"X": np.ones((3, 3))}, "X"),
    "tensors that are read alike": ("L = sum[I](x[I+1] y[I+1])", {"x": np.arange(5.0), "y": np.arange(4.0)}, "x"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "arrays", "wrt"), NO_VALUE.values(), ids=NO_VALUE)
def test_what_has_no_value_has_no_derivative(text, arrays, wrt):
    program, along = es.Program(text), {**arrays, "V": arrays[wrt]}
    routes = {
        "value": lambda: program.compile()(arrays),
        "backward": lambda: program.backward("L", [wrt]).compile()(arrays),
        "of any size": lambda: program.backward("L", [wrt]).compile(any_size=True)(arrays),
        "partial": lambda: program.partial("L", wrt).compile()(arrays),
        "derivative": lambda: program.derivative("L", wrt)(arrays),
        "hessian": lambda: program.hessian("L", wrt)(arrays),
        "jvp": lambda: program.jvp("L", {wrt: "V"}).compile()(along),
        "hvp": lambda: program.hvp("L", {wrt: "V"}).compile()(along),
    }
    for name, route in routes.items():
        with pytest.raises(es.EinstanError, match=r"two sizes|two ranges|reads outside"):
            pytest.fail(f"{name}: {route()}")


def test_a_line_that_a_derivative_does_not_rest_on_may_have_no_value():
    program = es.Program("p[i] = q[i+1] - q[i]\nM = sum[I](p[I]^2 w[I])\nL = q[I]^2 + w[J]^2")
    arrays = {"q": np.arange(6.0), "w": np.ones(4)}
    assert program.compile(outputs=["L"])(arrays)["L"] == 59
    assert program.backward("L", ["w"]).compile()(arrays)["dw"].tolist() == [2, 2, 2, 2]
    assert program.jvp("L", {"w": "V"}).compile()({**arrays, "V": np.ones(4)})["tL"] == 8


def test_of_what_is_read_in_two_ways_the_range_is_to_be_stated():
    with pytest.raises(es.EinstanError) as error:
        es.Program("p[i] = q[i+1] - q[i]\nL = sum[I](p[I]^2 + cos(q[I]))").backward("L")
    assert str(error.value) == (
        "I has two sizes: |q.0|, and |q.0| - 1\n"
        "  L = sum[I](p[I]^2 + cos(q[I]))\n"
        "               ^\n"
        "  inferred: |i| is |q.0| - 1 in p[i] = q[i+1] - q[i], so that i + 1 stays inside of q.0\n"
        "  repair:   state it: L = sum[I](p[I]^2 + cos(q[I])) where |I| = |q.0| - 1"
    )
    stated = es.Program(error.value.repair[0].removeprefix("state it: ") + "\np[i] = q[i+1] - q[i]")
    q = np.arange(6.0) / 3
    assert np.isclose(stated.compile()(q=q)["L"], 5 / 9 + np.cos(q[:5]).sum())
    assert np.allclose(stated.backward("L").compile()(q=q)["dq"], [*(-np.sin(q[:5]) - [2 / 3, 0, 0, 0, 0]), 2 / 3])


# text, and the tensor that it is derived by: what a bracket of a factor that gets a name keeps inside of its axis
KEPT_INSIDE = {
    "a delta of a named factor": ("v[j] = arctan2(s, pad(B[j,j+1])) where |j| = |B.0|\nL = v[J]^2", "B"),
    "beside another term": ("v[j] = s/(2 + sin(pad(B[j,j+1]) + x[j]))\nL = v[J]^2", "B"),
    "in the range of another axis": (
        "v[j] = 1/(2 + pad(B[j,j+1])^2) where |j| = |x.0|\nL = v[J]^2 + x[J]", "B",
    ),
    "a position that is read": (
        "v[i] = softplus(B[mod(i+1,|x.0|),i] + pad(B[i+1,mod(U[i]+1,3)])) where |i| = |x.0|\nL = v[I]^2", "B",
    ),
    "a square of it": ("v[i] = pad(B[i+1,mod(U[i]+1,3)])^2 where |i| = |x.0|\nL = v[I]^2 + x[J]", "B"),
    "a sine of it": ("v[j] = sin(pad(B[j,mod(U[j]+1,5)])) where |j| = |x.0|\nL = sum[J](sin(v[J])) + x[J]", "B"),
    "a half of it": ("v[j] = pad(B[floor(U[j]/2)+1,mod(U[j]+1,5)])^2 where |j| = |x.0|\nL = v[J]^2 + x[J]", "B"),
    "a position under a sum": (
        "b[i] = exp(silu(x[U[i]])) where |i| = |x.0|\nL = sum[I](sin(b[I])) + sum[I](x[I])", "x",
    ),
    "two arrays": ("v[h] = pad(B[h+1,mod(h+1,|x.0|)]) x[h]\nL = sum[H](sin(v[H]) + sin(v[0]) x[H])", "x"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "wrt"), KEPT_INSIDE.values(), ids=KEPT_INSIDE)
def test_what_a_bracket_keeps_inside_stays_there_in_second_derivatives(text, wrt):
    rng, program = np.random.default_rng(0), es.Program(text)
    every = {"B": rng.random((4, 4)), "x": rng.random(4), "U": np.array([0, 2, 1, 3]), "s": 0.3}
    arrays, along = {name: every[name] for name in program.inputs}, rng.random(every[wrt].shape)
    slope = program.backward("L", [wrt]).compile(outputs=[f"d{wrt}"])
    ahead, behind = (slope({**arrays, wrt: every[wrt] + t * along})[f"d{wrt}"] for t in (1e-6, -1e-6))
    product = program.hvp("L", {wrt: "V"}).compile(outputs=[f"td{wrt}"])({**arrays, "V": along})[f"td{wrt}"]
    np.testing.assert_allclose(product, (ahead - behind) / 2e-6, atol=1e-8)
    np.testing.assert_allclose(program.hessian("L", wrt)(arrays) @ along, product, atol=1e-12)


def test_what_a_delta_of_two_arrays_keeps_inside_stays_there():
    program = es.Program("v[h] = pad(C[h+1,mod(h+1,|y.0|)]) y[h]\nL = sum[H](sin(v[H]) + sin(v[0]) y[H])")
    C, y = np.random.default_rng(0).random((4, 4)), np.arange(1.0, 5)
    mixed = program.hessian("L", "y", "C")(C=C, y=y).dense()
    slope = program.backward("L", ["y"]).compile(outputs=["dy"])
    step = np.zeros((4, 4))
    step[2, 2] = 1e-6
    np.testing.assert_allclose(mixed[:, 2, 2], (slope(C=C + step, y=y)["dy"] - slope(C=C - step, y=y)["dy"]) / 2e-6)


def test_a_sum_over_nothing_has_a_product_with_its_hessian():
    program = es.Program("h[i] = 3 c[i]\nz = sum[M](x[M] sin(w[M+1]))\nL = z^2")
    x, w = np.zeros(0), np.ones(1)
    found = program.hvp("L", ["x", "w"]).compile()(x=x, w=w, c=np.ones(2), tx=x, tw=w)  # c only tells sizes
    assert found["tdx"].shape == (0,)
    assert found["tdw"].tolist() == [0]


def test_directions_that_have_not_the_shape_of_their_tensor_are_refused_by_one_that_tells_it():
    product = es.Program("h[i] = 3 c[i]\nz = sum[M](x[M] sin(w[M+1]))\nL = z^2").hvp("L", ["x", "w"]).compile()
    with pytest.raises(es.EinstanError, match="tx has the shape"):
        product(x=np.ones(2), w=np.ones(3), c=np.ones(2), tx=np.ones(1), tw=np.ones(3))


def test_what_sizes_alone_are_read_of_may_be_left_out_of_a_derivative():
    program = es.Program("v[i,k] = exp(-A[|x.0|-1-i,k]^2) where |i| = |x.0|\nu = s c\nL = sum[I,K](v[I,K]) + u^2")
    arrays = {"A": np.ones((4, 3)), "x": np.ones(4), "s": 0.5, "c": 0.25}
    product = program.hvp("L", {"s": "vs", "c": "vc"}).compile()({**arrays, "vs": 1.0, "vc": 2.0})
    assert product["tds"] == 2 * 0.25**2 + 4 * 0.5 * 0.25 * 2
    assert program.backward("L", ["s"]).compile(outputs=["ds"])(arrays)["ds"] == 2 * 0.5 * 0.25**2


@pytest.mark.parametrize("labels", [[-1, 2], [0, 3]])
def test_labels_that_only_the_forward_program_reads_are_looked_at(labels):
    program, E, T = es.Program("L = sum[N](E[T[N]]^2)"), np.array([1.0, 2.0, 3.0]), np.array(labels)
    gradient = program.backward("L", ["E"])
    calls = (
        lambda: gradient.compile(outputs=["dE"])(E=E, T=T),
        lambda: gradient.compile(outputs=["dE"], any_size=True)(E=E, T=T),
        lambda: program.hvp("L", {"E": "V"}).compile(outputs=["tdE"])(E=E, T=T, V=E),
        lambda: program.derivative("L", "E")(E=E, T=T),
        lambda: program.hessian("L", "E")(E=E, T=T),
    )
    for call in calls:
        with pytest.raises(es.EinstanError, match="reads outside E"):
            call()
    compiled = gradient.compile(outputs=["dE"])
    assert compiled(E=E, T=np.array([0, 2]))["dE"].tolist() == [2, 0, 6]
    with pytest.raises(es.EinstanError, match="reads outside E"):
        compiled(E=E, T=T)  # at every call, not the first alone


# program, labels t at which it reads x or what is made of x, and labels at which it reads outside
READ_AT = {
    "of a value": ("S[n,c] = softmax[c](x[n,c])\nL = -sum[N](log(S[N,t[N]]))", (2, 3), [0, 2], [[0, 3], [-1, 0]]),
    "from the end": ("L = sum[N](x[|x.0|-1-t[N]]^2)", (3,), [0, 2], [[0, 3], [-1, 0]]),
    "with an index": ("L = sum[N,R](x[t[N]+R] y[R])", (3,), [0, 1], [[0, 2], [-1, 0]]),
    "two of them": ("L = sum[N](x[t[N]+s[N]])", (3,), [0, 1], [[0, 2], [-1, 0]]),
    "of a half": ("L = sum[N](x[floor(t[N]/2)])", (3,), [0, 5], [[0, 6], [-1, 0]]),
    "beside another": ("L = sum[N,C](1[C != t[N]] x[N,t[N]] x[N,C])", (2, 3), [0, 2], [[0, 3], [-1, 0]]),
    "of one entry": ("L = x[t[1]]^2", (3,), [9, 2], [[0, 3], [0, -1]]),
    "of an entry further on": ("L = x[t[N+1]]^2", (3,), [9, 2], [[0, 3], [0, -1]]),
    "of one entry, below a bracket": ("L = 1[t[1] > 0] x[t[1]-1]", (3,), [9, 3], [[0, 4]]),
    "below a bracket": ("L = sum[N](1[t[N] != -1] x[|x.0|-1-t[N]])", (3,), [0, -1], [[0, 3], [-2, 0]]),
}


@pytest.mark.parametrize(("text", "shape", "right", "wrong"), READ_AT.values(), ids=READ_AT)
def test_labels_of_any_form_are_looked_at(text, shape, right, wrong):
    program = es.Program(text)
    given = {"x": np.arange(1.0, 1 + np.prod(shape)).reshape(shape), "y": np.ones(2), "s": np.array([0, 1])}
    given = {name: array for name, array in given.items() if name in program.inputs}
    calls = [
        program.backward("L", ["x"]).compile(outputs=["dx"]),
        program.backward("L", ["x"]).compile(outputs=["dx"], any_size=True),
        program.partial("L", "x").compile(),
        program.derivative("L", "x"),
    ]
    for call in calls:
        call(**given, t=np.array(right))
        for labels in wrong:
            with pytest.raises(es.EinstanError, match="reads outside"):
                call(**given, t=np.array(labels))


def test_labels_under_a_bracket_may_be_any():
    program, E = es.Program("L = sum[N](pad(E[T[N]])^2)"), np.array([1.0, 2.0, 3.0])
    gradient = program.backward("L", ["E"]).compile(outputs=["dE"])
    assert gradient(E=E, T=np.array([-1, 2, 5]))["dE"].tolist() == [0, 0, 6]


Z = np.arange(1.0, 13.0).reshape(4, 3)
# program, labels that it may read Z at, labels that it may not, and in which rows the bracket holds
GUARDED = {
    "no label": ("L = sum[N](1[T[N] != -100] log(Z[N,T[N]]))", [0, -100, 2, 1], [0, -100, 3, 1], [0, 2, 3]),
    "one end": ("L = sum[N](1[T[N] >= 0] log(Z[N,T[N]]))", [0, -100, 2, 1], [0, -100, 2, 3], [0, 2, 3]),
    "the other end": ("L = sum[N](1[T[N] < |Z.1|] log(Z[N,T[N]]))", [0, 7, 2, 1], [0, -1, 2, 1], [0, 2, 3]),
    "a number": ("L = sum[N](1[M[N] > 0] log(Z[N,T[N]]))", [0, 7, 2, 1], [0, 7, -1, 1], [0, 2, 3]),
    "positions": ("L = sum[N](1[N != 1] log(Z[N,T[N]]))", [0, 7, 2, 1], [0, 7, 2, 3], [0, 2, 3]),
    "a count of them": (
        "L = sum[N](1[T[N] != -1] log(Z[N,T[N]])) + 0 sum[N](1[T[N] != -1])", [0, -1, 2, 1], [0, -2, 2, 1], [0, 2, 3]),
}  # fmt: skip


@pytest.mark.parametrize(("text", "right", "wrong", "rows"), GUARDED.values(), ids=GUARDED)
def test_labels_are_looked_at_where_their_bracket_holds(text, right, wrong, rows):
    program, arrays = es.Program(text), {"Z": Z, "M": np.array([1.0, 0, 1, 1]), "tZ": np.ones_like(Z)}
    made = {
        "L": program.compile(outputs=["L"], fast=False),
        "any size": program.compile(outputs=["L"], fast=False, any_size=True),
        "dZ": program.backward("L", "Z").compile(outputs=["dZ"], fast=False),
        "tdZ": program.hvp("L", ["Z"]).compile(outputs=["tdZ"], fast=False),
    }
    at = rows, [right[n] for n in rows]
    gradient, product = np.zeros_like(Z), np.zeros_like(Z)
    gradient[at], product[at] = 1 / Z[at], -1 / Z[at] ** 2
    expected = {"L": np.log(Z[at]).sum(), "any size": np.log(Z[at]).sum(), "dZ": gradient, "tdZ": product}
    for name, call in made.items():
        given = {str(n): arrays[str(n)] for n in (*call.texts, *call.unread) if str(n) in arrays}
        found = call({**given, "T": np.array(right)})[call.outputs[0]]
        np.testing.assert_allclose(found, expected[name], rtol=1e-12)
        with pytest.raises(es.EinstanError, match=r"Z\[N,T\[N\]\] reads outside Z"):
            call({**given, "T": np.array(wrong)})


def test_a_bracket_of_one_letter_guards_no_other():
    program = es.Program("L = sum[I,J](1[T[I] >= 0] E[T[J]])")
    with pytest.raises(es.EinstanError, match="reads outside E"):
        program.compile(fast=False)(E=np.ones(3), T=np.array([-1, 0]))


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (2, 3), (3, 2)])
def test_portions_run_as_far_as_what_they_were_taken_out_of_says(rows, columns):
    """Of how far j runs a bracket alone speaks, and the ``where`` of the line."""
    v, w = np.linspace(0.5, -1.0, rows), np.linspace(1.0, 2.0, rows)
    below = (np.arange(columns)[None, :] <= np.arange(rows)[:, None]).astype(float)

    def loss(v, h):
        power = np.exp(v[:, None] + h * below)
        return (w[:, None] * power / power.sum(axis=0)).sum()

    program = es.Program("L = sum[K,J](w[K] softmax[K](v[K] + 1[J <= K] h)) where |J| = |u.0|")
    arrays = {"v": v, "w": w, "h": 0.75, "u": np.zeros(columns)}
    found = program.backward("L", ["v", "h"]).compile(fast=False)(arrays)
    np.testing.assert_allclose(found["dh"], loss(v, 0.75 + 1e-30j).imag / 1e-30, atol=1e-15)
    expected = [loss(v + 1e-30j * np.eye(rows)[k], 0.75).imag / 1e-30 for k in range(rows)]
    np.testing.assert_allclose(found["dv"], expected, atol=1e-15)
    whole = es.Program("S[i,j] = softmax[i](v[i] + 1[j <= i] h) + u[j,i]\nL = sum[K,J](S[K,J])")
    arrays = {"v": v, "h": 0.75, "u": np.zeros((columns, rows))}
    directions = {f"t{name}": np.ones_like(array) for name, array in arrays.items()}
    bent = whole.hvp("L", ["v", "u", "h"]).compile(fast=False)({**arrays, **directions})
    assert all(np.abs(each).max() < 1e-15 for each in bent.values())  # portions add up to one


def shares(x):
    power = np.exp(x - x.real.max())
    return power / power.sum()


# program, its L in NumPy: what is read tells how far an index runs, read backwards and where a definition is put in
TOLD_BY_READS = {
    "backwards": ("L = sum[J](x[|J|-1-J] J)", lambda x: x[::-1] @ np.arange(4)),
    "backwards, but the first": ("L = sum[J](x[|J|-J]^2 J)", lambda x: x[:0:-1] ** 2 @ np.arange(3)),
    "backwards beside what is next": ("L = sum[J](x[|J|-1-J] x[J+1])", lambda x: x[2::-1] @ x[1:]),
    "the next of a softmax": (
        "s[t] = softmax[t](x[t])\nL = sum[T](s[T] log(s[T+1]))", lambda x: shares(x)[:-1] @ np.log(shares(x)[1:])),
    "the next of a softmax, by name": (
        "s[t] = softmax[t](x[t])\ny[t] = s[t] log(s[t+1])\nL = y[T]^2",
        lambda x: ((shares(x)[:-1] * np.log(shares(x)[1:])) ** 2).sum()),
}  # fmt: skip


@pytest.mark.parametrize(("text", "meaning"), TOLD_BY_READS.values(), ids=TOLD_BY_READS)
def test_reads_tell_how_far_an_index_runs(text, meaning):
    program, x = es.Program(text), np.array([0.5, -1.0, 2.0, 0.25])
    space: dict = {}
    exec(program.source(), space)
    np.testing.assert_allclose(space["step"](x)[-1], meaning(x), rtol=1e-12)
    expected = [meaning(x + 1e-30j * row).imag / 1e-30 for row in np.eye(4)]
    for derived, name in ((program.backward("L", ["x"]), "dx"), (program.partial("L", "x"), "dL/dx")):
        np.testing.assert_allclose(derived.compile(fast=False)(x=x)[name], expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("target", ["numpy", "torch", "jax"])
def test_code_without_sizes_is_made_where_stated_extents_are_not_negative(target):
    """At the sizes that are made up first, |x.0| - 5 is negative, or 8 - |w.0| is."""
    pytest.importorskip(target)
    program = es.Program("y[i,j] = x[i+5] w[j] where |i| = |x.0| - 5, |j| = 8 - |w.0|")
    source = program.source(target=target)
    if target == "numpy":
        space: dict = {}
        exec(source, space)
        assert space["step"](np.arange(7.0), np.ones(5))[0].tolist() == [[5.0] * 3, [6.0] * 3]
    never = es.Program("y[i,j] = x[i] w[j] where |i| = |x.0| - 90, |j| = 100 - |x.0|")
    with pytest.raises(es.EinstanError, match=r"repair: +source\(sizes={'x.0': ...}\)"):
        never.source(target=target)
    assert never.source({"x.0": 95, "w.0": 8}, target=target)


@pytest.mark.parametrize(
    "text",
    [
        "softmax[j](x[j]) where |j| = |x.0| - 5",
        "softmax[j](x[j]) where |j| = 3",
        "exp(x[j]) / sum[K](exp(x[K])) where |j| = |x.0| - 5, |K| = |x.0| - 5",
    ],
)
def test_a_softmax_of_a_part_of_an_axis(text):
    program, x = es.Program(f"S[j] = {text}\nL = S[J]^2"), np.linspace(0, 1, 8)

    def meaning(x):
        power = np.exp(x[:3])
        return ((power / power.sum()) ** 2).sum()

    found = {**program.compile(fast=False)(x=x), **program.backward("L", "x").compile(fast=False)(x=x)}
    np.testing.assert_allclose(found["L"], meaning(x))
    expected = [meaning(x + 1e-30j * row).imag / 1e-30 for row in np.eye(8)]
    np.testing.assert_allclose(found["dx"], expected, atol=1e-15)
    gradient = program.backward("L", "x").compile(outputs=["dx"], fast=False)
    steps = 1e-6 * np.eye(8)
    bent = [(gradient(x=x + step)["dx"] - gradient(x=x - step)["dx"]) / 2e-6 for step in steps]
    np.testing.assert_allclose(program.hessian("L", "x")(x=x).dense(), bent, atol=1e-8)
    inside = es.Program("L = sum[J](softmax[J](x[J]) w[J]) where |J| = |x.0| - 5")
    assert inside.hvp("L", "x").compile(fast=False)(x=x, w=np.ones(3), tx=x)["tdx"] == pytest.approx(0, abs=1e-15)


def test_a_cotangent_is_as_long_as_what_a_size_alone_is_read_of():
    """Code for any size finds how far i runs; several cotangents at once have one more index in front."""
    program = es.Program("dG[i] = c\nd2[p] = dG[I] δ[2I,p] where |p| = |x.0|\nu = |G.0| c")
    space: dict = {}
    exec(program.source(), space)
    assert program.dims.find("dG.0") == program.dims.find("G.0")
    batched = es.Program("U[k] = sum[K](w[k+K] c[K])").vjp({"U": "Cot"}, ["w"], batch="r")
    found = batched.compile(fast=False)(w=np.arange(4.0), c=np.ones(3), Cot=np.ones((2, 2)))["dw"]
    assert found.tolist() == [[1, 2, 2, 1]] * 2


def test_a_hessian_in_what_a_window_of_another_tensor_is_weighed_by():
    program = es.Program("""
        f[i] = -k[i] (x[i+1] - x[i] - 1)
        a[j] = pad(f[j-1]) - pad(f[j]) where |j| = |x.0|
        z[j] = x[j] + h a[j]
        L = sum[I](k[I] (z[I+1] - z[I] - 1)^2)
    """)
    given = {"k": np.array([1.0, 0.5, 0.7]), "x": np.array([0.0, 1.1, 2.4, 3.9]), "h": 0.1}
    product = program.hvp("L", {"k": "V"}).compile()
    rows = [product({**given, "V": each})["tdk"] for each in np.eye(3)]
    np.testing.assert_allclose(program.hessian("L", "k")(given).dense(), rows, rtol=1e-12)
