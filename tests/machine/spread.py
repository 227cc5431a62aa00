"""Programs that are spread over meshes: a block of a transformer with its loss, and one for each kind of operation."""

from typing import Any

import einstan as es

TEXT = """
r[b,t] = 1 / sqrt(mean[E](x[b,t,E]^2) + 1/100000)
n[b,t,e] = g[e] x[b,t,e] r[b,t]
q[b,h,t,d] = n[b,t,E] Wq[E,h,d]
k[b,h,t,d] = n[b,t,E] Wk[E,h,d]
v[b,h,t,d] = n[b,t,E] Wv[E,h,d]
S[b,h,t,s] = q[b,h,t,D] k[b,h,s,D] / sqrt(|D|)
A[b,h,t,s] = 1[s <= t] exp(S[b,h,t,s]) / sum[S](1[S <= t] exp(S[b,h,t,S]))
o[b,t,h,d] = A[b,h,t,S] v[b,h,S,d]
y[b,t,e] = x[b,t,e] + o[b,t,H,D] Wo[H,D,e]
R[b,t] = 1 / sqrt(mean[E](y[b,t,E]^2) + 1/100000)
N[b,t,e] = G[e] y[b,t,e] R[b,t]
u[b,t,f] = N[b,t,E] U[E,f] + p[f]
a[b,t,f] = silu(u[b,t,f])
z[b,t,e] = y[b,t,e] + a[b,t,F] V[F,e] + c[e]
w[b,t,v] = z[b,t,E] P[E,v]
L = sum[B,T](logsumexp[V](w[B,T,V]) - w[B,T,Y[B,T]]) / (|B| |T|)
"""
SIZES = {"b": 8, "t": 16, "e": 32, "h": 4, "d": 8, "f": 64, "v": 48}
SHAPES = {
    "g": "e", "Wq": "ehd", "Wk": "ehd", "Wv": "ehd", "Wo": "hde", "G": "e", "U": "ef", "p": "f", "V": "fe", "c": "e",
    "P": "ev",
}  # fmt: skip
PARAMS = tuple(SHAPES)
OWN = {"Wo": {"d": "data"}, "*": "data"}  # four heads are not cut into eight parts

# A mesh, what is on it, how parameters are kept, and what is exchanged: arrays and messages by kind and mesh axes.
LAYOUTS = {
    "data": ({"data": 8}, {"b": "data"}, None, {"all-reduce data": (12, 1)}),
    "tensor": ({"model": 4}, {"h": "model", "f": "model"}, None, {"all-reduce model": (4, 4)}),
    "both": (
        {"data": 2, "model": 4},
        {"b": "data", "h": "model", "f": "model"},
        None,
        {"all-reduce data": (12, 1), "all-reduce model": (4, 4)},
    ),
    "fully sharded": (
        {"data": 8},
        {"b": "data"},
        OWN,
        {"all-gather data": (11, 11), "reduce-scatter data": (11, 11), "all-reduce data": (1, 1)},
    ),
}  # fmt: skip


# A program, of what it has gradients, sizes, what is on a mesh of 2 x 4, and the exchanges of its plan.
MESH = {"data": 2, "model": 4}
PROGRAMS: dict[str, tuple[str, str, dict[str, int], dict[str, Any], list[str]]] = {
    "a product": ("Z[n,j] = X[n,K] W[K,j]", "", {"X.0": 8, "X.1": 4, "W.1": 8}, {"n": "data", "j": "model"}, []),
    "a cut sum": (
        "Z[n,j] = X[n,K] W[K,j] + b[j]", "", {"X.0": 8, "X.1": 4, "W.1": 8}, {"k": "model"}, ["all-reduce model"],
    ),
    "two mesh axes for one letter": (
        "L = x[N]^2 exp(x[N])", "x", {"x.0": 16}, {"n": ("data", "model")}, ["all-reduce data×model"],
    ),
    "classes": (
        "L = sum[N](logsumexp[C](Z[N,C]) - Y[N,C] Z[N,C])", "Z", {"Z.0": 4, "Z.1": 8}, {"n": "data", "c": "model"},
        ["all-reduce max model", "all-reduce model", "all-reduce model", "all-reduce data"],
    ),
    "from rows to columns": (
        "A[n,k] = tanh(X[n,k])\nB[p,q] = A[p,q]^2 + A[q,p]", "", {"X.0": 8, "X.1": 8}, {"n": "model", "q": "model"},
        ["all-to-all model"],
    ),
    "attention over parts of a sequence": (
        "O[q,d] = softmax[K](Q[q,E] M[K,E] / sqrt(|E|)) V[K,d]\nL = O[Q,D]^2", "Q M V",
        {"Q.0": 8, "Q.1": 4, "M.0": 8, "V.1": 4}, {"q": "model", "k": "data"},
        ["all-reduce max data", *["all-reduce data"] * 2, "all-reduce model", *["all-reduce data"] * 6,
         *["all-reduce model"] * 2],
    ),
    "a causal mask": (
        "S[t,s] = 1[s <= t] Q[t,D] M[s,D]\nO[t,d] = S[t,S] M[S,d]\nL = O[T,D]^2", "Q M",
        {"Q.0": 8, "Q.1": 4, "M.0": 8}, {"t": "model"}, ["all-reduce model"] * 2,
    ),
    "a convolution": (
        "Y[b,o,i] = W[o,C,R] X[b,C,i+R]\nL = Y[B,O,I]^2", "W X", {"X.0": 4, "X.1": 4, "X.2": 9, "W.0": 4, "W.2": 3},
        {"b": "data", "o": "model"}, ["all-reduce data×model", "all-reduce data", "all-reduce model"],
    ),
    "a convolution along its positions": (
        "Y[b,i] = W[R] X[b,i+R]\nL = Y[B,I]^2", "W X", {"X.0": 4, "X.1": 10, "W.0": 3}, {"i": "model", "b": "data"},
        [*["all-reduce data×model"] * 2, "all-reduce model"],
    ),
    "rows by labels": (
        "Z[n,d] = E[T[n],d]\nL = Z[N,D]^3", "E", {"T.0": 8, "E.0": 5, "E.1": 8}, {"n": "data", "d": "model"},
        ["all-reduce data×model", "all-reduce data"],
    ),
    "rows by labels, of a table that is cut": (
        "F[v,d] = E[v,d]^2\nZ[n,d] = F[T[n],d]\nL = Z[N,D]^3", "E", {"T.0": 8, "E.0": 6, "E.1": 8},
        {"n": "model", "v": "data"}, ["all-reduce data", *["all-reduce model"] * 2],
    ),
    "classes by labels": (
        "Z[n,c] = X[n,K] W[K,c]\nL = sum[N](logsumexp[C](Z[N,C]) - Z[N,T[N]])", "W",
        {"T.0": 8, "X.1": 4, "Z.1": 8}, {"n": "data", "c": "model"},
        ["all-reduce max model", *["all-reduce model"] * 2, "all-reduce data", "all-reduce model", "all-reduce data"],
    ),
    "sums up to each": (
        "c[n,t] = sum[S](1[S <= t] x[n,S]) where |t| = |x.1|\nL = c[N,T]^2", "x", {"x.0": 4, "x.1": 8},
        {"n": "data", "t": "model"}, ["all-reduce data×model", "all-reduce model"],
    ),
    "extremes and products": (
        "a[n] = max[K](X[n,K]) - min[K](X[n,K])\np[n] = prod[K](X[n,K])\nL = a[N] p[N]", "X", {"X.0": 4, "X.1": 8},
        {"n": "data", "k": "model"},
        ["all-reduce max model", "all-reduce min model", "all-gather model", "all-reduce data",
         *["all-reduce model"] * 2],
    ),
    "diagonals": ("D[b] = A[b,I,I]\nL = D[B]^2", "A", {"A.0": 8, "A.1": 3}, {"b": "model"}, ["all-reduce model"]),
    "a Gram matrix": ("G[i,j] = X[N,i] X[N,j]", "", {"X.0": 8, "X.1": 4}, {"n": "data"}, ["all-reduce data"]),
    "brackets": (
        "L = sum[N](1[x[N] > 0] log(x[N]) + relu(x[N]) / |N|)", "x", {"x.0": 8}, {"n": "data"}, ["all-reduce data"],
    ),
}  # fmt: skip


def asked(text: str, wrt: str) -> tuple[es.Program, list[str]]:
    """A program and what is asked of it: all that it defines, or the loss and gradients."""
    program = es.Program(text)
    if not wrt:
        return program, [str(equation.name) for equation in program.equations]
    return program.backward("L", wrt.split()), ["L", *(f"d{each}" for each in wrt.split())]


def network() -> es.Network:
    """The block, its parameters learned."""
    return es.Network(TEXT, parameters={name: "he" if len(axes) > 1 else "ones" for name, axes in SHAPES.items()})
