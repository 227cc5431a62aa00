"""Contenders of bench_paths.py: one contraction, and one with the gradients of all its operands, in every way that one
writes it.

Each maker takes a `Contract` and gives a function of no arguments that returns the result, or the result and the
gradients of ``sum(cotangent * result)`` with respect to all operands in their order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import common
import numpy as np
from by_hand import Text

Call = Callable[[], Any]
FORWARD, GRADIENTS = "forward", "gradients"
OURS = "einstan"


class Contract:
    """A network as text, with its arrays and its cotangent: the same for all contenders."""

    def __init__(self, text: str, sizes: Mapping[str, int], dtype: str) -> None:
        self.text, self.sizes, self.dtype = text, sizes, dtype
        self.read = Text.read(text)
        rng = np.random.default_rng(0)
        shapes = self.read.shapes(sizes)
        self.arrays = {name: rng.standard_normal(shape).astype(dtype) for name, shape in shapes.items()}
        shape = tuple(sizes[index] for index in self.read.indices)
        self.cotangent = rng.standard_normal(shape).astype(dtype) if shape else np.ones((), dtype)
        self.operands = list(self.arrays.values())

    @property
    def spec(self) -> str:
        """The einsum string; raises where letters run out."""
        import opt_einsum

        names = dict.fromkeys(index for _, own in self.read.operands for index in own)
        if len(names) > 52:
            raise ValueError(f"{len(names)} indices, an einsum string has 52 letters")
        letter = {index: opt_einsum.get_symbol(number) for number, index in enumerate(names)}
        inputs = ",".join("".join(letter[index] for index in own) for _, own in self.read.operands)
        return f"{inputs}->{''.join(letter[index] for index in self.read.indices)}"

    def verified(self, name: str, found: Any, gradients: bool) -> float:
        """The largest error of what a contender gives."""
        exact = {key: array.astype(np.float64) for key, array in self.arrays.items()}
        wanted = [(self.read.output, self.read.value(exact))]
        if gradients:
            derived = self.read.gradients(exact, self.cotangent.astype(np.float64))
            wanted += [(f"d{key}", derived[key]) for key in self.arrays]
        tolerance = 1e-9 if self.dtype == "float64" else 1e-3
        largest = 0.0
        for (what, expected), each in zip(wanted, found if gradients else [found], strict=True):
            array = np.asarray(each)
            if array.dtype != self.dtype:
                raise common.WrongAnswerError(f"{name}: {what} is {array.dtype}, the data {self.dtype}")
            largest = max(largest, common.check(name, what, array, expected, tolerance))
        return largest


def programs(text: str, gradients: bool) -> tuple[Any, tuple[Any, ...]]:
    """The program of a network, with its derived gradients or without, and what it returns."""
    from einstan.calculus.backward import backward, joined
    from einstan.calculus.program import Program
    from einstan.language import parse

    read = Text.read(text)
    equations, loss = [parse(text)], read.output
    if not gradients:
        return Program(equations), (read.output,)
    if read.indices:
        slots = ",".join(index.capitalize() for index in read.indices)
        equations.append(parse(f"loss = cotangent[{slots}] {read.output}[{slots}]"))
        loss = "loss"
    names = tuple(name for name, _ in read.operands)
    program = Program(equations)
    return joined(program, backward(program, loss, names)), (read.output, *(f"d{name}" for name in names))


# ---- forward ---------------------------------------------------------------------------------------------------------


def einstan_forward(case: Contract) -> Call:
    from einstan.machine.run.compile import compile as compiled

    program, outputs = programs(case.text, False)
    step, arrays, output = compiled(program, outputs), case.arrays, case.read.output
    return lambda: step(**arrays)[output]


def opt_einsum_forward(case: Contract) -> Call:
    import opt_einsum

    expression, operands = opt_einsum.contract_expression(case.spec, *map(np.shape, case.operands)), case.operands
    return lambda: expression(*operands)


def numpy_forward(case: Contract) -> Call:
    if len(case.operands) > 9:
        raise ValueError(f"no optimal path is searched for {len(case.operands)} operands")
    spec, operands = case.spec, case.operands
    path = np.einsum_path(spec, *operands, optimize="optimal")[0]
    return lambda: np.einsum(spec, *operands, optimize=path)


# ---- forward and all gradients ---------------------------------------------------------------------------------------


def einstan_gradients(case: Contract) -> Call:
    from einstan.machine.run.compile import compile as compiled

    program, outputs = programs(case.text, True)
    step = compiled(program, outputs)
    arrays = case.arrays | ({"cotangent": case.cotangent} if case.read.indices else {})
    return lambda: list(step(**arrays).values())


def gradient_specs(case: Contract) -> list[tuple[str, list[Any]]]:
    """Each gradient as an einsum of its own: the cotangent in the place of the operand."""
    inputs, _, output = case.spec.partition("->")
    own = inputs.split(",")
    return [
        (
            f"{','.join([*own[:k], output, *own[k + 1 :]])}->{own[k]}",
            [*case.operands[:k], case.cotangent, *case.operands[k + 1 :]],
        )
        for k in range(len(own))
    ]


def opt_einsum_gradients(case: Contract, shared: bool) -> Call:
    import opt_einsum
    from opt_einsum import shared_intermediates

    pairs = [(case.spec, case.operands), *gradient_specs(case)]
    calls = []
    for spec, operands in pairs:
        expression = opt_einsum.contract_expression(spec, *map(np.shape, operands))
        steps = opt_einsum.contract_path(spec, *map(np.shape, operands), shapes=True)[1]
        if steps.opt_cost > MOST_FLOPS:
            raise ValueError(f"one gradient takes {float(steps.opt_cost):.0g} FLOPs on its path")
        calls.append((expression, operands))
    if not shared:
        return lambda: [expression(*operands) for expression, operands in calls]

    def step() -> list[Any]:
        with shared_intermediates():
            return [expression(*operands) for expression, operands in calls]

    return step


def torch_gradients(case: Contract) -> Call:
    torch = common.torch()
    spec, cotangent = case.spec, torch.from_numpy(case.cotangent)
    operands = [torch.from_numpy(array).requires_grad_() for array in case.operands]

    def step() -> list[Any]:
        out = torch.einsum(spec, *operands)
        return [out.detach(), *torch.autograd.grad(out, operands, cotangent)]

    return step


def jax_gradients(case: Contract) -> Call:
    jax = common.jax()
    jnp = jax.numpy
    spec, operands, cotangent = case.spec, [jnp.asarray(a) for a in case.operands], jnp.asarray(case.cotangent)

    @jax.jit
    def step(operands: list[Any], cotangent: Any) -> list[Any]:
        out, pull = jax.vjp(lambda *given: jnp.einsum(spec, *given, optimize="auto"), *operands)
        return [out, *pull(cotangent)]

    return lambda: jax.block_until_ready(step(operands, cotangent))


MOST_FLOPS = 2e9  # of one gradient on a path of its own
MAKERS: dict[str, Callable[[Contract], Call]] = {
    f"{FORWARD}: {OURS}": einstan_forward,
    f"{FORWARD}: opt_einsum.contract_expression": opt_einsum_forward,
    f"{FORWARD}: np.einsum, optimal path": numpy_forward,
    f"{GRADIENTS}: {OURS}": einstan_gradients,
    f"{GRADIENTS}: opt_einsum, a path each": lambda case: opt_einsum_gradients(case, False),
    f"{GRADIENTS}: opt_einsum, shared_intermediates": lambda case: opt_einsum_gradients(case, True),
    f"{GRADIENTS}: PyTorch": torch_gradients,
    f"{GRADIENTS}: JAX, jitted": jax_gradients,
}
FRAMEWORKS = {f"{GRADIENTS}: PyTorch": "torch", f"{GRADIENTS}: JAX, jitted": "jax"}


def available(quick: bool) -> list[str]:
    """The contenders that are installed; a quick run starts no framework."""
    return [
        name for name in MAKERS if name not in FRAMEWORKS or (not quick and common.installed(FRAMEWORKS[name]))
    ]  # fmt: skip


def make(name: str, request: Mapping[str, Any]) -> tuple[Call, float]:
    """A contender prepared for a case, and its error."""
    case = Contract(request["text"], request["sizes"], request["dtype"])
    call = MAKERS[name](case)
    return call, case.verified(name, call(), name.startswith(GRADIENTS))
