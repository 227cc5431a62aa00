r"""What is read of a formula as it is typed: its header, the formula, and the lines of the document."""

import xml.etree.ElementTree as ElementTree

import pytest

import einstan as es
from einstan.language import parse_document
from einstan.language.matrices import MATHML
from einstan.papers import read_paper

MATRICES = "given x[i], y[i], W[j,i], b[j], A[i,i], B[i,i], c"

ONE = "given Z[i,k], W[i,j] | given l[k](Z[I,k]) | name z_k = Z[i,k] | each L = l[k]"

GREEKS = r"indices \mu = m, \nu = n, \lambda = l | given g[\mu,\lambda], x[\nu]"
INVERSE = "given A[i,i], x[i], B[i,i] | inverse A = Ainv | logdet A = ld"


def named_inverse(name):
    """The lines that name the inverse of a matrix."""
    other, d = f"{name}inv", "∂" if name[-1].isdigit() else "d"
    return [
        f"given {other}[i,j]({name}[I,J])",
        f"assume {d}{other}[i,j]/{d}{name}[p,q] = -{other}[i,p] {other}[q,j]",
        f"assume {other}[i,K] {name}[K,j] = δ[i,j]",
        f"assume {name}[i,K] {other}[K,j] = δ[i,j]",
    ]


def named_determinant(name):
    """The lines that name the logarithm of a determinant."""
    return [f"given {name}ld({name}[I,J])", f"assume ∂{name}ld/∂{name}[i,j] = {name}inv[j,i]"]


# header | formula | lines
READ = [
    # matrices, columns and rows
    (MATRICES, r"z = W x + b", ["z[j] = W[j,I] x[I] + b[j]"]),
    (MATRICES, r"\mathbf{z} = \mathbf W \mathbf{x} + \mathbf{b} \in \mathbb{R}^m.", ["z[j] = W[j,I] x[I] + b[j]"]),
    (MATRICES, r"E = x^T y", ["E = x[I] y[I]"]),
    (MATRICES, r"E = x^{\top} A\, y", ["E = (x[I1] A[I1,I]) y[I]"]),
    (MATRICES, r"Z = x y^\intercal", ["Z[i,i1] = x[i] y[i1]"]),
    (MATRICES, r"E = x \cdot y", ["E = x[I] y[I]"]),
    (MATRICES, r"E = \langle x, y \rangle", ["E = x[I] y[I]"]),
    (MATRICES, r"z = x \odot y", ["z[i] = x[i] y[i]"]),
    (MATRICES, r"Z = A^T B - c B^T", ["Z[i,i1] = A[I,i] B[I,i1] - c B[i1,i]"]),
    (MATRICES, r"E = \operatorname{tr}(A^\top B)", ["E = sum[I](A[I1,I] B[I1,I])"]),
    (MATRICES, r"Z = \mathrm{diag}(x) A", ["Z[i,i1] = x[i] δ[i,I] A[I,i1]"]),
    (MATRICES, r"z_i = (A B x)_i", ["z[i] = (A[i,I1] B[I1,I]) x[I]"]),
    (MATRICES, r"C_{ij} = (A^T B)_{ij}", ["C[i,j] = A[I,i] B[I,j]"]),
    (MATRICES, r"E = (x - y)^T A (x - y) / 2", ["E = (((x[I1] - y[I1]) A[I1,I]) (x[I] - y[I])) / 2"]),
    (MATRICES, r"E = \frac{x^T A x}{x^T x}", ["E = ((x[I1] A[I1,I]) x[I]) / (x[I2] x[I2])"]),
    # norms
    (MATRICES, r"E = \|x - y\|^2", ["E = (x[I] - y[I]) (x[I] - y[I])"]),
    (MATRICES, r"E = \lVert A \rVert_F^2", ["E = A[I,I1] A[I,I1]"]),
    (MATRICES, r"E = \|x\|_2", ["E = sqrt(x[I] x[I])"]),
    (MATRICES, r"E = \left\| x \right\|_1", ["E = sum[I](abs(x[I]))"]),
    (MATRICES, r"E = |c|", ["E = abs(c)"]),
    # sums and what they run over
    ("", r"E = \sum_{k=1}^{K} a_k b_k", ["E = a[K] b[K]"]),
    ("", r"m = \frac{1}{N} \sum_{n=1}^N x_n", ["m = 1/|x.0| sum[N](x[N])"]),
    ("", r"c_i = \sum_{j=1}^{i} x_j", ["c[i] = 1[J <= i] x[J]"]),
    ("", r"c_i = \sum_{j=1}^{i-1} a_{i,j}", ["c[i] = 1[J <= i-1] a[i,J]"]),
    ("given a[i,j]", r"E = \sum_{i<j} a_{ij}", ["E = 1[I < J] a[I,J]"]),
    ("given a[i,j]", r"c_i = \sum_{j \neq i} a_{ij}", ["c[i] = 1[J != i] a[i,J]"]),
    ("given a[i,i]", r"E = \sum_{i,j=1}^{n} a_{ij}", ["E = a[I,J]"]),
    ("given a[i,j], t[i]", r"c_i = \sum_{j : t_j \geq t_i} a_{ij}", ["c[i] = 1[t[J] >= t[i]] a[i,J]"]),
    ("given a[i], t[i]", r"E = \sum_{i \mid 0 < t_i, t_i < a_i} a_i", ["E = 1[t[I] < a[I]] 1[0 < t[I]] a[I]"]),
    # the loss of one sample is that of the sample whose entries it is differentiated by
    (ONE, r"D = \nabla_Z L", ["D[i,k] = dl[k]/dZ[i,k]"]),
    (ONE, r"D_{ik} = \frac{\partial L}{\partial Z_{ik}}", ["D[i,k] = dl[k]/dZ[i,k]"]),
    ("given f(x, y)", r"g = \frac{\partial f}{\partial (x, y)}", ["g[i] = df/dx δ[i,0] + df/dy δ[i,1] where |i| = 2"]),
    (MATRICES, r"z = \text{sum of the columns of } W", ["z[j] = W[j,I] 1[I]"]),
    # the inverse of a matrix, and the logarithm of its determinant
    (INVERSE, r"z = A^{-1} x + A^{-T} x", ["z[i] = Ainv[i,I] x[I] + Ainv[I1,i] x[I1]"]),
    (INVERSE, r"Z = A^{-\top}", ["Z[i,i1] = Ainv[i1,i]"]),
    (INVERSE, r"Z = (A^T)^{-1}", ["Z[i,i1] = Ainv[i1,i]"]),
    (INVERSE, r"z_{ij} = (A^{-1})_{ij}", ["z[i,j] = Ainv[i,j]"]),
    (INVERSE, r"E = \log\det A - \ln \det(A) + \log |A|", ["E = ld - ld + ld"]),
    (MATRICES, r"z = A^{-1} x", [*named_inverse("A"), "z[i] = Ainv[i,I] x[I]"]),
    (
        MATRICES, r"z = (A + c B)^{-1} x - (A + c B)^{-1} y",
        ["q1[i,i1] = A[i,i1] + c B[i,i1]", *named_inverse("q1"), "z[i] = q1inv[i,I] x[I] - (q1inv[i,I1] y[I1])"],
    ),
    (
        MATRICES, r"E = \log |A + B| - \log\det(A + B)",
        ["q1[i,i1] = A[i,i1] + B[i,i1]", *named_inverse("q1"), *named_determinant("q1"), "E = q1ld - q1ld"],
    ),
    ("given X[n,d], y[n] | transposed X", r"z = X'y", ["z[d] = X[N,d] y[N]"]),
    # a sign between tensors parts what stands side by side, where that has a meaning
    ("given x[d], W[f,d], V[f,d]", r"h = W x \odot V x", ["h[f] = (W[f,D] x[D]) (V[f,D1] x[D1])"]),
    (MATRICES, r"z = A \odot B x", ["z[i] = A[i,I] B[i,I] x[I]"]),
    (MATRICES, r"E = x \cdot A y", ["E = x[I] (A[I,I1] y[I1])"]),
    # columns of formulas, and what an array is
    ("given a, b", r"\begin{aligned} q &= a & r &= b && \text{by (2)} \end{aligned}", ["q = a", "r = b"]),
    ("given a, b", r"\left\{ \begin{array}{l} q = a \\ r = b \end{array} \right.", ["q = a", "r = b"]),
    (
        "given x[i]", r"q_i = \left\{ \begin{array}{ll} x_i & x_i > 0 \\ 0 & x_i \leq 0 \end{array} \right.",
        ["q[i] = 1[x[i] > 0] x[i] + 1[x[i] <= 0] 0"],
    ),
    (
        "given a, b", r"q = \left[ \begin{array}{c} a \\ b \end{array} \right]",
        ["q[i] = a δ[i,0] + b δ[i,1] where |i| = 2"],
    ),
    ("given A[i,i]", r"q = \mathrm{Tr}[A] / \|A\|_{\mathrm{F}}", ["q = sum[I](A[I,I]) / sqrt(A[I1,I2] A[I1,I2])"]),
    (MATRICES, r"q = \mathbf{1}_n^\top x", ["q = 1[I] x[I]"]),
    ("given a, b, c", r"q = a / b / c", ["q = a / b / c"]),
    ("given W_s[d,k], h[k]", r"s = W_s h", ["s[d] = W^(s)[d,K] h[K]"]),
    ("first 1 | given W[d,k], h[k], U[x,d]", r"z = W h, \quad u_j = 2 z_j, \quad y = U u",
     ["z[d] = W[d,K] h[K]", "u[j] = 2 z[j]", "y[x] = U[x,D] u[D]"]),
    (
        r"given x[i] | function \sigma = sigmoid", r"\sigma^2 = \sum_i x_i^2, \quad y_i = \sigma(x_i) / \sigma^2",
        ["σ_sq = x[I]^2", "y[i] = sigmoid(x[i]) / σ_sq"],
    ),
    (r"given x[i], \sigma | function \sigma = sigmoid", r"y_i = \sigma(x_i) / \sigma", ["y[i] = sigmoid(x[i]) / σ"]),
    # exponents that begin with a bracket
    ("given a, b, c", r"y = c^{(a + b) b} - c^{\frac{a}{b} - a} + c^{a^2 - b^2}",
     ["y = c^((a + b) b) - c^(a / b - a) + c^(a^2 - b^2)"]),
    # an index with a prime is another one, wherever it stands; so is a name
    ("given K[i,i]", r"q_i = \sum_{i' \neq i} K_{ii'}", ["q[i] = 1[I1 != i] K[i,I1]"]),
    ("given K[i,i]", r"q_i = \sum_{i'} \mathbb{1}[i' < i] K_{ii'}", ["q[i] = 1[I1 < i] K[i,I1]"]),
    ("given K[i,i]", r"q_i = \sum_{i'=1}^{i} K_{ii'}", ["q[i] = 1[I1 <= i] K[i,I1]"]),
    ("given r[t], c | first 0", r"q_t = \sum_{t' \ge t} c^{t'-t} r_{t'} t'", ["q[t] = 1[T1 >= t] c^(T1 - t) r[T1] T1"]),
    (
        "given x[i], y[i]", r"q_{ii'} = \begin{cases} x_i & i \neq i' \\ y_{i'} & i = i' \end{cases}",
        ["q[i,i1] = 1[i != i1] x[i] + 1[i == i1] y[i1]"],
    ),
    ("given x[d], x'[e]", r"q = 2 x, \quad k = \|\mathbf{x}'\|^2", ["q[d] = 2 x[d]", "k = x_prime[E] x_prime[E]"]),
    ("given x[d] | name x' = z | given x'[d]", r"q = x^\top x'", ["q = x[D] z[D]"]),
    # the difference of two indices is the same wherever one counts from
    ("given r[k], g", r"G_t = \sum_{k=t}^{T} g^{k - t} r_k", ["G[t] = 1[K >= t] g^(K - t) r[K]"]),
    ("given a[i]", r"b_t = \prod_{s=1}^{t} (1 - a_s)", ["b[t] = prod[S](1[S <= t] (1 - a[S]) + 1 - 1[S <= t])"]),
    (
        "given Q[n,d], K[m,d] | extent d_k = |Q.1|", r"S = Q K^\top / \sqrt{d_k}",
        ["S[n,m] = (Q[n,D] K[m,D]) / sqrt(|Q.1|)"],
    ),
    ("row x, b_1, FFN | given x[d], W_1[d,f], b_1[f]", r"\mathrm{FFN}(x) = \max(0, x W_1 + b_1)",
     ["FFN[f] = maximum(0, x[D] W1[D,f] + b1[f])"]),
    ("given r[i], a, b", r"s_i = \mathrm{clip}(r_i, 1 - a, 1 + a) + \max(r_i, b)^2",
     ["s[i] = clip(r[i], 1 - a, 1 + a) + maximum(r[i], b)^2"]),
    ("given r[i]", r"z_i = r_i - \operatorname{mean}(r)", ["z[i] = r[i] - mean[I](r[I])"]),
    ("", r"a = \log 2\pi + \log 2", ["a = log(2 pi) + log(2)"]),
    # Greek indices, and a step of a recurrence
    (GREEKS, r"T_{\mu\nu} = \sum_\lambda g_{\mu\lambda} g_{\nu\lambda}", ["T[m,n] = g[m,L] g[n,L]"]),
    (GREEKS, r"y_\mu = \sum_{\nu \neq \mu} \delta_{\mu\nu} x_\nu", ["y[m] = 1[N != m] δ[m,N] x[N]"]),
    (
        "labels t | function f | given h_t[k], h_{t-1}[k], x_t[d]", r"h_t = f(h_{t-1}, x_t)",
        ["given h^(t)[k](h^(t-1)[I], x^(t)[I])"],
    ),
    (GREEKS.replace("= m", "= e"), r"y_\mu = \mathrm{relu}(x_\mu)", ["y[e] = relu(x[e])"]),
    ("labels k | given A[i,i], x_k[i]", r"x_{k+1} = A x_k", ["x^(k+1)[i] = A[i,I] x^(k)[I]"]),
    # a delta that is given is no Kronecker delta, and a name is defined as any other
    (r"given \delta[n,j], x[j]", r"g_n = \sum_j \delta_{nj} x_j", ["g[n] = err[n,J] x[J]"]),
    (r"labels l | given \delta^{(l)}[n,j], x[j]", r"g = \delta^{(l)} x", ["g[n] = err^(l)[n,J] x[J]"]),
    (r"given \delta, x | name \delta = d0", r"z = \delta x", ["z = d0 x"]),
    (r"name \delta = d0 | given \delta, x", r"z = \delta x", ["z = d0 x"]),
    ("given x[j]", r"g_i = \sum_j \delta_{ij} x_j", ["g[i] = δ[i,J] x[J]"]),
    ("given m[i] | name m_i' = m1[i]", r"m_i' = 2 m_i", ["m1[i] = 2 m[i]"]),
    ("labels l | given W^{(l)}[k,j], g[k]", r"h = W^{(l)\top} g", ["h[j] = W^(l)[K,j] g[K]"]),
    ("given g, T", r"L = g^T", ["L = g^(T)"]),
    ("", r"p_i = \frac{e^{x_i}}{\sum_{k} e^{x_k}}", ["p[i] = exp(x[i]) / sum[K](exp(x[K]))"]),
    ("", r"L = -\sum_i y_i \log p_i", ["L = -(y[I] log(p[I]))"]),
    ("", r"m = \max_k x_k - \min_k x_k", ["m = max[K](x[K]) - min[K1](x[K1])"]),
    ("", r"E = \log \sum_k e^{x_k}", ["E = log(sum[K](exp(x[K])))"]),
    ("given c", r"E = c - \sum_k a_k b_k + c", ["E = c - (a[K] b[K]) + c"]),
    ("", r"E = \prod_{k=1}^K x_k", ["E = prod[K](x[K])"]),
    ("given c", r"E = 1.5e-3 c + 2E4", ["E = 0.0015 c + 20000"]),
    ("given c, e", r"E = c^2e + 2e + 3 e-3", ["E = c^2 e + 2 e + 3 e - 3"]),
    # functions, with brackets and without
    ("given z", r"a = \tanh z", ["a = tanh(z)"]),
    ("given z, b", r"a = \log z + b", ["a = log(z) + b"]),
    ("given z", r"a = \sin^2 z", ["a = sin(z)^2"]),
    ("given z", r"a = \sin z / z + \ln z / \ln 2", ["a = sin(z) / z + log(z) / log(2)"]),
    ("given z", r"a = \max(0, z)", ["a = maximum(0, z)"]),
    ("given z", r"a = e^{-z^2/2}", ["a = exp(-z^2 / 2)"]),
    ("given a, e", r"b = a \sqrt{1 - e^2}", ["b = a sqrt(1 - (e)^2)"]),
    ("given a, e", r"b = e^{a + 1}", ["b = (e)^(a + 1)"]),
    ("given L, d, x", r"b = \frac{d \cdot L}{d \cdot x}", ["b = d L / (d x)"]),
    ("given z", r"a = \tfrac12 z + \frac1{2} z", ["a = 1/2 z + 1/2 z"]),
    (r"given z[i] | function \sigma = sigmoid", r"a = \sigma(z)", ["a[i] = sigmoid(z[i])"]),
    ("given z[i]", r"a = \mathrm{softmax}(z)", ["a[i] = softmax[i](z[i])"]),
    ("given m", r"\sigma^2 = \sum_i (x_i - m)^2", ["σ_sq = (x[I] - m)^2"]),
    ("", r"Z_{nj} = \sum_k X_{n,k} W_{k,j}", ["Z[n,j] = X[n,K] W[K,j]"]),
    # brackets
    ("", r"a_i = \mathbb{1}[z_i > 0] z_i", ["a[i] = 1[z[i] > 0] z[i]"]),
    ("", r"a_i = \mathbf{1}_{z_i > 0}", ["a[i] = 1[z[i] > 0]"]),
    (
        "", r"a_i = \begin{cases} z_i, & \text{if } z_i > 0, \\ 0, & \text{otherwise.} \end{cases}",
        ["a[i] = 1[z[i] > 0] z[i] + 1[z[i] <= 0] 0"],
    ),
    # derivatives
    ("given L(z[I])", r"\frac{\partial L}{\partial z_i} = 0", ["dL/dz[i] = 0"]),
    ("given L(z[I])", r"\nabla_{\mathbf{z}} L = 0", ["dL/dz[i] = 0"]),
    ("given L(z[I])", r"\frac{\mathrm{d} L}{\mathrm{d} z_i} = \partial L / \partial z_i", ["dL/dz[i] = dL/dz[i]"]),
    ("given L(z[I])", r"\frac{\partial^2 L}{\partial z_i \partial z_j} = 0", ["dL/dz[i]dz[j] = 0"]),
    (
        "given z[i](x[J]) | layout rows",
        r"\frac{\partial z}{\partial x} = \left[ \frac{\partial z_i}{\partial x_j} \right]",
        ["dz[i]/dx[j] = dz[i]/dx[j]"],
    ),
    ("given z[i](x[J])", r"\forall i \neq j, \frac{\partial z_i}{\partial x_j} = 0", ["1[i != j] dz[i]/dx[j] = 0"]),
    ("given z[i](x[J])", r"\frac{\partial z_i}{\partial x_j} = 0, \quad i \neq j", ["1[i != j] dz[i]/dx[j] = 0"]),
    ("given L(z[I]) | gradients L", r"dz = \nabla_z L", ["dL/dz[i] = dL/dz[i]"]),
    # names
    ("", r"a_i^{(l)} = b_i^{(l-1)}", ["a^(l)[i] = b^(l-1)[i]"]),
    (r"labels \ell | given a[i]", r"b[\ell] = a", ["b^(l)[i] = a[i]"]),
    ("given x[i]", r"\hat{\mathbf{y}} = x", ["y_hat[i] = x[i]"]),
    ("given x[i]", r"y^* = x", ["y_star[i] = x[i]"]),
    (r"given Z[i,k], a[i] | name \mathbf{z}_k = Z[i,k]", r"s_k = a^T \mathbf{z}_k", ["s[k] = a[I] Z[I,k]"]),
    ("given x[i] | first 1", r"E = x_1 + x_3", ["E = x[0] + x[2]"]),
    ("given x[t], f[i], c | padded x | first 1", r"y_t = c + \sum_{i=1}^{p} f_i x_{t-i}",
     ["y[t] = c + f[I] pad(x[t-I-1])"]),
    ("capitals", r"Z_{i,j} = X_{i,K} W_{K,j}", ["Z[i,j] = X[i,K] W[K,j]"]),
    ("given f(x, y) | value f", r"f(x, y) = x y", ["f = x y"]),
    (
        "given a[i] | first 1", r"y = \begin{bmatrix} a_1 \\ a_2 \end{bmatrix}",
        ["y[i] = a[0] δ[i,0] + a[1] δ[i,1] where |i| = 2"],
    ),
    ("given a[i] | first 1", r"y = (a_1, a_2)", ["y[i] = a[0] δ[i,0] + a[1] δ[i,1] where |i| = 2"]),
    # what a derivative stands in front of
    (MATRICES, r"E = \nabla_x \|x\|^2", ["q1 = x[I] x[I]", "E[i] = dq1/dx[i]"]),
    ("given f", r"\nabla_f f^2 = 2 f", ["q1 = f^2", "dq1/df = 2 f"]),
    ("given f", r"\nabla_f \frac{1}{2} f^2 = f", ["q1 = 1/2 f^2", "dq1/df = f"]),
    ("given x[i], A[i,i] | layout columns", r"\nabla_x x^T A x = x", ["q1 = (x[I1] A[I1,I]) x[I]", "dq1/dx[i] = x[i]"]),
    ("given L(z[I]) | given a[i]", r"c = (\nabla_z L)^\top a", ["c = dL/dz[I] a[I]"]),
    ("given L(z[I]) | given a[i]", r"c = \nabla_z L^\top a", ["c = dL/dz[I] a[I]"]),
    # numbers of indices, and where entries are counted from
    ("given x[i] | first 1", r"E = \sum_{j > 1} x_j", ["E = 1[J+1 > 1] x[J]"]),
    ("given x[i] | first 1", r"a_i = \mathbb{1}[i = 1] x_i", ["a[i] = 1[i+1 == 1] x[i]"]),
    ("given x[i], y[i] | first 1", r"c_i = \sum_j x_{i+j-1} y_j", ["c[i] = x[i+J] y[J]"]),
    ("given x[i], y[i] | first 0", r"c_i = \sum_j x_{i+j} y_j", ["c[i] = x[i+J] y[J]"]),
    ("given x[i] | first 1", r"E = \sum_{i=1}^n i x_i", ["E = (I + 1) x[I]"]),
    ("given x[i] | first 1 | extent n = |x.0|", r"E = \sum_{i=2}^{n} x_i", ["E = 1[I+1 >= 2] x[I]"]),
    ("given x[i] | first 1 | extent n = |x.0|", r"E = \sum_{i=1}^{n-1} x_i", ["E = 1[I+1 <= |x.0|-1] x[I]"]),
    ("", r"E = \sum_{t=0}^{T-1} x_t", ["E = x[T]"]),
    ("", r"E = \sum_{t=1}^{T_x} x_t", ["E = x[T]"]),
    ("given c, x[i]", r"E = \sum_i -2 (x_i - c)", ["E = sum[I](-2 (x[I] - c))"]),
    # names with words and labels, and what a header gives as it is typed
    ("given x[i]", r"L_{\mathrm{KL}} = \sum_i x_i", ["L_KL = x[I]"]),
    ("given x[i]", r"\mu_\mathcal{B} \leftarrow \frac1m \sum_{i=1}^m x_i", ["μ_atB = 1/|x.0| sum[I](x[I])"]),
    (r"given W_{hh}[k,k], \mathbf{h}_{t-1}[k]", r"a = W_{hh} \mathbf{h}_{t-1}", ["a[k] = W_hh[k,K] h^(t-1)[K]"]),
    (r"given \beta_1, x_0[i], d_k", r"a = \beta_1 x_0 / \sqrt{d_k}", ["a[i] = β1 x0[i] / sqrt(d_atk)"]),
    (
        r"labels t | given m_{t-1}[i], g_t[i], b", r"m_t = b m_{t-1} + (1 - b) g_t",
        ["m^(t)[i] = b m^(t-1)[i] + (1 - b) g^(t)[i]"],
    ),
    (
        "labels l | given w^l[j,k], a^{l-1}[k]", r"z^l_j = \sum_k w^l_{jk} a^{l-1}_k",
        ["z^(l)[j] = w^(l)[j,K] a^(l-1)[K]"],
    ),
    ("labels k | given x_{k|k-1}[i]", r"y = x_{k \mid k-1}", ["y[i] = x^(kkm1)[i]"]),
    (r"given w[i] | name x^{(i)}_j = x[i,j]", r"z_j = \sum_i w_i x^{(i)}_j", ["z[j] = w[I] x[I,j]"]),
    (r"name \mathbf{q}_i = q[i,d]", r"s_{ij} = \mathbf{q}_i^\top \mathbf{q}_j", ["s[i,j] = q[i,D] q[j,D]"]),
    ("given x[i], A[j,i]", r"f_\theta(x) = A x", ["f^(θ)[j] = A[j,I] x[I]"]),
    ("given x, y", r"D(x \,\|\, y) = x y", ["D = x y"]),
    ("given Q[n,d], K[m,d] | softmax rows", r"P = \mathrm{softmax}(Q K^T)", ["P[n,m] = softmax[m](Q[n,D] K[m,D])"]),
    (MATRICES, r"z = (1 - x) \odot y", ["z[i] = (1 - x[i]) y[i]"]),
    (MATRICES, r"E = \mathbf{1}^T x", ["E = 1[I] x[I]"]),
    (MATRICES, r"E = x^{\mathsf T} y + x^\mathsf{T} y + x^{\rm T} y", ["E = x[I] y[I] + x[I1] y[I1] + x[I2] y[I2]"]),
    ("given a, x[i]", r"h_i = [1 - a x_i]_+", ["h[i] = maximum(0, 1 - a x[i])"]),
    ("given a, b", r"c = {a \over b} + \underbrace{a b}_{\text{small}}", ["c = a / b + a b"]),
    (
        "given x[i]", r"s_i = \begin{cases} -1 & x_i < 0 \\ 0 & x_i = 0 \\ 1 & x_i > 0 \end{cases}",
        ["s[i] = 1[x[i] < 0] (-1) + 1[x[i] == 0] 0 + 1[x[i] > 0] 1"],
    ),
    (
        "given x[i], a", r"s_i = \begin{cases} 0 & x_i < 0 \\ a & x_i > a \\ x_i & \text{otherwise} \end{cases}",
        ["s[i] = 1[x[i] < 0] 0 + 1[x[i] > a] 1[x[i] >= 0] a + 1[x[i] >= 0] 1[x[i] <= a] x[i]"],
    ),
    ("given W_1[h,d], x[d], b_1[h]", r"z_1 = W_1 x + b_1", ["z1[h] = W1[h,D] x[D] + b1[h]"]),
    ("given L(z[I])", r"\delta_2 = \nabla_z L(z)", ["err2[i] = dL/dz[i]"]),
    ("given f(x[I])", r"g = \nabla f(x)", ["g[i] = df/dx[i]"]),
    ("given z[i]", r"E_i = \sum_k \mathbb{1}_{[k \neq i]} z_k", ["E[i] = 1[K != i] z[K]"]),
    (
        "given \\pi[k], x[k]", r"E = \sum_k \pi_k x_k / \sqrt{2 \boldsymbol{\pi}^\top x}",
        ["E = pis[K] x[K] / sqrt(sum[K1](2 pis[K1] x[K1]))"],
    ),
    # what dots leave out
    ("given x[i]", r"s = x_1 + x_2 + \cdots + x_n", ["s = x[K]"]),
    ("given w_0, w[i], x[i]", r"y = w_0 + w_1 x_1 + \dots + w_n x_n", ["y = w0 + w[K] x[K]"]),
    (
        "given z[i]", r"o_i = \frac{e^{z_i}}{e^{z_1} + \dots + e^{z_i} + \dots + e^{z_m}}",
        ["o[i] = exp(z[i]) / sum[K](exp(z[K]))"],
    ),
    ("given x[i]", r"m = \max\{x_1, \ldots, x_n\}", ["m = max[K](x[K])"]),
    ("given x[i]", r"u = (x_1^2, \dots, x_n^2)^T", ["u[i] = x[i]^2"]),
    ("given x[i]", r"u = \begin{bmatrix} x_1 \\ x_2 \\ \vdots \\ x_n \end{bmatrix}", ["u[i] = x[i]"]),
    (
        "given W[i,j]",
        r"T = \begin{bmatrix} W_{11} & \cdots & W_{n1} \\ \vdots & & \vdots \\ "
        r"W_{1m} & \cdots & W_{nm} \end{bmatrix}",
        ["T[j,i] = W[i,j]"],
    ),
    (
        "given d[i]",
        r"D = \begin{bmatrix} d_1 & & \\ & \ddots & \\ & & d_n \end{bmatrix}",
        ["D[i,i1] = 1[i == i1] d[i]"],
    ),
    (
        "given o[i]",
        r"J = \begin{bmatrix} o_1(1 - o_1) & \cdots & -o_1 o_m \\ \vdots & \ddots & \vdots \\ "
        r"-o_m o_1 & \cdots & o_m(1 - o_m)\end{bmatrix}",
        ["J[i,i1] = 1[i == i1] o[i] (1 - o[i]) + 1[i != i1] (-1) o[i] o[i1]"],
    ),
    (
        r"given Z[i,k] | name \mathbf{z}_k = Z[i,k]", r"A = [\mathbf{z}_1 \ \mathbf{z}_2 \ \cdots \ \mathbf{z}_N]",
        ["A[i,k] = Z[i,k]"],
    ),
    # chains, numbers, remarks
    (MATRICES, r"(3) \quad E = x^T y = y^T x", ["E = x[I] y[I]", "x[I] y[I] = y[I] x[I]"]),
    (
        MATRICES, r"\begin{aligned} E &= x^T y \\ &= y^T x \tag{2} \end{aligned}",
        ["E = x[I] y[I]", "x[I] y[I] = y[I] x[I]"],
    ),
    (MATRICES, r"E = x^T y, \quad z = A x", ["E = x[I] y[I]", "z[i] = A[i,I] x[I]"]),
    ("", r"y_i = x_i \quad \text{for all } i", ["y[i] = x[i]"]),
    ("", r"y_i = x_i, \quad i = 1, \dots, n", ["y[i] = x[i]"]),
    (MATRICES, r"f: \begin{cases} U \to V \\ x \mapsto A x \end{cases}", ["f[i] = A[i,I] x[I]"]),
    (MATRICES + " | value f", r"f: \begin{cases} U \to V \\ x \mapsto A x \end{cases}", ["f[i] = A[i,I] x[I]"]),
]  # fmt: skip


@pytest.mark.parametrize(("header", "formula", "lines"), READ)
def test_read_as(header, formula, lines):
    assert read(header, formula) == lines


def read(header, formula):
    """The lines of a formula as they are printed, without those that its header says."""
    text = f"% einstan: {header}\n$$ {formula} $$" if header else f"\n$$ {formula} $$"
    codes = [item.code for item in read_paper(text).items if item.formula and item.code]
    return [str(parse_document(code).statements[0]).removeprefix("claim ") for code in codes]


MATRIX = [row for row in READ if row[0].startswith((MATRICES, "given")) and "d_k" not in row[0]]


@pytest.mark.parametrize(("header", "formula", "lines"), MATRIX)
def test_what_came_as_matrices_is_typeset_so_and_reads_as_the_same(header, formula, lines):
    for line in es.check_paper(f"% einstan: {header}\n$$ {formula} $$").lines:
        if typeset := line.matrices():
            ElementTree.fromstring(f"<math>{line.matrices(MATHML)}</math>")
            (again,) = [code for code in read(header, typeset) if code]
            sides = [code.partition(" = ")[2] for code in (line.statement.code, again)]
            assert line.statement.code == again or es.check(f"claim {sides[0]} = {sides[1]}").ok, typeset


# header | formula | as it is typeset
TYPESET = [
    (MATRICES, r"z = W x + b", r"\mathbf{z} = \mathbf{W} \mathbf{x} + \mathbf{b}"),
    (MATRICES, r"E = x^T A y", r"E = \mathbf{x}^\top \mathbf{A} \mathbf{y}"),
    (MATRICES, r"E = \frac{x^T A x}{x^T x}", r"E = \frac{\mathbf{x}^\top \mathbf{A} \mathbf{x}}{\|\mathbf{x}\|^2}"),
    (MATRICES, r"Z = x y^T - A", r"\mathbf{Z} = \mathbf{x} \mathbf{y}^\top - \mathbf{A}"),
    (MATRICES, r"Z = c (A + B) A^T", r"\mathbf{Z} = c \left(\mathbf{A} + \mathbf{B}\right) \mathbf{A}^\top"),
    (MATRICES, r"z = A (x \odot y)", r"\mathbf{z} = \mathbf{A} \left(\mathbf{x} \odot \mathbf{y}\right)"),
    (MATRICES, r"Z = \mathrm{diag}(x)", r"\mathbf{Z} = \operatorname{diag}\left(\mathbf{x}\right)"),
    (MATRICES, r"E = (\tanh(x))^\top y", r"E = \left(\tanh(\mathbf{x})\right)^\top \mathbf{y}"),
    (MATRICES, r"z = y^T A", ""),  # which would be a row
    (MATRICES, r"z_j = \sum_i W_{ji} x_i", ""),  # it has indices
    (MATRICES, r"E = \|x\|_1", ""),
    ("given L(z[I])", r"a = 2 \nabla_z L", r"\mathbf{a} = 2 \left(\nabla_{\mathbf{z}} L\right)"),
    ("labels l | given W^{(l)}[k,j], g[k]", r"h = W^{(l)\top} g", r"\mathbf{h} = {\mathbf{W}^{(l)}}^\top \mathbf{g}"),
]


@pytest.mark.parametrize(("header", "formula", "typeset"), TYPESET)
def test_typeset_as_matrices(header, formula, typeset):
    (line,) = [each for each in es.check_paper(f"% einstan: {header}\n$$ {formula} $$").lines if each.formula]
    assert line.matrices() == typeset


# header | formula | a part of the reason
REFUSED = [
    (MATRICES, r"q = 1^\top x", "or a column of such numbers"),
    (MATRICES, r"A 1 = x", "or a column of such numbers"),
    (MATRICES, r"q_i = \prod_{j<i} (1 - y_j) x_i", "of each factor of a product, or of the whole product"),
    (MATRICES, r"q = \prod_i x_i / c", "of each factor of a product, or of the whole product"),
    ("given x[i] | extent n = |x.0|", r"q = n' \sum_i x_i", "n' is another name"),
    ("given K[i,i]", r"q = \sum_{i \neq i'} K_{ii'}", "a sum over i or i'"),
    (r"given \nu, c", r"B_\nu = \nu c", "ν below B"),
    ("given x", r"q = \langle x \rangle", "angle brackets around one thing"),
    ("given c, e", r"E = 1.5e-3 c", "1.5e-3 is a number, or e stands in it"),
    ("given c, E", r"z = 2E3 c", "2E3 is a number, or E stands in it"),
    ("given c, e", r"E = \frac{1}{2e+3} c", "2e+3 is a number, or e stands in it"),
    ("given c", r"E = 1{,}000 c", "two numbers side by side"),
    ("given c", r"E = 1,000 c", "a comma in a number"),
    (ONE, r"G = \nabla_W L", "has not one axis k"),
    (ONE, r"G = L", "has no indices"),
    (ONE + " | given L", r"G = \nabla_Z L", "is a name of the text, and the loss of one sample"),
    ("given f(x, y)", r"g = \frac{\partial}{\partial (x, y)} f", "by several at once"),
    (MATRICES, r"E = \text{sum of entries of } W", "words stand in the formula"),
    (MATRICES, r"E = x y", "a product of a column and a column"),
    (MATRICES, r"z = W y^T", "a product of a matrix and a row"),
    (MATRICES, r"z = W b", "axes of two extents"),
    (MATRICES, r"z = x + c", "a sum of a column and a number"),
    (MATRICES, r"E = x + y^T", "a sum of a column and a row"),
    (MATRICES, r"Z = A^2", "a power of a matrix"),
    (MATRICES, r"Z = A \odot B A", "of its first factor, or of all of it"),
    ("given W[k,j]", r"Z = W^{-1}", "axes of two extents"),
    ("given a, b", r"q = \begin{array}{cc} a & b \\ b & a \end{array}", "the environment array"),
    ("given a, b", r"\begin{aligned} q &= a & b \end{aligned}", "& is not read"),
    (MATRICES, r"Z = x \otimes y", "an outer product, or a convolution"),
    (MATRICES, r"z = A_{ij}^{-1}", "an entry of the inverse"),
    ("given x[i], y[i]", r"x_i \propto y_i", "a factor that nobody tells"),
    ("given r[i]", r"z_i = r_i / \operatorname{std}(r)", "std(...) is the value of a function"),
    ("given Q[n,d], K[m,d]", r"S = Q K^\top / \sqrt{d_k}", "k stands free on the right side"),
    ("given r", r"E = \exp(r)^2", "a power of the function or of x"),
    ("given W[k,j] | inverse W = V", r"Z = W^{-1}", "axes of two extents"),
    (INVERSE, r"E = \log\det A B", "in front of a product"),
    (GREEKS, r"v_\mu = g_{\mu\nu} x^\nu", "an index that stands above, or a power"),
    ("given J(w[I])", r"H = \nabla^2_w J", "the Hessian, or the Laplacian"),
    (INVERSE, r"z_{ij} = A_{ij}^{-1}", "an entry of the inverse"),
    (GREEKS, r"y_\mu = x_m", "is what a Greek index is called here"),
    ("given g[i,j]", r"T_{\mu\nu} = g_{\mu\nu}", "indices, or a part of its name"),
    ("given x[i], y[i]", r"s = x^\mu y_\mu", "an index that stands above, or a power"),
    ("", r"h_t = f(h_{t-1}, x_t)", "a recurrence"),
    (MATRICES, r"Z = e^A", "as a power series"),
    (MATRICES, r"E = \|A\|", "the norm of a matrix"),
    (MATRICES, r"z = x * y", "an entrywise product, or a convolution"),
    (MATRICES, r"z = x \circ y", "an entrywise product, or a composition"),
    (MATRICES, r"Z = \mathrm{softmax}(A)", "over which of its axes"),
    (MATRICES, r"E = \mathrm{tr} A", "stands without brackets"),
    (MATRICES, r"z = x'", "another name, a derivative or a transpose"),
    (MATRICES, r"\mathcal{A} = A", "two faces"),
    ("", r"\mathbf{Z} = \mathbf{X} \mathbf{W}", "has no indices"),
    ("", r"Z_{nj} = X_{nk} W_{kj}", "one index or several"),
    ("", r"E = \alpha", "has no indices"),
    ("given Z[i,k]", r"a = Z_k", "Z has 2 axes, and here 1 index"),
    ("given x[i]", r"a = x_1", "whether the first one is 0 or 1"),
    ("given x[i]", r"a = x_N", "the last entry"),
    ("", r"E = \sum_i a_i + b_i", "stands outside of its sum too"),
    ("", r"b_i = \sum_i a_i", "stands around the sum too"),
    ("", r"E = \sum_p a_i", "what is summed has no index p"),
    ("", r"E = \sum a_i", "does not say over which index"),
    ("", r"E = \sum_{i=1}^{n-1} a_i", "a sum up to n-1"),
    ("", r"E = \sum_{i=2}^{n} a_i", "a sum from 2"),
    ("", r"E = \sum_{i=0}^{n} a_i", "one entry more"),
    ("", r"E = \sum_{i \in S} a_i", "a sum over a set"),
    ("given a[i,j]", r"E = \sum_{i \neq j} a_{ij}", "or over both"),
    ("given a[i], d", r"E = \sum_{i \mid d} a_i", "a condition does not compare"),
    ("given a[i,j], n[j]", r"f_i = a_{ij} n_j", "j stands free on the right side"),
    ("given a[i]", r"L_z = \sum_i a_i", "z is an index of the left side alone, or a part of the name"),
    (MATRICES, r"Z = A^- B", "a generalized inverse"),
    ("given L, d, x", r"b = \frac{d L}{dx}", "is a derivative, or has the number d twice"),
    ("given L, d, x", r"b = \frac{d^2}{dx^2} L", "is a derivative, or has the number d twice"),
    ("labels l", r"h = W^{l\top} g", "a label and a transpose in one exponent"),
    ("", r"E = \sum_{i=1}^n a_i + \sum_{i=1}^m a_i", "one axis is summed up to n and up to m"),
    ("given a, b, c", r"E = a / b c", "a / b c has two readings"),
    ("given a", r"E = 1/2 a", "a / b c has two readings"),
    ("given a, b", r"E = \log a b", "without brackets in front of a product"),
    ("given a, b", r"E = a \log a / b", "without brackets in front of a quotient"),
    ("given a", r"E = \sin a / 2", "without brackets in front of a quotient"),
    ("given a", r"E = \sin^{-1} a", "with an exponent"),
    ("given a", r"E = f(a)", "the value of a function, or a product"),
    ("given a, b", r"E = a(b)", "a value, or a product"),
    ("given a, x | value f", r"E = f(x + a)", "at another place"),
    ("given x", r"E = \mathbb{E}[x]", "an expectation"),
    ("given x", r"E = \int x\, dx", "an integral"),
    ("given x", r"E = \lim x", "a limit"),
    ("given W[i,j]", r"W \leftarrow W - G", "an update"),
    ("given x[i], y[i]", r"x \approx y", "an approximation"),
    ("given x[i], y[i]", r"x \leq y", "a comparison"),
    ("", r"x_i = 0 \implies y_i = 1", "a conclusion beside what it follows from"),
    ("", r"x_i = y_i \iff y_i = x_i", "a conclusion beside what it follows from"),
    ("", r"\bar{x} = m \quad \text{as } n \to \infty", "under a condition"),
    ("given w[i]", r"L = \sum_n \log(y_n w^T x_n)", "of a row"),
    ("given w[i]", r"L = y w^T", "has no indices"),
    ("given w[i], y", r"L = y w^T", "L would be a row"),
    ("given g", r"L = g^T", "the power T of a number, or a transpose"),
    ("given A[i,j]", r"B = A^\dagger", "a mark, a conjugate or a complement"),
    ("", r"h_t = o_t \odot c_t", "⊙ between a number and a number"),
    ("given a[i]", r"\varepsilon = a, \quad b = \epsilon", "two faces"),
    ("given x[i]", r"x \in \mathbb{R}^n", "where something lies"),
    ("given x[i]", r"x", "no equation"),
    ("given z(x)", r"\frac{dz}{dx} = dx", "or a differential"),
    ("given z[i](x[J])", r"\frac{\partial z}{\partial x} = 0", "whose rows may be either"),
    ("given L(z[I])", r"\delta = \nabla_z L", "no Kronecker delta"),
    ("given L(z[I])", r"\nabla L = 0", "by what"),
    ("given z", r"a = \sigma(z)", "the value of a function, or a product"),
    ("given z", r"a = \sigma'(z)", "the derivative of a function that nobody declared"),
    ("", r"y_i = x_i \quad \text{if } z", "under a condition"),
    ("", r"y_i = x_i \quad \text{to first order}", "under a condition"),
    ("", r"y_i = x_i \text{ (elementwise)}", "words stand in the formula"),
    ("", r"a_i = \begin{cases} 1 & z_i > 0 \\ 0 & z_i < 0 \end{cases}", "overlap, or leave something out"),
    ("", r"A = \begin{bmatrix} a_1 & \cdots \\ \vdots & \end{bmatrix}", "dots leave out entries"),
    ("", r"\foo{x} = 1", r"\foo is not read"),
    ("given x", r"E = (x", "is not closed"),
    ("given x[i]", r"b = (x_1, x_3, \dots, x_n)", "dots leave out"),
    ("given x[i]", r"b = x_1 - x_2 + \cdots + x_n", "dots leave out"),
    ("given w[i], v[i]", r"v_p^2 = \sum_i w_i v_i^2", "an index of the left side alone"),
    ("given f[i], x[i]", r"\mathbf{y} = f \cdot x", "a vector by its looks"),
    ("given f_t[i], c_{t-1}[i] | labels t", r"c_t = f_t \cdot c_{t-1}", "a vector by its looks"),
    ("given z[i], n[i], h[i]", r"u = (1 - z) \cdot n + z \cdot h", "entry by entry, or a number"),
    ("given x[i], y[i]", r"b = x_1 + \cdots + y_n", "dots leave out"),
    (
        "given W[i,j]",
        r"b = \begin{bmatrix} W_{11} & W_{13} & \cdots & W_{1m} \\ \vdots & & & \vdots \\ "
        r"W_{n1} & W_{n2} & \cdots & W_{nm} \end{bmatrix}",
        "dots leave out",
    ),
    (r"given \pi[k], x", r"y = x / \sqrt{2 \pi}", "a number, and a tensor of the text"),
    ("given x[i]", r"x \sim y", "how something is drawn"),
    ("given x", r"y = 10\,000 x", "two numbers side by side"),
    ("given x", r"y = 1{,}000 x", "two numbers side by side"),
    ("given a[i], b[i]", r"\cos(\theta) = a^\top b", "θ has no indices"),
    ("given x", r"y = [x > 0]", "> is not read"),
    ("given f, g, h", r"\frac{d}{df} f g = h", "in front of a product"),
    ("given x[i], A[i,i]", r"E = \nabla_x \log(x_1) A", "in front of a product"),
    ("given x[i]", r"E = \sum_{j > 1} x_j", "the first one is 0 or 1"),
    ("given x[i]", r"a_i = \mathbb{1}[i = 1] x_i", "the first one is 0 or 1"),
    ("given x[i], y[i]", r"c_i = \sum_j x_{i+j} y_j", "whether the first index is 0 or 1"),
    ("given x[i] | first 0", r"E = x_0 + \sum_{i=1}^n x_i", "where entries count from 0"),
    ("given x[i] | first 1", r"E = \sum_{i=0}^{n-1} x_i", "where entries count from 1"),
    ("given w[i]", r"z_j = \sum_i w_i x^{(i)}_j", "i is a label of"),
    ("", r"s_{ij} = \mathbf{q}_i^\top \mathbf{k}_j", "set bold, and has an index"),
    ("given q[i]", r"s_i = q_i^\top q_i", "the transpose of the number"),
    ("given s, i, n, x", r"y = sin(x)", "sin in letters"),
    ("given l, o, g, x", r"y = log x", "log in letters"),
    ("given r", r"E = e^2 / r", "a power of an e that nobody declared"),
    ("given X", r"m = E[X]", "an expectation, or a product"),
    ("labels t | given b, m", r"a = m / (1 - b^t)", "is a power of it, or a label"),
    ("given r[n,k]", r"N_k = \sum_{n=1}^N r_{nk}", "how many there are, and a tensor"),
    ("given x[i]", r"k = \operatorname*{arg\,max}_i x_i", "where an extreme is"),
    ("", r"MSE = \frac{1}{n} \sum_i e_i^2", "MSE is one name, or a product"),
    (
        "given x[i]",
        r"s_i = \begin{cases} 0 & x_i < 0 \\ 1 & x_i > 1 \\ 2 & 0 < x_i < 1 \end{cases}",
        "overlap, or leave something out",
    ),
]


@pytest.mark.parametrize(("header", "formula", "reason"), REFUSED)
def test_refused_because(header, formula, reason):
    text = f"% einstan: {header}\n$$ {formula} $$" if header else f"\n$$ {formula} $$"
    paper = read_paper(text)
    found = [item for item in paper.unread if item.formula]
    assert [item.line for item in found] == [2] * len(found)
    assert reason in found[0].problem.reason, found[0].problem.reason


@pytest.mark.parametrize(
    ("header", "formula", "comment"),
    [
        ("given Y[n,c], L", r"E = \frac1N L", "extent N = |Y.0|"),
        ("given Q[n,d]", r"E_n = \frac{1}{\sqrt d} \sum_d Q_{nd}", "extent d = |Q.1|"),
        ("given z", r"a = \sigma(z)", "function σ = sigmoid"),
    ],
)
def test_the_first_repair_is_what_is_nearly_always_meant(header, formula, comment):
    found = read_paper(f"% einstan: {header}\n$$ {formula} $$").unread[0]
    assert found.problem.repair[0] == f"% einstan: {comment}"
    assert not read_paper(f"% einstan: {header} | {comment}\n$$ {formula} $$").unread


@pytest.mark.parametrize(
    ("formula", "part", "instead"),
    [
        (r"q = \|x\|_\infty", r"\|x\|_\infty", r"\max_i |x_i|"),
        (r"q = \|x\|_3", r"\|x\|_3", r"(\sum_i |x_i|^{3})^{1/3}"),
        (r"q = \|x\|_A", r"\|x\|_A", r"\sqrt{x^\top A x}"),
        (r"q = \|x\|_0", r"\|x\|_0", r"\sum_i \mathbb{1}[x_i \neq 0]"),
        (r"q_{ij} = A_{ij}^\top", r"A_{ij}^\top", r"(A^\top)_{ij}"),
        (r"q = \sum_{i \neq i'} A_{ii'}", r"\sum_{i \neq i'}", r"\sum_{i} \sum_{i' \neq i}"),
        (r"q_i = \sum_{k \neq i}^{n} A_{ik}", r"\sum_{k \neq i}^{n}", r"\sum_{k \neq i}"),
        (r"q = 1^\top x", r"1^\top", r"\mathbf{1}^\top"),
    ],
)
def test_what_is_to_be_written_instead_is_read(formula, part, instead):
    assert read_paper(f"% einstan: {MATRICES}\n$$ {formula} $$").unread[0].problem.repair[0] == instead
    assert not read_paper(f"% einstan: {MATRICES}\n$$ {formula.replace(part, instead)} $$").unread


def test_the_inverse_of_a_matrix_is_one_from_both_sides():
    text = (
        r"% einstan: given A[n,n], x[n]" + "\n" + r"$$ y = A^{-1} x $$ $$ A y = x $$ $$ A^{-1} A x = x $$ $$ A x = y $$"
    )
    found = [line.outcome.verdict for line in es.check_paper(text).lines if line.outcome]
    assert found == ["proved", "proved", "refuted"]
