"""Tanh: the hyperbolic tangent of every entry.

Examples:
    >>> from einstan.layers import tanh
    >>> print(tanh.partial("Z"))
    dA[n,j]/dZ[m,q] = δ[n,m] δ[j,q] (1 - A[n,j]^2)
"""

from einstan.library.layer import Layer

tanh = Layer(
    "A[n,j] = tanh(Z[n,j])",
    partials=("dA[n,j]/dZ[m,q] = δ[n,m] δ[j,q] (1 - A[n,j]^2)",),
    source="LeCun, Bottou, Orr and Müller (1998), Efficient BackProp, section 4.4",
)
