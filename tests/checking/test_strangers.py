"""Claims as strangers write them: false ones that few points tell, true ones, and those that hold but somewhere.

A row is a document, its lines apart by semicolons, and its last line the claim.  What each is was worked out by hand:
false beyond some extent, at other numbers than whole or small ones, by less than any usual digit, at large or small
entries; true wherever both sides have a value, or but at a kink.
"""

import pytest

import einstan as es

FALSE = """
    assume A[i,j] = A[j,i] ; assume A[i,K] v[K] = l v[i] ; assume A[i,K] w[K] = m w[i] ; claim v[I] w[I] = 0
    assume Y[n,c]^2 = Y[n,c] ; assume sum[C](Y[n,C]) = 1 ; claim prod[C](Y[n,C]) = 0
    assume a x = b ; assume a y = b ; claim x = y
    assume a b = c ; assume b c = a ; claim b^2 = 1
    assume Q[K,i] Q[K,j] = δ[i,j] ; claim |Q.0| = |Q.1|
    assume sum[I](x[I]) = 5 ; claim |x.0| = 5
    y[k] = x[floor(k/2)] where |k| = 2 |x.0| ; L = y[K]^2 ; claim dL/dx[i] = 2 x[i]
    y[i] = x[mod(i+1, |x.0|)] ; claim dy[i]/dx[p] = δ[i,p]
    claim T x[T] = sum[T](x[T])
    claim t (t - 1) (t - 2) x[t] = 0 1[t]
    y[t] = g^t x[t] ; claim dy[t]/dg = g^(t-1) x[t]
    y[k] = cos(2 pi k I / |I|) x[I] ; claim dy[k]/dx[i] = cos(2 pi k i / |k|)
    d[i] = x[i+1] - x[i] ; claim dd[i]/dx[p] = δ[i+1,p] + δ[i,p]
    d[i] = x[i+1] - x[i] ; E = sum[J]((d[J+1]-d[J])^2) ; claim x[I] dE/dx[I] = E
    d[i] = x[i+1] - x[i] ; e[i] = d[i+1] - d[i] ; E = e[I]^2 ; claim dE/dx[i] = 2 pad(e[i-2]) - 4 pad(e[i-1]) + 2 e[0]
    c[i] = pad(a[i]) + pad(b[i-|a.0|]) where |i| = |a.0| + |b.0| ; L = c[I]^2 ; claim dL/db[p] = 2 b[p] + 2 a[0]
    claim (|i| - 2) (|i| - 3) (|i| - 4) (|i| - 5) x[i] = 0 1[i]
    claim 1[|i| <= 5] x[i] = x[i]
    claim 1[|i| < 6] sum[I](x[I]) = sum[I](x[I])
    claim sum[I](1[I <= 4] x[I]) = sum[I](x[I])
    claim sum[I](1[I < 7] x[I]) = sum[I](x[I])
    claim sum[I](1[I < 20] x[I]) = sum[I](x[I])
    claim sum[I](1[2 I < 12] x[I]) = sum[I](x[I])
    claim floor(|i| / 2) x[i] = |i| / 2 x[i]
    claim floor(|i| / 7) x[i] = 0 1[i]
    claim cos(pi |i|) x[i] = x[i]
    claim min(|i|, 6) x[i] = |i| x[i]
    claim max(|i|, 2) x[i] = |i| x[i]
    claim relu(6 - |i|) x[i] = (6 - |i|) x[i]
    claim abs(|i| - 1.5) x[i] = (|i| - 1.5) x[i]
    claim prod[I](1 + x[I]) = 1 + sum[I](x[I]) + sum[I,J](1[I<J] x[I] x[J]) + sum[I,J,K](1[I<J] 1[J<K] x[I] x[J] x[K])
    claim (|i| - 2) (|i| - 3) (|i| - 4) (|i| - 5) (|i| - 6) x[i] = 0 1[i]
    claim sum[I](x[I]) = x[0] + x[1]
    claim sum[I](x[I]) = x[0] + x[1] + x[2] + x[3] + x[4]
    claim max[I](x[I]) = max(x[0], max(x[1], x[2]))
    claim sum[I](1[I == 0] + 1[I==1] + 1[I==2]+1[I==3]+1[I==4]) = |I|
    claim |i| x[i] = |j| x[i] 1[J] / |J|
    y[i] = x[i] ; claim |i|^2 x[i] = (5 |i| - 6) x[i]
    claim A[I,I] B[J,J] = A[I,J] B[I,J]
    claim sin(pi t[n]) = 0 1[n]
    y[n] = E[t[n]] ; claim y[n] sin(x[n]) = y[n] x[n]
    claim floor(x[i]) = x[i]
    claim cos(2 pi x[i]) = 1 1[i]
    claim sin(6 pi x[i]) = 0 1[i]
    claim sin(12 pi x[i]) = 0 1[i]
    claim sin(420 pi x[i]) = 0 1[i]
    claim sin(27720 pi x[i]) = 0 1[i]
    claim 1[floor(840 x[i]) == 840 x[i]] = 1 1[i]
    claim x[i]^2 = floor(x[i]^2)
    claim sqrt(x[i]^2) = x[i]
    claim exp(1/2 log(x[i]^2)) = x[i]
    claim abs(x[i]) = x[i]
    claim (x[i]^2)^0.5 = x[i]
    claim (x[i]^4)^0.25 = x[i]
    claim (x[i]^6)^(1/6) = x[i]
    claim arctan(x[i]) + arctan(1/x[i]) = pi/2 1[i]
    claim arctan(tan(x[i])) = x[i]
    claim tan(arctan(x[i])) = abs(x[i])
    claim relu(x[i]) = x[i]
    claim relu(x[i])^2 = x[i] ^2
    claim max(x[i], 3) = 3 1[i]
    claim max(x[i], 100) = 100 1[i]
    claim 1[x[i] < 1000] = 1 1[i]
    claim 1[x[i] < 10] = 1 1[i]
    claim 1[x[i] > -3] = 1 1[i]
    claim relu(x[i] - 5) = 0 1[i]
    claim relu(sum[I](x[I] y[I]) - 500) = 0
    claim min(x[i], 40) = x[i]
    claim sign(x[i] - 4) = -1 1[i]
    claim exp(relu(x[i] - 12)) = 1 1[i]
    claim 1[x[i]^2 < 10^4] = 1 1[i]
    claim floor(x[i] / 1000) = floor(x[i] / 2000)
    claim 1[x[i] != 0] = 1 1[i]
    claim 1[x[i] == y[i]] = 0 1[i]
    claim 1[x[i] == 0] = 0 1[i]
    claim 1[x[i] == 17] = 0 1[i]
    claim 1[x[i] >= y[i]] = 1[x[i] > y[i]]
    claim 1[x[i] >= 0] = 1[x[i] > 0]
    claim 0^x[i] = 0 1[i]
    claim x[i]^0 + 1[x[i]==0] = 1 1[i]
    claim x[i] + 10^-12 = x[i]
    claim (1 + 10^-12) x[i] = x[i]
    claim (1 + 10^-30) x[i] = x[i]
    claim (1 + 10^-44) exp(x[i]) = exp(x[i])
    claim exp(x[i]) + 10^-46 = exp(x[i])
    claim exp(x[i]) + 10^-50 sin(x[i]) = exp(x[i])
    claim exp(-200 x[i]^2 - 200) = 0 1[i]
    claim tanh(100 x[i]) = sign(x[i])
    claim tanh(10000 x[i]) = sign(x[i])
    claim sigmoid(1000 x[i]) = 1[x[i] > 0]
    claim sqrt(x[i]^2 + 10^-100) = abs(x[i])
    claim sqrt(x[i]^2 + 10^-60) = abs(x[i])
    claim softplus(1000 x[i]) / 1000 = relu(x[i])
    claim logsumexp[K](10000 x[K]) / 10000 = max[K](x[K])
    claim erf(100 x[i]) = sign(x[i])
    claim erf(20 x[i] + 60) = 1 1[i]
    claim tanh(x[i] + 300) = 1 1[i]
    claim tanh(x^2 + 330) = 1
    claim softplus(-x^2 - 650) = exp(-x^2 - 650)
    claim sin(1e-140 x) = 1e-140 x
    claim exp(1e-290 x) = 1
    claim expm1(-x^2 - 650) = -1
    claim arcsinh(1e150 (x^2 + 1)) = log(2e150 (x^2 + 1))
    claim arctan2(-y, x) = -arctan2(y, x) + 1[y >= 0] 1[x > 0] - 1[y > 0] 1[x > 0]
    claim sigmoid(x[i] + 300) = 1 1[i]
    claim arctan(10^60 x[i]) = pi/2 sign(x[i])
    claim pi = 355/113
    claim exp(pi sqrt(163)) = 262537412640768744
    claim 3.14159265358979 x[i] = pi x[i]
    claim 1.4142135623730951 x[i] = sqrt(2) x[i]
    claim 0.1 x[i] + 0.2 x[i] = 0.30000000000000004 x[i]
    claim x[i] 10^40 + y[i] = x[i] 10^40
    claim exp(x[i]) 10^80 + y[i] = exp(x[i]) 10^80
    claim (exp(x[i]) 10^80 + y[i]) - exp(x[i]) 10^80 = 0 1[i]
    claim exp(500 + x[i]) + y[i] = exp(500 + x[i])
    claim cos(10^30 x[i]) = cos(10^30 x[i] + 10^-25)
    claim exp(10^4) = 1
    claim 2^20000 = 1
    claim 9^9^9 = 2
    claim x 2^10^8 = x
    claim 10^20000 x[i] = x[i]
    claim 10^10^10 = 10^10^11
    assume 1[x > 0] = 1 ; claim exp(10^6 (1 + x)) = 1
    claim 3^10^7 x[i] = 3^10^6 x[i]
    claim exp(-10^4) = 0
    claim exp(-exp(x^2+10)) = 0
    claim 10^-20000 x[i] = 0 1[i]
    f = exp(-exp(t)) ; claim f = f 1[t < 12]
    f = exp(-exp(t)) ; assume 1[t > 0] = 1 ; claim f = f 1[t < 12]
    f = exp(-t^2) ; claim f = f 1[t < 1000]
    g[i] = x[i] exp(-exp(exp(t))) ; claim g[i] = g[i] 1[t < 3]
    y[i] = relu(x[i]) ; claim dy[i]/dx[j] = δ[i,j]
    y[i] = relu(x[i]) ; claim dy[i]/dx[j] = δ[i,j] 1[x[i] < 0]
    y[i] = abs(x[i]) ; claim dy[i]/dx[j] = δ[i,j]
    y[i] = max(x[i], z[i]) ; claim dy[i]/dx[j] = δ[i,j] 1[x[i] < z[i]]
    y[i] = floor(x[i]) ; claim dy[i]/dx[j] = δ[i,j]
    y = max[I](x[I]) ; claim dy/dx[i] = 1[i == 0]
    y = max[I](x[I]) ; claim dy/dx[i] = 1[x[i] > 0]
    y = min[I](x[I]) ; claim dy/dx[i] = 1[x[i] == max[J](x[J])]
    y[i] = relu(x[i])^2 ; claim dy[i]/dx[j] = 2 δ[i,j] x[i]
    y[i] = abs(x[i])^3 ; claim dy[i]/dx[j] = 3 δ[i,j] x[i]^2
    L = sum[I](max(0, 1 - t[I] x[I])) ; claim dL/dx[i] = -t[i] 1[x[i] < 1]
    L = sum[I](abs(x[I] - 300)) ; claim dL/dx[i] = -1 1[i]
    L = sum[I](relu(x[I] - 300)) ; claim dL/dx[i] = 0 1[i]
    y[i] = 1[abs(x[i]) <= 5] x[i]^2 / 2 + 1[abs(x[i]) > 5] (5 abs(x[i]) - 25/2) ; claim dy[i]/dx[j] = δ[i,j] x[i]
    y[i] = min(x[i]^2, 50) ; claim dy[i]/dx[j] = 2 δ[i,j] x[i]
    y[n] = E[t[n]] ; claim dy[n]/dE[v] = δ[n,v]
    y[n] = E[t[n]] ; L = sum[N](y[N]) ; claim dL/dE[v] = 1 1[v]
    y[n] = E[t[n]] ; L = sum[N](y[N]) ; claim dL/dE[v] = max[N](1[t[N] == v])
    y[n] = E[t[n]] ; claim sum[N](y[N]) = sum[V](E[V])
    claim sum[N](1[t[N] == k]) = 1 1[k]
    claim 1[t[n] == s[n]] = 1[n]
    claim E[t[n]] F[t[n]] = E[t[n]] F[n]
    claim E[t[n],s[n]] = E[s[n],t[n]]
    claim 1[t[n] == 0] + 1[t[n] == 1] + 1[t[n] == 2] = 1 1[n]
    claim sum[N](E[t[N]]^2) = sum[V](E[V]^2 sum[N](1[t[N] == V])^2)
    claim E[t[t[n]]] = E[t[n]]
    y[i] = A[i,J] x[J] ; claim dy[i]/dx[j] = A[j,i]
    f = x[I] A[I,J] x[J] ; claim df/dx[i] = 2 A[i,J] x[J]
    f = x[I] A[I,J] x[J] ; claim df/dx[i]dx[j] = 2 A[i,j]
    f = x[I] A[I,J] x[J] ; claim df/dA[i,j] = x[i]^2 δ[i,j]
    f = x[I]^2 ; g = f^2 ; claim dg/dx[i] = 2 f x[i]
    f = exp(a x) ; claim df/da = a f
    y[i] = x[i] / sum[J](x[J]) ; claim dy[i]/dx[k] = δ[i,k] / sum[J](x[J])
    y[i] = x[i]^3 ; claim dy[i]/dx[j] = 3 x[i]^2
    y[i] = x[i] z[i] ; z[i] = sin(x[i]) ; claim dy[i]/dx[j] = δ[i,j] z[i]
    z[i] = sin(x[i]) ; y[i] = x[i] z[i] ; claim dy[i]/dx[j] = δ[i,j] z[i]
    y = a^b ; claim dy/db = b a^(b-1)
    y[i] = x[i+1] - x[i] ; claim dy[i]/dx[j] = δ[i,j] - δ[i+1,j]
    y = prod[I](x[I]) ; claim dy/dx[i] = y
    y = sum[I](prod[J](1[J <= I] x[J] + 1[J > I])) ; claim dy/dx[i] = sum[I](1[I>=i])
    claim (x[i]^2)^(3/2) = x[i]^3
    claim sqrt(x[i] - 100)^2 = x[i] + 100
    claim sum[I](1[J<=I] x[I]) 1[J] = x[I] 1[I]
    claim x[i] y[j] = x[j] y[i]
    claim A[i,J] A[J,k] = A[i,J] A[k,J]
    claim x[I] x[I] = sum[I](x[I])^2
    y = log(sum[I](x[I]^2)) ; claim dy/dx[i] = 1 / x[i]
    given L(y[I]) ; y[i] = A[i,J] x[J] ; claim dL/dx[j] = A[j,I] dL/dy[I]
    given L(y[I]) ; y[i] = sigmoid(x[i]) ; claim dL/dx[j] = dL/dy[j] y[j] (1 + y[j])
    given L(y[N,J]) ; y[n,j] = X[n,K] W[K,j] ; claim dL/dW[p,q] = X[p,N] dL/dy[N,q]
    given L(y[I], z[I]) ; y[i] = 2 x[i] ; z[i] = 3 x[i] ; claim dL/dx[i] = 2 dL/dy[i]
    given L(y[I]) ; claim L = dL/dy[I] y[I]
    given L(y[I]) ; claim L = 0
    assume |i| = 3 ; claim sum[I](x[I]) = x[0] + x[1]
    assume |i| = 3 ; claim sum[I](1[I]) = 4
    claim sum[I](1[I]) = sum[J](1[J])
    assume |i| = |j| + 1 ; claim sum[I](1[I]) = sum[J](1[J])
    assume 3 = |i| ; claim mean[I](x[I]) = 1/2 sum[I](x[I])
    claim sum[I](1[I] a) = a |I|^2
    claim sin(x[i])^4 = 3/8 - 1/2 cos(2 x[i]) + 1/8 cos(3 x[i])
    claim softmax[k](x[k] + log(1[k <= 1])) = exp(x[k]) / sum[J](exp(x[J]))
    P[q,k] = softmax[k](S[q,k] + log(1[k <= q])) ; O[q,d] = P[q,K] V[K,d] ; claim dO[q,d]/dV[k,e] = P[k,q] δ[d,e]
    M[q,k] = log(1[k <= q]) ; P[q,k] = softmax[k](S[q,k] + M[q,k]) ; claim P[q,k] = softmax[k](S[q,k])
    P[q,k] = softmax[k](S[q,k] + log(1[k <= q])) ; claim dP[q,k]/dS[p,j] = δ[q,p] P[q,k] (δ[k,j] + P[q,j])
    claim exp(log(1[i <= 1])) = 1 1[i]
    claim sum[K](1[K <= n] exp(x[K])) = exp(logsumexp[K](x[K])) 1[n]
    assume A[i,j] = A[j,i] ; claim A[i,J] A[J,k] = A[i,k]
    assume A[i,j] = A[j,i] ; claim A[i,J] B[J,k] = B[i,J] A[J,k]
    assume A[i,j] = A[j,i] ; claim A[i,j]^2 = A[i,i] A[j,j]
    assume A[i,j] = -A[j,i] ; claim A[i,J] A[J,k] = -A[k,J] A[J,i]
    assume A[i,j] = -A[j,i] ; claim sum[I,J](abs(A[I,J])) = 0
    assume A[K,i] A[K,j] = δ[i,j] ; claim A[i,K] A[j,K] = δ[i,j]
    assume A[K,i] A[K,j] = δ[i,j] ; claim sum[K](A[K,i]) = 1 1[i]
    assume A[K,i] A[K,j] = δ[i,j] ; claim A[k,I] x[I] = x[k]
    assume A[K,i] A[K,j] = δ[i,j] ; claim abs(A[k,i]) = 1[k == i]
    assume sum[K](Y[n,K]) = 1 ; claim sum[N](Y[N,k]) = 1 1[k]
    assume sum[K](Y[n,K]) = 1 ; claim abs(Y[n,k]) = Y[n,k]
    assume sum[K](Y[n,K]) = 1 ; claim Y[n,k]^2 = Y[n,k]
    assume 1[x[i] > 0] = 1 ; claim relu(x[i] - 1/2) = x[i] - 1/2
    assume 1[x[i] > 0] = 1 ; claim relu(x[i] + 1) = x[i]
    assume 1[x[i] > 0] = 1 ; claim max(x[i], 50) = 50 1[i]
    assume P[i,K] P[K,j] = P[i,j] ; claim P[i,j] = P[j,i]
    assume P[i,K] P[K,j] = P[i,j] ; claim P[I,I] = 1
    assume P[i,K] P[K,j] = P[i,j] ; claim P[i,j] = δ[i,j]
    assume A[i,K] B[K,j] = δ[i,j] ; claim A[i,j] = B[j,i]
    assume A[i,K] B[K,j] = δ[i,j] ; claim A[i,j] = B[i,j]
    assume Y[n,c]^2 = Y[n,c] ; assume sum[C](Y[n,C]) = 1 ; claim sum[N](Y[N,c]) = 1 1[c]
    assume u[I]^2 = 1 ; claim sum[I](u[I]) = 1
    assume u[I]^2 = 1 ; claim u[i]^2 = 1 1[i]
    assume mean[I](x[I]) = 0 ; claim sum[I](x[I]^3) = 0
    assume mean[I](x[I]) = 0 ; claim x[0] = 0
    assume A[i,j] = U[i,K] U[j,K] ; claim A[i,j] = abs(A[i,j])
    assume |i| = |j| ; claim A[i,j] = A[j,i]
    c[k] = x[T+k] x[T] where |k| = 3, |T| = 4 ; claim dc[k]/dx[i] = x[i-k] 1[0 <= i-k < 5] + x[i+k] 1[i < 4]
    assume sum[I](x[I]^2) = 2 ; claim x[0] 10^60 + y = x[0] 10^60
    assume x[i] = y[i] ; claim x[i] y[j] = x[j] y[j]
    assume x[i] = 2 y[i] ; claim x[I] y[I] = 4 y[I]^2
    y[i] = P[i,J] H[J,K] x[K] ; assume P[i,j] = P[j,i] ; claim y[i] = P[i,J] H[K,J] x[K]
    assume A[i,j] = A[j,i] ; claim A[i,j] = δ[i,j] A[i,i]
    y[i] = A[i,J] exp(x[J]) ; assume A[i,j] = A[j,i] ; claim dy[i]/dx[j] = A[i,j] exp(x[i])
    f = x[I] A[I,J] x[J] ; assume A[i,j] = A[j,i] ; claim df/dx[i] = A[i,J] x[J]
    given S(z[I]) ; claim dS/dz[i] = z[i]
    given S[k](z[K]) ; claim dS[k]/dz[j] = dS[j]/dz[k]
    given g(x) ; y = g^2 ; claim dy/dx = 2 g
    L = 1/2 (X[N,K] w[K] - y[N])^2 ; claim dL/dw[k] = X[N,k] (X[N,K] w[K] - y[N]) / |N|
    L = 1/|N| (y[N] - X[N,K] w[K])^2 ; claim dL/dw[k] = 2/|n| X[N,k] (y[N] - X[N,K] w[K])
    Z[n,j] = X[n,K] W[K,j] ; L = mean[N,J](Z[N,J]^2) ; claim dL/dZ[n,j] = 2/|n| Z[n,j]
    S[n,c] = softmax[c](Z[n,c]) ; L = -1/|N| sum[N](log(S[N,t[N]])) ; claim dL/dZ[n,c] = S[n,c] - δ[t[n],c]
"""
TRUE = """
    assume sum[J](P[i,J]) = 1 ; assume sum[I](P[I,j]) = 1 ; claim |P.0| = |P.1|
    assume sum[I](x[I]) = 5 ; assume x[i] = 1 ; claim |x.0| = 5
    assume A[i,K] v[K] = l v[i] ; assume A[i,j] = A[j,i] ; assume A[i,K] w[K] = m w[i] ; claim (l - m) v[I] w[I] = 0
    y[k] = x[floor(k/2)] where |k| = 2 |x.0| ; claim dy[k]/dx[i] = δ[floor(k/2),i]
    y[i] = x[mod(i+1, |x.0|)] ; claim dy[i]/dx[p] = δ[mod(i+1, |x.0|),p]
    claim sum[T](T x[T]) + sum[T](x[T]) = sum[T]((T+1) x[T])
    claim g^T x[T] = sum[T](g^T x[T])
    y[t] = g^t x[t] ; claim dy[t]/dg = t g^(t-1) x[t]
    y[k] = cos(2 pi k I / |I|) x[I] ; claim dy[k]/dx[i] = cos(2 pi k i / |i|)
    d[i] = x[i+1] - x[i] ; claim dd[i]/dx[p] = δ[i+1,p] - δ[i,p]
    d[i] = x[i+1] - x[i] ; E = sum[J]((d[J+1]-d[J])^2) ; claim sum[I](dE/dx[I]) = 0
    d[i] = x[i+1] - x[i] ; e[i] = d[i+1] - d[i] ; E = sum[J]((e[J+1]-e[J])^2) ; claim sum[I](I dE/dx[I]) = 0
    y[i] = x[2i+J] w[J] ; E = sum[J](y[J+1] y[J]) ; claim x[J] dE/dx[J] = 2 E
    y[i] = x[i+J] w[J] ; z[i] = y[i+J] v[J] ; E = z[I]^2 ; claim x[J] dE/dx[J] = w[J] dE/dw[J]
    c[i] = pad(a[i]) + pad(b[i-|a.0|]) where |i| = |a.0| + |b.0| ; L = c[I]^2 ; claim dL/db[p] = 2 b[p]
    claim log(1 - tanh(Z[n])^2) = -2 log(cosh(Z[n]))
    claim 1/(1 - tanh(100 Z[n])) = (1 + exp(200 Z[n]))/2
    claim 1[tanh(Z[n]) < 1] = 1 1[n]
    claim sign(1 - tanh(Z[n])) = 1 1[n]
    claim 1[exp(Z[n]) > exp(Z[n]) - 1] = 1 1[n]
    claim 1[exp(Z[n]) + exp(-Z[n]) > exp(Z[n])] = 1 1[n]
    claim floor(tanh(Z[n])^2) = 0 1[n]
    claim arctan2(1 - sigmoid(Z[n]), exp(-Z[n])/(1 + exp(-Z[n]))) = pi/4 1[n]
    h[i] = sum[J](y[2i+J]^2) where |J| = 3 ; L = sum[I](sin(h[I])) ; claim dy[p] = 2 y[p] cos(h[I]) 1[0 <= p-2I < 3]
    assume 1[P[i,j] >= 0] = 1 ; assume sum[J](P[i,J]) = 1 ; claim abs(P[i,j]) + relu(-P[i,j]) = P[i,j]
    claim sin(x[i]) / x[i] = sin(x[i]) x[i]^-1
    claim abs(x[i]) sign(x[i]) = x[i]
    claim sign(x[i])^2 abs(x[i]) = abs(x[i])
    claim 0.1 x[i] + 0.2 x[i] = 0.3 x[i]
    y[i] = max(x[i], 0) ; claim dy[i]/dx[j] = δ[i,j] 1[x[i] > 0]
    y[i] = relu(x[i])^2 ; claim dy[i]/dx[j] = 2 δ[i,j] relu(x[i])
    y[i] = relu(x[i]) ; claim y[i] 1[x[i] > 0] = y[i]
    y[i] = abs(x[i])^3 ; claim dy[i]/dx[j] = 3 δ[i,j] x[i] abs(x[i])
    L = sum[I](max(0, 1 - t[I] x[I])) ; claim dL/dx[i] = -t[i] 1[t[i] x[i] < 1]
    y[n] = E[t[n]] ; L = sum[N](y[N]) ; claim dL/dE[v] = sum[N](1[t[N] == v])
    f = x[I] A[I,J] x[J] ; claim df/dx[i] = A[i,J] x[J] + A[J,i] x[J]
    f = exp(a x) ; claim df/dx = a f
    assume 1[a > 0] = 1 ; y = a^b ; claim dy/db = a^b log(a)
    y[i] = x[i+1] - x[i] ; claim dy[i]/dx[j] = δ[i+1,j] - δ[i,j]
    y = log(x^2) ; claim dy/dx = 2 / x
    y[i] = sqrt(x[i]) ; claim dy[i]/dx[j] = 1/2 δ[i,j] / y[i]
    y[i] = sqrt(x[i]) ; claim y[i]^2 = x[i]
    y = sqrt(sum[I](x[I]^2)) ; claim dy/dx[i] = x[i] / y
    y = log(sum[I](x[I]^2)) ; claim dy/dx[i] = 2 x[i] / sum[J](x[J]^2)
    p[n] = exp(x[n]) / sum[K](exp(x[K])) ; claim log(p[n]) = x[n] - logsumexp[K](x[K])
    L = -sum[N](t[N] log(p[N]) + (1 - t[N]) log(1 - p[N])) ; claim dL/dp[n] = (p[n] - t[n]) / (p[n] (1 - p[n]))
    p[n] = sigmoid(z[n]) ; L = -sum[N](t[N] log(p[N]) + (1 - t[N]) log(1 - p[N])) ; claim dL/dz[n] = p[n] - t[n]
    y[i] = x[i] / sqrt(sum[J](x[J]^2)) ; claim dy[i]/dx[k] = (δ[i,k] - y[i] y[k]) / sqrt(sum[J](x[J]^2))
    y = a^b ; claim dy/da = b a^(b-1)
    y = 1/x ; claim dy/dx = -y^2
    given L(y[I]) ; y[i] = A[i,J] x[J] ; claim dL/dx[j] = A[I,j] dL/dy[I]
    given L(y[I], z[I]) ; y[i] = 2 x[i] ; z[i] = 3 x[i] ; claim dL/dx[i] = 2 dL/dy[i] + 3 dL/dz[i]
    assume |i| = 3 ; claim sum[I](1[I]) = 3
    assume |i| = 3 ; claim 1[|i| == 3] x[i] = x[i]
    assume |i| = |j| + 1 ; claim 1[|i| > |j|] A[i,j] = A[i,j]
    assume |i| = 3 ; claim sum[I](x[I]) = x[0] + x[1] + x[2]
    y[i] = x[i] ; assume |i| = 3 ; claim sum[I](1[I]) = 3
    y[i] = x[i] ; assume |i| = 3 ; claim sum[I](y[I]) = y[0] + y[1] + y[2]
    claim sum[I](1[I]) = |I|
    assume |i| = |j| ; claim sum[I](1[I]) = sum[J](1[J])
    assume |i| = |j| + 1 ; claim sum[I](1[I]) = sum[J](1[J]) + 1
    c[k] = x[T+k] x[T] where |k| = 3, |T| = 4 ; claim dc[k]/dx[i] = x[i-k] 1[0 <= i-k < 4] + x[i+k] 1[i < 4]
    assume |i| = 2 |j| ; claim sum[I](x[I] 0 + 1) = 2 sum[J](y[J] 0 + 1)
    assume |i| = 2 ; claim x[I]^2 = x[0]^2 + x[1]^2
    assume |i| = 2 ; claim max[I](x[I]) = max(x[0], x[1])
    assume |i| = 2 ; claim A[I,I] + B[I] 0 = A[0,0] + A[1,1]
    assume |i| = 7 ; claim sum[I](x[I]) = x[0] + x[1] + x[2] + x[3] + x[4] + x[5] + x[6]
    assume 3 = |i| ; claim mean[I](x[I]) = 1/3 sum[I](x[I])
    claim sum[I](1[I]) = sum[I](1[I]^2)
    claim sum[I](1[I] a) = a |I|
    B[n,j] = sigmoid(Z[n,j]) ; claim B[n,j] = 1/2 (1 + tanh(Z[n,j]/2))
    claim cosh(x[i]) - sinh(x[i]) = exp(-x[i])
    claim cosh(x[i])^2 - sinh(x[i])^2 = 1 1[i]
    claim (exp(x[i]) + y[i]) - exp(x[i]) = y[i]
    claim sin(2 x[i]) = 2 sin(x[i]) cos(x[i])
    claim softplus(x[i]) - softplus(-x[i]) = x[i]
    claim erf(x[i]) + erf(-x[i]) = 0 1[i]
    claim log(exp(x[i]) + exp(y[i])) = x[i] + softplus(y[i] - x[i])
    claim tanh(x[i] + y[i]) = (tanh(x[i]) + tanh(y[i])) / (1 + tanh(x[i]) tanh(y[i]))
    claim arctan(x[i]) = 2 arctan(x[i] / (1 + sqrt(1 + x[i]^2)))
    claim sin(x[i])^4 = 3/8 - 1/2 cos(2 x[i]) + 1/8 cos(4 x[i])
    claim abs(x[i] + y[i]) + abs(x[i] - y[i]) = 2 max(abs(x[i]), abs(y[i]))
    claim sqrt(x[i]^2 + 2 abs(x[i]) + 1) = 1 + abs(x[i])
    claim floor(x[i] + 7) = floor(x[i]) + 7
    claim 1[x[i] > 3] + 1[x[i] <= 3] = 1 1[i]
    claim relu(x[i] - 300) - relu(300 - x[i]) = x[i] - 300
    claim min(x[i], 40) + max(x[i], 40) = x[i] + 40
    claim erfc(x[i]) + erf(x[i]) = 1 1[i]
    claim x[i] arctan2(1, 0) = pi/2 x[i]
    claim softmax[k](x[k] + log(1[k <= 1])) = 1[k <= 1] exp(x[k]) / sum[J](1[J <= 1] exp(x[J]))
    P[q,k] = softmax[k](S[q,k] + log(1[k <= q])) ; O[q,d] = P[q,K] V[K,d] ; claim dO[q,d]/dV[k,e] = P[q,k] δ[d,e]
    P[q,k] = softmax[k](S[q,k] + log(1[k <= q])) ; claim dP[q,k]/dS[p,j] = δ[q,p] P[q,k] (δ[k,j] - P[q,j])
    claim exp(log(1[i <= 1])) = 1[i <= 1]
    claim sum[K](1[K <= n] exp(x[K])) = exp(logsumexp[K](x[K] + log(1[K <= n])))
    assume A[i,j] = A[j,i] ; claim x[I] A[I,J] y[J] = y[I] A[I,J] x[J]
    assume A[i,j] = -A[j,i] ; claim A[i,J] A[J,k] = A[k,J] A[J,i]
    assume 1[x[i] > 0] = 1 ; claim log(x[i] y[i]^2) = log(x[i]) + log(y[i]^2)
    assume 1[x[i] > 0] = 1 ; assume 1[y[i] > 0] = 1 ; claim log(x[i] y[i]) = log(x[i]) + log(y[i])
    assume 1[x[i] > 0] = 1 ; claim log(x[i]^2) = 2 log(x[i])
    assume 1[x[i] > 0] = 1 ; claim x[i] / x[i] = 1 1[i]
    assume 1[x[i] != 0] = 1 ; claim x[i] / abs(x[i]) = sign(x[i])
    assume A[i,K] B[K,j] = δ[i,j] ; claim x[I] A[I,K] B[K,J] y[J] = x[I] y[I]
    assume x[i] = y[i] ; claim x[i] y[j] = x[j] y[i]
    given g(x) ; y = g^2 ; claim dy/dx = 2 g dg/dx
    L = 1/2 (X[N,K] w[K] - y[N])^2 ; claim dL/dw[k] = X[N,k] (X[N,K] w[K] - y[N])
    Z[n,j] = X[n,K] W[K,j] ; L = mean[N,J](Z[N,J]^2) ; claim dL/dZ[n,j] = 2/(|n| |j|) Z[n,j]
"""
BUT = """
    claim sign(x^2 - 2)^2 = 1
    L = abs(x^2 - 2) ; claim dL/dx = 2 x (1[x^2 >= 2] - 1[x^2 < 2])
    L = relu(exp(x) - 3) ; claim dL/dx = exp(x) 1[exp(x) >= 3]
    L = max(exp(x), y) ; claim dL/dx = exp(x) 1[exp(x) > y]
    claim arctan2(-y, x) = -arctan2(y, x)
    claim (x y)^a = x^a y^a
    claim x^(a+b) = x^a x^b
    claim log(x[i] y[i]) = log(x[i]) + log(y[i])
    claim log(x[i]^2) = 2 log(x[i])
    claim sign(x[i])^2 = 1 1[i]
    y[i] = 1[x[i] > a[i]] b[i] ; L = y[I]^2 ; claim dL/dx[i] = 0 1[i]
    claim sqrt(x[i] y[i]) = sqrt(x[i]) sqrt(y[i])
    claim (x[i]^(1/3))^3 = x[i]
    claim x[i] / x[i] = 1 1[i]
    claim x[i] / abs(x[i]) = sign(x[i])
    claim x[i]^2 / x[i] = x[i]
    claim (x[i]^2 - 1) / (x[i] - 1) = x[i] + 1
    y[i] = relu(x[i]) ; claim dy[i]/dx[j] = δ[i,j] 1[x[i] >= 0]
    y[i] = abs(x[i]) ; claim dy[i]/dx[j] = δ[i,j] (1[x[i] > 0] - 1[x[i] <= 0])
    y[i] = abs(x[i]) ; claim dy[i]/dx[j] = δ[i,j] x[i] / abs(x[i])
    y[i] = max(x[i], z[i]) ; claim dy[i]/dx[j] = δ[i,j] 1[x[i] > z[i]]
    y = max[I](x[I]) ; claim dy/dx[i] = 1[x[i] == y]
    L = sum[I](max(0, 1 - t[I] x[I])) ; claim dL/dx[i] = -t[i] 1[t[i] x[i] <= 1]
    claim (-1)^x[i] = cos(pi x[i])
    claim lgamma(x[i] + 1)  = lgamma(x[i]) + log(abs(x[i]))
    assume 1[x[i] >= 0] = 1 ; claim x[i] / x[i] = 1 1[i]
"""
UNTOLD = """
    claim cosh(x^2 + 1000) = sinh(x^2 + 1000)
    claim exp(x^2 + 1000) + exp(-x^2 - 1000) = exp(x^2 + 1000)
    claim log(cosh(x^2 + 1000)) = x^2 + 1000 - log(2)
    claim arctanh(sin(x)^2 + cos(x)^2) = 0
    claim 1/(sin(x)^2 + cos(x)^2 - 1) = 0
    claim 1/(sqrt(2) sqrt(3) - sqrt(6)) = 1
    claim log(1 - sin(x)^2 - cos(x)^2) = 0
    f = exp(-exp(exp(t))) ; claim f = f 1[t < 4]
    claim cosh(10^5) = 0
    claim cosh(10^5) = exp(10^5) / 2
    claim cosh(10^5)^2 - sinh(10^5)^2 = 1
    claim sigmoid(10^5) = 1
    claim 1 + exp(-10^5) = 1
    claim log(1 + exp(-10^5)) = 0
    claim sin(exp(-9999)) = exp(-9999)
    claim floor(exp(log(3))) = 2
    assume a = 0 ; claim b/a = 1
    assume a = b ; claim 1/(a-b) = 5
    assume x[I]^2 = 0 ; claim x[i]/norm[I](x[I]) = 3
"""
UNREFUTED = """
    claim sqrt(1 - sin(x)^2 - cos(x)^2) = 0
    claim arccosh(cosh(x)^2 - sinh(x)^2) = 0
    a[i] = x[i]/norm[J](x[J]) ; claim arccos(sum[I](a[I]^2)) = 0
    claim cosh(x^2 + 1000) = 1/2 exp(x^2 + 1000) + 1/2 exp(-x^2 - 1000)
    claim floor(exp(log(3))) = 3
    claim floor(exp(log(2) + log(3))) = 6
    claim 1[exp(log(2) + log(3)) == 6] = 1
    claim mod(exp(log(2) + log(3)), 6) = 0
    claim sign(exp(log(2) + log(3)) - 6) = 0
    claim cosh(x)^2 - sinh(x)^2 = 1
    claim log(2 cosh(10^5) exp(-10^5)) = log1p(exp(-2 10^5))
"""


CONVENTION = "equal but at the kink x = 0, where the convention is relu'(0) = 0"


def test_the_convention_is_that_of_what_is_derived():
    assert outcome("w = abs(x) ; z = relu(x) ; claim dz/dx = 1[x >= 0]").reason == CONVENTION


def rows(text):
    return [line.strip() for line in text.strip().splitlines()]


def outcome(row):
    """What a claim comes to, however slow the machine is."""
    with pytest.MonkeyPatch.context() as patient:
        patient.setattr("einstan.library.check.SECONDS", 30)
        return es.check("\n".join(part.strip() for part in row.split(" ; "))).claims[-1].outcome


@pytest.mark.in_turn(2)
@pytest.mark.parametrize("row", rows(FALSE))
def test_what_is_false_is_refuted(row):
    assert outcome(row).verdict == "refuted", outcome(row)


@pytest.mark.in_turn(2)
@pytest.mark.parametrize("row", rows(TRUE))
def test_what_is_true_holds(row):
    assert outcome(row).verdict in ("proved", "verified"), outcome(row)


@pytest.mark.parametrize("row", rows(BUT))
def test_what_is_true_but_somewhere_says_where(row):
    found = outcome(row)
    assert found.verdict == "kink", found
    assert found.reason.startswith("equal but "), found


@pytest.mark.parametrize("row", rows(UNTOLD))
def test_what_no_digits_and_no_point_tell_is_left_open(row):
    found = outcome(row)
    assert found.verdict == "undecided", found
    assert found.reason


@pytest.mark.parametrize("row", rows(UNREFUTED))
def test_what_rounding_alone_makes_false_is_not_refuted(row):
    assert outcome(row).verdict != "refuted", outcome(row)
