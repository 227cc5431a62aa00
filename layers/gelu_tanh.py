"""GELU with the tanh that stands for the normal distribution.

Examples:
    >>> from einstan.layers import gelu_tanh
    >>> print(gelu_tanh.equation)
    A[n,j] = 1/2 Z[n,j] (1 + t[n,j])
"""

from einstan.library.layer import Layer

gelu_tanh = Layer(
    """
    t[n,j] = tanh(sqrt(2/pi) (Z[n,j] + 0.044715 Z[n,j]^3))
    A[n,j] = 1/2 Z[n,j] (1 + t[n,j])
    """,
    partials=(
        "dA[n,j]/dZ[m,q] = 1/2 δ[n,m] δ[j,q] (1 + t[n,j] + Z[n,j] (1 - t[n,j]^2) sqrt(2/pi) (1 + 0.134145 Z[n,j]^2))",
    ),
    source="Hendrycks and Gimpel (2016), Gaussian error linear units, section 2",
)
