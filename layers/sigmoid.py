"""Sigmoid: the logistic function of every entry.

Examples:
    >>> from einstan.layers import sigmoid
    >>> print(sigmoid.partial("Z"))
    dA[n,j]/dZ[m,q] = δ[n,m] δ[j,q] A[n,j] (1 - A[n,j])
"""

from einstan.library.layer import Layer

sigmoid = Layer(
    "A[n,j] = sigmoid(Z[n,j])",
    partials=("dA[n,j]/dZ[m,q] = δ[n,m] δ[j,q] A[n,j] (1 - A[n,j])",),
    source="Park (2022), Gradients in a deep neural network and their Python implementations, section 3",
)
