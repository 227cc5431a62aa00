"""Layer norm: every row with mean 0 and variance 1, then a gain and a bias for every column.

Examples:
    >>> from einstan.layers import layer_norm
    >>> print(layer_norm)
    m[n] = mean[J](X[n,J])
    v[n] = mean[J]((X[n,J] - m[n])^2)
    s[n] = sqrt(v[n] + 1e-5)
    H[n,j] = (X[n,j] - m[n]) / s[n]
    Y[n,j] = g[j] H[n,j] + b[j]
"""

from einstan.library.layer import Layer

layer_norm = Layer(
    """
    m[n] = mean[J](X[n,J])
    v[n] = mean[J]((X[n,J] - m[n])^2)
    s[n] = sqrt(v[n] + 1e-5)
    H[n,j] = (X[n,j] - m[n]) / s[n]
    Y[n,j] = g[j] H[n,j] + b[j]
    """,
    partials=(
        "dY[n,j]/dX[m,q] = g[j] δ[n,m] (δ[j,q] - (1 + H[n,j] H[n,q]) / |j|) / s[n]",
        "dY[n,j]/dg[q] = δ[j,q] H[n,j]",
        "dY[n,j]/db[q] = δ[j,q]",
    ),
    parameters={"g": "ones", "b": "zeros"},
    source="Ba, Kiros and Hinton (2016), Layer normalization, section 3, with the epsilon of its implementations",
)
