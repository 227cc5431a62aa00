"""The checker: a table of documents and the mark of each claim, and what a report says."""

import json
from html.parser import HTMLParser

import pytest

import einstan as es
from einstan.language import parse_document
from einstan.library import slips
from einstan.library.cli import main
from einstan.library.command_check import judged
from einstan.library.part import Part

DENSE = "Z[n,j] = X[n,K] W[K,j] + b[j]\n"
SOFTMAX = "S[n,c] = exp(Z[n,c]) / sum[K](exp(Z[n,K]))\nL = -1/|N| Y[N,C] log(S[N,C])\n"

# A document whose claims stand behind their marks: ✓ proved, ≈ verified, + one of the two, ~ equal but at a kink,
# ✗ refuted, ? left open.
ROUTING = """\
U[i,j,d] = W[i,j,d,E] x[i,E]
s1[j,d] = 1/|j| U[I,j,d]
n1[j] = s1[j,D]^2
v1[j,d] = n1[j] s1[j,d] / ((1 + n1[j]) sqrt(n1[j] + eps))
a2[i,j] = U[i,j,D] v1[j,D]
c2[i,j] = exp(a2[i,j]) / sum[J](exp(a2[i,J]))
s2[j,d] = c2[I,j] U[I,j,d]
n2[j] = s2[j,D]^2
v2[j,d] = n2[j] s2[j,d] / ((1 + n2[j]) sqrt(n2[j] + eps))
q[j] = sqrt(v2[j,D]^2)
L = T[J] relu(0.9 - q[J])^2 + 0.5 (1 - T[J]) relu(q[J] - 0.1)^2
"""
MESSAGES = """\
e[t,k] = X[t,D] W[D,k]
a0[k] = s[k] + e[0,k]
a1[k] = logsumexp[J](a0[J] + B[J,k]) + e[1,k]
a2[k] = logsumexp[J](a1[J] + B[J,k]) + e[2,k]
a3[k] = logsumexp[J](a2[J] + B[J,k]) + e[2,k]
L = logsumexp[K](a3[K]) - Y[T,K] e[T,K]
"""
MASKED = """\
C[i,j] = X[i,D] M[D,E] X[j,E]
A[i,j] = 1[j <= i] exp(C[i,j]) / sum[J](1[J <= i] exp(C[i,J]))
V[i,d] = X[i,E] N[E,d]
R[i,d] = X[i,d] + A[i,J] V[J,d]
m[i] = mean[D](R[i,D])
v[i] = mean[D]((R[i,D] - m[i])^2)
O[i,d] = g[d] (R[i,d] - m[i]) / sqrt(v[i] + eps) + h[d]
L = -1/|I| sum[I](Y[I,C] O[I,C] - logsumexp[C](O[I,C]))
"""
INVERSE = "given V[i,j](A[I,J])\nassume dV[i,j]/dA[p,q] = -V[i,p] V[q,j]\nassume V[i,K] A[K,j] = δ[i,j]\n"
ROWS = {
    "derivatives": DENSE + "✓ dZ[n,j]/dX[m,p] = δ[n,m] W[p,j]\n✗ dZ[n,j]/dX[m,p] = δ[n,m] W[j,p]\n"
    "✓ dZ[n,j]/db[q] = δ[j,q]",
    "the derivative of a tensor with respect to itself": DENSE + "✓ dZ[n,j]/dZ[m,p] = δ[n,m] δ[j,p]\n"
    "✗ dZ[n,j]/dZ[m,p] = δ[n,m]",
    "gradients": DENSE + "L = 1/2 (Z[N,J] - Y[N,J])^2\n✓ claim dZ[n,j] = Z[n,j] - Y[n,j]\n"
    "✓ claim dW[p,q] = X[N,p] dZ[N,q]\n"
    "✗ claim dW[p,q] = 2 X[N,p] dZ[N,q]\n✓ claim dL = 1",
    # gradients of deep programs, by the lines of the backward pass
    "routing in two rounds": ROUTING + "✓ claim dv2[j,d] = dq[j] v2[j,d] / q[j]\n"
    "✓ claim da2[p,m] = c2[p,m] (dc2[p,m] - sum[J](dc2[p,J] c2[p,J]))\n"
    "✓ claim da2[i,j] = c2[i,j] (ds2[j,D] U[i,j,D] - sum[J](c2[i,J] ds2[J,D] U[i,J,D]))\n"
    "✓ dL/dx[n,e] = W[n,J,D,e] dL/dU[n,J,D]\n"
    "✓ claim dW[i,j,d,e] = (ds1[j,d] / |j| + c2[i,j] ds2[j,d] + da2[i,j] v1[j,d]) x[i,e]\n"
    "✗ claim dv2[j,d] = dq[j] v2[j,d]\n✗ claim dc2[i,j] = U[i,j,D] dv2[j,D]",
    "a chain of log-sum-exps": MESSAGES + "✓ claim dX[t,p] = W[p,K] de[t,K]\n"
    "✓ dL/dW[p,q] = sum[T](dL/de[T,q] X[T,p])\n"
    "✓ claim da2[j] = sum[K](exp(a2[j] + B[j,K] + e[2,K] - a3[K]) da3[K])\n"
    "✗ claim da2[j] = exp(a2[j] + B[j,K] - a3[K]) da3[K]\n✗ claim dW[p,q] = X[T,p] g[T,q]",
    "a masked softmax between": MASKED + "✓ claim dC[i,j] = A[i,j] (dA[i,j] - A[i,K] dA[i,K])\n"
    "✓ claim dV[j,d] = sum[I](1[I >= j] A[I,j] dR[I,d])\n✓ claim dM[e,d] = X[I,e] dC[I,J] X[J,d]\n"
    "✗ claim dM[e,d] = X[I,e] dC[J,I] X[J,d]",
    "no name of a line of the pass is the reader's": "S[n,c] = softmax[c](Z[n,c])\n"
    "L = -sum[N,C](Y[N,C] log(S[N,C])) + sum[N,C](S[N,C]^2)\n"
    "✗ claim dZ[n,c] = S[n,c] (dS2[n,c] - S[n,C] dS2[n,C] + sum[C](Y[n,C])) - Y[n,c]\n"
    "✓ claim dS[n,c] = 2 S[n,c] - Y[n,c] / S[n,c]",
    "a gradient that a definition reads": "e[n] = x[n] w\nL = sum[N](exp(e[N]))\ng[n] = dL/de[n]\n"
    "✓ claim dw = x[N] g[N]\n✓ claim dw = x[N] de[N]\n✗ claim dw = g[N] 1[N]",
    "an assumption that is needed": SOFTMAX + "assume sum[C](Y[n,C]) = 1\n✓ claim dZ[n,c] = (S[n,c] - Y[n,c]) / |n|\n"
    "✗ claim dZ[n,c] = (S[n,c] - Y[n,c]) / |c|",
    "the same without the assumption": SOFTMAX + "✗ claim dZ[n,c] = (S[n,c] - Y[n,c]) / |n|",
    "parts do not share assumptions": "assume sum[C](Y[n,C]) = 1\n✓ claim sum[C](Y[n,C]) = 1 1[n]\n---\n"
    "✗ claim sum[C](Y[n,C]) = 1 1[n]",
    "identities": "✓ claim (a[i] + b[i])^2 = a[i]^2 + 2 a[i] b[i] + b[i]^2\n"
    "✗ claim (a[i] + b[i])^2 = a[i]^2 + b[i]^2\n"
    "≈ claim sin(x)^2 + cos(x)^2 = 1",
    "second derivatives": "L = 1/2 x[I] A[I,J] x[J]\n✓ dL/dx[i]dx[j] = 1/2 (A[i,j] + A[j,i])\n✗ dL/dx[i]dx[j] = A[i,j]",
    "a derivative on the right of a definition": "L = x[I]^3\ng[i] = dL/dx[i]\n"
    "✓ claim g[i] = 3 x[i]^2\n✓ dg[i]/dx[j] = 6 x[i] δ[i,j]",
    "brackets that decide a product": "r = p 1[-a <= z < 0] + q 1[z >= 0]\n✓ claim 1[z >= 0] r = 1[z >= 0] q\n"
    "✗ claim 1[z >= 0] r = 1[z >= 0] p\n✗ claim 1[z > -1] r = 1[z > -1] q\n✓ claim 1[z < -a] 1[a > 0] r = 0\n"
    "✗ claim 1[z < -a] r = 0\n✗ claim 1[z <= 0] 1[z >= 0] q = 0",
    "brackets that leave one value": "✓ claim 1[x <= a] 1[x >= a] x^2 = 1[x <= a] 1[x >= a] a^2\n"
    "✗ claim 1[x <= a] 1[x >= a] x^2 = 1[x <= a] 1[x >= a] a\n✗ claim 1[x <= a] x^2 = 1[x <= a] a^2",
    "sums over stated extents": "z[i] = δ[i,0] u + δ[i,1] v   where |i| = 2\n"
    "✓ claim logsumexp[I](z[I]) = log(exp(u) + exp(v))\n"
    "✗ claim logsumexp[I](z[I]) = log(exp(u) + 1)\n✓ claim mean[I](z[I]^2) = (u^2 + v^2) / 2\n"
    "✓ claim prod[I](z[I]) = u v\n✗ claim prod[I](z[I]) = u",
    "what a table of positions is compared with": "H[n,d] = E[T[n],d]\nL = 1/2 sum[N,D]((H[N,D] - Y[N,D])^2)\n"
    "✓ claim dL/dE[p,d] = sum[N](1[T[N] == p] (E[p,d] - Y[N,d]))\n"
    "✗ claim dL/dE[p,d] = sum[N](1[T[N] == p] (E[p,d] + Y[N,d]))\n"
    "✓ claim dL/dE[p,d]dE[q,e] = δ[p,q] δ[d,e] sum[N](1[T[N] == p])\n"
    "✗ claim dL/dE[p,d]dE[q,e] = δ[p,q] δ[d,e] sum[N](1[T[N] != p])\n"
    "✓ claim H[n,d] = sum[P](1[T[n] == P] E[P,d])\n✗ claim H[n,d] = sum[P](1[T[n] != P] E[P,d])\n"
    "✓ claim sum[P](1[T[n] != P] E[P,d]) = sum[P](E[P,d]) - H[n,d]",
    "softplus in an exponent": "✓ claim exp(x - log(1 + exp(x))) = sigmoid(x)\n"
    "✓ claim exp(-log(1 + exp(x))) = 1 - sigmoid(x)\n"
    "✗ claim exp(-log(1 + exp(x))) = sigmoid(x)",
    # assumptions hold at every point that is looked at, and no extent of a point is 1
    "a symmetric matrix is no other": "y[i] = P[i,J] H[J,K] x[K]\nassume P[i,j] = P[j,i]\n"
    "✗ claim y[i] = P[i,J] H[K,J] x[K]\n✓ claim y[i] = P[J,i] H[J,K] x[K]",
    "a symmetric matrix is not diagonal": "assume A[i,j] = A[j,i]\n✗ claim A[i,j] = δ[i,j] A[i,i]",
    "a symmetric matrix in a derivative": "y[i] = A[i,J] exp(x[J])\nassume A[i,j] = A[j,i]\n"
    "✗ dy[i]/dx[j] = A[i,j] exp(x[i])\n✓ dy[i]/dx[j] = A[j,i] exp(x[j])",
    "an orthogonal matrix is not symmetric": "assume A[i,J] A[j,J] = δ[i,j]\n✗ claim A[i,j] = A[j,i]",
    "a quadratic form of a symmetric matrix": "f = x[I] P[I,J] x[J]\nassume P[i,j] = P[j,i]\n"
    "✓ claim dx[i] = 2 P[i,J] x[J]\n✗ claim dx[i] = P[i,J] x[J]",
    "a quadratic form of an antisymmetric matrix": "f = x[I] A[I,J] x[J]\nassume A[i,j] = -A[j,i]\n✓ claim f = 0\n"
    "✓ claim A[i,i] = 0 1[i]\n✗ claim f = 1\n✗ claim dx[i] = 2 A[i,J] x[J]",
    "what is true of three entries": "y = prod[I](1 + x[I])\n"
    "✗ claim y = 1 + x[I] + sum[I,J](1[I < J] x[I] x[J]) + sum[I,J,K](1[I < J] 1[J < K] x[I] x[J] x[K])",
    "labels are inside": "p[i,k] = exp(z[i,k]) / sum[K](exp(z[i,K]))\nL = -sum[I,K](1[y[I] == K] log(p[I,K]))\n"
    "assume sum[K](1[y[i] == K]) = 1\n✓ claim dz[i,k] = p[i,k] - 1[y[i] == k]\n✗ claim dz[i,k] = p[i,k]",
    "labels that may be outside": "p[i,k] = exp(z[i,k]) / sum[K](exp(z[i,K]))\n"
    "L = -sum[I,K](1[y[I] == K] log(p[I,K]))\n✗ claim dz[i,k] = p[i,k] - 1[y[i] == k]",
    "an axis that two indices share": "Y[i] = X[2i+J] W[J]\n✗ dY[i]/dW[j] = 2 X[2i+j]\n✓ dY[i]/dW[j] = X[2i+j]",
    "an assumption about another tensor": "assume P[i,j] = δ[i,j] - n[i] n[j]\nassume n[I]^2 = 1\n"
    "✓ claim P[i,K] P[K,j] = P[i,j]\n✗ claim P[i,j] = δ[i,j]",
    "assumptions in a chain": "assume H[i,j] = X[N,i] X[N,j] + δ[i,j]\nassume H[i,K] G[K,j] = δ[i,j]\n"
    "assume w[k] = G[k,J] X[N,J] y[N]\n+ claim H[i,J] w[J] = X[N,i] y[N]\n+ claim G[i,j] = G[j,i]\n"
    "✗ claim H[i,j] = G[i,j]",
    "symmetries of a tensor of elasticity": "assume C[i,j,k,l] = C[j,i,k,l]\nassume C[i,j,k,l] = C[k,l,i,j]\n"
    "W = 1/2 e[I,J] C[I,J,K,L] e[K,L]\n✓ claim de[i,j] = C[i,j,K,L] e[K,L]\n✓ claim C[i,j,k,l] = C[i,j,l,k]\n"
    "✗ claim C[i,j,k,l] = C[i,k,j,l]",
    "an eigenvector": "assume A[i,j] = A[j,i]\nassume A[i,J] v[J] = l v[i]\nassume v[I]^2 = 1\n"
    "✓ claim v[I] A[I,J] v[J] = l\n✗ claim v[I] A[I,J] v[J] = l^2",
    "assumptions that nothing meets": "assume a[i]^2 = -2\n? claim a[i] = 1 1[i]",
    "assumptions that leave nothing": "assume A[i,j] = A[j,i]\nassume A[i,j] = -A[j,i]\n✓ claim A[i,j] = 0 1[i,j]",
    "each root of an assumption": "assume r^3 = r\nassume c^4 = c^2\n✗ claim r^2 = 1\n✗ claim r^2 = r\n"
    "✗ claim c^2 = 1\n✗ claim c = 0\n+ claim r^5 = r",
    "roots that are not rational": "assume r^3 = 2 r\n+ claim r^5 = 4 r\n✗ claim r^2 = 2\n"
    "+ claim 1[r^2 == 2] = r^2 / 2\n? claim sqrt(r^2) 1[r^2 == 2] = floor(r^2)",
    "cases of an assumption": "assume r^3 = 2 r\nassume r > 0\nassume v[i]^3 = 2 v[i]\nassume x (x - 1) (x - 2) = 0\n"
    "+ claim 1[r^2 == 2] = 1\n+ claim 1[r^2 > 2] = 0\n✓ claim r^5 = 4 r\n✓ claim 1[v[i]^2 == 2] = v[i]^2 / 2\n"
    "✓ claim 1[x == 1] + 2 1[x == 2] = x\n✗ claim 1[x == 1] = x\n✗ claim v[i]^2 = v[j]^2\n"
    "? claim sum[I](1[v[I]^2 == 2]) = sum[I](v[I]^2) / 2",
    "a permutation": "assume P[i,K] P[j,K] = δ[i,j]\nassume P[i,j]^2 = P[i,j]\n+ claim P[i,j]^3 = P[i,j]\n"
    "+ claim 1[P[i,j] > 1/2] = P[i,j]\n+ claim 1[P[i,j] != 0] = P[i,j]\n✗ claim P[i,j] = P[j,i]\n"
    "+ claim P[0,K] P[1,K] = 0",
    "a Hessian of an embedding": "H[n,d] = E[T[n],d]\nL = 1/2 sum[N,D]((H[N,D]-Y[N,D])^2)\n"
    "+ dL/dE[p,d]dE[q,e] = δ[p,q] δ[d,e] sum[N](1[T[N] == p])\n✗ dL/dE[p,d]dE[q,e] = δ[p,q] δ[d,e]",
    "a permutation with signs": "assume A[i,K] A[j,K] = δ[i,j]\nassume A[i,j]^3 = A[i,j]\n"
    "+ claim abs(A[i,j]) = A[i,j]^2\n✗ claim abs(A[i,j]) = A[i,j]",
    "an assumption about what is computed": "y[i] = A[i,J] x[J]\nassume y[I] y[I] = 1\n"
    "+ claim A[I,J] x[J] A[I,K] x[K] = 1\n✗ claim x[I]^2 = 1\n✗ claim A[J,I] x[J] A[K,I] x[K] = 1",
    "an assumption about a sum with a name": "y = a + b\nassume y = 1\n+ claim a = 1 - b\n✗ claim a = 1",
    "an assumption about an extent": "y[i] = x[i]^2\nassume |i| = 3\n+ claim sum[I](x[I]^0) = 3\n"
    "✗ claim sum[I](x[I]^0) = 4",
    "an extent of what is computed": "y[i] = x[i]^2\nassume |y.0| = 3\n+ claim |y.0| = 3\n✗ claim |y.0| = 4",
    "extents that definitions tell":
        "d[i] = x[i+1] - x[i]\ne[i] = d[i+1]\ny[p] = sum[I](pad(x[p-I]) w[I]) where |p| = |x.0| + |w.0| - 1\n"
        "+ claim |d.0| = |x.0| - 1\n+ claim |e.0| = |x.0| - 2\n+ claim |y.0| = |x.0| + |w.0| - 1\n"
        "+ claim |d.0| x[0] = (|x.0| - 1) x[0]\n✗ claim |d.0| = |x.0|\n✗ claim |e.0| = |x.0| - 1",
    "the forces of pairs, which a bracket guards":
        "r[i,j] = (x[i]-x[j])^2\nL = sum[I,J](1[I < J] (1/r[I,J]^2 - 1/r[I,J]))\n"
        "+ claim dL/dx[i] = sum[J](1[J != i] (2/r[i,J]^2 - 4/r[i,J]^3) (x[i]-x[J]))\n"
        "✗ claim dL/dx[i] = sum[J](1[J != i] (2/r[i,J]^2 + 4/r[i,J]^3) (x[i]-x[J]))",
    "sums of several lengths over one letter":
        "a = sum[I](x[I+1]^2)\nb = sum[I](x[I+2]^2)\nL = sum[I](x[I+1]^2) + sum[I](x[I+2]^2)\n"
        "+ claim L = a + b\n+ claim sum[I](x[I+1]^2) - sum[I](x[I+2]^2) = x[1]^2\n"
        "✗ claim sum[I](x[I+1]^2) - sum[I](x[I+2]^2) = x[1]^2 - x[|x.0|-1]^2\n"
        "✗ claim L = sum[I](x[I+1]^2 + x[I+2]^2)\n+ claim dL/dx[i] = 2 x[i] (1[i >= 1] + 1[i >= 2])\n"
        "✗ claim dL/dx[i] = 2 x[i] (1[i >= 1] 1[i < |x.0|-1] + 1[i >= 2])",
    "ranges that nothing tells":
        "r[i] = x[mod(i+1,|x.0|)]\n? claim sum[I](r[I]) = sum[I](x[I])\n"
        "? claim r[i] = pad(x[i+1]) + 1[i == |x.0| - 1] x[0]\n? claim sum[I](x[mod(I+1,|x.0|)]) = sum[I](x[I])\n"
        "+ claim sum[I](x[mod(I+1,|x.0|)]) = sum[I](x[I]) where |I| = |x.0|\n"
        "✗ claim sum[I](x[mod(I+1,|x.0|)]) = sum[I](x[I]^2)",
    "ranges that a claim states":
        "c[j] = x[I+j] z[I]\nL = sum[J](y[J+1] c[J])\n? claim sum[P](c[P]) = sum[J](1[J < |c.0|] z[I] pad(x[I+J]))\n"
        "+ claim sum[P](c[P]) = sum[J](1[J < |c.0|] z[I] pad(x[I+J])) where |J| = |c.0|\n"
        "+ claim sum[P](c[P]) = sum[J](1[J < |c.0|] z[I] pad(x[I+J])) where |J| = |x.0|\n"
        "? dL/dx[p] = sum[J](y[J+1] pad(z[p-J]) 1[J < |c.0|])\n"
        "+ dL/dx[p] = sum[J](y[J+1] pad(z[p-J]) 1[J < |c.0|]) where |J| = |c.0|\n"
        "✗ claim sum[P](c[P]) = sum[J](1[J < |c.0|] z[I] pad(x[I+J])) where |J| = |c.0| - 1\n"
        "+ claim sum[K](1) + sum[N](1) = 7 where |K| = 3, |N| = |K| + 1\n✗ claim sum[K](1) = 4 where |K| = 3",
    "differences of windows": "y[i] = x[i+J] w[J]\nz[i] = y[i+1] - y[i]\nE = z[I]^2\n"
        "+ claim sum[I](dE/dy[I]) = 0\n✗ claim sum[I](dE/dy[I]) = 1",
    "a summation by parts": "d[i] = x[i+1] - x[i]\n"
        "+ claim y[I+1] d[I] = y[|y.0|-1] x[|x.0|-1] - y[0] x[0] - sum[I](x[I] (y[I+1] - y[I]))\n"
        "✗ claim y[I+1] d[I] = y[|y.0|-1] x[|x.0|-1] - sum[I](x[I] (y[I+1] - y[I]))\n"
        "? claim x[I+1] d[I] = x[|x.0|-1]^2 - x[0]^2 - x[I] d[I]\n"
        "+ claim x[I+1] d[I] = x[|x.0|-1]^2 - x[0]^2 - x[I] d[I] where |I| = |x.0| - 1",
    "an extent has one value": "assume |x.0| = 3\nassume |x.0| = 4\n? claim x[i] = 2 1[i]",
    # tensors without a formula
    "the chain rule": "given Y[j](X[I])\ngiven Z[k](Y[J])\n✓ dZ[k]/dX[i] = dZ[k]/dY[J] dY[J]/dX[i]\n"
    "✗ dZ[k]/dX[i] = dZ[k]/dY[i] dY[J]/dX[J]",
    "two ways to one tensor": "given u(x)\ngiven L(u, x)\n✗ dL/dx = dL/du du/dx",
    "what is given is not straight": "given L(x)\n✗ claim L = dL/dx x\n✗ claim dL/dx = 1",
    "no second derivative of what is given": "given L(x[I])\n? dL/dx[i]dx[j] = 0 1[i,j]\n"
    "g[i] = dL/dx[i]\n? dg[i]/dx[j] = 0 1[i,j]",
    "shared letters": "given A[i,j](Z[i,K])\n✓ claim (1 - δ[p,q]) dA[p,b]/dZ[q,j] = 0\n"
    "✗ claim (1 - δ[b,j]) dA[p,b]/dZ[q,j] = 0",
    # kinks
    "a kink": "a = relu(z)\n✓ da/dz = 1[z > 0]\n~ da/dz = 1[z >= 0]\n✗ da/dz = 1[z > 1]",
    "a kink by another convention": "convention relu'(x) = 1[x >= 0]\na = relu(z)\n"
    "~ da/dz = 1[z > 0]\n✓ da/dz = 1[z >= 0]",
    "max(0, x) is relu": "a = max(0, z)\n✓ claim a = relu(z)\n✓ da/dz = 1[z > 0]\n~ da/dz = 1[z >= 0]\n"
    "+ claim a = 1[z > 0] z\n+ claim a = 1[z >= 0] z\nq = 1[z > 0] z\n✓ dq/dz = da/dz",
    "max(0, x) by another convention": "convention relu'(x) = 1[x >= 0]\na = max(0, z)\n✓ da/dz = 1[z >= 0]",
    "min(0, x) is -relu(-x)": "a = min(0, z)\n+ claim a = -relu(-z)\n+ da/dz = 1[z < 0]\n~ da/dz = 1[z <= 0]",
    "abs at zero": "a = abs(z)\n+ da/dz = 1[z > 0] - 1[z < 0]\n~ da/dz = 2 1[z >= 0] - 1\n✗ da/dz = 1[z > 0]",
    "ties": "m = max(a, b)\n~ dm/da = 1[a > b]\n✓ dm/da = 1[a > b] + 1/2 1[a == b]\n✗ dm/da = 1[b > a]\n"
    "M[n] = max[K](x[n,K])\n~ dM[n]/dx[p,q] = δ[n,p] 1[x[n,q] == M[n]]\n✗ dM[n]/dx[p,q] = δ[n,p]",
    "half of x and its size": "g = (x + abs(x)) / 2\n+ claim g = max(0, x)\n~ dg/dx = 1[x > 0]",
    "a hinge loss": "m[n,c] = max(0, s[n,c] - s[n,y[n]] + 1)\nL = 1/|N| sum[N,C](1[C != y[N]] m[N,C])\n"
    "+ claim ds[n,c] = 1/|n| (1[c != y[n]] 1[m[n,c] > 0] - 1[c == y[n]] sum[K](1[K != y[n]] 1[m[n,K] > 0]))\n"
    "~ claim ds[n,c] = 1/|n| (1[c != y[n]] 1[s[n,c] - s[n,y[n]] + 1 >= 0]"
    " - 1[c == y[n]] sum[K](1[K != y[n]] 1[m[n,K] > 0]))\n"
    "✗ claim ds[n,c] = 1/|n| (1[m[n,c] > 0] - 1[c == y[n]] sum[K](1[K != y[n]] 1[m[n,K] > 0]))",
    "a hinge loss of two classes": "h[i] = max(0, 1 - y[i] f[i])\nL = h[I]\n+ claim df[i] = -y[i] 1[y[i] f[i] < 1]\n"
    "~ claim df[i] = -y[i] 1[y[i] f[i] <= 1]\n✗ claim df[i] = -y[i] 1[f[i] < 1]",
    "a place, not a kink": "✗ claim 1[t > 0] = 1[t >= 0]\n✗ claim 1[t > 0] = 1[t > 1]",
    "labels are compared by ==, and are no kinks": "L = 1[t == 1] log(p) + 1[t == 0] log(1 - p)\n✗ claim L = 0\n"
    "✓ dL/dp = 1[t == 1] / p - 1[t == 0] / (1 - p)\n✗ dL/dp = 1[t == 1] / p\n"
    "✗ claim 1[t == 1] = 0\n✗ claim 1[t != 0] = 1",
    "a value at a jump of sign is a convention": "~ claim sign(t)^2 = 1\n~ claim sign(abs(t)) = 1\n"
    "+ claim t sign(t) = abs(t)\n+ claim sign(t)^2 = 1[t != 0]\n✗ claim 1[t > 0] + 1[t < 0] = 1\n✗ claim sign(t) = 1",
    "labels are not differentiated": "y[n] = E[t[n]]\n? claim dy[n]/dt[m] = 0 1[n,m]",
    "sums that are zero": "assume sum[I](x[I]) = 0\nassume sum[I](w[I] x[I]) = sum[J](z[J])\n✗ claim x[I]^2 = 0\n"
    "✗ claim z[J] 1[J] = 0\n✓ claim w[I] x[I] y = z[J] 1[J] y",
    "brackets of indices that say nothing": "✓ claim 1[i + j < |i| + |j| - 1] y[i,j] = y[i,j]\n"
    "✗ claim 1[i + j < |i| + |j| - 2] y[i,j] = y[i,j]\n"
    "✓ claim 1[i <= i + 1] x[i] = x[i]\n✓ claim 1[i - j < |i|] y[i,j] = y[i,j]",
    "entries that are equal are no kinks": "C = sum[I,J](1[y[I] == y[J]] D[I,J])\n✗ claim C = D[I,I]",
    # ranges
    "windows": "Y[i] = X[i+J] W[J]\n✓ dY[i]/dX[p] = pad(W[p-i])\n✗ dY[i]/dX[p] = pad(W[i-p])",
    "a change of variables": "✓ claim A[I] pad(B[I-J]) C[J] = B[P] pad(A[P+J]) C[J]\n"
    "✗ claim A[I] pad(B[I-J]) C[J] = B[P] pad(A[P-J]) C[J]",
    "a stated extent": "x[i] = δ[i,0] u + δ[i,1] v    where |i| = 2\nL = x[I]^2\n✓ claim L = u^2 + v^2\n"
    "✗ claim L = u^2",
    "a side that cannot be written": "✓ claim sum[K](a[K] / a[K]) 2 = 2 sum[J](a[J] / a[J])\n"
    "✗ claim sum[K](a[K] / a[K]) 2 + s = 2 sum[J](a[J] / a[J])",
    # left open, with the reason
    "a read outside": "y[i] = pad(x[i+J]) w[J] where |i| = |x.0|\nL = y[I] u[I]\n✓ claim L = u[I] pad(x[I+J]) w[J]\n"
    "? claim L = u[I] x[I+J] w[J]\n✓ claim dx[p] = pad(u[p-J]) w[J]\n? claim dx[p] = u[p-J] w[J]",
    "a read outside in a delta": "y[n,d] = E[t[n],d]\n? dy[n,d]/dE[v,e] = δ[t[n-1],v] δ[d,e]",
    "nothing defines it": "✗ claim q = 0\n? dq/dx = 0",
    "which scalar": "a = x^2\nb = x^3\n? claim dx = 2 x",
    "a derivative on the right alone": "L = x[I]^2\n✓ claim 2 δ[p,q] = dL/dx[p]dx[q]\n✗ claim δ[p,q] = dL/dx[p]dx[q]",
    "no dependence": "a = x^2\nb = y^2\n✓ da/dy = 0\n✗ da/dy = 1\n? da/du = 0",
    "a second derivative that vanishes": "y = a[I] x[I]\n✓ dy/dx[i]dx[j] = 0\n✗ dy/dx[i]dx[j] = a[i] 1[j]",
    # a derivative by what an assumption ties
    "an inverse": "assume K[i,J] A[J,j] = δ[i,j]\n? dA[i,j]/dK[p,q] = -A[i,p] A[q,j]",
    "an inverse whose derivative is told": f"{INVERSE}f = x[I] V[I,J] x[J]\n"
    "✓ df/dA[p,q] = -V[I,p] x[I] V[q,J] x[J]\n✗ df/dA[p,q] = -V[p,I] x[I] V[J,q] x[J]\n"
    "✓ claim V[i,K] A[K,J] x[J] = x[i]\n✗ df/dA[p,q] = 0\n✗ df/dA[p,q]dA[r,s] = 0\n"
    "✓ df/dA[p,q]dA[r,s] = x[I] V[I,r] V[s,p] V[q,J] x[J] + x[I] V[I,p] V[q,r] V[s,J] x[J]\n"
    "✗ df/dA[p,q]dA[r,s] = 2 x[I] V[I,p] V[q,r] V[s,J] x[J]\n"
    "✓ dV[i,j]/dA[p,q]dA[r,s] = V[i,r] V[s,p] V[q,j] + V[i,p] V[q,r] V[s,j]",
    "the determinant of what has an inverse": f"{INVERSE}given l(A[I,J])\nassume dl/dA[i,j] = V[j,i]\n"
    "✓ dl/dA[p,q]dA[r,s] = -V[q,r] V[s,p]\n✗ dl/dA[p,q]dA[r,s] = -V[q,s] V[r,p]",
    "a derivative that is told at a point": "given l(w[I])\nassume dl/dw[i] = 0\n? dl/dw[i]dw[j] = 0",
    "a derivative that is told by others": "given l(w[I])\nassume dl/dw[i] = c g[i]\n? dl/dw[i]dw[j] = 0",
    "through an inverse whose derivative is told": f"A[i,j] = B[i,j] + s δ[i,j]\n{INVERSE}f = V[I,I]\n"
    "✓ df/ds = -V[I,J] V[J,I]\n✗ df/ds = -V[I,J] V[I,J]\n✗ df/ds = 0",
    "an inverse that is tied in another way too": f"{INVERSE}assume V[i,j] = A[j,i]\nf = x[I] V[I,J] x[J]\n"
    "? df/dA[p,q] = -V[I,p] x[I] V[q,J] x[J]",
    "a quadratic form in a symmetric matrix": "f = P[I,J] S[I,J]\nassume P[i,j] = P[j,i]\n? claim dP[i,j] = S[i,j]\n"
    "? df/dP[i,j] = 1/2 (S[i,j] + S[j,i])\n✓ df/dS[i,j] = P[j,i]",
    "through what is tied": "K[i,j] = x M[i,j]\nassume K[i,J] A[J,j] = δ[i,j]\nL = A[I,I]\n? dL/dx = 0",
    "what follows from the definitions ties nothing": "S[n,c] = exp(Z[n,c]) / sum[K](exp(Z[n,K]))\n"
    "assume sum[C](S[n,C]) = 1\n✓ dS[n,c]/dZ[m,k] = δ[n,m] S[n,c] (δ[c,k] - S[n,k])",
    "a range ties nothing": "assume 1[x[i] > 0] = 1\ny[i] = log(x[i])\n✓ dy[i]/dx[j] = δ[i,j] / x[i]",
    "a comparison is what may be used": "assume x[i] > 0\nassume -1 <= a < 1\nassume |i| > 2\n"
    "≈ claim abs(x[i]) = x[i]\n≈ claim relu(1 - a) = 1 - a\n≈ claim 1[|i| > 1] x[i] = x[i]\n"
    "✗ claim 1[|i| > 3] x[i] = x[i]",
    # names
    "one spelling, one meaning": "h1 = c1 x\nc1 = w x\ngiven L(h1, c1)\n✗ dL/dc1 = dL/dh1 x\n✓ dL/dh1 = dL/dh1\n"
    "✗ dL/dc1 = dL/dh1 x + dL/dc1\n✓ dL/dw = dL/dc1 x",
    "names with underscores": "T = 1/2 m q_dot[I]^2\np[i] = dT/dq_dot[i]\n✓ claim p[i] = m q_dot[i]",
    "names that are words": "energy = 1/2 m speed[I]^2\np[i] = denergy/dspeed[i]\n✓ claim p[i] = m speed[i]",
    "a derivative by nothing": "T = 1/2 m v[I]^2\np[i] = dT/dspeed[i]\n? claim p[i] = m v[i]",
    "a quotient of two tensors": "y[i] = data[i] / dist[i]\n✓ claim y[i] dist[i] = data[i]",
    "no point can be found": "? claim log(-1 - x^2) = sqrt(-1 - x^2)",
}  # fmt: skip
# What holds at all usual extents, and is false at one that the claim itself names.
AT_EXTENTS = [
    ("x[I] = sum[I](x[I] 1[I < 6])", 7),
    ("x[I] = sum[I](x[I] 1[I < 10])", 11),
    ("(|i| - 2) (|i| - 3) (|i| - 4) (|i| - 5) x[i] = 0", 6),
    ("1[|i| < 9] x[i] = x[i]", 9),
    ("1[|i| > 1] x[i] = x[i]", 1),
    ("A[i,j] 1[i + j < 9] = A[i,j]", 9),
]
MARKS = {"✓": "proved", "≈": "verified", "~": "kink", "✗": "refuted", "?": "undecided"}
WORDS = {word: mark for mark, word in MARKS.items()}


@pytest.mark.parametrize(("claim", "size"), AT_EXTENTS)
def test_a_claim_is_tried_at_the_extents_that_it_names(claim, size):
    outcome = es.check(f"claim {claim}").claims[0].outcome
    assert outcome.verdict == "refuted", claim
    assert size - 1 <= max(outcome.counterexample.sizes.values()) <= size + 1


@pytest.mark.parametrize("text", ROWS.values(), ids=ROWS.keys())
def test_marks(text):
    lines = text.splitlines()
    wanted = [line[0] for line in lines if line[0] in "+" or line[0] in MARKS]
    report = es.check("\n".join(line[2:] if line[1] == " " and line[0] in ("+", *MARKS) else line for line in lines))
    found = [WORDS[line.outcome.verdict] for line in report.claims]
    assert ["+" if m == "+" and f in "✓≈" else f for f, m in zip(found, wanted, strict=True)] == wanted, str(report)
    for line in report.claims:
        outcome = line.outcome
        assert bool(outcome.counterexample) == (outcome.verdict in ("refuted", "kink"))
        assert outcome.verdict != "undecided" or outcome.reason
        if outcome.verdict == "refuted":
            assert all(size <= 4 for size in outcome.counterexample.sizes.values())


def test_a_report():
    report = es.check(DENSE + "dZ[n,j]/db[q] = δ[j,q]  # as on paper\ndZ[n,j]/db[q] = δ[n,q]\n", "dense.ein")
    assert not report
    assert report.counts == {"proved": 1, "verified": 0, "refuted": 1, "undecided": 0}
    assert (
        str(report)
        == """\
dense.ein
   2  ✓ proved    dZ[n,j]/db[q] = δ[j,q]  # as on paper
   3  ✗ refuted   dZ[n,j]/db[q] = δ[n,q]
                  left:          δ[j,q]
                  right:         δ[n,q]
                  left - right:  δ[j,q] - δ[n,q]
                  for example:   at n = 1, j = 0, q = 0: left 1, right 0
2 claims: 1 proved, 1 refuted; line 3 should not be so"""
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("claim sum[I](x[mod(I+1,|x.0|)]) = sum[I](x[I])", "x[mod(I + 1, |x.0|)] = x[I] where |I| = |x.0|"),
        ("claim x[mod(I,|x.0|)] = x[0] + x[1]", "x[mod(I, |x.0|)] = x[0] + x[1] where |I| = 2"),
        ("r[i] = x[mod(i+1,|x.0|)]\nclaim r[I] = x[I]", "r[i] = x[mod(i + 1, |x.0|)] where |i| = |x.0|"),
        ("n = sum[B,J](1[J <= B] h[J])\nclaim n = sum[B,J](1[J <= B] h[J])",
         "n = sum[B,J](1[J <= B] h[J]) where |B| = |h.0| and n = sum[B,J](1[J <= B] h[J]) where |B| = |h.0|"),
        ("L = sum[B](B^2 x)\nclaim dx = sum[B](B^2)",
         "dx = sum[B](B^2) where |B| = 3 and L = sum[B](B^2 x) where |B| = 3"),
    ],
)  # fmt: skip
def test_a_range_that_nothing_tells_is_to_be_stated(text, said):
    outcome = es.check(text).claims[0].outcome
    assert outcome.reason.startswith("nothing tells how far ")
    assert outcome.reason.endswith(f"state it: {said}")


def test_a_claim_says_what_it_states_wherever_it_is_shown():
    text = "claim x[I] + sum[J](2 x[J]) = x[0] + 5 where |I| = 1, |J| = |x.0|"
    document = parse_document(text)
    assert parse_document(str(document)).claims == document.claims
    report = es.check(text)
    assert "where |I| = 1, |J| = |x.0|" in str(document)
    assert report.html().count("<mtext>where</mtext>") == 1
    assert r"\left|j\right| = \left|x.0\right|" in report.latex()


def test_lengths_that_do_not_go_together_are_told():
    said = "|i| is |x.0| - 1 in d[i] = x[i+1] - x[i], and one index runs over both axes"
    outcome = es.check("d[i] = x[i+1] - x[i]\nclaim x[I] d[I] = 0").claims[0].outcome
    assert outcome.reason == f"no lengths of the axes go together: {said}"


@pytest.mark.parametrize(
    ("claim", "left", "sizes"),
    [
        ("1[|i| > 3] 1[i] = 1", "1[|i| > 3]", {"i": 1}),
        ("1[mod(|i|, 3) == 1] 1[i] = 1[i]", "1[mod(|i|, 3) == 1]", {"i": 2}),
        ("sum[I](1[|I| > 3]) = sum[I](1)", "1[|I| > 3] |I|", {"I": 1}),
    ],
)
def test_ranges_of_a_claim_have_its_letters(claim, left, sizes):
    outcome = es.check(f"claim {claim}").claims[0].outcome
    assert outcome.left == left
    assert outcome.counterexample.sizes == sizes


def test_a_counterexample_can_be_pasted():
    report = es.check("claim a[I] b[I] = a[I]")
    example = report.claims[0].outcome.counterexample
    values = {name: eval(text) for name, text in example.arrays.items()}
    left = sum(a * b for a, b in zip(values["a"], values["b"], strict=True))
    assert (str(left), str(sum(values["a"]))) == (example.left, example.right)


def test_what_is_expected_to_be_wrong():
    right, wrong = "refute dZ[n,j]/db[q] = δ[j,q]", "refute dZ[n,j]/db[q] = δ[n,q]"
    assert es.check(DENSE + wrong)
    report = es.check(DENSE + right)
    assert not report
    assert "it was expected to be wrong" in str(report)
    assert not es.check(DENSE + "refute dQ[i]/dx = 0")  # open is not refuted


UNREADABLE = [
    ("convention relu'(x) = 1[x >= 1]", "a convention agrees with the derivative wherever there is one"),
    ("convention sin'(x) = sin(x)", "a convention agrees with the derivative wherever there is one"),
    ("given Y", "'given' names a tensor and, in brackets, what it depends on"),
    ("given Y[i](X[i,j])", "the index j is free on the right but is not on the left"),
    ("given Y[i](2 X[i])", "'given' lists tensors with plain indices"),
    ("convention nothing'(x) = 1", "'convention' states the partial of a function"),
    ("Z = y", "Z is defined twice"),
    ("claim Z =", "the equation ends too early"),
    ("dZ[i]/dX[p] = δ[i,p", "the bracket [ is not closed"),
    ("Y[i] = Q[i] + Q[i,j]", "Q has 2 slots here and 1 slot elsewhere in the equation"),
    ("Y[i] = x[i,J] x[J,i] + X[i,J]", "x has 2 slots here and 1 elsewhere"),
    ("dx[i] = 1[i]\nL = dx[I]^2", "dx is the gradient with respect to x and cannot be defined"),
    ("dt[i] = 1[i] t", "dt is the gradient with respect to t and cannot be defined"),
    ("y[i] = sofmax[c](x[c])", "sofmax is not a reduction"),
]


@pytest.mark.parametrize(("line", "problem"), UNREADABLE)
def test_an_unreadable_line_is_a_verdict_and_the_others_are_judged(line: str, problem: str) -> None:
    report = es.check(f"Z = x[I]^2\n{line}\ndZ/dx[i] = 2 x[i]")
    bad = report.lines[1]
    assert bad.problem.startswith(problem)
    assert (bad.mark, bad.number, bad.holds) == ("!", 2, False)
    assert [claim.outcome.verdict for claim in report.claims] == ["proved"]
    assert not report
    assert "1 unreadable" in report.summary()
    for text in (str(report), report.html(), report.latex(), str(report.json())):
        assert "unreadable" in text


def test_letters_that_look_alike_are_unreadable_where_they_come_second() -> None:
    report = es.check("Z = x[I]^2\nY = х[I]\ndZ/dx[i] = 2 x[i]")
    assert [line.mark for line in report.lines] == ["", "!", "✓"]


def test_a_chain_claims_each_of_its_steps() -> None:
    report = es.check("y = 1/2 x[I]^2 = 1/2 x[I] x[I] = x[I] x[I]\nClaim: dy/dx[i] = 2 x[i] / 2 = x[i]")
    assert [claim.outcome.verdict for claim in report.claims] == ["proved", "refuted", "proved", "proved"]
    assert [line.number for line in report.lines] == [1, 1, 1, 2, 2]
    assert report.claims[1].statement.code == "1/2 x[I] x[I] = x[I] x[I]"


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("L = w[K]^2\nclaim dL = 2 w[K] dw[K]", "undecided"),
        ("f = x^2 y\ndf = 2 x y dx + x^2 dy", "undecided"),
        ("L = w[K]^2\nclaim dL = 1", "proved"),
        ("m = w[K]^2\nL = m^2\nclaim dm = 2 m", "proved"),
        ("m = w^2\nL = m^2\nclaim dm = 1/2 dw / w", "kink"),
        ("A = x y\nL = A^2\ndA = 2 A\ndA = A dx", "refuted"),
        ("A = x y\nL = A^2\nclaim dx = x dA", "refuted"),
    ],
)
def test_a_total_differential_is_no_gradient_of_the_scalar_by_itself(text: str, verdict: str) -> None:
    assert es.check(text).claims[-1].outcome.verdict == verdict


@pytest.mark.parametrize(
    ("text", "partials"),
    [
        ("L = w[K]^2\nclaim dL = 2 w[K] dw[K]", ["dL/dw[k] = 2 w[k]"]),
        ("f = x^2 y\ndf = 2 x y dx + x^2 dy", ["df/dx = 2 x y", "df/dy = x^2"]),
        ("z[i] = x[i]^2\nL = z[I]\ndz[i] = 2 x[i] dx[i]", ["dz[i]/dx[p] = 2 x[i] δ[i,p]"]),
        ("A = x y\nL = A^2\ndA = y dx + x dy", ["dA/dx = y", "dA/dy = x"]),
        (
            "Z[n,j] = X[n,K] W[K,j]\nL = Z[N,J]^2\ndZ[n,j] = dX[n,K] W[K,j] + X[n,K] dW[K,j]",
            ["dZ[n,j]/dX[m,k] = δ[n,m] W[k,j]", "dZ[n,j]/dW[k,q] = X[n,k] δ[j,q]"],
        ),
    ],
)
def test_a_total_differential_is_led_to_the_partials_that_it_claims(text: str, partials: list[str]) -> None:
    outcome = es.check(text).claims[-1].outcome
    assert outcome.verdict == "undecided"
    assert outcome.reason.endswith(f"or a total differential, which claims {', '.join(partials)}")
    document = text[: text.rindex("\n")]
    assert all(line.outcome.verdict == "proved" for line in es.check("\n".join([document, *partials])).claims)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("y = A K^2\nclaim MPK = 2 y / K", "MPK = 2 y / K"),
        ("K = 1/2 m v^2\nclaim dK/dv = p", "p = dK/dv"),
        ("C[i,j] = A[i,K] B[K,j]\nclaim D[i,j] = A[i,K] B[K,j]", "D[i,j] = A[i,K] B[K,j]"),
    ],
)
def test_a_claim_on_what_no_other_line_has_defines_nothing(text: str, line: str) -> None:
    outcome = es.check(text).claims[-1].outcome
    assert outcome.verdict == "undecided"
    assert outcome.reason.endswith(f"a claim defines nothing; as a definition: {line}")


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("y[i] = log x[i]\nclaim y[i] = log(x[i])", "undecided"),
        ("L = log(P[N])\nclaim dP[n] = 7 P[n]", "undecided"),
        ("y[i] = log x[i]\nz[i] = 2 y[i]\ndz[i]/dy[j] = 2 δ[i,j]\nclaim z[i] = 3 x[i]", "undecided"),
        ("y[i] = log x[i]\nz[i] = 2 u[i]\nclaim z[i] = 3 u[i]", "refuted"),
        ("let y = x^2\nclaim y = x^2", "undecided"),
        ("1) y = x^2\nclaim y = x^2", "undecided"),
        ("y <- x^2\nclaim y = x^2", "undecided"),
        ("\\hat y = x^2\nclaim y_hat = x^2", "undecided"),
        ("2 y = 2 x^2\nclaim y = x^2", "undecided"),
        ("y is x^2\nclaim y = x^2", "undecided"),
        ("sqrt(y) = x\nclaim y = x^2", "undecided"),
        ("y(x) = x^2\nclaim x^2 = x", "refuted"),
        ("claim f >= x\nclaim f = x^2", "refuted"),
    ],
)
def test_nothing_is_known_of_what_an_unreadable_line_defines(text: str, verdict: str) -> None:
    outcome = es.check(text).claims[-1].outcome
    assert outcome.verdict == verdict
    assert ("cannot be read" in outcome.reason) is (verdict == "undecided")


SLIPS = [
    ("claim dx[n,p] = Z[n,J] W[p,J]", "dX"),
    ("claim L = 1/2 z[N,J]^2", "Z"),
    ("claim Z[n,j] = X[n,K] Wehght[K,j]", "Weight"),
]


@pytest.mark.parametrize(("claim", "meant"), SLIPS)
def test_a_name_that_is_nearly_another_is_asked_about(claim: str, meant: str) -> None:
    definitions = "Z[n,j] = X[n,K] W[K,j]\nL = 1/2 Z[N,J]^2\nV[k] = Weight[k,J] X[K,J]\n"
    (outcome,) = (line.outcome for line in es.check(definitions + claim).claims)
    assert outcome.verdict == "undecided"
    assert f"did you mean {meant}?" in outcome.reason
    (outcome,) = (line.outcome for line in es.check(definitions + claim.replace("dx", "dX").replace("z[", "Z[")).claims)
    assert "did you mean" not in outcome.reason or "Wehght" in claim


PAPER = (
    "# ---- a part\nconvention relu'(x) = 1[x >= 0]\ngiven L(Z[N,J])\n"
    + DENSE
    + "claim dW[p,q] = X[N,p] dZ[N,q]  # <5> & 6\n"
    "refute dW[p,q] = X[N,q] dZ[N,p]\nassume sum[J](b[J]) = 1\n# not expressible: 7: lim | a limit\n"
    "U^(2)[i] = pad(x[i-J]) w[J] where |i| = |x.0|\nV[i] = -max[K](x[K]) x_hat[i]^2 / (1 + sqrt(x1[i]))\n"
)


class _Balanced(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.links = [], []

    def handle_starttag(self, tag, attributes):
        self.links += [value for name, value in attributes if name in ("src", "href")]
        if tag not in ("meta", "hr", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_startendtag(self, tag, attributes):
        pass


def test_html_is_one_balanced_page_without_links():
    page = es.check(PAPER, "paper.ein").html()
    parser = _Balanced()
    parser.feed(page)
    assert parser.open == []
    assert parser.links == []
    assert page.count("<math") == 8
    assert "&lt;5&gt; &amp; 6" in page


def test_latex_is_balanced():
    text = es.check(PAPER, "paper.ein").latex()
    plain = text.replace(r"\{", "").replace(r"\}", "")
    assert plain.count("{") == plain.count("}")
    assert text.count(r"\[ ") == text.count(r" \]") == 8


def test_the_command(tmp_path, capsys):
    good, bad = tmp_path / "good.ein", tmp_path / "bad.ein"
    good.write_text(PAPER, encoding="utf-8")
    bad.write_text("claim a = b", encoding="utf-8")
    assert main(["check", str(good)]) == 0
    assert "2 claims: 1 proved, 1 refuted (1 as expected)" in capsys.readouterr().out
    assert main(["check", str(good), str(bad)]) == 1
    assert "2 of 3 claims are as expected" in capsys.readouterr().out
    assert (
        main(["check", str(good), "--json", "--html", str(tmp_path / "a.html"), "--latex", str(tmp_path / "a.tex")])
        == 0
    )
    (report,) = json.loads(capsys.readouterr().out)
    assert report["ok"]
    assert report["not_expressible"] == ["7: lim | a limit"]
    assert [line["verdict"] for line in report["lines"] if "verdict" in line] == ["proved", "refuted"]
    assert (tmp_path / "a.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert (tmp_path / "a.tex").read_text(encoding="utf-8").startswith(r"\documentclass")
    assert main(["check", str(good), "--table"]) == 0
    assert "| [good](good.ein) |" in capsys.readouterr().out
    assert main(["check", str(tmp_path / "none.ein")]) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_text_in_latex_needs_only_latin_letters_outside_of_mathematics():
    text = es.check("a = x  # ∂a/∂x, ŷ_1 & 100%\nrefute a = 2 x").latex()
    assert r"\ensuremath{∂}a/\ensuremath{∂}x, ŷ\_1 \& 100\%" in text
    assert r"\begin{details}left:\ \ \ " in text


def test_a_report_in_a_notebook_styles_itself_alone():
    shown = es.check("a = x\nclaim a = x")._repr_html_()
    rules = shown.partition("<style>")[2].partition("</style>")[0].split("}")
    assert all(rule.strip().startswith(".einstan") for rule in rules if rule.strip())
    assert '<div class="einstan">' in shown


def test_documents_judged_at_once_give_the_same_reports():
    texts, names = [DENSE + "dZ[n,j]/db[q] = δ[j,q]", SOFTMAX + "claim dZ[n,c] = S[n,c] - Y[n,c]"], ["one", "two"]
    together = judged(texts, names, jobs=2)
    assert [report.name for report in together] == names
    assert [report.json() for report in together] == [es.check(t, n).json() for t, n in zip(texts, names, strict=True)]
    (*_, unreadable) = judged([*texts, "a = b\na = c"], [*names, "three"], jobs=2)
    assert unreadable.lines[1].problem == "a is defined twice"


def test_points_have_the_sizes_that_definitions_tie() -> None:
    report = es.check(
        "y[i] = log(sum[J](1[J <= i] exp(x[J]))) where |i| = |x.0|\n"
        "L = sum[I](y[I] c[I])\n"
        "claim dL/dx[j] = 1[j <= I] exp(x[j]) c[I] / sum[J](1[J <= I] exp(x[J])) where |I| = |x.0|"
    )
    assert report.ok, str(report)  # c is as long as x: y says so, which the claim does not name


# ---- the neighbourhood of a claim ------------------------------------------------------------------------------------

CHAIN = "A0[i] = x[i]\n" + "\n".join(f"A{k}[i] = tanh(A{k - 1}[i]) + A{max(k - 2, 0)}[i]" for k in range(1, 40))


@pytest.mark.parametrize(
    ("claim", "equations", "verdict"),
    [
        ("dA9[i]/dA8[j] = (1 - tanh(A8[i])^2) δ[i,j]", 2, "proved"),
        ("dA9[i]/dA7[j] = (1 + (1 - tanh(A8[i])^2) (1 - tanh(A7[i])^2)) δ[i,j]", 3, "proved"),
        ("dA9[i]/dA7[j] = (1 - tanh(A8[i])^2) (1 - tanh(A7[i])^2) δ[i,j]", 3, "refuted"),
        ("A9[i] - A7[i] = tanh(A8[i])", 3, "proved"),
        ("A9[i] = A8[i]", 2, "refuted"),
        ("A2[i] = tanh(tanh(x[i]) + x[i]) + x[i]", 1, "proved"),  # which takes more of them
        ("dA2[i]/dx[j] = (1 + (1 - tanh(A1[i])^2) (2 - tanh(x[i])^2)) δ[i,j]", 3, "proved"),
        ("dA2[i]/dx[j] = (1 - tanh(A1[i])^2) (2 - tanh(x[i])^2) δ[i,j]", 3, "refuted"),
    ],
)  # fmt: skip
def test_of_many_definitions_those_near_a_claim_are_looked_at(claim: str, equations: int, verdict: str) -> None:
    document = parse_document(f"{CHAIN}\nclaim {claim}")
    near = Part(document).near(document.claims[0])
    assert near is not None
    assert len(near.program) == equations
    (line,) = es.check(f"{CHAIN}\nclaim {claim}").claims
    assert line.outcome is not None
    assert line.outcome.verdict == verdict


@pytest.mark.parametrize(
    ("document", "claim"),
    [
        ("assume x[i] = y[i]\n" + CHAIN, "A9[i] = A8[i]"),  # which ties what is not near
        (CHAIN + "\nL = A39[I]^2", "dA38[i] = 2 A39[i] (1 - tanh(A38[i])^2)"),  # of the scalar of the whole
        ("A[i] = x[i]\nB[i] = exp(A[i])", "B[i] = exp(A[i])"),  # all of it
    ],
)
def test_where_more_is_known_the_whole_is_looked_at(document: str, claim: str) -> None:
    whole = parse_document(f"{document}\nclaim {claim}")
    assert Part(whole).near(whole.claims[0]) is None


MULTIPLES = [
    ("L = 1/|N| sum[N]((X[N,K] w[K] - y[N])^2)", "dw[k] = 2 X[N,k] (X[N,K] w[K] - y[N])", "right is |n| times left"),
    ("L = sum[N](sin(y[N]))", "dy[n] = cos(y[n]) / |n|", "left is |n| times right"),
    ("L = 1/2 sum[N](y[N]^2)", "dy[n] = 2 y[n]", "right is 2 times left"),
    ("L = 1/2 sum[N](y[N]^2)", "dy[n] = -y[n]", "right is minus left"),
    ("L = 1/2 sum[N](y[N]^2)", "dy[n] = -3 y[n]", "right is -3 times left"),
    ("L = 1/2 sum[N](y[N]^2)", "dy[n] = y[n]^2", ""),
    ("L = 1/2 sum[N](y[N]^2)", "dy[n] = 2 + y[n]", ""),
    ("z[i] = a[i]^2", "dz[i]/da[j] = δ[i,j] a[i]", "left is 2 times right"),
    ("", "exp(x[i]) = 3 exp(x[i])", "right is 3 times left"),
    ("", "x[i] = 0 x[i]", ""),
    ("L = 1/|N| sum[N,J]((X[N,J] - Y[N,J])^2)", "dX[n,j] = 2/|j| (X[n,j] - Y[n,j])", "right is |n|/|j| times left"),
    ("L = mean[N,J]((X[N,J] - Y[N,J])^2)", "dX[n,j] = (X[n,j] - Y[n,j])", "right is 1/2 |n| |j| times left"),
    ("L = sum[N,J]((X[N,J] - Y[N,J])^2)", "dX[n,j] = 2/(|n| |j|) (X[n,j] - Y[n,j])", "left is |n| |j| times right"),
]


@pytest.mark.parametrize(("document", "claim", "said"), MULTIPLES)
def test_of_how_many_times_too_large_a_side_is_told(document: str, claim: str, said: str) -> None:
    line = es.check(f"{document}\nclaim {claim}").claims[0]
    assert line.outcome is not None
    assert line.outcome.verdict == "refuted"
    assert line.outcome.reason == said
    assert not said or said in line.details()


ATTENTION = """S[q,k] = Q[q,D] K[k,D] / sqrt(|D|)
P[q,k] = softmax[k](S[q,k])
O[q,d] = P[q,J] V[J,d]
L = O[Q1,D] G[Q1,D]"""


def test_a_wrong_claim_on_gradients_is_told_in_those_that_it_names() -> None:
    (line,) = es.check(f"{ATTENTION}\nclaim dQ[q,d] = dS[q,J] K[J,d]").claims
    assert line.outcome is not None
    assert line.outcome.left == "dS[q,K] K[K,d] / sqrt(|d|)"
    assert line.outcome.right == "dS[q,J] K[J,d]"
    assert line.outcome.reason == "right is sqrt(|d|) times left"


SOFTMAX_ONLY = "S[n,c] = exp(Z[n,c]) / sum[K](exp(Z[n,K]))\n"
ONE_HOT = "L = -Y[N,C] log(S[N,C])\nassume sum[C](Y[n,C]) = 1"
AFFINE = "y[i] = A[i,J] x[J] + b[i] + c[i]^2"
SIGMOID = "h[n,j] = sigmoid(X[n,K] W[K,j])\nL = 1/2 (h[N,J] - t[N,J])^2"
NORM = "u[n,j] = (x[n,j] - m[j]) / sqrt(v[j])\ny[n,j] = g[j] u[n,j] + b[j]\nL = 1/2 (y[N,J] - t[N,J])^2"
SLIPS_OF_A_TERM = [  # what is said, the sides as they are shown, and the inputs
    (AFFINE, "y[i] = A[i,J] x[J] + b[i]", "the term c[i]^2 is missing on the right", "", "c"),
    (AFFINE, "y[i] = A[i,J] x[J] - b[i] + c[i]^2", "the sign of the term -b[i] on the right is wrong", "", "b"),
    (AFFINE, "y[i] = A[i,J] x[J] + b[i] + 2 c[i]^2", "the term 2 c[i]^2 on the right has to be c[i]^2", "", "c"),
    (AFFINE, "y[i] = A[J,i] x[J] + b[i] + c[i]^2", "the term A[J,i] x[J] on the right has to be A[i,J] x[J]", "",
     "A x"),
    (AFFINE, "y[i] + 1 = A[i,J] x[J] + b[i] + c[i]^2", "the term 1 is missing on the right", "", ""),
    (SOFTMAX_ONLY + ONE_HOT, "dL/dZ[n,j] = S[n,j] - Y[n,j] + 1", "the term 1 on the right is too much",
     "S[n,j] - Y[n,j]", ""),
    (SOFTMAX_ONLY + ONE_HOT, "S[n,j] + Y[n,j] = dL/dZ[n,j]", "the sign of the term Y[n,j] on the left is wrong",
     "", "Y"),
    (SOFTMAX_ONLY, "dS[n,c]/dZ[m,k] = S[n,c] (δ[c,k] - S[n,k])", "the factor δ[n,m] is missing on the right",
     "S[n,c] δ[n,m] (δ[c,k] - S[n,k])", "Z"),
    (SOFTMAX_ONLY, "dS[n,c]/dZ[m,k] = δ[n,m] S[n,c] (δ[c,k] + S[n,k])",
     "the sign of the term S[n,k] on the right is wrong", "S[n,c] δ[n,m] (δ[c,k] - S[n,k])", "Z"),
    (SIGMOID, "dW[k,j] = X[N,k] (h[N,j] - t[N,j]) h[N,j]", "the factor 1 - h[N,j] is missing on the right",
     "(h[N,j] - t[N,j]) h[N,j] (1 - h[N,j]) X[N,k]", "X W t"),
    (NORM, "dg[j] = (y[N,j] - t[N,j]) x[N,j]", "the factor x[N,j] on the right has to be u[N,j]",
     "(y[N,j] - t[N,j]) u[N,j]", "x m v g b t"),
    ("f = x[I] A[I,J] x[J]", "dx[i] = 2 A[i,J] x[J]", "", "x[J] (A[i,J] + A[J,i])", "A x"),
    ("f = 1/2 x[I] A[I,J] x[J] - b[I] x[I]\nassume A[i,j] = A[j,i]", "dx[i] = A[J,i] x[J] + b[i]",
     "the sign of the term b[i] on the right is wrong", "A[i,J] x[J] - b[i]", "b"),
    ("assume sum[I](x[I]^2) = 2", "x[0] 10^60 + y = x[0] 10^60", "the term y is missing on the right", "", "y"),
    ("y[i] = exp(x[i])", "y[i] = x[i]", "", "", "x"),
    ("L = sum[I](x[I+1]^2) + sum[I](x[I+2]^2)", "L = sum[I](x[I+1]^2 + x[I+2]^2)",
     "the term x[I+1]^2 on the right runs over another range", "", "x"),
]  # fmt: skip


@pytest.mark.parametrize(("document", "claim", "said", "left", "inputs"), SLIPS_OF_A_TERM)
def test_the_slip_is_told_in_the_names_of_the_document(document, claim, said, left, inputs) -> None:
    report = es.check(f"{document}\nclaim {claim}")
    (line,) = report.claims
    assert line.outcome is not None
    assert line.outcome.verdict == "refuted"
    assert line.outcome.slip == said
    assert not left or line.outcome.left == left
    assert line.outcome.counterexample is not None
    shown = str(line.outcome.counterexample).splitlines()[:-1]
    assert {text.split(" = ")[0] for text in shown} == set(inputs.split())


HOLDS_IF = [
    (SOFTMAX_ONLY + "L = -Y[N,C] log(S[N,C])", "dZ[n,c] = S[n,c] - Y[n,c]", "sum[C](Y[n,C]) = 1"),
    ("f = x[I] A[I,J] x[J]", "dx[i] = 2 A[i,J] x[J]", "A[i,j] = A[j,i]"),
    ("", "x[I] A[I,J] x[J] = 0", "A[i,j] = -A[j,i]"),
    ("C[i,j,k] = a[i] T[i,j,k]", "C[i,j,k] = a[i] T[i,k,j]", "T[i,k,j] = T[i,j,k]"),
    ("", "A[i,J] B[J,k] = A[J,i] B[k,J]", "A[i,j] = A[j,i] ; B[j,k] = B[k,j]"),
    ("", "relu(x[i]) y[i] = x[i] y[i]", "x[i] > 0"),
    ("", "abs(a b) = a b", "a > 0 ; b > 0"),
    ("", "Y[n,C]^2 = 1 1[n]", "Y[n,c]^2 = Y[n,c] ; sum[C](Y[n,C]) = 1"),
    ("y[i] = Q[i,J] x[J]", "y[I]^2 = x[I]^2", "Q[K,i] Q[K,j] = δ[i,j]"),
    ("", "P[i,K] P[K,j] x[j] = P[i,j] x[j]", "P[i,L] P[L,k] = P[i,k]"),
    ("", "sqrt((x[I] A[I,J] x[J])^2) = x[I] A[I,J] x[J]", "A[i,j] = R[K,i] R[K,j]"),
    ("", "A[i,K] B[K,J] x[J] = x[i]", "A[i,L] B[L,k] = δ[i,k]"),
    ("", "sum[I](1[I] a) = sum[J](1[J] a)", "|i| = |j|"),
    ("assume A[i,j] = A[j,i]", "x[I] A[I,J] y[J] = 0", ""),  # not where it is antisymmetric too, and so zero
    ("", "x[I] A[I,J] x[J] = 2 x[I] A[I,J] x[J]", ""),  # nor where both sides are zero
    ("", "Y[n,c]^2 = Y[n,c]", ""),  # nor what the claim says
    ("f = x[I] A[I,J] x[J]", "df/dA[i,j] = x[i] x[j] + A[i,j] - A[j,i]", ""),  # nor what ties the variable
    ("y[i] = exp(x[i])", "dy[i]/dx[j] = y[i]", ""),
    ("", "floor(2 x) = 2 floor(x)", ""),  # nor what nobody means of a number, or below a function
    ("", "clip(x[i], 0, 1) = x[i]", ""),
]


@pytest.mark.parametrize(("document", "claim", "lines"), HOLDS_IF)
def test_under_what_a_wrong_claim_would_hold(document: str, claim: str, lines: str) -> None:
    report = es.check(f"{document}\nclaim {claim}")
    (line,) = report.claims
    assert line.outcome is not None
    assert line.outcome.verdict == "refuted"
    wanted = tuple(f"assume {rule}" for rule in lines.split(" ; ") if rule)
    assert line.outcome.under == wanted
    assert ("it holds if:" in str(report)) is bool(wanted)
    if wanted:
        assert es.check("\n".join((document, *wanted, f"claim {claim}"))).ok


READ_ALONE = [
    ("assume A[i,j] = B[j,i]", "A[i,J] x[J] = A[i,J] y[J]", {"A", "x", "y"}),
    ("z[i] = q[i]^2\ny[i] = w[i]^2", "y[i] = w[i]", {"w"}),
    ("z[i] = q[i]^2\ny[i] = w[i] z[i]", "y[i] = w[i]", {"q", "w"}),
]


@pytest.mark.parametrize(("document", "claim", "names"), READ_ALONE)
def test_a_counterexample_has_the_inputs_that_are_read(document: str, claim: str, names: set[str]) -> None:
    line = es.check(f"{document}\nclaim {claim}").claims[0]
    assert line.outcome is not None
    assert line.outcome.counterexample is not None
    assert set(line.outcome.counterexample.arrays) == names


@pytest.mark.parametrize(
    ("defined", "claimed", "asked"),
    [
        ("weight", "wieght", False),
        ("weight", "weigth", False),
        ("weight", "weiht", True),
        ("weight", "weeight", True),
        ("weight", "weighd", True),
        ("weight", "Weight", True),
        ("W1", "W2", False),
        ("n" * 100_000, "N" * 100_000, True),
        ("n" * 100_000, "m" * 100_000, False),
    ],
)
def test_a_name_that_is_nearly_another(defined: str, claimed: str, asked: bool) -> None:
    others = "\n".join(f"a{k}[i] = x[i]" for k in range(20))
    report = es.check(f"{others}\n{defined}[i] = 2 x[i]\nclaim x[i] + x[i] = {claimed}[i]")
    (line,) = report.claims
    assert line.outcome is not None
    assert ("did you mean" in line.outcome.reason) is asked


def test_names_are_compared_with_those_that_share_most_of_their_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str] = []
    near = slips.near
    monkeypatch.setattr(slips, "near", lambda name, other: compared.append(name) or near(name, other))
    document = parse_document("\n".join(f"y{k}[i] = x{k}[i]^2" for k in range(300)) + "\nweight = 2\nz = wieght weigh")
    assert list(slips.misspelled(document)) == [302]
    assert len(compared) < 3 * 300


def test_a_comparison_that_is_assumed_comes_back_as_it_is_spelled():
    text = "assume x[i] > 0\nassume 1[y[i] >= 0] = 1\nassume 0 <= z < |i|  # inside"
    document = parse_document(text)
    assert str(document) == text
    assert str(document.assumptions[0]) == "1[x[i] > 0] = 1"


def test_what_is_judged_without_an_assumption_says_so():
    report = es.check("assume x[i] = > 0\nclaim abs(x[i]) = x[i]\nclaim x[i] = x[i]\n---\nclaim abs(x[i]) = x[i]")
    said = ["judged without line 1, an assumption that cannot be read" in line.details() for line in report.lines]
    assert said == [False, True, False, False, False]
    assert [line.get("judged_without_lines") for line in report.json()["lines"]] == [None, [1], None, None, None]


@pytest.mark.parametrize(
    ("definitions", "line", "meant"),
    [
        ("Z[n,j] = X[n,K] W[K,j]\nL = z[N,J]^2", 2, "L = Z[N,J]^2"),
        ("hidden[n] = X[n,K] w[K]\nL = hiden[N]^2", 2, "L = hidden[N]^2"),
        ("L = a[N]^2\nA[n] = tanh(x[n])", 1, "L = A[N]^2"),
    ],
)
def test_a_definition_that_reads_nearly_what_is_defined_is_asked_about(definitions, line, meant):
    report = es.check(f"{definitions}\nclaim L = 0")
    asked = report.lines[line - 1]
    assert asked.outcome.verdict == "unreadable"
    assert asked.statement.error.repair[0] == meant
    assert "cannot be read" in report.lines[2].outcome.reason


@pytest.mark.parametrize(
    "definitions",
    [
        "Z[n,j] = X[n,K] W[K,j]\nL = z[N]^2",  # of another rank
        "Z[n] = X[n,K] W[K]\ngiven z[n](a)\nL = z[N]^2",
        "Z[n] = X[n,K] W[K]\nL = z[N]^2\nM = z[N] Z[N]",
        "D[i] = A[i,i] a[i]\nL = D[I] a[I]",
        "W1[i] = x[i]\nW2[i] = W1[i]^2\nL = W3[I]",
    ],
)
def test_what_is_read_elsewhere_or_is_no_slip_is_an_input(definitions):
    assert "unreadable" not in es.check(definitions).counts


def test_a_refuted_gradient_speaks_in_the_gradients_of_its_claim():
    text = "Z[n,j] = X[n,K] W[K,j]\nA[n,j] = tanh(Z[n,j])\nL = 1/2 (A[N,J] - Y[N,J])^2\n"
    outcome = es.check(f"{text}claim dW[k,j] = 2 X[N,k] dZ[N,j]").lines[3].outcome
    assert (outcome.left, outcome.right) == ("X[N,k] dZ[N,j]", "2 X[N,k] dZ[N,j]")
    assert outcome.difference == ("-X[N,k] dZ[N,j]",)
    outcome = es.check(f"{text}claim dW[k,j] = X[N,k] dA[N,j]").lines[3].outcome
    assert (outcome.left, outcome.right) == ("dA[N,j] (1 - A[N,j]^2) X[N,k]", "X[N,k] dA[N,j]")


MASKED = "a[i,j] = 1[i != j] exp(Y[j])\nq[i,j] = a[i,j] / sum[K](a[i,K])\nJ = sum[I,J](1[I != J] P[I,J] log(q[I,J]))\n"
GUARDED = "q[i,j] = 1[i != j] e[i,j]\nx[i,j] = 1[i != j] P[i,j] / q[i,j]\n"


@pytest.mark.parametrize(
    ("text", "verdicts"),
    [
        (f"{MASKED}dY[i] = 0", {"refuted"}),
        ("y[i] = sum[J](1[i != J] a[J] / (x[i] - x[J]))\nclaim y[i] = sum[J](a[J] / (x[i] - x[J]))", {"undecided"}),
        ("V = sum[I](1[I != 0] x[I] / I)\nclaim V = 3 sum[I](1[I != 0] x[I] / I)", {"undecided", "refuted"}),
        ("V = sum[I,J](δ[I,J] / (x[I] - x[J]))\nclaim V = 7", {"undecided"}),
        (f"{GUARDED}claim x[i,j] = P[i,j] / e[i,j]", {"refuted"}),
        (f"{GUARDED}claim x[i,j] = 1[i != j] P[i,j] / e[i,j]", {"proved"}),
    ],
)
def test_nothing_is_proved_by_what_is_divided_by_zero(text, verdicts):
    """A bracket guards; as ``1 - δ[i,j]`` it leaves a term with ``1 / 0``, by which every claim would hold."""
    assert {line.outcome.verdict for line in es.check(text).claims} <= verdicts
