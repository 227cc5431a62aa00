"""Networks: attention, gates, normalisations, windows, recurrences."""

import torch
from torch.nn import functional as F

from tests.oracles.models.rows import model, normal, one_hot, uniform, yes_or_no


@model("J", rate=0.05, learn={"t": 0.7, "V": normal(4, 3)}, Q=normal(5, 2), K=normal(4, 2), Y=normal(5, 3))
def attention_with_a_learned_temperature(t, V, Q, K, Y):
    """
    A[q,k] = t Q[q,D] K[k,D]
    P[q,k] = exp(A[q,k]) / sum[J](exp(A[q,J]))
    O[q,d] = P[q,K] V[K,d]
    E[q,d] = Y[q,d] - O[q,d]
    J = 1/2 E[Q,D]^2
    """
    return 0.5 * (torch.softmax(t * Q @ K.T, 1) @ V - Y).square().sum()


@model("J", rate=0.02, learn={"A": normal(3, 2), "B": normal(3, 2), "C": normal(3, 3)}, X=normal(5, 3), Y=normal(5, 3))
def causal_self_attention(A, B, C, X, Y):
    """
    q[t,d] = X[t,I] A[I,d]
    k[t,d] = X[t,I] B[I,d]
    v[t,d] = X[t,I] C[I,d]
    a[t,s] = q[t,D] k[s,D] / sqrt(|D|)
    w[t,s] = 1[s <= t] exp(a[t,s])
    p[t,s] = w[t,s] / sum[R](w[t,R])
    o[t,d] = X[t,d] + p[t,S] v[S,d]
    J = mean[T,D]((Y[T,D] - o[T,D])^2)
    """
    o = F.scaled_dot_product_attention((X @ A)[None], (X @ B)[None], (X @ C)[None], is_causal=True)[0]
    return F.mse_loss(X + o, Y)


@model(
    "J",
    rate=0.05,
    learn={"A": normal(2, 3, 2), "B": normal(2, 3, 2), "V": normal(2, 3, 2), "O": normal(2, 2, 3)},
    X=normal(4, 3),
    Y=normal(4, 3),
)
def attention_with_two_heads(A, B, V, O, X, Y):
    """
    q[h,n,d] = X[n,K] A[h,K,d]
    k[h,n,d] = X[n,K] B[h,K,d]
    v[h,n,d] = X[n,K] V[h,K,d]
    P[h,n,m] = softmax[m](q[h,n,D] k[h,m,D])
    Z[n,i] = P[H,n,M] v[H,M,D] O[H,D,i]
    J = 1/|N| (Z[N,I] - Y[N,I])^2
    """
    q, k, v = X @ A, X @ B, X @ V
    heads = torch.softmax(q @ k.mT, -1) @ v
    return (torch.einsum("hnd,hdi->ni", heads, O) - Y).square().sum() / len(X)


GATED = {"X": normal(12, 3), "Y": normal(12, 2)}


@model(
    "J",
    rate=0.05,
    learn={"W": normal(3, 2), "V": normal(3, 2), "b": normal(2), "c": normal(2)},
    examples="X Y",
    **GATED,
)
def gated_linear_unit(W, V, b, c, X, Y):
    """
    A[n,j] = X[n,K] W[K,j] + b[j]
    B[n,j] = X[n,K] V[K,j] + c[j]
    H[n,j] = A[n,j] sigmoid(B[n,j])
    e[n,j] = Y[n,j] - H[n,j]
    J = e[N,J]^2 / |N|
    """
    return (F.glu(torch.cat([X @ W + b, X @ V + c], 1)) - Y).square().sum() / len(X)


@model("J", rate=0.05, learn={"W": normal(3, 4), "V": normal(3, 4), "U": normal(4, 2)}, examples="X Y", **GATED)
def swiglu(W, V, U, X, Y):
    """
    a[n,j] = X[n,K] W[K,j]
    g[n,j] = a[n,j] / (1 + exp(-a[n,j]))
    h[n,j] = X[n,K] V[K,j]
    o[n,c] = sum[J](g[n,J] h[n,J] U[J,c])
    J = mean[N,C]((o[N,C] - Y[N,C])^2)
    """
    return F.mse_loss((F.silu(X @ W) * (X @ V)) @ U, Y)


@model(
    "J",
    rate=0.05,
    learn={"A": normal(3, 4), "B": normal(4, 3), "a": normal(4), "C": normal(3, 4), "D": normal(4, 3)},
    examples="X Y",
    X=normal(12, 3),
    Y=normal(12, 3),
)
def residual_blocks(A, B, a, C, D, X, Y):
    """
    h[n,j] = tanh(X[n,K] A[K,j] + a[j])
    x[n,i] = X[n,i] + h[n,J] B[J,i]
    g[n,j] = max(0, x[n,K] C[K,j])
    y[n,i] = x[n,i] + g[n,J] D[J,i]
    r[n,i] = Y[n,i] - y[n,i]
    J = 1/2 r[N,I]^2 / |N|
    """
    x = X + torch.tanh(X @ A + a) @ B
    return (x + F.relu(x @ C) @ D - Y).square().sum() / (2 * len(X))


@model(
    "J",
    rate=0.05,
    learn={"W": normal(3, 4), "g": uniform(4), "b": normal(4), "U": normal(4, 2)},
    examples="X Y",
    **GATED,
)
def perceptron_with_layer_norm(W, g, b, U, X, Y):
    """
    z[n,j] = X[n,K] W[K,j]
    m[n] = mean[J](z[n,J])
    c[n,j] = z[n,j] - m[n]
    v[n] = mean[J](c[n,J]^2)
    a[n,j] = g[j] c[n,j] / sqrt(v[n] + 1/1000) + b[j]
    o[n,i] = sum[J](tanh(a[n,J]) U[J,i])
    J = mean[N,I]((Y[N,I] - o[N,I])^2)
    """
    return F.mse_loss(torch.tanh(F.layer_norm(X @ W, (4,), g, b, 1e-3)) @ U, Y)


@model("J", rate=0.05, learn={"W": normal(3, 4), "g": uniform(4), "U": normal(4, 2)}, examples="X Y", **GATED)
def perceptron_with_rms_norm(W, g, U, X, Y):
    """
    z[n,j] = X[n,K] W[K,j]
    r[n] = sqrt(mean[J](z[n,J]^2) + 1/1000)
    a[n,j] = g[j] z[n,j] / r[n]
    o[n,i] = a[n,J] U[J,i]
    J = 1/2 sum[N,I]((Y[N,I] - o[N,I])^2) / |N|
    """
    return F.mse_loss(F.rms_norm(X @ W, (4,), g, 1e-3) @ U, Y, reduction="sum") / (2 * len(X))


@model(
    "J",
    rate=0.05,
    learn={"W": normal(3, 4), "g": uniform(4), "b": normal(4), "U": normal(4, 2)},
    examples="X Y",
    **GATED,
)
def perceptron_with_batch_norm(W, g, b, U, X, Y):
    """
    z[n,j] = X[n,K] W[K,j]
    m[j] = mean[N](z[N,j])
    v[j] = mean[N]((z[N,j] - m[j])^2)
    a[n,j] = g[j] (z[n,j] - m[j]) / sqrt(v[j] + 1/1000) + b[j]
    h[n,j] = max(0, a[n,j])
    o[n,i] = h[n,J] U[J,i]
    J = mean[N,I]((Y[N,I] - o[N,I])^2)
    """
    return F.mse_loss(F.relu(F.batch_norm(X @ W, None, None, g, b, training=True, eps=1e-3)) @ U, Y)


@model(
    "J",
    rate=0.05,
    learn={"W": normal(4, 2, 3), "b": normal(4), "U": normal(4, 3)},
    examples="X Y",
    X=normal(6, 2, 10),
    Y=one_hot(3, 6),
)
def convolution_of_signals(W, b, U, X, Y):
    """
    h[n,j,p] = X[n,I,p+R] W[j,I,R] + b[j]
    a[n,j,p] = max(0, h[n,j,p])
    f[n,j] = mean[P](a[n,j,P])
    z[n,c] = f[n,J] U[J,c]
    s[n,c] = exp(z[n,c]) / sum[K](exp(z[n,K]))
    J = -Y[N,C] log(s[N,C]) / |N|
    """
    return F.cross_entropy(F.relu(F.conv1d(X, W, b)).mean(2) @ U, Y)


@model(
    "J",
    rate=0.05,
    learn={"W": normal(3, 2, 3, 3), "b": normal(3), "U": normal(3, 2, 2, 4)},
    examples="X Y",
    X=normal(4, 2, 4, 4),
    Y=one_hot(4, 4),
)
def convolution_of_images(W, b, U, X, Y):
    """
    H[n,j,p,q] = pad(X[n,I,p+R-1,q+S-1]) W[j,I,R,S] + b[j] where |p| = |X.2|, |q| = |X.3|
    A[n,j,p,q] = tanh(H[n,j,p,q])
    M[n,j,p,q] = max[R,S](A[n,j,2p+R,2q+S]) where |R| = 2, |S| = 2
    z[n,c] = M[n,J,P,Q] U[J,P,Q,c]
    J = mean[N](logsumexp[C](z[N,C]) - sum[C](Y[N,C] z[N,C]))
    """
    pooled = F.max_pool2d(torch.tanh(F.conv2d(X, W, b, padding=1)), 2)
    return F.cross_entropy(torch.einsum("njpq,jpqc->nc", pooled, U), Y)


@model("J", rate=0.05, learn={"w": normal(3), "v": normal(3)}, examples="X Y", X=normal(4, 9), Y=normal(4, 9))
def deconvolution(w, v, X, Y):
    """
    a[n,i] = pad(X[n,i+J-1]) w[J] where |i| = |X.1|
    h[n,i] = tanh(a[n,i])
    o[n,i] = pad(h[n,i-J+1]) v[J] where |i| = |X.1|
    e[n,i] = Y[n,i] - o[n,i]
    J = e[N,I]^2 / |N|
    """
    hidden = torch.tanh(F.conv1d(X[:, None], w[None, None], padding=1))
    return (F.conv1d(hidden, v.flip(0)[None, None], padding=1)[:, 0] - Y).square().sum() / len(X)


@model(
    "J",
    rate=0.05,
    learn={"W": normal(2, 3), "U": normal(3, 3, scale=0.5), "b": normal(3), "v": normal(3)},
    examples="X y",
    X=normal(8, 3, 2),
    y=normal(8),
)
def recurrent_network_of_three_steps(W, U, b, v, X, y):
    """
    h1[n,j] = tanh(X[n,0,K] W[K,j] + b[j])
    a2[n,j] = X[n,1,K] W[K,j] + h1[n,K] U[K,j] + b[j]
    h2[n,j] = tanh(a2[n,j])
    a3[n,j] = X[n,2,K] W[K,j] + h2[n,K] U[K,j] + b[j]
    h3[n,j] = tanh(a3[n,j])
    e[n] = y[n] - h3[n,J] v[J]
    J = 1/2 e[N]^2 / |N|
    """
    h = torch.zeros(len(X), 3)
    for t in range(3):
        h = torch.tanh(X[:, t] @ W + h @ U + b)
    return F.mse_loss(h @ v, y) / 2


@model(
    "J",
    rate=0.05,
    examples="x h Y",
    x=normal(8, 2),
    h=normal(8, 3),
    Y=normal(8, 3),
    learn={f"{kind}{gate}": normal(size, 3) for kind, size in (("W", 2), ("U", 3)) for gate in "zrh"},
)
def gated_recurrent_unit(Wz, Wr, Wh, Uz, Ur, Uh, x, h, Y):
    """
    az[n,j] = sum[K](x[n,K] Wz[K,j]) + sum[K](h[n,K] Uz[K,j])
    z[n,j] = sigmoid(az[n,j])
    ar[n,j] = sum[K](x[n,K] Wr[K,j]) + sum[K](h[n,K] Ur[K,j])
    r[n,j] = sigmoid(ar[n,j])
    q[n,j] = r[n,j] h[n,j]
    ac[n,j] = sum[K](x[n,K] Wh[K,j]) + sum[K](q[n,K] Uh[K,j])
    c[n,j] = tanh(ac[n,j])
    g[n,j] = (1 - z[n,j]) h[n,j] + z[n,j] c[n,j]
    J = mean[N,J]((Y[N,J] - g[N,J])^2)
    """
    z = torch.sigmoid(x @ Wz + h @ Uz)
    r = torch.sigmoid(x @ Wr + h @ Ur)
    c = torch.tanh(x @ Wh + (r * h) @ Uh)
    return F.mse_loss(torch.lerp(h, c, z), Y)


@model(
    "J",
    rate=0.05,
    learn={"W": normal(4, 2, 3), "U": normal(4, 3, 3), "b": normal(4, 3)},
    examples="x h c Y",
    x=normal(8, 2),
    h=normal(8, 3),
    c=normal(8, 3),
    Y=normal(8, 3),
)
def long_short_term_memory(W, U, b, x, h, c, Y):
    """
    a[g,n,j] = sum[K](x[n,K] W[g,K,j]) + sum[K](h[n,K] U[g,K,j]) + b[g,j]
    i[n,j] = sigmoid(a[0,n,j])
    f[n,j] = sigmoid(a[1,n,j])
    o[n,j] = sigmoid(a[2,n,j])
    m[n,j] = f[n,j] c[n,j] + i[n,j] tanh(a[3,n,j])
    s[n,j] = o[n,j] tanh(m[n,j])
    d[n,j] = Y[n,j] - s[n,j]
    J = 1/2 d[N,J]^2 / |N|
    """
    a = x @ W + h @ U + b[:, None]
    i, f, o = torch.sigmoid(a[:3])
    s = o * torch.tanh(f * c + i * torch.tanh(a[3]))
    return 0.5 * (Y - s).square().sum() / len(x)


@model(
    "J",
    rate=0.1,
    learn={"W": normal(3, 4), "b": normal(4), "V": normal(4, 3), "s": 0.3},
    examples="X Y m",
    X=normal(14, 3),
    Y=one_hot(3, 14),
    m=yes_or_no(14, 4),
)
def perceptron_with_dropout_and_smoothed_labels(W, b, V, s, X, Y, m):
    """
    u[n,j] = X[n,K] W[K,j] + b[j]
    h[n,j] = 2 m[n,j] log(1 + exp(u[n,j]))
    z[n,c] = exp(s) h[n,J] V[J,c]
    l[n,c] = z[n,c] - log(sum[K](exp(z[n,K])))
    t[n,c] = 9/10 Y[n,c] + 1/10 / |c|
    J = -sum[N,C](t[N,C] l[N,C]) / |N|
    """
    z = torch.exp(s) * (2 * m * F.softplus(X @ W + b)) @ V
    return F.cross_entropy(z, Y, label_smoothing=0.1)


@model("J", rate=0.05, learn={"W": normal(3, 3), "V": normal(3, 2)}, A=uniform(6, 6), X=normal(6, 3), Y=one_hot(2, 6))
def graph_convolution(W, V, A, X, Y):
    """
    d[i] = sum[J](A[i,J])
    N[i,j] = A[i,j] / sqrt(d[i] d[j])
    H[i,k] = max(0, sum[J,L](N[i,J] X[J,L] W[L,k]))
    Z[i,c] = N[i,J] H[J,K] V[K,c]
    P[i,c] = exp(Z[i,c]) / sum[K](exp(Z[i,K]))
    J = -Y[I,C] log(P[I,C])
    """
    scale = torch.diag(A.sum(1).rsqrt())
    N = scale @ A @ scale
    return F.cross_entropy(N @ F.relu(N @ X @ W) @ V, Y, reduction="sum")


@model(
    "J",
    rate=0.1,
    learn={"A": normal(3, 4), "B": normal(4, 5), "C": normal(5, 1)},
    examples="X y",
    X=normal(14, 3),
    y=normal(14),
)
def deep_linear_network(A, B, C, X, y):
    """
    f[n] = X[n,I] A[I,J] B[J,K] C[K,0]
    e[n] = f[n] - y[n]
    J = mean[N](e[N]^2) / 10
    """
    return F.mse_loss((X @ A @ B @ C)[:, 0], y) / 10
