"""Park's four Python listings as networks of layers, samples in columns: ``python docs/papers/park_listings.py``.

Young Ho Park, Gradients in a deep neural network and their Python implementations (2022), Python Codes 1 to 4.  Each
listing stands here as printed, in NumPy, with its slips corrected where the comments say so; below it is the network
that does the same, whose backward pass Einstan derives.  Both are run on the same numbers.

The layers that come with Einstan have samples in rows.  Other conventions are other equations, and nothing else.
"""

from __future__ import annotations

import numpy as np

import einstan as es

# ---- layers of one's own, samples in columns -------------------------------------------------------------------------

dense = es.Layer(  # (3): z = W x + b, for all columns at once
    "Z[i,k] = W[i,J] X[J,k] + b[i]",
    partials=(
        "dZ[i,k]/dX[j,l] = W[i,j] δ[k,l]",  # (7)
        "dZ[i,k]/dW[p,j] = δ[i,p] X[j,k]",
        "dZ[i,k]/db[p] = δ[i,p]",  # (8)
    ),
    parameters={"W": "he", "b": "zeros"},
)
relu = es.Layer("A[i,k] = relu(Z[i,k])")
sigmoid = es.Layer("A[i,k] = sigmoid(Z[i,k])", partials=("dA[i,k]/dZ[p,l] = A[i,k] (1 - A[i,k]) δ[i,p] δ[k,l]",))  # (2)
softmax = es.Layer(
    "A[i,k] = exp(Z[i,k]) / sum[M](exp(Z[M,k]))",
    partials=("dA[i,k]/dZ[p,l] = A[i,k] (δ[i,p] - A[p,k]) δ[k,l]",),  # (39)
)
half_squared_error = es.Layer("J = 1/2 1/|K| (A[I,K] - Y[I,K])^2")  # (26), the mean over samples
cross_entropy = es.Layer("J = -1/|K| Y[I,K] log(A[I,K])\nassume sum[I](Y[I,k]) = 1")

CONVENTION = {"relu": ["1[x >= 0]"]}  # (1): relu'(0) is 1; Einstan's own is 0

# ---- Python Code 1: activation functions -----------------------------------------------------------------------------


def np_sigmoid(Z):
    A = 1 / (1 + np.exp(-Z))
    return A


def np_d_sigmoid(Z):
    s = np_sigmoid(Z)
    return s * (1 - s)


def np_relu(Z):
    A = np.maximum(0, Z)
    return A


def np_d_relu(Z):
    return (Z >= 0) * 1.0


def np_softmax_as_printed(Z):
    Z_exp = np.exp(Z)
    Z_sum = np.sum(Z_exp, axis=1, keepdims=True)  # the slip: axis 1 runs over the samples
    A = Z_exp / Z_sum
    return A


def np_softmax(Z):
    Z_exp = np.exp(Z)
    Z_sum = np.sum(Z_exp, axis=0, keepdims=True)
    A = Z_exp / Z_sum
    return A


def code_1(layer: es.Layer) -> tuple[es.Network, str]:
    """The layer, and the sum of its output: the gradient of the sum is the derivative of every entry."""
    return layer >> "s = A[I,K]", "s"


# ---- Python Code 2: propagation at a relu layer ----------------------------------------------------------------------


def np_code_2(A_before, W, b, W_next, dZ_next):
    """One layer forward, and backward from the error signal of the next."""
    Z = W @ A_before + b
    A = np_relu(Z)
    dA = W_next.T @ dZ_next
    dZ = np_d_relu(Z) * dA
    dW = dZ @ A_before.T
    db = np.sum(dZ, axis=1, keepdims=True)
    return A, dA, dZ, dW, db


def code_2() -> es.Network:
    """Layers i and i+1, and the scalar S whose gradient at the second is the signal D that comes from above."""
    return dense("Z", X="X", W="W", b="b") >> relu("A") >> dense("Z2", W="V", b="c") >> "S = D[I,K] Z2[I,K]"


# ---- Python Code 3: linear regression --------------------------------------------------------------------------------


def np_code_3(X, y, W, b, n_iter, learning_rate):
    """As printed but for a colon that is missing after back_propagation(X, y, W, b), and its name: the loop calls
    backward_propagation."""

    def forward_propagation(X, W, b):
        Z = W @ X + b
        A = Z  # not necessary in practice
        return A

    def backward_propagation(X, y, W, b):
        A = forward_propagation(X, W, b)
        N = X.shape[1]
        dZ = 1 / N * (A - y)
        dW = dZ @ X.T
        db = np.sum(dZ, axis=1, keepdims=True)
        return dW, db

    def update_params(W, b, dW, db, learning_rate=0.1):
        W -= learning_rate * dW
        b -= learning_rate * db
        return W, b

    def cost(A, y):
        N = X.shape[1]
        return np.sum((A - y) ** 2) / (2 * N)

    W, b = W.copy(), b.copy()
    cost_history = []
    for _ in range(n_iter):
        A = forward_propagation(X, W, b)
        dW, db = backward_propagation(X, y, W, b)
        W, b = update_params(W, b, dW, db, learning_rate)
        cost_history.append(cost(A, y))
    return W, b, cost_history


def code_3() -> es.Network:
    return dense("A", X="X", W="W", b="b") >> half_squared_error("J", A="A", Y="Y")


def train_3(X, y, W, b, n_iter, learning_rate):
    """The same loop with the gradients that Einstan derives."""
    step = code_3().value_and_grad("J").compile()
    params = {"W": W.copy(), "b": b[:, 0].copy()}
    cost_history = []
    for _ in range(n_iter):
        cost, gradients = step(params, X=X, Y=y)
        params = {name: value - learning_rate * gradients[name] for name, value in params.items()}
        cost_history.append(cost)
    return params["W"], params["b"][:, None], cost_history


# ---- Python Code 4: classification into several classes --------------------------------------------------------------


def np_code_4(X, Y, W, b, softmax=np_softmax):
    """``W[l]``, ``b[l]`` for l = 1..L; as printed but for a missing colon, ``Ws`` where W is meant, the lists Z, A, dZ,
    dA, dW, db, which the listing only describes, and the axis of softmax."""
    L = max(W)
    Z, A, dZ, dA, dW, db = {}, {0: X}, {}, {}, {}, {}
    for i in range(1, L):
        Z[i] = W[i] @ A[i - 1] + b[i]
        A[i] = np_relu(Z[i])
    Z[L] = W[L] @ A[L - 1] + b[L]
    A[L] = softmax(Z[L])
    N = X.shape[1]
    dZ[L] = 1 / N * (A[L] - Y)
    dW[L] = dZ[L] @ A[L - 1].T
    db[L] = np.sum(dZ[L], axis=1, keepdims=True)
    for i in range(L - 1, 0, -1):
        dA[i] = W[i + 1].T @ dZ[i + 1]
        dZ[i] = np_d_relu(Z[i]) * dA[i]
        dW[i] = dZ[i] @ A[i - 1].T
        db[i] = np.sum(dZ[i], axis=1, keepdims=True)
    return A[L], dW, db


def code_4(L: int) -> es.Network:
    """Relu layers 1 to L-1, a softmax layer, and the cross-entropy."""
    net = dense("Z1", X="X", W="W1", b="b1")
    for i in range(2, L + 1):
        net = net >> relu(f"A{i - 1}") >> dense(f"Z{i}", W=f"W{i}", b=f"b{i}")
    return net >> softmax(f"A{L}") >> cross_entropy("J", A=f"A{L}", Y="Y")


# ---- both, side by side ----------------------------------------------------------------------------------------------


def differences() -> dict[str, float]:
    """The largest difference between a listing and its network, for every array that both compute."""
    found: dict[str, float] = {}

    def compare(name, listing, network):
        assert np.shape(listing) == np.shape(network), name
        found[name] = float(np.max(np.abs(np.asarray(listing) - network)))

    rng = np.random.default_rng(2022)
    Z = rng.normal(size=(3, 5))
    Z[0, 0] = 0.0  # where relu has a kink
    for layer, function, derivative in ((sigmoid, np_sigmoid, np_d_sigmoid), (relu, np_relu, np_d_relu)):
        net, total = code_1(layer)
        name = function.__name__.removeprefix("np_")
        compare(f"1 {name}", function(Z), net.evaluate("A", {}, Z=Z))
        _, gradients = net.value_and_grad(total, wrt=["Z"], kinks=CONVENTION).compile()({}, Z=Z)
        compare(f"1 d_{name}", derivative(Z), gradients["Z"])
    compare("1 softmax", np_softmax(Z), softmax.equation(Z=Z))

    A_before, W, b, W_next, D = (rng.normal(size=s) for s in ((4, 6), (3, 4), (3, 1), (2, 3), (2, 6)))
    A, dA, dZ, dW, db = np_code_2(A_before, W, b, W_next, D)
    net = code_2()
    given = {"W": W, "b": b[:, 0], "V": W_next, "c": np.zeros(2)}
    compare("2 A", A, net.evaluate("A", given, X=A_before, D=D))
    step = net.value_and_grad("S", wrt=["A", "Z", "W", "b"], kinks=CONVENTION).compile()
    _, gradients = step(given, X=A_before, D=D)
    for name, listing in {"A": dA, "Z": dZ, "W": dW, "b": db[:, 0]}.items():
        compare(f"2 d{name}", listing, gradients[name])

    X, y, W, b = rng.normal(size=(4, 30)), rng.normal(size=(1, 30)), rng.random((1, 4)) * 0.01, np.zeros((1, 1))
    for name, listing, trained in zip(
        ("W", "b", "cost"), np_code_3(X, y, W, b, 300, 0.01), train_3(X, y, W, b, 300, 0.01), strict=True
    ):
        compare(f"3 {name} after 300 steps", listing, trained)

    sizes = (5, 7, 6, 4)
    X, labels = rng.normal(size=(5, 9)), rng.integers(0, 4, 9)
    Y = np.eye(4)[:, labels]
    Ws = {l: rng.normal(size=(sizes[l], sizes[l - 1])) for l in (1, 2, 3)}
    bs = {l: rng.normal(size=(sizes[l], 1)) for l in (1, 2, 3)}
    out, dWs, dbs = np_code_4(X, Y, Ws, bs)
    net = code_4(3)
    given = {f"W{l}": Ws[l] for l in Ws} | {f"b{l}": bs[l][:, 0] for l in bs}
    compare("4 output", out, net.evaluate("A3", given, X=X))
    _, gradients = net.value_and_grad("J", kinks=CONVENTION).compile()(given, X=X, Y=Y)
    for l in Ws:
        compare(f"4 dW{l}", dWs[l], gradients[f"W{l}"])
        compare(f"4 db{l}", dbs[l][:, 0], gradients[f"b{l}"])
    return found


if __name__ == "__main__":
    print("Python Code 4, three layers: forward and backward")
    print(code_4(3), code_4(3).backward("J", kinks=CONVENTION), sep="\n\n")
    print("\nLargest differences between the listings and the networks")
    for name, difference in differences().items():
        print(f"  {name:24}{difference:.1e}")
