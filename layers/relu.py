"""ReLU: the positive part.

Examples:
    >>> from einstan.layers import relu
    >>> print(relu.partial("Z"))
    dA[n,j]/dZ[m,q] = δ[n,m] δ[j,q] 1[Z[n,j] > 0]
"""

from einstan.library.layer import Layer

relu = Layer(
    "A[n,j] = relu(Z[n,j])",
    partials=("dA[n,j]/dZ[m,q] = δ[n,m] δ[j,q] 1[Z[n,j] > 0]",),
    source="Jiang, A deep mathematical understanding of DNNs, section 3, with relu'(0) = 0",
)
