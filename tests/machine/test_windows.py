"""Links solved for sizes: windows, overlaps and masks, against the loops; what is chosen; what is not made twice."""

import numpy as np
import pytest

from einstan.calculus.backward import backward, joined
from einstan.calculus.program import Program
from einstan.language import parse
from einstan.language.errors import EinstanError
from einstan.machine.graph.flatten import flatten
from einstan.machine.meaning.loops import evaluate
from einstan.machine.meaning.numbers import FLOATS
from einstan.machine.passes.windows import solved
from einstan.machine.run.compile import compile
from einstan.machine.sizes.inference import infer

# An equation and the shapes of its tensors.  Each is evaluated, and so is the gradient for each of its tensors.
EQUATIONS = [
    # one axis: steps, dilations, zeros around
    ("Y[i] = X[i+R] W[R]", {"X": (9,), "W": (3,)}),
    ("Y[i] = X[2i+3R] W[R]", {"X": (16,), "W": (3,)}),
    ("Y[i] = pad(X[2i+3R-4]) W[R] where |i| = |X.0|", {"X": (7,), "W": (4,)}),
    ("Y[i] = pad(X[i-R]) W[R] where |i| = |X.0| + |W.0| - 1", {"X": (6,), "W": (3,)}),
    ("Y[i] = X[i-R+|R|-1] W[R]", {"X": (6,), "W": (3,)}),
    ("Y[i] = X[i+50R] W[R]", {"X": (120,), "W": (3,)}),
    ("Y[i] = X[i+R] W[R]", {"X": (60,), "W": (45,)}),
    # the transposes, written as such
    ("Y[p] = X[I] W[J] δ[2I+3J,p] where |p| = 2 |X.0| + 3 |W.0| - 4", {"X": (5,), "W": (3,)}),
    ("Y[p] = X[I] W[J] δ[2I+3J-2,p] where |p| = 9", {"X": (5,), "W": (3,)}),  # clipped at both ends
    ("Y[p] = X[I] W[J] δ[I-J,p] where |p| = 4", {"X": (5,), "W": (3,)}),
    ("Y[p] = X[I] W[J] δ[p,4-I-J] where |p| = 5", {"X": (4,), "W": (3,)}),
    ("Y[p] = X[I] W[J] δ[2p,I+J] where |p| = 3", {"X": (5,), "W": (4,)}),  # no unit coefficient of p
    ("Y[p] = X[I] pad(W[p-2I]) where |p| = 2 |X.0| + |W.0| - 2", {"X": (5,), "W": (3,)}),
    # batches, channels, two axes
    ("Y[b,o,h,w] = X[b,C,h+I,w+J] W[o,C,I,J]", {"X": (2, 3, 6, 5), "W": (4, 3, 3, 2)}),
    ("Y[b,h,w,o] = X[b,h+I,w+J,C] W[I,J,C,o]", {"X": (2, 6, 5, 3), "W": (3, 2, 3, 4)}),
    ("Y[b,o,h,w] = pad(X[b,C,2h+I-1,w+2J-1]) W[o,C,I,J] where |h| = 3, |w| = 5",
     {"X": (2, 3, 6, 5), "W": (4, 3, 3, 2)}),
    ("Y[b,o,p,q] = X[b,C,H,W] K[C,o,I,J] δ[2H+I,p] δ[3W+J-1,q] where |p| = 9, |q| = 10",
     {"X": (2, 3, 4, 3), "K": (3, 2, 3, 3)}),
    # links that share indices, and that no window of one tensor uses up
    ("Y[i,j] = X[i+j+R] W[R] where |i| = 3", {"X": (9,), "W": (3,)}),
    ("Y[i] = X[i+R,i-R+2] W[R]", {"X": (6, 6), "W": (3,)}),
    ("Y[p,q] = X[I] W[J] δ[I+J,p] δ[I-J,q] where |p| = 6, |q| = 3", {"X": (4,), "W": (3,)}),
    ("Y[i] = A[I] pad(B[I-J]) C[J] D[i]", {"A": (7,), "B": (3,), "C": (4,), "D": (2,)}),
    ("Y[i] = pad(A[i-J]) pad(B[i+J]) C[J] where |i| = 5", {"A": (4,), "B": (6,), "C": (3,)}),
    ("Y[q] = 1[0 <= q-K < 3] A[q,K] V[K]", {"A": (6, 6), "V": (6,)}),
    ("Y[q] = sum[K](1[0 <= q-K < 3] exp(A[q,K] V[K])) / V[q]", {"A": (4, 4), "V": (4,)}),
    ("Y[i] = A[I] B[J] C[K] δ[I+J,K] δ[I+2J,i] where |i| = 7", {"A": (4,), "B": (3,), "C": (5,)}),
    ("Y[p] = sum[I,J](X[I] δ[I+J,p] / W[J]) where |p| = 6", {"X": (4,), "W": (3,)}),
    ("Y[i] = sum[J](1[0 <= i-J < |W.0|] X[J] / W[i-J]) where |i| = 6", {"X": (4,), "W": (3,)}),
    # found by random trials: ranges of several links, squares, constants of equalities that are plain after all
    ("Y[i] = sum[K,R](pad(B[-2i+2K-1])^2 pad(A[i+R+1,K-2])^2) where |K| = 5, |R| = 3, |i| = 5",
     {"A": (5, 3), "B": (5,)}),
    ("Y[j] = sum[R,M,K](pad(B[-R-j+K-1])^2 pad(A[M+j+2R-2,-2M+K-1])) where |R| = 5, |M| = 4, |K| = 5, |j| = 2",
     {"A": (5, 1), "B": (4,)}),
    ("Y[j] = pad(A[-j,R]) δ[2R,j] where |j| = 4", {"A": (2, 1)}),
    ("Y[j] = sum[R](pad(A[R+j-1])^2 δ[-j+2R,R]) where |j| = 5, |R| = 1", {"A": (5,)}),
    ("Y[i,p] = A[i,p] pad(B[i-1,i+p])", {"A": (3, 4), "B": (4, 5)}),
    ("Y[j,i] = pad(A[3i,K]) δ[-2K+1,i] where |i| = 4, |j| = 2, |K| = 2", {"A": (2, 2)}),
    # where functions stand around reads
    ("Y[i] = exp(X[i+R]) W[R]", {"X": (7,), "W": (3,)}),
    ("Y[i] = sum[R](1[0 <= 2i+R-1 < |X.0|] tanh(X[2i+R-1] W[R])) where |i| = 4", {"X": (7,), "W": (3,)}),
    ("Y[i] = X[i] sum[R](pad(X[i+R-1]) W[R])", {"X": (7,), "W": (3,)}),
    # poolings: windows that touch, that overlap, that leave entries out
    ("Y[n,i] = max[R](X[n,2i+R]) where |R| = 2", {"X": (3, 7)}),
    ("Y[n,i] = max[R](X[n,2i+2R]) where |R| = 3", {"X": (3, 11)}),
    ("Y[n,i] = mean[R](X[n,3i+R]) where |R| = 2", {"X": (3, 9)}),
    ("Y[n,i] = mean[R](pad(X[n,2i+R-1])) where |R| = 3, |i| = 4", {"X": (3, 7)}),
    ("Y[n,h,w] = max[I,J](X[n,2h+I,w+J]) where |I| = 3, |J| = 2", {"X": (2, 7, 5)}),
]  # fmt: skip


def draw(shapes):
    generator = np.random.default_rng(0)
    return {name: generator.uniform(0.5, 1.5, shape) for name, shape in shapes.items()}


def with_gradients(text):
    equation = parse(text)
    slots = ",".join(index.name.upper() for index in equation.indices)
    program = Program((equation, parse(f"total = {equation.name}[{slots}] Cot[{slots}]")))
    return joined(program, backward(program, "total", [n for n in program.inputs if n != "Cot"]))


@pytest.mark.parametrize(("text", "shapes"), EQUATIONS, ids=[text for text, _ in EQUATIONS])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_forward_and_gradients_are_what_the_loops_say(text, shapes, dtype):
    arrays = {name: array.astype(dtype) for name, array in draw(shapes).items()}
    program = with_gradients(text)
    value = compile(parse(text))(arrays)
    (shape,) = (array.shape for array in value.values())
    arrays["Cot"] = np.random.default_rng(1).standard_normal(shape).astype(dtype)
    before = {name: array.copy() for name, array in arrays.items()}
    found = compile(program)(arrays)
    meaning = evaluate(program, {name: array.astype(float) for name, array in arrays.items()}, numbers=FLOATS)
    close = {"rtol": 1e-12, "atol": 1e-13} if dtype == np.float64 else {"rtol": 1e-4, "atol": 1e-5}
    for name, tensor in meaning.items():
        expected = np.array(tensor.flat, float).reshape(tensor.shape)
        np.testing.assert_allclose(found[str(name)], expected, **close, err_msg=str(name))
        assert found[str(name)].dtype == dtype
    assert all(np.array_equal(arrays[name], before[name]) for name in arrays), "an input was written to"


# ---- what is chosen --------------------------------------------------------------------------------------------------


def kinds(text, **shapes):
    program = Program((parse(text),))
    flat = solved(flatten(program), infer(program, shapes))
    return [operation.kind for operation in flat.graph.operations if operation.kind != "input"]


def test_sizes_decide_which_label_is_solved_for():
    text = "dX[b,c,p] = dY[b,O,P] W[O,c,R] δ[P+R,p] where |p| = |dY.2| + |W.2| - 1"
    few_in = kinds(text, dY=(8, 64, 100), W=(64, 2, 5))
    few_out = kinds(text, dY=(8, 2, 100), W=(2, 64, 5))
    assert "overlap" in few_in  # 2 channels are added up
    assert "overlap" not in few_out  # windows of 2 channels are read
    assert "read" in few_out


def test_an_equality_that_nothing_can_be_solved_for_is_a_mask():
    assert "map" in kinds("y = X[I] W[J] δ[2I,3J]", X=(7,), W=(5,))


def test_a_window_is_copied_once_for_all_its_uses():
    program = with_gradients("Y[b,o,h,w] = pad(X[b,C,h+I-1,w+J-1]) W[o,C,I,J] where |h| = |X.2|, |w| = |X.3|")
    flat = solved(flatten(program), infer(program, {"X": (4, 3, 9, 8), "W": (8, 3, 3, 3), "Cot": (4, 8, 9, 8)}))
    found = [operation.kind for operation in flat.graph.operations]
    assert found.count("copy") == 1


def test_what_would_not_fit_is_refused_before_it_is_allocated():
    with pytest.raises(EinstanError, match="would take"):
        compile(parse("Y[i] = X[i+R] W[R]"), memory_limit=20_000)(X=np.ones(2000), W=np.ones(100))


# ---- blocks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("Y[p] = X[p+R] W[R]", lambda p, r, k: p + r),
        ("Y[p] = X[3p+R] W[R]", lambda p, r, k: 3 * p + r),
        ("Y[p] = X[p-R+|R|-1] W[R]", lambda p, r, k: p - r + k - 1),
        ("Y[p] = pad(X[p+R-20]) W[R] where |p| = |X.0|", lambda p, r, k: p + r - 20),
        ("Y[p] = X[p+2R] W[R]", lambda p, r, k: p + 2 * r),  # not cut: the short index has no unit coefficient
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
@pytest.mark.parametrize("length", [6000, 6001])
def test_a_long_sum_over_a_short_window_is_cut_into_blocks(text, at, length):
    generator = np.random.default_rng(0)
    X, W = generator.standard_normal(length), generator.standard_normal(40)
    program = with_gradients(text)
    Y = compile(parse(text))(X=X, W=W)["Y"]
    C = generator.standard_normal(len(Y))
    positions = np.stack([at(np.arange(len(Y)), r, len(W)) for r in range(len(W))])
    inside = (positions >= 0) & (positions < length)
    window = np.where(inside, X[np.clip(positions, 0, length - 1)], 0)
    dX = np.zeros(length)
    np.add.at(dX, positions[inside], (W[:, None] * C)[inside])
    run = compile(program, ["Y", "dX", "dW"])
    found = run(X=X, W=W, Cot=C)
    for name, expected in (("Y", W @ window), ("dX", dX), ("dW", window @ C)):
        np.testing.assert_allclose(found[name], expected, rtol=1e-11, atol=1e-11, err_msg=name)
    assert ("reshape(-1)[:" in run.source()) == ("2R" not in text)
