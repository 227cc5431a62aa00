"""One row per thing that an equation can say: its text, the shapes of its tensors, and an oracle in plain NumPy.

The oracles share no code with the package.  ``i`` in front of a shape marks an integer tensor, ``+`` one whose entries
must be positive.
"""

import math
from dataclasses import dataclass, field

import numpy as np
from scipy import special

ERF = np.vectorize(math.erf, otypes=[float])


@dataclass(frozen=True)
class Row:
    name: str
    text: str
    shapes: dict
    oracle: object
    sizes: dict = field(default_factory=dict)


def lse(x, axis):
    m = x.max(axis=axis, keepdims=True)
    return np.squeeze(m, axis) + np.log(np.exp(x - m).sum(axis=axis))


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def conv2d(image, filters):
    b, _, h, w = image.shape
    o, _, r, s = filters.shape
    out = np.zeros((b, o, h - r + 1, w - s + 1))
    for y in range(h - r + 1):
        for x in range(w - s + 1):
            out[:, :, y, x] = np.tensordot(image[:, :, y : y + r, x : x + s], filters, axes=((1, 2, 3), (1, 2, 3)))
    return out


def scatter(t, dy, n):
    out = np.zeros((n, dy.shape[1]))
    for row, target in enumerate(t):
        out[target] += dy[row]
    return out


def softmax_jacobian(s):
    out = np.zeros((s.shape[0], s.shape[1], s.shape[0], s.shape[1]))
    for n in range(s.shape[0]):
        out[n, :, n, :] = np.diag(s[n]) - np.outer(s[n], s[n])
    return out


ROWS = [
    # products
    Row("dense", "Z[n,j] = X[n,K] W[K,j] + b[j]", {"X": (3, 4), "W": (4, 5), "b": (5,)}, lambda X, W, b: X @ W + b),
    Row("transposed result", "Z[j,n] = X[n,K] W[K,j]", {"X": (3, 4), "W": (4, 5)}, lambda X, W: (X @ W).T),
    Row("both transposed", "Z[n,j] = X[K,n] W[j,K]", {"X": (4, 3), "W": (5, 4)}, lambda X, W: X.T @ W.T),
    Row("gram", "G[i,j] = X[K,i] X[K,j]", {"X": (4, 3)}, lambda X: X.T @ X),
    Row("matrix-vector", "y[i] = A[i,K] x[K]", {"A": (3, 4), "x": (4,)}, lambda A, x: A @ x),
    Row("vector-matrix", "y[j] = x[K] A[K,j]", {"A": (3, 4), "x": (3,)}, lambda A, x: x @ A),
    Row("dot", "y = x[K] z[K]", {"x": (4,), "z": (4,)}, lambda x, z: x @ z),
    Row("frobenius", "y = A[I,J] B[J,I]", {"A": (3, 4), "B": (4, 3)}, lambda A, B: (A * B.T).sum()),
    Row("squares", "y = 1/2 (A[I,J] - B[I,J])^2", {"A": (3, 4), "B": (3, 4)}, lambda A, B: ((A - B) ** 2).sum() / 2),
    Row("outer", "y[i,j] = a[i] b[j]", {"a": (3,), "b": (4,)}, lambda a, b: np.outer(a, b)),
    Row("batched", "y[b,i,k] = A[b,i,J] B[b,J,k]", {"A": (2, 3, 4), "B": (2, 4, 5)}, lambda A, B: A @ B),
    Row("batched swapped", "y[k,b,i] = A[b,i,J] B[b,J,k]", {"A": (2, 3, 4), "B": (2, 4, 5)},
        lambda A, B: (A @ B).transpose(2, 0, 1)),
    Row("batched vector", "y[b,i] = A[b,i,J] x[b,J]", {"A": (2, 3, 4), "x": (2, 4)},
        lambda A, x: (A @ x[..., None])[..., 0]),
    Row("batched left vector", "y[b,i] = x[b,J] A[b,J,i]", {"A": (2, 3, 4), "x": (2, 3)},
        lambda A, x: (x[:, None] @ A)[:, 0]),
    Row("row dots", "y[b] = A[b,J] B[b,J]", {"A": (3, 4), "B": (3, 4)}, lambda A, B: (A * B).sum(1)),
    Row("two contracted", "y[i,l] = A[i,J,K] B[K,J,l]", {"A": (2, 3, 4), "B": (4, 3, 5)},
        lambda A, B: np.tensordot(A, B, ((1, 2), (1, 0)))),
    Row("two kept", "y[i,j,k,l] = A[i,M,j] B[k,M,l]", {"A": (2, 3, 4), "B": (5, 3, 2)},
        lambda A, B: np.tensordot(A, B, ((1,), (1,)))),
    Row("chain", "y[i,l] = A[i,J] B[J,K] C[K,l]", {"A": (2, 3), "B": (3, 4), "C": (4, 5)}, lambda A, B, C: A @ B @ C),
    Row("bilinear", "y[b,k] = x[b,I] A[I,J,k] z[b,J]", {"x": (5, 2), "A": (2, 3, 4), "z": (5, 3)},
        lambda x, A, z: np.array([[x[b] @ A[:, :, k] @ z[b] for k in range(4)] for b in range(5)])),
    Row("three vectors", "y = X[I] Y[J] Z[K] A[I,J,K]", {"X": (2,), "Y": (3,), "Z": (4,), "A": (2, 3, 4)},
        lambda X, Y, Z, A: np.tensordot(np.tensordot(np.tensordot(X, A, 1), Y, ((0,), (0,))), Z, 1)),
    Row("sums apart", "y[i] = A[i,J] B[K]", {"A": (2, 3), "B": (4,)}, lambda A, B: A.sum(1) * B.sum()),
    Row("quotient", "y[i] = X[i] / +Y[i] / 1".replace("+", ""), {"X": (3,), "Y": "+(3,)"}, lambda X, Y: X / Y),
    Row("sum of quotients", "y[i] = A[i,K] / B[K]", {"A": (2, 3), "B": "+(3,)"}, lambda A, B: (A / B).sum(1)),
    Row("quotient by a sum", "y[i] = X[i] / sum[K](A[i,K])", {"X": (2,), "A": "+(2, 3)"}, lambda X, A: X / A.sum(1)),
    Row("distributed", "y[i,j] = A[i,K] (B[K,j] + C[K,j]) / D[j]",
        {"A": (2, 3), "B": (3, 4), "C": (3, 4), "D": "+(4,)"}, lambda A, B, C, D: A @ (B + C) / D),
    Row("column sum", "y[j] = A[N,j]", {"A": (3, 4)}, lambda A: A.sum(0)),
    Row("sum of ones", "y[j] = A[N,j] 1[N]", {"A": (3, 4)}, lambda A: A.sum(0)),
    # diagonals, deltas, broadcasts
    Row("trace", "y = A[I,I]", {"A": (3, 3)}, lambda A: np.trace(A)),
    Row("diagonal", "y[i] = A[i,i]", {"A": (3, 3)}, lambda A: np.diag(A)),
    Row("batched diagonal", "y[i,b] = A[i,b,i]", {"A": (3, 2, 3)}, lambda A: np.stack([A[k, :, k] for k in range(3)])),
    Row("transpose", "y[j,i] = A[i,j]", {"A": (2, 3)}, lambda A: A.T),
    Row("copy", "y[i] = A[i]", {"A": (3,)}, lambda A: A),
    Row("identity", "y[i,p] = δ[i,p] + 0 A[i,p]", {"A": (3, 3)}, lambda A: np.eye(3)),
    Row("diagonal matrix", "y[i,p] = δ[i,p] x[i]", {"x": (3,)}, lambda x: np.diag(x)),
    Row("'i->iii'", "y[i,j,k] = δ[i,j] δ[j,k] x[i]", {"x": (3,)},
        lambda x: np.array([[[x[i] if i == j == k else 0 for k in range(3)] for j in range(3)] for i in range(3)])),
    Row("delta used up", "y[i] = δ[i,K] x[K]", {"x": (3,)}, lambda x: x),
    Row("dense jacobian", "y[n,j,m,p] = δ[n,m] W[p,j]", {"W": (2, 3)},
        lambda W: np.einsum("nm,pj->njmp", np.eye(4), W), {"n": 4}),
    Row("softmax jacobian", "y[n,j,m,p] = δ[n,m] (δ[j,p] S[n,j] - S[n,j] S[n,p])", {"S": (2, 3)}, softmax_jacobian),
    Row("broadcast", "y[i,j] = a[i] + b[j]", {"a": (2,), "b": (3,)}, lambda a, b: a[:, None] + b),
    Row("constant", "y[i] = 2 + 0 x[i]", {"x": (3,)}, lambda x: np.full(3, 2.0)),
    Row("lacking an index", "y[i,j] = b[j]", {"b": (3,)}, lambda b: np.stack([b, b]), {"i": 2}),
    Row("number alone", "y[i] = 1/3", {}, lambda: np.full(4, 1 / 3), {"i": 4}),
    Row("extents", "y = |X.0| sum[I](X[I]) / sqrt(|X.0|)", {"X": (4,)}, lambda X: 2 * X.sum()),
    # reductions
    Row("mean", "y[i] = mean[J](A[i,J])", {"A": (2, 3)}, lambda A: A.mean(1)),
    Row("mean of a product", "y[i] = mean[J](A[i,J] b[J])", {"A": (2, 3), "b": (3,)}, lambda A, b: (A * b).mean(1)),
    Row("max", "y[j] = max[I](A[I,j])", {"A": (2, 3)}, lambda A: A.max(0)),
    Row("min over two", "y[j] = min[I,K](A[I,j,K])", {"A": (2, 3, 4)}, lambda A: A.min(axis=(0, 2))),
    Row("prod", "y[i] = prod[J](A[i,J])", {"A": (2, 3)}, lambda A: A.prod(1)),
    Row("logsumexp", "y[i] = logsumexp[J](A[i,J])", {"A": (2, 3)}, lambda A: lse(A, 1)),
    Row("logsumexp of all", "y = logsumexp[I,J](A[I,J])", {"A": (2, 3)}, lambda A: lse(A.reshape(1, -1), 1)[0]),
    Row("logsumexp of less", "y = logsumexp[I,J](a[I]) where |J| = 2", {"a": (3,)},
        lambda a: lse(a[None], 1)[0] + np.log(2)),
    Row("softmax", "y[n,j] = exp(Z[n,j] - logsumexp[K](Z[n,K]))", {"Z": (2, 3)}, softmax),
    Row("softmax as on paper", "y[n,j] = exp(Z[n,j]) / sum[K](exp(Z[n,K]))", {"Z": (2, 3)}, softmax),
    Row("softmax of a sum", "y[n,j] = exp(Z[n,j] + b[j] - logsumexp[K](Z[n,K] + b[K]))", {"Z": (2, 3), "b": (3,)},
        lambda Z, b: softmax(Z + b)),
    Row("softmax down", "y[j,n] = exp(Z[j,n] - logsumexp[K](Z[K,n]))", {"Z": (2, 3)}, lambda Z: softmax(Z.T).T),
    Row("softmax elsewhere", "y[n,m,j] = exp(Z[m,j] - logsumexp[K](Z[n,K]))", {"Z": (2, 3)},
        lambda Z: np.exp(Z[None] - lse(Z, 1)[:, None, None])),
    Row("log softmax", "y[n,j] = Z[n,j] - logsumexp[K](Z[n,K])", {"Z": (2, 3)}, lambda Z: np.log(softmax(Z))),
    Row("cross-entropy", "L = -1/|N| Y[N,J] (Z[N,J] - logsumexp[K](Z[N,K]))", {"Z": (2, 3), "Y": (2, 3)},
        lambda Z, Y: -(Y * np.log(softmax(Z))).sum() / 2),
    Row("attention", "O[q,d] = softmax[K](Q[q,E] M[K,E] / sqrt(|E|)) V[K,d]",
        {"Q": (2, 4), "M": (3, 4), "V": (3, 5)}, lambda Q, M, V: softmax(Q @ M.T / 2) @ V),
    # index arithmetic
    Row("correlation", "y[i] = X[i+J] W[J]", {"X": (7,), "W": (3,)}, lambda X, W: np.correlate(X, W, "valid")),
    Row("stride", "y[i] = X[2i+R] W[R]", {"X": (8,), "W": (3,)},
        lambda X, W: np.correlate(X, W, "valid")[::2]),
    Row("dilation", "y[i] = X[i+2R] W[R]", {"X": (8,), "W": (3,)},
        lambda X, W: np.array([sum(X[i + 2 * r] * W[r] for r in range(3)) for i in range(4)])),
    Row("flip", "y[i] = X[|i|-1-i]", {"X": (4,)}, lambda X: X[::-1]),
    Row("shift", "y[i] = X[i+2]", {"X": (5,)}, lambda X: X[2:]),
    Row("off-diagonal", "y[i] = A[i,i+1]", {"A": (3, 5)}, lambda A: np.array([A[k, k + 1] for k in range(3)])),
    Row("full convolution", "y[p] = 1[0 <= p-I < |w.0|] w[p-I] X[I] where |p| = |w.0| + |X.0| - 1",
        {"X": (4,), "w": (3,)}, lambda X, w: np.convolve(X, w)),
    Row("guard in two brackets", "y[p] = 1[p >= I] 1[p-I < |w.0|] w[p-I] X[I] where |p| = |w.0| + |X.0| - 1",
        {"X": (4,), "w": (3,)}, lambda X, w: np.convolve(X, w)),
    Row("same padding", "y[i] = 1[0 <= i+R-1 < |X.0|] X[i+R-1] W[R] where |i| = |X.0|", {"X": (5,), "W": (3,)},
        lambda X, W: np.correlate(X, W, "same")),
    Row("half a guard", "y[i] = X[i] + 1[1 <= i] X[i-1]", {"X": (4,)}, lambda X: X + np.r_[0, X[:-1]]),
    Row("guard around a logarithm", "y[i] = X[i] + 1[1 <= i] log(X[i-1])", {"X": "+(4,)"},
        lambda X: X + np.r_[0, np.log(X[:-1])]),
    Row("guard outside a sum", "y[i] = 1[1 <= i] sum[K](X[i-1] A[K]) + 0 X[i]", {"X": (4,), "A": (2,)},
        lambda X, A: np.r_[0, X[:-1]] * A.sum()),
    Row("correlation 2-D", "y[b,o,x,y] = I[b,C,x+R,y+S] F[o,C,R,S]", {"I": (2, 3, 5, 6), "F": (4, 3, 2, 3)},
        lambda I, F: conv2d(I, F)),
    Row("max pooling", "y[i] = max[R](X[2i+R] + 0 w[R])", {"X": (6,), "w": (2,)},
        lambda X, w: X.reshape(3, 2).max(1)),
    # gathers
    Row("embedding", "y[n,d] = E[T[n],d]", {"E": (5, 3), "T": "i(4,)5"}, lambda E, T: E[T]),
    Row("second axis", "y[d,n] = E[d,T[n]]", {"E": (3, 5), "T": "i(4,)5"}, lambda E, T: E[:, T]),
    Row("gather of a matrix", "y[i,j] = X[T[i,j]]", {"X": (5,), "T": "i(2, 3)5"}, lambda X, T: X[T]),
    Row("two gathers", "y[i] = A[S[i],T[i]]", {"A": (3, 4), "S": "i(5,)3", "T": "i(5,)4"}, lambda A, S, T: A[S, T]),
    Row("gather on a diagonal", "y[i] = A[i,T[i]]", {"A": (3, 4), "T": "i(3,)4"},
        lambda A, T: A[np.arange(3), T]),
    Row("gather with arithmetic", "y[i] = X[T[i]+1]", {"X": (5,), "T": "i(3,)4"}, lambda X, T: X[T + 1]),
    Row("guarded gather", "y[i] = 1[0 <= T[i]-1 < |X.0|] X[T[i]-1]", {"X": (4,), "T": "i(5,)5"},
        lambda X, T: np.array([X[t - 1] if 0 <= t - 1 < 4 else 0 for t in T])),
    Row("gather of a gather", "y[i] = X[S[T[i]]]", {"X": (4,), "S": "i(3,)4", "T": "i(5,)3"},
        lambda X, S, T: X[S[T]]),
    Row("scatter", "y[v,d] = δ[T[N],v] dY[N,d]", {"dY": (4, 3), "T": "i(4,)5"}, lambda dY, T: scatter(T, dY, 5),
        {"v": 5}),
    Row("scatter, transposed", "y[d,v] = dY[N,d] δ[v,T[N]]", {"dY": (4, 3), "T": "i(4,)5"},
        lambda dY, T: scatter(T, dY, 5).T, {"v": 5}),
    Row("counts", "y[v] = δ[T[N],v]", {"T": "i(6,)3"}, lambda T: np.bincount(T, minlength=4), {"v": 4}),
    Row("one-hot", "y[n,v] = δ[T[n],v]", {"T": "i(4,)3"}, lambda T: np.eye(3)[T], {"v": 3}),
    Row("gather as a sum", "y[n] = δ[T[n],V] x[V]", {"x": (4,), "T": "i(3,)4"}, lambda x, T: x[T]),
    # brackets
    Row("cumulative sum", "y[i] = 1[J <= i] x[J]", {"x": (4,)}, lambda x: np.cumsum(x), {"i": 4}),
    Row("comparison", "y[i,j] = 1[a[i] > b[j]]", {"a": (3,), "b": (4,)}, lambda a, b: (a[:, None] > b) * 1.0),
    Row("relu by bracket", "y[i] = 1[x[i] > 0] x[i]", {"x": (5,)}, lambda x: np.where(x > 0, x, 0)),
    Row("chain of comparisons", "y[i,j] = 1[i < j <= |i|] + 0 A[i,j]", {"A": (2, 4)},
        lambda A: np.array([[float(i < j <= 2) for j in range(4)] for i in range(2)])),
    Row("masked product", "y[i,k] = 1[i >= J] A[i,J] B[J,k]", {"A": (3, 3), "B": (3, 2)}, lambda A, B: np.tril(A) @ B),
    Row("product of brackets", "y[i] = 1[x[i] > 0] 1[x[i] < 1]", {"x": (6,)}, lambda x: ((x > 0) & (x < 1)) * 1.0),
    Row("sum of brackets", "y = sum[I](1[x[I] > 0])", {"x": (6,)}, lambda x: float((x > 0).sum())),
    Row("equal values", "y[i,j] = 1[a[i] == a[j]]", {"a": (3,)}, lambda a: np.eye(3)),
    Row("bracket in a function", "y[i] = exp(1[x[i] > 0])", {"x": (4,)}, lambda x: np.exp((x > 0) * 1.0)),
    # functions
    Row("powers", "y[i] = x[i]^2 + x[i]^3 + x[i]^4 + x[i]^-1 + x[i]^-2", {"x": "+(4,)"},
        lambda x: x**2 + x**3 + x**4 + 1 / x + x**-2.0),
    Row("roots", "y[i] = x[i]^(1/2) + x[i]^(-1/2) + x[i]^(2/3)", {"x": "+(4,)"},
        lambda x: np.sqrt(x) + 1 / np.sqrt(x) + x ** (2 / 3)),
    Row("general power", "y[i] = x[i]^z[i]", {"x": "+(4,)", "z": (4,)}, lambda x, z: x**z),
    Row("power of a number", "y[i] = 2^x[i]", {"x": (4,)}, lambda x: 2**x),
    Row("pi", "y[i] = pi() x[i]".replace("pi()", "π"), {"x": (3,)}, lambda x: np.pi * x),
]  # fmt: skip

BINARY = {"maximum": np.maximum, "minimum": np.minimum, "arctan2": np.arctan2, "mod": np.mod}
UNARY = {
    "exp": np.exp, "sin": np.sin, "cos": np.cos, "tan": np.tan, "arctan": np.arctan, "sinh": np.sinh, "cosh": np.cosh,
    "tanh": np.tanh, "sigmoid": lambda x: 1 / (1 + np.exp(-x)), "softplus": lambda x: np.log(1 + np.exp(x)),
    "erf": ERF, "relu": lambda x: np.where(x > 0, x, 0), "abs": np.abs, "sign": np.sign, "floor": np.floor,
}  # fmt: skip
UNARY |= {
    "expm1": np.expm1, "cbrt": np.cbrt, "arcsinh": np.arcsinh, "erfc": special.erfc, "lgamma": special.gammaln,
    "digamma": special.digamma, "trigamma": lambda x: special.polygamma(1, x), "silu": lambda x: x / (1 + np.exp(-x)),
    "elu": lambda x: np.where(x > 0, x, np.exp(x) - 1), "softsign": lambda x: x / (1 + np.abs(x)),
}  # fmt: skip
ROWS += [Row(name, f"y[i,j] = {name}(x[i,j])", {"x": (3, 4)}, oracle) for name, oracle in UNARY.items()]
ROWS += [
    Row(name, f"y[i,j] = {name}(x[i,j] / 2)", {"x": "+(3, 4)"}, lambda x, f=oracle: f(x / 2))
    for name, oracle in {"arcsin": np.arcsin, "arccos": np.arccos, "arctanh": np.arctanh, "log1p": np.log1p}.items()
]
ROWS += [
    Row("arccosh", "y[i,j] = arccosh(x[i,j] + 1)", {"x": "+(3, 4)"}, lambda x: np.arccosh(x + 1)),
    Row("clip", "y[i,j] = clip(x[i,j], a[i], b[j])", {"x": (3, 4), "a": (3,), "b": (4,)},
        lambda x, a, b: np.minimum(np.maximum(x, a[:, None]), b)),
    Row("clip to numbers", "y[i] = clip(x[i], -1/2, 1/2)", {"x": (9,)}, lambda x: np.clip(x, -0.5, 0.5)),
]  # fmt: skip
ROWS += [
    Row(name, f"y[i,j] = {name}(x[i,j])", {"x": "+(3, 4)"}, oracle)
    for name, oracle in {"log": np.log, "sqrt": np.sqrt}.items()
]
ROWS += [
    Row(name, f"y[i,j] = {name}(x[i], z[j])", {"x": (3,), "z": (4,)}, lambda x, z, f=oracle: f(x[:, None], z))
    for name, oracle in BINARY.items()
]


def arrays(row, seed=0):
    """Random arrays for a row; the first entries are what the marks of its shapes say."""
    generator = np.random.default_rng(seed)
    made = {}
    for name, shape in row.shapes.items():
        if isinstance(shape, str) and shape[0] == "i":
            size, top = shape[1:].rsplit(")", 1)
            made[name] = generator.integers(0, int(top), size=eval(size + ")"))
        elif isinstance(shape, str):
            made[name] = generator.uniform(0.3, 2, size=eval(shape[1:]))
        else:
            made[name] = generator.normal(size=shape)
    return made
