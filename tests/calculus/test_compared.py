"""What is compared is what was computed: the largest of entries that several factors, windows or portions make."""

import numpy as np
import pytest

import einstan as es
from einstan.calculus.compared import compared_once

WIDE = np.lib.stride_tricks.sliding_window_view


def softmax(u, axis):
    e = np.exp(u)
    return e / e.sum(axis, keepdims=True)


def test_what_is_named_is_no_longer_than_what_is_read_beside_it():
    """Windows of windows: among what a largest is found there are fewer entries than in what they are made of."""
    program = es.Program(
        "Z[k] = sin(x[floor(k/3)]) x[floor(k/3)] where |k| = 3 |x.0|\n"
        "S = logsumexp[P](Z[P+2]) max[P]((Z[P+2] + Z[P+1] - Z[P])^2)\nL = S^2"
    )
    x, v, h = np.array([0.8125, 0.6875, -0.3125]), np.array([-1.25, 0.625, 0.375]), 1e-6
    gradient = program.backward("L", ["x"]).compile(fast=False)
    ends = [gradient(x=x + sign * h * v)["dx"] for sign in (1, -1)]
    found = program.hvp("L", {"x": "tx"}).compile(fast=False)(x=x, tx=v)["tdx"]
    np.testing.assert_allclose(found, (ends[0] - ends[1]) / (2 * h), rtol=1e-6)


# an extreme in the notation, and what it is found among in NumPy: of v (5, 7), b (11,) and w (7,)
EXTREMES = [
    ("max", "", "v[i,K] b[i+K] w[K]", lambda v, b, w: v * WIDE(b, 7) * w),
    ("min", "1 + 3", "exp(v[i,K] b[i+K] w[K])", lambda v, b, w: np.exp(v * WIDE(b, 7) * w)),
    ("min", "", "softmax[i](v[i,K] + b[i+K] w[K])", lambda v, b, w: softmax(v + WIDE(b, 7) * w, 0)),
    ("max", "1 + 3", "softmax[K](v[i,K] sin(b[i+K])) w[K]", lambda v, b, w: softmax(v * np.sin(WIDE(b, 7)), 1) * w),
    ("max", "", "b[i+K] w[K] / (1 + sqrt(v[i,J]^2))",
     lambda v, b, w: WIDE(b, 7) * w / (1 + (v**2).sum(1, keepdims=True) ** 0.5)),
]  # fmt: skip


@pytest.mark.parametrize(("operation", "outer", "text", "body"), EXTREMES, ids=[text for _, _, text, _ in EXTREMES])
def test_the_extreme_is_found_again(operation, outer, text, body):
    """Every partial of the extremes, behind a loss, of the program and alone, by imaginary steps."""
    line = f"U[i] = {outer} {operation}[K]({text}) where |i| = 5, |K| = 7"
    program = es.Program(f"{line}\nL = cos(I) U[I]")
    generator = np.random.default_rng(7)
    given = {"v": generator.normal(size=(5, 7)), "b": generator.normal(size=11), "w": generator.normal(size=7)}
    gradients = program.backward("L").compile()(given)
    at = getattr(np, f"arg{operation}")(body(**given), 1)
    for name, array in given.items():
        steps = 1e-20j * np.eye(array.size).reshape(array.size, *array.shape)
        moved = [body(**{**given, name: array + step})[range(5), at].imag / 1e-20 for step in steps]
        scale = 3 if outer else 1
        wanted = scale * np.moveaxis(np.reshape(moved, (*array.shape, 5)), -1, 0)
        partials = [program.partial("U", name), es.parse(line).partial(name)]
        found = [value for partial in partials for value in partial.compile()({n: given[n] for n in given}).values()]
        for each in found:
            np.testing.assert_allclose(each, wanted, atol=1e-12)
        np.testing.assert_allclose(gradients[f"d{name}"], np.tensordot(np.cos(range(5)), wanted, 1), atol=1e-12)


def test_the_smallest_of_what_is_read_backwards():
    """The softmax is computed at i = -p+2 once more, where the derivative by b needs it."""
    program = es.Program("U[i] = min[K](softmax[i](v[i,K] + abs(pad(b[-i+2]))))\nL = U[I]^2")
    v, b = np.array([[1.375, 1.1875], [1.0625, 0.9375]]), np.array([1.25, 0.3125])
    gradients = program.backward("L")
    at = softmax(np.add(v, [[0], [b[1]]]), 0).argmin(1)
    moved = softmax(np.add(v, [[0], [b[1] + 1e-20j]]), 0)[[0, 1], at]
    wanted = [0, (moved**2).sum().imag / 1e-20]
    again = es.Program(str(gradients.whole))
    for compiled in (gradients.compile(), gradients.compile(any_size=True), again.compile()):
        np.testing.assert_allclose(compiled(v=v, b=b)["db"], wanted, atol=1e-12)


def test_reads_alone_are_compared_as_they_are():
    program = es.Program("Z[i,k] = v[i,k] w[k]\nU[i] = max[K](Z[i,K])\nL = U[I]^2").backward("L").whole
    assert compared_once(program) is program


def test_what_windows_alone_tell_of_extents_is_found_without_arrays():
    """Nothing but the entries says how many extremes there are."""
    backward = es.Program("f[i] = max[I](y[I] a[2i+I])\nL = f[0]").backward("L")
    given = {"y": np.array([-0.5, 0.25]), "a": np.array([-0.375, -0.875, -0.5625, 1.0])}
    code: dict = {}
    exec(backward.source(), code)
    made, names = backward.compile()(given), ("df", "dy", "da")
    found = dict(zip(made, code["step"](**given), strict=True))
    assert set(names) == set(made)
    for name in names:
        np.testing.assert_allclose(found[name], made[name], atol=1e-15)


def test_the_least_of_quotients_by_exponentials():
    """What is compared has a name already; its rest and its scale are not what it was computed from."""
    program = es.Program("""
        e[k] = exp(y[k])
        f[k,j] = x[j] sum[P](b[P] / (1 + abs(e[k])))
        G[k] = min[I](f[k,I])
        S[k,m] = f[k,m] - G[k]
        L = logsumexp[N,P](S[N,P])
    """)
    given = {"y": np.array([-0.1875, 0.4375, 1.5625]), "b": np.array([1.125, 0.5625]), "x": [1.1875, -0.8125, 1.375]}
    forward, backward = program.compile()(given), program.backward("L")
    assert (forward["G"] == forward["f"].min(1)).all()
    alone = es.Program(str(backward)).compile()({**given, **{name: forward[name] for name in "efGS"}})
    for found in (backward.compile()(given), backward.compile(any_size=True)(given), alone):
        np.testing.assert_allclose(
            found["dy"], [-0.4263927700693428, -0.237041691613015, -0.065488132088988], rtol=1e-9
        )


def test_a_tensor_of_what_is_compared_is_not_as_long_as_a_direction():
    text = """
    Z[l] = sum[I](w[I,l])
    H = sum[K]((Z[K+2] - Z[K+1] - Z[K])^2) max[M]((Z[M+1] + Z[M])^2) mean[K](tanh(Z[K+1]))
    """
    program = es.Program(text)
    arrays = np.random.default_rng(0).normal(size=(2, 2, 4))
    w, v, step = arrays[0], arrays[1], 1e-6
    gradient = program.backward("H", ["w"]).compile(outputs=["dw"])
    slope = (gradient(w=w + step * v)["dw"] - gradient(w=w - step * v)["dw"]) / (2 * step)
    found = program.hvp("H", {"w": "V"}).compile(outputs=["tdw"])(w=w, V=v)["tdw"]
    np.testing.assert_allclose(found, slope, rtol=1e-6)


def test_the_scale_of_what_is_compared_is_read_inside_of_its_range():
    program = es.Program("""
        h[m,j] = 1[j <= m] exp(a[m,j])
        S[m] = sum[M](h[m,M])
        Z = sum[I](S[I+1]) max[I](sin(S[I+1] - S[I]))
    """)
    a = np.array([[0.875, 0.625, 0.125], [0.375, -0.25, 1.3125], [1.0625, 1.125, 1.4375]])
    v, step = np.random.default_rng(0).normal(size=a.shape), 1e-6
    value = program.compile(outputs=["Z"])
    slope = (value(a=a + step * v)["Z"] - value(a=a - step * v)["Z"]) / (2 * step)
    np.testing.assert_allclose((program.backward("Z").compile()(a=a)["da"] * v).sum(), slope, rtol=1e-6)
