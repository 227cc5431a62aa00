"""Running sums, products and extremes, and products of all others, against loops in NumPy."""

import numpy as np
import pytest

import einstan as es

LARGE = 70  # positions from which a table of pairs is not made


def running(reduce, kept, start):
    """``y[i,...] = reduce`` of the rows of x that the comparison keeps."""

    def value(x, size):
        rows = [[x[j] for j in range(len(x)) if kept(j, i)] for i in range(size)]
        return np.array([reduce(np.array(row), axis=0) if row else np.full(x.shape[1:], start) for row in rows])

    return value


UP = {"J <= i": lambda j, i: j <= i, "J < i": lambda j, i: j < i, "i >= J": lambda j, i: i >= j}
DOWN = {"J >= i": lambda j, i: j >= i, "J > i": lambda j, i: j > i, "i < J": lambda j, i: i < j}
OPPOSITE = {"J <= i": "J > i", "J < i": "i <= J", "i >= J": "i < J", "J >= i": "J < i", "J > i": "J <= i",
            "i < J": "i >= J"}  # fmt: skip

SCANS = {  # the body after the reduction, NumPy's reduction, and what there is where there is no entry
    "sum": ("sum[J](1[{c}] x[J,k])", np.sum, 0),
    "sum of products": ("sum[J](x[J,k] 1[{c}] x[J,k])", lambda a, axis: np.sum(a * a, axis), 0),
    "prod": ("prod[J](1[{c}] x[J,k] + 1[{o}])", np.prod, 1),
    "prod, turned": ("prod[J](1[{o}] + x[J,k] 1[{c}])", np.prod, 1),
    "max": ("max[J](x[J,k] + log(1[{c}]))", np.max, -np.inf),
    "min": ("min[J](x[J,k] - log(1[{c}]))", np.min, np.inf),
}


@pytest.mark.parametrize("comparison", [*UP, *DOWN])
@pytest.mark.parametrize("name", SCANS)
def test_running(name, comparison):
    text, reduce, start = SCANS[name]
    equation = f"y[i,k] = {text.format(c=comparison, o=OPPOSITE[comparison])} where |i| = |n.0|\nm[i] = n[i]"
    value = running(reduce, {**UP, **DOWN}[comparison], start)
    generator = np.random.default_rng(0)
    program = es.Program(equation)
    compiled = [program.compile(outputs=["y"], fast=False), program.compile(outputs=["y"], any_size=True)]
    for rows, size in ((LARGE, LARGE), (LARGE, LARGE + 9), (LARGE + 9, LARGE), (3, 5), (1, 1), (LARGE, 1), (2, 0)):
        x = generator.uniform(0.5, 1.5, (rows, 2))
        for each in compiled:
            found = each(x=x, n=np.zeros(size))["y"]
            np.testing.assert_allclose(found, value(x, size).reshape(size, 2), rtol=1e-12)
    kinds = {step.call for step in program.plan({"x.0": LARGE, "n.0": LARGE, "k": 2}, outputs=["y"]).steps}
    assert any(kind.startswith("running") for kind in kinds)
    small = program.plan({"x.0": 3, "n.0": 3, "k": 2}, outputs=["y"])
    assert not any(step.call.startswith("running") for step in small.steps)


J, I = np.arange(LARGE)[:, None], np.arange(LARGE)
BELOW = (J <= I).astype(float)
ALIKE = {  # what is no scan: the value for a vector x, a vector z and a matrix a
    "y[i] = sum[J](1[J <= i] a[i,J] x[J])": lambda x, z, a: (BELOW * a.T * x[:, None]).sum(0),
    "y[i] = sum[J](1[J != i] x[J]) where |i| = |x.0|": lambda x, z, a: ((J != I) * x[:, None]).sum(0),
    "y = sum[I,J](1[J <= I] x[J] z[I])": lambda x, z, a: (BELOW * x[:, None] * z).sum(),
    "y[i] = prod[J](1[J <= i] x[J] + 1[J >= i]) where |i| = |x.0|": lambda x, z, a: (
        BELOW * x[:, None] + (J >= I)
    ).prod(0),
    "y[i] = prod[J](1[J <= i] x[J] + 2 1[J > i]) where |i| = |x.0|": lambda x, z, a: (
        BELOW * x[:, None] + 2 * (J > I)
    ).prod(0),
    "y[i] = max[J](1[J <= i] x[J]) where |i| = |x.0|": lambda x, z, a: (BELOW * x[:, None]).max(0),
    "y[i] = sum[J,K](1[J <= i] x[J] x[K] a[J,K]) where |i| = |x.0|": lambda x, z, a: (
        BELOW * x[:, None] * (a @ x)[:, None]
    ).sum(0),
    "y[i,k] = sum[J](1[J <= i] x[J] z[k] x[J]) where |i| = |x.0|": lambda x, z, a: (
        (BELOW * x[:, None] ** 2).sum(0)[:, None] * z
    ),
}


@pytest.mark.parametrize("text", ALIKE)
def test_what_is_alike_has_its_own_value(text):
    generator = np.random.default_rng(1)
    shapes = {"x": (LARGE,), "z": (LARGE,), "a": (LARGE, LARGE)}
    arrays = {name: generator.normal(size=shape) for name, shape in shapes.items()}
    program = es.Program(text)
    found = program.compile(fast=False)({str(name): arrays[str(name)] for name in program.inputs})["y"]
    np.testing.assert_allclose(found, ALIKE[text](**arrays), rtol=1e-11, atol=1e-11)


# ---- gradients -------------------------------------------------------------------------------------------------------


def all_others(x, j):
    return np.prod(np.delete(x, j, axis=0), axis=0)


@pytest.mark.parametrize("zeros", [[], [2], [2, 5], [0], [0, 1], [8]])
@pytest.mark.parametrize("size", [9, LARGE])
@pytest.mark.parametrize(
    "options", [{"fast": False}, {"any_size": True}, {"fast": False, "reuse_buffers": True}], ids=str
)
def test_the_gradient_of_a_running_product_is_right_where_factors_are_zero(size, zeros, options):
    generator = np.random.default_rng(2)
    x, c = generator.uniform(0.8, 1.2, size), generator.normal(size=size)
    x[zeros] = 0
    network = es.Network("y[i] = prod[J](1[J <= i] x[J] + 1[J > i])\nL = c[I] y[I]", parameters={"x": "zeros"})
    loss, grads = network.value_and_grad("L").compile(**options)({"x": x}, c=c)
    expected = [sum(c[i] * all_others(x[: i + 1], j) for i in range(j, size)) for j in range(size)]
    np.testing.assert_allclose(loss, c @ np.cumprod(x), rtol=1e-12)
    np.testing.assert_allclose(grads["x"], expected, rtol=1e-11, atol=1e-14)


OTHERS = {
    "L = prod[I](x[I])": lambda x, c: np.array([all_others(x, j) for j in range(len(x))]),
    "L = prod[I](1 + x[I] c[I])": lambda x, c: np.array([c[j] * all_others(1 + x * c, j) for j in range(len(x))]),
    "p[i] = prod[J](x[i,J])\nL = c[I] p[I]": lambda x, c: np.array(
        [[c[i] * all_others(x[i], j) for j in range(x.shape[1])] for i in range(len(x))]
    ),
    "p[j] = prod[I](x[I,j])\nL = c[J] p[J]": lambda x, c: np.array(
        [[c[j] * all_others(x[:, j], i) for j in range(x.shape[1])] for i in range(len(x))]
    ),
    "L = prod[I,J](x[I,J])": lambda x, c: np.array([all_others(x.ravel(), k) for k in range(x.size)]).reshape(x.shape),
}


@pytest.mark.parametrize("text", OTHERS)
@pytest.mark.parametrize("zeros", [[], [3], [3, 4]])
def test_products_of_all_others(text, zeros):
    generator = np.random.default_rng(3)
    program = es.Program(text)
    rank = program.ranks["x"]
    x, c = generator.uniform(0.5, 2, (5,) * rank), generator.normal(size=5)
    x.flat[zeros] = 0
    given = {"x": x, "c": c} if "c" in program.ranks else {"x": x}
    expected = OTHERS[text](x, c)
    backward = program.backward("L", ["x"])
    for options in ({"fast": False}, {"any_size": True}):
        found = backward.compile(outputs=["dx"], **options)(given)["dx"]
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)
    step = 1e-6
    second = program.hessian("L", "x")(given).dense().reshape(x.size, x.size)
    for column in range(x.size):
        shift = np.zeros(x.size)
        shift[column] = step
        shift = shift.reshape(x.shape)
        difference = (OTHERS[text](x + shift, c) - OTHERS[text](x - shift, c)) / (2 * step)
        np.testing.assert_allclose(second[:, column], difference.ravel(), rtol=1e-7, atol=1e-7)


def test_the_entries_of_a_product_of_all_others_are_made_once():
    """Not one table of factors for every entry that is left out."""
    program = es.Program("L = prod[I](x[I])").backward("L", ["x"])
    plan = program.plan({"x.0": 1000}, outputs=["dx"])
    assert plan.flops < 10_000
    assert plan.largest_intermediate == 1000


def test_an_empty_product_of_all_others():
    program = es.Program("L = prod[I](x[I])").backward("L", ["x"]).compile(outputs=["dx"], fast=False)
    for size in (0, 1):
        assert program(x=np.full(size, 3.0))["dx"].tolist() == [1.0] * size


def test_a_product_with_two_deltas_leaves_out_the_entry_of_one():
    """Beside ``δ[i,n]`` the letters of the other delta are one."""
    program, w = es.Program("f[j,n] = prod[I](w[I,j] δ[n,I] c) + w[n,j]"), np.array([[0.5], [3.0]])
    found = program.partial("f", "w").compile(fast=False)(w=w, c=-1.5)["df/dw"]
    assert found.tolist() == [[[[1], [0]], [[0], [1]]]]  # the product of several is zero
    found = program.partial("f", "w").compile(fast=False)(w=w[:1], c=-1.5)["df/dw"]
    assert found.tolist() == [[[[1 - 1.5]]]]
