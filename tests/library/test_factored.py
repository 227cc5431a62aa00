"""A factored tensor equals its dense form under every operation, whatever its deltas.

The dense form here is a loop over all entries, which shares no code with the type.
"""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from einstan.language.errors import DataError
from einstan.library.factored import FactoredTensor, Part, as_factored
from einstan.library.factored_links import Link, span


def by_loops(tensor):
    """Every entry from its meaning: a sum over all values of the labels, zero where joined axes differ."""
    out = np.zeros(tensor.shape)
    for part in tensor.parts:
        size = dict(zip(part.axes, tensor.shape, strict=True))
        for array, labels in part.factors:
            size.update(zip(labels, array.shape, strict=True))
        size.update({x: n for x, n in span(part.links).items() if x not in size})
        for values in itertools.product(*(range(n) for n in size.values())):
            at = dict(zip(size, values, strict=True))
            forms = [sum(k * at[x] for x, k in link.terms) + link.constant for link in part.links]
            if not all(0 <= form < link.extent for form, link in zip(forms, part.links, strict=True)):
                continue
            term = part.scale * math.prod(array[tuple(at[x] for x in labels)] for array, labels in part.factors)
            out[tuple(at[x] for x in part.axes)] += term
    return out


@st.composite
def structures(draw, extents, rows=None, parts=3):
    """A tensor of these extents, its parts with random deltas between axes of one extent, among them deltas that join
    three axes, factors that repeat a label (a diagonal) or have labels of their own (sums), and links of labels."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    found = []
    for _ in range(draw(st.integers(0, parts))):
        axes: list[int] = []
        size: dict[int, int] = {}
        for n in extents:
            same = [x for x, m in size.items() if m == n and x in axes]
            label = draw(st.sampled_from([len(size), *same]))
            size.setdefault(label, n)
            axes.append(label)
        extra = draw(st.lists(st.integers(0, 3), max_size=1))
        for n in extra:
            size[len(size)] = n
        factors = []
        for _ in range(draw(st.integers(0, 3))):
            labels = tuple(draw(st.lists(st.sampled_from(sorted(size)), max_size=3))) if size else ()
            factors.append((rng.integers(-3, 4, [size[x] for x in labels]).astype(float), labels))
        held = {x for _, labels in factors for x in labels}
        if any(x not in held and x not in axes for x in size):
            factors.append((np.arange(1.0, 1.0 + size[len(size) - 1]), (len(size) - 1,)))
        links = []
        if draw(st.booleans()):  # a label that links alone hold, and forms of up to four labels
            size[len(size)] = draw(st.integers(0, 3))
            links.append(Link(((len(size) - 1, 1),), 0, size[len(size) - 1]))
            form = st.lists(st.tuples(st.sampled_from(sorted(size)), st.sampled_from([1, -1, 2, -3])), max_size=4)
            for terms in draw(st.lists(form, max_size=2)):
                extent = draw(st.sampled_from([1, 1, 1, 0, 3]))
                links.append(Link(tuple(dict(terms).items()), draw(st.integers(-2, 2)), extent))
        scale = draw(st.sampled_from([1.0, -2.0, 0.5]))
        found.append(Part(tuple(axes), tuple(factors), scale, tuple(links)))
    names = [f"i{k}" for k in range(len(extents))]
    return FactoredTensor(names, extents, found, rows)


SMALL = st.sampled_from([0, 1, 2, 2, 3, 3])
SHAPES = st.lists(SMALL, min_size=0, max_size=4).map(tuple)


@st.composite
def tensors(draw):
    extents = draw(SHAPES)
    return draw(structures(extents, draw(st.integers(0, len(extents)))))


@st.composite
def squares(draw):
    half = draw(st.lists(SMALL, min_size=0, max_size=2).map(tuple))
    return draw(structures(half + half, len(half)))


def close(found, expected):
    np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-12, atol=1e-9)


@given(tensors())
@settings(max_examples=200)
def test_dense_is_what_the_loops_give(tensor):
    expected = by_loops(tensor)
    close(tensor, expected)
    close(tensor.dense(out=np.full(tensor.shape, np.nan)), expected)
    assert tensor.dense_nbytes == expected.nbytes
    before = [array.copy() for part in tensor.parts for array, _ in part.factors]
    tensor.dense()[...] = 7  # what is returned is the caller's own
    assert all((a == b).all() for a, b in zip(before, (f for p in tensor.parts for f, _ in p.factors), strict=True))


@given(st.data())
def test_addition_scaling_and_transposition(data):
    left = data.draw(tensors())
    right = data.draw(structures(left.shape, left.rows))
    a, b = by_loops(left), by_loops(right)
    close(left + right, a + b)
    close(left - right, a - b)
    close(left + b, a + b)
    close(b - left, b - a)
    close(-left * 3 / 2, -1.5 * a)
    close(2.0 * left, 2 * a)
    order = data.draw(st.permutations(range(left.ndim)))
    close(left.transpose(*order) if order else left, a.transpose(order))
    close(left.transpose(*(left.names[k] for k in order)) if order else left, a.transpose(order))
    close(left.T, a.transpose(*range(left.rows, left.ndim), *range(left.rows)))


@given(st.data())
def test_products_with_arrays(data):
    tensor = data.draw(tensors())
    dense = by_loops(tensor)
    rng = np.random.default_rng(0)
    columns = tensor.shape[tensor.rows :]
    for extra in ((), (2,)):
        v = rng.normal(size=columns + extra)
        close(tensor @ v, np.tensordot(dense, v, len(columns)))
        w = rng.normal(size=extra + tensor.shape[: tensor.rows])
        close(w @ tensor, np.tensordot(w, dense, tensor.rows))
    over = data.draw(st.lists(st.sampled_from(range(tensor.ndim)), unique=True)) if tensor.ndim else []
    v = rng.normal(size=[tensor.shape[k] for k in over] + [2])
    found = tensor.dot(v, [tensor.names[k] for k in over])
    close(found, np.tensordot(dense, v, (over, list(range(len(over))))))


@given(st.data())
def test_products_of_two_factored_tensors(data):
    left = data.draw(tensors())
    columns = left.shape[left.rows :]
    more = data.draw(st.lists(SMALL, max_size=2).map(tuple))
    right = data.draw(structures(columns + more, len(columns)))
    close(left @ right, np.tensordot(by_loops(left), by_loops(right), len(columns)))


@given(tensors())
def test_the_sum_of_all_entries(tensor):
    close(tensor.sum(), by_loops(tensor).sum())
    assert tensor.sum().shape == ()


def test_a_cholesky_factor_of_what_is_no_number_is_refused():
    blocks = np.stack([np.eye(2), np.eye(2)])
    blocks[1, 0, 0] = np.nan
    tensor = FactoredTensor("ikjl", (2, 2, 2, 2), [Part((0, 1, 0, 2), ((blocks, (0, 1, 2)),))])
    with pytest.raises(DataError, match="finite") as error:
        tensor.cholesky()
    assert "i = 1" in str(error.value)


@given(squares())
def test_diagonal_and_trace(tensor):
    n = math.prod(tensor.shape[: tensor.rows])
    matrix = by_loops(tensor).reshape(n, n)
    close(tensor.diagonal().ravel(), np.diagonal(matrix))
    close(tensor.trace(), np.trace(matrix))


@given(st.data())
@settings(max_examples=200)
def test_indexing(data):
    tensor = data.draw(tensors())
    dense = by_loops(tensor)
    key = []
    for n in tensor.shape:
        whole = st.integers(-n, n - 1) if n else st.nothing()
        key.append(data.draw(st.one_of(whole, st.slices(n), st.just(slice(None)))))
    close(tensor[tuple(key)], dense[tuple(key)])
    close(tensor[...], dense)
    if key:
        close(tensor[key[0]], dense[key[0]])


@given(st.data())
def test_sums_along_axes(data):
    tensor = data.draw(tensors())
    axes = data.draw(st.lists(st.sampled_from(range(tensor.ndim)), unique=True)) if tensor.ndim else []
    close(tensor.sum(*axes), by_loops(tensor).sum(axis=tuple(axes) or None))  # none named: all


@given(squares(), st.booleans())
def test_solving_block_by_block(tensor, several):
    n = math.prod(tensor.shape[: tensor.rows])
    identity = Part((*range(tensor.rows), *range(tensor.rows)), (), 1000.0)
    tensor = tensor + tensor.like([identity])
    heads = tensor.shape[: tensor.rows]
    g = np.random.default_rng(0).normal(size=heads + ((2,) if several else ()))
    matrix = by_loops(tensor).reshape(n, n)
    expected = np.linalg.solve(matrix, g.reshape(n, 2 if several else 1)).reshape(g.shape)
    np.testing.assert_allclose(tensor.solve(g), expected, rtol=1e-9, atol=1e-12)


@given(squares())
def test_cholesky_block_by_block(tensor):
    n = math.prod(tensor.shape[: tensor.rows])
    gram = tensor @ tensor.T + tensor.like([Part((*range(tensor.rows), *range(tensor.rows)), ())])
    lower = gram.cholesky()
    matrix = by_loops(gram).reshape(n, n)
    close(by_loops(lower).reshape(n, n), np.linalg.cholesky(matrix) if n else matrix)
    close(lower @ lower.T, matrix.reshape(gram.shape))


@given(tensors())
def test_scipy(tensor):
    pytest.importorskip("scipy", exc_type=ImportError)
    rows, columns = math.prod(tensor.shape[: tensor.rows]), math.prod(tensor.shape[tensor.rows :])
    matrix = by_loops(tensor).reshape(rows, columns)
    for form in ("coo", "csr", "csc"):
        close(tensor.to_scipy(form).toarray(), matrix)
    operator = tensor.to_scipy()
    v, w = np.arange(1.0, columns + 1), np.arange(1.0, rows + 1)
    close(operator.matvec(v), matrix @ v)
    close(operator.rmatvec(w), w @ matrix)
    close(operator @ np.stack([v, -v], 1), matrix @ np.stack([v, -v], 1))


# ---- what it costs ---------------------------------------------------------------------------------------------------


def block_diagonal(m=50, k=4):
    C = np.random.default_rng(0).normal(size=(m, k, k))
    core = C @ C.transpose(0, 2, 1) + np.eye(k)
    return FactoredTensor("ikpq", (m, k, m, k), [Part((0, 1, 0, 2), ((core, (0, 1, 2)),))]), core


def test_sizes_and_blocks():
    H, core = block_diagonal()
    assert (H.nbytes, H.dense_nbytes) == (50 * 16 * 8, 50 * 4 * 50 * 4 * 8)
    found = H.blocks()
    assert found.names == ("i", "k", "q")
    assert found.over == ("i",)
    assert (found.array == core).all()
    assert repr(H) == "<FactoredTensor [i,k,p,q] 50 x 4 x 50 x 4: ikq->ikiq; 6.4 kB, dense 320 kB>"
    assert repr(found) == "<Blocks [i,k,q] 50 x 4 x 4: one for each i>"


def test_an_enormous_block_diagonal_is_solved_without_its_zeros():
    m, k = 20_000, 3  # dense it would be 28.8 GB
    H, core = block_diagonal(m, k)
    g = np.ones((m, k))
    np.testing.assert_allclose(H @ H.solve(g), g, rtol=1e-9)
    assert H.to_scipy("csr").nnz == m * k * k
    np.testing.assert_allclose(H.trace(), np.einsum("ikk->", core))


def test_a_dense_form_that_does_not_fit_is_refused():
    H, _ = block_diagonal()
    with pytest.raises(DataError) as refused:
        H.dense(limit=100_000)
    assert str(refused.value) == (
        "the dense form needs 320 kB, and 100 kB are free\n"
        "  inferred: factored it is held in 6.4 kB: "
        "<FactoredTensor [i,k,p,q] 50 x 4 x 50 x 4: ikq->ikiq; 6.4 kB, dense 320 kB>\n"
        "  repair:   use it as it is: H @ v, H.solve(g), H.diagonal(), H.blocks(), H.to_scipy()\n"
        "            or allow it: dense(limit=320000)"
    )
    huge = FactoredTensor("ij", (10**7, 10**7), [Part((0, 0), ((np.ones(10**7), (0,)),))])
    with pytest.raises(DataError, match="800 TB"):
        np.asarray(huge)
    assert huge.trace() == 10**7


REFUSED = [
    ("solve a singular block", lambda H: (H - H).solve(np.ones((50, 4))), "the matrix is singular"),
    ("solve a wrong shape", lambda H: H.solve(np.ones((4, 50))), "the right side has the shape (4, 50)"),
    ("cholesky of a negative", lambda H: (-H).cholesky(), "the matrix is not positive definite"),
    ("add another shape", lambda H: H + H[1:], "shapes (50, 4, 50, 4) and (49, 4, 50, 4) cannot be added"),
    ("name no axis", lambda H: H.dot(np.ones(4), "z"), "no axis is named z"),
    ("index by an array", lambda H: H[[1, 2]], "a factored tensor of 4 axes is indexed by as many integers and slices"),
    ("index by an array of numbers", lambda H: H[np.array([1, 2])], "a factored tensor of 4 axes is indexed"),
    ("index by a mask", lambda H: H[np.ones(50, bool)], "a factored tensor of 4 axes is indexed by as many integers"),
    ("index by a truth", lambda H: H[True], "a factored tensor of 4 axes is indexed by as many integers and slices"),
    ("a new axis", lambda H: H[None], "a factored tensor of 4 axes is indexed by as many integers and slices"),
    ("too many indices", lambda H: H[0, 0, 0, 0, 0], "a factored tensor of 4 axes is indexed by as many integers"),
    ("trace of rows by fewer", lambda H: H[0].trace(), "a trace needs as many columns as rows"),
    ("join two extents", lambda H: H.joined((0, 1)), "axes that are joined have the extents 50 and 4"),
    ("multiply a wrong shape", lambda H: H @ np.ones((4, 50)), "axes of the extents [50, 4] meet"),
    ("a vector before many rows", lambda H: np.ones(50) @ H, "an array of shape (50,) meets rows of the extents"),
    ("contract an axis twice", lambda H: H.dot(np.ones((50, 50)), ["i", "i"]), "an axis is contracted twice"),
    ("join an axis with itself", lambda H: H.joined(("i", "i")), "of every pair the first axis stays"),
    ("add a row", lambda H: H + np.ones(4), "shapes (50, 4, 50, 4) and (4,) cannot be added"),
    ("an unknown form", lambda H: H.to_scipy("bsr"), "there is no form 'bsr'"),
]  # fmt: skip


@pytest.mark.parametrize(("act", "problem"), [pytest.param(a, p, id=n) for n, a, p in REFUSED])
def test_what_is_refused(act, problem):
    H, _ = block_diagonal()
    with pytest.raises(DataError) as refused:
        act(H)
    assert refused.value.problem.startswith(problem)


def test_precision_is_kept():
    C = np.ones((3, 2, 2), np.float32)
    H = FactoredTensor("ikpq", (3, 2, 3, 2), [Part((0, 1, 0, 2), ((C, (0, 1, 2)),), 0.5)])
    for found in (H.dense(), (H + H).dense(), (H / 3).dense(), H @ np.ones((3, 2), np.float32), H.diagonal()):
        assert found.dtype == np.float32


def test_an_array_is_a_tensor_of_one_part():
    X = np.arange(6.0).reshape(2, 3)
    assert (as_factored(X).dense() == X).all()


def test_whole_numbers_are_scaled_as_floats():
    numbers = np.arange(4).reshape(2, 2)
    half = as_factored(numbers) / 2
    close(half, numbers / 2)
    close(half @ np.array([1, 1]), numbers @ [1, 1] / 2)
    assert half.trace() == 1.5
    close(as_factored(numbers > 0) + as_factored(numbers > 0), 2.0 * (numbers > 0))
