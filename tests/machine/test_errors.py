"""What is refused at the call, word for word."""

import numpy as np
import pytest

from einstan.calculus.program import Program
from einstan.language import parse
from einstan.language.errors import DataError, EinstanError, ExtentError, ProgramError
from einstan.machine.compile import compile

DENSE = "Z[n,j] = X[n,K] W1[K,j] + b[j]"
X, W, B = np.ones((3, 4)), np.ones((4, 5)), np.ones(5)


def refusal(text, data, error=EinstanError, **options):
    with pytest.raises(error) as found:
        compile(parse(text), **options)(data)
    return str(found.value)


def test_a_missing_tensor_and_its_misspelling():
    assert refusal(DENSE, {"X": X, "W": W, "b": B}, DataError) == (
        "W1 is not given\n  Z[n,j] = X[n,K] W1[K,j] + b[j]\n  inferred: given: X, W, b\n  repair:   did you mean W?"
    )


def test_nothing_given():
    assert refusal("y[i] = 2 x[i]", {}, DataError) == (
        "x is not given\n  y[i] = 2 x[i]\n  inferred: nothing is given\n  repair:   give x=..."
    )


def test_an_unknown_tensor():
    assert refusal(DENSE, {"X": X, "W1": W, "b": B, "W2": W}, DataError) == (
        "W2 is not a tensor that the program reads\n  inferred: it reads X, W1, b\n  repair:   did you mean W1?"
    )


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.ones(3), "X has 1 axis (3,), but the equation reads 2"),
        (np.ones((3, 4, 1)), "X has 3 axes (3, 4, 1), but the equation reads 2"),
        (np.float64(1), "X is a scalar, but the equation reads 2 axes"),
    ],
)
def test_the_wrong_number_of_axes(array, message):
    assert refusal(DENSE, {"X": array, "W1": W, "b": B}, DataError) == (
        f"{message}\n  Z[n,j] = X[n,K] W1[K,j] + b[j]\n  repair:   give X 2 axes"
    )


def test_sizes_that_disagree():
    assert refusal(DENSE, {"X": X, "W1": np.ones((6, 5)), "b": B}, ExtentError) == (
        "K has two sizes: 4 from X.1 and 6 from W1.0\n"
        "  Z[n,j] = X[n,K] W1[K,j] + b[j]\n"
        "  repair:   give arrays of which these axes have one size"
    )


@pytest.mark.parametrize(
    ("array", "repair"),
    [
        (np.ones((3, 4), int), "give X.astype(float)"),
        (np.ones((3, 4), bool), "give X.astype(float)"),
        (np.ones((3, 4), object), "give X.astype(float)"),
        (np.full((3, 4), "a"), "give X.astype(float)"),
        (np.ones((3, 4), complex), "give X.real, or its real and imaginary parts as two tensors"),
    ],
)
def test_dtypes_that_are_not_floats(array, repair):
    assert refusal(DENSE, {"X": array, "W1": W, "b": B}, DataError) == (
        f"X has dtype {array.dtype}, but it must hold floating-point numbers\n"
        "  Z[n,j] = X[n,K] W1[K,j] + b[j]\n"
        f"  repair:   {repair}"
    )


def test_an_index_tensor_of_floats():
    assert refusal("y[n,d] = E[T[n],d]", {"E": X, "T": np.zeros(2)}, DataError) == (
        "T has dtype float64, but it must hold integers, because it stands in a slot\n"
        "  y[n,d] = E[T[n],d]\n"
        "  repair:   give T.astype(int)"
    )


@pytest.mark.parametrize("entry", [3, -1])
def test_a_gather_outside(entry):
    low, high = min(entry, 0), max(entry, 0)
    assert refusal("y[n,d] = E[T[n],d]", {"E": X, "T": np.array([0, entry])}, DataError) == (
        f"E[T[n],d] in y[n,d] = E[T[n],d] is read at {low} to {high}, but its size is 3\n"
        "  y[n,d] = E[T[n],d]\n"
        "  repair:   give positions from 0 to the size less one"
    )


def test_a_read_outside():
    assert refusal("y[i] = X[i] + X[i-1]", {"X": B}, ExtentError) == (
        "X[i-1] reads outside X: slot 0 is -1, but X.0 has size 5\n"
        "  y[i] = X[i] + X[i-1]\n"
        "  repair:   say that X is zero outside: 1[0 <= i - 1 < |X.0|] X[i-1]"
    )


def test_a_guard_that_does_not_reach():
    message = refusal("y[i] = X[i] + 1[1 <= i] X[i-2]", {"X": B}, ExtentError)
    assert message.startswith("X[i-2] reads outside X: slot 0 is -1, but X.0 has size 5")


@pytest.mark.parametrize(("operation", "what"), [("mean", "the mean"), ("max", "the largest"), ("min", "the smallest")])
def test_what_nothing_does_not_have(operation, what):
    assert refusal(f"y[i] = {operation}[J](A[i,J])", {"A": np.ones((2, 0))}, DataError) == (
        f"{what} over J has no value: there is nothing to take it of\n"
        f"  y[i] = {operation}[J](A[i,J])\n"
        "  inferred: an extent of J is 0\n"
        "  repair:   give arrays in which J has at least one value"
    )


def test_rows_of_different_lengths():
    message = refusal("y[i] = A[i,J]", {"A": [[1, 2], [3]]}, DataError)
    assert message.startswith("A is not an array: ")
    assert message.endswith("repair:   give nested lists with rows of one length")


def test_an_output_that_is_not_there():
    with pytest.raises(ProgramError) as found:
        compile(Program([parse("Loss = x[I]^2")]), ["Los"])
    assert str(found.value) == (
        "the program has no tensor Los\n  inferred: it defines Loss\n  repair:   did you mean Loss?"
    )


def test_a_dtype_that_is_not_a_float():
    with pytest.raises(DataError) as found:
        compile(parse("y[i] = x[i]"), dtype=int)
    assert str(found.value) == "dtype int64 is not a floating-point type\n  repair:   use float32 or float64"
