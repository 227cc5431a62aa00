"""Windows and gathers with loops that numba compiles: the same numbers as sums written out in NumPy."""

import numpy as np
import pytest

from einstan.calculus.backward import backward, joined
from einstan.calculus.program import Program
from einstan.language import parse
from einstan.machine.meaning.loops import evaluate
from einstan.machine.meaning.numbers import FLOATS
from einstan.machine.run.compile import compile

pytestmark = pytest.mark.numba

# An equation and the shapes of its tensors: overlaps with steps both ways, clipped at both ends, with many shifts,
# along two axes, beside axes that stay; poolings whose windows touch, overlap, and leave entries out.
EQUATIONS = [
    ("Y[p] = X[I] W[J] δ[2I+3J-2,p] where |p| = 9", {"X": (5,), "W": (3,)}),
    ("Y[p] = X[I] W[J] δ[p,4-I-J] where |p| = 5", {"X": (4,), "W": (3,)}),
    ("Y[p] = X[I] W[J] δ[I-2J,p] where |p| = 4", {"X": (7,), "W": (3,)}),
    ("Y[n,p] = X[n,I] W[J] δ[I+J,p] where |p| = 80", {"X": (2, 35), "W": (46,)}),
    ("Y[b,o,h,w] = pad(X[b,C,2h+I-1,w+2J-1]) W[o,C,I,J] where |h| = 3, |w| = 5",
     {"X": (2, 3, 6, 5), "W": (4, 3, 3, 2)}),
    ("Y[b,h,w,o] = X[b,h+I,w+J,C] W[I,J,C,o]", {"X": (2, 6, 5, 3), "W": (3, 2, 3, 4)}),
    ("Y[n,i] = max[R](X[n,2i+R]) where |R| = 2", {"X": (3, 7)}),
    ("Y[n,h,w] = max[I,J](X[n,2h+I,w+J]) where |I| = 3, |J| = 2", {"X": (2, 7, 5)}),
    ("Y[n,i] = mean[R](X[n,3i+R]) where |R| = 2", {"X": (3, 9)}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "shapes"), EQUATIONS, ids=[text for text, _ in EQUATIONS])
def test_forward_and_gradients_are_what_the_loops_say(text, shapes):
    generator = np.random.default_rng(0)
    dtype = np.float32 if len(shapes) > 1 else np.float64
    arrays = {name: generator.uniform(0.5, 1.5, shape).astype(dtype) for name, shape in shapes.items()}
    equation = parse(text)
    slots = ",".join(index.name.upper() for index in equation.indices)
    program = Program((equation, parse(f"total = Y[{slots}] Cot[{slots}]")))
    program = joined(program, backward(program, "total", list(shapes)))
    (shape,) = (array.shape for array in compile(equation)(arrays).values())
    arrays["Cot"] = generator.standard_normal(shape).astype(dtype)
    step = compile(program, fast=True)
    step(arrays)
    found = step(arrays)  # in memory that has been used
    meaning = evaluate(program, {name: array.astype(float) for name, array in arrays.items()}, numbers=FLOATS)
    close = {"rtol": 1e-12, "atol": 1e-13} if dtype == np.float64 else {"rtol": 1e-4, "atol": 1e-5}
    for name, tensor in meaning.items():
        expected = np.array(tensor.flat, float).reshape(tensor.shape)
        np.testing.assert_allclose(found[str(name)], expected, **close, err_msg=str(name))
        assert found[str(name)].dtype == dtype


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("width", [1, 3, 8, 15, 16, 200])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_gradient_of_an_embedding_adds_the_rows_of_equal_tokens(fast, width, dtype):
    generator = np.random.default_rng(0)
    T, C = generator.integers(0, 11, (40, 13)), generator.standard_normal((40, 13, width)).astype(dtype)
    program = Program((parse("H[n,t,d] = E[T[n,t],d]"), parse("total = C[N,T,D] H[N,T,D]")))
    step = compile(joined(program, backward(program, "total", ("E",))), ("H", "dE"), fast=fast)
    E = generator.standard_normal((12, width)).astype(dtype)
    step(T=T, C=C, E=E)
    found = step(T=T, C=C, E=E)["dE"]
    expected = np.array([C[token == T].astype(float).sum(axis=0) for token in range(12)])
    assert found.dtype == dtype
    tolerance = 1e-12 if dtype == np.float64 else 1e-4
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)
    assert not found[11].any()  # a row that no token names
    assert ("scatter_add(" in step.source().partition("def step")[2]) != fast
