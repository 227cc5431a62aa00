"""Simplification: a row per identity, and both sides have the same value in the loops."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from random import Random

import pytest

from einstan.calculus.program import Program
from einstan.calculus.simplify import simplify
from einstan.language import Equation, parse, well_named
from einstan.machine.meaning.loops import Tensor, evaluate
from einstan.machine.meaning.numbers import EXACT

ROWS = [
    # as written, simplified
    ("y = 2 * x * 3", "y = 6 x"),
    ("y = x + 0 + x", "y = 2 x"),
    ("y = x - x", "y = 0"),
    ("y = 2 a b + b a", "y = 3 a b"),
    ("y = x (-1) (-1)", "y = x"),
    ("y = -(a - b)", "y = -a + b"),
    ("y = x x", "y = x^2"),
    ("y = x / x", "y = 1"),
    ("y = (a b)^2", "y = a^2 b^2"),
    ("y = (x^2)^3", "y = x^6"),
    ("y = 1 / (1 / x)", "y = x"),
    ("y = x^0", "y = 1"),
    ("y = sqrt(x) sqrt(x)", "y = x"),
    ("y = sqrt(x)^2", "y = x"),
    ("y = sqrt(x^2)", "y = sqrt(x^2)"),  # |x|, not x
    ("y = (x^2)^(1/2)", "y = sqrt(x^2)"),
    ("y = (x^4)^(1/2)", "y = sqrt(x^4)"),
    ("y = x^(3/2) / x", "y = sqrt(x)"),
    ("y = sqrt(4/9)", "y = 2/3"),
    ("y = sqrt(x)^3", "y = x^(3/2)"),
    ("y = sqrt(exp(x))", "y = exp(1/2 x)"),
    ("y = exp(0) + log(1)", "y = 1"),
    ("y = exp(log(x))", "y = x"),
    ("y = log(exp(x))", "y = x"),
    ("y = log(exp(x) a)", "y = x + log(a)"),
    ("y = log(exp(x)^2 / a)", "y = 2 x + log(1 / a)"),
    ("y = exp(a) / exp(b)", "y = exp(a - b)"),
    ("y = exp(a) exp(a)", "y = exp(2 a)"),
    ("y = exp(x)^(1/2)", "y = exp(1/2 x)"),
    ("y = sin(-x) + cos(-x)", "y = -sin(x) + cos(x)"),
    ("y = abs(-x) sign(-x)", "y = -x"),
    ("y = sign(-x) cos(-x)", "y = -sign(x) cos(x)"),
    ("y = abs(x)^2", "y = x^2"),
    ("y = abs(x)^3 sign(x)^2", "y = abs(x) x^2"),
    ("y = x sign(x)", "y = abs(x)"),
    ("y = x^2 sign(x)", "y = x abs(x)"),
    ("y = tanh(-a + b)", "y = -tanh(a - b)"),
    ("y = sigmoid(-x)", "y = sigmoid(-x)"),
    ("y = 1 / (1 + exp(-x))", "y = sigmoid(x)"),
    ("y = log(1 + exp(x))", "y = softplus(x)"),
    ("y = log(sigmoid(x))", "y = -softplus(-x)"),
    ("y = log(1 - sigmoid(x))", "y = -softplus(x)"),
    ("y = maximum(x, x)", "y = x"),
    ("y = relu(-2)", "y = 0"),
    ("y = 1[2 < 3] x", "y = x"),
    ("y = 1[relu(x) > 0] x", "y = 1[x > 0] x"),
    ("y = 1[relu(x) <= 2] x", "y = 1[x <= 2] x"),
    ("y = 1[1 < relu(x)] x", "y = 1[1 < x] x"),
    ("y = 1[relu(x) > -1] x", "y = 1[relu(x) > -1] x"),
    ("y = 1[relu(x) >= 0] x", "y = 1[relu(x) >= 0] x"),
    ("y = 1[x > x] a", "y = 0"),
    ("y = 1[x > 0] 1[x > 0]", "y = 1[x > 0]"),
    ("y = 1[x > 0]^3", "y = 1[x > 0]"),
    ("y[i] = 1[0 <= i < |i|] x[i]", "y[i] = x[i]"),
    ("y[i] = 1[i] x[i]", "y[i] = x[i]"),
    ("y[i] = sum[K](x[i] + 0 u[K])", "y[i] = x[i] |u.0|"),
    ("y = sum[K](x[K] y2) z", "y = x[K] y2 z"),
    ("y = x[K] x[K] + x[J]^2", "y = 2 x[K]^2"),
    ("y = sum[K](exp(x[K]))", "y = exp(logsumexp[K](x[K]))"),
    ("y = exp(c) sum[K](exp(x[K]))", "y = exp(c) exp(logsumexp[K](x[K]))"),
    ("y = logsumexp[K](x[K] + c)", "y = c + logsumexp[K](x[K])"),
    ("y[i] = mean[K](x[i] 1[K] + 0 u[K])", "y[i] = x[i]"),
    ("y[i] = sum[K](δ[i,K] x[K])", "y[i] = x[i]"),
    ("y[i] = x[i] + sum[K](δ[i,K] x[K])", "y[i] = 2 x[i]"),
    ("y[i] = sum[K](x[K] (1 - δ[i,K]) u[i])", "y[i] = x[K] u[i] - x[i] u[i]"),
]


def simplified(text: str) -> tuple[Equation, Equation]:
    equation = parse(text)
    return equation, Equation(equation.name, equation.indices, simplify(equation.rhs), equation.where)


@pytest.mark.parametrize(("text", "expected"), ROWS)
def test_identity(text: str, expected: str) -> None:
    equation, simple = simplified(text)
    named = well_named(simple)
    assert str(named).split(" where ")[0] == expected
    assert simplify(simple.rhs) is simple.rhs
    for seed in range(3):
        before, after = values(equation, seed), values(named, seed, equation)
        assert before.shape == after.shape
        for one, other in zip(before.flat, after.flat, strict=True):
            exact = isinstance(one, Fraction) and isinstance(other, Fraction)
            assert one == other if exact else abs(number(one) - number(other)) < Decimal("1e-40")


def number(value: Fraction | Decimal) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(value.numerator) / Decimal(value.denominator)


def values(equation: Equation, seed: int, source: Equation | None = None) -> Tensor:
    """At a random point: positive entries, so that everything has a value; ``source`` has the inputs."""
    random = Random(seed)
    ranks = Program([source or equation]).inputs
    size = 1 + seed
    given = {
        name: Tensor((size,) * rank, [Fraction(1 + random.randrange(9), 4) for _ in range(size**rank)])
        for name, rank in ranks.items()
    }
    own = Program([equation])
    if "u" in own.inputs and "u" not in given:
        given["u"] = Tensor((size,), [Fraction(1)] * size)
    return evaluate(equation, {name: t for name, t in given.items() if name in own.inputs}, numbers=EXACT)


def test_a_fractional_power_of_an_even_power_is_not_the_number() -> None:
    _, simple = simplified("y = (x^2)^(1/2)")
    assert evaluate(simple, {"x": -3}).tolist() == 3
