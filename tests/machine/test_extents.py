"""Extents from shapes, from names, and from index arithmetic."""

import numpy as np
import pytest

import einstan as es
from einstan.calculus.program import Program
from einstan.language import parse
from einstan.language.errors import EinstanError, ExtentError
from einstan.machine.sizes.inference import infer


def extents(texts, shapes=None, sizes=None, **options):
    program = Program([parse(text) for text in texts.split(";")])
    found = infer(program, shapes or {}, sizes, **options)
    return {index.name: found.of(e, index) for e in program.equations for index in e.indices}


@pytest.mark.parametrize(
    ("text", "shapes", "expected"),
    [
        ("Z[n,j] = X[n,K] W[K,j]", {"X": (3, 4), "W": (4, 5)}, {"n": 3, "j": 5}),
        ("y[i] = X[i+J] W[J]", {"X": (9,), "W": (3,)}, {"i": 7}),
        ("y[i] = X[2i+R] W[R]", {"X": (9,), "W": (3,)}, {"i": 4}),
        ("y[i] = X[2i+R] W[R]", {"X": (8,), "W": (3,)}, {"i": 3}),
        ("y[i] = X[i+2R] W[R]", {"X": (9,), "W": (3,)}, {"i": 5}),
        ("y[i] = X[3i+2]", {"X": (9,)}, {"i": 3}),
        ("y[i] = X[i+1] + Z[i+3]", {"X": (9,), "Z": (9,)}, {"i": 6}),  # the smallest over all reads
        ("y[i] = X[|i|-1-i]", {"X": (9,)}, {"i": 9}),
        ("y[i] = X[i+J] W[J]", {"X": (3,), "W": (3,)}, {"i": 1}),
        ("y[i] = X[i+J] W[J]", {"X": (3,), "W": (0,)}, {"i": 4}),
        ("y[i] = X[i+J] W[J]", {"X": (0,), "W": (1,)}, {"i": 0}),
        ("y[i] = X[i+R]; z[j] = y[j+S] w[S]".replace("X[i+R]", "X[i+R] v[R]"),
         {"X": (9,), "v": (3,), "w": (2,)}, {"i": 7, "j": 6}),
        ("y[p] = 1[0 <= p-I < |w.0|] w[p-I] X[I] where |p| = |w.0| + |X.0| - 1", {"X": (4,), "w": (3,)}, {"p": 6}),
        ("y[i] = 1[0 <= i-1] X[i-1]", {"X": (4,)}, {"i": 5}),  # guarded below, so the end of X determines i
        ("y[a,c] = X[a+R,c+S] W[R,S]", {"X": (5, 6), "W": (2, 3)}, {"a": 4, "c": 4}),
    ],
)  # fmt: skip
def test_from_shapes(text, shapes, expected):
    assert extents(text, shapes) == expected


@pytest.mark.parametrize(
    ("text", "sizes", "expected"),
    [
        ("Z[n,j] = X[n,K] W[K,j]", {"n": 3, "K": 4, "j": 5}, {"n": 3, "j": 5}),
        ("Z[n,j] = X[n,K] W[K,j]", {"X.0": 3, "k": 4, "W.1": 5}, {"n": 3, "j": 5}),
        ("y[i] = X[i+J] W[J]", {"X.0": 9, "J": 3}, {"i": 7}),
        ("y[i] = X[i+J] W[J]", {"i": 7, "J": 3}, {"i": 7}),  # |X.0| follows
        ("y[i] = a[i]; z[i] = b[i]", {"i": 3}, {"i": 3}),  # one letter for two dimensions
    ],
)
def test_from_sizes(text, sizes, expected):
    assert extents(text, sizes=sizes) == expected


def test_an_axis_is_more_specific_than_a_letter():
    program = Program([parse("y[i] = a[i]"), parse("z[i] = b[i]")])
    found = infer(program, {}, {"i": 3, "a.0": 5})
    assert (found.shape("y"), found.shape("z")) == ((5,), (3,))


def test_the_axis_of_a_tensor_follows_from_its_reads():
    program = Program([parse("y[i] = X[2i+J] W[J]")])
    assert infer(program, {}, {"i": 4, "J": 3}).shape("X") == (9,)


def test_nominal_sizes_fill_what_is_open():
    assert extents("Z[n,j] = X[n,K] W[K,j]", sizes={"n": 7}, nominal=4) == {"n": 7, "j": 4}
    assert extents("y[i] = X[i+J] W[J]", nominal=4)["i"] > 0


def text_of(texts, shapes=None, sizes=None):
    with pytest.raises(ExtentError) as error:
        extents(texts, shapes, sizes)
    return str(error.value)


def test_sizes_that_disagree():
    assert text_of("Z[n,j] = X[n,K] W[K,j]", {"X": (3, 4), "W": (5, 2)}) == (
        "K has two sizes: 4 from X.1 and 5 from W.0\n"
        "  Z[n,j] = X[n,K] W[K,j]\n"
        "                  ^^^^^^\n"
        "  inferred: K runs over X.1 and W.0\n"
        "  repair:   give arrays of which these axes have one size"
    )


def test_a_stated_size_that_disagrees():
    assert text_of("Z[n,j] = X[n,K] W[K,j]", {"X": (3, 4), "W": (4, 2)}, {"n": 5}) == (
        "n has two sizes: 3 from X.0 and 5 from sizes['n']\n"
        "  Z[n,j] = X[n,K] W[K,j]\n"
        "           ^^^^^^\n"
        "  inferred: n runs over Z.0, X.0\n"
        "            known: |j| = 2, |K| = 4\n"
        "  repair:   leave out sizes['n'], or say 3"
    )


TWO_LINES = "Z[n,j] = X[n,K] W[K,j];A[m,k] = relu(Z[m,k])"  # k is the letter of two axes


def test_a_size_of_a_letter_that_none_of_its_axes_has():
    assert text_of(TWO_LINES, {"X": (4, 5), "W": (5, 2)}, {"k": 9}) == (
        "K has two sizes: 5 from X.1 and 9 from sizes['k']\n"
        "  Z[n,j] = X[n,K] W[K,j]\n"
        "           ^^^^^^\n"
        "  inferred: K runs over X.1, W.0\n"
        "            known: |n| = 4, |j| = 2\n"
        "  repair:   leave out sizes['k'], or say 5"
    )
    for size in (5, 2):
        assert extents(TWO_LINES, {"X": (4, 5), "W": (5, 2)}, {"k": size}) == {"n": 4, "j": 2, "m": 4, "k": 2}


def test_two_sizes_of_one_letter_of_several_axes():
    assert text_of(TWO_LINES, {}, {"k": 5, "K": 2, "n": 3}) == (
        "there are two sizes for the letter k, which is that of K\n"
        "  inferred: k runs over X.1, Z.1\n"
        "  repair:   name axes: sizes={'X.1': ..., 'Z.1': ...}"
    )


def test_a_size_given_twice():
    assert text_of("y[i] = b[i] sum[K](1)", {"b": (3,)}, {"k": 3, "K": 4}) == (
        "K has two sizes: 3 from sizes['k'] and 4 from sizes['K']\n"
        "  y[i] = b[i] sum[K](1)\n"
        "              ^^^^^^^^^\n"
        "  inferred: known: |i| = 3\n"
        "  repair:   leave out sizes['K'], or say 3"
    )


def test_an_extent_that_disagrees_with_an_array():
    first, second = "y[p] = w[K] 1[p] where |p| = |w.0| + 1", "Z[n] = y[n] V[n]"
    with pytest.raises(ExtentError) as error:
        infer(Program([parse(first), parse(second)]), {"w": (2,), "V": (4,)})
    assert str(error.value).startswith("p has two sizes: 4 from V.0 and 3 from where |p| = |w.0| + 1\n")


def test_an_extent_that_is_stated_may_be_smaller_than_an_array():
    text = "y[p] = X[p] + w[K] where |p| = |w.0| + 1"
    assert infer(Program([parse(text)]), {"X": (4,), "w": (2,)}).shape("y") == (3,)


def test_an_extent_below_zero():
    assert text_of("y[p] = x[p] + w[K] where |p| = |w.0| - 5", {"w": (3,)}) == (
        "|p| would be -2\n"
        "  y[p] = x[p] + w[K] where |p| = |w.0| - 5\n"
        "    ^\n"
        "  inferred: known: |K| = 3\n"
        "  repair:   give arrays for which |w.0| - 5 is not negative"
    )


def test_an_extent_that_is_not_known():
    assert text_of("y[i,j] = b[j]", {"b": (3,)}) == (
        "the extent of i is not known\n"
        "  y[i,j] = b[j]\n"
        "    ^\n"
        "  inferred: known: |j| = 3\n"
        "  repair:   give sizes={'i': ...}"
    )
    assert text_of("y[i] = b[i] sum[K](1)", {"b": (3,)}) == (
        "the extent of K is not known\n"
        "  y[i] = b[i] sum[K](1)\n"
        "              ^^^^^^^^^\n"
        "  inferred: known: |i| = 3\n"
        "  repair:   give sizes={'k': ...}"
    )


def test_an_extent_that_arithmetic_does_not_determine():
    assert text_of("y[p] = 1[0 <= p-I < |w.0|] w[p-I] X[I]", {"X": (4,), "w": (3,)}).splitlines()[-2:] == [
        f"  repair:   {parse('y[p] = 1[0 <= p-I < |w.0|] w[p-I] X[I]')} where |p| = |w.0|",
        "            give sizes={'p': ...}",
    ]


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("y[k] = b[2-k]", (3,)),
        ("y[k] = b[mod(k+1, |b.0|)]", (3,)),
        ("y[k] = c[K] pad(b[k-K])", (3,)),
    ],
)
def test_the_extent_that_remainders_leave_open_is_spelled_out(text, shape):
    arrays = {"A": np.ones((3, 4)), "B": np.ones((2, 3)), "b": np.ones(3), "c": np.ones(2)}
    with pytest.raises(ExtentError) as caught:
        compiled(text, arrays)
    assert compiled(caught.value.repair[0], arrays).shape == shape


def compiled(text, arrays):
    program = es.Program(text)
    return program.compile(fast=False)({name: arrays[name] for name in program.inputs})["y"]


def test_a_window_that_does_not_fit():
    assert text_of("y[i] = X[i+J] W[J]", {"X": (2,), "W": (3,)}) == (
        "no value of i keeps X[i+J] inside: X.0 has size 2\n"
        "  y[i] = X[i+J] W[J]\n"
        "         ^^^^^^\n"
        "  inferred: |i| would be 0\n"
        "  repair:   give a longer X, or say that it is zero outside with a guard 1[...]"
    )


def test_an_index_that_does_not_exist():
    assert text_of("y[row] = a[row]", sizes={"rwo": 3}) == (
        "there is no index rwo\n  inferred: the indices are row\n  repair:   did you mean row?"
    )


@pytest.mark.parametrize("size", [-1, 2.0, True, "3"])
def test_a_size_is_a_whole_number(size):
    assert text_of("y[i] = a[i]", sizes={"i": size}) == (
        f"the size of i is {size!r}\n"
        "  y[i] = a[i]\n"
        "    ^\n"
        "  inferred: a size is how many entries there are along an axis\n"
        "  repair:   give a whole number that is not negative"
    )


DIVIDED = "y[k] = x[k] where |k| = |x.0| / 2"
SHIFTED = "y[k] = pad(x[k+|k|/2]) where |k| = |x.0|"


@pytest.mark.parametrize("any_size", [False, True])
@pytest.mark.parametrize("text", [DIVIDED, SHIFTED])
def test_a_quotient_of_sizes_is_whole_or_refused(text, any_size):
    step = es.Program(text).compile(any_size=any_size)
    x = np.arange(1.0, 5.0)
    want = x[:2] if text is DIVIDED else [3.0, 4.0, 0.0, 0.0]
    np.testing.assert_array_equal(step(x=x)["y"], want)
    with pytest.raises(ExtentError, match="5 / 2 is not whole"):
        step(x=np.arange(5.0))


@pytest.mark.parametrize("text", [DIVIDED, SHIFTED])
def test_exported_code_refuses_a_quotient_that_is_not_whole(text):
    space = {}
    exec(es.Program(text).source(), space)
    assert len(space["step"](np.arange(4.0))) == 1
    with pytest.raises(ValueError, match="not whole"):
        space["step"](np.arange(5.0))


@pytest.mark.parametrize("any_size", [False, True])
def test_an_empty_axis_divides_nothing(any_size):
    step = es.Program("y[k] = x[floor(k/|b.0|)] where |k| = |x.0| |b.0| + |x.0|").compile(any_size=any_size)
    with pytest.raises(EinstanError, match=r"b\.0"):
        step(x=np.arange(4.0), b=np.zeros(0))


ROUNDED = [
    ("y[i] = X[floor(i/2)]", {"X": (6,)}, 12),
    ("y[i] = X[floor(i/2)] + X[floor((i+1)/2)]", {"X": (6,)}, 11),
    ("y[i] = X[2 floor(i/3) + 1]", {"X": (6,)}, 9),
    ("y[i] = X[floor(i/2)+J] W[J]", {"X": (6,), "W": (3,)}, 8),
    ("y[i] = X[floor(i/|W.0|), mod(i, |W.0|)] W[0]", {"X": (5, 3), "W": (3,)}, 15),
    ("y[i] = X[floor(floor(i/2)/3)]", {"X": (4,)}, 24),
    ("y[i] = X[floor(i/4),mod(i,4)]", {"X": (3, 4)}, 12),
    ("y[i] = X[floor(i/2)+1]", {"X": (3,)}, 4),
]


@pytest.mark.parametrize("any_size", [False, True])
@pytest.mark.parametrize(("text", "shapes", "expected"), ROUNDED)
def test_quotients_in_slots_run_as_far_as_every_read_is_inside(text, shapes, expected, any_size):
    arrays = {name: np.ones(shape) for name, shape in shapes.items()}
    step = es.parse(text).compile(any_size=any_size)
    assert len(step(arrays)["y"]) == expected
    with pytest.raises(ExtentError, match="outside"):
        es.parse(f"{text} where |i| = {expected + 1}")(**arrays)


def test_a_derivative_says_how_far_a_sum_over_quotients_runs():
    program = es.Program("L = sum[I,J](exp(x[floor(I/2)+J] w[J]))")
    derived = program.backward("L", ["x"])
    assert str(derived).endswith(" where |I| = 2 |x.0| - 2 |w.0| + 2")
    found = derived.compile()(x=np.zeros(4), w=np.array([1.0, 2.0]))["dx"]
    assert found.tolist() == [2, 6, 6, 4]


def test_a_range_beside_its_own_extent_is_asked_for():
    with pytest.raises(ExtentError) as found:
        es.parse("y[d] = x[d - |d|/2]")(x=np.arange(4.0))
    assert found.value.repair == ("give sizes={'d': ...}",)


def test_an_axis_that_is_read_backwards_is_read_whole():
    x, w = np.arange(1.0, 8), np.array([1.0, 2, 3])
    step = es.parse("y[i] = x[i+R] w[|w.0|-1-R]").compile()
    assert step(x=x, w=w)["y"].tolist() == np.convolve(x, w, "valid").tolist()
    assert es.parse("y[i] = x[|x.0|-1-i]").compile()(x=x)["y"].tolist() == x[::-1].tolist()
    with pytest.raises(ExtentError, match="i has two sizes"):
        es.parse("y[i] = x[|x.0|-1-i] w[i]").compile()(x=x, w=w)


def test_of_two_ranges_that_are_not_known_that_of_the_sum_is_to_be_stated():
    with pytest.raises(ExtentError, match="the extent of i is not known") as error:
        es.parse("y[i] = x[i+R] w[2-R]").compile()(x=np.arange(1.0, 8), w=np.arange(1.0, 4))
    stated = error.value.repair[0]
    assert stated == "y[i] = x[i+R] w[-R+2] where |R| = |w.0|"
    found = es.parse(stated).compile()(x=np.arange(1.0, 8), w=np.arange(1.0, 4))["y"]
    assert found.tolist() == [10, 16, 22, 28, 34]


@pytest.mark.parametrize("reader", ["y = c[0]", "y = c[1] + sum[J](c[J])", "y[n] = c[0] + c[T[n]]", "y = c[0] / |c.0|"])
def test_one_entry_of_what_is_made_does_not_tell_how_far_it_goes_on(reader):
    program = es.Program(f"c[j] = sum[I](1[I <= j] x[I])\n{reader}")
    with pytest.raises(ExtentError, match="the extent of j is not known") as error:
        program.compile()(x=np.ones(3), **({"T": np.zeros(2, int)} if "T" in reader else {}))
    assert error.value.repair[0] == "c[j] = 1[I <= j] x[I] where |j| = |x.0|"


def test_an_extent_that_nothing_tells_is_stated_in_the_equation_as_it_was_written():
    with pytest.raises(ExtentError, match="the extent of k is not known") as error:
        es.parse("F[k] = sum[I](1[I <= k] x[I]) / sum[I](x[I])").compile()(x=np.arange(1.0, 4))
    stated = error.value.repair[0]
    assert stated == "F[k] = (1[I <= k] x[I]) / sum[I](x[I]) where |k| = |x.0|"
    np.testing.assert_allclose(es.parse(stated).compile()(x=np.arange(1.0, 4))["F"], [1 / 6, 1 / 2, 1])


def test_an_axis_that_is_read_in_part_is_told_by_no_read():
    program = es.Program("y[i] = x[i+1] where |i| = 2\nL = y[I] a[I]\ndy[i] = a[i]\ndx[p] = pad(dy[p-1])")
    with pytest.raises(ExtentError, match="the extent of p is not known"):
        program.compile(outputs=["dx"])(a=np.ones(2))
    found = program.compile(outputs=["dx"], sizes={"x.0": 5})(a=np.ones(2))
    assert found["dx"].tolist() == [0, 1, 1, 0, 0]


def test_what_does_not_grow_with_an_index_does_not_tell_its_range():
    labels = es.Program("y[i] = x[i] + x[|x.0|-1-i] x[t[i]+i]").compile(any_size=True)
    program = es.Program("L = sum[I](exp(x[mod(I+1, |x.0|)] - x[I] - c x[|x.0|-1-I]))").backward("L", ["x"])
    general, special = program.compile(any_size=True), program.compile()
    for size in (1, 2, 5):
        x, t = np.arange(1.0, 1 + size) / size, np.zeros(size, int)
        np.testing.assert_array_equal(labels(x=x, t=t)["y"], x + x[::-1] * x)
        np.testing.assert_allclose(general(x=x, c=2.0)["dx"], special(x=x, c=2.0)["dx"])
