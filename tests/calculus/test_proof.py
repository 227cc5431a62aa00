"""Claims about partials and identities: a true row is proved, a false one not, and the terms that differ are shown."""

import pytest

from einstan.calculus.program import Program
from einstan.calculus.proof import prove, prove_partial
from einstan.language import parse

DENSE = "Z[n,j] = X[n,K] W[K,j] + b[j]"
SOFTMAX = "S[n,c] = exp(Z[n,c]) / sum[K](exp(Z[n,K]))"

CLAIMS = [
    (DENSE, "dZ[n,j]/dX[m,p] = δ[n,m] W[p,j]", True),
    (DENSE, "dZ[a,b]/dX[c,d] = W[d,b] δ[c,a]", True),
    (DENSE, "dZ[n,j]/dW[p,q] = X[n,p] δ[j,q]", True),
    (DENSE, "dZ[n,j]/db[q] = δ[j,q]", True),
    (DENSE, "dZ[n,j]/dX[m,p] = δ[n,m] W[j,p]", False),
    (DENSE, "dZ[n,j]/dX[m,p] = 2 δ[n,m] W[p,j]", False),
    (DENSE, "dZ[n,j]/dX[m,p] = W[p,j]", False),
    (DENSE, "dZ[n,j]/dX[m,p] = -δ[n,m] W[p,j]", False),
    (SOFTMAX, "dS[n,c]/dZ[m,k] = S[n,c] δ[n,m] (δ[c,k] - S[n,k])", True),
    (SOFTMAX, "dS[n,c]/dZ[m,k] = δ[n,m] (S[n,c] δ[c,k] - S[m,c] S[m,k])", True),
    (SOFTMAX, "dS[n,c]/dZ[m,k] = S[n,c] δ[n,m] (δ[c,k] - S[n,c])", False),
    (SOFTMAX, "dS[n,c]/dZ[m,k] = S[n,c] δ[n,m] (1 - S[n,k])", False),
    ("A[n] = 1 / (1 + exp(-Z[n]))", "dA[n]/dZ[m] = A[n] (1 - A[n]) δ[n,m]", True),
    ("A[n] = tanh(Z[n])", "dA[n]/dZ[m] = (1 - A[n]) (1 + A[n]) δ[n,m]", True),
    ("A[n] = relu(Z[n])", "dA[n]/dZ[m] = 1[Z[m] > 0] δ[n,m]", True),
    ("A[n] = relu(Z[n])", "dA[n]/dZ[m] = 1[0 < Z[n]] δ[n,m]", True),
    ("A[n] = relu(Z[n])", "dA[n]/dZ[m] = 1[Z[m] >= 0] δ[n,m]", False),
    ("T = A[I,J] B[J,I]", "dT/dA[p,q] = B[q,p]", True),
    ("T = A[I,J] B[J,I]", "dT/dA[p,q] = B[p,q]", False),
    ("q = x[I] A[I,J] x[J]", "dq/dx[p] = (A[p,J] + A[J,p]) x[J]", True),
    ("q = x[I] A[I,J] x[J]", "dq/dx[p] = 2 A[p,J] x[J]", False),
    ("Y[i] = X[i+J] W[J]", "dY[i]/dX[p] = pad(W[p-i])", True),
    ("Y[i] = X[i+J] W[J]", "dY[i]/dX[p] = 1[0 <= p-i < |W.0|] W[p-i]", True),
    ("Y[i] = X[i+J] W[J]", "dY[i]/dX[p] = pad(W[i-p])", False),
    ("Y[i] = X[i+J] W[J]", "dY[i]/dX[p] = 1[0 <= p-i < |W.0|] 1[-1 <= p-i <= |W.0|] W[p-i]", True),
    ("Y[i] = X[i+J] W[J]", "dY[i]/dX[p] = 1[0 <= p-i < |W.0|-1] W[p-i]", False),
    ("Y[n,d] = E[T[n],d]", "dY[n,d]/dE[v,e] = δ[d,e] δ[v,T[n]]", True),
    ("Y[n,d] = E[T[n],d]", "dY[n,d]/dE[v,e] = δ[T[n],v] δ[d,v]", False),
    ("m[i] = mean[K](X[i,K])", "dm[i]/dX[p,q] = 1/|q| δ[i,p]", True),
    ("r = sqrt(sum[I](x[I]^2))", "dr/dx[i] = x[i] / r", True),
    ("N[i] = x[i] / sum[J](x[J])", "dN[i]/dx[p] = (δ[i,p] - N[i]) / sum[J](x[J])", True),
    ("y = prod[K](x[K])", "dy/dx[p] = prod[K](x[K] + δ[K,p] (1 - x[K]))", True),
]


@pytest.mark.parametrize(("text", "claim", "true"), CLAIMS)
def test_claimed_partial(text: str, claim: str, true: bool) -> None:
    proof = prove_partial(parse(claim), Program([parse(text)]))
    assert proof.proved is true
    assert bool(proof.difference) is not true


def test_the_difference_names_forward_values() -> None:
    proof = prove_partial(parse("dZ[n,j]/dX[m,p] = δ[n,m] W[p,j] + b[j]"), Program([parse(DENSE)]))
    assert [str(term) for term in proof.difference] == ["-b[j]"]


IDENTITIES = [
    ("(a[i] + b[i])^2", "a[i]^2 + 2 a[i] b[i] + b[i]^2"),
    ("exp(x[i]) exp(y[i])", "exp(x[i] + y[i])"),
    ("log(exp(x[i]) y[i])", "x[i] + log(y[i])"),
    ("sum[K](exp(x[K]))", "exp(logsumexp[K](x[K]))"),
    ("sum[K](softmax[K](x[i,K]))", "1 1[i]"),
    ("logsumexp[K](x[K] + c)", "c + logsumexp[K](x[K])"),
    ("a[i] / (a[i] + b[i]) + b[i] / (a[i] + b[i])", "1 1[i]"),
    ("A[i,K] B[K,L] C[L,j]", "C[L,j] A[i,K] B[K,L]"),
    ("mean[K](x[K] - mean[J](x[J]))", "0"),
    ("sum[I,J]((x[I] - x[J])^2)", "2 |I| x[I]^2 - 2 sum[I,J](x[I] x[J])"),
    ("1 - sigmoid(x[i])", "sigmoid(-x[i])"),
    ("softplus(x[i]) - softplus(-x[i])", "x[i]"),
    ("δ[i,K] A[K,j]", "A[i,j]"),
    ("A[I,I]", "δ[I,J] A[I,J]"),
    ("sqrt(x[i]) sqrt(x[i])", "x[i]"),
    ("tanh(-x[i])", "-tanh(x[i])"),
    ("X[N,K] 1[N]", "X[N,K]"),
]


@pytest.mark.parametrize(("left", "right"), IDENTITIES)
def test_identity(left: str, right: str) -> None:
    assert prove(*sides(left, right)).proved
    assert not prove(*sides(left, f"{right} + 1")).proved
    assert not prove(*sides(left, f"-({right}) + a0")).proved


def sides(left: str, right: str):  # type: ignore[no-untyped-def]
    """Two expressions with the dimensions of one program, and so comparable."""
    head = "[i,j]" if "[i,j]" in left or ",j]" in left else "[i]"
    a, b = parse(f"u{head} = {left}"), parse(f"u2{head} = {right}")
    both = Program([a, b, parse(f"together{head} = u{head} + u2{head}")])
    one, two = both.resolved(a), both.resolved(b)
    return one.rhs, two.rhs
