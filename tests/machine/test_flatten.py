"""Single operations: what is shared, what is dropped, what is used up."""

import pytest

from einstan.calculus.program import Program
from einstan.language import parse
from einstan.machine.graph.flatten import flatten


def operations(*texts, outputs=None):
    """The operations that the outputs need, as ``kind`` or ``kind detail``."""
    flat = flatten(Program([parse(text) for text in texts]), outputs)
    roots = [flat.tensors[name].value for name in flat.outputs if flat.tensors[name].value is not None]
    found = []
    for value in sorted(flat.graph.needed(roots)):
        operation = flat.graph.operations[value]
        if operation.kind not in ("input", "number"):
            name = operation.detail[0] if operation.kind == "map" else operation.detail
            found.append(f"{operation.kind} {name}" if operation.kind in ("map", "reduce") else operation.kind)
    return found


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        # a maximal product is one contraction
        (["y[i,l] = A[i,J] B[J,K] C[K,l]"], ["contract"]),
        (["y[i] = A[i,J] sum[K](B[J,K] c[K])"], ["contract"]),
        (["y[n] = mean[K](A[n,K] b[K])"], ["contract", "map scale"]),
        (["y = 1/2 (A[I,J] - B[I,J])^2"], ["map add", "contract", "map scale"]),
        # the same value in other letters
        (["y[i] = exp(x[i])", "z[n] = exp(x[n]) + 1"], ["map exp", "map add"]),
        (["y[i,j] = exp(A[i,j])", "z[j,i] = 2 exp(A[i,j])"], ["map exp", "map scale"]),
        (["y[i] = A[i,K] x[K]", "z[n] = tanh(A[n,J] x[J])"], ["contract", "map tanh"]),
        (["y = mean[K](x[K])", "z = mean[J](x[J])"], ["contract", "map scale"]),
        # deltas are equalities
        (["y[i] = δ[i,K] x[K]"], []),
        (["y[i] = δ[i,K] δ[K,J] x[J]"], []),
        (["y[i,p] = δ[i,p] x[i]"], ["embed"]),
        (["y[i,p] = δ[i,p] A[i,p]"], ["diagonal", "embed"]),
        (["y = A[I,I]"], ["diagonal", "contract"]),
        # index arithmetic in a product is left to the sizes
        (["y[p] = 1[0 <= p-I < |w.0|] w[p-I] X[I] where |p| = |X.0|"], ["linked"]),
        (["y[p] = X[I] δ[2I+3J,p] w[J] where |p| = 2 |X.0| + 3 |w.0|"], ["linked"]),
        # brackets that only say that a read is inside
        (["y[i] = 1[1 <= i] X[i-1]"], ["read"]),
        (["y[i] = 1[2 <= i] X[i-1]"], ["read", "iota", "map <=", "map select"]),
        # gathers and their transposes
        (["y[n,d] = E[T[n],d]"], ["read"]),
        (["y[v,d] = δ[T[N],v] dY[N,d]"], ["scatter"]),
        (["y[v,d] = δ[T[N],v] A[N,K] B[K,d]"], ["contract", "scatter"]),
        # nothing to compute
        (["y[i] = x[i]"], []),
        (["y[i,j] = 1[i] x[j]"], []),
    ],
)
def test_operations(texts, expected):
    assert operations(*texts) == expected


def test_softmax_needs_one_exponential():
    made = operations("S[n,j] = exp(Z[n,j] - logsumexp[K](Z[n,K]))")
    assert made == ["reduce max of all", "map add", "map exp", "contract", "contract"]


def test_softmax_is_recognised_through_names():
    made = operations(
        "Z[n,j] = X[n,K] W[K,j] + b[j]",
        "M[n] = logsumexp[K](Z[n,K])",
        "S[n,j] = exp(Z[n,j] - M[n])",
        "L = Y[N,J] (Z[N,J] - M[N])",
        outputs=["S", "L"],
    )
    assert made.count("map exp") == 1


def test_what_no_output_needs_is_dropped():
    assert operations("y[i] = exp(x[i])", "z[i] = tanh(x[i])", outputs=["z"]) == ["map tanh"]


def test_nested_squares_do_not_grow():
    text = "x[i]"
    for _ in range(60):
        text = f"({text} + 1)^2"
    assert len(operations(f"y[i] = {text}")) == 120
