"""Margins, ranks, clusters and densities."""

import torch
from torch.nn import functional as F

from tests.oracles.models.rows import covariance, labels, model, normal, one_hot, signs, uniform, yes_or_no

X = {"X": normal(16, 3)}


@model("J", rate=0.05, learn={"w": normal(3), "b": 0.1}, examples="X t", **X, t=signs(16), lam=0.1)
def support_vector_machine(w, b, X, t, lam):
    """
    f[n] = X[n,K] w[K] + b
    h[n] = max(0, 1 - t[n] f[n])
    J = 1/2 lam w[K]^2 + sum[N](h[N]) / |N|
    """
    return lam / 2 * w @ w + F.relu(1 - t * (X @ w + b)).mean()


@model("J", rate=0.05, learn={"w": normal(3)}, examples="X t", **X, t=signs(16))
def squared_hinge(w, X, t):
    """
    h[n] = max(0, 1 - t[n] X[n,K] w[K])
    J = h[N]^2 / |N|
    """
    return torch.clamp(1 - t * (X @ w), min=0).square().mean()


@model("J", rate=0.05, learn={"W": normal(3, 4)}, examples="X y", **X, y=labels(4, 16))
def crammer_and_singer(W, X, y):
    """
    S[n,c] = X[n,K] W[K,c]
    M[n,c] = max(0, S[n,c] - S[n,y[n]] + 1)
    J = (sum[N,C](M[N,C]) - |N|) / |N|
    """
    s = X @ W
    margins = F.relu(s - s.gather(1, y[:, None]) + 1)
    return (margins.sum() - len(X)) / len(X)


@model("J", rate=0.05, learn={"W": normal(3, 4)}, examples="X y", **X, y=labels(4, 16))
def weston_and_watkins(W, X, y):
    """
    s[n,c] = X[n,K] W[K,c]
    m[n,c] = 1[c != y[n]] max(0, 1 + s[n,c] - s[n,y[n]])
    J = mean[N](sum[C](m[N,C]))
    """
    s = X @ W
    margins = F.relu(1 + s - s[torch.arange(len(y)), y][:, None])
    return (margins * (1 - F.one_hot(y, 4))).sum(1).mean()


@model("J", rate=0.02, learn={"w": normal(3)}, examples="X t", **X, t=uniform(16))
def pairwise_ranking(w, X, t):
    """
    s[i] = X[i,K] w[K]
    J = sum[I,J](1[t[I] > t[J]] log(1 + exp(s[J] - s[I]))) / |I|
    """
    s = X @ w
    return (F.softplus(s[None, :] - s[:, None]) * (t[:, None] > t[None, :])).sum() / len(s)


@model("J", rate=0.02, learn={"w": normal(3)}, examples="X t", **X, t=uniform(16))
def pairwise_hinge(w, X, t):
    """
    s[i] = X[i,K] w[K]
    D[i,j] = s[i] - s[j]
    B[i,j] = 1[t[i] > t[j]]
    J = sum[P,Q](B[P,Q] max(0, 1 - D[P,Q])) / sum[P,Q](B[P,Q])
    """
    s = X @ w
    first, second = torch.where(t[:, None] > t[None, :])
    return F.relu(1 - s[first] + s[second]).mean()


@model(
    "J",
    rate=0.1,
    learn={"U": normal(5, 2), "V": normal(7, 2)},
    examples="u p q",
    u=labels(5, 30),
    p=labels(7, 30),
    q=labels(7, 30),
    lam=0.01,
)
def bayesian_personalised_ranking(U, V, u, p, q, lam):
    """
    d[n] = U[u[n],K] V[p[n],K] - U[u[n],K] V[q[n],K]
    J = -sum[N](log(sigmoid(d[N]))) / |N| + lam U[I,K]^2 + lam V[I,K]^2
    """
    d = (U[u] * (V[p] - V[q])).sum(1)
    return -F.logsigmoid(d).mean() + lam * (U.square().sum() + V.square().sum())


@model(
    "J",
    rate=0.05,
    learn={"W": normal(3, 2)},
    examples="A P N",
    A=normal(16, 3),
    P=normal(16, 3),
    N=normal(16, 3),
    m=1.0,
)
def triplet_loss(W, A, P, N, m):
    """
    a[n,d] = A[n,K] W[K,d]
    p[n,d] = P[n,K] W[K,d]
    q[n,d] = N[n,K] W[K,d]
    s[n] = sum[D]((a[n,D] - p[n,D])^2)
    t[n] = sum[D]((a[n,D] - q[n,D])^2)
    J = mean[I](max(0, s[I] - t[I] + m))
    """
    a, p, q = A @ W, P @ W, N @ W
    return F.relu((a - p).square().sum(1) - (a - q).square().sum(1) + m).mean()


@model("J", rate=0.05, learn={"W": normal(3, 2)}, examples="A B y", A=normal(16, 3), B=normal(16, 3), y=yes_or_no(16))
def contrastive_pairs(W, A, B, y):
    """
    z[n,d] = (A[n,K] - B[n,K]) W[K,d]
    D[n] = sqrt(sum[J](z[n,J]^2) + 1/1000)
    J = mean[N](y[N] D[N]^2 + (1 - y[N]) max(0, 2 - D[N])^2)
    """
    D = torch.sqrt(((A - B) @ W).square().sum(1) + 0.001)
    return torch.where(y > 0, D**2, F.relu(2 - D) ** 2).mean()


@model(
    "J",
    rate=0.02,
    learn={"W": normal(3, 2), "V": normal(3, 2)},
    examples="X Y",
    X=normal(8, 3),
    Y=normal(8, 3),
    tau=0.5,
)
def info_nce(W, V, X, Y, tau):
    """
    f[n,d] = X[n,K] W[K,d]
    g[n,d] = Y[n,K] V[K,d]
    u[n,d] = f[n,d] / sqrt(sum[J](f[n,J]^2))
    v[n,d] = g[n,d] / sqrt(sum[J](g[n,J]^2))
    s[n,m] = u[n,D] v[m,D] / tau
    l[n] = s[n,n] - log(sum[M](exp(s[n,M])))
    J = -mean[N](l[N])
    """
    similar = F.normalize(X @ W) @ F.normalize(Y @ V).T / tau
    return F.cross_entropy(similar, torch.arange(len(X)))


@model("J", rate=0.02, learn={"A": normal(2, 3)}, examples="X y", X=normal(10, 3), y=yes_or_no(10))
def neighbourhood_components(A, X, y):
    """
    Z[n,d] = A[d,K] X[n,K]
    D[n,m] = sum[K]((Z[n,K] - Z[m,K])^2)
    E[n,m] = 1[n != m] exp(-D[n,m])
    P[n,m] = E[n,m] / sum[K](E[n,K])
    J = -sum[N,M](1[y[N] == y[M]] P[N,M])
    """
    Z = X @ A.T
    D = (Z[:, None] - Z[None]).square().sum(2)
    P = torch.softmax(-D.masked_fill(torch.eye(len(X)) > 0, torch.inf), 1)
    return -(P * (y[:, None] == y[None])).sum()


@model("J", rate=0.02, learn={"M": covariance(3)}, examples="A B y", A=normal(16, 3), B=normal(16, 3), y=signs(16))
def mahalanobis_metric(M, A, B, y):
    """
    d[n,k] = A[n,k] - B[n,k]
    q[n] = d[n,I] M[I,J] d[n,J]
    J = mean[N](log(1 + exp(y[N] (q[N] - 3))))
    """
    d = A - B
    return F.softplus(y * (torch.einsum("ni,ij,nj->n", d, M, d) - 3)).mean()


@model("nll", rate=0.1, learn={"a": normal(3), "m": normal(3), "s": normal(3, scale=0.2)}, examples="x", x=normal(25))
def gaussian_mixture(a, m, s, x):
    """
    z[n,k] = (x[n] - m[k]) / exp(s[k])
    l[n,k] = a[k] - s[k] - z[n,k]^2 / 2
    nll = log(sum[K](exp(a[K]))) - mean[N](log(sum[K](exp(l[N,K]))))
    """
    parts = torch.distributions.Normal(m, torch.exp(s))
    mixture = torch.distributions.MixtureSameFamily(torch.distributions.Categorical(logits=a), parts)
    return -mixture.log_prob(x).mean() - 0.5 * torch.log(torch.tensor(2 * torch.pi, dtype=x.dtype))


@model("nll", rate=0.1, learn={"M": normal(3, 2), "b": normal(3)}, examples="X", X=normal(25, 2))
def spherical_mixture(M, b, X):
    """
    w[k] = exp(b[k]) / sum[J](exp(b[J]))
    D[n,k] = sum[I]((X[n,I] - M[k,I])^2)
    p[n] = sum[K](w[K] exp(-D[n,K] / 2))
    nll = -sum[N](log(p[N])) / |N|
    """
    D = torch.cdist(X, M, compute_mode="donot_use_mm_for_euclid_dist") ** 2
    return -torch.logsumexp(torch.log_softmax(b, 0) - D / 2, 1).mean()


@model("J", rate=0.05, learn={"C": normal(3, 2)}, examples="X", X=normal(25, 2), beta=0.7)
def soft_k_means(C, X, beta):
    """
    D[n,k] = sum[I]((X[n,I] - C[k,I])^2)
    R[n,k] = exp(-beta D[n,k]) / sum[J](exp(-beta D[n,J]))
    J = R[N,K] D[N,K] / |N|
    """
    D = (X[:, None] - C[None]).square().sum(2)
    return (torch.softmax(-beta * D, 1) * D).sum() / len(X)


@model("J", rate=0.05, learn={"C": normal(3, 2)}, examples="X", X=normal(25, 2))
def hard_k_means(C, X):
    """
    D[n,k] = sum[I]((X[n,I] - C[k,I])^2)
    J = mean[N](min[K](D[N,K]))
    """
    return (X[:, None] - C[None]).square().sum(2).min(1).values.mean()


@model("J", rate=0.1, learn={"W": normal(3, 4)}, examples="X a R", **X, a=labels(4, 16), R=normal(16))
def policy_gradient(W, X, a, R):
    """
    z[n,k] = X[n,I] W[I,k]
    p[n,k] = exp(z[n,k]) / sum[J](exp(z[n,J]))
    b = mean[N](R[N])
    H = -sum[N,K](p[N,K] log(p[N,K])) / |N|
    J = -sum[N]((R[N] - b) log(p[N,a[N]])) / |N| - H / 10
    """
    chosen = torch.distributions.Categorical(logits=X @ W)
    return -((R - R.mean()) * chosen.log_prob(a)).mean() - 0.1 * chosen.entropy().mean()


@model(
    "J", rate=0.2, learn={"W": normal(3, 4)}, examples="X Y T", **X, Y=one_hot(4, 16), T=normal(16, 4), tau=2.0, al=0.3
)
def distillation(W, X, Y, T, tau, al):
    """
    z[n,c] = X[n,K] W[K,c]
    p[n,c] = softmax[c](z[n,c])
    q[n,c] = softmax[c](z[n,c] / tau)
    t[n,c] = softmax[c](T[n,c] / tau)
    hard = -Y[N,C] log(p[N,C]) / |N|
    soft = sum[N,C](t[N,C] (log(t[N,C]) - log(q[N,C]))) / |N|
    J = al hard + (1 - al) tau^2 soft
    """
    z = X @ W
    soft = F.kl_div((z / tau).log_softmax(1), (T / tau).log_softmax(1), log_target=True, reduction="batchmean")
    return al * F.cross_entropy(z, Y) + (1 - al) * tau**2 * soft


@model(
    "J",
    rate=0.05,
    learn={"E": normal(4, 3), "T": normal(3, 3), "s": normal(3)},
    examples="w t",
    w=labels(4, 6, 3),
    t=labels(3, 6, 3),
)
def conditional_random_field(E, T, s, w, t):
    """
    f[n,k] = s[k] + E[w[n,0],k]
    g[n,k] = log(sum[I](exp(f[n,I] + T[I,k]))) + E[w[n,1],k]
    h[n,k] = log(sum[I](exp(g[n,I] + T[I,k]))) + E[w[n,2],k]
    Z[n] = log(sum[K](exp(h[n,K])))
    p[n] = s[t[n,0]] + E[w[n,0],t[n,0]] + T[t[n,0],t[n,1]] + E[w[n,1],t[n,1]] + T[t[n,1],t[n,2]] + E[w[n,2],t[n,2]]
    J = mean[N](Z[N] - p[N])
    """
    first, second, third = E[w].unbind(1)
    paths = (s + first)[:, :, None, None] + (T + second[:, None])[:, :, :, None] + (T + third[:, None])[:, None]
    chosen = paths[torch.arange(len(w)), t[:, 0], t[:, 1], t[:, 2]]
    return (torch.logsumexp(paths.flatten(1), 1) - chosen).mean()


@model("J", rate=0.1, learn={"w": normal(3), "c": [-0.7, 0.1, 0.9]}, examples="X Y", **X, Y=one_hot(4, 16))
def ordinal_regression(w, c, X, Y):
    """
    f[n] = X[n,K] w[K]
    q[n,j] = sigmoid(c[j] - f[n])
    a[n] = Y[n,0] log(q[n,0]) + Y[n,1] log(q[n,1] - q[n,0])
    b[n] = Y[n,2] log(q[n,2] - q[n,1]) + Y[n,3] log(1 - q[n,2])
    J = -mean[N](a[N] + b[N])
    """
    q = torch.sigmoid(c - (X @ w)[:, None])
    ends = torch.cat([torch.zeros(len(X), 1), q, torch.ones(len(X), 1)], 1)
    return -(Y * torch.log(ends.diff(dim=1))).sum(1).mean()
