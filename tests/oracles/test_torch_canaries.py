"""What PyTorch does otherwise than one would think, and what of this library rests on it: where one of these fails,
PyTorch has changed, and something here can be simpler."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", exc_type=ImportError)
pytestmark = pytest.mark.filterwarnings(
    "ignore:.torch.jit:DeprecationWarning",
    "ignore:.*should not be instantiated:DeprecationWarning",
    "ignore:The .grad attribute:UserWarning",
)
x = torch.tensor([0.5, -1.0], dtype=torch.float64)


class Keeping(torch.autograd.Function):
    """tanh, whose value is kept for a derivative that has one."""

    @staticmethod
    def forward(t):
        value = torch.tanh(t)
        return value.clone(), value

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(*inputs, output[1])

    @staticmethod
    def backward(ctx, c, _):
        return Slope.apply(*ctx.saved_tensors, c)


class Slope(torch.autograd.Function):
    @staticmethod
    def forward(t, value, c):
        return c * (1 - value**2)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, e):
        _, value, c = ctx.saved_tensors
        return -2 * value * (1 - value**2) * c * e, None, (1 - value**2) * e


class Forward(torch.autograd.Function):
    @staticmethod
    def forward(t):
        return 2 * t

    @staticmethod
    def setup_context(ctx, inputs, output):
        return

    @staticmethod
    def backward(ctx, c):
        return 2 * c

    @staticmethod
    def jvp(ctx, t):
        return 2 * t


class Both(torch.autograd.Function):
    """A tensor that is given back and kept."""

    @staticmethod
    def forward(t):
        value = 2 * t
        return value, value

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.mark_non_differentiable(output[1])

    @staticmethod
    def backward(ctx, c, _):
        return 2 * c


def penalty(function, **options):
    """The gradient of a loss with a second derivative in it, the function compiled."""
    torch.compiler.reset()
    t = x.clone().requires_grad_()
    compiled = torch.compile(function, **options) if options else function
    value = compiled(t).sum()
    (slope,) = torch.autograd.grad(value, t, create_graph=True)
    return torch.autograd.grad(value + slope.square().sum(), t)[0]


def test_what_a_function_keeps_is_a_constant_to_the_compiler():
    """So nothing is kept there (`library.autograd`); the second derivative is wrong without a word."""
    wanted = penalty(torch.tanh)
    torch.testing.assert_close(penalty(lambda t: Keeping.apply(t)[0]), wanted)
    assert not torch.allclose(penalty(lambda t: Keeping.apply(t)[0], backend="eager"), wanted)

    def broken(t):
        found = Keeping.apply(t)[0]
        torch._dynamo.graph_break()
        return found * 1

    assert not torch.allclose(penalty(broken, backend="eager"), wanted)


def test_a_second_derivative_where_the_graph_breaks_is_wrong():
    """Of any function, without a word; ``torch.func`` inside, or ``trace_autograd_ops``, is right."""

    def whole(t):
        value = torch.tanh(t).sum()
        (slope,) = torch.autograd.grad(value, t, create_graph=True)
        return value + slope.square().sum()

    torch.compiler.reset()
    t = x.clone().requires_grad_()
    (found,) = torch.autograd.grad(torch.compile(whole, backend="aot_eager")(t), t)
    assert not torch.allclose(found, penalty(torch.tanh))
    with torch._dynamo.config.patch(trace_autograd_ops=True):
        torch.compiler.reset()
        (found,) = torch.autograd.grad(torch.compile(whole, backend="aot_eager", fullgraph=True)(t), t)
    torch.testing.assert_close(found, penalty(torch.tanh))


def test_the_compiler_takes_no_forward_rule():
    """So what it reads has none."""
    torch.compiler.reset()
    with pytest.raises(torch._dynamo.exc.Unsupported, match="custom `jvp`"):
        torch.compile(Forward.apply, backend="eager", fullgraph=True)(x.clone().requires_grad_())


def test_what_is_given_back_and_kept_loses_its_derivative():
    """So outputs that are kept are not returned twice."""
    assert not Both.apply(x.clone().requires_grad_())[0].requires_grad


def test_a_function_is_applied_without_a_look_at_its_defaults():
    class Doubled(Slope):
        @classmethod
        def apply(cls, *given):
            return super(torch.autograd.Function, cls).apply(*given)

    t, c = x.clone().requires_grad_(), torch.ones_like(x)
    assert torch.equal(Doubled.apply(t, torch.tanh(t), c), Slope.apply(t, torch.tanh(t), c))
    unwrapped, none = torch._functorch.utils.unwrap_dead_wrappers((t, None))
    assert unwrapped is t
    assert none is None


def test_batched_cotangents_take_few_operations():
    """So they are mapped over anew by ``torch.func``."""
    t = x.clone().requires_grad_()
    loss = t.square().sum().expand(2)
    torch.autograd.grad(loss, t, torch.eye(2, dtype=torch.float64), is_grads_batched=True)
    with pytest.raises(RuntimeError, match="aten::einsum"):
        torch._vmap_internals._vmap(lambda c: torch.einsum("i,i->", c, c), 0, 0)(torch.ones(2, 3))


def test_softplus_is_linear_above_20():
    """So it is a logaddexp."""
    t = torch.tensor(21.0, dtype=torch.float64)
    assert torch.nn.functional.softplus(t) == 21
    assert torch.logaddexp(t, torch.zeros_like(t)) > 21


REFUSED = {
    "a number in maximum": lambda: torch.maximum(x, 0.0),
    "a number compared": lambda: torch.gt(0.0, x),
    "a product of two dtypes": lambda: x @ x.float(),
    "negative strides": lambda: torch.as_tensor(np.ones(3)[::-1]),
    "memory under grad": lambda: torch.mul(x.clone().requires_grad_(), 2, out=torch.empty_like(x)),
    "memory under vmap": lambda: torch.vmap(lambda t: torch.mul(t, 2, out=torch.zeros((), dtype=t.dtype)))(x),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name):
    with pytest.raises((TypeError, RuntimeError, ValueError)):
        REFUSED[name]()


def test_what_is_taken_otherwise():
    assert torch.where(x > 0, 1.0, 2.0).dtype is torch.float32  # of two numbers, beside float64
    assert x[torch.tensor(-1)] == x[1]  # a label that is outside
