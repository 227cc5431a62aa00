"""Symmetric products: half of the work, exact symmetry, and the same numbers as any other way."""

import numpy as np
import pytest

import einstan as es
from einstan.machine.backends.numpy import gram
from einstan.machine.passes.squares import taken_apart
from einstan.machine.plan.plan import plan
from tests.machine import reference

RNG = np.random.default_rng(0)

GRAMS = [  # text, shapes, the same by einsum
    ("H[k,l] = X[N,k] X[N,l]", {"X": (7, 20)}, "nk,nl->kl", "XX"),
    ("H[k,l] = X[N,k] w[N] X[N,l]", {"X": (7, 20), "w": (7,)}, "nk,n,nl->kl", "XwX"),
    ("H[k,l] = w[N] v[N] X[N,k] X[N,l]", {"X": (30, 20), "w": (30,), "v": (30,)}, "n,n,nk,nl->kl", "wvXX"),
    ("H[k,c,l,p] = X[N,k] S[N,c] X[N,l] S[N,p]", {"X": (9, 5), "S": (9, 4)}, "nk,nc,nl,np->kclp", "XSXS"),
    ("H[k,l] = A[N,M,k] B[N,M] A[N,M,l]", {"A": (3, 4, 20), "B": (3, 4)}, "nmk,nm,nml->kl", "ABA"),
]


@pytest.mark.parametrize(("text", "shapes", "spec", "order"), GRAMS)
def test_a_gram_matrix(text, shapes, spec, order):
    arrays = {name: RNG.normal(size=shape) for name, shape in shapes.items()}  # weights of both signs
    compiled = es.parse(text).compile()
    found = compiled(**arrays)["H"]
    assert "gram(" in compiled.source()
    assert "syrk" in str(compiled.plan)
    np.testing.assert_allclose(found, np.einsum(spec, *(arrays[name] for name in order)), rtol=1e-12, atol=1e-12)
    half = found.ndim // 2
    assert (found == found.transpose(*range(half, 2 * half), *range(half))).all()


SQUARES = [  # of products: whether every two columns of the larger factor are multiplied once, for weights
    ("H[k,c,l,p] = X[N,k] S[N,c] X[N,l] S[N,p]", {"X": (9, 5), "S": (9, 4)}, True),
    ("H[c,k,p,l] = 3 S[N,c] X[N,k] X[N,l] S[N,p]", {"X": (9, 5), "S": (9, 4)}, True),
    ("H[a,k,c,l,b,p] = X[N,k,a] S[N,c] X[N,l,b] S[N,p]", {"X": (3, 3, 2), "S": (3, 4)}, True),
    ("H[k,c,l,p] = X[N,M,k] S[M,N,c] X[N,M,l] S[M,N,p]", {"X": (3, 2, 5), "S": (2, 3, 4)}, True),
    ("H[k,c,l,p] = X[N,k] S[c] X[N,l] S[p]", {"X": (9, 5), "S": (4,)}, False),
    ("H[k,c,l,p] = X[N,k] S[N,c] X[N,l] S[N,p]", {"X": (99, 5), "S": (99, 4)}, False),  # which is small beside them
    ("H[k,l] = X[N,k] X[N,l]", {"X": (7, 20)}, False),
]


@pytest.mark.parametrize(("text", "shapes", "apart"), SQUARES)
def test_squares_of_products(text, shapes, apart):
    made = plan(es.Program(text), shapes=shapes)
    graph, tensors = taken_apart(made.graph, made.tensors, made.outputs, made.extents.known)
    assert any(operation.kind == "grams" for operation in graph.operations) == apart
    arrays = {name: RNG.normal(size=shape) for name, shape in shapes.items()}
    before, after = (
        reference.evaluation(*each, made.outputs, made.extents.known, arrays)[0]
        for each in ((made.graph, made.tensors), (graph, tensors))
    )
    np.testing.assert_allclose(after["H"], before["H"], rtol=1e-12, atol=1e-12)


MANY = [  # with weights that have free indices: a symmetric product for each of their values
    ("H[i,k,l] = M[i,N] X[N,k] X[N,l]", {"M": (9, 20), "X": (20, 4)}, "in,nk,nl->ikl", "MXX", (0, 2, 1)),
    ("H[k,i,l] = M[N,i] X[N,k] X[N,l] v[N]", {"M": (20, 9), "X": (20, 4), "v": (20,)},
     "ni,nk,nl,n->kil", "MXXv", (2, 1, 0)),
    ("H[k,i,l,j] = M[i,N,j] X[N,k] X[N,l]", {"M": (3, 20, 4), "X": (20, 5)}, "inj,nk,nl->kilj", "MXX", (2, 1, 0, 3)),
    ("H[i,k,c,l,p] = M[i,N] X[N,k] S[N,c] X[N,l] S[N,p]", {"M": (30, 17), "X": (17, 3), "S": (17, 2)},
     "in,nk,nc,nl,np->ikclp", "MXSXS", (0, 3, 4, 1, 2)),
    ("H[i,k,l] = M[i,N,Q] A[N,Q,k] A[N,Q,l]", {"M": (9, 4, 5), "A": (4, 5, 3)}, "inq,nqk,nql->ikl", "MAA", (0, 2, 1)),
]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    "options", [{}, {"any_size": True}, {"reuse_buffers": True}, pytest.param({"fast": True}, marks=pytest.mark.numba)]
)
@pytest.mark.parametrize(("text", "shapes", "spec", "order", "turned"), MANY)
def test_many_gram_matrices(text, shapes, spec, order, turned, options, dtype):
    arrays = {name: RNG.normal(size=shape).astype(dtype) for name, shape in shapes.items()}
    compiled = es.parse(text).compile(**options)
    found = compiled(**arrays)["H"]
    if not options.get("fast"):
        assert "grams(" in compiled.source()
    tolerance = 1e-12 if dtype == "float64" else 1e-4
    expected = np.einsum(spec, *(arrays[name].astype(float) for name in order))
    assert found.dtype == dtype
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)
    assert (found == found.transpose(turned)).all()
    assert "matmul, half" in str(compiled.plan)


def test_many_gram_matrices_cost_half():
    """Of k (k + 1) / 2 pairs of columns: a product for each row, and two operations for each row and weight."""
    made = plan(es.parse("H[i,k,l] = M[i,N] X[N,k] X[N,l]"), {"i": 50, "X.0": 40, "k": 6})
    assert made.flops == 21 * (40 + 2 * 50 * 40)


@pytest.mark.parametrize(
    "text",
    [
        "H[k,l] = X[N,k] V[N,l]",  # two arrays
        "H[c,k,l] = S[N,c] X[N,k] X[N,l]",  # a batch of them
        "H[k,l] = X[N,k] X[N,l] / w[N]",
        "H = X[N,K] X[N,K]",
        "H[k,l] = X[k,N] C[N,M] X[l,M]",  # C need not be symmetric
    ],
)
def test_what_is_not_one(text):
    sizes = dict.fromkeys("kl", 20) | {"C.0": 20, "X.0": 20, "X.1": 20, "V.1": 20, "S.1": 3, "V.0": 20}
    equation = es.parse(text)
    known = {k: v for k, v in sizes.items() if len(k) == 1 or k.split(".")[0] in map(str, equation.program.inputs)}
    known = {k: v for k, v in known.items() if len(k) > 1 or k in text}
    assert "syrk" not in str(plan(equation, known))


def test_weights_that_are_not_numbers_are_not_lost():
    rows = np.ones((3, 2))
    assert np.isnan(gram(rows, np.array([1.0, np.nan, -1.0]))).all()
    assert np.isnan(gram(rows, np.array([1.0, np.nan, 1.0]))).all()
    with np.errstate(invalid="ignore"):
        assert not np.isfinite(gram(rows, np.array([1.0, np.inf, -np.inf]))).any()


def test_a_large_value_that_several_operands_read_is_deleted_once():
    """The memory of a dead temporary is given back once, also where one operation reads it twice."""
    program = es.Program("F[n,k,c] = X[n,k] S[n,c]\nH[k,c,l,p] = F[N,k,c] F[N,l,p]\nG[k,c,l] = F[N,k,c] X[N,l]")
    X, S = RNG.normal(size=(200, 64)), RNG.normal(size=(200, 12))
    found = program.compile(outputs=["G", "H"])(X=X, S=S)
    np.testing.assert_allclose(found["G"], np.einsum("nk,nc,nl->kcl", X, S, X), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(found["H"][0, 0], np.einsum("n,n,nl,np->lp", X[:, 0], S[:, 0], X, S), atol=1e-10)


def test_two_operands_with_the_same_indices_do_not_mislead_the_path():
    made = plan(es.parse("H[k,l] = X[N,k] u[N] v[N] V[N,l]"), {"X.0": 100, "k": 50, "l": 50})
    assert made.flops < 520_000
