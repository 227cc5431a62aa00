"""What is compared is what was computed: the largest of entries that several factors, windows or portions make."""

import numpy as np
import pytest

import einstan as es
from einstan.calculus.compared import compared_once

WIDE = np.lib.stride_tricks.sliding_window_view


def softmax(u, axis):
    e = np.exp(u)
    return e / e.sum(axis, keepdims=True)


# a body in the notation, and in NumPy: of v (5, 7), b (11,) and w (7,)
BODIES = [
    ("v[i,K] b[i+K] w[K]", lambda v, b, w: v * WIDE(b, 7) * w),
    ("exp(v[i,K] b[i+K] w[K])", lambda v, b, w: np.exp(v * WIDE(b, 7) * w)),
    ("softmax[i](v[i,K] + b[i+K] w[K])", lambda v, b, w: softmax(v + WIDE(b, 7) * w, 0)),
    ("softmax[K](v[i,K] sin(b[i+K])) w[K]", lambda v, b, w: softmax(v * np.sin(WIDE(b, 7)), 1) * w),
    ("b[i+K] w[K] / (1 + sqrt(v[i,J]^2))", lambda v, b, w: WIDE(b, 7) * w / (1 + (v**2).sum(1, keepdims=True) ** 0.5)),
]


@pytest.mark.parametrize(("text", "body"), BODIES, ids=[text for text, _ in BODIES])
@pytest.mark.parametrize(("outer", "operation"), [("{}", "max"), ("1 + 3 {}", "min")])
def test_the_extreme_is_found_again(outer, text, body, operation):
    """Every partial of the extremes, behind a loss, of the program and alone, by imaginary steps."""
    line = f"U[i] = {outer.format(f'{operation}[K]({text})')} where |i| = 5, |K| = 7"
    program = es.Program(f"{line}\nL = cos(I) U[I]")
    generator = np.random.default_rng(7)
    given = {"v": generator.normal(size=(5, 7)), "b": generator.normal(size=11), "w": generator.normal(size=7)}
    gradients = program.backward("L").compile()(given)
    at = getattr(np, f"arg{operation}")(body(**given), 1)
    for name, array in given.items():
        steps = 1e-20j * np.eye(array.size).reshape(array.size, *array.shape)
        moved = [body(**{**given, name: array + step})[range(5), at].imag / 1e-20 for step in steps]
        scale = 1 if outer == "{}" else 3
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
