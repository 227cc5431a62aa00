"""Softplus: a smooth relu, whose slope is the sigmoid.

Examples:
    >>> from einstan.layers import softplus
    >>> print(softplus.partial("Z"))
    dA[n,j]/dZ[m,q] = δ[n,m] δ[j,q] sigmoid(Z[n,j])
"""

from einstan.library.layer import Layer

softplus = Layer(
    "A[n,j] = log(1 + exp(Z[n,j]))",
    partials=("dA[n,j]/dZ[m,q] = δ[n,m] δ[j,q] sigmoid(Z[n,j])",),
    source="Dugas, Bengio, Bélisle, Nadeau and Garcia (2001), Second-order functional knowledge, section 3",
)
