"""Factorisations, embeddings and decompositions."""

import torch
from torch.nn import functional as F

from tests.oracles.models.rows import labels, model, normal, one_hot, uniform, yes_or_no

RATINGS = {"u": labels(6, 30), "v": labels(5, 30), "r": normal(30)}


@model(
    "J",
    rate=0.1,
    learn={"P": normal(6, 2), "Q": normal(5, 2), "a": normal(6), "b": normal(5), "m": 0.1},
    examples="u v r",
    **RATINGS,
    lam=0.01,
)
def ratings_with_biases(P, Q, a, b, m, u, v, r, lam):
    """
    p[n] = m + a[u[n]] + b[v[n]] + P[u[n],K] Q[v[n],K]
    e[n] = r[n] - p[n]
    J = e[N]^2 / |N| + lam P[I,K]^2 + lam Q[I,K]^2
    """
    e = r - m - a[u] - b[v] - (P[u] * Q[v]).sum(1)
    return e.square().mean() + lam * P.square().sum() + lam * Q.square().sum()


@model("J", rate=0.02, learn={"U": normal(5, 2), "V": normal(4, 2)}, X=normal(5, 4), M=yes_or_no(5, 4))
def matrix_completion(U, V, X, M):
    """
    R[i,j] = X[i,j] - U[i,K] V[j,K]
    J = 1/2 M[I,J] R[I,J]^2
    """
    return 0.5 * (M * (X - U @ V.T)).square().sum()


@model(
    "J", rate=0.05, learn={"w": normal(4), "V": normal(4, 2), "c": 0.0}, examples="X y", X=normal(20, 4), y=normal(20)
)
def factorisation_machine(w, V, c, X, y):
    """
    s[n,f] = X[n,K] V[K,f]
    q[n,f] = X[n,K]^2 V[K,f]^2
    f[n] = c + X[n,K] w[K] + 1/2 sum[F](s[n,F]^2 - q[n,F])
    J = mean[N]((y[N] - f[N])^2)
    """
    pairs = torch.triu(V @ V.T, 1)
    return F.mse_loss(c + X @ w + torch.einsum("ni,ij,nj->n", X, pairs, X), y)


@model(
    "J",
    rate=0.1,
    learn={"U": normal(7, 3), "V": normal(7, 3)},
    examples="c o g",
    c=labels(7, 20),
    o=labels(7, 20),
    g=labels(7, 20, 4),
)
def word_vectors_with_negative_samples(U, V, c, o, g):
    """
    s[n] = U[c[n],D] V[o[n],D]
    t[n,k] = U[c[n],D] V[g[n,k],D]
    J = -mean[N](log(sigmoid(s[N])) + sum[K](log(sigmoid(-t[N,K]))))
    """
    near = (U[c] * V[o]).sum(1)
    far = torch.einsum("nd,nkd->nk", U[c], V[g])
    return -(F.logsigmoid(near) + F.logsigmoid(-far).sum(1)).mean()


@model(
    "J",
    rate=0.02,
    learn={"U": normal(5, 2), "V": normal(5, 2), "a": normal(5), "b": normal(5)},
    N=uniform(5, 5, low=1, high=9),
)
def glove(U, V, a, b, N):
    """
    F[i,j] = (N[i,j] / 9)^(3/4)
    E[i,j] = U[i,D] V[j,D] + a[i] + b[j] - log(N[i,j])
    J = F[I,J] E[I,J]^2
    """
    return ((N / 9) ** 0.75 * (U @ V.T + a[:, None] + b - N.log()) ** 2).sum()


@model("E", rate=0.02, learn={"W": normal(4, 2)}, examples="X", X=normal(15, 4))
def principal_components_by_reconstruction(W, X):
    """
    Z[n,j] = X[n,K] W[K,j]
    R[n,k] = Z[n,J] W[k,J]
    E = sum[N,K]((X[N,K] - R[N,K])^2) / |N|
    """
    return (X - X @ W @ W.T).square().sum(1).mean()


@model("L", rate=0.01, learn={"A": normal(3, 2), "B": normal(4, 2), "C": normal(5, 2)}, T=normal(3, 4, 5))
def canonical_polyadic_decomposition(A, B, C, T):
    """
    D[i,j,k] = T[i,j,k] - A[i,R] B[j,R] C[k,R]
    L = 1/2 D[I,J,K]^2
    """
    return 0.5 * (T - torch.einsum("ir,jr,kr->ijk", A, B, C)).square().sum()


@model(
    "L",
    rate=0.01,
    learn={"G": normal(2, 2, 2), "A": normal(3, 2), "B": normal(4, 2), "C": normal(5, 2)},
    T=normal(3, 4, 5),
)
def tucker_decomposition(G, A, B, C, T):
    """
    H[i,j,k] = G[P,Q,R] A[i,P] B[j,Q] C[k,R]
    L = sum[I,J,K]((H[I,J,K] - T[I,J,K])^2)
    """
    return F.mse_loss(torch.einsum("pqr,ip,jq,kr->ijk", G, A, B, C), T, reduction="sum")


@model(
    "L",
    rate=0.01,
    learn={"A": normal(3, 2), "B": normal(2, 4, 2), "C": normal(2, 5, 2), "D": normal(2, 3)},
    T=normal(3, 4, 5, 3),
)
def tensor_train(A, B, C, D, T):
    """
    E[i,j,k,l] = T[i,j,k,l] - A[i,P] B[P,j,Q] C[Q,k,R] D[R,l]
    L = 1/2 E[I,J,K,L]^2
    """
    return 0.5 * (T - torch.einsum("ip,pjq,qkr,rl->ijkl", A, B, C, D)).square().sum()


@model("J", rate=0.005, learn={"A": normal(5, 2), "B": normal(2, 6)}, V=uniform(5, 6))
def nonnegative_factors_as_squares(A, B, V):
    """
    W[i,k] = A[i,k]^2
    H[k,j] = B[k,j]^2
    E[i,j] = V[i,j] - W[i,K] H[K,j]
    J = 1/2 E[I,J]^2
    """
    return F.mse_loss(A.square() @ B.square(), V, reduction="sum") / 2


@model("J", rate=0.05, learn={"A": normal(5, 2), "B": normal(2, 6)}, V=uniform(5, 6, low=0.1))
def nonnegative_factors_by_divergence(A, B, V):
    """
    W[i,k] = exp(A[i,k])
    H[k,j] = softplus(B[k,j])
    R[i,j] = W[i,K] H[K,j]
    J = sum[I,J](R[I,J] - V[I,J] log(R[I,J])) / |I|
    """
    return F.poisson_nll_loss(A.exp() @ F.softplus(B), V, log_input=False, reduction="sum", eps=0.0) / 5


@model("J", rate=0.1, learn={"W": normal(4, 3), "b": normal(3), "c": normal(4)}, examples="X", X=uniform(15, 4))
def autoencoder_with_tied_weights(W, b, c, X):
    """
    H[n,j] = sigmoid(X[n,K] W[K,j] + b[j])
    R[n,k] = H[n,J] W[k,J] + c[k]
    E[n,k] = X[n,k] - R[n,k]
    J = 1/2 E[N,K]^2 / |N|
    """
    hidden = torch.sigmoid(X @ W + b)
    return (F.linear(hidden, W, c) - X).square().sum() / (2 * len(X))


@model(
    "J",
    rate=0.05,
    learn={"W": normal(4, 2), "U": normal(4, 2, scale=0.1), "V": normal(2, 4)},
    examples="X eps",
    X=uniform(15, 4),
    eps=normal(15, 2),
)
def variational_autoencoder_with_given_noise(W, U, V, X, eps):
    """
    m[n,j] = X[n,K] W[K,j]
    s[n,j] = X[n,K] U[K,j]
    z[n,j] = m[n,j] + exp(s[n,j] / 2) eps[n,j]
    r[n,k] = sigmoid(z[n,J] V[J,k])
    rec = -sum[N,K](X[N,K] log(r[N,K]) + (1 - X[N,K]) log(1 - r[N,K])) / |N|
    kl = -1/2 sum[N,J](1 + s[N,J] - m[N,J]^2 - exp(s[N,J])) / |N|
    J = rec + kl
    """
    m, s = X @ W, X @ U
    logits = (m + torch.exp(0.5 * s) * eps) @ V
    divergence = torch.distributions.kl_divergence(
        torch.distributions.Normal(m, torch.exp(s / 2)), torch.distributions.Normal(0.0, 1.0)
    )
    return (F.binary_cross_entropy_with_logits(logits, X, reduction="sum") + divergence.sum()) / len(X)


@model(
    "J", rate=0.1, learn={"E": normal(6, 3), "W": normal(3, 4)}, examples="T Y", T=labels(6, 12, 5), Y=one_hot(4, 12)
)
def bag_of_words(E, W, T, Y):
    """
    h[n,d] = mean[M](E[T[n,M],d])
    z[n,c] = h[n,D] W[D,c]
    J = -Y[N,C] (z[N,C] - log(sum[K](exp(z[N,K])))) / |N|
    """
    return F.cross_entropy(F.embedding_bag(T, E, mode="mean") @ W, Y)
