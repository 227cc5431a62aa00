"""What is refused at the call, word for word."""

import re
from typing import Any

import numpy as np
import pytest

import einstan as es
from einstan.calculus.program import Program
from einstan.language import parse
from einstan.language.errors import DataError, EinstanError, ExtentError, ProgramError
from einstan.machine.meaning.loops import evaluate
from einstan.machine.run.compile import compile

DENSE = "Z[n,j] = X[n,K] W1[K,j] + b[j]"
X, W, B = np.ones((3, 4)), np.ones((4, 5)), np.ones(5)


def refusal(text, data, error=EinstanError, **options):
    with pytest.raises(error) as found:
        compile(parse(text), **options)(data)
    return str(found.value)


def test_a_missing_tensor_and_its_misspelling():
    assert refusal(DENSE, {"X": X, "W": W, "b": B}, DataError) == (
        "W1 is not given\n"
        "  Z[n,j] = X[n,K] W1[K,j] + b[j]\n"
        "                  ^^^^^^^\n"
        "  inferred: given: X, W, b\n"
        "  repair:   give W1=...; did you mean W?"
    )


def test_nothing_given():
    assert refusal("y[i] = 2 x[i]", {}, DataError) == (
        "x is not given\n  y[i] = 2 x[i]\n           ^^^^\n  inferred: nothing is given\n  repair:   give x=..."
    )


def test_an_unknown_tensor():
    assert refusal(DENSE, {"X": X, "W1": W, "b": B, "W2": W}, DataError) == (
        "W2 is not a tensor that the program reads\n  inferred: it reads X, W1, b\n  repair:   did you mean W1?"
    )


def test_of_many_names_the_first_are_told():
    many = " ".join(f"a{k}" for k in range(20))
    told = "it reads a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11 and 8 more\n"
    data = dict.fromkeys([f"a{k}" for k in range(20)], 1.0)
    assert told in refusal(f"y = {many}", {**data, "q": 1.0}, DataError)


@pytest.mark.parametrize("number", ["9^9^9", "exp(800)", "log(0)"])
def test_a_number_beside_a_bracket_that_is_no_float(number):
    told = refusal(f"y[i] = 1[a[i] > 1] {number} a[i]", {"a": np.ones(2)}, DataError)
    assert told.startswith("a number that a bracket or a delta multiplies is no float\n"), told


def test_a_name_that_is_a_function_or_an_index():
    assert "σ * (x)" in refusal("P = σ(T^4 - S^4)", {"T": 2.0, "S": 1.0, "σ": 5.67e-8}, DataError)
    assert "abs(x)" in refusal(r"y = \lvert x \rvert + c", {"x": -1.0, "c": 1.0}, DataError)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.ones(3), "X has 1 axis (3,), but the equation reads 2 axes"),
        (np.ones((3, 4, 1)), "X has 3 axes (3, 4, 1), but the equation reads 2 axes"),
        (np.float64(1), "X is a scalar, but the equation reads 2 axes"),
    ],
)
def test_the_wrong_number_of_axes(array, message):
    assert refusal(DENSE, {"X": array, "W1": W, "b": B}, DataError) == (
        f"{message}\n"
        "  Z[n,j] = X[n,K] W1[K,j] + b[j]\n"
        "           ^^^^^^\n"
        "  inferred: X has 2 slots here\n"
        "  repair:   give X with 2 axes"
    )


def test_axes_where_the_equation_reads_a_scalar():
    assert refusal("y[i] = a x[i]", {"a": B, "x": B}, DataError) == (
        "a has 1 axis (5,), but the equation reads a scalar\n"
        "  y[i] = a x[i]\n"
        "         ^\n"
        "  inferred: a has no slots here\n"
        "  repair:   give a as a number"
    )


def test_sizes_that_disagree():
    assert refusal(DENSE, {"X": X, "W1": np.ones((6, 5)), "b": B}, ExtentError) == (
        "K has two sizes: 4 from X.1 and 6 from W1.0\n"
        "  Z[n,j] = X[n,K] W1[K,j] + b[j]\n"
        "                  ^^^^^^^\n"
        "  inferred: K runs over X.1 and W1.0\n"
        "  repair:   give arrays of which these axes have one size"
    )


@pytest.mark.parametrize(
    ("text", "arrays", "stated", "value"),
    [
        ("y[i] = S[i,i+1]", {}, "|i| = |S.1| - 1", [1, 5]),
        ("y[i] = S[i+1,i]", {}, "|i| = |S.0| - 1", [3, 7]),
        ("y[i] = S[i,2i]", {}, "|i| = floor((|S.1| - 1)/2) + 1", [0, 5]),
        ("y[i] = S[i,i+1] b[i]", {"b": np.ones(2)}, "|i| = |S.1| - 1", [1, 5]),
        ("y = S[I,I+1]", {}, "|I| = |S.1| - 1", 6),
        ("y = S[I,I+1] b[I]", {"b": np.ones(2)}, "|i| = |S.1| - 1", 6),
        ("y[i] = S[i,i-1]", {}, "|i| = |S.0| - 1", [3, 7]),
    ],
)
def test_a_diagonal_beside_the_first_is_refused_with_the_range_that_keeps_it_inside(text, arrays, stated, value):
    arrays = {"S": np.arange(9.0).reshape(3, 3), **arrays}
    with pytest.raises(ExtentError) as found:
        compile(parse(text))(arrays)
    repairs = [repair.partition(": ")[2] for repair in found.value.repair]
    (lines,) = [repair.splitlines() for repair in repairs if f" where {stated}" in repair]
    assert len(lines) == 1 + ("b" in arrays)
    assert compile(Program([*map(parse, lines)]))(arrays)["y"].tolist() == value


def test_no_range_is_offered_that_is_longer_than_what_an_index_fills():
    message = refusal("y[i] = S[i,i+1] b[i]", {"S": np.ones((3, 3)), "b": np.ones(1)}, ExtentError)
    assert message.endswith("repair:   give arrays of which these axes have one size")


def test_sizes_that_disagree_over_three_equations():
    with pytest.raises(ExtentError) as found:
        compile(Program([parse("a[i] = x[i]"), parse("b[i] = y[i]"), parse("c = a[I] b[I]")]))(x=B, y=np.ones(4))
    assert str(found.value) == (
        "i has two sizes: 5 from x.0 and 4 from y.0\n"
        "  b[i] = y[i]\n"
        "         ^^^^\n"
        "  inferred: x.0 and a.0 are one: a[i] = x[i]\n"
        "            a.0 and b.0 are one: c = a[I] b[I]\n"
        "            b.0 and y.0 are one: b[i] = y[i]\n"
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
        "           ^^^^^^\n"
        "  inferred: X stands in no slot: it is a tensor of real numbers\n"
        f"  repair:   {repair}"
    )


def test_an_index_tensor_of_floats():
    assert refusal("y[n,d] = E[T[n],d]", {"E": X, "T": np.zeros(2)}, DataError) == (
        "T has dtype float64, but it must hold integers, because it stands in a slot\n"
        "  y[n,d] = E[T[n],d]\n"
        "             ^^^^\n"
        "  inferred: its entries are positions in E\n"
        "  repair:   give T.astype(int)"
    )


@pytest.mark.parametrize("entry", [3, -1])
def test_a_gather_outside(entry):
    data = {"E": X, "T": np.array([0, entry])}
    message = (
        f"E[T[n],d] reads outside E: slot 0 is {entry}, but E.0 has size 3\n"
        "  y[n,d] = 2 E[T[n],d]\n"
        "             ^^^^^^^^^\n"
        f"  inferred: T[n] is {entry}, and E.0 has the positions 0 to 2\n"
        "  repair:   give T with positions that E has\n"
        "            say that E is zero outside: y[n,d] = 2 1[0 <= T[n] < |E.0|] E[T[n],d]"
    )
    assert refusal("y[n,d] = 2 E[T[n],d]", data, DataError) == message
    with pytest.raises(DataError) as found:
        evaluate(parse("y[n,d] = 2 E[T[n],d]"), data)
    assert str(found.value) == message
    compile(parse("y[n,d] = 2 1[0 <= T[n] < |E.0|] E[T[n],d]"))(data)  # what is proposed runs


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("y[n,d] = E[d,T[n]+1]", "E[d,T[n]+1] reads outside E: slot 1 is 10, but E.1 has size 4"),
        ("y[n,m] = E[U[m],T[n]]", "E[U[m],T[n]] reads outside E: slot 1 is 9, but E.1 has size 4"),
        ("y[n,d] = 1[T[n] > 0] E[d,T[n]]", "E[d,T[n]] reads outside E: slot 1 is 9, but E.1 has size 4"),
        ("y[n,d] = A[n,d] + E[d,V[T[n]]]", "V[T[n]] reads outside V: slot 0 is 9, but V.0 has size 2"),
    ],
)
def test_gathers_of_other_forms(text, first):
    data = {"E": X, "T": np.array([0, 9]), "U": np.array([0, 1]), "V": np.array([0, 1]), "A": np.ones((2, 3))}
    read = {name: array for name, array in data.items() if f"{name}[" in text}
    message = refusal(text, read, DataError)
    assert message.startswith(f"{first}\n  {text}\n")
    with pytest.raises(DataError) as found:
        evaluate(parse(text), read)
    assert str(found.value) == message


def test_positions_that_are_computed_and_not_whole():
    with pytest.raises(DataError) as found:
        compile(Program([parse("T[n] = U[n] / 2"), parse("y[n,d] = E[T[n],d]")]))(E=X, U=np.ones(2))
    assert str(found.value) == (
        "T[n] is 0.5, which is not a whole number\n"
        "  y[n,d] = E[T[n],d]\n"
        "             ^^^^\n"
        "  inferred: T[n] stands in a slot of E\n"
        "  repair:   index with a tensor of integers"
    )


def test_a_read_outside():
    assert refusal("y[i] = X[i] + X[i-1]", {"X": B}, ExtentError) == (
        "X[i-1] reads outside X: slot 0 is -1, but X.0 has size 5\n"
        "  y[i] = X[i] + X[i-1]\n"
        "                ^^^^^^\n"
        "  inferred: i - 1 is -1 where i = 0, and X.0 has the positions 0 to 4\n"
        "  repair:   say that X is zero outside: y[i] = X[i] + 1[0 <= i-1 < |X.0|] X[i-1]\n"
        "            begin where every read is inside: y[i] = X[i+1] + X[i]"
    )
    compile(parse("y[i] = X[i] + 1[0 <= i-1 < |X.0|] X[i-1]"))(X=B)


@pytest.mark.parametrize("text", ["l[i,j] = X[i-1,j] + X[i,j-1] - 2 X[i,j]", "d[i,j] = X[i-1,j-2] Y[i]"])
def test_each_repair_of_reads_outside_along_two_axes_is_read(text):
    arrays = {"X": np.ones((4, 5)), "Y": np.ones(4)}
    given = {name: array for name, array in arrays.items() if f"{name}[" in text}
    with pytest.raises(ExtentError) as caught:
        compile(parse(text))(**given)
    for repair in caught.value.repair:
        compile(parse(repair.partition(": ")[2]))(**given)


SEEN = np.arange(6.0) ** 2


@pytest.mark.parametrize(
    ("text", "other", "value"),
    [
        ("d[t] = x[t] - x[t-1]", "d[t] = x[t+1] - x[t]", np.diff(SEEN)),
        ("y[t] = x[t-K] h[K]", "y[t] = x[t+|K|-K-1] h[K]", np.convolve(SEEN, [1, 2, 3], "valid")),
        ("d[t] = x[t+1] - x[t-1]", "d[t] = x[t+2] - x[t]", SEEN[2:] - SEEN[:-2]),
        ("a = x[-1]", "a = x[|x.0|-1]", SEEN[-1]),
        ("a = x[0] - x[-2]", "a = x[0] - x[|x.0|-2]", SEEN[0] - SEEN[-2]),
        ("y[t] = 2 x[t] - h[t-1]", "y[t] = 2 x[t+1] - h[t] where |t| = |x.0| - 1", 2 * SEEN[1:] - SEEN[:-1]),
        ("y[t] = t x[t-1]", "", None),
        ("y[t] = x[2t-1]", "", None),
    ],
)
def test_what_begins_before_a_tensor_is_spelled_inside(text, other, value):
    arrays = {"x": SEEN, "h": np.array([1.0, 2.0, 3.0])} if "h[K]" in text else {"x": SEEN, "h": SEEN}
    program = Program([parse(text)])
    with pytest.raises(ExtentError) as caught:
        compile(program)({str(name): arrays[str(name)] for name in program.inputs})
    spelled = [repair.partition(": ")[2] for repair in caught.value.repair if not repair.startswith("say")]
    assert spelled == ([other] if other else [])
    if other:
        found = compile(parse(other))({str(name): arrays[str(name)] for name in program.inputs})
        assert np.array_equal(found[other[0]], value)


def test_a_guard_that_does_not_reach():
    message = refusal("y[i] = X[i] + 1[1 <= i] X[i-2]", {"X": B}, ExtentError)
    assert message.startswith("X[i-2] reads outside X: slot 0 is -1, but X.0 has size 5")


@pytest.mark.parametrize(("operation", "what"), [("mean", "the mean"), ("max", "the largest"), ("min", "the smallest")])
def test_what_nothing_does_not_have(operation, what):
    text, data = f"y[i] = 2 {operation}[J](A[i,J])", {"A": np.ones((2, 0))}
    message = (
        f"{what} over J has no value: there is nothing to take it of\n"
        f"  {text}\n"
        f"           {'^' * len(f'{operation}[J](A[i,J])')}\n"
        "  inferred: |J| = 0 from A.1\n"
        "  repair:   give arrays in which J has at least one value"
    )
    assert refusal(text, data, DataError) == message
    with pytest.raises(DataError) as found:
        evaluate(parse(text), data)
    assert str(found.value) == message


@pytest.mark.parametrize(
    ("text", "shape", "message"),
    [
        (
            "L = 1/|N| sum[N,C]((P[N,C] - 1)^2)",
            (0, 3),
            "L divides by |N|, which is 0\n"
            "  L = 1/|N| sum[N,C]((P[N,C] - 1)^2)\n"
            "        ^^^\n"
            "  inferred: |N| = 0 from P.0\n"
            "  repair:   give arrays in which N has at least one value",
        ),
        (
            "L = P[N,C]^2 / (|N| |C|)",
            (2, 0),
            "L divides by |N| |C|, which is 0\n"
            "  L = P[N,C]^2 / (|N| |C|)\n"
            "                  ^^^^^^^\n"
            "  inferred: |N| = 2 from P.0, |C| = 0 from P.1\n"
            "  repair:   give arrays in which C has at least one value",
        ),
        (
            "v[c] = P[N,c]^2 / (|N| - 1)",
            (1, 3),
            "v divides by |N| - 1, which is 0\n"
            "  v[c] = P[N,c]^2 / (|N| - 1)\n"
            "                     ^^^^^^^\n"
            "  inferred: |N| = 1 from P.0\n"
            "  repair:   give arrays in which |N| - 1 is not 0",
        ),
    ],
)
def test_a_division_by_no_values(text, shape, message):
    assert refusal(text, {"P": np.ones(shape)}, DataError) == message


@pytest.mark.parametrize(
    ("text", "shape", "expected"),
    [
        ("L = P[N,C]^2", (0, 3), 0.0),  # a sum of nothing
        ("L = P[N,C]^2 / (1 + |N|)", (0, 3), 0.0),
        ("L = P[N,C]^2 / |C|", (0, 3), 0.0),  # the empty axis is another
        ("y[n] = P[n,C] / |n|", (0, 3), []),  # nothing is divided
        ("y[n] = P[n,C] / |C|", (0, 0), []),
        ("v[c] = P[N,c]", (0, 3), [0.0, 0.0, 0.0]),
        ("S[n,c] = softmax[c](P[n,c])", (0, 3), np.zeros((0, 3))),
    ],
)
def test_empty_axes_that_nothing_divides_by(text, shape, expected):
    (found,) = compile(parse(text))(P=np.ones(shape)).values()
    assert np.array_equal(found, expected)


# programs that are run by lines that nobody wrote: what is refused is shown in those that somebody did
RUN_OTHERWISE = {
    "y[n] = sum[K](1[M[n,K] > 0] X[n,K]) / c[n]": {"M": (3, 4), "X": (3, 4), "c": (3,)},
    "E[q,k] = M[q,k] exp(Z[q,k])\nA[q,k] = E[q,k] / sum[J](E[q,J])\nL = A[Q,K] V[Q,K]": {
        "Z": (3, 4), "M": (3, 4), "V": (3, 4)},
    "p[n] = sigmoid(X[n,K] w[K] + X[n,K]^2 w[K])\nL = (y[N] - p[N])^2 + sum[N](log(1 - p[N]))": {
        "X": (3, 4), "w": (4,), "y": (3,)},
    "m = max[I](x[I] y[I])\nL = m^2": {"x": (3,), "y": (3,)},
    "L = logsumexp[K](A[K,J] x[J]) + max[K](A[K,J] x[J])": {"A": (3, 4), "x": (4,)},
    "v[n] = E[T[n],K] w[K]\nu[n] = 1[b[n] > 0] v[n]\nL = sum[N](1[b[N] > 0] exp(u[N])) / sum[N](u[N]^2)": {
        "E": (5, 4), "w": (4,), "T": (3,), "b": (3,)},
}  # fmt: skip


@pytest.mark.parametrize("text", RUN_OTHERWISE)
def test_what_is_refused_is_shown_as_it_was_written(text):
    shapes = RUN_OTHERWISE[text]
    program = es.Program(text)
    good = {n: np.zeros(shape, int) if n == "T" else np.full(shape, 0.5) for n, shape in shapes.items()}
    wrong = [{n: array for n, array in good.items() if n != left_out} for left_out in good]
    for name, shape in shapes.items():
        others = [
            shape[:-1],
            (*shape, 2),
            *((*shape[:k], n, *shape[k + 1 :]) for k in range(len(shape)) for n in (0, 7)),
        ]
        wrong += [{**good, name: np.zeros(other, good[name].dtype)} for other in others]
        wrong.append({**good, name: np.full(shape, 99)})
    wrong += [{n: array[:0] for n, array in good.items()}, {n: array[..., :0] for n, array in good.items()}]
    last = list(program.defined)[-1]
    made = [program.compile(), program.compile(any_size=True)]
    if last == "L":
        made += [program.hessian("L", next(iter(shapes))), program.backward("L", [next(iter(shapes))]).compile()]
    refused = []
    for run in made:
        for data in wrong:
            with np.errstate(all="ignore"):
                try:
                    run(data)
                except EinstanError as error:
                    refused.append(error)
    names = {name for error in refused for name in re.findall(r"[^\W\d_A-Z]+\d+", str(error))}
    assert names <= {"float64", "int64", "dp2"}  # what is left for dp beside a logarithm that is taken early
    assert len(refused) > len(made) * len(shapes) * 2


def test_rows_of_different_lengths():
    message = refusal("y[i] = A[i,J]", {"A": [[1, 2], [3]]}, DataError)
    assert message == (
        "A is not an array: its rows have different lengths\n"
        "  y[i] = A[i,J]\n"
        "         ^^^^^^\n"
        "  inferred: A has 2 axes\n"
        "  repair:   give nested lists with rows of one length"
    )
    with pytest.raises(DataError) as found:
        evaluate(parse("y[i] = A[i,J]"), {"A": [[1, 2], [3]]})
    assert str(found.value) == message


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


@pytest.mark.parametrize("fast", [False, pytest.param(True, marks=pytest.mark.numba)])
@pytest.mark.parametrize(
    "text",
    [
        "Y[i] = 1e39 x[i]",
        "Y[i] = x[i] + 1e39",
        "Y[i] = x[i] / 1e-39",
        "Y[i] = exp(-1e39 x[i])",
        "Y[i] = 1[x[i] < 1e39]",
        "Y[i] = maximum(x[i], -1e39)",
        "L = 1e39 sum[I](x[I])",
    ],
)
def test_a_number_beyond_the_floats_of_the_arrays(text, fast):
    """It would be infinite, with a warning of NumPy's or without one; float64 holds it."""
    step = compile(parse(text), fast=fast)
    with pytest.raises(DataError, match="is beyond float32"):
        step(x=np.ones(3, np.float32))
    (value,) = step(x=np.ones(3)).values()
    assert np.isfinite(value).all()


@pytest.mark.parametrize("dtype", [np.int64, np.int8, bool])
def test_labels_that_are_only_compared_may_be_whole_numbers(dtype: type) -> None:
    step = compile(parse("L = -sum[N](log(sum[C](1[y[N] == C] S[N,C])))"))
    S = np.array([[0.25, 0.75], [0.5, 0.5]])
    np.testing.assert_allclose(step(y=np.array([1, 0], dtype), S=S)["L"], -np.log(0.75 * 0.5))


def test_sizes_stand_in_the_call_of_an_equation_and_in_compile():
    equation = es.parse("y[i] = x[mod(i, 3)]")
    assert equation(x=np.arange(3.0), sizes={"i": 5}).tolist() == [0, 1, 2, 0, 1]
    assert es.parse("y[i] = sizes[i]")(sizes=np.arange(2.0)).tolist() == [0, 1]
    with pytest.raises(DataError, match=r"compile\(sizes="):
        compile(equation)(x=np.arange(3.0), sizes={"i": 5})


@pytest.mark.parametrize("dtype", [None, "float32"])
@pytest.mark.parametrize(
    "values",
    [[2**53 + 1, 2**53], np.array([3, 2**63 - 1]), np.array([2**64 - 1, 0], np.uint64), np.array([-(2**53) - 1, 0])],
)
def test_whole_numbers_that_no_float_has_are_not_compared_as_others(values: Any, dtype: Any) -> None:
    compiled = es.parse("y[i] = 1[a[i] > b[i]] x[i]").compile(dtype=dtype)
    with pytest.raises(EinstanError, match="and would be compared as"):
        compiled(a=values, b=np.array([2, 2]), x=np.ones(2))


@pytest.mark.parametrize("values", [[3, 2], np.array([2**53, 2**62]), np.array([2**63, 1], np.uint64), [True, False]])
def test_whole_numbers_are_compared_by_exported_code_too(values: Any) -> None:
    given = {"a": values, "b": np.array([2, 1]), "x": np.ones(2)}
    expected = (np.asarray(values) > given["b"]).astype(float)
    program = es.Program("y[i] = 1[a[i] > b[i]] x[i]")
    assert program.compile()(given)["y"].tolist() == expected.tolist()
    space: dict[str, Any] = {}
    exec(program.source(), space)
    assert space["step"](np.asarray(values), given["b"], given["x"])[0].tolist() == expected.tolist()
