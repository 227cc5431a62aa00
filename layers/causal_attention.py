"""Causal attention: attention in which a query sees its own position and those before it.

The mask is the logarithm of an indicator, 0 or minus infinity, so that what is not seen has the weight exp(-∞) = 0.

Examples:
    >>> from einstan.layers import causal_attention
    >>> print(causal_attention.equation)
    O[q,d] = P[q,K] V[K,d]
"""

from einstan.library.layer import Layer

causal_attention = Layer(
    """
    S[q,k] = Q[q,E] M[k,E] / sqrt(|E|)
    P[q,k] = softmax[k](S[q,k] + log(1[k <= q]))
    O[q,d] = P[q,K] V[K,d]
    """,
    partials=(
        "dO[q,d]/dQ[p,e] = δ[q,p] P[q,K] M[K,e] (V[K,d] - O[q,d]) / sqrt(|e|)",
        "dO[q,d]/dM[k,e] = P[q,k] Q[q,e] (V[k,d] - O[q,d]) / sqrt(|e|)",
        "dO[q,d]/dV[k,p] = P[q,k] δ[d,p]",
    ),
    source="Vaswani et al. (2017), Attention is all you need, section 3.2.3",
)
