"""Dense: every output is a weighted sum of the inputs, and a bias.

Examples:
    >>> from einstan.layers import dense
    >>> print(dense.partial("W"))
    dZ[n,j]/dW[p,q] = δ[j,q] X[n,p]
"""

from einstan.library.layer import Layer

dense = Layer(
    "Z[n,j] = X[n,K] W[K,j] + b[j]",
    partials=(
        "dZ[n,j]/dX[m,p] = δ[n,m] W[p,j]",
        "dZ[n,j]/dW[p,q] = δ[j,q] X[n,p]",
        "dZ[n,j]/db[q] = δ[j,q]",
    ),
    parameters={"W": "he", "b": "zeros"},
    source="Neoh (2023), Mathematics of Neural Networks, section 6",
)
