"""Ranges that are shorter than an axis: ``x[i+1] - x[i]`` runs as far as both reads are inside, and ``where`` may
state any range for which all are.  Values and gradients are those of NumPy, by every way to get them."""

import numpy as np
import pytest

import einstan as es
from einstan.language.errors import EinstanError
from einstan.machine.meaning.loops import evaluate

X = np.array([1.0, 2.0, 4.0, 7.0, 3.0])
Z = np.array([0.5, -1.0, 2.0, 1.0, 0.25])
D = np.diff(X)
S = np.sign(D)
A = np.arange(12.0).reshape(3, 4) ** 2


def transposed_diff(v):
    """What the transpose of ``np.diff`` makes of a vector."""
    return np.concatenate([[0.0], v]) - np.concatenate([v, [0.0]])


def padded(v, size):
    return np.concatenate([v, np.zeros(size - len(v))])


# program with the scalar L, arrays, L, and the gradient with respect to the first array
ROWS = {
    "two strides, a range that is stated": (
        "L = mean[T](x[2T] x[T+1]) where |T| = floor((|x.0| - 1)/2) + 1", {"x": X},
        (X[0] * X[1] + X[2] * X[2] + X[4] * X[3]) / 3, np.array([X[1], X[0], 2 * X[2], X[4], X[3]]) / 3,
    ),
    "two strides, a third of an axis": (
        "L = sum[T](x[2T] log(x[T+2])) where |T| = floor(|x.0|/3) + 1", {"x": X},
        X[0] * np.log(X[2]) + X[2] * np.log(X[3]),
        np.array([np.log(X[2]), 0, np.log(X[3]) + X[0] / X[2], X[2] / X[3], 0]),
    ),
    "differences": ("d[i] = x[i+1] - x[i]\nL = d[I]^2", {"x": X}, D @ D, transposed_diff(2 * D)),
    "the same, the other way round": ("d[i] = x[i] - x[i+1]\nL = d[I]^2", {"x": X}, D @ D, transposed_diff(2 * D)),
    "stated": ("d[i] = x[i+1] - x[i] where |i| = |x.0| - 1\nL = d[I]^2", {"x": X}, D @ D, transposed_diff(2 * D)),
    "fewer": (
        "d[i] = x[i+1] - x[i] where |i| = 2\nL = d[I]^2", {"x": X}, D[:2] @ D[:2],
        padded(transposed_diff(2 * D[:2]), 5),
    ),
    "total variation": ("L = sum[I](abs(x[I+1] - x[I]))", {"x": X}, np.abs(D).sum(), transposed_diff(S)),
    "squares under a sum": ("L = sum[I]((x[I+1] - x[I])^2)", {"x": X}, D @ D, transposed_diff(2 * D)),
    "second differences": (
        "d[i] = x[i] - 2 x[i+1] + x[i+2]\nL = d[I]^2", {"x": X}, np.diff(X, 2) @ np.diff(X, 2),
        transposed_diff(transposed_diff(2 * np.diff(X, 2))),
    ),
    "a lag of two": (
        "d[i] = x[i+2] - x[i]\nL = d[I]^2", {"x": X}, (X[2:] - X[:-2]) @ (X[2:] - X[:-2]),
        np.concatenate([[0, 0], 2 * (X[2:] - X[:-2])]) - np.concatenate([2 * (X[2:] - X[:-2]), [0, 0]]),
    ),
    "products of neighbours": ("L = sum[I](x[I] x[I+1])", {"x": X}, X[1:] @ X[:-1],
                               np.concatenate([[0], X[:-1]]) + np.concatenate([X[1:], [0]])),
    "weights": ("d[i] = x[i+1] - x[i]\nL = w[I] d[I]", {"x": X, "w": Z[:4]}, Z[:4] @ D, transposed_diff(Z[:4])),
    "weights beside": (
        "d[i] = w[i] (x[i+1] - x[i])\nL = d[I]", {"x": X, "w": Z[:4]}, Z[:4] @ D, transposed_diff(Z[:4]),
    ),
    "two signals": (
        "d[i] = (x[i+1] - x[i]) (z[i+1] - z[i])\nL = d[I]", {"x": X, "z": Z}, D @ np.diff(Z),
        transposed_diff(np.diff(Z)),
    ),
    "the beginning": ("y[i] = x[i]^2 where |i| = 3\nL = y[I]", {"x": X}, X[:3] @ X[:3], padded(2 * X[:3], 5)),
    "one entry": ("y[i] = x[i]^2 where |i| = 1\nL = y[I]", {"x": X}, X[0] ** 2, padded(2 * X[:1], 5)),
    "nothing": ("y[i] = x[i]^2 where |i| = 0\nL = y[I]", {"x": X}, 0.0, np.zeros(5)),
    "half": (
        "y[i] = x[i]^2 where |i| = floor(|x.0| / 2)\nL = y[I]", {"x": X}, X[:2] @ X[:2], padded(2 * X[:2], 5),
    ),
    "rows": (
        "D[i,j] = A[i+1,j] - A[i,j]\nL = D[I,J]^2", {"A": A}, (np.diff(A, axis=0) ** 2).sum(),
        np.apply_along_axis(lambda v: transposed_diff(2 * v), 0, np.diff(A, axis=0)),
    ),
    "two entries": ("d[i] = x[i+1] - x[i]\nL = d[I]^2", {"x": X[:2]}, 1.0, np.array([-2.0, 2.0])),
}  # fmt: skip


def numbers(tensor):
    return np.array(tensor.flat, float).reshape(tensor.shape)


def exported(program, outputs, arrays):
    space = {}
    exec(program.source(outputs=outputs), space)
    code = space["step"].__code__
    return space["step"](*[arrays[name] for name in code.co_varnames[: code.co_argcount]])


@pytest.mark.parametrize(("text", "arrays", "value", "gradient"), ROWS.values(), ids=ROWS)
def test_value_and_gradient_by_every_way(text, arrays, value, gradient):
    program, wrt = es.Program(text), next(iter(arrays))
    backward = program.backward("L", [wrt])
    name = f"d{wrt}"
    close = {"rtol": 1e-12, "atol": 1e-12}
    found = {
        "compiled": program.compile(outputs=["L"])(arrays)["L"],
        "any size": program.compile(outputs=["L"], any_size=True)(arrays)["L"],
        "exported": exported(program, ["L"], arrays)[0],
        "loops": numbers(evaluate(program, arrays)["L"]),
    }
    for way, one in found.items():
        np.testing.assert_allclose(one, value, **close, err_msg=way)
    whole = es.Program([*backward.whole])
    gradients = {
        "compiled": backward.compile(outputs=[name])(arrays)[name],
        "any size": backward.compile(outputs=[name], any_size=True)(arrays)[name],
        "exported": exported(backward, [name], arrays)[0],
        "loops": numbers(evaluate(whole, arrays)[name]),
        "printed": es.Program(str(backward.whole)).compile(outputs=[name])(arrays)[name],
        "derivative": program.derivative("L", wrt).dense(arrays),
        "network": es.Network(text, parameters={wrt: "zeros"}).value_and_grad("L").compile()(
            {wrt: arrays[wrt]}, **{k: v for k, v in arrays.items() if k != wrt}
        )[1][wrt],
    }  # fmt: skip
    for way, one in gradients.items():
        assert np.shape(one) == gradient.shape, way
        np.testing.assert_allclose(one, gradient, **close, err_msg=way)
    tangent = program.jvp("L", {wrt: "V"}).compile(outputs=["tL"])({**arrays, "V": gradient})["tL"]
    np.testing.assert_allclose(tangent, np.vdot(gradient, gradient), **close)


REFUSED = {
    "two arrays": ("y[i] = x[i] z[i]", {"x": X, "z": Z[:4]}),
    "two arrays under a stated range": ("y[i] = x[i] z[i] where |i| = 3", {"x": X, "z": Z[:4]}),
    "too long": ("y[i] = x[i] where |i| = 6", {"x": X}),
    "too long for the second read": ("d[i] = x[i+1] - x[i] where |i| = |x.0|", {"x": X}),
    "weights as long as the signal": ("d[i] = w[i] (x[i+1] - x[i])", {"x": X, "w": Z}),
    "fewer weights": ("d[i] = w[i] (x[i+1] - x[i])", {"x": X, "w": Z[:3]}),
    "two signals": ("d[i] = x[i+1] - x[i] + z[i+1] - z[i]", {"x": X, "z": Z[:4]}),
    "two that are read alike": ("d[i] = x[i+1] z[i+1]", {"x": X, "z": Z[:4]}),
    "before the beginning": ("y[i] = x[i-1] - 2 x[i] + x[i+1]", {"x": X}),
}


def test_each_sum_over_a_letter_has_an_extent_of_its_own():
    program = es.Program("s = sum[I](x[I+1] - x[I]) + sum[I](z[I+1] - z[I])")
    found = [
        program.compile()(x=X, z=Z[:4])["s"],
        program.compile(any_size=True)(x=X, z=Z[:4])["s"],
        numbers(evaluate(program, {"x": X, "z": Z[:4]})["s"]),
    ]
    np.testing.assert_allclose(found, [X[-1] - X[0] + Z[3] - Z[0]] * 3)


@pytest.mark.parametrize(
    "text", ["L = sum[I](a y[I+1] + x[I+2])", "L = a y[J+1] x[I+J] z[I]", "L = mean[T](a x[T+1] + x[2T])"]
)
def test_a_sum_as_long_as_the_shortest_is_derived_with_its_range_stated(text):
    program = es.Program(text)
    arrays = {"a": np.array(0.7), "x": X, "y": np.arange(9.0) ** 1.5, "z": Z[:2]}
    arrays = {name: arrays[name] for name in map(str, program.inputs)}
    for derive in (
        lambda: program.backward("L", ["a"]),
        lambda: program.partial("L", "a"),
        lambda: program.jvp("L", ["a"]),
        lambda: program.derivative("L", "a")(arrays),
    ):
        with pytest.raises(EinstanError, match="of which a derivative may keep one") as error:
            derive()
    stated = es.Program(error.value.repair[-1])  # which is shorter
    found = stated.backward("L", ["a"]).compile()(arrays)["da"]
    values = [stated.compile()({**arrays, "a": np.array(a)})["L"] for a in (0.0, 1.0)]
    np.testing.assert_allclose(found, values[1] - values[0])


@pytest.mark.parametrize(("text", "arrays"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_fit_is_refused_everywhere(text, arrays):
    program = es.Program(text)
    for run in (
        lambda: program.compile()(arrays),
        lambda: program.compile(any_size=True)(arrays),
        lambda: evaluate(program, arrays),
    ):
        with pytest.raises(EinstanError):
            run()
    with pytest.raises((EinstanError, ValueError)):
        exported(program, None, arrays)


def test_a_residual_beside_zero_padding_runs_over_the_whole_axis():
    """A bracket keeps the shifted read inside, so it tells nothing of the range."""
    assert es.parse("y[i] = x[i] + pad(x[i+1])")(x=X).tolist() == (X + np.append(X[1:], 0)).tolist()
