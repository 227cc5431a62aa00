"""A maximum that is recognised again: its entry is found on every route, however it was rounded; ties share equally."""

import re

import numpy as np
import pytest

import einstan as es


def at(chosen, values):
    """The entry of the values where what was chosen among is largest."""
    return values[np.argmax(chosen)]


# text, the tensor that it is differentiated by (a scalar), and the derivative by hand in x, s and a
ROWS = [
    ("L = max[I]((x[I] - s) (x[I] + s))", "s", lambda x, s, a: -2 * s),
    ("L = max[N](a x[N])", "a", lambda x, s, a: x.max()),
    ("L = max[I](a x[I] + a s)", "a", lambda x, s, a: x.max() + s),
    ("L = min[I](-x[I] + s - a x[I])", "a", lambda x, s, a: -x.max()),
    ("m = max[I](a x[I] + a s)\nL = m^2", "a", lambda x, s, a: 2 * a * (x.max() + s) ** 2),
    ("L = max[I](x[I] / s - a / s)", "s", lambda x, s, a: -(x.max() - a) / s**2),
    ("L = max[I]((x[I] - s)^2)^2", "s", lambda x, s, a: -4 * at(np.abs(x - s), x - s) ** 3),
    ("h[i] = max[R](a x[i+R] + a s) where |R| = 2\nL = sum[I](h[I]^2)", "a",
     lambda x, s, a: (2 * a * (np.maximum(x[1:], x[:-1]) + s) ** 2).sum()),
    ("L = max[I](minimum(a x[I] + a s, s x[I] - x[I] + 9))", "a", lambda x, s, a: x.max() + s),
    ("Z[i] = x[i] - s\nL = max[I](a Z[I] + a)", "a", lambda x, s, a: x.max() - s + 1),
    ("L = log(max[I](x[I] s + s a)) max[I](x[I] s + s a)", "s",
     lambda x, s, a: (np.log((x.max() + a) * s) + 1) * (x.max() + a)),
]  # fmt: skip


def routes(text, wrt, fast=False):
    """Every way to the derivative, or those whose loops are compiled, as a function of the arrays."""
    program = es.Program(text)
    backward = program.backward("L", [wrt])
    ways = {"backward": backward, "partial": program.partial("L", wrt), "vjp": program.vjp({"L": "c"}, wrt),
            "jvp": program.jvp("L", [wrt]),
            "parsed again": es.Program(f"{program}\n" + re.sub(r"\bd(?=[a-zA-Z]\b)", "G", str(backward)))}  # fmt: skip

    def called(compiled, arrays):
        given = {**arrays, "c": np.ones_like(arrays["s"]), f"t{wrt}": np.ones_like(arrays["s"])}
        return list(compiled({str(name): given[str(name)] for name in compiled.inputs}).values())[-1]

    for name in ("backward", "jvp") if fast else ways:
        compiled = ways[name].compile(fast=fast)
        yield name, lambda arrays, compiled=compiled: called(compiled, arrays)
    if fast:
        return
    derivative = program.derivative("L", wrt)
    inputs = set(map(str, program.inputs))
    yield "derivative", lambda arrays: derivative({name: a for name, a in arrays.items() if name in inputs})


@pytest.mark.parametrize("fast", [False, pytest.param(True, marks=pytest.mark.numba)])
@pytest.mark.parametrize(("text", "wrt", "by_hand"), ROWS, ids=[text for text, *_ in ROWS])
def test_the_largest_entry_is_found(text, wrt, by_hand, fast):
    generator = np.random.default_rng(0)
    points = [(generator.uniform(0.5, 2, 7), *generator.uniform(0.5, 2, 2)) for _ in range(10)]
    for route, value in routes(text, wrt, fast):
        for point in points:
            for dtype in (np.float64, np.float32):
                arrays = dict(zip("xsa", (np.asarray(v, dtype) for v in point), strict=True))
                expected = by_hand(*(v.astype(float) for v in arrays.values()))
                np.testing.assert_allclose(value(arrays), expected, rtol=1e-4, err_msg=route)


@pytest.mark.parametrize(("text", "wrt", "by_hand"), ROWS[::2], ids=[text for text, *_ in ROWS[::2]])
def test_it_is_found_in_the_second_derivative(text, wrt, by_hand):
    """A product of the Hessian and a direction, against differences of the derivative by hand."""
    program, h = es.Program(text), 1e-5
    product = program.hvp("L", {wrt: "v"}).compile(outputs=[f"td{wrt}"])
    generator = np.random.default_rng(0)
    for _ in range(3):
        point = {"x": generator.uniform(0.5, 2, 7), **dict(zip("sa", generator.uniform(0.5, 2, 2), strict=True))}
        above, below = (by_hand(**{**point, wrt: point[wrt] + step}) for step in (h, -h))
        given = {**{name: np.asarray(value) for name, value in point.items()}, "v": np.float64(1)}
        (found,) = product({str(name): given[str(name)] for name in product.inputs}).values()
        np.testing.assert_allclose(found, (above - below) / (2 * h), rtol=1e-6, atol=1e-6)


def test_ties_share_equally():
    program = es.Program("u[i] = a x[i] + a s\nL = max[I](u[I])")
    x = np.array([2.0, 1, 2, 2])
    for way in (program.backward("L", ["x"]), program.partial("L", "x")):
        compiled = way.compile()
        given = {"x": x, "a": np.array(0.7), "s": np.array(0.1)}
        found = list(compiled({str(name): given[str(name)] for name in compiled.inputs}).values())[-1]
        np.testing.assert_allclose(found, [0.7 / 3, 0, 0.7 / 3, 0.7 / 3])
