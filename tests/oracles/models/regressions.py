"""Regressions: linear, penalised, generalised, robust; and what is fitted like them."""

import torch
from torch.nn import functional as F

from tests.oracles.models.rows import counts, covariance, labels, model, normal, one_hot, signs, uniform, yes_or_no

X = {"X": normal(20, 3), "y": normal(20)}


@model("J", rate=0.1, learn={"w": normal(3), "b": 0.1}, examples="X y", **X)
def linear_regression(w, b, X, y):
    """
    e[n] = y[n] - X[n,K] w[K] - b
    J = e[N]^2 / |N|
    """
    return ((y - X @ w - b) ** 2).mean()


@model("L", rate=0.1, learn={"w": normal(3)}, examples="X y", **X)
def linear_regression_with_a_named_prediction(w, X, y):
    """
    Z[n] = X[n,K] w[K]
    e[n] = y[n] - Z[n]
    L = e[N]^2 / |N|
    """
    return F.mse_loss(X @ w, y)


@model("cost", rate=0.02, learn={"w": normal(3)}, examples="X y", **X, lam=0.3)
def ridge_regression(w, X, y, lam):
    """
    r[n] = X[n,K] w[K] - y[n]
    cost = 1/2 r[N]^2 + 1/2 lam w[K]^2
    """
    return (X @ w - y).square().sum() / 2 + lam * w.square().sum() / 2


@model("obj", rate=0.05, learn={"beta": normal(3)}, examples="X y", **X, lam=0.2, eps=0.01)
def smooth_lasso(beta, X, y, lam, eps):
    """
    r[i] = y[i] - X[i,J] beta[J]
    fit = r[I]^2 / (2 |I|)
    pen = sum[J](sqrt(beta[J]^2 + eps))
    obj = fit + lam pen
    """
    return (y - X @ beta).square().mean() / 2 + lam * torch.sqrt(beta**2 + eps).sum()


@model("E", rate=0.01, learn={"a": 0.5, "b": -0.2, "c": 0.1}, examples="x y", x=normal(15), y=normal(15))
def parabola(a, b, c, x, y):
    """
    r[n] = y[n] - (a + b x[n] + c x[n]^2)
    E = sum[N](r[N]^2)
    """
    return torch.sum((y - (a + b * x + c * x**2)) ** 2)


@model("J", rate=0.1, learn={"W": normal(3, 2), "b": normal(2)}, examples="X Y", X=normal(12, 3), Y=normal(12, 2))
def several_outputs(W, b, X, Y):
    """
    E[n,j] = Y[n,j] - X[n,K] W[K,j] - b[j]
    J = 1/2 E[N,J]^2 / |N|
    """
    return (Y - X @ W - b).square().sum() / (2 * len(X))


@model("J", rate=0.02, learn={"w": normal(3)}, examples="X y s", **X, s=uniform(20))
def weighted_least_squares(w, X, y, s):
    """
    e[n] = y[n] - X[n,K] w[K]
    q[n] = e[n]^2
    J = 1/2 s[N] q[N]
    """
    return (s * (y - X @ w) ** 2).sum() / 2


@model("J", rate=0.5, learn={"w": normal(3), "b": 0.0}, examples="X y", X=normal(20, 3), y=yes_or_no(20))
def logistic_regression(w, b, X, y):
    """
    p[n] = sigmoid(X[n,K] w[K] + b)
    J = -mean[N](y[N] log(p[N]) + (1 - y[N]) log(1 - p[N]))
    """
    return F.binary_cross_entropy_with_logits(X @ w + b, y)


@model("J", rate=0.3, learn={"w": normal(3)}, examples="X t", X=normal(20, 3), t=signs(20), C=0.1)
def logistic_regression_by_margins(w, X, t, C):
    """
    m[n] = t[n] X[n,K] w[K]
    l[n] = log(1 + exp(-m[n]))
    J = sum[N](l[N]) / |N| + 1/2 C w[K]^2
    """
    return F.softplus(-t * (X @ w)).mean() + C / 2 * (w @ w)


@model("J", rate=0.5, learn={"W": normal(3, 4), "b": normal(4)}, examples="X T", X=normal(20, 3), T=one_hot(4, 20))
def multinomial_regression(W, b, X, T):
    """
    A[n,c] = X[n,K] W[K,c] + b[c]
    P[n,c] = exp(A[n,c]) / sum[K](exp(A[n,K]))
    J = -T[N,C] log(P[N,C]) / |N|
    """
    return F.cross_entropy(X @ W + b, T)


@model("nll", rate=0.5, learn={"W": normal(3, 4)}, examples="X y", X=normal(20, 3), y=labels(4, 20))
def multinomial_regression_with_labels(W, X, y):
    """
    s[n,c] = X[n,K] W[K,c]
    z[n] = log(sum[C](exp(s[n,C])))
    l[n] = z[n] - s[n,y[n]]
    nll = mean[N](l[N])
    """
    return F.cross_entropy(X @ W, y)


@model("D", rate=0.05, learn={"w": normal(3, scale=0.3), "b": 0.2}, examples="X y", X=normal(20, 3), y=counts(20))
def poisson_regression(w, b, X, y):
    """
    eta[n] = X[n,K] w[K] + b
    mu[n] = exp(eta[n])
    D = sum[N](mu[N] - y[N] eta[N]) / |N|
    """
    return F.poisson_nll_loss(X @ w + b, y)


@model("D", rate=0.1, learn={"w": normal(3, scale=0.3)}, examples="X y", X=normal(20, 3), y=uniform(20, low=0.2))
def gamma_regression(w, X, y):
    """
    mu[n] = exp(X[n,K] w[K])
    D = mean[N](y[N] / mu[N] + log(mu[N]))
    """
    eta = X @ w
    return (y * torch.exp(-eta) + eta).mean()


@model("L", rate=0.05, learn={"w": normal(3, scale=0.3)}, examples="X y", X=normal(20, 3), y=counts(20), r=1.5)
def negative_binomial_regression(w, X, y, r):
    """
    mu[n] = exp(X[n,K] w[K])
    p[n] = mu[n] / (r + mu[n])
    l[n] = y[n] log(p[n]) + r log(1 - p[n])
    L = -sum[N](l[N]) / |N|
    """
    mu = torch.exp(X @ w)
    return -(y * torch.log(mu) - (y + r) * torch.log(mu + r) + r * torch.log(r)).mean()


@model("J", rate=0.02, learn={"w": normal(3)}, examples="X y", **X, d=0.7)
def huber_by_brackets(w, X, y, d):
    """
    e[n] = y[n] - X[n,K] w[K]
    a[n] = abs(e[n])
    h[n] = 1[a[n] <= d] e[n]^2 / 2 + 1[a[n] > d] d (a[n] - d/2)
    J = sum[N](h[N])
    """
    return F.huber_loss(X @ w, y, reduction="sum", delta=float(d))


@model("J", rate=0.05, learn={"w": normal(3)}, examples="X y", **X, d=0.7)
def pseudo_huber(w, X, y, d):
    """
    e[n] = y[n] - X[n,K] w[K]
    J = d^2 sum[N](sqrt(1 + (e[N] / d)^2) - 1)
    """
    return (d * torch.sqrt(d**2 + (y - X @ w) ** 2) - d**2).sum()


@model("J", rate=0.05, learn={"w": normal(3), "c": 1.2}, examples="X y", **X)
def cauchy_with_a_learned_width(w, c, X, y):
    """
    e[n] = y[n] - X[n,K] w[K]
    J = mean[N](log(1 + (e[N] / c)^2) + log(c))
    """
    return -torch.distributions.Cauchy(X @ w, c).log_prob(y).mean() - torch.log(torch.tensor(torch.pi))


@model("J", rate=0.02, learn={"w": normal(3), "b": 0.0}, examples="X y", **X, q=0.8)
def quantile_regression(w, b, X, y, q):
    """
    e[n] = y[n] - X[n,K] w[K] - b
    l[n] = q e[n] 1[e[n] > 0] + (q - 1) e[n] 1[e[n] <= 0]
    J = mean[N](l[N])
    """
    e = y - X @ w - b
    return torch.where(e > 0, q * e, (q - 1) * e).mean()


@model("J", rate=0.02, learn={"w": normal(3), "b": 0.0}, examples="X y", **X, tau=0.3)
def pinball_loss_as_a_maximum(w, b, X, y, tau):
    """
    u[n] = y[n] - X[n,K] w[K] - b
    J = sum[N](max(tau u[N], (tau - 1) u[N])) / |N|
    """
    u = y - X @ w - b
    return torch.maximum(tau * u, (tau - 1) * u).mean()


@model(
    "J",
    rate=0.02,
    learn={"c": normal(4), "s": uniform(4, low=0.5, high=1.5), "w": normal(4)},
    examples="x y",
    x=normal(20),
    y=normal(20),
)
def radial_basis_functions(c, s, w, x, y):
    """
    F[n,j] = exp(-(x[n] - c[j])^2 / (2 s[j]^2))
    f[n] = F[n,J] w[J]
    e[n] = y[n] - f[n]
    J = 1/2 e[N]^2
    """
    basis = torch.exp(-0.5 * ((x[:, None] - c) / s) ** 2)
    return 0.5 * (y - basis @ w).square().sum()


@model(
    "J", rate=0.05, learn={"C": normal(4, 2), "g": 0.8, "w": normal(4)}, examples="X y", X=normal(20, 2), y=normal(20)
)
def radial_basis_functions_in_the_plane(C, g, w, X, y):
    """
    D[n,j] = sum[K]((X[n,K] - C[j,K])^2)
    U[n,j] = g^2 D[n,j]
    H[n,j] = exp(-U[n,j])
    e[n] = y[n] - H[n,J] w[J]
    J = sum[N](e[N]^2) / |N|
    """
    distances = (X[:, None, :] - C[None]).square().sum(2)
    return (torch.exp(-(g**2) * distances) @ w - y).square().mean()


@model("J", rate=0.02, learn={"a": normal(6)}, examples="", K=covariance(6), y=normal(6), lam=0.1)
def kernel_ridge_regression(a, K, y, lam):
    """
    f[i] = K[i,J] a[J]
    r[i] = y[i] - f[i]
    J = 1/2 r[I]^2 + 1/2 lam a[I] f[I]
    """
    return 0.5 * (y - K @ a).square().sum() + 0.5 * lam * a @ K @ a


@model(
    "J", rate=0.1, learn={"w": normal(3, scale=0.3)}, X=normal(10, 3), t=uniform(10), d=yes_or_no(10), examples="X t d"
)
def cox_partial_likelihood(w, X, t, d):
    """
    h[n] = X[n,K] w[K]
    R[n] = sum[M](1[t[M] >= t[n]] exp(h[M]))
    l[n] = h[n] - log(R[n])
    J = -sum[N](d[N] l[N]) / |N|
    """
    h = X @ w
    order = torch.argsort(t, descending=True)
    at_risk = torch.logcumsumexp(h[order], 0)
    return -(d[order] * (h[order] - at_risk)).mean()


@model(
    "nll", rate=0.02, learn={"w": normal(3), "v": normal(3, scale=0.2)}, X=normal(20, 3), y=normal(20), examples="X y"
)
def heteroscedastic_regression(w, v, X, y):
    """
    m[n] = X[n,K] w[K]
    s[n] = exp(X[n,K] v[K])
    z[n] = (y[n] - m[n]) / s[n]
    nll = sum[N](1/2 z[N]^2 + log(s[N])) / |N|
    """
    return F.gaussian_nll_loss(X @ w, y, torch.exp(2 * (X @ v)), eps=0.0)


@model(
    "nll",
    rate=0.1,
    learn={"a": normal(7), "b": normal(5), "c": uniform(5, low=0.5, high=1.5)},
    examples="who what y",
    who=labels(7, 30),
    what=labels(5, 30),
    y=yes_or_no(30),
)
def item_response_theory(a, b, c, who, what, y):
    """
    z[n] = c[what[n]] (a[who[n]] - b[what[n]])
    p[n] = 1 / (1 + exp(-z[n]))
    nll = -sum[N](y[N] log(p[N]) + (1 - y[N]) log(1 - p[N])) / |N|
    """
    return F.binary_cross_entropy_with_logits(c[what] * (a[who] - b[what]), y)


@model("J", rate=0.1, learn={"r": normal(6)}, examples="won lost", won=labels(6, 25), lost=labels(6, 25), k=0.05)
def bradley_terry(r, won, lost, k):
    """
    d[n] = r[won[n]] - r[lost[n]]
    J = sum[N](log(1 + exp(-d[N]))) / |N| + k r[I]^2
    """
    return -F.logsigmoid(r[won] - r[lost]).mean() + k * r.square().sum()
