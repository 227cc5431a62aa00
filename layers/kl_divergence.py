"""Kullback-Leibler divergence: the mean over rows of what Q loses where P is the truth.

Examples:
    >>> from einstan.layers import kl_divergence
    >>> print(kl_divergence.equation)
    D = 1/|N| P[N,J] (log(P[N,J]) - log(Q[N,J]))
"""

from einstan.library.layer import Layer

kl_divergence = Layer(
    "D = 1/|N| P[N,J] (log(P[N,J]) - log(Q[N,J]))",
    partials=(
        "dD/dP[n,j] = (log(P[n,j]) - log(Q[n,j]) + 1) / |n|",
        "dD/dQ[n,j] = -P[n,j] / (|n| Q[n,j])",
    ),
    source="Kullback and Leibler (1951), On information and sufficiency, equation (2.4), over a batch",
)
