"""GELU: every entry times the share of the normal distribution that lies below it.

Examples:
    >>> from einstan.layers import gelu
    >>> print(gelu.equation)
    A[n,j] = 1/2 Z[n,j] (1 + erf(Z[n,j] / sqrt(2)))
"""

from einstan.library.layer import Layer

gelu = Layer(
    "A[n,j] = 1/2 Z[n,j] (1 + erf(Z[n,j] / sqrt(2)))",
    partials=(
        "dA[n,j]/dZ[m,q] = δ[n,m] δ[j,q]"
        " (1/2 (1 + erf(Z[n,j] / sqrt(2))) + Z[n,j] exp(-1/2 Z[n,j]^2) / (sqrt(2) sqrt(pi)))",
    ),
    source="Hendrycks and Gimpel (2016), Gaussian error linear units, section 2",
)
