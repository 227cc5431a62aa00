"""Energies, small simulations, images: what is fitted as a whole, without batches."""

import torch
from torch.nn import functional as F

from tests.oracles.models.rows import covariance, model, normal, uniform


@model("E", rate=0.05, learn={"x": normal(5, 2)}, a=[0, 1, 2, 3, 4], b=[1, 2, 3, 4, 0], l=uniform(5), k=uniform(5))
def springs(x, a, b, l, k):
    """
    d[s,c] = x[a[s],c] - x[b[s],c]
    r[s] = sqrt(sum[C](d[s,C]^2))
    E = 1/2 sum[S](k[S] (r[S] - l[S])^2)
    """
    return 0.5 * (k * ((x[a] - x[b]).norm(dim=1) - l) ** 2).sum()


@model("E", rate=0.002, learn={"x": [[0.0, 0.1], [1.1, 0.0], [0.1, 1.2], [1.3, 1.2]]})
def lennard_jones(x):
    """
    D[i,j] = sum[C]((x[i,C] - x[j,C])^2)
    V[i,j] = 1 / D[i,j]^6 - 2 / D[i,j]^3
    E = sum[I,J](1[I < J] V[I,J])
    """
    D = F.pdist(x) ** 2
    return (D**-6 - 2 * D**-3).sum()


@model("E", rate=0.02, learn={"x": normal(4)}, q=[1.0, 2.0, 1.0, 3.0])
def charges_in_a_trap(x, q):
    """
    R[i,j] = abs(x[i] - x[j])
    U = 1/2 sum[I,J](1[I != J] q[I] q[J] / R[I,J])
    E = U + 1/2 x[I]^2
    """
    i, j = torch.triu_indices(4, 4, 1)
    return (q[i] * q[j] / (x[i] - x[j]).abs()).sum() + 0.5 * x @ x


@model("F", rate=0.05, learn={"a": normal(6)}, J=covariance(6), h=normal(6), T=1.3)
def mean_field_of_an_ising_model(a, J, h, T):
    """
    m[i] = tanh(a[i])
    U = -1/2 m[I] J[I,K] m[K] - h[I] m[I]
    p[i] = (1 + m[i]) / 2
    S = -sum[I](p[I] log(p[I]) + (1 - p[I]) log(1 - p[I]))
    F = U - T S
    """
    m, p = torch.tanh(a), torch.sigmoid(2 * a)
    return -0.5 * m @ J @ m - h @ m - T * torch.distributions.Bernoulli(p).entropy().sum()


@model("E", rate=0.1, learn={"u": normal(5, 6)}, f=normal(5, 6))
def poisson_equation_on_a_grid(u, f):
    """
    p[i,j] = pad(u[i+1,j]) - u[i,j]
    q[i,j] = pad(u[i,j+1]) - u[i,j]
    E = 1/2 p[I,J]^2 + 1/2 q[P,Q]^2 - f[A,B] u[A,B]
    """
    return _energy(F.pad(u, (0, 0, 0, 1)).diff(dim=0)) + _energy(F.pad(u, (0, 1)).diff(dim=1)) - (f * u).sum()


def _energy(field):
    return 0.5 * field.square().sum()


@model("J", rate=0.05, learn={"u": normal(8)}, y=normal(8), c=[-1.0, 1.0], lam=0.5, eps=0.01)
def total_variation(u, y, c, lam, eps):
    """
    d[i] = u[i+J] c[J]
    J = 1/2 sum[I]((u[I] - y[I])^2) + lam sum[I](sqrt(d[I]^2 + eps))
    """
    return F.mse_loss(u, y, reduction="sum") / 2 + lam * torch.sqrt(u.diff() ** 2 + eps).sum()


@model("J", rate=0.05, learn={"w": 1.2, "a": 0.4, "v": 0.1}, y=normal(4), h=0.3)
def pendulum_of_four_steps(w, a, v, y, h):
    """
    v1 = v - h w sin(a)
    a1 = a + h v1
    v2 = v1 - h w sin(a1)
    a2 = a1 + h v2
    v3 = v2 - h w sin(a2)
    a3 = a2 + h v3
    v4 = v3 - h w sin(a3)
    a4 = a3 + h v4
    J = (y[0] - a1)^2 + (y[1] - a2)^2 + (y[2] - a3)^2 + (y[3] - a4)^2
    """
    loss = 0.0
    for target in y:
        v = v - h * w * torch.sin(a)
        a = a + h * v
        loss = loss + (target - a) ** 2
    return loss


@model("J", rate=0.02, learn={"v": normal(3, 2), "k": 0.8}, x=normal(3, 2), y=normal(3, 2), h=0.2)
def leapfrog_of_two_steps(v, k, x, y, h):
    """
    g0[i,c] = -k x[i,c] sqrt(sum[D](x[i,D]^2) + 1)
    u1[i,c] = v[i,c] + 1/2 h g0[i,c]
    x1[i,c] = x[i,c] + h u1[i,c]
    g1[i,c] = -k x1[i,c] sqrt(sum[D](x1[i,D]^2) + 1)
    u2[i,c] = u1[i,c] + h g1[i,c]
    x2[i,c] = x1[i,c] + h u2[i,c]
    e[i,c] = y[i,c] - x2[i,c]
    J = 1/2 e[I,C]^2
    """

    def force(x):
        return -k * x * torch.sqrt((x * x).sum(1, keepdim=True) + 1)

    v = v + h / 2 * force(x)
    x = x + h * v
    v = v + h * force(x)
    return 0.5 * (x + h * v - y).square().sum()


@model("J", rate=0.1, learn={"u": normal(7), "a": 0.2}, y=normal(7))
def heat_equation_of_three_steps(u, a, y):
    """
    u1[i] = u[i] + a (pad(u[i+1]) - 2 u[i] + pad(u[i-1])) where |i| = |u.0|
    u2[i] = u1[i] + a (pad(u1[i+1]) - 2 u1[i] + pad(u1[i-1])) where |i| = |u.0|
    u3[i] = u2[i] + a (pad(u2[i+1]) - 2 u2[i] + pad(u2[i-1])) where |i| = |u.0|
    r[i] = y[i] - u3[i]
    J = r[I]^2 / |I|
    """
    for _ in range(3):
        around = F.pad(u, (1, 1))
        u = u + a * (around[2:] - 2 * u + around[:-2])
    return F.mse_loss(u, y)


@model("J", rate=0.02, learn={"r": 0.6, "K": 2.0, "n": 0.3}, y=uniform(3), h=0.4)
def logistic_growth(r, K, n, y, h):
    """
    n1 = n + h r n (1 - n / K)
    n2 = n1 + h r n1 (1 - n1 / K)
    n3 = n2 + h r n2 (1 - n2 / K)
    J = (n1 - y[0])^2 + (n2 - y[1])^2 + (n3 - y[2])^2
    """
    found = []
    for _ in range(3):
        n = n + h * r * n * (1 - n / K)
        found.append(n)
    return (torch.stack(found) - y).square().sum()


@model("J", rate=0.1, learn={"b": 0.5, "g": 0.2}, s=0.9, i=0.1, y=uniform(3))
def epidemic_of_three_days(b, g, s, i, y):
    """
    s1 = s - b s i
    i1 = i + b s i - g i
    s2 = s1 - b s1 i1
    i2 = i1 + b s1 i1 - g i1
    i3 = i2 + b s2 i2 - g i2
    J = (y[0] - i1)^2 + (y[1] - i2)^2 + (y[2] - i3)^2
    """
    loss = 0
    for day in range(3):
        s, i = s - b * s * i, i + b * s * i - g * i
        loss = loss + (y[day] - i) ** 2
    return loss


@model("J", rate=0.05, learn={"w": [0.2, 0.5]}, x=normal(9))
def autoregression(w, x):
    """
    p[t] = x[t+L] w[L] where |t| = |x.0| - 2
    e[t] = x[t+2] - p[t]
    J = mean[T](e[T]^2)
    """
    return F.mse_loss(w[1] * x[1:-1] + w[0] * x[:-2], x[2:])


@model("J", rate=0.02, learn={"A": normal(3, 3, scale=0.4), "b": normal(3)}, x=normal(3), y=normal(3))
def neural_differential_equation(A, b, x, y):
    """
    k1[i] = tanh(A[i,J] x[J] + b[i])
    x1[i] = x[i] + k1[i] / 2
    k2[i] = tanh(A[i,J] x1[J] + b[i])
    x2[i] = x[i] + k2[i]
    e[i] = y[i] - x2[i]
    J = 1/2 e[I]^2 + 1/100 A[I,K]^2
    """
    middle = x + torch.tanh(A @ x + b) / 2
    return 0.5 * (y - x - torch.tanh(A @ middle + b)).square().sum() + 0.01 * A.square().sum()


@model("L", rate=0.05, learn={"b": normal(3), "c": normal(3)}, y=normal(3))
def single_entries(b, c, y):
    """
    U[i] = b[i]^2
    Z[i] = exp(-U[i])
    e[i] = y[i] - Z[i] c[0]
    L = e[I]^2 + exp(e[0]) c[1]
    """
    e = y - torch.exp(-(b**2)) * c[0]
    return e @ e + torch.exp(e[0]) * c[1]
