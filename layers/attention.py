"""Attention: for every query, the mean of the values, weighted by a softmax of its products with the keys M.

Examples:
    >>> from einstan.layers import attention
    >>> print(attention.partial("V"))
    dO[q,d]/dV[k,p] = P[q,k] δ[d,p]
"""

from einstan.library.layer import Layer

attention = Layer(
    """
    S[q,k] = Q[q,E] M[k,E] / sqrt(|E|)
    P[q,k] = softmax[k](S[q,k])
    O[q,d] = P[q,K] V[K,d]
    """,
    partials=(
        "dO[q,d]/dQ[p,e] = δ[q,p] P[q,K] M[K,e] (V[K,d] - O[q,d]) / sqrt(|e|)",
        "dO[q,d]/dM[k,e] = P[q,k] Q[q,e] (V[k,d] - O[q,d]) / sqrt(|e|)",
        "dO[q,d]/dV[k,p] = P[q,k] δ[d,p]",
    ),
    source="Vaswani et al. (2017), Attention is all you need, equation (1)",
)
