"""Log-softmax: the logarithm of a softmax, which is finite where the softmax itself has become zero.

Examples:
    >>> from einstan.layers import log_softmax
    >>> print(log_softmax.partial("Z"))
    dA[n,c]/dZ[m,k] = δ[n,m] (δ[c,k] - exp(A[n,k]))
"""

from einstan.library.layer import Layer

log_softmax = Layer(
    "A[n,c] = Z[n,c] - logsumexp[K](Z[n,K])",
    partials=("dA[n,c]/dZ[m,k] = δ[n,m] (δ[c,k] - exp(A[n,k]))",),
    source="Goodfellow, Bengio and Courville (2016), Deep Learning, section 6.2.2.3",
)
