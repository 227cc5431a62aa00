"""Softmax: positive rows that sum to one, written as on paper.

Examples:
    >>> from einstan.layers import softmax
    >>> print(softmax.partial("Z"))
    dS[n,c]/dZ[m,k] = S[n,c] δ[n,m] (δ[c,k] - S[n,k])
"""

from einstan.library.layer import Layer

softmax = Layer(
    "S[n,c] = exp(Z[n,c]) / sum[K](exp(Z[n,K]))",
    partials=("dS[n,c]/dZ[m,k] = S[n,c] δ[n,m] (δ[c,k] - S[n,k])",),
    source="Jiang, A deep mathematical understanding of DNNs, section 3",
)
