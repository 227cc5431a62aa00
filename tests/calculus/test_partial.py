"""Partials: a row per rule of the calculus, with the answer as a person would write it."""

import pytest

from einstan.calculus.partial import partial
from einstan.language import parse

ROWS = [
    # equation, with respect to, the partial
    ("Z[n,j] = X[n,K] W[K,j] + b[j]", "X", "dZ[n,j]/dX[m,k] = δ[n,m] W[k,j]"),
    ("Z[n,j] = X[n,K] W[K,j] + b[j]", "W", "dZ[n,j]/dW[k,q] = X[n,k] δ[j,q]"),
    ("Z[n,j] = X[n,K] W[K,j] + b[j]", "b", "dZ[n,j]/db[q] = δ[j,q]"),
    ("A[n,j] = relu(Z[n,j])", "Z", "dA[n,j]/dZ[m,q] = 1[Z[n,j] > 0] δ[n,m] δ[j,q]"),
    ("A[n] = tanh(Z[n])", "Z", "dA[n]/dZ[m] = (1 - tanh(Z[n])^2) δ[n,m]"),
    ("L = -1/|N| Y[N,J] log(S[N,J])", "S", "dL/dS[n,j] = -Y[n,j] / (|n| S[n,j])"),
    ("L = 1/2 (O[I,J] - Y[I,J])^2", "O", "dL/dO[i,j] = O[i,j] - Y[i,j]"),
    ("L = 1/(|I| |J|) (O[I,J] - Y[I,J])^2", "O", "dL/dO[i,j] = 2 (O[i,j] - Y[i,j]) / (|i| |j|)"),
    ("T = A[I,I]", "A", "dT/dA[i,p] = δ[i,p]"),
    ("D[i] = A[i,i]", "A", "dD[i]/dA[p,q] = δ[i,p] δ[i,q]"),
    ("q = x[I] A[I,J] x[J]", "x", "dq/dx[i] = x[J] (A[i,J] + A[J,i])"),
    ("Y[i] = X[i+J] W[J]", "W", "dY[i]/dW[j] = X[i+j]"),
    ("Y[i] = X[i+J] W[J]", "X", "dY[i]/dX[p] = pad(W[p-i])"),
    ("Y[n,d] = E[T[n],d]", "E", "dY[n,d]/dE[p,q] = δ[T[n],p] δ[d,q]"),
    ("m[i] = mean[K](X[i,K])", "X", "dm[i]/dX[p,k] = δ[i,p] / |k|"),
    ("y = sum[K](exp(x[K]))", "x", "dy/dx[k] = exp(x[k])"),
    ("y = logsumexp[K](x[K])", "x", "dy/dx[k] = softmax[k](x[k])"),
    ("y[i] = x[i]^3", "x", "dy[i]/dx[p] = 3 x[i]^2 δ[i,p]"),
    ("y = sqrt(sum[I](x[I]^2))", "x", "dy/dx[i] = x[i] / sqrt(x[I]^2)"),
    ("y[i] = x[i] sigmoid(x[i])", "x", "dy[i]/dx[p] = sigmoid(x[i]) (1 + x[i] (1 - sigmoid(x[i]))) δ[i,p]"),
]


@pytest.mark.parametrize(("text", "wrt", "expected"), ROWS, ids=[f"{r[0]} wrt {r[1]}" for r in ROWS])
def test_partial(text: str, wrt: str, expected: str) -> None:
    derived = partial(parse(text), wrt)
    assert str(derived) == expected
    assert parse(str(derived)) is derived
