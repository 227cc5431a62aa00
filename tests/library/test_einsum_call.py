"""``es.einsum`` is NumPy's einsum: values, dtypes and views, and what is refused."""

import json
import pickle
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import einstan as es
from einstan.language.arguments import ArgumentError
from einstan.language.errors import DataError, DifferentiationError, EinstanError, NotationError, ProgramError

ROWS = json.loads((Path(__file__).parent / "einsum_strings.json").read_text(encoding="utf-8"))
ACCEPTED = [row for row in ROWS if row["accepted_by"]]
OURS = {"ij->jij", "a->aa"}  # a label twice in the result: nobody else takes it
REFUSED = [row for row in ROWS if not row["accepted_by"] and row["einsum"] not in OURS]


def name_of(row):
    return f"{row['einsum']} {row['shapes']}"


def arguments(row, arrays):
    """A row as the arguments of an einsum."""
    written = row["einsum"]
    if isinstance(written, str):
        return [written, *arrays]
    lists = [[... if x == "..." else x for x in labels] for labels in written]
    found = [x for pair in zip(arrays, lists, strict=False) for x in pair]
    return found + lists[len(arrays) :]


def by_numpy(row, arrays):
    """The value by NumPy's einsum, with labels that it takes; what an ellipsis without a place in the result stands for
    is in front, and summed."""
    written = row["einsum"]
    if isinstance(written, str):
        written = written.replace(" ", "").replace("...", "…")
        left, arrow, right = written.partition("->")
        lists = [list(part) for part in left.split(",")] + [list(right)] * bool(arrow)
    else:
        lists = [["…" if x == "..." else x for x in labels] for labels in written]
    explicit = len(lists) > len(arrays)
    operands, output = lists[: len(arrays)], lists[-1] if explicit else None
    once = Counter(x for labels in operands for x in labels)
    if output is None:
        output = ["…"] * ("…" in once) + sorted(x for x, times in once.items() if times == 1 and x != "…")
    number = {x: k for k, x in enumerate(x for x in once if x != "…")} | {"…": ...}
    dropped = "…" in once and "…" not in output
    pairs = [x for array, labels in zip(arrays, operands, strict=True) for x in (array, [number[x] for x in labels])]
    found = np.einsum(*pairs, [...] * dropped + [number[x] for x in output if x != "…" or "…" in once])
    return found.sum(axis=tuple(range(np.ndim(found) - len(output)))) if dropped else found


@pytest.mark.parametrize("row", ACCEPTED, ids=name_of)
def test_public_strings_have_the_values_of_numpy(row):
    rng = np.random.default_rng(len(row["einsum"]))
    arrays = [np.asarray(rng.standard_normal(shape)) for shape in row["shapes"]]
    expected = by_numpy(row, arrays)
    found = es.einsum(*arguments(row, arrays))
    assert np.shape(found) == np.shape(expected)
    assert type(found) is type(expected)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-11 * max(1, np.abs(expected).max(initial=0)))


@pytest.mark.parametrize("row", REFUSED, ids=name_of)
def test_what_all_refuse_is_refused(row):
    arrays = [np.ones(shape) for shape in row["shapes"]]
    if arrays:
        with pytest.raises(EinstanError):
            es.einsum(*arguments(row, arrays))


STRINGS = ["ij,jk->ik", "ij,ij->", "i,j", "ij->i", "ij->", "ii->i", "ii", "bi,bi->b", "bij,bjk->bik", "ij,jk,kl->il",
           "...j,j->...", "ij->ji", ",ij->ij", "i,i,i->i", "ij,jk,k", "abc,cd,d->ab"]  # fmt: skip
SIZES = dict(zip("abcdijklx", (2, 3, 4, 2, 3, 3, 4, 2, 5), strict=True))


def arrays_of(string, dtypes, rng):
    arrays = []
    for number, letters in enumerate(string.split("->")[0].split(",")):
        shape = [SIZES[x] for x in letters.replace("...", "x")]
        dtype = np.dtype(dtypes[number % len(dtypes)])
        most = 9 if dtype == np.float16 else 90
        values = rng.integers(-most, most, shape) + (1j * rng.integers(-9, 9, shape))
        values = values if dtype.kind == "c" else values.real
        arrays.append((values % 3 > 0).astype(bool) if dtype.kind == "b" else values.astype(int).astype(dtype)
                      if dtype.kind == "u" else values.astype(dtype))  # fmt: skip
    return arrays


DTYPES = ["?", "i1", "u1", "i4", "i8", "u8", "f2", "f4", "f8", "g", "c8", "c16", "O", "i1,u1", "?,i4", "i8,f4", "f4,f8",
          "f4,c8", "i4,c16", "f2,f4", "?,f8", ">f8"]  # fmt: skip


@pytest.mark.parametrize("dtypes", DTYPES)
@pytest.mark.parametrize("string", STRINGS)
def test_dtypes_are_those_of_numpy(string, dtypes):
    arrays = arrays_of(string, dtypes.split(","), np.random.default_rng(3))
    expected = np.einsum(string, *arrays)
    found = es.einsum(string, *arrays)
    assert np.asarray(found).dtype == np.asarray(expected).dtype
    if np.asarray(expected).dtype.kind in "?biuO":
        np.testing.assert_array_equal(found, expected)
    else:
        rtol = {"f2": 1e-2, "f4": 1e-4, "c8": 1e-4}.get(np.asarray(expected).dtype.str[1:], 1e-12)
        np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol * 1e3)


def test_overflow_is_that_of_numpy():
    ones = np.ones((2, 300), np.int8)
    assert es.einsum("ij->i", ones).tolist() == [44, 44] == np.einsum("ij->i", ones).tolist()
    assert es.einsum("ij,kj->ik", ones, ones).tolist() == [[44, 44], [44, 44]]
    assert es.einsum("ij->i", np.ones((2, 300), bool)).dtype == bool


@st.composite
def einsums(draw):
    """A string with an ellipsis or not, repeated letters, and axes of extent 1; and its arrays."""
    sizes = {x: draw(st.integers(1, 3)) for x in "abcD"}
    dots = draw(st.lists(st.integers(1, 3), max_size=2))
    parts, arrays = [], []
    for number in range(draw(st.integers(1, 4))):
        letters = draw(st.lists(st.sampled_from("abcD"), max_size=3))
        stretched = {x: draw(st.booleans()) for x in letters}
        shape = [1 if stretched[x] else sizes[x] for x in letters]
        text = "".join(letters)
        if draw(st.booleans()):
            at = draw(st.integers(0, len(letters)))
            count = draw(st.integers(0, len(dots)))
            own = [draw(st.sampled_from([1, size])) for size in dots[len(dots) - count :]]
            shape[at:at], text = own, f"{text[:at]}...{text[at:]}"
        parts.append(text)
        arrays.append(np.random.default_rng(number).standard_normal(shape))
    text = ",".join(parts)
    if draw(st.booleans()):
        known = sorted({x for part in parts for x in part if x.isalpha()})
        output = draw(st.lists(st.sampled_from(known), unique=True)) if known else []
        output.insert(draw(st.integers(0, len(output))), "...")
        text += "->" + "".join(output)
    return text, [np.asarray(x) for x in arrays]


@settings(max_examples=200, deadline=None)
@given(einsums(), st.sampled_from(["auto", True, False, "greedy"]))
def test_random_strings_have_the_values_of_numpy(case, optimize):
    string, arrays = case
    expected = np.einsum(string, *arrays)
    found = es.einsum(string, *arrays, optimize=optimize)
    assert np.shape(found) == np.shape(expected)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


@settings(max_examples=150, deadline=None)
@given(einsums(), st.integers(0, 5))
def test_gradients_are_differences(case, seed):
    """An einsum is linear in each of its operands, so that one difference is the derivative."""
    string, arrays = case
    rng = np.random.default_rng(seed)
    cotangent = rng.standard_normal(np.shape(np.einsum(string, *arrays)))
    gradients = es.einsum(string).gradients(*arrays, cotangent=cotangent)
    for number, gradient in enumerate(gradients):
        assert gradient.shape == arrays[number].shape
        step = rng.standard_normal(arrays[number].shape)
        other = [step if k == number else x for k, x in enumerate(arrays)]
        np.testing.assert_allclose((gradient * step).sum(), (cotangent * np.einsum(string, *other)).sum(), atol=1e-9)


GRADIENTS = [
    ("bij,bjk->bik", ["dA  'bik,bjk->bij'  dT, B", "dB  'bij,bik->bjk'  A, dT"]),
    ("ij->i", ["dA  'i,j->ij'  dT, 1[j]"]),
    ("ii", ["dA  ',i->ii'  dT, 1[i]"]),
    ("i->ii", ["dA  'ii->i'  dT"]),
    ("...i,i", ["dA  '...,i->...i'  dT, B", "dB  '...i,...->i'  A, dT"]),
    ("...i->i", ["dA  'i,...->...i'  dT, 1[...]"]),
    ("iI,I->", ["dA  ',I,i->iI'  dT, B, 1[i]", "dB  'iI,->I'  A, dT"]),
]


@pytest.mark.parametrize(("string", "lines"), GRADIENTS)
def test_gradients_are_einsum_strings(string, lines):
    assert str(es.einsum(string).gradients).splitlines() == lines


EQUATIONS = [
    ("bij,bjk->bik", ["dA[b,i,j] = dT[b,i,K] B[b,j,K]", "dB[b,j,k] = A[b,I,j] dT[b,I,k]"]),
    ("ij->i", ["dA[i,j] = dT[i] 1[j]"]),
    ("ii->", ["dA[i,x1] = dT 1[i] δ[i,x1]"]),
    ("a,,->a", ["dA[a] = dT[a] B C", "dB = A[A] dT[A] C", "dC = A[A] B dT[A]"]),
]


@pytest.mark.parametrize(("string", "equations"), EQUATIONS)
def test_gradients_are_equations(string, equations):
    assert [str(gradient.equation) for gradient in es.einsum(string).gradients] == equations


@pytest.mark.parametrize("string", ["bij,bjk->bik", "ij,jk,kl", "ii,i->", "i,j->ij", "ijk->kji", "i->ii", "ab,cb->ac"])
def test_the_equation_and_its_backward_pass_have_the_same_numbers(string):
    einsum = es.einsum(string)
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal([SIZES[x] for x in part]) for part in string.split("->")[0].split(",")]
    named = dict(zip("ABC", arrays, strict=False))
    np.testing.assert_allclose(einsum(*arrays), einsum.equation(**named), rtol=1e-12)
    cotangent = rng.standard_normal(np.shape(einsum(*arrays)))
    found = einsum.gradients(*arrays, cotangent=cotangent)
    for gradient, value in zip(einsum.gradients, found, strict=True):
        given = {name: x for name, x in (named | {"dT": cotangent}).items() if name in gradient.operands}
        if not any(x.startswith("1[") for x in gradient.operands):
            np.testing.assert_allclose(value, gradient.equation(**given), rtol=1e-12)
            strings = [given[name] for name in gradient.operands]
            np.testing.assert_allclose(value, es.einsum(gradient.string, *strings), rtol=1e-12)


def test_the_gradient_of_what_was_stretched_is_a_sum():
    column, matrix = np.ones((3, 1)), np.arange(12.0).reshape(3, 4)
    by_column, by_matrix = es.einsum("ij,ij->ij").gradients(column, matrix, cotangent=np.ones((3, 4)))
    np.testing.assert_array_equal(by_column, matrix.sum(axis=1, keepdims=True))
    np.testing.assert_array_equal(by_matrix, np.ones((3, 4)))


def test_gradients_of_complex_and_of_real_numbers():
    z, w, x = np.array([1 + 2j, 3j]), np.array([2 - 1j, 1 + 0j]), np.array([5.0, 7.0], np.float32)
    by_z, by_w = es.einsum("i,i->").gradients(z, w)
    np.testing.assert_array_equal(by_z, w)
    np.testing.assert_array_equal(by_w, z)
    by_x = es.einsum("i,i->").gradients(x, w, wrt="A")
    assert by_x.dtype == np.float32
    np.testing.assert_array_equal(by_x, w.real)


def test_a_gradient_is_no_view_of_the_cotangent():
    cotangent = np.ones((3, 2))
    (found,) = es.einsum("ij->ji").gradients(np.ones((2, 3)), cotangent=cotangent)
    assert not np.may_share_memory(found, cotangent)


@pytest.mark.parametrize("string", ["ii->i", "ij->ji", "...", "ij", "jii->ij", "i...i->...i"])
def test_what_needs_no_arithmetic_is_a_view(string):
    array = np.arange(27.0).reshape(3, 3, 3) if "jii" in string or "..." in string else np.arange(9.0).reshape(3, 3)
    found = es.einsum(string, array)
    assert np.shares_memory(found, array)
    assert found is not array
    assert found.flags.writeable
    array.flags.writeable = False
    assert not es.einsum(string, array).flags.writeable


def test_the_diagonal_is_written():
    matrix = np.zeros((2, 2))
    es.einsum("ii->i", matrix)[:] = (1, 2)
    np.testing.assert_array_equal(matrix, [[1, 0], [0, 2]])
    np.testing.assert_array_equal(es.einsum("i->ii", np.array([1.0, 2.0])), [[1, 0], [0, 2]])
    cube = es.einsum("ij,j->iijj", np.ones((2, 2)), np.array([3, 4]))
    np.testing.assert_array_equal(np.einsum("iijj->ij", cube), [[3, 4], [3, 4]])
    assert np.count_nonzero(cube) == 4


def test_the_options_of_numpy():
    rng = np.random.default_rng(0)
    a, b, c = (rng.standard_normal(shape) for shape in ((3, 4), (4, 5), (5, 2)))
    expected = a @ b @ c
    out = np.empty((3, 2), np.float32)
    assert es.einsum("ij,jk,kl", a, b, c, out=out, casting="unsafe") is out
    np.testing.assert_allclose(out, expected, rtol=1e-5)
    for optimize in (True, False, None, "greedy", "optimal", "auto", "eager", "dp", ("greedy", 1000),
                     ["einsum_path", (0, 1), (0, 1)], [(1, 2), (0, 1)], [(0, 1, 2)]):  # fmt: skip
        np.testing.assert_allclose(es.einsum("ij,jk,kl", a, b, c, optimize=optimize), expected, rtol=1e-12)
    for limit in (None, -1, 1, 12, "max_input", np.int64(10**6)):
        for optimize in ("auto", "greedy", "optimal", True, False, [(0, 1), (0, 1)]):
            found = es.einsum(
                "ij,jk,kl", a, b, c, optimize=optimize, memory_limit=limit, use_blas=False, backend="numpy"
            )
            np.testing.assert_allclose(found, expected, rtol=1e-12)
    path = np.einsum_path("ij,jk,kl", a, b, c)[0]
    np.testing.assert_allclose(es.einsum("ij,jk,kl", a, b, c, optimize=path), expected, rtol=1e-12)
    assert es.einsum("ij,jk", a, b, dtype="f4", casting="same_kind").dtype == np.float32
    assert es.einsum("ij,jk", a.astype(int), b.astype(int), dtype=float).dtype == np.float64
    assert es.einsum("ij->ji", a, order="C").flags.c_contiguous
    assert es.einsum("ij,jk->ki", a, b, order="f").flags.f_contiguous
    same = np.ones((2, 2))
    assert es.einsum("...ij,...jk->...ik", same, same, out=same) is same
    np.testing.assert_array_equal(same, np.full((2, 2), 2.0))


def test_an_optimizer_of_opt_einsum_is_taken():
    paths = pytest.importorskip("opt_einsum.paths")
    arrays = [np.ones((2, 2))] * 4
    found = es.einsum("ab,bc,cd,de", *arrays, optimize=paths.DynamicProgramming())
    np.testing.assert_array_equal(found, np.full((2, 2), 8.0))


def test_it_is_a_backend_of_opt_einsum():
    opt_einsum = pytest.importorskip("opt_einsum")
    rng = np.random.default_rng(0)
    for string in ("ij,jk->ik", "bij,bjk,ki->b", "ab,bc,cd,de->ea", "aab,bcc->ac", "ea,fb,abcd,gc,hd->efgh", "i,j->ij"):
        size = dict.fromkeys(string, 3)
        arrays = [rng.standard_normal([size[x] for x in part]) for part in string.split("->")[0].split(",")]
        found = opt_einsum.contract(string, *arrays, backend="einstan")
        np.testing.assert_allclose(found, np.einsum(string, *arrays), rtol=1e-9)


def test_lists_and_numbers_are_arrays():
    assert es.einsum("i,i", [1, 2], [3, 4]) == 11
    assert es.einsum("..., ...", 3, 4) == 12
    assert es.einsum(3, [], np.arange(4), [0], []) == 18
    assert es.einsum(np.eye(2), np.zeros(2, int)) == 2
    assert es.einsum(np.ones((2, 3)), range(2)).shape == (2, 3)
    assert es.einsum(np.ones((2, 3)), ["b", "a"]).shape == (3, 2)


def test_the_code_can_be_read():
    a, b, c = np.ones((2, 3)), np.ones((3, 4)), np.ones((4, 2))
    assert es.einsum("ij,jk,kl").source(a, b, c) == (
        "def einsum(a0, a1, a2):\n    b0 = np.dot(a1, a2)\n    return np.dot(a0, b0)\n"
    )


def test_an_ellipsis_written_out():
    einsum = es.einsum("...ij,...jk->...ik")
    assert einsum.with_axes(4, 2).string == "abij,jk->abik"
    assert str(einsum.with_axes(3, 2).equation) == "T[a,i,k] = A[a,i,J] B[J,k]"


A, B = np.ones((2, 3)), np.ones((3, 4))
REPORTS = [
    (("ij,jk->ik", A, A), DataError,
     "j is 3 in A and 2 in B\n  ij,jk->ik\n     ^\n  inferred: A has i=2, j=3\n            B has j=2, k=3\n"
     "  repair:   'ij,kj->ik'"),
    (("ij,j", A, B), DataError,
     "B has 2 axes, and j names 1\n  ij,j\n     ^\n  repair:   'ij,...j->...i' keeps the other axes\n"
     "            or write a letter for each axis"),
    (("ij,jk", A), DataError,
     "the string names 2 operands, and 1 is given\n  ij,jk\n     ^^\n  repair:   give A, B"),
    (("ii", A), DataError,
     "i is 2 and 3 in A\n  ii\n  ^\n  inferred: A has i=2, i=3\n"),
    (("a;b", np.ones((2, 2, 2))), NotationError, "';' cannot stand for an axis\n  a;b\n   ^\n"),
    (("ij->iz", A), NotationError,
     "z cannot stand behind the arrow: no operand has it\n  ij->iz\n       ^\n  inferred: the operands have i, j\n"),
    (("i..", A), NotationError, "an ellipsis has three dots\n  i..\n   ^^\n"),
    (("...i...", A), NotationError, "there are two ellipses in one operand\n  ...i...\n      ^^^\n"),
    (("ij→ji", A), NotationError, "the arrow of an einsum is ->\n  ij→ji\n    ^\n  repair:   'ij->ji'"),
    (("ij->j->i", A), NotationError, "an einsum has one arrow, ->\n  ij->j->i\n       ^\n"),
    (("...j,...j", A, np.ones((4, 3))), DataError,
     "axis -1 of the ellipsis is 2 in A and 4 in B\n  ...j,...j\n       ^^^\n"),
    ((A, [0, 1], A, [1, 2]), DataError,
     "the label 1 is 3 in A and 2 in B\n  es.einsum(A, [0, 1], B, [1, 2])\n                           ^\n"),
    ((A, [0, 1], [0, 2]), NotationError,
     "2 cannot stand behind the arrow: no operand has it\n  es.einsum(A, [0, 1], [0, 2])\n"),
    ((A, [..., 0, ...]), NotationError, "there are two ellipses in A\n"),
    ((A, 0), ArgumentError, "0 is not a list of labels\n  es.einsum(A, 0\n               ^\n"),
    ((A,), ArgumentError, "an einsum has a string\n"),
    ((), ArgumentError, "an einsum has a string\n"),
    ((A, [0, "x"]), ArgumentError, "the labels 0, 'x' have no order\n"),
    (("ij", None), ArgumentError, "operand 1 = None is not an array of numbers\n"),
    (("ij", [[1], [2, 3]]), DataError, "operand 1 is not an array: its rows have different lengths\n"),
    (("i", np.array(["a", "b"])), DataError, "A has entries of dtype <U1, which nobody can multiply and add\n"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "kind", "report"), REPORTS, ids=[r[2].split("\n")[0] for r in REPORTS])
def test_reports(given, kind, report):
    with pytest.raises(kind) as caught:
        es.einsum(*given)
    assert str(caught.value).startswith(report)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


OPTIONS = [
    ({"optimize": "greedyy"}, ProgramError, "there is no optimizer 'greedyy'"),
    ({"optimize": [(0, 2)]}, ProgramError, "the path [(0, 2)] does not contract 2 operands"),
    ({"optimize": 3}, ArgumentError, "optimize = 3 is no optimizer"),
    ({"optimize": [1, 2]}, ArgumentError, "optimize = [1, 2] is not a path"),
    ({"dtype": "i4"}, ArgumentError, "A is float64, which cannot become int32 by the rule 'safe'"),
    ({"dtype": "nonsense"}, ArgumentError, "dtype = 'nonsense' is not a dtype"),
    ({"order": "W"}, ArgumentError, "there is no order 'W'"),
    ({"casting": "hard"}, ArgumentError, "there is no casting 'hard'"),
    ({"out": np.zeros((2, 3))}, DataError, "out has shape (2, 3) and dtype float64, and the result (2, 4) and float64"),
    ({"out": np.zeros((2, 4), int)}, DataError, "out has shape (2, 4) and dtype int64"),
    ({"out": [0]}, ArgumentError, "out = [0] is not an array"),
    ({"memory_limit": 0}, ArgumentError, "memory_limit = 0 is no number of entries"),
    ({"memory_limit": "all"}, ArgumentError, "memory_limit = 'all' is no number of entries"),
    ({"use_blas": "no"}, ArgumentError, "use_blas = 'no' is neither True nor False"),
    ({"backend": "torch"}, ArgumentError, "there is no backend 'torch'"),
    ({"optimise": "dp"}, ArgumentError, "an einsum has no argument optimise"),
]


@pytest.mark.parametrize(("options", "kind", "report"), OPTIONS, ids=[r[2] for r in OPTIONS])
def test_options_that_are_refused(options, kind, report):
    with pytest.raises(kind) as caught:
        es.einsum("ij,jk", A, B, **options)
    assert str(caught.value).startswith(report)


NO_GRADIENTS = [
    ((A, B), {}, DataError, "no cotangent is given, and the result has (2, 4)"),
    ((A, B), {"cotangent": np.ones(3)}, DataError, "the cotangent has shape (3,), and the result has (2, 4)"),
    ((A, B), {"cotangent": np.ones((2, 4)), "wrt": "C"}, ArgumentError, "there is no operand 'C'"),
    ((A, B), {"cotangent": np.ones((2, 4)), "wrt": 2}, ArgumentError, "there is no operand 2"),
    (
        (A, B.astype(int)),
        {"cotangent": np.ones((2, 4))},
        DifferentiationError,
        "B holds int64, by which",
    ),
    ((A > 0, B), {"cotangent": np.ones((2, 4))}, DifferentiationError, "A holds bool, by which"),
    ((A,), {}, DataError, "the string names 2 operands, and 1 is given"),
]


@pytest.mark.parametrize(("arrays", "options", "kind", "report"), NO_GRADIENTS, ids=[r[3] for r in NO_GRADIENTS])
def test_gradients_that_are_refused(arrays, options, kind, report):
    with pytest.raises(kind) as caught:
        es.einsum("ij,jk").gradients(*arrays, **options)
    assert str(caught.value).startswith(report)


def test_an_integer_operand_may_stand_beside_what_is_differentiated():
    (found,) = es.einsum("ij,jk->").gradients(A, B.astype(int), wrt=["A"])
    np.testing.assert_array_equal(found, np.full((2, 3), 4.0))


def test_a_result_that_would_not_fit_is_refused():
    large = np.broadcast_to(np.ones(1), (10**6,))
    with pytest.raises(DataError, match="the result would take"):
        es.einsum("i,j,k->ijk", large, large, large)
