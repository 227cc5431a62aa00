"""Programs as functions of PyTorch: their derivatives to any order, and whatever PyTorch does with functions."""

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest

import einstan as es
from einstan.language.errors import DataError, DifferentiationError, EinstanError
from einstan.layers import cross_entropy, dense, relu, softmax
from tests.layers.rows import ROWS
from tests.oracles.test_torch import by_torch

torch = pytest.importorskip("torch", exc_type=ImportError)
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning", "ignore:Dynamo:UserWarning")
func, grad = torch.func, torch.autograd.grad
SEVERAL = es.Program("A[n,j] = tanh(X[n,K] W[K,j])\nL = 1/|N| A[N,J]^2\nq[k] = X[N,k]")
JUMP = es.Program("y[n,j] = 1[c[n,j] > 0] exp(A[n,K] B[K,j])")
draw = np.random.default_rng(0).standard_normal
X, W = (torch.tensor(draw(shape), requires_grad=True) for shape in ((4, 3), (3, 2)))
NETWORK = es.Network(
    dense("H", X="X", W="W1", b="b1"), relu("A", Z="H"), dense("Z", X="A", W="W2", b="b2"),
    softmax("S", Z="Z"), cross_entropy("L", S="S", Y="Y"),
)  # fmt: skip


def leaves(tree):
    return torch.utils._pytree.tree_leaves(tree)


def close(found, expected, tolerance=1e-9):
    found, expected = leaves(found), leaves(expected)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance, check_dtype=False)


def by_hand(x, w):
    """What `SEVERAL` says, as a user of PyTorch writes it."""
    a = torch.tanh(x @ w)
    return a, (a**2).sum() / len(x), x.sum(0)


def total(function):
    def made(x, w):
        a, scalar, q = function(x, w)
        return torch.sum(a**2) * scalar + q.sum()

    return made


def tensors(row):
    return {name: torch.tensor(array, requires_grad=name in row.wrt) for name, array in row.arrays().items()}


# ---- layers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_layers_in_one_call(row):
    """Value and gradients of every layer are those of what a user of PyTorch writes."""
    layer, given = row.layer().to_torch(), tensors(row)
    wrt = [given[name] for name in row.wrt]
    cotangent = torch.tensor(row.cotangent())
    found, expected = layer(*[given[name] for name in layer.inputs]), by_torch(row, given)
    close(found, expected)
    close(grad(found, wrt, cotangent), grad(expected, wrt, cotangent, allow_unused=True, materialize_grads=True))


SMOOTH = ("softmax", "gelu", "layer_norm", "attention", "embedding", "correlation_1d")


@pytest.mark.parametrize("row", [row for row in ROWS if row.name in SMOOTH], ids=str)
def test_second_derivatives_of_layers(row):
    layer, given = row.layer().to_torch(), tensors(row)

    def of(*each):
        return layer({**given, **dict(zip(row.wrt, each, strict=True))})

    wrt = [given[name] for name in row.wrt]
    assert torch.autograd.gradcheck(of, wrt, check_forward_ad=True, check_batched_grad=True)
    assert torch.autograd.gradgradcheck(of, wrt)


# ---- orders ----------------------------------------------------------------------------------------------------------


def test_to_the_third_order():
    function, expected = total(SEVERAL.to_torch(["A", "L", "q"])), total(by_hand)
    found = []
    for each in (function, expected):
        first = grad(each(X, W), (X, W), create_graph=True)
        second = grad(sum((g**2).sum() for g in first), (X, W), create_graph=True)
        third = grad(sum((g**2).sum() for g in second), (X, W))
        found.append((first, second, third))
    close(*found)


def at(x, w):
    x, w = x.detach(), w.detach()
    stacked = torch.stack([w, 2 * w])
    return {
        "grad": lambda f: func.grad(f, (0, 1))(x, w),
        "vmap": lambda f: func.vmap(f, (None, 0))(x, stacked),
        "vmap of grad": lambda f: func.vmap(func.grad(f, 1), (None, 0))(x, stacked),
        "grad of vmap": lambda f: func.grad(lambda w: func.vmap(f, (None, 0))(x, w).sum())(stacked),
        "jacrev": lambda f: func.jacrev(f, 1)(x, w),
        "jacfwd": lambda f: func.jacfwd(f)(x, w),
        "jvp": lambda f: func.jvp(f, (x, w), (x, w)),
        "hessian": lambda f: func.hessian(f, (0, 1))(x, w),
        "reverse over reverse": lambda f: func.jacrev(func.jacrev(f, 1), (0, 1))(x, w),
        "forward over forward": lambda f: func.jacfwd(func.jacfwd(f, 1), (0, 1))(x, w),
        "reverse over forward": lambda f: func.jacrev(func.jacfwd(f, 1))(x, w),
        "third": lambda f: func.jacfwd(func.hessian(f, 1), 1)(x, w),
        "third in reverse": lambda f: func.grad(lambda w: func.hessian(f, 1)(x, w).square().sum())(w),
        "dual numbers": lambda f: dual(f, x, w),
        "checkpoint": lambda f: grad(torch.utils.checkpoint.checkpoint(f, X, W, use_reentrant=False), (X, W)),
        "batched cotangents": lambda f: grad(f(X, W).expand(2), (X, W), torch.eye(2).double(), is_grads_batched=True),
        "batched twice": lambda f: torch.autograd.functional.hessian(f, (x, w), vectorize=True),
    }


def dual(f, x, w):
    with torch.autograd.forward_ad.dual_level():
        found = f(torch.autograd.forward_ad.make_dual(x, x), w)
        return tuple(torch.autograd.forward_ad.unpack_dual(found))


@pytest.mark.parametrize("name", at(X, W))
def test_whatever_torch_does_with_functions(name):
    transform = at(X, W)[name]
    close(transform(total(SEVERAL.to_torch(["A", "L", "q"]))), transform(total(by_hand)))


def test_each_of_several_outputs_may_have_a_cotangent():
    outputs = SEVERAL.to_torch(["A", "L", "q"])(X, W)
    assert all(each.requires_grad for each in outputs)  # A is kept too
    for found, expected in zip(outputs, by_hand(X, W), strict=True):
        options = {"grad_outputs": torch.ones_like(found), "allow_unused": True, "retain_graph": True}
        close(grad(found, (X, W), **options), grad(expected, (X, W), **options))


def test_only_what_needs_a_gradient_gets_one():
    function = SEVERAL.to_torch("L")
    for x, w in ((X.detach(), W), (X, W.detach())):
        leaf = w if w.requires_grad else x
        close(grad(function(x, w), leaf), grad(by_hand(x, w)[1], leaf))
    assert not function(X.detach(), W.detach()).requires_grad
    with torch.no_grad():
        assert not function(X, W).requires_grad
    with torch.inference_mode():
        close(function(X, W), by_hand(X, W)[1])


ON_THE_WAY = {  # a line that contracts inside of it, and the products of matrices of a forward and a backward pass
    "relu(X[n,K] W[K,j] + b[j])": 1 + 2,
    "silu(X[n,K] W[K,j]) (X[n,K] V[K,j])": 2 + 4,
    "softmax[j](X[n,K] W[K,j]) b[j]": 1 + 2,
}


@pytest.mark.parametrize("rhs", ON_THE_WAY)
def test_no_product_is_computed_again(rhs):
    f = es.Program(f"Y[n,j] = {rhs}").to_torch("Y")
    shapes = {"X": (4, 3), "W": (3, 2), "V": (3, 2), "b": (2,)}
    given = {name: torch.ones(shapes[name], requires_grad=True) for name in f.inputs}
    grad(f(given).sum(), list(given.values()))
    with Products() as counted:
        grad(f(given).sum(), list(given.values()))
    assert counted.products == ON_THE_WAY[rhs]


class Products(torch.utils._python_dispatch.TorchDispatchMode):
    """How many products of matrices are computed."""

    products = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.products += function._schema.name in ("aten::mm", "aten::bmm", "aten::addmm")
        return function(*args, **(kwargs or {}))


def test_of_an_attention_nothing_is_kept_that_its_kernel_does_not_keep():
    program = es.Program("""
        P[b,h,t,u] = softmax[u](Q[b,h,t,E] K[b,h,u,E] / sqrt(|E|) + log(1[u <= t]))
        O[b,h,t,e] = P[b,h,t,U] V[b,h,U,e]
        L = O[B,H,T,E]^2""")
    given = {name: torch.tensor(draw((2, 3, 7, 4)), requires_grad=True) for name in "QKV"}
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda a: kept.append(a.shape) or a, lambda a: a):
        found = program.to_torch("L")(**given)
    assert (7, 7) not in [tuple(shape[-2:]) for shape in kept]
    attention = torch.nn.functional.scaled_dot_product_attention
    expected = attention(*given.values(), is_causal=True).square().sum()
    close(found, expected)
    close(grad(found, given.values()), grad(expected, given.values()))


def test_a_backward_pass_may_be_asked_in_every_way():
    function = SEVERAL.to_torch(["A", "L"])
    a, scalar, _ = by_hand(X, W)
    expected = grad(a.sum() * scalar, (X, W))
    A, L = function(X, W)
    for _ in range(2):
        close(grad(A.sum() * L, (X, W), retain_graph=True), expected)
        close(grad(A.sum() * L, W, retain_graph=True), expected[1:])
    close(grad(L, (X, W), retain_graph=True), grad(by_hand(X, W)[1], (X, W)))
    twice = grad(grad(A.sum() * L, W, create_graph=True)[0].sum(), (X, W))
    close(twice, grad(grad(total_of(X, W), W, create_graph=True)[0].sum(), (X, W)))
    x = X.detach().clone()
    A, L = function(x, W)
    x += 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        L.backward()


def test_what_a_plan_of_both_cannot_say_is_said_of_the_lines_or_done_otherwise():
    b = torch.tensor([1.5], requires_grad=True)
    found = es.Program("S = sum[P](w[P] b[P+1])\nL = sum[I](b[I])").to_torch("L", wrt="b")(w=b.detach()[:0], b=b)
    close(grad(found, b), [torch.ones(1)])
    with pytest.raises(DataError, match=r"V\[T\[N\]\] reads outside V: slot 0 is 5"):
        es.Program("L = sum[N](x[N] V[T[N]])").to_torch("L")(x=b, V=b.repeat(3), T=torch.tensor([5]))


def total_of(x, w):
    a, scalar, _ = by_hand(x, w)
    return a.sum() * scalar


@pytest.mark.parametrize("outputs", ["L", ["h", "L"]])
def test_an_output_that_is_kept_has_its_derivative(outputs):
    function = es.Program("h = exp(c)\nL = h").to_torch(outputs)
    alone: dict = {}
    exec(function.source(), alone)
    for each in (function, alone["step"]):
        c = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
        found = each(c) if outputs == "L" else sum(each(c))
        (first,) = torch.autograd.grad(found, c, create_graph=True)
        (second,) = torch.autograd.grad(first, c)
        for slope in (first, second):
            assert torch.allclose(slope, found)


def test_a_second_derivative_may_be_given_up():
    function = SEVERAL.to_torch("L", double_backward=False)
    close(grad(function(X, W), (X, W)), grad(by_hand(X, W)[1], (X, W)))
    x, w = X.detach(), W.detach()
    close(func.jacfwd(function, 1)(x, w), func.jacfwd(by_hand, 1)(x, w)[1])
    (once,) = grad(function(X, W), W, create_graph=True)
    assert once.requires_grad
    twice = {
        "backward": lambda: grad(once.sum(), X),
        "penalty": lambda: (function(X, W) + once.square().sum()).backward(),
        "hessian": lambda: func.hessian(function, 1)(x, w),
        "jacrev": lambda: func.jacrev(func.jacrev(function, 1), 1)(x, w),
        "forward": lambda: func.jacfwd(func.jacfwd(function, 1), 1)(x, w),
    }
    for name, each in twice.items():
        with pytest.raises(DifferentiationError, match="a second derivative is asked for") as refused:
            each()
        assert refused.value.repair[0] == "to_torch(..., double_backward=True)", name


def test_derivatives_that_nobody_announced_are_refused():
    function = SEVERAL.to_torch("L", wrt=["W"])
    close(grad(function(X, W), W), grad(by_hand(X, W)[1], W))
    for asked in (
        lambda: function(X, W).backward(),
        lambda: func.grad(function)(X.detach(), W.detach()),
        lambda: func.jvp(lambda x: function(x, W), (X,), (X,)),
    ):
        with pytest.raises(DifferentiationError, match="a derivative by X is asked for") as refused:
            asked()
        assert refused.value.repair == ("wrt=['W', 'X']", "or X.detach()")


def test_where_the_derived_rule_matters():
    """PyTorch differentiates the branch that is not taken, and multiplies infinity by zero."""
    program = es.Program("L = sum[N](1[x[N] > 0] log(x[N]))")
    x = torch.tensor([0.0, 1.0, -1.0, 2.0], requires_grad=True)
    assert grad(program.compile(backend="torch")(x=x)["L"], x)[0][0].isnan()
    close(grad(program.to_torch("L")(x), x), torch.tensor([0, 1, 0, 0.5]))
    with pytest.raises(EinstanError, match="x"):  # which is compared and not computed with
        es.Program("L = sum[N](1[x[N] > 0] y[N])").to_torch("L", wrt="x")(x, y=x.detach()).backward()


# What of a program a derivative reads only for its size, or keeps although it may be infinite, or does not read at all.
PARTS = {
    "padding": ("y[i] = pad(x[i-1]) where |i| = |x.0|\nL = sum[I](sin(y[I]))", {"x": (4,)}),
    "entries of what is infinite elsewhere": ("Z[l,k] = 1 / (W[l] - W[k])\nL = Z[1,3]^2 + Z[3,1]", {"W": (4,)}),
    "a scalar that is handed on": ("L2 = tanh(h[0])\nL = a - L2", {"h": (3,), "a": ()}),
    "an entry": ("U[i] = sum[K](b[i+K] v[K])\nL = sigmoid(U[0])", {"b": (5,), "v": (2,)}),
    "differences": ("z[i] = x[i+1] - x[i]\no[i] = z[i] - pad(z[i-1])\nL = sum[I](o[I]^3)", {"x": (5,)}),
    "a line that is not needed": ("h[i] = x[M] y[M,i]\nL = sum[J](min[N](y[N,J]) X[J]^2)", {"y": (2, 3), "X": (3,)}),
    "what cancels": ("H[i] = X[i] - x[i]\nL = sum[I]((H[I] + x[I])^3)", {"X": (3,), "x": (3,)}),
}


@pytest.mark.parametrize("name", PARTS)
def test_what_is_derived_from_parts(name):
    text, shapes = PARTS[name]
    program, data = es.Program(text), np.random.default_rng(1)
    given = {each: torch.tensor(data.standard_normal(shape), requires_grad=True) for each, shape in shapes.items()}
    function = program.to_torch("L")
    step = executed(function.source())
    for each in (function, step):
        arguments = [given[name] for name in function.inputs]
        assert torch.autograd.gradcheck(each, arguments)
        assert torch.autograd.gradgradcheck(each, arguments)


# ---- what is given ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_dtypes_of_few_bits(dtype):
    x, w = (each.detach().to(dtype).requires_grad_() for each in (X, W))
    value = SEVERAL.to_torch("L")(x, w)
    slopes = grad(value, (x, w), create_graph=True)
    (second,) = grad(sum(each.square().sum() for each in slopes), w)
    assert all(each.dtype is dtype for each in (value, *slopes, second))
    expected = grad(by_hand(X, W)[1], (X, W))
    close(slopes, expected, 0.03 if dtype is not torch.float32 else 1e-5)


def test_autocast():
    """Floats are those of autocast, or those that were asked for; gradients are those of the leaves."""
    x, w = (each.detach().float().requires_grad_() for each in (X, W))
    expected = grad(by_hand(X, W)[1], (X, W))
    for options, dtype in (({}, torch.bfloat16), ({"dtype": "float32"}, torch.float32)):
        function = SEVERAL.to_torch("L", **options)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            value = function(x.to(torch.bfloat16).requires_grad_(), w)
            assert value.dtype is dtype
            inside = grad(function(x, w), (x, w))
        outside = grad(torch.autocast("cpu", dtype=torch.bfloat16)(function)(x, w), (x, w))
        close(inside, outside, 0)
        assert all(each.dtype is torch.float32 for each in outside)
        close(outside, expected, 0.03)


def test_tensors_of_any_layout():
    function = SEVERAL.to_torch("L")
    x = X.detach().repeat(1, 2)[:, ::2].T.contiguous().T.requires_grad_()
    w = W.detach()[:, :1].clone().requires_grad_()
    assert not x.is_contiguous()
    close(grad(function(x, w.expand(3, 5)), (x, w)), grad(by_hand(x, w.expand(3, 5))[1], (x, w)))
    cotangent = torch.ones(()).double().expand(4, 2)
    close(grad(SEVERAL.to_torch("A")(X, W), W, cotangent), grad(by_hand(X, W)[0], W, cotangent))


def test_numbers_and_labels():
    scaled = es.parse("y[i] = a x[i]").to_torch()
    x = X.detach()[0].requires_grad_()
    close(grad(scaled(a=2, x=x).sum(), x), torch.full((3,), 2.0))
    gather = es.parse("y[n,d] = E[T[n],d]").to_torch()
    labels = torch.tensor([0, 2, 0])
    (found,) = grad(gather(E=W, T=labels).sum(), W, create_graph=True)
    close(found, torch.tensor([[2.0, 2], [0, 0], [1, 1]]))
    with pytest.raises(EinstanError, match=r"E\[T\[n\],d\] reads outside E"):
        gather(E=W, T=torch.tensor([3]))


def test_assumptions_are_checked():
    params = {
        name: torch.tensor(a, requires_grad=True) for name, a in NETWORK.init(0, X=(4, 3), Y=(4, 2), W1=(3, 5)).items()
    }
    loss, data = NETWORK.to_torch("L"), {"X": X.detach(), "Y": torch.eye(2).double()[[0, 1, 1, 0]]}
    loss(params, **data).backward()
    step = NETWORK.value_and_grad("L").compile(backend="torch")
    close({n: p.grad for n, p in params.items()}, step({n: p.detach() for n, p in params.items()}, **data)[1])
    with pytest.raises(DataError, match="assume"):
        loss(params, X=X, Y=2 * data["Y"])


# ---- as text ---------------------------------------------------------------------------------------------------------


def executed(text):
    """The function of a text that stands alone, which the linter takes."""
    assert "einstan" not in text
    subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--quiet", "--isolated", "-"], input=text, text=True, check=True
    )
    space = {}
    exec(text, space)
    return space["step"]


@pytest.mark.parametrize("row", [row for row in ROWS if not row.axes or row.name == "correlation_1d"], ids=str)
def test_sources_run_alone(row):
    layer, given = row.layer().to_torch(), tensors(row)
    text = layer.source()
    assert text == pickle.loads(pickle.dumps(layer)).source()
    if row.name in SMOOTH:
        step = executed(text)
        wrt, arrays = [given[name] for name in row.wrt], [given[name] for name in layer.inputs]
        cotangent = torch.tensor(row.cotangent())
        found = []
        for function in (step, layer):
            first = grad(function(*arrays), wrt, cotangent, create_graph=True)
            second = grad(sum(each.square().sum() for each in first), wrt, allow_unused=True, materialize_grads=True)
            found.append((first, second))
        close(*found)


def test_sources_of_several():
    step = executed(SEVERAL.source(target="torch", autograd=True))
    found, expected = step(X, W), by_hand(X, W)
    close(found, expected)
    (slope,), (wanted,) = (grad(total(f)(X, W), W, create_graph=True) for f in (step, by_hand))
    close(grad(slope.square().sum(), (X, W), create_graph=True), grad(wanted.square().sum(), (X, W)))
    with pytest.raises(RuntimeError, match="no derivative of this order was written"):
        grad(grad(slope.square().sum(), W, create_graph=True)[0].sum(), W)
    x, w = X.detach(), W.detach()
    close(func.jacrev(func.jacrev(total(step), 1), 1)(x, w), func.hessian(total(by_hand), 1)(x, w))
    once = executed(SEVERAL.source(target="torch", autograd=True, outputs="L", wrt="W", double_backward=False))
    close(grad(once(x, W), W), grad(by_hand(X, W)[1], W))
    with pytest.raises(RuntimeError, match="no derivative of this order was written"):
        grad(grad(once(x, W), W, create_graph=True)[0].sum(), W)
    with pytest.raises(ValueError, match="no derivative was written by X"):
        once(X, W)
    with pytest.raises(ValueError, match="has 1 entries along axis"):  # none is broadcast
        step(X, W[:1])
    with pytest.raises(ValueError, match="has dtype torch"):
        step(X.long(), W)
    assert SEVERAL.source(target="jax", autograd=True) == SEVERAL.to_jax(rule="vjp").source()
    assert "class " not in es.parse("y[i] = 2 i where |i| = 3").source(target="torch", autograd=True)


ODD = {
    "a target without derivatives": (lambda: SEVERAL.source(autograd=True), "target = 'numpy' has no derivatives"),
    "neither True nor False": (lambda: SEVERAL.to_torch(double_backward="no"), "double_backward = 'no'"),
    "an output that there is not": (lambda: SEVERAL.to_torch("Q"), "Q"),
    "no input": (lambda: SEVERAL.to_torch("L", wrt=["V"]), "V is no input of L"),
    "too many tensors": (lambda: SEVERAL.to_torch("L")(1, 2, 3), "3 arrays are given, and there are 2 inputs"),
    "too few": (lambda: SEVERAL.to_torch("L")(X), "W"),
    "one twice": (lambda: SEVERAL.to_torch("L")(X, X=X + 1), "X is given twice"),
    "two dtypes": (lambda: SEVERAL.to_torch("L")(X, W.float()), "W has dtype float32, and X has float64"),
    "an array of NumPy": (lambda: SEVERAL.to_torch("L")(X, W.detach().numpy()), "W is an array of NumPy"),
    "an option that there is not": (lambda: SEVERAL.to_torch("L", speed=1), "speed"),
    "two sizes": (  # told of the line that was written, whatever is kept of it
        lambda: SEVERAL.to_torch("L")(X, torch.ones(5, 2, dtype=X.dtype)),
        "  A[n,j] = tanh(X[n,K] W[K,j])",
    ),
    "a jump": (
        lambda: grad(JUMP.to_torch("y")(c=X, A=X.detach(), B=W.detach()).sum(), X),
        "  y[n,j] = 1[c[n,j] > 0] exp(A[n,K] B[K,j])",
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_what_does_not_fit_is_refused(name):
    make, told = ODD[name]
    with pytest.raises(EinstanError) as refused:
        make()
    assert told in str(refused.value)


def test_they_are_copied_and_pickled():
    function = SEVERAL.to_torch("L", wrt="W", double_backward=False)
    for again in (copy.deepcopy(function), pickle.loads(pickle.dumps(function))):
        assert (again.outputs, again.wrt, again.double_backward) == ("L", ("W",), False)
        close(again(X, W), function(X, W))


@pytest.mark.parametrize("wrong", ["y", [[1.0], [1.0, 2.0]], [None]])
def test_what_no_parameter_can_be_is_refused(wrong):
    network = es.Network("L = x[I]^2", parameters={"x": "zeros"})
    with pytest.raises(es.EinstanError, match=r"x = .* cannot be a tensor"):
        network.to_torch_module({"x": wrong})
