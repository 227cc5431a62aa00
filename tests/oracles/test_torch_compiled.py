"""Functions and modules of PyTorch under its compiler and its export, second derivatives inside, and in training."""

import copy
import sys
import types

import numpy as np
import pytest

import einstan as es
from einstan.language.errors import EinstanError

torch = pytest.importorskip("torch", exc_type=ImportError)
from tests.oracles.test_to_torch import NETWORK, SEVERAL, W, X, by_hand, close, total  # noqa: E402

pytestmark = pytest.mark.filterwarnings(  # of PyTorch about itself
    "ignore:.torch.jit:DeprecationWarning",
    "ignore:.*should not be instantiated:DeprecationWarning",
    "ignore:Dynamo:UserWarning",
    "ignore:The .grad attribute:UserWarning",
)
func, grad = torch.func, torch.autograd.grad
BACKENDS = pytest.mark.parametrize("backend", ["eager", "aot_eager"])
F = torch.nn.functional


@pytest.fixture(autouse=True)
def afresh():
    torch.compiler.reset()
    yield
    torch.compiler.reset()


def compiled(function, backend="aot_eager"):
    return torch.compile(function, backend=backend, fullgraph=True)


def penalised(function):
    """A loss with a second derivative in its gradient."""

    def made(x, w):
        loss = total(function)(x, w)
        (slope,) = grad(loss, w, create_graph=True)
        return loss + slope.square().sum()

    return made


def penalised_by_func(function):
    def made(x, w):
        slope, loss = func.grad_and_value(total(function), 1)(x, w)
        return loss + slope.square().sum()

    return made


@BACKENDS
def test_first_derivatives(backend):
    """Nothing is called before it is compiled; other shapes are compiled anew."""
    loss = compiled(total(SEVERAL.to_torch(["A", "L", "q"])), backend)
    for x in (X, X.detach().repeat(2, 1).requires_grad_()):
        close(grad(loss(x, W), (x, W)), grad(total(by_hand)(x, W), (x, W)))
    close(grad(loss(X.detach(), W), W), grad(total(by_hand)(X, W), W))


def test_one_code_for_any_size():
    function, counted = SEVERAL.to_torch(["A", "L", "q"], any_size=True), torch._dynamo.testing.CompileCounter()
    loss = torch.compile(total(function), backend=counted, fullgraph=True, dynamic=True)
    for rows in (1, 2, 3):
        x = X.detach().repeat(rows, 1).requires_grad_()
        close(grad(loss(x, W), (x, W)), grad(total(by_hand)(x, W), (x, W)))
    assert counted.frame_count == 1


@BACKENDS
def test_second_derivatives_inside(backend):
    outputs = ["A", "L", "q"]
    expected = grad(penalised(by_hand)(X, W), (X, W))
    close(grad(compiled(penalised_by_func(SEVERAL.to_torch(outputs)), backend)(X, W), (X, W)), expected)
    hessian = func.hessian(total(by_hand), 1)(X.detach(), W.detach())
    close(compiled(func.hessian(total(SEVERAL.to_torch(outputs)), 1), backend)(X.detach(), W.detach()), hessian)
    with torch._dynamo.config.patch(trace_autograd_ops=True):
        for double_backward in (True, False):  # the compiler differentiates what it has read
            function = SEVERAL.to_torch(outputs, double_backward=double_backward)
            close(grad(compiled(penalised(function), backend)(X, W), (X, W)), expected)


def test_second_derivatives_of_a_text():
    sys.modules["text"] = module = types.ModuleType("text")  # where the compiler looks for its classes
    exec(SEVERAL.source(target="torch", autograd=True), vars(module))
    with torch._dynamo.config.patch(trace_autograd_ops=True):
        found = grad(compiled(penalised(module.step))(X, W), (X, W))
    del sys.modules["text"]
    close(found, grad(penalised(by_hand)(X, W), (X, W)))


def test_second_derivatives_of_what_was_compiled():
    """The graph may break between the function and its derivative."""
    function, expected = SEVERAL.to_torch(["A", "L", "q"]), grad(penalised(by_hand)(X, W), (X, W))

    def broken(x, w):
        found = function(x, w)
        torch._dynamo.graph_break()
        return tuple(2 * each / 2 for each in found)

    for each in (compiled(function, "eager"), torch.compile(broken, backend="eager")):
        close(grad(penalised(each)(X, W), (X, W)), expected)
    with pytest.raises(RuntimeError, match="does not currently support double backward"):
        grad(penalised(compiled(function))(X, W), (X, W))


def test_what_is_given_to_the_compiler():
    scaled, x = es.parse("y[i] = a x[i]").to_torch(), X.detach()[0].requires_grad_()
    close(grad(compiled(lambda x: scaled(a=2, x=x).sum())(x), x), torch.full((3,), 2.0))
    gather = es.parse("y[n,d] = E[T[n],d]").to_torch()
    labels = torch.tensor([0, 2, 0])
    close(grad(compiled(lambda e: gather(E=e, T=labels).sum())(W), W), torch.tensor([[2.0, 2], [0, 0], [1, 1]]))
    x, w = (each.detach().float().requires_grad_() for each in (X, W))

    @compiled
    def lowered(x, w):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return SEVERAL_L(x, w)

    found = lowered(x, w)
    assert found.dtype is torch.bfloat16
    close(grad(found, (x, w)), grad(by_hand(X, W)[1], (X, W)), 0.03)


SEVERAL_L = SEVERAL.to_torch("L")


def test_what_is_refused_while_compiling():
    for function, given, told in (
        (SEVERAL.to_torch("L", wrt="W"), (X, W), "a derivative by X is asked for"),
        (SEVERAL_L, (X, W.detach().float()), "W has dtype float32, and X has float64"),
    ):
        with pytest.raises(Exception, match=told):
            compiled(lambda x, w, function=function: function(x, w))(*given)


# ---- modules ---------------------------------------------------------------------------------------------------------


def module(**options):
    params = NETWORK.init(0, X=(4, 3), Y=(4, 2), W1=(3, 5))
    return NETWORK.to_torch_module(params, **options), params


class ByHand(torch.nn.Module):
    """The same network."""

    def __init__(self, params):
        super().__init__()
        for name, array in params.items():
            self.register_parameter(name, torch.nn.Parameter(torch.tensor(array)))

    def forward(self, x, y):
        logits = F.relu(x @ self.W1 + self.b1) @ self.W2 + self.b2
        return F.cross_entropy(logits, y)


LABELS = torch.eye(2).double()[[0, 1, 1, 0]]


def train(model, step):
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.05)
    losses = []
    for _ in range(5):
        optimiser.zero_grad()
        loss = step(X.detach(), LABELS)
        loss.backward()
        optimiser.step()
        losses.append(loss.detach())
    return losses, dict(model.state_dict())


@pytest.mark.parametrize("backend", [None, "aot_eager", "inductor"])
def test_training_is_that_of_autograd(backend):
    made, params = module()
    expected = ByHand(params)
    step = made if backend is None else compiled(made, backend)
    close(train(made, step), train(expected, expected), 1e-7)


def test_a_module_is_one_of_torch():
    made, params = module()
    assert list(dict(made.named_parameters())) == list(params) == list(made.state_dict())
    assert made.inputs == ("X", "Y")
    again = copy.deepcopy(made)
    again.load_state_dict(made.state_dict())
    half = again.to(torch.float32)
    value = half(X.float().detach(), Y=LABELS.float())
    assert value.dtype is torch.float32
    close(value, made(X=X, Y=LABELS), 1e-5)
    assert half.to("meta").W1.is_meta
    assert "X, Y -> L" in repr(made)
    outputs = module(outputs=["S", "L"])[0](X, LABELS)
    close(outputs[0].sum(1), torch.ones(4))
    tied = torch.func.functional_call(made, {"b2": torch.zeros(2).double()}, (X, LABELS))
    close(tied, made(X, LABELS))


def test_export():
    made, _ = module(outputs="S")
    exported = torch.export.export(made, (X.detach(),))
    close(exported.module()(X.detach()), made(X))


def test_what_is_no_module_is_refused():
    params = NETWORK.init(0, X=(4, 3), Y=(4, 2), W1=(3, 5))
    taken = es.Network("y[i] = type[i] x[i]", parameters={"type": "ones"})
    for make, told in (
        (lambda: NETWORK.to_torch_module({**params, "W3": 1}), "W3"),
        (lambda: NETWORK.to_torch_module({"W1": params["W1"]}), "the parameter b1 is missing"),
        (lambda: taken.to_torch_module({"type": np.ones(2)}), "cannot call a parameter type"),
        (lambda: module()[0](X, LABELS, X), "3 tensors are given, and there are 2 inputs"),
    ):
        with pytest.raises(EinstanError) as refused:
            make()
        assert told in str(refused.value)
