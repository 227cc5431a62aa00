"""Where a capital is summed: the smallest product that holds every occurrence of it within its top-level term."""

from __future__ import annotations

import pytest

from einstan.language import Extent, ScopeError, Sum, parse
from einstan.language.node import preorder

# The implicit spelling, and the one with every sum written out.
BINDINGS = [
    ("Z[n,j] = X[n,K] W[K,j] + b[j]", "Z[n,j] = sum[K](X[n,K] W[K,j]) + b[j]"),
    ("Y[i] = relu(X[i,K] W[K] + b[i])", "Y[i] = relu(sum[K](X[i,K] W[K]) + b[i])"),
    ("L = 1/2 (O[I,J] - Y[I,J])^2", "L = sum[I,J](1/2 (O[I,J] - Y[I,J])^2)"),
    ("db[j] = dZ[N,j]", "db[j] = sum[N](dZ[N,j])"),
    ("db[j] = dZ[N,j] 1[N]", "db[j] = sum[N](dZ[N,j] 1[N])"),
    ("T = A[I,I]", "T = sum[I](A[I,I])"),
    ("T = log(A[N,N])", "T = log(sum[N](A[N,N]))"),
    ("L = X[K]^2", "L = sum[K](X[K]^2)"),
    ("L = 1 / X[K]", "L = sum[K](1 / X[K])"),
    ("L = 1 / (X[K] Y[K])", "L = 1 / (sum[K](X[K] Y[K]))"),
    ("Z[i] = (A[i,K] B[K]) C[i]", "Z[i] = sum[K](A[i,K] B[K]) C[i]"),
    ("Z[i] = A[i,K] B[K] C[i]", "Z[i] = sum[K](A[i,K] B[K] C[i])"),
    ("Z[i] = (A[i,K] + b) C[i]", "Z[i] = (sum[K](A[i,K]) + b) C[i]"),
    ("Z[i] = (A[i,K] + B[i,K]) C[i]", "Z[i] = sum[K]((A[i,K] + B[i,K]) C[i])"),
    ("Z[i] = relu(A[i,K] B[K]) relu(C[K])", "Z[i] = sum[K](relu(A[i,K] B[K]) relu(C[K]))"),
    ("Z[i] = A[i,K] B[K] + C[i,K] D[K]", "Z[i] = sum[K](A[i,K] B[K]) + sum[K](C[i,K] D[K])"),
    ("Z[i] = A[K,L] B[L,K,i]", "Z[i] = sum[K,L](A[K,L] B[L,K,i])"),
    ("Z[i] = A[L,K] B[L,K,i]", "Z[i] = sum[L,K](A[L,K] B[L,K,i])"),
    ("Z[d] = E[T[N],d]", "Z[d] = sum[N](E[T[N],d])"),
    ("Y[i] = X[i+J] W[J]", "Y[i] = sum[J](X[i+J] W[J])"),
    ("S[n] = exp(Z[n]) / sum[K](exp(Z[K]))", "S[n] = exp(Z[n]) / sum[K](exp(Z[K]))"),
    ("m = mean[N](log(P[N]))", "m = mean[N](log(P[N]))"),
    ("m = mean[N](A[N,K])", "m = mean[N](sum[K](A[N,K]))"),
    (
        "O[q,d] = softmax[K](Q[q,E] M[K,E]) V[K,d]",
        "O[q,d] = sum[K](softmax[K](sum[E](Q[q,E] M[K,E])) V[K,d])",
    ),
    ("Z[i] = 1[X[i,K] > 0] A[i,K]", "Z[i] = sum[K](1[X[i,K] > 0] A[i,K])"),
    ("Z[p] = 1[0 <= p-I < |w.0|] w[p-I] y[I]", "Z[p] = sum[I](1[0 <= p-I < |w.0|] w[p-I] y[I])"),
    ("Z[i] = δ[i,K] A[K]", "Z[i] = sum[K](δ[i,K] A[K])"),
]


@pytest.mark.parametrize(("implicit", "explicit"), BINDINGS)
def test_a_capital_is_summed_over_the_smallest_product(implicit: str, explicit: str) -> None:
    assert parse(implicit) is parse(explicit)


@pytest.mark.parametrize(
    ("text", "outside", "inside"),
    [
        ("L = log(P[N])", "L = sum[N](log(P[N]))", "L = log(sum[N](P[N]))"),
        ("L = (A[K] + b)^2", "L = sum[K]((A[K] + b)^2)", "L = (sum[K](A[K]) + b)^2"),
        ("L = a / (b[K])", "L = sum[K](a / (b[K]))", "L = a / (sum[K](b[K]))"),
        ("L = 2 log(|N| P[N])", "L = sum[N](2 log(|N| P[N]))", "L = 2 log(sum[N](|N| P[N]))"),
        ("L = c - exp(P[N])", "L = c - sum[N](exp(P[N]))", "L = c - exp(sum[N](P[N]))"),
        ("L = max[J](A[J,K])", "L = sum[K](max[J](A[J,K]))", "L = max[J](sum[K](A[J,K]))"),
        ("L = log(softmax[K](X[K]))", "L = sum[K](log(softmax[K](X[K])))", "L = log(sum[K](softmax[K](X[K])))"),
    ],
)
def test_one_occurrence_inside_a_function_is_refused_with_both_spellings(text: str, outside: str, inside: str) -> None:
    with pytest.raises(ScopeError) as caught:
        parse(text)
    assert caught.value.repair == (outside, inside)
    assert parse(outside) is not parse(inside)


def test_a_term_may_lack_a_free_index_and_so_may_the_right_side() -> None:
    assert str(parse("dZ[n,j]/db[q] = δ[j,q]")) == "dZ[n,j]/db[q] = δ[j,q]"
    assert str(parse("Z[n,j] = b[j]")) == "Z[n,j] = b[j]"
    assert str(parse("Z[n,j] = X[n,j] + b[j] + c")) == "Z[n,j] = X[n,j] + b[j] + c"


def test_the_two_letters_of_one_spelling_may_run_over_different_axes() -> None:
    first, second = parse("Z[i] = A[i,K] B[K] + C[i,K] D[K]").rhs.terms
    assert isinstance(first, Sum)
    assert first.indices[0].dim == "A.1"
    assert second.indices[0].dim == "C.1"


@pytest.mark.parametrize(
    ("text", "dim"),
    [
        ("L = |N| X[N]", "X.0"),
        ("L = |n| X[N]", "X.0"),
        ("Y[i] = |i| X[J]", "Y.0"),
        ("Y[i] = |X.0| X[J]", "X.0"),
        ("Y[i] = |w| w[i]", "Y.0"),
        ("Y[i] = |Q| x[i]", "Q"),
    ],
)
def test_extents_lead_to_an_axis(text: str, dim: str) -> None:
    extents = [node for node in preorder(parse(text).rhs) if isinstance(node, Extent)]
    assert [extent.index.dim for extent in extents] == [dim]
