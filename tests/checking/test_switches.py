"""Claims that hold on one side of a comparison alone: no point is evidence where nothing was on the other.

A row is a document, its lines apart by semicolons, and its last line the claim.
"""

import pytest

from einstan.calculus.bounds import bounds
from einstan.language.scope import parse_expression
from tests.checking.test_strangers import outcome, rows

FALSE = """
    claim 1[x^2 > 2] + 1[x^2 < 2] = 1
    claim 1[exp(x) > 3] + 1[exp(x) < 3] = 1
    claim 1[sigmoid(x) > 1/3] = 1[sigmoid(x) >= 1/3]
    claim 1[x^5 + x > 3] = 1[x^5 + x >= 3]
    claim 1[x^2 > 2] = 1[x^4 >= 4]
    claim 1[x[i]^2 > 2] + 1[x[i]^2 < 2] = 1[i]
    claim sum[I](1[x[I]^3 > 5]) = sum[I](1[x[I]^3 >= 5])
    claim 1[exp(x) == 2] = 0
    z = exp(x) ; claim 1[z > 3] = 1[z >= 3]
    assume 1[x > 0] = 1 ; claim 1[x^2 > 2] = 1[x >= sqrt(2)]
    claim 1[(2 x - 24691)^2 < 0.0001] = 0
    claim 1[2 x == 24691] y = 0
    claim 1[1/x < 1e9] = 1
    claim 1[sqrt(x) < 1000000] = 1
    claim 1[sqrt(x) - x < 0.25] = 1
    claim 1[-sum[I](p[I] log(p[I])) < log(|p.0|)] = 1
    claim clip(1/x, -1e9, 1e9) = 1/x
    claim log(max(1e-12, x)) = log(x)
    claim log(max(1e-12, p[i])) = log(p[i])
    claim log(clip(p, 1e-7, 1)) 1[p < 1] = log(p) 1[p < 1]
    assume 0 <= x ; claim log(max(1e-12, x)) = log(x)
    u[i] = x[i]/max(1e-8, norm[J](x[J])) ; claim u[i] = x[i]/norm[J](x[J])
    claim arctanh(clip(x, -0.99999, 0.99999)) = arctanh(x)
    claim log(p/(1-p)) = log(clip(p, 1e-7, 0.9999999)/(1 - clip(p, 1e-7, 0.9999999)))
    claim log(x^2) + relu(1e-9 - abs(x)) = 2 log(abs(x))
    y[t] = sum[S](1[S <= t] x[S]) where |t| = |x.0| ; claim y[t+1] - y[t] = x[t]
    y[n] = x[T[n]] ; claim y[n] = y[n+1]
    d[i] = x[i+1] - x[i] ; claim d[i] = d[i+1]
    assume x[i+1] = r x[i] ; claim x[i] = r^(i+1) x[0]
    assume T[i+1,j+1] = T[i,j] ; claim T[i+1,j+2] = T[i,j]
    claim floor(x[i]) 1[x[i] > i] = x[i] 1[x[i] > i]
    L = 1[t[N] == K] p[N,K] ; claim L = L 1[t[0] >= 0]
    y[n] = pad(x[T[n]]) ; claim 1[T[n] < |x.0|] = 1
    y[n] = pad(x[T[n]-1]) ; claim y[n] 1[T[n] < |x.0|] = y[n]
    y[n] = x[T[n]+1] ; claim y[n] 1[T[n] >= 0] = y[n]
    y[n] = x[T[n]] ; claim 1[T[n] < 5] = 1
    y[n] = x[T[n]] ; claim 1[T[n] < |T.0|] = 1
    claim max(x, min(x, y)) = min(x, y)
    claim 1[x[i] < max[J](x[J])] = 1
    claim log(max(exp(-30), x)) = log(x)
    claim 1[log(x) < 60] = 1
    H = p log(p) ; claim 1[H < log(2)] = 1
    H = -sum[I](p[I] log(p[I])) ; claim 1[H < log(|p.0|)] = 1
    claim 1[x > 3] 1[x < 3.5] = 0
    claim relu(x - 10^5) = 0
    claim 1[|x.0| > 50] x[i] = 0
    claim 1[exp(x) > 10^6] = 0
    claim 1[x > 1000000] = 0
    claim max(x, 100) = 100
    claim floor(x/100) = 0
    claim abs(x+1000) = x + 1000
    claim 1[x^2 > 10^10] = 0
    claim 1[x > 3] 1[x < 3.001] = 0
    claim 1[sum[I](x[I]) > 1000] = 0
    claim 1[x y > 5000] = 0
    claim sign(x - 77777) = -1
    claim 1[x == 12345] = 0
    claim clip(x, -1000, 1000) = x
    claim mod(x, 500) = x + 1[x < 0] 500
    claim 1[|x.0| == 37] x[i] = 0
    claim 1[i > 40] x[i] = 0
    claim 1[|i| > 12] x[i] = 0
    claim 1[tanh(x) > 0.99999] = 0
    claim 1[log(x) > 20] = 0
    claim 1[i + 7 > 40] x[i] = 0
    claim 1[sigmoid(x) < 0.000001] = 0
    claim 1[x > 10^5] x^2 = 0
    claim 1[x/y > 10^7] = 0
    claim 1[x > y + 1000000] = 0
    claim 1[x > 5] 1[y > 5] 1[x y < 26] = 0
    claim max(x, y + 10^6) = y + 10^6
    claim 1[x < 0.0000001] 1[x > 0] = 0
    claim sum[I](1[x[I] > 100]) = 0
    claim max[I](x[I]) = max[I](min(x[I], 1000000))
    claim 1[cos(x) > 0.9999999] = 0
    claim 1[x > 10^30] = 0
    claim 1[x^3 - x > 10^9] = 0
    claim 1[x > 3] = 1[x > 3.5]
    claim relu(x - 3) relu(3.5 - x) = 0
    claim 1[x > 3] relu(3.2 - x) = 0
    claim relu(x - 100) relu(y - 100) = 0
    claim 1[x > 3] sum[I](1[x < 3.2] y[I]) = 0
    claim abs(x - 12345) = abs(x - 12345.5) - 0.5 sign(x - 12345.2) (-1)
    claim 1[abs(x - 12345) < 0.001] = 0
    claim 1[(x - 12345)^2 < 0.001] = 0
    claim 1[x y > 10^8] 1[x < 10] = 0
    claim 1[x[i] > 10^7] y[i] = 0 1[i]
    claim relu(x[i] - 10^6) = 0 1[i]
    claim relu(x[i] - 10^6 1[i == 0]) = (1 - 1[i == 0]) relu(x[i])
    claim max[I](x[I] + 10^6 1[I == 0]) = x[0] + 10^6
    claim min(|i|, 200) x[i] = |i| x[i]
    claim 1[|i| < 150] x[i] = x[i]
    claim x[floor(i/100)] = x[0] 1[i]
    claim floor(x / 10^6) = 1[x < 0] (-1)
    claim 1[-10^5 < x < 3] = 1[x < 3]
    z[n] = x[n] - 10^6 ; claim relu(z[n]) = 0 1[n]
    z[n] = exp(x[n]) ; claim 1[z[n] < 10^9] = 1[n]
    z[n] = x[n] - 10^6 ; y[n] = relu(z[n]) ; claim y[n] = 0 1[n]
    z[n] = W[n,K] x[K] - 10^6 ; y[n] = relu(z[n]) ; claim y[n] = 0 1[n]
    z[n] = W[n,K] x[K] + 10^6 ; y[n] = relu(z[n]) ; claim dy[n]/dx[k] = W[n,k]
    z[n] = W[n,K] x[K] + 10^6 ; y[n] = abs(z[n]) ; L = y[N]^2 ; claim dL/dz[n] = 2 y[n]
    claim sqrt((x + 10^6)^2) = x + 10^6
    claim ((x + 10^7)^2)^0.5 = x + 10^7
    claim softsign(x + 10^6) = (x + 10^6) / (1 + x + 10^6)
    claim clip(x, -10^6, 10^6) = x
    claim max(x, -10^7) = x
    claim max[I](x[I]) = max(-10^8, max[I](x[I]))
    claim mod(x, 10^6) = x + 10^6 1[x < 0]
    claim 1[i < 60] x[i] = x[i]
    claim δ[i,100] x[i] = 0
    claim δ[i,j+50] x[i] y[j] = 0
    claim sum[I](1[I > 300] x[I]) = 0
    claim 1[x[i] > 1000 |i|] = 0 1[i]
    claim 1[|i| > 3 |j|] A[i,j] = 0
    claim elu(x + 50) = x + 50
    claim 1[x > 10^5] y + 1[x <= 10^5] y = y + 1[x > 10^7]
    claim 1[x[i] > x[j] + 10^6] = 0 1[i,j]
    claim 1[sum[I](x[I]^2) < 10^8] = 1
    claim 1[prod[I](x[I]) < 10^8] = 1
    claim 1[exp(-x) > 10^20] = 0
    claim 1[log(x^2 + 1) > 30] = 0
    claim 1[sin(x) > 0.999999] = 0
    claim 1[x^2 < 10^-12] = 0
    claim 1[0 < x < 10^-30] = 0
    claim 1[sigmoid(x) > 1 - 10^-9] = 0
    assume 1[x > 0] = 1 ; claim 1[x > 10^6] = 0
    assume 1[0 < x < 1] = 1 ; claim 1[x < 10^-4] = 0
    assume sum[I](p[I]) = 1 ; claim 1[p[i] < 500] = 1[i]
    assume A[i,j] = A[j,i] ; claim relu(A[i,j] - 10^5) = 0 1[i,j]
    assume A[i,j] = -A[j,i] ; claim max(A[i,j], -10^5) = A[i,j]
    assume R[K,i] R[K,j] = δ[i,j] ; claim 1[R[i,j] < 0.99] = 1[i,j]
    assume A[i,K] B[K,j] = δ[i,j] ; claim relu(A[i,j] - 10^5) = 0 1[i,j]
    L = sum[N](1[t[N] == 7] x[N]) ; claim L = 0
    claim floor(sigmoid(x) + 0.001) = 0
    claim 1[x y z > 10^6] = 0
    claim arctan2(y, x + 10^6) = arctan(y / (x + 10^6))
    claim cbrt(x) = 1[x > -10^5] cbrt(x)
    claim 1[x > 1/3] 1[x < 0.3334] = 0
    claim 1[x^2 > 2] 1[x^2 < 2.0001] = 0
    claim 1[x^3 > 1000] x = 1[x > 10.01] x
    claim 1[x == 12345] y = 0
    claim 1[x == y + 10^6] = 0
    claim 1[x^2 == 49] x = 7 1[x^2 == 49]
    claim 1[x != 10^7] = 1
    claim 1[T[n] == 7] E[T[n]] = 0
    claim 1[7 == T[n]] E[T[n]] = 0
    claim 1[T[n] == 13] E[T[n]] = 0
    claim 1[T[n] == S[n] + 9] E[T[n]] F[S[n]] = 0
    claim 1[T[n] == 6] 1[S[n] == 7] E[T[n],S[n]] = 0
    claim A[k,j] 1[|k| == 3 |j|] = 0
    claim A[k,j] 1[3 |k| == 7 |j|] = 0
    claim x[k] y[j] 1[|k| == 3 |j|] = 0
    claim A[k,j] 1[|k| + |j| == 41] = 0
    claim A[k,j] 1[|k| |j| == 35] = 0
    claim A[k,j] 1[|k| == 11] 1[|j| == 7] = 0
    claim 1[|k| == 3] 1[|j| == 1] A[k,j] = 0
    claim 1[|k| > 6] 1[|j| < 2] A[k,j] = 0
    claim 1[|k| > |j| + 3] 1[|j| > 3] A[k,j] = 0
    claim 1[|k| == 6] 1[|j| == 6] A[k,j] B[j,k] = 0
    claim F[n] 1[|n| == 8] 1[|k| == 3] G[k] = 0
    claim 1[n == 8] 1[|k| == 7] A[n,k] = 0
    claim 1[|k| == 3 |j|] 1[k == j] A[k,j] = 0
    claim 1[|k| == 3 |j|] 1[x > 0] A[k,j] = 0
    claim 1[|k| == 3] 1[x > 10] y[k] = 0
    L = sum[N](1[|N| == 6] x[N]) sum[K](1[|K| == 7] z[K]) ; claim dL/dx[n] = 0
    claim sum[K](1[K == 6] x[K]) sum[J](1[J == 7] z[J]) = 0
    claim relu(|k| - 6) relu(|j| - 7) A[k,j] = 0
    claim min(1[|k| == 6], 1[|j| == 7]) A[k,j] = 0
    claim (1[|k| == 6] + 1[|k| == 8]) (1[|j| == 7] + 1[|j| == 9]) A[k,j] = 0
    claim prod[K](1[x[K] > 3+K] 1[x[K] < 3+K+1/10]) = 0
    claim min[K](1[x[K] > K] 1[x[K] < K+1/10]) = 0
    claim prod[K](1[3+K < x[K]]) prod[K](1[x[K] < 3+K+1/10]) = 0
    claim A[k,j] 1[k == 7 j] = A[k,j] δ[k,0] δ[j,0]
    claim A[k,j] 1[3 k == 7 j] = A[k,j] δ[k,0] δ[j,0]
    claim A[k,j] 1[k == 700 j] = A[k,j] δ[k,0] δ[j,0]
    claim A[k,j] 1[k == j^2] = A[k,j] (δ[k,0] δ[j,0] + δ[k,1] δ[j,1] + δ[k,4] δ[j,2])
    claim x[k] 1[mod(k, 11) == 3] = x[k] δ[k,3]
    claim k (k-1)(k-2)(k-3)(k-4)(k-5)(k-6)(k-7) x[k] = 0
    Y[i] = X[i+2R] W[R] ; claim dY[i]/dW[r] = X[i] δ[r,0] + X[i+2] δ[r,1]
    Y[i] = X[i+8R] W[R] ; claim dY[i]/dW[r] = X[i] δ[r,0] + X[i+8] δ[r,1]
    y[i] = x[i+R] w[R] ; claim 1[|y.0| == 7] 1[|w.0| == 4] y[i] = 0
    y[i] = x[i+R] w[R] ; claim 1[i == 17] y[i] = 0
"""
TRUE = """
    f = relu(relu(x) - 3) ; claim df/dx = 1[x > 3]
    f = relu(relu(x - 1) - 3) ; claim df/dx = 1[x > 4]
    f = max(max(x,0) - 3, 0) ; claim df/dx = 1[x > 3]
    f[i] = relu(relu(x[i]) - 3) ; claim df[i]/dx[j] = δ[i,j] 1[x[i] > 3]
    f = relu(2 - relu(x)) ; claim df/dx = -1[x > 0] 1[x < 2]
    claim 1[|k| == 3 |j|] 1[|k| == 4 |j|] A[k,j] = 0
    claim 1[k == 3] 1[k == 4] x[k] = 0
    claim prod[K](1[x[K] > 0]) = 1[min[K](x[K]) > 0]
    claim prod[K](1[x[K] > 0] 1[x[K] < 0]) = 0
    claim 1[k (k - 1) == 0] x[k] = (δ[k,0] + δ[k,1]) x[k]
    y[i] = x[i+1] - x[i] ; claim 1[|x.0| == |y.0| + 1] y[i] = y[i]
    y[i] = x[i+R] w[R] ; claim 1[|x.0| >= |y.0|] y[i] = y[i]
    y[i] = x[2i] ; claim 1[2 i < |x.0|] y[i] = y[i]
    assume 1[|i| > |j|] = 1 ; claim 1[|i| >= |j|] A[i,j] = A[i,j]
    y[i] = log(x[i]) ; p[i] = softmax[i](y[i]) ; claim p[i] = x[i]/sum[J](x[J])
    y[i] = log(x[i]) ; m = max[I](y[I]) ; claim m = log(max[I](x[I]))
    y[t] = sum[S](1[S < t] x[S]) where |t| = |x.0| ; claim y[t+1] - y[t] = x[t]
    assume x[i+1] = r x[i] ; claim x[i] = r^i x[0]
    assume x[i+1] - x[i] = d ; claim x[i] = x[0] + i d
    assume f[i+2] = f[i+1] + f[i] ; claim f[i+3] = 2 f[i+1] + f[i]
    assume 1[x[j] > y[j]] = 1 ; claim max(x[i], y[i]) = x[i]
    y[n] = x[T[n]] ; claim floor(T[n]) = T[n]
    y[n] = x[T[n]] ; claim 1[T[n] < |x.0|] = 1
    y[n] = x[T[n]] ; claim 1[T[n] >= 0] = 1
    y[n] = x[T[n]] ; claim max(T[n], 0) = T[n]
    y[n] = x[T[n]] ; claim 1[T[n] > 3] = 1[T[n] >= 4]
    y[n] = A[T[n], S[n]] ; claim 1[T[n] < |A.0|] 1[S[n] < |A.1|] = 1
    y[n] = x[T[n]] ; z[n] = T[n]^2 ; claim sqrt(z[n]) = T[n]
    L = -mean[N](log(p[N,t[N]])) ; claim cos(2 pi t[n]) = 1
    claim max(x, min(x, y)) = x
    claim min(x, max(x, y)) = x
    claim max(x[i], max[J](x[J])) = max[J](x[J]) 1[i]
    claim min(clip(x, 0, 1), 2) = clip(x, 0, 1)
    claim max(abs(x), x) = abs(x)
    claim 1[abs(x) >= x] = 1
    claim log(x y) + relu(-x - 100) = log(x) + log(y)
    claim 1[x^2 > 2] = 1[x^4 > 4]
    claim 1[tanh(x) > 1/2] + 1[tanh(x) < 1/2] + 1[tanh(x) == 1/2] = 1
    claim sign(x^3 - 2) = sign(x - 2^(1/3))
    L = relu(exp(x) - 3) ; claim dL/dx = exp(x) 1[exp(x) > 3]
    g = sqrt(x) ; claim 1[g >= 0] = 1
    g = log(x) ; claim 1[g > 0] + 1[g <= 0] = 1
    g = 1/x ; claim 1[g > 0] + 1[g < 0] = 1
    g = arcsin(x) ; claim 1[g <= 2] = 1
    y[i] = log(x[i]) ; m = max[I](y[I]) ; claim m = log(max[I](x[I]))
    y[i] = log(x[i]) ; p[i] = softmax[i](y[i]) ; claim p[i] = x[i]/sum[J](x[J])
    y[i] = log(x[i]) ; m = logsumexp[I](y[I]) ; claim m = log(sum[I](x[I]))
    claim log(x y) + relu(-x - 100) = log(x) + log(y)
    claim 1[x^2 >= 0] = 1
    claim abs(x^2) = x^2
    claim relu(exp(x)) = exp(x)
    claim 1[x > 0] abs(x) = 1[x > 0] x
    claim 1[x > 0] relu(x) = relu(x)
    claim relu(x) relu(-x) = 0
    claim 1[x > 3] 1[x < 2] = 0
    claim max(x, y) + min(x, y) = x + y
    claim max(x, y) = 1/2 (x + y + abs(x - y))
    claim abs(x y) = abs(x) abs(y)
    claim abs(x) = x sign(x)
    claim abs(x)^2 = x^2
    claim max(x, max(y, z)) = max(max(x, y), z)
    claim relu(x) - relu(-x) = x
    claim clip(x, -1, 1) = max(-1, min(1, x))
    claim clip(x, 0, 6) = relu(x) - relu(x - 6)
    claim floor(x + 3) = floor(x) + 3
    claim floor(sigmoid(x)) = 0
    claim mod(x + 5, 5) = mod(x, 5)
    claim 1[x > y] + 1[x <= y] = 1
    claim 1[x > y] 1[y > z] 1[x > z] = 1[x > y] 1[y > z]
    claim max[I](x[I] + c) = max[I](x[I]) + c
    claim max[I](2 x[I]) = 2 max[I](x[I])
    claim min[I](x[I]) = -max[I](-x[I])
    claim max[I](max(x[I], y[I])) = max(max[I](x[I]), max[I](y[I]))
    claim sum[I](relu(x[I] - t)) = sum[I](1[x[I] > t] (x[I] - t))
    claim max[I](exp(x[I])) = exp(max[I](x[I]))
    claim relu(a x) = a relu(x) 1[a > 0] - a relu(-x) 1[a <= 0]
    assume 1[a > 0] = 1 ; claim relu(a x) = a relu(x)
    assume 1[a > 0] = 1 ; claim max(a x, a y) = a max(x, y)
    assume 1[x[i] > 0] = 1 ; claim abs(x[i]) = x[i]
    assume 1[x[i] > 0] = 1 ; claim relu(x[i]) = x[i]
    assume 1[x > y] = 1 ; claim max(x, y) = x
    assume 1[x > y] = 1 ; claim relu(x - y) = x - y
    assume A[i,j]^2 = A[i,j] ; claim abs(A[i,j]) = A[i,j]
    assume A[i,j]^2 = A[i,j] ; claim 1[A[i,j] > 1/2] = A[i,j]
    S[n,c] = exp(Z[n,c]) / sum[C](exp(Z[n,C])) ; claim abs(S[n,c]) = S[n,c]
    S[n,c] = exp(Z[n,c]) / sum[C](exp(Z[n,C])) ; claim relu(S[n,c]) = S[n,c]
    S[n,c] = softmax[c](Z[n,c]) ; claim max(S[n,c], 0) = S[n,c]
    a[n,j] = relu(Z[n,j]) ; L = 1/2 a[N,J]^2 ; claim dL/dZ[n,j] = a[n,j]
    L = sum[I](abs(x[I])) ; claim dL/dx[i] = sign(x[i])
    L = sum[I](max(0, 1 - y[I] x[I])) ; claim dL/dx[i] = -y[i] 1[1 - y[i] x[i] > 0]
    L = sum[I](max(0, 1 - y[I] x[I])^2) ; claim dL/dx[i] = -2 y[i] max(0, 1 - y[i] x[i])
    m = max[I](x[I]) ; claim m - max[I](x[I]) = 0
    y[i] = clip(x[i], -1, 1) ; claim dy[i]/dx[j] = δ[i,j] 1[-1 < x[i]] 1[x[i] < 1]
    h[n] = sum[I](x[I] 1[I <= n]) ; claim h[n] = sum[I](x[I]) - sum[I](x[I] 1[I > n])
    claim sum[I,J](1[I < J] A[I,J]) + sum[I,J](1[I >= J] A[I,J]) = sum[I,J](A[I,J])
    claim 1[i < j] 1[j < i] A[i,j] = 0
    claim 1[i <= j] 1[j <= i] x[i] = δ[i,j] x[i]
    claim x[floor(i/2)] = sum[J](1[2 J <= i] 1[i < 2 J + 2] x[J])
    claim abs(sin(x)) = sqrt(1 - cos(x)^2)
    claim sqrt(x^2) = abs(x)
    claim sqrt((x - y)^2) = abs(x - y)
    claim sqrt(x^4) = x^2
    claim (x^2 + 1)^0.5 = sqrt(x^2 + 1)
    claim sqrt((x^2 + 1)^2) = x^2 + 1
    claim sign(x y) = sign(x) sign(y)
    claim sign(x)^3 = sign(x)
    claim max(exp(x), exp(y)) = exp(max(x, y))
    claim log(max(exp(x), exp(y))) = max(x, y)
    claim relu(tanh(x) + 1) = tanh(x) + 1
    claim relu(1 - sigmoid(x)) = sigmoid(-x)
    claim abs(1 + x^2) = 1 + x^2
    claim abs(cosh(x)) = cosh(x)
    claim max(x^2, -1) = x^2
    claim arctan2(y, 1) = arctan(y)
    claim arctan2(y, exp(x)) = arctan(y exp(-x))
    claim softplus(x) = relu(x) + log(1 + exp(-abs(x)))
    claim logsumexp[I](x[I]) = max[I](x[I]) + log(sum[I](exp(x[I] - max[J](x[J]))))
    L = sum[N](max[C](s[N,C])) ; claim L = sum[N](max[K](s[N,K]))
    claim 1[|i| >= 1] x[i] = x[i]
    claim 1[i >= 0] x[i] = x[i]
    claim 1[i < |x.0|] x[i] = x[i]
    claim relu(|i| - 1) = |i| - 1
    claim max(|i|, 1) x[i] = |i| x[i]
    claim abs(i) x[i] = i x[i]
    claim max[I](I) x = (|I| - 1) x
    d[i,j] = sqrt((X[i,K] - X[j,K])^2) ; claim d[i,j] = d[j,i]
    claim relu(relu(x)) = relu(x)
    claim abs(abs(x)) = abs(x)
    claim abs(relu(x)) = relu(x)
    claim max(relu(x), 0) = relu(x)
    claim min(relu(x), 0) = 0
    claim relu(-relu(x)) = 0
    claim relu(x)^2 = x relu(x)
    claim sign(relu(x)) = 1[x > 0]
    claim 1[relu(x) > 0] = 1[x > 0]
    claim 1[x > 0] 1[x > 1] = 1[x > 1]
    claim max(x, x + 1) = x + 1
    claim relu(x + 1 - x) = 1
    claim 1[x < x + 1] = 1
    claim 1[exp(x) > 0] y = y
    claim abs(x + y) + abs(x - y) = 2 max(abs(x), abs(y))
    claim median[n] - median[n] + max(min(x, y), min(max(x, y), z)) = x + y + z - max(x, max(y, z)) - min(x, min(y, z))
    assume 1[x[i] > y[i]] = 1 ; claim max(x[i], y[i]) = x[i]
    assume 1[x[i] >= 0] = 1 ; assume sum[I](x[I]) = 1 ; claim sum[I](abs(x[I])) = 1
    assume sum[J](Y[n,J]) = 1 ; assume 1[Y[n,j] >= 0] = 1 ; claim max(Y[n,j], 0) = Y[n,j]
    assume R[K,i] R[K,j] = δ[i,j] ; claim relu(1 - R[i,j]) = 1 - R[i,j]
    assume 1[0 < p < 1] = 1 ; claim abs(log(p)) = -log(p)
    assume 1[0 < p < 1] = 1 ; claim relu(1 - p) + relu(p) = 1
    assume A[i,j] = R[K,i] R[K,j] ; claim abs(x[I] A[I,J] x[J]) = x[I] A[I,J] x[J]
    assume A[i,j] = R[K,i] R[K,j] ; claim sqrt((x[I] A[I,J] x[J])^2) = x[I] A[I,J] x[J]
    assume A[i,j] = R[K,i] R[K,j] ; claim 1[sum[I](A[I,I]) >= 0] = 1
    assume A[i,j] = R[K,i] R[K,j] ; claim relu(A[i,i]) = A[i,i]
"""
UNSEEN = """
    claim 1[(3 x - 24691)^2 < 0.0001] = 0 | 1[(3 x - 24691)^2 < 0.0001] was never true
    claim 1[3 x == 24691] y = 0 | 1[3x == 24691] was never true
    claim 1[sqrt(1 - x^2) x < 0.499] = 1 | 1[sqrt(1 - x^2) x < 0.499] was never false
    g = exp(1/2 log(x) + 1/2 log(y)) ; claim 1[(x+y)/2 >= g] = 1 | 1[(x + y) / 2 >= g] was never false
    claim 1[cosh(x) >= x] = 1 | 1[cosh(x) >= x] was never false
    g = log(x) ; claim 1[g < 10^40] = 1 | 1[g < 10^40] was never false
    claim 1[x > 10^5] 1[y > 10^5] 1[x y < 10^9] = 0 | 1[x > 10^5] 1[y > 10^5] 1[x y < 10^9] was never 1
    claim x[k] 1[sin(pi k/9) == 0] = x[k] δ[k,0] | 1[sin(pi k / 9) == 0] was never true away from 0
    claim 1[k == 5000 j] A[k,j] = A[k,j] δ[k,0] δ[j,0] | 1[k == 5000j] was never true away from 0
"""
BOUNDS = """
    x^2 | 0 inf
    x x | 0 inf
    -x^2 | -inf 0
    exp(x) + 1 | 1 inf
    1 - cos(x) | 0 2
    1 - 2 sigmoid(x) | -1 1
    sum[I](a[I]^2) | 0 inf
    sum[I,J,K](x[I] R[K,I] R[K,J] x[J]) | 0 inf
    sum[I,J](x[I] A[I,J] x[J]) | -inf inf
    sum[I,J](x[I] R[I,J] R[J,I] x[J]) | -inf inf
    min(x, 3) | -inf 3
    clip(x, 1, 2) | 1 2
    floor(sigmoid(x)) | 0 1
    x^3 | -inf inf
    1/x^2 | 0 inf
    log(1 + x^2) | 0 inf
    sqrt(x^2 + 4) | 1 inf
    (mean[I](a[I]^2) + 0.25)^1.5 | 0.0625 inf
    sqrt(x^2) | 0 inf
"""


@pytest.mark.in_turn(2)
@pytest.mark.parametrize("row", rows(FALSE))
def test_what_holds_on_one_side_alone_is_refuted(row):
    assert outcome(row).verdict == "refuted", outcome(row)


@pytest.mark.in_turn(2)
@pytest.mark.parametrize("row", rows(TRUE))
def test_what_holds_on_both_sides_holds(row):
    assert outcome(row).verdict in ("proved", "verified", "kink"), outcome(row)


@pytest.mark.parametrize("row", rows(UNSEEN))
def test_a_side_that_was_not_seen_is_the_reason(row):
    row, reason = row.split(" | ")
    found = outcome(row)
    assert (found.verdict, found.reason) == ("undecided", f"{reason} at a point that was tried")


@pytest.mark.parametrize("row", rows(BOUNDS))
def test_bounds(row):
    text, ends = row.split(" | ")
    assert tuple(map(float, bounds(parse_expression(text))[:2])) == tuple(map(float, ends.split()))
